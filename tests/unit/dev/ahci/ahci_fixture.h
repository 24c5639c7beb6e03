/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AHCI controller in a machine of fakes, disks that answer when the test
 * says so, and a small AHCI driver: it finds the registers, gives each port a
 * command list, received-FIS area and tables in guest memory, and issues
 * commands. ahci_fixture.c defines block.h's functions itself, so the real
 * ones are not linked; ahci_driver.c has the driver alone.
 */
#ifndef TESTS_DEV_AHCI_AHCI_FIXTURE_H
#define TESTS_DEV_AHCI_AHCI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ahci_driver.h"
#include "backend/block.h"

#define DISK_BYTES  MIB(1)
#define PENDING_MAX 128u
#define DISKS	    4u

struct block {
	struct block_info info;
	char path[32];
	uint8_t disk[DISK_BYTES];
	struct block_req *pending[PENDING_MAX];
	unsigned count;
	unsigned flushes; /* answered */
	bool no_thread;
};

/* The open disks in the order they were opened. */
extern struct block *disks[DISKS];
/* Requests taken so far, of all disks. */
extern unsigned submissions;

struct fixture {
	struct world w;
	struct driver_hba d;
};

/* -s 4:0,ahci,OPTIONS: created, found, all ports up and interrupts on. */
struct fixture *ahci_build(const char *options);
/* The same without touching the ports. */
struct fixture *ahci_build_cold(const char *options);
int ahci_teardown(void **state);

/* Answers the n-th waiting request of a disk; 0 means: do it. */
void disk_complete(struct block *disk, unsigned n, int result);
void disk_complete_all(void);

/*
 * Issues, lets the back end answer, and looks: PxCI bit gone, PxTFD as given
 * (status and error).
 */
void ahci_run(struct fixture *f, unsigned port, const struct command *c);
void ahci_ok(struct fixture *f, unsigned port, const struct command *c);
void ahci_fails(struct fixture *f, unsigned port, const struct command *c,
		uint8_t error);

#endif
