/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine around the fake kernel: guest memory, host bridge, interrupt
 * controller and memory slots that trace, and the passthru model on top.
 */
#ifndef TESTS_VFIO_FAKE_WORLD_H
#define TESTS_VFIO_FAKE_WORLD_H

#include "bus/model.h"
#include "fake_vfio.h"
#include "proto/status.h"
#include "vfio/vfio.h"

#define WORLD_ECAM	0xe0000000ull
#define WORLD_SLOTS	64u
#define WORLD_GSIS	64u
#define WORLD_FIRST_MSI 24u

struct world_slot {
	bool used;
	uint64_t base, size;
	void *host;
	unsigned flags;
};

struct world_gsi {
	bool used;
	struct irq_msg msg;
	int fd; /* attached eventfd, -1 */
	int resample_fd;
};

struct world {
	struct fake_kernel kernel;
	char root[64];
	bool keep_root;		     /* root was there before, and stays */
	unsigned reply_ms, reset_ms; /* of served devices; 0: the usual */
	/* Of struct vfio_params; set before world_start(). */
	bool (*leave)(void *ctx, struct pci_dev *dev, bool broken,
		      const char *why);
	void *leave_ctx;
	struct vfio_given given; /* a group opened before; fd 0: none */
	struct gmem *gmem;
	struct aspace *pio, *mmio;
	struct irq_ctl irq;
	struct irq_shared *lines;
	struct memmap memmap;
	struct evloop *loop;
	struct pci_host *host;
	struct clock_fake clock;
	struct vfio_ctx *ctx;
	struct cfg *cfg;
	struct model_env env;
	struct world_slot slot[WORLD_SLOTS];
	struct world_gsi gsi[WORLD_GSIS];
	bool no_slots; /* the platform has none left */
	bool ended;
	enum vm_end end;
	char why[256];
	unsigned statuses;
	struct status status[16];
};

/* Devices are added to w->kernel between the two. */
void world_init(struct world *w);
/* The same with RAM that a served device can map. */
void world_init_shared(struct world *w);
void world_start(struct world *w);
/* Ends the guest and checks that nothing is left; violations fail. */
void world_fini(struct world *w);

/* -s SLOT,passthru,OPTS. */
int world_passthru(struct world *w, unsigned slot, const char *opts,
		   struct err *err);
/* Finishes the bus and gives BARs their addresses. */
void world_assign(struct world *w);
/* The usual: one device in slot 6, options ADDRESS, assigned. */
void world_one(struct world *w, struct fake_device *dev, const char *opts);

/* Guest accesses through ECAM. */
uint32_t world_read(struct world *w, unsigned slot, unsigned off,
		    unsigned size);
void world_write(struct world *w, unsigned slot, unsigned off, unsigned size,
		 uint32_t value);
/* Guest memory and port accesses to a BAR: the slot, or the trap. */
uint64_t world_bar_read(struct world *w, unsigned slot, unsigned bar,
			uint64_t off, unsigned size);
void world_bar_write(struct world *w, unsigned slot, unsigned bar, uint64_t off,
		     unsigned size, uint64_t value);
/* Is this byte of a BAR in a memory slot? */
bool world_bar_direct(struct world *w, unsigned slot, unsigned bar,
		      uint64_t off);
/* Decode and bus mastering on. */
void world_enable(struct world *w, unsigned slot);
/* Events that reached the guest on `gsi`, consumed. */
unsigned world_delivered(struct world *w, unsigned gsi);

#endif
