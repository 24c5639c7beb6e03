/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of one machine: list, quiescing, resetting all of them. */
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

int vfio_ctx_create(const struct vfio_params *params, struct err *err,
		    struct vfio_ctx **ret_ctx)
{
	struct vfio_ctx *ctx = calloc(1, sizeof(*ctx));
	unsigned i;

	if (!ctx)
		return err_set(err, -ENOMEM, "vfio: out of memory");
	ctx->params = *params;
	ctx->ops = params->ops ? params->ops : &vfio_ops_kernel;
	ctx->container.fd = -1;
	for (i = 0; i < VFIO_GROUPS_MAX; i++)
		ctx->container.group[i].fd = -1;
	pthread_mutex_init(&ctx->lock, NULL);
	*ret_ctx = ctx;
	return 0;
}

void vfio_ctx_destroy(struct vfio_ctx *ctx)
{
	if (!ctx)
		return;
	vfio_retired_free(ctx);
	hostpci_close(ctx->host);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx);
}

int vfio_ctx_host(struct vfio_ctx *ctx, struct err *err,
		  struct hostpci **ret_host)
{
	int r = 0;

	if (!ctx->host)
		r = hostpci_open(ctx->params.root, err, &ctx->host);
	if (!r)
		*ret_host = ctx->host;
	return r;
}

void vfio_ctx_refresh(struct vfio_ctx *ctx)
{
	hostpci_close(ctx->host);
	ctx->host = NULL;
}

int vfio_ctx_add(struct vfio_ctx *ctx, struct vfio_device *d, struct err *err)
{
	unsigned i;
	int r = 0;

	pthread_mutex_lock(&ctx->lock);
	for (i = 0; i < ctx->count && !r; i++)
		if (strcmp(vfio_name(ctx->device[i]), vfio_name(d)) == 0)
			r = err_set(
			    err, -EEXIST,
			    "%s: given to the guest twice (pci slots %s and"
			    " %s)",
			    vfio_name(d), ctx->device[i]->pci.name,
			    d->pci.name);
	if (!r && ctx->count == VFIO_DEVICES_MAX)
		r = err_set(
		    err, -ENOSPC,
		    "%s: a guest can have at most %u passed-through functions",
		    vfio_name(d), VFIO_DEVICES_MAX);
	if (!r)
		ctx->device[ctx->count++] = d;
	pthread_mutex_unlock(&ctx->lock);
	return r;
}

void vfio_ctx_remove(struct vfio_ctx *ctx, struct vfio_device *d)
{
	unsigned i;

	pthread_mutex_lock(&ctx->lock);
	for (i = 0; i < ctx->count && ctx->device[i] != d; i++)
		;
	if (i < ctx->count) {
		ctx->count--;
		memmove(&ctx->device[i], &ctx->device[i + 1],
			(ctx->count - i) * sizeof(ctx->device[0]));
	}
	pthread_mutex_unlock(&ctx->lock);
}

unsigned vfio_device_count(struct vfio_ctx *ctx)
{
	unsigned n;

	pthread_mutex_lock(&ctx->lock);
	n = ctx->count;
	pthread_mutex_unlock(&ctx->lock);
	return n;
}

bool vfio_memory_pinned(const struct vfio_ctx *ctx)
{
	return ctx->container.mapped;
}

/* A copy: device locks are never taken under the list's lock. */
static unsigned snapshot(struct vfio_ctx *ctx,
			 struct vfio_device *list[VFIO_DEVICES_MAX])
{
	unsigned n;

	pthread_mutex_lock(&ctx->lock);
	n = ctx->count;
	memcpy(list, ctx->device, n * sizeof(list[0]));
	pthread_mutex_unlock(&ctx->lock);
	return n;
}

void vfio_quiesce_all(struct vfio_ctx *ctx)
{
	struct vfio_device *list[VFIO_DEVICES_MAX];
	unsigned i, n = snapshot(ctx, list);

	/* DMA of all of them first: it is what does harm. */
	for (i = 0; i < n; i++) {
		pthread_mutex_lock(&list[i]->pci.lock);
		vfio_reset_stop_dma(list[i]);
		pthread_mutex_unlock(&list[i]->pci.lock);
	}
	for (i = 0; i < n; i++) {
		pthread_mutex_lock(&list[i]->pci.lock);
		if (vfio_irq_disarm(list[i]))
			log_warn("%s: its interrupts cannot be switched off",
				 vfio_name(list[i]));
		pthread_mutex_unlock(&list[i]->pci.lock);
	}
}

void vfio_reset_report(const struct vfio_device *d,
		       const struct vfio_reset_result *result)
{
	const struct vfio_params *params = &d->ctx->params;
	struct status status = {
	    .kind = STATUS_DEVICE,
	    .ms = result->ms,
	    .ok = result->ok,
	};

	snprintf(status.selector, sizeof(status.selector), "%s",
		 d->host.selector);
	snprintf(status.bdf, sizeof(status.bdf), "%s", vfio_name(d));
	snprintf(status.method, sizeof(status.method), "%s", result->method);
	snprintf(status.text, sizeof(status.text), "%s", result->text);
	if (params->event)
		params->event(params->event_ctx, &status);
}

/* One device's turn; true when it is well. */
static bool settle(struct vfio_device *d)
{
	const struct clock *clock = d->ctx->params.clock;
	struct vfio_reset_result result = {.method = "bus", .ok = true};
	uint64_t start = clock->mono_ns(clock);

	/* Reset already, together with another function? */
	if (!d->bus_reset || vfio_verify(d, result.text))
		vfio_reset_device(d, &result);
	else
		result.ms =
		    (unsigned)((clock->mono_ns(clock) - start) / NS_PER_MS);
	d->bus_reset = false;
	vfio_reset_report(d, &result);
	return result.ok;
}

/* A later function's bus reset took a settled one along. */
static bool still_well(struct vfio_device *d)
{
	struct vfio_reset_result result = {.method = "bus"};

	if (!d->bus_reset)
		return true;
	d->bus_reset = false;
	if (vfio_verify(d, result.text) == 0)
		return true;
	vfio_reset_report(d, &result);
	return false;
}

int vfio_reset_list(struct vfio_device *const *list, unsigned n)
{
	unsigned i;
	int r = 0;

	for (i = 0; i < n; i++) {
		vfio_events_disarm(list[i]);
		vfio_reset_prepare(list[i]);
		list[i]->bus_reset = false;
	}
	for (i = 0; i < n; i++)
		if (!settle(list[i]))
			r = -EIO;
	for (i = 0; i < n; i++)
		if (!still_well(list[i]))
			r = -EIO;
	return r;
}

int vfio_reset_all(struct vfio_ctx *ctx)
{
	struct vfio_device *list[VFIO_DEVICES_MAX];
	unsigned n = snapshot(ctx, list);

	vfio_quiesce_all(ctx);
	return vfio_reset_list(list, n);
}
