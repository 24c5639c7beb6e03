/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of where a display listens: addresses, sockets, refusals, warnings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "rfb_client.h"

static int setup(void **state)
{
	*state = stage_create(64, 64);
	return 0;
}

static int teardown(void **state)
{
	stage_destroy(*state);
	return 0;
}

/* A TCP socket that listens on this address, on a free port. */
static int hold_port(int family, const char *host, unsigned *ret_port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr *addr = family == AF_INET6 ? (void *)&in6 : (void *)&in;
	socklen_t len = family == AF_INET6 ? sizeof(in6) : sizeof(in);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	inet_pton(family, host,
		  family == AF_INET6 ? (void *)&in6.sin6_addr
				     : (void *)&in.sin_addr);
	if (bind(fd, addr, len) || listen(fd, 1) ||
	    getsockname(fd, addr, &len)) {
		close(fd);
		return -1;
	}
	*ret_port = ntohs(family == AF_INET6 ? in6.sin6_port : in.sin_port);
	return fd;
}

static unsigned free_port(int family, const char *host)
{
	unsigned port = 0;
	int fd = hold_port(family, host, &port);

	if (fd >= 0)
		close(fd);
	return port;
}

static int try(struct stage *stage, const char *where, struct err *err)
{
	struct display_params params = stage_params(stage);

	params.where = where;
	return display_create(&params, err, &stage->display);
}

static void refuse(struct stage *stage, const char *where, const char *sentence)
{
	struct err err = {0};

	assert_true(try(stage, where, &err) < 0);
	assert_string_equal(err.msg, sentence);
}

/* A client gets the server's version there. */
static void greet(struct stage *stage, int family, const char *host,
		  unsigned port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port)};
	struct rfb rfb = {.stage = stage};

	inet_pton(family, host,
		  family == AF_INET6 ? (void *)&in6.sin6_addr
				     : (void *)&in.sin_addr);
	rfb.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(rfb.fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(
		    connect(rfb.fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	else
		assert_int_equal(
		    connect(rfb.fd, (struct sockaddr *)&in, sizeof(in)), 0);
	rfb_version(&rfb);
	close(rfb.fd);
}

/* `before`: what comes before the port. */
static void serve_and_greet(struct stage *stage, int family, const char *host,
			    const char *before)
{
	unsigned port = free_port(family, host);
	char where[64], expected[64];
	struct err err = {0};

	snprintf(where, sizeof(where), "%s%u", before, port);
	snprintf(expected, sizeof(expected),
		 family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
	if (try(stage, where, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(display_where(stage->display), expected);
	greet(stage, family, host, port);
	display_destroy(stage->display);
	stage->display = NULL;
}

static void ipv4_is_served(void **state)
{
	serve_and_greet(*state, AF_INET, "127.0.0.1", "tcp=127.0.0.1:");
	serve_and_greet(*state, AF_INET, "127.0.0.1", "tcp=");
	serve_and_greet(*state, AF_INET, "127.0.0.1", "");
}

static void ipv6_is_served(void **state)
{
	if (!free_port(AF_INET6, "::1")) {
		print_message("skipped: this host has no IPv6 loopback\n");
		skip();
	}
	serve_and_greet(*state, AF_INET6, "::1", "tcp=[::1]:");
}

static void a_port_in_use_names_its_owner(void **state)
{
	char where[64], sentence[256];
	unsigned port = 0;
	int fd = hold_port(AF_INET, "127.0.0.1", &port);

	assert_true(fd >= 0);
	snprintf(where, sizeof(where), "tcp=127.0.0.1:%u", port);
	snprintf(sentence, sizeof(sentence),
		 "screen: port %u is already in use by test_listen (process"
		 " %d); choose another one",
		 port, (int)getpid());
	refuse(*state, where, sentence);
	/* Also when the wildcard is asked for. */
	snprintf(where, sizeof(where), "tcp=0.0.0.0:%u", port);
	refuse(*state, where, sentence);
	close(fd);
}

static void bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = {
	    "tcp=",
	    "tcp=:5900",
	    "tcp=127.0.0.1",
	    "tcp=127.0.0.1:",
	    "tcp=127.0.0.1:x",
	    "tcp=127.0.0.1:0",
	    "tcp=127.0.0.1:65536",
	    "tcp=127.0.0.1:-1",
	    "tcp=::1:5900",
	    "tcp=[::1]",
	    "tcp=[::1:5900",
	    "tcp=[]:5900",
	    "tcp=localhost:5900",
	    "tcp=1.2.3.4.5:5900",
	};
	char sentence[256];
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(sentence, sizeof(sentence),
			 "screen: %s: expected PORT, IP:PORT or [IPv6]:PORT"
			 " with numbers, such as 5900, 0.0.0.0:5900 or"
			 " [::1]:5900",
			 bad[i]);
		refuse(*state, bad[i], sentence);
	}
	refuse(*state, "tcp=192.0.2.1:5900",
	       "screen: 192.0.2.1:5900 is no address of this host");
}

/* ---- unix ---- */

static void a_socket_is_private_and_goes_away(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);
	struct stat st;

	stage_open(stage, &params);
	assert_int_equal(stat(stage->socket, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	display_destroy(stage->display);
	stage->display = NULL;
	assert_int_equal(stat(stage->socket, &st), -1);
}

static int bind_at(const char *path, bool live)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (live)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void a_stale_socket_is_replaced(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);

	close(bind_at(stage->socket, true));
	stage_open(stage, &params);
	rfb_close(rfb_open(stage, NULL));
}

static void a_live_socket_is_left_alone(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);
	int fd = bind_at(stage->socket, true);
	char sentence[256];

	snprintf(sentence, sizeof(sentence),
		 "screen: cannot listen on %s: another process listens there; "
		 "stop it or choose"
		 " another path",
		 stage->socket);
	refuse(stage, params.where, sentence);
	assert_int_equal(access(stage->socket, F_OK), 0);
	close(fd);
	unlink(stage->socket);
}

static void a_file_is_left_alone(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);
	FILE *file = fopen(stage->socket, "we");
	char sentence[256];

	assert_non_null(file);
	fclose(file);
	snprintf(sentence, sizeof(sentence),
		 "screen: cannot listen on %s: the file exists and is not a "
		 "socket; remove it or choose"
		 " another path",
		 stage->socket);
	refuse(stage, params.where, sentence);
	assert_int_equal(unlink(stage->socket), 0);
}

static void bad_paths_are_refused(void **state)
{
	char where[160] = "unix=", sentence[320];

	refuse(*state,
	       "unix=", "screen: unix=: the path must have 1 to 107 bytes");
	memset(where + 5, 'x', 108);
	snprintf(sentence, sizeof(sentence),
		 "screen: %s: the path must have 1 to 107 bytes", where);
	refuse(*state, where, sentence);
	refuse(*state, "unix=/nonexistent/vnc",
	       "screen: cannot listen on /nonexistent/vnc: No such file or"
	       " directory; the directory must exist and be writable");
}

static void an_unknown_layout_is_refused(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);
	struct err err = {0};

	params.layout = "jpp";
	assert_true(display_create(&params, &err, &stage->display) < 0);
	assert_string_equal(err.msg, "keyboard layout 'jpp' is unknown; did"
				     " you mean 'jp'?");
}

