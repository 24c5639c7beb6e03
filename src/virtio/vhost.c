/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues worked on by the host's kernel; the contract is in vhost.h.
 *
 * Theory of operation. What can fail for reasons of the host (module missing,
 * no memory) is done in vhost_create(), before the guest runs. A start only
 * says where the rings are and which descriptor the frames belong to. The
 * kernel checks every descriptor against the memory table, but takes ring
 * addresses as they are: ring_start() and ring_lend() saw to it that they are
 * guest RAM.
 *
 * Kick and call eventfds live as long as the object. A kick without a back end
 * is ignored by the kernel. Nobody reads a kick eventfd: the kernel is woken by
 * the signal, not by the count.
 *
 * A call eventfd has one reader at a time: KVM, or the event loop through an
 * epoll set of our own, which any thread may change. What was signalled before
 * the reader changed stays in the count and is not lost: KVM looks when it is
 * attached, epoll is level-triggered.
 */
#include "virtio/vhost.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "virtio/virtio_internal.h"

#define EVENT_ERROR UINT32_MAX /* in place of a queue's number */

struct vhost_queue {
	int kick_fd, call_fd;
	bool backend; /* the kernel works on it */
	bool routed;  /* gsi is ours */
	unsigned gsi;
	struct irq_msg msg; /* where gsi points; addr 0: nowhere yet */
	bool attached;	    /* KVM reads call_fd */
	bool watched;	    /* the event loop reads it */
};

struct vhost {
	struct vhost_params params;
	int fd; /* -1: given up */
	uint64_t features;
	bool running;
	int error_fd; /* a queue's content is broken */
	int epoll_fd; /* error_fd and the watched call_fds */
	struct ev_fd *event;
	struct vhost_queue queue[VIRTIO_QUEUES_MAX];
};

/* ---- the kernel ---- */

