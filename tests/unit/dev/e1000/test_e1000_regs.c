/* SPDX-License-Identifier: BSD-2-Clause */
/* The e1000 card without frames: options, registers, EEPROM, PHY, interrupts.
 */
#include "e1000_fixture.h"

#include <string.h>

#include "dev/e1000/e1000_model.h"
#include "golden.h"

static const char *golden_dir;

static int setup(void **state)
{
	*state = card_build("backend=slirp");
	return 0;
}

/* ---- set-up ---- */

static void test_parse(void **state UNUSED)
{
	struct cfg *root = cfg_create(), *node;
	struct err err;

	assert_int_equal(cfg_make(root, "a", &err, &node), 0);
	assert_int_equal(
	    e1000_model.parse(node, "tap0,mac=x,bootindex=1", &err), 0);
	assert_string_equal(cfg_raw(node, "backend"), "tap0");
	assert_string_equal(cfg_raw(node, "mac"), "x");
	assert_string_equal(cfg_raw(node, "bootindex"), "1");
	assert_int_equal(cfg_make(root, "b", &err, &node), 0);
	assert_int_equal(e1000_model.parse(node, "mac=y", &err), 0);
	assert_null(cfg_raw(node, "backend"));
	assert_int_equal(e1000_model.parse(node, "", &err), 0);
	assert_int_equal(
	    e1000_model.parse(node,
			      "0123456789012345678901234567890123456789"
			      "0123456789012345678901234567890123456789",
			      &err),
	    -EINVAL);
	assert_string_equal(err.msg, "e1000: 01234567890123456789...: not the"
				     " name of a back end");
	cfg_destroy(root);
}

static void refused(const char *options, const char *text)
{
	struct fake fake;
	struct cfg *node;
	struct err err;

	fake_init(&fake);
	fake_set(&fake, "name", "guest");
	assert_int_equal(cfg_make(fake.env.root, "pci.0.4.0", &err, &node), 0);
	assert_int_equal(cfg_set_list(node, options, &err), 0);
	assert_int_not_equal(e1000_model.create(&fake.env, ADDR, node, &err),
			     0);
	assert_string_equal(err.msg, text);
	assert_null(the_net);
	assert_null(pci_host_find(fake.env.pci, ADDR));
	fake_fini(&fake);
}

static void test_refusals(void **state UNUSED)
{
	refused("backend=bad", "e1000: network back end bad: no");
	refused("mac=bad", "e1000: mac=bad is not an address");
	refused("mtu=1500",
		"e1000: pci.0.4.0.mtu: unknown option, known: device,"
		" bootindex, backend, hostfwd, mac");
}

static void test_slot_taken(void **state)
{
	struct card *c = *state;
	struct net *first = the_net;
	struct cfg *node = cfg_find(c->fake.env.root, "pci.0.4.0");
	struct err err;

	assert_int_equal(e1000_model.create(&c->fake.env, ADDR, node, &err),
			 -EEXIST);
	assert_null(the_net);
	the_net = first;
}

/* ---- golden traces ---- */

static uint32_t reg_by_name(const char *name)
{
	uint32_t off;

	for (off = 0; off < 0x6000; off += 4) {
		const char *at = e1000_reg_name(off);

		if (at && strcmp(at, name) == 0)
			return off;
	}
	fail_msg("no register %s", name);
	return 0;
}

static void golden_dump(struct card *c, FILE *out)
{
	unsigned off;

	for (off = 0; off < 64; off++)
		fprintf(out, "%s%02x%s", off % 16 ? " " : "  ",
			fake_cfg_read(&c->fake, ADDR, off, 1),
			off % 16 == 15 ? "\n" : "");
}

static void golden_line(void *ctx, const char *line, FILE *out)
{
	struct card *c = ctx;
	bool level = c->fake.line[GSI];
	unsigned a, b, size;
	char name[32];

	if (sscanf(line, "cfg %x %u", &a, &size) == 2) {
		fprintf(out, "cfg %x %u = %x\n", a, size,
			fake_cfg_read(&c->fake, ADDR, a, size));
		return;
	}
	if (sscanf(line, "r %31s", name) == 1) {
		fprintf(out, "r %s = %x\n", name,
			reg_get(c, reg_by_name(name)));
	} else {
		fprintf(out, "%s\n", line);
		if (strcmp(line, "dump") == 0)
			golden_dump(c, out);
		else if (sscanf(line, "cfgw %x %u %x", &a, &size, &b) == 3)
			fake_cfg_write(&c->fake, ADDR, a, size, b);
		else if (sscanf(line, "io %x %x", &a, &b) == 2)
			fake_out32(&c->fake, (uint16_t)(c->io + a), b);
		else if (sscanf(line, "w %31s %x", name, &a) == 2)
			reg_put(c, reg_by_name(name), a);
		else
			fail_msg("golden trace: what is '%s'?", line);
	}
	if (level != c->fake.line[GSI])
		fprintf(out, "  line %s\n", level ? "down" : "up");
}

