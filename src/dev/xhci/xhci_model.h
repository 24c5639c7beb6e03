/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The USB controller, for the catalog. Its options are in docs/devices/xhci.md.
 */
#ifndef DEV_XHCI_XHCI_MODEL_H
#define DEV_XHCI_XHCI_MODEL_H

#include "bus/model.h"

extern const struct pci_model xhci_model;

#endif
