/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the ACPI hardware and of the reset and progress ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dev/acpi_pm.h"
#include "dev/reset_ports.h"
#include "fakes.h"

struct board {
	struct fake fake;
	struct acpi_pm *pm;
	struct reset_ports *reset;
};

static int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));
	struct err err;

	if (!b)
		return -1;
	fake_init(&b->fake);
	fake_advance(&b->fake, 1234567);
	if (acpi_pm_create(&b->fake.env, &err, &b->pm) ||
	    reset_ports_create(&b->fake.env, &err, &b->reset))
		return -1;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	acpi_pm_destroy(b->pm);
	reset_ports_destroy(b->reset);
	if (b->fake.line[ACPI_PM_SCI])
		return -1;
	fake_fini(&b->fake);
	free(b);
	return 0;
}

static bool sci(const struct board *b)
{
	return b->fake.line[ACPI_PM_SCI];
}

/* ---- mode ---- */

static void acpi_mode_is_taken_and_left(void **state)
{
	struct board *b = *state;

	assert_int_equal(fake_in16(&b->fake, 0x404), 0x0000);
	fake_out8(&b->fake, 0xb2, 0xa0);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0x0001);
	/* The operating system cannot change the mode behind our back. */
	fake_out16(&b->fake, 0x404, 0x0000);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0x0001);
	fake_out8(&b->fake, 0xb2, 0x42); /* somebody else's command */
	assert_int_equal(fake_in8(&b->fake, 0xb2), 0x42);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0x0001);
	fake_out8(&b->fake, 0xb2, 0xa1);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0x0000);
	fake_out16(&b->fake, 0x404, 0x0001);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0x0000);
}

static void only_existing_bits_can_be_written(void **state)
{
	struct board *b = *state;

	fake_out16(&b->fake, 0x402, 0xffff);
	assert_int_equal(fake_in16(&b->fake, 0x402), 0x0721);
	fake_out16(&b->fake, 0x400, 0xffff);
	assert_int_equal(fake_in16(&b->fake, 0x400), 0x0000);
	/* SLP_EN and GBL_RLS read as zero; without SLP_EN nothing happens. */
	fake_out16(&b->fake, 0x404, 0xdfff);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0x1c02);
	assert_int_equal(b->fake.ends, 0);
	fake_out16(&b->fake, 0x40c, 0xffff);
	assert_int_equal(fake_in16(&b->fake, 0x40c), 0xff00);
	/* The event block as one word. */
	assert_int_equal(fake_in32(&b->fake, 0x400), 0x07210000);
}

/* ---- power ---- */

static void power_off(void **state)
{
	struct board *b = *state;

	fake_out16(&b->fake, 0x404, 0x0000 | 5 << 10);
	assert_int_equal(b->fake.ends, 0);
	fake_out16(&b->fake, 0x404, 0x2000 | 5 << 10);
	assert_int_equal(b->fake.ends, 1);
	assert_int_equal(b->fake.end, VM_END_POWEROFF);
	assert_string_equal(b->fake.why, "ACPI power-off");
}

static void other_sleeps_do_not_exist(void **state)
{
	struct board *b = *state;
	unsigned type;

	for (type = 0; type < 8; type++)
		if (type != 5)
			fake_out16(&b->fake, 0x404,
				   (uint16_t)(0x2000 | type << 10));
	assert_int_equal(b->fake.ends, 0);
}

static void power_button(void **state)
{
	struct board *b = *state;

	/* Nobody listens before ACPI mode. */
	assert_false(acpi_pm_power_button(b->pm));
	assert_int_equal(fake_in16(&b->fake, 0x400), 0);
	fake_out8(&b->fake, 0xb2, 0xa0);
	fake_out16(&b->fake, 0x402, 0x0100);
	assert_false(sci(b));
	assert_true(acpi_pm_power_button(b->pm));
	assert_true(sci(b));
	assert_int_equal(fake_in16(&b->fake, 0x400), 0x0100);
	/* Clearing other bits leaves it. */
	fake_out16(&b->fake, 0x400, 0xfeff);
	assert_true(sci(b));
	fake_out16(&b->fake, 0x400, 0x0100);
	assert_false(sci(b));
	assert_int_equal(fake_in16(&b->fake, 0x400), 0);
	/* Pressed while its event is masked: seen when it is enabled. */
	fake_out16(&b->fake, 0x402, 0x0000);
	assert_true(acpi_pm_power_button(b->pm));
	assert_false(sci(b));
	fake_out16(&b->fake, 0x402, 0x0100);
	assert_true(sci(b));
	/* Leaving ACPI mode takes the interrupt away. */
	fake_out8(&b->fake, 0xb2, 0xa1);
	assert_false(sci(b));
	assert_int_equal(b->fake.ends, 0);
}

