/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the status and control lines (proto/status.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/status.h"

static void expect_line(const struct status *status, const char *line)
{
	char buf[STATUS_LINE_MAX + 8];
	struct status back;
	int len = status_format(status, buf, sizeof(buf));

	assert_int_equal(len, strlen(line) + 1);
	assert_int_equal(buf[len - 1], '\n');
	buf[len - 1] = '\0';
	assert_string_equal(buf, line);
	memset(&back, 0x55, sizeof(back));
	assert_int_equal(status_parse(buf, &back), 0);
	assert_int_equal(back.kind, status->kind);
	assert_string_equal(back.text, status->text);
	assert_string_equal(back.selector, status->selector);
	assert_string_equal(back.bdf, status->bdf);
	assert_string_equal(back.method, status->method);
	assert_int_equal(back.ms, status->ms);
	assert_int_equal(back.ok, status->ok);
	assert_int_equal(back.exit_status, status->exit_status);
}

static void test_round_trip(void **state)
{
	struct status s = {.kind = STATUS_RUNNING};

	(void)state;
	expect_line(&s, "running");
	s = (struct status){.kind = STATUS_LOG, .text = "a  b c "};
	expect_line(&s, "log a  b c ");
	s = (struct status){.kind = STATUS_ATTACHED,
			    .selector = "3/0/0",
			    .bdf = "0000:03:00.0"};
	expect_line(&s, "attached 3/0/0 0000:03:00.0");
	s.kind = STATUS_DETACHED;
	expect_line(&s, "detached 3/0/0 0000:03:00.0");
	s = (struct status){.kind = STATUS_ERROR, .text = "why"};
	expect_line(&s, "error why");
	s = (struct status){.kind = STATUS_EXIT, .exit_status = 4};
	expect_line(&s, "exit 4");
	s = (struct status){
	    .kind = STATUS_EXIT, .exit_status = 255, .text = "a b"};
	expect_line(&s, "exit 255 a b");
	s = (struct status){.kind = STATUS_DEVICE,
			    .selector = "3/0/0",
			    .bdf = "0000:03:00.0",
			    .method = "device_specific",
			    .ms = 4294967295u,
			    .ok = true,
			    .text = "link 8 GT/s"};
	expect_line(&s, "device 3/0/0 0000:03:00.0 reset device_specific "
			"4294967295 ok link 8 GT/s");
	s = (struct status){.kind = STATUS_DEVICE,
			    .selector = "vfio-user",
			    .bdf = "/run/device.sock",
			    .method = "none",
			    .ms = 1};
	expect_line(&s,
		    "device vfio-user /run/device.sock reset none 1 failed");
	s = (struct status){.kind = STATUS_DEVICE,
			    .selector = "mdev",
			    .bdf = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
			    .method = "device_specific",
			    .ok = true};
	expect_line(&s, "device mdev 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 "
			"reset device_specific 0 ok");
	s = (struct status){.kind = STATUS_DEVICE,
			    .selector = "255/31/7",
			    .bdf = "ffffffff:ff:1f.7",
			    .method = "none"};
	expect_line(&s, "device 255/31/7 ffffffff:ff:1f.7 reset none 0 failed");
}

static void test_control_characters(void **state)
{
	struct status s = {.kind = STATUS_LOG, .text = "a\nrunning\t\033[2J"};
	char buf[STATUS_LINE_MAX];

	(void)state;
	assert_int_equal(status_format(&s, buf, sizeof(buf)), 19);
	assert_string_equal(buf, "log a running  [2J\n");
	assert_int_equal(status_parse("log a\033[2J", &s), 0);
	assert_string_equal(s.text, "a [2J");
}

static void test_limits(void **state)
{
	struct status s = {.kind = STATUS_LOG};
	char buf[2 * STATUS_LINE_MAX], line[2 * STATUS_LINE_MAX];

	(void)state;
	/* "log " + text + newline just fits. */
	memset(s.text, 'x', STATUS_LINE_MAX - 5);
	assert_int_equal(status_format(&s, buf, sizeof(buf)), STATUS_LINE_MAX);
	assert_int_equal(status_format(&s, buf, STATUS_LINE_MAX), -E2BIG);
	s.text[STATUS_LINE_MAX - 5] = 'x';
	assert_int_equal(status_format(&s, buf, sizeof(buf)), -E2BIG);
	memset(line, 'x', sizeof(line));
	memcpy(line, "log ", 4);
	line[STATUS_LINE_MAX - 1] = '\0';
	assert_int_equal(status_parse(line, &s), 0);
	line[STATUS_LINE_MAX - 1] = 'x';
	line[STATUS_LINE_MAX] = '\0';
	assert_int_equal(status_parse(line, &s), -EINVAL);
}

static void test_malformed(void **state)
{
	static const char *const lines[] = {
	    "",
	    " ",
	    "runningx",
	    "running ",
	    "running now",
	    " running",
	    "exit",
	    "exit ",
	    "exit x",
	    "exit -1",
	    "exit 256",
	    "exit 4x",
	    "exit  4",
	    "device",
	    "device 3/0/0",
	    "device 3/0/0 /run/sock reset flr 1 ok",
	    "device vfio-user 0000:03:00.0 reset flr 1 ok",
	    "device vfio-user sock reset flr 1 ok",
	    "device mdev 83b8f4f2-509f-382f-3c1e-e6bfe0fa100 reset flr 1 ok",
	    "device mdev 83b8f4f2-509f-382f-3c1e-e6bfe0fa100/ reset flr 1 ok",
	    "device 3/0/0 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 reset flr 1 ok",
	    "device 3/0/0 0000:03:00.0 reset flr 1",
	    "device 3/0/0 0000:03:00.0 reset flr 1 maybe",
	    "device 3/0/0 0000:03:00.0 reset flr -1 ok",
	    "device 3/0/0 0000:03:00.0 reset flr 4294967296 ok",
	    "device 3/0/0 0000:03:00.0 reset magic 1 ok",
	    "device 3/0/0 0000:03:00.0 set flr 1 ok",
	    "device 256/0/0 0000:03:00.0 reset flr 1 ok",
	    "device 3/32/0 0000:03:00.0 reset flr 1 ok",
	    "device 3/0/8 0000:03:00.0 reset flr 1 ok",
	    "device 3/0/0x 0000:03:00.0 reset flr 1 ok",
	    "device 3/0/0 0000:03:00.8 reset flr 1 ok",
	    "device 3/0/0 0000:03:20.0 reset flr 1 ok",
	    "device 3/0/0 03:00.0 reset flr 1 ok",
	    "device 3/0/0 000000000:03:00.0 reset flr 1 ok",
	    "device 3/0/0 0000:03:00.0  reset flr 1 ok",
	    "attached",
	    "attached 3/0/0",
	    "attached 3/0/0 0000:03:00.0 ",
	    "attached 3/0/0 0000:03:00.0 now",
	    "detached 3/0/8 0000:03:00.0",
	    "frobnicate",
	};
	struct status s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		memset(&s, 0x55, sizeof(s));
		if (status_parse(lines[i], &s) != -EINVAL)
			fail_msg("accepted '%s'", lines[i]);
		/* Outputs stay as they were. */
		assert_int_equal(s.ms, 0x55555555);
	}
}

