/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byway, the hypervisor: one process per running guest.
 *
 * Stages, each a function below, each with less to lose than the one before:
 *   parse   argv to the configuration tree; nothing is opened
 *   open    event loop, signals, the supervisor's descriptors
 *   create  the machine: opens and builds every device, loads the boot image
 *   drop    gives up privileges (sandbox.h)
 *   run     vCPUs run until the guest ends; then devices are reset and
 *           verified
 * Exit status: 0 reboot, 1 power-off, 2 halt, 3 triple fault, 4 error.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "backend/tty.h"
#include "base/log.h"
#include "byway/control.h"
#include "byway/options.h"
#include "byway/sandbox.h"
#include "machine/hotplug.h"
#include "machine/machine.h"

struct program {
	struct cfg *root;
	struct evloop *loop;
	struct control *control;
	struct machine *machine;
	int signal_fd;
	struct ev_fd *signal_event;
};

static int fail(struct program *p, const struct err *err)
{
	struct status status = {.kind = STATUS_ERROR};

	log_error("%s", err->msg);
	snprintf(status.text, sizeof(status.text), "%s", err->msg);
	control_status(p->control, &status);
	return VM_END_ERROR;
}

/* ---- parse ---- */

/* -1: go on; else the exit status. */
static int stage_parse(struct program *p, int argc, char **argv)
{
	struct err err = {0};
	bool dump, debug, plan;

	p->root = cfg_create();
	if (!p->root) {
		err_set(&err, -ENOMEM, "out of memory");
		return fail(p, &err);
	}
	switch (options_parse(argc, argv, p->root, &err)) {
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_USAGE:
		return 1;
	case OPTIONS_BAD:
		return fail(p, &err);
	case OPTIONS_RUN:
		break;
	}
	if (cfg_bool(p->root, "config.dump", false, &err, &dump) ||
	    cfg_bool(p->root, "log.debug", false, &err, &debug) ||
	    cfg_bool(p->root, "plan", false, &err, &plan))
		return fail(p, &err);
	if (debug)
		log_init("byway", LOG_DEBUG);
	if (dump) {
		cfg_dump(p->root, stdout);
		return 1; /* as bhyve: nothing ran */
	}
	options_warn_unknown(p->root);
	if (plan)
		return machine_plan(p->root, stdout, &err) ? fail(p, &err) : 0;
	return -1;
}

/* ---- open ---- */

static void on_signal(void *ctx, unsigned events UNUSED)
{
	struct program *p = ctx;
	struct signalfd_siginfo info;

	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (p->machine && !machine_power_button(p->machine))
		machine_end(p->machine, VM_END_POWEROFF,
			    "asked to stop before the guest had enabled ACPI");
}

static int open_signals(struct program *p, struct err *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Every thread inherits the mask: only the loop sees these. */
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return err_sys(err, errno, "signals");
	p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signal_fd < 0)
		return err_sys(err, errno, "signals");
	r = ev_fd_create(p->loop, p->signal_fd, EV_IN, on_signal, p,
			 &p->signal_event);
	return r ? err_sys(err, r, "signals") : 0;
}

static void run_command(void *ctx, enum control_command command,
			const char *args, struct control_fds *fds, char *buf)
{
	const size_t size = CONTROL_LINE_MAX - 1;
	struct program *p = ctx;
	struct err err = {0};

	snprintf(buf, size, "ok");
	if (!p->machine) {
		snprintf(buf, size, "error the guest has not started yet");
		return;
	}
	switch (command) {
	case CONTROL_POWER_BUTTON:
		if (!machine_power_button(p->machine))
			snprintf(buf, size,
				 "error the guest has not enabled ACPI");
		break;
	case CONTROL_RESET:
		machine_end(p->machine, VM_END_REBOOT, "reset on request");
		break;
	case CONTROL_POWEROFF:
		machine_end(p->machine, VM_END_POWEROFF,
			    "powered off on request");
		break;
	case CONTROL_STATS:
		memcpy(buf, "ok ", 3);
		machine_stats(p->machine, buf + 3, size - 3);
		break;
	case CONTROL_SLOTS:
		memcpy(buf, "ok ", 3);
		hotplug_slots(machine_hotplug(p->machine), buf + 3, size - 3);
		break;
	case CONTROL_ATTACH:
		if (hotplug_attach(machine_hotplug(p->machine), args, fds,
				   &err))
			snprintf(buf, size, "error %.240s", err.msg);
		break;
	case CONTROL_DETACH:
		if (hotplug_detach(machine_hotplug(p->machine), args, &err))
			snprintf(buf, size, "error %.240s", err.msg);
		break;
	}
}

