/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address plan: every BAR gets a naturally aligned place in a window.
 *
 * Each root bus gets its own piece of the windows, because firmware tables
 * describe them per root bus: the extra buses take what they need from the
 * bottom, bus 0 keeps the rest, so that a guest can move BARs around there.
 * Sizes are powers of two, so placing the largest first wastes nothing.
 *
 * What is behind a bridge lies in the bridge's windows, which are placed among
 * the BARs of the bus like BARs of their own: each as large as what is in it
 * and what is kept free for functions to come, and aligned to its largest BAR.
 */
#include <string.h>

#include "bus/pci.h"
#include "bus/pci_internal.h"

static const char *const window_name[PCI_WIN_KINDS] = {
    "I/O port window", "32-bit memory window", "64-bit memory window"};

/* A root bus's piece of a window is cut to these units. */
static const uint64_t window_unit[PCI_WIN_KINDS] = {0x1000, MIB(1), MIB(1)};

#define INDEX_WINDOW UINT32_MAX /* not a BAR but a bridge's window */

struct slot_bar {
	struct pci_dev *dev;
	unsigned index;
	unsigned window;
	uint64_t size, align;
};

struct bar_list {
	struct slot_bar *bars;
	size_t count, room;
};

static unsigned window_of(const struct pci_dev *dev, const struct pci_bar *bar)
{
	if (bar->kind == PCI_BAR_IO)
		return PCI_WIN_IO;
	/* A bridge's window above 4 GiB is for prefetchable BARs. */
	if (bar->kind == PCI_BAR_MEM64 &&
	    (bar->prefetch || (!dev->upstream && bar->size > PCI_LOW_BAR_MAX)))
		return PCI_WIN_MEM64;
	return PCI_WIN_MEM32;
}

/* Pages are not shared: a guest may map one to a process. */
static uint64_t bar_room(const struct pci_bar *bar)
{
	return bar->kind == PCI_BAR_IO ? bar->size
				       : MAX(bar->size, (uint64_t)4096);
}

/* What the first `bars` BARs of each function behind a bridge take. */
static uint64_t children_size(const struct pci_dev *bridge, unsigned kind,
			      unsigned bars, uint64_t *ret_align)
{
	uint64_t sum = 0, align = window_unit[kind];
	unsigned func, i;

	for (func = 0; func < 8; func++) {
		const struct pci_dev *dev = pci_bridge_child(bridge, func);

		for (i = 0; dev && i < bars; i++) {
			const struct pci_bar *bar = &dev->bar[i];

			if (bar->kind == PCI_BAR_NONE ||
			    window_of(dev, bar) != kind)
				continue;
			sum += bar_room(bar);
			align = MAX(align, bar_room(bar));
		}
	}
	*ret_align = align;
	return sum;
}

static uint64_t kept_free(const struct pci_dev *bridge, unsigned kind)
{
	const struct pci_windows *room = pci_bridge_room(bridge);
	const uint64_t size[PCI_WIN_KINDS] = {room->io.size, room->mem32.size,
					      room->mem64.size};

	return size[kind];
}

/*
 * Size and alignment of a bridge's window; size 0: it needs none. What is kept
 * free is aligned for one BAR that takes most of it.
 */
static uint64_t window_size(const struct pci_dev *bridge, unsigned kind,
			    uint64_t *ret_align)
{
	uint64_t sum, least = kept_free(bridge, kind);

	sum = children_size(bridge, kind, PCI_BAR_ROM + 1, ret_align);
	while (*ret_align <= least / 2)
		*ret_align *= 2;
	return align_up(MAX(sum, least), *ret_align);
}

