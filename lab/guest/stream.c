// SPDX-License-Identifier: BSD-2-Clause
// Times one TCP stream, in either direction, and prints one line.
//
//	stream serve ADDRESS PORT		answers whoever connects, for ever
//	stream ADDRESS PORT get|put BYTES	asks a server for bytes, or gives
//						them to it
//
// A put is over when the server has said that it has all of them.

#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 << 10)

/* What a client says first. */
struct request {
	uint64_t bytes;
	uint64_t put; /* else get */
};

static char chunk[CHUNK];

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool
send_bytes(int sock, uint64_t left)
{
	while (left > 0) {
		size_t now = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = send(sock, chunk, now, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		left -= (uint64_t)n;
	}
	return true;
}

static bool
take_bytes(int sock, uint64_t left)
{
	while (left > 0) {
		size_t now = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = recv(sock, chunk, now, 0);

		if (n <= 0)
			return false;
		left -= (uint64_t)n;
	}
	return true;
}

static struct sockaddr_in
address(const char *ip, const char *port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(port)),
	};

	if (inet_pton(AF_INET, ip, &at.sin_addr) != 1)
		errx(2, "%s: not an address", ip);
	return at;
}

static void
answer(int sock)
{
	struct request request;

	if (recv(sock, &request, sizeof(request), MSG_WAITALL) !=
	    sizeof(request))
		return;
	if (!request.put)
		(void)send_bytes(sock, request.bytes);
	else if (take_bytes(sock, request.bytes))
		(void)send_bytes(sock, 1);
}

static void
serve(const char *ip, const char *port)
{
	struct sockaddr_in at = address(ip, port);
	int sock = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(sock, 1) != 0)
		err(1, "%s port %s", ip, port);
	for (;;) {
		int client = accept(sock, NULL, NULL);

		if (client < 0)
			err(1, "accept");
		answer(client);
		close(client);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3]);
	if (argc != 5 ||
	    (strcmp(argv[3], "get") != 0 && strcmp(argv[3], "put") != 0))
		errx(2, "usage: stream serve ADDRESS PORT\n"
		    "       stream ADDRESS PORT get|put BYTES");
	struct sockaddr_in at = address(argv[1], argv[2]);
	struct request request = {
	    .bytes = strtoull(argv[4], NULL, 10),
	    .put = argv[3][0] == 'p',
	};
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&at, sizeof(at)) != 0)
		err(1, "%s port %s", argv[1], argv[2]);
	uint64_t start = now_us();
	bool ok = send(sock, &request, sizeof(request), MSG_NOSIGNAL) ==
	    sizeof(request);
	if (ok && request.put)
		ok = send_bytes(sock, request.bytes) && take_bytes(sock, 1);
	else if (ok)
		ok = take_bytes(sock, request.bytes);
	if (!ok)
		errx(1, "the stream broke");
	uint64_t us = now_us() - start;
	printf("LAB: %s bytes=%" PRIu64 " us=%" PRIu64 " kib_s=%" PRIu64 "\n",
	    argv[3], request.bytes, us, request.bytes * 1000000 / 1024 / us);
	return 0;
}
