/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop of a supervisor: prestart script, byway, what next.
 *
 * Theory of operation
 *
 * Everything is driven by the event loop: run_begin() starts the prestart
 * script, then the helpers, then byway; the child's `exited` callback leads on.
 * byway's status pipe says when the guest runs, how devices were reset, and why
 * byway ends; its last line of output stands in when it dies without a word.
 *
 * A stop is a SIGTERM to the supervisor, which presses the guest's power
 * button and remembers the wish for STOP_WINDOW_NS: a guest that was just
 * rebooting then stays down instead of swallowing the wish. A prestart script
 * and a byway whose guest does not run yet are ended, first with SIGTERM.
 *
 * Nothing is waited for without end: `deadline` runs while a script runs and
 * until the guest does; between two runs of a guest that reboots at once it is
 * the pause. Only a guest that begins when somebody looks at its screen may
 * take its time from the moment the screen is there, which is looked for every
 * LOOK_NS: no program may connect to find out, it would be somebody looking.
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "proto/status.h"
#include "vm/supervisor.h"

#define STOP_WINDOW_NS (120 * NS_PER_S)
#define KILL_AFTER_NS  (10 * NS_PER_S)
#define LOOK_NS	       (100 * NS_PER_MS)
/* Shorter than `vm poweroff` waits. */
#define SCRIPT_KILL_AFTER_NS (5 * NS_PER_S)

static const char stopped_early[] = "stopped before the guest ran";

static void run_begin(struct supervisor *sup);

static uint64_t now_ns(void)
{
	return clock_host()->mono_ns(clock_host());
}

static bool stop_is_wanted(const struct supervisor *sup)
{
	return sup->stop_wanted_ns != 0 &&
	       now_ns() - sup->stop_wanted_ns < STOP_WINDOW_NS;
}

static void loop_end(struct supervisor *sup)
{
	sup->phase = PHASE_IDLE;
	evloop_stop(sup->loop);
}

/* The guest stays down and `text` is why. */
static void loop_fail(struct supervisor *sup, const char *text)
{
	logfile_event(&sup->log, "fatal; %s", text);
	supervisor_checkup(sup, true);
	supervisor_report(sup, "failed", "%s", text);
	loop_end(sup);
}

static bool restart_take(struct supervisor *sup)
{
	return unlinkat(sup->guest.dirfd, "restart", 0) == 0;
}

/* Is the guest to stay down? A wish to restart is used up here. */
static bool stop_holds(struct supervisor *sup)
{
	if (!stop_is_wanted(sup))
		return false;
	if (!sup->ever || !restart_take(sup))
		return true;
	sup->stop_wanted_ns = 0;
	return false;
}

/* Prints that begin with the program's name do not need it twice. */
static const char *words_strip(const char *line)
{
	return strncmp(line, "byway: ", 7) == 0 ? line + 7 : line;
}

/* Why byway ended, in its own words as far as it had any. */
static void words_byway(const struct supervisor *sup, int status, bool signaled,
			char *buf, size_t size)
{
	if (sup->last_error[0])
		snprintf(buf, size, "%s", sup->last_error);
	else if (sup->last_output[0])
		snprintf(buf, size, "%s", words_strip(sup->last_output));
	else if (signaled)
		snprintf(buf, size, "byway was killed by signal %d (%s)",
			 status - 128, strsignal(status - 128));
	else
		snprintf(buf, size,
			 "byway ended with status %d without saying why",
			 status);
}

/* What it needed and lost may be the reason behind its reason. */
static void words_last(const struct supervisor *sup, int status, bool signaled,
		       char *buf, size_t size)
{
	size_t len;

	words_byway(sup, status, signaled, buf, size);
	len = strlen(buf);
	if (sup->last_helper[0])
		snprintf(buf + len, size - len, " (%.600s)", sup->last_helper);
}

static void lock_update(struct supervisor *sup)
{
	struct err err = {0};

	if (runlock_write(&sup->lock, &err) < 0)
		logfile_event(&sup->log, "warning; %s", err.msg);
}

