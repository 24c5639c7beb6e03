/* SPDX-License-Identifier: BSD-2-Clause */
/* Native command queuing: order, errors, and what else happens meanwhile. */
#include "ahci_fixture.h"

#include <endian.h>
#include <string.h>

#define SECTOR	512u
#define SECTORS (DISK_BYTES / SECTOR)

static int setup(void **state)
{
	*state = ahci_build("hd:/disk0");
	return 0;
}

static int setup_with_cd(void **state)
{
	*state = ahci_build("cd:/disc");
	return 0;
}

static struct command queued_read(unsigned slot)
{
	return (struct command){.command = ATA_READ_FPDMA_QUEUED,
				.lba = 8 * slot,
				.count = 8,
				.len = 8 * SECTOR,
				.slot = slot};
}

static struct command queued_write(unsigned slot)
{
	struct command c = queued_read(slot);

	c.command = ATA_WRITE_FPDMA_QUEUED;
	c.write = true;
	return c;
}

static uint32_t sact(struct fixture *f)
{
	return port_read(&f->d, 0, AHCI_PXSACT);
}

static uint32_t ci(struct fixture *f)
{
	return port_read(&f->d, 0, AHCI_PXCI);
}

static uint32_t is(struct fixture *f)
{
	return port_read(&f->d, 0, AHCI_PXIS);
}

static void issue_all(struct fixture *f, unsigned n)
{
	struct command c;
	unsigned i;

	for (i = 0; i < n; i++) {
		c = queued_read(i);
		command_issue(&f->d, 0, &c);
	}
}

static void has_data(struct fixture *f, unsigned slot)
{
	uint8_t got[8 * SECTOR];

	mem_get(&f->w, SLOT_DATA(slot), got, sizeof(got));
	assert_memory_equal(got, disks[0]->disk + 8 * slot * SECTOR,
			    sizeof(got));
}

/* The request of a slot among those the disk has. */
static unsigned request_of(unsigned slot)
{
	unsigned i;

	for (i = 0; i < disks[0]->count; i++)
		if (disks[0]->pending[i]->offset == 8ull * slot * SECTOR)
			return i;
	fail_msg("slot %u is not at work", slot);
	return 0;
}

static void test_out_of_order(void **state)
{
	static const unsigned order[] = {3, 0, 31, 7, 1};
	struct fixture *f = *state;
	struct fis_set_bits fis;
	struct fis_d2h taken;
	unsigned i;

	issue_all(f, AHCI_SLOTS);
	/* All are taken: the bits of PxCI go at once, without interrupt. */
	assert_int_equal(disks[0]->count, AHCI_SLOTS);
	assert_int_equal(ci(f), 0);
	assert_int_equal(sact(f), ~0u);
	assert_int_equal(is(f), 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x50);
	mem_get(&f->w, RECEIVED(0) + AHCI_RX_RFIS, &taken, sizeof(taken));
	assert_int_equal(taken.type, FIS_REG_D2H);
	assert_int_equal(taken.flags & FIS_I, 0);
	for (i = 0; i < ARRAY_LEN(order); i++) {
		disk_complete(disks[0], request_of(order[i]), 0);
		assert_int_equal(sact(f) & BIT(order[i]), 0);
		assert_int_equal(is(f), AHCI_PXIS_SDBS);
		mem_get(&f->w, RECEIVED(0) + AHCI_RX_SDBFIS, &fis, sizeof(fis));
		assert_int_equal(fis.type, FIS_SET_BITS);
		assert_int_equal(fis.flags, FIS_I);
		assert_int_equal(le32toh(fis.sactive), BIT(order[i]));
		has_data(f, order[i]);
		port_write(&f->d, 0, AHCI_PXIS, ~0u);
	}
	assert_int_equal(sact(f), ~0x8000008bu);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
	for (i = 0; i < AHCI_SLOTS; i++)
		has_data(f, i);
}

/* One message for a burst, none lost. */
static void test_burst(void **state)
{
	struct fixture *f = *state;
	uint32_t before = world_msis(&f->w);

	issue_all(f, 4);
	disk_complete_all();
	assert_int_equal(world_msis(&f->w), before + 1);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	hba_write(&f->d, AHCI_IS, 1);
	issue_all(f, 1);
	disk_complete_all();
	assert_int_equal(world_msis(&f->w), before + 2);
}

