/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of split virtqueues; the contract is in ring.h.
 *
 * Theory of operation. The driver owns the descriptor table and the available
 * ring and may change both at any moment, also while they are being read. So
 * an index is one atomic load, a descriptor one copy, and a decision is made
 * on the copy only. A chain is walked with a budget of `size` descriptors,
 * which no well-formed chain exceeds (2.7.5.3.1) and no loop survives.
 *
 * Used elements are written at used_next and become visible when used_shown
 * catches up, so that a packet spread over several buffers appears at once.
 *
 * The two fences are the two places where both sides store and then load what
 * the other stored (notification and interrupt suppression, 2.7.7 and 2.7.10):
 * without a full fence both could read the old value and both go to sleep.
 */
#include "virtio/ring.h"

#include <assert.h>
#include <endian.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define AVAIL_FLAGS 0u
#define AVAIL_IDX   2u
#define AVAIL_RING  4u
#define USED_FLAGS  0u
#define USED_IDX    2u
#define USED_RING   4u

_Static_assert(sizeof(struct vring_desc) == 16, "descriptor layout");
_Static_assert(sizeof(struct vring_used_elem) == 8, "used element layout");

static int set_fault(struct ring *ring, const char *why)
{
	ring->fault = why;
	return -EPROTO;
}

static gpa_t avail_slot(const struct ring *ring, uint16_t index)
{
	return gpa_add(ring->avail,
		       AVAIL_RING + 2u * (index & (ring->size - 1u)));
}

static gpa_t used_slot(const struct ring *ring, uint16_t index)
{
	return gpa_add(ring->used, USED_RING + sizeof(struct vring_used_elem) *
						   (index & (ring->size - 1u)));
}

/* The driver's "interrupt me when used reaches" word (2.7.7). */
static gpa_t used_event(const struct ring *ring)
{
	return gpa_add(ring->avail, AVAIL_RING + 2u * ring->size);
}

/* Our "notify me when available reaches" word (2.7.10). */
static gpa_t avail_event(const struct ring *ring)
{
	return gpa_add(ring->used,
		       USED_RING + sizeof(struct vring_used_elem) * ring->size);
}

static bool area_ok(const struct ring *ring, gpa_t start, uint64_t len,
		    unsigned align)
{
	struct iovec iov[GMEM_RANGES_MAX];
	unsigned cnt = 0;

	return (start.v & (align - 1)) == 0 &&
	       gmem_iov(ring->gmem, start, len, iov, ARRAY_LEN(iov), &cnt) == 0;
}

/* Event words are part of the areas whether negotiated or not. */
static uint64_t desc_bytes(const struct ring *ring)
{
	return sizeof(struct vring_desc) * (uint64_t)ring->size;
}

static uint64_t avail_bytes(const struct ring *ring)
{
	return AVAIL_RING + 2u * (uint64_t)ring->size + 2;
}

static uint64_t used_bytes(const struct ring *ring)
{
	return USED_RING +
	       sizeof(struct vring_used_elem) * (uint64_t)ring->size + 2;
}

int ring_start(struct ring *ring)
{
	if (!is_pow2(ring->size) || ring->size > RING_SIZE_MAX)
		return set_fault(ring, "queue size is not a power of two");
	if (!area_ok(ring, ring->desc, desc_bytes(ring), VRING_DESC_ALIGN_SIZE))
		return set_fault(ring, "descriptor table is not in memory");
	if (!area_ok(ring, ring->avail, avail_bytes(ring),
		     VRING_AVAIL_ALIGN_SIZE))
		return set_fault(ring, "available ring is not in memory");
	if (!area_ok(ring, ring->used, used_bytes(ring), VRING_USED_ALIGN_SIZE))
		return set_fault(ring, "used ring is not in memory");
	ring->avail_next = 0;
	ring->used_next = 0;
	ring->used_shown = 0;
	ring->used_told = 0;
	ring->out = 0;
	ring->fault = NULL;
	ring->started = true;
	return 0;
}

void ring_stop(struct ring *ring)
{
	const struct gmem *gmem = ring->gmem;

	*ring = (struct ring){.gmem = gmem};
}

