/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the queue of the TPM back end and the kinds of TPM behind it. */
#ifndef BACKEND_TPM_TPM_INTERNAL_H
#define BACKEND_TPM_TPM_INTERNAL_H

#include <pthread.h>

#include "backend/tpm/tpm.h"

struct tpm_timeouts {
	unsigned control_ms; /* an answer on swtpm's control channel */
	unsigned probe_ms;   /* the first command */
	unsigned command_ms;
};

struct tpm_kind {
	const char *name; /* of the option */
	/* Opens tpm->path: data and control are set; -1 in both before. */
	int (*open)(struct tpm *tpm, struct err *err);
	/* Switches the TPM off and on; NULL: cannot be done. */
	int (*restart)(struct tpm *tpm, struct err *err);
	void (*cancel)(struct tpm *tpm); /* NULL: cannot be done */
	const char *wrong_version;	 /* what to do about a TPM 1.2 */
};

extern const struct tpm_kind tpm_swtpm, tpm_passthru;

struct tpm {
	const struct tpm_kind *kind;
	char *path;
	size_t buffer_bytes;
	struct tpm_timeouts timeouts;
	int data;	   /* commands and responses; not blocking */
	int control;	   /* swtpm's control channel; not blocking */
	int wake;	   /* eventfd: cancel or close */
	bool control_lost; /* out of step; owned like `dead` */

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	pthread_t worker;
	bool started, closing, cancelling;
	bool dead;    /* worker's, or the owner's while that is idle */
	bool running; /* a command, up to the end of its done() */
	struct tpm_req *req;
};

MUST_CHECK int tpm_open_timed(struct cfg *node, size_t buffer_bytes,
			      const struct tpm_timeouts *timeouts,
			      struct err *err, struct tpm **ret_tpm);

/* ---- I/O with a deadline on descriptors that do not block ---- */

uint64_t tpm_deadline(unsigned timeout_ms); /* CLOCK_MONOTONIC, ns */

/*
 * Waits for poll events on fd or for wake (-1: none) to be readable: 1 and 2
 * for those, -ETIMEDOUT, or another negative errno.
 */
MUST_CHECK int tpm_wait(int fd, short events, int wake, uint64_t deadline);
/* All of it: 0, -ETIMEDOUT, -ECONNRESET when the other end is gone, ... */
MUST_CHECK int tpm_write_all(int fd, const void *bytes, size_t len,
			     uint64_t deadline);
MUST_CHECK int tpm_read_all(int fd, void *bytes, size_t len, uint64_t deadline);

#endif
