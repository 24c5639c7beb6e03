/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: set-up, requests of all layouts, the write cache, reset. */
#include "blk_fixture.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "dev/virtio_models.h"

static int setup(void **state)
{
	*state = blk_build("path=/disk,ser=SERIAL01");
	return 0;
}

static int setup_ro(void **state)
{
	*state = blk_build("path=/disk,ro");
	return 0;
}

static int setup_sync(void **state)
{
	*state = blk_build("path=/disk,sync,nodelete");
	return 0;
}

static void pattern(uint8_t *buf, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 13 + seed);
}

/* ---- set-up ---- */

static void test_parse(void **state UNUSED)
{
	struct cfg *root = cfg_create(), *node;
	struct err err;

	assert_int_equal(cfg_make(root, "a", &err, &node), 0);
	assert_int_equal(
	    virtio_blk_model.parse(node, "/x=y.img,ro,ser=ab", &err), 0);
	assert_string_equal(cfg_raw(node, "path"), "/x=y.img");
	assert_string_equal(cfg_raw(node, "ro"), "true");
	assert_string_equal(cfg_raw(node, "ser"), "ab");
	assert_int_equal(cfg_make(root, "b", &err, &node), 0);
	assert_int_equal(virtio_blk_model.parse(node, "disk", &err), 0);
	assert_string_equal(cfg_raw(node, "path"), "disk");
	assert_int_equal(cfg_make(root, "c", &err, &node), 0);
	assert_int_equal(virtio_blk_model.parse(node, "path=/z,sync", &err), 0);
	assert_string_equal(cfg_raw(node, "path"), "/z");
	cfg_destroy(root);
}

static void refused(const char *options, const char *text)
{
	struct world w;
	struct err err;

	world_create(&w);
	assert_int_not_equal(virtio_blk_model.create(
				 &w.env, ADDR, world_node(&w, options), &err),
			     0);
	assert_string_equal(err.msg, text);
	assert_null(pci_host_find(w.pci, ADDR));
	assert_null(the_block);
	world_destroy(&w);
}

static void test_refusals(void **state UNUSED)
{
	refused("ro", "virtio-blk: no disk file given");
	refused("path=/disk,nodelte", "virtio-blk: pci.0.4.0.nodelte: unknown"
				      " option, did you mean 'nodelete'?");
	refused("path=/disk,ser=123456789012345678901",
		"virtio-blk:"
		" ser=123456789012345678901 is longer than 20 characters");
}

static void test_slot_taken(void **state)
{
	struct fixture *f = *state;
	struct block *first = the_block;
	struct err err;

	assert_int_equal(
	    virtio_blk_model.create(&f->w.env, ADDR,
				    world_node(&f->w, "path=/disk"), &err),
	    -EEXIST);
	assert_string_equal(err.msg, "pci slot 0:4:0 already occupied!");
	assert_null(the_block); /* the second one was closed */
	the_block = first;
}

static void test_config(void **state)
{
	struct fixture *f = *state;
	struct driver *d = &f->d;

	assert_int_equal(d->device_len, 60);
	assert_int_equal(driver_config(d, 0, 4), DISK_BYTES / 512);
	assert_int_equal(driver_config(d, 4, 4), 0);
	assert_int_equal(driver_config(d, 12, 4), 126); /* seg_max */
	assert_int_equal(driver_config(d, 20, 4), 512); /* blk_size */
	assert_int_equal(driver_config(d, 24, 1), 3);	/* 8 per physical */
	assert_int_equal(driver_config(d, 26, 2), 8);	/* min_io_size */
	assert_int_equal(driver_config(d, 32, 1), 1);	/* write-back */
	assert_int_equal(driver_config(d, 34, 2), 1);	/* num_queues */
	assert_int_equal(driver_config(d, 36, 4), 1u << 21);
	assert_int_equal(driver_config(d, 40, 4), 1);
	assert_int_equal(driver_config(d, 44, 4), 1);
	assert_int_equal(driver_config(d, 48, 4), 1u << 21);
	assert_int_equal(driver_config(d, 52, 4), 1);
	assert_int_equal(driver_config(d, 56, 1), 1);
}

static bool offers(struct fixture *f, unsigned feature)
{
	return driver_offered(&f->d) >> feature & 1;
}

