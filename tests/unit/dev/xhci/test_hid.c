/* SPDX-License-Identifier: BSD-2-Clause */
/* USB tablet and keyboard: what the guest is told of what a person does. */
#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "check.h"

#define TABLET	 1u /* slots */
#define KEYBOARD 2u

static int both_setup(void **state)
{
	struct guest *g;

	check_setup(state);
	g = *state;
	assert_int_equal(guest_setup(g, TABLET_PORT), TABLET);
	assert_int_equal(guest_setup(g, KEYBOARD_PORT), KEYBOARD);
	return 0;
}

#define both_test(fn) \
	cmocka_unit_test_setup_teardown(fn, both_setup, check_teardown)

static void point(struct guest *g, struct input_pointer event)
{
	input_pointer(g->hub, &event);
}

/* The report of the poll before; then polls again. */
static void next_report(struct guest *g, unsigned slot, const char *want,
			unsigned len)
{
	uint8_t report[8] = {0};

	assert_int_equal(guest_report(g, slot, report), len);
	assert_memory_equal(report, want, len);
	guest_poll(g, slot, 8);
}

static void no_report(struct guest *g, unsigned slot)
{
	uint8_t report[8];

	assert_int_equal(guest_report(g, slot, report), 0);
}

#define next_point(g, want) next_report(g, TABLET, want, 6)
#define next_keys(g, want)  next_report(g, KEYBOARD, want, 8)

/* ---- tablet ---- */

static void test_tablet(void **state)
{
	struct guest *g = *state;

	guest_poll(g, TABLET, 8);
	no_report(g, TABLET);
	point(g, (struct input_pointer){.x = 0x1234, .y = 0x5678});
	next_point(g, "\x00\x34\x12\x78\x56\x00");
	no_report(g, TABLET);
	point(g, (struct input_pointer){
		     .x = 0x1234, .y = 0x5678, .buttons = 0xff, .wheel = 1});
	next_point(g, "\x1f\x34\x12\x78\x56\x01");
	point(g, (struct input_pointer){
		     .x = 0xffff, .y = INPUT_ABS_MAX, .wheel = -3});
	next_point(g, "\x00\xff\x7f\xff\x7f\xfd");
	/* Nothing new, nothing told. */
	point(g, (struct input_pointer){.x = 0xffff, .y = INPUT_ABS_MAX});
	no_report(g, TABLET);
}

/* Between two polls: positions merge, buttons do not. */
static void test_tablet_queue(void **state)
{
	struct guest *g = *state;
	unsigned i;

	guest_poll(g, TABLET, 8);
	point(g, (struct input_pointer){.x = 1});
	guest_events(g, 0);
	for (i = 2; i < 1000; i++)
		point(g, (struct input_pointer){.x = (uint16_t)i});
	point(g, (struct input_pointer){.x = 2000, .buttons = 1});
	point(g, (struct input_pointer){.x = 2001, .buttons = 1});
	point(g, (struct input_pointer){.x = 2001, .buttons = 0});
	point(g, (struct input_pointer){.x = 2001, .buttons = 1});
	point(g, (struct input_pointer){.x = 2001, .buttons = 3});
	point(g, (struct input_pointer){.x = 3, .y = 4, .buttons = 0});
	point(g, (struct input_pointer){.x = 5, .y = 6, .buttons = 0});
	guest_log_clear(g);
	guest_poll(g, TABLET, 8);
	next_point(g, "\x00\xe7\x03\x00\x00\x00");
	next_point(g, "\x01\xd1\x07\x00\x00\x00");
	next_point(g, "\x00\xd1\x07\x00\x00\x00");
	next_point(g, "\x01\xd1\x07\x00\x00\x00");
	next_point(g, "\x03\xd1\x07\x00\x00\x00");
	next_point(g, "\x00\x05\x00\x06\x00\x00");
	no_report(g, TABLET);
}

