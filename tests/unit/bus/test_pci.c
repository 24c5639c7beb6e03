/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI core as a guest sees it: sizing, moves, masks, MSI-X, INTx. */
#include "fakes.h"

static const struct pci_addr at = {0, 6, 0};

struct device {
	struct pci_dev pci;
	unsigned moves;
	uint64_t last_read;
};

static uint64_t device_read(struct pci_dev *dev, unsigned bar, uint64_t off,
			    unsigned size UNUSED)
{
	struct device *d = dev->ctx;

	d->last_read = off;
	return 0x1000 * bar + off;
}

static void device_moved(struct pci_dev *dev, unsigned bar UNUSED,
			 bool on UNUSED)
{
	((struct device *)dev->ctx)->moves++;
}

static void device_destroy(struct pci_dev *dev)
{
	pci_dev_fini(dev);
}

static const struct pci_ops ops = {
    .bar_read = device_read,
    .bar_moved = device_moved,
    .destroy = device_destroy,
};

static const struct pci_windows windows = {
    .io = {0x2000, 0xe000},
    .mem32 = {0xc0000000, 0x20000000},
    .mem64 = {0x200000000, 0x800000000},
};

static void device_add(struct fake_bus *bus, struct device *d,
		       struct pci_addr addr)
{
	memset(d, 0, sizeof(*d));
	assert_int_equal(pci_dev_init(&d->pci, addr, "test", &ops, d), 0);
	pci_set_ids(
	    &d->pci,
	    (struct pci_ids){.vendor = 0x1234, .device = 0x5678, .class = 2});
	assert_int_equal(pci_add_bar(&d->pci, 0, PCI_BAR_MEM32, 0x4000, false),
			 0);
	assert_int_equal(pci_add_bar(&d->pci, 1, PCI_BAR_IO, 32, false), 0);
	assert_int_equal(
	    pci_add_bar(&d->pci, 2, PCI_BAR_MEM64, 1ull << 30, true), 0);
	assert_int_equal(pci_msix_init(&d->pci, 0, 3, 0, 0x2000, 0, 0x3000), 0);
	pci_intx_init(&d->pci, 1);
	assert_int_equal(pci_host_add(bus->host, &d->pci, NULL), 0);
}

static void test_empty_slot(void **state UNUSED)
{
	struct fake_bus bus;

	fake_bus_init(&bus);
	assert_int_equal(fake_cfg_read(&bus, at, 0, 4), 0xffffffff);
	fake_bus_fini(&bus);
}

static void test_header_and_sizing(void **state UNUSED)
{
	struct fake_bus bus;
	struct device d;
	uint64_t v;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	assert_int_equal(fake_cfg_read(&bus, at, 0, 4), 0x56781234);
	fake_cfg_write(&bus, at, 0, 4, 0);
	assert_int_equal(fake_cfg_read(&bus, at, 0, 4), 0x56781234);
	fake_cfg_write(&bus, at, 0x10, 4, 0xffffffff);
	assert_int_equal(fake_cfg_read(&bus, at, 0x10, 4), 0xffffc000);
	fake_cfg_write(&bus, at, 0x14, 4, 0xffffffff);
	assert_int_equal(fake_cfg_read(&bus, at, 0x14, 4), 0xffffffe1);
	fake_cfg_write(&bus, at, 0x18, 4, 0xffffffff);
	fake_cfg_write(&bus, at, 0x1c, 4, 0xffffffff);
	assert_int_equal(fake_cfg_read(&bus, at, 0x18, 4), 0xc000000c);
	assert_int_equal(fake_cfg_read(&bus, at, 0x1c, 4), 0xffffffff);
	/* The same through ECAM; nothing beyond 256 bytes here. */
	(void)aspace_read(bus.mmio, FAKE_ECAM + (6 << 15), 4, &v);
	assert_int_equal(v, 0x56781234);
	(void)aspace_read(bus.mmio, FAKE_ECAM + (6 << 15) + 0x100, 4, &v);
	assert_int_equal(v, 0xffffffff);
	fake_bus_fini(&bus);
}

static void test_move_at_run_time(void **state UNUSED)
{
	struct fake_bus bus;
	struct device d;
	uint64_t v;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, NULL), 0);
	assert_true(d.pci.bar[0].base == 0xc0000000);
	assert_true(d.pci.bar[2].base == 0x200000000);
	assert_int_equal(aspace_read(bus.mmio, 0xc0000010, 4, &v), 0);
	assert_int_equal(v, 0x10);
	fake_cfg_write(&bus, at, 0x10, 4, 0xd0000000);
	assert_int_equal(aspace_read(bus.mmio, 0xc0000010, 4, &v), -ENXIO);
	assert_int_equal(aspace_read(bus.mmio, 0xd0000020, 4, &v), 0);
	assert_int_equal(v, 0x20);
	fake_cfg_write(&bus, at, 4, 2, 0);
	assert_int_equal(aspace_read(bus.mmio, 0xd0000020, 4, &v), -ENXIO);
	assert_false(d.pci.bar[2].mapped);
	fake_cfg_write(&bus, at, 4, 2, 2);
	assert_int_equal(aspace_read(bus.mmio, 0xd0000020, 4, &v), 0);
	fake_bus_fini(&bus);
}

