/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FNV-1a: numbers for names, the same at every run and on every machine. Not
 * secret, and no defence against whoever wants two names to meet.
 *
 * Source: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#define HASH64_START 0xcbf29ce484222325ull
#define HASH32_START 0x811c9dc5u

/* Takes up a text without its final NUL; the result may take up the next. */
static inline uint64_t hash64_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

static inline uint32_t hash32_text(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x01000193u;
	return hash;
}

#endif
