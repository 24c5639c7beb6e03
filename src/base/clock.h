/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock devices read: injected, so that a test owns time.
 * Thread-safe if the functions are.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

struct clock {
	uint64_t (*mono_ns)(const struct clock *clock); /* never goes back */
	int64_t (*wall_s)(const struct clock *clock);	/* Unix time, UTC */
};

/* The host's CLOCK_MONOTONIC and CLOCK_REALTIME. */
const struct clock *clock_host(void);

/* A clock that stands still until the test moves it. */
struct clock_fake {
	struct clock clock; /* first member: pass &fake.clock */
	uint64_t mono_ns;
	int64_t wall_s;
};
void clock_fake_init(struct clock_fake *fake);

#endif
