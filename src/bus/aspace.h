/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address space that traps: port I/O or memory-mapped I/O.
 *
 * Devices claim regions; the vCPU loop dispatches each trapped access. The
 * dispatcher guarantees to a handler: offset and size lie inside the region,
 * size is 1, 2, 4 or 8 (ports: 1, 2, 4), the access is within the sizes the
 * region declared (wider or misaligned ones are split or widened here), and
 * the region's lock is held.
 *
 * Unclaimed reads give all ones, unclaimed writes vanish.
 *
 * Locking: a rwlock protects the sorted table and is never held across a
 * handler, so handlers may add and remove regions (BAR moves). Regions are
 * identified by their address; the caller owns the struct, which must stay
 * valid until aspace_remove() has returned and no vCPU runs, or for ever.
 */
#ifndef BUS_ASPACE_H
#define BUS_ASPACE_H

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"

struct aspace;

/* `size` bytes at `offset` into the region; value in the low bytes. */
typedef uint64_t aspace_read_fn(void *ctx, uint64_t offset, unsigned size);
typedef void aspace_write_fn(void *ctx, uint64_t offset, unsigned size,
			     uint64_t value);

struct aspace_region {
	const char *name; /* for messages and traces */
	uint64_t base;	  /* set by aspace_add() */
	uint64_t size;
	aspace_read_fn *read;	/* NULL: reads as all ones */
	aspace_write_fn *write; /* NULL: writes vanish */
	void *ctx;
	pthread_mutex_t *lock; /* held around handlers; NULL: none */
	/*
	 * Sizes the handler implements; 0 means 1 and 4. A wider access is
	 * split into max_size pieces, lowest address first; a narrower one
	 * reads min_size and shifts (and for a write is dropped). A misaligned
	 * one is split into bytes when min_size is 1, else dropped.
	 */
	uint8_t min_size;
	uint8_t max_size;
};

MUST_CHECK int aspace_create(const char *name, uint64_t limit,
			     struct aspace **ret_as);
void aspace_destroy(struct aspace *as); /* NULL allowed */

/* -EEXIST (message names both regions) on overlap, -EINVAL beyond the limit. */
MUST_CHECK int aspace_add(struct aspace *as, struct aspace_region *region,
			  uint64_t base, struct err *err);
/* Removing a region that was never added does nothing. */
void aspace_remove(struct aspace *as, struct aspace_region *region);

/*
 * One trapped access of 1..8 bytes. Returns 0, or -ENXIO when nobody claimed
 * it (the value is then all ones): what -e turns into an exit.
 */
int aspace_read(struct aspace *as, uint64_t addr, unsigned size,
		uint64_t *ret_value);
int aspace_write(struct aspace *as, uint64_t addr, unsigned size,
		 uint64_t value);

#endif
