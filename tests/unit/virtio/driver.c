/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's virtio driver and the fakes around the device; see driver.h. */
#include "driver.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>

#define WINDOW_MEM 0xc0000000u
#define WAIT_NS	   (10 * NS_PER_S)

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test driver: %s\n", what);
	abort();
}

/* ---- fake platform ---- */

static void fake_line_set(void *ctx, unsigned gsi, bool level)
{
	struct world *w = ctx;
	uint32_t bit = BIT(gsi & 31);

	if (level) {
		__atomic_or_fetch(&w->line_level, bit, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&w->line_rises, 1, __ATOMIC_SEQ_CST);
	} else {
		__atomic_and_fetch(&w->line_level, ~bit, __ATOMIC_SEQ_CST);
	}
	if (w->trace)
		fprintf(w->trace, "  line %u %d\n", gsi, level);
}

static int fake_msi_send(void *ctx, struct irq_msg msg)
{
	struct world *w = ctx;

	__atomic_store_n(&w->msi_data, msg.data, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&w->msis, 1, __ATOMIC_SEQ_CST);
	if (w->trace)
		fprintf(w->trace, "  msi %x\n", msg.data);
	return 0;
}

static int fake_doorbell_add(void *ctx, bool port, uint64_t addr, unsigned len,
			     const uint64_t *match, int fd)
{
	struct world *w = ctx;
	unsigned i;

	must(!port && len == 2 && !match, "unexpected kind of doorbell");
	if (w->refuse_doorbells)
		return -ENOSYS;
	for (i = 0; i < WORLD_DOORBELLS; i++) {
		if (w->doorbell[i].addr)
			continue;
		w->doorbell[i].addr = addr;
		w->doorbell[i].fd = fd;
		if (w->trace)
			fprintf(w->trace, "  doorbell %llx on\n",
				(unsigned long long)addr);
		return 0;
	}
	return -ENOSPC;
}

static int fake_doorbell_del(void *ctx, bool port UNUSED, uint64_t addr,
			     unsigned len UNUSED, const uint64_t *match UNUSED,
			     int fd)
{
	struct world *w = ctx;
	unsigned i;

	for (i = 0; i < WORLD_DOORBELLS; i++) {
		if (w->doorbell[i].addr != addr || w->doorbell[i].fd != fd)
			continue;
		w->doorbell[i].addr = 0;
		if (w->trace)
			fprintf(w->trace, "  doorbell %llx off\n",
				(unsigned long long)addr);
		return 0;
	}
	must(false, "doorbell taken away that was never there");
	return -ENOENT;
}

static int fake_msi_alloc(void *ctx, unsigned *ret_gsi)
{
	struct world *w = ctx;
	unsigned i;

	for (i = 0; i < WORLD_ROUTES && !w->refuse_routes; i++) {
		if (w->route[i].used)
			continue;
		w->route[i].used = true;
		w->route[i].msg = (struct irq_msg){0};
		w->route[i].fd = -1;
		*ret_gsi = IRQ_LINES + i;
		return 0;
	}
	return -ENOSPC;
}

static unsigned route_of(struct world *w, unsigned gsi)
{
	must(gsi >= IRQ_LINES && gsi < IRQ_LINES + WORLD_ROUTES &&
		 w->route[gsi - IRQ_LINES].used,
	     "route that was never handed out");
	return gsi - IRQ_LINES;
}

static void fake_msi_free(void *ctx, unsigned gsi)
{
	struct world *w = ctx;
	unsigned i = route_of(w, gsi);

	must(w->route[i].fd < 0, "route freed with its eventfd");
	w->route[i].used = false;
}

static int fake_msi_set(void *ctx, unsigned gsi, struct irq_msg msg)
{
	struct world *w = ctx;

	w->route[route_of(w, gsi)].msg = msg;
	return 0;
}

static int fake_event_attach(void *ctx, unsigned gsi, int fd, int resample_fd)
{
	struct world *w = ctx;
	unsigned i = route_of(w, gsi);

	must(resample_fd < 0 && w->route[i].fd < 0, "eventfd attached twice");
	if (w->refuse_events)
		return -ENOSYS;
	w->route[i].fd = fd;
	return 0;
}

