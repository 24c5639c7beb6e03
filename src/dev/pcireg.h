/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `pcireg.*`: config variables that change what a PCI function says it is.
 *
 * Below a node: pcireg.vendor, pcireg.device, pcireg.revid, pcireg.subvendor,
 * pcireg.subdevice, numbers. The value `host` (bhyve: copy from the host's
 * LPC bridge, for a passed-through graphics device that looks there) is not
 * supported: a warning says so and the default stays.
 */
#ifndef DEV_PCIREG_H
#define DEV_PCIREG_H

#include "base/cfg.h"
#include "bus/pci.h"

/*
 * Changes *ids as `node` (or NULL) says; untouched on failure. The error names
 * the variable.
 */
MUST_CHECK int pcireg_apply(struct cfg *node, struct err *err,
			    struct pci_ids *ids);

#endif
