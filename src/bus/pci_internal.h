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

/* Capability at `off`, or at the next free offset when off is 0. */
MUST_CHECK int pci_place_cap(struct pci_dev *dev, uint8_t id, unsigned off,
			     unsigned len);

/* Guest access of 1, 2 or 4 bytes inside one dword; takes dev->lock. */
uint32_t pci_dev_cfg_read(struct pci_dev *dev, unsigned off, unsigned size);
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
