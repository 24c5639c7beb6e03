/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a function's capabilities are. The bytes are the device's: chains are
 * bounded, offsets checked; a chain that loops or leaves is `broken`.
 * Sources: PCI 3.0 section 6.7, PCI Express 5.0 sections 7.5 and 7.6.
 */
#ifndef HOSTPCI_DOCTOR_CAPS_H
#define HOSTPCI_DOCTOR_CAPS_H

#include "base/base.h"

/* Offsets; 0: not there. */
struct caps {
	uint16_t pm, msi, msix, pcie, af, ea;
	uint16_t aer, acs, sriov, rebar, dsn, ats, ari;
	bool broken;
	bool known;	     /* the standard chain could be read */
	bool extended_known; /* and the extended one */
};

void caps_find(const uint8_t *config, size_t len, struct caps *ret_caps);

static inline uint16_t config_u16(const uint8_t *config, size_t len,
				  size_t offset)
{
	if (!range_inside(offset, 2, 0, len))
		return 0;
	return (uint16_t)(config[offset] | config[offset + 1] << 8);
}

static inline uint32_t config_u32(const uint8_t *config, size_t len,
				  size_t offset)
{
	if (!range_inside(offset, 4, 0, len))
		return 0;
	return config_u16(config, len, offset) |
	       (uint32_t)config_u16(config, len, offset + 2) << 16;
}

/* All ones: nobody answers. Virtual functions have ones as ids only. */
static inline bool config_is_ones(const uint8_t *config, size_t len)
{
	return config_u32(config, len, 0) == 0xffffffff &&
	       config_u32(config, len, 8) == 0xffffffff;
}

#endif
