/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A served device as one of this folder's devices: opening it, what it is, and
 * what becomes of the guest when its server is gone.
 */
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

/* As a device that was pulled out: nothing answers any more, the guest ends. */
static void on_lost(void *ctx)
{
	struct vfio_device *d = ctx;
	char why[VFIO_USER_WHY_MAX];

	(void)vfio_user_lost(d->user, why);
	pthread_mutex_lock(&d->pci.lock);
	d->asleep = true;
	vfio_bars_show(d, false);
	pthread_mutex_unlock(&d->pci.lock);
	snprintf(d->events.why, sizeof(d->events.why),
		 "%s: its vfio-user server %s; the guest was stopped",
		 vfio_name(d), why);
	vfio_quiesce_all(d->ctx);
	d->env.end(d->env.end_ctx, VM_END_ERROR, d->events.why);
}

int vfio_user_device_open(struct vfio_device *d, struct err *err)
{
	const struct vfio_user_params params = {
	    .path = d->socket,
	    .gmem = d->ctx->params.gmem,
	    .loop = d->env.loop,
	    .lost = on_lost,
	    .ctx = d,
	    .reply_ms = d->ctx->params.user_reply_ms,
	    .reset_ms = d->ctx->params.user_reset_ms,
	};
	int r = vfio_user_connect(&params, err, &d->user);

	if (r)
		return r;
	d->ops = vfio_user_ops(d->user);
	d->fd = vfio_user_fd(d->user);
	return vfio_user_map(d->user, err);
}

/* What the inventory of the host says about other devices. */
int vfio_user_device_identify(struct vfio_device *d, struct err *err)
{
	struct hostpci_dev *host = &d->host;
	uint32_t id, class, sub, type;
	int r;

	r = vfio_config_read(d, PCI_VENDOR_ID, 4, &id);
	if (!r)
		r = vfio_config_read(d, PCI_CLASS_REVISION, 4, &class);
	if (!r)
		r = vfio_config_read(d, PCI_SUBSYSTEM_VENDOR_ID, 4, &sub);
	if (!r)
		r = vfio_config_read(d, PCI_HEADER_TYPE, 1, &type);
	if (r)
		return err_sys(err, r, "%s: config space", vfio_name(d));
	if (id == UINT32_MAX)
		return err_set(err, -ENODEV,
			       "%s: the device does not answer (its config"
			       " space reads as ones); restart its server",
			       vfio_name(d));
	if ((type & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return err_set(err, -ENODEV,
			       "%s: not an endpoint (header type %u)",
			       vfio_name(d), type & PCI_HEADER_TYPE_MASK);
	*host = (struct hostpci_dev){
	    .addr = {.domain = UINT32_MAX}, /* no function of the host */
	    .selector = "vfio-user",
	    .vendor = (uint16_t)id,
	    .device = (uint16_t)(id >> 16),
	    .subvendor = (uint16_t)sub,
	    .subdevice = (uint16_t)(sub >> 16),
	    .class = class >> 8,
	    .revision = (uint8_t) class,
	    .iommu_group = HOSTPCI_NO_GROUP,
	    .numa_node = -1,
	    /* How its server resets it is nobody else's business. */
	    .reset_methods = "device_specific",
	};
	return 0;
}
