/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands, status bits and query table of NOR flash with the Intel command
 * set. Sources: JEDEC JESD68.01 (Common Flash Interface), JEP137 (0001, the
 * Intel/Sharp extended command set), Intel 28F640J3 data sheet.
 */
#ifndef SPEC_CFI_H
#define SPEC_CFI_H

#include <assert.h>
#include <stdint.h>

enum cfi_command {
	CFI_PROGRAM_ALT = 0x10, /* the next write is the data */
	CFI_ERASE = 0x20,	/* the next write is CFI_CONFIRM */
	CFI_PROGRAM = 0x40,
	CFI_CLEAR_STATUS = 0x50,
	CFI_READ_STATUS = 0x70,
	CFI_READ_ID = 0x90,
	CFI_QUERY = 0x98,
	CFI_CONFIRM = 0xd0,
	CFI_READ_ARRAY = 0xff,
};

#define CFI_STATUS_READY	 0x80u
#define CFI_STATUS_ERASE_ERROR	 0x20u
#define CFI_STATUS_PROGRAM_ERROR 0x10u

#define CFI_VENDOR_INTEL 0x89u
#define CFI_QUERY_FIRST	 0x10u /* where "QRY" is */

/* From offset 10 on, for a device with one erase region. */
struct cfi_query {
	char signature[3]; /* "QRY" */
	uint8_t command_set[2];
	uint8_t extended_at[2];
	uint8_t alt_command_set[2], alt_extended_at[2];
	uint8_t vcc_min, vcc_max, vpp_min, vpp_max; /* BCD volts.100 mV */
	uint8_t program_us, buffer_us, erase_ms, chip_erase_ms;	    /* 2^n */
	uint8_t program_max, buffer_max, erase_max, chip_erase_max; /* 2^n */
	uint8_t size;						    /* 2^n */
	uint8_t interface[2];	 /* 0: 8 bits wide */
	uint8_t buffer_bytes[2]; /* 2^n; 0: no buffer */
	uint8_t regions;
	uint8_t region_blocks[2]; /* minus one */
	uint8_t region_block[2];  /* bytes / 256 */
};
static_assert(sizeof(struct cfi_query) == 0x31 - CFI_QUERY_FIRST, "JESD68");

#define CFI_COMMAND_SET_INTEL 0x0001u

#endif
