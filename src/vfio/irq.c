/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of a passed-through device.
 *
 * Theory of operation. The host's kernel owns the device's real interrupt
 * registers. What the guest programs lands in the PCI core's emulated state,
 * and this file makes the real thing follow: it tells VFIO which eventfd each
 * interrupt signals and ties that eventfd to the guest's interrupt
 * controllers. After that no code of ours runs when an interrupt fires.
 *
 *   device -> host kernel -> eventfd -> KVM -> guest
 *
 * One of three modes is armed at a time, as on hardware: MSI-X when enabled,
 * else MSI when enabled, else INTx when the function has a pin and the guest
 * has not disabled it, else none.
 *
 * INTx is level-triggered. VFIO masks the line when it fires; KVM keeps the
 * guest's line asserted until the guest acknowledges, and then signals the
 * resample eventfd, which VFIO takes as "unmask".
 *
 * MSI-X vectors cost the host interrupt vectors, and a device may have 2048 of
 * which a guest uses 3. So vectors are set up when the guest first unmasks
 * them, inside a block that VFIO allocates: where the block cannot grow in
 * place (NORESIZE) it is torn down and made larger. An interrupt that falls
 * into that gap is lost, so every vector in use is then fired once: spurious
 * message interrupts are harmless, lost ones are not.
 *
 * A masked vector stays set up, because taking it down would be slow and VFIO
 * has no mask for it: its eventfd is taken from KVM and watched through the
 * device's epoll set instead; when it fires, the pending bit is set. When the
 * vector is unmasked a pending one is fired.
 *
 * Threads: hooks run on vCPU threads with the device's lock held; the event
 * loop only ever waits for the epoll set, which any thread may change.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define MSIX_BLOCK_MIN	32u
#define PENDING_AT_ONCE 32

static const char *const mode_name[] = {
    [VFIO_IRQ_NONE] = "no interrupts",
    [VFIO_IRQ_INTX] = "INTx",
    [VFIO_IRQ_MSI] = "MSI",
    [VFIO_IRQ_MSIX] = "MSI-X",
};

static unsigned mode_index(enum vfio_irq_mode mode)
{
	switch (mode) {
	case VFIO_IRQ_MSIX:
		return VFIO_PCI_MSIX_IRQ_INDEX;
	case VFIO_IRQ_MSI:
		return VFIO_PCI_MSI_IRQ_INDEX;
	default:
		return VFIO_PCI_INTX_IRQ_INDEX;
	}
}

int vfio_irq_set(const struct vfio_device *d, unsigned index, uint32_t action,
		 unsigned start, unsigned count, const int32_t *fds)
{
	CLEANUP_FREE struct vfio_irq_set *set = NULL;
	size_t bytes = fds ? count * sizeof(*fds) : 0;

	set = calloc(1, sizeof(*set) + bytes);
	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)(sizeof(*set) + bytes);
	set->flags =
	    action | (fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->start = start;
	set->count = count;
	if (fds)
		memcpy(set->data, fds, bytes);
	return vfio_device_ioctl(d, VFIO_DEVICE_SET_IRQS, set);
}

/* All of an index off: its eventfds are no longer used by the kernel. */
static int index_disable(const struct vfio_device *d, unsigned index)
{
	return vfio_irq_set(d, index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, NULL);
}

/* ---- eventfds ---- */

