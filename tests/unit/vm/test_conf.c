/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the guest file: parser, writer, key table (vm/conf.h, keys.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/keys.h"

/* Collects warnings, a line each. */
struct said {
	char text[4096];
};

static void said_add(void *ctx, const char *text)
{
	struct said *said = ctx;

	strcat(said->text, text);
	strcat(said->text, "\n");
}

static struct conf *parse(const char *text, struct said *said)
{
	struct warner warner = {said_add, said};
	struct conf *conf = NULL;
	struct err err = {0};

	memset(said, 0, sizeof(*said));
	assert_int_equal(
	    conf_parse(text, strlen(text), "F", &warner, &err, &conf), 0);
	return conf;
}

static void test_values(void **state)
{
	struct said said;
	struct conf *conf = parse("a=\"1\"\n"
				  "b=2 # comment\n"
				  "c=\"x\"y\"\"\n"
				  "d='single'\n"
				  "e=\n"
				  "f=\"a=b c\"  \t\r\n"
				  "\n"
				  "# comment\n"
				  "   # comment\n"
				  "g_9=\"no newline\"",
				  &said);

	(void)state;
	assert_string_equal(said.text, "");
	assert_int_equal(conf->count, 7);
	assert_string_equal(conf_get(conf, "a"), "1");
	assert_string_equal(conf_get(conf, "b"), "2");
	assert_string_equal(conf_get(conf, "c"), "xy");
	assert_string_equal(conf_get(conf, "d"), "'single'");
	assert_string_equal(conf_get(conf, "e"), "");
	assert_string_equal(conf_get(conf, "f"), "a=b c");
	assert_string_equal(conf_get(conf, "g_%u", 9u), "no newline");
	assert_null(conf_get(conf, "h"));
	assert_string_equal(conf_get_or(conf, "e", "default"), "default");
	assert_int_equal(conf_line(conf, "g_9"), 10);
	assert_int_equal(conf_line(conf, "h"), 0);
	assert_null(conf_get(NULL, "a"));
	conf_free(conf);
}

static void test_first_wins(void **state)
{
	struct said said;
	struct conf *conf = parse("a=1\na=2\n", &said);

	(void)state;
	assert_string_equal(conf_get(conf, "a"), "1");
	assert_string_equal(said.text,
			    "F:2: a is ignored, line 1 already sets it\n");
	conf_free(conf);
}

static void test_comment_inside_quotes(void **state)
{
	struct said said;
	struct conf *conf = parse("a=\"x#y\"\n", &said);

	(void)state;
	assert_string_equal(conf_get(conf, "a"), "x");
	assert_string_equal(
	    said.text, "F:1: a quote has no partner, a is taken as \"x\"\n");
	conf_free(conf);
}

static void test_bool(void **state)
{
	struct said said;
	struct conf *conf = parse("a=no\nb=FALSE\nc=Off\nd=0\ne=\nf=yes\n"
				  "g=anything\nh=1\n",
				  &said);

	(void)state;
	for (const char *key = "abcde"; *key; key++)
		assert_false(conf_bool(conf, (char[]){*key, 0}, true));
	for (const char *key = "fgh"; *key; key++)
		assert_true(conf_bool(conf, (char[]){*key, 0}, false));
	assert_true(conf_bool(conf, "z", true));
	assert_false(conf_bool(conf, "z", false));
	conf_free(conf);
}

static void expect_refused(const char *text, size_t len, const char *sentence)
{
	struct conf *conf = (struct conf *)1;
	struct err err = {0};

	assert_true(conf_parse(text, len, "F", NULL, &err, &conf) < 0);
	assert_string_equal(err.msg, sentence);
	assert_ptr_equal(conf, (struct conf *)1);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
	    {"cpu", "F:1: expected key=\"value\", found 'cpu'"},
	    {"a=1\ncpu 2\n", "F:2: expected key=\"value\", found 'cpu 2'"},
	    {"cpu = 2", "F:1: expected key=\"value\", found 'cpu = 2'"},
	    {"c+u=2", "F:1: expected key=\"value\", found 'c+u=2'"},
	    {"a=\001", "F:1: expected key=\"value\", found 'a=?'"},
	    {"a=\177", "F:1: expected key=\"value\", found 'a=?'"},
	    {"abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz",
	     "F:1: expected key=\"value\", found "
	     "'abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstu...'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_refused(cases[i].text, strlen(cases[i].text),
			       cases[i].sentence);
	expect_refused("a=b\0c", 5,
		       "F:1: expected key=\"value\", found 'a=b?c'");
}

static void test_limits(void **state)
{
	size_t size = CONF_FILE_MAX + 1;
	char *text = malloc(size + 1), *p = text;
	struct err err = {0};
	struct conf *conf;

	(void)state;
	memset(text, '\n', size);
	assert_int_equal(conf_parse(text, size, "F", NULL, &err, &conf),
			 -E2BIG);
	assert_int_equal(conf_parse(text, size - 1, "F", NULL, &err, &conf), 0);
	conf_free(conf);
	for (unsigned i = 0; i <= CONF_ENTRIES_MAX; i++)
		p += sprintf(p, "k%u=1\n", i);
	assert_int_equal(
	    conf_parse(text, (size_t)(p - text), "F", NULL, &err, &conf),
	    -E2BIG);
	assert_string_equal(err.msg, "F:1025: more than 1024 keys");
	free(text);
}

static void expect_set(const char *text, const char *expected)
{
	char *out = conf_text_set(text, "key", "new");

	assert_string_equal(out, expected);
	free(out);
}

static void test_write(void **state)
{
	char *out;

	(void)state;
	expect_set("", "key=\"new\"\n");
	expect_set("a=1", "a=1\nkey=\"new\"\n");
	expect_set("a=1\n# c\n", "a=1\n# c\nkey=\"new\"\n");
	expect_set("key=old\nb=2", "key=\"new\"\nb=2");
	expect_set("keys=1\n#key=1\n key=1\n",
		   "keys=1\n#key=1\n key=1\nkey=\"new\"\n");
	/* Only the first counts, so only the first is changed. */
	expect_set("key=1\nkey=2\n", "key=\"new\"\nkey=2\n");
	out = conf_text_remove("key=1\nb=2\nkey=3\nkeys=4", "key");
	assert_string_equal(out, "b=2\nkeys=4");
	free(out);
}

static void test_write_file(void **state)
{
	char dir[] = "/tmp/byway-conf-XXXXXX";
	struct err err = {0};
	char *text = NULL;
	struct stat st, owner;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(conf_write_text(fd, "f", "f", "a=1\n", &err), 0);
	assert_int_equal(fchmodat(fd, "f", 0600, 0), 0);
	assert_int_equal(conf_write_text(fd, "f", "f", "a=2\n", &err), 0);
	assert_int_equal(fstatat(fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(conf_read_text(fd, "f", "f", &err, &text), 0);
	assert_string_equal(text, "a=2\n");
	free(text);
	assert_int_equal(conf_write_text(fd, "none/f", "none/f", "", &err),
			 -ENOENT);
	assert_int_equal(conf_read_text(fd, "none", "P", &err, &text), -ENOENT);
	assert_string_equal(err.msg, "P: No such file or directory");
	/* A link stays one, and what it leads to is changed. */
	assert_int_equal(mkdirat(fd, "d", 0700), 0);
	assert_int_equal(renameat(fd, "f", fd, "d/f"), 0);
	assert_int_equal(symlinkat("d/f", fd, "f"), 0);
	/* The superuser's change leaves the owner who he is. */
	if (geteuid() == 0)
		assert_int_equal(fchownat(fd, "d/f", 65534, 65534, 0), 0);
	assert_int_equal(fstatat(fd, "f", &owner, 0), 0);
	assert_int_equal(conf_write_text(fd, "f", "f", "a=3\n", &err), 0);
	assert_int_equal(fstatat(fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fstatat(fd, "d/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, owner.st_uid);
	assert_int_equal(st.st_gid, owner.st_gid);
	assert_int_equal(conf_read_text(fd, "f", "f", &err, &text), 0);
	assert_string_equal(text, "a=3\n");
	free(text);
	assert_int_equal(unlinkat(fd, "d/f", 0), 0);
	assert_int_equal(unlinkat(fd, "d", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(fd, "f", 0), 0);
	close(fd);
	/* Nothing else was left in the directory. */
	assert_int_equal(rmdir(dir), 0);
}

static void expect_keys(const char *text, const char *warnings)
{
	struct said said;
	struct conf *conf = parse(text, &said);
	struct warner warner = {said_add, &said};

	keys_check(conf, &warner);
	assert_string_equal(said.text, warnings);
	conf_free(conf);
}

static void test_keys(void **state)
{
	(void)state;
	expect_keys("loader=linux\ndisk0_type=a\ndisk0_name=b\n"
		    "disk1_type=a\ngrub_install12=no\ngraphics=no\n"
		    "passthru0=1/0/0\npassthru0_options=x\ntags=a\n",
		    "");
	expect_keys("memroy=1\n", "F:1: unknown key 'memroy' is ignored; did "
				  "you mean 'memory'?\n");
	expect_keys("disk7_tipe=1\n", "F:1: unknown key 'disk7_tipe' is "
				      "ignored; did you mean 'disk7_type'?\n");
	expect_keys("disk_type=1\n", "F:1: unknown key 'disk_type' is "
				     "ignored; did you mean 'disk0_type'?\n");
	expect_keys("disk00_type=1\n", "F:1: unknown key 'disk00_type' is "
				       "ignored; did you mean "
				       "'disk0_type'?\n");
	expect_keys("zzzzzzzzzzzz=1\n",
		    "F:1: unknown key 'zzzzzzzzzzzz' is ignored\n");
	expect_keys("network1_type=a\n",
		    "F:1: network1_type is ignored because network0_type is "
		    "missing\n");
	expect_keys("passthru0=a\npassthru2=b\npassthru1_options=c\n",
		    "F:2: passthru2 is ignored because passthru1 is missing\n");
	expect_keys("limit_pcpu=50\nbhyveload_args=-S\n",
		    "F:1: limit_pcpu has no effect in this version\n"
		    "F:2: bhyveload_args has no effect on this host\n");
	expect_keys("sound=yes\n", "F:1: sound has no effect in this "
				   "version\n");
	expect_keys("sound=no\n", "");
}

/* Keys that belong to one loader, or to a screen. */
static void test_keys_together(void **state)
{
	static const char screen[] =
	    "graphics_port=5900\ngraphics_listen=::\ngraphics_res=800x600\n"
	    "graphics_vga=io\ngraphics_wait=yes\nvnc_password=x\n";

	(void)state;
	expect_keys("loader=linux\nuefi_vars=yes\n",
		    "F:2: uefi_vars has no effect without loader=\"uefi\"\n");
	expect_keys("loader=bios\nuefi_vars=yes\nlinux_kernel=x\n",
		    "F:2: uefi_vars has no effect without loader=\"uefi\"\n"
		    "F:3: linux_kernel has no effect without "
		    "loader=\"linux\"\n");
	expect_keys("loader=uefi-custom\nuefi_vars=yes\ntpm=yes\n"
		    "disk0_type=a\ndisk0_format=raw\nzfs_zvol_opts=x\n",
		    "");
	/* A loader that is refused is told elsewhere. */
	expect_keys("loader=uefi-csm\nuefi_vars=yes\n", "");
	expect_keys("uefi_vars=yes\nlinux_initrd=x\n", "");
	expect_keys(screen, "F:1: graphics_port has no effect without "
			    "graphics=\"yes\"\n"
			    "F:2: graphics_listen has no effect without "
			    "graphics=\"yes\"\n"
			    "F:3: graphics_res has no effect without "
			    "graphics=\"yes\"\n"
			    "F:4: graphics_vga has no effect without "
			    "graphics=\"yes\"\n"
			    "F:5: graphics_wait has no effect without "
			    "graphics=\"yes\"\n"
			    "F:6: vnc_password has no effect without "
			    "graphics=\"yes\"\n");
	expect_keys("graphics=yes\nvnc_password=12345678\n", "");
	expect_keys("graphics=yes\nvnc_password=123456789\n",
		    "F:2: vnc_password: only the first 8 characters count in "
		    "VNC\n");
}

static void test_key_known(void **state)
{
	(void)state;
	assert_true(key_known("cpu"));
	assert_true(key_known("disk0_type"));
	assert_true(key_known("disk999_opts"));
	assert_true(key_known("virt_console15"));
	assert_false(key_known("disk_type"));
	assert_false(key_known("disk1000_type"));
	assert_false(key_known("disk01_type"));
	assert_false(key_known("disk0_typ"));
	assert_false(key_known("disk0_types"));
	assert_false(key_known(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_first_wins),
	    cmocka_unit_test(test_comment_inside_quotes),
	    cmocka_unit_test(test_bool),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_write_file),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_keys_together),
	    cmocka_unit_test(test_key_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
