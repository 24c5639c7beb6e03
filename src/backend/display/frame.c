/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying the screen and finding what changed; described in frame.h.
 *
 * Nearly always nothing has: whole lines are compared first. In a band of
 * lines with a difference the tiles that differ are copied, and neighbours are
 * reported as one rectangle. A line that the guest changes between comparison
 * and copy is found the next time.
 */
#include "backend/display/frame.h"

#include <string.h>

#define TILES_MAX ((DISPLAY_SIDE_MAX + FRAME_TILE - 1) / FRAME_TILE)

struct update {
	struct frame *frame;
	const struct display_image *image;
	unsigned width, height; /* of the part that both have */
	frame_dirty_fn *dirty;
	void *ctx;
	int changed;
};

int frame_init(struct frame *frame, unsigned width, unsigned height)
{
	size_t pixels = (size_t)width * height;

	*frame = (struct frame){.width = width, .height = height};
	frame->pixels = calloc(pixels, DISPLAY_PIXEL_BYTES);
	return frame->pixels ? 0 : -ENOMEM;
}

void frame_fini(struct frame *frame)
{
	free(frame->pixels);
	free(frame->line);
	*frame = (struct frame){0};
}

static uint8_t *frame_at(const struct frame *frame, unsigned x, unsigned y)
{
	return frame->pixels +
	       ((size_t)y * frame->width + x) * DISPLAY_PIXEL_BYTES;
}

/* A line of the screen with its bytes in our order. */
static const uint8_t *source_line(struct update *up, unsigned y)
{
	const uint8_t *line = up->image->pixels + y * up->image->stride;
	uint8_t *to = up->frame->line;
	uint32_t pixel;
	unsigned x;

	if (!up->image->swapped)
		return line;
	for (x = 0; x < up->width; x++) {
		memcpy(&pixel, line + x * sizeof(pixel), sizeof(pixel));
		pixel = __builtin_bswap32(pixel);
		memcpy(to + x * sizeof(pixel), &pixel, sizeof(pixel));
	}
	return to;
}

static void copy_line(struct update *up, unsigned y, bool *tiles)
{
	const uint8_t *from = source_line(up, y);
	uint8_t *to = frame_at(up->frame, 0, y);
	unsigned x, pixels;
	size_t at, bytes;

	if (!memcmp(from, to, (size_t)up->width * DISPLAY_PIXEL_BYTES))
		return;
	for (x = 0; x < up->width; x += FRAME_TILE) {
		pixels = MIN(FRAME_TILE, up->width - x);
		at = (size_t)x * DISPLAY_PIXEL_BYTES;
		bytes = (size_t)pixels * DISPLAY_PIXEL_BYTES;
		if (!memcmp(from + at, to + at, bytes))
			continue;
		memcpy(to + at, from + at, bytes);
		tiles[x / FRAME_TILE] = true;
	}
}

static void report(struct update *up, unsigned x, unsigned y, unsigned width,
		   unsigned height)
{
	up->changed = 1;
	if (up->dirty)
		up->dirty(up->ctx, x, y, width, height);
}

static void update_band(struct update *up, unsigned y)
{
	unsigned lines = MIN(FRAME_BAND, up->height - y), i, first;
	unsigned tiles = (up->width + FRAME_TILE - 1) / FRAME_TILE;
	bool changed[TILES_MAX + 1] = {0}; /* one more, to end a run */

	for (i = 0; i < lines; i++)
		copy_line(up, y + i, changed);
	for (i = 0; i < tiles; i++) {
		if (!changed[i])
			continue;
		for (first = i; changed[i + 1]; i++)
			;
		report(up, first * FRAME_TILE, y,
		       MIN((i + 1) * FRAME_TILE, up->width) -
			   first * FRAME_TILE,
		       lines);
	}
}

static bool is_black(const uint8_t *at, size_t bytes)
{
	return !at[0] && !memcmp(at, at + 1, bytes - 1);
}

static void blacken(struct update *up, unsigned x, unsigned y, unsigned width,
		    unsigned height)
{
	size_t bytes = (size_t)width * DISPLAY_PIXEL_BYTES;
	bool changed = false;
	unsigned line;
	uint8_t *at;

	for (line = y; line < y + height; line++) {
		at = frame_at(up->frame, x, line);
		if (is_black(at, bytes))
			continue;
		memset(at, 0, bytes);
		changed = true;
	}
	if (changed)
		report(up, x, y, width, height);
}

static int grow_line(struct frame *frame, size_t bytes)
{
	uint8_t *grown;

	if (frame->line_bytes >= bytes)
		return 0;
	grown = realloc(frame->line, bytes);
	if (!grown)
		return -ENOMEM;
	frame->line = grown;
	frame->line_bytes = bytes;
	return 0;
}

int frame_update(struct frame *frame, const struct display_image *image,
		 frame_dirty_fn *dirty, void *ctx)
{
	struct update up = {
	    .frame = frame, .image = image, .dirty = dirty, .ctx = ctx};
	unsigned y;

	if (image->pixels) {
		up.width = MIN(frame->width, image->width);
		up.height = MIN(frame->height, image->height);
	}
	if (image->swapped &&
	    grow_line(frame, (size_t)up.width * DISPLAY_PIXEL_BYTES))
		return -ENOMEM;
	for (y = 0; y < up.height; y += FRAME_BAND)
		update_band(&up, y);
	if (up.width < frame->width)
		blacken(&up, up.width, 0, frame->width - up.width, up.height);
	if (up.height < frame->height)
		blacken(&up, 0, up.height, frame->width,
			frame->height - up.height);
	return up.changed;
}
