/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory: the one door through which host code touches guest RAM.
 *
 * A gmem is a short sorted list of RAM ranges, each backed by host memory.
 * Everything else in byway names guest memory by guest physical address
 * (gpa_t) and asks here for bounded copies, single loads and stores, or a
 * bounded host iovec for I/O. Nobody keeps a host pointer longer than one I/O
 * request (the ranges live until gmem_destroy(), so an iovec of a request in
 * flight stays valid).
 *
 * Rules this door enforces:
 *  - a range must lie wholly inside one or more adjacent RAM ranges; lengths
 *    and sums are overflow-checked, ends exclusive; else -EFAULT and nothing
 *    was copied for the first offending piece on;
 *  - copies take their length from the caller's own object, never from guest
 *    data;
 *  - the guest may change memory at any time: copy once, validate the copy,
 *    use only the copy. Indexes shared with a running guest go through the
 *    load and store functions, which are single accesses with acquire and
 *    release order.
 *
 * Threads: set-up (add) before any other thread; everything else from any
 * thread without a lock.
 * Limits: GMEM_RANGES_MAX ranges, page-aligned.
 */
#ifndef GMEM_GMEM_H
#define GMEM_GMEM_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/err.h"

/* A guest physical address; a struct so that it cannot be mixed with sizes. */
typedef struct {
	uint64_t v;
} gpa_t;

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){v};
}

/* Address + offset; wraps like the hardware's adder, ranges are checked later.
 */
static inline gpa_t gpa_add(gpa_t a, uint64_t offset)
{
	return (gpa_t){a.v + offset};
}

#define GMEM_RANGES_MAX 8
#define GMEM_PAGE	4096u

struct gmem;

MUST_CHECK int gmem_create(struct gmem **ret_gmem);
void gmem_destroy(struct gmem *gmem); /* NULL allowed; unmaps the RAM */

/*
 * RAM added from now on can be shared with another process, by descriptor:
 * what a vfio-user device needs for its DMA. Not the default, because shared
 * memory gets huge pages only where the host's administrator allows them for
 * shmem, counts as the tmpfs it is, and is never merged; private anonymous
 * memory has none of that.
 */
void gmem_share(struct gmem *gmem);

/*
 * RAM added from now on is made of the host's reserved huge pages of 2 MiB
 * (hugetlbfs): pinned with one step of the IOMMU each and never split; shared
 * as well. They are reserved when the RAM is added, all or none.
 */
void gmem_use_huge_pages(struct gmem *gmem);

/*
 * Adds RAM at [base, base+size): anonymous, zeroed, private memory (but see
 * gmem_share()) placed so that transparent huge pages can back it. -EINVAL when
 * not page-aligned or overlapping, -ENOSPC when there are too many ranges,
 * -ENOMEM.
 */
MUST_CHECK int gmem_add_ram(struct gmem *gmem, gpa_t base, uint64_t size,
			    struct err *err);

/* Calls fn for each range in address order; stops at its first non-zero. */
typedef int gmem_range_fn(void *ctx, gpa_t base, uint64_t size, void *host);
MUST_CHECK int gmem_for_each(const struct gmem *gmem, gmem_range_fn *fn,
			     void *ctx);

/*
 * The same with the descriptor and offset at which another process can map the
 * range; fd is borrowed, sealed against resizing, and -1 where RAM is private.
 */
struct gmem_shared {
	gpa_t base;
	uint64_t size;
	int fd;
	uint64_t offset;
};
typedef int gmem_shared_fn(void *ctx, const struct gmem_shared *range);
MUST_CHECK int gmem_for_each_shared(const struct gmem *gmem, gmem_shared_fn *fn,
				    void *ctx);

uint64_t gmem_total_bytes(const struct gmem *gmem);

/* Keeps guest RAM out of core dumps (the default) or in them. */
MUST_CHECK int gmem_set_dump(struct gmem *gmem, bool in_core);
/* mlock()s all ranges; the error names RLIMIT_MEMLOCK and both sizes. */
MUST_CHECK int gmem_lock(struct gmem *gmem, struct err *err);

/* Copies len bytes; -EFAULT when any byte is not RAM. */
MUST_CHECK int gmem_read(const struct gmem *gmem, gpa_t src, void *dst,
			 size_t len);
MUST_CHECK int gmem_write(const struct gmem *gmem, gpa_t dst, const void *src,
			  size_t len);
MUST_CHECK int gmem_zero(const struct gmem *gmem, gpa_t dst, size_t len);

/* Read or write a whole object: the length is the object's own. */
#define gmem_read_obj(gmem, src, obj) \
	gmem_read((gmem), (src), (obj), sizeof(*(obj)))
#define gmem_write_obj(gmem, dst, obj) \
	gmem_write((gmem), (dst), (obj), sizeof(*(obj)))

/*
 * One naturally aligned little-endian access; loads have acquire, stores
 * release order. -EFAULT outside RAM, -EINVAL when misaligned.
 */
MUST_CHECK int gmem_load16(const struct gmem *gmem, gpa_t a, uint16_t *ret_v);
MUST_CHECK int gmem_load32(const struct gmem *gmem, gpa_t a, uint32_t *ret_v);
MUST_CHECK int gmem_store16(const struct gmem *gmem, gpa_t a, uint16_t v);
MUST_CHECK int gmem_store32(const struct gmem *gmem, gpa_t a, uint32_t v);

/*
 * Host iovec of [a, a+len) appended at iov[*iovcnt]; *iovcnt grows by the
 * pieces used (more than one only across adjacent RAM ranges). -EFAULT outside
 * RAM, -E2BIG when iov_max would be passed; on failure *iovcnt is unchanged.
 * len 0 appends nothing.
 */
MUST_CHECK int gmem_iov(const struct gmem *gmem, gpa_t a, uint64_t len,
			struct iovec *iov, unsigned iov_max, unsigned *iovcnt);

/*
 * Reads exactly len bytes of fd at offset straight into RAM (boot images).
 * -EFAULT outside RAM, -ENODATA when the file ends early.
 */
MUST_CHECK int gmem_read_file(const struct gmem *gmem, gpa_t dst, int fd,
			      uint64_t offset, uint64_t len);

/*
 * Relocates a loaded image: adds `delta` (modulo the word's size) to the
 * little-endian word at base + offsets[i], any alignment, for each i. Every
 * word must lie inside [base, base + len), which must be in one RAM range;
 * -EFAULT at the first that does not. For use before vCPUs run.
 */
struct gmem_patch {
	const uint32_t *offsets;
	size_t count;
	unsigned width; /* bytes of a word: 4 or 8 */
	uint64_t delta;
};
MUST_CHECK int gmem_patch(const struct gmem *gmem, gpa_t base, uint64_t len,
			  const struct gmem_patch *patch);

#endif
