/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that touch the medium (SBC-3, chapter 5): read, write, verify,
 * flush, unmap, write same, capacity, start and stop.
 */
#include <string.h>

#include "dev/virtio_scsi/scsi_internal.h"

#define PROTECT	     0xe0u /* RDPROTECT and its likes, byte 1 */
#define FUA	     0x08u
#define BYTCHK	     0x06u
#define SAME_ANCHOR  0x10u
#define SAME_UNMAP   0x08u
#define SAME_NDOB    0x01u
#define UNMAP_ANCHOR 0x01u
#define START	     0x01u
#define LOAD_EJECT   0x02u
#define NO_FLUSH     0x04u
#define POWER	     0xf0u
#define LBPME	     0x80u

/* Where the CDB says, by its length. */
static struct scsi_range range_get(const uint8_t *cdb)
{
	switch (cdb[0] >> 5) {
	case 0: /* 6 bytes; 0 means 256 */
		return (struct scsi_range){scsi_get32(cdb) & 0x1fffff,
					   cdb[4] ? cdb[4] : 256u};
	case 4: /* 16 bytes */
		return (struct scsi_range){scsi_get64(cdb + 2),
					   scsi_get32(cdb + 10)};
	case 5: /* 12 bytes */
		return (struct scsi_range){scsi_get32(cdb + 2),
					   scsi_get32(cdb + 6)};
	default: /* 10 bytes */
		return (struct scsi_range){scsi_get32(cdb + 2),
					   scsi_get16(cdb + 7)};
	}
}

static bool is_six(const struct scsi_cmd *cmd)
{
	return cmd->cdb[0] >> 5 == 0;
}

/* One I/O of the command's data; 1: go on, 0: nothing to do, or SCSI_FAIL(). */
static int data_io(struct scsi_cmd *cmd, enum block_op op, uint64_t room)
{
	struct scsi_range range = range_get(cmd->cdb);
	struct scsi_unit *unit = cmd->unit;
	uint64_t bytes = range.blocks * unit->block_bytes;

	if (!is_six(cmd) && (cmd->cdb[1] & PROTECT))
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	if (!scsi_range_ok(unit, range.lba, range.blocks))
		return SCSI_FAIL(SCSI_SENSE_LBA_RANGE);
	if (bytes > room) {
		cmd->overrun = true;
		return 0;
	}
	if (!bytes)
		return 0;
	cmd->io = (struct scsi_io){
	    .op = op,
	    .offset = range.lba * unit->block_bytes,
	    .len = bytes,
	};
	return SCSI_MORE;
}

int scsi_read(struct scsi_cmd *cmd)
{
	return data_io(cmd, BLOCK_READ, cmd->in_len);
}

/*
 * Looked at when the data is written: a flush that switched the cache off
 * meanwhile has not waited for it.
 */
static int flush_uncached(struct scsi_cmd *cmd)
{
	return cmd->unit->write_cache ? 0 : scsi_flush(cmd);
}

/* Writes that must be on the medium when they are answered. */
static void write_through(struct scsi_cmd *cmd, bool forced)
{
	cmd->step = forced ? scsi_flush : flush_uncached;
}

int scsi_write(struct scsi_cmd *cmd)
{
	int r = data_io(cmd, BLOCK_WRITE, cmd->out_len);

	if (r == SCSI_MORE)
		write_through(cmd, !is_six(cmd) && (cmd->cdb[1] & FUA));
	return r;
}

int scsi_sync(struct scsi_cmd *cmd)
{
	struct scsi_range range = range_get(cmd->cdb);

	/* The whole disk is flushed, whatever the range; it must be one. */
	if (!scsi_range_ok(cmd->unit, range.lba, range.blocks))
		return SCSI_FAIL(SCSI_SENSE_LBA_RANGE);
	return scsi_flush(cmd);
}

/* ---- verify ---- */

