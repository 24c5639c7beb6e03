/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI device models, for the catalog: `ahci` with up to 32 ports, and
 * `ahci-hd` and `ahci-cd`, the same with one. Their options are in
 * docs/devices/ahci.md.
 *
 * Configuration below the device's node: port.N.type (hd, cd), port.N.path and
 * the other options of port N. Firmware's boot order is port.N.bootindex.
 */
#ifndef DEV_AHCI_AHCI_MODELS_H
#define DEV_AHCI_AHCI_MODELS_H

#include "bus/model.h"

extern const struct pci_model ahci_model;
extern const struct pci_model ahci_hd_model;
extern const struct pci_model ahci_cd_model;

#endif
