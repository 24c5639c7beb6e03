/* SPDX-License-Identifier: BSD-2-Clause */
/* Mediated devices: opened by UUID, reset by their driver only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_world.h"

#define SLOT  6u
#define GROUP 21
#define OTHER "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"
#define TYPE  "sys/bus/mdev/devices/" FAKE_UUID "/mdev_type/device_api"

static void begin(struct world *w)
{
	world_init(w);
	fake_kernel_add(&w->kernel, fake_mtty(GROUP));
	world_start(w);
}

static void well(struct world *w, const char *opts)
{
	struct err err = {0};

	begin(w);
	if (world_passthru(w, SLOT, opts, &err))
		fail_msg("%s", err.msg);
	world_assign(w);
}

static void test_open(void **state UNUSED)
{
	struct world w;

	well(&w, "mdev=" FAKE_UUID);
	assert_string_equal(
	    fake_trace(&w.kernel),
	    "open container\n"
	    "open group 21\n"
	    "group 21 into container\n"
	    "iommu type 3\n"
	    "kvm add group 21\n"
	    "map 0x0+0x400000\n"
	    "map 0x100000000+0x200000\n"
	    "open " FAKE_UUID "\n"
	    "config 4f2-509f-382f-3c1e-e6bfe0fa1001 0x04/2 ="
	    " 0x0000\n"
	    "config 4f2-509f-382f-3c1e-e6bfe0fa1001 0x04/2 ="
	    " 0x0000\n"
	    "reset " FAKE_UUID "\n"
	    "irq 4f2-509f-382f-3c1e-e6bfe0fa1001 request trigger"
	    " 0+1 e1\n"
	    "attach 18 e2 resample e3\n"
	    "irq 4f2-509f-382f-3c1e-e6bfe0fa1001 INTx trigger"
	    " 0+1 e2\n"
	    "irq 4f2-509f-382f-3c1e-e6bfe0fa1001 INTx unmask"
	    " 0+1 e3\n");
	world_fini(&w);
}

/* What the guest sees and uses. */
static void test_guest(void **state UNUSED)
{
	struct fake_device *dev;
	struct world w;

	well(&w, "mdev=" FAKE_UUID);
	dev = w.kernel.dev[0];
	assert_int_equal(world_read(&w, SLOT, 0, 4), 0x32534348);
	assert_int_equal(world_read(&w, SLOT, PCI_CLASS_REVISION, 4),
			 0x07000210);
	/* COMMAND is the guest's, whatever the device's says. */
	assert_int_equal(world_read(&w, SLOT, PCI_COMMAND, 2), 0);
	world_enable(&w, SLOT);
	assert_int_equal(world_read(&w, SLOT, PCI_COMMAND, 2), 5);
	world_bar_write(&w, SLOT, 0, 7, 1, 0x5a);
	assert_int_equal(dev->region[0].data[7], 0x5a);
	assert_int_equal(world_bar_read(&w, SLOT, 0, 7, 1), 0x5a);
	/* Its BARs' registers stay as its driver has them. */
	assert_int_not_equal(world_read(&w, SLOT, PCI_BASE_ADDRESS_0, 4),
			     fake_get32(dev->cfg + PCI_BASE_ADDRESS_0));
	assert_true(fake_fire(dev, 0));
	assert_int_equal(world_delivered(&w, 18), 1);
	/* The last byte is not there: ones, and nobody is asked. */
	assert_int_equal(world_read(&w, SLOT, 0xfe, 1), 0);
	assert_int_equal(world_read(&w, SLOT, 0xff, 1), 0xff);
	assert_int_equal(world_read(&w, SLOT, 0xfc, 4), UINT32_MAX);
	world_write(&w, SLOT, 0xfc, 4, 0);
	world_fini(&w);
}

static void test_reset(void **state UNUSED)
{
	struct world w;

	well(&w, "mdev=" FAKE_UUID);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(w.statuses, 1);
	assert_string_equal(w.status[0].selector, "mdev");
	assert_string_equal(w.status[0].bdf, FAKE_UUID);
	assert_string_equal(w.status[0].method, "device_specific");
	assert_true(w.status[0].ok);
	assert_string_equal(w.status[0].text,
			    "ids, power, interrupts verified");
	/* Before the guest ran, and now. */
	assert_int_equal(w.kernel.dev[0]->resets_function, 2);
	world_fini(&w);
}

/* A driver without a reset: that is told, and no other way is tried. */
static void test_no_reset(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	w.kernel.dev[0]->by_function.error = -ENOTTY;
	assert_int_equal(world_passthru(&w, SLOT, "mdev=" FAKE_UUID, &err), 0);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(w.status[0].method, "none");
	assert_true(w.status[0].ok);
	assert_string_equal(
	    w.status[0].text,
	    "the device has no reset; it may remember its last use");
	world_fini(&w);
}

static void test_reset_fails(void **state UNUSED)
{
	struct world w;

	well(&w, "mdev=" FAKE_UUID);
	w.kernel.dev[0]->by_function.error = -EIO;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	assert_false(w.status[0].ok);
	assert_string_equal(w.status[0].text,
			    "the reset failed: Input/output error; see the"
			    " kernel's log for its driver, or create it anew");
	world_fini(&w);
}

