/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which capabilities of a passed-through device the guest sees, and how.
 *
 * Theory of operation. Every capability has a line in one of the two tables;
 * one that has none is hidden. Shown capabilities keep their offsets, because
 * drivers use fixed ones; the chains are built anew around the hidden ones. A
 * hidden one reads as zeros and takes no writes.
 *
 * On a root bus PCI Express knows only root complex integrated endpoints
 * (7.5.3, device type 9). Those have no link, so there the link registers read
 * as zero. Behind a port of its own a device is the endpoint that it is, and
 * shows its link; how the link is driven stays with the host.
 */
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define EXP_LEN_V1	 0x14u /* endpoint: to the end of LNKSTA */
#define EXP_LEN_V1_RCIEP 0x0cu /* to the end of DEVSTA */
#define EXP_LEN_V2	 0x3cu
#define EXP_LEN_V2_RCIEP 0x2cu

/* Phantom functions would let a device use other functions' ids. */
#define DEVCAP_HIDDEN 0x00000018u
/* Completion timeouts, AtomicOp completion, relaxed ordering rules. */
#define DEVCAP2_SHOWN 0x0000079fu
/*
 * The device's own traffic: relaxed ordering, payload and request sizes (the
 * kernel keeps the bus's), extended tags, aux power, no-snoop, reset.
 */
#define DEVCTL_FORWARDED 0xfdf0u
/* Error reporting stays as the host set it; the guest keeps its own copy. */
#define DEVCTL_EMULATED 0x000fu
/* Completion timeout, AtomicOp requests, ID-based ordering. */
#define DEVCTL2_FORWARDED 0x035fu

/* Neither power states of the link nor its clock are the guest's. */
#define LNKCAP_HIDDEN \
	(PCI_EXP_LNKCAP_ASPMS | PCI_EXP_LNKCAP_CLKPM | PCI_EXP_LNKCAP_LBNC)
/* Common clock, extended synch, read completion boundary: remembered only. */
#define LNKCTL_EMULATED \
	(PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES | PCI_EXP_LNKCTL_RCB)

/* Designated capabilities of these organisations. */
#define VENDOR_PCI_SIG 0x0001u
#define VENDOR_CXL     0x1e98u
/* Largest BAR that a bit of the first register can name: 128 TiB. */
#define REBAR_SIZE_MAX 27

typedef int cap_build_fn(struct vfio_device *d, const struct vfio_cap *cap,
			 unsigned len);

struct cap_policy {
	uint16_t id;
	uint16_t len; /* of the whole capability, 0: the function knows */
	cap_build_fn *build; /* NULL: hidden */
};

/* Length that stays clear of the next capability. */
static unsigned fit(const struct vfio_cap *cap, unsigned len)
{
	return MIN(len, (unsigned)(cap->limit - cap->off));
}

static void cap_hide(struct vfio_device *d, const struct vfio_cap *cap,
		     unsigned len)
{
	len = fit(cap, len ? len : PCI_CFG_SIZE);
	memset(d->pci.cfg + cap->off, 0, len);
	vfio_config_emulate(d, cap->off, len);
}

/* Chains a standard capability in at its own place. */
static void cap_link(struct vfio_device *d, const struct vfio_cap *cap)
{
	struct pci_dev *dev = &d->pci;

	dev->cfg[cap->off + PCI_CAP_LIST_ID] = (uint8_t)cap->id;
	dev->cfg[cap->off + PCI_CAP_LIST_NEXT] = 0;
	if (dev->last_cap)
		dev->cfg[dev->last_cap + PCI_CAP_LIST_NEXT] = (uint8_t)cap->off;
	else
		dev->cfg[PCI_CAPABILITY_LIST] = (uint8_t)cap->off;
	dev->last_cap = cap->off;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	vfio_config_emulate(d, cap->off, 2);
}

/* The device's `size` bytes at off into the image, emulated from now on. */
static int copy_register(struct vfio_device *d, unsigned off, unsigned size,
			 uint32_t *ret_value)
{
	uint32_t v;
	int r = vfio_config_read(d, off, size, &v);

	if (r)
		return r;
	memcpy(d->pci.cfg + off, &v, size);
	vfio_config_emulate(d, off, size);
	*ret_value = v;
	return 0;
}

