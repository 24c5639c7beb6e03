/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration tree; the contract is in cfg.h. */
#include "base/cfg.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/*
 * Theory of operation
 *
 * A tree of nodes linked through `parent`, `first` and `next`; `last` keeps
 * the children in the order they were made without walking them. A boot sets
 * about fifty values, so a linear search by name is all it takes.
 *
 * Names and values are checked on the way in (name_check(), value_check()), so
 * that every "path=value" line of a dump can be read back and no message can
 * be torn by a control character. Depth and path length are checked there too,
 * which bounds every recursion and every path buffer below.
 *
 * Expansion happens on the way out and recursively, because a value may refer
 * to one that refers to others. Depth alone would not bound the work (sixteen
 * levels of "%(x)%(x)%(x)" are millions of look-ups even if all come out
 * empty), so the number of references of one read is limited as well.
 */

#define REFERENCES_MAX 256 /* %(path) followed while one value is read */
#define WORD_MAX       64  /* nearest_word() compares no longer words */
#define SHOWN_MAX      100 /* characters of wrong input in a message */

struct cfg {
	struct cfg *parent;
	struct cfg *first;
	struct cfg *last;
	struct cfg *next;
	char *value; /* NULL when only the children matter */
	char name[];
};

/* The state of one cfg_get(). */
struct expansion {
	struct cfg *root;
	struct err *err;
	char *buf;
	size_t size;
	size_t len;
	unsigned references;
	const char *subject; /* full path of the value being read */
};

static struct cfg *node_create(struct cfg *parent, const char *name, size_t len)
{
	struct cfg *node = calloc(1, sizeof(*node) + len + 1);

	if (!node)
		return NULL;
	memcpy(node->name, name, len);
	node->parent = parent;
	if (!parent)
		return node;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

struct cfg *cfg_create(void)
{
	return node_create(NULL, "", 0);
}

void cfg_destroy(struct cfg *root)
{
	struct cfg *child, *next;

	if (!root)
		return;
	for (child = root->first; child; child = next) {
		next = child->next;
		cfg_destroy(child);
	}
	free(root->value);
	free(root);
}

static struct cfg *child_find(const struct cfg *node, const char *name,
			      size_t len)
{
	struct cfg *child;

	for (child = node->first; child; child = child->next) {
		if (!strncmp(child->name, name, len) && !child->name[len])
			return child;
	}
	return NULL;
}

/* Levels and path bytes (with dots) from the root down to `node`. */
static void node_measure(const struct cfg *node, unsigned *ret_depth,
			 size_t *ret_len)
{
	unsigned depth = 0;
	size_t len = 0;

	for (; node->parent; node = node->parent) {
		len += strlen(node->name) + (depth > 0);
		depth++;
	}
	*ret_depth = depth;
	*ret_len = len;
}

/* Characters that would change the meaning of a dumped line or of %(path). */
static bool name_char_ok(char c)
{
	return c > ' ' && c < 0x7f && !strchr("=%(),", c);
}

/* How much of `text` may appear in a message: nothing that would tear it. */
static int shown_len(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < MIN(len, (size_t)SHOWN_MAX); i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f)
			break;
	}
	return (int)i;
}

/* `path` is what a person typed; `len` bytes of it are the name. */
static int path_check(const struct cfg *node, const char *path, size_t len,
		      struct err *err)
{
	int shown = shown_len(path, len);
	unsigned depth;
	size_t base;

	if (!len)
		return err_set(err, -EINVAL, "a name is empty");
	node_measure(node, &depth, &base);
	if (len >= CFG_PATH_MAX || base + (base > 0) + len >= CFG_PATH_MAX)
		return err_set(err, -ENAMETOOLONG,
			       "'%.*s...': full name longer than %d characters",
			       shown, path, CFG_PATH_MAX - 1);
	for (size_t i = 0; i < len; i++) {
		if (path[i] == '.' &&
		    (i == 0 || i + 1 == len || path[i - 1] == '.'))
			return err_set(err, -EINVAL,
				       "'%.*s': empty part in a name", shown,
				       path);
		if (!name_char_ok(path[i]))
			return err_set(
			    err, -EINVAL,
			    "'%.*s': character 0x%02x is not allowed in a name",
			    shown, path, (unsigned char)path[i]);
		depth += path[i] == '.';
	}
	if (depth + 1 > CFG_DEPTH_MAX)
		return err_set(err, -EINVAL,
			       "'%.*s': name has more than %d parts", shown,
			       path, CFG_DEPTH_MAX);
	return 0;
}

