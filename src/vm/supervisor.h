/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor of one guest: `vm _run`.
 *
 * Order: supervisor_open() takes the run lock and opens the logs;
 * supervisor_prepare() reads the file and makes what the guest needs on the
 * host (consoles, network devices, claims on PCI devices and on the screen's
 * port, the firmware's variables, byway's command lines); supervisor_loop()
 * runs byway until the guest is to stay down; supervisor_close() removes
 * everything again. All three report and log their own failures. Threads: one.
 * Memory and descriptors do not grow with the number of runs: the command lines
 * are made once, and again when a device is left out.
 */
#ifndef VM_SUPERVISOR_H
#define VM_SUPERVISOR_H

#include "proto/status.h"
#include "vm/checkup.h"
#include "vm/child.h"
#include "vm/conserver.h"
#include "vm/decide.h"
#include "vm/helpers.h"
#include "vm/logfile.h"
#include "vm/plan.h"
#include "vm/runas.h"
#include "vm/runlock.h"

/* Exit statuses of `vm _run`, as in vm-bhyve. */
#define RUN_EXIT_UNKNOWN 5
#define RUN_EXIT_RUNNING 10
#define RUN_EXIT_CONFIG	 15

/* In the guest's directory, for -k: what a command line must not show. */
#define SUPERVISOR_SECRETS "byway.secret"

enum run_phase {
	PHASE_IDLE,
	PHASE_PRESTART,
	PHASE_HELPERS, /* until swtpm and storage daemons are up */
	PHASE_BYWAY,
	PHASE_PAUSE, /* before the next run of a fast rebooter */
};

struct supervisor {
	struct place place;
	struct guest guest;
	struct conf *conf;
	struct runlock lock;
	int report_fd; /* to `vm start`, -1 once it has been told */

	struct evloop *loop;
	struct logfile log;    /* vm-bhyve.log */
	struct logfile output; /* bhyve.log: what byway prints */
	struct console *console[PLAN_COMS];
	struct words nics;		 /* what byway connects each NIC to */
	struct words taps;		 /* interfaces we made */
	struct words disks;		 /* what byway opens for each disk */
	struct plan_functions functions; /* passed through */
	struct plan_functions attached;	 /* while this run has lasted */
	/* In this run a reset failed: of what the guest can do without, of
	 * what it cannot. */
	bool dropped, required_failed;
	struct runas user; /* whom byway runs as */
	struct firmware firmware;
	struct screen screen;
	char iso[PATH_MAX]; /* of `vm install`, else "" */
	/* The first run, and all later ones. */
	struct {
		struct plan plan;
		struct words argv;
	} run_as[2];
	struct run_policy policy;

	struct helpers helpers;
	struct child child;
	enum run_phase phase;
	int signal_fd;
	struct ev_fd *signal_event;
	/* For the script's end, for the line "running", for a pause's end. */
	struct ev_timer *deadline;
	/* Looks whether a screen is there that the guest waits for. */
	struct ev_timer *look;
	uint64_t start_timeout_ns;
	bool killing;	   /* the child was told to end */
	unsigned fast_ms;  /* a run shorter than this is a fast one */
	unsigned brake_ms; /* kept by run_brake() */

	unsigned run;
	unsigned bad_runs;
	bool reached, ever;
	uint64_t run_began_ns;
	uint64_t stop_wanted_ns; /* 0: no stop asked for */
	struct lines output_lines;
	char last_output[LINES_MAX];	  /* byway's last line of output */
	char last_error[STATUS_LINE_MAX]; /* from its status pipe */
	char last_helper[LINES_MAX]; /* how a helper was lost in this run */
	char verdict[DOCTOR_ANSWER_BYTES]; /* the doctor's, as told last */
	int exit_status;
};

MUST_CHECK int supervisor_open(struct supervisor *sup, const char *name,
			       int report_fd, struct err *err);
MUST_CHECK int supervisor_prepare(struct supervisor *sup, struct err *err);
MUST_CHECK int supervisor_loop(struct supervisor *sup, struct err *err);
void supervisor_close(struct supervisor *sup);

/*
 * A line "KIND TEXT" to `vm start`: "warning", "note", or the last word,
 * "failed", "running" or "waiting" (for somebody to look at the screen).
 */
void supervisor_report(struct supervisor *sup, const char *kind,
		       const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Into the log and to `vm start`. */
void supervisor_warn(struct supervisor *sup, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/*
 * The doctor's verdict on what the guest uses, into the log and to `vm start`
 * when it is not healthy and was not told before. When the start has `failed`
 * what the guest said counts as well.
 */
void supervisor_checkup(struct supervisor *sup, bool failed);

/*
 * Once the lock is held a stop waits until the loop can handle it: whoever
 * made things on the host removes them again.
 */
MUST_CHECK int supervisor_block_signals(void);

/* Network part of supervisor_prepare(): fills nics and taps. */
MUST_CHECK int supervisor_make_nics(struct supervisor *sup, struct err *err);
/* Removes the taps we made. */
void supervisor_remove_nics(struct supervisor *sup);
/* Removes all that a killed supervisor left: taps, sockets, helpers. */
void supervisor_remove_left(struct supervisor *sup, const struct place *place,
			    const struct run_info *left);

/* Passed-through devices: into the lock, functions; and back to the host. */
MUST_CHECK int supervisor_take_devices(struct supervisor *sup, struct err *err);
void supervisor_return_devices(struct supervisor *sup);
/* Tells of a reset, and remembers it. */
void supervisor_device_event(struct supervisor *sup, const struct status *st);
/* One came into the running guest or left it: into the lock's list. */
void supervisor_device_moved(struct supervisor *sup, const struct status *st);
/* byway has ended, and with it what was attached. */
void supervisor_devices_as_configured(struct supervisor *sup);
/*
 * After a run: makes byway's command lines anew if a device is to be left out;
 * true when nothing but that device kept the guest from running on.
 */
bool supervisor_goes_on(struct supervisor *sup,
			const struct run_result *result);
/* byway's command lines, in place of those there were. */
MUST_CHECK int supervisor_make_commands(struct supervisor *sup,
					struct err *err);

/* uuid and MAC addresses: made and saved where they are missing. */
MUST_CHECK int supervisor_make_identity(struct supervisor *sup,
					struct err *err);
void uuid_generate(char buf[37]);
void mac_generate(char buf[18]);

/* How the run loop hears of helpers. */
const struct helpers_ops *supervisor_helper_ops(void);

/* Takes away what killed helpers and consoles of a guest left on the host. */
void supervisor_clear(const struct place *place, const struct guest *guest);

/*
 * Takes away all that a killed supervisor left, where nothing runs: true when
 * there was something. (A start does so as well.)
 */
bool guest_sweep(const struct place *place, const struct guest *guest);

/* Removes sockets and marker files of a run, not its logs. */
void guest_remove_traces(const struct guest *guest);

#endif
