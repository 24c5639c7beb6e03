/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI devices of the host in a guest, through Linux VFIO.
 *
 * One `struct vfio_ctx` per machine owns the container (the I/O address space
 * in which all passed-through devices do their DMA), its IOMMU groups and the
 * list of devices. The model `passthru` finds it in model_env.vfio.
 *
 * Call order:
 *   vfio_ctx_create()     before the first device; touches nothing of the host
 *   passthru_model.create opens group and device. The first one also maps all
 *                         guest RAM for DMA (it is pinned from then on), so
 *                         RAM must have been added to gmem before, and KVM's
 *                         interrupt controllers must exist
 *   ... the guest runs ...
 *   vfio_quiesce_all()    any time: no DMA and no interrupts from here on
 *   vfio_reset_all()      no vCPU runs any more: every device is made quiet,
 *                         reset and verified
 *   pci_host_destroy()    closes the devices
 * In between, behind ports with hot-plug: passthru_model.create with
 * env.upstream set, and vfio_unplug().
 *   vfio_ctx_destroy()    closes groups and container
 *
 * kill -9 needs no clean-up: the kernel closes the descriptors, which stops
 * DMA, frees interrupts, resets the device and unpins memory.
 *
 * Threads: create, unplug, reset and destroy on the event loop's thread, reset
 * and destroy with no vCPU running; vfio_quiesce_all() from any thread that
 * holds no device's lock. Limits: VFIO_DEVICES_MAX functions, VFIO_GROUPS_MAX
 * groups. Sources: Linux uapi <linux/vfio.h>,
 * Documentation/driver-api/vfio.rst; PCI Local Bus 3.0; PCI Express Base 5.0.
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include "base/base.h"
#include "base/cfg.h"
#include "base/clock.h"
#include "base/err.h"
#include "bus/model.h"
#include "gmem/gmem.h"
#include "hostpci/hostpci.h"
#include "proto/probe.h"
#include "proto/status.h"

#define VFIO_DEVICES_MAX 64u
#define VFIO_GROUPS_MAX	 64u

struct vfio_ctx;
struct vfio_ops;

/* An IOMMU group's descriptor that is open already, and stays so. */
struct vfio_given {
	int group, fd;
	bool lent; /* by vfio_lend() */
};

struct vfio_params {
	struct gmem *gmem;
	const struct clock *clock;
	const char *root;	    /* "/"; a fixture tree in tests */
	const struct vfio_ops *ops; /* NULL: the kernel's system calls */
	/*
	 * KVM's VFIO pseudo-device learns of a group before a device of it is
	 * opened, and forgets it before the group is closed. 0 or -errno.
	 */
	int (*kvm_vfio_add)(void *ctx, int group_fd);
	int (*kvm_vfio_del)(void *ctx, int group_fd);
	void *kvm_ctx;
	/* One STATUS_DEVICE per reset; on the thread that resets. */
	void (*event)(void *ctx, const struct status *status);
	void *event_ctx;
	/* Deadlines of vfio-user servers; 0: those of vfio/user.h. */
	unsigned user_reply_ms, user_reset_ms;
	/* Groups that need not be opened: vfio_given_read(). */
	struct vfio_given given[VFIO_GROUPS_MAX];
	unsigned given_count;
	/*
	 * A function behind a port is broken, or the host wants it back, as
	 * `why` says: true when it will leave the guest; else the guest ends.
	 * On the loop's thread. NULL: the guest ends.
	 */
	bool (*leave)(void *ctx, struct pci_dev *dev, bool broken,
		      const char *why);
	void *leave_ctx;
};

/*
 * The config variables vfio.group.NUMBER=fd:N, which let a byway pass devices
 * through that may not open their groups. Such a descriptor is left by the
 * container when the last device of its group is closed, and never closed.
 */
MUST_CHECK int vfio_given_read(struct cfg *root, struct err *err,
			       struct vfio_given ret_given[VFIO_GROUPS_MAX],
			       unsigned *ret_count);

/*
 * The same for functions that come while the guest runs; consumes `fd`. A
 * descriptor lent is closed when the last device of its group is, and by
 * vfio_lent_drop() when there is none.
 */
MUST_CHECK int vfio_lend(struct vfio_ctx *ctx, int group, int fd,
			 struct err *err);
void vfio_lent_drop(struct vfio_ctx *ctx);

/* `params` is copied; what it points to must outlive the context. */
MUST_CHECK int vfio_ctx_create(const struct vfio_params *params,
			       struct err *err, struct vfio_ctx **ret_ctx);
void vfio_ctx_destroy(struct vfio_ctx *ctx); /* NULL allowed */

/*
 * Forgets what is known of the host's devices: before a function is opened
 * while the guest runs.
 */
void vfio_ctx_refresh(struct vfio_ctx *ctx);

/*
 * Takes passed-through functions (all behind one port) out of the running
 * guest: quiet, gone from its buses, reset, verified, closed; one event each.
 * -EIO when one did not come back; it is gone all the same.
 */
int vfio_unplug(struct pci_dev *const *devs, unsigned n);
/* The options barNsize= of a node; -EINVAL with the sentence. */
MUST_CHECK int vfio_bar_sizes(struct cfg *node, struct err *err,
			      struct hostpci_bars *ret_bars);
/* The host's address of a passed-through function: "3/0/0". */
const char *vfio_selector(struct pci_dev *dev);
const char *vfio_bdf(struct pci_dev *dev); /* "0000:03:00.0" */

/* Functions passed through so far. */
unsigned vfio_device_count(struct vfio_ctx *ctx);
/* Is guest RAM pinned for one of them? */
bool vfio_memory_pinned(const struct vfio_ctx *ctx);

/*
 * Takes bus mastering and interrupts from every device, for good: what the
 * guest writes to COMMAND later does not bring them back. Idempotent.
 */
void vfio_quiesce_all(struct vfio_ctx *ctx);

/*
 * Quiesces, then resets every device by the best method that works and
 * verifies that it came back; one event per device. -EIO when at least one
 * did not: the guest must not be started on it again.
 */
MUST_CHECK int vfio_reset_all(struct vfio_ctx *ctx);

/*
 * Tries a device without a guest: opens it, resets it, verifies it and sets up
 * an interrupt. A context with a page of memory in its gmem and no KVM serves.
 * Each step is told; 0, 1 when one failed, negative when it could not begin.
 */
typedef void vfio_selftest_fn(void *ctx, const struct probe_line *line);
MUST_CHECK int vfio_selftest(struct vfio_ctx *ctx, struct hostpci_addr addr,
			     vfio_selftest_fn *fn, void *fn_ctx,
			     struct err *err);

/*
 * -s N,passthru,ADDRESS[,rom=FILE|none][,reset=auto|flr|bus|pm][,bootindex=N]
 * [,intpin=a|b|c|d][,mirror=on|off][,unsafe=interrupts+acs]
 * [,port=none|pcie|hotplug] (the port is made by the machine);
 * vfio-user=SOCKET in the place of ADDRESS: a device served by a process;
 * mdev=UUID: a mediated device.
 * docs/devices/passthru.md describes what the guest sees.
 */
extern const struct pci_model passthru_model;

#endif
