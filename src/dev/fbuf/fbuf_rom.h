/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The card's expansion ROM: a video BIOS, which a PC's BIOS runs so that boot
 * loaders have a picture before there is a driver. UEFI needs none.
 *
 * It is a file the person names; Debian's package seabios has one for this
 * card (vgabios-bochs-display.bin). byway only shows it to the guest.
 *
 * Limits: FBUF_ROM_MAX bytes. Source: PCI Local Bus 3.0, 6.3.
 */
#ifndef DEV_FBUF_FBUF_ROM_H
#define DEV_FBUF_FBUF_ROM_H

#include "base/base.h"
#include "base/err.h"

#define FBUF_ROM_MAX KIB(256)

struct fbuf_rom {
	uint8_t *bytes; /* NULL: none */
	uint64_t size;	/* of the BAR: a power of two, zeroes at the end */
};

/*
 * Reads it. -EINVAL for what does not begin as a ROM (55 aa, and a length that
 * the file has), the file's own error otherwise; ret_rom is untouched then.
 */
MUST_CHECK int fbuf_rom_load(const char *path, struct err *err,
			     struct fbuf_rom *ret_rom);
void fbuf_rom_free(struct fbuf_rom *rom); /* one without bytes allowed */

/* Little-endian; what lies outside reads as zero. */
uint64_t fbuf_rom_read(const struct fbuf_rom *rom, uint64_t off, unsigned size);

#endif
