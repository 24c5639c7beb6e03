/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the USB controller with a hostile driver: the input is a script of
 * register accesses, ring contents, contexts, doorbells, config writes, input
 * events and passing time.
 *
 * Checked besides memory: a halted controller says so; an interrupt line is
 * only up while an enabled interrupter has something pending; and whatever
 * happened, after a reset of the controller an honest driver finds, sets up
 * and hears both devices.
 */
#include <string.h>

#include "base/log.h"
#include "driver.h"
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX	    600u
#define PM_CTRL	    0x68u
#define INTX_GSI    pci_swizzle_gsi(9, 1)
#define CAPS_END    0xccu
#define SCRIBBLE    32u
#define TABLET_PORT 1u
#define BOTH_PORTS  2u

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- operands ---- */

/* Mostly the structures the driver uses, sometimes an edge, sometimes wild. */
static uint64_t take_addr(struct feed *in)
{
	static const uint64_t base[] = {AT_DCBAA, AT_ERST,  AT_CMD,  AT_INPUT,
					AT_DATA,  AT_SLOTS, AT_EVENT};
	uint8_t kind = feed_u8(in);

	if (kind < 220)
		return base[kind % ARRAY_LEN(base)] + feed_u16(in) % 0x4000;
	if (kind < 235)
		return GUEST_RAM - feed_u8(in);
	if (kind < 245)
		return GUEST_HIGH + GUEST_RAM - feed_u8(in);
	return (uint64_t)feed_u32(in) << 32 | feed_u32(in);
}

static uint32_t take_value(struct feed *in)
{
	uint8_t kind = feed_u8(in);

	if (kind < 100)
		return kind;
	if (kind < 200)
		return BIT(kind % 32);
	return feed_u32(in);
}

/* A TRB for a ring: any type, flags and lengths that are mostly likely. */
static struct xhci_trb take_trb(struct feed *in)
{
	struct xhci_trb trb = {.param = take_addr(in)};
	uint8_t type = feed_u8(in), flags = feed_u8(in);

	trb.status = take_value(in) & 0x1ffff;
	if (flags & 0x80)
		trb.status |= (uint32_t)feed_u8(in) << 20;
	trb.control = (type & 0x3fu) << XHCI_TRB_TYPE_SHIFT | (flags & 0x7eu);
	if (type & 0x40)
		trb.control |= XHCI_TRB_BSR;
	if (type & 0x80)
		trb.control |= feed_u32(in) & 0xffff0000u;
	else
		trb.control |= BIT(24);
	return trb;
}

static struct guest_ring *take_ring(struct guest *g, struct feed *in)
{
	struct guest_ring *ring =
	    &g->ep[1 + feed_u8(in) % 2][feed_u8(in) % 2 ? 3 : 1];

	return ring->base ? ring : &g->cmd;
}

/* ---- operations ---- */

static void op_register(struct guest *g, struct feed *in)
{
	unsigned size = 1u << (feed_u8(in) & 3);
	uint64_t at = g->bar + (feed_u16(in) & 0x3fff & ~(size - 1)), v;

	if (feed_u8(in) & 1)
		(void)aspace_read(g->fake.env.mmio, at, size, &v);
	else
		(void)aspace_write(g->fake.env.mmio, at, size, take_value(in));
}

static void op_operational(struct guest *g, struct feed *in)
{
	static const uint8_t regs[] = {
	    XHCI_USBCMD, XHCI_USBSTS,	  XHCI_CRCR,   XHCI_CRCR + 4,
	    XHCI_DCBAAP, XHCI_DCBAAP + 4, XHCI_CONFIG, XHCI_DNCTRL};
	uint8_t reg = regs[feed_u8(in) % sizeof(regs)];

	if (feed_u8(in) & 1)
		guest_op_set(g, reg, (uint32_t)take_addr(in));
	else
		guest_op_set(g, reg, take_value(in));
}

static void op_interrupter(struct guest *g, struct feed *in)
{
	unsigned n = feed_u8(in) % GUEST_INTRS, reg = feed_u8(in) & 0x1c;

	if (reg >= XHCI_ERSTBA)
		guest_intr_set(g, n, reg, (uint32_t)take_addr(in));
	else
		guest_intr_set(g, n, reg, take_value(in));
	(void)guest_intr(g, n, reg);
}

static void op_port(struct guest *g, struct feed *in)
{
	unsigned port = 1 + feed_u8(in) % 8;
	uint32_t v = take_value(in);

	if (feed_u8(in) & 1)
		v |= XHCI_PORTSC_PP;
	guest_portsc_set(g, port, v);
}

static void op_memory(struct guest *g, struct feed *in)
{
	uint8_t bytes[SCRIBBLE];
	size_t len = feed_u8(in) % SCRIBBLE, i;
	uint64_t at = take_addr(in);

	for (i = 0; i < len; i++)
		bytes[i] = feed_u8(in);
	if (gmem_write(g->gmem, gpa(at), bytes, len))
		return;
}

static void op_config(struct guest *g, struct feed *in)
{
	unsigned size = 1u << (feed_u8(in) % 3);
	unsigned off = feed_u8(in) % CAPS_END & ~(size - 1);

	fake_cfg_write(&g->fake, GUEST_ADDR, off, size, feed_u32(in));
	(void)fake_cfg_read(&g->fake, GUEST_ADDR, off, size);
}