static void test_golden_config(void **state)
{
	assert_true(
	    golden_run(golden_dir, "e1000-config.txt", golden_line, *state));
}

static void test_golden_init(void **state)
{
	assert_true(
	    golden_run(golden_dir, "e1000-init.txt", golden_line, *state));
}

/* ---- registers ---- */

/* Every register is found at its place, and nothing between them. */
static void test_table(void **state)
{
	struct card *c = *state;
	uint32_t off, known = 0;

	for (off = 0; off < E1000_MEM_BYTES; off += 4) {
		if (e1000_reg_name(off)) {
			known++;
			continue;
		}
		reg_put(c, off, UINT32_MAX);
		assert_int_equal(reg_get(c, off), 0);
	}
	/* 63 single ones and the arrays. */
	assert_int_equal(known, 63 + 74 + 128 + 32 + 128 + 8 + 4);
	assert_string_equal(e1000_reg_name(0), "CTRL");
	assert_string_equal(e1000_reg_name(0x5900), "WUPL");
	assert_string_equal(e1000_reg_name(0x53fc), "MTA");
	assert_string_equal(e1000_reg_name(0x5400), "RA");
	assert_null(e1000_reg_name(4));
}

/* What a self-test of a driver writes and expects back. */
static void test_masks(void **state)
{
	static const struct {
		uint32_t off, mask;
	} masks[] = {
	    {E1000_FCAL, 0xffffffff},  {E1000_FCAH, 0xffff},
	    {E1000_FCT, 0xffff},       {E1000_VET, 0xffff},
	    {E1000_RDTR, 0xffff},      {E1000_RDBAH, 0xffffffff},
	    {E1000_RDLEN, 0x000fff80}, {E1000_RDH, 0xffff},
	    {E1000_RDT, 0xffff},       {E1000_FCRTH, 0xfff8},
	    {E1000_FCTTV, 0xffff},     {E1000_TIPG, 0x3fffffff},
	    {E1000_TDBAH, 0xffffffff}, {E1000_TDLEN, 0x000fff80},
	    {E1000_RDBAL, 0xfffffff0}, {E1000_TDBAL, 0xfffffff0},
	    {E1000_RA, 0xffffffff},    {E1000_RA + 4, 0x8003ffff},
	    {E1000_MTA, 0xffffffff},   {E1000_RA + 124, 0x8003ffff},
	};
	static const uint32_t patterns[] = {0x5a5a5a5a, 0xa5a5a5a5, 0,
					    0xffffffff};
	struct card *c = *state;
	unsigned i, k;

	for (i = 0; i < ARRAY_LEN(masks); i++) {
		for (k = 0; k < ARRAY_LEN(patterns); k++) {
			reg_put(c, masks[i].off, patterns[k]);
			assert_int_equal(reg_get(c, masks[i].off),
					 patterns[k] & masks[i].mask);
		}
	}
	reg_put(c, E1000_STATUS, UINT32_MAX);
	assert_int_equal(reg_get(c, E1000_STATUS), 0x283);
}

static void test_widths(void **state)
{
	struct card *c = *state;
	uint64_t v;

	reg_put(c, E1000_FCAL, 0x11223344);
	(void)aspace_read(c->fake.env.mmio, c->mem + E1000_FCAL + 2, 2, &v);
	assert_int_equal(v, 0x1122);
	(void)aspace_read(c->fake.env.mmio, c->mem + E1000_FCAL + 1, 1, &v);
	assert_int_equal(v, 0x33);
	/* Narrow writes are not defined: dropped. */
	(void)aspace_write(c->fake.env.mmio, c->mem + E1000_FCAL, 1, 0xff);
	assert_int_equal(reg_get(c, E1000_FCAL), 0x11223344);
	(void)aspace_write(c->fake.env.mmio, c->mem + E1000_RDBAL, 8,
			   0x123456789abcdef0);
	assert_int_equal(reg_get(c, E1000_RDBAL), 0x9abcdef0);
	assert_int_equal(reg_get(c, E1000_RDBAH), 0x12345678);
	(void)aspace_read(c->fake.env.mmio, c->mem + E1000_RDBAL, 8, &v);
	assert_true(v == 0x123456789abcdef0);
	/* The last bytes of both memory BARs. */
	(void)aspace_read(c->fake.env.mmio, c->mem + E1000_MEM_BYTES - 8, 8,
			  &v);
	assert_int_equal(v, 0);
	(void)aspace_read(c->fake.env.mmio, c->flash + E1000_FLASH_BYTES - 4, 4,
			  &v);
	assert_int_equal(v, UINT32_MAX);
}

