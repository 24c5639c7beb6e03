/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of an AHCI disk that are not queued. */
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

static int setup_4k(void **state)
{
	*state = ahci_build("hd:/disk0,sectorsize=4096");
	return 0;
}

static int setup_ro(void **state)
{
	*state = ahci_build("hd:/disk0,ro");
	return 0;
}

static int setup_sync(void **state)
{
	*state = ahci_build("hd:/disk0,sync,nodelete");
	return 0;
}

static void fill(struct fixture *f, uint64_t at, size_t len, uint8_t seed)
{
	uint8_t bytes[256];
	size_t i, n;

	for (; len; at += n, len -= n, seed++) {
		n = MIN(len, sizeof(bytes));
		for (i = 0; i < n; i++)
			bytes[i] = (uint8_t)(seed + i * 3);
		mem_put(&f->w, at, bytes, n);
	}
}

/* Guest memory at `at` is what the disk holds at `offset`. */
static void same(struct fixture *f, uint64_t at, uint64_t offset, size_t len)
{
	uint8_t *got = malloc(len);

	assert_non_null(got);
	mem_get(&f->w, at, got, len);
	assert_memory_equal(got, disks[0]->disk + offset, len);
	free(got);
}

static struct fis_d2h received(struct fixture *f)
{
	struct fis_d2h fis;

	mem_get(&f->w, RECEIVED(0) + AHCI_RX_RFIS, &fis, sizeof(fis));
	return fis;
}

/* ---- transfers ---- */

struct transfer {
	uint8_t command;
	bool ext, write, pio, multiple;
};

static const struct transfer transfers[] = {
    {ATA_READ_SECTORS, .pio = true},
    {ATA_READ_SECTORS_EXT, .ext = true, .pio = true},
    {ATA_READ_DMA},
    {ATA_READ_DMA_EXT, .ext = true},
    {ATA_READ_MULTIPLE, .pio = true, .multiple = true},
    {ATA_READ_MULTIPLE_EXT, .ext = true, .pio = true, .multiple = true},
    {ATA_WRITE_SECTORS, .write = true, .pio = true},
    {ATA_WRITE_SECTORS_EXT, .write = true, .ext = true, .pio = true},
    {ATA_WRITE_DMA, .write = true},
    {ATA_WRITE_DMA_EXT, .write = true, .ext = true},
    {ATA_WRITE_DMA_FUA_EXT, .write = true, .ext = true},
    {ATA_WRITE_MULTIPLE, .write = true, .pio = true, .multiple = true},
    {ATA_WRITE_MULTIPLE_EXT, .write = true, .ext = true, .multiple = true},
    {ATA_WRITE_MULTIPLE_FUA_EXT, .write = true, .ext = true, .multiple = true},
};

static void test_transfers(void **state)
{
	const struct command multiple = {.command = ATA_SET_MULTIPLE_MODE,
					 .count = 8};
	struct fixture *f = *state;
	struct command c;
	uint32_t is;
	unsigned i;

	ahci_ok(f, 0, &multiple);
	for (i = 0; i < ARRAY_LEN(transfers); i++) {
		const struct transfer *t = &transfers[i];

		c = (struct command){.command = t->command,
				     .lba = 5 + i,
				     .count = 16,
				     .len = 16 * SECTOR,
				     .write = t->write,
				     .slot = i};
		fill(f, SLOT_DATA(i), c.len, (uint8_t)i);
		ahci_run(f, 0, &c);
		is = port_read(&f->d, 0, AHCI_PXIS);
		assert_int_equal(is, t->pio && !t->write ? AHCI_PXIS_PSS
							 : AHCI_PXIS_DHRS);
		ahci_ok(f, 0, &c);
		same(f, SLOT_DATA(i), c.lba * SECTOR, c.len);
		assert_int_equal(command_prdbc(&f->d, 0, i), c.len);
		/* The last sectors, and one more. */
		c.lba = SECTORS - 16;
		ahci_ok(f, 0, &c);
		c.lba++;
		ahci_fails(f, 0, &c, ATA_ERROR_IDNF);
		c.lba = t->ext ? 0xffffffffffff : 0xfffffff;
		ahci_fails(f, 0, &c, ATA_ERROR_IDNF);
	}
}

