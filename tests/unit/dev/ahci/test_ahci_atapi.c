/* SPDX-License-Identifier: BSD-2-Clause */
/* The AHCI CD/DVD drive. */
#include "ahci_fixture.h"

#include <string.h>

#define BLOCKS (DISK_BYTES / ATAPI_SECTOR)

static int setup(void **state)
{
	*state = ahci_build("cd:/disc");
	return 0;
}

static int setup_empty(void **state)
{
	*state = ahci_build("cd:");
	return 0;
}

static uint8_t reply[256];

/* Sends a packet by DMA; what came back is in reply[], its length returned. */
static unsigned packet(struct fixture *f, const uint8_t *cdb, uint32_t len)
{
	const struct command c = {.command = ATA_PACKET,
				  .features = ATAPI_FEATURE_DMA,
				  .cdb = cdb,
				  .len = len};
	unsigned got;

	ahci_ok(f, 0, &c);
	got = command_prdbc(&f->d, 0, 0);
	mem_get(&f->w, SLOT_DATA(0), reply, MIN(got, (unsigned)sizeof(reply)));
	return got;
}

#define PACKET(f, len, ...) \
	packet(f, (const uint8_t[ATAPI_CDB_BYTES]){__VA_ARGS__}, len)

/* The packet fails with this sense key, and REQUEST SENSE says why. */
static void refused(struct fixture *f, const uint8_t *cdb, uint32_t sense)
{
	const struct command c = {.command = ATA_PACKET,
				  .features = ATAPI_FEATURE_DMA,
				  .cdb = cdb,
				  .len = 64};

	ahci_fails(f, 0, &c, (uint8_t)(sense >> 16 << 4 | ATA_ERROR_ABRT));
	assert_int_equal(PACKET(f, 18, MMC_REQUEST_SENSE, 0, 0, 0, 18), 18);
	assert_int_equal(reply[0], 0x70);
	assert_int_equal(reply[2], sense >> 16);
	assert_int_equal(reply[12] << 8 | reply[13], sense & 0xffff);
	/* Told once. */
	assert_int_equal(PACKET(f, 18, MMC_REQUEST_SENSE, 0, 0, 0, 18), 18);
	assert_int_equal(reply[2] | reply[12] | reply[13], 0);
}

#define REFUSED(f, sense, ...) \
	refused(f, (const uint8_t[ATAPI_CDB_BYTES]){__VA_ARGS__}, sense)

static uint32_t be32(unsigned at)
{
	return (uint32_t)reply[at] << 24 | (uint32_t)reply[at + 1] << 16 |
	       (uint32_t)reply[at + 2] << 8 | reply[at + 3];
}

static uint32_t be16(unsigned at)
{
	return (uint32_t)reply[at] << 8 | reply[at + 1];
}

static struct fis_d2h received(struct fixture *f)
{
	struct fis_d2h fis;

	mem_get(&f->w, RECEIVED(0) + AHCI_RX_RFIS, &fis, sizeof(fis));
	return fis;
}

/* ---- ATA commands ---- */

static void test_identify(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_IDENTIFY_DEVICE, .len = 512};
	uint8_t data[512], sum = 0;
	struct fis_d2h fis;
	unsigned i;

	/* Aborted, and the registers say what this is. */
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	fis = received(f);
	assert_int_equal(fis.lba[1], 0x14);
	assert_int_equal(fis.lba[2], 0xeb);
	assert_int_equal(fis.count, 1);
	c.command = ATA_READ_SECTORS;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	assert_int_equal(received(f).lba[2], 0xeb);
	c.command = ATA_IDENTIFY_PACKET_DEVICE;
	ahci_ok(f, 0, &c);
	mem_get(&f->w, SLOT_DATA(0), data, sizeof(data));
	for (i = 0; i < sizeof(data); i++)
		sum = (uint8_t)(sum + data[i]);
	assert_int_equal(sum, 0);
	assert_int_equal(data[0] | data[1] << 8, 0x85c0);
	assert_memory_equal(data + 54, "YBAW YVD-DOR M  ", 16);
	/* No queue. */
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(0) + 2 * 76), 0x000e);
	c.command = ATA_READ_DMA_EXT;
	c.count = 1;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
}

static void test_ata_commands(void **state)
{
	static const uint8_t known[] = {
	    ATA_DEVICE_RESET,	ATA_EXECUTE_DIAGNOSTIC, ATA_STANDBY_IMMEDIATE,
	    ATA_IDLE_IMMEDIATE, ATA_CHECK_POWER_MODE,	ATA_SLEEP};
	struct fixture *f = *state;
	struct command c = {.command = ATA_SET_FEATURES,
			    .features = ATA_FEATURE_TRANSFER,
			    .count = 0x42};
	unsigned i;

	ahci_ok(f, 0, &c);
	for (i = 0; i < ARRAY_LEN(known); i++) {
		c.command = known[i];
		ahci_ok(f, 0, &c);
	}
	c.command = ATA_DEVICE_RESET;
	ahci_ok(f, 0, &c);
	assert_int_equal(received(f).lba[2], 0xeb);
	c.command = ATA_NOP;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.command = ATA_FLUSH_CACHE;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
}

