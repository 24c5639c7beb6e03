/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INQUIRY: what a unit is, and its vital product data pages (SPC-4, 6.4 and
 * 7.8; SBC-3, 6.6).
 */
#include <string.h>

#include "base/hash.h"
#include "dev/virtio_scsi/scsi_internal.h"

#define VERSION_SPC4	  0x06u
#define STANDARD_BYTES	  74u
#define VPD_BYTES	  64u
#define DESIGNATOR_T10	  1u
#define DESIGNATOR_NAA	  3u
#define CODE_BINARY	  1u
#define CODE_ASCII	  2u
#define NAA_LOCAL	  0x3u
#define THIN_PROVISIONED  2u
#define NON_ROTATING	  1u
#define PROVISION_UNMAP	  0x80u
#define PROVISION_SAME_16 0x40u
#define PROVISION_SAME_10 0x20u

const char *scsi_product(enum scsi_type type)
{
	return type == SCSI_CD ? "CD/DVD" : "DISK";
}

static uint8_t device_type(const struct scsi_unit *unit)
{
	return unit->type == SCSI_CD ? SCSI_TYPE_CDROM : SCSI_TYPE_DISK;
}

static int standard(struct scsi_cmd *cmd, uint32_t alloc)
{
	/* Version descriptors: SAM-5, SPC-4, SBC-3 or MMC-5. */
	bool cd = cmd->unit->type == SCSI_CD;
	uint8_t p[STANDARD_BYTES] = {0};

	p[0] = device_type(cmd->unit);
	p[1] = cd ? 0x80 : 0; /* removable */
	p[2] = VERSION_SPC4;
	p[3] = 0x12; /* hierarchical LUNs; response format 2 */
	p[4] = STANDARD_BYTES - 5;
	p[7] = 0x02; /* queues commands */
	scsi_put_text(p + 8, SCSI_VENDOR, 8);
	scsi_put_text(p + 16, scsi_product(cmd->unit->type), 16);
	scsi_put_text(p + 32, SCSI_REVISION, 4);
	scsi_put16(p + 58, 0x00a0);
	scsi_put16(p + 60, 0x0460);
	scsi_put16(p + 62, cd ? 0x0420 : 0x04c0);
	return scsi_reply(cmd, p, sizeof(p), alloc);
}

/* ---- vital product data ---- */

/* Bytes behind the page's header. */
typedef size_t vpd_fn(const struct scsi_unit *unit, uint8_t *p);

static size_t vpd_pages(const struct scsi_unit *unit, uint8_t *p);

static size_t vpd_serial(const struct scsi_unit *unit, uint8_t *p)
{
	size_t len = strlen(unit->serial);

	memcpy(p, unit->serial, len);
	return len;
}

/* A name that is the same wherever the serial number is. */
static uint64_t local_name(const struct scsi_unit *unit)
{
	uint64_t hash = hash64_text(HASH64_START, unit->serial);

	return (uint64_t)NAA_LOCAL << 60 | (hash >> 4);
}

static size_t vpd_identification(const struct scsi_unit *unit, uint8_t *p)
{
	size_t len = strlen(unit->serial);

	p[0] = CODE_BINARY;
	p[1] = DESIGNATOR_NAA;
	p[3] = 8;
	scsi_put64(p + 4, local_name(unit));
	p += 12;
	p[0] = CODE_ASCII;
	p[1] = DESIGNATOR_T10;
	p[3] = (uint8_t)(8 + len);
	scsi_put_text(p + 4, SCSI_VENDOR, 8);
	memcpy(p + 12, unit->serial, len);
	return 12 + 12 + len;
}

static size_t vpd_limits(const struct scsi_unit *unit, uint8_t *p)
{
	uint32_t ratio = unit->info.physical_sector / unit->block_bytes;
	uint32_t range = (uint32_t)(SCSI_RANGE_BYTES / unit->block_bytes);

	p[0] = 1; /* WRITE SAME of 0 blocks is refused */
	scsi_put16(p + 2, ratio);
	if (unit->info.can_discard) {
		scsi_put32(p + 16, range);
		scsi_put32(p + 20, SCSI_UNMAP_RANGES);
		scsi_put32(p + 24, ratio);
		scsi_put32(p + 28, 1u << 31); /* aligned to block 0 */
	}
	scsi_put64(p + 32, range);
	return 60;
}

static size_t vpd_characteristics(const struct scsi_unit *unit UNUSED,
				  uint8_t *p)
{
	scsi_put16(p, NON_ROTATING);
	return 60;
}

static size_t vpd_provisioning(const struct scsi_unit *unit, uint8_t *p)
{
	if (unit->info.can_discard) {
		p[1] = PROVISION_UNMAP | PROVISION_SAME_16 | PROVISION_SAME_10;
		p[2] = THIN_PROVISIONED;
	}
	return 4;
}

static const struct vpd {
	uint8_t page;
	bool disk_only;
	vpd_fn *fn;
} vpds[] = {
    {SCSI_VPD_PAGES, false, vpd_pages},
    {SCSI_VPD_SERIAL, false, vpd_serial},
    {SCSI_VPD_IDENTIFICATION, false, vpd_identification},
    {SCSI_VPD_LIMITS, true, vpd_limits},
    {SCSI_VPD_CHARACTERISTICS, true, vpd_characteristics},
    {SCSI_VPD_PROVISIONING, true, vpd_provisioning},
};

static bool vpd_has(const struct scsi_unit *unit, const struct vpd *vpd)
{
	return !vpd->disk_only || unit->type == SCSI_DISK;
}

static size_t vpd_pages(const struct scsi_unit *unit, uint8_t *p)
{
	size_t n = 0;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(vpds); i++)
		if (vpd_has(unit, &vpds[i]))
			p[n++] = vpds[i].page;
	return n;
}

static int vital(struct scsi_cmd *cmd, uint32_t alloc)
{
	uint8_t p[4 + VPD_BYTES] = {device_type(cmd->unit), cmd->cdb[2]};
	size_t len;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(vpds); i++)
		if (vpds[i].page == cmd->cdb[2] && vpd_has(cmd->unit, &vpds[i]))
			break;
	if (i == ARRAY_LEN(vpds))
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	len = vpds[i].fn(cmd->unit, p + 4);
	scsi_put16(p + 2, (uint32_t)len);
	return scsi_reply(cmd, p, 4 + len, alloc);
}

int scsi_inquiry(struct scsi_cmd *cmd)
{
	uint32_t alloc = scsi_get16(cmd->cdb + 3);

	if (cmd->cdb[1] & 1)
		return vital(cmd, alloc);
	if (cmd->cdb[2])
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	return standard(cmd, alloc);
}
