/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the AHCI controller share.
 *
 * hba.c      registers of the whole, interrupts, reset, life
 * options.c  configuration: text of -s, port nodes, disks
 * port.c     registers and state of one port
 * command.c  from PxCI to a device command and back to FISes
 * prd.c      the guest's scatter list
 * ata.c      commands of a disk; identify.c its IDENTIFY data
 * atapi.c    commands of a CD drive; mmc.c what it answers
 *
 * Locking: the function's lock (hba->pci.lock) guards everything. It is held
 * in all functions here except create, destroy and the back end's done().
 */
#ifndef DEV_AHCI_AHCI_INTERNAL_H
#define DEV_AHCI_AHCI_INTERNAL_H

#include "backend/block.h"
#include "bus/model.h"
#include "spec/ahci.h"
#include "spec/ata.h"

#define SCRATCH_BYTES	4096u
#define TRIM_BLOCKS	8u /* of 64 ranges each */
#define STATUS_OK	(ATA_STATUS_DRDY | ATA_STATUS_DSC)
#define TRANSFER_UDMA_6 0x46u /* SET FEATURES' way to say it */

struct ahci_hba;
struct ahci_port;
struct ahci_slot;

enum drive_kind {
	DRIVE_HD,
	DRIVE_CD,
};

/* How far a transfer has got in the guest's scatter list. */
struct prd_cursor {
	gpa_t table;
	uint32_t count, next; /* entries: all, next to be read */
	uint64_t addr;	      /* what is left of the entry before `next` */
	uint32_t left;
	bool interrupt; /* an entry that asks for PxIS.DPS was reached */
};

/* Host memory of a part of the list, as much as one request carries. */
struct prd_span {
	uint64_t bytes;
	unsigned cnt;
	struct iovec iov[BLOCK_IOV_MAX];
};

/* The register values a command ends with. */
struct task_file {
	uint64_t lba;
	uint16_t count;
	uint8_t device, status, error;
};

/* What to do when the back end is done. */
typedef void slot_step_fn(struct ahci_slot *slot, int result);

/* A command at work, one per command slot. */
struct ahci_slot {
	struct block_req io;
	struct ahci_port *port;
	slot_step_fn *step;
	unsigned number;
	bool queued;	    /* NCQ */
	bool pio_in;	    /* ends with PIO Setup instead of Register D2H */
	bool packet_pio;    /* PACKET without DMA */
	bool write_through; /* a flush follows the write */
	gpa_t header;
	struct prd_cursor prd;
	struct fis_h2d fis;
	uint8_t cdb[ATAPI_CDB_BYTES];
	struct task_file out;
	uint64_t left;		     /* bytes of the command still to move */
	uint32_t moved;		     /* bytes moved */
	unsigned ranges, next_range; /* of a TRIM list in port->scratch */
	struct prd_span span;
};

/* The last failed queued command, for log 10h. */
struct ncq_error {
	bool valid;
	uint8_t tag;
	struct task_file tf;
};

struct ahci_port {
	struct ahci_hba *hba;
	unsigned number;
	struct ahci_port_regs r;

	/* The command engine. */
	struct ahci_slot *slots;
	uint32_t working;  /* slots the drive is at work on */
	unsigned inflight; /* requests the back end has */
	unsigned ccs;	   /* last slot issued */
	unsigned next_slot;
	bool busy;	/* a command that is not queued is at work */
	bool halted;	/* after an error, until ST is cleared */
	bool draining;	/* abandoned requests are not back yet */
	bool link_down; /* SCTL.DET says reset or offline */
	bool reset_due; /* the drive's signature comes after draining */
	bool srst;	/* software reset asserted */

	/* The drive. */
	enum drive_kind kind;
	struct block *block; /* NULL: CD drive without medium */
	struct block_info info;
	char serial[ATA_ID_SERIAL_LEN + 1];
	char firmware[ATA_ID_FIRMWARE_LEN + 1];
	char model[ATA_ID_MODEL_LEN + 1];
	uint16_t rotation;
	uint8_t *scratch; /* SCRATCH_BYTES, for the command that is not queued
			   */
	uint8_t multiple; /* sectors a DRQ block of READ MULTIPLE */
	uint8_t transfer; /* mode chosen with SET FEATURES */
	bool write_cache, look_ahead, smart, standby;
	struct ncq_error ncq_error;
	enum mmc_sense sense;
	bool tray_open, tray_locked;
	uint8_t media_event; /* for GET EVENT STATUS, once */
};

struct ahci_hba {
	struct pci_dev pci;
	struct gmem *gmem;
	struct ahci_hba_regs r;
	bool resetting; /* GHC.HR until nothing is in flight */
	bool closing;
	struct ahci_port *port[AHCI_PORTS]; /* NULL: not implemented */
};

/* A register: how a write changes it, what it is after a reset. */
struct ahci_reg {
	uint8_t off;
	const char *name;
	uint32_t rw, w1c;
	uint32_t reset;
	bool keep; /* an HBA reset leaves it alone */
};

/* The word after a guest wrote the bytes `lanes` says. */
static inline uint32_t reg_apply(const struct ahci_reg *reg, uint32_t old,
				 uint32_t value, uint32_t lanes)
{
	uint32_t rw = reg->rw & lanes;

	return ((old & ~rw) | (value & rw)) & ~(value & reg->w1c & lanes);
}

/* ---- hba.c ---- */

/* The port's PxIS, PxIE or PxSERR changed. */
void hba_irq(struct ahci_port *port);
/* A port has nothing in flight any more: a reset may be over. */
void hba_drained(struct ahci_hba *hba);
/* Name of the register at an offset into the ABAR, NULL: none there. */
const char *ahci_reg_name(unsigned off);

