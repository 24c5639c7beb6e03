/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands between a device's DMA and the host: how wide the IOMMU's
 * addresses are, which of them it keeps for itself, and what the host's
 * settings have taken away from its protection.
 *
 * Source: Linux Documentation/ABI/testing/sysfs-class-iommu-intel-iommu,
 * sysfs-kernel-iommu_groups; Intel VT-d 10.4.2 (capability register).
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define CAP_MGAW(cap)  ((unsigned)((cap) >> 16 & 0x3f) + 1)
#define CAP_SAGAW(cap) ((unsigned)((cap) >> 8 & 0x1f))
#define LEVEL_WIDTH(n) (30 + 9 * (n)) /* bit n of SAGAW: page table levels */
#define LEVELS	       4
#define UNSAFE_PARAM                              \
	"sys/module/vfio_iommu_type1/parameters/" \
	"allow_unsafe_interrupts"
#define ACS_OVERRIDE "pcie_acs_override="

/* The kernel uses the deepest page tables it knows (57 bits), within MGAW. */
static unsigned intel_bits(uint64_t cap)
{
	unsigned n, deepest = 0;

	for (n = 0; n < LEVELS; n++)
		if (CAP_SAGAW(cap) >> n & 1)
			deepest = LEVEL_WIDTH(n);
	return deepest ? MIN(deepest, CAP_MGAW(cap)) : HOSTPCI_BITS_UNKNOWN;
}

static void width_read(const struct hostpci *host,
		       const struct hostpci_dev *dev,
		       struct hostpci_iommu *iommu)
{
	unsigned long long cap;
	char text[32];

	if (sysfs_link_name(host, iommu->name, sizeof(iommu->name),
			    SYS_DEVICES "/%s/iommu", dev->bdf) < 0)
		return;
	/* Written in hexadecimal, without 0x. */
	if (sysfs_text(host, text, sizeof(text),
		       SYS_DEVICES "/%s/iommu/intel-iommu/cap",
		       dev->bdf) == 0 &&
	    sscanf(text, "%llx", &cap) == 1)
		iommu->bits = intel_bits(cap);
}

/* Lines "0xSTART 0xEND TYPE", END inclusive. */
static void holes_read(const struct hostpci *host,
		       const struct hostpci_dev *dev,
		       struct hostpci_iommu *iommu)
{
	char text[4096], *rest = text, *line;

	if (sysfs_text(host, text, sizeof(text),
		       "sys/kernel/iommu_groups/%d/reserved_regions",
		       dev->iommu_group) < 0)
		return;
	while ((line = strsep(&rest, "\n")) &&
	       iommu->holes < HOSTPCI_HOLES_MAX) {
		unsigned long long start, end;

		if (sscanf(line, "%llx %llx", &start, &end) != 2 || end < start)
			continue;
		iommu->hole[iommu->holes].start = start;
		iommu->hole[iommu->holes++].end = end;
	}
}

void hostpci_iommu(const struct hostpci *host, const struct hostpci_dev *dev,
		   struct hostpci_iommu *ret_iommu)
{
	struct hostpci_iommu iommu = {.bits = HOSTPCI_BITS_UNKNOWN};

	if (dev->iommu_group != HOSTPCI_NO_GROUP) {
		width_read(host, dev, &iommu);
		holes_read(host, dev, &iommu);
	}
	*ret_iommu = iommu;
}

/* ---- risks ---- */

static const char *const risk_word[] = {"interrupts", "acs"};

int hostpci_risk_parse(const char *text, unsigned *ret_risks)
{
	unsigned risks = 0, i;
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, "+,");
		for (i = 0; i < ARRAY_LEN(risk_word); i++)
			if (strlen(risk_word[i]) == len &&
			    strncmp(text, risk_word[i], len) == 0)
				break;
		if (i == ARRAY_LEN(risk_word))
			return -EINVAL;
		risks |= BIT(i);
		if (!text[len])
			break;
	}
	*ret_risks = risks;
	return 0;
}

static bool cmdline_has(const struct hostpci *host, const char *word)
{
	char text[4096], *rest = text, *token;

	if (sysfs_text(host, text, sizeof(text), "proc/cmdline") < 0)
		return false;
	while ((token = strsep(&rest, " \t")))
		if (strncmp(token, word, strlen(word)) == 0)
			return true;
	return false;
}

unsigned hostpci_risks(const struct hostpci *host)
{
	unsigned risks = 0;
	char text[8];

	if (sysfs_text(host, text, sizeof(text), UNSAFE_PARAM) == 0 &&
	    (text[0] == 'Y' || text[0] == '1'))
		risks |= HOSTPCI_RISK_INTERRUPTS;
	if (cmdline_has(host, ACS_OVERRIDE))
		risks |= HOSTPCI_RISK_ACS;
	return risks;
}

int hostpci_check_risks(const struct hostpci *host,
			const struct hostpci_dev *dev, unsigned accepted,
			struct err *err)
{
	unsigned risks = hostpci_risks(host) & ~accepted;
	char label[LABEL_MAX];

	dev_label(dev, label);
	if (risks & HOSTPCI_RISK_INTERRUPTS)
		return err_set(
		    err, -EPERM,
		    "%s: the host allows unsafe interrupts, so a guest with "
		    "this device may be able to forge any interrupt of the "
		    "host; set allow_unsafe_interrupts=0 of the module "
		    "vfio_iommu_type1, or accept that with unsafe=interrupts "
		    "(passthru_unsafe=\"interrupts\" in a guest file)",
		    label);
	if (risks & HOSTPCI_RISK_ACS)
		return err_set(
		    err, -EPERM,
		    "%s: the host's kernel runs with pcie_acs_override, so "
		    "its IOMMU groups may not isolate this device from its "
		    "neighbours; remove that from the kernel's command line, "
		    "or accept it with unsafe=acs (passthru_unsafe=\"acs\" in "
		    "a "
		    "guest file)",
		    label);
	return 0;
}