static int value_check(const char *path, size_t path_len, const char *value,
		       size_t len, struct err *err)
{
	if (len >= CFG_VALUE_MAX)
		return err_set(err, -E2BIG,
			       "%.*s: value longer than %d characters",
			       (int)path_len, path, CFG_VALUE_MAX - 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return err_set(
			    err, -EINVAL,
			    "%.*s: value contains control character 0x%02x",
			    (int)path_len, path, c);
	}
	return 0;
}

/* cfg_make() of the first `len` bytes of `path`. */
static int node_make(struct cfg *node, const char *path, size_t len,
		     struct err *err, struct cfg **ret_node)
{
	const char *end = path + len;
	struct cfg *child;
	size_t part;
	int ret;

	ret = path_check(node, path, len, err);
	if (ret)
		return ret;
	for (; path < end; path += part + 1) {
		const char *dot = memchr(path, '.', (size_t)(end - path));

		part = (size_t)((dot ? dot : end) - path);
		child = child_find(node, path, part);
		if (!child)
			child = node_create(node, path, part);
		if (!child)
			return err_sys(err, -ENOMEM, "configuration");
		node = child;
	}
	*ret_node = node;
	return 0;
}

/* cfg_set() of text that is not terminated. */
static int value_set(struct cfg *node, const char *path, size_t path_len,
		     const char *value, size_t len, struct err *err)
{
	struct cfg *leaf;
	char *copy;
	int ret;

	/* All checks come first: a refused value leaves no node behind. */
	ret = path_check(node, path, path_len, err);
	if (ret)
		return ret;
	ret = value_check(path, path_len, value, len, err);
	if (ret)
		return ret;
	ret = node_make(node, path, path_len, err, &leaf);
	if (ret)
		return ret;
	copy = strndup(value, len);
	if (!copy)
		return err_sys(err, -ENOMEM, "configuration");
	free(leaf->value);
	leaf->value = copy;
	return 0;
}

int cfg_make(struct cfg *node, const char *path, struct err *err,
	     struct cfg **ret_node)
{
	return node_make(node, path, strlen(path), err, ret_node);
}

int cfg_set(struct cfg *node, const char *path, const char *value,
	    struct err *err)
{
	return value_set(node, path, strlen(path), value, strlen(value), err);
}

int cfg_set_assignment(struct cfg *root, const char *assignment,
		       struct err *err)
{
	int shown = shown_len(assignment, strlen(assignment));
	const char *equals = strchr(assignment, '=');

	if (!equals)
		return err_set(err, -EINVAL, "'%.*s': expected NAME=VALUE",
			       shown, assignment);
	if (!equals[1])
		return err_set(err, -EINVAL,
			       "'%.*s': nothing after '=', expected NAME=VALUE",
			       shown, assignment);
	return value_set(root, assignment, (size_t)(equals - assignment),
			 equals + 1, strlen(equals + 1), err);
}

int cfg_set_list(struct cfg *node, const char *list, struct err *err)
{
	while (*list) {
		size_t len = strcspn(list, ",");
		const char *equals = memchr(list, '=', len);
		int ret = 0;

		if (equals)
			ret = value_set(node, list, (size_t)(equals - list),
					equals + 1,
					(size_t)(list + len - equals - 1), err);
		else if (len)
			ret = value_set(node, list, len, "true", 4, err);
		if (ret)
			return ret;
		list += len;
		list += *list == ',';
	}
	return 0;
}

struct cfg *cfg_find(struct cfg *node, const char *path)
{
	while (node && *path) {
		size_t part = strcspn(path, ".");

		node = child_find(node, path, part);
		path += part;
		if (*path == '.' && !*++path)
			return NULL; /* "a." names nothing */
	}
	return node;
}

const char *cfg_raw(struct cfg *node, const char *path)
{
	node = cfg_find(node, path);
	return node ? node->value : NULL;
}

static int expand_text(struct expansion *ex, const char *text, size_t len)
{
	if (len >= ex->size - ex->len)
		return err_set(
		    ex->err, -E2BIG,
		    "%s: value longer than %zu characters once expanded",
		    ex->subject, ex->size - 1);
	memcpy(ex->buf + ex->len, text, len);
	ex->len += len;
	ex->buf[ex->len] = '\0';
	return 0;
}

static int expand_value(struct expansion *ex, const char *value,
			unsigned depth);

