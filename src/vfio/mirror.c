/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second config space of an NVIDIA GPU, inside its BAR 0.
 *
 * Theory of operation. These chips show their config space a second time among
 * their registers. What is read there are the host's addresses, and what is
 * written there is config space written past the kernel and past config.c. So
 * the page with it is left out of the memory slot (bar.c), and each byte of it
 * is one of three kinds:
 *
 *   header and capabilities  config space as the guest sees it: the same
 *                            reads, the same filter of writes
 *   id and next pointer of   read like the others; a write also goes to the
 *   the MSI capability       chip. Neither is writable in config space, and
 *                            to write there is how drivers tell many chips
 *                            that an interrupt has been taken: without it
 *                            there is no second one
 *   all between them, and    registers of the chip alone (other chips have the
 *   vendor-specific          acknowledgement at 704h): read and written as
 *   capabilities' bodies     they are
 *
 * An access that spans kinds is split. Where the page is depends on the chip;
 * it is looked for by the ids that it begins with, and by default assumed
 * where most have it.
 *
 * Writes to config space from here happen with the device's lock held, as
 * those by config cycles do, and may move the BAR that they came through.
 *
 * Sources: NVIDIA open-gpu-kernel-modules (kbifGetPciConfigSpacePriMirror);
 * nouveau, nvkm/subdev/pci (where, and the acknowledgements); PCI Express Base
 * 5.0 ch. 7 (lengths).
 */
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define VENDOR_NVIDIA 0x10deu
#define CLASS_DISPLAY 0x03u
#define MIRROR_BAR    0u

static const struct place {
	uint32_t base, size;
	bool express; /* of chips with a PCI Express capability */
} places[] = {
    {0x88000, PCI_CFG_SPACE_EXP_SIZE, true}, /* NV40 to Ada */
    {0x92000, PCI_CFG_SPACE_EXP_SIZE, true}, /* Hopper, Blackwell */
    {0x1800, PCI_CFG_SPACE_SIZE, false},     /* before NV40 */
};

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* ---- where it is ---- */

static bool place_fits(const struct vfio_device *d, const struct place *p)
{
	return p->express == (d->config.exp != 0) &&
	       range_inside(p->base, p->size, 0, d->region[MIRROR_BAR].size);
}

static bool shows_ids(const struct vfio_device *d, const struct place *p)
{
	uint64_t v;

	return vfio_region_read(d, MIRROR_BAR, p->base, 4, &v) == 0 &&
	       v == (d->host.vendor | (uint32_t)d->host.device << 16);
}

static const struct place *place_find(const struct vfio_device *d)
{
	const struct place *found = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(places); i++) {
		if (!place_fits(d, &places[i]))
			continue;
		if (shows_ids(d, &places[i]))
			return &places[i];
		if (!found)
			found = &places[i];
	}
	return found;
}

void vfio_mirror_find(struct vfio_device *d)
{
	const struct place *p;
	uint32_t reg;

	/* What a mediated one shows is its driver's affair. */
	if (d->no_mirror || d->mdev[0] || d->host.vendor != VENDOR_NVIDIA ||
	    d->host.class >> 16 != CLASS_DISPLAY ||
	    vfio_config_read(d, PCI_BASE_ADDRESS_0, 4, &reg) ||
	    (reg & PCI_BASE_ADDRESS_SPACE_IO))
		return;
	/* Where decoding cannot be switched on, nothing shows ids. */
	(void)!vfio_config_set_command(d, PCI_COMMAND_MEMORY);
	p = place_find(d);
	(void)!vfio_config_set_command(d, 0);
	if (!p)
		return;
	d->mirror.base = p->base;
	d->mirror.size = p->size;
	log_debug("%s: config space at BAR 0 0x%x is guarded", vfio_name(d),
		  p->base);
}

/* ---- what is in it ---- */

static void claim(struct vfio_device *d, unsigned off, unsigned len)
{
	for (; len && off < d->mirror.size; off++, len--)
		d->mirror.config[off / 8] |= (uint8_t)(1u << off % 8);
}

static bool claimed(const struct vfio_device *d, unsigned off)
{
	return d->mirror.config[off / 8] >> off % 8 & 1;
}

struct cap_len {
	uint16_t id, len;
};

/* Of vendor-specific ones only the head; of those not here all to the next. */
static const struct cap_len standard[] = {
    {PCI_CAP_ID_PM, PCI_PM_SIZEOF},
    {PCI_CAP_ID_AGP, PCI_AGP_SIZEOF},
    {PCI_CAP_ID_VPD, 8},
    {PCI_CAP_ID_MSI, 24},
    {PCI_CAP_ID_PCIX, 8},
    {PCI_CAP_ID_VNDR, 2},
    {PCI_CAP_ID_SSVID, 8},
    {PCI_CAP_ID_EXP, 0x3c},
    {PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF},
    {PCI_CAP_ID_AF, PCI_CAP_AF_SIZEOF},
};

