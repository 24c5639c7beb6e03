/* SPDX-License-Identifier: BSD-2-Clause */
/* The e1000 card's transmit ring: descriptors, write-back, interrupts. */
#include "e1000_fixture.h"

#include <endian.h>
#include <string.h>

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

static void pattern(uint8_t *buf, size_t len)
{
	size_t i;

	put_eth(buf, mac_other, 0x1234);
	for (i = 14; i < len; i++)
		buf[i] = (uint8_t)(i * 7);
}

static void same(unsigned n, const void *want, size_t want_len)
{
	size_t len;
	const uint8_t *have = sent(n, &len);

	assert_int_equal(len, want_len);
	assert_memory_equal(have, want, len);
}

static void test_plain(void **state)
{
	struct card *c = *state;
	uint8_t frame[100];

	pattern(frame, sizeof(frame));
	reg_put(c, E1000_IMS, E1000_ICR_TXDW);
	tx_plain(c, frame, sizeof(frame));
	assert_int_equal(the_net->sent, 1);
	same(0, frame, sizeof(frame));
	assert_int_equal(tx_status(c, 0), E1000_TXD_DD);
	assert_int_equal(reg_get(c, E1000_TDH), 1);
	assert_true(c->fake.line[GSI]);
	assert_int_equal(reg_get(c, E1000_ICR),
			 E1000_ICR_TXDW | E1000_ICR_TXQE);
	assert_false(c->fake.line[GSI]);
}

/* With headers in front, an empty one. */
static void test_plain_tap(void **state)
{
	static const uint8_t empty[NET_HDR_BYTES];
	struct card *c = *state;
	uint8_t frame[100];

	pattern(frame, sizeof(frame));
	tx_plain(c, frame, sizeof(frame));
	same(0, frame, sizeof(frame));
	assert_memory_equal(the_net->frame[0].data, empty, sizeof(empty));
}

static void check_not_done(void *arg)
{
	struct card *c = arg;

	/* The back end still reads the buffers. */
	assert_int_equal(tx_status(c, 0), 0);
	assert_int_equal(tx_status(c, 1), 0);
}

/* A frame over several descriptors; only those with RS are written back. */
static void test_pieces(void **state)
{
	struct card *c = *state;
	uint32_t upper = 0xabcd0000;
	uint8_t frame[3000];

	pattern(frame, sizeof(frame));
	mem_put(c, TX_BUF, frame, sizeof(frame));
	the_net->on_send = check_not_done;
	the_net->arg = c;
	tx_desc(c, TX_BUF, 1 | CMD(E1000_TXD_RS), upper);
	tx_desc(c, 0, 500, 0);	      /* null address: nothing */
	tx_desc(c, TX_BUF + 1, 0, 0); /* no length: nothing */
	tx_desc(c, TX_BUF + 1, 1999, 0);
	tx_desc(c, TX_BUF + 2000,
		1000 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS), 0);
	tx_go(c);
	same(0, frame, sizeof(frame));
	assert_int_equal(tx_status(c, 0), E1000_TXD_DD);
	assert_int_equal(tx_status(c, 1), 0);
	assert_int_equal(tx_status(c, 3), 0);
	assert_int_equal(tx_status(c, 4), E1000_TXD_DD);
	/* The rest of the word is the driver's. */
	mem_get(c, TX_RING + 12, &upper, 4);
	assert_int_equal(le32toh(upper), 0xabcd0001);
}

/* A frame that comes in two kicks; nothing is done before its end. */
static void test_two_kicks(void **state)
{
	struct card *c = *state;
	uint8_t frame[80];

	pattern(frame, sizeof(frame));
	mem_put(c, TX_BUF, frame, sizeof(frame));
	tx_desc(c, TX_BUF, 40 | CMD(E1000_TXD_RS), 0);
	tx_go(c);
	assert_int_equal(the_net->sent, 0);
	assert_int_equal(reg_get(c, E1000_TDH), 0);
	assert_int_equal(tx_status(c, 0), 0);
	tx_desc(c, TX_BUF + 40, 40 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS), 0);
	tx_go(c);
	same(0, frame, sizeof(frame));
	assert_int_equal(reg_get(c, E1000_TDH), 2);
	assert_int_equal(tx_status(c, 0), E1000_TXD_DD);
}

