/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the thread that serves a disk should take the processor from a guest
 * at each request, or wait until the guest leaves it: then it finds several
 * requests and ends them with one interrupt. Only on a host whose processors
 * are all busy there is a difference, and which is better depends on the guest:
 * one that has many requests in flight gains, one that computes beside a single
 * request would lose. So it is tried now and then, and measured. See
 * docs/adr/0018-patient-disks.md.
 *
 * Threads: one at a time, the loop's. No system calls; time is the caller's.
 */
#ifndef BACKEND_BLOCK_PACE_H
#define BACKEND_BLOCK_PACE_H

#include "base/base.h"

struct block_pace {
	bool patient;	   /* what block_pace_turn() said last */
	uint64_t began_ns; /* the stretch of turns that is measured; 0: none */
	uint64_t last_ns;  /* its last turn */
	uint64_t bytes;	   /* of it */
	uint64_t each_ns;  /* for a KiB, when last not patient */
	uint64_t each_bytes; /* of a turn, then */
	uint64_t turn_bytes; /* of a turn, for which trials get rarer */
	unsigned turns;	     /* of the stretch */
	unsigned stretches;  /* since patience began or ended */
	unsigned next_trial; /* after so many stretches */
	unsigned term_log2;  /* patience ends after so many */
};

/*
 * To be called after each turn that took requests: of `bytes` together, at
 * `now_ns`. True: the next turn had better come patiently. Zeroed is the state
 * at the beginning.
 */
bool block_pace_turn(struct block_pace *pace, uint64_t bytes, uint64_t now_ns);

#endif
