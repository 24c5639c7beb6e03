/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls this folder makes on VFIO's descriptors, as a table: the
 * unit tests put a fake kernel with fake devices here.
 *
 * Everything returns 0 or a count, or a negative errno. Threads: any;
 * populate() from several at once.
 */
#ifndef VFIO_VFIO_OPS_H
#define VFIO_VFIO_OPS_H

#include "base/base.h"

struct vfio_ops {
	void *ctx; /* passed to each call */
	int (*open)(void *ctx, const char *path, int flags);
	void (*close)(void *ctx, int fd);
	/* `arg` is the pointer or the number the request takes. */
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
	ssize_t (*pread)(void *ctx, int fd, void *buf, size_t len,
			 uint64_t off);
	ssize_t (*pwrite)(void *ctx, int fd, const void *buf, size_t len,
			  uint64_t off);
	/* Shared, readable and writable, exactly at `addr` (replaces). */
	int (*mmap_at)(void *ctx, void *addr, size_t len, int fd, uint64_t off);
	/* Makes the pages of [addr, addr+len) present and writable. */
	int (*populate)(void *ctx, void *addr, size_t len);
	/* RLIMIT_MEMLOCK in bytes; UINT64_MAX: no limit. */
	uint64_t (*memlock_limit)(void *ctx);
	void (*sleep_ms)(void *ctx, unsigned ms);
};

/* The real ones. */
extern const struct vfio_ops vfio_ops_kernel;

#endif
