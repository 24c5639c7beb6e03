/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of sockets: the console server and the control client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/nmdm.h"
#include "vm/conserver.h"
#include "vm/control.h"

struct fixture {
	char path[512];
	int dirfd;
	struct evloop *loop;
	struct console *console;
	int slave; /* as byway holds it */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = {0};

	if (!f)
		return -1;
	strcpy(f->path, "/tmp/byway-sock-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	/* Longer than a socket address has room for. */
	for (int i = 0; i < 2; i++) {
		memset(f->path + strlen(f->path) + 1, 0, 1);
		f->path[strlen(f->path)] = '/';
		memset(f->path + strlen(f->path), 'd', 100);
		assert_int_equal(mkdir(f->path, 0700), 0);
	}
	f->dirfd = open(f->path, O_RDONLY | O_DIRECTORY);
	assert_true(f->dirfd >= 0);
	assert_int_equal(evloop_create(&f->loop), 0);
	assert_int_equal(
	    console_create(f->loop, f->dirfd, "com1", &err, &f->console), 0);
	f->slave = open(console_tty(f->console), O_RDWR | O_NOCTTY);
	assert_true(f->slave >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	console_destroy(f->console);
	evloop_destroy(f->loop);
	close(f->slave);
	/* The socket went with the server; only the log is left. */
	assert_int_equal(faccessat(f->dirfd, "com1.sock", F_OK, 0), -1);
	unlinkat(f->dirfd, "com1.log", 0);
	unlinkat(f->dirfd, "com1.log.0", 0);
	unlinkat(f->dirfd, "control.sock", 0);
	close(f->dirfd);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdir(f->path), 0);
		*strrchr(f->path, '/') = '\0';
	}
	free(f);
	return 0;
}

