/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device slots: their contexts and the commands on them (xHCI 4.5, 4.6, 4.8).
 *
 * The controller's own copy is what counts. Input contexts are copied once and
 * checked as a whole before anything changes; the output context is written
 * whenever the copy changes and never read.
 */
#include <endian.h>

#include "dev/xhci/xhci.h"

#define EP_BIT(dci)   BIT(dci)
#define INPUT_SLOT    1u /* context index in an input context */
#define EP_PACKET_MAX 1024u
#define CONTEXT_BYTES sizeof(struct xhci_context)
#define ADDRESS_FLAGS (BIT(0) | BIT(1))
#define CONTEXTS_MAX  31u

/* ---- contexts in memory ---- */

static bool context_read(struct xhci *x, uint64_t at, struct xhci_context *ctx)
{
	unsigned i;

	if (!xhci_dma_read(x, at, ctx, sizeof(*ctx)))
		return false;
	for (i = 0; i < ARRAY_LEN(ctx->dw); i++)
		ctx->dw[i] = le32toh(ctx->dw[i]);
	return true;
}

static void context_write(struct xhci *x, uint64_t at, struct xhci_context ctx)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(ctx.dw); i++)
		ctx.dw[i] = htole32(ctx.dw[i]);
	(void)xhci_dma_write(x, at, &ctx, sizeof(ctx));
}

static void slot_write(struct xhci *x, const struct xhci_slot *slot)
{
	struct xhci_context ctx = slot->ctx;

	ctx.dw[3] =
	    (uint32_t)slot->state << XHCI_SLOT_STATE_SHIFT | slot->address;
	if (slot->out.v)
		context_write(x, slot->out.v, ctx);
}

static void ep_write(struct xhci *x, const struct xhci_slot *slot, unsigned dci)
{
	const struct xhci_ep *ep = &slot->ep[dci];
	struct xhci_context ctx = ep->ctx;

	ctx.dw[0] = (ctx.dw[0] & ~XHCI_EP_STATE) | ep->state;
	ctx.dw[2] = (uint32_t)ep->ring.deq | (ep->ring.cycle ? XHCI_EP_DCS : 0);
	ctx.dw[3] = (uint32_t)(ep->ring.deq >> 32);
	if (slot->out.v)
		context_write(x, slot->out.v + CONTEXT_BYTES * dci, ctx);
}

static struct xhci_slot *slot_at(struct xhci *x, unsigned n)
{
	if (n < 1 || n > XHCI_SLOTS || !x->slot[n].enabled)
		return NULL;
	return &x->slot[n];
}

static struct xhci_ep *ep_at(struct xhci_slot *slot, unsigned dci)
{
	return dci ? &slot->ep[dci] : NULL;
}

static unsigned slot_entries(const struct xhci_context *ctx)
{
	return ctx->dw[0] >> XHCI_SLOT_ENTRIES_SHIFT;
}

static void ep_start(struct xhci_slot *slot, unsigned dci,
		     const struct xhci_context *ctx)
{
	slot->ep[dci] = (struct xhci_ep){
	    .ctx = *ctx,
	    .ring =
		{
		    .deq = (ctx->dw[2] & ~15u) | (uint64_t)ctx->dw[3] << 32,
		    .cycle = ctx->dw[2] & XHCI_EP_DCS,
		},
	    .state = XHCI_EP_RUNNING,
	};
	slot->rung &= ~EP_BIT(dci);
}

static void ep_drop(struct xhci *x, struct xhci_slot *slot, unsigned dci)
{
	slot->rung &= ~EP_BIT(dci);
	if (slot->ep[dci].state == XHCI_EP_DISABLED)
		return;
	slot->ep[dci].state = XHCI_EP_DISABLED;
	ep_write(x, slot, dci);
}

void xhci_slots_reset(struct xhci *x)
{
	unsigned i;

	for (i = 0; i <= XHCI_SLOTS; i++)
		x->slot[i] = (struct xhci_slot){0};
}

/* ---- Enable Slot, Disable Slot ---- */

enum xhci_cc xhci_slot_enable(struct xhci *x, unsigned *ret_slot)
{
	unsigned limit = MIN(x->config, XHCI_SLOTS), i;

