/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums, segmentation and tags of frames the e1000 card sends. */
#include "e1000_fixture.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#define DATA_CMD                      \
	(1u << E1000_TXD_DTYP_SHIFT | \
	 CMD(E1000_TXD_DEXT | E1000_TXD_IFCS | E1000_TXD_RS))
#define POPTS(x) ((uint32_t)(x) << E1000_TXD_POPTS_SHIFT)

static int setup(void **state)
{
	*state = card_build("backend=slirp");
	card_up(*state);
	return 0;
}

static int setup_tap(void **state)
{
	*state = card_build("backend=tap0");
	card_up(*state);
	return 0;
}

/* An Ethernet frame with TCP and what the card is told of it. */
struct packet {
	uint8_t data[14 + 60 + 65536];
	size_t len;
	unsigned ip, l4, head; /* offsets, and bytes of all headers */
	bool v4;
};

static struct packet *packet_make(bool v4, size_t payload)
{
	struct packet *p = calloc(1, sizeof(*p));
	uint8_t *bytes = malloc(payload + 1);
	size_t i;

	assert_non_null(p);
	assert_non_null(bytes);
	for (i = 0; i < payload; i++)
		bytes[i] = (uint8_t)(i * 11 + i / 256);
	put_eth(p->data, mac_other, v4 ? 0x0800 : 0x86dd);
	p->ip = 14;
	p->l4 = v4 ? 34 : 54;
	p->head = p->l4 + 20;
	p->len = 14 + put_tcp(p->data + 14, v4, bytes, payload);
	p->v4 = v4;
	free(bytes);
	return p;
}

/* Replaces the right sums by what a driver leaves there. */
static void packet_unsum(struct packet *p, uint32_t l4_len)
{
	uint8_t *ip = p->data + p->ip, *field = p->data + p->l4 + 16;
	uint16_t seed = p->v4 ? slow_sum(ip + 12, 8, 6 + l4_len)
			      : slow_sum(ip + 8, 32, 6 + l4_len);

	if (p->v4)
		ip[10] = ip[11] = 0;
	field[0] = (uint8_t)(seed >> 8);
	field[1] = (uint8_t)seed;
}

static void context(struct card *c, const struct packet *p, unsigned cmd,
		    unsigned mss)
{
	struct e1000_ctx_desc ctx = {
	    .ipcss = (uint8_t)p->ip,
	    .ipcso = (uint8_t)(p->ip + 10),
	    .ipcse = htole16((uint16_t)(p->l4 - 1)),
	    .tucss = (uint8_t)p->l4,
	    .tucso = (uint8_t)(p->l4 + 16),
	    .lower = htole32(((uint32_t)(p->len - p->head) & 0xfffff) |
			     CMD(E1000_TXD_DEXT | E1000_TXD_RS | cmd |
				 (p->v4 ? E1000_TXD_TUCMD_IPV4 : 0u))),
	    .hdrlen = (uint8_t)p->head,
	    .mss = htole16((uint16_t)mss),
	};

	mem_put(c, TX_RING + 16 * c->tx_next, &ctx, sizeof(ctx));
	c->tx_next = (c->tx_next + 1) % RINGS;
}

/* In three odd pieces; `last` more command bits and POPTS for all. */
static void data(struct card *c, const struct packet *p, unsigned cmd,
		 unsigned popts)
{
	uint32_t lower = DATA_CMD | CMD(cmd);

	mem_put(c, TX_BUF, p->data, p->len);
	tx_desc(c, TX_BUF, lower | 17, POPTS(popts));
	tx_desc(c, TX_BUF + 17, lower | 34, 0);
	tx_desc(c, TX_BUF + 51,
		lower | CMD(E1000_TXD_EOP) | (uint32_t)(p->len - 51), 0);
	tx_go(c);
}

static const struct virtio_net_hdr_v1 *header(unsigned n)
{
	assert_true(the_net->headers && n < the_net->sent);
	return (const void *)the_net->frame[n].data;
}

/* ---- checksums ---- */

