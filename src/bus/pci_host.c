/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PCI host bridge: who sits where, config mechanism #1 and ECAM.
 *
 * Locking: devices are added before vCPUs run, so the table is read without a
 * lock; the address latch of mechanism #1 is one atomic word, as concurrent
 * users must serialise themselves on hardware too.
 */
#include <string.h>

#include "bus/pci.h"
#include "bus/pci_internal.h"

#define CF8_ENABLE    0x80000000u
#define FUNCS_PER_BUS 256u
#define ECAM_BYTES    (256ull << 20)

struct pci_host {
	struct pci_host_params params;
	/* One table per bus in use, indexed slot << 3 | func. */
	struct pci_dev **bus[256];
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

static struct pci_dev *find_id(struct pci_host *host, unsigned id)
{
	struct pci_addr addr = {
	    .bus = (uint8_t)(id >> 8),
	    .slot = (id >> 3) & 31,
	    .func = id & 7,
	};
	return pci_host_find(host, addr);
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
	struct pci_dev *dev = find_id(host, cf8 >> 8 & 0xffff);

	if (!(cf8 & CF8_ENABLE) || !dev)
		return UINT64_MAX;
	return pci_dev_cfg_read(dev, (cf8 & 0xfc) + (unsigned)off, size);
}

static void cfc_write(void *ctx, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_host *host = ctx;
	uint32_t cf8 = __atomic_load_n(&host->cf8, __ATOMIC_RELAXED);
	struct pci_dev *dev = find_id(host, cf8 >> 8 & 0xffff);

	if ((cf8 & CF8_ENABLE) && dev)
		pci_dev_cfg_write(dev, (cf8 & 0xfc) + (unsigned)off, size,
				  (uint32_t)value);
}

static uint64_t ecam_read(void *ctx, uint64_t off, unsigned size)
{
	struct pci_dev *dev = find_id(ctx, (unsigned)(off >> 12));

	return dev ? pci_dev_cfg_read(dev, off & 0xfff, size) : UINT64_MAX;
}

static void ecam_write(void *ctx, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_dev *dev = find_id(ctx, (unsigned)(off >> 12));

	if (dev)
		pci_dev_cfg_write(dev, off & 0xfff, size, (uint32_t)value);
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

static int destroy_dev(void *ctx UNUSED, struct pci_dev *dev)
{
	pci_bars_unmap(dev);
	if (dev->ops->destroy)
		dev->ops->destroy(dev);
	return 0;
}

void pci_host_set_cf9(struct pci_host *host, const struct aspace_region *region)
{
	host->cf9 = region;
}

void pci_host_destroy(struct pci_host *host)
{
	unsigned i;

	if (!host)
		return;
	(void)pci_host_for_each(host, destroy_dev, NULL);
	for (i = 0; i < ARRAY_LEN(host->bus); i++)
		free(host->bus[i]);
	aspace_remove(host->params.pio, &host->cf8_region);
	aspace_remove(host->params.pio, &host->cfc_region);
	aspace_remove(host->params.mmio, &host->ecam_region);
	free(host);
}

int pci_host_add(struct pci_host *host, struct pci_dev *dev, struct err *err)
{
	struct pci_addr a = dev->addr;
	struct pci_dev ***table = &host->bus[a.bus];

	if (a.slot > 31 || a.func > 7)
		return err_set(err, -EINVAL, "pci slot %u:%u:%u: no such slot",
			       a.bus, a.slot, a.func);
	if (!*table)
		*table = calloc(FUNCS_PER_BUS, sizeof(**table));
	if (!*table)
		return err_set(err, -ENOMEM, "pci: out of memory");
	if (pci_host_find(host, a))
		return err_set(err, -EEXIST,
			       "pci slot %u:%u:%u already occupied!", a.bus,
			       a.slot, a.func);
	dev->host = host;
	(*table)[a.slot << 3 | a.func] = dev;
	return 0;
}

int pci_host_for_each(struct pci_host *host, pci_dev_fn *fn, void *ctx)
{
	unsigned bus, i;
	int r;

	for (bus = 0; bus < ARRAY_LEN(host->bus); bus++) {
		for (i = 0; host->bus[bus] && i < FUNCS_PER_BUS; i++) {
			struct pci_dev *dev = host->bus[bus][i];

			r = dev ? fn(ctx, dev) : 0;
			if (r)
				return r;
		}
	}
	return 0;
}

static int finish_dev(void *ctx, struct pci_dev *dev)
{
	struct pci_dev *zero;
	struct err *err = ctx;

	if (dev->addr.func == 0)
		return 0;
	zero = find_id(dev->host, (unsigned)dev->addr.bus << 8 |
				      (unsigned)dev->addr.slot << 3);
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
