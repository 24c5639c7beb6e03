/* SPDX-License-Identifier: BSD-2-Clause */
/* The SCSI commands of a CD/DVD drive. */
#include "scsi_harness.h"

static int setup_cd(void **state)
{
	struct block_info info = disk_info;

	info.size = 1000 * 2048 + 512;
	info.read_only = true;
	info.write_cache = info.can_discard = false;
	return build(state, SCSI_CD, info);
}

static void test_cd(void **state)
{
	struct fixture *f = *state;

	GOOD(36, 0, 36, 0x12, 0, 0, 0, 36, 0);
	assert_int_equal(f->in[0], 5);
	assert_int_equal(f->in[1], 0x80);
	GOOD(7, 0, 255, 0x12, 1, 0, 0, 255, 0); /* three pages */
	BAD(SCSI_SENSE_CDB_FIELD, 0, 255, 0x12, 1, 0xb0, 0, 255, 0);
	GOOD(8, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(scsi_get32(f->in), 999);
	assert_int_equal(scsi_get32(f->in + 4), 2048);
	IO(BLOCK_READ, 999 * 2048, 2048, 0, 2048, 0x28, 0, 0, 0, 3, 0xe7, 0, 0,
	   1, 0);
	BAD(SCSI_SENSE_LBA_RANGE, 0, 2048, 0xa8, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1,
	    0, 0);
	BAD(SCSI_SENSE_OPCODE, 2048, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	GOOD(12 + 22 + 8, 0, 255, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255, 0);
	assert_int_equal(f->in[3], 0);
	assert_int_equal(f->in[8], 1);
	assert_int_equal(f->in[20], 0x2a);
	GOOD(30, 0, 255, 0x5a, 0, 0x6a, 0, 0, 0, 0, 0, 255, 0);
	assert_int_equal(f->in[10], 0);
}

static void test_toc(void **state)
{
	static const uint8_t lba[] = {0,    18, 1, 1, 0, 0x14, 1,
				      0,    0,	0, 0, 0, 0,    0x14,
				      0xaa, 0,	0, 0, 3, 0xe8};
	static const uint8_t msf[] = {0,    10, 1, 1, 0,  0x14,
				      0xaa, 0,	0, 0, 15, 25};
	static const uint8_t session[] = {0, 10, 1, 1, 0, 0x14,
					  1, 0,	 0, 0, 2, 0};
	struct fixture *f = *state;

	GOOD(20, 0, 804, 0x43, 0, 0, 0, 0, 0, 0, 3, 0x24, 0);
	assert_memory_equal(f->in, lba, 20);
	/* (1000 + 150) / 75 is 15 s and 25 frames. */
	GOOD(12, 0, 804, 0x43, 2, 0, 0, 0, 0, 0xaa, 3, 0x24, 0);
	assert_memory_equal(f->in, msf, 12);
	GOOD(12, 0, 804, 0x43, 2, 1, 0, 0, 0, 0, 3, 0x24, 0);
	assert_memory_equal(f->in, session, 12);
	/* The format where old drivers put it. */
	GOOD(12, 0, 804, 0x43, 2, 0, 0, 0, 0, 0, 3, 0x24, 0x40);
	assert_memory_equal(f->in, session, 12);
	GOOD(4, 0, 804, 0x43, 0, 0, 0, 0, 0, 0, 0, 4, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 804, 0x43, 0, 0, 0, 0, 0, 2, 3, 0x24, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 804, 0x43, 0, 2, 0, 0, 0, 0, 3, 0x24, 0);
	GOOD(34, 0, 255, 0x51, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	assert_int_equal(f->in[2], 0x0e);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 255, 0x51, 1, 0, 0, 0, 0, 0, 0, 255, 0);
	/* A DVD lasts longer than minutes can be counted. */
	f->unit.blocks = 2000000;
	GOOD(12, 0, 804, 0x43, 2, 0, 0, 0, 0, 0xaa, 3, 0x24, 0);
	assert_int_equal(f->in[9], 255);
}

static void test_configuration(void **state)
{
	struct fixture *f = *state;
	unsigned at, n = 0;

	assert_int_equal(start(f, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0, 0), 0, 256),
			 SCSI_DONE);
	assert_int_equal(scsi_get32(f->in) + 4, f->cmd.moved);
	assert_int_equal(scsi_get16(f->in + 6), 8); /* CD-ROM */
	for (at = 8; at < f->cmd.moved; at += 4 + f->in[at + 3])
		n++;
	assert_int_equal(at, f->cmd.moved);
	assert_int_equal(n, 8);
	/* Only the current ones: no DVD read. */
	assert_int_equal(
	    start(f, CDB(0x46, 1, 0, 0x1e, 0, 0, 0, 1, 0, 0), 0, 256),
	    SCSI_DONE);
	assert_int_equal(f->cmd.moved, 8 + 8 + 4);
	assert_int_equal(scsi_get16(f->in + 8), 0x1e);
	/* One by its number, one that is not there. */
	GOOD(16, 0, 256, 0x46, 2, 0, 3, 0, 0, 0, 1, 0, 0);
	GOOD(8, 0, 256, 0x46, 2, 0, 0x21, 0, 0, 0, 1, 0, 0);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 256, 0x46, 3, 0, 0, 0, 0, 0, 1, 0, 0);
}

static void test_eject(void **state)
{
	struct fixture *f = *state;

	GOOD(8, 0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0);
	assert_memory_equal(f->in, "\0\6\4\x10\0\2\0\0", 8);
	/* Locked, then not. */
	GOOD(0, 0, 0, 0x1e, 0, 0, 0, 1, 0);
	BAD(SCSI_SENSE_REMOVAL_PREVENTED, 0, 0, 0x1b, 0, 0, 0, 2, 0);
	GOOD(0, 0, 0, 0x1e, 0, 0, 0, 0, 0);
	GOOD(0, 0, 0, 0x1b, 0, 0, 0, 2, 0);
	BAD(SCSI_SENSE_TRAY_OPEN, 0, 0, 0x00, 0, 0, 0, 0, 0);
	BAD(SCSI_SENSE_TRAY_OPEN, 0, 2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	GOOD(8, 0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0);
	assert_memory_equal(f->in, "\0\6\4\x10\3\1\0\0", 8);
	GOOD(8, 0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0);
	assert_int_equal(f->in[4], 0);
	GOOD(8, 0, 256, 0x46, 2, 0x7f, 0, 0, 0, 0, 1, 0, 0);
	assert_int_equal(scsi_get16(f->in + 6), 0); /* no profile */
	/* In again: another medium, for all we know. */
	GOOD(0, 0, 0, 0x1b, 0, 0, 0, 3, 0);
	BAD(SCSI_SENSE_MEDIUM_CHANGED, 0, 0, 0x00, 0, 0, 0, 0, 0);
	GOOD(0, 0, 0, 0x00, 0, 0, 0, 0, 0);
	/* No class that we know; waiting instead of polling. */
	GOOD(4, 0, 8, 0x4a, 1, 0, 0, 2, 0, 0, 0, 8, 0);
	assert_memory_equal(f->in, "\0\2\x80\x10", 4);
	BAD(SCSI_SENSE_CDB_FIELD, 0, 8, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0);
}

#define CD(f) cmocka_unit_test_setup_teardown(f, setup_cd, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CD(test_cd),
	    CD(test_toc),
	    CD(test_configuration),
	    CD(test_eject),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
