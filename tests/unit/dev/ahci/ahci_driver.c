/* SPDX-License-Identifier: BSD-2-Clause */
/* A small AHCI driver; see ahci_driver.h. */
#include "ahci_driver.h"

#include <endian.h>
#include <string.h>

#define CFG_BAR5 (PCI_BASE_ADDRESS_0 + 4 * AHCI_ABAR)
#define CFG_MSI	 0x80u

bool hba_probe(struct driver_hba *d, struct world *w)
{
	uint32_t class =
	    world_cfg_read(w, AHCI_ADDR, PCI_CLASS_REVISION, 4) >> 8;

	*d = (struct driver_hba){.w = w};
	if (class != 0x010601)
		return false;
	d->bar = world_cfg_read(w, AHCI_ADDR, CFG_BAR5, 4) & ~0xfu;
	world_cfg_write(w, AHCI_ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return true;
}

void hba_msi_enable(struct driver_hba *d)
{
	world_cfg_write(d->w, AHCI_ADDR, CFG_MSI + PCI_MSI_ADDRESS_LO, 4,
			0xfee00000);
	world_cfg_write(d->w, AHCI_ADDR, CFG_MSI + PCI_MSI_DATA_64, 2, 0x51);
	world_cfg_write(d->w, AHCI_ADDR, CFG_MSI + PCI_MSI_FLAGS, 2,
			PCI_MSI_FLAGS_ENABLE);
	d->msi = true;
}

uint32_t hba_read(struct driver_hba *d, unsigned off)
{
	uint64_t v;

	(void)aspace_read(d->w->mmio, d->bar + off, 4, &v);
	return (uint32_t)v;
}

void hba_write(struct driver_hba *d, unsigned off, uint32_t value)
{
	(void)aspace_write(d->w->mmio, d->bar + off, 4, value);
}

static unsigned port_off(unsigned port, unsigned off)
{
	return AHCI_PORT_BASE + port * AHCI_PORT_STRIDE + off;
}

uint32_t port_read(struct driver_hba *d, unsigned port, unsigned off)
{
	return hba_read(d, port_off(port, off));
}

void port_write(struct driver_hba *d, unsigned port, unsigned off,
		uint32_t value)
{
	hba_write(d, port_off(port, off), value);
}

void port_up(struct driver_hba *d, unsigned port)
{
	port_write(d, port, AHCI_PXCLB, LIST(port));
	port_write(d, port, AHCI_PXFB, RECEIVED(port));
	port_write(d, port, AHCI_PXCMD,
		   port_read(d, port, AHCI_PXCMD) | AHCI_PXCMD_FRE);
	port_write(d, port, AHCI_PXSERR, ~0u);
	port_write(d, port, AHCI_PXIS, ~0u);
	port_write(d, port, AHCI_PXIE, ~0u);
	port_write(d, port, AHCI_PXCMD,
		   port_read(d, port, AHCI_PXCMD) | AHCI_PXCMD_ST);
}

void port_recover(struct driver_hba *d, unsigned port)
{
	port_write(d, port, AHCI_PXCMD,
		   port_read(d, port, AHCI_PXCMD) & ~AHCI_PXCMD_ST);
	port_write(d, port, AHCI_PXSERR, ~0u);
	port_write(d, port, AHCI_PXIS, ~0u);
	hba_write(d, AHCI_IS, BIT(port));
	port_write(d, port, AHCI_PXCMD,
		   port_read(d, port, AHCI_PXCMD) | AHCI_PXCMD_ST);
}

void port_comreset(struct driver_hba *d, unsigned port)
{
	port_write(d, port, AHCI_PXSCTL, AHCI_SCTL_COMRESET);
	port_write(d, port, AHCI_PXSCTL, 0);
}

bool is_ncq(const struct command *c)
{
	return c->command == ATA_READ_FPDMA_QUEUED ||
	       c->command == ATA_WRITE_FPDMA_QUEUED;
}

static unsigned write_prdt(struct driver_hba *d, uint64_t at,
			   const struct command *c)
{
	const struct piece one = {SLOT_DATA(c->slot), c->len};
	const struct piece *p = c->len ? &one : c->pieces;
	unsigned n = c->len ? 1 : c->piece_count, i;
	struct ahci_prd prd;

	for (i = 0; i < n; i++) {
		prd = (struct ahci_prd){
		    .dba = htole32((uint32_t)p[i].addr),
		    .dbau = htole32((uint32_t)(p[i].addr >> 32)),
		    .dbc = htole32(p[i].len - 1),
		};
		mem_put(d->w, at + i * sizeof(prd), &prd, sizeof(prd));
	}
	return n;
}

void command_write(struct driver_hba *d, unsigned port, const struct command *c)
{
	uint64_t table = TABLE(port, c->slot);
	bool ncq = is_ncq(c);
	uint16_t count = ncq ? (uint16_t)(c->slot << 3) : c->count;
	uint16_t features = ncq ? c->count : c->features;
	struct fis_h2d fis = {
	    .type = c->fis_type ? c->fis_type : FIS_REG_H2D,
	    .flags = c->is_control ? 0 : FIS_H2D_C,
	    .command = c->command,
	    .features = (uint8_t)features,
	    .features_exp = (uint8_t)(features >> 8),
	    .device = c->device | ATA_DEVICE_LBA,
	    .count = (uint8_t)count,
	    .count_exp = (uint8_t)(count >> 8),
	    .control = c->control,
	};
	struct ahci_header header = {0};
	unsigned i, prds;

	for (i = 0; i < 3; i++) {
		fis.lba[i] = (uint8_t)(c->lba >> 8 * i);
		fis.lba_exp[i] = (uint8_t)(c->lba >> 8 * (i + 3));
	}
	mem_put(d->w, table, &fis, sizeof(fis));
	if (c->cdb)
		mem_put(d->w, table + AHCI_TABLE_ACMD, c->cdb, ATAPI_CDB_BYTES);
	prds = write_prdt(d, table + AHCI_TABLE_PRDT, c);
	header.flags = htole16((uint16_t)(FIS_H2D_DWORDS | c->flags |
					  (c->write ? AHCI_HEADER_WRITE : 0) |
					  (c->cdb ? AHCI_HEADER_ATAPI : 0)));
	header.prdtl = htole16(c->prdtl ? c->prdtl : (uint16_t)prds);
	header.ctba = htole32((uint32_t)table);
	mem_put(d->w, LIST(port) + c->slot * sizeof(header), &header,
		sizeof(header));
}

void command_issue(struct driver_hba *d, unsigned port, const struct command *c)
{
	command_write(d, port, c);
	if (is_ncq(c))
		port_write(d, port, AHCI_PXSACT, BIT(c->slot));
	port_write(d, port, AHCI_PXCI, BIT(c->slot));
}

uint32_t command_prdbc(struct driver_hba *d, unsigned port, unsigned slot)
{
	return mem_get32(d->w, LIST(port) + slot * sizeof(struct ahci_header) +
				   AHCI_HEADER_PRDBC);
}
