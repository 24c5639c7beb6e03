/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Acting on the live system: writes to sysfs that may hang, loading a module,
 * probing a block device.
 *
 * The module is loaded by running modprobe, not through libkmod: it honours
 * the administrator's modprobe.d in the same way with a third of the code and
 * no library, and the outcome is judged by sysfs anyhow.
 */
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "hostpci/hostpci_internal.h"

#define PAUSE_NS (10 * NS_PER_MS)

/* Closes all files but `keep`, in rising order, -1 for none. */
static void files_close(const int *keep, size_t count)
{
	unsigned from = 0;

	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

/*
 * The process that writes. It keeps the lock of the function (journal.c) and
 * nothing else, so that nobody waits for a pipe it inherited.
 */
static NORETURN void writer_main(const struct hostpci *host, int result_fd,
				 const char *path, const char *text)
{
	int keep[3] = {host->root_fd, host->lock_fd, result_fd};
	size_t len = strlen(text);
	int fd, code = 0;

	for (size_t i = 1; i < 3; i++)
		for (size_t j = i; j > 0 && keep[j] < keep[j - 1]; j--) {
			int other = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = other;
		}
	files_close(keep, 3);
	errno = 0;
	fd = openat(host->root_fd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		code = errno ? errno : EIO;
	if (write(result_fd, &code, sizeof(code)) != sizeof(code))
		_exit(1);
	_exit(0);
}

static int host_write(struct hostpci *host, const char *path, const char *text,
		      unsigned timeout_ms)
{
	CLEANUP_CLOSE int in = -1;
	CLEANUP_CLOSE int out = -1;
	struct pollfd poll_fd;
	int pipe_fds[2], code = EIO, rc;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	in = pipe_fds[0];
	out = pipe_fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		writer_main(host, out, path, text);
	close(take_fd(out));
	poll_fd = (struct pollfd){.fd = in, .events = POLLIN};
	do
		rc = poll(&poll_fd, 1, (int)timeout_ms);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return -ETIMEDOUT;
	if (read(in, &code, sizeof(code)) != sizeof(code))
		code = EIO;
	/* Where the program ignores SIGCHLD nobody is left to wait for. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -code;
}

static int host_load(struct hostpci *host, const char *module)
{
	char *const argv[] = {(char *)"modprobe", (char *)"--", (char *)module,
			      NULL};
	char *const env[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
			     NULL};
	posix_spawn_file_actions_t files;
	int rc, status = 0;
	pid_t pid;

	if (!host->real)
		return -ENOTSUP;
	rc = posix_spawn_file_actions_init(&files);
	if (rc)
		return -rc;
	for (int fd = 0; fd <= 2 && rc == 0; fd++)
		rc = posix_spawn_file_actions_addopen(
		    &files, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn(&pid, "/sbin/modprobe", &files, NULL, argv,
				 env);
	posix_spawn_file_actions_destroy(&files);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* Only where the answer is about this machine and we may ask. */
static int host_claim(struct hostpci *host, const char *name)
{
	CLEANUP_CLOSE int fd = -1;
	char path[NAME_MAX + 8], number[32], expected[32];
	struct stat st;

	if (!host->real || geteuid() != 0)
		return 0;
	snprintf(path, sizeof(path), "/dev/%s", name);
	for (char *c = path; *c; c++)
		if (*c == '!')
			*c = '/';
	if (sysfs_text(host, number, sizeof(number), "sys/class/block/%s/dev",
		       name) < 0 ||
	    stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	snprintf(expected, sizeof(expected), "%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	if (strcmp(number, expected) != 0)
		return 0;
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 && errno == EBUSY ? -EBUSY : 0;
}

static uint64_t host_now_ns(struct hostpci *host UNUSED)
{
	return clock_host()->mono_ns(clock_host());
}

static void host_pause(struct hostpci *host UNUSED)
{
	struct timespec ts = {.tv_nsec = PAUSE_NS};

	nanosleep(&ts, NULL);
}

const struct hostpci_kernel *kernel_host(void)
{
	static const struct hostpci_kernel kernel = {
	    .write = host_write,
	    .load = host_load,
	    .claim = host_claim,
	    .now_ns = host_now_ns,
	    .pause = host_pause,
	};

	return &kernel;
}
