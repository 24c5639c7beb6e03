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
 *   above          64-bit PCI window, twice what the devices need where there
 *                  is room, at least LAYOUT_MEM64_MIN, naturally aligned for
 * the largest BAR
 *
 * All of it lies within the guest's address width; with passed-through devices
 * also within that of the host's IOMMU and beside what it reserves, because a
 * guest's addresses are then DMA addresses too.
 *
 * When firmware boots, it places windows and ECAM itself; how large its 64-bit
 * window has to be it is told.
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

#define LAYOUT_BITS_MAX	 52u /* more than any x86 has */
#define LAYOUT_HOLES_MAX 32u

/* Where guest addresses end, and which must not be used. */
struct layout_limits {
	unsigned phys_bits;  /* the guest's address width */
	unsigned iommu_bits; /* of the host's IOMMU; 64: none or not known */
	char iommu[32];	     /* its name, "" not known */
	unsigned holes;
	struct {
		uint64_t start, end; /* end: the last one */
	} hole[LAYOUT_HOLES_MAX];
};

/* The first address after RAM. */
uint64_t layout_ram_end(const struct layout *layout);
/* The first address that is too high. */
uint64_t layout_address_end(const struct layout_limits *limits);

/* RAM within the limits; -ERANGE names the one that it exceeds. */
MUST_CHECK int layout_check_ram(const struct layout *layout,
				const struct layout_limits *limits,
				struct err *err);

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
 * alignment `align` within the limits. -ENOSPC names each of them.
 */
MUST_CHECK int layout_windows(const struct layout *layout, uint64_t need,
			      uint64_t align,
			      const struct layout_limits *limits,
			      struct err *err, struct pci_windows *ret_windows);

/* A window that firmware places. */
struct layout_told {
	struct pci_window window;
	uint64_t mib; /* the size it has to be told; 0: its own choice */
};

/*
 * The same for OVMF, which places a window of a size (in MiB, a power of two)
 * that it is told right above RAM, aligned to that size. By itself it takes 32
 * GiB.
 */
MUST_CHECK int layout_firmware_window(const struct layout *layout,
				      uint64_t need, uint64_t align,
				      const struct layout_limits *limits,
				      struct err *err,
				      struct layout_told *ret_told);

#endif
