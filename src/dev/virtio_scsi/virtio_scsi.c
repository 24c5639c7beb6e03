/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi: a SCSI host adapter (VIRTIO 1.2, 5.6) with disks and CD/DVD
 * drives behind it.
 *
 * Theory of operation. The queue's chains become requests from a fixed pool,
 * one per ring slot. Of a chain's readable bytes the first are the header, the
 * rest the data sent; of the writable ones the first are the response, the rest
 * the data wanted, wherever the descriptors' borders are. The command goes to
 * scsi.c, which answers or names work for the back end; the data of a read or
 * write moves between the guest's pages and the file.
 *
 * req_done() runs on the back end's worker threads: it takes the device lock,
 * goes on with the command and answers, if the asker is still the same driver.
 * A request that was aborted meanwhile ends without another step; the TMF that
 * aborted it is answered behind it (virtio_scsi_tmf.c).
 */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/log.h"
#include "dev/virtio_scsi/virtio_scsi_internal.h"

#define HEADER_BYTES   offsetof(struct virtio_scsi_cmd_req, cdb)
#define RESPONSE_BYTES offsetof(struct virtio_scsi_cmd_resp, sense)

_Static_assert(HEADER_BYTES == 19, "header layout");
_Static_assert(RESPONSE_BYTES == 12, "response layout");
_Static_assert(sizeof(struct virtio_scsi_config) == 36, "configuration layout");

/* ---- the pool ---- */

/* Never fails: the rings let fewer chains out than there are requests. */
static struct vscsi_req *req_alloc(struct virtio_scsi *vs)
{
	struct vscsi_req *req = vs->free;

	if (req) {
		vs->free = req->next_free;
		return req;
	}
	assert(vs->fresh < vs->requests);
	req = &vs->reqs[vs->fresh++];
	req->vs = vs;
	return req;
}

static void req_free(struct vscsi_req *req)
{
	req->active = false;
	req->next_free = req->vs->free;
	req->vs->free = req;
}

/* ---- answers ---- */

static uint64_t residual(const struct vscsi_req *req)
{
	const struct scsi_cmd *cmd = &req->cmd;

	return cmd->out_len + cmd->in_len - cmd->moved;
}

static uint8_t response_code(const struct vscsi_req *req)
{
	switch (req->fate) {
	case VSCSI_ABORTED:
		return VIRTIO_SCSI_S_ABORTED;
	case VSCSI_RESET:
		return VIRTIO_SCSI_S_RESET;
	default:
		return req->cmd.overrun ? VIRTIO_SCSI_S_OVERRUN
					: VIRTIO_SCSI_S_OK;
	}
}

/* Response and sense area, then the data: what the driver may look at. */
static void put_response(struct vscsi_req *req, uint8_t code)
{
	uint32_t sense_size = le32toh(req->vs->config.sense_size);
	uint64_t resid = residual(req), written = RESPONSE_BYTES + sense_size;
	uint8_t raw[RESPONSE_BYTES + VSCSI_SENSE_MAX] = {0};
	struct virtio_scsi_cmd_resp resp = {.response = code};
	const struct scsi_cmd *cmd = &req->cmd;
	uint32_t sense_len = 0;

	if (code == VIRTIO_SCSI_S_OK) {
		sense_len = MIN((uint32_t)cmd->sense_len, sense_size);
		resp.status = cmd->status;
		resp.sense_len = htole32(sense_len);
		resp.resid = htole32((uint32_t)resid);
		memcpy(raw + RESPONSE_BYTES, cmd->sense, sense_len);
		/* Data sent does not count. */
		if (cmd->in_len)
			written += cmd->moved;
	}
	memcpy(raw, &resp, RESPONSE_BYTES);
	/* The room was cut out by the size that holds until a reset. */
	if (!ring_span_put(&req->response, raw, RESPONSE_BYTES + sense_size))
		virtio_queue_done(&req->vs->virtio, req->queue, req->head,
				  (uint32_t)written);
}

/* Lock held; the request goes back to the pool. */
static void req_answer(struct vscsi_req *req, uint8_t code)
{
	struct virtio_scsi *vs = req->vs;

	if (virtio_answerable(&vs->virtio, req->generation))
		put_response(req, code);
	req->active = false;
	vscsi_tmf_note(vs, req);
	req_free(req);
}

/* ---- requests in flight ---- */

static void log_failure(const struct vscsi_req *req, int result)
{
	const char *name = scsi_op_name(req->cmd.cdb[0]);

	log_guest("%s: target %u: %s of %llu bytes at %llu failed: %s",
		  req->vs->virtio.pci.name, req->target,
		  name ? name : "command", (unsigned long long)req->io.len,
		  (unsigned long long)req->io.offset, strerror(-result));
}

