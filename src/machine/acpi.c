/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables with fixed layouts; the contract is in acpi.h. */
#include "machine/acpi.h"

#include <stddef.h>
#include <string.h>

#include "dev/hpet.h"
#include "dev/tpm/crb.h"
#include "spec/hpet.h"

#define TABLES_ROOM KIB(128) /* more than there is below 1 MiB */

#define SCI_IRQ	     DESC_SCI_IRQ
#define SMI_CMD	     0xb2
#define ACPI_ENABLE  0xa0
#define ACPI_DISABLE 0xa1
/* From the base of the ACPI ports. */
#define PM1_CNT	      0x4
#define PM_TMR	      0x8
#define GPE0	      0xc
#define RESET_PORT    0x92 /* not cf9: writes there may be queued */
#define RESET_VALUE   0x01
#define CMOS_CENTURY  0x32
#define C2_NONE	      101 /* us: the deepest latency that means "none" */
#define C3_NONE	      1001
#define COM1_PORT     0x3f8
#define COM1_IRQ      4
#define IOAPIC_ID     0	  /* what KVM's I/O APIC answers after reset */
#define MADT_TYPES_ID 255 /* from here on local APICs need x2APIC entries */

static void add_fixup(struct acpi_blob *blob, bool in_rsdp, size_t at,
		      uint8_t size)
{
	if (blob->fixup_count < ACPI_FIXUPS_MAX)
		blob->fixups[blob->fixup_count++] = (struct acpi_fixup){
		    .in_rsdp = in_rsdp, .size = size, .at = (uint32_t)at};
	else
		blob->tables.full = true;
}

static void add_sum(struct acpi_blob *blob, struct acpi_sum sum)
{
	if (blob->sum_count < ACPI_SUMS_MAX)
		blob->sums[blob->sum_count++] = sum;
	else
		blob->tables.full = true;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = {
	    .revision = revision,
	    .oem_id = {'B', 'Y', 'W', 'A', 'Y', ' '},
	    .oem_table_id = {'B', 'W'},
	    .oem_revision = 1,
	    .creator_id = {'B', 'Y', 'W', 'Y'},
	    .creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_table_id + 2, signature, sizeof(h.signature));
	memset(h.oem_table_id + 6, ' ', 2);
	return h;
}

/* Writes the length of the table at `start`, whose last byte was added. */
static void finish_table(struct acpi_blob *blob, size_t start)
{
	struct tbuf *t = &blob->tables;

	if (t->full)
		return;
	tbuf_set_int(t->data + start + offsetof(struct acpi_header, length),
		     t->len - start, 4);
	add_sum(blob, (struct acpi_sum){
			  .at = (uint32_t)(start + offsetof(struct acpi_header,
							    checksum)),
			  .start = (uint32_t)start,
			  .len = (uint32_t)(t->len - start)});
	tbuf_align(t, 8);
}

/* A table that is one struct. */
static size_t add_table(struct acpi_blob *blob, const void *table, size_t len)
{
	size_t start = blob->tables.len;

	tbuf_add(&blob->tables, table, len);
	finish_table(blob, start);
	return start;
}

static size_t add_dsdt(struct acpi_blob *blob, const struct machine_desc *desc)
{
	struct acpi_header h = header("DSDT", 2);
	size_t start = blob->tables.len;

	tbuf_add(&blob->tables, &h, sizeof(h));
	acpi_dsdt_build(desc, &blob->tables);
	finish_table(blob, start);
	return start;
}

static size_t add_facs(struct acpi_blob *blob)
{
	struct acpi_facs facs = {
	    .signature = {'F', 'A', 'C', 'S'},
	    .length = sizeof(facs),
	    .version = 2,
	};
	size_t start;

	tbuf_align(&blob->tables, ACPI_FACS_ALIGN);
	start = blob->tables.len;
	tbuf_add(&blob->tables, &facs, sizeof(facs));
	return start;
}

