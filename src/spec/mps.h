/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of the MultiProcessor Specification 1.4, chapter 4: what guests
 * without ACPI learn processors and interrupts from.
 */
#ifndef SPEC_MPS_H
#define SPEC_MPS_H

#include <assert.h>
#include <stdint.h>

#define MPS_PACKED __attribute__((packed))

struct mps_pointer {
	char signature[4]; /* "_MP_" */
	uint32_t table;
	uint8_t length; /* in 16-byte units */
	uint8_t spec_rev;
	uint8_t checksum;
	uint8_t features[5];
} MPS_PACKED;
static_assert(sizeof(struct mps_pointer) == 16, "MPS 4.1");

struct mps_header {
	char signature[4]; /* "PCMP" */
	uint16_t length;
	uint8_t spec_rev;
	uint8_t checksum;
	char oem_id[8];
	char product_id[12];
	uint32_t oem_table;
	uint16_t oem_table_size;
	uint16_t entry_count;
	uint32_t lapic_address;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
} MPS_PACKED;
static_assert(sizeof(struct mps_header) == 44, "MPS 4.2");

enum mps_entry_type {
	MPS_PROCESSOR = 0,
	MPS_BUS = 1,
	MPS_IOAPIC = 2,
	MPS_IO_INT = 3,
	MPS_LOCAL_INT = 4,
};

#define MPS_CPU_ENABLED	  1
#define MPS_CPU_BOOTSTRAP 2

struct mps_processor {
	uint8_t type, apic_id, apic_version, cpu_flags;
	uint32_t signature, features;
	uint32_t reserved[2];
} MPS_PACKED;
static_assert(sizeof(struct mps_processor) == 20, "MPS 4.3.1");

struct mps_bus {
	uint8_t type, id;
	char name[6];
} MPS_PACKED;
static_assert(sizeof(struct mps_bus) == 8, "MPS 4.3.2");

struct mps_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
} MPS_PACKED;
static_assert(sizeof(struct mps_ioapic) == 8, "MPS 4.3.3");

enum mps_int_type {
	MPS_INT = 0,
	MPS_NMI = 1,
	MPS_SMI = 2,
	MPS_EXTINT = 3
};

#define MPS_INT_CONFORMS    0x0
#define MPS_INT_ACTIVE_HIGH 0x1
#define MPS_INT_LEVEL	    0xc
#define MPS_ALL_LOCAL_APICS 0xff

struct mps_interrupt { /* types 3 and 4 */
	uint8_t type, int_type;
	uint16_t flags;
	uint8_t source_bus, source_irq;
	uint8_t dest_apic, dest_pin;
} MPS_PACKED;
static_assert(sizeof(struct mps_interrupt) == 8, "MPS 4.3.4");

#endif
