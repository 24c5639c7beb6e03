/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMBIOS structures: who made the machine, its UUID, processors, memory.
 *
 * Types 0, 1, 2, 3, 4 (a socket each), 16, 17, 19, 32, 127. Texts come from
 * bios.*, system.*, board.* and chassis.* of the configuration; the defaults
 * are the ones bhyve documents, so that a guest moved from there sees the
 * same machine.
 *
 * Source: SMBIOS reference specification 3.0.
 */
#ifndef MACHINE_SMBIOS_H
#define MACHINE_SMBIOS_H

#include "base/err.h"
#include "machine/desc.h"
#include "machine/tbuf.h"
#include "spec/smbios.h"

struct smbios_table {
	struct tbuf data;
	unsigned count; /* structures */
	size_t largest; /* bytes of the largest */
};

/*
 * Appends the structures to ret_table->data, which the caller has
 * initialised. Errors name the configuration value.
 */
MUST_CHECK int smbios_build(const struct machine_desc *desc, struct err *err,
			    struct smbios_table *ret_table);

/* Entry points for structures that lie at `address`. */
struct smbios3_entry smbios_entry64(const struct smbios_table *table,
				    uint32_t address);
struct smbios_entry smbios_entry32(const struct smbios_table *table,
				   uint32_t address);

#endif
