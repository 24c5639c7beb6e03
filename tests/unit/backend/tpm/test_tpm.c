/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the TPM back end against a fake swtpm and against a pseudo terminal
 * that plays a TPM of the host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <fcntl.h>
#include <pty.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

#include "backend/tpm/tpm_internal.h"
#include "fake_swtpm.h"
#include "spec/tpm.h"

#define BUFFER 3968u
#define WAIT_S 20

struct fixture {
	char dir[64];
	struct fake_swtpm swtpm;
	bool serving;
	struct cfg *root;
	struct tpm *tpm;
	struct err err;

	struct tpm_req req;
	struct tpm_header command;
	uint8_t bytes[BUFFER], response[BUFFER];
	sem_t done;
	int result;
};

static const struct tpm_timeouts patient = {20000, 20000, 20000};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/byway-tpm-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->swtpm.path, sizeof(f->swtpm.path), "%s/ctrl", f->dir);
	f->root = cfg_create();
	assert_non_null(f->root);
	sem_init(&f->done, 0, 0);
	*state = f;
	return 0;
}

static void serve(struct fixture *f)
{
	fake_swtpm_start(&f->swtpm);
	f->serving = true;
}

static void stop_serving(struct fixture *f)
{
	if (f->serving)
		fake_swtpm_stop(&f->swtpm);
	f->serving = false;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tpm_close(f->tpm);
	stop_serving(f);
	cfg_destroy(f->root);
	sem_destroy(&f->done);
	unlink(f->swtpm.path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static int try_open(struct fixture *f, const char *options,
		    const struct tpm_timeouts *timeouts)
{
	struct cfg *node;
	int r;

	assert_int_equal(cfg_make(f->root, "tpm", NULL, &node), 0);
	r = tpm_parse(node, options, &f->err);
	return r ? r : tpm_open_timed(node, BUFFER, timeouts, &f->err, &f->tpm);
}

static void open_swtpm(struct fixture *f, const struct tpm_timeouts *timeouts)
{
	char options[160];

	snprintf(options, sizeof(options), "swtpm,%s", f->swtpm.path);
	if (try_open(f, options, timeouts))
		fail_msg("%s", f->err.msg);
}

static void refused(struct fixture *f, const struct tpm_timeouts *timeouts,
		    int code, const char *format, ...) PRINTF_LIKE(4, 5);
static void refused(struct fixture *f, const struct tpm_timeouts *timeouts,
		    int code, const char *format, ...)
{
	char options[160], want[ERR_MSG_MAX];
	va_list ap;

	snprintf(options, sizeof(options), "swtpm,%s", f->swtpm.path);
	va_start(ap, format);
	vsnprintf(want, sizeof(want), format, ap);
	va_end(ap);
	assert_int_equal(try_open(f, options, timeouts), code);
	assert_string_equal(f->err.msg, want);
	assert_null(f->tpm);
}

/* ---- commands ---- */

static void command_done(struct tpm_req *req, int result)
{
	struct fixture *f = req->ctx;

	f->result = result;
	sem_post(&f->done);
}

static int submit(struct fixture *f, uint32_t code, uint32_t len)
{
	f->command = (struct tpm_header){.tag = htobe16(TPM_ST_NO_SESSIONS),
					 .size = htobe32(len),
					 .code = htobe32(code)};
	memcpy(f->bytes, &f->command, sizeof(f->command));
	f->req = (struct tpm_req){.command = f->bytes,
				  .command_len = len,
				  .response = f->response,
				  .response_max = sizeof(f->response),
				  .done = command_done,
				  .ctx = f};
	return tpm_submit(f->tpm, &f->req);
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

static int run(struct fixture *f, uint32_t code, uint32_t len)
{
	assert_int_equal(submit(f, code, len), 0);
	return wait_done(f);
}

/* Success, with the command's code as its data. */
static void expect_answer(struct fixture *f, uint32_t code)
{
	uint32_t word;

	assert_int_equal(run(f, code, 10), 14);
	memcpy(&word, f->response + 6, 4);
	assert_int_equal(be32toh(word), 0);
	memcpy(&word, f->response + 10, 4);
	assert_int_equal(be32toh(word), code);
}

/* ---- swtpm, as it should be ---- */

static void swtpm_is_started_in_order(void **state)
{
	static const uint8_t want[] = {
	    SWTPM_GET_CAPABILITY, SWTPM_SET_DATAFD, SWTPM_STOP,
	    SWTPM_SET_BUFFERSIZE, SWTPM_INIT,	    SWTPM_SET_LOCALITY};
	struct fixture *f = *state;

	serve(f);
	open_swtpm(f, &patient);
	stop_serving(f);
	assert_int_equal(f->swtpm.calls, sizeof(want));
	assert_memory_equal(f->swtpm.call, want, sizeof(want));
	assert_int_equal(f->swtpm.commands, 1);
}

static void commands_are_answered(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	serve(f);
	open_swtpm(f, &patient);
	for (i = 0; i < 100; i++)
		expect_answer(f, 0x100 + i);
	for (i = 10; i < BUFFER; i++)
		f->bytes[i] = (uint8_t)(i * 7);
	assert_int_equal(run(f, FAKE_ECHO, BUFFER), BUFFER);
	assert_memory_equal(f->response, f->bytes, BUFFER);
}

static void answers_in_pieces_are_put_together(void **state)
{
	struct fixture *f = *state;

	f->swtpm.trickle = true;
	serve(f);
	open_swtpm(f, &patient);
	expect_answer(f, 0x123);
	assert_int_equal(run(f, FAKE_ECHO, 200), 200);
	assert_memory_equal(f->response, f->bytes, 200);
}

static void one_command_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct tpm_req other = {.command = f->bytes, .command_len = 10};

	serve(f);
	open_swtpm(f, &patient);
	assert_int_equal(submit(f, FAKE_BLOCKING, 10), 0);
	assert_int_equal(tpm_submit(f->tpm, &other), -EBUSY);
	tpm_cancel(f->tpm);
	assert_int_equal(wait_done(f), 14);
	assert_memory_equal(f->response + 6, "\0\0\x09\x09", 4);
	expect_answer(f, 0x123);
}

static void a_cancel_reaches_swtpm_once(void **state)
{
	struct fixture *f = *state;

	serve(f);
	open_swtpm(f, &patient);
	/* Nothing to cancel. */
	tpm_cancel(f->tpm);
	expect_answer(f, 0x123);
	assert_int_equal(fake_swtpm_calls(&f->swtpm, SWTPM_CANCEL), 0);
	assert_int_equal(submit(f, FAKE_BLOCKING, 10), 0);
	tpm_cancel(f->tpm);
	assert_int_equal(wait_done(f), 14);
	assert_int_equal(fake_swtpm_calls(&f->swtpm, SWTPM_CANCEL), 1);
}

static void a_reset_starts_the_tpm_anew(void **state)
{
	struct fixture *f = *state;

	serve(f);
	open_swtpm(f, &patient);
	tpm_reset(f->tpm);
	assert_int_equal(fake_swtpm_calls(&f->swtpm, SWTPM_STOP), 2);
	assert_int_equal(fake_swtpm_calls(&f->swtpm, SWTPM_INIT), 2);
	expect_answer(f, 0x123);
	/* With a command in flight: it is cancelled first. */
	assert_int_equal(submit(f, FAKE_BLOCKING, 10), 0);
	tpm_reset(f->tpm);
	assert_int_equal(wait_done(f), 14);
	assert_int_equal(fake_swtpm_calls(&f->swtpm, SWTPM_INIT), 3);
	expect_answer(f, 0x124);
}

static bool is_running(struct fixture *f)
{
	bool running;

	pthread_mutex_lock(&f->tpm->lock);
	running = f->tpm->running;
	pthread_mutex_unlock(&f->tpm->lock);
	return running;
}

static void closing_does_not_wait_for_the_tpm(void **state)
{
	struct fixture *f = *state;

	serve(f);
	open_swtpm(f, &patient);
	assert_int_equal(submit(f, FAKE_BLOCKING, 10), 0);
	while (!is_running(f))
		;
	tpm_close(f->tpm);
	f->tpm = NULL;
	assert_int_equal(wait_done(f), -ECANCELED);
}

static void the_next_guest_can_connect(void **state)
{
	struct fixture *f = *state;
	int i;

	serve(f);
	for (i = 0; i < 3; i++) {
		open_swtpm(f, &patient);
		expect_answer(f, 0x123);
		tpm_close(f->tpm);
		f->tpm = NULL;
	}
	stop_serving(f);
	assert_int_equal(f->swtpm.clients, 3);
}

/* ---- swtpm, dead or mad ---- */

static void dead_from_now_on(struct fixture *f, int code)
{
	assert_int_equal(run(f, 0x123, 10), code);
	assert_int_equal(run(f, 0x124, 10), -EIO);
	tpm_cancel(f->tpm);
	tpm_reset(f->tpm);
	assert_int_equal(run(f, 0x125, 10), -EIO);
}

static void swtpm_dies_at_a_command(void **state)
{
	struct fixture *f = *state;

	f->swtpm.die_at = 2;
	serve(f);
	open_swtpm(f, &patient);
	dead_from_now_on(f, -ECONNRESET);
}

static void swtpm_died_between_commands(void **state)
{
	struct fixture *f = *state;

	serve(f);
	open_swtpm(f, &patient);
	expect_answer(f, 0x123);
	stop_serving(f);
	dead_from_now_on(f, -EPIPE);
}

static void swtpm_died_before_a_reset(void **state)
{
	struct fixture *f = *state;

	serve(f);
	open_swtpm(f, &patient);
	stop_serving(f);
	tpm_reset(f->tpm);
	assert_int_equal(run(f, 0x123, 10), -EIO);
}

static void swtpm_never_answers(void **state)
{
	static const struct tpm_timeouts hasty = {20000, 20000, 50};
	struct fixture *f = *state;

	f->swtpm.silent = true;
	serve(f);
	open_swtpm(f, &hasty);
	dead_from_now_on(f, -ETIMEDOUT);
}

static void answers_of_impossible_size(void **state)
{
	static const uint32_t sizes[] = {0, 9, BUFFER + 1, UINT32_MAX};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		f->swtpm.claim_size = sizes[i];
		f->swtpm.tag = 0;
		/* 0 cannot be claimed: more than is there, instead. */
		f->swtpm.surplus = sizes[i] ? 0 : 1;
		serve(f);
		open_swtpm(f, &patient);
		dead_from_now_on(f, -EPROTO);
		tpm_close(f->tpm);
		f->tpm = NULL;
		stop_serving(f);
	}
}

static void a_cancel_without_answer(void **state)
{
	static const struct tpm_timeouts hasty = {50, 20000, 200};
	struct fixture *f = *state;

	f->swtpm.mute = SWTPM_CANCEL;
	f->swtpm.silent = true;
	serve(f);
	open_swtpm(f, &hasty);
	assert_int_equal(submit(f, 0x123, 10), 0);
	tpm_cancel(f->tpm);
	assert_int_equal(wait_done(f), -ETIMEDOUT);
}

/* ---- what cannot be opened ---- */

static void wrong_options(void **state)
{
	static const char *const wrong[] = {"",
					    "swtpm",
					    ",x",
					    "swtpm,",
					    "swtpm,,version=2.0",
					    "a-very-long-type-of-tpm,/x"};
	struct fixture *f = *state;
	char want[160];
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(try_open(f, wrong[i], &patient), -EINVAL);
		snprintf(want, sizeof(want),
			 "tpm,%s: expected tpm,swtpm,SOCKET or"
			 " tpm,passthru,/dev/tpm0",
			 wrong[i]);
		assert_string_equal(f->err.msg, want);
	}
	assert_int_equal(try_open(f, "emulator,/x", &patient), -EINVAL);
	assert_string_equal(f->err.msg, "tpm: type \"emulator\" is not known;"
					" there are swtpm and passthru");
	assert_int_equal(try_open(f, "swtpm,/x,version=1.2", &patient),
			 -EINVAL);
	assert_string_equal(f->err.msg, "tpm: version=1.2: there is only 2.0");
	assert_int_equal(try_open(f, "swtpm,/x,version=2.0,verson=1", &patient),
			 -EINVAL);
	assert_non_null(strstr(f->err.msg, "verson"));
}

