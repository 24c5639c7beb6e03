/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyboard and pointer events on their way from a screen's client to the
 * guest's input devices.
 *
 * A hub connects one or more sources (a VNC server) with the sinks that the
 * devices add (PS/2 keyboard and mouse, USB keyboard, USB tablet). Each event
 * goes to one sink of its kind: the one added last among those whose guest
 * driver listens (active()), else the first one added. So a tablet takes over
 * once the guest has set it up, and PS/2 serves firmware and boot loaders.
 *
 * A key that is down when its sink changes is released on the old sink.
 *
 * Threads: any. Sinks are called on the thread of the event, one event after
 * the other, and take their own device's lock: a sink never calls the hub, and
 * nobody calls it with a lock that a sink takes. Sinks may be removed while
 * events come: a viewer of the screen may outlive a device.
 * Limits: INPUT_SINKS_MAX sinks.
 */
#ifndef BACKEND_INPUT_H
#define BACKEND_INPUT_H

#include "base/base.h"

#define INPUT_SINKS_MAX 8u
#define INPUT_ABS_MAX	32767u /* right and lower edge of the screen */

/*
 * A key is the PC's scan code set 1 make code, with bit 7 set for the keys that
 * send e0 in front (what the QEMU extended key event of VNC carries); pause is
 * INPUT_KEY_PAUSE. Print screen is e0 37.
 */
#define INPUT_KEY_PAUSE 0xc6u

#define INPUT_BUTTON_LEFT   1u
#define INPUT_BUTTON_RIGHT  2u
#define INPUT_BUTTON_MIDDLE 4u
#define INPUT_BUTTON_SIDE   8u
#define INPUT_BUTTON_EXTRA  16u

struct input_pointer {
	uint16_t x, y;	 /* 0 .. INPUT_ABS_MAX, from the upper left corner */
	int dx, dy;	 /* pixels moved since the last event, right and down */
	int wheel;	 /* steps, positive away from the user (up) */
	uint8_t buttons; /* INPUT_BUTTON_*, those held now */
};

struct input_sink {
	/* Does the guest listen to this device now? NULL: always. */
	bool (*active)(void *ctx);
	void (*key)(void *ctx, uint8_t key, bool down); /* NULL: no keyboard */
	void (*pointer)(void *ctx, const struct input_pointer *event);
	void *ctx;
};

struct input_hub;

MUST_CHECK int input_hub_create(struct input_hub **ret_hub);
void input_hub_destroy(struct input_hub *hub); /* NULL allowed */

/* -ENOSPC. The sink is borrowed until it is removed. NULL hub: nothing. */
MUST_CHECK int input_add(struct input_hub *hub, const struct input_sink *sink);
/* Waits for a call that is in progress; the sink is not called afterwards. */
void input_remove(struct input_hub *hub, const struct input_sink *sink);

void input_key(struct input_hub *hub, uint8_t key, bool down);
/* Releases all keys that are down (the client went away). */
void input_release_all(struct input_hub *hub);
void input_pointer(struct input_hub *hub, const struct input_pointer *event);

#endif
