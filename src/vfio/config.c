/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Config space of a passed-through device.
 *
 * Theory of operation. Each bit of the guest's config space is either
 * emulated (read from the PCI core's image, written under the core's write
 * mask) or the device's (read from VFIO's config region), and a guest's write
 * reaches the device only where a bit of the forward map is set. The two maps
 * are built once, from the header rules here and the capability tables in
 * capability.c; an access may span both kinds.
 *
 * VFIO's config region is itself partly virtual: the kernel keeps its hands on
 * BARs, on MSI and MSI-X, on the power state, on function resets and on
 * payload sizes. What it lets through and the host must not lose is kept back
 * here: error reporting, link and bus-wide settings, everything in a
 * capability the guest is not shown.
 *
 *   header            guest sees
 *   ids, class        a copy
 *   COMMAND           emulated; decode, bus mastering and INTx disable follow
 *   STATUS            the device's, read-only; capability bit emulated
 *   BARs, ROM         emulated by the core
 *   header type       type 0; the multi-function bit is the guest's topology
 *   cache line, timer emulated, without effect
 *   BIST              0: a self-test would take the device away
 *   interrupt line    emulated
 *   interrupt pin     the device's (as the kernel reports it), or as asked
 *   40-ff             by capability; gaps between them are the device's
 *   100-fff           by capability; gaps can be read, not written
 *
 * Two writes have consequences: one that takes the device out of D0 first
 * takes its BARs out of the guest, and a function reset ends the guest's MSI
 * and MSI-X state.
 */
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define CFG_LEGACY 256u
#define COMMAND_FORWARDED                                           \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | \
	 PCI_COMMAND_INTX_DISABLE)

#define VENDOR_NVIDIA 0x10deu
#define CLASS_DISPLAY 0x03u

/* ---- the device's registers ---- */

int vfio_config_read(const struct vfio_device *d, unsigned off, unsigned size,
		     uint32_t *ret_value)
{
	uint64_t value;
	int r;

	r = vfio_region_read(d, VFIO_PCI_CONFIG_REGION_INDEX, off, size,
			     &value);
	if (!r)
		*ret_value = (uint32_t)value;
	return r;
}

int vfio_config_write(const struct vfio_device *d, unsigned off, unsigned size,
		      uint32_t value)
{
	return vfio_region_write(d, VFIO_PCI_CONFIG_REGION_INDEX, off, size,
				 value);
}

int vfio_config_set_command(const struct vfio_device *d, uint16_t command)
{
	uint32_t now;
	int r;

	if (d->quiesced)
		command &= (uint16_t)~PCI_COMMAND_MASTER;
	r = vfio_config_read(d, PCI_COMMAND, 2, &now);
	if (r)
		return r;
	return vfio_config_write(d, PCI_COMMAND, 2,
				 (now & ~COMMAND_FORWARDED) |
				     (command & COMMAND_FORWARDED));
}

int vfio_config_power_state(const struct vfio_device *d, unsigned *ret_state)
{
	uint32_t control = 0;
	int r;

	if (d->config.pm) {
		r = vfio_config_read(d, d->config.pm + PCI_PM_CTRL, 2,
				     &control);
		if (r)
			return r;
	}
	*ret_state = control & PCI_PM_CTRL_STATE_MASK;
	return 0;
}

/* ---- capability lists ---- */

static void caps_limit(struct vfio_cap *caps, unsigned n, unsigned end)
{
	unsigned i, j;

	for (i = 0; i < n; i++) {
		caps[i].limit = (uint16_t)end;
		for (j = 0; j < n; j++)
			if (caps[j].off > caps[i].off)
				caps[i].limit = MIN(caps[i].limit, caps[j].off);
	}
}

static bool cap_seen(const struct vfio_cap *caps, unsigned n, unsigned off)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (caps[i].off == off)
			return true;
	return false;
}

unsigned vfio_config_caps(const struct vfio_device *d,
			  struct vfio_cap caps[VFIO_CAPS_MAX])
{
	uint32_t status, next, header;
	unsigned n = 0;

