/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the chipset as firmware sees it: Q35 host bridge and ICH9 LPC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/log.h"
#include "dev/hostbridge.h"
#include "dev/lpc.h"
#include "fakes.h"

#define PCIEXBAR  0x60
#define PMBASE	  0x40
#define ACPI_CNTL 0x44

static const struct pci_addr slot31 = {0, 31, 0};
static const struct pci_addr slot30 = {0, 30, 0};
static const struct pci_addr slot0 = {0, 0, 0};

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return -1;
	fake_init(fake);
	fake->env.q35 = true;
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	fake_fini(*state);
	free(*state);
	return 0;
}

static void make(struct fake *fake, const struct pci_model *model,
		 struct pci_addr addr)
{
	struct err err = {0};

	if (model->create(&fake->env, addr, NULL, &err))
		fail_msg("%s", err.msg);
}

static uint64_t ecam_id(struct fake *fake, uint64_t base, unsigned slot)
{
	uint64_t value = 0;

	(void)aspace_read(fake->env.mmio, base + (slot << 15), 4, &value);
	return value & UINT32_MAX;
}

static void host_bridge_is_q35s(void **state)
{
	struct fake *fake = *state;

	make(fake, &hostbridge_model, slot0);
	assert_int_equal(fake_cfg_read(fake, slot0, 0, 4), 0x29c08086);
	assert_int_equal(fake_cfg_read(fake, slot0, 8, 4), 0x06000000);
}

static void firmware_places_ecam(void **state)
{
	struct fake *fake = *state;

	make(fake, &hostbridge_model, slot0);
	assert_int_equal(pci_host_move_ecam(fake->env.pci, 0, NULL), 0);
	fake_cfg_write(fake, slot0, PCIEXBAR + 4, 4, 0);
	fake_cfg_write(fake, slot0, PCIEXBAR, 4, 0xb0000001);
	assert_int_equal(pci_host_ecam(fake->env.pci), 0xb0000000);
	assert_int_equal(ecam_id(fake, 0xb0000000, 0), 0x29c08086);
	/* Moved, then off. */
	fake_cfg_write(fake, slot0, PCIEXBAR, 4, 0xe0000001);
	assert_int_equal(ecam_id(fake, 0xb0000000, 0), UINT32_MAX);
	assert_int_equal(ecam_id(fake, 0xe0000000, 0), 0x29c08086);
	fake_cfg_write(fake, slot0, PCIEXBAR, 4, 0xe0000000);
	assert_int_equal(pci_host_ecam(fake->env.pci), 0);
	assert_int_equal(ecam_id(fake, 0xe0000000, 0), UINT32_MAX);
	/* Above 4 GiB it stays away. */
	fake_cfg_write(fake, slot0, PCIEXBAR + 4, 4, 1);
	fake_cfg_write(fake, slot0, PCIEXBAR, 4, 0xe0000001);
	assert_int_equal(pci_host_ecam(fake->env.pci), 0);
}

static void ecam_cannot_cover_a_device(void **state)
{
	struct fake *fake = *state;
	struct aspace_region other = {.name = "other", .size = 0x1000};

	make(fake, &hostbridge_model, slot0);
	assert_int_equal(pci_host_move_ecam(fake->env.pci, 0, NULL), 0);
	assert_int_equal(aspace_add(fake->env.mmio, &other, 0xc8000000, NULL),
			 0);
	fake_cfg_write(fake, slot0, PCIEXBAR, 4, 0xc0000001);
	assert_int_equal(pci_host_ecam(fake->env.pci), 0);
	aspace_remove(fake->env.mmio, &other);
}

static void legacy_registers_keep_what_is_written(void **state)
{
	struct fake *fake = *state;

	make(fake, &hostbridge_model, slot0);
	fake_cfg_write(fake, slot0, 0x90, 1, 0xff);
	fake_cfg_write(fake, slot0, 0x91, 1, 0xff);
	assert_int_equal(fake_cfg_read(fake, slot0, 0x90, 1), 0x30);
	assert_int_equal(fake_cfg_read(fake, slot0, 0x91, 1), 0x33);
	assert_int_equal(fake_cfg_read(fake, slot0, 0x9d, 1), 0x02);
}

static void lpc_is_ich9s(void **state)
{
	struct fake *fake = *state;

	make(fake, &lpc_model, slot31);
	assert_int_equal(fake_cfg_read(fake, slot31, 0, 4), 0x29188086);
	fake_cfg_write(fake, slot31, 4, 2, 0);
	assert_int_equal(fake_cfg_read(fake, slot31, 4, 2), 7);
	assert_int_equal(fake_cfg_read(fake, slot31, PMBASE, 4), 1);
	assert_int_equal(fake_cfg_read(fake, slot31, ACPI_CNTL, 4), 0);
}

static void firmware_places_the_acpi_ports(void **state)
{
	struct fake *fake = *state;
	struct lpc *lpc;

	make(fake, &lpc_model, slot31);
	lpc = lpc_from_dev(pci_host_find(fake->env.pci, slot31));
	assert_int_equal(lpc_pm_base(lpc), 0);
	fake_cfg_write(fake, slot31, PMBASE, 4, 0x601);
	assert_int_equal(lpc_pm_base(lpc), 0); /* not decoded yet */
	assert_int_equal(fake_in16(fake, 0x404), 0xffff);
	fake_cfg_write(fake, slot31, ACPI_CNTL, 1, 0xff);
	assert_int_equal(fake_cfg_read(fake, slot31, ACPI_CNTL, 1), 0x80);
	assert_int_equal(lpc_pm_base(lpc), 0x600);
	assert_int_equal(fake_in16(fake, 0x604), 0);
	/* SMIs are said to be taken care of. */
	assert_int_equal(fake_in16(fake, 0x630), 0x20);
	/* Onto other ports: nowhere, until a free place is named. */
	fake_cfg_write(fake, slot31, PMBASE, 4, 0x1);
	assert_int_equal(lpc_pm_base(lpc), 0);
	fake_cfg_write(fake, slot31, PMBASE, 4, 0x901);
	assert_int_equal(fake_in16(fake, 0x904), 0);
}

static void firmware_switches_off_with_type_0(void **state)
{
	struct fake *fake = *state;

	make(fake, &lpc_model, slot31);
	fake_cfg_write(fake, slot31, PMBASE, 4, 0x601);
	fake_cfg_write(fake, slot31, ACPI_CNTL, 1, 0x80);
	fake_out8(fake, 0x605, 0x20);
	assert_int_equal(fake->ends, 1);
	assert_int_equal(fake->end, VM_END_POWEROFF);
}

static void firmware_knows_their_places_only(void **state)
{
	struct fake *fake = *state;
	struct err err = {0};

	assert_true(lpc_model.create(&fake->env, slot30, NULL, &err) < 0);
	assert_string_equal(err.msg, "firmware looks for the LPC bridge at"
				     " 0:31:0; write -s 31,lpc");
	assert_true(hostbridge_model.create(&fake->env, slot30, NULL, &err) <
		    0);
	assert_string_equal(err.msg, "firmware looks for the host bridge at"
				     " 0:0:0; write -s 0,hostbridge");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(host_bridge_is_q35s),
	    TEST(firmware_places_ecam),
	    TEST(ecam_cannot_cover_a_device),
	    TEST(legacy_registers_keep_what_is_written),
	    TEST(lpc_is_ich9s),
	    TEST(firmware_places_the_acpi_ports),
	    TEST(firmware_switches_off_with_type_0),
	    TEST(firmware_knows_their_places_only),
	};

	log_init("test_q35", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
