/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest with a USB controller, for tests and the fuzzer: fakes around the
 * device, guest memory, and a small xHCI driver that knows nothing about the
 * device but its registers.
 *
 * Nothing here asserts for a test: functions return what they saw. Set-up that
 * cannot fail in a sane build abort()s.
 */
#ifndef TESTS_XHCI_DRIVER_H
#define TESTS_XHCI_DRIVER_H

#include "backend/input.h"
#include "fakes.h"
#include "spec/usb.h"
#include "spec/xhci.h"

#define GUEST_RAM	MIB(2) /* at 0, and once more at 4 GiB */
#define GUEST_HIGH	GIB(4)
#define GUEST_ADDR	((struct pci_addr){0, 9, 0})
#define GUEST_INTRS	8u
#define GUEST_SLOTS	32u
#define GUEST_LOG	128u
#define GUEST_RING_TRBS 16u /* transfer and command rings, link included */

/* Where the driver's structures are, from guest->mem on. */
#define AT_DCBAA	0x1000u
#define AT_ERST		0x2000u /* 0x100 an interrupter */
#define AT_CMD		0x3000u
#define AT_INPUT	0x4000u
#define AT_DATA		0x5000u /* of control transfers */
#define AT_REPORT(slot) (AT_DATA + 0x100u * (slot))
#define AT_SLOTS	0x10000u /* 0x2000 a slot: context, then rings */
#define AT_EVENT	0x80000u /* 0x10000 an interrupter, 0x1000 a segment */

struct guest_ring {
	uint64_t base;
	unsigned at;
	bool cycle;
};

struct guest_events {
	unsigned segs, trbs; /* segments, TRBs of each */
	unsigned seg, at;
	bool cycle;
};

struct guest {
	struct fake fake; /* first */
	struct irq_ops irq_ops;
	struct gmem *gmem;
	struct input_hub *hub;
	unsigned msis;
	struct irq_msg msi; /* the last one */
	uint64_t bar;
	uint64_t mem; /* where its structures are: 0 or GUEST_HIGH */
	unsigned op, rt, db;
	struct guest_ring cmd;
	struct guest_ring ep[GUEST_SLOTS + 1][4]; /* DCI 1 to 3 */
	struct guest_events events[GUEST_INTRS];
	struct xhci_trb log[GUEST_LOG]; /* events read */
	unsigned logged;
};

/* `list` is what -s gets behind "xhci,". NULL with *err set when refused. */
struct guest *guest_create(const char *list, uint64_t mem, struct err *err);
/* With an input device that was there before. */
struct guest *guest_create_behind(const struct input_sink *first,
				  const char *list);
void guest_destroy(struct guest *g);

uint32_t guest_read(struct guest *g, unsigned off);
void guest_write(struct guest *g, unsigned off, uint32_t v);
uint32_t guest_op(struct guest *g, unsigned reg);
void guest_op_set(struct guest *g, unsigned reg, uint32_t v);
uint32_t guest_intr(struct guest *g, unsigned n, unsigned reg);
void guest_intr_set(struct guest *g, unsigned n, unsigned reg, uint32_t v);
uint32_t guest_portsc(struct guest *g, unsigned port);
void guest_portsc_set(struct guest *g, unsigned port, uint32_t v);
void guest_doorbell(struct guest *g, unsigned slot, unsigned target);

/* Memory below guest->mem + GUEST_RAM; aborts outside. */
void guest_put(struct guest *g, uint64_t at, const void *src, size_t len);
void guest_get(struct guest *g, uint64_t at, void *dst, size_t len);
uint32_t guest_get32(struct guest *g, uint64_t at);
void guest_put32(struct guest *g, uint64_t at, uint32_t v);

/* Reset, rings, one interrupter, run. */
void guest_start(struct guest *g);
/* An event ring; takes effect at once. */
void guest_events_set(struct guest *g, unsigned n, unsigned segs,
		      unsigned trbs);
/* Next event, without telling the controller that it was read. */
bool guest_event_peek(struct guest *g, unsigned n, struct xhci_trb *ret_event);
void guest_events_ack(struct guest *g, unsigned n);
/* Reads all events of interrupter n into the log; how many. */
unsigned guest_events(struct guest *g, unsigned n);
void guest_log_clear(struct guest *g);
/* Events of a type in the log; the last of them. */
unsigned guest_logged(const struct guest *g, unsigned type,
		      struct xhci_trb *ret_last);

unsigned guest_cc(const struct xhci_trb *event);

/* Puts a TRB on a ring (link TRB and cycle bit are its business); where. */
uint64_t guest_enqueue(struct guest *g, struct guest_ring *ring,
		       struct xhci_trb trb);
/* A command and its completion code; 0: no completion came. */
unsigned guest_command(struct guest *g, unsigned type, unsigned slot,
		       uint64_t param, uint32_t control);

/* ---- devices ---- */

uint64_t guest_out_context(const struct guest *g, unsigned slot);
unsigned guest_slot_state(struct guest *g, unsigned slot);
unsigned guest_ep_state(struct guest *g, unsigned slot, unsigned dci);
/* The ring of an endpoint starts over at its base, empty. */
struct guest_ring *guest_ep_ring(struct guest *g, unsigned slot, unsigned dci);

/* Resets the port, clears its changes. */
void guest_port_reset(struct guest *g, unsigned port);
unsigned guest_enable_slot(struct guest *g); /* 0: refused */
/* Fills the input context and issues the command; completion codes. */
unsigned guest_address(struct guest *g, unsigned slot, unsigned port,
		       bool block);
unsigned guest_configure(struct guest *g, unsigned slot);
/* A slot for the device at `port`, addressed; 0: something failed. */
unsigned guest_attach(struct guest *g, unsigned port);
/* The same and configured: endpoint 1 in has a ring. */
unsigned guest_setup(struct guest *g, unsigned port);

/*
 * A control transfer: bytes moved, or minus the completion code. Data for the
 * device comes from `data`, an answer goes there.
 */
int guest_control(struct guest *g, unsigned slot, struct usb_setup setup,
		  void *data);
/* After a stall: Reset Endpoint and Set TR Dequeue. */
unsigned guest_recover(struct guest *g, unsigned slot, unsigned dci);

/* A Normal TRB of `len` bytes on endpoint 1 in, and its doorbell; where. */
uint64_t guest_poll(struct guest *g, unsigned slot, uint32_t len);
/*
 * Reads events; bytes of the report that came on endpoint 1 in, or 0.
 */
unsigned guest_report(struct guest *g, unsigned slot, uint8_t report[8]);

#endif
