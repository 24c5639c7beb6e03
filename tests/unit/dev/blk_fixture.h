/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-blk device over a block back end that answers when the test says
 * so: blk_fixture.c defines block.h's functions itself, so the real ones are
 * not linked.
 */
#ifndef TESTS_DEV_BLK_FIXTURE_H
#define TESTS_DEV_BLK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "backend/block.h"
#include "driver.h"

#define DISK_BYTES  MIB(1)
#define PENDING_MAX 256u
#define ADDR	    ((struct pci_addr){0, 4, 0})
#define HEADER	    0x100000u
#define DATA	    0x110000u
#define STATUS	    0x10f000u
#define ALL	    UINT64_MAX

struct block {
	struct block_info info;
	uint8_t disk[DISK_BYTES];
	struct block_req *pending[PENDING_MAX];
	unsigned count;
	bool no_thread;
};

/* The one open disk; the device gives the test no other way to it. */
extern struct block *the_block;

struct fixture {
	struct world w;
	struct driver d;
};

/* The device with these options, found and its vectors on. */
struct fixture *blk_build(const char *options);
int blk_teardown(void **state);

/* Answers the n-th waiting request; 0 means: do it. */
void blk_complete(unsigned n, int result);
void blk_complete_all(void);

void blk_up(struct fixture *f); /* all features, one queue */
bool blk_broken(struct fixture *f);
void blk_put_header(struct fixture *f, uint64_t at, uint32_t type,
		    uint64_t sector);
uint8_t blk_status(struct fixture *f, uint64_t at);
/* Header, data and status in a descriptor each; slot keeps requests apart. */
void blk_send_slot(struct fixture *f, unsigned slot, uint32_t type,
		   uint64_t sector, uint32_t len);
void blk_send(struct fixture *f, uint32_t type, uint64_t sector, uint32_t len);
/* The next used element has this length, and slot 0 this status. */
void blk_answered(struct fixture *f, uint8_t status, uint32_t len);
bool blk_unanswered(struct fixture *f);

#endif
