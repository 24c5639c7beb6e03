/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: everything byway-unpack does with a payload, and the check of
 * the file it writes. The first byte of the input says what the rest is:
 *   p  a packed payload
 *   k  an unpacked kernel (ELF file and lists)
 *   f  the header of an unpacked kernel's file
 */
#include <string.h>
#include <sys/mman.h>

#include "unpack/bzimage.h"
#include "unpack/payload.h"
#include "unpack/vmlinux.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Reads every byte the structure points at: the sanitizers watch. */
static void check_kernel(const struct vmlinux *kernel)
{
	volatile uint8_t sink = 0;
	uint64_t i;
	unsigned k;

	for (k = 0; k < kernel->segment_count; k++) {
		const struct vmlinux_segment *seg = &kernel->segments[k];

		require(range_inside(seg->image_at, seg->memory_bytes, 0,
				     kernel->image_bytes));
		require(seg->file_bytes <= seg->memory_bytes);
		for (i = 0; i < seg->file_bytes; i++)
			sink = (uint8_t)(sink ^ seg->data[i]);
	}
	for (k = 0; k < KFILE_RELOC_KINDS; k++)
		for (i = 0; i < kernel->relocs[k].count; i++)
			require(range_inside(vmlinux_reloc_at(kernel, k, i),
					     kfile_reloc_width(k), 0,
					     kernel->image_bytes));
}

/* What is written is either refused, or what the hypervisor can load. */
static void check_written(const struct vmlinux *kernel)
{
	const struct kfile_key key = {0};
	CLEANUP_CLOSE int fd = memfd_create("kfile", MFD_CLOEXEC);
	struct kfile_header header;
	int r = vmlinux_write(kernel, &key, fd, NULL);

	require(fd >= 0 && !r);
	r = file_read_at(fd, &header, sizeof(header), 0);
	require(!r);
	r = kfile_check(&header, (uint64_t)lseek(fd, 0, SEEK_END), NULL);
	require(!r || !header.extent_count || kernel->paddr < MIB(1));
}

static void fuzz_kernel(const uint8_t *data, size_t size)
{
	struct vmlinux kernel;
	struct err err = {0};

	if (vmlinux_parse(data, size, &err, &kernel)) {
		require(err.msg[0]);
		return;
	}
	check_kernel(&kernel);
	check_written(&kernel);
}

static void fuzz_payload(const uint8_t *data, size_t size)
{
	struct err err = {0};
	uint32_t unpacked;
	uint8_t *out;
	size_t len;

	/* Large results are not wrong, but slow. */
	if (size < sizeof(unpacked))
		return;
	memcpy(&unpacked, data + size - sizeof(unpacked), sizeof(unpacked));
	if (unpacked > MIB(1) && unpacked <= PAYLOAD_UNPACKED_MAX)
		return;
	if (payload_unpack(data, size, &err, &out, &len)) {
		require(err.msg[0]);
		return;
	}
	fuzz_kernel(out, len);
	payload_free(out, len);
}

static void fuzz_header(const uint8_t *data, size_t size)
{
	struct kfile_header header = {0};
	struct err err = {0};
	unsigned i;

	memcpy(&header, data, MIN(size, sizeof(header)));
	kfile_seal(&header);
	if (kfile_check(&header, MIB(64), &err)) {
		require(err.msg[0]);
		return;
	}
	for (i = 0; i < header.extent_count; i++)
		require(range_inside(header.extents[i].image_at,
				     header.extents[i].bytes, 0,
				     header.image_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE uint8_t *copy = NULL;

	if (size < 2)
		return 0;
	copy = malloc(size - 1); /* reading past its end is noticed */
	require(copy);
	memcpy(copy, data + 1, size - 1);
	if (data[0] == 'p')
		fuzz_payload(copy, size - 1);
	else if (data[0] == 'k')
		fuzz_kernel(copy, size - 1);
	else if (data[0] == 'f')
		fuzz_header(copy, size - 1);
	return 0;
}
