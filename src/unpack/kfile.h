/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An unpacked kernel as byway-unpack writes it and the hypervisor loads it.
 *
 *   0      struct kfile_header, KFILE_PAGE bytes
 *   pages  extents: pieces of the kernel's memory image that are not zero;
 *          everything between them is
 *   pages  relocations: for each kind an array of 32-bit offsets into the
 *          memory image
 *
 * The memory image starts at physical address `paddr` and is image_bytes long
 * (with what the kernel only uses zeroed). Relocations add to (or subtract
 * from) the words they name the distance the kernel is moved in its virtual
 * address space; the physical address stays.
 *
 * The reader trusts nothing in the file: kfile_check() makes sure that every
 * range lies inside of file and image, and offsets are checked when used.
 * Host byte order (x86 only).
 */
#ifndef UNPACK_KFILE_H
#define UNPACK_KFILE_H

#include <assert.h>

#include "base/base.h"
#include "base/err.h"

#define KFILE_PAGE	  4096u
#define KFILE_VERSION	  1u
#define KFILE_EXTENTS_MAX 64u
#define KFILE_IMAGE_MAX	  MIB(1024) /* the window of a kernel's text and data */
#define KFILE_VIRT_BASE	  0xffffffff80000000ull /* of physical address 0 */

/* What tells one kernel file from another without reading all of it. */
struct kfile_key {
	uint64_t device, inode, size, mtime_ns;
	uint64_t hash; /* of the first and the last page */
};

struct kfile_extent {
	uint64_t file_at;  /* multiple of KFILE_PAGE */
	uint64_t image_at; /* ascending, not overlapping */
	uint64_t bytes;
};

enum kfile_reloc_kind {
	KFILE_ADD64, /* add to a 64-bit word */
	KFILE_SUB32, /* subtract from a 32-bit word */
	KFILE_ADD32, /* add to a 32-bit word */
	KFILE_RELOC_KINDS,
};

struct kfile_relocs {
	uint64_t file_at;
	uint64_t count;
};

struct kfile_header {
	char magic[8]; /* KFILE_MAGIC */
	uint32_t version;
	uint32_t extent_count;
	struct kfile_key key;
	uint64_t paddr;
	uint64_t image_bytes;
	uint64_t entry_at; /* in the image: 64-bit entry point */
	struct kfile_relocs relocs[KFILE_RELOC_KINDS]; /* counts 0: none */
	struct kfile_extent extents[KFILE_EXTENTS_MAX];
	uint64_t hash; /* of the header up to here */
};
#define KFILE_MAGIC "BYWAYKRN"
static_assert(sizeof(struct kfile_header) <= KFILE_PAGE, "one page");

/* Bytes a relocated word has. */
static inline unsigned kfile_reloc_width(enum kfile_reloc_kind kind)
{
	return kind == KFILE_ADD64 ? 8 : 4;
}

/* Key of an open kernel file. */
MUST_CHECK int kfile_key_of(int fd, struct kfile_key *ret_key);

/* Fills in magic, version and hash. */
void kfile_seal(struct kfile_header *header);

/* -EINVAL saying what is wrong with the header of a file of file_bytes. */
MUST_CHECK int kfile_check(const struct kfile_header *header,
			   uint64_t file_bytes, struct err *err);

bool kfile_relocatable(const struct kfile_header *header);

/* FNV-1a, 64 bits: tells damage and versions apart, keeps nobody out. */
#define KFILE_HASH_START 0xcbf29ce484222325ull
uint64_t kfile_hash(uint64_t hash, const void *data, size_t len);

#endif
