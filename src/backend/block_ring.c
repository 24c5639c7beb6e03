/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads and writes of a disk through io_uring, on the event loop's thread; see
 * docs/adr/0015-io-uring-for-disks.md.
 *
 * Theory of operation. block_submit() leaves requests on a list and has the
 * loop call serve(), which makes entries of all that wait, hands them to the
 * kernel in one call and ends what has finished by then; what the kernel
 * finishes later makes the ring's own descriptor readable, which leads there as
 * well. So a request that the page cache answers costs no change of threads and
 * one system call, and a disk has as many requests at work as its guest wants.
 * An eventfd is for other threads that submit.
 *
 * Only the loop's thread touches the ring itself, or the owner once the loop
 * does not run any more. That also keeps the kernel from calling completions
 * in on a vCPU's thread, which would leave the guest for it.
 *
 * Whatever is out of the ordinary (cut short, interrupted, refused) is done
 * again from its beginning by a worker: block_io.c knows how, and its word on
 * errors counts.
 *
 * The ring can do nothing but read and write: the kernel is told so before it
 * is switched on. The file is not registered with it: the kernel lets go of
 * such files some time after the end, and with them of the lock that keeps the
 * next run of the guest out.
 */
#include <liburing.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backend/block_internal.h"
#include "backend/block_pace.h"
#include "base/clock.h"

#define RING_ENTRIES 128u
/* The disk's patience does not outlast the stream of its requests. */
#define PATIENCE_NS (2 * NS_PER_MS)

/*
 * Locking: waiting and signalled are under the block's lock; the rest is
 * the loop thread's.
 */
struct block_ring {
	struct block *block;
	struct evloop *loop;
	struct block_queue waiting; /* not yet seen by serve() */
	bool signalled;		    /* serve() is going to come */
	struct io_uring uring;
	bool open;
	unsigned at_work; /* entries the kernel has */
	bool serving;
	struct block_pace pace;
	bool known; /* thread is; atomic */
	pthread_t thread;
	int event_fd;
	struct ev_fd *kick;  /* event_fd is */
	struct ev_fd *ready; /* something is finished */
};

/* ---- the way in ---- */

bool block_ring_takes(const struct block *block, const struct block_req *req)
{
	const struct block_file *file = &block->file;

	if (!block->ring || req->len == 0)
		return false;
	if (req->op == BLOCK_READ ? !file->ring_reads
				  : req->op != BLOCK_WRITE || !file->o_direct)
		return false;
	return block_request_check(file, req) == 0 &&
	       block_request_fits(file, req);
}

bool block_ring_add(struct block_ring *ring, struct block_req *req)
{
	bool signal = !ring->signalled;

	block_queue_add(&ring->waiting, req);
	ring->signalled = true;
	return signal;
}

bool block_ring_waits(const struct block_ring *ring)
{
	return ring && ring->waiting.first;
}

void block_ring_signal(struct block_ring *ring)
{
	/*
	 * From the loop's own thread without a system call; but not from
	 * done(), which could go on like that without others having a turn.
	 */
	if (__atomic_load_n(&ring->known, __ATOMIC_ACQUIRE) &&
	    pthread_equal(ring->thread, pthread_self()) && !ring->serving)
		ev_fd_fire(ring->ready);
	else
		/* Cannot fill up: it is read in every turn. */
		(void)!eventfd_write(ring->event_fd, 1);
}

/* ---- the loop's thread ---- */

static struct block_req *next_waiting(struct block_ring *ring)
{
	struct block *block = ring->block;
	struct block_req *req;

	pthread_mutex_lock(&block->lock);
	req = block_queue_take(&ring->waiting);
	pthread_mutex_unlock(&block->lock);
	return req;
}

static void prepare(struct block_ring *ring, struct block_req *req)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
	int fd = ring->block->file.fd;

	if (req->op == BLOCK_READ)
		io_uring_prep_readv(entry, fd, req->iov, req->iovcnt,
				    req->offset);
	else
		io_uring_prep_writev(entry, fd, req->iov, req->iovcnt,
				     req->offset);
	io_uring_sqe_set_data(entry, req);
	ring->at_work++;
}

/* False: a worker is to do it again, and to say what is wrong. */
static bool is_final(const struct block_req *req, int result)
{
	if (result >= 0)
		return (uint64_t)result == req->len;
	return result != -EAGAIN && result != -EINTR && result != -EINVAL &&
	       result != -EOPNOTSUPP && result != -ECANCELED;
}

