/* SPDX-License-Identifier: BSD-2-Clause */
/* A fake interrupt controller that counts, and a host bridge on it. */
#ifndef TESTS_BUS_FAKES_H
#define TESTS_BUS_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bus/pci.h"

struct fake_irq {
	struct irq_ctl ctl;
	bool line[IRQ_LINES];
	unsigned changes[IRQ_LINES];
	unsigned messages;
	struct irq_msg last;
};

static inline void fake_line_set(void *ctx, unsigned gsi, bool level)
{
	struct fake_irq *irq = ctx;

	irq->line[gsi] = level;
	irq->changes[gsi]++;
}

static inline int fake_msi_send(void *ctx, struct irq_msg msg)
{
	struct fake_irq *irq = ctx;

	irq->messages++;
	irq->last = msg;
	return 0;
}

static inline void fake_irq_init(struct fake_irq *irq)
{
	static const struct irq_ops ops = {
	    .line_set = fake_line_set,
	    .msi_send = fake_msi_send,
	};

	*irq = (struct fake_irq){.ctl = {.ops = &ops, .ctx = irq}};
}

struct fake_bus {
	struct aspace *pio, *mmio;
	struct fake_irq irq;
	struct irq_shared *lines;
	struct pci_host *host;
};

#define FAKE_ECAM 0xe0000000ull

static inline void fake_bus_init(struct fake_bus *bus)
{
	struct pci_host_params params;
	struct err err;

	memset(bus, 0, sizeof(*bus));
	fake_irq_init(&bus->irq);
	assert_int_equal(aspace_create("pio", 0x10000, &bus->pio), 0);
	assert_int_equal(aspace_create("mmio", 1ull << 52, &bus->mmio), 0);
	assert_int_equal(irq_shared_create(&bus->irq.ctl, &bus->lines), 0);
	params = (struct pci_host_params){
	    .pio = bus->pio,
	    .mmio = bus->mmio,
	    .irq = &bus->irq.ctl,
	    .lines = bus->lines,
	    .ecam_base = FAKE_ECAM,
	};
	assert_int_equal(pci_host_create(&params, &err, &bus->host), 0);
}

static inline void fake_bus_fini(struct fake_bus *bus)
{
	pci_host_destroy(bus->host);
	irq_shared_destroy(bus->lines);
	aspace_destroy(bus->pio);
	aspace_destroy(bus->mmio);
}

/* Config access the way a guest does it, through mechanism #1. */
static inline uint32_t fake_cfg_read(struct fake_bus *bus, struct pci_addr a,
				     unsigned off, unsigned size)
{
	uint64_t v;

	(void)aspace_write(bus->pio, 0xcf8, 4,
			   0x80000000u | (uint32_t)a.bus << 16 |
			       (uint32_t)a.slot << 11 | (uint32_t)a.func << 8 |
			       (off & 0xfc));
	(void)aspace_read(bus->pio, 0xcfc + (off & 3), size, &v);
	return (uint32_t)v;
}

static inline void fake_cfg_write(struct fake_bus *bus, struct pci_addr a,
				  unsigned off, unsigned size, uint32_t value)
{
	(void)aspace_write(bus->pio, 0xcf8, 4,
			   0x80000000u | (uint32_t)a.bus << 16 |
			       (uint32_t)a.slot << 11 | (uint32_t)a.func << 8 |
			       (off & 0xfc));
	(void)aspace_write(bus->pio, 0xcfc + (off & 3), size, value);
}

#endif
