/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of the e1000 card: causes (ICR), mask (IMS), delay and throttling.
 *
 * Theory of operation. The line is ICR & IMS. Two things put an edge off:
 *
 * - A descriptor sent with IDE, and a received frame, set their cause after
 *   TIDV or RDTR, started anew by each, but not later than TADV or RADV after
 *   the first (317453, 13.4.44 and 13.4.30).
 * - ITR is the least time between two rises of the line (13.4.17). The first
 *   after a longer silence is not put off.
 *
 * Received frames set their causes one by one, as they come, and the line
 * follows at the end of the back end's turn: a guest that is in its handler
 * meanwhile finds them, and the others cost it one interrupt.
 *
 * One timer serves all: it is armed for the earliest of the deadlines and, when
 * it fires, looks at what is due. A deadline that moved away meanwhile costs a
 * look, not a call for each frame. When the line rises for whatever reason, the
 * causes still delayed come along: one interrupt less.
 */
#include "dev/e1000/e1000_internal.h"

static uint64_t now_ns(const struct e1000 *e)
{
	return e->clock->mono_ns(e->clock);
}

static void arm(struct e1000 *e, uint64_t at_ns, uint64_t now)
{
	struct e1000_irq *irq = &e->irq;

	if (irq->armed_ns && irq->armed_ns <= at_ns)
		return;
	irq->armed_ns = at_ns;
	ev_timer_arm(irq->timer, at_ns > now ? at_ns - now : 0);
}

void e1000_cause_add(struct e1000 *e, uint32_t bits)
{
	e1000_set(e, E1000_ICR, e1000_get(e, E1000_ICR) | bits);
}

static void late_now(struct e1000 *e, struct e1000_late *late, uint32_t bit)
{
	if (late->due_ns)
		e1000_cause_add(e, bit);
	late->due_ns = 0;
}

/* May the line rise now? If not, the timer tries again. */
static bool throttle(struct e1000 *e)
{
	uint64_t interval =
	    (uint64_t)e1000_get(e, E1000_ITR) * E1000_ITR_UNIT_NS;
	uint64_t now = now_ns(e), allowed = e->irq.raised_ns + interval;

	if (e->irq.raised && now < allowed) {
		arm(e, allowed, now);
		return false;
	}
	e->irq.raised = true;
	e->irq.raised_ns = now;
	return true;
}

void e1000_irq_update(struct e1000 *e)
{
	bool want = e1000_get(e, E1000_ICR) & e1000_get(e, E1000_IMS);

	if (!want) {
		pci_intx_set(&e->pci, false);
		return;
	}
	if (e->pci.intx_level || !throttle(e))
		return;
	late_now(e, &e->irq.tx, E1000_ICR_TXDW);
	late_now(e, &e->irq.rx, E1000_ICR_RXT0);
	pci_intx_set(&e->pci, true);
}

void e1000_cause(struct e1000 *e, uint32_t bits)
{
	e1000_cause_add(e, bits);
	e1000_irq_update(e);
}

void e1000_cause_late(struct e1000 *e, uint32_t bit)
{
	bool tx = bit == E1000_ICR_TXDW;
	struct e1000_late *late = tx ? &e->irq.tx : &e->irq.rx;
	uint64_t delay = e1000_get(e, tx ? E1000_TIDV : E1000_RDTR) & 0xffff;
	uint64_t limit = e1000_get(e, tx ? E1000_TADV : E1000_RADV) & 0xffff;
	uint64_t now;

	if (!delay) {
		e1000_cause_add(e, bit);
		return;
	}
	now = now_ns(e);
	if (!late->due_ns)
		late->limit_ns =
		    limit ? now + limit * E1000_DELAY_UNIT_NS : UINT64_MAX;
	late->due_ns = MIN(now + delay * E1000_DELAY_UNIT_NS, late->limit_ns);
	arm(e, late->due_ns, now);
}

void e1000_irq_flush_rx(struct e1000 *e)
{
	late_now(e, &e->irq.rx, E1000_ICR_RXT0);
	e1000_irq_update(e);
}

static void look(struct e1000 *e, struct e1000_late *late, uint32_t bit,
		 uint64_t now)
{
	if (!late->due_ns)
		return;
	if (late->due_ns <= now)
		late_now(e, late, bit);
	else
		arm(e, late->due_ns, now);
}

void e1000_irq_timer(void *ctx)
{
	struct e1000 *e = ctx;
	uint64_t now;

	pthread_mutex_lock(&e->pci.lock);
	e->irq.armed_ns = 0;
	now = now_ns(e);
	look(e, &e->irq.tx, E1000_ICR_TXDW, now);
	look(e, &e->irq.rx, E1000_ICR_RXT0, now);
	e1000_irq_update(e);
	pthread_mutex_unlock(&e->pci.lock);
}

void e1000_irq_reset(struct e1000 *e)
{
	/* An armed timer fires once more and finds nothing due. */
	e->irq.tx = (struct e1000_late){0};
	e->irq.rx = (struct e1000_late){0};
	e->irq.raised = false;
	pci_intx_set(&e->pci, false);
}
