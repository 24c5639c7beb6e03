/* SPDX-License-Identifier: BSD-2-Clause */
/* vm console: a terminal on a guest's serial port; start -f and -i. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "vm/cmd.h"
#include "vm/conserver.h"
#include "vm/escape.h"
#include "vm/runlock.h"

#define CHUNK	 4096
#define RETRY_MS 200
/* Typed text that the guest does not take is kept up to this much. */
#define SEND_WAIT_MS 1000
/* A guest that was followed to its end has its supervisor clear up. */
#define GONE_WAIT_MS 20000

struct session {
	int sock;
	int signals; /* signalfd */
	bool raw;    /* the terminal was changed */
	struct termios saved;
	bool input_open;
	struct escape escape;
	/* Presses the guest's button at the first signal; pid 0: leave. */
	struct proc_id button;
};

static int write_full(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The guest may be slow to take what is pasted; signals must still be seen,
 * so this gives up after a while and says so. */
static int send_full(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		struct pollfd pfd = {.fd = fd, .events = POLLOUT};
		ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		} else if (poll(&pfd, 1, SEND_WAIT_MS) == 0) {
			fprintf(stderr,
				"\r\n[the guest does not read; %zu "
				"bytes were dropped]\r\n",
				len);
			return 0;
		}
	}
	return 0;
}

static void terminal_raw(struct session *session)
{
	struct termios tio;

	if (tcgetattr(STDIN_FILENO, &session->saved) < 0)
		return;
	tio = session->saved;
	cfmakeraw(&tio);
	session->raw = tcsetattr(STDIN_FILENO, TCSAFLUSH, &tio) == 0;
}

static void terminal_restore(struct session *session)
{
	if (session->raw)
		(void)!tcsetattr(STDIN_FILENO, TCSAFLUSH, &session->saved);
	session->raw = false;
}

/* 1 goes on, 0 the person left, negative errno the connection broke. */
static int input_take(struct session *session)
{
	uint8_t in[CHUNK], out[2 * CHUNK];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	size_t len;
	bool leave;
	int rc;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0) {
		/* No more to send; what the guest prints is still shown. */
		session->input_open = false;
		return 1;
	}
	leave = escape_filter(&session->escape, in, (size_t)n, out, &len);
	rc = send_full(session->sock, out, len);
	if (rc < 0)
		return rc;
	return leave ? 0 : 1;
}

static int output_take(struct session *session)
{
	uint8_t data[CHUNK];
	ssize_t n = recv(session->sock, data, sizeof(data), 0);

	if (n < 0 && errno == EINTR)
		return 1;
	if (n <= 0)
		return -EPIPE;
	return write_full(STDOUT_FILENO, data, (size_t)n) < 0 ? 0 : 1;
}

