/* SPDX-License-Identifier: BSD-2-Clause */
/* What virtio.c (state) and virtio_pci.c (transport) share; not for models. */
#ifndef VIRTIO_VIRTIO_INTERNAL_H
#define VIRTIO_VIRTIO_INTERNAL_H

#include <linux/virtio_pci.h>

#include "virtio/virtio.h"

/*
 * BAR 0, 32-bit memory, 16 KiB: a page for each structure.
 *
 *   0x0000  common configuration (56 bytes)
 *   0x1000  ISR status (1 byte)
 *   0x2000  device configuration
 *   0x3000  notification, 4 bytes for each queue
 *
 * BAR 1, 32-bit memory, 4 KiB: MSI-X table at 0, pending bits at 0x800.
 */
#define VIRTIO_BAR	    0u
#define VIRTIO_BAR_BYTES    0x4000u
#define VIRTIO_OFF_COMMON   0x0000u
#define VIRTIO_OFF_ISR	    0x1000u
#define VIRTIO_OFF_DEVICE   0x2000u
#define VIRTIO_OFF_NOTIFY   0x3000u
#define VIRTIO_AREA_BYTES   0x1000u
#define VIRTIO_NOTIFY_BYTES 4u

#define VIRTIO_MSIX_BAR	      1u
#define VIRTIO_MSIX_BAR_BYTES 0x1000u
#define VIRTIO_MSIX_TABLE     0u
#define VIRTIO_MSIX_PBA	      0x800u

#define VIRTIO_ISR_QUEUE 1u

/* ---- virtio.c ---- */

/* The driver wrote device_status. */
void virtio_status_write(struct virtio *virtio, uint8_t value);
/* The driver wrote 1 to queue_enable. */
void virtio_queue_enable(struct virtio *virtio, struct virtio_queue *queue);
/* Puts what a driver set back to the state after power-on. */
void virtio_forget(struct virtio *virtio);
/* Tells the model when the device began or ceased to be live. */
void virtio_live_sync(struct virtio *virtio);
/* Interrupts for queue q, whatever the driver asked for. */
void virtio_queue_interrupt(struct virtio *virtio, unsigned q);
/* Tells the driver of a configuration change. */
void virtio_config_changed(struct virtio *virtio);

/* ---- virtio_pci.c ---- */

extern const struct pci_ops virtio_pci_ops;

MUST_CHECK int virtio_pci_build(struct virtio *virtio,
				const struct model_env *env, struct err *err);
/* Registers the doorbells that the BAR and the started queues allow. */
void virtio_doorbells_sync(struct virtio *virtio);

#endif
