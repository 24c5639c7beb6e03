/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-scsi: options, configuration, requests of all layouts, reset. */
#include "vscsi_fixture.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "../golden.h"
#include "dev/virtio_scsi/virtio_scsi_model.h"

static const char *golden_dir;

static int setup(void **state)
{
	*state = vscsi_build("/disk,ser=SERIAL01,cd:/cd,hd:/third,sync");
	return 0;
}

static int setup_queues(void **state)
{
	*state = vscsi_build("/disk,num_queues=2,seg_max=30,iid=7");
	return 0;
}

static const struct command read_one = {
    .cdb = {SCSI_READ_10, 0, 0, 0, 0, 3, 0, 0, 2},
    .len = 1024,
    .in = true,
};

static const struct command write_one = {
    .cdb = {SCSI_WRITE_10, 0, 0, 0, 0, 3, 0, 0, 2},
    .len = 1024,
};

static void pattern(uint8_t *buf, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 13 + seed);
}

/* ---- options ---- */

static const char *value(struct cfg *root, const char *path)
{
	return cfg_raw(root, path);
}

static void test_parse(void **state UNUSED)
{
	struct cfg *root = cfg_create(), *node;
	struct err err;

	assert_int_equal(cfg_make(root, "a", &err, &node), 0);
	assert_int_equal(
	    virtio_scsi_model.parse(node,
				    "num_queues=2,hd:/x=1,ro,bootindex=3,"
				    "cd:y,,/z,ser=s,seg_max=5",
				    &err),
	    0);
	assert_string_equal(value(root, "a.target.0.path"), "/x=1");
	assert_string_equal(value(root, "a.target.0.type"), "hd");
	assert_string_equal(value(root, "a.target.0.ro"), "true");
	assert_string_equal(value(root, "a.target.1.path"), "y");
	assert_string_equal(value(root, "a.target.1.type"), "cd");
	assert_string_equal(value(root, "a.target.2.path"), "/z");
	assert_string_equal(value(root, "a.target.2.ser"), "s");
	assert_string_equal(value(root, "a.bootindex"), "3");
	assert_string_equal(value(root, "a.num_queues"), "2");
	assert_string_equal(value(root, "a.seg_max"), "5");
	assert_int_equal(cfg_make(root, "b", &err, &node), 0);
	assert_int_equal(virtio_scsi_model.parse(node, "disk.img", &err), 0);
	assert_string_equal(value(root, "b.target.0.path"), "disk.img");
	assert_int_equal(cfg_make(root, "c", &err, &node), 0);
	assert_int_equal(virtio_scsi_model.parse(node, "path=/p,ro", &err), 0);
	assert_string_equal(value(root, "c.target.0.path"), "/p");
	cfg_destroy(root);
}

static void refused(const char *opts, const char *text)
{
	struct cfg *node;
	struct world w;
	struct err err;

	world_create(&w);
	node = world_node(&w, "");
	if (virtio_scsi_model.parse(node, opts, &err) == 0 &&
	    virtio_scsi_model.create(&w.env, ADDR, node, &err) == 0)
		fail_msg("%s: not refused", opts);
	assert_string_equal(err.msg, text);
	assert_null(pci_host_find(w.pci, ADDR));
	assert_null(disks[0]);
	world_destroy(&w);
}

static void test_refusals(void **state UNUSED)
{
	refused("/dev/cam/ctl1.0",
		"virtio-scsi: /dev/cam/ctl1.0: the CAM target layer exists on"
		" FreeBSD only; give a disk file or block device, as in"
		" 'virtio-scsi,/vm/guest/disk0.img'");
	refused("", "virtio-scsi: no disk given; name one, as in"
		    " 'virtio-scsi,/vm/guest/disk0.img'");
	refused("/a,hd:,ro", "virtio-scsi: target 1: no disk file given");
	refused("/a,nodelte", "virtio-scsi: target 0: pci.0.4.0.target.0."
			      "nodelte: unknown option, did you mean"
			      " 'nodelete'?");
	refused("/a,ser=123456789012345678901",
		"virtio-scsi: target 0: ser=123456789012345678901 is longer"
		" than 20 characters");
	refused("/a,num_queues=3", "virtio-scsi: pci.0.4.0.num_queues: '3' is"
				   " not a number from 1 to 2");
	refused("/a,seg_max=127", "virtio-scsi: pci.0.4.0.seg_max: '127' is not"
				  " a number from 1 to 126");
	refused("/a,type=tape",
		"virtio-scsi: target 0: type=tape is neither hd nor cd");
}

