/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block back end's queue and worker threads; the contract is in block.h.
 * Where there is an io_uring (block_ring.c), it takes what suits it.
 *
 * One FIFO, up to BLOCK_WORKERS threads: a second one is started only when a
 * request arrives while the first is busy, so an idle or slow disk costs one
 * thread or none. A worker calls done() without the lock.
 *
 * Flushes are another matter. The kernel tells of data that it could not write
 * once, to whichever fdatasync() of the open file asks first (a write(2) with
 * O_SYNC is one, too); one beside it ends well, and would be answered before
 * the failure is known. So there is one fdatasync() at a time, for all flushes
 * that wait when it begins; and where `sync` writes through the page cache, its
 * writes are followed by such a flush before they are done.
 */
#include "backend/block.h"

#include <signal.h>
#include <string.h>

#include "backend/block_internal.h"
#include "base/log.h"
#include "base/thread.h"

#define WORKER_STACK_BYTES (64u << 10)

/* Takes `file` over, also when it fails. */
static int block_create(struct block_file *file, struct err *err,
			struct block **ret_block)
{
	struct block *block = calloc(1, sizeof(*block));

	if (!block) {
		block_file_close(file);
		return err_set(err, -ENOMEM, "disk: out of memory");
	}
	block->file = *file;
	pthread_mutex_init(&block->lock, NULL);
	pthread_cond_init(&block->work, NULL);
	pthread_cond_init(&block->idle, NULL);
	block_queue_init(&block->requests);
	block_queue_init(&block->flushes);
	*ret_block = block;
	return 0;
}

int block_open(struct cfg *node, struct err *err, struct block **ret_block)
{
	struct block_file file;
	int r = block_file_open(node, err, &file);

	return r ? r : block_create(&file, err, ret_block);
}

int block_open_memory(struct cfg *node, uint64_t bytes, struct err *err,
		      struct block **ret_block)
{
	struct block_file file;
	int r = block_file_open_memory(node, bytes, err, &file);

	return r ? r : block_create(&file, err, ret_block);
}

struct block_info block_info(const struct block *block)
{
	return block->file.info;
}

static bool is_flush(const struct block *block, const struct block_req *req)
{
	return req->written ||
	       (req->op == BLOCK_FLUSH && block->file.info.write_cache);
}

/* O_SYNC is not used with the page cache between. */
static bool flushes_writes(const struct block_file *file)
{
	return file->sync && !file->o_direct;
}

/* O_SYNC is not for zeroes. */
static bool wants_flush(const struct block_file *file,
			const struct block_req *req)
{
	if (req->op == BLOCK_WRITE_ZEROES)
		return file->sync;
	return req->op == BLOCK_WRITE && flushes_writes(file);
}

/* What may begin: a request, or a list of all flushes. Lock held. */
static struct block_req *take_work(struct block *block)
{
	if (!block->flushes.first || block->flushing)
		return block_queue_take(&block->requests);
	block->flushing = true;
	return block_queue_take_all(&block->flushes);
}

/*
 * Waits for work; NULL when the disk is being closed. Lock held. Nobody is
 * woken for flushes that wait for another: whose flush ends comes by here.
 */
static struct block_req *next_work(struct block *block)
{
	struct block_req *req;

	while (!(req = take_work(block)) && !block->closing) {
		block->waiting++;
		pthread_cond_wait(&block->work, &block->lock);
		block->waiting--;
	}
	return req;
}

void block_finish(struct block *block, struct block_req *req, int result)
{
	req->done(req, result);
	pthread_mutex_lock(&block->lock);
	if (--block->pending == 0)
		pthread_cond_broadcast(&block->idle);
	pthread_mutex_unlock(&block->lock);
}

/* A flush after a failed one may "succeed" without the data: stay failed. */
static int flush_result(struct block *block, int result)
{
	pthread_mutex_lock(&block->lock);
	block->flushing = false;
	if (result && !block->flush_error) {
		block->flush_error = result;
		log_error("%s: cannot be flushed: %s; data may be lost, all"
			  " further %s fail",
			  block->file.path, strerror(-result),
			  flushes_writes(&block->file) ? "writes" : "flushes");
	}
	result = block->flush_error;
	pthread_mutex_unlock(&block->lock);
	return result;
}

