/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the LPC bridge, the host bridge, and the options of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/log.h"
#include "dev/hostbridge.h"
#include "dev/lpc.h"
#include "dev/rtc.h"
#include "fakes.h"

static const struct pci_addr slot31 = {0, 31, 0};
static const struct pci_addr slot0 = {0, 0, 0};

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return -1;
	fake_init(fake);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	fake_fini(*state);
	free(*state);
	return 0;
}

/* Creates `model` at addr with the options below pci.B.S.F. */
static int create(struct fake *fake, const struct pci_model *model,
		  struct pci_addr addr, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "pci.%u.%u.%u", addr.bus, addr.slot,
		 addr.func);
	return model->create(&fake->env, addr, cfg_find(fake->env.root, path),
			     err);
}

static struct lpc *create_lpc(struct fake *fake)
{
	struct err err;

	fake_set(fake, "pci.0.31.0.device", "lpc");
	if (create(fake, &lpc_model, slot31, &err))
		fail_msg("%s", err.msg);
	return lpc_from_dev(pci_host_find(fake->env.pci, slot31));
}

static void refuse(struct fake *fake, const struct pci_model *model,
		   struct pci_addr addr, const char *sentence)
{
	struct err err = {0};

	assert_true(create(fake, model, addr, &err) < 0);
	assert_string_equal(err.msg, sentence);
}

/* ---- lpc ---- */

static void lpc_has_its_identity_and_devices(void **state)
{
	struct fake *fake = *state;
	struct lpc *lpc = create_lpc(fake);

	assert_non_null(lpc);
	assert_int_equal(fake_cfg_read(fake, slot31, 0, 4), 0x70008086);
	assert_int_equal(fake_cfg_read(fake, slot31, 8, 4), 0x06010000);
	assert_int_equal(fake_cfg_read(fake, slot31, 0x0e, 1), 0x00);
	assert_int_equal(lpc_addr(lpc).slot, 31);
	assert_int_equal(lpc_coms(lpc), 0);
	/* Clock, keyboard controller, ACPI, reset, progress answer. */
	fake_out8(fake, 0x70, 0x0d);
	assert_int_equal(fake_in8(fake, 0x71), 0x80);
	assert_int_equal(fake_in8(fake, 0x64), 0x14);
	assert_int_equal(fake_in16(fake, 0x404), 0);
	assert_int_equal(fake_in8(fake, 0x92), 0x02);
	assert_int_equal(fake_in8(fake, 0xcf9), 0x00);
	fake_out8(fake, 0x80, 7);
	assert_int_equal(fake_in8(fake, 0x80), 7);
	/* No port was asked for, none is there. */
	assert_int_equal(fake_in8(fake, 0x3fd), 0xff);
	assert_null(fake_tty(fake, 0));
	assert_non_null(lpc_i8042(lpc));
	rtc_set_nvram(lpc_rtc(lpc), 0x5b, 0x99);
	fake_out8(fake, 0x70, 0x5b);
	assert_int_equal(fake_in8(fake, 0x71), 0x99);
}

static void lpc_makes_the_ports_it_is_told(void **state)
{
	struct fake *fake = *state;
	struct lpc *lpc;

	fake_set(fake, "port", "4711");
	fake_set(fake, "lpc.com1.path", "stdio");
	fake_set(fake, "lpc.com3.path", "tcp=127.0.0.1:%(port)");
	lpc = create_lpc(fake);
	assert_int_equal(lpc_coms(lpc), 0x5);
	assert_string_equal(fake_tty(fake, 0)->where, "stdio");
	assert_string_equal(fake_tty(fake, 1)->where, "tcp=127.0.0.1:4711");
	assert_int_equal(fake_in8(fake, 0x3fd), 0x60);
	assert_int_equal(fake_in8(fake, 0x3ed), 0x60);
	assert_int_equal(fake_in8(fake, 0x2fd), 0xff);
	fake_out8(fake, 0x3f8, 'x');
	assert_int_equal(fake_tty(fake, 0)->out[0], 'x');
}

