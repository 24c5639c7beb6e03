/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the NVMe controller share; not for others.
 *
 *   nvme_model.c     options, PCI function, life
 *   nvme_ctrl.c      registers; enable, reset, shutdown, fatal error
 *   nvme_queue.c     queues: doorbells, fetching commands, posting completions
 *   nvme_shadow.c    doorbells kept in guest memory
 *   nvme_intr.c      interrupts
 *   nvme_prp.c       where a command's data lies in guest memory
 *   nvme_io.c        NVM commands and the request pool
 *   nvme_admin.c     admin commands
 *   nvme_identify.c  identify data
 *   nvme_feature.c   get and set features
 *   nvme_log.c       log pages and asynchronous events
 *
 * Theory of operation. A doorbell write traps on the vCPU's thread; there
 * commands are copied from guest memory, checked and handed to the block back
 * end, whose worker threads move the data straight between the guest's pages
 * and the file. A command is fetched only when its completion entry has a
 * reserved place and, for I/O, a request of the pool is free; else it stays in
 * its queue until a completion or the driver makes room. So nothing is ever
 * allocated or queued on our side beyond the pool, and a completion can always
 * be posted.
 *
 * With shadow doorbells the trap is replaced by a memory load: the doorbells
 * of I/O submission queues then signal `kick_fd` in the kernel where the
 * platform can, and the event loop serves the queues.
 *
 * Finished requests are collected: the worker that finds the list empty serves
 * it until it is empty again, so that what finishes meanwhile shares one turn
 * of the lock and one interrupt.
 *
 * Locking: pci.lock covers everything except `done`, which has done_lock, and
 * what is constant after create (marked). Order: pci.lock, done_lock.
 */
#ifndef DEV_NVME_NVME_INTERNAL_H
#define DEV_NVME_NVME_INTERNAL_H

#include "backend/block.h"
#include "bus/model.h"
#include "spec/nvme.h"

#define NVME_PAGE	 4096u
#define NVME_QUEUES_MAX	 255u /* I/O queue pairs */
#define NVME_SLOTS_MAX	 1024u
#define NVME_MDTS	 7u /* as a power of two of pages */
#define NVME_DATA_MAX	 (NVME_PAGE << NVME_MDTS)
#define NVME_DATA_PAGES	 (1u << NVME_MDTS)
#define NVME_BUDGET	 256u /* commands fetched before others have a turn */
#define NVME_AERS	 4u
#define NVME_ERRORS	 16u
#define NVME_TEMPERATURE 300u /* Kelvin */
#define NVME_FIRMWARE	 "1.0     "

/* A page of list entries always holds the entries one command can need. */
_Static_assert(NVME_DATA_PAGES + 1 <= BLOCK_IOV_MAX, "iovec of a request");

/*
 * BAR 0, 64-bit memory, 16 KiB:
 *   0x0000 registers, 0x1000 doorbells, 0x2000 MSI-X table, 0x3000 its PBA
 */
#define NVME_BAR	   0u
#define NVME_BAR_BYTES	   0x4000u
#define NVME_MSIX_TABLE	   0x2000u
#define NVME_MSIX_PBA	   0x3000u
#define NVME_DOORBELLS_END 0x2000u

/* What a handler returns when the completion comes later, or never. */
#define NVME_PENDING 0xffffu

struct nvme;

struct nvme_params {	 /* constant */
	uint16_t queues; /* I/O queue pairs */
	uint32_t queue_size;
	unsigned slots;
	unsigned lba_shift;
	bool dsm;
	char serial[21], model[41];
	uint64_t eui64;
	bool has_uuid;
	uint8_t uuid[16];
};

struct nvme_cq {
	gpa_t base;
	uint32_t size; /* entries; 0: no such queue */
	uint32_t head, tail;
	uint32_t reserved; /* entries promised to commands being carried out */
	uint16_t vector;
	uint16_t users; /* submission queues that complete here */
	bool phase;
	bool interrupts;
	bool due;     /* posted since its last interrupt */
	bool starved; /* a submission queue waits for room here */
};

struct nvme_sq {
	gpa_t base;
	uint32_t size; /* entries; 0: no such queue */
	uint32_t head, tail;
	uint32_t inflight; /* commands fetched and not completed */
	uint16_t id, cqid;
	uint16_t delete_cid; /* of the Delete I/O SQ that waits for inflight */
	bool deleting;
	uint64_t doorbell; /* address signalled by the kernel, 0: none */
};

struct nvme_req {
	struct block_req io; /* first */
	struct nvme *nvme;
	struct nvme_req *next; /* in the pool or in `done` */
	struct nvme_sq *sq;
	int result;
	uint16_t cid;
	uint8_t opcode;
	bool fua;		/* not complete before a flush */
	uint64_t lba;		/* for the error log */
	unsigned ranges, range; /* DSM: how many, and which is next */
	uint64_t range_done;	/* DSM: bytes of it that are done */
	union {
		struct iovec iov[BLOCK_IOV_MAX];
		struct nvme_dsm_range dsm[NVME_DSM_RANGES]; /* host order */
	};
};

