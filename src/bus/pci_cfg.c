/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest accesses to a function's config space, and what follows from them. */
#include <string.h>

#include "base/log.h"
#include "bus/pci.h"
#include "bus/pci_internal.h"

static uint32_t image_read(const struct pci_dev *dev, unsigned off,
			   unsigned size)
{
	uint32_t v = 0;

	if (off >= 0x100 && !dev->cfg_extended)
		return UINT32_MAX;
	memcpy(&v, dev->cfg + off, size);
	return v;
}

uint32_t pci_dev_cfg_read_locked(struct pci_dev *dev, unsigned off,
				 unsigned size)
{
	uint32_t v;

	if (!dev->ops->cfg_read || !dev->ops->cfg_read(dev, off, size, &v))
		v = image_read(dev, off, size);
	return v;
}

uint32_t pci_dev_cfg_read(struct pci_dev *dev, unsigned off, unsigned size)
{
	uint32_t v;

	pthread_mutex_lock(&dev->lock);
	v = pci_dev_cfg_read_locked(dev, off, size);
	pthread_mutex_unlock(&dev->lock);
	return v;
}

static void image_write(struct pci_dev *dev, unsigned off, unsigned size,
			uint32_t value)
{
	unsigned i;

	for (i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));
		uint8_t mask = dev->wmask[off + i];
		uint8_t old = dev->cfg[off + i];

		old = (uint8_t)((old & ~mask) | (byte & mask));
		dev->cfg[off + i] =
		    (uint8_t)(old & ~(byte & dev->w1c[off + i]));
	}
}

