/* SPDX-License-Identifier: BSD-2-Clause */
/* High precision event timer; the contract is in hpet.h. */
/*
 * Theory of operation
 *
 * Nothing ticks. The counter is a function of the monotonic clock: it had the
 * value `count` at `anchor_ns`, and a tick is a whole number of nanoseconds, so
 * there is no rounding to add up. Halted, `count` is the counter.
 *
 * Each timer has the instant `due_ns` at which its comparator is reached next.
 * catch_up() handles what is due; it runs before every access and in the host
 * timer's callback. In periodic mode an event moves the comparator on by as
 * many periods as have passed: one event, however many were missed.
 *
 * Real software computes a comparator from the counter it has just read. Here
 * it may be held up in between for longer than any hardware would, and a
 * comparator in the past would mean a wait for the counter to wrap. So a
 * one-shot value that was passed less than a millisecond before it is written
 * counts as reached, and a periodic one less than a second ago.
 */
#include "dev/hpet.h"

#include <pthread.h>

#include "spec/hpet.h"

#define NEVER		    UINT64_MAX
#define LATE_TICKS	    (1 * NS_PER_MS / HPET_TICK_NS)
#define LATE_PERIODIC_TICKS (1 * NS_PER_S / HPET_TICK_NS)
/* Further away than any host runs, and far from overflow in nanoseconds. */
#define FAR_TICKS (UINT64_MAX / HPET_TICK_NS / 4)

#define VENDOR	  0x8086u
#define PERIOD_FS (HPET_TICK_NS * 1000000ull)
#define LOW_CAPS                                                               \
	(HPET_CAP_REVISION | (HPET_TIMER_COUNT - 1) << HPET_CAP_TIMERS_SHIFT | \
	 HPET_CAP_64 | HPET_CAP_LEGACY | VENDOR << HPET_CAP_VENDOR_SHIFT)

#define TN_WRITABLE                                                            \
	(HPET_TN_LEVEL | HPET_TN_ENABLE | HPET_TN_PERIODIC | HPET_TN_VAL_SET | \
	 HPET_TN_32 | HPET_TN_ROUTE)
#define TN_FIXED (HPET_TN_CAN_PERIODIC | HPET_TN_CAN_64)

struct timer {
	uint64_t config; /* TN_WRITABLE */
	uint64_t comparator;
	uint64_t period; /* last value written in periodic mode */
	uint64_t first;	 /* what VAL_SET set, while `fresh` */
	bool fresh;	 /* the period has not been written since */
	uint64_t due_ns;
	uint64_t not_before_ns; /* next periodic interrupt */
	unsigned gsi;
	bool asserted;
};

struct hpet {
	const struct clock *clock;
	struct aspace *mmio;
	struct irq_shared *lines;
	hpet_legacy_fn *legacy;
	void *legacy_ctx;
	struct ev_timer *host_timer;
	struct aspace_region region;

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	uint64_t config, status;
	uint64_t count, anchor_ns;
	struct timer timer[HPET_TIMER_COUNT];
};

/* Inputs of the I/O APIC each timer reaches. */
static const uint32_t routes[HPET_TIMER_COUNT] = {0x00f00000, 0x00f00000,
						  0x00f00800};
static const unsigned legacy_gsi[] = {0, 8};

uint32_t hpet_block_id(void)
{
	return LOW_CAPS;
}

/* ---- the counter ---- */

static uint64_t mono(const struct hpet *hpet)
{
	return hpet->clock->mono_ns(hpet->clock);
}

static bool is_running(const struct hpet *hpet)
{
	return hpet->config & HPET_CFG_ENABLE;
}

static uint64_t count_at(const struct hpet *hpet, uint64_t now_ns)
{
	if (!is_running(hpet))
		return hpet->count;
	return hpet->count + (now_ns - hpet->anchor_ns) / HPET_TICK_NS;
}

/* When the counter will be `ticks` further than now. */
static uint64_t instant(const struct hpet *hpet, uint64_t now_ns,
			uint64_t ticks)
{
	uint64_t passed = (now_ns - hpet->anchor_ns) / HPET_TICK_NS;

	if (ticks > FAR_TICKS || passed > FAR_TICKS)
		return NEVER;
	return hpet->anchor_ns + (passed + ticks) * HPET_TICK_NS;
}

/* ---- interrupts ---- */

static uint64_t bit_of(const struct hpet *hpet, const struct timer *t)
{
	return BIT(t - hpet->timer);
}

/* The line a timer drives; IRQ_LINES: none. */
static unsigned line_of(const struct hpet *hpet, const struct timer *t)
{
	unsigned n = (unsigned)(t - hpet->timer);
	unsigned route = (t->config & HPET_TN_ROUTE) >> HPET_TN_ROUTE_SHIFT;

	if ((hpet->config & HPET_CFG_LEGACY) && n < ARRAY_LEN(legacy_gsi))
		return legacy_gsi[n];
	return routes[n] & BIT(route) ? route : IRQ_LINES;
}

