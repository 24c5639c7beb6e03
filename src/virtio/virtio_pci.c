/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The modern virtio PCI transport: capabilities, BAR layout, registers,
 * doorbells. State and rules live in virtio.c.
 *
 * Theory of operation. Vendor capabilities tell the guest where in BAR 0 each
 * structure lies (table in virtio_internal.h). The common configuration is a
 * table of fields: an access finds its field, then one switch reads or writes
 * the value. Queue fields go to the queue that queue_select names, and freeze
 * when it is enabled.
 *
 * A queue's notify address becomes a doorbell of the platform when the driver
 * is ready and as long as the BAR decodes: the guest's write then signals the
 * queue's bell_fd without an exit to us. Where the platform refuses, the same
 * write traps and notify_write() signals it.
 *
 * Source: VIRTIO 1.2, 4.1 (Virtio Over PCI Bus). Only natural-width accesses
 * of the common configuration are defined (4.1.3.1); a narrower read gets its
 * part of the field, a narrower or misplaced write is dropped.
 */
#include <assert.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "virtio/virtio_internal.h"

#define VIRTIO_PCI_VENDOR     0x1af4
#define VIRTIO_PCI_DEVICE     0x1040 /* + device type */
#define VIRTIO_PCI_SUBSYS_MIN 0x40   /* below are the transitional ones */
#define VIRTIO_PCI_REVISION   1

/* A guest's notification is a 16-bit write of the queue's number. */
#define DOORBELL_BYTES 2u

#define COMMON_BYTES sizeof(struct virtio_pci_common_cfg)
_Static_assert(COMMON_BYTES == 56, "common configuration layout");

/* ---- common configuration ---- */

enum field_kind {
	RO,
	RW
};

struct common_field {
	uint8_t off, width;
	enum field_kind kind;
	const char *name;
};

static const struct common_field common_fields[] = {
    {VIRTIO_PCI_COMMON_DFSELECT, 4, RW, "device_feature_select"},
    {VIRTIO_PCI_COMMON_DF, 4, RO, "device_feature"},
    {VIRTIO_PCI_COMMON_GFSELECT, 4, RW, "driver_feature_select"},
    {VIRTIO_PCI_COMMON_GF, 4, RW, "driver_feature"},
    {VIRTIO_PCI_COMMON_MSIX, 2, RW, "config_msix_vector"},
    {VIRTIO_PCI_COMMON_NUMQ, 2, RO, "num_queues"},
    {VIRTIO_PCI_COMMON_STATUS, 1, RW, "device_status"},
    {VIRTIO_PCI_COMMON_CFGGENERATION, 1, RO, "config_generation"},
    {VIRTIO_PCI_COMMON_Q_SELECT, 2, RW, "queue_select"},
    {VIRTIO_PCI_COMMON_Q_SIZE, 2, RW, "queue_size"},
    {VIRTIO_PCI_COMMON_Q_MSIX, 2, RW, "queue_msix_vector"},
    {VIRTIO_PCI_COMMON_Q_ENABLE, 2, RW, "queue_enable"},
    {VIRTIO_PCI_COMMON_Q_NOFF, 2, RO, "queue_notify_off"},
    {VIRTIO_PCI_COMMON_Q_DESCLO, 4, RW, "queue_desc_low"},
    {VIRTIO_PCI_COMMON_Q_DESCHI, 4, RW, "queue_desc_high"},
    {VIRTIO_PCI_COMMON_Q_AVAILLO, 4, RW, "queue_driver_low"},
    {VIRTIO_PCI_COMMON_Q_AVAILHI, 4, RW, "queue_driver_high"},
    {VIRTIO_PCI_COMMON_Q_USEDLO, 4, RW, "queue_device_low"},
    {VIRTIO_PCI_COMMON_Q_USEDHI, 4, RW, "queue_device_high"},
};

static const struct common_field *field_at(uint64_t off)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(common_fields); i++)
		if (off - common_fields[i].off < common_fields[i].width)
			return &common_fields[i];
	return NULL;
}

const char *virtio_reg_name(unsigned off)
{
	const struct common_field *field = field_at(off);

	return field ? field->name : NULL;
}

/* The selected queue, or NULL: then its registers read as 0 (4.1.4.3.1). */
static struct virtio_queue *selected(struct virtio *virtio)
{
	return virtio->queue_select < virtio->params.queues
		   ? &virtio->queue[virtio->queue_select]
		   : NULL;
}

