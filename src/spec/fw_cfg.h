/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports, keys and structures of the firmware configuration device that OVMF
 * and SeaBIOS read. Source: QEMU's docs/specs/fw_cfg.rst. The directory and the
 * DMA descriptor are big-endian, ports and the id item little-endian.
 */
#ifndef SPEC_FW_CFG_H
#define SPEC_FW_CFG_H

#include <assert.h>
#include <stdint.h>

#define FW_CFG_PORT_SELECT 0x510u /* 16 bits, write only */
#define FW_CFG_PORT_DATA   0x511u /* 8 bits */
#define FW_CFG_PORT_DMA	   0x514u /* 64 bits, big-endian */
#define FW_CFG_PORTS_END   0x51cu
#define FW_CFG_ACPI_HID	   "QEMU0002"

#define FW_CFG_SIGNATURE_TEXT "QEMU"
#define FW_CFG_DMA_SIGNATURE  0x51454d5520434647ull /* "QEMU CFG" */

/* FW_CFG_ID */
#define FW_CFG_ID_TRADITIONAL 1u
#define FW_CFG_ID_DMA	      2u

enum fw_cfg_key {
	FW_CFG_SIGNATURE = 0x00,
	FW_CFG_ID = 0x01,
	FW_CFG_UUID = 0x02,
	FW_CFG_RAM_SIZE = 0x03, /* 64 bits */
	FW_CFG_NOGRAPHIC = 0x04,
	FW_CFG_NB_CPUS = 0x05, /* 16 bits: started now */
	FW_CFG_MACHINE_ID = 0x06,
	FW_CFG_KERNEL_ADDR = 0x07,
	FW_CFG_KERNEL_SIZE = 0x08,
	FW_CFG_KERNEL_CMDLINE = 0x09,
	FW_CFG_INITRD_ADDR = 0x0a,
	FW_CFG_INITRD_SIZE = 0x0b,
	FW_CFG_BOOT_DEVICE = 0x0c,
	FW_CFG_NUMA = 0x0d,
	FW_CFG_BOOT_MENU = 0x0e,
	FW_CFG_MAX_CPUS = 0x0f, /* 16 bits: highest APIC id + 1 */
	FW_CFG_KERNEL_ENTRY = 0x10,
	FW_CFG_KERNEL_DATA = 0x11,
	FW_CFG_INITRD_DATA = 0x12,
	FW_CFG_CMDLINE_ADDR = 0x13,
	FW_CFG_CMDLINE_SIZE = 0x14,
	FW_CFG_CMDLINE_DATA = 0x15,
	FW_CFG_SETUP_ADDR = 0x16,
	FW_CFG_SETUP_SIZE = 0x17,
	FW_CFG_SETUP_DATA = 0x18,
	FW_CFG_FILE_DIR = 0x19,
	FW_CFG_FILE_FIRST = 0x20,
	FW_CFG_WRITE_CHANNEL = 0x4000, /* bit: meant a write once; ignored */
	FW_CFG_ARCH_LOCAL = 0x8000,    /* bit: keys of the architecture */
};

struct fw_cfg_file { /* big-endian */
	uint32_t size;
	uint16_t select;
	uint16_t reserved;
	char name[56]; /* with its NUL */
};
static_assert(sizeof(struct fw_cfg_file) == 64, "fw_cfg.rst, File Directory");

struct fw_cfg_dma { /* big-endian */
	uint32_t control;
	uint32_t length;
	uint64_t address;
};
static_assert(sizeof(struct fw_cfg_dma) == 16, "fw_cfg.rst, DMA Interface");

/* control; the upper 16 bits are the key to select */
#define FW_CFG_DMA_ERROR  0x01u
#define FW_CFG_DMA_READ	  0x02u
#define FW_CFG_DMA_SKIP	  0x04u
#define FW_CFG_DMA_SELECT 0x08u
#define FW_CFG_DMA_WRITE  0x10u

#endif
