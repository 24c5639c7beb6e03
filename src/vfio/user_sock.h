/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of vfio-user on a stream socket, with descriptors and deadlines.
 *
 * The peer is not trusted: sizes are checked before anything is read, what
 * descriptors came along are counted and owned, and nothing waits longer than
 * its deadline. What a message says is for the caller to judge.
 *
 * Threads: one at a time per socket and direction.
 * Limits: VFIO_USER_BODY_MAX bytes after the header, VFIO_USER_FDS_MAX
 * descriptors in one message.
 */
#ifndef VFIO_USER_SOCK_H
#define VFIO_USER_SOCK_H

#include "base/base.h"
#include "spec/vfio_user.h"

#define VFIO_USER_FDS_MAX  16u
#define VFIO_USER_DATA_MAX 1048576u /* max_data_xfer_size of this side */
#define VFIO_USER_BODY_MAX (VFIO_USER_DATA_MAX + 4096u)

struct vfio_user_message {
	struct vfio_user_header head;
	uint8_t *body; /* room for VFIO_USER_BODY_MAX, the caller's */
	size_t size;   /* bytes in body */
	int fd[VFIO_USER_FDS_MAX];
	unsigned fds;
};

/* What is sent: two pieces of body, and descriptors, all borrowed. */
struct vfio_user_out {
	struct vfio_user_header head; /* size is filled in */
	const void *body;
	size_t size;
	const void *data;
	size_t data_size;
	const int *fd;
	unsigned fds;
};

/* CLOCK_MONOTONIC of `ms` from now on. */
uint64_t vfio_user_deadline(unsigned ms);

/* 0, -ETIMEDOUT, or the errno of the socket. The socket does not block. */
MUST_CHECK int vfio_user_send(int sock, struct vfio_user_out *out,
			      uint64_t deadline_ns);
/*
 * One whole message. -EPIPE at end of file, -ETIMEDOUT, -EBADMSG for a size
 * outside the limits, -EMFILE for more descriptors than can be taken; on
 * failure no descriptor is left open.
 */
MUST_CHECK int vfio_user_receive(int sock, struct vfio_user_message *message,
				 uint64_t deadline_ns);
/* Closes what descriptors the message still has. */
void vfio_user_drop_fds(struct vfio_user_message *message);
/* Takes the first descriptor out of the message; -1: there is none. */
int vfio_user_take_fd(struct vfio_user_message *message);

#endif
