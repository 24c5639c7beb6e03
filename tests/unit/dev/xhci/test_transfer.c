/* SPDX-License-Identifier: BSD-2-Clause */
/* Transfer rings: descriptors, errors, what waits and what goes on. */
#include <endian.h>
#include <string.h>

#include "check.h"

#define TYPE(t) ((uint32_t)(t) << XHCI_TRB_TYPE_SHIFT)
#define DATA(g) ((g)->mem + AT_DATA)

/* Tablet addressed and configured in slot 1. */
static int tablet_setup(void **state)
{
	struct guest *g;

	check_setup(state);
	g = *state;
	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	guest_log_clear(g);
	return 0;
}

#define tablet_test(fn) \
	cmocka_unit_test_setup_teardown(fn, tablet_setup, check_teardown)

static uint64_t put(struct guest *g, unsigned dci, uint64_t param,
		    uint32_t status, uint32_t control)
{
	return guest_enqueue(g, &g->ep[1][dci],
			     (struct xhci_trb){.param = param,
					       .status = status,
					       .control = control});
}

static uint64_t put_setup(struct guest *g, struct usb_setup setup)
{
	uint64_t packet;

	memcpy(&packet, &setup, sizeof(packet));
	return put(g, 1, le64toh(packet), 8,
		   TYPE(XHCI_SETUP_STAGE) | XHCI_TRB_IDT);
}

static const struct usb_setup get_device = {
    .bmRequestType = USB_DIR_IN,
    .bRequest = USB_GET_DESCRIPTOR,
    .wValue = USB_DESC_DEVICE << 8,
    .wLength = 64,
};

/* The n-th event in the log: address, residual bytes, code; not event data. */
static void check_log(struct guest *g, unsigned n, uint64_t param,
		      uint32_t length, unsigned cc)
{
	assert_true(n < g->logged);
	assert_int_equal(g->log[n].param, param);
	assert_int_equal(g->log[n].status & XHCI_EVENT_LENGTH, length);
	assert_int_equal(guest_cc(&g->log[n]), cc);
	assert_int_equal(g->log[n].control & ~XHCI_TRB_C & 0xffff,
			 TYPE(XHCI_TRANSFER_EVENT));
}

static void ring_and_read(struct guest *g, unsigned dci)
{
	guest_doorbell(g, 1, dci);
	guest_log_clear(g);
	guest_events(g, 0);
}

static void point(struct guest *g, uint16_t x)
{
	const struct input_pointer event = {.x = x};

	input_pointer(g->hub, &event);
}

/* ---- descriptors of several TRBs ---- */

static void test_scatter(void **state)
{
	struct guest *g = *state;
	uint64_t first, third, status;
	uint8_t bytes[32];

	memset(bytes, 0xee, sizeof(bytes));
	guest_put(g, DATA(g), bytes, sizeof(bytes));
	put_setup(g, get_device);
	first = put(g, 1, DATA(g), 5,
		    TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN | XHCI_TRB_CH |
			XHCI_TRB_IOC);
	put(g, 1, DATA(g) + 8, 10, TYPE(XHCI_NORMAL) | XHCI_TRB_CH);
	third = put(g, 1, DATA(g) + 20, 49, TYPE(XHCI_NORMAL) | XHCI_TRB_ISP);
	status = put(g, 1, 0, 0, TYPE(XHCI_STATUS_STAGE) | XHCI_TRB_IOC);
	ring_and_read(g, 1);
	assert_int_equal(g->logged, 3);
	check_log(g, 0, first, 0, XHCI_CC_SUCCESS);
	check_log(g, 1, third, 46, XHCI_CC_SHORT_PACKET);
	check_log(g, 2, status, 0, XHCI_CC_SUCCESS);
	guest_get(g, DATA(g), bytes, sizeof(bytes));
	assert_memory_equal(bytes, "\x12\x01\x00\x02\x00\xee\xee\xee", 8);
	assert_memory_equal(bytes + 8, "\0\0\x40\x5d\xfb\x01\x01\x00\x01\x01",
			    10);
	assert_memory_equal(bytes + 18, "\xee\xee\x02\x00\x01\xee", 6);
}