/* ---- options.c ---- */

/* The ports that the node describes; `kind` where it does not say. */
MUST_CHECK int ahci_ports_create(struct ahci_hba *hba, struct cfg *node,
				 enum drive_kind kind, struct err *err);
void ahci_port_destroy(struct ahci_port *port); /* NULL allowed */
/* Text after the device's name in -s. */
int ahci_parse(struct cfg *node, const char *opts, struct err *err);
int ahci_hd_parse(struct cfg *node, const char *opts, struct err *err);
int ahci_cd_parse(struct cfg *node, const char *opts, struct err *err);

/* ---- port.c ---- */

uint32_t port_reg_read(struct ahci_port *port, unsigned off);
void port_reg_write(struct ahci_port *port, unsigned off, uint32_t value,
		    uint32_t lanes);
const char *port_reg_name(unsigned off);
/* Bits of PxIS, the mirrored ones included. */
uint32_t port_status(const struct ahci_port *port);
/* Drops what is at work; draining says whether that takes time. */
void port_abandon(struct ahci_port *port);
/* After abandoning: registers and drive as after power-on. */
void port_power_on(struct ahci_port *port);
/* The drive forgets what the guest told it. */
void port_drive_reset(struct ahci_port *port);
/* The last abandoned request is back. */
void port_drained(struct ahci_port *port);
/* Sets bits of PxIS and tells the host. */
void port_raise(struct ahci_port *port, uint32_t bits);
/* The engine stops with these bits of PxIS; `why` goes to the log. */
void port_fatal(struct ahci_port *port, uint32_t bits, const char *why);

/* ---- command.c ---- */

/* Starts what can be started. */
void port_run(struct ahci_port *port);
/* Task file of a drive that was reset, in PxTFD, PxSIG and a FIS. */
void port_signature(struct ahci_port *port);
struct task_file drive_signature(const struct ahci_port *port);

/* Ends of a command: exactly one of these, or port_fatal(). */
void slot_ok(struct ahci_slot *slot);
void slot_fail(struct ahci_slot *slot, uint8_t error);
/* `len` bytes of port->scratch to the guest, then the command is over. */
void slot_reply(struct ahci_slot *slot, size_t len);

/* Gives slot->io to the back end; `step` follows, unless abandoned. */
void slot_submit(struct ahci_slot *slot, slot_step_fn *step);
/*
 * Moves slot->left bytes between the guest and the medium from io.offset on,
 * in pieces of what one request can carry; ends the command.
 */
void slot_transfer(struct ahci_slot *slot, enum block_op op, uint64_t offset,
		   uint64_t len);
/* Makes what was written durable, then ends the command. */
void slot_flush(struct ahci_slot *slot);
/* port_fatal() with what a failed look at the scatter list means. */
void slot_prd_failed(struct ahci_slot *slot, int error);
/* One line about a request of the back end that failed. */
void slot_log(const struct ahci_slot *slot, int result);

static inline struct gmem *port_gmem(const struct ahci_port *port)
{
	return port->hba->gmem;
}

/* ---- prd.c ---- */

/*
 * The next pieces of the list, at most `max` bytes in BLOCK_IOV_MAX pieces,
 * cut to a multiple of `unit`. -EFAULT outside RAM, -ENODATA when the list ends
 * before `max`, -E2BIG when so many pieces make no unit; *ret_span is then
 * undefined.
 */
MUST_CHECK int prd_span(struct prd_cursor *cur, const struct gmem *gmem,
			uint64_t max, uint32_t unit, struct prd_span *ret_span);
/* Copies exactly len bytes; errors as above. */
MUST_CHECK int prd_put(struct prd_cursor *cur, const struct gmem *gmem,
		       const uint8_t *src, size_t len);
MUST_CHECK int prd_get(struct prd_cursor *cur, const struct gmem *gmem,
		       uint8_t *dst, size_t len);

/* ---- ata.c, identify.c ---- */

void ata_command(struct ahci_slot *slot);
void ata_queued(struct ahci_slot *slot);
void ata_reset(struct ahci_port *port);
/* The medium could not be read or written. */
void ata_medium_error(struct ahci_slot *slot);
/* IDENTIFY (PACKET) DEVICE data, ATA_BLOCK_BYTES. */
void identify_disk(const struct ahci_port *port, uint8_t *data);
void identify_packet(const struct ahci_port *port, uint8_t *data);

/* ---- atapi.c, mmc.c ---- */

void atapi_command(struct ahci_slot *slot);
void atapi_reset(struct ahci_port *port);
void atapi_medium_error(struct ahci_slot *slot);
bool atapi_has_medium(const struct ahci_port *port);
uint32_t atapi_blocks(const struct ahci_port *port);

/*
 * Builds the answer to slot->cdb in port->scratch; its length, cut to what
 * the guest allows. Negative: -(enum mmc_sense).
 */
typedef int mmc_fn(struct ahci_slot *slot);
mmc_fn mmc_inquiry, mmc_request_sense, mmc_read_capacity, mmc_read_toc,
    mmc_mode_sense, mmc_get_configuration, mmc_get_event, mmc_mechanism,
    mmc_disc_info, mmc_track_info;

static inline uint32_t be16_get(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t be32_get(const uint8_t *p)
{
	return be16_get(p) << 16 | be16_get(p + 2);
}

static inline void be16_put(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void be32_put(uint8_t *p, uint32_t v)
{
	be16_put(p, v >> 16);
	be16_put(p + 2, v);
}

#endif
