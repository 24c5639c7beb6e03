/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing an unpacked kernel as a kfile; the contract is in vmlinux.h.
 *
 * A kernel's segments contain tens of megabytes of zeros (its bss is part of
 * the last one). Guest memory is zero already, so runs of zero pages are left
 * out: half of a Debian kernel need not be read at each start.
 */
#include <string.h>

#include "unpack/vmlinux.h"

#define ZERO_RUN_MIN KIB(64) /* shorter runs are not worth a read() */
#define RELOC_CHUNK  4096u

static int write_at(int fd, const void *data, size_t len, uint64_t offset,
		    struct err *err)
{
	const uint8_t *at = data;
	ssize_t n;

	while (len) {
		n = pwrite(fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n ? errno : ENOSPC, "cannot write");
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	/* All bytes equal their successor and the first is zero. */
	return len == 0 || (data[0] == 0 && !memcmp(data, data + 1, len - 1));
}

/* Adds extents of one segment; false when there are too many. */
static bool cut_segment(const struct vmlinux_segment *seg, uint64_t run_min,
			struct kfile_header *header)
{
	struct kfile_extent *extent = NULL;
	uint64_t at, len;

	for (at = 0; at < seg->file_bytes; at += len) {
		len = MIN((uint64_t)KFILE_PAGE, seg->file_bytes - at);
		if (is_zero(seg->data + at, len))
			continue;
		if (extent &&
		    seg->image_at + at - extent->image_at - extent->bytes <
			run_min) {
			extent->bytes =
			    seg->image_at + at + len - extent->image_at;
			continue;
		}
		if (header->extent_count == KFILE_EXTENTS_MAX)
			return false;
		extent = &header->extents[header->extent_count++];
		*extent = (struct kfile_extent){.image_at = seg->image_at + at,
						.bytes = len};
	}
	return true;
}

/* Cuts out as many runs of zeros as the extents allow. */
static void cut_segments(const struct vmlinux *kernel,
			 struct kfile_header *header)
{
	uint64_t run_min = ZERO_RUN_MIN;
	bool fits;
	unsigned i;

	do {
		header->extent_count = 0;
		fits = true;
		for (i = 0; fits && i < kernel->segment_count; i++)
			fits =
			    cut_segment(&kernel->segments[i], run_min, header);
		run_min *= 2; /* ends: there are fewer segments than extents */
	} while (!fits);
}

/* Gives everything its place in the file. */
static void place(struct kfile_header *header)
{
	uint64_t at = KFILE_PAGE;
	unsigned i;

	for (i = 0; i < header->extent_count; i++) {
		header->extents[i].file_at = at;
		at = align_up(at + header->extents[i].bytes, KFILE_PAGE);
	}
	for (i = 0; i < KFILE_RELOC_KINDS; i++) {
		header->relocs[i].file_at = at;
		at = align_up(at + header->relocs[i].count * sizeof(uint32_t),
			      KFILE_PAGE);
	}
}

static const uint8_t *image_data(const struct vmlinux *kernel, uint64_t at)
{
	unsigned i = kernel->segment_count - 1;

	while (kernel->segments[i].image_at > at)
		i--;
	return kernel->segments[i].data + (at - kernel->segments[i].image_at);
}

static int write_relocs(const struct vmlinux *kernel,
			enum kfile_reloc_kind kind, int fd, uint64_t offset,
			struct err *err)
{
	uint64_t count = kernel->relocs[kind].count, i = 0;
	uint32_t chunk[RELOC_CHUNK];
	unsigned n;
	int r;

	while (i < count) {
		for (n = 0; n < RELOC_CHUNK && i < count; n++)
			chunk[n] = vmlinux_reloc_at(kernel, kind, i++);
		r = write_at(fd, chunk, n * sizeof(chunk[0]), offset, err);
		if (r)
			return r;
		offset += n * sizeof(chunk[0]);
	}
	return 0;
}

int vmlinux_write(const struct vmlinux *kernel, const struct kfile_key *key,
		  int fd, struct err *err)
{
	struct kfile_header header = {
	    .key = *key,
	    .paddr = kernel->paddr,
	    .image_bytes = kernel->image_bytes,
	    .entry_at = kernel->entry_at,
	};
	unsigned i;
	int r = 0;

	cut_segments(kernel, &header);
	for (i = 0; i < KFILE_RELOC_KINDS; i++)
		header.relocs[i].count = kernel->relocs[i].count;
	place(&header);
	kfile_seal(&header);
	for (i = 0; !r && i < header.extent_count; i++)
		r = write_at(fd, image_data(kernel, header.extents[i].image_at),
			     header.extents[i].bytes, header.extents[i].file_at,
			     err);
	for (i = 0; !r && i < KFILE_RELOC_KINDS; i++)
		r = write_relocs(kernel, i, fd, header.relocs[i].file_at, err);
	return r ? r : write_at(fd, &header, sizeof(header), 0, err);
}