static int kernel_open(void *ctx UNUSED, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void kernel_close(void *ctx UNUSED, int fd)
{
	close(fd);
}

static int kernel_ioctl(void *ctx UNUSED, int fd, unsigned long request,
			void *arg)
{
	int r;

	do {
		r = ioctl(fd, request, arg);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

const struct vhost_ops vhost_ops_kernel = {
    .open = kernel_open,
    .close = kernel_close,
    .ioctl = kernel_ioctl,
};

static int vhost_ioctl(const struct vhost *vhost, unsigned long request,
		       void *arg)
{
	const struct vhost_ops *ops = vhost->params.ops;

	return ops->ioctl(ops->ctx, vhost->fd, request, arg);
}

/* Takes everything from the kernel, whatever it last answered. */
static void vhost_close(struct vhost *vhost)
{
	const struct vhost_ops *ops = vhost->params.ops;

	if (vhost->fd >= 0)
		ops->close(ops->ctx, vhost->fd);
	vhost->fd = -1;
}

/* ---- eventfds ---- */

static int event_open(int *fd)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static void event_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Was it signalled? Not any more. */
static bool event_drain(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0;
}

static int epoll_change(const struct vhost *vhost, int op, int fd, uint32_t n)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = n};

	return epoll_ctl(vhost->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

/* ---- interrupts ---- */

static void queue_watch(struct vhost *vhost, unsigned q, bool on)
{
	struct vhost_queue *vq = &vhost->queue[q];
	int r;

	if (vq->watched == on)
		return;
	r = epoll_change(vhost, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, vq->call_fd,
			 q);
	if (r)
		log_guest("%s: queue %u: no interrupts: %s",
			  vhost->params.virtio->pci.name, q, strerror(-r));
	vq->watched = on && !r;
}

static int queue_route(struct vhost *vhost, struct vhost_queue *vq,
		       struct irq_msg msg)
{
	const struct irq_ctl *irq = vhost->params.irq;
	int r;

	if (!vq->routed) {
		r = irq->ops->msi_alloc(irq->ctx, &vq->gsi);
		if (r)
			return r;
		vq->routed = true;
		vq->msg = (struct irq_msg){0};
	}
	if (msg.addr && vq->msg.addr == msg.addr && vq->msg.data == msg.data)
		return 0;
	r = irq->ops->msi_set(irq->ctx, vq->gsi, msg);
	vq->msg = r ? (struct irq_msg){0} : msg;
	return r;
}

static int queue_attach(struct vhost *vhost, unsigned q, struct irq_msg msg)
{
	const struct irq_ctl *irq = vhost->params.irq;
	struct vhost_queue *vq = &vhost->queue[q];
	int r = queue_route(vhost, vq, msg);

	if (r || vq->attached)
		return r;
	queue_watch(vhost, q, false);
	r = irq->ops->event_attach(irq->ctx, vq->gsi, vq->call_fd,
				   IRQ_NO_EVENT);
	vq->attached = r == 0;
	return r;
}

static void queue_detach(struct vhost *vhost, struct vhost_queue *vq)
{
	const struct irq_ctl *irq = vhost->params.irq;

	if (vq->attached)
		irq->ops->event_detach(irq->ctx, vq->gsi, vq->call_fd);
	vq->attached = false;
}

static void queue_vector(struct vhost *vhost, unsigned q)
{
	const struct virtio *virtio = vhost->params.virtio;
	const struct pci_dev *pci = &virtio->pci;
	struct vhost_queue *vq = &vhost->queue[q];
	uint16_t vector = virtio->queue[q].vector;
	int r;

	if (vhost->running && vector < pci->msix_count &&
	    !pci_msix_masked(pci, vector)) {
		r = queue_attach(vhost, q, pci_msix_msg(pci, vector));
		if (!r)
			return;
		log_guest("%s: queue %u: interrupts take the long way: %s",
			  pci->name, q, strerror(-r));
	}
	queue_detach(vhost, vq);
	queue_watch(vhost, q, vhost->running);
}

void vhost_vectors(struct vhost *vhost)
{
	unsigned q;

	if (!vhost || !vhost->running)
		return;
	for (q = 0; q < vhost->params.queues; q++)
		queue_vector(vhost, q);
}

static void on_event(struct vhost *vhost, uint32_t n)
{
	struct virtio *virtio = vhost->params.virtio;

	if (n == EVENT_ERROR) {
		if (event_drain(vhost->error_fd) && vhost->running)
			virtio_fail(virtio, "vhost-net cannot make sense of a"
					    " queue or a frame's buffers");
		return;
	}
	/* Another thread may have attached or stopped it meanwhile. */
	if (vhost->queue[n].watched && event_drain(vhost->queue[n].call_fd))
		virtio_queue_interrupt(virtio, n);
}

static void on_events(void *ctx, unsigned events UNUSED)
{
	struct vhost *vhost = ctx;
	struct epoll_event ev[VIRTIO_QUEUES_MAX + 1];
	int i, n;

	pthread_mutex_lock(&vhost->params.virtio->pci.lock);
	n = epoll_wait(vhost->epoll_fd, ev, ARRAY_LEN(ev), 0);
	for (i = 0; i < n; i++)
		on_event(vhost, ev[i].data.u32);
	pthread_mutex_unlock(&vhost->params.virtio->pci.lock);
}

/* ---- start and stop ---- */

static int queue_setup(struct vhost *vhost, unsigned q)
{
	struct ring *ring = &vhost->params.virtio->queue[q].ring;
	struct vhost_vring_state state = {.index = q, .num = ring->size};
	struct vhost_vring_addr addr = {.index = q};
	struct ring_lease lease;
	int r = ring_lend(ring, &lease);

	if (r)
		return r;
	addr.desc_user_addr = (uintptr_t)lease.desc;
	addr.avail_user_addr = (uintptr_t)lease.avail;
	addr.used_user_addr = (uintptr_t)lease.used;
	r = vhost_ioctl(vhost, VHOST_SET_VRING_NUM, &state);
	state.num = lease.avail_next;
	if (!r)
		r = vhost_ioctl(vhost, VHOST_SET_VRING_BASE, &state);
	if (!r)
		r = vhost_ioctl(vhost, VHOST_SET_VRING_ADDR, &addr);
	return r;
}

static int queue_backend(const struct vhost *vhost, unsigned q, int fd)
{
	struct vhost_vring_file file = {.index = q, .fd = fd};

	return vhost_ioctl(vhost, VHOST_NET_SET_BACKEND, &file);
}

/* Takes a queue back that was lent. */
static void queue_back(struct vhost *vhost, unsigned q)
{
	struct ring *ring = &vhost->params.virtio->queue[q].ring;
	struct vhost_vring_state state = {.index = q, .num = ring->avail_next};
	bool known = true;

	if (!ring->lent)
		return;
	if (vhost->queue[q].backend) {
		/* Two at one queue must not be: if asking fails, by force. */
		known = vhost->fd >= 0 && !queue_backend(vhost, q, -1) &&
			!vhost_ioctl(vhost, VHOST_GET_VRING_BASE, &state);
		if (!known)
			vhost_close(vhost);
	}
	vhost->queue[q].backend = false;
	if (known)
		ring_take_back(ring, (uint16_t)state.num);
	else
		ring_lost(ring);
}

static int queues_start(struct vhost *vhost, int backend_fd)
{
	uint64_t features =
	    vhost->params.virtio->driver_features & vhost->params.ring_features;
	unsigned q;
	int r;

	if (features & ~vhost->features)
		return -EOPNOTSUPP;
	r = vhost_ioctl(vhost, VHOST_SET_FEATURES, &features);
	for (q = 0; q < vhost->params.queues && !r; q++)
		r = queue_setup(vhost, q);
	for (q = 0; q < vhost->params.queues && !r; q++) {
		r = queue_backend(vhost, q, backend_fd);
		vhost->queue[q].backend = r == 0;
	}
	return r;
}

int vhost_start(struct vhost *vhost, int backend_fd)
{
	struct virtio *virtio = vhost->params.virtio;
	unsigned q;
	int r = vhost->fd < 0 ? -ENODEV : queues_start(vhost, backend_fd);

	if (r) {
		for (q = 0; q < vhost->params.queues; q++)
			queue_back(vhost, q);
		return r;
	}
	vhost->running = true;
	for (q = 0; q < vhost->params.queues; q++) {
		virtio->queue[q].bell_fd = vhost->queue[q].kick_fd;
		queue_vector(vhost, q);
		/* What the driver has put there already. */
		vhost_kick(vhost, q);
	}
	return 0;
}

void vhost_stop(struct vhost *vhost)
{
	struct virtio *virtio;
	unsigned q;

	if (!vhost || !vhost->running)
		return;
	virtio = vhost->params.virtio;
	vhost->running = false;
	for (q = 0; q < vhost->params.queues; q++) {
		queue_back(vhost, q);
		virtio->queue[q].bell_fd = virtio->queue[q].kick_fd;
		queue_vector(vhost, q);
		/* Not heard yet; a driver that resets listens no more. */
		if (event_drain(vhost->queue[q].call_fd) && !virtio->resetting)
			virtio_queue_interrupt(virtio, q);
	}
}

bool vhost_running(const struct vhost *vhost)
{
	return vhost && vhost->running;
}

void vhost_kick(struct vhost *vhost, unsigned q)
{
	(void)!eventfd_write(vhost->queue[q].kick_fd, 1);
}

uint64_t vhost_missing(const struct vhost *vhost)
{
	return vhost->params.ring_features & ~vhost->features;
}

/* ---- life ---- */

static int add_region(void *ctx, gpa_t base, uint64_t size, void *host)
{
	struct vhost_memory *table = ctx;

	table->regions[table->nregions++] = (struct vhost_memory_region){
	    .guest_phys_addr = base.v,
	    .memory_size = size,
	    .userspace_addr = (uintptr_t)host,
	};
	return 0;
}

static int set_memory(const struct vhost *vhost)
{
	CLEANUP_FREE struct vhost_memory *table = NULL;
	int r;

	table = calloc(1, sizeof(*table) +
			      GMEM_RANGES_MAX * sizeof(table->regions[0]));
	if (!table)
		return -ENOMEM;
	r = gmem_for_each(vhost->params.gmem, add_region, table);
	return r ? r : vhost_ioctl(vhost, VHOST_SET_MEM_TABLE, table);
}

static int set_events(const struct vhost *vhost, unsigned q)
{
	struct vhost_vring_file file = {.index = q};
	int r;

	file.fd = vhost->queue[q].kick_fd;
	r = vhost_ioctl(vhost, VHOST_SET_VRING_KICK, &file);
	file.fd = vhost->queue[q].call_fd;
	if (!r)
		r = vhost_ioctl(vhost, VHOST_SET_VRING_CALL, &file);
	file.fd = vhost->error_fd;
	if (!r)
		r = vhost_ioctl(vhost, VHOST_SET_VRING_ERR, &file);
	return r;
}

/* Our own part: eventfds and the set that the event loop waits for. */
static int create_events(struct vhost *vhost)
{
	unsigned q;
	int r = event_open(&vhost->error_fd);

	for (q = 0; q < vhost->params.queues && !r; q++) {
		r = event_open(&vhost->queue[q].kick_fd);
		if (!r)
			r = event_open(&vhost->queue[q].call_fd);
	}
	if (r)
		return r;
	vhost->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (vhost->epoll_fd < 0)
		return -errno;
	r = epoll_change(vhost, EPOLL_CTL_ADD, vhost->error_fd, EVENT_ERROR);
	return r ? r
		 : ev_fd_create(vhost->params.loop, vhost->epoll_fd, EV_IN,
				on_events, vhost, &vhost->event);
}

static int open_kernel(struct vhost *vhost, struct err *err)
{
	const struct vhost_ops *ops = vhost->params.ops;
	int fd = ops->open(ops->ctx, VHOST_NET_PATH);

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return err_set(err, fd,
			       VHOST_NET_PATH " is missing; load it with"
					      " 'modprobe vhost_net'");
	if (fd < 0)
		return err_sys(err, fd, "cannot open " VHOST_NET_PATH);
	vhost->fd = fd;
	return 0;
}

static int tell_kernel(struct vhost *vhost, struct err *err)
{
	const char *what = "owned";
	unsigned q;
	int r = vhost_ioctl(vhost, VHOST_SET_OWNER, NULL);

	if (!r) {
		what = "asked for its features";
		r = vhost_ioctl(vhost, VHOST_GET_FEATURES, &vhost->features);
	}
	if (!r && !(vhost->features & BIT64(VIRTIO_F_VERSION_1)))
		return err_set(err, -EOPNOTSUPP,
			       VHOST_NET_PATH ": this kernel's does not know"
					      " VIRTIO 1.0");
	if (!r) {
		what = "told of guest memory";
		r = set_memory(vhost);
	}
	for (q = 0; q < vhost->params.queues && !r; q++) {
		what = "given event files";
		r = set_events(vhost, q);
	}
	return r ? err_sys(err, r, VHOST_NET_PATH ": cannot be %s", what) : 0;
}

int vhost_create(const struct vhost_params *params, struct err *err,
		 struct vhost **ret_vhost)
{
	struct vhost *vhost = calloc(1, sizeof(*vhost));
	unsigned q;
	int r;

	assert(params->queues <= VIRTIO_QUEUES_MAX);
	if (!vhost)
		return err_set(err, -ENOMEM, "vhost: out of memory");
	vhost->params = *params;
	vhost->fd = vhost->error_fd = vhost->epoll_fd = -1;
	for (q = 0; q < VIRTIO_QUEUES_MAX; q++)
		vhost->queue[q].kick_fd = vhost->queue[q].call_fd = -1;
	r = open_kernel(vhost, err);
	if (!r) {
		r = create_events(vhost);
		if (r)
			err_sys(err, r, "vhost: cannot create event files");
	}
	if (!r)
		r = tell_kernel(vhost, err);
	if (r) {
		vhost_destroy(vhost);
		return r;
	}
	*ret_vhost = vhost;
	return 0;
}

void vhost_destroy(struct vhost *vhost)
{
	const struct irq_ctl *irq;
	unsigned q;

	if (!vhost)
		return;
	irq = vhost->params.irq;
	vhost_stop(vhost);
	/* The kernel first: it signals the rest. */
	vhost_close(vhost);
	ev_fd_destroy(vhost->event);
	event_close(vhost->epoll_fd);
	event_close(vhost->error_fd);
	for (q = 0; q < VIRTIO_QUEUES_MAX; q++) {
		struct vhost_queue *vq = &vhost->queue[q];

		if (vq->routed)
			irq->ops->msi_free(irq->ctx, vq->gsi);
		event_close(vq->kick_fd);
		event_close(vq->call_fd);
	}
	free(vhost);
}
