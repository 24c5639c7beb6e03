/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser and writer of the guest file; the contract is conf.h. */
#include "vm/conf.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Offending text is quoted in messages up to this many bytes. */
#define SHOWN_MAX 48

struct parser {
	const char *path;
	const struct warner *warner;
	struct err *err;
	struct conf *conf;
	unsigned line;
};

static const struct conf_entry *entry_find(const struct conf *conf,
					   const char *key)
{
	for (size_t i = 0; conf && i < conf->count; i++)
		if (strcmp(conf->entry[i].key, key) == 0)
			return &conf->entry[i];
	return NULL;
}

/* The start of a bad line as it can be shown on a terminal. */
static const char *line_shown(const char *line, size_t len,
			      char shown[SHOWN_MAX + 4])
{
	size_t n = MIN(len, (size_t)SHOWN_MAX);

	for (size_t i = 0; i < n; i++)
		shown[i] = isprint((unsigned char)line[i]) ? line[i] : '?';
	strcpy(shown + n, len > n ? "..." : "");
	return shown;
}

static int line_malformed(struct parser *p, const char *line, size_t len)
{
	char shown[SHOWN_MAX + 4];

	return err_set(p->err, -EINVAL,
		       "%s:%u: expected key=\"value\", found '%s'", p->path,
		       p->line, line_shown(line, len, shown));
}

static int entry_add(struct parser *p, const char *line, size_t key_len,
		     char *value)
{
	struct conf *conf = p->conf;
	struct conf_entry *grown;
	char *key;

	if (conf->count >= CONF_ENTRIES_MAX)
		return err_set(p->err, -E2BIG, "%s:%u: more than %u keys",
			       p->path, p->line, CONF_ENTRIES_MAX);
	grown = reallocarray(conf->entry, conf->count + 1, sizeof(*grown));
	if (!grown)
		return err_set(p->err, -ENOMEM, "out of memory");
	conf->entry = grown;
	key = strndup(line, key_len);
	if (!key)
		return err_set(p->err, -ENOMEM, "out of memory");
	conf->entry[conf->count++] = (struct conf_entry){
	    .key = key, .value = take_ptr(value), .line = p->line};
	return 0;
}

/* Names of switches are in keys, "type_LAN-1". */
static bool is_key_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* `line` begins with a small letter; `len` ends before any comment. */
static int parse_assignment(struct parser *p, const char *line, size_t len)
{
	size_t key_len = 0, value_len = 0, quotes = 0;
	const struct conf_entry *first;
	CLEANUP_FREE char *value = NULL;
	CLEANUP_FREE char *key = NULL;
	int rc;

	while (key_len < len && is_key_char(line[key_len]))
		key_len++;
	if (key_len >= len || line[key_len] != '=' || key_len > CONF_KEY_MAX)
		return line_malformed(p, line, len);
	value = malloc(len - key_len + 1);
	key = strndup(line, key_len);
	if (!value || !key)
		return err_set(p->err, -ENOMEM, "out of memory");
	for (size_t i = key_len + 1; i < len; i++) {
		if (iscntrl((unsigned char)line[i]) && line[i] != '\t')
			return line_malformed(p, line, len);
		if (line[i] == '"')
			quotes++;
		else
			value[value_len++] = line[i];
	}
	value[value_len] = '\0';
	if (quotes % 2)
		warner_say(p->warner,
			   "%s:%u: a quote has no partner, %s is taken as "
			   "\"%s\"",
			   p->path, p->line, key, value);
	first = entry_find(p->conf, key);
	if (first) {
		warner_say(p->warner,
			   "%s:%u: %s is ignored, line %u already sets it",
			   p->path, p->line, key, first->line);
		return 0;
	}
	rc = entry_add(p, line, key_len, value);
	if (rc == 0)
		value = NULL;
	return rc;
}