struct nvme_features {
	uint32_t arbitration, error_recovery, coalescing, atomicity;
	uint32_t async_events;
	uint16_t over_k, under_k; /* temperature thresholds */
	bool write_cache;
	uint64_t no_coalescing[(NVME_QUEUES_MAX + 1) / 64]; /* by vector */
};

enum nvme_event {
	NVME_EV_BAD_DOORBELL,
	NVME_EV_BAD_VALUE,
	NVME_EV_TEMPERATURE,
	NVME_EVENTS
};

struct nvme_stats {			      /* since create */
	uint64_t blocks_read, blocks_written; /* of 512 bytes */
	uint64_t reads, writes, media_errors;
	uint64_t errors; /* error log entries ever written */
};

struct nvme {
	struct pci_dev pci; /* first */
	const struct gmem *gmem;
	struct irq_ctl *irq;
	const struct clock *clock;
	struct block *block;
	struct block_info info; /* constant */
	struct nvme_params params;
	uint64_t blocks; /* namespace size; constant */
	uint64_t start_ns;
	unsigned pm_cap;
	int kick_fd;
	struct ev_fd *kick;

	uint32_t cc, csts, intm, aqa;
	uint64_t asq, acq;
	bool resetting; /* CC.EN fell, requests are still in the back end */
	bool shutdown_flushed;
	uint16_t sqs_allowed, cqs_allowed; /* number of queues feature */
	uint8_t power;			   /* D state */
	unsigned busy;			   /* requests in the back end */
	struct nvme_features feat;
	struct nvme_sq sq[NVME_QUEUES_MAX + 1];
	struct nvme_cq cq[NVME_QUEUES_MAX + 1];
	unsigned next_sq; /* I/O queue whose turn it is, counted from 0 */

	bool shadow;		    /* doorbells in guest memory */
	gpa_t shadow_db, shadow_ei; /* values, event indexes */
	uint64_t doorbells;	    /* guest address, 0: BAR hidden */

	uint16_t aer_cid[NVME_AERS];
	unsigned aers;
	uint32_t events;	/* BIT(enum nvme_event): waiting */
	uint32_t events_masked; /* BIT(type): its log page was not read */
	struct nvme_error_entry error[NVME_ERRORS];
	struct nvme_stats stats;

	struct nvme_req *reqs; /* params.slots of them, then these two */
	struct nvme_req *admin_req, *shutdown_req;
	bool admin_busy;
	struct nvme_req *free;
	bool starved; /* a submission queue waits for a request */

	pthread_mutex_t done_lock; /* Locking: guards the three below */
	struct nvme_req *done, **done_tail;
	bool completing; /* a worker is serving `done` */
};

/* ---- nvme_model.c ---- */

/* Waits for the back end, frees everything; a half-built one too. */
void nvme_destroy(struct pci_dev *dev);

/* ---- nvme_ctrl.c ---- */

extern const struct pci_ops nvme_pci_ops;
/* May commands be fetched now? */
bool nvme_live(const struct nvme *nvme);
/* Stops the controller until it is reset; one line in the log. */
void nvme_fatal(struct nvme *nvme, const char *why);
/* What CC.EN = 0 does; complete when nvme->busy has fallen to 0. */
void nvme_reset(struct nvme *nvme);
/* A request left the back end: may finish a reset or a shutdown. */
void nvme_idle(struct nvme *nvme);
/* Name of the register at this offset, or NULL. */
const char *nvme_reg_name(unsigned off, unsigned *ret_width);

/* ---- nvme_queue.c ---- */

void nvme_sq_create(struct nvme *nvme, uint16_t id, uint16_t cqid, gpa_t base,
		    uint32_t size);
void nvme_cq_create(struct nvme *nvme, uint16_t id, gpa_t base, uint32_t size);
/* Frees the slot; nothing of it may be in flight. */
void nvme_sq_destroy(struct nvme *nvme, struct nvme_sq *sq);
uint32_t nvme_cq_room(const struct nvme_cq *cq); /* unreserved entries */
/* New tail or head; false: refused, an event was noted. */
bool nvme_sq_tail(struct nvme *nvme, struct nvme_sq *sq, uint32_t tail);
bool nvme_cq_head(struct nvme *nvme, struct nvme_cq *cq, uint32_t head);
/* A write to the doorbell area. */
void nvme_doorbell(struct nvme *nvme, uint64_t off, uint32_t value);
/* Fetches from all queues in turn, as far as there is room. */
void nvme_serve(struct nvme *nvme);
/* Lets the event loop do that. */
void nvme_kick(struct nvme *nvme);
/* Completes a fetched command. */
void nvme_answer(struct nvme *nvme, struct nvme_sq *sq, uint16_t cid,
		 uint16_t status, uint32_t dw0);
