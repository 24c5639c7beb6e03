/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the block back end share; not for device models. */
#ifndef BACKEND_BLOCK_INTERNAL_H
#define BACKEND_BLOCK_INTERNAL_H

#include <pthread.h>

#include "backend/block.h"
#include "base/evloop.h"

#define BLOCK_BOUNCE_BYTES (128u << 10)

/* An opened disk: constant after block_file_open(). */
struct block_file {
	char *path;
	int fd;
	bool device; /* a block device, not a regular file */
	bool o_direct;
	bool sync;			  /* a write is safe when it is done */
	bool ring_reads;		  /* io_uring can wait for its reads */
	uint32_t mem_align, offset_align; /* of O_DIRECT transfers */
	struct block_info info;
};

/* Requests in their order. */
struct block_queue {
	struct block_req *first, **tail;
};

static inline void block_queue_init(struct block_queue *queue)
{
	queue->first = NULL;
	queue->tail = &queue->first;
}

static inline void block_queue_add(struct block_queue *queue,
				   struct block_req *req)
{
	req->next = NULL;
	*queue->tail = req;
	queue->tail = &req->next;
}

/* All of them, linked by `next`; NULL: there is none. */
static inline struct block_req *block_queue_take_all(struct block_queue *queue)
{
	struct block_req *first = queue->first;

	block_queue_init(queue);
	return first;
}

/* The first, or NULL. */
static inline struct block_req *block_queue_take(struct block_queue *queue)
{
	struct block_req *req = queue->first;

	if (!req)
		return NULL;
	queue->first = req->next;
	if (!queue->first)
		queue->tail = &queue->first;
	req->next = NULL;
	return req;
}

struct block_ring;

struct block {
	struct block_file file;
	struct block_ring *ring; /* NULL: workers do everything */
	pthread_mutex_t lock;	 /* Locking: guards everything below */
	pthread_cond_t work;	 /* the queue or `closing` changed */
	pthread_cond_t idle;	 /* pending fell to 0, or the ring has work */
	struct block_queue requests, flushes;
	unsigned pending; /* submitted, done() not yet returned */
	unsigned workers, waiting;
	bool closing;
	bool flushing;	 /* a worker is at fdatasync() */
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

/* Negative errno: data that was written before may be lost. */
MUST_CHECK int block_sync(const struct block_file *file);
/*
 * Does one request, blocking; what a flush has to do is block_sync(). `bounce`
 * is the worker's buffer, made when first needed: NULL at first, the worker
 * frees it.
 */
MUST_CHECK int block_io(const struct block_file *file,
			const struct block_req *req, void **bounce);
/* What is wrong with a request, whatever the disk would say: 0 or -errno. */
MUST_CHECK int block_request_check(const struct block_file *file,
				   const struct block_req *req);
/* Can its data go to the file as it lies in memory? */
bool block_request_fits(const struct block_file *file,
			const struct block_req *req);

/* ---- for block_ring.c ---- */

/* A submitted request is over: done() is called, without the lock. */
void block_finish(struct block *block, struct block_req *req, int result);
/* A submitted request goes to the workers. */
void block_redo(struct block *block, struct block_req *req);

/* Negative errno where there is no io_uring that suits. */
MUST_CHECK int block_ring_create(struct block *block, struct evloop *loop,
				 struct block_ring **ret_ring);
void block_ring_destroy(struct block_ring *ring); /* NULL allowed */
bool block_ring_takes(const struct block *block, const struct block_req *req);
/* Lock held: are there requests it has not seen? NULL allowed. */
bool block_ring_waits(const struct block_ring *ring);
/* Lock held. True: block_ring_signal() is due, without the lock. */
MUST_CHECK bool block_ring_add(struct block_ring *ring, struct block_req *req);
void block_ring_signal(struct block_ring *ring);
/* Until the ring has nothing left; on the loop's thread or when it is over. */
void block_ring_drain(struct block_ring *ring);

#endif
