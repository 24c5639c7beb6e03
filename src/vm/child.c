/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting and watching a child process; the contract is child.h. */
#include "vm/child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "proto/status.h"

/* Output still in the pipes of a dead child is taken up to this much. */
#define DRAIN_READS 256u

struct child_pipes {
	int status[2];
	int output[2];
};

void child_init(struct child *child, struct evloop *loop)
{
	*child = (struct child){
	    .loop = loop, .pidfd = -1, .status_fd = -1, .output_fd = -1};
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void status_stop(struct child *child)
{
	ev_fd_destroy(child->status_event);
	child->status_event = NULL;
	fd_close(&child->status_fd);
}

static void output_stop(struct child *child)
{
	ev_fd_destroy(child->output_event);
	child->output_event = NULL;
	fd_close(&child->output_fd);
}

void child_destroy(struct child *child)
{
	status_stop(child);
	output_stop(child);
	ev_fd_destroy(child->pid_event);
	child->pid_event = NULL;
	fd_close(&child->pidfd);
	child->id = (struct proc_id){0};
}

static void status_line(void *ctx, const char *line)
{
	struct child *child = ctx;

	if (child->ops->status)
		child->ops->status(child->ctx, line,
				   child->status_lines.overlong);
}

/* One read; false at the end or when there is nothing now. */
static bool status_read(struct child *child)
{
	char data[4096];
	ssize_t n = child->status_fd < 0
			? 0
			: read(child->status_fd, data, sizeof(data));

	if (n > 0)
		lines_feed(&child->status_lines, data, (size_t)n, status_line,
			   child);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		status_stop(child);
	return n > 0;
}

static bool output_read(struct child *child)
{
	char data[4096];
	ssize_t n = child->output_fd < 0
			? 0
			: read(child->output_fd, data, sizeof(data));

	if (n > 0 && child->ops->output)
		child->ops->output(child->ctx, data, (size_t)n);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		output_stop(child);
	return n > 0;
}

static void status_event(void *ctx, unsigned events)
{
	(void)events;
	(void)status_read(ctx);
}

static void output_event(void *ctx, unsigned events)
{
	(void)events;
	(void)output_read(ctx);
}

static void pid_event(void *ctx, unsigned events)
{
	struct child *child = ctx;
	const struct child_ops *ops = child->ops;
	siginfo_t info = {0};

	(void)events;
	if (waitid(P_PID, (id_t)child->id.pid, &info, WEXITED | WNOHANG) < 0 ||
	    info.si_pid == 0)
		return;
	/* A grandchild may keep the pipes open: take what is there. */
	for (unsigned i = 0; i < DRAIN_READS && status_read(child); i++)
		continue;
	lines_end(&child->status_lines, status_line, child);
	for (unsigned i = 0; i < DRAIN_READS && output_read(child); i++)
		continue;
	child_destroy(child);
	if (info.si_code == CLD_EXITED)
		ops->exited(child->ctx, info.si_status, false);
	else
		ops->exited(child->ctx, 128 + info.si_status, true);
}

static void signals_default(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The fixed numbers are below. */
#define PLACED_END (CHILD_EXTRA_FD + (int)CHILD_EXTRA_MAX)

/* Moves `fd` out of the way of the fixed numbers, then to `number`. */
static int fd_place(int fd, int number)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, PLACED_END);

	return high < 0 || dup2(high, number) < 0 ? -errno : 0;
}

static int descriptors_place(const struct child_spec *spec,
			     const struct child_pipes *pipes)
{
	CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int saved[4] = {null, pipes->output[1], pipes->status[1],
			spec->pass_fd};
	int extra[CHILD_EXTRA_MAX];

	/* Sources may sit on the numbers that are about to be filled. */
	for (size_t i = 0; i < ARRAY_LEN(saved); i++) {
		if (saved[i] < 0)
			continue;
		saved[i] = fcntl(saved[i], F_DUPFD_CLOEXEC, PLACED_END);
		if (saved[i] < 0)
			return -errno;
	}
	for (unsigned i = 0; i < spec->extras; i++) {
		extra[i] = fcntl(spec->extra[i], F_DUPFD_CLOEXEC, PLACED_END);
		if (extra[i] < 0)
			return -errno;
	}
	if (fd_place(saved[0], STDIN_FILENO) < 0 ||
	    fd_place(saved[1], STDOUT_FILENO) < 0 ||
	    fd_place(saved[1], STDERR_FILENO) < 0 ||
	    fd_place(saved[2], CHILD_STATUS_FD) < 0)
		return -errno;
	for (unsigned i = 0; i < spec->extras; i++)
		if (fd_place(extra[i], CHILD_EXTRA_FD + (int)i) < 0)
			return -errno;
	return spec->pass_fd < 0 ? 0 : fd_place(saved[3], CHILD_PASS_FD);
}

