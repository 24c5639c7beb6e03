/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the TPM's registers: any accesses by the guest, while a back end made
 * for it finishes commands when and how the input says.
 *
 * Checked besides memory: a command is handed over once, whole and of the size
 * its header says; start is set just while it is carried out; a response is
 * shown as it was given, or as a failure.
 */
#include <endian.h>
#include <string.h>

#include "backend/tpm/tpm.h"
#include "dev/tpm/crb.h"
#include "fakes.h"
#include "feed.h"
#include "spec/tpm.h"

#define BUFFER 3968u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tpm {
	struct tpm_req *req; /* carried out now */
	bool refuse;	     /* the next one */
	unsigned cancels;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- back end ---- */

static struct tpm *opened; /* what tpm_open() gave last */

int tpm_open(struct cfg *node UNUSED, size_t buffer_bytes,
	     struct err *err UNUSED, struct tpm **ret_tpm)
{
	must(buffer_bytes == BUFFER);
	opened = calloc(1, sizeof(*opened));
	must(opened != NULL);
	*ret_tpm = opened;
	return 0;
}

void tpm_close(struct tpm *tpm)
{
	free(tpm);
}

int tpm_submit(struct tpm *tpm, struct tpm_req *req)
{
	uint32_t size;

	must(!tpm->req);
	if (tpm->refuse) {
		tpm->refuse = false;
		return -ENOMEM;
	}
	memcpy(&size, req->command + 2, sizeof(size));
	must(req->command_len >= 10 && req->command_len <= BUFFER &&
	     req->command_len == be32toh(size));
	must(req->response_max == BUFFER);
	tpm->req = req;
	return 0;
}

void tpm_cancel(struct tpm *tpm)
{
	must(tpm->req != NULL);
	tpm->cancels++;
}

static void finish(struct tpm *tpm, int result, uint8_t fill)
{
	struct tpm_req *req = tpm->req;

	if (!req)
		return;
	tpm->req = NULL;
	if (result > 0)
		memset(req->response, fill, (size_t)result);
	req->done(req, result);
}

void tpm_reset(struct tpm *tpm)
{
	finish(tpm, -ECANCELED, 0);
}

/* ---- guest ---- */

struct world {
	struct fake fake;
	struct tpm_crb *crb;
	struct tpm *tpm;
};

static uint32_t rd(struct world *w, unsigned offset)
{
	uint64_t v;

	(void)aspace_read(w->fake.env.mmio, TPM_CRB_BASE + offset, 4, &v);
	return (uint32_t)v;
}

static void wr(struct world *w, unsigned offset, unsigned size, uint64_t v)
{
	(void)aspace_write(w->fake.env.mmio, TPM_CRB_BASE + offset, size, v);
}

static void check(struct world *w)
{
	must(rd(w, TPM_CRB_CTRL_START) == (w->tpm->req ? 1u : 0u));
	must((rd(w, TPM_LOC_STATE) & 0xfd) == 0x81);
	must(rd(w, TPM_CRB_CTRL_REQ) == 0);
	must(!w->tpm->req || rd(w, TPM_CRB_BUFFER) == 0);
}

static void end_command(struct world *w, struct feed *feed)
{
	uint16_t len = feed_u16(feed);
	bool had = w->tpm->req != NULL;
	uint8_t fill = feed_u8(feed);
	int result = len & 1 ? -EIO : 10 + len % (BUFFER - 9);

	finish(w->tpm, result, fill);
	if (!had)
		return;
	must(rd(w, TPM_CRB_CTRL_START) == 0);
	if (result > 0)
		must(rd(w, TPM_CRB_BUFFER) == fill * 0x01010101u);
	else
		must(rd(w, TPM_CRB_BUFFER + 6) == htobe32(TPM_RC_FAILURE));
}

/* What a driver would do, so that the fuzzer need not find it. */
static void proper_command(struct world *w, struct feed *feed)
{
	const struct tpm_header header = {
	    .tag = htobe16(TPM_ST_NO_SESSIONS),
	    .size = htobe32(feed_u16(feed)),
	    .code = htobe32(feed_u8(feed)),
	};
	uint8_t bytes[sizeof(header)];
	unsigned i;

	memcpy(bytes, &header, sizeof(header));
	wr(w, TPM_LOC_CTRL, 4, TPM_LOC_CTRL_REQUEST);
	wr(w, TPM_CRB_CTRL_REQ, 4, TPM_CTRL_REQ_READY);
	for (i = 0; i < sizeof(bytes); i++)
		wr(w, TPM_CRB_BUFFER + i, 1, bytes[i]);
	wr(w, TPM_CRB_CTRL_START, 4, TPM_CTRL_START);
}

static void any_access(struct world *w, struct feed *feed, uint8_t op)
{
	unsigned size = 1u << (op & 3), at = feed_u16(feed) % 0x1008;
	uint64_t v;

	if (op & 4)
		at %= 0x84;
	if (op & 8)
		wr(w, at, size,
		   (uint64_t)feed_u32(feed) << 32 | feed_u32(feed));
	else
		(void)aspace_read(w->fake.env.mmio, TPM_CRB_BASE + at, size,
				  &v);
}

static void run(struct world *w, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);

		if (op < 0x80)
			any_access(w, feed, op);
		else if (op < 0xb0)
			proper_command(w, feed);
		else if (op < 0xe0)
			end_command(w, feed);
		else if (op < 0xf0)
			wr(w, TPM_CRB_CTRL_CANCEL, 4, op & 1);
		else if (op < 0xf8)
			w->tpm->refuse = true;
		else
			tpm_crb_reset(w->crb);
		check(w);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct world w;

	fake_init(&w.fake);
	must(!tpm_crb_create(&w.fake.env, NULL, NULL, &w.crb));
	w.tpm = opened;
	run(&w, &feed);
	tpm_crb_destroy(w.crb);
	fake_fini(&w.fake);
	return 0;
}
