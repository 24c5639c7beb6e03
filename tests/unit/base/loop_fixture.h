/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An event loop for each test, and its passes; included after cmocka.h.
 * Threads: the test's.
 */
#ifndef LOOP_FIXTURE_H
#define LOOP_FIXTURE_H

#include "base/clock.h"
#include "base/evloop.h"

#define DEADLINE_NS (10 * NS_PER_S) /* nothing here takes a second */

static inline int setup(void **state)
{
	struct evloop *loop = NULL;

	if (evloop_create(&loop))
		return -1;
	*state = loop;
	return 0;
}

static inline int teardown(void **state)
{
	evloop_destroy(*state);
	return 0;
}

static inline uint64_t now_ns(void)
{
	return clock_host()->mono_ns(clock_host());
}

/* Handles what is ready now and must not wait for it. */
static inline void step_ready(struct evloop *loop)
{
	assert_int_equal(evloop_step(loop, 0), 0);
}

/* Steps until *counter reaches `target`. */
static inline void step_until(struct evloop *loop, const int *counter,
			      int target)
{
	uint64_t deadline = now_ns() + DEADLINE_NS;

	while (*counter < target) {
		assert_true(now_ns() < deadline);
		assert_int_equal(evloop_step(loop, 100), 0);
	}
	assert_int_equal(*counter, target);
}

#endif
