/* SPDX-License-Identifier: BSD-2-Clause */
/* Links named like null-modem devices; the contract is nmdm.h. */
#include "base/nmdm.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define PORTS	 4u
#define TEMP_MAX (NMDM_PATH_MAX + 8)

int nmdm_path(const char *dev, const char *guest, unsigned number, char side,
	      struct err *err, char buf[NMDM_PATH_MAX])
{
	if (snprintf(buf, NMDM_PATH_MAX, "%s/nmdm-%s.%u%c", dev, guest, number,
		     side) >= NMDM_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%s/nmdm-%s: too long", dev,
			       guest);
	return 0;
}

bool nmdm_other(const char *path, char buf[NMDM_PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = strlen(path);

	if (!slash || strncmp(slash, "/nmdm", 5) != 0 || len >= NMDM_PATH_MAX)
		return false;
	if (path[len - 1] != 'A' && path[len - 1] != 'B')
		return false;
	memcpy(buf, path, len + 1);
	buf[len - 1] = path[len - 1] == 'A' ? 'B' : 'A';
	return true;
}

int nmdm_hold(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* Does the link lead to a terminal that somebody serves? */
static bool link_is_held(const char *path)
{
	CLEANUP_CLOSE int fd =
	    open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && isatty(fd) && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* Always the same name, so that what a kill leaves is found again. */
static void temp_path(const char *path, char buf[TEMP_MAX])
{
	snprintf(buf, TEMP_MAX, "%s.new", path);
}

int nmdm_link(const char *path, const char *terminal, struct err *err)
{
	char temp[TEMP_MAX];
	struct stat st;
	int rc;

	if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
		return err_set(err, -EEXIST,
			       "%s: exists and is no link of ours", path);
	if (link_is_held(path))
		return err_set(err, -EBUSY,
			       "%s: belongs to a guest of the same name that "
			       "runs already, perhaps from another directory",
			       path);
	temp_path(path, temp);
	unlink(temp);
	if (symlink(terminal, temp) < 0)
		return err_sys(err, -errno, "%s: cannot be made", path);
	if (rename(temp, path) == 0)
		return 0;
	rc = -errno;
	unlink(temp);
	return err_sys(err, rc, "%s: cannot be made", path);
}

void nmdm_unlink(const char *path, const char *terminal)
{
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return;
	target[len] = '\0';
	if (strcmp(target, terminal) == 0)
		unlink(path);
}

void nmdm_remove_left(const char *dev, const char *guest)
{
	for (unsigned i = 0; i < 2 * PORTS; i++) {
		char path[NMDM_PATH_MAX], temp[TEMP_MAX];
		struct stat st;

		if (nmdm_path(dev, guest, i / 2 + 1, i % 2 ? 'B' : 'A', NULL,
			      path) < 0)
			continue;
		temp_path(path, temp);
		if (lstat(temp, &st) == 0 && S_ISLNK(st.st_mode))
			unlink(temp);
		if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) ||
		    link_is_held(path))
			continue;
		unlink(path);
	}
}
