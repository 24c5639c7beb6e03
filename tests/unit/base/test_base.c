/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of base.h: arithmetic that must not wrap, and scope clean-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "base/base.h"

static void test_pow2(void **state UNUSED)
{
	assert_false(is_pow2(0));
	assert_true(is_pow2(1));
	assert_false(is_pow2(3));
	assert_true(is_pow2(1ull << 63));
	assert_false(is_pow2(UINT64_MAX));
	assert_true(round_up_pow2(1) == 1);
	assert_true(round_up_pow2(2) == 2);
	assert_true(round_up_pow2(3) == 4);
	assert_true(round_up_pow2(4097) == 8192);
	assert_true(round_up_pow2((1ull << 62) + 1) == 1ull << 63);
	assert_true(round_up_pow2(1ull << 63) == 1ull << 63);
}

static void test_align(void **state UNUSED)
{
	assert_true(align_up(0, 4096) == 0);
	assert_true(align_up(1, 4096) == 4096);
	assert_true(align_up(4096, 4096) == 4096);
	assert_true(align_up(UINT64_MAX, 4096) == 0); /* documented wrap */
	assert_true(align_down(8191, 4096) == 4096);
	assert_true(align_down(UINT64_MAX, 2) == UINT64_MAX - 1);
}

static void test_range_end(void **state UNUSED)
{
	uint64_t end;

	assert_false(range_end(1, 2, &end));
	assert_true(end == 3);
	assert_false(range_end(UINT64_MAX, 0, &end));
	assert_true(range_end(UINT64_MAX, 1, &end));
	assert_true(range_end(1ull << 63, 1ull << 63, &end));
}

static void test_range_inside(void **state UNUSED)
{
	assert_true(range_inside(10, 5, 10, 5));
	assert_false(range_inside(10, 6, 10, 5));
	assert_false(range_inside(9, 1, 10, 5));
	assert_true(range_inside(15, 0, 10, 5));
	assert_false(range_inside(16, 0, 10, 5));
	/* Sums that would wrap. */
	assert_false(range_inside(12, UINT64_MAX, 10, 5));
	assert_false(range_inside(UINT64_MAX, UINT64_MAX, 10, 5));
	assert_true(range_inside(UINT64_MAX, 1, UINT64_MAX - 1, 2));
	assert_false(range_inside(UINT64_MAX, 2, UINT64_MAX - 1, 2));
}

static void test_range_overlaps(void **state UNUSED)
{
	assert_true(range_overlaps(0, 10, 9, 1));
	assert_false(range_overlaps(0, 10, 10, 1));
	assert_true(range_overlaps(9, 1, 0, 10));
	assert_false(range_overlaps(10, 1, 0, 10));
	assert_true(range_overlaps(5, 1, 5, 1));
	assert_true(range_overlaps(0, UINT64_MAX, UINT64_MAX - 1, 1));
	assert_false(range_overlaps(0, UINT64_MAX, UINT64_MAX, 1));
}

static void test_min_max(void **state UNUSED)
{
	int calls = 0;

	assert_int_equal(MIN(++calls, 5), 1);
	assert_int_equal(calls, 1);
	assert_int_equal(MAX(2, 3), 3);
}

static bool fd_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_cleanup_close(void **state UNUSED)
{
	int seen, kept;

	{
		CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY);
		CLEANUP_CLOSE int none UNUSED = -1;

		assert_true(fd >= 0);
		seen = fd;
	}
	assert_false(fd_open(seen));
	{
		CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY);

		assert_true(fd >= 0);
		kept = take_fd(fd);
		assert_int_equal(fd, -1);
	}
	assert_true(fd_open(kept));
	close(kept);
}

/* What is freed twice or not at all, the address sanitizer reports. */
static void test_cleanup_free(void **state UNUSED)
{
	char *kept;

	{
		CLEANUP_FREE char *p = strdup("gone");
		CLEANUP_FREE char *q = strdup("kept");
		CLEANUP_FREE char *none UNUSED = NULL;

		assert_non_null(p);
		assert_non_null(q);
		kept = take_ptr(q);
		assert_null(q);
	}
	assert_string_equal(kept, "kept");
	free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pow2),
	    cmocka_unit_test(test_align),
	    cmocka_unit_test(test_range_end),
	    cmocka_unit_test(test_range_inside),
	    cmocka_unit_test(test_range_overlaps),
	    cmocka_unit_test(test_min_max),
	    cmocka_unit_test(test_cleanup_close),
	    cmocka_unit_test(test_cleanup_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
