/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of an AHCI port: fetched from the guest's command list, handed to
 * the drive, ended with the FISes a drive sends (AHCI 1.3.1, 5.3 to 5.6; Serial
 * ATA 3.1, 10.5).
 *
 * Theory of operation. port_run() takes slots from PxCI in round robin. Header,
 * command FIS and packet are copied once. As with a real drive one command is
 * at work at a time, except for queued ones (NCQ): up to 32 of those. A command
 * that is not queued waits until the queue is empty, so a flush covers what was
 * written before it.
 *
 * slot_ok() and slot_fail() write what the drive sends into the received-FIS
 * area, then change the registers, then interrupt: a guest that sees the bit
 * finds the rest in place. After an error the engine is halted, the failed
 * command's bit stays, and what else the back end finishes is dropped: the
 * drive has aborted it, the guest repeats it (6.2.2).
 */
#include <endian.h>
#include <string.h>

#include "base/log.h"
#include "dev/ahci/ahci_internal.h"

#define TFD(tf)	      ((uint32_t)(tf)->error << AHCI_PXTFD_ERR_SHIFT | (tf)->status)
#define PIO_BLOCK_MAX 0xfffeu

/* ---- FISes to the guest ---- */

/* False when the guest's memory cannot be written: the port is stopped. */
static bool post(struct ahci_port *port, unsigned at, const void *fis,
		 size_t len)
{
	uint64_t base = port->r.fb | (uint64_t)port->r.fbu << 32;

	if (!pci_bus_master(&port->hba->pci)) {
		port_fatal(port, AHCI_PXIS_HBFS,
			   "bus mastering off while commands are at work");
		return false;
	}
	if (!(port->r.cmd & AHCI_PXCMD_FRE))
		return true;
	if (gmem_write(port_gmem(port), gpa_add(gpa(base & AHCI_FB_MASK), at),
		       fis, len)) {
		port_fatal(port, AHCI_PXIS_HBFS,
			   "received FIS area outside of RAM");
		return false;
	}
	return true;
}

static bool post_d2h(struct ahci_port *port, const struct task_file *tf,
		     bool interrupt)
{
	struct fis_d2h fis = {
	    .type = FIS_REG_D2H,
	    .flags = interrupt ? FIS_I : 0,
	    .status = tf->status,
	    .error = tf->error,
	    .lba = {(uint8_t)tf->lba, (uint8_t)(tf->lba >> 8),
		    (uint8_t)(tf->lba >> 16)},
	    .device = tf->device,
	    .lba_exp = {(uint8_t)(tf->lba >> 24), (uint8_t)(tf->lba >> 32),
			(uint8_t)(tf->lba >> 40)},
	    .count = (uint8_t)tf->count,
	    .count_exp = (uint8_t)(tf->count >> 8),
	};

	return post(port, AHCI_RX_RFIS, &fis, sizeof(fis));
}

/* The one that announced the last block of data. */
static bool post_pio_setup(const struct ahci_slot *slot, uint32_t block)
{
	const struct task_file *tf = &slot->out;
	struct fis_pio_setup fis = {
	    .type = FIS_PIO_SETUP,
	    .flags = FIS_I | FIS_D,
	    .status = STATUS_OK | ATA_STATUS_DRQ,
	    .lba = {(uint8_t)tf->lba, (uint8_t)(tf->lba >> 8),
		    (uint8_t)(tf->lba >> 16)},
	    .device = tf->device,
	    .lba_exp = {(uint8_t)(tf->lba >> 24), (uint8_t)(tf->lba >> 32),
			(uint8_t)(tf->lba >> 40)},
	    .count = (uint8_t)tf->count,
	    .count_exp = (uint8_t)(tf->count >> 8),
	    .e_status = STATUS_OK,
	    .transfer_count = htole16((uint16_t)MIN(block, PIO_BLOCK_MAX)),
	};

	return post(slot->port, AHCI_RX_PSFIS, &fis, sizeof(fis));
}

/* `done`: the slots that succeeded. */
static bool post_set_bits(struct ahci_port *port, const struct task_file *tf,
			  uint32_t done)
{
	struct fis_set_bits fis = {
	    .type = FIS_SET_BITS,
	    .flags = FIS_I,
	    .status = tf->status,
	    .error = tf->error,
	    .sactive = htole32(done),
	};

	return post(port, AHCI_RX_SDBFIS, &fis, sizeof(fis));
}

struct task_file drive_signature(const struct ahci_port *port)
{
	bool cd = port->kind == DRIVE_CD;

