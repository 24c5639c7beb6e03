/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address plan; the contract is in plan.h.
 *
 * Theory of operation. For each passed-through function in the configuration a
 * shell is made: a PCI function without contents that has the BARs which sysfs
 * tells of. The shells sit on a host bridge of their own and are given
 * addresses by the same code that later gives them to the guest's devices, so
 * plan and guest agree. Ports are bridges without contents in the same way.
 */
#include "machine/plan.h"

#include <string.h>

#include "bus/pci.h"
#include "machine/ports.h"
#include "vfio/vfio.h"

#define SHELLS_MAX	 256u
#define IORESOURCE_IO	 0x100u
#define IORESOURCE_MEM64 0x100000u
#define IORESOURCE_PREF	 0x2000u
#define PAGE		 4096u
#define PHYS_BITS_MIN	 36u

struct shell {
	struct pci_dev pci;
	char bdf[HOSTPCI_BDF_MAX];
};

struct plan {
	struct plan_params params;
	struct layout_limits limits;
	struct pci_windows windows;
	uint64_t mmio64_mib;  /* what firmware is told; 0: nothing */
	struct hostpci *host; /* NULL: nothing is passed through */
	struct aspace *pio, *mmio;
	struct pci_host *pci;
	struct shell *shell[SHELLS_MAX];
	unsigned shells;
	unsigned decided; /* ports that nobody asked for */
	unsigned unknown; /* functions that sysfs does not know */
};

/* ---- shells ---- */

static enum pci_bar_kind bar_kind(const struct hostpci_bar *bar)
{
	if (bar->flags & IORESOURCE_IO)
		return PCI_BAR_IO;
	return bar->flags & IORESOURCE_MEM64 ? PCI_BAR_MEM64 : PCI_BAR_MEM32;
}

/* Odd ones are left to the device, which says what is odd about them. */
static void shell_bars(struct shell *shell, const struct hostpci_dev *dev)
{
	unsigned i;

	for (i = 0; i < PCI_BARS; i++) {
		const struct hostpci_bar *bar = &dev->bar[i];
		enum pci_bar_kind kind = bar_kind(bar);
		uint64_t size = bar->size;

		if (!size || !bar->start)
			continue;
		if (kind != PCI_BAR_IO)
			size = MAX(size, (uint64_t)PAGE);
		if (pci_add_bar(&shell->pci, i, kind, size,
				bar->flags & IORESOURCE_PREF) == 0 &&
		    kind == PCI_BAR_MEM64)
			i++;
	}
}

static const struct pci_ops shell_ops = {0};

static int shell_make(struct plan *plan, struct pci_addr at, const char *model,
		      struct err *err, struct shell **ret_shell)
{
	struct shell *shell;

	if (plan->shells == SHELLS_MAX)
		return err_set(err, -ENOSPC, "too many devices");
	shell = calloc(1, sizeof(*shell));
	if (!shell || pci_dev_init(&shell->pci, at, model, &shell_ops, shell)) {
		free(shell);
		return err_set(err, -ENOMEM, "out of memory");
	}
	plan->shell[plan->shells++] = shell;
	*ret_shell = shell;
	return 0;
}

static int port_add(struct plan *plan, struct pci_addr at,
		    const struct pci_windows *room, struct err *err,
		    struct pci_dev **ret_port)
{
	struct shell *shell;
	int r = shell_make(plan, at, "pcie-port", err, &shell);

	if (!r && pci_bridge_init(&shell->pci, room))
		r = err_set(err, -ENOMEM, "out of memory");
	if (!r)
		r = pci_host_add(plan->pci, &shell->pci, err);
	if (!r)
		*ret_port = &shell->pci;
	return r;
}

/* The port that a function asks for: made for the first one that does. */
static int port_for(struct plan *plan, struct cfg *node, struct pci_addr at,
		    struct err *err, struct pci_dev **ret_port)
{
	enum port_kind kind;
	int r = ports_wanted(plan->params.root, at, node, err, &kind);

	*ret_port = NULL;
	if (r || kind == PORT_NONE)
		return r;
	at.func = 0;
	*ret_port = pci_host_find(plan->pci, at);
	if (*ret_port && !(*ret_port)->bridge)
		return err_set(err, -EEXIST,
			       "pci slot %u:%u:0 already occupied!", at.bus,
			       at.slot);
	return *ret_port ? 0 : port_add(plan, at, NULL, err, ret_port);
}

