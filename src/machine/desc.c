/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The E820 map, and where each firmware table goes; contract in desc.h.
 *
 * Each kind of table has its usual place in the F segment. What a large
 * machine has too much of moves to the E segment, which is handed out from
 * the bottom; the entry points (RSDP, SMBIOS anchors, MP pointer) stay where
 * guests search for them.
 */
#include "machine/desc.h"

#include "machine/acpi.h"
#include "machine/mptable.h"
#include "machine/smbios.h"

#define SMBIOS_ROOM    0xf000u /* a 16-bit length says how long it is */
#define MPTABLE_ROOM   0x8000u
#define SMBIOS_ENTRY32 0x20u /* after the 64-bit entry point */
#define SMBIOS_DATA    0x40u
#define MPTABLE_DATA   0x10u
#define ACPI_DATA      0x40u
#define TABLE_ALIGN    64u

/* The E segment, handed out from the bottom. */
struct area {
	uint32_t next, end;
};

/* `base` when `len` bytes fit before `end`, else a place in the area. */
static int find_place(struct area *area, uint32_t base, uint32_t end,
		      size_t len, uint32_t *ret_base)
{
	if (len <= end - base) {
		*ret_base = base;
		return 0;
	}
	if (len > area->end - area->next)
		return -ENOSPC;
	*ret_base = area->next;
	area->next = (uint32_t)align_up(area->next + len, TABLE_ALIGN);
	return 0;
}

static int no_place(const struct machine_desc *desc, const char *what,
		    struct err *err)
{
	return err_set(
	    err, -ENOSPC,
	    "%s: %u processors and %u root buses need more room than there is"
	    " below 1 MiB; use fewer",
	    what, desc->cpus, desc->bus_count);
}

static int write_acpi(const struct machine_desc *desc, const struct gmem *gmem,
		      struct area *area, struct err *err, gpa_t *ret_rsdp)
{
	struct acpi_blob blob;
	uint32_t base;
	int r = acpi_build(desc, err, &blob);

	if (r)
		return r;
	if (find_place(area, DESC_ACPI_BASE + ACPI_DATA, DESC_TABLES_END,
		       blob.tables.len, &base)) {
		acpi_blob_fini(&blob);
		return no_place(desc, "ACPI tables", err);
	}
	acpi_locate(&blob, base);
	r = gmem_write(gmem, gpa(base), blob.tables.data, blob.tables.len);
	if (!r)
		r = gmem_write_obj(gmem, gpa(DESC_ACPI_BASE), &blob.rsdp);
	acpi_blob_fini(&blob);
	if (r)
		return err_sys(err, r, "ACPI tables at 0x%x", base);
	*ret_rsdp = gpa(DESC_ACPI_BASE);
	return 0;
}

static int write_smbios(const struct machine_desc *desc,
			const struct gmem *gmem, struct area *area,
			struct err *err)
{
	struct smbios_table table = {0};
	struct smbios3_entry entry64;
	struct smbios_entry entry32;
	uint32_t base = 0;
	int r = tbuf_init(&table.data, SMBIOS_ROOM);

	if (r)
		return err_set(err, r, "SMBIOS tables: out of memory");
	r = smbios_build(desc, err, &table);
	if (!r && (table.data.full ||
		   find_place(area, DESC_SMBIOS_BASE + SMBIOS_DATA,
			      DESC_ACPI_BASE, table.data.len, &base)))
		r = no_place(desc, "SMBIOS tables", err);
	if (!r) {
		entry64 = smbios_entry64(&table, base);
		entry32 = smbios_entry32(&table, base);
		r = gmem_write(gmem, gpa(base), table.data.data,
		    table.data.len) ?:
		    gmem_write_obj(gmem, gpa(DESC_SMBIOS_BASE), &entry64) ?:
		    gmem_write_obj(gmem, gpa(DESC_SMBIOS_BASE +
			SMBIOS_ENTRY32), &entry32);
		if (r)
			err_sys(err, r, "SMBIOS tables at 0x%x", base);
	}
	tbuf_fini(&table.data);
	return r;
}

static int write_mptable(const struct machine_desc *desc,
			 const struct gmem *gmem, struct area *area,
			 struct err *err)
{
	struct mps_pointer pointer;
	struct tbuf table = {0};
	uint32_t base = 0;
	int r = tbuf_init(&table, MPTABLE_ROOM);

	if (r)
		return err_set(err, r, "MP table: out of memory");
	mptable_build(desc, &table);
	if (table.full || find_place(area, DESC_MPTABLE_BASE + MPTABLE_DATA,
				     DESC_SMBIOS_BASE, table.len, &base)) {
		tbuf_fini(&table);
		return no_place(desc, "MP table (-Y leaves it out)", err);
	}
	pointer = mptable_pointer(base);
	r = gmem_write(gmem, gpa(base), table.data, table.len);
	if (!r)
		r = gmem_write_obj(gmem, gpa(DESC_MPTABLE_BASE), &pointer);
	tbuf_fini(&table);
	return r ? err_sys(err, r, "MP table at 0x%x", base) : 0;
}

int desc_write_tables(const struct machine_desc *desc, const struct gmem *gmem,
		      struct err *err, gpa_t *ret_rsdp)
{
	struct area area = {DESC_TABLES_BASE, DESC_MPTABLE_BASE};
	int r = write_acpi(desc, gmem, &area, err, ret_rsdp);

	if (!r)
		r = write_smbios(desc, gmem, &area, err);
	if (!r && desc->has_mptable)
		r = write_mptable(desc, gmem, &area, err);
	return r;
}

unsigned desc_e820(const struct machine_desc *desc,
		   struct desc_e820 ret_map[DESC_E820_MAX])
{
	unsigned n = 0;

	ret_map[n++] = (struct desc_e820){0, DESC_HOLE_BASE, DESC_E820_RAM};
	ret_map[n++] = (struct desc_e820){DESC_TABLES_BASE,
					  DESC_TABLES_END - DESC_TABLES_BASE,
					  DESC_E820_RESERVED};
	ret_map[n++] = (struct desc_e820){
	    DESC_TABLES_END, desc->low_bytes - DESC_TABLES_END, DESC_E820_RAM};
	if (desc->ecam_base)
		ret_map[n++] = (struct desc_e820){
		    desc->ecam_base, DESC_ECAM_BYTES, DESC_E820_RESERVED};
	if (desc->high_bytes)
		ret_map[n++] = (struct desc_e820){
		    DESC_HIGH_RAM_BASE, desc->high_bytes, DESC_E820_RAM};
	return n;
}
