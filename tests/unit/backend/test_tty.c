/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the character back end against real ptys, sockets and pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "backend/tty.h"
#include "base/clock.h"
#include "base/log.h"

#define DEADLINE_NS (10 * NS_PER_S)

struct port {
	struct evloop *loop;
	struct tty *tty;
	struct err err;
	uint8_t got[300000];
	size_t len, calls;
	size_t take; /* at most so many bytes a call */
	char dir[32];
	char path[64];
};

static size_t receive(void *ctx, const uint8_t *data, size_t len)
{
	struct port *port = ctx;

	port->calls++;
	len = MIN(len, port->take);
	assert_true(port->len + len <= sizeof(port->got));
	memcpy(port->got + port->len, data, len);
	port->len += len;
	return len;
}

static int setup(void **state)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port || evloop_create(&port->loop))
		return -1;
	port->take = SIZE_MAX;
	strcpy(port->dir, "/tmp/byway-tty-XXXXXX");
	if (!mkdtemp(port->dir))
		return -1;
	snprintf(port->path, sizeof(port->path), "%s/sock", port->dir);
	*state = port;
	return 0;
}

static int teardown(void **state)
{
	struct port *port = *state;

	tty_close(port->tty);
	evloop_destroy(port->loop);
	/* Fails when a test left a socket behind: then so does the test. */
	if (rmdir(port->dir))
		return -1;
	free(port);
	return 0;
}

static void open_ok(struct port *port, const char *where)
{
	int r =
	    tty_open(where, port->loop, receive, port, &port->err, &port->tty);

	if (r)
		fail_msg("%s: %s", where, port->err.msg);
}

static uint64_t now_ns(void)
{
	return clock_host()->mono_ns(clock_host());
}

static void step(struct port *port)
{
	assert_int_equal(evloop_step(port->loop, 20), 0);
}

static void until_received(struct port *port, size_t len)
{
	uint64_t end = now_ns() + DEADLINE_NS;

	while (port->len < len) {
		assert_true(now_ns() < end);
		step(port);
	}
	assert_int_equal(port->len, len);
}

/* Reads len bytes of fd while the loop runs. */
static void read_all(struct port *port, int fd, void *buf, size_t len)
{
	uint64_t end = now_ns() + DEADLINE_NS;
	size_t have = 0;

	while (have < len) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		assert_true(now_ns() < end);
		assert_int_equal(evloop_step(port->loop, 0), 0);
		if (poll(&pfd, 1, 10) == 1) {
			ssize_t n = read(fd, (uint8_t *)buf + have, len - have);

			assert_true(n > 0);
			have += (size_t)n;
		}
	}
}

/* True when fd reports end of file (the loop runs meanwhile). */
static bool sees_eof(struct port *port, int fd)
{
	uint64_t end = now_ns() + DEADLINE_NS;
	char byte;

	while (now_ns() < end) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		assert_int_equal(evloop_step(port->loop, 0), 0);
		if (poll(&pfd, 1, 10) == 1 && read(fd, &byte, 1) <= 0)
			return true;
	}
	return false;
}

