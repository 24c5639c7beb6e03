/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wiring: who is built when, with what, and in which order it is taken apart.
 * The contract is in machine.h.
 *
 * Order of building: address plan and memory map, address spaces, KVM (it owns
 * the interrupt controllers), PCI host, devices in slot order (the first
 * passed-through one pins guest memory), addresses, then boot image and tables.
 * Taking apart is the reverse; every step accepts what was never built.
 */
#include "machine/machine.h"

#include <string.h>

#include "backend/input.h"
#include "base/log.h"
#include "dev/fbuf/fbuf_model.h"
#include "dev/hpet.h"
#include "dev/rtc.h"
#include "dev/tpm/crb.h"
#include "kvm/kvm.h"
#include "machine/catalog.h"
#include "machine/firmware.h"
#include "machine/hotplug.h"
#include "machine/layout.h"
#include "machine/load.h"
#include "machine/plan.h"
#include "machine/ports.h"
#include "vfio/vfio.h"

#define MMIO_LIMIT    (1ull << 52)
#define WHY_MAX	      320
#define DEAD_CHECK_NS (2 * NS_PER_S)
/* Writes of the PCI address port are queued while a guest scans its buses. */
#define CF8_PORT     0xcf8
#define CF8_BYTES    4
#define CF8_DRAIN_NS (100 * NS_PER_MS)
#define CF8_DRAINS   150u

struct machine {
	struct machine_params params;
	struct layout layout;
	struct layout_limits limits;
	struct load_topology topology;
	struct gmem *gmem;
	struct aspace *pio, *mmio;
	struct kvm_vm *kvm;
	struct irq_shared *lines;
	struct pci_host *pci;
	struct vfio_ctx *vfio;
	struct hotplug *hotplug;
	struct input_hub *input;
	struct hpet *hpet; /* NULL: left out */
	struct rtc *rtc;   /* NULL: none; for the HPET */
	struct tpm_crb *tpm;
	struct tpm_acpi tpm_acpi;
	struct fbuf *fbuf;	   /* NULL: no screen */
	struct firmware *firmware; /* NULL: a kernel is booted */
	bool wants_firmware;
	struct model_env env;
	struct ev_timer *dead_timer, *cf8_timer;
	unsigned cf8_drains; /* so far */
	bool wired;
	bool ended; /* atomic: machine_end() was called */
	enum vm_end end;
	char why[WHY_MAX];
};

static void end_hook(void *ctx, enum vm_end end, const char *why)
{
	machine_end(ctx, end, why);
}

void machine_end(struct machine *machine, enum vm_end end, const char *why)
{
	if (__atomic_exchange_n(&machine->ended, true, __ATOMIC_ACQ_REL))
		return;
	machine->end = end;
	snprintf(machine->why, sizeof(machine->why), "%s", why);
	evloop_stop(machine->params.loop);
}

/* ---- addresses ---- */

static int create_plan(struct machine *m, struct err *err,
		       struct plan **ret_plan)
{
	struct plan_params params = {
	    .root = m->params.root,
	    .host = "/",
	};
	int r;

	r = firmware_wanted(m->params.root, err, &m->wants_firmware);
	if (!r)
		r = layout_memory(m->params.root, m->wants_firmware, err,
				  &m->layout);
	if (!r)
		r = kvm_host_phys_bits(err, &params.phys_bits);
	params.layout = m->layout;
	params.firmware = m->wants_firmware;
	return r ? r : plan_make(&params, err, ret_plan);
}

int machine_plan(struct cfg *root, FILE *out, struct err *err)
{
	struct machine m = {.params.root = root};
	struct plan *plan = NULL;
	int r = create_plan(&m, err, &plan);

	if (!r)
		plan_print(plan, out);
	plan_destroy(plan);
	return r;
}

/* Refused here, nothing has been touched yet. */
static int check_addresses(struct machine *m, struct err *err)
{
	struct plan *plan = NULL;
	int r = create_plan(m, err, &plan);

	if (!r)
		m->limits = *plan_limits(plan);
	plan_destroy(plan);
	return r;
}

/* ---- memory ---- */

/* Is there a device in another process, which needs guest RAM by descriptor? */
static bool wants_shared_memory(struct cfg *node, unsigned depth)
{
	struct cfg *child;

	if (cfg_find(node, "vfio-user"))
		return true;
	for (child = cfg_first(node); child && depth; child = cfg_next(child))
		if (wants_shared_memory(child, depth - 1))
			return true;
	return false;
}

