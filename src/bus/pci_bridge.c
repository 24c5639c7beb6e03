/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bridges: the type 1 header, what it forwards and who is behind it.
 *
 * Theory of operation. The guest writes bus numbers and windows at any time, in
 * any order and with any values, while other vCPUs use them. So what config
 * accesses and BARs ask for is a copy, taken when a register was written: the
 * bus numbers as one atomic word, the windows under a lock that is held for
 * nothing else. A window whose limit lies below its base forwards nothing, as
 * the specification has it; so does an odd range of bus numbers.
 *
 * A BAR behind a bridge is decoded only inside one of its windows. The bridge's
 * bus master bit does not hold back the DMA of a passed-through device behind
 * it: that is the device's own affair, and the IOMMU's.
 *
 * Source: PCI-to-PCI Bridge Architecture 1.2, chapter 3.
 */
#include <string.h>

#include "bus/pci_internal.h"

#define CHILDREN    8u
#define CFG_NUMBERS PCI_PRIMARY_BUS
#define CFG_LAST    (PCI_IO_LIMIT_UPPER16 + 2)
#define WINDOW_MASK 0xfff0u
#define IO_UNIT	    0x1000u
#define IO_MASK	    0xf0u
#define MEM_UNIT    0x100000u
#define SEC_STATUS  0xf9u /* error bits, cleared by writing one */
#define CONTROL_BITS \
	(PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_BUS_RESET)

struct pci_bridge {
	struct pci_dev *child[CHILDREN]; /* Locking: the host's tree */
	struct pci_windows room;
	uint32_t numbers;     /* atomic: secondary, subordinate << 8 */
	bool link;	      /* atomic */
	pthread_mutex_t lock; /* Locking: window */
	struct pci_window window[PCI_WIN_KINDS]; /* forwarded now; size 0: no */
};