/* Only the first `len` bytes of the span, as an iovec. */
static void span_trim(struct ring_span *span, uint64_t len)
{
	uint64_t left = len;
	unsigned i;

	for (i = 0; left > 0; i++) {
		span->iov[i].iov_len =
		    (size_t)MIN((uint64_t)span->iov[i].iov_len, left);
		left -= span->iov[i].iov_len;
	}
	span->cnt = i;
	span->bytes = len;
}

/* The command's next work for the back end; negative: not taken. */
static int req_submit(struct vscsi_req *req)
{
	const struct scsi_io *io = &req->cmd.io;
	struct ring_span *data = io->op == BLOCK_READ ? &req->in : &req->out;

	req->io.op = io->op;
	req->io.offset = io->offset;
	req->io.len = io->len;
	req->io.may_unmap = io->may_unmap;
	req->io.iov = io->iov;
	req->io.iovcnt = io->iovcnt;
	if (!io->iov && (io->op == BLOCK_READ || io->op == BLOCK_WRITE)) {
		span_trim(data, io->len);
		req->io.iov = data->iov;
		req->io.iovcnt = data->cnt;
	}
	return block_submit(req->vs->target[req->target].block, &req->io);
}

/* Goes on until the back end has work (true) or the command is done. */
static bool req_go(struct vscsi_req *req, enum scsi_next next)
{
	int r;

	while (next == SCSI_IO) {
		r = req_submit(req);
		if (!r)
			return true;
		next = scsi_continue(&req->cmd, r);
	}
	return false;
}

static void req_done(struct block_req *io, int result)
{
	struct vscsi_req *req = container_of(io, struct vscsi_req, io);
	struct virtio *virtio = &req->vs->virtio;
	bool again = false;

	pthread_mutex_lock(&virtio->pci.lock);
	if (result)
		log_failure(req, result);
	/* Nobody waits for the rest of an aborted one, or after a reset. */
	if (req->fate == VSCSI_RUNS && req->generation == virtio->generation)
		again = req_go(req, scsi_continue(&req->cmd, result));
	if (!again) {
		req_answer(req, response_code(req));
		virtio_release(virtio);
	}
	pthread_mutex_unlock(&virtio->pci.lock);
}

static void req_start(struct vscsi_req *req)
{
	struct virtio *virtio = &req->vs->virtio;

	virtio_hold(virtio);
	if (req_go(req, scsi_start(&req->cmd)))
		return;
	req_answer(req, response_code(req));
	virtio_release(virtio);
}

/* ---- parsing ---- */

int vscsi_where(const struct virtio_scsi *vs, const uint8_t lun[8],
		struct vscsi_where *ret_where)
{
	/* 1, target, then one level: peripheral or flat addressing (5.6.6.1) */
	bool flat = (lun[2] & 0xc0) == 0x40;
	unsigned number = (lun[2] & 0x3fu) << 8 | lun[3];

	if (lun[0] != 1 || lun[1] >= VSCSI_TARGETS || !vs->target[lun[1]].block)
		return VIRTIO_SCSI_S_BAD_TARGET;
	ret_where->target = lun[1];
	ret_where->unit = (flat || lun[2] == 0) && number == 0 && !lun[4] &&
			  !lun[5] && !lun[6] && !lun[7];
	return VIRTIO_SCSI_S_OK;
}

static int data_get(struct scsi_cmd *cmd, void *dst, size_t len)
{
	struct vscsi_req *req = container_of(cmd, struct vscsi_req, cmd);

	return ring_span_get(&req->out, dst, len);
}

static int data_put(struct scsi_cmd *cmd, const void *src, size_t len)
{
	struct vscsi_req *req = container_of(cmd, struct vscsi_req, cmd);

	return ring_span_put(&req->in, src, len);
}

static const struct scsi_data_ops data_ops = {
    .get = data_get,
    .put = data_put,
};

/* What the chain says, into the request; negative: not even an answer. */
static int req_parse(struct vscsi_req *req, struct ring_chain *chain,
		     uint8_t lun[8])
{
	const struct virtio_scsi_config *config = &req->vs->config;
	uint32_t cdb_size = le32toh(config->cdb_size);
	uint8_t cdb[VSCSI_CDB_MAX] = {0};
	struct virtio_scsi_cmd_req header;
	int r;

	r = ring_span_get(&chain->rd, &header, HEADER_BYTES);
	if (!r)
		r = ring_span_get(&chain->rd, cdb, cdb_size);
	if (!r)
		r = ring_span_split(
		    &chain->wr, RESPONSE_BYTES + le32toh(config->sense_size),
		    &req->response);
	if (r)
		return r;
	memcpy(lun, header.lun, sizeof(header.lun));
	req->tag = header.tag;
	req->in = chain->wr;
	req->out = chain->rd;
	req->cmd = (struct scsi_cmd){
	    .ops = &data_ops,
	    .out_len = chain->rd.bytes,
	    .in_len = chain->wr.bytes,
	};
	memcpy(req->cmd.cdb, cdb, SCSI_CDB_BYTES);
	return 0;
}

