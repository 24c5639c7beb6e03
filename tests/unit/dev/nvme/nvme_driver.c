/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's NVMe driver; see nvme_driver.h. */
#include "nvme_driver.h"

#include <endian.h>
#include <string.h>
#include <sys/eventfd.h>

#define LBA_BYTES 512u
#define PAGE	  4096u

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "nvme driver: %s\n", what);
	abort();
}

/* ---- platform ---- */

static int send_msi(void *ctx, struct irq_msg msg)
{
	struct drv *d = ctx;

	if (msg.data - 0x40 < DRV_VECTORS)
		__atomic_add_fetch(&d->vector[msg.data - 0x40], 1,
				   __ATOMIC_SEQ_CST);
	__atomic_store_n(&d->w.msi_data, msg.data, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&d->w.msis, 1, __ATOMIC_SEQ_CST);
	if (d->w.trace)
		fprintf(d->w.trace, "  msi %x\n", msg.data);
	return 0;
}

static void set_line(void *ctx, unsigned gsi, bool level)
{
	struct drv *d = ctx;
	uint32_t bit = BIT(gsi & 31);

	if (level) {
		__atomic_or_fetch(&d->w.line_level, bit, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&d->w.line_rises, 1, __ATOMIC_SEQ_CST);
	} else {
		__atomic_and_fetch(&d->w.line_level, ~bit, __ATOMIC_SEQ_CST);
	}
	if (d->w.trace)
		fprintf(d->w.trace, "  line %u %d\n", gsi, level);
}

static int add_doorbell(void *ctx, bool port, uint64_t addr, unsigned len,
			const uint64_t *match, int fd)
{
	struct drv *d = ctx;
	unsigned i;

	must(!port && len == 4 && !match, "unexpected kind of doorbell");
	if (d->w.refuse_doorbells)
		return -ENOSYS;
	for (i = 0; i < WORLD_DOORBELLS; i++) {
		if (d->w.doorbell[i].addr)
			continue;
		d->w.doorbell[i].addr = addr;
		d->w.doorbell[i].fd = fd;
		d->registered++;
		if (d->w.trace)
			fprintf(d->w.trace, "  doorbell %llx on\n",
				(unsigned long long)addr);
		return 0;
	}
	return -ENOSPC;
}

static int del_doorbell(void *ctx, bool port UNUSED, uint64_t addr,
			unsigned len UNUSED, const uint64_t *match UNUSED,
			int fd)
{
	struct drv *d = ctx;
	unsigned i;

	for (i = 0; i < WORLD_DOORBELLS; i++) {
		if (d->w.doorbell[i].addr != addr || d->w.doorbell[i].fd != fd)
			continue;
		d->w.doorbell[i].addr = 0;
		if (d->w.trace)
			fprintf(d->w.trace, "  doorbell %llx off\n",
				(unsigned long long)addr);
		return 0;
	}
	must(false, "doorbell taken away that was never there");
	return -ENOENT;
}

static const struct irq_ops drv_irq_ops = {
    .line_set = set_line,
    .msi_send = send_msi,
    .doorbell_add = add_doorbell,
    .doorbell_del = del_doorbell,
};

void drv_world(struct drv *d)
{
	*d = (struct drv){0};
	world_create(&d->w);
	d->w.irq = (struct irq_ctl){&drv_irq_ops, d};
}

/* ---- the function ---- */

static void find_caps(struct drv *d)
{
	unsigned cap, limit = 48;

	cap = world_cfg_read(&d->w, NVME_ADDR, PCI_CAPABILITY_LIST, 1);
	for (; cap && limit--;
	     cap = world_cfg_read(&d->w, NVME_ADDR, cap + 1, 1)) {
		switch (world_cfg_read(&d->w, NVME_ADDR, cap, 1)) {
		case PCI_CAP_ID_MSI:
			d->msi_cap = cap;
			break;
		case PCI_CAP_ID_MSIX:
			d->msix_cap = cap;
			break;
		default:
			break;
		}
	}
}