static void test_count_zero(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_READ_DMA, .len = 256 * SECTOR};

	ahci_ok(f, 0, &c);
	assert_int_equal(command_prdbc(&f->d, 0, 0), 256 * SECTOR);
	same(f, SLOT_DATA(0), 0, 256 * SECTOR);
	/* 65536 sectors do not fit on this disk. */
	c.command = ATA_READ_DMA_EXT;
	ahci_fails(f, 0, &c, ATA_ERROR_IDNF);
}

static void test_no_chs(void **state)
{
	struct fixture *f = *state;
	const struct command c = {
	    .command = ATA_READ_DMA, .count = 1, .len = SECTOR};

	command_write(&f->d, 0, &c);
	mem_put(&f->w, TABLE(0, 0) + offsetof(struct fis_h2d, device), "", 1);
	port_write(&f->d, 0, AHCI_PXCI, 1);
	assert_int_equal(disks[0]->count, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
}

/* Odd pieces, one across two host mappings, one far away. */
static void test_scatter(void **state)
{
	const struct piece pieces[] = {{WORLD_RAM - 100, 300},
				       {DATA + 2, 2},
				       {DATA + 0x1000, 722},
				       {DATA + 0x2000, 1022},
				       {0x180000, 4096 - 1022}};
	struct fixture *f = *state;
	struct command c = {.command = ATA_READ_DMA_EXT,
			    .lba = 9,
			    .count = 10,
			    .pieces = pieces,
			    .piece_count = ARRAY_LEN(pieces)};
	uint64_t at = 9 * SECTOR;
	unsigned i;

	ahci_ok(f, 0, &c);
	for (i = 0; i < ARRAY_LEN(pieces); i++) {
		same(f, pieces[i].addr, at, pieces[i].len);
		at += pieces[i].len;
	}
	assert_int_equal(at, 19 * SECTOR);
	c.command = ATA_WRITE_DMA_EXT;
	c.lba = 40;
	c.write = true;
	ahci_ok(f, 0, &c);
	assert_memory_equal(disks[0]->disk + 40 * SECTOR,
			    disks[0]->disk + 9 * SECTOR, 10 * SECTOR);
}

/* n pieces of `len` bytes, from DATA on, in a table at 0x100000. */
static void many_pieces(struct fixture *f, const struct command *c, unsigned n,
			uint32_t len)
{
	const uint64_t table = 0x100000;
	uint8_t fis[sizeof(struct fis_h2d)];
	struct ahci_prd prd = {0};
	unsigned i;

	command_write(&f->d, 0, c);
	mem_get(&f->w, TABLE(0, 0), fis, sizeof(fis));
	mem_put(&f->w, table, fis, sizeof(fis));
	for (i = 0; i < n; i++) {
		prd.dba = htole32(DATA + i * len);
		prd.dbc = htole32(len - 1);
		mem_put(&f->w, table + AHCI_TABLE_PRDT + i * sizeof(prd), &prd,
			sizeof(prd));
	}
	mem_put16(&f->w, LIST(0) + 2, (uint16_t)n);
	mem_put32(&f->w, LIST(0) + 8, (uint32_t)table);
	port_write(&f->d, 0, AHCI_PXCI, 1);
}

/* More pieces than a request carries: several requests, whole sectors each. */
static void test_long_list(void **state)
{
	const struct command c = {
	    .command = ATA_READ_DMA_EXT, .lba = 1, .count = 525};
	struct fixture *f = *state;
	unsigned requests = 0;

	many_pieces(f, &c, 700, 384);
	while (disks[0]->count) {
		assert_int_equal(disks[0]->count, 1);
		assert_int_equal(disks[0]->pending[0]->len % SECTOR, 0);
		requests++;
		disk_complete(disks[0], 0, 0);
	}
	assert_int_equal(requests, 3);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(command_prdbc(&f->d, 0, 0), 525 * SECTOR);
	same(f, DATA, SECTOR, 525 * SECTOR);
}

/* 256 pieces do not end with a sector: what is too much is for the next. */
static void test_long_list_uneven(void **state)
{
	const struct command c = {
	    .command = ATA_READ_DMA_EXT, .lba = 1, .count = 50};
	struct fixture *f = *state;

	many_pieces(f, &c, 600, 390);
	assert_int_equal(disks[0]->pending[0]->len, 24 * 4096);
	disk_complete_all();
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(command_prdbc(&f->d, 0, 0), 50 * 4096);
	same(f, DATA, 4096, 50 * 4096);
}

/* An error, and a stop, between two requests of one command. */
static void test_long_list_broken(void **state)
{
	const struct command c = {
	    .command = ATA_READ_DMA_EXT, .lba = 1, .count = 525};
	struct fixture *f = *state;
	struct fis_d2h fis;

	many_pieces(f, &c, 700, 384);
	disk_complete(disks[0], 0, 0);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(disks[0]->count, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x4051);
	/* The first bad sector: 256 pieces of 384 are 192 sectors. */
	fis = received(f);
	assert_int_equal(fis.lba[0], 1 + 192);
	port_recover(&f->d, 0);
	many_pieces(f, &c, 700, 384);
	port_write(&f->d, 0, AHCI_PXCMD,
		   port_read(&f->d, 0, AHCI_PXCMD) & ~AHCI_PXCMD_ST);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(disks[0]->count, 0);
	assert_false(port_read(&f->d, 0, AHCI_PXCMD) & AHCI_PXCMD_CR);
}

static void test_list_of_crumbs(void **state)
{
	const struct command c = {
	    .command = ATA_READ_DMA_EXT, .lba = 0, .count = 1};
	struct fixture *f = *state;

	/* 256 pieces of 2 bytes are a sector of 512, not one of 4096. */
	many_pieces(f, &c, 2048, 2);
	assert_int_equal(disks[0]->count, 0);
	assert_true(port_read(&f->d, 0, AHCI_PXIS) & AHCI_PXIS_HBFS);
	port_recover(&f->d, 0);
	many_pieces(f, &c, 256, 16);
	disk_complete_all();
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	same(f, DATA, 0, 4096);
}

static void test_io_errors(void **state)
{
	struct fixture *f = *state;
	struct command c = {
	    .command = ATA_READ_DMA_EXT, .lba = 7, .count = 2, .len = 1024};

	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x4051);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS),
			 AHCI_PXIS_TFES | AHCI_PXIS_DHRS);
	/* The failed command is still there: CI and CCS name it (6.2.2.1). */
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 1);
	assert_int_equal(received(f).lba[0], 7);
	/* Another one does not start before the restart. */
	c.slot = 3;
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 0);
	port_recover(&f->d, 0);
	c.command = ATA_WRITE_DMA_EXT;
	c.write = true;
	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, -ENOSPC);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
	port_recover(&f->d, 0);
	c = (struct command){.command = ATA_FLUSH_CACHE_EXT};
	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
}

