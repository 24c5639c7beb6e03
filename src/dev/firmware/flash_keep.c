/* SPDX-License-Identifier: BSD-2-Clause */
/* The copies beside the variables file; the contract is in flash_internal.h. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "dev/firmware/flash_internal.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define FLUSHED	     "flushed"
#define RESTORING    "restoring"
#define FILE_MODE    0600

/* -1 also while keeping is off. */
static int open_beside(const struct keep *keep, const char *name)
{
	if (keep->dir < 0) {
		errno = EBADF;
		return -1;
	}
	return openat(keep->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static void read_line(int fd, char *text, size_t size)
{
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, " \n")] = '\0';
}

static void set_boot_id(struct keep *keep, const char *boot_id)
{
	CLEANUP_CLOSE int fd = -1;

	if (boot_id) {
		snprintf(keep->boot_id, sizeof(keep->boot_id), "%s", boot_id);
		return;
	}
	fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	read_line(fd, keep->boot_id, sizeof(keep->boot_id));
}

static char *beside(const char *name, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s%s", name, suffix) < 0 ? NULL : path;
}

void keep_init(struct keep *keep)
{
	keep->dir = keep->mark_fd = -1;
	pthread_mutex_init(&keep->lock, NULL);
}

int keep_open(const char *path, const char *boot_id, struct keep *keep)
{
	const char *name = strrchr(path, '/') + 1;
	CLEANUP_FREE char *folder = strndup(path, (size_t)(name - path));
	int r = 0;

	set_boot_id(keep, boot_id);
	keep->backup = beside(name, ".bak");
	keep->scratch = beside(name, ".new");
	keep->torn = beside(name, ".torn");
	keep->mark = beside(name, ".open");
	if (!folder || !keep->backup || !keep->scratch || !keep->torn ||
	    !keep->mark)
		r = -ENOMEM;
	if (!r)
		keep->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!r && keep->dir < 0)
		r = -errno;
	return r;
}

static void close_mark(struct keep *keep)
{
	if (keep->mark_fd >= 0)
		close(keep->mark_fd);
	keep->mark_fd = -1;
}

void keep_close(struct keep *keep)
{
	close_mark(keep);
	if (keep->dir >= 0)
		close(keep->dir);
	keep->dir = -1;
	free(keep->backup);
	free(keep->scratch);
	free(keep->torn);
	free(keep->mark);
	pthread_mutex_destroy(&keep->lock);
}

int keep_load(const struct keep *keep, uint8_t *bytes, size_t size)
{
	CLEANUP_CLOSE int fd = open_beside(keep, keep->backup);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)size)
		return -EINVAL;
	r = file_read(fd, bytes, size);
	if (!r && !fv_holds_variables(bytes, size, NULL))
		r = -EINVAL;
	return r;
}

/* Contents first, then the name that says they are there. */
static int write_new(const struct keep *keep, const char *name,
		     const uint8_t *bytes, size_t size)
{
	CLEANUP_CLOSE int fd = openat(
	    keep->dir, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	int r = fd < 0 ? -errno : file_write(fd, bytes, size, 0);

	return !r && fsync(fd) ? -errno : r;
}

static int replace(const struct keep *keep, const char *name,
		   const uint8_t *bytes, size_t size)
{
	int r = write_new(keep, keep->scratch, bytes, size);

	if (!r && renameat(keep->dir, keep->scratch, keep->dir, name))
		r = -errno;
	if (r) {
		unlinkat(keep->dir, keep->scratch, 0);
		return r;
	}
	return fsync(keep->dir) ? -errno : 0;
}

int keep_save(const struct keep *keep, const uint8_t *bytes, size_t size)
{
	return replace(keep, keep->backup, bytes, size);
}

int keep_put_aside(const struct keep *keep, const uint8_t *bytes, size_t size)
{
	return replace(keep, keep->torn, bytes, size);
}

/* ---- the mark ---- */

enum keep_mark keep_marked(const struct keep *keep)
{
	CLEANUP_CLOSE int fd = open_beside(keep, keep->mark);
	char text[sizeof(keep->boot_id)];

	if (fd < 0)
		return KEEP_FLUSHED;
	read_line(fd, text, sizeof(text));
	if (!strcmp(text, FLUSHED))
		return KEEP_FLUSHED;
	if (!strcmp(text, RESTORING))
		return KEEP_RESTORING;
	return strcmp(text, keep->boot_id) ? KEEP_TORN : KEEP_WRITTEN;
}

static int open_mark(struct keep *keep)
{
	int fd = openat(keep->dir, keep->mark,
			O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	if (fd < 0)
		return -errno;
	keep->mark_fd = fd;
	return fsync(keep->dir) ? -errno : 0;
}

/* In place and of one length: within a sector, which does not tear. */
int keep_mark(struct keep *keep, enum keep_mark mark)
{
	const char *word = mark == KEEP_FLUSHED	  ? FLUSHED
			   : mark == KEEP_WRITTEN ? keep->boot_id
						  : RESTORING;
	char text[sizeof(keep->boot_id) + 1];
	int n = snprintf(text, sizeof(text), "%-*s\n",
			 (int)sizeof(keep->boot_id) - 1, word);
	int r = keep->mark_fd < 0 ? open_mark(keep) : 0;

	if (!r)
		r = file_write(keep->mark_fd, (const uint8_t *)text, (size_t)n,
			       0);
	return !r && fdatasync(keep->mark_fd) ? -errno : r;
}

void keep_unmark(struct keep *keep)
{
	close_mark(keep);
	unlinkat(keep->dir, keep->mark, 0);
}