/* ---- standard capabilities ---- */

static int build_read(struct vfio_device *d, const struct vfio_cap *cap,
		      unsigned len)
{
	len = fit(cap, len);
	if (len > 2)
		vfio_config_forward(d, cap->off + 2, len - 2, false);
	cap_link(d, cap);
	return 0;
}

static int build_write(struct vfio_device *d, const struct vfio_cap *cap,
		       unsigned len)
{
	len = fit(cap, len);
	if (len > 2)
		vfio_config_forward(d, cap->off + 2, len - 2, true);
	cap_link(d, cap);
	return 0;
}

static int build_vendor(struct vfio_device *d, const struct vfio_cap *cap,
			unsigned len UNUSED)
{
	uint32_t own;
	int r = vfio_config_read(d, cap->off + PCI_CAP_FLAGS, 1, &own);

	return r ? r : build_write(d, cap, own);
}

static int build_pm(struct vfio_device *d, const struct vfio_cap *cap,
		    unsigned len)
{
	int r = build_read(d, cap, len);

	/* The kernel changes the power state itself and keeps PME off. */
	if (fit(cap, len) >= PCI_PM_CTRL + 2)
		vfio_config_forward(d, cap->off + PCI_PM_CTRL, 2, true);
	return r;
}

/* The address can be chosen, the data not. */
static int build_vpd(struct vfio_device *d, const struct vfio_cap *cap,
		     unsigned len)
{
	int r = build_read(d, cap, len);

	if (fit(cap, len) >= PCI_VPD_DATA)
		vfio_config_forward(d, cap->off + PCI_VPD_ADDR, 2, true);
	return r;
}

static int build_af(struct vfio_device *d, const struct vfio_cap *cap,
		    unsigned len)
{
	int r = build_read(d, cap, len);

	if (fit(cap, len) > PCI_AF_CTRL)
		d->config.forward[cap->off + PCI_AF_CTRL] = PCI_AF_CTRL_FLR;
	return r;
}

static int build_msi(struct vfio_device *d, const struct vfio_cap *cap,
		     unsigned len UNUSED)
{
	bool wide, masks;
	uint32_t flags;
	int r;

	r = vfio_config_read(d, cap->off + PCI_MSI_FLAGS, 2, &flags);
	if (r)
		return r;
	wide = flags & PCI_MSI_FLAGS_64BIT;
	masks = flags & PCI_MSI_FLAGS_MASKBIT;
	cap_hide(d, cap, masks ? (wide ? 24 : 20) : (wide ? 14 : 10));
	if (!d->irq.info[VFIO_PCI_MSI_IRQ_INDEX].count ||
	    pci_msi_init(&d->pci, cap->off, (flags & PCI_MSI_FLAGS_QMASK) >> 1,
			 wide, masks))
		log_warn("%s: MSI cannot be used on this host; the guest does"
			 " not see it",
			 vfio_name(d));
	return 0;
}

static int build_msix(struct vfio_device *d, const struct vfio_cap *cap,
		      unsigned len)
{
	struct vfio_msix_place place;
	int r;

	r = vfio_config_msix_place(d, &place);
	if (r)
		return r;
	cap_hide(d, cap, len);
	if (!d->irq.info[VFIO_PCI_MSIX_IRQ_INDEX].count) {
		log_warn("%s: MSI-X cannot be used on this host; the guest"
			 " does not see it",
			 vfio_name(d));
		return 0;
	}
	r = pci_msix_init(&d->pci, cap->off, place.vectors, place.table_bar,
			  place.table_off, place.pba_bar, place.pba_off);
	if (r)
		log_warn(
		    "%s: the MSI-X table (BAR %u+0x%x) or its pending"
		    " bits (BAR %u+0x%x) lie outside the device's BARs; the"
		    " guest does not see MSI-X",
		    vfio_name(d), place.table_bar, place.table_off,
		    place.pba_bar, place.pba_off);
	return 0;
}

/* Bits of a control register that are neither read as 0. */
static void express_control(struct vfio_device *d, unsigned off,
			    uint16_t forwarded, uint16_t emulated)
{
	uint16_t not_device = (uint16_t)~forwarded;

	memcpy(d->config.forward + off, &forwarded, 2);
	memcpy(d->config.emulated + off, &not_device, 2);
	pci_wmask16(&d->pci, off, emulated);
}

