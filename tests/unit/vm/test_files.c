/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of files of a guest's directory: rotated logs, the run lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <zlib.h>

#include "vm/logfile.h"
#include "vm/runlock.h"

struct fixture {
	char path[64];
	struct guest guest;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->path, "/tmp/byway-files-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	strcpy(f->guest.name, "demo");
	strcpy(f->guest.dir, f->path);
	f->guest.dirfd = open(f->path, O_RDONLY | O_DIRECTORY);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	DIR *dir = opendir(f->path);
	struct dirent *entry;

	while ((entry = readdir(dir)))
		unlinkat(f->guest.dirfd, entry->d_name, 0);
	closedir(dir);
	close(f->guest.dirfd);
	rmdir(f->path);
	free(f);
	return 0;
}

static off_t size_of(const struct fixture *f, const char *name)
{
	struct stat st;

	return fstatat(f->guest.dirfd, name, &st, 0) < 0 ? -1 : st.st_size;
}

static mode_t mode_of(const struct fixture *f, const char *name)
{
	struct stat st;

	return fstatat(f->guest.dirfd, name, &st, 0) < 0 ? 0
							 : st.st_mode & 07777;
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	struct logfile log;
	struct err err = {0};
	char chunk[65536];

	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(
	    logfile_open(&log, f->guest.dirfd, "l", 0600, false, &err), 0);
	for (int i = 0; i < 16; i++)
		logfile_write(&log, chunk, sizeof(chunk));
	assert_int_equal(size_of(f, "l"), LOGFILE_LIMIT);
	assert_int_equal(size_of(f, "l.0"), -1);
	logfile_write(&log, "new", 3);
	assert_int_equal(size_of(f, "l"), 3);
	assert_int_equal(size_of(f, "l.0"), LOGFILE_LIMIT);
	for (int i = 0; i < 17; i++)
		logfile_write(&log, chunk, sizeof(chunk));
	/* Only one old file is kept. */
	assert_int_equal(size_of(f, "l"), sizeof(chunk));
	assert_int_equal(size_of(f, "l.0"), LOGFILE_LIMIT + 3);
	logfile_close(&log);
	logfile_write(&log, "closed", 6);
	/* Appends to what is there. */
	assert_int_equal(
	    logfile_open(&log, f->guest.dirfd, "l", 0600, false, &err), 0);
	logfile_write(&log, "y", 1);
	assert_int_equal(size_of(f, "l"), sizeof(chunk) + 1);
	logfile_close(&log);
}