/* Is that the end of the session? */
static bool signal_ends(struct session *session)
{
	struct signalfd_siginfo info;

	if (read(session->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (session->button.pid == 0 ||
	    proc_signal(session->button, SIGTERM) < 0)
		return true;
	/* Whoever asks again does not want to wait. */
	session->button = (struct proc_id){0};
	return false;
}

static int session_run(struct session *session)
{
	for (;;) {
		struct pollfd pfd[] = {
		    {.fd = session->sock, .events = POLLIN},
		    {.fd = session->signals, .events = POLLIN},
		    {.fd = session->input_open ? STDIN_FILENO : -1,
		     .events = POLLIN},
		};
		int rc = 1;

		if (poll(pfd, ARRAY_LEN(pfd), -1) < 0)
			return errno == EINTR ? 1 : -errno;
		if (pfd[1].revents && signal_ends(session))
			return 0;
		if (pfd[0].revents)
			rc = output_take(session);
		if (rc == 1 && pfd[2].revents)
			rc = input_take(session);
		if (rc != 1)
			return rc;
	}
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Consumes `sock`. */
static int console_talk(int sock, const char *name, const char *port,
			struct proc_id button)
{
	struct session session = {
	    .sock = sock, .input_open = true, .button = button};
	bool terminal = isatty(STDIN_FILENO);
	int rc;

	session.signals = signals_open();
	if (session.signals < 0) {
		close(sock);
		return say_error("signals: %s", strerror(errno));
	}
	if (terminal) {
		fprintf(stderr,
			"Connected to %s %s; type ~. at the start of a line to "
			"leave\n",
			name, port);
		terminal_raw(&session);
	}
	rc = session_run(&session);
	terminal_restore(&session);
	close(session.signals);
	close(sock);
	if (terminal)
		fprintf(stderr,
			rc == -EPIPE ? "\n[%s is down]\n" : "\n[left %s]\n",
			name);
	return rc < 0 && rc != -EPIPE ? 1 : 0;
}

/* A descriptor, or negative errno; -ENOENT when nobody serves the port. */
static int console_connect(const struct guest *guest, const char *port)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	if (fd < 0)
		return -errno;
	console_address(guest->dirfd, port, &addr);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == ECONNREFUSED ? -ENOENT : -errno;
	return take_fd(fd);
}

/* The port on the first line of the file `console`. */
static void port_default(const struct guest *guest, char port[8])
{
	CLEANUP_CLOSE int fd =
	    openat(guest->dirfd, "console", O_RDONLY | O_CLOEXEC);
	char text[8] = "";

	if (fd >= 0 && read(fd, text, 5) == 5 && strncmp(text, "com", 3) == 0 &&
	    text[3] >= '1' && text[3] <= '4' && text[4] == '=')
		text[4] = '\0';
	else
		strcpy(text, "com1");
	strcpy(port, text);
}

static int console_refuse(const struct guest *guest, const char *port, int rc)
{
	struct run_info info;

	if (rc != -ENOENT)
		return say_error("%s: %s/%s.sock: %s", guest->name, guest->dir,
				 port, strerror(-rc));
	if (runlock_probe(guest, &info) == RUN_STOPPED)
		return say_error("%s: not running", guest->name);
	return say_error("%s: has no %s; its file lists the ports in comports",
			 guest->name, port);
}

static int console_open(const struct guest *guest, const char *asked, bool wait)
{
	struct run_info info;
	char port[8];
	bool runs;
	int fd;

	for (;;) {
		if (asked)
			snprintf(port, sizeof(port), "%s", asked);
		else
			port_default(guest, port);
		/* Asked first: a port that comes with the guest is there then.
		 */
		runs = runlock_probe(guest, &info) == RUN_RUNNING;
		fd = console_connect(guest, port);
		if (fd != -ENOENT || !wait || (asked && runs))
			break;
		poll(NULL, 0, RETRY_MS);
	}
	if (fd < 0)
		return console_refuse(guest, port, fd);
	return console_talk(fd, guest->name, port, (struct proc_id){0});
}

int console_follow(const struct place *place, const char *name, bool stay)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct run_info info = {0};
	struct err err = {0};
	char port[8];
	int fd, status;

	if (guest_open(place, name, &err, &guest) < 0)
		return say_error("%s", err.msg);
	if (!stay)
		return console_open(&guest, NULL, false);
	(void)runlock_probe(&guest, &info);
	port_default(&guest, port);
	fd = console_connect(&guest, port);
	/* It may be down already: that is what was to be waited for. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return console_refuse(&guest, port, fd);
	status = console_talk(fd, guest.name, port, info.supervisor);
	if (runlock_probe(&guest, &info) == RUN_STARTING)
		(void)!proc_wait_gone(info.supervisor, GONE_WAIT_MS);
	return status;
}

int cmd_console(const struct command *cmd, const struct place *place, int argc,
		char **argv)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct err err = {0};
	const char *port = NULL;
	bool wait = false;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:w")) != -1) {
		if (option != 'w')
			return 1;
		wait = true;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return say_usage(cmd, "console: expected the name of a guest");
	if (argc - optind == 2)
		port = argv[optind + 1];
	if (port && (strncmp(port, "com", 3) || port[3] < '1' ||
		     port[3] > '4' || port[4]))
		return say_usage(
		    cmd, "console: '%s' is not a port, expected com1 to com4",
		    port);
	if (guest_open(place, argv[optind], &err, &guest) < 0)
		return say_error("%s", err.msg);
	return console_open(&guest, port, wait);
}
