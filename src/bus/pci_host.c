/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PCI host bridge: who sits where, config mechanism #1 and ECAM.
 *
 * Locking: root buses are filled before vCPUs run; what is behind a bridge may
 * come and go. `tree` is held for reading from looking a function up to the end
 * of the access, so that none vanishes under it. The address latch of mechanism
 * #1 is one atomic word, as concurrent users must serialise themselves on
 * hardware too.
 */
#include <string.h>

#include "bus/pci.h"
#include "bus/pci_internal.h"

#define CF8_ENABLE    0x80000000u
#define FUNCS_PER_BUS 256u
#define BRIDGE_FUNCS  8u
#define ECAM_BYTES    (256ull << 20)

struct pci_host {
	struct pci_host_params params;
	/* One table per bus in use, indexed slot << 3 | func. */
	struct pci_dev **bus[256];
	pthread_rwlock_t tree;
	struct pci_dev *bridge[FUNCS_PER_BUS]; /* on root buses */
	unsigned bridges;
	struct pci_windows windows[256];
	uint32_t cf8;
	unsigned room;			 /* atomic: counts BARs that left */
	const struct aspace_region *cf9; /* the reset register, or NULL */
	struct aspace_region cf8_region, cfc_region, ecam_region;
};

struct aspace *pci_host_pio(struct pci_host *host)
{
	return host->params.pio;
}

struct aspace *pci_host_mmio(struct pci_host *host)
{
	return host->params.mmio;
}

struct irq_ctl *pci_host_irq(struct pci_host *host)
{
	return host->params.irq;
}

struct irq_shared *pci_host_lines(struct pci_host *host)
{
	return host->params.lines;
}

unsigned pci_host_room(struct pci_host *host)
{
	return __atomic_load_n(&host->room, __ATOMIC_ACQUIRE);
}

void pci_host_room_made(struct pci_host *host)
{
	__atomic_fetch_add(&host->room, 1, __ATOMIC_ACQ_REL);
}

struct pci_windows *pci_host_windows(struct pci_host *host, uint8_t bus)
{
	return &host->windows[bus];
}

struct pci_windows pci_host_bus_windows(struct pci_host *host, uint8_t bus)
{
	return host->windows[bus];
}

bool pci_host_bus_used(struct pci_host *host, uint8_t bus)
{
	return host->bus[bus] != NULL;
}

struct pci_dev *pci_host_find(struct pci_host *host, struct pci_addr addr)
{
	struct pci_dev **table = host->bus[addr.bus];

	return table ? table[(addr.slot & 31) << 3 | (addr.func & 7)] : NULL;
}

/*
 * Who answers for a bus, device, function number; `tree` held. The guest may
 * write any numbers into bridges: a root bus keeps its own, then the first
 * bridge that claims the number has it.
 */
static struct pci_dev *find_id(struct pci_host *host, unsigned id)
{
	uint8_t bus = (uint8_t)(id >> 8);
	unsigned i;

	if (host->bus[bus])
		return host->bus[bus][id & 0xff];
	for (i = 0; i < host->bridges; i++)
		if (pci_bridge_routes(host->bridge[i], bus))
			return (id & 0xff) < BRIDGE_FUNCS
				   ? pci_bridge_target(host->bridge[i], id & 7)
				   : NULL;
	return NULL;
}

static uint32_t id_read(struct pci_host *host, unsigned id, unsigned off,
			unsigned size)
{
	uint32_t v = UINT32_MAX;
	struct pci_dev *dev;

	pthread_rwlock_rdlock(&host->tree);
	dev = find_id(host, id);
	if (dev)
		v = pci_dev_cfg_read(dev, off, size);
	pthread_rwlock_unlock(&host->tree);
	return v;
}

static void id_write(struct pci_host *host, unsigned id, unsigned off,
		     unsigned size, uint32_t value)
{
	struct pci_dev *dev;

	pthread_rwlock_rdlock(&host->tree);
	dev = find_id(host, id);
	if (dev)
		pci_dev_cfg_write(dev, off, size, value);
	pthread_rwlock_unlock(&host->tree);
}

static uint64_t cf9_read(const struct aspace_region *cf9)
{
	uint64_t v;

	pthread_mutex_lock(cf9->lock);
	v = cf9->read(cf9->ctx, 0, 1);
	pthread_mutex_unlock(cf9->lock);
	return v;
}

static void cf9_write(const struct aspace_region *cf9, uint64_t value)
{
	pthread_mutex_lock(cf9->lock);
	cf9->write(cf9->ctx, 0, 1, value);
	pthread_mutex_unlock(cf9->lock);
}

static uint64_t cf8_read(void *ctx, uint64_t off, unsigned size)
{
	struct pci_host *host = ctx;

	if (size == 1 && off == 1 && host->cf9)
		return cf9_read(host->cf9);
	if (size != 4)
		return UINT64_MAX;
	return __atomic_load_n(&host->cf8, __ATOMIC_RELAXED);
}

