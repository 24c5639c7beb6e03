/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing list of words: argument vectors and lists of names.
 *
 * Zero-initialised is empty. Running out of memory is remembered, not
 * returned: add everything, then ask words_check() once.
 * Locking: none, one thread.
 */
#ifndef VM_WORDS_H
#define VM_WORDS_H

#include "base/base.h"
#include "base/err.h"

struct words {
	char **word; /* NULL-terminated once anything was added */
	size_t count;
	bool failed;
};

void words_add(struct words *words, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Copies of all words of `other`. */
void words_append(struct words *words, const struct words *other);
/* The blank-separated words of `text`; NULL is none. */
void words_split(struct words *words, const char *text);
void words_sort(struct words *words);
bool words_contain(const struct words *words, const char *word);
/* -ENOMEM when an addition was lost. */
MUST_CHECK int words_check(const struct words *words, struct err *err);
/* All words with `between` between; NULL when out of memory. Caller frees. */
char *words_join(const struct words *words, char between);
void words_free(struct words *words);

#define CLEANUP_WORDS __attribute__((cleanup(words_free)))

/* Adds "run as root" to what an ordinary user was refused; returns `code`. */
int err_cure_root(int code, struct err *err);

/* Told about things a person should know that are no reason to stop. */
typedef void warn_fn(void *ctx, const char *text);

struct warner {
	warn_fn *fn; /* NULL: nobody listens */
	void *ctx;
};
void warner_say(const struct warner *warner, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#endif
