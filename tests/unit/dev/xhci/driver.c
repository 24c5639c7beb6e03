/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's xHCI driver and the fakes around the device; see driver.h. */
#include "driver.h"

#include <endian.h>
#include <string.h>

#include "dev/xhci/xhci_model.h"

#define WINDOW_MEM 0xc0000000u
#define SLOT_BYTES 0x2000u
#define RING_BYTES 0x400u /* of an endpoint's ring, behind the context */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test driver: %s\n", what);
	abort();
}

/* ---- platform ---- */

static int msi_send(void *ctx, struct irq_msg msg)
{
	struct guest *g = ctx; /* the fake is its first member */

	g->msis++;
	g->msi = msg;
	return 0;
}

static void machine_build(struct guest *g, uint64_t mem)
{
	fake_init(&g->fake);
	g->mem = mem;
	g->irq_ops = *g->fake.irq.ops;
	g->irq_ops.msi_send = msi_send;
	g->fake.irq.ops = &g->irq_ops;
	must(gmem_create(&g->gmem) == 0, "gmem");
	must(gmem_add_ram(g->gmem, gpa(0), GUEST_RAM, NULL) == 0, "ram");
	must(gmem_add_ram(g->gmem, gpa(GUEST_HIGH), GUEST_RAM, NULL) == 0,
	     "high ram");
	must(input_hub_create(&g->hub) == 0, "input hub");
	g->fake.env.gmem = g->gmem;
	g->fake.env.input = g->hub;
}

static void machine_start(struct guest *g)
{
	const struct pci_windows windows = {
	    .io = {0x2000, 0x1000},
	    .mem32 = {WINDOW_MEM, MIB(16)},
	    .mem64 = {GIB(64), GIB(1)},
	};
	uint32_t command;

	must(pci_host_finish(g->fake.env.pci, NULL) == 0, "pci finish");
	must(pci_host_assign(g->fake.env.pci, &windows, true, NULL) == 0,
	     "pci assign");
	g->bar =
	    fake_cfg_read(&g->fake, GUEST_ADDR, PCI_BASE_ADDRESS_0, 4) & ~0xfu;
	command = fake_cfg_read(&g->fake, GUEST_ADDR, PCI_COMMAND, 2);
	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_COMMAND, 2,
		       command | PCI_COMMAND_MASTER);
	g->op = guest_read(g, XHCI_CAPLENGTH) & 0xff;
	g->rt = guest_read(g, XHCI_RTSOFF);
	g->db = guest_read(g, XHCI_DBOFF);
}

static struct guest *create(const struct input_sink *first, const char *list,
			    uint64_t mem, struct err *err)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct cfg *node;
	int r = 0;

	must(g, "memory");
	machine_build(g, mem);
	if (first)
		must(input_add(g->hub, first) == 0, "input device");
	must(cfg_make(g->fake.env.root, "pci.0.9.0", NULL, &node) == 0, "node");
	must(cfg_set(node, "device", "xhci", NULL) == 0, "node");
	if (list)
		r = xhci_model.parse(node, list, err);
	if (!r)
		r = xhci_model.create(&g->fake.env, GUEST_ADDR, node, err);
	if (r) {
		guest_destroy(g);
		return NULL;
	}
	machine_start(g);
	return g;
}

struct guest *guest_create(const char *list, uint64_t mem, struct err *err)
{
	return create(NULL, list, mem, err);
}

struct guest *guest_create_behind(const struct input_sink *first,
				  const char *list)
{
	return create(first, list, 0, NULL);
}

void guest_destroy(struct guest *g)
{
	fake_fini(&g->fake);
	input_hub_destroy(g->hub);
	gmem_destroy(g->gmem);
	free(g);
}

/* ---- registers ---- */

uint32_t guest_read(struct guest *g, unsigned off)
{
	uint64_t v;

	(void)aspace_read(g->fake.env.mmio, g->bar + off, 4, &v);
	return (uint32_t)v;
}

void guest_write(struct guest *g, unsigned off, uint32_t v)
{
	(void)aspace_write(g->fake.env.mmio, g->bar + off, 4, v);
}

uint32_t guest_op(struct guest *g, unsigned reg)
{
	return guest_read(g, g->op + reg);
}

void guest_op_set(struct guest *g, unsigned reg, uint32_t v)
{
	guest_write(g, g->op + reg, v);
}

static void op_set64(struct guest *g, unsigned reg, uint64_t v)
{
	guest_op_set(g, reg, (uint32_t)v);
	guest_op_set(g, reg + 4, (uint32_t)(v >> 32));
}

