/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bhyve's command line to the configuration tree.
 *
 * Every option is sugar for config variables; the tree is all that the rest of
 * the program sees. Options apply left to right, the later wins (-k files
 * too). Errors name the option, what is wrong and what was expected.
 */
#ifndef BYWAY_OPTIONS_H
#define BYWAY_OPTIONS_H

#include "base/cfg.h"
#include "base/err.h"

enum options_result {
	OPTIONS_RUN,   /* go on with the tree */
	OPTIONS_HELP,  /* help was printed to stdout: exit 0 */
	OPTIONS_USAGE, /* no name or too many words: usage on stderr, exit 1 */
	OPTIONS_BAD,   /* err says what: exit 4 */
};

enum options_result options_parse(int argc, char **argv, struct cfg *root,
				  struct err *err);

/* Warns about config variables nobody reads, naming the nearest known. */
void options_warn_unknown(struct cfg *root);

/* Pieces with contracts of their own, for tests. */
MUST_CHECK int options_cpus(struct cfg *root, const char *arg, struct err *err);
MUST_CHECK int options_memory(struct cfg *root, const char *arg,
			      struct err *err);
MUST_CHECK int options_slot(struct cfg *root, const char *arg, struct err *err);
MUST_CHECK int options_lpc(struct cfg *root, const char *arg, struct err *err);
MUST_CHECK int options_file(struct cfg *root, const char *path,
			    struct err *err);

#endif
