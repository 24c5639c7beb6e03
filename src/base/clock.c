/* SPDX-License-Identifier: BSD-2-Clause */
/* Host clock and fake clock; the contract is in clock.h. */
#include "base/clock.h"

#include <time.h>

static uint64_t host_mono_ns(const struct clock *clock UNUSED)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int64_t host_wall_s(const struct clock *clock UNUSED)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

const struct clock *clock_host(void)
{
	static const struct clock host = {
	    .mono_ns = host_mono_ns,
	    .wall_s = host_wall_s,
	};
	return &host;
}

static uint64_t fake_mono_ns(const struct clock *clock)
{
	return container_of(clock, const struct clock_fake, clock)->mono_ns;
}

static int64_t fake_wall_s(const struct clock *clock)
{
	return container_of(clock, const struct clock_fake, clock)->wall_s;
}

void clock_fake_init(struct clock_fake *fake)
{
	*fake = (struct clock_fake){
	    .clock = {.mono_ns = fake_mono_ns, .wall_s = fake_wall_s},
	};
}