int pci_bridge_init(struct pci_dev *dev, const struct pci_windows *room)
{
	struct pci_bridge *bridge = calloc(1, sizeof(*bridge));

	if (!bridge)
		return -ENOMEM;
	pthread_mutex_init(&bridge->lock, NULL);
	if (room)
		bridge->room = *room;
	dev->bridge = bridge;
	dev->cfg[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	pci_wmask16(dev, PCI_COMMAND,
		    (uint16_t)(dev->wmask[PCI_COMMAND] |
			       dev->wmask[PCI_COMMAND + 1] << 8 |
			       PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	memset(dev->wmask + CFG_NUMBERS, 0xff, 3);
	dev->wmask[PCI_IO_BASE] = dev->wmask[PCI_IO_LIMIT] = IO_MASK;
	dev->w1c[PCI_SEC_STATUS + 1] = SEC_STATUS;
	pci_wmask16(dev, PCI_MEMORY_BASE, WINDOW_MASK);
	pci_wmask16(dev, PCI_MEMORY_LIMIT, WINDOW_MASK);
	pci_wmask16(dev, PCI_PREF_MEMORY_BASE, WINDOW_MASK);
	pci_wmask16(dev, PCI_PREF_MEMORY_LIMIT, WINDOW_MASK);
	pci_wmask32(dev, PCI_PREF_BASE_UPPER32, UINT32_MAX);
	pci_wmask32(dev, PCI_PREF_LIMIT_UPPER32, UINT32_MAX);
	pci_set16(dev, PCI_PREF_MEMORY_BASE, PCI_PREF_RANGE_TYPE_64);
	pci_set16(dev, PCI_PREF_MEMORY_LIMIT, PCI_PREF_RANGE_TYPE_64);
	pci_wmask16(dev, PCI_BRIDGE_CONTROL, CONTROL_BITS);
	return 0;
}

void pci_bridge_fini(struct pci_dev *dev)
{
	if (!dev->bridge)
		return;
	pthread_mutex_destroy(&dev->bridge->lock);
	free(dev->bridge);
	dev->bridge = NULL;
}

/* ---- who is behind it ---- */

void pci_bridge_set_link(struct pci_dev *bridge, bool up)
{
	__atomic_store_n(&bridge->bridge->link, up, __ATOMIC_RELEASE);
}

struct pci_dev *pci_bridge_child(const struct pci_dev *bridge, unsigned func)
{
	return bridge->bridge->child[func % CHILDREN];
}

struct pci_dev *pci_bridge_target(const struct pci_dev *bridge, unsigned func)
{
	if (!__atomic_load_n(&bridge->bridge->link, __ATOMIC_ACQUIRE))
		return NULL;
	return pci_bridge_child(bridge, func);
}

void pci_bridge_set_child(struct pci_dev *bridge, unsigned func,
			  struct pci_dev *child)
{
	bridge->bridge->child[func % CHILDREN] = child;
}

const struct pci_windows *pci_bridge_room(const struct pci_dev *bridge)
{
	return &bridge->bridge->room;
}

/* ---- bus numbers ---- */

static uint32_t numbers(const struct pci_dev *bridge)
{
	return __atomic_load_n(&bridge->bridge->numbers, __ATOMIC_ACQUIRE);
}

uint8_t pci_bridge_secondary(const struct pci_dev *bridge)
{
	return (uint8_t)numbers(bridge);
}

bool pci_bridge_routes(const struct pci_dev *bridge, uint8_t bus)
{
	uint32_t n = numbers(bridge);

	return bus && (uint8_t)n == bus && (uint8_t)(n >> 8) >= bus;
}

static void numbers_sync(struct pci_dev *bridge)
{
	uint32_t n = bridge->cfg[PCI_SECONDARY_BUS] |
		     (uint32_t)bridge->cfg[PCI_SUBORDINATE_BUS] << 8;

	__atomic_store_n(&bridge->bridge->numbers, n, __ATOMIC_RELEASE);
}

void pci_bridge_number(struct pci_dev *bridge, uint8_t primary,
		       uint8_t secondary)
{
	bridge->cfg[PCI_PRIMARY_BUS] = primary;
	bridge->cfg[PCI_SECONDARY_BUS] = secondary;
	bridge->cfg[PCI_SUBORDINATE_BUS] = secondary;
	numbers_sync(bridge);
}

/* ---- windows ---- */

static struct pci_window between(uint64_t base, uint64_t last)
{
	if (base > last)
		return (struct pci_window){0};
	/* All there is has no size. */
	return (struct pci_window){
	    base, last - base == UINT64_MAX ? UINT64_MAX : last - base + 1};
}

static struct pci_window io_window(const struct pci_dev *dev)
{
	uint64_t base = dev->cfg[PCI_IO_BASE] & IO_MASK;
	uint64_t limit = dev->cfg[PCI_IO_LIMIT] & IO_MASK;

	return between(base << 8, (limit << 8) + IO_UNIT - 1);
}

static struct pci_window mem_window(const struct pci_dev *dev, unsigned base,
				    unsigned limit, uint64_t upper[2])
{
	uint64_t from = pci_cfg16(dev, base) & WINDOW_MASK;
	uint64_t to = pci_cfg16(dev, limit) & WINDOW_MASK;

	return between(upper[0] << 32 | from << 16,
		       (upper[1] << 32 | to << 16) + MEM_UNIT - 1);
}

void pci_bridge_sync(struct pci_dev *dev)
{
	uint64_t none[2] = {0};
	uint64_t upper[2] = {pci_cfg32(dev, PCI_PREF_BASE_UPPER32),
			     pci_cfg32(dev, PCI_PREF_LIMIT_UPPER32)};
	uint16_t command = pci_cfg16(dev, PCI_COMMAND);
	struct pci_window now[PCI_WIN_KINDS] = {0};

	if (command & PCI_COMMAND_IO)
		now[PCI_WIN_IO] = io_window(dev);
	if (command & PCI_COMMAND_MEMORY) {
		now[PCI_WIN_MEM32] =
		    mem_window(dev, PCI_MEMORY_BASE, PCI_MEMORY_LIMIT, none);
		now[PCI_WIN_MEM64] = mem_window(dev, PCI_PREF_MEMORY_BASE,
						PCI_PREF_MEMORY_LIMIT, upper);
	}
	numbers_sync(dev);
	pthread_mutex_lock(&dev->bridge->lock);
	memcpy(dev->bridge->window, now, sizeof(now));
	pthread_mutex_unlock(&dev->bridge->lock);
}

bool pci_bridge_concerned(unsigned off, unsigned size)
{
	return range_overlaps(off, size, PCI_COMMAND, 2) ||
	       range_overlaps(off, size, CFG_NUMBERS, CFG_LAST - CFG_NUMBERS);
}

bool pci_bridge_forwards(const struct pci_dev *bridge, bool io, uint64_t base,
			 uint64_t size)
{
	struct pci_window window[PCI_WIN_KINDS];
	unsigned kind;

	pthread_mutex_lock(&bridge->bridge->lock);
	memcpy(window, bridge->bridge->window, sizeof(window));
	pthread_mutex_unlock(&bridge->bridge->lock);
	for (kind = 0; kind < PCI_WIN_KINDS; kind++)
		if ((kind == PCI_WIN_IO) == io &&
		    range_inside(base, size, window[kind].base,
				 window[kind].size))
			return true;
	return false;
}

uint64_t pci_bridge_window(const struct pci_dev *bridge,
			   enum pci_window_kind kind)
{
	uint64_t size;

	pthread_mutex_lock(&bridge->bridge->lock);
	size = bridge->bridge->window[kind].size;
	pthread_mutex_unlock(&bridge->bridge->lock);
	return size;
}

void pci_bridge_place(struct pci_dev *dev, enum pci_window_kind kind,
		      uint64_t base, uint64_t size)
{
	/* No window: the base above the limit. */
	uint64_t from = size ? base : WINDOW_MASK << 16;
	uint64_t last = size ? base + size - 1 : 0;
	unsigned reg =
	    kind == PCI_WIN_MEM32 ? PCI_MEMORY_BASE : PCI_PREF_MEMORY_BASE;
	uint16_t type = kind == PCI_WIN_MEM64 ? PCI_PREF_RANGE_TYPE_64 : 0;

	if (kind == PCI_WIN_IO) {
		dev->cfg[PCI_IO_BASE] = (uint8_t)(size ? from >> 8 : IO_MASK);
		dev->cfg[PCI_IO_BASE] &= IO_MASK;
		dev->cfg[PCI_IO_LIMIT] = (uint8_t)(last >> 8) & IO_MASK;
		return;
	}
	pci_set16(dev, reg, (uint16_t)((from >> 16 & WINDOW_MASK) | type));
	pci_set16(dev, reg + 2, (uint16_t)((last >> 16 & WINDOW_MASK) | type));
	if (kind == PCI_WIN_MEM64) {
		pci_set32(dev, PCI_PREF_BASE_UPPER32, (uint32_t)(from >> 32));
		pci_set32(dev, PCI_PREF_LIMIT_UPPER32, (uint32_t)(last >> 32));
	}
}