static void test_refused_target(void **state UNUSED)
{
	struct world w;
	struct err err;

	world_create(&w);
	assert_int_not_equal(
	    virtio_scsi_model.create(&w.env, ADDR,
				     world_node(&w, "target.32.path=/x"), &err),
	    0);
	assert_string_equal(err.msg, "virtio-scsi: target.32: targets are"
				     " numbered from 0 to 31");
	world_destroy(&w);
}

static void test_too_many(void **state UNUSED)
{
	struct cfg *root = cfg_create();
	char opts[200] = "";
	struct err err;
	unsigned i;

	for (i = 0; i < 33; i++)
		strcat(opts, "/d,");
	assert_int_equal(virtio_scsi_model.parse(root, opts, &err), -E2BIG);
	assert_string_equal(err.msg, "virtio-scsi: /d: one adapter has 32"
				     " targets; put it on another slot");
	cfg_destroy(root);
}

/* ---- configuration ---- */

static void test_config(void **state)
{
	struct fixture *f = *state;
	struct driver *d = &f->d;

	assert_int_equal(d->device_len, 36);
	assert_int_equal(driver_config(d, 0, 4), 1);
	assert_int_equal(driver_config(d, 4, 4), 126);
	assert_int_equal(driver_config(d, 8, 4), 0xffff);
	assert_int_equal(driver_config(d, 12, 4), 128);
	assert_int_equal(driver_config(d, 16, 4), 16);
	assert_int_equal(driver_config(d, 20, 4), 96);
	assert_int_equal(driver_config(d, 24, 4), 32);
	assert_int_equal(driver_config(d, 28, 2), 0);
	assert_int_equal(driver_config(d, 30, 2), 2); /* highest target */
	assert_int_equal(driver_config(d, 32, 4), 0);
	/* No feature beyond the transport's. */
	assert_int_equal(driver_offered(d) & 0xff, 0);
	/* The CD was opened read-only. */
	assert_true(disks[1]->info.read_only);
	assert_false(disks[2]->info.write_cache);
}

static void test_config_options(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(driver_config(&f->d, 0, 4), 2);
	assert_int_equal(driver_config(&f->d, 4, 4), 30);
	assert_int_equal(driver_read(&f->d, VIRTIO_PCI_COMMON_NUMQ, 2), 4);
}

static void golden_line(void *ctx, const char *line, FILE *out)
{
	struct fixture *f = ctx;
	unsigned a, size, cap, off;

	if (sscanf(line, "config %x %u", &a, &size) == 2) {
		fprintf(out, "config %x %u = %x\n", a, size,
			driver_config(&f->d, a, size));
		return;
	}
	fprintf(out, "%s\n", line);
	if (strcmp(line, "dump") == 0) {
		for (off = 0; off < 64; off++)
			fprintf(out, "%s%02x%s", off % 16 ? " " : "  ",
				world_cfg_read(&f->w, ADDR, off, 1),
				off % 16 == 15 ? "\n" : "");
		return;
	}
	if (strcmp(line, "capabilities") != 0)
		fail_msg("golden trace: what is '%s'?", line);
	cap = world_cfg_read(&f->w, ADDR, PCI_CAPABILITY_LIST, 1);
	for (; cap; cap = world_cfg_read(&f->w, ADDR, cap + 1, 1)) {
		fprintf(out, "  %02x:", cap);
		size = world_cfg_read(&f->w, ADDR, cap, 1) == PCI_CAP_ID_VNDR
			   ? world_cfg_read(&f->w, ADDR, cap + 2, 1)
			   : PCI_CAP_MSIX_SIZEOF;
		for (off = 0; off < size; off++)
			fprintf(out, " %02x",
				world_cfg_read(&f->w, ADDR, cap + off, 1));
		fprintf(out, "\n");
	}
}

