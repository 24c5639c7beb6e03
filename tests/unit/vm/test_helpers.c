/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of helper programs (vm/helpers.h) with fakes of them in PATH. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "place_fixture.h"
#include "vm/conserver.h"
#include "vm/helpers.h"
#include "vm/userdir.h"

#define DEADLINE_NS (20 * NS_PER_S)

/* Both note their pids and wait for SIGTERM. */
#define WAIT	"trap 'exit 0' TERM; while :; do sleep 0.02; done"
#define SWTPM	"echo $$ >>pids-tpm; " WAIT
#define STORAGE "echo $$ >>pids-disk; echo '{\"QMP\": {}}'; " WAIT

struct seen {
	struct fixture *f;
	struct evloop *loop;
	struct runas user;
	struct helpers helpers;
	unsigned ready;
	char failed[1024], lost[1024], output[4096];
};

static void on_ready(void *ctx)
{
	struct seen *seen = ctx;

	seen->ready++;
}

static void on_failed(void *ctx, const char *text)
{
	struct seen *seen = ctx;

	snprintf(seen->failed, sizeof(seen->failed), "%s", text);
}

static void on_lost(void *ctx, const char *text)
{
	struct seen *seen = ctx;

	snprintf(seen->lost, sizeof(seen->lost), "%s", text);
}

static void on_output(void *ctx, const void *data, size_t len)
{
	struct seen *seen = ctx;

	strncat(seen->output, data,
		MIN(len, sizeof(seen->output) - strlen(seen->output) - 1));
}

static const struct helpers_ops ops = {on_ready, on_failed, on_lost, on_output};

static int setup(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	void *f;

	if (!seen || fixture_setup(&f) < 0)
		return -1;
	seen->f = f;
	assert_int_equal(evloop_create(&seen->loop), 0);
	helpers_init(&seen->helpers, seen->loop, &seen->f->guest, &seen->user,
		     &ops, seen);
	fixture_file(f, "vms/demo/a.qcow2", "QFI\xfb\0\0\0\3", 8, 65536);
	fixture_program(f, "swtpm", SWTPM);
	fixture_program(f, "qemu-storage-daemon", STORAGE);
	*state = seen;
	return 0;
}

static int teardown(void **state)
{
	struct seen *seen = *state;
	void *f = seen->f;

	helpers_destroy(&seen->helpers);
	evloop_destroy(seen->loop);
	free(seen);
	return fixture_teardown(&f);
}

static void plan(struct seen *seen, const char *text)
{
	struct fixture *f = seen->f;

	fixture_conf(f, text);
	if (helpers_plan(&seen->helpers, &f->place, f->conf, &f->err) < 0)
		fail_msg("%s", f->err.msg);
}

static const char both[] = "disk0_type=nvme\ndisk0_name=a.qcow2\ntpm=yes\n";

/* Lets the loop work until *what is no longer `was`. */
static void step_until(struct seen *seen, const unsigned *ready, unsigned was,
		       const char *text)
{
	const struct clock *clock = clock_host();
	uint64_t end = clock->mono_ns(clock) + DEADLINE_NS;

	while ((ready ? *ready == was : !text[0]) &&
	       clock->mono_ns(clock) < end)
		assert_int_equal(evloop_step(seen->loop, 50), 0);
	assert_true(ready ? *ready != was : text[0]);
}

/* The last pid in a file of the guest's directory, and how many there are. */
static pid_t pid_in(const struct seen *seen, const char *name, int *ret_count)
{
	char path[PATH_MAX + 32];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "%s/%s", seen->f->guest.dir, name);
	file = fopen(path, "r");
	*ret_count = 0;
	while (file && fscanf(file, "%d", &pid) == 1)
		(*ret_count)++;
	if (file)
		fclose(file);
	return pid;
}

/* The pid of the `count`th one to have run, once it does. */
static pid_t pid_await(struct seen *seen, const char *name, int count)
{
	const struct clock *clock = clock_host();
	uint64_t end = clock->mono_ns(clock) + DEADLINE_NS;
	int there;
	pid_t pid;

	while ((pid = pid_in(seen, name, &there)) >= 0 && there < count &&
	       clock->mono_ns(clock) < end)
		assert_int_equal(evloop_step(seen->loop, 20), 0);
	assert_int_equal(there, count);
	return pid;
}

static bool exists(const struct seen *seen, const char *name)
{
	return faccessat(seen->f->guest.dirfd, name, F_OK, 0) == 0;
}

static void test_none(void **state)
{
	struct seen *seen = *state;

	plan(seen, "disk0_type=nvme\ndisk0_name=b.img\ntpm=no\n");
	assert_int_equal(seen->helpers.count, 0);
	helpers_start(&seen->helpers);
	assert_int_equal(seen->ready, 1);
}

