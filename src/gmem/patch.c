/* SPDX-License-Identifier: BSD-2-Clause */
/* Relocating a loaded image in guest memory; the contract is in gmem.h. */
#include <endian.h>
#include <string.h>

#include "gmem/gmem.h"

static int patch64(uint8_t *host, uint64_t last, const struct gmem_patch *patch)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < patch->count; i++) {
		if (patch->offsets[i] > last)
			return -EFAULT;
		memcpy(&word, host + patch->offsets[i], sizeof(word));
		word = htole64(le64toh(word) + patch->delta);
		memcpy(host + patch->offsets[i], &word, sizeof(word));
	}
	return 0;
}

static int patch32(uint8_t *host, uint64_t last, const struct gmem_patch *patch)
{
	uint32_t word;
	size_t i;

	for (i = 0; i < patch->count; i++) {
		if (patch->offsets[i] > last)
			return -EFAULT;
		memcpy(&word, host + patch->offsets[i], sizeof(word));
		word = htole32(le32toh(word) + (uint32_t)patch->delta);
		memcpy(host + patch->offsets[i], &word, sizeof(word));
	}
	return 0;
}

int gmem_patch(const struct gmem *gmem, gpa_t base, uint64_t len,
	       const struct gmem_patch *patch)
{
	struct iovec iov;
	unsigned count = 0;
	int r;

	if (patch->width != 4 && patch->width != 8)
		return -EINVAL;
	if (patch->count == 0)
		return 0;
	if (len < patch->width)
		return -EFAULT;
	r = gmem_iov(gmem, base, len, &iov, 1, &count);
	if (r)
		return -EFAULT; /* not RAM, or not in one piece */
	return patch->width == 8
		   ? patch64(iov.iov_base, len - patch->width, patch)
		   : patch32(iov.iov_base, len - patch->width, patch);
}
