/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODE SENSE and MODE SELECT (SPC-4, 6.13 and 6.11): the write cache of a disk
 * can be switched, everything else is fixed.
 */
#include <string.h>

#include "dev/virtio_scsi/scsi_internal.h"

#define PAGES_BYTES   64u /* all pages of a unit, and more */
#define LIST_MAX      64u /* of MODE SELECT */
#define PC_CURRENT    0u
#define PC_CHANGEABLE 1u
#define PC_SAVED      3u
#define HEADER_6      4u
#define HEADER_10     8u
#define WRITE_PROTECT 0x80u
#define FORCE_ACCESS  0x10u /* DPO and FUA are understood */

/* One page as `control` asks for it; its bytes. */
typedef size_t page_fn(const struct scsi_unit *unit, unsigned control,
		       uint8_t *p);

static size_t page_caching(const struct scsi_unit *unit, unsigned control,
			   uint8_t *p)
{
	bool wce =
	    control == PC_CURRENT ? unit->write_cache : unit->info.write_cache;

	p[0] = SCSI_PAGE_CACHING;
	p[1] = 18;
	p[2] = wce ? SCSI_CACHING_WCE : 0;
	return 20;
}

static size_t page_control(const struct scsi_unit *unit UNUSED,
			   unsigned control, uint8_t *p)
{
	p[0] = SCSI_PAGE_CONTROL;
	p[1] = 10;
	/* Commands may be reordered. */
	p[3] = control == PC_CHANGEABLE ? 0 : 0x10;
	return 12;
}

static size_t page_error_recovery(const struct scsi_unit *unit UNUSED,
				  unsigned control UNUSED, uint8_t *p)
{
	p[0] = SCSI_PAGE_ERROR_RECOVERY;
	p[1] = 10;
	return 12;
}

/* CD/DVD capabilities: obsolete, and what every driver asks for. */
static size_t page_capabilities(const struct scsi_unit *unit, unsigned control,
				uint8_t *p)
{
	p[0] = SCSI_PAGE_CAPABILITIES;
	p[1] = 20;
	if (control == PC_CHANGEABLE)
		return 22;
	p[2] = 0x0b; /* reads CD-R, CD-RW, DVD-ROM */
	p[4] = 0x70; /* mode 2 forms, several sessions */
	p[6] = 0x29 | (unit->locked ? 2 : 0); /* tray, ejects, locks */
	scsi_put16(p + 8, 5540);	      /* kB/s: 4x DVD */
	scsi_put16(p + 12, 512);	      /* buffer */
	scsi_put16(p + 14, 5540);
	return 22;
}

static const struct page {
	uint8_t page;
	enum scsi_type type;
	page_fn *fn;
} pages[] = {
    {SCSI_PAGE_CACHING, SCSI_DISK, page_caching},
    {SCSI_PAGE_CONTROL, SCSI_DISK, page_control},
    {SCSI_PAGE_ERROR_RECOVERY, SCSI_CD, page_error_recovery},
    {SCSI_PAGE_CAPABILITIES, SCSI_CD, page_capabilities},
};

/* The pages that `wanted` names; 0: there is none. */
static size_t put_pages(const struct scsi_unit *unit, unsigned wanted,
			unsigned control, uint8_t *p)
{
	size_t len = 0;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(pages); i++)
		if (pages[i].type == unit->type &&
		    (wanted == SCSI_PAGE_ALL || wanted == pages[i].page))
			len += pages[i].fn(unit, control, p + len);
	return len;
}

/* Number of blocks and their size; a CD has no such descriptor. */
static size_t put_blocks(const struct scsi_unit *unit, bool wide, uint8_t *p)
{
	if (unit->type == SCSI_CD)
		return 0;
	if (wide) {
		scsi_put64(p, unit->blocks);
		scsi_put32(p + 12, unit->block_bytes);
		return 16;
	}
	scsi_put32(p, (uint32_t)MIN(unit->blocks, (uint64_t)UINT32_MAX));
	scsi_put32(p + 4, unit->block_bytes);
	return 8;
}

static bool is_ten(const struct scsi_cmd *cmd)
{
	return cmd->cdb[0] == SCSI_MODE_SENSE_10 ||
	       cmd->cdb[0] == SCSI_MODE_SELECT_10;
}

