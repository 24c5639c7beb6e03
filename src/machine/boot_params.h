/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux kernel finds below 1 MiB at its 64-bit entry: GDT, page
 * tables, command line and the zero page (struct boot_params).
 * Source: Linux Documentation/arch/x86/boot.rst, zero-page.rst.
 */
#ifndef MACHINE_BOOT_PARAMS_H
#define MACHINE_BOOT_PARAMS_H

#include <asm/bootparam.h>

#include "base/base.h"
#include "gmem/gmem.h"
#include "machine/desc.h"

#define BOOT_GDT_GPA	     0x1000u
#define BOOT_ZERO_PAGE_GPA   0x2000u
#define BOOT_PAGE_TABLES_GPA 0x3000u /* six pages */
#define BOOT_STACK_TOP_GPA   0x10000u
#define BOOT_CMDLINE_GPA     0x20000u
#define BOOT_CMDLINE_MAX     0x10000u
#define BOOT_CODE_SELECTOR   0x10u
#define BOOT_DATA_SELECTOR   0x18u
#define BOOT_GDT_BYTES	     0x20u

struct boot_page {
	const struct machine_desc *desc;
	struct setup_header hdr; /* the kernel's own */
	gpa_t rsdp;
	uint64_t initrd_base, initrd_bytes; /* bytes 0: none */
	const char *cmdline;
	bool kaslr; /* the kernel was moved: it may move its memory, too */
};

MUST_CHECK int boot_params_write(const struct gmem *gmem,
				 const struct boot_page *page);

/* GDT and identity map of the first 4 GiB. */
MUST_CHECK int boot_tables_write(const struct gmem *gmem);

#endif
