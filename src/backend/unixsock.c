/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening in the file system; the contract is unixsock.h. */
#include "backend/unixsock.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A socket nobody answers at was left by a killed process: removed. */
static int clear_stale(const char *path, const struct sockaddr_un *addr,
		       struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST,
			       "cannot listen on %s: the file exists and is "
			       "not a socket; remove it or choose another path",
			       path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, -errno, "cannot make a socket");
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    errno != ECONNREFUSED)
		return err_set(err, -EADDRINUSE,
			       "cannot listen on %s: another process listens "
			       "there; stop it or choose another path",
			       path);
	if (unlink(path))
		return err_sys(err, -errno,
			       "cannot replace the stale socket %s", path);
	return 0;
}

int unixsock_bind(const char *path, struct err *err, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = -1;
	int r;

	if (!*path || strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "unix=%s: the path must have 1 to %zu bytes",
			       path, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path));
	r = clear_stale(path, &addr, err);
	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, -errno, "cannot make a socket");
	/* Before bind(): the entry never exists with wider permissions. */
	if (fchmod(fd, 0600))
		return err_sys(err, -errno, "cannot protect %s", path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return err_set(err, -errno,
			       "cannot listen on %s: %s; the directory must "
			       "exist and be writable",
			       path, strerror(errno));
	*ret_fd = take_fd(fd);
	return 0;
}
