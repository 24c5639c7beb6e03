/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ATA and ATAPI as they travel over Serial ATA: FIS layouts (Serial ATA 3.1,
 * 10.5), commands and registers (ACS-2), IDENTIFY words (ACS-2, 7.17), packet
 * commands and sense codes (SPC-3, MMC-5). ATA data is little-endian, packet
 * command data big-endian.
 */
#ifndef SPEC_ATA_H
#define SPEC_ATA_H

#include <assert.h>
#include <stdint.h>

#define ATA_PACKED __attribute__((packed))

/* ---- FISes ---- */

enum fis_type {
	FIS_REG_H2D = 0x27,
	FIS_REG_D2H = 0x34,
	FIS_PIO_SETUP = 0x5f,
	FIS_SET_BITS = 0xa1,
};

struct fis_h2d { /* Register - host to device */
	uint8_t type;
	uint8_t flags;
	uint8_t command;
	uint8_t features;
	uint8_t lba[3];
	uint8_t device;
	uint8_t lba_exp[3];
	uint8_t features_exp;
	uint8_t count;
	uint8_t count_exp;
	uint8_t icc;
	uint8_t control;
	uint8_t auxiliary[4];
} ATA_PACKED;
static_assert(sizeof(struct fis_h2d) == 20, "SATA 10.5.5");

#define FIS_H2D_DWORDS 5u
#define FIS_H2D_C      0x80u /* command; else device control */

struct fis_d2h { /* Register - device to host */
	uint8_t type;
	uint8_t flags;
	uint8_t status;
	uint8_t error;
	uint8_t lba[3];
	uint8_t device;
	uint8_t lba_exp[3];
	uint8_t reserved;
	uint8_t count;
	uint8_t count_exp;
	uint8_t reserved2[6];
} ATA_PACKED;
static_assert(sizeof(struct fis_d2h) == 20, "SATA 10.5.6");

struct fis_pio_setup {
	uint8_t type;
	uint8_t flags;
	uint8_t status; /* before the data */
	uint8_t error;
	uint8_t lba[3];
	uint8_t device;
	uint8_t lba_exp[3];
	uint8_t reserved;
	uint8_t count;
	uint8_t count_exp;
	uint8_t reserved2;
	uint8_t e_status; /* after the data */
	uint16_t transfer_count;
	uint16_t reserved3;
} ATA_PACKED;
static_assert(sizeof(struct fis_pio_setup) == 20, "SATA 10.5.11");

struct fis_set_bits {
	uint8_t type;
	uint8_t flags;
	uint8_t status; /* without bits 3 and 7 */
	uint8_t error;
	uint32_t sactive;
} ATA_PACKED;
static_assert(sizeof(struct fis_set_bits) == 8, "SATA 10.5.7");

#define FIS_D	0x20u /* PIO Setup: device to host */
#define FIS_I	0x40u /* interrupt */
#define FIS_PMP 0x0fu

/* ---- registers ---- */

#define ATA_STATUS_ERR	0x01u
#define ATA_STATUS_DRQ	0x08u
#define ATA_STATUS_DSC	0x10u
#define ATA_STATUS_DF	0x20u
#define ATA_STATUS_DRDY 0x40u
#define ATA_STATUS_BSY	0x80u

#define ATA_ERROR_ABRT 0x04u
#define ATA_ERROR_IDNF 0x10u
#define ATA_ERROR_UNC  0x40u

#define ATA_DIAG_PASSED 0x01u /* in the error register after a reset */

#define ATA_DEVICE_LBA 0x40u
#define ATA_DEVICE_FUA 0x80u /* of WRITE FPDMA QUEUED */

#define ATA_CONTROL_SRST 0x04u

/* ---- commands ---- */

