/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the monitor says about itself: one block of EDID 1.4.
 *
 * The preferred mode is the size asked for at 60 Hz, with CVT's reduced
 * blanking; the usual smaller sizes are listed as well.
 * Sources: VESA E-EDID Standard, Release A2 (EDID 1.4); VESA CVT 1.2, 3.4.2.
 */
#ifndef DEV_FBUF_EDID_H
#define DEV_FBUF_EDID_H

#include "base/base.h"

#define EDID_BYTES 128u

/* width at most 4095, height at most 2160. */
void edid_build(unsigned width, unsigned height, uint8_t ret_edid[EDID_BYTES]);

#endif
