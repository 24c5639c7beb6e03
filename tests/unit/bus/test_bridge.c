/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bridges as a guest meets them: it writes bus numbers, finds what is behind,
 * sizes and places it, and writes what makes no sense.
 */
#include "fakes.h"

#define BRIDGES 2u

static const struct pci_addr port_at[BRIDGES] = {{0, 6, 0}, {0, 7, 0}};

static const struct pci_windows windows = {
    .io = {0x2000, 0xe000},
    .mem32 = {0xc0000000, 0x20000000},
    .mem64 = {0x200000000, 0x800000000},
};

struct function {
	struct pci_dev pci;
	uint64_t last_read;
	bool destroyed;
};

struct world {
	struct fake_bus bus;
	struct function bridge[BRIDGES];
	struct function f[3]; /* two behind the first bridge, one the second */
};

static uint64_t bar_read(struct pci_dev *dev, unsigned bar UNUSED, uint64_t off,
			 unsigned size UNUSED)
{
	((struct function *)dev->ctx)->last_read = off;
	return off;
}

static void destroy(struct pci_dev *dev)
{
	((struct function *)dev->ctx)->destroyed = true;
	pci_dev_fini(dev);
}

static const struct pci_ops ops = {.bar_read = bar_read, .destroy = destroy};

static void bridge_add(struct fake_bus *bus, struct function *f,
		       struct pci_addr at, const struct pci_windows *room)
{
	memset(f, 0, sizeof(*f));
	assert_int_equal(pci_dev_init(&f->pci, at, "bridge", &ops, f), 0);
	assert_int_equal(pci_bridge_init(&f->pci, room), 0);
	pci_set16(&f->pci, 0, 0x1111);
	assert_int_equal(pci_host_add(bus->host, &f->pci, NULL), 0);
	pci_bridge_set_link(&f->pci, true);
}

static void child_init(struct function *f, struct pci_dev *bridge,
		       struct pci_addr at)
{
	memset(f, 0, sizeof(*f));
	assert_int_equal(pci_dev_init(&f->pci, at, "test", &ops, f), 0);
	f->pci.upstream = bridge;
	pci_set_ids(&f->pci,
		    (struct pci_ids){.vendor = 0x1234,
				     .device = (uint16_t)(0x100 + at.func)});
	assert_int_equal(pci_add_bar(&f->pci, 0, PCI_BAR_MEM32, 0x4000, false),
			 0);
	assert_int_equal(pci_add_bar(&f->pci, 1, PCI_BAR_IO, 32, false), 0);
	assert_int_equal(
	    pci_add_bar(&f->pci, 2, PCI_BAR_MEM64, 1ull << 26, true), 0);
	pci_intx_init(&f->pci, 1);
}

