/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the HPET with time in the test's hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dev/hpet.h"
#include "fakes.h"
#include "spec/hpet.h"

#define TICKS(ns)    ((uint64_t)(ns) / HPET_TICK_NS)
#define MS	     NS_PER_MS
#define T(n, reg)    (HPET_TIMERS + (n)*HPET_TIMER_BYTES + (reg))
#define ROUTE(input) ((uint64_t)(input) << HPET_TN_ROUTE_SHIFT)

struct bench {
	struct fake fake;
	struct hpet *hpet;
	bool legacy;
	unsigned switches;
};

static void note_legacy(void *ctx, bool on)
{
	struct bench *b = ctx;

	assert_true(b->legacy != on);
	/* Nobody else may drive the lines while we do. */
	assert_false(b->fake.line[0] || b->fake.line[8]);
	b->legacy = on;
	b->switches++;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct err err;

	if (!b)
		return -1;
	fake_init(&b->fake);
	fake_advance(&b->fake, 123456789); /* not at the start of time */
	if (hpet_create(&b->fake.env, note_legacy, b, &err, &b->hpet))
		return -1;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	unsigned i;

	hpet_destroy(b->hpet);
	for (i = 0; i < IRQ_LINES; i++)
		if (b->fake.line[i])
			return -1;
	fake_fini(&b->fake);
	free(b);
	return 0;
}

static uint64_t rd(struct bench *b, uint64_t reg)
{
	uint64_t v;

	assert_int_equal(aspace_read(b->fake.env.mmio, HPET_BASE + reg, 8, &v),
			 0);
	return v;
}

static uint32_t rd32(struct bench *b, uint64_t reg)
{
	uint64_t v;

	assert_int_equal(aspace_read(b->fake.env.mmio, HPET_BASE + reg, 4, &v),
			 0);
	return (uint32_t)v;
}

static void wr(struct bench *b, uint64_t reg, uint64_t v)
{
	assert_int_equal(aspace_write(b->fake.env.mmio, HPET_BASE + reg, 8, v),
			 0);
}

static void wr32(struct bench *b, uint64_t reg, uint32_t v)
{
	assert_int_equal(aspace_write(b->fake.env.mmio, HPET_BASE + reg, 4, v),
			 0);
}

static void pass(struct bench *b, uint64_t ns)
{
	fake_advance(&b->fake, ns);
}

/* ---- capabilities and counter ---- */

static void says_what_it_is(void **state)
{
	struct bench *b = *state;
	unsigned i;

	/* 10 ns in femtoseconds; Intel, legacy, 64 bits, 3 timers. */
	assert_int_equal(rd(b, HPET_CAPABILITIES), 0x009896808086a201);
	assert_int_equal(hpet_block_id(), 0x8086a201);
	assert_int_equal(rd32(b, HPET_CAPABILITIES + 4), 10000000);
	wr(b, HPET_CAPABILITIES, 0);
	assert_int_equal(rd(b, HPET_CAPABILITIES), 0x009896808086a201);
	assert_int_equal(rd(b, HPET_CONFIG), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(rd(b, T(i, HPET_TN_CONFIG)),
				 i < 2 ? 0x00f0000000000030
				       : 0x00f0080000000030);
		assert_int_equal(rd(b, T(i, HPET_TN_COMPARATOR)), UINT64_MAX);
		assert_int_equal(rd(b, T(i, HPET_TN_MESSAGE)), 0);
	}
	/* A fourth timer is not there. */
	wr(b, T(3, HPET_TN_CONFIG), HPET_TN_ENABLE);
	assert_int_equal(rd(b, T(3, HPET_TN_CONFIG)), 0);
	assert_int_equal(rd(b, 0x3f8), 0);
}

static void counter_counts_when_enabled(void **state)
{
	struct bench *b = *state;

	pass(b, 5 * MS);
	assert_int_equal(rd(b, HPET_COUNTER), 0);
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	pass(b, 5 * MS);
	assert_int_equal(rd(b, HPET_COUNTER), 500000);
	assert_int_equal(rd32(b, HPET_COUNTER), 500000);
	wr(b, HPET_CONFIG, 0);
	pass(b, 5 * MS);
	assert_int_equal(rd(b, HPET_COUNTER), 500000);
	wr(b, HPET_COUNTER, 0x1fffffff0);
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	pass(b, 160);
	assert_int_equal(rd(b, HPET_COUNTER), 0x200000000);
	assert_int_equal(rd32(b, HPET_COUNTER + 4), 2);
	/* Halves can be written apart. */
	wr(b, HPET_CONFIG, 0);
	wr32(b, HPET_COUNTER + 4, 7);
	assert_int_equal(rd(b, HPET_COUNTER), 0x700000000);
	wr32(b, HPET_COUNTER, 9);
	assert_int_equal(rd(b, HPET_COUNTER), 0x700000009);
}

