/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading small files, links and directories below the host's root. */
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "hostpci/hostpci_internal.h"

#define FILE_MAX MIB(16) /* mount tables of large hosts are far below */

PRINTF_LIKE(2, 0)
static int path_format(char *buf, const char *fmt, va_list ap)
{
	int len = vsnprintf(buf, PATH_MAX, fmt, ap);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

void list_free(struct list *list)
{
	for (int i = 0; i < list->count; i++)
		free(list->entry[i]);
	free(list->entry);
	*list = (struct list){0};
}

static int name_real(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

int sysfs_list(const struct hostpci *host, struct list *ret_list,
	       const char *fmt, ...)
{
	struct list list = {0};
	char path[PATH_MAX];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = path_format(path, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return rc;
	list.count =
	    scandirat(host->root_fd, path, &list.entry, name_real, versionsort);
	if (list.count < 0) {
		if (errno != ENOENT)
			return -errno;
		list.count = 0;
	}
	*ret_list = list;
	return 0;
}

int sysfs_text(const struct hostpci *host, char *buf, size_t size,
	       const char *fmt, ...)
{
	CLEANUP_CLOSE int fd = -1;
	char path[PATH_MAX];
	va_list ap;
	ssize_t n;
	int rc;

	buf[0] = '\0';
	va_start(ap, fmt);
	rc = path_format(path, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return rc;
	fd = openat(host->root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && isspace((unsigned char)buf[n - 1]))
		n--;
	buf[n] = '\0';
	return 0;
}

int sysfs_file(const struct hostpci *host, const char *path, char **ret_text)
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_FREE char *text = NULL;
	size_t size = 0, used = 0;
	ssize_t n;

	fd = openat(host->root_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		if (size - used < KIB(4)) {
			char *more = realloc(text, size + KIB(64));

			if (!more)
				return -ENOMEM;
			text = more;
			size += KIB(64);
		}
		n = read(fd, text + used, size - used - 1);
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (used > FILE_MAX)
			return -EFBIG;
	} while (n > 0);
	text[used] = '\0';
	*ret_text = take_ptr(text);
	return 0;
}

static int link_read(const struct hostpci *host, const char *path, char *buf,
		     size_t size)
{
	ssize_t n = readlinkat(host->root_fd, path, buf, size - 1);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size - 1)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

int sysfs_link(const struct hostpci *host, char *buf, size_t size,
	       const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = path_format(path, fmt, ap);
	va_end(ap);
	return rc < 0 ? rc : link_read(host, path, buf, size);
}

int sysfs_link_name(const struct hostpci *host, char *buf, size_t size,
		    const char *fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name;
	va_list ap;
	int rc;

	buf[0] = '\0';
	va_start(ap, fmt);
	rc = path_format(path, fmt, ap);
	va_end(ap);
	if (rc == 0)
		rc = link_read(host, path, target, sizeof(target));
	if (rc < 0)
		return rc;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	memcpy(buf, name, strlen(name) + 1);
	return 0;
}

bool sysfs_exists(const struct hostpci *host, const char *fmt, ...)
{
	char path[PATH_MAX];
	struct stat st;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = path_format(path, fmt, ap);
	va_end(ap);
	return rc == 0 &&
	       fstatat(host->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

long long sysfs_number(const struct hostpci *host, long long none,
		       const char *fmt, ...)
{
	char path[PATH_MAX], text[64], *end;
	long long value;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = path_format(path, fmt, ap);
	va_end(ap);
	if (rc < 0 || sysfs_text(host, text, sizeof(text), "%s", path) < 0)
		return none;
	errno = 0;
	value = strtoll(text, &end, 0);
	return errno || end == text || *end ? none : value;
}

bool path_has(const char *path, const char *name)
{
	size_t len = strlen(name);

	while (path) {
		if (strncmp(path, name, len) == 0 &&
		    (path[len] == '/' || path[len] == '\0'))
			return true;
		path = strchr(path, '/');
		if (path)
			path++;
	}
	return false;
}
