/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding an installation image; the contract is iso.h. */
#include "vm/iso.h"

#include <string.h>
#include <sys/stat.h>

static int image_check(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || access(path, R_OK) < 0)
		return err_cure_root(err_sys(err, -errno, "%s", path), err);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL,
			       "%s: neither a file nor a block device", path);
	if (strchr(path, ','))
		return err_set(err, -EINVAL,
			       "%s: a path with a comma cannot be given to "
			       "byway",
			       path);
	return 0;
}

int iso_find(const struct place *place, const char *name, struct err *err,
	     char buf[PATH_MAX])
{
	char below[PATH_MAX];
	CLEANUP_FREE char *real = realpath(name, NULL);

	if (!real && errno == ENOENT && name[0] != '/' &&
	    snprintf(below, sizeof(below), "%s/.iso/%s", place->dir, name) <
		(int)sizeof(below)) {
		real = realpath(below, NULL);
		if (!real && errno == ENOENT)
			return err_set(err, -ENOENT,
				       "%s: neither in this directory nor in "
				       "%s/.iso",
				       name, place->dir);
	}
	if (!real)
		return err_cure_root(err_sys(err, -errno, "%s", name), err);
	snprintf(buf, PATH_MAX, "%s", real);
	return image_check(buf, err);
}
