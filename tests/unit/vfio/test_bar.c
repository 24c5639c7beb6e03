/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of BARs: what is mapped straight, what is trapped, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_world.h"

#define DEV(w) ((w)->kernel.dev[0])

/* The vector table shares its page with registers: that page is trapped. */
static void test_shared_page(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	fake_put32(dev->cfg + dev->msix + PCI_MSIX_TABLE, 0x1800);
	fake_put32(dev->cfg + dev->msix + PCI_MSIX_PBA, 0x1f00);
	world_one(&w, dev, "3/0/0");
	world_enable(&w, 6);
	assert_true(world_bar_direct(&w, 6, 0, 0));
	assert_false(world_bar_direct(&w, 6, 0, 0x1000));
	assert_true(world_bar_direct(&w, 6, 0, 0x2000));
	/* The registers in it work, only slower. */
	world_bar_write(&w, 6, 0, 0x1004, 4, 0x1234);
	assert_int_equal(fake_get32(dev->region[0].data + 0x1004), 0x1234);
	assert_int_equal(world_bar_read(&w, 6, 0, 0x1004, 4), 0x1234);
	/* The table is the core's: the device's own is not touched. */
	world_bar_write(&w, 6, 0, 0x1800, 4, 0xfee00000);
	assert_int_equal(fake_get32(dev->region[0].data + 0x1800), 0);
	world_fini(&w);
}

static void test_sparse(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	dev->region[0].areas = 2;
	dev->region[0].area[0] =
	    (struct vfio_region_sparse_mmap_area){0, 0x1000};
	dev->region[0].area[1] =
	    (struct vfio_region_sparse_mmap_area){0x2000, 0x2000};
	world_one(&w, dev, "3/0/0");
	world_enable(&w, 6);
	assert_true(world_bar_direct(&w, 6, 0, 0));
	assert_false(world_bar_direct(&w, 6, 0, 0x1000));
	/* In an area, but with the vector table and the pending bits. */
	assert_false(world_bar_direct(&w, 6, 0, 0x2000));
	assert_false(world_bar_direct(&w, 6, 0, 0x3000));
	world_fini(&w);
}

/* A kernel that lets the table be mapped changes nothing for the guest. */
static void test_msix_mappable(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	dev->region[0].msix_mappable = true;
	world_one(&w, dev, "3/0/0");
	world_enable(&w, 6);
	assert_true(world_bar_direct(&w, 6, 0, 0x1000));
	assert_false(world_bar_direct(&w, 6, 0, 0x2000));
	world_fini(&w);
}

/* A small BAR that has its page for itself gets the page. */
static void test_sub_page(void **state UNUSED)
{
	struct fake_device *dev = fake_rtl8139();
	struct world w;

	world_one(&w, dev, "3/0/0");
	world_enable(&w, 6);
	assert_false(world_bar_direct(&w, 6, 1, 0));
	world_bar_write(&w, 6, 1, 0x10, 2, 0xbeef);
	assert_int_equal(world_bar_read(&w, 6, 1, 0x10, 2), 0xbeef);
	world_fini(&w);

	dev = fake_rtl8139();
	dev->region[1].flags |= VFIO_REGION_INFO_FLAG_MMAP;
	world_one(&w, dev, "3/0/0");
	world_enable(&w, 6);
	assert_true(world_bar_direct(&w, 6, 1, 0));
	world_write(&w, 6, PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	assert_int_equal(world_read(&w, 6, PCI_BASE_ADDRESS_1, 4), 0xfffff000);
	world_fini(&w);
}

/* Huge pages need the host address to be congruent with the BAR's. */
static void test_alignment(void **state UNUSED)
{
	struct world w;
	unsigned i, seen = 0;

	world_one(&w, fake_gpu(), "3/0/0,mirror=off");
	world_enable(&w, 6);
	for (i = 0; i < WORLD_SLOTS; i++) {
		uint64_t align = w.slot[i].size >= GIB(1) ? GIB(1) : MIB(2);

		if (!w.slot[i].used)
			continue;
		seen++;
		assert_int_equal((uintptr_t)w.slot[i].host & (align - 1), 0);
	}
	assert_int_equal(seen, 3);
	world_fini(&w);
}

/* No slot, or an address that is taken: trapped, and it works. */
static void test_no_slot(void **state UNUSED)
{
	struct world w;

	world_one(&w, fake_nvme(), "3/0/0");
	w.no_slots = true;
	world_enable(&w, 6);
	assert_false(world_bar_direct(&w, 6, 0, 0));
	assert_int_equal(world_bar_read(&w, 6, 0, 0, 4), 0x0f0107ff);
	/* Later there are some. */
	w.no_slots = false;
	world_write(&w, 6, PCI_COMMAND, 2, 0);
	world_enable(&w, 6);
	assert_true(world_bar_direct(&w, 6, 0, 0));
	world_fini(&w);
}

/* Surprise removal: the guest reads ones and nothing breaks. */
static void test_gone(void **state UNUSED)
{
	struct world w;

	world_one(&w, fake_nvme(), "3/0/0");
	world_enable(&w, 6);
	DEV(&w)->dead = true;
	assert_int_equal(world_bar_read(&w, 6, 0, 0x2000 + 17 * 16, 4),
			 UINT32_MAX);
	assert_int_equal(world_read(&w, 6, 0x60 + PCI_PM_CTRL, 2), 0xffff);
	/* Ids are a copy. */
	assert_int_equal(world_read(&w, 6, 0, 4), 0x00101b36);
	/* A power state that cannot be read takes the BARs away. */
	world_write(&w, 6, 0x60 + PCI_PM_CTRL, 2, 0);
	assert_false(world_bar_direct(&w, 6, 0, 0));
	world_fini(&w);
}

/* The host's firmware gave a memory BAR no address. */
static void test_unassigned(void **state UNUSED)
{
	struct fake_device *dev = fake_gpu();
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, dev);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_put32(dev->cfg + PCI_BASE_ADDRESS_1, 0xc);
	fake_put32(dev->cfg + PCI_BASE_ADDRESS_2, 0);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), -ENODEV);
	assert_string_equal(
	    err.msg,
	    "0000:03:00.0 (3/0/0): the host's firmware gave BAR 1 (2048 MiB) no"
	    " address; enable 'Above 4G decoding' (or 'Memory mapped I/O above"
	    " 4 GB') and disable CSM in the firmware, or try pci=realloc on the"
	    " host kernel's command line");
	/* Before VFIO was asked for anything. */
	assert_string_equal(fake_trace(&w.kernel), "");
	world_fini(&w);
}

