/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory; the contract is in gmem.h. */
#include "gmem/gmem.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define HUGE_PAGE_BYTES MIB(2)

struct range {
	uint64_t base;
	uint64_t size;
	uint8_t *host;
	int fd; /* -1: private */
};

/*
 * Locking: none. The ranges are written by gmem_add_ram() before there are
 * threads and only read afterwards.
 */
struct gmem {
	unsigned range_count;
	bool in_core;
	bool shared, huge;		      /* ranges to come */
	struct range ranges[GMEM_RANGES_MAX]; /* sorted, disjoint */
};

int gmem_create(struct gmem **ret_gmem)
{
	struct gmem *gmem = calloc(1, sizeof(*gmem));

	if (!gmem)
		return -ENOMEM;
	*ret_gmem = gmem;
	return 0;
}

static void range_free(struct range *range)
{
	munmap(range->host, range->size);
	if (range->fd >= 0)
		close(range->fd);
}

void gmem_destroy(struct gmem *gmem)
{
	if (!gmem)
		return;
	for (unsigned i = 0; i < gmem->range_count; i++)
		range_free(&gmem->ranges[i]);
	free(gmem);
}

void gmem_share(struct gmem *gmem)
{
	gmem->shared = true;
}

void gmem_use_huge_pages(struct gmem *gmem)
{
	gmem->huge = true;
}

/*
 * Maps `size` bytes whose host address equals the guest address `base` modulo
 * the huge page size: only then can one huge page back both sides. The map is
 * made larger by one huge page and cut to fit.
 */
