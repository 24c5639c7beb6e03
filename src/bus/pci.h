/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI as the guest sees it: functions, config space, BARs, INTx, MSI, MSI-X.
 *
 * The host bridge owns up to 256 root buses of 32 slots with 8 functions and
 * answers config mechanism #1 (ports cf8/cfc) and ECAM. It decodes nothing
 * itself about a device: each function is a `struct pci_dev` whose config
 * space image, write masks and BARs were set up by its model.
 *
 * Call order for a model: pci_dev_init(), pci_set_ids(), pci_add_bar(),
 * pci_add_cap()/pci_msi_init()/pci_msix_init()/pci_intx_init(), then
 * pci_host_add(). The machine then calls pci_host_finish() (multi-function
 * bits, function 0 check) and pci_host_assign() (addresses), and only then
 * starts vCPUs.
 *
 * Core does: config reads and writes by mask, BAR sizing and moves, COMMAND
 * decode bits (BARs appear in and vanish from the address spaces), INTx
 * routing and status, MSI and MSI-X capability state, MSI-X table and PBA.
 * Model does: BAR contents, and anything it hooks through pci_ops.
 *
 * A bridge (pci_bridge_init()) is a function with a type 1 header and a bus of
 * its own, on which one slot has functions: the link of a PCI Express port.
 * Which bus number reaches them is what the guest wrote into the bridge, looked
 * up at each access; numbers of root buses are fixed and win. A function behind
 * a bridge keeps in dev->addr the place that the user named, which is that of
 * its bridge (0:6:1 is function 1 behind the bridge at 0:6:0).
 *
 * Locking: dev->lock is held around every hook and every BAR handler of that
 * device. pci_intx_set(), pci_msi_raise() and pci_msix_raise() must be called
 * with it held (a device's event thread takes it first). Lock order: the host's
 * lock of who is where (read for a config access, written to add or remove),
 * dev->lock, then a bridge's lock of its windows, the address spaces' and the
 * interrupt controller's own locks. No two functions' locks are held at once.
 *
 * Sources: PCI Local Bus 3.0 (config space ch. 6, MSI 6.8), PCI Express Base
 * 5.0 (ECAM 7.2.2, extended capabilities 7.6), names from <linux/pci_regs.h>.
 */
#ifndef BUS_PCI_H
#define BUS_PCI_H

#include <linux/pci_regs.h>
#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "bus/aspace.h"
#include "bus/irq.h"

#define PCI_CFG_SIZE	 4096u
#define PCI_BARS	 6u
#define PCI_BAR_ROM	 6u /* index of the expansion ROM in dev->bar */
#define PCI_MSIX_VECTORS 2048u

struct pci_host;
struct pci_dev;
struct pci_bridge;

struct pci_addr {
	uint8_t bus, slot, func;
};

enum pci_bar_kind {
	PCI_BAR_NONE = 0,
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64, /* also consumes the next index */
};

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetch;
	uint64_t size; /* power of two; I/O >= 4, memory >= 16, ROM >= 2048 */
	uint64_t base; /* as the guest (or pci_host_assign()) wrote it */
	bool mapped;   /* decoded now */
	struct pci_dev *owner;
	struct aspace_region region;
};

/* All hooks optional; all called with dev->lock held. */
struct pci_ops {
	/*
	 * First chance at a config access inside one aligned dword: true when
	 * handled (then the core does nothing), false for the core's way.
	 */
	bool (*cfg_read)(struct pci_dev *dev, unsigned off, unsigned size,
			 uint32_t *ret_value);
	bool (*cfg_write)(struct pci_dev *dev, unsigned off, unsigned size,
			  uint32_t value);
	/* After the core applied a write. */
	void (*cfg_written)(struct pci_dev *dev, unsigned off, unsigned size);
	/* COMMAND changed; BARs follow after this returns. */
	void (*command_changed)(struct pci_dev *dev, uint16_t old_command);
	/* Trapped BAR access; never for the MSI-X table or PBA. */
	uint64_t (*bar_read)(struct pci_dev *dev, unsigned bar, uint64_t off,
			     unsigned size);
	void (*bar_write)(struct pci_dev *dev, unsigned bar, uint64_t off,
			  unsigned size, uint64_t value);
	/*
	 * BAR became visible at bar->base (on) or vanished (off): map or unmap
	 * what bypasses the trap (memory slots, doorbells).
	 */
	void (*bar_moved)(struct pci_dev *dev, unsigned bar, bool on);
	/*
	 * The guest changed MSI enable, message or masks / one MSI-X vector's
	 * message or mask bit, or MSI-X enable or function mask (vector ==
	 * PCI_MSIX_ALL). For models that route vectors themselves.
	 */
	void (*msi_changed)(struct pci_dev *dev);
	void (*msix_changed)(struct pci_dev *dev, unsigned vector);
	/* Frees what the model holds; not called with the lock held. */
	void (*destroy)(struct pci_dev *dev);
};

