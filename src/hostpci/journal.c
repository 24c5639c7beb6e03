/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run/byway/pci/<BDF>: what a function was before byway took it, so that any
 * later process can give it back; <BDF>.bars: the sizes that resized BARs had;
 * and <BDF>.lock, held while one is at it.
 *
 * The lock is of the open file, which forked processes share: when writing to
 * the function hangs in the kernel, the process stuck in it (kernel.c) keeps
 * the lock until the kernel lets it go. So the lock is never stale, and a held
 * one says which attributes must not be read (scan.c). Folder and files are
 * gone after a boot, and so are the bindings they describe.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "hostpci/hostpci_internal.h"

#define JOURNAL_DIR	"run/byway/pci"
#define JOURNAL_PATH	(sizeof(JOURNAL_DIR) + HOSTPCI_BDF_MAX + 8)
#define LOCK_TIMEOUT_NS (2 * NS_PER_S)

static void journal_path(const char *bdf, const char *suffix,
			 char path[JOURNAL_PATH])
{
	snprintf(path, JOURNAL_PATH, JOURNAL_DIR "/%s%s", bdf, suffix);
}

static int journal_folder(const struct hostpci *host)
{
	static const char *const folders[] = {"run", "run/byway", JOURNAL_DIR};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (mkdirat(host->root_fd, folders[i], 0755) < 0 &&
		    errno != EEXIST)
			return -errno;
	return 0;
}

static int lock_open(const struct hostpci *host, const char *bdf, int *ret_fd)
{
	char path[JOURNAL_PATH];
	int fd, rc = journal_folder(host);

	if (rc < 0)
		return rc;
	journal_path(bdf, ".lock", path);
	fd = openat(host->root_fd, path,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int journal_lock(struct hostpci *host, const struct hostpci_dev *dev,
		 struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	uint64_t deadline = host->kernel->now_ns(host) + LOCK_TIMEOUT_NS;
	char label[LABEL_MAX];
	int rc = lock_open(host, dev->bdf, &fd);

	dev_label(dev, label);
	if (rc == -EACCES || rc == -EPERM)
		return err_set(err, rc, "%s: binding a device needs root",
			       label);
	if (rc < 0)
		return err_sys(err, rc, "%s: %s/" JOURNAL_DIR, label,
			       host->root);
	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return err_sys(err, -errno, "%s: lock", label);
		if (host->kernel->now_ns(host) >= deadline)
			return err_set(
			    err, -EBUSY,
			    "%s: another process is just binding it, or its "
			    "driver does not let go of it ('dmesg' says more)",
			    label);
		host->kernel->pause(host);
	}
	journal_unlock(host);
	host->lock_fd = take_fd(fd);
	return 0;
}

void journal_unlock(struct hostpci *host)
{
	if (host->lock_fd >= 0)
		close(host->lock_fd);
	host->lock_fd = -1;
}

bool journal_locked(const struct hostpci *host, const char *bdf)
{
	CLEANUP_CLOSE int fd = -1;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char path[JOURNAL_PATH];

	journal_path(bdf, ".lock", path);
	fd = openat(host->root_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return false;
	return lock.l_type != F_UNLCK;
}

static int text_write(const struct hostpci *host, const char *bdf,
		      const char *suffix, const char *text)
{
	CLEANUP_CLOSE int fd = -1;
	char path[JOURNAL_PATH], tmp[JOURNAL_PATH];
	ssize_t len = (ssize_t)strlen(text);
	int rc = journal_folder(host);

	if (rc < 0)
		return rc;
	journal_path(bdf, suffix, path);
	journal_path(bdf, ".tmp", tmp);
	fd =
	    openat(host->root_fd, tmp,
		   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	errno = 0;
	if (write(fd, text, (size_t)len) != len ||
	    renameat(host->root_fd, tmp, host->root_fd, path) < 0) {
		rc = errno ? -errno : -EIO;
		unlinkat(host->root_fd, tmp, 0);
		return rc;
	}
	return 0;
}

int journal_write(const struct hostpci *host, const char *bdf,
		  const struct journal *journal)
{
	char text[2 * DRIVER_MAX + 32];

	snprintf(text, sizeof(text), "driver=%s\noverride=%s\n",
		 journal->driver, journal->override);
	return text_write(host, bdf, "", text);
}

/* Names become parts of paths: what cannot be one is taken for unknown. */
static void name_copy(const char *text, size_t len, char name[DRIVER_MAX])
{
	name[0] = '\0';
	if (len >= DRIVER_MAX || text[0] == '.' || memchr(text, '/', len))
		return;
	memcpy(name, text, len);
	name[len] = '\0';
}

static void line_take(const char *text, const char *key, char name[DRIVER_MAX])
{
	const char *line = strstr(text, key);

	name[0] = '\0';
	if (!line || (line != text && line[-1] != '\n'))
		return;
	line += strlen(key);
	name_copy(line, strcspn(line, "\n"), name);
}

int journal_read(const struct hostpci *host, const char *bdf,
		 struct journal *ret_journal)
{
	char path[JOURNAL_PATH], text[2 * DRIVER_MAX + 32];
	int rc;

	journal_path(bdf, "", path);
	rc = sysfs_text(host, text, sizeof(text), "%s", path);
	if (rc < 0)
		return rc;
	line_take(text, "driver=", ret_journal->driver);
	line_take(text, "override=", ret_journal->override);
	return 0;
}

void journal_remove(const struct hostpci *host, const char *bdf)
{
	char path[JOURNAL_PATH];

	journal_path(bdf, "", path);
	unlinkat(host->root_fd, path, 0);
}

/* ---- sizes of BARs ---- */

#define BARS_SUFFIX ".bars"

int journal_bars_write(const struct hostpci *host, const char *bdf,
		       const struct hostpci_bars *bars)
{
	char text[256];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < ARRAY_LEN(bars->size); i++)
		if (bars->size[i])
			len += (size_t)snprintf(
			    text + len, sizeof(text) - len, "bar%u=%llu\n", i,
			    (unsigned long long)bars->size[i]);
	return text_write(host, bdf, BARS_SUFFIX, text);
}

int journal_bars_read(const struct hostpci *host, const char *bdf,
		      struct hostpci_bars *ret_bars)
{
	struct hostpci_bars bars = {{0}};
	char path[JOURNAL_PATH], text[256];
	unsigned long long size;
	const char *line = text;
	unsigned bar;
	int rc, used;

	journal_path(bdf, BARS_SUFFIX, path);
	rc = sysfs_text(host, text, sizeof(text), "%s", path);
	if (rc < 0)
		return rc;
	for (; *line; line += used) {
		used = 0;
		if (sscanf(line, "bar%1u=%20llu%n", &bar, &size, &used) != 2 ||
		    bar >= ARRAY_LEN(bars.size) || size < MIB(1) ||
		    (size & (size - 1)))
			return -EINVAL;
		bars.size[bar] = size;
		used += line[used] == '\n';
	}
	*ret_bars = bars;
	return 0;
}

void journal_bars_remove(const struct hostpci *host, const char *bdf)
{
	char path[JOURNAL_PATH];

	journal_path(bdf, BARS_SUFFIX, path);
	unlinkat(host->root_fd, path, 0);
}
