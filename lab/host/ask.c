// SPDX-License-Identifier: BSD-2-Clause
// Sends a line to whatever listens on a unix socket, and prints the answer:
// all that comes within ten seconds, until nothing more comes for half of one.
//
//	ask SOCKET LINE

#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_MS 10000
#define MORE_MS 500

int
main(int argc, char **argv)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char buf[4096];
	int timeout_ms = FIRST_MS;

	if (argc != 3 || strlen(argv[1]) >= sizeof(addr.sun_path))
		errx(2, "usage: ask SOCKET LINE");
	strcpy(addr.sun_path, argv[1]);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 ||
	    connect(sock, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		err(1, "%s", argv[1]);
	if (dprintf(sock, "%s\n", argv[2]) < 0)
		err(1, "%s", argv[1]);

	for (;;) {
		struct pollfd fd = {.fd = sock, .events = POLLIN};

		if (poll(&fd, 1, timeout_ms) <= 0)
			break;
		ssize_t n = read(sock, buf, sizeof(buf));
		if (n <= 0)
			break;
		fwrite(buf, 1, (size_t)n, stdout);
		timeout_ms = MORE_MS;
	}
	/* No answer at all is a failure. */
	return timeout_ms == FIRST_MS;
}
