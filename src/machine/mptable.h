/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MultiProcessor configuration table, for guests without ACPI.
 *
 * Same interrupts as acpi.h: IRQ 0 on pin 2, the SCI level-triggered on pin 9,
 * PCI pins on 16-23 for every slot in use.
 *
 * Source: MultiProcessor Specification 1.4.
 */
#ifndef MACHINE_MPTABLE_H
#define MACHINE_MPTABLE_H

#include "machine/desc.h"
#include "machine/tbuf.h"
#include "spec/mps.h"

/*
 * Appends the configuration table to `out`, which may run full. Processors
 * from APIC id 255 on cannot be named and are left out.
 */
void mptable_build(const struct machine_desc *desc, struct tbuf *out);

/* The floating pointer to a table at `address`. */
struct mps_pointer mptable_pointer(uint32_t address);

#endif
