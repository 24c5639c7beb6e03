/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ones' complement sums (RFC 1071): added up in host order, which byte order
 * does not matter to until the end, eight bytes at a time.
 */
#include <endian.h>
#include <string.h>

#include "dev/e1000/e1000_internal.h"

static uint16_t fold(uint64_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static uint64_t add_words(const uint8_t *p, size_t len)
{
	uint64_t total = 0, word;

	/* Halves of 32 bits: 4 GiB of them cannot overflow the total. */
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		total += (uint32_t)word + (word >> 32);
	}
	word = 0;
	memcpy(&word, p, len);
	return total + (uint32_t)word + (word >> 32);
}

void e1000_sum_add(struct e1000_sum *sum, const void *data, size_t len)
{
	uint16_t part = fold(add_words(data, len));

	/* Behind an odd number of bytes the halves of a word change place. */
	sum->total += sum->odd ? __builtin_bswap16(part) : part;
	sum->odd ^= len & 1;
}

void e1000_sum_add16(struct e1000_sum *sum, uint16_t value)
{
	sum->total += htobe16(value);
}

uint16_t e1000_sum_value(const struct e1000_sum *sum)
{
	return be16toh(fold(sum->total));
}