static int list_add(struct bar_list *list, struct slot_bar bar)
{
	if (list->count == list->room) {
		size_t room = list->room + 64;
		struct slot_bar *grown =
		    reallocarray(list->bars, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->bars = grown;
		list->room = room;
	}
	list->bars[list->count++] = bar;
	return 0;
}

static int collect_windows(struct bar_list *list, struct pci_dev *bridge)
{
	struct slot_bar window = {.dev = bridge, .index = INDEX_WINDOW};
	int r = 0;

	for (; window.window < PCI_WIN_KINDS && !r; window.window++) {
		window.size = window_size(bridge, window.window, &window.align);
		pci_bridge_place(bridge, window.window, 0, 0);
		if (window.size)
			r = list_add(list, window);
	}
	return r;
}

static int collect(void *ctx, struct pci_dev *dev)
{
	struct bar_list *list = ctx;
	unsigned i;
	int r = 0;

	if (dev->bridge)
		return collect_windows(list, dev);
	for (i = 0; i <= PCI_BAR_ROM && !r; i++) {
		const struct pci_bar *bar = &dev->bar[i];

		if (bar->kind != PCI_BAR_NONE)
			r = list_add(list, (struct slot_bar){
					       .dev = dev,
					       .index = i,
					       .window = window_of(dev, bar),
					       .size = bar_room(bar),
					       .align = bar_room(bar),
					   });
	}
	return r;
}

static int by_size(const void *a, const void *b)
{
	const struct slot_bar *x = a, *y = b;

	if (x->align != y->align)
		return x->align < y->align ? 1 : -1;
	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	if (x->dev != y->dev)
		return memcmp(&x->dev->addr, &y->dev->addr,
			      sizeof(x->dev->addr));
	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return (int)x->window - (int)y->window;
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

int pci_bridge_fits(const struct pci_dev *bridge, struct err *err)
{
	static const struct {
		unsigned kind;
		const char *where, *option;
	} windows[] = {
	    {PCI_WIN_MEM32, "below 4 GiB", "mem32"},
	    {PCI_WIN_MEM64, "of 64 bits", "mem64"},
	};
	char needed[32], kept[32];
	uint64_t need, have, align;
	size_t i;

	for (i = 0; i < ARRAY_LEN(windows); i++) {
		unsigned kind = windows[i].kind;

		need = children_size(bridge, kind, PCI_BAR_ROM, &align);
		need = align_up(need, window_unit[kind]);
		have = MAX(kept_free(bridge, kind),
			   pci_bridge_window(bridge, kind));
		if (need <= have)
			continue;
		format_size(needed, sizeof(needed), need);
		format_size(kept, sizeof(kept), have);
		return err_set(err, -ENOSPC,
			       "needs %s of memory addresses %s, the slot has"
			       " %s; %s=SIZE of pcie-port keeps more free,"
			       " from the guest's next start on",
			       needed, windows[i].where, kept,
			       windows[i].option);
	}
	return 0;
}

static int no_room(const struct slot_bar *bar, const struct pci_window *win,
		   struct err *err)
{
	char need[32], have[32];

	format_size(need, sizeof(need), bar->size);
	format_size(have, sizeof(have), win->size);
	if (bar->index == INDEX_WINDOW)
		return err_set(err, -ENOSPC,
			       "pci slot %s: a window of %s for what is behind"
			       " it does not fit into the %s (0x%llx, %s) with"
			       " the other devices",
			       bar->dev->name, need, window_name[bar->window],
			       (unsigned long long)win->base, have);
	return err_set(err, -ENOSPC,
		       "pci slot %s: BAR %u of %s does not fit into the %s"
		       " (0x%llx, %s) with the other devices",
		       bar->dev->name, bar->index, need,
		       window_name[bar->window], (unsigned long long)win->base,
		       have);
}

/* The window was made for them: they fit. */
static void assign_children(const struct bar_list *list,
			    const struct slot_bar *window, uint64_t base)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		const struct slot_bar *bar = &list->bars[i];

		if (bar->dev->upstream != window->dev ||
		    bar->window != window->window)
			continue;
		base = align_up(base, bar->align);
		pci_bar_place(bar->dev, bar->index, base);
		base += bar->size;
	}
}

/* Places one bus's BARs from *cursor of each window on. */
static int assign_bus(struct bar_list *list, uint8_t bus,
		      const struct pci_window win[PCI_WIN_KINDS],
		      uint64_t cursor[PCI_WIN_KINDS], struct err *err)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		struct slot_bar *bar = &list->bars[i];
		uint64_t *at = &cursor[bar->window];
		const struct pci_window *w = &win[bar->window];
		uint64_t base;

		if (bar->dev->addr.bus != bus || bar->dev->upstream)
			continue;
		base = align_up(*at, bar->align);
		if (base < *at ||
		    !range_inside(base, bar->size, w->base, w->size))
			return no_room(bar, w, err);
		if (bar->index == INDEX_WINDOW) {
			pci_bridge_place(bar->dev, bar->window, base,
					 bar->size);
			assign_children(list, bar, base);
		} else {
			pci_bar_place(bar->dev, bar->index, base);
		}
		*at = base + bar->size;
	}
	return 0;
}

