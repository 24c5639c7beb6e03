/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unpacks a bzImage's payload: gzip, xz, lzma, zstd, lz4 (the legacy frame),
 * or not packed at all. bzip2 and lzo are refused: nobody uses them any more.
 *
 * The payload's last four bytes say how large the result is; what unpacks to
 * any other size is damaged. Runs in the sandboxed child only.
 * Source: the formats' own documents through their libraries; for lz4's legacy
 * frame lz4_Frame_format.md.
 */
#ifndef UNPACK_PAYLOAD_H
#define UNPACK_PAYLOAD_H

#include "base/base.h"
#include "base/err.h"

#define PAYLOAD_UNPACKED_MAX MIB(512)
#define PAYLOAD_MEMORY_MAX   MIB(256) /* a decoder's dictionary */

/* *ret_data is freed by payload_free(). */
MUST_CHECK int payload_unpack(const uint8_t *in, size_t len, struct err *err,
			      uint8_t **ret_data, size_t *ret_len);
void payload_free(uint8_t *data, size_t len); /* NULL allowed */

#endif
