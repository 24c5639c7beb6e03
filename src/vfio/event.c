/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host tells about a device while the guest runs: a fatal error, or
 * that it wants the device back.
 *
 * Both are eventfds on the event loop. After an uncorrectable error nothing
 * the device says can be trusted, so the guest ends. A device that is asked
 * back (its driver is being unbound, the card removed) blocks whoever asks
 * until we let go, so the guest ends too. Behind a port with hot-plug only the
 * device leaves, at once or when the guest has let go of it.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

static void drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

static void end_guest(struct vfio_device *d, enum vm_end end)
{
	vfio_quiesce_all(d->ctx);
	d->env.end(d->env.end_ctx, end, d->events.why);
}

static bool leaves(struct vfio_device *d, bool broken)
{
	const struct vfio_params *params = &d->ctx->params;

	return params->leave && d->pci.upstream &&
	       params->leave(params->leave_ctx, &d->pci, broken, d->events.why);
}

static void on_error(void *ctx, unsigned events UNUSED)
{
	struct vfio_device *d = ctx;

	drain(d->events.error_fd);
	snprintf(
	    d->events.why, sizeof(d->events.why),
	    "%s: reported an uncorrectable error (the host's kernel log has"
	    " it under AER)",
	    vfio_name(d));
	if (leaves(d, true))
		return;
	strcat(d->events.why, "; the guest was stopped");
	end_guest(d, VM_END_ERROR);
}

static void on_request(void *ctx, unsigned events UNUSED)
{
	struct vfio_device *d = ctx;

	drain(d->events.request_fd);
	snprintf(d->events.why, sizeof(d->events.why),
		 "the host asked for %s back (unbound, or removed)",
		 vfio_name(d));
	if (!leaves(d, false))
		end_guest(d, VM_END_POWEROFF);
}

static int event_arm(struct vfio_device *d, unsigned index, ev_fd_fn *fn,
		     int *fd, struct ev_fd **handle)
{
	int32_t event;
	int r;

	if (!d->irq.info[index].count)
		return 0;
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	r = ev_fd_create(d->env.loop, *fd, EV_IN, fn, d, handle);
	if (r)
		return r;
	event = *fd;
	return vfio_irq_set(d, index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1,
			    &event);
}

int vfio_events_create(struct vfio_device *d, struct err *err)
{
	struct vfio_events *e = &d->events;
	int r;

	r = event_arm(d, VFIO_PCI_ERR_IRQ_INDEX, on_error, &e->error_fd,
		      &e->error_event);
	if (!r)
		r = event_arm(d, VFIO_PCI_REQ_IRQ_INDEX, on_request,
			      &e->request_fd, &e->request_event);
	return r ? err_sys(err, r, "%s: error notification", vfio_name(d)) : 0;
}

void vfio_events_disarm(struct vfio_device *d)
{
	const int32_t none = -1;

	/* When the device is gone there is nothing left to disarm. */
	if (d->events.error_event)
		(void)!vfio_irq_set(d, VFIO_PCI_ERR_IRQ_INDEX,
				    VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &none);
	if (d->events.request_event)
		(void)!vfio_irq_set(d, VFIO_PCI_REQ_IRQ_INDEX,
				    VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &none);
}

void vfio_events_destroy(struct vfio_device *d)
{
	struct vfio_events *e = &d->events;

	vfio_events_disarm(d);
	ev_fd_destroy(e->error_event);
	ev_fd_destroy(e->request_event);
	if (e->error_fd >= 0)
		close(e->error_fd);
	if (e->request_fd >= 0)
		close(e->request_fd);
	*e = (struct vfio_events){.error_fd = -1, .request_fd = -1};
}
