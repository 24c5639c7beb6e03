/* SPDX-License-Identifier: BSD-2-Clause */
/* The block back end on io_uring, stepped by a loop of the test's. */
#include "block_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"

#define BUFFER	  KIB(4)
#define STEP_MS	  10000u
#define IN_FLIGHT 16u

struct request {
	struct block_req req;
	struct iovec iov;
	struct fixture *f;
	unsigned again; /* done() submits it so many times more */
	bool over;
	int result;
};

static void request_done(struct block_req *req, int result)
{
	struct request *r = req->ctx;

	if (result == 0 && r->again) {
		r->again--;
		assert_int_equal(block_submit(r->f->block, req), 0);
		return;
	}
	r->result = result;
	__atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
}

static void start(struct fixture *f, struct request *r)
{
	r->f = f;
	r->over = false;
	r->req.done = request_done;
	r->req.ctx = r;
	assert_int_equal(block_submit(f->block, &r->req), 0);
}

static bool is_over(const struct request *r)
{
	return __atomic_load_n(&r->over, __ATOMIC_ACQUIRE);
}

/* Workers end theirs without the loop. */
static int finish(struct fixture *f, struct request *r)
{
	unsigned turns = STEP_MS;

	while (!is_over(r) && turns--)
		assert_int_equal(evloop_step(f->loop, 1), 0);
	assert_true(is_over(r));
	return r->result;
}

static struct request request(enum block_op op, uint64_t offset, void *buf,
			      size_t len)
{
	return (struct request){
	    .req = {.op = op, .offset = offset, .len = len},
	    .iov = {buf, len},
	};
}

static int rw(struct fixture *f, enum block_op op, uint64_t offset, void *buf,
	      size_t len)
{
	struct request r = request(op, offset, buf, len);

	r.req.iov = &r.iov;
	r.req.iovcnt = 1;
	start(f, &r);
	return finish(f, &r);
}

static uint8_t *aligned(size_t len)
{
	uint8_t *buf = aligned_alloc(4096, len);

	assert_non_null(buf);
	memset(buf, 0, len);
	return buf;
}

/* ---- what goes where ---- */