static int unix_client(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void put(struct tty *tty, const char *text)
{
	tty_write(tty, (const uint8_t *)text, strlen(text));
}

/* ---- no place ---- */

static void bucket_swallows(void **state)
{
	struct port *port = *state;

	open_ok(port, NULL);
	put(port->tty, "nobody reads this");
	tty_resume(port->tty);
	step(port);
	assert_int_equal(port->calls, 0);
}

/* ---- terminals ---- */

static bool is_raw(int fd)
{
	struct termios t;

	assert_int_equal(tcgetattr(fd, &t), 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_oflag & OPOST);
}

static void pty_carries_bytes_and_is_restored(void **state)
{
	struct port *port = *state;
	char name[64], buf[8];
	int master, slave;

	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	assert_false(is_raw(slave));
	open_ok(port, name);
	assert_true(is_raw(slave));
	assert_int_equal(write(master, "ab\003\n", 4), 4);
	until_received(port, 4);
	assert_memory_equal(port->got, "ab\003\n", 4);
	put(port->tty, "x\ny");
	read_all(port, master, buf, 3);
	assert_memory_equal(buf, "x\ny", 3);
	tty_close(port->tty);
	port->tty = NULL;
	assert_false(is_raw(slave));
	close(master);
	close(slave);
}

static void pty_is_restored_on_a_fatal_path(void **state)
{
	struct port *port = *state;
	int master, slave;
	char name[64];

	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	open_ok(port, name);
	tty_restore_all();
	assert_false(is_raw(slave));
	/* Closing later must not fail or restore a second time. */
	tty_close(port->tty);
	open_ok(port, name);
	assert_true(is_raw(slave));
	close(master);
	close(slave);
}

static void pty_serves_one_port(void **state)
{
	struct port *port = *state;
	struct tty *second = NULL;
	char name[64], expected[160];
	int master, slave;

	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	open_ok(port, name);
	assert_int_equal(
	    tty_open(name, port->loop, receive, port, &port->err, &second),
	    -EBUSY);
	assert_null(second);
	snprintf(expected, sizeof(expected),
		 "%s is already used by another port of this guest; give each "
		 "port a terminal of its own",
		 name);
	assert_string_equal(port->err.msg, expected);
	assert_true(is_raw(slave));
	close(master);
	close(slave);
}

static void pty_hang_up_is_survived(void **state)
{
	struct port *port = *state;
	int master, slave, i;
	char name[64];

	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	open_ok(port, name);
	close(slave);
	close(master);
	for (i = 0; i < 5; i++) {
		put(port->tty, "lost");
		step(port);
	}
	assert_int_equal(port->len, 0);
}

/* ---- flow control ---- */

static void full_port_stops_the_sender(void **state)
{
	struct port *port = *state;
	uint8_t sent[1000];
	size_t i, calls;
	uint64_t end;
	int fd;

	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 256);
	port->take = 16;
	open_ok(port, port->path);
	fd = unix_client(port->path);
	assert_int_equal(write(fd, sent, sizeof(sent)), sizeof(sent));
	until_received(port, 16);
	calls = port->calls;
	for (i = 0; i < 5; i++)
		step(port);
	assert_int_equal(port->calls, calls);
	assert_int_equal(port->len, 16);
	/* A resume brings one refusal more: at most two calls' bytes. */
	while (port->len < sizeof(sent)) {
		size_t before = port->len;

		tty_resume(port->tty);
		end = now_ns() + DEADLINE_NS;
		while (port->len == before) {
			assert_true(now_ns() < end);
			step(port);
		}
		step(port);
		assert_in_range(port->len, before + 1, before + 32);
	}
	assert_memory_equal(port->got, sent, sizeof(sent));
	close(fd);
}

static void bytes_of_a_gone_client_still_arrive(void **state)
{
	struct port *port = *state;
	int fd;

	port->take = 2;
	open_ok(port, port->path);
	fd = unix_client(port->path);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	until_received(port, 2);
	tty_resume(port->tty);
	until_received(port, 4);
	tty_resume(port->tty);
	until_received(port, 5);
	assert_memory_equal(port->got, "hello", 5);
}

static void slow_reader_never_blocks_the_guest(void **state)
{
	struct port *port = *state;
	size_t total = 4u << 20, have = 0, i, taken;
	uint32_t *words = malloc(total);
	uint64_t end;
	int fd;

	assert_non_null(words);
	open_ok(port, port->path);
	fd = unix_client(port->path);
	for (i = 0; i < 3; i++)
		step(port);
	for (i = 0; i < total / 4; i++) {
		uint32_t word = (uint32_t)i;

		tty_write(port->tty, (uint8_t *)&word, 4);
	}
	/* What is left: what the socket took, a gap, the newest 64 KiB. */
	end = now_ns() + DEADLINE_NS;
	while (have < 4 || words[have / 4 - 1] != total / 4 - 1) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		assert_true(now_ns() < end);
		assert_int_equal(evloop_step(port->loop, 0), 0);
		if (poll(&pfd, 1, 10) == 1) {
			ssize_t n =
			    read(fd, (uint8_t *)words + have, total - have);

			assert_true(n > 0);
			have += (size_t)n;
		}
	}
	assert_int_equal(have % 4, 0);
	assert_true(have < total);
	taken = have / 4 - TTY_BACKLOG / 4;
	for (i = 0; i < taken; i++)
		assert_int_equal(words[i], i);
	for (; i < have / 4; i++)
		assert_int_equal(words[i], total / 4 - have / 4 + i);
	free(words);
	close(fd);
}

struct slow_reader {
	int fd;
	size_t have;
};

