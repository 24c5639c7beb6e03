/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of a CD as its drives tell them; what the AHCI and the virtio-scsi
 * one have in common.
 *
 * Source: MMC-5, 6.26 (READ TOC) and 4.2.3 (MSF addresses).
 */
#ifndef DEV_CD_H
#define DEV_CD_H

#include "base/base.h"

#define CD_PREGAP	   150u /* blocks before block 0 */
#define CD_BLOCKS_A_SECOND 75u

/* Minutes, seconds, frames in three bytes; a DVD has more minutes than fit. */
static inline void cd_put_msf(uint8_t *p, uint32_t block)
{
	uint64_t at = (uint64_t)block + CD_PREGAP;
	uint64_t minutes = at / (60 * CD_BLOCKS_A_SECOND);

	p[0] = (uint8_t)MIN(minutes, (uint64_t)UINT8_MAX);
	p[1] = (uint8_t)(at / CD_BLOCKS_A_SECOND % 60);
	p[2] = (uint8_t)(at % CD_BLOCKS_A_SECOND);
}

#endif
