/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes virtio-scsi with a hostile driver. The back end is a part of this
 * file: it reads and writes every byte it was handed, so that the sanitizer
 * sees a wrong one, and answers when the script says so.
 *
 * The script's back end operation has a second use: from 128 on its operand
 * makes a well-formed command out of the bytes that follow, from 120 on a task
 * management function, so that these are reached, not only the rings.
 */
#include <endian.h>
#include <linux/virtio_scsi.h>
#include <string.h>

#include "backend/block.h"
#include "base/log.h"
#include "dev/virtio_scsi/virtio_scsi_model.h"
#include "spec/scsi.h"
#include "virtio_script.h"

#define PENDING_MAX 512u
#define DISK_BYTES  MIB(1)
#define BASE	    0x60000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct block {
	struct block_req *pending[PENDING_MAX];
	unsigned count;
};

const char *const block_options[] = {"path", "ro", NULL};

static struct block the_block;

int block_open(struct cfg *node UNUSED, struct err *err UNUSED,
	       struct block **ret_block)
{
	*ret_block = &the_block;
	return 0;
}

void block_use_loop(struct block *block UNUSED, struct evloop *loop UNUSED)
{
}

struct block_info block_info(const struct block *block UNUSED)
{
	return (struct block_info){
	    .size = DISK_BYTES,
	    .logical_sector = 512,
	    .physical_sector = 4096,
	    .can_discard = true,
	    .write_cache = true,
	};
}

int block_submit(struct block *block, struct block_req *req)
{
	if (block->count == PENDING_MAX)
		abort(); /* more than the queues can hold */
	block->pending[block->count++] = req;
	return 0;
}

static int touch(const struct block_req *req)
{
	uint64_t sum = 0;
	unsigned i;

	if (req->iovcnt > BLOCK_IOV_MAX ||
	    !range_inside(req->offset, req->len, 0, DISK_BYTES))
		abort(); /* the SCSI layer has looked at that */
	for (i = 0; i < req->iovcnt; i++) {
		uint8_t *p = req->iov[i].iov_base;
		size_t len = req->iov[i].iov_len, n;

		sum += len;
		/* The ends are enough, and quick. */
		for (n = 0; n < len; n += MAX((size_t)1, len - 1)) {
			if (req->op == BLOCK_READ)
				p[n] = 0x11;
			else if (p[n] == 0x99)
				sum += 0;
		}
	}
	if ((req->op == BLOCK_READ || req->op == BLOCK_WRITE) &&
	    sum != req->len)
		abort();
	return 0;
}

static void complete(uint8_t arg)
{
	struct block_req *req;
	unsigned n;

	if (!the_block.count)
		return;
	n = arg % the_block.count;
	req = the_block.pending[n];
	the_block.pending[n] = the_block.pending[--the_block.count];
	req->done(req, arg > 110 ? -EIO : touch(req));
}

void block_drain(struct block *block UNUSED)
{
	while (the_block.count)
		complete(0);
}

void block_close(struct block *block)
{
	if (block)
		block_drain(block);
}

/* ---- well-formed commands ---- */

struct target {
	struct world w;
	struct script script;
	struct driver d; /* its own rings: the script's driver has others */
	unsigned sent;
};

static void driver_ready(struct target *t)
{
	if (!t->sent++)
		driver_up(&t->d, UINT64_MAX, 3, 64);
}

static void task_management(struct target *t, uint8_t arg)
{
	struct virtio_scsi_ctrl_tmf_req tmf = {
	    .subtype = htole32(arg & 7),
	    .lun = {1, feed_u8(&t->script.in) & 1},
	    .tag = htole64(feed_u8(&t->script.in) & 7),
	};
	const struct driver_buf bufs[] = {{BASE + 0x7000, 24, false},
					  {BASE + 0x7100, 1, true}};

	driver_ready(t);
	if (!t->d.q[0].size)
		return;
	mem_put(&t->w, BASE + 0x7000, &tmf, 24);
	driver_add(&t->d, 0, bufs, 2);
	driver_kick(&t->d, 0);
	world_run(&t->w);
}

static void command(struct target *t, uint8_t arg)
{
	static const uint8_t ops[] = {
	    0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28,
	    0x2a, 0x2f, 0x35, 0x41, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x55, 0x5a,
	    0x88, 0x8a, 0x8f, 0x91, 0x93, 0x9e, 0xa0, 0xa8, 0xaa, 0xaf,
	};
	struct feed *in = &t->script.in;
	struct virtio_scsi_cmd_req header = {
	    .lun = {1, arg >> 5 & 1},
	    .cdb = {ops[(arg & 31) % ARRAY_LEN(ops)]},
	};
	uint32_t len = feed_u16(in) & 0x1fff;
	bool out = arg & 0x40;
	const struct driver_buf bufs[] = {
	    {BASE, 51, false},
	    {out ? BASE + 0x1000 : BASE + 0x800, out ? len : 108, !out},
	    {out ? BASE + 0x800 : BASE + 0x1000, out ? 108 : len, true},
	};
	uint8_t data[64];
	unsigned i;

	for (i = 1; i < 16; i++)
		header.cdb[i] = feed_u8(in);
	header.tag = htole64(t->sent & 7);
	mem_put(&t->w, BASE, &header, 51);
	for (i = 0; i < sizeof(data); i++)
		data[i] = feed_u8(in);
	mem_put(&t->w, BASE + 0x1000, data, sizeof(data));
	driver_ready(t);
	if (!t->d.q[2].size)
		return;
	driver_add_indirect(&t->d, 2, BASE + 0x4000 + (t->sent % 64) * 64, bufs,
			    3);
	driver_kick(&t->d, 2);
	world_run(&t->w);
}

static void operation(void *ctx, uint8_t arg)
{
	struct target *t = ctx;

	if (arg < 120)
		complete(arg);
	else if (arg < 128)
		task_management(t, arg);
	else
		command(t, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target t = {.script = {
			       .in = {data, size},
			       .queues = 3,
			       .backend = operation,
			       .ctx = &t,
			   }};
	struct cfg *node;
	struct err err;

	log_init("fuzz", LOG_ERROR);
	world_create(&t.w);
	node = world_node(&t.w, "");
	if (virtio_scsi_model.parse(node, "/disk,cd:/cd", &err) ||
	    virtio_scsi_model.create(&t.w.env, SCRIPT_ADDR, node, &err))
		abort();
	world_start(&t.w);
	if (!driver_probe(&t.d, &t.w, SCRIPT_ADDR))
		abort();
	script_run(&t.w, &t.script);
	world_destroy(&t.w);
	return 0;
}