static int create_memory(struct machine *m, struct err *err)
{
	struct cfg *root = m->params.root;
	bool in_core, huge;
	int r = cfg_bool(root, "memory.guest_in_core", false, err, &in_core);

	if (!r)
		r = cfg_bool(root, "memory.hugepages", false, err, &huge);
	if (!r)
		r = cfg_bool(root, "memory.wired", false, err, &m->wired);
	if (r)
		return r;
	r = gmem_create(&m->gmem);
	if (r)
		return err_sys(err, r, "guest memory");
	if (wants_shared_memory(cfg_find(root, "pci"), 3))
		gmem_share(m->gmem);
	if (huge)
		gmem_use_huge_pages(m->gmem);
	r = gmem_add_ram(m->gmem, gpa(0), m->layout.low_bytes, err);
	if (!r && m->layout.high_bytes)
		r = gmem_add_ram(m->gmem, gpa(LAYOUT_HIGH_BASE),
				 m->layout.high_bytes, err);
	if (!r && m->wired && !huge)
		r = layout_check_available(&m->layout, err);
	/* Set aside already, and never swapped. */
	m->wired |= huge;
	if (!r && in_core)
		r = gmem_set_dump(m->gmem, true);
	return r;
}

/* ---- processors ---- */

static int processor_options(struct cfg *root, struct err *err,
			     struct kvm_params *params)
{
	bool show_kvm = true;

	if (cfg_bool(root, "x86.strictio", false, err, &params->strict_io) ||
	    cfg_bool(root, "x86.strictmsr", true, err, &params->strict_msr) ||
	    cfg_bool(root, "x86.x2apic", true, err, &params->x2apic) ||
	    cfg_bool(root, "x86.hyperv", false, err, &params->hyperv) ||
	    cfg_bool(root, "x86.kvm", true, err, &show_kvm) ||
	    cfg_bool(root, "x86.hide_hypervisor", false, err,
		     &params->no_hypervisor))
		return -EINVAL;
	params->no_kvm = !show_kvm;
	if (params->hyperv && params->no_hypervisor)
		return err_set(
		    err, -EINVAL,
		    "x86.hide_hypervisor and x86.hyperv: a guest that"
		    " sees no hypervisor does not look for Hyper-V;"
		    " set only one to true");
	return 0;
}

static int create_kvm(struct machine *m, struct err *err)
{
	struct cfg *root = m->params.root;
	struct kvm_params params = {
	    .pio = m->pio,
	    .mmio = m->mmio,
	    .root = root,
	    .end = end_hook,
	    .end_ctx = m,
	};

	if (load_topology(root, err, &m->topology))
		return -EINVAL;
	params.phys_bits = m->limits.phys_bits;
	params.cpus = m->topology.cpus;
	params.sockets = m->topology.sockets;
	params.cores = m->topology.cores;
	params.threads = m->topology.threads;
	if (processor_options(root, err, &params) ||
	    kvm_vm_create(&params, err, &m->kvm) ||
	    kvm_vm_add_ram(m->kvm, m->gmem, err))
		return -EINVAL;
	return 0;
}

static int create_buses(struct machine *m, struct err *err)
{
	struct pci_host_params params;
	int r = irq_shared_create(kvm_vm_irq(m->kvm), &m->lines);

	if (r)
		return err_sys(err, r, "interrupt lines");
	params = (struct pci_host_params){
	    .pio = m->pio,
	    .mmio = m->mmio,
	    .irq = kvm_vm_irq(m->kvm),
	    .lines = m->lines,
	    /* Firmware programs the chipset's register itself. */
	    .ecam_base = m->wants_firmware ? 0 : LAYOUT_ECAM_BASE,
	};
	/* The PCI address port; without queueing it only costs more exits. */
	if (kvm_vm_coalesce_port(m->kvm, CF8_PORT, CF8_BYTES))
		m->cf8_drains = CF8_DRAINS;
	return pci_host_create(&params, err, &m->pci);
}

/* ---- devices ---- */

static int vfio_group_add(void *ctx, int group_fd)
{
	return kvm_vm_vfio_add(ctx, group_fd);
}

static int vfio_group_del(void *ctx, int group_fd)
{
	return kvm_vm_vfio_del(ctx, group_fd);
}

