/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio device status machine, queues and interrupts, whatever the
 * transport; the contract is in virtio.h.
 *
 * Theory of operation. A driver resets the device, reads what is offered,
 * writes what it takes (FEATURES_OK freezes that), sets queues up and says
 * DRIVER_OK. Only then is the device live: it takes chains when its queue's
 * eventfd is signalled, on the event loop's thread, under the device lock.
 *
 * A model may hold requests beyond that. virtio->generation tells a late
 * completion that its driver is gone; `resetting` keeps device_status from
 * reading 0 until the last of them is out of the guest's memory (VIRTIO 1.2,
 * 2.1.2 and 4.1.4.3: the driver waits for the 0).
 *
 * virtio_fail() is the end of every protocol error: NEEDS_RESET, one line in
 * the log, silence until the driver resets.
 */
#include "virtio/virtio.h"

#include <assert.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "virtio/virtio_internal.h"

#define FAIL_TEXT_MAX 160

#define TRANSPORT_FEATURES                                            \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT64(VIRTIO_RING_F_INDIRECT_DESC))

/* ---- life ---- */

static void queue_kicked(void *ctx, unsigned events UNUSED)
{
	struct virtio_queue *queue = ctx;
	struct virtio *virtio = queue->virtio;
	eventfd_t count;

	/* Cleared before looking: a kick during the look comes back. */
	(void)!eventfd_read(queue->kick_fd, &count);
	pthread_mutex_lock(&virtio->pci.lock);
	if (virtio_live(virtio) && queue->ring.started)
		virtio->params.ops->queue(virtio,
					  (unsigned)(queue - virtio->queue));
	pthread_mutex_unlock(&virtio->pci.lock);
}

static int queues_create(struct virtio *virtio, const struct model_env *env)
{
	unsigned q;
	int r;

	for (q = 0; q < virtio->params.queues; q++) {
		struct virtio_queue *queue = &virtio->queue[q];

		queue->virtio = virtio;
		queue->ring.gmem = env->gmem;
		queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick_fd < 0)
			return -errno;
		queue->bell_fd = queue->kick_fd;
		r = ev_fd_create(env->loop, queue->kick_fd, EV_IN, queue_kicked,
				 queue, &queue->kick);
		if (r)
			return r;
	}
	return 0;
}

int virtio_init(struct virtio *virtio, const struct model_env *env,
		struct pci_addr addr, const struct virtio_params *params,
		struct err *err)
{
	unsigned q;
	int r;

	assert(params->queues <= VIRTIO_QUEUES_MAX);
	*virtio = (struct virtio){
	    .params = *params,
	    .irq = env->irq,
	    .features = params->features | TRANSPORT_FEATURES,
	};
	for (q = 0; q < VIRTIO_QUEUES_MAX; q++)
		virtio->queue[q].kick_fd = -1;
	r = pci_dev_init(&virtio->pci, addr, params->model, &virtio_pci_ops,
			 virtio);
	if (r)
		return err_sys(err, r, "%s", params->model);
	r = queues_create(virtio, env);
	if (r) {
		virtio_fini(virtio);
		return err_sys(err, r, "%s: cannot create its event files",
			       params->model);
	}
	virtio_forget(virtio);
	r = virtio_pci_build(virtio, env, err);
	if (r)
		virtio_fini(virtio);
	return r;
}

int virtio_add(struct virtio *virtio, const struct model_env *env,
	       struct err *err)
{
	return pci_host_add(env->pci, &virtio->pci, err);
}

void virtio_fini(struct virtio *virtio)
{
	unsigned q;

	for (q = 0; q < VIRTIO_QUEUES_MAX; q++) {
		struct virtio_queue *queue = &virtio->queue[q];

		/* A queue without owner was never created: no eventfd. */
		if (!queue->virtio)
			continue;
		ev_fd_destroy(queue->kick);
		if (queue->kick_fd >= 0)
			close(queue->kick_fd);
	}
	pci_dev_fini(&virtio->pci);
	*virtio = (struct virtio){0};
}

