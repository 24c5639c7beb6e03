/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of the e1000 card: one sorted table says where each lies, which
 * bits a driver can change, what it holds after reset and which function is
 * called when it is read or written. An address outside the table reads as 0.
 */
#include <string.h>

#include "base/log.h"
#include "dev/e1000/e1000_internal.h"
#include "dev/e1000/e1000_model.h"

#define ALL UINT32_MAX

struct reg {
	uint32_t off;
	uint32_t count; /* registers, 4 bytes each */
	const char *name;
	uint32_t wmask, reset;
	/* After wmask was applied; `value` is what the driver wrote. */
	void (*write)(struct e1000 *e, uint32_t off, uint32_t value);
	uint32_t (*read)(struct e1000 *e, uint32_t off);
};

/* ---- general ---- */

static void ctrl_write(struct e1000 *e, uint32_t off, uint32_t value)
{
	uint32_t kept = value & ~(E1000_CTRL_RST | E1000_CTRL_PHY_RST);
	bool up = value & ~e1000_get(e, off) & E1000_CTRL_SLU;

	if (value & E1000_CTRL_RST) {
		e1000_reset(e);
		return;
	}
	e1000_set(e, off, kept);
	if (value & E1000_CTRL_PHY_RST)
		e1000_phy_reset(e);
	/* The link is there as soon as it is wanted. */
	if (up || (value & E1000_CTRL_PHY_RST))
		e1000_cause(e, E1000_ICR_LSC);
}

/* What the card reads from its EEPROM: the address. */
static void load_address(struct e1000 *e)
{
	e1000_set(e, E1000_RA, e->eeprom[0] | (uint32_t)e->eeprom[1] << 16);
	e1000_set(e, E1000_RA + 4, e->eeprom[2] | E1000_RAH_AV);
}

static void ctrl_ext_write(struct e1000 *e, uint32_t off, uint32_t value)
{
	if (!(value & E1000_CTRL_EXT_EE_RST))
		return;
	e1000_set(e, off, value & ~E1000_CTRL_EXT_EE_RST);
	e1000_nvm_reset(e);
	load_address(e);
}

static void eecd_write(struct e1000 *e, uint32_t off UNUSED, uint32_t value)
{
	e1000_eecd_write(e, value);
}

static uint32_t eecd_read(struct e1000 *e, uint32_t off UNUSED)
{
	return e1000_eecd_read(e);
}

static void eerd_write(struct e1000 *e, uint32_t off UNUSED, uint32_t value)
{
	e1000_eerd_write(e, value);
}

static void mdic_write(struct e1000 *e, uint32_t off UNUSED, uint32_t value)
{
	e1000_mdic_write(e, value);
}

/* ---- interrupts ---- */

static uint32_t icr_read(struct e1000 *e, uint32_t off)
{
	uint32_t v = e1000_get(e, off);

	e1000_set(e, off, 0);
	e1000_irq_update(e);
	return v;
}

static void icr_write(struct e1000 *e, uint32_t off, uint32_t value)
{
	e1000_set(e, off, e1000_get(e, off) & ~value);
	e1000_irq_update(e);
}

static void ics_write(struct e1000 *e, uint32_t off UNUSED, uint32_t value)
{
	e1000_cause(e, value & E1000_ICR_ALL);
}

static void ims_write(struct e1000 *e, uint32_t off, uint32_t value)
{
	e1000_set(e, off, e1000_get(e, off) | (value & E1000_ICR_ALL));
	e1000_irq_update(e);
}

static void imc_write(struct e1000 *e, uint32_t off UNUSED, uint32_t value)
{
	e1000_set(e, E1000_IMS, e1000_get(e, E1000_IMS) & ~value);
	e1000_irq_update(e);
}

static void itr_write(struct e1000 *e, uint32_t off UNUSED,
		      uint32_t value UNUSED)
{
	/* A shorter interval holds from now on: what waits may be due. */
	e1000_irq_update(e);
}

/* ---- receive and transmit ---- */

static void rctl_write(struct e1000 *e, uint32_t off UNUSED,
		       uint32_t value UNUSED)
{
	e1000_rx_sync(e);
}

static void rdt_write(struct e1000 *e, uint32_t off UNUSED,
		      uint32_t value UNUSED)
{
	e1000_rx_refilled(e);
}

