/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reset ladder and the verification behind it: order, escalation, what
 * counts as failure and how it is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_world.h"

#define DEV(w) ((w)->kernel.dev[0])
#define CURE   "; power the host off and on (a restart may not be enough)"

/* The last event. */
static const struct status *last(const struct world *w)
{
	assert_true(w->statuses > 0);
	return &w->status[w->statuses - 1];
}

static void expect(const struct world *w, const char *method, bool ok,
		   const char *text)
{
	const struct status *st = last(w);

	assert_int_equal(st->kind, STATUS_DEVICE);
	assert_string_equal(st->selector, "3/0/0");
	assert_string_equal(st->bdf, "0000:03:00.0");
	assert_string_equal(st->method, method);
	assert_string_equal(st->text, text);
	assert_int_equal(st->ok, ok);
}

/* A running NVMe guest that leaves its controller enabled. */
static void running_nvme(struct world *w, const char *opts)
{
	world_one(w, fake_nvme(), opts);
	world_enable(w, 6);
	fake_sicken(DEV(w));
	(void)fake_trace(&w->kernel);
}

static void test_function_first(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(DEV(&w)->resets_function, 1);
	assert_int_equal(DEV(&w)->resets_bus, 0);
	expect(&w, "flr", true,
	       "ids, power, BARs, COMMAND, interrupts, NVMe"
	       " controller verified");
	world_fini(&w);
}

static void test_option_bus(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0,reset=bus");
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(DEV(&w)->resets_function, 0);
	assert_int_equal(DEV(&w)->resets_bus, 1);
	assert_string_equal(last(&w)->method, "bus");
	world_fini(&w);
}

/* The kernel says that the function reset worked; the device knows better. */
static void test_escalates(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	DEV(&w)->by_function.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(DEV(&w)->resets_function, 1);
	assert_int_equal(DEV(&w)->resets_bus, 1);
	assert_string_equal(last(&w)->method, "bus");
	assert_true(last(&w)->ok);
	world_fini(&w);
}

static void test_escalates_to_pm(void **state UNUSED)
{
	struct world w;

	world_one(&w, fake_e1000e(), "3/0/0");
	world_enable(&w, 6);
	fake_sicken(DEV(&w));
	DEV(&w)->by_bus.error = -EIO;
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(DEV(&w)->resets_bus, 1);
	assert_int_equal(DEV(&w)->resets_pm, 1);
	assert_string_equal(last(&w)->method, "pm");
	world_fini(&w);
}

/* No method named pm, but the device forgets its state in D3hot. */
static void test_pm_by_register(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_e1000e());
	fake_device_place(DEV(&w), 3, 0, 0, 12);
	DEV(&w)->reset_methods[0] = '\0';
	DEV(&w)->flags = 0;
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0,reset=pm", NULL), 0);
	fake_sicken(DEV(&w));
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "pm");
	/* Once at the start, for want of a reset by the kernel, and now. */
	assert_int_equal(DEV(&w)->resets_pm, 2);
	world_fini(&w);
}

static void test_nothing_helps(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	DEV(&w)->by_function.leaves_sick = true;
	DEV(&w)->by_bus.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	expect(&w, "bus", false,
	       "its NVMe controller is still enabled (CC"
	       " 0x460001)" CURE);
	world_fini(&w);
}

static void test_nvme_does_not_stop(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	fake_put32(DEV(&w)->healthy + 0x1c, 1); /* CSTS.RDY stays */
	w.kernel.slept_ms = 0;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	expect(&w, "bus", false,
	       "its NVMe controller did not stop within"
	       " 7500 ms (CSTS 0x1)" CURE);
	/* It was waited for, as long as the device says, on both rungs. */
	assert_int_equal(w.kernel.slept_ms, 2 * 7500);
	world_fini(&w);
}

static void test_dead(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	DEV(&w)->dead = true;
	DEV(&w)->by_function.leaves_sick = true;
	DEV(&w)->by_bus.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	expect(&w, "bus", false,
	       "it does not answer (its config space reads"
	       " as ones)" CURE);
	world_fini(&w);
}

/* What the bridge above knows goes into the sentence. */
static void bridge_link(struct world *w, unsigned link_status)
{
	uint8_t cfg[256] = {0};
	char path[128];
	FILE *f;

	cfg[PCI_CAPABILITY_LIST] = 0x40;
	cfg[0x40] = PCI_CAP_ID_EXP;
	fake_put32(cfg + 0x40 + PCI_EXP_LNKCAP, BIT(20));
	fake_put16(cfg + 0x40 + PCI_EXP_LNKSTA, link_status);
	fake_sysfs_write(w->root, "sys/bus/pci/devices/0000:00:1c.0/none", "");
	snprintf(path, sizeof(path),
		 "%s/sys/bus/pci/devices/0000:00:1c.0/config", w->root);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(cfg, 1, sizeof(cfg), f), sizeof(cfg));
	fclose(f);
}

