/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of a client's keyboard: what the guest hears of what it types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backend/display/keys.h"

#define SHIFT_L 0xffe1u
#define SHIFT_R 0xffe2u
#define CTRL_L	0xffe3u
#define CAPS	0xffe5u
#define ALTGR	0xfe03u

struct desk {
	struct keymap *keymap;
	struct input_hub *hub;
	struct input_sink sink;
	struct keys keys;
	char heard[512];
};

static void on_key(void *ctx, uint8_t key, bool down)
{
	struct desk *desk = ctx;
	size_t len = strlen(desk->heard);

	snprintf(desk->heard + len, sizeof(desk->heard) - len, "%c%02x ",
		 down ? '+' : '-', key);
}

static struct desk *sit_down(const char *layout)
{
	struct desk *desk = calloc(1, sizeof(*desk));
	struct err err = {0};

	assert_non_null(desk);
	if (keymap_create(layout, &err, &desk->keymap))
		fail_msg("%s", err.msg);
	assert_int_equal(input_hub_create(&desk->hub), 0);
	desk->sink = (struct input_sink){.key = on_key, .ctx = desk};
	assert_int_equal(input_add(desk->hub, &desk->sink), 0);
	keys_init(&desk->keys, desk->keymap, desk->hub);
	return desk;
}

static void leave(struct desk *desk)
{
	input_hub_destroy(desk->hub);
	keymap_destroy(desk->keymap);
	free(desk);
}

static void press(struct desk *desk, uint32_t keysym)
{
	assert_true(keys_symbol(&desk->keys, keysym, true));
}

static void release(struct desk *desk, uint32_t keysym)
{
	(void)keys_symbol(&desk->keys, keysym, false);
}

static void type(struct desk *desk, uint32_t keysym)
{
	press(desk, keysym);
	release(desk, keysym);
}

static void expect(struct desk *desk, const char *heard)
{
	assert_string_equal(desk->heard, heard);
	desk->heard[0] = '\0';
}

static void modifiers_are_keys_like_others(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	press(desk, SHIFT_L);
	type(desk, 'A');
	type(desk, '!');
	release(desk, SHIFT_L);
	type(desk, 'a');
	press(desk, CTRL_L);
	type(desk, 'c');
	release(desk, CTRL_L);
	expect(desk, "+2a +1e -1e +02 -02 -2a +1e -1e +1d +2e -2e -1d ");
	leave(desk);
}

/* A phone's keyboard sends the symbol alone. */
static void missing_shift_is_pressed_for_one_key(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	press(desk, 'A');
	expect(desk, "+2a +1e ");
	release(desk, 'A');
	expect(desk, "-1e -2a ");
	type(desk, 'b');
	expect(desk, "+30 -30 ");
	leave(desk);
}

/* A US client at a Japanese guest: @ has no Shift there, ^ neither. */
static void shift_too_many_is_let_go_of_for_one_key(void **state UNUSED)
{
	struct desk *desk = sit_down("jp");

	press(desk, SHIFT_L);
	type(desk, '@');
	expect(desk, "+2a -2a +1a -1a +2a ");
	type(desk, 'A');
	release(desk, SHIFT_L);
	expect(desk, "+1e -1e -2a ");
	/* Both Shifts; one is let go of while the other key is down. */
	press(desk, SHIFT_L);
	press(desk, SHIFT_R);
	press(desk, '@');
	release(desk, SHIFT_L);
	release(desk, '@');
	release(desk, SHIFT_R);
	expect(desk, "+2a +36 -2a -36 +1a -1a +36 -36 ");
	leave(desk);
}

static void altgr_is_pressed_for_one_key(void **state UNUSED)
{
	struct desk *desk = sit_down("de");

	type(desk, '@');
	expect(desk, "+b8 +10 -10 -b8 ");
	press(desk, ALTGR);
	type(desk, '@');
	release(desk, ALTGR);
	expect(desk, "+b8 +10 -10 -b8 ");
	press(desk, SHIFT_L);
	type(desk, '@');
	release(desk, SHIFT_L);
	expect(desk, "+2a -2a +b8 +10 -10 +2a -b8 -2a ");
	leave(desk);
}

static void the_next_key_ends_the_exception(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	press(desk, 'A');
	press(desk, 'b');
	release(desk, 'A');
	release(desk, 'b');
	expect(desk, "+2a +1e -2a +30 -1e -30 ");
	leave(desk);
}

static void a_held_key_repeats(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	press(desk, 'a');
	press(desk, 'a');
	press(desk, 'a');
	release(desk, 'a');
	expect(desk, "+1e +1e +1e -1e ");
	leave(desk);
}

/* Shift may be let go of before the letter: its release has another name. */
static void a_release_finds_its_press(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	press(desk, SHIFT_L);
	press(desk, 'A');
	release(desk, SHIFT_L);
	release(desk, 'a');
	expect(desk, "+2a +1e -2a -1e ");
	/* Repeated under both names. */
	press(desk, 'a');
	press(desk, SHIFT_L);
	press(desk, 'A');
	release(desk, 'A');
	release(desk, SHIFT_L);
	expect(desk, "+1e +2a +1e -1e -2a ");
	/* Never pressed. */
	release(desk, 'x');
	release(desk, SHIFT_L);
	expect(desk, "");
	leave(desk);
}

static void caps_lock_is_remembered(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	type(desk, CAPS);
	type(desk, 'A');
	press(desk, SHIFT_L);
	type(desk, 'a');
	release(desk, SHIFT_L);
	expect(desk, "+3a -3a +1e -1e +2a +1e -1e -2a ");
	type(desk, CAPS);
	type(desk, 'a');
	expect(desk, "+3a -3a +1e -1e ");
	/* By scan code as well; a repeat does not toggle. */
	keys_code(&desk->keys, 0x3a, true);
	keys_code(&desk->keys, 0x3a, true);
	keys_code(&desk->keys, 0x3a, false);
	type(desk, 'A');
	expect(desk, "+3a +3a -3a +1e -1e ");
	leave(desk);
}

static void unknown_symbols_do_nothing(void **state UNUSED)
{
	struct desk *desk = sit_down("us");

	assert_false(keys_symbol(&desk->keys, 0x1000416, true));
	assert_false(keys_symbol(&desk->keys, 0x1000416, false));
	assert_false(keys_symbol(&desk->keys, 0, true));
	assert_false(keys_symbol(&desk->keys, 0, false));
	expect(desk, "");
	leave(desk);
}

static void who_leaves_holds_nothing(void **state UNUSED)
{
	struct desk *desk = sit_down("jp");

	press(desk, SHIFT_L);
	press(desk, 'b');
	press(desk, '@');
	desk->heard[0] = '\0';
	keys_release_all(&desk->keys);
	expect(desk, "-1a -30 ");
	keys_release_all(&desk->keys);
	expect(desk, "");
	/* Shift, hidden when the client left, is not held any more. */
	type(desk, 'a');
	expect(desk, "+1e -1e ");
	leave(desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(modifiers_are_keys_like_others),
	    cmocka_unit_test(missing_shift_is_pressed_for_one_key),
	    cmocka_unit_test(shift_too_many_is_let_go_of_for_one_key),
	    cmocka_unit_test(altgr_is_pressed_for_one_key),
	    cmocka_unit_test(the_next_key_ends_the_exception),
	    cmocka_unit_test(a_held_key_repeats),
	    cmocka_unit_test(a_release_finds_its_press),
	    cmocka_unit_test(caps_lock_is_remembered),
	    cmocka_unit_test(unknown_symbols_do_nothing),
	    cmocka_unit_test(who_leaves_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
