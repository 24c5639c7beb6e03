/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of the run loop; the contract is decide.h. */
#include "vm/decide.h"

bool run_is_orderly(const struct run_result *result)
{
	return result->reached && result->status >= 0 && result->status <= 2;
}

enum run_next run_decide(const struct run_policy *policy,
			 const struct run_result *result, unsigned *bad_runs)
{
	bool orderly = run_is_orderly(result);

	if (!result->ever)
		return RUN_NEXT_FAILED;
	if (result->lived_ms >= DECIDE_LIVED_MS)
		*bad_runs = 0;
	else if (!orderly)
		(*bad_runs)++;
	/* The wish may reach byway before it can take a signal. */
	if (result->restart_file &&
	    (orderly || (!result->reached && result->stop_wanted)))
		return RUN_NEXT_START;
	if (result->stop_wanted)
		return RUN_NEXT_STOP;
	if (orderly && result->status > 0)
		return RUN_NEXT_STOP;
	if (orderly)
		return policy->restart_on_reboot ? RUN_NEXT_START
						 : RUN_NEXT_STOP;
	if (!policy->restart_on_fault)
		return RUN_NEXT_STOP;
	return *bad_runs > DECIDE_BAD_RUNS ? RUN_NEXT_GIVE_UP : RUN_NEXT_START;
}

unsigned run_brake(uint64_t lived_ms, unsigned fast_ms, unsigned *brake_ms)
{
	if (lived_ms >= fast_ms)
		*brake_ms = 0;
	else if (*brake_ms == 0)
		*brake_ms = DECIDE_BRAKE_FIRST_MS;
	else
		*brake_ms = MIN(2 * *brake_ms, DECIDE_BRAKE_LAST_MS);
	return *brake_ms;
}
