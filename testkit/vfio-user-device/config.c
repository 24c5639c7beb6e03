/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Config space of the test device: built from the description, then bytes with
 * a mask of what can be written. Sources: PCI Local Bus 3.0, 6; PCI Express
 * Base 5.0, 7.5 and 7.8.4.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "testdev.h"

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v & 0xffff);
	put16(p + 2, v >> 16);
}

static unsigned get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

/* ---- building ---- */

static void build_header(struct testdev *t)
{
	const struct desc *d = &t->desc;

	put16(t->cfg + PCI_VENDOR_ID, d->vendor);
	put16(t->cfg + PCI_DEVICE_ID, d->device);
	put32(t->cfg + PCI_CLASS_REVISION, d->class << 8 | d->revision);
	put16(t->cfg + PCI_SUBSYSTEM_VENDOR_ID, d->subvendor);
	put16(t->cfg + PCI_SUBSYSTEM_ID, d->subdevice);
	t->cfg[PCI_INTERRUPT_PIN] = d->pin;
	t->writable[PCI_INTERRUPT_LINE] = 0xff;
	t->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	put16(t->writable + PCI_COMMAND,
	      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		  PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		  PCI_COMMAND_INTX_DISABLE);
}

static void build_bars(struct testdev *t)
{
	unsigned i;

	for (i = 0; i < DESC_BARS; i++) {
		const struct desc_bar *bar = &t->desc.bar[i];
		unsigned at = PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t type = 0, low = 0xf;

		if (bar->kind == DESC_BAR_NONE)
			continue;
		if (bar->kind == DESC_BAR_IO) {
			type = PCI_BASE_ADDRESS_SPACE_IO;
			low = 0x3;
		}
		if (bar->kind == DESC_BAR_MEM64)
			type = PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (bar->prefetch)
			type |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		put32(t->cfg + at, type);
		put32(t->writable + at, (uint32_t) ~(bar->size - 1) & ~low);
		if (bar->kind == DESC_BAR_MEM64)
			put32(t->writable + at + 4,
			      (uint32_t)(~(bar->size - 1) >> 32));
	}
	if (t->desc.rom_size)
		put32(t->writable + PCI_ROM_ADDRESS,
		      (uint32_t) ~(t->desc.rom_size - 1) |
			  PCI_ROM_ADDRESS_ENABLE);
}

