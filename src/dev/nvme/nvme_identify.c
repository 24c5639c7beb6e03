/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the controller and its one namespace say of themselves.
 * Source: NVMe 1.4, 5.15 (Identify).
 */
#include <endian.h>
#include <string.h>

#include "dev/nvme/nvme_internal.h"

#define ABORT_LIMIT	 3u /* 0's based, recommended */
#define SHUTDOWN_US	 10000000u
#define BURST_LOG2	 3u /* RAB: eight commands */
#define WARNING_K	 343u
#define CRITICAL_K	 353u
#define FIRST_BAD_IN_ALL 0xfffffffeu /* not allowed for a list's start */

static void put_text(char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, MIN(strlen(text), size));
}

/* An NVMe qualified name from the UUID (7.9). */
static void put_subnqn(char field[256], const uint8_t uuid[16])
{
	int n = snprintf(field, 256, "nqn.2014-08.org.nvmexpress:uuid:");
	unsigned i;

	for (i = 0; i < 16; i++)
		n += snprintf(field + n, 256 - (size_t)n, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      uuid[i]);
}

static uint16_t identify_controller(struct nvme *nvme,
				    const struct nvme_command *cmd)
{
	struct nvme_id_controller id = {
	    .vid = htole16(pci_cfg16(&nvme->pci, PCI_VENDOR_ID)),
	    .ssvid = htole16(pci_cfg16(&nvme->pci, PCI_SUBSYSTEM_VENDOR_ID)),
	    .rab = BURST_LOG2,
	    .mdts = NVME_MDTS,
	    .ver = htole32(NVME_VS_1_4),
	    .rtd3e = htole32(SHUTDOWN_US),
	    .cntrltype = NVME_CNTRLTYPE_IO,
	    .oacs = htole16(NVME_OACS_DOORBELL),
	    .acl = ABORT_LIMIT,
	    .aerl = NVME_AERS - 1,
	    .frmw = NVME_FRMW_ONE_FIXED,
	    .lpa = NVME_LPA_PER_NS | NVME_LPA_EXTENDED,
	    .elpe = NVME_ERRORS - 1,
	    .wctemp = htole16(WARNING_K),
	    .cctemp = htole16(CRITICAL_K),
	    .sqes = NVME_SQES_64,
	    .cqes = NVME_CQES_16,
	    .nn = htole32(1),
	    .oncs = htole16(NVME_ONCS_ZEROES |
			    (nvme->params.dsm ? NVME_ONCS_DSM : 0)),
	    .vwc = NVME_VWC_FLUSH_ALL |
		   (nvme->info.write_cache ? NVME_VWC_PRESENT : 0),
	};

	put_text(id.sn, sizeof(id.sn), nvme->params.serial);
	put_text(id.mn, sizeof(id.mn), nvme->params.model);
	put_text(id.fr, sizeof(id.fr), NVME_FIRMWARE);
	put_subnqn(id.subnqn, nvme->params.uuid);
	return nvme_copy_out(nvme, cmd, &id, sizeof(id), NVME_IDENTIFY_BYTES);
}

/* Physical sectors in logical ones, 0's based. */
static uint16_t granularity(const struct nvme *nvme)
{
	uint32_t lbas = nvme->info.physical_sector >> nvme->params.lba_shift;

	return htole16((uint16_t)(MAX(lbas, 1u) - 1));
}

static uint16_t identify_namespace(struct nvme *nvme,
				   const struct nvme_command *cmd)
{
	uint16_t unit = granularity(nvme);
	uint64_t eui64 = htobe64(nvme->params.eui64);
	struct nvme_id_namespace id = {
	    .nsze = htole64(nvme->blocks),
	    .ncap = htole64(nvme->blocks),
	    .nuse = htole64(nvme->blocks),
	    .nsfeat = NVME_NSFEAT_OPTPERF,
	    .dlfeat = nvme->params.dsm ? NVME_DLFEAT_ZEROES : 0,
	    .npwg = unit,
	    .npwa = unit,
	    .npdg = unit,
	    .npda = unit,
	    .nows = unit,
	    .nsattr = nvme->info.read_only ? NVME_NSATTR_PROTECTED : 0,
	    .lbaf[0].shift = (uint8_t)nvme->params.lba_shift,
	};

	if (cmd->nsid != 1)
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	memcpy(id.eui64, &eui64, sizeof(id.eui64));
	return nvme_copy_out(nvme, cmd, &id, sizeof(id), NVME_IDENTIFY_BYTES);
}

static uint16_t identify_list(struct nvme *nvme, const struct nvme_command *cmd)
{
	uint32_t first = htole32(1);

	if (cmd->nsid >= FIRST_BAD_IN_ALL)
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	/* Namespaces above the given one; ours is 1. */
	return nvme_copy_out(nvme, cmd, &first,
			     cmd->nsid == 0 ? sizeof(first) : 0,
			     NVME_IDENTIFY_BYTES);
}

static size_t put_descriptor(uint8_t *at, uint8_t type, const void *value,
			     uint8_t len)
{
	const struct nvme_ns_descriptor head = {.type = type, .length = len};

	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), value, len);
	return sizeof(head) + len;
}

static uint16_t identify_descriptors(struct nvme *nvme,
				     const struct nvme_command *cmd)
{
	uint64_t eui64 = htobe64(nvme->params.eui64);
	uint8_t list[64];
	size_t len;

	if (cmd->nsid != 1)
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	len = put_descriptor(list, NVME_NIDT_EUI64, &eui64, sizeof(eui64));
	if (nvme->params.has_uuid)
		len += put_descriptor(list + len, NVME_NIDT_UUID,
				      nvme->params.uuid, 16);
	return nvme_copy_out(nvme, cmd, list, len, NVME_IDENTIFY_BYTES);
}

uint16_t nvme_identify(struct nvme *nvme, const struct nvme_command *cmd)
{
	switch (cmd->cdw10 & 0xff) {
	case NVME_CNS_NAMESPACE:
		return identify_namespace(nvme, cmd);
	case NVME_CNS_CONTROLLER:
		return identify_controller(nvme, cmd);
	case NVME_CNS_ACTIVE_LIST:
		return identify_list(nvme, cmd);
	case NVME_CNS_DESCRIPTORS:
		return identify_descriptors(nvme, cmd);
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
}