/* `text` follows "%("; the path ends at ")". */
static int expand_reference(struct expansion *ex, const char *text,
			    unsigned depth, const char **ret_rest)
{
	const char *end = strchr(text, ')');
	char path[CFG_PATH_MAX];
	const char *value;
	size_t len;

	if (!end)
		return err_set(ex->err, -EINVAL,
			       "%s: '%%(%.40s' has no closing ')'", ex->subject,
			       text);
	len = (size_t)(end - text);
	if (len >= sizeof(path))
		return err_set(ex->err, -ENAMETOOLONG,
			       "%s: name in '%%(%.40s...' is too long",
			       ex->subject, text);
	memcpy(path, text, len);
	path[len] = '\0';
	value = len ? cfg_raw(ex->root, path) : NULL;
	if (!value)
		return err_set(ex->err, -ENOENT,
			       "%s: refers to %%(%s), which is not set",
			       ex->subject, path);
	if (depth >= CFG_DEPTH_MAX || ex->references >= REFERENCES_MAX)
		return err_set(
		    ex->err, -ELOOP,
		    "%s: too many references, last %%(%s); does one refer to "
		    "itself?",
		    ex->subject, path);
	ex->references++;
	*ret_rest = end + 1;
	return expand_value(ex, value, depth + 1);
}

static int expand_value(struct expansion *ex, const char *value, unsigned depth)
{
	while (*value) {
		size_t len = strcspn(value, "%");
		int ret;

		ret = expand_text(ex, value, len);
		if (ret)
			return ret;
		value += len;
		if (!*value)
			break;
		if (value[1] == '(') {
			ret = expand_reference(ex, value + 2, depth, &value);
		} else {
			/* %% is one %; before anything else it is itself. */
			ret = expand_text(ex, "%", 1);
			value += value[1] == '%' ? 2 : 1;
		}
		if (ret)
			return ret;
	}
	return 0;
}

int cfg_get(struct cfg *node, const char *path, char *buf, size_t size,
	    struct err *err)
{
	struct expansion ex = {.err = err, .buf = buf};
	char subject[CFG_PATH_MAX];
	struct cfg *root;
	int ret;

	if (!size)
		return err_set(err, -E2BIG, "%s: no room for the value", path);
	buf[0] = '\0';
	node = cfg_find(node, path);
	if (!node || !node->value)
		return 0;
	for (root = node; root->parent; root = root->parent)
		;
	cfg_path(node, subject, sizeof(subject));
	ex.root = root;
	ex.size = MIN(size, (size_t)CFG_VALUE_MAX);
	ex.subject = subject;
	ret = expand_value(&ex, node->value, 0);
	if (ret) {
		buf[0] = '\0';
		return ret;
	}
	return 1;
}

int cfg_bool(struct cfg *node, const char *path, bool fallback, struct err *err,
	     bool *ret_value)
{
	char text[CFG_VALUE_MAX], name[CFG_PATH_MAX];
	int ret;

	ret = cfg_get(node, path, text, sizeof(text), err);
	if (ret < 0)
		return ret;
	if (!ret) {
		*ret_value = fallback;
		return 0;
	}
	if (!parse_bool(text, ret_value))
		return 0;
	cfg_path(cfg_find(node, path), name, sizeof(name));
	return err_set(err, -EINVAL, "%s: '%.100s' is neither true nor false",
		       name, text);
}

int cfg_u64(struct cfg *node, const char *path, uint64_t fallback, uint64_t min,
	    uint64_t max, struct err *err, uint64_t *ret_value)
{
	char text[CFG_VALUE_MAX], name[CFG_PATH_MAX];
	uint64_t value;
	int ret;

	ret = cfg_get(node, path, text, sizeof(text), err);
	if (ret < 0)
		return ret;
	if (!ret) {
		*ret_value = fallback;
		return 0;
	}
	ret = parse_u64(text, &value);
	if (!ret && value >= min && value <= max) {
		*ret_value = value;
		return 0;
	}
	cfg_path(cfg_find(node, path), name, sizeof(name));
	return err_set(err, ret == -EINVAL ? -EINVAL : -ERANGE,
		       "%s: '%.100s' is not a number from %" PRIu64
		       " to %" PRIu64,
		       name, text, min, max);
}

static bool list_has(const char *const *list, const char *word)
{
	for (; *list; list++) {
		if (!strcmp(*list, word))
			return true;
	}
	return false;
}

/* "a, b, c", cut when the buffer is full. */
static void list_join(const char *const *list, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (; *list && len < size; list++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s",
					len ? ", " : "", *list);
}