static void test_read_only(void **state)
{
	struct fixture *f = *state;
	struct command c = {.count = 1, .len = SECTOR, .write = true};
	const struct command flush = {.command = ATA_FLUSH_CACHE};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(transfers); i++) {
		c.command = transfers[i].command;
		if (transfers[i].write)
			ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	}
	c.command = ATA_DATA_SET_MANAGEMENT;
	c.features = ATA_DSM_TRIM;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.command = ATA_WRITE_FPDMA_QUEUED;
	command_issue(&f->d, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
	port_recover(&f->d, 0);
	ahci_ok(f, 0, &flush);
}

static void test_verify(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_READ_VERIFY_EXT, .count = SECTORS};
	unsigned requests = 0;

	command_issue(&f->d, 0, &c);
	for (; disks[0]->count; requests++)
		disk_complete(disks[0], 0, 0);
	assert_int_equal(requests, 1);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x4051);
	port_recover(&f->d, 0);
	c.lba = 1;
	ahci_fails(f, 0, &c, ATA_ERROR_IDNF);
	c.command = ATA_READ_VERIFY;
	c.count = 3;
	ahci_ok(f, 0, &c);
}

/* ---- cache ---- */

static void test_flush(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_FLUSH_CACHE};

	ahci_ok(f, 0, &c);
	assert_int_equal(disks[0]->flushes, 1);
	c.command = ATA_FLUSH_CACHE_EXT;
	ahci_ok(f, 0, &c);
	assert_int_equal(disks[0]->flushes, 2);
	c.command = ATA_STANDBY_IMMEDIATE;
	ahci_ok(f, 0, &c);
	assert_int_equal(disks[0]->flushes, 3);
}

