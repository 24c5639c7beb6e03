/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the USB host controller share.
 *
 * xhci.c     the PCI function: options, BAR, input, life
 * regs.c     registers
 * port.c     root hub ports
 * event.c    event rings, interrupters, interrupt moderation
 * command.c  command ring
 * slot.c     device slots and their contexts, endpoint state
 * transfer.c transfer rings
 *
 * Threads: registers from any vCPU, input from any thread, one timer on the
 * event loop's; dev->lock is held around everything declared here.
 * Limits: the numbers below.
 * Source: xHCI 1.1; the register layout and its names are in spec/xhci.h.
 */
#ifndef DEV_XHCI_XHCI_H
#define DEV_XHCI_XHCI_H

#include "bus/model.h"
#include "dev/xhci/hid.h"
#include "spec/xhci.h"

#define XHCI_SLOTS	32u /* device slots */
#define XHCI_INTRS	8u  /* interrupters, MSI and MSI-X vectors */
#define XHCI_USB2_PORTS 4u  /* ports 1 to 4; devices are on these */
#define XHCI_USB3_PORTS 4u  /* ports 5 to 8; always empty */
#define XHCI_ALL_PORTS	(XHCI_USB2_PORTS + XHCI_USB3_PORTS)
#define XHCI_ERST_LOG2	4u  /* event ring segments: 16 */
#define XHCI_DCIS	32u /* device context index; 0 is the slot context */
#define XHCI_TD_TRBS	64u /* TRBs of one transfer descriptor */
#define XHCI_LINKS	16u /* link TRBs in a row that Stop Endpoint follows */
#define XHCI_WALK_TRBS	1024u /* TRBs that one doorbell or event leads to */

/* BAR 0 */
#define XHCI_BAR       0u
#define XHCI_BAR_BYTES 0x4000u
#define XHCI_OFF_OP    0x0040u
#define XHCI_OFF_XECP  0x0800u
#define XHCI_OFF_RT    0x1000u
#define XHCI_OFF_DB    0x2000u
#define XHCI_OFF_TABLE 0x3000u
#define XHCI_OFF_PBA   0x3800u

/* Where the next TRB of a transfer or command ring is. */
struct xhci_ring {
	uint64_t deq;
	bool cycle;
};

struct xhci_ep {
	struct xhci_context ctx; /* as in the output context, but ring, state */
	struct xhci_ring ring;
	uint8_t state; /* enum xhci_ep_state */
};

/* A control transfer between its stages; one a slot: endpoint 0. */
struct xhci_control {
	bool active; /* a Setup Stage was taken */
	bool done;   /* the device has answered */
	struct usb_setup setup;
	uint8_t out[HID_OUT_MAX];
	uint32_t out_len; /* may be more than fits: then the device stalls */
};

struct xhci_slot {
	bool enabled;
	uint8_t state; /* enum xhci_slot_state */
	uint8_t port;  /* 1-based; 0 before Address Device */
	uint8_t address;
	uint32_t rung;		 /* endpoints that wait for work, by DCI */
	gpa_t out;		 /* output device context */
	struct xhci_context ctx; /* as there, but state and address */
	struct xhci_ep ep[XHCI_DCIS];
	struct xhci_control control;
};

struct xhci_port {
	struct hid *hid; /* NULL: nothing is plugged in */
	uint32_t portsc;
	uint32_t pmsc;
	bool event_due; /* a Port Status Change Event has no room yet */
};

struct xhci_segment {
	uint64_t base;
	uint32_t trbs;
	uint32_t first; /* TRBs before it */
};

/* An interrupter and its event ring. */
struct xhci_intr {
	uint32_t iman, imod;
	uint32_t erstsz;
	uint64_t erstba, erdp;
	bool loaded; /* segments were read from the table */
	bool cycle;
	bool full;    /* an Event Ring Full Error was the last event */
	bool pending; /* IPE: there are events to interrupt for */
	struct xhci_segment seg[1u << XHCI_ERST_LOG2];
	unsigned segs;
	uint32_t total;	  /* TRBs of all segments */
	unsigned at;	  /* segment of the enqueue pointer */
	uint32_t index;	  /* TRB in it */
	uint64_t next_ns; /* no interrupt before */
};

