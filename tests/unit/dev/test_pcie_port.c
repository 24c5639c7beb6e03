/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A root port and what is plugged into it, by a small driver that does what a
 * hot-plug driver does: it enables events, switches power and looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/log.h"
#include "dev/pcie_port.h"
#include "fakes.h"

#define BUS    5
#define LINK   0x43u /* 8 GT/s, x4 */
#define EVENTS (PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC)

static const struct pci_addr at = {0, 6, 0};
static const struct pci_addr child_at = {BUS, 0, 0};

struct world {
	struct fake fake;
	struct pci_dev *port;
	struct pci_dev child;
	unsigned exp;
	unsigned offs; /* how often the guest let go */
};

static void on_off(void *ctx, struct pci_dev *port)
{
	struct world *w = ctx;

	assert_ptr_equal(port, w->port);
	w->offs++;
}

static uint16_t rd(struct world *w, unsigned reg)
{
	return (uint16_t)fake_cfg_read(&w->fake, at, w->exp + reg, 2);
}

static void wr(struct world *w, unsigned reg, uint16_t value)
{
	fake_cfg_write(&w->fake, at, w->exp + reg, 2, value);
}

static unsigned find_cap(struct world *w, uint8_t id)
{
	unsigned off = fake_cfg_read(&w->fake, at, PCI_CAPABILITY_LIST, 1);

	while (off && fake_cfg_read(&w->fake, at, off, 1) != id)
		off = fake_cfg_read(&w->fake, at, off + 1, 1);
	return off;
}

static const struct pci_ops child_ops = {0};

/* A function with a link of 8 GT/s on four lanes that can do 16 on eight. */
static void child_init(struct world *w)
{
	struct pci_dev *dev = &w->child;
	int off;

	assert_int_equal(pci_dev_init(dev, at, "card", &child_ops, w), 0);
	dev->upstream = w->port;
	pci_set16(dev, 0, 0x1234);
	off = pci_add_cap(dev, PCI_CAP_ID_EXP, 60);
	assert_true(off > 0);
	pci_set32(dev, (unsigned)off + PCI_EXP_LNKCAP, 0x84);
	pci_set16(dev, (unsigned)off + PCI_EXP_LNKSTA, LINK);
}

static void child_add(struct world *w)
{
	child_init(w);
	assert_int_equal(pci_host_add(w->fake.env.pci, &w->child, NULL), 0);
}

static void child_remove(struct world *w)
{
	pci_host_remove(w->fake.env.pci, &w->child);
	pci_dev_fini(&w->child);
}

static void make(struct world *w, bool hotplug)
{
	const struct pcie_port_params params = {
	    .hotplug = hotplug,
	    .room = {.mem32 = {0, 4 << 20}, .mem64 = {0, 1ull << 33}},
	    .off = on_off,
	    .off_ctx = w,
	};
	struct err err = {0};

	if (pcie_port_create(&w->fake.env, at, &params, &err, &w->port))
		fail_msg("%s", err.msg);
	w->exp = find_cap(w, PCI_CAP_ID_EXP);
	assert_int_not_equal(w->exp, 0);
	fake_cfg_write(&w->fake, at, PCI_PRIMARY_BUS, 4, BUS << 8 | BUS << 16);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_init("test", LOG_ERROR);
	fake_init(&w->fake);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	pci_host_destroy(w->fake.env.pci);
	w->fake.env.pci = NULL;
	if (w->child.cfg)
		pci_dev_fini(&w->child);
	fake_fini(&w->fake);
	free(w);
	return 0;
}

static uint16_t child_id(struct world *w)
{
	return (uint16_t)fake_cfg_read(&w->fake, child_at, 0, 2);
}

static void test_fixed_port(void **state)
{
	struct world *w = *state;

	make(w, false);
	assert_true(pcie_port_is(w->port));
	assert_false(pcie_port_has_hotplug(w->port));
	child_add(w);
	assert_int_equal(child_id(w), 0xffff); /* the link is not up yet */
	pcie_port_settle(w->port);
	assert_int_equal(child_id(w), 0x1234);
	assert_int_equal(fake_cfg_read(&w->fake, at, 0x08, 4) >> 8, 0x060400);
	assert_int_equal(fake_cfg_read(&w->fake, at, 0x0e, 1), 1);
	/* The speed and width of what is behind it. */
	assert_int_equal(rd(w, PCI_EXP_LNKCAP) & 0x3ff, 0x84);
	assert_int_equal(rd(w, PCI_EXP_LNKSTA) & 0x3ff, LINK);
	assert_int_equal(rd(w, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA,
			 PCI_EXP_LNKSTA_DLLLA);
	assert_int_equal(rd(w, PCI_EXP_LNKCAP2), 0x1e);
	assert_int_equal(rd(w, PCI_EXP_SLTCAP) & PCI_EXP_SLTCAP_HPC, 0);
	/* Power cannot be switched, nobody lets go. */
	wr(w, PCI_EXP_SLTCTL, 0xffff);
	assert_int_equal(rd(w, PCI_EXP_SLTCTL), 0);
	assert_int_equal(child_id(w), 0x1234);
	assert_int_equal(w->offs, 0);
	/* The link can be disabled. */
	wr(w, PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_LD);
	assert_int_equal(child_id(w), 0xffff);
	wr(w, PCI_EXP_LNKCTL, 0);
	assert_int_equal(child_id(w), 0x1234);
}

/* What OVMF and SeaBIOS look for behind a port with these ids. */
static void test_reservation(void **state)
{
	struct world *w = *state;
	unsigned off;

	make(w, true);
	off = find_cap(w, PCI_CAP_ID_VNDR);
	assert_int_not_equal(off, 0);
	assert_int_equal(fake_cfg_read(&w->fake, at, 0, 4), 0x000c1b36);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 2, 2), 0x0120);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 4, 4), UINT32_MAX);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 8, 4), 0);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 16, 4), 4 << 20);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 20, 4), UINT32_MAX);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 24, 4), 0);
	assert_int_equal(fake_cfg_read(&w->fake, at, off + 28, 4), 2);
}

