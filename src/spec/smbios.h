/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of the System Management BIOS reference specification 3.0: entry
 * points (5.2) and the structures byway writes (7). A structure is followed by
 * its strings, each with a NUL, and one more NUL; string fields hold the
 * string's number from 1, 0 for none.
 */
#ifndef SPEC_SMBIOS_H
#define SPEC_SMBIOS_H

#include <assert.h>
#include <stdint.h>

#define SMBIOS_PACKED __attribute__((packed))

struct smbios_entry {	/* 2.x, 32-bit */
	char anchor[4]; /* "_SM_" */
	uint8_t checksum;
	uint8_t length;
	uint8_t major, minor;
	uint16_t max_structure;
	uint8_t revision;
	uint8_t formatted[5];
	char middle_anchor[5];	 /* "_DMI_" */
	uint8_t middle_checksum; /* from middle_anchor on */
	uint16_t table_length;
	uint32_t table;
	uint16_t structure_count;
	uint8_t bcd_revision;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_entry) == 31, "SMBIOS 5.2.1");

struct smbios3_entry {	/* 64-bit */
	char anchor[5]; /* "_SM3_" */
	uint8_t checksum;
	uint8_t length;
	uint8_t major, minor, docrev;
	uint8_t revision;
	uint8_t reserved;
	uint32_t table_max;
	uint64_t table;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios3_entry) == 24, "SMBIOS 5.2.2");

struct smbios_header {
	uint8_t type, length;
	uint16_t handle;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_header) == 4, "SMBIOS 6.1.2");

struct smbios_bios { /* type 0 */
	struct smbios_header h;
	uint8_t vendor, version;
	uint16_t segment;
	uint8_t release_date;
	uint8_t rom_size;
	uint64_t characteristics;
	uint8_t characteristics_ext[2];
	uint8_t major, minor, ec_major, ec_minor;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_bios) == 0x18, "SMBIOS 7.1");

struct smbios_system { /* type 1 */
	struct smbios_header h;
	uint8_t manufacturer, product, version, serial;
	uint8_t uuid[16];
	uint8_t wake_up;
	uint8_t sku, family;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_system) == 0x1b, "SMBIOS 7.2");

struct smbios_board { /* type 2 */
	struct smbios_header h;
	uint8_t manufacturer, product, version, serial, asset_tag;
	uint8_t features;
	uint8_t location;
	uint16_t chassis;
	uint8_t board_type;
	uint8_t object_count;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_board) == 0x0f, "SMBIOS 7.3");

struct smbios_chassis { /* type 3, no contained elements */
	struct smbios_header h;
	uint8_t manufacturer, type, version, serial, asset_tag;
	uint8_t boot_state, power_state, thermal_state, security;
	uint32_t oem;
	uint8_t height, power_cords, element_count, element_length;
	uint8_t sku;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_chassis) == 0x16, "SMBIOS 7.4");

struct smbios_processor { /* type 4 */
	struct smbios_header h;
	uint8_t socket, type, family, manufacturer;
	uint64_t id;
	uint8_t version, voltage;
	uint16_t external_clock, max_speed, current_speed;
	uint8_t status, upgrade;
	uint16_t l1, l2, l3;
	uint8_t serial, asset_tag, part;
	uint8_t cores, cores_enabled, threads;
	uint16_t characteristics, family2;
	uint16_t cores2, cores_enabled2, threads2;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_processor) == 0x30, "SMBIOS 7.5");

struct smbios_memory_array { /* type 16 */
	struct smbios_header h;
	uint8_t location, use, error_correction;
	uint32_t max_kib; /* 0x80000000: see max_bytes */
	uint16_t error_handle;
	uint16_t device_count;
	uint64_t max_bytes;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_memory_array) == 0x17, "SMBIOS 7.17");

struct smbios_memory_device { /* type 17 */
	struct smbios_header h;
	uint16_t array, error_handle;
	uint16_t total_width, data_width;
	uint16_t size_mib; /* 0x7fff: see extended_size_mib */
	uint8_t form_factor, device_set;
	uint8_t locator, bank;
	uint8_t memory_type;
	uint16_t detail;
	uint16_t speed;
	uint8_t manufacturer, serial, asset_tag, part, attributes;
	uint32_t extended_size_mib;
	uint16_t clock_speed;
	uint16_t min_voltage, max_voltage, voltage;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_memory_device) == 0x28, "SMBIOS 7.18");

struct smbios_array_map { /* type 19 */
	struct smbios_header h;
	uint32_t start_kib, end_kib; /* 0xffffffff: see the wide fields */
	uint16_t array;
	uint8_t partition_width;
	uint64_t start, end; /* bytes, end inclusive */
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_array_map) == 0x1f, "SMBIOS 7.20");

struct smbios_boot_status { /* type 32 */
	struct smbios_header h;
	uint8_t reserved[6];
	uint8_t status;
} SMBIOS_PACKED;
static_assert(sizeof(struct smbios_boot_status) == 0x0b, "SMBIOS 7.33");

#endif
