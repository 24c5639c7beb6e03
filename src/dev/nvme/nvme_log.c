/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log pages, and the events that tell the driver to read one.
 *
 * An event is reported when the driver has an Async Event Request waiting;
 * then its type is masked until the driver has read the log page (5.2).
 *
 * Source: NVMe 1.4, 5.2 (events), 5.14 (log pages).
 */
#include <endian.h>
#include <string.h>

#include "dev/nvme/nvme_internal.h"

#define INVALID	    (NVME_SC_INVALID_FIELD | NVME_SC_DNR)
#define SPARE	    100u
#define SPARE_LEAST 10u
#define UNIT_BLOCKS 1000u
#define NS_PER_HOUR (3600 * NS_PER_S)

static const struct {
	uint8_t type, info, log;
} event_info[NVME_EVENTS] = {
    [NVME_EV_BAD_DOORBELL] = {NVME_EVENT_ERROR, NVME_EVENT_BAD_DOORBELL,
			      NVME_LOG_ERROR},
    [NVME_EV_BAD_VALUE] = {NVME_EVENT_ERROR, NVME_EVENT_BAD_VALUE,
			   NVME_LOG_ERROR},
    [NVME_EV_TEMPERATURE] = {NVME_EVENT_SMART, NVME_EVENT_TEMPERATURE,
			     NVME_LOG_SMART},
};

/* ---- events ---- */

static bool event_ready(const struct nvme *nvme, unsigned event)
{
	return (nvme->events & BIT(event)) &&
	       !(nvme->events_masked & BIT(event_info[event].type));
}

void nvme_events_send(struct nvme *nvme)
{
	unsigned i;

	for (i = 0; i < NVME_EVENTS && nvme->aers && nvme_live(nvme); i++) {
		if (!event_ready(nvme, i))
			continue;
		/* No room: the next head of the admin queue brings us here. */
		if (!nvme_reserve(nvme, &nvme->sq[0]))
			return;
		nvme->events &= ~BIT(i);
		nvme->events_masked |= BIT(event_info[i].type);
		nvme_answer(nvme, &nvme->sq[0], nvme->aer_cid[--nvme->aers],
			    NVME_SC_SUCCESS,
			    event_info[i].type |
				(uint32_t)event_info[i].info << 8 |
				(uint32_t)event_info[i].log << 16);
	}
}

void nvme_event(struct nvme *nvme, enum nvme_event event)
{
	if (event == NVME_EV_TEMPERATURE &&
	    !(nvme->feat.async_events & NVME_EVENT_WANT_TEMPERATURE))
		return;
	nvme->events |= BIT(event);
	nvme_events_send(nvme);
}

uint16_t nvme_async_event(struct nvme *nvme, const struct nvme_command *cmd)
{
	if (nvme->aers == NVME_AERS)
		return NVME_SC_AER_LIMIT | NVME_SC_DNR;
	nvme->aer_cid[nvme->aers++] = cmd->cid;
	nvme_unreserve(nvme, &nvme->sq[0]);
	nvme_events_send(nvme);
	return NVME_PENDING;
}

/* The driver looked: events of these types may be reported again. */
static void events_unmask(struct nvme *nvme, uint8_t log)
{
	unsigned i;

	for (i = 0; i < NVME_EVENTS; i++)
		if (event_info[i].log == log)
			nvme->events_masked &= ~BIT(event_info[i].type);
	nvme_events_send(nvme);
}

/* ---- the error log ---- */

void nvme_log_error(struct nvme *nvme, const struct nvme_sq *sq, uint16_t cid,
		    uint16_t status, uint64_t lba)
{
	memmove(&nvme->error[1], &nvme->error[0],
		sizeof(nvme->error) - sizeof(nvme->error[0]));
	nvme->error[0] = (struct nvme_error_entry){
	    .count = htole64(++nvme->stats.errors),
	    .sq_id = htole16(sq->id),
	    .cid = htole16(cid),
	    .status = htole16((uint16_t)(status << 1)),
	    .location = htole16(NVME_ERROR_NO_LOCATION),
	    .lba = htole64(lba),
	    .nsid = htole32(1),
	};
}