static void sums_software(struct card *c, bool v4, size_t payload)
{
	struct packet *p = packet_make(v4, payload);
	unsigned n = the_net->sent;
	const uint8_t *have;
	size_t len;

	packet_unsum(p, (uint32_t)(20 + payload));
	context(c, p, E1000_TXD_TUCMD_TCP, 0);
	data(c, p, 0, E1000_TXD_TXSM | (v4 ? E1000_TXD_IXSM : 0));
	have = sent(n, &len);
	assert_int_equal(len, p->len);
	assert_true(l4_right(have + 14, len - 14));
	assert_memory_equal(have + p->head, p->data + p->head, len - p->head);
	/* The guest's own bytes are left alone. */
	assert_int_equal(tx_status(c, (c->tx_next + RINGS - 1) % RINGS),
			 E1000_TXD_DD);
	free(p);
}

static void test_sums(void **state)
{
	struct card *c = *state;

	sums_software(c, true, 100);
	sums_software(c, true, 101);
	sums_software(c, true, 1);
	sums_software(c, true, 1459);
	sums_software(c, false, 333);
	sums_software(c, false, 1440);
	sums_software(c, true, 9000);
}

/* A back end with headers does TCP's; the IP header's is done here. */
static void test_sums_tap(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 500);
	const struct virtio_net_hdr_v1 *h;
	const uint8_t *have;
	size_t len;

	packet_unsum(p, 520);
	context(c, p, E1000_TXD_TUCMD_TCP, 0);
	data(c, p, 0, E1000_TXD_TXSM);
	h = header(0);
	assert_int_equal(h->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h->gso_type, 0);
	assert_int_equal(le16toh(h->csum_start), 34);
	assert_int_equal(le16toh(h->csum_offset), 16);
	have = sent(0, &len);
	assert_int_equal(len, p->len);
	assert_memory_equal(have, p->data, len);
	/* And with the IP sum. */
	data(c, p, 0, E1000_TXD_TXSM | E1000_TXD_IXSM);
	assert_int_equal(header(1)->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	have = sent(1, &len);
	assert_int_equal(slow_sum(have + 14, 20, 0), 0xffff);
	assert_memory_equal(have + 34, p->data + 34, len - 34);
	/* IP alone, to the end of the frame: nothing is left to the host. */
	context(c, p, 0, 0);
	data(c, p, 0, E1000_TXD_IXSM);
	assert_int_equal(header(2)->flags, 0);
	free(p);
}

/* A sum over a part of the frame is nothing the host knows. */
static void test_sums_partial(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 100);
	struct e1000_ctx_desc ctx = {
	    .tucss = 34,
	    .tucso = 50,
	    .tucse = htole16(60),
	    .lower = htole32(CMD(E1000_TXD_DEXT)),
	};
	const uint8_t *have;
	size_t len;

	mem_put(c, TX_RING, &ctx, sizeof(ctx));
	c->tx_next = 1;
	p->data[50] = p->data[51] = 0;
	data(c, p, 0, E1000_TXD_TXSM);
	assert_int_equal(header(0)->flags, 0);
	have = sent(0, &len);
	assert_int_equal(slow_sum(have + 34, 27, 0), 0xffff);
	free(p);
}

/* Legacy descriptors have an offset and a start of their own. */
static void test_sum_legacy(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 77);
	const uint8_t *have;
	size_t len;

	packet_unsum(p, 97);
	mem_put(c, TX_BUF, p->data, p->len);
	tx_desc(c, TX_BUF,
		(uint32_t)p->len | 50u << E1000_TXD_CSO_SHIFT |
		    CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_IC),
		34u << E1000_TXD_CSS_SHIFT);
	tx_go(c);
	have = sent(0, &len);
	assert_int_equal(
	    slow_sum(have + 34, 97, slow_sum(have + 26, 8, 6 + 97)), 0xffff);
	free(p);
}

/* A sum of 0 is sent as its other form: UDP takes 0 for "none". */
static void test_sum_zero(void **state)
{
	struct card *c = *state;
	uint8_t frame[60] = {0};
	const uint8_t *have;
	size_t len;

	put_eth(frame, mac_other, 0x0800);
	frame[34] = frame[35] = 0xff;
	mem_put(c, TX_BUF, frame, sizeof(frame));
	tx_desc(c, TX_BUF,
		60 | 40u << E1000_TXD_CSO_SHIFT |
		    CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_IC),
		34u << E1000_TXD_CSS_SHIFT);
	tx_go(c);
	have = sent(0, &len);
	assert_int_equal(have[40], 0xff);
	assert_int_equal(have[41], 0xff);
}

