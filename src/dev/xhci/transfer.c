/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transfer rings (xHCI 4.9.2, 4.10, 4.11).
 *
 * Theory of operation
 *
 * Work is a whole transfer descriptor (TD): the TRBs from the ring's dequeue
 * pointer on that are chained together, copied once into struct xfer. One that
 * is not complete yet is left alone. Before anything else its events must have
 * room; then the device is asked, the bytes are spread over the TRBs' buffers,
 * the events are written, and the dequeue pointer moves behind the TD. So a TD
 * is done as a whole or not at all, and an endpoint whose device has nothing
 * to say (NAK) or whose events have no room just stays as it is.
 *
 * slot->rung remembers the endpoints whose doorbell rang. They are looked at
 * when the doorbell rings, when their device gets something to tell, and when
 * what they waited for may be there (xhci_resume()). No timer polls.
 *
 * A TRB that makes no sense puts the endpoint into the Error state, a device's
 * stall and the like into Halted; the dequeue pointer then stays at the TD.
 */
#include <endian.h>
#include <string.h>

#include "dev/xhci/xhci.h"

struct td_entry {
	struct xhci_trb trb;
	uint64_t at;
};

/* One endpoint at work. */
struct xfer {
	struct xhci *x;
	unsigned n, dci;
	struct xhci_slot *slot;
	struct xhci_ep *ep;
	unsigned budget; /* TRBs that may still be read */
	struct td_entry e[XHCI_TD_TRBS];
	unsigned len;
	struct xhci_ring next; /* behind the TD */
};

/* ---- events ---- */

struct xhci_trb xhci_transfer_event(uint64_t at, uint32_t length,
				    enum xhci_cc cc, unsigned n, unsigned dci)
{
	return (struct xhci_trb){
	    .param = at,
	    .status = (length & XHCI_EVENT_LENGTH) | (uint32_t)cc
							 << XHCI_TRB_CC_SHIFT,
	    .control = XHCI_TRANSFER_EVENT << XHCI_TRB_TYPE_SHIFT |
		       dci << XHCI_TRB_EP_SHIFT | n << XHCI_TRB_SLOT_SHIFT,
	};
}

/* An interrupter that does not exist: the first one takes its events. */
static unsigned event_intr(const struct xhci_trb *trb)
{
	unsigned n = xhci_trb_intr(trb);

	return n < XHCI_INTRS ? n : 0;
}

static void event(const struct xfer *t, const struct td_entry *e,
		  enum xhci_cc cc, uint32_t length)
{
	xhci_event(t->x, event_intr(&e->trb),
		   xhci_transfer_event(e->at, length, cc, t->n, t->dci),
		   e->trb.control & XHCI_TRB_BEI);
}

static void event_ioc(const struct xfer *t, const struct td_entry *e)
{
	if (e->trb.control & XHCI_TRB_IOC)
		event(t, e, XHCI_CC_SUCCESS, 0);
}

/* Event Data TRB: its parameter, and the bytes since the TD's beginning. */
static void event_data(const struct xfer *t, const struct td_entry *e,
		       enum xhci_cc cc, uint32_t bytes)
{
	struct xhci_trb trb =
	    xhci_transfer_event(e->trb.param, bytes, cc, t->n, t->dci);

	if (!(e->trb.control & XHCI_TRB_IOC))
		return;
	trb.control |= XHCI_EVENT_ED;
	xhci_event(t->x, event_intr(&e->trb), trb,
		   e->trb.control & XHCI_TRB_BEI);
}

/* One event for each TRB that asks, and one more for an error or short end. */
static bool events_have_room(const struct xfer *t)
{
	unsigned need[XHCI_INTRS] = {0}, i, n;

	for (i = 0; i < t->len; i++) {
		n = event_intr(&t->e[i].trb);
		need[n] = MAX(need[n], 1u);
		need[n] += !!(t->e[i].trb.control & XHCI_TRB_IOC);
	}
	for (n = 0; n < XHCI_INTRS; n++)
		if (need[n] && !xhci_event_room(t->x, n, need[n]))
			return false;
	return true;
}

/* ---- reading a TD ---- */

enum td_state {
	TD_NONE,
	TD_READY,
	TD_BAD, /* e[0] is the TRB where it went wrong */
};

static bool td_add(struct xfer *t, const struct xhci_trb *trb)
{
	const struct td_entry e = {.trb = *trb, .at = t->next.deq};

	if (t->len == XHCI_TD_TRBS || !t->budget) {
		t->e[0] = e;
		t->len = 1;
		return false;
	}
	t->budget--;
	t->e[t->len++] = e;
	return true;
}

/* A link between TDs is done with at once; one within a TD belongs to it. */
static enum td_state td_link(struct xfer *t, const struct xhci_trb *trb)
{
	const bool inside = t->len;

