/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share.
 *
 * Who does what:
 *   ops.c        system calls                    populate.c  page in guest RAM
 *   container.c  groups, DMA maps                ctx.c       list of devices
 *   device.c     descriptor, regions             bar.c       BAR windows
 *   capability.c capability policy tables        config.c    config space
 *   irq.c        INTx, MSI, MSI-X                event.c     errors, requests
 *   rom.c        expansion ROM                   rom_image.c what is in one
 *   reset.c      the reset ladder
 *   verify.c     did it come back                probe.c     class probes
 *   suspect.c    why a device is dead            passthru.c  the model
 *   user*.c      devices that another process serves (user.h)
 *   hotplug.c    leaving a running guest  d3cold.c  a slot's power off and on
 *   mirror.c     config space inside an NVIDIA GPU's BAR 0
 *   mdev.c       devices that a driver of the host gives away
 *
 * Only container.c knows of groups; what the others need from it are the
 * functions below, so that the character device (iommufd) can take its place.
 */
#ifndef VFIO_VFIO_INTERNAL_H
#define VFIO_VFIO_INTERNAL_H

#include <linux/vfio.h>
#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "base/evloop.h"
#include "bus/irq.h"
#include "bus/model.h"
#include "bus/pci.h"
#include "hostpci/hostpci.h"
#include "hostpci/quirks.h"
#include "vfio/user.h"
#include "vfio/vfio.h"
#include "vfio/vfio_ops.h"

#define VFIO_PAGE	 4096u
#define VFIO_WINDOWS_MAX 8u
#define VFIO_REGIONS	 (VFIO_PCI_CONFIG_REGION_INDEX + 1)
#define VFIO_NO_SLOT	 (-1)
#define VFIO_RESET_SET	 64u /* functions one bus reset may affect */
#define VFIO_REASON_MAX	 320
#define VFIO_SLOT_FUNCS	 8u /* behind one port */

struct vfio_device;

/* ---- container.c ---- */

struct vfio_group {
	int id;
	int fd; /* -1: free entry */
	bool in_kvm;
	bool given; /* not opened by us */
	unsigned users;
};

struct vfio_container {
	int fd; /* -1 until the first device */
	bool mapped;
	struct vfio_group group[VFIO_GROUPS_MAX];
};

struct vfio_ctx {
	struct vfio_params params;
	const struct vfio_ops *ops;
	struct vfio_container container;
	struct hostpci *host; /* opened with the first device */
	pthread_mutex_t lock; /* Locking: device[] and count */
	struct vfio_device *device[VFIO_DEVICES_MAX];
	unsigned count;
	struct vfio_device *retired; /* left while the guest ran */
};

/* ctx.c: the host's devices; opened by the first call. */
MUST_CHECK int vfio_ctx_host(struct vfio_ctx *ctx, struct err *err,
			     struct hostpci **ret_host);
/* -EEXIST when the guest has the function already, -ENOSPC. */
MUST_CHECK int vfio_ctx_add(struct vfio_ctx *ctx, struct vfio_device *d,
			    struct err *err);
void vfio_ctx_remove(struct vfio_ctx *ctx, struct vfio_device *d);

/*
 * Makes the function's group part of the container; the first group also
 * brings the IOMMU model and the maps of guest RAM.
 */
MUST_CHECK int vfio_container_attach(const struct vfio_device *d,
				     struct err *err,
				     struct vfio_group **ret_group);
void vfio_container_detach(struct vfio_ctx *ctx, struct vfio_group *group);
/* How many more maps the host allows; UINT32_MAX before Linux 5.10. */
uint32_t vfio_container_maps_left(const struct vfio_ctx *ctx);
MUST_CHECK int vfio_container_open_device(const struct vfio_device *d,
					  struct err *err, int *ret_fd);
/* Descriptor that proves ownership of a group for a bus reset; -1: not ours. */
int vfio_container_group_fd(const struct vfio_ctx *ctx, uint32_t group);

