/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the ACPI tables: sums and pointers as a guest follows them, the
 * whole of a standard machine against a golden dump, and, where Intel's
 * compiler is installed, that it can take the tables apart and put the DSDT
 * together again without a complaint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "machine/acpi.h"
#include "tables.h"

/* The E and F segments of a machine, and the tables found in them. */
struct world {
	struct gmem *gmem;
	uint8_t *area;
	const struct acpi_rsdp *rsdp;
};

static const void *at(const struct world *w, uint64_t address, size_t len)
{
	assert_true(range_inside(address, len, DESC_TABLES_BASE,
				 DESC_TABLES_END - DESC_TABLES_BASE));
	return w->area + (address - DESC_TABLES_BASE);
}

static void world_fini(struct world *w)
{
	free(w->area);
	gmem_destroy(w->gmem);
}

static struct world world_of(const struct machine_desc *desc)
{
	struct world w = {.gmem = tables_gmem(desc)};
	struct err err = {0};
	gpa_t rsdp;

	if (desc_write_tables(desc, w.gmem, &err, &rsdp))
		fail_msg("%s", err.msg);
	w.area = tables_area(w.gmem);
	w.rsdp = at(&w, rsdp.v, sizeof(*w.rsdp));
	return w;
}

/* A table whose length and sum are right. */
static const struct acpi_header *table_at(const struct world *w,
					  uint64_t address)
{
	const struct acpi_header *h = at(w, address, sizeof(*h));

	(void)at(w, address, h->length);
	if (memcmp(h->signature, "FACS", 4))
		assert_int_equal(tables_sum(h, h->length), 0);
	return h;
}

/* By the XSDT; NULL when it is not listed. */
static const void *find_table(const struct world *w, const char *signature)
{
	const struct acpi_header *xsdt = table_at(w, w->rsdp->xsdt);
	const uint8_t *entry = (const uint8_t *)(xsdt + 1);
	const uint8_t *end = (const uint8_t *)xsdt + xsdt->length;

	for (; entry < end; entry += 8) {
		const struct acpi_header *h = table_at(w, tbuf_int(entry, 8));

		if (!memcmp(h->signature, signature, 4))
			return h;
	}
	return NULL;
}

