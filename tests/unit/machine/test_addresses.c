/* SPDX-License-Identifier: BSD-2-Clause */
/* The address plan, from a configuration and a host made of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_vfio.h"
#include "machine/plan.h"

struct setup {
	struct fake_kernel kernel;
	struct plan_params params;
	char root[64];
};

/* Two cards: 3/0/0 with BARs of 16 MiB, 64 GiB, 32 MiB and 4/0/0 with 8 GiB. */
static void begin(struct setup *s)
{
	static const uint64_t size[] = {GIB(64), GIB(8)};
	unsigned i;

	memset(s, 0, sizeof(*s));
	fake_kernel_init(&s->kernel);
	for (i = 0; i < 2; i++) {
		struct fake_device *dev = fake_gpu();

		dev->region[1].size = size[i];
		fake_device_place(dev, 3 + i, 0, 0, 12 + (int)i);
		fake_kernel_add(&s->kernel, dev);
	}
	fake_sysfs_create(&s->kernel, s->root);
	s->params = (struct plan_params){
	    .root = cfg_create(),
	    .layout = {.low_bytes = GIB(1)},
	    .phys_bits = 40,
	    .host = s->root,
	};
}

static void end(struct setup *s)
{
	fake_sysfs_remove(s->root);
	fake_kernel_fini(&s->kernel);
	cfg_destroy(s->params.root);
}

static void set(struct setup *s, const char *assignment)
{
	assert_int_equal(cfg_set_assignment(s->params.root, assignment, NULL),
			 0);
}

static void pass(struct setup *s, unsigned slot, unsigned bus)
{
	static const char *const fmt[] = {"device=passthru", "bus=%u", "slot=0",
					  "func=0"};
	char text[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(fmt); i++) {
		int n = snprintf(text, sizeof(text), "pci.0.%u.0.", slot);

		if (i == 1)
			snprintf(text + n, sizeof(text) - (size_t)n, "bus=%u",
				 bus);
		else
			snprintf(text + n, sizeof(text) - (size_t)n, "%s",
				 fmt[i]);
		set(s, text);
	}
}

static void iommu(struct setup *s, const char *bdf, const char *cap)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/iommu", s->root,
		 bdf);
	fake_sysfs_write(s->root, "sys/class/iommu/dmar0/intel-iommu/cap", cap);
	/* From sys/devices/pci0000:00/0000:00:1c.0/BDF. */
	assert_int_equal(symlink("../../../../class/iommu/dmar0", path), 0);
}

static void prints(struct setup *s, const char *expected)
{
	char text[2048] = "";
	struct err err = {0};
	struct plan *plan;
	FILE *out;

	if (plan_make(&s->params, &err, &plan))
		fail_msg("%s", err.msg);
	out = fmemopen(text, sizeof(text), "w");
	plan_print(plan, out);
	fclose(out);
	plan_destroy(plan);
	assert_string_equal(text, expected);
}

static void refused(struct setup *s, int code, const char *sentence)
{
	struct plan *plan = NULL;
	struct err err = {0};

	assert_int_equal(plan_make(&s->params, &err, &plan), code);
	assert_null(plan);
	assert_string_equal(err.msg, sentence);
}

static void test_nothing(void **state UNUSED)
{
	struct setup s;

	begin(&s);
	set(&s, "pci.0.0.0.device=hostbridge");
	prints(&s, "memory                 0x0-0x3fffffff (1 GiB)\n"
		   "BARs above memory      0x100000000-0x8ffffffff (32 GiB)\n"
		   "address bits (guest)   40 of 40\n");
	end(&s);
}

static void test_plan(void **state UNUSED)
{
	struct setup s;

	begin(&s);
	pass(&s, 6, 3);
	pass(&s, 7, 4);
	iommu(&s, "0000:03:00.0", "8d2078c106f0466\n");
	fake_sysfs_write(s.root, "sys/kernel/iommu_groups/12/reserved_regions",
			 "0x00000000fee00000 0x00000000feefffff msi\n");
	prints(&s,
	       "memory                 0x0-0x3fffffff (1 GiB)\n"
	       "BARs above memory      0x1000000000-0x3fffffffff (192 GiB)\n"
	       "0:6:0   0000:03:00.0  BAR 0 16 MiB    below 4 GiB\n"
	       "0:6:0   0000:03:00.0  BAR 1 64 GiB    at 0x1000000000\n"
	       "0:6:0   0000:03:00.0  BAR 3 32 MiB    at 0x2200000000\n"
	       "0:7:0   0000:04:00.0  BAR 0 16 MiB    below 4 GiB\n"
	       "0:7:0   0000:04:00.0  BAR 1 8 GiB     at 0x2000000000\n"
	       "0:7:0   0000:04:00.0  BAR 3 32 MiB    at 0x2202000000\n"
	       "address bits (guest)   40 of 40\n"
	       "address bits (IOMMU)   48 (dmar0)\n"
	       "reserved by the IOMMU  0xfee00000-0xfeefffff (1 MiB)\n");
	end(&s);
}

