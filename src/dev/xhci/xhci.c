/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xhci: a USB 3 host controller with input devices on its root hub.
 *
 * Theory of operation
 *
 * Everything the guest asks for is done before its register write returns:
 * commands and transfers are memory copies, and the devices are a function
 * call away. What cannot be done then waits for one of few things: an input
 * event (sink_*), room on an event ring (ERDP), Run, bus mastering, the power
 * state, a port's resume. Each of these calls into xhci_resume() or
 * xhci_transfers_port(), under dev->lock. There is no thread; the timer only
 * runs for interrupt moderation and for MFINDEX wrap events.
 *
 * Sources: xHCI 1.1; PCI Bus Power Management 1.2; PCI Express Base 5.0, 7.5.3.
 */
#include "dev/xhci/xhci.h"

#include <endian.h>
#include <string.h>

#include "base/log.h"
#include "dev/xhci/xhci_model.h"

/*
 * Drivers bind by class. The numbers are those of QEMU's generic controller,
 * which no stock driver has a quirk for.
 */
#define XHCI_VENDOR_ID	 0x1b36
#define XHCI_DEVICE_ID	 0x000d
#define XHCI_SUBVENDOR	 0x1af4
#define XHCI_SUBDEVICE	 0x1100
#define XHCI_REVISION	 1
#define XHCI_CLASS_USB	 0x0c
#define XHCI_SUBCLASS	 0x03
#define XHCI_PROG_IF	 0x30
#define XHCI_CAPS_START	 0x64 /* behind SBRN, FLADJ, DBESL */
#define XHCI_MSI_LOG2	 3u   /* one for each interrupter */
#define PCIE_CAP_BYTES	 0x3cu
#define PCIE_CAP_VERSION 2u
#define D3HOT		 3u

_Static_assert(1u << XHCI_MSI_LOG2 == XHCI_INTRS, "a vector an interrupter");

/* ---- what the other files use ---- */

bool xhci_works(const struct xhci *x)
{
	return (x->usbcmd & XHCI_USBCMD_RS) && !x->power &&
	       pci_bus_master(&x->dev);
}

void xhci_fail(struct xhci *x, uint32_t status_bit, const char *what)
{
	log_guest("%s: halted with a host %s error: %s", x->dev.name,
		  status_bit == XHCI_USBSTS_HSE ? "system" : "controller",
		  what);
	x->usbsts |= status_bit;
	xhci_halt(x);
}

bool xhci_dma_read(struct xhci *x, uint64_t from, void *to, size_t len)
{
	if (!gmem_read(x->gmem, gpa(from), to, len))
		return true;
	xhci_fail(x, XHCI_USBSTS_HSE, "read outside memory");
	return false;
}

bool xhci_dma_write(struct xhci *x, uint64_t to, const void *from, size_t len)
{
	if (!gmem_write(x->gmem, gpa(to), from, len))
		return true;
	xhci_fail(x, XHCI_USBSTS_HSE, "write outside memory");
	return false;
}

int xhci_ring_peek(struct xhci *x, const struct xhci_ring *ring,
		   struct xhci_trb *ret_trb)
{
	const uint64_t at = ring->deq + offsetof(struct xhci_trb, control);
	uint32_t control;

	if (gmem_load32(x->gmem, gpa(at), &control)) {
		xhci_fail(x, XHCI_USBSTS_HSE, "ring outside memory");
		return -EFAULT;
	}
	if ((control & XHCI_TRB_C) != (ring->cycle ? XHCI_TRB_C : 0))
		return 0;
	/* The rest was written before the cycle bit. */
	if (!xhci_dma_read(x, ring->deq, ret_trb, sizeof(*ret_trb)))
		return -EFAULT;
	ret_trb->param = le64toh(ret_trb->param);
	ret_trb->status = le32toh(ret_trb->status);
	ret_trb->control = control;
	return 1;
}

void xhci_ring_next(struct xhci_ring *ring)
{
	ring->deq += sizeof(struct xhci_trb);
}

