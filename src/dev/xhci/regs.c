/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of the controller (xHCI 5, 7): BAR 0.
 *
 * All registers are 32 bits wide; a 64-bit access is two of them, low half
 * first. Narrower reads get their part. Narrower writes are only defined for
 * the semaphores of the legacy support capability and vanish elsewhere.
 */
#include "base/log.h"
#include "dev/xhci/xhci.h"

#define CMD_KEPT                                                \
	(XHCI_USBCMD_RS | XHCI_USBCMD_INTE | XHCI_USBCMD_HSEE | \
	 XHCI_USBCMD_EWE | XHCI_USBCMD_EU3S)
#define STS_CLEARED \
	(XHCI_USBSTS_HSE | XHCI_USBSTS_EINT | XHCI_USBSTS_PCD | XHCI_USBSTS_SRE)
#define STS_BROKEN (XHCI_USBSTS_HSE | XHCI_USBSTS_HCE)

#define IR_BYTES   0x20u
#define PORT_BYTES 0x10u

/* The chain of extended capabilities, from XHCI_OFF_XECP on */
#define XECP_LEGACY	0x00u
#define XECP_LEGACY_CTL 0x04u
#define XECP_USB2	0x10u
#define XECP_USB3	0x20u
#define XECP_NEXT	(0x10u / 4 << 8)

/* ---- capability registers ---- */

static uint32_t cap_read(unsigned off)
{
	switch (off) {
	case XHCI_CAPLENGTH:
		return XHCI_OFF_OP | 0x0100u << 16;
	case XHCI_HCSPARAMS1:
		return XHCI_SLOTS | XHCI_INTRS << XHCI_HCSPARAMS1_INTRS_SHIFT |
		       XHCI_ALL_PORTS << XHCI_HCSPARAMS1_PORTS_SHIFT;
	case XHCI_HCSPARAMS2:
		return XHCI_ERST_LOG2 << XHCI_HCSPARAMS2_ERST_SHIFT;
	case XHCI_HCCPARAMS1:
		return XHCI_HCCPARAMS1_AC64 | XHCI_HCCPARAMS1_NSS |
		       XHCI_OFF_XECP / 4 << XHCI_HCCPARAMS1_XECP_SHIFT;
	case XHCI_DBOFF:
		return XHCI_OFF_DB;
	case XHCI_RTSOFF:
		return XHCI_OFF_RT;
	default:
		return 0;
	}
}

static uint32_t xecp_read(const struct xhci *x, unsigned off)
{
	switch (off) {
	case XECP_LEGACY:
		return XHCI_XECP_LEGACY | XECP_NEXT | x->legacy;
	case XECP_LEGACY_CTL:
		return x->legacy_ctl;
	case XECP_USB2:
		return XHCI_XECP_PROTOCOL | XECP_NEXT |
		       XHCI_PROTOCOL_USB2 << 16;
	case XECP_USB3:
		return XHCI_XECP_PROTOCOL | XHCI_PROTOCOL_USB3 << 16;
	case XECP_USB2 + 4:
	case XECP_USB3 + 4:
		return XHCI_PROTOCOL_NAME;
	case XECP_USB2 + 8:
		return 1 | XHCI_USB2_PORTS << 8;
	case XECP_USB3 + 8:
		return (1 + XHCI_USB2_PORTS) | XHCI_USB3_PORTS << 8;
	default:
		return 0;
	}
}

/*
 * There is no system management code that could hand the controller over: as
 * soon as the OS asks, it has it.
 */
static void xecp_write(struct xhci *x, unsigned off, uint32_t v)
{
	const uint32_t owners = XHCI_LEGACY_BIOS_OWNED | XHCI_LEGACY_OS_OWNED;

	if (off == XECP_LEGACY) {
		x->legacy = v & owners;
		if (v & XHCI_LEGACY_OS_OWNED)
			x->legacy &= ~XHCI_LEGACY_BIOS_OWNED;
	} else if (off == XECP_LEGACY_CTL) {
		x->legacy_ctl = v & XHCI_LEGACY_SMI_ENABLES;
	}
}

/* ---- operational registers ---- */

