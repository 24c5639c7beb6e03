/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtqueue tests: good chains, every malformed one, suppression, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_ring.h>

#include "driver.h"
#include "virtio/ring.h"

#define SIZE	 8u
#define DESC	 0x1000u
#define AVAIL	 0x2000u
#define USED	 0x3000u
#define BUF	 0x10000u
#define INDIRECT 0x20000u
#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIR	 VRING_DESC_F_INDIRECT

struct fixture {
	struct world w;
	struct ring ring;
	struct iovec iov[2 * SIZE];
	struct ring_chain chain;
	uint16_t avail_idx;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	world_create(&f->w);
	f->ring = (struct ring){
	    .gmem = f->w.gmem,
	    .desc = {DESC},
	    .avail = {AVAIL},
	    .used = {USED},
	    .size = SIZE,
	    .indirect = true,
	};
	assert_int_equal(ring_start(&f->ring), 0);
	f->chain = (struct ring_chain){
	    .iov = f->iov,
	    .iov_max = ARRAY_LEN(f->iov),
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	free(f);
	return 0;
}

static void desc_at(struct fixture *f, uint64_t table, unsigned i,
		    uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	mem_put64(&f->w, table + 16 * i, addr);
	mem_put32(&f->w, table + 16 * i + 8, len);
	mem_put16(&f->w, table + 16 * i + 12, flags);
	mem_put16(&f->w, table + 16 * i + 14, next);
}

static void desc(struct fixture *f, unsigned i, uint64_t addr, uint32_t len,
		 uint16_t flags, uint16_t next)
{
	desc_at(f, DESC, i, addr, len, flags, next);
}

static void offer(struct fixture *f, uint16_t head)
{
	mem_put16(&f->w, AVAIL + 4 + 2 * (f->avail_idx % SIZE), head);
	mem_put16(&f->w, AVAIL + 2, ++f->avail_idx);
}

static int take(struct fixture *f)
{
	return ring_take(&f->ring, &f->chain);
}

/* The chain at head 0 is refused, and so is everything after it. */
static void refused(struct fixture *f, const char *why)
{
	offer(f, 0);
	assert_int_equal(take(f), -EPROTO);
	assert_string_equal(f->ring.fault, why);
	desc(f, 0, BUF, 1, 0, 0);
	offer(f, 0);
	assert_int_equal(take(f), -EPROTO);
	assert_false(ring_kick_on(&f->ring));
	ring_stop(&f->ring);
	assert_int_equal(take(f), 0);
}

/* ---- starting ---- */

static void start_case(struct fixture *f, struct ring ring, const char *why)
{
	ring.gmem = f->w.gmem;
	assert_int_equal(ring_start(&ring), -EPROTO);
	assert_string_equal(ring.fault, why);
	assert_false(ring.started);
}

static void test_start_checks_areas(void **state)
{
	struct fixture *f = *state;
	struct ring good = {
	    .desc = {DESC}, .avail = {AVAIL}, .used = {USED}, .size = SIZE};
	struct ring r;

	r = good, r.size = 0;
	start_case(f, r, "queue size is not a power of two");
	r = good, r.size = 6;
	start_case(f, r, "queue size is not a power of two");
	r = good, r.desc = gpa(DESC + 8);
	start_case(f, r, "descriptor table is not in memory");
	r = good, r.desc = gpa(WORLD_RAM_END - 16 * SIZE + 16);
	start_case(f, r, "descriptor table is not in memory");
	r = good, r.desc = gpa(UINT64_MAX - 15);
	start_case(f, r, "descriptor table is not in memory");
	r = good, r.avail = gpa(AVAIL + 1);
	start_case(f, r, "available ring is not in memory");
	r = good, r.avail = gpa(WORLD_RAM_END - 4 - 2 * SIZE);
	start_case(f, r, "available ring is not in memory");
	r = good, r.used = gpa(USED + 2);
	start_case(f, r, "used ring is not in memory");
	r = good, r.used = gpa(WORLD_RAM_END - 4 - 8 * SIZE);
	start_case(f, r, "used ring is not in memory");
	/* Exactly at the end of memory, and across two mappings: fine. */
	r = good, r.gmem = f->w.gmem;
	r.used = gpa(WORLD_RAM_END - 8 - 8 * SIZE);
	r.desc = gpa(WORLD_RAM - 16);
	assert_int_equal(ring_start(&r), 0);
}

/* ---- good chains ---- */

static void test_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f), 0);
	assert_null(f->ring.fault);
}

