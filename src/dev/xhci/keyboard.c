/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A USB keyboard whose report is the one of the boot protocol, so that firmware
 * reads it without looking at the report descriptor.
 */
#include <string.h>

#include "dev/xhci/hid.h"

#define KEYS_REPORTED  6u
#define KEYS_HELD      16u /* more at a time are not noticed */
#define USAGE_ROLLOVER 0x01u
#define USAGE_PAUSE    0x48u
#define USAGE_MODIFIER 0xe0u /* left control; eight of them */

/*
 * Input: a byte of modifiers, one reserved, six keys. Output: a byte of LEDs
 * (bit 0 num lock, 1 caps lock, 2 scroll lock, 3 compose, 4 kana).
 * Items as in HID 1.11, 6.2.2; layout of appendix B.1; usages of pages 7, 8.
 */
static const uint8_t keyboard_map[] = {
    0x05, 0x01,		    /* Usage Page (Generic Desktop) */
    0x09, 0x06,		    /* Usage (Keyboard) */
    0xa1, 0x01,		    /* Collection (Application) */
    0x05, 0x07,		    /*  Usage Page (Keyboard) */
    0x19, 0xe0, 0x29, 0xe7, /*  Usage Minimum e0, Maximum e7 */
    0x15, 0x00, 0x25, 0x01, /*  Logical Minimum 0, Maximum 1 */
    0x75, 0x01, 0x95, 0x08, /*  Report Size 1, Count 8 */
    0x81, 0x02,		    /*  Input (Data, Variable, Absolute) */
    0x75, 0x08, 0x95, 0x01, /*  Report Size 8, Count 1 */
    0x81, 0x01,		    /*  Input (Constant) */
    0x05, 0x08,		    /*  Usage Page (LEDs) */
    0x19, 0x01, 0x29, 0x05, /*  Usage Minimum 1, Maximum 5 */
    0x75, 0x01, 0x95, 0x05, /*  Report Size 1, Count 5 */
    0x91, 0x02,		    /*  Output (Data, Variable, Absolute) */
    0x95, 0x03,		    /*  Report Count 3 */
    0x91, 0x01,		    /*  Output (Constant) */
    0x05, 0x07,		    /*  Usage Page (Keyboard) */
    0x19, 0x00,		    /*  Usage Minimum 0 */
    0x2a, 0xff, 0x00,	    /*  Usage Maximum ff */
    0x26, 0xff, 0x00,	    /*  Logical Maximum 255 */
    0x75, 0x08, 0x95, 0x06, /*  Report Size 8, Count 6 */
    0x81, 0x00,		    /*  Input (Data, Array) */
    0xc0,		    /* End Collection */
};

/*
 * Usages of page 7 by set 1 make code: without, and with e0 in front.
 * Source: USB HID to PS/2 Scan Code Translation Table (Microsoft), with the
 * Japanese (70, 73, 79, 7b, 7d) and Korean (71, 72) keys.
 */
static const uint8_t plain_usage[0x80] = {
    0x00, 0x29, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, /* 00 */
    0x24, 0x25, 0x26, 0x27, 0x2d, 0x2e, 0x2a, 0x2b, /* 08 */
    0x14, 0x1a, 0x08, 0x15, 0x17, 0x1c, 0x18, 0x0c, /* 10 */
    0x12, 0x13, 0x2f, 0x30, 0x28, 0xe0, 0x04, 0x16, /* 18 */
    0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x33, /* 20 */
    0x34, 0x35, 0xe1, 0x31, 0x1d, 0x1b, 0x06, 0x19, /* 28 */
    0x05, 0x11, 0x10, 0x36, 0x37, 0x38, 0xe5, 0x55, /* 30 */
    0xe2, 0x2c, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, /* 38 */
    0x3f, 0x40, 0x41, 0x42, 0x43, 0x53, 0x47, 0x5f, /* 40 */
    0x60, 0x61, 0x56, 0x5c, 0x5d, 0x5e, 0x57, 0x59, /* 48 */
    0x5a, 0x5b, 0x62, 0x63, 0x46, 0x00, 0x64, 0x44, /* 50 */
    0x45, 0x67, 0x00, 0x00, 0x8c, 0x00, 0x00, 0x00, /* 58 */
    0x00, 0x00, 0x00, 0x00, 0x68, 0x69, 0x6a, 0x6b, /* 60 */
    0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x00, /* 68 */
    0x88, 0x91, 0x90, 0x87, 0x00, 0x00, 0x73, 0x93, /* 70 */
    0x92, 0x8a, 0x00, 0x8b, 0x00, 0x89, 0x85, 0x00, /* 78 */
};

static uint8_t extended_usage(uint8_t code)
{
	static const struct {
		uint8_t code, usage;
	} keys[] = {
	    {0x1c, 0x58}, {0x1d, 0xe4}, {0x35, 0x54}, {0x37, 0x46},
	    {0x38, 0xe6}, {0x46, 0x48}, {0x47, 0x4a}, {0x48, 0x52},
	    {0x49, 0x4b}, {0x4b, 0x50}, {0x4d, 0x4f}, {0x4f, 0x4d},
	    {0x50, 0x51}, {0x51, 0x4e}, {0x52, 0x49}, {0x53, 0x4c},
	    {0x5b, 0xe3}, {0x5c, 0xe7}, {0x5d, 0x65}, {0x5e, 0x66},
	};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].code == code)
			return keys[i].usage;
	return 0;
}

