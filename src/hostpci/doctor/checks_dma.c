/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: can the guest's memory be mapped, can its BARs; their ROM and size.
 */
#include <string.h>

#include "hostpci/doctor/checks.h"

#define PAGE	     4096u
#define CAP_IPC_LOCK 14
#define THP	     "sys/kernel/mm/transparent_hugepage/enabled"
#define TYPE1	     "sys/module/vfio_iommu_type1/parameters"
/* Memory below and above 4 GiB, flash, and a card's BARs for others. */
#define ENTRIES_NEEDED 16
#define ENTRY_LIMIT    65535

/* "MemAvailable:   123 kB" or "Uid:\t0" of a file; `none` when not there. */
static long long line_value(struct exam *x, const char *path, const char *key,
			    int base, long long none)
{
	const char *text = fact_text(x->f, "%s", path);
	const char *at = text ? strstr(text, key) : NULL;

	if (!at || (at != text && at[-1] != '\n'))
		return none;
	at += strlen(key);
	at += strspn(at, ": \t");
	return strtoll(at, NULL, base);
}

/* --- memory ----------------------------------------------------------- */

static bool may_lock(struct exam *x)
{
	long long caps = line_value(x, "proc/self/status", "CapEff", 16, -1);

	return caps < 0 || (uint64_t)caps >> CAP_IPC_LOCK & 1;
}

/* A user's limit matters to who runs guests as that user: root only here. */
void check_memlock(struct exam *x)
{
	const char *text, *at;
	unsigned long long limit;
	struct finding *finding;

	if (!x->g->memory_bytes || may_lock(x) ||
	    line_value(x, "proc/self/status", "Uid", 10, -1) != 0)
		return;
	text = fact_text(x->f, "proc/self/limits");
	at = text ? strstr(text, "Max locked memory") : NULL;
	if (!at || sscanf(at, "Max locked memory %llu", &limit) != 1 ||
	    limit >= x->g->memory_bytes)
		return;
	finding =
	    found(x,
		  "%s: its %s of memory cannot be locked, the limit is "
		  "%s",
		  x->g->name, SIZE_NAME(x->g->memory_bytes), SIZE_NAME(limit));
	proof(finding, "/proc/self/limits", "%.*s", (int)strcspn(at, "\n"), at);
	proof(finding, "/proc/self/status", "CapEff without CAP_IPC_LOCK");
}

void check_memlock_log(struct exam *x)
{
	const char *line =
	    klog_find_last(x->f, "vfio_pin", "RLIMIT_MEMLOCK", "exceeded");

	if (line)
		proof_log(found(x, "memory of a guest could not be locked"),
			  line);
}

void check_guest_memory(struct exam *x)
{
	long long available =
	    line_value(x, "proc/meminfo", "MemAvailable", 10, -1);
	struct finding *finding;

	if (available < 0 || !x->g->memory_bytes ||
	    (uint64_t)available << 10 >= x->g->memory_bytes)
		return;
	finding =
	    found(x,
		  "%s: wants %s of memory, the host has %lld MiB left; "
		  "with passthrough all of it is taken at the start",
		  x->g->name, SIZE_NAME(x->g->memory_bytes), available >> 10);
	proof(finding, "/proc/meminfo", "MemAvailable: %lld kB", available);
}

void check_hugepages(struct exam *x)
{
	const char *text = fact_text(x->f, THP);

	if (!text || !strstr(text, "[never]"))
		return;
	proof_file(x,
		   found(x, "guests get small pages only: starts take longer, "
			    "memory is slower"),
		   THP);
}

void check_dma_entries(struct exam *x)
{
	long long limit =
	    fact_number(x->f, ENTRY_LIMIT, TYPE1 "/dma_entry_limit");
	struct finding *finding;

	if (limit >= ENTRY_LIMIT)
		return;
	finding = found(x,
			"VFIO may map %lld ranges only, the kernel's own "
			"limit is %d",
			limit, ENTRY_LIMIT);
	proof_file(x, finding, TYPE1 "/dma_entry_limit");
	if (limit < ENTRIES_NEEDED)
		finding->severity = SEVERITY_BLOCKS;
}

/* --- the guest's address space ---------------------------------------- */

/* byway's memory map: firmware's chipset needs more room below 4 GiB. */
static uint64_t hole_start(const struct doctor_guest *g)
{
	return g->firmware ? GIB(2) : GIB(3);
}

static uint64_t ram_end(const struct doctor_guest *g)
{
	if (g->memory_bytes <= hole_start(g))
		return g->memory_bytes;
	return GUEST_HOLE_END + (g->memory_bytes - hole_start(g));
}

uint64_t guest_top(const struct exam *x)
{
	uint64_t top = MAX(ram_end(x->g), (uint64_t)GUEST_HOLE_END);

	for (size_t i = 0; exam_dev_at(x, i); i++)
		for (size_t j = 0; j < HOSTPCI_BARS - 1; j++) {
			const struct hostpci_bar *bar =
			    &exam_dev_at(x, i)->dev->bar[j];
			uint64_t size;

			if (!bar->size || !(bar->flags & RES_MEM_64) ||
			    bar->size > BIT64(60))
				continue;
			size = round_up_pow2(bar->size);
			if (top > BIT64(62) - 2 * size)
				return BIT64(62);
			top = align_up(top, size) + size;
		}
	return top;
}

