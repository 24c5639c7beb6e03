/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes small Linux kernels: an ELF file with three segments and the lists of
 * relocations behind it, packed by any method, inside of a bzImage.
 *
 * Memory image (image offset: contents), linked at SYNTH_PADDR:
 *   0       entry: code bytes, then the words below, a pattern up to 0x2000
 *   0x2000  zeros (a run worth leaving out)
 *   0x30000 a pattern up to 0x31000: end of the text segment
 *   0x200000 data segment: 0x1800 bytes of pattern, memory up to 0x5000
 *   0x300000 per-cpu segment: virtual address 0, 0x100 bytes
 */
#ifndef TESTS_MACHINE_SYNTH_H
#define TESTS_MACHINE_SYNTH_H

#include <asm/bootparam.h>

#include "base/base.h"

#define SYNTH_PADDR	  0x1000000u
#define SYNTH_ENTRY	  0x40u
#define SYNTH_IMAGE_BYTES 0x300100u
#define SYNTH_ADD64_AT	  0x100u    /* holds SYNTH_VIRT + 0x10 */
#define SYNTH_ADD32_AT	  0x203u    /* misaligned; low half of it + 0x20 */
#define SYNTH_SUB32_AT	  0x200008u /* holds 0x00345678 */
#define SYNTH_VIRT	  0xffffffff81000000ull

enum synth_pack {
	SYNTH_PLAIN,
	SYNTH_GZIP,
	SYNTH_XZ,
	SYNTH_LZMA,
	SYNTH_ZSTD,
	SYNTH_LZ4
};

struct synth_bytes {
	uint8_t *data;
	size_t len;
};
void synth_free(struct synth_bytes *bytes);

enum synth_lists {
	SYNTH_THREE_LISTS, /* with the 32-bit subtractions */
	SYNTH_TWO_LISTS,   /* as newer kernels */
	SYNTH_NO_LISTS,	   /* a kernel that cannot be moved */
	SYNTH_BAD_TARGET,  /* one points behind the contents */
	SYNTH_BAD_SHAPE,   /* no zero word at the start */
};

struct synth_bytes synth_vmlinux(enum synth_lists lists);
/* What the guest's memory must hold at SYNTH_PADDR; SYNTH_IMAGE_BYTES. */
uint8_t *synth_image(void);

struct synth_bytes synth_pack(enum synth_pack method,
			      const struct synth_bytes *plain);

/* Header of an up-to-date kernel; change it, then make the bzImage. */
struct setup_header synth_header(void);
/* Sizes, and the payload's place, are filled in. Payload NULL: none. */
struct synth_bytes synth_bzimage(const struct setup_header *header,
				 const struct synth_bytes *payload);

void synth_save(const char *path, const struct synth_bytes *bytes);

#endif
