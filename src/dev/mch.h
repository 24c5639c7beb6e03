/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host bridge as PC firmware expects it: Intel's Q35 memory controller
 * hub, 8086:29c0, at 0:0:0. It is what `-s 0,hostbridge` makes when firmware
 * boots the guest.
 *
 * PCIEXBAR (60): firmware says where the configuration space of PCI Express
 * appears: bit 0 on, bits 38:28 the place (256 MiB whatever its size bits
 * say), below 4 GiB. PAM0-6 (90-96) and SMRAM (9d) keep what is written and
 * have no effect: there is RAM under the whole legacy hole, and no SMM.
 *
 * Threads: config space only, from any vCPU.
 * Source: Intel 3 Series Express Chipset Family datasheet (316966), 5.1.
 */
#ifndef DEV_MCH_H
#define DEV_MCH_H

#include "bus/model.h"

MUST_CHECK int mch_create(const struct model_env *env, struct pci_addr addr,
			  struct cfg *node, struct err *err);

#endif
