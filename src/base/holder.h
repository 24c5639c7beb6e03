/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who else has a file open, for the sentence that says so: neither OFD locks
 * nor busy devices have an owner one could ask the kernel for.
 */
#ifndef BASE_HOLDER_H
#define BASE_HOLDER_H

#include <sys/stat.h>

#include "base/base.h"

#define HOLDER_TEXT_BYTES 64u

/*
 * Writes " by process 123 (name)" for the first other process that has the
 * file of `want` open, or an empty text: nobody, or no right to look.
 */
void holder_find(const struct stat *want, char ret_text[HOLDER_TEXT_BYTES]);

#endif
