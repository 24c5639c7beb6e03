/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of guest memory: placement, bounds of every access, reading files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "gmem/gmem.h"

#define PAGE 4096ull

/*
 * The system calls gmem makes, replaced through the linker's --wrap. Each
 * behaves as usual until a test changes `fake`.
 */
static struct {
	/* pread: how many more calls fail with EINTR, longest read. */
	unsigned interrupts;
	size_t read_max;
	unsigned preads;
	/* mlock: 0 or the errno to fail with; bytes locked so far. */
	int mlock_errno;
	uint64_t locked;
	rlim_t memlock_limit;
	/* madvise: advice that fails with EINVAL, 0 none. */
	int bad_advice;
} fake;

ssize_t __real_pread64(int fd, void *buf, size_t len, off64_t offset);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off64_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off64_t offset);
int __wrap_mlock(const void *addr, size_t len);
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
int __real_getrlimit64(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit64(int resource, struct rlimit *limit);

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off64_t offset)
{
	fake.preads++;
	if (fake.interrupts) {
		fake.interrupts--;
		errno = EINTR;
		return -1;
	}
	if (fake.read_max)
		len = MIN(len, fake.read_max);
	return __real_pread64(fd, buf, len, offset);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off64_t offset)
{
	return __wrap_pread64(fd, buf, len, offset);
}

int __wrap_mlock(const void *addr UNUSED, size_t len)
{
	if (fake.mlock_errno) {
		errno = fake.mlock_errno;
		return -1;
	}
	fake.locked += len;
	return 0;
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	if (advice == fake.bad_advice) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(addr, len, advice);
}

int __wrap_getrlimit64(int resource, struct rlimit *limit)
{
	/* A sanitizer linked in statically asks for other limits. */
	if (resource != RLIMIT_MEMLOCK)
		return __real_getrlimit64(resource, limit);
	limit->rlim_cur = limit->rlim_max = fake.memlock_limit;
	return 0;
}

int __wrap_getrlimit(int resource, struct rlimit *limit)
{
	return __wrap_getrlimit64(resource, limit);
}

static void add_ok(struct gmem *gmem, uint64_t base, uint64_t size)
{
	struct err err = {0};

	if (gmem_add_ram(gmem, gpa(base), size, &err))
		fail_msg("%s", err.msg);
}

/*
 * Two adjacent ranges of one and two pages at 64 KiB, a hole of a page, one
 * page more. They are added out of order.
 */
#define LOW	    0x10000ull
#define JOIN	    (LOW + PAGE)
#define HOLE	    (LOW + 3 * PAGE)
#define ISLAND	    (LOW + 4 * PAGE)
#define ISLAND_END  (LOW + 5 * PAGE)
#define TOTAL_BYTES (4 * PAGE)

static int setup(void **state)
{
	struct gmem *gmem = NULL;

	memset(&fake, 0, sizeof(fake));
	if (gmem_create(&gmem))
		return -1;
	add_ok(gmem, ISLAND, PAGE);
	add_ok(gmem, JOIN, 2 * PAGE);
	add_ok(gmem, LOW, PAGE);
	*state = gmem;
	return 0;
}

static int teardown(void **state)
{
	gmem_destroy(*state);
	return 0;
}

struct seen {
	unsigned count;
	unsigned stop_at;
	uint64_t base[GMEM_RANGES_MAX];
	uint64_t size[GMEM_RANGES_MAX];
	uint8_t *host[GMEM_RANGES_MAX];
};

static int note_range(void *ctx, gpa_t base, uint64_t size, void *host)
{
	struct seen *seen = ctx;

	seen->base[seen->count] = base.v;
	seen->size[seen->count] = size;
	seen->host[seen->count] = host;
	return ++seen->count == seen->stop_at ? -42 : 0;
}

/* Placement */

static void test_ranges(void **state)
{
	struct seen seen = {0};

	assert_int_equal(gmem_for_each(*state, note_range, &seen), 0);
	assert_int_equal(seen.count, 3);
	assert_true(seen.base[0] == LOW && seen.size[0] == PAGE);
	assert_true(seen.base[1] == JOIN && seen.size[1] == 2 * PAGE);
	assert_true(seen.base[2] == ISLAND && seen.size[2] == PAGE);
	assert_true(gmem_total_bytes(*state) == TOTAL_BYTES);
	seen = (struct seen){.stop_at = 2};
	assert_int_equal(gmem_for_each(*state, note_range, &seen), -42);
	assert_int_equal(seen.count, 2);
}