/* Ends what the kernel has finished. */
static void reap(struct block_ring *ring)
{
	struct io_uring_cqe *entry;
	struct block_req *req;
	unsigned n;
	int result;

	for (n = 0; n < RING_ENTRIES; n++) {
		if (io_uring_peek_cqe(&ring->uring, &entry))
			break;
		req = io_uring_cqe_get_data(entry);
		result = entry->res;
		io_uring_cqe_seen(&ring->uring, entry);
		ring->at_work--;
		if (is_final(req, result))
			block_finish(ring->block, req, MIN(result, 0));
		else
			block_redo(ring->block, req);
	}
}

/*
 * One turn. For requests that it leaves behind another one comes; for those
 * that are finished too, as the ring stays readable. Returns the bytes of the
 * requests it has taken.
 */
static uint64_t serve(struct block_ring *ring)
{
	struct block_req *req;
	uint64_t bytes = 0;
	bool more;

	ring->serving = true;
	pthread_mutex_lock(&ring->block->lock);
	ring->signalled = false;
	pthread_mutex_unlock(&ring->block->lock);
	while (ring->at_work < RING_ENTRIES && (req = next_waiting(ring))) {
		bytes += req->len;
		prepare(ring, req);
	}
	/* What the kernel does not take now stays in the queue. */
	if (io_uring_sq_ready(&ring->uring))
		(void)!io_uring_submit(&ring->uring);
	reap(ring);
	pthread_mutex_lock(&ring->block->lock);
	/* Who came meanwhile, and found nobody before him, signals himself. */
	more = ring->waiting.first && !ring->signalled &&
	       ring->at_work < RING_ENTRIES;
	ring->signalled |= more;
	pthread_mutex_unlock(&ring->block->lock);
	if (more || io_uring_sq_ready(&ring->uring))
		block_ring_signal(ring);
	ring->serving = false;
	return bytes;
}

static void keep_pace(struct block_ring *ring, uint64_t bytes)
{
	const struct clock *clock = clock_host();
	uint64_t now = clock->mono_ns(clock);

	if (block_pace_turn(&ring->pace, bytes, now))
		evloop_patience(ring->loop, now + PATIENCE_NS);
}

static void ring_ready(void *ctx, unsigned events UNUSED)
{
	struct block_ring *ring = ctx;
	uint64_t bytes;

	if (!ring->known) {
		ring->thread = pthread_self();
		__atomic_store_n(&ring->known, true, __ATOMIC_RELEASE);
	}
	bytes = serve(ring);
	if (bytes)
		keep_pace(ring, bytes);
}

static void ring_kicked(void *ctx, unsigned events)
{
	struct block_ring *ring = ctx;
	eventfd_t count;

	/* Cleared before looking: what comes later signals again. */
	(void)!eventfd_read(ring->event_fd, &count);
	ring_ready(ring, events);
}

void block_ring_drain(struct block_ring *ring)
{
	struct io_uring_cqe *entry;
	bool waiting;

	do {
		(void)serve(ring);
		if (ring->at_work && !io_uring_sq_ready(&ring->uring))
			(void)!io_uring_wait_cqe(&ring->uring, &entry);
		pthread_mutex_lock(&ring->block->lock);
		waiting = ring->waiting.first;
		pthread_mutex_unlock(&ring->block->lock);
	} while (waiting || ring->at_work);
}

/* ---- life ---- */

static int restrict_ring(struct io_uring *uring)
{
	struct io_uring_restriction only[] = {
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV},
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV},
	};

	return io_uring_register_restrictions(uring, only, ARRAY_LEN(only));
}

static int ring_open(struct block_ring *ring, struct evloop *loop)
{
	struct io_uring *uring = &ring->uring;
	int r;

	ring->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->event_fd < 0)
		return -errno;
	r = io_uring_queue_init(RING_ENTRIES, uring, IORING_SETUP_R_DISABLED);
	if (r)
		return r;
	ring->open = true;
	r = restrict_ring(uring);
	if (!r)
		r = io_uring_enable_rings(uring);
	if (!r)
		r = ev_fd_create(loop, ring->event_fd, EV_IN, ring_kicked, ring,
				 &ring->kick);
	if (!r)
		r = ev_fd_create(loop, uring->ring_fd, EV_IN, ring_ready, ring,
				 &ring->ready);
	return r;
}

int block_ring_create(struct block *block, struct evloop *loop,
		      struct block_ring **ret_ring)
{
	struct block_ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	ring->block = block;
	ring->loop = loop;
	block_queue_init(&ring->waiting);
	ring->event_fd = -1;
	r = ring_open(ring, loop);
	if (r)
		block_ring_destroy(ring);
	else
		*ret_ring = ring;
	return r;
}

void block_ring_destroy(struct block_ring *ring)
{
	if (!ring)
		return;
	ev_fd_destroy(ring->kick);
	ev_fd_destroy(ring->ready);
	if (ring->open)
		io_uring_queue_exit(&ring->uring);
	if (ring->event_fd >= 0)
		close(ring->event_fd);
	free(ring);
}
