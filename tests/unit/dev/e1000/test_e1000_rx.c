/* SPDX-License-Identifier: BSD-2-Clause */
/* The e1000 card's receive side: filters, buffers, checksums, waiting. */
#include "e1000_fixture.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#define ON (E1000_RCTL_EN | E1000_RCTL_SECRC)

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

static void pattern(uint8_t *buf, size_t len, const uint8_t dest[6])
{
	size_t i;

	put_eth(buf, dest, 0x1234);
	for (i = 14; i < len; i++)
		buf[i] = (uint8_t)(i * 5);
}

static void test_plain(void **state)
{
	struct card *c = *state;
	uint8_t frame[100], back[2048];
	struct e1000_rx_desc desc;

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_true(c->fake.line[GSI]);
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.status,
			 E1000_RXD_DD | E1000_RXD_EOP | E1000_RXD_IXSM);
	assert_int_equal(desc.errors, 0);
	assert_int_equal(desc.special, 0);
	assert_int_equal(desc.length, sizeof(frame));
	assert_memory_equal(back, frame, sizeof(frame));
	assert_int_equal(reg_get(c, E1000_RDH), 1);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_RXT0);
	assert_true(rx_none(c));
	assert_int_equal(reg_get(c, E1000_GPRC), 1);
	assert_int_equal(reg_get(c, E1000_GORCL), 104);
	assert_int_equal(reg_get(c, E1000_TORL), 104);
	assert_int_equal(reg_get(c, E1000_PRC64 + 4), 1);
}

/* Short ones are padded; the check sequence has room unless stripped. */
static void test_pad_and_fcs(void **state)
{
	struct card *c = *state;
	uint8_t frame[60], back[2048];

	pattern(frame, 42, mac_own);
	memset(frame + 42, 0, 18);
	assert_true(wire(c, frame, 42));
	assert_int_equal(rx_next(c, back, sizeof(back)).length, 60);
	assert_memory_equal(back, frame, 60);
	reg_put(c, E1000_RCTL, E1000_RCTL_EN);
	assert_true(wire(c, frame, 42));
	assert_int_equal(rx_next(c, back, sizeof(back)).length, 64);
	assert_memory_equal(back, frame, 60);
	/* Less than an Ethernet header is nothing. */
	assert_true(wire(c, frame, 13));
	assert_true(rx_none(c));
}

/* ---- filters ---- */

static bool passes(struct card *c, const uint8_t dest[6], uint8_t *ret_status)
{
	uint8_t frame[60], back[2048];

	pattern(frame, sizeof(frame), dest);
	assert_true(wire(c, frame, sizeof(frame)));
	if (rx_none(c))
		return false;
	*ret_status = rx_next(c, back, sizeof(back)).status;
	rx_refill(c, 1);
	return true;
}

static void test_unicast(void **state)
{
	struct card *c = *state;
	uint8_t status;

	reg_put(c, E1000_RCTL, ON);
	assert_true(passes(c, mac_own, &status));
	assert_false(status & E1000_RXD_PIF);
	assert_false(passes(c, mac_other, &status));
	/* Another of the 16 addresses; only while it is valid. */
	reg_put(c, E1000_RA + 15 * 8, 0x09fc9c58);
	reg_put(c, E1000_RA + 15 * 8 + 4, 0x80000909);
	assert_true(passes(c, mac_other, &status));
	assert_false(status & E1000_RXD_PIF);
	reg_put(c, E1000_RA + 15 * 8 + 4, 0x00000909);
	assert_false(passes(c, mac_other, &status));
	/* By source address (all of put_eth()'s frames). */
	reg_put(c, E1000_RA + 8, 0xaafc9c58);
	reg_put(c, E1000_RA + 12, 0x8001ccbb);
	assert_true(passes(c, mac_other, &status));
	reg_put(c, E1000_RA + 12, 0x8002ccbb);
	assert_false(passes(c, mac_other, &status));
	reg_put(c, E1000_RCTL, ON | E1000_RCTL_UPE);
	assert_true(passes(c, mac_other, &status));
	assert_true(status & E1000_RXD_PIF);
	assert_false(passes(c, mac_all, &status));
}

