/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks: the IOMMU group, who is in it and why.
 *
 * One cause is named for a group that is shared: the first bridge on the way up
 * that cannot keep devices apart, because it is of conventional PCI or has no
 * access control (ACS); where neither is seen, just the neighbours.
 */
#include <string.h>

#include "hostpci/doctor/checks.h"

#define ACS_CTRL 6
#define ACS_NEED 0x1du /* SV, RR, CR, UF */

bool driver_is_harmless(const char *driver)
{
	return !driver[0] || driver_is_vfio(driver) ||
	       strcmp(driver, "pci-stub") == 0 ||
	       strcmp(driver, "pcieport") == 0;
}

static bool same_card(const struct dev_facts *a, const struct dev_facts *b)
{
	return a->dev->addr.domain == b->dev->addr.domain &&
	       a->dev->addr.bus == b->dev->addr.bus &&
	       a->dev->addr.slot == b->dev->addr.slot;
}

static bool same_group(const struct dev_facts *a, const struct dev_facts *b)
{
	return a != b && a->dev->iommu_group == b->dev->iommu_group &&
	       a->dev->iommu_group != HOSTPCI_NO_GROUP;
}

static bool is_bridge_header(const struct dev_facts *d)
{
	return d->dev->header_type == 1 || d->dev->header_type == 2;
}

/* The next member of the group, from index *at, of the same card or not. */
static const struct dev_facts *member_next(const struct exam *x, bool same,
					   bool held, size_t *at)
{
	while (*at < x->f->dev_count) {
		const struct dev_facts *d = &x->f->dev[(*at)++];

		if (same_group(d, x->d) && !is_bridge_header(d) &&
		    same_card(d, x->d) == same &&
		    (!held || !driver_is_harmless(d->dev->driver)))
			return d;
	}
	return NULL;
}

static void member_proof(struct exam *x, struct finding *finding,
			 const struct dev_facts *d)
{
	const char *use = dev_use(x->f, d);
	char where[96];

	snprintf(where, sizeof(where), "/sys/kernel/iommu_groups/%d/devices",
		 d->dev->iommu_group);
	proof(finding, where, "%s, class %06x, driver %s%s%s", d->dev->bdf,
	      d->dev->class, d->dev->driver[0] ? d->dev->driver : "none",
	      use ? ": " : "", use ? use : "");
}

/*
 * The first member that cannot go to the guest as well, and why: the host uses
 * it, or is made of it. "Give it the whole group" is no cure then.
 */
static const struct dev_facts *member_kept(struct exam *x, bool same,
					   char why[256])
{
	const struct dev_facts *d;
	const char *use;
	size_t at = 0;

	while ((d = member_next(x, same, false, &at))) {
		use = dev_is_bridge(d->dev) ? "it is a part of the host itself"
					    : dev_use(x->f, d);
		if (!use)
			continue;
		snprintf(why, 256, "%s", use);
		return d;
	}
	return NULL;
}

void check_group_partner(struct exam *x)
{
	const struct dev_facts *kept;
	char why[256];
	const struct dev_facts *partner;
	struct finding *finding;
	size_t at = 0;

	if (!dev_is_claimed(x))
		return;
	partner = member_next(x, true, true, &at);
	if (!partner)
		return;
	finding =
	    found(x, "%s: %s of the same card is still with %s", DEV_NAME(x->d),
		  partner->dev->bdf, partner->dev->driver);
	do
		member_proof(x, finding, partner);
	while ((partner = member_next(x, true, true, &at)));
	kept = member_kept(x, true, why);
	if (kept)
		cure(x, finding,
		     "The host uses %s (%s): end that first, then reserve all "
		     "functions of the card.",
		     kept->dev->bdf, why);
	else
		cure(x, finding,
		     "Reserve all functions of the card: 'vm passthru reserve "
		     "{device} ...' with each of them.");
}

enum sharing {
	SHARING_NONE,
	SHARING_PLAIN,
	SHARING_NO_ACS,
	SHARING_CONVENTIONAL,
};

static bool is_conventional(const struct dev_facts *d)
{
	unsigned type = pcie_type(d);

	return d->caps.known && (type == 0xff || type == PCIE_TYPE_TO_PCI ||
				 type == PCIE_TYPE_FROM_PCI);
}