static int event_open(int *fd)
{
	if (*fd >= 0)
		return 0;
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static void event_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void event_drain(int fd)
{
	uint64_t count;

	/* Nothing to read is what we want. */
	if (fd >= 0 && read(fd, &count, sizeof(count)) < 0)
		return;
}

static void event_signal(int fd)
{
	const uint64_t one = 1;

	/* A full counter is already signalled. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- one vector ---- */

static struct irq_ctl *ctl(const struct vfio_device *d)
{
	return d->env.irq;
}

static int vector_prepare(struct vfio_device *d, unsigned n)
{
	struct vfio_vector *v = &d->irq.vector[n];
	int r = event_open(&v->fd);

	if (r || v->routed)
		return r;
	r = ctl(d)->ops->msi_alloc(ctl(d)->ctx, &v->gsi);
	v->routed = r == 0;
	v->msg = (struct irq_msg){0};
	return r;
}

static int vector_route(struct vfio_device *d, unsigned n, struct irq_msg msg)
{
	struct vfio_vector *v = &d->irq.vector[n];
	int r;

	if (v->msg.addr == msg.addr && v->msg.data == msg.data && msg.addr)
		return 0;
	r = ctl(d)->ops->msi_set(ctl(d)->ctx, v->gsi, msg);
	if (!r)
		v->msg = msg;
	return r;
}

static void vector_unwatch(struct vfio_device *d, unsigned n)
{
	struct vfio_vector *v = &d->irq.vector[n];

	if (v->watched)
		epoll_ctl(d->irq.epoll_fd, EPOLL_CTL_DEL, v->fd, NULL);
	v->watched = false;
}

/* The vector's interrupts set its pending bit: once is enough. */
static void vector_watch(struct vfio_device *d, unsigned n)
{
	struct vfio_vector *v = &d->irq.vector[n];
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLONESHOT,
	    .data.u32 = n,
	};

	if (v->watched)
		return;
	if (epoll_ctl(d->irq.epoll_fd, EPOLL_CTL_ADD, v->fd, &ev) < 0)
		log_guest("%s: vector %u: pending bit will not be set: %s",
			  vfio_name(d), n, strerror(errno));
	else
		v->watched = true;
}

static int vector_attach(struct vfio_device *d, unsigned n)
{
	struct vfio_vector *v = &d->irq.vector[n];
	int r;

	if (v->attached)
		return 0;
	vector_unwatch(d, n);
	r = ctl(d)->ops->event_attach(ctl(d)->ctx, v->gsi, v->fd, IRQ_NO_EVENT);
	v->attached = r == 0;
	return r;
}

static void vector_detach(struct vfio_device *d, unsigned n)
{
	struct vfio_vector *v = &d->irq.vector[n];

	if (v->attached)
		ctl(d)->ops->event_detach(ctl(d)->ctx, v->gsi, v->fd);
	v->attached = false;
}

static void vector_idle(struct vfio_device *d, unsigned n)
{
	vector_detach(d, n);
	vector_unwatch(d, n);
	event_drain(d->irq.vector[n].fd);
	d->irq.vector[n].armed = false;
}

/* ---- pending bits ---- */

static unsigned msi_pending_off(const struct pci_dev *dev)
{
	unsigned flags = pci_cfg16(dev, dev->msi_cap + PCI_MSI_FLAGS);

	if (!(flags & PCI_MSI_FLAGS_MASKBIT))
		return 0;
	return dev->msi_cap + (flags & PCI_MSI_FLAGS_64BIT
				   ? PCI_MSI_PENDING_64
				   : PCI_MSI_PENDING_32);
}

static bool pending_get(struct vfio_device *d, unsigned n)
{
	struct pci_dev *dev = &d->pci;
	unsigned off;

	if (d->irq.mode == VFIO_IRQ_MSIX)
		return dev->msix_pending[n / 64] & BIT64(n % 64);
	off = msi_pending_off(dev);
	return off && (pci_cfg32(dev, off) >> (n & 31) & 1);
}

static void pending_set(struct vfio_device *d, unsigned n, bool on)
{
	struct pci_dev *dev = &d->pci;
	unsigned off;
	uint32_t v;

	if (d->irq.mode == VFIO_IRQ_MSIX) {
		pci_msix_set_pending(dev, n, on);
		return;
	}
	off = msi_pending_off(dev);
	if (!off)
		return;
	v = pci_cfg32(dev, off) & ~(1u << (n & 31));
	pci_set32(dev, off, v | (uint32_t)on << (n & 31));
}

/* A masked vector fired; on the event loop. */
static void on_pending(void *ctx, unsigned events UNUSED)
{
	struct vfio_device *d = ctx;
	struct epoll_event ev[PENDING_AT_ONCE];
	int i, n;

	pthread_mutex_lock(&d->pci.lock);
	n = epoll_wait(d->irq.epoll_fd, ev, PENDING_AT_ONCE, 0);
	for (i = 0; i < n; i++) {
		unsigned vector = ev[i].data.u32;

		if (!d->irq.vector[vector].watched)
			continue;
		event_drain(d->irq.vector[vector].fd);
		pending_set(d, vector, true);
	}
	pthread_mutex_unlock(&d->pci.lock);
}

/* Feeds the vector to the guest, or to its pending bit while masked. */
static int vector_deliver(struct vfio_device *d, unsigned n, bool masked)
{
	int r;

	if (masked) {
		vector_detach(d, n);
		vector_watch(d, n);
		return 0;
	}
	r = vector_attach(d, n);
	if (!r && pending_get(d, n)) {
		pending_set(d, n, false);
		event_signal(d->irq.vector[n].fd);
	}
	return r;
}

/* ---- MSI-X ---- */

static unsigned msix_count(const struct vfio_device *d)
{
	return MIN(d->pci.msix_count,
		   (unsigned)d->irq.info[VFIO_PCI_MSIX_IRQ_INDEX].count);
}

static bool msix_can_grow(const struct vfio_device *d)
{
	return !(d->irq.info[VFIO_PCI_MSIX_IRQ_INDEX].flags &
		 VFIO_IRQ_INFO_NORESIZE);
}

/*
 * A new block of n vectors, those in use with their eventfds. With none in
 * use the device still has MSI-X switched on, as the guest's driver expects.
 */
static int msix_allocate(struct vfio_device *d, unsigned n)
{
	struct vfio_irq *irq = &d->irq;
	CLEANUP_FREE int32_t *fds = NULL;
	unsigned i;
	int r;

	fds = calloc(n, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		fds[i] = irq->vector[i].armed ? irq->vector[i].fd : -1;
	r = vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX,
			 VFIO_IRQ_SET_ACTION_TRIGGER, 0, n, fds);
	/* A positive answer is how many the host could give. */
	if (r > 0 && (unsigned)r < n) {
		irq->ceiling = n = (unsigned)r;
		r = vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX,
				 VFIO_IRQ_SET_ACTION_TRIGGER, 0, n, fds);
	}
	irq->allocated = r == 0 ? n : 0;
	return r > 0 ? -ENOSPC : r;
}