	return (struct task_file){
	    .lba = (cd ? AHCI_SIG_ATAPI : AHCI_SIG_ATA) >> 8,
	    .count = 1,
	    .error = ATA_DIAG_PASSED,
	    .status = cd ? 0 : STATUS_OK,
	};
}

void port_signature(struct ahci_port *port)
{
	struct task_file tf = drive_signature(port);

	port->r.tfd = TFD(&tf);
	port->r.sig = (uint32_t)tf.lba << 8 | tf.count;
	/* Without bus mastering it stays in the registers. */
	if (pci_bus_master(&port->hba->pci))
		(void)post_d2h(port, &tf, false);
}

/* ---- ends of a command ---- */

/* Bytes moved, in the command header; queued commands do without (4.2.2). */
static bool store_count(const struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;

	if (slot->queued ||
	    !gmem_store32(port_gmem(port),
			  gpa_add(slot->header, AHCI_HEADER_PRDBC),
			  slot->moved))
		return true;
	port_fatal(port, AHCI_PXIS_HBFS, "command header outside of RAM");
	return false;
}

static void release(struct ahci_slot *slot)
{
	slot->port->working &= ~BIT(slot->number);
	if (!slot->queued)
		slot->port->busy = false;
}

void slot_ok(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	uint32_t bits = slot->prd.interrupt ? AHCI_PXIS_DPS : 0;
	bool posted;

	slot->out.status = STATUS_OK;
	release(slot);
	if (slot->queued) {
		posted = post_set_bits(port, &slot->out, BIT(slot->number));
		bits |= AHCI_PXIS_SDBS;
	} else if (slot->pio_in) {
		posted = post_pio_setup(
		    slot, MIN(slot->moved, port->info.logical_sector));
		bits |= AHCI_PXIS_PSS;
	} else {
		posted = true;
		if (slot->packet_pio && slot->moved) {
			posted = post_pio_setup(slot, slot->moved);
			bits |= AHCI_PXIS_PSS;
		}
		posted = posted && post_d2h(port, &slot->out, true);
		bits |= AHCI_PXIS_DHRS;
	}
	if (!posted || !store_count(slot))
		return;
	if (slot->queued)
		port->r.sact &= ~BIT(slot->number);
	else
		port->r.ci &= ~BIT(slot->number);
	port->r.tfd = TFD(&slot->out);
	port_raise(port, bits);
}

void slot_fail(struct ahci_slot *slot, uint8_t error)
{
	struct ahci_port *port = slot->port;
	bool posted;

	slot->out.status = STATUS_OK | ATA_STATUS_ERR;
	slot->out.error = error;
	release(slot);
	port->halted = true;
	if (slot->queued) {
		port->ncq_error = (struct ncq_error){
		    .valid = true,
		    .tag = (uint8_t)slot->number,
		    .tf = slot->out,
		};
		posted = post_set_bits(port, &slot->out, 0);
	} else {
		posted = post_d2h(port, &slot->out, true);
	}
	if (!posted || !store_count(slot))
		return;
	port->r.tfd = TFD(&slot->out);
	port_raise(port, AHCI_PXIS_TFES |
			     (slot->queued ? AHCI_PXIS_SDBS : AHCI_PXIS_DHRS));
}

void slot_prd_failed(struct ahci_slot *slot, int error)
{
	if (error == -ENODATA)
		port_fatal(slot->port, AHCI_PXIS_OFS,
			   "scatter list shorter than the data");
	else if (error == -E2BIG)
		port_fatal(slot->port, AHCI_PXIS_HBFS,
			   "too many pieces for one sector");
	else
		port_fatal(slot->port, AHCI_PXIS_HBFS,
			   "scatter list outside of RAM");
}

void slot_reply(struct ahci_slot *slot, size_t len)
{
	int r = prd_put(&slot->prd, port_gmem(slot->port), slot->port->scratch,
			len);

	if (r) {
		slot_prd_failed(slot, r);
		return;
	}
	slot->moved = (uint32_t)len;
	slot_ok(slot);
}

/* ---- requests to the back end ---- */

void slot_log(const struct ahci_slot *slot, int result)
{
	static const char *const op_name[] = {
	    [BLOCK_READ] = "read",
	    [BLOCK_WRITE] = "write",
	    [BLOCK_FLUSH] = "flush",
	    [BLOCK_DISCARD] = "discard",
	    [BLOCK_WRITE_ZEROES] = "write of zeroes",
	};

	log_guest("%s port %u: %s of %llu bytes at %llu failed: %s",
		  slot->port->hba->pci.name, slot->port->number,
		  op_name[slot->io.op], (unsigned long long)slot->io.len,
		  (unsigned long long)slot->io.offset, strerror(-result));
}