static uint32_t half(uint64_t v, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(v >> (32 * select));
}

static uint32_t queue_field_read(const struct virtio_queue *queue, unsigned off)
{
	const struct ring *ring = &queue->ring;

	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return ring->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return queue->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return ring->started;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return (uint32_t)(queue - queue->virtio->queue);
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return half(ring->desc.v, 0);
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return half(ring->desc.v, 1);
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return half(ring->avail.v, 0);
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return half(ring->avail.v, 1);
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return half(ring->used.v, 0);
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return half(ring->used.v, 1);
	default:
		return 0;
	}
}

static uint32_t field_read(struct virtio *virtio, unsigned off)
{
	const struct virtio_queue *queue;

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return virtio->device_feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return half(virtio->features, virtio->device_feature_select);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return virtio->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return half(virtio->driver_features,
			    virtio->driver_feature_select);
	case VIRTIO_PCI_COMMON_MSIX:
		return virtio->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return virtio->params.queues;
	case VIRTIO_PCI_COMMON_STATUS:
		return virtio->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return virtio->config_generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return virtio->queue_select;
	default:
		queue = selected(virtio);
		return queue ? queue_field_read(queue, off) : 0;
	}
}

/* A vector the function does not have reads back as none (4.1.5.1.2). */
static uint16_t vector_checked(const struct virtio *virtio, uint32_t value)
{
	return value < virtio->pci.msix_count ? (uint16_t)value
					      : VIRTIO_VECTOR_NONE;
}

static void set_half(uint64_t *v, unsigned index, uint32_t value)
{
	*v = (*v & ~((uint64_t)UINT32_MAX << (32 * index))) |
	     (uint64_t)value << (32 * index);
}

static void vectors_changed(struct virtio *virtio)
{
	if (virtio->params.ops->vectors)
		virtio->params.ops->vectors(virtio);
}

/* Where a queue lies may change until it is enabled. */
static void queue_field_write(struct virtio *virtio, unsigned off,
			      uint32_t value)
{
	struct virtio_queue *queue = selected(virtio);
	struct ring *ring;

	if (!queue)
		return;
	ring = &queue->ring;
	if (off == VIRTIO_PCI_COMMON_Q_MSIX) {
		queue->vector = vector_checked(virtio, value);
		vectors_changed(virtio);
		return;
	}
	if (ring->started)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (is_pow2(value) && value <= virtio->params.queue_size)
			ring->size = (uint16_t)value;
		else
			virtio_fail(virtio, "queue size %u", value);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			virtio_queue_enable(virtio, queue);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&ring->desc.v, off == VIRTIO_PCI_COMMON_Q_DESCHI,
			 value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&ring->avail.v, off == VIRTIO_PCI_COMMON_Q_AVAILHI,
			 value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&ring->used.v, off == VIRTIO_PCI_COMMON_Q_USEDHI,
			 value);
		break;
	default:
		break;
	}
}

