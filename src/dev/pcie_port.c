/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI Express root port; the contract is in pcie_port.h.
 *
 * Theory of operation. The PCI core does what every bridge does. Here are the
 * capabilities, and the slot's registers: presence (someone is behind it),
 * power (switched by the guest) and the link, which is up when both are. Speed
 * and width of the link are those that function 0 behind it shows.
 *
 * Hot-plug events are status bits. The interrupt is sent when a status bit and
 * its enable bit meet for the first time after none did; commands to the slot
 * complete at once.
 *
 * Firmware learns how much room to leave behind a hot-plug port from a vendor
 * capability that OVMF and SeaBIOS look for on ports with these ids.
 *
 * Sources: PCI Express Base 5.0, 6.7 (hot-plug), 7.5.3 (capability structure);
 * the layout of the reservation capability: docs/pcie_pci_bridge.txt of QEMU.
 */
#include "dev/pcie_port.h"

#include <string.h>

#define CLASS_BRIDGE  0x06
#define SUBCLASS_PCI  0x04
#define VENDOR_REDHAT 0x1b36
#define DEVICE_PORT   0x000c /* in-box drivers go by the class */
#define SUBDEVICE     0x1100

#define EXP_VERSION  2u
#define EXP_BYTES    60u
#define LINK_GEN1_X1 0x0011u
#define SPEEDS	     6u

#define DEVCTL_BITS 0x78ffu /* error reporting, ordering, sizes, no-snoop */
#define DEVSTA_W1C  0x0fu
#define LNKCTL_BITS 0x0cd8u /* disable, clock, synch, RCB, interrupts */
#define RTCTL_BITS  0x000fu

#define SLOT_EVENTS 0x001fu /* the same bits in SLTCTL and SLTSTA */
#define SLTSTA_W1C  (SLOT_EVENTS | PCI_EXP_SLTSTA_DLLSC)
#define SLTCAP_HOTPLUG                                                  \
	(PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP | PCI_EXP_SLTCAP_AIP | \
	 PCI_EXP_SLTCAP_PIP | PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC)
#define SLTCTL_BITS                                               \
	(SLOT_EVENTS | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_AIC | \
	 PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_DLLSCE)
#define SLOT_NUMBER_SHIFT 19

#define RESERVE_BYTES 32u
#define RESERVE_TYPE  1u
#define UNKNOWN	      0xff

#define ROOM_MEM32 MIB(16)
#define ROOM_MEM64 MIB(64)
#define ROOM_MAX   (1ull << 46)

struct pcie_port {
	struct pci_dev pci; /* Locking: pci.lock guards all below */
	unsigned exp;	    /* offset of its capability */
	bool hotplug;
	bool notified; /* an event that is enabled was told */
	pcie_port_off_fn *off;
	void *off_ctx;
};

static const struct pci_ops port_ops;

static struct pcie_port *port_of(struct pci_dev *dev)
{
	return container_of(dev, struct pcie_port, pci);
}

bool pcie_port_is(const struct pci_dev *dev)
{
	return dev->ops == &port_ops;
}

bool pcie_port_has_hotplug(const struct pci_dev *port)
{
	return container_of(port, const struct pcie_port, pci)->hotplug;
}

void pcie_port_set_off(struct pci_dev *port, pcie_port_off_fn *off, void *ctx)
{
	port_of(port)->off = off;
	port_of(port)->off_ctx = ctx;
}

/* ---- registers ---- */

static uint16_t reg(const struct pcie_port *p, unsigned off)
{
	return pci_cfg16(&p->pci, p->exp + off);
}

static void reg_set(struct pcie_port *p, unsigned off, uint16_t bits, bool on)
{
	uint16_t v = reg(p, off);

	pci_set16(&p->pci, p->exp + off,
		  (uint16_t)(on ? v | bits : v & ~(unsigned)bits));
}