static void test_cached_reads(void **state)
{
	struct fixture *f = *state;
	uint8_t out[BUFFER], in[BUFFER];

	if (!disk_open_ring(f, ""))
		skip();
	disk_fill(out, sizeof(out), 1);
	/* A write through the cache is a worker's. */
	assert_int_equal(rw(f, BLOCK_WRITE, SECTOR, out, sizeof(out)), 0);
	assert_int_equal(fault.threads, 1);
	assert_int_equal(fault.submits, 0);
	assert_int_equal(rw(f, BLOCK_READ, SECTOR, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(fault.submits, 1);
}

static void test_nocache(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE uint8_t *out = aligned(BUFFER), *in = aligned(2 * BUFFER);

	if (!disk_open_ring(f, "nocache"))
		skip();
	disk_fill(out, BUFFER, 2);
	assert_int_equal(rw(f, BLOCK_WRITE, BUFFER, out, BUFFER), 0);
	assert_int_equal(rw(f, BLOCK_READ, BUFFER, in, BUFFER), 0);
	assert_memory_equal(in, out, BUFFER);
	assert_int_equal(fault.submits, 2);
	assert_int_equal(fault.threads, 0);
	/* Memory that O_DIRECT cannot take is copied by a worker. */
	assert_int_equal(rw(f, BLOCK_READ, BUFFER, in + 1, BUFFER), 0);
	assert_memory_equal(in + 1, out, BUFFER);
	assert_int_equal(fault.submits, 2);
	assert_int_equal(fault.threads, 1);
}

static void test_others(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BUFFER];

	if (!disk_open_ring(f, ""))
		skip();
	assert_int_equal(rw(f, BLOCK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(fault.syncs, 1);
	assert_int_equal(rw(f, BLOCK_WRITE_ZEROES, 0, NULL, BUFFER), 0);
	assert_int_equal(rw(f, BLOCK_READ, 1, buf, SECTOR), -EINVAL);
	assert_int_equal(rw(f, BLOCK_READ, DISK_BYTES, buf, SECTOR), -ERANGE);
	assert_int_equal(
	    rw(f, BLOCK_READ, UINT64_MAX - SECTOR + 1, buf, SECTOR), -ERANGE);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, 0), 0);
	assert_int_equal(fault.submits, 0);
}

/* Random requests, many in flight, against a copy in memory. */
static void many(struct fixture *f)
{
	const size_t slot = 16 * BUFFER;
	CLEANUP_FREE uint8_t *shadow = aligned(IN_FLIGHT * slot);
	CLEANUP_FREE uint8_t *bufs = aligned(IN_FLIGHT * slot);
	struct request r[IN_FLIGHT];
	unsigned round, i;

	srand(2);
	for (round = 0; round < 40; round++) {
		for (i = 0; i < IN_FLIGHT; i++) {
			size_t at = BUFFER * ((unsigned)rand() % 8);
			size_t len = BUFFER * (1 + (unsigned)rand() % 8);
			bool write = rand() & 1;

			r[i] = request(write ? BLOCK_WRITE : BLOCK_READ,
				       i * slot + at, bufs + i * slot, len);
			r[i].req.iov = &r[i].iov;
			r[i].req.iovcnt = 1;
			if (write) {
				disk_fill(bufs + i * slot, len,
					  round * IN_FLIGHT + i);
				memcpy(shadow + i * slot + at, bufs + i * slot,
				       len);
			}
			start(f, &r[i]);
		}
		for (i = 0; i < IN_FLIGHT; i++) {
			assert_int_equal(finish(f, &r[i]), 0);
			assert_memory_equal(bufs + i * slot,
					    shadow + r[i].req.offset,
					    r[i].req.len);
		}
	}
}

static void test_many(void **state)
{
	if (!disk_open_ring(*state, ""))
		skip();
	many(*state);
}

static void test_many_nocache(void **state)
{
	struct fixture *f = *state;

	if (!disk_open_ring(f, "nocache"))
		skip();
	many(f);
	/* All that wait go to the kernel at once. */
	assert_true(fault.submits < 40 * IN_FLIGHT);
}

/* From the loop's own thread: one system call for all that come together. */
struct batch {
	struct fixture *f;
	struct request r[IN_FLIGHT];
};

static void start_batch(void *ctx)
{
	struct batch *batch = ctx;
	unsigned i;

	for (i = 0; i < IN_FLIGHT; i++)
		start(batch->f, &batch->r[i]);
}

static void test_calls(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE uint8_t *buf = aligned(IN_FLIGHT * BUFFER);
	struct batch batch = {.f = f};
	unsigned i;

	if (!disk_open_ring(f, "nocache"))
		skip();
	/* The loop's thread is not known before. */
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, BUFFER), 0);
	for (i = 0; i < IN_FLIGHT; i++) {
		struct request *r = &batch.r[i];

		*r = request(BLOCK_WRITE, i * BUFFER, buf + i * BUFFER, BUFFER);
		r->req.iov = &r->iov;
		r->req.iovcnt = 1;
	}
	assert_int_equal(evloop_post(f->loop, start_batch, &batch), 0);
	fault.submits = fault.signals = 0;
	for (i = 0; i < IN_FLIGHT; i++)
		assert_int_equal(finish(f, &batch.r[i]), 0);
	assert_int_equal(fault.submits, 1);
	assert_int_equal(fault.signals, 1); /* the posted call's */
	assert_int_equal(fault.threads, 0);
}

/* More than the ring holds. */
static void test_more_than_fit(void **state)
{
	enum {
		COUNT = 320
	};
	struct fixture *f = *state;
	CLEANUP_FREE struct request *r = calloc(COUNT, sizeof(*r));
	CLEANUP_FREE uint8_t *bufs = aligned(COUNT * SECTOR);
	CLEANUP_FREE uint8_t *out = aligned(COUNT * SECTOR);
	unsigned i;

	if (!disk_open_ring(f, ""))
		skip();
	assert_non_null(r);
	disk_fill(out, COUNT * SECTOR, 5);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, out, COUNT * SECTOR), 0);
	for (i = 0; i < COUNT; i++) {
		r[i] =
		    request(BLOCK_READ, i * SECTOR, bufs + i * SECTOR, SECTOR);
		r[i].req.iov = &r[i].iov;
		r[i].req.iovcnt = 1;
		start(f, &r[i]);
	}
	for (i = 0; i < COUNT; i++)
		assert_int_equal(finish(f, &r[i]), 0);
	assert_memory_equal(bufs, out, COUNT * SECTOR);
}

/* Others submit while the loop serves: nobody is forgotten. */
struct reader {
	struct fixture *f;
	pthread_t thread;
	unsigned number;
	bool ended;
};