static void byway_status(void *ctx, const char *line, bool cut)
{
	struct supervisor *sup = ctx;
	struct status st;

	if (cut || status_parse(line, &st) < 0) {
		logfile_event(
		    &sup->log,
		    "warning; byway sent a status line that is not understood: "
		    "%.60s",
		    line);
		return;
	}
	switch (st.kind) {
	case STATUS_RUNNING:
		sup->reached = true;
		sup->ever = true;
		ev_timer_disarm(sup->deadline);
		ev_timer_disarm(sup->look);
		sup->lock.info.reached = true;
		lock_update(sup);
		supervisor_report(sup, "running", "%d", (int)sup->child.id.pid);
		break;
	case STATUS_DEVICE:
		supervisor_device_event(sup, &st);
		break;
	case STATUS_ATTACHED:
	case STATUS_DETACHED:
		supervisor_device_moved(sup, &st);
		lock_update(sup);
		break;
	case STATUS_LOG:
		logfile_event(&sup->log, "%s", st.text);
		break;
	case STATUS_ERROR:
		strcpy(sup->last_error, st.text);
		break;
	case STATUS_EXIT:
		if (st.exit_status > 2 && !sup->last_error[0])
			strcpy(sup->last_error, st.text);
		break;
	}
}

static void output_line(void *ctx, const char *line)
{
	struct supervisor *sup = ctx;
	char *to = sup->last_output;

	if (!line[strspn(line, " \t\r")])
		return;
	/* It may end up on a terminal: text only. Both have the same size. */
	for (; *line; line++)
		*to++ = iscntrl((unsigned char)*line) ? ' ' : *line;
	*to = '\0';
}

static void child_output(void *ctx, const void *data, size_t len)
{
	struct supervisor *sup = ctx;

	logfile_write(&sup->output, data, len);
	lines_feed(&sup->output_lines, data, len, output_line, sup);
}

static void deadline_passed(void *ctx)
{
	struct supervisor *sup = ctx;

	if (sup->phase == PHASE_PAUSE) {
		sup->phase = PHASE_IDLE;
		run_begin(sup);
		return;
	}
	if (sup->phase == PHASE_IDLE)
		return;
	if (sup->phase == PHASE_HELPERS) {
		loop_fail(sup, "swtpm or qemu-storage-daemon did not get "
			       "ready in time; bhyve.log has what they said");
		return;
	}
	if (!sup->killing && sup->phase == PHASE_PRESTART)
		logfile_event(
		    &sup->log,
		    "warning; the prestart script did not end within %llu s "
		    "and is ended",
		    (unsigned long long)(sup->start_timeout_ns / NS_PER_S));
	else if (!sup->killing)
		snprintf(
		    sup->last_error, sizeof(sup->last_error),
		    "the guest did not run within %llu s; byway was ended",
		    (unsigned long long)(sup->start_timeout_ns / NS_PER_S));
	child_signal(&sup->child, sup->killing ? SIGKILL : SIGTERM);
	sup->killing = true;
	ev_timer_arm(sup->deadline, KILL_AFTER_NS);
}

static void log_end(struct supervisor *sup, const struct run_result *result,
		    bool signaled, char *words, size_t size)
{
	words_last(sup, result->status, signaled, words, size);
	logfile_event(&sup->log, "bhyve exited with status %d", result->status);
	if (!run_is_orderly(result))
		logfile_event(&sup->log, " [last words: %s]", words);
}

