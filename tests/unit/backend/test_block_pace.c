/* SPDX-License-Identifier: BSD-2-Clause */
/* When a disk's thread is patient: hosts in which that is well, bad, the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/block_pace.h"

#define REQUEST KIB(128)

/* What a turn costs and brings, in this host with this guest. */
struct host {
	uint64_t ns, patient_ns;
	unsigned requests, patient_requests;
	uint64_t bytes; /* of a request; 0: REQUEST */
};

/* A guest on the only processor, with four requests in flight. */
static const struct host deep = {500000, 1000000, 1, 4};
/* One that computes beside a single request: it has its slice first. */
static const struct host computes = {300000, 4300000, 1, 1};
/* Other processors are idle. */
static const struct host roomy = {300000, 300000, 2, 2};

struct run {
	struct block_pace pace;
	uint64_t now_ns;
	unsigned turns, patient_turns;
	uint64_t requests;
};

static void run(struct run *run, const struct host *host, unsigned turns)
{
	bool patient = run->pace.patient;
	unsigned requests;

	while (turns--) {
		run->now_ns += patient ? host->patient_ns : host->ns;
		requests = patient ? host->patient_requests : host->requests;
		run->requests += requests;
		run->turns++;
		run->patient_turns += patient;
		patient = block_pace_turn(
		    &run->pace,
		    requests * (host->bytes ? host->bytes : REQUEST),
		    run->now_ns);
	}
}

static void test_patient_where_it_helps(void **state UNUSED)
{
	struct run r = {.now_ns = 1};

	run(&r, &deep, 1000);
	/* But for the beginning, and a stretch now and then. */
	assert_in_range(r.patient_turns, 900, 1000 - 17);
}

static void test_impatient_where_it_harms(void **state UNUSED)
{
	struct run r = {.now_ns = 1};

	run(&r, &computes, 20000);
	assert_in_range(r.patient_turns, 1, 20);
	/* A hundredth of the time at most goes into finding out. */
	assert_true(r.now_ns < 20000 * computes.ns / 100 * 101);
}

static void test_impatient_where_it_is_the_same(void **state UNUSED)
{
	struct run r = {.now_ns = 1};

	run(&r, &roomy, 20000);
	assert_in_range(r.patient_turns, 1, 20000 / 50);
}

/* Each such turn leaves the processor idle until the guest sleeps: it costs a
 * halt, whatever its time.
 */
static void test_a_trial_that_finds_no_more_is_short(void **state UNUSED)
{
	static const struct host single = {150000, 100000, 1, 1, KIB(4)};
	struct run r = {.now_ns = 1};

	run(&r, &single, 600);
	assert_in_range(r.patient_turns, 1, 600 / 25);
}

static void test_the_first_late_turn_ends_patience(void **state UNUSED)
{
	struct run r = {.now_ns = 1};

	run(&r, &deep, 100);
	assert_true(r.pace.patient);
	/* The guest begins to compute. */
	run(&r, &computes, 16);
	assert_false(r.pace.patient);
	r.patient_turns = 0;
	run(&r, &computes, 1000);
	assert_in_range(r.patient_turns, 0, 10);
	/* And ends. */
	run(&r, &deep, 5000);
	assert_true(r.pace.patient);
}

static void test_another_job_is_tried_at_once(void **state UNUSED)
{
	static const struct host small = {100000, 100000, 1, 1, KIB(4)};
	struct run r = {.now_ns = 1};

	run(&r, &small, 20000);
	r.patient_turns = 0;
	run(&r, &deep, 200);
	assert_in_range(r.patient_turns, 110, 160);
}

/* What a pause takes is not what a request takes. */
static void test_pauses_are_not_counted(void **state UNUSED)
{
	struct run r = {.now_ns = 1};
	unsigned i;

	for (i = 0; i < 1000; i++) {
		run(&r, &computes, 20);
		r.now_ns += NS_PER_S;
	}
	assert_in_range(r.patient_turns, 1, 50);
}

/* One measurement far off, and the next ones are right again. */
static void test_one_wrong_measurement(void **state UNUSED)
{
	static const struct host slow = {9000000, 9000000, 1, 1};
	struct run r = {.now_ns = 1};

	run(&r, &slow, 17);
	run(&r, &computes, 2000);
	assert_in_range(r.patient_turns, 1, 40);
}

static void test_an_idle_disk(void **state UNUSED)
{
	static const struct host idle = {NS_PER_S, NS_PER_S, 1, 1};
	struct run r = {.now_ns = 1};

	run(&r, &idle, 2000);
	assert_int_equal(r.patient_turns, 0);
}

/* A clock that stands still, no bytes, huge ones: nothing to divide by. */
static void test_extremes(void **state UNUSED)
{
	struct block_pace pace = {0};
	unsigned i;

	for (i = 0; i < 10000; i++)
		(void)block_pace_turn(&pace, 0, 1);
	for (i = 0; i < 10000; i++)
		(void)block_pace_turn(&pace, 1, 2 + i);
	for (i = 0; i < 10000; i++)
		(void)block_pace_turn(&pace, 1ull << 40, 1ull << 40);
	assert_in_range(pace.turns, 0, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patient_where_it_helps),
	    cmocka_unit_test(test_impatient_where_it_harms),
	    cmocka_unit_test(test_impatient_where_it_is_the_same),
	    cmocka_unit_test(test_a_trial_that_finds_no_more_is_short),
	    cmocka_unit_test(test_the_first_late_turn_ends_patience),
	    cmocka_unit_test(test_another_job_is_tried_at_once),
	    cmocka_unit_test(test_pauses_are_not_counted),
	    cmocka_unit_test(test_one_wrong_measurement),
	    cmocka_unit_test(test_an_idle_disk),
	    cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