static void test_io_window(void **state)
{
	struct card *c = *state;

	fake_out32(&c->fake, c->io, E1000_FCAL);
	fake_out32(&c->fake, (uint16_t)(c->io + 4), 0xcafe0001);
	assert_int_equal(reg_get(c, E1000_FCAL), 0xcafe0001);
	assert_int_equal(fake_in32(&c->fake, (uint16_t)(c->io + 4)),
			 0xcafe0001);
	assert_int_equal(fake_in32(&c->fake, c->io), E1000_FCAL);
	assert_int_equal(fake_in16(&c->fake, (uint16_t)(c->io + 6)), 0xcafe);
	/* Outside the registers, also where a sum would wrap. */
	fake_out32(&c->fake, c->io, E1000_MEM_BYTES);
	assert_int_equal(fake_in32(&c->fake, (uint16_t)(c->io + 4)), 0);
	fake_out32(&c->fake, (uint16_t)(c->io + 4), 1);
	fake_out32(&c->fake, c->io, UINT32_MAX);
	assert_int_equal(fake_in32(&c->fake, (uint16_t)(c->io + 4)), 0);
	fake_out32(&c->fake, (uint16_t)(c->io + 4), 1);
	fake_out8(&c->fake, c->io, 0);
	assert_int_equal(fake_in32(&c->fake, c->io), 0xfffffffc);
}

static void test_reset(void **state)
{
	struct card *c = *state;

	card_up(c);
	assert_true(the_net->enabled);
	reg_put(c, E1000_RA, 0x12345678);
	reg_put(c, E1000_IMS, E1000_ICR_LSC);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_true(c->fake.line[GSI]);
	/* By the I/O window, as drivers of this chip do. */
	fake_out32(&c->fake, c->io, E1000_CTRL);
	fake_out32(&c->fake, (uint16_t)(c->io + 4), E1000_CTRL_RST);
	assert_false(c->fake.line[GSI]);
	assert_false(the_net->enabled);
	assert_int_equal(reg_get(c, E1000_CTRL), 0x241);
	assert_int_equal(reg_get(c, E1000_RCTL), 0);
	assert_int_equal(reg_get(c, E1000_TDBAL), 0);
	assert_int_equal(reg_get(c, E1000_IMS), 0);
	assert_int_equal(reg_get(c, E1000_ICR), 0);
	assert_int_equal(reg_get(c, E1000_RA), 0x01fc9c58);
	assert_int_equal(reg_get(c, E1000_RA + 4), 0x80000302);
	reg_put(c, E1000_RA, 0);
	reg_put(c, E1000_CTRL_EXT, E1000_CTRL_EXT_EE_RST);
	assert_int_equal(reg_get(c, E1000_RA), 0x01fc9c58);
	assert_int_equal(reg_get(c, E1000_CTRL_EXT), 0);
}

/* ---- EEPROM ---- */

static uint16_t eerd(struct card *c, unsigned addr)
{
	uint32_t v;

	reg_put(c, E1000_EERD, addr << 8 | E1000_EERD_START);
	v = reg_get(c, E1000_EERD);
	assert_int_equal(v & 0xffff, addr << 8 | E1000_EERD_DONE);
	return (uint16_t)(v >> 16);
}

static void wire_bit(struct card *c, bool bit)
{
	uint32_t v = E1000_EECD_REQ | E1000_EECD_CS | (bit ? E1000_EECD_DI : 0);

	reg_put(c, E1000_EECD, v);
	reg_put(c, E1000_EECD, v | E1000_EECD_SK);
	reg_put(c, E1000_EECD, v);
}

static bool wire_out(struct card *c)
{
	return reg_get(c, E1000_EECD) & E1000_EECD_DO;
}

static void wire_send(struct card *c, unsigned value, unsigned bits)
{
	while (bits--)
		wire_bit(c, value >> bits & 1);
}

static uint16_t wire_word(struct card *c)
{
	uint16_t v = 0;
	unsigned i;

	for (i = 0; i < 16; i++) {
		wire_bit(c, false);
		v = (uint16_t)(v << 1 | wire_out(c));
	}
	return v;
}