/* All the 64 changes that fit; one more, and only the state counts. */
static void test_tablet_overflow(void **state)
{
	struct guest *g = *state;
	unsigned i;

	guest_poll(g, TABLET, 8);
	point(g, (struct input_pointer){.x = 1});
	next_report(g, TABLET, "\0\x01\0\0\0\0", 6);
	point(g, (struct input_pointer){.x = 2});
	guest_events(g, 0); /* takes the last buffer */
	for (i = 0; i < 64; i++)
		point(g, (struct input_pointer){.x = 2, .buttons = !(i & 1)});
	guest_poll(g, TABLET, 8);
	for (i = 0; i < 64; i++)
		next_point(g, i & 1 ? "\0\x02\0\0\0\0" : "\x01\x02\0\0\0\0");
	no_report(g, TABLET);
	point(g, (struct input_pointer){.x = 3});
	guest_events(g, 0);
	for (i = 0; i < 65; i++)
		point(g, (struct input_pointer){
			     .x = 3, .buttons = !(i & 1), .wheel = i < 9});
	guest_poll(g, TABLET, 8);
	next_point(g, "\x01\x03\0\0\0\0");
	no_report(g, TABLET);
}

static void test_tablet_wheel(void **state)
{
	struct guest *g = *state;

	guest_poll(g, TABLET, 8);
	point(g, (struct input_pointer){.x = 1});
	guest_events(g, 0);
	point(g, (struct input_pointer){.x = 1, .wheel = 100});
	point(g, (struct input_pointer){.x = 1, .wheel = 100});
	point(g, (struct input_pointer){.x = 1, .wheel = INT32_MIN});
	point(g, (struct input_pointer){.x = 1, .wheel = 100});
	guest_poll(g, TABLET, 8);
	next_point(g, "\0\x01\0\0\0\x7f"); /* 300 - 127, in two */
	next_point(g, "\0\x01\0\0\0\x2e");
	no_report(g, TABLET);
}

/* ---- keyboard ---- */

static void tap(struct guest *g, uint8_t key)
{
	input_key(g->hub, key, true);
	input_key(g->hub, key, false);
}

static void test_keyboard(void **state)
{
	struct guest *g = *state;

	guest_poll(g, KEYBOARD, 8);
	input_key(g->hub, 0x1e, true); /* a */
	next_keys(g, "\0\0\x04\0\0\0\0\0");
	input_key(g->hub, 0x1e, true); /* repeated: not our business */
	no_report(g, KEYBOARD);
	input_key(g->hub, 0x2a, true); /* left shift */
	next_keys(g, "\x02\0\x04\0\0\0\0\0");
	input_key(g->hub, 0xb8, true); /* right alt */
	next_keys(g, "\x42\0\x04\0\0\0\0\0");
	input_key(g->hub, 0x30, true); /* b */
	next_keys(g, "\x42\0\x04\x05\0\0\0\0");
	input_key(g->hub, 0x1e, false);
	next_keys(g, "\x42\0\x05\0\0\0\0\0");
	input_key(g->hub, 0x2a, false);
	input_key(g->hub, 0xb8, false);
	input_key(g->hub, 0x30, false);
	next_keys(g, "\x40\0\x05\0\0\0\0\0");
	next_keys(g, "\0\0\x05\0\0\0\0\0");
	next_keys(g, "\0\0\0\0\0\0\0\0");
	no_report(g, KEYBOARD);
}

/* Taps faster than polls: each is told, down and up. */
static void test_keyboard_queue(void **state)
{
	struct guest *g = *state;

	guest_poll(g, KEYBOARD, 8);
	tap(g, 0x23);
	tap(g, 0x17);
	next_keys(g, "\0\0\x0b\0\0\0\0\0");
	next_keys(g, "\0\0\0\0\0\0\0\0");
	next_keys(g, "\0\0\x0c\0\0\0\0\0");
	next_keys(g, "\0\0\0\0\0\0\0\0");
	no_report(g, KEYBOARD);
}

