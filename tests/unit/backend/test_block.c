/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block back end on real files, with system calls that fail on demand:
 * the linker sends them through the __wrap_ functions below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "backend/block.h"

#define DISK_BYTES MIB(4)
#define SECTOR	   512u

/* ---- system calls with faults ---- */

static struct {
	int open_errno;	      /* open(2) fails with this */
	int transfer_errno;   /* one transfer fails with this */
	bool halve;	      /* transfers do half of what is asked */
	int sync_errno;	      /* fdatasync fails with this, once */
	unsigned syncs;	      /* calls of fdatasync */
	int fallocate_errno;  /* fallocate fails with this */
	int fallocate_modes;  /* all modes asked for */
	int thread_error;     /* pthread_create fails with this */
	sem_t *gate;	      /* writes wait for it */
	int open_flags;	      /* of the last open */
} fault;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	if (fault.open_errno) {
		errno = fault.open_errno;
		return -1;
	}
	fault.open_flags = flags;
	return __real_open64(path, flags, 0600);
}

static bool transfer_fails(void)
{
	int code = fault.transfer_errno;

	fault.transfer_errno = 0;
	if (code)
		errno = code;
	return code != 0;
}

/* Half of the first piece: the hardest kind of short transfer. */
static struct iovec half(const struct iovec *iov)
{
	size_t len = iov->iov_len / 2 / SECTOR * SECTOR;

	return (struct iovec){iov->iov_base, len ? len : iov->iov_len};
}

ssize_t __real_pwritev64(int fd, const struct iovec *iov, int n, off_t off);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t off);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t off)
{
	struct iovec part = half(iov);

	if (fault.gate)
		sem_wait(fault.gate);
	if (transfer_fails())
		return -1;
	return fault.halve ? __real_pwritev64(fd, &part, 1, off)
			   : __real_pwritev64(fd, iov, n, off);
}

ssize_t __real_preadv64(int fd, const struct iovec *iov, int n, off_t off);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t off);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t off)
{
	struct iovec part = half(iov);

	if (transfer_fails())
		return -1;
	return fault.halve ? __real_preadv64(fd, &part, 1, off)
			   : __real_preadv64(fd, iov, n, off);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	fault.syncs++;
	if (fault.sync_errno) {
		errno = fault.sync_errno;
		fault.sync_errno = 0;
		return -1;
	}
	return __real_fdatasync(fd);
}

int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
	fault.fallocate_modes |= mode;
	if (fault.fallocate_errno) {
		errno = fault.fallocate_errno;
		return -1;
	}
	return __real_fallocate64(fd, mode, off, len);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*fn)(void *), void *arg)
{
	if (fault.thread_error)
		return fault.thread_error;
	return __real_pthread_create(thread, attr, fn, arg);
}

/* ---- fixture ---- */

struct fixture {
	char dir[64];
	char path[96];
	struct cfg *root;
	struct block *block;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	memset(&fault, 0, sizeof(fault));
	snprintf(f->dir, sizeof(f->dir), "/var/tmp/byway-block-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/disk", f->dir);
	fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
	close(fd);
	f->root = cfg_create();
	assert_non_null(f->root);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	block_close(f->block);
	cfg_destroy(f->root);
	memset(&fault, 0, sizeof(fault));
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int try_open(struct fixture *f, const char *options,
    struct block **ret_block)
{
	struct cfg *node;
	static unsigned count;
	char name[32];

