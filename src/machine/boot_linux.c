/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading a Linux kernel; the contract is in boot_linux.h.
 *
 * Theory of operation
 * -------------------
 * Either the unpacked kernel (a kfile from the cache: extents of its memory
 * image, read straight to where it is linked to run, then relocated) or the
 * bzImage's protected-mode code (read to the address it prefers) goes to the
 * bottom of memory; the initrd goes as high as the kernel allows below 4 GiB;
 * parameters and tables go below 1 MiB. Files are opened and checked before
 * guest memory is touched.
 */
#include "machine/boot_linux.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/log.h"
#include "machine/boot_params.h"
#include "machine/kcache.h"
#include "unpack/bzimage.h"

#define OLD_LOAD_ADDRESS MIB(1) /* of kernels that cannot be moved */
#define KASLR_ALIGN_MIN	 MIB(2) /* page tables use pages of this size */
#define KASLR_WINDOW	 KFILE_IMAGE_MAX
#define RELOC_CHUNK	 8192u /* offsets read at a time */

struct boot {
	const struct boot_linux_params *p;
	char kernel_path[PATH_MAX], initrd_path[PATH_MAX];
	char cmdline[CFG_VALUE_MAX];
	int kernel_fd, initrd_fd, unpacked_fd; /* -1: none */
	struct bzimage image;
	struct kfile_header unpacked;
	uint64_t kernel_end; /* end of the memory the kernel claims */
	uint64_t initrd_base, initrd_bytes;
};

/* ---- files ---- */

static int open_initrd(struct boot *b, struct err *err)
{
	struct cfg *root = b->p->root;
	struct stat st;
	int r = cfg_get(root, "boot.initrd", b->initrd_path,
			sizeof(b->initrd_path), err);

	if (r <= 0)
		return r;
	b->initrd_fd = open(b->initrd_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (b->initrd_fd < 0)
		return err_sys(err, errno, "boot.initrd=%s: cannot open",
			       b->initrd_path);
	if (fstat(b->initrd_fd, &st) || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "boot.initrd=%s: not a regular file",
			       b->initrd_path);
	if (st.st_size == 0)
		return err_set(err, -EINVAL, "boot.initrd=%s: an empty file",
			       b->initrd_path);
	b->initrd_bytes = (uint64_t)st.st_size;
	return 0;
}

static int read_cmdline(struct boot *b, struct err *err)
{
	/* cmdline_size does not count the NUL at the end. */
	size_t max = MIN(b->image.hdr.cmdline_size, BOOT_CMDLINE_MAX - 1);
	int r = cfg_get(b->p->root, "boot.cmdline", b->cmdline,
			sizeof(b->cmdline), err);

	if (r < 0)
		return r;
	if (r == 0)
		b->cmdline[0] = '\0';
	if (strlen(b->cmdline) > max)
		return err_set(
		    err, -E2BIG,
		    "boot.cmdline: %zu characters, but this kernel takes at"
		    " most %zu",
		    strlen(b->cmdline), max);
	return 0;
}

static int open_files(struct boot *b, struct err *err)
{
	int r = cfg_get(b->p->root, "boot.kernel", b->kernel_path,
			sizeof(b->kernel_path), err);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, -EINVAL, "boot.kernel: not set");
	r = bzimage_open(b->kernel_path, err, &b->kernel_fd, &b->image);
	if (r)
		return err_prefix(err, "boot.kernel");
	r = open_initrd(b, err);
	return r ? r : read_cmdline(b, err);
}

/* Looks for the unpacked kernel; a log line when there is none but should. */
static void open_unpacked(struct boot *b)
{
	struct kfile_key key;
	struct kcache cache;
	struct err err = {0};
	int r;

	if (!b->image.payload_bytes)
		return; /* nothing is packed in it */
	r = kcache_config(b->p->root, &err, &cache);
	if (r == 0)
		return;
	if (r > 0) {
		r = kfile_key_of(b->kernel_fd, &key);
		if (r)
			err_sys(&err, r, "cannot read");
		else
			r = kcache_open(&cache, b->kernel_path, &key, &err,
					&b->unpacked_fd, &b->unpacked);
	}
	if (r)
		log_info("boot.kernel=%s: the guest unpacks it itself, which"
			 " takes longer: %s",
			 b->kernel_path, err.msg);
}

/* ---- where it all goes ---- */

/* For messages: rounded up. */
static unsigned long long to_mib(uint64_t bytes)
{
	return (bytes >> 20) + (bytes % MIB(1) != 0);
}