static void test_keyboard_overflow(void **state)
{
	struct guest *g = *state;
	unsigned i;

	guest_poll(g, KEYBOARD, 8);
	tap(g, 0x1e); /* the press takes the buffer */
	guest_events(g, 0);
	for (i = 0; i < 40; i++)
		tap(g, 0x30);
	input_key(g->hub, 0x2e, true); /* c is down at the end */
	guest_poll(g, KEYBOARD, 8);
	next_keys(g, "\0\0\x06\0\0\0\0\0");
	no_report(g, KEYBOARD);
	input_key(g->hub, 0x2e, false);
	next_keys(g, "\0\0\0\0\0\0\0\0");
}

static void test_rollover(void **state)
{
	struct guest *g = *state;
	uint8_t key;

	guest_poll(g, KEYBOARD, 8);
	for (key = 0x02; key < 0x08; key++)
		input_key(g->hub, key, true);
	next_keys(g, "\0\0\x1e\0\0\0\0\0");
	next_keys(g, "\0\0\x1e\x1f\0\0\0\0");
	next_keys(g, "\0\0\x1e\x1f\x20\0\0\0");
	next_keys(g, "\0\0\x1e\x1f\x20\x21\0\0");
	next_keys(g, "\0\0\x1e\x1f\x20\x21\x22\0");
	next_keys(g, "\0\0\x1e\x1f\x20\x21\x22\x23");
	input_key(g->hub, 0x08, true);
	next_keys(g, "\0\0\x01\x01\x01\x01\x01\x01");
	/* The same report again is not told. */
	for (key = 0x09; key < 0x40; key++)
		input_key(g->hub, key, true);
	next_keys(g, "\x01\0\x01\x01\x01\x01\x01\x01"); /* left control */
	next_keys(g, "\x03\0\x01\x01\x01\x01\x01\x01"); /* left shift */
	for (key = 0x02; key < 0x40; key++)
		input_key(g->hub, key, false);
	/* Right shift and left alt, which waited behind the others. */
	next_keys(g, "\x23\0\x01\x01\x01\x01\x01\x01");
	next_keys(g, "\x27\0\x01\x01\x01\x01\x01\x01");
}

static void test_key_codes(void **state)
{
	static const struct {
		uint8_t key, usage;
	} keys[] = {
	    {0x01, 0x29}, /* escape */
	    {0x0e, 0x2a}, /* backspace */
	    {0x1c, 0x28}, /* enter */
	    {0x39, 0x2c}, /* space */
	    {0x3b, 0x3a}, /* F1 */
	    {0x44, 0x43}, /* F10 */
	    {0x45, 0x53}, /* num lock */
	    {0x46, 0x47}, /* scroll lock */
	    {0x52, 0x62}, /* keypad 0 */
	    {0x56, 0x64}, /* between left shift and z */
	    {0x57, 0x44}, /* F11 */
	    {0x58, 0x45}, /* F12 */
	    {0x9c, 0x58}, /* keypad enter */
	    {0xb5, 0x54}, /* keypad / */
	    {0xb7, 0x46}, /* print screen */
	    {0xc7, 0x4a}, /* home */
	    {0xc8, 0x52}, /* up */
	    {0xd0, 0x51}, /* down */
	    {0xcb, 0x50}, /* left */
	    {0xcd, 0x4f}, /* right */
	    {0xd3, 0x4c}, /* delete */
	    {0xdd, 0x65}, /* menu */
	    {INPUT_KEY_PAUSE, 0x48},
	    {0x29, 0x35}, /* hankaku/zenkaku */
	    {0x70, 0x88}, /* katakana/hiragana */
	    {0x73, 0x87}, /* ro */
	    {0x79, 0x8a}, /* henkan */
	    {0x7b, 0x8b}, /* muhenkan */
	    {0x7d, 0x89}, /* yen */
	    {0x71, 0x91}, /* hanja */
	    {0x72, 0x90}, /* hangul */
	};
	static const uint8_t modifiers[] = {0x1d, 0x2a, 0x38, 0xdb,
					    0x9d, 0x36, 0xb8, 0xdc};
	struct guest *g = *state;
	char want[8] = {0};
	unsigned i;

	guest_poll(g, KEYBOARD, 8);
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		want[2] = (char)keys[i].usage;
		tap(g, keys[i].key);
		next_keys(g, want);
		next_keys(g, "\0\0\0\0\0\0\0\0");
	}
	for (i = 0; i < sizeof(modifiers); i++) {
		memset(want, 0, sizeof(want));
		want[0] = (char)(1 << i);
		tap(g, modifiers[i]);
		next_keys(g, want);
		next_keys(g, "\0\0\0\0\0\0\0\0");
	}
}

