/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DSDT: root buses, interrupt routing, ISA devices, processors.
 *
 *	\PICM, \_PIC		interrupt model the guest chose
 *	\_S5			power-off
 *	\_SB.PRTA, \_SB.PRTP	routing of every root bus: APIC and PIC mode
 *	\_SB.LNKA..LNKH		PIRQ links (PIC mode), registers in the LPC
 *	\_SB.PCnn		root bus nn (hexadecimal)
 *	\_SB.PC00.LPC		ISA devices
 *	\_SB.PC00.FWCF		fw_cfg, when firmware boots
 *	\_SB.MBRD, HPET, TPM	what lies outside of the buses
 *	\_SB.Cnnn		processors
 */
#include <string.h>

#include "dev/tpm/crb.h"
#include "machine/acpi.h"
#include "machine/aml.h"
#include "spec/fw_cfg.h"
#include "spec/hpet.h"

#define LINKS		  IRQ_PIRQS
#define LINK_IRQS	  0xdef8 /* 3-7, 9-12, 14, 15 */
#define LINK_DISABLED	  0x80	 /* of a PIRQ register */
#define SLOTS		  32u
#define PINS		  4u
#define IRQ_MASK(irq)	  ((uint16_t)(1u << (irq)))
#define PM_PORTS	  0x80
#define LEGACY_IO_LAST	  0xcf7 /* cf8-cff is the bridge's own */
#define LEGACY_IO_RESUMES 0xd00

static void device(struct aml *a, const char *name, const char *eisa_id)
{
	aml_device(a, name);
	aml_name(a, "_HID");
	aml_eisa_id(a, eisa_id);
}

static void name_int(struct aml *a, const char *name, uint64_t value)
{
	aml_name(a, name);
	aml_int(a, value);
}

/* ---- interrupt routing ---- */

static unsigned link_of(unsigned slot, unsigned pin)
{
	return pci_swizzle_gsi(slot, pin + 1) - IRQ_PIRQ_FIRST;
}

static void link_name(unsigned link, char ret_name[5])
{
	memcpy(ret_name, "LNKA", 5);
	ret_name[3] = (char)('A' + link);
}

static void routing_entry(struct aml *a, unsigned slot, unsigned pin, bool apic)
{
	char link[5];

	aml_package(a, 4);
	aml_int(a, slot << 16 | 0xffff); /* any function */
	aml_int(a, pin);
	if (apic) {
		aml_int(a, 0);
		aml_int(a, IRQ_PIRQ_FIRST + link_of(slot, pin));
	} else {
		link_name(link_of(slot, pin), link);
		aml_ref(a, link);
		aml_int(a, 0);
	}
	aml_close(a);
}

/*
 * GSI (APIC mode) or link (PIC mode) of each pin of the slots that any bus
 * uses: a guest walks the whole table for each device it starts.
 */
static void routing_table(struct aml *a, const struct machine_desc *desc,
			  const char *name, bool apic)
{
	uint32_t slots = 0;
	unsigned i, pin;

	for (i = 0; i < desc->bus_count; i++)
		slots |= desc->buses[i].slots;
	aml_name(a, name);
	aml_package(a, (uint8_t)(PINS * (unsigned)__builtin_popcount(slots)));
	for (i = 0; i < SLOTS; i++)
		for (pin = 0; slots & BIT(i) && pin < PINS; pin++)
			routing_entry(a, i, pin, apic);
	aml_close(a);
}

/* Method (LSTA, 1): status of a link whose register holds Arg0. */
static void link_status(struct aml *a)
{
	aml_method(a, "LSTA", 1, false);
	aml_if(a);
	aml_op(a, AML_AND);
	aml_op(a, AML_ARG0);
	aml_int(a, LINK_DISABLED);
	aml_op(a, AML_NO_TARGET);
	aml_op(a, AML_RETURN);
	aml_int(a, 0x9); /* present and working, not decoding */
	aml_close(a);
	aml_op(a, AML_RETURN);
	aml_int(a, 0xb);
	aml_close(a);
}

