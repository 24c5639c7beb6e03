/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyboard controller: an i8042 at ports 60 and 64 with a PS/2 keyboard and a
 * PS/2 mouse (ps2.h). Also one of the PC's ways to reset itself.
 *
 * It starts as a PC's firmware leaves it: keyboard on and translated to scan
 * code set 1, its interrupt on; mouse off. Keyboard on ISA interrupt 1, mouse
 * on 12, each high while its byte waits.
 *
 * The A20 gate is remembered and shown, and has no effect: memory never wraps.
 *
 * When there is an input hub, keyboard and mouse are sinks of it.
 *
 * Threads: ports from any vCPU; i8042_key() and i8042_mouse() from any thread.
 * Limits: those of ps2.h, and 16 answers of the controller itself.
 * Sources: IBM PS/2 Hardware Interface Technical Reference, Keyboard and
 * Auxiliary Device Controller.
 */
#ifndef DEV_I8042_H
#define DEV_I8042_H

#include "bus/model.h"

#define I8042_KEYBOARD_IRQ 1u
#define I8042_MOUSE_IRQ	   12u

struct i8042;

MUST_CHECK int i8042_create(const struct model_env *env, struct err *err,
			    struct i8042 **ret_kbc);
void i8042_destroy(struct i8042 *kbc); /* NULL allowed */
void i8042_reset(struct i8042 *kbc);

/* The seam for a screen: a key by ps2_keyboard_key()'s code, a movement. */
void i8042_key(struct i8042 *kbc, uint8_t code, bool down);
void i8042_mouse(struct i8042 *kbc, int dx, int dy, int dz, uint8_t buttons);

#endif
