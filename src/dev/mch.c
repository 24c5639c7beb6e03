/* SPDX-License-Identifier: BSD-2-Clause */
/* The Q35 host bridge's PCI function; the contract is in mch.h. */
#include "dev/mch.h"

#include "base/log.h"
#include "dev/pcireg.h"

#define PCIEXBAR       0x60u
#define PCIEXBAR_ON    0x1u
#define PCIEXBAR_SIZE  0x6u
#define PCIEXBAR_PLACE 0xf0000000u /* bits of the low half */
#define PAM0	       0x90u
#define PAM_COUNT      7u
#define PAM_BITS       0x33u
#define SMRAM	       0x9du
#define SMRAM_RESET    0x02u
#define SMRAM_BITS     0x70u

static void pciexbar_written(struct pci_dev *dev)
{
	uint32_t low = pci_cfg32(dev, PCIEXBAR);
	uint64_t base = low & PCIEXBAR_ON ? low & PCIEXBAR_PLACE : 0;
	struct err err = {0};

	if (base == pci_host_ecam(dev->host))
		return;
	/* Above 4 GiB is more than ACPI's MCFG users expect of this chip. */
	if (base && pci_cfg32(dev, PCIEXBAR + 4)) {
		log_guest("%s: PCIEXBAR above 4 GiB ignored", dev->name);
		return;
	}
	if (pci_host_move_ecam(dev->host, base, &err))
		log_guest("%s: PCIEXBAR at 0x%llx: %s", dev->name,
			  (unsigned long long)base, err.msg);
}

static void mch_cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	if (off < PCIEXBAR + 8 && PCIEXBAR < off + size)
		pciexbar_written(dev);
}

static void mch_destroy(struct pci_dev *dev)
{
	pci_dev_fini(dev);
	free(dev);
}

static const struct pci_ops mch_ops = {
    .cfg_written = mch_cfg_written,
    .destroy = mch_destroy,
};

static void init_registers(struct pci_dev *dev)
{
	unsigned i;

	pci_wmask32(dev, PCIEXBAR,
		    PCIEXBAR_PLACE | PCIEXBAR_SIZE | PCIEXBAR_ON);
	pci_wmask32(dev, PCIEXBAR + 4, 0x7f); /* 39 address bits */
	for (i = 0; i < PAM_COUNT; i++)
		dev->wmask[PAM0 + i] = i ? PAM_BITS : PAM_BITS & 0xf0;
	pci_set8(dev, SMRAM, SMRAM_RESET);
	dev->wmask[SMRAM] = SMRAM_BITS;
}

int mch_create(const struct model_env *env, struct pci_addr addr,
	       struct cfg *node, struct err *err)
{
	struct pci_ids ids = {
	    .vendor = 0x8086, .device = 0x29c0, .class = 0x06, .subclass = 0};
	struct pci_dev *dev;
	int r = pcireg_apply(node, err, &ids);

	if (r)
		return r;
	if (addr.bus || addr.slot || addr.func)
		return err_set(err, -EINVAL,
			       "firmware looks for the host bridge at 0:0:0;"
			       " write -s 0,hostbridge");
	dev = calloc(1, sizeof(*dev));
	r = dev ? pci_dev_init(dev, addr, "hostbridge", &mch_ops, NULL)
		: -ENOMEM;
	if (r) {
		free(dev);
		return err_set(err, r, "out of memory");
	}
	pci_set_ids(dev, ids);
	init_registers(dev);
	r = pci_host_add(env->pci, dev, err);
	if (r)
		mch_destroy(dev);
	return r;
}
