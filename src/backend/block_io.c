/* SPDX-License-Identifier: BSD-2-Clause */
/* One block request done with the host's system calls, on a worker thread. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "backend/block_internal.h"

/* What is left of a request's pieces. */
struct cursor {
	struct iovec *iov;
	unsigned cnt;
	uint64_t offset, left;
};

static void cursor_skip(struct cursor *c, uint64_t n)
{
	c->offset += n;
	c->left -= n;
	while (n > 0) {
		size_t piece = MIN(n, (uint64_t)c->iov->iov_len);

		c->iov->iov_base = (uint8_t *)c->iov->iov_base + piece;
		c->iov->iov_len -= piece;
		n -= piece;
		if (c->iov->iov_len == 0) {
			c->iov++;
			c->cnt--;
		}
	}
}

/* May the rest go to an O_DIRECT file as it lies in memory? */
static bool cursor_aligned(const struct cursor *c,
			   const struct block_file *file)
{
	uint64_t bits = (c->offset | c->left) & (file->offset_align - 1);
	unsigned i;

	for (i = 0; i < c->cnt; i++) {
		bits |= (uintptr_t)c->iov[i].iov_base & (file->mem_align - 1);
		bits |= c->iov[i].iov_len & (file->offset_align - 1);
	}
	return bits == 0;
}

bool block_request_fits(const struct block_file *file,
			const struct block_req *req)
{
	struct cursor c = {(struct iovec *)(uintptr_t)req->iov, req->iovcnt,
			   req->offset, req->len};

	return !file->o_direct || cursor_aligned(&c, file);
}

static int bounce_get(void **bounce)
{
	if (!*bounce)
		*bounce = aligned_alloc(4096, BLOCK_BOUNCE_BYTES);
	return *bounce ? 0 : -ENOMEM;
}

/* Copies between the buffer and the front of the pieces, moving nothing on. */
static void bounce_copy(const struct cursor *c, uint8_t *buf, size_t len,
			bool to_buf)
{
	const struct iovec *iov = c->iov;

	while (len > 0) {
		size_t piece = MIN(len, iov->iov_len);

		if (to_buf)
			memcpy(buf, iov->iov_base, piece);
		else
			memcpy(iov->iov_base, buf, piece);
		buf += piece;
		len -= piece;
		iov++;
	}
}

static ssize_t bounce_step(const struct block_file *file,
			   const struct cursor *c, bool write, void **bounce)
{
	size_t len = (size_t)MIN(c->left, (uint64_t)BLOCK_BOUNCE_BYTES);
	ssize_t n;
	int r;

	r = bounce_get(bounce);
	if (r)
		return r;
	if (write) {
		bounce_copy(c, *bounce, len, true);
		n = pwrite(file->fd, *bounce, len, (off_t)c->offset);
		return n < 0 ? -errno : n;
	}
	n = pread(file->fd, *bounce, len, (off_t)c->offset);
	if (n < 0)
		return -errno;
	bounce_copy(c, *bounce, (size_t)n, false);
	return n;
}

static ssize_t plain_step(const struct block_file *file, const struct cursor *c,
			  bool write)
{
	ssize_t n;

	if (write)
		n = pwritev(file->fd, c->iov, (int)c->cnt, (off_t)c->offset);
	else
		n = preadv(file->fd, c->iov, (int)c->cnt, (off_t)c->offset);
	return n < 0 ? -errno : n;
}

static int transfer(const struct block_file *file, const struct block_req *req,
		    void **bounce)
{
	bool write = req->op == BLOCK_WRITE;
	struct iovec iov[BLOCK_IOV_MAX];
	struct cursor c = {iov, req->iovcnt, req->offset, req->len};
	ssize_t n;

	memcpy(iov, req->iov, req->iovcnt * sizeof(iov[0]));
	while (c.left > 0) {
		if (file->o_direct && !cursor_aligned(&c, file))
			n = bounce_step(file, &c, write, bounce);
		else
			n = plain_step(file, &c, write);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		/* Somebody cut the file short behind our back. */
		if (n == 0)
			return -EIO;
		cursor_skip(&c, (uint64_t)n);
	}
	return 0;
}

int block_sync(const struct block_file *file)
{
	int r;

	do {
		r = fdatasync(file->fd);
	} while (r && errno == EINTR);
	return r ? -errno : 0;
}

static int file_allocate(const struct block_file *file, int mode,
			 const struct block_req *req)
{
	int r;

	do {
		r = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE,
			      (off_t)req->offset, (off_t)req->len);
	} while (r && errno == EINTR);
	return r ? -errno : 0;
}

static int write_zero_bytes(const struct block_file *file,
			    const struct block_req *req, void **bounce)
{
	uint64_t done = 0;
	ssize_t n;
	int r;

	r = bounce_get(bounce);
	if (r)
		return r;
	memset(*bounce, 0, BLOCK_BOUNCE_BYTES);
	while (done < req->len) {
		n = pwrite(
		    file->fd, *bounce,
		    (size_t)MIN(req->len - done, (uint64_t)BLOCK_BOUNCE_BYTES),
		    (off_t)(req->offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

/* Not all file systems and devices can do each of the quick ways. */
static bool unsupported(int r)
{
	return r == -EOPNOTSUPP || r == -ENOSYS || r == -ENODEV || r == -EINVAL;
}

static int write_zeroes(const struct block_file *file,
			const struct block_req *req, void **bounce)
{
	int r = -EOPNOTSUPP;

	if (req->may_unmap && file->info.can_discard)
		r = file_allocate(file, FALLOC_FL_PUNCH_HOLE, req);
	if (unsupported(r))
		r = file_allocate(file, FALLOC_FL_ZERO_RANGE, req);
	if (unsupported(r))
		r = write_zero_bytes(file, req, bounce);
	return r;
}

static int discard(const struct block_file *file, const struct block_req *req)
{
	uint64_t range[2] = {req->offset, req->len};

	if (!file->info.can_discard)
		return -EOPNOTSUPP;
	if (!file->device)
		return file_allocate(file, FALLOC_FL_PUNCH_HOLE, req);
	return ioctl(file->fd, BLKDISCARD, range) ? -errno : 0;
}

int block_request_check(const struct block_file *file,
			const struct block_req *req)
{
	uint32_t sector = file->info.logical_sector;
	uint64_t sum = 0;
	unsigned i;

	if (req->op == BLOCK_FLUSH)
		return 0;
	if (((req->offset | req->len) & (sector - 1)) != 0)
		return -EINVAL;
	if (!range_inside(req->offset, req->len, 0, file->info.size))
		return -ERANGE;
	if (req->op != BLOCK_READ && file->info.read_only)
		return -EROFS;
	if (req->op != BLOCK_READ && req->op != BLOCK_WRITE)
		return 0;
	if (req->iovcnt > BLOCK_IOV_MAX)
		return -EINVAL;
	for (i = 0; i < req->iovcnt; i++)
		if (__builtin_add_overflow(sum, req->iov[i].iov_len, &sum))
			return -EINVAL;
	return sum == req->len ? 0 : -EINVAL;
}

int block_io(const struct block_file *file, const struct block_req *req,
	     void **bounce)
{
	int r = block_request_check(file, req);

	if (r)
		return r;
	if (req->len == 0)
		return 0;
	switch (req->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		return transfer(file, req, bounce);
	case BLOCK_FLUSH:
		return 0;
	case BLOCK_DISCARD:
		return discard(file, req);
	case BLOCK_WRITE_ZEROES:
		return write_zeroes(file, req, bounce);
	default:
		return -EINVAL;
	}
}
