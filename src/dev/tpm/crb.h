/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TPM 2.0 with the command response buffer interface, at fed40000, locality 0.
 *
 * The guest writes a command into the buffer (fed40080 to fed40fff), sets start
 * and polls it until it is zero; the response is then in the same buffer. The
 * command itself is carried out by the back end (backend/tpm/tpm.h) while the
 * guest runs on. A back end that died is a TPM in failure mode to the guest:
 * every command is answered with TPM_RC_FAILURE.
 *
 * Options, in the config node given to create: type, path, version (see the
 * back end).
 *
 * Threads: registers from any vCPU; responses arrive on the back end's thread;
 * the rest before and after vCPUs run.
 * Source: TCG PC Client Platform TPM Profile 1.05, 6.5.3.
 */
#ifndef DEV_TPM_CRB_H
#define DEV_TPM_CRB_H

#include "bus/model.h"

struct tpm_crb;

MUST_CHECK int tpm_crb_create(const struct model_env *env, struct cfg *node,
			      struct err *err, struct tpm_crb **ret_crb);
void tpm_crb_destroy(struct tpm_crb *crb); /* NULL allowed */
/* vCPUs stand still; waits for a command, which is cancelled. */
void tpm_crb_reset(struct tpm_crb *crb);

/*
 * What the ACPI tables say about it: TPM2 (TCG ACPI 1.4, 8) has platform class,
 * control area and start method, without parameters; no log area is needed,
 * firmware hands its log over by itself. The DSDT has a device with this _HID
 * and the memory as its only resource.
 */
struct tpm_acpi {
	const char *hid;
	uint16_t platform_class;
	uint32_t start_method;
	uint64_t control_area;
	uint32_t memory_base, memory_size;
};
struct tpm_acpi tpm_crb_acpi(void);

#endif