/* ---- status ---- */

bool virtio_live(const struct virtio *virtio)
{
	return (virtio->status &
		(VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) ==
		   VIRTIO_CONFIG_S_DRIVER_OK &&
	       !virtio->resetting && pci_bus_master(&virtio->pci);
}

void virtio_live_sync(struct virtio *virtio)
{
	bool live = virtio_live(virtio);

	if (live == virtio->was_live)
		return;
	virtio->was_live = live;
	if (virtio->params.ops->live)
		virtio->params.ops->live(virtio, live);
	/* The model may have put another eventfd behind the doorbells. */
	if (live)
		virtio_doorbells_sync(virtio);
}

void virtio_forget(struct virtio *virtio)
{
	unsigned q;

	for (q = 0; q < virtio->params.queues; q++) {
		ring_stop(&virtio->queue[q].ring);
		virtio->queue[q].ring.size = virtio->params.queue_size;
		virtio->queue[q].vector = VIRTIO_VECTOR_NONE;
	}
	virtio->driver_features = 0;
	virtio->device_feature_select = 0;
	virtio->driver_feature_select = 0;
	virtio->queue_select = 0;
	virtio->config_vector = VIRTIO_VECTOR_NONE;
	virtio->status = 0;
	virtio->isr = 0;
	virtio->resetting = false;
}

static void reset_finish(struct virtio *virtio)
{
	pci_intx_set(&virtio->pci, false);
	virtio_forget(virtio);
}

static void reset_begin(struct virtio *virtio)
{
	if (virtio->resetting)
		return;
	virtio->resetting = true;
	virtio->generation++;
	virtio_live_sync(virtio);
	if (virtio->params.ops->stop)
		virtio->params.ops->stop(virtio);
	if (!virtio->holds)
		reset_finish(virtio);
}

void virtio_hold(struct virtio *virtio)
{
	virtio->holds++;
}

void virtio_release(struct virtio *virtio)
{
	assert(virtio->holds > 0);
	if (--virtio->holds == 0 && virtio->resetting)
		reset_finish(virtio);
}

bool virtio_answerable(struct virtio *virtio, unsigned generation)
{
	if (virtio->generation != generation)
		return false;
	if (!pci_bus_master(&virtio->pci))
		virtio_fail(
		    virtio,
		    "bus mastering switched off with requests in flight");
	return virtio_live(virtio);
}

static bool features_ok(const struct virtio *virtio)
{
	return (virtio->driver_features & ~virtio->features) == 0 &&
	       virtio_has(virtio, VIRTIO_F_VERSION_1);
}

static void driver_ready(struct virtio *virtio)
{
	unsigned q;

	if (!(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		virtio_fail(virtio, "DRIVER_OK before FEATURES_OK");
		return;
	}
	virtio->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (virtio->params.ops->start)
		virtio->params.ops->start(virtio);
	virtio_live_sync(virtio);
	virtio_doorbells_sync(virtio);
	/* A driver may fill its queues first and notify too early. */
	for (q = 0; q < virtio->params.queues; q++)
		if (virtio->queue[q].ring.started)
			virtio_queue_kick(virtio, q);
}

void virtio_status_write(struct virtio *virtio, uint8_t value)
{
	uint8_t added = value & (uint8_t)~virtio->status;

	if (value == 0) {
		reset_begin(virtio);
		return;
	}
	/* Waiting for 0 to be read first is the driver's duty (4.1.4.3.2). */
	if (virtio->resetting)
		return;
	virtio->status |=
	    value & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
		     VIRTIO_CONFIG_S_FAILED);
	/* The driver reads back whether its choice was accepted (2.2.2). */
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && features_ok(virtio))
		virtio->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		driver_ready(virtio);
}

