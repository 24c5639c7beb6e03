/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: doorbells in guest memory, with and without the kernel's help. */
#include "nvme_fixture.h"

#include <string.h>

#define GSI	(IRQ_PIRQ_FIRST + (4 + 4 + 1 - 1) % IRQ_PIRQS)
#define INVALID (NVME_SC_INVALID_FIELD | DNR)

static int setup(void **state)
{
	struct drv *d = nvme_build_up("path=/disk,maxq=4");

	assert_int_equal(drv_shadow(d), 0);
	assert_int_equal(d->registered, 1);
	*state = d;
	return 0;
}

/* A platform that cannot signal doorbells: they trap. */
static int setup_trap(void **state)
{
	struct drv *d = nvme_build("path=/disk,maxq=4");

	d->w.refuse_doorbells = true;
	nvme_up(d);
	assert_int_equal(drv_shadow(d), 0);
	assert_int_equal(d->registered, 0);
	*state = d;
	return 0;
}

static unsigned doorbells(const struct drv *d)
{
	unsigned i, n = 0;

	for (i = 0; i < WORLD_DOORBELLS; i++)
		n += d->w.doorbell[i].addr != 0;
	return n;
}

static void put_read(struct drv *d, unsigned q, uint64_t lba)
{
	drv_put(d, q, drv_rw(d, false, lba, 1, 0));
	drv_ring(d, q);
}

/* ---- quiet drivers ---- */

static void test_round(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned i;

	for (i = 0; i < 200; i++) {
		put_read(d, 1, i);
		world_run(&d->w);
		nvme_complete_all();
		assert_true(drv_get_cqe(d, 1, &entry));
		assert_int_equal(cqe_status(&entry), 0);
		drv_ack(d, 1);
	}
	nvme_unanswered(d, 1);
}

/* While the device is busy with a queue its driver need not ring. */
static void test_few_rings(void **state)
{
	struct drv *d = *state;
	uint32_t before;
	unsigned i;

	before = d->rings;
	for (i = 0; i < 60; i++) {
		put_read(d, 1, i);
		world_run(&d->w);
	}
	/* Eight were taken one by one; then the pool was empty. */
	assert_int_equal(the_block->count, 8);
	assert_true(d->rings - before <= 9);
	nvme_complete_all();
	for (i = 0; i < 60; i++)
		nvme_answered(d, 1, 0);
	/* Heads are told once a round at most. */
	assert_true(d->rings - before <= 10);
	put_read(d, 1, 0);
	world_run(&d->w);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
}

/* Whatever the batches, nothing is forgotten. */
static void test_batches(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned sent = 0, got = 0, round, i, n;
	bool rang;

	srand(3);
	for (round = 0; round < 3000; round++) {
		n = (unsigned)rand() % 6;
		for (i = 0; i < n && sent - got < 60; i++, sent++)
			drv_put(d, 1, drv_rw(d, false, sent % 100, 1, 0));
		drv_ring(d, 1);
		rang = rand() & 1;
		if (rang)
			world_run(&d->w);
		for (n = (unsigned)rand() % 9; n && the_block->count; n--)
			nvme_complete(0, 0);
		for (n = (unsigned)rand() % 9; n && drv_get_cqe(d, 1, &entry);
		     n--)
			got++;
		drv_ack(d, 1);
	}
	world_run(&d->w);
	nvme_complete_all();
	while (drv_get_cqe(d, 1, &entry))
		got++;
	drv_ack(d, 1);
	assert_true(sent > 1000);
	assert_int_equal(got, sent);
}

/* The driver stores its tail while the device is looking elsewhere. */
static void test_tail_behind_our_back(void **state)
{
	struct drv *d = *state;

	put_read(d, 1, 0);
	world_run(&d->w);
	assert_int_equal(the_block->count, 1);
	/* Rung once, though three more commands came after the ring. */
	put_read(d, 1, 1);
	put_read(d, 1, 2);
	put_read(d, 1, 3);
	world_run(&d->w);
	assert_int_equal(the_block->count, 4);
	nvme_complete_all();
}

/* A full completion queue asks to hear of the head, and goes on. */
static void test_full_cq(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned got = 0, i;

	assert_int_equal(drv_create_cq(d, 2, 4, 2), 0);
	assert_int_equal(drv_create_sq(d, 2, 64, 2), 0);
	for (i = 0; i < 50; i++)
		put_read(d, 2, i);
	for (i = 0; i < 50 && got < 50; i++) {
		world_run(&d->w);
		nvme_complete_all();
		while (drv_get_cqe(d, 2, &entry))
			got++;
		drv_ack(d, 2);
	}
	assert_int_equal(got, 50);
}

