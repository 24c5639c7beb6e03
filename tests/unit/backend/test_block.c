/* SPDX-License-Identifier: BSD-2-Clause */
/* The block back end at work: data, flush, discard, threads. */
#include "block_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

struct request {
	struct block_req req;
	sem_t done;
	int result;
};

static void request_done(struct block_req *req, int result)
{
	struct request *r = req->ctx;

	r->result = result;
	sem_post(&r->done);
}

static void start(struct fixture *f, struct request *r)
{
	r->req.done = request_done;
	r->req.ctx = r;
	r->result = 1;
	sem_init(&r->done, 0, 0);
	assert_int_equal(block_submit(f->block, &r->req), 0);
}

static int finish(struct request *r)
{
	while (sem_wait(&r->done))
		;
	sem_destroy(&r->done);
	return r->result;
}

static int run(struct fixture *f, enum block_op op, uint64_t offset,
	       uint64_t len, struct iovec *iov, unsigned iovcnt)
{
	struct request r = {.req = {.op = op,
				    .offset = offset,
				    .len = len,
				    .iov = iov,
				    .iovcnt = iovcnt}};

	start(f, &r);
	return finish(&r);
}

static struct block_req write_of_sector(unsigned n, const struct iovec *iov)
{
	return (struct block_req){.op = BLOCK_WRITE,
				  .offset = n * SECTOR,
				  .len = SECTOR,
				  .iov = iov,
				  .iovcnt = 1};
}

static int rw(struct fixture *f, enum block_op op, uint64_t offset, void *buf,
	      size_t len)
{
	struct iovec iov = {buf, len};

	return run(f, op, offset, len, &iov, 1);
}

/* What the file holds, whatever the back end thinks. */
static void file_read(struct fixture *f, uint64_t offset, uint8_t *buf,
		      size_t len)
{
	FILE *file = fopen(f->path, "re");

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
	assert_int_equal(fread(buf, 1, len, file), len);
	fclose(file);
}

/* ---- data ---- */

static void test_info(void **state)
{
	struct fixture *f = *state;
	struct block_info info;

	disk_open(f, "");
	info = block_info(f->block);
	assert_int_equal(info.size, DISK_BYTES);
	assert_int_equal(info.logical_sector, 512);
	assert_int_equal(info.physical_sector, 4096);
	assert_false(info.read_only);
	assert_true(info.write_cache);
}

static void test_info_options(void **state)
{
	struct fixture *f = *state;
	struct block_info info;

	disk_open(f, "ro,sectorsize=4096/8192");
	info = block_info(f->block);
	assert_int_equal(info.logical_sector, 4096);
	assert_int_equal(info.physical_sector, 8192);
	assert_true(info.read_only);
	assert_false(info.can_discard);
	assert_false(info.write_cache);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, (char[4096]){0}, 4096), -EROFS);
}