static unsigned msix_block(const struct vfio_device *d, unsigned need)
{
	unsigned n = MAX(2 * d->irq.allocated, MSIX_BLOCK_MIN);

	if (msix_can_grow(d))
		return MAX(need, 1u);
	n = MAX(n, need);
	n = MIN(n, msix_count(d));
	return d->irq.ceiling ? MIN(n, d->irq.ceiling) : n;
}

static int msix_regrow(struct vfio_device *d, unsigned need)
{
	unsigned i, n = msix_block(d, need), before = d->irq.allocated;
	int r;

	if (before) {
		r = index_disable(d, VFIO_PCI_MSIX_IRQ_INDEX);
		if (r)
			return r;
	}
	r = msix_allocate(d, n);
	if (r && before) /* what there was is better than nothing */
		(void)!msix_allocate(d, before);
	for (i = 0; i < msix_count(d); i++) {
		struct vfio_vector *v = &d->irq.vector[i];

		v->armed = v->armed && i < d->irq.allocated;
		if (v->armed && before)
			event_signal(v->fd);
	}
	return r ? r : need <= d->irq.allocated ? 0 : -ENOSPC;
}

/* The device's vector n signals its eventfd from now on. */
static int msix_arm(struct vfio_device *d, unsigned n)
{
	struct vfio_irq *irq = &d->irq;
	int32_t fd = irq->vector[n].fd;
	int r;

	/* The host said how many it has: asking again would only cost. */
	if (irq->ceiling && n >= irq->ceiling)
		return -ENOSPC;
	if (n >= irq->allocated && !(irq->allocated && msix_can_grow(d))) {
		irq->vector[n].armed = true;
		r = msix_regrow(d, n + 1);
		irq->vector[n].armed = r == 0;
		return r;
	}
	r = vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX,
			 VFIO_IRQ_SET_ACTION_TRIGGER, n, 1, &fd);
	if (r > 0)
		r = -ENOSPC;
	irq->vector[n].armed = r == 0;
	if (!r)
		irq->allocated = MAX(irq->allocated, n + 1);
	return r;
}