/* Ports have 16 bits; BARs for them have 32, and firmware reads all of them. */
static void test_io_bar_beyond_ports(void **state UNUSED)
{
	struct fake_bus bus;
	struct device d;
	uint64_t v;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, NULL), 0);
	fake_cfg_write(&bus, at, 0x14, 4, 0xffffffff);
	assert_false(d.pci.bar[1].mapped);
	fake_cfg_write(&bus, at, 0x14, 4, 0x1a000);
	assert_int_equal(fake_cfg_read(&bus, at, 0x14, 4), 0x1a001);
	assert_int_equal(aspace_read(bus.pio, 0xa000, 4, &v), -ENXIO);
	fake_cfg_write(&bus, at, 0x14, 4, 0xffe0);
	assert_int_equal(aspace_read(bus.pio, 0xffe0, 4, &v), 0);
	fake_bus_fini(&bus);
}

/* A moves onto B before B moves away, as Linux may do with decode on. */
static void test_move_through_overlap(void **state UNUSED)
{
	const struct pci_addr other = {0, 7, 0};
	struct fake_bus bus;
	struct device a, b;
	uint32_t b_base;
	uint64_t v;

	fake_bus_init(&bus);
	device_add(&bus, &a, at);
	device_add(&bus, &b, other);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, NULL), 0);
	b_base = fake_cfg_read(&bus, other, 0x10, 4);
	fake_cfg_write(&bus, at, 0x10, 4, b_base);
	assert_false(a.pci.bar[0].mapped);
	fake_cfg_write(&bus, other, 0x10, 4, 0xd0000000);
	assert_true(a.pci.bar[0].mapped);
	a.last_read = 0;
	assert_int_equal(aspace_read(bus.mmio, b_base + 0x30, 4, &v), 0);
	assert_int_equal(a.last_read, 0x30);
	fake_bus_fini(&bus);
}

static void test_sizing_probe_is_not_decoded(void **state UNUSED)
{
	struct fake_bus bus;
	struct device d;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, NULL), 0);
	fake_cfg_write(&bus, at, 0x10, 4, 0xffffffff);
	assert_false(d.pci.bar[0].mapped);
	fake_cfg_write(&bus, at, 0x10, 4, 0xc0000000);
	assert_true(d.pci.bar[0].mapped);
	fake_bus_fini(&bus);
}

static void test_window_too_small(void **state UNUSED)
{
	struct pci_windows small = windows;
	struct fake_bus bus;
	struct device d;
	struct err err;

	small.mem64.size = 1 << 29;
	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	assert_int_equal(pci_host_assign(bus.host, &small, true, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.msg, "0:6:0"));
	assert_non_null(strstr(err.msg, "1 GiB"));
	fake_bus_fini(&bus);
}

