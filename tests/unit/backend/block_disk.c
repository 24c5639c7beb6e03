/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk file to test on, and system calls that fail on demand. */
#include "block_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* ---- system calls with faults ---- */

struct disk_fault fault;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	if (fault.open_errno) {
		errno = fault.open_errno;
		fault.open_errno = 0;
		return -1;
	}
	fault.open_flags = flags;
	return __real_open64(path, flags, 0600);
}

static bool transfer_fails(void)
{
	/* Two workers come by. */
	int code =
	    __atomic_exchange_n(&fault.transfer_errno, 0, __ATOMIC_SEQ_CST);

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
	int code = __atomic_exchange_n(&fault.sync_errno, 0, __ATOMIC_SEQ_CST);

	__atomic_fetch_add(&fault.syncs, 1, __ATOMIC_SEQ_CST);
	if (!code)
		return __real_fdatasync(fd);
	if (fault.sync_gate)
		sem_wait(fault.sync_gate);
	errno = code;
	return -1;
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
	fault.threads++;
	return __real_pthread_create(thread, attr, fn, arg);
}

int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring,
			       unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring,
			       unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring,
			       unsigned flags)
{
	if (fault.ring_errno)
		return -fault.ring_errno;
	return __real_io_uring_queue_init(entries, ring, flags);
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	fault.submits++;
	if (fault.submit_failures) {
		fault.submit_failures--;
		return -EAGAIN;
	}
	return __real_io_uring_submit(ring);
}

int __real_eventfd_read(int fd, eventfd_t *value);
int __wrap_eventfd_read(int fd, eventfd_t *value);
int __wrap_eventfd_read(int fd, eventfd_t *value)
{
	fault.signals++;
	return __real_eventfd_read(fd, value);
}

/* ---- fixture ---- */

int disk_setup(void **state)
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

int disk_teardown(void **state)
{
	struct fixture *f = *state;

	block_close(f->block);
	evloop_destroy(f->loop);
	cfg_destroy(f->root);
	memset(&fault, 0, sizeof(fault));
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

void disk_fill(uint8_t *buf, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)((i * 31 + seed * 7) ^ (i >> 8));
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

unsigned disk_threads(void)
{
	return entries("/proc/self/task");
}

unsigned disk_files(void)
{
	return entries("/proc/self/fd");
}

int disk_try_open(struct fixture *f, const char *options,
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

void disk_open(struct fixture *f, const char *options)
{
	if (disk_try_open(f, options, &f->block))
		fail_msg("%s", f->err.msg);
}

bool disk_open_ring(struct fixture *f, const char *options)
{
	unsigned before;

	if (disk_try_open(f, options, &f->block)) {
		print_message("skipped: %s\n", f->err.msg);
		return false;
	}
	assert_int_equal(evloop_create(&f->loop), 0);
	before = disk_files();
	block_use_loop(f->block, f->loop);
	if (disk_files() == before)
		print_message("skipped: no io_uring here\n");
	return disk_files() != before;
}

void disk_refused(struct fixture *f, const char *options, int code,
		  const char *format, ...)
{
	struct block *block = NULL;
	char want[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(want, sizeof(want), format, ap);
	va_end(ap);
	assert_int_equal(disk_try_open(f, options, &block), code);
	assert_null(block);
	assert_string_equal(f->err.msg, want);
}
