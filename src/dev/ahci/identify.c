/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data (ACS-2, 7.17 and 7.18): 256
 * little-endian words that say what the drive is and can do.
 */
#include <string.h>

#include "dev/ahci/ahci_internal.h"

#define CONFIG_PACKET	 0x85c0u /* ATAPI, CD/DVD, removable, 12 bytes */
#define CONFIG_DISK	 0x0040u /* fixed */
#define CHS_HEADS	 16u
#define CHS_SECTORS	 63u
#define CHS_CYLINDERS	 16383u
#define MAX_MULTIPLE	 16u
#define CAPABILITIES	 0x0f00u /* DMA, LBA, IORDY, IORDY may be off */
#define CAPABILITIES2	 0x4000u
#define VALID_64_TO_70	 0x0002u
#define VALID_88	 0x0004u
#define LBA28_MAX	 0x0fffffffu
#define MWDMA_MODES	 0x0007u
#define PIO_MODES	 0x0003u /* 3 and 4 */
#define CYCLE_NS	 120u
#define UDMA_MODES	 0x007fu
#define SATA_GEN_1_2_3	 0x000eu
#define SATA_NCQ	 0x0100u
#define MAJOR_ATA_ATAPI	 0x03f0u /* ATA/ATAPI-4 to ACS-2 */
#define TRANSPORT_SATA_3 0x103fu

#define SUP82_SMART  BIT(0)
#define SUP82_POWER  BIT(3)
#define SUP82_PACKET BIT(4)
#define SUP82_CACHE  BIT(5)
#define SUP82_LOOK   BIT(6)
#define SUP82_RESET  BIT(9)
#define SUP82_NOP    BIT(14)

#define SUP83_LBA48	BIT(10)
#define SUP83_FLUSH	BIT(12)
#define SUP83_FLUSH_EXT BIT(13)
#define SUP83_VALID	BIT(14) /* of several words: they mean what they say */
#define EN86_WORDS_119	BIT(15)

#define SUP84_LOGS BIT(5)
#define SUP84_FUA  BIT(6)

#define SUP119_LOG_DMA BIT(3)

#define SECTOR_LARGE	BIT(12) /* logical sector of more than 512 bytes */
#define SECTOR_MULTIPLE BIT(13) /* several in a physical one */

static void put(uint8_t *data, unsigned word, uint32_t v)
{
	data[2 * word] = (uint8_t)v;
	data[2 * word + 1] = (uint8_t)(v >> 8);
}

/* `words` words, lowest first. */
static void put_wide(uint8_t *data, unsigned word, uint64_t v, unsigned words)
{
	for (; words; words--, word++, v >>= 16)
		put(data, word, (uint16_t)v);
}

/* Two characters a word, the first in the high byte, padded with spaces. */
static void put_string(uint8_t *data, unsigned word, const char *text,
		       size_t len)
{
	size_t n = strlen(text), i;

	for (i = 0; i < len; i++)
		data[2 * word + (i ^ 1)] = i < n ? (uint8_t)text[i] : ' ';
}

static void put_checksum(uint8_t *data)
{
	uint8_t sum = 0;
	unsigned i;

	data[2 * ATA_ID_INTEGRITY] = ATA_ID_SIGNATURE;
	for (i = 0; i < ATA_BLOCK_BYTES - 1; i++)
		sum = (uint8_t)(sum + data[i]);
	data[ATA_BLOCK_BYTES - 1] = (uint8_t)-sum;
}

/* What disks and CD drives say alike. */
static void put_common(const struct ahci_port *port, uint8_t *data)
{
	uint32_t speed = port->r.ssts >> AHCI_SPD_SHIFT & 7;
	uint32_t chosen = port->transfer;
	unsigned i;

	memset(data, 0, ATA_BLOCK_BYTES);
	put_string(data, ATA_ID_SERIAL, port->serial, ATA_ID_SERIAL_LEN);
	put_string(data, ATA_ID_FIRMWARE, port->firmware, ATA_ID_FIRMWARE_LEN);
	put_string(data, ATA_ID_MODEL, port->model, ATA_ID_MODEL_LEN);
	put(data, ATA_ID_TRUSTED, SUP83_VALID); /* none */
	put(data, ATA_ID_CAPABILITIES, CAPABILITIES);
	put(data, ATA_ID_CAPABILITIES2, CAPABILITIES2);
	put(data, ATA_ID_VALID, VALID_64_TO_70 | VALID_88);
	put(data, ATA_ID_MWDMA,
	    MWDMA_MODES |
		((chosen & 0xf8) == 0x20 ? 0x100u << (chosen & 7) : 0));
	put(data, ATA_ID_PIO, PIO_MODES);
	for (i = 0; i < 4; i++)
		put(data, ATA_ID_CYCLES + i, CYCLE_NS);
	put(data, ATA_ID_SATA_CAPS, SATA_GEN_1_2_3);
	put(data, ATA_ID_SATA_CAPS2, speed << 1);
	put(data, ATA_ID_MAJOR, MAJOR_ATA_ATAPI);
	put(data, ATA_ID_UDMA,
	    UDMA_MODES |
		((chosen & 0xf8) == 0x40 ? 0x100u << (chosen & 7) : 0));
	put(data, ATA_ID_TRANSPORT, TRANSPORT_SATA_3);
}