/* Gives the place of a fetched command back: it completes at another time. */
void nvme_unreserve(struct nvme *nvme, struct nvme_sq *sq);
/* Takes a place for a command given back before; false: no room. */
bool nvme_reserve(struct nvme *nvme, struct nvme_sq *sq);

/* ---- nvme_shadow.c ---- */

/* The Doorbell Buffer Config command. */
uint16_t nvme_shadow_config(struct nvme *nvme, const struct nvme_command *cmd);
void nvme_shadow_stop(struct nvme *nvme);
/* A queue was created: its values start at 0. */
void nvme_shadow_add_sq(struct nvme *nvme, struct nvme_sq *sq);
void nvme_shadow_add_cq(struct nvme *nvme, struct nvme_cq *cq);
/*
 * Takes the value the driver left, after asking for a doorbell when it changes
 * (a head: if we need to know).
 */
void nvme_shadow_tail(struct nvme *nvme, struct nvme_sq *sq);
void nvme_shadow_head(struct nvme *nvme, struct nvme_cq *cq);
/* Registers or removes what the kernel signals. */
void nvme_shadow_doorbell(struct nvme *nvme, struct nvme_sq *sq);
void nvme_shadow_doorbells(struct nvme *nvme);

/* ---- nvme_intr.c ---- */

/* Raises what is due; at the end of everything that posts. */
void nvme_interrupt(struct nvme *nvme);
/* Level of the pin, after heads, masks or modes changed. */
void nvme_pin_update(struct nvme *nvme);
bool nvme_pin_mode(const struct nvme *nvme);
/* INTMC: a masked interrupt that waits is sent. */
void nvme_unmask(struct nvme *nvme, uint32_t bits);

/* ---- nvme_prp.c ---- */

typedef int nvme_span_fn(void *ctx, gpa_t at, uint64_t len);
/*
 * Calls fn for each run of the `len` bytes of data (1 to NVME_DATA_MAX) that
 * the command points to, in order; adjacent pages come as one. NVMe status.
 */
uint16_t nvme_prp_walk(const struct gmem *gmem, const struct nvme_command *cmd,
		       uint64_t len, nvme_span_fn *fn, void *ctx);
/* The same to fill a buffer of ours, or the guest's with one of ours. */
uint16_t nvme_copy_in(struct nvme *nvme, const struct nvme_command *cmd,
		      void *dst, uint64_t len);
/* What `want` exceeds `len` is filled with zeroes. */
uint16_t nvme_copy_out(struct nvme *nvme, const struct nvme_command *cmd,
		       const void *src, uint64_t len, uint64_t want);

/* ---- nvme_io.c ---- */

/* Puts all requests into the pool. */
void nvme_pool_init(struct nvme *nvme);
/* Carries out a command of an I/O queue; a request must be free. */
uint16_t nvme_io_command(struct nvme *nvme, struct nvme_sq *sq,
			 const struct nvme_command *cmd);
/* Submits a flush; nvme->admin_req or shutdown_req. */
void nvme_flush(struct nvme_req *req, uint16_t cid);

/* ---- nvme_admin.c ---- */

uint16_t nvme_admin_command(struct nvme *nvme, const struct nvme_command *cmd,
			    uint32_t *ret_dw0);
/* The last command of a queue that is being deleted has completed. */
void nvme_delete_done(struct nvme *nvme, struct nvme_sq *sq);

/* ---- nvme_identify.c, nvme_feature.c, nvme_log.c ---- */

uint16_t nvme_identify(struct nvme *nvme, const struct nvme_command *cmd);
void nvme_features_reset(struct nvme *nvme);
uint16_t nvme_set_features(struct nvme *nvme, const struct nvme_command *cmd,
			   uint32_t *ret_dw0);
uint16_t nvme_get_features(struct nvme *nvme, const struct nvme_command *cmd,
			   uint32_t *ret_dw0);
uint16_t nvme_get_log(struct nvme *nvme, const struct nvme_command *cmd);
void nvme_log_error(struct nvme *nvme, const struct nvme_sq *sq, uint16_t cid,
		    uint16_t status, uint64_t lba);
uint8_t nvme_critical_warning(const struct nvme *nvme);
/* Something happened that the driver may have asked to hear of. */
void nvme_event(struct nvme *nvme, enum nvme_event event);
/* Reports what waits, as far as requests and room are there. */
void nvme_events_send(struct nvme *nvme);
uint16_t nvme_async_event(struct nvme *nvme, const struct nvme_command *cmd);

#endif
