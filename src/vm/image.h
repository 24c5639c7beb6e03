/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formats of disk images: raw, and those qemu-storage-daemon is needed for.
 *
 * Nothing of a format is parsed here but the mark it begins with. A mark alone
 * is not believed: a guest can write one into its raw disk, and a format with
 * a backing file would then show it files of the host. See
 * docs/adr/0007-image-formats.md.
 * Locking: none; functions have no state.
 */
#ifndef VM_IMAGE_H
#define VM_IMAGE_H

#include "base/base.h"
#include "base/err.h"

enum image_format {
	IMAGE_RAW,
	IMAGE_QCOW2,
	IMAGE_QCOW,
	IMAGE_VMDK,
	IMAGE_VDI,
	IMAGE_VHDX,
	IMAGE_VPC,
};

#define IMAGE_HEAD 512u

/* "raw", "qcow2" ...: the word of diskN_format and of qemu-storage-daemon. */
const char *image_name(enum image_format format);
/* -EINVAL for another word. */
MUST_CHECK int image_parse(const char *word, enum image_format *ret_format);
/* All words, for messages. */
#define IMAGE_WORDS "raw, qcow2, qcow, vmdk, vdi, vhdx or vpc"

/* By the mark in the first bytes; raw when there is none. */
enum image_format image_probe(const uint8_t *head, size_t len);
/* By the end of a file's name; raw when it says nothing. */
enum image_format image_by_name(const char *path);

/*
 * The format of an image that is a regular file: what name and mark agree on.
 * -EINVAL when they do not; the sentence begins with `path` and says what to
 * set. A file that cannot be read is raw: opening it will tell.
 */
MUST_CHECK int image_detect(const char *path, unsigned disk, struct err *err,
			    enum image_format *ret_format);

#endif