static struct acpi_gas port(unsigned address, uint8_t bytes)
{
	return (struct acpi_gas){
	    .space = ACPI_SPACE_IO,
	    .bit_width = (uint8_t)(bytes * 8),
	    .access = bytes == 1   ? 1
		      : bytes == 2 ? 2
				   : 3,
	    .address = address,
	};
}

/* The event block is two registers of two bytes each, accessed as words. */
static struct acpi_gas event_block(unsigned address)
{
	struct acpi_gas gas = port(address, 2);

	gas.bit_width = 32;
	return gas;
}

static struct acpi_fadt fadt(const struct machine_desc *desc, size_t facs,
			     size_t dsdt)
{
	unsigned pm = desc->pm_base;
	struct acpi_gas gpe0 = port(pm + GPE0, 1);

	gpe0.bit_width = 16; /* one byte of status, one of enables */
	return (struct acpi_fadt){
	    .header = header("FACP", 5),
	    .facs = (uint32_t)facs, /* and x_facs 0: only one may be set */
	    .dsdt = (uint32_t)dsdt,
	    .x_dsdt = dsdt,
	    .sci_int = SCI_IRQ,
	    .smi_cmd = SMI_CMD,
	    .acpi_enable = ACPI_ENABLE,
	    .acpi_disable = ACPI_DISABLE,
	    .pm1a_evt = pm,
	    .pm1a_cnt = pm + PM1_CNT,
	    .pm_tmr = pm + PM_TMR,
	    .gpe0 = pm + GPE0,
	    .pm1_evt_len = 4,
	    .pm1_cnt_len = 2,
	    .pm_tmr_len = 4,
	    .gpe0_len = 2,
	    .c2_latency = C2_NONE,
	    .c3_latency = C3_NONE,
	    .century = CMOS_CENTURY,
	    .iapc_boot_arch =
		(uint16_t)(ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_VGA |
			   ACPI_BOOT_NO_ASPM |
			   (desc->has_i8042 ? ACPI_BOOT_8042 : 0)),
	    .flags = ACPI_FADT_WBINVD | ACPI_FADT_PROC_C1 |
		     ACPI_FADT_NO_SLEEP_BTN | ACPI_FADT_TMR_32BIT |
		     ACPI_FADT_RESET_REG |
		     (desc->has_screen ? 0 : ACPI_FADT_HEADLESS),
	    .reset_reg = port(RESET_PORT, 1),
	    .reset_value = RESET_VALUE,
	    .minor_revision = 1,
	    .x_pm1a_evt = event_block(pm),
	    .x_pm1a_cnt = port(pm + PM1_CNT, 2),
	    .x_pm_tmr = port(pm + PM_TMR, 4),
	    .x_gpe0 = gpe0,
	};
}

static size_t add_fadt(struct acpi_blob *blob, const struct machine_desc *desc,
		       size_t facs, size_t dsdt)
{
	struct acpi_fadt table = fadt(desc, facs, dsdt);
	size_t start = add_table(blob, &table, sizeof(table));

	add_fixup(blob, false, start + offsetof(struct acpi_fadt, facs), 4);
	add_fixup(blob, false, start + offsetof(struct acpi_fadt, dsdt), 4);
	add_fixup(blob, false, start + offsetof(struct acpi_fadt, x_dsdt), 8);
	return start;
}

/* ---- MADT ---- */

static void add_local_apic(struct tbuf *t, unsigned id)
{
	const struct acpi_madt_lapic lapic = {
	    .type = 0,
	    .length = sizeof(lapic),
	    .uid = (uint8_t)id,
	    .apic_id = (uint8_t)id,
	    .flags = ACPI_MADT_ENABLED,
	};
	const struct acpi_madt_x2apic x2apic = {
	    .type = 9,
	    .length = sizeof(x2apic),
	    .apic_id = id,
	    .flags = ACPI_MADT_ENABLED,
	    .uid = id,
	};

	if (id < MADT_TYPES_ID)
		tbuf_add(t, &lapic, sizeof(lapic));
	else
		tbuf_add(t, &x2apic, sizeof(x2apic));
}

