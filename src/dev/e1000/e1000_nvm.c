/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EEPROM and PHY of the e1000 card: both small memories behind a register.
 *
 * The EEPROM is read a word at a time through EERD or bit by bit through EECD
 * (Microwire: chip select, start bit, two bits of operation, six of address,
 * then the word, its highest bit first; the next words follow while the chip
 * stays selected). It is write-protected: other operations are heard and do
 * nothing.
 *
 * The PHY's link is always up at 1000 Mb/s, full duplex, and negotiation is
 * over as soon as it starts.
 */
#include <string.h>

#include "dev/e1000/e1000_internal.h"

#define EECD_WRITABLE                                                     \
	(E1000_EECD_SK | E1000_EECD_CS | E1000_EECD_DI | E1000_EECD_FWE | \
	 E1000_EECD_REQ)
#define COMMAND_BITS (2u + E1000_MICROWIRE_ADDR_BITS)

/* ---- EEPROM ---- */

void e1000_nvm_init(struct e1000 *e)
{
	const struct pci_dev *pci = &e->pci;
	uint16_t sum = 0;
	unsigned i;

	memset(e->eeprom, 0, sizeof(e->eeprom));
	for (i = 0; i < 3; i++)
		e->eeprom[i] =
		    (uint16_t)(e->mac[2 * i] | e->mac[2 * i + 1] << 8);
	e->eeprom[E1000_EEPROM_INIT1] = E1000_EEPROM_INIT1_VALUE;
	e->eeprom[E1000_EEPROM_SUBDEVICE] = pci_cfg16(pci, PCI_SUBSYSTEM_ID);
	e->eeprom[E1000_EEPROM_SUBVENDOR] =
	    pci_cfg16(pci, PCI_SUBSYSTEM_VENDOR_ID);
	e->eeprom[E1000_EEPROM_DEVICE] = pci_cfg16(pci, PCI_DEVICE_ID);
	e->eeprom[E1000_EEPROM_VENDOR] = pci_cfg16(pci, PCI_VENDOR_ID);
	for (i = 0; i < E1000_EEPROM_CHECKSUM; i++)
		sum = (uint16_t)(sum + e->eeprom[i]);
	e->eeprom[E1000_EEPROM_CHECKSUM] = (uint16_t)(E1000_EEPROM_SUM - sum);
}

static uint16_t eeprom_word(const struct e1000 *e, unsigned addr)
{
	return e->eeprom[addr % E1000_EEPROM_WORDS];
}

/* A bit of the start and the command came in. */
static void wire_command(struct e1000 *e, bool in)
{
	struct e1000_wire *wire = &e->wire;

	if (!wire->started) {
		wire->started = in;
		return;
	}
	wire->shift = (uint8_t)(wire->shift << 1 | in);
	if (++wire->bits < COMMAND_BITS)
		return;
	/* Ready, or the 0 that precedes a word. */
	wire->reading =
	    wire->shift >> E1000_MICROWIRE_ADDR_BITS == E1000_MICROWIRE_READ;
	wire->out = !wire->reading;
	wire->bits = wire->reading ? 16 : 0;
	wire->word = eeprom_word(e, wire->shift);
	wire->started = wire->reading;
}

static void wire_clock(struct e1000 *e, bool in)
{
	struct e1000_wire *wire = &e->wire;

	if (!wire->reading) {
		wire_command(e, in);
		return;
	}
	wire->out = wire->word >> 15;
	wire->word = (uint16_t)(wire->word << 1);
	if (--wire->bits == 0) {
		wire->bits = 16;
		wire->word = eeprom_word(e, ++wire->shift);
	}
}

void e1000_eecd_write(struct e1000 *e, uint32_t value)
{
	struct e1000_wire *wire = &e->wire;
	bool clock = value & E1000_EECD_SK;

	e1000_set(e, E1000_EECD, value & EECD_WRITABLE);
	if (!(value & E1000_EECD_CS)) {
		*wire = (struct e1000_wire){.clock = clock, .out = true};
		return;
	}
	if (wire->selected && clock && !wire->clock)
		wire_clock(e, value & E1000_EECD_DI);
	wire->selected = true;
	wire->clock = clock;
}