/* After a reboot: at once, or after a pause when reboots come too fast. */
static void run_next(struct supervisor *sup, const struct run_result *result)
{
	bool braking = sup->brake_ms > 0;
	unsigned pause = 0;

	if (run_is_orderly(result) && !result->restart_file)
		pause =
		    run_brake(result->lived_ms, sup->fast_ms, &sup->brake_ms);
	if (pause == 0) {
		run_begin(sup);
		return;
	}
	if (!braking)
		logfile_event(&sup->log,
			      "warning; the guest rebooted within %u ms; "
			      "as long as it does, its runs are delayed by %u "
			      "to %u s",
			      sup->fast_ms, DECIDE_BRAKE_FIRST_MS / 1000,
			      DECIDE_BRAKE_LAST_MS / 1000);
	sup->phase = PHASE_PAUSE;
	ev_timer_arm(sup->deadline, pause * NS_PER_MS);
}

static void byway_exited(void *ctx, int status, bool signaled)
{
	struct supervisor *sup = ctx;
	struct run_result result = {
	    .status = status,
	    .reached = sup->reached,
	    .ever = sup->ever,
	    .lived_ms = (now_ns() - sup->run_began_ns) / NS_PER_MS,
	    .stop_wanted = stop_is_wanted(sup),
	};
	char words[STATUS_LINE_MAX];

	ev_timer_disarm(sup->deadline);
	ev_timer_disarm(sup->look);
	lines_end(&sup->output_lines, output_line, sup);
	for (unsigned i = 0; i < PLAN_COMS; i++)
		if (sup->console[i])
			console_drain(sup->console[i]);
	sup->phase = PHASE_IDLE;
	sup->exit_status = status;
	runas_settle(&sup->user);
	sup->lock.info.byway = (struct proc_id){0};
	supervisor_devices_as_configured(sup);
	sup->lock.info.reached = false;
	lock_update(sup);
	log_end(sup, &result, signaled, words, sizeof(words));
	result.restart_file = restart_take(sup);
	if (supervisor_goes_on(sup, &result)) {
		run_begin(sup);
		return;
	}
	switch (run_decide(&sup->policy, &result, &sup->bad_runs)) {
	case RUN_NEXT_START:
		sup->stop_wanted_ns = 0;
		logfile_event(&sup->log, "restarting");
		run_next(sup, &result);
		break;
	case RUN_NEXT_STOP:
		loop_end(sup);
		break;
	case RUN_NEXT_FAILED:
		loop_fail(sup, result.stop_wanted ? stopped_early : words);
		break;
	case RUN_NEXT_GIVE_UP:
		logfile_event(
		    &sup->log,
		    "fatal; %u runs in a row failed within %u s each, giving "
		    "up",
		    sup->bad_runs, DECIDE_LIVED_MS / 1000);
		loop_end(sup);
		break;
	}
}

/* In the child: the lock file names the process before it is byway. */
static int byway_prepare(void *ctx)
{
	struct supervisor *sup = ctx;

	/* Our numbers of the descriptors have other meanings already; we are
	 * in the guest's directory. */
	sup->lock.fd = CHILD_PASS_FD;
	sup->lock.dirfd = AT_FDCWD;
	sup->lock.info.byway = proc_identify(getpid());
	return runlock_write(&sup->lock, NULL);
}

static int byway_drop(void *ctx, struct err *err)
{
	struct supervisor *sup = ctx;

	return runas_drop(&sup->user, err);
}

static const struct child_ops byway_ops = {
    .status = byway_status,
    .output = child_output,
    .exited = byway_exited,
    .prepare = byway_prepare,
    .drop = byway_drop,
};

static void log_words(struct supervisor *sup, const char *label,
		      const struct words *words)
{
	CLEANUP_FREE char *text = words_join(words, ' ');

	logfile_event(&sup->log, " [%s: %s]", label, text ? text : "");
}

/* The screen of a guest that waits for somebody to look at it. */
static void screen_look(void *ctx)
{
	struct supervisor *sup = ctx;

	if (sup->phase != PHASE_BYWAY || sup->reached || sup->killing)
		return;
	if (!screen_is_there(&sup->screen)) {
		ev_timer_arm(sup->look, LOOK_NS);
		return;
	}
	ev_timer_disarm(sup->deadline);
	logfile_event(&sup->log, "waiting for a viewer at %s",
		      sup->lock.info.vnc);
	supervisor_report(sup, "waiting", "%d %s", (int)sup->child.id.pid,
			  sup->lock.info.vnc);
}

