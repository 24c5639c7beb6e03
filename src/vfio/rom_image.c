/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in an expansion ROM; the contract is in rom_image.h. */
#include "vfio/rom_image.h"

#include <string.h>

#define UNIT	     512u /* images are measured in these */
#define HEADER_BYTES 0x1au
#define PCIR_POINTER 0x18u
#define BIOS_UNITS   0x02u /* what the checksum of a BIOS image covers */

/* The PCI data structure. */
#define PCIR_BYTES     0x18u
#define PCIR_VENDOR    0x04u
#define PCIR_DEVICE    0x06u
#define PCIR_LENGTH    0x10u
#define PCIR_KIND      0x14u
#define PCIR_INDICATOR 0x15u
#define INDICATOR_LAST 0x80u

static unsigned get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

struct image {
	const uint8_t *bytes;
	const uint8_t *pcir;
	size_t length;
};

/* The image at the start of `size` bytes. */
static enum rom_fault image_find(const uint8_t *bytes, size_t size,
				 struct image *ret_image, uint64_t *ret_at)
{
	size_t length;
	unsigned pcir;

	if (size < UNIT || bytes[0] != 0x55 || bytes[1] != 0xaa)
		return ROM_NO_SIGNATURE;
	pcir = get16(bytes + PCIR_POINTER);
	*ret_at = pcir;
	if (pcir < HEADER_BYTES || !range_inside(pcir, PCIR_BYTES, 0, size) ||
	    memcmp(bytes + pcir, "PCIR", 4) != 0)
		return ROM_NO_PCIR;
	length = (size_t)get16(bytes + pcir + PCIR_LENGTH) * UNIT;
	*ret_at = length;
	if (length == 0)
		return ROM_NO_LENGTH;
	if (length > size)
		return ROM_CUT_OFF;
	*ret_image = (struct image){bytes, bytes + pcir, length};
	return ROM_GOOD;
}

/* The bytes of a BIOS image add up to 0. */
static bool checksum_good(const struct image *image)
{
	size_t i,
	    n = MIN((size_t)image->bytes[BIOS_UNITS] * UNIT, image->length);
	uint8_t sum = 0;

	for (i = 0; i < n; i++)
		sum = (uint8_t)(sum + image->bytes[i]);
	return n > 0 && sum == 0;
}

static void image_note(const struct image *image, uint16_t vendor,
		       uint16_t device, struct rom_info *info)
{
	uint16_t its_vendor = (uint16_t)get16(image->pcir + PCIR_VENDOR);
	uint16_t its_device = (uint16_t)get16(image->pcir + PCIR_DEVICE);

	if (info->images == 0) {
		info->vendor = its_vendor;
		info->device = its_device;
	}
	if (its_vendor == vendor && its_device == device)
		info->ids_differ = false;
	if (image->pcir[PCIR_KIND] == ROM_BIOS) {
		info->bios = true;
		info->checksum_bad |= !checksum_good(image);
	} else if (image->pcir[PCIR_KIND] == ROM_UEFI) {
		info->uefi = true;
	}
	info->more_promised = !(image->pcir[PCIR_INDICATOR] & INDICATOR_LAST);
	info->images++;
	info->length += image->length;
}

void rom_inspect(const uint8_t *rom, size_t size, uint16_t vendor,
		 uint16_t device, struct rom_info *ret_info)
{
	struct rom_info info = {.ids_differ = true};
	enum rom_fault fault;
	struct image image;
	uint64_t at = 0;

	while (info.images < ROM_IMAGES_MAX) {
		fault = image_find(rom + info.length, size - info.length,
				   &image, &at);
		/* What follows a good image may be the vendor's own. */
		if (fault && info.images)
			break;
		if (fault) {
			info.fault = fault;
			info.at = at;
			break;
		}
		image_note(&image, vendor, device, &info);
		if (!info.more_promised)
			break;
	}
	*ret_info = info;
}

bool rom_is_shadow(const struct rom_info *info)
{
	return info->images == 1 && info->bios && info->checksum_bad &&
	       info->more_promised;
}