static bool device_leaves(void *ctx, struct pci_dev *dev, bool broken,
			  const char *why)
{
	struct machine *m = ctx;

	return hotplug_leave(m->hotplug, dev, broken, why);
}

static int create_vfio(struct machine *m, struct err *err)
{
	struct vfio_params params = {
	    .gmem = m->gmem,
	    .clock = clock_host(),
	    .root = "/",
	    .kvm_vfio_add = vfio_group_add,
	    .kvm_vfio_del = vfio_group_del,
	    .kvm_ctx = m->kvm,
	    .event = m->params.event,
	    .event_ctx = m->params.event_ctx,
	    .leave = device_leaves,
	    .leave_ctx = m,
	};
	int r = vfio_given_read(m->params.root, err, params.given,
				&params.given_count);

	return r ? r : vfio_ctx_create(&params, err, &m->vfio);
}

static int create_device(struct machine *m, struct cfg *node,
			 struct pci_addr addr, struct err *err)
{
	const char *name = cfg_raw(node, "device");
	const struct pci_model *model = name ? catalog_find(name) : NULL;
	struct model_env env = m->env;
	int r = 0;

	if (!model)
		return err_set(
		    err, -EINVAL,
		    "pci slot %u:%u:%u: unknown device \"%s\"; -s help lists"
		    " them",
		    addr.bus, addr.slot, addr.func, name ? name : "");
	if (model == &passthru_model && !m->wired &&
	    !cfg_find(node, "vfio-user")) {
		m->wired = true; /* its memory is pinned all the same */
		if (layout_check_available(&m->layout, err))
			return -ENOMEM;
	}
	if (model == &passthru_model)
		r = ports_above(&m->env, addr, node, err, &env.upstream);
	if (!r)
		r = model->create(&env, addr, node, err);
	if (r)
		err_prefix(err, "pci slot %u:%u:%u %s", addr.bus, addr.slot,
			   addr.func, model->name);
	return r;
}

/* The number a config node is named after, within 0..max. */
static int node_number(struct cfg *node, uint64_t max, struct err *err,
		       uint64_t *ret_n)
{
	char path[CFG_PATH_MAX];

	if (!parse_u64(cfg_name(node), ret_n) && *ret_n <= max)
		return 0;
	cfg_path(node, path, sizeof(path));
	return err_set(err, -EINVAL,
		       "%s: expected pci.BUS.SLOT.FUNCTION with"
		       " numbers in range, 255.31.7 at most",
		       path);
}

static bool is_option_of_pci(const struct cfg *node)
{
	return !strcmp(cfg_name(node), "enable_bars");
}

static int create_devices(struct machine *m, struct err *err)
{
	struct cfg *bus, *slot, *func;
	uint64_t b, s, f;
	int r;

	for (bus = cfg_first(cfg_find(m->params.root, "pci")); bus;
	     bus = cfg_next(bus)) {
		if (is_option_of_pci(bus))
			continue;
		if (node_number(bus, 255, err, &b))
			return -EINVAL;
		for (slot = cfg_first(bus); slot; slot = cfg_next(slot)) {
			if (node_number(slot, 31, err, &s))
				return -EINVAL;
			for (func = cfg_first(slot); func;
			     func = cfg_next(func)) {
				if (node_number(func, 7, err, &f))
					return -EINVAL;
				r = create_device(m, func,
						  (struct pci_addr){(uint8_t)b,
								    (uint8_t)s,
								    (uint8_t)f},
						  err);
				if (r)
					return r;
			}
		}
	}
	if (cfg_find(m->params.root, "lpc") && !load_find_lpc(m->pci))
		return err_set(err, -EINVAL,
			       "lpc: a serial port needs the LPC bridge; add"
			       " -s 31,lpc");
	if (pci_host_finish(m->pci, err))
		return -EINVAL;
	ports_settle(m->pci);
	return 0;
}

static int note_fbuf(void *ctx, struct pci_dev *dev)
{
	struct machine *m = ctx;

	m->fbuf = fbuf_from_dev(dev);
	return m->fbuf != NULL;
}

/* Interrupts 0 and 8 change hands between the old timers and the HPET. */
static void hpet_has_irqs(void *ctx, bool on)
{
	struct machine *m = ctx;
	struct irq_ctl *irq = m->env.irq;
	int r = irq->ops->timer_irq(irq->ctx, !on);

	if (r)
		log_guest("hpet: the 8254 keeps interrupt 0: %s", strerror(-r));
	if (m->rtc)
		rtc_release_irq(m->rtc, on);
}

