/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: log pages, asynchronous events, abort. */
#include "nvme_fixture.h"

#include <string.h>

#define INVALID (NVME_SC_INVALID_FIELD | DNR)

static int setup(void **state)
{
	struct drv *d = nvme_build("path=/disk,ser=SERIAL01");

	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	*state = d;
	return 0;
}

static int setup_up(void **state)
{
	*state = nvme_build_up("path=/disk,maxq=4");
	return 0;
}

static uint16_t set(struct drv *d, uint32_t fid, uint32_t v, uint32_t *ret)
{
	return drv_do(d, 0,
		      (struct nvme_command){.opcode = NVME_ADM_SET_FEATURES,
					    .nsid = NVME_NSID_ALL,
					    .cdw10 = fid,
					    .cdw11 = v},
		      ret);
}

static uint32_t get(struct drv *d, uint32_t fid, uint32_t v)
{
	uint32_t dw0 = 0xdeadbeef;

	assert_int_equal(
	    drv_do(d, 0,
		   (struct nvme_command){.opcode = NVME_ADM_GET_FEATURES,
					 .cdw10 = fid,
					 .cdw11 = v},
		   &dw0),
	    0);
	return dw0;
}

static uint16_t get_fails(struct drv *d, uint32_t fid, uint32_t v)
{
	return drv_do(d, 0,
		      (struct nvme_command){.opcode = NVME_ADM_GET_FEATURES,
					    .cdw10 = fid,
					    .cdw11 = v},
		      NULL);
}

/* ---- log pages ---- */

static uint16_t log_page(struct drv *d, uint32_t lid, uint32_t bytes,
			 uint64_t off, void *ret)
{
	struct nvme_command cmd = {.opcode = NVME_ADM_GET_LOG,
				   .nsid = NVME_NSID_ALL,
				   .prp1 = DRV_DATA,
				   .prp2 = DRV_DATA + 4096,
				   .cdw10 = lid | (bytes / 4 - 1) << 16,
				   .cdw11 = (bytes / 4 - 1) >> 16,
				   .cdw12 = (uint32_t)off,
				   .cdw13 = (uint32_t)(off >> 32)};
	uint16_t status = drv_do(d, 0, cmd, NULL);

	if (!status && ret)
		mem_get(&d->w, DRV_DATA, ret, bytes);
	return status;
}

static void test_smart(void **state)
{
	struct drv *d = *state;
	struct nvme_smart_log log;

	nvme_expect(d, drv_rw(d, true, 0, 1000, 0), 0);
	nvme_expect(d, drv_rw(d, true, 0, 8, 0), 0);
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
	d->w.clock.mono_ns += 7201 * NS_PER_S;
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 0, &log), 0);
	assert_int_equal(log.critical_warning, 0);
	assert_int_equal(log.temperature_k, 300);
	assert_int_equal(log.spare_percent, 100);
	assert_int_equal(log.units_written.low, 2);
	assert_int_equal(log.units_read.low, 1);
	assert_int_equal(log.writes.low, 2);
	assert_int_equal(log.reads.low, 1);
	assert_int_equal(log.power_on_hours.low, 2);
	assert_int_equal(log.error_entries.low, 0);
	/* A part of it; more than there is. */
	assert_int_equal(log_page(d, NVME_LOG_SMART, 4, 0, &log), 0);
	memset(&log, 0xff, sizeof(log));
	assert_int_equal(log_page(d, NVME_LOG_SMART, 16, 64, &log), 0);
	assert_int_equal(*(uint64_t *)(void *)&log, 1); /* host reads */
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 512, &log), 0);
	assert_int_equal(log.temperature_k, 0);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 516, &log), INVALID);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 2, &log), INVALID);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 1ull << 32, &log),
			 INVALID);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 1u << 20, 0, NULL),
			 INVALID);
}