#define PCI_MSIX_ALL UINT32_MAX

struct pci_msix_entry { /* as in the table, little-endian fields */
	uint64_t addr;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
};

struct pci_dev {
	char name[48]; /* "0:6:0 passthru": for messages */
	struct pci_addr addr;
	struct pci_host *host;	   /* set by pci_host_add() */
	struct pci_dev *upstream;  /* the bridge above; NULL: on a root bus */
	struct pci_bridge *bridge; /* NULL: not a bridge */
	const struct pci_ops *ops;
	void *ctx; /* the model */
	pthread_mutex_t lock;
	uint8_t *cfg;	/* PCI_CFG_SIZE bytes: what a guest reads */
	uint8_t *wmask; /* bits a guest may write */
	uint8_t *w1c;	/* bits cleared by writing one */
	struct pci_bar bar[PCI_BARS + 1];
	bool bar_blocked;  /* a BAR waits for another to leave its place */
	uint16_t next_cap; /* free offset for pci_add_cap() */
	uint16_t last_cap; /* to chain the next one */
	uint16_t last_ext_cap;
	bool cfg_extended; /* false: bytes from 0x100 read as ones */
	uint8_t msi_cap;   /* 0: none */
	uint8_t msix_cap;  /* 0: none */
	uint8_t msix_bar, msix_pba_bar;
	uint32_t msix_table_off, msix_pba_off;
	unsigned msix_count;
	struct pci_msix_entry *msix;
	uint64_t *msix_pending;
	bool intx_level;    /* what the model asks for */
	bool intx_asserted; /* what the line was told */
};

/* ---- building a function ---- */

/*
 * Allocates the config image. `model` is for dev->name and must stay valid.
 * pci_dev_fini() undoes it and is safe on a zeroed struct.
 */
MUST_CHECK int pci_dev_init(struct pci_dev *dev, struct pci_addr addr,
			    const char *model, const struct pci_ops *ops,
			    void *ctx);
void pci_dev_fini(struct pci_dev *dev);

struct pci_ids {
	uint16_t vendor, device, subvendor, subdevice;
	uint8_t class, subclass, prog_if, revision;
};
void pci_set_ids(struct pci_dev *dev, struct pci_ids ids);

/* The core answers accesses through ops->bar_read/bar_write, any size 1-8. */
MUST_CHECK int pci_add_bar(struct pci_dev *dev, unsigned bar,
			   enum pci_bar_kind kind, uint64_t size,
			   bool prefetch);

/*
 * Room for a standard capability of `len` bytes (header included), chained
 * in; offset, or -ENOSPC. The model fills cfg/wmask from offset + 2.
 */
MUST_CHECK int pci_add_cap(struct pci_dev *dev, uint8_t id, unsigned len);
/* Extended capability at a fixed offset >= 0x100; header written here. */
MUST_CHECK int pci_add_ext_cap(struct pci_dev *dev, uint16_t id,
			       uint8_t version, unsigned off);

/* Interrupt pin 1..4 (INTA..INTD). */
void pci_intx_init(struct pci_dev *dev, uint8_t pin);

/*
 * MSI with 1 << log2_vectors vectors at `off` (0: next free offset).
 * per_vector_mask adds mask and pending registers.
 */
MUST_CHECK int pci_msi_init(struct pci_dev *dev, unsigned off,
			    unsigned log2_vectors, bool addr64,
			    bool per_vector_mask);

/*
 * MSI-X with `count` vectors; table and PBA inside BARs already added, not
 * overlapping. The core answers those bytes of the BARs itself.
 */
MUST_CHECK int pci_msix_init(struct pci_dev *dev, unsigned off, unsigned count,
			     unsigned table_bar, uint32_t table_off,
			     unsigned pba_bar, uint32_t pba_off);