	for (i = 1; i <= limit; i++) {
		if (x->slot[i].enabled)
			continue;
		x->slot[i] = (struct xhci_slot){.enabled = true};
		*ret_slot = i;
		return XHCI_CC_SUCCESS;
	}
	*ret_slot = 0;
	return XHCI_CC_NO_SLOTS;
}

enum xhci_cc xhci_slot_disable(struct xhci *x, unsigned n)
{
	struct xhci_slot *slot = slot_at(x, n);
	unsigned dci;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	for (dci = 1; dci < XHCI_DCIS; dci++)
		ep_drop(x, slot, dci);
	slot->state = XHCI_SLOT_DISABLED;
	slot_write(x, slot);
	*slot = (struct xhci_slot){0};
	return XHCI_CC_SUCCESS;
}

/* ---- Address Device ---- */

struct address_input {
	struct xhci_context control, slot, ep0;
	uint64_t out;
	unsigned port;
};

static bool address_read(struct xhci *x, unsigned n, uint64_t at,
			 struct address_input *in)
{
	return context_read(x, at, &in->control) &&
	       context_read(x, at + CONTEXT_BYTES, &in->slot) &&
	       context_read(x, at + 2 * CONTEXT_BYTES, &in->ep0) &&
	       xhci_dma_read(x, x->dcbaap + 8ull * n, &in->out,
			     sizeof(in->out));
}

static bool address_valid(const struct address_input *in)
{
	unsigned type = in->ep0.dw[1] >> XHCI_EP_TYPE_SHIFT & 7;

	return (in->control.dw[1] & ADDRESS_FLAGS) == ADDRESS_FLAGS &&
	       !(in->slot.dw[0] & XHCI_SLOT_ROUTE) && /* there are no hubs */
	       slot_entries(&in->slot) >= 1 && in->port >= 1 &&
	       in->port <= XHCI_ALL_PORTS && type == XHCI_EP_CONTROL &&
	       (in->ep0.dw[1] & XHCI_EP_PACKET) && in->out;
}

/* SET_ADDRESS, which the controller sends by itself. */
static bool send_address(struct xhci *x, unsigned port, uint8_t address)
{
	struct hid *hid = x->port[port].hid;

	if (!hid || !xhci_port_open(x, port) || hid->address)
		return false;
	hid->address = address;
	return true;
}

enum xhci_cc xhci_slot_address(struct xhci *x, unsigned n,
			       const struct xhci_trb *trb)
{
	struct xhci_slot *slot = slot_at(x, n);
	bool bsr = trb->control & XHCI_TRB_BSR;
	struct address_input in;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (slot->state > (bsr ? XHCI_SLOT_DISABLED : XHCI_SLOT_DEFAULT))
		return XHCI_CC_CONTEXT_STATE;
	if (!address_read(x, n, trb->param & ~15ull, &in))
		return XHCI_CC_TRB;
	in.out = le64toh(in.out) & ~63ull;
	in.port = in.slot.dw[1] >> XHCI_SLOT_PORT_SHIFT & 0xff;
	if (!address_valid(&in))
		return XHCI_CC_PARAMETER;
	if (!bsr && !send_address(x, in.port, (uint8_t)n))
		return XHCI_CC_TRANSACTION;
	slot->ctx = in.slot;
	slot->out = gpa(in.out);
	slot->port = (uint8_t)in.port;
	slot->state = bsr ? XHCI_SLOT_DEFAULT : XHCI_SLOT_ADDRESSED;
	slot->address = bsr ? 0 : (uint8_t)n;
	slot->control.active = false;
	ep_start(slot, 1, &in.ep0);
	slot_write(x, slot);
	ep_write(x, slot, 1);
	return XHCI_CC_SUCCESS;
}

/* ---- Configure Endpoint, Evaluate Context, Reset Device ---- */

struct configure_input {
	struct xhci_context control, slot;
	struct xhci_context ep[XHCI_DCIS];
};

static bool ep_valid(const struct xhci_context *ctx, unsigned dci)
{
	unsigned type = ctx->dw[1] >> XHCI_EP_TYPE_SHIFT & 7;
	unsigned packet = ctx->dw[1] >> XHCI_EP_PACKET_SHIFT;
	unsigned kind = dci & 1 ? type - XHCI_EP_CONTROL : type;

	return kind >= 1 && kind <= 3 && packet >= 1 &&
	       packet <= EP_PACKET_MAX && !(ctx->dw[0] & XHCI_EP_STREAMS);
}

