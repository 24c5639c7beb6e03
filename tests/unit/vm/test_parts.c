/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of small parts of vm: what follows a run, escape, words, lines, names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vm/decide.h"
#include "vm/escape.h"
#include "vm/lines.h"
#include "vm/place.h"
#include "vm/supervisor.h"

static const struct run_policy plain = {true, false};
static const struct run_policy stubborn = {true, true};
static const struct run_policy single = {false, false};

static enum run_next decide(const struct run_policy *policy, int status,
			    unsigned *bad)
{
	struct run_result r = {.status = status, .reached = true, .ever = true};

	return run_decide(policy, &r, bad);
}

static void test_statuses(void **state)
{
	unsigned bad = 0;

	(void)state;
	assert_int_equal(decide(&plain, 0, &bad), RUN_NEXT_START);
	assert_int_equal(decide(&single, 0, &bad), RUN_NEXT_STOP);
	assert_int_equal(decide(&plain, 1, &bad), RUN_NEXT_STOP);
	assert_int_equal(decide(&stubborn, 2, &bad), RUN_NEXT_STOP);
	assert_int_equal(bad, 0);
	assert_int_equal(decide(&plain, 3, &bad), RUN_NEXT_STOP);
	assert_int_equal(decide(&plain, 4, &bad), RUN_NEXT_STOP);
	assert_int_equal(decide(&stubborn, 137, &bad), RUN_NEXT_START);
	assert_int_equal(bad, 3);
}

static void test_never_reached(void **state)
{
	struct run_result r = {.status = 0};
	unsigned bad = 0;

	(void)state;
	for (r.status = 0; r.status < 5; r.status++)
		assert_int_equal(run_decide(&stubborn, &r, &bad),
				 RUN_NEXT_FAILED);
	/* Later runs count as faults, whatever the status. */
	r = (struct run_result){.status = 0, .ever = true};
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_STOP);
	assert_int_equal(run_decide(&stubborn, &r, &bad), RUN_NEXT_START);
	r.restart_file = true;
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_STOP);
}

static void test_restart_and_stop(void **state)
{
	struct run_result r = {
	    .status = 1, .reached = true, .ever = true, .restart_file = true};
	unsigned bad = 0;

	(void)state;
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_START);
	/* vm restart is a stop with the file: the file wins. */
	r.stop_wanted = true;
	assert_int_equal(run_decide(&single, &r, &bad), RUN_NEXT_START);
	r.restart_file = false;
	r.status = 0;
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_STOP);
	r.status = 4;
	assert_int_equal(run_decide(&stubborn, &r, &bad), RUN_NEXT_STOP);
}

/* vm restart while byway is not yet able to take the signal that tells it. */
static void test_restart_between_runs(void **state)
{
	struct run_result r = {.status = 143,
			       .ever = true,
			       .restart_file = true,
			       .stop_wanted = true};
	unsigned bad = 0;

	(void)state;
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_START);
	r.restart_file = false;
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_STOP);
	r.restart_file = true;
	r.reached = true;
	assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_STOP);
}

static void test_brake(void **state)
{
	static const unsigned expected[] = {1000,  2000,  4000, 8000,
					    16000, 30000, 30000};
	unsigned brake = 0;

	(void)state;
	assert_int_equal(run_brake(1000, 1000, &brake), 0);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(run_brake(999, 1000, &brake), expected[i]);
	/* A longer run starts afresh. */
	assert_int_equal(run_brake(1000, 1000, &brake), 0);
	assert_int_equal(run_brake(0, 1000, &brake), 1000);
	/* Switched off. */
	brake = 0;
	assert_int_equal(run_brake(0, 0, &brake), 0);
}

static void test_crash_loop(void **state)
{
	struct run_result r = {
	    .status = 3, .reached = true, .ever = true, .lived_ms = 9999};
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < DECIDE_BAD_RUNS; i++)
		assert_int_equal(run_decide(&stubborn, &r, &bad),
				 RUN_NEXT_START);
	assert_int_equal(run_decide(&stubborn, &r, &bad), RUN_NEXT_GIVE_UP);
	/* One that lived longer starts the count afresh. */
	r.lived_ms = 10000;
	assert_int_equal(run_decide(&stubborn, &r, &bad), RUN_NEXT_START);
	assert_int_equal(bad, 0);
	/* Reboots, however fast, never end it. */
	r.status = 0;
	r.lived_ms = 1;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(run_decide(&plain, &r, &bad), RUN_NEXT_START);
}

