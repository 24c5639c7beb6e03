/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop on libevent; the contract is in evloop.h.
 *
 * Timers are descriptors of the kernel's, one each: libevent's own are either
 * as coarse as the host's tick or cost a system call in every pass, whether
 * there is a timer or not, and arming one on another thread would wake the
 * loop.
 */
#include "base/evloop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/log.h"

struct post {
	struct post *next;
	ev_post_fn *fn;
	void *ctx;
};

/* Locking: `lock` guards the list of posted calls; `stop` is atomic. */
struct evloop {
	struct event_base *base;
	struct event wake; /* wake_fd is readable: posted calls or a stop */
	struct event step; /* deadline of evloop_step() */
	pthread_mutex_t lock;
	struct post *first;
	struct post **tail;
	int wake_fd;
	bool stop;
	/* The loop's thread only. */
	uint64_t patient_until;
	bool patient; /* its policy is SCHED_BATCH */
};

struct ev_fd {
	struct event event;
	struct event_base *base;
	ev_fd_fn *fn;
	void *ctx;
	int fd;
};

/* Locking: `lock` guards `armed` and what the descriptor is set to. */
struct ev_timer {
	struct ev_fd *expiry;
	ev_timer_fn *fn;
	void *ctx;
	int fd;
	pthread_mutex_t lock;
	bool armed;
};

/* libevent leaves the reason in errno, but does not promise to. */
static int event_errno(void)
{
	return errno > 0 ? -errno : -EIO;
}

/* Our callers explain failures themselves; libevent must not print. */
static void drop_libevent_log(int severity UNUSED, const char *msg UNUSED)
{
}

static void loop_wake(struct evloop *loop)
{
	/* Cannot fail: the counter is far from its limit of 2^64 - 2. */
	(void)eventfd_write(loop->wake_fd, 1);
}

static void run_posted(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct evloop *loop = arg;
	struct post *post, *next;
	eventfd_t count;

	/* Before the list is taken: what comes later wakes us again. */
	(void)eventfd_read(fd, &count);
	/*
	 * Calls posted by these calls go on the new list and run in the next
	 * pass, so a call that posts itself does not starve the descriptors.
	 */
	pthread_mutex_lock(&loop->lock);
	post = loop->first;
	loop->first = NULL;
	loop->tail = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	for (; post; post = next) {
		next = post->next;
		post->fn(post->ctx);
		free(post);
	}
}

static void step_expired(evutil_socket_t fd UNUSED, short what UNUSED,
			 void *arg UNUSED)
{
}

static struct event_base *base_create(void)
{
	struct event_config *config;
	struct event_base *base;

	event_set_log_callback(drop_libevent_log);
	if (evthread_use_pthreads())
		return NULL;
	config = event_config_new();
	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int loop_open(struct evloop *loop)
{
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd < 0)
		return -errno;
	errno = 0;
	loop->base = base_create();
	if (!loop->base)
		return errno ? -errno : -ENOMEM;
	event_assign(&loop->step, loop->base, -1, 0, step_expired, loop);
	event_assign(&loop->wake, loop->base, loop->wake_fd,
		     EV_READ | EV_PERSIST, run_posted, loop);
	return event_add(&loop->wake, NULL) ? event_errno() : 0;
}

int evloop_create(struct evloop **ret_loop)
{
	struct evloop *loop;
	int ret;

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	pthread_mutex_init(&loop->lock, NULL);
	loop->tail = &loop->first;
	ret = loop_open(loop);
	if (ret) {
		evloop_destroy(loop);
		return ret;
	}
	*ret_loop = loop;
	return 0;
}

