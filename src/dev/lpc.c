/* SPDX-License-Identifier: BSD-2-Clause */
/* The LPC bridge and what is behind it; the contract is in lpc.h. */
#include "dev/lpc.h"

#include <string.h>

#include "base/log.h"
#include "dev/acpi_pm.h"
#include "dev/com.h"
#include "dev/i8042.h"
#include "dev/pcireg.h"
#include "dev/reset_ports.h"
#include "dev/rtc.h"

#define PIRQ_A	   0x60u /* PIRQ A to D */
#define PIRQ_E	   0x68u /* PIRQ E to H */
#define PIRQ_HALF  (IRQ_PIRQS / 2)
#define PIRQ_OFF   0x80u
#define PIRQ_IRQ   0x0fu
#define PIRQ_WMASK (PIRQ_OFF | PIRQ_IRQ)
#define PIRQ_IRQS  0xdef8u /* 3-7, 9-12, 14, 15 */

struct lpc {
	struct pci_dev dev;
	struct irq_ctl *irq;
	struct com *com[COM_PORTS];
	struct rtc *rtc;
	struct i8042 *kbc;
	struct acpi_pm *pm;
	struct reset_ports *reset;
};

static const struct pci_ids lpc_ids = {
    .vendor = 0x8086, .device = 0x7000, .class = 0x06, .subclass = 0x01};

/* ---- PIRQ routing ---- */

static unsigned pirq_reg(unsigned pirq)
{
	return pirq < PIRQ_HALF ? PIRQ_A + pirq : PIRQ_E + pirq - PIRQ_HALF;
}

static void pirq_written(struct lpc *lpc, unsigned pirq)
{
	uint8_t value = lpc->dev.cfg[pirq_reg(pirq)];
	int isa = value & PIRQ_IRQ, r;

	/* A reserved interrupt is as good as none. */
	if ((value & PIRQ_OFF) || !(PIRQ_IRQS & BIT(isa)))
		isa = -1;
	r = lpc->irq->ops->pirq_route(lpc->irq->ctx, pirq, isa);
	if (r)
		log_guest("lpc: cannot route PIRQ%c to interrupt %d: %s",
			  'A' + pirq, isa, strerror(-r));
}

static void lpc_cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct lpc *lpc = dev->ctx;
	unsigned pirq;

	for (pirq = 0; pirq < IRQ_PIRQS; pirq++)
		if (range_inside(pirq_reg(pirq), 1, off, size))
			pirq_written(lpc, pirq);
}

/* ---- life ---- */

static void lpc_destroy(struct pci_dev *dev)
{
	struct lpc *lpc = container_of(dev, struct lpc, dev);
	unsigned i;

	for (i = 0; i < COM_PORTS; i++)
		com_destroy(lpc->com[i]);
	reset_ports_destroy(lpc->reset);
	acpi_pm_destroy(lpc->pm);
	i8042_destroy(lpc->kbc);
	rtc_destroy(lpc->rtc);
	pci_dev_fini(&lpc->dev);
	free(lpc);
}

static const struct pci_ops lpc_ops = {
    .cfg_written = lpc_cfg_written,
    .destroy = lpc_destroy,
};

/* Serial port `index` when its node exists. */
static int create_com(struct lpc *lpc, const struct model_env *env,
		      unsigned index, struct err *err)
{
	static const char *const known[] = {"path", NULL};
	const char *name = com_place(index)->name;
	struct cfg *node = cfg_find(cfg_find(env->root, "lpc"), name);
	char where[CFG_VALUE_MAX];
	int r;

	if (!node)
		return 0;
	r = cfg_check_known(node, known, err);
	if (r)
		return r;
	if (cfg_raw(node, ""))
		return err_set(err, -EINVAL,
			       "lpc.%s: no value expected here; write "
			       "lpc.%s.path=%s",
			       name, name, cfg_raw(node, ""));
	r = cfg_get(node, "path", where, sizeof(where), err);
	if (r < 0)
		return r;
	return com_create(env, index, r ? where : NULL, err, &lpc->com[index]);
}

