/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding guests, settings and programs; the contract is place.h. */
#include "vm/place.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/tool.h"

/* An environment variable, NULL when unset or empty. */
static const char *env_get(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int path_copy(char *buf, size_t size, const char *path, struct err *err)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= size)
		return err_set(err, -ENAMETOOLONG, "%.60s...: path too long",
			       path);
	memcpy(buf, path, len);
	buf[len] = '\0';
	return 0;
}

static int place_load_conf(struct place *place, struct err *err)
{
	const char *path = env_get("VM_CONF");
	int rc;

	rc = conf_load(AT_FDCWD, path ? path : PLACE_CONF_DEFAULT,
		       path ? path : PLACE_CONF_DEFAULT, NULL, err,
		       &place->conf);
	/* Only a file that was asked for has to be there. */
	if (rc == -ENOENT && !path)
		rc = 0;
	return rc;
}

/* Where the host keeps things; an environment variable moves each, for tests.
 */
static int place_set_roots(struct place *place, struct err *err)
{
	struct {
		const char *variable, *path;
		char *to;
	} roots[] = {
	    {"VM_HOST_ROOT", "/", place->host_root},
	    {"VM_DEV_DIR", "/dev", place->dev},
	    {"VM_SHARE_DIR", "/usr/share", place->share},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(roots); i++) {
		const char *value = env_get(roots[i].variable);

		rc = path_copy(roots[i].to, PATH_MAX,
			       value ? value : roots[i].path, err);
	}
	return rc;
}

/* One line of `zfs list -H -o name,mountpoint WHAT`. */
static int zfs_list(const char *what, struct err *err,
		    char name[PLACE_DATASET_MAX], char mountpoint[PATH_MAX])
{
	CLEANUP_WORDS struct words argv = {0};
	CLEANUP_FREE char *out = NULL;
	char *tab;
	int rc;

	words_split(&argv, "zfs list -H -o name,mountpoint");
	words_add(&argv, "%s", what);
	rc = tool_run(&argv, err, &out);
	if (rc < 0)
		return rc;
	out[strcspn(out, "\n")] = '\0';
	tab = strchr(out, '\t');
	if (!tab || tab - out >= PLACE_DATASET_MAX || strlen(tab) > PATH_MAX)
		return err_set(err, -EINVAL,
			       "zfs list %s: answered what is not understood",
			       what);
	*tab = '\0';
	strcpy(name, out);
	strcpy(mountpoint, tab + 1);
	return 0;
}

void place_dataset(const struct place *place, char buf[PLACE_DATASET_MAX])
{
	char name[PLACE_DATASET_MAX], mountpoint[PATH_MAX];

	strcpy(buf, place->dataset);
	if (buf[0] || !tool_exists("zfs"))
		return;
	/* A directory inside a data set is answered for by that set. */
	if (zfs_list(place->dir, NULL, name, mountpoint) == 0 &&
	    strcmp(mountpoint, place->dir) == 0)
		strcpy(buf, name);
}

static int place_set_dataset(struct place *place, const char *dataset,
			     struct err *err)
{
	int rc = zfs_list(dataset, err, place->dataset, place->dir);

	if (rc < 0)
		return err_prefix(err, "vm_dir=\"zfs:%s\"", dataset);
	if (place->dir[0] == '/')
		return 0;
	return err_set(err, -EINVAL,
		       "vm_dir=\"zfs:%s\": is not mounted (mountpoint=%s); "
		       "zfs set mountpoint=DIRECTORY gives it a place",
		       dataset, place->dir);
}

int place_open(struct place *place, struct err *err)
{
	const char *dir = env_get("VM_DIR");
	int rc;

	*place = (struct place){0};
	rc = place_load_conf(place, err);
	if (rc == 0)
		rc = place_set_roots(place, err);
	if (rc < 0)
		return rc;
	if (!dir)
		dir = conf_get_or(place->conf, "vm_dir", PLACE_DIR_DEFAULT);
	if (strncmp(dir, "zfs:", 4) == 0)
		return place_set_dataset(place, dir + 4, err);
	if (dir[0] != '/')
		return err_set(err, -EINVAL,
			       "vm_dir '%s': expected an absolute path", dir);
	return path_copy(place->dir, sizeof(place->dir), dir, err);
}

void place_close(struct place *place)
{
	conf_free(place->conf);
	place->conf = NULL;
}

static bool program_usable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/* "byway" in the directory of the running program. */
static bool program_beside(char *buf, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", buf, size);
	char *slash;

	if (len <= 0 || (size_t)len >= size)
		return false;
	buf[len] = '\0';
	slash = strrchr(buf, '/');
	if (!slash || (size_t)(slash - buf) + sizeof("/byway") > size)
		return false;
	strcpy(slash, "/byway");
	return program_usable(buf);
}

static bool program_in_path(char *buf, size_t size)
{
	const char *path = env_get("PATH");

	while (path && *path) {
		int len = (int)strcspn(path, ":");

		if (len > 0 && path[0] == '/') {
			snprintf(buf, size, "%.*s/byway", len, path);
			if (program_usable(buf))
				return true;
		}
		path += len;
		path += *path == ':';
	}
	return false;
}

