/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the event loop's timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/timerfd.h>

#include "loop_fixture.h"

/* The linker sends these calls of the loop here. */
static unsigned settimes;

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *old)
{
	settimes++;
	return __real_timerfd_settime(fd, flags, when, old);
}

struct shot {
	struct ev_timer *timer;
	uint64_t fired_ns;
	int calls;
};

static void note_fired(void *ctx)
{
	struct shot *shot = ctx;

	shot->fired_ns = now_ns();
	shot->calls++;
}

static void test_timer_never_early(void **state)
{
	static const uint64_t delays_ns[] = {0, 1, 999, 1000001, 1500000};
	struct shot shot = {0};
	int shots = 0;

	assert_int_equal(
	    ev_timer_create(*state, note_fired, &shot, &shot.timer), 0);
	/*
	 * At all phases of the host's tick, which a coarse clock follows, and
	 * without waiting: a wait has its own rounding, which hides others.
	 */
	for (size_t i = 0; i < 10 * ARRAY_LEN(delays_ns); i++) {
		uint64_t delay_ns = delays_ns[i % ARRAY_LEN(delays_ns)];
		uint64_t start;

		usleep((useconds_t)(i * 397 % 4000));
		start = now_ns();
		ev_timer_arm(shot.timer, delay_ns);
		for (shots++; shot.calls < shots;) {
			assert_true(now_ns() - start < DEADLINE_NS);
			step_ready(*state);
		}
		assert_true(shot.fired_ns - start >= delay_ns);
	}
	/* One shot: it does not fire again by itself. */
	assert_int_equal(evloop_step(*state, 10), 0);
	assert_int_equal(shot.calls, shots);
	ev_timer_destroy(shot.timer);
	ev_timer_destroy(NULL);
}

static void test_timer_rearm(void **state)
{
	struct shot late = {0}, soon = {0};
	uint64_t start = now_ns();

	assert_int_equal(
	    ev_timer_create(*state, note_fired, &late, &late.timer), 0);
	assert_int_equal(
	    ev_timer_create(*state, note_fired, &soon, &soon.timer), 0);
	ev_timer_arm(late.timer, NS_PER_MS);
	ev_timer_arm(late.timer, 30 * NS_PER_MS); /* later */
	ev_timer_arm(soon.timer, UINT64_MAX);
	ev_timer_arm(soon.timer, NS_PER_MS); /* sooner */
	step_until(*state, &late.calls, 1);
	assert_int_equal(soon.calls, 1);
	assert_true(soon.fired_ns <= late.fired_ns);
	assert_true(late.fired_ns - start >= 30 * NS_PER_MS);
	ev_timer_arm(soon.timer, 0);
	ev_timer_disarm(soon.timer);
	ev_timer_disarm(soon.timer);
	assert_int_equal(evloop_step(*state, 5), 0);
	assert_int_equal(soon.calls, 1);
	/* Armed when destroyed. */
	ev_timer_arm(soon.timer, NS_PER_MS);
	ev_timer_destroy(soon.timer);
	assert_int_equal(evloop_step(*state, 5), 0);
	ev_timer_destroy(late.timer);
}

/* Only arming one, and disarming one that is armed, costs a system call. */
static void test_timer_calls(void **state)
{
	struct shot shot = {0};

	assert_int_equal(
	    ev_timer_create(*state, note_fired, &shot, &shot.timer), 0);
	settimes = 0;
	ev_timer_disarm(shot.timer);
	assert_int_equal(settimes, 0);
	ev_timer_arm(shot.timer, 1);
	step_until(*state, &shot.calls, 1);
	assert_int_equal(settimes, 1);
	ev_timer_disarm(shot.timer); /* fired: not armed any more */
	assert_int_equal(settimes, 1);
	/* Over when it is disarmed, but the loop has not looked yet. */
	ev_timer_arm(shot.timer, 1);
	ev_timer_disarm(shot.timer);
	assert_int_equal(settimes, 3);
	assert_int_equal(evloop_step(*state, 5), 0);
	assert_int_equal(shot.calls, 1);
	ev_timer_destroy(shot.timer);
}

/* Two that are due in one pass, each of which disarms the other. */
struct rival {
	struct rival *other;
	struct ev_timer *timer;
	int *calls;
};

static void disarm_other(void *ctx)
{
	struct rival *rival = ctx;

	++*rival->calls;
	ev_timer_disarm(rival->other->timer);
}

static void test_timer_disarm_due(void **state)
{
	struct rival a, b;
	int calls = 0;

	a = (struct rival){.other = &b, .calls = &calls};
	b = (struct rival){.other = &a, .calls = &calls};
	assert_int_equal(ev_timer_create(*state, disarm_other, &a, &a.timer),
			 0);
	assert_int_equal(ev_timer_create(*state, disarm_other, &b, &b.timer),
			 0);
	ev_timer_arm(a.timer, 1);
	ev_timer_arm(b.timer, 1);
	step_until(*state, &calls, 1);
	assert_int_equal(evloop_step(*state, 5), 0);
	assert_int_equal(calls, 1);
	ev_timer_destroy(a.timer);
	ev_timer_destroy(b.timer);
}

