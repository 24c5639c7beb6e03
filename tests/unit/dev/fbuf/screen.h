/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A graphics card with nobody looking: a display that only remembers what it
 * was created with, a platform that maps memory on paper, and the card between
 * them with its BARs where the tests look for them.
 *
 * screen.c defines the functions of display.h itself; a program linked with it
 * gets these and needs neither a VNC library nor a network.
 */
#ifndef TESTS_DEV_FBUF_SCREEN_H
#define TESTS_DEV_FBUF_SCREEN_H

#include "backend/display/display.h"
#include "dev/fbuf/fbuf_model.h"
#include "fakes.h"

#define SCREEN_VRAM 0xc0000000u /* BAR 0 and BAR 2 */
#define SCREEN_REGS 0xcf000000u
#define SCREEN_MAPS 4u

/* What display_create() made. */
struct display {
	struct display_params params;
	char where[256], password[256], layout[256], name[256];
	display_ready_fn *ready;
	void *ready_ctx;
};

struct screen_map {
	bool used;
	uint64_t base, size;
	uint8_t *host;
};

struct screen {
	struct fake fake; /* first */
	struct memmap memmap;
	struct screen_map map[SCREEN_MAPS];
	unsigned maps;	    /* how often map() was called */
	bool refuse_to_map; /* map() fails */
};

extern const struct pci_addr screen_addr; /* 0:8:0 */

/* Never fails (aborts instead): also for fuzzers. */
void screen_init(struct screen *screen);
void screen_fini(struct screen *screen);
/* Options as after "fbuf," on the command line. */
MUST_CHECK int screen_create(struct screen *screen, const char *options,
			     struct err *err);
/* Where the tests expect them, decoding on. */
void screen_place_bars(struct screen *screen);

struct fbuf *screen_fbuf(struct screen *screen);
/* The display that was created last and is not destroyed; NULL: none. */
struct display *screen_display(void);
/* The picture as a viewer gets it. */
struct display_image screen_image(void);

uint64_t screen_read(struct screen *screen, uint64_t addr, unsigned size);
void screen_write(struct screen *screen, uint64_t addr, unsigned size,
		  uint64_t value);

#endif