/* ---- taking chains ---- */

/* A descriptor table being walked: the queue's own or an indirect one. */
struct table {
	gpa_t base;
	uint32_t count;
	bool indirect;
};

struct desc {
	gpa_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static int read_desc(struct ring *ring, const struct table *table,
		     uint32_t index, struct desc *ret)
{
	struct vring_desc raw;
	gpa_t at = gpa_add(table->base, sizeof(raw) * (uint64_t)index);

	if (gmem_read_obj(ring->gmem, at, &raw))
		return set_fault(ring, "descriptor is not in memory");
	*ret = (struct desc){
	    .addr = gpa(le64toh(raw.addr)),
	    .len = le32toh(raw.len),
	    .flags = le16toh(raw.flags),
	    .next = le16toh(raw.next),
	};
	return 0;
}

static int enter_indirect(struct ring *ring, const struct desc *desc,
			  struct table *table)
{
	if (!ring->indirect)
		return set_fault(
		    ring, "indirect descriptor, which was not negotiated");
	if (table->indirect)
		return set_fault(ring, "indirect table inside an indirect one");
	if (desc->flags & VRING_DESC_F_NEXT)
		return set_fault(ring, "indirect descriptor that continues");
	if (desc->len == 0 || desc->len % sizeof(struct vring_desc))
		return set_fault(ring, "indirect table of a crooked size");
	*table = (struct table){
	    .base = desc->addr,
	    .count = desc->len / (uint32_t)sizeof(struct vring_desc),
	    .indirect = true,
	};
	return 0;
}

static int add_buffer(struct ring *ring, const struct desc *desc,
		      struct ring_chain *chain)
{
	bool writable = desc->flags & VRING_DESC_F_WRITE;
	struct ring_span *span = writable ? &chain->wr : &chain->rd;
	unsigned cnt = chain->rd.cnt + chain->wr.cnt;
	unsigned before = cnt;
	int r;

	if (!writable && chain->wr.bytes)
		return set_fault(ring, "readable buffer after a writable one");
	if (chain->rd.bytes + chain->wr.bytes + desc->len > RING_CHAIN_BYTES)
		return set_fault(ring, "chain of more than 4 GiB");
	r = gmem_iov(ring->gmem, desc->addr, desc->len, chain->iov,
		     chain->iov_max, &cnt);
	if (r == -E2BIG)
		return set_fault(ring, "chain in too many pieces");
	if (r)
		return set_fault(ring, "buffer is not in memory");
	span->cnt += cnt - before;
	span->bytes += desc->len;
	return 0;
}

static int walk(struct ring *ring, uint16_t head, struct ring_chain *chain)
{
	struct table table = {.base = ring->desc, .count = ring->size};
	uint32_t index = head;
	unsigned budget = ring->size;
	struct desc desc;
	int r;

	do {
		r = read_desc(ring, &table, index, &desc);
		if (r)
			return r;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			/* At most once, so it needs no budget. */
			r = enter_indirect(ring, &desc, &table);
			if (r)
				return r;
			index = 0;
			desc.flags = VRING_DESC_F_NEXT;
			continue;
		}
		if (budget-- == 0)
			return set_fault(
			    ring, "chain longer than the queue, or a loop");
		r = add_buffer(ring, &desc, chain);
		if (r)
			return r;
		index = desc.next;
		if ((desc.flags & VRING_DESC_F_NEXT) && index >= table.count)
			return set_fault(ring,
					 "next descriptor outside the table");
	} while (desc.flags & VRING_DESC_F_NEXT);
	return 0;
}

