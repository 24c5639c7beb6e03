/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the doctor (hostpci/doctor/doctor.h) is told of a guest, and its short
 * form around starts.
 * Locking: none, one thread.
 */
#ifndef VM_CHECKUP_H
#define VM_CHECKUP_H

#include "hostpci/doctor/doctor.h"
#include "vm/place.h"

struct checkup {
	struct doctor_request request;
	struct hostpci_addr addrs[DOCTOR_DEVICES_MAX];
	struct doctor_guest guest;
	char guest_name[GUEST_NAME_MAX + 1];
	char log_path[GUEST_NAME_MAX + 16];
	char *log;
	struct doctor_named named[DOCTOR_NAMED_MAX];
	struct doctor_shut_out shut_out[DOCTOR_DEVICES_MAX];
};

/*
 * Fills `checkup` (whose request has the root) with the guest's memory, loader
 * and devices, and with the end of its serial log when `with_log`.
 */
MUST_CHECK int checkup_guest(struct checkup *checkup, const struct place *place,
			     const struct guest *guest, const struct conf *conf,
			     bool with_log, struct err *err);
/*
 * Adds what a text means: an address, also of a device that is not there, a
 * slot, a name, or a pool with all its members. A name whose device has moved
 * is for the doctor to tell.
 */
struct pcinames;
MUST_CHECK int checkup_named(struct checkup *checkup,
			     const struct pcinames *names, const char *text,
			     struct err *err);
/* Adds all names there are: for examinations of the whole host. */
void checkup_names(struct checkup *checkup, const struct pcinames *names);
/* Adds which of the devices added so far are in quarantine. */
void checkup_quarantine(struct checkup *checkup, const struct place *place,
			const struct hostpci *host);
void checkup_free(struct checkup *checkup);

/*
 * The verdict on what the guest uses, in bounded time: its doctor_state, or
 * -ENOENT when the guest has no passthru, -ETIMEDOUT with a text that says so,
 * negative when there is none.
 */
MUST_CHECK int checkup_verdict(const struct place *place,
			       const struct guest *guest,
			       const struct conf *conf, bool with_log,
			       char ret_text[DOCTOR_ANSWER_BYTES]);
/*
 * After -ETIMEDOUT: looks for ten seconds more. true when the host still reads
 * the same thing then, whose name it is; who reads it next hangs as well.
 */
MUST_CHECK bool checkup_hangs(const struct place *place,
			      const struct guest *guest,
			      const struct conf *conf,
			      char ret_what[DOCTOR_ANSWER_BYTES]);

#endif
