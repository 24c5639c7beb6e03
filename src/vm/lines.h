/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte stream cut into lines, of bounded length.
 *
 * Locking: none, one thread.
 */
#ifndef VM_LINES_H
#define VM_LINES_H

#include "base/base.h"

#define LINES_MAX 1024u

typedef void line_fn(void *ctx, const char *line);

struct lines {
	char text[LINES_MAX];
	size_t len;
	bool overlong; /* the line being handed out was cut to fit */
};

/* Calls fn for each line that is complete, without its newline. */
void lines_feed(struct lines *lines, const void *data, size_t len, line_fn *fn,
		void *ctx);
/* Hands out a last line that had no newline, and starts afresh. */
void lines_end(struct lines *lines, line_fn *fn, void *ctx);

#endif