static void test_chain_in_order(void **state)
{
	struct fixture *f = *state;
	char text[8] = {0};

	mem_put(&f->w, BUF, "hello", 5);
	desc(f, 3, BUF, 2, NEXT, 5);
	desc(f, 5, BUF + 2, 3, NEXT, 1);
	desc(f, 1, BUF + 0x100, 7, NEXT | WRITE, 2);
	desc(f, 2, BUF + 0x200, 9, WRITE, 0);
	offer(f, 3);
	assert_int_equal(take(f), 1);
	assert_int_equal(f->chain.head, 3);
	assert_int_equal(f->chain.rd.cnt, 2);
	assert_int_equal(f->chain.rd.bytes, 5);
	assert_int_equal(f->chain.wr.cnt, 2);
	assert_int_equal(f->chain.wr.bytes, 16);
	assert_int_equal(ring_span_get(&f->chain.rd, text, 5), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(take(f), 0);
}

static void test_buffer_across_mappings(void **state)
{
	struct fixture *f = *state;
	const char text[] = "two pieces";
	char back[sizeof(text)];

	desc(f, 0, WORLD_RAM - 4, sizeof(text), WRITE, 0);
	offer(f, 0);
	assert_int_equal(take(f), 1);
	assert_int_equal(f->chain.wr.cnt, 2);
	assert_int_equal(ring_span_put(&f->chain.wr, text, sizeof(text)), 0);
	mem_get(&f->w, WORLD_RAM - 4, back, sizeof(back));
	assert_memory_equal(back, text, sizeof(text));
}

static void test_full_queue_chain(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < SIZE; i++)
		desc(f, i, BUF + i, 1, i + 1 < SIZE ? NEXT : 0,
		     (uint16_t)(i + 1));
	offer(f, 0);
	assert_int_equal(take(f), 1);
	assert_int_equal(f->chain.rd.cnt, SIZE);
}

static void test_empty_buffers(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, 0xdead0000u, 0, NEXT, 1);
	desc(f, 1, BUF, 4, NEXT | WRITE, 2);
	desc(f, 2, BUF, 0, WRITE, 0);
	offer(f, 0);
	assert_int_equal(take(f), 1);
	assert_int_equal(f->chain.rd.cnt, 0);
	assert_int_equal(f->chain.wr.cnt, 1);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	/* As many as the queue is long, more than are in the table in front. */
	for (i = 0; i < SIZE; i++)
		desc_at(f, INDIRECT, i, BUF + i * 16, 16,
			(uint16_t)(WRITE | (i + 1 < SIZE ? NEXT : 0)),
			(uint16_t)(i + 1));
	/* WRITE on the descriptor of the table means nothing (2.7.5.3.2). */
	desc(f, 4, INDIRECT, 16 * SIZE, INDIR | WRITE, 0);
	offer(f, 4);
	assert_int_equal(take(f), 1);
	assert_int_equal(f->chain.head, 4);
	assert_int_equal(f->chain.wr.bytes, 16 * SIZE);
}

static void test_indirect_after_direct(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, BUF, 4, NEXT, 1);
	desc(f, 1, INDIRECT, 16, INDIR, 0);
	desc_at(f, INDIRECT, 0, BUF + 16, 6, WRITE, 0);
	offer(f, 0);
	assert_int_equal(take(f), 1);
	assert_int_equal(f->chain.rd.bytes, 4);
	assert_int_equal(f->chain.wr.bytes, 6);
}

static void test_index_wraps(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	desc(f, 0, BUF, 1, WRITE, 0);
	for (i = 0; i < 0x10000 + 3 * SIZE; i++) {
		offer(f, 0);
		assert_int_equal(take(f), 1);
		assert_int_equal(ring_give(&f->ring, f->chain.head, i), 0);
		assert_int_equal(ring_show(&f->ring), 0);
	}
	assert_int_equal(mem_get16(&f->w, USED + 2), (uint16_t)i);
	assert_int_equal(mem_get32(&f->w, USED + 4 + 8 * ((i - 1) % SIZE) + 4),
			 i - 1);
}

/* ---- bad chains ---- */

static void test_head_outside(void **state)
{
	struct fixture *f = *state;

	offer(f, SIZE);
	assert_int_equal(take(f), -EPROTO);
	assert_string_equal(f->ring.fault, "chain head outside the table");
}

