/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command ring (xHCI 4.6, 4.9.3).
 *
 * A command is carried out at once when its doorbell rings, if its events have
 * room; else it stays on the ring.
 */
#include "dev/xhci/xhci.h"

/* A command may cause two events: its completion, and a stopped transfer. */
#define COMMAND_EVENTS 2u

static void complete(struct xhci *x, uint64_t at, enum xhci_cc cc, unsigned n)
{
	const struct xhci_trb event = {
	    .param = at,
	    .status = (uint32_t)cc << XHCI_TRB_CC_SHIFT,
	    .control = XHCI_COMMAND_COMPLETION << XHCI_TRB_TYPE_SHIFT |
		       n << XHCI_TRB_SLOT_SHIFT,
	};

	xhci_event(x, 0, event, false);
}

static enum xhci_cc execute(struct xhci *x, const struct xhci_trb *trb,
			    unsigned *n)
{
	unsigned dci = xhci_trb_ep(trb);

	switch (xhci_trb_type(trb)) {
	case XHCI_ENABLE_SLOT:
		return xhci_slot_enable(x, n);
	case XHCI_DISABLE_SLOT:
		return xhci_slot_disable(x, *n);
	case XHCI_ADDRESS_DEVICE:
		return xhci_slot_address(x, *n, trb);
	case XHCI_CONFIGURE_ENDPOINT:
		return xhci_slot_configure(x, *n, trb);
	case XHCI_EVALUATE_CONTEXT:
		return xhci_slot_evaluate(x, *n, trb);
	case XHCI_RESET_ENDPOINT:
		return xhci_ep_reset(x, *n, dci);
	case XHCI_STOP_ENDPOINT:
		return xhci_ep_stop(x, *n, dci);
	case XHCI_SET_TR_DEQUEUE:
		return xhci_ep_set_dequeue(x, *n, trb);
	case XHCI_RESET_DEVICE:
		return xhci_slot_reset(x, *n);
	case XHCI_NO_OP_COMMAND:
		return XHCI_CC_SUCCESS;
	default:
		/* no virtual functions, bandwidth, LTV, headers, vendor's */
		return XHCI_CC_TRB;
	}
}

/* The event of a stopped transfer goes where that transfer's events go. */
static bool stop_has_room(struct xhci *x, const struct xhci_trb *trb)
{
	struct xhci_trb current;
	uint64_t at;
	unsigned n;

	if (xhci_trb_type(trb) != XHCI_STOP_ENDPOINT ||
	    !xhci_transfer_current(x, xhci_trb_slot(trb), xhci_trb_ep(trb),
				   &current, &at))
		return true;
	n = xhci_trb_intr(&current);
	return n == 0 || n >= XHCI_INTRS || xhci_event_room(x, n, 1);
}

/* False when the command has to wait. */
static bool command(struct xhci *x, const struct xhci_trb *trb)
{
	uint64_t at = x->cmd.deq;
	unsigned n = xhci_trb_slot(trb);
	enum xhci_cc cc;

	if (!xhci_event_room(x, 0, COMMAND_EVENTS) || !stop_has_room(x, trb))
		return false;
	xhci_ring_next(&x->cmd);
	cc = execute(x, trb, &n);
	complete(x, at, cc, n);
	return true;
}

static bool tell_stopped(struct xhci *x)
{
	if (!x->cmd_stop_due)
		return true;
	if (!xhci_works(x) || !xhci_event_room(x, 0, 1))
		return false;
	x->cmd_stop_due = false;
	complete(x, x->cmd.deq, XHCI_CC_COMMAND_RING_STOPPED, 0);
	return true;
}

void xhci_commands_run(struct xhci *x)
{
	unsigned budget = XHCI_WALK_TRBS;
	struct xhci_trb trb;

	if (!tell_stopped(x))
		return;
	while (x->cmd_running && xhci_works(x)) {
		if (xhci_ring_peek(x, &x->cmd, &trb) <= 0)
			return;
		if (!budget--) {
			xhci_fail(x, XHCI_USBSTS_HCE, "endless command ring");
			return;
		}
		if (xhci_trb_type(&trb) == XHCI_LINK)
			xhci_ring_link(&x->cmd, &trb);
		else if (!command(x, &trb))
			return;
	}
}

void xhci_command_doorbell(struct xhci *x)
{
	x->cmd_running = true;
	xhci_commands_run(x);
}

/* No command is ever under way here: stopping and aborting are the same. */
void xhci_commands_stop(struct xhci *x)
{
	x->cmd_running = false;
	x->cmd_stop_due = true;
	(void)tell_stopped(x);
}
