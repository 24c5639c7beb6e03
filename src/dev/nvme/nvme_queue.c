/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Submission and completion queues: doorbells, fetching commands in turn,
 * posting completions.
 *
 * An index the driver gives is taken only when it lies between what it gave
 * before and what the other side allows; anything else is refused with the
 * event the specification has for it, and the queue goes on with the old one.
 *
 * Source: NVMe 1.4, 4.1 (queues), 4.6 (completion entries), 4.13 (arbitration),
 * 5.2 (doorbell events).
 */
#include <assert.h>
#include <endian.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "dev/nvme/nvme_internal.h"

#define PHASE	     0x00010000u
#define STATUS_SHIFT 17

#define BURST(arbitration) ((arbitration)&7u)
#define BURST_UNLIMITED	   7u

/* ---- rings ---- */

/* How far `index` is ahead of `from` in a ring of `size`. */
static uint32_t ring_distance(uint32_t from, uint32_t index, uint32_t size)
{
	return index >= from ? index - from : index + size - from;
}

static uint32_t ring_next(uint32_t index, uint32_t size)
{
	return index + 1 == size ? 0 : index + 1;
}

void nvme_cq_create(struct nvme *nvme, uint16_t id, gpa_t base, uint32_t size)
{
	struct nvme_cq *cq = &nvme->cq[id];

	*cq = (struct nvme_cq){.base = base, .size = size, .phase = true};
	if (nvme->shadow)
		nvme_shadow_add_cq(nvme, cq);
}

void nvme_sq_create(struct nvme *nvme, uint16_t id, uint16_t cqid, gpa_t base,
		    uint32_t size)
{
	struct nvme_sq *sq = &nvme->sq[id];

	*sq = (struct nvme_sq){
	    .base = base, .size = size, .id = id, .cqid = cqid};
	nvme->cq[cqid].users++;
	if (nvme->shadow)
		nvme_shadow_add_sq(nvme, sq);
}

void nvme_sq_destroy(struct nvme *nvme, struct nvme_sq *sq)
{
	sq->size = 0;
	nvme_shadow_doorbell(nvme, sq);
	nvme->cq[sq->cqid].users--;
	*sq = (struct nvme_sq){0};
}

uint32_t nvme_cq_room(const struct nvme_cq *cq)
{
	uint32_t used = ring_distance(cq->head, cq->tail, cq->size);

	/* One entry stays free, or full would look like empty (4.1.2). */
	return cq->size - 1 - used - cq->reserved;
}

bool nvme_sq_tail(struct nvme *nvme, struct nvme_sq *sq, uint32_t tail)
{
	if (tail == sq->tail)
		return true;
	if (tail < sq->size &&
	    ring_distance(sq->head, tail, sq->size) >
		ring_distance(sq->head, sq->tail, sq->size)) {
		sq->tail = tail;
		return true;
	}
	log_guest("%s: submission queue %u: tail %u after %u refused",
		  nvme->pci.name, sq->id, tail, sq->tail);
	nvme_event(nvme, NVME_EV_BAD_VALUE);
	return false;
}

bool nvme_cq_head(struct nvme *nvme, struct nvme_cq *cq, uint32_t head)
{
	if (head == cq->head)
		return true;
	if (head < cq->size &&
	    ring_distance(cq->head, head, cq->size) <=
		ring_distance(cq->head, cq->tail, cq->size)) {
		cq->head = head;
		if (cq->starved)
			nvme_kick(nvme);
		cq->starved = false;
		return true;
	}
	log_guest("%s: completion queue %u: head %u after %u refused",
		  nvme->pci.name, (unsigned)(cq - nvme->cq), head, cq->head);
	nvme_event(nvme, NVME_EV_BAD_VALUE);
	return false;
}

/* ---- completions ---- */

