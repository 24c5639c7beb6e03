/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root hub ports (xHCI 4.19, 5.4.8).
 *
 * What is plugged in stays plugged in: after a reset of the controller a port
 * with a device tells a new connection. Resets and resumes take no time.
 */
#include "dev/xhci/xhci.h"

#define PMSC_USB3 0x0001ffffu /* U1 and U2 timeouts, force link PM accept */

static void set_pls(struct xhci_port *port, uint32_t pls)
{
	port->portsc =
	    (port->portsc & ~XHCI_PORTSC_PLS) | pls << XHCI_PORTSC_PLS_SHIFT;
}

static uint32_t get_pls(const struct xhci_port *port)
{
	return (port->portsc & XHCI_PORTSC_PLS) >> XHCI_PORTSC_PLS_SHIFT;
}

/* An event tells that the first change bit of a port was set (4.19.2). */
static void port_changed(struct xhci *x, struct xhci_port *port, uint32_t bits)
{
	bool first = !(port->portsc & XHCI_PORTSC_CHANGES);

	port->portsc |= bits;
	x->usbsts |= XHCI_USBSTS_PCD;
	if (!first)
		return;
	port->event_due = true;
	xhci_ports_tell(x);
}

void xhci_ports_tell(struct xhci *x)
{
	unsigned i;

	for (i = 1; i <= XHCI_ALL_PORTS; i++) {
		const struct xhci_trb event = {
		    .param = (uint64_t)i << XHCI_EVENT_PORT_SHIFT,
		    .status = (uint32_t)XHCI_CC_SUCCESS << XHCI_TRB_CC_SHIFT,
		    .control = XHCI_PORT_STATUS_CHANGE << XHCI_TRB_TYPE_SHIFT,
		};

		if (!x->port[i].event_due)
			continue;
		if (!xhci_works(x) || !xhci_event_room(x, 0, 1))
			return;
		x->port[i].event_due = false;
		xhci_event(x, 0, event, false);
	}
}

void xhci_ports_run(struct xhci *x)
{
	unsigned i;

	for (i = 1; i <= XHCI_ALL_PORTS; i++)
		if (x->port[i].portsc & XHCI_PORTSC_CHANGES)
			x->port[i].event_due = true;
	xhci_ports_tell(x);
}

/* ---- states ---- */

static void port_power_on(struct xhci *x, struct xhci_port *port)
{
	port->portsc |= XHCI_PORTSC_PP;
	set_pls(port, XHCI_PLS_RX_DETECT);
	if (!port->hid)
		return;
	hid_reset(port->hid);
	set_pls(port, XHCI_PLS_POLLING);
	port->portsc |= XHCI_PORTSC_CCS | XHCI_SPEED_HIGH
					      << XHCI_PORTSC_SPEED_SHIFT;
	port_changed(x, port, XHCI_PORTSC_CSC);
}

static void port_power_off(struct xhci_port *port)
{
	port->portsc &= XHCI_PORTSC_CHANGES | XHCI_PORTSC_WAKE;
	set_pls(port, XHCI_PLS_DISABLED);
	if (port->hid)
		hid_reset(port->hid);
}

void xhci_ports_reset(struct xhci *x)
{
	unsigned i;

	for (i = 1; i <= XHCI_ALL_PORTS; i++) {
		x->port[i].portsc = 0;
		x->port[i].pmsc = 0;
		x->port[i].event_due = false;
		port_power_on(x, &x->port[i]);
	}
}

bool xhci_port_open(const struct xhci *x, unsigned port)
{
	const uint32_t need = XHCI_PORTSC_CCS | XHCI_PORTSC_PED;

	return (x->port[port].portsc & need) == need &&
	       get_pls(&x->port[port]) == XHCI_PLS_U0;
}

bool xhci_port_suspended(const struct xhci *x, unsigned port)
{
	return (x->port[port].portsc & XHCI_PORTSC_PED) &&
	       get_pls(&x->port[port]) != XHCI_PLS_U0;
}

/* ---- registers ---- */

static void port_reset(struct xhci *x, struct xhci_port *port)
{
	if (!(port->portsc & XHCI_PORTSC_CCS))
		return;
	hid_reset(port->hid);
	port->portsc |= XHCI_PORTSC_PED;
	set_pls(port, XHCI_PLS_U0);
	port_changed(x, port, XHCI_PORTSC_PRC);
}

/* Nothing is ever on a USB 3 port: its link can be switched off and on. */
static void link_empty(struct xhci_port *port, uint32_t wanted)
{
	if (wanted == XHCI_PLS_DISABLED || wanted == XHCI_PLS_RX_DETECT)
		set_pls(port, wanted);
}

static void link_usb2(struct xhci *x, unsigned n, uint32_t wanted)
{
	struct xhci_port *port = &x->port[n];
	uint32_t pls = get_pls(port);

	if (!(port->portsc & XHCI_PORTSC_PED))
		return;
	if (pls == XHCI_PLS_U0 && wanted == XHCI_PLS_U3) {
		set_pls(port, XHCI_PLS_U3);
	} else if (pls == XHCI_PLS_U3 && wanted == XHCI_PLS_RESUME) {
		set_pls(port, XHCI_PLS_RESUME);
	} else if (pls != XHCI_PLS_U0 && wanted == XHCI_PLS_U0) {
		set_pls(port, XHCI_PLS_U0);
		port_changed(x, port, XHCI_PORTSC_PLC);
		xhci_transfers_port(x, n);
	}
}

static void portsc_write(struct xhci *x, unsigned n, uint32_t v)
{
	struct xhci_port *port = &x->port[n];

	port->portsc &= ~(v & XHCI_PORTSC_CHANGES);
	port->portsc =
	    (port->portsc & ~XHCI_PORTSC_WAKE) | (v & XHCI_PORTSC_WAKE);
	if (!(v & XHCI_PORTSC_PP)) {
		if (port->portsc & XHCI_PORTSC_PP)
			port_power_off(port);
		return;
	}
	if (!(port->portsc & XHCI_PORTSC_PP)) {
		port_power_on(x, port);
		return;
	}
	if (v & port->portsc & XHCI_PORTSC_PED) {
		port->portsc &= ~XHCI_PORTSC_PED;
		set_pls(port, XHCI_PLS_POLLING);
	}
	if (v & XHCI_PORTSC_PR)
		port_reset(x, port);
	else if (v & XHCI_PORTSC_LWS && n > XHCI_USB2_PORTS)
		link_empty(port,
			   (v & XHCI_PORTSC_PLS) >> XHCI_PORTSC_PLS_SHIFT);
	else if (v & XHCI_PORTSC_LWS)
		link_usb2(x, n, (v & XHCI_PORTSC_PLS) >> XHCI_PORTSC_PLS_SHIFT);
}

uint32_t xhci_port_read(const struct xhci *x, unsigned n, unsigned reg)
{
	switch (reg) {
	case XHCI_PORTSC:
		return x->port[n].portsc;
	case XHCI_PORTPMSC:
		return x->port[n].pmsc;
	default:
		return 0; /* no link errors, no hardware LPM */
	}
}

void xhci_port_write(struct xhci *x, unsigned n, unsigned reg, uint32_t v)
{
	if (reg == XHCI_PORTSC)
		portsc_write(x, n, v);
	else if (reg == XHCI_PORTPMSC && n > XHCI_USB2_PORTS)
		x->port[n].pmsc = v & PMSC_USB3;
}
