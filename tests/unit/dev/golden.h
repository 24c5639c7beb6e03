/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Golden traces: a text file of commands and of what they must cause.
 *
 * Lines starting with '#' and empty lines are comments. A line that starts
 * with a space is an effect of the command above it. Every other line is a
 * command, with its result behind " = " when it has one. The test runs the
 * commands and writes the file anew; both texts must be the same.
 * With BYWAY_GOLDEN_UPDATE=1 in the environment the file is replaced instead:
 * read the difference before you commit it.
 */
#ifndef TESTS_DEV_GOLDEN_H
#define TESTS_DEV_GOLDEN_H

#include <stdbool.h>
#include <stdio.h>

/* Runs `line` (without its newline) and writes it with result and effects. */
typedef void golden_fn(void *ctx, const char *line, FILE *out);

/* False after printing the first difference, or why the file is unusable. */
bool golden_run(const char *dir, const char *name, golden_fn *fn, void *ctx);

#endif
