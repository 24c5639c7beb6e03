/* SPDX-License-Identifier: BSD-2-Clause */
/* The SCSI commands of a disk: answers, sense data, steps. */
#include "scsi_harness.h"

#include <string.h>

static int setup(void **state)
{
	return build(state, SCSI_DISK, disk_info);
}

static int setup_ro(void **state)
{
	struct block_info info = disk_info;

	info.read_only = true;
	info.write_cache = info.can_discard = false;
	return build(state, SCSI_DISK, info);
}

static int setup_huge(void **state)
{
	struct block_info info = disk_info;

	info.size = 1ull << 50;
	return build(state, SCSI_DISK, info);
}

/* ---- identification ---- */

static void test_inquiry(void **state)
{
	struct fixture *f = *state;

	GOOD(36, 0, 36, 0x12, 0, 0, 0, 36, 0);
	assert_int_equal(f->in[0], 0);
	assert_int_equal(f->in[1], 0);
	assert_int_equal(f->in[2], 6);
	assert_int_equal(f->in[4], 69);
	assert_memory_equal(f->in + 8, "BYWAY   DISK            0001", 28);
	/* All there is; cut to what is asked; a page without EVPD. */
	GOOD(74, 0, 255, 0x12, 0, 0, 0, 255, 0);
	GOOD(5, 0, 255, 0x12, 0, 0, 0, 5, 0);
	GOOD(0, 0, 0, 0x12, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 255, 0x12, 0, 0x80, 0, 255, 0);
}

static void test_vital(void **state)
{
	static const uint8_t list[] = {0,    0,	   0,	 6,    0,
				       0x80, 0x83, 0xb0, 0xb1, 0xb2};
	struct fixture *f = *state;

	GOOD(10, 0, 255, 0x12, 1, 0, 0, 255, 0);
	assert_memory_equal(f->in, list, 10);
	GOOD(12, 0, 255, 0x12, 1, 0x80, 0, 255, 0);
	assert_int_equal(f->in[3], 8);
	assert_memory_equal(f->in + 4, "SERIAL01", 8);
	GOOD(36, 0, 255, 0x12, 1, 0x83, 0, 255, 0);
	assert_int_equal(f->in[3], 32);
	assert_int_equal(f->in[5] & 0xf, 3); /* NAA, locally assigned */
	assert_int_equal(f->in[8] >> 4, 3);
	assert_memory_equal(f->in + 16, "\2\1\0\20BYWAY   SERIAL01", 20);
	GOOD(64, 0, 255, 0x12, 1, 0xb0, 0, 255, 0);
	assert_int_equal(scsi_get16(f->in + 6), 8);
	assert_int_equal(scsi_get32(f->in + 20), 1u << 21); /* 1 GiB */
	assert_int_equal(scsi_get32(f->in + 24), 32);
	assert_int_equal(scsi_get64(f->in + 36), 1u << 21);
	GOOD(64, 0, 255, 0x12, 1, 0xb1, 0, 255, 0);
	assert_int_equal(scsi_get16(f->in + 4), 1);
	GOOD(8, 0, 255, 0x12, 1, 0xb2, 0, 255, 0);
	assert_int_equal(f->in[5], 0xe0);
	assert_int_equal(f->in[6], 2);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 255, 0x12, 1, 0x89, 0, 255, 0);
}

static void test_vital_ro(void **state)
{
	struct fixture *f = *state;

	GOOD(64, 0, 255, 0x12, 1, 0xb0, 0, 255, 0);
	assert_int_equal(scsi_get32(f->in + 20), 0);
	GOOD(8, 0, 255, 0x12, 1, 0xb2, 0, 255, 0);
	assert_int_equal(f->in[5], 0);
	assert_int_equal(f->in[6], 0);
}