/* Host and guest address agree modulo 2 MiB; all of it is usable and zero. */
static void test_alignment(void **state UNUSED)
{
	static const uint64_t bases[] = {
	    0,	    0xa0000,	       MIB(1) + PAGE, MIB(4), MIB(8) - PAGE,
	    GIB(4), GIB(1024) + MIB(1)};
	static const uint64_t sizes[] = {
	    0xa0000, PAGE, MIB(2), MIB(3), PAGE, MIB(16) + PAGE, MIB(2) - PAGE};
	struct seen seen = {0};
	struct gmem *gmem;

	assert_int_equal(gmem_create(&gmem), 0);
	for (size_t i = 0; i < ARRAY_LEN(bases); i++)
		add_ok(gmem, bases[i], sizes[i]);
	assert_int_equal(gmem_for_each(gmem, note_range, &seen), 0);
	assert_int_equal(seen.count, ARRAY_LEN(bases));
	for (unsigned i = 0; i < seen.count; i++) {
		uint8_t *end = seen.host[i] + seen.size[i];

		assert_true(((uintptr_t)seen.host[i] - seen.base[i]) % MIB(2) ==
			    0);
		assert_int_equal(seen.host[i][0], 0);
		assert_int_equal(end[-1], 0);
		seen.host[i][0] = end[-1] = 0xff;
	}
	gmem_destroy(gmem);
	gmem_destroy(NULL);
}

static uint64_t address_space_bytes(void)
{
	CLEANUP_FCLOSE FILE *statm = fopen("/proc/self/statm", "re");
	uint64_t pages;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%" SCNu64, &pages), 1);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Neither the cuttings of the aligned maps nor the maps themselves stay. */
static void test_unmapped(void **state UNUSED)
{
	uint64_t before = address_space_bytes();
	struct gmem *gmem;

	for (uint64_t i = 0; i < 64; i++) {
		assert_int_equal(gmem_create(&gmem), 0);
		add_ok(gmem, i * 8 * PAGE, MIB(2));
		add_ok(gmem, GIB(1) + i * 8 * PAGE, MIB(2));
		gmem_destroy(gmem);
	}
	/* Less than an eighth of what has been mapped in total. */
	assert_true(address_space_bytes() < before + MIB(32));
}

static void test_add_refused(void **state)
{
	static const struct {
		uint64_t base, size;
	} bad[] = {
	    {0, 0},
	    {1, PAGE},
	    {0, PAGE + 1},
	    {0, PAGE - 1},
	    {UINT64_MAX - PAGE + 1, PAGE}, /* end would be 2^64 */
	    {UINT64_MAX - PAGE + 1, 2 * PAGE},
	    {PAGE, UINT64_MAX - PAGE + 1},
	    {LOW, PAGE},
	    {LOW - PAGE, 2 * PAGE},
	    {0, GIB(1)},
	    {JOIN + PAGE, PAGE},
	    {JOIN + PAGE, 2 * PAGE},
	    {HOLE, 2 * PAGE},
	};
	struct seen seen = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {0};

		assert_int_equal(
		    gmem_add_ram(*state, gpa(bad[i].base), bad[i].size, &err),
		    -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		assert_true(strlen(err.msg) > 0);
	}
	assert_int_equal(gmem_for_each(*state, note_range, &seen), 0);
	assert_int_equal(seen.count, 3);
}

static void test_add_limits(void **state)
{
	struct err err = {0};

	assert_int_equal(gmem_add_ram(*state, gpa(GIB(1)), 1ull << 62, &err),
			 -ENOMEM);
	assert_non_null(strstr(err.msg, "guest memory at 0x40000000: cannot "
					"map 4398046511104 MiB"));
	assert_int_equal(gmem_add_ram(*state, gpa(GIB(1)),
				      UINT64_MAX - GIB(1) - PAGE + 1, &err),
			 -ENOMEM);
	for (uint64_t i = 3; i < GMEM_RANGES_MAX; i++)
		add_ok(*state, GIB(1) + i * PAGE, PAGE);
	assert_int_equal(gmem_add_ram(*state, gpa(0), PAGE, &err), -ENOSPC);
	assert_string_equal(err.msg, "guest memory at 0x0: more than 8 ranges");
}

static bool is_mapped(void *page)
{
	return msync(page, PAGE, MS_ASYNC) == 0;
}

/* No huge pages is fine; a dump choice that fails is not, and unmaps. */
static void test_advice(void **state)
{
	struct err err = {0};
	struct seen seen = {0};

	fake.bad_advice = MADV_HUGEPAGE;
	add_ok(*state, GIB(1), PAGE);
	fake.bad_advice = MADV_DONTDUMP;
	assert_int_equal(gmem_add_ram(*state, gpa(GIB(2)), PAGE, &err),
			 -EINVAL);
	assert_true(gmem_total_bytes(*state) == TOTAL_BYTES + PAGE);
	assert_int_equal(gmem_set_dump(*state, false), -EINVAL);
	assert_int_equal(gmem_for_each(*state, note_range, &seen), 0);
	assert_true(is_mapped(seen.host[3]));
}

/* The kernel's own flag "dd" (do not dump) of the mapping at `host`. */
static int kernel_dont_dump(const void *host)
{
	CLEANUP_FCLOSE FILE *smaps = fopen("/proc/self/smaps", "re");
	uint64_t start, end;
	bool found = false;
	char line[512];

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			found =
			    (uintptr_t)host >= start && (uintptr_t)host < end;
		else if (found && !strncmp(line, "VmFlags:", 8))
			return strstr(line, " dd") != NULL;
	}
	return -1;
}

