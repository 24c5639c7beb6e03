/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of the I/O queues and their way through the block back end.
 *
 * A request of the pool carries one command: the pieces of guest memory, or
 * the ranges to deallocate, and what is still to be done when the back end has
 * finished a step (req_step): the next range, or the flush behind a write that
 * must be stable.
 *
 * Source: NVMe 1.4, 6 (NVM commands), 4.6.1 (status).
 */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/log.h"
#include "dev/nvme/nvme_internal.h"

#define STAT_UNIT 512u

/* Larger ranges keep a worker and other requests waiting too long. */
#define DISCARD_STEP GIB(1)

/* ---- the pool ---- */

static void io_done(struct block_req *io, int result);

static void req_free(struct nvme_req *req)
{
	req->next = req->nvme->free;
	req->nvme->free = req;
}

void nvme_pool_init(struct nvme *nvme)
{
	unsigned i;

	for (i = 0; i < nvme->params.slots + 2; i++)
		nvme->reqs[i].nvme = nvme;
	for (i = 0; i < nvme->params.slots; i++)
		req_free(&nvme->reqs[i]);
	nvme->admin_req = &nvme->reqs[nvme->params.slots];
	nvme->shutdown_req = &nvme->reqs[nvme->params.slots + 1];
}

static struct nvme_req *req_alloc(struct nvme *nvme, struct nvme_sq *sq,
				  const struct nvme_command *cmd)
{
	struct nvme_req *req = nvme->free;

	assert(req);
	nvme->free = req->next;
	req->io = (struct block_req){.done = io_done};
	req->sq = sq;
	req->cid = cmd->cid;
	req->opcode = cmd->opcode;
	req->fua = false;
	req->lba = 0;
	req->ranges = req->range = 0;
	req->range_done = 0;
	return req;
}

/* ---- the end of a request ---- */

static uint16_t status_of(const struct nvme_req *req)
{
	bool read = req->io.op == BLOCK_READ;

	switch (req->result) {
	case 0:
		return NVME_SC_SUCCESS;
	case -ERANGE:
		return NVME_SC_LBA_RANGE | NVME_SC_DNR;
	case -EROFS:
		return NVME_SC_WRITE_PROTECTED | NVME_SC_DNR;
	case -ENOSPC:
	case -EDQUOT:
		return NVME_SC_CAPACITY | NVME_SC_DNR;
	case -EAGAIN:
	case -ENOMEM:
		return NVME_SC_INTERNAL;
	default:
		return read ? NVME_SC_READ_ERROR : NVME_SC_WRITE_FAULT;
	}
}

static void count(struct nvme *nvme, const struct nvme_req *req)
{
	if (req->opcode == NVME_CMD_READ) {
		nvme->stats.reads++;
		nvme->stats.blocks_read += req->io.len / STAT_UNIT;
	} else if (req->opcode == NVME_CMD_WRITE) {
		nvme->stats.writes++;
		nvme->stats.blocks_written += req->io.len / STAT_UNIT;
	}
}

static uint16_t note_failure(struct nvme *nvme, const struct nvme_req *req)
{
	static const char *const op_name[] = {
	    [BLOCK_READ] = "read",
	    [BLOCK_WRITE] = "write",
	    [BLOCK_FLUSH] = "flush",
	    [BLOCK_DISCARD] = "discard",
	    [BLOCK_WRITE_ZEROES] = "write of zeroes",
	};
	uint16_t status = status_of(req) | NVME_SC_MORE;

	log_guest("%s: %s of %llu bytes at %llu failed: %s", nvme->pci.name,
		  op_name[req->io.op], (unsigned long long)req->io.len,
		  (unsigned long long)req->io.offset, strerror(-req->result));
	nvme->stats.media_errors++;
	nvme_log_error(nvme, req->sq, req->cid, status, req->lba);
	return status;
}

/* The request is over; its command is answered unless nobody waits for it. */
static void req_finish(struct nvme_req *req)
{
	struct nvme *nvme = req->nvme;
	uint16_t status = NVME_SC_SUCCESS;

	assert(nvme->busy > 0);
	nvme->busy--;
	if (!nvme->resetting && req != nvme->shutdown_req) {
		if (req->result)
			status = note_failure(nvme, req);
		else
			count(nvme, req);
		nvme_answer(nvme, req->sq, req->cid, status, 0);
	}
	if (req == nvme->shutdown_req && req->result && !nvme->resetting)
		nvme_fatal(nvme, "what it wrote cannot be made stable");
	if (req == nvme->admin_req) {
		nvme->admin_busy = false;
		nvme_kick(nvme); /* the admin queue waited for it */
	} else if (req != nvme->shutdown_req) {
		req_free(req);
	}
	nvme_idle(nvme);
}

/* ---- steps ---- */

