/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor's console server; the contract is conserver.h.
 *
 * Theory of operation
 *
 * The ring is the only output buffer. `written` counts all bytes ever put into
 * it; a client is just a descriptor and the count up to which it was served,
 * so a slow client costs no memory and cannot hold up the guest: bytes between
 * its position and `written` are sent when it takes them, and when it is a
 * ring behind, its position jumps forward.
 *
 * Towards the guest there is one small buffer. While it is not empty the
 * clients are not read, so a paste into `vm console` is slowed down to what
 * the guest takes instead of being cut.
 *
 * The slave end stays open here as well: otherwise the master would report a
 * hang-up whenever byway is between two runs. The same goes for the outside
 * terminal, which is a client like the others: what nobody reads there stays
 * in the kernel's buffer, and who opens it later sees that and the ring.
 */
#include "vm/conserver.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "base/nmdm.h"
#include "vm/logfile.h"

/* The place of the terminal that console_publish() makes. */
#define OUTSIDE CONSOLE_CLIENTS

struct client {
	struct console *console;
	int fd; /* -1: free */
	struct ev_fd *event;
	uint64_t sent; /* in the count of `written` */
};

struct console {
	struct evloop *loop;
	int dirfd;
	char port[8];
	char tty[64], outside_tty[64];
	char inside[NMDM_PATH_MAX], outside[NMDM_PATH_MAX]; /* "": no links */
	int master, slave, listener, outside_slave;
	struct ev_fd *master_event, *listener_event;
	struct logfile log;
	struct client client[CONSOLE_CLIENTS + 1];
	uint64_t written;
	size_t input_len;
	uint8_t input[CONSOLE_INPUT];
	uint8_t ring[CONSOLE_RING];
};

static void client_close(struct client *client)
{
	ev_fd_destroy(client->event);
	if (client->fd >= 0)
		close(client->fd);
	client->event = NULL;
	client->fd = -1;
}

static bool client_behind(const struct client *client)
{
	return client->sent < client->console->written;
}

static void client_watch(struct client *client)
{
	unsigned events = client->console->input_len ? 0 : EV_IN;

	ev_fd_set(client->event,
		  client_behind(client) ? events | EV_OUT : events);
}

static bool client_is_tty(const struct client *client)
{
	return client == &client->console->client[OUTSIDE];
}

