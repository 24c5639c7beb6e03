/* SPDX-License-Identifier: BSD-2-Clause */
/* A USB tablet: absolute position, five buttons, a wheel. */
#include <string.h>

#include "dev/xhci/hid.h"

#define TABLET_BUTTONS	 0x1fu
#define TABLET_WHEEL_MAX 127

/*
 * Report: a byte of buttons (bit 0 left, 1 right, 2 middle, 3 and 4 at the
 * side), x and y of 16 bits each, wheel steps since the last report.
 * Items as in HID 1.11, 6.2.2; usages of pages 1 and 9.
 */
static const uint8_t tablet_map[] = {
    0x05, 0x01,		    /* Usage Page (Generic Desktop) */
    0x09, 0x02,		    /* Usage (Mouse) */
    0xa1, 0x01,		    /* Collection (Application) */
    0x09, 0x01,		    /*  Usage (Pointer) */
    0xa1, 0x00,		    /*  Collection (Physical) */
    0x05, 0x09,		    /*   Usage Page (Button) */
    0x19, 0x01, 0x29, 0x05, /*   Usage Minimum 1, Maximum 5 */
    0x15, 0x00, 0x25, 0x01, /*   Logical Minimum 0, Maximum 1 */
    0x75, 0x01, 0x95, 0x05, /*   Report Size 1, Count 5 */
    0x81, 0x02,		    /*   Input (Data, Variable, Absolute) */
    0x95, 0x03,		    /*   Report Count 3 */
    0x81, 0x01,		    /*   Input (Constant) */
    0x05, 0x01,		    /*   Usage Page (Generic Desktop) */
    0x09, 0x30, 0x09, 0x31, /*   Usage (X), Usage (Y) */
    0x26, 0xff, 0x7f,	    /*   Logical Maximum 32767 */
    0x35, 0x00,		    /*   Physical Minimum 0 */
    0x46, 0xff, 0x7f,	    /*   Physical Maximum 32767 */
    0x75, 0x10, 0x95, 0x02, /*   Report Size 16, Count 2 */
    0x81, 0x02,		    /*   Input (Data, Variable, Absolute) */
    0x09, 0x38,		    /*   Usage (Wheel) */
    0x15, 0x81, 0x25, 0x7f, /*   Logical Minimum -127, Maximum 127 */
    0x45, 0x00,		    /*   Physical Maximum 0: as the logical */
    0x75, 0x08, 0x95, 0x01, /*   Report Size 8, Count 1 */
    0x81, 0x06,		    /*   Input (Data, Variable, Relative) */
    0xc0,		    /*  End Collection */
    0xc0,		    /* End Collection */
};

struct point {
	uint16_t x, y;
	uint8_t buttons;
	int wheel; /* steps that came with it */
};

struct tablet {
	struct hid hid; /* first */
	struct point now;
	struct point told;
	bool news; /* `told` may differ from `now` with an empty queue */
	struct point change[HID_CHANGES];
	unsigned at, len;
};

static uint16_t on_screen(uint16_t v)
{
	return v > INPUT_ABS_MAX ? INPUT_ABS_MAX : v;
}

static int clamp(int v, int limit)
{
	return v < -limit ? -limit : v > limit ? limit : v;
}

static void tablet_forget(struct hid *hid)
{
	struct tablet *tablet = (struct tablet *)hid;

	tablet->told = (struct point){0};
	tablet->news = true;
	tablet->len = 0;
}

static void tablet_collapse(struct hid *hid)
{
	struct tablet *tablet = (struct tablet *)hid;

	tablet->news = true;
	tablet->len = 0;
}

/*
 * Positions on the way to the same buttons count for nothing: the latest one
 * wins. A change of buttons keeps the place where it happened.
 */
static void tablet_pointer(struct hid *hid, const struct input_pointer *event)
{
	struct tablet *tablet = (struct tablet *)hid;
	struct point *last;

	tablet->now = (struct point){
	    .x = on_screen(event->x),
	    .y = on_screen(event->y),
	    .buttons = event->buttons & TABLET_BUTTONS,
	};
	if (tablet->len == HID_CHANGES)
		tablet_collapse(hid);
	last = &tablet->change[(tablet->at + tablet->len - 1) % HID_CHANGES];
	if (!tablet->len || last->buttons != tablet->now.buttons) {
		last =
		    &tablet->change[(tablet->at + tablet->len) % HID_CHANGES];
		tablet->len++;
		last->wheel = 0;
	}
	last->x = tablet->now.x;
	last->y = tablet->now.y;
	last->buttons = tablet->now.buttons;
	last->wheel = clamp(last->wheel + clamp(event->wheel, TABLET_WHEEL_MAX),
			    8 * TABLET_WHEEL_MAX);
}

static void put_report(const struct point *point, int wheel,
		       uint8_t report[HID_REPORT_MAX])
{
	report[0] = point->buttons;
	report[1] = (uint8_t)point->x;
	report[2] = (uint8_t)(point->x >> 8);
	report[3] = (uint8_t)point->y;
	report[4] = (uint8_t)(point->y >> 8);
	report[5] = (uint8_t)wheel;
}

static bool same_place(const struct point *a, const struct point *b)
{
	return a->x == b->x && a->y == b->y && a->buttons == b->buttons;
}

static bool tell(struct tablet *tablet, const struct point *point, int wheel,
		 uint8_t report[HID_REPORT_MAX])
{
	if (same_place(point, &tablet->told) && !wheel)
		return false;
	tablet->told = *point;
	put_report(point, wheel, report);
	return true;
}

static bool tablet_next(struct hid *hid, uint8_t report[HID_REPORT_MAX])
{
	struct tablet *tablet = (struct tablet *)hid;

	while (tablet->len) {
		struct point *first = &tablet->change[tablet->at];
		int wheel = clamp(first->wheel, TABLET_WHEEL_MAX);

		first->wheel -= wheel;
		if (!first->wheel) { /* else there is more of it to tell */
			tablet->at = (tablet->at + 1) % HID_CHANGES;
			tablet->len--;
		}
		if (tell(tablet, first, wheel, report))
			return true;
	}
	if (!tablet->news)
		return false;
	tablet->news = false;
	return tell(tablet, &tablet->now, 0, report);
}

static void tablet_now(const struct hid *hid, uint8_t report[HID_REPORT_MAX])
{
	const struct tablet *tablet = (const struct tablet *)hid;

	put_report(&tablet->now, 0, report);
}

static struct hid *tablet_create(void)
{
	struct tablet *tablet = calloc(1, sizeof(*tablet));

	if (!tablet)
		return NULL;
	tablet->hid.kind = &hid_tablet_kind;
	hid_reset(&tablet->hid);
	return &tablet->hid;
}

const struct hid_kind hid_tablet_kind = {
    .name = "tablet",
    .product = "byway USB Tablet",
    .product_id = 0x0101,
    .map = tablet_map,
    .map_len = sizeof(tablet_map),
    .report_len = 6,
    .interval = 4, /* 1 ms */
    .create = tablet_create,
    .forget = tablet_forget,
    .collapse = tablet_collapse,
    .next = tablet_next,
    .now = tablet_now,
    .pointer = tablet_pointer,
};
