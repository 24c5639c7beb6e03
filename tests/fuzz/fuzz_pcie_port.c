/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes ports and what is behind them, the way a guest reaches them: config
 * accesses of any bus, device and function, bus numbers, windows and slot
 * registers of any value, while devices are plugged, torn out and asked for.
 *
 * Checked besides memory: an access of a bus number that no port has finds
 * nothing, a BAR is decoded only inside its port's windows, and all lines are
 * let go of at the end.
 */
#include "base/log.h"
#include "dev/pcie_port.h"
#include "fakes.h"
#include "feed.h"

#define PORTS 2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct card {
	struct pci_dev pci;
	bool in;
};

struct world {
	struct fake fake;
	struct pci_dev *port[PORTS];
	struct card card[PORTS];
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const struct pci_ops card_ops = {0};

static void plug(struct world *w, unsigned n)
{
	struct pci_dev *dev = &w->card[n].pci;

	if (w->card[n].in)
		return;
	if (!dev->cfg) {
		must(!pci_dev_init(dev, w->port[n]->addr, "card", &card_ops,
				   NULL));
		dev->upstream = w->port[n];
		pci_set16(dev, 0, (uint16_t)(0x1000 + n));
		must(!pci_add_bar(dev, 0, PCI_BAR_MEM32, 0x4000, false));
		must(!pci_add_bar(dev, 1, PCI_BAR_IO, 32, false));
		must(!pci_add_bar(dev, 2, PCI_BAR_MEM64, 1 << 24, true));
		must(pci_add_cap(dev, PCI_CAP_ID_EXP, 60) > 0);
	}
	must(!pci_host_add(w->fake.env.pci, dev, NULL));
	w->card[n].in = true;
	pcie_port_plug(w->port[n]);
}

static void tear(struct world *w, unsigned n)
{
	if (!w->card[n].in)
		return;
	pci_host_remove(w->fake.env.pci, &w->card[n].pci);
	w->card[n].in = false;
	pcie_port_unplug(w->port[n]);
}

static void check(struct world *w)
{
	unsigned n, i;

	for (n = 0; n < PORTS; n++) {
		const struct pci_dev *port = w->port[n];

		for (i = 0; i < PCI_BARS && w->card[n].pci.cfg; i++) {
			const struct pci_bar *bar = &w->card[n].pci.bar[i];

			must(!bar->mapped || w->card[n].in);
			must(!bar->mapped ||
			     (pci_cfg16(port, PCI_COMMAND) &
			      (bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO
						       : PCI_COMMAND_MEMORY)));
		}
	}
}

static struct pci_addr pick(struct world *w, struct feed *feed)
{
	uint8_t how = feed_u8(feed);
	unsigned n = how & 1;

	switch (how % 3) {
	case 0:
		return w->port[n]->addr;
	case 1:
		return (struct pci_addr){pci_bridge_secondary(w->port[n]), 0,
					 (how >> 4) & 1};
	default:
		return (struct pci_addr){feed_u8(feed), how >> 3,
					 feed_u8(feed) & 7};
	}
}

static void access_config(struct world *w, struct feed *feed, bool write)
{
	struct pci_addr at = pick(w, feed);
	unsigned size = 1u << feed_u8(feed) % 3;
	unsigned off = feed_u8(feed) & ~(size - 1);
	uint32_t v;

	if (write) {
		fake_cfg_write(&w->fake, at, off, size, feed_u32(feed));
		return;
	}
	v = fake_cfg_read(&w->fake, at, off, size);
	if (at.bus && at.bus != pci_bridge_secondary(w->port[0]) &&
	    at.bus != pci_bridge_secondary(w->port[1]))
		must(v == (size == 4 ? UINT32_MAX : (1u << 8 * size) - 1));
}

static void run(struct world *w, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);
		unsigned n = op >> 7;

		switch (op & 7) {
		case 0:
			plug(w, n);
			break;
		case 1:
			tear(w, n);
			break;
		case 2:
			pcie_port_press(w->port[n]);
			break;
		case 3:
		case 4:
			access_config(w, feed, false);
			break;
		default:
			access_config(w, feed, true);
		}
		check(w);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct pcie_port_params params = {0};
	CLEANUP_FREE struct world *w = calloc(1, sizeof(*w));
	unsigned i;

	log_init("fuzz_pcie_port", LOG_ERROR);
	fake_init(&w->fake);
	for (i = 0; i < PORTS; i++) {
		params.hotplug = i == 0;
		must(!pcie_port_create(
		    &w->fake.env, (struct pci_addr){0, (uint8_t)(3 + i), 0},
		    &params, NULL, &w->port[i]));
		pcie_port_settle(w->port[i]);
	}
	run(w, &feed);
	for (i = 0; i < PORTS; i++)
		tear(w, i);
	pci_host_destroy(w->fake.env.pci);
	w->fake.env.pci = NULL;
	for (i = 0; i < PORTS; i++)
		pci_dev_fini(&w->card[i].pci);
	fake_fini(&w->fake);
	return 0;
}