int place_byway(char *buf, size_t size, struct err *err)
{
	const char *env = env_get("BYWAY");

	if (env) {
		CLEANUP_FREE char *real = realpath(env, NULL);

		if (!real || !program_usable(real))
			return err_set(err, -ENOENT,
				       "BYWAY=%s: not an executable file", env);
		return path_copy(buf, size, real, err);
	}
	if (program_beside(buf, size) || program_in_path(buf, size))
		return 0;
	return err_set(
	    err, -ENOENT,
	    "byway, the hypervisor, is neither next to vm nor in PATH");
}

bool guest_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > GUEST_NAME_MAX ||
	    !isalnum((unsigned char)name[0]) ||
	    !isalnum((unsigned char)name[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	return true;
}

int guest_name_check(const char *name, struct err *err)
{
	if (guest_name_valid(name))
		return 0;
	return err_set(
	    err, -EINVAL,
	    "'%.240s' is not a guest name: expected 2 to %u letters, digits, "
	    "'.', '_' or '-', with a letter or digit first and last",
	    name, GUEST_NAME_MAX);
}

static bool dir_is_guest(int dirfd, const char *name)
{
	char path[2 * GUEST_NAME_MAX + 16];

	if (!guest_name_valid(name))
		return false;
	snprintf(path, sizeof(path), "%s/%s.conf", name, name);
	return faccessat(dirfd, path, F_OK, 0) == 0;
}

int place_guests(const struct place *place, struct err *err,
		 struct words *ret_names)
{
	struct words names = {0};
	DIR *dir = opendir(place->dir);
	struct dirent *entry;
	int rc;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return err_cure_root(err_sys(err, -errno, "%s", place->dir),
				     err);
	while ((entry = readdir(dir)))
		if (dir_is_guest(dirfd(dir), entry->d_name))
			words_add(&names, "%s", entry->d_name);
	closedir(dir);
	rc = words_check(&names, err);
	if (rc < 0) {
		words_free(&names);
		return rc;
	}
	words_sort(&names);
	*ret_names = names;
	return 0;
}

int guest_open(const struct place *place, const char *name, struct err *err,
	       struct guest *ret_guest)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	int rc = guest_name_check(name, err);

	if (rc < 0)
		return rc;
	strcpy(guest.name, name);
	snprintf(guest.conf_name, sizeof(guest.conf_name), "%s.conf", name);
	rc = snprintf(guest.dir, sizeof(guest.dir), "%s/%s", place->dir, name);
	if (rc >= (int)sizeof(guest.dir))
		return err_set(err, -ENAMETOOLONG, "%s: path too long",
			       place->dir);
	snprintf(guest.conf_path, sizeof(guest.conf_path), "%s/%s", guest.dir,
		 guest.conf_name);
	guest.dirfd = open(guest.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (guest.dirfd < 0 && errno != ENOENT)
		return err_cure_root(err_sys(err, -errno, "%s", guest.dir),
				     err);
	if (guest.dirfd < 0 ||
	    faccessat(guest.dirfd, guest.conf_name, F_OK, 0) < 0)
		return err_set(err, -ENOENT,
			       "%s: no such guest (there is no %s)", name,
			       guest.conf_path);
	*ret_guest = guest;
	guest.dirfd = -1;
	return 0;
}

static int owner_check(const char *path, const struct stat *st, struct err *err)
{
	bool root = geteuid() == 0;

	if ((st->st_uid == 0 || st->st_uid == geteuid()) &&
	    !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return err_set(err, -EPERM,
		       "%s: writable by others, who could run programs as %s; "
		       "chown %s and chmod go-w",
		       path, root ? "root" : "you",
		       root ? "root" : "it to yourself");
}

int guest_check_owner(const struct place *place, const struct guest *guest,
		      struct err *err)
{
	struct stat st;
	int rc;

	if (stat(place->dir, &st) < 0)
		return err_sys(err, -errno, "%s", place->dir);
	rc = owner_check(place->dir, &st, err);
	if (rc < 0)
		return rc;
	if (fstat(guest->dirfd, &st) < 0)
		return err_sys(err, -errno, "%s", guest->dir);
	rc = owner_check(guest->dir, &st, err);
	if (rc < 0)
		return rc;
	if (fstatat(guest->dirfd, guest->conf_name, &st, 0) < 0)
		return err_sys(err, -errno, "%s", guest->conf_path);
	return owner_check(guest->conf_path, &st, err);
}

void guest_close(struct guest *guest)
{
	if (guest->dirfd >= 0)
		close(guest->dirfd);
	guest->dirfd = -1;
}

int guest_conf(const struct guest *guest, const struct warner *warner,
	       struct err *err, struct conf **ret_conf)
{
	return conf_load(guest->dirfd, guest->conf_name, guest->conf_path,
			 warner, err, ret_conf);
}

int guest_conf_save(const struct guest *guest, const char *key,
		    const char *value, struct err *err)
{
	CLEANUP_FREE char *old = NULL;
	CLEANUP_FREE char *text = NULL;
	int rc;

	rc = conf_read_text(guest->dirfd, guest->conf_name, guest->conf_path,
			    err, &old);
	if (rc < 0)
		return rc;
	text = conf_text_set(old, key, value);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	return conf_write_text(guest->dirfd, guest->conf_name, guest->conf_path,
			       text, err);
}

int guest_path(const struct guest *guest, const char *name, struct err *err,
	       char buf[PATH_MAX])
{
	int len;

	if (name[0] == '/')
		len = snprintf(buf, PATH_MAX, "%s", name);
	else
		len = snprintf(buf, PATH_MAX, "%s/%s", guest->dir, name);
	if (len >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%.60s...: path too long",
			       name);
	return 0;
}