static void test_golden_config(void **state)
{
	assert_true(golden_run(golden_dir, "virtio-scsi-config.txt",
			       golden_line, *state));
}

/* ---- requests ---- */

static void test_read(void **state)
{
	struct fixture *f = *state;
	struct virtio_scsi_cmd_resp resp;
	uint8_t back[1024];
	uint32_t len;

	vscsi_ready(f, 1);
	pattern(disks[0]->disk + 3 * 512, 1024, 5);
	vscsi_send(f, 0, &read_one);
	assert_int_equal(pendings, 1);
	assert_false(vscsi_used(f, REQUEST, &len));
	/* Straight into the guest's page. */
	assert_int_equal(pending[0].req->iovcnt, 1);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, RESP_LEN + 1024);
	vscsi_status(f, 0, SCSI_GOOD);
	resp = vscsi_response(f, 0);
	assert_int_equal(resp.resid, 0);
	assert_int_equal(resp.status_qualifier, 0);
	assert_int_equal(resp.sense[0], 0);
	mem_get(&f->w, DATA(0), back, sizeof(back));
	assert_memory_equal(back, disks[0]->disk + 3 * 512, sizeof(back));
	assert_int_equal(f->w.msi_data, 0x43);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	uint8_t out[1024];
	uint32_t len;

	vscsi_ready(f, 1);
	pattern(out, sizeof(out), 9);
	mem_put(&f->w, DATA(0), out, sizeof(out));
	vscsi_send(f, 0, &write_one);
	vscsi_complete(0, 0);
	assert_int_equal(pendings, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, RESP_LEN);
	vscsi_status(f, 0, SCSI_GOOD);
	assert_memory_equal(disks[0]->disk + 3 * 512, out, sizeof(out));
}

/* Force unit access: two steps of the back end. */
static void test_write_fua(void **state)
{
	struct fixture *f = *state;
	struct command c = write_one;
	uint32_t len;

	vscsi_ready(f, 3);
	c.cdb[1] = 8;
	vscsi_send(f, 0, &c);
	vscsi_complete(0, 0);
	assert_false(vscsi_used(f, REQUEST, &len));
	assert_int_equal(pending[0].req->op, BLOCK_FLUSH);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	vscsi_status(f, 0, SCSI_GOOD);
	/* A disk without cache needs none. */
	c.target = 2;
	vscsi_send(f, 1, &c);
	vscsi_complete(0, 0);
	assert_int_equal(pendings, 0);
	vscsi_status(f, 1, SCSI_GOOD);
}

/* Data is shorter or longer than the buffers. */
static void test_residual(void **state)
{
	struct fixture *f = *state;
	struct command c = {
	    .cdb = {SCSI_INQUIRY, 0, 0, 0, 36}, .len = 100, .in = true};
	struct virtio_scsi_cmd_resp resp;
	uint32_t len;

	vscsi_ready(f, 1);
	vscsi_send(f, 0, &c);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, RESP_LEN + 36);
	assert_int_equal(le32toh(vscsi_response(f, 0).resid), 64);
	/* A read with more room than blocks. */
	c = read_one;
	c.len = 1500;
	vscsi_send(f, 0, &c);
	assert_int_equal(pending[0].req->len, 1024);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, RESP_LEN + 1024);
	assert_int_equal(le32toh(vscsi_response(f, 0).resid), 476);
	/* And a write with more bytes. */
	c = write_one;
	c.len = 1500;
	vscsi_send(f, 0, &c);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(le32toh(vscsi_response(f, 0).resid), 476);
	/* Too little of either. */
	c.len = 1023;
	vscsi_send(f, 0, &c);
	resp = vscsi_response(f, 0);
	assert_int_equal(resp.response, VIRTIO_SCSI_S_OVERRUN);
	c = read_one;
	c.len = 512;
	vscsi_send(f, 0, &c);
	assert_int_equal(vscsi_response(f, 0).response, VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(pendings, 0);
	/* No buffer at all. */
	c.len = 0;
	vscsi_send(f, 0, &c);
	assert_int_equal(vscsi_response(f, 0).response, VIRTIO_SCSI_S_OVERRUN);
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct virtio_scsi_cmd_resp resp;
	uint32_t len;

	vscsi_ready(f, 1);
	vscsi_send(f, 0, &read_one);
	vscsi_complete(0, -EIO);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, RESP_LEN);
	vscsi_status(f, 0, SCSI_CHECK_CONDITION);
	resp = vscsi_response(f, 0);
	assert_int_equal(resp.sense[2], 3);
	assert_int_equal(resp.sense[12], 0x11);
	assert_int_equal(le32toh(resp.resid), 1024);
	/* No worker thread: the driver tries again. */
	disks[0]->no_thread = true;
	vscsi_send(f, 0, &write_one);
	vscsi_status(f, 0, SCSI_BUSY);
	assert_false(vscsi_broken(f));
}

