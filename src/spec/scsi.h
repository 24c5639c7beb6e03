/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI: operation codes, status, sense and page codes of what a disk or a
 * CD/DVD drive needs. All fields on the wire are big-endian.
 * Sources: SAM-5 (status), SPC-4 (primary commands, sense), SBC-3 (disks),
 * MMC-5 (CD/DVD).
 */
#ifndef SPEC_SCSI_H
#define SPEC_SCSI_H

#include <stdint.h>

/* Operation codes. */
#define SCSI_TEST_UNIT_READY	  0x00u
#define SCSI_REQUEST_SENSE	  0x03u
#define SCSI_READ_6		  0x08u
#define SCSI_WRITE_6		  0x0au
#define SCSI_INQUIRY		  0x12u
#define SCSI_MODE_SELECT_6	  0x15u
#define SCSI_MODE_SENSE_6	  0x1au
#define SCSI_START_STOP_UNIT	  0x1bu
#define SCSI_PREVENT_ALLOW	  0x1eu
#define SCSI_READ_CAPACITY_10	  0x25u
#define SCSI_READ_10		  0x28u
#define SCSI_WRITE_10		  0x2au
#define SCSI_VERIFY_10		  0x2fu
#define SCSI_SYNCHRONIZE_CACHE_10 0x35u
#define SCSI_WRITE_SAME_10	  0x41u
#define SCSI_UNMAP		  0x42u
#define SCSI_READ_TOC		  0x43u
#define SCSI_GET_CONFIGURATION	  0x46u
#define SCSI_GET_EVENT_STATUS	  0x4au
#define SCSI_READ_DISC_INFO	  0x51u
#define SCSI_MODE_SELECT_10	  0x55u
#define SCSI_MODE_SENSE_10	  0x5au
#define SCSI_READ_16		  0x88u
#define SCSI_WRITE_16		  0x8au
#define SCSI_VERIFY_16		  0x8fu
#define SCSI_SYNCHRONIZE_CACHE_16 0x91u
#define SCSI_WRITE_SAME_16	  0x93u
#define SCSI_SERVICE_ACTION_IN_16 0x9eu
#define SCSI_REPORT_LUNS	  0xa0u
#define SCSI_READ_12		  0xa8u
#define SCSI_WRITE_12		  0xaau
#define SCSI_VERIFY_12		  0xafu

#define SCSI_SA_READ_CAPACITY_16 0x10u /* of SERVICE ACTION IN(16) */

/* Status (SAM-5, 5.3.1). */
#define SCSI_GOOD	     0x00u
#define SCSI_CHECK_CONDITION 0x02u
#define SCSI_BUSY	     0x08u

/* Sense as one number: key, additional code, its qualifier (SPC-4, 4.5). */
#define SCSI_SENSE_NONE		     0x000000u
#define SCSI_SENSE_STOPPED	     0x020402u
#define SCSI_SENSE_TRAY_OPEN	     0x023a02u
#define SCSI_SENSE_WRITE_ERROR	     0x030c00u
#define SCSI_SENSE_READ_ERROR	     0x031100u
#define SCSI_SENSE_LIST_LENGTH	     0x051a00u
#define SCSI_SENSE_OPCODE	     0x052000u
#define SCSI_SENSE_LBA_RANGE	     0x052100u
#define SCSI_SENSE_CDB_FIELD	     0x052400u
#define SCSI_SENSE_NO_UNIT	     0x052500u
#define SCSI_SENSE_LIST_FIELD	     0x052600u
#define SCSI_SENSE_NO_SAVED_PAGES    0x053900u
#define SCSI_SENSE_REMOVAL_PREVENTED 0x055302u
#define SCSI_SENSE_MEDIUM_CHANGED    0x062800u
#define SCSI_SENSE_POWER_ON	     0x062900u
#define SCSI_SENSE_UNIT_RESET	     0x062903u
#define SCSI_SENSE_NEXUS_LOSS	     0x062907u
#define SCSI_SENSE_WRITE_PROTECTED   0x072700u
#define SCSI_SENSE_NO_SPACE	     0x072707u
#define SCSI_SENSE_BYTES	     18u /* fixed format */
#define SCSI_SENSE_FIXED	     0x70u
#define SCSI_SENSE_VALID	     0x80u
#define SCSI_SENSE_DESCRIPTOR	     0x72u

/* Peripheral device types, and "no such unit" (SPC-4, 6.4.2). */
#define SCSI_TYPE_DISK	 0x00u
#define SCSI_TYPE_CDROM	 0x05u
#define SCSI_TYPE_ABSENT 0x7fu

/* Vital product data pages. */
#define SCSI_VPD_PAGES		 0x00u
#define SCSI_VPD_SERIAL		 0x80u
#define SCSI_VPD_IDENTIFICATION	 0x83u
#define SCSI_VPD_LIMITS		 0xb0u
#define SCSI_VPD_CHARACTERISTICS 0xb1u
#define SCSI_VPD_PROVISIONING	 0xb2u

/* Mode pages. */
#define SCSI_PAGE_ERROR_RECOVERY 0x01u
#define SCSI_PAGE_CACHING	 0x08u
#define SCSI_PAGE_CONTROL	 0x0au
#define SCSI_PAGE_CAPABILITIES	 0x2au
#define SCSI_PAGE_ALL		 0x3fu

#define SCSI_CACHING_WCE 0x04u /* byte 2 of the caching page */

static inline uint16_t scsi_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t scsi_get32(const uint8_t *p)
{
	return (uint32_t)scsi_get16(p) << 16 | scsi_get16(p + 2);
}

static inline uint64_t scsi_get64(const uint8_t *p)
{
	return (uint64_t)scsi_get32(p) << 32 | scsi_get32(p + 4);
}

static inline void scsi_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void scsi_put32(uint8_t *p, uint32_t v)
{
	scsi_put16(p, v >> 16);
	scsi_put16(p + 2, v);
}

static inline void scsi_put64(uint8_t *p, uint64_t v)
{
	scsi_put32(p, (uint32_t)(v >> 32));
	scsi_put32(p + 4, (uint32_t)v);
}

#endif