	snprintf(name, sizeof(name), "disk%u", count++);
	assert_int_equal(cfg_make(f->root, name, NULL, &node), 0);
	assert_int_equal(cfg_set(node, "path", f->path, NULL), 0);
	assert_int_equal(cfg_set_list(node, options, NULL), 0);
	return block_open(node, &f->err, ret_block);
}

static void open_disk(struct fixture *f, const char *options)
{
	if (try_open(f, options, &f->block))
		fail_msg("%s", f->err.msg);
}

static void refused(struct fixture *f, const char *options, int code,
    const char *format, ...) PRINTF_LIKE(4, 5);
static void refused(struct fixture *f, const char *options, int code,
    const char *format, ...)
{
	struct block *block = NULL;
	char want[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(want, sizeof(want), format, ap);
	va_end(ap);
	assert_int_equal(try_open(f, options, &block), code);
	assert_null(block);
	assert_string_equal(f->err.msg, want);
}

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
	struct request r = {.req = {.op = op, .offset = offset, .len = len,
		.iov = iov, .iovcnt = iovcnt}};

	start(f, &r);
	return finish(&r);
}

static int rw(struct fixture *f, enum block_op op, uint64_t offset, void *buf,
    size_t len)
{
	struct iovec iov = {buf, len};

	return run(f, op, offset, len, &iov, 1);
}

static void fill(uint8_t *buf, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)((i * 31 + seed * 7) ^ (i >> 8));
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

static unsigned thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* ---- data ---- */

static void test_info(void **state)
{
	struct fixture *f = *state;
	struct block_info info;

	open_disk(f, "");
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

	open_disk(f, "ro,sectorsize=4096/8192");
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

	open_disk(f, "");
	fill(out, sizeof(out), 1);
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
	enum { LEN = 9 * SECTOR };
	uint8_t out[LEN + 16], in[LEN + 16];
	struct iovec iov[] = {
	    {out + 1, 7}, {out + 8, SECTOR * 3 - 1},
	    {out + 8 + SECTOR * 3 - 1, 1},
	    {out + 8 + SECTOR * 3, LEN - 7 - 3 * SECTOR}};
	struct iovec back[] = {{in + 3, LEN - 9}, {in + 3 + LEN - 9, 9}};

	fill(out, sizeof(out), 2);
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
	open_disk(*state, "");
	pieces(*state);
}

static void test_short_transfers(void **state)
{
	open_disk(*state, "");
	fault.halve = true;
	pieces(*state);
}

/* False, and says so, where the test's file system has no O_DIRECT. */
static bool open_direct(struct fixture *f, const char *options)
{
	if (try_open(f, options, &f->block) == 0)
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
	fill(out, len + 1, 3);
	assert_int_equal(rw(f, BLOCK_WRITE, KIB(64), out + 1, len), 0);
	assert_int_equal(rw(f, BLOCK_READ, KIB(64), in + 3, len), 0);
	assert_memory_equal(in + 3, out + 1, len);
}

/* Random requests, many in flight, against a copy in memory. */
static void test_many_in_flight(void **state)
{
	enum { SLOTS = 16, SLOT = 64 * 1024, ROUNDS = 40 };
	struct fixture *f = *state;
	CLEANUP_FREE uint8_t *shadow = calloc(1, SLOTS * SLOT);
	CLEANUP_FREE uint8_t *bufs = malloc(SLOTS * SLOT);
	struct request r[SLOTS];
	struct iovec iov[SLOTS];
	unsigned round, i;

	open_disk(f, "");
	assert_true(shadow && bufs);
	srand(1);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < SLOTS; i++) {
			unsigned at = (unsigned)rand() % (SLOT / SECTOR);
			size_t len = SECTOR *
			    (1 + (unsigned)rand() % (SLOT / SECTOR - at));
			bool write = rand() & 1;

			iov[i] = (struct iovec){bufs + i * SLOT, len};
			r[i] = (struct request){.req = {
				.op = write ? BLOCK_WRITE : BLOCK_READ,
				.offset = i * SLOT + at * SECTOR,
				.len = len, .iov = &iov[i], .iovcnt = 1}};
			if (write) {
				fill(iov[i].iov_base, len, round * SLOTS + i);
				memcpy(shadow + r[i].req.offset,
				    iov[i].iov_base, len);
			}
			start(f, &r[i]);
		}
		for (i = 0; i < SLOTS; i++) {
			assert_int_equal(finish(&r[i]), 0);
			assert_memory_equal(iov[i].iov_base,
			    shadow + r[i].req.offset, iov[i].iov_len);
		}
	}
	assert_int_equal(thread_count(), 1 + BLOCK_WORKERS);
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[2 * SECTOR];
	struct iovec iov = {buf, SECTOR};

	open_disk(f, "");
	assert_int_equal(rw(f, BLOCK_READ, DISK_BYTES - SECTOR, buf, SECTOR),
	    0);
	assert_int_equal(rw(f, BLOCK_READ, DISK_BYTES - SECTOR, buf,
	    2 * SECTOR), -ERANGE);
	assert_int_equal(rw(f, BLOCK_READ, DISK_BYTES, buf, SECTOR), -ERANGE);
	assert_int_equal(rw(f, BLOCK_READ, UINT64_MAX - SECTOR + 1, buf,
	    SECTOR), -ERANGE);
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

	open_disk(f, "sectorsize=4096");
	assert_int_equal(rw(f, BLOCK_READ, 512, buf, 4096), -EINVAL);
	assert_int_equal(rw(f, BLOCK_READ, 4096, buf, 512), -EINVAL);
	assert_int_equal(rw(f, BLOCK_READ, 4096, buf, 4096), 0);
}

static void test_host_errors(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR] = {0};

	open_disk(f, "");
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

	open_disk(f, "");
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), 0);
	assert_int_equal(fault.syncs, 0);
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(fault.syncs, 1);
}