/* Link registers behind a port. */
static int express_link(struct vfio_device *d, unsigned off)
{
	uint32_t v;
	int r = copy_register(d, off + PCI_EXP_LNKCAP, 4, &v);

	if (r)
		return r;
	pci_set32(&d->pci, off + PCI_EXP_LNKCAP, v & ~LNKCAP_HIDDEN);
	vfio_config_forward(d, off + PCI_EXP_LNKSTA, 2, false);
	pci_wmask16(&d->pci, off + PCI_EXP_LNKCTL, LNKCTL_EMULATED);
	return 0;
}

static int express_link2(struct vfio_device *d, unsigned off)
{
	uint32_t v;
	int r = copy_register(d, off + PCI_EXP_LNKCAP2, 4, &v);

	if (!r)
		r = copy_register(d, off + PCI_EXP_LNKCTL2, 2, &v);
	if (r)
		return r;
	pci_wmask16(&d->pci, off + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS);
	vfio_config_forward(d, off + PCI_EXP_LNKSTA2, 2, false);
	return 0;
}

static int express_v2(struct vfio_device *d, unsigned off)
{
	uint32_t v;
	int r = copy_register(d, off + PCI_EXP_DEVCAP2, 4, &v);

	if (r)
		return r;
	pci_set32(&d->pci, off + PCI_EXP_DEVCAP2, v & DEVCAP2_SHOWN);
	express_control(d, off + PCI_EXP_DEVCTL2, DEVCTL2_FORWARDED, 0);
	return 0;
}

/* What the guest is told that the device is; false: it does not see this. */
static bool express_type(const struct vfio_device *d, unsigned *ret_type)
{
	unsigned type = d->config.exp_type;

	if (!d->pci.upstream) {
		*ret_type = PCI_EXP_TYPE_RC_END;
		/* A legacy endpoint may not sit on a root bus as what it is. */
		return type != PCI_EXP_TYPE_LEG_END;
	}
	*ret_type = type == PCI_EXP_TYPE_LEG_END ? type : PCI_EXP_TYPE_ENDPOINT;
	return true;
}

static int build_express(struct vfio_device *d, const struct vfio_cap *cap,
			 unsigned len)
{
	bool rciep = d->config.exp_type == PCI_EXP_TYPE_RC_END, v2;
	unsigned off = cap->off, type;
	uint32_t flags, v;
	int r;

	r = vfio_config_read(d, off + PCI_EXP_FLAGS, 2, &flags);
	if (r)
		return r;
	v2 = (flags & PCI_EXP_FLAGS_VERS) >= 2;
	if (v2)
		len = fit(cap, rciep ? EXP_LEN_V2_RCIEP : EXP_LEN_V2);
	else
		len = fit(cap, rciep ? EXP_LEN_V1_RCIEP : EXP_LEN_V1);
	/* Link, slot and root registers: zero unless set below. */
	cap_hide(d, cap, len);
	if (!express_type(d, &type) || len < EXP_LEN_V1_RCIEP)
		return 0;
	cap_link(d, cap);
	if (!(flags & PCI_EXP_FLAGS_VERS))
		flags |= 1; /* 82599 virtual functions say 0 */
	flags &= ~(uint32_t)(PCI_EXP_FLAGS_TYPE | PCI_EXP_FLAGS_SLOT);
	pci_set16(&d->pci, off + PCI_EXP_FLAGS, (uint16_t)(flags | type << 4));
	r = copy_register(d, off + PCI_EXP_DEVCAP, 4, &v);
	if (r)
		return r;
	pci_set32(&d->pci, off + PCI_EXP_DEVCAP, v & ~DEVCAP_HIDDEN);
	express_control(d, off + PCI_EXP_DEVCTL, DEVCTL_FORWARDED,
			DEVCTL_EMULATED);
	vfio_config_forward(d, off + PCI_EXP_DEVSTA, 2, false);
	if (v2 && len >= EXP_LEN_V2_RCIEP)
		r = express_v2(d, off);
	/* One integrated into the host's root complex has no link: zeros. */
	if (!r && d->pci.upstream && len >= EXP_LEN_V1)
		r = express_link(d, off);
	if (!r && d->pci.upstream && v2 && len >= EXP_LEN_V2)
		r = express_link2(d, off);
	return r;
}