static void cq_post(struct nvme *nvme, struct nvme_cq *cq,
		    const struct nvme_completion *entry)
{
	gpa_t at = gpa_add(cq->base, cq->tail * sizeof(*entry));
	uint32_t status = entry->status | (cq->phase ? PHASE : 0);
	int r;

	/* The phase bit makes the entry the driver's: it is stored last. */
	r = gmem_write(nvme->gmem, at, entry,
		       offsetof(struct nvme_completion, status));
	if (!r)
		r = gmem_store32(
		    nvme->gmem,
		    gpa_add(at, offsetof(struct nvme_completion, status)),
		    status);
	if (r) {
		nvme_fatal(nvme, "a completion queue left the memory");
		return;
	}
	cq->tail = ring_next(cq->tail, cq->size);
	if (cq->tail == 0)
		cq->phase = !cq->phase;
	cq->due = true;
}

void nvme_unreserve(struct nvme *nvme, struct nvme_sq *sq)
{
	struct nvme_cq *cq = &nvme->cq[sq->cqid];

	assert(sq->inflight > 0 && cq->reserved > 0);
	sq->inflight--;
	cq->reserved--;
}

bool nvme_reserve(struct nvme *nvme, struct nvme_sq *sq)
{
	struct nvme_cq *cq = &nvme->cq[sq->cqid];

	if (nvme_cq_room(cq) == 0)
		return false;
	sq->inflight++;
	cq->reserved++;
	return true;
}

void nvme_answer(struct nvme *nvme, struct nvme_sq *sq, uint16_t cid,
		 uint16_t status, uint32_t dw0)
{
	const struct nvme_completion entry = {
	    .dw0 = htole32(dw0),
	    .sq_head = htole16((uint16_t)sq->head),
	    .sq_id = htole16(sq->id),
	    .status = cid | (uint32_t)status << STATUS_SHIFT,
	};

	nvme_unreserve(nvme, sq);
	if (!pci_bus_master(&nvme->pci))
		nvme_fatal(nvme, "bus mastering switched off with commands"
				 " being carried out");
	if (!(nvme->csts & NVME_CSTS_CFS))
		cq_post(nvme, &nvme->cq[sq->cqid], &entry);
	if (sq->deleting && sq->inflight == 0)
		nvme_delete_done(nvme, sq);
}

/* ---- fetching ---- */

static int fetch(struct nvme *nvme, struct nvme_sq *sq,
		 struct nvme_command *ret_cmd)
{
	gpa_t at = gpa_add(sq->base, sq->head * sizeof(*ret_cmd));
	struct nvme_command raw;
	int r = gmem_read_obj(nvme->gmem, at, &raw);

	if (r)
		return r;
	*ret_cmd = (struct nvme_command){
	    .opcode = raw.opcode,
	    .flags = raw.flags,
	    .cid = le16toh(raw.cid),
	    .nsid = le32toh(raw.nsid),
	    .prp1 = le64toh(raw.prp1),
	    .prp2 = le64toh(raw.prp2),
	    .cdw10 = le32toh(raw.cdw10),
	    .cdw11 = le32toh(raw.cdw11),
	    .cdw12 = le32toh(raw.cdw12),
	    .cdw13 = le32toh(raw.cdw13),
	    .cdw14 = le32toh(raw.cdw14),
	    .cdw15 = le32toh(raw.cdw15),
	};
	sq->head = ring_next(sq->head, sq->size);
	return 0;
}

static void carry_out(struct nvme *nvme, struct nvme_sq *sq,
		      const struct nvme_command *cmd)
{
	uint16_t status;
	uint32_t dw0 = 0;

	if (cmd->flags & (NVME_CMD_FUSE | NVME_CMD_PSDT))
		status = NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	else if (sq->id == 0)
		status = nvme_admin_command(nvme, cmd, &dw0);
	else
		status = nvme_io_command(nvme, sq, cmd);
	if (status != NVME_PENDING)
		nvme_answer(nvme, sq, cmd->cid, status, dw0);
}

/* Is there a place for one more command of this queue? If not, who waits? */
static bool has_place(struct nvme *nvme, const struct nvme_sq *sq)
{
	struct nvme_cq *cq = &nvme->cq[sq->cqid];

	if (sq->id && !nvme->free)
		nvme->starved = true;
	if (sq->id ? !nvme->free : nvme->admin_busy)
		return false;
	if (nvme_cq_room(cq))
		return true;
	cq->starved = true;
	/* With shadow doorbells the driver may have made room in silence. */
	if (nvme->shadow && sq->id)
		nvme_shadow_head(nvme, cq);
	if (nvme_cq_room(cq) == 0)
		return false;
	cq->starved = false;
	return true;
}

