/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the user's fw_cfg files: the option's text, strings, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "dev/firmware/fwcfg.h"
#include "fakes.h"

struct board {
	struct fake fake;
	struct fwcfg *fw;
	struct err err;
	char dir[64], path[96];
};

static int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	fake_init(&b->fake);
	snprintf(b->dir, sizeof(b->dir), "/tmp/byway-fwcfg-XXXXXX");
	if (!mkdtemp(b->dir) || fwcfg_create(&b->fake.env, &b->err, &b->fw))
		return -1;
	snprintf(b->path, sizeof(b->path), "%s/file", b->dir);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	fwcfg_destroy(b->fw);
	fake_fini(&b->fake);
	unlink(b->path);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void make_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static int parse(struct board *b, const char *text)
{
	return fwcfg_parse_user(b->fake.env.root, text, &b->err);
}

static int add(struct board *b)
{
	return fwcfg_add_user(b->fw, b->fake.env.root, &b->err);
}

/* The file with key `key` as a guest reads it. */
static void expect_item(struct board *b, unsigned key, const void *want,
			size_t len)
{
	const uint8_t *bytes = want;
	size_t i;

	fake_out16(&b->fake, 0x510, (uint16_t)key);
	for (i = 0; i < len; i++)
		assert_int_equal(fake_in8(&b->fake, 0x511), bytes[i]);
}

static uint32_t file_count(struct board *b)
{
	uint32_t n = 0;
	unsigned i;

	fake_out16(&b->fake, 0x510, FW_CFG_FILE_DIR);
	for (i = 0; i < 4; i++)
		n = n << 8 | fake_in8(&b->fake, 0x511);
	return n;
}

static void options_become_files(void **state)
{
	struct board *b = *state;

	make_file(b->path, "\x01\0\x02", 3);
	assert_int_equal(parse(b, "opt/b,string=a,b=c"), 0);
	assert_int_equal(parse(b, "name=opt/a,string="), 0);
	fake_set(&b->fake, "fwcfg.7.name", "opt/c");
	fake_set(&b->fake, "fwcfg.7.file", b->path);
	assert_string_equal(cfg_raw(b->fake.env.root, "fwcfg.0.name"), "opt/b");
	assert_string_equal(cfg_raw(b->fake.env.root, "fwcfg.1.name"), "opt/a");
	assert_int_equal(add(b), 0);
	assert_int_equal(file_count(b), 3);
	expect_item(b, 0x20, "\0", 2);
	expect_item(b, 0x21, "a,b=c\0", 7); /* with its NUL */
	expect_item(b, 0x22, "\x01\0\x02\0", 4);
	/* The sizes: 1, 6 and 3 bytes. */
	fake_out16(&b->fake, 0x510, FW_CFG_FILE_DIR);
	expect_item(b, FW_CFG_FILE_DIR, "\0\0\0\3\0\0\0\1\0\x20", 10);
}

static void nothing_given_is_nothing_added(void **state)
{
	struct board *b = *state;

	assert_int_equal(add(b), 0);
	assert_int_equal(file_count(b), 0);
}

static void wrong_options(void **state)
{
	static const char *const wrong[] = {"",
					    "opt/a",
					    "opt/a,",
					    "opt/a,string",
					    ",string=x",
					    "opt/a,text=x",
					    "opt/a,strings=x",
					    "opt/a,=x",
					    "name=,file=x"};
	struct board *b = *state;
	char want[160], name[57];
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(parse(b, wrong[i]), -EINVAL);
		snprintf(want, sizeof(want),
			 "-f %s: expected [name=]NAME,string=TEXT or"
			 " [name=]NAME,file=PATH",
			 wrong[i]);
		assert_string_equal(b->err.msg, want);
	}
	assert_null(cfg_find(b->fake.env.root, "fwcfg"));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(want, sizeof(want), "%s,string=x", name);
	assert_int_equal(parse(b, want), -EINVAL);
	assert_non_null(strstr(b->err.msg, "56 characters, at most 55 fit"));
	snprintf(want, sizeof(want), "%s,string=x", name + 1);
	assert_int_equal(parse(b, want), 0);
	assert_int_equal(add(b), 0);
}

static void wrong_variables(void **state)
{
	struct board *b = *state;

	fake_set(&b->fake, "fwcfg.0.name", "opt/a");
	assert_int_equal(add(b), -EINVAL);
	assert_string_equal(b->err.msg, "fwcfg.0: needs fwcfg.0.name and one of"
					" fwcfg.0.string and fwcfg.0.file");
	fake_set(&b->fake, "fwcfg.0.string", "x");
	fake_set(&b->fake, "fwcfg.0.file", "y");
	assert_int_equal(add(b), -EINVAL);
	fake_set(&b->fake, "fwcfg.0.strin", "x");
	assert_int_equal(add(b), -EINVAL);
	assert_non_null(strstr(b->err.msg, "strin"));
}

static void same_name_twice(void **state)
{
	struct board *b = *state;

	assert_int_equal(parse(b, "opt/a,string=x"), 0);
	assert_int_equal(parse(b, "opt/a,string=y"), 0);
	assert_int_equal(add(b), -EEXIST);
	assert_string_equal(b->err.msg,
			    "fw_cfg file opt/a: there is one of that name"
			    " already; give each only once");
}

static void refused(struct board *b, int code, const char *path,
		    const char *why)
{
	char want[256], option[160];

	snprintf(option, sizeof(option), "opt/a,file=%s", path);
	assert_int_equal(parse(b, option), 0);
	assert_int_equal(add(b), code);
	snprintf(want, sizeof(want), "fw_cfg file opt/a: %s %s", path, why);
	assert_string_equal(b->err.msg, want);
}

static void missing_file(void **state)
{
	struct board *b = *state;

	refused(b, -ENOENT, b->path,
		"cannot be read; correct the path or its permissions: No such"
		" file or directory");
}

static void not_a_file(void **state)
{
	struct board *b = *state;

	refused(b, -EINVAL, b->dir, "is not a regular file");
}

static void a_pipe_does_not_hang(void **state)
{
	struct board *b = *state;

	assert_int_equal(mkfifo(b->path, 0600), 0);
	refused(b, -EINVAL, b->path, "is not a regular file");
}

static void too_large_file(void **state)
{
	struct board *b = *state;

	make_file(b->path, "", 0);
	assert_int_equal(truncate(b->path, (off_t)FWCFG_USER_MAX + 1), 0);
	refused(b, -E2BIG, b->path,
		"has 67108865 bytes, at most 64 MiB can be given");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(options_become_files), TEST(nothing_given_is_nothing_added),
	    TEST(wrong_options),	TEST(wrong_variables),
	    TEST(same_name_twice),	TEST(missing_file),
	    TEST(not_a_file),		TEST(a_pipe_does_not_hang),
	    TEST(too_large_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
