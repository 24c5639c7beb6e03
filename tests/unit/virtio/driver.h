/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other side of a virtio device, for tests and fuzzers: a machine of fakes
 * to build the device in, and a driver that finds it on the PCI bus, sets its
 * queues up in guest memory, adds chains and reads what was used.
 *
 * Nothing here trusts the device, and nothing asserts for a test: functions
 * return what they saw. Set-up that cannot fail in a sane build abort()s.
 */
#ifndef TESTS_VIRTIO_DRIVER_H
#define TESTS_VIRTIO_DRIVER_H

#include "bus/model.h"

#define WORLD_RAM	MIB(4) /* at 0 */
#define WORLD_RAM2	MIB(1) /* right behind it: another host mapping */
#define WORLD_RAM_END	(WORLD_RAM + WORLD_RAM2)
#define WORLD_DOORBELLS 8u
#define WORLD_ROUTES	8u
#define DRIVER_QUEUES	6u
#define NO_VECTOR	0xffffu

struct world {
	struct model_env env;
	struct gmem *gmem;
	struct aspace *pio, *mmio;
	struct irq_ctl irq;
	struct irq_shared *lines;
	struct pci_host *pci;
	struct evloop *loop;
	struct cfg *root;
	struct clock_fake clock;
	FILE *trace; /* NULL: none */
	bool refuse_doorbells, refuse_routes, refuse_events;
	struct {
		uint64_t addr;
		int fd;
	} doorbell[WORLD_DOORBELLS];
	struct {
		bool used;
		struct irq_msg msg;
		int fd; /* attached, or -1 */
	} route[WORLD_ROUTES];
	/* What arrived; other threads write, so read with world_msis() etc. */
	uint32_t line_level; /* bit per GSI */
	uint32_t line_rises;
	uint32_t msis;
	uint32_t msi_data; /* of the last one */
};

void world_create(struct world *w);
void world_destroy(struct world *w);
/* After the models were created: addresses, decode on. */
void world_start(struct world *w);
/* Runs the event loop until nothing is ready. */
void world_run(struct world *w);
/* Delivers what the eventfds of routes signal, without any of our code. */
void world_deliver(struct world *w);
unsigned world_attached(const struct world *w); /* eventfds with a route */
/* Runs it until *flag is not 0; false after 10 s. */
bool world_wait(struct world *w, const uint32_t *flag);
uint32_t world_msis(const struct world *w);
bool world_line(const struct world *w, unsigned gsi);
/* A node below "pci.0.4.0" with `list` as options. */
struct cfg *world_node(struct world *w, const char *list);

uint32_t world_cfg_read(struct world *w, struct pci_addr addr, unsigned off,
			unsigned size);
void world_cfg_write(struct world *w, struct pci_addr addr, unsigned off,
		     unsigned size, uint32_t value);

/* Guest memory, little-endian; aborts outside RAM. */
void mem_put(struct world *w, uint64_t addr, const void *src, size_t len);
void mem_get(struct world *w, uint64_t addr, void *dst, size_t len);
void mem_put16(struct world *w, uint64_t addr, uint16_t v);
uint16_t mem_get16(struct world *w, uint64_t addr);
void mem_put32(struct world *w, uint64_t addr, uint32_t v);
uint32_t mem_get32(struct world *w, uint64_t addr);
void mem_put64(struct world *w, uint64_t addr, uint64_t v);

struct driver_queue {
	uint16_t size;
	uint64_t desc, avail, used; /* guest addresses */
	uint16_t next_desc;	    /* round robin, nothing is tracked */
	uint16_t avail_idx, used_idx;
};

struct driver {
	struct world *w;
	struct pci_addr addr;
	uint64_t bar;
	uint32_t common, isr, device, notify, notify_multiplier;
	uint32_t device_len;
	unsigned cfg_cap;  /* offset of the PCI_CFG capability */
	unsigned msix_cap; /* 0: none */
	struct driver_queue q[DRIVER_QUEUES];
};

/* Finds the structures and switches bus mastering on; false: not virtio. */
bool driver_probe(struct driver *d, struct world *w, struct pci_addr addr);
/* Gives vector n the message data 0x40 + n and enables MSI-X. */
void driver_msix_enable(struct driver *d, unsigned vectors);

uint32_t driver_read(struct driver *d, unsigned reg, unsigned size);
void driver_write(struct driver *d, unsigned reg, unsigned size, uint32_t v);
uint8_t driver_status(struct driver *d);
void driver_set_status(struct driver *d, uint8_t status);
uint32_t driver_isr(struct driver *d);
uint32_t driver_config(struct driver *d, unsigned off, unsigned size);
void driver_config_set(struct driver *d, unsigned off, unsigned size,
		       uint32_t v);
uint64_t driver_offered(struct driver *d);

/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK; the status then. */
uint8_t driver_negotiate(struct driver *d, uint64_t features);
/* Rings of queue q from guest address `base` on; vector q + 1 if there is one.
 */
void driver_queue_setup(struct driver *d, unsigned q, uint16_t size,
			uint64_t base);
void driver_start(struct driver *d); /* DRIVER_OK */
/* All of the above: offered & wanted features, `queues` of `size` entries. */
void driver_up(struct driver *d, uint64_t wanted, unsigned queues,
	       uint16_t size);

struct driver_buf {
	uint64_t addr;
	uint32_t len;
	bool write; /* the device writes it */
};

void driver_desc(struct driver *d, unsigned q, uint16_t index, uint64_t addr,
		 uint32_t len, uint16_t flags, uint16_t next);
/* Puts a head into the available ring and moves the index. */
void driver_offer(struct driver *d, unsigned q, uint16_t head);
/* A chain of n descriptors, offered; its head. */
uint16_t driver_add(struct driver *d, unsigned q, const struct driver_buf *bufs,
		    unsigned n);
/* The same with a table of descriptors at `table`. */
uint16_t driver_add_indirect(struct driver *d, unsigned q, uint64_t table,
			     const struct driver_buf *bufs, unsigned n);
void driver_kick(struct driver *d, unsigned q);
/* Next used element, if any. */
bool driver_used(struct driver *d, unsigned q, uint32_t *ret_id,
		 uint32_t *ret_len);

#endif