static void req_begin(struct vscsi_req *req, const struct ring_chain *chain,
		      unsigned q)
{
	struct virtio_scsi *vs = req->vs;

	req->io = (struct block_req){.done = req_done};
	req->fate = VSCSI_RUNS;
	req->generation = vs->virtio.generation;
	req->queue = (uint16_t)q;
	req->head = chain->head;
	req->order = vs->order++;
	req->active = true;
}

static int vscsi_take(struct virtio *virtio, unsigned q)
{
	struct virtio_scsi *vs = (struct virtio_scsi *)virtio;
	struct vscsi_req *req = req_alloc(vs);
	struct vscsi_where where = {0};
	struct ring_chain chain;
	uint8_t lun[8];
	int r;

	chain = (struct ring_chain){.iov = req->iov, .iov_max = VSCSI_PIECES};
	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0) {
		req_free(req);
		return r;
	}
	if (req_parse(req, &chain, lun)) {
		virtio_fail(virtio, "SCSI request without header or without"
				    " room for a response");
		req_free(req);
		return -EPROTO;
	}
	req_begin(req, &chain, q);
	r = vscsi_where(vs, lun, &where);
	req->target = where.target;
	/* Data both ways is a feature, which is not offered. */
	if (!r && req->cmd.in_len && req->cmd.out_len)
		r = VIRTIO_SCSI_S_FAILURE;
	if (r) {
		req_answer(req, (uint8_t)r);
		return 1;
	}
	if (where.unit)
		req->cmd.unit = &vs->target[where.target].unit;
	req_start(req);
	return 1;
}

/* ---- virtio_ops ---- */

static void vscsi_queue(struct virtio *virtio, unsigned q)
{
	unsigned i;

	if (q == VSCSI_CONTROL) {
		/* A TMF is also about requests that still wait in a ring. */
		for (i = VSCSI_REQUEST; i < virtio->params.queues; i++)
			virtio_queue_run(virtio, i, vscsi_take);
		virtio_queue_run(virtio, q, vscsi_take_control);
	} else if (q != VSCSI_EVENT) {
		/* There are no events: their buffers wait. */
		virtio_queue_run(virtio, q, vscsi_take);
	}
}

static void vscsi_stop(struct virtio *virtio)
{
	struct virtio_scsi *vs = (struct virtio_scsi *)virtio;
	unsigned t;

	vs->config.sense_size = htole32(VIRTIO_SCSI_SENSE_DEFAULT_SIZE);
	vs->config.cdb_size = htole32(VIRTIO_SCSI_CDB_DEFAULT_SIZE);
	for (t = 0; t < VSCSI_TARGETS; t++)
		if (vs->target[t].block)
			scsi_unit_reset(&vs->target[t].unit,
					SCSI_SENSE_POWER_ON);
}

static void vscsi_config_write(struct virtio *virtio, unsigned off,
			       unsigned size, uint32_t value)
{
	struct virtio_scsi *vs = (struct virtio_scsi *)virtio;

	/* Sizes are agreed on before requests come. */
	if (size != 4 || (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (off == offsetof(struct virtio_scsi_config, sense_size) &&
	    value <= VSCSI_SENSE_MAX)
		vs->config.sense_size = htole32(value);
	if (off == offsetof(struct virtio_scsi_config, cdb_size) &&
	    value <= VSCSI_CDB_MAX)
		vs->config.cdb_size = htole32(value);
}

void vscsi_destroy(struct virtio *virtio)
{
	struct virtio_scsi *vs = (struct virtio_scsi *)virtio;
	unsigned t;

	/* Requests end after their present step, as after a reset. */
	if (virtio->pci.cfg) {
		pthread_mutex_lock(&virtio->pci.lock);
		virtio->generation++;
		pthread_mutex_unlock(&virtio->pci.lock);
	}
	/* Waits: req_done() needs the rest. */
	for (t = 0; t < VSCSI_TARGETS; t++) {
		block_close(vs->target[t].block);
		vs->target[t].block = NULL;
	}
	for (t = 0; t < VSCSI_TARGETS; t++)
		scsi_unit_fini(&vs->target[t].unit);
	virtio_fini(virtio);
	free(vs->reqs);
	free(vs);
}

const struct virtio_ops vscsi_ops = {
    .queue = vscsi_queue,
    .stop = vscsi_stop,
    .config_write = vscsi_config_write,
    .destroy = vscsi_destroy,
};
