/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI and MSI-X: capability state, table, pending bits, delivery. */
#include <string.h>

#include "bus/pci.h"
#include "bus/pci_internal.h"

#define MSIX_ENTRY_BYTES sizeof(struct pci_msix_entry)

_Static_assert(MSIX_ENTRY_BYTES == PCI_MSIX_ENTRY_SIZE, "table entry layout");

/* ---- MSI ---- */

static bool msi_is_64(const struct pci_dev *dev)
{
	return pci_cfg16(dev, dev->msi_cap + PCI_MSI_FLAGS) &
	       PCI_MSI_FLAGS_64BIT;
}

static bool msi_has_mask(const struct pci_dev *dev)
{
	return pci_cfg16(dev, dev->msi_cap + PCI_MSI_FLAGS) &
	       PCI_MSI_FLAGS_MASKBIT;
}

static unsigned msi_mask_off(const struct pci_dev *dev)
{
	return dev->msi_cap +
	       (msi_is_64(dev) ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
}

static unsigned msi_cap_len(bool addr64, bool mask)
{
	if (mask)
		return addr64 ? 24 : 20;
	return addr64 ? 14 : 10;
}

int pci_msi_init(struct pci_dev *dev, unsigned off, unsigned log2_vectors,
		 bool addr64, bool per_vector_mask)
{
	int cap;

	if (log2_vectors > 5 || dev->msi_cap)
		return -EINVAL;
	cap = pci_place_cap(dev, PCI_CAP_ID_MSI, off,
			    msi_cap_len(addr64, per_vector_mask));
	if (cap < 0)
		return cap;
	dev->msi_cap = (uint8_t)cap;
	pci_set16(dev, dev->msi_cap + PCI_MSI_FLAGS,
		  (uint16_t)(log2_vectors << 1 |
			     (addr64 ? PCI_MSI_FLAGS_64BIT : 0) |
			     (per_vector_mask ? PCI_MSI_FLAGS_MASKBIT : 0)));
	pci_wmask16(dev, dev->msi_cap + PCI_MSI_FLAGS,
		    PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	pci_wmask32(dev, dev->msi_cap + PCI_MSI_ADDRESS_LO, ~3u);
	if (addr64)
		pci_wmask32(dev, dev->msi_cap + PCI_MSI_ADDRESS_HI, ~0u);
	pci_wmask16(dev,
		    dev->msi_cap + (addr64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32),
		    0xffff);
	if (per_vector_mask)
		pci_wmask32(
		    dev, msi_mask_off(dev),
		    log2_vectors == 5 ? ~0u : (1u << (1u << log2_vectors)) - 1);
	return 0;
}

bool pci_msi_enabled(const struct pci_dev *dev)
{
	return dev->msi_cap &&
	       (dev->cfg[dev->msi_cap + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_ENABLE);
}

unsigned pci_msi_count(const struct pci_dev *dev)
{
	unsigned flags, capable, enabled;

	if (!pci_msi_enabled(dev))
		return 0;
	flags = pci_cfg16(dev, dev->msi_cap + PCI_MSI_FLAGS);
	capable = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	enabled = (flags & PCI_MSI_FLAGS_QSIZE) >> 4;
	return 1u << MIN(enabled, capable);
}

struct irq_msg pci_msi_msg(const struct pci_dev *dev, unsigned n,
			   bool *ret_masked)
{
	unsigned cap = dev->msi_cap;
	struct irq_msg msg;
	bool wide = msi_is_64(dev);

	msg.addr = pci_cfg32(dev, cap + PCI_MSI_ADDRESS_LO) & ~3u;
	if (wide)
		msg.addr |= (uint64_t)pci_cfg32(dev, cap + PCI_MSI_ADDRESS_HI)
			    << 32;
	msg.data =
	    pci_cfg16(dev, cap + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32));
	/* A function with 2^k vectors owns the low k bits of the data. */
	msg.data = (msg.data & ~(pci_msi_count(dev) - 1)) | n;
	*ret_masked = msi_has_mask(dev) &&
		      (pci_cfg32(dev, msi_mask_off(dev)) >> (n & 31) & 1);
	return msg;
}

static void msi_send(struct pci_dev *dev, struct irq_msg msg)
{
	struct irq_ctl *irq = pci_host_irq(dev->host);

	/* The message is a bus write: without bus mastering it cannot leave. */
	if (pci_bus_master(dev))
		(void)irq->ops->msi_send(irq->ctx, msg);
}

void pci_msi_raise(struct pci_dev *dev, unsigned vector)
{
	struct irq_msg msg;
	unsigned pending;
	bool masked;

	if (vector >= pci_msi_count(dev))
		return;
	msg = pci_msi_msg(dev, vector, &masked);
	if (!masked) {
		msi_send(dev, msg);
		return;
	}
	pending = msi_mask_off(dev) + 4;
	pci_set32(dev, pending, pci_cfg32(dev, pending) | 1u << vector);
}

static void msi_send_unmasked_pending(struct pci_dev *dev)
{
	unsigned pending_off = msi_mask_off(dev) + 4;
	unsigned n, count = pci_msi_count(dev);
	uint32_t pending = pci_cfg32(dev, pending_off);
	struct irq_msg msg;
	bool masked;

	for (n = 0; n < count; n++) {
		if (!(pending >> n & 1))
			continue;
		msg = pci_msi_msg(dev, n, &masked);
		if (masked)
			continue;
		pending &= ~(1u << n);
		msi_send(dev, msg);
	}
	pci_set32(dev, pending_off, pending);
}

/* ---- MSI-X ---- */

int pci_msix_init(struct pci_dev *dev, unsigned off, unsigned count,
		  unsigned table_bar, uint32_t table_off, unsigned pba_bar,
		  uint32_t pba_off)
{
	unsigned i;
	int cap;

	if (count < 1 || count > PCI_MSIX_VECTORS || dev->msix_cap ||
	    table_bar >= PCI_BARS || pba_bar >= PCI_BARS ||
	    ((table_off | pba_off) & 7) ||
	    !range_inside(table_off, count * MSIX_ENTRY_BYTES, 0,
			  dev->bar[table_bar].size) ||
	    !range_inside(pba_off, align_up(count, 64) / 8, 0,
			  dev->bar[pba_bar].size))
		return -EINVAL;
	dev->msix = calloc(count, sizeof(*dev->msix));
	dev->msix_pending = calloc(align_up(count, 64) / 64, 8);
	if (!dev->msix || !dev->msix_pending)
		return -ENOMEM;
	cap = pci_place_cap(dev, PCI_CAP_ID_MSIX, off, PCI_CAP_MSIX_SIZEOF);
	if (cap < 0)
		return cap;
	for (i = 0; i < count; i++)
		dev->msix[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	dev->msix_cap = (uint8_t)cap;
	dev->msix_count = count;
	dev->msix_bar = (uint8_t)table_bar;
	dev->msix_pba_bar = (uint8_t)pba_bar;
	dev->msix_table_off = table_off;
	dev->msix_pba_off = pba_off;
	pci_set16(dev, dev->msix_cap + PCI_MSIX_FLAGS, (uint16_t)(count - 1));
	pci_wmask16(dev, dev->msix_cap + PCI_MSIX_FLAGS,
		    PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_set32(dev, dev->msix_cap + PCI_MSIX_TABLE, table_off | table_bar);
	pci_set32(dev, dev->msix_cap + PCI_MSIX_PBA, pba_off | pba_bar);
	return 0;
}

static uint16_t msix_flags(const struct pci_dev *dev)
{
	return dev->msix_cap ? pci_cfg16(dev, dev->msix_cap + PCI_MSIX_FLAGS)
			     : 0;
}

bool pci_msix_enabled(const struct pci_dev *dev)
{
	return msix_flags(dev) & PCI_MSIX_FLAGS_ENABLE;
}

bool pci_msix_masked(const struct pci_dev *dev, unsigned vector)
{
	return (msix_flags(dev) &
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)) !=
		   PCI_MSIX_FLAGS_ENABLE ||
	       (dev->msix[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

struct irq_msg pci_msix_msg(const struct pci_dev *dev, unsigned vector)
{
	const struct pci_msix_entry *entry = &dev->msix[vector];

	return (struct irq_msg){.addr = entry->addr & ~3ull,
				.data = entry->data};
}

void pci_msix_set_pending(struct pci_dev *dev, unsigned vector, bool pending)
{
	if (vector >= dev->msix_count)
		return;
	if (pending)
		dev->msix_pending[vector / 64] |= BIT64(vector % 64);
	else
		dev->msix_pending[vector / 64] &= ~BIT64(vector % 64);
}

void pci_msix_raise(struct pci_dev *dev, unsigned vector)
{
	if (vector >= dev->msix_count || !pci_msix_enabled(dev))
		return;
	if (pci_msix_masked(dev, vector))
		pci_msix_set_pending(dev, vector, true);
	else
		msi_send(dev, pci_msix_msg(dev, vector));
}

void pci_msix_send_pending(struct pci_dev *dev, unsigned vector)
{
	if (vector >= dev->msix_count || pci_msix_masked(dev, vector) ||
	    !(dev->msix_pending[vector / 64] & BIT64(vector % 64)))
		return;
	pci_msix_set_pending(dev, vector, false);
	msi_send(dev, pci_msix_msg(dev, vector));
}

/* Models that route vectors themselves are told; others get delivery here. */
static void msix_vector_changed(struct pci_dev *dev, unsigned vector)
{
	if (dev->ops->msix_changed)
		dev->ops->msix_changed(dev, vector);
	else
		pci_msix_send_pending(dev, vector);
}

static void msix_flags_changed(struct pci_dev *dev)
{
	unsigned i;

	if (dev->ops->msix_changed) {
		dev->ops->msix_changed(dev, PCI_MSIX_ALL);
		return;
	}
	for (i = 0; i < dev->msix_count; i++)
		msix_vector_changed(dev, i);
}

void pci_msi_cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	if (dev->msi_cap &&
	    range_overlaps(off, size, dev->msi_cap + 2,
			   msi_cap_len(msi_is_64(dev), msi_has_mask(dev)) -
			       2)) {
		if (dev->ops->msi_changed)
			dev->ops->msi_changed(dev);
		else if (msi_has_mask(dev))
			msi_send_unmasked_pending(dev);
	}
	if (dev->msix_cap &&
	    range_overlaps(off, size, dev->msix_cap + PCI_MSIX_FLAGS, 2))
		msix_flags_changed(dev);
}

static bool in_table(const struct pci_dev *dev, unsigned bar, uint64_t off,
		     unsigned size)
{
	return dev->msix_cap && bar == dev->msix_bar &&
	       range_overlaps(off, size, dev->msix_table_off,
			      dev->msix_count * MSIX_ENTRY_BYTES);
}

static bool in_pba(const struct pci_dev *dev, unsigned bar, uint64_t off,
		   unsigned size)
{
	return dev->msix_cap && bar == dev->msix_pba_bar &&
	       range_overlaps(off, size, dev->msix_pba_off,
			      align_up(dev->msix_count, 64) / 8);
}

/* `len` bytes of an array at off, bounded; what lies outside reads as 0. */
static uint64_t bytes_at(const void *base, size_t total, uint64_t off,
			 unsigned len)
{
	uint64_t v = 0;

	if (range_inside(off, len, 0, total))
		memcpy(&v, (const uint8_t *)base + off, len);
	return v;
}

bool pci_msix_bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
		       unsigned size, uint64_t *ret_value)
{
	if (in_table(dev, bar, off, size)) {
		*ret_value =
		    bytes_at(dev->msix, dev->msix_count * MSIX_ENTRY_BYTES,
			     off - dev->msix_table_off, size);
		return true;
	}
	if (in_pba(dev, bar, off, size)) {
		*ret_value = bytes_at(dev->msix_pending,
				      align_up(dev->msix_count, 64) / 8,
				      off - dev->msix_pba_off, size);
		return true;
	}
	return false;
}

bool pci_msix_bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
			unsigned size, uint64_t value)
{
	struct pci_msix_entry *entry;
	unsigned vector, field;
	uint64_t in;

	if (in_pba(dev, bar, off, size))
		return true; /* read-only */
	if (!in_table(dev, bar, off, size))
		return false;
	in = off - dev->msix_table_off;
	/* Only aligned dwords and qwords are defined (PCI 3.0, 6.8.2). */
	if ((size != 4 && size != 8) || (in & (size - 1)) ||
	    !range_inside(in, size, 0, dev->msix_count * MSIX_ENTRY_BYTES))
		return true;
	vector = (unsigned)(in / MSIX_ENTRY_BYTES);
	field = (unsigned)(in % MSIX_ENTRY_BYTES);
	entry = &dev->msix[vector];
	memcpy((uint8_t *)entry + field, &value, size);
	entry->control &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	msix_vector_changed(dev, vector);
	return true;
}
