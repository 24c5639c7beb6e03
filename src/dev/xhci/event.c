/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event rings and interrupters (xHCI 4.9.4, 4.17, 5.5).
 *
 * An event is only written when the ring keeps one more TRB free behind it:
 * that one is for the Event Ring Full Error. Who has no room does nothing at
 * all and is done again when the guest moves the dequeue pointer, so no event
 * is lost and none has to be stored.
 *
 * Interrupt moderation is exact and costs a timer only while an interrupt is
 * held back.
 */
#include <endian.h>

#include "dev/xhci/xhci.h"

#define WRAP_NS	   ((uint64_t)(XHCI_MFINDEX_MASK + 1) * XHCI_MICROFRAME_NS)
#define IMOD_RESET 4000u /* 1 ms */
#define NEVER	   UINT64_MAX

static uint64_t now_ns(const struct xhci *x)
{
	return x->clock->mono_ns(x->clock);
}

void xhci_intrs_reset(struct xhci *x)
{
	unsigned i;

	for (i = 0; i < XHCI_INTRS; i++)
		x->intr[i] = (struct xhci_intr){.imod = IMOD_RESET};
}

/* ---- the ring ---- */

/* Reads the segment table: once, before the first event after it was set. */
static bool ring_load(struct xhci *x, struct xhci_intr *ir)
{
	struct xhci_erst_entry entry;
	uint32_t trbs, total = 0;
	unsigned i;

	if (ir->erstsz > BIT(XHCI_ERST_LOG2)) {
		xhci_fail(x, XHCI_USBSTS_HCE, "event ring segment count");
		return false;
	}
	for (i = 0; i < ir->erstsz; i++) {
		if (!xhci_dma_read(x, ir->erstba + sizeof(entry) * i, &entry,
				   sizeof(entry)))
			return false;
		trbs = le32toh(entry.size) & 0xffff;
		if (trbs < XHCI_ERST_SIZE_MIN || trbs > XHCI_ERST_SIZE_MAX) {
			xhci_fail(x, XHCI_USBSTS_HCE,
				  "event ring segment size");
			return false;
		}
		ir->seg[i] = (struct xhci_segment){
		    .base = le64toh(entry.base) & ~63ull,
		    .trbs = trbs,
		    .first = total,
		};
		total += trbs;
	}
	ir->segs = ir->erstsz;
	ir->total = total;
	ir->at = 0;
	ir->index = 0;
	ir->cycle = true;
	ir->full = false;
	ir->loaded = true;
	return true;
}

/*
 * TRBs that can be written before the enqueue pointer meets the dequeue
 * pointer; none while that points nowhere.
 */
static uint32_t ring_free(const struct xhci_intr *ir)
{
	uint64_t erdp = ir->erdp & ~15ull;
	uint32_t deq, enq;
	unsigned i;

	for (i = 0; i < ir->segs; i++)
		if (range_inside(erdp, sizeof(struct xhci_trb), ir->seg[i].base,
				 ir->seg[i].trbs * sizeof(struct xhci_trb)))
			break;
	if (i == ir->segs)
		return 0;
	deq = ir->seg[i].first +
	      (uint32_t)((erdp - ir->seg[i].base) / sizeof(struct xhci_trb));
	enq = ir->seg[ir->at].first + ir->index;
	return (deq + ir->total - enq - 1) % ir->total;
}

static bool ring_empty(const struct xhci_intr *ir)
{
	return !ir->loaded || ring_free(ir) == ir->total - 1;
}

static void ring_advance(struct xhci_intr *ir)
{
	if (++ir->index < ir->seg[ir->at].trbs)
		return;
	ir->index = 0;
	if (++ir->at < ir->segs)
		return;
	ir->at = 0;
	ir->cycle = !ir->cycle;
}

/* The guest polls the cycle bit: it is written last. */
static void ring_put(struct xhci *x, struct xhci_intr *ir,
		     struct xhci_trb event)
{
	uint64_t at = ir->seg[ir->at].base + ir->index * sizeof(event);
	uint32_t control = event.control & ~XHCI_TRB_C;

	event.param = htole64(event.param);
	event.status = htole32(event.status);
	if (!xhci_dma_write(x, at, &event, offsetof(struct xhci_trb, control)))
		return;
	if (gmem_store32(x->gmem, gpa(at + offsetof(struct xhci_trb, control)),
			 control | (ir->cycle ? XHCI_TRB_C : 0))) {
		xhci_fail(x, XHCI_USBSTS_HSE, "event ring");
		return;
	}
	ring_advance(ir);
}

