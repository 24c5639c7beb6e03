/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A SCSI unit without a transport: runs commands and looks at what they answer.
 */
#ifndef TESTS_DEV_SCSI_HARNESS_H
#define TESTS_DEV_SCSI_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dev/virtio_scsi/scsi.h"

#define BLOCKS 2048u
#define DATA   4096u

struct fixture {
	struct scsi_unit unit;
	struct scsi_cmd cmd;
	uint8_t out[DATA], in[DATA];
	size_t out_at, in_at;
};

/* 1 MiB in blocks of 512, with everything a disk can have. */
extern const struct block_info disk_info;

extern const struct scsi_data_ops data_ops; /* of the fixture's buffers */

/* The unit attention of power-on is taken. */
int build(void **state, enum scsi_type type, struct block_info info);
int teardown(void **state);

enum scsi_next start(struct fixture *f, const uint8_t *cdb, size_t len,
		     uint64_t out_len, uint64_t in_len);
/* A command that is answered at once, with this much data. */
void good(struct fixture *f, enum scsi_next next, uint64_t moved);
void bad(struct fixture *f, enum scsi_next next, uint32_t sense);
/* A command that has work for the back end. */
void io(struct fixture *f, enum scsi_next next, enum block_op op,
	uint64_t offset, uint64_t len);

#define CDB(...) \
	((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

#define GOOD(moved, out, in, ...) \
	good(f, start(f, CDB(__VA_ARGS__), out, in), moved)
#define BAD(sense, out, in, ...) \
	bad(f, start(f, CDB(__VA_ARGS__), out, in), sense)
#define IO(op, offset, len, out, in, ...) \
	io(f, start(f, CDB(__VA_ARGS__), out, in), op, offset, len)
#define NEXT(result) scsi_continue(&f->cmd, result)

#endif
