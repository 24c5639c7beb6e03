/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the real-time clock with time in the test's hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "dev/rtc.h"
#include "fakes.h"

#define S NS_PER_S

struct clockwork {
	struct fake fake;
	struct rtc *rtc;
};

static void create(struct clockwork *cw)
{
	struct err err;

	if (rtc_create(&cw->fake.env, &err, &cw->rtc))
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	struct clockwork *cw = calloc(1, sizeof(*cw));

	if (!cw)
		return -1;
	fake_init(&cw->fake);
	fake_set(&cw->fake, "rtc.use_localtime", "false");
	/* Not at the very beginning of time, nor on a full second. */
	fake_advance(&cw->fake, 5 * S + 250 * NS_PER_MS);
	cw->fake.wall_start -= 5;
	fake_advance(&cw->fake, 0);
	*state = cw;
	return 0;
}

static int setup_rtc(void **state)
{
	if (setup(state))
		return -1;
	create(*state);
	return 0;
}

static int teardown(void **state)
{
	struct clockwork *cw = *state;

	rtc_destroy(cw->rtc);
	if (cw->fake.line[RTC_IRQ])
		return -1;
	fake_fini(&cw->fake);
	free(cw);
	return 0;
}

static uint8_t rd(struct clockwork *cw, uint8_t index)
{
	fake_out8(&cw->fake, 0x70, index);
	return fake_in8(&cw->fake, 0x71);
}

static void wr(struct clockwork *cw, uint8_t index, uint8_t value)
{
	fake_out8(&cw->fake, 0x70, index);
	fake_out8(&cw->fake, 0x71, value);
}

/* The clock's bytes, century first, as one readable string. */
static void check_time(struct clockwork *cw, const char *expected)
{
	char text[64];

	snprintf(text, sizeof(text), "%02x%02x-%02x-%02x %02x:%02x:%02x %x",
		 rd(cw, 0x32), rd(cw, 9), rd(cw, 8), rd(cw, 7), rd(cw, 4),
		 rd(cw, 2), rd(cw, 0), rd(cw, 6));
	assert_string_equal(text, expected);
}

/* ---- reading the time ---- */

static void time_is_the_hosts_in_bcd(void **state)
{
	struct clockwork *cw = *state;

	assert_int_equal(rd(cw, 0x0b), 0x02);
	assert_int_equal(rd(cw, 0x0d), 0x80);
	check_time(cw, "2024-02-29 12:34:56 5");
	fake_advance(&cw->fake, 4 * S);
	check_time(cw, "2024-02-29 12:35:00 5");
	fake_advance(&cw->fake, 12 * 3600 * S);
	check_time(cw, "2024-03-01 00:35:00 6");
}

static void formats(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0b, 0x06);
	check_time(cw, "1418-02-1d 0c:22:38 5");
	wr(cw, 0x0b, 0x00); /* BCD, 12 hours: noon is 12 PM */
	check_time(cw, "2024-02-29 92:34:56 5");
	fake_advance(&cw->fake, 3600 * S);
	check_time(cw, "2024-02-29 81:34:56 5");
	fake_advance(&cw->fake, 11 * 3600 * S); /* midnight is 12 AM */
	check_time(cw, "2024-03-01 12:34:56 6");
	wr(cw, 0x0b, 0x04);
	fake_advance(&cw->fake, 3600 * S);
	check_time(cw, "1418-03-01 01:22:38 6");
}

static void local_time_is_the_default(void **state)
{
	struct clockwork *cw = *state;

	/* Nepal: 5 hours 45 minutes ahead, no summer time. */
	setenv("TZ", "NPT-5:45", 1);
	tzset();
	fake_set(&cw->fake, "rtc.use_localtime", "true");
	create(cw);
	setenv("TZ", "UTC", 1);
	tzset();
	check_time(cw, "2024-02-29 18:19:56 5");
}

static void bad_option_is_explained(void **state)
{
	struct clockwork *cw = *state;
	struct err err;

	fake_set(&cw->fake, "rtc.use_localtime", "maybe");
	assert_int_equal(rtc_create(&cw->fake.env, &err, &cw->rtc), -EINVAL);
	assert_non_null(strstr(err.msg, "rtc.use_localtime"));
	assert_null(cw->rtc);
	assert_int_equal(fake_in8(&cw->fake, 0x71), 0xff);
}

