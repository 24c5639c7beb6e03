/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio disk in a world of fakes; see blk_fixture.h. */
#include "blk_fixture.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "dev/virtio_models.h"

/* ---- a back end that waits for the test ---- */

const char *const block_options[] = {"path", "ro", "sync", "nodelete", NULL};

struct block *the_block;

static bool flag(struct cfg *node, const char *name)
{
	bool value = false;

	(void)!cfg_bool(node, name, false, NULL, &value);
	return value;
}

int block_open(struct cfg *node, struct err *err, struct block **ret_block)
{
	struct block *block;

	if (!cfg_raw(node, "path"))
		return err_set(err, -EINVAL, "no disk file given");
	block = calloc(1, sizeof(*block));
	assert_non_null(block);
	block->info = (struct block_info){
	    .size = DISK_BYTES,
	    .logical_sector = 512,
	    .physical_sector = 4096,
	    .read_only = flag(node, "ro"),
	    .can_discard = !flag(node, "ro") && !flag(node, "nodelete"),
	    .write_cache = !flag(node, "ro") && !flag(node, "sync"),
	};
	the_block = block;
	*ret_block = block;
	return 0;
}

void block_use_loop(struct block *block UNUSED, struct evloop *loop UNUSED)
{
}

struct block_info block_info(const struct block *block)
{
	return block->info;
}

int block_submit(struct block *block, struct block_req *req)
{
	if (block->no_thread)
		return -EAGAIN;
	assert_true(block->count < PENDING_MAX);
	block->pending[block->count++] = req;
	return 0;
}

/* Answers the n-th waiting request; 0 means: do it. */
void blk_complete(unsigned n, int result)
{
	struct block *block = the_block;
	struct block_req *req;
	uint64_t at;
	unsigned i;

	assert_true(n < block->count);
	req = block->pending[n];
	block->count--;
	memmove(&block->pending[n], &block->pending[n + 1],
		(block->count - n) * sizeof(req));
	if (!result && !range_inside(req->offset, req->len, 0, DISK_BYTES))
		result = -ERANGE;
	at = req->offset;
	for (i = 0; !result && i < req->iovcnt; i++) {
		if (req->op == BLOCK_READ)
			memcpy(req->iov[i].iov_base, block->disk + at,
			       req->iov[i].iov_len);
		else
			memcpy(block->disk + at, req->iov[i].iov_base,
			       req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
	if (!result && req->op == BLOCK_WRITE_ZEROES)
		memset(block->disk + req->offset, 0, req->len);
	req->done(req, result);
}

void blk_complete_all(void)
{
	while (the_block->count)
		blk_complete(0, 0);
}

void block_drain(struct block *block UNUSED)
{
	blk_complete_all();
}

void block_close(struct block *block)
{
	if (!block)
		return;
	blk_complete_all();
	the_block = NULL;
	free(block);
}

/* ---- fixture ---- */

struct fixture *blk_build(const char *options)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	world_create(&f->w);
	if (virtio_blk_model.create(&f->w.env, ADDR, world_node(&f->w, options),
				    &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	driver_msix_enable(&f->d, 2);
	return f;
}

int blk_teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	assert_null(the_block);
	free(f);
	return 0;
}

void blk_up(struct fixture *f)
{
	driver_up(&f->d, ALL, 1, 128);
}

bool blk_broken(struct fixture *f)
{
	return driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void blk_put_header(struct fixture *f, uint64_t at, uint32_t type,
		    uint64_t sector)
{
	mem_put32(&f->w, at, type);
	mem_put32(&f->w, at + 4, 0);
	mem_put64(&f->w, at + 8, sector);
}

uint8_t blk_status(struct fixture *f, uint64_t at)
{
	uint8_t status;

	mem_get(&f->w, at, &status, 1);
	return status;
}

/* Header, data and status in a descriptor each; slot keeps requests apart. */
void blk_send_slot(struct fixture *f, unsigned slot, uint32_t type,
		   uint64_t sector, uint32_t len)
{
	const uint8_t none = 0xee;
	const struct driver_buf bufs[] = {
	    {HEADER + 16 * slot, 16, false},
	    {DATA + 0x1000 * slot, len,
	     type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID},
	    {STATUS + slot, 1, true},
	};
	const struct driver_buf no_data[] = {bufs[0], bufs[2]};

	blk_put_header(f, HEADER + 16 * slot, type, sector);
	mem_put(&f->w, STATUS + slot, &none, 1);
	if (len)
		driver_add(&f->d, 0, bufs, 3);
	else
		driver_add(&f->d, 0, no_data, 2);
	driver_kick(&f->d, 0);
	world_run(&f->w);
}

void blk_send(struct fixture *f, uint32_t type, uint64_t sector, uint32_t len)
{
	blk_send_slot(f, 0, type, sector, len);
}

/* The next used element has this length, and slot 0 this status. */
void blk_answered(struct fixture *f, uint8_t status, uint32_t len)
{
	uint32_t id, written;

	assert_true(driver_used(&f->d, 0, &id, &written));
	assert_int_equal(written, len);
	assert_int_equal(blk_status(f, STATUS), status);
}

bool blk_unanswered(struct fixture *f)
{
	uint32_t id, len;

	return !driver_used(&f->d, 0, &id, &len);
}
