/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports for passed-through functions: which option asks for one, and making it.
 *
 * `port=pcie` of a passed-through function puts it behind a root port at
 * function 0 of its guest slot; all functions of that slot with the option
 * share the port and keep their numbers; one without the option does as
 * function 0 of its slot. `port=hotplug` makes the port one from which they can
 * be taken while the guest runs.
 *
 * With firmware a display function (class 03) that has a link on the host gets
 * port=pcie by itself, and so do the other functions of its slot, unless one of
 * them has a port= of its own: drivers of GPUs look at the link, and at what is
 * above it. The address plan decides that and writes it into the tree.
 *
 * Threads: before vCPUs run.
 */
#ifndef MACHINE_PORTS_H
#define MACHINE_PORTS_H

#include "bus/model.h"
#include "dev/pcie_port.h"
#include "hostpci/hostpci.h"

enum port_kind {
	PORT_NONE,
	PORT_PCIE,
	PORT_HOTPLUG,
};

/* For the node at `addr` below `root`. -EINVAL for another word. */
MUST_CHECK int ports_wanted(struct cfg *root, struct pci_addr addr,
			    struct cfg *node, struct err *err,
			    enum port_kind *ret_kind);
/* Is it a function that should be behind a port, and can it be? */
bool ports_suit(const struct hostpci_dev *dev);
/* The port for a passed-through function at `addr`; NULL: a root bus. */
MUST_CHECK int ports_above(const struct model_env *env, struct pci_addr addr,
			   struct cfg *node, struct err *err,
			   struct pci_dev **ret_port);
/* When all functions are there: presence and link of each port. */
void ports_settle(struct pci_host *pci);

#endif