static void test_eeprom(void **state)
{
	struct card *c = *state;
	uint16_t sum = 0, word;
	unsigned i;

	for (i = 0; i < 64; i++) {
		word = eerd(c, i);
		sum = (uint16_t)(sum + word);
		/* Once more bit by bit. */
		wire_send(c, 0, 2); /* before the start bit: nothing */
		wire_send(c, 0x180 | i, 9);
		assert_false(wire_out(c));
		assert_int_equal(wire_word(c), word);
		reg_put(c, E1000_EECD, E1000_EECD_REQ);
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(eerd(c, 0), 0x9c58);
	assert_int_equal(eerd(c, 2), 0x0302);
	assert_int_equal(eerd(c, 0x0d), 0x100f);
	assert_int_equal(eerd(c, 0xff), eerd(c, 63)); /* 64 words */
	/* Without the start bit nothing is read. */
	word = eerd(c, 1);
	reg_put(c, E1000_EERD, 2 << 8);
	assert_int_equal(reg_get(c, E1000_EERD) >> 16, word);
}

static void test_eeprom_wire(void **state)
{
	struct card *c = *state;

	assert_int_equal(reg_get(c, E1000_EECD) & E1000_EECD_GNT, 0);
	reg_put(c, E1000_EECD, E1000_EECD_REQ);
	assert_true(reg_get(c, E1000_EECD) & E1000_EECD_GNT);
	assert_true(reg_get(c, E1000_EECD) & E1000_EECD_PRES);
	/* One word after the other while it stays selected; 63 wraps. */
	wire_send(c, 0x180 | 62, 9);
	assert_int_equal(wire_word(c), eerd(c, 62));
	assert_int_equal(wire_word(c), eerd(c, 63));
	assert_int_equal(wire_word(c), eerd(c, 0));
	reg_put(c, E1000_EECD, E1000_EECD_REQ);
	/* A write (01) is heard, reports ready and changes nothing. */
	wire_send(c, 0x140 | 5, 9);
	assert_true(wire_out(c));
	wire_send(c, 0xffff, 16);
	reg_put(c, E1000_EECD, E1000_EECD_REQ);
	assert_int_equal(eerd(c, 5), 0);
	/* Deselected in the middle: the next command starts afresh. */
	wire_send(c, 0x6, 3);
	reg_put(c, E1000_EECD, E1000_EECD_REQ);
	wire_send(c, 0x180, 9);
	assert_int_equal(wire_word(c), eerd(c, 0));
}

/* ---- PHY ---- */

static uint32_t mdic(struct card *c, uint32_t op, unsigned phy, unsigned reg,
		     uint16_t data)
{
	uint32_t v;

	reg_put(c, E1000_MDIC, op | phy << 21 | reg << 16 | data);
	v = reg_get(c, E1000_MDIC);
	assert_true(v & E1000_MDIC_R);
	return v;
}

static uint16_t phy_get(struct card *c, unsigned reg)
{
	uint32_t v = mdic(c, E1000_MDIC_OP_READ, 1, reg, 0);

	assert_false(v & E1000_MDIC_E);
	return (uint16_t)v;
}

static void phy_put(struct card *c, unsigned reg, uint16_t v)
{
	assert_false(mdic(c, E1000_MDIC_OP_WRITE, 1, reg, v) & E1000_MDIC_E);
}

static void test_phy(void **state)
{
	struct card *c = *state;

	assert_int_equal(phy_get(c, 2), 0x0141);
	assert_int_equal(phy_get(c, 3), 0x0c24);
	assert_int_equal(phy_get(c, 1) & 0x24, 0x24); /* up, negotiated */
	assert_int_equal(phy_get(c, 17) & 0xec00, 0xac00);
	phy_put(c, 4, 0x1e1);
	assert_int_equal(phy_get(c, 4), 0x1e1);
	phy_put(c, 2, 0xffff);
	assert_int_equal(phy_get(c, 2), 0x0141);
	reg_get(c, E1000_ICR);
	phy_put(c, 0, 0x1340); /* negotiate again */
	assert_int_equal(phy_get(c, 0), 0x1140);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_LSC);
	phy_put(c, 0, 0x8000);
	assert_int_equal(phy_get(c, 0), 0x1140);
	assert_int_equal(phy_get(c, 4), 0x0de1);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_LSC);
	/* Another PHY, and no operation. */
	assert_true(mdic(c, E1000_MDIC_OP_READ, 2, 0, 0) & E1000_MDIC_E);
	assert_true(mdic(c, 0, 1, 0, 0) & E1000_MDIC_E);
	mdic(c, E1000_MDIC_OP_READ | E1000_MDIC_I, 1, 0, 0);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_MDAC);
}

