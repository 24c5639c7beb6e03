/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One AHCI port: its registers (AHCI 1.3.1, 3.3), start and stop of the
 * command engine, link and resets (10.1, 10.3, 10.4).
 *
 * Theory of operation. The engine is on while PxCMD.ST is set; command.c then
 * takes slots from PxCI. Whatever ends commands from outside - ST cleared,
 * COMRESET, an HBA reset - abandons them: nothing is reported for them any
 * more. Requests the back end already has cannot be called back, and they move
 * data to and from the guest's memory. So the port is `draining` until the last
 * one is back, and what the guest waits for says so: PxCMD.CR stays 1 after ST
 * was cleared, PxTFD.STS.BSY after COMRESET, GHC.HR after an HBA reset.
 */
#include "dev/ahci/ahci_internal.h"

#include "base/log.h"

#define TFD_RESET  0x7fu /* 3.3.8 */
#define SPEED_GEN3 3u

#define IS_ERRORS                                                           \
	(AHCI_PXIS_TFES | AHCI_PXIS_HBFS | AHCI_PXIS_HBDS | AHCI_PXIS_IFS | \
	 AHCI_PXIS_INFS | AHCI_PXIS_OFS)
#define IS_LATCHED                                                         \
	(AHCI_PXIS_DHRS | AHCI_PXIS_PSS | AHCI_PXIS_DSS | AHCI_PXIS_SDBS | \
	 AHCI_PXIS_DPS | IS_ERRORS)
#define IE_BITS (IS_LATCHED | AHCI_PXIS_UFS | AHCI_PXIS_PCS | AHCI_PXIS_PRCS)
#define CMD_RW                                                                \
	(AHCI_PXCMD_ST | AHCI_PXCMD_CLO | AHCI_PXCMD_FRE | AHCI_PXCMD_ATAPI | \
	 AHCI_PXCMD_DLAE)
#define CMD_RESET (AHCI_PXCMD_SUD | AHCI_PXCMD_POD)
/* The defined bits of the error and diagnostics halves (3.3.12). */
#define SERR_BITS 0x07ff0f03u

/* PxCI and PxSACT are set by writing ones; see port_reg_write(). */
static const struct ahci_reg regs[] = {
    {.off = AHCI_PXCLB, .name = "PxCLB", .rw = ~0x3ffu, .keep = true},
    {.off = AHCI_PXCLBU, .name = "PxCLBU", .rw = ~0u, .keep = true},
    {.off = AHCI_PXFB, .name = "PxFB", .rw = ~0xffu, .keep = true},
    {.off = AHCI_PXFBU, .name = "PxFBU", .rw = ~0u, .keep = true},
    {.off = AHCI_PXIS, .name = "PxIS", .w1c = IS_LATCHED},
    {.off = AHCI_PXIE, .name = "PxIE", .rw = IE_BITS},
    {.off = AHCI_PXCMD, .name = "PxCMD", .rw = CMD_RW, .reset = CMD_RESET},
    {.off = AHCI_PXTFD, .name = "PxTFD", .reset = TFD_RESET},
    {.off = AHCI_PXSIG, .name = "PxSIG", .reset = AHCI_SIG_NONE},
    {.off = AHCI_PXSSTS, .name = "PxSSTS"},
    {.off = AHCI_PXSCTL, .name = "PxSCTL", .rw = AHCI_SCTL_BITS},
    {.off = AHCI_PXSERR, .name = "PxSERR", .w1c = SERR_BITS},
    {.off = AHCI_PXSACT, .name = "PxSACT"},
    {.off = AHCI_PXCI, .name = "PxCI"},
    {.off = AHCI_PXSNTF, .name = "PxSNTF"},
    {.off = AHCI_PXFBS, .name = "PxFBS"},
    {.off = AHCI_PXDEVS, .name = "PxDEVSLP"},
};

static const struct ahci_reg *find_reg(unsigned off)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(regs); i++)
		if (regs[i].off == off)
			return &regs[i];
	return NULL;
}

static uint32_t *reg_word(struct ahci_port *port, unsigned off)
{
	return (uint32_t *)(void *)((uint8_t *)&port->r + off);
}

const char *port_reg_name(unsigned off)
{
	const struct ahci_reg *reg = find_reg(off);

	return reg ? reg->name : NULL;
}

/* ---- interrupts and errors ---- */

uint32_t port_status(const struct ahci_port *port)
{
	uint32_t is = port->r.is;

	if (port->r.serr & AHCI_SERR_X)
		is |= AHCI_PXIS_PCS;
	if (port->r.serr & AHCI_SERR_N)
		is |= AHCI_PXIS_PRCS;
	return is;
}

void port_raise(struct ahci_port *port, uint32_t bits)
{
	port->r.is |= bits;
	hba_irq(port);
}

void port_fatal(struct ahci_port *port, uint32_t bits, const char *why)
{
	log_guest("%s port %u: the guest's driver broke the protocol: %s;"
		  " stopped until it restarts the port",
		  port->hba->pci.name, port->number, why);
	port->halted = true;
	port_raise(port, bits);
}

/* ---- start, stop, resets ---- */