static void test_broadcast(void **state)
{
	struct card *c = *state;
	uint8_t status;

	reg_put(c, E1000_RCTL, ON);
	assert_false(passes(c, mac_all, &status));
	reg_put(c, E1000_RCTL, ON | E1000_RCTL_BAM);
	assert_true(passes(c, mac_all, &status));
	assert_int_equal(reg_get(c, E1000_BPRC), 1);
}

static void test_multicast(void **state)
{
	static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x01, 0x35, 0xa2};
	/* 0xa235 shifted by 4, 3, 2, 0, twelve bits. */
	static const unsigned bits[] = {0xa23, 0x446, 0x88d, 0x235};
	struct card *c = *state;
	uint8_t status;
	unsigned mo;

	reg_put(c, E1000_RCTL, ON);
	assert_false(passes(c, group, &status));
	reg_put(c, E1000_RCTL, ON | E1000_RCTL_MPE);
	assert_true(passes(c, group, &status));
	assert_true(status & E1000_RXD_PIF);
	for (mo = 0; mo < 4; mo++) {
		uint32_t mta = E1000_MTA + 4 * (bits[mo] >> 5);

		reg_put(c, E1000_RCTL, ON | mo << E1000_RCTL_MO_SHIFT);
		assert_false(passes(c, group, &status));
		reg_put(c, mta, 1u << (bits[mo] & 31));
		assert_true(passes(c, group, &status));
		assert_true(status & E1000_RXD_PIF);
		reg_put(c, mta, ~(1u << (bits[mo] & 31)));
		assert_false(passes(c, group, &status));
		reg_put(c, mta, 0);
	}
	assert_int_equal(reg_get(c, E1000_MPRC), 5);
}

static size_t tagged(uint8_t *frame, uint16_t tag)
{
	pattern(frame, 80, mac_own);
	memmove(frame + 16, frame + 12, 68);
	frame[12] = 0x81;
	frame[13] = 0x00;
	frame[14] = (uint8_t)(tag >> 8);
	frame[15] = (uint8_t)tag;
	return 84;
}

static void test_vlan(void **state)
{
	struct card *c = *state;
	uint8_t frame[84], plain[80], back[2048];
	struct e1000_rx_desc desc;
	size_t len = tagged(frame, 0xa123);

	pattern(plain, 80, mac_own);
	/* As it came. */
	assert_true(wire(c, frame, len));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.length, 84);
	assert_false(desc.status & E1000_RXD_VP);
	/* Without its tag. */
	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	assert_true(wire(c, frame, len));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.length, 80);
	assert_memory_equal(back, plain, 80);
	assert_true(desc.status & E1000_RXD_VP);
	assert_int_equal(desc.special, 0xa123);
	/* Frames without one are let alone. */
	assert_true(wire(c, plain, 80));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.length, 80);
	assert_false(desc.status & E1000_RXD_VP);
	assert_int_equal(desc.special, 0);
	/* Another type of tag. */
	reg_put(c, E1000_VET, 0x88a8);
	assert_true(wire(c, frame, len));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.length, 84);
}

static void test_vlan_filter(void **state)
{
	struct card *c = *state;
	uint8_t frame[84], back[2048];
	size_t len = tagged(frame, 0xa123);

	reg_put(c, E1000_RCTL, ON | E1000_RCTL_VFE);
	assert_true(wire(c, frame, len));
	assert_true(rx_none(c));
	reg_put(c, E1000_VFTA + 4 * (0x123 >> 5), 1u << (0x123 & 31));
	assert_true(wire(c, frame, len));
	(void)rx_next(c, back, sizeof(back));
	/* The CFI bit is 0 here. */
	reg_put(c, E1000_RCTL,
		ON | E1000_RCTL_VFE | E1000_RCTL_CFIEN | E1000_RCTL_CFI);
	assert_true(wire(c, frame, len));
	assert_true(rx_none(c));
	reg_put(c, E1000_RCTL, ON | E1000_RCTL_VFE | E1000_RCTL_CFIEN);
	assert_true(wire(c, frame, len));
	(void)rx_next(c, back, sizeof(back));
	pattern(frame, 80, mac_own);
	assert_true(wire(c, frame, 80));
	(void)rx_next(c, back, sizeof(back));
}

/* ---- sizes ---- */