static void test_argv(void **state)
{
	struct seen *seen = *state;
	struct disk disk = {.format = IMAGE_VMDK,
			    .path = "/a.vmdk",
			    .attach = "/vm/disk0.export"};
	CLEANUP_WORDS struct words argv = {0};
	CLEANUP_FREE char *text = NULL;

	(void)seen;
	helpers_disk_argv(&disk, NULL, false, &argv);
	text = words_join(&argv, ' ');
	assert_string_equal(
	    text,
	    "qemu-storage-daemon"
	    " --blockdev driver=file,node-name=file,filename=/a.vmdk,"
	    "discard=unmap"
	    " --blockdev driver=vmdk,node-name=disk,file=file,discard=unmap"
	    " --export type=fuse,id=disk,node-name=disk,"
	    "mountpoint=/vm/disk0.export,writable=on"
	    " --chardev stdio,id=monitor --monitor monitor");
	words_free(&argv);
	free(take_ptr(text));
	strcpy(disk.path, "/dev/sdz");
	disk.format = IMAGE_QCOW2;
	disk.readonly = true;
	helpers_disk_argv(&disk, "nodelete,nocache,ro", true, &argv);
	text = words_join(&argv, ' ');
	assert_string_equal(
	    text,
	    "qemu-storage-daemon"
	    " --blockdev driver=host_device,node-name=file,filename=/dev/sdz,"
	    "discard=ignore,cache.direct=on,read-only=on"
	    " --blockdev driver=qcow2,node-name=disk,file=file,discard=ignore,"
	    "cache.direct=on,read-only=on"
	    " --export type=fuse,id=disk,node-name=disk,"
	    "mountpoint=/vm/disk0.export,writable=off,allow-other=on"
	    " --chardev stdio,id=monitor --monitor monitor");
}

static void test_runs(void **state)
{
	struct seen *seen = *state;
	pid_t disk, tpm;

	plan(seen, both);
	assert_int_equal(seen->helpers.count, 2);
	helpers_start(&seen->helpers);
	assert_int_equal(seen->ready, 0);
	step_until(seen, &seen->ready, 0, NULL);
	disk = pid_await(seen, "pids-disk", 1);
	tpm = pid_await(seen, "pids-tpm", 1);
	assert_true(exists(seen, "tpm"));
	assert_true(exists(seen, "tpm.sock"));
	assert_true(exists(seen, "disk0.export"));
	/* They are there for the next run. */
	helpers_start(&seen->helpers);
	assert_int_equal(seen->ready, 2);
	assert_int_equal(pid_await(seen, "pids-tpm", 1), tpm);
	assert_int_equal(pid_await(seen, "pids-disk", 1), disk);
	helpers_destroy(&seen->helpers);
	assert_int_equal(kill(tpm, 0), -1);
	assert_int_equal(kill(disk, 0), -1);
	assert_true(exists(seen, "tpm"));
	assert_false(exists(seen, "tpm.sock"));
	assert_false(exists(seen, "disk0.export"));
	assert_string_equal(seen->failed, "");
	assert_string_equal(seen->lost, "");
}

/* One that does not heed SIGTERM is killed. */
static void test_deaf(void **state)
{
	struct seen *seen = *state;
	pid_t tpm;

	fixture_program(seen->f, "swtpm",
			"trap '' TERM; echo $$ >>pids-tpm; "
			"while :; do sleep 0.02; done");
	plan(seen, "tpm=yes\n");
	helpers_start(&seen->helpers);
	tpm = pid_await(seen, "pids-tpm", 1);
	helpers_destroy(&seen->helpers);
	assert_int_equal(kill(tpm, 0), -1);
}

static void test_fails(void **state)
{
	struct seen *seen = *state;

	fixture_program(seen->f, "qemu-storage-daemon",
			"echo noise; echo 'qemu-storage-daemon: --blockdev "
			"driver=file,filename=/a: Failed to get \"write\" "
			"lock' >&2; echo 'Is it in use?' >&2; exit 1");
	plan(seen, both);
	helpers_start(&seen->helpers);
	step_until(seen, NULL, 0, seen->failed);
	assert_string_equal(seen->failed,
			    "disk0: qemu-storage-daemon: Failed to get "
			    "\"write\" lock; Is it in use?");
	assert_int_equal(seen->ready, 0);
	assert_non_null(strstr(seen->output, "Failed to get"));
}

static void test_says_nothing(void **state)
{
	struct seen *seen = *state;

	fixture_program(seen->f, "qemu-storage-daemon", "kill -9 $$");
	plan(seen, both);
	helpers_start(&seen->helpers);
	step_until(seen, NULL, 0, seen->failed);
	assert_string_equal(seen->failed, "disk0: qemu-storage-daemon: was "
					  "killed by signal 9");
}

