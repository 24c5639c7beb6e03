/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest boots with: its loader, the firmware's files on this host, and
 * the guest's own copy of the firmware's variables.
 *
 *   linux        a kernel that byway loads; no firmware
 *   uefi         <share>/OVMF/OVMF_CODE_4M.fd (Debian's ovmf), else the 2M
 *                build there, else <vm_dir>/.config/BHYVE_UEFI.fd
 *   uefi-devel   as uefi: there is one build of it here
 *   uefi-custom  <vm_dir>/.config/BHYVE_UEFI_CODE.fd or BHYVE_UEFI.fd
 *   bios         <share>/seabios/bios-256k.bin (Debian's seabios), bios.bin
 *
 * Each UEFI build has a file of variables that a guest with uefi_vars="yes"
 * gets a copy of, uefi-vars.fd in its directory; with run_as in NAME/run_as,
 * where nothing is done with it but looking at its size (userdir.h). A guest
 * that has one keeps the build whose variables have that size.
 * Locking: none; functions have no state.
 */
#ifndef VM_FIRMWARE_H
#define VM_FIRMWARE_H

#include "vm/place.h"

/* Code and variables lie in the top 16 MiB below 4 GiB. */
#define FIRMWARE_MAX   MIB(16)
#define FIRMWARE_MIN   KIB(64)
#define FIRMWARE_UNIT  4096u
#define UEFI_VARS_NAME "uefi-vars.fd"

enum loader {
	LOADER_LINUX,
	LOADER_UEFI,
	LOADER_UEFI_CUSTOM,
	LOADER_BIOS,
};

/* -EINVAL naming file, line and what to write instead. */
MUST_CHECK int loader_find(const struct conf *conf, struct err *err,
			   enum loader *ret_loader);
/* By the file alone, for where a wrong word has been told: linux then. */
bool loader_is_uefi(const struct conf *conf);

struct firmware {
	char code[PATH_MAX];	  /* "": the loader needs none */
	char vars_from[PATH_MAX]; /* "": no variables wanted */
	char vars[PATH_MAX];	  /* the guest's copy, "" when none is wanted */
	bool users;		  /* its folder is NAME/run_as */
	char video[PATH_MAX];	  /* BIOS of the screen, "": none */
};

/*
 * Finds and checks the files. The guest's copy need not be there yet; one that
 * is has to be writable and of the right size.
 */
MUST_CHECK int firmware_find(const struct place *place,
			     const struct guest *guest, const struct conf *conf,
			     struct err *err, struct firmware *ret_firmware);

/*
 * Makes the guest's copy when there is none: complete or not at all. Under the
 * guest's run lock, after userdir_settle(). *ret_made tells whether it was made
 * now.
 */
MUST_CHECK int firmware_make_vars(const struct guest *guest,
				  const struct firmware *firmware,
				  struct err *err, bool *ret_made);

#endif