static void test_long(void **state)
{
	struct card *c = *state;
	uint8_t *frame = malloc(17000), back[16384];
	struct e1000_rx_desc desc;
	unsigned i;

	assert_non_null(frame);
	pattern(frame, 17000, mac_own);
	assert_true(wire(c, frame, 1518));
	assert_int_equal(rx_next(c, back, sizeof(back)).length, 1518);
	assert_true(wire(c, frame, 1519));
	assert_true(rx_none(c));
	assert_int_equal(reg_get(c, E1000_ROC), 1);
	reg_put(c, E1000_RCTL, ON | E1000_RCTL_LPE);
	assert_true(wire(c, frame, 5000));
	for (i = 0; i < 3; i++) {
		desc = rx_next(c, back, sizeof(back));
		assert_int_equal(desc.length, i < 2 ? 2048 : 904);
		assert_int_equal(!!(desc.status & E1000_RXD_EOP), i == 2);
		assert_memory_equal(back, frame + 2048 * i, desc.length);
	}
	assert_true(wire(c, frame, 16289));
	assert_true(rx_none(c));
	/* One buffer of 16 KiB. */
	reg_put(c, E1000_RCTL,
		ON | E1000_RCTL_LPE | E1000_RCTL_BSEX |
		    1u << E1000_RCTL_BSIZE_SHIFT);
	assert_true(wire(c, frame, 16288));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.length, 16288);
	assert_true(desc.status & E1000_RXD_EOP);
	assert_memory_equal(back, frame, 16288);
	free(frame);
}

static void test_buffer_sizes(void **state)
{
	static const struct {
		uint32_t bits, size;
	} sizes[] = {
	    {0, 2048},
	    {1, 1024},
	    {2, 512},
	    {3, 256},
	    {E1000_RCTL_BSEX >> E1000_RCTL_BSIZE_SHIFT, 2048},
	    {E1000_RCTL_BSEX >> E1000_RCTL_BSIZE_SHIFT | 2, 8192},
	    {E1000_RCTL_BSEX >> E1000_RCTL_BSIZE_SHIFT | 3, 4096},
	};
	struct card *c = *state;
	uint8_t frame[1500], back[2048];
	unsigned i, left;

	pattern(frame, sizeof(frame), mac_own);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		reg_put(c, E1000_RCTL,
			ON | sizes[i].bits << E1000_RCTL_BSIZE_SHIFT);
		assert_true(wire(c, frame, sizeof(frame)));
		for (left = 1500; left > 0; rx_refill(c, 1)) {
			unsigned len = rx_next(c, back, sizeof(back)).length;

			assert_int_equal(len, MIN(left, sizes[i].size));
			left -= len;
		}
	}
}

/* ---- checksums ---- */

static void offer(struct card *c, const uint8_t *frame, size_t len,
		  uint8_t want_status, uint8_t want_errors)
{
	struct e1000_rx_desc desc;
	uint8_t back[2048];

	assert_true(wire(c, frame, len));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(
	    desc.status & (E1000_RXD_IXSM | E1000_RXD_IPCS | E1000_RXD_TCPCS),
	    want_status);
	assert_int_equal(desc.errors, want_errors);
	rx_refill(c, 1);
}

#define BOTH (E1000_RXD_IPCS | E1000_RXD_TCPCS)

static void test_checksums(void **state)
{
	struct card *c = *state;
	uint8_t frame[200];
	size_t len;

	put_eth(frame, mac_own, 0x0800);
	len = 14 + put_tcp(frame + 14, true, "hello, odd", 9);
	offer(c, frame, len, E1000_RXD_IXSM, 0);
	reg_put(c, E1000_RXCSUM, E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL);
	offer(c, frame, len, BOTH, 0);
	/* Behind the packet may be padding. */
	memset(frame + len, 0x77, 20);
	offer(c, frame, len + 20, BOTH, 0);
	frame[len - 1] ^= 1;
	offer(c, frame, len, BOTH, E1000_RXD_TCPE);
	frame[len - 1] ^= 1;
	frame[14 + 8] ^= 1; /* time to live */
	offer(c, frame, len, BOTH, E1000_RXD_IPE);
	reg_put(c, E1000_RXCSUM, E1000_RXCSUM_TUOFL);
	offer(c, frame, len, E1000_RXD_TCPCS, 0);
	/* A fragment, another protocol, IPv6: no opinion. */
	frame[14 + 7] = 1;
	offer(c, frame, len, 0, 0);
	frame[14 + 7] = 0;
	frame[14 + 9] = 47;
	offer(c, frame, len, 0, 0);
	put_eth(frame, mac_own, 0x86dd);
	len = 14 + put_tcp(frame + 14, false, "x", 1);
	offer(c, frame, len, 0, 0);
}