/* Method (LCRS, 1): current resources of a link whose register holds Arg0. */
static void link_current(struct aml *a)
{
	aml_method(a, "LCRS", 1, true);
	aml_name(a, "BUF");
	aml_resources(a);
	aml_res_irq_level(a, 0);
	aml_close(a);
	aml_op(a, AML_CREATE_WORD_FIELD);
	aml_ref(a, "BUF");
	aml_int(a, 1);
	aml_ref(a, "MASK");
	aml_if(a);
	aml_op(a, AML_LNOT);
	aml_op(a, AML_AND);
	aml_op(a, AML_ARG0);
	aml_int(a, LINK_DISABLED);
	aml_op(a, AML_NO_TARGET);
	aml_op(a, AML_AND);
	aml_op(a, AML_ARG0);
	aml_int(a, 0xf);
	aml_op(a, AML_LOCAL0);
	aml_op(a, AML_SHIFT_LEFT);
	aml_int(a, 1);
	aml_op(a, AML_LOCAL0);
	aml_ref(a, "MASK");
	aml_close(a);
	aml_op(a, AML_RETURN);
	aml_ref(a, "BUF");
	aml_close(a);
}

/* Method (LSRS, 2): IRQ number of the resources Arg0, or Arg1 for none. */
static void link_choose(struct aml *a)
{
	aml_method(a, "LSRS", 2, true);
	aml_op(a, AML_CREATE_WORD_FIELD);
	aml_op(a, AML_ARG0);
	aml_int(a, 1);
	aml_ref(a, "MASK");
	aml_op(a, AML_FIND_SET_RIGHT_BIT);
	aml_ref(a, "MASK");
	aml_op(a, AML_LOCAL0);
	aml_if(a);
	aml_op(a, AML_LNOT);
	aml_op(a, AML_LOCAL0);
	aml_op(a, AML_RETURN);
	aml_op(a, AML_ARG1);
	aml_close(a);
	aml_op(a, AML_DECREMENT);
	aml_op(a, AML_LOCAL0);
	aml_op(a, AML_RETURN);
	aml_op(a, AML_LOCAL0);
	aml_close(a);
}

/* Method (name, 0) { Return (helper (reg)) } */
static void link_getter(struct aml *a, const char *name, const char *helper,
			const char *reg)
{
	aml_method(a, name, 0, false);
	aml_op(a, AML_RETURN);
	aml_ref(a, helper);
	aml_ref(a, reg);
	aml_close(a);
}

static void link_device(struct aml *a, unsigned link)
{
	char name[5], reg[] = "\\_SB.PC00.LPC.PIRA";

	link_name(link, name);
	reg[sizeof(reg) - 2] = name[3];
	device(a, name, "PNP0C0F");
	name_int(a, "_UID", link + 1);
	aml_name(a, "_PRS");
	aml_resources(a);
	aml_res_irq_level(a, LINK_IRQS);
	aml_close(a);
	link_getter(a, "_STA", "LSTA", reg);
	link_getter(a, "_CRS", "LCRS", reg);
	aml_method(a, "_DIS", 0, false);
	aml_op(a, AML_STORE);
	aml_int(a, LINK_DISABLED);
	aml_ref(a, reg);
	aml_close(a);
	aml_method(a, "_SRS", 1, false);
	aml_op(a, AML_STORE);
	aml_ref(a, "LSRS");
	aml_op(a, AML_ARG0);
	aml_ref(a, reg);
	aml_ref(a, reg);
	aml_close(a);
	aml_close(a);
}

static void interrupt_links(struct aml *a, const struct machine_desc *desc)
{
	unsigned i;

	link_status(a);
	link_current(a);
	link_choose(a);
	for (i = 0; i < LINKS; i++)
		link_device(a, i);
	routing_table(a, desc, "PRTP", false);
}

/* ---- root buses ---- */

static void dword_field(struct aml *a, unsigned at, const char *name)
{
	aml_op(a, AML_CREATE_DWORD_FIELD);
	aml_op(a, AML_ARG3);
	aml_int(a, at);
	aml_ref(a, name);
}