static void *read_to_eof(void *arg)
{
	struct slow_reader *reader = arg;
	char buf[1024];
	ssize_t n;

	while ((n = read(reader->fd, buf, sizeof(buf))) > 0)
		reader->have += (size_t)n;
	return NULL;
}

static void close_flushes_the_rest(void **state)
{
	struct port *port = *state;
	struct slow_reader reader = {.fd = -1};
	static uint8_t page[TTY_BACKLOG];
	pthread_t thread;
	size_t i;

	open_ok(port, port->path);
	reader.fd = unix_client(port->path);
	for (i = 0; i < 3; i++)
		step(port);
	i = 1;
	assert_int_equal(
	    setsockopt(reader.fd, SOL_SOCKET, SO_RCVBUF, &i, sizeof(int)), 0);
	tty_write(port->tty, page, sizeof(page));
	assert_int_equal(pthread_create(&thread, NULL, read_to_eof, &reader),
			 0);
	tty_close(port->tty);
	port->tty = NULL;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(reader.have, sizeof(page));
	close(reader.fd);
}

static void close_gives_up_after_a_second(void **state)
{
	struct port *port = *state;
	static uint8_t page[TTY_BACKLOG];
	uint64_t start;
	int fd, i;

	open_ok(port, port->path);
	fd = unix_client(port->path);
	for (i = 0; i < 3; i++)
		step(port);
	for (i = 0; i < 64; i++)
		tty_write(port->tty, page, sizeof(page));
	start = now_ns();
	tty_close(port->tty);
	port->tty = NULL;
	assert_in_range(now_ns() - start, NS_PER_S / 2, 5 * NS_PER_S);
	close(fd);
}

/* ---- threads ---- */

#define WRITER_WORDS 4000u

struct writer {
	struct tty *tty;
	uint32_t first;
};

static void *write_words(void *arg)
{
	const struct writer *writer = arg;
	uint32_t i;

	for (i = 0; i < WRITER_WORDS; i++) {
		uint32_t word = writer->first + i;

		tty_write(writer->tty, (const uint8_t *)&word, sizeof(word));
		if (i % 64 == 0)
			tty_resume(writer->tty);
	}
	return NULL;
}

/* Two vCPUs print while the loop runs: whole words, each in its order. */
static void writers_on_other_threads(void **state)
{
	struct port *port = *state;
	static uint32_t words[2 * WRITER_WORDS];
	struct writer writer[2] = {{.first = 0}, {.first = 1u << 20}};
	uint32_t next[2] = {0, 1u << 20};
	pthread_t thread[2];
	size_t i;
	int fd;

	open_ok(port, port->path);
	fd = unix_client(port->path);
	for (i = 0; i < 2; i++) {
		writer[i].tty = port->tty;
		assert_int_equal(
		    pthread_create(&thread[i], NULL, write_words, &writer[i]),
		    0);
	}
	read_all(port, fd, words, sizeof(words));
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (i = 0; i < 2 * WRITER_WORDS; i++) {
		unsigned who = words[i] >= 1u << 20;

		assert_int_equal(words[i], next[who]++);
	}
	close(fd);
}

/* ---- listening ---- */

