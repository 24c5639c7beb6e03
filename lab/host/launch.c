// SPDX-License-Identifier: BSD-2-Clause
// Starts the emulated host's QEMU: dies with its parent, and finds on file
// descriptor 9 a socket on which all that an ivshmem server says at the start
// has been said already, so that no server has to run.

#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHARED_BYTES (1 << 20)
#define VECTORS 2
#define QEMU_FD 9

/* One message of QEMU's docs/specs/ivshmem-spec: a number, perhaps an fd. */
static void
say(int sock, int64_t number, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&number, sizeof(number)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &msg, 0) != sizeof(number))
		err(1, "sendmsg");
}

int
main(int argc, char **argv)
{
	int sock[2];

	if (argc < 2)
		errx(1, "usage: launch PROGRAM ARGUMENT...");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		err(1, "prctl");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock) != 0)
		err(1, "socketpair");

	int shared = memfd_create("ivshmem", 0);
	if (shared < 0 || ftruncate(shared, SHARED_BYTES) != 0)
		err(1, "memfd_create");
	say(sock[0], 0, -1);		/* protocol version */
	say(sock[0], 0, -1);		/* this peer's number */
	say(sock[0], -1, shared);
	for (int i = 0; i < VECTORS; i++)
		say(sock[0], 0, eventfd(0, EFD_NONBLOCK));

	/* The other end stays open in QEMU, which so never sees it close. */
	if (dup2(sock[1], QEMU_FD) < 0)
		err(1, "dup2");
	execvp(argv[1], argv + 1);
	err(1, "%s", argv[1]);
}