static void test_other_logs(void **state)
{
	struct drv *d = *state;
	struct nvme_firmware_log firmware;

	assert_int_equal(log_page(d, NVME_LOG_FIRMWARE, 512, 0, &firmware), 0);
	assert_int_equal(firmware.active, 1);
	assert_memory_equal(firmware.revision[0], "1.0     ", 8);
	assert_int_equal(firmware.revision[1][0], 0);
	assert_int_equal(log_page(d, 0, 512, 0, NULL), NVME_SC_LOG_PAGE | DNR);
	assert_int_equal(log_page(d, 5, 512, 0, NULL), NVME_SC_LOG_PAGE | DNR);
}

static void test_error_log(void **state)
{
	struct drv *d = *state;
	struct nvme_error_entry entry[16];
	struct nvme_smart_log smart;
	unsigned i;

	for (i = 0; i < 20; i++) {
		drv_put(d, 1, drv_rw(d, false, i, 1, 0));
		drv_ring(d, 1);
		nvme_complete(0, -EIO);
		nvme_answered(d, 1, NVME_SC_READ_ERROR | NVME_SC_MORE);
	}
	assert_int_equal(log_page(d, NVME_LOG_ERROR, 1024, 0, entry), 0);
	assert_int_equal(entry[0].count, 20);
	assert_int_equal(entry[0].lba, 19);
	assert_int_equal(entry[0].sq_id, 1);
	assert_int_equal(entry[0].nsid, 1);
	assert_int_equal(entry[0].status >> 1,
			 NVME_SC_READ_ERROR | NVME_SC_MORE);
	assert_int_equal(entry[15].count, 5);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 0, &smart), 0);
	assert_int_equal(smart.error_entries.low, 20);
	assert_int_equal(smart.media_errors.low, 20);
}

/* ---- events ---- */

static uint16_t request_event(struct drv *d)
{
	uint16_t cid = drv_put(
	    d, 0, (struct nvme_command){.opcode = NVME_ADM_ASYNC_EVENT});

	drv_ring(d, 0);
	return cid;
}

static void event_came(struct drv *d, uint32_t what)
{
	struct nvme_completion entry;

	assert_true(drv_get_cqe(d, 0, &entry));
	assert_int_equal(cqe_status(&entry), 0);
	assert_int_equal(entry.dw0, what);
	drv_ack(d, 0);
}

static void test_temperature_event(void **state)
{
	struct drv *d = *state;
	struct nvme_smart_log log;

	assert_int_equal(get(d, NVME_FEAT_TEMPERATURE, 0), 343);
	assert_int_equal(get(d, NVME_FEAT_TEMPERATURE, 1 << 20), 0);
	assert_int_equal(set(d, NVME_FEAT_TEMPERATURE, 1 << 16, NULL), INVALID);
	assert_int_equal(set(d, NVME_FEAT_TEMPERATURE, 2 << 20, NULL), INVALID);
	assert_int_equal(get_fails(d, NVME_FEAT_TEMPERATURE, 15 << 16),
			 INVALID);
	request_event(d);
	/* Not asked for. */
	assert_int_equal(set(d, NVME_FEAT_TEMPERATURE, 290, NULL), 0);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 0, &log), 0);
	assert_int_equal(log.critical_warning, 2);
	assert_int_equal(set(d, NVME_FEAT_TEMPERATURE, 400 | 15 << 16, NULL),
			 0);
	assert_int_equal(set(d, NVME_FEAT_ASYNC_EVENTS, 2, NULL), 0);
	drv_put(d, 0,
		(struct nvme_command){.opcode = NVME_ADM_SET_FEATURES,
				      .cdw10 = NVME_FEAT_TEMPERATURE,
				      .cdw11 = 301 | 1 << 20});
	drv_ring(d, 0);
	event_came(d, 0x020101);
	nvme_answered(d, 0, 0);
	assert_int_equal(log_page(d, NVME_LOG_SMART, 512, 0, &log), 0);
	assert_int_equal(log.critical_warning, 2);
}

static void bad_doorbell(struct drv *d)
{
	drv_set(d, NVME_DOORBELLS + NVME_SQ_DOORBELL(9), 1);
}