void virtio_fail(struct virtio *virtio, const char *fmt, ...)
{
	char text[FAIL_TEXT_MAX];
	va_list ap;

	if (virtio->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_guest("%s: the guest's driver broke the protocol: %s;"
		  " stopped until it resets the device",
		  virtio->pci.name, text);
	virtio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_live_sync(virtio);
	if (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		virtio_config_changed(virtio);
}

/* ---- queues ---- */

void virtio_queue_enable(struct virtio *virtio, struct virtio_queue *queue)
{
	struct ring *ring = &queue->ring;

	if (ring->started)
		return;
	if (!(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		virtio_fail(virtio, "queue enabled before FEATURES_OK");
		return;
	}
	ring->event_idx = virtio_has(virtio, VIRTIO_RING_F_EVENT_IDX);
	ring->indirect = virtio_has(virtio, VIRTIO_RING_F_INDIRECT_DESC);
	if (ring_start(ring)) {
		virtio_fail(virtio, "queue %u: %s",
			    (unsigned)(queue - virtio->queue), ring->fault);
		return;
	}
	/* 1.2 allows it late (4.1.5.1.3): the device is already running. */
	if (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		virtio_doorbells_sync(virtio);
}

void virtio_queue_kick(struct virtio *virtio, unsigned q)
{
	/* The counter cannot fill up: it is read on every wake-up. */
	(void)!eventfd_write(virtio->queue[q].kick_fd, 1);
}

void virtio_queue_run(struct virtio *virtio, unsigned q, virtio_take_fn *take)
{
	struct ring *ring = &virtio->queue[q].ring;
	unsigned budget = VIRTIO_BUDGET;
	int r;

	do {
		ring_kick_off(ring);
		do {
			r = take(virtio, q);
		} while (r == 1 && --budget);
		if (r == 1) {
			virtio_queue_kick(virtio, q);
			return;
		}
		if (r < 0)
			return;
	} while (ring_kick_on(ring));
}

int virtio_queue_take(struct virtio *virtio, unsigned q,
		      struct ring_chain *chain)
{
	struct ring *ring = &virtio->queue[q].ring;
	int r = ring_take(ring, chain);

	if (r < 0)
		virtio_fail(virtio, "queue %u: %s", q, ring->fault);
	return r;
}

/* ---- interrupts ---- */

static void interrupt(struct virtio *virtio, uint8_t isr_bit, uint16_t vector)
{
	if (pci_msix_enabled(&virtio->pci)) {
		if (vector != VIRTIO_VECTOR_NONE)
			pci_msix_raise(&virtio->pci, vector);
		return;
	}
	virtio->isr |= isr_bit;
	pci_intx_set(&virtio->pci, true);
}

void virtio_queue_interrupt(struct virtio *virtio, unsigned q)
{
	interrupt(virtio, VIRTIO_ISR_QUEUE, virtio->queue[q].vector);
}

void virtio_config_changed(struct virtio *virtio)
{
	virtio->config_generation++;
	interrupt(virtio, VIRTIO_PCI_ISR_CONFIG, virtio->config_vector);
}

void virtio_queue_show(struct virtio *virtio, unsigned q)
{
	struct virtio_queue *queue = &virtio->queue[q];

	if (ring_show(&queue->ring))
		virtio_fail(virtio, "queue %u: %s", q, queue->ring.fault);
}

void virtio_queue_tell(struct virtio *virtio, unsigned q)
{
	if (ring_wants_interrupt(&virtio->queue[q].ring))
		virtio_queue_interrupt(virtio, q);
}

void virtio_queue_done(struct virtio *virtio, unsigned q, uint16_t head,
		       uint32_t written)
{
	struct ring *ring = &virtio->queue[q].ring;

	if (ring_give(ring, head, written)) {
		virtio_fail(virtio, "queue %u: %s", q, ring->fault);
		return;
	}
	virtio_queue_show(virtio, q);
	virtio_queue_tell(virtio, q);
}