static void expect_escape(const char *in, const char *sent, bool leave)
{
	/* In one piece, and byte by byte. */
	for (size_t step = strlen(in) ? strlen(in) : 1; step > 0;
	     step = step > 1 ? 1 : 0) {
		struct escape escape = {0};
		uint8_t out[64];
		size_t total = 0;
		bool left = false;

		for (size_t i = 0; i < strlen(in) && !left; i += step) {
			size_t len;

			left = escape_filter(&escape, (const uint8_t *)in + i,
					     step, out + total, &len);
			total += len;
		}
		assert_int_equal(left, leave);
		assert_int_equal(total, strlen(sent));
		assert_memory_equal(out, sent, total);
	}
}

static void test_escape(void **state)
{
	(void)state;
	expect_escape("", "", false);
	expect_escape("abc\r", "abc\r", false);
	expect_escape("~.", "", true);
	expect_escape("ls\r~.rest", "ls\r", true);
	expect_escape("ls\n~.", "ls\n", true);
	expect_escape("a~.", "a~.", false);
	expect_escape("~~.", "~.", false);
	expect_escape("~~~.", "~~.", false);
	expect_escape("~a~.", "~a~.", false);
	expect_escape("~\r~.", "~\r", true);
	expect_escape("~", "", false);
}

static void line_append(void *ctx, const char *line)
{
	strcat(ctx, line);
	strcat(ctx, "|");
}

static void test_lines(void **state)
{
	struct lines lines = {0};
	char got[4096] = "", large[3000];

	(void)state;
	lines_feed(&lines, "a\nb", 3, line_append, got);
	lines_feed(&lines, "c\n\nd\0e", 6, line_append, got);
	assert_string_equal(got, "a|bc||");
	lines_end(&lines, line_append, got);
	lines_end(&lines, line_append, got);
	assert_string_equal(got, "a|bc||d?e|");
	/* Overlong lines are cut, the next one is whole. */
	got[0] = '\0';
	memset(large, 'x', sizeof(large));
	lines_feed(&lines, large, sizeof(large), line_append, got);
	assert_true(lines.overlong);
	lines_feed(&lines, "\nshort\n", 7, line_append, got);
	assert_false(lines.overlong);
	assert_int_equal(strlen(got), LINES_MAX - 1 + strlen("|short|"));
}

static void test_words(void **state)
{
	struct words words = {0}, copy = {0};
	struct err err = {0};
	char *text;

	(void)state;
	words_split(&words, NULL);
	words_split(&words, "  b \t a  ");
	words_add(&words, "%d c", 1);
	assert_int_equal(words.count, 3);
	assert_null(words.word[3]);
	words_sort(&words);
	words_append(&copy, &words);
	words_free(&words);
	text = words_join(&copy, ' ');
	assert_string_equal(text, "1 c a b");
	free(text);
	assert_true(words_contain(&copy, "1 c"));
	assert_false(words_contain(&copy, "c"));
	assert_int_equal(words_check(&copy, &err), 0);
	words_free(&copy);
	text = words_join(&copy, ' ');
	assert_string_equal(text, "");
	free(text);
}

static void test_names(void **state)
{
	char name[GUEST_NAME_MAX + 2];

	(void)state;
	assert_true(guest_name_valid("ab"));
	assert_true(guest_name_valid("Web-1.example_com"));
	assert_false(guest_name_valid("a"));
	assert_false(guest_name_valid(""));
	assert_false(guest_name_valid(".a"));
	assert_false(guest_name_valid("a-"));
	assert_false(guest_name_valid("a/b"));
	assert_false(guest_name_valid("a b"));
	assert_false(guest_name_valid("a\nb"));
	assert_false(guest_name_valid("\303\244b"));
	memset(name, 'a', sizeof(name));
	name[GUEST_NAME_MAX + 1] = '\0';
	assert_false(guest_name_valid(name));
	name[GUEST_NAME_MAX] = '\0';
	assert_true(guest_name_valid(name));
}

static void test_identity(void **state)
{
	char a[37], b[37], mac[18];
	unsigned x, y, z;

	(void)state;
	uuid_generate(a);
	uuid_generate(b);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	mac_generate(mac);
	assert_int_equal(sscanf(mac, "58:9c:fc:%2x:%2x:%2x", &x, &y, &z), 3);
	assert_true(x <= 0x0f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_never_reached),
	    cmocka_unit_test(test_restart_and_stop),
	    cmocka_unit_test(test_restart_between_runs),
	    cmocka_unit_test(test_brake),
	    cmocka_unit_test(test_crash_loop),
	    cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