int scsi_mode_sense(struct scsi_cmd *cmd)
{
	bool ten = is_ten(cmd), no_blocks = cmd->cdb[1] & 0x08;
	bool wide = ten && (cmd->cdb[1] & 0x10);
	const struct scsi_unit *unit = cmd->unit;
	unsigned control = cmd->cdb[2] >> 6,
		 header = ten ? HEADER_10 : HEADER_6;
	uint8_t p[HEADER_10 + 16 + PAGES_BYTES] = {0}, specific = 0;
	size_t blocks = 0, len;

	if (control == PC_SAVED)
		return SCSI_FAIL(SCSI_SENSE_NO_SAVED_PAGES);
	if (cmd->cdb[3] != 0 && cmd->cdb[3] != 0xff)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD); /* no subpages */
	if (!no_blocks)
		blocks = put_blocks(unit, wide, p + header);
	len = put_pages(unit, cmd->cdb[2] & 0x3f, control, p + header + blocks);
	if (!len)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	len += header + blocks;
	if (unit->type == SCSI_DISK)
		specific =
		    (uint8_t)(FORCE_ACCESS |
			      (unit->info.read_only ? WRITE_PROTECT : 0));
	if (ten) {
		scsi_put16(p, (uint32_t)len - 2);
		p[3] = specific;
		p[4] = wide && blocks;
		scsi_put16(p + 6, (uint32_t)blocks);
		return scsi_reply(cmd, p, len, scsi_get16(cmd->cdb + 7));
	}
	p[0] = (uint8_t)(len - 1);
	p[2] = specific;
	p[3] = (uint8_t)blocks;
	return scsi_reply(cmd, p, len, cmd->cdb[4]);
}

/* ---- MODE SELECT ---- */

/*
 * One page of the list must be the current one, but for what can be changed.
 * Its length, or SCSI_FAIL(); *wce follows the caching page.
 */
static int check_page(const struct scsi_unit *unit, const uint8_t *list,
		      size_t len, bool *wce)
{
	uint8_t want[PAGES_BYTES] = {0};
	size_t size = put_pages(unit, list[0] & 0x3f, PC_CURRENT, want);
	uint8_t changed;

	/* "All" is no page to set. */
	if (!size || (list[0] & 0x7f) == SCSI_PAGE_ALL)
		return SCSI_FAIL(SCSI_SENSE_LIST_FIELD);
	if (len < size)
		return SCSI_FAIL(SCSI_SENSE_LIST_LENGTH);
	if (want[0] == SCSI_PAGE_CACHING) {
		changed = (uint8_t)((want[2] ^ list[2]) & SCSI_CACHING_WCE);
		if (unit->info.write_cache)
			want[2] ^= changed;
		*wce = want[2] & SCSI_CACHING_WCE;
	}
	/* The first byte may have bits that mean nothing here. */
	if (memcmp(list + 1, want + 1, size - 1) != 0)
		return SCSI_FAIL(SCSI_SENSE_LIST_FIELD);
	return (int)size;
}

/* The size of blocks is no choice. */
static bool blocks_ok(const struct scsi_unit *unit, const uint8_t *desc,
		      size_t len)
{
	switch (len) {
	case 0:
		return true;
	case 8:
		return (scsi_get32(desc + 4) & 0xffffff) == unit->block_bytes;
	case 16:
		return scsi_get32(desc + 12) == unit->block_bytes;
	default:
		return false;
	}
}

int scsi_mode_select(struct scsi_cmd *cmd)
{
	size_t len = is_ten(cmd) ? scsi_get16(cmd->cdb + 7) : cmd->cdb[4], at;
	size_t header = is_ten(cmd) ? HEADER_10 : HEADER_6;
	bool wce = cmd->unit->write_cache;
	uint8_t list[LIST_MAX];
	size_t blocks;
	int r;

	if (cmd->cdb[1] & 1)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD); /* nothing is saved */
	if (len == 0)
		return 0;
	if (len < header || len > sizeof(list))
		return SCSI_FAIL(SCSI_SENSE_LIST_LENGTH);
	if (!scsi_fetch(cmd, list, len))
		return 0;
	blocks = is_ten(cmd) ? scsi_get16(list + 6) : list[3];
	if (blocks > len - header)
		return SCSI_FAIL(SCSI_SENSE_LIST_LENGTH);
	if (!blocks_ok(cmd->unit, list + header, blocks))
		return SCSI_FAIL(SCSI_SENSE_LIST_FIELD);
	for (at = header + blocks; at + 2 <= len; at += (size_t)r) {
		r = check_page(cmd->unit, list + at, len - at, &wce);
		if (r < 0)
			return r;
	}
	if (at != len)
		return SCSI_FAIL(SCSI_SENSE_LIST_LENGTH);
	/* What was cached so far goes to the medium with the switch. */
	if (cmd->unit->write_cache && !wce) {
		cmd->unit->write_cache = wce;
		return scsi_flush(cmd);
	}
	cmd->unit->write_cache = wce;
	return 0;
}
