/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI Express root port: a bridge on a root bus with one slot behind it.
 *
 * Two kinds: one whose device is there from the start and stays, and one with
 * hot-plug (attention button, power controller, indicators), which may start
 * empty. docs/devices/pcie-port.md describes what the guest sees.
 *
 * Call order: pcie_port_create(), functions behind it by pci_host_add(), then
 * pcie_port_settle() before vCPUs run. With hot-plug, while they run:
 *
 *   coming    functions are added, pcie_port_plug(); the guest switches power
 *             on and looks
 *   going     pcie_port_press(); the guest lets go and switches power off,
 *             which calls `off`; the functions are removed, pcie_port_unplug()
 *   torn out  the functions are removed, pcie_port_unplug()
 *
 * Threads: create and settle before vCPUs run; plug, press and unplug on the
 * thread that adds and removes functions. `off` is called on a vCPU's thread
 * with the port's lock held: it may only pass the word on.
 */
#ifndef DEV_PCIE_PORT_H
#define DEV_PCIE_PORT_H

#include "bus/model.h"

typedef void pcie_port_off_fn(void *ctx, struct pci_dev *port);

struct pcie_port_params {
	bool hotplug;
	struct pci_windows room; /* sizes kept free for what is plugged in */
	pcie_port_off_fn *off;	 /* the guest let go of what is in the slot */
	void *off_ctx;
};

MUST_CHECK int pcie_port_create(const struct model_env *env,
				struct pci_addr addr,
				const struct pcie_port_params *params,
				struct err *err, struct pci_dev **ret_port);
/* What the model's node says of `room`. */
MUST_CHECK int pcie_port_room(struct cfg *node, struct err *err,
			      struct pci_windows *ret_room);
/* Is it one? */
bool pcie_port_is(const struct pci_dev *dev);
bool pcie_port_has_hotplug(const struct pci_dev *port);
void pcie_port_set_off(struct pci_dev *port, pcie_port_off_fn *off, void *ctx);

/* Presence and link as what is behind it now has them; tells nobody. */
void pcie_port_settle(struct pci_dev *port);
/* The same, and the guest is told. */
void pcie_port_plug(struct pci_dev *port);
void pcie_port_unplug(struct pci_dev *port);
/* Has the guest switched its slot on? */
bool pcie_port_powered(struct pci_dev *port);
/* The attention button. */
void pcie_port_press(struct pci_dev *port);

/* -s N,pcie-port[,mem32=SIZE][,mem64=SIZE]: an empty slot with hot-plug. */
extern const struct pci_model pcie_port_model;

#endif
