/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Split virtqueues, the device's side: every byte of a descriptor, of an
 * available ring and of a used ring is read and written here and nowhere else.
 *
 * Call order: fill size, desc, avail, used; ring_start(); then any number of
 * ring_take() and, for each chain taken, one ring_give(); ring_show() makes
 * the given ones visible; ring_wants_interrupt() says whether to tell the
 * driver. ring_stop() forgets everything.
 *
 * What a guest can do wrong ends in -EPROTO and ring->fault, a sentence for
 * the log; the ring then stays broken until ring_stop(). Nothing here asserts
 * on or loops by a guest's number: a chain has at most `size` descriptors, one
 * level of indirection and RING_CHAIN_BYTES bytes, at most `size` chains are
 * out at a time, and every descriptor is copied once and used from the copy.
 *
 * Locking: none; the device's lock covers its rings.
 * Source: VIRTIO 1.2, 2.7 (split virtqueues).
 */
#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

#include <sys/uio.h>

#include "base/base.h"
#include "gmem/gmem.h"

#define RING_SIZE_MAX	 32768u
#define RING_CHAIN_BYTES UINT32_MAX /* 2.7.5: no more in one chain */

struct ring {
	const struct gmem *gmem;
	gpa_t desc, avail, used;
	uint16_t size; /* power of two */
	bool started;
	bool lent;	     /* a kernel back end has it: hands off */
	bool event_idx;	     /* VIRTIO_F_EVENT_IDX negotiated */
	bool indirect;	     /* VIRTIO_F_INDIRECT_DESC negotiated */
	uint16_t avail_next; /* available index of the next chain to take */
	uint16_t used_next;  /* used index of the next element to write */
	uint16_t used_shown; /* used index the driver sees */
	uint16_t used_told;  /* used_shown at the last interrupt decision */
	uint16_t out;	     /* chains taken and not given back */
	const char *fault;   /* what the guest did wrong, or NULL */
};

struct ring_mark {
	uint16_t avail_next, used_next, out;
};

/*
 * A run of host memory pieces, consumed from the front (or, for its last byte,
 * from the back). What is left may be handed to a back end as an iovec.
 */
struct ring_span {
	struct iovec *iov;
	unsigned cnt;
	uint64_t bytes;
};

/* One request. The caller owns the iovec array and sets iov and iov_max. */
struct ring_chain {
	struct iovec *iov;
	unsigned iov_max;
	uint16_t head;
	struct ring_span rd; /* what the device may read */
	struct ring_span wr; /* what the device may write */
};

/*
 * Checks size, alignment and that all three areas are RAM. -EPROTO and
 * ring->fault when they are not.
 */
MUST_CHECK int ring_start(struct ring *ring);
void ring_stop(struct ring *ring);

/* 1: a chain was taken; 0: none waits; -EPROTO: see ring->fault. */
MUST_CHECK int ring_take(struct ring *ring, struct ring_chain *chain);
/* Gives a chain back with the bytes written to it; the driver sees nothing. */
MUST_CHECK int ring_give(struct ring *ring, uint16_t head, uint32_t written);
/* Makes all given chains visible at once. */
MUST_CHECK int ring_show(struct ring *ring);
/*
 * Remembers the place, and goes back to it as if nothing had been taken or
 * given since; nothing may have been shown in between.
 */
struct ring_mark ring_mark(const struct ring *ring);
void ring_rewind(struct ring *ring, struct ring_mark mark);
/* Does the driver want to hear of what was shown since the last call? */
bool ring_wants_interrupt(struct ring *ring);

/*
 * A queue can be lent to a back end in the kernel, which then works on the
 * same memory: until ring_take_back() the functions above find nothing to do.
 * The addresses are for that kernel only; nobody here dereferences them.
 */
struct ring_lease {
	void *desc, *avail, *used; /* where the areas are in this process */
	uint16_t avail_next;	   /* index of the next chain to take */
};
/*
 * -EBUSY: chains are out or not shown yet; -EXDEV: an area is not in one
 * piece; -EPROTO: not started, or broken.
 */
MUST_CHECK int ring_lend(struct ring *ring, struct ring_lease *ret_lease);
/* Takes it back with the index that the other side had come to. */
void ring_take_back(struct ring *ring, uint16_t avail_next);
/* The other side does not say: the ring stays broken until ring_stop(). */
void ring_lost(struct ring *ring);

/* Asks the driver not to notify (a hint), while the device is looking. */
void ring_kick_off(struct ring *ring);
/* Asks for notifications again; true when chains came in meanwhile. */
bool ring_kick_on(struct ring *ring);

/* Copies len bytes from or to the front and moves on; -EBADMSG: too short. */
MUST_CHECK int ring_span_get(struct ring_span *span, void *dst, size_t len);
MUST_CHECK int ring_span_put(struct ring_span *span, const void *src,
			     size_t len);
/* Cuts the first or last byte off, to be stored later; -EBADMSG when empty. */
MUST_CHECK int ring_span_cut_first(struct ring_span *span, uint8_t **ret_place);
MUST_CHECK int ring_span_cut_last(struct ring_span *span, uint8_t **ret_place);
/*
 * Cuts the first `len` bytes off as a span of their own, to be filled or read
 * later; -EBADMSG: too short. When a piece belongs to both spans, those behind
 * it move up by one: the array must have room for one more behind the span.
 */
MUST_CHECK int ring_span_split(struct ring_span *span, uint64_t len,
			       struct ring_span *ret_front);
/* Stores a byte that was cut off. */
void ring_poke(uint8_t *place, uint8_t value);

#endif
