/* SPDX-License-Identifier: BSD-2-Clause */
/* PS/2 keyboard and mouse; the contract is in ps2.h. */
#include "dev/ps2.h"

#include <string.h>

#define ACK	     0xfau
#define RESEND	     0xfeu
#define SELF_TEST_OK 0xaau

/* ---- queues ---- */

bool ps2_has_byte(const struct ps2_queue *queue)
{
	return queue->reply_len || queue->event_len;
}

bool ps2_take(struct ps2_queue *queue, uint8_t *ret_byte)
{
	if (queue->reply_len) {
		*ret_byte = queue->reply[queue->reply_at];
		queue->reply_at = (queue->reply_at + 1) % PS2_REPLIES;
		queue->reply_len--;
		return true;
	}
	if (queue->event_len) {
		*ret_byte = queue->event[queue->event_at];
		queue->event_at = (queue->event_at + 1) % PS2_EVENTS;
		queue->event_len--;
		return true;
	}
	return false;
}

/* A guest that asks and never reads loses answers, not memory. */
static void reply(struct ps2_queue *queue, uint8_t byte)
{
	if (queue->reply_len == PS2_REPLIES)
		return;
	queue->reply[(queue->reply_at + queue->reply_len) % PS2_REPLIES] = byte;
	queue->reply_len++;
}

/* All bytes or none: half a scan code would be another key. */
static bool event(struct ps2_queue *queue, const uint8_t *bytes, unsigned len)
{
	unsigned i;

	if (queue->event_len + len > PS2_EVENTS)
		return false;
	for (i = 0; i < len; i++)
		queue->event[(queue->event_at + queue->event_len++) %
			     PS2_EVENTS] = bytes[i];
	return true;
}

static void drop_events(struct ps2_queue *queue)
{
	queue->event_at = 0;
	queue->event_len = 0;
}

/* ---- scan codes ---- */

/*
 * The controller's translation of 00-7f; above only 83 and 84 differ from
 * themselves. IBM PS/2 Technical Reference, keyboard controller, table of
 * scan code translation.
 */
static const uint8_t set2_to_set1[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, /* 00 */
    0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 08 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, /* 10 */
    0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 18 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, /* 20 */
    0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 28 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, /* 30 */
    0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 38 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, /* 40 */
    0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 48 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, /* 50 */
    0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 58 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, /* 60 */
    0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 68 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, /* 70 */
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 78 */
};

#define SET2_F7	   0x83u /* set 1: 41, which 02 shares */
#define SET2_SYSRQ 0x84u /* set 1: 54, which 7f shares */

uint8_t ps2_translate(uint8_t set2)
{
	if (set2 < ARRAY_LEN(set2_to_set1))
		return set2_to_set1[set2];
	if (set2 == SET2_F7)
		return 0x41;
	if (set2 == SET2_SYSRQ)
		return 0x54;
	return set2;
}

/* The set 2 code of a set 1 make code; 0 when no key has it. */
static uint8_t set1_to_set2(uint8_t set1)
{
	unsigned i;

	if (set1 == 0x41)
		return SET2_F7;
	if (set1 == 0x54)
		return SET2_SYSRQ;
	for (i = 1; i < ARRAY_LEN(set2_to_set1); i++)
		if (set2_to_set1[i] == set1)
			return (uint8_t)i;
	return 0;
}

/* ---- keyboard ---- */

static void keyboard_defaults(struct ps2_keyboard *keyboard)
{
	keyboard->typematic = 0x2b; /* 10.9 a second after 500 ms */
	keyboard->set = 2;
	keyboard->command = 0;
	drop_events(&keyboard->queue);
}

void ps2_keyboard_reset(struct ps2_keyboard *keyboard)
{
	*keyboard = (struct ps2_keyboard){.scanning = true};
	keyboard_defaults(keyboard);
}

static void keyboard_reply(struct ps2_keyboard *keyboard, uint8_t byte)
{
	keyboard->last = byte;
	reply(&keyboard->queue, byte);
}