static void dead_says(unsigned link_status, const char *cure)
{
	struct fake_device *dev = fake_nvme();
	char text[320];
	struct world w;

	/* The bridge is there before the device is opened. */
	world_init(&w);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_kernel_add(&w.kernel, dev);
	world_start(&w);
	bridge_link(&w, link_status);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	world_assign(&w);
	world_enable(&w, 6);
	fake_sicken(DEV(&w));
	DEV(&w)->dead = true;
	DEV(&w)->by_function.leaves_sick = true;
	DEV(&w)->by_bus.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	snprintf(text, sizeof(text),
		 "it does not answer (its config space"
		 " reads as ones); %s",
		 cure);
	expect(&w, "bus", false, text);
	world_fini(&w);
}

static void test_link_down(void **state UNUSED)
{
	dead_says(0, "the link below 0000:00:1c.0 is down: the card lost its"
		     " slot or its power");
}

static void test_link_up(void **state UNUSED)
{
	dead_says(PCI_EXP_LNKSTA_DLLLA, "its link is up, so the card itself"
					" hangs: power the host off and on");
}

static void test_d3cold(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	fake_sysfs_write(w.root, "sys/bus/pci/devices/0000:03:00.0/power_state",
			 "D3cold\n");
	DEV(&w)->dead = true;
	DEV(&w)->by_function.leaves_sick = true;
	DEV(&w)->by_bus.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	assert_non_null(
	    strstr(last(&w)->text,
		   "it is in D3cold: load vfio-pci with disable_idle_d3=1"));
	world_fini(&w);
}

/* One fault of a device that otherwise came back, and its name. */
static void fault_is_named(void (*fault)(struct fake_device *dev),
			   const char *text)
{
	char all[320];
	struct world w;

	running_nvme(&w, "3/0/0");
	fault(DEV(&w));
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	snprintf(all, sizeof(all), "%s" CURE, text);
	expect(&w, "bus", false, all);
	world_fini(&w);
}

static void fault_id(struct fake_device *dev)
{
	fake_put16(dev->cfg + PCI_DEVICE_ID, 0x0011);
}

static void fault_class(struct fake_device *dev)
{
	dev->cfg[PCI_REVISION_ID] = 9;
}

static void fault_bar(struct fake_device *dev)
{
	fake_put32(dev->cfg + PCI_BASE_ADDRESS_0, 4);
}

static void fault_msix(struct fake_device *dev)
{
	dev->cfg[dev->msix + PCI_MSIX_FLAGS + 1] |= 0x80;
	dev->stuck = true;
}

static void fault_power(struct fake_device *dev)
{
	dev->cfg[dev->pm + PCI_PM_CTRL] |= 3;
	dev->by_pm.error = -EIO;
	dev->stuck = true;
}

static void fault_command(struct fake_device *dev)
{
	dev->cfg[PCI_COMMAND] |= PCI_COMMAND_MASTER;
	dev->raw_rw[PCI_COMMAND] &= (uint8_t)~PCI_COMMAND_MASTER;
}

static void test_faults(void **state UNUSED)
{
	fault_is_named(fault_id,
		       "it answers as 1b36:0011 instead of 1b36:0010");
	fault_is_named(fault_class, "its class and revision read 01080209"
				    " instead of 01080202");
	fault_is_named(fault_msix, "MSI-X is still enabled (8010)");
	fault_is_named(fault_power, "it is stuck in power state D3");
	fault_is_named(fault_command,
		       "COMMAND reads 0004: decode or bus mastering is on");
	fault_is_named(fault_bar,
		       "BAR 0 reads 0x000000000 instead of 0x80000000");
}

static void test_xhci_runs(void **state UNUSED)
{
	struct world w;

	world_one(&w, fake_xhci(), "3/0/0");
	fake_sicken(DEV(&w));
	DEV(&w)->by_bus.leaves_sick = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	expect(&w, "bus", false,
	       "its xHCI controller still runs (USBCMD 0x1,"
	       " USBSTS 0x0)" CURE);
	world_fini(&w);
}

