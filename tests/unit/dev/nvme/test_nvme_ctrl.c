/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: registers, enable, reset, shutdown, interrupts, the PCI function. */
#include "nvme_fixture.h"

#include <string.h>

#define GSI   (IRQ_PIRQ_FIRST + (4 + 4 + 1 - 1) % IRQ_PIRQS)
#define READY NVME_CSTS_RDY
#define CFS   NVME_CSTS_CFS

static int setup(void **state)
{
	*state = nvme_build("path=/disk");
	return 0;
}

static int setup_up(void **state)
{
	*state = nvme_build_up("path=/disk");
	return 0;
}

static int setup_sync(void **state)
{
	*state = nvme_build_up("path=/disk,sync");
	return 0;
}

static struct nvme_command identify(void)
{
	return (struct nvme_command){.opcode = NVME_ADM_IDENTIFY,
				     .prp1 = DRV_DATA,
				     .cdw10 = NVME_CNS_CONTROLLER};
}

static void read_one(struct drv *d)
{
	drv_put(d, 1, drv_rw(d, false, 0, 8, 0));
	drv_ring(d, 1);
	world_run(&d->w);
}

/* ---- registers ---- */

static void test_registers(void **state)
{
	struct drv *d = *state;
	uint64_t v;

	/* 2058 entries, contiguous, 30 s, stride 0, NVM, 4 KiB pages. */
	assert_int_equal(drv_get64(d, NVME_REG_CAP), 0x203c010809ull);
	assert_int_equal(drv_get(d, NVME_REG_CAP + 4), 0x20);
	assert_int_equal(drv_get(d, NVME_REG_VS), 0x10400);
	assert_int_equal(drv_get(d, NVME_REG_CC), 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	/* Parts of a register, and what lies between registers. */
	(void)aspace_read(d->w.mmio, d->bar + NVME_REG_VS + 1, 1, &v);
	assert_int_equal(v, 4);
	(void)aspace_read(d->w.mmio, d->bar + NVME_REG_CAP + 2, 2, &v);
	assert_int_equal(v, 0x3c01);
	assert_int_equal(drv_get(d, 0x38), 0);
	assert_int_equal(drv_get(d, NVME_DOORBELLS), 0);
	/* Written in halves or whole; narrow writes do nothing. */
	drv_set(d, NVME_REG_ASQ + 4, 1);
	drv_set(d, NVME_REG_ASQ, 0x23000);
	assert_int_equal(drv_get64(d, NVME_REG_ASQ), 0x100023000ull);
	(void)aspace_write(d->w.mmio, d->bar + NVME_REG_AQA, 2, 7);
	assert_int_equal(drv_get(d, NVME_REG_AQA), 0);
	drv_set(d, NVME_REG_AQA, 0xffffffffu);
	assert_int_equal(drv_get(d, NVME_REG_AQA), 0x0fff0fff);
	drv_set(d, NVME_REG_VS, 0);
	assert_int_equal(drv_get(d, NVME_REG_VS), 0x10400);
}

static void test_enable(void **state)
{
	struct drv *d = *state;

	assert_int_equal(drv_enable(d, 16), READY);
	assert_int_equal(drv_do(d, 0, identify(), NULL), 0);
	assert_int_equal(drv_vector(d, 0), 1);
	/* Fixed while enabled. */
	drv_set(d, NVME_REG_AQA, 0);
	drv_set64(d, NVME_REG_ASQ, 0);
	assert_int_equal(drv_get(d, NVME_REG_AQA), 0x000f000f);
	assert_int_equal(drv_get64(d, NVME_REG_ASQ), DRV_SQ(0));
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN | NVME_CC_MPS);
	assert_int_equal(drv_get(d, NVME_REG_CC), DRV_CC | NVME_CC_EN);
	drv_disable(d);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	/* Survive: a driver may enable again without setting them. */
	assert_int_equal(drv_get64(d, NVME_REG_ASQ), DRV_SQ(0));
	assert_int_equal(drv_enable(d, 16), READY);
	assert_int_equal(drv_do(d, 0, identify(), NULL), 0);
}

