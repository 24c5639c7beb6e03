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
	ret_layout->low_bytes =
	    MIN(size, firmware ? LAYOUT_LOW_MAX_FW : LAYOUT_LOW_MAX);
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
