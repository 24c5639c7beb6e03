/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A served device as one of this folder's devices: opening it, and what becomes
 * of the guest when its server is gone.
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
	d->host = (struct hostpci_dev){
	    .addr = {.domain = UINT32_MAX}, /* no function of the host */
	    .iommu_group = HOSTPCI_NO_GROUP,
	    .numa_node = -1,
	    /* How its server resets it is nobody else's business. */
	    .reset_methods = "device_specific",
	};
	return vfio_user_map(d->user, err);
}