static inline uint16_t pci_cfg16(const struct pci_dev *dev, unsigned off)
{
	return (uint16_t)(dev->cfg[off] | dev->cfg[off + 1] << 8);
}

static inline uint32_t pci_cfg32(const struct pci_dev *dev, unsigned off)
{
	return pci_cfg16(dev, off) | (uint32_t)pci_cfg16(dev, off + 2) << 16;
}

void pci_set8(struct pci_dev *dev, unsigned off, uint8_t v);
void pci_set16(struct pci_dev *dev, unsigned off, uint16_t v);
void pci_set32(struct pci_dev *dev, unsigned off, uint32_t v);
void pci_wmask16(struct pci_dev *dev, unsigned off, uint16_t v);
void pci_wmask32(struct pci_dev *dev, unsigned off, uint32_t v);

struct pci_window {
	uint64_t base, size;
};
struct pci_windows {
	struct pci_window io, mem32, mem64;
};

/*
 * Makes a function without BARs a bridge: header, bus numbers, windows (I/O of
 * 16 bits, memory, prefetchable memory of 64 bits). It forwards nothing until
 * told to. `room` (sizes; NULL: none): what pci_host_assign() gives it at
 * least, for functions that come later.
 */
MUST_CHECK int pci_bridge_init(struct pci_dev *dev,
			       const struct pci_windows *room);
/* Down: config accesses of what is behind it find nothing. Any thread. */
void pci_bridge_set_link(struct pci_dev *bridge, bool up);
/*
 * Function behind it, NULL: none. Where functions come and go at run time, on
 * the thread that adds and removes them.
 */
struct pci_dev *pci_bridge_child(const struct pci_dev *bridge, unsigned func);
/*
 * Is there room for the memory BARs (ROMs aside) of all that is behind it, in
 * what was kept free or in the windows as they are? -ENOSPC naming both sizes
 * and the option of the port that keeps more. On the thread that adds.
 */
MUST_CHECK int pci_bridge_fits(const struct pci_dev *bridge, struct err *err);
/* As the guest programmed it; 0: not yet. */
uint8_t pci_bridge_secondary(const struct pci_dev *bridge);

/* ---- interrupts (dev->lock held) ---- */

/* Level of the function's INTx; honours COMMAND.INTX_DISABLE. */
void pci_intx_set(struct pci_dev *dev, bool level);
/* GSI the function's pin is wired to; -1 without a pin. */
int pci_intx_gsi(const struct pci_dev *dev);

bool pci_msi_enabled(const struct pci_dev *dev);
unsigned pci_msi_count(const struct pci_dev *dev); /* vectors enabled */
/* Message of vector n as programmed; masked says its mask bit. */
struct irq_msg pci_msi_msg(const struct pci_dev *dev, unsigned n,
			   bool *ret_masked);
bool pci_msix_enabled(const struct pci_dev *dev);
/* Masked by its own bit or the function mask, or MSI-X off. */
bool pci_msix_masked(const struct pci_dev *dev, unsigned vector);
struct irq_msg pci_msix_msg(const struct pci_dev *dev, unsigned vector);

/* Fires a vector of an emulated device; masked ones become pending. */
void pci_msi_raise(struct pci_dev *dev, unsigned vector);
void pci_msix_raise(struct pci_dev *dev, unsigned vector);
/*
 * Fires a pending vector that is no longer masked: what the core does by itself
 * for models without the msix_changed hook.
 */
void pci_msix_send_pending(struct pci_dev *dev, unsigned vector);
/* Sets or clears a pending bit (a model that routes vectors itself). */
void pci_msix_set_pending(struct pci_dev *dev, unsigned vector, bool pending);

/* Guest access of 1, 2 or 4 bytes inside one dword; takes dev->lock. */
uint32_t pci_dev_cfg_read(struct pci_dev *dev, unsigned off, unsigned size);
/*
 * The same for a model that shows its config space in a BAR as well, from the
 * BAR's handlers: dev->lock is held. Not for bridges. The write may move that
 * BAR; another function that waits for its place gets it at its own next write.
 */
uint32_t pci_dev_cfg_read_locked(struct pci_dev *dev, unsigned off,
				 unsigned size);
void pci_dev_cfg_write_locked(struct pci_dev *dev, unsigned off, unsigned size,
			      uint32_t value);

