/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading an unpacked kernel; the contract is in vmlinux.h. */
#include "unpack/vmlinux.h"

#include <elf.h>
#include <endian.h>
#include <string.h>

#define WORD sizeof(uint32_t)

static uint32_t load32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static int check_elf(const Elf64_Ehdr *eh, size_t len, struct err *err)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_ident[EI_DATA] != ELFDATA2LSB || eh->e_machine != EM_X86_64)
		return err_set(
		    err, -EBADMSG,
		    "payload: unpacks to something else than a 64-bit kernel");
	if (eh->e_phentsize != sizeof(Elf64_Phdr) ||
	    !range_inside(eh->e_phoff,
			  (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr), 0, len))
		return err_set(
		    err, -EBADMSG,
		    "payload: the kernel's program headers are outside of it");
	return 0;
}

static int add_segment(struct vmlinux *kernel, const uint8_t *data, size_t len,
		       const Elf64_Phdr *ph, struct err *err)
{
	struct vmlinux_segment *seg, *prev;

	if (ph->p_memsz == 0)
		return 0;
	if (kernel->segment_count == VMLINUX_SEGMENTS_MAX)
		return err_set(err, -EBADMSG,
			       "payload: a kernel of more than %u segments",
			       VMLINUX_SEGMENTS_MAX);
	seg = &kernel->segments[kernel->segment_count];
	prev = kernel->segment_count ? seg - 1 : NULL;
	if (!range_inside(ph->p_offset, ph->p_filesz, 0, len) ||
	    ph->p_filesz > ph->p_memsz ||
	    !range_inside(ph->p_paddr, ph->p_memsz, 0, KFILE_IMAGE_MAX) ||
	    (prev &&
	     ph->p_paddr < kernel->paddr + prev->image_at + prev->memory_bytes))
		return err_set(
		    err, -EBADMSG,
		    "payload: segment %u of the kernel makes no sense",
		    kernel->segment_count);
	if (!prev)
		kernel->paddr = ph->p_paddr;
	*seg = (struct vmlinux_segment){
	    .data = data + ph->p_offset,
	    .image_at = ph->p_paddr - kernel->paddr,
	    .file_bytes = ph->p_filesz,
	    .memory_bytes = ph->p_memsz,
	};
	kernel->image_bytes = seg->image_at + ph->p_memsz;
	kernel->segment_count++;
	return 0;
}

/*
 * The segment whose contents hold `bytes` at image offset `at`. `*hint` is
 * tried first and remembers the result: the lists are sorted.
 */
static bool in_contents(const struct vmlinux *kernel, uint64_t at,
			uint64_t bytes, unsigned *hint)
{
	unsigned i, n = kernel->segment_count;

	for (i = 0; i < n; i++) {
		unsigned try = (*hint + i) % n;
		const struct vmlinux_segment *seg = &kernel->segments[try];

		if (range_inside(at, bytes, seg->image_at, seg->file_bytes)) {
			*hint = try;
			return true;
		}
	}
	return false;
}

/* Is the kernel linked as KFILE_VIRT_BASE + physical address? */
static bool linked_at_base(const struct vmlinux *kernel, const uint8_t *data,
			   const Elf64_Ehdr *eh)
{
	Elf64_Phdr ph;
	unsigned i;

	for (i = 0; i < eh->e_phnum; i++) {
		memcpy(&ph, data + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD && ph.p_paddr == kernel->paddr)
			return ph.p_vaddr == KFILE_VIRT_BASE + ph.p_paddr;
	}
	return false;
}

