/* SPDX-License-Identifier: BSD-2-Clause */
/* An NVMe controller in a world of fakes; see nvme_fixture.h. */
#include "nvme_fixture.h"

#include <string.h>

/* ---- a back end that waits for the test ---- */

const char *const block_options[] = {
    "path", "ro", "sync", "nodelete", "nocache", "sectorsize", NULL};

struct block *the_block;

static bool flag(struct cfg *node, const char *name)
{
	bool value = false;

	(void)!cfg_bool(node, name, false, NULL, &value);
	return value;
}

static struct block *make_block(struct cfg *node, uint64_t size)
{
	struct block *block = calloc(1, sizeof(*block));
	uint64_t sector = 512;
	bool ro = flag(node, "ro");

	assert_non_null(block);
	(void)!cfg_u64(node, "sectorsize", 512, 512, 65536, NULL, &sector);
	block->info = (struct block_info){
	    .size = size,
	    .logical_sector = (uint32_t)sector,
	    .physical_sector = 4096,
	    .read_only = ro,
	    .can_discard = !ro && !flag(node, "nodelete"),
	    .write_cache = !ro && !flag(node, "sync"),
	};
	return block;
}

int block_open(struct cfg *node, struct err *err, struct block **ret_block)
{
	if (!cfg_raw(node, "path"))
		return err_set(err, -EINVAL, "no disk file given");
	the_block =
	    make_block(node, flag(node, "nocache") ? GIB(4) : DISK_BYTES);
	*ret_block = the_block;
	return 0;
}

int block_open_memory(struct cfg *node, uint64_t bytes, struct err *err UNUSED,
		      struct block **ret_block)
{
	the_block = make_block(node, bytes);
	the_block->memory = true;
	*ret_block = the_block;
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

static void move_bytes(struct block *block, const struct block_req *req)
{
	uint64_t at = req->offset;
	unsigned i;

	assert_true(req->iovcnt <= BLOCK_IOV_MAX);
	for (i = 0; i < req->iovcnt; i++) {
		const struct iovec *iov = &req->iov[i];

		if (req->op == BLOCK_READ)
			memcpy(iov->iov_base, block->disk + at, iov->iov_len);
		else
			memcpy(block->disk + at, iov->iov_base, iov->iov_len);
		at += iov->iov_len;
	}
	assert_int_equal(at - req->offset, req->len);
}

void nvme_complete(unsigned n, int result)
{
	struct block *block = the_block;
	struct block_req *req;

	assert_true(n < block->count);
	req = block->pending[n];
	block->count--;
	memmove(&block->pending[n], &block->pending[n + 1],
		(block->count - n) * sizeof(req));
	if (req->op != BLOCK_FLUSH)
		assert_true(
		    range_inside(req->offset, req->len, 0, block->info.size));
	if (!result && (req->op == BLOCK_READ || req->op == BLOCK_WRITE))
		move_bytes(block, req);
	if (!result && req->op == BLOCK_WRITE_ZEROES)
		memset(block->disk + req->offset, 0, req->len);
	req->done(req, result);
}

void nvme_complete_all(void)
{
	while (the_block->count)
		nvme_complete(0, 0);
}

void block_drain(struct block *block UNUSED)
{
	nvme_complete_all();
}

void block_close(struct block *block)
{
	if (!block)
		return;
	nvme_complete_all();
	the_block = NULL;
	free(block);
}

/* ---- fixture ---- */

struct drv *nvme_build(const char *options)
{
	struct drv *d = calloc(1, sizeof(*d));
	struct err err;

	assert_non_null(d);
	drv_world(d);
	if (nvme_model.create(&d->w.env, NVME_ADDR, world_node(&d->w, options),
			      &err))
		fail_msg("%s", err.msg);
	assert_true(drv_probe(d));
	return d;
}

void nvme_up(struct drv *d)
{
	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	assert_int_equal(drv_pair(d, 1, 64), 0);
}

struct drv *nvme_build_up(const char *options)
{
	struct drv *d = nvme_build(options);

	nvme_up(d);
	return d;
}

int nvme_teardown(void **state)
{
	struct drv *d = *state;

	world_destroy(&d->w);
	assert_null(the_block);
	free(d);
	return 0;
}

void nvme_answered(struct drv *d, unsigned q, uint16_t status)
{
	struct nvme_completion entry;

	assert_true(drv_get_cqe(d, q, &entry));
	assert_int_equal(cqe_status(&entry), status);
	drv_ack(d, q);
}

void nvme_unanswered(struct drv *d, unsigned q)
{
	struct nvme_completion entry;

	assert_false(drv_get_cqe(d, q, &entry));
}

void nvme_expect(struct drv *d, struct nvme_command cmd, uint16_t status)
{
	drv_put(d, 1, cmd);
	drv_ring(d, 1);
	world_run(&d->w);
	nvme_complete_all();
	nvme_answered(d, 1, status);
}

void nvme_pattern(uint8_t *buf, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 13 + (i >> 9) + seed);
}