/* What one of the stock drivers does: events only by Event Data TRBs. */
static void test_event_data(void **state)
{
	struct guest *g = *state;

	put_setup(g, get_device);
	put(g, 1, DATA(g), 64,
	    TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN | XHCI_TRB_CH);
	put(g, 1, 0x1111222233334444, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_IOC);
	put(g, 1, 0, 0, TYPE(XHCI_STATUS_STAGE) | XHCI_TRB_CH);
	put(g, 1, 0x5555666677778888, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_IOC);
	ring_and_read(g, 1);
	assert_int_equal(g->logged, 2);
	assert_int_equal(g->log[0].param, 0x1111222233334444);
	assert_int_equal(g->log[0].status, XHCI_CC_SHORT_PACKET << 24 | 18);
	assert_int_equal(g->log[0].control & ~XHCI_TRB_C,
			 TYPE(XHCI_TRANSFER_EVENT) | XHCI_EVENT_ED | 1u << 16 |
			     1u << 24);
	assert_int_equal(g->log[1].param, 0x5555666677778888);
	assert_int_equal(g->log[1].status, XHCI_CC_SUCCESS << 24);
}

/* Bytes since the last Event Data TRB; behind a short packet only the first. */
static void test_event_data_counts(void **state)
{
	struct guest *g = *state;

	point(g, 1); /* told on the next poll */
	put(g, 3, DATA(g), 2, TYPE(XHCI_NORMAL) | XHCI_TRB_CH);
	put(g, 3, 0xa, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_CH | XHCI_TRB_IOC);
	put(g, 3, DATA(g) + 2, 6, TYPE(XHCI_NORMAL) | XHCI_TRB_CH);
	put(g, 3, 0xb, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_CH | XHCI_TRB_IOC);
	put(g, 3, 0xc, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_IOC);
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 2);
	assert_int_equal(g->log[0].param, 0xa);
	assert_int_equal(g->log[0].status, XHCI_CC_SUCCESS << 24 | 2);
	assert_int_equal(g->log[1].param, 0xb);
	assert_int_equal(g->log[1].status, XHCI_CC_SHORT_PACKET << 24 | 4);
}

/* Behind a short packet nothing is told but by that first Event Data TRB. */
static void test_short_skips(void **state)
{
	struct guest *g = *state;
	uint64_t at;

	point(g, 1);
	at = put(g, 3, DATA(g), 8,
		 TYPE(XHCI_NORMAL) | XHCI_TRB_CH | XHCI_TRB_ISP);
	put(g, 3, DATA(g) + 8, 8,
	    TYPE(XHCI_NORMAL) | XHCI_TRB_CH | XHCI_TRB_IOC);
	put(g, 3, 0xb, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_IOC);
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 2);
	check_log(g, 0, at, 2, XHCI_CC_SHORT_PACKET);
	assert_int_equal(g->log[1].param, 0xb);
	assert_int_equal(g->log[1].status, XHCI_CC_SHORT_PACKET << 24 | 6);
}

static void test_exact_length(void **state)
{
	struct guest *g = *state;
	uint64_t at = put(g, 3, DATA(g), 6, TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);

	point(g, 1);
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 1);
	check_log(g, 0, at, 0, XHCI_CC_SUCCESS);
}

/* Short, and nobody asked: silence, but the ring goes on. */
static void test_silent(void **state)
{
	struct guest *g = *state;
	uint64_t at;

	put(g, 3, DATA(g), 8, TYPE(XHCI_NORMAL));
	at = put(g, 3, DATA(g), 8, TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 3);
	point(g, 1);
	point(g, 2);
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 1);
	check_log(g, 0, at, 2, XHCI_CC_SHORT_PACKET);
}

static void test_no_op(void **state)
{
	struct guest *g = *state;
	uint64_t at;

	put(g, 3, 0, 0, TYPE(XHCI_NO_OP));
	at = put(g, 3, 0, 0, TYPE(XHCI_NO_OP) | XHCI_TRB_IOC);
	put(g, 3, 0x77, 0, TYPE(XHCI_EVENT_DATA) | XHCI_TRB_IOC);
	/* Done without the device, which has nothing to tell. */
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 2);
	check_log(g, 0, at, 0, XHCI_CC_SUCCESS);
	assert_int_equal(g->log[1].param, 0x77);
}

/* A descriptor whose end is not there yet is left alone. */
static void test_incomplete(void **state)
{
	struct guest *g = *state;
	uint64_t at;

	point(g, 1);
	put(g, 3, DATA(g), 2, TYPE(XHCI_NORMAL) | XHCI_TRB_CH);
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 0);
	at = put(g, 3, DATA(g) + 2, 4, TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 1);
	check_log(g, 0, at, 0, XHCI_CC_SUCCESS);
}