static bool interrupts(const struct hpet *hpet, const struct timer *t)
{
	return is_running(hpet) && (t->config & HPET_TN_ENABLE);
}

static void update_line(struct hpet *hpet, struct timer *t)
{
	bool level = interrupts(hpet, t) && (t->config & HPET_TN_LEVEL) &&
		     (hpet->status & bit_of(hpet, t));
	unsigned gsi = line_of(hpet, t);

	if (gsi != t->gsi)
		irq_shared_set(hpet->lines, t->gsi, &t->asserted, false);
	t->gsi = gsi;
	irq_shared_set(hpet->lines, gsi, &t->asserted, level);
}

/* 2.3.6: the status bit of an edge-triggered timer stays 0. */
static void fire(struct hpet *hpet, struct timer *t)
{
	if (t->config & HPET_TN_LEVEL) {
		hpet->status |= bit_of(hpet, t);
	} else if (interrupts(hpet, t)) {
		irq_shared_set(hpet->lines, t->gsi, &t->asserted, true);
		irq_shared_set(hpet->lines, t->gsi, &t->asserted, false);
	}
	update_line(hpet, t);
}

/* ---- timers ---- */

static uint64_t mask_of(const struct timer *t)
{
	return t->config & HPET_TN_32 ? UINT32_MAX : UINT64_MAX;
}

static bool is_periodic(const struct timer *t)
{
	return (t->config & HPET_TN_PERIODIC) && t->period;
}

/*
 * Finds the next instant of a timer. late_ticks: how far back its comparator
 * may lie to count as reached now.
 */
static void schedule(struct hpet *hpet, struct timer *t, uint64_t now_ns,
		     uint64_t late_ticks)
{
	uint64_t ahead = t->comparator - count_at(hpet, now_ns);

	if (!is_running(hpet))
		t->due_ns = NEVER;
	else if ((-ahead & mask_of(t)) <= late_ticks)
		t->due_ns = now_ns;
	else
		t->due_ns = instant(hpet, now_ns, ahead & mask_of(t));
}

/* What a comparator that software did not just write may be late. */
static void reschedule(struct hpet *hpet, struct timer *t, uint64_t now_ns)
{
	schedule(hpet, t, now_ns, is_periodic(t) ? LATE_PERIODIC_TICKS : 0);
}

/* 2.3.9.2: what follows an event. */
static void go_on(struct hpet *hpet, struct timer *t, uint64_t now_ns)
{
	uint64_t late = (count_at(hpet, now_ns) - t->comparator) & mask_of(t);
	uint64_t left;

	if (is_periodic(t)) {
		left = t->period - late % t->period;
		t->comparator = (t->comparator + late + left) & mask_of(t);
		t->due_ns = instant(hpet, now_ns, left);
		t->not_before_ns = now_ns + HPET_MIN_NS;
	} else if (t->config & HPET_TN_32) {
		/* Again at each wrap. */
		t->due_ns = instant(hpet, now_ns, (1ull << 32) - late);
	} else {
		t->due_ns = NEVER;
	}
}

static void catch_up(struct hpet *hpet, uint64_t now_ns)
{
	unsigned i;

	for (i = 0; i < HPET_TIMER_COUNT; i++) {
		struct timer *t = &hpet->timer[i];

		if (t->due_ns > now_ns ||
		    (is_periodic(t) && t->not_before_ns > now_ns))
			continue;
		go_on(hpet, t, now_ns);
		fire(hpet, t);
	}
}

/* Arms the host's timer for the first event that interrupts. */
static void arm(struct hpet *hpet, uint64_t now_ns)
{
	uint64_t first = NEVER, due;
	unsigned i;

	for (i = 0; i < HPET_TIMER_COUNT; i++) {
		const struct timer *t = &hpet->timer[i];

		if (!interrupts(hpet, t) || t->due_ns == NEVER)
			continue;
		/* A level that is still up tells nothing new. */
		if ((t->config & HPET_TN_LEVEL) &&
		    (hpet->status & bit_of(hpet, t)))
			continue;
		due = is_periodic(t) ? MAX(t->due_ns, t->not_before_ns)
				     : t->due_ns;
		first = MIN(first, due);
	}
	if (first == NEVER)
		ev_timer_disarm(hpet->host_timer);
	else
		ev_timer_arm(hpet->host_timer,
			     first > now_ns ? first - now_ns : 0);
}

static void timer_expired(void *ctx)
{
	struct hpet *hpet = ctx;
	uint64_t now_ns;

	pthread_mutex_lock(&hpet->lock);
	now_ns = mono(hpet);
	catch_up(hpet, now_ns);
	arm(hpet, now_ns);
	pthread_mutex_unlock(&hpet->lock);
}

