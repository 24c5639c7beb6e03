/* SPDX-License-Identifier: BSD-2-Clause */
/* The MP configuration table; the contract is in mptable.h. */
#include "machine/mptable.h"

#include <stddef.h>
#include <string.h>

#define SPEC_REV       4 /* 1.4 */
#define LAPIC_VERSION  0x14
#define IOAPIC_VERSION 0x11
#define IOAPIC_ID      0
#define CPU_SIGNATURE  0x600 /* family 6 */
#define CPU_FEATURES   0x201 /* FPU and APIC on the chip */
#define PROCESSORS_MAX 255u
#define SLOTS	       32u
#define PINS	       4u
#define ISA_IRQS       16u

struct builder {
	const struct machine_desc *desc;
	struct tbuf *out;
	uint16_t entries;
};

static void add_entry(struct builder *b, const void *entry, size_t len)
{
	tbuf_add(b->out, entry, len);
	b->entries++;
}

static void add_processors(struct builder *b)
{
	unsigned i;

	for (i = 0; i < b->desc->cpus && i < PROCESSORS_MAX; i++) {
		const struct mps_processor cpu = {
		    .type = MPS_PROCESSOR,
		    .apic_id = (uint8_t)i,
		    .apic_version = LAPIC_VERSION,
		    .cpu_flags =
			MPS_CPU_ENABLED | (i == 0 ? MPS_CPU_BOOTSTRAP : 0),
		    .signature = CPU_SIGNATURE,
		    .features = CPU_FEATURES,
		};

		add_entry(b, &cpu, sizeof(cpu));
	}
}

static void add_bus(struct builder *b, uint8_t id, const char name[6])
{
	struct mps_bus bus = {.type = MPS_BUS, .id = id};

	memcpy(bus.name, name, sizeof(bus.name));
	add_entry(b, &bus, sizeof(bus));
}

/* PCI buses keep their numbers; the ISA bus takes the first free one. */
static unsigned add_buses(struct builder *b)
{
	bool used[DESC_BUSES_MAX + 1] = {false};
	unsigned i, isa = 0;

	for (i = 0; i < b->desc->bus_count; i++) {
		add_bus(b, b->desc->buses[i].bus, "PCI   ");
		used[b->desc->buses[i].bus] = true;
	}
	while (used[isa])
		isa++;
	if (isa < DESC_BUSES_MAX)
		add_bus(b, (uint8_t)isa, "ISA   ");
	return isa;
}

static void add_ioapic(struct builder *b)
{
	const struct mps_ioapic ioapic = {
	    .type = MPS_IOAPIC,
	    .id = IOAPIC_ID,
	    .version = IOAPIC_VERSION,
	    .flags = 1, /* usable */
	    .address = DESC_IOAPIC_BASE,
	};

	add_entry(b, &ioapic, sizeof(ioapic));
}

static void add_interrupt(struct builder *b, struct mps_interrupt entry)
{
	add_entry(b, &entry, sizeof(entry));
}

static void add_isa_interrupts(struct builder *b, uint8_t isa)
{
	unsigned irq;

	for (irq = 0; irq < ISA_IRQS; irq++) {
		if (irq == 2)
			continue; /* the 8259s' cascade */
		add_interrupt(
		    b, (struct mps_interrupt){
			   .type = MPS_IO_INT,
			   .int_type = MPS_INT,
			   .flags = irq == DESC_SCI_IRQ
					? MPS_INT_ACTIVE_HIGH | MPS_INT_LEVEL
					: MPS_INT_CONFORMS,
			   .source_bus = isa,
			   .source_irq = (uint8_t)irq,
			   .dest_apic = IOAPIC_ID,
			   .dest_pin = irq == 0 ? 2 : (uint8_t)irq,
		       });
	}
}

static void add_pci_interrupts(struct builder *b, const struct desc_bus *bus)
{
	unsigned slot, pin;

	for (slot = 0; slot < SLOTS; slot++) {
		for (pin = 0; bus->slots & BIT(slot) && pin < PINS; pin++)
			add_interrupt(
			    b, (struct mps_interrupt){
				   .type = MPS_IO_INT,
				   .int_type = MPS_INT,
				   .flags = MPS_INT_CONFORMS,
				   .source_bus = bus->bus,
				   .source_irq = (uint8_t)(slot << 2 | pin),
				   .dest_apic = IOAPIC_ID,
				   .dest_pin =
				       (uint8_t)pci_swizzle_gsi(slot, pin + 1),
			       });
	}
}

/* The 8259s on LINT0, the NMI button on LINT1. */
static void add_local_interrupts(struct builder *b, uint8_t isa)
{
	struct mps_interrupt lint = {
	    .type = MPS_LOCAL_INT,
	    .int_type = MPS_EXTINT,
	    .source_bus = isa,
	    .dest_apic = MPS_ALL_LOCAL_APICS,
	};

	add_interrupt(b, lint);
	lint.int_type = MPS_NMI;
	lint.dest_pin = 1;
	add_interrupt(b, lint);
}

void mptable_build(const struct machine_desc *desc, struct tbuf *out)
{
	struct builder b = {.desc = desc, .out = out};
	const size_t start = out->len;
	struct mps_header header = {
	    .signature = {'P', 'C', 'M', 'P'},
	    .spec_rev = SPEC_REV,
	    .oem_id = {'B', 'Y', 'W', 'A', 'Y', ' ', ' ', ' '},
	    .product_id = {'V', 'I', 'R', 'T', 'U', 'A', 'L', ' ', 'P', 'C',
			   ' ', ' '},
	    .lapic_address = DESC_LAPIC_BASE,
	};
	unsigned isa, i;

	tbuf_add(out, &header, sizeof(header));
	add_processors(&b);
	isa = add_buses(&b);
	add_ioapic(&b);
	if (isa < DESC_BUSES_MAX)
		add_isa_interrupts(&b, (uint8_t)isa);
	for (i = 0; i < desc->bus_count; i++)
		add_pci_interrupts(&b, &desc->buses[i]);
	add_local_interrupts(&b, (uint8_t)isa);
	if (out->full)
		return;
	header.length = (uint16_t)(out->len - start);
	header.entry_count = b.entries;
	memcpy(out->data + start, &header, sizeof(header));
	out->data[start + offsetof(struct mps_header, checksum)] =
	    tbuf_checksum(out->data + start, out->len - start);
}

struct mps_pointer mptable_pointer(uint32_t address)
{
	struct mps_pointer p = {
	    .signature = {'_', 'M', 'P', '_'},
	    .table = address,
	    .length = 1,
	    .spec_rev = SPEC_REV,
	};

	p.checksum = tbuf_checksum((const uint8_t *)&p, sizeof(p));
	return p;
}
