/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor of one guest: `vm _run`.
 *
 * Order: supervisor_open() takes the run lock and opens the logs;
 * supervisor_prepare() reads the file and makes what the guest needs on the
 * host (consoles, network devices, claims on PCI devices, byway's command
 * line); supervisor_loop() runs byway until the guest is to stay down;
 * supervisor_close() removes everything again. All three report and log their
 * own failures.
 * Threads: one. Memory and descriptors do not grow with the number of runs:
 * the command line is made once.
 */
#ifndef VM_SUPERVISOR_H
#define VM_SUPERVISOR_H

#include "proto/status.h"
#include "vm/child.h"
#include "vm/conserver.h"
#include "vm/decide.h"
#include "vm/logfile.h"
#include "vm/plan.h"
#include "vm/runlock.h"

/* Exit statuses of `vm _run`, as in vm-bhyve. */
#define RUN_EXIT_UNKNOWN 5
#define RUN_EXIT_RUNNING 10
#define RUN_EXIT_CONFIG	 15

enum run_phase {
	PHASE_IDLE,
	PHASE_PRESTART,
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
	struct words nics; /* what byway connects each NIC to */
	struct words taps; /* interfaces we made */
	struct words argv;
	struct plan plan;
	struct run_policy policy;

	struct child child;
	enum run_phase phase;
	int signal_fd;
	struct ev_fd *signal_event;
	/* For the script's end, for the line "running", for a pause's end. */
	struct ev_timer *deadline;
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
	int exit_status;
};

MUST_CHECK int supervisor_open(struct supervisor *sup, const char *name,
			       int report_fd, struct err *err);
MUST_CHECK int supervisor_prepare(struct supervisor *sup, struct err *err);
MUST_CHECK int supervisor_loop(struct supervisor *sup, struct err *err);
void supervisor_close(struct supervisor *sup);

/*
 * A line "KIND TEXT" to `vm start`: "warning", or the last word, "failed" or
 * "running".
 */
void supervisor_report(struct supervisor *sup, const char *kind,
		       const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Once the lock is held a stop waits until the loop can handle it: whoever
 * made things on the host removes them again.
 */
MUST_CHECK int supervisor_block_signals(void);

/* Network part of supervisor_prepare(): fills nics and taps. */
MUST_CHECK int supervisor_make_nics(struct supervisor *sup, struct err *err);
/* Removes the taps we made. */
void supervisor_remove_nics(struct supervisor *sup);
/* Removes the taps a killed supervisor left, and its sockets. */
void supervisor_remove_left(struct supervisor *sup,
			    const struct run_info *left);

/* uuid and MAC addresses: made and saved where they are missing. */
MUST_CHECK int supervisor_make_identity(struct supervisor *sup,
					struct err *err);
void uuid_generate(char buf[37]);
void mac_generate(char buf[18]);

/* Removes sockets and marker files of a run, not its logs. */
void guest_remove_traces(const struct guest *guest);

#endif
