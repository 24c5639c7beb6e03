/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of an unpacked kernel; the contract is in kfile.h. */
#include "unpack/kfile.h"

#include <string.h>
#include <sys/stat.h>

#include "unpack/bzimage.h"

#define FNV_PRIME     0x100000001b3ull
#define KFILE_LOW_MIN MIB(1) /* no kernel is loaded below */

uint64_t kfile_hash(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len--)
		hash = (hash ^ *at++) * FNV_PRIME;
	return hash;
}

int kfile_key_of(int fd, struct kfile_key *ret_key)
{
	uint8_t page[KFILE_PAGE];
	uint64_t hash = KFILE_HASH_START, size;
	struct stat st;
	size_t len;
	int r;

	if (fstat(fd, &st))
		return -errno;
	size = (uint64_t)st.st_size;
	len = (size_t)MIN(size, (uint64_t)sizeof(page));
	r = file_read_at(fd, page, len, 0);
	if (r)
		return r;
	hash = kfile_hash(hash, page, len);
	r = file_read_at(fd, page, len, size - len);
	if (r)
		return r;
	*ret_key = (struct kfile_key){
	    .device = st.st_dev,
	    .inode = st.st_ino,
	    .size = size,
	    .mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S +
			(uint64_t)st.st_mtim.tv_nsec,
	    .hash = kfile_hash(hash, page, len),
	};
	return 0;
}

static uint64_t header_hash(const struct kfile_header *header)
{
	return kfile_hash(KFILE_HASH_START, header,
			  offsetof(struct kfile_header, hash));
}

void kfile_seal(struct kfile_header *header)
{
	memcpy(header->magic, KFILE_MAGIC, sizeof(header->magic));
	header->version = KFILE_VERSION;
	header->hash = header_hash(header);
}

static int check_extents(const struct kfile_header *header, uint64_t file_bytes,
			 struct err *err)
{
	uint64_t end = 0;
	unsigned i;

	for (i = 0; i < header->extent_count; i++) {
		const struct kfile_extent *e = &header->extents[i];

		if (!e->bytes || e->file_at % KFILE_PAGE || e->image_at < end ||
		    !range_inside(e->file_at, e->bytes, KFILE_PAGE,
				  file_bytes - KFILE_PAGE) ||
		    !range_inside(e->image_at, e->bytes, 0,
				  header->image_bytes))
			return err_set(
			    err, -EINVAL,
			    "extent %u is not inside of file and image", i);
		end = e->image_at + e->bytes;
	}
	return 0;
}

static int check_relocs(const struct kfile_header *header, uint64_t file_bytes,
			struct err *err)
{
	unsigned i;

	for (i = 0; i < KFILE_RELOC_KINDS; i++) {
		const struct kfile_relocs *r = &header->relocs[i];

		if (r->count &&
		    (r->count > file_bytes / sizeof(uint32_t) ||
		     !range_inside(r->file_at, r->count * sizeof(uint32_t),
				   KFILE_PAGE, file_bytes - KFILE_PAGE)))
			return err_set(
			    err, -EINVAL,
			    "relocations %u are not inside of the file", i);
	}
	return 0;
}

int kfile_check(const struct kfile_header *header, uint64_t file_bytes,
		struct err *err)
{
	int r;

	if (memcmp(header->magic, KFILE_MAGIC, sizeof(header->magic)) ||
	    header->version != KFILE_VERSION)
		return err_set(err, -EINVAL,
			       "not an unpacked kernel of this version");
	if (header->hash != header_hash(header))
		return err_set(err, -EINVAL, "its header is damaged");
	if (file_bytes < KFILE_PAGE || file_bytes > INT64_MAX ||
	    !header->extent_count || header->extent_count > KFILE_EXTENTS_MAX ||
	    header->image_bytes > KFILE_IMAGE_MAX ||
	    header->entry_at >= header->image_bytes ||
	    header->paddr < KFILE_LOW_MIN || header->paddr > KFILE_IMAGE_MAX)
		return err_set(err, -EINVAL, "its header makes no sense");
	r = check_extents(header, file_bytes, err);
	return r ? r : check_relocs(header, file_bytes, err);
}

bool kfile_relocatable(const struct kfile_header *header)
{
	unsigned i;

	for (i = 0; i < KFILE_RELOC_KINDS; i++)
		if (header->relocs[i].count)
			return true;
	return false;
}
