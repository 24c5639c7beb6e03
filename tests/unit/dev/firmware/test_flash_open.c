/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of what is refused as firmware or variables, and in which words. */
#include "flash_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "dev/firmware/flash.h"
#include "fakes.h"

struct board {
	struct fake fake;
	struct files files;
	struct memmap memmap;
	unsigned mapped;
	int map_result;
	struct flash *flash;
	struct err err;
};

static int map(void *ctx, gpa_t base UNUSED, uint64_t size UNUSED,
	       void *host UNUSED, unsigned flags UNUSED, int *ret_handle)
{
	struct board *b = ctx;

	if (b->map_result)
		return b->map_result;
	*ret_handle = (int)b->mapped++;
	return 0;
}

static void unmap(void *ctx, int handle UNUSED)
{
	struct board *b = ctx;

	b->mapped--;
}

static const struct memmap_ops ops = {.map = map, .unmap = unmap};

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

	flash_destroy(b->flash);
	files_remove(&b->files);
	fake_fini(&b->fake);
	free(b);
	return 0;
}

static int try_create(struct board *b, const char *code, const char *vars)
{
	const struct flash_params params = {.code = code, .vars = vars};

	return flash_create(&b->fake.env, &params, &b->err, &b->flash);
}

/* With this code and this sentence, and nothing is left behind. */
static void refused(struct board *b, const char *code, const char *vars,
		    int result, const char *sentence)
{
	struct files *f = &b->files;

	assert_int_equal(try_create(b, code, vars), result);
	assert_string_equal(b->err.msg, sentence);
	assert_null(b->flash);
	assert_int_equal(b->mapped, 0);
	assert_false(file_exists(f->mark));
}

static const char *text(const char *format, ...) PRINTF_LIKE(1, 2);
static const char *text(const char *format, ...)
{
	static char buf[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	return buf;
}

/* ---- code ---- */

static void code_is_missing(void **state)
{
	struct board *b = *state;

	refused(b, "/nonexistent/CODE.fd", b->files.vars, -ENOENT,
		"/nonexistent/CODE.fd: no such firmware file; Debian's package"
		" ovmf has /usr/share/OVMF/OVMF_CODE_4M.fd");
}

static void code_is_a_folder(void **state)
{
	struct board *b = *state;

	refused(
	    b, b->files.dir, b->files.vars, -EINVAL,
	    text("%s: not a regular file, so no firmware image", b->files.dir));
}

static void code_of_a_wrong_size(void **state)
{
	static const off_t sizes[] = {0, 4096, CODE_BYTES - 1, CODE_BYTES + 512,
				      (16 << 20) + 4096};
	struct board *b = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(truncate(b->files.code, sizes[i]), 0);
		refused(b, b->files.code, b->files.vars, -EINVAL,
			text("%s: %lld bytes; firmware has 64 KiB to 16 MiB,"
			     " in a multiple of 4 KiB: is the file complete,"
			     " and firmware?",
			     b->files.code, (long long)sizes[i]));
	}
}

static void code_is_something_else(void **state)
{
	struct board *b = *state;
	uint8_t *bytes = calloc(1, CODE_BYTES);

	assert_non_null(bytes);
	file_put(b->files.code, bytes, CODE_BYTES);
	refused(b, b->files.code, b->files.vars, -EINVAL,
		text("%s: not firmware: there is no jump where the processor"
		     " starts, 16 bytes before the end",
		     b->files.code));
	memset(bytes, 0xff, CODE_BYTES);
	file_put(b->files.code, bytes, CODE_BYTES);
	assert_int_equal(try_create(b, b->files.code, NULL), -EINVAL);
	free(bytes);
}

static void code_and_variables_swapped(void **state)
{
	struct board *b = *state;

	refused(b, b->files.vars, b->files.code, -EINVAL,
		text("%s: UEFI variables, not firmware; they are given second:"
		     " bootrom,CODE,VARS",
		     b->files.vars));
}

/* ---- variables ---- */

static void make_template(struct board *b, char path[128])
{
	uint8_t bytes[VARS_BYTES];

	vars_make(bytes);
	snprintf(path, 128, "%s/VARS.fd", b->files.dir);
	file_put(path, bytes, VARS_BYTES);
}

static void variables_are_missing(void **state)
{
	struct board *b = *state;
	char path[128];

	unlink(b->files.vars);
	refused(b, b->files.code, b->files.vars, -ENOENT,
		text("%s: no such variables file; make one by copying the one"
		     " that came with the firmware",
		     b->files.vars));
	make_template(b, path);
	refused(b, b->files.code, b->files.vars, -ENOENT,
		text("%s: no such variables file; make one with 'cp %s %s'",
		     b->files.vars, path, b->files.vars));
}

