/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI over real files and worker threads: what a guest writes is what a guest
 * reads and what the file holds, and after a reset nothing moves any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "ahci_driver.h"
#include "dev/ahci/ahci_models.h"

#define SECTOR	     512u
#define SLOT_SECTORS 64u
#define SLOT_BYTES   (SLOT_SECTORS * SECTOR)
#define DISK_BYTES   (AHCI_SLOTS * SLOT_BYTES)
#define WAIT_NS	     (20 * NS_PER_S)

struct fixture {
	struct world w;
	struct driver_hba d;
	char path[64];
};

static struct fixture *build(const char *options, uint64_t size)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct cfg *node;
	char text[160];
	struct err err;
	int fd;

	assert_non_null(f);
	world_create(&f->w);
	snprintf(f->path, sizeof(f->path), "/var/tmp/byway-ahci-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	snprintf(text, sizeof(text), "hd:%s%s", f->path, options);
	node = world_node(&f->w, "device=ahci");
	if (ahci_model.parse(node, text, &err) ||
	    ahci_model.create(&f->w.env, AHCI_ADDR, node, &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(hba_probe(&f->d, &f->w));
	hba_msi_enable(&f->d);
	port_up(&f->d, 0);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	return f;
}

static int setup(void **state)
{
	*state = build("", DISK_BYTES);
	return 0;
}

static int setup_direct(void **state)
{
	*state = build(",sync,nodelete", DISK_BYTES);
	return 0;
}

static int setup_large(void **state)
{
	*state = build("", MIB(40));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	unlink(f->path);
	free(f);
	return 0;
}

/* Waits until the bits of a register are gone; runs the loop meanwhile. */
static void wait_clear(struct fixture *f, unsigned off, uint32_t bits)
{
	uint64_t start = clock_host()->mono_ns(clock_host());

	while (hba_read(&f->d, off) & bits) {
		if (clock_host()->mono_ns(clock_host()) - start > WAIT_NS)
			fail_msg("register %x still has %x", off,
				 hba_read(&f->d, off) & bits);
		assert_int_equal(evloop_step(f->d.w->loop, 1), 0);
	}
}

static unsigned port0(unsigned off)
{
	return AHCI_PORT_BASE + off;
}

static void finish(struct fixture *f)
{
	wait_clear(f, port0(AHCI_PXCI), ~0u);
	wait_clear(f, port0(AHCI_PXSACT), ~0u);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x50);
}

static struct command queued(unsigned slot, bool write)
{
	return (struct command){.command = write ? ATA_WRITE_FPDMA_QUEUED
						 : ATA_READ_FPDMA_QUEUED,
				.lba = slot * SLOT_SECTORS,
				.count = SLOT_SECTORS,
				.slot = slot,
				.write = write,
				.len = SLOT_BYTES};
}

static void issue_all(struct fixture *f, bool write)
{
	struct command c;
	unsigned i;

	for (i = 0; i < AHCI_SLOTS; i++) {
		c = queued(i, write);
		command_write(&f->d, 0, &c);
	}
	port_write(&f->d, 0, AHCI_PXSACT, ~0u);
	port_write(&f->d, 0, AHCI_PXCI, ~0u);
}

static void fill(struct fixture *f, uint8_t seed)
{
	uint8_t bytes[SLOT_BYTES];
	unsigned i, n;

	for (i = 0; i < AHCI_SLOTS; i++) {
		for (n = 0; n < sizeof(bytes); n++)
			bytes[n] = (uint8_t)(seed + i * 5 + n + (n >> 8));
		mem_put(&f->w, SLOT_DATA(i), bytes, sizeof(bytes));
	}
}

static void check_filled(struct fixture *f, uint8_t seed)
{
	uint8_t got[SLOT_BYTES];
	unsigned i, n;

	for (i = 0; i < AHCI_SLOTS; i++) {
		mem_get(&f->w, SLOT_DATA(i), got, sizeof(got));
		for (n = 0; n < sizeof(got); n++)
			if (got[n] != (uint8_t)(seed + i * 5 + n + (n >> 8)))
				fail_msg("slot %u byte %u", i, n);
	}
}

static void test_write_and_read(void **state)
{
	const struct command flush = {.command = ATA_FLUSH_CACHE_EXT};
	struct fixture *f = *state;
	uint8_t *disk = malloc(DISK_BYTES);
	uint8_t got[SLOT_BYTES];
	unsigned round, i;
	int fd;

	assert_non_null(disk);
	for (round = 0; round < 8; round++) {
		fill(f, (uint8_t)(round * 31));
		issue_all(f, true);
		finish(f);
		command_issue(&f->d, 0, &flush);
		finish(f);
		fill(f, 0);
		issue_all(f, false);
		finish(f);
		check_filled(f, (uint8_t)(round * 31));
	}
	assert_true(world_msis(&f->w) > 0);
	fd = open(f->path, O_RDONLY);
	assert_int_equal(read(fd, disk, DISK_BYTES), DISK_BYTES);
	close(fd);
	for (i = 0; i < AHCI_SLOTS; i++) {
		mem_get(&f->w, SLOT_DATA(i), got, sizeof(got));
		assert_memory_equal(got, disk + i * SLOT_BYTES, SLOT_BYTES);
	}
	free(disk);
}

/* Once a reset says it is over, the memory is the guest's alone. */
static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	unsigned round;

	fill(f, 1);
	issue_all(f, true);
	finish(f);
	for (round = 0; round < 60; round++) {
		issue_all(f, false);
		switch (round % 3) {
		case 0:
			hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_HR);
			wait_clear(f, AHCI_GHC, AHCI_GHC_HR);
			break;
		case 1:
			port_comreset(&f->d, 0);
			wait_clear(f, port0(AHCI_PXTFD), ATA_STATUS_BSY);
			break;
		default:
			port_write(&f->d, 0, AHCI_PXCMD, AHCI_PXCMD_FRE);
			wait_clear(f, port0(AHCI_PXCMD), AHCI_PXCMD_CR);
			break;
		}
		fill(f, (uint8_t)(round + 77));
		check_filled(f, (uint8_t)(round + 77));
		port_up(&f->d, 0);
	}
	issue_all(f, false);
	finish(f);
	check_filled(f, 1);
}

