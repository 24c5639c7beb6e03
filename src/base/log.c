/* SPDX-License-Identifier: BSD-2-Clause */
/* The log; the contract is in log.h. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 1200

static const char *log_program = "byway";
static enum log_level log_max = LOG_INFO;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_prefix[] = {
    [LOG_ERROR] = "",
    [LOG_WARN] = "warning: ",
    [LOG_INFO] = "",
    [LOG_DEBUG] = "debug: ",
};

void log_init(const char *program, enum log_level max_level)
{
	log_program = program;
	log_max = max_level;
}

bool log_enabled(enum log_level level)
{
	return level <= log_max;
}

static void log_vline(enum log_level level, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);
static void log_vline(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t len;
	ssize_t n;

	len = (size_t)snprintf(line, sizeof(line), "%s: %s", log_program,
			       level_prefix[level]);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	len = strlen(line);
	line[len++] = '\n';
	/* A log that cannot be written has nowhere to complain. */
	do {
		n = write(STDERR_FILENO, line, len);
	} while (n < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_vline(level, fmt, ap);
	va_end(ap);
}

void log_limited(struct log_limit *limit, const char *fmt, ...)
{
	uint32_t dropped = 0;
	struct timespec now;
	bool print = false;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&limit_lock);
	if ((uint64_t)now.tv_sec != limit->second) {
		dropped = limit->dropped;
		limit->second = (uint64_t)now.tv_sec;
		limit->printed = 0;
		limit->dropped = 0;
	}
	if (limit->printed < LOG_GUEST_BURST) {
		limit->printed++;
		print = true;
	} else {
		limit->dropped++;
	}
	pthread_mutex_unlock(&limit_lock);
	if (dropped)
		log_line(LOG_WARN, "%u similar lines suppressed", dropped);
	if (!print || !log_enabled(LOG_WARN))
		return;
	va_start(ap, fmt);
	log_vline(LOG_WARN, fmt, ap);
	va_end(ap);
}
