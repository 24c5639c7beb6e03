/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What VFIO will say: IOMMU groups, who holds them, and whether a guest can
 * have a function now.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

/* vfio-pci itself, and what vendors build on it: "mlx5_vfio_pci". */
bool driver_is_vfio(const char *driver)
{
	size_t len = strlen(driver), tail = strlen(VFIO_PCI);
	const char *end;

	if (len < tail)
		return false;
	end = driver + len - tail;
	if (strcmp(end, "vfio-pci") != 0 && strcmp(end, "vfio_pci") != 0)
		return false;
	return end == driver || end[-1] == '-' || end[-1] == '_';
}

bool hostpci_ready(const struct hostpci_dev *dev)
{
	return driver_is_vfio(dev->driver);
}

/*
 * By header type: bridges to further buses, which VFIO ignores in a group. By
 * class: host and ISA bridges and the like, the host's own. 0680 is kept, some
 * real endpoints (NVSwitch) use it.
 */
static bool header_is_bridge(const struct hostpci_dev *dev)
{
	return dev->header_type == 1 || dev->header_type == 2;
}

bool dev_is_bridge(const struct hostpci_dev *dev)
{
	uint32_t class = dev->class >> 8;

	return header_is_bridge(dev) || (class >> 8 == 0x06 && class != 0x0680);
}

bool hostpci_is_bridge(const struct hostpci_dev *dev)
{
	return dev_is_bridge(dev);
}

int group_missing(const struct hostpci *host, const struct hostpci_dev *dev,
		  struct err *err)
{
	CLEANUP_LIST struct list groups = {0};
	char label[LABEL_MAX], name[32];

	dev_label(dev, label);
	if (sysfs_text(host, name, sizeof(name),
		       SYS_DEVICES "/%s/iommu_group/name", dev->bdf) == 0 &&
	    strcmp(name, "vfio-noiommu") == 0)
		return err_set(
		    err, -ENODEV,
		    "%s: VFIO has it without an IOMMU, where a guest's DMA "
		    "would go to the host's memory; enable VT-d/AMD-Vi in the "
		    "firmware and turn enable_unsafe_noiommu_mode of the "
		    "module vfio off",
		    label);
	if (sysfs_list(host, &groups, "sys/kernel/iommu_groups") == 0 &&
	    groups.count > 0)
		return err_set(
		    err, -ENODEV,
		    "%s: the IOMMU does not cover it, so no guest can have it; "
		    "another slot or a firmware update may help",
		    label);
	return err_set(
	    err, -ENODEV,
	    "%s: the IOMMU is off; enable VT-d/AMD-Vi in the firmware and boot "
	    "with intel_iommu=on",
	    label);
}

/* Drivers that leave DMA alone, which VFIO accepts beside a guest. */
static bool driver_is_harmless(const char *driver)
{
	return !driver[0] || driver_is_vfio(driver) ||
	       strcmp(driver, "pci-stub") == 0 ||
	       strcmp(driver, "pcieport") == 0;
}

/* Members of the group that are not PCI functions (ACPI, platform). */
static int group_check_others(const struct hostpci *host,
			      const struct hostpci_dev *dev, struct err *err)
{
	CLEANUP_LIST struct list members = {0};
	char driver[DRIVER_MAX], label[LABEL_MAX];
	struct hostpci_addr addr;
	int rc;

	rc = sysfs_list(host, &members, "sys/kernel/iommu_groups/%d/devices",
			dev->iommu_group);
	if (rc < 0)
		return err_sys(err, rc, "%s: members of IOMMU group %d",
			       dev_label(dev, label), dev->iommu_group);
	for (int i = 0; i < members.count; i++) {
		const char *name = members.entry[i]->d_name;

		if (addr_from_bdf(name, &addr) == 0 ||
		    sysfs_link_name(
			host, driver, sizeof(driver),
			"sys/kernel/iommu_groups/%d/devices/%s/driver",
			dev->iommu_group, name) < 0 ||
		    driver_is_harmless(driver))
			continue;
		return err_set(
		    err, -EBUSY,
		    "%s: in IOMMU group %d with %s, which %s holds; another "
		    "slot may help",
		    dev_label(dev, label), dev->iommu_group, name, driver);
	}
	return 0;
}

static int dev_not_ready(const struct hostpci_dev *dev, struct err *err)
{
	char label[LABEL_MAX];

	if (!dev->driver[0])
		return err_set(
		    err, -EBUSY,
		    "%s: not bound to vfio-pci; run 'vm passthru reserve %s'",
		    dev_label(dev, label), dev_typed(dev));
	return err_set(
	    err, -EBUSY,
	    "%s: bound to %s, not vfio-pci; run 'vm passthru reserve %s'",
	    dev_label(dev, label), dev->driver, dev_typed(dev));
}

int hostpci_group_viable(const struct hostpci *host,
			 const struct hostpci_dev *dev, struct err *err)
{
	char label[LABEL_MAX];

	if (dev->iommu_group == HOSTPCI_NO_GROUP)
		return group_missing(host, dev, err);
	if (!driver_is_harmless(dev->driver) && !header_is_bridge(dev))
		return dev_not_ready(dev, err);
	for (size_t i = 0; i < host->count; i++) {
		const struct hostpci_dev *other = &host->devs[i];

		if (other->iommu_group != dev->iommu_group ||
		    addr_compare(other->addr, dev->addr) == 0 ||
		    header_is_bridge(other) ||
		    driver_is_harmless(other->driver))
			continue;
		return err_set(
		    err, -EBUSY,
		    "%s: in IOMMU group %d with %s, which %s holds; %s",
		    dev_label(dev, label), dev->iommu_group, other->bdf,
		    other->driver,
		    dev_is_bridge(other) ? "another slot may help"
					 : "reserve that function too");
	}
	return group_check_others(host, dev, err);
}

int hostpci_usable(const struct hostpci *host, const struct hostpci_dev *dev,
		   struct err *err)
{
	char label[LABEL_MAX];
	int rc;

	dev_label(dev, label);
	if (!sysfs_exists(host, SYS_DEVICES "/%s", dev->bdf))
		return err_set(
		    err, -ENODEV,
		    "%s: no such device; 'vm passthru' lists what there is",
		    label);
	if (dev_is_bridge(dev))
		return err_set(
		    err, -EINVAL,
		    "%s: a bridge; a guest can only have the devices behind it",
		    label);
	rc = hostpci_answers(host, dev, err);
	if (rc < 0)
		return rc;
	if (dev->iommu_group == HOSTPCI_NO_GROUP)
		return group_missing(host, dev, err);
	if (!hostpci_ready(dev))
		return dev_not_ready(dev, err);
	return hostpci_group_viable(host, dev, err);
}
