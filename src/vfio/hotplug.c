/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that leave a running guest.
 *
 * Theory of operation. All of a slot go together, because one bus reset may
 * take them all. First they are made quiet, then they are taken from the
 * guest's buses: from there on no access of the guest begins. They are reset
 * and verified like at the end of the guest, and closed. A vCPU may still be on
 * its way into a BAR handler, whose region it found just before; so the
 * function stays in memory, without hooks, until the context is destroyed.
 */
#include <string.h>

#include "vfio/vfio_internal.h"

/* What is left answers with ones and takes nothing. */
static const struct pci_ops retired_ops = {0};

static void retire(struct vfio_device *d)
{
	struct vfio_ctx *ctx = d->ctx;

	vfio_ctx_remove(ctx, d);
	vfio_events_destroy(d);
	pthread_mutex_lock(&d->pci.lock);
	d->pci.ops = &retired_ops;
	vfio_irq_destroy(d);
	vfio_rom_destroy(d);
	vfio_bars_destroy(d);
	vfio_device_close(d);
	vfio_config_destroy(d);
	pthread_mutex_unlock(&d->pci.lock);
	d->next_retired = ctx->retired;
	ctx->retired = d;
}

int vfio_unplug(struct pci_dev *const *devs, unsigned n)
{
	struct vfio_device *list[VFIO_SLOT_FUNCS] = {NULL};
	unsigned i;
	int r;

	n = MIN(n, VFIO_SLOT_FUNCS);
	for (i = 0; i < n; i++) {
		list[i] = vfio_device_of(devs[i]);
		pthread_mutex_lock(&devs[i]->lock);
		vfio_reset_stop_dma(list[i]);
		pthread_mutex_unlock(&devs[i]->lock);
	}
	for (i = 0; i < n; i++)
		pci_host_remove(devs[i]->host, devs[i]);
	r = vfio_reset_list(list, n);
	for (i = 0; i < n; i++)
		retire(list[i]);
	return r;
}

void vfio_retired_free(struct vfio_ctx *ctx)
{
	struct vfio_device *d;

	while ((d = ctx->retired)) {
		ctx->retired = d->next_retired;
		pci_dev_fini(&d->pci);
		free(d);
	}
}