static void test_rotation_gzip(void **state)
{
	struct fixture *f = *state;
	struct logfile log;
	struct err err = {0};
	char chunk[65536], path[128], back[65536];
	size_t total = 0;
	gzFile gz;
	int n;

	memset(chunk, 'z', sizeof(chunk));
	for (int i = 0; i < 16; i++) {
		assert_int_equal(
		    logfile_open(&log, f->guest.dirfd, "l", 0644, true, &err),
		    0);
		logfile_write(&log, chunk, sizeof(chunk));
		logfile_close(&log);
	}
	/* The limit is looked at when the file is opened, too. */
	assert_int_equal(
	    logfile_open(&log, f->guest.dirfd, "l", 0644, true, &err), 0);
	assert_int_equal(size_of(f, "l"), 0);
	logfile_close(&log);
	snprintf(path, sizeof(path), "%s/l.0.gz", f->path);
	gz = gzopen(path, "rb");
	assert_non_null(gz);
	while ((n = gzread(gz, back, sizeof(back))) > 0) {
		for (int i = 0; i < n; i++)
			assert_int_equal(back[i], 'z');
		total += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(total, LOGFILE_LIMIT);
	gzclose(gz);
}

static void test_log_event(void **state)
{
	struct fixture *f = *state;
	struct logfile log;
	struct err err = {0};
	char line[256];
	int fd;

	assert_int_equal(
	    logfile_open(&log, f->guest.dirfd, "l", 0644, true, &err), 0);
	logfile_event(&log, "two\nlines %d", 7);
	logfile_close(&log);
	fd = openat(f->guest.dirfd, "l", O_RDONLY);
	memset(line, 0, sizeof(line));
	assert_true(read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	assert_int_equal(line[4], '-');
	assert_int_equal(line[10], 'T');
	assert_string_equal(line + 25, ": two lines 7\n");
	/* A link is not followed to somewhere else. */
	unlinkat(f->guest.dirfd, "l", 0);
	assert_int_equal(symlinkat("elsewhere", f->guest.dirfd, "l"), 0);
	assert_int_equal(
	    logfile_open(&log, f->guest.dirfd, "l", 0644, true, &err), -ELOOP);
}

static void test_timestamp(void **state)
{
	char text[TIMESTAMP_MAX];

	(void)state;
	setenv("TZ", "XYZ-05:30", 1);
	tzset();
	timestamp_format(0, text);
	assert_string_equal(text, "1970-01-01T05:30:00+05:30");
	setenv("TZ", "UTC", 1);
	tzset();
	timestamp_format(1700000000, text);
	assert_string_equal(text, "2023-11-14T22:13:20+00:00");
}

static void test_info_text(void **state)
{
	struct run_info info =
			    {
				.host = "h.example",
				.boot = "b-1",
				.since = 1700000000,
				.supervisor = {10, 11},
				.byway = {12, UINT64_MAX},
				.devices = "0000:03:00.0 0000:04:00.0",
				.taps = "tap0 x",
				.vnc = "[::1]:5902",
				.reached = true,
			    },
			back;
	char text[4096];

	(void)state;
	assert_true(run_info_format(&info, text, sizeof(text)) > 0);
	assert_int_equal(run_info_format(&info, text, 20), -E2BIG);
	assert_true(run_info_format(&info, text, sizeof(text)) > 0);
	run_info_parse(text, &back);
	assert_string_equal(back.host, info.host);
	assert_string_equal(back.boot, info.boot);
	assert_int_equal(back.since, info.since);
	assert_int_equal(back.supervisor.pid, 10);
	assert_int_equal(back.supervisor.start, 11);
	assert_int_equal(back.byway.pid, 12);
	assert_true(back.byway.start == UINT64_MAX);
	assert_string_equal(back.devices, info.devices);
	assert_string_equal(back.taps, info.taps);
	assert_string_equal(back.vnc, info.vnc);
	assert_true(back.reached);
	/* vm-bhyve's file holds only the name. */
	run_info_parse("only-host\n", &back);
	assert_string_equal(back.host, "only-host");
	assert_int_equal(back.byway.pid, 0);
	run_info_parse("h\nbyway=-5 1\nsupervisor=\nboot\n=x\n\n", &back);
	assert_int_equal(back.byway.pid, 0);
	run_info_parse("", &back);
	assert_string_equal(back.host, "");
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	struct runlock lock;
	struct run_info left, info;
	struct err err = {0};

	assert_int_equal(runlock_probe(&f->guest, &info), RUN_STOPPED);
	assert_int_equal(size_of(f, "run.lock"), -1);
	assert_int_equal(runlock_take(&f->guest, &err, &lock, &left), 0);
	assert_string_equal(left.host, "");
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_STARTING);
	assert_int_equal(info.supervisor.pid, getpid());
	lock.info.byway = proc_identify(getpid());
	strcpy(lock.info.taps, "tap9");
	assert_int_equal(runlock_write(&lock, &err), 0);
	/* A hypervisor is not yet a guest that runs. */
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_STARTING);
	lock.info.reached = true;
	assert_int_equal(runlock_write(&lock, &err), 0);
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_RUNNING);
	/* Nobody else may open it, or he could hold it. */
	assert_int_equal(mode_of(f, "run.lock"), 0600);
	assert_int_equal(mode_of(f, "run.info"), 0644);
	assert_int_equal(size_of(f, "run.info"), size_of(f, "run.lock"));
	/* A crash: the file stays, the lock does not. */
	runlock_close(&lock);
	assert_true(size_of(f, "run.lock") > 0);
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_STOPPED);
	assert_int_equal(runlock_take(&f->guest, &err, &lock, &left), 0);
	assert_string_equal(left.taps, "tap9");
	assert_string_equal(lock.info.taps, "tap9");
	runlock_drop(&lock);
	assert_int_equal(size_of(f, "run.lock"), -1);
	assert_int_equal(size_of(f, "run.info"), -1);
}

