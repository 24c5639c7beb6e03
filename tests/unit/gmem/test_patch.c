/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of relocating an image in guest memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gmem/gmem.h"

#define BASE  0x3000u
#define BYTES 0x2000u

static int setup(void **state)
{
	struct gmem *gmem;

	/* Two adjacent ranges: an image must not lie across them. */
	if (gmem_create(&gmem) || gmem_add_ram(gmem, gpa(0), 0x5000, NULL) ||
	    gmem_add_ram(gmem, gpa(0x5000), 0x1000, NULL))
		return -1;
	*state = gmem;
	return 0;
}

static int teardown(void **state)
{
	gmem_destroy(*state);
	return 0;
}

static int patch(struct gmem *gmem, unsigned width, uint64_t delta,
		 uint32_t offset)
{
	const uint32_t offsets[] = {0, offset};
	const struct gmem_patch p = {offsets, 2, width, delta};

	return gmem_patch(gmem, gpa(BASE), BYTES, &p);
}

static uint64_t word(struct gmem *gmem, uint32_t offset)
{
	uint64_t v;

	assert_int_equal(gmem_read_obj(gmem, gpa(BASE + offset), &v), 0);
	return v;
}

static void adds_at_any_alignment(void **state)
{
	struct gmem *gmem = *state;
	const uint64_t start = 0xffffffff81000000;

	assert_int_equal(gmem_write_obj(gmem, gpa(BASE + 0x1001), &start), 0);
	assert_int_equal(patch(gmem, 8, 0x12200000, 0x1001), 0);
	assert_true(word(gmem, 0x1001) == 0xffffffff93200000);
	assert_true(word(gmem, 0) == 0x12200000);
}

static void narrow_words_wrap_alone(void **state)
{
	struct gmem *gmem = *state;
	const uint64_t start = 0x1111111100000005;

	assert_int_equal(gmem_write_obj(gmem, gpa(BASE + 0x101), &start), 0);
	assert_int_equal(patch(gmem, 4, -6ull, 0x101), 0);
	assert_true(word(gmem, 0x101) == 0x11111111ffffffff);
}

static void the_last_word_is_the_end(void **state)
{
	struct gmem *gmem = *state;

	assert_int_equal(patch(gmem, 8, 1, BYTES - 8), 0);
	assert_true(word(gmem, BYTES - 8) == 1);
	assert_int_equal(patch(gmem, 8, 1, BYTES - 7), -EFAULT);
	assert_int_equal(patch(gmem, 4, 1, BYTES - 4), 0);
	assert_int_equal(patch(gmem, 4, 1, BYTES - 3), -EFAULT);
	assert_int_equal(patch(gmem, 8, 1, UINT32_MAX), -EFAULT);
	/* The second range was not touched. */
	assert_true(word(gmem, BYTES) == 0);
}

static void images_must_be_ram_in_one_piece(void **state)
{
	struct gmem *gmem = *state;
	const uint32_t offset = 0;
	struct gmem_patch p = {&offset, 1, 8, 1};

	assert_int_equal(gmem_patch(gmem, gpa(0x4000), 0x2000, &p), -EFAULT);
	assert_int_equal(gmem_patch(gmem, gpa(0x6000), 8, &p), -EFAULT);
	assert_int_equal(gmem_patch(gmem, gpa(UINT64_MAX - 4), 8, &p), -EFAULT);
	assert_int_equal(gmem_patch(gmem, gpa(0), 7, &p), -EFAULT);
	assert_int_equal(gmem_patch(gmem, gpa(0), 8, &p), 0);
	p.width = 2;
	assert_int_equal(gmem_patch(gmem, gpa(0), 8, &p), -EINVAL);
	p.count = 0;
	p.width = 4;
	assert_int_equal(gmem_patch(gmem, gpa(UINT64_MAX), 0, &p), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(adds_at_any_alignment),
	    TEST(narrow_words_wrap_alone),
	    TEST(the_last_word_is_the_end),
	    TEST(images_must_be_ram_in_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