enum ata_command {
	ATA_NOP = 0x00,
	ATA_DATA_SET_MANAGEMENT = 0x06,
	ATA_DEVICE_RESET = 0x08,
	ATA_READ_SECTORS = 0x20,
	ATA_READ_SECTORS_EXT = 0x24,
	ATA_READ_DMA_EXT = 0x25,
	ATA_READ_MULTIPLE_EXT = 0x29,
	ATA_READ_LOG_EXT = 0x2f,
	ATA_WRITE_SECTORS = 0x30,
	ATA_WRITE_SECTORS_EXT = 0x34,
	ATA_WRITE_DMA_EXT = 0x35,
	ATA_WRITE_MULTIPLE_EXT = 0x39,
	ATA_WRITE_DMA_FUA_EXT = 0x3d,
	ATA_READ_VERIFY = 0x40,
	ATA_READ_VERIFY_EXT = 0x42,
	ATA_READ_LOG_DMA_EXT = 0x47,
	ATA_READ_FPDMA_QUEUED = 0x60,
	ATA_WRITE_FPDMA_QUEUED = 0x61,
	ATA_EXECUTE_DIAGNOSTIC = 0x90,
	ATA_PACKET = 0xa0,
	ATA_IDENTIFY_PACKET_DEVICE = 0xa1,
	ATA_SMART = 0xb0,
	ATA_READ_MULTIPLE = 0xc4,
	ATA_WRITE_MULTIPLE = 0xc5,
	ATA_SET_MULTIPLE_MODE = 0xc6,
	ATA_READ_DMA = 0xc8,
	ATA_WRITE_DMA = 0xca,
	ATA_WRITE_MULTIPLE_FUA_EXT = 0xce,
	ATA_STANDBY_IMMEDIATE = 0xe0,
	ATA_IDLE_IMMEDIATE = 0xe1,
	ATA_STANDBY = 0xe2,
	ATA_IDLE = 0xe3,
	ATA_CHECK_POWER_MODE = 0xe5,
	ATA_SLEEP = 0xe6,
	ATA_FLUSH_CACHE = 0xe7,
	ATA_FLUSH_CACHE_EXT = 0xea,
	ATA_IDENTIFY_DEVICE = 0xec,
	ATA_SET_FEATURES = 0xef,
	ATA_SECURITY_FREEZE_LOCK = 0xf5,
};

/* SET FEATURES (7.45) */
#define ATA_FEATURE_WCE_ON     0x02u
#define ATA_FEATURE_TRANSFER   0x03u
#define ATA_FEATURE_LOOK_OFF   0x55u
#define ATA_FEATURE_REVERT_OFF 0x66u
#define ATA_FEATURE_WCE_OFF    0x82u
#define ATA_FEATURE_LOOK_ON    0xaau
#define ATA_FEATURE_REVERT_ON  0xccu

/* SMART (7.53) */
#define ATA_SMART_AUTOSAVE 0xd2u
#define ATA_SMART_ENABLE   0xd8u
#define ATA_SMART_DISABLE  0xd9u
#define ATA_SMART_STATUS   0xdau
#define ATA_SMART_KEY	   0xc24fu /* LBA bits 23:8 */

#define ATA_POWER_STANDBY 0x00u /* CHECK POWER MODE */
#define ATA_POWER_ACTIVE  0xffu

#define ATA_DSM_TRIM	0x01u
#define ATA_BLOCK_BYTES 512u /* of logs, TRIM lists and IDENTIFY data */

/* A range of DATA SET MANAGEMENT: LBA in bits 47:0, sectors in 63:48. */
#define ATA_DSM_LBA_BITS 48

/* Logs (A.2, A.14) */
#define ATA_LOG_DIRECTORY 0x00u
#define ATA_LOG_NCQ_ERROR 0x10u
#define ATA_NCQ_LOG_NQ	  0x80u /* no queued command failed */

/* ---- IDENTIFY (PACKET) DEVICE: word numbers ---- */

