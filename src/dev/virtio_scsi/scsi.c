/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI commands: the table of operations, sense data, unit attention, and the
 * commands every unit has. Contract in scsi.h.
 *
 * Theory of operation. scsi_start() looks the operation up, sees to unit
 * attention and to whether there is a medium, and calls its handler. A handler
 * that needs the back end leaves the work in cmd->io and the function that goes
 * on afterwards in cmd->step, so a command is a chain of functions and no state
 * is kept but the command itself.
 */
#include <string.h>

#include "dev/virtio_scsi/scsi_internal.h"

#define DISK	 1u
#define CD	 2u
#define ANY	 (DISK | CD)
#define QUIET	 4u  /* does not report unit attention */
#define MEDIUM	 8u  /* needs one */
#define WRITES	 16u /* needs one that can be written */
#define LUN_SIZE 8u

/* ---- results ---- */

/* What ILLEGAL REQUEST and the others say, in fixed format (SPC-4, 4.5.3). */
static void fixed_sense(uint8_t *p, uint32_t sense)
{
	memset(p, 0, SCSI_SENSE_BYTES);
	p[0] = SCSI_SENSE_FIXED;
	p[2] = (uint8_t)(sense >> 16);
	p[7] = SCSI_SENSE_BYTES - 8;
	scsi_put16(p + 12, sense & 0xffff);
}

static enum scsi_next finish(struct scsi_cmd *cmd, int r)
{
	if (r > 0)
		return SCSI_IO;
	cmd->status = SCSI_GOOD;
	if (r == 0)
		return SCSI_DONE;
	cmd->status = SCSI_CHECK_CONDITION;
	cmd->moved = 0;
	cmd->sense_len = SCSI_SENSE_BYTES;
	fixed_sense(cmd->sense, (uint32_t)-r);
	return SCSI_DONE;
}

static uint32_t sense_of(const struct scsi_cmd *cmd, int result)
{
	switch (result) {
	case -ENOSPC:
	case -EDQUOT:
		return SCSI_SENSE_NO_SPACE;
	case -EROFS:
		return SCSI_SENSE_WRITE_PROTECTED;
	case -ERANGE:
		return SCSI_SENSE_LBA_RANGE;
	case -EOPNOTSUPP:
		return SCSI_SENSE_OPCODE;
	default:
		return cmd->io.op == BLOCK_READ ? SCSI_SENSE_READ_ERROR
						: SCSI_SENSE_WRITE_ERROR;
	}
}

enum scsi_next scsi_continue(struct scsi_cmd *cmd, int result)
{
	scsi_fn *step = cmd->step;

	/* No thread or memory just now: the initiator tries again. */
	if (result == -EAGAIN || result == -ENOMEM) {
		cmd->status = SCSI_BUSY;
		cmd->moved = 0;
		return SCSI_DONE;
	}
	if (result)
		return finish(cmd, SCSI_FAIL(sense_of(cmd, result)));
	/* The command's own data, straight to or from the medium. */
	if (!cmd->io.iov &&
	    (cmd->io.op == BLOCK_READ || cmd->io.op == BLOCK_WRITE))
		cmd->moved += cmd->io.len;
	cmd->step = NULL;
	return finish(cmd, step ? step(cmd) : 0);
}

int scsi_reply(struct scsi_cmd *cmd, const void *data, size_t len,
	       uint32_t alloc)
{
	size_t n = MIN(len, (size_t)alloc);

	if (n > cmd->in_len || (n && cmd->ops->put(cmd, data, n)))
		cmd->overrun = true;
	else
		cmd->moved = n;
	return 0;
}

bool scsi_fetch(struct scsi_cmd *cmd, void *dst, size_t len)
{
	if (len > cmd->out_len - cmd->moved || cmd->ops->get(cmd, dst, len)) {
		cmd->overrun = true;
		return false;
	}
	cmd->moved += len;
	return true;
}

int scsi_flush(struct scsi_cmd *cmd)
{
	if (!cmd->unit->info.write_cache)
		return 0; /* the back end sees to it */
	cmd->io = (struct scsi_io){.op = BLOCK_FLUSH};
	return SCSI_MORE;
}

void scsi_put_text(uint8_t *dst, const char *text, size_t len)
{
	memset(dst, ' ', len);
	memcpy(dst, text, MIN(strlen(text), len));
}

/* ---- commands of every unit ---- */

static int test_unit_ready(struct scsi_cmd *cmd UNUSED)
{
	return 0;
}

