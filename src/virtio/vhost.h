/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vhost: the queues of a virtio device worked on by a driver in the host's
 * kernel, so that no code of ours runs for a request.
 *
 *   guest's notification ──> KVM ──> kick eventfd ──> vhost
 *   vhost ──> call eventfd ──> KVM ──> guest's vector
 *
 * Call order: vhost_create() while we may still open devices; then, as the
 * device becomes and ceases to be live (virtio_ops.live), vhost_start() and
 * vhost_stop(), any number of times; vhost_vectors() from virtio_ops.vectors;
 * vhost_destroy(). Between start and stop the rings are the kernel's
 * (ring_lend()), after stop they are ours again, at the place where the kernel
 * was, or broken when it would not say.
 *
 * Interrupts: a queue whose MSI-X vector is in use has its call eventfd tied to
 * that vector in KVM. While it is masked, with INTx, or when KVM refuses, the
 * event loop reads the eventfd and interrupts as for any other device: pending
 * bit, ISR status.
 *
 * What the kernel refuses in a queue's content is the guest's fault:
 * virtio_fail().
 *
 * Locking: the device's lock for everything but create and destroy, which run
 * on the event loop's thread or while it does not run.
 * Source: <linux/vhost.h>; Linux 5.10 and newer.
 */
#ifndef VIRTIO_VHOST_H
#define VIRTIO_VHOST_H

#include "virtio/virtio.h"

#define VHOST_NET_PATH "/dev/vhost-net"

/*
 * The system calls made on vhost's descriptors, as a table: the unit tests put
 * a fake kernel here. 0 (open: a descriptor) or a negative errno.
 */
struct vhost_ops {
	void *ctx; /* passed to each call */
	int (*open)(void *ctx, const char *path);
	void (*close)(void *ctx, int fd);
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
};

/* The real ones. */
extern const struct vhost_ops vhost_ops_kernel;

struct vhost_params {
	const struct vhost_ops *ops;
	const struct gmem *gmem; /* complete: the kernel is told once */
	struct evloop *loop;
	struct irq_ctl *irq;
	struct virtio *virtio; /* used from vhost_start() on */
	unsigned queues;
	/* Features that change what is in the queues. */
	uint64_t ring_features;
};

struct vhost;

/*
 * Opens vhost-net and tells it of guest memory. The sentence names the module
 * when it is missing.
 */
MUST_CHECK int vhost_create(const struct vhost_params *params, struct err *err,
			    struct vhost **ret_vhost);
void vhost_destroy(struct vhost *vhost); /* NULL allowed */

/* Those of params->ring_features that this kernel does not know. */
uint64_t vhost_missing(const struct vhost *vhost);

/*
 * Lends all queues to the kernel, frames go to and come from `backend_fd`.
 * -EOPNOTSUPP: the driver took a feature that the kernel lacks; -EPROTO: not
 * every queue is set up; else what was refused. On failure nothing has
 * changed and the queues are ours.
 */
MUST_CHECK int vhost_start(struct vhost *vhost, int backend_fd);
/* Nothing of the kernel's is in guest memory any more when it returns. */
void vhost_stop(struct vhost *vhost);	       /* NULL allowed */
bool vhost_running(const struct vhost *vhost); /* NULL: false */
/* Passes a notification on that arrived here. */
void vhost_kick(struct vhost *vhost, unsigned q);
/* Follows the guest's MSI-X state. */
void vhost_vectors(struct vhost *vhost); /* NULL allowed */

#endif