static int create_devices(struct lpc *lpc, const struct model_env *env,
			  struct err *err)
{
	unsigned i;
	int r = rtc_create(env, err, &lpc->rtc);

	if (!r)
		r = i8042_create(env, err, &lpc->kbc);
	if (!r)
		r = acpi_pm_create(env, err, &lpc->pm);
	if (!r)
		r = reset_ports_create(env, err, &lpc->reset);
	for (i = 0; i < COM_PORTS && !r; i++)
		r = create_com(lpc, env, i, err);
	return r;
}

static void init_registers(struct pci_dev *dev, struct pci_ids ids)
{
	unsigned pirq;

	pci_set_ids(dev, ids);
	for (pirq = 0; pirq < IRQ_PIRQS; pirq++) {
		pci_set8(dev, pirq_reg(pirq), PIRQ_OFF);
		dev->wmask[pirq_reg(pirq)] = PIRQ_WMASK;
	}
}

static int other_lpc(void *ctx, struct pci_dev *dev)
{
	struct pci_dev **ret_dev = ctx;

	if (!lpc_from_dev(dev))
		return 0;
	*ret_dev = dev;
	return 1;
}

/* What the configuration says about the place and the options. */
static int check_config(const struct model_env *env, struct pci_addr addr,
			struct cfg *node, struct err *err)
{
	static const char *const slot_options[] = {"device", NULL};
	static const char *const options[] = {"com1", "com2",	"com3",
					      "com4", "pcireg", NULL};
	struct cfg *lpc = cfg_find(env->root, "lpc");
	struct pci_dev *other = NULL;
	int r = cfg_check_known(node, slot_options, err);

	if (!r && lpc)
		r = cfg_check_known(lpc, options, err);
	if (r)
		return r;
	if (addr.bus != 0)
		return err_set(err, -EINVAL,
			       "only on bus 0; use a free slot such as 31");
	if (pci_host_for_each(env->pci, other_lpc, &other))
		return err_set(err, -EEXIST,
			       "only one a guest, and there is one at %u:%u:%u",
			       other->addr.bus, other->addr.slot,
			       other->addr.func);
	return 0;
}

static int lpc_create(const struct model_env *env, struct pci_addr addr,
		      struct cfg *node, struct err *err)
{
	struct pci_ids ids = lpc_ids;
	struct lpc *lpc;
	int r = check_config(env, addr, node, err);

	if (!r)
		r = pcireg_apply(cfg_find(env->root, "lpc"), err, &ids);
	if (r)
		return r;
	lpc = calloc(1, sizeof(*lpc));
	r = lpc ? pci_dev_init(&lpc->dev, addr, "lpc", &lpc_ops, lpc) : -ENOMEM;
	if (r) {
		free(lpc);
		return err_set(err, r, "out of memory");
	}
	lpc->irq = env->irq;
	init_registers(&lpc->dev, ids);
	r = create_devices(lpc, env, err);
	if (!r)
		r = pci_host_add(env->pci, &lpc->dev, err);
	if (r)
		lpc_destroy(&lpc->dev);
	return r;
}

/* ---- what the machine asks ---- */

struct lpc *lpc_from_dev(struct pci_dev *dev)
{
	return dev->ops == &lpc_ops ? container_of(dev, struct lpc, dev) : NULL;
}

struct pci_addr lpc_addr(const struct lpc *lpc)
{
	return lpc->dev.addr;
}

unsigned lpc_coms(const struct lpc *lpc)
{
	unsigned coms = 0, i;

	for (i = 0; i < COM_PORTS; i++)
		if (lpc->com[i])
			coms |= BIT(i);
	return coms;
}

struct rtc *lpc_rtc(struct lpc *lpc)
{
	return lpc->rtc;
}

struct i8042 *lpc_i8042(struct lpc *lpc)
{
	return lpc->kbc;
}

bool lpc_power_button(struct lpc *lpc)
{
	return acpi_pm_power_button(lpc->pm);
}

const struct pci_model lpc_model = {
    .name = "lpc",
    .summary = "ISA bridge: serial ports, clock, keyboard, power; bus 0",
    .create = lpc_create,
};
