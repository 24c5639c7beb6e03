/* SPDX-License-Identifier: BSD-2-Clause */
/* The run lock of a guest; the contract is runlock.h. */
#include "vm/runlock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"

#define LOCK_NAME "run.lock"
#define INFO_NAME "run.info"
#define POLL_MS	  20u
/*
 * A `vm list` holds the lock for microseconds while it asks, and a starting
 * supervisor has not yet written its name: look again before believing.
 */
#define SETTLE_MS    300u
#define KILL_WAIT_MS 5000u
/* A supervisor that is clearing up after its guest is waited for. */
#define LEAVING_MS    5000u
#define INFO_TEXT_MAX 8192u

int run_info_format(const struct run_info *info, char *buf, size_t size)
{
	int len = snprintf(
	    buf, size,
	    "%s\nboot=%s\nsince=%" PRId64 "\nsupervisor=%d %" PRIu64
	    "\nbyway=%d %" PRIu64 "\ndevices=%s\nmanaged=%s\ntaps=%s\nvnc=%s\n"
	    "reached=%d\n",
	    info->host, info->boot, info->since, (int)info->supervisor.pid,
	    info->supervisor.start, (int)info->byway.pid, info->byway.start,
	    info->devices, info->managed, info->taps, info->vnc, info->reached);

	return len >= (int)size ? -E2BIG : len;
}

static struct proc_id proc_parse(const char *text)
{
	struct proc_id id = {0};
	int pid;
	uint64_t start;

	if (sscanf(text, "%d %" SCNu64, &pid, &start) == 2 && pid > 0)
		id = (struct proc_id){pid, start};
	return id;
}

static void field_parse(const char *line, struct run_info *info)
{
	const char *value = strchr(line, '=');
	size_t key;

	if (!value)
		return;
	key = (size_t)(value++ - line);
	if (key == 4 && !memcmp(line, "boot", key))
		snprintf(info->boot, sizeof(info->boot), "%s", value);
	else if (key == 5 && !memcmp(line, "since", key))
		info->since = strtoll(value, NULL, 10);
	else if (key == 10 && !memcmp(line, "supervisor", key))
		info->supervisor = proc_parse(value);
	else if (key == 5 && !memcmp(line, "byway", key))
		info->byway = proc_parse(value);
	else if (key == 7 && !memcmp(line, "devices", key))
		snprintf(info->devices, sizeof(info->devices), "%s", value);
	else if (key == 7 && !memcmp(line, "managed", key))
		snprintf(info->managed, sizeof(info->managed), "%s", value);
	else if (key == 4 && !memcmp(line, "taps", key))
		snprintf(info->taps, sizeof(info->taps), "%s", value);
	else if (key == 3 && !memcmp(line, "vnc", key))
		snprintf(info->vnc, sizeof(info->vnc), "%s", value);
	else if (key == 7 && !memcmp(line, "reached", key))
		info->reached = *value == '1';
}

void run_info_parse(const char *text, struct run_info *ret_info)
{
	struct run_info info = {0};
	char line[sizeof(info.devices) + 16];
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (first)
			snprintf(info.host, sizeof(info.host), "%.64s", line);
		else
			field_parse(line, &info);
		first = false;
		text += len;
		text += *text == '\n';
	}
	*ret_info = info;
}