/* Offsets that point out of the frame: it goes as it is. */
static void test_sum_outside(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 0);
	struct e1000_ctx_desc ctx = {
	    .ipcss = 200,
	    .ipcso = 14,
	    .ipcse = htole16(100),
	    .tucss = 20,
	    .tucso = 53,
	    .tucse = htole16(10),
	    .lower = htole32(CMD(E1000_TXD_DEXT)),
	};
	const uint8_t *have;
	size_t len;

	mem_put(c, TX_RING, &ctx, sizeof(ctx));
	c->tx_next = 1;
	data(c, p, 0, E1000_TXD_IXSM | E1000_TXD_TXSM);
	have = sent(0, &len);
	assert_int_equal(len, p->len);
	assert_memory_equal(have, p->data, len);
	free(p);
}

/* ---- tags ---- */

static void test_tag(void **state)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0x60, 0x05};
	struct card *c = *state;
	uint8_t frame[400], want[404];
	const uint8_t *have;
	size_t len, i;

	put_eth(frame, mac_other, 0x1234);
	for (i = 14; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	memcpy(want, frame, 12);
	memcpy(want + 12, tag, 4);
	memcpy(want + 16, frame + 12, sizeof(frame) - 12);
	mem_put(c, TX_BUF, frame, sizeof(frame));
	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	tx_desc(c, TX_BUF,
		400 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_VLE),
		0x60050000);
	tx_go(c);
	have = sent(0, &len);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(have, want, len);
	/* Not without CTRL.VME. */
	reg_put(c, E1000_CTRL, E1000_CTRL_SLU);
	tx_desc(c, TX_BUF,
		400 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_VLE),
		0x60050000);
	tx_go(c);
	have = sent(1, &len);
	assert_int_equal(len, sizeof(frame));
	assert_memory_equal(have, frame, len);
}

static void test_tag_and_sum_tap(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 10);
	const uint8_t *have;
	size_t len;

	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	packet_unsum(p, 30);
	context(c, p, E1000_TXD_TUCMD_TCP, 0);
	mem_put(c, TX_BUF, p->data, p->len);
	tx_desc(c, TX_BUF,
		DATA_CMD | CMD(E1000_TXD_EOP | E1000_TXD_VLE) |
		    (uint32_t)p->len,
		POPTS(E1000_TXD_TXSM) | 0x00070000);
	tx_go(c);
	assert_int_equal(le16toh(header(0)->csum_start), 38);
	have = sent(0, &len);
	assert_int_equal(len, p->len + 4);
	assert_int_equal(have[15], 7);
	assert_memory_equal(have + 16, p->data + 12, p->len - 12);
	free(p);
}

/* ---- segmentation ---- */

static uint32_t sequence(const struct packet *p, const uint8_t *frame)
{
	const uint8_t *t = frame + p->l4 + 4;

	return (uint32_t)t[0] << 24 | (uint32_t)t[1] << 16 |
	       (uint32_t)t[2] << 8 | t[3];
}

/* All segments of packet p from the n-th frame sent on, TCP. */
static void check_segments(const struct packet *p, unsigned n, size_t mss)
{
	size_t at = 0, payload = p->len - p->head, len;
	unsigned i;

	for (i = 0; at < payload; i++) {
		const uint8_t *have = sent(n + i, &len);
		size_t want = MIN(mss, payload - at);
		bool last = at + want == payload;

		assert_int_equal(len, p->head + want);
		assert_true(l4_right(have + 14, len - 14));
		assert_memory_equal(have + p->head, p->data + p->head + at,
				    want);
		assert_int_equal(sequence(p, have), 0x0001ff00 + at);
		assert_int_equal(have[p->l4 + 13], last ? 0x19 : 0x10);
		if (p->v4)
			assert_int_equal(have[18] << 8 | have[19], 0x1234 + i);
		at += want;
	}
	assert_int_equal(the_net->sent, n + i);
}

static void segment(struct card *c, bool v4, size_t payload, unsigned mss)
{
	struct packet *p = packet_make(v4, payload);
	unsigned n = the_net->sent;

	packet_unsum(p, 0);
	/* The driver leaves lengths to the card. */
	p->data[v4 ? 16 : 18] = p->data[v4 ? 17 : 19] = 0;
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, mss);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM | (v4 ? E1000_TXD_IXSM : 0));
	check_segments(p, n, mss);
	free(p);
}

