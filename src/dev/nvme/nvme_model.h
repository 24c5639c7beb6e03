/* SPDX-License-Identifier: BSD-2-Clause */
/* The model "nvme": an NVMe disk. See docs/devices/nvme.md. */
#ifndef DEV_NVME_NVME_MODEL_H
#define DEV_NVME_NVME_MODEL_H

#include "bus/model.h"

extern const struct pci_model nvme_model;

#endif
