/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe controller's registers and states: enabled, reset, shut down, dead.
 *
 * CC.EN 1 -> 0 stops the intake at once; CSTS.RDY reads 0 when the last request
 * has left the back end, because until then the host may still write into the
 * guest's memory. No vCPU waits: the driver polls CSTS. CC.EN 0 -> 1 in between
 * is done when the reset is.
 *
 * Shutdown (CC.SHN) also stops the intake, lets what runs complete, flushes
 * and then says so in CSTS.SHST. Only a reset leads out of it.
 *
 * Source: NVMe 1.4, 3.1 (registers), 7.3 (reset), 7.6 (enable, shutdown).
 */
#include "base/log.h"
#include "dev/nvme/nvme_internal.h"

#define READY_TIMEOUT 60u /* CAP.TO, in 500 ms */

struct reg {
	uint8_t off, width;
	const char *name;
};

static const struct reg regs[] = {
    {NVME_REG_CAP, 8, "CAP"},	  {NVME_REG_VS, 4, "VS"},
    {NVME_REG_INTMS, 4, "INTMS"}, {NVME_REG_INTMC, 4, "INTMC"},
    {NVME_REG_CC, 4, "CC"},	  {NVME_REG_CSTS, 4, "CSTS"},
    {NVME_REG_NSSR, 4, "NSSR"},	  {NVME_REG_AQA, 4, "AQA"},
    {NVME_REG_ASQ, 8, "ASQ"},	  {NVME_REG_ACQ, 8, "ACQ"},
};

const char *nvme_reg_name(unsigned off, unsigned *ret_width)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(regs); i++) {
		if (regs[i].off != off)
			continue;
		*ret_width = regs[i].width;
		return regs[i].name;
	}
	return NULL;
}

/* ---- states ---- */

bool nvme_live(const struct nvme *nvme)
{
	return (nvme->csts & ~NVME_CSTS_RDY) == 0 &&
	       (nvme->csts & NVME_CSTS_RDY) && !nvme->resetting &&
	       nvme->power == 0 && pci_bus_master(&nvme->pci);
}

void nvme_fatal(struct nvme *nvme, const char *why)
{
	if (nvme->csts & NVME_CSTS_CFS)
		return;
	log_guest("%s: fatal: %s; stopped until the guest resets it",
		  nvme->pci.name, why);
	nvme->csts |= NVME_CSTS_CFS;
}

static void queues_clear(struct nvme *nvme)
{
	unsigned i;

	for (i = 0; i <= nvme->params.queues; i++)
		if (nvme->sq[i].size)
			nvme_sq_destroy(nvme, &nvme->sq[i]);
	for (i = 0; i <= nvme->params.queues; i++)
		nvme->cq[i] = (struct nvme_cq){0};
}

static bool queue_base_ok(const struct nvme *nvme, uint64_t base,
			  uint64_t bytes)
{
	struct iovec iov[GMEM_RANGES_MAX];
	unsigned count = 0;

	return (base & (NVME_PAGE - 1)) == 0 &&
	       gmem_iov(nvme->gmem, gpa(base), bytes, iov, ARRAY_LEN(iov),
			&count) == 0;
}

/* CC.EN rose: is what the driver set usable? */
static const char *enable_fault(const struct nvme *nvme)
{
	uint32_t sq_size = NVME_AQA_ASQS(nvme->aqa) + 1;
	uint32_t cq_size = NVME_AQA_ACQS(nvme->aqa) + 1;

	if (nvme->cc & NVME_CC_CSS)
		return "enabled with another command set than NVM";
	if (nvme->cc & NVME_CC_MPS)
		return "enabled with pages of more than 4 KiB";
	if (nvme->cc & NVME_CC_AMS)
		return "enabled with another arbitration than round robin";
	if (sq_size < 2 || cq_size < 2)
		return "enabled with an admin queue of one entry";
	if (!queue_base_ok(nvme, nvme->asq,
			   sq_size * sizeof(struct nvme_command)) ||
	    !queue_base_ok(nvme, nvme->acq,
			   cq_size * sizeof(struct nvme_completion)))
		return "enabled with an admin queue that is not in memory";
	return NULL;
}

