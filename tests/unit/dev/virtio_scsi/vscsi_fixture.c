/* SPDX-License-Identifier: BSD-2-Clause */
/* Back end, machine and driver of the virtio-scsi tests; see the header. */
#include "vscsi_fixture.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "dev/virtio_scsi/virtio_scsi_model.h"

/* ---- back end ---- */

const char *const block_options[] = {"path", "nocache",	 "direct",     "sync",
				     "ro",   "nodelete", "sectorsize", NULL};

struct block *disks[DISKS];
struct pending pending[PENDING_MAX];
unsigned pendings;

static bool flag(struct cfg *node, const char *name)
{
	bool v = false;

	assert_int_equal(cfg_bool(node, name, false, NULL, &v), 0);
	return v;
}

int block_open(struct cfg *node, struct err *err, struct block **ret_block)
{
	const char *path = cfg_raw(node, "path");
	struct block *block;
	unsigned i;

	if (!path)
		return err_set(err, -EINVAL, "no disk file given");
	block = calloc(1, sizeof(*block));
	assert_non_null(block);
	snprintf(block->path, sizeof(block->path), "%s", path);
	block->info = (struct block_info){
	    .size = DISK_BYTES,
	    .logical_sector = 512,
	    .physical_sector = 4096,
	    .read_only = flag(node, "ro"),
	    .can_discard = !flag(node, "ro") && !flag(node, "nodelete"),
	    .write_cache = !flag(node, "ro") && !flag(node, "sync"),
	};
	for (i = 0; disks[i]; i++)
		assert_true(i + 1 < DISKS);
	disks[i] = block;
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
	assert_false(block->closing);
	if (block->no_thread)
		return -EAGAIN;
	assert_true(pendings < PENDING_MAX);
	pending[pendings++] = (struct pending){block, req};
	return 0;
}

static void move(struct block *block, const struct block_req *req)
{
	uint64_t at = req->offset, sum = 0;
	unsigned i;

	assert_true(req->iovcnt <= BLOCK_IOV_MAX);
	for (i = 0; i < req->iovcnt; i++) {
		if (req->op == BLOCK_READ)
			memcpy(req->iov[i].iov_base, block->disk + at,
			       req->iov[i].iov_len);
		else
			memcpy(block->disk + at, req->iov[i].iov_base,
			       req->iov[i].iov_len);
		at += req->iov[i].iov_len;
		sum += req->iov[i].iov_len;
	}
	assert_int_equal(sum, req->len);
}

void vscsi_complete(unsigned n, int result)
{
	struct pending p;

	assert_true(n < pendings);
	p = pending[n];
	pendings--;
	memmove(&pending[n], &pending[n + 1],
		(pendings - n) * sizeof(pending[0]));
	assert_true(range_inside(p.req->offset, p.req->len, 0, DISK_BYTES));
	if (!result && (p.req->op == BLOCK_READ || p.req->op == BLOCK_WRITE))
		move(p.block, p.req);
	if (!result && p.req->op == BLOCK_WRITE_ZEROES)
		memset(p.block->disk + p.req->offset, 0, p.req->len);
	p.req->done(p.req, result);
}

void vscsi_complete_all(void)
{
	while (pendings)
		vscsi_complete(0, 0);
}

void block_drain(struct block *block UNUSED)
{
	vscsi_complete_all();
}

void block_close(struct block *block)
{
	unsigned i;

	if (!block)
		return;
	block->closing = true;
	vscsi_complete_all();
	for (i = 0; i < DISKS; i++)
		if (disks[i] == block)
			disks[i] = NULL;
	free(block);
}

/* ---- machine ---- */

