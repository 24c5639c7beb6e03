/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller over a block back end that answers when the test says so:
 * nvme_fixture.c defines block.h's functions itself, so the real ones are not
 * linked.
 */
#ifndef TESTS_DEV_NVME_FIXTURE_H
#define TESTS_DEV_NVME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "backend/block.h"
#include "dev/nvme/nvme_model.h"
#include "nvme_driver.h"

#define DISK_BYTES  MIB(1)
#define PENDING_MAX 256u
#define DNR	    NVME_SC_DNR

struct block {
	struct block_info info;
	uint8_t disk[DISK_BYTES];
	struct block_req *pending[PENDING_MAX];
	unsigned count;
	bool no_thread;
	bool memory; /* made by block_open_memory() */
};

/* The one open disk; the device gives the test no other way to it. */
extern struct block *the_block;

/*
 * The controller with these options. The fake back end knows ro, sync,
 * nodelete and sectorsize; nocache makes the disk 4 GiB (of which 1 MiB is
 * there).
 */
struct drv *nvme_build(const char *options);
int nvme_teardown(void **state);
/* The same, enabled, with one I/O queue pair of 64. */
struct drv *nvme_build_up(const char *options);
void nvme_up(struct drv *d);

/* Answers the n-th waiting request; 0 means: do it. */
void nvme_complete(unsigned n, int result);
void nvme_complete_all(void);

/* Fails the test unless the next entry of queue q has this status. */
void nvme_answered(struct drv *d, unsigned q, uint16_t status);
void nvme_unanswered(struct drv *d, unsigned q);
/* Submits to I/O queue 1, completes at once, expects the status. */
void nvme_expect(struct drv *d, struct nvme_command cmd, uint16_t status);

void nvme_pattern(uint8_t *buf, size_t len, unsigned seed);

#endif