/* Stopping and starting often, as Linux does, must not lose whole ticks. */
static void counter_does_not_drift(void **state)
{
	struct bench *b = *state;
	unsigned i;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	for (i = 0; i < 1000; i++) {
		pass(b, 3333 * 10);
		(void)rd(b, HPET_COUNTER);
	}
	assert_int_equal(rd(b, HPET_COUNTER), 3333 * 1000);
	/* Odd nanoseconds are not dropped at each look. */
	for (i = 0; i < 1000; i++) {
		pass(b, 7);
		(void)rd(b, HPET_COUNTER);
	}
	assert_int_equal(rd(b, HPET_COUNTER), 3333 * 1000 + 700);
}

static void narrow_accesses(void **state)
{
	struct bench *b = *state;
	uint64_t v;

	assert_int_equal(aspace_read(b->fake.env.mmio, HPET_BASE + 2, 2, &v),
			 0);
	assert_int_equal(v, 0x8086);
	assert_int_equal(
	    aspace_write(b->fake.env.mmio, HPET_BASE + HPET_CONFIG, 1, 1), 0);
	assert_int_equal(rd(b, HPET_CONFIG), 0);
	/* Across two registers: nothing. */
	assert_int_equal(aspace_write(b->fake.env.mmio,
				      HPET_BASE + HPET_CONFIG - 4, 8,
				      UINT64_MAX),
			 0);
	assert_int_equal(rd(b, HPET_CONFIG), 0);
}

/* ---- one-shot ---- */

static void one_shot_edge(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	wr(b, T(2, HPET_TN_CONFIG), HPET_TN_ENABLE | ROUTE(11));
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(5 * MS));
	pass(b, 5 * MS - 1);
	assert_int_equal(b->fake.rises[11], 0);
	pass(b, 1);
	assert_int_equal(b->fake.rises[11], 1);
	assert_false(b->fake.line[11]);
	assert_int_equal(rd(b, HPET_STATUS), 0);
	pass(b, 200 * NS_PER_S);
	assert_int_equal(b->fake.rises[11], 1);
	assert_int_equal(fake_next_timer(&b->fake), FAKE_NO_TIMER);
}

static void one_shot_32_bits_wraps(void **state)
{
	struct bench *b = *state;
	const uint64_t wrap_ns = (1ull << 32) * HPET_TICK_NS;

	wr(b, HPET_COUNTER, 0xfffffff00);
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	wr(b, T(2, HPET_TN_CONFIG), HPET_TN_ENABLE | HPET_TN_32 | ROUTE(11));
	/* The upper half does not exist. */
	wr(b, T(2, HPET_TN_COMPARATOR), 0xabcd00000100);
	assert_int_equal(rd(b, T(2, HPET_TN_COMPARATOR)), 0x100);
	pass(b, 0x1ff * HPET_TICK_NS);
	assert_int_equal(b->fake.rises[11], 0);
	pass(b, HPET_TICK_NS);
	assert_int_equal(b->fake.rises[11], 1);
	pass(b, wrap_ns - 1);
	assert_int_equal(b->fake.rises[11], 1);
	pass(b, 1);
	assert_int_equal(b->fake.rises[11], 2);
}

/* Computed from the counter, and written late: not lost, but not for ever. */
static void late_comparator(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	wr(b, T(2, HPET_TN_CONFIG), HPET_TN_ENABLE | ROUTE(11));
	pass(b, 10 * MS);
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(10 * MS) - 5000);
	assert_int_equal(b->fake.rises[11], 1);
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(5 * MS));
	pass(b, 1000 * NS_PER_S);
	assert_int_equal(b->fake.rises[11], 1);
	/* Writing the configuration again is no new event. */
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(1010 * NS_PER_S));
	wr(b, T(2, HPET_TN_CONFIG), ROUTE(11));
	wr(b, T(2, HPET_TN_CONFIG), HPET_TN_ENABLE | ROUTE(11));
	assert_int_equal(b->fake.rises[11], 1);
}

