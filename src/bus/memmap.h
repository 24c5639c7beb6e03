/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mapping host memory straight into the guest's physical address space
 * (a passed-through BAR, flash, a frame buffer): no trap on access.
 *
 * The platform (kvm/) implements it with memory slots; tests with a list.
 * Threads: any; map and unmap of one handle are serialised by the caller.
 */
#ifndef BUS_MEMMAP_H
#define BUS_MEMMAP_H

#include "base/base.h"
#include "gmem/gmem.h"

#define MEMMAP_READONLY 1u /* guest writes trap into the address space */

struct memmap_ops {
	/*
	 * Makes [base, base+size) of the guest show `host`. All page-aligned.
	 * -EEXIST on overlap with another mapping, -ENOSPC when the platform
	 * has no slot left. *ret_handle >= 0 identifies it for unmap.
	 */
	int (*map)(void *ctx, gpa_t base, uint64_t size, void *host,
		   unsigned flags, int *ret_handle);
	/* No vCPU sees the mapping once this has returned. */
	void (*unmap)(void *ctx, int handle);
};

struct memmap {
	const struct memmap_ops *ops;
	void *ctx;
};

#endif