static void test_write_cache_off(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_SET_FEATURES,
			    .features = ATA_FEATURE_WCE_OFF};
	const struct command w = {.command = ATA_WRITE_DMA_EXT,
				  .count = 1,
				  .len = SECTOR,
				  .write = true};
	struct command fua = w;

	ahci_ok(f, 0, &w);
	assert_int_equal(disks[0]->flushes, 0);
	fua.command = ATA_WRITE_DMA_FUA_EXT;
	ahci_ok(f, 0, &fua);
	assert_int_equal(disks[0]->flushes, 1);
	/* Switching it off writes out what is in it. */
	ahci_ok(f, 0, &c);
	assert_int_equal(disks[0]->flushes, 2);
	/* Not answered before the flush is. */
	command_issue(&f->d, 0, &w);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 1);
	assert_int_equal(disks[0]->pending[0]->op, BLOCK_FLUSH);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	c.features = ATA_FEATURE_WCE_ON;
	ahci_ok(f, 0, &c);
	ahci_ok(f, 0, &w);
	assert_int_equal(disks[0]->flushes, 3);
	/* A failed flush fails the write. */
	command_issue(&f->d, 0, &fua);
	disk_complete(disks[0], 0, 0);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
}

/* With sync each write is durable: no flush goes to the back end. */
static void test_sync(void **state)
{
	struct fixture *f = *state;
	const struct command flush = {.command = ATA_FLUSH_CACHE_EXT};
	const struct command w = {.command = ATA_WRITE_DMA_FUA_EXT,
				  .count = 1,
				  .len = SECTOR,
				  .write = true};
	const struct command trim = {.command = ATA_DATA_SET_MANAGEMENT,
				     .features = ATA_DSM_TRIM,
				     .count = 1,
				     .len = SECTOR,
				     .write = true};

	ahci_ok(f, 0, &w);
	ahci_ok(f, 0, &flush);
	assert_int_equal(disks[0]->flushes, 0);
	/* nodelete */
	ahci_fails(f, 0, &trim, ATA_ERROR_ABRT);
}

/* ---- TRIM ---- */

static void put_range(struct fixture *f, unsigned i, uint64_t lba,
		      uint64_t count)
{
	mem_put64(&f->w, SLOT_DATA(0) + 8 * i, lba | count << 48);
}

static void test_trim(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_DATA_SET_MANAGEMENT,
			    .features = ATA_DSM_TRIM,
			    .count = 2,
			    .len = 2 * SECTOR,
			    .write = true};
	unsigned i;

	for (i = 0; i < 128; i++)
		put_range(f, i, 0, 0);
	put_range(f, 0, 10, 5);
	put_range(f, 1, 15, 5); /* goes on where the first ends */
	put_range(f, 3, 100, 1);
	put_range(f, 127, SECTORS - 1, 1);
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->pending[0]->op, BLOCK_DISCARD);
	assert_int_equal(disks[0]->pending[0]->offset, 10 * SECTOR);
	assert_int_equal(disks[0]->pending[0]->len, 10 * SECTOR);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(disks[0]->pending[0]->offset, 100 * SECTOR);
	/* What the disk cannot do is not an error. */
	disk_complete(disks[0], 0, -EOPNOTSUPP);
	assert_int_equal(disks[0]->pending[0]->offset, DISK_BYTES - SECTOR);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 1);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	/* One bad range: nothing is thrown away. */
	put_range(f, 126, SECTORS, 1);
	ahci_fails(f, 0, &c, ATA_ERROR_IDNF);
	put_range(f, 126, 0xffffffffffff, 0xffff);
	ahci_fails(f, 0, &c, ATA_ERROR_IDNF);
	put_range(f, 126, 0, 0);
	command_issue(&f->d, 0, &c);
	disk_complete(disks[0], 0, -EIO);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x451);
	port_recover(&f->d, 0);
	/* More blocks than IDENTIFY allows, none, another function. */
	c.count = 9;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.count = 0;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.count = 2;
	c.features = 2;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
}

static void test_trim_nothing(void **state)
{
	struct fixture *f = *state;
	const struct command c = {.command = ATA_DATA_SET_MANAGEMENT,
				  .features = ATA_DSM_TRIM,
				  .count = 8,
				  .len = 8 * SECTOR,
				  .write = true};
	unsigned i;

	for (i = 0; i < 512; i++)
		put_range(f, i, i, 0);
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
}

/* ---- small commands ---- */

static uint16_t identify_word(struct fixture *f, unsigned word)
{
	const struct command c = {
	    .command = ATA_IDENTIFY_DEVICE, .slot = 31, .len = ATA_BLOCK_BYTES};

	ahci_ok(f, 0, &c);
	return mem_get16(&f->w, SLOT_DATA(31) + 2 * word);
}