static int parse_line(struct parser *p, const char *line, size_t len)
{
	const char *comment = memchr(line, '#', len);
	size_t blank = 0;
	char shown[SHOWN_MAX + 4];

	if (comment)
		len = (size_t)(comment - line);
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' ||
			   line[len - 1] == '\r'))
		len--;
	while (blank < len && (line[blank] == ' ' || line[blank] == '\t'))
		blank++;
	if (blank == len)
		return 0;
	if (blank == 0 && islower((unsigned char)line[0]))
		return parse_assignment(p, line, len);
	/* vm-bhyve reads only lines that begin with a small letter. */
	warner_say(p->warner,
		   "%s:%u: line is ignored, a key begins with a small letter "
		   "in the first column: '%s'",
		   p->path, p->line, line_shown(line, len, shown));
	return 0;
}

int conf_parse(const char *text, size_t len, const char *path,
	       const struct warner *warner, struct err *err,
	       struct conf **ret_conf)
{
	CLEANUP_CONF struct conf *conf = calloc(1, sizeof(*conf));
	struct parser p = {path, warner, err, conf, 0};

	if (conf)
		conf->path = strdup(path);
	if (!conf || !conf->path)
		return err_set(err, -ENOMEM, "out of memory");
	if (len > CONF_FILE_MAX)
		return err_set(err, -E2BIG, "%s: larger than %u bytes", path,
			       CONF_FILE_MAX);
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line_len = end ? (size_t)(end - text) : len;
		size_t step = end ? line_len + 1 : line_len;
		int rc;

		p.line++;
		rc = parse_line(&p, text, line_len);
		if (rc < 0)
			return rc;
		text += step;
		len -= step;
	}
	*ret_conf = take_ptr(conf);
	return 0;
}

int conf_read_text(int dirfd, const char *name, const char *path,
		   struct err *err, char **ret_text)
{
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *text = malloc(CONF_FILE_MAX + 2);
	size_t len = 0;
	struct stat st;

	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: not a regular file", path);
	while (len <= CONF_FILE_MAX) {
		ssize_t n = read(fd, text + len, CONF_FILE_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "%s", path);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > CONF_FILE_MAX)
		return err_set(err, -E2BIG, "%s: larger than %u bytes", path,
			       CONF_FILE_MAX);
	if (memchr(text, '\0', len))
		return err_set(err, -EINVAL, "%s: not a text file", path);
	text[len] = '\0';
	*ret_text = take_ptr(text);
	return 0;
}

int conf_load(int dirfd, const char *name, const char *path,
	      const struct warner *warner, struct err *err,
	      struct conf **ret_conf)
{
	CLEANUP_FREE char *text = NULL;
	int rc = conf_read_text(dirfd, name, path, err, &text);

	if (rc < 0)
		return rc;
	return conf_parse(text, strlen(text), path, warner, err, ret_conf);
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->count; i++) {
		free(conf->entry[i].key);
		free(conf->entry[i].value);
	}
	free(conf->entry);
	free(conf->path);
	free(conf);
}

const char *conf_get(const struct conf *conf, const char *key, ...)
{
	const struct conf_entry *entry;
	char name[CONF_KEY_MAX + 1];
	va_list ap;

	va_start(ap, key);
	vsnprintf(name, sizeof(name), key, ap);
	va_end(ap);
	entry = entry_find(conf, name);
	return entry ? entry->value : NULL;
}

const char *conf_member(const struct conf *conf, const char *key, ...)
{
	const struct conf_entry *entry;
	char name[CONF_KEY_MAX + 1];
	va_list ap;

	va_start(ap, key);
	vsnprintf(name, sizeof(name), key, ap);
	va_end(ap);
	entry = entry_find(conf, name);
	return entry && entry->value[0] ? entry->value : NULL;
}

const char *conf_get_or(const struct conf *conf, const char *key,
			const char *fallback)
{
	const struct conf_entry *entry = entry_find(conf, key);

	return entry && entry->value[0] ? entry->value : fallback;
}

unsigned conf_line(const struct conf *conf, const char *key)
{
	const struct conf_entry *entry = entry_find(conf, key);

	return entry ? entry->line : 0;
}