	if (vfio_config_read(d, PCI_STATUS, 2, &status) ||
	    !(status & PCI_STATUS_CAP_LIST) ||
	    vfio_config_read(d, PCI_CAPABILITY_LIST, 1, &next))
		return 0;
	for (next &= ~3u; next >= PCI_STD_HEADER_SIZEOF && n < VFIO_CAPS_MAX &&
			  !cap_seen(caps, n, next);
	     next = header >> 8 & 0xfc) {
		if (vfio_config_read(d, next, 2, &header) || header == 0xffff)
			break;
		caps[n++] = (struct vfio_cap){
		    .id = header & 0xff,
		    .off = (uint16_t)next,
		};
	}
	caps_limit(caps, n, CFG_LEGACY);
	return n;
}

unsigned vfio_config_ext_caps(const struct vfio_device *d,
			      struct vfio_cap caps[VFIO_EXT_CAPS_MAX])
{
	uint32_t next = PCI_CFG_SPACE_SIZE, header;
	unsigned n = 0;

	if (d->config.size < PCI_CFG_SPACE_EXP_SIZE)
		return 0;
	for (; next >= PCI_CFG_SPACE_SIZE && n < VFIO_EXT_CAPS_MAX &&
	       !cap_seen(caps, n, next);
	     next = PCI_EXT_CAP_NEXT(header)) {
		if (vfio_config_read(d, next, 4, &header) || header == 0 ||
		    header == UINT32_MAX)
			break;
		caps[n++] = (struct vfio_cap){
		    .id = PCI_EXT_CAP_ID(header),
		    .version = PCI_EXT_CAP_VER(header),
		    .off = (uint16_t)next,
		};
	}
	caps_limit(caps, n, PCI_CFG_SPACE_EXP_SIZE);
	return n;
}

int vfio_config_scan(struct vfio_device *d, struct err *err)
{
	struct vfio_cap caps[VFIO_CAPS_MAX];
	struct vfio_config *c = &d->config;
	unsigned i, n;
	uint32_t flags;
	int r;

	c->size = (unsigned)MIN(d->region[VFIO_PCI_CONFIG_REGION_INDEX].size,
				(uint64_t)PCI_CFG_SPACE_EXP_SIZE);
	n = vfio_config_caps(d, caps);
	for (i = 0; i < n; i++) {
		uint8_t off = (uint8_t)caps[i].off;

		if (caps[i].id == PCI_CAP_ID_PM)
			c->pm = off;
		else if (caps[i].id == PCI_CAP_ID_EXP)
			c->exp = off;
		else if (caps[i].id == PCI_CAP_ID_AF)
			c->af = off;
		else if (caps[i].id == PCI_CAP_ID_MSI)
			c->msi = off;
		else if (caps[i].id == PCI_CAP_ID_MSIX)
			c->msix = off;
		else if (caps[i].id == PCI_CAP_ID_VPD)
			c->vpd = off;
	}
	if (!c->exp)
		return 0;
	r = vfio_config_read(d, c->exp + PCI_EXP_FLAGS, 2, &flags);
	if (r)
		return err_sys(err, r, "%s: config space", vfio_name(d));
	c->exp_type = (flags & PCI_EXP_FLAGS_TYPE) >> 4;
	return 0;
}

int vfio_config_msix_place(const struct vfio_device *d,
			   struct vfio_msix_place *ret_place)
{
	uint32_t flags, table, pba;
	unsigned cap = d->config.msix;

	if (!cap)
		return -ENOENT;
	if (vfio_config_read(d, cap + PCI_MSIX_FLAGS, 2, &flags) ||
	    vfio_config_read(d, cap + PCI_MSIX_TABLE, 4, &table) ||
	    vfio_config_read(d, cap + PCI_MSIX_PBA, 4, &pba))
		return -EIO;
	*ret_place = (struct vfio_msix_place){
	    .vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1,
	    .table_bar = table & PCI_MSIX_TABLE_BIR,
	    .table_off = table & PCI_MSIX_TABLE_OFFSET,
	    .pba_bar = pba & PCI_MSIX_PBA_BIR,
	    .pba_off = pba & PCI_MSIX_PBA_OFFSET,
	};
	return 0;
}

/* ---- building the guest's view ---- */

void vfio_config_emulate(struct vfio_device *d, unsigned off, unsigned len)
{
	memset(d->config.emulated + off, 0xff, len);
	memset(d->config.forward + off, 0, len);
}

void vfio_config_forward(struct vfio_device *d, unsigned off, unsigned len,
			 bool writes)
{
	memset(d->config.emulated + off, 0, len);
	memset(d->config.forward + off, writes ? 0xff : 0, len);
}