static void lpc_port_without_path_is_a_bit_bucket(void **state)
{
	struct fake *fake = *state;
	struct cfg *node;
	struct lpc *lpc;

	assert_int_equal(cfg_make(fake->env.root, "lpc.com2", NULL, &node), 0);
	lpc = create_lpc(fake);
	assert_int_equal(lpc_coms(lpc), 0x2);
	assert_string_equal(fake_tty(fake, 0)->where, "");
	assert_int_equal(fake_in8(fake, 0x2fd), 0x60);
}

/* Also while interrupt 8 is the HPET's. */
static void alarm_is_an_acpi_event(void **state)
{
	struct fake *fake = *state;
	struct lpc *lpc = create_lpc(fake);

	rtc_release_irq(lpc_rtc(lpc), true);
	fake_out8(fake, 0xb2, 0xa0);
	fake_out8(fake, 0x403, 0x04);
	fake_out8(fake, 0x70, 0x01); /* alarm: any second, minute, hour */
	fake_out8(fake, 0x71, 0xff);
	fake_out8(fake, 0x70, 0x03);
	fake_out8(fake, 0x71, 0xff);
	fake_out8(fake, 0x70, 0x05);
	fake_out8(fake, 0x71, 0xff);
	fake_advance(fake, NS_PER_S);
	assert_int_equal(fake_in8(fake, 0x401), 0);
	fake_out8(fake, 0x70, 0x0b);
	fake_out8(fake, 0x71, 0x22); /* AF is set already: at once */
	assert_int_equal(fake_in8(fake, 0x401), 0x04);
	assert_true(fake->line[9] && !fake->line[8]);
	fake_out8(fake, 0x401, 0x04);
	assert_false(fake->line[9]);
	fake_advance(fake, 2 * NS_PER_S);
	/* Once for each time the clock's flag is taken back. */
	assert_false(fake->line[9]);
	fake_out8(fake, 0x70, 0x0c);
	assert_int_equal(fake_in8(fake, 0x71) & 0x20, 0x20);
	fake_advance(fake, NS_PER_S);
	assert_true(fake->line[9]);
}

static void lpc_presses_the_power_button(void **state)
{
	struct fake *fake = *state;
	struct lpc *lpc = create_lpc(fake);

	assert_false(lpc_power_button(lpc));
	fake_out8(fake, 0xb2, 0xa0);
	fake_out16(fake, 0x402, 0x0100);
	assert_true(lpc_power_button(lpc));
	assert_true(fake->line[9]);
	fake_out16(fake, 0x400, 0x0100);
}

static void lpc_routes_pirqs(void **state)
{
	static const uint8_t reg[] = {0x60, 0x61, 0x62, 0x63,
				      0x68, 0x69, 0x6a, 0x6b};
	struct fake *fake = *state;
	unsigned irq, i;

	create_lpc(fake);
	assert_int_equal(fake_cfg_read(fake, slot31, 0x60, 4), 0x80808080);
	assert_int_equal(fake_cfg_read(fake, slot31, 0x64, 4), 0);
	assert_int_equal(fake_cfg_read(fake, slot31, 0x68, 4), 0x80808080);
	for (i = 0; i < 8; i++)
		assert_int_equal(fake->pirq[i], -2); /* nothing changed yet */
	for (i = 0; i < 8; i++) {
		fake_cfg_write(fake, slot31, reg[i], 1, 0x70 | (i + 3));
		assert_int_equal(fake_cfg_read(fake, slot31, reg[i], 1), i + 3);
		assert_int_equal(fake->pirq[i], i + 3 == 8 ? -1 : (int)i + 3);
		assert_int_equal(fake->pirq[(i + 1) % 8], i == 7 ? 3 : -2);
	}
	/* A wider write reaches all it covers. */
	fake_cfg_write(fake, slot31, 0x60, 4, 0x8b0a8b05);
	assert_int_equal(fake->pirq[0], 5);
	assert_int_equal(fake->pirq[1], -1);
	assert_int_equal(fake->pirq[2], 10);
	assert_int_equal(fake->pirq[3], -1);
	fake_cfg_write(fake, slot31, 0x6a, 2, 0x0f0e);
	assert_int_equal(fake->pirq[6], 14);
	assert_int_equal(fake->pirq[7], 15);
	/* Only 3-7, 9-12, 14 and 15 exist. */
	for (irq = 0; irq < 16; irq++) {
		bool ok = irq >= 3 && irq != 8 && irq != 13;

		fake_cfg_write(fake, slot31, 0x60, 1, irq);
		assert_int_equal(fake->pirq[0], ok ? (int)irq : -1);
	}
	/* What is no PIRQ register routes nothing. */
	fake->pirq[3] = fake->pirq[4] = -2;
	fake_cfg_write(fake, slot31, 0x64, 4, 0x0a0a0a0a);
	assert_int_equal(fake_cfg_read(fake, slot31, 0x64, 4), 0);
	assert_int_equal(fake->pirq[3], -2);
	assert_int_equal(fake->pirq[4], -2);
}

