/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-scsi's control queue: abort, query, reset, and their order. */
#include "vscsi_fixture.h"

#include <endian.h>
#include <string.h>

#define COMPLETE 0u

static int setup(void **state)
{
	*state = vscsi_build("/one,/two");
	vscsi_ready(*state, 2);
	return 0;
}

static const struct command read_one = {
    .cdb = {SCSI_READ_10, 0, 0, 0, 0, 3, 0, 0, 2},
    .len = 1024,
    .in = true,
};

static uint8_t tmf_code(struct fixture *f, unsigned slot)
{
	uint8_t code;

	mem_get(&f->w, RESPONSE(slot), &code, 1);
	return code;
}

/* The TMF in this slot was answered now. */
static void answered(struct fixture *f, unsigned slot, uint8_t code)
{
	uint32_t len;

	assert_true(vscsi_used(f, CONTROL, &len));
	assert_int_equal(len, 1);
	assert_int_equal(tmf_code(f, slot), code);
}

static bool waits(struct fixture *f)
{
	uint32_t len;

	return !vscsi_used(f, CONTROL, &len);
}

static void ended(struct fixture *f, unsigned slot, uint8_t response)
{
	uint32_t len;

	assert_true(vscsi_used(f, REQUEST, &len));
	assert_int_equal(vscsi_response(f, slot).response, response);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;

	vscsi_send(f, 0, &read_one);
	vscsi_send(f, 1, &read_one);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0, 1001);
	assert_true(waits(f));
	/* The other one is none of its business. */
	vscsi_complete(0, 0);
	ended(f, 0, VIRTIO_SCSI_S_OK);
	assert_true(waits(f));
	vscsi_complete(0, 0);
	ended(f, 1, VIRTIO_SCSI_S_ABORTED);
	answered(f, 9, COMPLETE);
	/* Nothing to abort: answered at once. */
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0, 1001);
	answered(f, 9, COMPLETE);
}

/* A command of two steps ends after the present one. */
static void test_abort_between_steps(void **state)
{
	struct fixture *f = *state;
	struct command c = {
	    .cdb = {SCSI_WRITE_10, 8, 0, 0, 0, 3, 0, 0, 1},
	    .len = 512,
	};

	vscsi_send(f, 0, &c);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0, 0);
	vscsi_complete(0, 0);
	assert_int_equal(pendings, 0);
	ended(f, 0, VIRTIO_SCSI_S_ABORTED);
	answered(f, 9, COMPLETE);
}

static void test_unit_reset(void **state)
{
	struct fixture *f = *state;
	struct command c = read_one;
	struct virtio_scsi_cmd_resp resp;

	vscsi_send(f, 0, &c);
	vscsi_send(f, 1, &c);
	c.target = 1;
	vscsi_send(f, 2, &c);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0);
	/* One that comes later is not meant. */
	c = (struct command){.cdb = {SCSI_TEST_UNIT_READY}};
	vscsi_send(f, 3, &c);
	ended(f, 3, VIRTIO_SCSI_S_OK);
	resp = vscsi_response(f, 3);
	assert_int_equal(resp.status, SCSI_CHECK_CONDITION);
	assert_int_equal(resp.sense[2], 6);
	assert_int_equal(scsi_get16(resp.sense + 12), 0x2903);
	vscsi_send(f, 4, &read_one);
	assert_true(waits(f));
	vscsi_complete(1, -EIO);
	ended(f, 1, VIRTIO_SCSI_S_RESET);
	assert_true(waits(f));
	vscsi_complete(0, 0);
	ended(f, 0, VIRTIO_SCSI_S_RESET);
	answered(f, 9, COMPLETE);
	/* The other target's, and the later one. */
	vscsi_complete(0, 0);
	ended(f, 2, VIRTIO_SCSI_S_OK);
	vscsi_complete(0, 0);
	ended(f, 4, VIRTIO_SCSI_S_OK);
}

static void test_nexus_reset(void **state)
{
	struct fixture *f = *state;
	struct command c = {.target = 1};

	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, 1, 0);
	answered(f, 9, COMPLETE);
	vscsi_send(f, 0, &c);
	ended(f, 0, VIRTIO_SCSI_S_OK);
	assert_int_equal(scsi_get16(vscsi_response(f, 0).sense + 12), 0x2907);
}

static void test_query(void **state)
{
	struct fixture *f = *state;

	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 0, 0);
	answered(f, 9, COMPLETE);
	vscsi_send(f, 0, &read_one);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 0, 0);
	answered(f, 9, VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_QUERY_TASK, 0, 1000);
	answered(f, 9, VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_QUERY_TASK, 0, 1001);
	answered(f, 9, COMPLETE);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 1, 0);
	answered(f, 9, COMPLETE);
	/* Asking does no harm. */
	vscsi_complete(0, 0);
	ended(f, 0, VIRTIO_SCSI_S_OK);
}

