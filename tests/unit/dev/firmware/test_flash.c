/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the boot flash as the guest sees it: places, the commands as edk2
 * sends them, what is mapped when, what outlives the guest.
 */
#include "flash_files.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "dev/firmware/flash.h"
#include "fakes.h"

#define CODE_BASE (GIB(4) - CODE_BYTES)
#define VARS_BASE (CODE_BASE - VARS_BYTES)
#define MAPPINGS  4u

struct mapping {
	uint64_t base, size;
	uint8_t *host;
	unsigned flags;
};

struct board {
	struct fake fake;
	struct files files;
	struct memmap memmap;
	struct mapping map[MAPPINGS];
	unsigned maps, unmaps;
	bool no_slot;
	struct flash *flash;
	struct err err;
};

/* Writes to files fail with this. */
static int write_errno;

ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t off)
{
	if (!write_errno)
		return __real_pwrite64(fd, buf, n, off);
	errno = write_errno;
	return -1;
}

/* ---- the guest's memory ---- */

static int map(void *ctx, gpa_t base, uint64_t size, void *host, unsigned flags,
	       int *ret_handle)
{
	struct board *b = ctx;
	int i;

	assert_int_equal((base.v | size | (uintptr_t)host) % 4096, 0);
	if (b->no_slot)
		return -ENOSPC;
	for (i = 0; b->map[i].size; i++)
		assert_true(i + 1 < (int)MAPPINGS);
	b->map[i] = (struct mapping){base.v, size, host, flags};
	b->maps++;
	*ret_handle = i;
	return 0;
}

static void unmap(void *ctx, int handle)
{
	struct board *b = ctx;

	assert_in_range(handle, 0, MAPPINGS - 1);
	assert_true(b->map[handle].size != 0);
	b->map[handle].size = 0;
	b->unmaps++;
}

static const struct memmap_ops ops = {.map = map, .unmap = unmap};

static const struct mapping *mapped(const struct board *b, uint64_t addr)
{
	unsigned i;

	for (i = 0; i < MAPPINGS; i++)
		if (b->map[i].size &&
		    range_inside(addr, 1, b->map[i].base, b->map[i].size))
			return &b->map[i];
	return NULL;
}

static uint64_t rd(struct board *b, uint64_t addr, unsigned size)
{
	const struct mapping *m = mapped(b, addr);
	uint64_t v = 0;

	if (m)
		memcpy(&v, m->host + (addr - m->base), size);
	else
		(void)aspace_read(b->fake.env.mmio, addr, size, &v);
	return v;
}

/* A mapping may only be read: writes exit. */
static void wr(struct board *b, uint64_t addr, unsigned size, uint64_t v)
{
	const struct mapping *m = mapped(b, addr);

	assert_true(!m || (m->flags & MEMMAP_READONLY));
	(void)aspace_write(b->fake.env.mmio, addr, size, v);
}

static uint8_t rd8(struct board *b, uint64_t offset)
{
	return (uint8_t)rd(b, VARS_BASE + offset, 1);
}

static void wr8(struct board *b, uint64_t offset, uint8_t v)
{
	wr(b, VARS_BASE + offset, 1, v);
}

/* ---- what edk2 does ---- */

/* Is it flash? As firmware finds out, leaving it as it was. */
static bool probe(struct board *b)
{
	uint64_t at = 0;
	uint8_t before, after;

	while (rd8(b, at) == 0x50 || rd8(b, at) == 0x70 || rd8(b, at) == 0)
		at++;
	before = rd8(b, at);
	wr8(b, at, 0x50);
	if (rd8(b, at) == 0x50)
		return false;
	wr8(b, at, 0x70);
	after = rd8(b, at);
	if (after == before || after == 0x70 || after != 0)
		return false;
	wr8(b, at, 0xff);
	return rd8(b, at) == before;
}

