/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the screen's keys and port (vm/screen.h, vm/ports.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "place_fixture.h"
#include "vm/ports.h"
#include "vm/screen.h"

static int screen_of(struct fixture *f, const char *text, struct screen *screen)
{
	fixture_conf(f, text);
	return screen_parse(f->conf, &f->err, screen);
}

/* The same of a screen that is on. */
static int on_screen_of(struct fixture *f, const char *text,
			struct screen *screen)
{
	char all[256];

	snprintf(all, sizeof(all), "%sgraphics=yes\n", text);
	return screen_of(f, all, screen);
}

static void expect_address(struct fixture *f, const char *text,
			   const char *address, bool local)
{
	char buf[SCREEN_ADDRESS_MAX];
	struct screen screen;

	if (on_screen_of(f, text, &screen) < 0)
		fail_msg("%s: %s", text, f->err.msg);
	screen_address(&screen, buf);
	assert_string_equal(buf, address);
	assert_int_equal(screen_is_local(&screen), local);
}

static void refuse(struct fixture *f, const char *text, const char *sentence)
{
	struct screen screen;

	assert_int_equal(on_screen_of(f, text, &screen), -EINVAL);
	expect_err(f, sentence);
}

static void test_keys(void **state)
{
	struct fixture *f = *state;
	struct screen screen;

	assert_int_equal(screen_of(f, "cpu=1\n", &screen), 0);
	assert_false(screen.on);
	assert_false(screen.host_given);
	assert_int_equal(screen.port, 0);
	assert_int_equal(screen.wait, SCREEN_WAIT_AUTO);
	expect_address(f, "graphics_port=5902\n", "127.0.0.1:5902", true);
	expect_address(f, "graphics_port=1\ngraphics_listen=0.0.0.0\n",
		       "0.0.0.0:1", false);
	expect_address(f, "graphics_port=65535\ngraphics_listen=::1\n",
		       "[::1]:65535", true);
	expect_address(f, "graphics_port=5900\ngraphics_listen=::\n",
		       "[::]:5900", false);
	/* As bhyve has it. */
	expect_address(f, "graphics_port=5900\ngraphics_listen=[::1]\n",
		       "[::1]:5900", true);
	/* A screen that is off keeps nobody from starting. */
	assert_int_equal(
	    screen_of(f, "graphics=no\ngraphics_listen=x\n", &screen), 0);
	expect_address(f, "graphics_listen=/run/x:1.sock\n", "/run/x:1.sock",
		       true);
	assert_int_equal(screen_of(f,
				   "graphics=yes\ngraphics_res=1920x1080\n"
				   "graphics_wait=no\n",
				   &screen),
			 0);
	assert_true(screen.on);
	assert_int_equal(screen.width, 1920);
	assert_int_equal(screen.height, 1080);
	assert_int_equal(screen.wait, SCREEN_WAIT_NO);
	assert_int_equal(on_screen_of(f, "graphics_wait=yes\n", &screen), 0);
	assert_int_equal(screen.wait, SCREEN_WAIT_YES);
}

static void test_bad_keys(void **state)
{
	static const char *const sizes[] = {
	    "1920",	"1920x",    "1920x1080x", "639x480",
	    "3841x480", "640x479",  "640x2161",	  "-1x480",
	    "+640x480", " 640x480", "640X480",	  "640x 480"};
	static const char *const ports[] = {"0", "65536", "0x10", "-1", "x"};
	static const char *const hosts[] = {"localhost", "127.0.0",	"::g",
					    "/run/a,b",	 "[127.0.0.1]", "[::1"};
	struct fixture *f = *state;
	char text[64], sentence[256];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(text, sizeof(text), "graphics_res=\"%s\"\n", sizes[i]);
		snprintf(sentence, sizeof(sentence),
			 "F:1: graphics_res=\"%s\": expected WIDTHxHEIGHT from "
			 "640x480 to 3840x2160",
			 sizes[i]);
		refuse(f, text, sentence);
	}
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		snprintf(text, sizeof(text), "graphics_port=%s\n", ports[i]);
		snprintf(sentence, sizeof(sentence),
			 "F:1: graphics_port=\"%s\": expected a number from 1 "
			 "to 65535",
			 ports[i]);
		refuse(f, text, sentence);
	}
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		snprintf(text, sizeof(text), "graphics_listen=%s\n", hosts[i]);
		snprintf(sentence, sizeof(sentence),
			 "F:1: graphics_listen=\"%s\": expected an IP address "
			 "of this host such as 127.0.0.1, 0.0.0.0 or :: for "
			 "all, or the path of a unix socket",
			 hosts[i]);
		refuse(f, text, sentence);
	}
	refuse(f, "graphics_vga=yes\n",
	       "F:1: graphics_vga=\"yes\": expected io, on or off");
}