static int request_sense(struct scsi_cmd *cmd)
{
	struct scsi_unit *unit = cmd->unit;
	uint32_t sense = unit->attention;
	uint8_t p[SCSI_SENSE_BYTES];
	bool descriptor = cmd->cdb[1] & 1;

	/* A reported unit attention is over. */
	unit->attention = 0;
	if (!sense && unit->ejected)
		sense = SCSI_SENSE_TRAY_OPEN;
	else if (!sense && unit->stopped)
		sense = SCSI_SENSE_STOPPED;
	fixed_sense(p, sense);
	if (!descriptor)
		return scsi_reply(cmd, p, sizeof(p), cmd->cdb[4]);
	memset(p, 0, 8);
	p[0] = SCSI_SENSE_DESCRIPTOR;
	p[1] = (uint8_t)(sense >> 16);
	scsi_put16(p + 2, sense & 0xffff);
	return scsi_reply(cmd, p, 8, cmd->cdb[4]);
}

/* Unit 0 is all a target has (SPC-4, 6.33). */
static int report_luns(struct scsi_cmd *cmd)
{
	uint8_t p[8 + LUN_SIZE] = {0};
	uint32_t alloc = scsi_get32(cmd->cdb + 6);
	bool well_known = cmd->cdb[2] == 1;

	if (cmd->cdb[2] > 2 || alloc < sizeof(p))
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	if (!well_known)
		scsi_put32(p, LUN_SIZE);
	return scsi_reply(cmd, p, well_known ? 8 : sizeof(p), alloc);
}

static int prevent_allow(struct scsi_cmd *cmd)
{
	cmd->unit->locked = cmd->cdb[4] & 1;
	return 0;
}

/* ---- the table ---- */

static const struct op {
	uint8_t opcode, flags;
	scsi_fn *fn;
	const char *name;
} ops[] = {
    {SCSI_TEST_UNIT_READY, ANY | MEDIUM, test_unit_ready, "test"},
    {SCSI_REQUEST_SENSE, ANY | QUIET, request_sense, "request sense"},
    {SCSI_READ_6, DISK | MEDIUM, scsi_read, "read"},
    {SCSI_WRITE_6, DISK | MEDIUM | WRITES, scsi_write, "write"},
    {SCSI_INQUIRY, ANY | QUIET, scsi_inquiry, "inquiry"},
    {SCSI_MODE_SELECT_6, ANY, scsi_mode_select, "mode select"},
    {SCSI_MODE_SENSE_6, ANY, scsi_mode_sense, "mode sense"},
    {SCSI_START_STOP_UNIT, ANY, scsi_start_stop, "start stop"},
    {SCSI_PREVENT_ALLOW, ANY, prevent_allow, "prevent"},
    {SCSI_READ_CAPACITY_10, ANY | MEDIUM, scsi_read_capacity_10, "capacity"},
    {SCSI_READ_10, ANY | MEDIUM, scsi_read, "read"},
    {SCSI_WRITE_10, DISK | MEDIUM | WRITES, scsi_write, "write"},
    {SCSI_VERIFY_10, ANY | MEDIUM, scsi_verify, "verify"},
    {SCSI_SYNCHRONIZE_CACHE_10, DISK | MEDIUM, scsi_sync, "flush"},
    {SCSI_WRITE_SAME_10, DISK | MEDIUM | WRITES, scsi_write_same, "write same"},
    {SCSI_UNMAP, DISK | MEDIUM | WRITES, scsi_unmap, "unmap"},
    {SCSI_READ_TOC, CD | MEDIUM, scsi_read_toc, "read toc"},
    {SCSI_GET_CONFIGURATION, CD | QUIET, scsi_get_configuration,
     "get configuration"},
    {SCSI_GET_EVENT_STATUS, CD | QUIET, scsi_get_event_status, "get event"},
    {SCSI_READ_DISC_INFO, CD | MEDIUM, scsi_read_disc_info, "disc info"},
    {SCSI_MODE_SELECT_10, ANY, scsi_mode_select, "mode select"},
    {SCSI_MODE_SENSE_10, ANY, scsi_mode_sense, "mode sense"},
    {SCSI_READ_16, DISK | MEDIUM, scsi_read, "read"},
    {SCSI_WRITE_16, DISK | MEDIUM | WRITES, scsi_write, "write"},
    {SCSI_VERIFY_16, DISK | MEDIUM, scsi_verify, "verify"},
    {SCSI_SYNCHRONIZE_CACHE_16, DISK | MEDIUM, scsi_sync, "flush"},
    {SCSI_WRITE_SAME_16, DISK | MEDIUM | WRITES, scsi_write_same, "write same"},
    {SCSI_SERVICE_ACTION_IN_16, DISK | MEDIUM, scsi_service_action_in,
     "capacity"},
    {SCSI_REPORT_LUNS, ANY | QUIET, report_luns, "report luns"},
    {SCSI_READ_12, ANY | MEDIUM, scsi_read, "read"},
    {SCSI_WRITE_12, DISK | MEDIUM | WRITES, scsi_write, "write"},
    {SCSI_VERIFY_12, DISK | MEDIUM, scsi_verify, "verify"},
};