static const struct cap_policy standard[] = {
    {PCI_CAP_ID_PM, PCI_PM_SIZEOF, build_pm},
    /* The kernel reads VPD on the guest's behalf; config.c stops writes. */
    {PCI_CAP_ID_VPD, 8, build_vpd},
    /* Wholly emulated: vectors of the guest are not those of the host. */
    {PCI_CAP_ID_MSI, 0, build_msi},
    {PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, build_msix},
    {PCI_CAP_ID_PCIX, 8, build_write},
    /* Drivers need them (virtio finds its registers here). */
    {PCI_CAP_ID_VNDR, 0, build_vendor},
    {PCI_CAP_ID_EXP, 0, build_express},
    {PCI_CAP_ID_SATA, PCI_SATA_SIZEOF_SHORT, build_read},
    {PCI_CAP_ID_AF, PCI_CAP_AF_SIZEOF, build_af},
    /* About slots, bridges and buses that the guest does not have. */
    {PCI_CAP_ID_AGP, PCI_AGP_SIZEOF, NULL},
    {PCI_CAP_ID_AGP3, 0, NULL},
    {PCI_CAP_ID_SLOTID, 4, NULL},
    {PCI_CAP_ID_CHSWP, 4, NULL},
    {PCI_CAP_ID_CCRC, 4, NULL},
    {PCI_CAP_ID_SHPC, 8, NULL},
    {PCI_CAP_ID_SSVID, 8, NULL},
    {PCI_CAP_ID_HT, 0, NULL},
    {PCI_CAP_ID_SECDEV, 0, NULL},
    {PCI_CAP_ID_DBG, 4, NULL},
    /* Holds the host's addresses. */
    {PCI_CAP_ID_EA, 0, NULL},
};

/* ---- extended capabilities ---- */

static int ext_read(struct vfio_device *d UNUSED,
		    const struct vfio_cap *cap UNUSED, unsigned len UNUSED)
{
	return 0; /* reads are forwarded anyway */
}

/* Vendor-specific ones give their length in bits 31-20 of the next dword. */
static int ext_vendor(struct vfio_device *d, const struct vfio_cap *cap,
		      unsigned len UNUSED)
{
	uint32_t header;
	int r = vfio_config_read(d, cap->off + 4u, 4, &header);

	if (r)
		return r;
	len = fit(cap, header >> 20);
	if (len > 8)
		vfio_config_forward(d, cap->off + 8u, len - 8, true);
	return 0;
}

/*
 * Designated ones belong to who is named in them. CXL's place the host's
 * memory: they can be read.
 */
static int ext_designated(struct vfio_device *d, const struct vfio_cap *cap,
			  unsigned len UNUSED)
{
	uint32_t header;
	int r = vfio_config_read(d, cap->off + PCI_DVSEC_HEADER1, 4, &header);

	if (r || PCI_DVSEC_HEADER1_VID(header) == VENDOR_CXL ||
	    PCI_DVSEC_HEADER1_VID(header) == VENDOR_PCI_SIG)
		return r;
	len = fit(cap, PCI_DVSEC_HEADER1_LEN(header));
	if (len > 10)
		vfio_config_forward(d, cap->off + 10u, len - 10, true);
	return 0;
}

/*
 * Resizable BARs, at the size that the host has given them and no other: a
 * resized BAR would no longer fit what is mapped.
 */
static int ext_rebar(struct vfio_device *d, const struct vfio_cap *cap,
		     unsigned len UNUSED)
{
	unsigned i, index, bars = 1, at = cap->off + PCI_REBAR_CAP;
	uint32_t control;
	uint64_t mib;
	int r;

	memset(d->pci.cfg + at, 0, cap->limit - at);
	vfio_config_emulate(d, at, cap->limit - at);
	for (i = 0; i < bars && at + 8 <= cap->limit; i++, at += 8) {
		r = vfio_config_read(d, at + 4, 4, &control);
		if (r)
			return r;
		if (i == 0)
			bars = (control & PCI_REBAR_CTRL_NBAR_MASK) >>
			       PCI_REBAR_CTRL_NBAR_SHIFT;
		index = control & PCI_REBAR_CTRL_BAR_IDX;
		mib = index < PCI_BARS ? d->pci.bar[index].size >> 20 : 0;
		control = index | (i ? 0 : bars) << PCI_REBAR_CTRL_NBAR_SHIFT;
		if (is_pow2(mib) && mib <= 1u << REBAR_SIZE_MAX) {
			unsigned size = (unsigned)__builtin_ctzll(mib);

			pci_set32(&d->pci, at, 1u << (4 + size));
			control |= size << PCI_REBAR_CTRL_BAR_SHIFT;
		}
		pci_set32(&d->pci, at + 4, control);
	}
	return 0;
}

