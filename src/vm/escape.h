/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The escape sequence of `vm console`: ~. at the start of a line leaves, ~~
 * there sends one ~. Pure.
 */
#ifndef VM_ESCAPE_H
#define VM_ESCAPE_H

#include "base/base.h"

struct escape {
	bool mid_line; /* zero-initialised: at the start of a line */
	bool tilde;    /* a ~ is being held back */
};

/*
 * Filters what was typed into `out`, which has room for 2 * len bytes; the
 * number of bytes to send goes to *ret_len. True: leave.
 */
bool escape_filter(struct escape *escape, const uint8_t *in, size_t len,
		   uint8_t *out, size_t *ret_len);

#endif
