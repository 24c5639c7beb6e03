/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to be patient with a guest; the contract is in block_pace.h.
 *
 * Theory of operation. Turns are measured in stretches, which only hold turns
 * that follow each other: a pause of the guest says nothing of either way.
 * After some stretches without patience one is tried with it. Where it was
 * better, two follow after the next one without, then four, and so on: one
 * wrong measurement has no lasting effect. Where it was not, the next trial
 * comes half as often. One whose first turns bring no more than those before is
 * over already: nothing waits for the guest to leave the processor.
 */
#include "backend/block_pace.h"

#define STRETCH_TURNS 16u
/* A trial is vain when so many turns bring no more each. */
#define VAIN_TURNS 4u
/* Stretches before the first trial, and at most between two that fail. */
#define FIRST_TRIAL 1u
#define LAST_TRIAL  256u
/* The guest does something else: its turns are so many times larger or smaller.
 */
#define CHANGE 4u
/* Patient for so many stretches at most, by powers of two; then what is without
 * it is measured.
 */
#define LAST_TERM_LOG2 5u
/* A trial that goes wrong ends with a turn so late. */
#define LATE_NS 1000000u
/* Between two turns: the guest has made a pause. */
#define PAUSE_NS 10000000u

static void begin(struct block_pace *pace, bool patient, uint64_t now_ns)
{
	if (pace->patient != patient)
		pace->stretches = 0;
	pace->patient = patient;
	pace->began_ns = now_ns;
	pace->bytes = 0;
	pace->turns = 0;
}

/* What the stretch would have taken without patience. */
static uint64_t expected_ns(const struct block_pace *pace)
{
	return pace->each_ns * (pace->bytes >> 10);
}

static bool trial_due(struct block_pace *pace)
{
	uint64_t bytes = pace->bytes / pace->turns;

	if (bytes > pace->turn_bytes * CHANGE ||
	    bytes < pace->turn_bytes / CHANGE) {
		pace->turn_bytes = bytes;
		pace->next_trial = FIRST_TRIAL;
	}
	return pace->stretches >= pace->next_trial;
}

/* Less than a quarter more each: it cannot take a fifth less time. */
static bool is_vain(const struct block_pace *pace)
{
	return pace->stretches == 0 && pace->turns >= VAIN_TURNS &&
	       pace->bytes / pace->turns < pace->each_bytes / 4 * 5;
}

static bool is_late(const struct block_pace *pace, uint64_t now_ns)
{
	return now_ns - pace->began_ns > 2 * expected_ns(pace) + LATE_NS;
}

/* A fifth less time, or it is not worth other threads' waiting. */
static bool is_worth_it(const struct block_pace *pace, uint64_t took_ns)
{
	return took_ns < expected_ns(pace) / 5 * 4;
}

static void give_up(struct block_pace *pace, uint64_t now_ns)
{
	pace->next_trial =
	    MIN(MAX(pace->next_trial, FIRST_TRIAL) * 2, LAST_TRIAL);
	pace->term_log2 = 0;
	begin(pace, false, now_ns);
}

/* A stretch with patience was worth it. */
static void go_on(struct block_pace *pace, uint64_t now_ns)
{
	bool more = pace->stretches < 1u << pace->term_log2;

	if (!more) {
		pace->next_trial = FIRST_TRIAL;
		pace->term_log2 = MIN(pace->term_log2 + 1, LAST_TERM_LOG2);
	}
	begin(pace, more, now_ns);
}

/* The stretch is over. */
static void decide(struct block_pace *pace, uint64_t now_ns)
{
	uint64_t took = now_ns - pace->began_ns;

	pace->stretches++;
	if (pace->patient && is_worth_it(pace, took)) {
		go_on(pace, now_ns);
	} else if (pace->patient) {
		give_up(pace, now_ns);
	} else {
		pace->each_ns = took / MAX(pace->bytes >> 10, (uint64_t)1);
		pace->each_bytes = pace->bytes / pace->turns;
		begin(pace, trial_due(pace), now_ns);
	}
}

bool block_pace_turn(struct block_pace *pace, uint64_t bytes, uint64_t now_ns)
{
	bool pause = !pace->began_ns || now_ns - pace->last_ns > PAUSE_NS;

	pace->last_ns = now_ns;
	/* Or was the turn so late, as nobody took the processor for it? */
	if (pause && pace->patient && pace->stretches == 0)
		give_up(pace, now_ns);
	else if (pause)
		begin(pace, false, now_ns);
	if (pause)
		return false;
	pace->bytes += bytes;
	pace->turns++;
	if (pace->patient && is_vain(pace))
		give_up(pace, now_ns);
	else if (pace->turns == STRETCH_TURNS ||
		 (pace->patient && is_late(pace, now_ns)))
		decide(pace, now_ns);
	return pace->patient;
}