/* Half a frame, then the driver starts over. */
static void test_half_then_reset(void **state)
{
	struct card *c = *state;
	uint8_t frame[64];

	pattern(frame, sizeof(frame));
	tx_desc(c, TX_BUF, 40, 0);
	tx_go(c);
	reg_put(c, E1000_TDH, 0);
	reg_put(c, E1000_TDT, 0);
	c->tx_next = 0;
	tx_plain(c, frame, sizeof(frame));
	assert_int_equal(the_net->sent, 1);
	same(0, frame, sizeof(frame));
}

static void test_wrap(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];
	unsigned i;

	for (i = 0; i < 3 * RINGS; i++) {
		pattern(frame, sizeof(frame));
		frame[20] = (uint8_t)i;
		tx_plain(c, frame, sizeof(frame));
		same(i, frame, sizeof(frame));
	}
	assert_int_equal(reg_get(c, E1000_TDH), 0);
}

/* Without IFCS the frame brings its own check sequence. */
static void test_own_fcs(void **state)
{
	struct card *c = *state;
	uint8_t frame[64];

	pattern(frame, sizeof(frame));
	mem_put(c, TX_BUF, frame, sizeof(frame));
	tx_desc(c, TX_BUF, 61, 0);
	tx_desc(c, TX_BUF + 61, 1, 0);
	tx_desc(c, TX_BUF + 62, 2 | CMD(E1000_TXD_EOP), 0);
	tx_go(c);
	same(0, frame, 60);
}

static void test_delay(void **state)
{
	struct card *c = *state;
	unsigned i;

	reg_put(c, E1000_IMS, E1000_ICR_TXDW);
	reg_put(c, E1000_TIDV, 100);
	reg_put(c, E1000_TADV, 250);
	/* Each one starts the delay anew, up to TADV. */
	for (i = 0; i < 4; i++) {
		tx_desc(c, TX_BUF,
			60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS |
				 E1000_TXD_IDE),
			0);
		tx_go(c);
		assert_false(c->fake.line[GSI]);
		fake_advance(&c->fake, 80 * 1024);
	}
	/* 320 units have passed: TADV's end was at 250. */
	assert_true(c->fake.line[GSI]);
	assert_true(reg_get(c, E1000_ICR) & E1000_ICR_TXDW);
	fake_advance(&c->fake, NS_PER_MS);
	assert_false(c->fake.line[GSI]);
	/* One alone after TIDV. */
	tx_desc(c, TX_BUF,
		60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS |
			 E1000_TXD_IDE),
		0);
	tx_go(c);
	fake_advance(&c->fake, 100 * 1024 - 1);
	assert_false(c->fake.line[GSI]);
	fake_advance(&c->fake, 1);
	assert_true(c->fake.line[GSI]);
}

/* A late cause comes along when the line rises for another reason. */
static void test_delay_joins(void **state)
{
	struct card *c = *state;

	reg_put(c, E1000_IMS, E1000_ICR_TXDW | E1000_ICR_LSC);
	reg_put(c, E1000_TIDV, 100);
	tx_desc(c, TX_BUF,
		60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS |
			 E1000_TXD_IDE),
		0);
	tx_go(c);
	reg_get(c, E1000_ICR);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_LSC | E1000_ICR_TXDW);
	fake_advance(&c->fake, NS_PER_MS);
	assert_int_equal(reg_get(c, E1000_ICR), 0);
}

static void test_low_threshold(void **state)
{
	struct card *c = *state;

	reg_put(c, E1000_TXDCTL, 1u << E1000_TXDCTL_LWTHRESH_SHIFT);
	tx_desc(c, TX_BUF, 60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS), 0);
	tx_go(c);
	assert_true(reg_get(c, E1000_ICR) & E1000_ICR_TXD_LOW);
}