static void test_identify_checksum(void **state)
{
	struct fixture *f = *state;
	uint8_t data[ATA_BLOCK_BYTES], sum = 0;
	unsigned i;

	assert_int_equal(identify_word(f, 255) & 0xff, 0xa5);
	mem_get(&f->w, SLOT_DATA(31), data, sizeof(data));
	for (i = 0; i < sizeof(data); i++)
		sum = (uint8_t)(sum + data[i]);
	assert_int_equal(sum, 0);
}

static void test_identify_4k(void **state)
{
	struct fixture *f = *state;
	const struct command c = {
	    .command = ATA_READ_DMA_EXT, .lba = 2, .count = 1, .len = 4096};

	assert_int_equal(identify_word(f, 106), 0x5000);
	assert_int_equal(identify_word(f, 117), 2048);
	assert_int_equal(identify_word(f, 118), 0);
	assert_int_equal(identify_word(f, 100), DISK_BYTES / 4096);
	ahci_ok(f, 0, &c);
	same(f, SLOT_DATA(0), 8192, 4096);
}

static void test_set_features(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_SET_FEATURES};

	assert_int_equal(identify_word(f, 85), 0x4069);
	c.features = ATA_FEATURE_WCE_OFF;
	ahci_ok(f, 0, &c);
	c.features = ATA_FEATURE_LOOK_OFF;
	ahci_ok(f, 0, &c);
	assert_int_equal(identify_word(f, 85), 0x4009);
	c.features = ATA_FEATURE_LOOK_ON;
	ahci_ok(f, 0, &c);
	assert_int_equal(identify_word(f, 85), 0x4049);
	assert_int_equal(identify_word(f, 88), 0x407f);
	c.features = ATA_FEATURE_TRANSFER;
	c.count = 0x45;
	ahci_ok(f, 0, &c);
	assert_int_equal(identify_word(f, 88), 0x207f);
	c.count = 0x22;
	ahci_ok(f, 0, &c);
	assert_int_equal(identify_word(f, 88), 0x007f);
	assert_int_equal(identify_word(f, 63), 0x0407);
	c.count = 0x0c;
	ahci_ok(f, 0, &c);
	c.count = 0x47;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.features = 0x10;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	/* A reset brings the defaults back. */
	port_comreset(&f->d, 0);
	assert_int_equal(identify_word(f, 85), 0x4069);
	assert_int_equal(identify_word(f, 88), 0x407f);
}

static void test_multiple(void **state)
{
	struct fixture *f = *state;
	struct command set = {.command = ATA_SET_MULTIPLE_MODE};
	const struct command read = {
	    .command = ATA_READ_MULTIPLE, .count = 3, .len = 3 * SECTOR};

	ahci_fails(f, 0, &read, ATA_ERROR_ABRT);
	set.count = 3;
	ahci_fails(f, 0, &set, ATA_ERROR_ABRT);
	set.count = 32;
	ahci_fails(f, 0, &set, ATA_ERROR_ABRT);
	assert_int_equal(identify_word(f, 47), 0x8010);
	assert_int_equal(identify_word(f, 59), 0);
	set.count = 16;
	ahci_ok(f, 0, &set);
	assert_int_equal(identify_word(f, 59), 0x0110);
	ahci_ok(f, 0, &read);
	set.count = 0;
	ahci_ok(f, 0, &set);
	ahci_fails(f, 0, &read, ATA_ERROR_ABRT);
}

static void test_smart(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_SMART,
			    .features = ATA_SMART_STATUS,
			    .lba = 0xc24f00};

	ahci_ok(f, 0, &c);
	/* Healthy: 4Fh, C2h come back. */
	assert_int_equal(received(f).lba[1], 0x4f);
	assert_int_equal(received(f).lba[2], 0xc2);
	c.features = ATA_SMART_DISABLE;
	ahci_ok(f, 0, &c);
	assert_int_equal(identify_word(f, 85) & 1, 0);
	c.features = ATA_SMART_STATUS;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.features = ATA_SMART_ENABLE;
	ahci_ok(f, 0, &c);
	c.features = ATA_SMART_AUTOSAVE;
	ahci_ok(f, 0, &c);
	c.features = 0xd0;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.features = ATA_SMART_ENABLE;
	c.lba = 0x123400;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
}

