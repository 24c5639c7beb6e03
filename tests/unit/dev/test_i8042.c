/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the keyboard controller and the PS/2 devices behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dev/i8042.h"
#include "dev/ps2.h"
#include "fakes.h"

#define DATA   0x60
#define STATUS 0x64

#define OBF 0x01
#define SYS 0x04
#define CMD 0x08
#define AUX 0x20

struct box {
	struct fake fake;
	struct i8042 *kbc;
};

static int setup(void **state)
{
	struct box *box = calloc(1, sizeof(*box));
	struct err err;

	if (!box)
		return -1;
	fake_init(&box->fake);
	if (i8042_create(&box->fake.env, &err, &box->kbc))
		return -1;
	*state = box;
	return 0;
}

static int teardown(void **state)
{
	struct box *box = *state;

	i8042_destroy(box->kbc);
	if (box->fake.line[1] || box->fake.line[12])
		return -1;
	fake_fini(&box->fake);
	free(box);
	return 0;
}

static uint8_t status(struct box *box)
{
	return fake_in8(&box->fake, STATUS);
}

static void command(struct box *box, uint8_t value)
{
	fake_out8(&box->fake, STATUS, value);
}

static void data(struct box *box, uint8_t value)
{
	fake_out8(&box->fake, DATA, value);
}

static void mouse(struct box *box, uint8_t value)
{
	command(box, 0xd4);
	data(box, value);
}

/* Exactly these bytes wait, from the keyboard (or controller) or the mouse. */
static void expect_from(struct box *box, uint8_t aux, const char *hex)
{
	char got[200] = "";
	size_t len = 0;

	while ((status(box) & OBF) && len < sizeof(got) - 4) {
		assert_int_equal(status(box) & AUX, aux);
		len += (size_t)snprintf(got + len, sizeof(got) - len,
					len ? " %02x" : "%02x",
					fake_in8(&box->fake, DATA));
	}
	assert_string_equal(got, hex);
}

static void expect(struct box *box, const char *hex)
{
	expect_from(box, 0, hex);
}

static void expect_mouse(struct box *box, const char *hex)
{
	expect_from(box, AUX, hex);
}

static void set_config(struct box *box, uint8_t value)
{
	command(box, 0x60);
	data(box, value);
}

/* ---- controller ---- */

static void starts_as_firmware_leaves_it(void **state)
{
	struct box *box = *state;

	assert_int_equal(status(box), 0x10 | SYS);
	command(box, 0x20);
	assert_int_equal(status(box), 0x10 | SYS | CMD | OBF);
	expect(box, "65");
}

static void controller_commands(void **state)
{
	static const struct {
		uint8_t command;
		const char *answer;
	} cases[] = {
	    {0xaa, "55"}, {0xab, "00"}, {0xa9, "00"}, {0xa4, "f1"},
	    {0xc0, "80"}, {0xe0, "00"}, {0xd0, "03"}, {0x00, ""},
	    {0xff, ""},	  {0xb5, ""},
	};
	struct box *box = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		command(box, cases[i].command);
		expect(box, cases[i].answer);
	}
	assert_int_equal(box->fake.ends, 0);
}

static void controller_memory(void **state)
{
	struct box *box = *state;
	uint8_t i;

	for (i = 1; i < 32; i++) {
		command(box, 0x60 | i);
		data(box, i * 3);
	}
	for (i = 1; i < 32; i++) {
		command(box, 0x20 | i);
		assert_int_equal(fake_in8(&box->fake, DATA), i * 3);
	}
	command(box, 0x20);
	expect(box, "65");
}

static void devices_are_switched_by_the_configuration(void **state)
{
	struct box *box = *state;

	command(box, 0xa7);
	command(box, 0xad);
	command(box, 0x20);
	expect(box, "75");
	/* A disabled keyboard keeps its bytes. */
	i8042_key(box->kbc, 0x1e, true);
	expect(box, "");
	command(box, 0xae);
	expect(box, "1e");
	command(box, 0xa8);
	command(box, 0x20);
	expect(box, "45");
	/* Talking to a device switches it on. */
	command(box, 0xad);
	data(box, 0xee);
	expect(box, "ee");
	command(box, 0xa7);
	mouse(box, 0xf2);
	expect_mouse(box, "fa 00");
	command(box, 0x20);
	expect(box, "45");
}

