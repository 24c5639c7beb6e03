/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the configuration tree: writing, reading, expansion, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/cfg.h"

static int setup(void **state)
{
	*state = cfg_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	cfg_destroy(*state);
	return 0;
}

/* The dump of a tree as a string the caller frees. */
static char *dump_text(struct cfg *root)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	cfg_dump(root, out);
	fclose(out);
	return text;
}

static void assert_dump(struct cfg *root, const char *expected)
{
	CLEANUP_FREE char *text = dump_text(root);

	assert_string_equal(text, expected);
}

static void set_ok(struct cfg *root, const char *path, const char *value)
{
	struct err err = {0};

	if (cfg_set(root, path, value, &err))
		fail_msg("%s=%s: %s", path, value, err.msg);
}

static void assert_value(struct cfg *root, const char *path,
			 const char *expected)
{
	char buf[CFG_VALUE_MAX];
	struct err err = {0};
	int ret;

	ret = cfg_get(root, path, buf, sizeof(buf), &err);
	if (ret < 0)
		fail_msg("%s: %s", path, err.msg);
	assert_int_equal(ret, 1);
	assert_string_equal(buf, expected);
}

static void test_set_and_get(void **state)
{
	struct cfg *root = *state;
	char buf[8] = "old";

	assert_null(cfg_raw(root, "memory.size"));
	assert_int_equal(cfg_get(root, "memory.size", buf, 8, NULL), 0);
	assert_string_equal(buf, "");
	set_ok(root, "memory.size", "1G");
	assert_string_equal(cfg_raw(root, "memory.size"), "1G");
	set_ok(root, "memory.size", "2G");
	assert_value(root, "memory.size", "2G");
	/* A parent has no value of its own until it gets one. */
	assert_null(cfg_raw(root, "memory"));
	set_ok(root, "memory", "");
	assert_value(root, "memory", "");
	/* A name is matched whole, not by its beginning. */
	assert_null(cfg_find(root, "mem"));
	assert_null(cfg_find(root, "memory.siz"));
	assert_null(cfg_find(root, "memory.sizes"));
	assert_null(cfg_find(root, "memory."));
	assert_null(cfg_find(root, "memory..size"));
	assert_null(cfg_find(root, ".memory"));
}

static void test_walk(void **state)
{
	struct cfg *root = *state, *slot, *node;
	struct err err = {0};
	char path[32];

	assert_int_equal(cfg_make(root, "pci.0.6.0", &err, &slot), 0);
	set_ok(slot, "device", "passthru");
	set_ok(slot, "bus", "3");
	set_ok(root, "pci.0.6.0.device", "virtio-blk");
	set_ok(root, "pci.0.2", "x");
	assert_ptr_equal(cfg_find(root, "pci.0.6.0"), slot);
	assert_ptr_equal(cfg_find(slot, ""), slot);
	assert_string_equal(cfg_name(root), "");
	assert_string_equal(cfg_name(slot), "0");
	node = cfg_first(slot);
	assert_string_equal(cfg_name(node), "device");
	assert_string_equal(cfg_raw(node, ""), "virtio-blk");
	node = cfg_next(node);
	assert_string_equal(cfg_name(node), "bus");
	assert_null(cfg_next(node));
	assert_null(cfg_first(node));
	cfg_path(node, path, sizeof(path));
	assert_string_equal(path, "pci.0.6.0.bus");
	cfg_path(root, path, sizeof(path));
	assert_string_equal(path, "");
	/* Too small a buffer cuts the path. */
	memset(path, '#', sizeof(path));
	cfg_path(node, path, 8);
	assert_string_equal(path, "pci.0.6");
	assert_int_equal(path[8], '#');
	assert_dump(root, "pci.0.6.0.device=virtio-blk\npci.0.6.0.bus=3\n"
			  "pci.0.2=x\n");
	assert_dump(slot, "pci.0.6.0.device=virtio-blk\npci.0.6.0.bus=3\n");
}

static void test_null_node(void **state UNUSED)
{
	const char *const known[] = {"a", NULL};
	bool flag = false;
	uint64_t number = 1;
	char buf[4];

	assert_null(cfg_find(NULL, "a"));
	assert_null(cfg_raw(NULL, "a"));
	assert_null(cfg_first(NULL));
	assert_null(cfg_next(NULL));
	assert_int_equal(cfg_get(NULL, "a", buf, sizeof(buf), NULL), 0);
	assert_int_equal(cfg_bool(NULL, "a", true, NULL, &flag), 0);
	assert_true(flag);
	assert_int_equal(cfg_u64(NULL, "a", 9, 0, 1, NULL, &number), 0);
	assert_int_equal(number, 9);
	assert_int_equal(cfg_check_known(NULL, known, NULL), 0);
	assert_dump(NULL, "");
	cfg_destroy(NULL);
}