static void test_flush_failure_stays(void **state)
{
	struct fixture *f = *state;

	open_disk(f, "");
	fault.sync_errno = EINTR;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(fault.syncs, 2);
	fault.sync_errno = EIO;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), -EIO);
	/* The kernel now says all is well; it is not. */
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), -EIO);
}

static void test_sync_option(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR] = {1};

	open_disk(f, "sync");
	assert_true((fault.open_flags & O_SYNC) == O_SYNC);
	assert_false(block_info(f->block).write_cache);
	assert_int_equal(rw(f, BLOCK_WRITE, 0, buf, SECTOR), 0);
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(fault.syncs, 0);
	/* Zeroes do not go through write(2): synced by hand. */
	assert_int_equal(run(f, BLOCK_WRITE_ZEROES, 0, SECTOR, NULL, 0), 0);
	assert_int_equal(fault.syncs, 1);
	block_close(f->block);
	f->block = NULL;
	open_disk(f, "direct");
	assert_true((fault.open_flags & O_SYNC) == O_SYNC);
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

	open_disk(f, "");
	if (!block_info(f->block).can_discard) {
		print_message("skipped: no holes on this file system\n");
		skip();
	}
	fill_disk(f, KIB(256));
	before = disk_blocks(f);
	assert_int_equal(run(f, BLOCK_DISCARD, KIB(64), KIB(128), NULL, 0), 0);
	assert_true(disk_blocks(f) < before);
	zeroed(f, KIB(64), KIB(192), KIB(256));
	assert_int_equal(
	    run(f, BLOCK_DISCARD, DISK_BYTES, SECTOR, NULL, 0), -ERANGE);
}

static void test_nodelete(void **state)
{
	struct fixture *f = *state;

	open_disk(f, "nodelete");
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
		.offset = SECTOR, .len = KIB(300), .may_unmap = may_unmap}};

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

	open_disk(f, "");
	zeroes_case(f, false, FALLOC_FL_ZERO_RANGE);
	assert_int_equal(fault.fallocate_modes & FALLOC_FL_PUNCH_HOLE, 0);
	zeroes_case(f, true, FALLOC_FL_PUNCH_HOLE);
}

static void test_zeroes_by_writing(void **state)
{
	struct fixture *f = *state;

	open_disk(f, "");
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
	unsigned before = thread_count();

	open_disk(f, "");
	assert_int_equal(thread_count(), before);
	assert_int_equal(rw(f, BLOCK_READ, 0, buf, SECTOR), 0);
	assert_int_equal(thread_count(), before + 1);
	block_close(f->block);
	f->block = NULL;
	assert_int_equal(thread_count(), before);
}

static void test_no_thread(void **state)
{
	struct fixture *f = *state;
	struct request r = {.req = {.op = BLOCK_FLUSH, .done = request_done}};

	open_disk(f, "");
	fault.thread_error = EAGAIN;
	assert_int_equal(block_submit(f->block, &r.req), -EAGAIN);
	block_drain(f->block);
	fault.thread_error = 0;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
	/* With one worker there, a second one may fail to start. */
	fault.thread_error = EAGAIN;
	assert_int_equal(run(f, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
}

static void *open_gate(void *ctx)
{
	sem_t *gate = ctx;

	usleep(20000);
	sem_post(gate);
	sem_post(gate);
	return NULL;
}

static void test_close_waits(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[SECTOR], back[SECTOR];
	struct iovec iov = {buf, SECTOR};
	struct request r[2];
	pthread_t helper;
	sem_t gate;
	unsigned i;

	open_disk(f, "");
	fill(buf, sizeof(buf), 9);
	sem_init(&gate, 0, 0);
	fault.gate = &gate;
	for (i = 0; i < 2; i++) {
		r[i] = (struct request){.req = {.op = BLOCK_WRITE,
			.offset = i * SECTOR, .len = SECTOR, .iov = &iov,
			.iovcnt = 1}};
		start(f, &r[i]);
	}
	assert_int_equal(pthread_create(&helper, NULL, open_gate, &gate), 0);
	block_close(f->block);
	f->block = NULL;
	/* Not a moment before the writes were answered. */
	assert_int_equal(sem_trywait(&r[0].done), 0);
	assert_int_equal(sem_trywait(&r[1].done), 0);
	pthread_join(helper, NULL);
	file_read(f, SECTOR, back, SECTOR);
	assert_memory_equal(back, buf, SECTOR);
	sem_destroy(&gate);
}

/* ---- refusals ---- */

static void test_missing(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	refused(f, "", -ENOENT, "%s: no such disk file; create one with"
	    " 'truncate -s 20G %s' or correct the path", f->path, f->path);
}

static void test_no_path(void **state)
{
	struct fixture *f = *state;
	struct block *block;

	assert_int_equal(block_open(f->root, &f->err, &block), -EINVAL);
	assert_string_equal(f->err.msg, "no disk file given; name one, as in"
	    " 'virtio-blk,/vm/guest/disk0.img'");
}

static void test_directory(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	refused(f, "", -EISDIR, "%s: a directory, not a disk file", f->path);
	rmdir(f->path);
}

static void test_fifo(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	refused(f, "", -EINVAL,
	    "%s: neither a regular file nor a block device", f->path);
}

static void test_not_writable(void **state)
{
	struct fixture *f = *state;

	fault.open_errno = EROFS;
	refused(f, "", -EROFS, "%s: cannot be opened for writing, use ro or"
	    " make it writable: Read-only file system", f->path);
	fault.open_errno = EACCES;
	refused(f, "ro", -EACCES, "%s: cannot be opened, make it readable for"
	    " this user: Permission denied", f->path);
}

static void test_host_uses_it(void **state)
{
	struct fixture *f = *state;

	fault.open_errno = EBUSY;
	refused(f, "", -EBUSY, "%s: the host uses this device (mounted, swap"
	    " or part of a volume); release it there first", f->path);
}

static void test_no_direct(void **state)
{
	struct fixture *f = *state;

	fault.open_errno = EINVAL;
	refused(f, "nocache", -EINVAL, "%s: its file system cannot do nocache"
	    " (O_DIRECT); drop that option", f->path);
}

static void test_empty_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, 0), 0);
	refused(f, "", -EINVAL, "%s: empty; give it a size, as with 'truncate"
	    " -s 20G %s'", f->path, f->path);
}

