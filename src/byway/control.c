/* SPDX-License-Identifier: BSD-2-Clause */
/* Status lines out, commands in; the contract is in control.h. */
#include "byway/control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"

struct client {
	struct control *control;
	int fd;
	struct ev_fd *event;
	char line[CONTROL_LINE_MAX];
	size_t len;
	struct control_fds fds; /* that came with the line so far */
};

struct control {
	struct evloop *loop;
	const struct control_ops *ops;
	void *ctx;
	int status_fd, listen_fd;
	struct ev_fd *status_event, *listen_event;
	struct ev_timer *listen_again;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client clients[CONTROL_CLIENTS];
};

static void fds_close(struct control_fds *fds)
{
	for (unsigned i = 0; i < fds->count; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->count = 0;
}

static void client_close(struct client *client)
{
	fds_close(&client->fds);
	ev_fd_destroy(client->event);
	client->event = NULL;
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->len = 0;
}

static void client_line(struct client *client, const char *line)
{
	struct control *control = client->control;
	char reply[CONTROL_LINE_MAX];
	enum control_command command;
	const char *args;
	size_t len;

	if (control_parse(line, &command, &args))
		snprintf(reply, sizeof(reply), "error unknown command");
	else
		control->ops->command(control->ctx, command, args, &client->fds,
				      reply);
	fds_close(&client->fds);
	len = strlen(reply);
	reply[len++] = '\n';
	/* A client that does not read its one line loses it. */
	if (send(client->fd, reply, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		client_close(client);
}

/* Keeps the descriptors of a message; false when there are too many. */
static bool client_take(struct client *client, struct msghdr *msg)
{
	struct control_fds *fds = &client->fds;
	struct cmsghdr *cmsg;
	bool fits = !(msg->msg_flags & MSG_CTRUNC);

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		const unsigned char *data = CMSG_DATA(cmsg);
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int), i;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
			if (fds->count < CONTROL_FDS_MAX)
				fds->fd[fds->count++] = fd;
			else
				close(fd), fits = false;
		}
	}
	return fits;
}

/* As read(); -1 with EMSGSIZE when more came than a line can have. */
static ssize_t client_read(struct client *client)
{
	char space[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))]
	    __attribute__((aligned(_Alignof(struct cmsghdr))));
	struct iovec iov = {client->line + client->len,
			    sizeof(client->line) - 1 - client->len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0 || client_take(client, &msg))
		return n;
	errno = EMSGSIZE;
	return -1;
}

static void client_ready(void *ctx, unsigned events UNUSED)
{
	struct client *client = ctx;
	char *newline;
	ssize_t n = client_read(client);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(client);
		return;
	}
	client->len += (size_t)n;
	client->line[client->len] = '\0';
	while (client->fd >= 0 && (newline = strchr(client->line, '\n'))) {
		size_t used = (size_t)(newline - client->line) + 1;

		*newline = '\0';
		client_line(client, client->line);
		if (client->fd < 0)
			return;
		client->len -= used;
		memmove(client->line, newline + 1, client->len + 1);
	}
	if (client->len == sizeof(client->line) - 1)
		client_close(client);
}

static void listen_again(void *ctx)
{
	struct control *control = ctx;

	ev_fd_set(control->listen_event, EV_IN);
}

static void listen_ready(void *ctx, unsigned events UNUSED)
{
	struct control *control = ctx;
	int fd = accept4(control->listen_fd, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	/* A client we have no descriptor for stays ready: look again later. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		ev_fd_set(control->listen_event, 0);
		ev_timer_arm(control->listen_again, NS_PER_S);
	}
	if (fd < 0)
		return;
	for (i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (client->fd >= 0)
			continue;
		client->fd = fd;
		client->len = 0;
		if (ev_fd_create(control->loop, fd, EV_IN, client_ready, client,
				 &client->event))
			client_close(client);
		return;
	}
	close(fd); /* too many at once */
}

static void status_ready(void *ctx, unsigned events UNUSED)
{
	struct control *control = ctx;

	/* The write end only becomes "readable" when the reader is gone. */
	ev_fd_destroy(control->status_event);
	control->status_event = NULL;
	control->ops->orphaned(control->ctx);
}

static int open_status(struct control *control, struct cfg *root,
		       struct err *err)
{
	uint64_t fd;
	int r;

	if (!cfg_raw(root, "status.fd"))
		return 0;
	r = cfg_u64(root, "status.fd", 0, 3, 1 << 20, err, &fd);
	if (r)
		return r;
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC))
		return err_sys(err, errno, "status.fd=%d", (int)fd);
	(void)fcntl((int)fd, F_SETFL, O_NONBLOCK);
	control->status_fd = (int)fd;
	r = ev_fd_create(control->loop, (int)fd, EV_IN, status_ready, control,
			 &control->status_event);
	return r ? err_sys(err, r, "status.fd=%d", (int)fd) : 0;
}