void xhci_ring_link(struct xhci_ring *ring, const struct xhci_trb *link)
{
	ring->deq = link->param & ~15ull;
	if (link->control & XHCI_TRB_ENT_TC)
		ring->cycle = !ring->cycle;
}

void xhci_reset(struct xhci *x)
{
	x->usbcmd = 0;
	x->usbsts = XHCI_USBSTS_HCH;
	x->dnctrl = 0;
	x->config = 0;
	x->dcbaap = 0;
	x->cmd = (struct xhci_ring){0};
	x->cmd_running = false;
	x->cmd_open = true;
	x->cmd_stop_due = false;
	x->blocked = false;
	x->wrap_due = false;
	xhci_slots_reset(x);
	xhci_intrs_reset(x);
	xhci_ports_reset(x);
	xhci_intrs_update(x);
}

void xhci_resume(struct xhci *x)
{
	unsigned i;

	if (!xhci_works(x))
		return;
	x->blocked = false;
	xhci_ports_tell(x);
	xhci_mfindex_tell(x);
	xhci_commands_run(x);
	for (i = 1; i <= XHCI_SLOTS; i++)
		if (x->slot[i].rung)
			xhci_transfers_run(x, i);
}

/* ---- input: from the screen's thread ---- */

static bool sink_active(void *ctx)
{
	const struct xhci_wire *wire = ctx;
	bool active;

	pthread_mutex_lock(&wire->xhci->dev.lock);
	active = xhci_transfers_listening(wire->xhci, wire->port);
	pthread_mutex_unlock(&wire->xhci->dev.lock);
	return active;
}

/* Under the lock: the device has taken an event. */
static void sink_took(const struct xhci_wire *wire)
{
	struct xhci *x = wire->xhci;
	struct hid *hid = x->port[wire->port].hid;

	if (xhci_transfers_listening(x, wire->port))
		xhci_transfers_port(x, wire->port);
	else
		hid->kind->collapse(hid);
}

static void sink_key(void *ctx, uint8_t key, bool down)
{
	const struct xhci_wire *wire = ctx;
	struct hid *hid = wire->xhci->port[wire->port].hid;

	pthread_mutex_lock(&wire->xhci->dev.lock);
	hid->kind->key(hid, key, down);
	sink_took(wire);
	pthread_mutex_unlock(&wire->xhci->dev.lock);
}

static void sink_pointer(void *ctx, const struct input_pointer *event)
{
	const struct xhci_wire *wire = ctx;
	struct hid *hid = wire->xhci->port[wire->port].hid;

	pthread_mutex_lock(&wire->xhci->dev.lock);
	hid->kind->pointer(hid, event);
	sink_took(wire);
	pthread_mutex_unlock(&wire->xhci->dev.lock);
}

static int sink_add(struct xhci *x, unsigned port)
{
	const struct hid_kind *kind = x->port[port].hid->kind;

	x->wire[port] = (struct xhci_wire){.xhci = x, .port = port};
	x->sink[port] = (struct input_sink){
	    .active = sink_active,
	    .key = kind->key ? sink_key : NULL,
	    .pointer = kind->pointer ? sink_pointer : NULL,
	    .ctx = &x->wire[port],
	};
	return input_add(x->input, &x->sink[port]);
}

/* ---- PCI ---- */

/* D1 and D2 are not there: the guest stays where it was. */
static void cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct xhci *x = dev->ctx;
	unsigned pmcsr = XHCI_CAPS_START + PCI_PM_CTRL, state;

	if (range_overlaps(off, size, pmcsr, 1)) {
		state = dev->cfg[pmcsr] & PCI_PM_CTRL_STATE_MASK;
		if (state == 0 || state == D3HOT)
			x->power = (uint8_t)state;
		dev->cfg[pmcsr] =
		    (uint8_t)((dev->cfg[pmcsr] & ~PCI_PM_CTRL_STATE_MASK) |
			      x->power);
		xhci_resume(x);
	}
	/* MSI, MSI-X and power decide how an interrupt is told. */
	xhci_intrs_update(x);
}