struct bad_case {
	const char *text;
	const char *message;
	int code;
};

static void test_bad_assignments(void **state)
{
	static const struct bad_case cases[] = {
	    {"foo", "'foo': expected NAME=VALUE", -EINVAL},
	    {"", "'': expected NAME=VALUE", -EINVAL},
	    {"foo=", "'foo=': nothing after '=', expected NAME=VALUE", -EINVAL},
	    {"=x", "a name is empty", -EINVAL},
	    {"a..b=x", "'a..b': empty part in a name", -EINVAL},
	    {".a=x", "'.a': empty part in a name", -EINVAL},
	    {"a.=x", "'a.': empty part in a name", -EINVAL},
	    {".=x", "'.': empty part in a name", -EINVAL},
	    {"a =x", "'a ': character 0x20 is not allowed in a name", -EINVAL},
	    {"a(=x", "'a(': character 0x28 is not allowed in a name", -EINVAL},
	    {"a\nb=x", "'a': character 0x0a is not allowed in a name", -EINVAL},
	    {"\xff=x", "'\xff': character 0xff is not allowed in a name",
	     -EINVAL},
	    {"a\nb", "'a': expected NAME=VALUE", -EINVAL},
	    {"a=b\nc", "a: value contains control character 0x0a", -EINVAL},
	    {"a=\x7f", "a: value contains control character 0x7f", -EINVAL},
	};
	struct cfg *root = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		assert_int_equal(cfg_set_assignment(root, cases[i].text, &err),
				 cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.msg, cases[i].message);
	}
	assert_null(cfg_first(root));
}

static void test_good_assignments(void **state)
{
	struct cfg *root = *state;
	struct err err = {0};

	assert_int_equal(cfg_set_assignment(root, "a=b=c", &err), 0);
	assert_int_equal(cfg_set_assignment(root, "uuid.x= y,z ", &err), 0);
	assert_int_equal(cfg_set_assignment(root, "path=/d\xc3\xa9\tx", &err),
			 0);
	assert_dump(root, "a=b=c\nuuid.x= y,z \npath=/d\xc3\xa9\tx\n");
}

static void test_limits(void **state)
{
	char path[CFG_PATH_MAX + 1], value[CFG_VALUE_MAX + 1];
	struct cfg *root = *state, *deep;
	struct err err = {0};

	memset(path, 'a', CFG_PATH_MAX);
	path[CFG_PATH_MAX] = '\0';
	assert_int_equal(cfg_set(root, path, "x", &err), -ENAMETOOLONG);
	assert_null(cfg_first(root));
	path[CFG_PATH_MAX - 1] = '\0';
	set_ok(root, path, "x");
	memset(value, 'v', CFG_VALUE_MAX);
	value[CFG_VALUE_MAX] = '\0';
	assert_int_equal(cfg_set(root, "v", value, &err), -E2BIG);
	assert_string_equal(err.msg, "v: value longer than 4095 characters");
	assert_null(cfg_find(root, "v"));
	value[CFG_VALUE_MAX - 1] = '\0';
	set_ok(root, "v", value);
	assert_value(root, "v", value);
	/* Depth counts from the root, not from the node one starts at. */
	assert_int_equal(
	    cfg_make(root, "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15", &err, &deep),
	    0);
	assert_int_equal(cfg_set(deep, "16.17", "x", &err), -EINVAL);
	assert_string_equal(err.msg, "'16.17': name has more than 16 parts");
	assert_null(cfg_first(deep));
	set_ok(deep, "16", "x");
	/* So does the length. */
	path[CFG_PATH_MAX - 10] = '\0';
	assert_int_equal(cfg_make(deep, path, &err, &deep), -ENAMETOOLONG);
	assert_int_equal(cfg_set(cfg_first(root), "b", "x", &err),
			 -ENAMETOOLONG);
}