static void test_write_read(void **state)
{
	struct fixture *f = *state;
	uint8_t out[3 * SECTOR], in[3 * SECTOR];

	disk_open(f, "");
	disk_fill(out, sizeof(out), 1);
	assert_int_equal(rw(f, BLOCK_WRITE, 5 * SECTOR, out, sizeof(out)), 0);
	file_read(f, 5 * SECTOR, in, sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	memset(in, 0, sizeof(in));
	assert_int_equal(rw(f, BLOCK_READ, 5 * SECTOR, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(in));
}

/* Pieces of odd sizes at odd addresses, cut short and interrupted. */
static void pieces(struct fixture *f)
{
	enum {
		LEN = 9 * SECTOR
	};
	uint8_t out[LEN + 16], in[LEN + 16];
	struct iovec iov[] = {{out + 1, 7},
			      {out + 8, SECTOR * 3 - 1},
			      {out + 8 + SECTOR * 3 - 1, 1},
			      {out + 8 + SECTOR * 3, LEN - 7 - 3 * SECTOR}};
	struct iovec back[] = {{in + 3, LEN - 9}, {in + 3 + LEN - 9, 9}};

	disk_fill(out, sizeof(out), 2);
	memset(in, 0, sizeof(in));
	fault.transfer_errno = EINTR;
	assert_int_equal(run(f, BLOCK_WRITE, SECTOR, LEN, iov, 4), 0);
	fault.transfer_errno = EINTR;
	assert_int_equal(run(f, BLOCK_READ, SECTOR, LEN, back, 2), 0);
	assert_memory_equal(in + 3, out + 1, LEN);
	assert_int_equal(in[2], 0);
	assert_int_equal(in[3 + LEN], 0);
}

static void test_pieces(void **state)
{
	disk_open(*state, "");
	pieces(*state);
}

static void test_short_transfers(void **state)
{
	disk_open(*state, "");
	fault.halve = true;
	pieces(*state);
}

/* False, and says so, where the test's file system has no O_DIRECT. */
static bool open_direct(struct fixture *f, const char *options)
{
	if (disk_try_open(f, options, &f->block) == 0)
		return true;
	print_message("skipped: %s\n", f->err.msg);
	return false;
}

static void test_nocache_unaligned(void **state)
{
	struct fixture *f = *state;

	if (!open_direct(f, "nocache"))
		skip();
	assert_true(fault.open_flags & O_DIRECT);
	if (block_info(f->block).logical_sector != SECTOR) {
		print_message("skipped: this disk has sectors of %u bytes\n",
			      block_info(f->block).logical_sector);
		skip();
	}
	pieces(f);
}

static void test_nocache_large_unaligned(void **state)
{
	struct fixture *f = *state;
	size_t len = KIB(600); /* several bounce buffers */
	CLEANUP_FREE uint8_t *out = malloc(len + 1);
	CLEANUP_FREE uint8_t *in = malloc(len + 3);

	if (!open_direct(f, "nocache"))
		skip();
	assert_true(out && in);
	disk_fill(out, len + 1, 3);
	assert_int_equal(rw(f, BLOCK_WRITE, KIB(64), out + 1, len), 0);
	assert_int_equal(rw(f, BLOCK_READ, KIB(64), in + 3, len), 0);
	assert_memory_equal(in + 3, out + 1, len);
}

/* Random requests, many in flight, against a copy in memory. */
static void test_many_in_flight(void **state)
{
	enum {
		SLOTS = 16,
		SLOT = 64 * 1024,
		ROUNDS = 40
	};
	struct fixture *f = *state;
	CLEANUP_FREE uint8_t *shadow = calloc(1, SLOTS * SLOT);
	CLEANUP_FREE uint8_t *bufs = malloc(SLOTS * SLOT);
	struct request r[SLOTS];
	struct iovec iov[SLOTS];
	unsigned before = disk_threads(), round, i;

	disk_open(f, "");
	assert_true(shadow && bufs);
	srand(1);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < SLOTS; i++) {
			unsigned at = (unsigned)rand() % (SLOT / SECTOR);
			size_t len = SECTOR * (1 + (unsigned)rand() %
						       (SLOT / SECTOR - at));
			bool write = rand() & 1;

			iov[i] = (struct iovec){bufs + i * SLOT, len};
			r[i] = (struct request){
			    .req = {.op = write ? BLOCK_WRITE : BLOCK_READ,
				    .offset = i * SLOT + at * SECTOR,
				    .len = len,
				    .iov = &iov[i],
				    .iovcnt = 1}};
			if (write) {
				disk_fill(iov[i].iov_base, len,
					  round * SLOTS + i);
				memcpy(shadow + r[i].req.offset,
				       iov[i].iov_base, len);
			}
			start(f, &r[i]);
		}
		for (i = 0; i < SLOTS; i++) {
			assert_int_equal(finish(&r[i]), 0);
			assert_memory_equal(iov[i].iov_base,
					    shadow + r[i].req.offset,
					    iov[i].iov_len);
		}
	}
	assert_int_equal(disk_threads(), before + BLOCK_WORKERS);
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[2 * SECTOR];
	struct iovec iov = {buf, SECTOR};

	disk_open(f, "");
	assert_int_equal(rw(f, BLOCK_READ, DISK_BYTES - SECTOR, buf, SECTOR),
			 0);
	assert_int_equal(
	    rw(f, BLOCK_READ, DISK_BYTES - SECTOR, buf, 2 * SECTOR), -ERANGE);
	assert_int_equal(rw(f, BLOCK_READ, DISK_BYTES, buf, SECTOR), -ERANGE);
	assert_int_equal(
	    rw(f, BLOCK_READ, UINT64_MAX - SECTOR + 1, buf, SECTOR), -ERANGE);
	assert_int_equal(rw(f, BLOCK_READ, 1, buf, SECTOR), -EINVAL);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, 100), -EINVAL);
	/* The pieces and the length disagree. */
	assert_int_equal(run(f, BLOCK_READ, 0, 2 * SECTOR, &iov, 1), -EINVAL);
	assert_int_equal(run(f, BLOCK_READ, 0, SECTOR, &iov, 257), -EINVAL);
	/* Nothing to do is done. */
	assert_int_equal(run(f, BLOCK_WRITE, 0, 0, NULL, 0), 0);
}

