/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of the fixed ACPI tables byway writes.
 * Sources: ACPI 5.1 chapter 5 (RSDP to FACS), PCI Firmware 3.2 4.1 (MCFG),
 * Microsoft's Serial Port Console Redirection table 1.03 (SPCR), IA-PC HPET
 * 1.0a 3.2.4 (HPET). All fields little-endian.
 */
#ifndef SPEC_ACPI_H
#define SPEC_ACPI_H

#include <assert.h>
#include <stdint.h>

#define ACPI_PACKED __attribute__((packed))

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum; /* all bytes of the table sum to zero */
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1
};

struct acpi_gas { /* generic address */
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access; /* 1 byte, 2 word, 3 dword, 4 qword */
	uint64_t address;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_gas) == 12, "ACPI 5.2.3.2");

struct acpi_rsdp {
	char signature[8]; /* "RSD PTR " */
	uint8_t checksum;  /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum; /* of all */
	uint8_t reserved[3];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");
#define ACPI_RSDP_V1_BYTES 20

/* iapc_boot_arch */
#define ACPI_BOOT_LEGACY_DEVICES 0x0001
#define ACPI_BOOT_8042		 0x0002
#define ACPI_BOOT_NO_VGA	 0x0004
#define ACPI_BOOT_NO_ASPM	 0x0010

/* flags */
#define ACPI_FADT_WBINVD       0x00000001
#define ACPI_FADT_PROC_C1      0x00000004
#define ACPI_FADT_NO_SLEEP_BTN 0x00000020
#define ACPI_FADT_TMR_32BIT    0x00000100
#define ACPI_FADT_RESET_REG    0x00000400
#define ACPI_FADT_HEADLESS     0x00001000

struct acpi_fadt { /* revision 5 */
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t int_model;
	uint8_t pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable;
	uint8_t s4bios_req, pstate_cnt;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr;
	uint32_t gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cst_cnt;
	uint16_t c2_latency, c3_latency;
	uint16_t flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t iapc_boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct acpi_gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt;
	struct acpi_gas x_pm2_cnt, x_pm_tmr, x_gpe0, x_gpe1;
	struct acpi_gas sleep_control, sleep_status;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_fadt) == 268, "ACPI 5.2.9");

struct acpi_facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_facs) == 64, "ACPI 5.2.10");
#define ACPI_FACS_ALIGN 64

#define ACPI_MADT_PCAT_COMPAT 1u /* there is a pair of 8259s, too */
#define ACPI_MADT_ENABLED     1u

/* Interrupt flags of MADT entries. */
#define ACPI_MADT_ACTIVE_HIGH 0x0001
#define ACPI_MADT_LEVEL	      0x000c

struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt) == 44, "ACPI 5.2.12");

struct acpi_madt_lapic { /* type 0 */
	uint8_t type, length;
	uint8_t uid, apic_id;
	uint32_t flags;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_lapic) == 8, "ACPI 5.2.12.2");

struct acpi_madt_ioapic { /* type 1 */
	uint8_t type, length;
	uint8_t id, reserved;
	uint32_t address, gsi_base;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_ioapic) == 12, "ACPI 5.2.12.3");

struct acpi_madt_override { /* type 2 */
	uint8_t type, length;
	uint8_t bus, source;
	uint32_t gsi;
	uint16_t flags;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_override) == 10, "ACPI 5.2.12.5");

struct acpi_madt_lapic_nmi { /* type 4 */
	uint8_t type, length;
	uint8_t uid; /* 0xff: all */
	uint16_t flags;
	uint8_t lint;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_lapic_nmi) == 6, "ACPI 5.2.12.7");

struct acpi_madt_x2apic { /* type 9 */
	uint8_t type, length;
	uint16_t reserved;
	uint32_t apic_id, flags, uid;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_x2apic) == 16, "ACPI 5.2.12.12");

struct acpi_madt_x2apic_nmi { /* type 10 */
	uint8_t type, length;
	uint16_t flags;
	uint32_t uid; /* 0xffffffff: all */
	uint8_t lint;
	uint8_t reserved[3];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_x2apic_nmi) == 12, "ACPI 5.2.12.13");

struct acpi_mcfg {
	struct acpi_header header;
	uint8_t reserved[8];
	uint64_t base;
	uint16_t segment;
	uint8_t start_bus, end_bus;
	uint32_t reserved2;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_mcfg) == 60, "PCI Firmware 4.1.2");

struct acpi_hpet {
	struct acpi_header header;
	uint32_t block_id;
	struct acpi_gas address;
	uint8_t number;
	uint16_t min_tick;
	uint8_t page_protection;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_hpet) == 56, "HPET 3.2.4");

struct acpi_tpm2 { /* revision 4, without parameters and log */
	struct acpi_header header;
	uint16_t platform_class; /* 0: client */
	uint16_t reserved;
	uint64_t control_area;
	uint32_t start_method;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_tpm2) == 52, "TCG ACPI 1.4, table 7");

struct acpi_spcr { /* revision 2 */
	struct acpi_header header;
	uint8_t interface_type; /* 0: 16550 */
	uint8_t reserved[3];
	struct acpi_gas address;
	uint8_t interrupt_type; /* bit 0: 8259, bit 1: I/O APIC */
	uint8_t irq;
	uint32_t gsi;
	uint8_t baud_rate; /* 7: 115200 */
	uint8_t parity;	   /* 0: none */
	uint8_t stop_bits;
	uint8_t flow_control;
	uint8_t terminal_type; /* 3: ANSI */
	uint8_t language;
	uint16_t pci_device, pci_vendor; /* 0xffff: not on PCI */
	uint8_t pci_bus, pci_slot, pci_function;
	uint32_t pci_flags;
	uint8_t pci_segment;
	uint32_t reserved2;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_spcr) == 80, "SPCR 1.03");

#endif