static void test_checksums_udp(void **state)
{
	struct card *c = *state;
	uint8_t frame[100];
	size_t len;

	reg_put(c, E1000_RXCSUM, E1000_RXCSUM_TUOFL);
	put_eth(frame, mac_own, 0x0800);
	len = 14 + put_tcp(frame + 14, true, "", 0);
	/* 20 bytes of TCP header become UDP with 12 bytes of data. */
	frame[14 + 9] = 17;
	frame[14 + 20 + 4] = 0;
	frame[14 + 20 + 5] = 20;
	frame[14 + 20 + 6] = frame[14 + 20 + 7] = 0;
	offer(c, frame, len, 0, 0); /* no sum */
	frame[14 + 20 + 7] = 1;
	offer(c, frame, len, E1000_RXD_TCPCS, E1000_RXD_TCPE);
}

/* Lengths that lie: no opinion, and nothing is read beyond the frame. */
static void test_checksums_crooked(void **state)
{
	struct card *c = *state;
	uint8_t frame[64], *p;
	unsigned len;

	reg_put(c, E1000_RXCSUM, E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL);
	for (len = 14; len <= 54; len++) {
		/* Exactly as big, so that a sanitizer sees the next byte. */
		p = malloc(len);
		assert_non_null(p);
		put_eth(frame, mac_own, 0x0800);
		(void)put_tcp(frame + 14, true, "", 0);
		memcpy(p, frame, len);
		offer(c, p, len, len == 54 ? BOTH : 0, 0);
		free(p);
	}
	frame[14] = 0x44;
	offer(c, frame, 54, 0, 0);
	frame[14] = 0x4f; /* header of 60 bytes, packet of 40 */
	offer(c, frame, 54, 0, 0);
	frame[14] = 0x65;
	offer(c, frame, 54, 0, 0);
}

/* What the host's kernel has checked is believed. */
static void test_checksum_known(void **state)
{
	struct card *c = *state;
	uint8_t frame[100], back[2048];
	struct e1000_rx_desc desc;
	size_t len;

	reg_put(c, E1000_RXCSUM, E1000_RXCSUM_TUOFL);
	put_eth(frame, mac_own, 0x0800);
	len = 14 + put_tcp(frame + 14, true, "abc", 3);
	frame[len - 1] ^= 1;
	assert_true(wire_flags(c, frame, len, VIRTIO_NET_HDR_F_DATA_VALID));
	desc = rx_next(c, back, sizeof(back));
	assert_true(desc.status & E1000_RXD_TCPCS);
	assert_int_equal(desc.errors, 0);
	assert_memory_equal(back, frame, len);
	assert_true(wire(c, frame, len));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(desc.errors, E1000_RXD_TCPE);
	/* A header and nothing, or less than a header. */
	assert_true(wire(c, frame, 0));
	assert_true(the_net->to->frame(
	    the_net->ctx, &(struct iovec){frame, NET_HDR_BYTES - 1}, 1));
	assert_true(rx_none(c));
}

static void test_packet_checksum(void **state)
{
	struct card *c = *state;
	uint8_t frame[101], back[2048];
	struct e1000_rx_desc desc;

	pattern(frame, sizeof(frame), mac_own);
	assert_true(wire(c, frame, sizeof(frame)));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(le16toh(desc.checksum),
			 (uint16_t)~slow_sum(frame, sizeof(frame), 0));
	reg_put(c, E1000_RXCSUM, 15);
	assert_true(wire(c, frame, sizeof(frame)));
	desc = rx_next(c, back, sizeof(back));
	assert_int_equal(
	    le16toh(desc.checksum),
	    (uint16_t)~slow_sum(frame + 15, sizeof(frame) - 15, 0));
}

