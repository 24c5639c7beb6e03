/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the event loop: posting, descriptors, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "loop_fixture.h"

static void count_call(void *ctx)
{
	++*(int *)ctx;
}

static void count_ready(void *ctx, unsigned events UNUSED)
{
	++*(int *)ctx;
}

/* Posted calls */

struct order {
	struct evloop *loop;
	char text[16];
	size_t len;
};

static void append_a(void *ctx)
{
	struct order *order = ctx;

	order->text[order->len++] = 'a';
}

static void append_b(void *ctx)
{
	struct order *order = ctx;

	order->text[order->len++] = 'b';
}

static void append_c_post_a(void *ctx)
{
	struct order *order = ctx;

	order->text[order->len++] = 'c';
	assert_int_equal(evloop_post(order->loop, append_a, order), 0);
}

static void test_post_order(void **state)
{
	struct order order = {.loop = *state};

	assert_int_equal(evloop_post(order.loop, append_b, &order), 0);
	assert_int_equal(evloop_post(order.loop, append_c_post_a, &order), 0);
	assert_int_equal(evloop_post(order.loop, append_b, &order), 0);
	assert_string_equal(order.text, ""); /* not from within post */
	step_ready(order.loop);
	assert_int_equal(evloop_step(order.loop, 100), 0);
	assert_string_equal(order.text, "bcba");
}

struct reposter {
	struct evloop *loop;
	int count;
};

static void post_again(void *ctx)
{
	struct reposter *r = ctx;

	r->count++;
	assert_int_equal(evloop_post(r->loop, post_again, r), 0);
}

/* A call that always posts itself starves neither descriptors nor timers. */
static void test_post_no_starvation(void **state)
{
	struct reposter r = {.loop = *state};
	struct ev_timer *timer;
	struct ev_fd *handle;
	int fired = 0, ready = 0, fds[2];

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	assert_int_equal(
	    ev_fd_create(r.loop, fds[1], EV_OUT, count_ready, &ready, &handle),
	    0);
	assert_int_equal(ev_timer_create(r.loop, count_call, &fired, &timer),
			 0);
	ev_timer_arm(timer, NS_PER_MS);
	assert_int_equal(evloop_post(r.loop, post_again, &r), 0);
	step_until(r.loop, &fired, 1);
	assert_true(ready > 0);
	assert_true(r.count > 0);
	ev_timer_destroy(timer);
	ev_fd_destroy(handle);
	close(fds[0]);
	close(fds[1]);
}

/* A call that was never made is dropped with the loop (leak check). */
static void test_post_dropped(void **state UNUSED)
{
	struct evloop *loop;
	int calls = 0;

	assert_int_equal(evloop_create(&loop), 0);
	assert_int_equal(evloop_post(loop, count_call, &calls), 0);
	assert_int_equal(evloop_post(loop, count_call, &calls), 0);
	evloop_destroy(loop);
	assert_int_equal(calls, 0);
	evloop_destroy(NULL);
}

#define POSTERS 4
#define POSTS	2000

struct poster {
	struct evloop *loop;
	int *total;
	int next; /* number the next call must carry */
	pthread_t thread;
};

struct numbered {
	struct poster *poster;
	int number;
};

static void check_number(void *ctx)
{
	struct numbered *n = ctx;

	assert_int_equal(n->number, n->poster->next++);
	if (++*n->poster->total == POSTERS * POSTS)
		evloop_stop(n->poster->loop);
	free(n);
}

static void *post_many(void *arg)
{
	struct poster *poster = arg;

	for (int i = 0; i < POSTS; i++) {
		struct numbered *n = malloc(sizeof(*n));

		if (!n)
			abort();
		*n = (struct numbered){poster, i};
		if (evloop_post(poster->loop, check_number, n))
			abort();
	}
	return NULL;
}

/* Every call of every thread arrives once, each thread's in its order. */
static void test_post_threads(void **state)
{
	struct poster posters[POSTERS];
	int total = 0;

	for (int i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.loop = *state, .total = &total};
		pthread_create(&posters[i].thread, NULL, post_many,
			       &posters[i]);
	}
	assert_int_equal(evloop_run(*state), 0);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	assert_int_equal(total, POSTERS * POSTS);
}

/* Stopping */

static void stop_loop(void *ctx)
{
	evloop_stop(ctx);
}

static void test_stop(void **state)
{
	int calls = 0;

	/* Before the loop runs, and only once. */
	evloop_stop(*state);
	assert_int_equal(evloop_run(*state), 0);
	assert_int_equal(evloop_post(*state, count_call, &calls), 0);
	assert_int_equal(evloop_post(*state, stop_loop, *state), 0);
	assert_int_equal(evloop_run(*state), 0);
	assert_int_equal(calls, 1);
}

static void *stop_thread(void *arg)
{
	usleep(20000); /* most likely the loop is waiting by then */
	evloop_stop(arg);
	return NULL;
}

