/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI controller as a PCI function: the ICH9's (8086:2922), with the
 * generic registers (AHCI 1.3.1, 3.1), interrupts (10.7) and HBA reset
 * (10.4.3).
 *
 * Interrupts: a port with an enabled bit in PxIS sets its bit in IS, and that
 * is a latch which a level drives: cleared by the guest while the port still
 * asks, it is set again. INTx is the OR of IS. A message is sent when a bit of
 * IS becomes set, and when the guest cleared some and others remain (10.7.2),
 * so no event is lost between the guest's clearing of PxIS and of IS.
 */
#include <string.h>

#include "dev/ahci/ahci_internal.h"
#include "dev/ahci/ahci_models.h"

#define CAP_BASE                                                  \
	(AHCI_CAP_S64A | AHCI_CAP_SNCQ | AHCI_CAP_SCLO |          \
	 3u << AHCI_CAP_ISS_SHIFT | AHCI_CAP_SAM | AHCI_CAP_PMD | \
	 (AHCI_SLOTS - 1) << AHCI_CAP_NCS_SHIFT)

/* The ICH9's own config registers that drivers look at. */
#define CFG_MSI	  0x80u
#define CFG_MAP	  0x90u /* address map: what the SATA pins are */
#define CFG_PCS	  0x92u /* port control and status */
#define MAP_AHCI  0x40u
#define PCS_PORTS 6u

static const struct ahci_reg regs[] = {
    {.off = AHCI_CAP, .name = "CAP", .keep = true},
    {.off = AHCI_GHC, .name = "GHC", .rw = AHCI_GHC_IE, .reset = AHCI_GHC_AE},
    {.off = AHCI_IS, .name = "IS", .w1c = ~0u},
    {.off = AHCI_PI, .name = "PI", .keep = true},
    {.off = AHCI_VS, .name = "VS", .reset = AHCI_VERSION},
    {.off = AHCI_CCCC, .name = "CCC_CTL"},
    {.off = AHCI_CCCP, .name = "CCC_PORTS"},
    {.off = AHCI_EML, .name = "EM_LOC"},
    {.off = AHCI_EMC, .name = "EM_CTL"},
    {.off = AHCI_CAP2, .name = "CAP2"},
    {.off = AHCI_BOHC, .name = "BOHC"},
};

static const struct ahci_reg *find_reg(uint64_t off)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(regs); i++)
		if (regs[i].off == off)
			return &regs[i];
	return NULL;
}

static uint32_t *reg_word(struct ahci_hba *hba, unsigned off)
{
	return (uint32_t *)(void *)((uint8_t *)&hba->r + off);
}

const char *ahci_reg_name(unsigned off)
{
	const struct ahci_reg *reg;

	if (off >= AHCI_PORT_BASE)
		return port_reg_name((off - AHCI_PORT_BASE) % AHCI_PORT_STRIDE);
	reg = find_reg(off);
	return reg ? reg->name : NULL;
}

/* ---- interrupts ---- */

/* `event`: something a message has to tell. */
static void signal_host(struct ahci_hba *hba, bool event)
{
	bool level = hba->r.is && (hba->r.ghc & AHCI_GHC_IE);

	if (!pci_msi_enabled(&hba->pci)) {
		pci_intx_set(&hba->pci, level);
		return;
	}
	pci_intx_set(&hba->pci, false);
	if (level && event)
		pci_msi_raise(&hba->pci, 0);
}

/* Latches the ports that ask for it; true when one is new. */
static bool latch(struct ahci_port *port)
{
	uint32_t bit = BIT(port->number);

	if (!(port_status(port) & port->r.ie) || (port->hba->r.is & bit))
		return false;
	port->hba->r.is |= bit;
	return true;
}

void hba_irq(struct ahci_port *port)
{
	if (latch(port))
		signal_host(port->hba, true);
}

static void is_written(struct ahci_hba *hba, uint32_t cleared)
{
	unsigned i;

	for (i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i])
			(void)latch(hba->port[i]);
	signal_host(hba, cleared != 0);
}

/* ---- reset ---- */

static void regs_reset(struct ahci_hba *hba)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(regs); i++)
		if (!regs[i].keep)
			*reg_word(hba, regs[i].off) = regs[i].reset;
}

void hba_drained(struct ahci_hba *hba)
{
	unsigned i;

	for (i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i] && hba->port[i]->draining)
			return;
	hba->resetting = false;
	regs_reset(hba);
	for (i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i])
			port_power_on(hba->port[i]);
	signal_host(hba, false);
}

