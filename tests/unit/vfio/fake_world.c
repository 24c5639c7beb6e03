/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine of fake_world.h. */
#include "fake_world.h"

#include <inttypes.h>
#include <string.h>

#define NAME_MAX_ 16

/* ---- interrupt controller ---- */

static struct world *of(void *ctx)
{
	return ctx;
}

static void irq_line(void *ctx, unsigned gsi, bool level)
{
	fake_tracef(&of(ctx)->kernel, "line %u %d", gsi, level);
}

static int irq_send(void *ctx, struct irq_msg msg)
{
	fake_tracef(&of(ctx)->kernel, "message 0x%" PRIx64 " 0x%x", msg.addr,
		    msg.data);
	return 0;
}

static int irq_alloc(void *ctx, unsigned *ret_gsi)
{
	struct world *w = ctx;
	unsigned i;

	for (i = WORLD_FIRST_MSI; i < WORLD_GSIS; i++) {
		if (w->gsi[i].used)
			continue;
		w->gsi[i] = (struct world_gsi){.used = true, .fd = -1};
		*ret_gsi = i;
		return 0;
	}
	return -ENOSPC;
}

static void irq_free(void *ctx, unsigned gsi)
{
	if (of(ctx)->gsi[gsi].fd >= 0)
		of(ctx)->kernel.violations++;
	of(ctx)->gsi[gsi].used = false;
}

static int irq_route(void *ctx, unsigned gsi, struct irq_msg msg)
{
	of(ctx)->gsi[gsi].msg = msg;
	fake_tracef(&of(ctx)->kernel, "route %u = 0x%" PRIx64 " 0x%x", gsi,
		    msg.addr, msg.data);
	return 0;
}

static int irq_attach(void *ctx, unsigned gsi, int fd, int resample_fd)
{
	struct world *w = ctx;
	char a[NAME_MAX_], b[NAME_MAX_];

	if (w->gsi[gsi].fd >= 0)
		w->kernel.violations++;
	w->gsi[gsi].fd = fd;
	w->gsi[gsi].resample_fd = resample_fd;
	fake_event_name(&w->kernel, fd, a);
	if (resample_fd < 0)
		fake_tracef(&w->kernel, "attach %u %s", gsi, a);
	else
		fake_tracef(&w->kernel, "attach %u %s resample %s", gsi, a,
			    fake_event_name(&w->kernel, resample_fd, b));
	return 0;
}

static int irq_detach(void *ctx, unsigned gsi, int fd)
{
	struct world *w = ctx;
	char a[NAME_MAX_];

	if (w->gsi[gsi].fd != fd)
		w->kernel.violations++;
	w->gsi[gsi].fd = -1;
	fake_tracef(&w->kernel, "detach %u %s", gsi,
		    fake_event_name(&w->kernel, fd, a));
	return 0;
}

static const struct irq_ops irq_ops = {
    .line_set = irq_line,
    .msi_send = irq_send,
    .msi_alloc = irq_alloc,
    .msi_free = irq_free,
    .msi_set = irq_route,
    .event_attach = irq_attach,
    .event_detach = irq_detach,
};