/* Events as level interrupts: MSI is off. */
static bool line(struct world *w)
{
	return w->fake.line[pci_swizzle_gsi(6, 1)];
}

static void enable_events(struct world *w, uint16_t more)
{
	wr(w, PCI_EXP_SLTCTL,
	   (uint16_t)(PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_DLLSCE |
		      PCI_EXP_SLTCTL_HPIE | more));
	wr(w, PCI_EXP_SLTSTA, 0xffff);
}

static void test_coming_and_going(void **state)
{
	struct world *w = *state;
	const uint16_t off = PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF;

	make(w, true);
	pcie_port_settle(w->port);
	assert_int_equal(rd(w, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS, 0);
	assert_true(rd(w, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PCC);
	enable_events(w, off);
	assert_int_equal(w->offs, 0); /* an empty slot lets go of nothing */
	assert_false(line(w));
	/* It is plugged in: the guest hears of it, and finds it after power. */
	child_add(w);
	pcie_port_plug(w->port);
	assert_true(line(w));
	assert_int_equal(rd(w, PCI_EXP_SLTSTA) & (EVENTS | PCI_EXP_SLTSTA_PDS),
			 PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC |
			     PCI_EXP_SLTSTA_PDS);
	assert_int_equal(child_id(w), 0xffff);
	wr(w, PCI_EXP_SLTSTA, EVENTS);
	assert_false(line(w));
	enable_events(w, PCI_EXP_SLTCTL_PWR_IND_BLINK);
	assert_true(rd(w, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA);
	assert_int_equal(child_id(w), 0x1234);
	enable_events(w, PCI_EXP_SLTCTL_PWR_IND_ON);
	/* The button; the guest switches off in two steps. */
	pcie_port_press(w->port);
	assert_true(line(w));
	wr(w, PCI_EXP_SLTSTA, EVENTS);
	enable_events(w, PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_PCC);
	assert_int_equal(w->offs, 0);
	assert_int_equal(child_id(w), 0xffff);
	enable_events(w, off);
	assert_int_equal(w->offs, 1);
	child_remove(w);
	pcie_port_unplug(w->port);
	assert_int_equal(rd(w, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS, 0);
	assert_int_equal(rd(w, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA, 0);
}

static void test_torn_out(void **state)
{
	struct world *w = *state;

	make(w, true);
	child_add(w);
	pcie_port_settle(w->port);
	assert_int_equal(child_id(w), 0x1234);
	enable_events(w, PCI_EXP_SLTCTL_PWR_IND_ON);
	child_remove(w);
	pcie_port_unplug(w->port);
	assert_true(line(w));
	assert_int_equal(rd(w, PCI_EXP_SLTSTA) & (EVENTS | PCI_EXP_SLTSTA_PDS),
			 PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(child_id(w), 0xffff);
	/* Power off of a slot that is empty already. */
	enable_events(w, PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC);
	assert_int_equal(w->offs, 0);
	assert_false(line(w));
}

static void test_commands_complete(void **state)
{
	struct world *w = *state;

	make(w, true);
	pcie_port_settle(w->port);
	wr(w, PCI_EXP_SLTCTL,
	   PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_PCC);
	assert_true(line(w));
	assert_true(rd(w, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_CC);
	wr(w, PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_CC);
	assert_false(line(w));
	/* The interrupt goes with its enable bit. */
	wr(w, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_PCC);
	assert_false(line(w));
	assert_true(rd(w, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_CC);
}

/* With MSI one message says what happens until the guest has seen to it. */
static void test_messages(void **state)
{
	struct world *w = *state;
	unsigned msi;

	make(w, true);
	pcie_port_settle(w->port);
	msi = find_cap(w, PCI_CAP_ID_MSI);
	fake_cfg_write(&w->fake, at, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	fake_cfg_write(&w->fake, at, msi + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	fake_cfg_write(&w->fake, at, msi + PCI_MSI_FLAGS, 2,
		       PCI_MSI_FLAGS_ENABLE);
	enable_events(w, PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
	assert_int_equal(w->fake.messages, 0);
	child_add(w);
	pcie_port_plug(w->port);
	assert_int_equal(w->fake.messages, 1);
	pcie_port_press(w->port);
	assert_int_equal(w->fake.messages, 1);
	wr(w, PCI_EXP_SLTSTA, EVENTS);
	pcie_port_press(w->port);
	assert_int_equal(w->fake.messages, 2);
	assert_false(line(w));
}

static void test_model(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	struct cfg *node;

	fake_set(&w->fake, "pci.0.6.0.mem64", "16G");
	node = cfg_find(w->fake.env.root, "pci.0.6.0");
	assert_int_equal(pcie_port_model.create(&w->fake.env, at, node, &err),
			 0);
	fake_set(&w->fake, "pci.0.7.0.mem32", "some");
	node = cfg_find(w->fake.env.root, "pci.0.7.0");
	assert_int_equal(pcie_port_model.create(&w->fake.env,
						(struct pci_addr){0, 7, 0},
						node, &err),
			 -EINVAL);
	assert_string_equal(err.msg, "pcie-port: mem32=some: not a size; write"
				     " for example 64M or 16G");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_fixed_port),
	    T(test_reservation),
	    T(test_coming_and_going),
	    T(test_torn_out),
	    T(test_commands_complete),
	    T(test_messages),
	    T(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