/* ---- reading ---- */

static void test_read(void **state)
{
	struct fixture *f = *state;
	uint8_t got[3 * ATAPI_SECTOR];

	assert_int_equal(
	    PACKET(f, 3 * ATAPI_SECTOR, MMC_READ_10, 0, 0, 0, 0, 5, 0, 0, 3),
	    3 * ATAPI_SECTOR);
	mem_get(&f->w, SLOT_DATA(0), got, sizeof(got));
	assert_memory_equal(got, disks[0]->disk + 5 * ATAPI_SECTOR,
			    sizeof(got));
	assert_int_equal(received(f).count, ATAPI_REASON_DONE);
	assert_int_equal(
	    PACKET(f, ATAPI_SECTOR, MMC_READ_12, 0, 0, 0, 1, 0xff, 0, 0, 0, 1),
	    ATAPI_SECTOR);
	mem_get(&f->w, SLOT_DATA(0), got, ATAPI_SECTOR);
	assert_memory_equal(got, disks[0]->disk + 0x1ff * ATAPI_SECTOR,
			    ATAPI_SECTOR);
	assert_int_equal(PACKET(f, 0, MMC_READ_10), 0);
	REFUSED(f, MMC_SENSE_LBA_RANGE, MMC_READ_10, 0, 0, 0, 2, 0, 0, 0, 1);
	REFUSED(f, MMC_SENSE_LBA_RANGE, MMC_READ_10, 0, 0, 0, 1, 0xff, 0, 0, 2);
	REFUSED(f, MMC_SENSE_LBA_RANGE, MMC_READ_12, 0, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff);
}

static void test_read_error(void **state)
{
	static const uint8_t cdb[ATAPI_CDB_BYTES] = {MMC_READ_10, [8] = 1};
	const struct command c = {
	    .command = ATA_PACKET, .cdb = cdb, .len = ATAPI_SECTOR};
	struct fixture *f = *state;

	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x3451);
	port_recover(&f->d, 0);
	assert_int_equal(PACKET(f, 18, MMC_REQUEST_SENSE, 0, 0, 0, 18), 18);
	assert_int_equal(reply[2], 3);
	assert_int_equal(reply[12], 0x11);
}

/* By PIO the data is announced by a PIO Setup FIS, the end by a Register. */
static void test_pio(void **state)
{
	static const uint8_t inquiry[ATAPI_CDB_BYTES] = {MMC_INQUIRY, [4] = 36};
	static const uint8_t ready[ATAPI_CDB_BYTES] = {MMC_TEST_UNIT_READY};
	struct command c = {
	    .command = ATA_PACKET, .cdb = inquiry, .len = 36, .lba = 0xfffe00};
	struct fis_pio_setup fis;
	struct fixture *f = *state;

	ahci_run(f, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS),
			 AHCI_PXIS_PSS | AHCI_PXIS_DHRS);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	mem_get(&f->w, RECEIVED(0) + AHCI_RX_PSFIS, &fis, sizeof(fis));
	assert_int_equal(fis.transfer_count, 36);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	c.cdb = ready;
	c.len = 0;
	ahci_run(f, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS), AHCI_PXIS_DHRS);
}

static void test_capacity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PACKET(f, 8, MMC_READ_CAPACITY), 8);
	assert_int_equal(be32(0), BLOCKS - 1);
	assert_int_equal(be32(4), ATAPI_SECTOR);
}