static void stepped_wall_clock_is_followed(void **state)
{
	struct clockwork *cw = *state;

	cw->fake.wall_start += 1; /* rounding between two clocks: no step */
	fake_advance(&cw->fake, 0);
	check_time(cw, "2024-02-29 12:34:56 5");
	cw->fake.wall_start += 3600;
	fake_advance(&cw->fake, 0);
	check_time(cw, "2024-02-29 13:34:57 5");
	cw->fake.wall_start -= 2 * 3600;
	fake_advance(&cw->fake, 0);
	check_time(cw, "2024-02-29 11:34:57 5");
}

/* ---- setting the time ---- */

static void guest_sets_the_time_with_set(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0b, 0x82);
	fake_advance(&cw->fake, 10 * S); /* stands still */
	check_time(cw, "2024-02-29 12:34:56 5");
	wr(cw, 0x32, 0x19);
	wr(cw, 9, 0x99);
	wr(cw, 8, 0x12);
	wr(cw, 7, 0x31);
	wr(cw, 4, 0x23);
	wr(cw, 2, 0x59);
	wr(cw, 0, 0x58);
	assert_int_equal(rd(cw, 0), 0x58);
	wr(cw, 0x0b, 0x02);
	check_time(cw, "1999-12-31 23:59:58 6");
	fake_advance(&cw->fake, 2 * S);
	check_time(cw, "2000-01-01 00:00:00 7");
	/* The host's steps still move it, by as much. */
	cw->fake.wall_start += 60;
	fake_advance(&cw->fake, 0);
	check_time(cw, "2000-01-01 00:01:00 7");
}

static void guest_sets_the_time_through_the_divider(void **state)
{
	struct clockwork *cw = *state;

	/* As Linux does: SET, divider reset, registers, back in that order. */
	wr(cw, 0x0b, 0x82);
	wr(cw, 0x0a, 0x76);
	wr(cw, 0, 0x10);
	wr(cw, 0x0b, 0x02);
	fake_advance(&cw->fake, 10 * S);
	check_time(cw, "2024-02-29 12:34:10 5");
	wr(cw, 0x0a, 0x26);
	/* The first second ends half a second later. */
	fake_advance(&cw->fake, 499 * NS_PER_MS);
	assert_int_equal(rd(cw, 0), 0x10);
	fake_advance(&cw->fake, NS_PER_MS);
	assert_int_equal(rd(cw, 0), 0x11);
	fake_advance(&cw->fake, S);
	assert_int_equal(rd(cw, 0), 0x12);
}

static void format_may_change_with_set(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0b, 0x86); /* binary from here */
	check_time(cw, "1418-02-1d 0c:22:38 5");
	wr(cw, 2, 45);
	wr(cw, 0x0b, 0x06);
	assert_int_equal(rd(cw, 2), 45);
	wr(cw, 0x0b, 0x02);
	check_time(cw, "2024-02-29 12:45:56 5");
}

static void guest_sets_one_register_while_running(void **state)
{
	struct clockwork *cw = *state;

	fake_advance(&cw->fake, 700 * NS_PER_MS);
	wr(cw, 4, 0x07);
	check_time(cw, "2024-02-29 07:34:56 5");
	fake_advance(&cw->fake, 300 * NS_PER_MS);
	check_time(cw, "2024-02-29 07:34:57 5");
}

static void nonsense_becomes_a_time(void **state)
{
	struct clockwork *cw = *state;
	unsigned i;

	for (i = 0; i < 10; i++) {
		wr(cw, 0x0b, 0x82);
		wr(cw, (uint8_t)i, 0xff);
		wr(cw, 0x0b, 0x02);
	}
	wr(cw, 0x32, 0xee);
	check_time(cw, "0000-01-01 00:00:00 7");
	wr(cw, 0x0b, 0x86);
	for (i = 0; i < 10; i++)
		wr(cw, (uint8_t)i, 0xff);
	wr(cw, 0x32, 0xff);
	wr(cw, 0x0b, 0x06);
	check_time(cw, "6363-0c-1f 17:3b:3b 6");
	fake_advance(&cw->fake, 2 * S);
	check_time(cw, "0000-01-01 00:00:01 7");
}