static void *read_alone(void *ctx)
{
	struct reader *reader = ctx;
	uint8_t buf[SECTOR];
	unsigned i;

	for (i = 0; i < 3000; i++) {
		struct request r =
		    request(BLOCK_READ, i % 64 * SECTOR, buf, sizeof(buf));

		r.req.iov = &r.iov;
		r.req.iovcnt = 1;
		r.f = reader->f;
		r.req.done = request_done;
		r.req.ctx = &r;
		if (block_submit(reader->f->block, &r.req))
			return reader;
		while (!is_over(&r))
			sched_yield();
		if (r.result)
			return reader;
	}
	__atomic_store_n(&reader->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void test_other_threads(void **state)
{
	struct fixture *f = *state;
	struct reader reader[3] = {0};
	uint64_t end = clock_host()->mono_ns(clock_host()) + 60 * NS_PER_S;
	void *failed;
	unsigned i;

	if (!disk_open_ring(f, ""))
		skip();
	for (i = 0; i < ARRAY_LEN(reader); i++) {
		reader[i].f = f;
		assert_int_equal(pthread_create(&reader[i].thread, NULL,
						read_alone, &reader[i]),
				 0);
	}
	for (i = 0; i < ARRAY_LEN(reader); i++) {
		while (!__atomic_load_n(&reader[i].ended, __ATOMIC_ACQUIRE)) {
			assert_true(clock_host()->mono_ns(clock_host()) < end);
			assert_int_equal(evloop_step(f->loop, 1000), 0);
		}
		assert_int_equal(pthread_join(reader[i].thread, &failed), 0);
		assert_null(failed);
	}
}

/* ---- what goes wrong ---- */

/* The file shrinks behind our back: an error, not old bytes. */
static void test_cut_short(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BUFFER];

	if (!disk_open_ring(f, ""))
		skip();
	assert_int_equal(truncate(f->path, BUFFER + SECTOR), 0);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, BUFFER), 0);
	assert_int_equal(rw(f, BLOCK_READ, BUFFER, buf, BUFFER), -EIO);
	assert_int_equal(rw(f, BLOCK_READ, 2 * BUFFER, buf, BUFFER), -EIO);
	/* And when there is no thread to say so. */
	block_close(f->block);
	f->block = NULL;
	evloop_destroy(f->loop);
	if (!disk_open_ring(f, "sectorsize=512"))
		skip();
	assert_int_equal(truncate(f->path, SECTOR), 0);
	fault.thread_error = EAGAIN;
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, BUFFER), -EAGAIN);
}

static void test_kernel_busy(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BUFFER];

	if (!disk_open_ring(f, ""))
		skip();
	fault.submit_failures = 3;
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, BUFFER), 0);
	assert_int_equal(fault.submits, 4);
}

static void test_no_io_uring(void **state)
{
	struct fixture *f = *state;
	unsigned files;
	uint8_t buf[BUFFER];

	disk_open(f, "");
	assert_int_equal(evloop_create(&f->loop), 0);
	files = disk_files();
	fault.ring_errno = EPERM;
	block_use_loop(f->block, f->loop);
	assert_int_equal(disk_files(), files);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, BUFFER), 0);
	assert_int_equal(fault.threads, 1);
}

/* ---- the end ---- */

/* Requests that bring others, for ring and workers in turn, and no loop. */
static void ends_all(struct fixture *f, void (*wait)(struct block *))
{
	struct request r[IN_FLIGHT];
	uint8_t buf[IN_FLIGHT][SECTOR];
	unsigned i;

	if (!disk_open_ring(f, ""))
		skip();
	for (i = 0; i < IN_FLIGHT; i++) {
		r[i] = request(i % 3 ? BLOCK_READ : BLOCK_WRITE, i * SECTOR,
			       buf[i], SECTOR);
		r[i].req.iov = &r[i].iov;
		r[i].req.iovcnt = 1;
		r[i].again = i;
		start(f, &r[i]);
	}
	wait(f->block);
	for (i = 0; i < IN_FLIGHT; i++) {
		assert_true(is_over(&r[i]));
		assert_int_equal(r[i].result, 0);
		assert_int_equal(r[i].again, 0);
	}
}

static void test_drain(void **state)
{
	ends_all(*state, block_drain);
}

static void test_close(void **state)
{
	struct fixture *f = *state;
	unsigned files = disk_files();

	ends_all(f, block_close);
	f->block = NULL;
	evloop_destroy(f->loop);
	f->loop = NULL;
	assert_int_equal(disk_files(), files);
}

#define T(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_cached_reads),  T(test_nocache),   T(test_others),
	    T(test_other_threads), T(test_many),      T(test_many_nocache),
	    T(test_more_than_fit), T(test_cut_short), T(test_kernel_busy),
	    T(test_no_io_uring),   T(test_drain),     T(test_close),
	    T(test_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
