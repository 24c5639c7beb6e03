/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the host clock and of the fake one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "base/clock.h"

static void test_host_mono(void **state UNUSED)
{
	const struct clock *clock = clock_host();
	uint64_t last = clock->mono_ns(clock);
	uint64_t first = last;

	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock->mono_ns(clock);

		assert_true(now >= last);
		last = now;
	}
	assert_true(last > first);
}

static void test_host_wall(void **state UNUSED)
{
	const struct clock *clock = clock_host();
	time_t before = time(NULL);
	int64_t now = clock->wall_s(clock);

	/* time() may lag by a tick; nobody set the clock in between. */
	assert_true(now >= before && now <= before + 60);
}

static void test_fake(void **state UNUSED)
{
	struct clock_fake fake = {.mono_ns = 7, .wall_s = 9};
	const struct clock *clock = &fake.clock;

	clock_fake_init(&fake);
	assert_true(clock->mono_ns(clock) == 0);
	assert_true(clock->wall_s(clock) == 0);
	fake.mono_ns = 123456789012ull;
	fake.wall_s = -5;
	assert_true(clock->mono_ns(clock) == 123456789012ull);
	assert_true(clock->wall_s(clock) == -5);
	assert_true(clock->mono_ns(clock) == 123456789012ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_host_mono),
	    cmocka_unit_test(test_host_wall),
	    cmocka_unit_test(test_fake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