static bool ram_meets(const struct doctor_guest *g, uint64_t start,
		      uint64_t end)
{
	uint64_t low = MIN(g->memory_bytes, hole_start(g));

	if (end < start)
		return false;
	if (low && start < low)
		return true;
	return ram_end(g) > GUEST_HOLE_END && end >= GUEST_HOLE_END &&
	       start < ram_end(g);
}

/* Lines "start end type"; what is direct-relaxable may be mapped. */
void check_ram_reserved(struct exam *x)
{
	unsigned long long start, end;
	struct finding *finding;
	char type[32], where[96];

	for (size_t i = 0; exam_dev_at(x, i) && x->g->memory_bytes; i++) {
		const struct dev_facts *d = exam_dev_at(x, i);
		const char *at;

		if (d->dev->iommu_group == HOSTPCI_NO_GROUP)
			continue;
		snprintf(where, sizeof(where),
			 "sys/kernel/iommu_groups/%d/reserved_regions",
			 d->dev->iommu_group);
		at = fact_text(x->f, "%s", where);
		for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
			if (sscanf(at, "%llx %llx %31s", &start, &end, type) !=
				3 ||
			    strcmp(type, "direct-relaxable") == 0 ||
			    !ram_meets(x->g, start, end))
				continue;
			finding = found(
			    x,
			    "%s: its memory would lie over %llx-%llx, which "
			    "%s cannot reach",
			    x->g->name, start, end, DEV_NAME(d));
			proof(finding, where, "%llx %llx %s", start, end, type);
			return;
		}
	}
}

/* Bits of addresses every unit can translate; 0 unknown. */
static unsigned iommu_width(struct exam *x, char path[PATH_MAX])
{
	const char *cursor = NULL;
	char name[NAME_MAX + 1];
	unsigned width = 0;

	path[0] = '\0';
	while (fact_name_next(x->f, "sys/class/iommu", &cursor, name)) {
		const char *text =
		    fact_text(x->f, "sys/class/iommu/%s/intel-iommu/cap", name);
		unsigned bits;

		if (!text)
			continue;
		bits = (unsigned)(strtoull(text, NULL, 16) >> 16 & 0x3f) + 1;
		if (width && bits >= width)
			continue;
		width = bits;
		snprintf(path, PATH_MAX, "sys/class/iommu/%s/intel-iommu/cap",
			 name);
	}
	return width;
}

void check_iommu_width(struct exam *x)
{
	char path[PATH_MAX];
	unsigned bits = iommu_width(x, path);
	struct finding *finding;
	uint64_t top = guest_top(x);

	if (bits == 0 && x->f->ivrs.virtual_bits)
		bits = x->f->ivrs.virtual_bits;
	if (bits == 0 || bits >= 62 || top <= BIT64(bits))
		return;
	finding = found(x,
			"%s: its memory and BARs reach up to %#llx, the IOMMU "
			"translates addresses of %u bits",
			x->g->name, (unsigned long long)top, bits);
	if (path[0])
		proof_file(x, finding, "%s", path);
	else
		proof(finding, "/sys/firmware/acpi/tables/IVRS",
		      "virtual addresses of %u bits", bits);
}

void check_phys_bits(struct exam *x)
{
	unsigned bits = x->g->phys_bits ? x->g->phys_bits : x->f->cpu.phys_bits;
	uint64_t top = guest_top(x);
	struct finding *finding;

	if (bits == 0 || bits >= 62 || top <= BIT64(bits))
		return;
	finding = found(x,
			"%s: its memory and BARs reach up to %#llx, its "
			"processor has addresses of %u bits",
			x->g->name, (unsigned long long)top, bits);
	proof(finding, "/proc/cpuinfo", "address sizes: %u bits physical",
	      x->f->cpu.phys_bits);
	for (size_t i = 0; exam_dev_at(x, i); i++)
		for (size_t j = 0; j < HOSTPCI_BARS - 1; j++)
			if (exam_dev_at(x, i)->dev->bar[j].size >= GIB(1))
				proof(finding, exam_dev_at(x, i)->dev->bdf,
				      "BAR %zu: %s", j,
				      SIZE_NAME(
					  exam_dev_at(x, i)->dev->bar[j].size));
}

/* --- faults ----------------------------------------------------------- */

/* "fault addr 0xdeadb000" of Intel's, "address=0xdeadb000" of AMD's. */
static bool fault_is_in_ram(const struct exam *x, const char *line)
{
	const char *at = strstr(line, "fault addr ");
	uint64_t address;

	at = at ? at + strlen("fault addr ") : strstr(line, "address=");
	if (!at || !x->g || !x->g->memory_bytes)
		return false;
	if (strncmp(at, "address=", 8) == 0)
		at += 8;
	address = strtoull(at, NULL, 16);
	return ram_meets(x->g, address, address);
}