static void loops_bytes_back(void **state)
{
	struct box *box = *state;

	set_config(box, 0x47);
	command(box, 0xd2);
	data(box, 0x1c); /* not translated: nobody sent it */
	assert_true(box->fake.line[1]);
	expect(box, "1c");
	command(box, 0xd3);
	data(box, 0xa5);
	assert_true(box->fake.line[12]);
	expect_mouse(box, "a5");
	assert_false(box->fake.line[12]);
}

static void interrupts_are_edges_per_byte(void **state)
{
	struct box *box = *state;

	assert_false(box->fake.line[1]);
	data(box, 0xf2);
	assert_true(box->fake.line[1]);
	assert_int_equal(box->fake.rises[1], 1);
	assert_int_equal(fake_in8(&box->fake, DATA), 0xfa);
	assert_int_equal(box->fake.rises[1], 2);
	assert_int_equal(fake_in8(&box->fake, DATA), 0xab);
	assert_int_equal(fake_in8(&box->fake, DATA), 0x41);
	assert_int_equal(box->fake.rises[1], 3);
	assert_false(box->fake.line[1]);
	/* Without an enable there is none; enabling shows what waits. */
	set_config(box, 0x44);
	data(box, 0xee);
	mouse(box, 0xf2);
	assert_int_equal(box->fake.rises[1], 3);
	assert_true(status(box) & OBF);
	set_config(box, 0x47);
	assert_int_equal(box->fake.rises[1], 4);
	assert_int_equal(fake_in8(&box->fake, DATA), 0xee);
	expect_mouse(box, "fa 00");
	assert_int_equal(box->fake.rises[12], 2);
}

static void output_register_reads_again_when_empty(void **state)
{
	struct box *box = *state;

	data(box, 0xee);
	assert_int_equal(fake_in8(&box->fake, DATA), 0xee);
	assert_false(status(box) & OBF);
	assert_int_equal(fake_in8(&box->fake, DATA), 0xee);
}

static void a20_is_remembered(void **state)
{
	struct box *box = *state;

	command(box, 0xd1);
	data(box, 0x01);
	command(box, 0xd0);
	expect(box, "01");
	command(box, 0xdf);
	command(box, 0xd0);
	expect(box, "03");
	command(box, 0xdd);
	command(box, 0xd0);
	expect(box, "01");
	assert_int_equal(box->fake.ends, 0);
}

static void resets_the_machine(void **state)
{
	struct box *box = *state;

	command(box, 0xfe);
	assert_int_equal(box->fake.ends, 1);
	assert_int_equal(box->fake.end, VM_END_REBOOT);
	assert_string_equal(box->fake.why, "reset by the keyboard controller");
	command(box, 0xd1);
	data(box, 0x02);
	assert_int_equal(box->fake.ends, 2);
	command(box, 0xf1); /* pulses other bits only */
	assert_int_equal(box->fake.ends, 2);
}

/* ---- keyboard ---- */

static void keyboard_commands(void **state)
{
	struct box *box = *state;

	set_config(box, 0x05); /* no translation */
	data(box, 0xff);
	expect(box, "fa aa");
	data(box, 0xf2);
	expect(box, "fa ab 83");
	data(box, 0xed);
	data(box, 0x07);
	expect(box, "fa fa");
	data(box, 0xf3);
	data(box, 0x00);
	expect(box, "fa fa");
	data(box, 0xf0);
	data(box, 0x00);
	expect(box, "fa fa 02");
	data(box, 0xf0);
	data(box, 0x03); /* no set 3 here */
	expect(box, "fa fe");
	data(box, 0xf0);
	data(box, 0x01);
	data(box, 0xf0);
	data(box, 0x00);
	expect(box, "fa fa fa fa 01");
	data(box, 0xf6);
	data(box, 0xf0);
	data(box, 0x00);
	expect(box, "fa fa fa 02");
	data(box, 0xf8);
	expect(box, "fa");
	data(box, 0x12);
	expect(box, "fe");
	data(box, 0xee);
	expect(box, "ee");
	data(box, 0xfe); /* the last byte again */
	expect(box, "ee");
	/* A command instead of the argument. */
	data(box, 0xed);
	data(box, 0xf2);
	expect(box, "fa fa ab 83");
}