static void op_input(struct guest *g, struct feed *in)
{
	uint8_t kind = feed_u8(in);
	struct input_pointer event;

	if (kind & 1) {
		input_key(g->hub, feed_u8(in), kind & 2);
		return;
	}
	event = (struct input_pointer){.buttons = kind >> 2};
	event.x = feed_u16(in);
	event.y = feed_u16(in);
	if (kind & 2)
		event.wheel = (int)feed_u32(in);
	input_pointer(g->hub, &event);
}

static void op_command(struct guest *g, struct feed *in)
{
	uint8_t kind = feed_u8(in);

	guest_enqueue(g, &g->cmd, take_trb(in));
	if (kind & 1)
		guest_doorbell(g, 0, 0);
}

static void op_transfer(struct guest *g, struct feed *in)
{
	uint8_t kind = feed_u8(in);

	guest_enqueue(g, take_ring(g, in), take_trb(in));
	if (kind & 1)
		guest_doorbell(g, 1 + (kind >> 1 & 1), kind & 4 ? 1 : 3);
}

static void op_control(struct guest *g, struct feed *in)
{
	unsigned slot = 1 + feed_u8(in) % 2;
	uint8_t data[0x100] = {0};
	struct usb_setup setup;

	setup.bmRequestType = feed_u8(in);
	setup.bRequest = feed_u8(in) & 0x0f;
	setup.wValue = feed_u16(in);
	setup.wIndex = feed_u8(in);
	setup.wLength = feed_u8(in);
	if (g->ep[slot][1].base)
		(void)guest_control(g, slot, setup, data);
}

static void op_set_up(struct guest *g, struct feed *in)
{
	uint8_t kind = feed_u8(in);

	guest_start(g);
	if (kind & 1)
		(void)guest_setup(g, 1);
	if (kind & 2)
		(void)guest_setup(g, 2);
	if (kind & 4)
		guest_events_set(g, kind % GUEST_INTRS, 1 + (kind >> 6), 16);
}

static void op_misc(struct guest *g, struct feed *in)
{
	uint8_t kind = feed_u8(in);

	switch (kind & 3) {
	case 0:
		guest_doorbell(g, feed_u8(in) % 40, feed_u8(in));
		break;
	case 1:
		guest_log_clear(g);
		guest_events(g, kind >> 2 & 7);
		break;
	case 2:
		fake_advance(&g->fake, (uint64_t)feed_u16(in) << 16);
		break;
	default:
		if (g->ep[1 + (kind >> 2 & 1)][3].base)
			guest_poll(g, 1 + (kind >> 2 & 1), kind >> 3);
		break;
	}
}

typedef void op_fn(struct guest *g, struct feed *in);

/* ---- what must hold ---- */

static void check(struct guest *g)
{
	uint32_t command = guest_op(g, XHCI_USBCMD), iman = 0;
	uint32_t status = guest_op(g, XHCI_USBSTS);
	unsigned i;

	/* Not there: switched off, moved, or in D3. */
	if (command == 0xffffffff)
		return;
	must(!(command & XHCI_USBCMD_RS) == !!(status & XHCI_USBSTS_HCH));
	if (status & XHCI_USBSTS_HCE)
		must(status & XHCI_USBSTS_HCH);
	for (i = 0; i < GUEST_INTRS; i++)
		iman |= guest_intr(g, i, XHCI_IMAN) == 3;
	must(!g->fake.line[INTX_GSI] || (iman && command & XHCI_USBCMD_INTE));
}

/* An honest guest after a reset. */
static void check_works(struct guest *g)
{
	const struct input_pointer event = {.x = 1, .y = 2, .wheel = 1};
	uint8_t report[8];
	unsigned i, slot;

	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_COMMAND, 2, 0);
	fake_cfg_write(&g->fake, GUEST_ADDR, PM_CTRL, 2, 0);
	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_BASE_ADDRESS_0, 4,
		       (uint32_t)g->bar);
	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_BASE_ADDRESS_1, 4, 0);
	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	input_release_all(g->hub);
	guest_start(g);
	for (i = 1; i <= BOTH_PORTS; i++) {
		slot = guest_setup(g, i);
		must(slot == i);
		guest_poll(g, slot, 8);
		/* What was done before the reset may come first. */
		while (guest_report(g, slot, report))
			guest_poll(g, slot, 8);
		if (i == TABLET_PORT)
			input_pointer(g->hub, &event);
		else
			input_key(g->hub, 0x1e, true);
		must(guest_report(g, slot, report) >= 6);
		must(i == TABLET_PORT ? report[1] == 1 : report[2] == 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static op_fn *const ops[] = {
	    op_register, op_operational, op_interrupter, op_port,
	    op_memory,	 op_config,	 op_input,	 op_command,
	    op_transfer, op_control,	 op_set_up,	 op_misc,
	};
	struct feed in = {data, size};
	struct guest *g;
	unsigned i;

	log_init("fuzz", LOG_ERROR);
	g = guest_create("tablet,kbd", 0, NULL);
	must(g != NULL);
	guest_start(g);
	for (i = 0; i < OPS_MAX && feed_more(&in); i++) {
		ops[feed_u8(&in) % ARRAY_LEN(ops)](g, &in);
		check(g);
	}
	check_works(g);
	guest_destroy(g);
	return 0;
}