/* Rings of 15 TRBs and a link, descriptors of two: all places of the link. */
static void test_wrap(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[6];
	uint64_t at;
	unsigned i;

	for (i = 1; i < 100; i++) {
		put(g, 3, DATA(g), 3, TYPE(XHCI_NORMAL) | XHCI_TRB_CH);
		at =
		    put(g, 3, DATA(g) + 3, 3, TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
		point(g, (uint16_t)i);
		ring_and_read(g, 3);
		assert_int_equal(g->logged, 1);
		check_log(g, 0, at, 0, XHCI_CC_SUCCESS);
		guest_get(g, DATA(g), bytes, 6);
		assert_int_equal(bytes[1], i);
		if (i % 5 == 0)
			put(g, 3, 0, 0, TYPE(XHCI_NO_OP));
	}
}

static void test_link_tells(void **state)
{
	struct guest *g = *state;
	uint64_t base = g->ep[1][3].base;
	struct xhci_trb event;

	put(g, 3, (base + 64) | 15, 0, TYPE(XHCI_LINK) | XHCI_TRB_IOC);
	guest_put32(g, base + 64 + 12, 0);
	guest_doorbell(g, 1, 3);
	event = check_event(g, 0);
	assert_int_equal(event.param, base);
	/* It was taken: nothing is told twice. */
	guest_doorbell(g, 1, 3);
	assert_int_equal(guest_events(g, 0), 0);
	assert_int_equal(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HCH, 0);
}

static void test_quiet_event(void **state)
{
	struct guest *g = *state;
	unsigned rises = g->fake.rises[pci_swizzle_gsi(9, 1)];

	guest_intr_set(g, 0, XHCI_IMAN, 3);
	put(g, 3, 0, 0, TYPE(XHCI_NO_OP) | XHCI_TRB_IOC | XHCI_TRB_BEI);
	guest_doorbell(g, 1, 3);
	assert_int_equal(g->fake.rises[pci_swizzle_gsi(9, 1)], rises);
	assert_int_equal(guest_events(g, 0), 1);
}

/* Data for the device inside the TRB, told by an Event Data TRB. */
static void test_immediate_data(void **state)
{
	struct guest *g = *state;
	uint8_t leds = 0;

	assert_int_equal(guest_setup(g, KEYBOARD_PORT), 2);
	guest_log_clear(g);
	guest_enqueue(g, &g->ep[2][1],
		      (struct xhci_trb){
			  .param = 0x0001000002000921, /* SET_REPORT, 1 byte */
			  .status = 8,
			  .control = TYPE(XHCI_SETUP_STAGE) | XHCI_TRB_IDT});
	guest_enqueue(g, &g->ep[2][1],
		      (struct xhci_trb){.param = 0x1f,
					.status = 1,
					.control = TYPE(XHCI_DATA_STAGE) |
						   XHCI_TRB_IDT | XHCI_TRB_CH});
	guest_enqueue(
	    g, &g->ep[2][1],
	    (struct xhci_trb){.param = 0x99,
			      .control = TYPE(XHCI_EVENT_DATA) | XHCI_TRB_IOC});
	guest_enqueue(g, &g->ep[2][1],
		      (struct xhci_trb){.control = TYPE(XHCI_STATUS_STAGE) |
						   XHCI_TRB_IOC});
	guest_doorbell(g, 2, 1);
	assert_int_equal(guest_events(g, 0), 2);
	assert_int_equal(g->log[0].param, 0x99);
	assert_int_equal(g->log[0].status, XHCI_CC_SUCCESS << 24 | 1);
	assert_int_equal(
	    guest_control(g, 2,
			  (struct usb_setup){.bmRequestType = 0xa1,
					     .bRequest = USB_HID_GET_REPORT,
					     .wValue = htole16(0x200),
					     .wLength = htole16(1)},
			  &leds),
	    1);
	assert_int_equal(leds, 0x1f);
	/* Nine bytes do not fit inside. */
	guest_enqueue(g, &g->ep[2][1],
		      (struct xhci_trb){.param = 0x0009000002000921,
					.status = 8,
					.control = TYPE(XHCI_SETUP_STAGE) |
						   XHCI_TRB_IDT});
	guest_enqueue(
	    g, &g->ep[2][1],
	    (struct xhci_trb){.status = 9,
			      .control = TYPE(XHCI_DATA_STAGE) | XHCI_TRB_IDT});
	guest_doorbell(g, 2, 1);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRB);
}

