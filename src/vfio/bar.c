/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BARs of a passed-through device: memory of the device shown straight to the
 * guest, the rest trapped and forwarded.
 *
 * Theory of operation. The BAR registers themselves are the PCI core's. For
 * each memory BAR the parts that VFIO lets us map, less the pages with the
 * MSI-X table and PBA or config space (mirror.c), are mapped into this process
 * once, when the device is opened. When the guest decodes the BAR, each part
 * becomes a memory slot at the guest's address; the guest then reads and writes
 * the device without an exit. Everything else, including I/O ports, arrives at
 * vfio_bar_read() and vfio_bar_write() and is forwarded by pread and pwrite.
 *
 * A BAR must not stay in a memory slot while the device does not decode it
 * (COMMAND.MEMORY off, not in D0): the kernel has then no page for it and the
 * vCPU that touches it stops with a fault. So slots vanish before the device
 * stops decoding and appear after it has started to.
 *
 * The host address of a window is congruent to the BAR's own address modulo
 * 2 MiB (1 GiB for BARs that large): Linux 6.12 and later then use huge pages
 * for it, and a 16 GiB BAR takes 16 faults instead of 4 million. Before 6.12
 * the first touch of a mapping enters every page of it into the page tables,
 * minutes for a BAR of 64 GiB with the vCPU stuck in the kernel meanwhile. So a
 * window is mapped in pieces of 1 GiB, each of which is entered when it is
 * first touched; a memory slot may span many. (ADR 14)
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

#define MAP_PIECE GIB(1)

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* ---- windows ---- */

/* This window cannot be mapped: its accesses are trapped. */
static void window_drop(struct vfio_region *region, unsigned i)
{
	region->windows--;
	memmove(&region->window[i], &region->window[i + 1],
		(region->windows - i) * sizeof(region->window[0]));
}

/* Cuts [off, end) out of every window of the region. */
static void window_cut(struct vfio_region *region, uint64_t off, uint64_t end)
{
	struct vfio_window kept[2 * VFIO_WINDOWS_MAX];
	unsigned i, n = 0;

	for (i = 0; i < region->windows; i++) {
		struct vfio_window w = region->window[i];
		uint64_t w_end = w.off + w.size;

		if (w.off < off && w.off < w_end) {
			kept[n] = w;
			kept[n].size = MIN(w_end, off) - w.off;
			n++;
		}
		if (w_end > end) {
			kept[n] = w;
			kept[n].off = MAX(w.off, end);
			kept[n].size = w_end - kept[n].off;
			n++;
		}
	}
	/* Windows beyond the limit are trapped instead: slower, not wrong. */
	region->windows = MIN(n, VFIO_WINDOWS_MAX);
	memcpy(region->window, kept, region->windows * sizeof(kept[0]));
}

static void exclude(struct vfio_device *d, unsigned bar, uint64_t off,
		    uint64_t size)
{
	if (bar < PCI_BARS)
		window_cut(&d->region[bar], align_down(off, VFIO_PAGE),
			   align_up(off + size, VFIO_PAGE));
}

static void exclude_msix(struct vfio_device *d)
{
	struct vfio_msix_place place;

	if (vfio_config_msix_place(d, &place))
		return;
	exclude(d, place.table_bar, place.table_off,
		place.vectors * PCI_MSIX_ENTRY_SIZE);
	exclude(d, place.pba_bar, place.pba_off,
		align_up(place.vectors, 64) / 8);
}

static uint64_t map_alignment(uint64_t size)
{
	if (size >= GIB(1))
		return GIB(1);
	return size >= MIB(2) ? MIB(2) : VFIO_PAGE;
}

