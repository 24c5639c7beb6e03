/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm passthru doctor --probe: tries devices through VFIO by byway-probe, when
 * neither a guest nor the host uses them.
 * Locking: holds the turn of claims.h meanwhile, so no start gets in between.
 */
#ifndef VM_TRIAL_H
#define VM_TRIAL_H

#include "hostpci/hostpci.h"
#include "vm/place.h"

/*
 * Tries each device `rounds` times and prints how it went. 0 when all steps
 * worked, 1 when one failed, negative with the sentence when a device must not
 * be tried or byway-probe cannot be run.
 */
MUST_CHECK int trial_run(const struct place *place,
			 const struct hostpci_addr *addrs, size_t count,
			 unsigned rounds, struct err *err);

#endif
