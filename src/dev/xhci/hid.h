/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A USB input device: high speed, one configuration, one HID interface, one
 * interrupt endpoint (1, in). This is the device's side of the cable; the host
 * controller (xhci.h) calls it.
 *
 * A kind (tablet, keyboard) keeps two states: what a person does now, and what
 * the guest was told last. Changes on the way wait in a short queue; when the
 * queue is full, or nobody listens, they collapse: the next report then tells
 * the state as it is, so nothing ever stays pressed.
 *
 * Threads: none of its own; the controller's lock is held around every call.
 * Limits: HID_CHANGES changes on the way.
 * Sources: USB 2.0 chapter 9; HID 1.11; HID Usage Tables 1.12.
 */
#ifndef DEV_XHCI_HID_H
#define DEV_XHCI_HID_H

#include "backend/input.h"
#include "base/base.h"
#include "spec/usb.h"

#define HID_CHANGES	64u
#define HID_REPORT_MAX	8u   /* bytes; also the endpoint's packet size */
#define HID_CONTROL_MAX 256u /* bytes of the longest answer */
#define HID_OUT_MAX	16u  /* bytes a request may carry */
#define HID_DCI		3u   /* endpoint 1, in, as the host controller counts */

struct hid;

struct hid_kind {
	const char *name;    /* as an option names it */
	const char *product; /* as the guest reads it */
	const uint8_t *map;  /* report descriptor */
	uint8_t map_len;     /* its bytes */
	uint8_t report_len;  /* bytes of an input report */
	uint8_t subclass;    /* USB_HID_SUBCLASS_BOOT: has two protocols */
	uint8_t protocol;
	uint8_t interval; /* 2^(n-1) microframes between polls */
	bool leds;	  /* takes an output report of one byte */
	uint16_t product_id;
	struct hid *(*create)(void); /* NULL when out of memory */
	/* The guest knows of nothing: state after a reset of the bus. */
	void (*forget)(struct hid *hid);
	void (*collapse)(struct hid *hid);
	/* Next report the guest has not seen; false: there is none. */
	bool (*next)(struct hid *hid, uint8_t report[HID_REPORT_MAX]);
	void (*now)(const struct hid *hid, uint8_t report[HID_REPORT_MAX]);
	/* Input; NULL: not of this kind. */
	void (*key)(struct hid *hid, uint8_t key, bool down);
	void (*pointer)(struct hid *hid, const struct input_pointer *event);
};

extern const struct hid_kind hid_tablet_kind;
extern const struct hid_kind hid_keyboard_kind;

struct hid {
	const struct hid_kind *kind;
	uint8_t address, configuration;
	uint8_t idle, protocol, leds;
	bool halted; /* endpoint 1: ENDPOINT_HALT */
};

/* A bus reset; also what a new device needs first. */
void hid_reset(struct hid *hid);

/*
 * A whole control request: bytes of the answer, or -EPIPE for a stall. `out`
 * holds the out_len bytes of a request that carries data.
 */
MUST_CHECK int hid_control(struct hid *hid, const struct usb_setup *setup,
			   const uint8_t *out, size_t out_len,
			   uint8_t ret_answer[HID_CONTROL_MAX]);

/*
 * One poll of an IN endpoint: bytes of the report; -EAGAIN when there is
 * nothing to tell (NAK), -EPIPE for a stall, -ENODEV when nobody answers.
 */
MUST_CHECK int hid_in(struct hid *hid, unsigned endpoint,
		      uint8_t ret_report[HID_REPORT_MAX]);

#endif
