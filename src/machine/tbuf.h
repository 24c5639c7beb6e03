/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A buffer of fixed room that tables are built in, byte after byte.
 *
 * What does not fit is dropped and remembered in `full`: builders append
 * without looking and check once at the end.
 */
#ifndef MACHINE_TBUF_H
#define MACHINE_TBUF_H

#include "base/base.h"

struct tbuf {
	uint8_t *data;
	size_t len, room;
	bool full;
};

MUST_CHECK int tbuf_init(struct tbuf *buf, size_t room);
void tbuf_fini(struct tbuf *buf); /* zeroed struct allowed */

void tbuf_add(struct tbuf *buf, const void *data, size_t len);
/* Zeros up to a multiple of `align` (a power of two). */
void tbuf_align(struct tbuf *buf, size_t align);

/* Little-endian numbers of `size` bytes, added or read/changed in place. */
void tbuf_add_int(struct tbuf *buf, uint64_t value, unsigned size);
uint64_t tbuf_int(const uint8_t *at, unsigned size);
void tbuf_set_int(uint8_t *at, uint64_t value, unsigned size);

/* What must be added to the bytes to make their sum 0. */
uint8_t tbuf_checksum(const uint8_t *data, size_t len);

#endif