/* Over a tag cut out behind an odd number of bytes. */
static void test_packet_checksum_vlan(void **state)
{
	struct card *c = *state;
	uint8_t frame[84], plain[80], back[2048];
	size_t len = tagged(frame, 7);

	pattern(plain, 80, mac_own);
	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_VME);
	reg_put(c, E1000_RXCSUM, 1);
	assert_true(wire(c, frame, len));
	assert_int_equal(le16toh(rx_next(c, back, sizeof(back)).checksum),
			 (uint16_t)~slow_sum(plain + 1, 79, 0));
}

/* ---- waiting ---- */

static void test_waits(void **state)
{
	struct card *c = *state;
	uint8_t frame[60], back[2048];
	unsigned i;

	pattern(frame, sizeof(frame), mac_own);
	for (i = 0; i < RINGS - 1; i++)
		assert_true(wire(c, frame, sizeof(frame)));
	assert_false(wire(c, frame, sizeof(frame)));
	assert_false(wire(c, frame, sizeof(frame)));
	assert_int_equal(reg_get(c, E1000_RNBC), 1);
	/* Frames nobody wants need no room. */
	memcpy(frame, mac_other, 6);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_int_equal(the_net->resumes, 0);
	for (i = 0; i < RINGS - 1; i++)
		(void)rx_next(c, back, sizeof(back));
	rx_refill(c, 1);
	assert_int_equal(the_net->resumes, 1);
	memcpy(frame, mac_own, 6);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_false(wire(c, frame, sizeof(frame)));
	rx_refill(c, 0); /* still none */
	assert_int_equal(the_net->resumes, 1);
	/* Without a reason to, the back end is not woken. */
	rx_refill(c, 3);
	rx_refill(c, 3);
	assert_int_equal(the_net->resumes, 2);
}

/* Half of a long frame's buffers are not enough: none is used. */
static void test_waits_for_all(void **state)
{
	struct card *c = *state;
	uint8_t frame[5000], back[2048];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_RCTL, ON | E1000_RCTL_LPE);
	reg_put(c, E1000_RDT, 2);
	assert_false(wire(c, frame, sizeof(frame)));
	assert_int_equal(reg_get(c, E1000_RDH), 0);
	reg_put(c, E1000_RDT, 3);
	assert_int_equal(the_net->resumes, 1);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_int_equal(reg_get(c, E1000_RDH), 3);
	(void)rx_next(c, back, sizeof(back));
	/* A frame that needs the whole ring never fits: dropped. */
	reg_put(c, E1000_RDLEN, 8 * 16);
	reg_put(c, E1000_RCTL,
		ON | E1000_RCTL_LPE | 3u << E1000_RCTL_BSIZE_SHIFT);
	reg_put(c, E1000_RDT, 2);
	assert_true(wire(c, frame, 2000));
	assert_int_equal(reg_get(c, E1000_RDH), 3);
}

static void test_threshold(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];
	unsigned i;

	pattern(frame, sizeof(frame), mac_own);
	/* A quarter of 16: the interrupt comes when 4 are left. */
	reg_put(c, E1000_RCTL, ON | 1u << E1000_RCTL_RDMTS_SHIFT);
	for (i = 15; i > 0; i--) {
		assert_true(wire(c, frame, sizeof(frame)));
		assert_int_equal(reg_get(c, E1000_ICR),
				 E1000_ICR_RXT0 |
				     (i == 5 ? E1000_ICR_RXDMT0 : 0));
	}
}

static void test_delay(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	reg_put(c, E1000_RDTR, 10);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_false(c->fake.line[GSI]);
	fake_advance(&c->fake, 10 * 1024 - 1);
	assert_false(c->fake.line[GSI]);
	fake_advance(&c->fake, 1);
	assert_true(c->fake.line[GSI]);
	reg_get(c, E1000_ICR);
	/* The driver may ask for it. */
	assert_true(wire(c, frame, sizeof(frame)));
	reg_put(c, E1000_RDTR, 10 | E1000_RDTR_FPD);
	assert_true(c->fake.line[GSI]);
	reg_get(c, E1000_ICR);
	/* Small frames have a cause of their own. */
	reg_put(c, E1000_RSRPD, 60);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_true(reg_get(c, E1000_ICR) & E1000_ICR_SRPD);
}

/* ---- turns ---- */

