/* SPDX-License-Identifier: BSD-2-Clause */
/* A process of its own for what may hang; the contract is doctor.h. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "hostpci/doctor/doctor.h"

#define POLL_MS	    50
#define PROGRESS_MS 1000u
#define EXIT_MAX    125

struct guard {
	pid_t pid;
	int pidfd;
	char *watch; /* shared with the process */
	unsigned still_ms, total_ms;
	FILE *progress;
	bool told;
};

static uint64_t now_ms(void)
{
	return clock_host()->mono_ns(clock_host()) / NS_PER_MS;
}

static void progress_clear(struct guard *guard)
{
	if (guard->told)
		fprintf(guard->progress, "\r\033[K");
	if (guard->told)
		fflush(guard->progress);
}

static void progress_tell(struct guard *guard, const char *text,
			  uint64_t waited_ms)
{
	if (!guard->progress || waited_ms < PROGRESS_MS)
		return;
	guard->told = true;
	fprintf(guard->progress, "\r\033[Kreading %s (%llu s)", text,
		(unsigned long long)waited_ms / 1000);
	fflush(guard->progress);
}

/* 0 when the process has ended, -ETIMEDOUT when it hangs at `stuck`. */
static int guard_wait(struct guard *guard, char stuck[DOCTOR_WATCH_BYTES])
{
	struct pollfd pfd = {.fd = guard->pidfd, .events = POLLIN};
	uint64_t start = now_ms(), changed = start;
	char text[DOCTOR_WATCH_BYTES];

	stuck[0] = '\0';
	while (poll(&pfd, 1, POLL_MS) <= 0) {
		uint64_t now = now_ms();

		memcpy(text, guard->watch, sizeof(text));
		text[sizeof(text) - 1] = '\0';
		if (strcmp(text, stuck) != 0) {
			memcpy(stuck, text, sizeof(text));
			changed = now;
		}
		if (now - changed >= guard->still_ms ||
		    now - start >= guard->total_ms)
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

int doctor_guarded(doctor_guarded_fn *fn, void *ctx, unsigned still_ms,
		   unsigned total_ms, FILE *progress,
		   char ret_stuck[DOCTOR_WATCH_BYTES])
{
	struct guard guard = {
	    .still_ms = still_ms, .total_ms = total_ms, .progress = progress};
	int rc;

	guard.watch = mmap(NULL, DOCTOR_WATCH_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (guard.watch == MAP_FAILED)
		return -errno;
	fflush(NULL);
	guard.pid = fork();
	if (guard.pid == 0) {
		rc = fn(ctx, guard.watch);
		_exit(fflush(NULL) == 0 && rc >= 0 && rc <= EXIT_MAX
			  ? rc
			  : EXIT_MAX + 1);
	}
	rc = guard.pid < 0 ? -errno : 0;
	if (rc == 0) {
		guard.pidfd = (int)syscall(SYS_pidfd_open, guard.pid, 0);
		rc = guard.pidfd < 0 ? -errno : guard_wait(&guard, ret_stuck);
		progress_clear(&guard);
		rc = guard_end(&guard, rc);
		if (guard.pidfd >= 0)
			close(guard.pidfd);
	}
	munmap(guard.watch, DOCTOR_WATCH_BYTES);
	return rc;
}
