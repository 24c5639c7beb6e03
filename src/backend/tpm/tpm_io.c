/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and writing with a deadline; described in tpm_internal.h. */
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "backend/tpm/tpm_internal.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t tpm_deadline(unsigned timeout_ms)
{
	return now_ns() + timeout_ms * NS_PER_MS;
}

int tpm_wait(int fd, short events, int wake, uint64_t deadline)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events},
				{.fd = wake, .events = POLLIN}};
	uint64_t now;
	int n;

	for (;;) {
		now = now_ns();
		/* Rounded up: never early, and never a busy loop. */
		n = now >= deadline
			? 0
			: poll(fds, 2, (int)((deadline - now) / NS_PER_MS + 1));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (fds[1].revents)
			return 2;
		if (fds[0].revents)
			return 1; /* errors show when it is read */
		if (n == 0 && now >= deadline)
			return -ETIMEDOUT;
	}
}

/* A dead peer must not raise SIGPIPE; a character device is no socket. */
static ssize_t put(int fd, const void *bytes, size_t len)
{
	ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? write(fd, bytes, len) : n;
}

int tpm_write_all(int fd, const void *bytes, size_t len, uint64_t deadline)
{
	const uint8_t *at = bytes;
	ssize_t n;
	int r;

	while (len) {
		n = put(fd, at, len);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
			return n ? -errno : -ECONNRESET;
		r = tpm_wait(fd, POLLOUT, -1, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

int tpm_read_all(int fd, void *bytes, size_t len, uint64_t deadline)
{
	uint8_t *at = bytes;
	ssize_t n;
	int r;

	while (len) {
		r = tpm_wait(fd, POLLIN, -1, deadline);
		if (r < 0)
			return r;
		n = read(fd, at, len);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
