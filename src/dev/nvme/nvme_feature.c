/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Get and Set Features. Nothing is saved over a reset.
 * Source: NVMe 1.4, 5.9, 5.21.
 */
#include "dev/nvme/nvme_internal.h"

#define INVALID		 (NVME_SC_INVALID_FIELD | NVME_SC_DNR)
#define ARBITRATION_MASK 0xffffff07u
#define BURST_DEFAULT	 3u
#define COALESCING_MASK	 0xffffu
#define ATOMICITY_MASK	 0x1u
#define EVENTS_MASK	 0xffu /* SMART warnings */
#define RECOVERY_TIME	 0xffffu
#define RECOVERY_DULBE	 0x10000u
#define QUEUES_NONE	 0xffffu
#define VECTOR_CD	 0x10000u
#define POWER_STATE	 0x1fu
#define TEMP_KELVIN	 0xffffu
#define TEMP_SENSOR(v)	 ((v) >> 16 & 0xfu)
#define TEMP_SENSOR_ALL	 0xfu
#define TEMP_TYPE(v)	 ((v) >> 20 & 3u)
#define OVER_DEFAULT_K	 343u

void nvme_features_reset(struct nvme *nvme)
{
	nvme->feat = (struct nvme_features){
	    .arbitration = BURST_DEFAULT,
	    .over_k = OVER_DEFAULT_K,
	    .write_cache = nvme->info.write_cache,
	};
}

/* ---- the less simple ones ---- */

/* How many queues of each kind the driver wants; it gets no more. */
static uint16_t set_queues(struct nvme *nvme, uint32_t v, uint32_t *ret_dw0)
{
	uint32_t sqs = v & 0xffff, cqs = v >> 16;
	uint32_t most = nvme->params.queues - 1u;
	unsigned i;

	if (sqs == QUEUES_NONE || cqs == QUEUES_NONE)
		return INVALID;
	for (i = 1; i <= nvme->params.queues; i++)
		if (nvme->sq[i].size || nvme->cq[i].size)
			return NVME_SC_SEQUENCE | NVME_SC_DNR;
	sqs = MIN(sqs, most);
	cqs = MIN(cqs, most);
	nvme->sqs_allowed = (uint16_t)(sqs + 1);
	nvme->cqs_allowed = (uint16_t)(cqs + 1);
	*ret_dw0 = sqs | cqs << 16;
	return NVME_SC_SUCCESS;
}

/* What is in the cache is made stable before "off" is answered. */
static uint16_t set_write_cache(struct nvme *nvme,
				const struct nvme_command *cmd)
{
	bool on = cmd->cdw11 & 1, was = nvme->feat.write_cache;

	if (!nvme->info.write_cache)
		return INVALID;
	nvme->feat.write_cache = on;
	if (on || !was)
		return NVME_SC_SUCCESS;
	nvme_flush(nvme->admin_req, cmd->cid);
	return NVME_PENDING;
}

/* One sensor: the composite temperature. */
static bool has_sensor(uint32_t v, bool set)
{
	return TEMP_SENSOR(v) == 0 ||
	       (set && TEMP_SENSOR(v) == TEMP_SENSOR_ALL);
}

static uint16_t set_temperature(struct nvme *nvme, uint32_t v)
{
	if (!has_sensor(v, true) || TEMP_TYPE(v) > 1)
		return INVALID;
	if (TEMP_TYPE(v) == 0)
		nvme->feat.over_k = v & TEMP_KELVIN;
	else
		nvme->feat.under_k = v & TEMP_KELVIN;
	if (nvme_critical_warning(nvme))
		nvme_event(nvme, NVME_EV_TEMPERATURE);
	return NVME_SC_SUCCESS;
}

static uint16_t get_temperature(const struct nvme *nvme, uint32_t v,
				uint32_t *ret_dw0)
{
	if (!has_sensor(v, false) || TEMP_TYPE(v) > 1)
		return INVALID;
	*ret_dw0 = TEMP_TYPE(v) ? nvme->feat.under_k : nvme->feat.over_k;
	return NVME_SC_SUCCESS;
}