uint32_t e1000_eecd_read(struct e1000 *e)
{
	uint32_t v = e1000_get(e, E1000_EECD) | E1000_EECD_PRES;

	/* Nobody else wants it: granted as soon as it is requested. */
	if (v & E1000_EECD_REQ)
		v |= E1000_EECD_GNT;
	if (e->wire.out)
		v |= E1000_EECD_DO;
	return v;
}

void e1000_eerd_write(struct e1000 *e, uint32_t value)
{
	unsigned addr = value >> E1000_EERD_ADDR_SHIFT & 0xff;

	if (!(value & E1000_EERD_START))
		return;
	e1000_set(e, E1000_EERD,
		  (uint32_t)eeprom_word(e, addr) << E1000_EERD_DATA_SHIFT |
		      addr << E1000_EERD_ADDR_SHIFT | E1000_EERD_DONE);
}

void e1000_nvm_reset(struct e1000 *e)
{
	e->wire = (struct e1000_wire){.out = true};
	e1000_set(e, E1000_EECD, E1000_EECD_FWE_OFF);
}

/* ---- PHY ---- */

struct phy_reg {
	uint16_t reset, wmask;
};

/* What is not named reads as 0 and cannot be written. */
static const struct phy_reg phy_regs[E1000_PHY_REGS] = {
    /* negotiation on, full duplex, 1000 Mb/s */
    [MII_BMCR] = {0x1140, 0x7dc0},
    /* 10 and 100 Mb/s, extended status, negotiated, link up */
    [MII_BMSR] = {0x796d, 0},
    [MII_PHYID1] = {0x0141, 0},
    [MII_PHYID2] = {0x0c24, 0}, /* M88E1011, revision 4 */
    [MII_ANAR] = {0x0de1, 0xffff},
    /* the partner can do everything but pause */
    [MII_ANLPAR] = {0x41e1, 0},
    [MII_ANER] = {0x0001, 0},
    [MII_1000T_CTRL] = {0x0e00, 0xff00},
    /* we are master, both receivers fine, partner does 1000 Mb/s */
    [MII_1000T_STATUS] = {0x7800, 0},
    [MII_EXT_STATUS] = {0x3000, 0},
    [M88_PHY_CTRL] = {0x0360, 0xffff},
    /* 1000 Mb/s, full duplex, resolved, link up */
    [M88_PHY_STATUS] = {0xac00, 0},
    [M88_INT_ENABLE] = {0x0000, 0xffff},
    [M88_EXT_PHY_CTRL] = {0x0d60, 0xffff},
    [M88_PAGE_SELECT] = {0x0000, 0xffff},
};

void e1000_phy_reset(struct e1000 *e)
{
	unsigned i;

	for (i = 0; i < E1000_PHY_REGS; i++)
		e->phy[i] = phy_regs[i].reset;
}

static void phy_write(struct e1000 *e, unsigned reg, uint16_t value)
{
	uint16_t mask = phy_regs[reg].wmask;

	e->phy[reg] = (uint16_t)((e->phy[reg] & ~mask) | (value & mask));
	if (reg != MII_BMCR)
		return;
	if (value & MII_BMCR_RESET)
		e1000_phy_reset(e);
	if (value & (MII_BMCR_RESET | MII_BMCR_ANRESTART))
		e1000_cause(e, E1000_ICR_LSC);
}

void e1000_mdic_write(struct e1000 *e, uint32_t value)
{
	unsigned reg = value >> E1000_MDIC_REG_SHIFT & (E1000_PHY_REGS - 1);
	unsigned phy = value >> E1000_MDIC_PHY_SHIFT & 0x1f;
	bool read = value & E1000_MDIC_OP_READ;

	if (phy != E1000_PHY_ADDR) {
		value |= E1000_MDIC_E;
	} else if (read) {
		value = (value & 0xffff0000u) | e->phy[reg];
	} else if (value & E1000_MDIC_OP_WRITE) {
		phy_write(e, reg, (uint16_t)value);
	} else {
		value |= E1000_MDIC_E;
	}
	e1000_set(e, E1000_MDIC, value | E1000_MDIC_R);
	if (value & E1000_MDIC_I)
		e1000_cause(e, E1000_ICR_MDAC);
}