static void test_features(void **state)
{
	struct fixture *f = *state;

	assert_true(offers(f, VIRTIO_BLK_F_FLUSH));
	assert_true(offers(f, VIRTIO_BLK_F_CONFIG_WCE));
	assert_true(offers(f, VIRTIO_BLK_F_DISCARD));
	assert_true(offers(f, VIRTIO_BLK_F_WRITE_ZEROES));
	assert_false(offers(f, VIRTIO_BLK_F_RO));
}

static void test_features_ro(void **state)
{
	struct fixture *f = *state;

	assert_true(offers(f, VIRTIO_BLK_F_RO));
	assert_false(offers(f, VIRTIO_BLK_F_FLUSH));
	assert_false(offers(f, VIRTIO_BLK_F_DISCARD));
	assert_false(offers(f, VIRTIO_BLK_F_WRITE_ZEROES));
}

static void test_features_sync(void **state)
{
	struct fixture *f = *state;

	assert_false(offers(f, VIRTIO_BLK_F_FLUSH));
	assert_false(offers(f, VIRTIO_BLK_F_CONFIG_WCE));
	assert_false(offers(f, VIRTIO_BLK_F_DISCARD));
	assert_true(offers(f, VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(driver_config(&f->d, 32, 1), 0);
}

/* ---- requests ---- */

static void test_read(void **state)
{
	struct fixture *f = *state;
	uint8_t back[1024];

	blk_up(f);
	pattern(the_block->disk + 3 * 512, 1024, 5);
	blk_send(f, VIRTIO_BLK_T_IN, 3, 1024);
	assert_int_equal(the_block->count, 1);
	assert_true(blk_unanswered(f));
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1025);
	mem_get(&f->w, DATA, back, sizeof(back));
	assert_memory_equal(back, the_block->disk + 3 * 512, sizeof(back));
	assert_int_equal(world_msis(&f->w), 1);
	assert_int_equal(f->w.msi_data, 0x41);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	uint8_t out[2048];

	blk_up(f);
	pattern(out, sizeof(out), 9);
	mem_put(&f->w, DATA, out, sizeof(out));
	blk_send(f, VIRTIO_BLK_T_OUT, 7, sizeof(out));
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	assert_memory_equal(the_block->disk + 7 * 512, out, sizeof(out));
	/* A cache that the driver can flush: no flush of ours. */
	assert_int_equal(the_block->count, 0);
}

static void test_flush(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_FLUSH, 0, 0);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	assert_true(blk_unanswered(f));
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	blk_send(f, VIRTIO_BLK_T_FLUSH, 0, 0);
	blk_complete(0, -EIO);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
}

static void test_get_id(void **state)
{
	struct fixture *f = *state;
	char id[21] = {0};

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_GET_ID, 0, 20);
	blk_answered(f, VIRTIO_BLK_S_OK, 21);
	mem_get(&f->w, DATA, id, 20);
	assert_string_equal(id, "SERIAL01");
	/* A short buffer gets the front, none at all an error. */
	blk_send(f, VIRTIO_BLK_T_GET_ID, 0, 6);
	blk_answered(f, VIRTIO_BLK_S_OK, 7);
	blk_send(f, VIRTIO_BLK_T_GET_ID, 0, 0);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
}

static void test_default_serial(void **state)
{
	struct fixture *f = *state;
	char id[21] = {0};

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_GET_ID, 0, 20);
	blk_answered(f, VIRTIO_BLK_S_OK, 21);
	mem_get(&f->w, DATA, id, 20);
	assert_memory_equal(id, "BYWAY-", 6);
	assert_int_equal(strlen(id), 18);
}

static void test_unknown_type(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_SCSI_CMD, 0, 512);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
	blk_send(f, 0xffffffffu, 0, 0);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
	assert_false(blk_broken(f));
}

static void test_errors(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_IN, DISK_BYTES / 512, 512);
	blk_complete(0, 0); /* the back end says -ERANGE */
	blk_answered(f, VIRTIO_BLK_S_IOERR, 0);
	/* A sector whose byte offset does not fit into 64 bits. */
	blk_send(f, VIRTIO_BLK_T_OUT, 1ull << 55, 512);
	assert_true(the_block->pending[0]->offset >= 1ull << 63);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, -ENOSPC);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	the_block->no_thread = true;
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	assert_false(blk_broken(f));
}

/* ---- any layout ---- */