/* Time spent in a callback does not shorten what is armed after it. */
static void spend_then_arm(void *ctx)
{
	struct shot *shot = ctx;
	uint64_t until = now_ns() + 20 * NS_PER_MS;

	while (now_ns() < until)
		;
	shot->fired_ns = now_ns();
	ev_timer_arm(shot->timer, 10 * NS_PER_MS);
}

static void test_timer_after_work(void **state)
{
	struct shot shot = {0}, worker;

	assert_int_equal(
	    ev_timer_create(*state, note_fired, &shot, &shot.timer), 0);
	worker = shot;
	assert_int_equal(evloop_post(*state, spend_then_arm, &worker), 0);
	step_until(*state, &shot.calls, 1);
	assert_true(shot.fired_ns - worker.fired_ns >= 10 * NS_PER_MS);
	ev_timer_destroy(shot.timer);
}

struct periodic {
	struct ev_timer *timer;
	int left;
	int calls;
};

static void rearm_or_destroy(void *ctx)
{
	struct periodic *p = ctx;

	p->calls++;
	if (--p->left) {
		ev_timer_arm(p->timer, 100000);
		return;
	}
	ev_timer_destroy(p->timer);
	p->timer = NULL;
}

static void test_timer_in_callback(void **state)
{
	struct periodic p = {.left = 5};

	assert_int_equal(
	    ev_timer_create(*state, rearm_or_destroy, &p, &p.timer), 0);
	ev_timer_arm(p.timer, 0);
	step_until(*state, &p.calls, 5);
	assert_null(p.timer);
	assert_int_equal(evloop_step(*state, 5), 0);
	assert_int_equal(p.calls, 5);
}

struct stopper {
	struct evloop *loop;
	struct ev_timer *timer;
	int calls;
};

static void count_and_stop(void *ctx)
{
	struct stopper *s = ctx;

	s->calls++;
	evloop_stop(s->loop);
}

static void *arm_thread(void *arg)
{
	struct stopper *s = arg;

	usleep(20000); /* most likely the loop is waiting by then */
	ev_timer_arm(s->timer, NS_PER_MS);
	return NULL;
}

/* The loop waits without any deadline until another thread sets one. */
static void test_timer_arm_from_thread(void **state)
{
	struct stopper s = {.loop = *state};
	pthread_t thread;

	assert_int_equal(ev_timer_create(s.loop, count_and_stop, &s, &s.timer),
			 0);
	pthread_create(&thread, NULL, arm_thread, &s);
	assert_int_equal(evloop_run(s.loop), 0);
	pthread_join(thread, NULL);
	assert_int_equal(s.calls, 1);
	ev_timer_destroy(s.timer);
}

struct contended {
	struct evloop *loop;
	struct ev_timer *timer;
	pthread_mutex_t lock;
	int running; /* the callback has begun */
	int calls;
};

static void lock_in_callback(void *ctx)
{
	struct contended *c = ctx;

	__atomic_store_n(&c->running, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&c->lock);
	c->calls++;
	pthread_mutex_unlock(&c->lock);
	evloop_stop(c->loop);
}

static void *disarm_thread(void *arg)
{
	struct contended *c = arg;

	pthread_mutex_lock(&c->lock);
	ev_timer_arm(c->timer, 0);
	while (!__atomic_load_n(&c->running, __ATOMIC_ACQUIRE))
		usleep(100);
	ev_timer_disarm(c->timer);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/*
 * A thread that holds a device's lock disarms the timer whose callback waits
 * for that lock. Were disarming to wait for the callback, this would hang.
 */
static void test_timer_disarm_no_deadlock(void **state)
{
	struct contended c = {.loop = *state};
	pthread_t thread;

	pthread_mutex_init(&c.lock, NULL);
	assert_int_equal(
	    ev_timer_create(c.loop, lock_in_callback, &c, &c.timer), 0);
	pthread_create(&thread, NULL, disarm_thread, &c);
	assert_int_equal(evloop_run(c.loop), 0);
	pthread_join(thread, NULL);
	assert_int_equal(c.calls, 1);
	ev_timer_destroy(c.timer);
	pthread_mutex_destroy(&c.lock);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_timer_never_early),
	    TEST(test_timer_rearm),
	    TEST(test_timer_calls),
	    TEST(test_timer_disarm_due),
	    TEST(test_timer_after_work),
	    TEST(test_timer_in_callback),
	    TEST(test_timer_arm_from_thread),
	    TEST(test_timer_disarm_no_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
