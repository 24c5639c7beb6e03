/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TPM back end: who carries out the guest's TPM 2.0 commands.
 *
 *   swtpm,PATH      swtpm's control socket, started with
 *                   swtpm socket --tpm2 --ctrl type=unixio,path=PATH
 *                   --tpmstate dir=DIR; each guest needs its own
 *   passthru,PATH   a TPM of the host, such as /dev/tpm0, for one guest
 *
 * One command at a time, as a TPM has it. A worker thread waits for the answer,
 * TPM_COMMAND_S at most. When the TPM dies, is silent that long or answers
 * nonsense, one line says so and every command fails from then on; the guest
 * goes on without a TPM.
 *
 * Threads: submit and cancel from any thread; open, reset and close by the
 * owner. done() runs on the worker's thread, without a lock of the back end.
 * Sources: swtpm_ioctls(3), swtpm(8); Linux's tpm(4) character device.
 */
#ifndef BACKEND_TPM_TPM_H
#define BACKEND_TPM_TPM_H

#include "base/base.h"
#include "base/cfg.h"
#include "base/err.h"

#define TPM_COMMAND_S 300u /* keys take their time */

struct tpm;

struct tpm_req {
	const uint8_t *command;
	size_t command_len;
	uint8_t *response;
	size_t response_max;
	/* Bytes of the response, or negative errno. */
	void (*done)(struct tpm_req *req, int result);
	void *ctx;
};

/* "swtpm,/run/tpm.sock[,version=2.0]" into type, path, version of `node`. */
MUST_CHECK int tpm_parse(struct cfg *node, const char *text, struct err *err);

/*
 * Opens what type and path of `node` say and makes sure that a TPM 2.0 is
 * there. `buffer_bytes` is the longest command or response the device can have.
 * Errors name the path and the cure.
 */
MUST_CHECK int tpm_open(struct cfg *node, size_t buffer_bytes, struct err *err,
			struct tpm **ret_tpm);
void tpm_close(struct tpm *tpm); /* abandons a command; NULL allowed */

/*
 * Never blocks and never calls done() itself. -EBUSY while another command is
 * carried out; another negative errno when it cannot be taken.
 */
MUST_CHECK int tpm_submit(struct tpm *tpm, struct tpm_req *req);

/* Asks the TPM to give the current command up; it is done() in any case. */
void tpm_cancel(struct tpm *tpm);

/*
 * The power of the machine is cycled: waits for the current command, which is
 * cancelled, then starts the TPM anew (a TPM of the host goes on as it is).
 * Failing, it is dead, as above.
 */
void tpm_reset(struct tpm *tpm);

#endif
