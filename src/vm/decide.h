/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows the end of a run: the table of vm-bhyve's run loop, pure.
 *
 *   0 reboot             on_restart (default restart)
 *   1 power-off, 2 halt  stop, unless the file `restart` asks for another run
 *   3 triple fault, 4 error, signals, a run that never reached the guest
 *                        on_fault (default shutdown)
 *
 * A stop that was asked for wins over a reboot. A run that faulted and lived
 * less than DECIDE_LIVED_MS is bad; more than DECIDE_BAD_RUNS bad ones without
 * a longer one between end the guest. Reboots, however fast, are not bad, but
 * a guest that reboots at once again and again is slowed down: run_brake().
 */
#ifndef VM_DECIDE_H
#define VM_DECIDE_H

#include "base/base.h"

#define DECIDE_LIVED_MS 10000u
#define DECIDE_BAD_RUNS 5u

struct run_policy {
	bool restart_on_reboot;
	bool restart_on_fault;
};

struct run_result {
	int status;   /* exit status, 128 + signal */
	bool reached; /* vCPUs executed guest code in this run */
	bool ever;    /* ... in this or an earlier run */
	uint64_t lived_ms;
	bool restart_file;
	bool stop_wanted;
};

enum run_next {
	RUN_NEXT_START,	  /* another run */
	RUN_NEXT_STOP,	  /* the guest ended as it should */
	RUN_NEXT_FAILED,  /* the first run never reached the guest */
	RUN_NEXT_GIVE_UP, /* crash loop */
};

/* *bad_runs is kept by the caller, 0 at first. */
enum run_next run_decide(const struct run_policy *policy,
			 const struct run_result *result, unsigned *bad_runs);

#define DECIDE_FAST_MS	      1000u
#define DECIDE_BRAKE_FIRST_MS 1000u
#define DECIDE_BRAKE_LAST_MS  30000u
/*
 * How long the next run waits after one that rebooted: not at all when it
 * lived `fast_ms`, else longer each time. *brake_ms is kept by the caller, 0
 * at first.
 */
unsigned run_brake(uint64_t lived_ms, unsigned fast_ms, unsigned *brake_ms);

/* Did the run end by the guest's own will: reboot, power-off, halt? */
bool run_is_orderly(const struct run_result *result);

#endif