static void general_purpose_events(void **state)
{
	struct board *b = *state;

	fake_out8(&b->fake, 0xb2, 0xa0);
	acpi_pm_gpe(b->pm, 3);
	assert_int_equal(fake_in8(&b->fake, 0x40c), 0x08);
	assert_false(sci(b));
	fake_out8(&b->fake, 0x40d, 0x08);
	assert_true(sci(b));
	fake_out8(&b->fake, 0x40c, 0xf7);
	assert_true(sci(b));
	fake_out8(&b->fake, 0x40c, 0x08);
	assert_false(sci(b));
}

/* ---- timer ---- */

static void timer_runs_at_its_frequency(void **state)
{
	struct board *b = *state;

	assert_int_equal(fake_in32(&b->fake, 0x408), 0);
	fake_advance(&b->fake, NS_PER_S);
	assert_int_equal(fake_in32(&b->fake, 0x408), 3579545);
	fake_advance(&b->fake, 99 * NS_PER_S + NS_PER_S / 2);
	assert_int_equal(fake_in32(&b->fake, 0x408), 359744272);
	/* In pieces too, and read-only. */
	fake_out32(&b->fake, 0x408, 0);
	assert_int_equal(fake_in8(&b->fake, 0x408), 359744272 & 0xff);
	assert_int_equal(fake_in16(&b->fake, 0x40a), 359744272 >> 16);
	/* 32 bits: round after 1199.9 seconds. */
	fake_advance(&b->fake, 1099 * NS_PER_S + NS_PER_S / 2);
	assert_int_equal(fake_in32(&b->fake, 0x408),
			 (uint32_t)(1200ull * 3579545));
	fake_advance(&b->fake, 100000 * NS_PER_S);
	assert_int_equal(fake_in32(&b->fake, 0x408),
			 (uint32_t)(101200ull * 3579545));
}

static void timer_status_follows_its_top_bit(void **state)
{
	/* 2^31 ticks, rounded up to a nanosecond. */
	const uint64_t half_ns = 599932015941;
	struct board *b = *state;

	fake_advance(&b->fake, half_ns - 1);
	assert_int_equal(fake_in16(&b->fake, 0x400), 0);
	fake_advance(&b->fake, 1);
	assert_int_equal(fake_in32(&b->fake, 0x408), 1u << 31);
	assert_int_equal(fake_in16(&b->fake, 0x400), 1);
	fake_out16(&b->fake, 0x400, 1);
	assert_int_equal(fake_in16(&b->fake, 0x400), 0);
	assert_true(fake_next_timer(&b->fake) == FAKE_NO_TIMER);
	/* With its interrupt enabled the host wakes up for it. */
	fake_out8(&b->fake, 0xb2, 0xa0);
	fake_advance(&b->fake, 100 * NS_PER_S);
	fake_out16(&b->fake, 0x402, 1);
	fake_advance(&b->fake, half_ns - 100 * NS_PER_S - 2);
	assert_false(sci(b));
	fake_advance(&b->fake, 2);
	assert_true(sci(b));
	assert_true(fake_next_timer(&b->fake) == FAKE_NO_TIMER);
	fake_out16(&b->fake, 0x400, 1);
	assert_false(sci(b));
	assert_false(fake_next_timer(&b->fake) == FAKE_NO_TIMER);
	acpi_pm_reset(b->pm);
	assert_true(fake_next_timer(&b->fake) == FAKE_NO_TIMER);
}

static void reset_clears_everything(void **state)
{
	struct board *b = *state;

	fake_out8(&b->fake, 0xb2, 0xa0);
	fake_out16(&b->fake, 0x402, 0x0100);
	fake_out8(&b->fake, 0x40d, 0xff);
	acpi_pm_gpe(b->pm, 0);
	assert_true(acpi_pm_power_button(b->pm));
	assert_true(sci(b));
	acpi_pm_reset(b->pm);
	assert_false(sci(b));
	assert_int_equal(fake_in32(&b->fake, 0x400), 0);
	assert_int_equal(fake_in16(&b->fake, 0x404), 0);
	assert_int_equal(fake_in16(&b->fake, 0x40c), 0);
	assert_int_equal(fake_in8(&b->fake, 0xb2), 0);
}