static void child_add(struct fake_bus *bus, struct function *f,
		      struct pci_dev *bridge, struct pci_addr at)
{
	child_init(f, bridge, at);
	assert_int_equal(pci_host_add(bus->host, &f->pci, NULL), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned i;

	fake_bus_init(&w->bus);
	for (i = 0; i < BRIDGES; i++)
		bridge_add(&w->bus, &w->bridge[i], port_at[i], NULL);
	child_add(&w->bus, &w->f[0], &w->bridge[0].pci,
		  (struct pci_addr){0, 6, 0});
	child_add(&w->bus, &w->f[1], &w->bridge[0].pci,
		  (struct pci_addr){0, 6, 1});
	child_add(&w->bus, &w->f[2], &w->bridge[1].pci,
		  (struct pci_addr){0, 7, 0});
	assert_int_equal(pci_host_finish(w->bus.host, NULL), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	unsigned i;

	fake_bus_fini(&w->bus);
	for (i = 0; i < ARRAY_LEN(w->f); i++)
		assert_true(w->f[i].destroyed);
	free(w);
	return 0;
}

static void numbers(struct world *w, unsigned bridge, uint8_t secondary,
		    uint8_t subordinate)
{
	fake_cfg_write(&w->bus, port_at[bridge], PCI_PRIMARY_BUS, 4,
		       (uint32_t)secondary << 8 | (uint32_t)subordinate << 16);
}

static uint32_t id_at(struct world *w, uint8_t bus, uint8_t slot, uint8_t func)
{
	return fake_cfg_read(&w->bus, (struct pci_addr){bus, slot, func}, 0, 4);
}

static void test_routing(void **state)
{
	struct world *w = *state;
	uint64_t v;

	/* Nothing is programmed: only the bridges are there. */
	assert_int_equal(id_at(w, 0, 6, 0), 0x1111);
	assert_int_equal(id_at(w, 0, 6, 1), 0xffffffff);
	assert_int_equal(id_at(w, 1, 0, 0), 0xffffffff);
	numbers(w, 0, 1, 1);
	numbers(w, 1, 2, 2);
	assert_int_equal(id_at(w, 1, 0, 0), 0x01001234);
	assert_int_equal(id_at(w, 1, 0, 1), 0x01011234);
	assert_int_equal(id_at(w, 1, 0, 2), 0xffffffff);
	assert_int_equal(id_at(w, 2, 0, 0), 0x01001234);
	/* One device only, whatever its number; and through ECAM the same. */
	assert_int_equal(id_at(w, 1, 1, 0), 0xffffffff);
	assert_int_equal(id_at(w, 1, 31, 0), 0xffffffff);
	(void)aspace_read(w->bus.mmio, FAKE_ECAM + (1 << 20) + (1 << 12), 4,
			  &v);
	assert_int_equal(v, 0x01011234);
	/* Moved while in use. */
	numbers(w, 0, 0x80, 0x8f);
	assert_int_equal(id_at(w, 1, 0, 0), 0xffffffff);
	assert_int_equal(id_at(w, 0x80, 0, 1), 0x01011234);
	assert_int_equal(id_at(w, 0x81, 0, 0), 0xffffffff);
	assert_int_equal(pci_bridge_secondary(&w->bridge[0].pci), 0x80);
	/* Multi-function is told by what is behind, not by the bridge. */
	assert_int_equal(fake_cfg_read(&w->bus, port_at[0], 0x0e, 1), 1);
	assert_int_equal(
	    fake_cfg_read(&w->bus, (struct pci_addr){0x80, 0, 0}, 0x0e, 1),
	    0x80);
	pci_bridge_set_link(&w->bridge[0].pci, false);
	assert_int_equal(id_at(w, 0x80, 0, 0), 0xffffffff);
}

static void test_numbers_that_make_no_sense(void **state)
{
	struct world *w = *state;

	/* The same for both: the first has it. */
	numbers(w, 0, 5, 5);
	numbers(w, 1, 5, 5);
	assert_int_equal(id_at(w, 5, 0, 1), 0x01011234);
	/* The root bus's, and an empty range. */
	numbers(w, 0, 0, 255);
	assert_int_equal(id_at(w, 0, 6, 0), 0x1111);
	assert_int_equal(id_at(w, 0, 0, 0), 0xffffffff);
	assert_int_equal(id_at(w, 5, 0, 0), 0x01001234);
	numbers(w, 1, 5, 4);
	assert_int_equal(id_at(w, 5, 0, 0), 0xffffffff);
	numbers(w, 1, 255, 255);
	assert_int_equal(id_at(w, 255, 0, 0), 0x01001234);
}

static void test_windows(void **state)
{
	const struct pci_addr child = {1, 0, 0};
	struct world *w = *state;
	uint64_t v;

	numbers(w, 0, 1, 1);
	fake_cfg_write(&w->bus, child, 0x10, 4, 0xc0100000);
	fake_cfg_write(&w->bus, child, 4, 2, 7);
	assert_false(w->f[0].pci.bar[0].mapped);
	/* The window opens, on what is already behind it. */
	fake_cfg_write(&w->bus, port_at[0], PCI_MEMORY_BASE, 4, 0xc010c010);
	assert_false(w->f[0].pci.bar[0].mapped);
	fake_cfg_write(&w->bus, port_at[0], 4, 2, PCI_COMMAND_MEMORY);
	assert_true(w->f[0].pci.bar[0].mapped);
	assert_int_equal(aspace_read(w->bus.mmio, 0xc0100040, 4, &v), 0);
	assert_int_equal(w->f[0].last_read, 0x40);
	/* It moves away, and is shut: limit below base. */
	fake_cfg_write(&w->bus, port_at[0], PCI_MEMORY_BASE, 4, 0xc020c020);
	assert_false(w->f[0].pci.bar[0].mapped);
	fake_cfg_write(&w->bus, port_at[0], PCI_MEMORY_BASE, 4, 0xc000c020);
	assert_false(w->f[0].pci.bar[0].mapped);
	fake_cfg_write(&w->bus, port_at[0], PCI_MEMORY_BASE, 4, 0xfff00000);
	assert_true(w->f[0].pci.bar[0].mapped);
	fake_cfg_write(&w->bus, port_at[0], 4, 2, 0);
	assert_false(w->f[0].pci.bar[0].mapped);
	/* All of the address space, above 4 GiB too. */
	fake_cfg_write(&w->bus, child, 0x18, 4, 0);
	fake_cfg_write(&w->bus, child, 0x1c, 4, 0x80);
	fake_cfg_write(&w->bus, port_at[0], PCI_PREF_MEMORY_BASE, 4,
		       0xffff0000);
	fake_cfg_write(&w->bus, port_at[0], PCI_PREF_LIMIT_UPPER32, 4,
		       0xffffffff);
	fake_cfg_write(&w->bus, port_at[0], 4, 2, PCI_COMMAND_MEMORY);
	assert_true(w->f[0].pci.bar[2].mapped);
	assert_int_equal(
	    fake_cfg_read(&w->bus, port_at[0], PCI_PREF_MEMORY_BASE, 4),
	    0xfff10001);
}

static void test_io_window(void **state)
{
	const struct pci_addr child = {1, 0, 0};
	struct world *w = *state;

	numbers(w, 0, 1, 1);
	fake_cfg_write(&w->bus, child, 0x14, 4, 0x3020);
	fake_cfg_write(&w->bus, child, 4, 2, 1);
	fake_cfg_write(&w->bus, port_at[0], PCI_IO_BASE, 2, 0x2020);
	fake_cfg_write(&w->bus, port_at[0], 4, 2, 1);
	assert_false(w->f[0].pci.bar[1].mapped);
	fake_cfg_write(&w->bus, port_at[0], PCI_IO_BASE, 2, 0x3020);
	assert_true(w->f[0].pci.bar[1].mapped);
}

static bool behind(const struct pci_dev *bridge, bool io,
		   const struct pci_bar *bar)
{
	uint64_t base = pci_cfg16(bridge, PCI_MEMORY_BASE) & 0xfff0u;
	uint64_t last = pci_cfg16(bridge, PCI_MEMORY_LIMIT) & 0xfff0u;

	if (io) {
		base = (uint64_t)(bridge->cfg[PCI_IO_BASE] & 0xf0) << 8;
		last = (uint64_t)(bridge->cfg[PCI_IO_LIMIT] & 0xf0) << 8;
		return range_inside(bar->base, bar->size, base,
				    last + 0x1000 - base);
	}
	return range_inside(bar->base, bar->size, base << 16,
			    (last << 16) + 0x100000 - (base << 16));
}

/* What direct boot programs: the guest need not touch any of it. */
static void test_plan(void **state)
{
	struct world *w = *state;
	unsigned i;

	assert_int_equal(pci_host_assign(w->bus.host, &windows, true, NULL), 0);
	assert_int_equal(id_at(w, 1, 0, 1), 0x01011234);
	assert_int_equal(id_at(w, 2, 0, 0), 0x01001234);
	assert_int_equal(pci_host_bus_last(w->bus.host, 0), 255);
	for (i = 0; i < 3; i++) {
		const struct pci_dev *dev = &w->f[i].pci;

		assert_true(dev->bar[0].mapped && dev->bar[1].mapped &&
			    dev->bar[2].mapped);
		assert_true(behind(dev->upstream, false, &dev->bar[0]));
		assert_true(behind(dev->upstream, true, &dev->bar[1]));
		assert_true(dev->bar[2].base >= windows.mem64.base);
		assert_int_equal(dev->bar[2].base % dev->bar[2].size, 0);
	}
	/* The windows of the two do not meet. */
	assert_true(pci_cfg16(&w->bridge[0].pci, PCI_MEMORY_LIMIT) <
			pci_cfg16(&w->bridge[1].pci, PCI_MEMORY_BASE) ||
		    pci_cfg16(&w->bridge[1].pci, PCI_MEMORY_LIMIT) <
			pci_cfg16(&w->bridge[0].pci, PCI_MEMORY_BASE));
}

static void test_plan_keeps_room(void **state UNUSED)
{
	const struct pci_windows room = {.mem32 = {0, 4 << 20},
					 .mem64 = {0, 1ull << 30}};
	struct pci_windows small = windows;
	uint64_t need, align;
	struct function f;
	struct fake_bus bus;
	struct err err;

	fake_bus_init(&bus);
	bridge_add(&bus, &f, port_at[0], &room);
	pci_host_mem64_need(bus.host, &need, &align);
	assert_true(need == 1ull << 30);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, NULL), 0);
	assert_int_equal(pci_cfg16(&f.pci, PCI_MEMORY_BASE), 0xc000);
	assert_int_equal(pci_cfg16(&f.pci, PCI_MEMORY_LIMIT), 0xc030);
	assert_true(pci_bridge_secondary(&f.pci) == 1);
	/* No ports were asked for: that window is shut. */
	assert_true((f.pci.cfg[PCI_IO_BASE] & 0xf0) >
		    (f.pci.cfg[PCI_IO_LIMIT] & 0xf0));
	small.mem64.size = 1 << 29;
	assert_int_equal(pci_host_assign(bus.host, &small, true, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.msg, "0:6:0 bridge: a window of 1 GiB"));
	fake_bus_fini(&bus);
}

