/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the SCSI layer share; transports use scsi.h.
 *
 * A handler returns 0 (good, or cmd->overrun), SCSI_MORE (cmd->io and cmd->step
 * are set) or SCSI_FAIL(sense).
 */
#ifndef DEV_VIRTIO_SCSI_SCSI_INTERNAL_H
#define DEV_VIRTIO_SCSI_SCSI_INTERNAL_H

#include "dev/virtio_scsi/scsi.h"

#define SCSI_MORE	 1
#define SCSI_FAIL(sense) (-(int)(sense))

#define SCSI_VENDOR   "BYWAY"
#define SCSI_REVISION "0001"

/* One request of a range of the medium: what a worker does in one go. */
#define SCSI_RANGE_BYTES   GIB(1)
#define SCSI_SCRATCH_BYTES ((size_t)64 << 10)
#define SCSI_VERIFY_BYTES  ((uint64_t)BLOCK_IOV_MAX * SCSI_SCRATCH_BYTES)

#define SCSI_EVENT_NONE	   0u
#define SCSI_EVENT_NEW	   2u
#define SCSI_EVENT_REMOVED 3u

typedef int scsi_fn(struct scsi_cmd *cmd);

/* Answers with `len` bytes of which the CDB allows `alloc`. */
MUST_CHECK int scsi_reply(struct scsi_cmd *cmd, const void *data, size_t len,
			  uint32_t alloc);
/* The next bytes the initiator sends; false: too few, cmd->overrun. */
MUST_CHECK bool scsi_fetch(struct scsi_cmd *cmd, void *dst, size_t len);
/* Flushes, then the command is done. */
MUST_CHECK int scsi_flush(struct scsi_cmd *cmd);
/* Pads with spaces. */
void scsi_put_text(uint8_t *dst, const char *text, size_t len);
const char *scsi_product(enum scsi_type type);

static inline bool scsi_range_ok(const struct scsi_unit *unit, uint64_t lba,
				 uint64_t blocks)
{
	return range_inside(lba, blocks, 0, unit->blocks);
}

scsi_fn scsi_inquiry, scsi_mode_sense, scsi_mode_select;
scsi_fn scsi_read_capacity_10, scsi_service_action_in;
scsi_fn scsi_read, scsi_write, scsi_verify, scsi_sync, scsi_unmap;
scsi_fn scsi_write_same, scsi_start_stop;
scsi_fn scsi_read_toc, scsi_get_configuration, scsi_get_event_status;
scsi_fn scsi_read_disc_info;

#endif