static void roots_lead_to_all_tables(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct world w = world_of(&desc);
	const struct acpi_header *rsdt, *xsdt;
	const struct acpi_fadt *fadt;
	const struct acpi_facs *facs;
	const struct acpi_hpet *hpet;
	unsigned i;

	assert_memory_equal(w.rsdp->signature, "RSD PTR ", 8);
	assert_int_equal(tables_sum(w.rsdp, 20), 0);
	assert_int_equal(tables_sum(w.rsdp, 36), 0);
	rsdt = table_at(&w, w.rsdp->rsdt);
	xsdt = table_at(&w, w.rsdp->xsdt);
	assert_int_equal((rsdt->length - 36) / 4, 5);
	assert_int_equal((xsdt->length - 36) / 8, 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(
		    tbuf_int((const uint8_t *)(rsdt + 1) + 4 * i, 4),
		    tbuf_int((const uint8_t *)(xsdt + 1) + 8 * i, 8));
	fadt = find_table(&w, "FACP");
	assert_non_null(fadt);
	assert_int_equal(fadt->dsdt, fadt->x_dsdt);
	assert_memory_equal(table_at(&w, fadt->dsdt)->signature, "DSDT", 4);
	facs = at(&w, fadt->facs, sizeof(*facs));
	assert_memory_equal(facs->signature, "FACS", 4);
	assert_int_equal(fadt->facs % 64, 0);
	assert_non_null(find_table(&w, "APIC"));
	assert_non_null(find_table(&w, "MCFG"));
	assert_non_null(find_table(&w, "SPCR"));
	hpet = find_table(&w, "HPET");
	assert_non_null(hpet);
	assert_int_equal(hpet->block_id, 0x8086a201);
	assert_int_equal(hpet->address.address, 0xfed00000);
	world_fini(&w);
}

static void tables_follow_the_machine(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	const struct acpi_fadt *fadt;
	struct world w;

	desc.ecam_base = 0;
	desc.coms = 2;
	desc.has_i8042 = false;
	desc.hpet_block_id = 0;
	w = world_of(&desc);
	assert_null(find_table(&w, "MCFG"));
	assert_null(find_table(&w, "SPCR"));
	assert_null(find_table(&w, "HPET"));
	fadt = find_table(&w, "FACP");
	assert_int_equal(fadt->iapc_boot_arch & ACPI_BOOT_8042, 0);
	world_fini(&w);
}

/* Counts entries of each type; checks that lengths add up. */
static void count_madt(const struct acpi_madt *madt, unsigned counts[16])
{
	const uint8_t *entry = (const uint8_t *)(madt + 1);
	const uint8_t *end = (const uint8_t *)madt + madt->header.length;

	memset(counts, 0, 16 * sizeof(*counts));
	while (entry < end) {
		assert_in_range(entry[0], 0, 15);
		assert_true(entry[1] >= 2 && entry[1] <= end - entry);
		counts[entry[0]]++;
		entry += entry[1];
	}
}

static void processors_beyond_255_are_x2apics(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	unsigned counts[16];
	struct world w;

	desc.cpus = desc.sockets = 255;
	desc.cores = 1;
	w = world_of(&desc);
	count_madt(find_table(&w, "APIC"), counts);
	assert_int_equal(counts[0], 255);
	assert_int_equal(counts[9], 0);
	assert_int_equal(counts[10], 0);
	world_fini(&w);
	desc.cpus = desc.sockets = 300;
	w = world_of(&desc);
	count_madt(find_table(&w, "APIC"), counts);
	assert_int_equal(counts[0], 255);
	assert_int_equal(counts[9], 45);
	assert_int_equal(counts[10], 1);
	assert_int_equal(counts[1], 1);
	assert_int_equal(counts[2], 2);
	world_fini(&w);
}

static void sci_is_level_and_active_high(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct world w = world_of(&desc);
	const struct acpi_madt *madt = find_table(&w, "APIC");
	const struct acpi_madt_override *o;

	o = (const void *)((const uint8_t *)(madt + 1) + 2 * 8 + 12);
	assert_int_equal(o->type, 2);
	assert_int_equal(o[0].source, 0);
	assert_int_equal(o[0].gsi, 2);
	assert_int_equal(o[1].source, 9);
	assert_int_equal(o[1].gsi, 9);
	assert_int_equal(o[1].flags, 0x000d);
	world_fini(&w);
}

static void too_large_a_machine_is_refused(void **state UNUSED)
{
	struct machine_desc desc = tables_huge();
	struct gmem *gmem = tables_gmem(&desc);
	struct err err = {0};
	gpa_t rsdp;

	assert_int_equal(desc_write_tables(&desc, gmem, &err, &rsdp), -ENOSPC);
	assert_non_null(strstr(err.msg, "1024 processors and 256 root buses"));
	gmem_destroy(gmem);
}

static void sixteen_buses_of_255_processors_fit(void **state UNUSED)
{
	struct machine_desc desc = tables_huge();
	struct world w;

	desc.cpus = desc.sockets = 255;
	desc.bus_count = 16;
	w = world_of(&desc);
	assert_non_null(find_table(&w, "FACP"));
	world_fini(&w);
}

/* What a firmware that loads the tables itself would do. */
static void relocation_records_are_complete(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct acpi_blob low, high;
	unsigned i;

	assert_int_equal(acpi_build(&desc, NULL, &low), 0);
	assert_int_equal(acpi_build(&desc, NULL, &high), 0);
	assert_int_equal(low.tables.len, high.tables.len);
	acpi_locate(&low, 0x10000);
	acpi_locate(&high, 0x7ffe0040);
	/* Without the recorded places both must be the same. */
	for (i = 0; i < low.fixup_count; i++) {
		const struct acpi_fixup *f = &low.fixups[i];

		if (!f->in_rsdp) {
			memset(low.tables.data + f->at, 0, f->size);
			memset(high.tables.data + f->at, 0, f->size);
		}
	}
	for (i = 0; i < low.sum_count; i++)
		if (!low.sums[i].in_rsdp)
			low.tables.data[low.sums[i].at] =
			    high.tables.data[low.sums[i].at] = 0;
	assert_memory_equal(low.tables.data, high.tables.data, low.tables.len);
	assert_true(low.rsdp.xsdt + 0x7ffe0040 - 0x10000 == high.rsdp.xsdt);
	acpi_blob_fini(&low);
	acpi_blob_fini(&high);
}

/* ---- golden dump ---- */

static void dump_table(FILE *out, const struct acpi_header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned i;

	fprintf(out, "%.4s %u bytes\n", h->signature, h->length);
	for (i = 0; i < h->length; i++)
		fprintf(out, "%s%02x%s", i % 16 ? " " : "  ", bytes[i],
			i % 16 == 15 || i == h->length - 1 ? "\n" : "");
}

static char *dump_all(const struct world *w)
{
	static const char *const listed[] = {"FACP", "APIC", "MCFG", "SPCR"};
	const struct acpi_fadt *fadt = find_table(w, "FACP");
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	dump_table(out, table_at(w, w->rsdp->xsdt));
	for (i = 0; i < ARRAY_LEN(listed); i++)
		dump_table(out, find_table(w, listed[i]));
	dump_table(out, table_at(w, fadt->dsdt));
	fclose(out);
	return text;
}

static void matches_golden_dump(void **state UNUSED)
{
	static const char path[] = GOLDEN_DIR "/acpi-tables.txt";
	const char *update = getenv("BYWAY_GOLDEN_UPDATE");
	struct machine_desc desc = tables_standard();
	struct world w = world_of(&desc);
	CLEANUP_FREE char *have = dump_all(&w);
	CLEANUP_FREE char *want = NULL;
	size_t room = 0;
	FILE *file;

	world_fini(&w);
	if (update && !strcmp(update, "1")) {
		file = fopen(path, "we");
		assert_non_null(file);
		fputs(have, file);
		fclose(file);
	}
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(getdelim(&want, &room, '\0', file) > 0);
	fclose(file);
	assert_string_equal(have, want);
}

/* ---- Intel's compiler ---- */

static void save_table(const char *dir, const struct acpi_header *h)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%.4s.dat", dir, h->signature);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(h, 1, h->length, file), h->length);
	fclose(file);
}