static void keys_in_every_encoding(void **state)
{
	/* Code, then make and break in set 1, set 2, and translated set 2. */
	static const struct {
		uint8_t code;
		const char *set1, *set2;
	} cases[] = {
	    {0x1e, "1e 9e", "1c f0 1c"},	     /* A */
	    {0x01, "01 81", "76 f0 76"},	     /* Esc */
	    {0x39, "39 b9", "29 f0 29"},	     /* space */
	    {0x41, "41 c1", "83 f0 83"},	     /* F7 */
	    {0x58, "58 d8", "07 f0 07"},	     /* F12 */
	    {0x2a, "2a aa", "12 f0 12"},	     /* left shift */
	    {0x9d, "e0 1d e0 9d", "e0 14 e0 f0 14"}, /* right control */
	    {0xc8, "e0 48 e0 c8", "e0 75 e0 f0 75"}, /* up */
	    {0xd3, "e0 53 e0 d3", "e0 71 e0 f0 71"}, /* delete */
	    {0xdb, "e0 5b e0 db", "e0 1f e0 f0 1f"}, /* left logo */
	    {PS2_KEY_PAUSE, "e1 1d 45 e1 9d c5", "e1 14 77 e1 f0 14 f0 77"},
	};
	struct box *box = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		set_config(box, 0x45); /* translated */
		i8042_key(box->kbc, cases[i].code, true);
		i8042_key(box->kbc, cases[i].code, false);
		expect(box, cases[i].set1);
		set_config(box, 0x05);
		i8042_key(box->kbc, cases[i].code, true);
		i8042_key(box->kbc, cases[i].code, false);
		expect(box, cases[i].set2);
		data(box, 0xf0);
		data(box, 0x01);
		expect(box, "fa fa");
		i8042_key(box->kbc, cases[i].code, true);
		i8042_key(box->kbc, cases[i].code, false);
		expect(box, cases[i].set1);
		data(box, 0xf6);
		expect(box, "fa");
	}
	/* No key has this code. */
	i8042_key(box->kbc, 0x00, true);
	i8042_key(box->kbc, 0x80, true);
	expect(box, "");
}

/* Every make code of a PC keyboard comes back from the translation. */
static void translation_inverts(void **state)
{
	struct box *box = *state;
	unsigned code;
	char text[8];

	for (code = 1; code <= 0x58; code++) {
		i8042_key(box->kbc, (uint8_t)code, true);
		snprintf(text, sizeof(text), "%02x", code);
		expect(box, text);
	}
}

static void keyboard_is_silent_when_disabled(void **state)
{
	struct box *box = *state;

	data(box, 0xf5);
	i8042_key(box->kbc, 0x1e, true);
	expect(box, "fa");
	data(box, 0xf4);
	i8042_key(box->kbc, 0x1e, true);
	expect(box, "fa 1e");
}

static void full_keyboard_says_so_and_keeps_whole_codes(void **state)
{
	struct box *box = *state;
	uint8_t last = 1;
	unsigned i, bytes = 0;

	set_config(box, 0x05);
	for (i = 0; i < 100; i++)
		i8042_key(box->kbc, 0xc8, i & 1 ? false : true);
	while (status(box) & OBF) {
		last = fake_in8(&box->fake, DATA);
		bytes++;
	}
	assert_int_equal(last, 0x00); /* overrun */
	assert_in_range(bytes, PS2_EVENTS - 4, PS2_EVENTS + 1);
	i8042_key(box->kbc, 0x1e, true);
	expect(box, "1c");
}

