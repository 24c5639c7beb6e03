/* SPDX-License-Identifier: BSD-2-Clause */
/* Building the EDID block; described in edid.h. */
#include "dev/fbuf/edid.h"

#include <string.h>

#define REFRESH_HZ	  60u
#define MODEL_YEAR	  2024u
#define PRODUCT		  0x1111u
#define STANDARD_TIMINGS  8u
#define DESCRIPTOR_BYTES  18u
#define TAG_NAME	  0xfc
#define TAG_RANGE	  0xfd
#define TAG_DUMMY	  0x10
#define DOTS_PER_INCH	  96u
#define TENTH_MM_PER_INCH 254u

/* Offsets in the block. */
enum {
	AT_VENDOR = 8,
	AT_PRODUCT = 10,
	AT_WEEK = 16,
	AT_VERSION = 18,
	AT_INPUT = 20,
	AT_CHROMA = 25,
	AT_ESTABLISHED = 35,
	AT_STANDARD = 38,
	AT_DESCRIPTORS = 54,
	AT_CHECKSUM = 127,
};

/* CVT with reduced blanking: fixed by the standard. */
#define RB_HBLANK    160u
#define RB_HFRONT    48u
#define RB_HSYNC     32u
#define RB_VFRONT    3u
#define RB_VBACK_MIN 6u
#define RB_VBLANK_NS 460000u

struct timing {
	unsigned width, height, vblank, vsync;
	unsigned clock_10khz;
};

/* Lines of vertical sync tell the aspect ratio. */
static unsigned sync_lines(unsigned width, unsigned height)
{
	if (width * 3 == height * 4)
		return 4;
	if (width * 9 == height * 16)
		return 5;
	if (width * 10 == height * 16)
		return 6;
	if (width * 4 == height * 5 || width * 9 == height * 15)
		return 7;
	return 10;
}

static struct timing reduced_blanking(unsigned width, unsigned height)
{
	struct timing t = {.width = width, .height = height};
	unsigned line_ns = (1000000000u / REFRESH_HZ - RB_VBLANK_NS) / height;
	uint64_t total;