static void child_say(const char *text)
{
	struct status status = {.kind = STATUS_ERROR};
	char line[STATUS_LINE_MAX + 1];
	int len;

	snprintf(status.text, sizeof(status.text), "%s", text);
	len = status_format(&status, line, sizeof(line));
	if (len > 0)
		(void)!write(CHILD_STATUS_FD, line, (size_t)len);
	(void)!write(STDERR_FILENO, status.text, strlen(status.text));
	(void)!write(STDERR_FILENO, "\n", 1);
}

static void child_refuse(const char *what, int code)
{
	char text[900];

	snprintf(text, sizeof(text), "%.800s: %s", what, strerror(code));
	child_say(text);
}

NORETURN static void child_exec(const struct child *child,
				const struct child_spec *spec,
				const struct child_pipes *pipes)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct err err = {0};

	signals_default();
	if (spec->own_group)
		(void)!setpgid(0, 0);
	if (fchdir(spec->cwd_fd) < 0 || descriptors_place(spec, pipes) < 0)
		_exit(127);
	if (child->ops->prepare && child->ops->prepare(child->ctx) != 0) {
		child_refuse("run.lock", errno);
		_exit(127);
	}
	if (spec->nice != 0 && setpriority(PRIO_PROCESS, 0, spec->nice) < 0) {
		child_refuse("priority", errno);
		_exit(127);
	}
	/* Where it may not be raised, byway says what the limit refuses. */
	if (spec->unlimited_memlock)
		(void)!setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (child->ops->drop && child->ops->drop(child->ctx, &err) != 0) {
		child_say(err.msg);
		_exit(127);
	}
	execv(spec->argv[0], spec->argv);
	child_refuse(spec->argv[0], errno);
	_exit(127);
}

/* The parent's side: descriptors, events. */
static int child_watch(struct child *child, struct child_pipes *pipes)
{
	int rc;

	child->pidfd = pidfd_open(child->id.pid, 0);
	if (child->pidfd < 0)
		return -errno;
	child->status_fd = take_fd(pipes->status[0]);
	child->output_fd = take_fd(pipes->output[0]);
	rc = ev_fd_create(child->loop, child->status_fd, EV_IN, status_event,
			  child, &child->status_event);
	if (rc == 0)
		rc = ev_fd_create(child->loop, child->output_fd, EV_IN,
				  output_event, child, &child->output_event);
	if (rc == 0)
		rc = ev_fd_create(child->loop, child->pidfd, EV_IN, pid_event,
				  child, &child->pid_event);
	return rc;
}

static int pipes_open(struct child_pipes *pipes)
{
	*pipes = (struct child_pipes){{-1, -1}, {-1, -1}};
	if (pipe2(pipes->status, O_CLOEXEC) < 0 ||
	    pipe2(pipes->output, O_CLOEXEC) < 0)
		return -errno;
	/* Only our ends: a child that writes fast shall wait, not fail. */
	if (fcntl(pipes->status[0], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(pipes->output[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static void pipes_close(struct child_pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&pipes->status[i]);
		fd_close(&pipes->output[i]);
	}
}

int child_start(struct child *child, const struct child_spec *spec,
		const struct child_ops *ops, void *ctx, struct err *err)
{
	struct child_pipes pipes;
	int rc = pipes_open(&pipes);
	pid_t pid = -1;

	child->ops = ops;
	child->ctx = ctx;
	child->status_lines = (struct lines){0};
	if (rc == 0) {
		pid = fork();
		if (pid == 0)
			child_exec(child, spec, &pipes);
		rc = pid < 0 ? -errno : 0;
	}
	if (rc == 0) {
		/* Here and in the child: whoever comes first. */
		if (spec->own_group)
			(void)!setpgid(pid, pid);
		child->own_group = spec->own_group;
		child->id = proc_identify(pid);
		child->id.pid = pid;
		rc = child_watch(child, &pipes);
		if (rc < 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			child_destroy(child);
		}
	}
	pipes_close(&pipes);
	if (rc < 0)
		return err_sys(err, rc, "%s: cannot be started", spec->argv[0]);
	return 0;
}

void child_signal(const struct child *child, int sig)
{
	/* Not reaped yet, so the number is still its. */
	if (child->pidfd >= 0 && child->own_group)
		(void)!kill(-child->id.pid, sig);
	else if (child->pidfd >= 0)
		(void)!pidfd_send_signal(child->pidfd, sig, NULL, 0);
}