static void test_list(void **state)
{
	struct cfg *root = *state, *slot;
	struct err err = {0};

	assert_int_equal(cfg_make(root, "s", &err, &slot), 0);
	assert_int_equal(cfg_set_list(slot, "", &err), 0);
	assert_int_equal(cfg_set_list(slot, ",,", &err), 0);
	assert_null(cfg_first(slot));
	assert_int_equal(cfg_set_list(slot, "a=1,b,,c=x=y,d=,e.f=2,", &err), 0);
	assert_dump(root, "s.a=1\ns.b=true\ns.c=x=y\ns.d=\ns.e.f=2\n");
	assert_int_equal(cfg_set_list(slot, "g,=1,h", &err), -EINVAL);
	assert_string_equal(err.msg, "a name is empty");
	assert_null(cfg_find(slot, "h"));
}

static void test_expand(void **state)
{
	struct cfg *root = *state;

	set_ok(root, "name", "guest1");
	set_ok(root, "dir", "/vm/%(name)");
	set_ok(root, "pci.0.3.0.path", "%(dir)/disk-%(name).img");
	assert_value(root, "pci.0.3.0.path", "/vm/guest1/disk-guest1.img");
	/* References start at the root whatever node is read. */
	assert_value(cfg_find(root, "pci.0.3"), "0.path",
		     "/vm/guest1/disk-guest1.img");
	assert_string_equal(cfg_raw(root, "dir"), "/vm/%(name)");
	set_ok(root, "percent", "100%% of 5%d, %");
	assert_value(root, "percent", "100% of 5%d, %");
	set_ok(root, "literal", "%%(name)");
	assert_value(root, "literal", "%(name)");
}

static void assert_get_fails(struct cfg *root, const char *path, size_t size,
			     int code, const char *message)
{
	char buf[CFG_VALUE_MAX] = "old";
	struct err err = {0};

	assert_int_equal(cfg_get(root, path, buf, size, &err), code);
	assert_string_equal(err.msg, message);
	assert_int_equal(cfg_get(root, path, buf, size, NULL), code);
	if (size)
		assert_string_equal(buf, "");
}

static void test_expand_fails(void **state)
{
	struct cfg *root = *state, *node;

	set_ok(root, "a.b", "x%(none)y");
	assert_get_fails(root, "a.b", 64, -ENOENT,
			 "a.b: refers to %(none), which is not set");
	/* A node without a value is not set either. */
	set_ok(root, "a.b", "%(a)");
	assert_get_fails(root, "a.b", 64, -ENOENT,
			 "a.b: refers to %(a), which is not set");
	set_ok(root, "a.b", "%()");
	assert_get_fails(root, "a.b", 64, -ENOENT,
			 "a.b: refers to %(), which is not set");
	set_ok(root, "a.b", "%(name");
	assert_get_fails(root, "a.b", 64, -EINVAL,
			 "a.b: '%(name' has no closing ')'");
	set_ok(root, "a.b", "12345678");
	assert_get_fails(root, "a.b", 8, -E2BIG,
			 "a.b: value longer than 7 characters once expanded");
	assert_get_fails(root, "a.b", 0, -E2BIG, "a.b: no room for the value");
	assert_int_equal(cfg_make(root, "a", NULL, &node), 0);
	assert_get_fails(node, "b", 1, -E2BIG,
			 "a.b: value longer than 0 characters once expanded");
	assert_value(root, "a.b", "12345678");
}

static void test_expand_loops(void **state)
{
	struct cfg *root = *state;
	char name[8], value[64];

	set_ok(root, "self", "x%(self)");
	assert_get_fails(
	    root, "self", 64, -ELOOP,
	    "self: too many references, last %(self); does one refer to "
	    "itself?");
	set_ok(root, "p", "%(q)");
	set_ok(root, "q", "%(p)");
	assert_get_fails(
	    root, "p", 64, -ELOOP,
	    "p: too many references, last %(q); does one refer to itself?");
	/* Sixteen levels are allowed, seventeen are not. */
	set_ok(root, "l0", "end");
	for (int i = 1; i <= CFG_DEPTH_MAX + 1; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(value, sizeof(value), "%%(l%d)", i - 1);
		set_ok(root, name, value);
	}
	assert_value(root, "l16", "end");
	assert_get_fails(
	    root, "l17", 64, -ELOOP,
	    "l17: too many references, last %(l0); does one refer to itself?");
	/* Four to the sixteenth look-ups of nothing would take minutes. */
	set_ok(root, "l0", "");
	for (int i = 1; i <= CFG_DEPTH_MAX; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(value, sizeof(value), "%%(l%d)%%(l%d)%%(l%d)%%(l%d)",
			 i - 1, i - 1, i - 1, i - 1);
		set_ok(root, name, value);
	}
	assert_get_fails(
	    root, "l16", 64, -ELOOP,
	    "l16: too many references, last %(l0); does one refer to itself?");
}