static void test_dump(void **state)
{
	struct seen seen = {0};

	assert_int_equal(gmem_for_each(*state, note_range, &seen), 0);
	if (kernel_dont_dump(seen.host[0]) < 0) {
		print_message("skipped: this kernel's smaps has no VmFlags\n");
		skip();
	}
	for (unsigned i = 0; i < seen.count; i++)
		assert_int_equal(kernel_dont_dump(seen.host[i]), 1);
	assert_int_equal(gmem_set_dump(*state, true), 0);
	for (unsigned i = 0; i < seen.count; i++)
		assert_int_equal(kernel_dont_dump(seen.host[i]), 0);
	/* What is added later follows the choice. */
	add_ok(*state, GIB(1), PAGE);
	seen.count = 0;
	assert_int_equal(gmem_for_each(*state, note_range, &seen), 0);
	assert_int_equal(kernel_dont_dump(seen.host[3]), 0);
	assert_int_equal(gmem_set_dump(*state, false), 0);
	assert_int_equal(kernel_dont_dump(seen.host[3]), 1);
}

static void test_lock(void **state)
{
	struct err err = {0};

	assert_int_equal(gmem_lock(*state, &err), 0);
	assert_true(fake.locked == TOTAL_BYTES);
	add_ok(*state, GIB(1), MIB(64));
	fake.mlock_errno = ENOMEM;
	fake.memlock_limit = MIB(8);
	assert_int_equal(gmem_lock(*state, &err), -ENOMEM);
	assert_string_equal(
	    err.msg,
	    "guest memory: cannot lock 64 MiB, RLIMIT_MEMLOCK allows 8192 "
	    "KiB; raise it ('ulimit -l', LimitMEMLOCK= of a service) or run "
	    "as root");
	fake.memlock_limit = RLIM_INFINITY;
	assert_int_equal(gmem_lock(*state, &err), -ENOMEM);
	assert_non_null(strstr(err.msg, "cannot lock 64 MiB although "
					"RLIMIT_MEMLOCK sets no limit"));
}

/* Copies */

static void fill(uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
}

static void test_copy(void **state)
{
	uint8_t in[3 * PAGE], out[3 * PAGE];

	fill(in, sizeof(in));
	/* All of both adjacent ranges in one go. */
	assert_int_equal(gmem_write(*state, gpa(LOW), in, sizeof(in)), 0);
	assert_int_equal(gmem_read(*state, gpa(LOW), out, sizeof(out)), 0);
	assert_memory_equal(in, out, sizeof(in));
	/* Two bytes on either side of the seam. */
	assert_int_equal(gmem_read(*state, gpa(JOIN - 2), out, 4), 0);
	assert_memory_equal(in + PAGE - 2, out, 4);
	assert_int_equal(gmem_zero(*state, gpa(JOIN - 1), 2), 0);
	assert_int_equal(gmem_read(*state, gpa(LOW), out, sizeof(out)), 0);
	in[PAGE - 1] = in[PAGE] = 0;
	assert_memory_equal(in, out, sizeof(in));
}