/* ---- interrupts ---- */

static bool held_back(const struct xhci_intr *ir)
{
	return ir->pending && !(ir->erdp & XHCI_ERDP_EHB);
}

/* Arms the timer for what is due first, if anything is. */
static void timer_update(struct xhci *x)
{
	uint64_t now = now_ns(x), due = NEVER, wrap;
	unsigned i;

	for (i = 0; i < XHCI_INTRS; i++)
		if (held_back(&x->intr[i]))
			due = MIN(due, x->intr[i].next_ns);
	if (x->usbcmd & XHCI_USBCMD_RS && x->usbcmd & XHCI_USBCMD_EWE) {
		wrap = x->started_ns + (x->wraps + 1) * WRAP_NS;
		due = MIN(due, wrap);
	}
	if (due != NEVER)
		ev_timer_arm(x->timer, due > now ? due - now : 0);
}

static void intr_try(struct xhci *x, struct xhci_intr *ir)
{
	uint64_t now;

	if (!held_back(ir))
		return;
	now = now_ns(x);
	if (now < ir->next_ns) {
		timer_update(x);
		return;
	}
	ir->pending = false;
	ir->erdp |= XHCI_ERDP_EHB;
	ir->iman |= XHCI_IMAN_IP;
	ir->next_ns = now + (uint64_t)(ir->imod & 0xffff) * XHCI_IMOD_UNIT_NS;
	x->usbsts |= XHCI_USBSTS_EINT;
	xhci_intrs_update(x);
}

void xhci_intrs_update(struct xhci *x)
{
	unsigned msis = pci_msi_count(&x->dev), i;
	bool msix = pci_msix_enabled(&x->dev), level = false;

	for (i = 0; i < XHCI_INTRS; i++) {
		struct xhci_intr *ir = &x->intr[i];

		if (ir->iman != (XHCI_IMAN_IP | XHCI_IMAN_IE) ||
		    !(x->usbcmd & XHCI_USBCMD_INTE) || x->power)
			continue;
		if (!msix && !msis) {
			level = true;
			continue;
		}
		/* A message takes the bit along (4.17.5). */
		ir->iman &= ~XHCI_IMAN_IP;
		if (msix)
			pci_msix_raise(&x->dev, i);
		else
			pci_msi_raise(&x->dev, i & (msis - 1));
	}
	pci_intx_set(&x->dev, level);
}

bool xhci_event_room(struct xhci *x, unsigned n, unsigned count)
{
	struct xhci_intr *ir = &x->intr[n];
	uint32_t room;

	if (!ir->erstsz)
		return true; /* switched off: its events vanish */
	if (!ir->loaded && !ring_load(x, ir))
		return false;
	room = ring_free(ir);
	if (room > count)
		return true;
	x->blocked = true;
	if (room && !ir->full) {
		const struct xhci_trb full = {
		    .status = (uint32_t)XHCI_CC_EVENT_RING_FULL
			      << XHCI_TRB_CC_SHIFT,
		    .control = XHCI_HOST_CONTROLLER_EVENT
			       << XHCI_TRB_TYPE_SHIFT,
		};

		ir->full = true;
		ring_put(x, ir, full);
		ir->pending = true;
		intr_try(x, ir);
	}
	return false;
}

void xhci_event(struct xhci *x, unsigned n, struct xhci_trb event, bool quiet)
{
	struct xhci_intr *ir = &x->intr[n];

	/* A controller that has just failed tells nothing more. */
	if (!ir->erstsz || !ir->loaded || !xhci_works(x))
		return;
	ir->full = false;
	ring_put(x, ir, event);
	if (quiet)
		return;
	ir->pending = true;
	intr_try(x, ir);
}

/* ---- MFINDEX ---- */

uint32_t xhci_mfindex(const struct xhci *x)
{
	if (!(x->usbcmd & XHCI_USBCMD_RS))
		return 0;
	return (uint32_t)((now_ns(x) - x->started_ns) / XHCI_MICROFRAME_NS) &
	       XHCI_MFINDEX_MASK;
}

void xhci_mfindex_start(struct xhci *x)
{
	x->wraps = (now_ns(x) - x->started_ns) / WRAP_NS;
	timer_update(x);
}