static uint16_t set_vector(struct nvme *nvme, uint32_t v)
{
	uint32_t vector = v & 0xffff;
	uint64_t *word;

	if (vector > nvme->params.queues)
		return INVALID;
	word = &nvme->feat.no_coalescing[vector / 64];
	if (v & VECTOR_CD)
		*word |= BIT64(vector % 64);
	else
		*word &= ~BIT64(vector % 64);
	return NVME_SC_SUCCESS;
}

static uint16_t get_vector(const struct nvme *nvme, uint32_t v,
			   uint32_t *ret_dw0)
{
	uint32_t vector = v & 0xffff;

	if (vector > nvme->params.queues)
		return INVALID;
	*ret_dw0 = vector;
	/* The admin queue's is never coalesced (5.21.1.9). */
	if (vector == 0 ||
	    (nvme->feat.no_coalescing[vector / 64] & BIT64(vector % 64)))
		*ret_dw0 |= VECTOR_CD;
	return NVME_SC_SUCCESS;
}

static uint16_t set_recovery(struct nvme *nvme, const struct nvme_command *cmd)
{
	if (cmd->nsid != 1 && cmd->nsid != NVME_NSID_ALL)
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	if (cmd->cdw11 & RECOVERY_DULBE)
		return INVALID;
	nvme->feat.error_recovery = cmd->cdw11 & RECOVERY_TIME;
	return NVME_SC_SUCCESS;
}

/* ---- the commands ---- */

uint16_t nvme_set_features(struct nvme *nvme, const struct nvme_command *cmd,
			   uint32_t *ret_dw0)
{
	uint32_t v = cmd->cdw11;

	if (cmd->cdw10 & NVME_FEAT_SAVE)
		return NVME_SC_FEATURE_NOT_SAVED | NVME_SC_DNR;
	switch (cmd->cdw10 & 0xff) {
	case NVME_FEAT_ARBITRATION:
		nvme->feat.arbitration = v & ARBITRATION_MASK;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_POWER:
		return v & POWER_STATE ? INVALID : NVME_SC_SUCCESS;
	case NVME_FEAT_TEMPERATURE:
		return set_temperature(nvme, v);
	case NVME_FEAT_ERROR_RECOVERY:
		return set_recovery(nvme, cmd);
	case NVME_FEAT_WRITE_CACHE:
		return set_write_cache(nvme, cmd);
	case NVME_FEAT_QUEUES:
		return set_queues(nvme, v, ret_dw0);
	case NVME_FEAT_COALESCING:
		nvme->feat.coalescing = v & COALESCING_MASK;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_VECTOR:
		return set_vector(nvme, v);
	case NVME_FEAT_ATOMICITY:
		nvme->feat.atomicity = v & ATOMICITY_MASK;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_ASYNC_EVENTS:
		nvme->feat.async_events = v & EVENTS_MASK;
		return NVME_SC_SUCCESS;
	default:
		return INVALID;
	}
}

uint16_t nvme_get_features(struct nvme *nvme, const struct nvme_command *cmd,
			   uint32_t *ret_dw0)
{
	/* Only current values: ONCS does not announce the others. */
	if (NVME_FEAT_SELECT(cmd->cdw10))
		return INVALID;
	switch (cmd->cdw10 & 0xff) {
	case NVME_FEAT_ARBITRATION:
		*ret_dw0 = nvme->feat.arbitration;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_POWER:
		return NVME_SC_SUCCESS;
	case NVME_FEAT_TEMPERATURE:
		return get_temperature(nvme, cmd->cdw11, ret_dw0);
	case NVME_FEAT_ERROR_RECOVERY:
		*ret_dw0 = nvme->feat.error_recovery;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_WRITE_CACHE:
		*ret_dw0 = nvme->feat.write_cache;
		return nvme->info.write_cache ? NVME_SC_SUCCESS : INVALID;
	case NVME_FEAT_QUEUES:
		*ret_dw0 = (nvme->sqs_allowed - 1u) | (nvme->cqs_allowed - 1u)
							  << 16;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_COALESCING:
		*ret_dw0 = nvme->feat.coalescing;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_VECTOR:
		return get_vector(nvme, cmd->cdw11, ret_dw0);
	case NVME_FEAT_ATOMICITY:
		*ret_dw0 = nvme->feat.atomicity;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_ASYNC_EVENTS:
		*ret_dw0 = nvme->feat.async_events;
		return NVME_SC_SUCCESS;
	default:
		return INVALID;
	}
}
