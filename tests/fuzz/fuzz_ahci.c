/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the AHCI controller with a hostile driver: the input is a script of
 * register accesses, commands and changes to guest memory. The back end is a
 * part of this file: it touches the ends of every piece it was handed, so that
 * the sanitizer sees a wrong one, aborts when a request breaks the contract,
 * and answers when the script says so. Where a register tells the guest that
 * its memory is its own again, nothing may be in flight.
 */
#include <endian.h>
#include <string.h>

#include "backend/block.h"
#include "base/log.h"
#include "dev/ahci/ahci_models.h"
#include "driver.h"
#include "feed.h"
#include "spec/ahci.h"
#include "spec/ata.h"

#define ADDR	    ((struct pci_addr){0, 4, 0})
#define DISKS	    3u
#define PORTS	    4u /* the last one is not there */
#define DISK_BYTES  MIB(1)
#define OPS_MAX	    2000u
#define PRDS	    6u
#define LIST(port)  (0x10000u + (port)*0x1000u)
#define TABLE(slot) (0x20000u + (slot)*0x400u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct block {
	struct block_info info;
	struct block_req *pending[AHCI_SLOTS];
	unsigned count;
};

const char *const block_options[] = {"path", "ro", NULL};

static struct block disks[DISKS];
static unsigned opened;

/* ---- back end ---- */

/* In the order of the ports: a disk, one with 4 KiB sectors, a CD. */
int block_open(struct cfg *node, struct err *err UNUSED,
	       struct block **ret_block)
{
	struct block *block = &disks[opened++];

	*block = (struct block){
	    .info = {.size = DISK_BYTES,
		     .logical_sector = opened == 2 ? 4096 : 512,
		     .physical_sector = 4096,
		     .read_only = cfg_raw(node, "ro") != NULL,
		     .can_discard = !cfg_raw(node, "ro"),
		     .write_cache = opened == 1},
	};
	*ret_block = block;
	return 0;
}

void block_use_loop(struct block *block UNUSED, struct evloop *loop UNUSED)
{
}

struct block_info block_info(const struct block *block)
{
	return block->info;
}

static void check(const struct block *block, const struct block_req *req)
{
	uint64_t sum = 0;
	unsigned i;

	if (req->iovcnt > BLOCK_IOV_MAX ||
	    !range_inside(req->offset, req->len, 0, DISK_BYTES) ||
	    (req->offset | req->len) % block->info.logical_sector ||
	    (block->info.read_only && req->op != BLOCK_READ))
		abort();
	for (i = 0; i < req->iovcnt; i++)
		sum += req->iov[i].iov_len;
	if ((req->op == BLOCK_READ || req->op == BLOCK_WRITE) &&
	    (sum != req->len || !sum))
		abort();
}

int block_submit(struct block *block, struct block_req *req)
{
	if (block->count == AHCI_SLOTS)
		abort(); /* more than there are slots */
	check(block, req);
	block->pending[block->count++] = req;
	return 0;
}

static void touch(const struct block_req *req)
{
	unsigned i;

	for (i = 0; i < req->iovcnt; i++) {
		volatile uint8_t *p = req->iov[i].iov_base;
		size_t last = req->iov[i].iov_len - 1;

		if (req->op == BLOCK_READ)
			p[0] = p[last] = 0x11;
		else
			(void)(p[0] + p[last]);
	}
}

static void complete(struct block *block, uint8_t arg)
{
	struct block_req *req;
	unsigned n;

	if (!block->count)
		return;
	n = arg % block->count;
	req = block->pending[n];
	block->pending[n] = block->pending[--block->count];
	if (arg < 240)
		touch(req);
	req->done(req, arg < 240 ? 0 : -EIO);
}

void block_drain(struct block *block)
{
	while (block->count)
		complete(block, 0);
}

void block_close(struct block *block)
{
	if (block)
		block_drain(block);
}

/* ---- the driver ---- */

struct script {
	struct world w;
	struct feed in;
	uint64_t bar;
};

static uint32_t reg_read(struct script *s, unsigned off)
{
	uint64_t v;

	(void)aspace_read(s->w.mmio, s->bar + off, 4, &v);
	return (uint32_t)v;
}

static void reg_write(struct script *s, unsigned off, uint32_t v)
{
	(void)aspace_write(s->w.mmio, s->bar + off, 4, v);
}

static unsigned px(unsigned port, unsigned off)
{
	return AHCI_PORT_BASE + port * AHCI_PORT_STRIDE + off;
}