/* CDW1 |= bits: what _OSC reports back. */
static void osc_report(struct aml *a, unsigned bits)
{
	aml_op(a, AML_OR);
	aml_ref(a, "CDW1");
	aml_int(a, bits);
	aml_ref(a, "CDW1");
}

static void if_not_equal(struct aml *a, enum aml_op variable)
{
	aml_if(a);
	aml_op(a, AML_LNOT);
	aml_op(a, AML_LEQUAL);
	aml_op(a, variable);
}

/*
 * Method (OSC, 4): what every root bus answers to _OSC. All controls a guest
 * may want over PCI Express are granted, except those of hardware that is not
 * there (standard hot-plug controller); else Linux would not use the
 * capabilities' own registers.
 */
static void osc_method(struct aml *a)
{
	static const uint8_t pci_uuid[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f,
					     0x1c, 0x40, 0x96, 0x57, 0x74, 0x41,
					     0xc0, 0x3d, 0xd7, 0x66};
	/* Native hot-plug, PME, AER, capability structure, LTR. */
	const uint8_t granted = 0x3d;

	aml_method(a, "OSC", 4, true);
	dword_field(a, 0, "CDW1");
	if_not_equal(a, AML_ARG0);
	aml_bytes(a, pci_uuid, sizeof(pci_uuid));
	osc_report(a, 0x04); /* not our UUID */
	aml_op(a, AML_RETURN);
	aml_op(a, AML_ARG3);
	aml_close(a);
	dword_field(a, 8, "CDW3");
	aml_op(a, AML_AND);
	aml_ref(a, "CDW3");
	aml_int(a, granted);
	aml_op(a, AML_LOCAL0);
	if_not_equal(a, AML_LOCAL0);
	aml_ref(a, "CDW3");
	osc_report(a, 0x10); /* some bits were cleared */
	aml_close(a);
	if_not_equal(a, AML_ARG1);
	aml_int(a, 1);
	osc_report(a, 0x08); /* not a revision we know */
	aml_close(a);
	aml_op(a, AML_STORE);
	aml_op(a, AML_LOCAL0);
	aml_ref(a, "CDW3");
	aml_op(a, AML_RETURN);
	aml_op(a, AML_ARG3);
	aml_close(a);
}

/* Ports below the windows of all buses belong to bus 0: ISA devices. */
static void legacy_io(struct aml *a, const struct machine_desc *desc)
{
	uint64_t end = 0x10000;
	unsigned i;

	for (i = 0; i < desc->bus_count; i++) {
		const struct pci_window *io = &desc->buses[i].windows.io;

		if (io->size)
			end = MIN(end, io->base);
	}
	aml_res_io(a, 0xcf8, 8);
	aml_res_io_window(a, 0, LEGACY_IO_LAST);
	if (end > LEGACY_IO_RESUMES)
		aml_res_io_window(a, LEGACY_IO_RESUMES, (uint16_t)(end - 1));
}

static void bus_resources(struct aml *a, const struct machine_desc *desc,
			  const struct desc_bus *bus)
{
	const struct pci_windows *w = &bus->windows;

	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_bus_window(a, bus->bus,
			   bus->last > bus->bus ? bus->last : bus->bus);
	if (bus->bus == 0)
		legacy_io(a, desc);
	if (w->io.size)
		aml_res_io_window(a, (uint16_t)w->io.base,
				  (uint16_t)(w->io.base + w->io.size - 1));
	if (w->mem32.size)
		aml_res_mem32_window(
		    a, (uint32_t)w->mem32.base,
		    (uint32_t)(w->mem32.base + w->mem32.size - 1));
	if (w->mem64.size)
		aml_res_mem64_window(a, w->mem64.base,
				     w->mem64.base + w->mem64.size - 1);
	aml_close(a);
}

static void bus_routing(struct aml *a, bool has_lpc)
{
	aml_method(a, "_PRT", 0, false);
	if (has_lpc) {
		aml_if(a);
		aml_op(a, AML_LNOT);
		aml_ref(a, "PICM");
		aml_op(a, AML_RETURN);
		aml_ref(a, "PRTP");
		aml_close(a);
	}
	aml_op(a, AML_RETURN);
	aml_ref(a, "PRTA");
	aml_close(a);
}

