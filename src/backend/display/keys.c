/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's keyboard; described in keys.h. */
#include "backend/display/keys.h"

#define CODE_CAPS 0x3a
#define CODE_NUM  0x45

void keys_init(struct keys *keys, const struct keymap *keymap,
	       struct input_hub *hub)
{
	*keys = (struct keys){.keymap = keymap, .hub = hub};
}

static void say(struct keys *keys, uint8_t code, bool down)
{
	keys->down[code] = down;
	input_key(keys->hub, code, down);
}

/* KEYMAP_* bits in force in the guest now. */
static unsigned state(const struct keys *keys)
{
	unsigned code, bits = keys->toggled;

	for (code = 0; code < KEYS_CODES; code++)
		if (keys->down[code])
			bits |= keymap_holds(keys->keymap, (uint8_t)code);
	return bits;
}

/* Undoes what was changed around a symbol. */
static void restore(struct keys *keys)
{
	unsigned code;

	if (!keys->faked_for)
		return;
	for (code = 0; code < KEYS_CODES; code++) {
		if (keys->faked[code])
			say(keys, (uint8_t)code, false);
		if (keys->hidden[code])
			say(keys, (uint8_t)code, true);
		keys->faked[code] = keys->hidden[code] = false;
	}
	keys->faked_for = 0;
}

static void hide_holders(struct keys *keys, unsigned bit)
{
	unsigned code;

	for (code = 0; code < KEYS_CODES; code++) {
		if (!keys->down[code] ||
		    !(keymap_holds(keys->keymap, (uint8_t)code) & bit))
			continue;
		keys->hidden[code] = true;
		say(keys, (uint8_t)code, false);
	}
}

static void change_state(struct keys *keys, unsigned from,
			 const struct keymap_hit *hit)
{
	unsigned bit, change = (from ^ hit->state) & KEYMAP_HELD;

	for (bit = 1; bit & KEYMAP_HELD; bit <<= 1) {
		uint8_t holder = keymap_holder(keys->keymap, bit);

		if (!(change & bit))
			continue;
		keys->faked_for = hit->code;
		if (from & bit) {
			hide_holders(keys, bit);
		} else if (holder) {
			keys->faked[holder] = true;
			say(keys, holder, true);
		}
	}
}

void keys_code(struct keys *keys, uint8_t code, bool down)
{
	restore(keys);
	if (down && !keys->down[code]) {
		if (code == CODE_CAPS)
			keys->toggled ^= KEYMAP_CAPS;
		if (code == CODE_NUM)
			keys->toggled ^= KEYMAP_NUM;
	}
	keys->symbol[code] = 0;
	if (down || keys->down[code])
		say(keys, code, down);
}

static bool press(struct keys *keys, uint32_t keysym)
{
	struct keymap_hit hit;
	unsigned now;

	restore(keys);
	now = state(keys);
	if (!keymap_find(keys->keymap, keysym, now, &hit))
		return false;
	if (!keys->down[hit.code])
		keys->toggled ^= keymap_toggles(keysym);
	change_state(keys, now, &hit);
	say(keys, hit.code, true);
	keys->symbol[hit.code] = keysym;
	return true;
}

/*
 * The key that this symbol pressed. Failing that, the one that would type it
 * if it is down: a client may press 'A', let go of Shift and release 'a'.
 */
static uint8_t pressed_key(const struct keys *keys, uint32_t keysym)
{
	struct keymap_hit hit;
	unsigned code;

	for (code = 1; code < KEYS_CODES; code++)
		if (keys->symbol[code] == keysym)
			return (uint8_t)code;
	if (!keymap_find(keys->keymap, keysym, state(keys), &hit))
		return 0;
	return hit.code;
}

bool keys_symbol(struct keys *keys, uint32_t keysym, bool down)
{
	uint8_t code;

	if (!keysym)
		return false;
	if (down)
		return press(keys, keysym);
	code = pressed_key(keys, keysym);
	if (!code)
		return false;
	keys->symbol[code] = 0;
	keys->hidden[code] = false;
	if (keys->down[code] && !keys->faked[code])
		say(keys, code, false);
	if (code == keys->faked_for)
		restore(keys);
	return true;
}

void keys_release_all(struct keys *keys)
{
	unsigned code;

	for (code = 0; code < KEYS_CODES; code++) {
		if (keys->down[code])
			say(keys, (uint8_t)code, false);
		keys->hidden[code] = keys->faked[code] = false;
		keys->symbol[code] = 0;
	}
	keys->faked_for = 0;
}
