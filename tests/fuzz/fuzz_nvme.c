/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the NVMe controller with a hostile driver. The back end is a part of
 * this file: it reads and writes both ends of every piece it was handed, so
 * that the sanitizer sees a wrong one, and answers when the script says so.
 */
#include <string.h>

#include "backend/block.h"
#include "base/log.h"
#include "dev/nvme/nvme_model.h"
#include "feed.h"
#include "nvme_driver.h"

#define PENDING_MAX 64u
#define OPS_MAX	    2000u
#define DISK_BYTES  MIB(1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the back end ---- */

struct block {
	struct block_req *pending[PENDING_MAX];
	unsigned count;
	bool no_thread;
};

const char *const block_options[] = {"path", NULL};

static struct block the_block;

int block_open(struct cfg *node UNUSED, struct err *err UNUSED,
	       struct block **ret_block)
{
	the_block = (struct block){0};
	*ret_block = &the_block;
	return 0;
}

int block_open_memory(struct cfg *node, uint64_t bytes UNUSED, struct err *err,
		      struct block **ret_block)
{
	return block_open(node, err, ret_block);
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
		abort(); /* more than the pool can hold */
	if (block->no_thread)
		return -EAGAIN;
	block->pending[block->count++] = req;
	return 0;
}

static void touch(const struct block_req *req)
{
	uint64_t sum = 0;
	unsigned i;

	if (req->iovcnt > BLOCK_IOV_MAX)
		abort();
	for (i = 0; i < req->iovcnt; i++) {
		uint8_t *p = req->iov[i].iov_base;
		size_t len = req->iov[i].iov_len, n;

		sum += len;
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
	/* The controller checks ranges itself. */
	if (req->op != BLOCK_FLUSH &&
	    (!range_inside(req->offset, req->len, 0, DISK_BYTES) ||
	     (req->offset | req->len) & 511))
		abort();
}

static void complete(uint8_t arg)
{
	static const int failure[] = {-EIO, -ENOSPC, -EROFS, -EOPNOTSUPP,
				      -ENOMEM};
	struct block_req *req;
	unsigned n;

	if (!the_block.count)
		return;
	n = arg % the_block.count;
	req = the_block.pending[n];
	the_block.pending[n] = the_block.pending[--the_block.count];
	if (req->op != BLOCK_FLUSH && arg <= 250)
		touch(req);
	req->done(req, arg > 250 ? failure[arg - 251] : 0);
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

/* ---- the driver ---- */

/* Mostly addresses that are RAM, sometimes just outside, sometimes wild. */
static uint64_t take_addr(struct feed *in)
{
	uint8_t kind = feed_u8(in);

	if (kind < 128)
		return ((uint64_t)feed_u16(in) << 12) % WORLD_RAM_END;
	if (kind < 200)
		return (uint64_t)feed_u16(in) << 3;
	if (kind < 225)
		return WORLD_RAM_END - feed_u8(in);
	if (kind < 240)
		return WORLD_RAM - 8u * feed_u8(in);
	return (uint64_t)feed_u32(in) << 32 | feed_u32(in);
}

static struct nvme_command take_command(struct feed *in, uint8_t opcode)
{
	struct nvme_command cmd = {.opcode = opcode};
	uint8_t shape = feed_u8(in);

	cmd.flags = shape > 250 ? feed_u8(in) : 0;
	cmd.cid = feed_u8(in);
	cmd.nsid = shape < 240 ? 1 : feed_u32(in);
	cmd.prp1 = take_addr(in);
	cmd.prp2 = take_addr(in);
	cmd.cdw10 = shape & 1 ? feed_u32(in) : feed_u8(in);
	cmd.cdw11 = shape & 2 ? feed_u32(in) : 0;
	cmd.cdw12 = shape & 4 ? feed_u32(in) : feed_u8(in);
	return cmd;
}

static void op_register(struct drv *d, struct feed *in)
{
	unsigned size = 1u << (feed_u8(in) & 3);
	uint64_t at = d->bar + (feed_u16(in) & 0x3fff), v;

	if (feed_u8(in) & 1)
		(void)aspace_read(d->w.mmio, at, size, &v);
	else
		(void)aspace_write(d->w.mmio, at, size, feed_u32(in));
}

static void op_cfg(struct drv *d, struct feed *in)
{
	unsigned size = 1u << (feed_u8(in) % 3);
	unsigned off = feed_u8(in) & ~(size - 1);

	if (feed_u8(in) & 1)
		(void)world_cfg_read(&d->w, NVME_ADDR, off, size);
	else
		world_cfg_write(&d->w, NVME_ADDR, off, size, feed_u32(in));
}

static void op_memory(struct drv *d, struct feed *in)
{
	uint64_t at = (uint64_t)feed_u16(in) << 3;
	unsigned n = feed_u8(in) & 15;

	for (; n && feed_more(in); n--, at += 8)
		mem_put64(&d->w, at, take_addr(in));
}

static void op_up(struct drv *d, struct feed *in)
{
	uint8_t arg = feed_u8(in), mode = feed_u8(in) & 3;

	if (mode == 1)
		drv_msi(d);
	else
		drv_msix(d, mode != 2);
	(void)drv_enable(d, 2 + (arg & 31));
	if (arg & 0x40)
		(void)drv_pair(d, 1, 2 + feed_u8(in));
	if (arg & 0x80)
		(void)drv_shadow(d);
}

static void op_queue(struct drv *d, struct feed *in)
{
	unsigned q = feed_u8(in) % DRV_QUEUES, what = feed_u8(in);

	if (!d->q[0].size)
		return;
	switch (what & 3) {
	case 0:
		(void)drv_pair(d, q, 2 + feed_u8(in));
		break;
	case 1:
		(void)drv_create_cq(d, q, 2 + feed_u8(in), what >> 4);
		break;
	case 2:
		(void)drv_create_sq(d, q, 2 + feed_u8(in),
				    (what >> 4) % DRV_QUEUES);
		break;
	default:
		(void)drv_delete(
		    d, what & 4 ? NVME_ADM_DELETE_SQ : NVME_ADM_DELETE_CQ, q);
		break;
	}
}

static void op_command(struct drv *d, struct feed *in)
{
	static const uint8_t io[] = {0, 1, 2, 8, 9, 5};
	static const uint8_t admin[] = {0, 1, 2,  4,	5,    6,
					8, 9, 10, 0x0c, 0x7c, 0x80};
	uint8_t pick = feed_u8(in);
	unsigned q = pick % DRV_QUEUES;
	uint8_t opcode = feed_u8(in);

	if (!d->q[q].size)
		return;
	if (pick < 230)
		opcode = q ? io[opcode % ARRAY_LEN(io)]
			   : admin[opcode % ARRAY_LEN(admin)];
	(void)drv_put(d, q, take_command(in, opcode));
	if (pick & 0x40)
		drv_ring(d, q);
}

static void op_doorbell(struct drv *d, struct feed *in)
{
	unsigned q = feed_u8(in) % DRV_QUEUES, what = feed_u8(in);
	uint32_t off = what & 1 ? NVME_SQ_DOORBELL(q) : NVME_CQ_DOORBELL(q);
	uint32_t value = what & 2 ? feed_u32(in) : feed_u8(in);

	if (what & 4)
		mem_put32(&d->w, (what & 8 ? DRV_EVENTIDX : DRV_SHADOW) + off,
			  value);
	else
		drv_set(d, NVME_DOORBELLS + off, value);
}

static void op_entries(struct drv *d, struct feed *in)
{
	unsigned q = feed_u8(in) % DRV_QUEUES;
	struct nvme_completion entry;

	if (!d->q[q].size)
		return;
	while (drv_get_cqe(d, q, &entry))
		;
	drv_ack(d, q);
}

static void script_op(struct drv *d, struct feed *in)
{
	switch (feed_u8(in) % 12) {
	case 0:
		op_up(d, in);
		break;
	case 1:
		op_register(d, in);
		break;
	case 2:
		op_cfg(d, in);
		break;
	case 3:
		op_memory(d, in);
		break;
	case 4:
		op_queue(d, in);
		break;
	case 5:
	case 6:
		op_command(d, in);
		break;
	case 7:
		op_doorbell(d, in);
		break;
	case 8:
		the_block.no_thread = feed_u8(in) == 0xff;
		complete(feed_u8(in));
		break;
	case 9:
		world_run(&d->w);
		break;
	case 10:
		op_entries(d, in);
		break;
	default:
		drv_set(d, NVME_REG_CC, feed_u32(in));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed in = {data, size};
	struct drv *d = calloc(1, sizeof(*d));
	struct err err;
	unsigned ops;

	log_init("fuzz", LOG_ERROR);
	if (!d)
		abort();
	drv_world(d);
	if (nvme_model.create(&d->w.env, NVME_ADDR,
			      world_node(&d->w, "path=/disk,maxq=4,ioslots=4"),
			      &err))
		abort();
	if (!drv_probe(d))
		abort();
	for (ops = 0; feed_more(&in) && ops < OPS_MAX; ops++)
		script_op(d, &in);
	world_run(&d->w);
	world_destroy(&d->w);
	free(d);
	return 0;
}
