/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening: groups, the container, maps of guest RAM; what is said when it does
 * not work, and that nothing stays behind then (world_fini() checks).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "fake_world.h"
#include "vfio/vfio_internal.h"

/* A machine with an NVMe at 3/0/0; not yet passed through. */
static void begin(struct world *w)
{
	struct fake_device *dev = fake_nvme();

	world_init(w);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_kernel_add(&w->kernel, dev);
	world_start(w);
}

/* Passing it through fails with exactly this sentence. */
static void refused(struct world *w, int code, const char *sentence)
{
	struct err err = {0};

	assert_int_equal(world_passthru(w, 6, "3/0/0", &err), code);
	assert_string_equal(err.msg, sentence);
	assert_int_equal(vfio_device_count(w->ctx), 0);
	world_fini(w);
}

static void test_no_module(void **state UNUSED)
{
	char sentence[256];
	struct world w;

	begin(&w);
	w.kernel.open_container_error = -ENOENT;
	snprintf(
	    sentence, sizeof(sentence),
	    "%s/dev/vfio/vfio: not there, so the kernel has no VFIO loaded;"
	    " run 'modprobe vfio-pci'",
	    w.root);
	refused(&w, -ENOENT, sentence);
}

static void test_group_busy(void **state UNUSED)
{
	struct world w;
	char path[128];

	begin(&w);
	w.kernel.open_group_error = -EBUSY;
	fake_sysfs_write(w.root, "proc/77/comm", "byway");
	fake_sysfs_write(w.root, "proc/77/cmdline", "x");
	snprintf(path, sizeof(path), "%s/proc/77/cmdline", w.root);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fwrite("/usr/sbin/byway\0-m\0001G\0alpha", 1, 28, f);
	fclose(f);
	fake_sysfs_write(w.root, "proc/77/fd/none", "");
	snprintf(path, sizeof(path), "%s/proc/77/fd/9", w.root);
	assert_int_equal(symlink("/dev/vfio/12", path), 0);
	refused(&w, -EBUSY,
		"0000:03:00.0: in use by guest 'alpha' (byway, process 77), "
		"which holds its IOMMU group 12; stop it first");
}

static void test_group_busy_other(void **state UNUSED)
{
	struct world w;
	char path[128];

	begin(&w);
	w.kernel.open_group_error = -EBUSY;
	fake_sysfs_write(w.root, "proc/78/comm", "qemu");
	fake_sysfs_write(w.root, "proc/78/fd/none", "");
	snprintf(path, sizeof(path), "%s/proc/78/fd/9", w.root);
	assert_int_equal(symlink("/dev/vfio/12", path), 0);
	refused(
	    &w, -EBUSY,
	    "0000:03:00.0: in use by qemu (process 78), which holds its IOMMU"
	    " group 12; stop it first");
}

static void test_group_permission(void **state UNUSED)
{
	char sentence[256];
	struct world w;

	begin(&w);
	w.kernel.open_group_error = -EACCES;
	snprintf(
	    sentence, sizeof(sentence),
	    "0000:03:00.0: no permission to open %s/dev/vfio/12; run as root,"
	    " or give the user this file by a udev rule",
	    w.root);
	refused(&w, -EACCES, sentence);
}

static void test_group_not_viable(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.not_viable = true;
	refused(&w, -EBUSY,
		"0000:03:00.0: IOMMU group 12 has a member that a host driver"
		" holds");
}

static void test_no_remapping(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.set_iommu_error = -EPERM;
	refused(
	    &w, -EPERM,
	    "0000:03:00.0: the host has no interrupt remapping, without which"
	    " a guest could forge interrupts; enable it (x2APIC, VT-d) in the"
	    " firmware and remove nointremap from the kernel's command line");
}

static void test_width(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.iova[1].end = GIB(4) - 1;
	refused(
	    &w, -ERANGE,
	    "0000:03:00.0: guest memory up to 0x1001fffff does not fit the"
	    " IOMMU's address width of 32 bits (0xffffffff); use less memory"
	    " (-m)");
}

static void test_reserved(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.iova[0] = (struct vfio_iova_range){0, 0x9ffff};
	refused(
	    &w, -ERANGE,
	    "0000:03:00.0: guest memory 0x0-0x3fffff overlaps addresses that"
	    " the host's IOMMU reserves (see"
	    " /sys/kernel/iommu_groups/*/reserved_regions); use less memory"
	    " (-m)");
}

