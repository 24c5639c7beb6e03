/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of SMBIOS, the MP table and the E820 map as a guest reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "machine/mptable.h"
#include "machine/smbios.h"
#include "tables.h"

struct world {
	struct gmem *gmem;
	uint8_t *area;
};

static const void *at(const struct world *w, uint64_t address, size_t len)
{
	assert_true(range_inside(address, len, DESC_TABLES_BASE,
				 DESC_TABLES_END - DESC_TABLES_BASE));
	return w->area + (address - DESC_TABLES_BASE);
}

static struct world world_of(const struct machine_desc *desc)
{
	struct world w = {.gmem = tables_gmem(desc)};
	struct err err = {0};
	gpa_t rsdp;

	if (desc_write_tables(desc, w.gmem, &err, &rsdp))
		fail_msg("%s", err.msg);
	w.area = tables_area(w.gmem);
	return w;
}

static void world_fini(struct world *w)
{
	free(w->area);
	gmem_destroy(w->gmem);
}

/* ---- SMBIOS ---- */

static const struct smbios3_entry *entry64(const struct world *w)
{
	const struct smbios3_entry *e = at(w, DESC_SMBIOS_BASE, sizeof(*e));

	assert_memory_equal(e->anchor, "_SM3_", 5);
	assert_int_equal(tables_sum(e, e->length), 0);
	return e;
}

static const uint8_t *next_structure(const uint8_t *s)
{
	s += ((const struct smbios_header *)s)->length;
	while (s[0] || s[1])
		s++;
	return s + 2;
}

/* The n-th structure of a type, NULL when there are fewer. */
static const void *structure(const struct world *w, uint8_t type, unsigned n)
{
	const struct smbios3_entry *e = entry64(w);
	const uint8_t *s = at(w, e->table, e->table_max);

	for (;; s = next_structure(s)) {
		if (s[0] == type && n-- == 0)
			return s;
		if (s[0] == 127)
			return NULL;
	}
}

static const char *text(const void *structure, unsigned number)
{
	const struct smbios_header *h = structure;
	const char *s = (const char *)structure + h->length;

	if (!number)
		return "";
	while (--number)
		s += strlen(s) + 1;
	return s;
}

static void entries_agree(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct world w = world_of(&desc);
	const struct smbios3_entry *e3 = entry64(&w);
	const struct smbios_entry *e =
	    at(&w, DESC_SMBIOS_BASE + 0x20, sizeof(*e));
	const uint8_t *s = at(&w, e3->table, e3->table_max);
	unsigned count = 1;
	size_t largest = 0;

	assert_memory_equal(e->anchor, "_SM_", 4);
	assert_int_equal(tables_sum(e, sizeof(*e)), 0);
	assert_int_equal(tables_sum(e->middle_anchor, 15), 0);
	assert_int_equal(e->table, e3->table);
	assert_int_equal(e->table_length, e3->table_max);
	for (; *s != 127; s = next_structure(s), count++)
		largest = MAX(largest, (size_t)(next_structure(s) - s));
	assert_int_equal(count, e->structure_count);
	assert_int_equal(largest, e->max_structure);
	assert_int_equal(next_structure(s) -
			     (const uint8_t *)at(&w, e3->table, 1),
			 e3->table_max);
	world_fini(&w);
}

static void texts_and_uuid(void **state UNUSED)
{
	static const uint8_t uuid[16] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44,
					 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb,
					 0xcc, 0xdd, 0xee, 0xff};
	struct machine_desc desc = tables_standard();
	const struct smbios_system *system;
	const struct smbios_bios *bios;
	struct world w;

	desc.root = cfg_create();
	assert_int_equal(cfg_set(desc.root, "system.serial_number", "S1", NULL),
			 0);
	assert_int_equal(cfg_set(desc.root, "system.sku", "", NULL), 0);
	w = world_of(&desc);
	bios = structure(&w, 0, 0);
	assert_string_equal(text(bios, bios->vendor), "BHYVE");
	system = structure(&w, 1, 0);
	assert_string_equal(text(system, system->serial), "S1");
	assert_string_equal(text(system, system->family), "Virtual Machine");
	assert_int_equal(system->sku, 0);
	assert_memory_equal(system->uuid, uuid, 16);
	world_fini(&w);
	cfg_destroy(desc.root);
}

static void too_long_a_text_is_named(void **state UNUSED)
{
	char text65[66];
	struct machine_desc desc = tables_standard();
	struct gmem *gmem = tables_gmem(&desc);
	struct err err = {0};
	gpa_t rsdp;

	memset(text65, 'x', 65);
	text65[65] = '\0';
	desc.root = cfg_create();
	assert_int_equal(cfg_set(desc.root, "board.asset_tag", text65, NULL),
			 0);
	assert_true(desc_write_tables(&desc, gmem, &err, &rsdp) < 0);
	assert_non_null(strstr(err.msg, "board.asset_tag"));
	text65[64] = '\0';
	assert_int_equal(cfg_set(desc.root, "board.asset_tag", text65, NULL),
			 0);
	assert_int_equal(desc_write_tables(&desc, gmem, &err, &rsdp), 0);
	cfg_destroy(desc.root);
	gmem_destroy(gmem);
}

