/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the graphics card; described in fbuf_regs.h. */
#include "dev/fbuf/fbuf_regs.h"

#define AT_VGA	     0x400u
#define AT_DISPI     0x500u
#define AT_EXTENDED  0x600u
#define VGA_BYTES    0x20u
#define DISPI_BYTES  (2u * DISPI_COUNT)
#define EXT_BYTES    8u
#define EXT_ORDER    4u /* of the extended registers: byte order */
#define ORDER_LITTLE 0x1eu
#define ORDER_BIG    0xbeu

/* VGA ports, from 3c0. */
#define VGA_ATTRIBUTE	   0x00u
#define VGA_ATTRIBUTE_READ 0x01u
#define VGA_MISC_WRITE	   0x02u
#define VGA_MISC_READ	   0x0cu
#define VGA_STATUS	   0x1au
#define VGA_PICTURE_ON	   0x20u
#define VGA_RETRACE	   0x09u /* vertical retrace, display disabled */

void fbuf_regs_init(struct fbuf_regs *regs, unsigned width, unsigned height,
		    uint64_t vram_bytes)
{
	*regs = (struct fbuf_regs){
	    .width = width,
	    .height = height,
	    .vram_bytes = vram_bytes,
	    .attribute = VGA_PICTURE_ON,
	};
	edid_build(width, height, regs->edid);
	regs->dispi[DISPI_ID] = DISPI_ID5;
	regs->dispi[DISPI_MEMORY_64K] = (uint16_t)(vram_bytes >> 16);
}

/* ---- reading ---- */

static uint8_t read_vga(struct fbuf_regs *regs, unsigned port)
{
	switch (port) {
	case VGA_ATTRIBUTE:
		return regs->attribute;
	case VGA_MISC_READ:
		return regs->misc;
	case VGA_STATUS:
		regs->attribute_data = false;
		/* Who waits for an edge sees one. */
		regs->retrace = !regs->retrace;
		return regs->retrace ? VGA_RETRACE : 0;
	default:
		return 0;
	}
}

static uint16_t dispi_value(const struct fbuf_regs *regs, unsigned index)
{
	if (regs->dispi[DISPI_ENABLE] & DISPI_GETCAPS) {
		switch (index) {
		case DISPI_XRES:
		case DISPI_YRES:
			return DISPLAY_SIDE_MAX;
		case DISPI_BPP:
			return DISPI_BPP_32;
		default:
			break;
		}
	}
	return regs->dispi[index];
}

static uint8_t read_extended(const struct fbuf_regs *regs, unsigned at)
{
	if (at >= EXT_ORDER)
		return regs->big_endian ? ORDER_BIG : ORDER_LITTLE;
	return at == 0 ? EXT_BYTES : 0;
}

static uint8_t read8(struct fbuf_regs *regs, unsigned off)
{
	unsigned at;

	if (off < EDID_BYTES)
		return regs->edid[off];
	if (off >= AT_VGA && off < AT_VGA + VGA_BYTES)
		return read_vga(regs, off - AT_VGA);
	if (off >= AT_DISPI && off < AT_DISPI + DISPI_BYTES) {
		at = off - AT_DISPI;
		return (uint8_t)(dispi_value(regs, at / 2) >> (at % 2 * 8));
	}
	if (off >= AT_EXTENDED && off < AT_EXTENDED + EXT_BYTES)
		return read_extended(regs, off - AT_EXTENDED);
	return 0;
}

uint64_t fbuf_regs_read(struct fbuf_regs *regs, uint64_t off, unsigned size)
{
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < size; i++)
		value |= (uint64_t)read8(regs, (unsigned)off + i) << (8 * i);
	return value;
}

/* ---- writing ---- */

static void write_vga(struct fbuf_regs *regs, unsigned port, uint8_t value)
{
	if (port == VGA_MISC_WRITE)
		regs->misc = value;
	if (port != VGA_ATTRIBUTE)
		return;
	if (!regs->attribute_data)
		regs->attribute = value;
	regs->attribute_data = !regs->attribute_data;
}

static void write_dispi(struct fbuf_regs *regs, unsigned at, uint8_t value)
{
	uint16_t *reg = &regs->dispi[at / 2];
	unsigned shift = at % 2 * 8;

	if (at / 2 == DISPI_ID || at / 2 == DISPI_MEMORY_64K)
		return;
	*reg =
	    (uint16_t)((*reg & ~(0xffu << shift)) | (unsigned)value << shift);
}

static void write8(struct fbuf_regs *regs, unsigned off, uint8_t value)
{
	if (off >= AT_VGA && off < AT_VGA + VGA_BYTES)
		write_vga(regs, off - AT_VGA, value);
	else if (off >= AT_DISPI && off < AT_DISPI + DISPI_BYTES)
		write_dispi(regs, off - AT_DISPI, value);
	else if (off == AT_EXTENDED + EXT_ORDER &&
		 (value == ORDER_BIG || value == ORDER_LITTLE))
		regs->big_endian = value == ORDER_BIG;
}

void fbuf_regs_write(struct fbuf_regs *regs, uint64_t off, unsigned size,
		     uint64_t value)
{
	unsigned i;

	for (i = 0; i < size; i++)
		write8(regs, (unsigned)off + i, (uint8_t)(value >> (8 * i)));
}

/* ---- the picture ---- */

static bool side_ok(unsigned pixels)
{
	return pixels >= FBUF_SIDE_MIN && pixels <= DISPLAY_SIDE_MAX;
}

bool fbuf_regs_image(const struct fbuf_regs *regs, const uint8_t *vram,
		     struct display_image *ret_image)
{
	const uint16_t *dispi = regs->dispi;
	unsigned width = dispi[DISPI_XRES], height = dispi[DISPI_YRES];
	uint64_t stride =
	    (uint64_t)MAX(dispi[DISPI_VIRT_WIDTH], dispi[DISPI_XRES]) *
	    DISPLAY_PIXEL_BYTES;
	/* 16-bit factors: none of this can wrap. */
	uint64_t start = dispi[DISPI_Y_OFFSET] * stride +
			 (uint64_t)dispi[DISPI_X_OFFSET] * DISPLAY_PIXEL_BYTES;
	uint64_t bytes = height ? (height - 1) * stride +
				      (uint64_t)width * DISPLAY_PIXEL_BYTES
				: 0;

	*ret_image = (struct display_image){.width = regs->width,
					    .height = regs->height};
	if (!(dispi[DISPI_ENABLE] & DISPI_ENABLED))
		return true;
	if (!side_ok(width) || !side_ok(height) ||
	    dispi[DISPI_BPP] != DISPI_BPP_32 ||
	    !range_inside(start, bytes, 0, regs->vram_bytes))
		return false;
	ret_image->width = width;
	ret_image->height = height;
	ret_image->stride = (size_t)stride;
	ret_image->swapped = regs->big_endian;
	if (regs->attribute & VGA_PICTURE_ON)
		ret_image->pixels = vram + start;
	return true;
}