static void enable_fails(struct drv *d, uint32_t cc, uint32_t aqa, uint64_t asq,
			 uint64_t acq)
{
	drv_set(d, NVME_REG_AQA, aqa);
	drv_set64(d, NVME_REG_ASQ, asq);
	drv_set64(d, NVME_REG_ACQ, acq);
	drv_set(d, NVME_REG_CC, cc | NVME_CC_EN);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), CFS);
	drv_disable(d);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
}

static void test_enable_faults(void **state)
{
	struct drv *d = *state;

	enable_fails(d, 0x10, 0xf000f, 0x10000, 0x20000);  /* CSS */
	enable_fails(d, 0x80, 0xf000f, 0x10000, 0x20000);  /* MPS */
	enable_fails(d, 0x800, 0xf000f, 0x10000, 0x20000); /* AMS */
	enable_fails(d, 0, 0xf0000, 0x10000, 0x20000);
	enable_fails(d, 0, 0x0000f, 0x10000, 0x20000);
	enable_fails(d, 0, 0xf000f, 0x10010, 0x20000);
	enable_fails(d, 0, 0xf000f, 0x10000, 0x20800);
	enable_fails(d, 0, 0xfff0fff, WORLD_RAM_END - 0x1000, 0x20000);
	enable_fails(d, 0, 0xf000f, 0x10000, WORLD_RAM_END);
	enable_fails(d, 0, 0xf000f, ~0xfffull, 0x20000);
	assert_int_equal(drv_enable(d, 16), READY);
	assert_int_equal(drv_do(d, 0, identify(), NULL), 0);
}

/* A queue over the border of two host mappings is as good as any. */
static void test_queue_over_border(void **state)
{
	struct drv *d = *state;
	unsigned i;

	assert_int_equal(drv_enable(d, 128), READY);
	drv_disable(d);
	d->q[0].sq = WORLD_RAM - 0x1000;
	d->q[0].cq = WORLD_RAM + 0x2000;
	drv_set64(d, NVME_REG_ASQ, d->q[0].sq);
	drv_set64(d, NVME_REG_ACQ, d->q[0].cq);
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN);
	d->q[0].phase = true;
	d->q[0].head = d->q[0].tail = 0;
	for (i = 0; i < 300; i++)
		assert_int_equal(drv_do(d, 0, identify(), NULL), 0);
}

/* ---- reset ---- */

static void test_reset_in_flight(void **state)
{
	struct drv *d = *state;
	uint32_t msis;
	uint8_t before[4096], after[4096];

	memset(the_block->disk, 0x77, 4096);
	read_one(d);
	read_one(d);
	assert_int_equal(the_block->count, 2);
	msis = world_msis(&d->w);
	drv_disable(d);
	/* The host may still write into the guest: not reset yet. */
	assert_int_equal(drv_get(d, NVME_REG_CSTS), READY);
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), READY);
	drv_ring(d, 1); /* nobody listens */
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	mem_get(&d->w, DRV_CQ(1), before, sizeof(before));
	world_run(&d->w);
	nvme_unanswered(d, 1);
	assert_int_equal(world_msis(&d->w), msis);
	nvme_up(d);
	read_one(d);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	mem_get(&d->w, DRV_DATA, after, sizeof(after));
	assert_memory_equal(after, the_block->disk, sizeof(after));
}

/* Enabled again before the reset was over: it is, as soon as it can be. */
static void test_enable_during_reset(void **state)
{
	struct drv *d = *state;

	read_one(d);
	drv_disable(d);
	assert_int_equal(drv_enable(d, 16), READY); /* the old life's */
	drv_put(d, 0, identify());
	drv_ring(d, 0);
	nvme_unanswered(d, 0);
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), READY);
	/* What was rung in between is lost; the queues are new. */
	d->q[0].tail = 0;
	assert_int_equal(drv_do(d, 0, identify(), NULL), 0);
	assert_int_equal(drv_pair(d, 1, 16), 0);
}

/* And disabled once more: then it stays so. */
static void test_disable_twice(void **state)
{
	struct drv *d = *state;

	read_one(d);
	drv_disable(d);
	(void)drv_enable(d, 16);
	drv_disable(d);
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
}

static void test_destroy_in_flight(void **state)
{
	struct drv *d = *state;

	read_one(d);
	assert_int_equal(the_block->count, 1);
	/* nvme_teardown destroys the device; the sanitizer watches */
}