static void test_spellings(void **state UNUSED)
{
	static const char *const good[] = {
	    "mdev=83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
	    "mdev=/sys/bus/mdev/devices/" FAKE_UUID,
	    "mdev=" FAKE_UUID ",reset=flr,intpin=b,unsafe=acs",
	};
	struct world w;
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		well(&w, good[i]);
		world_fini(&w);
	}
}

static void refused_in(struct world *w, const char *opts, int code,
		       const char *sentence)
{
	struct err err = {0};

	assert_int_equal(world_passthru(w, SLOT, opts, &err), code);
	assert_string_equal(err.msg, sentence);
}

static void refused(const char *opts, int code, const char *sentence)
{
	struct world w;

	begin(&w);
	refused_in(&w, opts, code, sentence);
	assert_string_equal(fake_trace(&w.kernel), "");
	world_fini(&w);
}

static void test_refused(void **state UNUSED)
{
	static const char *const bad[] = {
	    "1", FAKE_UUID "0", "83b8f4f2-509f-382f-3c1e-e6bfe0fa100g",
	    "83b8f4f2+509f-382f-3c1e-e6bfe0fa1001", "/sys/bus/mdev/" FAKE_UUID};
	char opts[128], sentence[256];
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(opts, sizeof(opts), "mdev=%s", bad[i]);
		snprintf(sentence, sizeof(sentence),
			 "passthru: mdev=%s: expected a UUID, such as"
			 " 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001, or its path in"
			 " /sys/bus/mdev/devices",
			 bad[i]);
		refused(opts, -EINVAL, sentence);
	}
	refused("3/0/0,mdev=" FAKE_UUID, -EINVAL,
		"passthru: mdev=" FAKE_UUID
		": a device of the host, a served and a mediated one exclude"
		" each other");
	refused("vfio-user=/a,mdev=" FAKE_UUID, -EINVAL,
		"passthru: vfio-user=/a: a device of the host, a served and a"
		" mediated one exclude each other");
	refused("mdev=" FAKE_UUID ",reset=bus", -EINVAL,
		"passthru: reset=bus: a mediated device has only its driver's"
		" reset");
	refused("mdev=" FAKE_UUID ",bar0size=1M", -EINVAL,
		"passthru: bar0size: a mediated device's BARs have the sizes"
		" its driver gives them");
	refused("mdev=" OTHER, -ENODEV,
		OTHER ": no such mediated device; create it by writing this"
		      " UUID to a file"
		      " /sys/class/mdev_bus/*/mdev_supported_types/*/create");
}

/* What the host has to say about it. */
static void test_host(void **state UNUSED)
{
	struct err err = {0};
	char path[160];
	struct world w;

	begin(&w);
	fake_sysfs_write(w.root, TYPE, "vfio-ccw\n");
	refused_in(&w, "mdev=" FAKE_UUID, -ENODEV,
		   FAKE_UUID ": a mediated device of the kind \"vfio-ccw\", and"
			     " not a PCI device (vfio-pci)");
	fake_sysfs_write(w.root, TYPE, "vfio-pci\n");
	w.kernel.open_group_error = -EBUSY;
	refused_in(&w, "mdev=" FAKE_UUID, -EBUSY,
		   FAKE_UUID ": in use by another process, which holds its"
			     " IOMMU group 21; stop it first");
	w.kernel.open_group_error = 0;
	w.kernel.dev[0]->dead = true;
	assert_int_not_equal(world_passthru(&w, SLOT, "mdev=" FAKE_UUID, &err),
			     0);
	w.kernel.dev[0]->dead = false;
	snprintf(path, sizeof(path),
		 "%s/sys/bus/mdev/devices/" FAKE_UUID "/iommu_group", w.root);
	assert_int_equal(unlink(path), 0);
	refused_in(&w, "mdev=" FAKE_UUID, -ENODEV,
		   FAKE_UUID ": has no IOMMU group; bind it to its driver"
			     " (/sys/bus/mdev/drivers) or create it anew");
	world_fini(&w);
	/* A host without any. */
	world_init(&w);
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	world_start(&w);
	refused_in(&w, "mdev=" FAKE_UUID, -ENODEV,
		   FAKE_UUID ": no such mediated device, and no driver of this"
			     " host offers any (/sys/class/mdev_bus is"
			     " missing)");
	world_fini(&w);
}

/* With a function of the host in one container; each once. */
static void test_beside(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_mtty(GROUP));
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_device_place(w.kernel.dev[1], 3, 0, 0, 12);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 5, "3/0/0", &err), 0);
	assert_int_equal(world_passthru(&w, 6, "mdev=" FAKE_UUID, &err), 0);
	assert_int_equal(world_passthru(&w, 7, "mdev=" FAKE_UUID, &err),
			 -EEXIST);
	assert_string_equal(err.msg, FAKE_UUID
			    ": given to the guest twice (pci slots 0:6:0"
			    " passthru and 0:7:0 passthru)");
	world_assign(&w);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(w.statuses, 2);
	assert_string_equal(w.status[0].method, "flr");
	assert_string_equal(w.status[1].method, "device_specific");
	world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_guest),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_no_reset),
	    cmocka_unit_test(test_reset_fails),
	    cmocka_unit_test(test_spellings),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_host),
	    cmocka_unit_test(test_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