static void cf8_write(void *ctx, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_host *host = ctx;

	if (size == 1 && off == 1 && host->cf9)
		cf9_write(host->cf9, value);
	if (size == 4)
		__atomic_store_n(&host->cf8, (uint32_t)value, __ATOMIC_RELAXED);
}

static uint64_t cfc_read(void *ctx, uint64_t off, unsigned size)
{
	struct pci_host *host = ctx;
	uint32_t cf8 = __atomic_load_n(&host->cf8, __ATOMIC_RELAXED);

	if (!(cf8 & CF8_ENABLE))
		return UINT64_MAX;
	return id_read(host, cf8 >> 8 & 0xffff, (cf8 & 0xfc) + (unsigned)off,
		       size);
}

static void cfc_write(void *ctx, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_host *host = ctx;
	uint32_t cf8 = __atomic_load_n(&host->cf8, __ATOMIC_RELAXED);

	if (cf8 & CF8_ENABLE)
		id_write(host, cf8 >> 8 & 0xffff, (cf8 & 0xfc) + (unsigned)off,
			 size, (uint32_t)value);
}

static uint64_t ecam_read(void *ctx, uint64_t off, unsigned size)
{
	return id_read(ctx, (unsigned)(off >> 12), off & 0xfff, size);
}

static void ecam_write(void *ctx, uint64_t off, unsigned size, uint64_t value)
{
	id_write(ctx, (unsigned)(off >> 12), off & 0xfff, size,
		 (uint32_t)value);
}

static int claim_regions(struct pci_host *host, struct err *err)
{
	const struct pci_host_params *p = &host->params;
	int r;

	host->cf8_region = (struct aspace_region){.name = "pci config address",
						  .size = 4,
						  .read = cf8_read,
						  .write = cf8_write,
						  .ctx = host,
						  .min_size = 1,
						  .max_size = 4};
	host->cfc_region = (struct aspace_region){.name = "pci config data",
						  .size = 4,
						  .read = cfc_read,
						  .write = cfc_write,
						  .ctx = host,
						  .min_size = 1,
						  .max_size = 4};
	host->ecam_region = (struct aspace_region){.name = "pci ecam",
						   .size = ECAM_BYTES,
						   .read = ecam_read,
						   .write = ecam_write,
						   .ctx = host,
						   .min_size = 1,
						   .max_size = 4};
	r = aspace_add(p->pio, &host->cf8_region, 0xcf8, err);
	if (!r)
		r = aspace_add(p->pio, &host->cfc_region, 0xcfc, err);
	if (!r && p->ecam_base)
		r = aspace_add(p->mmio, &host->ecam_region, p->ecam_base, err);
	return r;
}

int pci_host_create(const struct pci_host_params *params, struct err *err,
		    struct pci_host **ret_host)
{
	struct pci_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return err_set(err, -ENOMEM, "pci: out of memory");
	host->params = *params;
	pthread_rwlock_init(&host->tree, NULL);
	r = claim_regions(host, err);
	if (r) {
		pci_host_destroy(host);
		return r;
	}
	*ret_host = host;
	return 0;
}

int pci_host_move_ecam(struct pci_host *host, uint64_t base, struct err *err)
{
	int r = 0;

	aspace_remove(host->params.mmio, &host->ecam_region);
	if (base)
		r = aspace_add(host->params.mmio, &host->ecam_region, base,
			       err);
	__atomic_store_n(&host->params.ecam_base, r ? 0 : base,
			 __ATOMIC_RELEASE);
	return r;
}

uint64_t pci_host_ecam(const struct pci_host *host)
{
	return __atomic_load_n(&host->params.ecam_base, __ATOMIC_ACQUIRE);
}

static void destroy_dev(struct pci_dev *dev)
{
	pci_bars_unmap(dev);
	if (dev->ops->destroy)
		dev->ops->destroy(dev);
}

/* What is behind a bridge goes before it. */
static void destroy_tree(struct pci_dev *dev)
{
	struct pci_dev *child;
	unsigned func;

	for (func = 0; dev->bridge && func < BRIDGE_FUNCS; func++) {
		child = pci_bridge_child(dev, func);
		pci_bridge_set_child(dev, func, NULL);
		if (child)
			destroy_dev(child);
	}
	destroy_dev(dev);
}

void pci_host_set_cf9(struct pci_host *host, const struct aspace_region *region)
{
	host->cf9 = region;
}

void pci_host_destroy(struct pci_host *host)
{
	unsigned bus, i;

	if (!host)
		return;
	for (bus = 0; bus < ARRAY_LEN(host->bus); bus++)
		for (i = 0; host->bus[bus] && i < FUNCS_PER_BUS; i++)
			if (host->bus[bus][i])
				destroy_tree(host->bus[bus][i]);
	for (bus = 0; bus < ARRAY_LEN(host->bus); bus++)
		free(host->bus[bus]);
	aspace_remove(host->params.pio, &host->cf8_region);
	aspace_remove(host->params.pio, &host->cfc_region);
	aspace_remove(host->params.mmio, &host->ecam_region);
	pthread_rwlock_destroy(&host->tree);
	free(host);
}

