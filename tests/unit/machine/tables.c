/* SPDX-License-Identifier: BSD-2-Clause */
/* Machines for the tests of the firmware tables; described in tables.h. */
#include "tables.h"

#include <string.h>

struct machine_desc tables_standard(void)
{
	static const struct desc_bus buses[] = {
	    {.bus = 0,
	     .slots = BIT(0) | BIT(3) | BIT(6) | BIT(31),
	     .windows = {{0x3000, 0xd000},
			 {0xc0100000, 0x1ff00000},
			 {0x200000000, 0x800000000}}},
	    {.bus = 5,
	     .slots = BIT(0),
	     .windows = {{0x2000, 0x1000}, {0xc0000000, 0x100000}, {0}}},
	};

	return (struct machine_desc){
	    .cpus = 2,
	    .sockets = 1,
	    .cores = 2,
	    .threads = 1,
	    .low_bytes = MIB(512),
	    .high_bytes = GIB(4),
	    .ecam_base = 0xe0000000,
	    .buses = buses,
	    .bus_count = ARRAY_LEN(buses),
	    .has_lpc = true,
	    .lpc_addr = {0, 31, 0},
	    .coms = 3,
	    .has_i8042 = true,
	    .has_fwcfg = true,
	    .pm_base = 0x400,
	    .hpet_block_id = 0x8086a201,
	    .has_mptable = true,
	    .uuid = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
		     0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
	};
}

struct machine_desc tables_huge(void)
{
	static struct desc_bus buses[DESC_BUSES_MAX];
	struct machine_desc desc = tables_standard();
	unsigned i;

	for (i = 0; i < DESC_BUSES_MAX; i++) {
		buses[i].bus = (uint8_t)i;
		buses[i].slots = UINT32_MAX;
		buses[i].windows = desc.buses[0].windows;
	}
	desc.buses = buses;
	desc.bus_count = DESC_BUSES_MAX;
	desc.cpus = desc.sockets = 1024;
	desc.cores = 1;
	return desc;
}

struct gmem *tables_gmem(const struct machine_desc *desc)
{
	struct gmem *gmem;

	if (gmem_create(&gmem) ||
	    gmem_add_ram(gmem, gpa(0), desc->low_bytes, NULL))
		abort();
	return gmem;
}

uint8_t *tables_area(const struct gmem *gmem)
{
	const size_t size = DESC_TABLES_END - DESC_TABLES_BASE;
	uint8_t *area = malloc(size);

	if (!area || gmem_read(gmem, gpa(DESC_TABLES_BASE), area, size))
		abort();
	return area;
}

uint8_t tables_sum(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *at++);
	return sum;
}
