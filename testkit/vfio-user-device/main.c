/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byway-testdev SOCKET DESCRIPTION: serves a test device at SOCKET until
 * SIGTERM or SIGINT, then removes the socket. What happens is told on standard
 * error, a line each. Exit status: 0 told to stop, 1 error, 3 the device died
 * as its description wants.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "testdev.h"

static int complain(const struct err *err)
{
	fprintf(stderr, "byway-testdev: %s\n", err->msg);
	return 1;
}

static int listen_at(const char *path, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    (int)sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "%s: too long", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 1)) {
		err_sys(err, errno, "%s: socket", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int read_description(const char *path, struct err *err,
			    struct desc *ret_desc)
{
	CLEANUP_FCLOSE FILE *in = fopen(path, "re");

	if (!in)
		return err_sys(err, errno, "%s", path);
	return desc_read(in, path, err, ret_desc);
}

static int run(const char *path, const struct desc *desc, int stop_fd,
	       struct err *err)
{
	struct testdev *t;
	CLEANUP_CLOSE int fd = -1;
	int r = testdev_create(desc, stderr, err, &t);

	if (r)
		return complain(err);
	fd = listen_at(path, err);
	if (fd < 0) {
		testdev_destroy(t);
		return complain(err);
	}
	testdev_log(t, "listening at %s", path);
	r = testdev_serve(t, fd, stop_fd);
	unlink(path);
	testdev_destroy(t);
	return r > 0 ? 3 : r < 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	struct desc desc;
	sigset_t set;
	int stop_fd;

	if (argc != 3) {
		fprintf(stderr, "usage: byway-testdev SOCKET DESCRIPTION\n");
		return 1;
	}
	if (read_description(argv[2], &err, &desc))
		return complain(&err);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (stop_fd < 0) {
		err_sys(&err, errno, "signals");
		return complain(&err);
	}
	return run(argv[1], &desc, stop_fd, &err);
}
