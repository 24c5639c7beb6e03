/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reset ladder with devices and kernels that are known to be broken, and
 * its last rung, the power of the slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_world.h"

#define DEV(w) ((w)->kernel.dev[0])
#define PORT   "sys/bus/pci/devices/0000:00:1c.0/"
#define NIC    "sys/bus/pci/devices/0000:03:00.0/"

static const struct status *last(const struct world *w)
{
	assert_true(w->statuses > 0);
	return &w->status[w->statuses - 1];
}

/* A guest with an NVMe of these ids, left enabled. */
static void running(struct world *w, unsigned vendor, unsigned device)
{
	struct fake_device *dev = fake_nvme();

	fake_put16(dev->cfg + PCI_VENDOR_ID, vendor);
	fake_put16(dev->cfg + PCI_DEVICE_ID, device);
	world_one(w, dev, "3/0/0");
	world_enable(w, 6);
	fake_sicken(dev);
	w->kernel.slept_ms = 0;
	(void)fake_trace(&w->kernel);
}

static void test_wait_after_flr(void **state UNUSED)
{
	struct world w;

	running(&w, 0x8086, 0x0953);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "flr");
	assert_int_equal(w.kernel.slept_ms, 250);
	/* Where the kernel knows the device it has waited itself. */
	w.kernel.slept_ms = 0;
	world_fini(&w);

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_device_place(DEV(&w), 3, 0, 0, 12);
	fake_put16(DEV(&w)->cfg + PCI_VENDOR_ID, 0x8086);
	fake_put16(DEV(&w)->cfg + PCI_DEVICE_ID, 0x0953);
	strcpy(DEV(&w)->reset_methods, "device_specific flr bus");
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	w.kernel.slept_ms = 0;
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "device_specific");
	assert_int_equal(w.kernel.slept_ms, 0);
	world_fini(&w);
}

/* The controller is off before it is reset: the trace has the order. */
static void test_nvme_stopped(void **state UNUSED)
{
	const char *trace, *stop, *reset;
	struct world w;

	running(&w, 0x144d, 0xa804);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	trace = fake_trace(&w.kernel);
	stop = strstr(trace, "0x14");
	reset = strstr(trace, "reset 0000:03:00.0");
	assert_non_null(stop);
	assert_non_null(reset);
	assert_true(stop < reset);
	assert_string_equal(last(&w)->method, "flr");
	world_fini(&w);
}

static void test_no_flr(void **state UNUSED)
{
	struct world w;

	running(&w, 0x1022, 0x7901);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(DEV(&w)->resets_function, 0);
	assert_string_equal(last(&w)->method, "bus");
	world_fini(&w);
}

/* A Tesla T4 that only has a bus reset is better off with none. */
static void test_no_bus(void **state UNUSED)
{
	struct fake_device *dev = fake_gpu();
	struct world w;

	fake_put16(dev->cfg + PCI_VENDOR_ID, 0x10de);
	fake_put16(dev->cfg + PCI_DEVICE_ID, 0x1eb8);
	world_one(&w, dev, "3/0/0");
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(dev->resets_bus, 0);
	assert_string_equal(last(&w)->method, "none");
	assert_non_null(strstr(last(&w)->text, "NVIDIA Tesla T4: a bus reset "
					       "leaves it dead"));
	world_fini(&w);
}

/* Bus resets of this kernel do nothing: pm first. */
static void test_kernel(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_e1000e());
	fake_device_place(DEV(&w), 3, 0, 0, 12);
	world_start(&w);
	fake_sysfs_write(w.root, "proc/sys/kernel/osrelease",
			 "6.14.2-arch1-1\n");
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	fake_sicken(DEV(&w));
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "pm");
	assert_int_equal(DEV(&w)->resets_bus, 0);
	/* What does not come back is blamed on it. */
	fake_sicken(DEV(&w));
	DEV(&w)->dead = true;
	DEV(&w)->by_pm.leaves_sick = true;
	DEV(&w)->by_bus.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	assert_non_null(strstr(last(&w)->text,
			       "Linux 6.14.2-arch1-1 has a broken bus reset"));
	fake_sysfs_write(w.root, "proc/sys/kernel/osrelease", "6.14.20\n");
	DEV(&w)->dead = false;
	DEV(&w)->by_bus.leaves_sick = false;
	fake_sicken(DEV(&w));
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "bus");
	world_fini(&w);
}

/* ---- D3cold ---- */

static void sysfs_is(const struct world *w, const char *file, const char *text)
{
	char path[160], found[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->root, file);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(found, sizeof(found), f));
	fclose(f);
	assert_int_equal(strncmp(found, text, strlen(text)), 0);
}

static void attributes(const struct world *w, const char *dir,
		       const char *control)
{
	char path[128];

	snprintf(path, sizeof(path), "%sd3cold_allowed", dir);
	fake_sysfs_write(w->root, path, "1\n");
	snprintf(path, sizeof(path), "%spower/control", dir);
	fake_sysfs_write(w->root, path, control);
}