static void test_layout_scattered(void **state)
{
	struct fixture *f = *state;
	struct driver_buf bufs[20];
	uint8_t out[512];
	unsigned i, n = 0;

	blk_up(f);
	pattern(out, sizeof(out), 3);
	blk_put_header(f, HEADER, VIRTIO_BLK_T_OUT, 2);
	mem_put(&f->w, HEADER + 16, out, 100);
	mem_put(&f->w, DATA, out + 100, 412);
	/* The header byte by byte, the last byte together with data. */
	for (i = 0; i < 15; i++)
		bufs[n++] = (struct driver_buf){HEADER + i, 1, false};
	bufs[n++] = (struct driver_buf){HEADER + 15, 101, false};
	bufs[n++] = (struct driver_buf){DATA, 412, false};
	bufs[n++] = (struct driver_buf){STATUS, 1, true};
	driver_add(&f->d, 0, bufs, n);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	assert_memory_equal(the_block->disk + 1024, out, sizeof(out));
}

static void test_layout_status_with_data(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf bufs[] = {{HEADER, 16, false},
					  {DATA, 513, true}};
	uint8_t back[513];

	blk_up(f);
	pattern(the_block->disk, 512, 77);
	blk_put_header(f, HEADER, VIRTIO_BLK_T_IN, 0);
	driver_add_indirect(&f->d, 0, DATA + 0x1000, bufs, 2);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	blk_complete(0, 0);
	assert_false(blk_unanswered(f));
	mem_get(&f->w, DATA, back, sizeof(back));
	assert_memory_equal(back, the_block->disk, 512);
	assert_int_equal(back[512], VIRTIO_BLK_S_OK);
}

static void malformed(struct fixture *f, const struct driver_buf *bufs,
		      unsigned n)
{
	blk_up(f);
	blk_put_header(f, HEADER, VIRTIO_BLK_T_IN, 0);
	driver_add(&f->d, 0, bufs, n);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	assert_true(blk_broken(f));
	assert_int_equal(the_block->count, 0);
	/* Reset makes it whole. */
	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_IN, 0, 512);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 513);
}

static void test_malformed(void **state)
{
	static const struct driver_buf short_header[] = {{HEADER, 15, false},
							 {STATUS, 1, true}};
	static const struct driver_buf no_status[] = {{HEADER, 528, false}};
	static const struct driver_buf no_header[] = {{STATUS, 1, true}};
	static const struct driver_buf empty_status[] = {{HEADER, 16, false},
							 {STATUS, 0, true}};
	static const struct driver_buf outside[] = {
	    {HEADER, 16, false},
	    {WORLD_RAM_END - 16, 512, true},
	    {STATUS, 1, true}};

	malformed(*state, short_header, 2);
	malformed(*state, no_status, 1);
	malformed(*state, no_header, 1);
	malformed(*state, empty_status, 2);
	malformed(*state, outside, 3);
}

/* A write whose data is in the writable part has none: nothing happens. */
static void test_wrong_direction(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf bufs[] = {
	    {HEADER, 16, false}, {DATA, 512, true}, {STATUS, 1, true}};

	blk_up(f);
	memset(the_block->disk, 0x42, 512);
	blk_put_header(f, HEADER, VIRTIO_BLK_T_OUT, 0);
	driver_add(&f->d, 0, bufs, 3);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	blk_complete_all();
	assert_int_equal(the_block->disk[0], 0x42);
	assert_false(blk_broken(f));
}

/* ---- discard and zeroes ---- */

static void send_range(struct fixture *f, uint32_t type, uint64_t sector,
		       uint32_t sectors, uint32_t flags, uint32_t len)
{
	mem_put64(&f->w, DATA, sector);
	mem_put32(&f->w, DATA + 8, sectors);
	mem_put32(&f->w, DATA + 12, flags);
	blk_send(f, type, 0, len);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	send_range(f, VIRTIO_BLK_T_DISCARD, 8, 16, 0, 16);
	assert_int_equal(the_block->pending[0]->op, BLOCK_DISCARD);
	assert_int_equal(the_block->pending[0]->offset, 8 * 512);
	assert_int_equal(the_block->pending[0]->len, 16 * 512);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	/* Flags belong to the other command. */
	send_range(f, VIRTIO_BLK_T_DISCARD, 8, 16, 1, 16);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
	/* Two ranges, though one was the limit; half a range. */
	send_range(f, VIRTIO_BLK_T_DISCARD, 8, 16, 0, 32);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	send_range(f, VIRTIO_BLK_T_DISCARD, 8, 16, 0, 8);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	send_range(f, VIRTIO_BLK_T_DISCARD, 0, (1u << 21) + 1, 0, 16);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	send_range(f, VIRTIO_BLK_T_DISCARD, 8, 16, 0, 16);
	blk_complete(0, -EOPNOTSUPP);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
	assert_false(blk_broken(f));
}