static unsigned intr_off(const struct guest *g, unsigned n, unsigned reg)
{
	return g->rt + XHCI_IR0 + 0x20 * n + reg;
}

uint32_t guest_intr(struct guest *g, unsigned n, unsigned reg)
{
	return guest_read(g, intr_off(g, n, reg));
}

void guest_intr_set(struct guest *g, unsigned n, unsigned reg, uint32_t v)
{
	guest_write(g, intr_off(g, n, reg), v);
}

static unsigned port_reg(unsigned port)
{
	return XHCI_PORTS + 0x10 * (port - 1) + XHCI_PORTSC;
}

uint32_t guest_portsc(struct guest *g, unsigned port)
{
	return guest_op(g, port_reg(port));
}

void guest_portsc_set(struct guest *g, unsigned port, uint32_t v)
{
	guest_op_set(g, port_reg(port), v);
}

void guest_doorbell(struct guest *g, unsigned slot, unsigned target)
{
	guest_write(g, g->db + 4 * slot, target);
}

/* ---- memory ---- */

void guest_put(struct guest *g, uint64_t at, const void *src, size_t len)
{
	must(gmem_write(g->gmem, gpa(at), src, len) == 0, "memory write");
}

void guest_get(struct guest *g, uint64_t at, void *dst, size_t len)
{
	must(gmem_read(g->gmem, gpa(at), dst, len) == 0, "memory read");
}

uint32_t guest_get32(struct guest *g, uint64_t at)
{
	uint32_t v;

	guest_get(g, at, &v, sizeof(v));
	return le32toh(v);
}

void guest_put32(struct guest *g, uint64_t at, uint32_t v)
{
	v = htole32(v);
	guest_put(g, at, &v, sizeof(v));
}

static void put_trb(struct guest *g, uint64_t at, struct xhci_trb trb)
{
	trb.param = htole64(trb.param);
	trb.status = htole32(trb.status);
	trb.control = htole32(trb.control);
	guest_put(g, at, &trb, sizeof(trb));
}

/* False while the cycle bit is not as wanted; the rest was written before. */
static bool get_trb(struct guest *g, uint64_t at, bool cycle,
		    struct xhci_trb *ret_trb)
{
	struct xhci_trb trb;
	uint32_t control;

	must(gmem_load32(g->gmem, gpa(at + 12), &control) == 0, "event");
	if ((control & XHCI_TRB_C) != (uint32_t)cycle)
		return false;
	guest_get(g, at, &trb, sizeof(trb));
	ret_trb->param = le64toh(trb.param);
	ret_trb->status = le32toh(trb.status);
	ret_trb->control = le32toh(trb.control);
	return true;
}

static void zero(struct guest *g, uint64_t at, size_t len)
{
	must(gmem_zero(g->gmem, gpa(at), len) == 0, "memory");
}

/* ---- rings ---- */

static void ring_init(struct guest *g, struct guest_ring *ring, uint64_t base)
{
	*ring = (struct guest_ring){.base = base, .cycle = true};
	zero(g, base, GUEST_RING_TRBS * sizeof(struct xhci_trb));
}

uint64_t guest_enqueue(struct guest *g, struct guest_ring *ring,
		       struct xhci_trb trb)
{
	uint64_t at = ring->base + ring->at * sizeof(trb);

	trb.control = (trb.control & ~XHCI_TRB_C) | ring->cycle;
	put_trb(g, at, trb);
	if (++ring->at < GUEST_RING_TRBS - 1)
		return at;
	put_trb(g, ring->base + ring->at * sizeof(trb),
		(struct xhci_trb){
		    .param = ring->base,
		    .control = XHCI_LINK << XHCI_TRB_TYPE_SHIFT |
			       XHCI_TRB_ENT_TC | (trb.control & XHCI_TRB_CH) |
			       ring->cycle,
		});
	ring->at = 0;
	ring->cycle = !ring->cycle;
	return at;
}

static uint64_t segment_base(const struct guest *g, unsigned n, unsigned seg)
{
	return g->mem + AT_EVENT + 0x10000ull * n + 0x1000ull * seg;
}

