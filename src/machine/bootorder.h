/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which firmware tries the devices: fw_cfg's file "bootorder".
 *
 * Devices that have a `bootindex` in their node (pci.B.S.F.bootindex, of an
 * AHCI or SCSI port pci.B.S.F.port.N.bootindex) are listed, lowest first, as
 * OpenFirmware paths, a line each, the way OVMF and SeaBIOS read them. Without
 * any there is no list, and firmware decides.
 *
 * Limits: BOOTORDER_MAX devices. Errors name the node: no number, a number
 * used twice, a bus other than 0 (its path is not known to firmware), a device
 * that nothing can be booted from.
 */
#ifndef MACHINE_BOOTORDER_H
#define MACHINE_BOOTORDER_H

#include "base/cfg.h"
#include "base/err.h"
#include "machine/tbuf.h"

#define BOOTORDER_MAX 64u

/* Appends the list with a NUL at its end to `out`; nothing when empty. */
MUST_CHECK int bootorder_build(struct cfg *root, struct err *err,
			       struct tbuf *out);

#endif
