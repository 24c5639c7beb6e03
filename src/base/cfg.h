/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration tree: every option of byway ends up as a string at a
 * dotted path ("memory.size", "pci.0.6.0.device"), as in bhyve.
 *
 * A node has a name, an optional string value and children in the order they
 * were first created. Strings are expanded when read: %(path) is replaced by
 * the value at that path (from the root), %% by a per cent sign; any other %
 * stands for itself.
 *
 * Names are printable ASCII without space and = % ( ) , and values hold no
 * control character but tab, so that a dump can be read back line by line. For
 * the functions that read, the empty path is the node itself.
 *
 * Life: cfg_create(), any number of cfg_set(), then read-only use. Not
 * thread-safe while it is written. Reading never fails on a missing path: a
 * NULL node or value means "not given".
 * Limits: CFG_PATH_MAX bytes a path, CFG_VALUE_MAX bytes an expanded value,
 * CFG_DEPTH_MAX levels of nesting or expansion.
 */
#ifndef BASE_CFG_H
#define BASE_CFG_H

#include "base/base.h"
#include "base/err.h"

#define CFG_PATH_MAX  256
#define CFG_VALUE_MAX 4096
#define CFG_DEPTH_MAX 16

struct cfg; /* one node; the root is a node without a name */

struct cfg *cfg_create(void);	    /* NULL when out of memory */
void cfg_destroy(struct cfg *root); /* NULL allowed */

/* The node at `path` below `node`, created with its parents when missing. */
MUST_CHECK int cfg_make(struct cfg *node, const char *path, struct err *err,
			struct cfg **ret_node);

/*
 * Sets the value at `path` below `node`; a later value replaces an earlier.
 * What is refused leaves the tree as it was.
 */
MUST_CHECK int cfg_set(struct cfg *node, const char *path, const char *value,
		       struct err *err);

/* "path=value" as given to -o or in a -k file. */
MUST_CHECK int cfg_set_assignment(struct cfg *root, const char *assignment,
				  struct err *err);

/*
 * "a=1,b,c=2" below `node`: a name without value becomes "true". Empty
 * elements are skipped.
 */
MUST_CHECK int cfg_set_list(struct cfg *node, const char *list,
			    struct err *err);

/* Node below `node`, or NULL. `node` may be NULL. */
struct cfg *cfg_find(struct cfg *node, const char *path);

/* Raw value (not expanded), or NULL when unset. */
const char *cfg_raw(struct cfg *node, const char *path);

/*
 * Expanded value in the caller's buffer. 1 when present, 0 when unset,
 * negative when the expansion fails (unknown path, too long, too deep).
 */
MUST_CHECK int cfg_get(struct cfg *node, const char *path, char *buf,
		       size_t size, struct err *err);

/*
 * true/on/yes/1 and false/off/no/0, any case. `fallback` when unset; -EINVAL
 * naming path and value for anything else.
 */
MUST_CHECK int cfg_bool(struct cfg *node, const char *path, bool fallback,
			struct err *err, bool *ret_value);

/* Unsigned number, 0x prefix allowed, min..max inclusive. */
MUST_CHECK int cfg_u64(struct cfg *node, const char *path, uint64_t fallback,
		       uint64_t min, uint64_t max, struct err *err,
		       uint64_t *ret_value);

/*
 * Refuses children of `node` whose name is not in the NULL-terminated `known`
 * list, naming the nearest known one. For a device's create().
 */
MUST_CHECK int cfg_check_known(struct cfg *node, const char *const *known,
			       struct err *err);

const char *cfg_name(const struct cfg *node);  /* "" for the root */
struct cfg *cfg_first(const struct cfg *node); /* first child or NULL */
struct cfg *cfg_next(const struct cfg *node);  /* next sibling or NULL */

/* Full dotted path of a node, for messages; cut when longer than the buffer. */
void cfg_path(const struct cfg *node, char *buf, size_t size);

/* "path=value" lines of every node with a value, children after parents. */
void cfg_dump(struct cfg *root, FILE *out);

/* Number with optional K M G T suffix (powers of 1024), whole string used. */
MUST_CHECK int parse_size(const char *text, uint64_t *ret_bytes);
/* A guest's memory: as parse_size(), but a bare number below 1 MiB is in MiB,
 * as in bhyve. */
MUST_CHECK int parse_memory(const char *text, uint64_t *ret_bytes);
/* Whole string is one number, base 10 or 0x. */
MUST_CHECK int parse_u64(const char *text, uint64_t *ret_value);
MUST_CHECK int parse_bool(const char *text, bool *ret_value);

/*
 * The entry of the NULL-terminated list nearest to `word` (edit distance at
 * most a third of its length, at least 1), or NULL: "did you mean".
 */
const char *nearest_word(const char *word, const char *const *list);

#endif