static enum xhci_cc configure_read(struct xhci *x, uint64_t at,
				   struct configure_input *in)
{
	uint32_t drop, add;
	unsigned dci;

	if (!context_read(x, at, &in->control) ||
	    !context_read(x, at + CONTEXT_BYTES * INPUT_SLOT, &in->slot))
		return XHCI_CC_TRB;
	drop = in->control.dw[0];
	add = in->control.dw[1];
	if (drop & ADDRESS_FLAGS || add & EP_BIT(1) ||
	    (add & BIT(0) && !slot_entries(&in->slot)))
		return XHCI_CC_PARAMETER;
	for (dci = 2; dci < XHCI_DCIS; dci++) {
		if (!(add & EP_BIT(dci)))
			continue;
		if (!context_read(x, at + CONTEXT_BYTES * (INPUT_SLOT + dci),
				  &in->ep[dci]))
			return XHCI_CC_TRB;
		if (!ep_valid(&in->ep[dci], dci))
			return XHCI_CC_PARAMETER;
	}
	return XHCI_CC_SUCCESS;
}

static void set_entries(struct xhci_slot *slot, uint32_t entries)
{
	slot->ctx.dw[0] =
	    (slot->ctx.dw[0] & ~(CONTEXTS_MAX << XHCI_SLOT_ENTRIES_SHIFT)) |
	    entries << XHCI_SLOT_ENTRIES_SHIFT;
}

static void configure_apply(struct xhci *x, struct xhci_slot *slot,
			    const struct configure_input *in)
{
	uint32_t drop = in->control.dw[0], add = in->control.dw[1];
	bool any = false;
	unsigned dci;

	for (dci = 2; dci < XHCI_DCIS; dci++) {
		if (drop & EP_BIT(dci))
			ep_drop(x, slot, dci);
		if (add & EP_BIT(dci)) {
			ep_start(slot, dci, &in->ep[dci]);
			ep_write(x, slot, dci);
		}
		any |= slot->ep[dci].state != XHCI_EP_DISABLED;
	}
	if (add & BIT(0))
		set_entries(slot, slot_entries(&in->slot));
	slot->state = any ? XHCI_SLOT_CONFIGURED : XHCI_SLOT_ADDRESSED;
	slot_write(x, slot);
}

static void drop_all(struct xhci *x, struct xhci_slot *slot)
{
	unsigned dci;

	for (dci = 2; dci < XHCI_DCIS; dci++)
		ep_drop(x, slot, dci);
	set_entries(slot, 1);
}

enum xhci_cc xhci_slot_configure(struct xhci *x, unsigned n,
				 const struct xhci_trb *trb)
{
	struct xhci_slot *slot = slot_at(x, n);
	struct configure_input in;
	enum xhci_cc cc;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (slot->state < XHCI_SLOT_ADDRESSED)
		return XHCI_CC_CONTEXT_STATE;
	if (trb->control & XHCI_TRB_DC) {
		drop_all(x, slot);
		slot->state = XHCI_SLOT_ADDRESSED;
		slot_write(x, slot);
		return XHCI_CC_SUCCESS;
	}
	cc = configure_read(x, trb->param & ~15ull, &in);
	if (cc == XHCI_CC_SUCCESS)
		configure_apply(x, slot, &in);
	return cc;
}

static uint32_t replace(uint32_t old, uint32_t v, uint32_t mask)
{
	return (old & ~mask) | (v & mask);
}

static void evaluate_apply(struct xhci *x, struct xhci_slot *slot,
			   const struct configure_input *in)
{
	uint32_t add = in->control.dw[1], *dw;

	if (add & BIT(0)) {
		dw = slot->ctx.dw;
		dw[1] = replace(dw[1], in->slot.dw[1], XHCI_SLOT_EXIT_LATENCY);
		dw[2] = replace(dw[2], in->slot.dw[2], XHCI_SLOT_INTR);
		slot_write(x, slot);
	}
	if (add & EP_BIT(1)) {
		dw = slot->ep[1].ctx.dw;
		dw[1] = replace(dw[1], in->ep[1].dw[1], XHCI_EP_PACKET);
		ep_write(x, slot, 1);
	}
}

