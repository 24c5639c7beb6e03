/* SPDX-License-Identifier: BSD-2-Clause */
/* Address windows: sizes, limits, holes, and the sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "machine/layout.h"

#define TIB(n) (GIB(n) << 10)

static struct layout_limits bits(unsigned phys, unsigned iommu)
{
	return (struct layout_limits){
	    .phys_bits = phys, .iommu_bits = iommu, .iommu = "dmar0"};
}

static void hole(struct layout_limits *limits, uint64_t start, uint64_t end)
{
	limits->hole[limits->holes].start = start;
	limits->hole[limits->holes++].end = end;
}

static struct layout ram(uint64_t high)
{
	return (struct layout){.low_bytes = GIB(3), .high_bytes = high};
}

static void window_is(uint64_t high, uint64_t need, uint64_t align,
		      const struct layout_limits *limits, uint64_t base,
		      uint64_t size)
{
	struct layout layout = ram(high);
	struct pci_windows windows;
	struct err err = {0};

	if (layout_windows(&layout, need, align, limits, &err, &windows))
		fail_msg("%s", err.msg);
	assert_int_equal(windows.mem64.base, base);
	assert_int_equal(windows.mem64.size, size);
	assert_int_equal(windows.mem32.base, LAYOUT_MEM32_BASE);
}

static void test_window(void **state UNUSED)
{
	struct layout_limits l = bits(40, 64);

	/* Nothing, and little: 32 GiB right above RAM. */
	window_is(0, 0, MIB(1), &l, GIB(4), GIB(32));
	window_is(GIB(1), MIB(256), MIB(256), &l, GIB(5), GIB(32));
	/* Twice what is needed, aligned for the largest. */
	window_is(0, GIB(72), GIB(64), &l, GIB(64), GIB(192));
	window_is(GIB(100), GIB(128), GIB(128), &l, GIB(128), GIB(256));
	/* Less where there is less, but always what is needed. */
	l = bits(37, 64);
	window_is(0, GIB(64), GIB(64), &l, GIB(64), GIB(64));
	l = bits(36, 64);
	window_is(GIB(50), 0, MIB(1), &l, GIB(54), GIB(10));
	window_is(GIB(62), 0, MIB(1), &l, GIB(66), 0);
	window_is(GIB(20), GIB(12), GIB(8), &l, GIB(24), GIB(32));
	window_is(GIB(30), GIB(24), GIB(8), &l, GIB(40), GIB(24));
}

static void test_holes(void **state UNUSED)
{
	struct layout_limits l = bits(48, 48);

	/* AMD's hole below 1 TiB. */
	hole(&l, 0xfee00000, 0xfeefffff);
	hole(&l, 0xfd00000000, 0xffffffffff);
	window_is(GIB(900), GIB(64), GIB(64), &l, TIB(1), GIB(128));
	/* What fits in front of it goes there. */
	window_is(GIB(900), GIB(32), GIB(32), &l, GIB(928), GIB(64));
	l.phys_bits = 40;
	window_is(GIB(950), GIB(32), GIB(32), &l, GIB(960), GIB(52));
}

static void refused(uint64_t high, uint64_t need, uint64_t align,
		    const struct layout_limits *limits, const char *sentence)
{
	struct layout layout = ram(high);
	struct pci_windows windows = {0};
	struct layout_told told = {.mib = 1};
	struct err err = {0};

	assert_int_equal(
	    layout_windows(&layout, need, align, limits, &err, &windows),
	    -ENOSPC);
	assert_string_equal(err.msg, sentence);
	assert_int_equal(windows.mem64.size, 0);
	assert_int_equal(
	    layout_firmware_window(&layout, need, align, limits, &err, &told),
	    -ENOSPC);
	assert_string_equal(err.msg, sentence);
	assert_int_equal(told.mib, 1);
}

