/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boots a Linux kernel without firmware.
 *
 * Configuration:
 *   boot.kernel   a bzImage for x86-64, boot protocol 2.12 or newer
 *   boot.initrd   optional
 *   boot.cmdline  optional
 *   boot.cache    where unpacked kernels are kept: a directory; "no" for none;
 *                 default /var/cache/byway, or byway in the user's cache
 *                 directory for a user who is not root
 *   boot.unpack   the byway-unpack program, when it is not where byway is
 *
 * The kernel is entered unpacked when byway-unpack can do that (once, then it
 * is kept): the guest spends most of its boot unpacking otherwise. The loader
 * then gives it a random virtual address as the kernel's own unpacking code
 * would, unless the command line has "nokaslr". Without an unpacked kernel the
 * bzImage's own 64-bit code runs; a line on the log says why. Kernels entered
 * directly use 4-level page tables.
 *
 * Guest memory below 1 MiB at the start (besides desc.h's tables):
 *   1000 GDT, 2000 zero page, 3000-8fff page tables, 10000 top of the stack,
 *   20000 command line
 * All of it, and the initrd, is copied or reserved by the kernel before it is
 * overwritten. Guest memory must be fresh (zero): what a kernel wants zeroed
 * is not written.
 *
 * Sources: Linux Documentation/arch/x86/boot.rst; bzimage.h, kfile.h.
 */
#ifndef MACHINE_BOOT_LINUX_H
#define MACHINE_BOOT_LINUX_H

#include "base/cfg.h"
#include "base/err.h"
#include "gmem/gmem.h"
#include "machine/desc.h"

struct boot_linux_params {
	struct cfg *root;
	const struct gmem *gmem;
	const struct machine_desc *desc;
	gpa_t rsdp; /* of desc_write_tables() */
};

/* vCPU 0: 64-bit mode, paging on, interrupts off, flat segments. */
struct boot_linux_entry {
	uint64_t rip, rsp, rsi, cr3;
	uint64_t gdt_base;
	uint16_t gdt_limit;
	uint16_t cs, ds;
	bool unpacked;	      /* entered directly, not through the bzImage */
	uint64_t kaslr_bytes; /* how far the kernel was moved */
};

/* Errors name the file or the configuration variable and the cure. */
MUST_CHECK int boot_linux(const struct boot_linux_params *params,
			  struct err *err, struct boot_linux_entry *ret_entry);

#endif