/*
 * NVIDIA's driver refuses a display function without an interrupt pin, even
 * one that it will use with MSI; the kernel reports none when the host has no
 * line for it. Other drivers have such tests too: the user can ask for a pin.
 * The guest then routes a line to it, which fires where the host delivers INTx
 * (irq.c looks at that, not at the pin) and is silent elsewhere.
 */
static uint8_t interrupt_pin(const struct vfio_device *d,
			     const uint8_t header[PCI_STD_HEADER_SIZEOF])
{
	unsigned vendor =
	    header[PCI_VENDOR_ID] | (unsigned)header[PCI_VENDOR_ID + 1] << 8;
	uint8_t pin = header[PCI_INTERRUPT_PIN];

	if (d->intpin)
		return d->intpin;
	if (pin == 0 && vendor == VENDOR_NVIDIA &&
	    header[PCI_CLASS_DEVICE + 1] == CLASS_DISPLAY)
		return 1;
	return pin <= 4 ? pin : 0;
}

static void header_build(struct vfio_device *d,
			 const uint8_t header[PCI_STD_HEADER_SIZEOF])
{
	static const struct {
		uint8_t off, len;
	} copied[] = {
	    {PCI_VENDOR_ID, 4},	  {PCI_REVISION_ID, 4}, /* and class */
	    {PCI_CARDBUS_CIS, 4}, {PCI_SUBSYSTEM_VENDOR_ID, 4},
	    {PCI_MIN_GNT, 2},
	};
	struct pci_dev *dev = &d->pci;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(copied); i++)
		memcpy(dev->cfg + copied[i].off, header + copied[i].off,
		       copied[i].len);
	pci_intx_init(dev, interrupt_pin(d, header));
	vfio_config_emulate(d, 0, PCI_STD_HEADER_SIZEOF);
	vfio_config_forward(d, PCI_STATUS, 2, false);
	d->config.emulated[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	dev->w1c[PCI_STATUS + 1] = 0;
}

int vfio_config_build(struct vfio_device *d, struct err *err)
{
	uint8_t header[PCI_STD_HEADER_SIZEOF];
	unsigned off;
	uint32_t v;
	int r;

	d->config.emulated = calloc(2, PCI_CFG_SIZE);
	if (!d->config.emulated)
		return err_set(err, -ENOMEM, "%s: out of memory", vfio_name(d));
	d->config.forward = d->config.emulated + PCI_CFG_SIZE;
	d->config.visible = CFG_LEGACY;
	for (off = 0; off < sizeof(header); off += 4) {
		r = vfio_config_read(d, off, 4, &v);
		if (r)
			return err_sys(err, r, "%s: config space",
				       vfio_name(d));
		memcpy(header + off, &v, 4);
	}
	header_build(d, header);
	vfio_config_forward(d, PCI_STD_HEADER_SIZEOF,
			    CFG_LEGACY - PCI_STD_HEADER_SIZEOF, true);
	return vfio_capabilities_build(d, err);
}

void vfio_config_destroy(struct vfio_device *d)
{
	free(d->config.emulated);
	d->config.emulated = NULL;
	d->config.forward = NULL;
	d->config.visible = 0;
}

/* ---- guest accesses ---- */

static uint32_t map_bits(const uint8_t *map, unsigned off, unsigned size)
{
	uint32_t bits = 0;

	memcpy(&bits, map + off, size);
	return bits;
}

static uint32_t ones(unsigned size)
{
	return size >= 4 ? UINT32_MAX : (1u << (8 * size)) - 1;
}

bool vfio_config_hook_read(struct pci_dev *dev, unsigned off, unsigned size,
			   uint32_t *ret_value)
{
	struct vfio_device *d = vfio_device_of(dev);
	uint32_t emulated, image, value;

	if (off + size > d->config.visible)
		return false;
	emulated = map_bits(d->config.emulated, off, size);
	if (emulated == ones(size))
		return false;
	/* A device that is gone answers with ones, as on a bus. */
	if (vfio_config_read(d, off, size, &value))
		value = ones(size);
	image = map_bits(dev->cfg, off, size);
	*ret_value = (value & ~emulated) | (image & emulated);
	return true;
}

/*
 * Writes the permitted bits by the widest accesses that cover nothing else:
 * neighbours may clear on being written back.
 */