static void options_may_be_variables(void **state)
{
	struct fixture *f = *state;
	struct cfg *node;

	serve(f);
	assert_int_equal(cfg_make(f->root, "lpc.tpm", NULL, &node), 0);
	assert_int_equal(tpm_open(node, BUFFER, &f->err, &f->tpm), -EINVAL);
	assert_int_equal(cfg_set(node, "type", "swtpm", NULL), 0);
	assert_int_equal(cfg_set(node, "path", f->swtpm.path, NULL), 0);
	assert_int_equal(cfg_set(node, "version", "2.0", NULL), 0);
	assert_int_equal(tpm_open(node, BUFFER, &f->err, &f->tpm), 0);
	expect_answer(f, 0x123);
}

static void nobody_listens(void **state)
{
	struct fixture *f = *state;

	refused(f, &patient, -ENOENT,
		"tpm: %s: no swtpm listens there; start it first: swtpm socket"
		" --tpm2 --ctrl type=unixio,path=%s --tpmstate dir=DIR",
		f->swtpm.path, f->swtpm.path);
}

static void the_listener_is_gone(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct fixture *f = *state;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, f->swtpm.path, sizeof(addr.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	refused(f, &patient, -ECONNREFUSED,
		"tpm: %s: no swtpm listens there; start it first: swtpm socket"
		" --tpm2 --ctrl type=unixio,path=%s --tpmstate dir=DIR",
		f->swtpm.path, f->swtpm.path);
}

static void no_room_for_the_path(void **state)
{
	struct fixture *f = *state;
	char options[256];

	snprintf(options, sizeof(options), "swtpm,/%0120d", 0);
	assert_int_equal(try_open(f, options, &patient), -ENAMETOOLONG);
	assert_non_null(strstr(f->err.msg, "at most 107 characters"));
}

static void no_answer_on_the_control_channel(void **state)
{
	static const struct tpm_timeouts hasty = {50, 20000, 20000};
	struct fixture *f = *state;

	f->swtpm.mute = SWTPM_GET_CAPABILITY;
	serve(f);
	refused(f, &hasty, -ETIMEDOUT,
		"tpm: %s: no answer to \"get capability\"; is another guest"
		" connected, or is it not the socket of swtpm's --ctrl option?",
		f->swtpm.path);
}

static void swtpm_refuses(void **state)
{
	static const struct {
		unsigned command;
		const char *what;
	} call[] = {{SWTPM_SET_DATAFD, "set data descriptor"},
		    {SWTPM_STOP, "stop"},
		    {SWTPM_SET_BUFFERSIZE, "set buffer size"},
		    {SWTPM_INIT, "init"},
		    {SWTPM_SET_LOCALITY, "set locality"}};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(call); i++) {
		f->swtpm.refuse = call[i].command;
		serve(f);
		refused(f, &patient, -EREMOTEIO,
			"tpm: %s: swtpm refused \"%s\" with TPM result 0x9; its"
			" own log (--log) says more",
			f->swtpm.path, call[i].what);
		stop_serving(f);
	}
}

