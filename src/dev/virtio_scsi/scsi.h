/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI logical units over the block back end: a command goes in; data, status
 * and sense come out. No transport, no threads, no memory is allocated.
 *
 * Life of a command: the transport zeroes a scsi_cmd, fills its first part and
 * calls scsi_start(). SCSI_DONE: the second part holds the result. SCSI_IO:
 * the transport has cmd->io done by the back end, calls scsi_continue() with
 * the result and gets one of the two again. A command may be dropped between
 * its steps; nothing is held.
 *
 * Data of the command itself (io.iov is NULL) goes straight between the
 * back end and the transport's buffers: the first io.len bytes of them. What
 * is built or parsed here passes through get() and put(), in order.
 *
 * Unit attention: after scsi_unit_init() and scsi_unit_reset() the next command
 * ends with CHECK CONDITION, but for those that must not (INQUIRY and some).
 *
 * Locking: none; one lock of the transport's covers a unit and its commands.
 * Sources: SAM-5, SPC-4, SBC-3, MMC-5.
 */
#ifndef DEV_VIRTIO_SCSI_SCSI_H
#define DEV_VIRTIO_SCSI_SCSI_H

#include "backend/block.h"
#include "spec/scsi.h"

#define SCSI_CDB_BYTES	  16u
#define SCSI_SERIAL_MAX	  20u
#define SCSI_UNMAP_RANGES 32u
#define SCSI_CD_BLOCK	  2048u

enum scsi_type {
	SCSI_DISK,
	SCSI_CD, /* read-only medium */
};

struct scsi_unit {
	enum scsi_type type;
	struct block_info info;
	char serial[SCSI_SERIAL_MAX + 1];
	uint32_t block_bytes;
	uint64_t blocks;
	/* Where VERIFY reads to: every piece is the same buffer. */
	void *scratch;
	struct iovec *scratch_iov;
	uint32_t attention; /* SCSI_SENSE_*, 0: none */
	bool write_cache;   /* as the caching page says */
	bool stopped, ejected, locked;
	uint8_t event; /* medium event not yet reported (MMC-5, 6.6.3) */
};

/*
 * `serial` is copied, as far as it goes. -EINVAL when the medium has no block,
 * or a CD's blocks are larger than 2048 bytes in the back end; -ENOMEM.
 */
MUST_CHECK int scsi_unit_init(struct scsi_unit *unit, enum scsi_type type,
			      const struct block_info *info,
			      const char *serial);
void scsi_unit_fini(struct scsi_unit *unit); /* zeroed allowed */
/* As after power-on, with this unit attention. */
void scsi_unit_reset(struct scsi_unit *unit, uint32_t attention);

struct scsi_cmd;

/* The command's data buffers as the transport has them; 0 or negative. */
struct scsi_data_ops {
	int (*get)(struct scsi_cmd *cmd, void *dst, size_t len);
	int (*put)(struct scsi_cmd *cmd, const void *src, size_t len);
};

/* Work for the back end. */
struct scsi_io {
	enum block_op op;
	uint64_t offset, len; /* bytes */
	bool may_unmap;
	const struct iovec *iov; /* NULL: the command's data, or none */
	unsigned iovcnt;
};

struct scsi_range {
	uint64_t lba, blocks;
};

struct scsi_cmd {
	/* from the transport */
	struct scsi_unit *unit; /* NULL: the target has no such unit */
	const struct scsi_data_ops *ops;
	uint64_t out_len, in_len; /* bytes the initiator sends, can take */
	uint8_t cdb[SCSI_CDB_BYTES];
	/* result */
	bool overrun; /* the CDB wants more than in_len or out_len; else: */
	uint8_t status;
	uint8_t sense_len; /* 0 or SCSI_SENSE_BYTES */
	uint8_t sense[SCSI_SENSE_BYTES];
	uint64_t moved; /* bytes of data transferred */
	/* between steps */
	struct scsi_io io;
	int (*step)(struct scsi_cmd *cmd); /* after the I/O; NULL: finished */
	struct scsi_range left;		   /* of VERIFY */
	struct iovec tail;
	unsigned ranges, range; /* of UNMAP */
	struct scsi_range unmap[SCSI_UNMAP_RANGES];
};

enum scsi_next {
	SCSI_DONE,
	SCSI_IO
};

MUST_CHECK enum scsi_next scsi_start(struct scsi_cmd *cmd);
/* `result`: 0 or the back end's negative errno. */
MUST_CHECK enum scsi_next scsi_continue(struct scsi_cmd *cmd, int result);

/* Name of an operation for the log, or NULL when it is not implemented. */
const char *scsi_op_name(uint8_t opcode);

#endif