void xhci_halt(struct xhci *x)
{
	x->usbcmd &= ~XHCI_USBCMD_RS;
	x->usbsts |= XHCI_USBSTS_HCH;
	x->cmd_running = false;
}

static void start(struct xhci *x)
{
	x->usbsts &= ~XHCI_USBSTS_HCH;
	x->started_ns = x->clock->mono_ns(x->clock);
	xhci_mfindex_start(x);
	xhci_ports_run(x);
	xhci_resume(x);
}

static void usbcmd_write(struct xhci *x, uint32_t v)
{
	uint32_t old = x->usbcmd;

	if (v & XHCI_USBCMD_HCRST) {
		xhci_reset(x);
		return;
	}
	/* Nothing is saved, so each attempt ends in an error (4.23.2). */
	if (v & (XHCI_USBCMD_CSS | XHCI_USBCMD_CRS))
		x->usbsts |= XHCI_USBSTS_SRE;
	x->usbcmd = v & CMD_KEPT;
	if (x->usbsts & STS_BROKEN)
		x->usbcmd &= ~XHCI_USBCMD_RS;
	if (x->usbcmd & ~old & XHCI_USBCMD_RS)
		start(x);
	else if (old & ~x->usbcmd & XHCI_USBCMD_RS)
		xhci_halt(x);
	else if (x->usbcmd & ~old & XHCI_USBCMD_EWE)
		xhci_mfindex_start(x);
	xhci_intrs_update(x);
}

/* While the ring runs only stop and abort are heard (5.4.5). */
static void crcr_write_low(struct xhci *x, uint32_t v)
{
	x->cmd_open = !x->cmd_running;
	if (x->cmd_open) {
		x->cmd.deq = (x->cmd.deq & ~0xffffffffull) | (v & ~63u);
		x->cmd.cycle = v & XHCI_CRCR_RCS;
	} else if (v & (XHCI_CRCR_CS | XHCI_CRCR_CA)) {
		xhci_commands_stop(x);
	}
}

/* The high half belongs to the low half written before it. */
static void crcr_write_high(struct xhci *x, uint32_t v)
{
	if (x->cmd_open && !x->cmd_running)
		x->cmd.deq = (uint32_t)x->cmd.deq | (uint64_t)v << 32;
}

static uint32_t op_read(const struct xhci *x, unsigned off)
{
	switch (off) {
	case XHCI_USBCMD:
		return x->usbcmd;
	case XHCI_USBSTS:
		return x->usbsts;
	case XHCI_PAGESIZE:
		return 1; /* 4 KiB */
	case XHCI_DNCTRL:
		return x->dnctrl;
	case XHCI_CRCR:
		return x->cmd_running ? XHCI_CRCR_CRR : 0;
	case XHCI_DCBAAP:
		return (uint32_t)x->dcbaap;
	case XHCI_DCBAAP + 4:
		return (uint32_t)(x->dcbaap >> 32);
	case XHCI_CONFIG:
		return x->config;
	default:
		return 0;
	}
}

static void op_write(struct xhci *x, unsigned off, uint32_t v)
{
	switch (off) {
	case XHCI_USBCMD:
		usbcmd_write(x, v);
		break;
	case XHCI_USBSTS:
		x->usbsts &= ~(v & STS_CLEARED);
		break;
	case XHCI_DNCTRL:
		x->dnctrl = v & 0xffff;
		break;
	case XHCI_CRCR:
		crcr_write_low(x, v);
		break;
	case XHCI_CRCR + 4:
		crcr_write_high(x, v);
		break;
	case XHCI_DCBAAP:
		x->dcbaap = (x->dcbaap & ~0xffffffffull) | (v & ~63u);
		break;
	case XHCI_DCBAAP + 4:
		x->dcbaap = (uint32_t)x->dcbaap | (uint64_t)v << 32;
		break;
	case XHCI_CONFIG:
		x->config = v & 0xff;
		break;
	default:
		break;
	}
}

/* ---- the rest ---- */

