/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups that whoever started us has opened; the contract is vfio.h. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "vfio/vfio.h"

/* 0 to 2 are the terminal's. */
#define GIVEN_FD_MIN 3u

static int given_one(struct cfg *node, struct err *err,
		     struct vfio_given *ret_given)
{
	const char *name = cfg_name(node), *text = cfg_raw(node, "");
	uint64_t group, fd;

	if (parse_u64(name, &group) || group > INT_MAX)
		return err_set(err, -EINVAL,
			       "vfio.group.%s: expected the number of an IOMMU"
			       " group",
			       name);
	if (!text || strncmp(text, "fd:", 3) != 0 || parse_u64(text + 3, &fd) ||
	    fd < GIVEN_FD_MIN || fd > INT_MAX)
		return err_set(err, -EINVAL,
			       "vfio.group.%s=%s: expected fd:NUMBER, a"
			       " descriptor from %u on",
			       name, text ? text : "", GIVEN_FD_MIN);
	/* Not for the programs that we start. */
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(err, -errno,
			       "vfio.group.%s=%s: no such descriptor is open;"
			       " start byway with /dev/vfio/%s open there",
			       name, text, name);
	*ret_given = (struct vfio_given){.group = (int)group, .fd = (int)fd};
	return 0;
}

int vfio_given_read(struct cfg *root, struct err *err,
		    struct vfio_given ret_given[VFIO_GROUPS_MAX],
		    unsigned *ret_count)
{
	struct cfg *list = cfg_find(root, "vfio.group"), *node;
	unsigned count = 0;
	int r;

	for (node = list ? cfg_first(list) : NULL; node;
	     node = cfg_next(node)) {
		if (count == VFIO_GROUPS_MAX)
			return err_set(err, -ENOSPC,
				       "vfio.group: a guest can have devices of"
				       " at most %u IOMMU groups",
				       VFIO_GROUPS_MAX);
		r = given_one(node, err, &ret_given[count]);
		if (r)
			return r;
		count++;
	}
	*ret_count = count;
	return 0;
}