void port_abandon(struct ahci_port *port)
{
	port->r.ci = 0;
	port->r.sact = 0;
	port->ccs = 0;
	port->next_slot = 0;
	port->working = 0;
	port->busy = false;
	port->halted = false;
	port->draining = port->inflight > 0;
}

/* The drive ends what it was doing, nobody listens. */
static void drive_idle(struct ahci_port *port)
{
	if (!port->link_down && !port->reset_due && !port->srst &&
	    (port->r.tfd & ATA_STATUS_BSY))
		port->r.tfd = STATUS_OK;
}

/* PxCMD.ST was cleared (10.3.2). */
static void port_stop(struct ahci_port *port)
{
	port_abandon(port);
	if (!port->draining)
		drive_idle(port);
}

void port_drive_reset(struct ahci_port *port)
{
	port->srst = false;
	if (port->kind == DRIVE_CD)
		atapi_reset(port);
	else
		ata_reset(port);
}

/* The Phys see each other; the drive reports when it is ready. */
static void link_up(struct ahci_port *port)
{
	uint32_t limit = port->r.sctl >> AHCI_SPD_SHIFT & 0xf;
	uint32_t speed = SPEED_GEN3;

	if (limit && limit < speed)
		speed = limit;
	port->link_down = false;
	port->r.ssts =
	    AHCI_SSTS_PRESENT | speed << AHCI_SPD_SHIFT | AHCI_SSTS_ACTIVE;
	port->r.serr |= AHCI_SERR_X | AHCI_SERR_N;
	port->r.tfd = ATA_STATUS_BSY;
	port->r.sig = AHCI_SIG_NONE;
	port->reset_due = true;
	if (!port->draining)
		port_drained(port);
	hba_irq(port);
}

static void link_down(struct ahci_port *port, uint32_t det)
{
	port_abandon(port);
	port->link_down = true;
	port->reset_due = false;
	port->r.ssts = det == AHCI_SCTL_OFFLINE ? AHCI_SSTS_OFFLINE : 0;
	port->r.tfd = TFD_RESET;
	port->r.sig = AHCI_SIG_NONE;
}

void port_drained(struct ahci_port *port)
{
	port->draining = false;
	if (port->hba->resetting) {
		hba_drained(port->hba);
		return;
	}
	if (port->reset_due) {
		port->reset_due = false;
		port_drive_reset(port);
		port_signature(port);
	} else {
		drive_idle(port);
	}
	port_run(port);
}

void port_power_on(struct ahci_port *port)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(regs); i++)
		if (!regs[i].keep)
			*reg_word(port, regs[i].off) = regs[i].reset;
	link_up(port);
}

/* ---- registers ---- */

static uint32_t cmd_read(const struct ahci_port *port)
{
	uint32_t cmd = port->r.cmd;

	cmd |= (uint32_t)port->ccs << AHCI_PXCMD_CCS_SHIFT;
	if (cmd & AHCI_PXCMD_FRE)
		cmd |= AHCI_PXCMD_FR;
	/* Once there was a COMRESET, BSY says that requests are out. */
	if ((cmd & AHCI_PXCMD_ST) ||
	    (port->draining && !port->reset_due && !port->link_down))
		cmd |= AHCI_PXCMD_CR;
	return cmd;
}

uint32_t port_reg_read(struct ahci_port *port, unsigned off)
{
	switch (off) {
	case AHCI_PXIS:
		return port_status(port);
	case AHCI_PXCMD:
		return cmd_read(port);
	default:
		return find_reg(off) ? *reg_word(port, off) : 0;
	}
}

static void cmd_written(struct ahci_port *port, uint32_t old)
{
	bool was_on = old & AHCI_PXCMD_ST, on = port->r.cmd & AHCI_PXCMD_ST;

	if ((port->r.cmd & AHCI_PXCMD_CLO) && !was_on)
		port->r.tfd &= ~(ATA_STATUS_BSY | ATA_STATUS_DRQ);
	port->r.cmd &= ~AHCI_PXCMD_CLO;
	if (was_on && !on)
		port_stop(port);
}

static void sctl_written(struct ahci_port *port)
{
	uint32_t det = port->r.sctl & AHCI_DET_MASK;

	if (det == AHCI_SCTL_COMRESET || det == AHCI_SCTL_OFFLINE)
		link_down(port, det);
	else if (det == 0 && port->link_down)
		link_up(port);
}

void port_reg_write(struct ahci_port *port, unsigned off, uint32_t value,
		    uint32_t lanes)
{
	const struct ahci_reg *reg = find_reg(off);
	uint32_t old;

	if (!reg)
		return;
	old = *reg_word(port, off);
	*reg_word(port, off) = reg_apply(reg, old, value, lanes);
	switch (off) {
	case AHCI_PXIE:
	case AHCI_PXSERR:
		hba_irq(port);
		break;
	case AHCI_PXCMD:
		cmd_written(port, old);
		break;
	case AHCI_PXSCTL:
		sctl_written(port);
		break;
	case AHCI_PXSACT:
		if (port->r.cmd & AHCI_PXCMD_ST)
			port->r.sact |= value & lanes;
		break;
	case AHCI_PXCI:
		if (port->r.cmd & AHCI_PXCMD_ST)
			port->r.ci |= value & lanes;
		port_run(port);
		break;
	default:
		break;
	}
}