/* The second byte of a command that has one. */
static void keyboard_argument(struct ps2_keyboard *keyboard, uint8_t byte)
{
	uint8_t command = keyboard->command;

	keyboard->command = 0;
	switch (command) {
	case 0xed:
		keyboard->leds = byte & 0x07;
		break;
	case 0xf3:
		keyboard->typematic = byte & 0x7f;
		break;
	case 0xf0:
		if (byte > 2) {
			keyboard_reply(keyboard, RESEND); /* no set 3 */
			return;
		}
		keyboard_reply(keyboard, ACK);
		if (byte == 0)
			keyboard_reply(keyboard, keyboard->set);
		else
			keyboard->set = byte;
		return;
	default:
		break;
	}
	keyboard_reply(keyboard, ACK);
}

static void keyboard_command(struct ps2_keyboard *keyboard, uint8_t byte)
{
	switch (byte) {
	case 0xed: /* LEDs */
	case 0xf0: /* scan code set */
	case 0xf3: /* typematic rate and delay */
		keyboard->command = byte;
		break;
	case 0xee: /* echo: itself instead of an acknowledgement */
		keyboard_reply(keyboard, 0xee);
		return;
	case 0xf2: /* identify: a keyboard behind a translating controller */
		keyboard_reply(keyboard, ACK);
		keyboard_reply(keyboard, 0xab);
		keyboard_reply(keyboard, 0x83);
		return;
	case 0xf4: /* enable */
		drop_events(&keyboard->queue);
		keyboard->scanning = true;
		break;
	case 0xf5: /* defaults, disable */
		keyboard_defaults(keyboard);
		keyboard->scanning = false;
		break;
	case 0xf6: /* defaults */
		keyboard_defaults(keyboard);
		break;
	case 0xfe:
		reply(&keyboard->queue, keyboard->last);
		return;
	case 0xff:
		ps2_keyboard_reset(keyboard);
		keyboard_reply(keyboard, ACK);
		keyboard_reply(keyboard, SELF_TEST_OK);
		return;
	default:
		/* f7-fa change keys of set 3 only: nothing to do. */
		if (byte < 0xf7 || byte > 0xfa) {
			keyboard_reply(keyboard, RESEND);
			return;
		}
	}
	keyboard_reply(keyboard, ACK);
}

void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t byte)
{
	/* A command in place of an argument replaces the first command. */
	if (keyboard->command && byte < 0xed)
		keyboard_argument(keyboard, byte);
	else {
		keyboard->command = 0;
		keyboard_command(keyboard, byte);
	}
}

/* Bytes of one key in the keyboard's set; 0 when the key is unknown. */
static unsigned key_bytes(const struct ps2_keyboard *keyboard, uint8_t code,
			  bool down, uint8_t bytes[4])
{
	uint8_t plain = code & 0x7f;
	unsigned len = 0;

	if (code & 0x80)
		bytes[len++] = 0xe0;
	if (keyboard->set == 1) {
		bytes[len++] = (uint8_t)(plain | (down ? 0 : 0x80));
		return plain ? len : 0;
	}
	if (!down)
		bytes[len++] = 0xf0;
	bytes[len++] = set1_to_set2(plain);
	return bytes[len - 1] ? len : 0;
}

