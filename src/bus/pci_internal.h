/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the PCI core share; not for models. */
#ifndef BUS_PCI_INTERNAL_H
#define BUS_PCI_INTERNAL_H

#include "bus/pci.h"

/* Config offset of a BAR's register; PCI_BAR_ROM is the ROM's. */
static inline unsigned pci_bar_reg(unsigned bar)
{
	return bar == PCI_BAR_ROM ? PCI_ROM_ADDRESS
				  : PCI_BASE_ADDRESS_0 + 4 * bar;
}

struct aspace *pci_host_pio(struct pci_host *host);
struct aspace *pci_host_mmio(struct pci_host *host);
struct irq_ctl *pci_host_irq(struct pci_host *host);
struct irq_shared *pci_host_lines(struct pci_host *host);
/* How often a BAR left an address space, of any device. */
unsigned pci_host_room(struct pci_host *host);
void pci_host_room_made(struct pci_host *host);
struct pci_windows *pci_host_windows(struct pci_host *host, uint8_t bus);

/*
 * Windows of an address plan and of a bridge, where MEM64 is the prefetchable
 * one.
 */
enum pci_window_kind {
	PCI_WIN_IO,
	PCI_WIN_MEM32,
	PCI_WIN_MEM64,
	PCI_WIN_KINDS
};

/* ---- pci_bridge.c ---- */

void pci_bridge_fini(struct pci_dev *dev);
/* Does a config access of bus number `bus` go to what is behind it? */
bool pci_bridge_routes(const struct pci_dev *bridge, uint8_t bus);
/* The child where config accesses reach it, else NULL; host's lock held. */
struct pci_dev *pci_bridge_target(const struct pci_dev *bridge, unsigned func);
void pci_bridge_set_child(struct pci_dev *bridge, unsigned func,
			  struct pci_dev *child);
const struct pci_windows *pci_bridge_room(const struct pci_dev *bridge);
/* Does it forward [base, base+size) of this space? Takes its windows' lock. */
bool pci_bridge_forwards(const struct pci_dev *bridge, bool io, uint64_t base,
			 uint64_t size);
/* Size of what it forwards now. Takes its windows' lock. */
uint64_t pci_bridge_window(const struct pci_dev *bridge,
			   enum pci_window_kind kind);
/* Window registers and bus numbers, as firmware would write them. */
void pci_bridge_place(struct pci_dev *bridge, enum pci_window_kind kind,
		      uint64_t base, uint64_t size);
void pci_bridge_number(struct pci_dev *bridge, uint8_t primary,
		       uint8_t secondary);
/* Takes up what is in its registers; dev->lock held. */
void pci_bridge_sync(struct pci_dev *bridge);
/* Did a write of [off, off+size) change what it forwards? */
bool pci_bridge_concerned(unsigned off, unsigned size);

/* Like pci_host_for_each(), host's lock held. */
int pci_host_walk(struct pci_host *host, pci_dev_fn *fn, void *ctx);

/* Capability at `off`, or at the next free offset when off is 0. */
MUST_CHECK int pci_place_cap(struct pci_dev *dev, uint8_t id, unsigned off,
			     unsigned len);

/* As pci_dev_cfg_read(). */
void pci_dev_cfg_write(struct pci_dev *dev, unsigned off, unsigned size,
		       uint32_t value);

/* Makes the address spaces match COMMAND and the BAR registers. */
void pci_bars_sync(struct pci_dev *dev);
/* Takes every BAR out of the address spaces, whatever COMMAND says. */
void pci_bars_unmap(struct pci_dev *dev);
/* Writes an address into a BAR's register (decode must be off). */
void pci_bar_place(struct pci_dev *dev, unsigned bar, uint64_t base);

/* Recomputes the INTx line from intx_level and COMMAND. */
void pci_intx_sync(struct pci_dev *dev);

/* After config bytes [off, off+size) changed. */
void pci_msi_cfg_written(struct pci_dev *dev, unsigned off, unsigned size);

/* MSI-X table and PBA inside a BAR: true when the access was theirs. */
bool pci_msix_bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
		       unsigned size, uint64_t *ret_value);
bool pci_msix_bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
			unsigned size, uint64_t value);

#endif