static void test_segments(void **state)
{
	struct card *c = *state;

	segment(c, true, 1460 * 3, 1460);
	segment(c, true, 1460 * 3 + 1, 1460);
	segment(c, true, 5000, 999);
	segment(c, true, 100, 1460);
	segment(c, false, 64000, 1440);
	segment(c, true, 65495, 9000);
	segment(c, true, 600, 1);
	assert_int_equal(reg_get(c, E1000_TSCTC), 7);
}

static void test_segments_tap(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 60001);
	const struct virtio_net_hdr_v1 *h;
	const uint8_t *have;
	size_t len;

	packet_unsum(p, 0);
	p->data[16] = p->data[17] = 0;
	p->data[p->l4 + 13] |= 0x80; /* CWR */
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 1460);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM | E1000_TXD_IXSM);
	assert_int_equal(the_net->sent, 1);
	h = header(0);
	assert_int_equal(h->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h->gso_type,
			 VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	assert_int_equal(le16toh(h->gso_size), 1460);
	assert_int_equal(le16toh(h->hdr_len), 54);
	assert_int_equal(le16toh(h->csum_start), 34);
	assert_int_equal(le16toh(h->csum_offset), 16);
	have = sent(0, &len);
	assert_int_equal(len, p->len);
	/* Length, IP sum, and the length in TCP's start value. */
	assert_int_equal(have[16] << 8 | have[17], p->len - 14);
	assert_int_equal(slow_sum(have + 14, 20, 0), 0xffff);
	assert_int_equal(have[50] << 8 | have[51],
			 slow_sum(have + 26, 8, 6 + 60021));
	assert_memory_equal(have + 54, p->data + 54, len - 54);
	assert_int_equal(have[p->l4 + 13], 0x99);
	assert_int_equal(reg_get(c, E1000_GPTC), 42);
	free(p);
}

static void test_segments_tap_v6(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(false, 3000);
	const uint8_t *have;
	size_t len;

	packet_unsum(p, 0);
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 1440);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM);
	assert_int_equal(header(0)->gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
	have = sent(0, &len);
	assert_int_equal(have[18] << 8 | have[19], 3020);
	/* What fits into one is not segmented. */
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 3000);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM);
	assert_int_equal(header(1)->gso_type, 0);
	assert_int_equal(header(1)->gso_size, 0);
	assert_int_equal(header(1)->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	free(p);
}

/* UDP: each segment a datagram of its own. */
static void test_segments_udp(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 2500);
	uint8_t *udp = p->data + 34;
	struct e1000_ctx_desc ctx;
	const uint8_t *have;
	uint16_t seed;
	unsigned i;
	size_t len;

	p->data[23] = 17;
	packet_unsum(p, 0);
	seed = slow_sum(p->data + 26, 8, 17);
	udp[4] = udp[5] = 0;
	udp[6] = (uint8_t)(seed >> 8);
	udp[7] = (uint8_t)seed;
	p->head = 42;
	context(c, p, E1000_TXD_TSE, 1000);
	mem_get(c, TX_RING, &ctx, sizeof(ctx));
	ctx.tucso = 40;
	mem_put(c, TX_RING, &ctx, sizeof(ctx));
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM | E1000_TXD_IXSM);
	assert_int_equal(the_net->sent, 3);
	for (i = 0; i < 3; i++) {
		have = sent(i, &len);
		assert_int_equal(len, i < 2 ? 1042 : 42 + 512);
		assert_true(l4_right(have + 14, len - 14));
	}
	free(p);
}

static void test_segments_tagged(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 2000);
	const uint8_t *have;
	size_t len;
	unsigned i;

	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	packet_unsum(p, 0);
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 1000);
	mem_put(c, TX_BUF, p->data, p->len);
	/* With TSE the tag is the first descriptor's. */
	tx_desc(c, TX_BUF, DATA_CMD | CMD(E1000_TXD_TSE | E1000_TXD_VLE) | 54,
		POPTS(E1000_TXD_TXSM | E1000_TXD_IXSM) | 0x00090000);
	tx_desc(c, TX_BUF + 54,
		DATA_CMD | CMD(E1000_TXD_TSE | E1000_TXD_EOP) | 2000, 0);
	tx_go(c);
	assert_int_equal(the_net->sent, 2);
	for (i = 0; i < 2; i++) {
		have = sent(i, &len);
		assert_int_equal(len, 4 + 54 + 1000);
		assert_int_equal(have[15], 9);
		assert_true(l4_right(have + 18, len - 18));
	}
	free(p);
}

