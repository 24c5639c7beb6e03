/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a CD/DVD drive knows beyond a disk (MMC-5, chapter 6): table of
 * contents, configuration, events. The medium is one data track.
 */
#include "dev/cd.h"
#include "dev/virtio_scsi/scsi_internal.h"

#define LEADOUT_TRACK	0xaau
#define DATA_TRACK	0x14u	/* ADR 1, control: data */
#define CD_BLOCKS_MAX	405000u /* 90 minutes: a larger one is a DVD */
#define PROFILE_CD_ROM	0x0008u
#define PROFILE_DVD_ROM 0x0010u
#define TOC_FORMAT	0u
#define TOC_SESSIONS	1u
#define EVENT_MEDIA	4u
#define EVENT_NONE_BIT	0x80u
#define MEDIUM_PRESENT	0x02u
#define TRAY_OPEN	0x01u

/* ---- READ TOC (6.26) ---- */

static void put_address(uint8_t *p, uint32_t block, bool msf)
{
	if (!msf) {
		scsi_put32(p, block);
		return;
	}
	p[0] = 0;
	cd_put_msf(p + 1, block);
}

static void put_track(uint8_t *p, uint8_t track, uint32_t block, bool msf)
{
	p[1] = DATA_TRACK;
	p[2] = track;
	put_address(p + 4, block, msf);
}

int scsi_read_toc(struct scsi_cmd *cmd)
{
	bool msf = cmd->cdb[1] & 2;
	unsigned format = cmd->cdb[2] & 0xf, first = cmd->cdb[6];
	uint32_t alloc = scsi_get16(cmd->cdb + 7);
	uint8_t p[20] = {0, 0, 1, 1}; /* first and last track or session */
	uint32_t end =
	    (uint32_t)MIN(cmd->unit->blocks, (uint64_t)UINT32_MAX - CD_PREGAP);
	size_t len = 4;

	/* Old drivers put the format into the control byte. */
	if (!format)
		format = cmd->cdb[9] >> 6;
	if (format > TOC_SESSIONS ||
	    (format == TOC_FORMAT && first > 1 && first != LEADOUT_TRACK))
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	if (format == TOC_SESSIONS || first <= 1) {
		put_track(p + len, 1, 0, msf);
		len += 8;
	}
	if (format == TOC_FORMAT) {
		put_track(p + len, LEADOUT_TRACK, end, msf);
		len += 8;
	}
	scsi_put16(p, (uint32_t)len - 2);
	return scsi_reply(cmd, p, len, alloc);
}

/* ---- GET CONFIGURATION (6.6) ---- */

struct feature {
	uint16_t code;
	uint8_t version; /* version, persistent and current bits */
	uint8_t len;
	uint8_t data[8];
};

static const struct feature features[] = {
    /* profiles: DVD-ROM, CD-ROM; the current one is marked when sent */
    {0x0000, 0x03, 8, {0, 0x10, 0, 0, 0, 0x08, 0, 0}},
    /* core: SCSI; morphing: events by polling */
    {0x0001, 0x0b, 8, {0, 0, 0, 1, 1, 0, 0, 0}},
    {0x0002, 0x07, 4, {0}},
    /* removable: tray, ejects, locks */
    {0x0003, 0x03, 4, {0x29}},
    /* random readable: blocks of 2048 bytes, one at a time */
    {0x0010, 0x00, 8, {0, 0, 8, 0, 0, 1, 0, 0}},
    {0x001e, 0x08, 4, {0}}, /* CD read */
    {0x001f, 0x08, 4, {1}}, /* DVD read */
    {0x0100, 0x03, 0, {0}}, /* power management */
};

static unsigned profile(const struct scsi_unit *unit)
{
	if (unit->ejected)
		return 0;
	return unit->blocks > CD_BLOCKS_MAX ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

static bool feature_current(const struct scsi_unit *unit, unsigned code)
{
	switch (code) {
	case 0x0010:
		return !unit->ejected;
	case 0x001e:
		return profile(unit) == PROFILE_CD_ROM;
	case 0x001f:
		return profile(unit) == PROFILE_DVD_ROM;
	default:
		return true;
	}
}

static size_t put_feature(const struct scsi_unit *unit, const struct feature *f,
			  uint8_t *p)
{
	unsigned i;

	scsi_put16(p, f->code);
	p[2] = f->version;
	if (feature_current(unit, f->code))
		p[2] |= 1;
	p[3] = f->len;
	for (i = 0; i < f->len; i++)
		p[4 + i] = f->data[i];
	if (f->code == 0) {
		p[4 + 2] = profile(unit) == PROFILE_DVD_ROM;
		p[4 + 6] = profile(unit) == PROFILE_CD_ROM;
	}
	return 4u + f->len;
}

int scsi_get_configuration(struct scsi_cmd *cmd)
{
	unsigned which = cmd->cdb[1] & 3, start = scsi_get16(cmd->cdb + 2), i;
	uint8_t p[8 + ARRAY_LEN(features) * 12] = {0};
	size_t len = 8;

	if (which == 3)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	for (i = 0; i < ARRAY_LEN(features); i++) {
		const struct feature *f = &features[i];

		if (f->code < start || (which == 2 && f->code != start) ||
		    (which == 1 && !feature_current(cmd->unit, f->code)))
			continue;
		len += put_feature(cmd->unit, f, p + len);
	}
	scsi_put32(p, (uint32_t)len - 4);
	scsi_put16(p + 6, profile(cmd->unit));
	return scsi_reply(cmd, p, len, scsi_get16(cmd->cdb + 7));
}

/* ---- GET EVENT STATUS NOTIFICATION (6.7) ---- */

int scsi_get_event_status(struct scsi_cmd *cmd)
{
	struct scsi_unit *unit = cmd->unit;
	bool media = cmd->cdb[4] & BIT(EVENT_MEDIA);
	uint32_t alloc = scsi_get16(cmd->cdb + 7);
	uint8_t p[8] = {0};

	if (!(cmd->cdb[1] & 1))
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD); /* polling only */
	p[1] = media ? 6 : 2;
	p[2] = media ? EVENT_MEDIA : EVENT_NONE_BIT;
	p[3] = BIT(EVENT_MEDIA); /* the one class there is */
	if (!media)
		return scsi_reply(cmd, p, 4, alloc);
	p[4] = unit->event;
	p[5] = unit->ejected ? TRAY_OPEN : MEDIUM_PRESENT;
	/* Reported is over, if there was room for it. */
	if (alloc > 4)
		unit->event = SCSI_EVENT_NONE;
	return scsi_reply(cmd, p, sizeof(p), alloc);
}

/* ---- READ DISC INFORMATION (6.22) ---- */

int scsi_read_disc_info(struct scsi_cmd *cmd)
{
	uint8_t p[34] = {0};

	if (cmd->cdb[1] & 7)
		return SCSI_FAIL(SCSI_SENSE_CDB_FIELD);
	scsi_put16(p, sizeof(p) - 2);
	p[2] = 0x0e; /* last session complete, disc finalized */
	p[3] = p[4] = p[5] = p[6] = 1; /* tracks and sessions */
	p[7] = 0x20;		       /* no restriction of use */
	return scsi_reply(cmd, p, sizeof(p), scsi_get16(cmd->cdb + 7));
}