static void test_zeroes(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	send_range(f, VIRTIO_BLK_T_WRITE_ZEROES, 2, 2, 0, 16);
	assert_int_equal(the_block->pending[0]->op, BLOCK_WRITE_ZEROES);
	assert_false(the_block->pending[0]->may_unmap);
	memset(the_block->disk, 0xff, 4096);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	assert_int_equal(the_block->disk[1023], 0xff);
	assert_int_equal(the_block->disk[1024], 0);
	send_range(f, VIRTIO_BLK_T_WRITE_ZEROES, 2, 2, 1, 16);
	assert_true(the_block->pending[0]->may_unmap);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	send_range(f, VIRTIO_BLK_T_WRITE_ZEROES, 2, 2, 2, 16);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
}

static void test_range_not_negotiated(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->d, 0, 1, 128);
	send_range(f, VIRTIO_BLK_T_DISCARD, 0, 1, 0, 16);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
	send_range(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0, 16);
	blk_answered(f, VIRTIO_BLK_S_UNSUPP, 1);
	assert_int_equal(the_block->count, 0);
}

/* ---- the write cache ---- */

/* The write is answered only after a flush of ours. */
static void expect_write_through(struct fixture *f)
{
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	assert_int_equal(the_block->pending[0]->op, BLOCK_WRITE);
	blk_complete(0, 0);
	assert_true(blk_unanswered(f));
	assert_int_equal(the_block->count, 1);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	/* A write that cannot be made stable has failed. */
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, 0);
	blk_complete(0, -EIO);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	/* And one that failed needs no flush. */
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, -EIO);
	blk_answered(f, VIRTIO_BLK_S_IOERR, 1);
	assert_int_equal(the_block->count, 0);
}

static void test_driver_without_flush(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->d, ALL & ~BIT64(VIRTIO_BLK_F_FLUSH), 1, 128);
	expect_write_through(f);
}

static void test_cache_switched_off(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	driver_config_set(&f->d, 32, 1, 0);
	assert_int_equal(driver_config(&f->d, 32, 1), 0);
	expect_write_through(f);
	driver_config_set(&f->d, 32, 1, 1);
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	driver_config_set(&f->d, 32, 1, 0);
	/* Reset switches it on again; other fields cannot be written. */
	driver_set_status(&f->d, 0);
	assert_int_equal(driver_config(&f->d, 32, 1), 1);
	driver_config_set(&f->d, 0, 4, 7);
	assert_int_equal(driver_config(&f->d, 0, 4), DISK_BYTES / 512);
}

static void test_cache_switch_not_negotiated(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->d, BIT64(VIRTIO_BLK_F_FLUSH), 1, 128);
	driver_config_set(&f->d, 32, 1, 0);
	assert_int_equal(driver_config(&f->d, 32, 1), 1);
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
}

static void test_sync_disk(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	blk_send(f, VIRTIO_BLK_T_FLUSH, 0, 0);
	blk_answered(f, VIRTIO_BLK_S_OK, 1);
	assert_int_equal(the_block->count, 0);
}

/* ---- several at once, and reset ---- */

static void test_out_of_order(void **state)
{
	struct fixture *f = *state;
	uint32_t id, len, first;
	unsigned i;

	blk_up(f);
	for (i = 0; i < 4; i++)
		blk_send_slot(f, i, VIRTIO_BLK_T_IN, i, 512);
	assert_int_equal(the_block->count, 4);
	first = 0;
	blk_complete(3, 0);
	assert_true(driver_used(&f->d, 0, &id, &len));
	assert_int_equal(id, first + 9);
	assert_int_equal(blk_status(f, STATUS + 3), VIRTIO_BLK_S_OK);
	assert_int_equal(blk_status(f, STATUS), 0xee);
	blk_complete(0, 0);
	assert_true(driver_used(&f->d, 0, &id, &len));
	assert_int_equal(id, first);
	blk_complete_all();
	assert_true(driver_used(&f->d, 0, &id, &len));
	assert_true(driver_used(&f->d, 0, &id, &len));
}

