/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of a SATA disk (ACS-2, chapter 7).
 *
 * Theory of operation. A table says what each command is: reads and writes
 * differ by flags only and share transfer(), the rest have a function each.
 * Ranges are checked here, before anything reaches the back end. A command that
 * needs several requests (READ VERIFY, TRIM) goes on in its step function when
 * the back end is done with one; it may use the port's scratch page meanwhile,
 * because nothing else is at work.
 *
 * The write cache is the host's: a flush is fdatasync() by the back end. With
 * the cache switched off, and for the commands with FUA, a flush follows each
 * write before it is answered. Settings last until the next reset of the drive
 * (no "software settings preservation").
 */
#include <endian.h>
#include <string.h>

#include "dev/ahci/ahci_internal.h"

#define MULTIPLE_MAX 16u /* as IDENTIFY word 47 says */
#define VERIFY_BYTES ((uint64_t)BLOCK_IOV_MAX * SCRATCH_BYTES)
#define DSM_BYTES    8u /* of a range */

/* What sets the transfer commands apart. */
#define X_EXT	   0x01u /* 48-bit registers */
#define X_WRITE	   0x02u
#define X_PIO	   0x04u
#define X_MULTIPLE 0x08u
#define X_FUA	   0x10u
#define X_PACKET   0x20u /* CD drives know it too */

typedef void ata_fn(struct ahci_slot *slot);

struct ata_op {
	uint8_t command;
	uint8_t flags; /* X_ */
	ata_fn *run;   /* NULL: a transfer */
};

void ata_reset(struct ahci_port *port)
{
	port->multiple = 0;
	port->transfer = TRANSFER_UDMA_6;
	port->write_cache = port->info.write_cache;
	port->look_ahead = true;
	port->smart = true;
	port->standby = false;
	port->ncq_error = (struct ncq_error){0};
}

void ata_medium_error(struct ahci_slot *slot)
{
	bool read = slot->io.op == BLOCK_READ;

	/* The registers name the first sector that failed, as far as known. */
	if (read)
		slot->out.lba =
		    slot->io.offset / slot->port->info.logical_sector;
	slot_fail(slot, read ? ATA_ERROR_UNC : ATA_ERROR_ABRT);
}

/* ---- sector ranges ---- */

/* False when they are not on the disk; else first and number of sectors. */
static bool on_disk(const struct ahci_port *port, uint64_t lba, uint64_t count)
{
	return range_inside(lba, count, 0,
			    port->info.size / port->info.logical_sector);
}

/* The range a command names, 28 or 48 bits; 0 sectors mean all that fit. */
static int sector_range(const struct ahci_slot *slot, bool ext,
			uint64_t *ret_lba, uint64_t *ret_count)
{
	const struct fis_h2d *fis = &slot->fis;
	uint64_t lba = slot->out.lba, count = slot->out.count;

	if (ext) {
		count = count ? count : 0x10000;
	} else {
		/* CHS addressing went away with ATA/ATAPI-6. */
		if (!(fis->device & ATA_DEVICE_LBA))
			return ATA_ERROR_ABRT;
		lba = (lba & 0xffffff) | (uint64_t)(fis->device & 0xf) << 24;
		count = fis->count ? fis->count : 0x100;
	}
	if (!on_disk(slot->port, lba, count))
		return ATA_ERROR_IDNF;
	*ret_lba = lba;
	*ret_count = count;
	return 0;
}

static void start_io(struct ahci_slot *slot, bool write, uint64_t lba,
		     uint64_t count)
{
	uint32_t sector = slot->port->info.logical_sector;

	slot->port->standby = false;
	slot_transfer(slot, write ? BLOCK_WRITE : BLOCK_READ, lba * sector,
		      count * sector);
}