/* ---- errors ---- */

static void test_stall(void **state)
{
	const struct usb_setup bad = {.bmRequestType = USB_DIR_IN,
				      .bRequest = USB_GET_DESCRIPTOR,
				      .wValue = 0x0f00, /* BOS */
				      .wLength = 5};
	struct guest *g = *state;
	uint8_t bytes[64];

	assert_int_equal(guest_control(g, 1, bad, bytes), -XHCI_CC_STALL);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_HALTED);
	/* The event names the data stage; the context the place. */
	assert_int_equal(g->log[0].param, g->ep[1][1].base + 16 * 3);
	guest_doorbell(g, 1, 1);
	assert_int_equal(guest_events(g, 0), 0);
	assert_int_equal(guest_recover(g, 1, 1), XHCI_CC_SUCCESS);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_STOPPED);
	assert_int_equal(guest_control(g, 1, get_device, bytes), 18);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_RUNNING);
}

/* Each of these puts endpoint 1 (control) into the Error state. */
static void test_trb_errors(void **state)
{
	static const struct {
		uint32_t status, control;
		bool setup; /* behind a Setup Stage of an IN request */
	} bad[] = {
	    {8, TYPE(XHCI_SETUP_STAGE), false}, /* not immediate */
	    {7, TYPE(XHCI_SETUP_STAGE) | XHCI_TRB_IDT, false},
	    {8, TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN, false},
	    {0, TYPE(XHCI_STATUS_STAGE), false},
	    {8, TYPE(XHCI_NORMAL), false},
	    {8, TYPE(XHCI_ISOCH), false},
	    {0, TYPE(0), false},
	    {0, TYPE(XHCI_ENABLE_SLOT), false},
	    {0, TYPE(63), false},
	    {8, TYPE(XHCI_DATA_STAGE), true}, /* the other direction */
	    {8, TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN | XHCI_TRB_IDT, true},
	};
	struct guest *g = *state;
	struct xhci_trb event;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		uint64_t at;

		if (bad[i].setup)
			put_setup(g, get_device);
		at = put(g, 1, DATA(g), bad[i].status, bad[i].control);
		guest_doorbell(g, 1, 1);
		event = check_event(g, 0);
		assert_int_equal(event.param, at);
		assert_int_equal(guest_cc(&event), XHCI_CC_TRB);
		assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_ERROR);
		/* Error is left by Set TR Dequeue alone. */
		assert_int_equal(guest_recover(g, 1, 1), XHCI_CC_CONTEXT_STATE);
		assert_int_equal(
		    guest_command(g, XHCI_SET_TR_DEQUEUE, 1,
				  (g->ep[1][1].base + 16 * g->ep[1][1].at) |
				      g->ep[1][1].cycle,
				  1u << XHCI_TRB_EP_SHIFT),
		    XHCI_CC_SUCCESS);
	}
}

/* Chains and links without an end, written over the whole data area. */
static void test_endless(void **state)
{
	struct guest *g = *state;
	uint64_t base = DATA(g), i;
	unsigned kind;

	for (kind = 0; kind < 4; kind++) {
		static const uint32_t control[] = {
		    TYPE(XHCI_NORMAL) | XHCI_TRB_CH | 1,
		    TYPE(XHCI_LINK) | 1,
		    TYPE(XHCI_NO_OP) | 1,
		    TYPE(XHCI_NORMAL) | XHCI_TRB_CH | 1,
		};
		struct xhci_trb event;

		for (i = 0; i < 0x4000; i += 16) {
			guest_put32(g, base + i, (uint32_t)base);
			guest_put32(g, base + i + 4, 0);
			guest_put32(g, base + i + 8, 1);
			guest_put32(g, base + i + 12, control[kind]);
		}
		guest_put32(g, base + 0x4000 - 4, TYPE(XHCI_LINK) | 1);
		if (kind == 3) /* a chain of a TRB and links to itself */
			guest_put32(g, base + 16 + 12, TYPE(XHCI_LINK) | 1);
		assert_int_equal(guest_command(g, XHCI_STOP_ENDPOINT, 1, 0,
					       3u << XHCI_TRB_EP_SHIFT),
				 kind ? XHCI_CC_CONTEXT_STATE
				      : XHCI_CC_SUCCESS);
		assert_int_equal(guest_command(g, XHCI_SET_TR_DEQUEUE, 1,
					       base | 1,
					       3u << XHCI_TRB_EP_SHIFT),
				 XHCI_CC_SUCCESS);
		guest_doorbell(g, 1, 3);
		event = check_event(g, 0);
		assert_int_equal(guest_cc(&event), XHCI_CC_TRB);
		assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_ERROR);
	}
}

