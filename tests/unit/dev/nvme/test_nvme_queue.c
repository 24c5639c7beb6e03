/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: queues that wrap, fill up, wait, take turns and are deleted. */
#include "nvme_fixture.h"

#define SLOTS 8u /* the default */

static int setup(void **state)
{
	*state = nvme_build_up("path=/disk");
	return 0;
}

static void send(struct drv *d, struct nvme_command cmd)
{
	drv_put(d, 1, cmd);
	drv_ring(d, 1);
	world_run(&d->w);
}

/* Round and round: phase, heads, command ids. */
static void test_wrap(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	uint16_t cid[5];
	unsigned round, i;

	for (round = 0; round < 100; round++) {
		for (i = 0; i < 5; i++)
			cid[i] = drv_put(d, 1, drv_rw(d, false, i, 1, 0));
		drv_ring(d, 1);
		assert_int_equal(the_block->count, 5);
		nvme_complete(4, 0);
		assert_true(drv_get_cqe(d, 1, &entry));
		assert_int_equal(cqe_cid(&entry), cid[4]);
		assert_int_equal(entry.sq_id, 1);
		assert_int_equal(entry.sq_head, (round * 5 + 5) % 64);
		nvme_complete_all();
		for (i = 0; i < 4; i++) {
			assert_true(drv_get_cqe(d, 1, &entry));
			assert_int_equal(cqe_cid(&entry), cid[i]);
		}
		nvme_unanswered(d, 1);
		drv_ack(d, 1);
	}
}

/* More commands than requests: the rest waits in the queue. */
static void test_pool(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;
	unsigned i;

	for (i = 0; i < 63; i++)
		drv_put(d, 1, drv_rw(d, false, i, 1, 0));
	drv_ring(d, 1);
	assert_int_equal(the_block->count, SLOTS);
	/* The admin queue is not held up. */
	assert_int_equal(
	    drv_do(d, 0, (struct nvme_command){.opcode = 0xff}, NULL),
	    NVME_SC_INVALID_OPCODE | DNR);
	for (i = 0; i < 63; i++) {
		assert_int_equal(the_block->count, MIN(SLOTS, 63 - i));
		assert_int_equal(the_block->pending[0]->offset, i * 512);
		nvme_complete(0, 0);
		assert_true(drv_get_cqe(d, 1, &entry));
		assert_int_equal(entry.sq_head, MIN(SLOTS + i, 63u));
	}
	drv_ack(d, 1);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
}

/* When requests are short, queues take turns. */
static void test_turns(void **state)
{
	struct drv *d = *state;
	unsigned i, seen = 0;

	assert_int_equal(drv_pair(d, 2, 64), 0);
	for (i = 0; i < 60; i++) {
		drv_put(d, 1, drv_rw(d, false, i, 1, 0));
		drv_put(d, 2, drv_rw(d, false, 1000 + i, 1, 0));
	}
	drv_ring(d, 1);
	drv_ring(d, 2);
	/* The second is served before the first has run dry. */
	for (i = 0; i < 40 && !seen; i++) {
		seen = the_block->pending[the_block->count - 1]->offset >=
		       1000 * 512;
		nvme_complete(0, 0);
	}
	assert_true(seen);
	nvme_complete_all();
	world_run(&d->w);
	nvme_complete_all();
	for (i = 0; i < 60; i++) {
		nvme_answered(d, 1, 0);
		nvme_answered(d, 2, 0);
	}
}

/* With a burst of one command the queues alternate. */
static void test_burst(void **state UNUSED)
{
	struct drv *d = nvme_build_up("path=/disk,ioslots=1");
	const struct nvme_command arbitration = {
	    .opcode = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_ARBITRATION};
	void *self = d;
	unsigned i, other = 0, before = 0, changes = 0;

	assert_int_equal(drv_do(d, 0, arbitration, NULL), 0);
	assert_int_equal(drv_pair(d, 2, 64), 0);
	for (i = 0; i < 20; i++) {
		drv_put(d, 1, drv_rw(d, false, i, 1, 0));
		drv_put(d, 2, drv_rw(d, false, 1000 + i, 1, 0));
	}
	drv_ring(d, 1);
	drv_ring(d, 2);
	for (i = 0; i < 40; i++) {
		assert_int_equal(the_block->count, 1);
		other = the_block->pending[0]->offset >= 1000 * 512;
		changes += other != before;
		before = other;
		nvme_complete(0, 0);
	}
	assert_true(changes >= 37);
	assert_int_equal(nvme_teardown(&self), 0);
}