static void root_bus(struct aml *a, const struct machine_desc *desc,
		     const struct desc_bus *bus)
{
	char name[5];

	snprintf(name, sizeof(name), "PC%02X", bus->bus);
	device(a, name, "PNP0A08"); /* PCI Express */
	aml_name(a, "_CID");
	aml_eisa_id(a, "PNP0A03"); /* PCI */
	name_int(a, "_UID", bus->bus);
	name_int(a, "_BBN", bus->bus);
	bus_resources(a, desc, bus);
	bus_routing(a, desc->has_lpc);
	aml_method(a, "_OSC", 4, false);
	aml_op(a, AML_RETURN);
	aml_ref(a, "OSC");
	aml_op(a, AML_ARG0);
	aml_op(a, AML_ARG1);
	aml_int(a, 0); /* the count of dwords: not looked at */
	aml_op(a, AML_ARG3);
	aml_close(a);
	aml_close(a);
}

/* ---- ISA devices ---- */

/* A device with one range of ports (or two) and one interrupt. */
struct isa_device {
	const char *name, *id;
	uint16_t port, port2;
	uint8_t len, len2;
	uint8_t irq;
	uint8_t uid; /* 0: none */
};

static void isa_device(struct aml *a, const struct isa_device *isa)
{
	device(a, isa->name, isa->id);
	if (isa->uid)
		name_int(a, "_UID", isa->uid);
	aml_name(a, "_CRS");
	aml_resources(a);
	if (isa->len)
		aml_res_io(a, isa->port, isa->len);
	if (isa->len2)
		aml_res_io(a, isa->port2, isa->len2);
	aml_res_irq(a, IRQ_MASK(isa->irq));
	aml_close(a);
	aml_close(a);
}

static void pirq_registers(struct aml *a)
{
	char name[] = "PIRA";
	unsigned i;

	aml_pci_region(a, "PRR", 0x60, 0x0c);
	aml_byte_field(a, "PRR");
	for (i = 0; i < LINKS; i++) {
		if (i == 4)
			aml_field_skip(a, 32); /* 64-67 */
		name[3] = (char)('A' + i);
		aml_field_unit(a, name, 8);
	}
	aml_close(a);
}

/* Ports of the board that no other device claims. */
static void isa_board(struct aml *a, const struct machine_desc *desc)
{
	device(a, "SIO", "PNP0C02");
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_io(a, 0x61, 1); /* NMI status, speaker */
	aml_res_io(a, 0x80, 1); /* progress codes */
	aml_res_io(a, 0x84, 1);
	aml_res_io(a, 0x92, 1);	 /* A20, fast reset */
	aml_res_io(a, 0xb2, 2);	 /* SMI command */
	aml_res_io(a, 0x4d0, 2); /* edge/level control */
	aml_res_io(a, desc->pm_base, PM_PORTS);
	aml_close(a);
	aml_close(a);
}

static void lpc_bridge(struct aml *a, const struct machine_desc *desc)
{
	static const struct isa_device always[] = {
	    {"PIC", "PNP0000", 0x20, 0xa0, 2, 2, .irq = 2},
	    {"TIMR", "PNP0100", 0x40, 0, 4, 0, .irq = 0},
	    {"RTC", "PNP0B00", 0x70, 0, 2, 0, .irq = 8},
	};
	static const struct isa_device i8042[] = {
	    {"KBD", "PNP0303", 0x60, 0x64, 1, 1, .irq = 1},
	    {"MOU", "PNP0F13", .irq = 12},
	};
	static const struct isa_device com[] = {
	    {"COM1", "PNP0501", 0x3f8, 0, 8, 0, .irq = 4, .uid = 1},
	    {"COM2", "PNP0501", 0x2f8, 0, 8, 0, .irq = 3, .uid = 2},
	    {"COM3", "PNP0501", 0x3e8, 0, 8, 0, .irq = 4, .uid = 3},
	    {"COM4", "PNP0501", 0x2e8, 0, 8, 0, .irq = 3, .uid = 4},
	};
	unsigned i;

	aml_device(a, "LPC");
	name_int(a, "_ADR",
		 (uint64_t)desc->lpc_addr.slot << 16 | desc->lpc_addr.func);
	pirq_registers(a);
	isa_board(a, desc);
	for (i = 0; i < ARRAY_LEN(always); i++)
		isa_device(a, &always[i]);
	for (i = 0; desc->has_i8042 && i < ARRAY_LEN(i8042); i++)
		isa_device(a, &i8042[i]);
	for (i = 0; i < ARRAY_LEN(com); i++)
		if (desc->coms & BIT(i))
			isa_device(a, &com[i]);
	aml_close(a);
}