static void test_slot_reused(void **state)
{
	struct fixture *f = *state;
	struct command c = queued_write(4);

	issue_all(f, 5);
	disk_complete(disks[0], request_of(4), 0);
	/* Slot 4 is free again while the others are still at work. */
	c.lba = 500;
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 5);
	assert_int_equal(sact(f), 0x1f);
	/* A slot at work is not taken a second time. */
	port_write(&f->d, 0, AHCI_PXCI, BIT(4));
	assert_int_equal(disks[0]->count, 5);
	assert_int_equal(ci(f), BIT(4));
	disk_complete_all();
	assert_int_equal(ci(f), 0);
}

/* A flush waits for what was queued before it, and holds up what follows. */
static void test_flush_between(void **state)
{
	struct fixture *f = *state;
	const struct command flush = {.command = ATA_FLUSH_CACHE_EXT,
				      .slot = 2};
	struct command c = queued_write(0);

	command_issue(&f->d, 0, &c);
	c = queued_write(1);
	command_issue(&f->d, 0, &c);
	command_issue(&f->d, 0, &flush);
	c = queued_write(3);
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 2);
	disk_complete(disks[0], 1, 0);
	assert_int_equal(disks[0]->count, 1);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(disks[0]->count, 1);
	assert_int_equal(disks[0]->pending[0]->op, BLOCK_FLUSH);
	assert_int_equal(ci(f), BIT(2) | BIT(3));
	disk_complete(disks[0], 0, 0);
	assert_int_equal(disks[0]->count, 1);
	assert_int_equal(disks[0]->pending[0]->op, BLOCK_WRITE);
	disk_complete_all();
	assert_int_equal(ci(f) | sact(f), 0);
}

static void test_fua(void **state)
{
	struct fixture *f = *state;
	struct command c = queued_write(6);

	c.device = ATA_DEVICE_FUA;
	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(sact(f), BIT(6));
	assert_int_equal(disks[0]->pending[0]->op, BLOCK_FLUSH);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(sact(f), 0);
	/* On a read the bit changes nothing here. */
	c.command = ATA_READ_FPDMA_QUEUED;
	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(sact(f), 0);
	assert_int_equal(disks[0]->flushes, 1);
}

/* ---- errors ---- */

static void read_log(struct fixture *f, uint8_t page[ATA_BLOCK_BYTES])
{
	const struct command c = {.command = ATA_READ_LOG_EXT,
				  .lba = ATA_LOG_NCQ_ERROR,
				  .count = 1,
				  .slot = 30,
				  .len = ATA_BLOCK_BYTES};
	uint8_t sum = 0;
	unsigned i;

	ahci_ok(f, 0, &c);
	mem_get(&f->w, SLOT_DATA(30), page, ATA_BLOCK_BYTES);
	for (i = 0; i < ATA_BLOCK_BYTES; i++)
		sum = (uint8_t)(sum + page[i]);
	assert_int_equal(sum, 0);
}

static void test_io_error(void **state)
{
	struct fixture *f = *state;
	uint8_t page[ATA_BLOCK_BYTES];
	struct fis_set_bits fis;

	issue_all(f, 4);
	disk_complete(disks[0], request_of(1), 0);
	disk_complete(disks[0], request_of(2), -EIO);
	assert_int_equal(is(f), AHCI_PXIS_TFES | AHCI_PXIS_SDBS);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x4051);
	/* The failed one and those not done keep their bits. */
	assert_int_equal(sact(f), BIT(0) | BIT(2) | BIT(3));
	mem_get(&f->w, RECEIVED(0) + AHCI_RX_SDBFIS, &fis, sizeof(fis));
	assert_int_equal(fis.status, 0x51);
	assert_int_equal(fis.error, ATA_ERROR_UNC);
	assert_int_equal(fis.sactive, 0);
	/* What ends now was aborted: the guest will ask again. */
	disk_complete(disks[0], request_of(0), 0);
	assert_int_equal(sact(f), BIT(0) | BIT(2) | BIT(3));
	/* The last one is still out when the port is restarted. */
	port_recover(&f->d, 0);
	assert_int_equal(sact(f), 0);
	disk_complete_all();
	read_log(f, page);
	assert_int_equal(page[0], 2);
	assert_int_equal(page[2], 0x51);
	assert_int_equal(page[3], ATA_ERROR_UNC);
	assert_int_equal(page[4], 16);
	/* Read once; then no queued command has failed. */
	read_log(f, page);
	assert_int_equal(page[0], ATA_NCQ_LOG_NQ);
	issue_all(f, 4);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
}

