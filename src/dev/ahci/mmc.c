/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a CD/DVD drive answers to packet commands (MMC-5, chapter 6; SPC-3 for
 * INQUIRY, MODE SENSE and sense data): built in the port's scratch page, cut to
 * the length the guest allows.
 */
#include <string.h>

#include "dev/ahci/ahci_internal.h"
#include "dev/cd.h"

#define LEADOUT_TRACK	 0xaau
#define CONTROL_DATA	 0x14u	 /* ADR 1, data track */
#define CD_MAX_BLOCKS	 405000u /* 90 minutes: larger is a DVD */
#define LOADING_TRAY	 0x20u
#define SENSE_BYTES	 18u
#define INQUIRY_BYTES	 36u
#define DISC_INFO_BYTES	 34u
#define TRACK_INFO_BYTES 36u

/* A zeroed answer of `len` bytes. */
static uint8_t *answer(struct ahci_slot *slot, size_t len)
{
	memset(slot->port->scratch, 0, len);
	return slot->port->scratch;
}

static int cut(size_t len, uint32_t allowed)
{
	return (int)MIN(len, (size_t)allowed);
}

/* Pads with spaces, as SCSI strings are. */
static void put_text(uint8_t *dst, const char *text, size_t len)
{
	size_t n = MIN(strlen(text), len);

	memset(dst, ' ', len);
	memcpy(dst, text, n);
}

int mmc_request_sense(struct ahci_slot *slot)
{
	uint8_t *p = answer(slot, SENSE_BYTES);
	uint32_t sense = slot->port->sense;

	p[0] = 0x70; /* current error, fixed format */
	p[2] = (uint8_t)(sense >> 16);
	p[7] = SENSE_BYTES - 8;
	be16_put(p + 12, sense & 0xffff);
	slot->port->sense = MMC_SENSE_NONE;
	return cut(SENSE_BYTES, slot->cdb[4]);
}

int mmc_inquiry(struct ahci_slot *slot)
{
	const char *product = slot->port->model;
	uint8_t *p = answer(slot, INQUIRY_BYTES);

	/* No vital product data pages. */
	if ((slot->cdb[1] & 1) || slot->cdb[2])
		return -MMC_SENSE_BAD_FIELD;
	if (!strncmp(product, "BYWAY ", 6))
		product += 6;
	p[0] = 0x05; /* CD/DVD */
	p[1] = 0x80; /* removable medium */
	p[3] = 0x21; /* ATAPI, response data format 1 */
	p[4] = INQUIRY_BYTES - 5;
	put_text(p + 8, "BYWAY", 8);
	put_text(p + 16, product, 16);
	put_text(p + 32, slot->port->firmware, 4);
	return cut(INQUIRY_BYTES, be16_get(slot->cdb + 3));
}

int mmc_read_capacity(struct ahci_slot *slot)
{
	uint8_t *p = answer(slot, 8);

	be32_put(p, atapi_blocks(slot->port) - 1);
	be32_put(p + 4, ATAPI_SECTOR);
	return 8;
}

/* ---- table of contents: one data track ---- */

static uint8_t *put_track(uint8_t *p, uint8_t number, uint32_t lba, bool msf)
{
	p[1] = CONTROL_DATA;
	p[2] = number;
	if (msf)
		cd_put_msf(p + 5, lba);
	else
		be32_put(p + 4, lba);
	return p + 8;
}

static uint8_t *put_raw(uint8_t *p, uint8_t point, uint8_t value)
{
	p[0] = 1; /* session */
	p[1] = CONTROL_DATA;
	p[3] = point;
	p[8] = value;
	return p + 11;
}

static uint8_t *put_raw_toc(uint8_t *p, uint32_t blocks)
{
	p = put_raw(p, 0xa0, 1); /* first track */
	p = put_raw(p, 0xa1, 1); /* last track */
	p = put_raw(p, 0xa2, 0);
	cd_put_msf(p - 3, blocks); /* lead-out */
	p = put_raw(p, 1, 0);
	cd_put_msf(p - 3, 0);
	return p;
}