/* populate.c: pages of [host, host+size) present, by several threads. */
MUST_CHECK int vfio_populate(const struct vfio_ops *ops, void *host,
			     uint64_t size);

/* ---- device.c ---- */

struct vfio_window { /* a part of a BAR that may be mapped */
	uint64_t off, size;
	int slot; /* memmap handle or VFIO_NO_SLOT */
};

struct vfio_region {
	uint64_t size;
	uint64_t offset; /* in the device's descriptor */
	uint32_t flags;	 /* VFIO_REGION_INFO_FLAG_* */
	unsigned windows;
	struct vfio_window window[VFIO_WINDOWS_MAX];
};

struct vfio_bar {
	uint8_t *host; /* where byte 0 of the BAR would be */
	void *reserved;
	size_t reserved_len;
	bool visible; /* the guest decodes it */
	uint64_t base;
};

/* Config space policy, one bit per bit of config space. */
struct vfio_config {
	unsigned size;	   /* bytes the device has: 256 or 4096 */
	unsigned visible;  /* bytes the guest sees: 256 or 4096 */
	uint8_t *emulated; /* read from the image, not from the device */
	uint8_t *forward;  /* guest writes go to the device */
	/* Capability offsets on the device, 0: none. */
	uint8_t pm, exp, af, msi, msix, vpd;
	uint8_t exp_type; /* PCI_EXP_TYPE_* of the device */
};

enum vfio_irq_mode {
	VFIO_IRQ_NONE,
	VFIO_IRQ_INTX,
	VFIO_IRQ_MSI,
	VFIO_IRQ_MSIX,
};

struct vfio_vector {
	int fd;	       /* eventfd, -1 until first used */
	bool routed;   /* gsi is ours */
	bool attached; /* the eventfd feeds the guest */
	bool watched;  /* the eventfd feeds the pending bit */
	bool armed;    /* the device's vector feeds the eventfd */
	unsigned gsi;
	struct irq_msg msg;
};

struct vfio_irq {
	enum vfio_irq_mode mode;
	struct vfio_irq_info info[VFIO_PCI_NUM_IRQS];
	struct vfio_vector *vector;
	unsigned vectors;   /* room in vector[] */
	unsigned allocated; /* vectors the kernel has set up */
	unsigned ceiling;   /* MSI-X vectors the host has; 0: not known */
	int epoll_fd;	    /* eventfds of masked vectors */
	struct ev_fd *epoll_event;
	int intx_fd, resample_fd;
	unsigned intx_gsi;
	bool intx_broken; /* refused once: not tried again */
};

struct vfio_events {
	int error_fd, request_fd;
	struct ev_fd *error_event, *request_event;
	char why[320]; /* the reason given when the guest is ended */
};

struct vfio_rom {
	uint8_t *image; /* anonymous memory, page-aligned */
	size_t size;	/* power of two; 0: no ROM */
	bool loaded;
	int slot; /* memmap handle or VFIO_NO_SLOT */
};

struct vfio_mirror { /* of config space, in BAR 0 */
	uint64_t base;
	unsigned size;			  /* 0: none */
	uint8_t config[PCI_CFG_SIZE / 8]; /* bytes that config.c answers for */
};

enum vfio_rung { /* the reset ladder, in its usual order */
	VFIO_RUNG_FUNCTION,
	VFIO_RUNG_BUS,
	VFIO_RUNG_PM,
	VFIO_RUNG_D3COLD,
	VFIO_RUNGS,
};

