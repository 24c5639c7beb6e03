/* SPDX-License-Identifier: BSD-2-Clause */
/* Running programs of the host; the contract is tool.h. */
#include "vm/tool.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"

/* Both streams of a running program. */
struct capture {
	int fd;
	char *text;
	size_t len;
};

static bool program_at(const char *dir, size_t dir_len, const char *name,
		       char *buf, size_t size)
{
	struct stat st;

	if (dir_len == 0 || dir[0] != '/' ||
	    snprintf(buf, size, "%.*s/%s", (int)dir_len, dir, name) >=
		(int)size)
		return false;
	return stat(buf, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(buf, X_OK) == 0;
}

int tool_find(const char *name, char *buf, size_t size)
{
	const char *lists[] = {getenv("PATH"),
			       "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin"};

	if (name[0] == '/')
		return snprintf(buf, size, "%s", name) < (int)size &&
			       access(name, X_OK) == 0
			   ? 0
			   : -ENOENT;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const char *list = lists[i];

		while (list && *list) {
			size_t len = strcspn(list, ":");

			if (program_at(list, len, name, buf, size))
				return 0;
			list += len;
			list += *list == ':';
		}
	}
	return -ENOENT;
}

bool tool_exists(const char *name)
{
	char path[PATH_MAX];

	return tool_find(name, path, sizeof(path)) == 0;
}

NORETURN static void tool_exec(const char *path, char *const *argv, int out,
			       int errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(out, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0)
		execv(path, argv);
	_exit(127);
}

/* One read; closes the stream at its end. What is too much is dropped. */
static void capture_read(struct capture *c)
{
	char data[4096];
	ssize_t n = read(c->fd, data, sizeof(data));
	size_t room = TOOL_OUTPUT_MAX - c->len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	memcpy(c->text + c->len, data, MIN((size_t)n, room));
	c->len += MIN((size_t)n, room);
}

static uint64_t now_ms(void)
{
	return clock_host()->mono_ns(clock_host()) / NS_PER_MS;
}

/* Until both streams have ended: 0, or -ETIMEDOUT. */
static int captures_read(struct capture c[2])
{
	uint64_t end = now_ms() + TOOL_TIMEOUT_S * 1000u;

	while (c[0].fd >= 0 || c[1].fd >= 0) {
		struct pollfd pfd[] = {{.fd = c[0].fd, .events = POLLIN},
				       {.fd = c[1].fd, .events = POLLIN}};
		uint64_t now = now_ms();

		if (now >= end || poll(pfd, 2, (int)(end - now)) == 0)
			return -ETIMEDOUT;
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents)
				capture_read(&c[i]);
	}
	return 0;
}

/* The last line that says something, as it can be shown. */
static const char *line_last(char *text)
{
	char *line = text, *found = text;

	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' && *p != '\n')
			*p = ' ';
	while ((line = strsep(&text, "\n")))
		if (line[strspn(line, " ")])
			found = line;
	return found + strspn(found, " ");
}

static int tool_wait(pid_t pid, const char *name, int rc, char *errors,
		     struct err *err)
{
	const char *last = line_last(errors);
	int status = 0;

	if (rc < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (rc < 0)
		return err_set(err, rc,
			       "%s: did not end within %u s and was ended",
			       name, TOOL_TIMEOUT_S);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (*last)
		return err_set(err, -EIO, "%s: %s", name, last);
	return err_set(err, -EIO, "%s: failed with status %d", name,
		       WIFEXITED(status) ? WEXITSTATUS(status)
					 : 128 + WTERMSIG(status));
}

static int pipes_open(int pipes[2][2])
{
	return pipe2(pipes[0], O_CLOEXEC) < 0 || pipe2(pipes[1], O_CLOEXEC) < 0
		   ? -errno
		   : 0;
}

int tool_run(const struct words *argv, struct err *err, char **ret_output)
{
	CLEANUP_FREE char *out = calloc(1, TOOL_OUTPUT_MAX + 1);
	CLEANUP_FREE char *errors = calloc(1, TOOL_OUTPUT_MAX + 1);
	int pipes[2][2] = {{-1, -1}, {-1, -1}};
	struct capture c[2];
	char path[PATH_MAX];
	pid_t pid;
	int rc = words_check(argv, err);

	if (rc < 0)
		return rc;
	if (!out || !errors)
		return err_set(err, -ENOMEM, "out of memory");
	if (tool_find(argv->word[0], path, sizeof(path)) < 0)
		return err_set(err, -ENOENT, "%s: not installed",
			       argv->word[0]);
	rc = pipes_open(pipes);
	pid = rc < 0 ? -1 : fork();
	if (pid == 0)
		tool_exec(path, argv->word, pipes[0][1], pipes[1][1]);
	if (rc == 0 && pid < 0)
		rc = -errno;
	for (int i = 0; i < 2; i++) {
		c[i] = (struct capture){.fd = pipes[i][0],
					.text = i ? errors : out};
		if (pipes[i][1] >= 0)
			close(pipes[i][1]);
	}
	if (rc == 0)
		rc = tool_wait(pid, argv->word[0], captures_read(c), errors,
			       err);
	else
		err_sys(err, rc, "%s: cannot be started", argv->word[0]);
	for (int i = 0; i < 2; i++)
		if (c[i].fd >= 0)
			close(c[i].fd);
	if (rc == 0)
		*ret_output = take_ptr(out);
	return rc;
}