/* With the most lanes, BARs or entries that a GPU's function can have. */
static const struct cap_len extended[] = {
    {PCI_EXT_CAP_ID_ERR, 0x48},
    {PCI_EXT_CAP_ID_VC, 0x1c},
    {PCI_EXT_CAP_ID_DSN, 12},
    {PCI_EXT_CAP_ID_PWR, 16},
    {PCI_EXT_CAP_ID_VNDR, 8},
    {PCI_EXT_CAP_ID_ACS, 8},
    {PCI_EXT_CAP_ID_ARI, PCI_EXT_CAP_ARI_SIZEOF},
    {PCI_EXT_CAP_ID_ATS, PCI_EXT_CAP_ATS_SIZEOF},
    {PCI_EXT_CAP_ID_SRIOV, PCI_EXT_CAP_SRIOV_SIZEOF},
    {PCI_EXT_CAP_ID_PRI, PCI_EXT_CAP_PRI_SIZEOF},
    {PCI_EXT_CAP_ID_REBAR, 4 + 6 * 8},
    {PCI_EXT_CAP_ID_TPH, 12},
    {PCI_EXT_CAP_ID_LTR, PCI_EXT_CAP_LTR_SIZEOF},
    {PCI_EXT_CAP_ID_SECPCI, 12 + 16 * 2},
    {PCI_EXT_CAP_ID_PASID, PCI_EXT_CAP_PASID_SIZEOF},
    {PCI_EXT_CAP_ID_L1SS, 20},
    {PCI_EXT_CAP_ID_PTM, 12},
    {PCI_EXT_CAP_ID_DLF, 12},
    {PCI_EXT_CAP_ID_PL_16GT, 0x20 + 16},
};

static unsigned cap_len(const struct cap_len *table, size_t n,
			const struct vfio_cap *cap)
{
	unsigned limit = cap->limit - cap->off;
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].id == cap->id)
			return MIN((unsigned)table[i].len, limit);
	return limit;
}

/* Designated ones say how long they are, and config.c knows whose. */
static unsigned ext_cap_len(const struct vfio_device *d,
			    const struct vfio_cap *cap)
{
	unsigned len = cap_len(extended, ARRAY_LEN(extended), cap);
	uint32_t header;

	if (cap->id == PCI_EXT_CAP_ID_DVSEC &&
	    vfio_config_read(d, cap->off + PCI_DVSEC_HEADER1, 4, &header) == 0)
		len = MIN(len, MAX(PCI_DVSEC_HEADER1_LEN(header), 10u));
	return len;
}

int vfio_mirror_build(struct vfio_device *d)
{
	CLEANUP_FREE struct vfio_cap *caps = NULL;
	unsigned i, n;

	if (!d->mirror.size)
		return 0;
	caps = calloc(MAX(VFIO_CAPS_MAX, VFIO_EXT_CAPS_MAX), sizeof(*caps));
	if (!caps)
		return -ENOMEM;
	claim(d, 0, PCI_STD_HEADER_SIZEOF);
	n = vfio_config_caps(d, caps);
	for (i = 0; i < n; i++)
		claim(d, caps[i].off,
		      cap_len(standard, ARRAY_LEN(standard), &caps[i]));
	n = vfio_config_ext_caps(d, caps);
	for (i = 0; i < n; i++)
		claim(d, caps[i].off, ext_cap_len(d, &caps[i]));
	return 0;
}

/* ---- accesses ---- */

/* Bytes of an access that are config space's. */
static unsigned claimed_count(const struct vfio_device *d, unsigned off,
			      unsigned size)
{
	unsigned i, n = 0;

	for (i = 0; i < size; i++)
		n += claimed(d, off + i);
	return n;
}

static uint64_t mirror_read(struct vfio_device *d, unsigned off, unsigned size)
{
	unsigned n = claimed_count(d, off, size), half = size / 2;
	uint64_t v;

	if (n == 0)
		return vfio_region_read(d, MIRROR_BAR, d->mirror.base + off,
					size, &v)
			   ? ones(size)
			   : v;
	if (n == size && size <= 4)
		return pci_dev_cfg_read_locked(&d->pci, off, size);
	v = mirror_read(d, off, half);
	return v | mirror_read(d, off + half, half) << (8 * half);
}

static void chip_write(struct vfio_device *d, unsigned off, unsigned size,
		       uint64_t value)
{
	if (vfio_region_write(d, MIRROR_BAR, d->mirror.base + off, size, value))
		log_debug("%s: BAR 0: write at 0x%x was lost", vfio_name(d),
			  (unsigned)d->mirror.base + off);
}

/* The part of a write that the chip takes as its acknowledgement. */
static void acknowledge(struct vfio_device *d, unsigned off, unsigned size,
			uint64_t value)
{
	unsigned from, to, msi = d->config.msi;

	if (!msi)
		return;
	from = MAX(off, msi);
	to = MIN(off + size, msi + PCI_MSI_FLAGS);
	if (from < to)
		chip_write(d, from, to - from,
			   value >> (8 * (from - off)) & ones(to - from));
}

static void mirror_write(struct vfio_device *d, unsigned off, unsigned size,
			 uint64_t value)
{
	unsigned n = claimed_count(d, off, size), half = size / 2;

	if (n == 0) {
		chip_write(d, off, size, value);
	} else if (n == size && size <= 4) {
		acknowledge(d, off, size, value);
		pci_dev_cfg_write_locked(&d->pci, off, size,
					 (uint32_t)(value & ones(size)));
	} else {
		mirror_write(d, off, half, value & ones(half));
		mirror_write(d, off + half, half, value >> (8 * half));
	}
}

/* Aligned accesses lie inside it or outside. */
static bool inside(const struct vfio_device *d, unsigned bar, uint64_t off)
{
	return bar == MIRROR_BAR && off >= d->mirror.base &&
	       off - d->mirror.base < d->mirror.size;
}

bool vfio_mirror_read(struct vfio_device *d, unsigned bar, uint64_t off,
		      unsigned size, uint64_t *ret_value)
{
	if (!inside(d, bar, off))
		return false;
	*ret_value =
	    d->asleep ? ones(size)
		      : mirror_read(d, (unsigned)(off - d->mirror.base), size);
	return true;
}

bool vfio_mirror_write(struct vfio_device *d, unsigned bar, uint64_t off,
		       unsigned size, uint64_t value)
{
	if (!inside(d, bar, off))
		return false;
	if (!d->asleep)
		mirror_write(d, (unsigned)(off - d->mirror.base), size, value);
	return true;
}