/* The next piece of a range that is not empty; false: all are done. */
static bool dsm_next(struct nvme_req *req)
{
	unsigned shift = req->nvme->params.lba_shift;

	for (; req->range < req->ranges; req->range++) {
		const struct nvme_dsm_range *range = &req->dsm[req->range];
		uint64_t left =
		    ((uint64_t)range->blocks << shift) - req->range_done;

		if (left == 0) {
			req->range_done = 0;
			continue;
		}
		req->io.op = BLOCK_DISCARD;
		req->io.offset = (range->lba << shift) + req->range_done;
		req->io.len = MIN(left, DISCARD_STEP);
		req->range_done += req->io.len;
		req->lba = range->lba;
		return true;
	}
	return false;
}

/*
 * What is written without cache is stable when it completes. Looked at when it
 * is written: the cache may have been switched off meanwhile, by a flush that
 * did not wait for this. A read with FUA tells what is stable: so it is made
 * (6.9).
 */
static bool flush_due(const struct nvme_req *req)
{
	const struct nvme *nvme = req->nvme;
	bool written =
	    req->io.op == BLOCK_WRITE || req->io.op == BLOCK_WRITE_ZEROES;

	if (req->io.op == BLOCK_FLUSH || !nvme->info.write_cache)
		return false;
	return req->fua || (written && !nvme->feat.write_cache);
}

/* Prepares what comes after a step that went well; false: nothing. */
static bool req_step(struct nvme_req *req)
{
	if (req->ranges)
		return dsm_next(req);
	if (!flush_due(req))
		return false;
	req->io.op = BLOCK_FLUSH;
	return true;
}

static void req_submit(struct nvme_req *req)
{
	int r = block_submit(req->nvme->block, &req->io);

	/* Once submitted, a worker may have answered already. */
	if (r) {
		req->result = r;
		req_finish(req);
	}
}

static void req_start(struct nvme_req *req)
{
	req->nvme->busy++;
	req_submit(req);
}

/* The back end finished a step. */
static void req_advance(struct nvme_req *req)
{
	/* Deallocation is a hint: what cannot be done need not be. */
	if (req->result == -EOPNOTSUPP && req->io.op == BLOCK_DISCARD)
		req->result = 0;
	if (!req->nvme->resetting && req->result == 0 && req_step(req))
		req_submit(req);
	else
		req_finish(req);
}

static struct nvme_req *done_take(struct nvme *nvme)
{
	struct nvme_req *list;

	pthread_mutex_lock(&nvme->done_lock);
	list = nvme->done;
	nvme->done = NULL;
	nvme->done_tail = &nvme->done;
	nvme->completing = list != NULL;
	pthread_mutex_unlock(&nvme->done_lock);
	return list;
}

/* One turn with the lock for all that has finished by then. */
static void complete_all(struct nvme *nvme)
{
	struct nvme_req *list, *req;

	while ((list = done_take(nvme))) {
		pthread_mutex_lock(&nvme->pci.lock);
		while ((req = list)) {
			list = req->next;
			req_advance(req);
		}
		if (nvme->starved)
			nvme_serve(nvme);
		nvme_interrupt(nvme);
		pthread_mutex_unlock(&nvme->pci.lock);
	}
}

/* On a worker's thread. */
static void io_done(struct block_req *io, int result)
{
	struct nvme_req *req = (struct nvme_req *)io;
	struct nvme *nvme = req->nvme;
	bool served;

	req->result = result;
	req->next = NULL;
	pthread_mutex_lock(&nvme->done_lock);
	*nvme->done_tail = req;
	nvme->done_tail = &req->next;
	served = nvme->completing;
	nvme->completing = true;
	pthread_mutex_unlock(&nvme->done_lock);
	if (!served)
		complete_all(nvme);
}

/* ---- commands ---- */

void nvme_flush(struct nvme_req *req, uint16_t cid)
{
	struct nvme *nvme = req->nvme;

	if (req == nvme->admin_req)
		nvme->admin_busy = true;
	req->io = (struct block_req){.op = BLOCK_FLUSH, .done = io_done};
	req->sq = &nvme->sq[0];
	req->cid = cid;
	req->opcode = NVME_CMD_FLUSH;
	req->ranges = 0;
	req_start(req);
}

static uint64_t command_lba(const struct nvme_command *cmd)
{
	return cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
}

static bool lba_ok(const struct nvme *nvme, uint64_t lba, uint64_t blocks)
{
	return range_inside(lba, blocks, 0, nvme->blocks);
}

struct iov_fill {
	const struct gmem *gmem;
	struct iovec *iov;
	unsigned count;
};

static int iov_add(void *ctx, gpa_t at, uint64_t len)
{
	struct iov_fill *fill = ctx;

	return gmem_iov(fill->gmem, at, len, fill->iov, BLOCK_IOV_MAX,
			&fill->count);
}