static int shell_add(struct plan *plan, struct cfg *node, struct pci_addr at,
		     const struct hostpci_dev *dev, struct err *err)
{
	struct hostpci_dev resized = *dev;
	struct hostpci_bars bars;
	struct pci_dev *port;
	struct shell *shell;
	int r = port_for(plan, node, at, err, &port);

	if (!r)
		r = vfio_bar_sizes(node, err, &bars);
	if (!r)
		r = hostpci_bars_check(plan->host, dev, &bars, err);
	if (r < 0)
		return r;
	/* As they will be, when only the plan is asked for. */
	for (unsigned i = 0; r && i < ARRAY_LEN(bars.size); i++)
		if (bars.size[i])
			resized.bar[i].size = bars.size[i];
	r = shell_make(plan, at, "passthru", err, &shell);
	if (r)
		return r;
	shell->pci.upstream = port;
	snprintf(shell->bdf, sizeof(shell->bdf), "%s", dev->bdf);
	shell_bars(shell, &resized);
	return pci_host_add(plan->pci, &shell->pci, err);
}

/* The narrowest IOMMU counts, and every hole. */
static void limits_add(struct layout_limits *limits,
		       const struct hostpci_iommu *iommu)
{
	unsigned i, j;

	if (iommu->bits < limits->iommu_bits) {
		limits->iommu_bits = iommu->bits;
		memcpy(limits->iommu, iommu->name, sizeof(limits->iommu));
	}
	for (i = 0; i < iommu->holes; i++) {
		for (j = 0; j < limits->holes; j++)
			if (limits->hole[j].start == iommu->hole[i].start &&
			    limits->hole[j].end == iommu->hole[i].end)
				break;
		if (j < limits->holes || j == LAYOUT_HOLES_MAX)
			continue;
		limits->hole[j].start = iommu->hole[i].start;
		limits->hole[j].end = iommu->hole[i].end;
		limits->holes++;
	}
}

/* The function that a node names; false: none that sysfs could know. */
static bool node_address(struct cfg *node, struct hostpci_addr *ret_addr)
{
	uint64_t bus, slot, func, domain;

	if (!cfg_raw(node, "bus") || !cfg_raw(node, "slot") ||
	    !cfg_raw(node, "func") ||
	    cfg_u64(node, "bus", 0, 0, 255, NULL, &bus) ||
	    cfg_u64(node, "slot", 0, 0, 31, NULL, &slot) ||
	    cfg_u64(node, "func", 0, 0, 7, NULL, &func) ||
	    cfg_u64(node, "domain", 0, 0, UINT32_MAX, NULL, &domain))
		return false;
	*ret_addr = (struct hostpci_addr){(uint32_t)domain, (uint8_t)bus,
					  (uint8_t)slot, (uint8_t)func};
	return true;
}

static int host_open(struct plan *plan, struct err *err)
{
	return plan->host ? 0
			  : hostpci_open(plan->params.host, err, &plan->host);
}

static int node_plan(struct plan *plan, struct cfg *node, struct pci_addr at,
		     struct err *err)
{
	const struct hostpci_dev *dev;
	struct hostpci_iommu iommu;
	struct hostpci_addr addr;
	int r;

	if (!node_address(node, &addr)) {
		plan->unknown++;
		return 0; /* creating it says what is wrong, if anything */
	}
	r = host_open(plan, err);
	if (!r)
		r = hostpci_lookup(plan->host, addr, err, &dev);
	if (!r)
		r = hostpci_answers(plan->host, dev, err);
	if (!r)
		r = shell_add(plan, node, at, dev, err);
	if (r)
		return err_prefix(err, "pci slot %u:%u:%u passthru", at.bus,
				  at.slot, at.func);
	hostpci_iommu(plan->host, dev, &iommu);
	limits_add(&plan->limits, &iommu);
	return 0;
}

/* Numbers out of range are refused when the devices are created. */
static bool node_number(struct cfg *node, uint64_t max, uint8_t *ret_n)
{
	uint64_t n;

	if (parse_u64(cfg_name(node), &n) || n > max)
		return false;
	*ret_n = (uint8_t)n;
	return true;
}

/* An empty port keeps addresses free. */
static int slot_free_plan(struct plan *plan, struct cfg *node,
			  struct pci_addr at, struct err *err)
{
	struct pci_windows room;
	struct pci_dev *port;

	if (pcie_port_room(node, NULL, &room))
		return 0; /* creating it says what is wrong */
	return port_add(plan, at, &room, err, &port);
}

