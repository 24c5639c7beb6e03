/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs SCSI commands without a transport; see scsi_harness.h. */
#include "scsi_harness.h"

#include <string.h>

static struct fixture *the_f;

static int get(struct scsi_cmd *cmd UNUSED, void *dst, size_t len)
{
	assert_true(the_f->out_at + len <= DATA);
	memcpy(dst, the_f->out + the_f->out_at, len);
	the_f->out_at += len;
	return 0;
}

static int put(struct scsi_cmd *cmd UNUSED, const void *src, size_t len)
{
	assert_true(the_f->in_at + len <= DATA);
	memcpy(the_f->in + the_f->in_at, src, len);
	the_f->in_at += len;
	return 0;
}

const struct scsi_data_ops data_ops = {get, put};

int build(void **state, enum scsi_type type, struct block_info info)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(scsi_unit_init(&f->unit, type, &info, "SERIAL01"), 0);
	assert_int_equal(f->unit.attention, SCSI_SENSE_POWER_ON);
	f->unit.attention = 0;
	*state = the_f = f;
	return 0;
}

const struct block_info disk_info = {
    .size = BLOCKS * 512,
    .logical_sector = 512,
    .physical_sector = 4096,
    .can_discard = true,
    .write_cache = true,
};

int teardown(void **state)
{
	struct fixture *f = *state;

	scsi_unit_fini(&f->unit);
	free(f);
	return 0;
}

enum scsi_next start(struct fixture *f, const uint8_t *cdb, size_t len,
		     uint64_t out_len, uint64_t in_len)
{
	f->cmd = (struct scsi_cmd){
	    .unit = &f->unit,
	    .ops = &data_ops,
	    .out_len = out_len,
	    .in_len = in_len,
	};
	memcpy(f->cmd.cdb, cdb, len);
	f->out_at = f->in_at = 0;
	memset(f->in, 0xee, sizeof(f->in));
	return scsi_start(&f->cmd);
}

void good(struct fixture *f, enum scsi_next next, uint64_t moved)
{
	assert_int_equal(next, SCSI_DONE);
	assert_int_equal(f->cmd.status, SCSI_GOOD);
	assert_int_equal(f->cmd.sense_len, 0);
	assert_false(f->cmd.overrun);
	assert_int_equal(f->cmd.moved, moved);
}

void bad(struct fixture *f, enum scsi_next next, uint32_t sense)
{
	const uint8_t *p = f->cmd.sense;

	assert_int_equal(next, SCSI_DONE);
	assert_int_equal(f->cmd.status, SCSI_CHECK_CONDITION);
	assert_int_equal(f->cmd.sense_len, 18);
	assert_int_equal(p[0], 0x70);
	assert_int_equal(p[2] << 16 | p[12] << 8 | p[13], sense);
	assert_int_equal(p[7], 10);
	assert_int_equal(f->cmd.moved, 0);
}

void io(struct fixture *f, enum scsi_next next, enum block_op op,
	uint64_t offset, uint64_t len)
{
	assert_int_equal(next, SCSI_IO);
	assert_int_equal(f->cmd.io.op, op);
	assert_int_equal(f->cmd.io.offset, offset);
	assert_int_equal(f->cmd.io.len, len);
}
