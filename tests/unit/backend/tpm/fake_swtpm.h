/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An swtpm made for tests: a thread that serves one control connection as
 * swtpm_ioctls(3) describes, and misbehaves on demand. As a TPM it answers a
 * command with success and the command's code as data, one with code ECHO with
 * itself, and BLOCKING not before it is cancelled.
 */
#ifndef TESTS_BACKEND_FAKE_SWTPM_H
#define TESTS_BACKEND_FAKE_SWTPM_H

#include <pthread.h>

#include "base/base.h"

#define FAKE_ECHO     0x20000001u
#define FAKE_BLOCKING 0x20000002u
#define FAKE_CALLS    64u

struct fake_swtpm {
	/* Set before it is started. */
	char path[108];
	uint32_t abilities;  /* default: all */
	uint32_t buffer_min; /* what a smaller size becomes */
	uint16_t tag;	     /* of responses; default: TPM 2.0 */
	unsigned refuse;     /* this control command fails with 9 */
	unsigned mute;	     /* this control command has no answer */
	unsigned die_at;     /* hangs up at this TPM command, from 1 */
	bool silent;	     /* TPM commands but the first have no answer */
	bool trickle;	     /* responses come byte by byte */
	uint32_t claim_size; /* in the header of all responses but the first */
	unsigned surplus;    /* bytes behind such a response */

	/* What happened. */
	pthread_mutex_t lock;
	unsigned calls; /* control commands */
	uint8_t call[FAKE_CALLS];
	uint32_t payload; /* of the last one that has 4 bytes of it */
	unsigned commands, clients;

	int listener, control, data, quit[2];
	unsigned data_clients;
	bool blocking, cancelled; /* cancelled before it was read */
	pthread_t thread;
};

/* Zeroed but for what is to differ; never fails (aborts instead). */
void fake_swtpm_start(struct fake_swtpm *fake);
/* As kill -9 would: connections are gone. */
void fake_swtpm_stop(struct fake_swtpm *fake);

unsigned fake_swtpm_calls(struct fake_swtpm *fake, unsigned command);

#endif