static void test_index_out_of_step(void **state)
{
	struct fixture *f = *state;

	mem_put16(&f->w, AVAIL + 2, SIZE + 1);
	assert_int_equal(take(f), -EPROTO);
	assert_string_equal(f->ring.fault, "available index out of step");
}

static void test_index_goes_back(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, BUF, 1, 0, 0);
	offer(f, 0);
	assert_int_equal(take(f), 1);
	mem_put16(&f->w, AVAIL + 2, 0);
	assert_int_equal(take(f), -EPROTO);
	assert_string_equal(f->ring.fault, "available index out of step");
}

static void test_more_out_than_fits(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	desc(f, 0, BUF, 1, 0, 0);
	for (i = 0; i < SIZE; i++) {
		offer(f, 0);
		assert_int_equal(take(f), 1);
	}
	offer(f, 0);
	assert_int_equal(take(f), -EPROTO);
	assert_string_equal(f->ring.fault, "more chains than the queue holds");
}

static void test_next_outside(void **state)
{
	desc(*state, 0, BUF, 1, NEXT, SIZE);
	refused(*state, "next descriptor outside the table");
}

static void test_loop_to_itself(void **state)
{
	desc(*state, 0, BUF, 1, NEXT, 0);
	refused(*state, "chain longer than the queue, or a loop");
}

static void test_loop_of_two(void **state)
{
	desc(*state, 0, BUF, 1, NEXT, 1);
	desc(*state, 1, BUF, 0, NEXT, 0);
	refused(*state, "chain longer than the queue, or a loop");
}

static void test_outside_memory(void **state)
{
	desc(*state, 0, WORLD_RAM_END - 4, 5, 0, 0);
	refused(*state, "buffer is not in memory");
}

static void test_address_wraps(void **state)
{
	desc(*state, 0, UINT64_MAX - 3, 16, WRITE, 0);
	refused(*state, "buffer is not in memory");
}

static void test_readable_after_writable(void **state)
{
	desc(*state, 0, BUF, 1, NEXT | WRITE, 1);
	desc(*state, 1, BUF, 1, 0, 0);
	refused(*state, "readable buffer after a writable one");
}

static void test_indirect_not_negotiated(void **state)
{
	struct fixture *f = *state;

	f->ring.indirect = false;
	desc(f, 0, INDIRECT, 16, INDIR, 0);
	refused(f, "indirect descriptor, which was not negotiated");
}

static void test_indirect_nested(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, INDIRECT, 32, INDIR, 0);
	desc_at(f, INDIRECT, 0, BUF, 1, NEXT, 1);
	desc_at(f, INDIRECT, 1, INDIRECT, 32, INDIR, 0);
	refused(f, "indirect table inside an indirect one");
}

static void test_indirect_continues(void **state)
{
	desc(*state, 0, INDIRECT, 16, INDIR | NEXT, 1);
	refused(*state, "indirect descriptor that continues");
}

static void test_indirect_size_zero(void **state)
{
	desc(*state, 0, INDIRECT, 0, INDIR, 0);
	refused(*state, "indirect table of a crooked size");
}

static void test_indirect_size_odd(void **state)
{
	desc(*state, 0, INDIRECT, 24, INDIR, 0);
	refused(*state, "indirect table of a crooked size");
}

static void test_indirect_outside_memory(void **state)
{
	desc(*state, 0, WORLD_RAM_END, 16, INDIR, 0);
	refused(*state, "descriptor is not in memory");
}

static void test_indirect_address_wraps(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, UINT64_MAX - 15, 64, INDIR, 0);
	refused(f, "descriptor is not in memory");
}

static void test_indirect_next_outside(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, INDIRECT, 32, INDIR, 0);
	desc_at(f, INDIRECT, 0, BUF, 1, NEXT, 2);
	refused(f, "next descriptor outside the table");
}

static void test_indirect_loop(void **state)
{
	struct fixture *f = *state;

	desc(f, 0, INDIRECT, 32, INDIR, 0);
	desc_at(f, INDIRECT, 0, BUF, 1, NEXT, 1);
	desc_at(f, INDIRECT, 1, BUF, 1, NEXT, 0);
	refused(f, "chain longer than the queue, or a loop");
}