bool conf_text_is_no(const char *value)
{
	static const char *const words[] = {"", "no", "false", "off", "0"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

bool conf_bool(const struct conf *conf, const char *key, bool fallback)
{
	const struct conf_entry *entry = entry_find(conf, key);

	return entry ? !conf_text_is_no(entry->value) : fallback;
}

static bool line_has_key(const char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) == 0 && line[len] == '=';
}

/* Length of the line at `line` with its newline. */
static size_t line_length(const char *line)
{
	size_t len = strcspn(line, "\n");

	return line[len] ? len + 1 : len;
}

char *conf_text_set(const char *text, const char *key, const char *value)
{
	size_t size = strlen(text) + strlen(key) + strlen(value) + 8;
	char *out = malloc(size), *p = out;
	bool done = false;

	if (!out)
		return NULL;
	while (*text) {
		size_t len = line_length(text);

		if (!done && line_has_key(text, key)) {
			p += sprintf(p, "%s=\"%s\"\n", key, value);
			done = true;
		} else {
			p = mempcpy(p, text, len);
		}
		text += len;
	}
	if (!done) {
		if (p > out && p[-1] != '\n')
			*p++ = '\n';
		p += sprintf(p, "%s=\"%s\"\n", key, value);
	}
	*p = '\0';
	return out;
}

char *conf_text_remove(const char *text, const char *key)
{
	char *out = malloc(strlen(text) + 1), *p = out;

	if (!out)
		return NULL;
	while (*text) {
		size_t len = line_length(text);

		if (!line_has_key(text, key))
			p = mempcpy(p, text, len);
		text += len;
	}
	*p = '\0';
	return out;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * The directory in which the file really is, and its name there: what is
 * replaced is the file, not a link that leads to it.
 */
static int file_resolve(int dirfd, const char *name, char base[NAME_MAX + 1],
			int *ret_dirfd)
{
	CLEANUP_FREE char *real = NULL;
	char link[PATH_MAX];
	const char *dir, *file;
	char *slash;

	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof(link), "%s", name);
	else
		snprintf(link, sizeof(link), "/proc/self/fd/%d/%s", dirfd,
			 name);
	real = realpath(link, NULL);
	if (!real && errno != ENOENT)
		return -errno;
	if (!real)
		real = strdup(link);
	if (!real)
		return -ENOMEM;
	slash = strrchr(real, '/');
	file = slash ? slash + 1 : real;
	dir = !slash ? "." : slash == real ? "/" : real;
	if (strlen(file) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(base, file);
	if (slash)
		*slash = '\0';
	*ret_dirfd =
	    open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_dirfd < 0 ? -errno : 0;
}

/* The new file's owner and mode are the old one's. */
static int file_like(int fd, const struct stat *old)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != old->st_uid || st.st_gid != old->st_gid) &&
	    fchown(fd, old->st_uid, old->st_gid) < 0)
		return -errno;
	return fchmod(fd, old->st_mode & 07777) < 0 ? -errno : 0;
}

static int file_replace(int dirfd, const char *name, const char *text)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat old;
	char temp[300];
	bool exists = fstatat(dirfd, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	int rc;

	snprintf(temp, sizeof(temp), "%.240s.%d.new", name, (int)getpid());
	unlinkat(dirfd, temp, 0);
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, strlen(text));
	if (rc == 0 && exists)
		rc = file_like(fd, &old);
	else if (rc == 0 && fchmod(fd, 0644) < 0)
		rc = -errno;
	if (rc == 0 &&
	    (fsync(fd) < 0 || renameat(dirfd, temp, dirfd, name) < 0))
		rc = -errno;
	if (rc < 0)
		unlinkat(dirfd, temp, 0);
	/* The name has to survive a power cut as well. */
	else if (fsync(dirfd) < 0 && errno != EINVAL)
		rc = -errno;
	return rc;
}

int conf_write_text(int dirfd, const char *name, const char *path,
		    const char *text, struct err *err)
{
	CLEANUP_CLOSE int dir = -1;
	char base[NAME_MAX + 1];
	int rc = file_resolve(dirfd, name, base, &dir);

	if (rc == 0)
		rc = file_replace(dir, base, text);
	if (rc < 0)
		return err_cure_root(
		    err_sys(err, rc, "%s: cannot be changed", path), err);
	return 0;
}