static int map_aligned(uint64_t base, uint64_t size, uint8_t **ret_host)
{
	uint64_t map_size, head, tail;
	uint8_t *map;

	if (range_end(size, HUGE_PAGE_BYTES, &map_size) || map_size > SIZE_MAX)
		return -ENOMEM;
	map = mmap(NULL, map_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	head = (base - (uintptr_t)map) & (HUGE_PAGE_BYTES - 1);
	tail = HUGE_PAGE_BYTES - head; /* never 0 */
	if (head)
		munmap(map, head);
	munmap(map + head + size, tail);
	*ret_host = map + head;
	return 0;
}

/*
 * Puts a file of anonymous pages in the place of the private ones. Its size is
 * sealed: a process that has the descriptor cannot take pages from under us.
 */
static int make_shared(struct range *range, bool huge)
{
	int fd = memfd_create("guest memory",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING |
				  (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	void *map;

	if (fd < 0)
		return -errno;
	range->fd = fd;
	if (range->size > INT64_MAX || ftruncate(fd, (off_t)range->size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	map = mmap(range->host, range->size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, fd, 0);
	return map == MAP_FAILED ? -errno : 0;
}

static uint64_t huge_pages_free(void)
{
	CLEANUP_FCLOSE FILE *file = fopen(
	    "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	uint64_t count;

	return file && fscanf(file, "%" SCNu64, &count) == 1 ? count : 0;
}

/* Why the pages of `range` could not be made files (see make_shared()). */
static int explain_file(const struct range *range, bool huge, int code,
			struct err *err)
{
	if (!huge)
		return err_sys(err, code,
			       "guest memory at 0x%" PRIx64
			       ": cannot be shared with a device's process",
			       range->base);
	if (range->size % HUGE_PAGE_BYTES)
		return err_set(err, -EINVAL,
			       "memory.hugepages: the guest's memory is not a"
			       " multiple of 2 MiB; change memory.size");
	return err_set(err, code,
		       "memory.hugepages: %" PRIu64 " huge pages of 2 MiB are"
		       " needed, this host has %" PRIu64
		       " free; write more to /proc/sys/vm/nr_hugepages",
		       range->size / HUGE_PAGE_BYTES, huge_pages_free());
}

static int advise_dump(const struct range *range, bool in_core)
{
	int advice = in_core ? MADV_DODUMP : MADV_DONTDUMP;

	return madvise(range->host, range->size, advice) ? -errno : 0;
}

static int check_new_range(const struct gmem *gmem, uint64_t base,
			   uint64_t size, struct err *err)
{
	uint64_t end;

	if (!size || base % GMEM_PAGE || size % GMEM_PAGE ||
	    range_end(base, size, &end))
		return err_set(
		    err, -EINVAL,
		    "guest memory at 0x%" PRIx64 ": 0x%" PRIx64
		    " bytes are not whole pages of the address space",
		    base, size);
	for (unsigned i = 0; i < gmem->range_count; i++) {
		const struct range *r = &gmem->ranges[i];

		if (range_overlaps(base, size, r->base, r->size))
			return err_set(err, -EINVAL,
				       "guest memory at 0x%" PRIx64
				       ": overlaps the "
				       "memory at 0x%" PRIx64,
				       base, r->base);
	}
	if (gmem->range_count == GMEM_RANGES_MAX)
		return err_set(err, -ENOSPC,
			       "guest memory at 0x%" PRIx64
			       ": more than %d ranges",
			       base, GMEM_RANGES_MAX);
	return 0;
}

int gmem_add_ram(struct gmem *gmem, gpa_t base, uint64_t size, struct err *err)
{
	struct range range = {.base = base.v, .size = size, .fd = -1};
	unsigned at;
	int ret;

	ret = check_new_range(gmem, base.v, size, err);
	if (ret)
		return ret;
	ret = map_aligned(base.v, size, &range.host);
	if (ret)
		return err_sys(err, ret,
			       "guest memory at 0x%" PRIx64
			       ": cannot map %" PRIu64
			       " MiB, give the guest less memory",
			       base.v, size >> 20);
	if (gmem->shared || gmem->huge)
		ret = make_shared(&range, gmem->huge);
	if (ret) {
		range_free(&range);
		return explain_file(&range, gmem->huge, ret, err);
	}
	/* Refused by a kernel without huge pages; small pages work as well. */
	(void)madvise(range.host, size, MADV_HUGEPAGE);
	ret = advise_dump(&range, gmem->in_core);
	if (ret) {
		range_free(&range);
		return err_sys(err, ret,
			       "guest memory at 0x%" PRIx64
			       ": cannot choose whether core dumps contain it",
			       base.v);
	}
	for (at = gmem->range_count; at > 0; at--) {
		if (gmem->ranges[at - 1].base < base.v)
			break;
		gmem->ranges[at] = gmem->ranges[at - 1];
	}
	gmem->ranges[at] = range;
	gmem->range_count++;
	return 0;
}

int gmem_for_each(const struct gmem *gmem, gmem_range_fn *fn, void *ctx)
{
	int ret;

	for (unsigned i = 0; i < gmem->range_count; i++) {
		const struct range *r = &gmem->ranges[i];

		ret = fn(ctx, gpa(r->base), r->size, r->host);
		if (ret)
			return ret;
	}
	return 0;
}

int gmem_for_each_shared(const struct gmem *gmem, gmem_shared_fn *fn, void *ctx)
{
	int ret;

	for (unsigned i = 0; i < gmem->range_count; i++) {
		const struct gmem_shared range = {
		    .base = gpa(gmem->ranges[i].base),
		    .size = gmem->ranges[i].size,
		    .fd = gmem->ranges[i].fd,
		};

		ret = fn(ctx, &range);
		if (ret)
			return ret;
	}
	return 0;
}

uint64_t gmem_total_bytes(const struct gmem *gmem)
{
	uint64_t total = 0; /* cannot wrap: the ranges are disjoint */

	for (unsigned i = 0; i < gmem->range_count; i++)
		total += gmem->ranges[i].size;
	return total;
}

int gmem_set_dump(struct gmem *gmem, bool in_core)
{
	int ret;

	for (unsigned i = 0; i < gmem->range_count; i++) {
		ret = advise_dump(&gmem->ranges[i], in_core);
		if (ret)
			return ret;
	}
	gmem->in_core = in_core;
	return 0;
}

static int explain_lock(const struct gmem *gmem, int code, struct err *err)
{
	uint64_t total = gmem_total_bytes(gmem);
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY)
		return err_sys(
		    err, code,
		    "guest memory: cannot lock %" PRIu64
		    " MiB although RLIMIT_MEMLOCK sets no limit, free host "
		    "memory or give the guest less",
		    total >> 20);
	return err_set(
	    err, code,
	    "guest memory: cannot lock %" PRIu64
	    " MiB, RLIMIT_MEMLOCK allows %" PRIu64
	    " KiB; raise it ('ulimit -l', LimitMEMLOCK= of a service) or run "
	    "as root",
	    total >> 20, (uint64_t)limit.rlim_cur >> 10);
}

int gmem_lock(struct gmem *gmem, struct err *err)
{
	for (unsigned i = 0; i < gmem->range_count; i++) {
		const struct range *r = &gmem->ranges[i];

		if (mlock(r->host, r->size))
			return explain_lock(gmem, -errno, err);
	}
	return 0;
}

/*
 * Host address of the longest contiguous piece of RAM at `addr`, cut to `len`
 * bytes; NULL when `addr` is not RAM.
 */
static uint8_t *find_piece(const struct gmem *gmem, uint64_t addr, uint64_t len,
			   uint64_t *ret_len)
{
	for (unsigned i = 0; i < gmem->range_count; i++) {
		const struct range *r = &gmem->ranges[i];
		uint64_t offset = addr - r->base;

		if (addr >= r->base && offset < r->size) {
			*ret_len = MIN(len, r->size - offset);
			return r->host + offset;
		}
	}
	return NULL;
}

int gmem_read(const struct gmem *gmem, gpa_t src, void *dst, size_t len)
{
	uint64_t piece, end;
	uint8_t *out = dst;

	if (range_end(src.v, len, &end))
		return -EFAULT;
	for (; len; len -= piece, out += piece, src.v += piece) {
		const uint8_t *host = find_piece(gmem, src.v, len, &piece);

		if (!host)
			return -EFAULT;
		memcpy(out, host, piece);
	}
	return 0;
}

int gmem_write(const struct gmem *gmem, gpa_t dst, const void *src, size_t len)
{
	const uint8_t *in = src;
	uint64_t piece, end;

	if (range_end(dst.v, len, &end))
		return -EFAULT;
	for (; len; len -= piece, in += piece, dst.v += piece) {
		uint8_t *host = find_piece(gmem, dst.v, len, &piece);

		if (!host)
			return -EFAULT;
		memcpy(host, in, piece);
	}
	return 0;
}

int gmem_zero(const struct gmem *gmem, gpa_t dst, size_t len)
{
	uint64_t piece, end;

	if (range_end(dst.v, len, &end))
		return -EFAULT;
	for (; len; len -= piece, dst.v += piece) {
		uint8_t *host = find_piece(gmem, dst.v, len, &piece);

		if (!host)
			return -EFAULT;
		memset(host, 0, piece);
	}
	return 0;
}

/* Ranges are whole pages, so an aligned word is in one range or in none. */
static int find_word(const struct gmem *gmem, gpa_t a, unsigned size,
		     uint8_t **ret_host)
{
	uint64_t piece;
	uint8_t *host;

	if (a.v & (size - 1))
		return -EINVAL;
	host = find_piece(gmem, a.v, size, &piece);
	if (!host)
		return -EFAULT;
	*ret_host = host;
	return 0;
}

int gmem_load16(const struct gmem *gmem, gpa_t a, uint16_t *ret_v)
{
	uint8_t *host;
	int ret;

	ret = find_word(gmem, a, sizeof(*ret_v), &host);
	if (ret)
		return ret;
	*ret_v = le16toh(
	    __atomic_load_n((uint16_t *)(void *)host, __ATOMIC_ACQUIRE));
	return 0;
}

int gmem_load32(const struct gmem *gmem, gpa_t a, uint32_t *ret_v)
{
	uint8_t *host;
	int ret;

	ret = find_word(gmem, a, sizeof(*ret_v), &host);
	if (ret)
		return ret;
	*ret_v = le32toh(
	    __atomic_load_n((uint32_t *)(void *)host, __ATOMIC_ACQUIRE));
	return 0;
}

int gmem_store16(const struct gmem *gmem, gpa_t a, uint16_t v)
{
	uint8_t *host;
	int ret;

	ret = find_word(gmem, a, sizeof(v), &host);
	if (ret)
		return ret;
	__atomic_store_n((uint16_t *)(void *)host, htole16(v),
			 __ATOMIC_RELEASE);
	return 0;
}

int gmem_store32(const struct gmem *gmem, gpa_t a, uint32_t v)
{
	uint8_t *host;
	int ret;

	ret = find_word(gmem, a, sizeof(v), &host);
	if (ret)
		return ret;
	__atomic_store_n((uint32_t *)(void *)host, htole32(v),
			 __ATOMIC_RELEASE);
	return 0;
}

int gmem_iov(const struct gmem *gmem, gpa_t a, uint64_t len, struct iovec *iov,
	     unsigned iov_max, unsigned *iovcnt)
{
	unsigned count = *iovcnt;
	uint64_t piece, end;

	if (range_end(a.v, len, &end))
		return -EFAULT;
	for (; len; len -= piece, a.v += piece) {
		uint8_t *host = find_piece(gmem, a.v, len, &piece);

		if (!host)
			return -EFAULT;
		if (count >= iov_max)
			return -E2BIG;
		iov[count++] = (struct iovec){host, piece};
	}
	*iovcnt = count;
	return 0;
}

static int read_exactly(int fd, uint8_t *dst, uint64_t len, uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pread(fd, dst, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		dst += n;
		len -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int gmem_read_file(const struct gmem *gmem, gpa_t dst, int fd, uint64_t offset,
		   uint64_t len)
{
	struct iovec iov[GMEM_RANGES_MAX];
	unsigned count = 0;
	uint64_t end;
	int ret;

	ret = gmem_iov(gmem, dst, len, iov, ARRAY_LEN(iov), &count);
	if (ret)
		return ret;
	/* No file reaches beyond what off_t can say. */
	if (range_end(offset, len, &end) || end > INT64_MAX)
		return -ENODATA;
	for (unsigned i = 0; i < count; i++) {
		ret = read_exactly(fd, iov[i].iov_base, iov[i].iov_len, offset);
		if (ret)
			return ret;
		offset += iov[i].iov_len;
	}
	return 0;
}