static uint64_t packed_address(const struct boot *b)
{
	const struct setup_header *hdr = &b->image.hdr;

	return hdr->relocatable_kernel
		   ? MAX(hdr->pref_address, (uint64_t)OLD_LOAD_ADDRESS)
		   : OLD_LOAD_ADDRESS;
}

/* A packed kernel needs room to unpack itself: init_size says how much. */
static uint64_t packed_end(const struct boot *b)
{
	const struct setup_header *hdr = &b->image.hdr;
	uint64_t load = packed_address(b), start = hdr->pref_address;

	if (load > DESC_HIGH_RAM_BASE || start > DESC_HIGH_RAM_BASE)
		return UINT64_MAX; /* and nothing below can wrap */
	if (hdr->relocatable_kernel && is_pow2(hdr->kernel_alignment))
		start = align_up(load, hdr->kernel_alignment);
	return MAX(start + hdr->init_size, load + b->image.code_bytes);
}

static int place_kernel(struct boot *b, struct err *err)
{
	uint64_t low = b->p->desc->low_bytes;

	b->kernel_end = b->unpacked_fd >= 0
			    ? b->unpacked.paddr + b->unpacked.image_bytes
			    : packed_end(b);
	if (b->kernel_end <= low)
		return 0;
	return err_set(
	    err, -ENOMEM,
	    "boot.kernel=%s: needs %llu MiB of memory to start, the guest has"
	    " %llu MiB (below 4 GiB); give it more with -m",
	    b->kernel_path, to_mib(b->kernel_end), to_mib(low));
}

/* As high as kernel and memory allow: it is in nobody's way there. */
static int place_initrd(struct boot *b, struct err *err)
{
	unsigned long long top = MIN(
	    b->p->desc->low_bytes, (uint64_t)b->image.hdr.initrd_addr_max + 1);

	if (b->initrd_fd < 0)
		return 0;
	if (b->initrd_bytes < top) {
		b->initrd_base = align_down(top - b->initrd_bytes, GMEM_PAGE);
		if (b->initrd_base >= b->kernel_end)
			return 0;
	}
	return err_set(
	    err, -ENOMEM,
	    "boot.initrd=%s: %llu MiB do not fit between the kernel's end at"
	    " %llu MiB and the limit of %llu MiB; give the guest more memory"
	    " with -m, or a smaller initrd",
	    b->initrd_path, to_mib(b->initrd_bytes), to_mib(b->kernel_end),
	    top >> 20);
}

/* ---- the unpacked kernel ---- */

/* Is `word` one of the words of the command line? */
static bool has_word(const char *cmdline, const char *word)
{
	static const char blank[] = " \t\n";
	size_t len = strlen(word);

	while (*cmdline) {
		cmdline += strspn(cmdline, blank);
		if (strcspn(cmdline, blank) == len &&
		    !strncmp(cmdline, word, len))
			return true;
		cmdline += strcspn(cmdline, blank);
	}
	return false;
}

/*
 * How far to move the kernel up in its window of virtual addresses: a random
 * multiple of its alignment. False: it must not or cannot be moved.
 */
static bool choose_move(const struct boot *b, uint64_t *ret_bytes)
{
	const struct kfile_header *kernel = &b->unpacked;
	uint64_t align = b->image.hdr.kernel_alignment, random, end, slots;

	if (!kfile_relocatable(kernel) || has_word(b->cmdline, "nokaslr") ||
	    !is_pow2(align) || align < KASLR_ALIGN_MIN)
		return false;
	end = kernel->paddr +
	      MAX(kernel->image_bytes, (uint64_t)b->image.hdr.init_size);
	if (end > KASLR_WINDOW ||
	    getrandom(&random, sizeof(random), 0) != sizeof(random))
		return false;
	slots = (KASLR_WINDOW - end) / align + 1;
	*ret_bytes = random % slots * align;
	return true;
}

