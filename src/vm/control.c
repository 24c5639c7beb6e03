/* SPDX-License-Identifier: BSD-2-Clause */
/* Client of byway's control socket; the contract is control.h. */
#include "vm/control.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"

static uint64_t now_ms(void)
{
	return clock_host()->mono_ns(clock_host()) / NS_PER_MS;
}

/* One line without its newline; -ETIMEDOUT, -ENOENT when the peer closed. */
static int reply_read(int fd, char *line, size_t size)
{
	uint64_t end = now_ms() + CONTROL_TIMEOUT_MS;
	size_t len = 0;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t now = now_ms();
		ssize_t n;

		if (now >= end || poll(&pfd, 1, (int)(end - now)) == 0)
			return -ETIMEDOUT;
		n = recv(fd, line + len, size - 1 - len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return -ENOENT;
		len += (size_t)n;
		line[len] = '\0';
		if (strchr(line, '\n')) {
			*strchr(line, '\n') = '\0';
			return 0;
		}
		if (len + 1 == size)
			return -EPROTO;
	}
}

static int control_connect(const struct guest *guest)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* Any directory's path fits when it is named by descriptor. */
	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/control.sock", guest->dirfd);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == ECONNREFUSED ? -ENOENT : -errno;
	return take_fd(fd);
}

/* All of it at once, so that the descriptors come with the line. */
static int line_send(int fd, const char *line, size_t len,
		     const struct control_fds *fds)
{
	char space[CMSG_SPACE(sizeof(fds->fd))]
	    __attribute__((aligned(_Alignof(struct cmsghdr)))) = {0};
	struct iovec iov = {(void *)(uintptr_t)line, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t bytes = fds->count * sizeof(int);

	if (fds->count > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = space;
		msg.msg_controllen = CMSG_SPACE(bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(cmsg), fds->fd, bytes);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EIO;
}

int control_ask(const struct guest *guest, enum control_command command,
		const char *args, struct err *err,
		char ret_text[CONTROL_LINE_MAX])
{
	const struct control_fds none = {.count = 0};

	return control_ask_with(guest, command, args, &none, err, ret_text);
}

int control_ask_with(const struct guest *guest, enum control_command command,
		     const char *args, const struct control_fds *fds,
		     struct err *err, char ret_text[CONTROL_LINE_MAX])
{
	CLEANUP_CLOSE int fd = control_connect(guest);
	char line[CONTROL_LINE_MAX];
	int len, rc;

	ret_text[0] = '\0';
	if (fd < 0)
		return err_sys(err, fd,
			       "%s: byway cannot be reached at "
			       "%s/control.sock",
			       guest->name, guest->dir);
	len = snprintf(line, sizeof(line), "%s%s%s\n", control_name(command),
		       args[0] ? " " : "", args);
	if (len >= (int)sizeof(line))
		return err_set(err, -E2BIG, "%s: too long for byway",
			       guest->name);
	if (line_send(fd, line, (size_t)len, fds) < 0)
		return err_sys(err, -EIO, "%s/control.sock", guest->dir);
	rc = reply_read(fd, line, sizeof(line));
	/* byway may be gone before its answer is read. */
	if (rc == -ENOENT &&
	    (command == CONTROL_RESET || command == CONTROL_POWEROFF))
		return 0;
	if (rc < 0)
		return err_sys(err, rc, "%s: byway does not answer",
			       guest->name);
	if (strncmp(line, "error ", 6) == 0)
		return err_set(err, -EIO, "%s: %s", guest->name, line + 6);
	strcpy(ret_text, strncmp(line, "ok ", 3) == 0 ? line + 3 : "");
	return 0;
}

int control_send(const struct guest *guest, enum control_command command,
		 struct err *err)
{
	char text[CONTROL_LINE_MAX];

	return control_ask(guest, command, "", err, text);
}