static void add_override(struct tbuf *t, uint8_t irq, uint32_t gsi,
			 uint16_t flags)
{
	const struct acpi_madt_override override = {
	    .type = 2,
	    .length = sizeof(override),
	    .source = irq,
	    .gsi = gsi,
	    .flags = flags,
	};

	tbuf_add(t, &override, sizeof(override));
}

/* The NMI button is wired to LINT1 of every processor. */
static void add_nmi(struct tbuf *t, bool x2apic)
{
	const struct acpi_madt_lapic_nmi nmi = {
	    .type = 4, .length = sizeof(nmi), .uid = 0xff, .lint = 1};
	const struct acpi_madt_x2apic_nmi x2nmi = {
	    .type = 10, .length = sizeof(x2nmi), .uid = UINT32_MAX, .lint = 1};

	tbuf_add(t, &nmi, sizeof(nmi));
	if (x2apic)
		tbuf_add(t, &x2nmi, sizeof(x2nmi));
}

static size_t add_madt(struct acpi_blob *blob, const struct machine_desc *desc)
{
	const struct acpi_madt madt = {
	    .header = header("APIC", 3),
	    .lapic_address = DESC_LAPIC_BASE,
	    .flags = ACPI_MADT_PCAT_COMPAT,
	};
	const struct acpi_madt_ioapic ioapic = {
	    .type = 1,
	    .length = sizeof(ioapic),
	    .id = IOAPIC_ID,
	    .address = DESC_IOAPIC_BASE,
	};
	size_t start = blob->tables.len;
	unsigned i;

	tbuf_add(&blob->tables, &madt, sizeof(madt));
	for (i = 0; i < desc->cpus; i++)
		add_local_apic(&blob->tables, i);
	tbuf_add(&blob->tables, &ioapic, sizeof(ioapic));
	add_override(&blob->tables, 0, 2, 0);
	add_override(&blob->tables, SCI_IRQ, SCI_IRQ,
		     ACPI_MADT_ACTIVE_HIGH | ACPI_MADT_LEVEL);
	add_nmi(&blob->tables, desc->cpus > MADT_TYPES_ID);
	finish_table(blob, start);
	return start;
}

/* ---- small ones ---- */

static size_t add_mcfg(struct acpi_blob *blob, const struct machine_desc *desc)
{
	const struct acpi_mcfg mcfg = {
	    .header = header("MCFG", 1),
	    .base = desc->ecam_base,
	    /* Linux scans every bus up to here, there or not. */
	    .end_bus = desc->buses[desc->bus_count - 1].bus,
	};

	return add_table(blob, &mcfg, sizeof(mcfg));
}

static size_t add_spcr(struct acpi_blob *blob)
{
	const struct acpi_spcr spcr = {
	    .header = header("SPCR", 2),
	    .address = port(COM1_PORT, 1),
	    .interrupt_type = 3, /* 8259 and I/O APIC */
	    .irq = COM1_IRQ,
	    .gsi = COM1_IRQ,
	    .baud_rate = 7,
	    .stop_bits = 1,
	    .terminal_type = 3,
	    .pci_device = 0xffff,
	    .pci_vendor = 0xffff,
	};

	return add_table(blob, &spcr, sizeof(spcr));
}

static size_t add_hpet(struct acpi_blob *blob, const struct machine_desc *desc)
{
	const struct acpi_hpet hpet = {
	    .header = header("HPET", 1),
	    .block_id = desc->hpet_block_id,
	    .address = {.space = ACPI_SPACE_MEMORY, .address = HPET_BASE},
	    .min_tick = HPET_MIN_TICKS,
	};

	return add_table(blob, &hpet, sizeof(hpet));
}

static size_t add_tpm2(struct acpi_blob *blob, const struct tpm_acpi *tpm)
{
	const struct acpi_tpm2 tpm2 = {
	    .header = header("TPM2", 4),
	    .platform_class = tpm->platform_class,
	    .control_area = tpm->control_area,
	    .start_method = tpm->start_method,
	};

	return add_table(blob, &tpm2, sizeof(tpm2));
}

/* ---- roots ---- */

#define LISTED_MAX 8u

struct listed {
	unsigned count;
	size_t table[LISTED_MAX];
};

