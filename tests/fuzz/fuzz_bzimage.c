/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: the setup header of a kernel file.
 *
 * The input is a file size (8 bytes) and what the file holds from the setup
 * header (0x1f1) on. Whatever is accepted must lie inside of the file.
 */
#include <string.h>

#include "unpack/bzimage.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_image(const struct bzimage *image, uint64_t file_bytes)
{
	require(range_inside(image->code_at, image->code_bytes, 0, file_bytes));
	require(image->code_bytes > BZIMAGE_ENTRY64);
	require(range_inside(image->payload_at, image->payload_bytes, 0,
			     file_bytes));
	require(!image->payload_bytes ||
		range_inside(image->payload_at, image->payload_bytes,
			     image->code_at, image->code_bytes));
	require(image->hdr.xloadflags & XLF_KERNEL_64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t head[BZIMAGE_HEAD_BYTES] = {0};
	struct bzimage image;
	struct err err = {0};
	uint64_t file_bytes;
	size_t len;
	int r;

	if (size < sizeof(file_bytes))
		return 0;
	memcpy(&file_bytes, data, sizeof(file_bytes));
	data += sizeof(file_bytes);
	size -= sizeof(file_bytes);
	memcpy(head + BZIMAGE_HDR_AT, data,
	       MIN(size, sizeof(head) - BZIMAGE_HDR_AT));
	len = (size_t)MIN(file_bytes, (uint64_t)sizeof(head));
	r = bzimage_parse(head, len, file_bytes, &err, &image);
	if (!r)
		check_image(&image, file_bytes);
	else
		require(err.code == r && err.msg[0]);
	return 0;
}
