/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What byway tells its supervisor, and what it can be told.
 *
 * Status: byway writes one line per event to the descriptor given by
 * `-o status.fd=N` (a pipe; the reader sees end of file when byway is gone).
 * Lines end in '\n', at most STATUS_LINE_MAX bytes, words separated by one
 * space, the last field of a line may contain spaces:
 *
 *   running                        vCPUs are about to execute guest code
 *   device SEL BDF reset METHOD MS OUTCOME TEXT
 *                                  a passed-through device was reset; SEL is
 *                                  the decimal B/S/F and BDF the address,
 *                                  or "vfio-user" and the path of the socket
 *                                  of a served device, or "mdev" and a
 *                                  mediated device's UUID; METHOD flr|bus|pm|
 *                                  device_specific|acpi|af_flr|none, OUTCOME
 *                                  ok|failed, TEXT what was verified or what
 *                                  is wrong (may be empty)
 *   attached SEL BDF               a device came into the running guest
 *   detached SEL BDF               it left; the host's again
 *   log TEXT                       an event worth the guest's own log
 *   error TEXT                     why byway is about to exit with status 4
 *   exit STATUS TEXT               last line of an orderly exit
 *
 * When the write end's reader has gone away byway quiesces its devices and
 * exits: a guest without a supervisor would leave its devices unwatched.
 *
 * Control: byway listens on the unix stream socket `-o control=PATH` (mode
 * 0600), one command per line, one reply line per command, "ok[ TEXT]" or
 * "error TEXT":
 *   power-button   press the ACPI power button
 *   reset          end at once as a reboot (exit status 0)
 *   poweroff       end at once as a power-off (exit status 1)
 *   stats          counters: "ok exits=N ..."
 *   slots          hot-plug slots:
 *                  "ok 8=empty 9=3/0/0,coming 10=4/0/0+4/0/1,leaving"
 *   attach SLOT [group=NUMBER]... ADDRESS[,OPTION]... [ADDRESS...]
 *                  plugs functions of the host into an empty slot; "coming"
 *                  until the guest has switched it on, empty again when it
 *                  does not. For each group=NUMBER the descriptor of that
 *                  IOMMU group comes with the line (SCM_RIGHTS), in the same
 *                  order: byway need not open it, and closes it when the
 *                  group's last function has left
 *   detach SLOT    presses the slot's button; `slots` tells when it is empty
 *
 * Parsing never trusts the peer: unknown words are an error, over-long lines
 * are refused.
 */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

#include "base/base.h"

#define STATUS_LINE_MAX	 1024
#define CONTROL_LINE_MAX 256
#define CONTROL_FDS_MAX	 8u

/* Exit status after an error, and how its text begins when the guest rebooted
 * and a device failed its reset. */
#define STATUS_EXIT_ERROR  4
#define STATUS_ERROR_RESET "a passed-through device did not come back"

enum status_kind {
	STATUS_RUNNING,
	STATUS_DEVICE,
	STATUS_ATTACHED,
	STATUS_DETACHED,
	STATUS_LOG,
	STATUS_ERROR,
	STATUS_EXIT,
};

struct status {
	enum status_kind kind;
	char selector[16]; /* DEVICE, ATTACHED, DETACHED: "3/0/0" */
	char bdf[112];	   /* the same: "0000:03:00.0", or "/path" */
	char method[24];   /* DEVICE */
	unsigned ms;	   /* DEVICE */
	bool ok;	   /* DEVICE */
	int exit_status;   /* EXIT */
	char text[STATUS_LINE_MAX];
};

/* One line with '\n' into buf; its length, or -E2BIG. Newlines in text become
 * spaces. */
MUST_CHECK int status_format(const struct status *status, char *buf,
			     size_t size);
/* `line` without '\n'. -EINVAL for anything not described above. */
MUST_CHECK int status_parse(const char *line, struct status *ret_status);

enum control_command {
	CONTROL_POWER_BUTTON,
	CONTROL_RESET,
	CONTROL_POWEROFF,
	CONTROL_STATS,
	CONTROL_SLOTS,
	CONTROL_ATTACH,
	CONTROL_DETACH,
};

/* Descriptors that go with a line. */
struct control_fds {
	int fd[CONTROL_FDS_MAX]; /* -1: taken by somebody else */
	unsigned count;
};

const char *control_name(enum control_command command);
/* *ret_args: what follows the word and a space, in `line`; "" for none. */
MUST_CHECK int control_parse(const char *line,
			     enum control_command *ret_command,
			     const char **ret_args);

#endif