static void test_addresses(void **state)
{
	static const struct {
		uint8_t lun[8], response, status;
	} luns[] = {
	    {{1, 0, 0x40, 0}, VIRTIO_SCSI_S_OK, SCSI_GOOD},
	    {{1, 2, 0, 0}, VIRTIO_SCSI_S_OK, SCSI_GOOD},
	    {{1, 0, 0x40, 1}, VIRTIO_SCSI_S_OK, SCSI_CHECK_CONDITION},
	    {{1, 0, 0, 1}, VIRTIO_SCSI_S_OK, SCSI_CHECK_CONDITION},
	    {{1, 0, 0x80, 0}, VIRTIO_SCSI_S_OK, SCSI_CHECK_CONDITION},
	    {{1, 0, 0x40, 0, 0, 0, 0, 1},
	     VIRTIO_SCSI_S_OK,
	     SCSI_CHECK_CONDITION},
	    {{1, 3}, VIRTIO_SCSI_S_BAD_TARGET, 0},
	    {{1, 32}, VIRTIO_SCSI_S_BAD_TARGET, 0},
	    {{1, 255}, VIRTIO_SCSI_S_BAD_TARGET, 0},
	    {{0, 0}, VIRTIO_SCSI_S_BAD_TARGET, 0},
	    {{0xc1, 1}, VIRTIO_SCSI_S_BAD_TARGET, 0},
	};
	const struct driver_buf bufs[] = {{HEADER(0), HEADER_LEN, false},
					  {RESPONSE(0), RESP_LEN, true}};
	struct fixture *f = *state;
	struct virtio_scsi_cmd_resp resp;
	unsigned i;

	vscsi_ready(f, 3);
	for (i = 0; i < ARRAY_LEN(luns); i++) {
		struct virtio_scsi_cmd_req header = {.tag = 1};

		memcpy(header.lun, luns[i].lun, 8);
		mem_put(&f->w, HEADER(0), &header, HEADER_LEN);
		driver_add(&f->d, REQUEST, bufs, 2);
		driver_kick(&f->d, REQUEST);
		world_run(&f->w);
		resp = vscsi_response(f, 0);
		assert_int_equal(resp.response, luns[i].response);
		assert_int_equal(resp.status, luns[i].status);
	}
}

static void test_targets(void **state)
{
	struct fixture *f = *state;
	struct command c = {
	    .target = 1,
	    .cdb = {SCSI_READ_CAPACITY_10},
	    .len = 8,
	    .in = true,
	};
	uint8_t back[8];

	vscsi_ready(f, 3);
	vscsi_send(f, 0, &c);
	vscsi_status(f, 0, SCSI_GOOD);
	mem_get(&f->w, DATA(0), back, 8);
	assert_int_equal(scsi_get32(back), DISK_BYTES / 2048 - 1);
	assert_int_equal(scsi_get32(back + 4), 2048);
	c = read_one;
	c.target = 2;
	vscsi_send(f, 0, &c);
	assert_ptr_equal(pending[0].block, disks[2]);
	vscsi_complete_all();
}