static void lpc_has_its_place(void **state)
{
	struct fake *fake = *state;
	const struct pci_addr bus1 = {1, 31, 0}, slot30 = {0, 30, 0};

	refuse(fake, &lpc_model, bus1,
	       "only on bus 0; use a free slot such as 31");
	create_lpc(fake);
	refuse(fake, &lpc_model, slot30,
	       "only one a guest, and there is one at 0:31:0");
	assert_null(pci_host_find(fake->env.pci, slot30));
	assert_int_equal(fake_in8(fake, 0x92), 0x02);
}

static void lpc_failure_leaves_nothing_behind(void **state)
{
	struct fake *fake = *state;

	fake_set(fake, "lpc.com1.path", "stdio");
	fake_set(fake, "lpc.com2.path", "/bad/tty");
	refuse(fake, &lpc_model, slot31, "com2: cannot open /bad/tty");
	assert_null(pci_host_find(fake->env.pci, slot31));
	assert_null(fake_tty(fake, 0));
	assert_int_equal(fake_in8(fake, 0x71), 0xff);
	assert_int_equal(fake_in8(fake, 0xcf9), 0xff);
	/* And nothing is in the way of the next try. */
	fake_set(fake, "lpc.com2.path", "/good/tty");
	assert_int_equal(lpc_coms(create_lpc(fake)), 0x3);
}

static void lpc_occupied_slot(void **state)
{
	struct fake *fake = *state;
	struct err err;

	assert_int_equal(create(fake, &hostbridge_model, slot31, &err), 0);
	refuse(fake, &lpc_model, slot31, "pci slot 0:31:0 already occupied!");
	assert_int_equal(fake_in8(fake, 0x92), 0xff);
}

