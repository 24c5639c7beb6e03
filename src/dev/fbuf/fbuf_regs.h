/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of the graphics card: the 4 KiB of its BAR 2.
 *
 *   000-07f  EDID of the monitor, read-only
 *   400-41f  VGA ports 3c0-3df; of these only what blanks the screen counts
 *   500-515  Bochs "DISPI" registers, 16 bits each, little-endian
 *   600-607  size of this block (8), byte order of pixels
 *
 * Everything else reads 0 and ignores writes. Accesses of 1, 2, 4 and 8 bytes
 * at any place are the bytes they consist of.
 *
 * Sources: Bochs VBE display extension (iodev/display, vbe_dispi); QEMU
 * documentation, specs/standard-vga (MMIO area, extended registers); IBM VGA
 * Technical Reference (attribute controller).
 */
#ifndef DEV_FBUF_FBUF_REGS_H
#define DEV_FBUF_FBUF_REGS_H

#include "backend/display/display.h"
#include "dev/fbuf/edid.h"

#define FBUF_REGS_BYTES 4096u
#define FBUF_SIDE_MIN	64u /* smaller modes show nothing */

enum dispi_index {
	DISPI_ID,
	DISPI_XRES,
	DISPI_YRES,
	DISPI_BPP,
	DISPI_ENABLE,
	DISPI_BANK,
	DISPI_VIRT_WIDTH,
	DISPI_VIRT_HEIGHT,
	DISPI_X_OFFSET,
	DISPI_Y_OFFSET,
	DISPI_MEMORY_64K,
	DISPI_COUNT,
};

#define DISPI_ID5     0xb0c5u
#define DISPI_ENABLED 0x01u
#define DISPI_GETCAPS 0x02u
#define DISPI_BPP_32  32u

struct fbuf_regs {
	unsigned width, height; /* what the monitor prefers */
	uint64_t vram_bytes;
	uint8_t edid[EDID_BYTES];
	uint16_t dispi[DISPI_COUNT];
	bool big_endian;
	uint8_t attribute;   /* index register; bit 5: picture on */
	bool attribute_data; /* next write is data */
	bool retrace;	     /* what input status said last */
	uint8_t misc;
};

void fbuf_regs_init(struct fbuf_regs *regs, unsigned width, unsigned height,
		    uint64_t vram_bytes);
uint64_t fbuf_regs_read(struct fbuf_regs *regs, uint64_t off, unsigned size);
void fbuf_regs_write(struct fbuf_regs *regs, uint64_t off, unsigned size,
		     uint64_t value);

/*
 * What the registers make of the video memory. It lies wholly inside it: a
 * mode that does not fit, or of another depth than 32 bits, is dark. False
 * when the guest enabled such a mode.
 */
bool fbuf_regs_image(const struct fbuf_regs *regs, const uint8_t *vram,
		     struct display_image *ret_image);

#endif
