/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-scsi adapter over a block back end that answers when the test says
 * so: vscsi_fixture.c defines block.h's functions itself, so the real ones are
 * not linked. The driver's requests have a slot of guest memory each.
 */
#ifndef TESTS_DEV_VSCSI_FIXTURE_H
#define TESTS_DEV_VSCSI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <linux/virtio_scsi.h>

#include "backend/block.h"
#include "driver.h"
#include "spec/scsi.h"

#define DISK_BYTES  MIB(1)
#define DISKS	    33u
#define PENDING_MAX 256u
#define ADDR	    ((struct pci_addr){0, 4, 0})
#define ALL	    UINT64_MAX
#define CONTROL	    0u
#define EVENT	    1u
#define REQUEST	    2u

/* A slot: header at 0, response at 0x100, data at 0x800 (2 KiB). */
#define SLOT(n)	    (0x100000u + 0x1000u * (n))
#define HEADER(n)   (SLOT(n))
#define RESPONSE(n) (SLOT(n) + 0x100u)
#define DATA(n)	    (SLOT(n) + 0x800u)
#define HEADER_LEN  51u
#define RESP_LEN    108u

struct block {
	struct block_info info;
	char path[64];
	uint8_t disk[DISK_BYTES];
	bool no_thread, closing;
};

struct pending {
	struct block *block;
	struct block_req *req;
};

/* What is open, in the order of opening; requests that wait. */
extern struct block *disks[DISKS];
extern struct pending pending[PENDING_MAX];
extern unsigned pendings;

struct fixture {
	struct world w;
	struct driver d;
};

/* The adapter with the text of -s; vectors on. */
struct fixture *vscsi_build(const char *opts);
int vscsi_teardown(void **state);
/* Every feature, all queues of 64. `queues`: request queues. */
void vscsi_up(struct fixture *f, unsigned queues);
/* As vscsi_up(), and the unit attentions of these targets are taken. */
void vscsi_ready(struct fixture *f, unsigned targets);

/* Answers the n-th waiting request; 0 means: do it. */
void vscsi_complete(unsigned n, int result);
void vscsi_complete_all(void);

/* A command to target/LUN 0; in: bytes wanted, else sent (or neither). */
struct command {
	uint8_t target, cdb[16];
	uint32_t len;
	bool in;
	unsigned queue; /* 0: the first request queue */
};
/* Tag is the slot's number + 1000. */
void vscsi_send(struct fixture *f, unsigned slot, const struct command *c);
/* A TMF; its response byte goes to RESPONSE(slot). */
void vscsi_tmf(struct fixture *f, unsigned slot, uint32_t subtype,
	       uint8_t target, uint64_t tag);

/* The next used element of the queue; false: none. */
bool vscsi_used(struct fixture *f, unsigned queue, uint32_t *ret_len);
struct virtio_scsi_cmd_resp vscsi_response(struct fixture *f, unsigned slot);
/* The response in the slot is OK and this status. */
void vscsi_status(struct fixture *f, unsigned slot, uint8_t status);
bool vscsi_broken(struct fixture *f);

#endif