/* Frames are there at once, the interrupt comes when the turn ends. */
static void test_turn(void **state)
{
	struct card *c = *state;
	uint8_t frame[60], back[2048];
	unsigned i;

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0 | E1000_ICR_RXDMT0);
	for (i = 0; i < 9; i++) { /* half are used up on the way */
		assert_true(wire_on(c, frame, sizeof(frame)));
		(void)rx_next(c, back, sizeof(back));
	}
	assert_int_equal(c->fake.rises[GSI], 0);
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 1);
	assert_int_equal(reg_get(c, E1000_ICR),
			 E1000_ICR_RXT0 | E1000_ICR_RXDMT0);
	assert_false(c->fake.line[GSI]);
	assert_true(wire_on(c, frame, sizeof(frame)));
	assert_false(c->fake.line[GSI]);
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 2);
	reg_get(c, E1000_ICR);
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 2);
}

/* The guest masks, looks, and unmasks meanwhile. */
static void test_turn_masked(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	assert_true(wire_on(c, frame, sizeof(frame)));
	reg_put(c, E1000_IMC, UINT32_MAX);
	turn_end(c);
	assert_false(c->fake.line[GSI]);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	assert_true(c->fake.line[GSI]);
	reg_get(c, E1000_ICR);
	assert_false(c->fake.line[GSI]);
	/* Found in the handler: no interrupt for it. */
	assert_true(wire_on(c, frame, sizeof(frame)));
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_RXT0);
	turn_end(c);
	assert_false(c->fake.line[GSI]);
	/* But for one that comes after the look. */
	assert_true(wire_on(c, frame, sizeof(frame)));
	reg_get(c, E1000_ICR);
	assert_true(wire_on(c, frame, sizeof(frame)));
	turn_end(c);
	assert_true(c->fake.line[GSI]);
	assert_int_equal(c->fake.rises[GSI], 2);
	/* Unmasking in the middle of a turn does not wait for its end. */
	reg_get(c, E1000_ICR);
	reg_put(c, E1000_IMC, UINT32_MAX);
	assert_true(wire_on(c, frame, sizeof(frame)));
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	assert_true(c->fake.line[GSI]);
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 3);
}

static void test_turn_full(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];
	unsigned i;

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	for (i = 0; i < RINGS - 1; i++)
		assert_true(wire_on(c, frame, sizeof(frame)));
	assert_false(wire_on(c, frame, sizeof(frame)));
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 1);
}

static void test_turn_reset(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	assert_true(wire_on(c, frame, sizeof(frame)));
	card_up(c);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 0);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_int_equal(c->fake.rises[GSI], 1);
	/* Switched off: what came in before is still told of. */
	reg_get(c, E1000_ICR);
	assert_true(wire_on(c, frame, sizeof(frame)));
	reg_put(c, E1000_RCTL, 0);
	turn_end(c);
	assert_int_equal(c->fake.rises[GSI], 2);
}

/* ITR holds turns apart; the first after a silence is not put off. */
static void test_turn_throttled(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_IMS, E1000_ICR_RXT0);
	reg_put(c, E1000_ITR, 100);
	fake_advance(&c->fake, NS_PER_MS);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_int_equal(c->fake.rises[GSI], 1);
	reg_get(c, E1000_ICR);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_true(wire(c, frame, sizeof(frame)));
	fake_advance(&c->fake, 100 * 256 - 1);
	assert_int_equal(c->fake.rises[GSI], 1);
	fake_advance(&c->fake, 1);
	assert_int_equal(c->fake.rises[GSI], 2);
	reg_get(c, E1000_ICR);
	/* Another interval counts from the same rise. */
	assert_true(wire(c, frame, sizeof(frame)));
	reg_put(c, E1000_ITR, 50);
	assert_int_equal(c->fake.rises[GSI], 2);
	fake_advance(&c->fake, 50 * 256);
	assert_int_equal(c->fake.rises[GSI], 3);
	reg_get(c, E1000_ICR);
	fake_advance(&c->fake, 50 * 256);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_int_equal(c->fake.rises[GSI], 4);
}

/* ---- off, and nonsense ---- */