int ring_take(struct ring *ring, struct ring_chain *chain)
{
	uint16_t idx, head;
	int r;

	if (!ring->started || ring->lent)
		return 0;
	if (ring->fault)
		return -EPROTO;
	if (gmem_load16(ring->gmem, gpa_add(ring->avail, AVAIL_IDX), &idx))
		return set_fault(ring, "available ring is not in memory");
	if (idx == ring->avail_next)
		return 0;
	if ((uint16_t)(idx - ring->avail_next) > ring->size)
		return set_fault(ring, "available index out of step");
	if (ring->out >= ring->size)
		return set_fault(ring, "more chains than the queue holds");
	if (gmem_load16(ring->gmem, avail_slot(ring, ring->avail_next), &head))
		return set_fault(ring, "available ring is not in memory");
	if (head >= ring->size)
		return set_fault(ring, "chain head outside the table");
	chain->head = head;
	chain->rd = (struct ring_span){.iov = chain->iov};
	chain->wr = (struct ring_span){0};
	r = walk(ring, head, chain);
	if (r)
		return r;
	/* Readable pieces come first: add_buffer() saw to it. */
	chain->wr.iov = chain->iov + chain->rd.cnt;
	ring->avail_next++;
	ring->out++;
	return 1;
}

struct ring_mark ring_mark(const struct ring *ring)
{
	return (struct ring_mark){ring->avail_next, ring->used_next, ring->out};
}

void ring_rewind(struct ring *ring, struct ring_mark mark)
{
	ring->avail_next = mark.avail_next;
	ring->used_next = mark.used_next;
	ring->out = mark.out;
}

/* ---- giving them back ---- */

int ring_give(struct ring *ring, uint16_t head, uint32_t written)
{
	struct vring_used_elem elem = {
	    .id = htole32(head),
	    .len = htole32(written),
	};

	assert(ring->out > 0);
	if (gmem_write_obj(ring->gmem, used_slot(ring, ring->used_next), &elem))
		return set_fault(ring, "used ring is not in memory");
	ring->used_next++;
	ring->out--;
	return 0;
}

int ring_show(struct ring *ring)
{
	if (ring->used_shown == ring->used_next)
		return 0;
	/* Release order: the elements are there before the index says so. */
	if (gmem_store16(ring->gmem, gpa_add(ring->used, USED_IDX),
			 ring->used_next))
		return set_fault(ring, "used ring is not in memory");
	ring->used_shown = ring->used_next;
	return 0;
}

bool ring_wants_interrupt(struct ring *ring)
{
	uint16_t old = ring->used_told, event, flags;

	if (ring->used_shown == old)
		return false;
	ring->used_told = ring->used_shown;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->event_idx)
		return gmem_load16(ring->gmem, used_event(ring), &event) == 0 &&
		       vring_need_event(event, ring->used_shown, old);
	return gmem_load16(ring->gmem, gpa_add(ring->avail, AVAIL_FLAGS),
			   &flags) == 0 &&
	       !(flags & VRING_AVAIL_F_NO_INTERRUPT);
}

/* ---- lending ---- */

static void *area_host(const struct ring *ring, gpa_t start, uint64_t len)
{
	struct iovec iov;
	unsigned cnt = 0;

	return gmem_iov(ring->gmem, start, len, &iov, 1, &cnt) ? NULL
							       : iov.iov_base;
}

int ring_lend(struct ring *ring, struct ring_lease *ret_lease)
{
	struct ring_lease lease = {.avail_next = ring->avail_next};

	if (!ring->started || ring->fault)
		return -EPROTO;
	if (ring->lent || ring->out || ring->used_next != ring->used_shown)
		return -EBUSY;
	lease.desc = area_host(ring, ring->desc, desc_bytes(ring));
	lease.avail = area_host(ring, ring->avail, avail_bytes(ring));
	lease.used = area_host(ring, ring->used, used_bytes(ring));
	if (!lease.desc || !lease.avail || !lease.used)
		return -EXDEV;
	ring->lent = true;
	*ret_lease = lease;
	return 0;
}

void ring_take_back(struct ring *ring, uint16_t avail_next)
{
	uint16_t used = 0;

	/* The guest may have changed it: that disturbs only its own driver. */
	if (gmem_load16(ring->gmem, gpa_add(ring->used, USED_IDX), &used))
		(void)set_fault(ring, "used ring is not in memory");
	ring->avail_next = avail_next;
	ring->used_next = used;
	ring->used_shown = used;
	ring->used_told = used;
	ring->lent = false;
}

