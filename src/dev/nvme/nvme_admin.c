/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Admin commands: queues come and go here, the rest is passed on.
 *
 * Deleting a submission queue stops its intake; the command completes when the
 * last command fetched from it has, what was not fetched is dropped (5.6).
 *
 * Source: NVMe 1.4, 5 (admin commands).
 */
#include "dev/nvme/nvme_internal.h"

#define ENTRY_SIZES (NVME_CC_IOSQES_64 | NVME_CC_IOCQES_16)

static bool queue_memory_ok(const struct nvme *nvme, uint64_t base,
			    uint64_t bytes)
{
	struct iovec iov[GMEM_RANGES_MAX];
	unsigned count = 0;

	return gmem_iov(nvme->gmem, gpa(base), bytes, iov, ARRAY_LEN(iov),
			&count) == 0;
}

/* What both kinds of queues must have; entries of `entry` bytes. */
static uint16_t check_queue(const struct nvme *nvme,
			    const struct nvme_command *cmd, uint64_t entry)
{
	uint32_t size = (cmd->cdw10 >> 16) + 1;

	if (size < 2 || size > nvme->params.queue_size)
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	if (!(cmd->cdw11 & NVME_QUEUE_PC))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (cmd->prp1 & (NVME_PAGE - 1))
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	if (!queue_memory_ok(nvme, cmd->prp1, size * entry))
		return NVME_SC_DATA_TRANSFER | NVME_SC_DNR;
	/* The sizes of entries must have been said in CC (3.1.5). */
	if ((nvme->cc & (NVME_CC_IOSQES | NVME_CC_IOCQES)) != ENTRY_SIZES)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

static uint16_t create_cq(struct nvme *nvme, const struct nvme_command *cmd)
{
	uint16_t id = cmd->cdw10 & 0xffff;
	uint16_t vector = (uint16_t)(cmd->cdw11 >> 16);
	uint16_t status;

	if (id == 0 || id > nvme->cqs_allowed || nvme->cq[id].size)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	status = check_queue(nvme, cmd, sizeof(struct nvme_completion));
	if (status)
		return status;
	if (vector > nvme->params.queues)
		return NVME_SC_VECTOR | NVME_SC_DNR;
	nvme_cq_create(nvme, id, gpa(cmd->prp1), (cmd->cdw10 >> 16) + 1);
	nvme->cq[id].vector = vector;
	nvme->cq[id].interrupts = cmd->cdw11 & NVME_QUEUE_IEN;
	return NVME_SC_SUCCESS;
}

static uint16_t create_sq(struct nvme *nvme, const struct nvme_command *cmd)
{
	uint16_t id = cmd->cdw10 & 0xffff;
	uint16_t cqid = (uint16_t)(cmd->cdw11 >> 16);
	uint16_t status;

	if (id == 0 || id > nvme->sqs_allowed || nvme->sq[id].size ||
	    cqid == 0 || cqid > nvme->cqs_allowed)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (!nvme->cq[cqid].size)
		return NVME_SC_CQ_INVALID | NVME_SC_DNR;
	status = check_queue(nvme, cmd, sizeof(struct nvme_command));
	if (!status)
		nvme_sq_create(nvme, id, cqid, gpa(cmd->prp1),
			       (cmd->cdw10 >> 16) + 1);
	return status;
}

void nvme_delete_done(struct nvme *nvme, struct nvme_sq *sq)
{
	uint16_t cid = sq->delete_cid;

	nvme_sq_destroy(nvme, sq);
	nvme_answer(nvme, &nvme->sq[0], cid, NVME_SC_SUCCESS, 0);
}

static uint16_t delete_sq(struct nvme *nvme, const struct nvme_command *cmd)
{
	uint16_t id = cmd->cdw10 & 0xffff;
	struct nvme_sq *sq;

	if (id == 0 || id > nvme->params.queues)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	sq = &nvme->sq[id];
	if (!sq->size || sq->deleting)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (sq->inflight) {
		sq->deleting = true;
		sq->delete_cid = cmd->cid;
		return NVME_PENDING;
	}
	nvme_sq_destroy(nvme, sq);
	return NVME_SC_SUCCESS;
}

static uint16_t delete_cq(struct nvme *nvme, const struct nvme_command *cmd)
{
	uint16_t id = cmd->cdw10 & 0xffff;

	if (id == 0 || id > nvme->params.queues || !nvme->cq[id].size)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (nvme->cq[id].users)
		return NVME_SC_QUEUE_DELETION | NVME_SC_DNR;
	nvme->cq[id] = (struct nvme_cq){0};
	nvme_pin_update(nvme);
	return NVME_SC_SUCCESS;
}

/*
 * What is in the back end cannot be called back, and what is in a queue was
 * not looked at: only an event request can be aborted.
 */
static uint16_t abort_command(struct nvme *nvme, const struct nvme_command *cmd,
			      uint32_t *ret_dw0)
{
	uint16_t sqid = cmd->cdw10 & 0xffff;
	uint16_t cid = (uint16_t)(cmd->cdw10 >> 16);
	unsigned i;

	*ret_dw0 = 1; /* not aborted */
	for (i = 0; sqid == 0 && i < nvme->aers; i++) {
		if (nvme->aer_cid[i] != cid)
			continue;
		/* Room for this command's own completion is reserved. */
		if (!nvme_reserve(nvme, &nvme->sq[0]))
			break;
		nvme->aer_cid[i] = nvme->aer_cid[--nvme->aers];
		nvme_answer(nvme, &nvme->sq[0], cid, NVME_SC_ABORTED, 0);
		*ret_dw0 = 0;
		break;
	}
	return NVME_SC_SUCCESS;
}

uint16_t nvme_admin_command(struct nvme *nvme, const struct nvme_command *cmd,
			    uint32_t *ret_dw0)
{
	switch (cmd->opcode) {
	case NVME_ADM_DELETE_SQ:
		return delete_sq(nvme, cmd);
	case NVME_ADM_CREATE_SQ:
		return create_sq(nvme, cmd);
	case NVME_ADM_GET_LOG:
		return nvme_get_log(nvme, cmd);
	case NVME_ADM_DELETE_CQ:
		return delete_cq(nvme, cmd);
	case NVME_ADM_CREATE_CQ:
		return create_cq(nvme, cmd);
	case NVME_ADM_IDENTIFY:
		return nvme_identify(nvme, cmd);
	case NVME_ADM_ABORT:
		return abort_command(nvme, cmd, ret_dw0);
	case NVME_ADM_SET_FEATURES:
		return nvme_set_features(nvme, cmd, ret_dw0);
	case NVME_ADM_GET_FEATURES:
		return nvme_get_features(nvme, cmd, ret_dw0);
	case NVME_ADM_ASYNC_EVENT:
		return nvme_async_event(nvme, cmd);
	case NVME_ADM_DOORBELL_BUFFER:
		return nvme_shadow_config(nvme, cmd);
	default:
		return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
	}
}
