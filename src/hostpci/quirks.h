/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices and kernels whose resets are known to be broken or slow: one table
 * for the reset ladder, the doctor and docs/passthrough.md.
 *
 * Threads: any; everything is constant. Sources are named in each entry.
 */
#ifndef HOSTPCI_QUIRKS_H
#define HOSTPCI_QUIRKS_H

#include "hostpci/hostpci.h"

/* What the ladder does differently. */
#define QUIRK_NO_FLR	BIT(0) /* no function level reset */
#define QUIRK_NO_BUS	BIT(1) /* no reset of its bus */
#define QUIRK_NO_PM	BIT(2) /* D3hot and back resets nothing */
#define QUIRK_STOP_NVME BIT(3) /* CC.EN off before a function level reset */
#define QUIRK_WAIT	BIT(4) /* wait_ms after a function level reset */
#define QUIRK_WAIT_PM	BIT(5) /* wait_ms after D3hot */
#define QUIRK_MODULE	BIT(6) /* vendor-reset has the only one that helps */
/* What it cannot help; for the doctor. */
#define QUIRK_SMC  BIT(7) /* needs a reset through its own microcontroller */
#define QUIRK_HOST BIT(8) /* given to a guest it takes the host down */

#define QUIRK_ANY 0xffffu

struct hostpci_quirk {
	uint16_t vendor, first, last; /* device ids, both included */
	uint32_t class, class_mask;   /* of class code; mask 0: any */
	unsigned what;		      /* QUIRK_* */
	unsigned wait_ms;
	const char *name, *broken, *source;
};

/* The table, for whoever shows it; NULL after the last. */
const struct hostpci_quirk *hostpci_quirk_at(size_t i);
/* QUIRK_* of all entries for the function; the longest wait. */
unsigned hostpci_quirks(const struct hostpci_dev *dev, unsigned *ret_wait_ms);
/* The first entry for the function with one of these bits, or NULL. */
const struct hostpci_quirk *hostpci_quirk_find(const struct hostpci_dev *dev,
					       unsigned what);

struct hostpci_kernel_quirk {
	const char *version; /* "6.14.2": that, whatever follows it */
	unsigned what;
	const char *broken, *source;
};

const struct hostpci_kernel_quirk *hostpci_kernel_quirk_at(size_t i);
/* `release` as uname(2) has it; NULL: none known. */
const struct hostpci_kernel_quirk *hostpci_kernel_quirk(const char *release);

/* What is done instead, as a phrase; "" for nothing. */
void hostpci_quirk_cure(unsigned what, unsigned wait_ms, char *buf,
			size_t size);

#endif