void evloop_destroy(struct evloop *loop)
{
	struct post *post, *next;

	if (!loop)
		return;
	if (loop->base) {
		event_del(&loop->wake);
		event_del(&loop->step);
		event_base_free(loop->base);
	}
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	for (post = loop->first; post; post = next) {
		next = post->next;
		free(post);
	}
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

/* Is the thread as the kernel makes it? */
static bool has_usual_share(void)
{
	return (sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_OTHER &&
	       getpriority(PRIO_PROCESS, 0) >= 0;
}

static void set_patient(struct evloop *loop, bool patient)
{
	const struct sched_param none = {0};

	/* Threads that it starts meanwhile are as usual. */
	if (sched_setscheduler(
		0, (patient ? SCHED_BATCH : SCHED_OTHER) | SCHED_RESET_ON_FORK,
		&none) == 0)
		loop->patient = patient;
}

void evloop_patience(struct evloop *loop, uint64_t until_ns)
{
	loop->patient_until = MAX(loop->patient_until, until_ns);
	if (!loop->patient && has_usual_share())
		set_patient(loop, true);
}

static void patience_check(struct evloop *loop)
{
	const struct clock *clock = clock_host();

	if (loop->patient && clock->mono_ns(clock) >= loop->patient_until)
		set_patient(loop, false);
}

static int loop_pass(struct evloop *loop, int flags)
{
	errno = 0;
	if (event_base_loop(loop->base, flags) < 0)
		return event_errno();
	patience_check(loop);
	return 0;
}

int evloop_run(struct evloop *loop)
{
	int ret;

	/*
	 * Pass by pass rather than event_base_loopbreak(), which forgets a
	 * stop that comes before the loop has begun.
	 */
	while (!__atomic_exchange_n(&loop->stop, false, __ATOMIC_ACQ_REL)) {
		ret = loop_pass(loop, EVLOOP_ONCE);
		if (ret)
			return ret;
	}
	return 0;
}

int evloop_step(struct evloop *loop, unsigned timeout_ms)
{
	struct timeval limit = {
	    .tv_sec = timeout_ms / 1000,
	    .tv_usec = timeout_ms % 1000 * 1000,
	};
	int ret;

	if (!timeout_ms)
		return loop_pass(loop, EVLOOP_NONBLOCK);
	errno = 0;
	if (event_add(&loop->step, &limit))
		return event_errno();
	ret = loop_pass(loop, EVLOOP_ONCE);
	event_del(&loop->step);
	return ret;
}

void evloop_stop(struct evloop *loop)
{
	__atomic_store_n(&loop->stop, true, __ATOMIC_RELEASE);
	loop_wake(loop);
}

int evloop_post(struct evloop *loop, ev_post_fn *fn, void *ctx)
{
	struct post *post;
	bool first;

	post = malloc(sizeof(*post));
	if (!post)
		return -ENOMEM;
	*post = (struct post){.fn = fn, .ctx = ctx};
	pthread_mutex_lock(&loop->lock);
	first = !loop->first;
	*loop->tail = post;
	loop->tail = &post->next;
	pthread_mutex_unlock(&loop->lock);
	/* Whoever found the list empty wakes the loop for all that follow. */
	if (first)
		loop_wake(loop);
	return 0;
}

static void fd_ready(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct ev_fd *handle = arg;
	unsigned events = 0;

	if (what & EV_READ)
		events |= EV_IN;
	if (what & EV_WRITE)
		events |= EV_OUT;
	handle->fn(handle->ctx, events); /* may free the handle */
}

static int fd_wait(struct ev_fd *handle, unsigned events)
{
	short what = EV_PERSIST;

	if (events & EV_IN)
		what |= EV_READ;
	if (events & EV_OUT)
		what |= EV_WRITE;
	if (event_assign(&handle->event, handle->base, handle->fd, what,
			 fd_ready, handle))
		return -EINVAL;
	errno = 0;
	return event_add(&handle->event, NULL) ? event_errno() : 0;
}

int ev_fd_create(struct evloop *loop, int fd, unsigned events, ev_fd_fn *fn,
		 void *ctx, struct ev_fd **ret_handle)
{
	struct ev_fd *handle;
	int ret;

	if (fd < 0)
		return -EBADF;
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	handle->base = loop->base;
	handle->fn = fn;
	handle->ctx = ctx;
	handle->fd = fd;
	/*
	 * A handle created paused is waited for once as well: a descriptor
	 * that cannot be polled is refused here, not lost in ev_fd_set().
	 */
	ret = fd_wait(handle, events ? events : EV_IN);
	if (ret) {
		free(handle);
		return ret;
	}
	if (!events)
		event_del(&handle->event);
	*ret_handle = handle;
	return 0;
}

void ev_fd_set(struct ev_fd *handle, unsigned events)
{
	int ret;

	event_del(&handle->event);
	if (!events)
		return;
	ret = fd_wait(handle, events);
	if (ret)
		log_error("event loop: cannot wait for descriptor %d: %s",
			  handle->fd, strerror(-ret));
}

void ev_fd_fire(struct ev_fd *handle)
{
	event_active(&handle->event, EV_READ, 0);
}

void ev_fd_destroy(struct ev_fd *handle)
{
	if (!handle)
		return;
	event_del(&handle->event);
	free(handle);
}

static void timer_expired(void *ctx, unsigned events UNUSED)
{
	struct ev_timer *timer = ctx;
	uint64_t times;
	bool due;

	pthread_mutex_lock(&timer->lock);
	/* Armed again or disarmed since it was seen: there is nothing to read.
	 */
	due = read(timer->fd, &times, sizeof(times)) == (ssize_t)sizeof(times);
	if (due)
		timer->armed = false;
	pthread_mutex_unlock(&timer->lock);
	if (due)
		timer->fn(timer->ctx); /* may free the timer */
}

int ev_timer_create(struct evloop *loop, ev_timer_fn *fn, void *ctx,
		    struct ev_timer **ret_timer)
{
	struct ev_timer *timer;
	int ret;

	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	timer->fn = fn;
	timer->ctx = ctx;
	pthread_mutex_init(&timer->lock, NULL);
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	ret = timer->fd < 0
		  ? -errno
		  : ev_fd_create(loop, timer->fd, EV_IN, timer_expired, timer,
				 &timer->expiry);
	if (ret) {
		ev_timer_destroy(timer);
		return ret;
	}
	*ret_timer = timer;
	return 0;
}

/* 0 disarms. Lock held. */
static void timer_set(struct ev_timer *timer, uint64_t delay_ns)
{
	struct itimerspec when = {
	    .it_value = {.tv_sec = (time_t)(delay_ns / NS_PER_S),
			 .tv_nsec = (long)(delay_ns % NS_PER_S)},
	};

	/* Cannot fail: the descriptor and the numbers are ours. */
	(void)timerfd_settime(timer->fd, 0, &when, NULL);
	timer->armed = delay_ns != 0;
}

void ev_timer_arm(struct ev_timer *timer, uint64_t delay_ns)
{
	pthread_mutex_lock(&timer->lock);
	timer_set(timer, MAX(delay_ns, (uint64_t)1));
	pthread_mutex_unlock(&timer->lock);
}

void ev_timer_disarm(struct ev_timer *timer)
{
	/*
	 * Does not wait for a callback that is running: the caller may hold
	 * the lock which that callback wants.
	 */
	pthread_mutex_lock(&timer->lock);
	if (timer->armed)
		timer_set(timer, 0);
	pthread_mutex_unlock(&timer->lock);
}

void ev_timer_destroy(struct ev_timer *timer)
{
	if (!timer)
		return;
	ev_fd_destroy(timer->expiry);
	if (timer->fd >= 0)
		close(timer->fd);
	pthread_mutex_destroy(&timer->lock);
	free(timer);
}
