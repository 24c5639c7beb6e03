/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of keyboard layouts: names, and which key types which symbol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "backend/display/keymap.h"
#include "backend/display/keymap_internal.h"

#define NONE 0xfffu /* no key */

struct expected {
	uint32_t keysym;
	unsigned state; /* in force */
	unsigned code;
	unsigned needs; /* state while the key goes down */
};

static struct keymap *make(const char *name)
{
	struct keymap *keymap;
	struct err err = {0};

	if (keymap_create(name, &err, &keymap))
		fail_msg("%s", err.msg);
	return keymap;
}

static void expect_in(const struct keymap *keymap, const struct expected *list,
		      size_t count)
{
	struct keymap_hit hit;
	size_t i;

	for (i = 0; i < count; i++) {
		const struct expected *e = &list[i];
		bool found = keymap_find(keymap, e->keysym, e->state, &hit);

		if (found != (e->code != NONE))
			fail_msg("symbol %#x: %s", e->keysym,
				 found ? "found" : "not found");
		if (found && (hit.code != e->code || hit.state != e->needs))
			fail_msg("symbol %#x in state %u: key %#x in state %u,"
				 " expected %#x in %u",
				 e->keysym, e->state, hit.code, hit.state,
				 e->code, e->needs);
	}
}

#define EXPECT(keymap, ...)                                               \
	do {                                                              \
		const struct expected list_[] = {__VA_ARGS__};            \
		expect_in(keymap, list_, sizeof(list_) / sizeof(*list_)); \
	} while (0)

#define S KEYMAP_SHIFT
#define G KEYMAP_LEVEL3
#define C KEYMAP_CAPS
#define N KEYMAP_NUM

static void us_keys(void **state UNUSED)
{
	struct keymap *us = make("us");

	EXPECT(us, {'a', 0, 0x1e, 0}, {'A', S, 0x1e, S}, {'1', 0, 0x02, 0},
	       {'!', S, 0x02, S}, {' ', 0, 0x39, 0}, {'\\', 0, 0x2b, 0},
	       {'<', S, 0x33, S}, {'~', S, 0x29, S});
	/* Keys that are no characters. */
	EXPECT(us, {0xff0d, 0, 0x1c, 0}, {0xff1b, 0, 0x01, 0},
	       {0xff08, 0, 0x0e, 0}, {0xff09, 0, 0x0f, 0}, {0xffbe, 0, 0x3b, 0},
	       {0xffc8, 0, 0x57, 0}, {0xffc9, 0, 0x58, 0}, {0xff50, 0, 0xc7, 0},
	       {0xff51, 0, 0xcb, 0}, {0xff52, 0, 0xc8, 0}, {0xff53, 0, 0xcd, 0},
	       {0xff54, 0, 0xd0, 0}, {0xff55, 0, 0xc9, 0}, {0xff56, 0, 0xd1, 0},
	       {0xff57, 0, 0xcf, 0}, {0xff63, 0, 0xd2, 0}, {0xffff, 0, 0xd3, 0},
	       {0xff61, 0, 0xb7, 0}, {0xff13, 0, 0xc6, 0}, {0xff14, 0, 0x46, 0},
	       {0xff67, 0, 0xdd, 0}, {0xff8d, 0, 0x9c, 0},
	       {0xffaf, 0, 0xb5, 0});
	/* Modifiers. */
	EXPECT(us, {0xffe1, 0, 0x2a, 0}, {0xffe2, 0, 0x36, 0},
	       {0xffe3, 0, 0x1d, 0}, {0xffe4, 0, 0x9d, 0}, {0xffe9, 0, 0x38, 0},
	       {0xffea, 0, 0xb8, 0}, {0xffeb, 0, 0xdb, 0}, {0xffec, 0, 0xdc, 0},
	       {0xfe03, 0, 0xb8, 0}, {0xffe5, 0, 0x3a, 0},
	       {0xff7f, 0, 0x45, 0});
	EXPECT(us, {0x20ac, 0, NONE, 0}, {0, 0, NONE, 0},
	       {0x1000416, 0, NONE, 0}, {0xdeadbeef, 0, NONE, 0});
	keymap_destroy(us);
}

