/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unpacked kernels kept on disk, so that each is unpacked once.
 *
 * One file a kernel, named after the kernel's path and its key (kfile.h): when
 * the kernel file changes, its old entry is never used again and removed when
 * the new one is made. At most KCACHE_ENTRIES_MAX are kept, the newest.
 * byway-unpack makes the entry (a process of its own, as it parses the file)
 * and renames it into place, so that an entry is whole or not there; guests
 * that start at the same time at worst do the same work.
 *
 * The directory and the entries must belong to this user and not be writable
 * by others: what is in them is run as a guest's kernel.
 */
#ifndef MACHINE_KCACHE_H
#define MACHINE_KCACHE_H

#include <limits.h>

#include "base/cfg.h"
#include "base/err.h"
#include "unpack/kfile.h"

#define KCACHE_ENTRIES_MAX 8u

struct kcache {
	char dir[PATH_MAX];	/* made when missing */
	char program[PATH_MAX]; /* byway-unpack */
};

/*
 * From boot.cache and boot.unpack. 1: use it; 0: switched off; negative: the
 * user's directory cannot be told, err says why.
 */
MUST_CHECK int kcache_config(struct cfg *root, struct err *err,
			     struct kcache *ret_cache);

/*
 * Opens the unpacked form of the kernel at `path`, whose open file has `key`;
 * makes it when it is not there. On failure the kernel can still be booted
 * packed: err says why it will be.
 */
MUST_CHECK int kcache_open(const struct kcache *cache, const char *path,
			   const struct kfile_key *key, struct err *err,
			   int *ret_fd, struct kfile_header *ret_header);

#endif
