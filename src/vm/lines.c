/* SPDX-License-Identifier: BSD-2-Clause */
/* Line splitter; the contract is lines.h. */
#include "vm/lines.h"

#include <string.h>

static void line_finish(struct lines *lines, line_fn *fn, void *ctx)
{
	lines->text[lines->len] = '\0';
	lines->len = 0;
	fn(ctx, lines->text);
	lines->overlong = false;
}

void lines_feed(struct lines *lines, const void *data, size_t len, line_fn *fn,
		void *ctx)
{
	const char *p = data;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\n')
			line_finish(lines, fn, ctx);
		else if (lines->len + 1 < sizeof(lines->text))
			/* A NUL would hide what follows it. */
			lines->text[lines->len++] = p[i] ? p[i] : '?';
		else
			lines->overlong = true;
	}
}

void lines_end(struct lines *lines, line_fn *fn, void *ctx)
{
	if (lines->len > 0)
		line_finish(lines, fn, ctx);
	lines->len = 0;
	lines->overlong = false;
}