int mmc_read_toc(struct ahci_slot *slot)
{
	const uint8_t *cdb = slot->cdb;
	uint32_t blocks = atapi_blocks(slot->port);
	uint8_t *p = answer(slot, 128), *end = p + 4;
	bool msf = cdb[1] & 2;
	unsigned format = cdb[2] & 0xf;

	p[2] = p[3] = 1; /* first and last track, or session */
	if (!format)
		format = cdb[9] >> 6; /* where ATAPI once had it */
	switch (format) {
	case 0:
		if (cdb[6] > 1 && cdb[6] != LEADOUT_TRACK)
			return -MMC_SENSE_BAD_FIELD;
		if (cdb[6] <= 1)
			end = put_track(end, 1, 0, msf);
		end = put_track(end, LEADOUT_TRACK, blocks, msf);
		break;
	case 1:
		end = put_track(end, 1, 0, msf);
		break;
	case 2:
		end = put_raw_toc(end, blocks);
		break;
	default:
		return -MMC_SENSE_BAD_FIELD;
	}
	be16_put(p, (uint32_t)(end - p) - 2);
	return cut((size_t)(end - p), be16_get(cdb + 7));
}

int mmc_disc_info(struct ahci_slot *slot)
{
	uint8_t *p = answer(slot, DISC_INFO_BYTES);

	if (slot->cdb[1] & 7)
		return -MMC_SENSE_BAD_FIELD;
	be16_put(p, DISC_INFO_BYTES - 2);
	p[2] = 0x0e; /* last session complete, disc finalised */
	p[3] = p[4] = p[5] = p[6] = 1; /* one session, one track */
	p[7] = 0x20;		       /* unrestricted use */
	memset(p + 16, 0xff, 8);       /* nothing can be added */
	return cut(DISC_INFO_BYTES, be16_get(slot->cdb + 7));
}

int mmc_track_info(struct ahci_slot *slot)
{
	uint8_t *p = answer(slot, TRACK_INFO_BYTES);

	be16_put(p, TRACK_INFO_BYTES - 2);
	p[2] = p[3] = 1; /* track and session */
	p[5] = 0x04;	 /* data */
	p[6] = 0x01;	 /* mode 1 */
	be32_put(p + 24, atapi_blocks(slot->port));
	return cut(TRACK_INFO_BYTES, be16_get(slot->cdb + 7));
}

/* ---- state ---- */

int mmc_mechanism(struct ahci_slot *slot)
{
	uint8_t *p = answer(slot, 8);

	p[1] = slot->port->tray_open ? 0x10 : 0;
	return cut(8, be16_get(slot->cdb + 8));
}

int mmc_get_event(struct ahci_slot *slot)
{
	struct ahci_port *port = slot->port;
	uint8_t *p = answer(slot, 8);
	uint32_t alloc = be16_get(slot->cdb + 7);
	size_t len = 4;

	/* Only polling: there is nothing to wait for. */
	if (!(slot->cdb[1] & 1))
		return -MMC_SENSE_BAD_FIELD;
	p[3] = 0x10; /* media events are the only ones */
	if (slot->cdb[4] & 0x10) {
		len = 8;
		p[2] = 4;
		p[4] = port->media_event;
		p[5] = (uint8_t)((port->tray_open ? 1 : 0) |
				 (atapi_has_medium(port) ? 2 : 0));
		/* Reported is over, if there was room for it. */
		if (alloc > 4)
			port->media_event = 0;
	} else {
		p[2] = 0x80; /* none of the classes asked for */
	}
	be16_put(p, (uint32_t)len - 2);
	return cut(len, alloc);
}

/* ---- mode pages ---- */

static const uint8_t page_recovery[12] = {
    [0] = 0x01, [1] = 10, [3] = 3, /* tries */
};
static const uint8_t page_capabilities[22] = {
    [0] = 0x2a,
    [1] = 20,
    [2] = 0x0b,		       /* reads CD-R, CD-RW, DVD-ROM; writes nothing */
    [4] = 0x70,		       /* mode 2, multi-session */
    [6] = LOADING_TRAY | 0x09, /* ejects and locks */
    [8] = 0x15,
    [9] = 0x7c,	 /* 5500 kB/s at most */
    [12] = 2,	 /* 512 KiB buffer */
    [14] = 0x15, /* the speed now */
    [15] = 0x7c,
};

struct mode_page {
	const uint8_t *data;
	size_t len;
};

static const struct mode_page mode_pages[] = {
    {page_recovery, sizeof(page_recovery)},
    {page_capabilities, sizeof(page_capabilities)},
};