static void test_two_queues(void **state)
{
	struct fixture *f = *state;
	struct command c = {.queue = 3};
	uint32_t len;

	vscsi_up(f, 2);
	vscsi_send(f, 0, &c);
	assert_true(vscsi_used(f, 3, &len));
	vscsi_status(f, 0, SCSI_CHECK_CONDITION);
	/* Answers come back to their own queue, in any order. */
	c = read_one;
	vscsi_send(f, 0, &c);
	c.queue = 3;
	vscsi_send(f, 1, &c);
	vscsi_complete(1, 0);
	assert_false(vscsi_used(f, 2, &len));
	assert_true(vscsi_used(f, 3, &len));
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, 2, &len));
}

/* Every slot of both rings in flight at once. */
static void test_full(void **state)
{
	struct fixture *f = *state;
	struct command c = {.cdb = {SCSI_SYNCHRONIZE_CACHE_10}};
	unsigned i;
	uint32_t len;

	driver_up(&f->d, ALL, 4, 128);
	vscsi_send(f, 0, &c);
	vscsi_status(f, 0, SCSI_CHECK_CONDITION);
	assert_true(vscsi_used(f, 2, &len));
	/* Two descriptors each: half of them; then tables for the rest. */
	for (i = 0; i < 128; i++) {
		struct virtio_scsi_cmd_req header = {.lun = {1}};
		const struct driver_buf bufs[] = {
		    {HEADER(i % 64), HEADER_LEN, false},
		    {RESPONSE(i % 64), RESP_LEN, true}};

		memcpy(header.cdb, c.cdb, 16);
		mem_put(&f->w, HEADER(i % 64), &header, HEADER_LEN);
		driver_add_indirect(&f->d, 2, 0x80000 + 64 * i, bufs, 2);
		driver_add_indirect(&f->d, 3, 0x90000 + 64 * i, bufs, 2);
	}
	driver_kick(&f->d, 2);
	driver_kick(&f->d, 3);
	world_run(&f->w);
	assert_int_equal(pendings, 256);
	vscsi_complete_all();
	for (i = 0; i < 128; i++)
		assert_true(vscsi_used(f, 2, &len) && vscsi_used(f, 3, &len));
	assert_false(vscsi_broken(f));
}

/* ---- any layout ---- */

static void test_layout(void **state)
{
	struct fixture *f = *state;
	struct driver_buf bufs[60];
	uint8_t back[1024];
	unsigned i, n = 0;
	uint32_t len;

	vscsi_ready(f, 1);
	pattern(disks[0]->disk + 3 * 512, 1024, 77);
	vscsi_send(f, 0, &read_one); /* puts the header there */
	vscsi_complete_all();
	assert_true(vscsi_used(f, REQUEST, &len));
	/* The response byte by byte, its end together with data. */
	bufs[n++] = (struct driver_buf){HEADER(0), 30, false};
	bufs[n++] = (struct driver_buf){HEADER(0) + 30, 21, false};
	for (i = 0; i < 50; i++)
		bufs[n++] = (struct driver_buf){RESPONSE(1) + i, 1, true};
	bufs[n++] = (struct driver_buf){RESPONSE(1) + 50, 158, true};
	bufs[n++] = (struct driver_buf){DATA(1), 924, true};
	driver_add(&f->d, REQUEST, bufs, n);
	driver_kick(&f->d, REQUEST);
	world_run(&f->w);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, RESP_LEN + 1024);
	vscsi_status(f, 1, SCSI_GOOD);
	mem_get(&f->w, RESPONSE(1) + 108, back, 100);
	mem_get(&f->w, DATA(1), back + 100, 924);
	assert_memory_equal(back, disks[0]->disk + 3 * 512, 1024);
}