enum ata_id_word {
	ATA_ID_CONFIG = 0,
	ATA_ID_CYLINDERS = 1,
	ATA_ID_HEADS = 3,
	ATA_ID_SECTORS = 6,
	ATA_ID_SERIAL = 10,
	ATA_ID_FIRMWARE = 23,
	ATA_ID_MODEL = 27,
	ATA_ID_MAX_MULTIPLE = 47,
	ATA_ID_TRUSTED = 48,
	ATA_ID_CAPABILITIES = 49,
	ATA_ID_CAPABILITIES2 = 50,
	ATA_ID_VALID = 53,
	ATA_ID_MULTIPLE = 59,
	ATA_ID_CAPACITY28 = 60,
	ATA_ID_PACKET_DMA = 62,
	ATA_ID_MWDMA = 63,
	ATA_ID_PIO = 64,
	ATA_ID_CYCLES = 65, /* 65 to 68 */
	ATA_ID_QUEUE_DEPTH = 75,
	ATA_ID_SATA_CAPS = 76,
	ATA_ID_SATA_CAPS2 = 77,
	ATA_ID_MAJOR = 80,
	ATA_ID_SUPPORTED = 82, /* 82 to 84 */
	ATA_ID_ENABLED = 85,   /* 85 to 87 */
	ATA_ID_UDMA = 88,
	ATA_ID_CAPACITY48 = 100,
	ATA_ID_TRIM_BLOCKS = 105,
	ATA_ID_SECTOR_SIZE = 106,
	ATA_ID_SECTOR_WORDS = 117,
	ATA_ID_SUPPORTED2 = 119,
	ATA_ID_ENABLED2 = 120,
	ATA_ID_TRIM = 169,
	ATA_ID_ALIGNMENT = 209,
	ATA_ID_ROTATION = 217,
	ATA_ID_TRANSPORT = 222,
	ATA_ID_INTEGRITY = 255,
	ATA_ID_WORDS = 256,
};

#define ATA_ID_SERIAL_LEN   20u
#define ATA_ID_FIRMWARE_LEN 8u
#define ATA_ID_MODEL_LEN    40u
#define ATA_ID_SIGNATURE    0xa5u /* low byte of word 255 */

/* ---- packet commands ---- */

#define ATAPI_CDB_BYTES	  12u
#define ATAPI_SECTOR	  2048u
#define ATAPI_FEATURE_DMA 0x01u
/* Interrupt reason, in the count register when a packet command is over. */
#define ATAPI_REASON_DONE 0x03u

enum mmc_command {
	MMC_TEST_UNIT_READY = 0x00,
	MMC_REQUEST_SENSE = 0x03,
	MMC_INQUIRY = 0x12,
	MMC_START_STOP_UNIT = 0x1b,
	MMC_PREVENT_ALLOW = 0x1e,
	MMC_READ_CAPACITY = 0x25,
	MMC_READ_10 = 0x28,
	MMC_SEEK_10 = 0x2b,
	MMC_SYNCHRONIZE_CACHE = 0x35,
	MMC_READ_TOC = 0x43,
	MMC_GET_CONFIGURATION = 0x46,
	MMC_GET_EVENT_STATUS = 0x4a,
	MMC_READ_DISC_INFO = 0x51,
	MMC_READ_TRACK_INFO = 0x52,
	MMC_MODE_SENSE_10 = 0x5a,
	MMC_READ_12 = 0xa8,
	MMC_SET_CD_SPEED = 0xbb,
	MMC_MECHANISM_STATUS = 0xbd,
};

/* Sense key and additional code as one number: key, ASC, ASCQ. */
enum mmc_sense {
	MMC_SENSE_NONE = 0x000000,
	MMC_SENSE_NO_MEDIUM = 0x023a00,
	MMC_SENSE_READ_ERROR = 0x031100,
	MMC_SENSE_BAD_OPCODE = 0x052000,
	MMC_SENSE_LBA_RANGE = 0x052100,
	MMC_SENSE_BAD_FIELD = 0x052400,
	MMC_SENSE_LOCKED = 0x055302,
};

#define MMC_PROFILE_CDROM 0x0008u
#define MMC_PROFILE_DVD	  0x0010u

#endif
