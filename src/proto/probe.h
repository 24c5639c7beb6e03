/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What byway-probe tells: one line a step on its standard output.
 *
 *   probe ROUND STEP OUTCOME MS TEXT
 *
 * ROUND counts from 1, STEP is open, regions, reset, verify, interrupts or
 * close, OUTCOME ok, failed or none (the device does not have it), MS how long
 * it took. TEXT may contain spaces, and may be empty. A round ends with its
 * first failed step. The exit status is 0 when no step failed, 1 when one did,
 * 2 for wrong arguments.
 *
 * Parsing never trusts the peer.
 */
#ifndef PROTO_PROBE_H
#define PROTO_PROBE_H

#include "base/base.h"

#define PROBE_LINE_MAX	 1024u
#define PROBE_ROUNDS_MAX 1000u

enum probe_step {
	PROBE_OPEN,
	PROBE_REGIONS,
	PROBE_RESET,
	PROBE_VERIFY,
	PROBE_INTERRUPTS,
	PROBE_CLOSE,
	PROBE_STEPS,
};

enum probe_outcome {
	PROBE_OK,
	PROBE_FAILED,
	PROBE_NONE,
};

struct probe_line {
	unsigned round;
	enum probe_step step;
	enum probe_outcome outcome;
	unsigned ms;
	char text[PROBE_LINE_MAX];
};

const char *probe_step_name(enum probe_step step);
const char *probe_outcome_name(enum probe_outcome outcome);

/* With '\n'; its length, or -E2BIG. Control characters become blanks. */
MUST_CHECK int probe_format(const struct probe_line *line, char *buf,
			    size_t size);
/* `text` without '\n'. -EINVAL for anything not described above. */
MUST_CHECK int probe_parse(const char *text, struct probe_line *ret_line);

#endif
