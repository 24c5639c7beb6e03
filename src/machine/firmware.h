/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Booting through PC firmware (OVMF, SeaBIOS): its flash, and fw_cfg with
 * everything it asks.
 *
 * Chosen by `bootrom` (or its old name lpc.bootrom); `bootvars` is the file of
 * its variables. The chipset is then Q35's (model_env.q35), BARs and ECAM are
 * placed by firmware, and the ACPI tables it fetches describe where it put
 * them. Only root bus 0 can be used.
 *
 * Call order: firmware_wanted(), firmware_create() when the devices exist,
 * firmware_load() before vCPUs run, firmware_destroy() when none runs.
 * Sources: QEMU's fw_cfg.rst for the interface; edk2's OvmfPkg/README and
 * SeaBIOS's Runtime_config for which files are read.
 */
#ifndef MACHINE_FIRMWARE_H
#define MACHINE_FIRMWARE_H

#include "base/cfg.h"
#include "base/err.h"
#include "bus/model.h"
#include "machine/load.h"

struct firmware;

/*
 * Is there a bootrom? Errors: a bootrom next to boot.kernel, bootvars without
 * bootrom, an fw_cfg kind that does not exist.
 */
MUST_CHECK int firmware_wanted(struct cfg *root, struct err *err,
			       bool *ret_wanted);

MUST_CHECK int firmware_create(const struct model_env *env, struct err *err,
			       struct firmware **ret_fw);

/* `params` is copied; what it points to must outlive the firmware. */
MUST_CHECK int firmware_load(struct firmware *fw,
			     const struct load_params *params, struct err *err);
void firmware_destroy(struct firmware *fw); /* NULL allowed */

#endif
