/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the lines of byway-probe (proto/probe.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/probe.h"

static void test_round_trip(void **state UNUSED)
{
	struct probe_line line = {.round = 12,
				  .step = PROBE_VERIFY,
				  .outcome = PROBE_FAILED,
				  .ms = 1023,
				  .text = "it does\nnot answer"};
	char buf[PROBE_LINE_MAX];
	int len = probe_format(&line, buf, sizeof(buf));

	assert_string_equal(buf,
			    "probe 12 verify failed 1023 it does not answer\n");
	assert_int_equal(len, strlen(buf));
	buf[len - 1] = '\0';
	assert_int_equal(probe_parse(buf, &line), 0);
	assert_int_equal(line.round, 12);
	assert_int_equal(line.step, PROBE_VERIFY);
	assert_int_equal(line.outcome, PROBE_FAILED);
	assert_int_equal(line.ms, 1023);
	assert_string_equal(line.text, "it does not answer");

	line = (struct probe_line){.round = 1, .step = PROBE_CLOSE};
	len = probe_format(&line, buf, sizeof(buf));
	assert_string_equal(buf, "probe 1 close ok 0 \n");
	buf[len - 1] = '\0';
	assert_int_equal(probe_parse(buf, &line), 0);
	assert_string_equal(line.text, "");
	assert_int_equal(probe_format(&line, buf, 10), -E2BIG);
}

static void test_refused(void **state UNUSED)
{
	static const char *const bad[] = {
	    "",
	    "probe",
	    "probe ",
	    "probe 0 open ok 1 x",
	    "probe 1001 open ok 1 x",
	    "probe -1 open ok 1 x",
	    "probe 1 opens ok 1 x",
	    "probe 1 open okay 1 x",
	    "probe 1 open ok",
	    "probe 1 open ok x",
	    "probe 1 open ok 1",
	    "probe 1 open ok 99999999999999 x",
	    "probe 1 open ok 1 \033[31m",
	    "status 1 open ok 1 x",
	};
	char text[2 * PROBE_LINE_MAX] = "probe 1 open ok 1 ";
	struct probe_line line = {.round = 77};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (probe_parse(bad[i], &line) != -EINVAL)
			fail_msg("accepted '%s'", bad[i]);
	memset(text + strlen(text), 'x', PROBE_LINE_MAX);
	assert_int_equal(probe_parse(text, &line), -EINVAL);
	assert_int_equal(line.round, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("vm-probe", tests, NULL, NULL);
}