/* Secondary buses are numbered on from their root bus. */
struct numbering {
	uint8_t next[256];
	struct err *err;
};

static int number(void *ctx, struct pci_dev *dev)
{
	struct numbering *n = ctx;
	uint8_t root = dev->addr.bus;

	if (!dev->bridge)
		return 0;
	if (n->next[root] == pci_host_bus_last(dev->host, root) - root)
		return err_set(
		    n->err, -ENOSPC,
		    "pci slot %s: no bus number is left for what is"
		    " behind it: the next root bus follows; put it on"
		    " another bus",
		    dev->name);
	n->next[root]++;
	pci_bridge_number(dev, root, (uint8_t)(root + n->next[root]));
	return 0;
}

static void set_bus_windows(struct pci_host *host, uint8_t bus,
			    const uint64_t start[PCI_WIN_KINDS],
			    const uint64_t end[PCI_WIN_KINDS])
{
	struct pci_window w[PCI_WIN_KINDS];
	unsigned k;

	for (k = 0; k < PCI_WIN_KINDS; k++)
		w[k] = (struct pci_window){start[k], end[k] - start[k]};
	*pci_host_windows(host, bus) =
	    (struct pci_windows){.io = w[PCI_WIN_IO],
				 .mem32 = w[PCI_WIN_MEM32],
				 .mem64 = w[PCI_WIN_MEM64]};
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
	if (dev->bridge)
		pci_bridge_sync(dev);
	pci_bars_sync(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int assign_all(struct pci_host *host, struct bar_list *list,
		      const struct pci_window win[PCI_WIN_KINDS],
		      struct err *err)
{
	uint64_t start[PCI_WIN_KINDS], cursor[PCI_WIN_KINDS],
	    end[PCI_WIN_KINDS];
	unsigned bus, k;
	int r;

	for (k = 0; k < PCI_WIN_KINDS; k++)
		cursor[k] = win[k].base;
	for (bus = 255; bus > 0; bus--) {
		if (!pci_host_bus_used(host, (uint8_t)bus))
			continue;
		memcpy(start, cursor, sizeof(start));
		r = assign_bus(list, (uint8_t)bus, win, cursor, err);
		if (r)
			return r;
		for (k = 0; k < PCI_WIN_KINDS; k++)
			cursor[k] = align_up(cursor[k], window_unit[k]);
		set_bus_windows(host, (uint8_t)bus, start, cursor);
	}
	memcpy(start, cursor, sizeof(start));
	for (k = 0; k < PCI_WIN_KINDS; k++)
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
	const struct pci_window win[PCI_WIN_KINDS] = {
	    windows->io, windows->mem32, windows->mem64};
	struct numbering numbering = {.err = err};
	struct bar_list list = {0};
	int r;

	r = pci_host_for_each(host, number, &numbering);
	if (r)
		return r;
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
	uint64_t align;
	unsigned i;

	if (dev->bridge) {
		need->size += window_size(dev, PCI_WIN_MEM64, &align);
		need->align = MAX(need->align, align);
	}
	for (i = 0; i < PCI_BARS && !dev->upstream; i++) {
		const struct pci_bar *bar = &dev->bar[i];

		if (bar->kind == PCI_BAR_NONE ||
		    window_of(dev, bar) != PCI_WIN_MEM64)
			continue;
		need->size += bar->size;
		need->align = MAX(need->align, bar->size);
	}
	return 0;
}

void pci_host_mem64_need(struct pci_host *host, uint64_t *ret_size,
			 uint64_t *ret_align)
{
	struct need need = {0, window_unit[PCI_WIN_MEM64]};

	(void)pci_host_for_each(host, add_need, &need);
	*ret_size = need.size;
	*ret_align = need.align;
}