/* Listens on a port of its own choice; *ret_port is it. */
static int listen_somewhere(unsigned *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void test_ports(void **state)
{
	char owner[PORT_OWNER_MAX], pid[32];
	unsigned port;
	int fd = listen_somewhere(&port);

	(void)state;
	assert_int_equal(port_try("127.0.0.1", port), -EADDRINUSE);
	assert_int_equal(port_try("0.0.0.0", port), -EADDRINUSE);
	assert_int_equal(port_try("192.0.2.1", port), -EADDRNOTAVAIL);
	assert_int_equal(port_try("nonsense", port), -EINVAL);
	assert_true(port_listening(port));
	assert_true(port_owner(port, owner));
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	assert_non_null(strstr(owner, pid));
	close(fd);
	assert_int_equal(port_try("127.0.0.1", port), 0);
	assert_false(port_listening(port));
	assert_false(port_owner(port, owner));
}

static int reserve(struct fixture *f, const char *text, struct screen *screen)
{
	struct runlock lock = {.fd = -1, .dirfd = f->guest.dirfd};
	int rc = screen_of(f, text, screen);

	assert_int_equal(rc, 0);
	lock.fd = openat(f->guest.dirfd, "run.lock", O_RDWR | O_CREAT, 0600);
	assert_true(lock.fd >= 0);
	rc = screen_reserve(&f->place, &f->guest, f->conf, &lock, screen,
			    &f->err);
	if (rc == 0) {
		char address[SCREEN_ADDRESS_MAX];

		screen_address(screen, address);
		assert_string_equal(lock.info.vnc, screen->on ? address : "");
	}
	close(lock.fd);
	return rc;
}

/* Another guest of the place, with a lock that is held by us. */
static void other_guest(struct fixture *f, const char *conf, const char *vnc,
			struct guest *guest, struct runlock *lock)
{
	struct run_info left;

	fixture_mkdir(f, "vms/other");
	fixture_file(f, "vms/other/other.conf", conf, strlen(conf),
		     (off_t)strlen(conf));
	assert_int_equal(guest_open(&f->place, "other", &f->err, guest), 0);
	assert_int_equal(runlock_take(guest, &f->err, lock, &left), 0);
	strcpy(lock->info.vnc, vnc);
	assert_int_equal(runlock_write(lock, &f->err), 0);
}

static void test_reserve(void **state)
{
	struct fixture *f = *state;
	struct screen screen;
	char text[128], sentence[256], owner[PORT_OWNER_MAX];
	unsigned port;
	int fd = listen_somewhere(&port);

	assert_int_equal(reserve(f, "graphics=no\n", &screen), 0);
	assert_int_equal(screen.port, 0);
	assert_int_equal(reserve(f, "graphics=yes\n", &screen), 0);
	assert_in_range(screen.port, SCREEN_PORT_FIRST, SCREEN_PORT_LAST);
	snprintf(text, sizeof(text), "graphics=yes\ngraphics_port=%u\n", port);
	assert_int_equal(reserve(f, text, &screen), -EBUSY);
	assert_true(port_owner(port, owner));
	snprintf(sentence, sizeof(sentence),
		 "F:2: graphics_port=\"%u\": in use by %s", port, owner);
	expect_err(f, sentence);
	close(fd);
	assert_int_equal(reserve(f, text, &screen), 0);
	assert_int_equal(screen.port, port);
	assert_int_equal(reserve(f,
				 "graphics=yes\ngraphics_port=5900\n"
				 "graphics_listen=192.0.2.1\n",
				 &screen),
			 -EADDRNOTAVAIL);
	expect_err(f, "F: the screen at 192.0.2.1 port 5900: Cannot assign "
		      "requested address");
	assert_int_equal(
	    reserve(f, "graphics=yes\ngraphics_listen=/run/x\n", &screen), 0);
}

/* A guest that is only just starting does not listen yet: its lock tells. */
static void test_reserve_others(void **state)
{
	struct fixture *f = *state;
	struct guest other = GUEST_NONE;
	struct runlock lock;
	struct screen screen;
	char sentence[256];
	unsigned first;

	assert_int_equal(reserve(f, "graphics=yes\n", &screen), 0);
	first = screen.port;
	other_guest(f, "graphics=yes\ngraphics_port=5901\n", "127.0.0.1:5900",
		    &other, &lock);
	assert_int_equal(reserve(f, "graphics=yes\n", &screen), 0);
	assert_true(screen.port > first || first > 5901);
	assert_int_not_equal(screen.port, 5900);
	assert_int_not_equal(screen.port, 5901);
	assert_int_equal(
	    reserve(f, "graphics=yes\ngraphics_port=5900\n", &screen), -EBUSY);
	snprintf(sentence, sizeof(sentence),
		 "F:2: graphics_port=\"5900\": in use by guest 'other' (pid "
		 "%d)",
		 (int)getpid());
	expect_err(f, sentence);
	runlock_drop(&lock);
	guest_close(&other);
}

static void test_web_port(void **state)
{
	(void)state;
	assert_int_equal(screen_web_port(5900), 6080);
	assert_int_equal(screen_web_port(5902), 6082);
	assert_int_equal(screen_web_port(0), 6080);
	assert_int_equal(screen_web_port(65535), 6080);
}

int main(void)
{
#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_keys),
	    T(test_bad_keys),
	    cmocka_unit_test(test_ports),
	    T(test_reserve),
	    T(test_reserve_others),
	    cmocka_unit_test(test_web_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