/* ---- registers ---- */

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
	return (old & ~mask) | (value & mask);
}

static void schedule_all(struct hpet *hpet, uint64_t now_ns)
{
	unsigned i;

	for (i = 0; i < HPET_TIMER_COUNT; i++) {
		reschedule(hpet, &hpet->timer[i], now_ns);
		update_line(hpet, &hpet->timer[i]);
	}
}

static void write_config(struct hpet *hpet, uint64_t value, uint64_t now_ns)
{
	uint64_t old = hpet->config;
	uint64_t changed;

	value &= HPET_CFG_ENABLE | HPET_CFG_LEGACY;
	changed = old ^ value;
	if (!changed)
		return;
	hpet->count = count_at(hpet, now_ns);
	hpet->anchor_ns = now_ns;
	hpet->config = value;
	/* At no time two that drive the same interrupt. */
	if ((changed & HPET_CFG_LEGACY) && (value & HPET_CFG_LEGACY))
		hpet->legacy(hpet->legacy_ctx, true);
	schedule_all(hpet, now_ns);
	if ((changed & HPET_CFG_LEGACY) && !(value & HPET_CFG_LEGACY))
		hpet->legacy(hpet->legacy_ctx, false);
}

static void write_status(struct hpet *hpet, uint64_t value)
{
	unsigned i;

	hpet->status &= ~value;
	for (i = 0; i < HPET_TIMER_COUNT; i++)
		update_line(hpet, &hpet->timer[i]);
}

/* 2.3.7 wants it halted; running, it goes on from the new value. */
static void write_counter(struct hpet *hpet, uint64_t value, uint64_t mask,
			  uint64_t now_ns)
{
	hpet->count = merge(count_at(hpet, now_ns), value, mask);
	hpet->anchor_ns = now_ns;
	schedule_all(hpet, now_ns);
}

static void write_timer_config(struct hpet *hpet, struct timer *t,
			       uint64_t value, uint64_t now_ns)
{
	unsigned n = (unsigned)(t - hpet->timer);
	uint64_t old = t->config, kind = HPET_TN_PERIODIC | HPET_TN_32;

	value &= TN_WRITABLE;
	/* 2.3.8: an input that cannot be reached is not taken. */
	if (!(routes[n] & BIT((value & HPET_TN_ROUTE) >> HPET_TN_ROUTE_SHIFT)))
		value = merge(value, old, HPET_TN_ROUTE);
	t->config = value;
	if (value & HPET_TN_32) {
		t->comparator &= UINT32_MAX;
		t->period &= UINT32_MAX;
		t->first &= UINT32_MAX;
	}
	if ((old ^ value) & kind)
		reschedule(hpet, t, now_ns);
	update_line(hpet, t);
}

/* 2.3.9.2.2: the last value is the period; the first after VAL_SET is both. */
static void write_comparator(struct hpet *hpet, struct timer *t, uint64_t value,
			     uint64_t mask, uint64_t now_ns)
{
	bool periodic = t->config & HPET_TN_PERIODIC;
	bool val_set = t->config & HPET_TN_VAL_SET;

	if (!periodic || val_set)
		t->comparator = merge(t->comparator, value, mask) & mask_of(t);
	else if (t->fresh)
		/* Should it have been reached already, by the wrong period. */
		t->comparator = t->first;
	if (periodic)
		t->period = merge(t->period, value, mask) & mask_of(t);
	t->fresh = periodic && val_set;
	t->first = t->comparator;
	t->config &= ~(uint64_t)HPET_TN_VAL_SET;
	schedule(hpet, t, now_ns, periodic ? LATE_PERIODIC_TICKS : LATE_TICKS);
}

static struct timer *timer_at(struct hpet *hpet, uint64_t reg)
{
	uint64_t n;

	if (reg < HPET_TIMERS)
		return NULL;
	n = (reg - HPET_TIMERS) / HPET_TIMER_BYTES;
	return n < HPET_TIMER_COUNT ? &hpet->timer[n] : NULL;
}

static uint64_t read_timer(const struct hpet *hpet, const struct timer *t,
			   uint64_t reg)
{
	switch (reg % HPET_TIMER_BYTES) {
	case HPET_TN_CONFIG:
		return (t->config & ~(uint64_t)HPET_TN_VAL_SET) | TN_FIXED |
		       (uint64_t)routes[t - hpet->timer] << HPET_TN_CAN_SHIFT;
	case HPET_TN_COMPARATOR:
		return t->comparator;
	default:
		return 0;
	}
}

