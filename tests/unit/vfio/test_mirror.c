/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Config space inside an NVIDIA GPU's BAR 0. The fake's registers of config
 * space may not be written through it: world_fini() aborts when one was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_world.h"

#define SLOT   6u
#define MIRROR 0x88000u
/* Capabilities of fake_gpu(). */
#define PM  0x60u
#define MSI 0x68u

static uint64_t get(struct world *w, unsigned off, unsigned size)
{
	return world_bar_read(w, SLOT, 0, MIRROR + off, size);
}

static void put(struct world *w, unsigned off, unsigned size, uint64_t value)
{
	world_bar_write(w, SLOT, 0, MIRROR + off, size, value);
}

static struct fake_device *begin(struct world *w, struct fake_device *dev)
{
	world_one(w, dev, "3/0/0");
	world_enable(w, SLOT);
	(void)fake_trace(&w->kernel);
	return dev;
}

/* Its page is trapped, what is around it is not. */
static void test_page(void **state UNUSED)
{
	struct world w;

	begin(&w, fake_gpu());
	assert_true(world_bar_direct(&w, SLOT, 0, MIRROR - 1));
	assert_false(world_bar_direct(&w, SLOT, 0, MIRROR));
	assert_false(world_bar_direct(&w, SLOT, 0, MIRROR + 0xfff));
	assert_true(world_bar_direct(&w, SLOT, 0, MIRROR + 0x1000));
	world_fini(&w);
}

/* The guest's addresses, not the host's; everything as in config space. */
static void test_reads(void **state UNUSED)
{
	struct fake_device *dev;
	unsigned off, size;
	struct world w;

	dev = begin(&w, fake_gpu());
	assert_int_equal(fake_get32(dev->cfg + PCI_BASE_ADDRESS_0), 0x80000000);
	assert_int_equal(get(&w, PCI_BASE_ADDRESS_0, 4), 0xc0000000);
	assert_int_equal(get(&w, PCI_BASE_ADDRESS_0 + 3, 1), 0xc0);
	assert_int_equal(get(&w, PCI_BASE_ADDRESS_0 + 2, 2), 0xc000);
	/* Two registers at once. */
	assert_int_equal(get(&w, PCI_BASE_ADDRESS_0, 8), 0x0000000cc0000000);
	for (off = 0; off < PCI_STD_HEADER_SIZEOF; off += 4)
		for (size = 1; size <= 4; size *= 2)
			assert_int_equal(get(&w, off, size),
					 world_read(&w, SLOT, off, size));
	/* A hidden capability is hidden here too: SR-IOV at 100h. */
	assert_int_equal(fake_get32(dev->cfg + 0x10c), 0x00080008);
	assert_int_equal(get(&w, 0x10c, 4), 0);
	assert_int_equal(get(&w, 0x100, 4), world_read(&w, SLOT, 0x100, 4));
	world_fini(&w);
}

/* Misaligned ones come in bytes; each goes where it belongs. */
static void test_straddling(void **state UNUSED)
{
	struct fake_device *dev;
	struct world w;

	dev = begin(&w, fake_gpu());
	/* The last bytes of the header and the first of the chip's. */
	dev->region[0].data[MIRROR + 0x40] = 0x5a;
	assert_int_equal(get(&w, 0x3e, 4), 0x5a0000);
	put(&w, 0x3c, 8, 0x8877665544332211);
	assert_int_equal(fake_get32(dev->region[0].data + MIRROR + 0x40),
			 0x88776655);
	/* The interrupt line is the guest's own. */
	assert_int_equal(world_read(&w, SLOT, PCI_INTERRUPT_LINE, 1), 0x11);
	put(&w, 0x3d, 4, 0x04030201);
	assert_int_equal(dev->region[0].data[MIRROR + 0x40], 0x04);
	/* Into the page from before it. */
	fake_put32(dev->region[0].data + MIRROR - 4, 0xaabbccdd);
	assert_int_equal(world_bar_read(&w, SLOT, 0, MIRROR - 2, 4),
			 0x10deaabb);
	world_bar_write(&w, SLOT, 0, MIRROR - 2, 4, 0x11112222);
	assert_int_equal(fake_get32(dev->region[0].data + MIRROR - 4),
			 0x2222ccdd);
	world_fini(&w);
}