static void test_sector_size_kept(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[4096];

	disk_open(f, "sectorsize=4096");
	assert_int_equal(rw(f, BLOCK_READ, 512, buf, 4096), -EINVAL);
	assert_int_equal(rw(f, BLOCK_READ, 4096, buf, 512), -EINVAL);
	assert_int_equal(rw(f, BLOCK_READ, 4096, buf, 4096), 0);
}

static void test_host_errors(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR] = {0};

	disk_open(f, "");
	fault.transfer_errno = EIO;
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), -EIO);
	fault.transfer_errno = ENOSPC;
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), -ENOSPC);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), 0);
	/* The file shrinks behind our back: an error, not old bytes. */
	assert_int_equal(truncate(f->path, SECTOR), 0);
	assert_int_equal(rw(f, BLOCK_READ, 8 * SECTOR, buf, SECTOR), -EIO);
}

/* ---- flush ---- */

static void test_flush_syncs(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR] = {1};

	disk_open(f, "");
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), 0);
	assert_int_equal(fault.syncs, 0);
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(fault.syncs, 1);
}

static void test_flush_failure_stays(void **state)
{
	struct fixture *f = *state;

	disk_open(f, "");
	fault.sync_errno = EINTR;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(fault.syncs, 2);
	fault.sync_errno = EIO;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), -EIO);
	/* The kernel now says all is well; it is not. */
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), -EIO);
}

/*
 * The failure is told to one of two flushes, which comes back later than the
 * other would. Reads go on meanwhile.
 */
static void test_flush_failure_is_all_theirs(void **state)
{
	struct fixture *f = *state;
	struct request r[2] = {{.req = {.op = BLOCK_FLUSH}},
			       {.req = {.op = BLOCK_FLUSH}}};
	uint8_t buf[SECTOR];
	sem_t gate;

	disk_open(f, "");
	sem_init(&gate, 0, 0);
	fault.sync_errno = EIO;
	fault.sync_gate = &gate;
	start(f, &r[0]);
	start(f, &r[1]);
	/* Once this is over, the second flush before it was looked at. */
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, SECTOR), 0);
	sem_post(&gate);
	assert_int_equal(finish(&r[0]), -EIO);
	assert_int_equal(finish(&r[1]), -EIO);
	sem_destroy(&gate);
}

/* Those that wait are done in their turn, and by whoever is there. */
static void test_flushes_between_writes(void **state)
{
	enum {
		COUNT = 64
	};
	struct fixture *f = *state;
	struct request r[COUNT];
	uint8_t buf[SECTOR] = {1};
	struct iovec iov = {buf, SECTOR};
	unsigned round, i;

	disk_open(f, "");
	for (round = 0; round < 20; round++) {
		for (i = 0; i < COUNT; i++) {
			r[i] = (struct request){.req = {.op = BLOCK_FLUSH}};
			if (i % 3 == round % 3)
				r[i].req = write_of_sector(i, &iov);
			start(f, &r[i]);
		}
		for (i = 0; i < COUNT; i++)
			assert_int_equal(finish(&r[i]), 0);
	}
}

static void test_sync_option(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR] = {1};

	disk_open(f, "sync");
	assert_false(block_info(f->block).write_cache);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), 0);
	assert_int_equal(fault.syncs, 1);
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, SECTOR), 0);
	assert_int_equal(fault.syncs, 1);
	assert_int_equal(run(f, BLOCK_WRITE_ZEROES, 0, SECTOR, NULL, 0), 0);
	assert_int_equal(fault.syncs, 2);
	block_close(f->block);
	f->block = NULL;
	disk_open(f, "direct");
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), 0);
	assert_int_equal(fault.syncs, 3);
}