static void do_flushes(struct block *block, struct block_req *req)
{
	int result = flush_result(block, block_sync(&block->file));
	struct block_req *next;

	for (; req; req = next) {
		next = req->next; /* it may be used again in done() */
		block_finish(block, req, result);
	}
}

static void do_request(struct block *block, struct block_req *req,
		       void **bounce)
{
	int result = block_io(&block->file, req, bounce);

	if (result || !wants_flush(&block->file, req)) {
		block_finish(block, req, result);
		return;
	}
	pthread_mutex_lock(&block->lock);
	req->written = true;
	block_queue_add(&block->flushes, req);
	pthread_mutex_unlock(&block->lock);
}

static void *worker_main(void *ctx)
{
	struct block *block = ctx;
	struct block_req *req;
	void *bounce = NULL;

	pthread_mutex_lock(&block->lock);
	while ((req = next_work(block))) {
		pthread_mutex_unlock(&block->lock);
		if (is_flush(block, req))
			do_flushes(block, req);
		else
			do_request(block, req, &bounce);
		pthread_mutex_lock(&block->lock);
	}
	pthread_mutex_unlock(&block->lock);
	free(bounce);
	return NULL;
}

static int worker_start(struct block *block)
{
	int r = thread_start(WORKER_STACK_BYTES, worker_main, block,
			     &block->worker[block->workers]);

	if (!r)
		block->workers++;
	return r;
}

/* Lock held. Negative errno: nobody is there to do it. */
static int queue_request(struct block *block, struct block_req *req)
{
	bool queued = block->requests.first || block->flushes.first;
	int r = 0;

	/* Nobody free (those woken already are spoken for): one more. */
	if (block->waiting <= (queued ? 1u : 0u) &&
	    block->workers < BLOCK_WORKERS)
		r = worker_start(block);
	/* One worker is enough to keep the promise. */
	if (block->workers == 0)
		return r;
	req->written = false;
	block_queue_add(
	    is_flush(block, req) ? &block->flushes : &block->requests, req);
	pthread_cond_signal(&block->work);
	return 0;
}

void block_redo(struct block *block, struct block_req *req)
{
	int r;

	pthread_mutex_lock(&block->lock);
	r = queue_request(block, req);
	pthread_mutex_unlock(&block->lock);
	if (r)
		block_finish(block, req, r);
}

static void ring_submit(struct block *block, struct block_req *req)
{
	bool signal;

	pthread_mutex_lock(&block->lock);
	block->pending++;
	signal = block_ring_add(block->ring, req);
	pthread_cond_broadcast(&block->idle);
	pthread_mutex_unlock(&block->lock);
	if (signal)
		block_ring_signal(block->ring);
}

int block_submit(struct block *block, struct block_req *req)
{
	int r;

	if (block_ring_takes(block, req)) {
		ring_submit(block, req);
		return 0;
	}
	pthread_mutex_lock(&block->lock);
	r = queue_request(block, req);
	if (!r)
		block->pending++;
	pthread_mutex_unlock(&block->lock);
	return r;
}

void block_use_loop(struct block *block, struct evloop *loop)
{
	int r;

	/* With the page cache between, only reads can be better for it. */
	if (block->ring || (!block->file.o_direct && !block->file.ring_reads))
		return;
	r = block_ring_create(block, loop, &block->ring);
	if (r)
		log_debug("%s: no io_uring (%s), threads instead",
			  block->file.path, strerror(-r));
}

void block_drain(struct block *block)
{
	bool idle;

	/* What workers end may bring work for the ring, and vice versa. */
	do {
		if (block->ring)
			block_ring_drain(block->ring);
		pthread_mutex_lock(&block->lock);
		while (block->pending && !block_ring_waits(block->ring))
			pthread_cond_wait(&block->idle, &block->lock);
		idle = !block->pending;
		pthread_mutex_unlock(&block->lock);
	} while (!idle);
}

void block_close(struct block *block)
{
	unsigned i;

	if (!block)
		return;
	block_drain(block);
	pthread_mutex_lock(&block->lock);
	block->closing = true;
	pthread_cond_broadcast(&block->work);
	pthread_mutex_unlock(&block->lock);
	for (i = 0; i < block->workers; i++)
		pthread_join(block->worker[i], NULL);
	block_ring_destroy(block->ring);
	pthread_cond_destroy(&block->idle);
	pthread_cond_destroy(&block->work);
	pthread_mutex_destroy(&block->lock);
	block_file_close(&block->file);
	free(block);
}