static int make_hpet(struct machine *m, struct err *err)
{
	struct lpc *lpc = load_find_lpc(m->pci);
	bool wanted;
	int r = cfg_bool(m->params.root, "x86.hpet", true, err, &wanted);

	m->rtc = lpc ? lpc_rtc(lpc) : NULL;
	if (!r && wanted)
		r = hpet_create(&m->env, hpet_has_irqs, m, err, &m->hpet);
	return r;
}

/* What is neither a PCI function nor behind the LPC bridge. */
static int create_others(struct machine *m, struct err *err)
{
	struct cfg *tpm = cfg_find(m->params.root, "tpm");
	int r;

	(void)pci_host_for_each(m->pci, note_fbuf, m);
	r = make_hpet(m, err);
	if (!r && tpm) {
		r = tpm_crb_create(&m->env, tpm, err, &m->tpm);
		m->tpm_acpi = tpm_crb_acpi();
	}
	if (!r && m->wants_firmware)
		r = firmware_create(&m->env, err, &m->firmware);
	return r;
}

/* For the first device of a running guest. */
static int may_lock_memory(void *ctx, struct err *err)
{
	struct machine *m = ctx;

	return m->wired ? 0 : layout_check_available(&m->layout, err);
}

static int create_hotplug(struct machine *m, struct err *err)
{
	const struct hotplug_params params = {
	    .env = &m->env,
	    .lock_memory = may_lock_memory,
	    .ctx = m,
	    .event = m->params.event,
	    .event_ctx = m->params.event_ctx,
	};

	return hotplug_create(&params, err, &m->hotplug);
}

static int assign_addresses(struct machine *m, struct err *err)
{
	struct pci_windows windows;
	uint64_t need, align;
	bool decode;
	int r;

	pci_host_mem64_need(m->pci, &need, &align);
	if (m->wants_firmware)
		return 0; /* firmware.c tells it how much room they need */
	r = layout_windows(&m->layout, need, align, &m->limits, err, &windows);
	if (r)
		return r;
	r = cfg_bool(m->params.root, "pci.enable_bars", true, err, &decode);
	return r ? r : pci_host_assign(m->pci, &windows, decode, err);
}

/* ---- the calls of machine.h ---- */

static void dead_check(void *ctx)
{
	struct machine *m = ctx;

	if (kvm_vm_is_dead(m->kvm))
		machine_end(m, VM_END_HALT, "every vCPU is halted for good");
	else
		ev_timer_arm(m->dead_timer, DEAD_CHECK_NS);
}

static void cf8_drain(void *ctx)
{
	struct machine *m = ctx;

	if (m->cf8_drains++ < CF8_DRAINS) {
		kvm_vm_coalesce_drain(m->kvm);
		ev_timer_arm(m->cf8_timer, CF8_DRAIN_NS);
	} else {
		kvm_vm_coalesce_end(m->kvm, CF8_PORT, CF8_BYTES);
	}
}

static void fill_env(struct machine *m)
{
	m->env = (struct model_env){
	    .gmem = m->gmem,
	    .pio = m->pio,
	    .mmio = m->mmio,
	    .irq = kvm_vm_irq(m->kvm),
	    .lines = m->lines,
	    .memmap = kvm_vm_memmap(m->kvm),
	    .pci = m->pci,
	    .loop = m->params.loop,
	    .input = m->input,
	    .clock = clock_host(),
	    .root = m->params.root,
	    .end = end_hook,
	    .end_ctx = m,
	    .q35 = m->wants_firmware,
	    .vfio = m->vfio,
	};
}