	if (!td_add(t, trb))
		return TD_BAD;
	xhci_ring_link(&t->next, trb);
	if (inside)
		return TD_READY;
	if (!events_have_room(t))
		return TD_NONE;
	event_ioc(t, &t->e[0]);
	t->len = 0;
	t->ep->ring = t->next;
	return TD_READY;
}

static enum td_state td_fetch(struct xfer *t)
{
	enum td_state state;
	struct xhci_trb trb;

	t->len = 0;
	t->next = t->ep->ring;
	for (;;) {
		if (xhci_ring_peek(t->x, &t->next, &trb) <= 0)
			return TD_NONE;
		if (xhci_trb_type(&trb) == XHCI_LINK) {
			state = td_link(t, &trb);
			if (state != TD_READY)
				return state;
			continue;
		}
		if (!td_add(t, &trb))
			return TD_BAD;
		xhci_ring_next(&t->next);
		if (!(trb.control & XHCI_TRB_CH))
			return TD_READY;
	}
}

static bool is_data(const struct td_entry *e)
{
	unsigned type = xhci_trb_type(&e->trb);

	return type == XHCI_NORMAL || type == XHCI_DATA_STAGE;
}

static uint32_t data_len(const struct td_entry *e)
{
	return is_data(e) ? e->trb.status & XHCI_TRB_LENGTH : 0;
}

/* Behind the first TRB only these may follow, and IN data is never inside. */
static bool td_valid(const struct xfer *t, bool in)
{
	unsigned i, type;

	for (i = 0; i < t->len; i++) {
		type = xhci_trb_type(&t->e[i].trb);
		if (i && type != XHCI_NORMAL && type != XHCI_EVENT_DATA &&
		    type != XHCI_LINK)
			return false;
		if (!is_data(&t->e[i]) || !(t->e[i].trb.control & XHCI_TRB_IDT))
			continue;
		if (in || data_len(&t->e[i]) > sizeof(t->e[i].trb.param))
			return false;
	}
	return true;
}

static uint32_t td_bytes(const struct xfer *t)
{
	uint32_t bytes = 0; /* 64 times 128 KiB at most */
	unsigned i;

	for (i = 0; i < t->len; i++)
		bytes += data_len(&t->e[i]);
	return bytes;
}

/* ---- ends of a TD ---- */

static void td_done(struct xfer *t)
{
	t->ep->ring = t->next;
}

/* An error always tells; the endpoint stops until software has seen to it. */
static void td_fail(struct xfer *t, enum xhci_cc cc)
{
	const struct td_entry *e = &t->e[0];

	if (t->dci == 1)
		t->slot->control.active = false;
	xhci_ep_set_state(t->x, t->n, t->dci,
			  cc == XHCI_CC_TRB ? XHCI_EP_ERROR : XHCI_EP_HALTED);
	event(t, e, cc, data_len(e));
}

/* The device sent less than there was room for (4.10.1.1). */
static void td_short(const struct xfer *t, unsigned i, uint32_t residual,
		     uint32_t moved)
{
	const struct td_entry *e = &t->e[i];

	if (e->trb.control & (XHCI_TRB_ISP | XHCI_TRB_IOC))
		event(t, e, XHCI_CC_SHORT_PACKET, residual);
	for (i++; i < t->len; i++) {
		if (xhci_trb_type(&t->e[i].trb) != XHCI_EVENT_DATA)
			continue;
		event_data(t, &t->e[i], XHCI_CC_SHORT_PACKET, moved);
		return;
	}
}

/* Spreads what came from the device, and tells. */
static void td_in(const struct xfer *t, const uint8_t *data, uint32_t len)
{
	uint32_t moved = 0, want, now;
	unsigned i;

	for (i = 0; i < t->len; i++) {
		const struct td_entry *e = &t->e[i];

		if (xhci_trb_type(&e->trb) == XHCI_EVENT_DATA) {
			event_data(t, e, XHCI_CC_SUCCESS, moved);
			moved = 0;
			continue;
		}
		want = data_len(e);
		now = MIN(want, len);
		if (now && !xhci_dma_write(t->x, e->trb.param, data, now))
			return;
		data += now;
		len -= now;
		moved += now;
		if (now < want) {
			td_short(t, i, want - now, moved);
			return;
		}
		event_ioc(t, e);
	}
}

/* A TD that moves nothing. */
static void td_tell(const struct xfer *t)
{
	static const uint8_t nothing[1];

	td_in(t, nothing, 0);
}