/* The keys of a JIS keyboard, by their scan codes. */
static void jp_keys(void **state UNUSED)
{
	struct keymap *jp = make("jp");

	EXPECT(jp, {'@', 0, 0x1a, 0}, {'[', 0, 0x1b, 0}, {']', 0, 0x2b, 0},
	       {':', 0, 0x28, 0}, {'\\', 0, 0x73, 0}, {'_', S, 0x73, S},
	       {'`', S, 0x1a, S}, {'{', S, 0x1b, S}, {'}', S, 0x2b, S},
	       {'*', S, 0x28, S}, {'^', 0, 0x0d, 0}, {'-', 0, 0x0c, 0},
	       {'=', S, 0x0c, S}, {';', 0, 0x27, 0}, {'+', S, 0x27, S},
	       {'"', S, 0x03, S}, {'\'', S, 0x08, S}, {'&', S, 0x07, S});
	/* The yen key, by its own symbol and by the bar on it. */
	EXPECT(jp, {0xa5, 0, 0x7d, 0}, {0x10000a5, 0, 0x7d, 0},
	       {'|', S, 0x7d, S});
	/* Hankaku/Zenkaku, Muhenkan, Henkan, Hiragana/Katakana. */
	EXPECT(jp, {0xff2a, 0, 0x29, 0}, {0xff22, 0, 0x7b, 0},
	       {0xff23, 0, 0x79, 0}, {0xff27, 0, 0x70, 0});
	/* A client with another layout holds Shift for @ and not for _ */
	EXPECT(jp, {'@', S, 0x1a, 0}, {'_', 0, 0x73, S}, {'"', 0, 0x03, S});
	keymap_destroy(jp);
	jp = make("jp(OADG109A)");
	EXPECT(jp, {0xa5, 0, 0x7d, 0}, {'\\', 0, 0x73, 0});
	keymap_destroy(jp);
}

static void de_keys(void **state UNUSED)
{
	struct keymap *de = make("de");

	EXPECT(de, {'z', 0, 0x15, 0}, {'y', 0, 0x2c, 0}, {0xfc, 0, 0x1a, 0},
	       {0xdc, S, 0x1a, S}, {'@', G, 0x10, G}, {'@', 0, 0x10, G},
	       {0x20ac, G, 0x12, G}, {'<', 0, 0x56, 0}, {'|', G, 0x56, G},
	       {'\\', G, 0x0c, G}, {0xfe03, 0, 0xb8, 0});
	/* An accent on its own is on the dead key. */
	EXPECT(de, {'^', 0, 0x29, 0}, {0xfe52, 0, 0x29, 0}, {0xb4, 0, 0x0d, 0},
	       {'`', S, 0x0d, S});
	/* A US client's Shift+2. */
	EXPECT(de, {'@', S, 0x10, G});
	keymap_destroy(de);
}

/* What is locked stays locked; letters come out right all the same. */
static void locks_are_left_alone(void **state UNUSED)
{
	struct keymap *us = make("us");

	EXPECT(us, {'A', C, 0x1e, C}, {'a', C | S, 0x1e, C | S},
	       {'a', C, 0x1e, C | S}, {'A', 0, 0x1e, S}, {'a', S, 0x1e, 0},
	       {'1', C, 0x02, C}, {'!', C | S, 0x02, C | S});
	/* Keypad: Num Lock decides in the guest, Shift is not touched. */
	EXPECT(us, {0xffb7, 0, 0x47, 0}, {0xffb7, N, 0x47, N},
	       {0xff95, 0, 0x47, 0}, {0xff95, N, 0x47, N},
	       {0xffae, 0, 0x53, 0});
	/* Arrows with Shift select; Shift+Tab has a symbol of its own. */
	EXPECT(us, {0xff51, S, 0xcb, S}, {0xfe20, S, 0x0f, S},
	       {0xfe20, 0, 0x0f, 0}, {0xff15, 0, 0xb7, 0});
	keymap_destroy(us);
}