/* More than a turn's worth: the rest on the event loop. */
static void test_budget(void **state)
{
	struct card *c = *state;
	struct e1000_tx_desc desc = {
	    .addr = htole64(TX_BUF),
	    .lower = htole32(60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS)),
	};
	unsigned i;

	for (i = 0; i < 512; i++)
		mem_put(c, TX_RING + 16 * i, &desc, sizeof(desc));
	reg_put(c, E1000_TDLEN, 512 * 16);
	reg_put(c, E1000_TDT, 300);
	assert_int_equal(the_net->sent, 128);
	assert_int_equal(reg_get(c, E1000_TDH), 128);
	assert_false(reg_get(c, E1000_ICR) & E1000_ICR_TXQE);
	fake_advance(&c->fake, 0);
	assert_int_equal(the_net->sent, 300);
	assert_int_equal(reg_get(c, E1000_TDH), 300);
	assert_true(reg_get(c, E1000_ICR) & E1000_ICR_TXQE);
}

/* ---- off, and nonsense ---- */

static void test_off(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];

	pattern(frame, sizeof(frame));
	reg_put(c, E1000_TCTL, 0);
	tx_plain(c, frame, sizeof(frame));
	assert_int_equal(the_net->sent, 0);
	fake_cfg_write(&c->fake, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	reg_put(c, E1000_TCTL, E1000_TCTL_EN);
	assert_int_equal(the_net->sent, 0);
	assert_false(the_net->enabled);
	fake_cfg_write(&c->fake, ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	same(0, frame, sizeof(frame));
	assert_true(the_net->enabled);
}

static void test_bad_ring(void **state)
{
	struct card *c = *state;
	struct e1000_tx_desc desc = {
	    .addr = htole64(TX_BUF),
	    .lower = htole32(60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS)),
	};
	uint8_t frame[60];

	pattern(frame, sizeof(frame));
	/* Would be sent if the ring were walked at all. */
	mem_put(c, TX_RING + 16 * 5, &desc, sizeof(desc));
	/* A tail that is none, twice; a head that is none. */
	reg_put(c, E1000_TDT, RINGS);
	reg_put(c, E1000_TDT, 0xffff);
	assert_int_equal(reg_get(c, E1000_TDH), 0);
	reg_put(c, E1000_TDH, 0xffff);
	reg_put(c, E1000_TDT, 3);
	/* No ring at all. */
	reg_put(c, E1000_TDLEN, 0);
	reg_put(c, E1000_TDH, 0);
	reg_put(c, E1000_TDT, 3);
	/* Outside memory, at its end, across 2^64. */
	reg_put(c, E1000_TDLEN, RINGS * 16);
	reg_put(c, E1000_TDBAL, RAM);
	reg_put(c, E1000_TDT, 1);
	reg_put(c, E1000_TDBAH, 0xffffffff);
	reg_put(c, E1000_TDBAL, 0xfffffff0);
	reg_put(c, E1000_TDT, 2);
	assert_int_equal(the_net->sent, 0);
	assert_int_equal(reg_get(c, E1000_TDH), 0);
	/* It gets over it. */
	reg_put(c, E1000_TDBAH, 0);
	reg_put(c, E1000_TDBAL, TX_RING);
	tx_plain(c, frame, sizeof(frame));
	same(0, frame, sizeof(frame));
}

static void test_bad_frames(void **state)
{
	struct card *c = *state;
	uint8_t frame[60];
	unsigned i;

	/* Not in memory; too short; too long without segmentation. */
	tx_desc(c, RAM - 10,
		60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS), 0);
	tx_desc(c, TX_BUF,
		13 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS), 0);
	tx_desc(c, TX_BUF, 16000, 0);
	tx_desc(c, TX_BUF,
		289 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS), 0);
	/* Shorter than its own check sequence; nothing at all. */
	tx_desc(c, TX_BUF, 3 | CMD(E1000_TXD_EOP | E1000_TXD_RS), 0);
	tx_desc(c, 0, CMD(E1000_TXD_EOP | E1000_TXD_RS), 0);
	/* A megabyte in one descriptor; a type of descriptor that is none. */
	tx_desc(c, TX_BUF,
		0xfffff | 1u << E1000_TXD_DTYP_SHIFT |
		    CMD(E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS |
			E1000_TXD_DEXT),
		0);
	tx_desc(c, TX_BUF,
		60 | 7u << E1000_TXD_DTYP_SHIFT |
		    CMD(E1000_TXD_EOP | E1000_TXD_RS | E1000_TXD_DEXT),
		0);
	tx_go(c);
	assert_int_equal(the_net->sent, 0);
	assert_int_equal(reg_get(c, E1000_TDH), 8);
	for (i = 0; i < 8; i++)
		assert_int_equal(tx_status(c, i), i == 2 ? 0 : E1000_TXD_DD);
	pattern(frame, sizeof(frame));
	tx_plain(c, frame, sizeof(frame));
	same(0, frame, sizeof(frame));
}

