/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An unpacked kernel in memory: an ELF file, and after its end the list of
 * places to change when its virtual address changes.
 *
 * That list is what the kernel's own unpacking code uses: 32-bit words, each
 * the low half of a kernel virtual address; a zero word before each group of
 *	64-bit words		add the distance moved
 *	32-bit words		subtract it (kernels before 6.15)
 *	32-bit words		add it
 * A kernel that cannot be moved has none. A list that does not look like this
 * is ignored, which costs the guest its random addresses and nothing else.
 */
#ifndef UNPACK_VMLINUX_H
#define UNPACK_VMLINUX_H

#include "base/base.h"
#include "base/err.h"
#include "unpack/kfile.h"

#define VMLINUX_SEGMENTS_MAX 16u

struct vmlinux_segment {
	const uint8_t *data; /* file_bytes of it; the rest is zero */
	uint64_t image_at;
	uint64_t file_bytes, memory_bytes;
};

struct vmlinux_relocs {
	const uint8_t *words; /* little-endian, any alignment */
	uint64_t count;
};

struct vmlinux {
	uint64_t paddr, image_bytes, entry_at;
	unsigned segment_count;
	struct vmlinux_segment segments[VMLINUX_SEGMENTS_MAX]; /* ascending */
	struct vmlinux_relocs relocs[KFILE_RELOC_KINDS];
};

/* Points into data, which must stay. The error says what is wrong with it. */
MUST_CHECK int vmlinux_parse(const uint8_t *data, size_t len, struct err *err,
			     struct vmlinux *ret_kernel);

/* Offset in the image of relocation i; valid for all i of a parsed kernel. */
uint32_t vmlinux_reloc_at(const struct vmlinux *kernel,
			  enum kfile_reloc_kind kind, uint64_t i);

/* Writes header, extents and relocations to an empty file. */
MUST_CHECK int vmlinux_write(const struct vmlinux *kernel,
			     const struct kfile_key *key, int fd,
			     struct err *err);

#endif