/* ---- shutdown ---- */

static uint32_t shst(struct drv *d)
{
	return drv_get(d, NVME_REG_CSTS) & NVME_CSTS_SHST;
}

static void test_shutdown(void **state)
{
	struct drv *d = *state;

	drv_put(d, 1, drv_rw(d, true, 0, 8, 0));
	drv_ring(d, 1);
	assert_int_equal(the_block->count, 1);
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN | NVME_CC_SHN_NORMAL);
	assert_int_equal(shst(d), NVME_CSTS_SHST_BUSY);
	/* No intake any more, but what runs is answered. */
	drv_put(d, 1, drv_rw(d, true, 0, 8, 0));
	drv_ring(d, 1);
	world_run(&d->w);
	assert_int_equal(the_block->count, 1);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	assert_int_equal(shst(d), NVME_CSTS_SHST_BUSY);
	/* The cache is flushed before it is over. */
	assert_int_equal(the_block->count, 1);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS),
			 READY | NVME_CSTS_SHST_DONE);
	/* Only a reset leads out. */
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN);
	assert_int_equal(shst(d), NVME_CSTS_SHST_DONE);
	drv_disable(d);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	nvme_up(d);
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
	/* And the next shutdown flushes again. */
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN | NVME_CC_SHN_NORMAL * 2);
	assert_int_equal(the_block->count, 1);
	nvme_complete(0, -EIO);
	assert_int_equal(shst(d), NVME_CSTS_SHST_DONE);
	/* It is over, but not well. */
	assert_true(drv_get(d, NVME_REG_CSTS) & NVME_CSTS_CFS);
}

static void test_shutdown_without_cache(void **state)
{
	struct drv *d = *state;

	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN | NVME_CC_SHN_NORMAL);
	assert_int_equal(shst(d), NVME_CSTS_SHST_DONE);
	assert_int_equal(the_block->count, 0);
}

static void test_shutdown_disabled(void **state)
{
	struct drv *d = *state;

	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_SHN_NORMAL);
	assert_int_equal(shst(d), NVME_CSTS_SHST_BUSY);
	nvme_complete(0, 0);
	assert_int_equal(shst(d), NVME_CSTS_SHST_DONE);
	nvme_up(d);
}

/* A reset waits for the flush of the shutdown it overtakes. */
static void test_reset_during_shutdown(void **state)
{
	struct drv *d = *state;

	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN | NVME_CC_SHN_NORMAL);
	assert_int_equal(the_block->count, 1);
	drv_disable(d);
	assert_int_equal(drv_get(d, NVME_REG_CSTS) & READY, READY);
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
}

/* ---- bus mastering and power ---- */

static void set_command(struct drv *d, uint32_t set, uint32_t clear)
{
	uint32_t v = world_cfg_read(&d->w, NVME_ADDR, PCI_COMMAND, 2);

	world_cfg_write(&d->w, NVME_ADDR, PCI_COMMAND, 2, (v & ~clear) | set);
}

static void test_off_the_bus(void **state)
{
	struct drv *d = *state;

	set_command(d, 0, PCI_COMMAND_MASTER);
	read_one(d);
	assert_int_equal(the_block->count, 0);
	set_command(d, PCI_COMMAND_MASTER, 0);
	world_run(&d->w);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	/* With a command in flight there is no way to answer. */
	read_one(d);
	set_command(d, 0, PCI_COMMAND_MASTER);
	nvme_complete_all();
	assert_int_equal(drv_get(d, NVME_REG_CSTS), READY | CFS);
	set_command(d, PCI_COMMAND_MASTER, 0);
	nvme_unanswered(d, 1);
	read_one(d);
	assert_int_equal(the_block->count, 0);
	drv_disable(d);
	nvme_up(d);
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
}

static unsigned find_cap(struct drv *d, uint8_t id)
{
	unsigned cap = world_cfg_read(&d->w, NVME_ADDR, PCI_CAPABILITY_LIST, 1);

	while (cap && world_cfg_read(&d->w, NVME_ADDR, cap, 1) != id)
		cap = world_cfg_read(&d->w, NVME_ADDR, cap + 1, 1);
	return cap;
}