/* Past the page cache the write itself is told, and only zeroes are flushed. */
static void test_sync_nocache(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE void *buf = aligned_alloc(4096, 4096);

	if (!open_direct(f, "nocache,sync"))
		skip();
	assert_true((fault.open_flags & O_SYNC) == O_SYNC);
	assert_non_null(buf);
	memset(buf, 1, 4096);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, 4096), 0);
	assert_int_equal(fault.syncs, 0);
	assert_int_equal(run(f, BLOCK_WRITE_ZEROES, 0, 4096, NULL, 0), 0);
	assert_int_equal(fault.syncs, 1);
}

/*
 * The kernel tells one of those that ask of data it has lost: none of the
 * writes that were at work may be answered as if it were safe.
 */
static void test_sync_failure_is_all_theirs(void **state)
{
	enum {
		COUNT = 6
	};
	struct fixture *f = *state;
	struct request r[COUNT];
	uint8_t buf[SECTOR] = {1};
	struct iovec iov = {buf, SECTOR};
	sem_t gate;
	unsigned i;

	disk_open(f, "sync");
	sem_init(&gate, 0, 0);
	fault.sync_errno = EIO;
	fault.sync_gate = &gate;
	for (i = 0; i < COUNT; i++) {
		r[i] = (struct request){.req = write_of_sector(i, &iov)};
		start(f, &r[i]);
	}
	/* Once this is over, the writes before it wait for their flush. */
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, SECTOR), 0);
	sem_post(&gate);
	for (i = 0; i < COUNT; i++)
		assert_int_equal(finish(&r[i]), -EIO);
	/* Those that came while one was flushed share the next flush. */
	assert_in_range(fault.syncs, 1, 2);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), -EIO);
	sem_destroy(&gate);
}

/* ---- discard and zeroes ---- */

static uint64_t disk_blocks(struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	return (uint64_t)st.st_blocks;
}

static void fill_disk(struct fixture *f, size_t len)
{
	CLEANUP_FREE uint8_t *buf = malloc(len);

	assert_non_null(buf);
	memset(buf, 0xa5, len);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, len), 0);
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
}

static void zeroed(struct fixture *f, uint64_t from, uint64_t to,
		   uint64_t total)
{
	CLEANUP_FREE uint8_t *buf = malloc(total);
	uint64_t i;

	assert_non_null(buf);
	file_read(f, 0, buf, total);
	for (i = 0; i < total; i++)
		assert_int_equal(buf[i], i >= from && i < to ? 0 : 0xa5);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	disk_open(f, "");
	if (!block_info(f->block).can_discard) {
		print_message("skipped: no holes on this file system\n");
		skip();
	}
	fill_disk(f, KIB(256));
	before = disk_blocks(f);
	assert_int_equal(run(f, BLOCK_DISCARD, KIB(64), KIB(128), NULL, 0), 0);
	assert_true(disk_blocks(f) < before);
	zeroed(f, KIB(64), KIB(192), KIB(256));
	assert_int_equal(run(f, BLOCK_DISCARD, DISK_BYTES, SECTOR, NULL, 0),
			 -ERANGE);
}

static void test_nodelete(void **state)
{
	struct fixture *f = *state;

	disk_open(f, "nodelete");
	fill_disk(f, KIB(64));
	fault.fallocate_modes = 0;
	assert_int_equal(run(f, BLOCK_DISCARD, 0, SECTOR, NULL, 0),
			 -EOPNOTSUPP);
	zeroed(f, 0, 0, KIB(64));
	assert_int_equal(fault.fallocate_modes, 0);
}

static void zeroes_case(struct fixture *f, bool may_unmap, int modes)
{
	struct request r = {.req = {.op = BLOCK_WRITE_ZEROES,
				    .offset = SECTOR,
				    .len = KIB(300),
				    .may_unmap = may_unmap}};

	fill_disk(f, KIB(512));
	fault.fallocate_modes = 0;
	start(f, &r);
	assert_int_equal(finish(&r), 0);
	assert_int_equal(fault.fallocate_modes & modes, modes);
	zeroed(f, SECTOR, SECTOR + KIB(300), KIB(512));
}

static void test_zeroes(void **state)
{
	struct fixture *f = *state;

	disk_open(f, "");
	zeroes_case(f, false, FALLOC_FL_ZERO_RANGE);
	assert_int_equal(fault.fallocate_modes & FALLOC_FL_PUNCH_HOLE, 0);
	zeroes_case(f, true, FALLOC_FL_PUNCH_HOLE);
}

