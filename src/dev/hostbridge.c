/* SPDX-License-Identifier: BSD-2-Clause */
/* The host bridge's PCI function; the contract is in hostbridge.h. */
#include "dev/hostbridge.h"

#include "dev/mch.h"
#include "dev/pcireg.h"

#define CLASS_BRIDGE  0x06
#define SUBCLASS_HOST 0x00
#define EXP_VERSION   2u
#define EXP_BYTES     60u /* version 2, all registers */
#define LINK_GEN1_X1  0x0011u

static void hostbridge_destroy(struct pci_dev *dev)
{
	pci_dev_fini(dev);
	free(dev);
}

static const struct pci_ops hostbridge_ops = {
    .destroy = hostbridge_destroy,
};

/* A root port whose link is up at 2.5 GT/s and one lane; all read-only. */
static int add_express_cap(struct pci_dev *dev)
{
	int cap = pci_add_cap(dev, PCI_CAP_ID_EXP, EXP_BYTES);
	unsigned off = (unsigned)cap;

	if (cap < 0)
		return cap;
	pci_set16(dev, off + PCI_EXP_FLAGS,
		  EXP_VERSION | PCI_EXP_TYPE_ROOT_PORT << 4);
	pci_set32(dev, off + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	pci_set32(dev, off + PCI_EXP_LNKCAP, LINK_GEN1_X1);
	pci_set16(dev, off + PCI_EXP_LNKSTA, LINK_GEN1_X1);
	pci_set32(dev, off + PCI_EXP_LNKCAP2, PCI_EXP_LNKCAP2_SLS_2_5GB);
	return 0;
}

static int create(const struct model_env *env, struct pci_addr addr,
		  struct cfg *node, struct pci_ids ids, struct err *err)
{
	static const char *const known[] = {"device", "pcireg", NULL};
	struct pci_dev *dev;
	int r = cfg_check_known(node, known, err);

	if (!r && env->q35)
		return mch_create(env, addr, node, err);
	if (!r)
		r = pcireg_apply(node, err, &ids);
	if (r)
		return r;
	dev = calloc(1, sizeof(*dev));
	r = dev ? pci_dev_init(dev, addr, "hostbridge", &hostbridge_ops, NULL)
		: -ENOMEM;
	if (r) {
		free(dev);
		return err_set(err, r, "out of memory");
	}
	pci_set_ids(dev, ids);
	r = add_express_cap(dev);
	if (r)
		err_sys(err, r, "capability");
	else
		r = pci_host_add(env->pci, dev, err);
	if (r)
		hostbridge_destroy(dev);
	return r;
}

static int hostbridge_create(const struct model_env *env, struct pci_addr addr,
			     struct cfg *node, struct err *err)
{
	const struct pci_ids ids = {.vendor = 0x1275,
				    .device = 0x1275,
				    .class = CLASS_BRIDGE,
				    .subclass = SUBCLASS_HOST};

	return create(env, addr, node, ids, err);
}

static int amd_hostbridge_create(const struct model_env *env,
				 struct pci_addr addr, struct cfg *node,
				 struct err *err)
{
	const struct pci_ids ids = {.vendor = 0x1022,
				    .device = 0x7432,
				    .class = CLASS_BRIDGE,
				    .subclass = SUBCLASS_HOST};

	return create(env, addr, node, ids, err);
}

const struct pci_model hostbridge_model = {
    .name = "hostbridge",
    .summary = "host bridge, conventionally in slot 0",
    .create = hostbridge_create,
};

const struct pci_model amd_hostbridge_model = {
    .name = "amd_hostbridge",
    .summary = "host bridge with AMD's ids",
    .create = amd_hostbridge_create,
};
