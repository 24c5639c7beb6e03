/* SPDX-License-Identifier: BSD-2-Clause */
/* Escape sequence of the console; the contract is escape.h. */
#include "vm/escape.h"

bool escape_filter(struct escape *escape, const uint8_t *in, size_t len,
		   uint8_t *out, size_t *ret_len)
{
	size_t n = 0;
	bool leave = false;

	for (size_t i = 0; i < len && !leave; i++) {
		uint8_t c = in[i];

		if (escape->tilde && c == '.') {
			leave = true;
			break;
		}
		if (escape->tilde && c != '~')
			out[n++] = '~';
		else if (!escape->tilde && c == '~' && !escape->mid_line) {
			escape->tilde = true;
			continue;
		}
		escape->tilde = false;
		out[n++] = c;
		escape->mid_line = c != '\r' && c != '\n';
	}
	*ret_len = n;
	return leave;
}