static int bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t old = umask(0177);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	umask(old);
	return r;
}

/* "fd:5": a socket that listens already; whoever bound it removes it. */
static int adopt_listener(struct control *control, const char *text,
			  struct err *err)
{
	int listens = 0, fd;
	socklen_t len = sizeof(listens);
	uint64_t number;

	if (parse_u64(text + 3, &number) || number < 3 || number > 1 << 20)
		return err_set(err, -EINVAL,
			       "control=%s: expected fd:NUMBER, a descriptor"
			       " from 3 on",
			       text);
	fd = (int)number;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) ||
	    !listens)
		return err_set(err, -EBADF,
			       "control=%s: not a listening socket; give the"
			       " path of one instead",
			       text);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
		return err_sys(err, errno, "control=%s", text);
	control->listen_fd = fd;
	return 0;
}

static int bind_listener(struct control *control, const char *path,
			 struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat old;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(
		    err, -ENAMETOOLONG,
		    "control=%s: longer than the %zu bytes a socket path may"
		    " have",
		    path, sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, path);
	control->listen_fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listen_fd < 0)
		return err_sys(err, errno, "control=%s", path);
	/* What a killed predecessor left behind; the guest's lock is ours. */
	if (!lstat(path, &old) && S_ISSOCK(old.st_mode))
		(void)unlink(path);
	if (bind_private(control->listen_fd, &addr) ||
	    listen(control->listen_fd, CONTROL_CLIENTS))
		return err_sys(err, errno, "control=%s: cannot listen", path);
	strcpy(control->path, path);
	return 0;
}

static int open_listener(struct control *control, struct cfg *root,
			 struct err *err)
{
	char path[CFG_VALUE_MAX];
	int r = cfg_get(root, "control", path, sizeof(path), err);

	if (r <= 0)
		return r;
	r = strncmp(path, "fd:", 3) ? bind_listener(control, path, err)
				    : adopt_listener(control, path, err);
	if (r)
		return r;
	r = ev_timer_create(control->loop, listen_again, control,
			    &control->listen_again);
	if (!r)
		r = ev_fd_create(control->loop, control->listen_fd, EV_IN,
				 listen_ready, control, &control->listen_event);
	return r ? err_sys(err, r, "control=%s", path) : 0;
}

int control_create(struct cfg *root, struct evloop *loop,
		   const struct control_ops *ops, void *ctx, struct err *err,
		   struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	size_t i;
	int r;

	if (!control)
		return err_set(err, -ENOMEM, "control: out of memory");
	control->loop = loop;
	control->ops = ops;
	control->ctx = ctx;
	control->status_fd = control->listen_fd = -1;
	for (i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i] =
		    (struct client){.control = control, .fd = -1};
	r = open_status(control, root, err);
	if (!r)
		r = open_listener(control, root, err);
	if (r) {
		control_destroy(control);
		return r;
	}
	*ret_control = control;
	return 0;
}

void control_destroy(struct control *control)
{
	size_t i;

	if (!control)
		return;
	for (i = 0; i < CONTROL_CLIENTS; i++)
		client_close(&control->clients[i]);
	ev_timer_destroy(control->listen_again);
	ev_fd_destroy(control->listen_event);
	ev_fd_destroy(control->status_event);
	if (control->listen_fd >= 0)
		close(control->listen_fd);
	if (control->path[0])
		(void)unlink(control->path);
	if (control->status_fd >= 0)
		close(control->status_fd);
	free(control);
}

void control_status(struct control *control, const struct status *status)
{
	char line[STATUS_LINE_MAX];
	int len;

	if (!control || control->status_fd < 0)
		return;
	len = status_format(status, line, sizeof(line));
	/* Shorter than PIPE_BUF: whole or not at all. */
	if (len > 0 && write(control->status_fd, line, (size_t)len) < 0)
		log_debug("status line lost: %s", strerror(errno));
}