/* On a worker thread of the back end. */
static void slot_done(struct block_req *io, int result)
{
	struct ahci_slot *slot = container_of(io, struct ahci_slot, io);
	struct ahci_port *port = slot->port;
	struct ahci_hba *hba = port->hba;

	pthread_mutex_lock(&hba->pci.lock);
	port->inflight--;
	if (hba->closing) {
		/* nobody is there any more */
	} else if (port->draining) {
		if (!port->inflight)
			port_drained(port);
	} else if (!port->halted) {
		slot->step(slot, result);
		port_run(port);
	}
	pthread_mutex_unlock(&hba->pci.lock);
}

void slot_submit(struct ahci_slot *slot, slot_step_fn *step)
{
	struct ahci_port *port = slot->port;
	int r;

	slot->step = step;
	slot->io.done = slot_done;
	port->inflight++;
	r = block_submit(port->block, &slot->io);
	if (!r)
		return;
	port->inflight--;
	step(slot, r);
}

static void medium_error(struct ahci_slot *slot, int result)
{
	slot_log(slot, result);
	if (slot->port->kind == DRIVE_CD)
		atapi_medium_error(slot);
	else
		ata_medium_error(slot);
}

static void flushed(struct ahci_slot *slot, int result)
{
	if (result)
		medium_error(slot, result);
	else
		slot_ok(slot);
}

void slot_flush(struct ahci_slot *slot)
{
	/* Without a cache each write was durable before it was answered. */
	if (!slot->port->info.write_cache) {
		slot_ok(slot);
		return;
	}
	slot->io = (struct block_req){.op = BLOCK_FLUSH};
	slot_submit(slot, flushed);
}

static void transfer_step(struct ahci_slot *slot, int result);

static void transfer_next(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	int r;

	r = prd_span(&slot->prd, port_gmem(port), slot->left,
		     port->info.logical_sector, &slot->span);
	if (r) {
		slot_prd_failed(slot, r);
		return;
	}
	slot->io.len = slot->span.bytes;
	slot->io.iov = slot->span.iov;
	slot->io.iovcnt = slot->span.cnt;
	slot_submit(slot, transfer_step);
}

static void transfer_step(struct ahci_slot *slot, int result)
{
	if (result) {
		medium_error(slot, result);
		return;
	}
	slot->io.offset += slot->io.len;
	slot->left -= slot->io.len;
	slot->moved += (uint32_t)slot->io.len;
	if (slot->left)
		transfer_next(slot);
	else if (slot->write_through)
		slot_flush(slot);
	else
		slot_ok(slot);
}

void slot_transfer(struct ahci_slot *slot, enum block_op op, uint64_t offset,
		   uint64_t len)
{
	slot->io = (struct block_req){.op = op, .offset = offset};
	slot->left = len;
	transfer_next(slot);
}

/* ---- taking commands ---- */

static bool port_running(const struct ahci_port *port)
{
	return (port->r.cmd & AHCI_PXCMD_ST) && !port->halted &&
	       !port->draining && !port->reset_due && !port->link_down &&
	       !port->hba->resetting && pci_bus_master(&port->hba->pci);
}

static uint64_t fis_lba(const struct fis_h2d *fis)
{
	return (uint64_t)fis->lba[0] | (uint64_t)fis->lba[1] << 8 |
	       (uint64_t)fis->lba[2] << 16 | (uint64_t)fis->lba_exp[0] << 24 |
	       (uint64_t)fis->lba_exp[1] << 32 |
	       (uint64_t)fis->lba_exp[2] << 40;
}

/* Device control: the two halves of a software reset (10.4.1). */
static void slot_control(struct ahci_slot *slot, uint16_t flags)
{
	struct ahci_port *port = slot->port;

	release(slot);
	port->r.ci &= ~BIT(slot->number);
	if (slot->fis.control & ATA_CONTROL_SRST) {
		port->srst = true;
		if (!(flags & AHCI_HEADER_CLEAR))
			port->r.tfd |= ATA_STATUS_BSY;
	} else if (port->srst) {
		port_drive_reset(port);
		port_signature(port);
	}
}