/* The other script's layout types Latin letters where "us" has them. */
static void latin_letters_exist_everywhere(void **state UNUSED)
{
	static const char *const names[] = {"ru", "gr", "ua", "am", "bg"};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		struct keymap *keymap = make(names[i]);

		EXPECT(keymap, {'c', 0, 0x2e, 0}, {'C', S, 0x2e, S});
		keymap_destroy(keymap);
	}
	struct keymap *ru = make("ru");

	/* Cyrillic by name and by code point. */
	EXPECT(ru, {0x6c6, 0, 0x1e, 0}, {0x1000444, 0, 0x1e, 0},
	       {0x1000424, S, 0x1e, S});
	keymap_destroy(ru);
}

static void holders_are_known(void **state UNUSED)
{
	struct keymap *us = make("us"), *de = make("de");

	assert_int_equal(keymap_holds(us, 0x2a), S);
	assert_int_equal(keymap_holds(us, 0x36), S);
	assert_int_equal(keymap_holds(us, 0xb8), 0);
	assert_int_equal(keymap_holds(de, 0xb8), G);
	assert_int_equal(keymap_holds(us, 0x1e), 0);
	assert_int_equal(keymap_holds(us, 0), 0);
	assert_int_equal(keymap_holder(us, S), 0x2a);
	assert_int_equal(keymap_holder(us, G), 0);
	assert_int_equal(keymap_holder(de, G), 0xb8);
	assert_int_equal(keymap_toggles(0xffe5), C);
	assert_int_equal(keymap_toggles(0xff7f), N);
	assert_int_equal(keymap_toggles('a'), 0);
	keymap_destroy(us);
	keymap_destroy(de);
}

/* ---- names ---- */

/* All files of bhyve's kbdlayout directory. */
static const char *const bhyve_names[] = {
    "am",
    "be",
    "be_acc",
    "bg_bds",
    "bg_phonetic",
    "br",
    "br_noacc",
    "centraleuropean",
    "ch",
    "ch-fr",
    "ch-fr_acc",
    "ch_acc",
    "ch_macbook_acc",
    "cz",
    "de",
    "de_acc",
    "de_noacc",
    "default",
    "dk",
    "dk_macbook",
    "ee",
    "es",
    "es_acc",
    "es_dvorak",
    "fi",
    "fr",
    "fr_acc",
    "fr_dvorak",
    "fr_dvorak_acc",
    "fr_macbook",
    "gr",
    "gr_101_acc",
    "gr_elot_acc",
    "hr",
    "hu_101",
    "hu_102",
    "is",
    "is_acc",
    "it",
    "jp",
    "jp_capsctrl",
    "kz_io",
    "kz_kst",
    "latinamerican",
    "latinamerican_acc",
    "lt",
    "nl",
    "no",
    "no_dvorak",
    "nordic_asus-eee",
    "pl_dvorak",
    "pt",
    "pt_acc",
    "ru",
    "ru_shift",
    "ru_win",
    "se",
    "si",
    "tr",
    "tr_f",
    "ua",
    "ua_shift_alt",
    "uk",
    "uk_capsctrl",
    "uk_dvorak",
    "uk_macbook",
    "us_dvorak",
    "us_dvorakl",
    "us_dvorakp",
    "us_dvorakr",
    "us_dvorakx",
    "us_emacs",
    "us_unix",
};

