/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware made for tests: a folder with a code file of 448 KiB and variables
 * of 64 KiB laid out like OVMF's, only smaller. Blocks 0-6 hold headers and
 * variables, block 7 the working area and blocks 8-15 the spare one of edk2's
 * fault tolerant writes.
 */
#ifndef TESTS_DEV_FLASH_FILES_H
#define TESTS_DEV_FLASH_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/err.h"

#define CODE_BYTES  0x70000u
#define VARS_BYTES  0x10000u
#define VARS_HEADER 0x64u /* volume and store */
#define WORKING	    0x7000u
#define SPARE	    0x8000u

struct files {
	char dir[64];
	char code[96], vars[96], backup[96], mark[96], torn[96];
};

/* A folder with a code file "CODE.fd" and variables "vars.fd". */
void files_create(struct files *files);
void files_remove(const struct files *files); /* with all that is in it */

/* Unused variables, as they come with the firmware. */
void vars_make(uint8_t bytes[VARS_BYTES]);

void file_put(const char *path, const void *bytes, size_t size);
/* The test fails unless the file has exactly `size` bytes. */
void file_get(const char *path, void *bytes, size_t size);
bool file_exists(const char *path);

#endif