static void test_babble(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[64] = {0};

	point(g, 1);
	guest_put(g, DATA(g), bytes, 16);
	put(g, 3, DATA(g), 5, TYPE(XHCI_NORMAL));
	ring_and_read(g, 3);
	assert_int_equal(g->logged, 1);
	assert_int_equal(guest_cc(&g->log[0]), XHCI_CC_BABBLE);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_HALTED);
	guest_get(g, DATA(g), bytes, 16);
	assert_int_equal(bytes[1], 0);
	put_setup(g, get_device);
	put(g, 1, DATA(g), 17, TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN);
	ring_and_read(g, 1);
	assert_int_equal(guest_cc(&g->log[0]), XHCI_CC_BABBLE);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_HALTED);
}

/* After a port reset the device is at address 0: nobody answers at 1. */
static void test_unreachable(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[64];

	guest_port_reset(g, TABLET_PORT);
	assert_int_equal(guest_control(g, 1, get_device, bytes),
			 -XHCI_CC_TRANSACTION);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_HALTED);
	guest_poll(g, 1, 8);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRANSACTION);
}

/* Endpoints that only the guest believes in. */
static void test_no_endpoint(void **state)
{
	struct guest *g = *state;
	uint64_t in = g->mem + AT_INPUT, ring;

	ring = guest_ep_ring(g, 1, 2)->base;
	guest_put32(g, in, 0);
	guest_put32(g, in + 4, BIT(2));
	guest_put32(g, in + 96 + 4, 8u << 16 | 3 << 3);
	guest_put32(g, in + 96 + 8, (uint32_t)ring | 1);
	assert_int_equal(guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, in, 0),
			 XHCI_CC_SUCCESS);
	put(g, 2, DATA(g), 8, TYPE(XHCI_NORMAL));
	guest_doorbell(g, 1, 2);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRANSACTION);
	assert_int_equal(guest_ep_state(g, 1, 2), XHCI_EP_HALTED);
	/* Others are not even in the context. */
	guest_doorbell(g, 1, 0);
	guest_doorbell(g, 1, 17);
	guest_doorbell(g, 1, 255);
	assert_int_equal(guest_events(g, 0), 0);
}

static void test_nowhere(void **state)
{
	struct guest *g = *state;

	point(g, 1);
	put(g, 3, 0x7ffffffff000, 8, TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 3);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HSE);
	assert_int_equal(guest_events(g, 0), 0);
	/* A link out of memory. */
	guest_start(g);
	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	put(g, 3, UINT64_MAX, 0, TYPE(XHCI_LINK));
	guest_doorbell(g, 1, 3);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HSE);
	/* Data for the device from nowhere. */
	guest_start(g);
	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	put_setup(g, (struct usb_setup){.bRequest = 9, .wLength = 4});
	put(g, 1, UINT64_MAX - 1, 4, TYPE(XHCI_DATA_STAGE));
	guest_doorbell(g, 1, 1);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HSE);
}

/* ---- waiting for room ---- */

static void test_events_wait(void **state)
{
	const struct input_pointer press = {.x = 7, .buttons = 1};
	const struct input_pointer release = {.x = 8};
	struct guest *g = *state;
	uint8_t bytes[8];
	unsigned i;

	guest_events_set(g, 0, 1, 16);
	for (i = 0; i < 14; i++)
		put(g, 3, 0, 0, TYPE(XHCI_NO_OP) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 3);
	put(g, 3, DATA(g), 8, TYPE(XHCI_NORMAL) | XHCI_TRB_ISP);
	put(g, 3, DATA(g) + 8, 8, TYPE(XHCI_NORMAL) | XHCI_TRB_ISP);
	input_pointer(g->hub, &press);
	input_pointer(g->hub, &release);
	guest_log_clear(g);
	/* 13 no-ops (an error has to fit, too), and the ring is full. */
	assert_int_equal(guest_events(g, 0), 14);
	assert_int_equal(guest_cc(&g->log[13]), XHCI_CC_EVENT_RING_FULL);
	guest_log_clear(g);
	assert_int_equal(guest_events(g, 0), 3);
	check_log(g, 1, g->ep[1][3].base + 16 * 14, 2, XHCI_CC_SHORT_PACKET);
	check_log(g, 2, g->ep[1][3].base, 2, XHCI_CC_SHORT_PACKET);
	guest_get(g, DATA(g), bytes, 8);
	assert_memory_equal(bytes, "\x01\x07\0\0\0\0", 6);
	guest_get(g, DATA(g) + 8, bytes, 8);
	assert_memory_equal(bytes, "\0\x08\0\0\0\0", 6);
}