/* Reads the next part into a buffer that nobody looks at. */
static int verify_next(struct scsi_cmd *cmd)
{
	struct scsi_unit *unit = cmd->unit;
	uint64_t bytes =
	    MIN(cmd->left.blocks * unit->block_bytes, SCSI_VERIFY_BYTES);
	uint64_t whole = bytes / SCSI_SCRATCH_BYTES;

	if (!bytes)
		return 0;
	/* Pieces are all alike: many of them, or a last one alone. */
	if (whole)
		bytes = whole * SCSI_SCRATCH_BYTES;
	cmd->io = (struct scsi_io){
	    .op = BLOCK_READ,
	    .offset = cmd->left.lba * unit->block_bytes,
	    .len = bytes,
	    .iov = unit->scratch_iov,
	    .iovcnt = (unsigned)whole,
	};
	if (!whole) {
		/* The command's own copy of the short piece. */
		cmd->tail = (struct iovec){unit->scratch, bytes};
		cmd->io.iov = &cmd->tail;
		cmd->io.iovcnt = 1;
	}
	cmd->left.lba += bytes / unit->block_bytes;
	cmd->left.blocks -= bytes / unit->block_bytes;
	cmd->step = verify_next;
	return SCSI_MORE;
}

int scsi_verify(struct scsi_cmd *cmd)
{
	cmd->left = range_get(cmd->cdb);
	/* Comparing with the initiator's bytes is optional (5.33). */
	if (cmd->cdb[1] & (PROTECT | BYTCHK))
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	if (!scsi_range_ok(cmd->unit, cmd->left.lba, cmd->left.blocks))
		return SCSI_FAIL(SCSI_SENSE_LBA_RANGE);
	return verify_next(cmd);
}

/* ---- unmap ---- */

static int unmap_next(struct scsi_cmd *cmd)
{
	uint32_t block = cmd->unit->block_bytes;
	const struct scsi_range *range;

	while (cmd->range < cmd->ranges) {
		range = &cmd->unmap[cmd->range++];
		if (!range->blocks)
			continue;
		cmd->io = (struct scsi_io){
		    .op = BLOCK_DISCARD,
		    .offset = range->lba * block,
		    .len = range->blocks * block,
		};
		cmd->step = unmap_next;
		return SCSI_MORE;
	}
	return 0;
}

/* All ranges are looked at before the first is discarded. */
static int unmap_check(struct scsi_cmd *cmd)
{
	uint64_t total = 0;
	unsigned i;

	for (i = 0; i < cmd->ranges; i++) {
		if (!scsi_range_ok(cmd->unit, cmd->unmap[i].lba,
				   cmd->unmap[i].blocks))
			return SCSI_FAIL(SCSI_SENSE_LBA_RANGE);
		total += cmd->unmap[i].blocks;
	}
	if (total > SCSI_RANGE_BYTES / cmd->unit->block_bytes)
		return SCSI_FAIL(SCSI_SENSE_LIST_FIELD);
	return unmap_next(cmd);
}

int scsi_unmap(struct scsi_cmd *cmd)
{
	uint32_t len = scsi_get16(cmd->cdb + 7), bytes;
	uint8_t head[8], desc[16];

	if (!cmd->unit->info.can_discard)
		return SCSI_FAIL(SCSI_SENSE_OPCODE);
	if (cmd->cdb[1] & UNMAP_ANCHOR)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	if (len == 0)
		return 0;
	if (len < sizeof(head))
		return SCSI_FAIL(SCSI_SENSE_LIST_LENGTH);
	if (!scsi_fetch(cmd, head, sizeof(head)))
		return 0;
	/* What is behind the last whole descriptor is ignored (5.28). */
	bytes = MIN((uint32_t)scsi_get16(head + 2), len - 8);
	cmd->ranges = bytes / (uint32_t)sizeof(desc);
	if (cmd->ranges > SCSI_UNMAP_RANGES)
		return SCSI_FAIL(SCSI_SENSE_LIST_FIELD);
	for (cmd->range = 0; cmd->range < cmd->ranges; cmd->range++) {
		if (!scsi_fetch(cmd, desc, sizeof(desc)))
			return 0;
		cmd->unmap[cmd->range] =
		    (struct scsi_range){scsi_get64(desc), scsi_get32(desc + 8)};
	}
	cmd->range = 0;
	return unmap_check(cmd);
}

/* ---- write same ---- */