/* Linux reads 16 bytes when it looks for a controller, and no more. */
static void keys_of_a_boot_do_not_hide_the_controller(void **state)
{
	struct box *box = *state;
	unsigned i, reads = 0;

	set_config(box, 0x65);
	for (i = 0; i < 64; i++)
		i8042_key(box->kbc, 0x1e, true);
	for (; (status(box) & OBF) && reads < 100; reads++)
		fake_in8(&box->fake, DATA);
	assert_in_range(reads, 10, 16);
}

static void answers_do_not_pile_up(void **state)
{
	struct box *box = *state;
	unsigned i, bytes = 0;

	for (i = 0; i < 1000; i++) {
		data(box, 0xee);
		command(box, 0x20);
		mouse(box, 0xe9);
	}
	for (i = 0; (status(box) & OBF) && i < 1000; i++) {
		fake_in8(&box->fake, DATA);
		bytes++;
	}
	assert_in_range(bytes, 3, 64);
	data(box, 0xee);
	expect(box, "ee");
}

/* ---- mouse ---- */

static void mouse_commands(void **state)
{
	struct box *box = *state;

	mouse(box, 0xff);
	expect_mouse(box, "fa aa 00");
	mouse(box, 0xf2);
	expect_mouse(box, "fa 00");
	mouse(box, 0xe9);
	expect_mouse(box, "fa 00 02 64");
	mouse(box, 0xe8);
	mouse(box, 0x03);
	mouse(box, 0xe7);
	mouse(box, 0xf3);
	mouse(box, 0x28);
	mouse(box, 0xf4);
	expect_mouse(box, "fa fa fa fa fa fa");
	mouse(box, 0xe9);
	expect_mouse(box, "fa 30 03 28");
	mouse(box, 0xe6);
	mouse(box, 0xf5);
	mouse(box, 0xf0);
	expect_mouse(box, "fa fa fa");
	mouse(box, 0xe9);
	expect_mouse(box, "fa 40 03 28");
	mouse(box, 0xf6);
	expect_mouse(box, "fa");
	mouse(box, 0xe9);
	expect_mouse(box, "fa 00 02 64");
	mouse(box, 0x42);
	expect_mouse(box, "fe");
	mouse(box, 0xfe);
	expect_mouse(box, "fe");
	/* Wrap mode echoes everything but the way out. */
	mouse(box, 0xee);
	mouse(box, 0xf2);
	mouse(box, 0xe9);
	mouse(box, 0xec);
	expect_mouse(box, "fa f2 e9 fa");
	mouse(box, 0xee);
	mouse(box, 0xff);
	expect_mouse(box, "fa fa aa 00");
}

static void set_rates(struct box *box, uint8_t a, uint8_t b, uint8_t c)
{
	const uint8_t rate[] = {a, b, c};
	unsigned i;

	for (i = 0; i < 3; i++) {
		mouse(box, 0xf3);
		mouse(box, rate[i]);
	}
	expect_mouse(box, "fa fa fa fa fa fa");
}

static void mouse_packets(void **state)
{
	struct box *box = *state;

	i8042_mouse(box->kbc, 1, 1, 0, 1); /* not reporting yet */
	expect_mouse(box, "");
	mouse(box, 0xf4);
	expect_mouse(box, "fa");
	i8042_mouse(box->kbc, 5, -3, 0, 1);
	expect_mouse(box, "29 05 fd");
	i8042_mouse(box->kbc, -1, 2, 1, 6); /* plain: the wheel is lost */
	expect_mouse(box, "1e ff 02");
	i8042_mouse(box->kbc, 0, 0, 0, 6); /* nothing new */
	expect_mouse(box, "");
	/* Far movements take several packets. */
	i8042_mouse(box->kbc, 600, -300, 0, 0);
	expect_mouse(box, "28 ff 00 28 ff d4 08 5a 00");

	set_rates(box, 200, 200, 80); /* not before the wheel */
	mouse(box, 0xf2);
	expect_mouse(box, "fa 00");
	set_rates(box, 200, 100, 80);
	mouse(box, 0xf2);
	expect_mouse(box, "fa 03");
	i8042_mouse(box->kbc, 0, 0, -1, 0);
	expect_mouse(box, "08 00 00 ff");
	set_rates(box, 200, 200, 80);
	mouse(box, 0xf2);
	expect_mouse(box, "fa 04");
	i8042_mouse(box->kbc, 0, 0, 1, 0x18);
	expect_mouse(box, "08 00 00 31");
	/* Reset makes it plain again. */
	mouse(box, 0xff);
	expect_mouse(box, "fa aa 00");
}