static void command_changed(struct pci_dev *dev, uint16_t old UNUSED)
{
	xhci_resume(dev->ctx);
}

static void xhci_destroy(struct pci_dev *dev)
{
	struct xhci *x = dev->ctx;
	unsigned i;

	for (i = 1; i <= XHCI_USB2_PORTS; i++) {
		if (x->sink[i].ctx)
			input_remove(x->input, &x->sink[i]);
		free(x->port[i].hid);
	}
	ev_timer_destroy(x->timer);
	pci_dev_fini(&x->dev);
	free(x);
}

static const struct pci_ops xhci_pci_ops = {
    .cfg_written = cfg_written,
    .command_changed = command_changed,
    .bar_read = xhci_bar_read,
    .bar_write = xhci_bar_write,
    .destroy = xhci_destroy,
};

static int add_pm_cap(struct pci_dev *dev)
{
	int cap = pci_add_cap(dev, PCI_CAP_ID_PM, PCI_PM_SIZEOF);

	if (cap < 0)
		return cap;
	pci_set16(dev, (unsigned)cap + PCI_PM_PMC, 3); /* version 1.2 */
	pci_set16(dev, (unsigned)cap + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	pci_wmask16(dev, (unsigned)cap + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	return 0;
}

static int add_pcie_cap(struct pci_dev *dev)
{
	int cap = pci_add_cap(dev, PCI_CAP_ID_EXP, PCIE_CAP_BYTES);

	if (cap < 0)
		return cap;
	pci_set16(dev, (unsigned)cap + PCI_EXP_FLAGS,
		  PCIE_CAP_VERSION | PCI_EXP_TYPE_RC_END << 4);
	pci_set32(dev, (unsigned)cap + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	pci_wmask16(dev, (unsigned)cap + PCI_EXP_DEVCTL,
		    PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
			PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
			PCI_EXP_DEVCTL_READRQ);
	return 0;
}

static int add_caps(struct pci_dev *dev)
{
	int r;

	dev->next_cap = XHCI_CAPS_START;
	r = add_pm_cap(dev);
	if (!r)
		r = add_pcie_cap(dev);
	if (!r)
		r = pci_msi_init(dev, 0, XHCI_MSI_LOG2, true, true);
	if (!r)
		r = pci_add_bar(dev, XHCI_BAR, PCI_BAR_MEM64, XHCI_BAR_BYTES,
				false);
	if (!r)
		r = pci_msix_init(dev, 0, XHCI_INTRS, XHCI_BAR, XHCI_OFF_TABLE,
				  XHCI_BAR, XHCI_OFF_PBA);
	return r;
}

static int function_init(struct xhci *x, struct pci_addr addr)
{
	const struct pci_ids ids = {
	    .vendor = XHCI_VENDOR_ID,
	    .device = XHCI_DEVICE_ID,
	    .subvendor = XHCI_SUBVENDOR,
	    .subdevice = XHCI_SUBDEVICE,
	    .class = XHCI_CLASS_USB,
	    .subclass = XHCI_SUBCLASS,
	    .prog_if = XHCI_PROG_IF,
	    .revision = XHCI_REVISION,
	};
	struct pci_dev *dev = &x->dev;
	int r = pci_dev_init(dev, addr, "xhci", &xhci_pci_ops, x);

	if (r)
		return r;
	pci_set_ids(dev, ids);
	pci_set8(dev, XHCI_PCI_SBRN, XHCI_SBRN_USB30);
	pci_set8(dev, XHCI_PCI_FLADJ, XHCI_FLADJ_60000);
	dev->wmask[XHCI_PCI_FLADJ] = 0x3f;
	pci_intx_init(dev, 1);
	return add_caps(dev);
}

/* ---- configuration ---- */

static const struct hid_kind *kind_of(const char *name)
{
	if (!strcmp(name, hid_tablet_kind.name))
		return &hid_tablet_kind;
	if (!strcmp(name, hid_keyboard_kind.name) || !strcmp(name, "keyboard"))
		return &hid_keyboard_kind;
	return NULL;
}

static int unknown(const char *name, struct err *err)
{
	return err_set(err, -EINVAL,
		       "xhci: there is no USB device '%s'; there are tablet and"
		       " kbd (a keyboard)",
		       name);
}

static int plug_path(unsigned port, const char *tail, char *buf, size_t size)
{
	return snprintf(buf, size, "slot.%u%s", port, tail);
}

/* "tablet,kbd": the first one goes to slot.1, and so on. */
static int xhci_parse(struct cfg *node, const char *opts, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(opts);
	char *word, *rest = copy, path[32];
	unsigned port = 0;
	int r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "xhci: out of memory");
	while (!r && (word = strsep(&rest, ","))) {
		const struct hid_kind *kind = kind_of(word);

		if (!*word)
			continue;
		if (!kind)
			return unknown(word, err);
		if (++port > XHCI_USB2_PORTS)
			return err_set(err, -ENOSPC,
				       "xhci: %u USB devices at most",
				       XHCI_USB2_PORTS);
		plug_path(port, ".device", path, sizeof(path));
		r = cfg_set(node, path, kind->name, err);
	}
	return r;
}

static int plug_in(struct xhci *x, struct cfg *node, unsigned port,
		   struct err *err)
{
	static const char *const known[] = {"device", NULL};
	const struct hid_kind *kind;
	char path[32], name[64];
	int r;

	plug_path(port, "", path, sizeof(path));
	r = cfg_check_known(cfg_find(node, path), known, err);
	if (r)
		return r;
	plug_path(port, ".device", path, sizeof(path));
	r = cfg_get(node, path, name, sizeof(name), err);
	if (r <= 0)
		return r;
	kind = kind_of(name);
	if (!kind)
		return unknown(name, err);
	x->port[port].hid = kind->create();
	if (!x->port[port].hid)
		return err_set(err, -ENOMEM, "xhci: out of memory");
	if (sink_add(x, port)) {
		x->sink[port].ctx = NULL;
		return err_set(err, -ENOSPC, "xhci: too many input devices");
	}
	return 0;
}

static int plug_all(struct xhci *x, struct cfg *node, struct err *err)
{
	static const char *const known[] = {"device", "slot", NULL};
	static const char *const slots[] = {"1", "2", "3", "4", NULL};
	unsigned port;
	int r;

	_Static_assert(ARRAY_LEN(slots) == XHCI_USB2_PORTS + 1,
		       "a slot a port");
	r = cfg_check_known(node, known, err);
	if (!r)
		r = cfg_check_known(cfg_find(node, "slot"), slots, err);
	for (port = 1; !r && port <= XHCI_USB2_PORTS; port++)
		r = plug_in(x, node, port, err);
	return r;
}

static int xhci_create(const struct model_env *env, struct pci_addr addr,
		       struct cfg *node, struct err *err)
{
	struct xhci *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return err_set(err, -ENOMEM, "xhci: out of memory");
	x->dev.ctx = x;
	x->gmem = env->gmem;
	x->clock = env->clock;
	x->input = env->input;
	r = function_init(x, addr);
	if (r)
		err_set(err, r, "xhci: cannot build the PCI function");
	if (!r) {
		r = ev_timer_create(env->loop, xhci_timer_fired, x, &x->timer);
		if (r)
			err_sys(err, r, "xhci: cannot create a timer");
	}
	if (!r)
		r = plug_all(x, node, err);
	if (!r) {
		xhci_reset(x);
		r = pci_host_add(env->pci, &x->dev, err);
	}
	if (r)
		xhci_destroy(&x->dev);
	return r;
}

const struct pci_model xhci_model = {
    .name = "xhci",
    .summary = "USB controller with tablet and keyboard: xhci,tablet[,kbd]",
    .parse = xhci_parse,
    .create = xhci_create,
};
