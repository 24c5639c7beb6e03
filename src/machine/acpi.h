/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's ACPI tables.
 *
 * acpi_build() makes them without knowing where they will lie: pointers hold
 * offsets into the tables, and what must be added (fixups) and summed up
 * afterwards (sums) is recorded. acpi_locate() then does both for one address;
 * a firmware that loads tables itself is given the same records as commands.
 *
 * Tables: RSDP 2, RSDT, XSDT, FADT 5, FACS, DSDT, MADT, MCFG (with ECAM), SPCR
 * (with COM1), HPET and TPM2 (with one).
 *
 * Interrupts: IRQ 0 is pin 2 of the I/O APIC; the SCI is IRQ 9, level,
 * active-high: devices assert their line by setting it to 1, and KVM's I/O
 * APIC ignores the polarity bit, so high is what the line does. PCI pins are
 * GSI 16-23 by pci_swizzle_gsi() in APIC mode, and links LNKA-LNKH (the LPC
 * bridge's PIRQ registers) in PIC mode.
 *
 * Sources: ACPI 5.1; PCI Firmware 3.2 (MCFG, _OSC).
 */
#ifndef MACHINE_ACPI_H
#define MACHINE_ACPI_H

#include "base/err.h"
#include "machine/desc.h"
#include "machine/tbuf.h"
#include "spec/acpi.h"

#define ACPI_FIXUPS_MAX 24u
#define ACPI_SUMS_MAX	12u

/* `size` bytes at `at` are an offset into the tables: add their address. */
struct acpi_fixup {
	bool in_rsdp; /* else in the tables */
	uint8_t size;
	uint32_t at;
};

/* The byte at `at` makes [start, start + len) sum to zero; holds 0 now. */
struct acpi_sum {
	bool in_rsdp;
	uint32_t at, start, len;
};

struct acpi_blob {
	struct acpi_rsdp rsdp;
	struct tbuf tables; /* to be placed at a multiple of 64 */
	unsigned fixup_count, sum_count;
	struct acpi_fixup fixups[ACPI_FIXUPS_MAX];
	struct acpi_sum sums[ACPI_SUMS_MAX]; /* in this order, after fixups */
};

/* -ENOSPC when a table outgrows what a guest finds below 1 MiB. */
MUST_CHECK int acpi_build(const struct machine_desc *desc, struct err *err,
			  struct acpi_blob *ret_blob);
void acpi_blob_fini(struct acpi_blob *blob); /* zeroed struct allowed */

/* For tables that will lie at `tables`; once. */
void acpi_locate(struct acpi_blob *blob, uint32_t tables);

/* The DSDT's byte code, without header. */
void acpi_dsdt_build(const struct machine_desc *desc, struct tbuf *out);

#endif
