/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the TPM back end against the real swtpm (package swtpm). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "backend/tpm/tpm.h"
#include "spec/tpm.h"

#define BUFFER 3968u
#define WAIT_S 60

struct fixture {
	char dir[64], path[96];
	pid_t pid;
	struct cfg *root;
	struct tpm *tpm;
	struct err err;

	struct tpm_req req;
	uint8_t command[BUFFER], response[BUFFER];
	sem_t done;
	int result;
};

/* ---- swtpm ---- */

static void start_swtpm(struct fixture *f)
{
	time_t end = time(NULL) + WAIT_S;
	char ctrl[128], state[96];
	int status;

	snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s", f->path);
	snprintf(state, sizeof(state), "dir=%s", f->dir);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (!f->pid) {
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--ctrl", ctrl,
		       "--tpmstate", state, NULL);
		_exit(127);
	}
	while (access(f->path, F_OK)) {
		if (waitpid(f->pid, &status, WNOHANG) == f->pid)
			fail_msg("swtpm cannot be started (status 0x%x):"
				 " install package swtpm",
				 status);
		assert_true(time(NULL) < end);
		(void)poll(NULL, 0, 2);
	}
}

static void kill_swtpm(struct fixture *f)
{
	if (f->pid <= 0)
		return;
	kill(f->pid, SIGKILL);
	assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
	f->pid = 0;
}

/* The socket exists a moment before somebody listens. */
static void open_tpm(struct fixture *f)
{
	time_t end = time(NULL) + WAIT_S;
	struct cfg *node;
	int r;

	assert_int_equal(cfg_make(f->root, "tpm", NULL, &node), 0);
	assert_int_equal(cfg_set(node, "type", "swtpm", NULL), 0);
	assert_int_equal(cfg_set(node, "path", f->path, NULL), 0);
	while ((r = tpm_open(node, BUFFER, &f->err, &f->tpm)) ==
	       -ECONNREFUSED) {
		assert_true(time(NULL) < end);
		(void)poll(NULL, 0, 2);
	}
	if (r)
		fail_msg("%s", f->err.msg);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/byway-swtpm-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/ctrl", f->dir);
	f->root = cfg_create();
	sem_init(&f->done, 0, 0);
	start_swtpm(f);
	open_tpm(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	DIR *dir = opendir(f->dir);
	struct dirent *entry;

	tpm_close(f->tpm);
	kill_swtpm(f);
	while ((entry = readdir(dir)))
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(f->dir), 0);
	cfg_destroy(f->root);
	sem_destroy(&f->done);
	free(f);
	return 0;
}

/* ---- commands ---- */

static void command_done(struct tpm_req *req, int result)
{
	struct fixture *f = req->ctx;

	f->result = result;
	sem_post(&f->done);
}

static void submit(struct fixture *f, const void *command, size_t len)
{
	memcpy(f->command, command, len);
	f->req = (struct tpm_req){.command = f->command,
				  .command_len = len,
				  .response = f->response,
				  .response_max = sizeof(f->response),
				  .done = command_done,
				  .ctx = f};
	assert_int_equal(tpm_submit(f->tpm, &f->req), 0);
}

static int wait_done(struct fixture *f)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	if (sem_timedwait(&f->done, &end))
		fail_msg("no answer within %d s", WAIT_S);
	return f->result;
}

/* The response code; the test fails when there is no response. */
static uint32_t run(struct fixture *f, const void *command, size_t len)
{
	uint32_t code;

	submit(f, command, len);
	assert_in_range(wait_done(f), 10, BUFFER);
	memcpy(&code, f->response + 6, 4);
	return be32toh(code);
}

#define RUN(f, bytes) run((f), bytes, sizeof(bytes) - 1)