/* Address space for the whole BAR, so that windows keep their distances. */
static int bar_reserve(struct vfio_device *d, unsigned index, struct err *err)
{
	struct vfio_bar *bar = &d->bar[index];
	uint64_t size = d->pci.bar[index].size;
	uint64_t align = map_alignment(size);
	void *p;

	p = mmap(NULL, size + align, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return err_sys(err, -errno,
			       "%s: no address space for BAR %u (%" PRIu64
			       " MiB)",
			       vfio_name(d), index, size >> 20);
	bar->reserved = p;
	bar->reserved_len = size + align;
	bar->host = (uint8_t *)(uintptr_t)align_up((uintptr_t)p, align);
	return 0;
}

static int window_map(const struct vfio_device *d, unsigned index,
		      const struct vfio_window *w)
{
	const struct vfio_ops *ops = d->ops;
	uint64_t off = w->off, end = w->off + w->size;
	int r = 0;

	while (off < end && !r) {
		uint64_t next =
		    MIN(align_down(off, MAP_PIECE) + MAP_PIECE, end);

		r = ops->mmap_at(ops->ctx, d->bar[index].host + off, next - off,
				 d->fd, d->region[index].offset + off);
		off = next;
	}
	return r;
}

static int windows_map(struct vfio_device *d, unsigned index, struct err *err)
{
	struct vfio_region *region = &d->region[index];
	unsigned i = 0;
	int r;

	if (!region->windows)
		return 0;
	r = bar_reserve(d, index, err);
	while (i < region->windows && !r) {
		r = window_map(d, index, &region->window[i]);
		if (r == -ENXIO && d->user) {
			window_drop(region, i);
			r = 0;
			continue;
		}
		i++;
		if (r)
			err_sys(
			    err, r,
			    "%s: BAR %u cannot be mapped (the host's console"
			    " may hold it: look for %s in /proc/iomem)",
			    vfio_name(d), index, vfio_name(d));
	}
	return r;
}

/* ---- registers ---- */

/*
 * VFIO shows such a BAR as if there were none. A memory BAR without an address
 * was refused before (hostpci_answers()); a guest can live without I/O ports.
 */
static void bar_unassigned(const struct vfio_device *d, unsigned index)
{
	log_warn("%s: BAR %u (I/O ports) has no address on the host; the guest"
		 " does not see it",
		 vfio_name(d), index);
}

/* Adds one BAR; *ret_wide says that it takes the next index too. */
static int bar_add(struct vfio_device *d, unsigned index, struct err *err,
		   bool *ret_wide)
{
	const struct vfio_region *region = &d->region[index];
	enum pci_bar_kind kind = PCI_BAR_MEM32;
	uint64_t size = region->size;
	uint32_t reg;
	int r;

	*ret_wide = false;
	if (!size)
		return 0;
	r = vfio_config_read(d, PCI_BASE_ADDRESS_0 + 4 * index, 4, &reg);
	if (r)
		return err_sys(err, r, "%s: BAR %u", vfio_name(d), index);
	if (d->host.bar[index].size && !d->host.bar[index].start) {
		bar_unassigned(d, index);
		return 0;
	}
	if (reg & PCI_BASE_ADDRESS_SPACE_IO)
		kind = PCI_BAR_IO;
	else if ((reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
		 PCI_BASE_ADDRESS_MEM_TYPE_64)
		kind = PCI_BAR_MEM64;
	*ret_wide = kind == PCI_BAR_MEM64;
	/* A small BAR that has its page for itself gets the whole page. */
	if (region->windows)
		size = MAX(size, (uint64_t)VFIO_PAGE);
	r = pci_add_bar(&d->pci, index, kind, size,
			kind != PCI_BAR_IO &&
			    (reg & PCI_BASE_ADDRESS_MEM_PREFETCH));
	if (r)
		return err_set(
		    err, r,
		    "%s: BAR %u is malformed (register 0x%x, size 0x%" PRIx64
		    ")",
		    vfio_name(d), index, reg, size);
	return windows_map(d, index, err);
}

int vfio_bars_create(struct vfio_device *d, struct err *err)
{
	unsigned i;
	bool wide;
	int r;

	exclude_msix(d);
	if (d->mirror.size)
		exclude(d, 0, d->mirror.base, d->mirror.size);
	for (i = 0; i < PCI_BARS; i++) {
		r = bar_add(d, i, err, &wide);
		if (r)
			return r;
		if (wide)
			i++;
	}
	return 0;
}

/* ---- memory slots ---- */

static void bar_hide(struct vfio_device *d, unsigned index)
{
	struct vfio_region *region = &d->region[index];
	struct memmap *memmap = d->env.memmap;
	unsigned i;

	for (i = 0; i < region->windows; i++) {
		if (region->window[i].slot == VFIO_NO_SLOT)
			continue;
		memmap->ops->unmap(memmap->ctx, region->window[i].slot);
		region->window[i].slot = VFIO_NO_SLOT;
	}
}

static void bar_show(struct vfio_device *d, unsigned index)
{
	struct vfio_region *region = &d->region[index];
	struct vfio_bar *bar = &d->bar[index];
	struct memmap *memmap = d->env.memmap;
	unsigned i;
	int r;

	if (!bar->visible || d->asleep)
		return;
	for (i = 0; i < region->windows; i++) {
		struct vfio_window *w = &region->window[i];

		if (w->slot != VFIO_NO_SLOT)
			continue;
		r = memmap->ops->map(memmap->ctx, gpa(bar->base + w->off),
				     w->size, bar->host + w->off, 0, &w->slot);
		if (!r)
			continue;
		/* Trapped instead; the guest chose the address. */
		w->slot = VFIO_NO_SLOT;
		log_guest("%s: BAR %u at 0x%" PRIx64 " is not mapped: %s",
			  vfio_name(d), index, bar->base, strerror(-r));
	}
}

void vfio_bar_moved(struct vfio_device *d, unsigned index, bool on)
{
	struct vfio_bar *bar = &d->bar[index];

	bar_hide(d, index);
	bar->visible = on;
	bar->base = d->pci.bar[index].base;
	if (on)
		bar_show(d, index);
}

void vfio_bars_show(struct vfio_device *d, bool on)
{
	unsigned i;

	for (i = 0; i < PCI_BARS; i++) {
		if (on)
			bar_show(d, i);
		else
			bar_hide(d, i);
	}
}

void vfio_bars_destroy(struct vfio_device *d)
{
	unsigned i;

	vfio_bars_show(d, false);
	for (i = 0; i < PCI_BARS; i++) {
		if (d->bar[i].reserved)
			munmap(d->bar[i].reserved, d->bar[i].reserved_len);
		d->bar[i] = (struct vfio_bar){0};
	}
}

/* ---- trapped accesses ---- */

uint64_t vfio_bar_read(struct pci_dev *dev, unsigned index, uint64_t off,
		       unsigned size)
{
	struct vfio_device *d = vfio_device_of(dev);
	uint64_t value;

	if (index == PCI_BAR_ROM)
		return vfio_rom_read(d, off, size);
	if (vfio_mirror_read(d, index, off, size, &value))
		return value;
	/* A device that sleeps or is gone answers with ones, as on a bus. */
	if (vfio_region_read(d, index, off, size, &value))
		return ones(size);
	return value;
}

void vfio_bar_write(struct pci_dev *dev, unsigned index, uint64_t off,
		    unsigned size, uint64_t value)
{
	struct vfio_device *d = vfio_device_of(dev);

	if (index == PCI_BAR_ROM ||
	    vfio_mirror_write(d, index, off, size, value))
		return;
	if (vfio_region_write(d, index, off, size, value))
		log_debug("%s: BAR %u: write at 0x%" PRIx64 " was lost",
			  vfio_name(d), index, off);
}