/* Functions with a port= of their own, or not of the host, decide for all. */
static int port_decide(struct plan *plan, struct cfg *slot, struct err *err)
{
	const struct hostpci_dev *dev;
	struct cfg *func, *zero = NULL;
	struct hostpci_addr addr;
	bool suits = false;
	const char *name;

	for (func = cfg_first(slot); func; func = cfg_next(func)) {
		name = cfg_raw(func, "device");
		if (!name || strcmp(name, "passthru") ||
		    cfg_raw(func, "port") || !node_address(func, &addr))
			return 0;
		if (host_open(plan, err))
			return -EIO;
		dev = hostpci_find(plan->host, addr);
		suits |= dev && ports_suit(dev);
		if (!strcmp(cfg_name(func), "0"))
			zero = func;
	}
	if (!zero || !suits)
		return 0;
	plan->decided++;
	return cfg_set(zero, "port", "pcie", err);
}

static int slot_plan(struct plan *plan, struct cfg *slot, struct pci_addr at,
		     struct err *err)
{
	struct cfg *func;
	const char *name;
	int r = plan->params.firmware ? port_decide(plan, slot, err) : 0;

	for (func = cfg_first(slot); func && !r; func = cfg_next(func)) {
		name = cfg_raw(func, "device");
		if (!name || !node_number(func, 7, &at.func))
			continue;
		if (!strcmp(name, "passthru"))
			r = node_plan(plan, func, at, err);
		else if (!strcmp(name, pcie_port_model.name))
			r = slot_free_plan(plan, func, at, err);
	}
	return r;
}

static int nodes_plan(struct plan *plan, struct err *err)
{
	struct cfg *bus, *slot;
	struct pci_addr at = {0};
	int r = 0;

	for (bus = cfg_first(cfg_find(plan->params.root, "pci")); bus && !r;
	     bus = cfg_next(bus)) {
		if (!node_number(bus, 255, &at.bus))
			continue;
		for (slot = cfg_first(bus); slot && !r; slot = cfg_next(slot))
			if (node_number(slot, 31, &at.slot))
				r = slot_plan(plan, slot, at, err);
	}
	return r;
}

/* ---- addresses ---- */

static int phys_bits_choose(struct plan *plan, struct err *err)
{
	unsigned most = plan->params.phys_bits;
	uint64_t bits;

	if (cfg_u64(plan->params.root, "x86.phys_bits", 0, PHYS_BITS_MIN,
		    LAYOUT_BITS_MAX, err, &bits))
		return -EINVAL;
	if (bits > most)
		return err_set(err, -EINVAL,
			       "x86.phys_bits=%u: this host's processor and KVM"
			       " give a guest at most %u address bits",
			       (unsigned)bits, most);
	/* An address that the IOMMU cannot translate is of no use. */
	plan->limits.phys_bits =
	    bits ? (unsigned)bits : MIN(most, plan->limits.iommu_bits);
	return 0;
}

static int addresses_plan(struct plan *plan, struct err *err)
{
	const struct layout *layout = &plan->params.layout;
	const struct layout_limits *limits = &plan->limits;
	struct layout_told told;
	uint64_t need, align;
	int r;

	r = layout_check_ram(layout, limits, err);
	if (r)
		return r;
	pci_host_mem64_need(plan->pci, &need, &align);
	r = layout_windows(layout, need, align, limits, err, &plan->windows);
	if (!r && plan->params.firmware) {
		r = layout_firmware_window(layout, need, align, limits, err,
					   &told);
		if (!r) {
			plan->windows.mem64 = told.window;
			plan->mmio64_mib = told.mib;
		}
	}
	return r ? r : pci_host_assign(plan->pci, &plan->windows, false, err);
}

static int bridge_make(struct plan *plan, struct err *err)
{
	struct pci_host_params params;

	if (aspace_create("planned ports", 0x10000, &plan->pio) ||
	    aspace_create("planned memory", 1ull << LAYOUT_BITS_MAX,
			  &plan->mmio))
		return err_set(err, -ENOMEM, "address plan: out of memory");
	params = (struct pci_host_params){.pio = plan->pio, .mmio = plan->mmio};
	return pci_host_create(&params, err, &plan->pci);
}