/* Header and data sent in one piece; trimmed to what is written. */
static void test_layout_write(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf bufs[] = {{HEADER(0), HEADER_LEN + 1100, false},
					  {RESPONSE(1), RESP_LEN, true}};
	uint8_t out[1100];
	uint32_t len;

	vscsi_ready(f, 1);
	vscsi_send(f, 0, &write_one);
	vscsi_complete_all();
	assert_true(vscsi_used(f, REQUEST, &len));
	pattern(out, sizeof(out), 3);
	mem_put(&f->w, HEADER(0) + HEADER_LEN, out, sizeof(out));
	driver_add_indirect(&f->d, REQUEST, 0x80000, bufs, 2);
	driver_kick(&f->d, REQUEST);
	world_run(&f->w);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	vscsi_status(f, 1, SCSI_GOOD);
	assert_memory_equal(disks[0]->disk + 3 * 512, out, 1024);
	assert_int_equal(le32toh(vscsi_response(f, 1).resid), 76);
}

/* Other sizes of CDB and sense, agreed on before the driver starts. */
static void test_sizes(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf bufs[] = {{HEADER(0), 19 + 6, false},
					  {RESPONSE(0), 12 + 4, true}};
	struct virtio_scsi_cmd_req header = {.lun = {1}};
	struct virtio_scsi_cmd_resp resp;
	uint32_t len;
	unsigned q;

	driver_negotiate(&f->d, driver_offered(&f->d));
	driver_config_set(&f->d, 20, 4, 253); /* more than there is: no */
	driver_config_set(&f->d, 24, 4, 261);
	driver_config_set(&f->d, 20, 2, 7);
	assert_int_equal(driver_config(&f->d, 20, 4), 96);
	assert_int_equal(driver_config(&f->d, 24, 4), 32);
	driver_config_set(&f->d, 20, 4, 4);
	driver_config_set(&f->d, 24, 4, 6);
	driver_config_set(&f->d, 0, 4, 9); /* not the driver's */
	assert_int_equal(driver_config(&f->d, 0, 4), 1);
	for (q = 0; q < 3; q++)
		driver_queue_setup(&f->d, q, 64, 0x10000 + q * 0x10000);
	driver_start(&f->d);
	driver_config_set(&f->d, 20, 4, 90);
	assert_int_equal(driver_config(&f->d, 20, 4), 4);
	mem_put(&f->w, HEADER(0), &header, 25);
	driver_add(&f->d, REQUEST, bufs, 2);
	driver_kick(&f->d, REQUEST);
	world_run(&f->w);
	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(len, 16);
	resp = vscsi_response(f, 0);
	assert_int_equal(resp.status, SCSI_CHECK_CONDITION);
	assert_int_equal(le32toh(resp.sense_len), 4);
	/* A reset makes them what they were. */
	driver_set_status(&f->d, 0);
	assert_int_equal(driver_config(&f->d, 20, 4), 96);
	assert_int_equal(driver_config(&f->d, 24, 4), 32);
}

/* Data both ways is refused, not guessed at. */
static void test_both_ways(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf bufs[] = {{HEADER(0), HEADER_LEN + 512, false},
					  {RESPONSE(0), RESP_LEN + 512, true}};
	struct virtio_scsi_cmd_req header = {.lun = {1}};

	vscsi_ready(f, 1);
	mem_put(&f->w, HEADER(0), &header, HEADER_LEN);
	driver_add(&f->d, REQUEST, bufs, 2);
	driver_kick(&f->d, REQUEST);
	world_run(&f->w);
	assert_int_equal(vscsi_response(f, 0).response, VIRTIO_SCSI_S_FAILURE);
}

static void malformed(struct fixture *f, unsigned q,
		      const struct driver_buf *bufs, unsigned n)
{
	struct command test = {0};

	vscsi_up(f, 1);
	driver_add(&f->d, q, bufs, n);
	driver_kick(&f->d, q);
	world_run(&f->w);
	assert_true(vscsi_broken(f));
	assert_int_equal(pendings, 0);
	/* Reset makes it whole. */
	vscsi_up(f, 1);
	vscsi_send(f, 0, &test);
	vscsi_status(f, 0, SCSI_CHECK_CONDITION);
	assert_false(vscsi_broken(f));
}

