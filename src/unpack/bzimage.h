/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux bzImage's setup header says, checked.
 *
 * A bzImage is: boot sector and setup code (16-bit, not used here), then the
 * protected-mode code, which carries the packed kernel ("payload") and unpacks
 * it in the guest. byway enters 64-bit code only: the bzImage's own at
 * BZIMAGE_ENTRY64 of the protected-mode code, or the unpacked kernel's.
 *
 * Threads: no state.
 * Source: Linux Documentation/arch/x86/boot.rst; <asm/bootparam.h>.
 */
#ifndef UNPACK_BZIMAGE_H
#define UNPACK_BZIMAGE_H

#include <asm/bootparam.h>

#include "base/base.h"
#include "base/err.h"

#define BZIMAGE_HEAD_BYTES 4096u /* of the file: contains the header */
#define BZIMAGE_ENTRY64	   0x200u
#define BZIMAGE_HDR_AT	   0x1f1u /* of struct setup_header, in file and page */

struct bzimage {
	struct setup_header hdr; /* fields the kernel does not have are 0 */
	uint64_t code_at;	 /* protected-mode code in the file */
	uint64_t code_bytes;
	uint64_t payload_at; /* packed kernel in the file; bytes 0: unnamed */
	uint64_t payload_bytes;
};

/*
 * From the first head_bytes (at least BZIMAGE_HEAD_BYTES, or all of a smaller
 * file) of a file of file_bytes. The error says what the file is instead, or
 * what this kernel lacks; the caller puts the file's name before it.
 */
MUST_CHECK int bzimage_parse(const uint8_t *head, size_t head_bytes,
			     uint64_t file_bytes, struct err *err,
			     struct bzimage *ret_image);

/* Opens a kernel file and does the above; errors start with the path. */
MUST_CHECK int bzimage_open(const char *path, struct err *err, int *ret_fd,
			    struct bzimage *ret_image);

/*
 * Reads exactly len bytes at `offset` of fd: 0, -ENODATA at the file's end,
 * or negative errno.
 */
MUST_CHECK int file_read_at(int fd, void *dst, size_t len, uint64_t offset);

#endif