static void enable(struct nvme *nvme)
{
	const char *fault = enable_fault(nvme);

	nvme->csts &= ~NVME_CSTS_SHST;
	if (fault) {
		nvme_fatal(nvme, fault);
		return;
	}
	nvme_cq_create(nvme, 0, gpa(nvme->acq), NVME_AQA_ACQS(nvme->aqa) + 1);
	nvme->cq[0].interrupts = true;
	nvme_sq_create(nvme, 0, 0, gpa(nvme->asq),
		       NVME_AQA_ASQS(nvme->aqa) + 1);
	nvme->csts |= NVME_CSTS_RDY;
}

/* AQA, ASQ and ACQ survive (7.3.2). */
static void reset_finish(struct nvme *nvme)
{
	queues_clear(nvme);
	nvme_features_reset(nvme);
	nvme->csts = 0;
	nvme->intm = 0;
	nvme->aers = 0;
	nvme->events = 0;
	nvme->events_masked = 0;
	nvme->starved = false;
	nvme->sqs_allowed = nvme->cqs_allowed = nvme->params.queues;
	nvme->resetting = false;
	nvme_pin_update(nvme);
	if (nvme->cc & NVME_CC_EN)
		enable(nvme);
}

void nvme_reset(struct nvme *nvme)
{
	nvme->resetting = true;
	nvme_shadow_stop(nvme);
	nvme_idle(nvme);
}

/* Everything that was carried out is in the back end: make it stay there. */
static void shutdown_step(struct nvme *nvme)
{
	if ((nvme->csts & NVME_CSTS_SHST) != NVME_CSTS_SHST_BUSY)
		return;
	if (!nvme->shutdown_flushed && nvme->info.write_cache) {
		nvme->shutdown_flushed = true;
		nvme_flush(nvme->shutdown_req, 0);
		return;
	}
	nvme->csts &= ~NVME_CSTS_SHST;
	nvme->csts |= NVME_CSTS_SHST_DONE;
}

void nvme_idle(struct nvme *nvme)
{
	if (nvme->busy)
		return;
	if (nvme->resetting)
		reset_finish(nvme);
	else
		shutdown_step(nvme);
}

static void shutdown_begin(struct nvme *nvme)
{
	if (nvme->csts & NVME_CSTS_SHST)
		return;
	nvme->csts |= NVME_CSTS_SHST_BUSY;
	nvme->shutdown_flushed = false;
	nvme_idle(nvme);
}

static void cc_write(struct nvme *nvme, uint32_t v)
{
	const uint32_t fixed = NVME_CC_CSS | NVME_CC_MPS | NVME_CC_AMS;
	uint32_t old = nvme->cc;

	v &= NVME_CC_EN | fixed | NVME_CC_SHN | NVME_CC_IOSQES | NVME_CC_IOCQES;
	/* These may change while disabled only. */
	if ((old & NVME_CC_EN) && (v & NVME_CC_EN))
		v = (v & ~fixed) | (old & fixed);
	nvme->cc = v;
	if ((old & NVME_CC_EN) && !(v & NVME_CC_EN)) {
		nvme_reset(nvme);
		return;
	}
	/* A reset still going on enables when it is done. */
	if (nvme->resetting)
		return;
	if (!(old & NVME_CC_EN) && (v & NVME_CC_EN))
		enable(nvme);
	if ((v & NVME_CC_SHN) && !(old & NVME_CC_SHN))
		shutdown_begin(nvme);
}

/* ---- registers ---- */

static uint64_t cap_value(const struct nvme *nvme)
{
	return NVME_CAP_MQES(nvme->params.queue_size - 1) | NVME_CAP_CQR |
	       NVME_CAP_TO(READY_TIMEOUT) | NVME_CAP_CSS_NVM;
}

static uint32_t reg_read32(const struct nvme *nvme, uint64_t off)
{
	switch (off) {
	case NVME_REG_CAP:
		return (uint32_t)cap_value(nvme);
	case NVME_REG_CAP + 4:
		return (uint32_t)(cap_value(nvme) >> 32);
	case NVME_REG_VS:
		return NVME_VS_1_4;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return nvme->intm;
	case NVME_REG_CC:
		return nvme->cc;
	case NVME_REG_CSTS:
		return nvme->csts;
	case NVME_REG_AQA:
		return nvme->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)nvme->asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(nvme->asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)nvme->acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(nvme->acq >> 32);
	default:
		return 0;
	}
}

static uint64_t with_half(uint64_t old, bool high, uint32_t v)
{
	return high ? (old & UINT32_MAX) | (uint64_t)v << 32
		    : (old & ~(uint64_t)UINT32_MAX) | v;
}