static void orphaned(void *ctx)
{
	struct program *p = ctx;

	if (p->machine)
		machine_end(p->machine, VM_END_ERROR, "the supervisor is gone");
}

/* An interrupt vector of a passed-through device is a descriptor. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int stage_open(struct program *p, struct err *err)
{
	static const struct control_ops ops = {.command = run_command,
					       .orphaned = orphaned};
	int r = evloop_create(&p->loop);

	if (r)
		return err_sys(err, r, "event loop");
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	return control_create(p->root, p->loop, &ops, p, err, &p->control);
}

/* ---- create ---- */

static void on_event(void *ctx, const struct status *status)
{
	struct program *p = ctx;

	if (status->kind == STATUS_DEVICE)
		log_info("passthru %s (%s): reset %s %u ms, %s%s%s",
			 status->selector, status->bdf, status->method,
			 status->ms, status->ok ? "ok" : "failed",
			 status->text[0] ? ": " : "", status->text);
	else if (status->kind == STATUS_LOG)
		log_info("%s", status->text);
	control_status(p->control, status);
}

static int stage_create(struct program *p, struct err *err)
{
	struct machine_params params = {
	    .root = p->root,
	    .loop = p->loop,
	    .event = on_event,
	    .event_ctx = p,
	};
	int r = machine_create(&params, err, &p->machine);

	if (!r)
		r = machine_load(p->machine, err);
	/*
	 * Until here a signal ends the process as it does any other: the
	 * kernel closes the devices, and nothing of the guest has run.
	 */
	return r ? r : open_signals(p, err);
}

/* ---- run ---- */

static int finish(struct program *p, int r)
{
	struct status status = {.kind = STATUS_EXIT};
	struct err err = {0};
	enum vm_end end;
	const char *why;

	r = machine_stop(p->machine, &end, &why) ?: r;
	if (end == VM_END_ERROR) {
		err_set(&err, -EIO, "%s", why);
		(void)fail(p, &err);
	} else if (r && end == VM_END_REBOOT) {
		/* Starting the guest again on a dead device helps nobody. */
		err_set(&err, r,
			STATUS_ERROR_RESET
			" after the reset; see the line that names it");
		end = fail(p, &err);
	} else {
		log_info("%s", why);
	}
	status.exit_status = end;
	snprintf(status.text, sizeof(status.text), "%s", why);
	control_status(p->control, &status);
	return end;
}

static int stage_run(struct program *p, struct err *err)
{
	if (machine_start(p->machine, err))
		return fail(p, err);
	return finish(p, evloop_run(p->loop));
}

static void program_destroy(struct program *p)
{
	machine_destroy(p->machine);
	p->machine = NULL;
	control_destroy(p->control);
	ev_fd_destroy(p->signal_event);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	evloop_destroy(p->loop);
	cfg_destroy(p->root);
	tty_restore_all();
}

int main(int argc, char **argv)
{
	struct program p = {.signal_fd = -1};
	struct err err = {0};
	int result;

	log_init("byway", LOG_INFO);
	result = stage_parse(&p, argc, argv);
	if (result < 0 && (stage_open(&p, &err) || stage_create(&p, &err) ||
			   sandbox_drop(&err)))
		result = fail(&p, &err);
	if (result < 0)
		result = stage_run(&p, &err);
	program_destroy(&p);
	return result;
}