/* Gathers the front of what goes to the device; then tells. */
static bool td_gather(const struct xfer *t, struct xhci_control *control)
{
	uint32_t want, room, now;
	uint64_t inside;
	unsigned i;

	for (i = 0; i < t->len; i++) {
		const struct td_entry *e = &t->e[i];

		want = data_len(e);
		room = HID_OUT_MAX - MIN(control->out_len, HID_OUT_MAX);
		now = MIN(want, room);
		inside = htole64(e->trb.param);
		if (now && e->trb.control & XHCI_TRB_IDT)
			memcpy(control->out + control->out_len, &inside, now);
		else if (now &&
			 !xhci_dma_read(t->x, e->trb.param,
					control->out + control->out_len, now))
			return false;
		control->out_len += want;
	}
	return true;
}

static void td_out(const struct xfer *t)
{
	uint32_t moved = 0;
	unsigned i;

	for (i = 0; i < t->len; i++) {
		moved += data_len(&t->e[i]);
		if (xhci_trb_type(&t->e[i].trb) == XHCI_EVENT_DATA) {
			event_data(t, &t->e[i], XHCI_CC_SUCCESS, moved);
			moved = 0;
		} else {
			event_ioc(t, &t->e[i]);
		}
	}
}

/* ---- control transfers ---- */

static struct hid *device_of(const struct xfer *t)
{
	struct hid *hid = t->x->port[t->slot->port].hid;

	if (!hid || !xhci_port_open(t->x, t->slot->port) ||
	    hid->address != t->slot->address)
		return NULL;
	return hid;
}

static enum xhci_cc control_setup(struct xfer *t)
{
	struct xhci_control *control = &t->slot->control;
	const struct xhci_trb *trb = &t->e[0].trb;
	uint64_t packet = htole64(trb->param);

	if (!(trb->control & XHCI_TRB_IDT) ||
	    (trb->status & XHCI_TRB_LENGTH) != sizeof(control->setup))
		return XHCI_CC_TRB;
	*control = (struct xhci_control){.active = true};
	memcpy(&control->setup, &packet, sizeof(control->setup));
	td_out(t);
	return XHCI_CC_SUCCESS;
}

static enum xhci_cc control_in(struct xfer *t, struct hid *hid)
{
	struct xhci_control *control = &t->slot->control;
	uint8_t answer[HID_CONTROL_MAX];
	uint32_t len;
	int r;

	if (!td_valid(t, true))
		return XHCI_CC_TRB;
	r = hid_control(hid, &control->setup, NULL, 0, answer);
	if (r < 0)
		return XHCI_CC_STALL;
	len = MIN((uint32_t)r, (uint32_t)le16toh(control->setup.wLength));
	if (len > td_bytes(t))
		return XHCI_CC_BABBLE;
	control->done = true;
	td_in(t, answer, len);
	return XHCI_CC_SUCCESS;
}

static enum xhci_cc control_data(struct xfer *t, struct hid *hid)
{
	struct xhci_control *control = &t->slot->control;
	bool in = t->e[0].trb.control & XHCI_TRB_DIR_IN;

	if (!control->active || control->done ||
	    in != !!(control->setup.bmRequestType & USB_DIR_IN))
		return XHCI_CC_TRB;
	if (in)
		return control_in(t, hid);
	if (!td_valid(t, false))
		return XHCI_CC_TRB;
	if (td_gather(t, control))
		td_out(t);
	return XHCI_CC_SUCCESS;
}

/* A request without data, or with data for the device, is done here. */
static enum xhci_cc control_status(struct xfer *t, struct hid *hid)
{
	struct xhci_control *control = &t->slot->control;
	uint8_t answer[HID_CONTROL_MAX];

	if (!control->active || !td_valid(t, true))
		return XHCI_CC_TRB;
	if (!control->done && (control->out_len > HID_OUT_MAX ||
			       hid_control(hid, &control->setup, control->out,
					   control->out_len, answer) < 0))
		return XHCI_CC_STALL;
	control->active = false;
	td_tell(t);
	return XHCI_CC_SUCCESS;
}

static enum xhci_cc control_run(struct xfer *t)
{
	struct hid *hid = device_of(t);

	switch (xhci_trb_type(&t->e[0].trb)) {
	case XHCI_SETUP_STAGE:
		return hid ? control_setup(t) : XHCI_CC_TRANSACTION;
	case XHCI_DATA_STAGE:
		return hid ? control_data(t, hid) : XHCI_CC_TRANSACTION;
	case XHCI_STATUS_STAGE:
		return hid ? control_status(t, hid) : XHCI_CC_TRANSACTION;
	default:
		return XHCI_CC_TRB;
	}
}

/* ---- other endpoints ---- */

