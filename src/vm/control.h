/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command to a running byway over its control socket.
 *
 * Locking: none; functions have no state.
 */
#ifndef VM_CONTROL_H
#define VM_CONTROL_H

#include "proto/status.h"
#include "vm/place.h"

/* Longer than it takes byway to open and reset a device. */
#define CONTROL_TIMEOUT_MS 15000

/*
 * Sends the command and waits for the answer. -ENOENT when nobody listens,
 * -ETIMEDOUT without an answer, -EIO with byway's own words when it refuses.
 */
MUST_CHECK int control_send(const struct guest *guest,
			    enum control_command command, struct err *err);
/* With arguments ("" for none); *ret_text is what follows "ok". */
MUST_CHECK int control_ask(const struct guest *guest,
			   enum control_command command, const char *args,
			   struct err *err, char ret_text[CONTROL_LINE_MAX]);
/* The same with descriptors, which stay the caller's. */
MUST_CHECK int control_ask_with(const struct guest *guest,
				enum control_command command, const char *args,
				const struct control_fds *fds, struct err *err,
				char ret_text[CONTROL_LINE_MAX]);

#endif
