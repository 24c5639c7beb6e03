/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial number of a disk; the contract is in block.h. */
#include <string.h>

#include "backend/block.h"
#include "base/hash.h"

int block_serial(struct cfg *node, const char *place, size_t max,
		 struct err *err, char *ret_serial)
{
	char text[CFG_VALUE_MAX];
	int r = cfg_get(node, "ser", text, sizeof(text), err);

	if (r < 0)
		return r;
	if (r > 0 && strlen(text) > max)
		return err_set(err, -EINVAL,
			       "ser=%.40s is longer than %zu characters", text,
			       max);
	if (r > 0) {
		memcpy(ret_serial, text, strlen(text) + 1);
		return 0;
	}
	r = cfg_get(node, "path", text, sizeof(text), err);
	if (r < 0)
		return r;
	snprintf(
	    ret_serial, max + 1, "BYWAY-%012llX",
	    (unsigned long long)(hash64_text(HASH64_START, r ? text : place) &
				 0xffffffffffffull));
	return 0;
}