static bool present(const struct pcie_port *p)
{
	return reg(p, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS;
}

static bool powered(const struct pcie_port *p)
{
	return !(reg(p, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PCC);
}

/* ---- events ---- */

static void notify(struct pcie_port *p)
{
	uint16_t control = reg(p, PCI_EXP_SLTCTL);
	uint16_t status = reg(p, PCI_EXP_SLTSTA);
	bool on = (control & status & SLOT_EVENTS) ||
		  ((control & PCI_EXP_SLTCTL_DLLSCE) &&
		   (status & PCI_EXP_SLTSTA_DLLSC));

	on = on && (control & PCI_EXP_SLTCTL_HPIE);
	if (pci_msi_enabled(&p->pci)) {
		pci_intx_set(&p->pci, false);
		if (on && !p->notified)
			pci_msi_raise(&p->pci, 0);
	} else {
		pci_intx_set(&p->pci, on);
	}
	p->notified = on;
}

/* Sets event bits; ports without hot-plug have none. */
static void event(struct pcie_port *p, uint16_t bits)
{
	if (!p->hotplug)
		return;
	reg_set(p, PCI_EXP_SLTSTA, bits, true);
	notify(p);
}

/* ---- the link ---- */

/* Offset of the PCI Express capability that a function shows; 0: none. */
static unsigned express_of(const struct pci_dev *dev)
{
	unsigned off = dev->cfg[PCI_CAPABILITY_LIST], left;

	for (left = 48; off >= PCI_STD_HEADER_SIZEOF && left; left--) {
		if (dev->cfg[off + PCI_CAP_LIST_ID] == PCI_CAP_ID_EXP)
			return off;
		off = dev->cfg[off + PCI_CAP_LIST_NEXT] & 0xfc;
	}
	return 0;
}

struct link {
	uint32_t cap;
	uint16_t status;
};

/*
 * What function 0 can and what its link runs at; of one that has no link, or of
 * an empty slot, the least. The port's lock is not held: the function's is.
 */
static struct link child_link(const struct pci_dev *port)
{
	const struct link least = {LINK_GEN1_X1, LINK_GEN1_X1};
	struct pci_dev *child = pci_bridge_child(port, 0);
	unsigned off = child ? express_of(child) : 0;
	struct link link;

	if (!off)
		return least;
	link.cap = pci_dev_cfg_read(child, off + PCI_EXP_LNKCAP, 4);
	link.status =
	    (uint16_t)pci_dev_cfg_read(child, off + PCI_EXP_LNKSTA, 2);
	return (link.cap & PCI_EXP_LNKCAP_SLS) &&
		       (link.status & PCI_EXP_LNKSTA_CLS)
		   ? link
		   : least;
}

static void link_set(struct pcie_port *p, struct link link)
{
	unsigned top = MIN(link.cap & PCI_EXP_LNKCAP_SLS, SPEEDS);
	const uint16_t rate = PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW;
	struct pci_dev *dev = &p->pci;

	pci_set32(dev, p->exp + PCI_EXP_LNKCAP,
		  (link.cap & (PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW)) |
		      PCI_EXP_LNKCAP_DLLLARC |
		      (uint32_t)(dev->addr.slot << 3 | dev->addr.func) << 24);
	pci_set32(dev, p->exp + PCI_EXP_LNKCAP2, ((1u << top) - 1) << 1);
	pci_set16(dev, p->exp + PCI_EXP_LNKCTL2, (uint16_t)top);
	reg_set(p, PCI_EXP_LNKSTA, rate, false);
	reg_set(p, PCI_EXP_LNKSTA,
		(uint16_t)((link.status & rate) | PCI_EXP_LNKSTA_SLC), true);
}

/* Up or down as presence and power have it; true: that is a change. */
static bool link_follow(struct pcie_port *p)
{
	bool up = present(p) && powered(p) &&
		  !(reg(p, PCI_EXP_LNKCTL) & PCI_EXP_LNKCTL_LD);
	bool was = reg(p, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA;

	pci_bridge_set_link(&p->pci, up);
	reg_set(p, PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_DLLLA, up);
	return up != was;
}

/* ---- what the guest writes ---- */

static bool touches(const struct pcie_port *p, unsigned off, unsigned size,
		    unsigned exp_reg)
{
	return range_overlaps(off, size, p->exp + exp_reg, 2);
}

/* Power and indicator off: what is in the slot may be taken. */
static bool released(uint16_t control)
{
	return (control & PCI_EXP_SLTCTL_PCC) &&
	       (control & PCI_EXP_SLTCTL_PIC) == PCI_EXP_SLTCTL_PWR_IND_OFF;
}

static void slot_written(struct pcie_port *p)
{
	if (link_follow(p))
		event(p, PCI_EXP_SLTSTA_DLLSC);
	if (present(p) && released(reg(p, PCI_EXP_SLTCTL)) && p->off)
		p->off(p->off_ctx, &p->pci);
	event(p, PCI_EXP_SLTSTA_CC);
}

static void port_cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct pcie_port *p = port_of(dev);

	if (p->hotplug && touches(p, off, size, PCI_EXP_SLTCTL))
		slot_written(p);
	else if (touches(p, off, size, PCI_EXP_LNKCTL) && link_follow(p))
		event(p, PCI_EXP_SLTSTA_DLLSC);
	notify(p);
}

static void port_destroy(struct pci_dev *dev)
{
	struct pcie_port *p = port_of(dev);

	pci_dev_fini(dev);
	free(p);
}

static const struct pci_ops port_ops = {
    .cfg_written = port_cfg_written,
    .destroy = port_destroy,
};

/* ---- what the host does ---- */

static bool occupied(const struct pcie_port *p)
{
	unsigned func;

	for (func = 0; func < 8; func++)
		if (pci_bridge_child(&p->pci, func))
			return true;
	return false;
}

/* Presence and link; the events that follow from them. */
static uint16_t slot_update(struct pcie_port *p, struct link link)
{
	bool there = occupied(p), was = present(p);
	uint16_t events = 0;

	reg_set(p, PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS, there);
	if (there != was)
		events |= PCI_EXP_SLTSTA_PDC;
	link_set(p, link);
	if (link_follow(p))
		events |= PCI_EXP_SLTSTA_DLLSC;
	return events;
}

void pcie_port_settle(struct pci_dev *port)
{
	struct link link = child_link(port);
	struct pcie_port *p = port_of(port);

	pthread_mutex_lock(&port->lock);
	/* An empty slot has its power off. */
	if (p->hotplug)
		pci_set16(port, p->exp + PCI_EXP_SLTCTL,
			  occupied(p) ? PCI_EXP_SLTCTL_PWR_IND_ON |
					    PCI_EXP_SLTCTL_ATTN_IND_OFF
				      : PCI_EXP_SLTCTL_PWR_IND_OFF |
					    PCI_EXP_SLTCTL_ATTN_IND_OFF |
					    PCI_EXP_SLTCTL_PCC);
	(void)slot_update(p, link);
	pthread_mutex_unlock(&port->lock);
}

void pcie_port_plug(struct pci_dev *port)
{
	struct link link = child_link(port);
	struct pcie_port *p = port_of(port);

	pthread_mutex_lock(&port->lock);
	/* With the button the guest need not be asked whether it may start. */
	event(p, slot_update(p, link) | PCI_EXP_SLTSTA_ABP);
	pthread_mutex_unlock(&port->lock);
}

void pcie_port_unplug(struct pci_dev *port)
{
	struct link link = child_link(port);
	struct pcie_port *p = port_of(port);

	pthread_mutex_lock(&port->lock);
	event(p, slot_update(p, link));
	pthread_mutex_unlock(&port->lock);
}

bool pcie_port_powered(struct pci_dev *port)
{
	bool on;

	pthread_mutex_lock(&port->lock);
	on = powered(port_of(port));
	pthread_mutex_unlock(&port->lock);
	return on;
}

void pcie_port_press(struct pci_dev *port)
{
	pthread_mutex_lock(&port->lock);
	event(port_of(port), PCI_EXP_SLTSTA_ABP);
	pthread_mutex_unlock(&port->lock);
}

/* ---- creation ---- */

static int add_express(struct pcie_port *p)
{
	struct pci_dev *dev = &p->pci;
	int off = pci_add_cap(dev, PCI_CAP_ID_EXP, EXP_BYTES);

	if (off < 0)
		return off;
	p->exp = (unsigned)off;
	pci_set16(dev, p->exp + PCI_EXP_FLAGS,
		  EXP_VERSION | PCI_EXP_TYPE_ROOT_PORT << 4 |
		      PCI_EXP_FLAGS_SLOT);
	pci_set32(dev, p->exp + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	pci_wmask16(dev, p->exp + PCI_EXP_DEVCTL, DEVCTL_BITS);
	dev->w1c[p->exp + PCI_EXP_DEVSTA] = DEVSTA_W1C;
	pci_wmask16(dev, p->exp + PCI_EXP_LNKCTL, LNKCTL_BITS);
	pci_wmask16(dev, p->exp + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS);
	pci_wmask16(dev, p->exp + PCI_EXP_RTCTL, RTCTL_BITS);
	pci_set32(dev, p->exp + PCI_EXP_SLTCAP,
		  (uint32_t)dev->addr.slot << SLOT_NUMBER_SHIFT |
		      (p->hotplug ? SLTCAP_HOTPLUG : 0));
	if (!p->hotplug)
		return 0;
	pci_wmask16(dev, p->exp + PCI_EXP_SLTCTL, SLTCTL_BITS);
	dev->w1c[p->exp + PCI_EXP_SLTSTA] = SLTSTA_W1C & 0xff;
	dev->w1c[p->exp + PCI_EXP_SLTSTA + 1] = SLTSTA_W1C >> 8;
	return 0;
}

static int add_subsystem(struct pci_dev *dev)
{
	int off = pci_add_cap(dev, PCI_CAP_ID_SSVID, 8);

	if (off < 0)
		return off;
	pci_set16(dev, (unsigned)off + PCI_SSVID_VENDOR_ID, VENDOR_REDHAT);
	pci_set16(dev, (unsigned)off + PCI_SSVID_DEVICE_ID, SUBDEVICE);
	return 0;
}

static uint32_t at_most_32(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX - 1;
}

/* Numbers of buses, ports, memory, prefetchable 32 and 64; ones: no hint. */
static int add_reservation(struct pci_dev *dev, const struct pci_windows *room)
{
	int cap = pci_add_cap(dev, PCI_CAP_ID_VNDR, RESERVE_BYTES);
	unsigned off = (unsigned)cap;

	if (cap < 0)
		return cap;
	dev->cfg[off + 2] = RESERVE_BYTES;
	dev->cfg[off + 3] = RESERVE_TYPE;
	memset(dev->cfg + off + 4, UNKNOWN, RESERVE_BYTES - 4);
	pci_set32(dev, off + 8, (uint32_t)room->io.size);
	pci_set32(dev, off + 12, 0);
	pci_set32(dev, off + 16, at_most_32(room->mem32.size));
	pci_set32(dev, off + 24, (uint32_t)room->mem64.size);
	pci_set32(dev, off + 28, (uint32_t)(room->mem64.size >> 32));
	return 0;
}

/* Isolation between what is behind ports, which the host sees to anyway. */
static int add_acs(struct pci_dev *dev)
{
	const uint16_t bits = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;
	int r = pci_add_ext_cap(dev, PCI_EXT_CAP_ID_ACS, 1, PCI_CFG_SPACE_SIZE);

	if (r)
		return r;
	pci_set16(dev, PCI_CFG_SPACE_SIZE + PCI_ACS_CAP, bits);
	pci_wmask16(dev, PCI_CFG_SPACE_SIZE + PCI_ACS_CTRL, bits);
	return 0;
}

static int build(struct pcie_port *p, const struct pcie_port_params *params)
{
	struct pci_dev *dev = &p->pci;
	int r = pci_bridge_init(dev, &params->room);

	if (r)
		return r;
	pci_set16(dev, PCI_VENDOR_ID, VENDOR_REDHAT);
	pci_set16(dev, PCI_DEVICE_ID, DEVICE_PORT);
	dev->cfg[PCI_CLASS_DEVICE + 1] = CLASS_BRIDGE;
	dev->cfg[PCI_CLASS_DEVICE] = SUBCLASS_PCI;
	pci_intx_init(dev, 1);
	r = add_express(p);
	if (!r)
		r = pci_msi_init(dev, 0, 0, true, false);
	if (!r)
		r = add_subsystem(dev);
	if (!r && p->hotplug)
		r = add_reservation(dev, &params->room);
	return r ? r : add_acs(dev);
}

int pcie_port_create(const struct model_env *env, struct pci_addr addr,
		     const struct pcie_port_params *params, struct err *err,
		     struct pci_dev **ret_port)
{
	struct pcie_port *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "pcie-port: out of memory");
	p->hotplug = params->hotplug;
	p->off = params->off;
	p->off_ctx = params->off_ctx;
	r = pci_dev_init(&p->pci, addr, "pcie-port", &port_ops, p);
	if (!r)
		r = build(p, params);
	if (r)
		err_sys(err, r, "pcie-port");
	else
		r = pci_host_add(env->pci, &p->pci, err);
	if (r) {
		port_destroy(&p->pci);
		return r;
	}
	*ret_port = &p->pci;
	return 0;
}

/* ---- the model ---- */

static int size_option(struct cfg *node, const char *name, uint64_t normal,
		       struct err *err, uint64_t *ret_size)
{
	char text[32];
	int r = cfg_get(node, name, text, sizeof(text), err);

	*ret_size = normal;
	if (r <= 0)
		return r;
	if (parse_size(text, ret_size) || *ret_size > ROOM_MAX)
		return err_set(err, -EINVAL,
			       "pcie-port: %s=%s: not a size; write for example"
			       " 64M or 16G",
			       name, text);
	*ret_size = align_up(*ret_size, MIB(1));
	return 0;
}

int pcie_port_room(struct cfg *node, struct err *err,
		   struct pci_windows *ret_room)
{
	int r;

	*ret_room = (struct pci_windows){0};
	r = size_option(node, "mem32", ROOM_MEM32, err, &ret_room->mem32.size);
	if (!r)
		r = size_option(node, "mem64", ROOM_MEM64, err,
				&ret_room->mem64.size);
	return r;
}

static int model_create(const struct model_env *env, struct pci_addr addr,
			struct cfg *node, struct err *err)
{
	static const char *const known[] = {"device", "mem32", "mem64", NULL};
	struct pcie_port_params params = {.hotplug = true};
	struct pci_dev *port;
	int r = cfg_check_known(node, known, err);

	if (!r)
		r = pcie_port_room(node, err, &params.room);
	return r ? r : pcie_port_create(env, addr, &params, err, &port);
}

const struct pci_model pcie_port_model = {
    .name = "pcie-port",
    .summary = "an empty PCI Express slot for hot-plug ([mem32=SIZE]"
	       "[,mem64=SIZE])",
    .create = model_create,
};
