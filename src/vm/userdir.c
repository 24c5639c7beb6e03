/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder of a guest's user; the contract is userdir.h. */
/*
 * Theory of operation
 *
 * To the user: a new folder, root's, is filled and put in its place by a
 * rename; then it is given away, then the originals go. Back: every file is
 * copied under another name and renamed, then the folder goes. So at each
 * moment one of the two places is whole, and it is the one that is looked at
 * first: the folder counts as soon as it has its name.
 */
#include "vm/userdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "vm/firmware.h"
#include "vm/helpers.h"

#define MAKING_NAME USERDIR_NAME ".new"
#define NEW_SUFFIX  ".new"
#define TPM_MAX	    MIB(1)
#define SET_FILES   4u
#define DEPTH_MAX   32u

/* Files that belong together: without the first the others mean nothing. */
static const struct set {
	const char *folder; /* in the guest's, where byway is root */
	const char *file[SET_FILES];
	uint64_t max;
} sets[] = {
    {"",
     {UEFI_VARS_NAME, UEFI_VARS_NAME ".bak", UEFI_VARS_NAME ".open",
      UEFI_VARS_NAME ".torn"},
     FIRMWARE_MAX},
    {HELPERS_TPM_STATE, {HELPERS_TPM_FILE}, TPM_MAX},
};

/* What else byway and swtpm leave there. */
static const char *const rests[] = {UEFI_VARS_NAME NEW_SUFFIX, ".lock"};

/* ---- one file ---- */

/* Its bytes are on the medium then. */
static int file_copy(int from, int to, uint64_t max)
{
	uint64_t total = 0;
	char data[65536];
	ssize_t n;

	while ((n = read(from, data, sizeof(data))) != 0) {
		ssize_t done = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		total += (uint64_t)n;
		if (total > max)
			return -EFBIG;
		while (done < n) {
			ssize_t w = write(to, data + done, (size_t)(n - done));

			if (w < 0 && errno != EINTR)
				return -errno;
			done += MAX(w, (ssize_t)0);
		}
	}
	return fsync(to) < 0 ? -errno : 0;
}

