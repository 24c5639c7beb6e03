/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop of a process: file descriptors, timers and posted calls, all
 * handled on the one thread that runs evloop_run().
 *
 * Threads: evloop_post(), evloop_stop() and ev_timer_arm()/ev_timer_disarm()
 * may be called from any thread; everything else only before evloop_run() or
 * on its thread. A callback may delete its own or any other handle. Handles
 * must be deleted before their loop is destroyed. None of this is safe in a
 * signal handler: read signals from a signalfd.
 * libevent (epoll) does the waiting.
 */
#ifndef BASE_EVLOOP_H
#define BASE_EVLOOP_H

#include "base/base.h"

struct evloop;
struct ev_fd;
struct ev_timer;

#define EV_IN  1u /* readable, or end of file / error */
#define EV_OUT 2u /* writable */

typedef void ev_fd_fn(void *ctx, unsigned events);
typedef void ev_timer_fn(void *ctx);
typedef void ev_post_fn(void *ctx);

MUST_CHECK int evloop_create(struct evloop **ret_loop);
void evloop_destroy(struct evloop *loop); /* NULL allowed */

/*
 * Runs callbacks until evloop_stop(), also when that was called before.
 * Callbacks that were due together with the stop still run. 0, or negative
 * errno of the wait.
 */
MUST_CHECK int evloop_run(struct evloop *loop);
/* Handles what is ready now, at most waiting timeout_ms; for tests. */
MUST_CHECK int evloop_step(struct evloop *loop, unsigned timeout_ms);
void evloop_stop(struct evloop *loop);

/*
 * Calls fn(ctx) on the loop's thread soon, in posting order. Allocates; when
 * memory is short -ENOMEM and fn will not be called. Calls still waiting in
 * evloop_destroy() are dropped.
 */
MUST_CHECK int evloop_post(struct evloop *loop, ev_post_fn *fn, void *ctx);

/*
 * Until then (CLOCK_MONOTONIC; the latest of what was asked for) the loop's
 * thread does not take the processor from what runs there when it is woken, but
 * waits until that sleeps or its time is up (SCHED_BATCH; see sched(7)). A
 * thread that sleeps meanwhile is patient once more when it is woken, and not
 * any more after that pass. On the loop's thread. Nothing where somebody has
 * given it another policy, or more than the usual share: he knows better.
 */
void evloop_patience(struct evloop *loop, uint64_t until_ns);

/*
 * Level-triggered. fd is borrowed and must outlive the handle. -EPERM when fd
 * is of a kind that is always ready (regular file, /dev/null).
 */
MUST_CHECK int ev_fd_create(struct evloop *loop, int fd, unsigned events,
			    ev_fd_fn *fn, void *ctx, struct ev_fd **ret_handle);
/* Changes which events are waited for; 0 pauses. */
void ev_fd_set(struct ev_fd *handle, unsigned events);
/*
 * Calls fn(ctx, EV_IN) after the callback that runs, whatever the descriptor
 * says, and before the loop looks at others: a callback must not fire itself
 * without end. Several before it runs are one. Costs no system call.
 */
void ev_fd_fire(struct ev_fd *handle);
void ev_fd_destroy(struct ev_fd *handle); /* NULL allowed */

/*
 * One-shot timer, created disarmed; it has a descriptor of its own. Arming
 * again moves the deadline. Never early. Disarmed on another thread than the
 * loop's it may be firing just then: the callback runs once more at most, and
 * nobody waits for it. Arming costs one system call, disarming what is not
 * armed none.
 */
MUST_CHECK int ev_timer_create(struct evloop *loop, ev_timer_fn *fn, void *ctx,
			       struct ev_timer **ret_timer);
void ev_timer_arm(struct ev_timer *timer, uint64_t delay_ns);
void ev_timer_disarm(struct ev_timer *timer);
void ev_timer_destroy(struct ev_timer *timer); /* NULL allowed */

#endif
