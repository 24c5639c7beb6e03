/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuzzer's input taken byte by byte; zero when it is used up. */
#ifndef TESTS_FUZZ_FEED_H
#define TESTS_FUZZ_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed {
	const uint8_t *data;
	size_t len;
};

static inline bool feed_more(const struct feed *feed)
{
	return feed->len != 0;
}

static inline uint8_t feed_u8(struct feed *feed)
{
	if (!feed->len)
		return 0;
	feed->len--;
	return *feed->data++;
}

static inline uint16_t feed_u16(struct feed *feed)
{
	uint16_t low = feed_u8(feed);

	return (uint16_t)(low | feed_u8(feed) << 8);
}

static inline uint32_t feed_u32(struct feed *feed)
{
	uint32_t low = feed_u16(feed);

	return low | (uint32_t)feed_u16(feed) << 16;
}

#endif