struct xhci {
	struct pci_dev dev;
	struct gmem *gmem;
	const struct clock *clock;
	struct ev_timer *timer;
	struct input_hub *input;

	/* Locking: dev.lock guards the rest. */
	uint8_t power; /* D-state as the guest set it: 0 or 3 */
	uint32_t usbcmd, usbsts, dnctrl, config;
	uint64_t dcbaap;
	struct xhci_ring cmd;
	bool cmd_running;    /* CRR */
	bool cmd_open;	     /* the pointer's low half was taken */
	bool cmd_stop_due;   /* a Command Ring Stopped event has no room yet */
	bool blocked;	     /* something waits for room on an event ring */
	bool wrap_due;	     /* an MFINDEX Wrap Event has no room yet */
	uint64_t started_ns; /* microframe 0 */
	uint64_t wraps;	     /* of MFINDEX, told or not asked for */
	uint32_t legacy, legacy_ctl;
	struct xhci_intr intr[XHCI_INTRS];
	struct xhci_port port[XHCI_ALL_PORTS + 1]; /* 1-based */
	struct xhci_slot slot[XHCI_SLOTS + 1];	   /* 1-based */

	struct input_sink sink[XHCI_USB2_PORTS + 1];
	struct xhci_wire {
		struct xhci *xhci;
		unsigned port;
	} wire[XHCI_USB2_PORTS + 1]; /* what a sink's ctx points to */
};

static inline unsigned xhci_trb_type(const struct xhci_trb *trb)
{
	return trb->control >> XHCI_TRB_TYPE_SHIFT & XHCI_TRB_TYPE_MASK;
}

static inline unsigned xhci_trb_slot(const struct xhci_trb *trb)
{
	return trb->control >> XHCI_TRB_SLOT_SHIFT;
}

static inline unsigned xhci_trb_ep(const struct xhci_trb *trb)
{
	return trb->control >> XHCI_TRB_EP_SHIFT & XHCI_TRB_EP_MASK;
}

static inline unsigned xhci_trb_intr(const struct xhci_trb *trb)
{
	return trb->status >> XHCI_TRB_INTR_SHIFT & XHCI_TRB_INTR_MASK;
}

/* ---- xhci.c ---- */

/* Running, not broken, powered, and allowed to use memory. */
bool xhci_works(const struct xhci *x);
void xhci_reset(struct xhci *x); /* HCRST */
/* Does what waited for room, bus mastering, power or Run. */
void xhci_resume(struct xhci *x);
/*
 * Host System Error: memory that is not there. Host Controller Error: a state
 * the specification leaves undefined. Both halt the controller.
 */
void xhci_fail(struct xhci *x, uint32_t status_bit, const char *what);
/* Whole objects of guest memory; false after xhci_fail(). */
MUST_CHECK bool xhci_dma_read(struct xhci *x, uint64_t from, void *to,
			      size_t len);
bool xhci_dma_write(struct xhci *x, uint64_t to, const void *from, size_t len);
/* 1: *ret_trb is the software's TRB at ring->deq. 0: none. <0: failed. */
MUST_CHECK int xhci_ring_peek(struct xhci *x, const struct xhci_ring *ring,
			      struct xhci_trb *ret_trb);
void xhci_ring_next(struct xhci_ring *ring);
void xhci_ring_link(struct xhci_ring *ring, const struct xhci_trb *link);

/* ---- regs.c ---- */

uint64_t xhci_bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
		       unsigned size);
void xhci_bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
		    unsigned size, uint64_t value);
void xhci_halt(struct xhci *x);

/* ---- port.c ---- */