static void hba_reset(struct ahci_hba *hba)
{
	unsigned i;

	hba->resetting = true;
	hba->r.ghc |= AHCI_GHC_HR;
	for (i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i])
			port_abandon(hba->port[i]);
	hba_drained(hba);
}

/* ---- registers ---- */

static void hba_reg_write(struct ahci_hba *hba, unsigned off, uint32_t value,
			  uint32_t lanes)
{
	const struct ahci_reg *reg = find_reg(off);
	uint32_t old;

	if (!reg)
		return;
	old = *reg_word(hba, off);
	*reg_word(hba, off) = reg_apply(reg, old, value, lanes);
	if (off == AHCI_IS)
		is_written(hba, old & value & lanes);
	if (off == AHCI_GHC && (value & lanes & AHCI_GHC_HR))
		hba_reset(hba);
	else if (off == AHCI_GHC)
		signal_host(hba, hba->r.ghc & ~old & AHCI_GHC_IE);
}

static struct ahci_port *port_at(struct ahci_hba *hba, uint64_t off)
{
	uint64_t n = (off - AHCI_PORT_BASE) / AHCI_PORT_STRIDE;

	return n < AHCI_PORTS ? hba->port[n] : NULL;
}

static uint32_t word_read(struct ahci_hba *hba, unsigned off)
{
	struct ahci_port *port;

	if (off < AHCI_PORT_BASE)
		return find_reg(off) ? *reg_word(hba, off) : 0;
	port = port_at(hba, off);
	if (!port)
		return 0;
	return port_reg_read(port, (off - AHCI_PORT_BASE) % AHCI_PORT_STRIDE);
}

static void word_write(struct ahci_hba *hba, unsigned off, uint32_t value,
		       uint32_t lanes)
{
	struct ahci_port *port;

	/* Software waits for GHC.HR to read 0. */
	if (hba->resetting)
		return;
	if (off < AHCI_PORT_BASE) {
		hba_reg_write(hba, off, value, lanes);
		return;
	}
	port = port_at(hba, off);
	if (port)
		port_reg_write(port, (off - AHCI_PORT_BASE) % AHCI_PORT_STRIDE,
			       value, lanes);
}

/* Accesses are of 1, 2 or 4 bytes inside one dword: see hba_build(). */
static uint64_t hba_bar_read(struct pci_dev *dev, unsigned bar UNUSED,
			     uint64_t off, unsigned size UNUSED)
{
	uint32_t word = word_read(dev->ctx, (unsigned)off & ~3u);

	return word >> 8 * (off & 3);
}

static void hba_bar_write(struct pci_dev *dev, unsigned bar UNUSED,
			  uint64_t off, unsigned size, uint64_t value)
{
	unsigned shift = 8 * ((unsigned)off & 3);
	uint32_t ones = size >= 4 ? ~0u : (1u << 8 * size) - 1;

	word_write(dev->ctx, (unsigned)off & ~3u,
		   ((uint32_t)value & ones) << shift, ones << shift);
}

/* ---- PCI function ---- */

static void hba_command_changed(struct pci_dev *dev, uint16_t old UNUSED)
{
	struct ahci_hba *hba = dev->ctx;
	unsigned i;

	/* Commands wait while there is no bus mastering. */
	for (i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i])
			port_run(hba->port[i]);
}

static void hba_msi_changed(struct pci_dev *dev)
{
	signal_host(dev->ctx, true);
}

static void hba_destroy(struct pci_dev *dev)
{
	struct ahci_hba *hba = dev->ctx;
	unsigned i;

	if (hba->pci.cfg) {
		pthread_mutex_lock(&hba->pci.lock);
		hba->closing = true;
		pthread_mutex_unlock(&hba->pci.lock);
	}
	for (i = 0; i < AHCI_PORTS; i++)
		ahci_port_destroy(hba->port[i]);
	pci_dev_fini(&hba->pci);
	free(hba);
}

static const struct pci_ops hba_ops = {
    .bar_read = hba_bar_read,
    .bar_write = hba_bar_write,
    .command_changed = hba_command_changed,
    .msi_changed = hba_msi_changed,
    .destroy = hba_destroy,
};