static void info_read(int fd, struct run_info *ret_info)
{
	char text[INFO_TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	run_info_parse(text, ret_info);
}

static bool info_is_here(const struct run_info *info)
{
	char boot[BOOT_ID_MAX];

	boot_id(boot);
	return info->boot[0] && strcmp(info->boot, boot) == 0;
}

/* Of a lock that is held: a process that cannot be seen counts as there. */
static bool is_there(struct proc_id id)
{
	return proc_alive(id) || proc_hidden(id);
}

static enum run_state info_state(const struct run_info *info)
{
	if (!info_is_here(info))
		return RUN_LOCKED;
	if (is_there(info->byway) &&
	    (info->reached || !is_there(info->supervisor)))
		return RUN_RUNNING;
	if (is_there(info->supervisor))
		return RUN_STARTING;
	return RUN_LOCKED;
}

static void wait_ms(unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

/* Without the right to ask for the lock: what everybody may know. */
static enum run_state public_probe(const struct guest *guest,
				   struct run_info *ret_info)
{
	CLEANUP_CLOSE int fd =
	    openat(guest->dirfd, INFO_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	enum run_state state;

	if (fd < 0)
		return RUN_UNKNOWN;
	info_read(fd, ret_info);
	if (!info_is_here(ret_info))
		return RUN_UNKNOWN;
	state = info_state(ret_info);
	/* Its processes are gone: a crash left the files. */
	return state == RUN_LOCKED ? RUN_STOPPED : state;
}

enum run_state runlock_probe(const struct guest *guest,
			     struct run_info *ret_info)
{
	CLEANUP_CLOSE int fd =
	    openat(guest->dirfd, LOCK_NAME, O_RDONLY | O_CLOEXEC);
	enum run_state state;

	*ret_info = (struct run_info){0};
	if (fd < 0 && errno == EACCES)
		return public_probe(guest, ret_info);
	if (fd < 0)
		return errno == ENOENT ? RUN_STOPPED : RUN_UNKNOWN;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return RUN_STOPPED;
	/* A lock just taken may not have its text yet. */
	for (unsigned waited = 0;; waited += POLL_MS) {
		info_read(fd, ret_info);
		state = info_state(ret_info);
		if (state != RUN_LOCKED || ret_info->host[0] ||
		    waited >= SETTLE_MS)
			return state;
		wait_ms(POLL_MS);
		if (flock(fd, LOCK_SH | LOCK_NB) == 0)
			return RUN_STOPPED;
	}
}

void runlock_left(const struct guest *guest, struct run_info *ret_info)
{
	CLEANUP_CLOSE int fd =
	    openat(guest->dirfd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct run_info info;

	*ret_info = (struct run_info){0};
	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
		return;
	info_read(fd, &info);
	if (info_is_here(&info))
		*ret_info = info;
}

/* Is `fd` still what the name leads to? It is not after an unlink. */
static bool file_current(const struct guest *guest, int fd)
{
	struct stat by_fd, by_name;

	return fstat(fd, &by_fd) == 0 &&
	       fstatat(guest->dirfd, LOCK_NAME, &by_name,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
	       by_fd.st_ino == by_name.st_ino && by_fd.st_dev == by_name.st_dev;
}

/* One try: the locked file, -EWOULDBLOCK when held (ret_info says by whom). */
static int lock_try(const struct guest *guest, struct run_info *ret_info)
{
	for (;;) {
		CLEANUP_CLOSE int fd =
		    openat(guest->dirfd, LOCK_NAME,
			   O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		int rc;

		if (fd < 0)
			return -errno;
		rc = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
		info_read(fd, ret_info);
		if (rc < 0)
			return rc;
		if (file_current(guest, fd))
			return take_fd(fd);
	}
}

/* The guest is held and stays held: says by whom. */
static int held_error(const struct guest *guest, const struct run_info *info,
		      struct err *err)
{
	if (info->host[0] && !info_is_here(info))
		return err_set(err, -EALREADY, "%s: locked by host %s",
			       guest->name, info->host);
	if (info_state(info) == RUN_RUNNING)
		return err_set(err, -EALREADY, "%s: already running (pid %d)",
			       guest->name, (int)info->byway.pid);
	if (info_state(info) == RUN_STARTING)
		return err_set(err, -EALREADY,
			       "%s: already being started or stopped (pid %d)",
			       guest->name, (int)info->supervisor.pid);
	return err_set(err, -EALREADY,
		       "%s: %s/" LOCK_NAME
		       " is held by a process that vm did not start; "
		       "'fuser -v' on that file names it",
		       guest->name, guest->dir);
}

static bool is_orphan(const struct run_info *info)
{
	return info_is_here(info) && proc_alive(info->byway) &&
	       !proc_alive(info->supervisor);
}

/* How long a holder is waited for before it counts as there to stay. */
static unsigned held_patience_ms(const struct run_info *info)
{
	if (is_orphan(info))
		return RUNLOCK_ORPHAN_MS;
	/* Before or between two runs, or clearing up. */
	if (info_state(info) == RUN_STARTING && !is_there(info->byway))
		return LEAVING_MS;
	return SETTLE_MS;
}

static bool orphan_kill(const struct run_info *info)
{
	return is_orphan(info) && proc_signal(info->byway, SIGKILL) == 0 &&
	       proc_wait_gone(info->byway, KILL_WAIT_MS) == 0;
}

/* A byway of another user (runas.h) does not hold the lock, and is waited for
 * all the same: the last one's devices and disks are its until it is gone. */
static int orphan_wait(const struct guest *guest, const struct run_info *info,
		       struct err *err)
{
	if (!is_orphan(info) ||
	    proc_wait_gone(info->byway, RUNLOCK_ORPHAN_MS) == 0 ||
	    orphan_kill(info))
		return 0;
	return held_error(guest, info, err);
}

int runlock_take(const struct guest *guest, struct err *err,
		 struct runlock *ret_lock, struct run_info *ret_left)
{
	struct runlock lock = {.dirfd = guest->dirfd};
	struct run_info held;
	int rc;

	for (unsigned waited = 0;; waited += POLL_MS) {
		lock.fd = lock_try(guest, &held);
		if (lock.fd != -EWOULDBLOCK)
			break;
		if (waited >= held_patience_ms(&held)) {
			if (!orphan_kill(&held))
				return held_error(guest, &held, err);
			waited = 0;
		}
		wait_ms(POLL_MS);
	}
	if (lock.fd < 0)
		return err_cure_root(
		    err_sys(err, lock.fd, "%s/" LOCK_NAME, guest->dir), err);
	rc = orphan_wait(guest, &held, err);
	if (rc == 0 && fchmod(lock.fd, 0600) < 0)
		rc = err_sys(err, -errno, "%s/" LOCK_NAME, guest->dir);
	if (rc < 0) {
		runlock_close(&lock);
		return rc;
	}
	host_name(lock.info.host);
	boot_id(lock.info.boot);
	lock.info.since = clock_host()->wall_s(clock_host());
	lock.info.supervisor = proc_identify(getpid());
	/* What is left to be cleared away stays on record until it is. */
	strcpy(lock.info.taps, held.taps);
	/* The drivers of a former boot are not ours to undo. */
	if (info_is_here(&held))
		strcpy(lock.info.managed, held.managed);
	rc = runlock_write(&lock, err);
	if (rc < 0) {
		runlock_close(&lock);
		return rc;
	}
	*ret_left = held;
	*ret_lock = lock;
	return 0;
}

static int text_write(int fd, const char *text, size_t len)
{
	errno = 0;
	if (pwrite(fd, text, len, 0) != (ssize_t)len)
		return -1;
	return ftruncate(fd, (off_t)len);
}

int runlock_write(struct runlock *lock, struct err *err)
{
	CLEANUP_CLOSE int pub =
	    openat(lock->dirfd, INFO_NAME,
		   O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	char text[INFO_TEXT_MAX];
	int len = run_info_format(&lock->info, text, sizeof(text));

	if (pub < 0)
		return err_sys(err, -errno, INFO_NAME);
	if (len < 0)
		return err_set(err, len, LOCK_NAME ": too many devices");
	if (text_write(lock->fd, text, (size_t)len) < 0)
		return err_sys(err, errno ? -errno : -EIO, LOCK_NAME);
	if (text_write(pub, text, (size_t)len) < 0)
		return err_sys(err, errno ? -errno : -EIO, INFO_NAME);
	return 0;
}

void runlock_drop(struct runlock *lock)
{
	if (lock->fd >= 0) {
		unlinkat(lock->dirfd, INFO_NAME, 0);
		unlinkat(lock->dirfd, LOCK_NAME, 0);
	}
	runlock_close(lock);
}

void runlock_close(struct runlock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
