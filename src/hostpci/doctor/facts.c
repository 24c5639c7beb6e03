/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading once and remembering by path; the contract is facts.h. */
#include "hostpci/doctor/facts.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

static int fact_order(const void *a, const void *b)
{
	const struct fact *fact_a = a, *fact_b = b;

	if (fact_a->kind != fact_b->kind)
		return fact_a->kind < fact_b->kind ? -1 : 1;
	return strcmp(fact_a->path, fact_b->path);
}

static void fact_free(void *node)
{
	struct fact *fact = node;

	free(fact->path);
	free(fact->data);
	free(fact);
}

/* Is there the whole line `path` in byway/denied? */
static bool path_is_denied(const struct facts *f, const char *path)
{
	size_t len = strlen(path);
	const char *at = f->denied;

	while (at && (at = strstr(at, path))) {
		if ((at == f->denied || at[-1] == '\n') &&
		    (at[len] == '\n' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

static int file_read(const struct facts *f, struct fact *fact)
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_FREE char *data = NULL;
	size_t size = KIB(8), used = 0;
	ssize_t n;

	fd = openat(f->host->root_fd, fact->path,
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	data = malloc(size);
	while (data) {
		n = read(fd, data + used, size - used - 1);
		/* What came before is good: a header whose rest is refused. */
		if (n < 0 && used == 0)
			return -errno;
		if (n <= 0)
			break;
		used += (size_t)n;
		if (used >= FACT_BYTES_MAX)
			return -EFBIG;
		if (size - used < KIB(4)) {
			char *more = realloc(data, size * 2);

			if (!more)
				return -ENOMEM;
			data = more;
			size *= 2;
		}
	}
	if (!data)
		return -ENOMEM;
	data[used] = '\0';
	fact->data = take_ptr(data);
	fact->len = used;
	return 0;
}

static int link_read(const struct facts *f, struct fact *fact)
{
	char target[PATH_MAX];
	int rc = sysfs_link(f->host, target, sizeof(target), "%s", fact->path);

	if (rc < 0)
		return rc;
	fact->data = strdup(target);
	fact->len = fact->data ? strlen(fact->data) : 0;
	return fact->data ? 0 : -ENOMEM;
}

static int folder_read(const struct facts *f, struct fact *fact)
{
	CLEANUP_LIST struct list list = {0};
	size_t size = 1, used = 0;
	int rc = sysfs_list(f->host, &list, "%s", fact->path);

	if (rc < 0)
		return rc;
	for (int i = 0; i < list.count; i++)
		size += strlen(list.entry[i]->d_name) + 1;
	fact->data = malloc(size);
	if (!fact->data)
		return -ENOMEM;
	for (int i = 0; i < list.count; i++)
		used += (size_t)snprintf(fact->data + used, size - used, "%s\n",
					 list.entry[i]->d_name);
	fact->data[used] = '\0';
	fact->len = used;
	return 0;
}

static int fact_read(const struct facts *f, struct fact *fact)
{
	if (f->watch)
		snprintf(f->watch, DOCTOR_WATCH_BYTES, "/%s", fact->path);
	if (path_is_denied(f, fact->path))
		return -EACCES;
	if (f->count > FACTS_MAX)
		return -ENOSPC;
	switch (fact->kind) {
	case FACT_FILE:
		return file_read(f, fact);
	case FACT_LINK:
		return link_read(f, fact);
	case FACT_LIST:
		return folder_read(f, fact);
	case FACT_NODE:
		break;
	}
	return sysfs_exists(f->host, "%s", fact->path) ? 0 : -ENOENT;
}

const struct fact *facts_get(struct facts *f, enum fact_kind kind,
			     const char *path)
{
	static const struct fact none = {
	    .path = (char *)"", .rc = -ENOMEM, .data = NULL};
	struct fact key = {.path = (char *)path, .kind = kind};
	struct fact **node = tfind(&key, &f->tree, fact_order), *fact;

	if (!node) {
		fact = calloc(1, sizeof(*fact));
		if (!fact)
			return &none;
		fact->kind = kind;
		fact->path = strdup(path);
		node = fact->path ? tsearch(fact, &f->tree, fact_order) : NULL;
		if (!node) {
			fact_free(fact);
			return &none;
		}
		f->count++;
		fact->rc = fact_read(f, fact);
	}
	fact = *node;
	if (fact->rc == -EACCES || fact->rc == -EPERM)
		f->blind = fact->path;
	return fact;
}

void facts_second_pass(struct facts *f)
{
	const struct timespec second = {.tv_sec = 1};

	if (f->waited)
		return;
	f->waited = true;
	if (f->watch)
		snprintf(f->watch, DOCTOR_WATCH_BYTES,
			 "the links' errors for a second");
	ppoll(NULL, 0, &second, NULL);
}

void facts_read_again(struct facts *f, const char *path, struct fact *fact)
{
	struct fact again = {.path = (char *)path, .kind = FACT_FILE};

	fact->rc = fact_read(f, &again);
	fact->data = again.data;
	fact->len = again.len;
}

static const struct fact *get_format(struct facts *f, enum fact_kind kind,
				     const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static const struct fact *get_format(struct facts *f, enum fact_kind kind,
				     const char *fmt, va_list ap)
{
	char path[PATH_MAX];

	vsnprintf(path, sizeof(path), fmt, ap);
	return facts_get(f, kind, path);
}

/* Trims once, in place: the fact is what people and parsers want to see. */
static const char *fact_trimmed(const struct fact *fact)
{
	struct fact *own = (struct fact *)fact;

	if (fact->rc < 0 || !fact->data)
		return NULL;
	while (own->len > 0 && isspace((unsigned char)own->data[own->len - 1]))
		own->data[--own->len] = '\0';
	return fact->data;
}

const char *fact_text(struct facts *f, const char *fmt, ...)
{
	const struct fact *fact;
	va_list ap;

	va_start(ap, fmt);
	fact = get_format(f, FACT_FILE, fmt, ap);
	va_end(ap);
	return fact_trimmed(fact);
}

static long long text_number(const char *text, long long none)
{
	long long value;
	char *end;

	if (!text)
		return none;
	errno = 0;
	value = strtoll(text, &end, 0);
	return errno || end == text || *end ? none : value;
}

long long fact_number(struct facts *f, long long none, const char *fmt, ...)
{
	const struct fact *fact;
	va_list ap;

	va_start(ap, fmt);
	fact = get_format(f, FACT_FILE, fmt, ap);
	va_end(ap);
	return text_number(fact_trimmed(fact), none);
}

const char *fact_link(struct facts *f, const char *fmt, ...)
{
	const struct fact *fact;
	const char *name;
	va_list ap;

	va_start(ap, fmt);
	fact = get_format(f, FACT_LINK, fmt, ap);
	va_end(ap);
	if (fact->rc < 0)
		return NULL;
	name = strrchr(fact->data, '/');
	return name ? name + 1 : fact->data;
}

bool fact_exists(struct facts *f, const char *fmt, ...)
{
	const struct fact *fact;
	va_list ap;

	va_start(ap, fmt);
	fact = get_format(f, FACT_NODE, fmt, ap);
	va_end(ap);
	return fact->rc == 0;
}

const char *fact_name_next(struct facts *f, const char *folder,
			   const char **cursor, char name[NAME_MAX + 1])
{
	const struct fact *fact = facts_get(f, FACT_LIST, folder);
	const char *at = *cursor ? *cursor : fact->data;
	size_t len;

	if (fact->rc < 0 || !at || !*at)
		return NULL;
	len = strcspn(at, "\n");
	if (len > NAME_MAX)
		return NULL;
	memcpy(name, at, len);
	name[len] = '\0';
	*cursor = at[len] ? at + len + 1 : at + len;
	return name;
}

/* --- of a function ---------------------------------------------------- */

const char *dev_attr(struct facts *f, const struct dev_facts *d,
		     const char *attribute)
{
	return fact_text(f, SYS_DEVICES "/%s/%s", d->dev->bdf, attribute);
}

long long dev_attr_number(struct facts *f, const struct dev_facts *d,
			  const char *attribute, long long none)
{
	return text_number(dev_attr(f, d, attribute), none);
}

const struct dev_facts *facts_dev(const struct facts *f,
				  struct hostpci_addr addr)
{
	const struct hostpci_dev *dev = hostpci_find(f->host, addr);

	return dev ? &f->dev[dev - hostpci_at(f->host, 0)] : NULL;
}

const struct dev_facts *facts_dev_named(const struct facts *f, const char *bdf)
{
	struct hostpci_addr addr;

	return addr_from_bdf(bdf, &addr) == 0 ? facts_dev(f, addr) : NULL;
}

bool dev_is_dead(const struct dev_facts *d)
{
	return d->config && config_is_ones(d->config, d->config_len);
}

bool dev_caps_known(struct facts *f, const struct dev_facts *d)
{
	char path[PATH_MAX];

	if (d->caps.known)
		return true;
	if (!d->config || d->config_len > 64)
		return false;
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/config", d->dev->bdf);
	f->blind = facts_get(f, FACT_FILE, path)->path;
	return false;
}

/*
 * The phrase of hostpci_in_use() is kept as a fact of its own, so that a
 * report replays it without the mount tables it came from.
 */
const char *dev_use(struct facts *f, const struct dev_facts *d)
{
	char path[64], text[512];
	struct fact *fact;
	struct err err;
	int rc;

	snprintf(path, sizeof(path), "byway/in_use/%s", d->dev->bdf);
	fact = (struct fact *)facts_get(f, FACT_FILE, path);
	if (fact->rc == -ENOENT && !f->replay) {
		if (f->watch)
			snprintf(f->watch, DOCTOR_WATCH_BYTES,
				 "what the host does with %s", d->dev->bdf);
		rc = hostpci_in_use(f->host, d->dev, &err, text, sizeof(text));
		fact->rc = 0;
		fact->data = strdup(rc > 0 ? text : "");
		fact->len = fact->data ? strlen(fact->data) : 0;
	}
	if (fact->rc < 0 || !fact->data || !fact->data[0])
		return NULL;
	return fact_trimmed(fact);
}

/* --- life ------------------------------------------------------------- */

/*
 * Every function's header before hostpci_open() reads it: where a device
 * hangs, `watch` tells which.
 */
void doctor_touch(const char *root, char *watch)
{
	struct dirent **entry = NULL;
	char path[PATH_MAX];
	uint32_t id;
	int count;

	snprintf(path, sizeof(path), "%s/" SYS_DEVICES, root);
	count = scandir(path, &entry, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		CLEANUP_CLOSE int fd = -1;

		snprintf(path, sizeof(path), "%s/" SYS_DEVICES "/%s/config",
			 root, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.') {
			snprintf(watch, DOCTOR_WATCH_BYTES,
				 "/" SYS_DEVICES "/%.20s/config",
				 entry[i]->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd >= 0 && pread(fd, &id, sizeof(id), 0) < 0)
				id = 0; /* hostpci_open() will see it, too */
		}
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
}

int facts_open(const struct doctor_request *request, struct err *err,
	       struct facts **ret_facts)
{
	struct facts *f = calloc(1, sizeof(*f));
	const struct fact *denied;
	int rc;

	if (!f)
		return err_sys(err, -ENOMEM, "doctor");
	f->watch = request->watch;
	f->replay = request->replay;
	if (f->watch)
		doctor_touch(request->root, f->watch);
	rc = hostpci_open(request->root, err, &f->host);
	if (rc == 0) {
		f->live = f->host->real;
		denied =
		    f->live ? NULL : facts_get(f, FACT_FILE, "byway/denied");
		f->denied = denied ? denied->data : NULL;
		f->blind = NULL;
		rc = facts_parse(f);
		if (rc < 0)
			err_sys(err, rc, "doctor");
	}
	if (rc < 0) {
		facts_close(f);
		return rc;
	}
	*ret_facts = f;
	return 0;
}

void facts_close(struct facts *f)
{
	if (!f)
		return;
	tdestroy(f->tree, fact_free);
	klog_free(&f->log);
	free(f->dev);
	hostpci_close(f->host);
	free(f);
}