static void test_bool(void **state)
{
	static const char *const yes[] = {"true", "ON", "Yes", "1"};
	static const char *const no[] = {"false", "oFF", "no", "0"};
	struct cfg *root = *state;
	struct err err = {0};
	bool value;

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		set_ok(root, "x.f", yes[i]);
		value = false;
		assert_int_equal(cfg_bool(root, "x.f", false, &err, &value), 0);
		assert_true(value);
		set_ok(root, "x.f", no[i]);
		assert_int_equal(cfg_bool(root, "x.f", true, &err, &value), 0);
		assert_false(value);
	}
	assert_int_equal(cfg_bool(root, "x.g", true, &err, &value), 0);
	assert_true(value);
	set_ok(root, "x.f", "maybe");
	assert_int_equal(
	    cfg_bool(cfg_find(root, "x"), "f", false, &err, &value), -EINVAL);
	assert_true(value); /* untouched */
	assert_string_equal(err.msg, "x.f: 'maybe' is neither true nor false");
	set_ok(root, "x.f", "");
	assert_int_equal(cfg_bool(root, "x.f", false, &err, &value), -EINVAL);
	set_ok(root, "x.f", "%(x.h)");
	assert_int_equal(cfg_bool(root, "x.f", false, &err, &value), -ENOENT);
	set_ok(root, "x.h", "no");
	assert_int_equal(cfg_bool(root, "x.f", true, &err, &value), 0);
	assert_false(value);
}

static void test_u64(void **state)
{
	struct cfg *root = *state;
	struct err err = {0};
	uint64_t value = 77;

	set_ok(root, "n", "0x10");
	assert_int_equal(cfg_u64(root, "n", 0, 1, 16, &err, &value), 0);
	assert_int_equal(value, 16);
	assert_int_equal(cfg_u64(root, "n", 0, 1, 15, &err, &value), -ERANGE);
	assert_string_equal(err.msg, "n: '0x10' is not a number from 1 to 15");
	assert_int_equal(cfg_u64(root, "n", 0, 17, 20, &err, &value), -ERANGE);
	set_ok(root, "n", "12a");
	assert_int_equal(cfg_u64(root, "n", 0, 0, 99, &err, &value), -EINVAL);
	assert_string_equal(err.msg, "n: '12a' is not a number from 0 to 99");
	set_ok(root, "n", "99999999999999999999");
	assert_int_equal(cfg_u64(root, "n", 0, 0, UINT64_MAX, &err, &value),
			 -ERANGE);
	assert_int_equal(value, 16); /* untouched */
	assert_int_equal(cfg_u64(root, "m", 5, 6, 7, &err, &value), 0);
	assert_int_equal(value, 5);
}