static void test_malformed(void **state)
{
	static const struct driver_buf short_header[] = {
	    {HEADER(0), 18, false}, {RESPONSE(0), RESP_LEN, true}};
	static const struct driver_buf short_cdb[] = {
	    {HEADER(0), 50, false}, {RESPONSE(0), RESP_LEN, true}};
	static const struct driver_buf short_response[] = {
	    {HEADER(0), HEADER_LEN, false}, {RESPONSE(0), 107, true}};
	static const struct driver_buf no_response[] = {
	    {HEADER(0), HEADER_LEN + 512, false}};
	static const struct driver_buf outside[] = {
	    {HEADER(0), HEADER_LEN, false}, {WORLD_RAM_END - 16, 512, true}};
	static const struct driver_buf short_control[] = {
	    {HEADER(0), 3, false}, {RESPONSE(0), 1, true}};
	static const struct driver_buf short_tmf[] = {{HEADER(0), 23, false},
						      {RESPONSE(0), 1, true}};
	static const struct driver_buf no_byte[] = {{HEADER(0), 24, false}};

	malformed(*state, REQUEST, short_header, 2);
	malformed(*state, REQUEST, short_cdb, 2);
	malformed(*state, REQUEST, short_response, 2);
	malformed(*state, REQUEST, no_response, 1);
	malformed(*state, REQUEST, outside, 2);
	malformed(*state, CONTROL, short_control, 2);
	malformed(*state, CONTROL, short_tmf, 2);
	malformed(*state, CONTROL, no_byte, 1);
}

/* ---- reset ---- */

static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	struct command c = write_one;
	uint8_t before[RESP_LEN], after[RESP_LEN];
	uint32_t len;

	vscsi_ready(f, 1);
	vscsi_send(f, 0, &read_one);
	c.cdb[1] = 8; /* two steps */
	vscsi_send(f, 1, &c);
	mem_get(&f->w, RESPONSE(0), before, sizeof(before));
	driver_set_status(&f->d, 0);
	/* Not over while the back end may touch the guest's memory. */
	assert_int_not_equal(driver_status(&f->d), 0);
	vscsi_complete(0, 0);
	assert_int_not_equal(driver_status(&f->d), 0);
	vscsi_complete(0, 0);
	assert_int_equal(pendings, 0); /* no flush for nobody */
	assert_int_equal(driver_status(&f->d), 0);
	mem_get(&f->w, RESPONSE(0), after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	/* It works again, after a unit attention. */
	vscsi_ready(f, 1);
	vscsi_send(f, 0, &read_one);
	vscsi_complete(0, 0);
	assert_true(vscsi_used(f, REQUEST, &len));
	vscsi_status(f, 0, SCSI_GOOD);
}

static void test_bus_master_off(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	vscsi_ready(f, 1);
	vscsi_send(f, 0, &read_one);
	world_cfg_write(&f->w, ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	vscsi_complete(0, 0);
	assert_true(vscsi_broken(f));
	assert_false(vscsi_used(f, REQUEST, &len));
}

/* The machine ends with requests in flight. */
static void test_destroy_in_flight(void **state)
{
	struct fixture *f = *state;
	struct command c = write_one;

	vscsi_ready(f, 1);
	c.cdb[1] = 8;
	vscsi_send(f, 0, &c);
	assert_int_equal(pendings, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, vscsi_teardown)
#define Q(f) cmocka_unit_test_setup_teardown(f, setup_queues, vscsi_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_refused_target),
	    cmocka_unit_test(test_too_many),
	    T(test_config),
	    Q(test_config_options),
	    T(test_golden_config),
	    T(test_read),
	    T(test_write),
	    T(test_write_fua),
	    T(test_residual),
	    T(test_errors),
	    T(test_addresses),
	    T(test_targets),
	    Q(test_two_queues),
	    Q(test_full),
	    T(test_layout),
	    T(test_layout_write),
	    T(test_sizes),
	    T(test_both_ways),
	    T(test_malformed),
	    T(test_reset_in_flight),
	    T(test_bus_master_off),
	    T(test_destroy_in_flight),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s GOLDEN-DIR\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