static void variables_are_read_only(void **state)
{
	struct board *b = *state;

	assert_int_equal(chmod(b->files.vars, 0444), 0);
	refused(b, b->files.code, b->files.vars, -EACCES,
		text("%s: read-only, but firmware writes its variables; make it"
		     " writable, or leave it out and what is written is lost"
		     " with the guest's end: Permission denied",
		     b->files.vars));
}

static void variables_are_a_folder(void **state)
{
	struct board *b = *state;

	refused(b, b->files.code, b->files.dir, -EINVAL,
		text("%s: not a regular file; variables are a file of their"
		     " own, which other tools can read",
		     b->files.dir));
}

static void variables_are_cut_off(void **state)
{
	struct board *b = *state;
	char path[128];

	assert_int_equal(truncate(b->files.vars, 1000), 0);
	refused(b, b->files.code, b->files.vars, -EINVAL,
		text("%s: 1000 bytes, but the variables of %s have 65536: cut"
		     " off, or of another firmware; copy the one that came"
		     " with the firmware over it",
		     b->files.vars, b->files.code));
	make_template(b, path);
	refused(b, b->files.code, b->files.vars, -EINVAL,
		text("%s: 1000 bytes, but the variables of %s have 65536: cut"
		     " off, or of another firmware; 'cp %s %s' makes a new one",
		     b->files.vars, b->files.code, path, b->files.vars));
	assert_int_equal(truncate(b->files.vars, 0), 0);
	assert_int_equal(try_create(b, b->files.code, b->files.vars), -EINVAL);
	assert_int_equal(truncate(b->files.vars, VARS_BYTES + 4096), 0);
	assert_int_equal(try_create(b, b->files.code, b->files.vars), -EINVAL);
}

static void cut_off_with_a_copy_beside(void **state)
{
	struct board *b = *state;

	assert_int_equal(try_create(b, b->files.code, b->files.vars), 0);
	flash_destroy(b->flash);
	b->flash = NULL;
	assert_int_equal(truncate(b->files.vars, 1000), 0);
	refused(b, b->files.code, b->files.vars, -EINVAL,
		text("%s: 1000 bytes, but the variables of %s have 65536: cut"
		     " off, or of another firmware; 'cp %s %s' brings the last"
		     " state back",
		     b->files.vars, b->files.code, b->files.backup,
		     b->files.vars));
}

static void variables_are_something_else(void **state)
{
	struct board *b = *state;
	uint8_t bytes[VARS_BYTES], after[VARS_BYTES];

	memset(bytes, 0xff, sizeof(bytes));
	file_put(b->files.vars, bytes, VARS_BYTES);
	refused(b, b->files.code, b->files.vars, -EINVAL,
		text("%s: not UEFI variables, or damaged beyond use; copy the"
		     " one that came with the firmware over it",
		     b->files.vars));
	/* It may be somebody's: it is not touched. */
	file_get(b->files.vars, after, VARS_BYTES);
	assert_memory_equal(after, bytes, VARS_BYTES);
	assert_false(file_exists(b->files.backup));
}

static void each_byte_of_the_headers_counts(void **state)
{
	struct board *b = *state;
	uint8_t bytes[VARS_BYTES];
	unsigned i;

	vars_make(bytes);
	/*
	 * But for the end of the store's header, which is reserved, and its
	 * size, of which only too large values are wrong.
	 */
	for (i = 0; i < 0x5e; i++) {
		if (i == 0x58)
			i = 0x5a;
		bytes[i] ^= 0x80;
		file_put(b->files.vars, bytes, VARS_BYTES);
		assert_int_equal(try_create(b, b->files.code, b->files.vars),
				 -EINVAL);
		bytes[i] ^= 0x80;
	}
	file_put(b->files.vars, bytes, VARS_BYTES);
	assert_int_equal(try_create(b, b->files.code, b->files.vars), 0);
}

static void variables_beside_firmware_that_has_some(void **state)
{
	uint8_t *bytes = malloc(VARS_BYTES + CODE_BYTES);
	struct board *b = *state;
	char path[128];

	vars_make(bytes);
	file_get(b->files.code, bytes + VARS_BYTES, CODE_BYTES);
	snprintf(path, sizeof(path), "%s/WHOLE.fd", b->files.dir);
	file_put(path, bytes, VARS_BYTES + CODE_BYTES);
	free(bytes);
	refused(b, path, b->files.vars, -EINVAL,
		text("%s: has its own variables, %s does not go with it; use"
		     " firmware whose code is apart, such as OVMF_CODE_4M.fd",
		     path, b->files.vars));
}

