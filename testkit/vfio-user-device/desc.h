/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The description of a test device: what it is, and when it misbehaves.
 *
 * A text file, one statement a line, `#` starts a comment. Numbers are
 * hexadecimal in ids, offsets and values, decimal in counts; sizes take K, M
 * and G. testkit/README.md lists the statements.
 */
#ifndef TESTKIT_DESC_H
#define TESTKIT_DESC_H

#include <stdio.h>

#include "base/base.h"
#include "base/err.h"

#define DESC_BARS    6u
#define DESC_CAPS    16u
#define DESC_INITS   16u
#define DESC_BYTES   64u
#define DESC_FAULTS  8u
#define DESC_NOWHERE 0xffu /* a BAR number: none */

enum desc_bar_kind {
	DESC_BAR_NONE,
	DESC_BAR_IO,
	DESC_BAR_MEM32,
	DESC_BAR_MEM64,
};

struct desc_bar {
	enum desc_bar_kind kind;
	uint64_t size;
	bool prefetch;
	bool mapped; /* offered as a file that the client may map */
};

enum desc_cap_kind {
	DESC_CAP_PM,
	DESC_CAP_MSI,
	DESC_CAP_MSIX,
	DESC_CAP_PCIE,
	DESC_CAP_AER, /* extended */
};

struct desc_cap { /* in the order of the chain */
	enum desc_cap_kind kind;
	unsigned at;
};

enum desc_reset { /* what the reset message does */
	DESC_RESET_OK,
	DESC_RESET_NONE, /* the device says that it has none */
	DESC_RESET_FAILS,
	DESC_RESET_HANGS,
	DESC_RESET_IGNORED, /* "done", and nothing was */
};

enum desc_trigger {
	DESC_ON_START,
	DESC_ON_RESETS, /* n resets were done */
	DESC_ON_WRITE,	/* value written at off of a BAR */
	DESC_ON_MS,	/* n ms after a client connected */
	DESC_ON_DMA,	/* in the middle of the n-th copy */
};

enum desc_action {
	DESC_DO_ONES,	 /* everything reads as ones, for good */
	DESC_DO_DIE,	 /* the server ends */
	DESC_DO_HANG,	 /* the server answers nothing more */
	DESC_DO_AER,	 /* an uncorrectable error is reported */
	DESC_DO_REQUEST, /* the device is asked back */
	DESC_DO_RESET_FAILS,
	DESC_DO_RESET_HANGS,
};

struct desc_fault {
	enum desc_trigger trigger;
	unsigned n;
	unsigned bar;
	uint64_t off, value;
	enum desc_action action;
};

struct desc_value { /* 32 bits in a BAR, or a byte of config space */
	unsigned bar;
	uint64_t off;
	uint32_t value;
};

struct desc {
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class; /* 24 bits */
	uint8_t revision;
	uint8_t pin; /* 0: none, 1: A */
	struct desc_bar bar[DESC_BARS];
	unsigned registers_bar; /* DESC_NOWHERE: it has none */
	uint64_t registers_off;
	uint64_t rom_size; /* 0: none */
	struct desc_cap cap[DESC_CAPS];
	unsigned caps;
	bool soft_reset;    /* forgets its state on the way from D3hot to D0 */
	unsigned msi, msix; /* vectors */
	bool msi_64, msi_maskable;
	unsigned table_bar, pba_bar;
	uint32_t table_off, pba_off;
	unsigned speed, width; /* of the link: generation, lanes */
	bool flr;
	struct desc_value init[DESC_INITS];
	unsigned inits;
	struct desc_value byte[DESC_BYTES];
	unsigned bytes;
	enum desc_reset reset;
	struct desc_fault fault[DESC_FAULTS];
	unsigned faults;
};

/* `name` is for messages: "FILE:LINE: what is wrong". */
MUST_CHECK int desc_read(FILE *in, const char *name, struct err *err,
			 struct desc *ret_desc);

#endif