bool pci_bus_master(const struct pci_dev *dev); /* COMMAND.MASTER */

/* ---- the host bridge ---- */

struct pci_host_params {
	struct aspace *pio;
	struct aspace *mmio;
	struct irq_ctl *irq;
	struct irq_shared *lines;
	uint64_t ecam_base; /* 256 MiB, buses 0-255; 0: no ECAM */
};

/* Registers cf8/cfc and ECAM in the address spaces. */
MUST_CHECK int pci_host_create(const struct pci_host_params *params,
			       struct err *err, struct pci_host **ret_host);
/* Calls every device's destroy hook; NULL allowed. */
void pci_host_destroy(struct pci_host *host);

/*
 * Moves ECAM (256 MiB) to `base`, 0 takes it away: what a chipset's register
 * does when firmware writes it. -EEXIST when something else is there; then
 * there is none. Any thread; calls are serialised by the caller.
 */
MUST_CHECK int pci_host_move_ecam(struct pci_host *host, uint64_t base,
				  struct err *err);
uint64_t pci_host_ecam(const struct pci_host *host); /* 0: none */

/*
 * Byte accesses to port 0xcf9, the PC's reset register, which lies inside the
 * address register of config mechanism #1: they go to `region` (its handlers
 * under its lock, offset 0). Borrowed; NULL takes it away. Before vCPUs run.
 */
void pci_host_set_cf9(struct pci_host *host,
		      const struct aspace_region *region);

/*
 * Puts a function at dev->addr, or as function addr.func behind dev->upstream;
 * the host then owns it. -EEXIST with bhyve's sentence when the place is taken.
 * While vCPUs run only behind a bridge.
 */
MUST_CHECK int pci_host_add(struct pci_host *host, struct pci_dev *dev,
			    struct err *err);
/*
 * Takes a function behind a bridge out, any time: no access begins after this,
 * none of config space is under way. The function is its owner's again, but its
 * memory must stay until the host is destroyed: a trapped access of a BAR may
 * have found its region just before.
 */
void pci_host_remove(struct pci_host *host, struct pci_dev *dev);
/* On a root bus, by place. */
struct pci_dev *pci_host_find(struct pci_host *host, struct pci_addr addr);
typedef int pci_dev_fn(void *ctx, struct pci_dev *dev);
/*
 * In bus, slot, function order, what is behind a bridge right after it; stops
 * at the first non-zero result. Not from a config space hook.
 */
int pci_host_for_each(struct pci_host *host, pci_dev_fn *fn, void *ctx);

/* Multi-function bits; -EINVAL naming a slot whose function 0 is missing. */
MUST_CHECK int pci_host_finish(struct pci_host *host, struct err *err);

/*
 * Address plan. A 64-bit memory BAR goes to mem64 when it is prefetchable or
 * larger than PCI_LOW_BAR_MAX, everything else to mem32; largest first,
 * naturally aligned. The windows used per bus are remembered for ACPI. Bridges
 * get windows for what is behind them and bus numbers that follow their root
 * bus's; behind a bridge only prefetchable BARs can be in mem64.
 */
#define PCI_LOW_BAR_MAX (32ull << 20)
/* What mem64 must hold (size and the largest alignment) before it is placed. */
void pci_host_mem64_need(struct pci_host *host, uint64_t *ret_size,
			 uint64_t *ret_align);
/*
 * -ENOSPC naming the BAR, its size and the window it does not fit into, or the
 * bridge for which no bus number is left.
 */
MUST_CHECK int pci_host_assign(struct pci_host *host,
			       const struct pci_windows *windows,
			       bool enable_decode, struct err *err);
/* Part of the windows that a root bus decodes; size 0: none. */
struct pci_windows pci_host_bus_windows(struct pci_host *host, uint8_t bus);
bool pci_host_bus_used(struct pci_host *host, uint8_t bus);
/* The last number that belongs to a root bus: its own without bridges. */
uint8_t pci_host_bus_last(struct pci_host *host, uint8_t bus);

/* GSI of slot/pin (pin 1-4) on any root bus: the fixed swizzle ACPI names. */
static inline unsigned pci_swizzle_gsi(unsigned slot, unsigned pin)
{
	return IRQ_PIRQ_FIRST + (4 + slot + pin - 1) % IRQ_PIRQS;
}

#endif
