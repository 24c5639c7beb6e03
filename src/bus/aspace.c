/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch of trapped accesses; the contract is in aspace.h. */
#include "bus/aspace.h"

#include <string.h>

#define REGIONS_STEP 32u

struct aspace {
	char name[16];
	uint64_t limit; /* one past the last address */
	pthread_rwlock_t lock;
	struct aspace_region **regions; /* sorted by base */
	size_t count, room;
};

int aspace_create(const char *name, uint64_t limit, struct aspace **ret_as)
{
	struct aspace *as = calloc(1, sizeof(*as));

	if (!as)
		return -ENOMEM;
	snprintf(as->name, sizeof(as->name), "%s", name);
	as->limit = limit;
	pthread_rwlock_init(&as->lock, NULL);
	*ret_as = as;
	return 0;
}

void aspace_destroy(struct aspace *as)
{
	if (!as)
		return;
	pthread_rwlock_destroy(&as->lock);
	free(as->regions);
	free(as);
}

/* Index of the first region whose base lies above addr; lock held. */
static size_t upper_bound(const struct aspace *as, uint64_t addr)
{
	size_t low = 0, high = as->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (as->regions[mid]->base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct aspace *as)
{
	struct aspace_region **grown;

	if (as->count < as->room)
		return 0;
	grown =
	    reallocarray(as->regions, as->room + REGIONS_STEP, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	as->regions = grown;
	as->room += REGIONS_STEP;
	return 0;
}

static int add_locked(struct aspace *as, struct aspace_region *region,
		      uint64_t base, struct err *err)
{
	const struct aspace_region *other = NULL;
	size_t at = upper_bound(as, base);

	if (at > 0 &&
	    base - as->regions[at - 1]->base < as->regions[at - 1]->size)
		other = as->regions[at - 1];
	else if (at < as->count && as->regions[at]->base - base < region->size)
		other = as->regions[at];
	if (other)
		return err_set(
		    err, -EEXIST,
		    "%s: %s at 0x%llx+0x%llx overlaps %s at 0x%llx+0x%llx",
		    as->name, region->name, (unsigned long long)base,
		    (unsigned long long)region->size, other->name,
		    (unsigned long long)other->base,
		    (unsigned long long)other->size);
	if (make_room(as))
		return err_set(err, -ENOMEM, "%s: out of memory", as->name);
	memmove(&as->regions[at + 1], &as->regions[at],
		(as->count - at) * sizeof(as->regions[0]));
	region->base = base;
	as->regions[at] = region;
	as->count++;
	return 0;
}

int aspace_add(struct aspace *as, struct aspace_region *region, uint64_t base,
	       struct err *err)
{
	int r;

	if (region->size == 0 ||
	    !range_inside(base, region->size, 0, as->limit))
		return err_set(err, -EINVAL,
			       "%s: %s at 0x%llx+0x%llx lies beyond 0x%llx",
			       as->name, region->name, (unsigned long long)base,
			       (unsigned long long)region->size,
			       (unsigned long long)as->limit);
	pthread_rwlock_wrlock(&as->lock);
	r = add_locked(as, region, base, err);
	pthread_rwlock_unlock(&as->lock);
	return r;
}

void aspace_remove(struct aspace *as, struct aspace_region *region)
{
	size_t i;

	pthread_rwlock_wrlock(&as->lock);
	for (i = 0; i < as->count && as->regions[i] != region; i++)
		;
	if (i < as->count) {
		as->count--;
		memmove(&as->regions[i], &as->regions[i + 1],
			(as->count - i) * sizeof(as->regions[0]));
	}
	pthread_rwlock_unlock(&as->lock);
}

/* Copies the region at addr: handlers then run without the table's lock. */
static bool find(struct aspace *as, uint64_t addr, struct aspace_region *ret)
{
	bool found = false;
	size_t at;

	pthread_rwlock_rdlock(&as->lock);
	at = upper_bound(as, addr);
	if (at > 0 &&
	    addr - as->regions[at - 1]->base < as->regions[at - 1]->size) {
		*ret = *as->regions[at - 1];
		found = true;
	}
	pthread_rwlock_unlock(&as->lock);
	if (found && !ret->min_size)
		ret->min_size = 1;
	if (found && !ret->max_size)
		ret->max_size = 4;
	return found;
}

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

static uint64_t call_read(const struct aspace_region *region, uint64_t off,
			  unsigned size)
{
	uint64_t v;

	if (!region->read)
		return ones(size);
	if (region->lock)
		pthread_mutex_lock(region->lock);
	v = region->read(region->ctx, off, size);
	if (region->lock)
		pthread_mutex_unlock(region->lock);
	return v & ones(size);
}

static void call_write(const struct aspace_region *region, uint64_t off,
		       unsigned size, uint64_t value)
{
	if (!region->write)
		return;
	if (region->lock)
		pthread_mutex_lock(region->lock);
	region->write(region->ctx, off, size, value & ones(size));
	if (region->lock)
		pthread_mutex_unlock(region->lock);
}

/* How big a piece the handler gets; 0: it cannot serve this access. */
static unsigned piece_size(const struct aspace_region *region, uint64_t off,
			   unsigned size)
{
	if (!is_pow2(size) || (off & (size - 1)))
		return region->min_size == 1 ? 1 : 0;
	return MIN(size, (unsigned)region->max_size);
}

static uint64_t region_read(const struct aspace_region *region, uint64_t off,
			    unsigned size)
{
	unsigned piece, i;
	uint64_t v = 0;

	if (size < region->min_size) {
		unsigned wide = region->min_size;
		uint64_t start = align_down(off, wide);

		if (off + size > start + wide || start + wide > region->size)
			return ones(size);
		return call_read(region, start, wide) >> (8 * (off - start));
	}
	piece = piece_size(region, off, size);
	if (!piece)
		return ones(size);
	for (i = 0; i < size; i += piece)
		v |= call_read(region, off + i, piece) << (8 * i);
	return v;
}

static void region_write(const struct aspace_region *region, uint64_t off,
			 unsigned size, uint64_t value)
{
	unsigned piece, i;

	if (size < region->min_size)
		return;
	piece = piece_size(region, off, size);
	for (i = 0; piece && i < size; i += piece)
		call_write(region, off + i, piece, value >> (8 * i));
}

int aspace_read(struct aspace *as, uint64_t addr, unsigned size,
		uint64_t *ret_value)
{
	struct aspace_region region;
	uint64_t value = 0, byte;
	int r = -ENXIO;
	unsigned i;

	*ret_value = ones(size);
	if (find(as, addr, &region) &&
	    range_inside(addr, size, region.base, region.size)) {
		*ret_value =
		    region_read(&region, addr - region.base, size) & ones(size);
		return 0;
	}
	/* Across the border of regions: byte by byte. */
	for (i = 0; i < size; i++) {
		byte = 0xff;
		if (find(as, addr + i, &region)) {
			byte = region_read(&region, addr + i - region.base, 1);
			r = 0;
		}
		value |= (byte & 0xff) << (8 * i);
	}
	*ret_value = value;
	return r;
}

int aspace_write(struct aspace *as, uint64_t addr, unsigned size,
		 uint64_t value)
{
	struct aspace_region region;
	int r = -ENXIO;
	unsigned i;

	if (find(as, addr, &region) &&
	    range_inside(addr, size, region.base, region.size)) {
		region_write(&region, addr - region.base, size, value);
		return 0;
	}
	for (i = 0; i < size; i++) {
		if (!find(as, addr + i, &region))
			continue;
		region_write(&region, addr + i - region.base, 1,
			     value >> (8 * i));
		r = 0;
	}
	return r;
}