static void test_copy_objects(void **state)
{
	struct pair {
		uint32_t a;
		uint16_t b;
	} in = {0x11223344, 0x5566}, out = {0};

	assert_int_equal(gmem_write_obj(*state, gpa(HOLE - sizeof(in)), &in),
			 0);
	assert_int_equal(gmem_read_obj(*state, gpa(HOLE - sizeof(in)), &out),
			 0);
	assert_int_equal(out.a, in.a);
	assert_int_equal(out.b, in.b);
	assert_int_equal(
	    gmem_read_obj(*state, gpa(HOLE - sizeof(in) + 1), &out), -EFAULT);
}

/* Start and length that are not, or not wholly, RAM. */
static const struct {
	uint64_t addr, len;
} outside[] = {
    {0, 1},
    {LOW - 1, 1},
    {LOW - 1, 2},
    {HOLE, 1},
    {HOLE - 1, 2},
    {HOLE - 1, PAGE + 2}, /* over the hole */
    {ISLAND - 1, 2},
    {ISLAND_END - 1, 2},
    {ISLAND_END, 1},
    {ISLAND_END - 8, 16},
    {UINT64_MAX, 1},
    {UINT64_MAX, 2}, /* wraps to 1 */
    {UINT64_MAX - 7, 16},
};

static void test_copy_outside(void **state)
{
	uint8_t buf[2 * PAGE], before[TOTAL_BYTES], after[TOTAL_BYTES];
	unsigned pieces = 0;
	struct iovec iov[4];

	memset(buf, 0xaa, sizeof(buf));
	for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
		gpa_t a = gpa(outside[i].addr);
		uint64_t len = outside[i].len;

		assert_int_equal(gmem_read(*state, a, buf, len), -EFAULT);
		assert_int_equal(gmem_write(*state, a, buf, len), -EFAULT);
		assert_int_equal(gmem_zero(*state, a, len), -EFAULT);
		assert_int_equal(gmem_iov(*state, a, len, iov, 4, &pieces),
				 -EFAULT);
		assert_int_equal(pieces, 0);
		/* A length that wraps the sum. */
		assert_int_equal(gmem_read(*state, a, buf, SIZE_MAX), -EFAULT);
		assert_int_equal(gmem_write(*state, a, buf, SIZE_MAX), -EFAULT);
		assert_int_equal(gmem_zero(*state, a, SIZE_MAX), -EFAULT);
		/* Nothing is fine anywhere. */
		assert_int_equal(gmem_read(*state, a, buf, 0), 0);
		assert_int_equal(gmem_write(*state, a, buf, 0), 0);
	}
	/* An access that starts outside leaves what follows alone. */
	assert_int_equal(gmem_zero(*state, gpa(LOW), 3 * PAGE), 0);
	assert_int_equal(gmem_read(*state, gpa(LOW), before, 3 * PAGE), 0);
	assert_int_equal(gmem_write(*state, gpa(LOW - 1), buf, 64), -EFAULT);
	assert_int_equal(gmem_read(*state, gpa(LOW), after, 3 * PAGE), 0);
	assert_memory_equal(before, after, 3 * PAGE);
}

/* Single accesses */

static void test_words(void **state)
{
	static const uint8_t bytes[] = {0x44, 0x33, 0x22, 0x11};
	uint8_t out[4];
	uint16_t v16;
	uint32_t v32;

	assert_int_equal(gmem_store32(*state, gpa(HOLE - 4), 0x11223344), 0);
	assert_int_equal(gmem_read(*state, gpa(HOLE - 4), out, 4), 0);
	assert_memory_equal(out, bytes, 4); /* little-endian */
	assert_int_equal(gmem_load32(*state, gpa(HOLE - 4), &v32), 0);
	assert_int_equal(v32, 0x11223344);
	assert_int_equal(gmem_load16(*state, gpa(HOLE - 2), &v16), 0);
	assert_int_equal(v16, 0x1122);
	assert_int_equal(gmem_store16(*state, gpa(HOLE - 4), 0xbeef), 0);
	assert_int_equal(gmem_load32(*state, gpa(HOLE - 4), &v32), 0);
	assert_int_equal(v32, 0x1122beef);
}