bool drv_probe(struct drv *d)
{
	uint32_t command;

	world_start(&d->w);
	if (world_cfg_read(&d->w, NVME_ADDR, PCI_CLASS_REVISION, 4) >> 8 !=
	    0x010802)
		return false;
	find_caps(d);
	d->bar =
	    world_cfg_read(&d->w, NVME_ADDR, PCI_BASE_ADDRESS_0, 4) & ~0xfu;
	d->bar |=
	    (uint64_t)world_cfg_read(&d->w, NVME_ADDR, PCI_BASE_ADDRESS_1, 4)
	    << 32;
	command = world_cfg_read(&d->w, NVME_ADDR, PCI_COMMAND, 2);
	world_cfg_write(&d->w, NVME_ADDR, PCI_COMMAND, 2,
			command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	drv_msix(d, true);
	return true;
}

void drv_msix(struct drv *d, bool on)
{
	uint32_t table =
	    world_cfg_read(&d->w, NVME_ADDR, d->msix_cap + PCI_MSIX_TABLE, 4);
	uint64_t at = d->bar + (table & ~7u);
	unsigned i;

	for (i = 0; on && i < DRV_VECTORS; i++, at += PCI_MSIX_ENTRY_SIZE) {
		(void)aspace_write(d->w.mmio, at, 4, 0xfee00000u);
		(void)aspace_write(d->w.mmio, at + 4, 4, 0);
		(void)aspace_write(d->w.mmio, at + 8, 4, 0x40 + i);
		(void)aspace_write(d->w.mmio, at + 12, 4, 0);
	}
	world_cfg_write(&d->w, NVME_ADDR, d->msix_cap + PCI_MSIX_FLAGS, 2,
			on ? PCI_MSIX_FLAGS_ENABLE : 0);
}

void drv_msi(struct drv *d)
{
	drv_msix(d, false);
	world_cfg_write(&d->w, NVME_ADDR, d->msi_cap + PCI_MSI_ADDRESS_LO, 4,
			0xfee00000u);
	world_cfg_write(&d->w, NVME_ADDR, d->msi_cap + PCI_MSI_DATA_64, 2,
			0x40);
	world_cfg_write(&d->w, NVME_ADDR, d->msi_cap + PCI_MSI_FLAGS, 2,
			PCI_MSI_FLAGS_ENABLE);
}

uint32_t drv_vector(const struct drv *d, unsigned n)
{
	return __atomic_load_n(&d->vector[n], __ATOMIC_SEQ_CST);
}

uint32_t drv_get(struct drv *d, unsigned reg)
{
	uint64_t v;

	(void)aspace_read(d->w.mmio, d->bar + reg, 4, &v);
	return (uint32_t)v;
}

uint64_t drv_get64(struct drv *d, unsigned reg)
{
	uint64_t v;

	(void)aspace_read(d->w.mmio, d->bar + reg, 8, &v);
	return v;
}

void drv_set(struct drv *d, unsigned reg, uint32_t v)
{
	(void)aspace_write(d->w.mmio, d->bar + reg, 4, v);
}

void drv_set64(struct drv *d, unsigned reg, uint64_t v)
{
	(void)aspace_write(d->w.mmio, d->bar + reg, 8, v);
}

/* ---- queues ---- */

static void queue_init(struct drv *d, unsigned q, uint32_t size)
{
	static const uint8_t zeroes[0x10000];
	uint64_t sq = DRV_SQ(q), cq = DRV_CQ(q);

	d->q[q] = (struct drv_queue){.size = size,
				     .cq_size = size,
				     .cqid = (uint16_t)q,
				     .phase = true,
				     .sq = sq,
				     .cq = cq};
	mem_put(&d->w, sq, zeroes, MIN((size_t)size * 64, sizeof(zeroes)));
	mem_put(&d->w, cq, zeroes, MIN((size_t)size * 16, sizeof(zeroes)));
}

uint32_t drv_enable(struct drv *d, uint32_t size)
{
	d->shadow = false;
	queue_init(d, 0, size);
	drv_set(d, NVME_REG_AQA, (size - 1) | (size - 1) << 16);
	drv_set64(d, NVME_REG_ASQ, d->q[0].sq);
	drv_set64(d, NVME_REG_ACQ, d->q[0].cq);
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN);
	return drv_get(d, NVME_REG_CSTS);
}

void drv_disable(struct drv *d)
{
	drv_set(d, NVME_REG_CC, DRV_CC);
}

uint16_t drv_put(struct drv *d, unsigned q, struct nvme_command cmd)
{
	struct drv_queue *dq = &d->q[q];

	if (!cmd.cid)
		cmd.cid = ++d->next_cid;
	/* x86 guests and hosts agree on the byte order. */
	mem_put(&d->w, dq->sq + dq->tail * sizeof(cmd), &cmd, sizeof(cmd));
	dq->tail = dq->tail + 1 == dq->size ? 0 : dq->tail + 1;
	return cmd.cid;
}

/* A register write, which the kernel may turn into a signal. */
static void write_doorbell(struct drv *d, uint32_t off, uint32_t v)
{
	uint64_t at = d->bar + NVME_DOORBELLS + off;
	unsigned i;

	d->rings++;
	for (i = 0; i < WORLD_DOORBELLS; i++) {
		if (d->w.doorbell[i].addr != at)
			continue;
		must(eventfd_write(d->w.doorbell[i].fd, 1) == 0, "doorbell");
		return;
	}
	(void)aspace_write(d->w.mmio, at, 4, v);
}

/* Is `event` among the values passed between old and new? (7.13) */
static bool passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static void tell(struct drv *d, unsigned q, uint32_t off, uint32_t v)
{
	uint32_t old, event;

	if (!d->shadow || q == 0) {
		write_doorbell(d, off, v);
		return;
	}
	must(!gmem_load32(d->w.gmem, gpa(DRV_SHADOW + off), &old), "shadow");
	must(!gmem_store32(d->w.gmem, gpa(DRV_SHADOW + off), v), "shadow");
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	must(!gmem_load32(d->w.gmem, gpa(DRV_EVENTIDX + off), &event), "index");
	if (passed((uint16_t)event, (uint16_t)v, (uint16_t)old))
		write_doorbell(d, off, v);
}

