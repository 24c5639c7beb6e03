/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of error sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"

static void test_set(void **state UNUSED)
{
	struct err err = {0};

	assert_int_equal(err_set(&err, -ENOENT, "%s: no %d", "disk", 3),
			 -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.msg, "disk: no 3");
	/* A positive errno is made negative; the last sentence counts. */
	assert_int_equal(err_set(&err, EPERM, "x"), -EPERM);
	assert_int_equal(err.code, -EPERM);
	assert_string_equal(err.msg, "x");
}

static void test_null(void **state UNUSED)
{
	assert_int_equal(err_set(NULL, EBUSY, "x"), -EBUSY);
	assert_int_equal(err_sys(NULL, EBUSY, "x"), -EBUSY);
	assert_true(err_prefix(NULL, "x") < 0);
}

static void test_sys(void **state UNUSED)
{
	char expected[ERR_MSG_MAX];
	struct err err = {0};

	assert_int_equal(err_sys(&err, ENOENT, "/a b"), -ENOENT);
	snprintf(expected, sizeof(expected), "/a b: %s", strerror(ENOENT));
	assert_string_equal(err.msg, expected);
	assert_int_equal(err.code, -ENOENT);
}

static void test_prefix(void **state UNUSED)
{
	struct err err = {0};
	int code;

	code = err_set(&err, -EINVAL, "100%% %s", "%s");
	assert_int_equal(code, -EINVAL);
	code = err_prefix(&err, "file %s, line %d", "g.conf", 4);
	assert_int_equal(code, -EINVAL);
	assert_string_equal(err.msg, "file g.conf, line 4: 100% %s");
}

/* Whatever is too long is cut and stays terminated. */
static void test_long(void **state UNUSED)
{
	char text[2 * ERR_MSG_MAX];
	struct err err = {0};

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(err_set(&err, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_int_equal(err_sys(&err, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_int_equal(err_prefix(&err, "front"), -EIO);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_memory_equal(err.msg, "front: aaa", 10);
	assert_int_equal(err_prefix(&err, "%s", text), -EIO);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set),	 cmocka_unit_test(test_null),
	    cmocka_unit_test(test_sys),	 cmocka_unit_test(test_prefix),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