static void test_occupied_and_function_zero(void **state UNUSED)
{
	struct pci_addr three = {0, 6, 3};
	struct device d, other;
	struct fake_bus bus;
	struct err err;

	fake_bus_init(&bus);
	device_add(&bus, &d, three);
	assert_int_equal(pci_host_finish(bus.host, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no function 0"));
	device_add(&bus, &other, at);
	assert_int_equal(pci_host_add(bus.host, &d.pci, &err), -EEXIST);
	assert_string_equal(err.msg, "pci slot 0:6:3 already occupied!");
	assert_int_equal(pci_host_finish(bus.host, &err), 0);
	assert_int_equal(fake_cfg_read(&bus, at, 0x0e, 1), 0x80);
	fake_bus_fini(&bus);
}

static void msix_write(struct fake_bus *bus, uint64_t off, uint32_t value)
{
	assert_int_equal(aspace_write(bus->mmio, 0xc0002000 + off, 4, value),
			 0);
}

static void raise(struct device *d, unsigned vector)
{
	pthread_mutex_lock(&d->pci.lock);
	pci_msix_raise(&d->pci, vector);
	pthread_mutex_unlock(&d->pci.lock);
}

static void test_msix(void **state UNUSED)
{
	struct fake_bus bus;
	struct device d;
	uint64_t v;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	assert_int_equal(pci_host_assign(bus.host, &windows, true, NULL), 0);
	fake_cfg_write(&bus, at, 4, 2, 6);
	raise(&d, 1); /* MSI-X off: lost */
	fake_cfg_write(&bus, at, d.pci.msix_cap + 2u, 2, 0x8000);
	msix_write(&bus, 16, 0xfee01000);
	msix_write(&bus, 24, 0x4041);
	raise(&d, 1); /* masked: pending */
	assert_int_equal(bus.irq.messages, 0);
	(void)aspace_read(bus.mmio, 0xc0003000, 8, &v);
	assert_int_equal(v, 2);
	msix_write(&bus, 28, 0); /* unmask delivers */
	assert_int_equal(bus.irq.messages, 1);
	assert_true(bus.irq.last.addr == 0xfee01000);
	assert_int_equal(bus.irq.last.data, 0x4041);
	raise(&d, 1);
	raise(&d, 7); /* no such vector */
	assert_int_equal(bus.irq.messages, 2);
	/* Function mask holds back, its end delivers. */
	fake_cfg_write(&bus, at, d.pci.msix_cap + 2u, 2, 0xc000);
	raise(&d, 1);
	assert_int_equal(bus.irq.messages, 2);
	fake_cfg_write(&bus, at, d.pci.msix_cap + 2u, 2, 0x8000);
	assert_int_equal(bus.irq.messages, 3);
	/* The table is not the model's business, the rest of the BAR is. */
	d.last_read = 0;
	(void)aspace_read(bus.mmio, 0xc0002000, 4, &v);
	assert_int_equal(d.last_read, 0);
	(void)aspace_read(bus.mmio, 0xc0000040, 4, &v);
	assert_int_equal(d.last_read, 0x40);
	fake_bus_fini(&bus);
}

static void test_msi_masks(void **state UNUSED)
{
	struct fake_bus bus;
	struct device d;

	fake_bus_init(&bus);
	memset(&d, 0, sizeof(d));
	assert_int_equal(pci_dev_init(&d.pci, at, "test", &ops, &d), 0);
	assert_int_equal(pci_msi_init(&d.pci, 0x50, 2, true, true), 0);
	assert_int_equal(pci_host_add(bus.host, &d.pci, NULL), 0);
	fake_cfg_write(&bus, at, 4, 2, 4);
	fake_cfg_write(&bus, at, 0x54, 4, 0xfee00000);
	fake_cfg_write(&bus, at, 0x5c, 2, 0x43);
	fake_cfg_write(&bus, at, 0x60, 4, 2);	 /* mask vector 1 */
	fake_cfg_write(&bus, at, 0x52, 2, 0x21); /* enable, 4 vectors */
	assert_int_equal(pci_msi_count(&d.pci), 4);
	pci_msi_raise(&d.pci, 3);
	assert_int_equal(bus.irq.last.data, 0x43);
	pci_msi_raise(&d.pci, 1);
	assert_int_equal(bus.irq.messages, 1);
	assert_int_equal(fake_cfg_read(&bus, at, 0x64, 4), 2);
	fake_cfg_write(&bus, at, 0x60, 4, 0);
	assert_int_equal(bus.irq.messages, 2);
	assert_int_equal(bus.irq.last.data, 0x41);
	fake_bus_fini(&bus);
}

static void test_intx(void **state UNUSED)
{
	struct fake_bus bus;
	unsigned gsi;
	struct device d;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	gsi = pci_swizzle_gsi(6, 1);
	assert_int_equal(pci_intx_gsi(&d.pci), gsi);
	pci_intx_set(&d.pci, true);
	assert_true(bus.irq.line[gsi]);
	assert_int_equal(fake_cfg_read(&bus, at, 6, 2) & 8, 8);
	fake_cfg_write(&bus, at, 4, 2, PCI_COMMAND_INTX_DISABLE);
	assert_false(bus.irq.line[gsi]);
	assert_int_equal(fake_cfg_read(&bus, at, 6, 2) & 8, 8);
	fake_cfg_write(&bus, at, 4, 2, 0);
	assert_true(bus.irq.line[gsi]);
	pci_intx_set(&d.pci, false);
	assert_false(bus.irq.line[gsi]);
	fake_bus_fini(&bus);
}

static void test_extra_bus_gets_own_window(void **state UNUSED)
{
	struct pci_windows zero, one;
	struct device d, e;
	struct fake_bus bus;

	fake_bus_init(&bus);
	device_add(&bus, &d, at);
	device_add(&bus, &e, (struct pci_addr){1, 0, 0});
	assert_int_equal(pci_host_assign(bus.host, &windows, false, NULL), 0);
	zero = pci_host_bus_windows(bus.host, 0);
	one = pci_host_bus_windows(bus.host, 1);
	assert_true(range_inside(e.pci.bar[2].base, 1 << 30, one.mem64.base,
				 one.mem64.size));
	assert_true(range_inside(d.pci.bar[2].base, 1 << 30, zero.mem64.base,
				 zero.mem64.size));
	assert_false(range_overlaps(zero.mem32.base, zero.mem32.size,
				    one.mem32.base, one.mem32.size));
	assert_false(d.pci.bar[0].mapped); /* decode was not asked for */
	fake_bus_fini(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty_slot),
	    cmocka_unit_test(test_header_and_sizing),
	    cmocka_unit_test(test_move_at_run_time),
	    cmocka_unit_test(test_io_bar_beyond_ports),
	    cmocka_unit_test(test_move_through_overlap),
	    cmocka_unit_test(test_sizing_probe_is_not_decoded),
	    cmocka_unit_test(test_window_too_small),
	    cmocka_unit_test(test_occupied_and_function_zero),
	    cmocka_unit_test(test_msix),
	    cmocka_unit_test(test_msi_masks),
	    cmocka_unit_test(test_intx),
	    cmocka_unit_test(test_extra_bus_gets_own_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
