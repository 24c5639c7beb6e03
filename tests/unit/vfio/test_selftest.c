/* SPDX-License-Identifier: BSD-2-Clause */
/* byway-probe's work: every step, what it says when one fails, and that
 * nothing stays open (world_fini() checks). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_world.h"

struct heard {
	char text[4096];
};

static void hear(void *ctx, const struct probe_line *line)
{
	struct heard *heard = ctx;
	size_t used = strlen(heard->text);

	snprintf(heard->text + used, sizeof(heard->text) - used, "%s %s %s\n",
		 probe_step_name(line->step), probe_outcome_name(line->outcome),
		 line->text);
}

static void begin(struct world *w, struct fake_device *dev)
{
	world_init(w);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_kernel_add(&w->kernel, dev);
	world_start(w);
}

static int selftest(struct world *w, struct heard *heard, struct err *err)
{
	const struct hostpci_addr addr = {.bus = 3};
	int r;

	heard->text[0] = '\0';
	r = vfio_selftest(w->ctx, addr, hear, heard, err);
	/* Whatever happened: nothing of it is left. */
	assert_int_equal(w->kernel.containers, 0);
	assert_int_equal(w->kernel.groups, 0);
	return r;
}

static void test_well(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct heard heard;
	struct err err = {0};
	struct world w;

	begin(&w, dev);
	for (unsigned round = 1; round <= 3; round++) {
		assert_int_equal(selftest(&w, &heard, &err), 0);
		assert_non_null(strstr(heard.text, "open ok group 12"));
		assert_non_null(strstr(heard.text, "regions ok 1 BAR\n"));
		assert_non_null(strstr(heard.text, "reset ok "));
		assert_non_null(strstr(heard.text, "verify ok ids, power"));
		assert_non_null(
		    strstr(heard.text, "interrupts ok MSI-X, 17 in all"));
		assert_non_null(strstr(heard.text, "close ok"));
		assert_int_equal(dev->irq_index, -1);
	}
	assert_int_equal(dev->resets_function, 3);
	world_fini(&w);
}

/* What the device's ROM holds; how many maps the host allows. */
static void rom_is(const char *ids, const char *said)
{
	struct fake_device *dev = fake_e1000e();
	uint8_t *rom = dev->region[VFIO_PCI_ROM_REGION_INDEX].data;
	struct heard heard;
	struct err err = {0};
	struct world w;

	if (ids) {
		rom[2] = 1; /* its length as a BIOS has it, in 512 bytes */
		rom[0x18] = 0x1c;
		memcpy(rom + 0x1c, "PCIR", 4);
		memcpy(rom + 0x20, ids, 4);
		rom[0x1c + 0x10] = 1;
		rom[0x1c + 0x15] = 0x80; /* the last */
		for (unsigned i = 0; i < 511; i++)
			rom[511] = (uint8_t)(rom[511] - rom[i]);
	}
	begin(&w, dev);
	assert_int_equal(selftest(&w, &heard, &err), 0);
	assert_non_null(strstr(heard.text, said));
	assert_int_equal(dev->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY, 0);
	world_fini(&w);
}

static void test_rom(void **state UNUSED)
{
	rom_is(NULL, "regions ok 4 BARs, ROM: no PCI data structure\n");
	rom_is("\x86\x80\xd3\x10", "regions ok 4 BARs, ROM: BIOS\n");
	rom_is("\x86\x80\x33\x15", "regions ok 4 BARs, ROM: for 8086:1533\n");
}

static void test_maps_left(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct heard heard;
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_kernel_add(&w.kernel, dev);
	w.kernel.iovas = 1;
	w.kernel.iova[0] = (struct vfio_iova_range){0, MIB(1) * MIB(1)};
	world_start(&w);
	assert_int_equal(selftest(&w, &heard, &err), 0);
	assert_non_null(strstr(heard.text, " mapped ("));
	assert_non_null(strstr(heard.text, " more can be), the device opened"));
	world_fini(&w);
}

static void test_dead_after_reset(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct heard heard;
	struct err err = {0};
	struct world w;

	begin(&w, dev);
	dev->by_function.error = -ETIMEDOUT;
	assert_int_equal(selftest(&w, &heard, &err), 1);
	assert_non_null(strstr(heard.text, "reset failed "));
	assert_null(strstr(heard.text, "verify"));
	world_fini(&w);
}

static void test_dead(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct heard heard;
	struct err err = {0};
	struct world w;

	begin(&w, dev);
	dev->dead = true;
	dev->by_function.leaves_sick = true;
	assert_int_equal(selftest(&w, &heard, &err), 1);
	assert_non_null(strstr(heard.text, "verify failed it does not answer"));
	assert_null(strstr(heard.text, "close ok"));
	world_fini(&w);
}

static void test_no_remapping(void **state UNUSED)
{
	struct heard heard;
	struct err err = {0};
	struct world w;

	begin(&w, fake_nvme());
	w.kernel.set_iommu_error = -EPERM;
	assert_int_equal(selftest(&w, &heard, &err), 1);
	assert_non_null(strstr(heard.text, "open failed 0000:03:00.0: the host "
					   "has no interrupt remapping"));
	world_fini(&w);
}

static void test_no_map(void **state UNUSED)
{
	struct heard heard;
	struct err err = {0};
	struct world w;

	begin(&w, fake_nvme());
	w.kernel.map_error = -ENOSPC;
	assert_int_equal(selftest(&w, &heard, &err), 1);
	assert_non_null(strstr(heard.text, "dma_entry_limit"));
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_well),
	    cmocka_unit_test(test_rom),
	    cmocka_unit_test(test_maps_left),
	    cmocka_unit_test(test_dead_after_reset),
	    cmocka_unit_test(test_dead),
	    cmocka_unit_test(test_no_remapping),
	    cmocka_unit_test(test_no_map),
	};

	return cmocka_run_group_tests_name("vfio-selftest", tests, NULL, NULL);
}
