/* SPDX-License-Identifier: BSD-2-Clause */
/* A process of its own for what may hang; the contract is doctor.h. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "hostpci/doctor/doctor.h"

#define POLL_MS	    50
#define STEP_MS	    500u /* at most so long between two looks: else we slept */
#define PROGRESS_MS 1000u
#define EXIT_MAX    125

/* What /proc says of a process; nothing when it says nothing. */
struct work {
	bool ready; /* it runs, or could if a processor were free */
	uint64_t user_ms, kernel_ms, waited_ms;
};

struct guard {
	pid_t pid;
	int pidfd;
	char *watch; /* shared with the process, the answer behind it */
	const struct doctor_deadline *deadline;
	uint64_t looked_ms;
	struct work work; /* of then */
	bool told;
};

static uint64_t now_ms(void)
{
	return clock_host()->mono_ns(clock_host()) / NS_PER_MS;
}

static void progress_clear(struct guard *guard)
{
	if (!guard->told)
		return;
	fprintf(guard->deadline->progress, "\r\033[K");
	fflush(guard->deadline->progress);
}

static void progress_tell(struct guard *guard, const char *text,
			  uint64_t waited_ms)
{
	FILE *out = guard->deadline->progress;

	if (!out || waited_ms < PROGRESS_MS)
		return;
	guard->told = true;
	fprintf(out, "\r\033[Kreading %s (%llu s)", text,
		(unsigned long long)waited_ms / 1000);
	fflush(out);
}

/* The file NAME of its folder in /proc; "" when there is none. */
static void proc_read(const struct guard *guard, const char *name, char *buf,
		      size_t size)
{
	CLEANUP_CLOSE int fd = -1;
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)guard->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, buf, size - 1);
	buf[MAX(n, (ssize_t)0)] = '\0';
}

static struct work work_look(const struct guard *guard)
{
	unsigned long long user = 0, kernel = 0, waited = 0;
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	const char *fields;
	char text[1024], state = '?';

	proc_read(guard, "stat", text, sizeof(text));
	fields = strrchr(text, ')'); /* its name may have anything before */
	if (fields)
		sscanf(fields,
		       ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
		       &state, &user, &kernel);
	proc_read(guard, "schedstat", text, sizeof(text));
	sscanf(text, "%*u %llu", &waited);
	return (struct work){
	    .ready = state == 'R',
	    .user_ms = user * 1000 / hz,
	    .kernel_ms = kernel * 1000 / hz,
	    .waited_ms = waited / NS_PER_MS,
	};
}

/*
 * How much of the time since the last look it hung. Computing is not hanging,
 * nor waiting for a processor, however long it takes; but time inside the
 * kernel is, for that is where the read of a dead device spins.
 */
static uint64_t hung_ms(struct guard *guard, uint64_t now)
{
	struct work was = guard->work, is = work_look(guard);
	uint64_t step = MIN(now - guard->looked_ms, (uint64_t)STEP_MS);
	uint64_t busy = is.user_ms - was.user_ms + is.waited_ms - was.waited_ms;

	guard->looked_ms = now;
	guard->work = is;
	if (is.ready)
		return MIN(step, is.kernel_ms - was.kernel_ms);
	return step - MIN(step, busy);
}

/* 0 when the process has ended, -ETIMEDOUT when it hangs at `stuck`. */
static int guard_wait(struct guard *guard, char *stuck)
{
	struct pollfd pfd = {.fd = guard->pidfd, .events = POLLIN};
	uint64_t start = now_ms(), changed = start, hung = 0;
	char text[DOCTOR_WATCH_BYTES];

	stuck[0] = '\0';
	guard->looked_ms = start;
	while (poll(&pfd, 1, POLL_MS) <= 0) {
		uint64_t now = now_ms();

		hung += hung_ms(guard, now);
		memcpy(text, guard->watch, sizeof(text));
		text[sizeof(text) - 1] = '\0';
		if (strcmp(text, stuck) != 0) {
			memcpy(stuck, text, sizeof(text));
			changed = now;
			hung = 0;
		}
		if (hung >= guard->deadline->still_ms ||
		    now - start >= guard->deadline->total_ms)
			return -ETIMEDOUT;
		progress_tell(guard, text, now - changed);
	}
	return 0;
}

static int guard_end(struct guard *guard, int rc)
{
	int status = 0;

	if (rc == -ETIMEDOUT) {
		kill(guard->pid, SIGKILL); /* works once the kernel is back */
		waitpid(guard->pid, NULL, WNOHANG);
		return rc;
	}
	while (waitpid(guard->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > EXIT_MAX)
		return -EIO;
	return WEXITSTATUS(status);
}

NORETURN static void process_main(doctor_guarded_fn *fn, void *ctx, char *watch)
{
	int rc;

	close_range(STDERR_FILENO + 1, ~0u, 0);
	rc = fn(ctx, watch, watch + DOCTOR_WATCH_BYTES);
	if (fflush(NULL) != 0 || rc < 0 || rc > EXIT_MAX)
		rc = EXIT_MAX + 1;
	_exit(rc);
}

int doctor_guarded(doctor_guarded_fn *fn, void *ctx,
		   const struct doctor_deadline *deadline,
		   char ret_text[DOCTOR_ANSWER_BYTES])
{
	const size_t size = DOCTOR_WATCH_BYTES + DOCTOR_ANSWER_BYTES;
	struct guard guard = {.deadline = deadline, .pidfd = -1};
	int rc;

	ret_text[0] = '\0';
	guard.watch = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (guard.watch == MAP_FAILED)
		return -errno;
	fflush(NULL);
	guard.pid = fork();
	if (guard.pid == 0)
		process_main(fn, ctx, guard.watch);
	rc = guard.pid < 0 ? -errno : 0;
	if (rc == 0) {
		guard.pidfd = (int)syscall(SYS_pidfd_open, guard.pid, 0);
		rc = guard.pidfd < 0 ? -errno : guard_wait(&guard, ret_text);
		progress_clear(&guard);
		rc = guard_end(&guard, rc);
	}
	if (rc >= 0)
		snprintf(ret_text, DOCTOR_ANSWER_BYTES, "%.*s",
			 (int)DOCTOR_ANSWER_BYTES - 1,
			 guard.watch + DOCTOR_WATCH_BYTES);
	if (guard.pidfd >= 0)
		close(guard.pidfd);
	munmap(guard.watch, size);
	return rc;
}