/* Guests with a driver read what -f gave them; the others need not know. */
static void fwcfg_device(struct aml *a, const struct machine_desc *desc)
{
	if (!desc->has_fwcfg)
		return;
	aml_device(a, "FWCF");
	aml_name(a, "_HID");
	aml_string(a, "QEMU0002");
	aml_name(a, "_STA");
	aml_int(a, 0x0b); /* present and working, not shown */
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_io(a, FW_CFG_PORT_SELECT,
		   FW_CFG_PORTS_END - FW_CFG_PORT_SELECT);
	aml_close(a);
	aml_close(a);
}

/* ---- the rest ---- */

/* Linux uses ECAM only when a device like this one reserves it. */
static void motherboard(struct aml *a, const struct machine_desc *desc)
{
	if (!desc->ecam_base)
		return;
	device(a, "MBRD", "PNP0C02");
	name_int(a, "_UID", 1);
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_memory(a, (uint32_t)desc->ecam_base, DESC_ECAM_BYTES);
	aml_close(a);
	aml_close(a);
}

static void hpet_device(struct aml *a, const struct machine_desc *desc)
{
	if (!desc->hpet_block_id)
		return;
	device(a, "HPET", "PNP0103");
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_memory(a, HPET_BASE, HPET_BYTES);
	aml_close(a);
	aml_close(a);
}

static void tpm_device(struct aml *a, const struct tpm_acpi *tpm)
{
	if (!tpm)
		return;
	aml_device(a, "TPM");
	aml_name(a, "_HID");
	aml_string(a, tpm->hid);
	aml_name(a, "_STA");
	aml_int(a, 0x0f);
	aml_name(a, "_CRS");
	aml_resources(a);
	aml_res_memory(a, tpm->memory_base, tpm->memory_size);
	aml_close(a);
	aml_close(a);
}

static void processors(struct aml *a, const struct machine_desc *desc)
{
	char name[8];
	unsigned i;

	for (i = 0; i < desc->cpus; i++) {
		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		aml_device(a, name);
		aml_name(a, "_HID");
		aml_string(a, "ACPI0007");
		name_int(a, "_UID", i);
		aml_close(a);
	}
}

static void interrupt_model(struct aml *a)
{
	name_int(a, "PICM", 0);
	aml_method(a, "_PIC", 1, false);
	aml_op(a, AML_STORE);
	aml_op(a, AML_ARG0);
	aml_ref(a, "PICM");
	aml_close(a);
}

static void power_off(struct aml *a)
{
	unsigned i;

	aml_name(a, "_S5");
	aml_package(a, 4);
	for (i = 0; i < 4; i++)
		aml_int(a, i == 0 ? 5 : 0); /* SLP_TYP of PM1a */
	aml_close(a);
}

void acpi_dsdt_build(const struct machine_desc *desc, struct tbuf *out)
{
	struct aml aml, *a = &aml;
	unsigned i;

	aml_init(a, out);
	interrupt_model(a);
	power_off(a);
	aml_scope(a, "\\_SB");
	osc_method(a);
	routing_table(a, desc, "PRTA", true);
	for (i = 0; i < desc->bus_count; i++)
		root_bus(a, desc, &desc->buses[i]);
	if (desc->has_lpc) {
		aml_scope(a, "PC00");
		lpc_bridge(a, desc);
		fwcfg_device(a, desc);
		aml_close(a);
		interrupt_links(a, desc);
	}
	motherboard(a, desc);
	hpet_device(a, desc);
	tpm_device(a, desc->tpm);
	processors(a, desc);
	aml_close(a);
}
