/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's physical address map: what lies where, decided once.
 *
 *   0            - low RAM end (at most 3 GiB; 2 GiB when firmware boots)
 *   a0000-fffff    legacy hole and firmware tables (RAM underneath e0000)
 *   c0000000       32-bit PCI window, 512 MiB
 *   e0000000       ECAM, 256 MiB
 *   fec00000       I/O APIC; fee00000 local APICs
 *   4 GiB          high RAM
 *   above          64-bit PCI window, as large as the devices need, at least
 *                  LAYOUT_MEM64_MIN, naturally aligned for the largest BAR
 *
 * When firmware boots, it places windows and ECAM itself.
 * Same places as bhyve's where bhyve has them.
 */
#ifndef MACHINE_LAYOUT_H
#define MACHINE_LAYOUT_H

#include "base/base.h"
#include "base/cfg.h"
#include "base/err.h"
#include "bus/pci.h"

#define LAYOUT_LOW_MAX	  (3ull << 30)
#define LAYOUT_MEM32_BASE 0xc0000000ull
#define LAYOUT_MEM32_SIZE (512ull << 20)
#define LAYOUT_ECAM_BASE  0xe0000000ull
#define LAYOUT_HIGH_BASE  (4ull << 30)
#define LAYOUT_MEM64_MIN  (32ull << 30)
/* Firmware keeps ECAM between 2.75 GiB and the I/O APIC, RAM below. */
#define LAYOUT_LOW_MAX_FW (2ull << 30)
#define LAYOUT_FW_IO_BASE 0x1000ull
#define LAYOUT_FW_IO_SIZE 0xf000ull
#define LAYOUT_IO_BASE	  0x2000ull
#define LAYOUT_IO_SIZE	  0xe000ull

struct layout {
	uint64_t low_bytes, high_bytes; /* RAM below and above 4 GiB */
};

/*
 * From memory.size (default 256 MiB): page-aligned and not more than the
 * host's whole memory (MemTotal of /proc/meminfo).
 */
MUST_CHECK int layout_memory(struct cfg *root, bool firmware, struct err *err,
			     struct layout *ret_layout);

/*
 * For a guest whose memory is locked or pinned, so all of it is taken now:
 * -ENOMEM when the host has less than that available (MemAvailable, and what
 * the control group may still use).
 */
MUST_CHECK int layout_check_available(const struct layout *layout,
				      struct err *err);

/*
 * The windows BARs are put into; the 64-bit one holds `need` bytes with
 * alignment `align` below 1 << phys_bits. -ENOSPC names the numbers.
 */
MUST_CHECK int layout_windows(const struct layout *layout, uint64_t need,
			      uint64_t align, unsigned phys_bits,
			      struct err *err, struct pci_windows *ret_windows);

#endif