/* ---- warnings ---- */

/* What is logged while a display is made and destroyed. */
static void logged(struct stage *stage, const char *where, const char *password,
		   bool websocket, char *buf, size_t size)
{
	struct display_params params = stage_params(stage);
	int saved = dup(STDERR_FILENO);
	int log = memfd_create("log", MFD_CLOEXEC);
	struct err err = {0};
	ssize_t n;
	int r;

	params.where = where;
	params.password = password;
	params.websocket = websocket;
	assert_true(saved >= 0 && log >= 0);
	dup2(log, STDERR_FILENO);
	r = display_create(&params, &err, &stage->display);
	dup2(saved, STDERR_FILENO);
	close(saved);
	if (r)
		fail_msg("%s", err.msg);
	display_destroy(stage->display);
	stage->display = NULL;
	n = pread(log, buf, size - 1, 0);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(log);
}

static void an_open_screen_is_warned_about(void **state)
{
	unsigned port = free_port(AF_INET, "0.0.0.0");
	char where[64], local[64], log[512], line[512];

	snprintf(where, sizeof(where), "tcp=0.0.0.0:%u", port);
	snprintf(local, sizeof(local), "tcp=127.0.0.1:%u", port);
	snprintf(line, sizeof(line),
		 "test_listen: warning: screen 0.0.0.0:%u: anyone who reaches"
		 " this address sees and controls the guest; set password= or"
		 " listen on 127.0.0.1\n",
		 port);
	logged(*state, where, NULL, false, log, sizeof(log));
	assert_string_equal(log, line);
	logged(*state, where, "secret", true, log, sizeof(log));
	assert_string_equal(log, "");
	logged(*state, local, NULL, false, log, sizeof(log));
	assert_string_equal(log, "");
	snprintf(line, sizeof(line),
		 "test_listen: warning: screen 127.0.0.1:%u: any web page open"
		 " on this host can control the guest; set password=\n",
		 port);
	logged(*state, local, NULL, true, log, sizeof(log));
	assert_string_equal(log, line);
	logged(*state, local, "123456789", false, log, sizeof(log));
	assert_string_equal(log, "test_listen: warning: screen: only the first"
				 " 8 characters of the password count (VNC's"
				 " limit)\n");
}

int main(void)
{
#define STAGED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    STAGED(ipv4_is_served),
	    STAGED(ipv6_is_served),
	    STAGED(a_port_in_use_names_its_owner),
	    STAGED(bad_addresses_are_refused),
	    STAGED(a_socket_is_private_and_goes_away),
	    STAGED(a_stale_socket_is_replaced),
	    STAGED(a_live_socket_is_left_alone),
	    STAGED(a_file_is_left_alone),
	    STAGED(bad_paths_are_refused),
	    STAGED(an_unknown_layout_is_refused),
	    STAGED(an_open_screen_is_warned_about),
	};

	log_init("test_listen", LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