struct vfio_device {
	struct pci_dev pci; /* Locking: pci.lock guards all below */
	struct vfio_ctx *ctx;
	struct model_env env;
	struct hostpci_dev host;	 /* as it was when opened */
	const struct vfio_ops *ops;	 /* of fd */
	struct vfio_user *user;		 /* NULL: it is the kernel's */
	char socket[VFIO_USER_PATH_MAX]; /* of user; "" */
	char mdev[HOSTPCI_UUID_MAX];	 /* a mediated device; "" */
	struct vfio_group *group;
	int fd;
	int raw_fd;	/* sysfs config: the real registers; -1 unknown */
	int parent_fd;	/* the same of the bridge above */
	uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
	struct vfio_region region[VFIO_REGIONS];
	struct vfio_bar bar[PCI_BARS];
	struct vfio_config config;
	struct vfio_irq irq;
	struct vfio_events events;
	struct vfio_rom rom;
	struct vfio_mirror mirror;
	uint16_t link_status;	   /* LNKSTA when the device was opened */
	enum vfio_rung first_rung; /* the user's preference */
	bool rung_chosen;
	uint8_t intpin; /* the user's choice, 0: none */
	bool no_mirror; /* the user wants the GPU's own left alone */
	bool quiesced;
	bool asleep;	/* not in D0: its BARs do not answer */
	bool bus_reset; /* another function's bus reset took it along */
	struct vfio_device *next_retired;
};

/* What goes before "/sys", "/dev" and "/proc": nothing, but in tests. */
static inline const char *vfio_root(const struct vfio_ctx *ctx)
{
	return ctx->params.root[1] ? ctx->params.root : "";
}

/* Message prefix of a device: "0000:03:00.0", a socket's path, or a UUID. */
static inline const char *vfio_name(const struct vfio_device *d)
{
	if (d->mdev[0])
		return d->mdev;
	return d->socket[0] ? d->socket : d->host.bdf;
}

/* A PCI function of the host: neither served nor mediated. */
static inline bool vfio_is_function(const struct vfio_device *d)
{
	return !d->user && !d->mdev[0];
}

static inline struct vfio_device *vfio_device_of(struct pci_dev *dev)
{
	return container_of(dev, struct vfio_device, pci);
}

/* Group, descriptor, regions; vfio_device_close() takes half-built ones. */
MUST_CHECK int vfio_device_open(struct vfio_device *d, struct err *err);
void vfio_device_close(struct vfio_device *d);

/*
 * user_device.c: a served device in the place of group and descriptor. Opening
 * connects and hands over guest RAM.
 */
MUST_CHECK int vfio_user_device_open(struct vfio_device *d, struct err *err);

/* mdev.c: what sysfs knows of d->mdev, into d->host. */
MUST_CHECK int vfio_mdev_find(struct vfio_device *d, struct err *err);

MUST_CHECK int vfio_device_ioctl(const struct vfio_device *d,
				 unsigned long request, void *arg);
/*
 * size 1, 2, 4 or 8 at `off` of a region. -EIO when the device does not
 * decode it now.
 */
MUST_CHECK int vfio_region_read(const struct vfio_device *d, unsigned region,
				uint64_t off, unsigned size,
				uint64_t *ret_value);
MUST_CHECK int vfio_region_write(const struct vfio_device *d, unsigned region,
				 uint64_t off, unsigned size, uint64_t value);

/* ---- bar.c ---- */

/*
 * Adds the BARs to d->pci and maps their windows, without the pages of the
 * MSI-X table and PBA and of a mirror, into this process.
 */
MUST_CHECK int vfio_bars_create(struct vfio_device *d, struct err *err);
void vfio_bars_destroy(struct vfio_device *d);
void vfio_bar_moved(struct vfio_device *d, unsigned bar, bool on);
/* Memory slots of every BAR on (where the guest decodes it) or off. */
void vfio_bars_show(struct vfio_device *d, bool on);
uint64_t vfio_bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
		       unsigned size);
void vfio_bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
		    unsigned size, uint64_t value);

/* ---- mirror.c ---- */

/* Before the BARs are made; then, when the guest's config space is built. */
void vfio_mirror_find(struct vfio_device *d);
MUST_CHECK int vfio_mirror_build(struct vfio_device *d);
/* A trapped access of a BAR, the device's lock held: true when it was there. */
bool vfio_mirror_read(struct vfio_device *d, unsigned bar, uint64_t off,
		      unsigned size, uint64_t *ret_value);
