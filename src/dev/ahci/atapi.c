/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of a SATA CD/DVD drive: the few ATA ones, and PACKET with a table
 * of MMC-5 commands. What they answer is in mmc.c.
 *
 * The medium is an image file or device, read-only, in blocks of 2048 bytes;
 * the guest may eject it and load it again. Nothing changes by itself, so there
 * are no unit attentions.
 */
#include "dev/ahci/ahci_internal.h"

#define SENSE_KEY_SHIFT 16

#define START_STOP_START 0x01u
#define START_STOP_LOEJ	 0x02u
#define START_STOP_POWER 0xf0u
#define PREVENT_LOCK	 0x01u

/* Media events of GET EVENT STATUS NOTIFICATION. */
#define EVENT_NEW_MEDIA 2u
#define EVENT_REMOVAL	3u

typedef void packet_fn(struct ahci_slot *slot);

struct packet_op {
	uint8_t opcode;
	bool medium;	/* fails without one */
	mmc_fn *reply;	/* fills the answer, or */
	packet_fn *run; /* does the whole; neither: nothing to do */
};

bool atapi_has_medium(const struct ahci_port *port)
{
	return port->block && !port->tray_open;
}

uint32_t atapi_blocks(const struct ahci_port *port)
{
	uint64_t blocks = port->info.size / ATAPI_SECTOR;

	return (uint32_t)MIN(blocks, (uint64_t)UINT32_MAX);
}

void atapi_reset(struct ahci_port *port)
{
	ata_reset(port);
	port->tray_locked = false;
	port->sense = MMC_SENSE_NONE;
}

static void check_condition(struct ahci_slot *slot, enum mmc_sense sense)
{
	slot->port->sense = sense;
	slot->out.count = ATAPI_REASON_DONE;
	slot_fail(slot,
		  (uint8_t)(sense >> SENSE_KEY_SHIFT << 4 | ATA_ERROR_ABRT));
}

void atapi_medium_error(struct ahci_slot *slot)
{
	check_condition(slot, MMC_SENSE_READ_ERROR);
}

/* ---- packet commands that do something ---- */

static void run_read(struct ahci_slot *slot)
{
	const uint8_t *cdb = slot->cdb;
	uint32_t lba = be32_get(cdb + 2);
	uint32_t blocks =
	    cdb[0] == MMC_READ_12 ? be32_get(cdb + 6) : be16_get(cdb + 7);

	if (!range_inside(lba, blocks, 0, atapi_blocks(slot->port))) {
		check_condition(slot, MMC_SENSE_LBA_RANGE);
		return;
	}
	slot->port->standby = false;
	if (blocks)
		slot_transfer(slot, BLOCK_READ, (uint64_t)lba * ATAPI_SECTOR,
			      (uint64_t)blocks * ATAPI_SECTOR);
	else
		slot_ok(slot);
}

static void run_start_stop(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	uint8_t what = slot->cdb[4];
	bool open = !(what & START_STOP_START);

	if ((what & START_STOP_POWER) || !(what & START_STOP_LOEJ) ||
	    open == port->tray_open) {
		slot_ok(slot);
		return;
	}
	if (open && port->tray_locked) {
		check_condition(slot, MMC_SENSE_LOCKED);
		return;
	}
	port->tray_open = open;
	if (port->block)
		port->media_event = open ? EVENT_REMOVAL : EVENT_NEW_MEDIA;
	slot_ok(slot);
}

static void run_prevent_allow(struct ahci_slot *slot)
{
	slot->port->tray_locked = slot->cdb[4] & PREVENT_LOCK;
	slot_ok(slot);
}

static const struct packet_op packet_ops[] = {
    {MMC_TEST_UNIT_READY, .medium = true},
    {MMC_REQUEST_SENSE, .reply = mmc_request_sense},
    {MMC_INQUIRY, .reply = mmc_inquiry},
    {MMC_START_STOP_UNIT, .run = run_start_stop},
    {MMC_PREVENT_ALLOW, .run = run_prevent_allow},
    {MMC_READ_CAPACITY, .medium = true, .reply = mmc_read_capacity},
    {MMC_READ_10, .medium = true, .run = run_read},
    {MMC_SEEK_10, .medium = true},
    {MMC_SYNCHRONIZE_CACHE},
    {MMC_READ_TOC, .medium = true, .reply = mmc_read_toc},
    {MMC_GET_CONFIGURATION, .reply = mmc_get_configuration},
    {MMC_GET_EVENT_STATUS, .reply = mmc_get_event},
    {MMC_READ_DISC_INFO, .medium = true, .reply = mmc_disc_info},
    {MMC_READ_TRACK_INFO, .medium = true, .reply = mmc_track_info},
    {MMC_MODE_SENSE_10, .reply = mmc_mode_sense},
    {MMC_READ_12, .medium = true, .run = run_read},
    {MMC_SET_CD_SPEED},
    {MMC_MECHANISM_STATUS, .reply = mmc_mechanism},
};

static const struct packet_op *find_packet_op(uint8_t opcode)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(packet_ops); i++)
		if (packet_ops[i].opcode == opcode)
			return &packet_ops[i];
	return NULL;
}

static void run_packet(struct ahci_slot *slot)
{
	const struct packet_op *op = find_packet_op(slot->cdb[0]);
	struct ahci_port *port = slot->port;
	int len = 0;

	slot->packet_pio = !(slot->fis.features & ATAPI_FEATURE_DMA);
	slot->out.count = ATAPI_REASON_DONE;
	if (slot->cdb[0] != MMC_REQUEST_SENSE)
		port->sense = MMC_SENSE_NONE;
	if (!op) {
		check_condition(slot, MMC_SENSE_BAD_OPCODE);
		return;
	}
	if (op->medium && !atapi_has_medium(port)) {
		check_condition(slot, MMC_SENSE_NO_MEDIUM);
		return;
	}
	if (op->run) {
		op->run(slot);
		return;
	}
	if (op->reply)
		len = op->reply(slot);
	if (len < 0)
		check_condition(slot, (enum mmc_sense) - len);
	else
		slot_reply(slot, (size_t)len);
}

/* ---- ATA commands ---- */

/* How a driver that asks for a disk learns what this is (ACS-2, 7.17.6). */
static void abort_with_signature(struct ahci_slot *slot)
{
	slot->out = drive_signature(slot->port);
	slot_fail(slot, ATA_ERROR_ABRT);
}

void atapi_command(struct ahci_slot *slot)
{
	switch (slot->fis.command) {
	case ATA_PACKET:
		run_packet(slot);
		break;
	case ATA_IDENTIFY_PACKET_DEVICE:
		identify_packet(slot->port, slot->port->scratch);
		slot->pio_in = true;
		slot_reply(slot, ATA_BLOCK_BYTES);
		break;
	case ATA_DEVICE_RESET:
		port_drive_reset(slot->port);
		slot->out = drive_signature(slot->port);
		slot_ok(slot);
		break;
	case ATA_IDENTIFY_DEVICE:
	case ATA_READ_SECTORS:
		abort_with_signature(slot);
		break;
	default:
		ata_command(slot);
		break;
	}
}