/* ---- update cycle ---- */

static void uip_announces_the_update(void **state)
{
	struct clockwork *cw = *state;

	/* The clock began when it was created, 250 ms into a host second. */
	assert_int_equal(rd(cw, 0x0a), 0x26);
	fake_advance(&cw->fake, S - 2229000);
	assert_int_equal(rd(cw, 0x0a), 0x26);
	fake_advance(&cw->fake, 1000);
	assert_int_equal(rd(cw, 0x0a), 0xa6);
	assert_int_equal(rd(cw, 0), 0x56);
	fake_advance(&cw->fake, 2227999);
	assert_int_equal(rd(cw, 0x0a), 0xa6);
	assert_int_equal(rd(cw, 0), 0x56);
	fake_advance(&cw->fake, 1);
	assert_int_equal(rd(cw, 0x0a), 0x26);
	assert_int_equal(rd(cw, 0), 0x57);
	/* Not while stopped. */
	wr(cw, 0x0b, 0x82);
	fake_advance(&cw->fake, S - 1000);
	assert_int_equal(rd(cw, 0x0a), 0x26);
	/* UIP cannot be written. */
	wr(cw, 0x0a, 0xa6);
	assert_int_equal(rd(cw, 0x0a), 0x26);
}

static void polled_flags_need_no_timer(void **state)
{
	struct clockwork *cw = *state;

	assert_int_equal(rd(cw, 0x0c), 0x00);
	fake_advance(&cw->fake, S);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
	/* Periodic and update-ended, but no interrupt request. */
	assert_int_equal(rd(cw, 0x0c), 0x50);
	assert_int_equal(rd(cw, 0x0c), 0x00);
	fake_advance(&cw->fake, 2 * NS_PER_MS);
	assert_int_equal(rd(cw, 0x0c), 0x40);
	assert_int_equal(cw->fake.rises[RTC_IRQ], 0);
}

static void update_interrupt(void **state)
{
	struct clockwork *cw = *state;
	unsigned i;

	wr(cw, 0x0a, 0x20); /* no periodic rate */
	rd(cw, 0x0c);
	wr(cw, 0x0b, 0x12);
	for (i = 1; i <= 3; i++) {
		fake_advance(&cw->fake, S - 1);
		assert_int_equal(cw->fake.rises[RTC_IRQ], i - 1);
		fake_advance(&cw->fake, 1);
		assert_true(cw->fake.line[RTC_IRQ]);
		assert_int_equal(rd(cw, 0x0c), 0x90);
		assert_false(cw->fake.line[RTC_IRQ]);
	}
	/* Unacknowledged it stays up and costs no host timer. */
	fake_advance(&cw->fake, S);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
	fake_advance(&cw->fake, 5 * S);
	assert_int_equal(cw->fake.rises[RTC_IRQ], 4);
	/* SET going high clears UIE. */
	wr(cw, 0x0b, 0x92);
	assert_int_equal(rd(cw, 0x0b), 0x82);
	assert_false(cw->fake.line[RTC_IRQ]);
}

static void periodic_interrupt_at_every_rate(void **state)
{
	/* Nanoseconds of 1 second, from the data sheet's table of rates. */
	static const uint64_t period[16] = {
	    0,	      3906250,	 7812500,   122070,    244140,	 488281,
	    976562,   1953125,	 3906250,   7812500,   15625000, 31250000,
	    62500000, 125000000, 250000000, 500000000,
	};
	struct clockwork *cw = *state;
	unsigned rate, i;

	wr(cw, 0x0b, 0x42);
	for (rate = 0; rate < 16; rate++) {
		wr(cw, 0x0a, (uint8_t)(0x20 | rate));
		rd(cw, 0x0c);
		if (rate == 0) {
			assert_true(fake_next_timer(&cw->fake) ==
				    FAKE_NO_TIMER);
			continue;
		}
		for (i = 0; i < 3; i++) {
			unsigned rises = cw->fake.rises[RTC_IRQ];

			fake_advance(&cw->fake, fake_next_timer(&cw->fake));
			assert_int_equal(cw->fake.rises[RTC_IRQ], rises + 1);
			assert_int_equal(rd(cw, 0x0c) & 0xc0, 0xc0);
			assert_true(fake_next_timer(&cw->fake) == period[rate]);
		}
	}
	wr(cw, 0x0b, 0x02);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
}