static void remove_dir(const char *dir)
{
	char command[600];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void compile_all(const struct machine_desc *desc)
{
	static const char *const listed[] = {"FACP", "APIC", "MCFG", "SPCR",
					     "HPET"};
	char dir[] = "/tmp/byway-acpi-XXXXXX", command[1024];
	struct world w = world_of(desc);
	const struct acpi_fadt *fadt = find_table(&w, "FACP");
	int status;
	size_t i;

	assert_non_null(mkdtemp(dir));
	save_table(dir, table_at(&w, fadt->dsdt));
	save_table(dir, at(&w, fadt->facs, sizeof(struct acpi_facs)));
	for (i = 0; i < ARRAY_LEN(listed); i++)
		if (find_table(&w, listed[i]))
			save_table(dir, find_table(&w, listed[i]));
	/* Take apart, then compile; any error or warning line is a failure. */
	snprintf(
	    command, sizeof(command),
	    "cd '%s' && for f in *.dat; do iasl -d $f; done >log 2>&1 && "
	    "for f in *.dsl; do iasl $f; done >>log 2>&1; "
	    "if grep -E '^(Error|Warning)|[1-9][0-9]* (Errors|Warnings)' log;"
	    " then exit 1; fi; "
	    "test $(grep -c 'Compilation successful' log) = "
	    "$(ls *.dat | wc -l)",
	    dir);
	status = system(command);
	if (status)
		fprintf(stderr, "iasl's words are in %s/log\n", dir);
	else
		remove_dir(dir);
	assert_int_equal(status, 0);
	world_fini(&w);
}

static void iasl_accepts_the_tables(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();

	if (system("command -v iasl >/dev/null 2>&1")) {
		fprintf(stderr, "skipped: no iasl (package acpica-tools)\n");
		skip();
	}
	compile_all(&desc);
	desc.hpet_block_id = 0;
	desc.has_fwcfg = false;
	desc.cpus = desc.sockets = 300;
	desc.has_lpc = false;
	desc.coms = 0;
	compile_all(&desc);
}

/* Runs a method in ACPICA's interpreter; the line that starts with `want`. */
static void interpret(const char *dsdt, const char *call, const char *want)
{
	char command[1024], line[256];
	bool found = false;
	FILE *pipe;

	snprintf(command, sizeof(command), "acpiexec -b '%s' %s 2>&1", call,
		 dsdt);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe))
		found |= strstr(line, want) != NULL;
	pclose(pipe);
	if (!found)
		fail_msg("%s: no '%s'", call, want);
}

static void acpica_runs_the_methods(void **state UNUSED)
{
#define UUID "(5B 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66)"
	char dir[] = "/tmp/byway-acpi-XXXXXX", dsdt[64];
	struct machine_desc desc = tables_standard();
	struct world w = world_of(&desc);
	const struct acpi_fadt *fadt = find_table(&w, "FACP");

	if (system("command -v acpiexec >/dev/null 2>&1")) {
		world_fini(&w);
		fprintf(stderr, "skipped: no acpiexec (acpica-tools)\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	save_table(dir, table_at(&w, fadt->dsdt));
	world_fini(&w);
	snprintf(dsdt, sizeof(dsdt), "%s/DSDT.dat", dir);
	/* All asked for is granted; what is not there is cleared and told. */
	interpret(dsdt,
		  "execute \\_SB.PC00._OSC " UUID
		  " 1 3 (00 00 00 00 1F 00 00 00 1D 00 00 00)",
		  "00 00 00 00 1F 00 00 00 1D 00 00 00");
	interpret(dsdt,
		  "execute \\_SB.PC05._OSC " UUID
		  " 1 3 (00 00 00 00 1F 00 00 00 FF 01 00 00)",
		  "10 00 00 00 1F 00 00 00 3D 00 00 00");
	interpret(dsdt, "evaluate \\_S5", "= 0000000000000005");
	interpret(dsdt, "evaluate \\_SB.LNKC._STA", "= 000000000000000B");
	interpret(dsdt, "evaluate \\_SB.PC00._PRT", "Contains 16 Elements");
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(roots_lead_to_all_tables),
	    cmocka_unit_test(tables_follow_the_machine),
	    cmocka_unit_test(processors_beyond_255_are_x2apics),
	    cmocka_unit_test(sci_is_level_and_active_high),
	    cmocka_unit_test(too_large_a_machine_is_refused),
	    cmocka_unit_test(sixteen_buses_of_255_processors_fit),
	    cmocka_unit_test(relocation_records_are_complete),
	    cmocka_unit_test(matches_golden_dump),
	    cmocka_unit_test(iasl_accepts_the_tables),
	    cmocka_unit_test(acpica_runs_the_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
