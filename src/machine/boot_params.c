/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot parameters and early tables; the contract is in boot_params.h. */
#include "machine/boot_params.h"

#include <string.h>

#define LOADER_UNDEFINED 0xff /* a boot loader without a number of its own */
#define VID_MODE_NORMAL	 0xffff
#define PTES		 512u
#define PTE_PRESENT	 0x1u
#define PTE_WRITE	 0x2u
#define PTE_LARGE	 0x80u
#define MAPPED_GIB	 4u
#define GDT_CODE64	 0x00af9b000000ffffull
#define GDT_DATA	 0x00cf93000000ffffull

static void fill_e820(const struct machine_desc *desc,
		      struct boot_params *params)
{
	struct desc_e820 map[DESC_E820_MAX];
	unsigned i, n = desc_e820(desc, map);

	for (i = 0; i < n; i++)
		params->e820_table[i] = (struct boot_e820_entry){
		    .addr = map[i].base,
		    .size = map[i].size,
		    .type = map[i].type,
		};
	params->e820_entries = (uint8_t)n;
}

int boot_params_write(const struct gmem *gmem, const struct boot_page *page)
{
	struct boot_params params = {
	    .acpi_rsdp_addr = page->rsdp.v,
	    .hdr = page->hdr,
	};
	struct setup_header *hdr = &params.hdr;
	int r;

	fill_e820(page->desc, &params);
	hdr->type_of_loader = LOADER_UNDEFINED;
	hdr->vid_mode = VID_MODE_NORMAL;
	hdr->loadflags &= (uint8_t) ~(KASLR_FLAG | CAN_USE_HEAP);
	if (page->kaslr)
		hdr->loadflags |= KASLR_FLAG;
	hdr->cmd_line_ptr = BOOT_CMDLINE_GPA;
	hdr->ramdisk_image = (uint32_t)page->initrd_base;
	hdr->ramdisk_size = (uint32_t)page->initrd_bytes;
	params.ext_ramdisk_image = (uint32_t)(page->initrd_base >> 32);
	params.ext_ramdisk_size = (uint32_t)(page->initrd_bytes >> 32);
	r = gmem_write_obj(gmem, gpa(BOOT_ZERO_PAGE_GPA), &params);
	return r ? r
		 : gmem_write(gmem, gpa(BOOT_CMDLINE_GPA), page->cmdline,
			      strlen(page->cmdline) + 1);
}

/* One level of the page tables, entries [0, count). */
static int write_level(const struct gmem *gmem, uint64_t at, unsigned count,
		       uint64_t first, uint64_t step)
{
	uint64_t entries[PTES] = {0};
	unsigned i;

	for (i = 0; i < count; i++)
		entries[i] = first + i * step;
	return gmem_write_obj(gmem, gpa(at), &entries);
}

int boot_tables_write(const struct gmem *gmem)
{
	const uint64_t gdt[BOOT_GDT_BYTES / 8] = {
	    [BOOT_CODE_SELECTOR / 8] = GDT_CODE64,
	    [BOOT_DATA_SELECTOR / 8] = GDT_DATA,
	};
	const uint64_t flags = PTE_PRESENT | PTE_WRITE;
	const uint64_t pml4 = BOOT_PAGE_TABLES_GPA, pdpt = pml4 + GMEM_PAGE;
	const uint64_t pd = pdpt + GMEM_PAGE;
	unsigned i;
	int r;

	r = gmem_write_obj(gmem, gpa(BOOT_GDT_GPA), &gdt);
	if (!r)
		r = write_level(gmem, pml4, 1, pdpt | flags, 0);
	if (!r)
		r = write_level(gmem, pdpt, MAPPED_GIB, pd | flags, GMEM_PAGE);
	for (i = 0; !r && i < MAPPED_GIB; i++)
		r = write_level(gmem, pd + i * GMEM_PAGE, PTES,
				GIB(i) | flags | PTE_LARGE, MIB(2));
	return r;
}