static void list(struct listed *listed, size_t table)
{
	listed->table[listed->count++] = table;
}

/* RSDT or XSDT, by the size of their pointers. */
static size_t add_root(struct acpi_blob *blob, const struct listed *listed,
		       uint8_t size)
{
	struct acpi_header h = header(size == 4 ? "RSDT" : "XSDT", 1);
	size_t start = blob->tables.len;
	unsigned i;

	tbuf_add(&blob->tables, &h, sizeof(h));
	for (i = 0; i < listed->count; i++) {
		add_fixup(blob, false, blob->tables.len, size);
		tbuf_add_int(&blob->tables, listed->table[i], size);
	}
	finish_table(blob, start);
	return start;
}

static void add_rsdp(struct acpi_blob *blob, size_t rsdt, size_t xsdt)
{
	blob->rsdp = (struct acpi_rsdp){
	    .signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
	    .oem_id = {'B', 'Y', 'W', 'A', 'Y', ' '},
	    .revision = 2,
	    .rsdt = (uint32_t)rsdt,
	    .length = sizeof(blob->rsdp),
	    .xsdt = xsdt,
	};
	add_fixup(blob, true, offsetof(struct acpi_rsdp, rsdt), 4);
	add_fixup(blob, true, offsetof(struct acpi_rsdp, xsdt), 8);
	add_sum(blob,
		(struct acpi_sum){.in_rsdp = true,
				  .at = offsetof(struct acpi_rsdp, checksum),
				  .len = ACPI_RSDP_V1_BYTES});
	add_sum(blob, (struct acpi_sum){
			  .in_rsdp = true,
			  .at = offsetof(struct acpi_rsdp, extended_checksum),
			  .len = sizeof(blob->rsdp)});
}

int acpi_build(const struct machine_desc *desc, struct err *err,
	       struct acpi_blob *ret_blob)
{
	struct acpi_blob blob = {0};
	struct listed listed = {0};
	size_t facs, dsdt, rsdt;

	if (tbuf_init(&blob.tables, TABLES_ROOM))
		return err_set(err, -ENOMEM, "ACPI tables: out of memory");
	facs = add_facs(&blob);
	dsdt = add_dsdt(&blob, desc);
	list(&listed, add_fadt(&blob, desc, facs, dsdt));
	list(&listed, add_madt(&blob, desc));
	if (desc->ecam_base)
		list(&listed, add_mcfg(&blob, desc));
	if (desc->hpet_block_id)
		list(&listed, add_hpet(&blob, desc));
	if (desc->coms & BIT(0))
		list(&listed, add_spcr(&blob));
	if (desc->tpm)
		list(&listed, add_tpm2(&blob, desc->tpm));
	rsdt = add_root(&blob, &listed, 4);
	add_rsdp(&blob, rsdt, add_root(&blob, &listed, 8));
	if (blob.tables.full) {
		acpi_blob_fini(&blob);
		return err_set(
		    err, -ENOSPC,
		    "ACPI tables: %u processors and %u root buses need more"
		    " than %u KiB; use fewer",
		    desc->cpus, desc->bus_count, (unsigned)(TABLES_ROOM >> 10));
	}
	*ret_blob = blob;
	return 0;
}

void acpi_blob_fini(struct acpi_blob *blob)
{
	tbuf_fini(&blob->tables);
}

void acpi_locate(struct acpi_blob *blob, uint32_t tables)
{
	uint8_t *rsdp = (uint8_t *)&blob->rsdp, *data = blob->tables.data;
	unsigned i;

	for (i = 0; i < blob->fixup_count; i++) {
		const struct acpi_fixup *f = &blob->fixups[i];
		uint8_t *at = (f->in_rsdp ? rsdp : data) + f->at;

		tbuf_set_int(at, tbuf_int(at, f->size) + tables, f->size);
	}
	for (i = 0; i < blob->sum_count; i++) {
		const struct acpi_sum *s = &blob->sums[i];
		uint8_t *base = s->in_rsdp ? rsdp : data;

		base[s->at] = tbuf_checksum(base + s->start, s->len);
	}
}