static uint64_t read_reg(struct hpet *hpet, uint64_t reg, uint64_t now_ns)
{
	const struct timer *t = timer_at(hpet, reg);

	switch (reg) {
	case HPET_CAPABILITIES:
		return LOW_CAPS | PERIOD_FS << HPET_CAP_PERIOD_SHIFT;
	case HPET_CONFIG:
		return hpet->config;
	case HPET_STATUS:
		return hpet->status;
	case HPET_COUNTER:
		return count_at(hpet, now_ns);
	default:
		return t ? read_timer(hpet, t, reg) : 0;
	}
}

/* `mask` says which bits of the register are written. */
static void write_reg(struct hpet *hpet, uint64_t reg, uint64_t value,
		      uint64_t mask, uint64_t now_ns)
{
	struct timer *t = timer_at(hpet, reg);

	switch (reg) {
	case HPET_CONFIG:
		write_config(hpet, merge(hpet->config, value, mask), now_ns);
		return;
	case HPET_STATUS:
		write_status(hpet, value & mask);
		return;
	case HPET_COUNTER:
		write_counter(hpet, value, mask, now_ns);
		return;
	default:
		break;
	}
	if (t && reg % HPET_TIMER_BYTES == HPET_TN_CONFIG)
		write_timer_config(hpet, t, merge(t->config, value, mask),
				   now_ns);
	else if (t && reg % HPET_TIMER_BYTES == HPET_TN_COMPARATOR)
		write_comparator(hpet, t, value, mask, now_ns);
}

static uint64_t hpet_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	struct hpet *hpet = ctx;
	uint64_t now_ns = mono(hpet);

	catch_up(hpet, now_ns);
	return read_reg(hpet, offset & ~7ull, now_ns) >> 8 * (offset & 4);
}

static void hpet_write(void *ctx, uint64_t offset, unsigned size,
		       uint64_t value)
{
	struct hpet *hpet = ctx;
	uint64_t now_ns = mono(hpet);
	unsigned shift = 8 * (offset & 4);
	uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;

	catch_up(hpet, now_ns);
	write_reg(hpet, offset & ~7ull, value << shift, mask, now_ns);
	catch_up(hpet, now_ns);
	arm(hpet, now_ns);
}

/* ---- life ---- */

static void power_on(struct hpet *hpet)
{
	unsigned i;

	hpet->config = hpet->status = hpet->count = 0;
	for (i = 0; i < HPET_TIMER_COUNT; i++) {
		struct timer *t = &hpet->timer[i];

		irq_shared_set(hpet->lines, t->gsi, &t->asserted, false);
		*t = (struct timer){.comparator = UINT64_MAX,
				    .due_ns = NEVER,
				    .gsi = IRQ_LINES};
	}
}

void hpet_reset(struct hpet *hpet)
{
	bool had_legacy;

	pthread_mutex_lock(&hpet->lock);
	had_legacy = hpet->config & HPET_CFG_LEGACY;
	power_on(hpet);
	ev_timer_disarm(hpet->host_timer);
	if (had_legacy)
		hpet->legacy(hpet->legacy_ctx, false);
	pthread_mutex_unlock(&hpet->lock);
}

static int hpet_setup(struct hpet *hpet, const struct model_env *env,
		      struct err *err)
{
	int r =
	    ev_timer_create(env->loop, timer_expired, hpet, &hpet->host_timer);

	if (r)
		return err_sys(err, r, "hpet");
	hpet->region = (struct aspace_region){
	    .name = "hpet",
	    .size = HPET_BYTES,
	    .read = hpet_read,
	    .write = hpet_write,
	    .ctx = hpet,
	    .lock = &hpet->lock,
	    .min_size = 4,
	    .max_size = 8,
	};
	return aspace_add(env->mmio, &hpet->region, HPET_BASE, err);
}

int hpet_create(const struct model_env *env, hpet_legacy_fn *legacy, void *ctx,
		struct err *err, struct hpet **ret_hpet)
{
	struct hpet *hpet = calloc(1, sizeof(*hpet));
	int r;

	if (!hpet)
		return err_set(err, -ENOMEM, "hpet: out of memory");
	hpet->clock = env->clock;
	hpet->mmio = env->mmio;
	hpet->lines = env->lines;
	hpet->legacy = legacy;
	hpet->legacy_ctx = ctx;
	pthread_mutex_init(&hpet->lock, NULL);
	power_on(hpet);
	r = hpet_setup(hpet, env, err);
	if (r) {
		hpet_destroy(hpet);
		return r;
	}
	*ret_hpet = hpet;
	return 0;
}

void hpet_destroy(struct hpet *hpet)
{
	if (!hpet)
		return;
	aspace_remove(hpet->mmio, &hpet->region);
	ev_timer_destroy(hpet->host_timer);
	power_on(hpet); /* lines down */
	pthread_mutex_destroy(&hpet->lock);
	free(hpet);
}
