/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The e1000 network card (Intel 82545EM) for the catalog. Options and what
 * differs from the chip: docs/devices/e1000.md.
 */
#ifndef DEV_E1000_E1000_MODEL_H
#define DEV_E1000_E1000_MODEL_H

#include "bus/model.h"

extern const struct pci_model e1000_model;

/* Name of the register at this offset of BAR 0, or NULL. */
const char *e1000_reg_name(uint32_t off);

#endif