void ps2_keyboard_key(struct ps2_keyboard *keyboard, uint8_t code, bool down)
{
	/* Pause sends make and break when pressed, nothing when released. */
	static const uint8_t pause1[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
	static const uint8_t pause2[] = {0xe1, 0x14, 0x77, 0xe1,
					 0xf0, 0x14, 0xf0, 0x77};
	const uint8_t overrun = keyboard->set == 1 ? 0xff : 0x00;
	uint8_t bytes[4];
	const uint8_t *send = bytes;
	unsigned len;

	if (!keyboard->scanning)
		return;
	if (code == PS2_KEY_PAUSE) {
		send = keyboard->set == 1 ? pause1 : pause2;
		len = keyboard->set == 1 ? sizeof(pause1) : sizeof(pause2);
		len = down ? len : 0;
	} else {
		len = key_bytes(keyboard, code, down, bytes);
	}
	/* The last place is kept for the overrun code. */
	if (keyboard->queue.event_len + len < PS2_EVENTS)
		(void)event(&keyboard->queue, send, len);
	else if (keyboard->queue.event_len < PS2_EVENTS)
		(void)event(&keyboard->queue, &overrun, 1);
}

/* ---- mouse ---- */

#define MOUSE_WHEEL 3u
#define MOUSE_FIVE  4u

static void mouse_clear(struct ps2_mouse *mouse)
{
	drop_events(&mouse->queue);
	mouse->dx = mouse->dy = mouse->dz = 0;
	mouse->sent_buttons = mouse->buttons;
}

static void mouse_defaults(struct ps2_mouse *mouse)
{
	mouse->rate[0] = 100;
	mouse->resolution = 2; /* four counts a millimetre */
	mouse->double_scale = false;
	mouse->remote = false;
	mouse->wrap = false;
	mouse->reporting = false;
	mouse->command = 0;
	mouse_clear(mouse);
}

void ps2_mouse_reset(struct ps2_mouse *mouse)
{
	uint8_t buttons = mouse->buttons; /* a finger is no state of ours */

	*mouse = (struct ps2_mouse){.buttons = buttons};
	mouse_defaults(mouse);
}

static void mouse_reply(struct ps2_mouse *mouse, uint8_t byte)
{
	mouse->last = byte;
	reply(&mouse->queue, byte);
}

/* The knocks that turn a plain mouse into one with wheel and more buttons. */
static void mouse_set_rate(struct ps2_mouse *mouse, uint8_t rate)
{
	static const uint8_t wheel[] = {80, 100, 200}; /* newest first */
	static const uint8_t five[] = {80, 200, 200};

	memmove(mouse->rate + 1, mouse->rate, 2);
	mouse->rate[0] = rate;
	if (!memcmp(mouse->rate, wheel, 3) && mouse->id == 0)
		mouse->id = MOUSE_WHEEL;
	else if (!memcmp(mouse->rate, five, 3) && mouse->id == MOUSE_WHEEL)
		mouse->id = MOUSE_FIVE;
}

static uint8_t mouse_status(const struct ps2_mouse *mouse)
{
	uint8_t b = mouse->buttons;

	return (uint8_t)((b & 1u) << 2 | (b & 2u) >> 1 | (b & 4u) >> 1 |
			 (mouse->double_scale ? 0x10 : 0) |
			 (mouse->reporting ? 0x20 : 0) |
			 (mouse->remote ? 0x40 : 0));
}

static int take_motion(int *sum)
{
	int now = *sum < -256 ? -256 : *sum > 255 ? 255 : *sum;

	*sum -= now;
	return now;
}

static uint8_t take_wheel(struct ps2_mouse *mouse)
{
	int now = mouse->dz < -8 ? -8 : mouse->dz > 7 ? 7 : mouse->dz;

	mouse->dz -= now;
	if (mouse->id == MOUSE_FIVE)
		return (uint8_t)((now & 0x0f) | (mouse->buttons & 0x18u) << 1);
	return (uint8_t)now;
}

/* Three or four bytes; takes what they tell out of the sums. */
static unsigned mouse_packet(struct ps2_mouse *mouse, uint8_t packet[4])
{
	int dx = take_motion(&mouse->dx), dy = take_motion(&mouse->dy);

	packet[0] = (uint8_t)(0x08 | (mouse->buttons & 0x07) |
			      (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0));
	packet[1] = (uint8_t)dx;
	packet[2] = (uint8_t)dy;
	mouse->sent_buttons = mouse->buttons;
	if (mouse->id == 0) {
		mouse->dz = 0;
		return 3;
	}
	packet[3] = take_wheel(mouse);
	return 4;
}

void ps2_mouse_report(struct ps2_mouse *mouse)
{
	bool news = mouse->dx || mouse->dy || (mouse->dz && mouse->id) ||
		    mouse->buttons != mouse->sent_buttons;
	uint8_t packet[4];

	if (!news || !mouse->reporting || mouse->remote || mouse->wrap ||
	    mouse->queue.event_len + sizeof(packet) > PS2_EVENTS)
		return;
	(void)event(&mouse->queue, packet, mouse_packet(mouse, packet));
}

static int add_motion(int sum, int step)
{
	int64_t wide = (int64_t)sum + step;

	return (int)(wide < -32768 ? -32768 : wide > 32767 ? 32767 : wide);
}

void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, int dz,
		    uint8_t buttons)
{
	mouse->dx = add_motion(mouse->dx, dx);
	mouse->dy = add_motion(mouse->dy, dy);
	mouse->dz = add_motion(mouse->dz, dz);
	mouse->buttons = buttons & 0x1f;
	ps2_mouse_report(mouse);
}

