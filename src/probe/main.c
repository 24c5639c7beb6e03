/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byway-probe: tries a device through VFIO, without a guest, and says how each
 * step went (proto/probe.h). `vm passthru doctor --probe` runs it, after it has
 * made sure that nobody uses the device.
 *
 * usage: byway-probe ADDRESS [ROUNDS]
 */
#include <string.h>

#include "base/cfg.h"
#include "base/clock.h"
#include "base/log.h"
#include "vfio/vfio.h"

#define EXIT_WRONG 2
#define PAGE_AT	   MIB(1)
#define PAGE_BYTES 4096u

struct told {
	unsigned round;
};

static void line_print(void *ctx, const struct probe_line *from)
{
	const struct told *told = ctx;
	struct probe_line line = *from;
	char buf[PROBE_LINE_MAX + 64];

	line.round = told->round;
	if (probe_format(&line, buf, sizeof(buf)) < 0)
		return;
	fputs(buf, stdout);
	fflush(stdout);
}

/* One round in a context of its own: nothing of it stays open. */
static int round_run(struct hostpci_addr addr, struct told *told,
		     struct err *err)
{
	struct vfio_params params = {.clock = clock_host(), .root = "/"};
	struct vfio_ctx *ctx = NULL;
	int r = gmem_create(&params.gmem);

	if (r)
		return err_sys(err, r, "memory");
	r = gmem_add_ram(params.gmem, (gpa_t){PAGE_AT}, PAGE_BYTES, err);
	if (!r)
		r = vfio_ctx_create(&params, err, &ctx);
	if (!r)
		r = vfio_selftest(ctx, addr, line_print, told, err);
	vfio_ctx_destroy(ctx);
	gmem_destroy(params.gmem);
	return r;
}

int main(int argc, char **argv)
{
	struct hostpci_addr addr;
	struct told told = {0};
	struct err err = {0};
	uint64_t rounds = 1;
	int r = 0;

	log_init("byway-probe", LOG_INFO);
	if (argc < 2 || argc > 3 ||
	    (argc == 3 && (parse_u64(argv[2], &rounds) < 0 || rounds == 0 ||
			   rounds > PROBE_ROUNDS_MAX))) {
		fprintf(stderr, "usage: byway-probe ADDRESS [ROUNDS]\n");
		return EXIT_WRONG;
	}
	if (hostpci_parse_addr(argv[1], &err, &addr) < 0) {
		log_error("%s", err.msg);
		return EXIT_WRONG;
	}
	while (r == 0 && told.round < rounds) {
		told.round++;
		r = round_run(addr, &told, &err);
	}
	if (r < 0) {
		log_error("%s", err.msg);
		return EXIT_WRONG;
	}
	return r;
}