/* Narrower link and error bits are said, and do not stop anything. */
static void test_notes(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	fake_put16(DEV(&w)->cfg + DEV(&w)->exp + PCI_EXP_LNKSTA, 0x1011);
	DEV(&w)->cfg[DEV(&w)->exp + PCI_EXP_DEVSTA] = PCI_EXP_DEVSTA_FED;
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	expect(
	    &w, "flr", true,
	    "ids, power, BARs, COMMAND, interrupts, NVMe"
	    " controller verified; link now x1 2.5 GT/s, was x4 8 GT/s; it has"
	    " seen a fatal error");
	world_fini(&w);
}

/* Virtual functions show ones where the ids are, and no BARs. */
static void test_virtual_function(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	DEV(&w)->virtual_function = true;
	fault_bar(DEV(&w));
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "flr");
	world_fini(&w);
}

static void test_again(void **state UNUSED)
{
	struct world w;

	running_nvme(&w, "3/0/0");
	DEV(&w)->again = 3;
	w.kernel.slept_ms = 0;
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_string_equal(last(&w)->method, "flr");
	assert_int_equal(w.kernel.slept_ms, 300);
	world_fini(&w);
}

/* No reset of any kind: quiet, verified, and said. */
static void test_no_reset(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	dev->flags = 0;
	dev->reset_methods[0] = '\0';
	dev->no_hot_reset = -ENODEV;
	world_one(&w, dev, "3/0/0");
	world_enable(&w, 6);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	expect(&w, "none", true,
	       "the device has no reset; it may remember its last use");
	fake_sicken(dev);
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	expect(&w, "none", false,
	       "its NVMe controller is still enabled (CC 0x460001)" CURE);
	world_fini(&w);
}

/* A neighbour on the bus that belongs to somebody else. */
static void test_bus_not_ours(void **state UNUSED)
{
	struct fake_device *gpu = fake_gpu(), *audio = fake_rtl8139();
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, gpu);
	fake_kernel_add(&w.kernel, audio);
	fake_device_place(gpu, 3, 0, 0, 12);
	fake_device_place(audio, 3, 0, 1, 13);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	expect(
	    &w, "none", true,
	    "a bus reset would also reset 0000:03:00.1"
	    " (IOMMU group 13), which this guest does not have; give it to the"
	    " guest as well");
	world_fini(&w);
}

/* Two functions in one slot: one bus reset serves both. */
static void test_bus_together(void **state UNUSED)
{
	struct fake_device *gpu = fake_gpu(), *nic = fake_nvme();
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, gpu);
	fake_kernel_add(&w.kernel, nic);
	nic->flags = 0;
	nic->reset_methods[0] = '\0';
	fake_device_place(gpu, 3, 0, 0, 12);
	fake_device_place(nic, 3, 0, 1, 13);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	assert_int_equal(world_passthru(&w, 7, "3/0/1", NULL), 0);
	world_assign(&w);
	world_enable(&w, 6);
	world_enable(&w, 7);
	fake_sicken(gpu);
	fake_sicken(nic);
	gpu->resets_bus = 0;
	(void)fake_trace(&w.kernel);
	assert_int_equal(vfio_reset_all(w.ctx), 0);
	assert_int_equal(gpu->resets_bus, 1);
	assert_int_equal(w.statuses, 2);
	assert_string_equal(w.status[0].method, "bus");
	assert_string_equal(w.status[1].method, "bus");
	assert_string_equal(w.status[1].bdf, "0000:03:00.1");
	assert_non_null(strstr(fake_trace(&w.kernel),
			       "bus reset by 0000:03:00.0, 2 groups"));
	world_fini(&w);
}

/* A later device's bus reset kills one that was well already. */
static void test_taken_along(void **state UNUSED)
{
	struct fake_device *nvme = fake_nvme(), *gpu = fake_gpu();
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, nvme);
	fake_kernel_add(&w.kernel, gpu);
	fake_device_place(nvme, 3, 0, 0, 12);
	fake_device_place(gpu, 3, 0, 1, 12);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	assert_int_equal(world_passthru(&w, 7, "3/0/1", NULL), 0);
	nvme->dies_by_bus = true;
	assert_int_equal(vfio_reset_all(w.ctx), -EIO);
	assert_int_equal(w.statuses, 3);
	assert_true(w.status[0].ok);
	assert_true(w.status[1].ok);
	expect(&w, "bus", false,
	       "it does not answer (its config space reads"
	       " as ones)");
	world_fini(&w);
}

