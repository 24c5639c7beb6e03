/* SPDX-License-Identifier: BSD-2-Clause */
/* What root does for a byway that is not root; the contract is runas.h. */
#include "vm/runas.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "hostpci/hostpci.h"

/* VFIO_GROUP_UNSET_CONTAINER: the only word vm has to say to VFIO. */
#define GROUP_LEAVE	_IO(';', 105)
#define CONTROL_BACKLOG 8

/* ---- the guest's file ---- */

/* What makes byway need what only root may do. */
static int parts_check(const struct conf *conf, const char *user,
		       struct err *err)
{
	static const char key[] = "virt_console0";

	if (conf_text_is_no(conf_get_or(conf, key, "no")))
		return 0;
	return err_set(err, -ENOTSUP,
		       "%s:%u: %s does not go with run_as=\"%s\" in this "
		       "version (byway makes its sockets in the guest's "
		       "folder, which is root's); remove one of them",
		       conf->path, conf_line(conf, key), key, user);
}

bool runas_wanted(const struct place *place, const struct conf *conf)
{
	const char *name = conf_get_or(place->conf, "vm_run_as", "root");

	return strcmp(conf_get_or(conf, "run_as", name), "root") != 0;
}

int runas_parse(const struct place *place, const struct conf *conf,
		struct err *err, struct runas *ret_runas)
{
	const char *name = conf_get_or(place->conf, "vm_run_as", "root");
	const struct conf *where = place->conf;
	const char *key = "vm_run_as";
	struct runas runas = {.on = true};
	const struct passwd *pw;

	if (conf_get_or(conf, "run_as", NULL)) {
		where = conf;
		key = "run_as";
		name = conf_get_or(conf, key, "root");
	}
	*ret_runas = (struct runas)RUNAS_NONE;
	if (strcmp(name, "root") == 0)
		return 0;
	pw = strlen(name) < sizeof(runas.name) ? getpwnam(name) : NULL;
	if (!pw || pw->pw_uid == 0)
		return err_set(err, -EINVAL,
			       "%s:%u: %s=\"%.80s\": %s; 'useradd -r -G kvm "
			       "NAME' makes one",
			       where->path, conf_line(where, key), key, name,
			       pw ? "is root by another name"
				  : "no such user on this host");
	if (geteuid() != 0)
		return err_set(err, -EPERM,
			       "%s:%u: %s=\"%s\": only root can start a guest "
			       "as another user; run vm as root",
			       where->path, conf_line(where, key), key, name);
	strcpy(runas.name, name);
	snprintf(runas.home, sizeof(runas.home), "%s", pw->pw_dir);
	runas.uid = pw->pw_uid;
	runas.gid = pw->pw_gid;
	snprintf(runas.kvm, sizeof(runas.kvm), "%s/kvm", place->dev);
	runas.fd[runas.count++] = -1;
	*ret_runas = runas;
	return parts_check(conf, name, err);
}

/* ---- descriptors ---- */

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool group_is_open(const struct runas *runas, int group)
{
	for (unsigned i = 1; i < runas->count; i++)
		if (runas->group[i] == group)
			return true;
	return false;
}

static int group_open(struct runas *runas, const struct place *place,
		      const struct plan_function *fn, int group,
		      struct err *err)
{
	const char *name = fn->bdf[0] ? fn->bdf : fn->address;
	char path[PATH_MAX + 32];
	int fd;

	if (group_is_open(runas, group))
		return 0;
	if (runas->count == CHILD_EXTRA_MAX)
		return err_set(err, -ENOSPC,
			       "%s: a guest with run_as can have devices of at "
			       "most %u IOMMU groups",
			       name, CHILD_EXTRA_MAX - 1);
	snprintf(path, sizeof(path), "%s/vfio/%d", place->dev, group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "%s: %s cannot be opened", name,
			       path);
	runas->group[runas->count] = group;
	runas->fd[runas->count++] = fd;
	return 0;
}

/* None of the host's functions: a mediated one has a group all the same. */
static int foreign_open(struct runas *runas, const struct place *place,
			const struct plan_function *fn,
			const struct hostpci *host, struct err *err)
{
	char uuid[HOSTPCI_UUID_MAX];
	int group, rc;

	if (strncmp(fn->address, PLAN_MDEV, strlen(PLAN_MDEV)) != 0)
		return 0;
	rc = hostpci_mdev_parse(fn->address + strlen(PLAN_MDEV), uuid);
	if (rc == 0)
		rc = hostpci_mdev_find(host, uuid, err, &group);
	return rc == 0 ? group_open(runas, place, fn, group, err) : rc;
}