static void test_refused(void **state UNUSED)
{
	struct layout_limits l = bits(36, 64);
	struct layout layout = ram(GIB(61));
	struct err err = {0};

	refused(0, GIB(64), GIB(64), &l,
		"the devices' 64-bit BARs (64 GiB, the largest 64 GiB and"
		" aligned to its size) do not fit between the end of the"
		" guest's memory at 0x100000000 and 0x1000000000: the guest"
		" has 36 address bits; give the guest less memory or fewer"
		" devices");
	l = bits(46, 39);
	hole(&l, 0x4000000000, 0x4fffffffff);
	refused(GIB(200), GIB(256) + MIB(32), GIB(256), &l,
		"the devices' 64-bit BARs (262176 MiB, the largest 256 GiB and"
		" aligned to its size) do not fit between the end of the"
		" guest's memory at 0x3300000000 and 0x8000000000: the guest"
		" has 46 address bits, the host's IOMMU dmar0 39, which"
		" reserves 0x4000000000-0x4fffffffff; give the guest less"
		" memory or fewer devices");
	l = bits(46, 36);
	assert_int_equal(layout_check_ram(&layout, &l, &err), -ERANGE);
	assert_string_equal(
	    err.msg,
	    "memory.size: the guest's memory would end at 0x1040000000, which"
	    " cannot be addressed: the guest has 46 address bits, the host's"
	    " IOMMU dmar0 36; give the guest less");
	layout = ram(GIB(60));
	assert_int_equal(layout_check_ram(&layout, &l, &err), 0);
}

static void firmware_is(uint64_t high, uint64_t need, uint64_t align,
			const struct layout_limits *limits, uint64_t base,
			uint64_t size, uint64_t mib)
{
	struct layout layout = ram(high);
	struct layout_told told;
	struct err err = {0};

	if (layout_firmware_window(&layout, need, align, limits, &err, &told))
		fail_msg("%s", err.msg);
	assert_int_equal(told.window.base, base);
	assert_int_equal(told.window.size, size);
	assert_int_equal(told.mib, mib);
}

static void test_firmware(void **state UNUSED)
{
	struct layout_limits l = bits(40, 48);

	/* Its own 32 GiB do for up to 16. */
	firmware_is(0, 0, MIB(1), &l, GIB(32), GIB(32), 0);
	firmware_is(0, GIB(16), GIB(16), &l, GIB(32), GIB(32), 0);
	firmware_is(0, GIB(16) + MIB(32), GIB(16), &l, GIB(64), GIB(64), 65536);
	firmware_is(0, GIB(72), GIB(64), &l, GIB(256), GIB(256), 262144);
	/* A hole moves the window: larger, as it is aligned to its size. */
	hole(&l, GIB(70), GIB(71));
	firmware_is(0, GIB(32), GIB(32), &l, GIB(128), GIB(128), 131072);
	/* The least that will do where there is no more. */
	l = bits(36, 64);
	firmware_is(0, GIB(24), GIB(16), &l, GIB(32), GIB(32), 0);
	firmware_is(GIB(40), GIB(8), GIB(8), &l, GIB(48), GIB(8), 8192);
	/* Nothing needed: never refused. */
	firmware_is(GIB(60), 0, MIB(1), &l, GIB(64), GIB(1), 0);
}

static int memory(const char *text, uint64_t *ret_bytes, struct err *err)
{
	struct cfg *root = cfg_create();
	struct layout layout = {0};
	int r;

	assert_non_null(root);
	assert_int_equal(cfg_set(root, "memory.size", text, NULL), 0);
	r = layout_memory(root, false, err, &layout);
	*ret_bytes = layout.low_bytes + layout.high_bytes;
	cfg_destroy(root);
	return r;
}

/* Without a suffix a small number is in MiB; with one it is what it says. */
static void test_memory(void **state UNUSED)
{
	struct err err = {0};
	uint64_t bytes;

	assert_int_equal(memory("64", &bytes, &err), 0);
	assert_int_equal(bytes, MIB(64));
	assert_int_equal(memory("0x40", &bytes, &err), 0);
	assert_int_equal(bytes, MIB(64));
	assert_int_equal(memory("65536K", &bytes, &err), 0);
	assert_int_equal(bytes, MIB(64));
	assert_int_equal(memory("67108864", &bytes, &err), 0);
	assert_int_equal(bytes, MIB(64));
	assert_int_equal(memory("1K", &bytes, &err), -EINVAL);
	assert_string_equal(err.msg, "memory.size=1K: must be at least 2M and a"
				     " multiple of 4 KiB");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_window),  cmocka_unit_test(test_holes),
	    cmocka_unit_test(test_refused), cmocka_unit_test(test_firmware),
	    cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
