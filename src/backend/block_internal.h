/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the block back end share; not for device models. */
#ifndef BACKEND_BLOCK_INTERNAL_H
#define BACKEND_BLOCK_INTERNAL_H

#include <pthread.h>

#include "backend/block.h"

#define BLOCK_BOUNCE_BYTES (128u << 10)

/* An opened disk: constant after block_file_open(). */
struct block_file {
	char *path;
	int fd;
	bool device; /* a block device, not a regular file */
	bool o_direct;
	bool o_sync;
	uint32_t mem_align, offset_align; /* of O_DIRECT transfers */
	struct block_info info;
};

struct block {
	struct block_file file;
	pthread_mutex_t lock; /* Locking: guards everything below */
	pthread_cond_t work;  /* the queue or `closing` changed */
	pthread_cond_t idle;  /* pending fell to 0 */
	struct block_req *first, **tail;
	unsigned pending; /* submitted, done() not yet returned */
	unsigned workers, waiting;
	bool closing;
	int flush_error; /* of the first flush that failed */
	pthread_t worker[BLOCK_WORKERS];
};

/* Path, options, locks, geometry: everything that can be explained. */
MUST_CHECK int block_file_open(struct cfg *node, struct err *err,
			       struct block_file *ret_file);
MUST_CHECK int block_file_open_memory(struct cfg *node, uint64_t bytes,
				      struct err *err,
				      struct block_file *ret_file);
void block_file_close(
    struct block_file *file); /* zeroed or half-open allowed */

/*
 * Does one request, blocking. `bounce` is the worker's buffer, made when first
 * needed: NULL at first, the worker frees it.
 */
MUST_CHECK int block_io(const struct block_file *file,
			const struct block_req *req, void **bounce);

#endif