static void doorbell_write(struct xhci *x, unsigned n, uint32_t v)
{
	unsigned target = v & 0xff;

	if (!(x->usbcmd & XHCI_USBCMD_RS))
		return;
	if (n == 0 && target == 0)
		xhci_command_doorbell(x);
	else if (n >= 1 && n <= XHCI_SLOTS)
		xhci_transfer_doorbell(x, n, target);
}

/* Port number of an offset into the operational registers, or 0. */
static unsigned port_at(unsigned op)
{
	if (op < XHCI_PORTS || op >= XHCI_PORTS + XHCI_ALL_PORTS * PORT_BYTES)
		return 0;
	return 1 + (op - XHCI_PORTS) / PORT_BYTES;
}

static uint32_t reg_read(struct xhci *x, unsigned off)
{
	unsigned rt = off - XHCI_OFF_RT - XHCI_IR0, port;

	if (off < XHCI_OFF_OP)
		return cap_read(off);
	port = port_at(off - XHCI_OFF_OP);
	if (port)
		return xhci_port_read(x, port, off % PORT_BYTES);
	if (off < XHCI_OFF_XECP)
		return op_read(x, off - XHCI_OFF_OP);
	if (off < XHCI_OFF_RT)
		return xecp_read(x, off - XHCI_OFF_XECP);
	if (off == XHCI_OFF_RT + XHCI_MFINDEX)
		return xhci_mfindex(x);
	if (off >= XHCI_OFF_RT + XHCI_IR0 && rt < XHCI_INTRS * IR_BYTES)
		return xhci_intr_read(x, rt / IR_BYTES, rt % IR_BYTES);
	return 0; /* doorbells read as 0, too */
}

static void reg_write(struct xhci *x, unsigned off, uint32_t v)
{
	unsigned rt = off - XHCI_OFF_RT - XHCI_IR0, port;

	if (off < XHCI_OFF_OP)
		return;
	port = port_at(off - XHCI_OFF_OP);
	if (port)
		xhci_port_write(x, port, off % PORT_BYTES, v);
	else if (off < XHCI_OFF_XECP)
		op_write(x, off - XHCI_OFF_OP, v);
	else if (off < XHCI_OFF_RT)
		xecp_write(x, off - XHCI_OFF_XECP, v);
	else if (off >= XHCI_OFF_DB && off < XHCI_OFF_TABLE)
		doorbell_write(x, (off - XHCI_OFF_DB) / 4, v);
	else if (off >= XHCI_OFF_RT + XHCI_IR0 && rt < XHCI_INTRS * IR_BYTES)
		xhci_intr_write(x, rt / IR_BYTES, rt % IR_BYTES, v);
}

uint64_t xhci_bar_read(struct pci_dev *dev, unsigned bar UNUSED, uint64_t off,
		       unsigned size)
{
	struct xhci *x = dev->ctx;
	unsigned at = (unsigned)off & ~3u;
	uint64_t low;

	if (x->power)
		return UINT64_MAX;
	low = reg_read(x, at);
	if (size == 8)
		return low | (uint64_t)reg_read(x, at + 4) << 32;
	return low >> (8 * (off & 3));
}

/* A byte or word of the legacy support capability. */
static void narrow_write(struct xhci *x, unsigned off, unsigned size,
			 uint32_t v)
{
	unsigned at = off & ~3u, shift = 8 * (off & 3);
	uint32_t mask = (size == 1 ? 0xffu : 0xffffu) << shift;

	if (at < XHCI_OFF_XECP || at > XHCI_OFF_XECP + XECP_LEGACY_CTL) {
		log_guest("%s: %u-byte write at 0x%x dropped", x->dev.name,
			  size, off);
		return;
	}
	reg_write(x, at, (reg_read(x, at) & ~mask) | (v << shift & mask));
}

void xhci_bar_write(struct pci_dev *dev, unsigned bar UNUSED, uint64_t off,
		    unsigned size, uint64_t value)
{
	struct xhci *x = dev->ctx;

	if (x->power)
		return;
	if (size < 4) {
		narrow_write(x, (unsigned)off, size, (uint32_t)value);
		return;
	}
	reg_write(x, (unsigned)off, (uint32_t)value);
	if (size == 8)
		reg_write(x, (unsigned)off + 4, (uint32_t)(value >> 32));
}