void guest_events_set(struct guest *g, unsigned n, unsigned segs, unsigned trbs)
{
	uint64_t table = g->mem + AT_ERST + 0x100u * n;
	unsigned i;

	g->events[n] =
	    (struct guest_events){.segs = segs, .trbs = trbs, .cycle = true};
	for (i = 0; i < segs; i++) {
		const struct xhci_erst_entry entry = {
		    .base = htole64(segment_base(g, n, i)),
		    .size = htole32(trbs),
		};

		zero(g, segment_base(g, n, i), trbs * sizeof(struct xhci_trb));
		guest_put(g, table + sizeof(entry) * i, &entry, sizeof(entry));
	}
	guest_intr_set(g, n, XHCI_ERSTSZ, segs);
	guest_intr_set(g, n, XHCI_ERDP, (uint32_t)segment_base(g, n, 0));
	guest_intr_set(g, n, XHCI_ERDP + 4,
		       (uint32_t)(segment_base(g, n, 0) >> 32));
	guest_intr_set(g, n, XHCI_ERSTBA, (uint32_t)table);
	guest_intr_set(g, n, XHCI_ERSTBA + 4, (uint32_t)(table >> 32));
}

bool guest_event_peek(struct guest *g, unsigned n, struct xhci_trb *ret_event)
{
	struct guest_events *e = &g->events[n];
	struct xhci_trb event;

	if (!e->segs ||
	    !get_trb(g, segment_base(g, n, e->seg) + e->at * sizeof(event),
		     e->cycle, &event))
		return false;
	if (++e->at == e->trbs) {
		e->at = 0;
		if (++e->seg == e->segs) {
			e->seg = 0;
			e->cycle = !e->cycle;
		}
	}
	*ret_event = event;
	return true;
}

void guest_events_ack(struct guest *g, unsigned n)
{
	const struct guest_events *e = &g->events[n];
	uint64_t at =
	    segment_base(g, n, e->seg) + e->at * sizeof(struct xhci_trb);

	guest_intr_set(g, n, XHCI_ERDP, (uint32_t)at | XHCI_ERDP_EHB);
	guest_intr_set(g, n, XHCI_ERDP + 4, (uint32_t)(at >> 32));
}

unsigned guest_events(struct guest *g, unsigned n)
{
	struct xhci_trb event;
	unsigned count = 0;

	while (guest_event_peek(g, n, &event)) {
		if (g->logged < GUEST_LOG)
			g->log[g->logged++] = event;
		count++;
	}
	guest_events_ack(g, n);
	return count;
}

void guest_log_clear(struct guest *g)
{
	g->logged = 0;
}

static unsigned trb_type(const struct xhci_trb *trb)
{
	return trb->control >> XHCI_TRB_TYPE_SHIFT & XHCI_TRB_TYPE_MASK;
}

unsigned guest_logged(const struct guest *g, unsigned type,
		      struct xhci_trb *ret_last)
{
	unsigned count = 0, i;

	for (i = 0; i < g->logged; i++) {
		if (trb_type(&g->log[i]) != type)
			continue;
		*ret_last = g->log[i];
		count++;
	}
	return count;
}

unsigned guest_cc(const struct xhci_trb *event)
{
	return event->status >> XHCI_TRB_CC_SHIFT;
}

/* ---- start, commands ---- */

void guest_start(struct guest *g)
{
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_HCRST);
	guest_op_set(g, XHCI_CONFIG, GUEST_SLOTS);
	zero(g, g->mem + AT_DCBAA, 8 * (GUEST_SLOTS + 1));
	op_set64(g, XHCI_DCBAAP, g->mem + AT_DCBAA);
	ring_init(g, &g->cmd, g->mem + AT_CMD);
	op_set64(g, XHCI_CRCR, g->cmd.base | XHCI_CRCR_RCS);
	memset(g->events, 0, sizeof(g->events));
	guest_events_set(g, 0, 1, 64);
	guest_intr_set(g, 0, XHCI_IMOD, 0);
	guest_intr_set(g, 0, XHCI_IMAN, XHCI_IMAN_IE | XHCI_IMAN_IP);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	guest_log_clear(g);
}

unsigned guest_command(struct guest *g, unsigned type, unsigned slot,
		       uint64_t param, uint32_t control)
{
	struct xhci_trb trb = {
	    .param = param,
	    .control = control | type << XHCI_TRB_TYPE_SHIFT |
		       slot << XHCI_TRB_SLOT_SHIFT,
	};
	uint64_t at = guest_enqueue(g, &g->cmd, trb);

	guest_doorbell(g, 0, 0);
	guest_events(g, 0);
	if (!guest_logged(g, XHCI_COMMAND_COMPLETION, &trb) || trb.param != at)
		return 0;
	return guest_cc(&trb);
}

