/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passed-through devices that come and go while the guest runs, over the
 * hot-plug slots of root ports.
 *
 * Call order: hotplug_create() when all devices are there, before privileges
 * are dropped (the first device of a guest locks its memory); hotplug_destroy()
 * when no vCPU runs any more and the devices are still there.
 *
 * A slot is named as in -s: "8", "0:8", "0:8:0".
 *
 * Threads: the event loop's. Opening and resetting a device takes it for as
 * long as that takes (a second at worst); vCPUs run on.
 */
#ifndef MACHINE_HOTPLUG_H
#define MACHINE_HOTPLUG_H

#include "bus/model.h"
#include "proto/status.h"
#include "vfio/vfio.h"

struct hotplug;

struct hotplug_params {
	const struct model_env *env;
	/* May guest memory be locked now? For the first device of a guest. */
	int (*lock_memory)(void *ctx, struct err *err);
	/* One STATUS_LOG for each that comes or goes by itself. */
	void (*event)(void *ctx, const struct status *status);
	void *ctx; /* of lock_memory */
	void *event_ctx;
	unsigned patience_ms; /* with the guest; 0: HOTPLUG_PATIENCE_S */
};

MUST_CHECK int hotplug_create(const struct hotplug_params *params,
			      struct err *err, struct hotplug **ret_hotplug);
void hotplug_destroy(struct hotplug *hotplug); /* NULL allowed */

/*
 * "8 3/0/0,OPTION=VALUE" or functions of one card "8 4/0/0 4/0/1", which keep
 * their numbers. Words "group=12" after the slot name the IOMMU groups whose
 * descriptors are in `fds` (NULL: none), in that order; those are taken. On
 * failure nothing stays behind. From a guest that does not switch the slot on
 * within HOTPLUG_PATIENCE_S they are taken back, and that is logged; until it
 * has, hotplug_slots() says "coming".
 */
MUST_CHECK int hotplug_attach(struct hotplug *hotplug, const char *args,
			      struct control_fds *fds, struct err *err);
/*
 * Presses the slot's button. The device leaves when the guest has let go; when
 * it has not within HOTPLUG_PATIENCE_S, that is logged and it stays. Of a slot
 * that the guest has not switched on it leaves at once.
 */
#define HOTPLUG_PATIENCE_S 30u
MUST_CHECK int hotplug_detach(struct hotplug *hotplug, const char *slot,
			      struct err *err);
/* "8=empty 9=3/0/0,coming 10=4/0/0+4/0/1,leaving" */
void hotplug_slots(struct hotplug *hotplug, char *buf, size_t size);

/* For vfio_params.leave: false when `dev` is not in a hot-plug slot. */
bool hotplug_leave(struct hotplug *hotplug, struct pci_dev *dev, bool broken,
		   const char *why);

#endif
