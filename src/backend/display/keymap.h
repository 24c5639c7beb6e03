/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyboard layouts: from the symbol a VNC client says it typed (an X11 keysym)
 * back to the key of a PC keyboard that types it in the guest.
 *
 * A layout is one of xkb's, "jp", "us(dvorak)" (also written us:dvorak or
 * us_dvorak), or has the name of one of bhyve's layout files ("uk",
 * "de_noacc", "latinamerican"). It must be the one the guest's system is set
 * to. Clients that send scan codes (the QEMU extended key event) need none.
 *
 * libxkbcommon is loaded when a keymap is created. A keymap does not change,
 * so any thread may read it.
 * Sources: xkb-data, X11 keysymdef, Microsoft's Keyboard Scan Code
 * Specification 1.3a (set 1 codes), <linux/input-event-codes.h> (xkb's evdev
 * key codes are these plus 8).
 */
#ifndef BACKEND_DISPLAY_KEYMAP_H
#define BACKEND_DISPLAY_KEYMAP_H

#include "base/base.h"
#include "base/err.h"

#define KEYMAP_NAME_MAX 64u
#define KEYMAP_DEFAULT	"us"

/* What makes a key type another symbol. */
#define KEYMAP_SHIFT   1u
#define KEYMAP_LEVEL3  2u /* AltGr */
#define KEYMAP_LEVEL5  4u
#define KEYMAP_CAPS    8u
#define KEYMAP_NUM     16u
#define KEYMAP_STATES  32u /* combinations of these */
#define KEYMAP_HELD    (KEYMAP_SHIFT | KEYMAP_LEVEL3 | KEYMAP_LEVEL5)
#define KEYMAP_TOGGLED (KEYMAP_CAPS | KEYMAP_NUM)

struct keymap;

/*
 * Is there a layout of this name? -ENOENT with a sentence that names the
 * nearest. Without xkb's files on this host any well-formed name passes;
 * keymap_create() then says what is missing. Loads no library.
 */
MUST_CHECK int keymap_check(const char *name, struct err *err);

MUST_CHECK int keymap_create(const char *name, struct err *err,
			     struct keymap **ret_keymap);
void keymap_destroy(struct keymap *keymap); /* NULL allowed */

struct keymap_hit {
	uint8_t code;	/* as input_key() takes it */
	unsigned state; /* KEYMAP_* to be in force while it goes down */
};

/*
 * The key that types `keysym`, best without changing `state`, which is what
 * is held and toggled in the guest now. KEYMAP_TOGGLED bits never change, and
 * for keys that are no characters (arrows, keypad) nothing does. False: no key.
 */
bool keymap_find(const struct keymap *keymap, uint32_t keysym, unsigned state,
		 struct keymap_hit *ret_hit);

/* KEYMAP_HELD bits that are in force while this key is down. */
unsigned keymap_holds(const struct keymap *keymap, uint8_t code);
/* A key that holds exactly this bit; 0: none. */
uint8_t keymap_holder(const struct keymap *keymap, unsigned bit);
/* KEYMAP_TOGGLED bit that pressing the key of this symbol toggles, or 0. */
unsigned keymap_toggles(uint32_t keysym);

#endif