int mmc_mode_sense(struct ahci_slot *slot)
{
	unsigned page = slot->cdb[2] & 0x3f, control = slot->cdb[2] >> 6, i;
	uint8_t *p = answer(slot, 64), *end = p + 8;

	if (control == 3) /* saved values: there are none */
		return -MMC_SENSE_BAD_FIELD;
	for (i = 0; i < ARRAY_LEN(mode_pages); i++) {
		const struct mode_page *m = &mode_pages[i];

		if (page != m->data[0] && page != 0x3f)
			continue;
		/* Nothing can be changed: that mask is all zeroes. */
		memcpy(end, m->data, control == 1 ? 2 : m->len);
		if (m->data[0] == 0x2a && control != 1 &&
		    slot->port->tray_locked)
			end[6] |= 0x02;
		end += m->len;
	}
	if (end == p + 8)
		return -MMC_SENSE_BAD_FIELD;
	be16_put(p, (uint32_t)(end - p) - 2);
	return cut((size_t)(end - p), be16_get(slot->cdb + 7));
}

/* ---- GET CONFIGURATION ---- */

#define FEATURE_PERSISTENT 0x02u
#define FEATURE_CURRENT	   0x01u

enum feature_current {
	ALWAYS,
	WITH_MEDIUM,
	WITH_CD,
	WITH_DVD,
};

struct feature {
	uint16_t code;
	uint8_t flags; /* version and persistence */
	uint8_t current;
	uint8_t len; /* of what follows the header of 4 */
	uint8_t data[8];
};

/* The profile list's current bits are filled in when it is asked for. */
static const struct feature features[] = {
    {0x0000, FEATURE_PERSISTENT, ALWAYS, 8, {0, 0x10, 0, 0, 0, 0x08, 0, 0}},
    {0x0001, 0x08 | FEATURE_PERSISTENT, ALWAYS, 8, {0, 0, 0, 7, 0}},
    {0x0002, 0x04 | FEATURE_PERSISTENT, ALWAYS, 4, {0x02}},
    {0x0003, FEATURE_PERSISTENT, ALWAYS, 4, {LOADING_TRAY | 0x09}},
    {0x0010, 0, WITH_MEDIUM, 8, {0, 0, 8, 0, 0, 0x10, 0, 0}},
    {0x001e, 0x08, WITH_CD, 4, {0}},
    {0x001f, 0, WITH_DVD, 4, {0}},
};

static uint32_t current_profile(const struct ahci_port *port)
{
	if (!atapi_has_medium(port))
		return 0;
	return atapi_blocks(port) > CD_MAX_BLOCKS ? MMC_PROFILE_DVD
						  : MMC_PROFILE_CDROM;
}

static bool is_current(const struct feature *feature, uint32_t profile)
{
	switch (feature->current) {
	case WITH_MEDIUM:
		return profile != 0;
	case WITH_CD:
		return profile == MMC_PROFILE_CDROM;
	case WITH_DVD:
		return profile == MMC_PROFILE_DVD;
	default:
		return true;
	}
}

static uint8_t *put_feature(uint8_t *p, const struct feature *feature,
			    uint32_t profile)
{
	be16_put(p, feature->code);
	p[2] = feature->flags;
	if (is_current(feature, profile))
		p[2] |= FEATURE_CURRENT;
	p[3] = feature->len;
	memcpy(p + 4, feature->data, feature->len);
	if (feature->code == 0) {
		p[6] = profile == MMC_PROFILE_DVD;
		p[10] = profile == MMC_PROFILE_CDROM;
	}
	return p + 4 + feature->len;
}

int mmc_get_configuration(struct ahci_slot *slot)
{
	uint32_t profile = current_profile(slot->port), i;
	uint32_t first = be16_get(slot->cdb + 2);
	unsigned type = slot->cdb[1] & 3;
	uint8_t *p = answer(slot, 128), *end = p + 8;

	if (type == 3)
		return -MMC_SENSE_BAD_FIELD;
	for (i = 0; i < ARRAY_LEN(features); i++) {
		const struct feature *feature = &features[i];

		if (feature->code < first ||
		    (type == 1 && !is_current(feature, profile)) ||
		    (type == 2 && feature->code != first))
			continue;
		end = put_feature(end, feature, profile);
	}
	be32_put(p, (uint32_t)(end - p) - 4);
	be16_put(p + 6, profile);
	return cut((size_t)(end - p), be16_get(slot->cdb + 7));
}
