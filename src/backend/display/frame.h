/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A viewer's own copy of the screen, and what changed since it was made.
 *
 * Encoders look at pixels more than once and rely on them not to change; the
 * guest writes when it likes. So they only ever see this copy.
 */
#ifndef BACKEND_DISPLAY_FRAME_H
#define BACKEND_DISPLAY_FRAME_H

#include "backend/display/display.h"

#define FRAME_TILE 64u /* pixels; changes are found in tiles of this width */
#define FRAME_BAND 16u /* and this height */

struct frame {
	unsigned width, height;
	uint8_t *pixels; /* width * 4 bytes a line, as DISPLAY_PIXEL_BYTES */
	uint8_t *line;	 /* room for one line of the screen, converted */
	size_t line_bytes;
};

/* A rectangle of the copy changed. */
typedef void frame_dirty_fn(void *ctx, unsigned x, unsigned y, unsigned width,
			    unsigned height);

/* Black. frame_fini() undoes it and is safe on a zeroed struct. */
MUST_CHECK int frame_init(struct frame *frame, unsigned width, unsigned height);
void frame_fini(struct frame *frame);

/*
 * Makes the copy show the screen; what the screen does not cover is black.
 * Calls dirty() for what changed and says whether anything did. -ENOMEM.
 */
MUST_CHECK int frame_update(struct frame *frame,
			    const struct display_image *image,
			    frame_dirty_fn *dirty, void *ctx);

#endif
