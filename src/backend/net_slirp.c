/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network back end without privileges: libslirp's user-mode TCP/IP.
 *
 * Theory of operation. libslirp is loaded when first asked for (ADR 0003). It
 * keeps no thread: slirp_pollfds_fill() names the sockets to wait for, and
 * slirp_pollfds_poll() handles what happened to them. So every turn() of ours
 * (socket ready, timer due, frames from the guest) ends in watch_sockets(),
 * which makes the event loop wait for exactly the sockets of the moment.
 *
 * Frames from the guest are copied into `from_guest` and handed to libslirp in
 * the next turn, never inside net_send(): libslirp may answer at once, and the
 * answer wants the lock under which the NIC sends. Frames for a guest without
 * buffers wait in `to_guest`. Both are bounded; what does not fit is lost, as
 * on a wire.
 *
 * Locking: `lock` guards from_guest; `enabled` is an atomic word; the rest
 * belongs to the event loop's thread.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <slirp/libslirp.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backend/net_internal.h"
#include "base/clock.h"
#include "base/log.h"

#define SLIRP_LIBRARY "libslirp.so.0"
#define QUEUE_BYTES   (256u << 10)
#define FRAME_LARGEST 65536u /* libslirp takes no more */
#define GUEST_ADDR    "10.0.2.15"

/* The functions used, by their names in libslirp.h. */
struct slirp_lib {
	__typeof__(slirp_new) *new;
	__typeof__(slirp_cleanup) *cleanup;
	__typeof__(slirp_pollfds_fill) *pollfds_fill;
	__typeof__(slirp_pollfds_poll) *pollfds_poll;
	__typeof__(slirp_input) *input;
	__typeof__(slirp_add_hostfwd) *add_hostfwd;
};

/* Frames one after another, each behind its length. */
struct frame_queue {
	uint8_t *buf;
	size_t start, end;
};

struct watch {
	struct ev_fd *ev;
	unsigned events;  /* EV_*, wanted by this turn */
	unsigned applied; /* EV_*, what ev waits for */
	bool wanted;
};

struct slirp_net {
	struct net net; /* first */
	struct slirp_lib lib;
	Slirp *slirp;
	struct ev_timer *timer; /* of slirp_pollfds_fill() */
	int kick_fd;
	struct ev_fd *kick;
	bool turn_due, enabled;
	struct watch *watches; /* indexed by descriptor */
	unsigned watch_count;
	struct pollfd *polls; /* as given by slirp_pollfds_fill() */
	unsigned poll_count, poll_room;
	struct frame_queue to_guest;
	pthread_mutex_t lock;
	struct frame_queue from_guest;
	uint8_t frame[FRAME_LARGEST];
};

/* ---- frames ---- */

static bool queue_empty(const struct frame_queue *q)
{
	return q->start == q->end;
}

static void queue_put(struct frame_queue *q, const struct iovec *iov,
		      unsigned iovcnt, size_t len)
{
	uint32_t head = (uint32_t)len;
	unsigned i;

	if (queue_empty(q))
		q->start = q->end = 0;
	if (sizeof(head) + len > QUEUE_BYTES - (q->end - q->start))
		return;
	if (sizeof(head) + len > QUEUE_BYTES - q->end) {
		memmove(q->buf, q->buf + q->start, q->end - q->start);
		q->end -= q->start;
		q->start = 0;
	}
	memcpy(q->buf + q->end, &head, sizeof(head));
	q->end += sizeof(head);
	for (i = 0; i < iovcnt; i++) {
		size_t piece = MIN(len, iov[i].iov_len);

		memcpy(q->buf + q->end, iov[i].iov_base, piece);
		q->end += piece;
		len -= piece;
	}
}

static struct iovec queue_front(const struct frame_queue *q)
{
	uint32_t head;

	memcpy(&head, q->buf + q->start, sizeof(head));
	return (struct iovec){q->buf + q->start + sizeof(head), head};
}

static void queue_drop(struct frame_queue *q)
{
	q->start += sizeof(uint32_t) + queue_front(q).iov_len;
}

/* ---- what libslirp waits for ---- */

static void wake(struct slirp_net *sn)
{
	(void)!eventfd_write(sn->kick_fd, 1);
}

/* Several sockets may be ready: one turn handles them all. */
static void socket_ready(void *ctx, unsigned events UNUSED)
{
	struct slirp_net *sn = ctx;

	if (!sn->turn_due)
		wake(sn);
	sn->turn_due = true;
}

static void timer_due(void *ctx)
{
	socket_ready(ctx, 0);
}

static int watch_room(struct slirp_net *sn, unsigned fd)
{
	unsigned count = MAX(fd + 1, sn->watch_count * 2);
	struct watch *grown;

	if (fd < sn->watch_count)
		return 0;
	grown = reallocarray(sn->watches, count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + sn->watch_count, 0,
	       (count - sn->watch_count) * sizeof(*grown));
	sn->watches = grown;
	sn->watch_count = count;
	return 0;
}

