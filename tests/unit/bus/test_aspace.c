/* SPDX-License-Identifier: BSD-2-Clause */
/* Address space dispatch: who gets which access, in which pieces. */
#include "fakes.h"

struct probe {
	struct aspace_region region;
	char log[256];
};

static uint64_t probe_read(void *ctx, uint64_t off, unsigned size)
{
	struct probe *p = ctx;
	size_t len = strlen(p->log);

	snprintf(p->log + len, sizeof(p->log) - len, "r%u@%llu ", size,
		 (unsigned long long)off);
	return 0x8877665544332211ull >> (8 * (off & 7));
}

static void probe_write(void *ctx, uint64_t off, unsigned size, uint64_t value)
{
	struct probe *p = ctx;
	size_t len = strlen(p->log);

	snprintf(p->log + len, sizeof(p->log) - len, "w%u@%llu=%llx ", size,
		 (unsigned long long)off, (unsigned long long)value);
}

static struct probe probe(uint64_t size, uint8_t min, uint8_t max)
{
	return (struct probe){.region = {.name = "probe",
					 .size = size,
					 .read = probe_read,
					 .write = probe_write,
					 .min_size = min,
					 .max_size = max}};
}

static struct aspace *space(void)
{
	struct aspace *as;

	assert_int_equal(aspace_create("test", 0x10000, &as), 0);
	return as;
}

static void test_unclaimed(void **state UNUSED)
{
	struct aspace *as = space();
	uint64_t v = 0;

	assert_int_equal(aspace_read(as, 0x80, 4, &v), -ENXIO);
	assert_int_equal(v, 0xffffffff);
	assert_int_equal(aspace_write(as, 0x80, 1, 0), -ENXIO);
	aspace_destroy(as);
}

static void test_overlap_refused(void **state UNUSED)
{
	struct aspace *as = space();
	struct probe a = probe(16, 1, 4), b = probe(16, 1, 4);
	struct err err;

	assert_int_equal(aspace_add(as, &a.region, 0x100, NULL), 0);
	assert_int_equal(aspace_add(as, &b.region, 0x10f, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "overlaps"));
	assert_int_equal(aspace_add(as, &b.region, 0xf1, &err), -EEXIST);
	assert_int_equal(aspace_add(as, &b.region, 0x110, NULL), 0);
	aspace_remove(as, &a.region);
	assert_int_equal(aspace_add(as, &a.region, 0xf1, NULL), 0);
	assert_int_equal(aspace_add(as, &a.region, 0xfff8, &err), -EINVAL);
	aspace_destroy(as);
}

static void test_pieces(void **state UNUSED)
{
	struct aspace *as = space();
	struct probe p = probe(16, 1, 4);
	uint64_t v;

	p.region.ctx = &p;
	assert_int_equal(aspace_add(as, &p.region, 0x100, NULL), 0);
	assert_int_equal(aspace_read(as, 0x100, 8, &v), 0);
	assert_true(v == 0x8877665544332211ull);
	assert_int_equal(aspace_read(as, 0x101, 2, &v), 0);
	assert_int_equal(v, 0x3322);
	assert_int_equal(aspace_write(as, 0x104, 4, 0xaabbccdd), 0);
	assert_string_equal(p.log, "r4@0 r4@4 r1@1 r1@2 w4@4=aabbccdd ");
	aspace_destroy(as);
}

static void test_wide_registers_only(void **state UNUSED)
{
	struct aspace *as = space();
	struct probe p = probe(16, 4, 4);
	uint64_t v;

	p.region.ctx = &p;
	assert_int_equal(aspace_add(as, &p.region, 0x100, NULL), 0);
	assert_int_equal(aspace_read(as, 0x101, 1, &v), 0);
	assert_int_equal(v, 0x22);
	assert_int_equal(aspace_write(as, 0x101, 1, 5), 0);
	assert_string_equal(p.log, "r4@0 ");
	aspace_destroy(as);
}

static void test_across_border(void **state UNUSED)
{
	struct aspace *as = space();
	struct probe p = probe(2, 1, 4);
	uint64_t v;

	p.region.ctx = &p;
	assert_int_equal(aspace_add(as, &p.region, 0x100, NULL), 0);
	assert_int_equal(aspace_read(as, 0x100, 4, &v), 0);
	assert_int_equal(v, 0xffff2211);
	aspace_destroy(as);
}

static void test_shared_line(void **state UNUSED)
{
	struct irq_shared *lines;
	struct fake_irq irq;
	bool a = false, b = false;

	fake_irq_init(&irq);
	assert_int_equal(irq_shared_create(&irq.ctl, &lines), 0);
	irq_shared_set(lines, 17, &a, true);
	irq_shared_set(lines, 17, &b, true);
	irq_shared_set(lines, 17, &a, true);
	assert_int_equal(irq.changes[17], 1);
	irq_shared_set(lines, 17, &a, false);
	assert_true(irq.line[17]);
	irq_shared_set(lines, 17, &b, false);
	assert_false(irq.line[17]);
	assert_int_equal(irq.changes[17], 2);
	irq_shared_destroy(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unclaimed),
	    cmocka_unit_test(test_overlap_refused),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_wide_registers_only),
	    cmocka_unit_test(test_across_border),
	    cmocka_unit_test(test_shared_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