/* Where the ELF file ends: what follows is the list. */
static uint64_t elf_end(const uint8_t *data, size_t len, const Elf64_Ehdr *eh)
{
	uint64_t end = eh->e_phoff + eh->e_phnum * sizeof(Elf64_Phdr), to;
	uint64_t table = (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr);
	Elf64_Phdr ph;
	Elf64_Shdr sh;
	unsigned i;

	for (i = 0; i < eh->e_phnum; i++) {
		memcpy(&ph, data + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (range_end(ph.p_offset, ph.p_filesz, &to))
			return len;
		end = MAX(end, to);
	}
	if (!table)
		return end;
	if (eh->e_shentsize != sizeof(sh) ||
	    !range_inside(eh->e_shoff, table, 0, len))
		return len;
	for (i = 0; i < eh->e_shnum; i++) {
		memcpy(&sh, data + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type == SHT_NOBITS)
			continue;
		if (range_end(sh.sh_offset, sh.sh_size, &to))
			return len;
		end = MAX(end, to);
	}
	return MAX(end, eh->e_shoff + table);
}

/* Cuts the words into groups; false when it is no such list. */
static bool split_relocs(struct vmlinux *kernel, const uint8_t *words,
			 uint64_t count)
{
	struct vmlinux_relocs group[KFILE_RELOC_KINDS] = {0};
	unsigned groups = 0;
	uint64_t i;

	if (!count || load32(words))
		return false;
	for (i = 0; i < count; i++) {
		if (load32(words + i * WORD)) {
			group[groups - 1].count++;
			continue;
		}
		if (groups == KFILE_RELOC_KINDS)
			return false;
		group[groups++].words = words + (i + 1) * WORD;
	}
	if (groups < 2)
		return false;
	kernel->relocs[KFILE_ADD64] = group[0];
	if (groups == 3)
		kernel->relocs[KFILE_SUB32] = group[1];
	kernel->relocs[KFILE_ADD32] = group[groups - 1];
	return true;
}

uint32_t vmlinux_reloc_at(const struct vmlinux *kernel,
			  enum kfile_reloc_kind kind, uint64_t i)
{
	return load32(kernel->relocs[kind].words + i * WORD) -
	       (uint32_t)KFILE_VIRT_BASE - (uint32_t)kernel->paddr;
}

static bool relocs_inside(const struct vmlinux *kernel,
			  enum kfile_reloc_kind kind)
{
	unsigned hint = 0;
	uint64_t i;

	for (i = 0; i < kernel->relocs[kind].count; i++)
		if (!in_contents(kernel, vmlinux_reloc_at(kernel, kind, i),
				 kfile_reloc_width(kind), &hint))
			return false;
	return true;
}

static void find_relocs(struct vmlinux *kernel, const uint8_t *data, size_t len,
			const Elf64_Ehdr *eh)
{
	uint64_t end = elf_end(data, len, eh);
	unsigned kind;

	if (end >= len || (len - end) % WORD ||
	    !linked_at_base(kernel, data, eh) ||
	    !split_relocs(kernel, data + end, (len - end) / WORD))
		return;
	for (kind = 0; kind < KFILE_RELOC_KINDS; kind++)
		if (!relocs_inside(kernel, kind))
			break;
	if (kind < KFILE_RELOC_KINDS) /* some are nowhere: trust none */
		memset(kernel->relocs, 0, sizeof(kernel->relocs));
}

int vmlinux_parse(const uint8_t *data, size_t len, struct err *err,
		  struct vmlinux *ret_kernel)
{
	struct vmlinux kernel = {0};
	unsigned i, hint = 0;
	Elf64_Ehdr eh = {0};
	Elf64_Phdr ph;
	int r;

	memcpy(&eh, data, MIN(len, sizeof(eh)));
	r = check_elf(&eh, len, err);
	for (i = 0; !r && i < eh.e_phnum; i++) {
		memcpy(&ph, data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD)
			r = add_segment(&kernel, data, len, &ph, err);
	}
	if (r)
		return r;
	kernel.entry_at = eh.e_entry - kernel.paddr;
	if (!kernel.segment_count ||
	    !in_contents(&kernel, kernel.entry_at, 1, &hint))
		return err_set(
		    err, -EBADMSG,
		    "payload: the kernel's entry point is outside of it");
	find_relocs(&kernel, data, len, &eh);
	*ret_kernel = kernel;
	return 0;
}