static void late_client_sees_the_newest_output(void **state)
{
	struct port *port = *state;
	uint8_t sent[100000], got[TTY_BACKLOG];
	struct stat st;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 31 + i / 251);
	open_ok(port, port->path);
	assert_int_equal(stat(port->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (i = 0; i < sizeof(sent); i += 10)
		tty_write(port->tty, sent + i, 10);
	fd = unix_client(port->path);
	read_all(port, fd, got, sizeof(got));
	assert_memory_equal(got, sent + sizeof(sent) - sizeof(got),
			    sizeof(got));
	close(fd);
}

static void second_client_is_told_and_first_keeps_the_port(void **state)
{
	static const char busy[] = "byway: this port already has a client\r\n";
	struct port *port = *state;
	char buf[sizeof(busy) - 1];
	int first, second;

	open_ok(port, port->path);
	first = unix_client(port->path);
	assert_int_equal(write(first, "1", 1), 1);
	until_received(port, 1);
	second = unix_client(port->path);
	read_all(port, second, buf, sizeof(buf));
	assert_memory_equal(buf, busy, sizeof(buf));
	assert_true(sees_eof(port, second));
	close(second);
	put(port->tty, "still here");
	read_all(port, first, buf, 10);
	assert_memory_equal(buf, "still here", 10);
	/* A client may come after one that left. */
	close(first);
	for (first = 0; first < 3; first++)
		step(port);
	second = unix_client(port->path);
	assert_int_equal(write(second, "2", 1), 1);
	until_received(port, 2);
	close(second);
}

/* Its end is behind bytes that nobody reads. */
static void client_that_left_makes_room(void **state)
{
	static const uint8_t unread[2000];
	struct port *port = *state;
	char buf[8];
	int first, second, third, i;

	port->take = 16;
	open_ok(port, port->path);
	first = unix_client(port->path);
	assert_int_equal(write(first, unread, sizeof(unread)), sizeof(unread));
	until_received(port, 16);
	/* Not while it is there. */
	second = unix_client(port->path);
	assert_true(sees_eof(port, second));
	close(second);
	close(first);
	for (i = 0; i < 3; i++)
		step(port);
	second = unix_client(port->path);
	for (i = 0; i < 3; i++)
		step(port);
	put(port->tty, "welcome");
	read_all(port, second, buf, 7);
	assert_memory_equal(buf, "welcome", 7);
	/* It has the port like any other, and its bytes are the next. */
	third = unix_client(port->path);
	assert_true(sees_eof(port, third));
	close(third);
	port->len = 0;
	port->take = SIZE_MAX;
	assert_int_equal(write(second, "2nd", 3), 3);
	tty_resume(port->tty);
	until_received(port, 3);
	assert_memory_equal(port->got, "2nd", 3);
	close(second);
}

/* The first leaves bytes behind, of which the guest takes some without it. */
static void next_client_waits_for_the_guest_as_well(void **state)
{
	struct port *port = *state;
	size_t calls;
	int fd, i;

	port->take = 2;
	open_ok(port, port->path);
	fd = unix_client(port->path);
	assert_int_equal(write(fd, "hello", 5), 5);
	until_received(port, 2);
	close(fd);
	/* Nobody takes it: the client is let go, with the port still full. */
	put(port->tty, "x");
	for (i = 0; i < 3; i++)
		step(port);
	tty_resume(port->tty);
	until_received(port, 4);
	fd = unix_client(port->path);
	assert_int_equal(write(fd, "again", 5), 5);
	until_received(port, 6);
	calls = port->calls;
	for (i = 0; i < 5; i++)
		step(port);
	assert_int_equal(port->calls, calls);
	/* Bytes that come now do not wake anybody either. */
	assert_int_equal(write(fd, "more", 4), 4);
	for (i = 0; i < 5; i++)
		step(port);
	assert_int_equal(port->calls, calls);
	close(fd);
}

static void client_that_dies_loses_nothing_queued(void **state)
{
	struct port *port = *state;
	char buf[4];
	int fd, i;

	open_ok(port, port->path);
	fd = unix_client(port->path);
	for (i = 0; i < 3; i++)
		step(port);
	close(fd);
	/* The write fails here, before the loop saw the end of file. */
	put(port->tty, "kept");
	for (i = 0; i < 3; i++)
		step(port);
	fd = unix_client(port->path);
	read_all(port, fd, buf, 4);
	assert_memory_equal(buf, "kept", 4);
	close(fd);
}

static void stale_socket_is_replaced_live_one_is_not(void **state)
{
	struct port *port = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct tty *second = NULL;
	char expected[256];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, port->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd); /* as a killed process leaves it */
	open_ok(port, port->path);
	assert_int_equal(tty_open(port->path, port->loop, receive, port,
				  &port->err, &second),
			 -EADDRINUSE);
	snprintf(expected, sizeof(expected),
		 "cannot listen on %s: another process listens there; stop it "
		 "or choose another path",
		 port->path);
	assert_string_equal(port->err.msg, expected);
	fd = unix_client(port->path);
	assert_true(fd >= 0);
	close(fd);
}

