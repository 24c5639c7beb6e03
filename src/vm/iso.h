/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the image of `vm install` is. */
#ifndef VM_ISO_H
#define VM_ISO_H

#include "vm/place.h"

/*
 * The absolute path of `name`: itself when it is one, else in the current
 * directory, else in <vm_dir>/.iso. -ENOENT says where it was looked for.
 */
MUST_CHECK int iso_find(const struct place *place, const char *name,
			struct err *err, char buf[PATH_MAX]);

#endif