/* ---- pages ---- */

uint8_t nvme_critical_warning(const struct nvme *nvme)
{
	return NVME_TEMPERATURE >= nvme->feat.over_k ||
		       NVME_TEMPERATURE <= nvme->feat.under_k
		   ? NVME_SMART_TEMPERATURE
		   : 0;
}

static struct nvme_u128 u128(uint64_t v)
{
	return (struct nvme_u128){.low = htole64(v)};
}

static void fill_smart(const struct nvme *nvme, struct nvme_smart_log *log)
{
	const struct nvme_stats *stats = &nvme->stats;
	uint64_t up = nvme->clock->mono_ns(nvme->clock) - nvme->start_ns;

	*log = (struct nvme_smart_log){
	    .critical_warning = nvme_critical_warning(nvme),
	    .temperature_k = htole16(NVME_TEMPERATURE),
	    .spare_percent = SPARE,
	    .spare_threshold = SPARE_LEAST,
	    /* Rounded up (5.14.1.2). */
	    .units_read =
		u128((stats->blocks_read + UNIT_BLOCKS - 1) / UNIT_BLOCKS),
	    .units_written =
		u128((stats->blocks_written + UNIT_BLOCKS - 1) / UNIT_BLOCKS),
	    .reads = u128(stats->reads),
	    .writes = u128(stats->writes),
	    .power_cycles = u128(1),
	    .power_on_hours = u128(up / NS_PER_HOUR),
	    .media_errors = u128(stats->media_errors),
	    .error_entries = u128(stats->errors),
	};
}

static void fill_firmware(struct nvme_firmware_log *log)
{
	*log = (struct nvme_firmware_log){.active = 1};
	memcpy(log->revision[0], NVME_FIRMWARE, sizeof(log->revision[0]));
}

/* Which bytes of the page, and where they go. */
static uint16_t send_page(struct nvme *nvme, const struct nvme_command *cmd,
			  const void *page, uint64_t len)
{
	uint64_t want =
	    ((cmd->cdw10 >> 16 | (uint64_t)cmd->cdw11 << 16) & UINT32_MAX) + 1;
	uint64_t off = cmd->cdw12 | (uint64_t)cmd->cdw13 << 32;

	want *= sizeof(uint32_t);
	if ((off & 3) || off > len || want > NVME_DATA_MAX)
		return INVALID;
	return nvme_copy_out(nvme, cmd, (const uint8_t *)page + off, len - off,
			     want);
}

static uint16_t get_page(struct nvme *nvme, const struct nvme_command *cmd)
{
	struct nvme_firmware_log firmware;
	struct nvme_smart_log smart;

	switch (cmd->cdw10 & 0xff) {
	case NVME_LOG_ERROR:
		return send_page(nvme, cmd, nvme->error, sizeof(nvme->error));
	case NVME_LOG_SMART:
		if (cmd->nsid > 1 && cmd->nsid != NVME_NSID_ALL)
			return NVME_SC_INVALID_NS | NVME_SC_DNR;
		fill_smart(nvme, &smart);
		return send_page(nvme, cmd, &smart, sizeof(smart));
	case NVME_LOG_FIRMWARE:
		fill_firmware(&firmware);
		return send_page(nvme, cmd, &firmware, sizeof(firmware));
	default:
		return NVME_SC_LOG_PAGE | NVME_SC_DNR;
	}
}

uint16_t nvme_get_log(struct nvme *nvme, const struct nvme_command *cmd)
{
	uint16_t status = get_page(nvme, cmd);

	if (!status && !(cmd->cdw10 & NVME_LOG_RAE))
		events_unmask(nvme, cmd->cdw10 & 0xff);
	return status;
}
