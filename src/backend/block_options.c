/* SPDX-License-Identifier: BSD-2-Clause */
/* What the models of disks share of options; the contract is in block.h. */
#include <string.h>

#include "backend/block.h"
#include "base/hash.h"

int block_parse(struct cfg *node, const char *model, const char *opts,
		struct err *err)
{
	size_t len = strcspn(opts, ",");
	char path[CFG_VALUE_MAX];
	int r;

	if (len >= sizeof(path))
		return err_set(err, -ENAMETOOLONG,
			       "%s: path of more than %d characters", model,
			       CFG_VALUE_MAX - 1);
	memcpy(path, opts, len);
	path[len] = '\0';
	/* "path=/x" or another option first is taken as such. */
	if (len == 0 || (path[0] != '/' && strchr(path, '=')))
		return cfg_set_list(node, opts, err);
	r = cfg_set(node, "path", path, err);
	if (!r && opts[len] == ',')
		r = cfg_set_list(node, opts + len + 1, err);
	return r;
}

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
