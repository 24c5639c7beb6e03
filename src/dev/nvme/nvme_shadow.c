/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shadow doorbells: the driver leaves tails and heads in guest memory and
 * writes the register only when it passes the value we left in the event index.
 *
 * Theory of operation. We leave the last value we know as event index when
 * there is nothing more to do, and look once more: either we see what the
 * driver stored meanwhile, or the driver sees our index and writes the
 * register. Both sides store and then load what the other stored, so a full
 * fence stands between. While a queue is being served its index lies behind,
 * and the driver is quiet.
 *
 * Of completion queues we rarely need to know the head. The index is left
 * behind, to be passed once a round, except when a queue is full or when the
 * interrupt pin must fall as soon as the queue is empty: then it keeps up.
 *
 * A tail written to the register is lost when the kernel turns the write into
 * a signal; the value in memory, stored before, is what counts. The admin
 * queue goes by the registers as ever, because drivers disagree whether its
 * doorbells are in the buffer: its indexes follow each write, so that a driver
 * which does use them rings every time.
 *
 * Source: NVMe 1.4, 5.7 (Doorbell Buffer Config), 7.13 (shadow doorbells).
 */
#include "dev/nvme/nvme_internal.h"

static gpa_t sq_place(gpa_t buffer, const struct nvme_sq *sq)
{
	return gpa_add(buffer, NVME_SQ_DOORBELL(sq->id));
}

static gpa_t cq_place(const struct nvme *nvme, gpa_t buffer,
		      const struct nvme_cq *cq)
{
	return gpa_add(buffer, NVME_CQ_DOORBELL((unsigned)(cq - nvme->cq)));
}

/* The buffers were checked to be memory, which does not go away. */
static void store(struct nvme *nvme, gpa_t at, uint32_t value)
{
	if (gmem_store32(nvme->gmem, at, value))
		nvme_fatal(nvme, "the doorbell buffer left the memory");
}

/* Leaves `event` and returns what the driver left, or `known`. */
static uint32_t exchange(struct nvme *nvme, gpa_t event_at, uint32_t event,
			 gpa_t value_at, uint32_t known)
{
	uint32_t value = known;

	store(nvme, event_at, event);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (gmem_load32(nvme->gmem, value_at, &value))
		return known;
	return value;
}

void nvme_shadow_tail(struct nvme *nvme, struct nvme_sq *sq)
{
	uint32_t tail = exchange(nvme, sq_place(nvme->shadow_ei, sq), sq->tail,
				 sq_place(nvme->shadow_db, sq), sq->tail);

	if (sq->id)
		(void)nvme_sq_tail(nvme, sq, tail);
}

void nvme_shadow_head(struct nvme *nvme, struct nvme_cq *cq)
{
	bool admin = cq == &nvme->cq[0], need;
	uint32_t head;

	/* Ends: each round brings the head nearer to the tail. */
	do {
		need = cq->starved || nvme_pin_mode(nvme);
		head = exchange(nvme, cq_place(nvme, nvme->shadow_ei, cq),
				cq->head, cq_place(nvme, nvme->shadow_db, cq),
				cq->head);
	} while (!admin && head != cq->head && nvme_cq_head(nvme, cq, head) &&
		 need);
}

void nvme_shadow_add_sq(struct nvme *nvme, struct nvme_sq *sq)
{
	store(nvme, sq_place(nvme->shadow_db, sq), sq->tail);
	store(nvme, sq_place(nvme->shadow_ei, sq), sq->tail);
	nvme_shadow_doorbell(nvme, sq);
}

void nvme_shadow_add_cq(struct nvme *nvme, struct nvme_cq *cq)
{
	store(nvme, cq_place(nvme, nvme->shadow_db, cq), cq->head);
	nvme_shadow_head(nvme, cq);
}

/* ---- doorbells signalled by the kernel ---- */

void nvme_shadow_doorbell(struct nvme *nvme, struct nvme_sq *sq)
{
	const struct irq_ops *ops = nvme->irq->ops;
	uint64_t addr = 0;

	if (nvme->shadow && nvme->doorbells && sq->size && sq->id)
		addr = nvme->doorbells + NVME_SQ_DOORBELL(sq->id);
	if (sq->doorbell == addr)
		return;
	if (sq->doorbell)
		(void)ops->doorbell_del(nvme->irq->ctx, false, sq->doorbell,
					NVME_DOORBELL_BYTES, NULL,
					nvme->kick_fd);
	sq->doorbell = 0;
	/* Refused: the write traps, and then does the same. */
	if (addr &&
	    ops->doorbell_add(nvme->irq->ctx, false, addr, NVME_DOORBELL_BYTES,
			      NULL, nvme->kick_fd) == 0)
		sq->doorbell = addr;
}

void nvme_shadow_doorbells(struct nvme *nvme)
{
	unsigned i;

	for (i = 0; i <= nvme->params.queues; i++)
		nvme_shadow_doorbell(nvme, &nvme->sq[i]);
}

/* ---- on and off ---- */

static bool page_ok(const struct nvme *nvme, uint64_t at)
{
	struct iovec iov[1];
	unsigned count = 0;

	return (at & (NVME_PAGE - 1)) == 0 &&
	       gmem_iov(nvme->gmem, gpa(at), NVME_PAGE, iov, 1, &count) == 0;
}

uint16_t nvme_shadow_config(struct nvme *nvme, const struct nvme_command *cmd)
{
	unsigned i;

	if (!page_ok(nvme, cmd->prp1) || !page_ok(nvme, cmd->prp2) ||
	    cmd->prp1 == cmd->prp2)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	nvme->shadow_db = gpa(cmd->prp1);
	nvme->shadow_ei = gpa(cmd->prp2);
	nvme->shadow = true;
	for (i = 0; i <= nvme->params.queues; i++) {
		if (nvme->sq[i].size)
			nvme_shadow_add_sq(nvme, &nvme->sq[i]);
		if (nvme->cq[i].size)
			nvme_shadow_add_cq(nvme, &nvme->cq[i]);
	}
	return NVME_SC_SUCCESS;
}

void nvme_shadow_stop(struct nvme *nvme)
{
	nvme->shadow = false;
	nvme_shadow_doorbells(nvme);
}
