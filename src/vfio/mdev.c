/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mediated devices: VFIO serves them as it does functions of the host, but a
 * driver of the host stands behind each access.
 *
 * So there are no registers of its own in sysfs, no bus, and nothing that bus
 * or power could reset; VFIO_DEVICE_RESET is the driver's, and what COMMAND
 * and the BARs' registers show is its choice. The IOMMU is emulated: the
 * driver pins what of guest memory it uses.
 */
#include <string.h>

#include "vfio/vfio_internal.h"

int vfio_mdev_find(struct vfio_device *d, struct err *err)
{
	struct hostpci *host;
	int group;
	int r = vfio_ctx_host(d->ctx, err, &host);

	if (!r)
		r = hostpci_mdev_find(host, d->mdev, err, &group);
	if (r)
		return r;
	d->host = (struct hostpci_dev){
	    .addr = {.domain = UINT32_MAX}, /* no function of the host */
	    .iommu_group = group,
	    .numa_node = -1,
	    /* How its driver resets it is nobody else's business. */
	    .reset_methods = "device_specific",
	};
	return 0;
}