static const struct op *op_find(uint8_t opcode)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(ops); i++)
		if (ops[i].opcode == opcode)
			return &ops[i];
	return NULL;
}

const char *scsi_op_name(uint8_t opcode)
{
	const struct op *op = op_find(opcode);

	return op ? op->name : NULL;
}

/* A unit the target does not have still says so (SPC-4, 5.11 and 6.4.2). */
static int absent(struct scsi_cmd *cmd)
{
	uint8_t p[36] = {SCSI_TYPE_ABSENT};

	switch (cmd->cdb[0]) {
	case SCSI_INQUIRY:
		p[4] = sizeof(p) - 5;
		return scsi_reply(cmd, p, sizeof(p), scsi_get16(cmd->cdb + 3));
	case SCSI_REPORT_LUNS:
		return report_luns(cmd);
	case SCSI_REQUEST_SENSE:
		fixed_sense(p, SCSI_SENSE_NO_UNIT);
		return scsi_reply(cmd, p, SCSI_SENSE_BYTES, cmd->cdb[4]);
	default:
		return SCSI_FAIL(SCSI_SENSE_NO_UNIT);
	}
}

static int run(struct scsi_cmd *cmd)
{
	const struct op *op = op_find(cmd->cdb[0]);
	struct scsi_unit *unit = cmd->unit;
	uint32_t attention;

	if (!unit)
		return absent(cmd);
	if (op && !(op->flags & (unit->type == SCSI_CD ? CD : DISK)))
		op = NULL;
	if (unit->attention && !(op && (op->flags & QUIET))) {
		attention = unit->attention;
		unit->attention = 0;
		return SCSI_FAIL(attention);
	}
	if (!op)
		return SCSI_FAIL(SCSI_SENSE_OPCODE);
	if ((op->flags & MEDIUM) && unit->ejected)
		return SCSI_FAIL(SCSI_SENSE_TRAY_OPEN);
	if ((op->flags & MEDIUM) && unit->stopped)
		return SCSI_FAIL(SCSI_SENSE_STOPPED);
	if ((op->flags & WRITES) && unit->info.read_only)
		return SCSI_FAIL(SCSI_SENSE_WRITE_PROTECTED);
	return op->fn(cmd);
}

enum scsi_next scsi_start(struct scsi_cmd *cmd)
{
	return finish(cmd, run(cmd));
}

/* ---- units ---- */

int scsi_unit_init(struct scsi_unit *unit, enum scsi_type type,
		   const struct block_info *info, const char *serial)
{
	unsigned i;

	*unit = (struct scsi_unit){
	    .type = type,
	    .info = *info,
	    .block_bytes =
		type == SCSI_CD ? SCSI_CD_BLOCK : info->logical_sector,
	};
	snprintf(unit->serial, sizeof(unit->serial), "%s", serial);
	unit->blocks = info->size / unit->block_bytes;
	if (!unit->blocks || info->logical_sector > unit->block_bytes)
		return -EINVAL;
	/* For O_DIRECT; its pages stay untouched until a VERIFY. */
	unit->scratch = aligned_alloc(4096, SCSI_SCRATCH_BYTES);
	unit->scratch_iov = calloc(BLOCK_IOV_MAX, sizeof(struct iovec));
	if (!unit->scratch || !unit->scratch_iov) {
		scsi_unit_fini(unit);
		return -ENOMEM;
	}
	for (i = 0; i < BLOCK_IOV_MAX; i++)
		unit->scratch_iov[i] =
		    (struct iovec){unit->scratch, SCSI_SCRATCH_BYTES};
	scsi_unit_reset(unit, SCSI_SENSE_POWER_ON);
	return 0;
}

void scsi_unit_fini(struct scsi_unit *unit)
{
	free(unit->scratch);
	free(unit->scratch_iov);
	*unit = (struct scsi_unit){0};
}

void scsi_unit_reset(struct scsi_unit *unit, uint32_t attention)
{
	unit->attention = attention;
	unit->write_cache = unit->info.write_cache;
	unit->stopped = unit->ejected = unit->locked = false;
	unit->event = SCSI_EVENT_NONE;
}