static void test_control(void **state)
{
	enum control_command command;
	const char *args;

	(void)state;
	for (int i = CONTROL_POWER_BUTTON; i <= CONTROL_SLOTS; i++) {
		assert_int_equal(
		    control_parse(control_name(i), &command, &args), 0);
		assert_int_equal(command, i);
		assert_string_equal(args, "");
	}
	assert_int_equal(control_parse("attach 8 3/0/0,rom=a", &command, &args),
			 0);
	assert_int_equal(command, CONTROL_ATTACH);
	assert_string_equal(args, "8 3/0/0,rom=a");
	assert_int_equal(control_parse("detach 8", &command, &args), 0);
	assert_int_equal(command, CONTROL_DETACH);
	assert_int_equal(control_parse("detach", &command, &args), -EINVAL);
	assert_int_equal(control_parse("detach ", &command, &args), -EINVAL);
	assert_int_equal(control_parse("reset 8", &command, &args), -EINVAL);
	assert_int_equal(control_parse("att", &command, &args), -EINVAL);
	assert_string_equal(control_name(CONTROL_POWER_BUTTON), "power-button");
	assert_int_equal(control_parse("", &command, &args), -EINVAL);
	assert_int_equal(control_parse("reset ", &command, &args), -EINVAL);
	assert_int_equal(control_parse("RESET", &command, &args), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_control_characters),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