static void test_toc(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PACKET(f, 64, MMC_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 64),
			 20);
	assert_int_equal(be16(0), 18);
	assert_int_equal(reply[5], 0x14);
	assert_int_equal(reply[6], 1);
	assert_int_equal(be32(8), 0);
	assert_int_equal(reply[14], 0xaa);
	assert_int_equal(be32(16), BLOCKS);
	/* In minutes, seconds, frames; only the lead-out: 512 + 150. */
	assert_int_equal(
	    PACKET(f, 64, MMC_READ_TOC, 2, 0, 0, 0, 0, 0xaa, 0, 64), 12);
	assert_int_equal(be32(8), 8 << 8 | 62);
	/* Cut to what fits. */
	assert_int_equal(PACKET(f, 64, MMC_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 4),
			 4);
	assert_int_equal(be16(0), 18);
	/* Sessions, in both places where the format may be. */
	assert_int_equal(PACKET(f, 64, MMC_READ_TOC, 0, 1, 0, 0, 0, 0, 0, 12),
			 12);
	assert_int_equal(be16(0), 10);
	assert_int_equal(
	    PACKET(f, 64, MMC_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 64, 0x40), 12);
	/* Raw: first, last, lead-out, track 1. */
	assert_int_equal(PACKET(f, 64, MMC_READ_TOC, 2, 2, 0, 0, 0, 0, 0, 64),
			 48);
	assert_int_equal(reply[4 + 3], 0xa0);
	assert_int_equal(reply[26 + 3], 0xa2);
	assert_int_equal(reply[26 + 9], 8);
	assert_int_equal(reply[26 + 10], 62);
	assert_int_equal(reply[37 + 9], 2);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_READ_TOC, 0, 0, 0, 0, 0, 2, 0, 64);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_READ_TOC, 0, 5, 0, 0, 0, 0, 0, 64);
}

static void test_disc_and_track(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    PACKET(f, 64, MMC_READ_DISC_INFO, 0, 0, 0, 0, 0, 0, 0, 64), 34);
	assert_int_equal(be16(0), 32);
	assert_int_equal(reply[2], 0x0e);
	assert_int_equal(
	    PACKET(f, 64, MMC_READ_TRACK_INFO, 1, 0, 0, 0, 1, 0, 0, 64), 36);
	assert_int_equal(be32(24), BLOCKS);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_READ_DISC_INFO, 1, 0, 0, 0, 0, 0, 0,
		64);
}

/* ---- who and what ---- */

static void test_inquiry(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PACKET(f, 96, MMC_INQUIRY, 0, 0, 0, 96), 36);
	assert_int_equal(reply[0], 5);
	assert_int_equal(reply[1], 0x80);
	assert_int_equal(reply[4], 31);
	assert_memory_equal(reply + 8, "BYWAY   DVD-ROM         1   ", 28);
	assert_int_equal(PACKET(f, 96, MMC_INQUIRY, 0, 0, 0, 5), 5);
	assert_int_equal(PACKET(f, 96, MMC_INQUIRY), 0);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_INQUIRY, 1, 0x80, 0, 96);
	REFUSED(f, MMC_SENSE_BAD_OPCODE, 0x2a);
	REFUSED(f, MMC_SENSE_BAD_OPCODE, 0xff);
}

static void test_mode_sense(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    PACKET(f, 64, MMC_MODE_SENSE_10, 0, 0x2a, 0, 0, 0, 0, 0, 64), 30);
	assert_int_equal(be16(0), 28);
	assert_int_equal(reply[8], 0x2a);
	assert_int_equal(reply[9], 20);
	assert_int_equal(reply[14], 0x29);
	assert_int_equal(
	    PACKET(f, 64, MMC_MODE_SENSE_10, 0, 0x3f, 0, 0, 0, 0, 0, 64), 42);
	assert_int_equal(
	    PACKET(f, 64, MMC_MODE_SENSE_10, 0, 0x01, 0, 0, 0, 0, 0, 64), 20);
	/* Changeable values: none. */
	assert_int_equal(
	    PACKET(f, 64, MMC_MODE_SENSE_10, 0, 0x6a, 0, 0, 0, 0, 0, 64), 30);
	assert_int_equal(reply[8], 0x2a);
	assert_int_equal(reply[14], 0);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_MODE_SENSE_10, 0, 0xea, 0, 0, 0, 0,
		0, 64);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_MODE_SENSE_10, 0, 0x0e, 0, 0, 0, 0,
		0, 64);
}

static void test_configuration(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    PACKET(f, 128, MMC_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 128),
	    76);
	assert_int_equal(be32(0), 72);
	assert_int_equal(be16(6), MMC_PROFILE_CDROM);
	/* CD-ROM is the current one of two profiles. */
	assert_int_equal(be16(12), MMC_PROFILE_DVD);
	assert_int_equal(reply[14], 0);
	assert_int_equal(be16(16), MMC_PROFILE_CDROM);
	assert_int_equal(reply[18], 1);
	/* Current features: all but DVD read. */
	assert_int_equal(
	    PACKET(f, 128, MMC_GET_CONFIGURATION, 1, 0, 0, 0, 0, 0, 0, 128),
	    68);
	/* One. */
	assert_int_equal(
	    PACKET(f, 128, MMC_GET_CONFIGURATION, 2, 0, 0x10, 0, 0, 0, 0, 128),
	    20);
	assert_int_equal(be16(8), 0x10);
	assert_int_equal(be32(12), ATAPI_SECTOR);
	/* From one on. */
	assert_int_equal(
	    PACKET(f, 128, MMC_GET_CONFIGURATION, 0, 0, 0x1e, 0, 0, 0, 0, 128),
	    24);
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_GET_CONFIGURATION, 3, 0, 0, 0, 0, 0,
		0, 64);
}