static int machine_build(struct machine *m, struct err *err)
{
	int r = check_addresses(m, err);

	if (!r)
		r = create_memory(m, err);
	if (!r &&
	    (aspace_create("I/O ports", 0x10000, &m->pio) ||
	     aspace_create("memory", MMIO_LIMIT, &m->mmio) ||
	     ev_timer_create(m->params.loop, dead_check, m, &m->dead_timer) ||
	     ev_timer_create(m->params.loop, cf8_drain, m, &m->cf8_timer) ||
	     input_hub_create(&m->input)))
		r = err_set(err, -ENOMEM, "machine: out of memory");
	if (!r)
		r = create_kvm(m, err);
	if (!r)
		r = create_buses(m, err);
	if (!r)
		r = create_vfio(m, err);
	if (r)
		return r;
	fill_env(m);
	r = create_devices(m, err);
	if (!r)
		r = assign_addresses(m, err);
	if (!r)
		r = create_others(m, err);
	if (!r)
		r = create_hotplug(m, err);
	/* Passthrough has pinned everything already. */
	if (!r && m->wired && !vfio_memory_pinned(m->vfio))
		r = gmem_lock(m->gmem, err);
	return r;
}

int machine_create(const struct machine_params *params, struct err *err,
		   struct machine **ret_machine)
{
	struct machine *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_set(err, -ENOMEM, "machine: out of memory");
	m->params = *params;
	r = machine_build(m, err);
	if (r) {
		machine_destroy(m);
		return r;
	}
	*ret_machine = m;
	return 0;
}

int machine_load(struct machine *m, struct err *err)
{
	const struct load_params params = {
	    .root = m->params.root,
	    .gmem = m->gmem,
	    .layout = &m->layout,
	    .limits = &m->limits,
	    .topology = &m->topology,
	    .pci = m->pci,
	    .kvm = m->kvm,
	    .firmware = m->firmware,
	    .has_screen = m->fbuf != NULL,
	    .has_hpet = m->hpet != NULL,
	    .tpm = m->tpm ? &m->tpm_acpi : NULL,
	};

	return load_guest(&params, err);
}

static int start_vcpus(struct machine *m, struct err *err)
{
	const struct status running = {.kind = STATUS_RUNNING};
	int r;

	ev_timer_arm(m->dead_timer, DEAD_CHECK_NS);
	if (m->cf8_drains < CF8_DRAINS)
		ev_timer_arm(m->cf8_timer, CF8_DRAIN_NS);
	r = kvm_vm_start(m->kvm, err);
	if (!r)
		m->params.event(m->params.event_ctx, &running);
	return r;
}

/* The screen's first client is there. */
static void screen_ready(void *ctx)
{
	struct machine *m = ctx;
	struct err err = {0};

	if (start_vcpus(m, &err))
		machine_end(m, VM_END_ERROR, err.msg);
}

int machine_start(struct machine *m, struct err *err)
{
	if (m->fbuf && fbuf_wait(m->fbuf, screen_ready, m))
		return 0;
	return start_vcpus(m, err);
}

int machine_stop(struct machine *m, enum vm_end *ret_end, const char **ret_why)
{
	int r;

	/* DMA and interrupts first: memory is about to be reused. */
	vfio_quiesce_all(m->vfio);
	kvm_vm_stop(m->kvm);
	hotplug_destroy(m->hotplug);
	m->hotplug = NULL;
	r = vfio_reset_all(m->vfio);
	*ret_end = m->ended ? m->end : VM_END_ERROR;
	*ret_why = m->ended ? m->why : "the event loop failed";
	return r;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	if (m->kvm)
		kvm_vm_stop(m->kvm);
	hotplug_destroy(m->hotplug);
	firmware_destroy(m->firmware);
	tpm_crb_destroy(m->tpm);
	hpet_destroy(m->hpet);
	pci_host_destroy(m->pci);
	input_hub_destroy(m->input);
	vfio_ctx_destroy(m->vfio);
	irq_shared_destroy(m->lines);
	kvm_vm_destroy(m->kvm);
	aspace_destroy(m->mmio);
	aspace_destroy(m->pio);
	ev_timer_destroy(m->cf8_timer);
	ev_timer_destroy(m->dead_timer);
	gmem_destroy(m->gmem);
	free(m);
}

bool machine_power_button(struct machine *m)
{
	struct lpc *lpc = load_find_lpc(m->pci);

	return lpc && lpc_power_button(lpc);
}

struct hotplug *machine_hotplug(struct machine *m)
{
	return m->hotplug;
}

void machine_stats(struct machine *m, char *buf, size_t size)
{
	struct kvm_stats s = kvm_vm_stats(m->kvm);

	snprintf(buf, size, "exits=%llu io=%llu mmio=%llu other=%llu",
		 (unsigned long long)s.exits, (unsigned long long)s.io,
		 (unsigned long long)s.mmio, (unsigned long long)s.other);
}