static void test_power(void **state)
{
	struct drv *d = *state;
	unsigned pm = find_cap(d, PCI_CAP_ID_PM) + PCI_PM_CTRL;

	world_cfg_write(&d->w, NVME_ADDR, pm, 2, 3);
	assert_int_equal(world_cfg_read(&d->w, NVME_ADDR, pm, 2), 3 | 8);
	read_one(d);
	assert_int_equal(the_block->count, 0);
	/* D1 and D2 do not exist. */
	world_cfg_write(&d->w, NVME_ADDR, pm, 2, 1);
	assert_int_equal(world_cfg_read(&d->w, NVME_ADDR, pm, 2), 3 | 8);
	world_cfg_write(&d->w, NVME_ADDR, pm, 2, 0);
	world_run(&d->w);
	assert_int_equal(the_block->count, 1);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
}

/* ---- interrupts ---- */

static void test_msix(void **state)
{
	struct drv *d = *state;
	uint32_t before = drv_vector(d, 1);
	unsigned i;

	/* All that ends in one turn shares an interrupt: here, errors. */
	for (i = 0; i < 10; i++)
		drv_put(d, 1, drv_rw(d, false, 1u << 20, 1, 0));
	drv_ring(d, 1);
	assert_int_equal(drv_vector(d, 1), before + 1);
	for (i = 0; i < 10; i++)
		nvme_answered(d, 1, NVME_SC_LBA_RANGE | DNR);
	/* A queue without interrupts. */
	assert_int_equal(
	    drv_do(d, 0,
		   (struct nvme_command){.opcode = NVME_ADM_CREATE_CQ,
					 .prp1 = DRV_CQ(2),
					 .cdw10 = 2 | 15 << 16,
					 .cdw11 = NVME_QUEUE_PC | 2 << 16},
		   NULL),
	    0);
	d->q[2].cq_size = 16;
	d->q[2].cq = DRV_CQ(2);
	d->q[2].phase = true;
	assert_int_equal(drv_create_sq(d, 2, 16, 2), 0);
	drv_put(d, 2, drv_rw(d, false, 1u << 20, 1, 0));
	drv_ring(d, 2);
	nvme_answered(d, 2, NVME_SC_LBA_RANGE | DNR);
	assert_int_equal(drv_vector(d, 2), 0);
}

static void test_pin(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;

	drv_msix(d, false);
	read_one(d);
	assert_false(world_line(&d->w, GSI));
	nvme_complete_all();
	assert_true(world_line(&d->w, GSI));
	/* Masked and unmasked. */
	drv_set(d, NVME_REG_INTMS, 1);
	assert_int_equal(drv_get(d, NVME_REG_INTMC), 1);
	assert_false(world_line(&d->w, GSI));
	drv_set(d, NVME_REG_INTMC, 1);
	assert_int_equal(drv_get(d, NVME_REG_INTMS), 0);
	assert_true(world_line(&d->w, GSI));
	/* Low when the last entry is acknowledged. */
	read_one(d);
	nvme_complete_all();
	assert_true(drv_get_cqe(d, 1, &entry));
	drv_ack(d, 1);
	assert_true(world_line(&d->w, GSI));
	assert_true(drv_get_cqe(d, 1, &entry));
	drv_ack(d, 1);
	assert_false(world_line(&d->w, GSI));
	assert_int_equal(world_msis(&d->w), 2); /* the set-up's */
	/* MSI-X takes over: the pin falls. */
	read_one(d);
	nvme_complete_all();
	assert_true(world_line(&d->w, GSI));
	drv_msix(d, true);
	assert_false(world_line(&d->w, GSI));
	drv_msix(d, false);
	assert_true(world_line(&d->w, GSI));
	/* A reset takes it down. */
	drv_disable(d);
	assert_false(world_line(&d->w, GSI));
	/* And the mask with it. */
	drv_set(d, NVME_REG_INTMS, 1);
	assert_int_equal(drv_enable(d, 32), READY);
	assert_int_equal(drv_get(d, NVME_REG_INTMS), 1);
	drv_disable(d);
	assert_int_equal(drv_get(d, NVME_REG_INTMS), 0);
}

