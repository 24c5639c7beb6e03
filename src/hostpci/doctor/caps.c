/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks a function's capabilities; the contract is caps.h. */
#include "hostpci/doctor/caps.h"

#define STATUS	       0x06
#define STATUS_CAPS    0x10
#define CAPS_FIRST     0x34
#define STANDARD_BYTES 256u
#define STANDARD_MAX   48u /* 192 bytes, at least 4 each */
#define EXTENDED_FIRST 0x100u
#define EXTENDED_MAX   480u /* 3840 bytes, at least 8 each */

static void standard_note(struct caps *caps, uint8_t id, uint16_t at)
{
	uint16_t *slot = NULL;

	switch (id) {
	case 0x01:
		slot = &caps->pm;
		break;
	case 0x05:
		slot = &caps->msi;
		break;
	case 0x10:
		slot = &caps->pcie;
		break;
	case 0x11:
		slot = &caps->msix;
		break;
	case 0x13:
		slot = &caps->af;
		break;
	case 0x14:
		slot = &caps->ea;
		break;
	default:
		break;
	}
	if (slot && !*slot)
		*slot = at;
}

static void extended_note(struct caps *caps, uint16_t id, uint16_t at)
{
	uint16_t *slot = NULL;

	switch (id) {
	case 0x0001:
		slot = &caps->aer;
		break;
	case 0x0003:
		slot = &caps->dsn;
		break;
	case 0x000d:
		slot = &caps->acs;
		break;
	case 0x000e:
		slot = &caps->ari;
		break;
	case 0x000f:
		slot = &caps->ats;
		break;
	case 0x0010:
		slot = &caps->sriov;
		break;
	case 0x0015:
		slot = &caps->rebar;
		break;
	default:
		break;
	}
	if (slot && !*slot)
		*slot = at;
}

static void standard_walk(const uint8_t *config, size_t len, struct caps *caps)
{
	uint8_t at = config[CAPS_FIRST] & 0xfc;
	unsigned steps = 0;

	if (!(config_u16(config, len, STATUS) & STATUS_CAPS))
		return;
	while (at) {
		if (at < 0x40 || ++steps > STANDARD_MAX) {
			caps->broken = true;
			return;
		}
		standard_note(caps, config[at], at);
		at = config[at + 1] & 0xfc;
	}
}

static void extended_walk(const uint8_t *config, size_t len, struct caps *caps)
{
	size_t at = EXTENDED_FIRST;
	unsigned steps = 0;

	while (at) {
		uint32_t head = config_u32(config, len, at);

		if (at < EXTENDED_FIRST || !range_inside(at, 4, 0, len) ||
		    ++steps > EXTENDED_MAX) {
			caps->broken = true;
			return;
		}
		if (head == 0 || head == 0xffffffff)
			return;
		extended_note(caps, (uint16_t)head, (uint16_t)at);
		at = head >> 20 & 0xffc;
	}
}

void caps_find(const uint8_t *config, size_t len, struct caps *ret_caps)
{
	struct caps caps = {0};

	if (len >= STANDARD_BYTES && !config_is_ones(config, len)) {
		caps.known = true;
		standard_walk(config, len, &caps);
	}
	if (caps.known && len > STANDARD_BYTES) {
		caps.extended_known = true;
		extended_walk(config, len, &caps);
	}
	*ret_caps = caps;
}