bool vfio_mirror_write(struct vfio_device *d, unsigned bar, uint64_t off,
		       unsigned size, uint64_t value);

/* ---- config.c, capability.c ---- */

/* Registers of the device itself (as VFIO presents them). */
MUST_CHECK int vfio_config_read(const struct vfio_device *d, unsigned off,
				unsigned size, uint32_t *ret_value);
MUST_CHECK int vfio_config_write(const struct vfio_device *d, unsigned off,
				 unsigned size, uint32_t value);
/* Where the device has the capabilities that other files ask for. */
MUST_CHECK int vfio_config_scan(struct vfio_device *d, struct err *err);
struct vfio_msix_place { /* of the device's MSI-X capability */
	unsigned vectors;
	unsigned table_bar, pba_bar;
	uint32_t table_off, pba_off;
};
MUST_CHECK int vfio_config_msix_place(const struct vfio_device *d,
				      struct vfio_msix_place *ret_place);
/* Builds the guest's view; BARs are already there. */
MUST_CHECK int vfio_config_build(struct vfio_device *d, struct err *err);
void vfio_config_destroy(struct vfio_device *d);
/* Decode, bus mastering and INTx disable as `command` has them. */
MUST_CHECK int vfio_config_set_command(const struct vfio_device *d,
				       uint16_t command);
/* D0..D3hot of the device; 0 without a PM capability. */
MUST_CHECK int vfio_config_power_state(const struct vfio_device *d,
				       unsigned *ret_state);
bool vfio_config_hook_read(struct pci_dev *dev, unsigned off, unsigned size,
			   uint32_t *ret_value);
bool vfio_config_hook_write(struct pci_dev *dev, unsigned off, unsigned size,
			    uint32_t value);
void vfio_config_hook_command(struct pci_dev *dev, uint16_t old);

struct vfio_cap {
	uint16_t id;
	uint8_t version; /* extended capabilities */
	uint16_t off;
	uint16_t limit; /* where the next one in address order starts */
};
#define VFIO_CAPS_MAX	  48u  /* 192 bytes of at least 4 */
#define VFIO_EXT_CAPS_MAX 256u /* more are not shown */
/* The device's lists in their own order; loops and bad offsets end them. */
unsigned vfio_config_caps(const struct vfio_device *d,
			  struct vfio_cap caps[VFIO_CAPS_MAX]);
unsigned vfio_config_ext_caps(const struct vfio_device *d,
			      struct vfio_cap caps[VFIO_EXT_CAPS_MAX]);

/* [off, off+len) answered by the image / forwarded for reads and writes. */
void vfio_config_emulate(struct vfio_device *d, unsigned off, unsigned len);
void vfio_config_forward(struct vfio_device *d, unsigned off, unsigned len,
			 bool writes);
/* Standard and extended capabilities into the guest's view. */
MUST_CHECK int vfio_capabilities_build(struct vfio_device *d, struct err *err);

/* ---- irq.c ---- */

MUST_CHECK int vfio_irq_create(struct vfio_device *d, struct err *err);
void vfio_irq_destroy(struct vfio_device *d);
/* Makes the device's interrupts follow what the guest programmed. */
void vfio_irq_sync(struct vfio_device *d);
/* No interrupts, nothing attached; 0 or the first error. */
int vfio_irq_disarm(struct vfio_device *d);
/* The guest reset the function: its MSI and MSI-X state is gone. */
void vfio_irq_function_reset(struct vfio_device *d);
void vfio_irq_hook_msi(struct pci_dev *dev);
void vfio_irq_hook_msix(struct pci_dev *dev, unsigned vector);
/* VFIO_DEVICE_SET_IRQS: `count` eventfds, or no data when fds is NULL. */
MUST_CHECK int vfio_irq_set(const struct vfio_device *d, unsigned index,
			    uint32_t action, unsigned start, unsigned count,
			    const int32_t *fds);