static void program(struct board *b, uint64_t offset, const void *bytes,
		    size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		wr8(b, offset + i, 0x10);
		wr8(b, offset + i, ((const uint8_t *)bytes)[i]);
	}
	wr8(b, offset + len - 1, 0xff);
}

static void erase(struct board *b, uint64_t offset)
{
	wr8(b, offset, 0x20);
	wr8(b, offset, 0xd0);
}

/* ---- fixture ---- */

static int try_create(struct board *b, const char *code, const char *vars)
{
	const struct flash_params params = {.code = code, .vars = vars};

	return flash_create(&b->fake.env, &params, &b->err, &b->flash);
}

static void create(struct board *b)
{
	if (try_create(b, b->files.code, b->files.vars))
		fail_msg("%s", b->err.msg);
}

static void destroy(struct board *b)
{
	flash_destroy(b->flash);
	b->flash = NULL;
	assert_int_equal(b->maps, b->unmaps);
}

static int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_init(&b->fake);
	files_create(&b->files);
	b->memmap = (struct memmap){.ops = &ops, .ctx = b};
	b->fake.env.memmap = &b->memmap;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	destroy(b);
	files_remove(&b->files);
	fake_fini(&b->fake);
	free(b);
	return 0;
}

/* ---- places ---- */

static void code_ends_at_4_gib_and_variables_lie_below(void **state)
{
	struct board *b = *state;
	uint8_t *code = malloc(CODE_BYTES), vars[VARS_BYTES];

	create(b);
	assert_int_equal(flash_base(b->flash), VARS_BASE);
	assert_int_equal(b->map[0].base, CODE_BASE);
	assert_int_equal(b->map[0].size, CODE_BYTES);
	assert_int_equal(b->map[0].flags, MEMMAP_READONLY);
	file_get(b->files.code, code, CODE_BYTES);
	assert_memory_equal(b->map[0].host, code, CODE_BYTES);
	assert_int_equal(b->map[1].base, VARS_BASE);
	assert_int_equal(b->map[1].size, VARS_BYTES);
	assert_int_equal(b->map[1].flags, MEMMAP_READONLY);
	file_get(b->files.vars, vars, VARS_BYTES);
	assert_memory_equal(b->map[1].host, vars, VARS_BYTES);
	assert_memory_equal(flash_image_tail(b->flash, 0x20000),
			    code + CODE_BYTES - 0x20000, 0x20000);
	assert_null(flash_image_tail(b->flash, CODE_BYTES + 1));
	free(code);
}

static void code_cannot_be_written(void **state)
{
	struct board *b = *state;
	uint64_t before;

	create(b);
	before = rd(b, CODE_BASE + 64, 8);
	wr(b, CODE_BASE + 64, 1, 0x10);
	wr(b, CODE_BASE + 64, 1, 0x00);
	assert_int_equal(rd(b, CODE_BASE + 64, 8), before);
}

/* ---- commands ---- */

static void edk2_takes_it_for_flash(void **state)
{
	struct board *b = *state;

	create(b);
	assert_true(probe(b));
	assert_non_null(mapped(b, VARS_BASE));
	assert_true(probe(b));
}

static void programming_clears_bits(void **state)
{
	struct board *b = *state;

	create(b);
	program(b, 0x200, "\xf0\x0f\x55", 3);
	assert_int_equal(rd(b, VARS_BASE + 0x1ff, 4), 0x550ff0ff);
	program(b, 0x200, "\x3c\xff\xaa", 3);
	assert_int_equal(rd(b, VARS_BASE + 0x1ff, 5), 0xff000f30ff);
	wr8(b, 0x300, 0x40); /* the other command for it */
	wr8(b, 0x300, 0x5a);
	wr8(b, 0x300, 0xff);
	assert_int_equal(rd8(b, 0x300), 0x5a);
	/* A data cycle programs as many bytes as it is wide. */
	wr8(b, 0x400, 0x10);
	wr(b, VARS_BASE + 0x400, 8, 0x1122334455667788);
	wr8(b, 0x400, 0xff);
	assert_int_equal(rd(b, VARS_BASE + 0x400, 8), 0x1122334455667788);
}