static void test_power(void **state)
{
	struct fixture *f = *state;
	struct command c = {.command = ATA_CHECK_POWER_MODE};
	const struct command standby = {.command = ATA_STANDBY};
	const struct command idle = {.command = ATA_IDLE_IMMEDIATE};
	const struct command read = {
	    .command = ATA_READ_DMA_EXT, .count = 1, .len = SECTOR};

	ahci_ok(f, 0, &c);
	assert_int_equal(received(f).count, 0xff);
	ahci_ok(f, 0, &standby);
	ahci_ok(f, 0, &c);
	assert_int_equal(received(f).count, 0);
	ahci_ok(f, 0, &read);
	ahci_ok(f, 0, &c);
	assert_int_equal(received(f).count, 0xff);
	ahci_ok(f, 0, &standby);
	ahci_ok(f, 0, &idle);
	ahci_ok(f, 0, &c);
	assert_int_equal(received(f).count, 0xff);
}

static void test_diagnostic(void **state)
{
	struct fixture *f = *state;
	const struct command c = {.command = ATA_EXECUTE_DIAGNOSTIC};

	ahci_run(f, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x150);
	assert_int_equal(received(f).lba[0], 1);
	assert_int_equal(received(f).count, 1);
}

static void test_aborted(void **state)
{
	static const uint8_t commands[] = {
	    ATA_NOP, ATA_DEVICE_RESET,		 0x10, 0x27, 0x63, 0x64,
	    0x70,    ATA_IDENTIFY_PACKET_DEVICE, 0xb1, 0xe4, 0xf1, 0xf8,
	    0xff};
	struct fixture *f = *state;
	const struct command freeze = {.command = ATA_SECURITY_FREEZE_LOCK};
	const uint8_t cdb[ATAPI_CDB_BYTES] = {0};
	struct command c = {.len = SECTOR};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(commands); i++) {
		c.command = commands[i];
		ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	}
	c.command = ATA_PACKET;
	c.cdb = cdb;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	ahci_ok(f, 0, &freeze);
}

static void test_log_directory(void **state)
{
	struct fixture *f = *state;
	struct command c = {
	    .command = ATA_READ_LOG_EXT, .count = 1, .len = ATA_BLOCK_BYTES};

	ahci_ok(f, 0, &c);
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(0)), 1);
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(0) + 2 * 0x10), 1);
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(0) + 2 * 0x30), 0);
	c.lba = 0x30;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.lba = 0x100;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	c.lba = 0;
	c.count = 2;
	ahci_fails(f, 0, &c, ATA_ERROR_ABRT);
	/* By DMA it ends with a Register FIS. */
	c.count = 1;
	c.command = ATA_READ_LOG_DMA_EXT;
	ahci_run(f, 0, &c);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS), AHCI_PXIS_DHRS);
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(0)), 1);
}

static void test_pio_setup_fis(void **state)
{
	struct fixture *f = *state;
	struct fis_pio_setup fis;

	(void)identify_word(f, 0);
	mem_get(&f->w, RECEIVED(0) + AHCI_RX_PSFIS, &fis, sizeof(fis));
	assert_int_equal(fis.type, FIS_PIO_SETUP);
	assert_int_equal(fis.flags, FIS_I | FIS_D);
	assert_int_equal(fis.status, 0x58);
	assert_int_equal(fis.e_status, 0x50);
	assert_int_equal(le16toh(fis.transfer_count), 512);
}

#define TEST(t)	    cmocka_unit_test_setup_teardown(t, setup, ahci_teardown)
#define WITH(t, up) cmocka_unit_test_setup_teardown(t, up, ahci_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_transfers),
	    TEST(test_count_zero),
	    TEST(test_no_chs),
	    TEST(test_scatter),
	    TEST(test_long_list),
	    WITH(test_long_list_uneven, setup_4k),
	    TEST(test_long_list_broken),
	    WITH(test_list_of_crumbs, setup_4k),
	    TEST(test_io_errors),
	    WITH(test_read_only, setup_ro),
	    TEST(test_verify),
	    TEST(test_flush),
	    TEST(test_write_cache_off),
	    WITH(test_sync, setup_sync),
	    TEST(test_trim),
	    TEST(test_trim_nothing),
	    TEST(test_identify_checksum),
	    WITH(test_identify_4k, setup_4k),
	    TEST(test_set_features),
	    TEST(test_multiple),
	    TEST(test_smart),
	    TEST(test_power),
	    TEST(test_diagnostic),
	    TEST(test_aborted),
	    TEST(test_log_directory),
	    TEST(test_pio_setup_fis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