static void level_until_acknowledged(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	wr(b, T(1, HPET_TN_CONFIG), HPET_TN_ENABLE | HPET_TN_LEVEL | ROUTE(22));
	wr(b, T(1, HPET_TN_COMPARATOR), TICKS(MS));
	pass(b, MS);
	assert_true(b->fake.line[22]);
	assert_int_equal(rd(b, HPET_STATUS), 2);
	wr(b, HPET_STATUS, 5);
	assert_true(b->fake.line[22]);
	/* Off and on: the status stays, the line follows. */
	wr(b, HPET_CONFIG, 0);
	assert_false(b->fake.line[22]);
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	assert_true(b->fake.line[22]);
	/* To another input. */
	wr(b, T(1, HPET_TN_CONFIG), HPET_TN_ENABLE | HPET_TN_LEVEL | ROUTE(23));
	assert_true(!b->fake.line[22] && b->fake.line[23]);
	/* An input it does not reach is not taken. */
	wr(b, T(1, HPET_TN_CONFIG), HPET_TN_ENABLE | HPET_TN_LEVEL | ROUTE(5));
	assert_true(b->fake.line[23] && !b->fake.line[5]);
	wr(b, HPET_STATUS, 2);
	assert_false(b->fake.line[23]);
	assert_int_equal(rd(b, HPET_STATUS), 0);
}

/* 2.3.8: status is set without an interrupt, too. */
static void polled_level(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	wr(b, T(0, HPET_TN_CONFIG), HPET_TN_LEVEL | ROUTE(20));
	wr(b, T(0, HPET_TN_COMPARATOR), TICKS(MS));
	assert_int_equal(fake_next_timer(&b->fake), FAKE_NO_TIMER);
	pass(b, 2 * MS);
	assert_int_equal(rd(b, HPET_STATUS), 1);
	assert_false(b->fake.line[20]);
}

/* ---- periodic ---- */

/* As Linux does it: the first instant with VAL_SET, then the period. */
static void start_periodic(struct bench *b, unsigned n, uint64_t extra,
			   uint64_t first, uint64_t period)
{
	wr(b, T(n, HPET_TN_CONFIG),
	   (HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_VAL_SET | extra));
	wr(b, T(n, HPET_TN_COMPARATOR), first);
	wr(b, T(n, HPET_TN_COMPARATOR), period);
}

static void periodic_does_not_drift(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	start_periodic(b, 2, HPET_TN_32 | ROUTE(11), TICKS(10 * MS),
		       TICKS(4 * MS));
	assert_int_equal(rd(b, T(2, HPET_TN_CONFIG)) & HPET_TN_VAL_SET, 0);
	pass(b, 10 * MS);
	assert_int_equal(b->fake.rises[11], 1);
	assert_int_equal(rd(b, T(2, HPET_TN_COMPARATOR)), TICKS(14 * MS));
	pass(b, 4000 * MS);
	assert_int_equal(b->fake.rises[11], 1001);
	/* Through several wraps of 32 bits. */
	pass(b, 400 * NS_PER_S);
	assert_int_equal(b->fake.rises[11], 101001);
	wr(b, T(2, HPET_TN_CONFIG), ROUTE(11));
	assert_int_equal(fake_next_timer(&b->fake), FAKE_NO_TIMER);
}

static void one_write_sets_both(void **state)
{
	struct bench *b = *state;

	wr(b, T(2, HPET_TN_CONFIG),
	   HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_VAL_SET | ROUTE(11));
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(3 * MS));
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	pass(b, 30 * MS);
	assert_int_equal(b->fake.rises[11], 10);
}

/* Held up between the two writes, beyond the first instant. */
static void held_up_between_the_writes(void **state)
{
	struct bench *b = *state;

	pass(b, 7 * MS);
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	pass(b, 50 * MS);
	wr(b, T(2, HPET_TN_CONFIG),
	   HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_VAL_SET | HPET_TN_32 |
	       ROUTE(11));
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(54 * MS));
	pass(b, 6 * MS);
	assert_int_equal(b->fake.rises[11], 1);
	wr(b, T(2, HPET_TN_COMPARATOR), TICKS(4 * MS));
	assert_int_equal(rd(b, T(2, HPET_TN_COMPARATOR)), TICKS(58 * MS));
	pass(b, 2 * MS);
	/* One too many for the wrong period is all. */
	assert_in_range(b->fake.rises[11], 2, 3);
	b->fake.rises[11] = 0;
	pass(b, 400 * MS);
	assert_int_equal(b->fake.rises[11], 100);
}

static void hostile_periods_are_bounded(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	start_periodic(b, 2, ROUTE(11), 1, 1);
	pass(b, NS_PER_S);
	assert_in_range(b->fake.rises[11], 9990, 10001);
	/* The comparator goes on all the same. */
	assert_in_range(rd(b, T(2, HPET_TN_COMPARATOR)),
			TICKS(NS_PER_S - HPET_MIN_NS), TICKS(NS_PER_S) + 1);
	/* No period at all is no period. */
	start_periodic(b, 2, ROUTE(11), TICKS(2 * NS_PER_S), 0);
	b->fake.rises[11] = 0;
	pass(b, 10 * NS_PER_S);
	assert_int_equal(b->fake.rises[11], 1);
	/* The longest there is. */
	wr(b, T(2, HPET_TN_CONFIG),
	   HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_VAL_SET | ROUTE(11));
	wr(b, T(2, HPET_TN_COMPARATOR), UINT64_MAX);
	pass(b, 10 * NS_PER_S);
	assert_int_equal(b->fake.rises[11], 1);
}