static void forward_write(struct vfio_device *d, unsigned off, unsigned size,
			  uint32_t value)
{
	uint32_t mask = map_bits(d->config.forward, off, size), old;
	unsigned i, permitted = 0;

	for (i = 0; i < size; i++)
		permitted += d->config.forward[off + i] != 0;
	if (!permitted)
		return;
	if (permitted < size) {
		size /= 2;
		forward_write(d, off, size, value);
		forward_write(d, off + size, size, value >> (8 * size));
		return;
	}
	if (mask != ones(size)) {
		if (vfio_config_read(d, off, size, &old))
			return;
		value = (old & ~mask) | (value & mask);
	}
	if (vfio_config_write(d, off, size, value & ones(size)))
		log_debug("%s: config write at 0x%x was lost", vfio_name(d),
			  off);
}

/* Does this write set one of the forwarded `bits` of the byte at `reg`? */
static bool sets_bits(const struct vfio_device *d, unsigned off, unsigned size,
		      uint32_t value, unsigned reg, uint8_t bits)
{
	if (reg < off || reg >= off + size)
		return false;
	return (value >> (8 * (reg - off))) & d->config.forward[reg] & bits;
}

/* The kernel carries a reset out when the device says that it can. */
static bool wants_function_reset(const struct vfio_device *d, unsigned off,
				 unsigned size, uint32_t value)
{
	const uint8_t af_flr = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;
	const struct vfio_config *c = &d->config;
	uint32_t can = 0;

	if (c->exp &&
	    sets_bits(d, off, size, value, c->exp + PCI_EXP_DEVCTL + 1,
		      PCI_EXP_DEVCTL_BCR_FLR >> 8))
		return pci_cfg32(&d->pci, c->exp + PCI_EXP_DEVCAP) &
		       PCI_EXP_DEVCAP_FLR;
	if (c->af && sets_bits(d, off, size, value, c->af + PCI_AF_CTRL,
			       PCI_AF_CTRL_FLR))
		return vfio_config_read(d, c->af + PCI_AF_CAP, 1, &can) == 0 &&
		       (can & af_flr) == af_flr;
	return false;
}

/*
 * The flag that turns an access of the vital product data into a write of the
 * card's EEPROM is taken out: what is written there outlasts the guest.
 */
static uint32_t vpd_reads_only(const struct vfio_device *d, unsigned off,
			       unsigned size, uint32_t value)
{
	unsigned flag = d->config.vpd + PCI_VPD_ADDR + 1;

	if (!d->config.vpd || flag < off || flag >= off + size)
		return value;
	return value & ~((uint32_t)(PCI_VPD_ADDR_F >> 8) << 8 * (flag - off));
}

static void power_follow(struct vfio_device *d)
{
	unsigned state;

	if (vfio_config_power_state(d, &state))
		state = PCI_PM_CTRL_STATE_MASK;
	d->asleep = state != 0;
	vfio_bars_show(d, !d->asleep);
}

bool vfio_config_hook_write(struct pci_dev *dev, unsigned off, unsigned size,
			    uint32_t value)
{
	struct vfio_device *d = vfio_device_of(dev);
	const struct vfio_config *c = &d->config;
	unsigned power = c->pm + PCI_PM_CTRL;
	bool power_may_change;

	if (off + size > c->visible)
		return false;
	value = vpd_reads_only(d, off, size, value);
	power_may_change = c->pm && power >= off && power < off + size;
	if (sets_bits(d, off, size, value, power, PCI_PM_CTRL_STATE_MASK) &&
	    power_may_change)
		vfio_bars_show(d, false);
	forward_write(d, off, size, value);
	if (wants_function_reset(d, off, size, value)) {
		vfio_irq_function_reset(d);
		power_may_change = true;
	}
	if (power_may_change)
		power_follow(d);
	return map_bits(c->emulated, off, size) == 0;
}

void vfio_config_hook_command(struct pci_dev *dev, uint16_t old UNUSED)
{
	struct vfio_device *d = vfio_device_of(dev);
	uint16_t command = pci_cfg16(dev, PCI_COMMAND);

	if (!(command & PCI_COMMAND_MEMORY))
		vfio_bars_show(d, false);
	/* The line is listened to before the device may raise it. */
	if (!(command & PCI_COMMAND_INTX_DISABLE))
		vfio_irq_sync(d);
	if (vfio_config_set_command(d, command))
		log_guest("%s: COMMAND cannot be written", vfio_name(d));
	vfio_irq_sync(d);
}
