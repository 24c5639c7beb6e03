/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes by pid and start time; the contract is proc.h. */
#include "vm/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"

/* Reads a small file of /proc; 0 bytes when it cannot be read. */
static size_t file_read(const char *path, char *buf, size_t size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

struct proc_stat {
	char state;
	uint64_t cpu_ticks, start, resident_pages;
};

static int proc_read_stat(pid_t pid, struct proc_stat *ret_stat)
{
	struct proc_stat st = {0};
	unsigned long long user, system, start, resident;
	char path[32], buf[1024], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!file_read(path, buf, sizeof(buf)))
		return -ESRCH;
	/* The name in parentheses may itself contain anything. */
	p = strrchr(buf, ')');
	if (!p ||
	    sscanf(
		p + 1,
		" %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d"
		" %*d %*d %*d %*d %llu %*u %llu",
		&st.state, &user, &system, &start, &resident) != 5)
		return -ESRCH;
	st.cpu_ticks = user + system;
	st.start = start;
	st.resident_pages = resident;
	*ret_stat = st;
	return 0;
}

struct proc_id proc_identify(pid_t pid)
{
	struct proc_stat st;

	if (pid <= 0 || proc_read_stat(pid, &st) < 0 || st.state == 'Z' ||
	    st.state == 'X')
		return (struct proc_id){0};
	return (struct proc_id){pid, st.start};
}

bool proc_alive(struct proc_id id)
{
	return id.pid > 0 && proc_identify(id.pid).pid == id.pid &&
	       proc_identify(id.pid).start == id.start;
}

bool proc_hidden(struct proc_id id)
{
	struct proc_stat st;

	return id.pid > 0 && proc_read_stat(id.pid, &st) < 0 &&
	       kill(id.pid, 0) < 0 && errno == EPERM;
}

/* A descriptor of exactly this process: the pid is checked once it is held. */
static int proc_open(struct proc_id id)
{
	CLEANUP_CLOSE int fd = id.pid > 0 ? pidfd_open(id.pid, 0) : -1;

	if (fd < 0)
		return id.pid > 0 ? -errno : -ESRCH;
	if (!proc_alive(id))
		return proc_hidden(id) ? -EPERM : -ESRCH;
	return take_fd(fd);
}

int proc_signal(struct proc_id id, int sig)
{
	CLEANUP_CLOSE int fd = proc_open(id);

	if (fd < 0)
		return fd;
	return pidfd_send_signal(fd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_wait_gone(struct proc_id id, unsigned timeout_ms)
{
	CLEANUP_CLOSE int fd = proc_open(id);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return fd == -ESRCH ? 0 : fd;
	return poll(&pfd, 1, (int)timeout_ms) > 0 ? 0 : -ETIMEDOUT;
}

int proc_usage(struct proc_id id, struct proc_usage *ret_usage)
{
	double hz = (double)sysconf(_SC_CLK_TCK), up, age;
	struct proc_stat st;
	char buf[64];

	if (!proc_alive(id) || proc_read_stat(id.pid, &st) < 0)
		return -ESRCH;
	if (!file_read("/proc/uptime", buf, sizeof(buf)) ||
	    sscanf(buf, "%lf", &up) != 1)
		return -EIO;
	age = up - (double)st.start / hz;
	*ret_usage = (struct proc_usage){
	    .cpu_percent =
		age > 0 ? 100.0 * (double)st.cpu_ticks / hz / age : 0,
	    .resident_bytes =
		st.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE),
	    .age_s = age > 0 ? (uint64_t)age : 0,
	};
	return 0;
}

void boot_id(char buf[BOOT_ID_MAX])
{
	file_read("/proc/sys/kernel/random/boot_id", buf, BOOT_ID_MAX);
	buf[strcspn(buf, "\n")] = '\0';
}

void host_name(char buf[HOST_NAME_SIZE])
{
	char name[HOST_NAME_SIZE] = "localhost";

	if (gethostname(name, sizeof(name)) < 0)
		strcpy(name, "localhost");
	name[sizeof(name) - 1] = '\0';
	strcpy(buf, name);
}