/* The data select register chooses what the data register shows. */
static int ext_power(struct vfio_device *d, const struct vfio_cap *cap,
		     unsigned len)
{
	if (fit(cap, len) > PCI_PWR_DSR)
		vfio_config_forward(d, cap->off + PCI_PWR_DSR, 1, true);
	return 0;
}

/* Ids that Linux 6.1's header does not have. */
#define EXT_CAP_LN_REQUESTER 0x1c
#define EXT_CAP_FRS_QUEUE    0x21
#define EXT_CAP_RTR	     0x22
#define EXT_CAP_VF_REBAR     0x24
#define EXT_CAP_LANE_MARGIN  0x27
#define EXT_CAP_HIERARCHY_ID 0x28
#define EXT_CAP_NPEM	     0x29
#define EXT_CAP_PL_32GT	     0x2a
#define EXT_CAP_ALT_PROTOCOL 0x2b

static const struct cap_policy extended[] = {
    /* Read-only: clearing or masking errors is the host's affair. */
    {PCI_EXT_CAP_ID_ERR, 0, ext_read},
    {PCI_EXT_CAP_ID_VC, 0, ext_read},
    {PCI_EXT_CAP_ID_VC9, 0, ext_read},
    {PCI_EXT_CAP_ID_MFVC, 0, ext_read},
    {PCI_EXT_CAP_ID_DSN, 12, ext_read},
    {PCI_EXT_CAP_ID_PWR, 16, ext_power},
    {PCI_EXT_CAP_ID_VNDR, 0, ext_vendor},
    {PCI_EXT_CAP_ID_DVSEC, 0, ext_designated},
    {PCI_EXT_CAP_ID_ACS, 0, ext_read},
    {PCI_EXT_CAP_ID_DPA, 0, ext_read},
    {PCI_EXT_CAP_ID_TPH, 0, ext_read},
    {EXT_CAP_RTR, 12, ext_read},
    {PCI_EXT_CAP_ID_REBAR, 0, ext_rebar},
    /* The guest would create or resize functions of the host. */
    {PCI_EXT_CAP_ID_SRIOV, PCI_EXT_CAP_SRIOV_SIZEOF, NULL},
    {PCI_EXT_CAP_ID_MRIOV, 0, NULL},
    {PCI_EXT_CAP_ID_ARI, PCI_EXT_CAP_ARI_SIZEOF, NULL},
    {EXT_CAP_VF_REBAR, 0, NULL},
    /* Address translation without a guest IOMMU. */
    {PCI_EXT_CAP_ID_ATS, PCI_EXT_CAP_ATS_SIZEOF, NULL},
    {PCI_EXT_CAP_ID_PRI, PCI_EXT_CAP_PRI_SIZEOF, NULL},
    {PCI_EXT_CAP_ID_PASID, PCI_EXT_CAP_PASID_SIZEOF, NULL},
    /* Links, ports and the platform: the host's. */
    {PCI_EXT_CAP_ID_LTR, PCI_EXT_CAP_LTR_SIZEOF, NULL},
    {PCI_EXT_CAP_ID_L1SS, 16, NULL},
    {PCI_EXT_CAP_ID_SECPCI, 0, NULL},
    {PCI_EXT_CAP_ID_PMUX, 0, NULL},
    {PCI_EXT_CAP_ID_DLF, 12, NULL},
    {PCI_EXT_CAP_ID_PL_16GT, 0, NULL},
    {EXT_CAP_PL_32GT, 0, NULL},
    {EXT_CAP_LANE_MARGIN, 0, NULL},
    {EXT_CAP_ALT_PROTOCOL, 0, NULL},
    {PCI_EXT_CAP_ID_DPC, 0, NULL},
    {PCI_EXT_CAP_ID_PTM, 12, NULL},
    {PCI_EXT_CAP_ID_MCAST, 0, NULL},
    {EXT_CAP_NPEM, 0, NULL},
    {EXT_CAP_HIERARCHY_ID, 0, NULL},
    {EXT_CAP_FRS_QUEUE, 0, NULL},
    {EXT_CAP_LN_REQUESTER, 0, NULL},
    {PCI_EXT_CAP_ID_DOE, 0, NULL},
    {PCI_EXT_CAP_ID_RCLD, 0, NULL},
    {PCI_EXT_CAP_ID_RCILC, 0, NULL},
    {PCI_EXT_CAP_ID_RCEC, 0, NULL},
    {PCI_EXT_CAP_ID_RCRB, 0, NULL},
    {PCI_EXT_CAP_ID_CAC, 0, NULL},
    {PCI_EXT_CAP_ID_AMD_XXX, 0, NULL},
};

