/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the AML encoding, byte by byte, against ACPI 5.1 chapter 20. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "machine/aml.h"

struct fixture {
	struct tbuf buf;
	struct aml aml;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	if (tbuf_init(&f.buf, 8192))
		return -1;
	aml_init(&f.aml, &f.buf);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tbuf_fini(&f->buf);
	return 0;
}

#define assert_bytes(f, ...)                                              \
	do {                                                              \
		static const uint8_t want_[] = {__VA_ARGS__};             \
		assert_int_equal((f)->buf.len, sizeof(want_));            \
		assert_memory_equal((f)->buf.data, want_, sizeof(want_)); \
		(f)->buf.len = 0;                                         \
	} while (0)

static void integers(void **state)
{
	struct fixture *f = *state;

	aml_int(&f->aml, 0);
	assert_bytes(f, 0x00);
	aml_int(&f->aml, 1);
	assert_bytes(f, 0x01);
	aml_int(&f->aml, 2);
	assert_bytes(f, 0x0a, 2);
	aml_int(&f->aml, 255);
	assert_bytes(f, 0x0a, 0xff);
	aml_int(&f->aml, 256);
	assert_bytes(f, 0x0b, 0x00, 0x01);
	aml_int(&f->aml, 0x10000);
	assert_bytes(f, 0x0c, 0, 0, 1, 0);
	aml_int(&f->aml, 0x100000000);
	assert_bytes(f, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
}

static void names(void **state)
{
	struct fixture *f = *state;

	aml_ref(&f->aml, "RTC");
	assert_bytes(f, 'R', 'T', 'C', '_');
	aml_ref(&f->aml, "\\");
	assert_bytes(f, '\\', 0);
	aml_ref(&f->aml, "\\_SB.PC00");
	assert_bytes(f, '\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', '0', '0');
	aml_ref(&f->aml, "^A.B.C");
	assert_bytes(f, '^', 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_',
		     'C', '_', '_', '_');
}

static void strings_and_ids(void **state)
{
	struct fixture *f = *state;

	aml_string(&f->aml, "ab");
	assert_bytes(f, 0x0d, 'a', 'b', 0);
	aml_eisa_id(&f->aml, "PNP0A08");
	assert_bytes(f, 0x0c, 0x41, 0xd0, 0x0a, 0x08);
}

/* A scope with `n` bytes in it; where its own contents start. */
static size_t scope_of(struct fixture *f, unsigned n)
{
	f->buf.len = 0;
	aml_scope(&f->aml, "X");
	while (n--)
		aml_op(&f->aml, AML_ONE);
	aml_close(&f->aml);
	return f->buf.len;
}

static void lengths_take_one_to_three_bytes(void **state)
{
	struct fixture *f = *state;
	const uint8_t *at = f->buf.data;

	/* 1 length byte + 4 of name + 58 = 63, the most one byte can say. */
	assert_int_equal(scope_of(f, 58), 1 + 63);
	assert_int_equal(at[1], 63);
	assert_int_equal(scope_of(f, 59), 1 + 65);
	assert_int_equal(at[1], 0x40 | 1);
	assert_int_equal(at[2], 65 >> 4);
	assert_memory_equal(at + 3, "X___", 4);
	assert_int_equal(scope_of(f, 0xfff - 6), 1 + 0xfff);
	assert_int_equal(at[1], 0x40 | 0xf);
	assert_int_equal(at[2], 0xff);
	assert_int_equal(scope_of(f, 0x1000 - 6), 1 + 0x1001);
	assert_int_equal(at[1], 0x80 | 0x1);
	assert_int_equal(at[2], 0x1001 >> 4 & 0xff);
	assert_int_equal(at[3], 0x1001 >> 12);
	assert_int_equal(at[f->buf.len - 1], AML_ONE);
}

static void nested_lengths(void **state)
{
	struct fixture *f = *state;

	aml_device(&f->aml, "D");
	aml_method(&f->aml, "M", 1, true);
	aml_op(&f->aml, AML_RETURN);
	aml_op(&f->aml, AML_ARG0);
	aml_close(&f->aml);
	aml_close(&f->aml);
	assert_bytes(f, 0x5b, 0x82, 14, 'D', '_', '_', '_', 0x14, 8, 'M', '_',
		     '_', '_', 0x09, 0xa4, 0x68);
}

static void fields(void **state)
{
	struct fixture *f = *state;

	aml_pci_region(&f->aml, "PRR", 0x60, 12);
	assert_bytes(f, 0x5b, 0x80, 'P', 'R', 'R', '_', 2, 0x0a, 0x60, 0x0a,
		     12);
	aml_byte_field(&f->aml, "PRR");
	aml_field_unit(&f->aml, "PIRA", 8);
	aml_field_skip(&f->aml, 32);
	aml_close(&f->aml);
	assert_bytes(f, 0x5b, 0x81, 13, 'P', 'R', 'R', '_', 0x01, 'P', 'I', 'R',
		     'A', 8, 0, 32);
}

static void resources_end_and_count_themselves(void **state)
{
	struct fixture *f = *state;

	aml_resources(&f->aml);
	aml_res_io(&f->aml, 0x3f8, 8);
	aml_res_irq(&f->aml, 0x10);
	aml_close(&f->aml);
	assert_bytes(f, 0x11, 17, 0x0b, 13, 0, 0x47, 1, 0xf8, 0x03, 0xf8, 0x03,
		     1, 8, 0x22, 0x10, 0x00, 0x79, 0x00);
}

static void windows(void **state)
{
	struct fixture *f = *state;
	const uint8_t *at = f->buf.data;

	aml_resources(&f->aml);
	aml_res_bus_window(&f->aml, 5, 5);
	aml_res_mem64_window(&f->aml, 0x800000000, 0xfffffffff);
	aml_close(&f->aml);
	at += 6; /* operator, two of length, three of size */
	assert_int_equal(at[0], 0x88); /* word space, 13 bytes */
	assert_int_equal(tbuf_int(at + 1, 2), 13);
	assert_int_equal(at[3], 2); /* bus numbers */
	assert_int_equal(tbuf_int(at + 8, 2), 5);
	assert_int_equal(tbuf_int(at + 10, 2), 5);
	assert_int_equal(tbuf_int(at + 14, 2), 1);
	at += 16;
	assert_int_equal(at[0], 0x8a); /* qword space, 43 bytes */
	assert_int_equal(tbuf_int(at + 1, 2), 43);
	assert_int_equal(at[3], 0); /* memory */
	assert_int_equal(at[4], 0x0c);
	assert_true(tbuf_int(at + 14, 8) == 0x800000000);
	assert_true(tbuf_int(at + 22, 8) == 0xfffffffff);
	assert_true(tbuf_int(at + 38, 8) == 0x800000000);
}

static void full_buffer_is_remembered(void **state)
{
	struct fixture *f = *state;

	tbuf_fini(&f->buf);
	assert_int_equal(tbuf_init(&f->buf, 8), 0);
	aml_scope(&f->aml, "X");
	aml_string(&f->aml, "too long");
	aml_close(&f->aml);
	assert_true(f->buf.full);
	assert_true(f->buf.len <= 8);
	aml_op(&f->aml, AML_ONE); /* stays full even if a byte would fit */
	assert_true(f->buf.full);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(integers),
	    TEST(names),
	    TEST(strings_and_ids),
	    TEST(lengths_take_one_to_three_bytes),
	    TEST(nested_lengths),
	    TEST(fields),
	    TEST(resources_end_and_count_themselves),
	    TEST(windows),
	    TEST(full_buffer_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