static uint64_t bar_register_base(const struct pci_dev *dev, unsigned index)
{
	const struct pci_bar *bar = &dev->bar[index];
	uint64_t v = pci_cfg32(dev, pci_bar_reg(index));

	if (index == PCI_BAR_ROM)
		return v & PCI_ROM_ADDRESS_MASK;
	if (bar->kind == PCI_BAR_IO)
		return v & (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
	v &= (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	if (bar->kind == PCI_BAR_MEM64)
		v |= (uint64_t)pci_cfg32(dev, pci_bar_reg(index) + 4) << 32;
	return v;
}

/* Address 0 means unassigned; a full-ones sizing probe is never decoded. */
static bool bar_wanted(const struct pci_dev *dev, unsigned index, uint64_t base)
{
	const struct pci_bar *bar = &dev->bar[index];
	uint16_t command = pci_cfg16(dev, PCI_COMMAND);
	uint64_t end;

	if (!dev->host || base == 0 || range_end(base, bar->size, &end))
		return false;
	if (dev->upstream &&
	    !pci_bridge_forwards(dev->upstream, bar->kind == PCI_BAR_IO, base,
				 bar->size))
		return false;
	if (bar->kind == PCI_BAR_IO)
		return (command & PCI_COMMAND_IO) && end <= 0x10000;
	/* The answer to a sizing probe is no address. */
	if (bar->kind == PCI_BAR_MEM32 && end > UINT32_MAX)
		return false;
	if (index == PCI_BAR_ROM &&
	    !(pci_cfg32(dev, PCI_ROM_ADDRESS) & PCI_ROM_ADDRESS_ENABLE))
		return false;
	return (command & PCI_COMMAND_MEMORY) != 0;
}

static struct aspace *bar_space(struct pci_dev *dev, const struct pci_bar *bar)
{
	return bar->kind == PCI_BAR_IO ? pci_host_pio(dev->host)
				       : pci_host_mmio(dev->host);
}

static void bar_unmap(struct pci_dev *dev, unsigned index)
{
	struct pci_bar *bar = &dev->bar[index];

	if (dev->ops->bar_moved)
		dev->ops->bar_moved(dev, index, false);
	aspace_remove(bar_space(dev, bar), &bar->region);
	bar->mapped = false;
	pci_host_room_made(dev->host);
}

static void bar_map(struct pci_dev *dev, unsigned index, uint64_t base)
{
	struct pci_bar *bar = &dev->bar[index];
	struct err err;

	if (aspace_add(bar_space(dev, bar), &bar->region, base, &err)) {
		log_guest("%s: BAR %u not decoded: %s", dev->name, index,
			  err.msg);
		dev->bar_blocked = true;
		return;
	}
	bar->mapped = true;
	if (dev->ops->bar_moved)
		dev->ops->bar_moved(dev, index, true);
}

void pci_bars_sync(struct pci_dev *dev)
{
	unsigned i;

	dev->bar_blocked = false;
	for (i = 0; i <= PCI_BAR_ROM; i++) {
		struct pci_bar *bar = &dev->bar[i];
		uint64_t base;
		bool wanted;

		if (bar->kind == PCI_BAR_NONE)
			continue;
		base = bar_register_base(dev, i);
		wanted = bar_wanted(dev, i, base);
		if (bar->mapped && (!wanted || base != bar->base))
			bar_unmap(dev, i);
		bar->base = base;
		if (wanted && !bar->mapped)
			bar_map(dev, i, base);
	}
}

void pci_bars_unmap(struct pci_dev *dev)
{
	unsigned i;

	pthread_mutex_lock(&dev->lock);
	for (i = 0; i <= PCI_BAR_ROM; i++)
		if (dev->bar[i].mapped)
			bar_unmap(dev, i);
	pthread_mutex_unlock(&dev->lock);
}

void pci_bar_place(struct pci_dev *dev, unsigned index, uint64_t base)
{
	struct pci_bar *bar = &dev->bar[index];
	unsigned off = pci_bar_reg(index);
	uint32_t fixed =
	    pci_cfg32(dev, off) & (bar->kind == PCI_BAR_IO ? 3u : 0xfu);

	if (index == PCI_BAR_ROM)
		fixed = 0;
	pci_set32(dev, off, (uint32_t)base | fixed);
	if (bar->kind == PCI_BAR_MEM64)
		pci_set32(dev, off + 4, (uint32_t)(base >> 32));
	bar->base = base;
}

void pci_intx_sync(struct pci_dev *dev)
{
	int gsi = pci_intx_gsi(dev);
	bool off = pci_cfg16(dev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;

	if (dev->intx_level)
		dev->cfg[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		dev->cfg[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (gsi >= 0 && dev->host)
		irq_shared_set(pci_host_lines(dev->host), (unsigned)gsi,
			       &dev->intx_asserted, dev->intx_level && !off);
}

void pci_intx_set(struct pci_dev *dev, bool level)
{
	if (dev->intx_level == level)
		return;
	dev->intx_level = level;
	pci_intx_sync(dev);
}

int pci_intx_gsi(const struct pci_dev *dev)
{
	unsigned pin = dev->cfg[PCI_INTERRUPT_PIN];

	if (pin < 1 || pin > 4)
		return -1;
	return (int)pci_swizzle_gsi(dev->addr.slot, pin);
}

bool pci_bus_master(const struct pci_dev *dev)
{
	return pci_cfg16(dev, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static bool touches(unsigned off, unsigned size, unsigned reg, unsigned len)
{
	return range_overlaps(off, size, reg, len);
}

void pci_dev_cfg_write_locked(struct pci_dev *dev, unsigned off, unsigned size,
			      uint32_t value)
{
	uint16_t command = pci_cfg16(dev, PCI_COMMAND);

	if (dev->ops->cfg_write && dev->ops->cfg_write(dev, off, size, value))
		return;
	image_write(dev, off, size, value);
	if (pci_cfg16(dev, PCI_COMMAND) != command) {
		if (dev->ops->command_changed)
			dev->ops->command_changed(dev, command);
		pci_intx_sync(dev);
	}
	if (touches(off, size, PCI_COMMAND, 2) ||
	    touches(off, size, PCI_BASE_ADDRESS_0, 24) ||
	    touches(off, size, PCI_ROM_ADDRESS, 4))
		pci_bars_sync(dev);
	if (dev->bridge && pci_bridge_concerned(off, size))
		pci_bridge_sync(dev);
	pci_msi_cfg_written(dev, off, size);
	if (dev->ops->cfg_written)
		dev->ops->cfg_written(dev, off, size);
}

/* One lock at a time: no device waits for another. */
static int unblock(void *ctx UNUSED, struct pci_dev *dev)
{
	pthread_mutex_lock(&dev->lock);
	if (dev->bar_blocked)
		pci_bars_sync(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

/* What is behind a bridge appears where the bridge now forwards. */
static void children_sync(struct pci_dev *bridge)
{
	unsigned func;

	for (func = 0; func < 8; func++) {
		struct pci_dev *child = pci_bridge_child(bridge, func);

		if (!child)
			continue;
		pthread_mutex_lock(&child->lock);
		pci_bars_sync(child);
		pthread_mutex_unlock(&child->lock);
	}
}

void pci_dev_cfg_write(struct pci_dev *dev, unsigned off, unsigned size,
		       uint32_t value)
{
	unsigned room = pci_host_room(dev->host);

	pthread_mutex_lock(&dev->lock);
	pci_dev_cfg_write_locked(dev, off, size, value);
	pthread_mutex_unlock(&dev->lock);
	if (dev->bridge && pci_bridge_concerned(off, size))
		children_sync(dev);
	/* A BAR went away: another one may have waited for its place. */
	if (pci_host_room(dev->host) != room)
		(void)pci_host_walk(dev->host, unblock, NULL);
}