static void test_full_queue(void **state)
{
	struct fixture *f = *state;
	struct driver_buf bufs[2] = {{HEADER, 16, false}, {STATUS, 1, true}};
	unsigned i, round;
	uint32_t id, len;

	blk_up(f);
	blk_put_header(f, HEADER, VIRTIO_BLK_T_FLUSH, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 128; i++) {
			bufs[1].addr = STATUS + i;
			driver_add_indirect(&f->d, 0, DATA + i * 32, bufs, 2);
		}
		driver_kick(&f->d, 0);
		world_run(&f->w);
		assert_int_equal(the_block->count, 128);
		blk_complete_all();
		for (i = 0; i < 128; i++)
			assert_true(driver_used(&f->d, 0, &id, &len));
	}
	/* One more than the queue holds is the guest's fault. */
	for (i = 0; i < 128; i++)
		driver_add_indirect(&f->d, 0, DATA + i * 32, bufs, 2);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	driver_add_indirect(&f->d, 0, DATA, bufs, 2);
	driver_kick(&f->d, 0);
	world_run(&f->w);
	assert_true(blk_broken(f));
	assert_int_equal(the_block->count, 128);
}

static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	uint8_t before[512], after[512];

	blk_up(f);
	pattern(the_block->disk, 512, 1);
	blk_send_slot(f, 0, VIRTIO_BLK_T_IN, 0, 512);
	blk_send_slot(f, 1, VIRTIO_BLK_T_OUT, 4, 512);
	driver_set_status(&f->d, 0);
	/* The host may still write into the guest: not reset yet. */
	assert_int_not_equal(driver_status(&f->d), 0);
	blk_complete(1, 0);
	assert_int_not_equal(driver_status(&f->d), 0);
	blk_complete(0, 0);
	assert_int_equal(driver_status(&f->d), 0);
	assert_true(blk_unanswered(f));
	assert_int_equal(blk_status(f, STATUS), 0xee);
	assert_int_equal(world_msis(&f->w), 0);
	/* From here on the guest's memory is its own. */
	mem_get(&f->w, DATA, before, sizeof(before));
	blk_up(f);
	blk_send_slot(f, 1, VIRTIO_BLK_T_IN, 0, 512);
	blk_complete(0, 0);
	mem_get(&f->w, DATA, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(blk_status(f, STATUS + 1), VIRTIO_BLK_S_OK);
}

/* The flush behind a write-through write belongs to the request. */
static void test_reset_between_write_and_flush(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->d, 0, 1, 128);
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	blk_complete(0, 0);
	driver_set_status(&f->d, 0);
	assert_int_not_equal(driver_status(&f->d), 0);
	blk_complete(0, 0);
	assert_int_equal(driver_status(&f->d), 0);
}

static void test_destroy_in_flight(void **state)
{
	struct fixture *f = *state;

	blk_up(f);
	blk_send(f, VIRTIO_BLK_T_OUT, 0, 512);
	assert_int_equal(the_block->count, 1);
	/* blk_teardown destroys the device; the sanitizer watches */
}

#define T(name)	 cmocka_unit_test_setup_teardown(name, setup, blk_teardown)
#define RO(name) cmocka_unit_test_setup_teardown(name, setup_ro, blk_teardown)
#define SYNC(name) \
	cmocka_unit_test_setup_teardown(name, setup_sync, blk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_refusals),
	    T(test_slot_taken),
	    T(test_config),
	    T(test_features),
	    RO(test_features_ro),
	    SYNC(test_features_sync),
	    T(test_read),
	    T(test_write),
	    T(test_flush),
	    T(test_get_id),
	    RO(test_default_serial),
	    T(test_unknown_type),
	    T(test_errors),
	    T(test_layout_scattered),
	    T(test_layout_status_with_data),
	    T(test_malformed),
	    T(test_wrong_direction),
	    T(test_discard),
	    T(test_zeroes),
	    T(test_range_not_negotiated),
	    T(test_driver_without_flush),
	    T(test_cache_switched_off),
	    T(test_cache_switch_not_negotiated),
	    SYNC(test_sync_disk),
	    T(test_out_of_order),
	    T(test_full_queue),
	    T(test_reset_in_flight),
	    T(test_reset_between_write_and_flush),
	    T(test_destroy_in_flight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
