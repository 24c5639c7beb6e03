/* SPDX-License-Identifier: BSD-2-Clause */
/* The address map; the contract is in layout.h. */
#include "machine/layout.h"

#include <string.h>

#include "gmem/gmem.h"

#define MEMORY_DEFAULT MIB(256)
#define MEMORY_MIN     MIB(2)

/* A line of /proc/meminfo; not known: let the kernel decide. */
static uint64_t host_memory(const char *field)
{
	CLEANUP_FCLOSE FILE *file = fopen("/proc/meminfo", "re");
	size_t len = strlen(field);
	unsigned long long kib;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, len) &&
		    sscanf(line + len, ": %llu kB", &kib) == 1)
			return KIB(kib);
	return UINT64_MAX;
}

static uint64_t group_number(const char *group, const char *name)
{
	char path[512], text[32] = "";
	unsigned long long bytes;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", group, name);
	file = fopen(path, "re");
	if (file && !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	return sscanf(text, "%llu", &bytes) == 1 ? bytes : UINT64_MAX;
}

/* What the (version 2) control group of this process may still take. */
static uint64_t group_available(void)
{
	CLEANUP_FCLOSE FILE *file = fopen("/proc/self/cgroup", "re");
	char line[400], *end;
	uint64_t max, now;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3))
			continue;
		end = strchrnul(line, '\n');
		*end = '\0';
		max = group_number(line + 3, "memory.max");
		now = group_number(line + 3, "memory.current");
		if (max == UINT64_MAX || now == UINT64_MAX)
			return UINT64_MAX;
		return max > now ? max - now : 0;
	}
	return UINT64_MAX;
}

int layout_check_available(const struct layout *layout, struct err *err)
{
	uint64_t need = layout->low_bytes + layout->high_bytes;
	uint64_t host = host_memory("MemAvailable");
	uint64_t group = group_available();
	uint64_t have = MIN(host, group);

	if (need <= have)
		return 0;
	return err_set(
	    err, -ENOMEM,
	    "memory.size: %llu MiB are all taken at the start (locked"
	    " or pinned for passthrough), but %s has only %llu MiB"
	    " available; give the guest less or stop something",
	    (unsigned long long)(need >> 20),
	    host <= group ? "this host" : "the control group",
	    (unsigned long long)(have >> 20));
}

int layout_memory(struct cfg *root, bool firmware, struct err *err,
		  struct layout *ret_layout)
{
	char text[32] = "";
	uint64_t size = MEMORY_DEFAULT, host = host_memory("MemTotal");
	int r = cfg_get(root, "memory.size", text, sizeof(text), err);

	if (r < 0)
		return r;
	if (r && (parse_memory(text, &size) || size == 0))
		return err_set(
		    err, -EINVAL,
		    "memory.size=%s: not a size; write for example 512M", text);
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
	ret_layout->low_bytes =
	    MIN(size, firmware ? LAYOUT_LOW_MAX_FW : LAYOUT_LOW_MAX);
	ret_layout->high_bytes = size - ret_layout->low_bytes;
	return 0;
}

/* ---- limits ---- */

uint64_t layout_ram_end(const struct layout *layout)
{
	return layout->high_bytes ? LAYOUT_HIGH_BASE + layout->high_bytes
				  : layout->low_bytes;
}

uint64_t layout_address_end(const struct layout_limits *limits)
{
	unsigned bits = MIN(limits->phys_bits, limits->iommu_bits);

	return 1ull << MIN(bits, LAYOUT_BITS_MAX);
}

/* "the guest has 40 address bits, the host's IOMMU dmar0 39". */
static void limits_name(const struct layout_limits *limits, char *buf,
			size_t size)
{
	unsigned i, high = 0;
	int n;

	n = snprintf(buf, size, "the guest has %u address bits",
		     limits->phys_bits);
	if (limits->iommu_bits < 64)
		n += snprintf(buf + n, size - (size_t)n,
			      ", the host's IOMMU %s%s%u", limits->iommu,
			      limits->iommu[0] ? " " : "", limits->iommu_bits);
	for (i = 0; i < limits->holes && high < 3; i++) {
		if (limits->hole[i].start < LAYOUT_HIGH_BASE)
			continue;
		n += snprintf(buf + n, size - (size_t)n, "%s 0x%llx-0x%llx",
			      high++ ? "," : ", which reserves",
			      (unsigned long long)limits->hole[i].start,
			      (unsigned long long)limits->hole[i].end);
	}
}

int layout_check_ram(const struct layout *layout,
		     const struct layout_limits *limits, struct err *err)
{
	char names[256];

	if (layout_ram_end(layout) <= layout_address_end(limits))
		return 0;
	limits_name(limits, names, sizeof(names));
	return err_set(err, -ERANGE,
		       "memory.size: the guest's memory would end at 0x%llx,"
		       " which cannot be addressed: %s; give the guest less",
		       (unsigned long long)layout_ram_end(layout), names);
}

