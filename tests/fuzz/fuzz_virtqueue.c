/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes descriptor parsing: the input is the guest's memory around a queue,
 * and what it changes there while the device reads.
 */
#include <stdint.h>
#include <string.h>

#include "gmem/gmem.h"
#include "virtio/ring.h"

#define RAM    0x10000u
#define AVAIL  0x0u
#define DESC   0x40u
#define USED   0x200u
#define PIECES 24u
#define CHAINS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bounds {
	uint8_t *host;
};

static int find_host(void *ctx, gpa_t base, uint64_t len UNUSED, void *host)
{
	struct bounds *b = ctx;

	if (base.v == 0)
		b->host = host;
	return 0;
}

static void check_span(const struct bounds *b, const struct ring_span *span)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < span->cnt; i++) {
		const uint8_t *p = span->iov[i].iov_base;

		if (!span->iov[i].iov_len || p < b->host ||
		    span->iov[i].iov_len > RAM ||
		    p + span->iov[i].iov_len > b->host + RAM)
			abort();
		sum += span->iov[i].iov_len;
	}
	if (sum != span->bytes)
		abort();
}

static void use_chain(struct ring *ring, struct ring_chain *chain,
		      const struct bounds *b, uint8_t how)
{
	uint8_t bytes[48], *place;
	size_t len = how % sizeof(bytes);

	if (chain->rd.cnt + chain->wr.cnt > PIECES)
		abort();
	check_span(b, &chain->rd);
	check_span(b, &chain->wr);
	if (ring_span_get(&chain->rd, bytes, len) == 0)
		(void)!ring_span_put(&chain->wr, bytes, len);
	if (ring_span_cut_last(&chain->wr, &place) == 0)
		ring_poke(place, how);
	if (ring_span_cut_first(&chain->wr, &place) == 0)
		ring_poke(place, how);
	check_span(b, &chain->rd);
	check_span(b, &chain->wr);
	if (how & 0x80)
		return; /* stays out */
	if (ring_give(ring, chain->head, how) == 0)
		(void)!ring_show(ring);
}

static void play(struct gmem *gmem, const struct bounds *b, const uint8_t *data,
		 size_t size)
{
	struct ring ring = {
	    .gmem = gmem,
	    .desc = {DESC},
	    .avail = {AVAIL},
	    .used = {USED},
	    .size = (uint16_t)(1u << (data[0] & 3)),
	    .event_idx = data[0] & 4,
	    .indirect = data[0] & 8,
	};
	struct iovec iov[PIECES];
	struct ring_chain chain = {.iov = iov, .iov_max = PIECES};
	struct ring_mark mark;
	unsigned n;

	if (ring_start(&ring))
		abort();
	for (n = 0; n < CHAINS; n++) {
		uint8_t how = data[1 + n % (size - 1)];

		mark = ring_mark(&ring);
		ring_kick_off(&ring);
		if (ring_take(&ring, &chain) != 1 && !ring_kick_on(&ring))
			break;
		if (ring.out > ring.size)
			abort();
		if (ring.out == mark.out)
			continue;
		if (how >> 2 == 0x1f) {
			(void)!ring_give(&ring, chain.head, how);
			ring_rewind(&ring, mark);
			continue;
		}
		use_chain(&ring, &chain, b, how);
		(void)ring_wants_interrupt(&ring);
		/* The guest goes on writing meanwhile. */
		if (how & 1)
			(void)!gmem_write(gmem, gpa((uint64_t)how << 1),
					  data + n % size, 1);
	}
	ring_stop(&ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gmem *gmem;
	static struct bounds b;

	if (!gmem &&
	    (gmem_create(&gmem) || gmem_add_ram(gmem, gpa(0), RAM, NULL) ||
	     gmem_for_each(gmem, find_host, &b)))
		abort();
	if (size < 3 || size > RAM / 2)
		return 0;
	memset(b.host, 0, RAM);
	memcpy(b.host, data + 1, size - 1);
	play(gmem, &b, data, size);
	return 0;
}