static uint16_t start_transfer(struct nvme *nvme, struct nvme_sq *sq,
			       const struct nvme_command *cmd)
{
	uint64_t lba = command_lba(cmd), blocks = (cmd->cdw12 & 0xffff) + 1;
	uint64_t len = blocks << nvme->params.lba_shift;
	struct iov_fill fill = {.gmem = nvme->gmem};
	struct nvme_req *req;
	uint16_t status;

	if (len > NVME_DATA_MAX)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (!lba_ok(nvme, lba, blocks))
		return NVME_SC_LBA_RANGE | NVME_SC_DNR;
	req = req_alloc(nvme, sq, cmd);
	fill.iov = req->iov;
	status = nvme_prp_walk(nvme->gmem, cmd, len, iov_add, &fill);
	if (status) {
		req_free(req);
		return status;
	}
	req->io.op = cmd->opcode == NVME_CMD_READ ? BLOCK_READ : BLOCK_WRITE;
	req->io.offset = lba << nvme->params.lba_shift;
	req->io.len = len;
	req->io.iov = req->iov;
	req->io.iovcnt = fill.count;
	req->lba = lba;
	req->fua = cmd->cdw12 & NVME_RW_FUA;
	req_start(req);
	return NVME_PENDING;
}

static uint16_t start_zeroes(struct nvme *nvme, struct nvme_sq *sq,
			     const struct nvme_command *cmd)
{
	uint64_t lba = command_lba(cmd), blocks = (cmd->cdw12 & 0xffff) + 1;
	struct nvme_req *req;

	if (!lba_ok(nvme, lba, blocks))
		return NVME_SC_LBA_RANGE | NVME_SC_DNR;
	req = req_alloc(nvme, sq, cmd);
	req->io.op = BLOCK_WRITE_ZEROES;
	req->io.offset = lba << nvme->params.lba_shift;
	req->io.len = blocks << nvme->params.lba_shift;
	req->io.may_unmap = nvme->params.dsm && (cmd->cdw12 & NVME_ZEROES_DEAC);
	req->lba = lba;
	req->fua = cmd->cdw12 & NVME_RW_FUA;
	req_start(req);
	return NVME_PENDING;
}

static uint16_t start_flush(struct nvme *nvme, struct nvme_sq *sq,
			    const struct nvme_command *cmd)
{
	struct nvme_req *req;

	if (!nvme->info.write_cache)
		return NVME_SC_SUCCESS;
	req = req_alloc(nvme, sq, cmd);
	req->io.op = BLOCK_FLUSH;
	req_start(req);
	return NVME_PENDING;
}

/* Copies and checks all ranges before the first is touched. */
static uint16_t dsm_ranges(struct nvme *nvme, struct nvme_req *req,
			   const struct nvme_command *cmd)
{
	unsigned n = (cmd->cdw10 & 0xff) + 1, i;
	uint16_t status =
	    nvme_copy_in(nvme, cmd, req->dsm, n * sizeof(req->dsm[0]));

	for (i = 0; !status && i < n; i++) {
		struct nvme_dsm_range *range = &req->dsm[i];

		range->lba = le64toh(range->lba);
		range->blocks = le32toh(range->blocks);
		if (!lba_ok(nvme, range->lba, range->blocks))
			status = NVME_SC_LBA_RANGE | NVME_SC_DNR;
	}
	req->ranges = n;
	return status;
}

static uint16_t start_dsm(struct nvme *nvme, struct nvme_sq *sq,
			  const struct nvme_command *cmd)
{
	struct nvme_req *req = req_alloc(nvme, sq, cmd);
	uint16_t status = dsm_ranges(nvme, req, cmd);

	if (!status && nvme->info.can_discard &&
	    (cmd->cdw11 & NVME_DSM_DEALLOCATE) && dsm_next(req)) {
		req_start(req);
		return NVME_PENDING;
	}
	/* Other attributes are hints without a meaning here. */
	req_free(req);
	return status;
}

static bool is_write(uint8_t opcode)
{
	return opcode == NVME_CMD_WRITE || opcode == NVME_CMD_WRITE_ZEROES ||
	       opcode == NVME_CMD_DSM;
}

uint16_t nvme_io_command(struct nvme *nvme, struct nvme_sq *sq,
			 const struct nvme_command *cmd)
{
	bool all = cmd->opcode == NVME_CMD_FLUSH && cmd->nsid == NVME_NSID_ALL;

	if (cmd->nsid != 1 && !all)
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	if (is_write(cmd->opcode) && nvme->info.read_only)
		return NVME_SC_WRITE_PROTECTED | NVME_SC_DNR;
	switch (cmd->opcode) {
	case NVME_CMD_READ:
	case NVME_CMD_WRITE:
		return start_transfer(nvme, sq, cmd);
	case NVME_CMD_FLUSH:
		return start_flush(nvme, sq, cmd);
	case NVME_CMD_WRITE_ZEROES:
		return start_zeroes(nvme, sq, cmd);
	case NVME_CMD_DSM:
		if (nvme->params.dsm)
			return start_dsm(nvme, sq, cmd);
		break;
	default:
		break;
	}
	return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
}