static bool has_command(struct nvme *nvme, struct nvme_sq *sq)
{
	if (sq->head == sq->tail && nvme->shadow && sq->id)
		nvme_shadow_tail(nvme, sq);
	return sq->head != sq->tail;
}

/* Fetches up to `limit` commands; how many it were. */
static unsigned sq_burst(struct nvme *nvme, struct nvme_sq *sq, unsigned limit)
{
	struct nvme_command cmd;
	unsigned n;

	for (n = 0; n < limit && nvme_live(nvme); n++) {
		if (!sq->size || sq->deleting || !has_command(nvme, sq) ||
		    !has_place(nvme, sq) || !nvme_reserve(nvme, sq))
			break;
		if (fetch(nvme, sq, &cmd)) {
			nvme_fatal(nvme, "a submission queue left the memory");
			break;
		}
		carry_out(nvme, sq, &cmd);
	}
	return n;
}

void nvme_kick(struct nvme *nvme)
{
	/* The counter cannot fill up: it is read on every wake-up. */
	(void)!eventfd_write(nvme->kick_fd, 1);
}

/* Commands of one queue before the next has its turn (4.13.1). */
static unsigned burst_limit(const struct nvme *nvme)
{
	unsigned burst = BURST(nvme->feat.arbitration);

	return burst == BURST_UNLIMITED ? NVME_BUDGET : 1u << burst;
}

void nvme_serve(struct nvme *nvme)
{
	unsigned limit = burst_limit(nvme), count = nvme->params.queues;
	unsigned total = sq_burst(nvme, &nvme->sq[0], NVME_BUDGET);
	unsigned idle = 0, n;

	nvme->starved = false;
	/* Until every queue in a row had nothing, or others want a turn. */
	while (idle < count && total < NVME_BUDGET) {
		n = sq_burst(nvme, &nvme->sq[1 + nvme->next_sq], limit);
		total += n;
		/* Who found no request at all is the first next time. */
		if (n || !nvme->starved)
			nvme->next_sq = (nvme->next_sq + 1) % count;
		if (nvme->starved)
			break;
		idle = n ? 0 : idle + 1;
	}
	if (total >= NVME_BUDGET)
		nvme_kick(nvme);
}

/* ---- doorbells ---- */

static void sq_rung(struct nvme *nvme, struct nvme_sq *sq, uint32_t value)
{
	if (!nvme->shadow || !sq->id)
		(void)nvme_sq_tail(nvme, sq, value);
	if (nvme->shadow)
		nvme_shadow_tail(nvme, sq);
	if (sq_burst(nvme, sq, NVME_BUDGET) >= NVME_BUDGET)
		nvme_kick(nvme);
}

static void cq_rung(struct nvme *nvme, struct nvme_cq *cq, uint32_t value)
{
	bool admin = cq == &nvme->cq[0];

	if (!nvme->shadow || admin)
		(void)nvme_cq_head(nvme, cq, value);
	if (nvme->shadow)
		nvme_shadow_head(nvme, cq);
	if (admin)
		nvme_events_send(nvme);
	nvme_pin_update(nvme);
}

void nvme_doorbell(struct nvme *nvme, uint64_t off, uint32_t value)
{
	uint64_t id = off / (2 * NVME_DOORBELL_BYTES);
	bool head = off & NVME_DOORBELL_BYTES;

	if (!(nvme->csts & NVME_CSTS_RDY) || nvme->resetting)
		return;
	if ((off & 3) || id > nvme->params.queues ||
	    !(head ? nvme->cq[id].size : nvme->sq[id].size)) {
		log_guest("%s: doorbell of %s queue %llu, which does not exist",
			  nvme->pci.name, head ? "completion" : "submission",
			  (unsigned long long)id);
		nvme_event(nvme, NVME_EV_BAD_DOORBELL);
	} else if (head) {
		cq_rung(nvme, &nvme->cq[id], value);
	} else {
		sq_rung(nvme, &nvme->sq[id], value);
	}
	nvme_interrupt(nvme);
}