/* What was missed while nothing ran is one interrupt, not many. */
static void missed_periods_are_one(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	start_periodic(b, 2, ROUTE(11), TICKS(MS), TICKS(MS));
	b->fake.clock.mono_ns += 10500 * 1000ull;
	pass(b, 0);
	assert_int_equal(b->fake.rises[11], 1);
	pass(b, 500000);
	assert_int_equal(b->fake.rises[11], 2);
}

static void periodic_level(void **state)
{
	struct bench *b = *state;
	unsigned i;

	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	start_periodic(b, 2, HPET_TN_LEVEL | ROUTE(21), TICKS(MS), TICKS(MS));
	for (i = 1; i <= 50; i++) {
		pass(b, MS);
		assert_true(b->fake.line[21]);
		assert_int_equal(b->fake.rises[21], i);
		wr(b, HPET_STATUS, 4);
		assert_false(b->fake.line[21]);
	}
	/* Not acknowledged, no host timer runs for it. */
	pass(b, MS);
	assert_int_equal(fake_next_timer(&b->fake), FAKE_NO_TIMER);
}

/* ---- legacy replacement ---- */

static void legacy_replacement(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_LEGACY | HPET_CFG_ENABLE);
	assert_true(b->legacy);
	start_periodic(b, 0, ROUTE(20), TICKS(MS), TICKS(MS));
	start_periodic(b, 1, 0, TICKS(2 * MS), TICKS(2 * MS));
	start_periodic(b, 2, ROUTE(11), TICKS(5 * MS), TICKS(5 * MS));
	pass(b, 10 * MS);
	assert_int_equal(b->fake.rises[0], 10);
	assert_int_equal(b->fake.rises[8], 5);
	assert_int_equal(b->fake.rises[11], 2);
	assert_int_equal(b->fake.rises[20], 0);
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	assert_false(b->legacy);
	pass(b, 10 * MS);
	assert_int_equal(b->fake.rises[0], 10);
	assert_int_equal(b->fake.rises[20], 10);
	assert_int_equal(b->switches, 2);
}

static void level_legacy_hands_over(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_LEGACY | HPET_CFG_ENABLE);
	wr(b, T(0, HPET_TN_CONFIG), HPET_TN_ENABLE | HPET_TN_LEVEL);
	wr(b, T(0, HPET_TN_COMPARATOR), TICKS(MS));
	pass(b, MS);
	assert_true(b->fake.line[0]);
	/* note_legacy() looks that the line is down. */
	wr(b, HPET_CONFIG, HPET_CFG_ENABLE);
	assert_false(b->legacy);
}

static void reset_turns_all_off(void **state)
{
	struct bench *b = *state;

	wr(b, HPET_CONFIG, HPET_CFG_LEGACY | HPET_CFG_ENABLE);
	start_periodic(b, 0, HPET_TN_LEVEL, TICKS(MS), TICKS(MS));
	pass(b, MS);
	assert_true(b->fake.line[0]);
	hpet_reset(b->hpet);
	assert_false(b->fake.line[0] || b->legacy);
	assert_int_equal(rd(b, HPET_CONFIG), 0);
	assert_int_equal(rd(b, HPET_STATUS), 0);
	assert_int_equal(rd(b, HPET_COUNTER), 0);
	assert_int_equal(rd(b, T(0, HPET_TN_CONFIG)), 0x00f0000000000030);
	assert_int_equal(fake_next_timer(&b->fake), FAKE_NO_TIMER);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(says_what_it_is),
	    CASE(counter_counts_when_enabled),
	    CASE(counter_does_not_drift),
	    CASE(narrow_accesses),
	    CASE(one_shot_edge),
	    CASE(one_shot_32_bits_wraps),
	    CASE(late_comparator),
	    CASE(level_until_acknowledged),
	    CASE(polled_level),
	    CASE(periodic_does_not_drift),
	    CASE(one_write_sets_both),
	    CASE(held_up_between_the_writes),
	    CASE(hostile_periods_are_bounded),
	    CASE(missed_periods_are_one),
	    CASE(periodic_level),
	    CASE(legacy_replacement),
	    CASE(level_legacy_hands_over),
	    CASE(reset_turns_all_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