/* DMA of all devices stops before anything else is done to any. */
static void test_order(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_kernel_add(&w.kernel, fake_xhci());
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	fake_device_place(w.kernel.dev[1], 4, 0, 0, 13);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", NULL), 0);
	assert_int_equal(world_passthru(&w, 7, "4/0/0", NULL), 0);
	world_assign(&w);
	world_enable(&w, 6);
	world_enable(&w, 7);
	world_write(&w, 6, 0x42, 2, 0x8000);
	(void)fake_trace(&w.kernel);
	vfio_quiesce_all(w.ctx);
	assert_string_equal(fake_trace(&w.kernel),
			    "config 03:00.0 0x04/2 = 0x0002\n"
			    "config 04:00.0 0x04/2 = 0x0002\n"
			    "irq 03:00.0 MSI-X off\n"
			    "irq 04:00.0 INTx off\n"
			    "detach 19 e7\n");
	/* Again: nothing left to do. */
	vfio_quiesce_all(w.ctx);
	assert_string_equal(fake_trace(&w.kernel), "");
	/* A vCPU that still runs cannot bring it back. */
	world_write(&w, 6, PCI_COMMAND, 2, 6);
	world_write(&w, 7, PCI_COMMAND, 2, 0);
	world_write(&w, 7, PCI_COMMAND, 2, 6);
	assert_null(strstr(fake_trace(&w.kernel), "= 0x0006"));
	assert_false(w.kernel.dev[1]->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	world_fini(&w);
}

/* ---- at the start ---- */

static int start_nvme(struct world *w, struct fake_device *dev, struct err *err)
{
	world_init(w);
	fake_kernel_add(&w->kernel, dev);
	fake_device_place(dev, 3, 0, 0, 12);
	world_start(w);
	return world_passthru(w, 6, "3/0/0", err);
}

static void test_start_heals(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct err err = {0};
	struct world w;

	dev->by_function.leaves_sick = true;
	fake_sicken(dev);
	assert_int_equal(start_nvme(&w, dev, &err), 0);
	assert_int_equal(dev->resets_function, 1);
	assert_int_equal(dev->resets_bus, 1);
	assert_int_equal(w.statuses, 1);
	assert_true(w.status[0].ok);
	assert_string_equal(w.status[0].method, "bus");
	/* The guest can use it. */
	world_assign(&w);
	world_enable(&w, 6);
	assert_true(dev->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	world_fini(&w);
}

static void test_start_dead(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct err err = {0};
	struct world w;

	dev->by_function.leaves_sick = true;
	dev->by_bus.leaves_sick = true;
	fake_sicken(dev);
	assert_int_equal(start_nvme(&w, dev, &err), -EIO);
	assert_string_equal(err.msg,
			    "0000:03:00.0: its NVMe controller is still "
			    "enabled (CC 0x460001)" CURE
			    "; the guest is not started on a dead device");
	/* Whoever runs the guest puts the device aside. */
	assert_int_equal(w.statuses, 1);
	assert_false(w.status[0].ok);
	assert_string_equal(w.status[0].bdf, "0000:03:00.0");
	assert_int_equal(dev->opens, 0);
	world_fini(&w);
}

/* The kernel could not reset it on opening: the bus is reset then. */
static void test_start_without_function_reset(void **state UNUSED)
{
	struct fake_device *dev = fake_gpu();
	struct err err = {0};
	struct world w;

	assert_int_equal(start_nvme(&w, dev, &err), 0);
	assert_int_equal(dev->resets_bus, 1);
	assert_int_equal(w.statuses, 0);
	world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_function_first),
	    cmocka_unit_test(test_option_bus),
	    cmocka_unit_test(test_escalates),
	    cmocka_unit_test(test_escalates_to_pm),
	    cmocka_unit_test(test_pm_by_register),
	    cmocka_unit_test(test_nothing_helps),
	    cmocka_unit_test(test_nvme_does_not_stop),
	    cmocka_unit_test(test_dead),
	    cmocka_unit_test(test_link_down),
	    cmocka_unit_test(test_link_up),
	    cmocka_unit_test(test_d3cold),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_xhci_runs),
	    cmocka_unit_test(test_notes),
	    cmocka_unit_test(test_virtual_function),
	    cmocka_unit_test(test_again),
	    cmocka_unit_test(test_no_reset),
	    cmocka_unit_test(test_bus_not_ours),
	    cmocka_unit_test(test_bus_together),
	    cmocka_unit_test(test_taken_along),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_start_heals),
	    cmocka_unit_test(test_start_dead),
	    cmocka_unit_test(test_start_without_function_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
