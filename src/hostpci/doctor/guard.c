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
	char *watch; /* shared with the process, the answer behind it */
	const struct doctor_deadline *deadline;
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

/* 0 when the process has ended, -ETIMEDOUT when it hangs at `stuck`. */
static int guard_wait(struct guard *guard, char *stuck)
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
		if (now - changed >= guard->deadline->still_ms ||
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
