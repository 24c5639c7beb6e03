/* SPDX-License-Identifier: BSD-2-Clause */
/* Overrides of a PCI function's identity; the contract is in pcireg.h. */
#include "dev/pcireg.h"

#include <string.h>

#include "base/log.h"

/* The number at pcireg.<name>, or *value when it is unset or `host`. */
static int read_one(struct cfg *pcireg, const char *name, uint64_t max,
		    struct err *err, uint64_t *value)
{
	const char *raw = cfg_raw(pcireg, name);
	char path[CFG_PATH_MAX];

	if (raw && !strcmp(raw, "host")) {
		cfg_path(pcireg, path, sizeof(path));
		log_warn("%s.%s: copying the host's value is not supported, "
			 "using 0x%04x; give a number to change it",
			 path, name, (unsigned)*value);
		return 0;
	}
	return cfg_u64(pcireg, name, *value, 0, max, err, value);
}

int pcireg_apply(struct cfg *node, struct err *err, struct pci_ids *ids)
{
	static const char *const known[] = {"vendor",	 "device",    "revid",
					    "subvendor", "subdevice", NULL};
	struct cfg *pcireg = cfg_find(node, "pcireg");
	uint64_t vendor = ids->vendor, device = ids->device;
	uint64_t subvendor = ids->subvendor, subdevice = ids->subdevice;
	uint64_t revision = ids->revision;
	int r;

	if (!pcireg)
		return 0;
	r = cfg_check_known(pcireg, known, err);
	if (!r)
		r = read_one(pcireg, "vendor", 0xfffe, err, &vendor);
	if (!r)
		r = read_one(pcireg, "device", 0xffff, err, &device);
	if (!r)
		r = read_one(pcireg, "revid", 0xff, err, &revision);
	if (!r)
		r = read_one(pcireg, "subvendor", 0xffff, err, &subvendor);
	if (!r)
		r = read_one(pcireg, "subdevice", 0xffff, err, &subdevice);
	if (r)
		return r;
	ids->vendor = (uint16_t)vendor;
	ids->device = (uint16_t)device;
	ids->revision = (uint8_t)revision;
	ids->subvendor = (uint16_t)subvendor;
	ids->subdevice = (uint16_t)subdevice;
	return 0;
}