static int occupied(struct pci_addr a, struct err *err)
{
	return err_set(err, -EEXIST, "pci slot %u:%u:%u already occupied!",
		       a.bus, a.slot, a.func);
}

static int add_behind(struct pci_host *host, struct pci_dev *dev,
		      struct err *err)
{
	int r = 0;

	pthread_rwlock_wrlock(&host->tree);
	if (pci_bridge_child(dev->upstream, dev->addr.func))
		r = occupied(dev->addr, err);
	else
		pci_bridge_set_child(dev->upstream, dev->addr.func, dev);
	pthread_rwlock_unlock(&host->tree);
	return r;
}

int pci_host_add(struct pci_host *host, struct pci_dev *dev, struct err *err)
{
	struct pci_addr a = dev->addr;
	struct pci_dev ***table = &host->bus[a.bus];

	if (a.slot > 31 || a.func > 7)
		return err_set(err, -EINVAL, "pci slot %u:%u:%u: no such slot",
			       a.bus, a.slot, a.func);
	dev->host = host;
	if (dev->upstream)
		return add_behind(host, dev, err);
	if (!*table)
		*table = calloc(FUNCS_PER_BUS, sizeof(**table));
	if (!*table)
		return err_set(err, -ENOMEM, "pci: out of memory");
	if (pci_host_find(host, a))
		return occupied(a, err);
	if (dev->bridge && host->bridges == ARRAY_LEN(host->bridge))
		return err_set(err, -ENOSPC, "%s: more than %u bridges",
			       dev->name, FUNCS_PER_BUS);
	if (dev->bridge)
		host->bridge[host->bridges++] = dev;
	(*table)[a.slot << 3 | a.func] = dev;
	return 0;
}

void pci_host_remove(struct pci_host *host, struct pci_dev *dev)
{
	pthread_rwlock_wrlock(&host->tree);
	pci_bridge_set_child(dev->upstream, dev->addr.func, NULL);
	pthread_rwlock_unlock(&host->tree);
	pci_bars_unmap(dev);
}

static int walk_tree(struct pci_dev *dev, pci_dev_fn *fn, void *ctx)
{
	int r = fn(ctx, dev);
	unsigned func;

	for (func = 0; dev->bridge && func < BRIDGE_FUNCS && !r; func++) {
		struct pci_dev *child = pci_bridge_child(dev, func);

		if (child)
			r = fn(ctx, child);
	}
	return r;
}

int pci_host_walk(struct pci_host *host, pci_dev_fn *fn, void *ctx)
{
	unsigned bus, i;
	int r = 0;

	for (bus = 0; bus < ARRAY_LEN(host->bus) && !r; bus++)
		for (i = 0; host->bus[bus] && i < FUNCS_PER_BUS && !r; i++)
			if (host->bus[bus][i])
				r = walk_tree(host->bus[bus][i], fn, ctx);
	return r;
}

int pci_host_for_each(struct pci_host *host, pci_dev_fn *fn, void *ctx)
{
	int r;

	pthread_rwlock_rdlock(&host->tree);
	r = pci_host_walk(host, fn, ctx);
	pthread_rwlock_unlock(&host->tree);
	return r;
}

static bool has_bridge(const struct pci_host *host, uint8_t bus)
{
	unsigned i;

	for (i = 0; i < host->bridges; i++)
		if (host->bridge[i]->addr.bus == bus)
			return true;
	return false;
}

uint8_t pci_host_bus_last(struct pci_host *host, uint8_t bus)
{
	uint8_t last = bus;

	if (!has_bridge(host, bus))
		return bus;
	while (last < UINT8_MAX && !host->bus[last + 1])
		last++;
	return last;
}

static struct pci_dev *function_zero(const struct pci_dev *dev)
{
	struct pci_addr addr = dev->addr;

	addr.func = 0;
	return dev->upstream ? pci_bridge_child(dev->upstream, 0)
			     : pci_host_find(dev->host, addr);
}

static int finish_dev(void *ctx, struct pci_dev *dev)
{
	struct pci_dev *zero;
	struct err *err = ctx;

	if (dev->addr.func == 0)
		return 0;
	zero = function_zero(dev);
	if (!zero)
		return err_set(
		    err, -EINVAL,
		    "pci slot %u:%u has function %u but no function 0: a guest"
		    " would not look for it; put a device at %u:%u:0",
		    dev->addr.bus, dev->addr.slot, dev->addr.func,
		    dev->addr.bus, dev->addr.slot);
	zero->cfg[PCI_HEADER_TYPE] |= 0x80;
	dev->cfg[PCI_HEADER_TYPE] |= 0x80;
	return 0;
}

int pci_host_finish(struct pci_host *host, struct err *err)
{
	return pci_host_for_each(host, finish_dev, err);
}
