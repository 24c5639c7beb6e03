/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host bridge's own PCI function: `hostbridge` (1275:1275) and
 * `amd_hostbridge` (1022:7432), conventionally in slot 0.
 *
 * Class 0600 with a PCI Express root port capability and nothing behind it: it
 * tells the guest that this is a PCI Express machine. The real work is done by
 * bus/pci_host.c, with or without this function.
 * Options: pcireg.* (pcireg.h). For a guest that boots through firmware either
 * name makes the chip that firmware knows (mch.h).
 *
 * Threads: constant data; created before vCPUs run.
 * Sources: PCI Express Base 5.0, 7.5.3 (capability layout).
 */
#ifndef DEV_HOSTBRIDGE_H
#define DEV_HOSTBRIDGE_H

#include "bus/model.h"

extern const struct pci_model hostbridge_model;
extern const struct pci_model amd_hostbridge_model;

#endif