static void test_odd_size(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, 1000), 0);
	refused(f, "", -EINVAL, "%s: 1000 bytes are not a multiple of the"
	    " sector size 512; extend it with 'truncate -s %%512 %s'",
	    f->path, f->path);
	assert_int_equal(truncate(f->path, 1024), 0);
	refused(f, "sectorsize=4096", -EINVAL, "%s: 1024 bytes are not a"
	    " multiple of the sector size 4096; extend it with 'truncate -s"
	    " %%4096 %s'", f->path, f->path);
}

static void test_bad_sector_size(void **state)
{
	static const char *const bad[] = {"0", "1000", "512/1000", "4096/512",
	    "x", "512/", "131072"};
	struct fixture *f = *state;
	char option[64];
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(option, sizeof(option), "sectorsize=%s", bad[i]);
		refused(f, option, -EINVAL, "%s: sectorsize=%s is not"
		    " LOGICAL[/PHYSICAL] in powers of two from 512 to 65536,"
		    " such as 512/4096", f->path, bad[i]);
	}
}

static void test_bad_bool(void **state)
{
	struct fixture *f = *state;
	struct block *block;

	assert_int_equal(try_open(f, "ro=maybe", &block), -EINVAL);
	assert_non_null(strstr(f->err.msg, "maybe"));
}

static void test_two_readers_one_writer(void **state)
{
	struct fixture *f = *state;
	struct block *second = NULL;

	open_disk(f, "ro");
	assert_int_equal(try_open(f, "ro", &second), 0);
	block_close(second);
	refused(f, "", -EBUSY, "%s: in use; two guests writing to one disk"
	    " would destroy it: stop the other, or use ro in both", f->path);
	block_close(f->block);
	f->block = NULL;
	open_disk(f, "");
	refused(f, "ro", -EBUSY, "%s: written to; stop that first, or use ro"
	    " there too", f->path);
}

static void test_owner_is_named(void **state)
{
	struct fixture *f = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2];
	pid_t child;
	char byte;
	int fd;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		fd = open(f->path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0 &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	refused(f, "", -EBUSY, "%s: in use by process %d (test_block); two"
	    " guests writing to one disk would destroy it: stop the other, or"
	    " use ro in both", f->path, (int)child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	/* The lock died with its owner. */
	open_disk(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	    T(test_sync_option),
	    T(test_discard),
	    T(test_nodelete),
	    T(test_zeroes),
	    T(test_zeroes_by_writing),
	    T(test_threads_start_late),
	    T(test_no_thread),
	    T(test_close_waits),
	    T(test_missing),
	    T(test_no_path),
	    T(test_directory),
	    T(test_fifo),
	    T(test_not_writable),
	    T(test_host_uses_it),
	    T(test_no_direct),
	    T(test_empty_file),
	    T(test_odd_size),
	    T(test_bad_sector_size),
	    T(test_bad_bool),
	    T(test_two_readers_one_writer),
	    T(test_owner_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