static void test_words_refused(void **state)
{
	uint16_t v16 = 1;
	uint32_t v32 = 2;

	assert_int_equal(gmem_load16(*state, gpa(LOW + 1), &v16), -EINVAL);
	assert_int_equal(gmem_store16(*state, gpa(LOW + 1), 9), -EINVAL);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(gmem_load32(*state, gpa(LOW + i), &v32),
				 -EINVAL);
		assert_int_equal(gmem_store32(*state, gpa(LOW + i), 9),
				 -EINVAL);
	}
	assert_int_equal(gmem_load16(*state, gpa(HOLE), &v16), -EFAULT);
	assert_int_equal(gmem_load32(*state, gpa(LOW - 4), &v32), -EFAULT);
	assert_int_equal(gmem_load32(*state, gpa(UINT64_MAX - 3), &v32),
			 -EFAULT);
	assert_int_equal(gmem_store16(*state, gpa(0), 9), -EFAULT);
	assert_int_equal(gmem_store32(*state, gpa(ISLAND_END), 9), -EFAULT);
	assert_int_equal(v16, 1); /* untouched */
	assert_int_equal(v32, 2);
	assert_int_equal(gmem_load32(*state, gpa(LOW), &v32), 0);
	assert_int_equal(v32, 0);
}

/* Host iovec */

static void test_iov(void **state)
{
	struct iovec iov[3];
	struct seen seen = {0};
	unsigned count = 0;

	assert_int_equal(gmem_for_each(*state, note_range, &seen), 0);
	assert_int_equal(
	    gmem_iov(*state, gpa(ISLAND + 16), 100, iov, 3, &count), 0);
	assert_int_equal(count, 1);
	assert_ptr_equal(iov[0].iov_base, seen.host[2] + 16);
	assert_int_equal(iov[0].iov_len, 100);
	/* Appended, in two pieces because it crosses a seam. */
	assert_int_equal(gmem_iov(*state, gpa(JOIN - 8), PAGE, iov, 3, &count),
			 0);
	assert_int_equal(count, 3);
	assert_ptr_equal(iov[0].iov_base, seen.host[2] + 16);
	assert_ptr_equal(iov[1].iov_base, seen.host[0] + PAGE - 8);
	assert_int_equal(iov[1].iov_len, 8);
	assert_ptr_equal(iov[2].iov_base, seen.host[1]);
	assert_int_equal(iov[2].iov_len, PAGE - 8);
	/* Full: not even one piece more, but nothing is still possible. */
	assert_int_equal(gmem_iov(*state, gpa(LOW), 1, iov, 3, &count), -E2BIG);
	assert_int_equal(gmem_iov(*state, gpa(LOW), 0, iov, 3, &count), 0);
	assert_int_equal(count, 3);
	count = 2;
	assert_int_equal(gmem_iov(*state, gpa(JOIN - 8), 16, iov, 3, &count),
			 -E2BIG);
	assert_int_equal(count, 2);
	count = 0;
	assert_int_equal(gmem_iov(*state, gpa(LOW), UINT64_MAX, iov, 3, &count),
			 -EFAULT);
	assert_int_equal(
	    gmem_iov(*state, gpa(LOW), UINT64_MAX - LOW, iov, 3, &count),
	    -EFAULT);
	assert_int_equal(count, 0);
}

/* Files */

static int make_file(const uint8_t *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	return fd;
}

static void test_read_file(void **state)
{
	uint8_t in[3 * PAGE], out[3 * PAGE];
	int fd;

	fill(in, sizeof(in));
	fd = make_file(in, sizeof(in));
	assert_int_equal(gmem_read_file(*state, gpa(LOW + 8), fd, 5, 2 * PAGE),
			 0);
	assert_int_equal(gmem_read(*state, gpa(LOW), out, sizeof(out)), 0);
	assert_memory_equal(out + 8, in + 5, 2 * PAGE);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(out[i], 0);
	for (size_t i = 8 + 2 * PAGE; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
	assert_true(fake.preads >= 2);
	close(fd);
}

/* The kernel may return less than asked for, or be interrupted. */
static void test_read_file_short(void **state)
{
	uint8_t in[3 * PAGE], out[3 * PAGE];
	int fd;

	fill(in, sizeof(in));
	fd = make_file(in, sizeof(in));
	fake.read_max = 1000;
	fake.interrupts = 3;
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, 0, sizeof(in)),
			 0);
	assert_int_equal(fake.interrupts, 0);
	/* 5 reads for the first page, 9 for the other two, 3 interrupted. */
	assert_int_equal(fake.preads, 17);
	assert_int_equal(gmem_read(*state, gpa(LOW), out, sizeof(out)), 0);
	assert_memory_equal(in, out, sizeof(in));
	close(fd);
}