static ssize_t client_send(const struct client *client, const uint8_t *data,
			   size_t len)
{
	if (client_is_tty(client))
		return write(client->fd, data, len);
	return send(client->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sends what the client takes; closes it when it is gone. */
static void client_serve(struct client *client)
{
	struct console *con = client->console;

	if (con->written - client->sent > CONSOLE_RING)
		client->sent = con->written - CONSOLE_RING;
	while (client_behind(client)) {
		size_t at = client->sent % CONSOLE_RING;
		uint64_t left = con->written - client->sent;
		size_t len = MIN((size_t)left, CONSOLE_RING - at);
		ssize_t n = client_send(client, con->ring + at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			client_close(client);
			return;
		}
		if (n < 0)
			break;
		client->sent += (uint64_t)n;
	}
	client_watch(client);
}

static void master_watch(struct console *con)
{
	ev_fd_set(con->master_event, con->input_len ? EV_IN | EV_OUT : EV_IN);
	for (size_t i = 0; i < ARRAY_LEN(con->client); i++)
		if (con->client[i].fd >= 0)
			client_watch(&con->client[i]);
}

/* Gives the guest's port what it takes of the waiting input. */
static void input_flush(struct console *con)
{
	while (con->input_len > 0) {
		ssize_t n = write(con->master, con->input, con->input_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		con->input_len -= (size_t)n;
		memmove(con->input, con->input + n, con->input_len);
	}
}

static void client_event(void *ctx, unsigned events)
{
	struct client *client = ctx;
	struct console *con = client->console;

	if (events & EV_IN && con->input_len < sizeof(con->input)) {
		/* Nothing of ours blocks: sockets and terminals are set so. */
		ssize_t n = read(client->fd, con->input + con->input_len,
				 sizeof(con->input) - con->input_len);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			client_close(client);
			return;
		}
		if (n > 0) {
			con->input_len += (size_t)n;
			input_flush(con);
			master_watch(con);
		}
	}
	client_serve(client);
}

/* A client that has gone while its input was not read. */
static void clients_reap(struct console *con)
{
	for (size_t i = 0; i < CONSOLE_CLIENTS; i++) {
		struct pollfd pfd = {.fd = con->client[i].fd,
				     .events = POLLRDHUP};

		if (pfd.fd >= 0 && poll(&pfd, 1, 0) > 0 &&
		    pfd.revents & (POLLRDHUP | POLLHUP | POLLERR))
			client_close(&con->client[i]);
	}
}

static struct client *client_free(struct console *con)
{
	for (size_t i = 0; i < CONSOLE_CLIENTS; i++)
		if (con->client[i].fd < 0)
			return &con->client[i];
	return NULL;
}

static void listener_event(void *ctx, unsigned events)
{
	static const char full[] = "too many consoles are open\r\n";
	struct console *con = ctx;
	struct client *client;
	int fd;

	(void)events;
	fd = accept4(con->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	clients_reap(con);
	client = client_free(con);
	if (!client) {
		(void)!send(fd, full, sizeof(full) - 1,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	client->fd = fd;
	client->sent =
	    con->written > CONSOLE_RING ? con->written - CONSOLE_RING : 0;
	if (ev_fd_create(con->loop, fd, EV_IN, client_event, client,
			 &client->event) < 0) {
		client_close(client);
		return;
	}
	client_serve(client);
}

static void ring_put(struct console *con, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t at = con->written % CONSOLE_RING;
		size_t n = MIN(len, CONSOLE_RING - at);

		memcpy(con->ring + at, data, n);
		con->written += n;
		data += n;
		len -= n;
	}
}

/* One read from the guest's port, passed on; false when there was nothing. */
static bool master_read(struct console *con)
{
	uint8_t data[4096];
	ssize_t n = read(con->master, data, sizeof(data));

	if (n <= 0)
		return false;
	ring_put(con, data, (size_t)n);
	logfile_write(&con->log, data, (size_t)n);
	for (size_t i = 0; i < ARRAY_LEN(con->client); i++)
		if (con->client[i].fd >= 0)
			client_serve(&con->client[i]);
	return true;
}

static void master_event(void *ctx, unsigned events)
{
	struct console *con = ctx;

	if (events & EV_OUT && con->input_len > 0) {
		input_flush(con);
		master_watch(con);
	}
	if (events & EV_IN)
		(void)master_read(con);
}

void console_drain(struct console *console)
{
	/* The kernel holds a few kilobytes; byway is gone, so this ends. */
	for (unsigned i = 0; i < 1024 && master_read(console); i++)
		continue;
}

void console_address(int dirfd, const char *port, struct sockaddr_un *ret_addr)
{
	*ret_addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret_addr->sun_path, sizeof(ret_addr->sun_path),
		 "/proc/self/fd/%d/%.8s.sock", dirfd, port);
}

static int pty_open(int *master, int *slave, char tty[64])
{
	struct termios tio;

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (*master < 0 || grantpt(*master) < 0 || unlockpt(*master) < 0 ||
	    ptsname_r(*master, tty, 64) != 0)
		return -errno;
	*slave = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0 || tcgetattr(*slave, &tio) < 0)
		return -errno;
	/* Nothing may be echoed or rewritten on the way. */
	cfmakeraw(&tio);
	return tcsetattr(*slave, TCSANOW, &tio) < 0 ? -errno : 0;
}

static int socket_open(struct console *con)
{
	struct sockaddr_un addr;
	char name[16];
	mode_t old;
	int rc;

	con->listener =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (con->listener < 0)
		return -errno;
	console_address(con->dirfd, con->port, &addr);
	snprintf(name, sizeof(name), "%s.sock", con->port);
	unlinkat(con->dirfd, name, 0);
	old = umask(0177);
	rc = bind(con->listener, (struct sockaddr *)&addr, sizeof(addr));
	rc = rc < 0 ? -errno : 0;
	umask(old);
	if (rc == 0 && listen(con->listener, CONSOLE_CLIENTS) < 0)
		rc = -errno;
	return rc;
}

static int console_setup(struct console *con, struct err *err)
{
	char log_name[16];
	int rc = pty_open(&con->master, &con->slave, con->tty);

	if (rc < 0)
		return err_sys(err, rc, "%s: cannot make a terminal",
			       con->port);
	rc = socket_open(con);
	if (rc < 0)
		return err_sys(err, rc, "%s.sock", con->port);
	snprintf(log_name, sizeof(log_name), "%s.log", con->port);
	rc = logfile_open(&con->log, con->dirfd, log_name, 0600, false, err);
	if (rc < 0)
		return rc;
	rc = ev_fd_create(con->loop, con->master, EV_IN, master_event, con,
			  &con->master_event);
	if (rc == 0)
		rc = ev_fd_create(con->loop, con->listener, EV_IN,
				  listener_event, con, &con->listener_event);
	if (rc < 0)
		return err_sys(err, rc, "%s", con->port);
	return 0;
}

int console_create(struct evloop *loop, int dirfd, const char *port,
		   struct err *err, struct console **ret_console)
{
	struct console *con = calloc(1, sizeof(*con));
	int rc;

	if (!con)
		return err_set(err, -ENOMEM, "out of memory");
	con->loop = loop;
	con->dirfd = dirfd;
	con->master = con->slave = con->listener = con->outside_slave = -1;
	con->log.fd = -1;
	snprintf(con->port, sizeof(con->port), "%s", port);
	for (size_t i = 0; i < ARRAY_LEN(con->client); i++)
		con->client[i] = (struct client){.console = con, .fd = -1};
	rc = console_setup(con, err);
	if (rc < 0) {
		console_destroy(con);
		return rc;
	}
	*ret_console = con;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The second terminal and both links, as far as they are there. */
static void outside_remove(struct console *con)
{
	if (con->inside[0])
		nmdm_unlink(con->inside, con->tty);
	if (con->outside[0])
		nmdm_unlink(con->outside, con->outside_tty);
	con->inside[0] = con->outside[0] = '\0';
	client_close(&con->client[OUTSIDE]);
	close_if_open(con->outside_slave);
	con->outside_slave = -1;
}

static int outside_make(struct console *con, const char *inside,
			const char *outside, struct err *err)
{
	struct client *client = &con->client[OUTSIDE];
	int rc = pty_open(&client->fd, &con->outside_slave, con->outside_tty);

	if (rc == 0)
		rc = nmdm_hold(con->slave);
	if (rc == 0)
		rc = nmdm_hold(con->outside_slave);
	if (rc == 0)
		rc = ev_fd_create(con->loop, client->fd, EV_IN, client_event,
				  client, &client->event);
	if (rc < 0)
		return err_sys(err, rc, "%s: cannot make a terminal",
			       con->port);
	client->sent = con->written;
	rc = nmdm_link(inside, con->tty, err);
	if (rc < 0)
		return rc;
	strcpy(con->inside, inside);
	rc = nmdm_link(outside, con->outside_tty, err);
	if (rc == 0)
		strcpy(con->outside, outside);
	return rc;
}

int console_publish(struct console *con, const char *dev, const char *guest,
		    unsigned number, struct err *err)
{
	char inside[NMDM_PATH_MAX], outside[NMDM_PATH_MAX];
	int rc = nmdm_path(dev, guest, number, 'A', err, inside);

	if (rc == 0)
		rc = nmdm_path(dev, guest, number, 'B', err, outside);
	if (rc == 0)
		rc = outside_make(con, inside, outside, err);
	if (rc < 0)
		outside_remove(con);
	return rc;
}

void console_destroy(struct console *con)
{
	char name[16];

	if (!con)
		return;
	outside_remove(con);
	for (size_t i = 0; i < CONSOLE_CLIENTS; i++)
		client_close(&con->client[i]);
	ev_fd_destroy(con->master_event);
	ev_fd_destroy(con->listener_event);
	if (con->listener >= 0) {
		snprintf(name, sizeof(name), "%s.sock", con->port);
		unlinkat(con->dirfd, name, 0);
	}
	close_if_open(con->listener);
	close_if_open(con->master);
	close_if_open(con->slave);
	logfile_close(&con->log);
	free(con);
}

const char *console_tty(const struct console *console)
{
	return console->inside[0] ? console->inside : console->tty;
}

const char *console_outside(const struct console *console)
{
	return console->outside[0] ? console->outside : NULL;
}