static int relocate(struct boot *b, enum kfile_reloc_kind kind, uint64_t bytes)
{
	const struct kfile_relocs *relocs = &b->unpacked.relocs[kind];
	uint32_t offsets[RELOC_CHUNK];
	struct gmem_patch patch = {
	    .offsets = offsets,
	    .width = kfile_reloc_width(kind),
	    .delta = kind == KFILE_SUB32 ? -bytes : bytes,
	};
	uint64_t done;
	int r = 0;

	for (done = 0; !r && done < relocs->count; done += patch.count) {
		patch.count = MIN(relocs->count - done, (uint64_t)RELOC_CHUNK);
		r = file_read_at(b->unpacked_fd, offsets,
				 patch.count * sizeof(offsets[0]),
				 relocs->file_at + done * sizeof(offsets[0]));
		if (!r)
			r = gmem_patch(b->p->gmem, gpa(b->unpacked.paddr),
				       b->unpacked.image_bytes, &patch);
	}
	return r;
}

static int load_unpacked(struct boot *b, struct boot_linux_entry *entry,
			 struct boot_page *page, struct err *err)
{
	const struct kfile_header *kernel = &b->unpacked;
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < kernel->extent_count; i++) {
		const struct kfile_extent *e = &kernel->extents[i];

		r = gmem_read_file(b->p->gmem, gpa(kernel->paddr + e->image_at),
				   b->unpacked_fd, e->file_at, e->bytes);
	}
	page->kaslr = choose_move(b, &entry->kaslr_bytes);
	for (i = 0; !r && entry->kaslr_bytes && i < KFILE_RELOC_KINDS; i++)
		r = relocate(b, i, entry->kaslr_bytes);
	if (r)
		return err_sys(err, r,
			       "boot.kernel=%s: its unpacked form in"
			       " boot.cache cannot be loaded; remove it",
			       b->kernel_path);
	entry->unpacked = true;
	entry->rip = kernel->paddr + kernel->entry_at;
	return 0;
}

/* ---- all of it ---- */

static int load_packed(struct boot *b, struct boot_linux_entry *entry,
		       struct err *err)
{
	uint64_t base = packed_address(b);
	int r = gmem_read_file(b->p->gmem, gpa(base), b->kernel_fd,
			       b->image.code_at, b->image.code_bytes);

	if (r)
		return err_sys(err, r, "boot.kernel=%s: cannot load",
			       b->kernel_path);
	entry->rip = base + BZIMAGE_ENTRY64;
	return 0;
}

static int load_initrd(struct boot *b, struct err *err)
{
	int r;

	if (b->initrd_fd < 0)
		return 0;
	r = gmem_read_file(b->p->gmem, gpa(b->initrd_base), b->initrd_fd, 0,
			   b->initrd_bytes);
	return r ? err_sys(err, r, "boot.initrd=%s: cannot load",
			   b->initrd_path)
		 : 0;
}

static int load(struct boot *b, struct err *err,
		struct boot_linux_entry *ret_entry)
{
	struct boot_linux_entry entry = {
	    .rsp = BOOT_STACK_TOP_GPA,
	    .rsi = BOOT_ZERO_PAGE_GPA,
	    .cr3 = BOOT_PAGE_TABLES_GPA,
	    .gdt_base = BOOT_GDT_GPA,
	    .gdt_limit = BOOT_GDT_BYTES - 1,
	    .cs = BOOT_CODE_SELECTOR,
	    .ds = BOOT_DATA_SELECTOR,
	};
	struct boot_page page = {
	    .desc = b->p->desc,
	    .hdr = b->image.hdr,
	    .rsdp = b->p->rsdp,
	    .initrd_base = b->initrd_base,
	    .initrd_bytes = b->initrd_bytes,
	    .cmdline = b->cmdline,
	};
	int r = b->unpacked_fd >= 0 ? load_unpacked(b, &entry, &page, err)
				    : load_packed(b, &entry, err);

	if (!r)
		r = load_initrd(b, err);
	if (r)
		return r;
	r = boot_tables_write(b->p->gmem)
		?: boot_params_write(b->p->gmem, &page);
	if (r)
		return err_sys(err, r, "boot parameters below 1 MiB");
	*ret_entry = entry;
	return 0;
}

int boot_linux(const struct boot_linux_params *params, struct err *err,
	       struct boot_linux_entry *ret_entry)
{
	struct boot b = {
	    .p = params, .kernel_fd = -1, .initrd_fd = -1, .unpacked_fd = -1};
	int r = open_files(&b, err);

	if (!r) {
		open_unpacked(&b);
		r = place_kernel(&b, err);
	}
	if (!r)
		r = place_initrd(&b, err);
	if (!r)
		r = load(&b, err, ret_entry);
	cleanup_close_(&b.kernel_fd);
	cleanup_close_(&b.initrd_fd);
	cleanup_close_(&b.unpacked_fd);
	return r;
}