/* More pieces, and more reports, than the card keeps: the frame is lost. */
static void test_too_many_pieces(void **state)
{
	struct card *c = *state;
	struct e1000_tx_desc desc = {
	    .addr = htole64(TX_BUF),
	    .lower = htole32(1 | CMD(E1000_TXD_RS)),
	};
	unsigned i;

	for (i = 0; i < 512; i++)
		mem_put(c, TX_RING + 16 * i, &desc, sizeof(desc));
	desc.lower = htole32(60 | CMD(E1000_TXD_EOP | E1000_TXD_IFCS));
	mem_put(c, TX_RING + 16 * 400, &desc, sizeof(desc));
	mem_put(c, TX_RING + 16 * 401, &desc, sizeof(desc));
	reg_put(c, E1000_TDLEN, 512 * 16);
	reg_put(c, E1000_TDT, 402);
	fake_advance(&c->fake, 0);
	assert_int_equal(the_net->sent, 1);
	assert_int_equal(reg_get(c, E1000_TDH), 402);
	for (i = 0; i < 400; i++)
		assert_int_equal(tx_status(c, i), E1000_TXD_DD);
	assert_int_equal(tx_status(c, 400), 0);
}

/* A ring full of descriptors without an end goes round once. */
static void test_no_end(void **state)
{
	struct card *c = *state;
	unsigned i;

	for (i = 0; i < 2 * RINGS; i++)
		tx_desc(c, TX_BUF, 60, 0);
	reg_put(c, E1000_TDT, RINGS - 1);
	reg_put(c, E1000_TDT, RINGS - 2);
	assert_int_equal(the_net->sent, 0);
	assert_int_equal(reg_get(c, E1000_TDH), 0);
}

static void test_statistics(void **state)
{
	struct card *c = *state;
	uint8_t frame[200];

	pattern(frame, sizeof(frame));
	tx_plain(c, frame, 40); /* padded on the wire: 64 */
	tx_plain(c, frame, 124);
	memcpy(frame, mac_all, 6);
	tx_plain(c, frame, 200);
	frame[1] = 0;
	tx_plain(c, frame, 60);
	assert_int_equal(reg_get(c, E1000_PTC64), 2);
	assert_int_equal(reg_get(c, E1000_PTC64 + 8), 2); /* 128 to 255 */
	assert_int_equal(reg_get(c, E1000_GPTC), 4);
	assert_int_equal(reg_get(c, E1000_GPTC), 0); /* read and gone */
	assert_int_equal(reg_get(c, E1000_BPTC), 1);
	assert_int_equal(reg_get(c, E1000_MPTC), 1);
	assert_int_equal(reg_get(c, E1000_GOTCL), 64 + 128 + 204 + 64);
	assert_int_equal(reg_get(c, E1000_GOTCL), 64 + 128 + 204 + 64);
	assert_int_equal(reg_get(c, E1000_GOTCL + 4), 0);
	assert_int_equal(reg_get(c, E1000_GOTCL), 0);
	reg_put(c, E1000_GPTC, 5);
	assert_int_equal(reg_get(c, E1000_GPTC), 0);
}

#define T(f)   cmocka_unit_test_setup_teardown(f, setup, card_teardown)
#define TAP(f) cmocka_unit_test_setup_teardown(f, setup_tap, card_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_plain),	     TAP(test_plain_tap),
	    T(test_pieces),	     T(test_two_kicks),
	    T(test_half_then_reset), T(test_wrap),
	    T(test_own_fcs),	     T(test_delay),
	    T(test_delay_joins),     T(test_low_threshold),
	    T(test_budget),	     T(test_off),
	    T(test_bad_ring),	     T(test_bad_frames),
	    T(test_too_many_pieces), T(test_no_end),
	    T(test_statistics),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