/* The hole in [base, base + size) with the highest end, or NULL. */
static bool hole_in(const struct layout_limits *limits, uint64_t base,
		    uint64_t size, uint64_t *ret_end)
{
	bool found = false;
	uint64_t end = 0;
	unsigned i;

	for (i = 0; i < limits->holes; i++) {
		uint64_t start = limits->hole[i].start;
		uint64_t last = limits->hole[i].end;

		if (start >= base + size || last < base)
			continue;
		found = true;
		end = MAX(end, last);
	}
	*ret_end = end;
	return found;
}

/* The lowest aligned place at or above `from` for `size` bytes. */
static bool place(const struct layout_limits *limits, uint64_t from,
		  uint64_t size, uint64_t align, uint64_t *ret_base)
{
	uint64_t limit = layout_address_end(limits), last;
	uint64_t base = align_up(from, align);

	while (base < limit && size <= limit - base) {
		if (!hole_in(limits, base, size, &last)) {
			*ret_base = base;
			return true;
		}
		if (last >= limit)
			return false;
		base = align_up(last + 1, align);
	}
	return false;
}

static void size_name(char buf[32], uint64_t bytes)
{
	if (bytes % GIB(1) == 0)
		snprintf(buf, 32, "%llu GiB",
			 (unsigned long long)(bytes >> 30));
	else
		snprintf(buf, 32, "%llu MiB",
			 (unsigned long long)((bytes + MIB(1) - 1) >> 20));
}

static int no_window(const struct layout *layout, uint64_t need, uint64_t align,
		     const struct layout_limits *limits, struct err *err)
{
	char names[256], sizes[2][32];

	limits_name(limits, names, sizeof(names));
	size_name(sizes[0], need);
	size_name(sizes[1], align);
	return err_set(
	    err, -ENOSPC,
	    "the devices' 64-bit BARs (%s, the largest %s and aligned to its"
	    " size) do not fit between the end of the guest's memory at 0x%llx"
	    " and 0x%llx: %s; give the guest less memory or fewer devices",
	    sizes[0], sizes[1],
	    (unsigned long long)MAX(layout_ram_end(layout),
				    (uint64_t)LAYOUT_HIGH_BASE),
	    (unsigned long long)layout_address_end(limits), names);
}

/* From base on, up to `want` bytes, the limit or a hole. */
static uint64_t room_at(const struct layout_limits *limits, uint64_t base,
			uint64_t want)
{
	uint64_t limit = layout_address_end(limits);
	uint64_t size = MIN(want, base < limit ? limit - base : 0);
	unsigned i;

	for (i = 0; i < limits->holes; i++)
		if (limits->hole[i].start >= base)
			size = MIN(size, limits->hole[i].start - base);
	return align_down(size, MIB(1));
}

int layout_windows(const struct layout *layout, uint64_t need, uint64_t align,
		   const struct layout_limits *limits, struct err *err,
		   struct pci_windows *ret_windows)
{
	uint64_t from = LAYOUT_HIGH_BASE + layout->high_bytes;
	uint64_t unit = MAX(align, GIB(1)), base, want;

	/* Room for each BAR to be moved once. */
	want = MAX(align_up(2 * need, unit), LAYOUT_MEM64_MIN);
	if (!place(limits, from, want, unit, &base) &&
	    !place(limits, from, need, unit, &base)) {
		if (need)
			return no_window(layout, need, align, limits, err);
		base = align_up(from, unit);
	}
	*ret_windows = (struct pci_windows){
	    .io = {LAYOUT_IO_BASE, LAYOUT_IO_SIZE},
	    .mem32 = {LAYOUT_MEM32_BASE, LAYOUT_MEM32_SIZE},
	    .mem64 = {base, room_at(limits, base, want)},
	};
	return 0;
}

int layout_firmware_window(const struct layout *layout, uint64_t need,
			   uint64_t align, const struct layout_limits *limits,
			   struct err *err, struct layout_told *ret_told)
{
	uint64_t from = align_up(LAYOUT_HIGH_BASE + layout->high_bytes, GIB(1));
	uint64_t limit = layout_address_end(limits), last;
	uint64_t least = round_up_pow2(MAX(need, GIB(1)));
	/* Twice the sum: room for alignment, and to move. */
	uint64_t size = MAX(2 * least, LAYOUT_MEM64_MIN);
	bool fits = false;

	for (; size <= limit && !fits; size *= 2) {
		fits = align_up(from, size) + size <= limit &&
		       !hole_in(limits, align_up(from, size), size, &last);
		if (fits)
			break;
	}
	if (!fits) {
		size = least;
		fits = align_up(from, size) + size <= limit &&
		       !hole_in(limits, align_up(from, size), size, &last);
	}
	if (!fits && need)
		return no_window(layout, need, align, limits, err);
	*ret_told = (struct layout_told){
	    .window = {align_up(from, size), size},
	    .mib = !need || size == LAYOUT_MEM64_MIN ? 0 : size >> 20,
	};
	return 0;
}
