/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's side of vfio_ops.h. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "vfio/vfio_ops.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static int kernel_open(void *ctx UNUSED, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void kernel_close(void *ctx UNUSED, int fd)
{
	close(fd);
}

static int kernel_ioctl(void *ctx UNUSED, int fd, unsigned long request,
			void *arg)
{
	int r;

	/* The signal came before the request had an effect. */
	do {
		r = ioctl(fd, request, arg);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t kernel_pread(void *ctx UNUSED, int fd, void *buf, size_t len,
			    uint64_t off)
{
	ssize_t n = pread(fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

static ssize_t kernel_pwrite(void *ctx UNUSED, int fd, const void *buf,
			     size_t len, uint64_t off)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

static int kernel_mmap_at(void *ctx UNUSED, void *addr, size_t len, int fd,
			  uint64_t off)
{
	void *p = mmap(addr, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd, (off_t)off);

	return p == MAP_FAILED ? -errno : 0;
}

static int kernel_populate(void *ctx UNUSED, void *addr, size_t len)
{
	int r;

	do {
		r = madvise(addr, len, MADV_POPULATE_WRITE);
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	/* Before 5.14 VFIO faults the pages in itself, only slower. */
	return r < 0 && errno != EINVAL ? -errno : 0;
}

static uint64_t kernel_memlock_limit(void *ctx UNUSED)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

static void kernel_sleep_ms(void *ctx UNUSED, unsigned ms)
{
	struct timespec left = {
	    .tv_sec = ms / 1000,
	    .tv_nsec = (long)(ms % 1000) * 1000000,
	};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

const struct vfio_ops vfio_ops_kernel = {
    .open = kernel_open,
    .close = kernel_close,
    .ioctl = kernel_ioctl,
    .pread = kernel_pread,
    .pwrite = kernel_pwrite,
    .mmap_at = kernel_mmap_at,
    .populate = kernel_populate,
    .memlock_limit = kernel_memlock_limit,
    .sleep_ms = kernel_sleep_ms,
};
