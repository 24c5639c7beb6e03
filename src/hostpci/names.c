/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of functions from the PCI ID database, as libpciaccess finds and reads
 * it. Nothing else of that library is used: it never looks at the host.
 */
#include <pciaccess.h>

#include "hostpci/hostpci_internal.h"

static struct pci_id_match match_of(const struct hostpci_dev *dev)
{
	return (struct pci_id_match){
	    .vendor_id = dev->vendor,
	    .device_id = dev->device,
	    .subvendor_id = dev->subvendor,
	    .subdevice_id = dev->subdevice,
	};
}

const char *hostpci_device_name(const struct hostpci_dev *dev)
{
	struct pci_id_match match = match_of(dev);
	const char *name = NULL;

	pci_get_strings(&match, &name, NULL, NULL, NULL);
	return name ? name : "-";
}

const char *hostpci_vendor_name(const struct hostpci_dev *dev)
{
	struct pci_id_match match = match_of(dev);
	const char *name = NULL;

	pci_get_strings(&match, NULL, &name, NULL, NULL);
	return name ? name : "-";
}