static void test_cannot_run(void **state)
{
	struct seen *seen = *state;

	fixture_file(seen->f, "bin/qemu-storage-daemon", "#!/nonexistent\n", 15,
		     15);
	plan(seen, both);
	helpers_start(&seen->helpers);
	step_until(seen, NULL, 0, seen->failed);
	assert_non_null(strstr(seen->failed, "No such file or directory"));
	assert_int_equal(seen->ready, 0);
}

/* Who connects to a TPM that is not there waits for nothing. */
static void test_tpm_dies(void **state)
{
	struct seen *seen = *state;
	struct sockaddr_un addr;
	struct pollfd pfd = {.events = POLLIN};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* It dies once somebody is connected, or after ten seconds. */
	fixture_program(seen->f, "swtpm",
			"n=0; while [ ! -e \"${0%/*}/die\" ] &&"
			" [ $((n += 1)) -lt 500 ]; do sleep 0.02; done;"
			" echo 'swtpm: no state today' >&2; exit 1");
	plan(seen, "tpm=yes\n");
	helpers_start(&seen->helpers);
	assert_int_equal(seen->ready, 1);
	console_address(seen->f->guest.dirfd, "tpm", &addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	fixture_file(seen->f, "bin/die", "", 0, 0);
	step_until(seen, NULL, 0, seen->lost);
	assert_string_equal(seen->lost, "swtpm: no state today");
	pfd.fd = fd;
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_true(pfd.revents & (POLLHUP | POLLERR));
	close(fd);
}

static void test_lost(void **state)
{
	struct seen *seen = *state;

	plan(seen, both);
	helpers_start(&seen->helpers);
	step_until(seen, &seen->ready, 0, NULL);
	assert_int_equal(kill(pid_await(seen, "pids-disk", 1), SIGKILL), 0);
	step_until(seen, NULL, 0, seen->lost);
	assert_string_equal(
	    seen->lost, "disk0: qemu-storage-daemon: was killed by signal 9");
	/* For the next run it is there again. */
	helpers_start(&seen->helpers);
	step_until(seen, &seen->ready, 1, NULL);
	pid_await(seen, "pids-disk", 2);
	/* So is a TPM, whatever its status. */
	seen->lost[0] = '\0';
	assert_int_equal(kill(pid_await(seen, "pids-tpm", 1), SIGTERM), 0);
	step_until(seen, NULL, 0, seen->lost);
	assert_string_equal(seen->lost, "swtpm: ended with status 0");
	helpers_start(&seen->helpers);
	pid_await(seen, "pids-tpm", 2);
	assert_int_equal(seen->ready, 3);
}

static void test_left(void **state)
{
	struct seen *seen = *state;

	fixture_file(seen->f, "vms/demo/disk3.export", "", 0, 0);
	fixture_file(seen->f, "vms/demo/tpm.sock", "", 0, 0);
	helpers_remove_left(&seen->f->guest);
	assert_false(exists(seen, "disk3.export"));
	assert_false(exists(seen, "tpm.sock"));
	assert_true(exists(seen, "a.qcow2"));
}

/* The user's: swtpm, and who may talk to it; the export of a disk. */
static void test_user(void **state)
{
	struct seen *seen = *state;
	const int dir = seen->f->guest.dirfd;
	char who[64] = "";
	bool moved;
	struct stat st;
	int fd = -1;

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(chmod(seen->f->root, 0755), 0);
	seen->user = (struct runas){
	    .on = true, .name = "nobody", .uid = 65534, .gid = 65534};
	assert_int_equal(userdir_settle(&seen->f->guest, seen->user.uid,
					&seen->f->err, &moved),
			 0);
	fixture_program(seen->f, "swtpm",
			"echo \"$(id -u) $(grep NoNewPrivs /proc/self/status)"
			" $*\" >run_as/new; mv run_as/new run_as/who; " WAIT);
	plan(seen, both);
	helpers_start(&seen->helpers);
	step_until(seen, &seen->ready, 0, NULL);
	assert_int_equal(fstatat(dir, "disk0.export", &st, 0), 0);
	assert_int_equal(st.st_uid, 65534);
	for (unsigned i = 0; i < 400 && fd < 0; i++) {
		assert_int_equal(evloop_step(seen->loop, 50), 0);
		fd = openat(dir, "run_as/who", O_RDONLY);
	}
	assert_true(fd >= 0);
	assert_true(read(fd, who, sizeof(who) - 1) > 0);
	close(fd);
	assert_non_null(strstr(who, "65534 NoNewPrivs:\t1 socket --tpm2 "
				    "--tpmstate dir=run_as"));
	assert_int_equal(fstatat(dir, "tpm.sock", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(faccessat(dir, "tpm", F_OK, 0), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_none),	T(test_argv),	  T(test_runs),
	    T(test_deaf),	T(test_fails),	  T(test_says_nothing),
	    T(test_cannot_run), T(test_tpm_dies), T(test_lost),
	    T(test_left),	T(test_user),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