/* MSI-X structures outside of the BARs: not shown, MSI-X is lost. */
static void test_bad_table(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	fake_put32(dev->cfg + dev->msix + PCI_MSIX_TABLE, 0x100000);
	world_one(&w, dev, "3/0/0");
	assert_int_equal(world_read(&w, 6, PCI_CAPABILITY_LIST, 1), 0x80);
	assert_int_equal(world_read(&w, 6, 0x40, 4), 0);
	world_fini(&w);

	dev = fake_nvme();
	fake_put32(dev->cfg + dev->msix + PCI_MSIX_TABLE, 0x2007);
	world_one(&w, dev, "3/0/0");
	assert_int_equal(world_read(&w, 6, 0x40, 4), 0);
	world_fini(&w);
}

/* Lists that run in circles or into the header end there. */
static void test_bad_lists(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	dev->cfg[0x61] = 0x40;			  /* back to the first */
	fake_put32(dev->cfg + 0x100, 0x10020001); /* to itself */
	world_one(&w, dev, "3/0/0");
	assert_int_equal(world_read(&w, 6, 0x61, 1), 0);
	assert_int_equal(world_read(&w, 6, 0x100, 4), 0x00020001);
	world_fini(&w);

	dev = fake_nvme();
	dev->cfg[0x61] = 0x10;
	fake_put32(dev->cfg + 0x100, 0x0f020001);
	world_one(&w, dev, "3/0/0");
	assert_int_equal(world_read(&w, 6, 0x61, 1), 0);
	world_fini(&w);
}

/* A legacy endpoint may not sit on a root bus: its capability is hidden. */
static void test_legacy_endpoint(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	dev->cfg[dev->exp + PCI_EXP_FLAGS] |= PCI_EXP_TYPE_LEG_END << 4;
	world_one(&w, dev, "3/0/0");
	assert_int_equal(world_read(&w, 6, 0x41, 1), 0x60);
	assert_int_equal(world_read(&w, 6, 0x80, 4), 0);
	/* Without it there is no extended space either. */
	assert_int_equal(world_read(&w, 6, 0x100, 4), UINT32_MAX);
	world_write(&w, 6, 0x88, 2, 0x8000);
	assert_int_equal(dev->resets_function, 0);
	world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shared_page),
	    cmocka_unit_test(test_sparse),
	    cmocka_unit_test(test_msix_mappable),
	    cmocka_unit_test(test_sub_page),
	    cmocka_unit_test(test_alignment),
	    cmocka_unit_test(test_no_slot),
	    cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_unassigned),
	    cmocka_unit_test(test_bad_table),
	    cmocka_unit_test(test_bad_lists),
	    cmocka_unit_test(test_legacy_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