static void test_lock_held(void **state)
{
	struct fixture *f = *state;
	struct runlock lock, second;
	struct run_info left, info;
	struct err err = {0};
	char expected[64];

	assert_int_equal(runlock_take(&f->guest, &err, &lock, &left), 0);
	lock.info.byway = proc_identify(getpid());
	lock.info.reached = true;
	assert_int_equal(runlock_write(&lock, &err), 0);
	assert_int_equal(runlock_take(&f->guest, &err, &second, &left),
			 -EALREADY);
	snprintf(expected, sizeof(expected), "demo: already running (pid %d)",
		 (int)getpid());
	assert_string_equal(err.msg, expected);
	/* A host that got another name is the same host. */
	strcpy(lock.info.host, "other.example");
	assert_int_equal(runlock_write(&lock, &err), 0);
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_RUNNING);
	assert_int_equal(runlock_take(&f->guest, &err, &second, &left),
			 -EALREADY);
	assert_string_equal(err.msg, expected);
	/* Held through shared storage. */
	strcpy(lock.info.boot, "another");
	assert_int_equal(runlock_write(&lock, &err), 0);
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_LOCKED);
	assert_int_equal(runlock_write(&lock, &err), 0);
	assert_int_equal(runlock_take(&f->guest, &err, &second, &left),
			 -EALREADY);
	assert_string_equal(err.msg, "demo: locked by host other.example");
	runlock_drop(&lock);
}

/* The lock follows the descriptor into a child, as it does into byway. */
static void test_lock_inherited(void **state)
{
	struct fixture *f = *state;
	struct runlock lock;
	struct run_info left, info;
	struct err err = {0};
	int go[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(runlock_take(&f->guest, &err, &lock, &left), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	close(go[0]);
	lock.info.supervisor = (struct proc_id){0};
	lock.info.byway = proc_identify(pid);
	assert_int_equal(runlock_write(&lock, &err), 0);
	runlock_close(&lock);
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_RUNNING);
	assert_int_equal(info.byway.pid, pid);
	close(go[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(runlock_probe(&f->guest, &info), RUN_STOPPED);
}

static void test_proc(void **state)
{
	struct proc_id self = proc_identify(getpid()), child;
	struct proc_usage use;
	pid_t pid;

	(void)state;
	assert_true(proc_alive(self));
	self.start++;
	assert_false(proc_alive(self));
	assert_int_equal(proc_signal(self, 0), -ESRCH);
	assert_int_equal(proc_usage(self, &use), -ESRCH);
	self.start--;
	assert_int_equal(proc_signal(self, 0), 0);
	assert_int_equal(proc_usage(self, &use), 0);
	assert_true(use.resident_bytes > 0);
	assert_int_equal(proc_wait_gone(self, 1), -ETIMEDOUT);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	child = proc_identify(pid);
	assert_int_equal(proc_signal(child, SIGKILL), 0);
	assert_int_equal(proc_wait_gone(child, 5000), 0);
	/* A zombie is gone. */
	assert_false(proc_alive(child));
	waitpid(pid, NULL, 0);
	assert_int_equal(proc_wait_gone(child, 0), 0);
	assert_int_equal(proc_signal((struct proc_id){0}, SIGKILL), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rotation_gzip, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_log_event, setup, teardown),
	    cmocka_unit_test(test_timestamp),
	    cmocka_unit_test(test_info_text),
	    cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lock_held, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lock_inherited, setup,
					    teardown),
	    cmocka_unit_test(test_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