static int fake_event_detach(void *ctx, unsigned gsi, int fd)
{
	struct world *w = ctx;
	unsigned i = route_of(w, gsi);

	must(w->route[i].fd == fd, "eventfd detached that is not attached");
	w->route[i].fd = -1;
	return 0;
}

static const struct irq_ops fake_ops = {
    .line_set = fake_line_set,
    .msi_send = fake_msi_send,
    .msi_alloc = fake_msi_alloc,
    .msi_free = fake_msi_free,
    .msi_set = fake_msi_set,
    .event_attach = fake_event_attach,
    .event_detach = fake_event_detach,
    .doorbell_add = fake_doorbell_add,
    .doorbell_del = fake_doorbell_del,
};

void world_create(struct world *w)
{
	struct pci_host_params params;

	*w = (struct world){0};
	w->irq = (struct irq_ctl){&fake_ops, w};
	clock_fake_init(&w->clock);
	must(gmem_create(&w->gmem) == 0, "gmem");
	must(gmem_add_ram(w->gmem, gpa(0), WORLD_RAM, NULL) == 0, "ram");
	must(gmem_add_ram(w->gmem, gpa(WORLD_RAM), WORLD_RAM2, NULL) == 0,
	     "second ram");
	must(aspace_create("pio", 0x10000, &w->pio) == 0, "pio");
	must(aspace_create("mmio", 1ull << 46, &w->mmio) == 0, "mmio");
	must(irq_shared_create(&w->irq, &w->lines) == 0, "lines");
	must(evloop_create(&w->loop) == 0, "evloop");
	w->root = cfg_create();
	must(w->root, "cfg");
	params = (struct pci_host_params){
	    .pio = w->pio,
	    .mmio = w->mmio,
	    .irq = &w->irq,
	    .lines = w->lines,
	};
	must(pci_host_create(&params, NULL, &w->pci) == 0, "pci host");
	w->env = (struct model_env){
	    .gmem = w->gmem,
	    .pio = w->pio,
	    .mmio = w->mmio,
	    .irq = &w->irq,
	    .lines = w->lines,
	    .pci = w->pci,
	    .loop = w->loop,
	    .clock = &w->clock.clock,
	    .root = w->root,
	};
}

void world_destroy(struct world *w)
{
	unsigned i;

	pci_host_destroy(w->pci);
	for (i = 0; i < WORLD_DOORBELLS; i++)
		must(!w->doorbell[i].addr, "doorbell left behind");
	for (i = 0; i < WORLD_ROUTES; i++)
		must(!w->route[i].used, "interrupt route left behind");
	cfg_destroy(w->root);
	evloop_destroy(w->loop);
	irq_shared_destroy(w->lines);
	aspace_destroy(w->mmio);
	aspace_destroy(w->pio);
	gmem_destroy(w->gmem);
}

void world_start(struct world *w)
{
	const struct pci_windows windows = {
	    .io = {0x2000, 0x1000},
	    .mem32 = {WINDOW_MEM, MIB(16)},
	    .mem64 = {GIB(64), GIB(1)},
	};
	struct err err;

	must(pci_host_finish(w->pci, &err) == 0, "pci finish");
	must(pci_host_assign(w->pci, &windows, true, &err) == 0, "pci assign");
}

void world_run(struct world *w)
{
	unsigned i;

	/* A kick may cause another: a few passes settle everything. */
	for (i = 0; i < 8; i++)
		must(evloop_step(w->loop, 0) == 0, "evloop step");
}

bool world_wait(struct world *w, const uint32_t *flag)
{
	uint64_t start = clock_host()->mono_ns(clock_host());

	while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST)) {
		if (clock_host()->mono_ns(clock_host()) - start > WAIT_NS)
			return false;
		must(evloop_step(w->loop, 1) == 0, "evloop step");
	}
	return true;
}

void world_deliver(struct world *w)
{
	eventfd_t count;
	unsigned i;

	for (i = 0; i < WORLD_ROUTES; i++)
		if (w->route[i].used && w->route[i].fd >= 0 &&
		    eventfd_read(w->route[i].fd, &count) == 0)
			(void)fake_msi_send(w, w->route[i].msg);
}

unsigned world_attached(const struct world *w)
{
	unsigned i, n = 0;

	for (i = 0; i < WORLD_ROUTES; i++)
		n += w->route[i].used && w->route[i].fd >= 0;
	return n;
}