/* Every code once: no usage twice but those that share a key. */
static void test_every_code(void **state)
{
	struct guest *g = *state;
	uint8_t report[8], zero[8] = {0}, from[256] = {0};
	unsigned key, told = 0;

	guest_poll(g, KEYBOARD, 8);
	for (key = 0; key < 256; key++) {
		input_key(g->hub, (uint8_t)key, true);
		if (!guest_report(g, KEYBOARD, report))
			continue;
		told++;
		if (report[2]) {
			/* print screen is e0 37 and, with alt, 54 */
			if (key != 0xb7)
				assert_int_equal(from[report[2]], 0);
			from[report[2]] = (uint8_t)key;
		}
		guest_poll(g, KEYBOARD, 8);
		input_key(g->hub, (uint8_t)key, false);
		assert_int_equal(guest_report(g, KEYBOARD, report), 8);
		assert_memory_equal(report, zero, 8);
		guest_poll(g, KEYBOARD, 8);
	}
	assert_int_equal(told, 111 + 20); /* plain, behind e0 */
}

/* ---- class requests ---- */

static int class_get(struct guest *g, unsigned slot, uint8_t request,
		     uint16_t value, uint8_t *data, uint16_t len)
{
	return guest_control(g, slot,
			     (struct usb_setup){.bmRequestType = 0xa1,
						.bRequest = request,
						.wValue = htole16(value),
						.wLength = htole16(len)},
			     data);
}

static int class_set(struct guest *g, unsigned slot, uint8_t request,
		     uint16_t value, uint8_t *data, uint16_t len)
{
	return guest_control(g, slot,
			     (struct usb_setup){.bmRequestType = 0x21,
						.bRequest = request,
						.wValue = htole16(value),
						.wLength = htole16(len)},
			     data);
}

static void stalled(struct guest *g, unsigned slot, int result)
{
	assert_int_equal(result, -XHCI_CC_STALL);
	assert_int_equal(guest_recover(g, slot, 1), XHCI_CC_SUCCESS);
}

static void test_class_requests(void **state)
{
	struct guest *g = *state;
	uint8_t byte = 0x15, out[64] = {0xff};

	assert_int_equal(
	    class_set(g, KEYBOARD, USB_HID_SET_REPORT, 0x200, &byte, 1), 1);
	byte = 0;
	assert_int_equal(
	    class_get(g, KEYBOARD, USB_HID_GET_REPORT, 0x200, &byte, 1), 1);
	assert_int_equal(byte, 0x15);
	assert_int_equal(
	    class_set(g, KEYBOARD, USB_HID_SET_IDLE, 0x7d00, NULL, 0), 0);
	assert_int_equal(class_get(g, KEYBOARD, USB_HID_GET_IDLE, 0, &byte, 1),
			 1);
	assert_int_equal(byte, 0x7d);
	assert_int_equal(
	    class_get(g, KEYBOARD, USB_HID_GET_PROTOCOL, 0, &byte, 1), 1);
	assert_int_equal(byte, 1);
	assert_int_equal(
	    class_set(g, KEYBOARD, USB_HID_SET_PROTOCOL, 0, NULL, 0), 0);
	assert_int_equal(
	    class_get(g, KEYBOARD, USB_HID_GET_PROTOCOL, 0, &byte, 1), 1);
	assert_int_equal(byte, 0);
	stalled(g, KEYBOARD,
		class_set(g, KEYBOARD, USB_HID_SET_PROTOCOL, 2, NULL, 0));
	/* Not an output report; none; more than the device ever takes. */
	stalled(g, KEYBOARD,
		class_set(g, KEYBOARD, USB_HID_SET_REPORT, 0x300, out, 1));
	stalled(g, KEYBOARD,
		class_set(g, KEYBOARD, USB_HID_SET_REPORT, 0x200, NULL, 0));
	stalled(g, KEYBOARD,
		class_set(g, KEYBOARD, USB_HID_SET_REPORT, 0x200, out, 64));
	/* A tablet has no boot protocol and no LEDs. */
	stalled(g, TABLET,
		class_get(g, TABLET, USB_HID_GET_PROTOCOL, 0, &byte, 1));
	stalled(g, TABLET,
		class_set(g, TABLET, USB_HID_SET_REPORT, 0x200, out, 1));
	assert_int_equal(class_set(g, TABLET, USB_HID_SET_IDLE, 0, NULL, 0), 0);
}