/* The drive takes a queued command and is free for the next one. */
static void slot_queued(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;

	slot->out.status = STATUS_OK;
	if (slot->fis.count >> 3 != slot->number) {
		slot->queued = false;
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	if (!post_d2h(port, &slot->out, false))
		return;
	port->r.tfd = TFD(&slot->out);
	port->r.ci &= ~BIT(slot->number);
	ata_queued(slot);
}

static void slot_start(struct ahci_slot *slot, uint16_t flags)
{
	struct ahci_port *port = slot->port;

	port->working |= BIT(slot->number);
	if (slot->fis.type != FIS_REG_H2D ||
	    (flags & AHCI_HEADER_CFL) < FIS_H2D_DWORDS ||
	    (slot->fis.command == ATA_PACKET && !(flags & AHCI_HEADER_ATAPI))) {
		port->r.serr |= AHCI_SERR_P;
		port_fatal(port, AHCI_PXIS_IFS, "malformed command FIS");
		return;
	}
	if (slot->queued) {
		slot_queued(slot);
		return;
	}
	port->busy = true;
	if (!(slot->fis.flags & FIS_H2D_C)) {
		slot_control(slot, flags);
		return;
	}
	port->r.tfd |= ATA_STATUS_BSY;
	if (port->kind == DRIVE_CD)
		atapi_command(slot);
	else
		ata_command(slot);
}

static bool is_queued(const struct ahci_port *port, const struct fis_h2d *fis)
{
	return port->kind == DRIVE_HD && (fis->flags & FIS_H2D_C) &&
	       (fis->command == ATA_READ_FPDMA_QUEUED ||
		fis->command == ATA_WRITE_FPDMA_QUEUED);
}

/* One look at the guest's structures; everything after uses the copies. */
struct fetched {
	gpa_t header_at, table;
	struct ahci_header header;
	struct fis_h2d fis;
	uint8_t cdb[ATAPI_CDB_BYTES];
};

static int fetch(const struct ahci_port *port, unsigned number,
		 struct fetched *ret)
{
	const struct gmem *gmem = port_gmem(port);
	uint64_t base = port->r.clb | (uint64_t)port->r.clbu << 32;
	int r;

	ret->header_at =
	    gpa_add(gpa(base & AHCI_CLB_MASK), number * sizeof(ret->header));
	r = gmem_read_obj(gmem, ret->header_at, &ret->header);
	if (r)
		return r;
	base = le32toh(ret->header.ctba) | (uint64_t)le32toh(ret->header.ctbau)
					       << 32;
	ret->table = gpa(base & AHCI_CTBA_MASK);
	r = gmem_read_obj(gmem, gpa_add(ret->table, AHCI_TABLE_CFIS),
			  &ret->fis);
	if (!r)
		r = gmem_read_obj(gmem, gpa_add(ret->table, AHCI_TABLE_ACMD),
				  &ret->cdb);
	return r;
}

/* False when nothing more can be started now. */
static bool port_issue(struct ahci_port *port, unsigned number)
{
	struct ahci_slot *slot = &port->slots[number];
	struct fetched in;
	bool queued;

	if (fetch(port, number, &in)) {
		port_fatal(port, AHCI_PXIS_HBFS,
			   "command list or table outside of RAM");
		return false;
	}
	queued = is_queued(port, &in.fis);
	if (port->busy || (!queued && port->working))
		return false;
	port->ccs = number;
	port->next_slot = (number + 1) % AHCI_SLOTS;
	slot->port = port;
	slot->number = number;
	slot->queued = queued;
	slot->pio_in = slot->packet_pio = slot->write_through = false;
	slot->header = in.header_at;
	slot->prd = (struct prd_cursor){
	    .table = gpa_add(in.table, AHCI_TABLE_PRDT),
	    .count = le16toh(in.header.prdtl),
	};
	slot->fis = in.fis;
	memcpy(slot->cdb, in.cdb, sizeof(slot->cdb));
	slot->out = (struct task_file){
	    .lba = fis_lba(&in.fis),
	    .count = (uint16_t)(in.fis.count | in.fis.count_exp << 8),
	    .device = in.fis.device,
	};
	slot->moved = 0;
	slot_start(slot, le16toh(in.header.flags));
	return true;
}

void port_run(struct ahci_port *port)
{
	uint32_t todo, later;

	while (port_running(port)) {
		todo = port->r.ci & ~port->working;
		if (!todo)
			return;
		later = todo & (~0u << port->next_slot);
		if (!port_issue(port,
				(unsigned)__builtin_ctz(later ? later : todo)))
			return;
	}
}
