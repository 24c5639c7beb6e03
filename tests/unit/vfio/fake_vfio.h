/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake kernel with fake VFIO devices, for the tests of src/vfio.
 *
 * It answers the calls of vfio_ops.h the way Linux does, refuses what Linux
 * refuses, and keeps a trace of what was done in words. Each device has its
 * real config space and registers; what VFIO virtualises (BARs, MSI, power,
 * function reset) is virtualised here too.
 *
 * `owned` marks config space bits that belong to the host: a write through
 * VFIO that would change one is counted in fake_kernel.violations.
 */
#ifndef TESTS_VFIO_FAKE_VFIO_H
#define TESTS_VFIO_FAKE_VFIO_H

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vfio/vfio_ops.h"

#define FAKE_DEVICES	 4u
#define FAKE_CFG	 4096u
#define FAKE_MAPS	 16u
#define FAKE_IOVA_RANGES 4u
#define FAKE_BAR_BYTES	 0xa0000u /* backing of a BAR's first bytes */
#define FAKE_VECTORS	 2048u

/* What one way of resetting a device does. */
struct fake_reset {
	int error;	  /* negative errno instead of a reset */
	bool leaves_sick; /* "succeeds", and the device is as it was */
};

struct fake_device {
	char bdf[40]; /* a mediated one's UUID */
	bool mediated;
	unsigned domain, bus, devfn;
	int group;
	uint8_t cfg[FAKE_CFG];	   /* the hardware */
	uint8_t vconfig[FAKE_CFG]; /* VFIO's copy where it has one */
	uint8_t owned[FAKE_CFG];   /* bits a guest must not change */
	uint8_t raw_rw[FAKE_CFG];  /* bits VFIO writes to hardware */
	unsigned cfg_size;
	uint64_t next_bar; /* where the next BAR goes */
	/* Config space in BAR 0 at this offset, 0: none; what a guest may not
	 * change there is a violation. The MSI capability's id counts acks.
	 */
	uint32_t mirror;
	unsigned mirror_acks;
	uint8_t pm, exp, af, msi, msix, vpd;
	struct {
		uint64_t size;
		uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
		bool msix_mappable;
		unsigned areas; /* sparse mmap */
		struct vfio_region_sparse_mmap_area area[4];
		uint8_t *data; /* FAKE_BAR_BYTES, shared by file and mmap */
		int memfd;
	} region[8];
	uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
	struct vfio_irq_info irq[VFIO_PCI_NUM_IRQS];
	char reset_methods[64];
	char parent[16];
	bool virtual_function;
	/* State. */
	unsigned opens;
	bool dead;	  /* config space and BARs read as ones */
	bool stuck;	  /* power state and MSI-X enable do not change */
	bool dies_by_bus; /* a bus reset kills it */
	uint8_t *healthy; /* BAR 0 after a reset that worked */
	void (*sicken)(struct fake_device *dev);
	struct fake_reset by_function, by_bus, by_pm;
	int no_hot_reset; /* negative errno of the hot reset info */
	unsigned again;	  /* EAGAIN answers before a reset works */
	unsigned resets_function, resets_bus, resets_pm, power_cycles;
	bool low_power;	     /* asleep by VFIO's low power entry */
	int low_power_error; /* negative errno of that */
	/* Interrupts as set by VFIO_DEVICE_SET_IRQS. */
	int irq_index; /* -1 none */
	unsigned vectors;
	unsigned teardowns; /* of interrupts that were set up */
	int fd[FAKE_VECTORS];
	int intx_unmask_fd;
	int err_fd, req_fd;
	int intx_error;	      /* negative errno of SET_IRQS for INTx */
	unsigned vectors_max; /* host has no more than this; 0: enough */
};

struct fake_map {
	uint64_t iova, size, vaddr;
};

struct fake_kernel {
	struct vfio_ops ops;
	struct fake_device *dev[FAKE_DEVICES];
	unsigned devices;
	FILE *trace;
	char *trace_text;
	size_t trace_size;
	bool quiet; /* no trace of config and region accesses */
	unsigned violations;
	/* Container. */
	unsigned containers, groups;
	bool group_open[64], group_set[64];
	bool iommu_set;
	struct fake_map map[FAKE_MAPS];
	unsigned maps;
	struct vfio_iova_range iova[FAKE_IOVA_RANGES];
	unsigned iovas; /* 0: no capability */
	/* Faults to play. */
	int open_container_error, open_group_error, set_container_error;
	int set_iommu_error, device_fd_error, map_error;
	unsigned map_error_at; /* which map fails, from 0 */
	int populate_error;
	bool not_viable;
	uint64_t memlock;
	unsigned slept_ms;
	uint64_t populated;
	int kvm_add_error;
	/* The slot loses its power when all on the bus sleep. */
	bool slot_power;
	char root[64];	      /* of fake_sysfs_create() */
	int event_label[256]; /* eventfds in order of appearance */
	unsigned events;
};

void fake_kernel_init(struct fake_kernel *k);
void fake_kernel_fini(struct fake_kernel *k);
void fake_kernel_add(struct fake_kernel *k, struct fake_device *dev);

/* What was traced since the last call; valid until the next. */
const char *fake_trace(struct fake_kernel *k);
void fake_tracef(struct fake_kernel *k, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "e1", "e2", ... for eventfds, "-" for none. */
const char *fake_event_name(struct fake_kernel *k, int fd, char buf[16]);

int fake_kvm_add(void *ctx, int group_fd);
int fake_kvm_del(void *ctx, int group_fd);

/* The device raises vector n of what is armed; false: nobody listens. */
bool fake_fire(struct fake_device *dev, unsigned n);

uint16_t fake_get16(const uint8_t *p);
uint32_t fake_get32(const uint8_t *p);
void fake_put16(uint8_t *p, unsigned v);
void fake_put32(uint8_t *p, uint32_t v);

/* ---- devices (fake_devices.c); freed by fake_device_free() ---- */

/* PCIe, 64-bit BAR 0 of 16 KiB, MSI-X of 17 in pages of its own. */
struct fake_device *fake_nvme(void);
/* BARs 128K, 128K, I/O 32, 16K (MSI-X of 5), ROM; MSI, MSI-X, INTx; pm bus. */
struct fake_device *fake_e1000e(void);
/* Conventional: I/O 256, memory 256 (sub-page), INTx only. */
struct fake_device *fake_rtl8139(void);
/* A GPU: large 64-bit BAR, every extended capability, no function reset. */
struct fake_device *fake_gpu(void);
/* xHCI controller, reset by bus only. */
struct fake_device *fake_xhci(void);
/*
 * A mediated device, with the manners of the kernel's sample mtty: 255 bytes of
 * config space, an I/O BAR of 8, INTx, COMMAND that does not change, a reset
 * that it does not tell of. Place it in a group by `group`.
 */
#define FAKE_UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
struct fake_device *fake_mtty(int group);
void fake_device_place(struct fake_device *dev, unsigned bus, unsigned slot,
		       unsigned func, int group);
void fake_device_free(struct fake_device *dev);
/* Class registers as a crashed guest leaves them. */
void fake_sicken(struct fake_device *dev);

/* A sysfs tree with these devices below a new temporary folder. */
void fake_sysfs_create(struct fake_kernel *k, char root[64]);
void fake_sysfs_remove(const char *root);
void fake_sysfs_write(const char *root, const char *path, const char *text);

#endif