/* TPM 2.0 part 3: 9.3, 16.1, 22.2, 22.4, 10.2; SHA-256, PCR 16 */
#define STARTUP	   "\x80\x01\0\0\0\x0c\0\0\x01\x44\0\0"
#define GET_RANDOM "\x80\x01\0\0\0\x0c\0\0\x01\x7b\0\x10"
#define SELF_TEST  "\x80\x01\0\0\0\x0b\0\0\x01\x43\x01"
#define READ_PCR16 "\x80\x01\0\0\0\x14\0\0\x01\x7e\0\0\0\x01\0\x0b\x03\0\0\x01"
#define EXTEND_PCR16                                                         \
	"\x80\x02\0\0\0\x41\0\0\x01\x82\0\0\0\x10\0\0\0\x09\x40\0\0\x09\0\0" \
	"\0\0\0\0\0\0\x01\0\x0b"                                             \
	"0123456789abcdef0123456789abcdef"

static void pcr16(struct fixture *f, uint8_t digest[32])
{
	assert_int_equal(RUN(f, READ_PCR16), 0);
	assert_int_equal(f->result, 10 + 20 + 32);
	memcpy(digest, f->response + 30, 32);
}

static void it_is_a_tpm(void **state)
{
	struct fixture *f = *state;
	uint8_t first[16];

	/* Not started yet: TPM_RC_INITIALIZE. */
	assert_int_equal(RUN(f, GET_RANDOM), 0x100);
	assert_int_equal(RUN(f, STARTUP), 0);
	assert_int_equal(RUN(f, GET_RANDOM), 0);
	assert_int_equal(f->result, 12 + 16);
	memcpy(first, f->response + 12, 16);
	assert_int_equal(RUN(f, GET_RANDOM), 0);
	assert_memory_not_equal(first, f->response + 12, 16);
	/* Without its parameter: TPM_RC_INSUFFICIENT, parameter 1. */
	assert_int_equal(run(f, "\x80\x01\0\0\0\x0a\0\0\x01\x7b", 10), 0x1da);
}

static void a_reset_clears_the_registers(void **state)
{
	static const uint8_t zero[32];
	struct fixture *f = *state;
	uint8_t digest[32];

	assert_int_equal(RUN(f, STARTUP), 0);
	pcr16(f, digest);
	assert_memory_equal(digest, zero, 32);
	assert_int_equal(RUN(f, EXTEND_PCR16), 0);
	pcr16(f, digest);
	assert_memory_not_equal(digest, zero, 32);
	tpm_reset(f->tpm);
	assert_int_equal(RUN(f, GET_RANDOM), 0x100);
	assert_int_equal(RUN(f, STARTUP), 0);
	pcr16(f, digest);
	assert_memory_equal(digest, zero, 32);
}

static void the_next_guest_finds_it_switched_off(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(RUN(f, STARTUP), 0);
		tpm_close(f->tpm);
		open_tpm(f);
		assert_int_equal(RUN(f, GET_RANDOM), 0x100);
	}
}

static void a_cancel_does_no_harm(void **state)
{
	struct fixture *f = *state;
	int i;

	assert_int_equal(RUN(f, STARTUP), 0);
	for (i = 0; i < 20; i++) {
		submit(f, SELF_TEST, sizeof(SELF_TEST) - 1);
		tpm_cancel(f->tpm);
		assert_int_equal(wait_done(f), 10);
	}
	assert_int_equal(RUN(f, GET_RANDOM), 0);
}

static void it_dies(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(RUN(f, STARTUP), 0);
	kill_swtpm(f);
	submit(f, GET_RANDOM, sizeof(GET_RANDOM) - 1);
	assert_in_range(-wait_done(f), 1, 200);
	submit(f, GET_RANDOM, sizeof(GET_RANDOM) - 1);
	assert_int_equal(wait_done(f), -EIO);
	tpm_reset(f->tpm);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_is_a_tpm),
	    TEST(a_reset_clears_the_registers),
	    TEST(the_next_guest_finds_it_switched_off),
	    TEST(a_cancel_does_no_harm),
	    TEST(it_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
