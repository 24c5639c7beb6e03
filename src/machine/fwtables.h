/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's tables as files for firmware: what desc_write_tables() puts
 * into memory itself when there is no firmware.
 *
 * Firmware allocates "etc/acpi/tables" and "etc/acpi/rsdp" where it likes and
 * follows the script "etc/table-loader": which pointers to add addresses to,
 * which checksums to fix. It does the same for SMBIOS by itself.
 *
 * The files are built twice: for their sizes, which the directory tells before
 * firmware has placed anything, and with the final addresses when firmware
 * fetches them. FWTABLES_SLACK more bytes are told than the first needs.
 *
 * Source: QEMU's fw_cfg interface as documented for its users (fw_cfg.rst,
 * "bios linker loader"); ACPI 5.1; SMBIOS 3.2.
 */
#ifndef MACHINE_FWTABLES_H
#define MACHINE_FWTABLES_H

#include "base/err.h"
#include "machine/desc.h"
#include "machine/tbuf.h"

#define FWTABLES_RSDP	"etc/acpi/rsdp"
#define FWTABLES_TABLES "etc/acpi/tables"
#define FWTABLES_LOADER "etc/table-loader"

#define FWTABLES_SLACK KIB(4)

struct fwtables {
	struct tbuf rsdp, tables, loader;
};

MUST_CHECK int fwtables_acpi(const struct machine_desc *desc, struct err *err,
			     struct fwtables *ret_files);
void fwtables_fini(struct fwtables *files); /* zeroed struct allowed */

/* Entry point and structures; both initialised here. */
MUST_CHECK int fwtables_smbios(const struct machine_desc *desc, struct err *err,
			       struct tbuf *ret_anchor,
			       struct tbuf *ret_tables);

/* RAM as firmware's E820: 20 bytes a range, "etc/e820". */
MUST_CHECK int fwtables_e820(const struct machine_desc *desc, struct err *err,
			     struct tbuf *ret_map);

#endif