static int msix_vector_update(struct vfio_device *d, unsigned n)
{
	struct vfio_vector *v = &d->irq.vector[n];
	bool masked = pci_msix_masked(&d->pci, n);
	int r;

	if (masked && !v->armed)
		return 0; /* not used yet */
	r = vector_prepare(d, n);
	if (!r)
		r = vector_route(d, n, pci_msix_msg(&d->pci, n));
	if (!r)
		r = vector_deliver(d, n, masked);
	if (!r && !v->armed)
		r = msix_arm(d, n);
	return r;
}

static int msix_update(struct vfio_device *d)
{
	unsigned n, count = msix_count(d);
	int r, first = 0;

	for (n = 0; n < count; n++) {
		r = msix_vector_update(d, n);
		if (r && !first)
			first = r;
	}
	return first;
}

static int msix_enable(struct vfio_device *d)
{
	unsigned n = msix_count(d);
	int r;

	while (n > 0 && pci_msix_masked(&d->pci, n - 1))
		n--;
	r = msix_allocate(d, msix_block(d, n));
	return r ? r : msix_update(d);
}

/* ---- MSI ---- */

static int msi_update(struct vfio_device *d)
{
	unsigned n;
	bool masked;
	int r;

	for (n = 0; n < d->irq.allocated; n++) {
		struct irq_msg msg = pci_msi_msg(&d->pci, n, &masked);

		r = vector_route(d, n, msg);
		if (!r)
			r = vector_deliver(d, n, masked);
		if (r)
			return r;
	}
	return 0;
}

static unsigned msi_count(const struct vfio_device *d)
{
	return MIN(pci_msi_count(&d->pci),
		   (unsigned)d->irq.info[VFIO_PCI_MSI_IRQ_INDEX].count);
}

static int msi_enable(struct vfio_device *d)
{
	unsigned i, n = msi_count(d);
	int32_t fds[32];
	int r;

	for (i = 0; i < n; i++) {
		r = vector_prepare(d, i);
		if (r)
			return r;
		fds[i] = d->irq.vector[i].fd;
		d->irq.vector[i].armed = true;
	}
	d->irq.allocated = n;
	r = msi_update(d);
	if (!r)
		r = vfio_irq_set(d, VFIO_PCI_MSI_IRQ_INDEX,
				 VFIO_IRQ_SET_ACTION_TRIGGER, 0, n, fds);
	/* Fewer than asked for: the device folds its vectors onto those. */
	if (r > 0 && (unsigned)r < n)
		r = vfio_irq_set(d, VFIO_PCI_MSI_IRQ_INDEX,
				 VFIO_IRQ_SET_ACTION_TRIGGER, 0, (unsigned)r,
				 fds);
	return r > 0 ? -ENOSPC : r;
}

/* ---- INTx ---- */

static bool intx_possible(const struct vfio_device *d)
{
	return d->irq.info[VFIO_PCI_INTX_IRQ_INDEX].count > 0 &&
	       !d->irq.intx_broken && pci_intx_gsi(&d->pci) >= 0;
}

static int intx_enable(struct vfio_device *d)
{
	struct vfio_irq *irq = &d->irq;
	int32_t fd;
	int r;

	r = event_open(&irq->intx_fd);
	if (!r)
		r = event_open(&irq->resample_fd);
	if (r)
		return r;
	event_drain(irq->intx_fd);
	event_drain(irq->resample_fd);
	irq->intx_gsi = (unsigned)pci_intx_gsi(&d->pci);
	r = ctl(d)->ops->event_attach(ctl(d)->ctx, irq->intx_gsi, irq->intx_fd,
				      irq->resample_fd);
	if (r)
		return r;
	fd = irq->intx_fd;
	r = vfio_irq_set(d, VFIO_PCI_INTX_IRQ_INDEX,
			 VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &fd);
	if (!r) {
		fd = irq->resample_fd;
		r = vfio_irq_set(d, VFIO_PCI_INTX_IRQ_INDEX,
				 VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &fd);
		if (r)
			(void)!index_disable(d, VFIO_PCI_INTX_IRQ_INDEX);
	}
	if (!r)
		return 0;
	ctl(d)->ops->event_detach(ctl(d)->ctx, irq->intx_gsi, irq->intx_fd);
	/* EBUSY: the host shares the line and the device cannot mask it. */
	irq->intx_broken = r == -EBUSY;
	return r;
}

