/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of the keymap; nobody else includes this. */
#ifndef BACKEND_DISPLAY_KEYMAP_INTERNAL_H
#define BACKEND_DISPLAY_KEYMAP_INTERNAL_H

#include "backend/display/keymap.h"

#define KEYMAP_XKB_ROOT "/usr/share/X11/xkb"

/* A layout as xkb names it; `variant` may be empty. */
struct keymap_name {
	char layout[KEYMAP_NAME_MAX];
	char variant[KEYMAP_NAME_MAX];
};

/* What keymap_check() does, with the files below `root`. */
MUST_CHECK int keymap_resolve(const char *root, const char *name,
			      struct err *err, struct keymap_name *ret_name);

/* Scan code of an evdev key code, 0 when a PC keyboard has no such key. */
uint8_t keymap_code_of_evdev(unsigned evdev);

#endif
