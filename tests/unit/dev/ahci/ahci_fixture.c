/* SPDX-License-Identifier: BSD-2-Clause */
/* An AHCI controller in a machine of fakes; see ahci_fixture.h. */
#include "ahci_fixture.h"

#include <string.h>

#include "dev/ahci/ahci_models.h"

/* ---- disks that wait for the test ---- */

const char *const block_options[] = {"path",	 "ro",	       "sync",
				     "nodelete", "sectorsize", NULL};

struct block *disks[DISKS];
unsigned submissions;

static bool flag(struct cfg *node, const char *name)
{
	bool value = false;

	(void)!cfg_bool(node, name, false, NULL, &value);
	return value;
}

int block_open(struct cfg *node, struct err *err, struct block **ret_block)
{
	const char *path = cfg_raw(node, "path");
	struct block *block;
	uint64_t sector = 512;
	unsigned i;

	if (!strncmp(path, "/missing", 8))
		return err_set(err, -ENOENT, "%s: no such disk file", path);
	if (cfg_u64(node, "sectorsize", 512, 512, 65536, err, &sector))
		return -EINVAL;
	for (i = 0; disks[i]; i++)
		assert_true(i + 1 < DISKS);
	block = calloc(1, sizeof(*block));
	assert_non_null(block);
	snprintf(block->path, sizeof(block->path), "%s", path);
	block->info = (struct block_info){
	    .size = DISK_BYTES,
	    .logical_sector = (uint32_t)sector,
	    .physical_sector = 4096,
	    .read_only = flag(node, "ro"),
	    .can_discard = !flag(node, "ro") && !flag(node, "nodelete"),
	    .write_cache = !flag(node, "ro") && !flag(node, "sync"),
	};
	if (!strcmp(path, "/tiny"))
		block->info.size = 512;
	if (block->info.physical_sector < sector)
		block->info.physical_sector = (uint32_t)sector;
	for (i = 0; i < DISK_BYTES; i++)
		block->disk[i] = (uint8_t)(i * 7 + (i >> 9));
	*ret_block = block;
	for (i = 0; disks[i]; i++)
		;
	disks[i] = block;
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
	submissions++;
	block->pending[block->count++] = req;
	return 0;
}

static void move(struct block *disk, const struct block_req *req)
{
	uint64_t at = req->offset, sum = 0;
	unsigned i;

	assert_true(req->iovcnt <= BLOCK_IOV_MAX);
	for (i = 0; i < req->iovcnt; i++) {
		const struct iovec *iov = &req->iov[i];

		if (req->op == BLOCK_READ)
			memcpy(iov->iov_base, disk->disk + at, iov->iov_len);
		else
			memcpy(disk->disk + at, iov->iov_base, iov->iov_len);
		at += iov->iov_len;
		sum += iov->iov_len;
	}
	assert_int_equal(sum, req->len);
}

void disk_complete(struct block *disk, unsigned n, int result)
{
	struct block_req *req;

	assert_true(n < disk->count);
	req = disk->pending[n];
	disk->count--;
	memmove(&disk->pending[n], &disk->pending[n + 1],
		(disk->count - n) * sizeof(req));
	/* What the model must never ask for. */
	assert_true(range_inside(req->offset, req->len, 0, disk->info.size));
	assert_int_equal((req->offset | req->len) % disk->info.logical_sector,
			 0);
	if (disk->info.read_only)
		assert_int_equal(req->op, BLOCK_READ);
	if (!result && (req->op == BLOCK_READ || req->op == BLOCK_WRITE))
		move(disk, req);
	if (!result && req->op == BLOCK_DISCARD)
		memset(disk->disk + req->offset, 0, req->len);
	disk->flushes += req->op == BLOCK_FLUSH;
	req->done(req, result);
}

void disk_complete_all(void)
{
	unsigned i;

	for (i = 0; i < DISKS; i++)
		while (disks[i] && disks[i]->count)
			disk_complete(disks[i], 0, 0);
}

void block_drain(struct block *block)
{
	while (block->count)
		disk_complete(block, 0, 0);
}

void block_close(struct block *block)
{
	unsigned i;

	if (!block)
		return;
	block_drain(block);
	for (i = 0; i < DISKS; i++)
		if (disks[i] == block)
			disks[i] = NULL;
	free(block);
}

/* ---- fixture ---- */

struct fixture *ahci_build_cold(const char *options)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct cfg *node;
	struct err err;

	assert_non_null(f);
	world_create(&f->w);
	node = world_node(&f->w, "device=ahci");
	if (ahci_model.parse(node, options, &err) ||
	    ahci_model.create(&f->w.env, AHCI_ADDR, node, &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(hba_probe(&f->d, &f->w));
	return f;
}

struct fixture *ahci_build(const char *options)
{
	struct fixture *f = ahci_build_cold(options);
	uint32_t ports = hba_read(&f->d, AHCI_PI);
	unsigned i;

	hba_msi_enable(&f->d);
	for (i = 0; i < AHCI_PORTS; i++)
		if (ports & BIT(i))
			port_up(&f->d, i);
	hba_write(&f->d, AHCI_IS, ~0u);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	return f;
}

int ahci_teardown(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	/* NULL: the test failed before there was one. */
	if (!f)
		return -1;
	world_destroy(&f->w);
	for (i = 0; i < DISKS; i++)
		assert_null(disks[i]);
	free(f);
	return 0;
}

void ahci_run(struct fixture *f, unsigned port, const struct command *c)
{
	command_issue(&f->d, port, c);
	disk_complete_all();
}

void ahci_ok(struct fixture *f, unsigned port, const struct command *c)
{
	ahci_run(f, port, c);
	assert_int_equal(port_read(&f->d, port, AHCI_PXCI), 0);
	assert_int_equal(port_read(&f->d, port, AHCI_PXTFD) & 0xff,
			 ATA_STATUS_DRDY | ATA_STATUS_DSC);
	assert_int_equal(port_read(&f->d, port, AHCI_PXIS) & AHCI_PXIS_TFES, 0);
	port_write(&f->d, port, AHCI_PXIS, ~0u);
	hba_write(&f->d, AHCI_IS, BIT(port));
}

void ahci_fails(struct fixture *f, unsigned port, const struct command *c,
		uint8_t error)
{
	ahci_run(f, port, c);
	assert_int_equal(port_read(&f->d, port, AHCI_PXTFD),
			 (uint32_t)error << 8 | ATA_STATUS_DRDY |
			     ATA_STATUS_DSC | ATA_STATUS_ERR);
	assert_int_equal(port_read(&f->d, port, AHCI_PXIS) & AHCI_PXIS_TFES,
			 AHCI_PXIS_TFES);
	port_recover(&f->d, port);
	assert_int_equal(port_read(&f->d, port, AHCI_PXCI), 0);
}