/* A completion queue of four: three entries, then nothing more is taken. */
static void test_full_cq(void **state)
{
	struct drv *d = *state;
	unsigned i, n;

	assert_int_equal(drv_create_cq(d, 2, 4, 2), 0);
	assert_int_equal(drv_create_sq(d, 2, 64, 2), 0);
	for (i = 0; i < 40; i++)
		drv_put(d, 2, drv_rw(d, false, 1u << 30, 1, 0)); /* fail */
	for (i = 0; i < 10; i++)
		drv_put(d, 2, drv_rw(d, false, i, 1, 0));
	drv_ring(d, 2);
	for (n = 0; n < 50;) {
		struct nvme_completion entry;

		nvme_complete_all();
		for (i = 0; drv_get_cqe(d, 2, &entry); i++)
			assert_int_equal(cqe_status(&entry),
					 n + i < 40 ? NVME_SC_LBA_RANGE | DNR
						    : 0);
		assert_int_equal(i, MIN(50 - n, 3u));
		n += i;
		drv_ack(d, 2);
		world_run(&d->w);
	}
	/* In flight they have their places reserved. */
	for (i = 0; i < 5; i++)
		drv_put(d, 2, drv_rw(d, false, i, 1, 0));
	drv_ring(d, 2);
	assert_int_equal(the_block->count, 3);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
}

/* Endless work in one queue: others have their turn in between. */
static void test_budget(void **state UNUSED)
{
	struct drv *d = nvme_build("path=/disk");
	void *self = d;
	struct nvme_completion entry;
	unsigned i;

	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	assert_int_equal(drv_pair(d, 1, 1000), 0);
	for (i = 0; i < 999; i++)
		drv_put(d, 1, drv_rw(d, false, 1u << 30, 1, 0));
	drv_ring(d, 1);
	for (i = 0; drv_get_cqe(d, 1, &entry);)
		i++;
	assert_int_equal(i, 256);
	world_run(&d->w);
	while (drv_get_cqe(d, 1, &entry))
		i++;
	assert_int_equal(i, 999);
	assert_int_equal(nvme_teardown(&self), 0);
}

/* Deleting waits for what was fetched, drops what was not. */
static void test_delete_in_flight(void **state)
{
	struct drv *d = *state;
	unsigned i;

	for (i = 0; i < 20; i++)
		drv_put(d, 1, drv_rw(d, false, i, 1, 0));
	drv_ring(d, 1);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 1), DRV_NOTHING);
	drv_put(d, 1, drv_rw(d, false, 50, 1, 0));
	drv_ring(d, 1);
	assert_int_equal(the_block->count, SLOTS);
	/* Twice is once too often; the completion queue is in use. */
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 1),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1),
			 NVME_SC_QUEUE_DELETION | DNR);
	for (i = 0; i < SLOTS; i++) {
		nvme_unanswered(d, 0);
		nvme_complete(0, 0);
		nvme_answered(d, 1, 0);
	}
	nvme_answered(d, 0, 0);
	assert_int_equal(the_block->count, 0);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1), 0);
	assert_int_equal(drv_pair(d, 1, 8), 0);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
}

/* A reset with a flush still to come behind a write, and a deletion waiting. */
static void test_reset_between_steps(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, true, 0, 8, 0);

	cmd.cdw12 |= NVME_RW_FUA;
	send(d, cmd);
	nvme_complete(0, 0);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 1), DRV_NOTHING);
	drv_disable(d);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), NVME_CSTS_RDY);
	nvme_complete(0, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	nvme_unanswered(d, 0);
	nvme_up(d);
	send(d, cmd);
	drv_disable(d);
	/* Nobody waits for the write: no flush any more. */
	nvme_complete(0, 0);
	assert_int_equal(the_block->count, 0);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), 0);
	nvme_up(d);
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, nvme_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_wrap),
	    T(test_pool),
	    T(test_turns),
	    cmocka_unit_test(test_burst),
	    T(test_full_cq),
	    cmocka_unit_test(test_budget),
	    T(test_delete_in_flight),
	    T(test_reset_between_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