static void put_features(const struct ahci_port *port, uint8_t *data)
{
	uint32_t cache = port->info.write_cache ? SUP82_CACHE : 0;
	uint32_t always = SUP82_POWER | SUP82_NOP;
	uint32_t flush = SUP83_FLUSH | SUP83_FLUSH_EXT;

	put(data, ATA_ID_SUPPORTED, always | SUP82_SMART | SUP82_LOOK | cache);
	put(data, ATA_ID_SUPPORTED + 1, SUP83_VALID | SUP83_LBA48 | flush);
	put(data, ATA_ID_SUPPORTED + 2, SUP83_VALID | SUP84_LOGS | SUP84_FUA);
	put(data, ATA_ID_ENABLED,
	    always | (port->smart ? SUP82_SMART : 0) |
		(port->look_ahead ? SUP82_LOOK : 0) |
		(port->write_cache ? cache : 0));
	put(data, ATA_ID_ENABLED + 1, EN86_WORDS_119 | SUP83_LBA48 | flush);
	put(data, ATA_ID_ENABLED + 2, SUP83_VALID | SUP84_LOGS | SUP84_FUA);
	put(data, ATA_ID_SUPPORTED2, SUP83_VALID | SUP119_LOG_DMA);
	put(data, ATA_ID_ENABLED2, SUP83_VALID | SUP119_LOG_DMA);
}

static void put_geometry(const struct ahci_port *port, uint8_t *data)
{
	const struct block_info *info = &port->info;
	uint64_t sectors = info->size / info->logical_sector;
	uint32_t ratio = info->physical_sector / info->logical_sector;
	uint64_t cylinders = sectors / (CHS_HEADS * CHS_SECTORS);
	uint32_t size = SUP83_VALID;

	put(data, ATA_ID_CYLINDERS,
	    (uint32_t)MIN(cylinders, (uint64_t)CHS_CYLINDERS));
	put(data, ATA_ID_HEADS, CHS_HEADS);
	put(data, ATA_ID_SECTORS, CHS_SECTORS);
	put_wide(data, ATA_ID_CAPACITY28, MIN(sectors, (uint64_t)LBA28_MAX), 2);
	put_wide(data, ATA_ID_CAPACITY48, sectors, 4);
	if (ratio > 1)
		size |= SECTOR_MULTIPLE | (uint32_t)__builtin_ctz(ratio);
	if (info->logical_sector > ATA_BLOCK_BYTES) {
		size |= SECTOR_LARGE;
		put_wide(data, ATA_ID_SECTOR_WORDS, info->logical_sector / 2,
			 2);
	}
	put(data, ATA_ID_SECTOR_SIZE, size);
	put(data, ATA_ID_ALIGNMENT, SUP83_VALID);
}

void identify_disk(const struct ahci_port *port, uint8_t *data)
{
	put_common(port, data);
	put(data, ATA_ID_CONFIG, CONFIG_DISK);
	put_geometry(port, data);
	put_features(port, data);
	put(data, ATA_ID_MAX_MULTIPLE, 0x8000u | MAX_MULTIPLE);
	if (port->multiple)
		put(data, ATA_ID_MULTIPLE, 0x100u | port->multiple);
	put(data, ATA_ID_QUEUE_DEPTH, AHCI_SLOTS - 1);
	put(data, ATA_ID_SATA_CAPS, SATA_GEN_1_2_3 | SATA_NCQ);
	if (port->info.can_discard) {
		put(data, ATA_ID_TRIM_BLOCKS, TRIM_BLOCKS);
		put(data, ATA_ID_TRIM, 1);
	}
	put(data, ATA_ID_ROTATION, port->rotation);
	put_checksum(data);
}

void identify_packet(const struct ahci_port *port, uint8_t *data)
{
	uint32_t commands =
	    SUP82_POWER | SUP82_PACKET | SUP82_RESET | SUP82_NOP;

	put_common(port, data);
	put(data, ATA_ID_CONFIG, CONFIG_PACKET);
	put(data, ATA_ID_SUPPORTED, commands);
	put(data, ATA_ID_SUPPORTED + 1, SUP83_VALID);
	put(data, ATA_ID_SUPPORTED + 2, SUP83_VALID);
	put(data, ATA_ID_ENABLED, commands);
	put(data, ATA_ID_ENABLED + 2, SUP83_VALID);
	put_checksum(data);
}
