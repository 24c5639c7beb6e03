/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one client does with its keyboard, as key events for the guest.
 *
 * Scan codes pass as they are. Symbols are looked up in the keymap; Shift and
 * AltGr are keys like others, pressed when the client presses them. Only when
 * a symbol cannot be typed with what is held (the client's layout differs from
 * the guest's, or an on-screen keyboard sends 'A' without Shift) they are
 * pressed or let go of around that one key. Caps Lock and Num Lock are never
 * touched; what this client did to them is remembered.
 *
 * Threads: one at a time.
 */
#ifndef BACKEND_DISPLAY_KEYS_H
#define BACKEND_DISPLAY_KEYS_H

#include "backend/display/keymap.h"
#include "backend/input.h"

#define KEYS_CODES 256u

struct keys {
	const struct keymap *keymap;
	struct input_hub *hub;
	unsigned toggled;      /* KEYMAP_TOGGLED bits in force in the guest */
	bool down[KEYS_CODES]; /* for the guest */
	bool
	    hidden[KEYS_CODES]; /* held by the client, let go of for a symbol */
	bool faked[KEYS_CODES]; /* pressed for a symbol */
	uint8_t faked_for;	/* the key of that symbol, 0: none */
	uint32_t symbol[KEYS_CODES]; /* that pressed this key, 0: none */
};

void keys_init(struct keys *keys, const struct keymap *keymap,
	       struct input_hub *hub);
void keys_code(struct keys *keys, uint8_t code, bool down);
/* False when no key of the layout types the symbol. */
bool keys_symbol(struct keys *keys, uint32_t keysym, bool down);
void keys_release_all(struct keys *keys);

#endif