static void erasing_sets_a_block(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES], got[VARS_BYTES];

	create(b);
	program(b, SPARE - 1, "abc", 3);
	program(b, SPARE + 0xfff, "xyz", 3);
	file_get(b->files.vars, want, VARS_BYTES);
	assert_int_equal(want[SPARE - 1], 'a');
	assert_int_equal(want[SPARE], 'b');
	erase(b, SPARE + 0x123);
	memset(want + SPARE, 0xff, 0x1000);
	wr8(b, 0, 0xff);
	file_get(b->files.vars, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
	assert_memory_equal(mapped(b, VARS_BASE)->host, want, VARS_BYTES);
}

static void the_status_tells_how_it_went(void **state)
{
	struct board *b = *state;

	create(b);
	wr8(b, 0, 0x70);
	assert_int_equal(rd8(b, 0x1234), 0);
	wr8(b, 0x500, 0x40);
	assert_int_equal(rd8(b, 0x500), 0);
	wr8(b, 0x500, 0x00);
	assert_int_equal(rd8(b, 0x500), 0x80);
	assert_int_equal(rd(b, VARS_BASE + 0x500, 4), 0x80808080);
	wr8(b, 0, 0x50);
	assert_int_equal(rd8(b, 0), 0);
	erase(b, SPARE);
	assert_int_equal(rd8(b, SPARE), 0x80);
	/* Not confirmed: a sequence error, and nothing is erased. */
	wr8(b, 0x500, 0x20);
	wr8(b, 0x500, 0xff);
	assert_int_equal(rd8(b, 0x500), 0xb0);
	wr8(b, 0, 0x50);
	wr8(b, 0, 0xff);
	assert_int_equal(rd8(b, 0x500), 0);
	assert_memory_equal(mapped(b, VARS_BASE)->host + 0x28, "_FVH", 4);
}

static void the_guest_learns_that_the_host_is_full(void **state)
{
	struct board *b = *state;

	create(b);
	program(b, SPARE, "x", 1);
	wr8(b, 0, 0x70);
	write_errno = ENOSPC;
	wr8(b, 0x200, 0x10);
	wr8(b, 0x200, 'y');
	assert_int_equal(rd8(b, 0x200), 0x90);
	wr8(b, 0, 0x50);
	erase(b, SPARE);
	assert_int_equal(rd8(b, 0x200), 0xa0);
	wr8(b, 0, 0xff);
	write_errno = 0;
	assert_int_equal(rd8(b, 0x200), 0xff);
	assert_int_equal(rd8(b, SPARE), 'x');
}

static void it_can_be_identified(void **state)
{
	struct board *b = *state;

	create(b);
	wr8(b, 0, 0x90);
	assert_int_equal(rd8(b, 0), 0x89);
	wr8(b, 0x55, 0x98);
	assert_int_equal(rd8(b, 0x0f), 0);
	assert_int_equal(rd(b, VARS_BASE + 0x10, 1), 'Q');
	assert_int_equal(rd(b, VARS_BASE + 0x11, 2), 'R' | 'Y' << 8);
	assert_int_equal(rd(b, VARS_BASE + 0x13, 2), 1);
	assert_int_equal(rd8(b, 0x27), 16); /* 64 KiB */
	assert_int_equal(rd8(b, 0x2c), 1);
	assert_int_equal(rd(b, VARS_BASE + 0x2d, 2), 15);
	assert_int_equal(rd(b, VARS_BASE + 0x2f, 2), 16); /* * 256 */
	assert_int_equal(rd8(b, 0x31), 0);
	wr8(b, 0, 0xff);
	assert_int_equal(rd8(b, 0x10), 0x8d);
}

