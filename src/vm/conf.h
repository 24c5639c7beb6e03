/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest file NAME.conf (and vm-bhyve.conf): lines of key="value".
 *
 * The format is vm-bhyve's: only lines that begin with a small letter count,
 * everything from the first '#' is a comment even inside quotes, every double
 * quote is dropped, no blanks around '=', the first occurrence of a key wins.
 * A counted line that is not key=value is an error naming file and line; what
 * vm-bhyve passes over in silence (indented lines, repeated or unknown keys,
 * numbered keys after a gap) is passed over with a warning.
 * Limits: CONF_FILE_MAX bytes a file, CONF_ENTRIES_MAX lines with a key.
 * Changes are made in the text, so comments and order stay, and the file is
 * replaced by rename(2): a reader sees the old or the new one.
 * Locking: none, one thread.
 */
#ifndef VM_CONF_H
#define VM_CONF_H

#include "vm/words.h"

#define CONF_FILE_MAX	 65536u
#define CONF_ENTRIES_MAX 1024u
#define CONF_KEY_MAX	 64u

struct conf_entry {
	char *key;
	char *value;
	unsigned line;
};

struct conf {
	char *path; /* for messages */
	struct conf_entry *entry;
	size_t count;
};

/* `text` need not end in NUL or newline. */
MUST_CHECK int conf_parse(const char *text, size_t len, const char *path,
			  const struct warner *warner, struct err *err,
			  struct conf **ret_conf);

/* Reads `name` below `dirfd` (AT_FDCWD allowed); `path` is for messages. */
MUST_CHECK int conf_load(int dirfd, const char *name, const char *path,
			 const struct warner *warner, struct err *err,
			 struct conf **ret_conf);
void conf_free(struct conf *conf); /* NULL allowed */

/* NULL when unset. `conf` may be NULL. The key is a format: "disk%u_type". */
const char *conf_get(const struct conf *conf, const char *key, ...)
    PRINTF_LIKE(2, 3);
/*
 * The key that makes a number of a family exist, "disk%u_type": NULL, the
 * family's end, when it is unset or empty.
 */
const char *conf_member(const struct conf *conf, const char *key, ...)
    PRINTF_LIKE(2, 3);
/* Unset and empty are `fallback`. */
const char *conf_get_or(const struct conf *conf, const char *key,
			const char *fallback);
/* Line of a key for messages, 0 when unset. */
unsigned conf_line(const struct conf *conf, const char *key);

/*
 * Booleans as vm-bhyve reads them: unset takes `fallback`; empty, no, false,
 * off and 0 (any case) are no, everything else is yes.
 */
bool conf_bool(const struct conf *conf, const char *key, bool fallback);
bool conf_text_is_no(const char *value);

/*
 * `text` with key="value" put in place of the key's first line, or appended.
 * NULL when out of memory. Caller frees.
 */
char *conf_text_set(const char *text, const char *key, const char *value);
/* `text` without the lines of `key`. NULL when out of memory. */
char *conf_text_remove(const char *text, const char *key);

/* Whole file as a string, at most CONF_FILE_MAX bytes; caller frees. */
MUST_CHECK int conf_read_text(int dirfd, const char *name, const char *path,
			      struct err *err, char **ret_text);
/*
 * Replaces `name` below `dirfd`, or the file a link of this name leads to, by
 * `text`, keeping an old file's owner and mode; durable when it returns.
 */
MUST_CHECK int conf_write_text(int dirfd, const char *name, const char *path,
			       const char *text, struct err *err);

static inline void conf_cleanup_(struct conf **conf)
{
	conf_free(*conf);
}

#define CLEANUP_CONF __attribute__((cleanup(conf_cleanup_)))

#endif