static void transfer(struct ahci_slot *slot, unsigned flags)
{
	struct ahci_port *port = slot->port;
	bool write = flags & X_WRITE;
	uint64_t lba, count;
	int error;

	if ((write && port->info.read_only) ||
	    ((flags & X_MULTIPLE) && !port->multiple)) {
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	error = sector_range(slot, flags & X_EXT, &lba, &count);
	if (error) {
		slot_fail(slot, (uint8_t)error);
		return;
	}
	slot->pio_in = (flags & X_PIO) && !write;
	slot->write_through = write && ((flags & X_FUA) || !port->write_cache);
	start_io(slot, write, lba, count);
}

/* READ and WRITE FPDMA QUEUED: the count is in the features register. */
void ata_queued(struct ahci_slot *slot)
{
	const struct fis_h2d *fis = &slot->fis;
	struct ahci_port *port = slot->port;
	bool write = fis->command == ATA_WRITE_FPDMA_QUEUED;
	uint64_t count = (uint64_t)fis->features | fis->features_exp << 8;

	count = count ? count : 0x10000;
	if (write && port->info.read_only) {
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	if (!on_disk(port, slot->out.lba, count)) {
		slot_fail(slot, ATA_ERROR_IDNF);
		return;
	}
	slot->write_through =
	    write && ((fis->device & ATA_DEVICE_FUA) || !port->write_cache);
	start_io(slot, write, slot->out.lba, count);
}

/* ---- READ VERIFY: the sectors are read, into nowhere ---- */

static void verify_step(struct ahci_slot *slot, int result);

static void verify_next(struct ahci_slot *slot)
{
	uint64_t left = MIN(slot->left, VERIFY_BYTES);
	unsigned cnt = 0;

	slot->io.len = left;
	for (; left; cnt++) {
		size_t piece = (size_t)MIN(left, (uint64_t)SCRATCH_BYTES);

		slot->span.iov[cnt] =
		    (struct iovec){slot->port->scratch, piece};
		left -= piece;
	}
	slot->io.iov = slot->span.iov;
	slot->io.iovcnt = cnt;
	slot_submit(slot, verify_step);
}

static void verify_step(struct ahci_slot *slot, int result)
{
	if (result) {
		slot_log(slot, result);
		ata_medium_error(slot);
		return;
	}
	slot->io.offset += slot->io.len;
	slot->left -= slot->io.len;
	if (slot->left)
		verify_next(slot);
	else
		slot_ok(slot);
}

static void run_verify(struct ahci_slot *slot)
{
	uint32_t sector = slot->port->info.logical_sector;
	uint64_t lba, count;
	int error = sector_range(slot, slot->fis.command == ATA_READ_VERIFY_EXT,
				 &lba, &count);

	if (error) {
		slot_fail(slot, (uint8_t)error);
		return;
	}
	slot->port->standby = false;
	slot->io = (struct block_req){.op = BLOCK_READ, .offset = lba * sector};
	slot->left = count * sector;
	verify_next(slot);
}

/* ---- DATA SET MANAGEMENT, TRIM ---- */

static void trim_range(const struct ahci_port *port, unsigned i,
		       uint64_t *ret_lba, uint64_t *ret_count)
{
	uint64_t range;

	memcpy(&range, port->scratch + i * DSM_BYTES, sizeof(range));
	range = le64toh(range);
	*ret_lba = range & (BIT64(ATA_DSM_LBA_BITS) - 1);
	*ret_count = range >> ATA_DSM_LBA_BITS;
}

static void trim_step(struct ahci_slot *slot, int result);

/* Ranges that continue each other become one request. */
static void trim_next(struct ahci_slot *slot)
{
	const struct ahci_port *port = slot->port;
	uint32_t sector = port->info.logical_sector;
	uint64_t lba, count, next, more;

	for (count = 0; !count && slot->next_range < slot->ranges;)
		trim_range(port, slot->next_range++, &lba, &count);
	if (!count) {
		slot_ok(slot);
		return;
	}
	while (slot->next_range < slot->ranges) {
		trim_range(port, slot->next_range, &next, &more);
		if (next != lba + count)
			break;
		count += more;
		slot->next_range++;
	}
	slot->io = (struct block_req){
	    .op = BLOCK_DISCARD, .offset = lba * sector, .len = count * sector};
	slot_submit(slot, trim_step);
}

static void trim_step(struct ahci_slot *slot, int result)
{
	/* A hint that could not be followed is no error. */
	if (result && result != -EOPNOTSUPP) {
		slot_log(slot, result);
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	trim_next(slot);
}

static void run_trim(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	unsigned blocks = slot->out.count, i;
	uint64_t lba, count;
	int r;

	if (slot->fis.features != ATA_DSM_TRIM || !port->info.can_discard ||
	    blocks == 0 || blocks > TRIM_BLOCKS) {
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	r = prd_get(&slot->prd, port_gmem(port), port->scratch,
		    blocks * ATA_BLOCK_BYTES);
	if (r) {
		slot_prd_failed(slot, r);
		return;
	}
	slot->moved = blocks * ATA_BLOCK_BYTES;
	slot->ranges = slot->moved / DSM_BYTES;
	slot->next_range = 0;
	for (i = 0; i < slot->ranges; i++) {
		trim_range(port, i, &lba, &count);
		if (count && !on_disk(port, lba, count)) {
			slot_fail(slot, ATA_ERROR_IDNF);
			return;
		}
	}
	trim_next(slot);
}

/* ---- logs ---- */

static void ncq_error_page(struct ahci_port *port, uint8_t *page)
{
	const struct ncq_error *e = &port->ncq_error;
	uint8_t sum = 0;
	unsigned i;

	page[0] = e->valid ? e->tag : ATA_NCQ_LOG_NQ;
	page[2] = e->tf.status;
	page[3] = e->tf.error;
	for (i = 0; i < 3; i++) {
		page[4 + i] = (uint8_t)(e->tf.lba >> 8 * i);
		page[8 + i] = (uint8_t)(e->tf.lba >> 8 * (i + 3));
	}
	page[7] = e->tf.device;
	page[12] = (uint8_t)e->tf.count;
	page[13] = (uint8_t)(e->tf.count >> 8);
	for (i = 0; i < ATA_BLOCK_BYTES - 1; i++)
		sum = (uint8_t)(sum + page[i]);
	page[ATA_BLOCK_BYTES - 1] = (uint8_t)-sum;
	port->ncq_error = (struct ncq_error){0};
}

/* READ LOG (DMA) EXT: log in LBA 7:0, page in LBA 15:8 and 39:32. */
static void run_read_log(struct ahci_slot *slot)
{
	uint8_t *page = slot->port->scratch;
	unsigned log = slot->out.lba & 0xff;

	if ((slot->out.lba & ~0xffull) || slot->out.count != 1 ||
	    (log != ATA_LOG_DIRECTORY && log != ATA_LOG_NCQ_ERROR)) {
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	memset(page, 0, ATA_BLOCK_BYTES);
	if (log == ATA_LOG_NCQ_ERROR) {
		ncq_error_page(slot->port, page);
	} else {
		page[0] = 1; /* version; then the pages each log has */
		page[2 * ATA_LOG_NCQ_ERROR] = 1;
	}
	slot->pio_in = slot->fis.command == ATA_READ_LOG_EXT;
	slot_reply(slot, ATA_BLOCK_BYTES);
}

/* ---- the rest ---- */

static void run_identify(struct ahci_slot *slot)
{
	identify_disk(slot->port, slot->port->scratch);
	slot->pio_in = true;
	slot_reply(slot, ATA_BLOCK_BYTES);
}

static void run_diagnostic(struct ahci_slot *slot)
{
	slot->out = drive_signature(slot->port);
	slot_ok(slot);
}

static void run_set_multiple(struct ahci_slot *slot)
{
	uint8_t count = slot->fis.count;

	if (count > MULTIPLE_MAX || (count && !is_pow2(count))) {
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	slot->port->multiple = count;
	slot_ok(slot);
}

static bool transfer_mode_known(uint8_t mode)
{
	switch (mode & 0xf8) {
	case 0x00: /* PIO default */
		return mode <= 1;
	case 0x08: /* PIO 0 to 4 */
		return mode <= 0x0c;
	case 0x20: /* multiword DMA 0 to 2 */
		return mode <= 0x22;
	case 0x40: /* Ultra DMA 0 to 6 */
		return mode <= 0x46;
	default:
		return false;
	}
}

static void run_set_features(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	uint8_t count = slot->fis.count;

	switch (slot->fis.features) {
	case ATA_FEATURE_WCE_ON:
		port->write_cache = port->info.write_cache;
		break;
	case ATA_FEATURE_WCE_OFF:
		/* What is in the cache goes out first. */
		port->write_cache = false;
		slot_flush(slot);
		return;
	case ATA_FEATURE_TRANSFER:
		if (!transfer_mode_known(count)) {
			slot_fail(slot, ATA_ERROR_ABRT);
			return;
		}
		if (count >= 0x20)
			port->transfer = count;
		break;
	case ATA_FEATURE_LOOK_ON:
	case ATA_FEATURE_LOOK_OFF:
		port->look_ahead = slot->fis.features == ATA_FEATURE_LOOK_ON;
		break;
	case ATA_FEATURE_REVERT_ON:
	case ATA_FEATURE_REVERT_OFF:
		break; /* settings never survive a reset here */
	default:
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	slot_ok(slot);
}

/* Never a threshold exceeded: RETURN STATUS leaves the key as it is. */
static void run_smart(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	uint8_t what = slot->fis.features;

	if ((slot->out.lba >> 8 & 0xffff) != ATA_SMART_KEY ||
	    (!port->smart && what != ATA_SMART_ENABLE)) {
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	switch (what) {
	case ATA_SMART_ENABLE:
	case ATA_SMART_DISABLE:
		port->smart = what == ATA_SMART_ENABLE;
		break;
	case ATA_SMART_STATUS:
	case ATA_SMART_AUTOSAVE:
		break;
	default:
		slot_fail(slot, ATA_ERROR_ABRT);
		return;
	}
	slot_ok(slot);
}

static void run_standby(struct ahci_slot *slot)
{
	slot->port->standby = true;
	slot_flush(slot);
}

static void run_idle(struct ahci_slot *slot)
{
	slot->port->standby = false;
	slot_ok(slot);
}

static void run_check_power(struct ahci_slot *slot)
{
	slot->out.count =
	    slot->port->standby ? ATA_POWER_STANDBY : ATA_POWER_ACTIVE;
	slot_ok(slot);
}

static const struct ata_op ops[] = {
    {ATA_DATA_SET_MANAGEMENT, .run = run_trim},
    {ATA_READ_SECTORS, X_PIO},
    {ATA_READ_SECTORS_EXT, X_PIO | X_EXT},
    {ATA_READ_DMA_EXT, X_EXT},
    {ATA_READ_MULTIPLE_EXT, X_PIO | X_EXT | X_MULTIPLE},
    {ATA_READ_LOG_EXT, .run = run_read_log},
    {ATA_WRITE_SECTORS, X_PIO | X_WRITE},
    {ATA_WRITE_SECTORS_EXT, X_PIO | X_EXT | X_WRITE},
    {ATA_WRITE_DMA_EXT, X_EXT | X_WRITE},
    {ATA_WRITE_MULTIPLE_EXT, X_PIO | X_EXT | X_WRITE | X_MULTIPLE},
    {ATA_WRITE_DMA_FUA_EXT, X_EXT | X_WRITE | X_FUA},
    {ATA_READ_VERIFY, .run = run_verify},
    {ATA_READ_VERIFY_EXT, .run = run_verify},
    {ATA_READ_LOG_DMA_EXT, .run = run_read_log},
    {ATA_EXECUTE_DIAGNOSTIC, X_PACKET, run_diagnostic},
    {ATA_SMART, .run = run_smart},
    {ATA_READ_MULTIPLE, X_PIO | X_MULTIPLE},
    {ATA_WRITE_MULTIPLE, X_PIO | X_WRITE | X_MULTIPLE},
    {ATA_SET_MULTIPLE_MODE, .run = run_set_multiple},
    {ATA_READ_DMA, 0},
    {ATA_WRITE_DMA, X_WRITE},
    {ATA_WRITE_MULTIPLE_FUA_EXT, X_PIO | X_EXT | X_WRITE | X_MULTIPLE | X_FUA},
    {ATA_STANDBY_IMMEDIATE, X_PACKET, run_standby},
    {ATA_IDLE_IMMEDIATE, X_PACKET, run_idle},
    {ATA_STANDBY, X_PACKET, run_standby},
    {ATA_IDLE, X_PACKET, run_idle},
    {ATA_CHECK_POWER_MODE, X_PACKET, run_check_power},
    {ATA_SLEEP, X_PACKET, run_standby},
    {ATA_FLUSH_CACHE, .run = slot_flush},
    {ATA_FLUSH_CACHE_EXT, .run = slot_flush},
    {ATA_IDENTIFY_DEVICE, .run = run_identify},
    {ATA_SET_FEATURES, X_PACKET, run_set_features},
    /* Nothing can be locked, so nothing can be frozen. */
    {ATA_SECURITY_FREEZE_LOCK, .run = slot_ok},
};

void ata_command(struct ahci_slot *slot)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(ops); i++) {
		if (ops[i].command != slot->fis.command)
			continue;
		if (slot->port->kind == DRIVE_CD && !(ops[i].flags & X_PACKET))
			break;
		if (ops[i].run)
			ops[i].run(slot);
		else
			transfer(slot, ops[i].flags);
		return;
	}
	/* NOP among them: its purpose is to be aborted. */
	slot_fail(slot, ATA_ERROR_ABRT);
}