/* Contexts that make no sense: the frame is lost, its descriptors are done. */
static void test_segments_crooked(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 2000);
	static const struct {
		unsigned head, ip, l4, mss;
	} bad[] = {
	    {54, 14, 34, 0},	/* segments of nothing */
	    {0, 14, 34, 1000},	/* no header */
	    {53, 14, 34, 1000}, /* cut TCP header */
	    {54, 14, 35, 1000}, {54, 13, 34, 1000},    {54, 15, 34, 1000},
	    {54, 14, 33, 1000}, {255, 240, 250, 1000},
	};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		p->head = bad[i].head;
		p->ip = bad[i].ip;
		p->l4 = bad[i].l4;
		context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, bad[i].mss);
		data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM | E1000_TXD_IXSM);
		assert_int_equal(the_net->sent, 0);
		assert_int_equal(tx_status(c, (c->tx_next + RINGS - 1) % RINGS),
				 E1000_TXD_DD);
	}
	/* Header of the whole frame: no payload. */
	p->head = 255;
	p->len = 255;
	p->ip = 14;
	p->l4 = 34;
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 1000);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM);
	p->len = 200;
	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 1000);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM);
	assert_int_equal(the_net->sent, 0);
	free(p);
}

/* A segment a byte: more than one kick may cost. */
static void test_segments_too_many(void **state)
{
	struct card *c = *state;
	struct packet *p = packet_make(true, 1025);

	context(c, p, E1000_TXD_TSE | E1000_TXD_TUCMD_TCP, 1);
	data(c, p, E1000_TXD_TSE, E1000_TXD_TXSM);
	assert_int_equal(the_net->sent, 0);
	assert_int_equal(reg_get(c, E1000_TDH), c->tx_next);
	free(p);
}

/* ---- loopback ---- */

static void loop(struct card *c)
{
	struct packet *p = packet_make(true, 600);
	uint8_t back[2048];
	struct e1000_rx_desc desc;

	memcpy(p->data, mac_own, 6);
	packet_unsum(p, 620);
	context(c, p, E1000_TXD_TUCMD_TCP, 0);
	data(c, p, 0, E1000_TXD_TXSM | E1000_TXD_IXSM);
	assert_int_equal(the_net->sent, 0);
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.length, p->len);
	assert_true(l4_right(back + 14, p->len - 14));
	/* The wire is cut. */
	assert_true(wire(c, p->data, p->len));
	assert_true(rx_none(c));
	free(p);
}

static void test_loopback(void **state)
{
	struct card *c = *state;

	reg_put(c, E1000_MDIC,
		E1000_MDIC_OP_WRITE | 1u << E1000_MDIC_PHY_SHIFT | 0x4140);
	loop(c);
}

static void test_loopback_mac(void **state)
{
	struct card *c = *state;
	uint8_t frame[60] = {0};
	unsigned i;

	reg_put(c, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_SECRC | 1u << 6);
	loop(c);
	put_eth(frame, mac_own, 0x1234);
	/* No room: lost, and nobody waits. */
	reg_put(c, E1000_RDT, reg_get(c, E1000_RDH));
	for (i = 0; i < 3; i++)
		tx_plain(c, frame, sizeof(frame));
	rx_refill(c, 1);
	assert_int_equal(the_net->resumes, 0);
}

#define T(f)   cmocka_unit_test_setup_teardown(f, setup, card_teardown)
#define TAP(f) cmocka_unit_test_setup_teardown(f, setup_tap, card_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_sums),
	    TAP(test_sums_tap),
	    TAP(test_sums_partial),
	    T(test_sum_legacy),
	    T(test_sum_zero),
	    T(test_sum_outside),
	    T(test_tag),
	    TAP(test_tag_and_sum_tap),
	    T(test_segments),
	    TAP(test_segments_tap),
	    TAP(test_segments_tap_v6),
	    T(test_segments_udp),
	    T(test_segments_tagged),
	    T(test_segments_crooked),
	    TAP(test_segments_crooked),
	    T(test_segments_too_many),
	    T(test_loopback),
	    TAP(test_loopback_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