/* ---- alarm ---- */

static void alarm_at(struct clockwork *cw, uint8_t h, uint8_t m, uint8_t s)
{
	wr(cw, 5, h);
	wr(cw, 3, m);
	wr(cw, 1, s);
}

static void expect_alarm_after(struct clockwork *cw, uint64_t seconds)
{
	rd(cw, 0x0c);
	assert_false(cw->fake.line[RTC_IRQ]);
	fake_advance(&cw->fake, (seconds - 1) * S);
	assert_false(cw->fake.line[RTC_IRQ]);
	fake_advance(&cw->fake, S);
	assert_true(cw->fake.line[RTC_IRQ]);
	assert_int_equal(rd(cw, 0x0c) & 0xa0, 0xa0);
}

static void alarm_interrupt(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0a, 0x20);
	wr(cw, 0x0b, 0x22);
	alarm_at(cw, 0x12, 0x35, 0x10); /* now 12:34:56 */
	assert_int_equal(rd(cw, 5), 0x12);
	expect_alarm_after(cw, 14);
	expect_alarm_after(cw, 86400); /* every day */
	alarm_at(cw, 0x12, 0x35, 0x09);
	expect_alarm_after(cw, 86399);	/* a second ago is tomorrow */
	alarm_at(cw, 0xff, 0x00, 0x00); /* every hour */
	expect_alarm_after(cw, 24 * 60 + 51);
	expect_alarm_after(cw, 3600);
	alarm_at(cw, 0xc0, 0xff, 0x30); /* every minute */
	expect_alarm_after(cw, 30);
	expect_alarm_after(cw, 60);
	alarm_at(cw, 0xc0, 0xff, 0xc1); /* every second */
	expect_alarm_after(cw, 1);
	expect_alarm_after(cw, 1);
}

static void alarm_in_12_hour_format(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0a, 0x20);
	wr(cw, 0x0b, 0x20);
	alarm_at(cw, 0x81, 0x00, 0x00); /* 1 PM; now 12:34:56 PM */
	expect_alarm_after(cw, 25 * 60 + 4);
	alarm_at(cw, 0x12, 0x00, 0x00); /* 12 AM: midnight */
	expect_alarm_after(cw, 11 * 3600);
}

static void alarm_that_never_comes(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0a, 0x20);
	wr(cw, 0x0b, 0x22);
	alarm_at(cw, 0x24, 0x00, 0x00);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
	alarm_at(cw, 0x00, 0x60, 0x00);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
	alarm_at(cw, 0x00, 0x00, 0x0a);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
	rd(cw, 0x0c);
	fake_advance(&cw->fake, 3 * 86400 * S);
	assert_int_equal(rd(cw, 0x0c), 0x10);
}

static void alarm_flag_is_set_without_interrupt(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0a, 0x20);
	alarm_at(cw, 0x12, 0x35, 0x00);
	rd(cw, 0x0c);
	fake_advance(&cw->fake, 3 * S);
	assert_int_equal(rd(cw, 0x0c), 0x10);
	fake_advance(&cw->fake, 3600 * S);
	assert_int_equal(rd(cw, 0x0c), 0x30);
	/* Enabling what is flagged already interrupts at once. */
	fake_advance(&cw->fake, 86400 * S);
	wr(cw, 0x0b, 0x22);
	assert_true(cw->fake.line[RTC_IRQ]);
}

static void alarm_survives_a_step_of_the_wall_clock(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0a, 0x20);
	wr(cw, 0x0b, 0x22);
	alarm_at(cw, 0x18, 0x00, 0x00);
	cw->fake.wall_start += 6 * 3600; /* the host slept past it */
	fake_advance(&cw->fake, 60 * S);
	assert_true(cw->fake.line[RTC_IRQ]);
}

/* ---- memory and reset ---- */