/* Two that wait for the same request, answered behind it. */
static void test_two_wait(void **state)
{
	struct fixture *f = *state;

	vscsi_send(f, 0, &read_one);
	vscsi_tmf(f, 8, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0, 1000);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0);
	assert_true(waits(f));
	vscsi_complete(0, 0);
	ended(f, 0, VIRTIO_SCSI_S_RESET);
	answered(f, 8, COMPLETE);
	answered(f, 9, COMPLETE);
}

/* A request that still lies in the ring is one of those meant. */
static void test_not_yet_taken(void **state)
{
	struct fixture *f = *state;
	struct virtio_scsi_cmd_req header = {
	    .lun = {1},
	    .tag = htole64(5),
	    .cdb = {SCSI_SYNCHRONIZE_CACHE_10},
	};
	const struct driver_buf bufs[] = {{HEADER(0), HEADER_LEN, false},
					  {RESPONSE(0), RESP_LEN, true}};

	mem_put(&f->w, HEADER(0), &header, HEADER_LEN);
	driver_add(&f->d, REQUEST, bufs, 2); /* no kick */
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0, 5);
	assert_int_equal(pendings, 1);
	assert_true(waits(f));
	vscsi_complete(0, 0);
	ended(f, 0, VIRTIO_SCSI_S_ABORTED);
	answered(f, 9, COMPLETE);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	const struct virtio_scsi_ctrl_tmf_req wrong_lun = {
	    .subtype = htole32(VIRTIO_SCSI_T_TMF_ABORT_TASK_SET),
	    .lun = {1, 0, 0x40, 1},
	};
	const struct driver_buf bufs[] = {{HEADER(0), sizeof(wrong_lun), false},
					  {RESPONSE(0), 1, true}};

	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 2, 0);
	answered(f, 9, VIRTIO_SCSI_S_BAD_TARGET);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_CLEAR_ACA, 0, 0);
	answered(f, 9, VIRTIO_SCSI_S_FUNCTION_REJECTED);
	vscsi_tmf(f, 9, 99, 0, 0);
	answered(f, 9, VIRTIO_SCSI_S_FUNCTION_REJECTED);
	mem_put(&f->w, HEADER(0), &wrong_lun, sizeof(wrong_lun));
	driver_add(&f->d, CONTROL, bufs, 2);
	driver_kick(&f->d, CONTROL);
	world_run(&f->w);
	answered(f, 0, VIRTIO_SCSI_S_INCORRECT_LUN);
}

static void test_events(void **state)
{
	struct fixture *f = *state;
	const struct virtio_scsi_ctrl_an_req ask = {
	    .type = htole32(VIRTIO_SCSI_T_AN_SUBSCRIBE),
	    .lun = {1},
	    .event_requested = htole32(2),
	};
	const struct driver_buf bufs[] = {{HEADER(0), sizeof(ask), false},
					  {RESPONSE(0), 5, true}};
	const struct driver_buf event[] = {{DATA(0), 16, true}};
	uint8_t back[5];
	uint32_t len;

	mem_put(&f->w, HEADER(0), &ask, sizeof(ask));
	driver_add(&f->d, CONTROL, bufs, 2);
	driver_kick(&f->d, CONTROL);
	world_run(&f->w);
	assert_true(vscsi_used(f, CONTROL, &len));
	assert_int_equal(len, 5);
	mem_get(&f->w, RESPONSE(0), back, 5);
	assert_memory_equal(back, "\0\0\0\0\0", 5);
	/* Buffers for events lie and wait. */
	driver_add(&f->d, EVENT, event, 1);
	driver_kick(&f->d, EVENT);
	world_run(&f->w);
	assert_false(vscsi_used(f, EVENT, &len));
	assert_false(vscsi_broken(f));
}

/* Reset with a TMF waiting: neither it nor its request is answered. */
static void test_reset_while_waiting(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	vscsi_send(f, 0, &read_one);
	vscsi_tmf(f, 9, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0, 0);
	driver_set_status(&f->d, 0);
	assert_int_not_equal(driver_status(&f->d), 0);
	vscsi_complete(0, 0);
	assert_int_equal(driver_status(&f->d), 0);
	assert_int_equal(tmf_code(f, 9), 0xee);
	vscsi_ready(f, 2);
	assert_true(waits(f));
	/* None is left over: as many as there can be still work. */
	vscsi_send(f, 0, &read_one);
	for (i = 0; i < 32; i++)
		vscsi_tmf(f, 1 + i, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0, 0);
	assert_true(waits(f));
	vscsi_complete(0, 0);
	for (i = 0; i < 32; i++)
		answered(f, 1 + i, COMPLETE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, vscsi_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_abort),	   T(test_abort_between_steps),
	    T(test_unit_reset),	   T(test_nexus_reset),
	    T(test_query),	   T(test_two_wait),
	    T(test_not_yet_taken), T(test_refused),
	    T(test_events),	   T(test_reset_while_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