static void rdtr_write(struct e1000 *e, uint32_t off UNUSED, uint32_t value)
{
	if (value & E1000_RDTR_FPD)
		e1000_irq_flush_rx(e);
}

static void tx_write(struct e1000 *e, uint32_t off UNUSED,
		     uint32_t value UNUSED)
{
	e1000_tx_run(e);
}

static void tdh_write(struct e1000 *e, uint32_t off UNUSED,
		      uint32_t value UNUSED)
{
	e1000_tx_forget(e);
}

static void ra_write(struct e1000 *e, uint32_t off, uint32_t value UNUSED)
{
	/* The high halves have 18 bits and the valid bit. */
	if ((off - E1000_RA) & 4)
		e1000_set(e, off, e1000_get(e, off) & 0x8003ffffu);
}

/* ---- statistics ---- */

static bool is_wide(uint32_t off)
{
	return (off >= E1000_GORCL && off < E1000_GOTCL + 8) ||
	       (off >= E1000_TORL && off < E1000_TOTL + 8);
}

static uint32_t stat_read(struct e1000 *e, uint32_t off)
{
	uint32_t v = e1000_get(e, off);
	bool high = is_wide(off) && (off & 4);

	/* Both halves are cleared by reading the upper one. */
	if (!is_wide(off) || high)
		e1000_set(e, off, 0);
	if (high)
		e1000_set(e, off - 4, 0);
	return v;
}

void e1000_count(struct e1000 *e, uint32_t off)
{
	uint32_t v = e1000_get(e, off);

	if (v != UINT32_MAX)
		e1000_set(e, off, v + 1);
}

void e1000_count_bytes(struct e1000 *e, uint32_t off, uint32_t bytes)
{
	uint64_t v = e1000_get(e, off) | (uint64_t)e1000_get(e, off + 4) << 32;

	if (__builtin_add_overflow(v, (uint64_t)bytes, &v))
		v = UINT64_MAX;
	e1000_set(e, off, (uint32_t)v);
	e1000_set(e, off + 4, (uint32_t)(v >> 32));
}

void e1000_count_size(struct e1000 *e, uint32_t first, uint32_t bytes)
{
	static const uint16_t limit[] = {64, 127, 255, 511, 1023};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(limit) && bytes > limit[i]; i++)
		;
	e1000_count(e, first + 4 * i);
}

/* ---- the table ---- */

#define R1(reg, wmask, reset)                                  \
	{                                                      \
		E1000_##reg, 1, #reg, wmask, reset, NULL, NULL \
	}
#define RW(reg, wmask, reset, on_write)                            \
	{                                                          \
		E1000_##reg, 1, #reg, wmask, reset, on_write, NULL \
	}

