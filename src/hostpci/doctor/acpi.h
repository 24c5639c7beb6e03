/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firmware's tables about IOMMUs, as far as the doctor looks into them.
 *
 * The bytes are firmware's: every length is checked before use, and what does
 * not fit makes the table `broken` with a word why; what came before stays.
 * Sources: Intel VT-d specification ch. 8 (DMAR); AMD I/O Virtualization
 * Technology specification ch. 5 (IVRS); ACPI 6.5 section 5.2.6 (header).
 */
#ifndef HOSTPCI_DOCTOR_ACPI_H
#define HOSTPCI_DOCTOR_ACPI_H

#include "base/base.h"

#define DMAR_RMRR_MAX 32u

struct acpi_rmrr {
	uint64_t start, end; /* end inclusive */
	/* First device of its scope. */
	uint16_t segment;
	uint8_t bus, slot, func;
	bool has_device;
};

struct acpi_dmar {
	bool present;
	const char *broken; /* NULL, or what is wrong */
	unsigned width;	    /* of host addresses, bits */
	bool remaps_interrupts, x2apic_opt_out;
	unsigned units;	  /* DRHD */
	bool covers_rest; /* a unit for all devices not listed */
	struct acpi_rmrr rmrr[DMAR_RMRR_MAX];
	size_t rmrr_count;
};

struct acpi_ivrs {
	bool present;
	const char *broken;
	unsigned units; /* IVHD, counted once per device id */
	unsigned virtual_bits, physical_bits;
	unsigned reserved; /* IVMD */
};

void acpi_dmar_parse(const void *table, size_t size,
		     struct acpi_dmar *ret_dmar);
void acpi_ivrs_parse(const void *table, size_t size,
		     struct acpi_ivrs *ret_ivrs);

#endif
