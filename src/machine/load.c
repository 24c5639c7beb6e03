/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot image and tables into guest memory; the contract is in load.h. */
#include "machine/load.h"

#include <ctype.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/hash.h"
#include "dev/hpet.h"
#include "dev/rtc.h"
#include "machine/boot_linux.h"
#include "machine/desc.h"
#include "machine/firmware.h"

/* ---- processors ---- */

int load_topology(struct cfg *root, struct err *err,
		  struct load_topology *ret_topology)
{
	bool only_cpus = !cfg_raw(root, "sockets") && !cfg_raw(root, "cores") &&
			 !cfg_raw(root, "threads");
	uint64_t cpus, sockets, cores, threads;

	if (cfg_u64(root, "sockets", 1, 1, 65535, err, &sockets) ||
	    cfg_u64(root, "cores", 1, 1, 65535, err, &cores) ||
	    cfg_u64(root, "threads", 1, 1, 65535, err, &threads) ||
	    cfg_u64(root, "cpus", sockets * cores * threads, 1, 65535, err,
		    &cpus))
		return -EINVAL;
	if (only_cpus)
		sockets = cpus;
	if (sockets * cores > 65535 || sockets * cores * threads > 65535)
		return err_set(err, -EINVAL,
			       "-c: more than 65535 vCPUs; give fewer sockets,"
			       " cores or threads");
	if ((cores > 1 && !is_pow2(threads)) ||
	    (sockets > 1 && !is_pow2(cores * threads)))
		return err_set(err, -EINVAL,
			       "-c: %llu threads in %llu cores in %llu sockets:"
			       " processor numbers have no gaps here, so what"
			       " is inside a core or socket must be a power of"
			       " two when there are several",
			       (unsigned long long)threads,
			       (unsigned long long)cores,
			       (unsigned long long)sockets);
	if (sockets * cores * threads != cpus)
		return err_set(
		    err, -EINVAL,
		    "Topology (%llu sockets, %llu cores, %llu threads) does"
		    " not match %llu vCPUs",
		    (unsigned long long)sockets, (unsigned long long)cores,
		    (unsigned long long)threads, (unsigned long long)cpus);
	*ret_topology =
	    (struct load_topology){(unsigned)cpus, (unsigned)sockets,
				   (unsigned)cores, (unsigned)threads};
	return 0;
}

/* ---- UUID ---- */

static int uuid_parse(const char *text, uint8_t uuid[16])
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	unsigned n = 0;
	size_t i;

	if (strlen(text) != sizeof(shape) - 1)
		return -EINVAL;
	memset(uuid, 0, 16);
	for (i = 0; shape[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (shape[i] == '-') {
			if (c != '-')
				return -EINVAL;
			continue;
		}
		if (!isxdigit(c))
			return -EINVAL;
		c = (unsigned char)(isdigit(c) ? c - '0'
					       : tolower(c) - 'a' + 10);
		uuid[n / 2] = (uint8_t)(uuid[n / 2] << 4 | c);
		n++;
	}
	return 0;
}

/* A hash, twice with different starts: stable, not secret. */
static void uuid_from_names(const char *name, uint8_t uuid[16])
{
	struct utsname host = {0};
	unsigned half, i;

	(void)uname(&host);
	for (half = 0; half < 2; half++) {
		uint64_t hash = hash64_text(HASH64_START + half, name);

		hash = hash64_text(hash, host.nodename);
		for (i = 0; i < 8; i++)
			uuid[8 * half + i] = (uint8_t)(hash >> (8 * i));
	}
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80); /* version 8: ours */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

int load_uuid(struct cfg *root, struct err *err, uint8_t ret_uuid[16])
{
	char text[64] = "", name[256] = "";
	int r = cfg_get(root, "uuid", text, sizeof(text), err);

	if (r < 0 || cfg_get(root, "name", name, sizeof(name), err) < 0)
		return -EINVAL;
	if (r == 0) {
		uuid_from_names(name, ret_uuid);
		return 0;
	}
	if (uuid_parse(text, ret_uuid))
		return err_set(
		    err, -EINVAL,
		    "uuid %s: not a UUID; expected"
		    " xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in hexadecimal",
		    text);
	return 0;
}

/* ---- the description of the machine ---- */

struct lpc *load_find_lpc(struct pci_host *pci)
{
	unsigned slot, func;

	for (slot = 0; slot < 32; slot++) {
		for (func = 0; func < 8; func++) {
			struct pci_addr at = {0, (uint8_t)slot, (uint8_t)func};
			struct pci_dev *dev = pci_host_find(pci, at);
			struct lpc *lpc = dev ? lpc_from_dev(dev) : NULL;

			if (lpc)
				return lpc;
		}
	}
	return NULL;
}

static int note_slot(void *ctx, struct pci_dev *dev)
{
	struct desc_bus *bus = &((struct desc_bus *)ctx)[dev->addr.bus];

	bus->slots |= 1u << dev->addr.slot;
	return 0;
}

static unsigned describe_buses(struct pci_host *pci,
			       struct desc_bus buses[DESC_BUSES_MAX])
{
	unsigned n = 0, i;

	(void)pci_host_for_each(pci, note_slot, buses);
	for (i = 0; i < DESC_BUSES_MAX; i++) {
		if (i > 0 && !pci_host_bus_used(pci, (uint8_t)i))
			continue;
		buses[n] = (struct desc_bus){
		    .bus = (uint8_t)i,
		    .last = pci_host_bus_last(pci, (uint8_t)i),
		    .slots = buses[i].slots,
		    .windows = pci_host_bus_windows(pci, (uint8_t)i),
		};
		n++;
	}
	return n;
}

/* Does any memory BAR of bus 0 lie below `limit`? */
struct below {
	uint64_t limit;
	bool found;
};

