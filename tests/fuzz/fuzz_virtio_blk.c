/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes virtio-blk with a hostile driver. The back end is a part of this
 * file: it reads and writes every byte it was handed, so that the sanitizer
 * sees a wrong one, and answers when the script says so.
 */
#include <string.h>

#include "backend/block.h"
#include "base/log.h"
#include "dev/virtio_models.h"
#include "virtio_script.h"

#define PENDING_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct block {
	struct block_req *pending[PENDING_MAX];
	unsigned count;
};

const char *const block_options[] = {"path", NULL};

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
	    .size = MIB(1),
	    .logical_sector = 512,
	    .physical_sector = 4096,
	    .can_discard = true,
	    .write_cache = true,
	};
}

int block_submit(struct block *block, struct block_req *req)
{
	if (block->count == PENDING_MAX)
		abort(); /* more than the queue can hold */
	block->pending[block->count++] = req;
	return 0;
}

static int touch(const struct block_req *req)
{
	uint64_t sum = 0;
	unsigned i;

	if (req->iovcnt > BLOCK_IOV_MAX)
		abort();
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
	return range_inside(req->offset, req->len, 0, MIB(1)) ? 0 : -ERANGE;
}

static void complete(void *ctx UNUSED, uint8_t arg)
{
	struct block_req *req;
	unsigned n;

	if (!the_block.count)
		return;
	n = arg % the_block.count;
	req = the_block.pending[n];
	the_block.pending[n] = the_block.pending[--the_block.count];
	req->done(req, arg > 250 ? -EIO : touch(req));
}

void block_drain(struct block *block UNUSED)
{
	while (the_block.count)
		complete(NULL, 0);
}

void block_close(struct block *block)
{
	if (block)
		block_drain(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {
	    .in = {data, size},
	    .queues = 1,
	    .backend = complete,
	};
	struct world w;
	struct err err;

	log_init("fuzz", LOG_ERROR);
	world_create(&w);
	if (virtio_blk_model.create(&w.env, SCRIPT_ADDR,
				    world_node(&w, "path=/disk"), &err))
		abort();
	world_start(&w);
	script_run(&w, &script);
	world_destroy(&w);
	return 0;
}