/* A READ VERIFY, and a TRIM, of more than one request. */
static void test_verify_and_trim(void **state)
{
	const struct command verify = {.command = ATA_READ_VERIFY_EXT,
				       .count = 20 * 2048};
	const struct command trim = {.command = ATA_DATA_SET_MANAGEMENT,
				     .features = ATA_DSM_TRIM,
				     .count = 1,
				     .len = SECTOR,
				     .write = true};
	const uint64_t range = 8ull << 48;
	struct fixture *f = *state;
	struct command c;

	fill(f, 9);
	issue_all(f, true);
	finish(f);
	command_issue(&f->d, 0, &verify);
	finish(f);
	/* Sectors 0 to 7, 64 to 71 of slots 0 and 1. */
	mem_put64(&f->w, SLOT_DATA(0), range);
	mem_put64(&f->w, SLOT_DATA(0) + 8, range | 64);
	mem_put(&f->w, SLOT_DATA(0) + 16, (uint8_t[496]){0}, 496);
	command_issue(&f->d, 0, &trim);
	finish(f);
	c = queued(1, false);
	command_issue(&f->d, 0, &c);
	finish(f);
	/* A file's hole reads as zeroes where discards work at all. */
	c.lba = 72;
	c.count = 1;
	c.len = SECTOR;
	command_issue(&f->d, 0, &c);
	finish(f);
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(1)) & 0xff,
			 (uint8_t)(9 + 5 + (8 * SECTOR >> 8)));
}

#define TEST(t, up) cmocka_unit_test_setup_teardown(t, up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_write_and_read, setup),
	    TEST(test_write_and_read, setup_direct),
	    TEST(test_reset_in_flight, setup),
	    TEST(test_verify_and_trim, setup_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
