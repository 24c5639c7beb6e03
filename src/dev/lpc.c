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

/* ICH9 13.1.13 and 13.1.14 */
#define ICH9_COMMAND 0x0007u
#define PMBASE	     0x40u
#define PMBASE_PLACE 0xff80u
#define PMBASE_IO    0x01u
#define ACPI_CNTL    0x44u
#define ACPI_CNTL_EN 0x80u

struct lpc {
	struct pci_dev dev;
	bool ich9;
	uint16_t pm_base; /* atomic; 0: nowhere */
	struct irq_ctl *irq;
	struct com *com[COM_PORTS];
	struct rtc *rtc;
	struct i8042 *kbc;
	struct acpi_pm *pm;
	struct reset_ports *reset;
};

static const struct pci_ids lpc_ids = {
    .vendor = 0x8086, .device = 0x7000, .class = 0x06, .subclass = 0x01};

static const struct pci_ids ich9_ids = {.vendor = 0x8086,
					.device = 0x2918,
					.class = 0x06,
					.subclass = 0x01,
					.revision = 2};

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

/* ---- where the ACPI ports are ---- */

static void pm_base_written(struct lpc *lpc)
{
	uint16_t base = 0;
	struct err err = {0};

	if (lpc->dev.cfg[ACPI_CNTL] & ACPI_CNTL_EN)
		base = pci_cfg16(&lpc->dev, PMBASE) & PMBASE_PLACE;
	if (base == lpc->pm_base)
		return;
	if (acpi_pm_move(lpc->pm, base, &err)) {
		log_guest("lpc: ACPI ports at 0x%x: %s", base, err.msg);
		base = 0;
	}
	__atomic_store_n(&lpc->pm_base, base, __ATOMIC_RELEASE);
}

static void lpc_cfg_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct lpc *lpc = dev->ctx;
	unsigned pirq;

	for (pirq = 0; pirq < IRQ_PIRQS; pirq++)
		if (range_inside(pirq_reg(pirq), 1, off, size))
			pirq_written(lpc, pirq);
	if (lpc->ich9 && off < ACPI_CNTL + 4 && PMBASE < off + size)
		pm_base_written(lpc);
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

static void alarm_event(void *ctx)
{
	acpi_pm_rtc_alarm(ctx);
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
		rtc_on_alarm(lpc->rtc, alarm_event, lpc->pm);
	if (!r)
		r = reset_ports_create(env, err, &lpc->reset);
	for (i = 0; i < COM_PORTS && !r; i++)
		r = create_com(lpc, env, i, err);
	return r;
}

static void init_registers(struct lpc *lpc, struct pci_ids ids)
{
	struct pci_dev *dev = &lpc->dev;
	unsigned pirq;

	pci_set_ids(dev, ids);
	if (lpc->ich9) {
		pci_set32(dev, PMBASE, PMBASE_IO);
		pci_wmask32(dev, PMBASE, PMBASE_PLACE);
		dev->wmask[ACPI_CNTL] = ACPI_CNTL_EN;
		/* Wired so: firmware takes its serial ports only then. */
		pci_set16(dev, PCI_COMMAND, ICH9_COMMAND);
		pci_wmask16(dev, PCI_COMMAND, 0);
	}
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
	static const char *const options[] = {
	    "com1",	"com2",	 "com3", "com4", "pcireg", "bootrom",
	    "bootvars", "fwcfg", "tpm",	 NULL}; /* machine/ reads the last */
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
	if (env->q35 && (addr.slot != 31 || addr.func != 0))
		return err_set(err, -EINVAL,
			       "firmware looks for the LPC bridge at 0:31:0;"
			       " write -s 31,lpc");
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
	struct pci_ids ids = env->q35 ? ich9_ids : lpc_ids;
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
	lpc->ich9 = env->q35;
	lpc->pm_base = env->q35 ? 0 : ACPI_PM_EVENT;
	init_registers(lpc, ids);
	r = create_devices(lpc, env, err);
	if (!r && lpc->ich9)
		r = acpi_pm_move(lpc->pm, 0, err);
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

uint16_t lpc_pm_base(const struct lpc *lpc)
{
	return __atomic_load_n(&lpc->pm_base, __ATOMIC_ACQUIRE);
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