static void field_write(struct virtio *virtio, unsigned off, uint32_t value)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		virtio->device_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		virtio->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (!(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
		    virtio->driver_feature_select < 2)
			set_half(&virtio->driver_features,
				 virtio->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		virtio->config_vector = vector_checked(virtio, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		virtio_status_write(virtio, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		virtio->queue_select = (uint16_t)value;
		break;
	default:
		queue_field_write(virtio, off, value);
		break;
	}
}

static uint32_t common_read(struct virtio *virtio, uint64_t off, unsigned size)
{
	const struct common_field *field = field_at(off);
	uint64_t in;

	if (!field)
		return 0;
	in = off - field->off;
	if (in + size > field->width)
		return 0;
	return field_read(virtio, field->off) >> (8 * in);
}

static void common_write(struct virtio *virtio, uint64_t off, unsigned size,
			 uint32_t value)
{
	const struct common_field *field = field_at(off);

	if (!field || off != field->off || size != field->width ||
	    field->kind != RW) {
		log_guest("%s: %u-byte write at 0x%llx of the common"
			  " configuration dropped",
			  virtio->pci.name, size, (unsigned long long)off);
		return;
	}
	/* A device that is being reset listens to nothing but its status. */
	if (!virtio->resetting || field->off == VIRTIO_PCI_COMMON_STATUS ||
	    field->off == VIRTIO_PCI_COMMON_DFSELECT)
		field_write(virtio, field->off, value);
}

/* ---- the other structures of BAR 0 ---- */

static uint32_t isr_read(struct virtio *virtio)
{
	uint8_t isr = virtio->isr;

	virtio->isr = 0;
	pci_intx_set(&virtio->pci, false);
	return isr;
}

static uint32_t device_read(const struct virtio *virtio, uint64_t off,
			    unsigned size)
{
	uint32_t v = 0;

	if (range_inside(off, size, 0, virtio->params.config_len))
		memcpy(&v, (const uint8_t *)virtio->params.config + off, size);
	return v;
}

static void device_write(struct virtio *virtio, uint64_t off, unsigned size,
			 uint32_t value)
{
	if (virtio->params.ops->config_write && !virtio->resetting &&
	    range_inside(off, size, 0, virtio->params.config_len))
		virtio->params.ops->config_write(virtio, (unsigned)off, size,
						 value);
}

static void notify_write(struct virtio *virtio, uint64_t off)
{
	uint64_t q = off / VIRTIO_NOTIFY_BYTES;

	/* The counter cannot block: it is read, or nobody minds it full. */
	if (q < virtio->params.queues)
		(void)!eventfd_write(virtio->queue[q].bell_fd, 1);
}

static uint32_t area_read(struct virtio *virtio, uint64_t off, unsigned size)
{
	uint64_t in = off % VIRTIO_AREA_BYTES;

	switch (off - in) {
	case VIRTIO_OFF_COMMON:
		return common_read(virtio, in, size);
	case VIRTIO_OFF_ISR:
		return in == 0 ? isr_read(virtio) : 0;
	case VIRTIO_OFF_DEVICE:
		return device_read(virtio, in, size);
	default:
		return 0;
	}
}

static void area_write(struct virtio *virtio, uint64_t off, unsigned size,
		       uint32_t value)
{
	uint64_t in = off % VIRTIO_AREA_BYTES;

	switch (off - in) {
	case VIRTIO_OFF_COMMON:
		common_write(virtio, in, size, value);
		break;
	case VIRTIO_OFF_DEVICE:
		device_write(virtio, in, size, value);
		break;
	case VIRTIO_OFF_NOTIFY:
		notify_write(virtio, in);
		break;
	default:
		break;
	}
}

/* 64-bit fields are pairs of 32-bit ones for every access. */
static uint64_t bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
			 unsigned size)
{
	struct virtio *virtio = dev->ctx;
	uint64_t low;

	if (bar != VIRTIO_BAR)
		return 0;
	if (size < 8)
		return area_read(virtio, off, size);
	low = area_read(virtio, off, 4);
	return low | (uint64_t)area_read(virtio, off + 4, 4) << 32;
}

static void bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
		      unsigned size, uint64_t value)
{
	struct virtio *virtio = dev->ctx;

	if (bar != VIRTIO_BAR)
		return;
	area_write(virtio, off, MIN(size, 4u), (uint32_t)value);
	if (size == 8)
		area_write(virtio, off + 4, 4, (uint32_t)(value >> 32));
}

/* ---- doorbells ---- */

static void doorbell_set(struct virtio *virtio, struct virtio_queue *queue,
			 uint64_t addr)
{
	const struct irq_ops *ops = virtio->irq->ops;

	if (queue->doorbell == addr &&
	    (!addr || queue->doorbell_fd == queue->bell_fd))
		return;
	if (queue->doorbell)
		(void)ops->doorbell_del(virtio->irq->ctx, false,
					queue->doorbell, DOORBELL_BYTES, NULL,
					queue->doorbell_fd);
	queue->doorbell = 0;
	queue->doorbell_fd = queue->bell_fd;
	/* Refused: notify_write() does the same, with an exit each time. */
	if (addr &&
	    ops->doorbell_add(virtio->irq->ctx, false, addr, DOORBELL_BYTES,
			      NULL, queue->doorbell_fd) == 0)
		queue->doorbell = addr;
}

/*
 * Registration is slow in KVM (it waits for all vCPUs), so it happens for
 * queues in use only, and stays over a reset: a signal nobody wants is ignored.
 */
