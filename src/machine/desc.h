/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the firmware tables say about the machine, and what the guest's
 * memory holds below 1 MiB when it starts.
 *
 * The machine fills a struct machine_desc when all devices have their place;
 * ACPI, SMBIOS, MP table, E820 and the Linux boot parameters are all written
 * from it, so they cannot contradict each other.
 *
 *   01000  GDT, zero page, page tables, stack: boot_linux.h says where
 *   20000  kernel command line
 *   a0000  (hole)
 *   e0000  tables that do not fit below
 *   f0000  MP table, 4 KiB
 *   f1000  SMBIOS, 5 KiB
 *   f2400  ACPI
 */
#ifndef MACHINE_DESC_H
#define MACHINE_DESC_H

#include "base/base.h"
#include "base/cfg.h"
#include "bus/pci.h"
#include "gmem/gmem.h"

#define DESC_HOLE_BASE	   0xa0000u /* end of the RAM below 1 MiB */
#define DESC_TABLES_BASE   0xe0000u /* reserved in E820 up to 1 MiB */
#define DESC_MPTABLE_BASE  0xf0000u
#define DESC_SMBIOS_BASE   0xf1000u
#define DESC_ACPI_BASE	   0xf2400u
#define DESC_TABLES_END	   0x100000u
#define DESC_HIGH_RAM_BASE 0x100000000ull
#define DESC_ECAM_BYTES	   (256ull << 20)
#define DESC_IOAPIC_BASE   0xfec00000u
#define DESC_LAPIC_BASE	   0xfee00000u
#define DESC_SCI_IRQ	   9u
#define DESC_BUSES_MAX	   256u

struct tpm_acpi;

struct desc_bus {
	uint8_t bus;
	uint8_t last;	/* of the bus numbers below it; its own: no bridge */
	uint32_t slots; /* bit n: slot n has a device */
	struct pci_windows windows;
};

struct machine_desc {
	unsigned cpus, sockets, cores, threads; /* cpus: their product */
	uint64_t low_bytes, high_bytes;		/* RAM from 0 and from 4 GiB */
	uint64_t ecam_base;			/* 256 MiB; 0: no ECAM */
	const struct desc_bus *buses;		/* by number; bus 0 is there */
	unsigned bus_count;
	bool has_lpc; /* ISA devices and PIRQ registers, at lpc_addr */
	struct pci_addr lpc_addr;
	unsigned coms; /* bit n: COM n + 1 is there */
	bool has_i8042;
	bool has_fwcfg;
	bool has_screen;	/* a display and someone before it */
	uint16_t pm_base;	/* of the ACPI ports */
	uint32_t hpet_block_id; /* low half of its capabilities; 0: no HPET */
	bool has_mptable;
	const struct tpm_acpi *tpm; /* dev/tpm/crb.h; NULL: none */
	uint8_t uuid[16];	    /* in the order its text has */
	/* bios.*, system.*, board.*, chassis.* are read here; NULL: none. */
	struct cfg *root;
};

/* ---- E820 ---- */

#define DESC_E820_MAX 5u

enum desc_e820_type {
	DESC_E820_RAM = 1,
	DESC_E820_RESERVED = 2
};

struct desc_e820 {
	uint64_t base, size;
	enum desc_e820_type type;
};

/* The address map a firmware would report; returns how many entries. */
unsigned desc_e820(const struct machine_desc *desc,
		   struct desc_e820 ret_map[DESC_E820_MAX]);

/* ---- all tables ---- */

/*
 * Writes ACPI, SMBIOS and (has_mptable) MP tables to where guests look for
 * them. Guest memory must be fresh. *ret_rsdp is the ACPI root pointer.
 * Errors: a bad configuration value by name; -ENOSPC when a machine with very
 * many processors and buses has tables that do not fit below 1 MiB.
 */
MUST_CHECK int desc_write_tables(const struct machine_desc *desc,
				 const struct gmem *gmem, struct err *err,
				 gpa_t *ret_rsdp);

#endif
