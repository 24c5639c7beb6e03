/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's NVMe driver, for tests and fuzzers: finds the controller in a
 * world of fakes (../../virtio/driver.h), enables it, makes queues in guest
 * memory, submits commands and reads completions.
 *
 * Nothing here trusts the device, and nothing asserts for a test: functions
 * return what they saw.
 */
#ifndef TESTS_DEV_NVME_DRIVER_H
#define TESTS_DEV_NVME_DRIVER_H

#include "driver.h"
#include "spec/nvme.h"

#define NVME_ADDR    ((struct pci_addr){0, 4, 0})
#define DRV_QUEUES   6u /* the admin queue is 0 */
#define DRV_VECTORS  17u
#define DRV_NOTHING  0xffffu /* no completion came */
#define DRV_SQ(q)    (0x40000u + (q)*0x20000u)
#define DRV_CQ(q)    (0x50000u + (q)*0x20000u)
#define DRV_SHADOW   0x20000u
#define DRV_EVENTIDX 0x21000u
#define DRV_LIST     0x180000u
#define DRV_DATA     0x200000u
#define DRV_CC	     (NVME_CC_IOSQES_64 | NVME_CC_IOCQES_16)

struct drv_queue {
	uint32_t size, cq_size;
	uint32_t tail, head;
	uint32_t rung; /* last tail told the device */
	uint16_t cqid;
	bool phase;
	uint64_t sq, cq;
};

struct drv {
	struct world w; /* first */
	uint64_t bar;
	unsigned msi_cap, msix_cap;
	uint32_t vector[DRV_VECTORS]; /* messages that came, by data - 0x40 */
	uint32_t registered;	      /* doorbells ever given to the kernel */
	uint32_t rings;		      /* register writes the driver made */
	struct drv_queue q[DRV_QUEUES];
	uint16_t next_cid;
	bool shadow;
};

/* Before the model is created: the world, with interrupts that count. */
void drv_world(struct drv *d);
/* After: addresses, bus mastering, MSI-X on; false: no such function. */
bool drv_probe(struct drv *d);
void drv_msix(struct drv *d, bool on);
void drv_msi(struct drv *d);
uint32_t drv_vector(const struct drv *d, unsigned n);

uint32_t drv_get(struct drv *d, unsigned reg);
uint64_t drv_get64(struct drv *d, unsigned reg);
void drv_set(struct drv *d, unsigned reg, uint32_t v);
void drv_set64(struct drv *d, unsigned reg, uint64_t v);

/* Admin queue of `size` entries, CC.EN; CSTS then. */
uint32_t drv_enable(struct drv *d, uint32_t size);
void drv_disable(struct drv *d);

/* Puts a command into queue q and moves the tail; nothing is told. */
uint16_t drv_put(struct drv *d, unsigned q, struct nvme_command cmd);
/* Tells the tail, or the head, as the mode demands. */
void drv_ring(struct drv *d, unsigned q);
void drv_ack(struct drv *d, unsigned q);
/* Next entry of completion queue q; its head moves, nothing is told. */
bool drv_get_cqe(struct drv *d, unsigned q, struct nvme_completion *ret_entry);
static inline uint16_t cqe_status(const struct nvme_completion *entry)
{
	return (uint16_t)(entry->status >> 17);
}
static inline uint16_t cqe_cid(const struct nvme_completion *entry)
{
	return entry->status & 0xffff;
}
/* Submits, lets the device work, takes the next entry: its status field. */
uint16_t drv_do(struct drv *d, unsigned q, struct nvme_command cmd,
		uint32_t *ret_dw0);

/* Both queues of a pair with vector q; the first status that is not 0. */
uint16_t drv_pair(struct drv *d, unsigned q, uint32_t size);
uint16_t drv_create_cq(struct drv *d, unsigned q, uint32_t size,
		       unsigned vector);
uint16_t drv_create_sq(struct drv *d, unsigned q, uint32_t size, unsigned cqid);
uint16_t drv_delete(struct drv *d, uint8_t opcode, unsigned q);
/* Doorbell Buffer Config; the driver goes by it from then on. */
uint16_t drv_shadow(struct drv *d);

/* A transfer of `blocks` at `lba`; data at DRV_DATA + offset, whole pages. */
struct nvme_command drv_rw(struct drv *d, bool write, uint64_t lba,
			   uint32_t blocks, uint64_t data);

#endif
