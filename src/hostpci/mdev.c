/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mediated devices: parts of a device that its driver gives away, each with an
 * IOMMU group of its own and a UUID for a name.
 *
 * Source: Linux Documentation/driver-api/vfio-mediated-device.rst,
 * Documentation/ABI/testing/sysfs-bus-vfio-mdev.
 */
#include <ctype.h>
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define MDEV_BUS     "sys/bus/mdev"
#define MDEV_DEVICES MDEV_BUS "/devices"
#define MDEV_PARENTS "sys/class/mdev_bus"
#define API_PCI	     "vfio-pci"

int hostpci_mdev_parse(const char *text, char uuid[HOSTPCI_UUID_MAX])
{
	static const char folder[] = "/" MDEV_DEVICES "/";
	char copy[HOSTPCI_UUID_MAX];
	size_t i;

	if (strncmp(text, folder, strlen(folder)) == 0)
		text += strlen(folder);
	if (strlen(text) != HOSTPCI_UUID_MAX - 1)
		return -EINVAL;
	for (i = 0; i < HOSTPCI_UUID_MAX - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return -EINVAL;
		copy[i] = (char)tolower((unsigned char)text[i]);
	}
	copy[i] = '\0';
	memcpy(uuid, copy, sizeof(copy));
	return 0;
}

static int not_there(const struct hostpci *host, const char *uuid,
		     struct err *err)
{
	if (!sysfs_exists(host, MDEV_PARENTS))
		return err_set(
		    err, -ENODEV,
		    "%s: no such mediated device, and no driver of this host"
		    " offers any (/" MDEV_PARENTS " is missing)",
		    uuid);
	return err_set(err, -ENODEV,
		       "%s: no such mediated device; create it by writing this"
		       " UUID to a file"
		       " /" MDEV_PARENTS "/*/mdev_supported_types/*/create",
		       uuid);
}

int hostpci_mdev_find(const struct hostpci *host, const char *uuid,
		      struct err *err, int *ret_group)
{
	char api[32], link[32], *end;
	unsigned long group;

	if (!sysfs_exists(host, MDEV_DEVICES "/%s", uuid))
		return not_there(host, uuid, err);
	if (sysfs_text(host, api, sizeof(api),
		       MDEV_DEVICES "/%s/mdev_type/device_api", uuid) < 0 ||
	    strcmp(api, API_PCI) != 0)
		return err_set(err, -ENODEV,
			       "%s: a mediated device of the kind \"%s\", and"
			       " not a PCI device (" API_PCI ")",
			       uuid, api);
	if (sysfs_link_name(host, link, sizeof(link),
			    MDEV_DEVICES "/%s/iommu_group", uuid) < 0)
		return err_set(err, -ENODEV,
			       "%s: has no IOMMU group; bind it to its driver"
			       " (/" MDEV_BUS "/drivers) or create it anew",
			       uuid);
	group = strtoul(link, &end, 10);
	if (end == link || *end || group > INT_MAX)
		return err_set(err, -EIO, "%s: IOMMU group \"%s\" in sysfs",
			       uuid, link);
	*ret_group = (int)group;
	return 0;
}