void xhci_mfindex_tell(struct xhci *x)
{
	const struct xhci_trb wrap = {
	    .status = (uint32_t)XHCI_CC_SUCCESS << XHCI_TRB_CC_SHIFT,
	    .control = XHCI_MFINDEX_WRAP << XHCI_TRB_TYPE_SHIFT,
	};

	if (!x->wrap_due || !xhci_works(x) || !xhci_event_room(x, 0, 1))
		return;
	x->wrap_due = false;
	xhci_event(x, 0, wrap, false);
}

void xhci_timer_fired(void *ctx)
{
	struct xhci *x = ctx;
	uint64_t wraps;
	unsigned i;

	pthread_mutex_lock(&x->dev.lock);
	for (i = 0; i < XHCI_INTRS; i++)
		intr_try(x, &x->intr[i]);
	if (x->usbcmd & XHCI_USBCMD_RS && x->usbcmd & XHCI_USBCMD_EWE) {
		wraps = (now_ns(x) - x->started_ns) / WRAP_NS;
		x->wrap_due |= wraps > x->wraps;
		x->wraps = wraps;
		xhci_mfindex_tell(x);
	}
	timer_update(x);
	pthread_mutex_unlock(&x->dev.lock);
}

/* ---- registers ---- */

static uint32_t imod_read(const struct xhci *x, const struct xhci_intr *ir)
{
	uint64_t now = now_ns(x), count = 0;

	if (ir->next_ns > now)
		count = (ir->next_ns - now) / XHCI_IMOD_UNIT_NS;
	return (ir->imod & 0xffff) | (uint32_t)MIN(count, 0xffffull) << 16;
}

uint32_t xhci_intr_read(struct xhci *x, unsigned n, unsigned reg)
{
	const struct xhci_intr *ir = &x->intr[n];

	switch (reg) {
	case XHCI_IMAN:
		return ir->iman;
	case XHCI_IMOD:
		return imod_read(x, ir);
	case XHCI_ERSTSZ:
		return ir->erstsz;
	case XHCI_ERSTBA:
		return (uint32_t)ir->erstba;
	case XHCI_ERSTBA + 4:
		return (uint32_t)(ir->erstba >> 32);
	case XHCI_ERDP:
		return (uint32_t)ir->erdp;
	case XHCI_ERDP + 4:
		return (uint32_t)(ir->erdp >> 32);
	default:
		return 0;
	}
}

static uint64_t with_low(uint64_t old, uint32_t v)
{
	return (old & ~0xffffffffull) | v;
}

static uint64_t with_high(uint64_t old, uint32_t v)
{
	return (old & 0xffffffffull) | (uint64_t)v << 32;
}

/* The guest has read events: there is room, and perhaps no need to call it. */
static void erdp_moved(struct xhci *x, struct xhci_intr *ir)
{
	if (ring_empty(ir))
		ir->pending = false;
	intr_try(x, ir);
	if (x->blocked)
		xhci_resume(x);
}

static void erdp_write_low(struct xhci *x, struct xhci_intr *ir, uint32_t v)
{
	uint32_t ehb = (uint32_t)ir->erdp & ~v & XHCI_ERDP_EHB;

	ir->erdp = with_low(ir->erdp, (v & ~XHCI_ERDP_EHB) | ehb);
	erdp_moved(x, ir);
}

static void imod_write(struct xhci *x, struct xhci_intr *ir, uint32_t v)
{
	ir->imod = v & 0xffff;
	ir->next_ns = now_ns(x) + (uint64_t)(v >> 16) * XHCI_IMOD_UNIT_NS;
	intr_try(x, ir);
}

void xhci_intr_write(struct xhci *x, unsigned n, unsigned reg, uint32_t v)
{
	struct xhci_intr *ir = &x->intr[n];

	switch (reg) {
	case XHCI_IMAN:
		ir->iman = (ir->iman & ~v & XHCI_IMAN_IP) | (v & XHCI_IMAN_IE);
		xhci_intrs_update(x);
		break;
	case XHCI_IMOD:
		imod_write(x, ir, v);
		break;
	case XHCI_ERSTSZ:
		ir->erstsz = v & 0xffff;
		break;
	case XHCI_ERSTBA:
		ir->erstba = with_low(ir->erstba, v & ~63u);
		ir->loaded = false;
		break;
	case XHCI_ERSTBA + 4:
		ir->erstba = with_high(ir->erstba, v);
		ir->loaded = false;
		break;
	case XHCI_ERDP:
		erdp_write_low(x, ir, v);
		break;
	case XHCI_ERDP + 4:
		ir->erdp = with_high(ir->erdp, v);
		erdp_moved(x, ir);
		break;
	default:
		break;
	}
}