/* What a guest writes to config space here has the effects it has there. */
static void test_writes(void **state UNUSED)
{
	struct fake_device *dev;
	struct world w;

	dev = begin(&w, fake_gpu());
	/* Bus mastering off, on the device as well, through VFIO. */
	put(&w, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_string_equal(fake_trace(&w.kernel),
			    "config 03:00.0 0x04/2 = 0x0002\n");
	assert_int_equal(world_read(&w, SLOT, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY);
	/* Ids, SR-IOV, error masks: nothing. */
	put(&w, 0, 4, 0);
	put(&w, 0x10c, 4, 0xffffffff);
	put(&w, 0x148 + PCI_ERR_UNCOR_MASK, 4, 0xffffffff);
	assert_string_equal(fake_trace(&w.kernel), "");
	assert_int_equal(world_read(&w, SLOT, 0, 4), 0x1bb310de);
	assert_int_equal(fake_get32(dev->cfg + 0x10c), 0x00080008);
	/* The power state, and with it the BARs. */
	put(&w, PM + PCI_PM_CTRL, 2, 3);
	assert_int_equal(dev->cfg[PM + PCI_PM_CTRL] & 3, 3);
	assert_false(world_bar_direct(&w, SLOT, 0, 0));
	assert_int_equal(get(&w, 0, 4), UINT32_MAX);
	put(&w, PM + PCI_PM_CTRL, 2, 0);
	assert_int_equal(dev->cfg[PM + PCI_PM_CTRL] & 3, 3);
	world_write(&w, SLOT, PM + PCI_PM_CTRL, 2, 0);
	assert_int_equal(get(&w, 0, 4), 0x1bb310de);
	world_fini(&w);
}

/* BAR 0 moved through itself: the device's own stays where it is. */
static void test_move(void **state UNUSED)
{
	struct fake_device *dev;
	uint32_t before;
	struct world w;

	dev = begin(&w, fake_gpu());
	before = fake_get32(dev->cfg + PCI_BASE_ADDRESS_0);
	put(&w, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	assert_int_equal(fake_get32(dev->cfg + PCI_BASE_ADDRESS_0), before);
	assert_int_equal(fake_get32(dev->vconfig + PCI_BASE_ADDRESS_0), before);
	assert_string_equal(
	    fake_trace(&w.kernel),
	    "unslot 0xc0000000\nunslot 0xc0089000\n"
	    "slot 0xd0000000+0x88000\nslot 0xd0089000+0xf77000\n");
	/* It is there now, and shows so. */
	assert_int_equal(get(&w, PCI_BASE_ADDRESS_0, 4), 0xd0000000);
	assert_true(world_bar_direct(&w, SLOT, 0, 0));
	/* Decoding off through itself: it is gone. */
	put(&w, PCI_COMMAND, 2, 0);
	assert_int_equal(get(&w, 0, 4), UINT32_MAX);
	world_enable(&w, SLOT);
	assert_int_equal(get(&w, 0, 4), 0x1bb310de);
	world_fini(&w);
}

/* MSI is programmed through it, and acknowledged. */
static void test_msi(void **state UNUSED)
{
	struct fake_device *dev;
	struct world w;

	dev = begin(&w, fake_gpu());
	put(&w, MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee01000);
	put(&w, MSI + PCI_MSI_DATA_64, 2, 0x40);
	put(&w, MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	assert_string_equal(fake_trace(&w.kernel),
			    "route 24 = 0xfee01000 0x40\nattach 24 e3\n"
			    "irq 03:00.0 MSI trigger 0+1 e3\n");
	assert_int_equal(dev->mirror_acks, 0);
	/* The ways of nouveau with NV40 to GM200, GF100, GP100. */
	put(&w, MSI, 1, 0xff);
	assert_int_equal(dev->mirror_acks, 1);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88068/1 = 0xff\n");
	put(&w, 0x704, 1, 0xff);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88704/1 = 0xff\n");
	put(&w, 0x704, 4, 0);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88704/4 = 0x0\n");
	/* Nothing of it is seen in config space. */
	assert_int_equal(get(&w, MSI, 1), PCI_CAP_ID_MSI);
	assert_int_equal(world_read(&w, SLOT, MSI + PCI_MSI_FLAGS, 2) & 1, 1);
	assert_true(fake_fire(dev, 0));
	assert_int_equal(world_delivered(&w, 24), 1);
	world_fini(&w);
}

/* A wider write: the chip gets its bytes and no other. */
static void test_wide_ack(void **state UNUSED)
{
	struct fake_device *dev;
	struct world w;

	dev = begin(&w, fake_gpu());
	put(&w, MSI, 2, 0xffff);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88068/2 = 0xffff\n");
	put(&w, MSI, 4, 0x008000ff);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88068/2 = 0xff\n");
	put(&w, MSI, 8, 0xfee0100000800011);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88068/2 = 0x11\n");
	assert_int_equal(world_read(&w, SLOT, MSI + 4, 4), 0xfee01000);
	put(&w, MSI + 1, 1, 7);
	assert_string_equal(fake_trace(&w.kernel),
			    "write 03:00.0 BAR 0 0x88069/1 = 0x7\n");
	assert_int_equal(dev->mirror_acks, 3);
	world_fini(&w);
}

/* The chip's own, among them vendor-specific capabilities' bodies. */
static void test_chip(void **state UNUSED)
{
	static const unsigned own[] = {0x40, 0x50, 0x41c, 0x704, 0xffc};
	struct fake_device *dev;
	struct world w;
	size_t i;

	dev = begin(&w, fake_gpu());
	for (i = 0; i < ARRAY_LEN(own); i++) {
		put(&w, own[i], 4, 0x1000 + own[i]);
		assert_int_equal(
		    fake_get32(dev->region[0].data + MIRROR + own[i]),
		    0x1000 + own[i]);
		assert_int_equal(get(&w, own[i], 4), 0x1000 + own[i]);
	}
	put(&w, 0x708, 8, 0x1122334455667788);
	assert_int_equal(get(&w, 0x708, 8), 0x1122334455667788);
	put(&w, 0x238, 4, 5); /* in the VSEC at 230h */
	assert_int_equal(get(&w, 0x238, 4), 5);
	/* Gone from the bus: ones, and no harm. */
	dev->dead = true;
	assert_int_equal(get(&w, 0x41c, 4), UINT32_MAX);
	put(&w, 0x41c, 4, 1);
	world_fini(&w);
}

static void is_direct(struct fake_device *dev, const char *opts, unsigned off)
{
	struct world w;

	world_one(&w, dev, opts);
	world_enable(&w, SLOT);
	assert_true(world_bar_direct(&w, SLOT, 0, off));
	world_fini(&w);
}

/* Not asked for, not NVIDIA's, not a display: nothing is trapped. */
static void test_others(void **state UNUSED)
{
	struct fake_device *dev;

	is_direct(fake_gpu(), "3/0/0,mirror=off", MIRROR);
	dev = fake_gpu();
	fake_put16(dev->cfg + PCI_VENDOR_ID, 0x1002);
	is_direct(dev, "3/0/0", MIRROR);
	dev = fake_gpu();
	fake_put32(dev->cfg + PCI_CLASS_REVISION, 0x040300a1);
	is_direct(dev, "3/0/0", MIRROR);
	/* Too small for one. */
	dev = fake_nvme();
	fake_put16(dev->cfg + PCI_VENDOR_ID, 0x10de);
	fake_put32(dev->cfg + PCI_CLASS_REVISION, 0x030000a1);
	fake_put32(dev->region[0].data, 0x134000a1);
	memcpy(dev->healthy, dev->region[0].data, 4);
	is_direct(dev, "3/0/0", 0x1000);
}

/* Where a chip has it is seen by the ids; without any, at the usual place. */
static void test_places(void **state UNUSED)
{
	struct fake_device *dev = fake_gpu();
	struct world w;

	dev->mirror = 0x92000;
	world_one(&w, dev, "3/0/0");
	world_enable(&w, SLOT);
	assert_true(world_bar_direct(&w, SLOT, 0, MIRROR));
	assert_false(world_bar_direct(&w, SLOT, 0, 0x92000));
	assert_int_equal(world_bar_read(&w, SLOT, 0, 0x92010, 4), 0xc0000000);
	world_fini(&w);

	dev = fake_gpu();
	dev->mirror = 0;
	world_one(&w, dev, "3/0/0");
	world_enable(&w, SLOT);
	assert_false(world_bar_direct(&w, SLOT, 0, MIRROR));
	assert_true(world_bar_direct(&w, SLOT, 0, 0x92000));
	assert_int_equal(get(&w, PCI_BASE_ADDRESS_0, 4), 0xc0000000);
	world_fini(&w);
}

/* A conventional chip: 256 bytes at 1800h, and the rest of their page. */
static void test_old(void **state UNUSED)
{
	struct fake_device *dev = fake_gpu();
	struct world w;

	dev->mirror = 0x1800;
	dev->exp = 0;
	dev->cfg[MSI + 1] = 0; /* PM and MSI only */
	dev->cfg_size = 256;
	dev->region[VFIO_PCI_CONFIG_REGION_INDEX].size = 256;
	world_one(&w, dev, "3/0/0");
	world_enable(&w, SLOT);
	assert_true(world_bar_direct(&w, SLOT, 0, 0));
	assert_true(world_bar_direct(&w, SLOT, 0, MIRROR));
	assert_false(world_bar_direct(&w, SLOT, 0, 0x1800));
	assert_int_equal(world_bar_read(&w, SLOT, 0, 0x1810, 4), 0xc0000000);
	world_bar_write(&w, SLOT, 0, 0x1810, 4, 0xd0000000);
	assert_int_equal(world_read(&w, SLOT, 0x10, 4), 0xd0000000);
	/* Registers before and behind it, in its page. */
	dev->mirror = 0; /* the fake's reaches further */
	world_bar_write(&w, SLOT, 0, 0x17f8, 8, 0x1122334455667788);
	assert_int_equal(fake_get32(dev->region[0].data + 0x17f8), 0x55667788);
	world_bar_write(&w, SLOT, 0, 0x1900, 4, 0xabcd);
	assert_int_equal(world_bar_read(&w, SLOT, 0, 0x1900, 4), 0xabcd);
	world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_page),     cmocka_unit_test(test_reads),
	    cmocka_unit_test(test_writes),   cmocka_unit_test(test_straddling),
	    cmocka_unit_test(test_move),     cmocka_unit_test(test_msi),
	    cmocka_unit_test(test_wide_ack), cmocka_unit_test(test_chip),
	    cmocka_unit_test(test_others),   cmocka_unit_test(test_places),
	    cmocka_unit_test(test_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