int cfg_check_known(struct cfg *node, const char *const *known, struct err *err)
{
	char path[CFG_PATH_MAX], names[256];
	const char *nearest;
	struct cfg *child;

	for (child = cfg_first(node); child; child = child->next) {
		if (list_has(known, child->name))
			continue;
		cfg_path(child, path, sizeof(path));
		nearest = nearest_word(child->name, known);
		if (nearest)
			return err_set(err, -EINVAL,
				       "%s: unknown option, did you mean '%s'?",
				       path, nearest);
		list_join(known, names, sizeof(names));
		return err_set(err, -EINVAL, "%s: unknown option, known: %s",
			       path, names[0] ? names : "none");
	}
	return 0;
}

const char *cfg_name(const struct cfg *node)
{
	return node->name;
}

struct cfg *cfg_first(const struct cfg *node)
{
	return node ? node->first : NULL;
}

struct cfg *cfg_next(const struct cfg *node)
{
	return node ? node->next : NULL;
}

void cfg_path(const struct cfg *node, char *buf, size_t size)
{
	const struct cfg *chain[CFG_DEPTH_MAX];
	unsigned depth = 0;
	size_t len = 0;

	if (size)
		buf[0] = '\0';
	for (; node && node->parent; node = node->parent)
		chain[depth++] = node;
	while (depth-- > 0 && len < size)
		len += (size_t)snprintf(buf + len, size - len, "%s%s",
					len ? "." : "", chain[depth]->name);
}

void cfg_dump(struct cfg *root, FILE *out)
{
	char path[CFG_PATH_MAX];
	struct cfg *child;

	if (!root)
		return;
	if (root->value) {
		cfg_path(root, path, sizeof(path));
		fprintf(out, "%s=%s\n", path, root->value);
	}
	for (child = root->first; child; child = child->next)
		cfg_dump(child, out);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Number at the start of `text`, at least one digit; *ret_end follows it. */
static int parse_number(const char *text, uint64_t *ret_value,
			const char **ret_end)
{
	const char *start;
	uint64_t value = 0;
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	for (start = text; digit_value(*text) < base; text++) {
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit_value(*text),
					   &value))
			return -ERANGE;
	}
	if (text == start)
		return -EINVAL;
	*ret_value = value;
	*ret_end = text;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret_value)
{
	const char *end;
	uint64_t value;
	int ret;

	ret = parse_number(text, &value, &end);
	if (ret)
		return ret;
	if (*end)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char suffixes[] = "kKmMgGtT";
	const char *end, *suffix;
	uint64_t value;
	int ret;

	ret = parse_number(text, &value, &end);
	if (ret)
		return ret;
	if (*end) {
		suffix = strchr(suffixes, *end);
		if (!suffix || end[1])
			return -EINVAL;
		if (__builtin_mul_overflow(
			value, KIB(1) << ((suffix - suffixes) / 2 * 10),
			&value))
			return -ERANGE;
	}
	*ret_bytes = value;
	return 0;
}

int parse_memory(const char *text, uint64_t *ret_bytes)
{
	uint64_t bytes, bare;
	int ret = parse_size(text, &bytes);

	if (ret)
		return ret;
	if (bytes < MIB(1) && parse_u64(text, &bare) == 0)
		bytes = MIB(bare);
	*ret_bytes = bytes;
	return 0;
}

int parse_bool(const char *text, bool *ret_value)
{
	static const char *const yes[] = {"true", "on", "yes", "1"};
	static const char *const no[] = {"false", "off", "no", "0"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!strcasecmp(text, yes[i])) {
			*ret_value = true;
			return 0;
		}
		if (!strcasecmp(text, no[i])) {
			*ret_value = false;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * Insertions, deletions and replacements that turn `a` into `b`, by dynamic
 * programming over one row; both at most WORD_MAX long.
 */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = MIN(best, row[j] + 1);
			row[j] = MIN(best, row[j - 1] + 1);
		}
	}
	return row[b_len];
}

const char *nearest_word(const char *word, const char *const *list)
{
	size_t len = strlen(word), best, distance;
	const char *nearest = NULL;

	if (!len || len > WORD_MAX)
		return NULL;
	best = MAX(len / 3, (size_t)1) + 1;
	for (; *list; list++) {
		if (strlen(*list) > WORD_MAX)
			continue;
		distance = edit_distance(word, *list);
		if (distance < best) {
			best = distance;
			nearest = *list;
		}
	}
	return nearest;
}