static int client_open(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un addr;

	console_address(f->dirfd, "com1", &addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

static void steps(struct fixture *f, int n)
{
	while (n-- > 0)
		assert_int_equal(evloop_step(f->loop, 10), 0);
}

/* Reads exactly `len` bytes while the server works. */
static void client_read(struct fixture *f, int fd, char *buf, size_t len)
{
	uint64_t end = clock_host()->mono_ns(clock_host()) + 10 * NS_PER_S;
	size_t got = 0;

	while (got < len) {
		ssize_t n;

		assert_true(clock_host()->mono_ns(clock_host()) < end);
		steps(f, 1);
		n = recv(fd, buf + got, len - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		else
			assert_true(n < 0 && errno == EAGAIN);
	}
}

static void guest_print(struct fixture *f, const char *data, size_t len)
{
	while (len > 0) {
		size_t n = MIN(len, (size_t)1024);

		assert_int_equal(write(f->slave, data, n), n);
		steps(f, 1);
		data += n;
		len -= n;
	}
}

static void test_replay_and_live(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char buf[64];
	int a, b;

	assert_int_equal(fstatat(f->dirfd, "com1.sock", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	guest_print(f, "early", 5);
	a = client_open(f);
	client_read(f, a, buf, 5);
	assert_memory_equal(buf, "early", 5);
	guest_print(f, "\n\r\n\004\377", 5);
	b = client_open(f);
	client_read(f, a, buf, 5);
	/* Nothing is changed on the way. */
	assert_memory_equal(buf, "\n\r\n\004\377", 5);
	client_read(f, b, buf, 10);
	assert_memory_equal(buf, "early\n\r\n\004\377", 10);
	close(a);
	steps(f, 3);
	guest_print(f, "!", 1);
	client_read(f, b, buf, 1);
	close(b);
}

static void test_input(void **state)
{
	struct fixture *f = *state;
	static char sent[100000], got[100000];
	size_t out = 0, in = 0;
	int fd = client_open(f);

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7 + i / 251);
	fcntl(f->slave, F_SETFL, O_NONBLOCK);
	/* Much more than all buffers hold: slowed down, not cut. */
	while (in < sizeof(sent)) {
		ssize_t n;

		if (out < sizeof(sent)) {
			n = send(fd, sent + out, sizeof(sent) - out,
				 MSG_DONTWAIT);
			if (n > 0)
				out += (size_t)n;
		}
		steps(f, 1);
		n = read(f->slave, got + in,
			 MIN(sizeof(got) - in, (size_t)777));
		if (n > 0)
			in += (size_t)n;
	}
	assert_memory_equal(sent, got, sizeof(sent));
	close(fd);
}

static void test_slow_client(void **state)
{
	struct fixture *f = *state;
	static char chunk[CONSOLE_RING];
	int slow = client_open(f), fast, small = 2048;
	char buf[4];

	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	steps(f, 2);
	for (int i = 0; i < 8; i++) {
		memset(chunk, '0' + i, sizeof(chunk));
		guest_print(f, chunk, sizeof(chunk));
	}
	guest_print(f, "end", 3);
	/* A new one gets exactly the ring, ending with the last bytes. */
	fast = client_open(f);
	client_read(f, fast, chunk, sizeof(chunk));
	assert_memory_equal(chunk + sizeof(chunk) - 3, "end", 3);
	assert_int_equal(chunk[0], '7');
	/* The slow one is still served, up to the end. */
	memset(buf, 0, sizeof(buf));
	for (uint64_t end = clock_host()->mono_ns(clock_host()) + 10 * NS_PER_S;
	     strcmp(buf, "end") != 0;) {
		char c;

		assert_true(clock_host()->mono_ns(clock_host()) < end);
		if (recv(slow, &c, 1, MSG_DONTWAIT) == 1) {
			buf[0] = buf[1];
			buf[1] = buf[2];
			buf[2] = c;
		} else {
			steps(f, 1);
		}
	}
	close(slow);
	close(fast);
}

static void test_client_limit(void **state)
{
	struct fixture *f = *state;
	int fds[CONSOLE_CLIENTS + 1];
	char text[28];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_open(f);
		steps(f, 2);
	}
	client_read(f, fds[CONSOLE_CLIENTS], text, sizeof(text));
	assert_memory_equal(text, "too many consoles are open\r\n",
			    sizeof(text));
	assert_int_equal(recv(fds[CONSOLE_CLIENTS], text, 1, 0), 0);
	close(fds[0]);
	close(fds[CONSOLE_CLIENTS]);
	fds[0] = client_open(f);
	steps(f, 2);
	guest_print(f, "x", 1);
	client_read(f, fds[0], text, 1);
	for (size_t i = 0; i < CONSOLE_CLIENTS; i++)
		close(fds[i]);
}

/* Plays byway's control socket for one connection. */
struct server {
	int listener;
	const char *reply; /* NULL: closes without a word */
	char got[64];
};

static void *serve(void *ctx)
{
	struct server *server = ctx;
	int fd = accept(server->listener, NULL, NULL);
	ssize_t n = recv(fd, server->got, sizeof(server->got) - 1, 0);

	server->got[n > 0 ? n : 0] = '\0';
	if (server->reply)
		(void)!send(fd, server->reply, strlen(server->reply), 0);
	close(fd);
	return NULL;
}

static int ask(struct fixture *f, const char *reply,
	       enum control_command command, const char *expected,
	       struct err *err)
{
	struct guest guest = {.name = "demo", .dirfd = f->dirfd};
	struct server server = {.reply = reply};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	pthread_t thread;
	int rc;

	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/control.sock", f->dirfd);
	unlinkat(f->dirfd, "control.sock", 0);
	server.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(server.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server.listener, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
	rc = control_send(&guest, command, err);
	pthread_join(thread, NULL);
	close(server.listener);
	assert_string_equal(server.got, expected);
	return rc;
}

static void test_control(void **state)
{
	struct fixture *f = *state;
	struct guest guest = {.name = "demo", .dir = "/d", .dirfd = f->dirfd};
	struct err err = {0};

	assert_int_equal(control_send(&guest, CONTROL_RESET, &err), -ENOENT);
	assert_int_equal(ask(f, "ok\n", CONTROL_RESET, "reset\n", &err), 0);
	assert_int_equal(ask(f, "ok exits=1\n", CONTROL_STATS, "stats\n", &err),
			 0);
	assert_int_equal(
	    ask(f, "error not now\n", CONTROL_POWEROFF, "poweroff\n", &err),
	    -EIO);
	assert_string_equal(err.msg, "demo: not now");
	/* Gone before it answered: that is what was asked for. */
	assert_int_equal(ask(f, NULL, CONTROL_POWEROFF, "poweroff\n", &err), 0);
	assert_int_equal(ask(f, NULL, CONTROL_STATS, "stats\n", &err), -ENOENT);
	/* Nobody listens any more at a socket that stayed behind. */
	assert_int_equal(control_send(&guest, CONTROL_RESET, &err), -ENOENT);
}

/* Reads from a terminal until `text` has come. */
static void tty_expect(struct fixture *f, int fd, const char *text)
{
	uint64_t end = clock_host()->mono_ns(clock_host()) + 10 * NS_PER_S;
	char buf[256] = "";
	size_t got = 0;

	while (!strstr(buf, text)) {
		ssize_t n;

		assert_true(clock_host()->mono_ns(clock_host()) < end);
		steps(f, 1);
		n = read(fd, buf + got, sizeof(buf) - 1 - got);
		if (n > 0)
			got += (size_t)n;
	}
}

/* The names of FreeBSD's device: one for byway, one for cu(1). */
static void test_published(void **state)
{
	struct fixture *f = *state;
	char dev[] = "/tmp/byway-dev-XXXXXX", path[64], target[64];
	struct console *other = NULL;
	struct err err = {0};
	int fd, guest;
	ssize_t len;

	assert_non_null(mkdtemp(dev));
	guest_print(f, "early ", 6);
	assert_null(console_outside(f->console));
	assert_int_equal(console_publish(f->console, dev, "demo", 1, &err), 0);
	sprintf(path, "%s/nmdm-demo.1A", dev);
	assert_string_equal(console_tty(f->console), path);
	guest = open(path, O_RDWR | O_NOCTTY);
	assert_true(guest >= 0 && isatty(guest));
	sprintf(path, "%s/nmdm-demo.1B", dev);
	assert_string_equal(console_outside(f->console), path);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0 && isatty(fd));
	guest_print(f, "live", 4);
	tty_expect(f, fd, "live");
	/* What is typed outside reaches the guest, and is not echoed. */
	assert_int_equal(write(fd, "typed", 5), 5);
	tty_expect(f, guest, "typed");
	steps(f, 2);
	assert_int_equal(read(fd, target, sizeof(target)), -1);
	/* A name that is served is not taken away. */
	assert_int_equal(
	    console_create(f->loop, f->dirfd, "com2", &err, &other), 0);
	assert_int_equal(console_publish(other, dev, "demo", 1, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "nmdm-demo.1A: belongs to a guest of "
					"the same name"));
	assert_null(console_outside(other));
	assert_int_equal(strncmp(console_tty(other), "/dev/", 5), 0);
	console_destroy(other);
	len = readlink(path, target, sizeof(target));
	assert_true(len > 0);
	nmdm_remove_left(dev, "demo");
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	close(guest);
	unlinkat(f->dirfd, "com2.log", 0);
	console_destroy(f->console);
	assert_int_equal(
	    console_create(f->loop, f->dirfd, "com1", &err, &f->console), 0);
	/* Nothing of it is left. */
	assert_int_equal(rmdir(dev), 0);
}

static void test_nmdm_names(void **state)
{
	char dev[] = "/tmp/byway-dev-XXXXXX", path[64], half[72],
	     target[64] = "";
	struct err err = {0};
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dev));
	sprintf(path, "%s/nmdm-demo.2B", dev);
	/* One that a killed supervisor left is replaced, and removed. */
	assert_int_equal(symlink("/dev/pts/nothing", path), 0);
	assert_int_equal(nmdm_link(path, "/dev/pts/other", &err), 0);
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/dev/pts/other");
	nmdm_unlink(path, "/dev/pts/else");
	assert_int_equal(readlink(path, target, sizeof(target)), 14);
	nmdm_remove_left(dev, "dem");
	assert_int_equal(readlink(path, target, sizeof(target)), 14);
	/* Killed before the new link had its name. */
	sprintf(half, "%s.new", path);
	assert_int_equal(symlink("/dev/pts/half", half), 0);
	nmdm_remove_left(dev, "demo");
	assert_int_equal(readlink(path, target, sizeof(target)), -1);
	assert_int_equal(readlink(half, target, sizeof(target)), -1);
	/* What is no link is not ours. */
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(nmdm_link(path, "/dev/pts/other", &err), -EEXIST);
	nmdm_remove_left(dev, "demo");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dev), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_replay_and_live, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_input, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_slow_client, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_client_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_control, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_published, setup, teardown),
	    cmocka_unit_test(test_nmdm_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
