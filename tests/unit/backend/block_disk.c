/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk file to test on, and system calls that fail on demand. */
#include "block_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
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
	cfg_destroy(f->root);
	memset(&fault, 0, sizeof(fault));
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
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