static void cap_pm(struct testdev *t, unsigned at)
{
	t->pm = at;
	t->cfg[at] = PCI_CAP_ID_PM;
	put16(t->cfg + at + PCI_PM_PMC, 3); /* version 1.2 */
	if (!t->desc.soft_reset)
		put16(t->cfg + at + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	put16(t->writable + at + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
}

static void cap_msi(struct testdev *t, unsigned at)
{
	unsigned flags = (unsigned)__builtin_ctz(t->desc.msi) << 1;
	unsigned data = t->desc.msi_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32;

	if (t->desc.msi_64)
		flags |= PCI_MSI_FLAGS_64BIT;
	if (t->desc.msi_maskable)
		flags |= PCI_MSI_FLAGS_MASKBIT;
	t->cfg[at] = PCI_CAP_ID_MSI;
	put16(t->cfg + at + PCI_MSI_FLAGS, flags);
	put16(t->writable + at + PCI_MSI_FLAGS,
	      PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	memset(t->writable + at + PCI_MSI_ADDRESS_LO, 0xff,
	       data + 2 - PCI_MSI_ADDRESS_LO);
}

static void cap_msix(struct testdev *t, unsigned at)
{
	t->cfg[at] = PCI_CAP_ID_MSIX;
	put16(t->cfg + at + PCI_MSIX_FLAGS, t->desc.msix - 1);
	put16(t->writable + at + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put32(t->cfg + at + PCI_MSIX_TABLE,
	      t->desc.table_off | t->desc.table_bar);
	put32(t->cfg + at + PCI_MSIX_PBA, t->desc.pba_off | t->desc.pba_bar);
}

static void cap_pcie(struct testdev *t, unsigned at)
{
	uint32_t devcap = 1 | PCI_EXP_DEVCAP_RBER; /* payload 256 */
	uint32_t link = t->desc.speed | t->desc.width << 4;

	if (t->desc.flr)
		devcap |= PCI_EXP_DEVCAP_FLR;
	t->pcie = at;
	t->cfg[at] = PCI_CAP_ID_EXP;
	put16(t->cfg + at + PCI_EXP_FLAGS, 2); /* version 2, endpoint */
	put32(t->cfg + at + PCI_EXP_DEVCAP, devcap);
	put16(t->writable + at + PCI_EXP_DEVCTL,
	      0x7fff | (t->desc.flr ? PCI_EXP_DEVCTL_BCR_FLR : 0));
	put32(t->cfg + at + PCI_EXP_LNKCAP, link);
	put16(t->cfg + at + PCI_EXP_LNKSTA, link);
	put16(t->writable + at + PCI_EXP_LNKCTL,
	      PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC);
	put16(t->writable + at + PCI_EXP_DEVCTL2, 0x1f);
}

static void cap_aer(struct testdev *t, unsigned at)
{
	put32(t->cfg + at, PCI_EXT_CAP_ID_ERR | 2u << 16);
	put32(t->cfg + at + PCI_ERR_UNCOR_SEVER, 0x00462030);
	put32(t->writable + at + PCI_ERR_UNCOR_MASK, 0x00462030);
	put32(t->writable + at + PCI_ERR_UNCOR_SEVER, 0x00462030);
}

static void build_caps(struct testdev *t)
{
	static void (*const build[])(struct testdev * t, unsigned at) = {
	    [DESC_CAP_PM] = cap_pm,	[DESC_CAP_MSI] = cap_msi,
	    [DESC_CAP_MSIX] = cap_msix, [DESC_CAP_PCIE] = cap_pcie,
	    [DESC_CAP_AER] = cap_aer,
	};
	unsigned last = 0, last_ext = 0, i;

	for (i = 0; i < t->desc.caps; i++) {
		const struct desc_cap *cap = &t->desc.cap[i];

		build[cap->kind](t, cap->at);
		if (cap->at >= 0x100) {
			if (last_ext)
				put16(t->cfg + last_ext + 2,
				      get16(t->cfg + last_ext + 2) | cap->at
									 << 4);
			last_ext = cap->at;
			continue;
		}
		t->cfg[last ? last + 1 : PCI_CAPABILITY_LIST] =
		    (uint8_t)cap->at;
		t->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		last = cap->at;
	}
}

/* An extended list begins at 100, with nothing if nothing is there. */
static void head_of_extended(struct testdev *t)
{
	unsigned i;

	for (i = 0; i < t->desc.caps; i++)
		if (t->desc.cap[i].at == 0x100)
			return;
	for (i = 0; i < t->desc.caps; i++)
		if (t->desc.cap[i].at > 0x100) {
			put32(t->cfg + 0x100, t->desc.cap[i].at << 20);
			return;
		}
}

void testdev_config_build(struct testdev *t)
{
	unsigned i;

	memset(t->cfg, 0, sizeof(t->cfg));
	memset(t->writable, 0, sizeof(t->writable));
	build_header(t);
	build_bars(t);
	build_caps(t);
	head_of_extended(t);
	for (i = 0; i < t->desc.bytes; i++)
		t->cfg[t->desc.byte[i].off] = (uint8_t)t->desc.byte[i].value;
}

void testdev_config_reset(struct testdev *t)
{
	testdev_config_build(t);
}

/* ---- accesses ---- */

bool testdev_decodes(const struct testdev *t, unsigned bar)
{
	unsigned bit = t->desc.bar[bar].kind == DESC_BAR_IO
			   ? PCI_COMMAND_IO
			   : PCI_COMMAND_MEMORY;

	return (t->cfg[PCI_COMMAND] & bit) &&
	       !(t->pm && t->cfg[t->pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK);
}

void testdev_config_read(const struct testdev *t, unsigned off, void *buf,
			 unsigned len)
{
	memcpy(buf, t->cfg + off, len);
}

/* What a write set in motion. */
static void follow(struct testdev *t, unsigned state_before)
{
	unsigned state =
	    t->pm ? t->cfg[t->pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK : 0;

	if (t->pcie && t->cfg[t->pcie + PCI_EXP_DEVCTL + 1] &
			   (PCI_EXP_DEVCTL_BCR_FLR >> 8))
		testdev_reset(t, "flr");
	else if (state_before == PCI_PM_CTRL_STATE_MASK && state == 0 &&
		 t->desc.soft_reset)
		testdev_reset(t, "pm");
}

void testdev_config_write(struct testdev *t, unsigned off, const void *buf,
			  unsigned len)
{
	const uint8_t *in = buf;
	unsigned i, state;

	state =
	    t->pm ? t->cfg[t->pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK : 0;
	for (i = 0; i < len; i++) {
		uint8_t mask = t->writable[off + i];

		t->cfg[off + i] =
		    (uint8_t)((t->cfg[off + i] & ~mask) | (in[i] & mask));
	}
	follow(t, state);
}