static void test_check_known(void **state)
{
	const char *const known[] = {"device", "ro", "sectorsize", NULL};
	const char *const none[] = {NULL};
	struct cfg *root = *state, *slot;
	struct err err = {0};

	assert_int_equal(cfg_make(root, "pci.0.3.0", &err, &slot), 0);
	assert_int_equal(cfg_check_known(slot, known, &err), 0);
	assert_int_equal(cfg_check_known(slot, none, &err), 0);
	assert_int_equal(cfg_set_list(slot, "ro,device=x,sectorsise=1", &err),
			 0);
	assert_int_equal(cfg_check_known(slot, known, &err), -EINVAL);
	assert_string_equal(err.msg, "pci.0.3.0.sectorsise: unknown option, "
				     "did you mean 'sectorsize'?");
	assert_int_equal(cfg_check_known(slot, none, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "pci.0.3.0.ro: unknown option, known: none");
	set_ok(slot, "sectorsise", "1");
	assert_int_equal(cfg_make(root, "other", &err, &slot), 0);
	set_ok(slot, "colour", "red");
	assert_int_equal(cfg_check_known(slot, known, &err), -EINVAL);
	assert_string_equal(err.msg, "other.colour: unknown option, known: "
				     "device, ro, sectorsize");
}

struct number_case {
	const char *text;
	int code;
	uint64_t value;
};

static void test_parse_u64(void **state UNUSED)
{
	static const struct number_case cases[] = {
	    {"0", 0, 0},
	    {"010", 0, 10}, /* not octal */
	    {"18446744073709551615", 0, UINT64_MAX},
	    {"0xffffFFFFffffffff", 0, UINT64_MAX},
	    {"0X1f", 0, 31},
	    {"18446744073709551616", -ERANGE, 0},
	    {"0x10000000000000000", -ERANGE, 0},
	    {"99999999999999999999999999999999x", -ERANGE, 0},
	    {"", -EINVAL, 0},
	    {"0x", -EINVAL, 0},
	    {"x1", -EINVAL, 0},
	    {"-1", -EINVAL, 0},
	    {"+1", -EINVAL, 0},
	    {" 1", -EINVAL, 0},
	    {"1 ", -EINVAL, 0},
	    {"1a", -EINVAL, 0},
	    {"1K", -EINVAL, 0},
	    {"0xg", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t value = 4711;

		if (parse_u64(cases[i].text, &value) != cases[i].code)
			fail_msg("parse_u64(%s)", cases[i].text);
		assert_true(value == (cases[i].code ? 4711 : cases[i].value));
	}
}

static void test_parse_size(void **state UNUSED)
{
	static const struct number_case cases[] = {
	    {"1", 0, 1},
	    {"1k", 0, 1024},
	    {"3K", 0, 3072},
	    {"256M", 0, 256ull << 20},
	    {"256m", 0, 256ull << 20},
	    {"0x10G", 0, 16ull << 30},
	    {"2g", 0, 2ull << 30},
	    {"1T", 0, 1ull << 40},
	    {"16777215t", 0, 16777215ull << 40},
	    {"16777216T", -ERANGE, 0},
	    {"18446744073709551616", -ERANGE, 0},
	    {"", -EINVAL, 0},
	    {"G", -EINVAL, 0},
	    {"1.5G", -EINVAL, 0},
	    {"1GB", -EINVAL, 0},
	    {"1P", -EINVAL, 0},
	    {"1 G", -EINVAL, 0},
	    {"-1G", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t value = 4711;

		if (parse_size(cases[i].text, &value) != cases[i].code)
			fail_msg("parse_size(%s)", cases[i].text);
		assert_true(value == (cases[i].code ? 4711 : cases[i].value));
	}
}

/* Only a bare number is in MiB, and only a small one. */
static void test_parse_memory(void **state UNUSED)
{
	static const struct number_case cases[] = {
	    {"512", 0, 512ull << 20},	{"1048575", 0, 1048575ull << 20},
	    {"1048576", 0, 1048576},	{"512K", 0, 512ull << 10},
	    {"0x200", 0, 512ull << 20}, {"2G", 0, 2ull << 30},
	    {"2X", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t value = 4711;

		if (parse_memory(cases[i].text, &value) != cases[i].code)
			fail_msg("parse_memory(%s)", cases[i].text);
		assert_true(value == (cases[i].code ? 4711 : cases[i].value));
	}
}

static void test_nearest_word(void **state UNUSED)
{
	const char *const list[] = {"nocache", "ro",	     "sync",
				    "direct",  "sectorsize", NULL};
	char longest[200];

	assert_string_equal(nearest_word("nocache", list), "nocache");
	assert_string_equal(nearest_word("nocahce", list), "nocache");
	assert_string_equal(nearest_word("ocache", list), "nocache");
	assert_string_equal(nearest_word("nocaches", list), "nocache");
	assert_string_equal(nearest_word("rw", list), "ro");
	assert_string_equal(nearest_word("sectorsice", list), "sectorsize");
	assert_null(nearest_word("sector", list));
	assert_null(nearest_word("xyz", list));
	assert_null(nearest_word("", list));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(nearest_word(longest, list));
	assert_null(nearest_word("a", (const char *const[]){longest, NULL}));
	longest[64] = '\0'; /* the longest word that is compared at all */
	assert_ptr_equal(
	    nearest_word(longest, (const char *const[]){longest, NULL}),
	    longest);
	assert_null(nearest_word("a", (const char *const[]){NULL}));
	/* Of two equally near words the first. */
	assert_string_equal(
	    nearest_word("bat", (const char *const[]){"cat", "bar", NULL}),
	    "cat");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_set_and_get),
	    TEST(test_walk),
	    TEST(test_null_node),
	    TEST(test_bad_assignments),
	    TEST(test_good_assignments),
	    TEST(test_limits),
	    TEST(test_list),
	    TEST(test_expand),
	    TEST(test_expand_fails),
	    TEST(test_expand_loops),
	    TEST(test_bool),
	    TEST(test_u64),
	    TEST(test_check_known),
	    TEST(test_parse_u64),
	    TEST(test_parse_size),
	    TEST(test_parse_memory),
	    TEST(test_nearest_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
