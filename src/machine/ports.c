/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports for passed-through functions; the contract is in ports.h. */
#include "machine/ports.h"

#include <string.h>

int ports_wanted(struct cfg *root, struct pci_addr addr, struct cfg *node,
		 struct err *err, enum port_kind *ret_kind)
{
	char text[16], zero[32];
	int r;

	snprintf(zero, sizeof(zero), "pci.%u.%u.0", addr.bus, addr.slot);
	if (!cfg_raw(node, "port") && cfg_find(root, zero))
		node = cfg_find(root, zero);
	r = cfg_get(node, "port", text, sizeof(text), err);

	*ret_kind = PORT_NONE;
	if (r < 0)
		return r;
	if (r == 0 || !strcmp(text, "none"))
		return 0;
	if (!strcmp(text, "pcie"))
		*ret_kind = PORT_PCIE;
	else if (!strcmp(text, "hotplug"))
		*ret_kind = PORT_HOTPLUG;
	else
		return err_set(err, -EINVAL,
			       "port=%s: expected none, pcie or hotplug", text);
	return 0;
}

#define CLASS_DISPLAY	 0x03u
#define IORESOURCE_MEM64 0x100000u
#define IORESOURCE_PREF	 0x2000u

bool ports_suit(const struct hostpci_dev *dev)
{
	unsigned i;

	/* Behind a bridge these would have to lie below 4 GiB. */
	for (i = 0; i < PCI_BARS; i++)
		if ((dev->bar[i].flags & IORESOURCE_MEM64) &&
		    !(dev->bar[i].flags & IORESOURCE_PREF) &&
		    dev->bar[i].size > PCI_LOW_BAR_MAX)
			return false;
	return dev->class >> 16 == CLASS_DISPLAY && dev->max_width != 0;
}

static bool matches(const struct pci_dev *port, enum port_kind kind)
{
	return pcie_port_is(port) &&
	       pcie_port_has_hotplug(port) == (kind == PORT_HOTPLUG);
}

int ports_above(const struct model_env *env, struct pci_addr addr,
		struct cfg *node, struct err *err, struct pci_dev **ret_port)
{
	struct pcie_port_params params = {0};
	enum port_kind kind;
	int r = ports_wanted(env->root, addr, node, err, &kind);

	*ret_port = NULL;
	if (r || kind == PORT_NONE)
		return r;
	addr.func = 0;
	*ret_port = pci_host_find(env->pci, addr);
	if (*ret_port && !matches(*ret_port, kind))
		return err_set(err, -EEXIST,
			       "port=%s: function 0 of the slot is something"
			       " else (%s); give all functions of a slot the"
			       " same port, or move this one",
			       kind == PORT_PCIE ? "pcie" : "hotplug",
			       (*ret_port)->name);
	params.hotplug = kind == PORT_HOTPLUG;
	return *ret_port ? 0
			 : pcie_port_create(env, addr, &params, err, ret_port);
}

static int settle(void *ctx UNUSED, struct pci_dev *dev)
{
	if (pcie_port_is(dev))
		pcie_port_settle(dev);
	return 0;
}

void ports_settle(struct pci_host *pci)
{
	(void)pci_host_for_each(pci, settle, NULL);
}