static void test_events(void **state)
{
	struct drv *d = *state;
	unsigned i;

	/* It happened before anyone asked. */
	bad_doorbell(d);
	request_event(d);
	event_came(d, 0x010000);
	/* Masked until the page is read. */
	bad_doorbell(d);
	request_event(d);
	nvme_unanswered(d, 0);
	assert_int_equal(
	    log_page(d, NVME_LOG_ERROR | NVME_LOG_RAE, 64, 0, NULL), 0);
	nvme_unanswered(d, 0);
	drv_put(d, 0,
		(struct nvme_command){.opcode = NVME_ADM_GET_LOG,
				      .prp1 = DRV_DATA,
				      .cdw10 = NVME_LOG_ERROR | 15 << 16});
	drv_ring(d, 0);
	event_came(d, 0x010000);
	nvme_answered(d, 0, 0);
	/* Four may wait, not five. */
	for (i = 0; i < 4; i++) {
		request_event(d);
		nvme_unanswered(d, 0);
	}
	request_event(d);
	nvme_answered(d, 0, NVME_SC_AER_LIMIT | DNR);
	/* A reset takes them away, and the mask. */
	drv_disable(d);
	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	bad_doorbell(d);
	nvme_unanswered(d, 0);
	request_event(d);
	event_came(d, 0x010000);
	/* What was not reported is forgotten with the next one. */
	bad_doorbell(d);
	drv_disable(d);
	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	request_event(d);
	nvme_unanswered(d, 0);
}

/* An event finds no room in the admin queue: it comes when there is. */
static void test_event_without_room(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;

	drv_disable(d);
	assert_int_equal(drv_enable(d, 3), NVME_CSTS_RDY);
	request_event(d);
	for (unsigned i = 0; i < 2; i++) {
		drv_put(d, 0, (struct nvme_command){.opcode = 0xff});
		drv_ring(d, 0);
	}
	bad_doorbell(d);
	assert_true(drv_get_cqe(d, 0, &entry));
	assert_true(drv_get_cqe(d, 0, &entry));
	nvme_unanswered(d, 0);
	drv_ack(d, 0);
	event_came(d, 0x010000);
}

static void test_abort(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {.opcode = NVME_ADM_ABORT};
	struct nvme_completion entry;
	uint16_t cid, aer;
	uint32_t dw0;

	/* What is in the back end goes on. */
	cid = drv_put(d, 1, drv_rw(d, false, 0, 1, 0));
	drv_ring(d, 1);
	cmd.cdw10 = 1 | (uint32_t)cid << 16;
	assert_int_equal(drv_do(d, 0, cmd, &dw0), 0);
	assert_int_equal(dw0, 1);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	/* Nobody there. */
	cmd.cdw10 = 0xffffffff;
	assert_int_equal(drv_do(d, 0, cmd, &dw0), 0);
	assert_int_equal(dw0, 1);
	/* An event request. */
	request_event(d);
	aer = request_event(d);
	request_event(d);
	cmd.cdw10 = (uint32_t)aer << 16;
	drv_put(d, 0, cmd);
	drv_ring(d, 0);
	assert_true(drv_get_cqe(d, 0, &entry));
	assert_int_equal(cqe_cid(&entry), aer);
	assert_int_equal(cqe_status(&entry), NVME_SC_ABORTED);
	assert_true(drv_get_cqe(d, 0, &entry));
	assert_int_equal(entry.dw0, 0);
	drv_ack(d, 0);
	bad_doorbell(d);
	event_came(d, 0x010000);
}

#define T(name)	 cmocka_unit_test_setup_teardown(name, setup, nvme_teardown)
#define UP(name) cmocka_unit_test_setup_teardown(name, setup_up, nvme_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UP(test_smart),	T(test_other_logs),
	    UP(test_error_log), T(test_temperature_event),
	    UP(test_events),	T(test_event_without_room),
	    UP(test_abort),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
