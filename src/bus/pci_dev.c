/* SPDX-License-Identifier: BSD-2-Clause */
/* Building a PCI function: header, BARs, capabilities. Contract in pci.h. */
#include "bus/pci.h"

#include <string.h>

#include "bus/pci_internal.h"

#define CFG_CAPS_START 0x40
#define CFG_LEGACY_END 0x100

void pci_set8(struct pci_dev *dev, unsigned off, uint8_t v)
{
	dev->cfg[off] = v;
}

void pci_set16(struct pci_dev *dev, unsigned off, uint16_t v)
{
	dev->cfg[off] = (uint8_t)v;
	dev->cfg[off + 1] = (uint8_t)(v >> 8);
}

void pci_set32(struct pci_dev *dev, unsigned off, uint32_t v)
{
	pci_set16(dev, off, (uint16_t)v);
	pci_set16(dev, off + 2, (uint16_t)(v >> 16));
}

void pci_wmask16(struct pci_dev *dev, unsigned off, uint16_t v)
{
	dev->wmask[off] = (uint8_t)v;
	dev->wmask[off + 1] = (uint8_t)(v >> 8);
}

void pci_wmask32(struct pci_dev *dev, unsigned off, uint32_t v)
{
	pci_wmask16(dev, off, (uint16_t)v);
	pci_wmask16(dev, off + 2, (uint16_t)(v >> 16));
}

int pci_dev_init(struct pci_dev *dev, struct pci_addr addr, const char *model,
		 const struct pci_ops *ops, void *ctx)
{
	uint8_t *image = calloc(3, PCI_CFG_SIZE);

	if (!image)
		return -ENOMEM;
	*dev = (struct pci_dev){
	    .addr = addr,
	    .ops = ops,
	    .ctx = ctx,
	    .cfg = image,
	    .wmask = image + PCI_CFG_SIZE,
	    .w1c = image + 2 * PCI_CFG_SIZE,
	    .next_cap = CFG_CAPS_START,
	};
	snprintf(dev->name, sizeof(dev->name), "%u:%u:%u %s", addr.bus,
		 addr.slot, addr.func, model);
	pthread_mutex_init(&dev->lock, NULL);
	pci_wmask16(dev, PCI_COMMAND,
		    PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
			PCI_COMMAND_INTX_DISABLE);
	dev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->wmask[PCI_LATENCY_TIMER] = 0xff;
	dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
	dev->w1c[PCI_STATUS + 1] = 0xf9; /* the error bits of STATUS */
	dev->cfg[PCI_INTERRUPT_LINE] = 0xff;
	return 0;
}

void pci_dev_fini(struct pci_dev *dev)
{
	if (!dev->cfg)
		return;
	pci_bridge_fini(dev);
	pthread_mutex_destroy(&dev->lock);
	free(dev->msix);
	free(dev->msix_pending);
	free(dev->cfg);
	*dev = (struct pci_dev){0};
}

void pci_set_ids(struct pci_dev *dev, struct pci_ids ids)
{
	pci_set16(dev, PCI_VENDOR_ID, ids.vendor);
	pci_set16(dev, PCI_DEVICE_ID, ids.device);
	pci_set16(dev, PCI_SUBSYSTEM_VENDOR_ID, ids.subvendor);
	pci_set16(dev, PCI_SUBSYSTEM_ID, ids.subdevice);
	dev->cfg[PCI_REVISION_ID] = ids.revision;
	dev->cfg[PCI_CLASS_PROG] = ids.prog_if;
	dev->cfg[PCI_CLASS_DEVICE] = ids.subclass;
	dev->cfg[PCI_CLASS_DEVICE + 1] = ids.class;
}

static bool bar_size_ok(unsigned bar, enum pci_bar_kind kind, uint64_t size)
{
	if (!is_pow2(size))
		return false;
	if (bar == PCI_BAR_ROM)
		return kind == PCI_BAR_MEM32 && size >= 2048 && size <= MIB(16);
	switch (kind) {
	case PCI_BAR_IO:
		return size >= 4 && size <= 0x8000;
	case PCI_BAR_MEM32:
		return size >= 16 && size <= GIB(2);
	case PCI_BAR_MEM64:
		return size >= 16 && size <= 1ull << 46 && bar < PCI_BARS - 1;
	default:
		return false;
	}
}

static uint64_t bar_region_read(void *ctx, uint64_t off, unsigned size)
{
	struct pci_bar *bar = ctx;
	struct pci_dev *dev = bar->owner;
	unsigned index = (unsigned)(bar - dev->bar);
	uint64_t v;

	if (pci_msix_bar_read(dev, index, off, size, &v))
		return v;
	if (!dev->ops->bar_read)
		return UINT64_MAX;
	return dev->ops->bar_read(dev, index, off, size);
}