static void log_command(struct supervisor *sup, const struct plan *plan)
{
	log_words(sup, "bhyve options", &plan->options);
	log_words(sup, "bhyve devices", &plan->devices);
	log_words(sup, "bhyve console", &plan->console);
	if (plan->iso.count > 0)
		log_words(sup, "bhyve iso device", &plan->iso);
}

static void byway_begin(struct supervisor *sup)
{
	unsigned as = sup->run == 0 ? 0 : 1;
	const struct plan *plan = &sup->run_as[as].plan;
	struct child_spec spec = {
	    .argv = sup->run_as[as].argv.word,
	    .cwd_fd = sup->guest.dirfd,
	    .pass_fd = sup->lock.fd,
	    .extra = sup->user.fd,
	    .extras = sup->user.count,
	    .nice = atoi(conf_get_or(sup->conf, "priority", "0")),
	    .unlimited_memlock = plan_may_pin(sup->conf),
	};
	char header[TIMESTAMP_MAX + 40];
	struct err err = {0};

	sup->run++;
	log_command(sup, plan);
	logfile_event(&sup->log, "starting bhyve (run %u)", sup->run);
	timestamp_format(clock_host()->wall_s(clock_host()), header);
	strcat(header, ": ");
	snprintf(header + strlen(header), 32, "run %u\n", sup->run);
	logfile_write(&sup->output, header, strlen(header));
	unlinkat(sup->guest.dirfd, "control.sock", 0);
	sup->reached = false;
	sup->killing = false;
	sup->last_error[0] = sup->last_output[0] = sup->last_helper[0] = '\0';
	sup->output_lines = (struct lines){0};
	sup->run_began_ns = now_ns();
	if (runas_listen(&sup->user, &sup->guest, &err) < 0 ||
	    child_start(&sup->child, &spec, &byway_ops, sup, &err) < 0) {
		loop_fail(sup, err.msg);
		return;
	}
	sup->phase = PHASE_BYWAY;
	/* The child has written this into the file; keep our copy the same. */
	sup->lock.info.byway = sup->child.id;
	ev_timer_arm(sup->deadline, sup->start_timeout_ns);
	if (plan->waits)
		ev_timer_arm(sup->look, LOOK_NS);
}

static void helpers_ready(void *ctx)
{
	struct supervisor *sup = ctx;

	if (sup->phase != PHASE_HELPERS)
		return;
	ev_timer_disarm(sup->deadline);
	sup->phase = PHASE_IDLE;
	byway_begin(sup);
}

static void helpers_failed(void *ctx, const char *text)
{
	struct supervisor *sup = ctx;

	if (sup->phase == PHASE_HELPERS)
		loop_fail(sup, text);
}

static void helper_lost(void *ctx, const char *text)
{
	struct supervisor *sup = ctx;

	logfile_event(&sup->log, "warning; %s", text);
	snprintf(sup->last_helper, sizeof(sup->last_helper), "%s", text);
}

static void helper_output(void *ctx, const void *data, size_t len)
{
	struct supervisor *sup = ctx;

	logfile_write(&sup->output, data, len);
}

const struct helpers_ops *supervisor_helper_ops(void)
{
	static const struct helpers_ops ops = {
	    .ready = helpers_ready,
	    .failed = helpers_failed,
	    .lost = helper_lost,
	    .output = helper_output,
	};

	return &ops;
}

static void helpers_begin(struct supervisor *sup)
{
	sup->phase = PHASE_HELPERS;
	ev_timer_arm(sup->deadline, sup->start_timeout_ns);
	helpers_start(&sup->helpers);
}