	t.vsync = sync_lines(width, height);
	t.vblank =
	    MAX(RB_VBLANK_NS / line_ns + 1, RB_VFRONT + t.vsync + RB_VBACK_MIN);
	total = (uint64_t)(width + RB_HBLANK) * (height + t.vblank);
	t.clock_10khz = (unsigned)(total * REFRESH_HZ / 10000);
	return t;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

/* Upper four bits of two 12-bit numbers. */
static uint8_t high_bits(unsigned a, unsigned b)
{
	return (uint8_t)((a >> 8 & 0xf) << 4 | (b >> 8 & 0xf));
}

static unsigned size_mm(unsigned pixels)
{
	return pixels * TENTH_MM_PER_INCH / DOTS_PER_INCH / 10;
}

static void put_timing(uint8_t *at, const struct timing *t)
{
	unsigned mm_x = size_mm(t->width), mm_y = size_mm(t->height);

	put16(at, t->clock_10khz);
	at[2] = (uint8_t)t->width;
	at[3] = RB_HBLANK;
	at[4] = high_bits(t->width, RB_HBLANK);
	at[5] = (uint8_t)t->height;
	at[6] = (uint8_t)t->vblank;
	at[7] = high_bits(t->height, t->vblank);
	at[8] = RB_HFRONT;
	at[9] = RB_HSYNC;
	at[10] = (uint8_t)(RB_VFRONT << 4 | t->vsync);
	at[11] = 0;
	at[12] = (uint8_t)mm_x;
	at[13] = (uint8_t)mm_y;
	at[14] = high_bits(mm_x, mm_y);
	at[17] = 0x1a; /* digital separate sync, H positive, V negative */
}

/* A descriptor with text, ended by a newline and filled with spaces. */
static void put_text(uint8_t *at, uint8_t tag, const char *text)
{
	size_t len = strlen(text);

	at[3] = tag;
	memset(at + 5, ' ', 13);
	memcpy(at + 5, text, MIN(len, (size_t)13));
	if (len < 13)
		at[5 + len] = '\n';
}

static void put_range(uint8_t *at, const struct timing *t)
{
	unsigned khz = t->clock_10khz * 10 / (t->width + RB_HBLANK);

	put_text(at, TAG_RANGE, "");
	at[5] = REFRESH_HZ - 10;
	at[6] = REFRESH_HZ + 15;
	at[7] = 30;
	/* The listed sizes have longer blanks: 80 kHz and 200 MHz do. */
	at[8] = (uint8_t)MAX(khz + 1, 80u);
	at[9] = (uint8_t)MAX(t->clock_10khz / 1000 + 1, 20u); /* 10 MHz */
	at[10] = 1; /* these limits and no formula */
	at[11] = '\n';
}

static void put_established(uint8_t *at, unsigned width, unsigned height)
{
	at[0] = (width >= 640 && height >= 480 ? 0x20 : 0) |
		(width >= 800 && height >= 600 ? 0x01 : 0);
	at[1] = width >= 1024 && height >= 768 ? 0x08 : 0;
}

static void put_standard(uint8_t *at, unsigned width, unsigned height)
{
	/* Aspect in the upper bits: 0 16:10, 1 4:3, 2 5:4, 3 16:9. */
	static const struct {
		uint16_t width, height;
		uint8_t aspect;
	} sizes[STANDARD_TIMINGS] = {
	    {1280, 720, 3}, {1280, 800, 0},  {1280, 1024, 2}, {1440, 900, 0},
	    {1600, 900, 3}, {1680, 1050, 0}, {1920, 1080, 3}, {1920, 1200, 0},
	};
	unsigned i;

	for (i = 0; i < STANDARD_TIMINGS; i++, at += 2) {
		at[0] = at[1] = 1; /* unused */
		if (sizes[i].width > width || sizes[i].height > height)
			continue;
		at[0] = (uint8_t)(sizes[i].width / 8 - 31);
		at[1] = (uint8_t)(sizes[i].aspect << 6 | (REFRESH_HZ - 60));
	}
}

static void put_identity(uint8_t *edid, unsigned width, unsigned height)
{
	static const uint8_t header[8] = {0,	0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0};
	/* The primaries and white of sRGB. */
	static const uint8_t chroma[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c,
					   0x99, 0x26, 0x0f, 0x50, 0x54};
	/* "BYW": five bits a letter, A is 1, most significant byte first. */
	unsigned vendor = ('B' - '@') << 10 | ('Y' - '@') << 5 | ('W' - '@');

	memcpy(edid, header, sizeof(header));
	edid[AT_VENDOR] = (uint8_t)(vendor >> 8);
	edid[AT_VENDOR + 1] = (uint8_t)vendor;
	put16(edid + AT_PRODUCT, PRODUCT);
	edid[AT_WEEK] = 0xff; /* the year is the model's */
	edid[AT_WEEK + 1] = MODEL_YEAR - 1990;
	edid[AT_VERSION] = 1;
	edid[AT_VERSION + 1] = 4;
	edid[AT_INPUT] = 0xa0; /* digital, 8 bits a colour */
	edid[AT_INPUT + 1] = (uint8_t)(size_mm(width) / 10);
	edid[AT_INPUT + 2] = (uint8_t)(size_mm(height) / 10);
	edid[AT_INPUT + 3] = 120;  /* gamma 2.2 */
	edid[AT_INPUT + 4] = 0x06; /* sRGB; first timing is the native one */
	memcpy(edid + AT_CHROMA, chroma, sizeof(chroma));
}

void edid_build(unsigned width, unsigned height, uint8_t ret_edid[EDID_BYTES])
{
	struct timing timing = reduced_blanking(width, height);
	uint8_t *descriptor = ret_edid + AT_DESCRIPTORS;
	unsigned i, sum = 0;

	memset(ret_edid, 0, EDID_BYTES);
	put_identity(ret_edid, width, height);
	put_established(ret_edid + AT_ESTABLISHED, width, height);
	put_standard(ret_edid + AT_STANDARD, width, height);
	put_timing(descriptor, &timing);
	put_text(descriptor + DESCRIPTOR_BYTES, TAG_NAME, "byway");
	put_range(descriptor + 2 * DESCRIPTOR_BYTES, &timing);
	descriptor[3 * DESCRIPTOR_BYTES + 3] = TAG_DUMMY;
	for (i = 0; i < AT_CHECKSUM; i++)
		sum += ret_edid[i];
	ret_edid[AT_CHECKSUM] = (uint8_t)-sum;
}