/* MAP and PCS as firmware leaves them: AHCI, ports on. */
static void chipset_regs_init(struct ahci_hba *hba)
{
	uint16_t on = (uint16_t)(hba->r.pi & (BIT(PCS_PORTS) - 1));

	pci_set8(&hba->pci, CFG_MAP, MAP_AHCI);
	pci_set16(&hba->pci, CFG_PCS, (uint16_t)(on | on << 8));
	pci_wmask16(&hba->pci, CFG_PCS, BIT(PCS_PORTS) - 1);
}

static int pci_build(struct ahci_hba *hba, unsigned ports)
{
	const struct pci_ids ids = {.vendor = 0x8086,
				    .device = 0x2922,
				    .class = 0x01,
				    .subclass = 0x06,
				    .prog_if = 0x01,
				    .revision = 0x02};
	uint64_t bytes = AHCI_PORT_BASE + (uint64_t)ports * AHCI_PORT_STRIDE;
	int r;

	pci_set_ids(&hba->pci, ids);
	r = pci_add_bar(&hba->pci, AHCI_ABAR, PCI_BAR_MEM32,
			round_up_pow2(MAX(bytes, (uint64_t)GMEM_PAGE)), false);
	if (r)
		return r;
	/* 64-bit registers are pairs of dwords. */
	hba->pci.bar[AHCI_ABAR].region.max_size = 4;
	pci_intx_init(&hba->pci, 1);
	r = pci_msi_init(&hba->pci, CFG_MSI, 0, true, false);
	if (!r)
		chipset_regs_init(hba);
	return r;
}

static int hba_build(struct ahci_hba *hba, const struct model_env *env,
		     struct pci_addr addr, struct cfg *node,
		     enum drive_kind kind, struct err *err)
{
	unsigned last;
	int r;

	hba->gmem = env->gmem;
	r = pci_dev_init(&hba->pci, addr, "ahci", &hba_ops, hba);
	if (r)
		return err_sys(err, r, "ahci");
	r = ahci_ports_create(hba, node, kind, err);
	if (r)
		return r;
	for (last = 0; last < AHCI_PORTS; last++)
		if (hba->port[last] && hba->port[last]->block)
			block_use_loop(hba->port[last]->block, env->loop);
	/* Holes are allowed: CAP.NP is the highest port, PI says which. */
	for (last = AHCI_PORTS - 1; !hba->port[last]; last--)
		;
	hba->r.cap = CAP_BASE | last;
	r = pci_build(hba, last + 1);
	if (r)
		return err_sys(err, r, "ahci");
	regs_reset(hba);
	r = pci_host_add(env->pci, &hba->pci, err);
	if (r)
		return r;
	pthread_mutex_lock(&hba->pci.lock);
	hba_reset(hba);
	pthread_mutex_unlock(&hba->pci.lock);
	return 0;
}

static int create(const struct model_env *env, struct pci_addr addr,
		  struct cfg *node, enum drive_kind kind, struct err *err)
{
	struct ahci_hba *hba = calloc(1, sizeof(*hba));
	int r;

	if (!hba)
		return err_set(err, -ENOMEM, "ahci: out of memory");
	hba->pci.ctx = hba;
	r = hba_build(hba, env, addr, node, kind, err);
	if (r)
		hba_destroy(&hba->pci);
	return r;
}

static int ahci_create(const struct model_env *env, struct pci_addr addr,
		       struct cfg *node, struct err *err)
{
	return create(env, addr, node, DRIVE_HD, err);
}

static int ahci_cd_create(const struct model_env *env, struct pci_addr addr,
			  struct cfg *node, struct err *err)
{
	return create(env, addr, node, DRIVE_CD, err);
}

#define DISK_OPTIONS "[,ro][,nocache][,sync][,nodelete][,ser=TEXT]..."

const struct pci_model ahci_model = {
    .name = "ahci",
    .summary = "SATA controller: hd:path" DISK_OPTIONS "[,hd:path][,cd:path]"
	       "..., up to 32 drives",
    .parse = ahci_parse,
    .create = ahci_create,
};

const struct pci_model ahci_hd_model = {
    .name = "ahci-hd",
    .summary = "SATA disk: path" DISK_OPTIONS,
    .parse = ahci_hd_parse,
    .create = ahci_create,
};

const struct pci_model ahci_cd_model = {
    .name = "ahci-cd",
    .summary = "SATA CD/DVD drive: [path], read-only",
    .parse = ahci_cd_parse,
    .create = ahci_cd_create,
};
