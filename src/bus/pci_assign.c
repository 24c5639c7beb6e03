/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address plan: every BAR gets a naturally aligned place in a window.
 *
 * Each root bus gets its own piece of the windows, because firmware tables
 * describe them per root bus: the extra buses take what they need from the
 * bottom, bus 0 keeps the rest, so that a guest can move BARs around there.
 * Sizes are powers of two, so placing the largest first wastes nothing.
 */
#include <string.h>

#include "bus/pci.h"
#include "bus/pci_internal.h"

enum {
	WIN_IO,
	WIN_MEM32,
	WIN_MEM64,
	WIN_KINDS
};

static const char *const window_name[WIN_KINDS] = {
    "I/O port window", "32-bit memory window", "64-bit memory window"};

/* A root bus's piece of a window is cut to these units. */
static const uint64_t window_unit[WIN_KINDS] = {0x1000, MIB(1), MIB(1)};

struct slot_bar {
	struct pci_dev *dev;
	unsigned index;
	unsigned window;
	uint64_t size;
};

struct bar_list {
	struct slot_bar *bars;
	size_t count, room;
};

static unsigned window_of(const struct pci_bar *bar)
{
	if (bar->kind == PCI_BAR_IO)
		return WIN_IO;
	if (bar->kind == PCI_BAR_MEM64 &&
	    (bar->prefetch || bar->size > PCI_LOW_BAR_MAX))
		return WIN_MEM64;
	return WIN_MEM32;
}

static int collect(void *ctx, struct pci_dev *dev)
{
	struct bar_list *list = ctx;
	unsigned i;

	for (i = 0; i <= PCI_BAR_ROM; i++) {
		const struct pci_bar *bar = &dev->bar[i];

		if (bar->kind == PCI_BAR_NONE)
			continue;
		if (list->count == list->room) {
			size_t room = list->room + 64;
			struct slot_bar *grown =
			    reallocarray(list->bars, room, sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			list->bars = grown;
			list->room = room;
		}
		list->bars[list->count++] = (struct slot_bar){
		    .dev = dev,
		    .index = i,
		    .window = window_of(bar),
		    /* Pages are not shared: a guest may map one to a process.
		     */
		    .size = bar->kind == PCI_BAR_IO
				? bar->size
				: MAX(bar->size, (uint64_t)4096)};
	}
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const struct slot_bar *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	if (x->dev != y->dev)
		return memcmp(&x->dev->addr, &y->dev->addr,
			      sizeof(x->dev->addr));
	return (int)x->index - (int)y->index;
}

static void format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned u = 0;

	while (u < 4 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, size, "%llu %s", (unsigned long long)bytes, unit[u]);
}

static int no_room(const struct slot_bar *bar, const struct pci_window *win,
		   struct err *err)
{
	char need[32], have[32];

	format_size(need, sizeof(need), bar->size);
	format_size(have, sizeof(have), win->size);
	return err_set(err, -ENOSPC,
		       "pci slot %s: BAR %u of %s does not fit into the %s"
		       " (0x%llx, %s) with the other devices",
		       bar->dev->name, bar->index, need,
		       window_name[bar->window], (unsigned long long)win->base,
		       have);
}

/* Places one bus's BARs from *cursor of each window on. */
static int assign_bus(struct bar_list *list, uint8_t bus,
		      const struct pci_window win[WIN_KINDS],
		      uint64_t cursor[WIN_KINDS], struct err *err)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		struct slot_bar *bar = &list->bars[i];
		uint64_t *at = &cursor[bar->window];
		const struct pci_window *w = &win[bar->window];
		uint64_t base;

		if (bar->dev->addr.bus != bus)
			continue;
		base = align_up(*at, bar->size);
		if (base < *at ||
		    !range_inside(base, bar->size, w->base, w->size))
			return no_room(bar, w, err);
		pci_bar_place(bar->dev, bar->index, base);
		*at = base + bar->size;
	}
	return 0;
}

static void set_bus_windows(struct pci_host *host, uint8_t bus,
			    const uint64_t start[WIN_KINDS],
			    const uint64_t end[WIN_KINDS])
{
	struct pci_window w[WIN_KINDS];
	unsigned k;

	for (k = 0; k < WIN_KINDS; k++)
		w[k] = (struct pci_window){start[k], end[k] - start[k]};
	*pci_host_windows(host, bus) = (struct pci_windows){
	    .io = w[WIN_IO], .mem32 = w[WIN_MEM32], .mem64 = w[WIN_MEM64]};
}

static int enable(void *ctx UNUSED, struct pci_dev *dev)
{
	uint16_t old = pci_cfg16(dev, PCI_COMMAND);
	uint16_t bits = (uint16_t)(dev->wmask[PCI_COMMAND] &
				   (PCI_COMMAND_IO | PCI_COMMAND_MEMORY));

	pthread_mutex_lock(&dev->lock);
	pci_set16(dev, PCI_COMMAND, (uint16_t)(old | bits));
	if (bits && dev->ops->command_changed)
		dev->ops->command_changed(dev, old);
	pci_bars_sync(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int assign_all(struct pci_host *host, struct bar_list *list,
		      const struct pci_window win[WIN_KINDS], struct err *err)
{
	uint64_t start[WIN_KINDS], cursor[WIN_KINDS], end[WIN_KINDS];
	unsigned bus, k;
	int r;

	for (k = 0; k < WIN_KINDS; k++)
		cursor[k] = win[k].base;
	for (bus = 255; bus > 0; bus--) {
		if (!pci_host_bus_used(host, (uint8_t)bus))
			continue;
		memcpy(start, cursor, sizeof(start));
		r = assign_bus(list, (uint8_t)bus, win, cursor, err);
		if (r)
			return r;
		for (k = 0; k < WIN_KINDS; k++)
			cursor[k] = align_up(cursor[k], window_unit[k]);
		set_bus_windows(host, (uint8_t)bus, start, cursor);
	}
	memcpy(start, cursor, sizeof(start));
	for (k = 0; k < WIN_KINDS; k++)
		end[k] = MAX(win[k].base + win[k].size, start[k]);
	r = assign_bus(list, 0, win, cursor, err);
	if (r)
		return r;
	set_bus_windows(host, 0, start, end);
	return 0;
}

int pci_host_assign(struct pci_host *host, const struct pci_windows *windows,
		    bool enable_decode, struct err *err)
{
	const struct pci_window win[WIN_KINDS] = {windows->io, windows->mem32,
						  windows->mem64};
	struct bar_list list = {0};
	int r;

	r = pci_host_for_each(host, collect, &list);
	if (r) {
		free(list.bars);
		return err_set(err, r, "pci: out of memory");
	}
	if (list.count)
		qsort(list.bars, list.count, sizeof(list.bars[0]), by_size);
	r = assign_all(host, &list, win, err);
	free(list.bars);
	if (!r && enable_decode)
		r = pci_host_for_each(host, enable, NULL);
	return r;
}

struct need {
	uint64_t size, align;
};

static int add_need(void *ctx, struct pci_dev *dev)
{
	struct need *need = ctx;
	unsigned i;

	for (i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *bar = &dev->bar[i];

		if (bar->kind == PCI_BAR_NONE || window_of(bar) != WIN_MEM64)
			continue;
		need->size += bar->size;
		need->align = MAX(need->align, bar->size);
	}
	return 0;
}

void pci_host_mem64_need(struct pci_host *host, uint64_t *ret_size,
			 uint64_t *ret_align)
{
	struct need need = {0, window_unit[WIN_MEM64]};

	(void)pci_host_for_each(host, add_need, &need);
	*ret_size = need.size;
	*ret_align = need.align;
}
