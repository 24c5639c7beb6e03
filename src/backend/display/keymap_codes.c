/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scan codes (set 1, bit 7: behind e0) of Linux key codes. Up to F12 the two
 * are the same numbers.
 */
#include <linux/input-event-codes.h>

#include "backend/display/keymap_internal.h"
#include "backend/input.h"

#define E0 0x80u

static const uint8_t codes[256] = {
    [KEY_ZENKAKUHANKAKU] = 0x29, /* the key left of 1 on a JIS keyboard */
    [KEY_102ND] = 0x56,
    [KEY_F11] = 0x57,
    [KEY_F12] = 0x58,
    [KEY_RO] = 0x73,
    [KEY_KATAKANA] = 0x78,
    [KEY_HIRAGANA] = 0x77,
    [KEY_HENKAN] = 0x79,
    [KEY_KATAKANAHIRAGANA] = 0x70,
    [KEY_MUHENKAN] = 0x7b,
    [KEY_KPJPCOMMA] = 0x5c,
    [KEY_KPENTER] = E0 | 0x1c,
    [KEY_RIGHTCTRL] = E0 | 0x1d,
    [KEY_KPSLASH] = E0 | 0x35,
    [KEY_SYSRQ] = E0 | 0x37,
    [KEY_RIGHTALT] = E0 | 0x38,
    [KEY_HOME] = E0 | 0x47,
    [KEY_UP] = E0 | 0x48,
    [KEY_PAGEUP] = E0 | 0x49,
    [KEY_LEFT] = E0 | 0x4b,
    [KEY_RIGHT] = E0 | 0x4d,
    [KEY_END] = E0 | 0x4f,
    [KEY_DOWN] = E0 | 0x50,
    [KEY_PAGEDOWN] = E0 | 0x51,
    [KEY_INSERT] = E0 | 0x52,
    [KEY_DELETE] = E0 | 0x53,
    [KEY_MUTE] = E0 | 0x20,
    [KEY_VOLUMEDOWN] = E0 | 0x2e,
    [KEY_VOLUMEUP] = E0 | 0x30,
    [KEY_POWER] = E0 | 0x5e,
    [KEY_KPEQUAL] = 0x59,
    [KEY_PAUSE] = INPUT_KEY_PAUSE,
    [KEY_KPCOMMA] = 0x7e,
    [KEY_HANGEUL] = 0x72,
    [KEY_HANJA] = 0x71,
    [KEY_YEN] = 0x7d,
    [KEY_LEFTMETA] = E0 | 0x5b,
    [KEY_RIGHTMETA] = E0 | 0x5c,
    [KEY_COMPOSE] = E0 | 0x5d,
    [KEY_SLEEP] = E0 | 0x5f,
    [KEY_WAKEUP] = E0 | 0x63,
    [KEY_NEXTSONG] = E0 | 0x19,
    [KEY_PLAYPAUSE] = E0 | 0x22,
    [KEY_PREVIOUSSONG] = E0 | 0x10,
    [KEY_STOPCD] = E0 | 0x24,
    [KEY_F13] = 0x64,
    [KEY_F14] = 0x65,
    [KEY_F15] = 0x66,
    [KEY_F16] = 0x67,
    [KEY_F17] = 0x68,
    [KEY_F18] = 0x69,
    [KEY_F19] = 0x6a,
    [KEY_F20] = 0x6b,
    [KEY_F21] = 0x6c,
    [KEY_F22] = 0x6d,
    [KEY_F23] = 0x6e,
    [KEY_F24] = 0x76,
};

uint8_t keymap_code_of_evdev(unsigned evdev)
{
	if (evdev >= KEY_ESC && evdev <= KEY_KPDOT)
		return (uint8_t)evdev;
	return evdev < ARRAY_LEN(codes) ? codes[evdev] : 0;
}