void virtio_doorbells_sync(struct virtio *virtio)
{
	unsigned q;

	for (q = 0; q < virtio->params.queues; q++) {
		struct virtio_queue *queue = &virtio->queue[q];

		if (!virtio->notify_base)
			doorbell_set(virtio, queue, 0);
		else if (queue->ring.started)
			doorbell_set(virtio, queue,
				     virtio->notify_base +
					 q * VIRTIO_NOTIFY_BYTES);
	}
}

static void bar_moved(struct pci_dev *dev, unsigned bar, bool on)
{
	struct virtio *virtio = dev->ctx;

	if (bar != VIRTIO_BAR)
		return;
	virtio->notify_base =
	    on ? dev->bar[VIRTIO_BAR].base + VIRTIO_OFF_NOTIFY : 0;
	if (!on || (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_doorbells_sync(virtio);
}

/* ---- config space ---- */

static void command_changed(struct pci_dev *dev, uint16_t old_command)
{
	struct virtio *virtio = dev->ctx;
	unsigned q;

	virtio_live_sync(virtio);
	if ((old_command & PCI_COMMAND_MASTER) || !virtio_live(virtio))
		return;
	/* What was notified while the device was off the bus. */
	for (q = 0; q < virtio->params.queues; q++)
		virtio_queue_kick(virtio, q);
}

static void msix_changed(struct pci_dev *dev, unsigned vector)
{
	unsigned i;

	for (i = 0; i < dev->msix_count; i++)
		if (vector == PCI_MSIX_ALL || vector == i)
			pci_msix_send_pending(dev, i);
	vectors_changed(dev->ctx);
}

/*
 * The PCI_CFG capability is a window into BAR 0 for those who cannot reach
 * memory space yet (4.1.4.9). True when bar, offset and length make sense.
 */
static bool window_get(const struct virtio *virtio, uint32_t *ret_off,
		       unsigned *ret_size)
{
	const struct pci_dev *dev = &virtio->pci;
	unsigned cap = virtio->cfg_cap;
	uint32_t off = pci_cfg32(dev, cap + VIRTIO_PCI_CAP_OFFSET);
	uint32_t size = pci_cfg32(dev, cap + VIRTIO_PCI_CAP_LENGTH);

	if (dev->cfg[cap + VIRTIO_PCI_CAP_BAR] != VIRTIO_BAR ||
	    (size != 1 && size != 2 && size != 4) || (off & (size - 1)) ||
	    !range_inside(off, size, 0, VIRTIO_BAR_BYTES))
		return false;
	*ret_off = off;
	*ret_size = size;
	return true;
}

static bool window_hit(const struct virtio *virtio, unsigned off, unsigned size)
{
	return range_overlaps(
	    off, size, virtio->cfg_cap + sizeof(struct virtio_pci_cap), 4);
}

static bool cfg_read(struct pci_dev *dev, unsigned off, unsigned size,
		     uint32_t *ret_value UNUSED)
{
	struct virtio *virtio = dev->ctx;
	unsigned width;
	uint32_t at;

	/* The image then holds what the core reads. */
	if (window_hit(virtio, off, size) && window_get(virtio, &at, &width))
		pci_set32(dev,
			  virtio->cfg_cap +
			      (unsigned)sizeof(struct virtio_pci_cap),
			  area_read(virtio, at, width));
	return false;
}

static void cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct virtio *virtio = dev->ctx;
	unsigned width;
	uint32_t at, value;

	if (!window_hit(virtio, off, size) || !window_get(virtio, &at, &width))
		return;
	value = pci_cfg32(dev, virtio->cfg_cap +
				   (unsigned)sizeof(struct virtio_pci_cap));
	if (width < 4)
		value &= (1u << (8 * width)) - 1;
	area_write(virtio, at, width, value);
}

static void destroy(struct pci_dev *dev)
{
	struct virtio *virtio = dev->ctx;

	virtio->params.ops->destroy(virtio);
}

const struct pci_ops virtio_pci_ops = {
    .cfg_read = cfg_read,
    .cfg_written = cfg_written,
    .command_changed = command_changed,
    .bar_read = bar_read,
    .bar_write = bar_write,
    .bar_moved = bar_moved,
    .msix_changed = msix_changed,
    .destroy = destroy,
};

/* ---- building ---- */

static int add_structure(struct pci_dev *dev, uint8_t type, uint32_t off,
			 uint32_t len, unsigned cap_len)
{
	int cap = pci_add_cap(dev, PCI_CAP_ID_VNDR, cap_len);
	unsigned at = (unsigned)cap;

	if (cap < 0)
		return cap;
	pci_set8(dev, at + VIRTIO_PCI_CAP_LEN, (uint8_t)cap_len);
	pci_set8(dev, at + VIRTIO_PCI_CAP_CFG_TYPE, type);
	pci_set8(dev, at + VIRTIO_PCI_CAP_BAR, VIRTIO_BAR);
	pci_set32(dev, at + VIRTIO_PCI_CAP_OFFSET, off);
	pci_set32(dev, at + VIRTIO_PCI_CAP_LENGTH, len);
	return cap;
}

static int add_structures(struct virtio *virtio)
{
	struct pci_dev *dev = &virtio->pci;
	unsigned plain = sizeof(struct virtio_pci_cap);
	int r;

	r = add_structure(dev, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_OFF_COMMON,
			  COMMON_BYTES, plain);
	if (r >= 0)
		r = add_structure(dev, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_OFF_ISR,
				  1, plain);
	if (r >= 0 && virtio->params.config_len)
		r = add_structure(dev, VIRTIO_PCI_CAP_DEVICE_CFG,
				  VIRTIO_OFF_DEVICE, virtio->params.config_len,
				  plain);
	if (r >= 0)
		r = add_structure(dev, VIRTIO_PCI_CAP_NOTIFY_CFG,
				  VIRTIO_OFF_NOTIFY,
				  virtio->params.queues * VIRTIO_NOTIFY_BYTES,
				  sizeof(struct virtio_pci_notify_cap));
	if (r < 0)
		return r;
	pci_set32(dev, (unsigned)r + VIRTIO_PCI_NOTIFY_CAP_MULT,
		  VIRTIO_NOTIFY_BYTES);
	r = add_structure(dev, VIRTIO_PCI_CAP_PCI_CFG, 0, 0,
			  sizeof(struct virtio_pci_cfg_cap));
	if (r < 0)
		return r;
	virtio->cfg_cap = (uint8_t)r;
	dev->wmask[r + VIRTIO_PCI_CAP_BAR] = 0xff;
	pci_wmask32(dev, (unsigned)r + VIRTIO_PCI_CAP_OFFSET, UINT32_MAX);
	pci_wmask32(dev, (unsigned)r + VIRTIO_PCI_CAP_LENGTH, UINT32_MAX);
	pci_wmask32(dev, (unsigned)r + plain, UINT32_MAX);
	return 0;
}

static int add_bars(struct virtio *virtio, bool msix)
{
	struct pci_dev *dev = &virtio->pci;
	int r;

	r = pci_add_bar(dev, VIRTIO_BAR, PCI_BAR_MEM32, VIRTIO_BAR_BYTES,
			false);
	if (!r && msix)
		r = pci_add_bar(dev, VIRTIO_MSIX_BAR, PCI_BAR_MEM32,
				VIRTIO_MSIX_BAR_BYTES, false);
	if (!r && msix)
		r = pci_msix_init(dev, 0, virtio->params.queues + 1u,
				  VIRTIO_MSIX_BAR, VIRTIO_MSIX_TABLE,
				  VIRTIO_MSIX_BAR, VIRTIO_MSIX_PBA);
	return r;
}

int virtio_pci_build(struct virtio *virtio, const struct model_env *env,
		     struct err *err)
{
	const struct virtio_params *params = &virtio->params;
	bool msix;
	int r;

	assert(params->config_len <= VIRTIO_AREA_BYTES);
	r = cfg_bool(env->root, "virtio_msix", true, err, &msix);
	if (r)
		return r;
	pci_set_ids(
	    &virtio->pci,
	    (struct pci_ids){
		.vendor = VIRTIO_PCI_VENDOR,
		.device = (uint16_t)(VIRTIO_PCI_DEVICE + params->type),
		.subvendor = VIRTIO_PCI_VENDOR,
		.subdevice = (uint16_t)(VIRTIO_PCI_SUBSYS_MIN + params->type),
		.class = params->class,
		.subclass = params->subclass,
		.revision = VIRTIO_PCI_REVISION,
	    });
	pci_intx_init(&virtio->pci, 1);
	r = add_bars(virtio, msix);
	if (!r)
		r = add_structures(virtio);
	if (r)
		return err_sys(err, r, "%s: cannot build its PCI function",
			       params->model);
	return 0;
}