static void test_get_report(void **state)
{
	struct guest *g = *state;
	uint8_t report[64];

	point(g, (struct input_pointer){.x = 1, .y = 2, .buttons = 4});
	input_key(g->hub, 0x1e, true);
	/* 64 are asked for, the report is shorter. */
	assert_int_equal(
	    class_get(g, TABLET, USB_HID_GET_REPORT, 0x100, report, 64), 6);
	assert_memory_equal(report, "\x04\x01\0\x02\0\0", 6);
	assert_int_equal(
	    class_get(g, KEYBOARD, USB_HID_GET_REPORT, 0x100, report, 8), 8);
	assert_memory_equal(report, "\0\0\x04\0\0\0\0\0", 8);
	/* Asking does not take it from the endpoint. */
	guest_poll(g, KEYBOARD, 8);
	next_keys(g, "\0\0\x04\0\0\0\0\0");
}

static int halt_feature(struct guest *g, uint8_t request)
{
	return guest_control(g, TABLET,
			     (struct usb_setup){.bmRequestType = 0x02,
						.bRequest = request,
						.wIndex = htole16(0x81)},
			     NULL);
}

static void test_endpoint_halt(void **state)
{
	struct guest *g = *state;
	uint8_t status[2];

	assert_int_equal(halt_feature(g, USB_SET_FEATURE), 0);
	point(g, (struct input_pointer){.x = 1});
	guest_poll(g, TABLET, 8);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_STALL);
	assert_int_equal(guest_ep_state(g, TABLET, 3), XHCI_EP_HALTED);
	assert_int_equal(
	    guest_control(g, TABLET,
			  (struct usb_setup){.bmRequestType = 0x82,
					     .wIndex = htole16(0x81),
					     .wLength = htole16(2)},
			  status),
	    2);
	assert_int_equal(status[0], 1);
	assert_int_equal(halt_feature(g, USB_CLEAR_FEATURE), 0);
	assert_int_equal(guest_recover(g, TABLET, 3), XHCI_CC_SUCCESS);
	guest_poll(g, TABLET, 8);
	next_point(g, "\0\x01\0\0\0\0");
}