void xhci_ports_reset(struct xhci *x);
uint32_t xhci_port_read(const struct xhci *x, unsigned port, unsigned reg);
void xhci_port_write(struct xhci *x, unsigned port, unsigned reg, uint32_t v);
/* Port Status Change Events that are due. */
void xhci_ports_tell(struct xhci *x);
/* After Run: every port with a change is told again. */
void xhci_ports_run(struct xhci *x);
/* Packets get through: enabled and not suspended. */
bool xhci_port_open(const struct xhci *x, unsigned port);
bool xhci_port_suspended(const struct xhci *x, unsigned port);

/* ---- event.c ---- */

void xhci_intrs_reset(struct xhci *x);
uint32_t xhci_intr_read(struct xhci *x, unsigned n, unsigned reg);
void xhci_intr_write(struct xhci *x, unsigned n, unsigned reg, uint32_t v);
/* Is there room for `count` events? If not, something is now blocked. */
MUST_CHECK bool xhci_event_room(struct xhci *x, unsigned n, unsigned count);
/* Puts an event on a ring that has room; quiet: without an interrupt (BEI). */
void xhci_event(struct xhci *x, unsigned n, struct xhci_trb event, bool quiet);
/* Lines and messages follow the IP bits. */
void xhci_intrs_update(struct xhci *x);
uint32_t xhci_mfindex(const struct xhci *x);
/* When MFINDEX started anew, or wrap events were switched on. */
void xhci_mfindex_start(struct xhci *x);
void xhci_mfindex_tell(struct xhci *x);
void xhci_timer_fired(void *ctx);

/* ---- command.c ---- */

void xhci_command_doorbell(struct xhci *x);
void xhci_commands_run(struct xhci *x);
/* CS and CA of the command ring. */
void xhci_commands_stop(struct xhci *x);

/* ---- slot.c ---- */

void xhci_slots_reset(struct xhci *x);
/* Commands; each gives a completion code. */
enum xhci_cc xhci_slot_enable(struct xhci *x, unsigned *ret_slot);
enum xhci_cc xhci_slot_disable(struct xhci *x, unsigned n);
enum xhci_cc xhci_slot_address(struct xhci *x, unsigned n,
			       const struct xhci_trb *trb);
enum xhci_cc xhci_slot_configure(struct xhci *x, unsigned n,
				 const struct xhci_trb *trb);
enum xhci_cc xhci_slot_evaluate(struct xhci *x, unsigned n,
				const struct xhci_trb *trb);
enum xhci_cc xhci_slot_reset(struct xhci *x, unsigned n);
enum xhci_cc xhci_ep_reset(struct xhci *x, unsigned n, unsigned dci);
enum xhci_cc xhci_ep_stop(struct xhci *x, unsigned n, unsigned dci);
enum xhci_cc xhci_ep_set_dequeue(struct xhci *x, unsigned n,
				 const struct xhci_trb *trb);
/* Changes an endpoint's state, here and in the guest's context. */
void xhci_ep_set_state(struct xhci *x, unsigned n, unsigned dci,
		       enum xhci_ep_state state);

/* ---- transfer.c ---- */

/* Slot n's doorbell. */
void xhci_transfer_doorbell(struct xhci *x, unsigned n, unsigned dci);
/* Endpoints of a slot that wait for work. */
void xhci_transfers_run(struct xhci *x, unsigned n);
/* The device at a port has something to tell. */
void xhci_transfers_port(struct xhci *x, unsigned port);
/* Does the guest listen to the device at a port? */
bool xhci_transfers_listening(const struct xhci *x, unsigned port);
/*
 * The TRB that is under way when an endpoint is stopped: true with the TRB and
 * its address.
 */
bool xhci_transfer_current(struct xhci *x, unsigned n, unsigned dci,
			   struct xhci_trb *ret_trb, uint64_t *ret_at);
struct xhci_trb xhci_transfer_event(uint64_t at, uint32_t length,
				    enum xhci_cc cc, unsigned n, unsigned dci);

#endif