/* Intel writes "device [03:00.0]", AMD "device=0000:03:00.0" or "03:00.0". */
void check_dma_fault(struct exam *x)
{
	struct hostpci_addr a = x->d->dev->addr;
	struct finding *finding;
	const char *line;
	char tag[24];
	bool ours;

	snprintf(tag, sizeof(tag), "%02x:%02x.%u", a.bus, a.slot, a.func);
	line = klog_find_last(x->f, "DMAR:", "fault addr", tag);
	if (!line)
		line = klog_find_last(x->f, "IO_PAGE_FAULT", tag, NULL);
	/* Of an earlier use, when it was enabled again since. */
	if (!klog_is_newer(x->f, line, "enabling device", x->d->dev->bdf))
		return;
	ours = fault_is_in_ram(x, line);
	finding = found(x, "%s: the IOMMU stopped it from reaching memory %s",
			DEV_NAME(x->d),
			ours ? "of its guest" : "that is not its guest's");
	proof_log(finding, line);
	if (ours) {
		finding->layer = LAYER_VMM;
		cure(x, finding,
		     "The address lies in the memory of %s, so it should have "
		     "been mapped: unless this was right after a reset, report "
		     "it with 'vm passthru doctor --report'.",
		     x->g->name);
	}
	proof(finding, "such lines", "%zu",
	      klog_count(x->f, "fault addr", tag) +
		  klog_count(x->f, "IO_PAGE_FAULT", tag));
}

void check_numa(struct exam *x)
{
	struct finding *finding;

	if (!dev_is_claimed(x) || x->d->dev->numa_node >= 0 ||
	    !fact_exists(x->f, "sys/devices/system/node/node1"))
		return;
	finding = found(x,
			"%s: the firmware does not say which processor it "
			"is near to",
			DEV_NAME(x->d));
	proof_attr(x, finding, "numa_node");
}

/* --- regions ---------------------------------------------------------- */

void check_bar_subpage(struct exam *x)
{
	struct finding *finding;
	char where[160];

	if (!dev_is_claimed(x))
		return;
	for (unsigned i = 0; i < HOSTPCI_BARS - 1; i++) {
		const struct hostpci_bar *bar = &x->d->dev->bar[i];

		if (!bar->start || !(bar->flags & RES_MEM) ||
		    (bar->size >= PAGE && bar->start % PAGE == 0))
			continue;
		finding =
		    found(x,
			  "%s: BAR %u fills no page, so the hypervisor handles "
			  "each access to it",
			  DEV_NAME(x->d), i);
		snprintf(where, sizeof(where),
			 "/" SYS_DEVICES "/%s/resource line %u", x->d->dev->bdf,
			 i + 1);
		proof(finding, where, "%s at %#llx", SIZE_NAME(bar->size),
		      (unsigned long long)bar->start);
		return;
	}
}

void check_rom_missing(struct exam *x)
{
	if (!x->wanted || dev_class(x->d) != 0x0300 ||
	    x->d->dev->bar[HOSTPCI_BARS - 1].size)
		return;
	proof_attr(x,
		   found(x,
			 "%s: no ROM: the guest's firmware shows nothing on it "
			 "until a driver does",
			 DEV_NAME(x->d)),
		   "class");
}

void check_rom_bad(struct exam *x)
{
	const char *line =
	    klog_find_last(x->f, "Invalid PCI ROM", x->d->dev->bdf, NULL);

	if (line)
		proof_log(
		    found(x, "%s: what it has as ROM is none", DEV_NAME(x->d)),
		    line);
}

/* IORESOURCE_ROM_SHADOW: the copy firmware left at c0000. */
void check_rom_shadow(struct exam *x)
{
	const struct hostpci_bar *rom = &x->d->dev->bar[HOSTPCI_BARS - 1];

	if (!x->wanted || !x->d->dev->boot_vga || !(rom->flags & 2))
		return;
	proof_attr(x,
		   found(x,
			 "%s: the host was booted on it, its ROM is the "
			 "firmware's used copy",
			 DEV_NAME(x->d)),
		   "boot_vga");
}

void check_rebar(struct exam *x)
{
	uint32_t ctrl;
	struct finding *finding;

	if (x->d->dev->vendor != 0x1002 || !dev_is_gpu(x->d) || !x->wanted ||
	    !dev_caps_known(x->f, x->d) || !x->d->caps.rebar)
		return;
	ctrl = config_u32(x->d->config, x->d->config_len,
			  (size_t)x->d->caps.rebar + 8);
	if ((ctrl >> 8 & 0x3f) <= 8) /* 2^8 MiB */
		return;
	finding =
	    found(x, "%s: its BAR %u is resized to %u MiB", DEV_NAME(x->d),
		  ctrl & 7, 1u << MIN(ctrl >> 8 & 0x3f, 31u));
	proof_config(finding, x->d, x->d->caps.rebar + 8, 4);
}