static void test_stop_from_thread(void **state)
{
	pthread_t thread;

	pthread_create(&thread, NULL, stop_thread, *state);
	assert_int_equal(evloop_run(*state), 0);
	pthread_join(thread, NULL);
}

static void test_step_timeout(void **state)
{
	uint64_t start = now_ns();

	assert_int_equal(evloop_step(*state, 30), 0);
	assert_true(now_ns() - start >= 30 * NS_PER_MS);
	assert_true(now_ns() - start < DEADLINE_NS);
}

/* Descriptors */

struct watch {
	struct ev_fd *handle;
	int fd;
	int calls;
	unsigned events;
	bool drain;
};

static void note_ready(void *ctx, unsigned events)
{
	struct watch *w = ctx;
	char buf[64];

	w->calls++;
	w->events = events;
	if (w->drain)
		assert_true(read(w->fd, buf, sizeof(buf)) >= 0);
}

static void test_fd_level(void **state)
{
	struct watch w = {0};
	int fds[2];

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	w.fd = fds[0];
	assert_int_equal(
	    ev_fd_create(*state, w.fd, EV_IN, note_ready, &w, &w.handle), 0);
	step_ready(*state);
	assert_int_equal(w.calls, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	step_until(*state, &w.calls, 1);
	assert_int_equal(w.events, EV_IN);
	/* Not read, so it is reported again. */
	w.drain = true;
	step_until(*state, &w.calls, 2);
	step_ready(*state);
	assert_int_equal(w.calls, 2);
	/* The end of the file is reported as readable. */
	close(fds[1]);
	step_until(*state, &w.calls, 3);
	assert_int_equal(w.events, EV_IN);
	ev_fd_destroy(w.handle);
	ev_fd_destroy(NULL);
	close(fds[0]);
}

static void test_fd_set(void **state)
{
	struct watch w = {0};
	int fds[2];

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	w.fd = fds[1];
	/* Created paused. */
	assert_int_equal(
	    ev_fd_create(*state, w.fd, 0, note_ready, &w, &w.handle), 0);
	step_ready(*state);
	assert_int_equal(w.calls, 0);
	ev_fd_set(w.handle, EV_OUT);
	step_until(*state, &w.calls, 1);
	assert_int_equal(w.events, EV_OUT);
	ev_fd_set(w.handle, EV_IN);
	step_ready(*state);
	assert_int_equal(w.calls, 1);
	ev_fd_set(w.handle, EV_IN | EV_OUT);
	step_until(*state, &w.calls, 2);
	assert_int_equal(w.events, EV_OUT);
	ev_fd_set(w.handle, 0);
	step_ready(*state);
	assert_int_equal(w.calls, 2);
	/* Nobody reads any more: an error, which either direction hears. */
	close(fds[0]);
	ev_fd_set(w.handle, EV_IN);
	step_until(*state, &w.calls, 3);
	ev_fd_destroy(w.handle);
	close(fds[1]);
}

/* Fired while paused and unreadable, twice: one call, before other handles. */
struct fire {
	struct ev_fd *other;
	unsigned calls, fires;
};

static void fired(void *ctx, unsigned events)
{
	struct fire *f = ctx;

	assert_int_equal(events, EV_IN);
	f->calls++;
}

static void fires(void *ctx, unsigned events UNUSED)
{
	struct fire *f = ctx;

	f->fires++;
	ev_fd_fire(f->other);
	ev_fd_fire(f->other);
}

static void test_fd_fire(void **state)
{
	struct evloop *loop = *state;
	struct ev_fd *handle;
	struct fire f = {0};
	int fd = eventfd(1, EFD_CLOEXEC), other = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0 && other >= 0);
	assert_int_equal(ev_fd_create(loop, other, 0, fired, &f, &f.other), 0);
	assert_int_equal(ev_fd_create(loop, fd, EV_IN, fires, &f, &handle), 0);
	assert_int_equal(evloop_step(loop, 10000), 0);
	assert_int_equal(f.fires, 1);
	assert_int_equal(f.calls, 1);
	ev_fd_set(handle, 0);
	assert_int_equal(evloop_step(loop, 0), 0);
	assert_int_equal(f.calls, 1);
	/* Outside of callbacks the next step does it; not after the end. */
	ev_fd_fire(f.other);
	assert_int_equal(evloop_step(loop, 10000), 0);
	assert_int_equal(f.calls, 2);
	ev_fd_fire(f.other);
	ev_fd_destroy(f.other);
	assert_int_equal(evloop_step(loop, 0), 0);
	assert_int_equal(f.calls, 2);
	ev_fd_destroy(handle);
	close(fd);
	close(other);
}

static void test_fd_refused(void **state)
{
	struct ev_fd *handle = NULL;
	int file = memfd_create("file", MFD_CLOEXEC);
	int calls = 0;

	assert_true(file >= 0);
	assert_int_equal(
	    ev_fd_create(*state, -1, EV_IN, count_ready, &calls, &handle),
	    -EBADF);
	assert_int_equal(
	    ev_fd_create(*state, file, EV_IN, count_ready, &calls, &handle),
	    -EPERM);
	assert_int_equal(
	    ev_fd_create(*state, file, 0, count_ready, &calls, &handle),
	    -EPERM);
	close(file);
	assert_int_equal(
	    ev_fd_create(*state, file, EV_IN, count_ready, &calls, &handle),
	    -EBADF);
	assert_null(handle);
}

