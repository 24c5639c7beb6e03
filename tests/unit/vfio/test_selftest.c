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
	    cmocka_unit_test(test_dead_after_reset),
	    cmocka_unit_test(test_dead),
	    cmocka_unit_test(test_no_remapping),
	    cmocka_unit_test(test_no_map),
	};

	return cmocka_run_group_tests_name("vfio-selftest", tests, NULL, NULL);
}
