/* SPDX-License-Identifier: BSD-2-Clause */
/* What variables look like; the contract is in flash_internal.h. */
#include <endian.h>
#include <string.h>

#include "dev/firmware/flash_internal.h"
#include "spec/uefi_fv.h"

/* The header lies in the first block, whole. */
static bool header_sums_up(const uint8_t *bytes, size_t len)
{
	uint16_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum = (uint16_t)(sum + (bytes[i] | bytes[i + 1] << 8));
	return sum == 0;
}

static bool header_is_whole(const struct fv_header *fv, const uint8_t *bytes,
			    size_t size)
{
	static const uint8_t nvdata[] = FV_NVDATA_GUID;
	size_t len = le16toh(fv->header_length);

	return !memcmp(fv->signature, FV_SIGNATURE, sizeof(fv->signature)) &&
	       !memcmp(fv->file_system, nvdata, sizeof(nvdata)) &&
	       fv->revision == FV_REVISION && len >= sizeof(*fv) &&
	       len % 2 == 0 &&
	       len <= FLASH_BLOCK - sizeof(struct fv_varstore) &&
	       le64toh(fv->fv_length) <= size &&
	       le64toh(fv->fv_length) >= FLASH_BLOCK &&
	       header_sums_up(bytes, len);
}

static bool store_is_whole(const struct fv_varstore *store, size_t room)
{
	static const uint8_t with[] = FV_VARSTORE_AUTH_GUID;
	static const uint8_t without[] = FV_VARSTORE_PLAIN_GUID;

	return (!memcmp(store->guid, with, sizeof(with)) ||
		!memcmp(store->guid, without, sizeof(without))) &&
	       le32toh(store->size) >= sizeof(*store) &&
	       le32toh(store->size) <= room &&
	       store->format == FV_VARSTORE_FORMATTED &&
	       store->state == FV_VARSTORE_HEALTHY;
}

bool fv_holds_variables(const uint8_t *bytes, size_t size, size_t *ret_len)
{
	struct fv_varstore store;
	struct fv_header fv;
	size_t at, len;

	if (size < FLASH_BLOCK)
		return false;
	memcpy(&fv, bytes, sizeof(fv));
	if (!header_is_whole(&fv, bytes, size))
		return false;
	at = le16toh(fv.header_length);
	len = (size_t)le64toh(fv.fv_length);
	memcpy(&store, bytes + at, sizeof(store));
	if (!store_is_whole(&store, len - at))
		return false;
	if (ret_len)
		*ret_len = len;
	return true;
}
