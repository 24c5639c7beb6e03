/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's scatter list (PRD table, AHCI 1.3.1, 4.2.3.3), read entry by
 * entry: each is copied once, and only the copy is used. A list may have 65535
 * entries; how many are looked at is bounded by what one request can carry.
 */
#include <endian.h>

#include "dev/ahci/ahci_internal.h"

static int prd_fetch(struct prd_cursor *cur, const struct gmem *gmem)
{
	struct ahci_prd prd;
	uint32_t dbc;
	int r;

	if (cur->next == cur->count)
		return -ENODATA;
	r = gmem_read_obj(
	    gmem, gpa_add(cur->table, (uint64_t)cur->next * sizeof(prd)), &prd);
	if (r)
		return r;
	cur->next++;
	dbc = le32toh(prd.dbc);
	cur->addr = (le32toh(prd.dba) | (uint64_t)le32toh(prd.dbau) << 32) &
		    AHCI_DBA_MASK;
	/* An even number of bytes: bit 0 counts as set whatever it says. */
	cur->left = ((dbc & AHCI_PRD_DBC) | 1) + 1;
	cur->interrupt |= (dbc & AHCI_PRD_I) != 0;
	return 0;
}

static void prd_skip(struct prd_cursor *cur, uint32_t n)
{
	cur->addr += n;
	cur->left -= n;
}

/* Pieces up to `max` bytes; fewer when the span is full. */
static int gather(struct prd_cursor *cur, const struct gmem *gmem, uint64_t max,
		  struct prd_span *span)
{
	uint32_t n;
	int r;

	span->bytes = 0;
	span->cnt = 0;
	while (span->bytes < max && span->cnt < BLOCK_IOV_MAX) {
		r = cur->left ? 0 : prd_fetch(cur, gmem);
		if (r)
			return r;
		n = (uint32_t)MIN((uint64_t)cur->left, max - span->bytes);
		r = gmem_iov(gmem, gpa(cur->addr), n, span->iov, BLOCK_IOV_MAX,
			     &span->cnt);
		if (r == -E2BIG)
			break;
		if (r)
			return r;
		prd_skip(cur, n);
		span->bytes += n;
	}
	return 0;
}

int prd_span(struct prd_cursor *cur, const struct gmem *gmem, uint64_t max,
	     uint32_t unit, struct prd_span *ret_span)
{
	struct prd_cursor start = *cur;
	uint64_t fit;
	int r;

	r = gather(cur, gmem, max, ret_span);
	if (r)
		return r;
	fit = align_down(ret_span->bytes, unit);
	if (fit && fit != ret_span->bytes) {
		*cur = start;
		r = gather(cur, gmem, fit, ret_span);
	}
	if (r)
		return r;
	/* Also when the guest changed the list between the two looks. */
	return fit && ret_span->bytes == fit ? 0 : -E2BIG;
}

int prd_put(struct prd_cursor *cur, const struct gmem *gmem, const uint8_t *src,
	    size_t len)
{
	uint32_t n;
	int r;

	for (; len; src += n, len -= n) {
		r = cur->left ? 0 : prd_fetch(cur, gmem);
		if (r)
			return r;
		n = (uint32_t)MIN((size_t)cur->left, len);
		r = gmem_write(gmem, gpa(cur->addr), src, n);
		if (r)
			return r;
		prd_skip(cur, n);
	}
	return 0;
}

int prd_get(struct prd_cursor *cur, const struct gmem *gmem, uint8_t *dst,
	    size_t len)
{
	uint32_t n;
	int r;

	for (; len; dst += n, len -= n) {
		r = cur->left ? 0 : prd_fetch(cur, gmem);
		if (r)
			return r;
		n = (uint32_t)MIN((size_t)cur->left, len);
		r = gmem_read(gmem, gpa(cur->addr), dst, n);
		if (r)
			return r;
		prd_skip(cur, n);
	}
	return 0;
}