static void test_off(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];

	pattern(frame, sizeof(frame), mac_own);
	fake_cfg_write(&c->fake, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(the_net->enabled);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_true(rx_none(c));
	fake_cfg_write(&c->fake, ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(the_net->enabled);
	reg_put(c, E1000_RCTL, 0);
	assert_false(the_net->enabled);
	assert_true(wire(c, frame, sizeof(frame)));
	assert_true(rx_none(c));
}

/* A frame that waited is forgotten by a reset. */
static void test_reset_while_waiting(void **state)
{
	struct card *c = *state;
	uint8_t frame[60], back[2048];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_RDT, 0);
	assert_false(wire(c, frame, sizeof(frame)));
	card_up(c);
	assert_int_equal(the_net->resumes, 0);
	assert_true(the_net->enabled);
	assert_true(wire(c, frame, sizeof(frame)));
	(void)rx_next(c, back, sizeof(back));
}

static void test_bad_ring(void **state)
{
	struct card *c = *state;
	uint8_t frame[60], back[2048];

	pattern(frame, sizeof(frame), mac_own);
	reg_put(c, E1000_RDT, 0xffff);
	assert_false(wire(c, frame, sizeof(frame)));
	reg_put(c, E1000_RDT, RINGS);
	assert_false(wire(c, frame, sizeof(frame)));
	reg_put(c, E1000_RDLEN, 0);
	reg_put(c, E1000_RDT, 0);
	assert_false(wire(c, frame, sizeof(frame)));
	/* Outside memory: lost, but not for ever. */
	reg_put(c, E1000_RDLEN, RINGS * 16);
	reg_put(c, E1000_RDT, 8);
	reg_put(c, E1000_RDBAL, RAM);
	assert_true(wire(c, frame, sizeof(frame)));
	reg_put(c, E1000_RDBAH, UINT32_MAX);
	reg_put(c, E1000_RDBAL, 0xfffffff0);
	assert_true(wire(c, frame, sizeof(frame)));
	reg_put(c, E1000_RDBAH, 0);
	reg_put(c, E1000_RDBAL, RX_RING);
	c->rx_next = reg_get(c, E1000_RDH);
	assert_true(wire(c, frame, sizeof(frame)));
	(void)rx_next(c, back, sizeof(back));
}

static void test_bad_buffer(void **state)
{
	struct card *c = *state;
	struct e1000_rx_desc desc = {.addr = htole64(RAM - 30)};
	uint8_t frame[60];

	pattern(frame, sizeof(frame), mac_own);
	mem_put(c, RX_RING, &desc, sizeof(desc));
	assert_true(wire(c, frame, sizeof(frame)));
	mem_get(c, RX_RING, &desc, sizeof(desc));
	assert_true(desc.status & E1000_RXD_EOP);
	assert_int_equal(desc.errors, E1000_RXD_RXE);
}

static void test_pieces(void **state)
{
	struct card *c = *state;
	uint8_t frame[90], back[2048];
	struct iovec iov[3] = {{frame, 5}, {frame + 5, 60}, {frame + 65, 25}};
	static uint8_t huge[70000];
	struct iovec too_long[2] = {{huge, 60000}, {huge, 10000}};

	pattern(frame, sizeof(frame), mac_own);
	assert_true(the_net->to->frame(the_net->ctx, iov, 3));
	assert_int_equal(rx_next(c, back, sizeof(back)).length, 90);
	assert_memory_equal(back, frame, sizeof(frame));
	assert_true(the_net->to->frame(the_net->ctx, too_long, 2));
	assert_true(rx_none(c));
}

#define T(f)   cmocka_unit_test_setup_teardown(f, setup, card_teardown)
#define TAP(f) cmocka_unit_test_setup_teardown(f, setup_tap, card_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_plain),
	    T(test_pad_and_fcs),
	    T(test_unicast),
	    T(test_broadcast),
	    T(test_multicast),
	    T(test_vlan),
	    T(test_vlan_filter),
	    T(test_long),
	    T(test_buffer_sizes),
	    T(test_checksums),
	    T(test_checksums_udp),
	    T(test_checksums_crooked),
	    TAP(test_checksum_known),
	    T(test_packet_checksum),
	    T(test_packet_checksum_vlan),
	    T(test_waits),
	    T(test_waits_for_all),
	    T(test_threshold),
	    T(test_delay),
	    T(test_turn),
	    T(test_turn_masked),
	    T(test_turn_full),
	    T(test_turn_reset),
	    T(test_turn_throttled),
	    T(test_off),
	    T(test_reset_while_waiting),
	    T(test_bad_ring),
	    T(test_bad_buffer),
	    T(test_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
