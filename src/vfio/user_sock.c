/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of vfio-user on a socket; the contract is in user_sock.h. */
#include "vfio/user_sock.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONTROL_BYTES CMSG_SPACE(VFIO_USER_FDS_MAX * sizeof(int))

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t vfio_user_deadline(unsigned ms)
{
	return now_ns() + ms * NS_PER_MS;
}

/* Until the socket is ready or the deadline has passed. */
static int wait_for(int sock, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = sock, .events = events};
	uint64_t now = now_ns();
	int n;

	if (now >= deadline_ns)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)((deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS));
	return n < 0 && errno != EINTR ? -errno : 0;
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* ---- sending ---- */

static void attach_fds(struct msghdr *msg, char *control,
		       const struct vfio_user_out *out)
{
	struct cmsghdr *c;

	if (!out->fds)
		return;
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(out->fds * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(out->fds * sizeof(int));
	memcpy(CMSG_DATA(c), out->fd, out->fds * sizeof(int));
}

/* Takes n sent bytes off the front of the pieces. */
static void advance(struct msghdr *msg, size_t n)
{
	while (msg->msg_iovlen && n >= msg->msg_iov->iov_len) {
		n -= msg->msg_iov->iov_len;
		msg->msg_iov++;
		msg->msg_iovlen--;
	}
	if (msg->msg_iovlen) {
		msg->msg_iov->iov_base = (char *)msg->msg_iov->iov_base + n;
		msg->msg_iov->iov_len -= n;
	}
}

int vfio_user_send(int sock, struct vfio_user_out *out, uint64_t deadline_ns)
{
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES] = {0};
	struct iovec iov[] = {
	    {&out->head, sizeof(out->head)},
	    {(void *)(uintptr_t)out->body, out->size},
	    {(void *)(uintptr_t)out->data, out->data_size},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_LEN(iov)};
	ssize_t n;
	int r;

	if (out->fds > VFIO_USER_FDS_MAX ||
	    out->size + out->data_size > VFIO_USER_BODY_MAX)
		return -EINVAL;
	out->head.size =
	    (uint32_t)(sizeof(out->head) + out->size + out->data_size);
	attach_fds(&msg, control, out);
	while (msg.msg_iovlen) {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && !try_again())
			return -errno;
		if (n < 0) {
			r = wait_for(sock, POLLOUT, deadline_ns);
			if (r)
				return r;
			continue;
		}
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
		advance(&msg, (size_t)n);
	}
	return 0;
}

/* ---- receiving ---- */

/* Owns what came along; -EMFILE when that is more than there is room for. */
static int collect_fds(struct msghdr *msg, struct vfio_user_message *message)
{
	int r = msg->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
	struct cmsghdr *c;
	size_t i, count;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (message->fds < VFIO_USER_FDS_MAX) {
				message->fd[message->fds++] = fd;
			} else {
				close(fd);
				r = -EMFILE;
			}
		}
	}
	return r;
}

static int receive_exactly(int sock, void *buf, size_t len,
			   struct vfio_user_message *message,
			   uint64_t deadline_ns)
{
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
	char *at = buf;
	ssize_t n;
	int r = 0;

	while (len && !r) {
		struct iovec iov = {at, len};
		struct msghdr msg = {
		    .msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = control,
		    .msg_controllen = sizeof(control),
		};

		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && !try_again())
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (n < 0) {
			r = wait_for(sock, POLLIN, deadline_ns);
			continue;
		}
		r = collect_fds(&msg, message);
		at += n;
		len -= (size_t)n;
	}
	return r;
}

int vfio_user_receive(int sock, struct vfio_user_message *message,
		      uint64_t deadline_ns)
{
	int r;

	message->fds = 0;
	message->size = 0;
	r = receive_exactly(sock, &message->head, sizeof(message->head),
			    message, deadline_ns);
	if (!r &&
	    (message->head.size < sizeof(message->head) ||
	     message->head.size - sizeof(message->head) > VFIO_USER_BODY_MAX))
		r = -EBADMSG;
	if (!r) {
		message->size = message->head.size - sizeof(message->head);
		r = receive_exactly(sock, message->body, message->size, message,
				    deadline_ns);
	}
	if (r)
		vfio_user_drop_fds(message);
	return r;
}

void vfio_user_drop_fds(struct vfio_user_message *message)
{
	while (message->fds)
		close(message->fd[--message->fds]);
}

int vfio_user_take_fd(struct vfio_user_message *message)
{
	int fd;

	if (!message->fds)
		return -1;
	fd = message->fd[0];
	message->fds--;
	memmove(message->fd, message->fd + 1,
		message->fds * sizeof(message->fd[0]));
	return fd;
}
