/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in an expansion ROM: its images (BIOS, UEFI, ...), whom they are
 * for, and what is wrong with them. Reads nothing but the bytes it is given,
 * which may be anything.
 *
 * A ROM is a chain of images, each with a header (55 aa), a PCI data structure
 * ("PCIR": ids, length, kind, "last one" flag) and its own code. Firmware runs
 * the first image of the kind that it can run.
 *
 * Source: PCI Firmware Specification 3.0, 5.1; UEFI 2.9, 14.4.2.
 */
#ifndef VFIO_ROM_IMAGE_H
#define VFIO_ROM_IMAGE_H

#include "base/base.h"

#define ROM_IMAGES_MAX 16u

enum rom_kind { /* code type of the PCI data structure */
	ROM_BIOS = 0,
	ROM_OPEN_FIRMWARE = 1,
	ROM_PA_RISC = 2,
	ROM_UEFI = 3,
};

enum rom_fault {
	ROM_GOOD,
	ROM_NO_SIGNATURE, /* no 55 aa */
	ROM_NO_PCIR,	  /* no PCI data structure at `at` */
	ROM_NO_LENGTH,	  /* an image without a length */
	ROM_CUT_OFF,	  /* `at`: bytes there should be */
};

struct rom_info {
	enum rom_fault fault; /* of the first image; nothing else is known */
	uint64_t at;
	unsigned images;
	size_t length; /* of all images */
	uint16_t vendor, device;
	bool bios, uefi;    /* such an image is there */
	bool ids_differ;    /* no image is for the device asked about */
	bool checksum_bad;  /* of a BIOS image */
	bool more_promised; /* the last image is not marked as the last */
};

/* ids: of the device that the ROM should be for. */
void rom_inspect(const uint8_t *rom, size_t size, uint16_t vendor,
		 uint16_t device, struct rom_info *ret_info);

/*
 * As the firmware of a host leaves it in memory: one BIOS image, changed by its
 * own code, without the images that followed it.
 */
bool rom_is_shadow(const struct rom_info *info);

#endif