static void test_indirect_longer_than_queue(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < SIZE + 1; i++)
		desc_at(f, INDIRECT, i, BUF, 1, i < SIZE ? NEXT : 0,
			(uint16_t)(i + 1));
	desc(f, 0, INDIRECT, 16 * (SIZE + 1), INDIR, 0);
	refused(f, "chain longer than the queue, or a loop");
}

static void test_too_many_bytes(void **state)
{
	struct fixture *f = *state;

	/* Refused before the memory is looked at: the sum is what counts. */
	desc(f, 0, 0, (uint32_t)WORLD_RAM_END, NEXT, 1);
	desc(f, 1, 0, UINT32_MAX, 0, 0);
	refused(f, "chain of more than 4 GiB");
}

static void test_too_many_pieces(void **state)
{
	struct fixture *f = *state;

	f->chain.iov_max = 2;
	desc(f, 0, BUF, 1, NEXT, 1);
	desc(f, 1, WORLD_RAM - 1, 2, 0, 0);
	refused(f, "chain in too many pieces");
}

/* ---- used ring and suppression ---- */

static void take_one(struct fixture *f)
{
	desc(f, 0, BUF, 8, WRITE, 0);
	offer(f, 0);
	assert_int_equal(take(f), 1);
}

static void test_given_is_hidden_until_shown(void **state)
{
	struct fixture *f = *state;

	take_one(f);
	take_one(f);
	assert_int_equal(ring_give(&f->ring, 0, 5), 0);
	assert_int_equal(ring_give(&f->ring, 0, 6), 0);
	assert_int_equal(mem_get16(&f->w, USED + 2), 0);
	assert_int_equal(ring_show(&f->ring), 0);
	assert_int_equal(mem_get16(&f->w, USED + 2), 2);
	assert_int_equal(mem_get32(&f->w, USED + 4 + 4), 5);
	assert_int_equal(mem_get32(&f->w, USED + 12 + 4), 6);
}

static void test_rewind(void **state)
{
	struct fixture *f = *state;
	struct ring_mark mark;

	take_one(f);
	mark = ring_mark(&f->ring);
	take_one(f);
	assert_int_equal(ring_give(&f->ring, 0, 1), 0);
	take_one(f);
	ring_rewind(&f->ring, mark);
	assert_int_equal(f->ring.out, 1);
	assert_int_equal(take(f), 1);
	assert_int_equal(take(f), 1);
	assert_int_equal(take(f), 0);
	assert_int_equal(ring_show(&f->ring), 0);
	assert_int_equal(mem_get16(&f->w, USED + 2), 0);
}

static void give_one(struct fixture *f)
{
	take_one(f);
	assert_int_equal(ring_give(&f->ring, 0, 0), 0);
	assert_int_equal(ring_show(&f->ring), 0);
}

/* ---- lending ---- */

static void test_lend(void **state)
{
	struct fixture *f = *state;
	struct ring_lease lease;
	unsigned cnt = 0;

	desc(f, 0, BUF, 16, WRITE, 0);
	offer(f, 0);
	assert_int_equal(take(f), 1);
	assert_int_equal(ring_lend(&f->ring, &lease), -EBUSY);
	assert_int_equal(ring_give(&f->ring, 0, 5), 0);
	assert_int_equal(ring_lend(&f->ring, &lease), -EBUSY);
	assert_int_equal(ring_show(&f->ring), 0);
	assert_int_equal(ring_lend(&f->ring, &lease), 0);
	assert_int_equal(ring_lend(&f->ring, &lease), -EBUSY);
	assert_int_equal(lease.avail_next, 1);
	assert_int_equal(gmem_iov(f->w.gmem, gpa(USED), 1, f->iov, 1, &cnt), 0);
	assert_ptr_equal(lease.used, f->iov[0].iov_base);
	/* The other side's, until it is back. */
	mem_put16(&f->w, USED, 0x55);
	offer(f, 0);
	assert_int_equal(take(f), 0);
	ring_kick_off(&f->ring);
	assert_false(ring_kick_on(&f->ring));
	assert_int_equal(mem_get16(&f->w, USED), 0x55);
	/* It did that one, and nine more that we never saw. */
	mem_put16(&f->w, USED + 2, 11);
	f->avail_idx = 11;
	ring_take_back(&f->ring, 11);
	mem_put16(&f->w, AVAIL + 2, 11);
	assert_int_equal(take(f), 0);
	assert_false(ring_wants_interrupt(&f->ring));
	offer(f, 0);
	assert_int_equal(take(f), 1);
	assert_int_equal(ring_give(&f->ring, 0, 7), 0);
	assert_int_equal(ring_show(&f->ring), 0);
	assert_int_equal(mem_get16(&f->w, USED + 2), 12);
	assert_int_equal(mem_get32(&f->w, USED + 4 + 8 * (11 % SIZE) + 4), 7);
}