static void test_link_change(void **state)
{
	struct card *c = *state;

	reg_get(c, E1000_ICR);
	reg_put(c, E1000_CTRL, E1000_CTRL_FD);
	assert_int_equal(reg_get(c, E1000_ICR), 0);
	reg_put(c, E1000_CTRL, E1000_CTRL_FD | E1000_CTRL_SLU);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_LSC);
	phy_put(c, 4, 1);
	reg_put(c, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_PHY_RST);
	assert_int_equal(reg_get(c, E1000_CTRL), E1000_CTRL_SLU);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_LSC);
	assert_int_equal(phy_get(c, 4), 0x0de1);
}

/* ---- interrupts ---- */

static void test_causes(void **state)
{
	struct card *c = *state;

	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_false(c->fake.line[GSI]);
	reg_put(c, E1000_IMS, E1000_ICR_LSC | E1000_ICR_RXO);
	assert_true(c->fake.line[GSI]);
	assert_int_equal(reg_get(c, E1000_IMS), E1000_ICR_LSC | E1000_ICR_RXO);
	reg_put(c, E1000_IMC, E1000_ICR_LSC);
	assert_false(c->fake.line[GSI]);
	reg_put(c, E1000_ICS, E1000_ICR_RXO | 0xfff00000);
	assert_true(c->fake.line[GSI]);
	/* Writing ones takes them away, reading all. */
	reg_put(c, E1000_ICR, E1000_ICR_RXO);
	assert_false(c->fake.line[GSI]);
	reg_put(c, E1000_ICS, E1000_ICR_RXO);
	assert_int_equal(reg_get(c, E1000_ICR), E1000_ICR_LSC | E1000_ICR_RXO);
	assert_false(c->fake.line[GSI]);
	assert_int_equal(reg_get(c, E1000_ICR), 0);
	/* INTx switched off in config space. */
	reg_put(c, E1000_ICS, E1000_ICR_RXO);
	fake_cfg_write(&c->fake, ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	assert_false(c->fake.line[GSI]);
}

static void test_throttle(void **state)
{
	struct card *c = *state;

	fake_advance(&c->fake, 1000);
	reg_put(c, E1000_IMS, E1000_ICR_LSC);
	reg_put(c, E1000_ITR, 1000); /* 256 us */
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_true(c->fake.line[GSI]);
	reg_get(c, E1000_ICR);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_false(c->fake.line[GSI]);
	fake_advance(&c->fake, 255999);
	assert_false(c->fake.line[GSI]);
	fake_advance(&c->fake, 1);
	assert_true(c->fake.line[GSI]);
	/* Gone before its time: no interrupt. */
	reg_get(c, E1000_ICR);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	reg_put(c, E1000_ICR, E1000_ICR_LSC);
	fake_advance(&c->fake, NS_PER_MS);
	assert_false(c->fake.line[GSI]);
	/* Throttling off: the one put off comes at once. */
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	reg_get(c, E1000_ICR);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_false(c->fake.line[GSI]);
	reg_put(c, E1000_ITR, 0);
	assert_true(c->fake.line[GSI]);
}

/* The timer outlives a reset and finds nothing to do. */
static void test_throttle_reset(void **state)
{
	struct card *c = *state;

	reg_put(c, E1000_IMS, E1000_ICR_LSC);
	reg_put(c, E1000_ITR, 1000);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	reg_get(c, E1000_ICR);
	reg_put(c, E1000_ICS, E1000_ICR_LSC);
	assert_true(fake_next_timer(&c->fake) != FAKE_NO_TIMER);
	reg_put(c, E1000_CTRL, E1000_CTRL_RST);
	fake_advance(&c->fake, NS_PER_MS);
	assert_false(c->fake.line[GSI]);
	assert_int_equal(reg_get(c, E1000_ICR), 0);
	assert_true(fake_next_timer(&c->fake) == FAKE_NO_TIMER);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, card_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_refusals),
	    T(test_slot_taken),
	    T(test_golden_config),
	    T(test_golden_init),
	    T(test_table),
	    T(test_masks),
	    T(test_widths),
	    T(test_io_window),
	    T(test_reset),
	    T(test_eeprom),
	    T(test_eeprom_wire),
	    T(test_phy),
	    T(test_link_change),
	    T(test_causes),
	    T(test_throttle),
	    T(test_throttle_reset),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s GOLDEN-DIR\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
