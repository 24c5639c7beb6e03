/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache of unpacked kernels; the contract is in kcache.h. */
#include "machine/kcache.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "unpack/bzimage.h"

#define PROGRAM	    "byway-unpack"
#define NAME_SUFFIX ".kernel"
#define HASH_DIGITS 16u
#define NAME_LEN    (2 * HASH_DIGITS + 1 + sizeof(NAME_SUFFIX) - 1)
#define TEMP_MARK   NAME_SUFFIX ".tmp-" /* byway-unpack's own */
#define TEMP_OLD_S  3600
#define MESSAGE_MAX 512u

/* ---- where things are ---- */

static int user_dir(struct err *err, char *dir, size_t size)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n = -1;

	if (geteuid() == 0)
		n = snprintf(dir, size, "/var/cache/byway");
	else if (xdg && xdg[0] == '/')
		n = snprintf(dir, size, "%s/byway", xdg);
	else if (home && home[0] == '/')
		n = snprintf(dir, size, "%s/.cache/byway", home);
	if (n < 0 || (size_t)n >= size)
		return err_set(
		    err, -ENOENT,
		    "no cache directory: HOME is not set; set boot.cache");
	return 0;
}

/* Beside this program, in its libexec, or in a build tree. */
static void find_program(char *program, size_t size)
{
	static const char *const places[] = {
	    "/" PROGRAM, "/../libexec/byway/" PROGRAM, "/../unpack/" PROGRAM};
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	size_t i;

	snprintf(program, size, "/usr/libexec/byway/" PROGRAM);
	self[MAX(n, 0)] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = '\0';
	for (i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(program, size, "%s%s", self, places[i]);
		if (!access(program, X_OK))
			return;
	}
}

int kcache_config(struct cfg *root, struct err *err, struct kcache *ret_cache)
{
	struct kcache cache;
	bool on;
	int r;

	r = cfg_get(root, "boot.unpack", cache.program, sizeof(cache.program),
		    err);
	if (r < 0)
		return r;
	if (r == 0)
		find_program(cache.program, sizeof(cache.program));
	r = cfg_get(root, "boot.cache", cache.dir, sizeof(cache.dir), err);
	if (r < 0)
		return r;
	if (r == 0) {
		on = true;
	} else if (parse_bool(cache.dir, &on)) {
		*ret_cache = cache; /* it is a directory */
		return 1;
	}
	if (on) {
		r = user_dir(err, cache.dir, sizeof(cache.dir));
		if (r)
			return r;
	}
	*ret_cache = cache;
	return on;
}

/* ---- the directory ---- */

/* Makes all parents, too; failures show when it is opened. */
static void make_dir(const char *dir)
{
	char path[PATH_MAX];
	char *at = path;

	snprintf(path, sizeof(path), "%s", dir);
	while ((at = strchr(at + 1, '/'))) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
	(void)mkdir(path, 0700);
}

/* Ours, and nobody else can write to it. */
static bool is_private(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int open_dir(const char *dir, struct err *err, int *ret_fd)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	CLEANUP_CLOSE int fd = open(dir, flags);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		make_dir(dir);
		fd = open(dir, flags);
	}
	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, errno, "%s: cannot use as boot.cache", dir);
	if (!is_private(&st))
		return err_set(
		    err, -EPERM,
		    "%s: other users can write to it; not used as boot.cache",
		    dir);
	*ret_fd = take_fd(fd);
	return 0;
}

/* ---- entries ---- */

struct entry {
	char name[NAME_LEN + 1];
	char path[PATH_MAX]; /* of the kernel, absolute */
};

static int name_entry(const char *path, const struct kfile_key *key,
		      struct err *err, struct entry *ret_entry)
{
	char *absolute = realpath(path, ret_entry->path);
	uint64_t path_hash, key_hash;

	if (!absolute)
		return err_sys(err, errno, "%s: cannot resolve", path);
	path_hash = kfile_hash(KFILE_HASH_START, absolute, strlen(absolute));
	key_hash = kfile_hash(KFILE_HASH_START, key, sizeof(*key));
	snprintf(ret_entry->name, sizeof(ret_entry->name),
		 "%016llx-%016llx" NAME_SUFFIX, (unsigned long long)path_hash,
		 (unsigned long long)key_hash);
	return 0;
}

static int open_entry(int dir_fd, const struct entry *entry,
		      const struct kfile_key *key, struct err *err, int *ret_fd,
		      struct kfile_header *ret_header)
{
	CLEANUP_CLOSE int fd =
	    openat(dir_fd, entry->name,
		   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct kfile_header header;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, errno, "%s", entry->name);
	if (!S_ISREG(st.st_mode) || !is_private(&st))
		return err_set(err, -EPERM, "%s: not a file of this user only",
			       entry->name);
	r = file_read_at(fd, &header, sizeof(header), 0);
	if (r)
		return err_sys(err, r, "%s: cannot read", entry->name);
	r = kfile_check(&header, (uint64_t)st.st_size, err);
	if (r)
		return err_prefix(err, "%s", entry->name);
	if (memcmp(&header.key, key, sizeof(*key)))
		return err_set(err, -ESTALE, "%s: the kernel file changed",
			       entry->path);
	*ret_fd = take_fd(fd);
	*ret_header = header;
	return 0;
}