/* ---- the tray ---- */

static void test_eject(void **state)
{
	struct fixture *f = *state;

	/* The state now: medium there, nothing happened. */
	assert_int_equal(
	    PACKET(f, 8, MMC_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
	assert_int_equal(be16(0), 6);
	assert_int_equal(reply[2], 4);
	assert_int_equal(reply[4] << 8 | reply[5], 2);
	/* Locked: no. */
	(void)PACKET(f, 0, MMC_PREVENT_ALLOW, 0, 0, 0, 1);
	REFUSED(f, MMC_SENSE_LOCKED, MMC_START_STOP_UNIT, 0, 0, 0, 2);
	(void)PACKET(f, 0, MMC_TEST_UNIT_READY);
	assert_int_equal(
	    PACKET(f, 64, MMC_MODE_SENSE_10, 0, 0x2a, 0, 0, 0, 0, 0, 64), 30);
	assert_int_equal(reply[14], 0x2b);
	(void)PACKET(f, 0, MMC_PREVENT_ALLOW);
	/* Out. */
	(void)PACKET(f, 0, MMC_START_STOP_UNIT, 0, 0, 0, 2);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_TEST_UNIT_READY);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
	/* Who asks for the header alone has not heard of it. */
	assert_int_equal(
	    PACKET(f, 8, MMC_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 4), 4);
	assert_int_equal(
	    PACKET(f, 8, MMC_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
	assert_int_equal(reply[4] << 8 | reply[5], 0x0301);
	assert_int_equal(
	    PACKET(f, 8, MMC_MECHANISM_STATUS, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
	assert_int_equal(reply[1], 0x10);
	assert_int_equal(
	    PACKET(f, 128, MMC_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 8), 8);
	assert_int_equal(be16(6), 0);
	/* A reset unlocks, the tray stays where it is. */
	port_comreset(&f->d, 0);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_TEST_UNIT_READY);
	/* In. */
	(void)PACKET(f, 0, MMC_START_STOP_UNIT, 0, 0, 0, 3);
	assert_int_equal(
	    PACKET(f, 8, MMC_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
	assert_int_equal(reply[4] << 8 | reply[5], 0x0202);
	(void)PACKET(f, 0, MMC_TEST_UNIT_READY);
	/* Start and stop without the tray. */
	(void)PACKET(f, 0, MMC_START_STOP_UNIT, 0, 0, 0, 0);
	(void)PACKET(f, 0, MMC_START_STOP_UNIT, 0, 0, 0, 1);
	(void)PACKET(f, 0, MMC_TEST_UNIT_READY);
}

static void test_events(void **state)
{
	struct fixture *f = *state;

	/* Other classes only: none of them here. */
	assert_int_equal(
	    PACKET(f, 8, MMC_GET_EVENT_STATUS, 1, 0, 0, 0x02, 0, 0, 0, 8), 4);
	assert_int_equal(reply[2], 0x80);
	assert_int_equal(reply[3], 0x10);
	/* Asynchronous notification is not there. */
	REFUSED(f, MMC_SENSE_BAD_FIELD, MMC_GET_EVENT_STATUS, 0, 0, 0, 0x10, 0,
		0, 0, 8);
}

static void test_no_disc(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_IDENTIFY_PACKET_DEVICE, .len = 512};

	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_ATAPI);
	ahci_ok(f, 0, &c);
	c = (struct command){.command = ATA_STANDBY_IMMEDIATE};
	ahci_ok(f, 0, &c);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_TEST_UNIT_READY);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_READ_CAPACITY);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_READ_TOC);
	(void)PACKET(f, 0, MMC_START_STOP_UNIT, 0, 0, 0, 2);
	(void)PACKET(f, 0, MMC_START_STOP_UNIT, 0, 0, 0, 3);
	REFUSED(f, MMC_SENSE_NO_MEDIUM, MMC_TEST_UNIT_READY);
	assert_int_equal(
	    PACKET(f, 8, MMC_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
	assert_int_equal(reply[4] << 8 | reply[5], 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, ahci_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_identify),
	    TEST(test_ata_commands),
	    TEST(test_read),
	    TEST(test_read_error),
	    TEST(test_pio),
	    TEST(test_capacity),
	    TEST(test_toc),
	    TEST(test_disc_and_track),
	    TEST(test_inquiry),
	    TEST(test_mode_sense),
	    TEST(test_configuration),
	    TEST(test_eject),
	    TEST(test_events),
	    cmocka_unit_test_setup_teardown(test_no_disc, setup_empty,
					    ahci_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