unsigned world_delivered(struct world *w, unsigned gsi)
{
	uint64_t n = 0;

	if (w->gsi[gsi].fd < 0 ||
	    read(w->gsi[gsi].fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	return (unsigned)n;
}

/* ---- memory slots ---- */

static int slot_map(void *ctx, gpa_t base, uint64_t size, void *host,
		    unsigned flags, int *ret_handle)
{
	struct world *w = ctx;
	int i, free_slot = -1;

	if ((base.v | size | (uintptr_t)host) & 4095)
		w->kernel.violations++;
	for (i = 0; i < (int)WORLD_SLOTS; i++) {
		if (w->slot[i].used &&
		    range_overlaps(base.v, size, w->slot[i].base,
				   w->slot[i].size))
			return -EEXIST;
		if (!w->slot[i].used && free_slot < 0)
			free_slot = i;
	}
	if (free_slot < 0 || w->no_slots)
		return -ENOSPC;
	w->slot[free_slot] =
	    (struct world_slot){true, base.v, size, host, flags};
	fake_tracef(&w->kernel, "slot 0x%" PRIx64 "+0x%" PRIx64 "%s", base.v,
		    size, flags & MEMMAP_READONLY ? " ro" : "");
	*ret_handle = free_slot;
	return 0;
}

static void slot_unmap(void *ctx, int handle)
{
	struct world *w = ctx;

	if (!w->slot[handle].used)
		w->kernel.violations++;
	fake_tracef(&w->kernel, "unslot 0x%" PRIx64, w->slot[handle].base);
	w->slot[handle].used = false;
}

static const struct memmap_ops memmap_ops = {slot_map, slot_unmap};

/* ---- guest accesses ---- */

static struct pci_dev *dev_at(struct world *w, unsigned slot)
{
	return pci_host_find(w->host, (struct pci_addr){0, (uint8_t)slot, 0});
}

static uint64_t ecam(unsigned slot, unsigned off)
{
	return WORLD_ECAM + (uint64_t)slot * 0x8000 + off;
}

uint32_t world_read(struct world *w, unsigned slot, unsigned off, unsigned size)
{
	uint64_t v;

	(void)aspace_read(w->mmio, ecam(slot, off), size, &v);
	return (uint32_t)v;
}

void world_write(struct world *w, unsigned slot, unsigned off, unsigned size,
		 uint32_t value)
{
	(void)aspace_write(w->mmio, ecam(slot, off), size, value);
}

static uint8_t *direct(struct world *w, uint64_t addr, unsigned size)
{
	unsigned i;

	for (i = 0; i < WORLD_SLOTS; i++)
		if (w->slot[i].used &&
		    range_inside(addr, size, w->slot[i].base, w->slot[i].size))
			return (uint8_t *)w->slot[i].host + addr -
			       w->slot[i].base;
	return NULL;
}

uint64_t world_bar_read(struct world *w, unsigned slot, unsigned bar,
			uint64_t off, unsigned size)
{
	struct pci_dev *dev = dev_at(w, slot);
	uint64_t addr = dev->bar[bar].base + off, v = 0;
	uint8_t *p = direct(w, addr, size);

	if (dev->bar[bar].kind == PCI_BAR_IO)
		(void)aspace_read(w->pio, addr, size, &v);
	else if (p)
		memcpy(&v, p, size);
	else
		(void)aspace_read(w->mmio, addr, size, &v);
	return v;
}

void world_bar_write(struct world *w, unsigned slot, unsigned bar, uint64_t off,
		     unsigned size, uint64_t value)
{
	struct pci_dev *dev = dev_at(w, slot);
	uint64_t addr = dev->bar[bar].base + off;
	uint8_t *p = direct(w, addr, size);

	if (dev->bar[bar].kind == PCI_BAR_IO)
		(void)aspace_write(w->pio, addr, size, value);
	else if (p)
		memcpy(p, &value, size);
	else
		(void)aspace_write(w->mmio, addr, size, value);
}

bool world_bar_direct(struct world *w, unsigned slot, unsigned bar,
		      uint64_t off)
{
	return direct(w, dev_at(w, slot)->bar[bar].base + off, 1) != NULL;
}

void world_enable(struct world *w, unsigned slot)
{
	world_write(w, slot, PCI_COMMAND, 2,
		    PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* ---- life ---- */

static void on_end(void *ctx, enum vm_end end, const char *why)
{
	struct world *w = ctx;

	w->ended = true;
	w->end = end;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static void on_status(void *ctx, const struct status *status)
{
	struct world *w = ctx;

	if (w->statuses < ARRAY_LEN(w->status))
		w->status[w->statuses++] = *status;
}

static void must(int r)
{
	if (r) {
		fprintf(stderr, "fake world: %s\n", strerror(-r));
		abort();
	}
}

static void init(struct world *w, bool shared)
{
	*w = (struct world){0};
	fake_kernel_init(&w->kernel);
	clock_fake_init(&w->clock);
	w->irq = (struct irq_ctl){&irq_ops, w};
	w->memmap = (struct memmap){&memmap_ops, w};
	for (unsigned i = 0; i < WORLD_GSIS; i++)
		w->gsi[i].fd = -1;
	w->cfg = cfg_create();
	must(gmem_create(&w->gmem));
	if (shared)
		gmem_share(w->gmem);
	must(gmem_add_ram(w->gmem, gpa(0), MIB(4), NULL));
	must(gmem_add_ram(w->gmem, gpa(GIB(4)), MIB(2), NULL));
}

void world_init(struct world *w)
{
	init(w, false);
}

void world_init_shared(struct world *w)
{
	init(w, true);
}

void world_start(struct world *w)
{
	struct pci_host_params bus;
	struct vfio_params params;

	if (!w->keep_root)
		fake_sysfs_create(&w->kernel, w->root);
	must(aspace_create("pio", 0x10000, &w->pio));
	must(aspace_create("mmio", 1ull << 46, &w->mmio));
	must(irq_shared_create(&w->irq, &w->lines));
	must(evloop_create(&w->loop));
	bus = (struct pci_host_params){.pio = w->pio,
				       .mmio = w->mmio,
				       .irq = &w->irq,
				       .lines = w->lines,
				       .ecam_base = WORLD_ECAM};
	must(pci_host_create(&bus, NULL, &w->host));
	params = (struct vfio_params){.gmem = w->gmem,
				      .clock = &w->clock.clock,
				      .root = w->root,
				      .ops = &w->kernel.ops,
				      .kvm_vfio_add = fake_kvm_add,
				      .kvm_vfio_del = fake_kvm_del,
				      .kvm_ctx = &w->kernel,
				      .event = on_status,
				      .event_ctx = w,
				      .leave = w->leave,
				      .leave_ctx = w->leave_ctx,
				      .user_reply_ms = w->reply_ms,
				      .user_reset_ms = w->reset_ms,
				      .given = {w->given},
				      .given_count = w->given.fd > 0};
	must(vfio_ctx_create(&params, NULL, &w->ctx));
	w->env = (struct model_env){.gmem = w->gmem,
				    .pio = w->pio,
				    .mmio = w->mmio,
				    .irq = &w->irq,
				    .lines = w->lines,
				    .memmap = &w->memmap,
				    .pci = w->host,
				    .loop = w->loop,
				    .clock = &w->clock.clock,
				    .root = w->cfg,
				    .end = on_end,
				    .end_ctx = w,
				    .vfio = w->ctx};
}

void world_fini(struct world *w)
{
	unsigned i;
	bool left;

	pci_host_destroy(w->host);
	vfio_ctx_destroy(w->ctx);
	evloop_destroy(w->loop);
	irq_shared_destroy(w->lines);
	aspace_destroy(w->pio);
	aspace_destroy(w->mmio);
	gmem_destroy(w->gmem);
	cfg_destroy(w->cfg);
	left = w->kernel.containers || w->kernel.groups || w->kernel.maps;
	for (i = 0; i < WORLD_SLOTS; i++)
		left |= w->slot[i].used;
	for (i = 0; i < WORLD_GSIS; i++)
		left |= w->gsi[i].used || w->gsi[i].fd >= 0;
	for (i = 0; i < w->kernel.devices; i++)
		left |= w->kernel.dev[i]->opens != 0;
	if (!w->keep_root)
		fake_sysfs_remove(w->root);
	if (left || w->kernel.violations) {
		fprintf(stderr, "fake world: %s, %u violations\n",
			left ? "something is left" : "clean",
			w->kernel.violations);
		abort();
	}
	fake_kernel_fini(&w->kernel);
}

int world_passthru(struct world *w, unsigned slot, const char *opts,
		   struct err *err)
{
	struct cfg *node;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "pci.0.%u.0", slot);
	r = cfg_make(w->cfg, path, err, &node);
	if (!r)
		r = cfg_set(node, "device", "passthru", err);
	if (!r)
		r = passthru_model.parse(node, opts, err);
	if (!r)
		r = passthru_model.create(
		    &w->env, (struct pci_addr){0, (uint8_t)slot, 0}, node, err);
	return r;
}

void world_assign(struct world *w)
{
	struct pci_windows windows = {
	    .io = {0x2000, 0xe000},
	    .mem32 = {0xc0000000, MIB(512)},
	    .mem64 = {GIB(8), GIB(32)},
	};

	must(pci_host_finish(w->host, NULL));
	must(pci_host_assign(w->host, &windows, false, NULL));
}

void world_one(struct world *w, struct fake_device *dev, const char *opts)
{
	struct err err = {0};

	world_init(w);
	fake_device_place(dev, 3, 0, 0, 12);
	fake_kernel_add(&w->kernel, dev);
	world_start(w);
	if (world_passthru(w, 6, opts, &err)) {
		fprintf(stderr, "fake world: %s\n", err.msg);
		abort();
	}
	world_assign(w);
	(void)fake_trace(&w->kernel);
}