static void test_pin(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned i;

	drv_msix(d, false);
	for (i = 0; i < 200; i++) {
		put_read(d, 1, 0);
		put_read(d, 1, 0);
		world_run(&d->w);
		nvme_complete_all();
		assert_true(world_line(&d->w, GSI));
		assert_true(drv_get_cqe(d, 1, &entry));
		drv_ack(d, 1);
		assert_true(world_line(&d->w, GSI));
		assert_true(drv_get_cqe(d, 1, &entry));
		drv_ack(d, 1);
		assert_false(world_line(&d->w, GSI));
	}
}

static void test_msi(void **state)
{
	struct drv *d = *state;
	uint32_t before;
	unsigned i;

	drv_msi(d);
	before = world_msis(&d->w);
	for (i = 0; i < 100; i++) {
		put_read(d, 1, 0);
		world_run(&d->w);
		nvme_complete_all();
		nvme_answered(d, 1, 0);
	}
	assert_int_equal(world_msis(&d->w), before + 100);
}

/* ---- on, off, queues that come and go ---- */

static void test_config_errors(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {.opcode = NVME_ADM_DOORBELL_BUFFER,
				   .prp1 = 0x30000,
				   .prp2 = 0x31000};

	assert_int_equal(drv_do(d, 0, cmd, NULL), 0);
	cmd.prp2 = 0x30000;
	assert_int_equal(drv_do(d, 0, cmd, NULL), INVALID);
	cmd.prp2 = 0x31004;
	assert_int_equal(drv_do(d, 0, cmd, NULL), INVALID);
	cmd.prp2 = WORLD_RAM_END;
	assert_int_equal(drv_do(d, 0, cmd, NULL), INVALID);
	cmd.prp2 = 0x31000;
	cmd.prp1 = ~0xfffull;
	assert_int_equal(drv_do(d, 0, cmd, NULL), INVALID);
	/* The last good one counts. */
	cmd.prp1 = DRV_SHADOW;
	cmd.prp2 = DRV_EVENTIDX;
	assert_int_equal(drv_do(d, 0, cmd, NULL), 0);
	put_read(d, 1, 0);
	world_run(&d->w);
	assert_int_equal(the_block->count, 1);
}

static void test_queues_come_and_go(void **state)
{
	struct drv *d = *state;
	unsigned i;

	assert_int_equal(doorbells(d), 1);
	for (i = 0; i < 5; i++) {
		/* What a former queue left there must not count. */
		mem_put32(&d->w, DRV_SHADOW + NVME_SQ_DOORBELL(2), 7);
		mem_put32(&d->w, DRV_SHADOW + NVME_CQ_DOORBELL(2), 7);
		assert_int_equal(drv_pair(d, 2, 16), 0);
		assert_int_equal(doorbells(d), 2);
		world_run(&d->w);
		assert_int_equal(the_block->count, 0);
		put_read(d, 2, 0);
		put_read(d, 2, 1);
		world_run(&d->w);
		assert_int_equal(the_block->count, 2);
		nvme_complete_all();
		nvme_answered(d, 2, 0);
		nvme_answered(d, 2, 0);
		assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 2), 0);
		assert_int_equal(doorbells(d), 1);
		assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 2), 0);
	}
	drv_disable(d);
	assert_int_equal(doorbells(d), 0);
	/* Without the command registers count again. */
	nvme_up(d);
	mem_put32(&d->w, DRV_SHADOW + NVME_SQ_DOORBELL(1), 9);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
	world_run(&d->w);
	assert_int_equal(the_block->count, 0);
}

/* Queues that were in use when the buffers were given. */
static void test_late_config(void **state)
{
	struct drv *d = *state;
	unsigned i;

	drv_disable(d);
	nvme_up(d);
	for (i = 0; i < 10; i++)
		nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
	assert_int_equal(drv_shadow(d), 0);
	assert_int_equal(mem_get32(&d->w, DRV_SHADOW + NVME_SQ_DOORBELL(1)),
			 10);
	assert_int_equal(mem_get32(&d->w, DRV_EVENTIDX + NVME_SQ_DOORBELL(1)),
			 10);
	assert_int_equal(mem_get32(&d->w, DRV_SHADOW + NVME_CQ_DOORBELL(1)),
			 10);
	put_read(d, 1, 0);
	world_run(&d->w);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
}

static void test_bar_moves(void **state)
{
	struct drv *d = *state;
	uint32_t command = world_cfg_read(&d->w, NVME_ADDR, PCI_COMMAND, 2);

	world_cfg_write(&d->w, NVME_ADDR, PCI_COMMAND, 2,
			command & ~PCI_COMMAND_MEMORY);
	assert_int_equal(doorbells(d), 0);
	d->bar += 0x100000;
	world_cfg_write(&d->w, NVME_ADDR, PCI_BASE_ADDRESS_0, 4,
			(uint32_t)d->bar);
	world_cfg_write(&d->w, NVME_ADDR, PCI_COMMAND, 2, command);
	assert_int_equal(doorbells(d), 1);
	assert_int_equal(d->w.doorbell[0].addr, d->bar + 0x1008);
	put_read(d, 1, 0);
	world_run(&d->w);
	assert_int_equal(the_block->count, 1);
}

