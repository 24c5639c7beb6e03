/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio-scsi host adapter for the catalog. Options, targets and limits:
 * docs/devices/virtio-scsi.md.
 */
#ifndef DEV_VIRTIO_SCSI_VIRTIO_SCSI_MODEL_H
#define DEV_VIRTIO_SCSI_VIRTIO_SCSI_MODEL_H

#include "bus/model.h"

extern const struct pci_model virtio_scsi_model;

#endif
