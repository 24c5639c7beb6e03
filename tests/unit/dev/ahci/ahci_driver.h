/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small AHCI driver for tests: functions return what they saw and judge
 * nothing.
 */
#ifndef TESTS_DEV_AHCI_AHCI_DRIVER_H
#define TESTS_DEV_AHCI_AHCI_DRIVER_H

#include "driver.h"
#include "spec/ahci.h"
#include "spec/ata.h"

#define AHCI_ADDR ((struct pci_addr){0, 4, 0})
#define AHCI_GSI  (IRQ_PIRQ_FIRST + (4 + 4 + 1 - 1) % IRQ_PIRQS)

/* Guest memory: structures of a port, data of a slot. */
#define PORT_MEM(port)	  (0x10000u + (port)*0x10000u)
#define LIST(port)	  PORT_MEM(port)
#define RECEIVED(port)	  (PORT_MEM(port) + 0x400)
#define TABLE(port, slot) (PORT_MEM(port) + 0x1000 + (slot)*0x400)
#define DATA		  0x200000u
#define SLOT_DATA(slot)	  (DATA + (slot)*0x10000u)
#define PRDS_MAX	  32u

struct driver_hba {
	struct world *w;
	uint64_t bar;
	bool msi;
};

/* One scatter list entry as the guest means it. */
struct piece {
	uint64_t addr;
	uint32_t len;
};

struct command {
	uint8_t command;
	uint16_t features;
	uint64_t lba;
	uint16_t count;
	uint8_t device;
	uint8_t control;
	bool is_control; /* FIS without the C bit */
	bool write;
	const uint8_t *cdb; /* 12 bytes: a packet command */
	unsigned slot;
	uint32_t len; /* one piece of SLOT_DATA(slot); 0: `pieces` */
	const struct piece *pieces;
	unsigned piece_count;
	uint16_t prdtl;	  /* overrides when not 0 */
	uint16_t flags;	  /* more bits of the command header */
	uint8_t fis_type; /* overrides when not 0 */
};

/* False when there is no AHCI controller at AHCI_ADDR. */
bool hba_probe(struct driver_hba *d, struct world *w);
/* Message data 0x51. */
void hba_msi_enable(struct driver_hba *d);

uint32_t hba_read(struct driver_hba *d, unsigned off);
void hba_write(struct driver_hba *d, unsigned off, uint32_t value);
uint32_t port_read(struct driver_hba *d, unsigned port, unsigned off);
void port_write(struct driver_hba *d, unsigned port, unsigned off,
		uint32_t value);

/* Memory for the port, FIS reception and engine on, all interrupts. */
void port_up(struct driver_hba *d, unsigned port);
/* After an error: ST off and on, status and errors cleared (6.2.2.1). */
void port_recover(struct driver_hba *d, unsigned port);
/* PxSCTL.DET 1, then 0. */
void port_comreset(struct driver_hba *d, unsigned port);

bool is_ncq(const struct command *c);
/* Header, FIS and table in memory. */
void command_write(struct driver_hba *d, unsigned port,
		   const struct command *c);
/* The same, then PxSACT for NCQ, then PxCI. */
void command_issue(struct driver_hba *d, unsigned port,
		   const struct command *c);
/* Bytes transferred, as the command header says. */
uint32_t command_prdbc(struct driver_hba *d, unsigned port, unsigned slot);

#endif