/* ---- hostile values ---- */

static void test_hostile_tail(void **state)
{
	static const uint32_t bad[] = {64, 65, 0x10000, 0x10001, UINT32_MAX};
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned i;

	drv_put(d, 0, (struct nvme_command){.opcode = NVME_ADM_ASYNC_EVENT});
	drv_ring(d, 0);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		mem_put32(&d->w, DRV_SHADOW + NVME_SQ_DOORBELL(1), bad[i]);
		drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(1), bad[i]);
		world_run(&d->w);
		assert_int_equal(the_block->count, 0);
	}
	assert_true(drv_get_cqe(d, 0, &entry));
	assert_int_equal(entry.dw0, 0x010100);
	drv_ack(d, 0);
	/* Back to good ones: as if nothing had been. */
	mem_put32(&d->w, DRV_SHADOW + NVME_SQ_DOORBELL(1), 0);
	put_read(d, 1, 0);
	world_run(&d->w);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
}

static void test_hostile_head(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned i;

	assert_int_equal(drv_create_cq(d, 2, 4, 2), 0);
	assert_int_equal(drv_create_sq(d, 2, 64, 2), 0);
	for (i = 0; i < 6; i++)
		put_read(d, 2, i);
	world_run(&d->w);
	nvme_complete_all();
	for (i = 0; i < 3; i++)
		assert_true(drv_get_cqe(d, 2, &entry));
	/* It is full; a head out of range makes no room. */
	for (i = 4; i < 8; i++) {
		mem_put32(&d->w, DRV_SHADOW + NVME_CQ_DOORBELL(2), i);
		drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(2), 3);
		world_run(&d->w);
		assert_int_equal(the_block->count, 0);
	}
	mem_put32(&d->w, DRV_SHADOW + NVME_CQ_DOORBELL(2), 3);
	drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(2), 3);
	world_run(&d->w);
	assert_int_equal(the_block->count, 3);
	/* Past the tail: refused, and nothing is overwritten. */
	mem_put32(&d->w, DRV_SHADOW + NVME_CQ_DOORBELL(2), 2);
	drv_set(d, NVME_DOORBELLS + NVME_CQ_DOORBELL(2), 2);
	nvme_complete_all();
	assert_int_equal(drv_get(d, NVME_REG_CSTS), NVME_CSTS_RDY);
}

/* The admin queue goes by its registers, whatever lies in the buffer. */
static void test_admin_by_register(void **state)
{
	struct drv *d = *state;
	unsigned i;

	for (i = 0; i < 100; i++) {
		mem_put32(&d->w, DRV_SHADOW, i * 77777);
		mem_put32(&d->w, DRV_SHADOW + 4, ~i);
		assert_int_equal(
		    drv_do(d, 0, (struct nvme_command){.opcode = 0xff}, NULL),
		    NVME_SC_INVALID_OPCODE | DNR);
		/* A driver that keeps them there would ring every time. */
		assert_int_equal(mem_get32(&d->w, DRV_EVENTIDX), d->q[0].tail);
		assert_int_equal(mem_get32(&d->w, DRV_EVENTIDX + 4),
				 d->q[0].head);
	}
}

static void test_reset_in_flight(void **state)
{
	struct drv *d = *state;
	uint32_t index;

	put_read(d, 1, 0);
	world_run(&d->w);
	drv_disable(d);
	index = mem_get32(&d->w, DRV_EVENTIDX + NVME_SQ_DOORBELL(1));
	mem_put32(&d->w, DRV_SHADOW + NVME_SQ_DOORBELL(1), 5);
	nvme_complete_all();
	world_run(&d->w);
	/* Nothing is read or written there any more. */
	assert_int_equal(mem_get32(&d->w, DRV_EVENTIDX + NVME_SQ_DOORBELL(1)),
			 index);
	assert_int_equal(the_block->count, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, nvme_teardown)
#define TRAP(name) \
	cmocka_unit_test_setup_teardown(name, setup_trap, nvme_teardown)
#define BOTH(name) T(name), TRAP(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_round),
	    BOTH(test_few_rings),
	    BOTH(test_batches),
	    BOTH(test_tail_behind_our_back),
	    BOTH(test_full_cq),
	    BOTH(test_pin),
	    BOTH(test_msi),
	    BOTH(test_config_errors),
	    T(test_queues_come_and_go),
	    BOTH(test_late_config),
	    T(test_bar_moves),
	    BOTH(test_hostile_tail),
	    BOTH(test_hostile_head),
	    BOTH(test_admin_by_register),
	    BOTH(test_reset_in_flight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