static void memory_and_processors(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	const struct smbios_memory_device *dimm;
	const struct smbios_processor *cpu;
	const struct smbios_array_map *map;
	struct world w;

	desc.cpus = 8;
	desc.sockets = 2;
	desc.cores = 2;
	desc.threads = 2;
	desc.high_bytes = GIB(6000);
	w = world_of(&desc);
	cpu = structure(&w, 4, 1);
	assert_non_null(cpu);
	assert_null(structure(&w, 4, 2));
	assert_string_equal(text(cpu, cpu->socket), "CPU 1");
	assert_int_equal(cpu->cores, 2);
	assert_int_equal(cpu->threads, 4);
	dimm = structure(&w, 17, 0);
	assert_int_equal(dimm->size_mib, 0x7fff);
	assert_int_equal(dimm->extended_size_mib, 6000 * 1024 + 512);
	map = structure(&w, 19, 0);
	assert_int_equal(map->end_kib, 512 * 1024 - 1);
	map = structure(&w, 19, 1);
	assert_int_equal(map->start_kib, UINT32_MAX);
	assert_true(map->start == GIB(4) && map->end == GIB(6004) - 1);
	world_fini(&w);
}

static void many_sockets_move_the_structures(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct world w;

	desc.cpus = desc.sockets = 255;
	desc.cores = 1;
	w = world_of(&desc);
	assert_true(entry64(&w)->table < DESC_MPTABLE_BASE);
	assert_non_null(structure(&w, 4, 254));
	world_fini(&w);
}

/* ---- MP table ---- */

static const struct mps_header *mp_header(const struct world *w)
{
	const struct mps_pointer *p = at(w, DESC_MPTABLE_BASE, sizeof(*p));
	const struct mps_header *h;

	assert_memory_equal(p->signature, "_MP_", 4);
	assert_int_equal(tables_sum(p, sizeof(*p)), 0);
	h = at(w, p->table, sizeof(*h));
	(void)at(w, p->table, h->length);
	assert_int_equal(tables_sum(h, h->length), 0);
	return h;
}

/* The n-th entry that fits, by type, source bus and source interrupt. */
static const struct mps_interrupt *mp_interrupt(const struct mps_header *h,
						uint8_t bus, uint8_t irq)
{
	const uint8_t *e = (const uint8_t *)(h + 1);
	const struct mps_interrupt *found = NULL;
	unsigned i;

	for (i = 0; i < h->entry_count; i++) {
		const struct mps_interrupt *m = (const void *)e;

		if (e[0] == MPS_IO_INT && m->source_bus == bus &&
		    m->source_irq == irq)
			found = m;
		e += e[0] == MPS_PROCESSOR ? 20 : 8;
	}
	assert_ptr_equal(e, (const uint8_t *)h + h->length);
	return found;
}

static void mptable_routes(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct world w = world_of(&desc);
	const struct mps_header *h = mp_header(&w);
	const struct mps_interrupt *m;

	/* The ISA bus is the first number no PCI bus has: 1. */
	m = mp_interrupt(h, 1, 0);
	assert_non_null(m);
	assert_int_equal(m->dest_pin, 2);
	m = mp_interrupt(h, 1, 9);
	assert_int_equal(m->flags, 0x000d);
	m = mp_interrupt(h, 0, 6 << 2 | 0); /* slot 6, INTA */
	assert_int_equal(m->dest_pin, pci_swizzle_gsi(6, 1));
	m = mp_interrupt(h, 5, 0 << 2 | 3); /* bus 5, slot 0, INTD */
	assert_int_equal(m->dest_pin, pci_swizzle_gsi(0, 4));
	assert_null(mp_interrupt(h, 0, 1 << 2)); /* slot 1 is empty */
	world_fini(&w);
}

static void mptable_can_be_left_out(void **state UNUSED)
{
	static const uint8_t nothing[16];
	struct machine_desc desc = tables_standard();
	struct world w;

	desc.has_mptable = false;
	w = world_of(&desc);
	assert_memory_equal(at(&w, DESC_MPTABLE_BASE, 16), nothing, 16);
	world_fini(&w);
}

static void large_mptable_moves(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct world w;

	desc.cpus = desc.sockets = 255;
	desc.cores = 1;
	w = world_of(&desc);
	assert_true((const uint8_t *)mp_header(&w) <
		    w.area + (DESC_MPTABLE_BASE - DESC_TABLES_BASE));
	world_fini(&w);
}

/* ---- E820 ---- */

static void e820_covers_ram_and_nothing_else(void **state UNUSED)
{
	struct machine_desc desc = tables_standard();
	struct desc_e820 map[DESC_E820_MAX];
	uint64_t end = 0, ram = 0;
	unsigned i, n = desc_e820(&desc, map);

	assert_int_equal(n, 5);
	for (i = 0; i < n; i++) {
		assert_true(map[i].base >= end);
		end = map[i].base + map[i].size;
		if (map[i].type == DESC_E820_RAM)
			ram += map[i].size;
	}
	assert_true(ram == desc.low_bytes + desc.high_bytes -
			       (DESC_TABLES_END - DESC_HOLE_BASE));
	assert_true(map[3].base == desc.ecam_base);
	assert_int_equal(map[3].type, DESC_E820_RESERVED);
	desc.high_bytes = 0;
	desc.ecam_base = 0;
	assert_int_equal(desc_e820(&desc, map), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries_agree),
	    cmocka_unit_test(texts_and_uuid),
	    cmocka_unit_test(too_long_a_text_is_named),
	    cmocka_unit_test(memory_and_processors),
	    cmocka_unit_test(many_sockets_move_the_structures),
	    cmocka_unit_test(mptable_routes),
	    cmocka_unit_test(mptable_can_be_left_out),
	    cmocka_unit_test(large_mptable_moves),
	    cmocka_unit_test(e820_covers_ram_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