/* Mostly RAM, sometimes its end, sometimes wild. */
static uint64_t take_addr(struct script *s)
{
	uint8_t kind = feed_u8(&s->in);

	if (kind < 200)
		return (uint64_t)feed_u16(&s->in) << 6;
	if (kind < 220)
		return WORLD_RAM_END - feed_u16(&s->in);
	if (kind < 235)
		return WORLD_RAM - feed_u8(&s->in);
	return (uint64_t)feed_u32(&s->in) << 32 | feed_u32(&s->in);
}

static uint32_t take_len(struct script *s)
{
	uint8_t kind = feed_u8(&s->in);

	if (kind < 128)
		return (uint32_t)kind * 512;
	return kind < 240 ? feed_u16(&s->in) : feed_u32(&s->in);
}

static void op_register(struct script *s)
{
	unsigned size = 1u << (feed_u8(&s->in) & 3);
	uint64_t at = s->bar + (feed_u16(&s->in) & 0x3ff), v;

	if (feed_u8(&s->in) & 1)
		(void)aspace_read(s->w.mmio, at, size, &v);
	else
		(void)aspace_write(s->w.mmio, at, size, feed_u32(&s->in));
}

static void op_memory(struct script *s)
{
	uint64_t at = 0x10000 + ((uint64_t)feed_u16(&s->in) << 2);
	uint8_t bytes[64];
	size_t len = MIN((size_t)(feed_u8(&s->in) & 63), s->in.len);

	memcpy(bytes, s->in.data, len);
	s->in.data += len;
	s->in.len -= len;
	mem_put(&s->w, at, bytes, len);
}

static void op_cfg(struct script *s)
{
	unsigned size = 1u << (feed_u8(&s->in) % 3);
	unsigned off = feed_u8(&s->in) & ~(size - 1);

	/* A BAR that moved would only end the script. */
	if (off >= PCI_BASE_ADDRESS_0 && off < PCI_CARDBUS_CIS)
		return;
	world_cfg_write(&s->w, ADDR, off, size, feed_u32(&s->in));
}