static void test_range_error(void **state)
{
	struct fixture *f = *state;
	uint8_t page[ATA_BLOCK_BYTES];
	struct command c = queued_read(9);

	c.lba = SECTORS - 7;
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x1051);
	assert_int_equal(sact(f), BIT(9));
	port_recover(&f->d, 0);
	read_log(f, page);
	assert_int_equal(page[0], 9);
	assert_int_equal(page[3], ATA_ERROR_IDNF);
	c.lba = 0xffffffffffff;
	command_issue(&f->d, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x1051);
	port_recover(&f->d, 0);
	/* Count 0 means 65536 sectors. */
	c.lba = 0;
	c.count = 0;
	command_issue(&f->d, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x1051);
	port_recover(&f->d, 0);
	c.lba = SECTORS - 8;
	c.count = 8;
	command_issue(&f->d, 0, &c);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
}

static void test_wrong_tag(void **state)
{
	struct fixture *f = *state;
	const struct command c = queued_read(5);
	const uint8_t tag = 6 << 3;

	command_write(&f->d, 0, &c);
	mem_put(&f->w, TABLE(0, 5) + offsetof(struct fis_h2d, count), &tag, 1);
	port_write(&f->d, 0, AHCI_PXSACT, BIT(5));
	port_write(&f->d, 0, AHCI_PXCI, BIT(5));
	assert_int_equal(disks[0]->count, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
	assert_int_equal(is(f), AHCI_PXIS_TFES | AHCI_PXIS_DHRS);
	port_recover(&f->d, 0);
	issue_all(f, 6);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
}

static void test_short_list(void **state)
{
	struct fixture *f = *state;
	struct command c = queued_read(0);

	issue_all(f, 2);
	c.slot = 3;
	c.len = SECTOR;
	command_issue(&f->d, 0, &c);
	assert_int_equal(is(f), AHCI_PXIS_OFS);
	disk_complete_all();
	assert_int_equal(sact(f), 0xb);
	port_recover(&f->d, 0);
	issue_all(f, 2);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
}

/* ---- resets with a full queue ---- */

static void test_stop(void **state)
{
	struct fixture *f = *state;

	issue_all(f, AHCI_SLOTS);
	port_write(&f->d, 0, AHCI_PXCMD, AHCI_PXCMD_FRE);
	assert_int_equal(sact(f), 0);
	while (disks[0]->count) {
		assert_true(port_read(&f->d, 0, AHCI_PXCMD) & AHCI_PXCMD_CR);
		disk_complete(disks[0], disks[0]->count - 1, 0);
	}
	assert_false(port_read(&f->d, 0, AHCI_PXCMD) & AHCI_PXCMD_CR);
	assert_int_equal(is(f), 0);
	port_recover(&f->d, 0);
	issue_all(f, AHCI_SLOTS);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
}

static void test_comreset(void **state)
{
	struct fixture *f = *state;
	uint8_t page[ATA_BLOCK_BYTES];

	/* Without clearing ST first, as no driver should. */
	issue_all(f, 8);
	disk_complete(disks[0], 2, -EIO);
	port_comreset(&f->d, 0);
	assert_int_equal(sact(f), 0);
	port_write(&f->d, 0, AHCI_PXSERR, ~0u);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	while (disks[0]->count) {
		assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x80);
		disk_complete(disks[0], 0, 0);
	}
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x150);
	assert_int_equal(is(f), 0);
	issue_all(f, 8);
	disk_complete_all();
	assert_int_equal(sact(f), 0);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	read_log(f, page);
	assert_int_equal(page[0], ATA_NCQ_LOG_NQ);
}

static void test_hba_reset(void **state)
{
	struct fixture *f = *state;

	issue_all(f, AHCI_SLOTS);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_HR);
	while (disks[0]->count) {
		assert_true(hba_read(&f->d, AHCI_GHC) & AHCI_GHC_HR);
		disk_complete(disks[0], disks[0]->count / 2, 0);
	}
	assert_false(hba_read(&f->d, AHCI_GHC) & AHCI_GHC_HR);
	assert_int_equal(sact(f), 0);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 0);
}

/* A CD drive knows no queue. */
static void test_cd(void **state)
{
	struct fixture *f = *state;
	const struct command c = queued_read(0);

	command_issue(&f->d, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
	assert_int_equal(ci(f), 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, ahci_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_out_of_order),
	    TEST(test_burst),
	    TEST(test_slot_reused),
	    TEST(test_flush_between),
	    TEST(test_fua),
	    TEST(test_io_error),
	    TEST(test_range_error),
	    TEST(test_wrong_tag),
	    TEST(test_short_list),
	    TEST(test_stop),
	    TEST(test_comreset),
	    TEST(test_hba_reset),
	    cmocka_unit_test_setup_teardown(test_cd, setup_with_cd,
					    ahci_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