static bool lacks_acs(const struct dev_facts *d)
{
	unsigned type = pcie_type(d);

	if (type != PCIE_TYPE_ROOT && type != PCIE_TYPE_DOWNSTREAM)
		return false;
	if (!d->caps.acs)
		return d->caps.extended_known;
	return (config_u16(d->config, d->config_len,
			   (size_t)d->caps.acs + ACS_CTRL) &
		ACS_NEED) != ACS_NEED;
}

/* Why x->d is not alone, and the bridge that is the cause. */
static enum sharing sharing_find(struct exam *x,
				 const struct dev_facts **ret_bridge)
{
	size_t at = 0;

	*ret_bridge = NULL;
	if (!member_next(x, false, false, &at))
		return SHARING_NONE;
	for (const struct dev_facts *d = x->d->parent; d; d = d->parent) {
		if (!dev_caps_known(x->f, d))
			continue;
		if (is_conventional(d)) {
			*ret_bridge = d;
			return SHARING_CONVENTIONAL;
		}
		if (lacks_acs(d)) {
			*ret_bridge = d;
			return SHARING_NO_ACS;
		}
	}
	return SHARING_PLAIN;
}

/* The table's cure is for groups that a guest can have as a whole. */
static void sharing_cure(struct exam *x, struct finding *finding,
			 const char *instead)
{
	char why[256];
	const struct dev_facts *kept = member_kept(x, false, why);

	if (kept)
		cure(x, finding,
		     "%s The group cannot go to a guest as a whole: %s stays "
		     "with the host (%s).",
		     instead, kept->dev->bdf, why);
}

static struct finding *
sharing_found(struct exam *x, const struct dev_facts *bridge, const char *why)
{
	const struct dev_facts *member;
	struct finding *finding;
	size_t at = 0, members = 0;
	bool held;

	member = member_next(x, false, true, &at);
	held = member && dev_is_claimed(x);
	at = 0;
	if (!member)
		member = member_next(x, false, false, &at);
	at = 0;
	finding =
	    found(x, "%s: shares IOMMU group %d with %s%s%s%s", DEV_NAME(x->d),
		  x->d->dev->iommu_group, member->dev->bdf, bridge ? ": " : "",
		  bridge ? bridge->dev->bdf : "", why);
	if (!held)
		finding->severity = SEVERITY_NOTE;
	if (bridge && bridge->caps.acs)
		proof_config(finding, bridge, bridge->caps.acs + ACS_CTRL, 2);
	else if (bridge && bridge->caps.pcie)
		proof_config(finding, bridge, bridge->caps.pcie + PCIE_FLAGS,
			     2);
	while ((member = member_next(x, false, false, &at)) && members++ < 6)
		member_proof(x, finding, member);
	return finding;
}

void check_group_shared(struct exam *x)
{
	const struct dev_facts *bridge;

	if (sharing_find(x, &bridge) == SHARING_PLAIN)
		sharing_cure(x, sharing_found(x, NULL, ""),
			     "Use another slot, best one of the processor's "
			     "own.");
}

void check_group_no_acs(struct exam *x)
{
	const struct dev_facts *bridge;

	if (sharing_find(x, &bridge) == SHARING_NO_ACS)
		sharing_cure(
		    x, sharing_found(x, bridge, " has no access control (ACS)"),
		    "In the firmware, enable {acs}; else use another "
		    "slot, best one of the processor's own.");
}

void check_group_conventional(struct exam *x)
{
	const struct dev_facts *bridge;

	if (sharing_find(x, &bridge) == SHARING_CONVENTIONAL)
		sharing_cure(x,
			     sharing_found(x, bridge,
					   " leads to conventional PCI, where "
					   "devices cannot be told apart"),
			     "Put the device into a PCI Express slot.");
}

void check_group_override(struct exam *x)
{
	char value[64];

	if (!cmdline_get(x->f, "pcie_acs_override", value))
		return;
	proof_file(x,
		   found(x, "pcie_acs_override makes groups look smaller than "
			    "they are: devices may reach each other's memory"),
		   "proc/cmdline");
}

/* Whatever the other checks do not know: members that are no PCI functions. */
void check_group_viable(struct exam *x)
{
	struct finding *finding;
	struct err err = {0};

	if (!hostpci_ready(x->d->dev) ||
	    hostpci_group_viable(x->f->host, x->d->dev, &err) == 0)
		return;
	finding = found(x, "%s", err.msg);
	proof(finding, "IOMMU group", "%d", x->d->dev->iommu_group);
}
