/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two ends towards the supervisor: status lines out, commands in.
 * What they say is in proto/status.h.
 *
 * Threads: event loop's thread only.
 * Limits: CONTROL_CLIENTS clients at once; a client that sends an over-long
 * line, or more than CONTROL_FDS_MAX descriptors with it, is cut off.
 */
#ifndef BYWAY_CONTROL_H
#define BYWAY_CONTROL_H

#include "base/cfg.h"
#include "base/err.h"
#include "base/evloop.h"
#include "proto/status.h"

#define CONTROL_CLIENTS 8

struct control;

struct control_ops {
	/*
	 * Runs a command; the reply line without newline goes to buf, which has
	 * CONTROL_LINE_MAX - 1 bytes. What is left of the descriptors that came
	 * with it is closed afterwards.
	 */
	void (*command)(void *ctx, enum control_command command,
			const char *args, struct control_fds *fds, char *buf);
	/* The supervisor closed the status pipe. */
	void (*orphaned)(void *ctx);
};

/*
 * From config: `status.fd` and `control`, both optional. `control` is a path,
 * or "fd:N", a socket that listens already.
 */
MUST_CHECK int control_create(struct cfg *root, struct evloop *loop,
			      const struct control_ops *ops, void *ctx,
			      struct err *err, struct control **ret_control);
void control_destroy(struct control *control); /* NULL allowed */

void control_status(struct control *control, const struct status *status);

#endif
