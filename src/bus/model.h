/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device model is given and what it gives: the contract between the
 * catalog (machine/catalog.c) and the models in dev/ and vfio/.
 *
 * A model touches only what create() handed it, so that a test can build it
 * with fakes. Nothing here is owned by the model.
 */
#ifndef BUS_MODEL_H
#define BUS_MODEL_H

#include "base/cfg.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/evloop.h"
#include "bus/aspace.h"
#include "bus/irq.h"
#include "bus/memmap.h"
#include "bus/pci.h"
#include "gmem/gmem.h"

/* Reasons a guest stops; values are bhyve's exit statuses. */
enum vm_end {
	VM_END_REBOOT = 0,
	VM_END_POWEROFF = 1,
	VM_END_HALT = 2,
	VM_END_TRIPLE_FAULT = 3,
	VM_END_ERROR = 4,
};

/* Ends the guest: from any thread, first call wins. `why` is logged. */
typedef void vm_end_fn(void *ctx, enum vm_end end, const char *why);

struct input_hub;

struct model_env {
	struct gmem *gmem;
	struct aspace *pio;
	struct aspace *mmio;
	struct irq_ctl *irq;
	struct irq_shared *lines;
	struct memmap *memmap;
	struct pci_host *pci;
	struct pci_dev *upstream; /* bridge to go behind; NULL: a root bus */
	struct evloop *loop;
	struct input_hub *input; /* backend/input.h; NULL in most tests */
	const struct clock *clock;
	struct cfg *root; /* the whole configuration, read-only */
	vm_end_fn *end;
	void *end_ctx;
	/*
	 * PC firmware runs first: chipset functions show the ids and registers
	 * of Intel's Q35 and ICH9, which it programs itself.
	 */
	bool q35;
	void *vfio; /* struct vfio_ctx *: only vfio/ looks inside */
};

/* A model that -s can name. */
struct pci_model {
	const char *name;	  /* "virtio-blk" */
	const char *const *alias; /* NULL-terminated or NULL */
	const char *summary;	  /* one line for -s help */
	/*
	 * Turns "-s slot,name,OPTS" text after the name into config variables
	 * below `node`. NULL: cfg_set_list().
	 */
	int (*parse)(struct cfg *node, const char *opts, struct err *err);
	/*
	 * Creates the function at `addr` from its node and adds it with
	 * pci_host_add(); on failure nothing stays behind.
	 */
	int (*create)(const struct model_env *env, struct pci_addr addr,
		      struct cfg *node, struct err *err);
};

#endif