int file_place(int from, int dir, const char *name, uint64_t max, uid_t owner)
{
	CLEANUP_CLOSE int to = -1;
	char temp[64];
	int rc;

	snprintf(temp, sizeof(temp), "%s" NEW_SUFFIX, name);
	unlinkat(dir, temp, 0);
	to = openat(dir, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	rc = file_copy(from, to, max);
	if (rc == 0 && owner != geteuid() && fchown(to, owner, (gid_t)-1) < 0)
		rc = -errno;
	if (rc == 0 && renameat(dir, temp, dir, name) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(dir, temp, 0);
	return rc;
}

/*
 * Opens what is in `dir` itself: not beyond a link, nor in what is mounted,
 * whose opening somebody else would answer in his own time.
 */
static int inside_open(int dir, const char *name, int flags)
{
	const struct open_how how = {
	    .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
	    .resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/*
 * Opens a file of `owner` (0: of anybody, in a folder of root's) to read.
 * -EINVAL for what is no such file.
 */
static int file_open(int dir, const char *name, uid_t owner)
{
	CLEANUP_CLOSE int fd =
	    inside_open(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -ELOOP || fd == -ENXIO || fd == -EXDEV)
		return -EINVAL;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* A hard link may lead to a file of somebody else's. */
	if (!S_ISREG(st.st_mode) || (owner != 0 && st.st_uid != owner))
		return -EINVAL;
	return take_fd(fd);
}

/* 1: copied, 0: there is none. */
static int file_take(int from, uid_t owner, int to, const char *name,
		     uint64_t max, uid_t give)
{
	CLEANUP_CLOSE int fd = file_open(from, name, owner);
	int rc;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	rc = file_place(fd, to, name, max, give);
	return rc < 0 ? rc : 1;
}

/* ---- sets of files ---- */

/* The folder of a set where byway is root. */
static int set_folder(const struct guest *guest, const struct set *set,
		      bool make)
{
	const char *name = set->folder[0] ? set->folder : ".";
	int fd;

	if (make && set->folder[0] &&
	    mkdirat(guest->dirfd, set->folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(guest->dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int take_error(const struct guest *guest, const char *folder,
		      const char *name, int code, struct err *err)
{
	const char *slash = folder[0] ? "/" : "";

	if (code == -EINVAL)
		return err_set(err, code,
			       "%s/%s%s%s: not a regular file of its folder's "
			       "owner, so it is not used; remove it to begin "
			       "with a fresh one",
			       guest->dir, folder, slash, name);
	if (code == -EFBIG)
		return err_set(err, code,
			       "%s/%s%s%s: too large to be what its name says; "
			       "remove it to begin with a fresh one",
			       guest->dir, folder, slash, name);
	return err_sys(err, code, "%s/%s%s%s: cannot be moved", guest->dir,
		       folder, slash, name);
}

/* Back into the guest's folder. */
static int set_back(const struct guest *guest, const struct set *set, int from,
		    uid_t owner, struct err *err)
{
	CLEANUP_CLOSE int to = -1;
	CLEANUP_CLOSE int first = inside_open(from, set->file[0], O_PATH);

	if (first == -ENOENT)
		return 0;
	to = set_folder(guest, set, true);
	if (to < 0)
		return take_error(guest, set->folder, "", to, err);
	for (unsigned i = 0; i < SET_FILES && set->file[i]; i++) {
		int rc = file_take(from, owner, to, set->file[i], set->max,
				   geteuid());

		/* An old mark would say that the host went down. */
		if (rc == 0)
			unlinkat(to, set->file[i], 0);
		if (rc < 0)
			return take_error(guest, USERDIR_NAME, set->file[i], rc,
					  err);
	}
	return fsync(to) < 0 && errno != EINVAL
		   ? take_error(guest, set->folder, "", -errno, err)
		   : 0;
}

/* Into a folder that is being made. */
static int set_there(const struct guest *guest, const struct set *set, int to,
		     uid_t uid, struct err *err)
{
	CLEANUP_CLOSE int from = set_folder(guest, set, false);

	if (from == -ENOENT)
		return 0;
	if (from < 0)
		return take_error(guest, set->folder, "", from, err);
	for (unsigned i = 0; i < SET_FILES && set->file[i]; i++) {
		int rc = file_take(from, 0, to, set->file[i], set->max, uid);

		if (rc < 0)
			return take_error(guest, set->folder, set->file[i], rc,
					  err);
		if (rc == 0 && i == 0)
			break;
	}
	return 0;
}

static void set_forget(const struct guest *guest, const struct set *set)
{
	CLEANUP_CLOSE int fd = set_folder(guest, set, false);

	for (unsigned i = 0; fd >= 0 && i < SET_FILES && set->file[i]; i++)
		unlinkat(fd, set->file[i], 0);
}

/* ---- the folder ---- */

static int folder_open(const struct guest *guest, const char *name)
{
	int fd = inside_open(guest->dirfd, name, O_RDONLY | O_DIRECTORY);

	return fd == -ELOOP ? -ENOTDIR : fd;
}

int userdir_open(const struct guest *guest)
{
	return folder_open(guest, USERDIR_NAME);
}

int userdir_stat(const struct guest *guest, const char *name,
		 struct stat *ret_st)
{
	CLEANUP_CLOSE int dir = userdir_open(guest);
	CLEANUP_CLOSE int fd = dir < 0 ? dir : inside_open(dir, name, O_PATH);

	if (fd < 0)
		return fd;
	return fstat(fd, ret_st) < 0 ? -errno : 0;
}

static int folder_error(const struct guest *guest, int code, struct err *err)
{
	return err_sys(err, code, "%s/" USERDIR_NAME, guest->dir);
}

/* Of what we know; -ENOTEMPTY when there is more. */
static int folder_clear(const struct guest *guest, const char *name)
{
	CLEANUP_CLOSE int fd = folder_open(guest, name);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	for (size_t s = 0; s < ARRAY_LEN(sets); s++)
		for (unsigned i = 0; i < SET_FILES && sets[s].file[i]; i++)
			unlinkat(fd, sets[s].file[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(rests); i++)
		unlinkat(fd, rests[i], 0);
	return unlinkat(guest->dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* Everything back to root's places. */
static int folder_back(const struct guest *guest, int dir, uid_t owner,
		       uid_t next, struct err *err)
{
	uid_t from = owner == geteuid() ? 0 : owner;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sets); i++)
		rc = set_back(guest, &sets[i], dir, from, err);
	if (rc < 0)
		return rc;
	if (fsync(guest->dirfd) < 0 && errno != EINVAL)
		return folder_error(guest, -errno, err);
	rc = folder_clear(guest, USERDIR_NAME);
	/* What else the user has there does not harm us. */
	if (rc == 0 || (rc == -ENOTEMPTY && next == geteuid()))
		return 0;
	if (rc == -ENOTEMPTY)
		return err_set(err, rc,
			       "%s/" USERDIR_NAME ": user %u, whom the guest "
			       "ran as before, has other files there; look at "
			       "them and remove the folder",
			       guest->dir, (unsigned)owner);
	return folder_error(guest, rc, err);
}

static int folder_make(const struct guest *guest, uid_t uid, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int rc = folder_clear(guest, MAKING_NAME);

	if (rc == 0 && mkdirat(guest->dirfd, MAKING_NAME, 0700) < 0)
		rc = -errno;
	if (rc == 0)
		fd = rc = folder_open(guest, MAKING_NAME);
	if (rc < 0)
		return folder_error(guest, rc, err);
	rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sets); i++)
		rc = set_there(guest, &sets[i], fd, uid, err);
	if (rc < 0)
		return rc;
	if ((fsync(fd) < 0 && errno != EINVAL) ||
	    renameat(guest->dirfd, MAKING_NAME, guest->dirfd, USERDIR_NAME) <
		0 ||
	    (fsync(guest->dirfd) < 0 && errno != EINVAL) ||
	    fchown(fd, uid, (gid_t)-1) < 0)
		return folder_error(guest, -errno, err);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		set_forget(guest, &sets[i]);
	return 0;
}

int userdir_settle(const struct guest *guest, uid_t uid, struct err *err,
		   bool *ret_moved)
{
	CLEANUP_CLOSE int dir = userdir_open(guest);
	struct stat st = {0};
	int rc = 0;

	*ret_moved = false;
	if (dir < 0 && dir != -ENOENT)
		return folder_error(guest, dir, err);
	if (dir >= 0 && fstat(dir, &st) < 0)
		return folder_error(guest, -errno, err);
	if (dir >= 0 && st.st_uid == uid && uid != geteuid())
		return 0;
	if (dir >= 0)
		rc = folder_back(guest, dir, st.st_uid, uid, err);
	if (rc == 0 && uid != geteuid())
		rc = folder_make(guest, uid, err);
	*ret_moved = dir >= 0 || uid != geteuid();
	return rc;
}

/* ---- removing ---- */

/*
 * Never through a link: what is opened is a folder, and what is removed is in
 * the folder that is open, wherever its owner moves it meanwhile.
 */
static int tree_empty(int dir, unsigned depth)
{
	/* From here on its owner makes nothing new in it. */
	bool ours =
	    fchown(dir, geteuid(), (gid_t)-1) == 0 && fchmod(dir, 0700) == 0;
	DIR *list = ours ? fdopendir(dir) : NULL;
	struct dirent *entry;
	int rc = 0;

	if (!list) {
		rc = -errno;
		close(dir);
		return rc;
	}
	while (rc == 0 && (entry = readdir(list))) {
		const char *name = entry->d_name;
		int fd;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    unlinkat(dir, name, 0) == 0)
			continue;
		fd = inside_open(dir, name, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			rc = fd;
		else if (depth == DEPTH_MAX)
			rc = close(fd) < 0 ? -errno : -ELOOP;
		else
			rc = tree_empty(fd, depth + 1);
		if (rc == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
			rc = -errno;
	}
	closedir(list);
	return rc;
}

static int folder_remove(const struct guest *guest, const char *name)
{
	int fd = folder_open(guest, name), rc;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = tree_empty(fd, 0);
	if (rc == 0 && unlinkat(guest->dirfd, name, AT_REMOVEDIR) < 0)
		rc = -errno;
	return rc;
}

int userdir_remove(const struct guest *guest, struct err *err)
{
	int rc = folder_remove(guest, MAKING_NAME);

	if (rc == 0)
		rc = folder_remove(guest, USERDIR_NAME);
	return rc < 0 ? folder_error(guest, rc, err) : 0;
}
