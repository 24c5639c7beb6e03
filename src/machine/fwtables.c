/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables as files for firmware; the contract is in fwtables.h. */
#include "machine/fwtables.h"

#include <string.h>

#include "machine/acpi.h"
#include "machine/smbios.h"

#define FILE_NAME   56u
#define ENTRY_BYTES 128u
#define ALLOCATE    1u
#define ADD_POINTER 2u
#define CHECKSUM    3u
#define ZONE_HIGH   1u
#define ZONE_FSEG   2u
#define TABLE_ALIGN 64u
#define RSDP_ALIGN  16u
#define ENTRIES_MAX (2 + ACPI_FIXUPS_MAX + ACPI_SUMS_MAX)
#define SMBIOS_ROOM 0xf000u

/* ---- the loader's script ---- */

static void add_name(struct tbuf *script, const char *name)
{
	char file[FILE_NAME] = "";

	memcpy(file, name, MIN(strlen(name), sizeof(file) - 1));
	tbuf_add(script, file, sizeof(file));
}

static void end_entry(struct tbuf *script)
{
	tbuf_align(script, ENTRY_BYTES);
}

static void add_allocate(struct tbuf *script, const char *name, uint32_t align,
			 uint8_t zone)
{
	tbuf_add_int(script, ALLOCATE, 4);
	add_name(script, name);
	tbuf_add_int(script, align, 4);
	tbuf_add_int(script, zone, 1);
	end_entry(script);
}

static const char *file_of(bool in_rsdp)
{
	return in_rsdp ? FWTABLES_RSDP : FWTABLES_TABLES;
}

static void add_pointer(struct tbuf *script, const struct acpi_fixup *fixup)
{
	tbuf_add_int(script, ADD_POINTER, 4);
	add_name(script, file_of(fixup->in_rsdp));
	add_name(script, FWTABLES_TABLES);
	tbuf_add_int(script, fixup->at, 4);
	tbuf_add_int(script, fixup->size, 1);
	end_entry(script);
}

static void add_checksum(struct tbuf *script, const struct acpi_sum *sum)
{
	tbuf_add_int(script, CHECKSUM, 4);
	add_name(script, file_of(sum->in_rsdp));
	tbuf_add_int(script, sum->at, 4);
	tbuf_add_int(script, sum->start, 4);
	tbuf_add_int(script, sum->len, 4);
	end_entry(script);
}

static void write_script(const struct acpi_blob *blob, struct tbuf *script)
{
	unsigned i;

	add_allocate(script, FWTABLES_RSDP, RSDP_ALIGN, ZONE_FSEG);
	add_allocate(script, FWTABLES_TABLES, TABLE_ALIGN, ZONE_HIGH);
	for (i = 0; i < blob->fixup_count; i++)
		add_pointer(script, &blob->fixups[i]);
	for (i = 0; i < blob->sum_count; i++)
		add_checksum(script, &blob->sums[i]);
}

int fwtables_acpi(const struct machine_desc *desc, struct err *err,
		  struct fwtables *ret_files)
{
	struct fwtables files = {0};
	struct acpi_blob blob;
	int r = acpi_build(desc, err, &blob);

	if (r)
		return r;
	if (tbuf_init(&files.tables, blob.tables.len) ||
	    tbuf_init(&files.rsdp, sizeof(blob.rsdp)) ||
	    tbuf_init(&files.loader, ENTRIES_MAX * ENTRY_BYTES)) {
		r = err_set(err, -ENOMEM, "ACPI tables: out of memory");
	} else {
		tbuf_add(&files.tables, blob.tables.data, blob.tables.len);
		tbuf_add(&files.rsdp, &blob.rsdp, sizeof(blob.rsdp));
		write_script(&blob, &files.loader);
	}
	acpi_blob_fini(&blob);
	if (r) {
		fwtables_fini(&files);
		return r;
	}
	*ret_files = files;
	return 0;
}

void fwtables_fini(struct fwtables *files)
{
	tbuf_fini(&files->rsdp);
	tbuf_fini(&files->tables);
	tbuf_fini(&files->loader);
}

/* ---- SMBIOS ---- */

int fwtables_smbios(const struct machine_desc *desc, struct err *err,
		    struct tbuf *ret_anchor, struct tbuf *ret_tables)
{
	struct smbios_table table = {0};
	struct tbuf anchor = {0};
	struct smbios_entry entry;
	int r;

	if (tbuf_init(&table.data, SMBIOS_ROOM) ||
	    tbuf_init(&anchor, sizeof(entry)))
		r = err_set(err, -ENOMEM, "SMBIOS tables: out of memory");
	else
		r = smbios_build(desc, err, &table);
	if (!r && table.data.full)
		r = err_set(err, -ENOSPC,
			    "SMBIOS tables: %u processors need more room than"
			    " there is; use fewer",
			    desc->cpus);
	if (r) {
		tbuf_fini(&table.data);
		tbuf_fini(&anchor);
		return r;
	}
	entry = smbios_entry32(&table, 0); /* firmware fills the address in */
	tbuf_add(&anchor, &entry, sizeof(entry));
	*ret_anchor = anchor;
	*ret_tables = table.data;
	return 0;
}

/* ---- E820 ---- */

int fwtables_e820(const struct machine_desc *desc, struct err *err,
		  struct tbuf *ret_map)
{
	const struct desc_e820 ram[] = {
	    {0, desc->low_bytes, DESC_E820_RAM},
	    {DESC_HIGH_RAM_BASE, desc->high_bytes, DESC_E820_RAM},
	};
	struct tbuf map;
	unsigned i;

	if (tbuf_init(&map, ARRAY_LEN(ram) * 20))
		return err_set(err, -ENOMEM, "E820 map: out of memory");
	for (i = 0; i < ARRAY_LEN(ram); i++) {
		if (!ram[i].size)
			continue;
		tbuf_add_int(&map, ram[i].base, 8);
		tbuf_add_int(&map, ram[i].size, 8);
		tbuf_add_int(&map, ram[i].type, 4);
	}
	*ret_map = map;
	return 0;
}
