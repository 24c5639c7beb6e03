/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's log: one line per event on stderr, "<program>: <text>".
 *
 * Only code that handles an error logs it. Lines about guest behaviour go
 * through log_guest(), which lets each call site print LOG_GUEST_BURST lines a
 * second and then counts what it swallowed: a guest cannot fill a disk.
 * Thread-safe; a line is written by one write(2).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG
};

#define LOG_GUEST_BURST 5

/* Call once before threads start. `program` must stay valid. */
void log_init(const char *program, enum log_level max_level);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                    \
	do {                                              \
		if (log_enabled(LOG_DEBUG))               \
			log_line(LOG_DEBUG, __VA_ARGS__); \
	} while (0)

/* Rate limit of one call site; zero-initialised. */
struct log_limit {
	uint64_t second;
	uint32_t printed;
	uint32_t dropped;
};

void log_limited(struct log_limit *limit, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#define log_guest(...)                             \
	do {                                       \
		static struct log_limit limit_;    \
		log_limited(&limit_, __VA_ARGS__); \
	} while (0)

#endif