static void op_up(struct script *s)
{
	unsigned port = feed_u8(&s->in) % PORTS;

	world_cfg_write(&s->w, ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	reg_write(s, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	reg_write(s, px(port, AHCI_PXCLB), LIST(port));
	reg_write(s, px(port, AHCI_PXCLBU), 0);
	reg_write(s, px(port, AHCI_PXFB), LIST(port) + 0x400);
	reg_write(s, px(port, AHCI_PXFBU), 0);
	reg_write(s, px(port, AHCI_PXIE), ~0u);
	reg_write(s, px(port, AHCI_PXCMD), AHCI_PXCMD_FRE);
	reg_write(s, px(port, AHCI_PXIS), ~0u);
	reg_write(s, AHCI_IS, ~0u);
	reg_write(s, px(port, AHCI_PXCMD), AHCI_PXCMD_FRE | AHCI_PXCMD_ST);
}

static void put_prds(struct script *s, uint64_t at, unsigned n)
{
	struct ahci_prd prd = {0};
	uint64_t addr;
	unsigned i;

	for (i = 0; i < n; i++) {
		addr = take_addr(s);
		prd.dba = htole32((uint32_t)addr);
		prd.dbau = htole32((uint32_t)(addr >> 32));
		prd.dbc = htole32(take_len(s) - 1);
		mem_put(&s->w, at + i * sizeof(prd), &prd, sizeof(prd));
	}
}

/* A command as a driver writes it, with the fields the script says. */
static void op_command(struct script *s, bool packet)
{
	unsigned port = feed_u8(&s->in) % PORTS;
	unsigned slot = feed_u8(&s->in) % AHCI_SLOTS, i;
	struct fis_h2d fis = {.type = FIS_REG_H2D, .flags = FIS_H2D_C};
	struct ahci_header header = {0};
	uint8_t cdb[16], n;

	fis.command = packet ? ATA_PACKET : feed_u8(&s->in);
	fis.features = feed_u8(&s->in);
	fis.lba[0] = feed_u8(&s->in);
	fis.lba[1] = feed_u8(&s->in);
	fis.lba[2] = feed_u8(&s->in);
	fis.count = feed_u8(&s->in);
	fis.device = feed_u8(&s->in);
	n = feed_u8(&s->in);
	if (n & 0x80) /* else a queued command with its own tag */
		fis.count_exp = feed_u8(&s->in);
	else if ((fis.command & 0xfe) == ATA_READ_FPDMA_QUEUED)
		fis.count = (uint8_t)(slot << 3);
	if (packet) {
		for (i = 0; i < sizeof(cdb); i++)
			cdb[i] = feed_u8(&s->in);
		mem_put(&s->w, TABLE(slot) + AHCI_TABLE_ACMD, cdb, sizeof(cdb));
	}
	mem_put(&s->w, TABLE(slot), &fis, sizeof(fis));
	put_prds(s, TABLE(slot) + AHCI_TABLE_PRDT, n % PRDS);
	header.flags =
	    htole16(FIS_H2D_DWORDS | (packet ? AHCI_HEADER_ATAPI : 0));
	header.prdtl = htole16((n & 0x40) ? feed_u16(&s->in) : n % PRDS);
	header.ctba = htole32((uint32_t)TABLE(slot));
	mem_put(&s->w, LIST(port) + slot * sizeof(header), &header,
		sizeof(header));
	reg_write(s, px(port, AHCI_PXSACT), BIT(slot));
	reg_write(s, px(port, AHCI_PXCI), BIT(slot));
}

/* A device control FIS. */
static void op_control(struct script *s)
{
	unsigned port = feed_u8(&s->in) % PORTS;
	struct fis_h2d fis = {.type = FIS_REG_H2D, .control = feed_u8(&s->in)};
	struct ahci_header header = {
	    .flags = htole16(FIS_H2D_DWORDS | AHCI_HEADER_CLEAR),
	    .ctba = htole32((uint32_t)TABLE(0))};

	mem_put(&s->w, TABLE(0), &fis, sizeof(fis));
	mem_put(&s->w, LIST(port), &header, sizeof(header));
	reg_write(s, px(port, AHCI_PXCI), 1);
}

static void op_reset(struct script *s)
{
	unsigned port = feed_u8(&s->in) % DISKS, i;

	switch (feed_u8(&s->in) % 3) {
	case 0:
		reg_write(s, AHCI_GHC, AHCI_GHC_HR);
		if (reg_read(s, AHCI_GHC) & AHCI_GHC_HR)
			break;
		for (i = 0; i < DISKS; i++)
			if (disks[i].count)
				abort();
		break;
	case 1:
		reg_write(s, px(port, AHCI_PXSCTL), AHCI_SCTL_COMRESET);
		reg_write(s, px(port, AHCI_PXSCTL), 0);
		if (!(reg_read(s, px(port, AHCI_PXTFD)) & ATA_STATUS_BSY) &&
		    !(reg_read(s, AHCI_GHC) & AHCI_GHC_HR) &&
		    disks[port].count && !reg_read(s, px(port, AHCI_PXCI)))
			abort();
		break;
	default:
		reg_write(s, px(port, AHCI_PXCMD), AHCI_PXCMD_FRE);
		if (!(reg_read(s, px(port, AHCI_PXCMD)) & AHCI_PXCMD_CR) &&
		    !(reg_read(s, px(port, AHCI_PXTFD)) & ATA_STATUS_BSY) &&
		    (reg_read(s, px(port, AHCI_PXSSTS)) & AHCI_DET_MASK) ==
			AHCI_SSTS_PRESENT &&
		    disks[port].count)
			abort();
		break;
	}
}

static void script_op(struct script *s)
{
	switch (feed_u8(&s->in) % 10) {
	case 0:
		op_up(s);
		break;
	case 1:
		op_register(s);
		break;
	case 2:
		op_memory(s);
		break;
	case 3:
	case 4:
		op_command(s, false);
		break;
	case 5:
		op_command(s, true);
		break;
	case 6:
		complete(&disks[feed_u8(&s->in) % DISKS], feed_u8(&s->in));
		break;
	case 7:
		op_cfg(s);
		break;
	case 8:
		op_control(s);
		break;
	default:
		op_reset(s);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {.in = {data, size}};
	struct cfg *node;
	unsigned ops;

	log_init("fuzz", LOG_ERROR);
	opened = 0;
	world_create(&s.w);
	node = world_node(&s.w, "device=ahci");
	if (ahci_model.parse(node, "hd:/a,hd:/b,cd:/c", NULL) ||
	    ahci_model.create(&s.w.env, ADDR, node, NULL))
		abort();
	world_start(&s.w);
	s.bar = world_cfg_read(&s.w, ADDR, PCI_BASE_ADDRESS_5, 4) & ~0xfu;
	for (ops = 0; feed_more(&s.in) && ops < OPS_MAX; ops++)
		script_op(&s);
	world_destroy(&s.w);
	return 0;
}
