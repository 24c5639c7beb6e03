/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs of the host that do a part of the work and end: zfs, lvcreate,
 * iscsiadm.
 *
 * They are found in PATH, then in the folders of system programs, which an
 * ordinary user's PATH lacks. They get /dev/null as input and TOOL_TIMEOUT_S
 * seconds.
 * Locking: none; functions have no state.
 */
#ifndef VM_TOOL_H
#define VM_TOOL_H

#include "vm/words.h"

#define TOOL_TIMEOUT_S	60u
#define TOOL_OUTPUT_MAX 65536u

/* The program's path (what is one already is only checked); -ENOENT. */
MUST_CHECK int tool_find(const char *name, char *buf, size_t size);
bool tool_exists(const char *name);

/*
 * Runs argv[0], a name, and waits for its end. What it prints goes to
 * *ret_output, NUL-terminated, at most TOOL_OUTPUT_MAX bytes; caller frees.
 * A status other than 0 is -EIO with its last line of error output.
 */
MUST_CHECK int tool_run(const struct words *argv, struct err *err,
			char **ret_output);

#endif