struct fixture *vscsi_build(const char *opts)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct cfg *node;
	struct err err;

	assert_non_null(f);
	world_create(&f->w);
	node = world_node(&f->w, "");
	if (virtio_scsi_model.parse(node, opts, &err) ||
	    virtio_scsi_model.create(&f->w.env, ADDR, node, &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	driver_msix_enable(&f->d, 5);
	return f;
}

int vscsi_teardown(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	world_destroy(&f->w);
	for (i = 0; i < DISKS; i++)
		assert_null(disks[i]);
	free(f);
	return 0;
}

void vscsi_up(struct fixture *f, unsigned queues)
{
	driver_up(&f->d, ALL, REQUEST + queues, 64);
}

void vscsi_ready(struct fixture *f, unsigned targets)
{
	struct command test = {0};
	uint32_t len;

	vscsi_up(f, 1);
	for (test.target = 0; test.target < targets; test.target++) {
		vscsi_send(f, 0, &test);
		assert_true(vscsi_used(f, REQUEST, &len));
		vscsi_status(f, 0, SCSI_CHECK_CONDITION);
	}
}

/* ---- driver ---- */

void vscsi_send(struct fixture *f, unsigned slot, const struct command *c)
{
	struct virtio_scsi_cmd_req header = {
	    .lun = {1, c->target},
	    .tag = htole64(slot + 1000),
	};
	const struct driver_buf bufs[] = {
	    {HEADER(slot), HEADER_LEN, false},
	    {c->in ? RESPONSE(slot) : DATA(slot), c->in ? RESP_LEN : c->len,
	     c->in},
	    {c->in ? DATA(slot) : RESPONSE(slot), c->in ? c->len : RESP_LEN,
	     true},
	};
	const struct driver_buf no_data[] = {bufs[0],
					     {RESPONSE(slot), RESP_LEN, true}};
	unsigned q = c->queue ? c->queue : REQUEST;
	uint8_t junk[RESP_LEN];

	memset(junk, 0xee, sizeof(junk));
	memcpy(header.cdb, c->cdb, sizeof(c->cdb));
	mem_put(&f->w, HEADER(slot), &header, HEADER_LEN);
	mem_put(&f->w, RESPONSE(slot), junk, sizeof(junk));
	if (c->len)
		driver_add(&f->d, q, bufs, 3);
	else
		driver_add(&f->d, q, no_data, 2);
	driver_kick(&f->d, q);
	world_run(&f->w);
}

void vscsi_tmf(struct fixture *f, unsigned slot, uint32_t subtype,
	       uint8_t target, uint64_t tag)
{
	const struct virtio_scsi_ctrl_tmf_req tmf = {
	    .type = htole32(VIRTIO_SCSI_T_TMF),
	    .subtype = htole32(subtype),
	    .lun = {1, target},
	    .tag = htole64(tag),
	};
	const struct driver_buf bufs[] = {{HEADER(slot), sizeof(tmf), false},
					  {RESPONSE(slot), 1, true}};
	const uint8_t junk = 0xee;

	mem_put(&f->w, HEADER(slot), &tmf, sizeof(tmf));
	mem_put(&f->w, RESPONSE(slot), &junk, 1);
	driver_add(&f->d, CONTROL, bufs, 2);
	driver_kick(&f->d, CONTROL);
	world_run(&f->w);
}

bool vscsi_used(struct fixture *f, unsigned queue, uint32_t *ret_len)
{
	uint32_t id;

	return driver_used(&f->d, queue, &id, ret_len);
}

struct virtio_scsi_cmd_resp vscsi_response(struct fixture *f, unsigned slot)
{
	struct virtio_scsi_cmd_resp resp;

	mem_get(&f->w, RESPONSE(slot), &resp, sizeof(resp));
	return resp;
}

void vscsi_status(struct fixture *f, unsigned slot, uint8_t status)
{
	struct virtio_scsi_cmd_resp resp = vscsi_response(f, slot);

	assert_int_equal(resp.response, VIRTIO_SCSI_S_OK);
	assert_int_equal(resp.status, status);
	assert_int_equal(le32toh(resp.sense_len),
			 status == SCSI_CHECK_CONDITION ? 18 : 0);
}

bool vscsi_broken(struct fixture *f)
{
	return driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}