static void test_no_bus_number_left(void **state UNUSED)
{
	struct function f, other;
	struct fake_bus bus;
	struct err err;

	fake_bus_init(&bus);
	bridge_add(&bus, &f, port_at[0], NULL);
	child_init(&other, NULL, (struct pci_addr){1, 2, 0});
	assert_int_equal(pci_host_add(bus.host, &other.pci, NULL), 0);
	assert_int_equal(pci_host_bus_last(bus.host, 0), 0);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.msg, "no bus number is left"));
	fake_bus_fini(&bus);
}

/* A pin behind a bridge is the bridge's pin. */
static void test_intx(void **state)
{
	struct world *w = *state;
	struct pci_dev *dev = &w->f[1].pci;

	assert_int_equal(pci_intx_gsi(dev), pci_swizzle_gsi(6, 1));
	pthread_mutex_lock(&dev->lock);
	pci_intx_set(dev, true);
	assert_true(w->bus.irq.line[pci_swizzle_gsi(6, 1)]);
	pci_intx_set(dev, false);
	pthread_mutex_unlock(&dev->lock);
}

/* Taken out while the guest has its BARs decoded, and another one put in. */
static void test_come_and_go(void **state)
{
	struct world *w = *state;
	struct function next;
	struct err err;
	uint64_t v, base;

	assert_int_equal(pci_host_assign(w->bus.host, &windows, true, NULL), 0);
	base = w->f[2].pci.bar[0].base;
	assert_int_equal(aspace_read(w->bus.mmio, base, 4, &v), 0);
	child_init(&next, &w->bridge[1].pci, (struct pci_addr){0, 7, 0});
	assert_int_equal(pci_host_add(w->bus.host, &next.pci, &err), -EEXIST);
	assert_string_equal(err.msg, "pci slot 0:7:0 already occupied!");
	pci_host_remove(w->bus.host, &w->f[2].pci);
	assert_int_equal(id_at(w, 2, 0, 0), 0xffffffff);
	assert_int_equal(aspace_read(w->bus.mmio, base, 4, &v), -ENXIO);
	assert_int_equal(pci_host_add(w->bus.host, &next.pci, NULL), 0);
	assert_int_equal(id_at(w, 2, 0, 0), 0x01001234);
	/* New ones have no addresses yet. */
	assert_int_equal(
	    fake_cfg_read(&w->bus, (struct pci_addr){2, 0, 0}, 0x10, 4), 0);
	pci_host_remove(w->bus.host, &next.pci);
	pci_dev_fini(&next.pci);
	destroy(&w->f[2].pci);
}

static int count(void *ctx, struct pci_dev *dev)
{
	unsigned *seen = ctx;

	(*seen)++;
	return dev->addr.slot == 7 && dev->upstream ? 42 : 0;
}

static void test_for_each_visits_what_is_behind(void **state)
{
	struct world *w = *state;
	unsigned seen = 0;

	assert_int_equal(pci_host_for_each(w->bus.host, count, &seen), 42);
	assert_int_equal(seen, 5);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_routing),
	    T(test_numbers_that_make_no_sense),
	    T(test_windows),
	    T(test_io_window),
	    T(test_plan),
	    cmocka_unit_test(test_plan_keeps_room),
	    cmocka_unit_test(test_no_bus_number_left),
	    T(test_intx),
	    T(test_come_and_go),
	    T(test_for_each_visits_what_is_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