static void test_zeroes_by_writing(void **state)
{
	struct fixture *f = *state;

	disk_open(f, "");
	fault.fallocate_errno = EOPNOTSUPP;
	zeroes_case(f, true, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	fault.fallocate_errno = EIO;
	assert_int_equal(run(f, BLOCK_WRITE_ZEROES, 0, SECTOR, NULL, 0), -EIO);
}

/* ---- threads ---- */

static void test_threads_start_late(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR];
	unsigned before = disk_threads();

	disk_open(f, "");
	assert_int_equal(disk_threads(), before);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, SECTOR), 0);
	assert_int_equal(disk_threads(), before + 1);
	block_close(f->block);
	f->block = NULL;
	assert_int_equal(disk_threads(), before);
}

static void test_no_thread(void **state)
{
	struct fixture *f = *state;
	struct request r = {.req = {.op = BLOCK_FLUSH, .done = request_done}};

	disk_open(f, "");
	fault.thread_error = EAGAIN;
	assert_int_equal(block_submit(f->block, &r.req), -EAGAIN);
	block_drain(f->block);
	fault.thread_error = 0;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	/* With one worker there, a second one may fail to start. */
	fault.thread_error = EAGAIN;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
}

/* Some with a worker, some still in the queue. */
#define WRITES (BLOCK_WORKERS + 3)

/* Opens the gate once the main thread sleeps, that is: waits for it. */
static void *open_gate(void *ctx)
{
	uint64_t start = clock_host()->mono_ns(clock_host());
	char path[64], state = 'R';
	sem_t *gate = ctx;
	unsigned i;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	while (state != 'S' &&
	       clock_host()->mono_ns(clock_host()) - start < 10 * NS_PER_S) {
		f = fopen(path, "re");
		if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
			state = 'S';
		if (f)
			fclose(f);
		sched_yield();
	}
	for (i = 0; i < WRITES; i++)
		sem_post(gate);
	return NULL;
}

static void waits_for_writes(struct fixture *f, void (*wait)(struct block *))
{
	uint8_t buf[SECTOR], back[SECTOR];
	struct iovec iov = {buf, SECTOR};
	struct request r[WRITES];
	pthread_t helper;
	sem_t gate;
	unsigned i;

	disk_open(f, "");
	disk_fill(buf, sizeof(buf), 9);
	sem_init(&gate, 0, 0);
	fault.gate = &gate;
	for (i = 0; i < WRITES; i++) {
		r[i] = (struct request){.req = write_of_sector(i, &iov)};
		start(f, &r[i]);
	}
	assert_int_equal(pthread_create(&helper, NULL, open_gate, &gate), 0);
	wait(f->block);
	/* Not a moment before the writes were answered. */
	for (i = 0; i < WRITES; i++)
		assert_int_equal(sem_trywait(&r[i].done), 0);
	pthread_join(helper, NULL);
	file_read(f, (WRITES - 1) * SECTOR, back, SECTOR);
	assert_memory_equal(back, buf, SECTOR);
	sem_destroy(&gate);
}

static void test_close_waits(void **state)
{
	struct fixture *f = *state;

	waits_for_writes(f, block_close);
	f->block = NULL;
}

static void test_drain_waits(void **state)
{
	waits_for_writes(*state, block_drain);
}

#define T(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_info),
	    T(test_info_options),
	    T(test_write_read),
	    T(test_pieces),
	    T(test_short_transfers),
	    T(test_nocache_unaligned),
	    T(test_nocache_large_unaligned),
	    T(test_many_in_flight),
	    T(test_bounds),
	    T(test_sector_size_kept),
	    T(test_host_errors),
	    T(test_flush_syncs),
	    T(test_flush_failure_stays),
	    T(test_flush_failure_is_all_theirs),
	    T(test_flushes_between_writes),
	    T(test_sync_option),
	    T(test_sync_nocache),
	    T(test_sync_failure_is_all_theirs),
	    T(test_discard),
	    T(test_nodelete),
	    T(test_zeroes),
	    T(test_zeroes_by_writing),
	    T(test_threads_start_late),
	    T(test_no_thread),
	    T(test_close_waits),
	    T(test_drain_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