/* ---- housekeeping ---- */

static bool is_entry(const char *name)
{
	return strlen(name) == NAME_LEN && name[HASH_DIGITS] == '-' &&
	       !strcmp(name + 2 * HASH_DIGITS + 1, NAME_SUFFIX);
}

/* What an interrupted byway-unpack left. */
static bool is_old_temp(const char *name, const struct stat *st)
{
	return strstr(name, TEMP_MARK) &&
	       st->st_mtim.tv_sec + TEMP_OLD_S < time(NULL);
}

/*
 * One pass: removes old entries of the same kernel and rubbish, counts the
 * rest and finds the oldest of them.
 */
static unsigned sweep(DIR *dir, const struct entry *keep, char *ret_oldest)
{
	struct timespec oldest = {0};
	unsigned count = 0;
	struct dirent *d;
	struct stat st;

	rewinddir(dir);
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, keep->name) ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (is_old_temp(d->d_name, &st) ||
		    (is_entry(d->d_name) &&
		     !memcmp(d->d_name, keep->name, HASH_DIGITS))) {
			(void)unlinkat(dirfd(dir), d->d_name, 0);
			continue;
		}
		if (!is_entry(d->d_name))
			continue;
		if (count++ && (st.st_mtim.tv_sec > oldest.tv_sec ||
				(st.st_mtim.tv_sec == oldest.tv_sec &&
				 st.st_mtim.tv_nsec >= oldest.tv_nsec)))
			continue;
		oldest = st.st_mtim;
		memcpy(ret_oldest, d->d_name, NAME_LEN + 1);
	}
	return count;
}

static void prune(int dir_fd, const struct entry *keep)
{
	char oldest[NAME_LEN + 1] = "";
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while (sweep(dir, keep, oldest) >= KCACHE_ENTRIES_MAX)
		if (unlinkat(dir_fd, oldest, 0))
			break;
	closedir(dir);
}

/* ---- byway-unpack ---- */

/* All it says, without its name and the newline. */
static void read_message(int fd, char *message, size_t size)
{
	static const char name[] = PROGRAM ": ";
	char skip[256];
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = len < size - 1 ? read(fd, message + len, size - 1 - len)
				   : read(fd, skip, sizeof(skip));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (len < size - 1)
			len += (size_t)n;
	}
	message[len] = '\0';
	message[strcspn(message, "\n")] = '\0';
	if (!strncmp(message, name, sizeof(name) - 1))
		memmove(message, message + sizeof(name) - 1,
			strlen(message) - (sizeof(name) - 1) + 1);
}

/* The child starts with default signals and stderr on the pipe. */
static int spawn(const char *program, char *const argv[], int stderr_fd,
		 pid_t *ret_pid)
{
	char *const no_environment[] = {NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	r = posix_spawnattr_setsigmask(&attr, &none) ?:
	    posix_spawnattr_setsigdefault(&attr, &all) ?:
	    posix_spawnattr_setflags(&attr,
		POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) ?:
	    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
		O_RDWR, 0) ?:
	    posix_spawn_file_actions_adddup2(&files, STDIN_FILENO,
		STDOUT_FILENO) ?:
	    posix_spawn_file_actions_adddup2(&files, stderr_fd,
		STDERR_FILENO) ?:
	    /* Above all the guest's lock, which is ours to hold. */
	    posix_spawn_file_actions_addclosefrom_np(&files,
		STDERR_FILENO + 1) ?:
	    posix_spawn(ret_pid, program, &files, &attr, argv, no_environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

static int run_unpack(const struct kcache *cache, const struct entry *entry,
		      struct err *err)
{
	char message[MESSAGE_MAX] = "", out[PATH_MAX + NAME_LEN + 2];
	char *const argv[] = {(char *)PROGRAM, (char *)entry->path, out, NULL};
	CLEANUP_CLOSE int read_end = -1;
	CLEANUP_CLOSE int write_end = -1;
	int ends[2], status = -1;
	pid_t pid;
	int r;

	snprintf(out, sizeof(out), "%s/%s", cache->dir, entry->name);
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(err, errno, "pipe");
	read_end = ends[0];
	write_end = ends[1];
	r = spawn(cache->program, argv, write_end, &pid);
	if (r)
		return err_sys(err, r, "%s: cannot run", cache->program);
	close(take_fd(write_end));
	read_message(read_end, message, sizeof(message));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, -EIO, "%s",
		       message[0] ? message : PROGRAM " failed");
}

int kcache_open(const struct kcache *cache, const char *path,
		const struct kfile_key *key, struct err *err, int *ret_fd,
		struct kfile_header *ret_header)
{
	CLEANUP_CLOSE int dir_fd = -1;
	struct entry entry;
	int r;

	r = name_entry(path, key, err, &entry);
	if (!r)
		r = open_dir(cache->dir, err, &dir_fd);
	if (r)
		return r;
	if (!open_entry(dir_fd, &entry, key, err, ret_fd, ret_header))
		return 0;
	r = run_unpack(cache, &entry, err);
	if (!r)
		r = open_entry(dir_fd, &entry, key, err, ret_fd, ret_header);
	if (!r)
		prune(dir_fd, &entry);
	return r;
}
