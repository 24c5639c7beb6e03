/* SPDX-License-Identifier: BSD-2-Clause */
/* The address map; the contract is in layout.h. */
#include "machine/layout.h"

#include <string.h>

#include "gmem/gmem.h"

#define MEMORY_DEFAULT MIB(256)
#define MEMORY_MIN     MIB(2)

static uint64_t host_memory(void)
{
	CLEANUP_FCLOSE FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			return KIB(kib);
	return UINT64_MAX; /* not known: let the kernel decide */
}

int layout_memory(struct cfg *root, struct err *err, struct layout *ret_layout)
{
	char text[32] = "";
	uint64_t size = MEMORY_DEFAULT, host = host_memory();
	int r = cfg_get(root, "memory.size", text, sizeof(text), err);

	if (r < 0)
		return r;
	if (r && (parse_size(text, &size) || size == 0))
		return err_set(
		    err, -EINVAL,
		    "memory.size=%s: not a size; write for example 512M", text);
	if (size < MIB(1))
		size = MIB(size); /* as -m: a small bare number is in MiB */
	if (size < MEMORY_MIN || (size & (GMEM_PAGE - 1)))
		return err_set(
		    err, -EINVAL,
		    "memory.size=%s: must be at least 2M and a multiple of"
		    " 4 KiB",
		    text);
	if (size > host)
		return err_set(
		    err, -ENOMEM,
		    "memory.size=%s: this host has only %llu MiB in all; give"
		    " the guest less",
		    text, (unsigned long long)(host >> 20));
	ret_layout->low_bytes = MIN(size, LAYOUT_LOW_MAX);
	ret_layout->high_bytes = size - ret_layout->low_bytes;
	return 0;
}

int layout_windows(const struct layout *layout, uint64_t need, uint64_t align,
		   unsigned phys_bits, struct err *err,
		   struct pci_windows *ret_windows)
{
	uint64_t limit = 1ull << MIN(phys_bits, 52u);
	uint64_t base, size, end;

	align = MAX(align, GIB(1));
	base = align_up(LAYOUT_HIGH_BASE + layout->high_bytes, align);
	size = MAX(align_up(need, align), LAYOUT_MEM64_MIN);
	if (range_end(base, size, &end) || end > limit) {
		/* A small machine: take what is left when it is enough. */
		size = base < limit ? limit - base : 0;
		if (size < need)
			return err_set(
			    err, -ENOSPC,
			    "the devices' 64-bit BARs need %llu MiB above"
			    " 0x%llx, but the guest has only %u address bits;"
			    " give the guest less memory or fewer devices",
			    (unsigned long long)(need >> 20),
			    (unsigned long long)base, phys_bits);
	}
	*ret_windows = (struct pci_windows){
	    .io = {LAYOUT_IO_BASE, LAYOUT_IO_SIZE},
	    .mem32 = {LAYOUT_MEM32_BASE, LAYOUT_MEM32_SIZE},
	    .mem64 = {base, size},
	};
	return 0;
}