/* ---- modes ---- */

static enum vfio_irq_mode mode_wanted(const struct vfio_device *d)
{
	const struct pci_dev *dev = &d->pci;

	if (d->quiesced)
		return VFIO_IRQ_NONE;
	if (pci_msix_enabled(dev))
		return VFIO_IRQ_MSIX;
	if (pci_msi_enabled(dev))
		return VFIO_IRQ_MSI;
	if (intx_possible(d) &&
	    !(pci_cfg16(dev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE))
		return VFIO_IRQ_INTX;
	return VFIO_IRQ_NONE;
}

int vfio_irq_disarm(struct vfio_device *d)
{
	struct vfio_irq *irq = &d->irq;
	enum vfio_irq_mode mode = irq->mode;
	unsigned n;
	int r = 0;

	if (mode == VFIO_IRQ_NONE)
		return 0;
	/* Nothing to disable when the block could not be allocated. */
	if (mode == VFIO_IRQ_INTX || irq->allocated)
		r = index_disable(d, mode_index(mode));
	if (mode == VFIO_IRQ_INTX)
		ctl(d)->ops->event_detach(ctl(d)->ctx, irq->intx_gsi,
					  irq->intx_fd);
	for (n = 0; mode != VFIO_IRQ_INTX && n < irq->vectors; n++) {
		vector_idle(d, n);
		if (mode == VFIO_IRQ_MSIX || n < 32)
			pending_set(d, n, false);
	}
	irq->allocated = 0;
	irq->mode = VFIO_IRQ_NONE;
	return r;
}

static int mode_arm(struct vfio_device *d, enum vfio_irq_mode mode)
{
	int r;

	d->irq.mode = mode;
	switch (mode) {
	case VFIO_IRQ_MSIX:
		return msix_enable(d);
	case VFIO_IRQ_MSI:
		r = msi_enable(d);
		if (r)
			d->irq.allocated = 0;
		return r;
	case VFIO_IRQ_INTX:
		r = intx_enable(d);
		if (r)
			d->irq.mode = VFIO_IRQ_NONE;
		return r;
	case VFIO_IRQ_NONE:
		break;
	}
	return 0;
}

static int mode_update(struct vfio_device *d)
{
	if (d->irq.mode == VFIO_IRQ_MSIX)
		return msix_update(d);
	if (d->irq.mode != VFIO_IRQ_MSI)
		return 0;
	if (msi_count(d) == d->irq.allocated)
		return msi_update(d);
	(void)!vfio_irq_disarm(d);
	return mode_arm(d, VFIO_IRQ_MSI);
}

void vfio_irq_sync(struct vfio_device *d)
{
	enum vfio_irq_mode wanted = mode_wanted(d);
	int r;

	if (wanted == d->irq.mode) {
		r = mode_update(d);
	} else {
		r = vfio_irq_disarm(d);
		if (!r)
			r = mode_arm(d, wanted);
	}
	if (r == -EBUSY && wanted == VFIO_IRQ_INTX)
		log_guest(
		    "%s: INTx cannot be used: the host shares its line"
		    " with other devices and the device cannot mask it; use a"
		    " driver with MSI, or another slot",
		    vfio_name(d));
	else if (r)
		log_guest("%s: %s cannot be set up: %s", vfio_name(d),
			  mode_name[wanted], strerror(-r));
}

void vfio_irq_function_reset(struct vfio_device *d)
{
	struct pci_dev *dev = &d->pci;
	uint16_t flags;
	unsigned n;

	(void)!vfio_irq_disarm(d);
	if (dev->msix_cap) {
		flags = pci_cfg16(dev, dev->msix_cap + PCI_MSIX_FLAGS);
		pci_set16(dev, dev->msix_cap + PCI_MSIX_FLAGS,
			  flags & PCI_MSIX_FLAGS_QSIZE);
		for (n = 0; n < dev->msix_count; n++)
			dev->msix[n].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	if (dev->msi_cap) {
		flags = pci_cfg16(dev, dev->msi_cap + PCI_MSI_FLAGS);
		pci_set16(dev, dev->msi_cap + PCI_MSI_FLAGS,
			  (uint16_t)(flags & ~(PCI_MSI_FLAGS_ENABLE |
					       PCI_MSI_FLAGS_QSIZE)));
		n = msi_pending_off(dev);
		if (n)
			pci_set32(dev, n - 4, 0); /* the masks */
	}
	vfio_irq_sync(d);
}

void vfio_irq_hook_msi(struct pci_dev *dev)
{
	vfio_irq_sync(vfio_device_of(dev));
}

void vfio_irq_hook_msix(struct pci_dev *dev, unsigned vector)
{
	struct vfio_device *d = vfio_device_of(dev);
	int r;

	if (vector == PCI_MSIX_ALL) {
		vfio_irq_sync(d);
		return;
	}
	if (d->irq.mode != VFIO_IRQ_MSIX || vector >= msix_count(d))
		return;
	r = msix_vector_update(d, vector);
	if (r)
		log_guest("%s: MSI-X vector %u cannot be set up: %s",
			  vfio_name(d), vector, strerror(-r));
}

/* ---- life ---- */

static int info_read(struct vfio_device *d, unsigned index, struct err *err)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	int r;

	r = vfio_device_ioctl(d, VFIO_DEVICE_GET_IRQ_INFO, &info);
	/* Conventional devices have no error index, mediated ones no MSI-X. */
	if (r == -EINVAL && (index >= VFIO_PCI_ERR_IRQ_INDEX || d->mdev[0]))
		return 0;
	if (r < 0)
		return err_sys(err, r, "%s: interrupts", vfio_name(d));
	d->irq.info[index] = info;
	return 0;
}

int vfio_irq_create(struct vfio_device *d, struct err *err)
{
	struct vfio_irq *irq = &d->irq;
	unsigned i;
	int r;

	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		r = info_read(d, i, err);
		if (r)
			return r;
	}
	irq->vectors = MIN(MAX(irq->info[VFIO_PCI_MSI_IRQ_INDEX].count,
			       irq->info[VFIO_PCI_MSIX_IRQ_INDEX].count),
			   PCI_MSIX_VECTORS);
	irq->vector = calloc(irq->vectors + 1, sizeof(*irq->vector));
	if (!irq->vector)
		return err_set(err, -ENOMEM, "%s: out of memory", vfio_name(d));
	for (i = 0; i < irq->vectors; i++)
		irq->vector[i].fd = -1;
	irq->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (irq->epoll_fd < 0)
		return err_sys(err, -errno, "%s: epoll", vfio_name(d));
	r = ev_fd_create(d->env.loop, irq->epoll_fd, EV_IN, on_pending, d,
			 &irq->epoll_event);
	return r ? err_sys(err, r, "%s: event loop", vfio_name(d)) : 0;
}

void vfio_irq_destroy(struct vfio_device *d)
{
	struct vfio_irq *irq = &d->irq;
	unsigned i;

	if (d->fd >= 0)
		(void)!vfio_irq_disarm(d);
	ev_fd_destroy(irq->epoll_event);
	irq->epoll_event = NULL;
	for (i = 0; irq->vector && i < irq->vectors; i++) {
		if (irq->vector[i].routed)
			ctl(d)->ops->msi_free(ctl(d)->ctx, irq->vector[i].gsi);
		event_close(&irq->vector[i].fd);
	}
	free(irq->vector);
	irq->vector = NULL;
	event_close(&irq->intx_fd);
	event_close(&irq->resample_fd);
	event_close(&irq->epoll_fd);
}
