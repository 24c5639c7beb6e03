/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on the modern PCI transport (VIRTIO 1.2): what a device
 * model in dev/ builds upon.
 *
 * A model fills `struct virtio_params`, calls virtio_init() and virtio_add().
 * From then on the transport runs the device status machine, feature and queue
 * set-up, notifications and interrupts, and calls the model's virtio_ops.
 *
 * Notifications: each queue has an eventfd. Guest writes to its notify address
 * signal it in the kernel where the platform can (irq_ops->doorbell_add), else
 * the trapped write signals it here. The event loop then calls ops->queue().
 *
 * Requests that outlive ops->queue() (a disk read in flight): call
 * virtio_hold() when they start and virtio_release() when they end, and keep
 * virtio->generation to tell afterwards, with virtio_answerable(), whether the
 * answer still has an asker. A reset asked for while requests are held becomes
 * complete, that is device_status reads 0, when the last one is released: until
 * then the host may still write into the buffers. No vCPU waits meanwhile.
 *
 * A queue may be worked on by a back end in the kernel instead (vhost.h): its
 * notifications then signal queue->bell_fd.
 *
 * What a guest does wrong: virtio_fail(). The device then sets
 * DEVICE_NEEDS_RESET and does nothing more until it is reset.
 *
 * Locking: virtio->pci.lock covers everything here and every op is called with
 * it held, except destroy(). Threads: ops->queue() runs on the event loop,
 * start/stop/config_write on a vCPU's thread.
 */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include <linux/virtio_config.h>

#include "bus/model.h"
#include "virtio/ring.h"

#define VIRTIO_QUEUES_MAX  34u	/* virtio-console with 16 ports */
#define VIRTIO_BUDGET	   256u /* chains handled before others have a turn */
#define VIRTIO_VECTOR_NONE 0xffffu

struct virtio;

struct virtio_ops {
	/* Chains may wait in queue q: take them. */
	void (*queue)(struct virtio *virtio, unsigned q);
	/* The driver is ready (DRIVER_OK); features are final. NULL allowed. */
	void (*start)(struct virtio *virtio);
	/* Reset, also of a device never started. NULL allowed. */
	void (*stop)(struct virtio *virtio);
	/*
	 * The device became able to take chains (virtio_live()), or stops
	 * being so: after start() and before stop(), and in between whenever
	 * bus mastering is switched or the device fails. NULL allowed.
	 */
	void (*live)(struct virtio *virtio, bool on);
	/*
	 * Where a queue's interrupts go may have changed: MSI-X on or off, a
	 * vector's message or mask, the queue's vector. NULL allowed.
	 */
	void (*vectors)(struct virtio *virtio);
	/* The driver wrote device configuration bytes. NULL: read-only. */
	void (*config_write)(struct virtio *virtio, unsigned off, unsigned size,
			     uint32_t value);
	/*
	 * Ends the model: waits for held requests, calls virtio_fini(), frees.
	 */
	void (*destroy)(struct virtio *virtio);
};

struct virtio_params {
	const char *model; /* "virtio-blk"; must stay valid */
	uint16_t type;	   /* VIRTIO_ID_* */
	uint8_t class, subclass;
	uint8_t queues; /* up to VIRTIO_QUEUES_MAX */
	uint16_t queue_size;
	uint64_t features;   /* transport features are added */
	const void *config;  /* device configuration as the driver reads it */
	unsigned config_len; /* 0: the device has none */
	const struct virtio_ops *ops;
};

struct virtio_queue {
	struct ring ring;
	struct virtio *virtio;
	uint16_t vector; /* MSI-X vector or VIRTIO_VECTOR_NONE */
	int kick_fd;
	struct ev_fd *kick;
	int bell_fd;	   /* what a notification signals: kick_fd, or the
			      eventfd of a back end in the kernel */
	uint64_t doorbell; /* address signalled by the kernel, 0: none */
	int doorbell_fd;   /* and what it signals */
};

struct virtio {
	struct pci_dev pci;
	struct virtio_params params;
	struct irq_ctl *irq;
	struct virtio_queue queue[VIRTIO_QUEUES_MAX];
	uint64_t features;	  /* what is offered */
	uint64_t driver_features; /* what the driver took */
	uint32_t device_feature_select, driver_feature_select;
	uint64_t notify_base; /* guest address of the notify area, 0: hidden */
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t config_generation;
	uint8_t status; /* VIRTIO_CONFIG_S_* */
	uint8_t isr;
	bool was_live;	/* as ops->live() was told */
	bool resetting; /* status 0 was written, requests are still held */
	unsigned holds;
	unsigned generation; /* changes with every reset */
	uint8_t cfg_cap;     /* offset of the PCI_CFG capability */
};

/*
 * Builds the PCI function and its eventfds. The MSI-X capability is left out
 * when the root variable virtio_msix is false. virtio_fini() undoes it and
 * accepts a zeroed or half-built struct; call it without the lock.
 */
MUST_CHECK int virtio_init(struct virtio *virtio, const struct model_env *env,
			   struct pci_addr addr,
			   const struct virtio_params *params, struct err *err);
/* Puts it on the bus; the host bridge then calls ops->destroy() at the end. */
MUST_CHECK int virtio_add(struct virtio *virtio, const struct model_env *env,
			  struct err *err);
void virtio_fini(struct virtio *virtio);

static inline bool virtio_has(const struct virtio *virtio, unsigned feature)
{
	return virtio->driver_features >> feature & 1;
}

/* May the device take chains and touch guest memory now? */
bool virtio_live(const struct virtio *virtio);

/* Calls take() until it has nothing, fails, or others should have a turn. */
typedef int virtio_take_fn(struct virtio *virtio, unsigned q);
#define VIRTIO_TAKE_LATER                                  \
	(-EAGAIN) /* take(): stop, someone will kick again \
		   */
/* take(): 1 took one, 0 none there, VIRTIO_TAKE_LATER, else virtio_fail()ed */
void virtio_queue_run(struct virtio *virtio, unsigned q, virtio_take_fn *take);
/* Schedules ops->queue() on the event loop. */
void virtio_queue_kick(struct virtio *virtio, unsigned q);
/* ring_take(), with virtio_fail() for a broken ring. */
MUST_CHECK int virtio_queue_take(struct virtio *virtio, unsigned q,
				 struct ring_chain *chain);
/* Gives a chain back, shows it, interrupts as the driver wishes. */
void virtio_queue_done(struct virtio *virtio, unsigned q, uint16_t head,
		       uint32_t written);
/*
 * The same in steps, for one interrupt for many chains: shows what was given
 * with ring_give(), any number of times; then interrupts, when the driver
 * wishes to hear of what was shown since the last time.
 */
void virtio_queue_show(struct virtio *virtio, unsigned q);
void virtio_queue_tell(struct virtio *virtio, unsigned q);

void virtio_hold(struct virtio *virtio);
void virtio_release(struct virtio *virtio);
/*
 * Is a request taken under this generation still to be answered? One that
 * cannot be, because the guest took the function off the bus meanwhile, fails
 * the device.
 */
bool virtio_answerable(struct virtio *virtio, unsigned generation);

/* The guest broke the protocol: one line, and the driver must reset. */
void virtio_fail(struct virtio *virtio, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Name of the common configuration field at this offset, or NULL. */
const char *virtio_reg_name(unsigned off);

#endif
