/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control queue of virtio-scsi (VIRTIO 1.2, 5.6.6.2): task management.
 *
 * Theory of operation. A request whose data is on its way between the file and
 * the guest's pages cannot be called back. Aborting marks it: it ends after its
 * present step, with ABORTED or RESET as its response, and only when all
 * requests meant have ended the TMF is answered. A waiting TMF knows them by
 * target, tag and the order they came in, and counts how many are left.
 */
#include <endian.h>
#include <string.h>

#include "dev/virtio_scsi/virtio_scsi_internal.h"

/* A control request, copied. */
struct control {
	uint16_t head;
	struct ring_span wr;
	struct virtio_scsi_ctrl_tmf_req req;
};

/* ---- those that wait ---- */

static bool meant(const struct vscsi_tmf *tmf, const struct vscsi_req *req)
{
	return req->target == tmf->target && req->order < tmf->before &&
	       (!tmf->one || req->tag == tmf->tag);
}

static void tmf_answer(struct virtio_scsi *vs, const struct vscsi_tmf *tmf,
		       uint8_t code)
{
	ring_poke(tmf->response, code);
	virtio_queue_done(&vs->virtio, VSCSI_CONTROL, tmf->head, 1);
}

void vscsi_tmf_note(struct virtio_scsi *vs, const struct vscsi_req *req)
{
	unsigned i;

	for (i = 0; vs->tmfs && i < ARRAY_LEN(vs->tmf); i++) {
		struct vscsi_tmf *tmf = &vs->tmf[i];

		if (!tmf->left || !meant(tmf, req) || --tmf->left)
			continue;
		vs->tmfs--;
		/* During a reset the last requests end, and this with them. */
		if (virtio_live(&vs->virtio))
			tmf_answer(vs, tmf, VSCSI_FUNCTION_COMPLETE);
	}
}

/* Requests of this target, or the one with this tag, are to end. */
static unsigned mark(struct virtio_scsi *vs, const struct vscsi_tmf *tmf,
		     enum vscsi_fate fate)
{
	unsigned i, n = 0;

	for (i = 0; i < vs->fresh; i++) {
		struct vscsi_req *req = &vs->reqs[i];

		if (!req->active || !meant(tmf, req))
			continue;
		if (fate != VSCSI_RUNS)
			req->fate = fate;
		n++;
	}
	return n;
}

/* Answers when the `left` requests have ended; now, if there are none. */
static void tmf_wait(struct virtio_scsi *vs, const struct vscsi_tmf *tmf)
{
	unsigned i;

	/* As many as the ring has slots: one is free. */
	for (i = 0; tmf->left && i < ARRAY_LEN(vs->tmf); i++) {
		if (vs->tmf[i].left)
			continue;
		vs->tmf[i] = *tmf;
		vs->tmfs++;
		return;
	}
	tmf_answer(vs, tmf, VSCSI_FUNCTION_COMPLETE);
}

/* ---- functions ---- */

static void tmf_run(struct virtio_scsi *vs, uint32_t subtype,
		    struct vscsi_tmf *tmf)
{
	struct scsi_unit *unit = &vs->target[tmf->target].unit;
	enum vscsi_fate fate = VSCSI_ABORTED;

	switch (subtype) {
	case VIRTIO_SCSI_T_TMF_QUERY_TASK:
	case VIRTIO_SCSI_T_TMF_QUERY_TASK_SET:
		tmf->one = subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK;
		tmf_answer(vs, tmf,
			   mark(vs, tmf, VSCSI_RUNS)
			       ? VIRTIO_SCSI_S_FUNCTION_SUCCEEDED
			       : VSCSI_FUNCTION_COMPLETE);
		return;
	case VIRTIO_SCSI_T_TMF_ABORT_TASK:
		tmf->one = true;
		break;
	case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
	case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
		break;
	case VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET:
		scsi_unit_reset(unit, SCSI_SENSE_NEXUS_LOSS);
		fate = VSCSI_RESET;
		break;
	case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
		scsi_unit_reset(unit, SCSI_SENSE_UNIT_RESET);
		fate = VSCSI_RESET;
		break;
	default: /* CLEAR ACA: there is no ACA */
		tmf_answer(vs, tmf, VIRTIO_SCSI_S_FUNCTION_REJECTED);
		return;
	}
	tmf->left = mark(vs, tmf, fate);
	tmf_wait(vs, tmf);
}

static int take_tmf(struct virtio_scsi *vs, struct control *c)
{
	uint32_t subtype = le32toh(c->req.subtype);
	struct vscsi_tmf tmf = {
	    .head = c->head,
	    .tag = c->req.tag,
	    .before = vs->order,
	};
	struct vscsi_where where = {0};
	int r;

	r = ring_span_cut_first(&c->wr, &tmf.response);
	if (r)
		return r;
	r = vscsi_where(vs, c->req.lun, &where);
	/* A nexus is the target's, whatever the LUN. */
	if (!r && !where.unit && subtype != VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET)
		r = VIRTIO_SCSI_S_INCORRECT_LUN;
	tmf.target = where.target;
	if (r)
		tmf_answer(vs, &tmf, (uint8_t)r);
	else
		tmf_run(vs, subtype, &tmf);
	return 0;
}

/* No events are offered: none is granted. */
static int take_events(struct virtio_scsi *vs, struct control *c)
{
	const struct virtio_scsi_ctrl_an_resp resp = {
	    .response = VIRTIO_SCSI_S_OK,
	};
	int r = ring_span_put(&c->wr, &resp, sizeof(resp));

	if (!r)
		virtio_queue_done(&vs->virtio, VSCSI_CONTROL, c->head,
				  sizeof(resp));
	return r;
}

/* The type, then as much as that type has; -EBADMSG: too short. */
static int read_control(struct ring_span *rd, struct control *c)
{
	uint8_t raw[sizeof(c->req)] = {0};
	size_t type = sizeof(c->req.type), size = sizeof(c->req);
	int r;

	r = ring_span_get(rd, raw, type);
	if (r)
		return r;
	memcpy(&c->req.type, raw, type);
	if (le32toh(c->req.type) != VIRTIO_SCSI_T_TMF)
		size = sizeof(struct virtio_scsi_ctrl_an_req);
	r = ring_span_get(rd, raw + type, size - type);
	memcpy(&c->req, raw, sizeof(c->req));
	return r;
}

int vscsi_take_control(struct virtio *virtio, unsigned q)
{
	struct virtio_scsi *vs = (struct virtio_scsi *)virtio;
	struct ring_chain chain = {.iov = vs->control_iov,
				   .iov_max = VSCSI_PIECES};
	struct control c;
	int r;

	r = virtio_queue_take(virtio, q, &chain);
	if (r <= 0)
		return r;
	c.head = chain.head;
	c.wr = chain.wr;
	r = read_control(&chain.rd, &c);
	if (!r && le32toh(c.req.type) == VIRTIO_SCSI_T_TMF)
		r = take_tmf(vs, &c);
	else if (!r)
		r = take_events(vs, &c);
	if (r) {
		virtio_fail(virtio, "SCSI control request too short, or"
				    " without room for a response");
		return -EPROTO;
	}
	return 1;
}