/* ---- event.c ---- */

MUST_CHECK int vfio_events_create(struct vfio_device *d, struct err *err);
void vfio_events_disarm(struct vfio_device *d);
void vfio_events_destroy(struct vfio_device *d);

/* ---- rom.c ---- */

/* From `path` when given, else from the device when it can be read. */
MUST_CHECK int vfio_rom_create(struct vfio_device *d, const char *path,
			       struct err *err);
/*
 * What the device's own ROM holds, for people: "ROM: BIOS, UEFI", "ROM: no 55
 * aa signature"; "" when it has none, or one that must not be read.
 */
void vfio_rom_describe(const struct vfio_device *d, char *buf, size_t size);
void vfio_rom_destroy(struct vfio_device *d);
void vfio_rom_moved(struct vfio_device *d, bool on);
uint64_t vfio_rom_read(struct vfio_device *d, uint64_t off, unsigned size);

/* ---- reset.c ---- */

struct vfio_reset_result {
	const char *method; /* "flr", "bus", ... "none" */
	unsigned ms;
	bool ok;
	char text[VFIO_REASON_MAX];
};

/* No DMA from now on, for good; the device's lock held. */
void vfio_reset_stop_dma(struct vfio_device *d);
/* Quiet, out of the guest's reach, in D0, decoding nothing. */
void vfio_reset_prepare(struct vfio_device *d);
/* Climbs the ladder until the device verifies. */
void vfio_reset_device(struct vfio_device *d,
		       struct vfio_reset_result *ret_result);
/* Tells who runs the guest what became of a reset. */
void vfio_reset_report(const struct vfio_device *d,
		       const struct vfio_reset_result *result);
/* After opening: verified, reset when that is needed. */
MUST_CHECK int vfio_reset_at_start(struct vfio_device *d, struct err *err);

/*
 * ctx.c: quiet, reset and verified, one event each; -EIO when one did not come
 * back.
 */
MUST_CHECK int vfio_reset_list(struct vfio_device *const *list, unsigned n);
/* hotplug.c: the memory of those that left. */
void vfio_retired_free(struct vfio_ctx *ctx);

/* ---- d3cold.c ---- */

/*
 * The power of its slot off and on. -ENOTTY when the host does not do that,
 * with the reason in `why`; what was below the port counts as reset.
 */
MUST_CHECK int vfio_d3cold(struct vfio_device *d, char why[VFIO_REASON_MAX]);
/* First line of a file in a function's sysfs folder; its size or -errno. */
ssize_t vfio_sysfs_read(const struct vfio_device *d, const char *bdf,
			const char *file, char *buf, size_t size);

/* ---- verify.c, probe.c, suspect.c ---- */

/* Remembers the link's speed and width. */
void vfio_verify_baseline(struct vfio_device *d);
/*
 * A quiet device, decode off, as it must be after a reset. 0 and what was
 * checked, or -EIO and what is wrong, as the end of a sentence about it.
 */
MUST_CHECK int vfio_verify(struct vfio_device *d, char text[VFIO_REASON_MAX]);
/*
 * Class-specific registers; memory decode is on. *ret_name says what was
 * looked at, NULL when nothing is known about the class. -EIO fills `why`.
 */
MUST_CHECK int vfio_probe_class(const struct vfio_device *d,
				char why[VFIO_REASON_MAX],
				const char **ret_name);
/* NVMe: CC.EN off, as far as it still obeys; memory decode is on meanwhile. */
void vfio_probe_stop_nvme(const struct vfio_device *d);
/* What is known to be broken in the host's kernel, NULL nothing. */
const struct hostpci_kernel_quirk *vfio_kernel_quirk(const struct vfio_ctx *ctx,
						     char release[64]);
/* What probably keeps a dead device dead and what to do, for messages. */
void vfio_suspect(const struct vfio_device *d, char *buf, size_t size);

#endif