/* ---- reset and progress ports ---- */

static void port_92(void **state)
{
	struct board *b = *state;

	assert_int_equal(fake_in8(&b->fake, 0x92), 0x02);
	fake_out8(&b->fake, 0x92, 0x00);
	assert_int_equal(fake_in8(&b->fake, 0x92), 0x00);
	fake_out8(&b->fake, 0x92, 0xfe);
	assert_int_equal(fake_in8(&b->fake, 0x92), 0x02);
	assert_int_equal(b->fake.ends, 0);
	fake_out8(&b->fake, 0x92, 0x03);
	assert_int_equal(b->fake.ends, 1);
	assert_int_equal(b->fake.end, VM_END_REBOOT);
	assert_string_equal(b->fake.why, "reset by port 92");
}

static void port_cf9(void **state)
{
	struct board *b = *state;
	const struct pci_addr nobody = {0, 5, 0};

	fake_out8(&b->fake, 0xcf9, 0x02);
	assert_int_equal(fake_in8(&b->fake, 0xcf9), 0x02);
	assert_int_equal(b->fake.ends, 0);
	/* The config address around it is another register. */
	fake_out32(&b->fake, 0xcf8, 0x80000600);
	assert_int_equal(fake_in32(&b->fake, 0xcf8), 0x80000600);
	assert_int_equal(fake_in8(&b->fake, 0xcf9), 0x02);
	assert_int_equal(fake_cfg_read(&b->fake, nobody, 0, 4), UINT32_MAX);
	assert_int_equal(b->fake.ends, 0);
	fake_out8(&b->fake, 0xcf9, 0x06);
	assert_int_equal(b->fake.ends, 1);
	assert_int_equal(b->fake.end, VM_END_REBOOT);
	assert_string_equal(b->fake.why, "reset by port cf9");
	assert_int_equal(fake_in8(&b->fake, 0xcf9), 0x02);
	fake_out8(&b->fake, 0xcf9, 0x0e);
	assert_int_equal(b->fake.ends, 2);
}

static void progress_ports_keep_their_byte(void **state)
{
	struct board *b = *state;

	fake_out8(&b->fake, 0x80, 0x12);
	fake_out8(&b->fake, 0x84, 0x34);
	assert_int_equal(fake_in8(&b->fake, 0x80), 0x12);
	assert_int_equal(fake_in8(&b->fake, 0x84), 0x34);
	assert_int_equal(fake_in8(&b->fake, 0x81), 0xff);
}

static void ports_that_kvm_has_are_not_claimed(void **state)
{
	static const uint16_t port[] = {0x20, 0x21, 0xa0, 0xa1,	 0x40, 0x41,
					0x42, 0x43, 0x61, 0x4d0, 0x4d1};
	struct board *b = *state;
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_LEN(port); i++)
		assert_int_equal(
		    aspace_read(b->fake.env.pio, port[i], 1, &value), -ENXIO);
}

static void second_one_is_refused_and_leaves_the_first(void **state)
{
	struct board *b = *state;
	struct acpi_pm *pm = NULL;
	struct reset_ports *reset = NULL;
	struct err err;

	assert_int_equal(acpi_pm_create(&b->fake.env, &err, &pm), -EEXIST);
	assert_null(pm);
	assert_int_equal(reset_ports_create(&b->fake.env, &err, &reset),
			 -EEXIST);
	assert_null(reset);
	fake_out8(&b->fake, 0xb2, 0xa0);
	assert_true(acpi_pm_power_button(b->pm));
	fake_out8(&b->fake, 0xcf9, 0x06);
	assert_int_equal(b->fake.ends, 1);
	assert_int_equal(fake_in8(&b->fake, 0x80), 0x00);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(acpi_mode_is_taken_and_left),
	    TEST(only_existing_bits_can_be_written),
	    TEST(power_off),
	    TEST(other_sleeps_do_not_exist),
	    TEST(power_button),
	    TEST(general_purpose_events),
	    TEST(timer_runs_at_its_frequency),
	    TEST(timer_status_follows_its_top_bit),
	    TEST(reset_clears_everything),
	    TEST(port_92),
	    TEST(port_cf9),
	    TEST(progress_ports_keep_their_byte),
	    TEST(ports_that_kvm_has_are_not_claimed),
	    TEST(second_one_is_refused_and_leaves_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
