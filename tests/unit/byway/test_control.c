/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the control socket (byway/control.h): lines, and descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "byway/control.h"

#define STEPS	400
#define STEP_MS 25

struct scene {
	struct evloop *loop;
	struct cfg *root;
	struct control *control;
	char path[64];
	/* Of the commands that came. */
	unsigned commands, fds;
	char args[CONTROL_LINE_MAX];
	int taken; /* the first descriptor, where `take` */
	bool take;
};

static void on_command(void *ctx, enum control_command command,
		       const char *args, struct control_fds *fds, char *buf)
{
	struct scene *s = ctx;

	(void)command;
	s->commands++;
	s->fds = fds->count;
	snprintf(s->args, sizeof(s->args), "%s", args);
	for (unsigned i = 0; i < fds->count; i++)
		assert_int_equal(fcntl(fds->fd[i], F_GETFD), FD_CLOEXEC);
	if (s->take) {
		s->taken = fds->fd[0];
		fds->fd[0] = -1;
	}
	snprintf(buf, CONTROL_LINE_MAX - 1, "ok");
}

static void on_orphaned(void *ctx)
{
	(void)ctx;
}

static int setup(void **state)
{
	static const struct control_ops ops = {on_command, on_orphaned};
	struct scene *s = calloc(1, sizeof(*s));
	struct err err = {0};

	if (!s)
		return -1;
	s->taken = -1;
	snprintf(s->path, sizeof(s->path), "/tmp/byway-control-%d",
		 (int)getpid());
	assert_int_equal(evloop_create(&s->loop), 0);
	s->root = cfg_create();
	assert_int_equal(cfg_set(s->root, "control", s->path, &err), 0);
	if (control_create(s->root, s->loop, &ops, s, &err, &s->control))
		fail_msg("%s", err.msg);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	control_destroy(s->control);
	cfg_destroy(s->root);
	evloop_destroy(s->loop);
	if (s->taken >= 0)
		close(s->taken);
	free(s);
	return 0;
}

static int client(const struct scene *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, s->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

/* `text` with `count` descriptors of `pipe_end`. */
static void say(int fd, const char *text, int pipe_end, unsigned count)
{
	char space[CMSG_SPACE(64 * sizeof(int))]
	    __attribute__((aligned(_Alignof(struct cmsghdr)))) = {0};
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[64];

	for (unsigned i = 0; i < count; i++)
		fds[i] = pipe_end;
	if (count > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = space;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), strlen(text));
}

/* Until the client is answered or cut off: false then. */
static bool answered(struct scene *s, int fd)
{
	char line[CONTROL_LINE_MAX];
	ssize_t n = -1;

	for (unsigned i = 0; i < STEPS && n < 0; i++) {
		assert_int_equal(evloop_step(s->loop, STEP_MS), 0);
		n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	}
	if (n <= 0)
		return false;
	line[n] = '\0';
	assert_string_equal(line, "ok\n");
	return true;
}

/* Is an end of the pipe open anywhere but in `mine`? */
static bool is_open(int reader, int mine)
{
	struct pollfd pfd = {.fd = reader, .events = POLLIN};

	if (mine >= 0)
		close(mine);
	return poll(&pfd, 1, 0) == 0;
}

static void test_descriptors(void **state)
{
	struct scene *s = *state;
	int fd = client(s), ends[2];

	say(fd, "stats\n", -1, 0);
	assert_true(answered(s, fd));
	assert_int_equal(s->fds, 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	say(fd, "attach 8 group=12", ends[1], 1);
	say(fd, " group=13 3/0/0\n", ends[1], 1);
	assert_true(answered(s, fd));
	assert_string_equal(s->args, "8 group=12 group=13 3/0/0");
	assert_int_equal(s->fds, 2);
	/* Those that nobody took are closed, and are not the next line's. */
	assert_false(is_open(ends[0], ends[1]));
	close(ends[0]);
	say(fd, "slots\n", -1, 0);
	assert_true(answered(s, fd));
	assert_int_equal(s->fds, 0);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	s->take = true;
	say(fd, "attach 8 group=12 3/0/0\n", ends[1], 1);
	assert_true(answered(s, fd));
	assert_true(is_open(ends[0], ends[1]));
	close(s->taken);
	s->taken = -1;
	assert_false(is_open(ends[0], -1));
	close(ends[0]);
	close(fd);
}

/* More than a line can have, at once and in pieces; and none of them stays. */
static void test_too_many(void **state)
{
	static const unsigned counts[] = {CONTROL_FDS_MAX + 1, 64};
	struct scene *s = *state;
	int fd, ends[2];

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		fd = client(s);
		say(fd, "stats\n", ends[1], counts[i]);
		assert_false(answered(s, fd));
		assert_false(is_open(ends[0], ends[1]));
		close(ends[0]);
		close(fd);
	}
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fd = client(s);
	say(fd, "st", ends[1], CONTROL_FDS_MAX);
	say(fd, "ats\n", ends[1], 1);
	assert_false(answered(s, fd));
	assert_int_equal(s->commands, 0);
	assert_false(is_open(ends[0], ends[1]));
	close(ends[0]);
	close(fd);
	/* A client that leaves in the middle of a line takes them with it. */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fd = client(s);
	say(fd, "att", ends[1], 3);
	close(fd);
	close(ends[1]);
	for (unsigned i = 0; i < STEPS && is_open(ends[0], -1); i++)
		assert_int_equal(evloop_step(s->loop, STEP_MS), 0);
	assert_false(is_open(ends[0], -1));
	close(ends[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
