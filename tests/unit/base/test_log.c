/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the log: form of a line, levels, and the limit on guest lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define CAPTURE_MAX 65536

/* Standard error goes into a pipe between capture_begin() and _end(). */
struct capture {
	int saved;
	int pipe[2];
	char text[CAPTURE_MAX];
};

static void capture_begin(struct capture *c)
{
	fflush(stderr);
	assert_return_code(pipe2(c->pipe, O_NONBLOCK | O_CLOEXEC), errno);
	c->saved = dup(STDERR_FILENO);
	assert_true(c->saved >= 0);
	assert_return_code(dup2(c->pipe[1], STDERR_FILENO), errno);
}

static void capture_end(struct capture *c)
{
	size_t len = 0;
	ssize_t n;

	assert_return_code(dup2(c->saved, STDERR_FILENO), errno);
	close(c->saved);
	close(c->pipe[1]);
	do {
		n = read(c->pipe[0], c->text + len, CAPTURE_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	c->text[len] = '\0';
	close(c->pipe[0]);
}

static unsigned count_lines(const char *text, const char *containing)
{
	unsigned count = 0;

	for (; (text = strstr(text, containing)); text++)
		count++;
	return count;
}

static struct capture *capture_new(void)
{
	struct capture *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	return c;
}

static void test_levels(void **state UNUSED)
{
	CLEANUP_FREE struct capture *c = capture_new();

	log_init("prog", LOG_WARN);
	assert_true(log_enabled(LOG_ERROR));
	assert_true(log_enabled(LOG_WARN));
	assert_false(log_enabled(LOG_INFO));
	capture_begin(c);
	log_error("disk %d", 1);
	log_warn("slow");
	log_info("not shown");
	log_debug("not shown");
	capture_end(c);
	assert_string_equal(c->text, "prog: disk 1\nprog: warning: slow\n");
	log_init("prog", LOG_DEBUG);
	capture_begin(c);
	log_info("i");
	log_debug("d");
	capture_end(c);
	assert_string_equal(c->text, "prog: i\nprog: debug: d\n");
}

/* A long line is cut but still one line. */
static void test_long_line(void **state UNUSED)
{
	CLEANUP_FREE struct capture *c = capture_new();
	char text[8000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_init("prog", LOG_INFO);
	capture_begin(c);
	log_error("%s", text);
	capture_end(c);
	assert_true(strlen(c->text) > 1000);
	assert_true(strlen(c->text) < sizeof(text));
	assert_ptr_equal(strchr(c->text, '\n'), c->text + strlen(c->text) - 1);
}

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static void test_limit_burst(void **state UNUSED)
{
	CLEANUP_FREE struct capture *c = capture_new();
	struct log_limit limit;
	uint64_t start;

	log_init("prog", LOG_WARN);
	/* Again if the second changed under way: then two bursts are right. */
	do {
		start = now_s();
		limit = (struct log_limit){0};
		capture_begin(c);
		for (int i = 0; i < 20; i++)
			log_limited(&limit, "guest line %d", i);
		capture_end(c);
	} while (now_s() != start);
	assert_int_equal(count_lines(c->text, "prog: warning: guest line "),
			 LOG_GUEST_BURST);
	assert_int_equal(count_lines(c->text, "\n"), LOG_GUEST_BURST);
	assert_int_equal(limit.dropped, 20 - LOG_GUEST_BURST);
}

/* The first line of a later second says what was swallowed before. */
static void test_limit_report(void **state UNUSED)
{
	CLEANUP_FREE struct capture *c = capture_new();
	struct log_limit limit = {
	    .second = now_s() - 1,
	    .printed = LOG_GUEST_BURST,
	    .dropped = 7,
	};

	log_init("prog", LOG_WARN);
	capture_begin(c);
	log_limited(&limit, "again");
	capture_end(c);
	assert_string_equal(c->text,
			    "prog: warning: 7 similar lines suppressed\n"
			    "prog: warning: again\n");
	assert_int_equal(limit.dropped, 0);
}

#define THREADS	     4
#define THREAD_LINES 50

static void *log_lines(void *arg)
{
	for (int i = 0; i < THREAD_LINES; i++)
		log_error("<%s>", (const char *)arg);
	return NULL;
}

/* Lines of several threads never mix. */
static void test_threads(void **state UNUSED)
{
	CLEANUP_FREE struct capture *c = capture_new();
	static const char word[] = "abcdefghijklmnopqrstuvwxyz";
	pthread_t threads[THREADS];

	log_init("prog", LOG_WARN);
	capture_begin(c);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, log_lines, (void *)word);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	capture_end(c);
	assert_int_equal(
	    count_lines(c->text, "prog: <abcdefghijklmnopqrstuvwxyz>\n"),
	    THREADS * THREAD_LINES);
	assert_int_equal(count_lines(c->text, "\n"), THREADS * THREAD_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_limit_burst),
	    cmocka_unit_test(test_limit_report),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