static void test_firmware(void **state UNUSED)
{
	struct setup s;

	begin(&s);
	pass(&s, 6, 3);
	set(&s, "pci.0.7.0.device=passthru");
	set(&s, "pci.0.7.0.elsewhere=/a/socket");
	s.params.firmware = true;
	prints(&s,
	       "memory                 0x0-0x3fffffff (1 GiB)\n"
	       "BARs above memory      0x4000000000-0x7fffffffff (256 GiB)\n"
	       "the firmware is told   opt/ovmf/X-PciMmio64Mb=262144\n"
	       "0:6:0   0000:03:00.0  BAR 0 16 MiB    below 4 GiB\n"
	       "0:6:0   0000:03:00.0  BAR 1 64 GiB    above memory, by the"
	       " firmware\n"
	       "0:6:0   0000:03:00.0  BAR 3 32 MiB    above memory, by the"
	       " firmware\n"
	       "root ports             1 by themselves, for display"
	       " functions\n"
	       "other devices          1 not known before they are opened\n"
	       "address bits (guest)   40 of 40\n"
	       "address bits (IOMMU)   not known\n");
	end(&s);
}

static const char *port_of(struct setup *s, const char *node)
{
	struct plan *plan;
	struct err err = {0};
	char path[64];

	if (plan_make(&s->params, &err, &plan))
		fail_msg("%s", err.msg);
	plan_destroy(plan);
	snprintf(path, sizeof(path), "%s.port", node);
	return cfg_raw(s->params.root, path);
}

/* Display functions get a port with firmware, unless somebody decides. */
static void test_ports(void **state UNUSED)
{
	struct setup s;

	begin(&s);
	pass(&s, 6, 3);
	assert_null(port_of(&s, "pci.0.6.0"));
	s.params.firmware = true;
	assert_string_equal(port_of(&s, "pci.0.6.0"), "pcie");
	/* Once more: the tree has it now. */
	assert_string_equal(port_of(&s, "pci.0.6.0"), "pcie");
	end(&s);
	begin(&s);
	s.params.firmware = true;
	pass(&s, 6, 3);
	set(&s, "pci.0.6.0.port=none");
	assert_string_equal(port_of(&s, "pci.0.6.0"), "none");
	/* Beside what is not of the host it stays where it is. */
	pass(&s, 7, 4);
	set(&s, "pci.0.7.1.device=virtio-rnd");
	assert_null(port_of(&s, "pci.0.7.0"));
	end(&s);
}

/* The guest has no wider addresses than its devices' DMA. */
static void test_width(void **state UNUSED)
{
	struct setup s;

	begin(&s);
	pass(&s, 7, 4);
	s.params.phys_bits = 46;
	iommu(&s, "0000:04:00.0", "8d2078c106f0266\n");
	prints(&s, "memory                 0x0-0x3fffffff (1 GiB)\n"
		   "BARs above memory      0x200000000-0x9ffffffff (32 GiB)\n"
		   "0:7:0   0000:04:00.0  BAR 0 16 MiB    below 4 GiB\n"
		   "0:7:0   0000:04:00.0  BAR 1 8 GiB     at 0x200000000\n"
		   "0:7:0   0000:04:00.0  BAR 3 32 MiB    at 0x400000000\n"
		   "address bits (guest)   39 of 46\n"
		   "address bits (IOMMU)   39 (dmar0)\n");
	end(&s);
}

static void test_refused(void **state UNUSED)
{
	struct setup s;

	begin(&s);
	set(&s, "x86.phys_bits=41");
	refused(&s, -EINVAL,
		"x86.phys_bits=41: this host's processor and KVM give a guest"
		" at most 40 address bits");
	set(&s, "x86.phys_bits=36");
	pass(&s, 6, 3);
	refused(&s, -ENOSPC,
		"the devices' 64-bit BARs (65568 MiB, the largest 64 GiB and"
		" aligned to its size) do not fit between the end of the"
		" guest's memory at 0x100000000 and 0x1000000000: the guest"
		" has 36 address bits; give the guest less memory or fewer"
		" devices");
	pass(&s, 7, 9);
	refused(&s, -ENODEV,
		"pci slot 0:7:0 passthru: 0000:09:00.0 (9/0/0): no such device;"
		" 'vm passthru' lists what there is");
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing),  cmocka_unit_test(test_plan),
	    cmocka_unit_test(test_firmware), cmocka_unit_test(test_width),
	    cmocka_unit_test(test_ports),    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