/* ---- both ---- */

static const struct cap_policy *policy_find(const struct cap_policy *table,
					    size_t n, uint16_t id)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].id == id)
			return &table[i];
	return NULL;
}

static int standard_build(struct vfio_device *d)
{
	struct vfio_cap caps[VFIO_CAPS_MAX];
	const struct cap_policy *policy;
	unsigned i, n;
	int r = 0;

	n = vfio_config_caps(d, caps);
	for (i = 0; i < n && !r; i++) {
		policy = policy_find(standard, ARRAY_LEN(standard), caps[i].id);
		if (policy && policy->build)
			r = policy->build(d, &caps[i], policy->len);
		else
			cap_hide(d, &caps[i], policy ? policy->len : 0);
	}
	return r;
}

static int extended_add(struct vfio_device *d, const struct vfio_cap *cap)
{
	const struct cap_policy *policy;
	int r;

	policy = policy_find(extended, ARRAY_LEN(extended), cap->id);
	if (!policy || !policy->build) {
		cap_hide(d, cap, policy ? policy->len : 0);
		/* The list starts here whatever is in it. */
		if (cap->off != PCI_CFG_SPACE_SIZE)
			return 0;
		return pci_add_ext_cap(&d->pci, 0, 0, cap->off);
	}
	r = pci_add_ext_cap(&d->pci, cap->id, cap->version, cap->off);
	vfio_config_emulate(d, cap->off, 4);
	return r ? r : policy->build(d, cap, policy->len);
}

static int extended_build(struct vfio_device *d)
{
	CLEANUP_FREE struct vfio_cap *caps = NULL;
	unsigned i, n;
	int r = 0;

	caps = calloc(VFIO_EXT_CAPS_MAX, sizeof(*caps));
	if (!caps)
		return -ENOMEM;
	n = vfio_config_ext_caps(d, caps);
	if (!n)
		return 0;
	d->config.visible = PCI_CFG_SPACE_EXP_SIZE;
	vfio_config_forward(d, PCI_CFG_SPACE_SIZE,
			    PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE, false);
	for (i = 0; i < n && !r; i++)
		r = extended_add(d, &caps[i]);
	return r;
}

static bool express_shown(const struct vfio_device *d)
{
	return d->config.exp && d->pci.cfg[d->config.exp] == PCI_CAP_ID_EXP;
}

int vfio_capabilities_build(struct vfio_device *d, struct err *err)
{
	int r;

	r = standard_build(d);
	if (!r && express_shown(d)) {
		if (d->config.size < PCI_CFG_SPACE_EXP_SIZE)
			log_warn("%s: the host has no extended config space"
				 " for it (no MCFG table, or pci=nommconf); the"
				 " guest sees 256 bytes",
				 vfio_name(d));
		r = extended_build(d);
	}
	if (r)
		return err_sys(err, r, "%s: capabilities", vfio_name(d));
	if (!d->irq.info[VFIO_PCI_INTX_IRQ_INDEX].count && !d->pci.msi_cap &&
	    !d->pci.msix_cap)
		log_warn("%s: has no interrupt that a guest could use; its"
			 " driver must poll",
			 vfio_name(d));
	return 0;
}