_Static_assert(INPUT_KEY_PAUSE == (0x80 | 0x46), "pause is e0 46 above");

static uint8_t key_usage(uint8_t key)
{
	return key & 0x80 ? extended_usage(key & 0x7f) : plain_usage[key];
}

struct keys {
	uint8_t modifiers;
	uint8_t held[KEYS_HELD]; /* usages, in the order they went down */
	unsigned len;
};

struct change {
	uint8_t usage;
	bool down;
};

struct keyboard {
	struct hid hid; /* first */
	struct keys now;
	struct keys told;
	bool news; /* `told` may differ from `now` with an empty queue */
	struct change change[HID_CHANGES];
	unsigned at, len;
};

/* False when nothing changed: a repeated key, or one too many. */
static bool keys_modifier(struct keys *keys, uint8_t bit, bool down)
{
	uint8_t old = keys->modifiers;

	keys->modifiers = (uint8_t)(down ? old | bit : old & ~bit);
	return keys->modifiers != old;
}

static bool keys_change(struct keys *keys, uint8_t usage, bool down)
{
	unsigned i;

	if (usage >= USAGE_MODIFIER)
		return keys_modifier(keys, (uint8_t)BIT(usage - USAGE_MODIFIER),
				     down);
	for (i = 0; i < keys->len && keys->held[i] != usage; i++)
		;
	if (down == (i < keys->len) || (down && keys->len == KEYS_HELD))
		return false;
	if (down) {
		keys->held[keys->len++] = usage;
		return true;
	}
	keys->len--;
	memmove(keys->held + i, keys->held + i + 1, keys->len - i);
	return true;
}

static void put_report(const struct keys *keys, uint8_t report[HID_REPORT_MAX])
{
	memset(report, 0, HID_REPORT_MAX);
	report[0] = keys->modifiers;
	if (keys->len > KEYS_REPORTED)
		memset(report + 2, USAGE_ROLLOVER, KEYS_REPORTED);
	else
		memcpy(report + 2, keys->held, keys->len);
}

static bool same_report(const struct keys *a, const struct keys *b)
{
	uint8_t ra[HID_REPORT_MAX], rb[HID_REPORT_MAX];

	put_report(a, ra);
	put_report(b, rb);
	return !memcmp(ra, rb, sizeof(ra));
}

static void keyboard_forget(struct hid *hid)
{
	struct keyboard *keyboard = (struct keyboard *)hid;

	keyboard->told = (struct keys){0};
	keyboard->news = true;
	keyboard->len = 0;
}

static void keyboard_collapse(struct hid *hid)
{
	struct keyboard *keyboard = (struct keyboard *)hid;

	keyboard->news = true;
	keyboard->len = 0;
}

static void keyboard_key(struct hid *hid, uint8_t key, bool down)
{
	struct keyboard *keyboard = (struct keyboard *)hid;
	uint8_t usage = key_usage(key);

	if (!usage || !keys_change(&keyboard->now, usage, down))
		return;
	/* Behind a collapse that was not told yet only the state counts. */
	if (keyboard->news || keyboard->len == HID_CHANGES) {
		keyboard_collapse(hid);
		return;
	}
	keyboard->change[(keyboard->at + keyboard->len) % HID_CHANGES] =
	    (struct change){usage, down};
	keyboard->len++;
}

static bool keyboard_next(struct hid *hid, uint8_t report[HID_REPORT_MAX])
{
	struct keyboard *keyboard = (struct keyboard *)hid;
	const struct keys before = keyboard->told;

	while (keyboard->len && same_report(&keyboard->told, &before)) {
		const struct change *first = &keyboard->change[keyboard->at];

		(void)keys_change(&keyboard->told, first->usage, first->down);
		keyboard->at = (keyboard->at + 1) % HID_CHANGES;
		keyboard->len--;
	}
	if (keyboard->news) {
		keyboard->told = keyboard->now;
		keyboard->news = false;
	}
	put_report(&keyboard->told, report);
	return !same_report(&keyboard->told, &before);
}

static void keyboard_now(const struct hid *hid, uint8_t report[HID_REPORT_MAX])
{
	const struct keyboard *keyboard = (const struct keyboard *)hid;

	put_report(&keyboard->now, report);
}

static struct hid *keyboard_create(void)
{
	struct keyboard *keyboard = calloc(1, sizeof(*keyboard));

	if (!keyboard)
		return NULL;
	keyboard->hid.kind = &hid_keyboard_kind;
	hid_reset(&keyboard->hid);
	return &keyboard->hid;
}

const struct hid_kind hid_keyboard_kind = {
    .name = "kbd",
    .product = "byway USB Keyboard",
    .product_id = 0x0102,
    .map = keyboard_map,
    .map_len = sizeof(keyboard_map),
    .report_len = HID_REPORT_MAX,
    .subclass = USB_HID_SUBCLASS_BOOT,
    .protocol = USB_HID_PROTOCOL_KEYBOARD,
    .interval = 7, /* 8 ms */
    .leds = true,
    .create = keyboard_create,
    .forget = keyboard_forget,
    .collapse = keyboard_collapse,
    .next = keyboard_next,
    .now = keyboard_now,
    .key = keyboard_key,
};