static void test_capacity(void **state)
{
	struct fixture *f = *state;

	GOOD(8, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(scsi_get32(f->in), BLOCKS - 1);
	assert_int_equal(scsi_get32(f->in + 4), 512);
	GOOD(32, 0, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	assert_int_equal(scsi_get64(f->in), BLOCKS - 1);
	assert_int_equal(scsi_get32(f->in + 8), 512);
	assert_int_equal(f->in[13], 3);
	assert_int_equal(f->in[14], 0x80);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 32, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0, 0, 32, 0, 0);
}

static void test_capacity_huge(void **state)
{
	struct fixture *f = *state;

	GOOD(8, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(scsi_get32(f->in), UINT32_MAX);
	GOOD(12, 0, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0);
	assert_true(scsi_get64(f->in) == (1ull << 41) - 1);
	/* Reads beyond what 32 bits can name. */
	IO(BLOCK_READ, ((1ull << 41) - 1) << 9, 512, 0, 512, 0x88, 0, 0, 0, 1,
	   0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 1024, 0x88, 0, 0, 0, 1, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0, 0, 0, 2, 0, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 512, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0);
}

static void test_report_luns(void **state)
{
	struct fixture *f = *state;

	GOOD(16, 0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	assert_int_equal(scsi_get32(f->in), 8);
	assert_int_equal(scsi_get64(f->in + 8), 0);
	GOOD(8, 0, 64, 0xa0, 0, 1, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	assert_int_equal(scsi_get32(f->in), 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 64, 0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 64, 0,
	    0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0,
	    0);
}

/* ---- unit attention and sense ---- */

static void test_attention(void **state)
{
	struct fixture *f = *state;

	scsi_unit_reset(&f->unit, SCSI_SENSE_UNIT_RESET);
	/* These do not report it, nor do they take it away. */
	GOOD(36, 0, 36, 0x12, 0, 0, 0, 36, 0);
	GOOD(16, 0, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0);
	BAD(SCSI_SENSE_UNIT_RESET, 0, 0, 0x00, 0, 0, 0, 0, 0);
	GOOD(0, 0, 0, 0x00, 0, 0, 0, 0, 0);
	/* Once, whatever the command; REQUEST SENSE takes it, too. */
	scsi_unit_reset(&f->unit, SCSI_SENSE_POWER_ON);
	BAD(SCSI_SENSE_POWER_ON, 0, 0, 0xff, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_OPCODE, 0, 0, 0xff, 0, 0, 0, 0, 0);
	scsi_unit_reset(&f->unit, SCSI_SENSE_NEXUS_LOSS);
	GOOD(18, 0, 255, 0x03, 0, 0, 0, 255, 0);
	assert_int_equal(f->in[2], 6);
	assert_int_equal(scsi_get16(f->in + 12), 0x2907);
	GOOD(8, 0, 255, 0x03, 1, 0, 0, 255, 0);
	assert_memory_equal(f->in, "\x72\0\0\0\0\0\0\0", 8);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	const uint8_t inquiry[6] = {0x12, 0, 0, 0, 255, 0}, ready[6] = {0};
	const uint8_t sense[6] = {3, 0, 0, 0, 255, 0};

	f->cmd = (struct scsi_cmd){.ops = &data_ops, .in_len = 255};
	memcpy(f->cmd.cdb, inquiry, 6);
	assert_int_equal(scsi_start(&f->cmd), SCSI_DONE);
	assert_int_equal(f->cmd.moved, 36);
	assert_int_equal(f->in[0], 0x7f);
	f->cmd = (struct scsi_cmd){.ops = &data_ops};
	memcpy(f->cmd.cdb, ready, 6);
	bad(f, scsi_start(&f->cmd), SCSI_SENSE_NO_UNIT);
	f->cmd = (struct scsi_cmd){.ops = &data_ops, .in_len = 18};
	memcpy(f->cmd.cdb, sense, 6);
	f->in_at = 0;
	good(f, scsi_start(&f->cmd), 18);
	assert_int_equal(scsi_get16(f->in + 12), 0x2500);
}

/* What a disk does not know: reservations, and a CD's commands. */
static void test_refused(void **state)
{
	static const uint8_t unknown[] = {0x04, 0x16, 0x17, 0x34, 0x3b, 0x4d,
					  0x56, 0x57, 0x5e, 0x5f, 0x7f, 0x89,
					  0xa3, 0xa4, 0xbe, 0xff};
	static const uint8_t cd_only[] = {0x43, 0x46, 0x4a, 0x51};
	struct fixture *f = *state;
	uint8_t cdb[16] = {0};
	unsigned i;

	for (i = 0; i < sizeof(unknown); i++) {
		cdb[0] = unknown[i];
		bad(f, start(f, cdb, 16, 64, 64), SCSI_SENSE_OPCODE);
		assert_null(scsi_op_name(unknown[i]));
	}
	for (i = 0; i < sizeof(cd_only); i++) {
		cdb[0] = cd_only[i];
		bad(f, start(f, cdb, 16, 64, 64), SCSI_SENSE_OPCODE);
		assert_non_null(scsi_op_name(cd_only[i]));
	}
}

/* ---- read and write ---- */

static void test_read(void **state)
{
	struct fixture *f = *state;

	IO(BLOCK_READ, 7 * 512, 1024, 0, 1024, 0x28, 0, 0, 0, 0, 7, 0, 0, 2, 0);
	assert_null(f->cmd.io.iov);
	good(f, NEXT(0), 1024);
	IO(BLOCK_READ, 0, 256 * 512, 0, 256 * 512, 0x08, 0, 0, 0, 0, 0);
	IO(BLOCK_READ, 0x7fe * 512, 512, 0, 512, 0x08, 0xe0, 7, 0xfe, 1, 0);
	IO(BLOCK_READ, 3 * 512, 512, 0, 600, 0xa8, 8, 0, 0, 0, 3, 0, 0, 0, 1, 0,
	   0);
	good(f, NEXT(0), 512);
	IO(BLOCK_READ, 3 * 512, 512, 0, 512, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0,
	   0, 0, 1, 0, 0);
	/* Nothing, at the very end. */
	GOOD(0, 0, 512, 0x28, 0, 0, 0, 8, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 512, 0x28, 0, 0, 0, 8, 0, 0, 0, 1, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 1024, 0x28, 0, 0, 0, 7, 0xff, 0, 0, 2, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 512, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0);
	/* More than the initiator has room for. */
	assert_int_equal(
	    start(f, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0), 0, 1023), SCSI_DONE);
	assert_true(f->cmd.overrun);
}

static void test_read_errors(void **state)
{
	static const struct {
		int result;
		uint32_t sense;
	} errors[] = {
	    {-EIO, SCSI_SENSE_READ_ERROR},
	    {-ERANGE, SCSI_SENSE_LBA_RANGE},
	    {-EILSEQ, SCSI_SENSE_READ_ERROR},
	};
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(errors); i++) {
		IO(BLOCK_READ, 0, 512, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
		bad(f, NEXT(errors[i].result), errors[i].sense);
	}
	IO(BLOCK_READ, 0, 512, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(NEXT(-EAGAIN), SCSI_DONE);
	assert_int_equal(f->cmd.status, SCSI_BUSY);
	assert_int_equal(f->cmd.sense_len, 0);
}

static void test_write(void **state)
{
	struct fixture *f = *state;

	IO(BLOCK_WRITE, 512, 512, 512, 0, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	good(f, NEXT(0), 512);
	/* Force unit access: flushed before it is answered. */
	IO(BLOCK_WRITE, 512, 512, 512, 0, 0x2a, 8, 0, 0, 0, 1, 0, 0, 1, 0);
	io(f, NEXT(0), BLOCK_FLUSH, 0, 0);
	good(f, NEXT(0), 512);
	IO(BLOCK_WRITE, 512, 512, 512, 0, 0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
	   0, 1, 0, 0);
	io(f, NEXT(0), BLOCK_FLUSH, 0, 0);
	bad(f, NEXT(-EIO), SCSI_SENSE_WRITE_ERROR);
	IO(BLOCK_WRITE, 512, 512, 512, 0, 0xaa, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0,
	   0);
	bad(f, NEXT(-ENOSPC), SCSI_SENSE_NO_SPACE);
	/* Six bytes: that bit belongs to the address. */
	IO(BLOCK_WRITE, 5 * 512, 512, 512, 0, 0x0a, 0, 0, 5, 1, 0);
	good(f, NEXT(0), 512);
	assert_int_equal(start(f, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 511, 0),
			 SCSI_DONE);
	assert_true(f->cmd.overrun);
}

static void test_write_ro(void **state)
{
	struct fixture *f = *state;

	BAD(SCSI_SENSE_WRITE_PROTECTED, 512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1,
	    0);
	BAD(SCSI_SENSE_WRITE_PROTECTED, 24, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 24,
	    0);
	BAD(SCSI_SENSE_WRITE_PROTECTED, 512, 0, 0x41, 0, 0, 0, 0, 0, 0, 0, 1,
	    0);
	/* No cache: nothing to flush. */
	GOOD(0, 0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	GOOD(24, 0, 255, 0x1a, 0, 8, 0, 24, 0);
	assert_int_equal(f->in[2], 0x90);
	assert_int_equal(f->in[12], 8);
	assert_int_equal(f->in[14], 0);
}

static void test_sync(void **state)
{
	struct fixture *f = *state;

	IO(BLOCK_FLUSH, 0, 0, 0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	good(f, NEXT(0), 0);
	IO(BLOCK_FLUSH, 0, 0, 0, 0, 0x91, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0,
	   0, 0);
	bad(f, NEXT(-EIO), SCSI_SENSE_WRITE_ERROR);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 0, 0x35, 0, 0, 0, 8, 0, 0, 0, 1, 0);
}

/* ---- verify ---- */

static uint64_t iov_bytes(const struct fixture *f)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < f->cmd.io.iovcnt; i++)
		sum += f->cmd.io.iov[i].iov_len;
	return sum;
}

static void test_verify(void **state)
{
	struct fixture *f = *state;

	/* 1 MiB less a block: whole pieces, then the rest. */
	IO(BLOCK_READ, 0, 15 << 16, 0, 0, 0x2f, 0, 0, 0, 0, 0, 0, 7, 0xff, 0);
	assert_int_equal(iov_bytes(f), 15 << 16);
	io(f, NEXT(0), BLOCK_READ, 15 << 16, (1 << 16) - 512);
	assert_int_equal(iov_bytes(f), (1 << 16) - 512);
	good(f, NEXT(0), 0);
	IO(BLOCK_READ, 512, 512, 0, 0, 0xaf, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0);
	bad(f, NEXT(-EIO), SCSI_SENSE_READ_ERROR);
	GOOD(0, 0, 0, 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 512, 0, 0x2f, 2, 0, 0, 0, 0, 0, 0, 1, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 0, 0x2f, 0, 0, 0, 8, 0, 0, 0, 1, 0);
}

/* The largest there is ends, in steps of 16 MiB. */
static void test_verify_huge(void **state)
{
	struct fixture *f = *state;
	uint64_t total = 0;
	enum scsi_next next;

	next = start(
	    f, CDB(0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0),
	    0, 0);
	for (; next == SCSI_IO; next = NEXT(0)) {
		assert_true(f->cmd.io.len <= 256u << 16);
		assert_int_equal(f->cmd.io.offset, total);
		assert_int_equal(iov_bytes(f), f->cmd.io.len);
		total += f->cmd.io.len;
	}
	assert_int_equal(total, 0xffffffull << 9);
	good(f, next, 0);
}

/* ---- unmap and write same ---- */

static void put_unmap(struct fixture *f, unsigned i, uint64_t lba,
		      uint32_t blocks)
{
	scsi_put16(f->out, 6 + 16 * (i + 1));
	scsi_put16(f->out + 2, 16 * (i + 1));
	scsi_put64(f->out + 8 + 16 * i, lba);
	scsi_put32(f->out + 16 + 16 * i, blocks);
}

static void test_unmap(void **state)
{
	struct fixture *f = *state;

	put_unmap(f, 0, 8, 16);
	put_unmap(f, 1, 100, 0);
	put_unmap(f, 2, 2040, 8);
	IO(BLOCK_DISCARD, 8 * 512, 16 * 512, 56, 0, 0x42, 0, 0, 0, 0, 0, 0, 0,
	   56, 0);
	io(f, NEXT(0), BLOCK_DISCARD, 2040 * 512, 8 * 512);
	good(f, NEXT(0), 56);
	/* One outside: none is touched. */
	put_unmap(f, 2, 2041, 8);
	BAD(SCSI_SENSE_LBA_RANGE, 56, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 56, 0);
	put_unmap(f, 2, UINT64_MAX, 1);
	BAD(SCSI_SENSE_LBA_RANGE, 56, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 56, 0);
	/* Lists that are short, empty, cut. */
	GOOD(0, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_LIST_LENGTH, 7, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0);
	GOOD(8, 8, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 8, 0);
	assert_int_equal(start(f, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 56, 0), 40, 0),
			 SCSI_DONE);
	assert_true(f->cmd.overrun);
	BAD(SCSI_SENSE_CDB_FIELD, 24, 0, 0x42, 1, 0, 0, 0, 0, 0, 0, 24, 0);
	put_unmap(f, 32, 0, 1);
	BAD(SCSI_SENSE_LIST_FIELD, 600, 0, 0x42, 0, 0, 0, 0, 0, 0, 2, 0x58, 0);
}

static void test_unmap_huge(void **state)
{
	struct fixture *f = *state;

	/* 1 GiB in all. */
	put_unmap(f, 0, 0, 1u << 20);
	put_unmap(f, 1, 1u << 21, 1u << 20);
	IO(BLOCK_DISCARD, 0, 1u << 29, 40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	bad(f, NEXT(-EIO), SCSI_SENSE_WRITE_ERROR);
	put_unmap(f, 1, 1u << 21, (1u << 20) + 1);
	BAD(SCSI_SENSE_LIST_FIELD, 40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
}

static void test_write_same(void **state)
{
	struct fixture *f = *state;

	memset(f->out, 0, 512);
	IO(BLOCK_WRITE_ZEROES, 512, 4 * 512, 512, 0, 0x41, 0, 0, 0, 0, 1, 0, 0,
	   4, 0);
	assert_false(f->cmd.io.may_unmap);
	good(f, NEXT(0), 512);
	IO(BLOCK_WRITE_ZEROES, 512, 4 * 512, 512, 0, 0x93, 8, 0, 0, 0, 0, 0, 0,
	   0, 1, 0, 0, 0, 4, 0, 0);
	assert_true(f->cmd.io.may_unmap);
	good(f, NEXT(0), 512);
	/* Zeroes without a block; the same bit means nothing to 10 bytes. */
	IO(BLOCK_WRITE_ZEROES, 512, 4 * 512, 0, 0, 0x93, 1, 0, 0, 0, 0, 0, 0, 0,
	   1, 0, 0, 0, 4, 0, 0);
	good(f, NEXT(0), 0);
	assert_int_equal(start(f, CDB(0x41, 1, 0, 0, 0, 1, 0, 0, 4, 0), 0, 0),
			 SCSI_DONE);
	assert_true(f->cmd.overrun);
	f->out[511] = 1;
	BAD(SCSI_SENSE_LIST_FIELD, 512, 0, 0x41, 0, 0, 0, 0, 1, 0, 0, 4, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 512, 0, 0x41, 0, 0, 0, 0, 1, 0, 0, 0, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 512, 0, 0x41, 0x10, 0, 0, 0, 1, 0, 0, 1, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 512, 0, 0x41, 0, 0, 0, 8, 0, 0, 0, 1, 0);
	/* More than one go. */
	BAD(SCSI_SENSE_CDB_FIELD, 512, 0, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0x20, 0, 1, 0, 0);
}

/* ---- mode pages ---- */

static void test_mode_sense(void **state)
{
	struct fixture *f = *state;

	GOOD(12 + 20 + 12, 0, 255, 0x1a, 0, 0x3f, 0, 255, 0);
	assert_int_equal(f->in[0], 43);
	assert_int_equal(f->in[2], 0x10);
	assert_int_equal(f->in[3], 8);
	assert_int_equal(scsi_get32(f->in + 4), BLOCKS);
	assert_int_equal(scsi_get32(f->in + 8), 512);
	assert_int_equal(f->in[12], 8);
	assert_int_equal(f->in[14], 4);
	assert_int_equal(f->in[32], 0x0a);
	/* Without block descriptor; what can be changed; defaults. */
	GOOD(24, 0, 255, 0x1a, 8, 8, 0, 255, 0);
	assert_int_equal(f->in[4], 8);
	GOOD(24, 0, 255, 0x1a, 8, 0x48, 0, 255, 0);
	assert_int_equal(f->in[6], 4);
	GOOD(16, 0, 255, 0x1a, 8, 0x4a, 0, 255, 0);
	assert_int_equal(f->in[7], 0);
	GOOD(24, 0, 255, 0x1a, 8, 0x88, 0, 255, 0);
	assert_int_equal(f->in[6], 4);
	BAD(SCSI_SENSE_NO_SAVED_PAGES, 0, 255, 0x1a, 8, 0xc8, 0, 255, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 255, 0x1a, 8, 0x1c, 0, 255, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 255, 0x1a, 8, 8, 1, 255, 0);
	/* Ten bytes, with the long descriptor; cut to four. */
	GOOD(8 + 16 + 20, 0, 255, 0x5a, 0x10, 8, 0, 0, 0, 0, 0, 255, 0);
	assert_int_equal(scsi_get16(f->in), 42);
	assert_int_equal(f->in[4], 1);
	assert_int_equal(f->in[7], 16);
	assert_int_equal(scsi_get64(f->in + 8), BLOCKS);
	assert_int_equal(scsi_get32(f->in + 20), 512);
	GOOD(4, 0, 255, 0x1a, 0, 0x3f, 0, 4, 0);
}

static void put_caching(struct fixture *f, uint8_t wce)
{
	memset(f->out, 0, DATA);
	f->out[4] = 8;
	f->out[5] = 18;
	f->out[6] = wce;
}

static void test_mode_select(void **state)
{
	struct fixture *f = *state;

	put_caching(f, 0);
	IO(BLOCK_FLUSH, 0, 0, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	good(f, NEXT(0), 24);
	assert_false(f->unit.write_cache);
	/* Now each write is flushed, and zeroes are, too. */
	IO(BLOCK_WRITE, 512, 512, 512, 0, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	io(f, NEXT(0), BLOCK_FLUSH, 0, 0);
	good(f, NEXT(0), 512);
	memset(f->out, 0, 512);
	IO(BLOCK_WRITE_ZEROES, 512, 512, 512, 0, 0x41, 0, 0, 0, 0, 1, 0, 0, 1,
	   0);
	io(f, NEXT(0), BLOCK_FLUSH, 0, 0);
	good(f, NEXT(0), 512);
	GOOD(24, 0, 255, 0x1a, 8, 8, 0, 255, 0);
	assert_int_equal(f->in[6], 0);
	put_caching(f, 4);
	GOOD(24, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	assert_true(f->unit.write_cache);
	/* With a block descriptor, ten bytes, and the control page behind. */
	memset(f->out, 0, DATA);
	f->out[7] = 8;
	scsi_put32(f->out + 12, 512);
	f->out[16] = 8;
	f->out[17] = 18;
	f->out[18] = 4;
	f->out[36] = 0x0a;
	f->out[37] = 10;
	f->out[39] = 0x10;
	GOOD(48, 48, 0, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 48, 0);
	GOOD(0, 0, 0, 0x15, 0x10, 0, 0, 0, 0);
}

/* What was begun with the cache ends without it: it has to be safe, too. */
static void test_cache_off_during_write(void **state)
{
	struct fixture *f = *state;

	IO(BLOCK_WRITE, 512, 512, 512, 0, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	f->unit.write_cache = false; /* by another command, flushed by now */
	io(f, NEXT(0), BLOCK_FLUSH, 0, 0);
	good(f, NEXT(0), 512);
	/* And the other way round there is nothing to wait for. */
	IO(BLOCK_WRITE, 512, 512, 512, 0, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0);
	f->unit.write_cache = true;
	good(f, NEXT(0), 512);
}

static void test_mode_select_refused(void **state)
{
	struct fixture *f = *state;

	put_caching(f, 4);
	BAD(SCSI_SENSE_CDB_FIELD, 24, 0, 0x15, 0x11, 0, 0, 24, 0);
	BAD(SCSI_SENSE_LIST_LENGTH, 24, 0, 0x15, 0x10, 0, 0, 3, 0);
	BAD(SCSI_SENSE_LIST_LENGTH, 24, 0, 0x15, 0x10, 0, 0, 23, 0);
	BAD(SCSI_SENSE_LIST_LENGTH, 25, 0, 0x15, 0x10, 0, 0, 25, 0);
	BAD(SCSI_SENSE_LIST_LENGTH, 65, 0, 0x15, 0x10, 0, 0, 65, 0);
	f->out[6] = 5; /* RCD cannot be set */
	BAD(SCSI_SENSE_LIST_FIELD, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	f->out[6] = 4;
	f->out[4] = 0x3f;
	BAD(SCSI_SENSE_LIST_FIELD, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	f->out[4] = 0x1c;
	BAD(SCSI_SENSE_LIST_FIELD, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	put_caching(f, 4);
	f->out[3] = 8; /* a descriptor of another block size */
	BAD(SCSI_SENSE_LIST_FIELD, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	f->out[3] = 255;
	BAD(SCSI_SENSE_LIST_LENGTH, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	assert_true(f->unit.write_cache);
}

static void test_mode_select_no_cache(void **state)
{
	struct fixture *f = *state;

	put_caching(f, 4);
	BAD(SCSI_SENSE_LIST_FIELD, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
	put_caching(f, 0);
	GOOD(24, 24, 0, 0x15, 0x10, 0, 0, 24, 0);
}

/* ---- start and stop ---- */

static void test_start_stop(void **state)
{
	struct fixture *f = *state;

	IO(BLOCK_FLUSH, 0, 0, 0, 0, 0x1b, 0, 0, 0, 0, 0);
	good(f, NEXT(0), 0);
	BAD(SCSI_SENSE_STOPPED, 0, 0, 0x00, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_STOPPED, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	GOOD(36, 0, 36, 0x12, 0, 0, 0, 36, 0);
	GOOD(18, 0, 18, 0x03, 0, 0, 0, 18, 0);
	assert_int_equal(f->in[2], 2);
	GOOD(0, 0, 0, 0x1b, 0, 0, 0, 1, 0);
	GOOD(0, 0, 0, 0x00, 0, 0, 0, 0, 0);
	GOOD(0, 0, 0, 0x1b, 0, 0, 0, 4, 0); /* without flush */
	scsi_unit_reset(&f->unit, 0);
	GOOD(0, 0, 0, 0x00, 0, 0, 0, 0, 0);
	GOOD(0, 0, 0, 0x1b, 0, 0, 0, 0x30, 0); /* standby */
	GOOD(0, 0, 0, 0x00, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 0, 0x1b, 0, 0, 0, 2, 0);
	GOOD(0, 0, 0, 0x1e, 0, 0, 0, 1, 0);
}

static void test_unit_refused(void **state UNUSED)
{
	struct block_info info = disk_info;
	struct scsi_unit unit = {0};

	info.size = 2047;
	assert_int_equal(scsi_unit_init(&unit, SCSI_CD, &info, "x"), -EINVAL);
	info.size = MIB(1);
	info.logical_sector = info.physical_sector = 4096;
	assert_int_equal(scsi_unit_init(&unit, SCSI_CD, &info, "x"), -EINVAL);
	assert_int_equal(scsi_unit_init(&unit, SCSI_DISK, &info, "x"), 0);
	assert_int_equal(unit.blocks, 256);
	scsi_unit_fini(&unit);
}

#define T(f)   cmocka_unit_test_setup_teardown(f, setup, teardown)
#define RO(f)  cmocka_unit_test_setup_teardown(f, setup_ro, teardown)
#define BIG(f) cmocka_unit_test_setup_teardown(f, setup_huge, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_inquiry),
	    T(test_vital),
	    RO(test_vital_ro),
	    T(test_capacity),
	    BIG(test_capacity_huge),
	    T(test_report_luns),
	    T(test_attention),
	    T(test_absent),
	    T(test_refused),
	    T(test_read),
	    T(test_read_errors),
	    T(test_write),
	    RO(test_write_ro),
	    T(test_sync),
	    T(test_verify),
	    BIG(test_verify_huge),
	    T(test_unmap),
	    BIG(test_unmap_huge),
	    T(test_write_same),
	    T(test_mode_sense),
	    T(test_mode_select),
	    T(test_cache_off_during_write),
	    T(test_mode_select_refused),
	    RO(test_mode_select_no_cache),
	    T(test_start_stop),
	    cmocka_unit_test(test_unit_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