/* 1: one block of zeroes came, 0: overrun, or SCSI_FAIL(). */
static int fetch_zeroes(struct scsi_cmd *cmd)
{
	static const uint8_t zeroes[512];
	uint8_t part[sizeof(zeroes)];
	uint32_t left = cmd->unit->block_bytes;
	bool zero = true;

	for (; left > 0; left -= (uint32_t)sizeof(part)) {
		if (!scsi_fetch(cmd, part, sizeof(part)))
			return 0;
		zero = zero && memcmp(part, zeroes, sizeof(part)) == 0;
	}
	return zero ? 1 : SCSI_FAIL(SCSI_SENSE_LIST_FIELD);
}

int scsi_write_same(struct scsi_cmd *cmd)
{
	struct scsi_range range = range_get(cmd->cdb);
	uint32_t block = cmd->unit->block_bytes;
	bool unmap = cmd->cdb[1] & SAME_UNMAP;
	bool wide = cmd->cdb[0] == SCSI_WRITE_SAME_16;
	int r = 1;

	if ((cmd->cdb[1] & (PROTECT | SAME_ANCHOR)) ||
	    (unmap && !cmd->unit->info.can_discard) || !range.blocks ||
	    range.blocks > SCSI_RANGE_BYTES / block)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	if (!scsi_range_ok(cmd->unit, range.lba, range.blocks))
		return SCSI_FAIL(SCSI_SENSE_LBA_RANGE);
	/* With NDOB there is no block: zeroes are meant. */
	if (!wide || !(cmd->cdb[1] & SAME_NDOB))
		r = fetch_zeroes(cmd);
	if (r != 1)
		return r;
	cmd->io = (struct scsi_io){
	    .op = BLOCK_WRITE_ZEROES,
	    .offset = range.lba * block,
	    .len = range.blocks * block,
	    .may_unmap = unmap,
	};
	write_through(cmd, false);
	return SCSI_MORE;
}

/* ---- capacity ---- */

int scsi_read_capacity_10(struct scsi_cmd *cmd)
{
	uint64_t last = cmd->unit->blocks - 1;
	uint8_t p[8];

	scsi_put32(p, (uint32_t)MIN(last, (uint64_t)UINT32_MAX));
	scsi_put32(p + 4, cmd->unit->block_bytes);
	return scsi_reply(cmd, p, sizeof(p), sizeof(p));
}

int scsi_service_action_in(struct scsi_cmd *cmd)
{
	const struct scsi_unit *unit = cmd->unit;
	uint8_t p[32] = {0};

	if ((cmd->cdb[1] & 0x1f) != SCSI_SA_READ_CAPACITY_16)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	scsi_put64(p, unit->blocks - 1);
	scsi_put32(p + 8, unit->block_bytes);
	p[13] = (uint8_t)__builtin_ctz(unit->info.physical_sector /
				       unit->block_bytes);
	p[14] = unit->info.can_discard ? LBPME : 0;
	return scsi_reply(cmd, p, sizeof(p), scsi_get32(cmd->cdb + 10));
}

/* ---- start, stop, eject ---- */

static int load_eject(struct scsi_unit *unit, bool load)
{
	if (!load && unit->locked)
		return SCSI_FAIL(SCSI_SENSE_REMOVAL_PREVENTED);
	if (load && unit->ejected) {
		unit->attention = SCSI_SENSE_MEDIUM_CHANGED;
		unit->event = SCSI_EVENT_NEW;
	} else if (!load && !unit->ejected) {
		unit->event = SCSI_EVENT_REMOVED;
	}
	unit->ejected = !load;
	unit->stopped = false;
	return 0;
}

int scsi_start_stop(struct scsi_cmd *cmd)
{
	struct scsi_unit *unit = cmd->unit;
	uint8_t bits = cmd->cdb[4];

	/* Power conditions are accepted; a file has none. */
	if (bits & POWER)
		return 0;
	if ((bits & LOAD_EJECT) && unit->type == SCSI_CD)
		return load_eject(unit, bits & START);
	if (bits & LOAD_EJECT)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	unit->stopped = !(bits & START);
	if (unit->stopped && !(bits & NO_FLUSH))
		return scsi_flush(cmd);
	return 0;
}