static void test_read_file_refused(void **state)
{
	uint8_t in[PAGE], out[16];
	int fd, dir;

	fill(in, sizeof(in));
	fd = make_file(in, sizeof(in));
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, 0, PAGE + 1),
			 -ENODATA);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, PAGE, 1),
			 -ENODATA);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, INT64_MAX, 1),
			 -ENODATA);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, UINT64_MAX, 2),
			 -ENODATA);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, 0, 0), 0);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), -1, 0, 1), -EBADF);
	dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), dir, 0, 1), -EISDIR);
	close(dir);
	/* A target outside RAM is refused before the file is touched. */
	fake.preads = 0;
	assert_int_equal(gmem_read_file(*state, gpa(HOLE - 8), fd, 0, 16),
			 -EFAULT);
	assert_int_equal(gmem_read_file(*state, gpa(LOW), fd, 0, UINT64_MAX),
			 -EFAULT);
	assert_int_equal(fake.preads, 0);
	assert_int_equal(gmem_read(*state, gpa(HOLE - 16), out, 16), 0);
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
	close(fd);
}

/* What another process is given of a range. */
static int map_shared(void *ctx, const struct gmem_shared *range)
{
	uint8_t **map = ctx;

	assert_true(range->fd >= 0);
	/* Nobody else can make it smaller under us. */
	assert_int_equal(ftruncate(range->fd, 0), -1);
	assert_int_equal(errno, EPERM);
	*map = mmap(NULL, range->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    range->fd, (off_t)range->offset);
	assert_ptr_not_equal(*map, MAP_FAILED);
	return 0;
}

static void test_shared(void **state UNUSED)
{
	struct gmem *gmem;
	uint8_t *map, byte;

	assert_int_equal(gmem_create(&gmem), 0);
	gmem_share(gmem);
	assert_int_equal(gmem_add_ram(gmem, gpa(HOLE), 4 * PAGE, NULL), 0);
	assert_int_equal(gmem_for_each_shared(gmem, map_shared, &map), 0);
	map[PAGE + 1] = 0x5a;
	assert_int_equal(gmem_read(gmem, gpa(HOLE + PAGE + 1), &byte, 1), 0);
	assert_int_equal(byte, 0x5a);
	assert_int_equal(gmem_write(gmem, gpa(HOLE), "x", 1), 0);
	assert_int_equal(map[0], 'x');
	munmap(map, 4 * PAGE);
	gmem_destroy(gmem);
}

/* With what the host has reserved, or a sentence that names the cure. */
static void test_huge_pages(void **state UNUSED)
{
	const uint64_t huge = 2 << 20;
	struct gmem *gmem;
	struct err err = {0};
	int r;

	assert_int_equal(gmem_create(&gmem), 0);
	gmem_use_huge_pages(gmem);
	assert_int_equal(gmem_add_ram(gmem, gpa(0), huge + PAGE, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "multiple of 2 MiB"));
	r = gmem_add_ram(gmem, gpa(0), huge, &err);
	if (r) {
		assert_int_equal(r, -ENOMEM);
		assert_non_null(strstr(err.msg, "1 huge pages of 2 MiB"));
		assert_non_null(strstr(err.msg, "nr_hugepages"));
		assert_int_equal(gmem_total_bytes(gmem), 0);
	} else {
		assert_int_equal(gmem_write(gmem, gpa(huge - 1), "x", 1), 0);
	}
	gmem_destroy(gmem);
}

static int is_private(void *ctx, const struct gmem_shared *range)
{
	(*(unsigned *)ctx)++;
	return range->fd >= 0;
}

static void test_private(void **state)
{
	unsigned ranges = 0;

	assert_int_equal(gmem_for_each_shared(*state, is_private, &ranges), 0);
	assert_true(ranges > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_ranges),
	    TEST(test_alignment),
	    TEST(test_unmapped),
	    TEST(test_add_refused),
	    TEST(test_add_limits),
	    TEST(test_advice),
	    TEST(test_dump),
	    TEST(test_lock),
	    TEST(test_shared),
	    TEST(test_huge_pages),
	    TEST(test_private),
	    TEST(test_copy),
	    TEST(test_copy_objects),
	    TEST(test_copy_outside),
	    TEST(test_words),
	    TEST(test_words_refused),
	    TEST(test_iov),
	    TEST(test_read_file),
	    TEST(test_read_file_short),
	    TEST(test_read_file_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