uint32_t world_msis(const struct world *w)
{
	return __atomic_load_n(&w->msis, __ATOMIC_SEQ_CST);
}

bool world_line(const struct world *w, unsigned gsi)
{
	return __atomic_load_n(&w->line_level, __ATOMIC_SEQ_CST) >> gsi & 1;
}

struct cfg *world_node(struct world *w, const char *list)
{
	struct cfg *node;

	must(cfg_make(w->root, "pci.0.4.0", NULL, &node) == 0, "node");
	must(cfg_set_list(node, list, NULL) == 0, "options");
	return node;
}

static void cfg_address(struct world *w, struct pci_addr addr, unsigned off)
{
	uint32_t v = 0x80000000u | (uint32_t)addr.bus << 16 |
		     (uint32_t)addr.slot << 11 | (uint32_t)addr.func << 8 |
		     (off & 0xfc);

	(void)aspace_write(w->pio, 0xcf8, 4, v);
}

uint32_t world_cfg_read(struct world *w, struct pci_addr addr, unsigned off,
			unsigned size)
{
	uint64_t v;

	cfg_address(w, addr, off);
	(void)aspace_read(w->pio, 0xcfc + (off & 3), size, &v);
	return (uint32_t)v;
}

void world_cfg_write(struct world *w, struct pci_addr addr, unsigned off,
		     unsigned size, uint32_t value)
{
	cfg_address(w, addr, off);
	(void)aspace_write(w->pio, 0xcfc + (off & 3), size, value);
}

/* ---- guest memory ---- */

void mem_put(struct world *w, uint64_t addr, const void *src, size_t len)
{
	must(gmem_write(w->gmem, gpa(addr), src, len) == 0, "memory write");
}

void mem_get(struct world *w, uint64_t addr, void *dst, size_t len)
{
	must(gmem_read(w->gmem, gpa(addr), dst, len) == 0, "memory read");
}

void mem_put16(struct world *w, uint64_t addr, uint16_t v)
{
	v = htole16(v);
	mem_put(w, addr, &v, sizeof(v));
}

uint16_t mem_get16(struct world *w, uint64_t addr)
{
	uint16_t v;

	mem_get(w, addr, &v, sizeof(v));
	return le16toh(v);
}

void mem_put32(struct world *w, uint64_t addr, uint32_t v)
{
	v = htole32(v);
	mem_put(w, addr, &v, sizeof(v));
}

uint32_t mem_get32(struct world *w, uint64_t addr)
{
	uint32_t v;

	mem_get(w, addr, &v, sizeof(v));
	return le32toh(v);
}

void mem_put64(struct world *w, uint64_t addr, uint64_t v)
{
	v = htole64(v);
	mem_put(w, addr, &v, sizeof(v));
}

/* ---- the driver: finding the device ---- */

static void note_structure(struct driver *d, unsigned cap)
{
	struct world *w = d->w;
	unsigned type =
	    world_cfg_read(w, d->addr, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1);
	uint32_t off =
	    world_cfg_read(w, d->addr, cap + VIRTIO_PCI_CAP_OFFSET, 4);

	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		d->common = off;
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		d->isr = off;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		d->device = off;
		d->device_len =
		    world_cfg_read(w, d->addr, cap + VIRTIO_PCI_CAP_LENGTH, 4);
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		d->notify = off;
		d->notify_multiplier = world_cfg_read(
		    w, d->addr, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		d->cfg_cap = cap;
		break;
	default:
		break;
	}
}

