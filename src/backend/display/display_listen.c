/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket a display listens on, and sentences when it cannot. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/display/display_internal.h"
#include "backend/unixsock.h"
#include "base/cfg.h"

#define BACKLOG	    4
#define LOCALHOST   "127.0.0.1"
#define OWNER_BYTES 96u
#define WHERE_FORMAT                                                        \
	"expected PORT, IP:PORT or [IPv6]:PORT with numbers, such as 5900," \
	" 0.0.0.0:5900 or [::1]:5900"

/* "[::1]:5900", "127.0.0.1:5900" or "5900" as an address. */
static int parse_tcp(const char *text, struct addrinfo **ret_ai)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	    .ai_socktype = SOCK_STREAM,
	};
	CLEANUP_FREE char *copy = strdup(text);
	const char *host = LOCALHOST, *port = copy;
	char *colon;
	uint64_t number;

	if (!copy)
		return -ENOMEM;
	colon = strrchr(copy, ':');
	if (colon) {
		*colon = '\0';
		port = colon + 1;
		host = copy;
		if (host[0] == '[' && colon > copy + 1 && colon[-1] == ']') {
			colon[-1] = '\0';
			host++;
		} else if (strchr(host, ':')) {
			return -EINVAL; /* IPv6 needs the brackets */
		}
	}
	if (port[0] < '0' || port[0] > '9' || parse_u64(port, &number) ||
	    number < 1 || number > UINT16_MAX)
		return -EINVAL;
	return getaddrinfo(host, port, &hints, ret_ai) ? -EINVAL : 0;
}

static int tcp_bind(const struct addrinfo *ai, int *ret_fd)
{
	CLEANUP_CLOSE int fd = -1;
	int on = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG))
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

static unsigned port_of(const struct addrinfo *ai)
{
	const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;
	const struct sockaddr_in *in = (const void *)ai->ai_addr;

	return ntohs(ai->ai_family == AF_INET6 ? in6->sin6_port : in->sin_port);
}

static int explain_tcp(const char *text, unsigned port, int code,
		       struct err *err)
{
	char owner[OWNER_BYTES];

	switch (code) {
	case -EADDRINUSE:
		display_port_owner(port, owner, sizeof(owner));
		return err_set(err, code,
			       "screen: port %u is already in use%s; choose"
			       " another one",
			       port, owner);
	case -EADDRNOTAVAIL:
		return err_set(err, code,
			       "screen: %s is no address of this host", text);
	case -EACCES:
		return err_set(err, code,
			       "screen: port %u needs privileges; choose one"
			       " from 1024 up",
			       port);
	default:
		return err_sys(err, code, "screen: cannot listen on %s", text);
	}
}

static int listen_tcp(struct display *display, const char *text,
		      struct err *err)
{
	char host[INET6_ADDRSTRLEN + 1], where[INET6_ADDRSTRLEN + 16];
	struct addrinfo *ai = NULL;
	unsigned port;
	int r = parse_tcp(text, &ai);

	if (r)
		return err_set(err, r, "screen: tcp=%s: " WHERE_FORMAT, text);
	port = port_of(ai);
	r = tcp_bind(ai, &display->listen_fd);
	if (r)
		r = explain_tcp(text, port, r, err);
	else if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host),
			     NULL, 0, NI_NUMERICHOST))
		r = err_set(err, -EINVAL, "screen: tcp=%s: " WHERE_FORMAT,
			    text);
	if (!r) {
		snprintf(where, sizeof(where),
			 ai->ai_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
			 port);
		display->where = strdup(where);
		if (!display->where)
			r = err_set(err, -ENOMEM, "screen: out of memory");
	}
	freeaddrinfo(ai);
	return r;
}

static int listen_unix(struct display *display, const char *path,
		       struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int r = unixsock_bind(path, err, &fd);

	if (r)
		return err_prefix(err, "screen");
	display->where = strdup(path);
	display->unix_path = strdup(path);
	if (!display->where || !display->unix_path) {
		unlink(path);
		return err_set(err, -ENOMEM, "screen: out of memory");
	}
	if (listen(fd, BACKLOG))
		return err_sys(err, -errno, "screen: cannot listen on %s",
			       path);
	display->listen_fd = take_fd(fd);
	return 0;
}

int display_listen(struct display *display, const char *where, struct err *err)
{
	if (!strncmp(where, "unix=", 5))
		return listen_unix(display, where + 5, err);
	if (!strncmp(where, "tcp=", 4))
		where += 4;
	return listen_tcp(display, where, err);
}

bool display_is_public(const struct display *display)
{
	struct sockaddr_storage addr = {0};
	const struct sockaddr_in6 *in6 = (const void *)&addr;
	const struct sockaddr_in *in = (const void *)&addr;
	socklen_t len = sizeof(addr);

	if (getsockname(display->listen_fd, (struct sockaddr *)&addr, &len))
		return true;
	switch (addr.ss_family) {
	case AF_UNIX:
		return false;
	case AF_INET:
		return ntohl(in->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
	default:
		return !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	}
}
