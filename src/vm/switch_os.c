/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs, files and processes for switches; the contract is switch.h. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "vm/proc.h"
#include "vm/switch.h"
#include "vm/tool.h"

#define RUN_DEADLINE_MS 20000
#define END_DEADLINE_MS 5000u
#define OUTPUT_MAX	65536u
#define LINE_SHOWN	200

static int memory_file(const char *text)
{
	CLEANUP_CLOSE int fd = memfd_create("vm", MFD_CLOEXEC);
	size_t len = text ? strlen(text) : 0;

	if (fd < 0)
		return -errno;
	if (len > 0 && write(fd, text, len) != (ssize_t)len)
		return -EIO;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return take_fd(fd);
}

NORETURN static void program_exec(const char *path, char *const argv[],
				  int input, int output)
{
	static char *const environment[] = {"LC_ALL=C",
					    "PATH=/usr/sbin:/usr/bin", NULL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") == 0 && dup2(input, STDIN_FILENO) >= 0 &&
	    dup2(output, STDOUT_FILENO) >= 0 &&
	    dup2(output, STDERR_FILENO) >= 0)
		execve(path, argv, environment);
	_exit(127);
}

/* The exit status, or a negative errno. */
static int program_wait(pid_t pid)
{
	CLEANUP_CLOSE int pidfd = pidfd_open(pid, 0);
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};
	int status, ready = 1;

	if (pidfd >= 0)
		do {
			ready = poll(&poller, 1, RUN_DEADLINE_MS);
		} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (ready == 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static char *output_read(int fd)
{
	char *text = malloc(OUTPUT_MAX + 1);
	ssize_t n = text ? pread(fd, text, OUTPUT_MAX, 0) : -1;

	if (text)
		text[MAX(n, (ssize_t)0)] = '\0';
	return text;
}

static int failure_say(const char *name, int status, const char *output,
		       struct err *err)
{
	const char *line = output ? output : "";
	size_t len = strlen(name);

	line += strspn(line, "\n ");
	/* Programs like to begin with their own name. */
	if (strncmp(line, name, len) == 0 && strncmp(line + len, ": ", 2) == 0)
		line += len + 2;
	if (*line)
		return err_set(
		    err, -EIO, "%s: %.*s", name,
		    (int)MIN(strcspn(line, "\n"), (size_t)LINE_SHOWN), line);
	return err_set(err, -EIO, "%s: ended with status %d", name, status);
}

static int host_run(const struct switch_os *os, char *const argv[],
		    const char *input, struct err *err, char **ret_output)
{
	CLEANUP_CLOSE int in = memory_file(input), out = memory_file(NULL);
	CLEANUP_FREE char *output = NULL;
	char path[PATH_MAX];
	pid_t pid;
	int rc;

	(void)os;
	if (tool_find(argv[0], path, sizeof(path)) < 0)
		return err_set(err, -ENOENT, "%s is not installed", argv[0]);
	if (in < 0 || out < 0)
		return err_sys(err, MIN(in, out), "%s", argv[0]);
	pid = fork();
	if (pid == 0)
		program_exec(path, argv, in, out);
	rc = pid < 0 ? -errno : program_wait(pid);
	if (rc < 0)
		return err_sys(err, rc, "%s", argv[0]);
	output = output_read(out);
	if (rc > 0)
		return failure_say(argv[0], rc, output, err);
	if (!output)
		return err_set(err, -ENOMEM, "out of memory");
	if (ret_output)
		*ret_output = take_ptr(output);
	return 0;
}

static int host_read(const struct switch_os *os, const char *path, char *buf,
		     size_t size, size_t *ret_len)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	(void)os;
	if (fd < 0)
		return -errno;
	while (n > 0 && len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += (size_t)MAX(n, (ssize_t)0);
	}
	buf[len] = '\0';
	*ret_len = len;
	return 0;
}

static int host_write(const struct switch_os *os, const char *path,
		      const char *text)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)os;
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static void host_remove(const struct switch_os *os, const char *path)
{
	(void)os;
	(void)!unlink(path);
}

static int host_mkdir(const struct switch_os *os, const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	(void)os;
	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int host_end(const struct switch_os *os, int pid)
{
	struct proc_id id = proc_identify(pid);
	int rc;

	(void)os;
	if (id.pid == 0)
		return 0;
	rc = proc_signal(id, SIGTERM);
	if (rc == 0)
		rc = proc_wait_gone(id, END_DEADLINE_MS);
	if (rc == -ETIMEDOUT) {
		rc = proc_signal(id, SIGKILL);
		if (rc == 0)
			rc = proc_wait_gone(id, END_DEADLINE_MS);
	}
	return rc == -ESRCH ? 0 : rc;
}

static const struct switch_os_ops host_ops = {
    .run = host_run,
    .read = host_read,
    .write = host_write,
    .remove = host_remove,
    .mkdir = host_mkdir,
    .end = host_end,
};

const struct switch_os switch_os_host = {&host_ops};
