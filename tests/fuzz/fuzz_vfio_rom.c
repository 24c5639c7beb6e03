/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an expansion ROM: what is found in it lies in it. */
#include "vfio/rom_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rom_info info;

	rom_inspect(data, size, 0x10de, 0x1bb3, &info);
	if (info.length > size || info.images > ROM_IMAGES_MAX ||
	    (info.fault != ROM_GOOD) != (info.images == 0) ||
	    (rom_is_shadow(&info) && info.uefi))
		abort();
	return 0;
}