static void test_msi(void **state)
{
	struct drv *d = *state;
	uint32_t before;

	drv_msi(d);
	before = world_msis(&d->w);
	read_one(d);
	nvme_complete_all();
	assert_int_equal(world_msis(&d->w), before + 1);
	assert_int_equal(d->w.msi_data, 0x40);
	assert_false(world_line(&d->w, GSI));
	/* Masked, it comes when unmasked. */
	drv_set(d, NVME_REG_INTMS, 1);
	read_one(d);
	nvme_complete_all();
	assert_int_equal(world_msis(&d->w), before + 1);
	drv_set(d, NVME_REG_INTMC, 1);
	assert_int_equal(world_msis(&d->w), before + 2);
	nvme_answered(d, 1, 0);
	nvme_answered(d, 1, 0);
	drv_set(d, NVME_REG_INTMS, 1);
	drv_set(d, NVME_REG_INTMC, 1);
	assert_int_equal(world_msis(&d->w), before + 2);
}

/* ---- doorbells ---- */

static void test_doorbell_of_nothing(void **state)
{
	struct drv *d = *state;
	uint32_t dw0;

	drv_put(d, 0, (struct nvme_command){.opcode = NVME_ADM_ASYNC_EVENT});
	drv_ring(d, 0);
	nvme_unanswered(d, 0);
	drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(3), 1);
	{
		struct nvme_completion entry;

		assert_true(drv_get_cqe(d, 0, &entry));
		dw0 = entry.dw0;
		drv_ack(d, 0);
	}
	assert_int_equal(dw0, 0x010000); /* error, invalid register, log 1 */
	/* Behind the last queue, and outside of the area. */
	drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(17), 1);
	drv_set(d, NVME_DOORBELLS + 0xffc, 1);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
}

static void test_wild_values(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned i;

	drv_put(d, 0, (struct nvme_command){.opcode = NVME_ADM_ASYNC_EVENT});
	drv_ring(d, 0);
	drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(1), 64);
	assert_int_equal(the_block->count, 0);
	assert_true(drv_get_cqe(d, 0, &entry));
	drv_ack(d, 0);
	assert_int_equal(entry.dw0, 0x010100); /* error, value, log 1 */
	drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(1), UINT32_MAX);
	drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(1), 1); /* it is empty */
	drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(1), 64);
	drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(0), 0); /* backwards */
	assert_int_equal(drv_get(d, NVME_REG_CSTS), READY);
	/* Eight were fetched of twelve: the tail cannot fall behind. */
	for (i = 0; i < 12; i++)
		drv_put(d, 1, drv_rw(d, false, 0, 1, 0));
	drv_ring(d, 1);
	assert_int_equal(the_block->count, 8);
	drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(1), 10);
	nvme_complete_all();
	for (i = 0; i < 12; i++)
		nvme_answered(d, 1, 0);
	nvme_unanswered(d, 1);
	/* Nor can a head go back. */
	drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(1), 11);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
}

static void test_doorbell_disabled(void **state)
{
	struct drv *d = *state;

	drv_set(d, NVME_DOORBELLS, 1);
	drv_set(d, NVME_DOORBELLS + 4, 1);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	assert_int_equal(drv_enable(d, 16), READY);
	nvme_unanswered(d, 0);
}

#define T(name)	 cmocka_unit_test_setup_teardown(name, setup, nvme_teardown)
#define UP(name) cmocka_unit_test_setup_teardown(name, setup_up, nvme_teardown)
#define SYNC(name) \
	cmocka_unit_test_setup_teardown(name, setup_sync, nvme_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_registers),
	    T(test_enable),
	    T(test_enable_faults),
	    T(test_queue_over_border),
	    UP(test_reset_in_flight),
	    UP(test_enable_during_reset),
	    UP(test_disable_twice),
	    UP(test_destroy_in_flight),
	    UP(test_shutdown),
	    SYNC(test_shutdown_without_cache),
	    T(test_shutdown_disabled),
	    UP(test_reset_during_shutdown),
	    UP(test_off_the_bus),
	    UP(test_power),
	    UP(test_msix),
	    UP(test_pin),
	    UP(test_msi),
	    UP(test_doorbell_of_nothing),
	    UP(test_wild_values),
	    T(test_doorbell_disabled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