enum xhci_cc xhci_slot_evaluate(struct xhci *x, unsigned n,
				const struct xhci_trb *trb)
{
	struct xhci_slot *slot = slot_at(x, n);
	uint64_t at = trb->param & ~15ull;
	struct configure_input in;
	uint32_t add;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (slot->state < XHCI_SLOT_DEFAULT)
		return XHCI_CC_CONTEXT_STATE;
	if (!context_read(x, at, &in.control))
		return XHCI_CC_TRB;
	add = in.control.dw[1];
	if (add & BIT(0) &&
	    !context_read(x, at + CONTEXT_BYTES * INPUT_SLOT, &in.slot))
		return XHCI_CC_TRB;
	if (add & EP_BIT(1) &&
	    !context_read(x, at + CONTEXT_BYTES * (INPUT_SLOT + 1), &in.ep[1]))
		return XHCI_CC_TRB;
	if (add & EP_BIT(1) && !(in.ep[1].dw[1] & XHCI_EP_PACKET))
		return XHCI_CC_PARAMETER;
	evaluate_apply(x, slot, &in);
	return XHCI_CC_SUCCESS;
}

enum xhci_cc xhci_slot_reset(struct xhci *x, unsigned n)
{
	struct xhci_slot *slot = slot_at(x, n);

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (slot->state < XHCI_SLOT_ADDRESSED)
		return XHCI_CC_CONTEXT_STATE;
	drop_all(x, slot);
	slot->state = XHCI_SLOT_DEFAULT;
	slot->address = 0;
	slot->control.active = false;
	slot_write(x, slot);
	return XHCI_CC_SUCCESS;
}

/* ---- endpoints ---- */

void xhci_ep_set_state(struct xhci *x, unsigned n, unsigned dci,
		       enum xhci_ep_state state)
{
	struct xhci_slot *slot = &x->slot[n];

	slot->ep[dci].state = (uint8_t)state;
	if (state != XHCI_EP_RUNNING)
		slot->rung &= ~EP_BIT(dci);
	ep_write(x, slot, dci);
}

enum xhci_cc xhci_ep_reset(struct xhci *x, unsigned n, unsigned dci)
{
	struct xhci_slot *slot = slot_at(x, n);
	const struct xhci_ep *ep = slot ? ep_at(slot, dci) : NULL;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (!ep || ep->state != XHCI_EP_HALTED)
		return XHCI_CC_CONTEXT_STATE;
	xhci_ep_set_state(x, n, dci, XHCI_EP_STOPPED);
	return XHCI_CC_SUCCESS;
}

enum xhci_cc xhci_ep_stop(struct xhci *x, unsigned n, unsigned dci)
{
	struct xhci_slot *slot = slot_at(x, n);
	const struct xhci_ep *ep = slot ? ep_at(slot, dci) : NULL;
	struct xhci_trb trb;
	uint64_t at;
	bool under_way;
	unsigned intr;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (!ep || ep->state != XHCI_EP_RUNNING)
		return XHCI_CC_CONTEXT_STATE;
	under_way = xhci_transfer_current(x, n, dci, &trb, &at);
	xhci_ep_set_state(x, n, dci, XHCI_EP_STOPPED);
	if (!under_way)
		return XHCI_CC_SUCCESS;
	intr = xhci_trb_intr(&trb);
	xhci_event(x, intr < XHCI_INTRS ? intr : 0,
		   xhci_transfer_event(at, trb.status & XHCI_TRB_LENGTH,
				       XHCI_CC_STOPPED, n, dci),
		   false);
	return XHCI_CC_SUCCESS;
}

enum xhci_cc xhci_ep_set_dequeue(struct xhci *x, unsigned n,
				 const struct xhci_trb *trb)
{
	struct xhci_slot *slot = slot_at(x, n);
	unsigned dci = xhci_trb_ep(trb);
	struct xhci_ep *ep = slot ? ep_at(slot, dci) : NULL;

	if (!slot)
		return XHCI_CC_SLOT_NOT_ENABLED;
	if (!ep || (ep->state != XHCI_EP_STOPPED && ep->state != XHCI_EP_ERROR))
		return XHCI_CC_CONTEXT_STATE;
	if (trb->status >> 16) /* a stream's ring */
		return XHCI_CC_TRB;
	ep->ring.deq = trb->param & ~15ull;
	ep->ring.cycle = trb->param & XHCI_EP_DCS;
	if (dci == 1)
		slot->control.active = false;
	xhci_ep_set_state(x, n, dci, XHCI_EP_STOPPED);
	return XHCI_CC_SUCCESS;
}