static void socket_never_replaces_a_file(void **state)
{
	struct port *port = *state;
	char where[80], expected[256];
	int fd = open(port->path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
	snprintf(where, sizeof(where), "unix=%s", port->path);
	assert_int_equal(
	    tty_open(where, port->loop, receive, port, &port->err, &port->tty),
	    -EEXIST);
	snprintf(expected, sizeof(expected),
		 "cannot listen on %s: the file exists and is not a socket; "
		 "remove it or choose another path",
		 port->path);
	assert_string_equal(port->err.msg, expected);
	assert_int_equal(unlink(port->path), 0);
}

/* A bound socket and its port: free for us, taken for everybody else. */
static int any_port(unsigned *ret_port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static void tcp_listens(void **state)
{
	struct port *port = *state;
	struct sockaddr_in addr = {.sin_family = AF_INET};
	char where[64], expected[160], buf[2];
	unsigned number;
	int fd = any_port(&number);

	snprintf(where, sizeof(where), "tcp=127.0.0.1:%u", number);
	assert_int_equal(
	    tty_open(where, port->loop, receive, port, &port->err, &port->tty),
	    -EADDRINUSE);
	snprintf(expected, sizeof(expected),
		 "cannot listen on %s: Address already in use; choose a free "
		 "port",
		 where);
	assert_string_equal(port->err.msg, expected);
	close(fd);
	open_ok(port, where);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)number);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(write(fd, "in", 2), 2);
	until_received(port, 2);
	put(port->tty, "ok");
	read_all(port, fd, buf, 2);
	assert_memory_equal(buf, "ok", 2);
	close(fd);
}

/* ---- stdio ---- */

struct swap {
	int saved[2];
	int in[2], out[2];
};

/* Puts pipes (or given descriptors) in the place of stdin and stdout. */
static void swap_stdio(struct swap *swap, int in, int out)
{
	fflush(stdout);
	swap->saved[0] = dup(0);
	swap->saved[1] = dup(1);
	assert_int_equal(dup2(in, 0), 0);
	assert_int_equal(dup2(out, 1), 1);
}

static void unswap_stdio(struct swap *swap)
{
	dup2(swap->saved[0], 0);
	dup2(swap->saved[1], 1);
	close(swap->saved[0]);
	close(swap->saved[1]);
}

static void stdio_over_pipes(void **state)
{
	struct port *port = *state;
	struct tty *second = NULL;
	struct swap swap;
	int r, flags;
	char buf[8];

	assert_int_equal(pipe(swap.in), 0);
	assert_int_equal(pipe(swap.out), 0);
	swap_stdio(&swap, swap.in[0], swap.out[1]);
	r = tty_open("stdio", port->loop, receive, port, &port->err,
		     &port->tty);
	flags = fcntl(0, F_GETFL) | fcntl(1, F_GETFL);
	unswap_stdio(&swap);
	assert_int_equal(r, 0);
	/* What we share with our parent stays as it was. */
	assert_false(flags & O_NONBLOCK);
	assert_int_equal(
	    tty_open("stdio", port->loop, receive, port, &port->err, &second),
	    -EBUSY);
	assert_string_equal(port->err.msg,
			    "stdio is already used by another port; give one "
			    "of them stdio, a terminal such as /dev/pts/3, "
			    "tcp=IP:PORT or unix=PATH");
	assert_int_equal(write(swap.in[1], "in", 2), 2);
	until_received(port, 2);
	/* End of input is not the end of output. */
	close(swap.in[1]);
	close(swap.in[0]);
	step(port);
	put(port->tty, "out");
	read_all(port, swap.out[0], buf, 3);
	assert_memory_equal(buf, "out", 3);
	/* A reader that leaves costs the output, not the guest. */
	close(swap.out[0]);
	close(swap.out[1]);
	put(port->tty, "gone");
	step(port);
	put(port->tty, "gone");
	step(port);
}

static void stdio_may_be_taken_again_after_close(void **state)
{
	struct port *port = *state;
	struct swap swap;
	int null = open("/dev/null", O_RDWR), i, r = 0;

	swap_stdio(&swap, null, null);
	for (i = 0; i < 3 && !r; i++) {
		r = tty_open("stdio", port->loop, receive, port, &port->err,
			     &port->tty);
		if (!r) {
			put(port->tty, "x");
			r = evloop_step(port->loop, 0);
			tty_close(port->tty);
			port->tty = NULL;
		}
	}
	unswap_stdio(&swap);
	close(null);
	assert_int_equal(r, 0);
	assert_int_equal(port->len, 0);
}