/* Where the admin queue lies may change while disabled only. */
static void admin_reg_write(struct nvme *nvme, uint64_t off, uint32_t v)
{
	if (nvme->cc & NVME_CC_EN)
		return;
	switch (off) {
	case NVME_REG_AQA:
		nvme->aqa = v & NVME_AQA_MASK;
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		nvme->asq = with_half(nvme->asq, off != NVME_REG_ASQ, v);
		break;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		nvme->acq = with_half(nvme->acq, off != NVME_REG_ACQ, v);
		break;
	default:
		break;
	}
}

static void reg_write32(struct nvme *nvme, uint64_t off, uint32_t v)
{
	switch (off) {
	case NVME_REG_INTMS:
		nvme->intm |= v;
		nvme_pin_update(nvme);
		break;
	case NVME_REG_INTMC:
		nvme_unmask(nvme, v);
		break;
	case NVME_REG_CC:
		cc_write(nvme, v);
		break;
	default:
		admin_reg_write(nvme, off, v);
		break;
	}
}

static uint64_t bar_read(struct pci_dev *dev, unsigned bar UNUSED, uint64_t off,
			 unsigned size)
{
	struct nvme *nvme = dev->ctx;
	uint64_t v;

	/* Doorbells read as 0 (3.1.24: not defined). */
	if (off >= NVME_DOORBELLS)
		return 0;
	v = reg_read32(nvme, off & ~3ull);
	if (size == 8)
		return v | (uint64_t)reg_read32(nvme, off + 4) << 32;
	return v >> (8 * (off & 3));
}

/* Registers are written whole or by halves of 32 bits (3.1). */
static void dropped(const struct nvme *nvme, uint64_t off, unsigned size)
{
	unsigned width;
	const char *name = nvme_reg_name((unsigned)off & ~3u, &width);

	log_guest("%s: %u-byte write at 0x%llx (%s) dropped", nvme->pci.name,
		  size, (unsigned long long)off,
		  name			 ? name
		  : off < NVME_DOORBELLS ? "?"
					 : "doorbell");
}

static void bar_write(struct pci_dev *dev, unsigned bar UNUSED, uint64_t off,
		      unsigned size, uint64_t value)
{
	struct nvme *nvme = dev->ctx;

	if (size < 4) {
		dropped(nvme, off, size);
		return;
	}
	if (off >= NVME_DOORBELLS) {
		if (off < NVME_DOORBELLS_END)
			nvme_doorbell(nvme, off - NVME_DOORBELLS,
				      (uint32_t)value);
		return;
	}
	reg_write32(nvme, off, (uint32_t)value);
	if (size == 8)
		reg_write32(nvme, off + 4, (uint32_t)(value >> 32));
	nvme_interrupt(nvme);
}

/* ---- config space ---- */

static void bar_moved(struct pci_dev *dev, unsigned bar, bool on)
{
	struct nvme *nvme = dev->ctx;

	if (bar != NVME_BAR)
		return;
	nvme->doorbells = on ? dev->bar[NVME_BAR].base + NVME_DOORBELLS : 0;
	nvme_shadow_doorbells(nvme);
}

static void command_changed(struct pci_dev *dev, uint16_t old_command)
{
	/* What the doorbells told while the function was off the bus. */
	if (!(old_command & PCI_COMMAND_MASTER))
		nvme_kick(dev->ctx);
}

/* D0 and D3hot; other states keep the present one (PCI PM 1.2, 3.2.4). */
static void power_written(struct nvme *nvme)
{
	unsigned off = nvme->pm_cap + PCI_PM_CTRL;
	uint16_t ctrl = pci_cfg16(&nvme->pci, off);
	uint16_t state = ctrl & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		state = nvme->power;
	nvme->power = (uint8_t)state;
	pci_set16(&nvme->pci, off,
		  (uint16_t)((ctrl & ~PCI_PM_CTRL_STATE_MASK) | state));
	nvme_kick(nvme);
}

static void cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct nvme *nvme = dev->ctx;

	if (range_overlaps(off, size, nvme->pm_cap + PCI_PM_CTRL, 2))
		power_written(nvme);
	/* MSI or MSI-X may have been switched: the pin follows. */
	nvme_pin_update(nvme);
	nvme_interrupt(nvme);
}

const struct pci_ops nvme_pci_ops = {
    .cfg_written = cfg_written,
    .command_changed = command_changed,
    .bar_read = bar_read,
    .bar_write = bar_write,
    .bar_moved = bar_moved,
    .destroy = nvme_destroy,
};