static void swtpm_is_too_old(void **state)
{
	struct fixture *f = *state;

	f->swtpm.abilities = 0x0fff;
	serve(f);
	refused(f, &patient, -ENOTSUP,
		"tpm: %s: this swtpm (abilities 0xfff) lacks some of 0x3409;"
		" 0.7 and later have them",
		f->swtpm.path);
}

static void swtpm_has_a_larger_buffer(void **state)
{
	struct fixture *f = *state;

	f->swtpm.buffer_min = 4096;
	serve(f);
	refused(f, &patient, -ENOTSUP,
		"tpm: %s: swtpm's messages of 4096 bytes do not fit into the"
		" 3968 of the guest's device",
		f->swtpm.path);
}

static void swtpm_plays_tpm_1(void **state)
{
	struct fixture *f = *state;

	f->swtpm.tag = TPM_ST_RSP_COMMAND;
	serve(f);
	refused(f, &patient, -ENODEV,
		"tpm: %s: a TPM 1.2; start swtpm with --tpm2", f->swtpm.path);
}

static void swtpm_dies_at_the_start(void **state)
{
	struct fixture *f = *state;

	f->swtpm.die_at = 1;
	serve(f);
	refused(f, &patient, -ECONNRESET,
		"tpm: %s: does not answer as a TPM: Connection reset by peer",
		f->swtpm.path);
}