static void unknown_commands_show_the_array(void **state)
{
	struct board *b = *state;

	create(b);
	wr8(b, 0x28, 0x90);
	assert_null(mapped(b, VARS_BASE));
	wr8(b, 0x28, 0xe8);
	assert_int_equal(rd8(b, 0x28), '_');
	assert_non_null(mapped(b, VARS_BASE));
	wr8(b, 0x28, 0x00);
	assert_int_equal(rd8(b, 0x28), '_');
}

static void reading_exits_only_while_it_must(void **state)
{
	struct board *b = *state;

	create(b);
	assert_int_equal(b->maps, 2);
	/* Not for the price of a memory map: what firmware does a lot. */
	program(b, 0x200, "0123456789", 10);
	erase(b, SPARE);
	wr8(b, 0, 0x50);
	assert_int_equal(b->maps, 2);
	assert_int_equal(b->unmaps, 0);
	assert_memory_equal(mapped(b, VARS_BASE)->host + 0x200, "0123456789",
			    10);
	wr8(b, 0, 0x70);
	assert_null(mapped(b, VARS_BASE));
	wr8(b, 0, 0xff);
	assert_non_null(mapped(b, VARS_BASE));
	wr8(b, 0, 0xff);
	assert_int_equal(b->maps, 3);
}

static void reset_forgets_what_was_begun(void **state)
{
	struct board *b = *state;

	create(b);
	wr8(b, 0, 0x70);
	wr8(b, 0x200, 0x40);
	wr8(b, 0x200, 'x');
	wr8(b, 0, 0x40);
	assert_int_equal(rd8(b, 0), 0x80);
	flash_reset(b->flash);
	assert_non_null(mapped(b, VARS_BASE));
	/* Not the data of the program command. */
	wr8(b, 0, 0x70);
	assert_int_equal(rd8(b, 0), 0);
	flash_reset(b->flash);
	assert_memory_equal(mapped(b, VARS_BASE)->host + 0x28, "_FVH", 4);
	assert_int_equal(rd8(b, 0x200), 'x');
}

static void without_a_slot_it_still_reads(void **state)
{
	struct board *b = *state;

	create(b);
	b->no_slot = true;
	wr8(b, 0, 0x70);
	wr8(b, 0, 0xff);
	program(b, 0x200, "slow", 4);
	assert_null(mapped(b, VARS_BASE));
	assert_int_equal(rd(b, VARS_BASE + 0x200, 4), 0x776f6c73);
	b->no_slot = false;
	wr8(b, 0, 0x70);
	wr8(b, 0, 0xff);
	assert_non_null(mapped(b, VARS_BASE));
	assert_memory_equal(mapped(b, VARS_BASE)->host + 0x200, "slow", 4);
}

/* ---- what stays ---- */

static void variables_outlive_the_guest(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES];

	create(b);
	program(b, 0x200, "persistent", 10);
	memcpy(want, mapped(b, VARS_BASE)->host, VARS_BYTES);
	assert_true(file_exists(b->files.mark));
	destroy(b);
	assert_false(file_exists(b->files.mark));
	create(b);
	assert_memory_equal(mapped(b, VARS_BASE)->host, want, VARS_BYTES);
	assert_memory_equal(want + 0x200, "persistent", 10);
}

/* Runs fn in a process of its own that kills itself afterwards. */
static void in_killed_process(struct board *b, void (*fn)(struct board *b))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		fn(b);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void write_and_die(struct board *b)
{
	create(b);
	program(b, 0x200, "killed", 6);
	/* In the middle of a series, too. */
	wr8(b, 0x206, 0x10);
	wr8(b, 0x206, '!');
	wr8(b, 0x207, 0x10);
}

static void variables_outlive_a_kill(void **state)
{
	struct board *b = *state;

	in_killed_process(b, write_and_die);
	assert_true(file_exists(b->files.mark));
	create(b);
	assert_memory_equal(mapped(b, VARS_BASE)->host + 0x200, "killed!\xff",
			    8);
}