static void lpc_explains_bad_options(void **state)
{
	static const struct {
		const char *path, *value, *sentence;
	} cases[] = {
	    {"lpc.con1.path", "stdio",
	     "lpc.con1: unknown option, did you mean 'com1'?"},
	    {"lpc.com1.pat", "stdio",
	     "lpc.com1.pat: unknown option, did you mean 'path'?"},
	    {"lpc.com1", "stdio",
	     "lpc.com1: no value expected here; write lpc.com1.path=stdio"},
	    {"pci.0.31.0.com1", "stdio",
	     "pci.0.31.0.com1: unknown option, known: device"},
	    {"lpc.pcireg.devise", "1",
	     "lpc.pcireg.devise: unknown option, did you mean 'device'?"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake fake;

		fake_init(&fake);
		fake_set(&fake, cases[i].path, cases[i].value);
		refuse(&fake, &lpc_model, slot31, cases[i].sentence);
		fake_fini(&fake);
	}
}

/* ---- pcireg ---- */

static void pcireg_changes_ids(void **state)
{
	struct fake *fake = *state;

	fake_set(fake, "lpc.pcireg.vendor", "0x1234");
	fake_set(fake, "lpc.pcireg.device", "0xabcd");
	fake_set(fake, "lpc.pcireg.revid", "0x55");
	fake_set(fake, "lpc.pcireg.subvendor", "1");
	fake_set(fake, "lpc.pcireg.subdevice", "2");
	create_lpc(fake);
	assert_int_equal(fake_cfg_read(fake, slot31, 0, 4), 0xabcd1234);
	assert_int_equal(fake_cfg_read(fake, slot31, 8, 4), 0x06010055);
	assert_int_equal(fake_cfg_read(fake, slot31, 0x2c, 4), 0x00020001);
}

static void pcireg_of_the_host_is_not_there(void **state)
{
	struct fake *fake = *state;

	fake_set(fake, "lpc.pcireg.vendor", "host");
	fake_set(fake, "lpc.pcireg.device", "0x1e00");
	create_lpc(fake); /* warns and keeps the default */
	assert_int_equal(fake_cfg_read(fake, slot31, 0, 4), 0x1e008086);
}

static void pcireg_checks_numbers(void **state)
{
	struct fake *fake = *state;
	struct err err;

	fake_set(fake, "pci.0.0.0.pcireg.revid", "0x100");
	assert_true(create(fake, &hostbridge_model, slot0, &err) < 0);
	assert_non_null(strstr(err.msg, "pci.0.0.0.pcireg.revid"));
	assert_null(pci_host_find(fake->env.pci, slot0));
}

/* ---- host bridge ---- */

static void hostbridge_looks_like_a_root_port(void **state)
{
	struct fake *fake = *state;
	struct err err;
	unsigned cap;

	fake_set(fake, "pci.0.0.0.device", "hostbridge");
	assert_int_equal(create(fake, &hostbridge_model, slot0, &err), 0);
	assert_int_equal(fake_cfg_read(fake, slot0, 0, 4), 0x12751275);
	assert_int_equal(fake_cfg_read(fake, slot0, 8, 4), 0x06000000);
	assert_int_equal(fake_cfg_read(fake, slot0, 0x0e, 1), 0x00);
	assert_int_equal(fake_cfg_read(fake, slot0, 6, 2) & 0x10, 0x10);
	cap = fake_cfg_read(fake, slot0, 0x34, 1);
	/* PCI Express, last in the chain, version 2, root port. */
	assert_int_equal(fake_cfg_read(fake, slot0, cap, 4), 0x00420010);
	assert_int_equal(fake_cfg_read(fake, slot0, cap + 0x12, 2), 0x0011);
	assert_null(lpc_from_dev(pci_host_find(fake->env.pci, slot0)));
	/* Nothing in it can be written. */
	fake_cfg_write(fake, slot0, cap + 8, 4, UINT32_MAX);
	assert_int_equal(fake_cfg_read(fake, slot0, cap + 8, 4), 0);
}

static void amd_hostbridge_has_its_ids(void **state)
{
	struct fake *fake = *state;
	struct err err;

	fake_set(fake, "pci.0.0.0.pcireg.subvendor", "0x1af4");
	assert_int_equal(create(fake, &amd_hostbridge_model, slot0, &err), 0);
	assert_int_equal(fake_cfg_read(fake, slot0, 0, 4), 0x74321022);
	assert_int_equal(fake_cfg_read(fake, slot0, 0x2c, 4), 0x00001af4);
	refuse(fake, &hostbridge_model, slot0,
	       "pci slot 0:0:0 already occupied!");
}

static void hostbridge_explains_bad_options(void **state)
{
	struct fake *fake = *state;

	fake_set(fake, "pci.0.0.0.pcirag.vendor", "1");
	refuse(fake, &hostbridge_model, slot0,
	       "pci.0.0.0.pcirag: unknown option, did you mean 'pcireg'?");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(lpc_has_its_identity_and_devices),
	    TEST(lpc_makes_the_ports_it_is_told),
	    TEST(lpc_port_without_path_is_a_bit_bucket),
	    TEST(lpc_presses_the_power_button),
	    TEST(alarm_is_an_acpi_event),
	    TEST(lpc_routes_pirqs),
	    TEST(lpc_has_its_place),
	    TEST(lpc_failure_leaves_nothing_behind),
	    TEST(lpc_occupied_slot),
	    TEST(lpc_explains_bad_options),
	    TEST(pcireg_changes_ids),
	    TEST(pcireg_of_the_host_is_not_there),
	    TEST(pcireg_checks_numbers),
	    TEST(hostbridge_looks_like_a_root_port),
	    TEST(amd_hostbridge_has_its_ids),
	    TEST(hostbridge_explains_bad_options),
	};

	log_init("test_lpc", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