static void bar_region_write(void *ctx, uint64_t off, unsigned size,
			     uint64_t value)
{
	struct pci_bar *bar = ctx;
	struct pci_dev *dev = bar->owner;
	unsigned index = (unsigned)(bar - dev->bar);

	if (pci_msix_bar_write(dev, index, off, size, value))
		return;
	if (dev->ops->bar_write)
		dev->ops->bar_write(dev, index, off, size, value);
}

/* Bits of the BAR register a guest may write, and its fixed low bits. */
static void bar_register_init(struct pci_dev *dev, unsigned index)
{
	struct pci_bar *bar = &dev->bar[index];
	unsigned off = pci_bar_reg(index);
	uint64_t mask = ~(bar->size - 1);
	uint32_t fixed = 0;

	if (index == PCI_BAR_ROM) {
		pci_wmask32(dev, off,
			    ((uint32_t)mask & PCI_ROM_ADDRESS_MASK) |
				PCI_ROM_ADDRESS_ENABLE);
		return;
	}
	if (bar->kind == PCI_BAR_IO)
		fixed = PCI_BASE_ADDRESS_SPACE_IO;
	if (bar->kind == PCI_BAR_MEM64)
		fixed = PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (bar->prefetch)
		fixed |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	pci_set32(dev, off, fixed);
	/*
	 * All 32 bits of an I/O BAR, though ports have 16: SeaBIOS takes zeros
	 * in the upper half for a size of 4 GiB.
	 */
	pci_wmask32(dev, off,
		    (uint32_t)mask &
			(bar->kind == PCI_BAR_IO ? 0xfffffffcu : 0xfffffff0u));
	if (bar->kind == PCI_BAR_MEM64)
		pci_wmask32(dev, off + 4, (uint32_t)(mask >> 32));
}

int pci_add_bar(struct pci_dev *dev, unsigned index, enum pci_bar_kind kind,
		uint64_t size, bool prefetch)
{
	struct pci_bar *bar;

	if (index > PCI_BAR_ROM || !bar_size_ok(index, kind, size))
		return -EINVAL;
	bar = &dev->bar[index];
	*bar = (struct pci_bar){
	    .kind = kind,
	    .prefetch = prefetch,
	    .size = size,
	    .owner = dev,
	    .region =
		{
		    .name = dev->name,
		    .size = size,
		    .read = bar_region_read,
		    .write = bar_region_write,
		    .ctx = bar,
		    .lock = &dev->lock,
		    .min_size = 1,
		    .max_size = kind == PCI_BAR_IO ? 4 : 8,
		},
	};
	bar_register_init(dev, index);
	pci_wmask16(dev, PCI_COMMAND,
		    (uint16_t)(dev->wmask[PCI_COMMAND] |
			       dev->wmask[PCI_COMMAND + 1] << 8 |
			       (kind == PCI_BAR_IO ? PCI_COMMAND_IO
						   : PCI_COMMAND_MEMORY)));
	return 0;
}

static void chain_cap(struct pci_dev *dev, unsigned off, uint8_t id)
{
	dev->cfg[off + PCI_CAP_LIST_ID] = id;
	dev->cfg[off + PCI_CAP_LIST_NEXT] = 0;
	if (dev->last_cap)
		dev->cfg[dev->last_cap + PCI_CAP_LIST_NEXT] = (uint8_t)off;
	else
		dev->cfg[PCI_CAPABILITY_LIST] = (uint8_t)off;
	dev->last_cap = (uint16_t)off;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

int pci_add_cap(struct pci_dev *dev, uint8_t id, unsigned len)
{
	unsigned off = dev->next_cap;

	if (len < 2 || off + len > CFG_LEGACY_END)
		return -ENOSPC;
	dev->next_cap = (uint16_t)align_up(off + len, 4);
	chain_cap(dev, off, id);
	return (int)off;
}

int pci_place_cap(struct pci_dev *dev, uint8_t id, unsigned off, unsigned len)
{
	if (off == 0)
		return pci_add_cap(dev, id, len);
	if (off < CFG_CAPS_START || (off & 3) || off + len > CFG_LEGACY_END)
		return -EINVAL;
	chain_cap(dev, off, id);
	return (int)off;
}

int pci_add_ext_cap(struct pci_dev *dev, uint16_t id, uint8_t version,
		    unsigned off)
{
	uint32_t header;

	if (off < CFG_LEGACY_END || off > PCI_CFG_SIZE - 4 || (off & 3))
		return -EINVAL;
	/* The list starts at 0x100; an empty one reads as zero there. */
	if (!dev->last_ext_cap && off != CFG_LEGACY_END)
		return -EINVAL;
	dev->cfg_extended = true;
	pci_set32(dev, off, id | (uint32_t)version << 16);
	if (dev->last_ext_cap) {
		header = pci_cfg32(dev, dev->last_ext_cap) & 0xfffff;
		pci_set32(dev, dev->last_ext_cap, header | (uint32_t)off << 20);
	}
	dev->last_ext_cap = (uint16_t)off;
	return 0;
}

void pci_intx_init(struct pci_dev *dev, uint8_t pin)
{
	dev->cfg[PCI_INTERRUPT_PIN] = pin;
}