/* ---- devices ---- */

static uint64_t slot_base(const struct guest *g, unsigned slot)
{
	return g->mem + AT_SLOTS + (uint64_t)SLOT_BYTES * slot;
}

uint64_t guest_out_context(const struct guest *g, unsigned slot)
{
	return slot_base(g, slot);
}

unsigned guest_slot_state(struct guest *g, unsigned slot)
{
	return guest_get32(g, slot_base(g, slot) + 12) >> XHCI_SLOT_STATE_SHIFT;
}

unsigned guest_ep_state(struct guest *g, unsigned slot, unsigned dci)
{
	return guest_get32(g, slot_base(g, slot) + 32 * dci) & XHCI_EP_STATE;
}

struct guest_ring *guest_ep_ring(struct guest *g, unsigned slot, unsigned dci)
{
	struct guest_ring *ring = &g->ep[slot][dci];

	ring_init(g, ring, slot_base(g, slot) + 0x1000 + RING_BYTES * dci);
	return ring;
}

void guest_port_reset(struct guest *g, unsigned port)
{
	guest_portsc_set(g, port, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	guest_portsc_set(g, port, XHCI_PORTSC_PP | XHCI_PORTSC_CHANGES);
	guest_events(g, 0);
}

unsigned guest_enable_slot(struct guest *g)
{
	struct xhci_trb event;
	unsigned slot;

	if (guest_command(g, XHCI_ENABLE_SLOT, 0, 0, 0) != XHCI_CC_SUCCESS)
		return 0;
	(void)guest_logged(g, XHCI_COMMAND_COMPLETION, &event);
	slot = event.control >> XHCI_TRB_SLOT_SHIFT;
	return slot <= GUEST_SLOTS ? slot : 0;
}

static void put_ep(struct guest *g, uint64_t at, unsigned type, unsigned packet,
		   const struct guest_ring *ring)
{
	guest_put32(g, at, 3u << 16); /* interval: 1 ms */
	guest_put32(g, at + 4,
		    3u << 1 | type << XHCI_EP_TYPE_SHIFT |
			packet << XHCI_EP_PACKET_SHIFT);
	guest_put32(g, at + 8, (uint32_t)ring->base | ring->cycle);
	guest_put32(g, at + 12, (uint32_t)(ring->base >> 32));
}

unsigned guest_address(struct guest *g, unsigned slot, unsigned port,
		       bool block)
{
	uint64_t in = g->mem + AT_INPUT, out = slot_base(g, slot);

	zero(g, in, 33 * 32);
	zero(g, out, 32 * 32);
	guest_put32(g, in + 4, 3); /* slot and endpoint 0 */
	guest_put32(g, in + 32, 1u << XHCI_SLOT_ENTRIES_SHIFT | 3u << 20);
	guest_put32(g, in + 36, port << XHCI_SLOT_PORT_SHIFT);
	put_ep(g, in + 64, XHCI_EP_CONTROL, 64, guest_ep_ring(g, slot, 1));
	guest_put32(g, g->mem + AT_DCBAA + 8 * slot, (uint32_t)out);
	guest_put32(g, g->mem + AT_DCBAA + 8 * slot + 4, (uint32_t)(out >> 32));
	return guest_command(g, XHCI_ADDRESS_DEVICE, slot, in,
			     block ? XHCI_TRB_BSR : 0);
}

unsigned guest_configure(struct guest *g, unsigned slot)
{
	uint64_t in = g->mem + AT_INPUT;

	zero(g, in, 33 * 32);
	guest_put32(g, in + 4, BIT(0) | BIT(3));
	guest_put32(g, in + 32, 3u << XHCI_SLOT_ENTRIES_SHIFT | 3u << 20);
	put_ep(g, in + 32 * 4, 7, 8, guest_ep_ring(g, slot, 3));
	return guest_command(g, XHCI_CONFIGURE_ENDPOINT, slot, in, 0);
}

unsigned guest_attach(struct guest *g, unsigned port)
{
	unsigned slot;

	guest_port_reset(g, port);
	slot = guest_enable_slot(g);
	if (!slot || guest_address(g, slot, port, false) != XHCI_CC_SUCCESS)
		return 0;
	return slot;
}

unsigned guest_setup(struct guest *g, unsigned port)
{
	const struct usb_setup set_configuration = {
	    .bRequest = USB_SET_CONFIGURATION, .wValue = htole16(1)};
	unsigned slot = guest_attach(g, port);

	if (!slot || guest_configure(g, slot) != XHCI_CC_SUCCESS ||
	    guest_control(g, slot, set_configuration, NULL) != 0)
		return 0;
	return slot;
}

/* ---- transfers ---- */

static void enqueue_data(struct guest *g, struct guest_ring *ring,
			 const struct usb_setup *setup, const void *data)
{
	bool in = setup->bmRequestType & USB_DIR_IN;

	if (!in)
		guest_put(g, g->mem + AT_DATA, data, le16toh(setup->wLength));
	guest_enqueue(g, ring,
		      (struct xhci_trb){
			  .param = g->mem + AT_DATA,
			  .status = le16toh(setup->wLength),
			  .control = XHCI_DATA_STAGE << XHCI_TRB_TYPE_SHIFT |
				     XHCI_TRB_ISP | XHCI_TRB_IOC |
				     (in ? XHCI_TRB_DIR_IN : 0),
		      });
}

int guest_control(struct guest *g, unsigned slot, struct usb_setup setup,
		  void *data)
{
	struct guest_ring *ring = &g->ep[slot][1];
	struct xhci_trb trb = {
	    .status = sizeof(setup),
	    .control = XHCI_SETUP_STAGE << XHCI_TRB_TYPE_SHIFT | XHCI_TRB_IDT,
	};
	unsigned length = le16toh(setup.wLength), i;
	int moved = 0;

	memcpy(&trb.param, &setup, sizeof(setup));
	trb.param = le64toh(trb.param);
	guest_enqueue(g, ring, trb);
	if (length)
		enqueue_data(g, ring, &setup, data);
	guest_enqueue(g, ring,
		      (struct xhci_trb){
			  .control = XHCI_STATUS_STAGE << XHCI_TRB_TYPE_SHIFT |
				     XHCI_TRB_IOC,
		      });
	guest_doorbell(g, slot, 1);
	guest_log_clear(g);
	guest_events(g, 0);
	for (i = 0; i < g->logged; i++) {
		unsigned cc = guest_cc(&g->log[i]);

		if (cc != XHCI_CC_SUCCESS && cc != XHCI_CC_SHORT_PACKET)
			return -(int)cc;
		if (i == 0 && length)
			moved = (int)(length -
				      (g->log[i].status & XHCI_EVENT_LENGTH));
	}
	if (g->logged != (length ? 2 : 1) || moved < 0 || moved > (int)length)
		return -1000;
	if (moved && setup.bmRequestType & USB_DIR_IN)
		guest_get(g, g->mem + AT_DATA, data, (size_t)moved);
	return moved;
}

unsigned guest_recover(struct guest *g, unsigned slot, unsigned dci)
{
	const struct guest_ring *ring = &g->ep[slot][dci];
	unsigned cc;

	cc = guest_command(g, XHCI_RESET_ENDPOINT, slot, 0,
			   dci << XHCI_TRB_EP_SHIFT);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	return guest_command(g, XHCI_SET_TR_DEQUEUE, slot,
			     (ring->base + ring->at * sizeof(struct xhci_trb)) |
				 ring->cycle,
			     dci << XHCI_TRB_EP_SHIFT);
}

uint64_t guest_poll(struct guest *g, unsigned slot, uint32_t len)
{
	uint64_t at =
	    guest_enqueue(g, &g->ep[slot][3],
			  (struct xhci_trb){
			      .param = g->mem + AT_REPORT(slot),
			      .status = len,
			      .control = XHCI_NORMAL << XHCI_TRB_TYPE_SHIFT |
					 XHCI_TRB_ISP | XHCI_TRB_IOC,
			  });

	guest_doorbell(g, slot, 3);
	return at;
}

unsigned guest_report(struct guest *g, unsigned slot, uint8_t report[8])
{
	struct xhci_trb event;
	unsigned cc;

	guest_log_clear(g);
	guest_events(g, 0);
	if (guest_logged(g, XHCI_TRANSFER_EVENT, &event) != 1 ||
	    event.control >> XHCI_TRB_SLOT_SHIFT != slot ||
	    (event.control >> XHCI_TRB_EP_SHIFT & XHCI_TRB_EP_MASK) != 3)
		return 0;
	cc = guest_cc(&event);
	if (cc != XHCI_CC_SUCCESS && cc != XHCI_CC_SHORT_PACKET)
		return 0;
	guest_get(g, g->mem + AT_REPORT(slot), report, 8);
	return 8 - (event.status & XHCI_EVENT_LENGTH);
}