static void tools_see_a_plain_image_at_any_time(void **state)
{
	struct board *b = *state;
	uint8_t bytes[VARS_BYTES];

	create(b);
	wr8(b, 0x200, 0x10);
	wr8(b, 0x200, 'A');
	file_get(b->files.vars, bytes, VARS_BYTES);
	assert_int_equal(bytes[0x200], 'A');
	wr8(b, 0x200, 0xff);
	assert_memory_equal(mapped(b, VARS_BASE)->host, bytes, VARS_BYTES);
}

static void without_a_file_the_template_serves(void **state)
{
	struct board *b = *state;
	uint8_t bytes[VARS_BYTES], now[VARS_BYTES];
	char path[128];

	vars_make(bytes);
	bytes[0x100] = 'T';
	snprintf(path, sizeof(path), "%s/VARS.fd", b->files.dir);
	file_put(path, bytes, VARS_BYTES);
	assert_int_equal(try_create(b, b->files.code, NULL), 0);
	assert_int_equal(flash_base(b->flash), VARS_BASE);
	assert_true(probe(b));
	assert_int_equal(rd8(b, 0x100), 'T');
	program(b, 0x200, "volatile", 8);
	erase(b, SPARE);
	wr8(b, 0, 0xff);
	assert_memory_equal(mapped(b, VARS_BASE)->host + 0x200, "volatile", 8);
	destroy(b);
	file_get(path, now, VARS_BYTES);
	assert_memory_equal(now, bytes, VARS_BYTES);
	assert_int_equal(try_create(b, b->files.code, NULL), 0);
	assert_int_equal(rd8(b, 0x200), 0xff);
}

static void without_a_template_there_is_only_code(void **state)
{
	struct board *b = *state;

	assert_int_equal(try_create(b, b->files.code, NULL), 0);
	assert_int_equal(flash_base(b->flash), CODE_BASE);
	assert_int_equal(b->maps, 1);
	assert_int_equal(rd(b, VARS_BASE, 1), 0xff);
	assert_false(probe(b));
	flash_reset(b->flash);
}

/* One file for both, as OVMF.fd. */
static void make_whole(struct board *b, char path[128])
{
	uint8_t *bytes = malloc(VARS_BYTES + CODE_BYTES);

	vars_make(bytes);
	file_get(b->files.code, bytes + VARS_BYTES, CODE_BYTES);
	snprintf(path, 128, "%s/WHOLE.fd", b->files.dir);
	file_put(path, bytes, VARS_BYTES + CODE_BYTES);
	free(bytes);
}

static void firmware_in_one_file(void **state)
{
	struct board *b = *state;
	char path[128];

	make_whole(b, path);
	assert_int_equal(try_create(b, path, NULL), 0);
	assert_int_equal(flash_base(b->flash), VARS_BASE);
	assert_int_equal(b->map[0].base, CODE_BASE);
	assert_int_equal(b->map[1].base, VARS_BASE);
	assert_true(probe(b));
	program(b, 0x200, "x", 1);
	assert_int_equal(rd8(b, 0x200), 'x');
	destroy(b);
	assert_int_equal(try_create(b, path, NULL), 0);
	assert_int_equal(rd8(b, 0x200), 0xff);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(code_ends_at_4_gib_and_variables_lie_below),
	    TEST(code_cannot_be_written),
	    TEST(edk2_takes_it_for_flash),
	    TEST(programming_clears_bits),
	    TEST(erasing_sets_a_block),
	    TEST(the_status_tells_how_it_went),
	    TEST(the_guest_learns_that_the_host_is_full),
	    TEST(it_can_be_identified),
	    TEST(unknown_commands_show_the_array),
	    TEST(reading_exits_only_while_it_must),
	    TEST(reset_forgets_what_was_begun),
	    TEST(without_a_slot_it_still_reads),
	    TEST(variables_outlive_the_guest),
	    TEST(variables_outlive_a_kill),
	    TEST(tools_see_a_plain_image_at_any_time),
	    TEST(without_a_file_the_template_serves),
	    TEST(without_a_template_there_is_only_code),
	    TEST(firmware_in_one_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