/* An NVMe that no other rung helps, in a slot whose power can be switched. */
static void sick_nvme(struct world *w, const char *opts)
{
	struct fake_device *dev = fake_nvme();

	world_init(w);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_kernel_add(&w->kernel, dev);
	world_start(w);
	w->kernel.slot_power = true;
	attributes(w, PORT, "on\n");
	attributes(w, NIC, "auto\n");
	assert_int_equal(world_passthru(w, 6, opts, NULL), 0);
	world_assign(w);
	world_enable(w, 6);
	fake_sicken(dev);
	dev->by_function.leaves_sick = true;
	dev->by_bus.leaves_sick = true;
}

static void test_d3cold_last(void **state UNUSED)
{
	struct world w;

	sick_nvme(&w, "3/0/0");
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "d3cold");
	assert_true(last(&w)->ok);
	assert_int_equal(DEV(&w)->resets_function, 1);
	assert_int_equal(DEV(&w)->resets_bus, 1);
	assert_int_equal(DEV(&w)->power_cycles, 1);
	/* As they were. */
	sysfs_is(&w, PORT "power/control", "on");
	sysfs_is(&w, NIC "power/control", "auto");
	world_fini(&w);
}

static void test_d3cold_first(void **state UNUSED)
{
	struct world w;

	sick_nvme(&w, "3/0/0,reset=d3cold");
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "d3cold");
	assert_int_equal(DEV(&w)->resets_function, 0);
	world_fini(&w);
}

/* One thing is in the way: nothing is switched, and nobody is left asleep. */
static void not_cycled(struct world *w)
{
	assert_int_equal(vfio_reset_all(w->ctx), -EIO);
	assert_string_equal(last(w)->method, "bus");
	assert_non_null(strstr(last(w)->text, "still enabled"));
	assert_int_equal(DEV(w)->power_cycles, 0);
	assert_false(DEV(w)->low_power);
	sysfs_is(w, PORT "power/control", "on");
	world_fini(w);
}

static void test_d3cold_refused(void **state UNUSED)
{
	struct world w;

	sick_nvme(&w, "3/0/0");
	fake_sysfs_write(w.root, NIC "d3cold_allowed", "0\n");
	not_cycled(&w);
	sick_nvme(&w, "3/0/0");
	fake_sysfs_write(w.root, PORT "d3cold_allowed", "0\n");
	not_cycled(&w);
	/* A kernel that does not know of it. */
	sick_nvme(&w, "3/0/0");
	DEV(&w)->low_power_error = -ENOTTY;
	not_cycled(&w);
	/* A slot that keeps its power; for no longer than the deadline. */
	sick_nvme(&w, "3/0/0");
	w.kernel.slot_power = false;
	w.kernel.slept_ms = 0;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	assert_int_equal(w.kernel.slept_ms, 3000);
	assert_false(DEV(&w)->low_power);
	world_fini(&w);
}

/* A neighbour below the port that somebody else uses, or nobody. */
static void neighbour(const char *status, bool cycled)
{
	struct fake_device *dev = fake_nvme(), *other = fake_rtl8139();
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, dev);
	fake_kernel_add(&w.kernel, other);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_device_place(other, 3, 0, 1, 13);
	world_start(&w);
	w.kernel.slot_power = true;
	attributes(&w, PORT, "on\n");
	attributes(&w, NIC, "auto\n");
	fake_sysfs_write(w.root,
			 "sys/bus/pci/devices/0000:03:00.1/power/"
			 "runtime_status",
			 status);
	assert_int_equal(world_passthru(&w, 6, "3/0/0,reset=d3cold", NULL), 0);
	fake_sicken(dev);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(dev->power_cycles, cycled);
	assert_string_equal(last(&w)->method, cycled ? "d3cold" : "flr");
	world_fini(&w);
}

static void test_d3cold_neighbour(void **state UNUSED)
{
	neighbour("active\n", false);
	neighbour("suspended\n", true);
}

/* Two functions of the guest: both sleep, both count as reset. */
static void test_d3cold_together(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme(), *other = fake_nvme();
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, dev);
	fake_kernel_add(&w.kernel, other);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_device_place(other, 3, 0, 1, 12);
	world_start(&w);
	w.kernel.slot_power = true;
	attributes(&w, PORT, "on\n");
	attributes(&w, NIC, "auto\n");
	assert_int_equal(world_passthru(&w, 6, "3/0/0,reset=d3cold", NULL), 0);
	assert_int_equal(world_passthru(&w, 7, "3/0/1", NULL), 0);
	fake_sicken(dev);
	fake_sicken(other);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(dev->power_cycles, 1);
	assert_int_equal(other->power_cycles, 1);
	assert_int_equal(other->resets_function, 0);
	assert_true(last(&w)->ok);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wait_after_flr),
	    cmocka_unit_test(test_nvme_stopped),
	    cmocka_unit_test(test_no_flr),
	    cmocka_unit_test(test_no_bus),
	    cmocka_unit_test(test_kernel),
	    cmocka_unit_test(test_d3cold_last),
	    cmocka_unit_test(test_d3cold_first),
	    cmocka_unit_test(test_d3cold_refused),
	    cmocka_unit_test(test_d3cold_neighbour),
	    cmocka_unit_test(test_d3cold_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