bool driver_probe(struct driver *d, struct world *w, struct pci_addr addr)
{
	unsigned cap, id, limit = 48;
	uint32_t command;

	*d = (struct driver){.w = w, .addr = addr};
	if (world_cfg_read(w, addr, PCI_VENDOR_ID, 2) != 0x1af4)
		return false;
	cap = world_cfg_read(w, addr, PCI_CAPABILITY_LIST, 1);
	for (; cap && limit--; cap = world_cfg_read(w, addr, cap + 1, 1)) {
		id = world_cfg_read(w, addr, cap, 1);
		if (id == PCI_CAP_ID_VNDR)
			note_structure(d, cap);
		else if (id == PCI_CAP_ID_MSIX)
			d->msix_cap = cap;
	}
	d->bar = world_cfg_read(w, addr, PCI_BASE_ADDRESS_0, 4) & ~0xfu;
	command = world_cfg_read(w, addr, PCI_COMMAND, 2);
	world_cfg_write(w, addr, PCI_COMMAND, 2,
			command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return d->notify != 0;
}

void driver_msix_enable(struct driver *d, unsigned vectors)
{
	uint64_t bar =
	    world_cfg_read(d->w, d->addr, PCI_BASE_ADDRESS_1, 4) & ~0xfu;
	unsigned i;

	for (i = 0; i < vectors; i++) {
		uint64_t entry = bar + i * PCI_MSIX_ENTRY_SIZE;

		(void)aspace_write(d->w->mmio, entry, 4, 0xfee00000u);
		(void)aspace_write(d->w->mmio, entry + 4, 4, 0);
		(void)aspace_write(d->w->mmio, entry + 8, 4, 0x40 + i);
		(void)aspace_write(d->w->mmio, entry + 12, 4, 0);
	}
	world_cfg_write(d->w, d->addr, d->msix_cap + PCI_MSIX_FLAGS, 2,
			PCI_MSIX_FLAGS_ENABLE);
}

/* ---- registers ---- */

static uint32_t bar_get(struct driver *d, uint32_t off, unsigned size)
{
	uint64_t v;

	(void)aspace_read(d->w->mmio, d->bar + off, size, &v);
	return (uint32_t)v;
}

uint32_t driver_read(struct driver *d, unsigned reg, unsigned size)
{
	return bar_get(d, d->common + reg, size);
}

void driver_write(struct driver *d, unsigned reg, unsigned size, uint32_t v)
{
	(void)aspace_write(d->w->mmio, d->bar + d->common + reg, size, v);
}

uint8_t driver_status(struct driver *d)
{
	return (uint8_t)driver_read(d, VIRTIO_PCI_COMMON_STATUS, 1);
}

void driver_set_status(struct driver *d, uint8_t status)
{
	driver_write(d, VIRTIO_PCI_COMMON_STATUS, 1, status);
}

uint32_t driver_isr(struct driver *d)
{
	return bar_get(d, d->isr, 1);
}

uint32_t driver_config(struct driver *d, unsigned off, unsigned size)
{
	return bar_get(d, d->device + off, size);
}

void driver_config_set(struct driver *d, unsigned off, unsigned size,
		       uint32_t v)
{
	(void)aspace_write(d->w->mmio, d->bar + d->device + off, size, v);
}

uint64_t driver_offered(struct driver *d)
{
	uint64_t v;

	driver_write(d, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	v = driver_read(d, VIRTIO_PCI_COMMON_DF, 4);
	driver_write(d, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return v | (uint64_t)driver_read(d, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

uint8_t driver_negotiate(struct driver *d, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	driver_set_status(d, 0);
	memset(d->q, 0, sizeof(d->q));
	driver_set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_set_status(d, status);
	driver_write(d, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	driver_write(d, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)features);
	driver_write(d, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	driver_write(d, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> 32));
	driver_set_status(d, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return driver_status(d);
}

static void write_pair(struct driver *d, unsigned reg, uint64_t v)
{
	driver_write(d, reg, 4, (uint32_t)v);
	driver_write(d, reg + 4, 4, (uint32_t)(v >> 32));
}

void driver_queue_setup(struct driver *d, unsigned q, uint16_t size,
			uint64_t base)
{
	struct driver_queue *dq = &d->q[q];
	static const uint8_t zeroes[0x8000];

	*dq = (struct driver_queue){
	    .size = size,
	    .desc = base,
	    .avail = base + 16u * size,
	};
	dq->used = align_up(dq->avail + 6 + 2u * size, 4);
	mem_put(d->w, base, zeroes, dq->used + 6 + 8u * size - base);
	driver_write(d, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
	driver_write(d, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	driver_write(d, VIRTIO_PCI_COMMON_Q_MSIX, 2, q + 1);
	write_pair(d, VIRTIO_PCI_COMMON_Q_DESCLO, dq->desc);
	write_pair(d, VIRTIO_PCI_COMMON_Q_AVAILLO, dq->avail);
	write_pair(d, VIRTIO_PCI_COMMON_Q_USEDLO, dq->used);
	driver_write(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

void driver_start(struct driver *d)
{
	driver_set_status(
	    d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
		   VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

void driver_up(struct driver *d, uint64_t wanted, unsigned queues,
	       uint16_t size)
{
	unsigned q;

	(void)driver_negotiate(d, driver_offered(d) &
				      (wanted | BIT64(VIRTIO_F_VERSION_1)));
	if (d->msix_cap)
		driver_write(d, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	for (q = 0; q < queues; q++)
		driver_queue_setup(d, q, size, 0x10000 + q * 0x10000u);
	driver_start(d);
	world_run(d->w);
}

/* ---- rings ---- */

static void put_desc(struct world *w, uint64_t table, unsigned index,
		     const struct vring_desc *desc)
{
	mem_put(w, table + 16u * index, desc, sizeof(*desc));
}

void driver_desc(struct driver *d, unsigned q, uint16_t index, uint64_t addr,
		 uint32_t len, uint16_t flags, uint16_t next)
{
	const struct vring_desc desc = {
	    .addr = htole64(addr),
	    .len = htole32(len),
	    .flags = htole16(flags),
	    .next = htole16(next),
	};

	put_desc(d->w, d->q[q].desc, index, &desc);
}

void driver_offer(struct driver *d, unsigned q, uint16_t head)
{
	struct driver_queue *dq = &d->q[q];

	mem_put16(d->w, dq->avail + 4 + 2u * (dq->avail_idx % dq->size), head);
	dq->avail_idx++;
	mem_put16(d->w, dq->avail + 2, dq->avail_idx);
}

uint16_t driver_add(struct driver *d, unsigned q, const struct driver_buf *bufs,
		    unsigned n)
{
	struct driver_queue *dq = &d->q[q];
	uint16_t head = dq->next_desc;
	unsigned i;

	for (i = 0; i < n; i++) {
		uint16_t at = (uint16_t)((head + i) % dq->size);
		uint16_t flags = bufs[i].write ? VRING_DESC_F_WRITE : 0;

		if (i + 1 < n)
			flags |= VRING_DESC_F_NEXT;
		driver_desc(d, q, at, bufs[i].addr, bufs[i].len, flags,
			    (uint16_t)((at + 1) % dq->size));
	}
	dq->next_desc = (uint16_t)((head + n) % dq->size);
	driver_offer(d, q, head);
	return head;
}

uint16_t driver_add_indirect(struct driver *d, unsigned q, uint64_t table,
			     const struct driver_buf *bufs, unsigned n)
{
	struct driver_queue *dq = &d->q[q];
	uint16_t head = dq->next_desc;
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct vring_desc desc = {
		    .addr = htole64(bufs[i].addr),
		    .len = htole32(bufs[i].len),
		    .flags = htole16((bufs[i].write ? VRING_DESC_F_WRITE : 0) |
				     (i + 1 < n ? VRING_DESC_F_NEXT : 0)),
		    .next = htole16((uint16_t)(i + 1)),
		};
		put_desc(d->w, table, i, &desc);
	}
	driver_desc(d, q, head, table, 16 * n, VRING_DESC_F_INDIRECT, 0);
	dq->next_desc = (uint16_t)((head + 1) % dq->size);
	driver_offer(d, q, head);
	return head;
}

void driver_kick(struct driver *d, unsigned q)
{
	uint64_t at = d->bar + d->notify + q * d->notify_multiplier;
	unsigned i;

	/* What the kernel does for a registered address. */
	for (i = 0; i < WORLD_DOORBELLS; i++) {
		if (d->w->doorbell[i].addr != at)
			continue;
		must(eventfd_write(d->w->doorbell[i].fd, 1) == 0, "doorbell");
		return;
	}
	(void)aspace_write(d->w->mmio, at, 2, q);
}

bool driver_used(struct driver *d, unsigned q, uint32_t *ret_id,
		 uint32_t *ret_len)
{
	struct driver_queue *dq = &d->q[q];
	uint64_t elem = dq->used + 4 + 8u * (dq->used_idx % dq->size);
	uint16_t idx;

	/* The device's thread writes it: loaded as a driver would. */
	must(gmem_load16(d->w->gmem, gpa(dq->used + 2), &idx) == 0, "used");
	if (idx == dq->used_idx)
		return false;
	*ret_id = mem_get32(d->w, elem);
	*ret_len = mem_get32(d->w, elem + 4);
	dq->used_idx++;
	return true;
}