/* Linux before 5.4 does not tell its ranges: the map decides. */
static void test_no_ranges(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	w.kernel.iovas = 0;
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), 0);
	assert_int_equal(w.kernel.maps, 2);
	world_fini(&w);
}

static void test_memlock(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.map_error = -ENOMEM;
	w.kernel.memlock = MIB(5);
	refused(
	    &w, -ENOMEM,
	    "0000:03:00.0: guest memory of 6 MiB must be locked for passthru,"
	    " but RLIMIT_MEMLOCK allows 5 MiB; raise it (LimitMEMLOCK= in the"
	    " unit, 'ulimit -l', or the capability CAP_IPC_LOCK)");
}

static void test_no_memory(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.populate_error = -ENOMEM;
	refused(&w, -ENOMEM,
		"0000:03:00.0: the host has no 6 MiB of free memory to lock for"
		" this guest; use less memory (-m) or stop something else");
}

/* The second range fails: the first is unmapped, all is closed. */
static void test_map_rollback(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	w.kernel.map_error = -ENOSPC;
	w.kernel.map_error_at = 1;
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), -ENOSPC);
	assert_string_equal(
	    err.msg,
	    "0000:03:00.0: the IOMMU has no map entries left; raise the module"
	    " parameter vfio_iommu_type1.dma_entry_limit");
	assert_string_equal(fake_trace(&w.kernel), "open container\n"
						   "open group 12\n"
						   "group 12 into container\n"
						   "iommu type 3\n"
						   "kvm add group 12\n"
						   "map 0x0+0x400000\n"
						   "unmap 0x0+0x400000\n"
						   "kvm del group 12\n"
						   "close group 12\n"
						   "close container\n");
	world_fini(&w);
}

static void test_kvm_refuses(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.kvm_add_error = -EIO;
	refused(&w, -EIO,
		"0000:03:00.0: KVM does not take IOMMU group 12:"
		" Input/output error");
}

static void test_device_token(void **state UNUSED)
{
	struct world w;

	begin(&w);
	w.kernel.device_fd_error = -EACCES;
	refused(
	    &w, -EACCES,
	    "0000:03:00.0: a virtual function whose physical function is also"
	    " bound to vfio-pci needs a VF token, which byway does not"
	    " support; bind the physical function to its driver");
}

/* What is mapped is guest memory at its own address, and present. */
static int check_map(void *ctx, gpa_t base, uint64_t size, void *host)
{
	struct world *w = ctx;
	unsigned i;

	for (i = 0; i < w->kernel.maps; i++)
		if (w->kernel.map[i].iova == base.v &&
		    w->kernel.map[i].size == size &&
		    w->kernel.map[i].vaddr == (uintptr_t)host)
			return 0;
	return 1;
}

/* Two groups and three functions: one container, one set of maps. */
static void test_several(void **state UNUSED)
{
	struct fake_device *audio;
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_kernel_add(&w.kernel, fake_gpu());
	audio = fake_rtl8139();
	fake_kernel_add(&w.kernel, audio);
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	fake_device_place(w.kernel.dev[1], 4, 0, 0, 13);
	fake_device_place(audio, 4, 0, 1, 13);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 5, "3/0/0", &err), 0);
	assert_int_equal(world_passthru(&w, 6, "pci4:0:0", &err), 0);
	assert_int_equal(world_passthru(&w, 7, "0000:04:00.1", &err), 0);
	assert_int_equal(vfio_device_count(w.ctx), 3);
	assert_int_equal(w.kernel.containers, 1);
	assert_int_equal(w.kernel.groups, 2);
	assert_int_equal(w.kernel.maps, 2);
	assert_int_equal(gmem_for_each(w.gmem, check_map, &w), 0);
	assert_int_equal(w.kernel.populated, MIB(6));
	world_fini(&w);
}

static void test_second_group_conflict(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_kernel_add(&w.kernel, fake_xhci());
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	fake_device_place(w.kernel.dev[1], 4, 0, 0, 13);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 5, "3/0/0", &err), 0);
	w.kernel.set_container_error = -EINVAL;
	assert_int_equal(world_passthru(&w, 6, "4/0/0", &err), -EINVAL);
	assert_string_equal(
	    err.msg,
	    "0000:04:00.0: the addresses its IOMMU group 13 reserves overlap"
	    " guest memory or the group cannot share an IOMMU with the devices"
	    " before it; give the guest less memory, or the device to another"
	    " guest");
	/* The first one is not harmed. */
	assert_int_equal(w.kernel.groups, 1);
	assert_int_equal(w.kernel.maps, 2);
	world_fini(&w);
}

