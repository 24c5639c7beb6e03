/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How UEFI variables lie in flash: a firmware volume whose contents are a
 * variable store. Sources: UEFI PI 1.7 volume 3, 3.2.1 (firmware volume
 * header); edk2's Guid/VariableFormat.h (variable store). Little-endian.
 */
#ifndef SPEC_UEFI_FV_H
#define SPEC_UEFI_FV_H

#include <assert.h>
#include <stdint.h>

struct fv_header {
	uint8_t zero_vector[16];
	uint8_t file_system[16]; /* GUID: what the volume holds */
	uint64_t fv_length;
	char signature[4]; /* "_FVH" */
	uint32_t attributes;
	uint16_t header_length; /* with the block map */
	uint16_t checksum;	/* all words of the header sum to zero */
	uint16_t ext_header;
	uint8_t reserved;
	uint8_t revision;
	/* block map: (count, length) pairs up to one of zeros */
};
static_assert(sizeof(struct fv_header) == 56, "PI 3.2.1");

#define FV_SIGNATURE "_FVH"
#define FV_REVISION  2

/* fff12b8d-7696-4c8b-a985-2747075b4f50, as it lies in memory */
#define FV_NVDATA_GUID                                                      \
	{                                                                   \
		0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, \
		    0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50                      \
	}

struct fv_varstore {
	uint8_t guid[16];
	uint32_t size; /* of the store, with this header */
	uint8_t format, state;
	uint16_t reserved;
	uint32_t reserved1;
};
static_assert(sizeof(struct fv_varstore) == 28, "VARIABLE_STORE_HEADER");

#define FV_VARSTORE_FORMATTED 0x5a
#define FV_VARSTORE_HEALTHY   0xfe

/* aaf32c78-947b-439a-a180-2e144ec37792: with authenticated variables */
#define FV_VARSTORE_AUTH_GUID                                               \
	{                                                                   \
		0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, \
		    0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92                      \
	}
/* ddcf3616-3275-4164-98b6-fe85707ffe7d: without */
#define FV_VARSTORE_PLAIN_GUID                                              \
	{                                                                   \
		0x16, 0x36, 0xcf, 0xdd, 0x75, 0x32, 0x64, 0x41, 0x98, 0xb6, \
		    0xfe, 0x85, 0x70, 0x7f, 0xfe, 0x7d                      \
	}

#endif
