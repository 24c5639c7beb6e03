/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot flash: the firmware's code, mapped read-only so that it ends at 4 GiB,
 * and below it a NOR flash that keeps its variables.
 *
 *   4 GiB - code size - variables size    variables (CFI, Intel commands)
 *   4 GiB - code size .. 4 GiB            code
 *
 * Variables file: a raw image as firmware tools read and write it, and beside
 * it NAME.bak (the last good copy), NAME.open (there while a guest runs) and
 * after a mishap NAME.torn. What is promised:
 *  - a program or erase command that the guest sees completed survives the
 *    death of this process in any way;
 *  - it survives a crash of the host half a second after the guest stopped
 *    writing (five seconds while it goes on), or the regular end of the guest;
 *  - after a crash in that time, or when the variables lost their headers in
 *    the middle of a rewrite, the next guest starts from NAME.bak: an earlier
 *    state, but a whole one. What the file held is kept as NAME.torn. Log lines
 *    say so;
 *  - else the next guest starts from the file, also when it was replaced or
 *    edited since the last one.
 * When NAME.bak cannot be written, a warning says that the second and third do
 * not hold.
 *
 * This process killed in that time, and the host started anew before the next
 * guest, is taken for a crash of the host.
 *
 * Without a variables file the flash lives in memory (filled from the firmware
 * itself or the template beside it) and forgets; a line says so. When there is
 * no template either, nothing is below the code, and firmware falls back to
 * variables of its own.
 *
 * Firmware of 128 or 256 KiB (SeaBIOS) wants its last 128 KiB below 1 MiB too:
 * flash_image_tail() gives the bytes, placing them is the machine's business.
 *
 * Threads: guest accesses from any vCPU; the rest before and after vCPUs run.
 * Limits: code and variables 16 MiB together, in multiples of 4 KiB.
 * Sources: JEDEC JESD68.01 and JEP137 (commands); edk2's OvmfPkg for what
 * firmware expects of them; spec/uefi_fv.h.
 */
#ifndef DEV_FIRMWARE_FLASH_H
#define DEV_FIRMWARE_FLASH_H

#include "bus/model.h"

#define FLASH_BLOCK 4096u
#define FLASH_MAX   MIB(16)

struct flash;

struct flash_params {
	const char *code; /* bootrom,CODE */
	const char *vars; /* bootrom,CODE,VARS; NULL: not given */
};

/* Errors name the file and the cure; nothing was changed then. */
MUST_CHECK int flash_create(const struct model_env *env,
			    const struct flash_params *params, struct err *err,
			    struct flash **ret_flash);
void flash_destroy(struct flash *flash); /* NULL allowed; flushes */
void flash_reset(struct flash *flash);	 /* back to reading the array */

/* Where the lowest byte of flash lies; it goes up to 4 GiB. */
uint64_t flash_base(const struct flash *flash);

/*
 * The last `len` bytes of the firmware's code, page-aligned, for as long as the
 * flash exists; NULL when it has fewer. Not to be written.
 */
void *flash_image_tail(const struct flash *flash, size_t len);

#endif