static const struct reg regs[] = {
    {E1000_CTRL, 1, "CTRL", 0,
     E1000_CTRL_FD | E1000_CTRL_SLU | E1000_CTRL_SPD_1000, ctrl_write, NULL},
    R1(STATUS, 0,
       E1000_STATUS_FD | E1000_STATUS_LU | E1000_STATUS_SPD_1000 |
	   E1000_STATUS_ASDV_1000),
    {E1000_EECD, 1, "EECD", 0, E1000_EECD_FWE_OFF, eecd_write, eecd_read},
    RW(EERD, 0, 0, eerd_write),
    RW(CTRL_EXT, ALL, 0, ctrl_ext_write),
    R1(FLA, 0, 0),
    RW(MDIC, 0, E1000_MDIC_R, mdic_write),
    R1(FCAL, ALL, 0),
    R1(FCAH, 0xffff, 0),
    R1(FCT, 0xffff, 0),
    R1(VET, 0xffff, 0x8100),
    {E1000_ICR, 1, "ICR", 0, 0, icr_write, icr_read},
    RW(ITR, 0xffff, 0, itr_write),
    RW(ICS, 0, 0, ics_write),
    RW(IMS, 0, 0, ims_write),
    RW(IMC, 0, 0, imc_write),
    RW(RCTL, 0x07ffffff, 0, rctl_write),
    R1(FCTTV, 0xffff, 0),
    R1(TXCW, 0xc000ffff, 0),
    R1(RXCW, 0, 0),
    RW(TCTL, 0x01fffffe, 0, tx_write),
    R1(TIPG, 0x3fffffff, 0x00602008),
    R1(AIFS, 0xffff, 0),
    R1(LEDCTL, ALL, 0x07068302),
    R1(PBA, 0xffff, 0x00100030), /* 48 KiB receive, 16 transmit */
    R1(FCRTL, 0x8000fff8, 0),
    R1(FCRTH, 0xfff8, 0),
    R1(RDFH, 0x1fff, 0),
    R1(RDFT, 0x1fff, 0),
    R1(RDFHS, 0x1fff, 0),
    R1(RDFTS, 0x1fff, 0),
    R1(RDFPC, 0x1fff, 0),
    R1(RDBAL, 0xfffffff0, 0),
    R1(RDBAH, ALL, 0),
    R1(RDLEN, 0x000fff80, 0),
    R1(RDH, 0xffff, 0),
    RW(RDT, 0xffff, 0, rdt_write),
    RW(RDTR, 0xffff, 0, rdtr_write),
    R1(RXDCTL, 0x013f3f3f, 0x01000000),
    R1(RADV, 0xffff, 0),
    R1(RSRPD, 0x0fff, 0),
    R1(TXDMAC, 0x1, 0x1),
    R1(TDFH, 0x1fff, 0),
    R1(TDFT, 0x1fff, 0),
    R1(TDFHS, 0x1fff, 0),
    R1(TDFTS, 0x1fff, 0),
    R1(TDFPC, 0x1fff, 0),
    R1(TDBAL, 0xfffffff0, 0),
    R1(TDBAH, ALL, 0),
    R1(TDLEN, 0x000fff80, 0),
    RW(TDH, 0xffff, 0, tdh_write),
    RW(TDT, 0xffff, 0, tx_write),
    R1(TIDV, 0xffff, 0),
    R1(TXDCTL, 0xff3f3f3f, 0),
    R1(TADV, 0xffff, 0),
    R1(TSPMT, ALL, 0x01000400),
    {E1000_STATS, E1000_STATS_COUNT, "STATS", 0, 0, NULL, stat_read},
    R1(RXCSUM, 0x07ff, 0),
    {E1000_MTA, E1000_MTA_COUNT, "MTA", ALL, 0, NULL, NULL},
    {E1000_RA, 2 * E1000_RA_COUNT, "RA", ALL, 0, ra_write, NULL},
    {E1000_VFTA, E1000_VFTA_COUNT, "VFTA", ALL, 0, NULL, NULL},
    R1(WUC, 0xf, 0),
    R1(WUFC, 0x000fffff, 0),
    R1(WUS, 0, 0),
    R1(MANC, ALL, 0),
    R1(IPAV, 0x0001000f, 0),
    {E1000_IP4AT, 8, "IP4AT", ALL, 0, NULL, NULL},
    {E1000_IP6AT, 4, "IP6AT", ALL, 0, NULL, NULL},
    R1(WUPL, 0xfff, 0),
};

static const struct reg *reg_find(uint32_t off)
{
	size_t low = 0, high = ARRAY_LEN(regs);

	/* The last one that starts at or before `off`. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (regs[mid].off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || off - regs[low - 1].off >= 4 * regs[low - 1].count)
		return NULL;
	return &regs[low - 1];
}

const char *e1000_reg_name(uint32_t off)
{
	const struct reg *reg = reg_find(off & ~3u);

	return reg ? reg->name : NULL;
}

uint32_t e1000_reg_read(struct e1000 *e, uint32_t off)
{
	const struct reg *reg = reg_find(off);

	if (!reg)
		return 0;
	return reg->read ? reg->read(e, off) : e1000_get(e, off);
}

void e1000_reg_write(struct e1000 *e, uint32_t off, uint32_t value)
{
	const struct reg *reg = reg_find(off);

	if (!reg)
		return;
	e1000_set(e, off,
		  (e1000_get(e, off) & ~reg->wmask) | (value & reg->wmask));
	if (reg->write)
		reg->write(e, off, value);
}

void e1000_regs_reset(struct e1000 *e)
{
	unsigned i;

	memset(e->reg, 0, sizeof(e->reg));
	for (i = 0; i < ARRAY_LEN(regs); i++)
		e1000_set(e, regs[i].off, regs[i].reset);
	load_address(e);
}