static int poll_room(struct slirp_net *sn)
{
	unsigned room = sn->poll_room ? sn->poll_room * 2 : 16;
	struct pollfd *grown;

	if (sn->poll_count < sn->poll_room)
		return 0;
	grown = reallocarray(sn->polls, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	sn->polls = grown;
	sn->poll_room = room;
	return 0;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct slirp_net *sn = opaque;
	struct watch *watch;

	if (fd < 0 || watch_room(sn, (unsigned)fd) || poll_room(sn))
		return -1;
	sn->polls[sn->poll_count] = (struct pollfd){
	    .fd = fd,
	    .events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
			      (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
			      (events & SLIRP_POLL_PRI ? POLLPRI : 0)),
	};
	watch = &sn->watches[fd];
	if (!watch->wanted)
		watch->events = 0;
	watch->wanted = true;
	watch->events |=
	    (events & (SLIRP_POLL_IN | SLIRP_POLL_PRI) ? EV_IN : 0) |
	    (events & SLIRP_POLL_OUT ? EV_OUT : 0);
	return (int)sn->poll_count++;
}

static int get_revents(int idx, void *opaque)
{
	struct slirp_net *sn = opaque;
	short revents;

	if (idx < 0 || (unsigned)idx >= sn->poll_count)
		return 0;
	revents = sn->polls[idx].revents;
	return (revents & POLLIN ? SLIRP_POLL_IN : 0) |
	       (revents & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (revents & POLLPRI ? SLIRP_POLL_PRI : 0) |
	       (revents & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (revents & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void watch_apply(struct slirp_net *sn, int fd, struct watch *watch)
{
	if (!watch->wanted || !watch->events) {
		ev_fd_destroy(watch->ev);
		watch->ev = NULL;
	} else if (watch->ev) {
		if (watch->events != watch->applied)
			ev_fd_set(watch->ev, watch->events);
	} else if (ev_fd_create(sn->net.loop, fd, watch->events, socket_ready,
				sn, &watch->ev)) {
		watch->ev = NULL; /* memory is short: the next turn tries */
	}
	watch->applied = watch->events;
	watch->wanted = false;
}

static void watch_sockets(struct slirp_net *sn)
{
	uint32_t timeout_ms = UINT32_MAX;
	unsigned fd;

	sn->poll_count = 0;
	sn->lib.pollfds_fill(sn->slirp, &timeout_ms, add_poll, sn);
	for (fd = 0; fd < sn->watch_count; fd++)
		if (sn->watches[fd].wanted || sn->watches[fd].ev)
			watch_apply(sn, (int)fd, &sn->watches[fd]);
	if (timeout_ms == UINT32_MAX)
		ev_timer_disarm(sn->timer);
	else
		ev_timer_arm(sn->timer, timeout_ms * NS_PER_MS);
}

/* ---- a turn ---- */

/* False when the guest has no room. */
static bool flush_to_guest(struct slirp_net *sn)
{
	struct iovec frame;

	while (!queue_empty(&sn->to_guest)) {
		frame = queue_front(&sn->to_guest);
		if (!net_deliver(&sn->net, &frame, 1))
			return false;
		queue_drop(&sn->to_guest);
	}
	return true;
}

static void feed_from_guest(struct slirp_net *sn)
{
	struct iovec frame;
	size_t len = 0;
	bool more;

	for (;;) {
		pthread_mutex_lock(&sn->lock);
		more = !queue_empty(&sn->from_guest);
		if (more) {
			frame = queue_front(&sn->from_guest);
			len = frame.iov_len;
			memcpy(sn->frame, frame.iov_base, len);
			queue_drop(&sn->from_guest);
		}
		pthread_mutex_unlock(&sn->lock);
		if (!more)
			return;
		sn->lib.input(sn->slirp, sn->frame, (int)len);
	}
}

static void turn(void *ctx, unsigned events UNUSED)
{
	struct slirp_net *sn = ctx;
	eventfd_t count;
	int r;

	(void)!eventfd_read(sn->kick_fd, &count);
	sn->turn_due = false;
	(void)flush_to_guest(sn);
	/* Before the guest's frames: these may close a socket in polls. */
	r = poll(sn->polls, sn->poll_count, 0);
	sn->lib.pollfds_poll(sn->slirp, r < 0, get_revents, sn);
	feed_from_guest(sn);
	watch_sockets(sn);
	net_turn_end(&sn->net);
}

/* ---- what libslirp calls ---- */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
	struct slirp_net *sn = opaque;
	struct iovec frame = {(void *)(uintptr_t)buf, len};

	if (!__atomic_load_n(&sn->enabled, __ATOMIC_ACQUIRE))
		return (ssize_t)len;
	if (!flush_to_guest(sn) || !net_deliver(&sn->net, &frame, 1))
		queue_put(&sn->to_guest, &frame, 1, len);
	return (ssize_t)len;
}

static void cb_guest_error(const char *msg, void *opaque UNUSED)
{
	log_guest("slirp: %s", msg);
}

static int64_t cb_clock_ns(void *opaque UNUSED)
{
	return (int64_t)clock_host()->mono_ns(clock_host());
}

struct slirp_timer {
	struct slirp_net *sn;
	SlirpTimerCb cb;
	void *cb_opaque;
	struct ev_timer *ev;
};

static void slirp_timer_due(void *ctx)
{
	struct slirp_timer *timer = ctx;
	struct slirp_net *sn = timer->sn;

	timer->cb(timer->cb_opaque); /* may free the timer */
	net_turn_end(&sn->net);
	wake(sn);
}

static void *cb_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
	struct slirp_net *sn = opaque;
	struct slirp_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	*timer = (struct slirp_timer){sn, cb, cb_opaque, NULL};
	if (ev_timer_create(sn->net.loop, slirp_timer_due, timer, &timer->ev)) {
		free(timer);
		return NULL;
	}
	return timer;
}

static void cb_timer_free(void *ctx, void *opaque UNUSED)
{
	struct slirp_timer *timer = ctx;

	if (!timer)
		return;
	ev_timer_destroy(timer->ev);
	free(timer);
}

static void cb_timer_mod(void *ctx, int64_t expire_ms, void *opaque)
{
	struct slirp_timer *timer = ctx;
	int64_t now_ms = cb_clock_ns(opaque) / (int64_t)NS_PER_MS;
	uint64_t delay_ms =
	    expire_ms > now_ms ? (uint64_t)(expire_ms - now_ms) : 0;

	if (timer)
		ev_timer_arm(timer->ev, delay_ms * NS_PER_MS);
}

static void cb_register_fd(int fd UNUSED, void *opaque UNUSED)
{
}

/* libslirp closes the socket next: its number may come back as another. */
static void cb_unregister_fd(int fd, void *opaque)
{
	struct slirp_net *sn = opaque;

	if (fd < 0 || (unsigned)fd >= sn->watch_count)
		return;
	ev_fd_destroy(sn->watches[fd].ev);
	sn->watches[fd] = (struct watch){0};
}

static void cb_notify(void *opaque)
{
	wake(opaque);
}

static const SlirpCb slirp_callbacks = {
    .send_packet = cb_send_packet,
    .guest_error = cb_guest_error,
    .clock_get_ns = cb_clock_ns,
    .timer_new = cb_timer_new,
    .timer_free = cb_timer_free,
    .timer_mod = cb_timer_mod,
    .register_poll_fd = cb_register_fd,
    .unregister_poll_fd = cb_unregister_fd,
    .notify = cb_notify,
};

/* ---- net_ops ---- */

static void sn_close(struct net *net)
{
	struct slirp_net *sn = (struct slirp_net *)net;
	unsigned fd;

	__atomic_store_n(&sn->enabled, false, __ATOMIC_RELEASE);
	if (sn->slirp)
		sn->lib.cleanup(sn->slirp);
	for (fd = 0; fd < sn->watch_count; fd++)
		ev_fd_destroy(sn->watches[fd].ev);
	ev_timer_destroy(sn->timer);
	ev_fd_destroy(sn->kick);
	if (sn->kick_fd >= 0)
		close(sn->kick_fd);
	pthread_mutex_destroy(&sn->lock);
	free(sn->watches);
	free(sn->polls);
	free(sn->to_guest.buf);
	free(sn->from_guest.buf);
	free(sn);
}

static void sn_enable(struct net *net, bool on)
{
	struct slirp_net *sn = (struct slirp_net *)net;

	__atomic_store_n(&sn->enabled, on, __ATOMIC_RELEASE);
	wake(sn);
}

static void sn_resume(struct net *net)
{
	wake((struct slirp_net *)net);
}

static void sn_send(struct net *net, const struct iovec *iov, unsigned iovcnt)
{
	struct slirp_net *sn = (struct slirp_net *)net;
	size_t len = 0;
	unsigned i;

	for (i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > FRAME_LARGEST - len)
			return;
		len += iov[i].iov_len;
	}
	pthread_mutex_lock(&sn->lock);
	queue_put(&sn->from_guest, iov, iovcnt, len);
	pthread_mutex_unlock(&sn->lock);
	wake(sn);
}

static const struct net_ops slirp_net_ops = {
    .close = sn_close,
    .enable = sn_enable,
    .resume = sn_resume,
    .send = sn_send,
};

/* ---- opening ---- */

static int load_library(struct slirp_lib *lib, struct err *err)
{
	void *handle = dlopen(SLIRP_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	const struct {
		const char *name;
		void *slot;
	} symbols[] = {
	    {"slirp_new", &lib->new},
	    {"slirp_cleanup", &lib->cleanup},
	    {"slirp_pollfds_fill", &lib->pollfds_fill},
	    {"slirp_pollfds_poll", &lib->pollfds_poll},
	    {"slirp_input", &lib->input},
	    {"slirp_add_hostfwd", &lib->add_hostfwd},
	};
	unsigned i;
	void *symbol;

	if (!handle)
		return err_set(err, -ENOENT,
			       "slirp: %s; install the package"
			       " libslirp0",
			       dlerror());
	/* Stays loaded: glib cannot be unloaded. */
	for (i = 0; i < ARRAY_LEN(symbols); i++) {
		symbol = dlsym(handle, symbols[i].name);
		if (!symbol)
			return err_set(err, -ENOENT,
				       "slirp: %s lacks %s;"
				       " install the package libslirp0",
				       SLIRP_LIBRARY, symbols[i].name);
		memcpy(symbols[i].slot, &symbol, sizeof(symbol));
	}
	return 0;
}

static int add_forward(struct slirp_net *sn, const struct net_fwd *fwd,
		       struct err *err)
{
	struct in_addr host = {fwd->host_addr}, guest = {fwd->guest_addr};
	char text[INET_ADDRSTRLEN];

	if (!guest.s_addr)
		guest.s_addr = inet_addr(GUEST_ADDR);
	if (sn->lib.add_hostfwd(sn->slirp, fwd->udp, host, fwd->host_port,
				guest, fwd->guest_port) == 0)
		return 0;
	return err_sys(err, -errno,
		       "slirp: cannot listen on %s %s:%u,"
		       " choose another hostfwd= port",
		       fwd->udp ? "udp" : "tcp",
		       inet_ntop(AF_INET, &host, text, sizeof(text)),
		       fwd->host_port);
}

static int add_forwards(struct slirp_net *sn, struct cfg *node, struct err *err)
{
	char rules[CFG_VALUE_MAX], *rule;
	struct net_fwd fwd;
	size_t len;
	int r;

	r = cfg_get(node, "hostfwd", rules, sizeof(rules), err);
	if (r <= 0)
		return r;
	for (rule = rules; *rule; rule += len) {
		rule += strspn(rule, ";");
		len = strcspn(rule, ";");
		if (!len)
			break;
		r = net_fwd_parse(rule, len, err, &fwd);
		if (!r)
			r = add_forward(sn, &fwd, err);
		if (r)
			return r;
	}
	return 0;
}

static int stack_create(struct slirp_net *sn)
{
	const SlirpConfig config = {
	    .version = 1,
	    .in_enabled = true,
	    .vnetwork.s_addr = inet_addr("10.0.2.0"),
	    .vnetmask.s_addr = inet_addr("255.255.255.0"),
	    .vhost.s_addr = inet_addr("10.0.2.2"),
	    .vdhcp_start.s_addr = inet_addr(GUEST_ADDR),
	    .vnameserver.s_addr = inet_addr("10.0.2.3"),
	};

	sn->slirp = sn->lib.new(&config, &slirp_callbacks, sn);
	return sn->slirp ? 0 : -EIO;
}

static int slirp_build(struct slirp_net *sn)
{
	int r;

	sn->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sn->kick_fd < 0)
		return -errno;
	sn->to_guest.buf = malloc(QUEUE_BYTES);
	sn->from_guest.buf = malloc(QUEUE_BYTES);
	if (!sn->to_guest.buf || !sn->from_guest.buf)
		return -ENOMEM;
	r = ev_timer_create(sn->net.loop, timer_due, sn, &sn->timer);
	if (!r)
		r = ev_fd_create(sn->net.loop, sn->kick_fd, EV_IN, turn, sn,
				 &sn->kick);
	return r ? r : stack_create(sn);
}

int net_slirp_open(struct cfg *node, const struct net *like, struct err *err,
		   struct net **ret_net)
{
	struct slirp_net *sn = calloc(1, sizeof(*sn));
	int r;

	if (!sn)
		return err_set(err, -ENOMEM, "slirp: out of memory");
	sn->net = *like;
	sn->net.ops = &slirp_net_ops;
	sn->kick_fd = -1;
	pthread_mutex_init(&sn->lock, NULL);
	r = load_library(&sn->lib, err);
	if (!r) {
		r = slirp_build(sn);
		if (r)
			err_sys(err, r, "slirp: cannot start");
	}
	if (!r)
		r = add_forwards(sn, node, err);
	if (r) {
		sn_close(&sn->net);
		return r;
	}
	watch_sockets(sn);
	*ret_net = &sn->net;
	return 0;
}