static void test_twice(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	assert_int_equal(world_passthru(&w, 5, "3/0/0", &err), 0);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), -EEXIST);
	assert_string_equal(
	    err.msg,
	    "0000:03:00.0: given to the guest twice (pci slots 0:5:0 passthru"
	    " and 0:6:0 passthru)");
	assert_int_equal(w.kernel.dev[0]->opens, 1);
	world_fini(&w);
}

/*
 * A group that somebody else has opened: used, left, used again with the same
 * descriptor, and never closed.
 */
static void test_given(void **state UNUSED)
{
	struct err err = {0};
	char path[128];
	const char *trace;
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_nvme());
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	snprintf(path, sizeof(path), "%s/dev/vfio/12", w.root);
	w.given =
	    (struct vfio_given){12, w.kernel.ops.open(&w.kernel, path, 0)};
	world_start(&w);
	w.kernel.open_group_error = -EACCES; /* as for an ordinary user */
	w.kernel.device_fd_error = -EACCES;
	(void)fake_trace(&w.kernel);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), -EACCES);
	trace = fake_trace(&w.kernel);
	assert_non_null(strstr(trace, "group 12 into container\n"));
	assert_non_null(strstr(trace, "group 12 out of container\n"));
	assert_null(strstr(trace, "close group"));
	assert_int_equal(w.kernel.groups, 1);
	assert_int_equal(w.kernel.containers, 0);
	assert_int_equal(w.kernel.maps, 0);

	w.kernel.device_fd_error = 0;
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), 0);
	assert_int_equal(vfio_container_group_fd(w.ctx, 12), w.given.fd);
	/* Another group's device gains nothing by it. */
	trace = fake_trace(&w.kernel);
	assert_null(strstr(trace, "open group"));
	w.kernel.ops.close(&w.kernel, w.given.fd);
	world_fini(&w);
}

/* -o WORD, and what is said of it; "": it is taken. */
static void given_says(const char *word, const char *sentence)
{
	struct vfio_given given[VFIO_GROUPS_MAX];
	struct cfg *root = cfg_create();
	struct err err = {0};
	unsigned count = 0;

	assert_int_equal(cfg_set_assignment(root, word, &err), 0);
	if (vfio_given_read(root, &err, given, &count) == 0)
		assert_int_equal(count, 1);
	assert_string_equal(err.msg, sentence);
	cfg_destroy(root);
}

static void test_given_words(void **state UNUSED)
{
	char word[64];
	int fd = open("/dev/null", O_RDONLY);

	assert_true(fd > 2);
	snprintf(word, sizeof(word), "vfio.group.7=fd:%d", fd);
	given_says(word, "");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	given_says("vfio.group.7=fd:2",
		   "vfio.group.7=fd:2: expected fd:NUMBER, a descriptor from 3"
		   " on");
	given_says(
	    "vfio.group.7=9",
	    "vfio.group.7=9: expected fd:NUMBER, a descriptor from 3 on");
	given_says("vfio.group.x=fd:9",
		   "vfio.group.x: expected the number of an IOMMU group");
	given_says("vfio.group.7=fd:1000000",
		   "vfio.group.7=fd:1000000: no such descriptor is open; start"
		   " byway with /dev/vfio/7 open there");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_module),
	    cmocka_unit_test(test_group_busy),
	    cmocka_unit_test(test_group_busy_other),
	    cmocka_unit_test(test_group_permission),
	    cmocka_unit_test(test_group_not_viable),
	    cmocka_unit_test(test_no_remapping),
	    cmocka_unit_test(test_width),
	    cmocka_unit_test(test_reserved),
	    cmocka_unit_test(test_no_ranges),
	    cmocka_unit_test(test_memlock),
	    cmocka_unit_test(test_no_memory),
	    cmocka_unit_test(test_map_rollback),
	    cmocka_unit_test(test_kvm_refuses),
	    cmocka_unit_test(test_device_token),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_second_group_conflict),
	    cmocka_unit_test(test_twice),
	    cmocka_unit_test(test_given),
	    cmocka_unit_test(test_given_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
