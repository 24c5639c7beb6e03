/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaves the calling process nothing but memory and the descriptors it has:
 * the decoders run on a file that may be hostile.
 */
#ifndef UNPACK_SANDBOX_H
#define UNPACK_SANDBOX_H

#include "base/base.h"
#include "base/err.h"

/*
 * From here on only reading, writing, memory and exit work (others give
 * EPERM), the process may not become more than it is, and processor time and
 * file size are limited.
 */
MUST_CHECK int sandbox_enter(struct err *err);

#endif