static void mouse_argument(struct ps2_mouse *mouse, uint8_t byte)
{
	if (mouse->command == 0xf3)
		mouse_set_rate(mouse, byte);
	else
		mouse->resolution = byte & 0x03;
	mouse->command = 0;
	mouse_reply(mouse, ACK);
}

static void mouse_answer(struct ps2_mouse *mouse, uint8_t command)
{
	uint8_t packet[4];
	unsigned len, i;

	mouse_reply(mouse, ACK);
	switch (command) {
	case 0xe9: /* status */
		mouse_reply(mouse, mouse_status(mouse));
		mouse_reply(mouse, mouse->resolution);
		mouse_reply(mouse, mouse->rate[0]);
		break;
	case 0xeb: /* read data */
		len = mouse_packet(mouse, packet);
		for (i = 0; i < len; i++)
			mouse_reply(mouse, packet[i]);
		break;
	case 0xf2: /* identify */
		mouse_reply(mouse, mouse->id);
		break;
	default: /* reset */
		mouse_reply(mouse, SELF_TEST_OK);
		mouse_reply(mouse, mouse->id);
		break;
	}
}

/* True for a command that is acknowledged and no more. */
static bool mouse_set(struct ps2_mouse *mouse, uint8_t command)
{
	switch (command) {
	case 0xe6:
	case 0xe7:
		mouse->double_scale = command == 0xe7;
		return true;
	case 0xe8: /* resolution */
	case 0xf3: /* sample rate */
		mouse->command = command;
		return true;
	case 0xea: /* stream mode */
		mouse->remote = false;
		return true;
	case 0xec: /* out of wrap mode */
		mouse->wrap = false;
		return true;
	case 0xee:
		mouse->wrap = true;
		return true;
	case 0xf0:
		mouse->remote = true;
		return true;
	case 0xf4:
	case 0xf5:
		mouse->reporting = command == 0xf4;
		return true;
	case 0xf6:
		mouse_defaults(mouse);
		return true;
	default:
		return false;
	}
}

void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte)
{
	/* Whatever was on its way is cut off by a command. */
	if (byte != 0xeb)
		mouse_clear(mouse);
	else
		drop_events(&mouse->queue);
	if (mouse->wrap && byte != 0xec && byte != 0xff) {
		mouse_reply(mouse, byte);
	} else if (mouse->command) {
		mouse_argument(mouse, byte);
	} else if (byte == 0xfe) {
		reply(&mouse->queue, mouse->last);
	} else if (byte == 0xe9 || byte == 0xeb || byte == 0xf2) {
		mouse_answer(mouse, byte);
	} else if (byte == 0xff) {
		ps2_mouse_reset(mouse);
		mouse_answer(mouse, byte);
	} else {
		mouse_reply(mouse, mouse_set(mouse, byte) ? ACK : RESEND);
	}
}