/* Its exit status does not matter, as in vm-bhyve, but is told. */
static void prestart_exited(void *ctx, int status, bool signaled)
{
	struct supervisor *sup = ctx;

	(void)signaled;
	ev_timer_disarm(sup->deadline);
	sup->phase = PHASE_IDLE;
	if (status != 0)
		logfile_event(&sup->log,
			      "warning; prestart script ended with status %d",
			      status);
	if (!stop_holds(sup))
		helpers_begin(sup);
	else if (sup->ever)
		loop_end(sup);
	else
		loop_fail(sup, stopped_early);
}

static const struct child_ops prestart_ops = {
    .output = child_output,
    .exited = prestart_exited,
};

static void prestart_begin(struct supervisor *sup, const char *script)
{
	char path[PATH_MAX],
	    *argv[] = {path, sup->guest.name, sup->guest.dir, NULL};
	struct child_spec spec = {
	    .argv = argv,
	    .cwd_fd = sup->guest.dirfd,
	    .pass_fd = -1,
	    .own_group = true,
	};
	struct err err = {0};

	if (guest_path(&sup->guest, script, &err, path) < 0) {
		loop_fail(sup, err.msg);
		return;
	}
	logfile_event(&sup->log, "running prestart script %s", path);
	sup->killing = false;
	if (child_start(&sup->child, &spec, &prestart_ops, sup, &err) < 0) {
		loop_fail(sup, err.msg);
		return;
	}
	sup->phase = PHASE_PRESTART;
	ev_timer_arm(sup->deadline, sup->start_timeout_ns);
}

static void run_begin(struct supervisor *sup)
{
	const char *script = conf_get_or(sup->conf, "prestart", NULL);

	if (script)
		prestart_begin(sup, script);
	else
		helpers_begin(sup);
}

/* A stop while nothing of the guest runs. */
static void stop_between(struct supervisor *sup)
{
	bool helpers = sup->phase == PHASE_HELPERS;

	if (helpers && !stop_holds(sup))
		return; /* a restart: they are for the next run all the same */
	ev_timer_disarm(sup->deadline);
	sup->phase = PHASE_IDLE;
	if (!helpers && !stop_holds(sup))
		run_begin(sup);
	else if (sup->ever)
		loop_end(sup);
	else
		loop_fail(sup, stopped_early);
}

static void stop_take(struct supervisor *sup)
{
	uint64_t kill_after = KILL_AFTER_NS;

	sup->stop_wanted_ns = now_ns();
	if (sup->phase == PHASE_PAUSE || sup->phase == PHASE_HELPERS) {
		stop_between(sup);
		return;
	}
	/* byway: the power button. A script: its end. */
	child_signal(&sup->child, SIGTERM);
	if (sup->phase == PHASE_BYWAY && sup->reached)
		return;
	if (sup->phase == PHASE_PRESTART)
		kill_after = SCRIPT_KILL_AFTER_NS;
	if (!sup->killing)
		ev_timer_arm(sup->deadline, kill_after);
	sup->killing = true;
}

static void signal_event(void *ctx, unsigned events)
{
	struct supervisor *sup = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(sup->signal_fd, &info, sizeof(info)) == sizeof(info))
		stop_take(sup);
}

int supervisor_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int signals_prepare(struct supervisor *sup)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sup->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sup->signal_fd < 0)
		return -errno;
	return ev_fd_create(sup->loop, sup->signal_fd, EV_IN, signal_event, sup,
			    &sup->signal_event);
}

int supervisor_loop(struct supervisor *sup, struct err *err)
{
	int rc = signals_prepare(sup);

	if (rc == 0)
		rc = ev_timer_create(sup->loop, deadline_passed, sup,
				     &sup->deadline);
	if (rc == 0)
		rc = ev_timer_create(sup->loop, screen_look, sup, &sup->look);
	if (rc < 0)
		return err_sys(err, rc, "event loop");
	run_begin(sup);
	/* A first run that could not even be forked has ended it already. */
	if (sup->phase == PHASE_IDLE)
		return 0;
	rc = evloop_run(sup->loop);
	return rc < 0 ? err_sys(err, rc, "event loop") : 0;
}