void drv_ring(struct drv *d, unsigned q)
{
	tell(d, q, NVME_SQ_DOORBELL(q), d->q[q].tail);
	d->q[q].rung = d->q[q].tail;
}

void drv_ack(struct drv *d, unsigned q)
{
	tell(d, q, NVME_CQ_DOORBELL(q), d->q[q].head);
}

bool drv_get_cqe(struct drv *d, unsigned q, struct nvme_completion *ret_entry)
{
	struct drv_queue *dq = &d->q[q];
	uint64_t at = dq->cq + dq->head * sizeof(*ret_entry);
	uint32_t status;

	if (!dq->cq_size)
		return false;
	/* The device's thread writes it: loaded as a driver would. */
	must(!gmem_load32(d->w.gmem, gpa(at + 12), &status), "entry");
	if ((status >> 16 & 1) != dq->phase)
		return false;
	mem_get(&d->w, at, ret_entry, sizeof(*ret_entry));
	ret_entry->status = status;
	if (++dq->head == dq->cq_size) {
		dq->head = 0;
		dq->phase = !dq->phase;
	}
	return true;
}

uint16_t drv_do(struct drv *d, unsigned q, struct nvme_command cmd,
		uint32_t *ret_dw0)
{
	struct nvme_completion entry;

	(void)drv_put(d, q, cmd);
	drv_ring(d, q);
	world_run(&d->w);
	if (!drv_get_cqe(d, d->q[q].cqid, &entry))
		return DRV_NOTHING;
	drv_ack(d, d->q[q].cqid);
	if (ret_dw0)
		*ret_dw0 = entry.dw0;
	return cqe_status(&entry);
}

uint16_t drv_create_cq(struct drv *d, unsigned q, uint32_t size,
		       unsigned vector)
{
	const struct nvme_command cmd = {
	    .opcode = NVME_ADM_CREATE_CQ,
	    .prp1 = DRV_CQ(q),
	    .cdw10 = q | (size - 1) << 16,
	    .cdw11 = NVME_QUEUE_PC | NVME_QUEUE_IEN | vector << 16,
	};

	queue_init(d, q, size);
	return drv_do(d, 0, cmd, NULL);
}

uint16_t drv_create_sq(struct drv *d, unsigned q, uint32_t size, unsigned cqid)
{
	const struct nvme_command cmd = {
	    .opcode = NVME_ADM_CREATE_SQ,
	    .prp1 = DRV_SQ(q),
	    .cdw10 = q | (size - 1) << 16,
	    .cdw11 = NVME_QUEUE_PC | cqid << 16,
	};

	d->q[q].sq = DRV_SQ(q);
	d->q[q].size = size;
	d->q[q].cqid = (uint16_t)cqid;
	d->q[q].tail = 0;
	return drv_do(d, 0, cmd, NULL);
}

uint16_t drv_pair(struct drv *d, unsigned q, uint32_t size)
{
	uint16_t status = drv_create_cq(d, q, size, q);

	return status ? status : drv_create_sq(d, q, size, q);
}

uint16_t drv_delete(struct drv *d, uint8_t opcode, unsigned q)
{
	return drv_do(d, 0, (struct nvme_command){.opcode = opcode, .cdw10 = q},
		      NULL);
}

uint16_t drv_shadow(struct drv *d)
{
	static const uint8_t zeroes[PAGE];
	const struct nvme_command cmd = {
	    .opcode = NVME_ADM_DOORBELL_BUFFER,
	    .prp1 = DRV_SHADOW,
	    .prp2 = DRV_EVENTIDX,
	};
	uint16_t status;

	mem_put(&d->w, DRV_SHADOW, zeroes, sizeof(zeroes));
	mem_put(&d->w, DRV_EVENTIDX, zeroes, sizeof(zeroes));
	status = drv_do(d, 0, cmd, NULL);
	d->shadow = status == 0;
	return status;
}

struct nvme_command drv_rw(struct drv *d, bool write, uint64_t lba,
			   uint32_t blocks, uint64_t data)
{
	uint64_t len = (uint64_t)blocks * LBA_BYTES, at = DRV_DATA + data;
	uint64_t first = PAGE - (at & (PAGE - 1)), next = at + first;
	struct nvme_command cmd = {
	    .opcode = write ? NVME_CMD_WRITE : NVME_CMD_READ,
	    .nsid = 1,
	    .prp1 = at,
	    .prp2 = next,
	    .cdw10 = (uint32_t)lba,
	    .cdw11 = (uint32_t)(lba >> 32),
	    .cdw12 = blocks - 1,
	};
	unsigned i;

	if (len <= first + PAGE)
		return cmd;
	/* A list for each part of the data area, so that they do not meet. */
	cmd.prp2 = DRV_LIST + (data / 0x8000) * 0x400;
	for (i = 0; next < at + len; i++, next += PAGE)
		mem_put64(&d->w, cmd.prp2 + 8u * i, next);
	return cmd;
}