/* False: the device has nothing to tell yet. */
static bool interrupt_run(struct xfer *t, enum xhci_cc *ret_cc)
{
	struct hid *hid = device_of(t);
	uint8_t report[HID_REPORT_MAX];
	int r = -ENODEV;

	*ret_cc = XHCI_CC_TRB;
	if (xhci_trb_type(&t->e[0].trb) != XHCI_NORMAL ||
	    !td_valid(t, t->dci & 1))
		return true;
	if (hid && t->dci & 1)
		r = hid_in(hid, t->dci / 2, report);
	if (r == -EAGAIN)
		return false;
	*ret_cc = r == -EPIPE ? XHCI_CC_STALL : XHCI_CC_TRANSACTION;
	if (r < 0)
		return true;
	*ret_cc = XHCI_CC_BABBLE;
	if ((uint32_t)r > td_bytes(t))
		return true;
	td_in(t, report, (uint32_t)r);
	*ret_cc = XHCI_CC_SUCCESS;
	return true;
}

/* False when the TD has to wait for the device. */
static bool td_run(struct xfer *t)
{
	unsigned type = xhci_trb_type(&t->e[0].trb);
	enum xhci_cc cc = XHCI_CC_SUCCESS;

	if (type == XHCI_NO_OP || type == XHCI_EVENT_DATA) {
		if (td_valid(t, true))
			td_tell(t);
		else
			cc = XHCI_CC_TRB;
	} else if (xhci_port_suspended(t->x, t->slot->port)) {
		return false;
	} else if (t->dci == 1) {
		cc = control_run(t);
	} else if (!interrupt_run(t, &cc)) {
		return false;
	}
	if (cc == XHCI_CC_SUCCESS)
		td_done(t);
	else
		td_fail(t, cc);
	return true;
}

static void ep_run(struct xhci *x, unsigned n, unsigned dci)
{
	struct xfer t;
	enum td_state state;

	t.x = x;
	t.n = n;
	t.dci = dci;
	t.slot = &x->slot[n];
	t.ep = &t.slot->ep[dci];
	t.budget = XHCI_WALK_TRBS;
	while (xhci_works(x) && t.slot->rung & BIT(dci)) {
		state = td_fetch(&t);
		if (state == TD_NONE || !events_have_room(&t))
			return;
		if (state == TD_BAD) {
			td_fail(&t, XHCI_CC_TRB);
			return;
		}
		if (!td_run(&t))
			return;
	}
}

/* ---- who wakes endpoints ---- */

void xhci_transfer_doorbell(struct xhci *x, unsigned n, unsigned dci)
{
	struct xhci_slot *slot = &x->slot[n];

	if (!slot->enabled || dci < 1 || dci >= XHCI_DCIS)
		return;
	if (slot->ep[dci].state == XHCI_EP_STOPPED)
		xhci_ep_set_state(x, n, dci, XHCI_EP_RUNNING);
	if (slot->ep[dci].state != XHCI_EP_RUNNING)
		return;
	slot->rung |= BIT(dci);
	ep_run(x, n, dci);
}

void xhci_transfers_run(struct xhci *x, unsigned n)
{
	unsigned dci;

	for (dci = 1; dci < XHCI_DCIS; dci++)
		if (x->slot[n].rung & BIT(dci))
			ep_run(x, n, dci);
}

void xhci_transfers_port(struct xhci *x, unsigned port)
{
	unsigned n;

	for (n = 1; n <= XHCI_SLOTS; n++)
		if (x->slot[n].port == port && x->slot[n].rung)
			xhci_transfers_run(x, n);
}

bool xhci_transfers_listening(const struct xhci *x, unsigned port)
{
	const struct hid *hid = x->port[port].hid;
	const struct xhci_slot *slot;

	if (!hid || !hid->configuration || !hid->address || !xhci_works(x) ||
	    !xhci_port_open(x, port) || hid->address > XHCI_SLOTS)
		return false;
	slot = &x->slot[hid->address];
	return slot->port == port && slot->address == hid->address &&
	       slot->rung & BIT(HID_DCI);
}

bool xhci_transfer_current(struct xhci *x, unsigned n, unsigned dci,
			   struct xhci_trb *ret_trb, uint64_t *ret_at)
{
	struct xhci_ring ring;
	struct xhci_trb trb;
	unsigned links;

	if (n < 1 || n > XHCI_SLOTS || dci < 1 || !(x->slot[n].rung & BIT(dci)))
		return false;
	ring = x->slot[n].ep[dci].ring;
	for (links = 0; links <= XHCI_LINKS; links++) {
		if (xhci_ring_peek(x, &ring, &trb) <= 0)
			return false;
		if (xhci_trb_type(&trb) != XHCI_LINK) {
			*ret_trb = trb;
			*ret_at = ring.deq;
			return true;
		}
		xhci_ring_link(&ring, &trb);
	}
	return false;
}