/* Another process has a guest run with the variables. */
static void variables_are_in_use(void **state)
{
	struct board *b = *state;
	int ready[2], leave[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(leave[1]);
		if (!try_create(b, b->files.code, b->files.vars) &&
		    write(ready[1], &c, 1) == 1)
			(void)!read(leave[0], &c, 1);
		flash_destroy(b->flash);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(try_create(b, b->files.code, b->files.vars), -EBUSY);
	assert_string_equal(
	    b->err.msg,
	    text("%s: in use by process %d (test_flash_open); give each guest"
		 " a copy of its own, or stop the other one",
		 b->files.vars, (int)pid));
	close(leave[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(try_create(b, b->files.code, b->files.vars), 0);
	close(leave[0]);
	close(ready[0]);
	close(ready[1]);
}

static void a_link_is_followed_to_its_place(void **state)
{
	struct board *b = *state;
	char path[128], beside[160];

	snprintf(path, sizeof(path), "%s/link.fd", b->files.dir);
	snprintf(beside, sizeof(beside), "%s.bak", path);
	assert_int_equal(symlink("vars.fd", path), 0);
	assert_int_equal(try_create(b, b->files.code, path), 0);
	assert_true(file_exists(b->files.backup));
	assert_false(file_exists(beside));
}

static void the_guest_has_no_room_for_it(void **state)
{
	struct board *b = *state;

	b->map_result = -ENOSPC;
	refused(b, b->files.code, b->files.vars, -ENOSPC,
		text("%s: cannot be mapped into the guest: No space left on"
		     " device",
		     b->files.code));
}

/* ---- what Debian has ---- */

static void copy(const char *from, const char *to, size_t size)
{
	uint8_t *bytes = malloc(size);

	file_get(from, bytes, size);
	file_put(to, bytes, size);
	free(bytes);
}

static void debian_ovmf(void **state)
{
	static const struct {
		const char *code, *vars;
		size_t bytes;
	} sets[] = {
	    {"OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", 540672},
	    {"OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", 540672},
	    {"OVMF_CODE.fd", "OVMF_VARS.fd", 131072},
	};
	struct board *b = *state;
	char code[64], vars[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets); i++) {
		snprintf(code, sizeof(code), "/usr/share/OVMF/%s",
			 sets[i].code);
		snprintf(vars, sizeof(vars), "/usr/share/OVMF/%s",
			 sets[i].vars);
		if (!file_exists(code))
			fail_msg("%s is missing: install package ovmf", code);
		copy(vars, b->files.vars, sets[i].bytes);
		unlink(b->files.backup);
		if (try_create(b, code, b->files.vars))
			fail_msg("%s", b->err.msg);
		assert_int_equal(flash_base(b->flash),
				 i == 2 ? GIB(4) - MIB(2) : GIB(4) - MIB(4));
		flash_destroy(b->flash);
		b->flash = NULL;
		/* Without: from the template beside it. */
		assert_int_equal(try_create(b, code, NULL), 0);
		assert_int_equal(b->mapped, 2);
		flash_destroy(b->flash);
		b->flash = NULL;
	}
	/* The 2 MiB build's variables with the 4 MiB build's code. */
	refused(b, "/usr/share/OVMF/OVMF_CODE_4M.fd", b->files.vars, -EINVAL,
		text("%s: 131072 bytes, but the variables of"
		     " /usr/share/OVMF/OVMF_CODE_4M.fd have 540672: cut off,"
		     " or of another firmware; 'cp"
		     " /usr/share/OVMF/OVMF_VARS_4M.fd %s' makes a new one",
		     b->files.vars, b->files.vars));
	assert_int_equal(try_create(b, "/usr/share/ovmf/OVMF.fd", NULL), 0);
	assert_int_equal(flash_base(b->flash), GIB(4) - MIB(2));
	assert_int_equal(b->mapped, 2);
}

static void debian_seabios(void **state)
{
	static const char *const names[] = {"/usr/share/seabios/bios.bin",
					    "/usr/share/seabios/bios-256k.bin"};
	struct board *b = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		if (!file_exists(names[i]))
			fail_msg("%s is missing: install package seabios",
				 names[i]);
		if (try_create(b, names[i], NULL))
			fail_msg("%s", b->err.msg);
		assert_int_equal(flash_base(b->flash),
				 GIB(4) - (i ? 0x40000 : 0x20000));
		assert_non_null(flash_image_tail(b->flash, 0x20000));
		assert_int_equal(*(uint8_t *)flash_image_tail(b->flash, 16),
				 0xea);
		flash_destroy(b->flash);
		b->flash = NULL;
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(code_is_missing),
	    TEST(code_is_a_folder),
	    TEST(code_of_a_wrong_size),
	    TEST(code_is_something_else),
	    TEST(code_and_variables_swapped),
	    TEST(variables_are_missing),
	    TEST(variables_are_read_only),
	    TEST(variables_are_a_folder),
	    TEST(variables_are_cut_off),
	    TEST(cut_off_with_a_copy_beside),
	    TEST(variables_are_something_else),
	    TEST(each_byte_of_the_headers_counts),
	    TEST(variables_beside_firmware_that_has_some),
	    TEST(variables_are_in_use),
	    TEST(a_link_is_followed_to_its_place),
	    TEST(the_guest_has_no_room_for_it),
	    TEST(debian_ovmf),
	    TEST(debian_seabios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