int runas_open_groups(struct runas *runas, const struct place *place,
		      const struct plan_functions *functions, struct err *err)
{
	struct hostpci *host = NULL;
	int rc = 0;

	if (!runas->on || functions->count == 0)
		return 0;
	rc = hostpci_open(place->host_root, err, &host);
	for (unsigned i = 0; rc == 0 && i < functions->count; i++) {
		const struct plan_function *fn = &functions->fn[i];
		const struct hostpci_dev *dev;
		struct hostpci_addr addr;

		if (fn->dropped)
			continue;
		if (!fn->bdf[0]) {
			rc = foreign_open(runas, place, fn, host, err);
			continue;
		}
		rc = hostpci_parse_addr(fn->bdf, err, &addr);
		if (rc == 0)
			rc = hostpci_lookup(host, addr, err, &dev);
		if (rc == 0)
			rc =
			    group_open(runas, place, fn, dev->iommu_group, err);
	}
	hostpci_close(host);
	return rc;
}

void runas_argv(const struct runas *runas, struct words *argv)
{
	words_add(argv, "-o");
	words_add(argv, "control=fd:%d", CHILD_EXTRA_FD);
	for (unsigned i = 1; i < runas->count; i++) {
		words_add(argv, "-o");
		words_add(argv, "vfio.group.%d=fd:%u", runas->group[i],
			  CHILD_EXTRA_FD + i);
	}
}

int runas_give(const struct runas *runas, const char *path, struct err *err)
{
	if (runas->on && lchown(path, runas->uid, (gid_t)-1) < 0)
		return err_sys(err, -errno, "%s: cannot be given to user %s",
			       path, runas->name);
	return 0;
}

/* By way of /proc: the folder's own path may be longer than a socket's. */
int runas_listen(struct runas *runas, const struct guest *guest,
		 struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = -1;
	mode_t old;
	int rc;

	if (!runas->on)
		return 0;
	fd_close(&runas->fd[0]);
	unlinkat(guest->dirfd, "control.sock", 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/control.sock", guest->dirfd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	old = umask(0177);
	rc = fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		     listen(fd, CONTROL_BACKLOG) < 0
		 ? -errno
		 : 0;
	umask(old);
	if (rc < 0)
		return err_sys(err, rc, "%s/control.sock", guest->dir);
	runas->fd[0] = take_fd(fd);
	return 0;
}

void runas_settle(const struct runas *runas)
{
	/* It has left by itself, unless it was killed. */
	for (unsigned i = 1; i < runas->count; i++)
		(void)ioctl(runas->fd[i], GROUP_LEAVE);
}

void runas_close(struct runas *runas)
{
	for (unsigned i = 0; i < runas->count; i++)
		fd_close(&runas->fd[i]);
	runas->count = 0;
}

/* ---- the child ---- */

/* Where it is missing altogether byway says what to do. */
static int kvm_check(const struct runas *runas, struct err *err)
{
	const struct group *owner = NULL;
	struct stat st;

	if (faccessat(AT_FDCWD, runas->kvm, R_OK | W_OK, AT_EACCESS) == 0 ||
	    errno != EACCES)
		return 0;
	if (stat(runas->kvm, &st) == 0 && st.st_gid != 0 &&
	    (st.st_mode & 060) == 060)
		owner = getgrgid(st.st_gid);
	if (owner)
		return err_set(err, -EACCES,
			       "%s: user %s may not open it; run 'usermod -aG "
			       "%s %s'",
			       runas->kvm, runas->name, owner->gr_name,
			       runas->name);
	return err_set(err, -EACCES,
		       "%s: user %s may not open it; give it to a group (chgrp "
		       "kvm, chmod 660) that this user is in",
		       runas->kvm, runas->name);
}

int runas_become(const struct runas *runas, struct err *err)
{
	if (initgroups(runas->name, runas->gid) < 0 ||
	    setresgid(runas->gid, runas->gid, runas->gid) < 0 ||
	    setresuid(runas->uid, runas->uid, runas->uid) < 0)
		return err_sys(err, -errno, "becoming user %s", runas->name);
	/* Where it keeps unpacked kernels; not in root's. */
	if (setenv("HOME", runas->home, 1) < 0 ||
	    unsetenv("XDG_CACHE_HOME") < 0)
		return err_sys(err, -errno, "environment");
	/* The kernel has taken all capabilities with uid 0. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "no_new_privs");
	return 0;
}

int runas_drop(const struct runas *runas, struct err *err)
{
	int rc;

	if (!runas->on)
		return 0;
	rc = runas_become(runas, err);
	close(CHILD_PASS_FD);
	return rc < 0 ? rc : kvm_check(runas, err);
}