static void test_second_interrupter(void **state)
{
	struct guest *g = *state;

	guest_events_set(g, 3, 1, 16);
	put(g, 3, DATA(g), 8 | 3u << XHCI_TRB_INTR_SHIFT,
	    TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 3);
	point(g, 1);
	assert_int_equal(guest_events(g, 0), 0);
	assert_event(g, 3, XHCI_TRANSFER_EVENT, XHCI_CC_SHORT_PACKET);
	/* One that does not exist. */
	put(g, 3, DATA(g), 8 | 1023u << XHCI_TRB_INTR_SHIFT,
	    TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 3);
	point(g, 2);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_SHORT_PACKET);
}

/* The event of a stopped transfer waits for room on its own ring. */
static void test_stop_waits(void **state)
{
	struct guest *g = *state;
	unsigned i;

	guest_events_set(g, 3, 1, 16);
	for (i = 0; i < 13; i++)
		put(g, 3, 0, 3u << XHCI_TRB_INTR_SHIFT,
		    TYPE(XHCI_NO_OP) | XHCI_TRB_IOC);
	put(g, 3, DATA(g), 8 | 3u << XHCI_TRB_INTR_SHIFT,
	    TYPE(XHCI_NORMAL) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 3);
	put(g, 1, 0, 3u << XHCI_TRB_INTR_SHIFT,
	    TYPE(XHCI_NO_OP) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 1);
	guest_log_clear(g);
	assert_int_equal(
	    guest_command(g, XHCI_STOP_ENDPOINT, 1, 0, 3u << XHCI_TRB_EP_SHIFT),
	    0);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_RUNNING);
	assert_int_equal(guest_events(g, 3), 14);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
	guest_log_clear(g);
	assert_int_equal(guest_events(g, 3), 2);
	assert_int_equal(guest_cc(&g->log[0]), XHCI_CC_STOPPED);
}

/* ---- interruptions ---- */

static void test_suspended(void **state)
{
	const uint32_t link = XHCI_PORTSC_PP | XHCI_PORTSC_LWS;
	struct guest *g = *state;
	uint8_t bytes[8];

	guest_poll(g, 1, 8);
	guest_portsc_set(g, 1, link | XHCI_PLS_U3 << XHCI_PORTSC_PLS_SHIFT);
	point(g, 9);
	put_setup(g, get_device);
	guest_doorbell(g, 1, 1);
	assert_int_equal(guest_events(g, 0), 0);
	guest_portsc_set(g, 1, link | XHCI_PLS_RESUME << XHCI_PORTSC_PLS_SHIFT);
	guest_portsc_set(g, 1, link);
	assert_int_equal(guest_report(g, 1, bytes), 6);
	assert_int_equal(bytes[1], 9);
}

static void test_reset_in_the_middle(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[64];

	put_setup(g, get_device);
	guest_doorbell(g, 1, 1);
	guest_poll(g, 1, 8);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_HCRST);
	point(g, 9);
	guest_doorbell(g, 1, 3);
	guest_doorbell(g, 1, 1);
	guest_start(g);
	guest_events(g, 0);
	guest_doorbell(g, 1, 3);
	assert_int_equal(guest_events(g, 0), 0);
	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	assert_int_equal(guest_control(g, 1, get_device, bytes), 18);
	/* What the person did meanwhile is told to who listens now. */
	guest_poll(g, 1, 8);
	assert_int_equal(guest_report(g, 1, bytes), 6);
	assert_int_equal(bytes[1], 9);
}

