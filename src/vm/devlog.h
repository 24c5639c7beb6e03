/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is remembered of a passed-through device over host reboots: its resets,
 * and that it did not come back from one.
 *
 * .config/passthru/history/KEY holds a line for each reset: when, guest,
 * address, method, milliseconds, outcome, what was verified; separated by one
 * tab each. A file that has reached DEVLOG_LIMIT loses its older half.
 * .config/passthru/quarantine/KEY is there while the device is not to be used:
 * until it is cleared or the host is booted anew. KEY is the device's identity
 * (kind, and serial number or slot) as a file name, so that a history follows
 * its card.
 * Locking: appending is atomic; clearing and setting need no lock.
 */
#ifndef VM_DEVLOG_H
#define VM_DEVLOG_H

#include "hostpci/hostpci.h"
#include "proto/status.h"
#include "vm/place.h"

#define DEVLOG_LIMIT   KIB(64)
#define DEVLOG_KEY_MAX 160

struct devlog_line {
	char when[32], guest[GUEST_NAME_MAX + 1], bdf[24], method[24];
	unsigned ms;
	bool ok;
	char text[256];
};

/* "1b36-0010-sn-00-11-...-00.0" or "1b36-0010-0000:00-10.0-00.0" */
void devlog_key(const struct hostpci_identity *identity,
		char buf[DEVLOG_KEY_MAX]);

MUST_CHECK int devlog_append(const struct place *place, const char *key,
			     const char *guest, const struct status *status,
			     struct err *err);
/* -EINVAL for a line that devlog_append() does not write. */
MUST_CHECK int devlog_parse(const char *line, struct devlog_line *ret_line);
/* All of it, "" when there is none; caller frees. */
MUST_CHECK int devlog_read(const struct place *place, const char *key,
			   struct err *err, char **ret_text);

/* Is set by a reset that failed. */
MUST_CHECK int quarantine_set(const struct place *place, const char *key,
			      const char *guest, const struct status *status,
			      struct err *err);
/* -EHOSTDOWN with the reason when the device is in quarantine. */
MUST_CHECK int quarantine_check(const struct place *place, const char *key,
				const struct hostpci_dev *dev, struct err *err);
/* 1: lifted, 0: there was none. */
MUST_CHECK int quarantine_clear(const struct place *place, const char *key,
				struct err *err);

#endif