/* Two handles that are ready together; the first to run deletes both. */
struct pair {
	struct ev_fd *handles[2];
	int calls;
};

static void destroy_both(void *ctx, unsigned events UNUSED)
{
	struct pair *pair = ctx;

	pair->calls++;
	ev_fd_destroy(pair->handles[0]);
	ev_fd_destroy(pair->handles[1]);
	pair->handles[0] = pair->handles[1] = NULL;
}

static void test_fd_destroy_in_callback(void **state)
{
	struct pair pair = {0};
	int a[2], b[2];

	assert_return_code(pipe2(a, O_CLOEXEC), errno);
	assert_return_code(pipe2(b, O_CLOEXEC), errno);
	assert_int_equal(ev_fd_create(*state, a[1], EV_OUT, destroy_both, &pair,
				      &pair.handles[0]),
			 0);
	assert_int_equal(ev_fd_create(*state, b[1], EV_OUT, destroy_both, &pair,
				      &pair.handles[1]),
			 0);
	step_until(*state, &pair.calls, 1);
	step_ready(*state);
	assert_int_equal(pair.calls, 1);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void pause_self(void *ctx, unsigned events)
{
	struct watch *w = ctx;

	w->calls++;
	w->events = events;
	ev_fd_set(w->handle, 0);
}

static void test_fd_pause_in_callback(void **state)
{
	struct watch w = {0};
	int fds[2];

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	assert_int_equal(
	    ev_fd_create(*state, fds[1], EV_OUT, pause_self, &w, &w.handle), 0);
	step_until(*state, &w.calls, 1);
	step_ready(*state);
	assert_int_equal(w.calls, 1);
	ev_fd_set(w.handle, EV_OUT);
	step_until(*state, &w.calls, 2);
	ev_fd_destroy(w.handle);
	close(fds[0]);
	close(fds[1]);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void test_no_fd_leak(void **state UNUSED)
{
	struct evloop *loop;
	struct ev_timer *timer;
	int before = count_fds(), calls = 0;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(evloop_create(&loop), 0);
		assert_int_equal(
		    ev_timer_create(loop, count_call, &calls, &timer), 0);
		ev_timer_destroy(timer);
		evloop_destroy(loop);
	}
	assert_int_equal(count_fds(), before);
}

/* Patience */

struct patience {
	struct evloop *loop, *other;
	int set[6]; /* the policies that the thread had */
	unsigned n;
};

static void see_policy(struct patience *p)
{
	p->set[p->n++] = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

/* A thread's policy is its own: the test's stays as it is. */
static void *patience_main(void *ctx)
{
	const struct sched_param none = {0};
	struct patience *p = ctx;

	/* Already over, so for one pass. */
	evloop_patience(p->loop, 1);
	see_policy(p);
	(void)!evloop_step(p->loop, 0);
	see_policy(p);
	/* The longest counts. */
	evloop_patience(p->loop, UINT64_MAX);
	evloop_patience(p->loop, 1);
	(void)!evloop_step(p->loop, 0);
	see_policy(p);
	/* What somebody else has set is left alone. */
	p->loop = p->other;
	(void)sched_setscheduler(0, SCHED_IDLE | SCHED_RESET_ON_FORK, &none);
	evloop_patience(p->loop, 1);
	see_policy(p);
	(void)!evloop_step(p->loop, 0);
	see_policy(p);
	return NULL;
}

static void test_patience(void **state)
{
	static const int wanted[] = {SCHED_BATCH, SCHED_OTHER, SCHED_BATCH,
				     SCHED_IDLE, SCHED_IDLE};
	struct patience p = {.loop = *state};
	pthread_t thread;
	unsigned i;

	assert_int_equal(evloop_create(&p.other), 0);
	assert_int_equal(pthread_create(&thread, NULL, patience_main, &p), 0);
	pthread_join(thread, NULL);
	evloop_destroy(p.other);
	assert_int_equal(p.n, ARRAY_LEN(wanted));
	for (i = 0; i < p.n; i++)
		assert_int_equal(p.set[i], wanted[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_post_order),
	    TEST(test_post_no_starvation),
	    TEST(test_post_dropped),
	    TEST(test_post_threads),
	    TEST(test_stop),
	    TEST(test_stop_from_thread),
	    TEST(test_step_timeout),
	    TEST(test_fd_level),
	    TEST(test_fd_set),
	    TEST(test_fd_fire),
	    TEST(test_fd_refused),
	    TEST(test_fd_destroy_in_callback),
	    TEST(test_fd_pause_in_callback),
	    TEST(test_patience),
	    TEST(test_no_fd_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