/* ---- a TPM of the host ---- */

struct host_tpm {
	int master, slave;
	char path[64];
	pthread_t thread;
};

/* Answers what it gets with itself, until the other side is gone. */
static void *echo(void *ctx)
{
	struct host_tpm *host = ctx;
	uint8_t bytes[512];
	ssize_t n;

	while ((n = read(host->master, bytes, sizeof(bytes))) > 0)
		if (write(host->master, bytes, (size_t)n) != n)
			break;
	return NULL;
}

static void host_start(struct host_tpm *host)
{
	struct termios raw;

	assert_int_equal(
	    openpty(&host->master, &host->slave, host->path, NULL, NULL), 0);
	assert_int_equal(tcgetattr(host->slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(host->slave, TCSANOW, &raw), 0);
	assert_int_equal(pthread_create(&host->thread, NULL, echo, host), 0);
}

static void host_stop(struct host_tpm *host)
{
	close(host->slave);
	pthread_join(host->thread, NULL);
	close(host->master);
}

static void a_tpm_of_the_host(void **state)
{
	struct fixture *f = *state;
	struct host_tpm host;
	char options[96];

	host_start(&host);
	snprintf(options, sizeof(options), "passthru,%s,version=2.0",
		 host.path);
	if (try_open(f, options, &patient))
		fail_msg("%s", f->err.msg);
	f->bytes[11] = 0x5a;
	assert_int_equal(run(f, 0x123, 12), 12);
	assert_memory_equal(f->response, f->bytes, 12);
	/* It cannot be switched off, nor told to cancel. */
	tpm_reset(f->tpm);
	assert_int_equal(submit(f, 0x124, 12), 0);
	tpm_cancel(f->tpm);
	assert_int_equal(wait_done(f), 12);
	tpm_close(f->tpm);
	f->tpm = NULL;
	host_stop(&host);
}

static void a_tpm_of_the_host_cannot_be_opened(void **state)
{
	struct fixture *f = *state;
	char want[320], options[160];

	assert_int_equal(try_open(f, "passthru,/dev/no-tpm", &patient),
			 -ENOENT);
	assert_string_equal(f->err.msg,
			    "tpm: /dev/no-tpm: no such TPM; a host that has one"
			    " shows it as /dev/tpm0");
	serve(f);
	snprintf(options, sizeof(options), "passthru,%s", f->swtpm.path);
	assert_int_equal(try_open(f, options, &patient), -EINVAL);
	snprintf(want, sizeof(want),
		 "tpm: %s: not a device; for swtpm's socket write tpm,swtpm,%s",
		 f->swtpm.path, f->swtpm.path);
	assert_string_equal(f->err.msg, want);
}

static void a_device_that_is_no_tpm(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_open(f, "passthru,/dev/null", &patient),
			 -ECONNRESET);
	assert_string_equal(f->err.msg,
			    "tpm: /dev/null: does not answer as a TPM:"
			    " Connection reset by peer");
	assert_int_equal(try_open(f, "passthru,/dev/zero", &patient), -EPROTO);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(swtpm_is_started_in_order),
	    TEST(commands_are_answered),
	    TEST(answers_in_pieces_are_put_together),
	    TEST(one_command_at_a_time),
	    TEST(a_cancel_reaches_swtpm_once),
	    TEST(a_reset_starts_the_tpm_anew),
	    TEST(closing_does_not_wait_for_the_tpm),
	    TEST(the_next_guest_can_connect),
	    TEST(swtpm_dies_at_a_command),
	    TEST(swtpm_died_between_commands),
	    TEST(swtpm_died_before_a_reset),
	    TEST(swtpm_never_answers),
	    TEST(answers_of_impossible_size),
	    TEST(a_cancel_without_answer),
	    TEST(wrong_options),
	    TEST(options_may_be_variables),
	    TEST(nobody_listens),
	    TEST(the_listener_is_gone),
	    TEST(no_room_for_the_path),
	    TEST(no_answer_on_the_control_channel),
	    TEST(swtpm_refuses),
	    TEST(swtpm_is_too_old),
	    TEST(swtpm_has_a_larger_buffer),
	    TEST(swtpm_plays_tpm_1),
	    TEST(swtpm_dies_at_the_start),
	    TEST(a_tpm_of_the_host),
	    TEST(a_tpm_of_the_host_cannot_be_opened),
	    TEST(a_device_that_is_no_tpm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