static int note_bar_below(void *ctx, struct pci_dev *dev)
{
	struct below *below = ctx;
	unsigned i;

	for (i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *bar = &dev->bar[i];

		if (bar->size && bar->kind != PCI_BAR_IO && bar->base &&
		    bar->base < below->limit)
			below->found = true;
	}
	return 0;
}

/*
 * Firmware placed the BARs: what it may have used is above or below ECAM up
 * to the I/O APIC, and everything above RAM.
 */
static struct pci_windows firmware_windows(const struct load_params *p)
{
	uint64_t ecam = pci_host_ecam(p->pci);
	uint64_t base = ecam ? ecam + DESC_ECAM_BYTES : LAYOUT_MEM32_BASE;
	uint64_t end = DESC_IOAPIC_BASE, high, limit;
	struct below below = {.limit = ecam};

	(void)pci_host_for_each(p->pci, note_bar_below, &below);
	if (below.found) {
		base = p->layout->low_bytes;
		end = ecam;
	}
	high = align_up(LAYOUT_HIGH_BASE + p->layout->high_bytes, GIB(1));
	limit = 1ull << MIN(kvm_vm_phys_bits(p->kvm), 52u);
	return (struct pci_windows){
	    .io = {LAYOUT_FW_IO_BASE, LAYOUT_FW_IO_SIZE},
	    .mem32 = {base, end - base},
	    .mem64 = {high, limit > high ? limit - high : 0},
	};
}

int load_describe(const struct load_params *p, struct desc_bus *buses,
		  struct err *err, struct machine_desc *desc)
{
	struct lpc *lpc = load_find_lpc(p->pci);
	bool mptable;
	int r;

	r = cfg_bool(p->root, "x86.mptable", true, err, &mptable);
	if (r)
		return r;
	*desc = (struct machine_desc){
	    .cpus = p->topology->cpus,
	    .sockets = p->topology->sockets,
	    .cores = p->topology->cores,
	    .threads = p->topology->threads,
	    .low_bytes = p->layout->low_bytes,
	    .high_bytes = p->layout->high_bytes,
	    .ecam_base = pci_host_ecam(p->pci),
	    .buses = buses,
	    .bus_count = describe_buses(p->pci, buses),
	    .has_lpc = lpc != NULL,
	    .has_mptable = mptable && !p->firmware,
	    .has_screen = p->has_screen,
	    .has_fwcfg = p->firmware != NULL,
	    .hpet_block_id = p->has_hpet ? hpet_block_id() : 0,
	    .tpm = p->tpm,
	    .root = p->root,
	};
	if (p->firmware)
		buses[0].windows = firmware_windows(p);
	if (lpc) {
		desc->lpc_addr = lpc_addr(lpc);
		desc->coms = lpc_coms(lpc);
		desc->has_i8042 = true;
		desc->pm_base = lpc_pm_base(lpc);
	}
	return load_uuid(p->root, err, desc->uuid);
}

/*
 * Memory sizes where firmware looks for them in the clock chip's RAM:
 * 34/35 from 16 MiB to 4 GiB, 5b-5d from 4 GiB on, both in 64 KiB units.
 */
static void tell_cmos(const struct load_params *p)
{
	struct lpc *lpc = load_find_lpc(p->pci);
	uint64_t low = p->layout->low_bytes > MIB(16)
			   ? (p->layout->low_bytes - MIB(16)) >> 16
			   : 0;
	uint64_t high = p->layout->high_bytes >> 16;
	unsigned i;

	for (i = 0; lpc && i < 2; i++)
		rtc_set_nvram(lpc_rtc(lpc), 0x34 + i, (uint8_t)(low >> 8 * i));
	for (i = 0; lpc && i < 3; i++)
		rtc_set_nvram(lpc_rtc(lpc), 0x5b + i, (uint8_t)(high >> 8 * i));
}

/* ---- boot ---- */

static int load_linux(const struct load_params *p,
		      const struct machine_desc *desc, gpa_t rsdp,
		      struct err *err)
{
	struct boot_linux_params boot = {
	    .root = p->root,
	    .gmem = p->gmem,
	    .desc = desc,
	    .rsdp = rsdp,
	};
	struct boot_linux_entry entry;
	struct kvm_boot_regs regs;
	int r = boot_linux(&boot, err, &entry);

	if (r)
		return r;
	regs = (struct kvm_boot_regs){
	    .rip = entry.rip,
	    .rsp = entry.rsp,
	    .rsi = entry.rsi,
	    .cr3 = entry.cr3,
	    .gdt_base = entry.gdt_base,
	    .gdt_limit = entry.gdt_limit,
	    .code_selector = entry.cs,
	    .data_selector = entry.ds,
	};
	return kvm_vm_boot_regs(p->kvm, &regs, err);
}

int load_guest(const struct load_params *p, struct err *err)
{
	CLEANUP_FREE struct desc_bus *buses =
	    calloc(DESC_BUSES_MAX, sizeof(*buses));
	struct machine_desc desc;
	gpa_t rsdp;
	int r;

	if (!buses)
		return err_set(err, -ENOMEM, "machine: out of memory");
	tell_cmos(p);
	if (p->firmware)
		return firmware_load(p->firmware, p, err);
	if (!cfg_raw(p->root, "boot.kernel"))
		return err_set(
		    err, -EINVAL,
		    "nothing to boot: give firmware with -l bootrom,FILE or a"
		    " Linux kernel with -o boot.kernel=FILE");
	r = load_describe(p, buses, err, &desc);
	if (!r)
		r = desc_write_tables(&desc, p->gmem, err, &rsdp);
	return r ? r : load_linux(p, &desc, rsdp, err);
}