/* What a reset of the bus, or a new configuration, makes the device forget. */
static void test_forgets(void **state)
{
	struct guest *g = *state;
	uint8_t byte = 0x1f, status[2];

	guest_poll(g, KEYBOARD, 8);
	input_key(g->hub, 0x1e, true);
	next_keys(g, "\0\0\x04\0\0\0\0\0");
	assert_int_equal(
	    class_set(g, KEYBOARD, USB_HID_SET_REPORT, 0x200, &byte, 1), 1);
	guest_port_reset(g, KEYBOARD_PORT);
	guest_command(g, XHCI_RESET_DEVICE, KEYBOARD, 0, 0);
	assert_int_equal(guest_address(g, KEYBOARD, KEYBOARD_PORT, false),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_configure(g, KEYBOARD), XHCI_CC_SUCCESS);
	assert_int_equal(
	    class_get(g, KEYBOARD, USB_HID_GET_REPORT, 0x200, &byte, 1), 1);
	assert_int_equal(byte, 0);
	/* Not configured: its endpoint does not answer. */
	guest_poll(g, KEYBOARD, 8);
	assert_event(g, 0, XHCI_TRANSFER_EVENT, XHCI_CC_TRANSACTION);
	assert_int_equal(guest_recover(g, KEYBOARD, 3), XHCI_CC_SUCCESS);
	/* The key is still held, and told again. */
	assert_int_equal(
	    guest_control(g, KEYBOARD,
			  (struct usb_setup){.bRequest = USB_SET_CONFIGURATION,
					     .wValue = htole16(1)},
			  NULL),
	    0);
	guest_poll(g, KEYBOARD, 8);
	next_keys(g, "\0\0\x04\0\0\0\0\0");
	assert_int_equal(halt_feature(g, USB_SET_FEATURE), 0);
	assert_int_equal(
	    guest_control(g, TABLET,
			  (struct usb_setup){.bRequest = USB_SET_CONFIGURATION,
					     .wValue = htole16(1)},
			  NULL),
	    0);
	assert_int_equal(
	    guest_control(g, TABLET,
			  (struct usb_setup){.bmRequestType = 0x82,
					     .wIndex = htole16(0x81),
					     .wLength = htole16(2)},
			  status),
	    2);
	assert_int_equal(status[0], 0);
}

/* Typed while the controller is in D3, told when it is back. */
static void test_power(void **state)
{
	struct guest *g = *state;

	guest_poll(g, KEYBOARD, 8);
	fake_cfg_write(&g->fake, GUEST_ADDR, 0x68, 2, 3);
	input_key(g->hub, 0x1e, true);
	fake_cfg_write(&g->fake, GUEST_ADDR, 0x68, 2, 0);
	next_keys(g, "\0\0\x04\0\0\0\0\0");
}

/* ---- who listens ---- */

struct other {
	unsigned keys, points;
};

static void other_key(void *ctx, uint8_t key UNUSED, bool down)
{
	((struct other *)ctx)->keys += down;
}

static void other_pointer(void *ctx, const struct input_pointer *event UNUSED)
{
	((struct other *)ctx)->points++;
}

/* Where do a key and a pointer event go: to the devices before us? */
static bool others_have(struct guest *g, struct other *other)
{
	struct other old = *other;

	tap(g, 0x1e);
	point(g, (struct input_pointer){.x = (uint16_t)(old.points + 1)});
	assert_int_equal(other->keys - old.keys, other->points - old.points);
	return other->keys != old.keys;
}

static void test_active(void **state UNUSED)
{
	const uint32_t link = XHCI_PORTSC_PP | XHCI_PORTSC_LWS;
	struct other other = {0};
	const struct input_sink sink = {
	    .key = other_key, .pointer = other_pointer, .ctx = &other};
	struct guest *g = guest_create_behind(&sink, "tablet,kbd");
	unsigned port;

	/* The device before us gets what we do not listen to. */
	guest_start(g);
	assert_true(others_have(g, &other));
	assert_int_equal(guest_setup(g, TABLET_PORT), TABLET);
	assert_int_equal(guest_setup(g, KEYBOARD_PORT), KEYBOARD);
	/* Configured, but nobody reads. */
	assert_true(others_have(g, &other));
	guest_poll(g, TABLET, 8);
	guest_poll(g, KEYBOARD, 8);
	assert_false(others_have(g, &other));
	for (port = 1; port <= 2; port++)
		guest_portsc_set(g, port, link | XHCI_PLS_U3 << 5);
	assert_true(others_have(g, &other));
	for (port = 1; port <= 2; port++)
		guest_portsc_set(g, port, link);
	assert_false(others_have(g, &other));
	guest_op_set(g, XHCI_USBCMD, 0);
	assert_true(others_have(g, &other));
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	assert_false(others_have(g, &other));
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_HCRST);
	assert_true(others_have(g, &other));
	guest_destroy(g);
}