static void mouse_adds_up_what_does_not_fit(void **state)
{
	struct box *box = *state;
	int x = 0;
	unsigned i;

	mouse(box, 0xf4);
	expect_mouse(box, "fa");
	for (i = 0; i < 1000; i++)
		i8042_mouse(box->kbc, 2, 0, 0, 0);
	for (i = 0; (status(box) & OBF) && i < 1000; i++) {
		assert_int_equal(fake_in8(&box->fake, DATA), 0x08);
		x += fake_in8(&box->fake, DATA);
		assert_int_equal(fake_in8(&box->fake, DATA), 0x00);
	}
	assert_int_equal(x, 2000);
}

static void mouse_in_remote_mode_answers_when_asked(void **state)
{
	struct box *box = *state;

	mouse(box, 0xf4);
	mouse(box, 0xf0);
	expect_mouse(box, "fa fa");
	i8042_mouse(box->kbc, 7, 8, 0, 2);
	expect_mouse(box, "");
	mouse(box, 0xeb);
	expect_mouse(box, "fa 0a 07 08");
	mouse(box, 0xeb);
	expect_mouse(box, "fa 0a 00 00");
	mouse(box, 0xea);
	expect_mouse(box, "fa");
	i8042_mouse(box->kbc, 1, 0, 0, 2);
	expect_mouse(box, "0a 01 00");
}

static void command_cuts_a_packet_off(void **state)
{
	struct box *box = *state;

	mouse(box, 0xf4);
	expect_mouse(box, "fa");
	i8042_mouse(box->kbc, 1, 1, 0, 0);
	assert_int_equal(fake_in8(&box->fake, DATA), 0x08);
	mouse(box, 0xf5);
	/* One byte was in the controller already. */
	expect_mouse(box, "01 fa");
}

static void reset_puts_everything_back(void **state)
{
	struct box *box = *state;

	set_config(box, 0x07);
	command(box, 0xdd);
	data(box, 0xf0);
	data(box, 0x01);
	mouse(box, 0xf4);
	i8042_reset(box->kbc);
	assert_int_equal(status(box), 0x10 | SYS);
	assert_false(box->fake.line[1] || box->fake.line[12]);
	command(box, 0x20);
	command(box, 0xd0);
	expect(box, "65 13");
	i8042_key(box->kbc, 0x1e, true);
	expect(box, "1e");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(starts_as_firmware_leaves_it),
	    TEST(controller_commands),
	    TEST(controller_memory),
	    TEST(devices_are_switched_by_the_configuration),
	    TEST(loops_bytes_back),
	    TEST(interrupts_are_edges_per_byte),
	    TEST(output_register_reads_again_when_empty),
	    TEST(a20_is_remembered),
	    TEST(resets_the_machine),
	    TEST(keyboard_commands),
	    TEST(keys_in_every_encoding),
	    TEST(translation_inverts),
	    TEST(keyboard_is_silent_when_disabled),
	    TEST(full_keyboard_says_so_and_keeps_whole_codes),
	    TEST(keys_of_a_boot_do_not_hide_the_controller),
	    TEST(answers_do_not_pile_up),
	    TEST(mouse_commands),
	    TEST(mouse_packets),
	    TEST(mouse_adds_up_what_does_not_fit),
	    TEST(mouse_in_remote_mode_answers_when_asked),
	    TEST(command_cuts_a_packet_off),
	    TEST(reset_puts_everything_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