static void test_lend_refused(void **state)
{
	struct fixture *f = *state;
	struct ring ring = f->ring;
	struct ring_lease lease;

	ring.used = gpa(WORLD_RAM - 8);
	assert_int_equal(ring_start(&ring), 0);
	assert_int_equal(ring_lend(&ring, &lease), -EXDEV);
	assert_false(ring.lent);
	ring_stop(&ring);
	assert_int_equal(ring_lend(&ring, &lease), -EPROTO);
	assert_int_equal(ring_lend(&f->ring, &lease), 0);
	ring_lost(&f->ring);
	assert_int_equal(take(f), -EPROTO);
	assert_string_equal(f->ring.fault,
			    "the kernel did not give the queue back");
	assert_int_equal(ring_lend(&f->ring, &lease), -EPROTO);
}

static void test_interrupt_flag(void **state)
{
	struct fixture *f = *state;

	assert_false(ring_wants_interrupt(&f->ring));
	give_one(f);
	assert_true(ring_wants_interrupt(&f->ring));
	/* Told once is enough. */
	assert_false(ring_wants_interrupt(&f->ring));
	mem_put16(&f->w, AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	give_one(f);
	assert_false(ring_wants_interrupt(&f->ring));
}

static void test_interrupt_event(void **state)
{
	struct fixture *f = *state;

	f->ring.event_idx = true;
	/* "When the used index passes 2": the third one. */
	mem_put16(&f->w, AVAIL + 4 + 2 * SIZE, 2);
	give_one(f);
	assert_false(ring_wants_interrupt(&f->ring));
	give_one(f);
	assert_false(ring_wants_interrupt(&f->ring));
	give_one(f);
	assert_true(ring_wants_interrupt(&f->ring));
	give_one(f);
	assert_false(ring_wants_interrupt(&f->ring));
	/* Passed in one go with others. */
	mem_put16(&f->w, AVAIL + 4 + 2 * SIZE, 5);
	give_one(f);
	give_one(f);
	give_one(f);
	assert_true(ring_wants_interrupt(&f->ring));
}

static void test_kick_flag(void **state)
{
	struct fixture *f = *state;

	ring_kick_off(&f->ring);
	assert_int_equal(mem_get16(&f->w, USED), VRING_USED_F_NO_NOTIFY);
	assert_false(ring_kick_on(&f->ring));
	assert_int_equal(mem_get16(&f->w, USED), 0);
	desc(f, 0, BUF, 1, 0, 0);
	offer(f, 0);
	assert_true(ring_kick_on(&f->ring));
}

static void test_kick_event(void **state)
{
	struct fixture *f = *state;

	f->ring.event_idx = true;
	take_one(f);
	take_one(f);
	ring_kick_off(&f->ring);
	assert_int_equal(mem_get16(&f->w, USED), 0);
	assert_false(ring_kick_on(&f->ring));
	assert_int_equal(mem_get16(&f->w, USED + 4 + 8 * SIZE), 2);
}

/* ---- bytes ---- */

static void test_span_bytes(void **state)
{
	struct fixture *f = *state;
	uint8_t *place, byte;
	uint16_t two;

	desc(f, 0, BUF, 1, NEXT, 1);
	desc(f, 1, BUF + 1, 2, NEXT, 2);
	desc(f, 2, BUF + 0x100, 2, NEXT | WRITE, 3);
	desc(f, 3, BUF + 0x200, 1, WRITE, 0);
	mem_put(&f->w, BUF, "abc", 3);
	offer(f, 0);
	assert_int_equal(take(f), 1);

	/* Too much is refused and consumes nothing. */
	assert_int_equal(ring_span_get(&f->chain.rd, &two, 4), -EBADMSG);
	assert_int_equal(ring_span_get(&f->chain.rd, &two, 2), 0);
	assert_memory_equal(&two, "ab", 2);
	assert_int_equal(f->chain.rd.cnt, 1);
	assert_int_equal(ring_span_get(&f->chain.rd, &byte, 1), 0);
	assert_int_equal(byte, 'c');
	assert_int_equal(f->chain.rd.cnt, 0);

	assert_int_equal(ring_span_cut_last(&f->chain.wr, &place), 0);
	ring_poke(place, 0x77);
	assert_int_equal(f->chain.wr.cnt, 1);
	assert_int_equal(ring_span_cut_first(&f->chain.wr, &place), 0);
	ring_poke(place, 0x55);
	assert_int_equal(ring_span_put(&f->chain.wr, "xy", 2), -EBADMSG);
	assert_int_equal(ring_span_put(&f->chain.wr, "z", 1), 0);
	assert_int_equal(ring_span_cut_first(&f->chain.wr, &place), -EBADMSG);
	assert_int_equal(ring_span_cut_last(&f->chain.wr, &place), -EBADMSG);
	mem_get(&f->w, BUF + 0x100, &two, 2);
	assert_memory_equal(&two, "\x55z", 2);
	mem_get(&f->w, BUF + 0x200, &byte, 1);
	assert_int_equal(byte, 0x77);
}

static void test_span_split(void **state UNUSED)
{
	uint8_t bytes[12] = {0};
	struct iovec iov[5] = {{bytes, 3}, {bytes + 3, 4}, {bytes + 7, 5}};
	struct ring_span span = {iov, 3, 12}, front, rest;

	/* More than there is is refused and changes nothing. */
	assert_int_equal(ring_span_split(&span, 13, &front), -EBADMSG);
	assert_int_equal(span.cnt, 3);
	/* Between two pieces: nothing moves. */
	assert_int_equal(ring_span_split(&span, 3, &front), 0);
	assert_int_equal(front.cnt, 1);
	assert_int_equal(front.bytes, 3);
	assert_ptr_equal(span.iov, &iov[1]);
	assert_int_equal(span.bytes, 9);
	/* Inside one. */
	assert_int_equal(ring_span_split(&span, 6, &rest), 0);
	assert_int_equal(rest.cnt, 2);
	assert_int_equal(span.cnt, 1);
	assert_int_equal(span.bytes, 3);
	assert_ptr_equal(span.iov->iov_base, bytes + 9);
	assert_int_equal(span.iov->iov_len, 3);
	assert_int_equal(ring_span_put(&rest, "abcdef", 6), 0);
	assert_int_equal(ring_span_put(&span, "xyz", 3), 0);
	assert_memory_equal(bytes, "\0\0\0abcdefxyz", 12);
	/* Nothing, and all that is left. */
	span = (struct ring_span){&(struct iovec){bytes, 2}, 1, 2};
	assert_int_equal(ring_span_split(&span, 0, &front), 0);
	assert_int_equal(front.cnt, 0);
	assert_int_equal(span.cnt, 1);
	assert_int_equal(ring_span_split(&span, 2, &front), 0);
	assert_int_equal(front.cnt, 1);
	assert_int_equal(span.cnt, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_start_checks_areas),
	    T(test_empty),
	    T(test_chain_in_order),
	    T(test_buffer_across_mappings),
	    T(test_full_queue_chain),
	    T(test_empty_buffers),
	    T(test_indirect),
	    T(test_indirect_after_direct),
	    T(test_index_wraps),
	    T(test_head_outside),
	    T(test_index_out_of_step),
	    T(test_index_goes_back),
	    T(test_more_out_than_fits),
	    T(test_next_outside),
	    T(test_loop_to_itself),
	    T(test_loop_of_two),
	    T(test_outside_memory),
	    T(test_address_wraps),
	    T(test_readable_after_writable),
	    T(test_indirect_not_negotiated),
	    T(test_indirect_nested),
	    T(test_indirect_continues),
	    T(test_indirect_size_zero),
	    T(test_indirect_size_odd),
	    T(test_indirect_outside_memory),
	    T(test_indirect_address_wraps),
	    T(test_indirect_next_outside),
	    T(test_indirect_loop),
	    T(test_indirect_longer_than_queue),
	    T(test_too_many_bytes),
	    T(test_too_many_pieces),
	    T(test_given_is_hidden_until_shown),
	    T(test_rewind),
	    T(test_lend),
	    T(test_lend_refused),
	    T(test_interrupt_flag),
	    T(test_interrupt_event),
	    T(test_kick_flag),
	    T(test_kick_event),
	    T(test_span_bytes),
	    T(test_span_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