void ring_lost(struct ring *ring)
{
	ring->lent = false;
	(void)set_fault(ring, "the kernel did not give the queue back");
}

/* ---- notification suppression ---- */

/*
 * Stores here cannot fail on a started ring (ring_start() saw the area); if
 * they ever did, the driver would only notify more than it must.
 */
void ring_kick_off(struct ring *ring)
{
	if (ring->started && !ring->lent && !ring->event_idx)
		(void)!gmem_store16(ring->gmem, gpa_add(ring->used, USED_FLAGS),
				    VRING_USED_F_NO_NOTIFY);
}

bool ring_kick_on(struct ring *ring)
{
	uint16_t idx;

	if (!ring->started || ring->lent || ring->fault)
		return false;
	if (ring->event_idx)
		(void)!gmem_store16(ring->gmem, avail_event(ring),
				    ring->avail_next);
	else
		(void)!gmem_store16(ring->gmem, gpa_add(ring->used, USED_FLAGS),
				    0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return gmem_load16(ring->gmem, gpa_add(ring->avail, AVAIL_IDX), &idx) ==
		   0 &&
	       idx != ring->avail_next;
}

/* ---- the bytes of a chain ---- */

static void span_skip(struct ring_span *span, size_t len)
{
	span->iov->iov_base = (uint8_t *)span->iov->iov_base + len;
	span->iov->iov_len -= len;
	span->bytes -= len;
	if (span->iov->iov_len == 0) {
		span->iov++;
		span->cnt--;
	}
}

int ring_span_get(struct ring_span *span, void *dst, size_t len)
{
	uint8_t *to = dst;
	size_t piece;

	if (span->bytes < len)
		return -EBADMSG;
	for (; len; len -= piece, to += piece) {
		piece = MIN(len, span->iov->iov_len);
		memcpy(to, span->iov->iov_base, piece);
		span_skip(span, piece);
	}
	return 0;
}

int ring_span_put(struct ring_span *span, const void *src, size_t len)
{
	const uint8_t *from = src;
	size_t piece;

	if (span->bytes < len)
		return -EBADMSG;
	for (; len; len -= piece, from += piece) {
		piece = MIN(len, span->iov->iov_len);
		memcpy(span->iov->iov_base, from, piece);
		span_skip(span, piece);
	}
	return 0;
}

int ring_span_cut_first(struct ring_span *span, uint8_t **ret_place)
{
	if (span->bytes == 0)
		return -EBADMSG;
	*ret_place = span->iov->iov_base;
	span_skip(span, 1);
	return 0;
}

int ring_span_cut_last(struct ring_span *span, uint8_t **ret_place)
{
	struct iovec *last;

	if (span->bytes == 0)
		return -EBADMSG;
	last = &span->iov[span->cnt - 1];
	last->iov_len--;
	*ret_place = (uint8_t *)last->iov_base + last->iov_len;
	span->bytes--;
	if (last->iov_len == 0)
		span->cnt--;
	return 0;
}

int ring_span_split(struct ring_span *span, uint64_t len,
		    struct ring_span *ret_front)
{
	struct iovec *iov = span->iov;
	uint64_t left = len;
	unsigned whole = 0;

	if (span->bytes < len)
		return -EBADMSG;
	while (left > 0 && iov[whole].iov_len <= left)
		left -= iov[whole++].iov_len;
	*ret_front = (struct ring_span){iov, whole + (left > 0), len};
	if (left > 0) {
		memmove(&iov[whole + 1], &iov[whole],
			(span->cnt - whole) * sizeof(*iov));
		span->cnt++;
		iov[whole].iov_len = (size_t)left;
		iov[whole + 1].iov_base =
		    (uint8_t *)iov[whole + 1].iov_base + left;
		iov[whole + 1].iov_len -= (size_t)left;
	}
	span->iov += ret_front->cnt;
	span->cnt -= ret_front->cnt;
	span->bytes -= len;
	return 0;
}

void ring_poke(uint8_t *place, uint8_t value)
{
	*place = value;
}
