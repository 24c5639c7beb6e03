/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address plan: where the guest's memory ends, which addresses devices can
 * have, and whether the BARs of all passed-through functions fit.
 *
 * Made from the configuration and sysfs alone, before a device is opened or
 * memory is taken: what cannot be is refused while nothing has been touched.
 * The BARs of emulated devices are small and lie below 4 GiB; those of devices
 * that other processes play are not known yet. Both are placed later, by the
 * same rules (layout.h).
 *
 * Call order: plan_make(), any of the others, plan_destroy().
 * Locking: none, one thread.
 */
#ifndef MACHINE_PLAN_H
#define MACHINE_PLAN_H

#include "base/cfg.h"
#include "base/err.h"
#include "hostpci/hostpci.h"
#include "machine/layout.h"

struct plan;

struct plan_params {
	struct cfg *root; /* pci.*, x86.phys_bits */
	struct layout layout;
	bool firmware;	    /* places the BARs itself */
	unsigned phys_bits; /* what KVM offers a guest */
	const char *host;   /* "/"; a fixture tree in tests */
};

/*
 * -ENODEV and -EIO as from hostpci_answers(), -EINVAL for x86.phys_bits,
 * -ERANGE and -ENOSPC naming the limits.
 */
MUST_CHECK int plan_make(const struct plan_params *params, struct err *err,
			 struct plan **ret_plan);
void plan_destroy(struct plan *plan); /* NULL allowed */

/* Valid as long as the plan. */
const struct layout_limits *plan_limits(const struct plan *plan);
/* A line each for memory, windows, BARs and limits. */
void plan_print(const struct plan *plan, FILE *out);

#endif