static void stdio_over_sockets_gives_the_flags_back(void **state)
{
	struct port *port = *state;
	struct swap swap;
	int pair[2], r;
	char buf[4];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	swap_stdio(&swap, pair[0], pair[0]);
	r = tty_open("stdio", port->loop, receive, port, &port->err,
		     &port->tty);
	unswap_stdio(&swap);
	assert_int_equal(r, 0);
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(write(pair[1], "abc", 3), 3);
	until_received(port, 3);
	put(port->tty, "def");
	read_all(port, pair[1], buf, 3);
	assert_memory_equal(buf, "def", 3);
	tty_close(port->tty);
	port->tty = NULL;
	assert_false(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	close(pair[0]);
	close(pair[1]);
}

static void stdio_over_files(void **state)
{
	struct port *port = *state;
	struct swap swap;
	char name[80], text[700], back[8];
	int in, out, r;
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	snprintf(name, sizeof(name), "%s/in", port->dir);
	in = open(name, O_CREAT | O_RDWR, 0600);
	assert_int_equal(unlink(name), 0);
	snprintf(name, sizeof(name), "%s/out", port->dir);
	out = open(name, O_CREAT | O_RDWR, 0600);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(pwrite(in, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(write(out, "log:", 4), 4);
	port->take = 100;
	swap_stdio(&swap, in, out);
	r = tty_open("stdio", port->loop, receive, port, &port->err,
		     &port->tty);
	unswap_stdio(&swap);
	assert_int_equal(r, 0);
	put(port->tty, "new");
	until_received(port, 100);
	step(port);
	assert_int_equal(port->len, 100);
	port->take = SIZE_MAX;
	tty_resume(port->tty);
	until_received(port, sizeof(text));
	step(port);
	assert_memory_equal(port->got, text, sizeof(text));
	assert_int_equal(pread(out, back, sizeof(back), 0), 7);
	assert_memory_equal(back, "log:new", 7);
	close(in);
	close(out);
}

static void stdio_on_a_terminal_is_raw_while_open(void **state)
{
	struct port *port = *state;
	int master, slave, r;
	struct swap swap;
	char buf[2];

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	swap_stdio(&swap, slave, slave);
	r = tty_open("stdio", port->loop, receive, port, &port->err,
		     &port->tty);
	unswap_stdio(&swap);
	assert_int_equal(r, 0);
	assert_true(is_raw(slave));
	assert_false(fcntl(slave, F_GETFL) & O_NONBLOCK);
	assert_int_equal(write(master, "k", 1), 1);
	until_received(port, 1);
	put(port->tty, "\n");
	read_all(port, master, buf, 1);
	assert_int_equal(buf[0], '\n');
	tty_close(port->tty);
	port->tty = NULL;
	assert_false(is_raw(slave));
	close(master);
	close(slave);
}

/* ---- sentences ---- */

static void bad_places_are_explained(void **state)
{
	static const struct {
		const char *where, *msg;
		int code;
	} cases[] = {
	    {"/dev/pts/99999",
	     "cannot open /dev/pts/99999: No such file or directory; check "
	     "the path",
	     -ENOENT},
	    {"stdoi",
	     "'stdoi' is no place for a port; expected stdio, a terminal such "
	     "as /dev/pts/3, tcp=IP:PORT or unix=PATH",
	     -EINVAL},
	    {"tcp=localhost:1",
	     "tcp=localhost:1: expected tcp=IP:PORT with a numeric address, "
	     "such as tcp=127.0.0.1:5000 or tcp=[::1]:5000",
	     -EINVAL},
	    {"tcp=:5000",
	     "tcp=:5000: expected tcp=IP:PORT with a numeric address, such as "
	     "tcp=127.0.0.1:5000 or tcp=[::1]:5000",
	     -EINVAL},
	    {"tcp=5000",
	     "tcp=5000: expected tcp=IP:PORT with a numeric address, such as "
	     "tcp=127.0.0.1:5000 or tcp=[::1]:5000",
	     -EINVAL},
	    {"tcp=192.0.2.1:5000",
	     "cannot listen on tcp=192.0.2.1:5000: Cannot assign requested "
	     "address; choose an address of this host",
	     -EADDRNOTAVAIL},
	    {"unix=", "unix=: the path must have 1 to 107 bytes",
	     -ENAMETOOLONG},
	    {"/nonexistent/sock",
	     "cannot listen on /nonexistent/sock: No such file or directory; "
	     "the directory must exist and be writable",
	     -ENOENT},
	};
	struct port *port = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(tty_open(cases[i].where, port->loop, receive,
					  port, &port->err, &port->tty),
				 cases[i].code);
		assert_string_equal(port->err.msg, cases[i].msg);
		assert_null(port->tty);
	}
}

/* ---- null-modem pairs ---- */

static void nmdm_pair(void **state)
{
	struct port *port = *state;
	char near[64], far[64], got[8];
	struct tty *second = NULL;
	struct stat st;
	int fd;

	snprintf(near, sizeof(near), "%s/nmdm-x.1A", port->dir);
	snprintf(far, sizeof(far), "%s/nmdm-x.1B", port->dir);
	/* Left by one that was killed. */
	assert_int_equal(symlink("/dev/pts/gone", far), 0);
	open_ok(port, near);
	tty_write(port->tty, (const uint8_t *)"early\n", 6);
	fd = open(far, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0 && isatty(fd));
	read_all(port, fd, got, 6);
	assert_memory_equal(got, "early\n", 6);
	assert_int_equal(write(fd, "typed\r", 6), 6);
	until_received(port, 6);
	assert_memory_equal(port->got, "typed\r", 6);
	/* Served by us, so nobody else gets it. */
	assert_int_equal(
	    tty_open(near, port->loop, receive, port, &port->err, &second),
	    -EBUSY);
	assert_non_null(strstr(port->err.msg, "nmdm-x.1B: belongs to a guest"));
	/* Nobody at the far end is no hang-up. */
	close(fd);
	step(port);
	fd = open(far, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_int_equal(write(fd, "again\r", 6), 6);
	until_received(port, 12);
	close(fd);
	tty_close(port->tty);
	port->tty = NULL;
	assert_int_equal(lstat(far, &st), -1);
	assert_int_equal(lstat(near, &st), -1);
}

/* More than the pair and the backlog hold: the port does not wait. */
static void nmdm_with_nobody_does_not_wait(void **state)
{
	static const uint8_t text[TTY_BACKLOG + 100000];
	struct port *port = *state;
	char near[64];
	uint64_t began = now_ns();

	snprintf(near, sizeof(near), "%s/nmdm0A", port->dir);
	open_ok(port, near);
	tty_write(port->tty, text, sizeof(text));
	tty_close(port->tty);
	port->tty = NULL;
	assert_true(now_ns() - began < NS_PER_S);
}

static void nmdm_refused(void **state)
{
	struct port *port = *state;
	char file[64];
	int fd;

	assert_int_equal(tty_open("/nowhere/nmdm0A", port->loop, receive, port,
				  &port->err, &port->tty),
			 -ENOENT);
	assert_string_equal(port->err.msg,
			    "/nowhere/nmdm0B: cannot be made: No such file or "
			    "directory");
	/* What is no link of ours is left alone. */
	snprintf(file, sizeof(file), "%s/nmdm0B", port->dir);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	file[strlen(file) - 1] = 'A';
	assert_int_equal(
	    tty_open(file, port->loop, receive, port, &port->err, &port->tty),
	    -EEXIST);
	file[strlen(file) - 1] = 'B';
	assert_int_equal(unlink(file), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(bucket_swallows),
	    TEST(pty_carries_bytes_and_is_restored),
	    TEST(pty_is_restored_on_a_fatal_path),
	    TEST(pty_serves_one_port),
	    TEST(pty_hang_up_is_survived),
	    TEST(full_port_stops_the_sender),
	    TEST(bytes_of_a_gone_client_still_arrive),
	    TEST(slow_reader_never_blocks_the_guest),
	    TEST(close_flushes_the_rest),
	    TEST(close_gives_up_after_a_second),
	    TEST(writers_on_other_threads),
	    TEST(late_client_sees_the_newest_output),
	    TEST(second_client_is_told_and_first_keeps_the_port),
	    TEST(client_that_left_makes_room),
	    TEST(next_client_waits_for_the_guest_as_well),
	    TEST(client_that_dies_loses_nothing_queued),
	    TEST(stale_socket_is_replaced_live_one_is_not),
	    TEST(socket_never_replaces_a_file),
	    TEST(tcp_listens),
	    TEST(stdio_over_pipes),
	    TEST(stdio_may_be_taken_again_after_close),
	    TEST(stdio_over_sockets_gives_the_flags_back),
	    TEST(stdio_over_files),
	    TEST(stdio_on_a_terminal_is_raw_while_open),
	    TEST(nmdm_pair),
	    TEST(nmdm_with_nobody_does_not_wait),
	    TEST(nmdm_refused),
	    TEST(bad_places_are_explained),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test_tty", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