int plan_make(const struct plan_params *params, struct err *err,
	      struct plan **ret_plan)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return err_set(err, -ENOMEM, "address plan: out of memory");
	plan->params = *params;
	plan->limits.iommu_bits = HOSTPCI_BITS_UNKNOWN;
	r = bridge_make(plan, err);
	if (!r)
		r = nodes_plan(plan, err);
	if (!r)
		r = phys_bits_choose(plan, err);
	if (!r)
		r = addresses_plan(plan, err);
	if (r) {
		plan_destroy(plan);
		return r;
	}
	*ret_plan = plan;
	return 0;
}

void plan_destroy(struct plan *plan)
{
	unsigned i;

	if (!plan)
		return;
	pci_host_destroy(plan->pci);
	for (i = 0; i < plan->shells; i++) {
		pci_dev_fini(&plan->shell[i]->pci);
		free(plan->shell[i]);
	}
	aspace_destroy(plan->mmio);
	aspace_destroy(plan->pio);
	hostpci_close(plan->host);
	free(plan);
}

const struct layout_limits *plan_limits(const struct plan *plan)
{
	return &plan->limits;
}

/* ---- for people ---- */

static const char *size_text(char buf[32], uint64_t bytes)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned u = 0;

	while (u + 1 < ARRAY_LEN(unit) && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, 32, "%llu %s", (unsigned long long)bytes, unit[u]);
	return buf;
}

static void range_print(FILE *out, const char *name, uint64_t base,
			uint64_t size)
{
	char text[32];

	if (size)
		fprintf(out, "%-22s 0x%llx-0x%llx (%s)\n", name,
			(unsigned long long)base,
			(unsigned long long)(base + size - 1),
			size_text(text, size));
}

static bool in_mem64(const struct plan *plan, const struct pci_bar *bar)
{
	return bar->kind != PCI_BAR_IO &&
	       range_inside(bar->base, bar->size, plan->windows.mem64.base,
			    plan->windows.mem64.size);
}

static void shell_print(const struct plan *plan, const struct shell *shell,
			FILE *out)
{
	const struct pci_addr *at = &shell->pci.addr;
	char text[32];
	unsigned i;

	for (i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *bar = &shell->pci.bar[i];

		if (bar->kind == PCI_BAR_NONE)
			continue;
		fprintf(out, "%u:%u:%-3u %-13s BAR %u %-9s", at->bus, at->slot,
			at->func, shell->bdf, i, size_text(text, bar->size));
		if (bar->kind == PCI_BAR_IO)
			fprintf(out, " I/O ports\n");
		else if (!in_mem64(plan, bar))
			fprintf(out, " below 4 GiB\n");
		else if (plan->params.firmware)
			fprintf(out, " above memory, by the firmware\n");
		else
			fprintf(out, " at 0x%llx\n",
				(unsigned long long)bar->base);
	}
}

static void limits_print(const struct plan *plan, FILE *out)
{
	const struct layout_limits *limits = &plan->limits;
	unsigned i;

	fprintf(out, "%-22s %u of %u\n", "address bits (guest)",
		limits->phys_bits, plan->params.phys_bits);
	if (limits->iommu_bits != HOSTPCI_BITS_UNKNOWN)
		fprintf(out, "%-22s %u (%s)\n", "address bits (IOMMU)",
			limits->iommu_bits, limits->iommu);
	else if (plan->shells)
		fprintf(out, "%-22s not known\n", "address bits (IOMMU)");
	for (i = 0; i < limits->holes; i++)
		range_print(out, "reserved by the IOMMU", limits->hole[i].start,
			    limits->hole[i].end - limits->hole[i].start + 1);
}

void plan_print(const struct plan *plan, FILE *out)
{
	const struct layout *layout = &plan->params.layout;
	unsigned i;

	range_print(out, "memory", 0, layout->low_bytes);
	range_print(out, "memory", LAYOUT_HIGH_BASE, layout->high_bytes);
	range_print(out, "BARs above memory", plan->windows.mem64.base,
		    plan->windows.mem64.size);
	if (plan->params.firmware && plan->mmio64_mib)
		fprintf(out, "%-22s opt/ovmf/X-PciMmio64Mb=%llu\n",
			"the firmware is told",
			(unsigned long long)plan->mmio64_mib);
	for (i = 0; i < plan->shells; i++)
		shell_print(plan, plan->shell[i], out);
	if (plan->decided)
		fprintf(out, "%-22s %u by themselves, for display functions\n",
			"root ports", plan->decided);
	if (plan->unknown)
		fprintf(out, "%-22s %u not known before they are opened\n",
			"other devices", plan->unknown);
	limits_print(plan, out);
}
