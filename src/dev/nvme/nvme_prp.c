/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical region pages: where a command's data lies in guest memory.
 *
 * PRP1 points anywhere into the first page. The rest is whole pages: PRP2 is
 * the only one, or points to a list of them; a list that does not fit into its
 * page continues where its last entry points. Only the first list may start
 * inside a page, so each further one holds all that can still be needed and
 * the walk is bounded by the data's length, which is bounded by NVME_DATA_MAX.
 *
 * Source: NVMe 1.4, 4.3.
 */
#include <assert.h>
#include <endian.h>

#include "dev/nvme/nvme_internal.h"

#define ENTRY_BYTES 8u
#define PAGE_MASK   (NVME_PAGE - 1ull)

_Static_assert(NVME_PAGE / ENTRY_BYTES >= NVME_DATA_PAGES, "lists are bounded");

struct walk {
	const struct gmem *gmem;
	nvme_span_fn *fn;
	void *ctx;
	uint64_t left; /* bytes not yet in a run */
	gpa_t run;
	uint64_t run_bytes;
};

static uint16_t run_flush(struct walk *w)
{
	int r = w->run_bytes ? w->fn(w->ctx, w->run, w->run_bytes) : 0;

	w->run_bytes = 0;
	if (r == 0)
		return NVME_SC_SUCCESS;
	/* Not guest memory. */
	return NVME_SC_DATA_TRANSFER | NVME_SC_DNR;
}

/* What of the page at `at` the data needs. */
static uint16_t page_add(struct walk *w, uint64_t at)
{
	uint64_t len = MIN(w->left, NVME_PAGE - (at & PAGE_MASK));
	uint16_t status = NVME_SC_SUCCESS;

	w->left -= len;
	if (w->run_bytes && w->run.v + w->run_bytes == at) {
		w->run_bytes += len;
		return status;
	}
	status = run_flush(w);
	w->run = gpa(at);
	w->run_bytes = len;
	return status;
}

static uint16_t whole_page_add(struct walk *w, uint64_t at)
{
	if (at & PAGE_MASK)
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	return page_add(w, at);
}

/* One page of a list; *at becomes the next one's address if there is more. */
static uint16_t list_add(struct walk *w, uint64_t *at)
{
	uint64_t entry[NVME_DATA_PAGES];
	unsigned room =
	    (unsigned)((NVME_PAGE - (*at & PAGE_MASK)) / ENTRY_BYTES);
	unsigned need = (unsigned)((w->left + PAGE_MASK) / NVME_PAGE);
	unsigned count = MIN(room, need), i;
	bool more = need > room;
	uint16_t status;

	assert(count <= ARRAY_LEN(entry));
	if (gmem_read(w->gmem, gpa(*at), entry, count * ENTRY_BYTES))
		return NVME_SC_DATA_TRANSFER | NVME_SC_DNR;
	for (i = 0; i < count - (more ? 1 : 0); i++) {
		status = whole_page_add(w, le64toh(entry[i]));
		if (status)
			return status;
	}
	if (!more)
		return NVME_SC_SUCCESS;
	*at = le64toh(entry[count - 1]);
	return *at & PAGE_MASK ? NVME_SC_PRP_OFFSET | NVME_SC_DNR
			       : NVME_SC_SUCCESS;
}

static uint16_t lists_add(struct walk *w, uint64_t at)
{
	uint16_t status = NVME_SC_SUCCESS;

	if (at & (ENTRY_BYTES - 1))
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	while (!status && w->left)
		status = list_add(w, &at);
	return status;
}

uint16_t nvme_prp_walk(const struct gmem *gmem, const struct nvme_command *cmd,
		       uint64_t len, nvme_span_fn *fn, void *ctx)
{
	struct walk w = {.gmem = gmem, .fn = fn, .ctx = ctx, .left = len};
	uint16_t status;

	assert(len > 0 && len <= NVME_DATA_MAX);
	if (cmd->prp1 & 3)
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	status = page_add(&w, cmd->prp1);
	if (!status && w.left > NVME_PAGE)
		status = lists_add(&w, cmd->prp2);
	else if (!status && w.left)
		status = whole_page_add(&w, cmd->prp2);
	return status ? status : run_flush(&w);
}

/* ---- copies ---- */

struct copy {
	const struct gmem *gmem;
	uint8_t *dst;
	const uint8_t *src;
	uint64_t left; /* bytes of src; zeroes follow */
};

static int copy_in(void *ctx, gpa_t at, uint64_t len)
{
	struct copy *c = ctx;
	uint8_t *dst = c->dst;

	c->dst += len;
	return gmem_read(c->gmem, at, dst, len);
}

uint16_t nvme_copy_in(struct nvme *nvme, const struct nvme_command *cmd,
		      void *dst, uint64_t len)
{
	struct copy c = {.gmem = nvme->gmem, .dst = dst};

	return nvme_prp_walk(nvme->gmem, cmd, len, copy_in, &c);
}

static int copy_out(void *ctx, gpa_t at, uint64_t len)
{
	struct copy *c = ctx;
	uint64_t part = MIN(len, c->left);
	int r;

	r = gmem_write(c->gmem, at, c->src, part);
	if (!r)
		r = gmem_zero(c->gmem, gpa_add(at, part), len - part);
	c->src += part;
	c->left -= part;
	return r;
}

uint16_t nvme_copy_out(struct nvme *nvme, const struct nvme_command *cmd,
		       const void *src, uint64_t len, uint64_t want)
{
	struct copy c = {
	    .gmem = nvme->gmem, .src = src, .left = MIN(len, want)};

	return nvme_prp_walk(nvme->gmem, cmd, want, copy_out, &c);
}