/* A key held while nobody listens, and one let go of. */
static void test_not_listening(void **state)
{
	struct guest *g = *state;

	guest_poll(g, KEYBOARD, 8);
	input_key(g->hub, 0x1e, true);
	next_keys(g, "\0\0\x04\0\0\0\0\0");
	assert_int_equal(guest_command(g, XHCI_STOP_ENDPOINT, KEYBOARD, 0,
				       3u << XHCI_TRB_EP_SHIFT),
			 XHCI_CC_SUCCESS);
	input_key(g->hub, 0x30, true);
	tap(g, 0x2e);
	input_key(g->hub, 0x1e, false);
	guest_events(g, 0);
	guest_doorbell(g, KEYBOARD, 3);
	next_keys(g, "\0\0\x05\0\0\0\0\0");
	no_report(g, KEYBOARD);
	input_key(g->hub, 0x30, false);
	next_keys(g, "\0\0\0\0\0\0\0\0");
}

/* ---- threads ---- */

#define PRESSES 3000u

struct screen {
	struct guest *g;
	uint32_t done;
};

static void *type_and_point(void *ctx)
{
	struct screen *screen = ctx;
	unsigned i;

	for (i = 1; i <= PRESSES; i++) {
		tap(screen->g, (uint8_t)(2 + i % 8));
		point(screen->g, (struct input_pointer){.x = (uint16_t)i,
							.buttons = i & 1});
	}
	__atomic_store_n(&screen->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Reads what came; true when it was something. */
static bool follow(struct guest *g, uint64_t at[3], uint8_t last[3][8])
{
	struct xhci_trb event;
	unsigned slot;

	if (!guest_event_peek(g, 0, &event))
		return false;
	guest_events_ack(g, 0);
	slot = event.control >> XHCI_TRB_SLOT_SHIFT;
	assert_in_range(slot, 1, 2);
	assert_int_equal(event.param, at[slot]);
	guest_get(g, g->mem + AT_REPORT(slot), last[slot], 8);
	at[slot] = guest_poll(g, slot, 8);
	return true;
}

/* A screen's thread and a vCPU at once: at the end both know the same. */
static void test_threads(void **state)
{
	struct guest *g = *state;
	uint8_t last[3][8] = {0};
	uint64_t at[3] = {0};
	struct screen screen = {.g = g};
	pthread_t thread;

	at[TABLET] = guest_poll(g, TABLET, 8);
	at[KEYBOARD] = guest_poll(g, KEYBOARD, 8);
	assert_int_equal(pthread_create(&thread, NULL, type_and_point, &screen),
			 0);
	while (!__atomic_load_n(&screen.done, __ATOMIC_SEQ_CST))
		(void)follow(g, at, last);
	assert_int_equal(pthread_join(thread, NULL), 0);
	while (follow(g, at, last))
		;
	assert_memory_equal(last[TABLET], "\0\xb8\x0b\0\0\0", 6);
	assert_memory_equal(last[KEYBOARD], "\0\0\0\0\0\0\0\0", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    both_test(test_tablet),
	    both_test(test_tablet_queue),
	    both_test(test_tablet_overflow),
	    both_test(test_tablet_wheel),
	    both_test(test_keyboard),
	    both_test(test_keyboard_queue),
	    both_test(test_keyboard_overflow),
	    both_test(test_rollover),
	    both_test(test_key_codes),
	    both_test(test_every_code),
	    both_test(test_class_requests),
	    both_test(test_get_report),
	    both_test(test_endpoint_halt),
	    both_test(test_forgets),
	    both_test(test_power),
	    cmocka_unit_test(test_active),
	    both_test(test_not_listening),
	    both_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