static void test_halt_and_run(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[8];

	guest_poll(g, 1, 8);
	guest_op_set(g, XHCI_USBCMD, 0);
	point(g, 3);
	assert_int_equal(guest_events(g, 0), 0);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	guest_log_clear(g);
	guest_events(g, 0);
	/* The other port's connection, and the report. */
	assert_int_equal(g->logged, 2);
	guest_get(g, g->mem + AT_REPORT(1), bytes, 8);
	assert_int_equal(bytes[1], 3);
}

/* A new Setup Stage ends a request whose status was never asked for. */
static void test_setup_again(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[64];

	put_setup(g, (struct usb_setup){.bRequest = 9, .wLength = 64});
	put(g, 1, DATA(g), 64, TYPE(XHCI_DATA_STAGE));
	guest_doorbell(g, 1, 1);
	assert_int_equal(guest_control(g, 1, get_device, bytes), 18);
	/* A second Data Stage has nothing to do with the first. */
	put_setup(g, get_device);
	put(g, 1, DATA(g), 64, TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN);
	put(g, 1, DATA(g), 64, TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN);
	guest_doorbell(g, 1, 1);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRB);
}

/* A request ends with its Status Stage, and with a new dequeue pointer. */
static void test_control_ends(void **state)
{
	struct guest *g = *state;
	uint8_t bytes[64];
	uint64_t at;

	assert_int_equal(guest_control(g, 1, get_device, bytes), 18);
	put(g, 1, 0, 0, TYPE(XHCI_STATUS_STAGE) | XHCI_TRB_IOC);
	guest_doorbell(g, 1, 1);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRB);
	at = (g->ep[1][1].base + 16 * g->ep[1][1].at) | g->ep[1][1].cycle;
	assert_int_equal(guest_command(g, XHCI_SET_TR_DEQUEUE, 1, at,
				       1u << XHCI_TRB_EP_SHIFT),
			 XHCI_CC_SUCCESS);
	put_setup(g, get_device);
	guest_doorbell(g, 1, 1);
	assert_int_equal(
	    guest_command(g, XHCI_STOP_ENDPOINT, 1, 0, 1u << XHCI_TRB_EP_SHIFT),
	    XHCI_CC_SUCCESS);
	assert_int_equal(guest_command(g, XHCI_SET_TR_DEQUEUE, 1, at + 16,
				       1u << XHCI_TRB_EP_SHIFT),
			 XHCI_CC_SUCCESS);
	put(g, 1, DATA(g), 64, TYPE(XHCI_DATA_STAGE) | XHCI_TRB_DIR_IN);
	guest_doorbell(g, 1, 1);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRB);
}

/* Everything above 4 GiB. */
static void test_high_memory(void **state UNUSED)
{
	struct guest *g = guest_create("tablet", GUEST_HIGH, NULL);
	uint8_t bytes[64];
	unsigned i;

	guest_start(g);
	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	assert_int_equal(guest_control(g, 1, get_device, bytes), 18);
	for (i = 1; i < 100; i++) {
		guest_poll(g, 1, 8);
		point(g, (uint16_t)i);
		assert_int_equal(guest_report(g, 1, bytes), 6);
		assert_int_equal(bytes[1], i);
	}
	assert_int_equal(guest_read(g, g->rt + XHCI_IR0 + XHCI_ERDP + 4), 1);
	guest_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    tablet_test(test_scatter),
	    tablet_test(test_event_data),
	    tablet_test(test_event_data_counts),
	    tablet_test(test_short_skips),
	    tablet_test(test_exact_length),
	    tablet_test(test_silent),
	    tablet_test(test_no_op),
	    tablet_test(test_incomplete),
	    tablet_test(test_wrap),
	    tablet_test(test_link_tells),
	    tablet_test(test_quiet_event),
	    tablet_test(test_immediate_data),
	    tablet_test(test_stall),
	    tablet_test(test_trb_errors),
	    tablet_test(test_endless),
	    tablet_test(test_babble),
	    tablet_test(test_unreachable),
	    tablet_test(test_no_endpoint),
	    tablet_test(test_nowhere),
	    tablet_test(test_events_wait),
	    tablet_test(test_second_interrupter),
	    tablet_test(test_stop_waits),
	    tablet_test(test_suspended),
	    tablet_test(test_reset_in_the_middle),
	    tablet_test(test_halt_and_run),
	    tablet_test(test_setup_again),
	    tablet_test(test_control_ends),
	    cmocka_unit_test(test_high_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
