/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PS/2 keyboard and a PS/2 mouse: what is at the far end of the two cables
 * of an i8042.
 *
 * Each takes bytes from the controller (commands and their arguments) and
 * queues bytes for it. Answers go ahead of events. The keyboard speaks scan
 * code set 2 (and 1 when told); translation is the controller's business.
 *
 * Threads: none of its own; the controller's lock is held around every call.
 * Limits: PS2_EVENTS queued event bytes a device; a keyboard that overflows
 * says so with its overrun code, a mouse adds movements up.
 * Sources: IBM PS/2 Hardware Interface Technical Reference (keyboard, mouse);
 * Microsoft, Keyboard Scan Code Specification 1.3a; IntelliMouse wheel and
 * five-button extensions as Microsoft published them.
 */
#ifndef DEV_PS2_H
#define DEV_PS2_H

#include "base/base.h"

#define PS2_REPLIES 16u
/*
 * With the byte in the controller's output register 16, as on real keyboards:
 * Linux reads that many when it looks for a controller, and takes one that has
 * more for none at all.
 */
#define PS2_EVENTS 15u

struct ps2_queue {
	uint8_t reply[PS2_REPLIES];
	uint8_t event[PS2_EVENTS];
	unsigned reply_at, reply_len;
	unsigned event_at, event_len;
};

/* Next byte for the controller; false when there is none. */
bool ps2_take(struct ps2_queue *queue, uint8_t *ret_byte);
bool ps2_has_byte(const struct ps2_queue *queue);

struct ps2_keyboard {
	struct ps2_queue queue; /* first: bytes for the controller */
	uint8_t command;	/* waits for its argument; 0: none */
	uint8_t leds;		/* bit 0 scroll, 1 num, 2 caps lock */
	uint8_t typematic;
	uint8_t set; /* scan code set, 1 or 2 */
	bool scanning;
	uint8_t last; /* byte sent last, for "resend" */
};

void ps2_keyboard_reset(struct ps2_keyboard *keyboard);
void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t byte);
/*
 * A key went down or up. `code` is the PC's set 1 make code, with bit 7 set
 * for the keys that send e0 in front; PS2_KEY_PAUSE is the pause key.
 */
#define PS2_KEY_PAUSE 0xc6u
void ps2_keyboard_key(struct ps2_keyboard *keyboard, uint8_t code, bool down);

struct ps2_mouse {
	struct ps2_queue queue;
	uint8_t command;
	uint8_t id;	 /* 0 plain, 3 wheel, 4 wheel and five buttons */
	uint8_t rate[3]; /* last three sample rates, newest first */
	uint8_t resolution;
	bool reporting, remote, wrap, double_scale;
	int dx, dy, dz; /* not reported yet */
	uint8_t buttons, sent_buttons;
	uint8_t last;
};

void ps2_mouse_reset(struct ps2_mouse *mouse);
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte);
/*
 * Movement to the right, up and wheel towards the user; buttons: bit 0 left,
 * 1 right, 2 middle, 3 and 4 the side buttons.
 */
void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, int dz,
		    uint8_t buttons);
/* Queues a packet for what is not reported yet, when there is room. */
void ps2_mouse_report(struct ps2_mouse *mouse);

/* Set 2 byte to set 1 byte: what a controller's translation does. */
uint8_t ps2_translate(uint8_t set2);

#endif