static void nvram(void **state)
{
	struct clockwork *cw = *state;
	unsigned i;

	rtc_set_nvram(cw->rtc, 0x34, 0xab);
	assert_int_equal(rd(cw, 0x34), 0xab);
	/* Clock registers are no memory. */
	rtc_set_nvram(cw->rtc, 0x00, 0x11);
	rtc_set_nvram(cw->rtc, 0x0d, 0x11);
	rtc_set_nvram(cw->rtc, 0x32, 0x11);
	rtc_set_nvram(cw->rtc, 128, 0x11);
	check_time(cw, "2024-02-29 12:34:56 5");
	for (i = 0x0e; i < 128; i++)
		if (i != 0x32)
			wr(cw, (uint8_t)i, (uint8_t)(i ^ 0x55));
	for (i = 0x0e; i < 128; i++)
		if (i != 0x32)
			assert_int_equal(rd(cw, (uint8_t)i), i ^ 0x55);
	/* Bit 7 of the index is the NMI gate. */
	assert_int_equal(rd(cw, 0x80 | 0x34), 0x34 ^ 0x55);
	assert_int_equal(fake_in8(&cw->fake, 0x70), 0x34);
	check_time(cw, "2024-02-29 12:34:56 5");
}

static void read_only_registers(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0c, 0xff);
	wr(cw, 0x0d, 0x00);
	assert_int_equal(rd(cw, 0x0c), 0x00);
	assert_int_equal(rd(cw, 0x0d), 0x80);
}

static void reset_keeps_time_and_drops_interrupts(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0b, 0x7a);
	fake_advance(&cw->fake, S);
	assert_true(cw->fake.line[RTC_IRQ]);
	rtc_reset(cw->rtc);
	assert_false(cw->fake.line[RTC_IRQ]);
	assert_true(fake_next_timer(&cw->fake) == FAKE_NO_TIMER);
	assert_int_equal(rd(cw, 0x0b), 0x02);
	assert_int_equal(rd(cw, 0x0c), 0x00);
	check_time(cw, "2024-02-29 12:34:57 5");
}

/* Interrupt 8 is the HPET's for a while: flags go on, the line stays down. */
static void interrupt_can_be_released(void **state)
{
	struct clockwork *cw = *state;

	wr(cw, 0x0b, 0x12);
	fake_advance(&cw->fake, S);
	assert_true(cw->fake.line[RTC_IRQ]);
	rtc_release_irq(cw->rtc, true);
	assert_false(cw->fake.line[RTC_IRQ]);
	assert_int_equal(rd(cw, 0x0c) & 0x90, 0x90);
	fake_advance(&cw->fake, S);
	assert_false(cw->fake.line[RTC_IRQ]);
	rtc_release_irq(cw->rtc, false);
	assert_true(cw->fake.line[RTC_IRQ]);
	assert_int_equal(rd(cw, 0x0c) & 0x90, 0x90);
	assert_false(cw->fake.line[RTC_IRQ]);
}

#define TEST(fn)     cmocka_unit_test_setup_teardown(fn, setup_rtc, teardown)
#define TEST_RAW(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(time_is_the_hosts_in_bcd),
	    TEST(formats),
	    TEST_RAW(local_time_is_the_default),
	    TEST_RAW(bad_option_is_explained),
	    TEST(stepped_wall_clock_is_followed),
	    TEST(guest_sets_the_time_with_set),
	    TEST(guest_sets_the_time_through_the_divider),
	    TEST(format_may_change_with_set),
	    TEST(guest_sets_one_register_while_running),
	    TEST(nonsense_becomes_a_time),
	    TEST(uip_announces_the_update),
	    TEST(polled_flags_need_no_timer),
	    TEST(update_interrupt),
	    TEST(periodic_interrupt_at_every_rate),
	    TEST(alarm_interrupt),
	    TEST(alarm_in_12_hour_format),
	    TEST(alarm_that_never_comes),
	    TEST(alarm_flag_is_set_without_interrupt),
	    TEST(alarm_survives_a_step_of_the_wall_clock),
	    TEST(nvram),
	    TEST(read_only_registers),
	    TEST(reset_keeps_time_and_drops_interrupts),
	    TEST(interrupt_can_be_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