static void bhyve_names_are_layouts(void **state UNUSED)
{
	struct err err = {0};
	unsigned i;

	assert_int_equal(ARRAY_LEN(bhyve_names), 73);
	for (i = 0; i < ARRAY_LEN(bhyve_names); i++) {
		if (keymap_check(bhyve_names[i], &err))
			fail_msg("%s", err.msg);
		keymap_destroy(make(bhyve_names[i]));
	}
}

static void xkb_names_are_layouts(void **state UNUSED)
{
	struct keymap_name name;
	struct err err = {0};

	assert_int_equal(keymap_check("us(dvorak-intl)", &err), 0);
	assert_int_equal(keymap_check("us:dvorak", &err), 0);
	assert_int_equal(keymap_check("de_nodeadkeys", &err), 0);
	assert_int_equal(keymap_resolve(KEYMAP_XKB_ROOT, "uk", &err, &name), 0);
	assert_string_equal(name.layout, "gb");
	assert_string_equal(name.variant, "");
	assert_int_equal(
	    keymap_resolve(KEYMAP_XKB_ROOT, "us_dvorak", &err, &name), 0);
	assert_string_equal(name.layout, "us");
	assert_string_equal(name.variant, "dvorak");
}

static void refuse(const char *name, const char *sentence)
{
	struct keymap *keymap;
	struct err err = {0};

	assert_int_equal(keymap_check(name, &err), -ENOENT);
	assert_string_equal(err.msg, sentence);
	assert_int_equal(keymap_create(name, &err, &keymap), -ENOENT);
	assert_string_equal(err.msg, sentence);
}

static void unknown_names_are_refused(void **state UNUSED)
{
	refuse("jpp", "keyboard layout 'jpp' is unknown; did you mean 'jp'?");
	refuse("qwertyuiop", "keyboard layout 'qwertyuiop' is unknown;"
			     " /usr/share/X11/xkb/rules/evdev.lst lists them");
	refuse("latinamerica", "keyboard layout 'latinamerica' is unknown; did"
			       " you mean 'latinamerican'?");
	refuse("us_dvorack", "keyboard layout 'us' has no variant 'dvorack';"
			     " did you mean 'us(dvorak)'?");
	refuse("de_noac", "keyboard layout 'de_noac' is unknown; did you mean"
			  " 'de_noacc'?");
	refuse("fi(zzzzzzzz)", "keyboard layout 'fi' has no variant"
			       " 'zzzzzzzz'; use 'fi'");
	refuse("../../etc/passwd",
	       "keyboard layout '../../etc/passwd' is unknown;"
	       " /usr/share/X11/xkb/rules/evdev.lst lists them");
	refuse("", "keyboard layout '' is unknown;"
		   " /usr/share/X11/xkb/rules/evdev.lst lists them");
	refuse("jp(", "keyboard layout 'jp(' is unknown; did you mean 'jp'?");
	refuse("us()", "keyboard layout 'us()' is unknown;"
		       " /usr/share/X11/xkb/rules/evdev.lst lists them");
}

/* No list to look it up in: what is well-formed passes. */
static void without_lists_names_pass(void **state UNUSED)
{
	struct keymap_name name;
	struct err err = {0};

	assert_int_equal(keymap_resolve("/nonexistent", "jp", &err, &name), 0);
	assert_string_equal(name.layout, "jp");
	assert_int_equal(keymap_resolve("/nonexistent", "uk", &err, &name), 0);
	assert_string_equal(name.layout, "gb");
	assert_int_equal(keymap_resolve("/nonexistent", "a b", &err, &name),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(us_keys),
	    cmocka_unit_test(jp_keys),
	    cmocka_unit_test(de_keys),
	    cmocka_unit_test(locks_are_left_alone),
	    cmocka_unit_test(latin_letters_exist_everywhere),
	    cmocka_unit_test(holders_are_known),
	    cmocka_unit_test(bhyve_names_are_layouts),
	    cmocka_unit_test(xkb_names_are_layouts),
	    cmocka_unit_test(unknown_names_are_refused),
	    cmocka_unit_test(without_lists_names_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
