/* SPDX-License-Identifier: BSD-2-Clause */
/* The golden trace of a driver that finds, sets up and uses an NVMe disk. */
#include "nvme_fixture.h"

#include <string.h>

#include "dev/nvme/nvme_internal.h"
#include "golden.h"

#define ROW 16u

static int setup(void **state)
{
	*state = nvme_build("path=/disk,ser=SERIAL01");
	return 0;
}

static unsigned reg_by_name(const char *name, unsigned *ret_width)
{
	const char *at;
	unsigned off;

	for (off = 0; off < NVME_DOORBELLS; off += 4) {
		at = nvme_reg_name(off, ret_width);
		if (at && strcmp(at, name) == 0)
			return off;
	}
	fail_msg("no register %s", name);
	return 0;
}

static void put_rows(const uint8_t *bytes, size_t len, FILE *out)
{
	static const uint8_t zeroes[ROW];
	size_t at;
	unsigned i;

	for (at = 0; at < len; at += ROW) {
		if (memcmp(bytes + at, zeroes, ROW) == 0)
			continue;
		fprintf(out, "  %03zx:", at);
		for (i = 0; i < ROW; i++)
			fprintf(out, " %02x", bytes[at + i]);
		fprintf(out, "\n");
	}
}

static void put_config(struct drv *d, FILE *out)
{
	uint8_t bytes[256];
	unsigned i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)world_cfg_read(&d->w, NVME_ADDR, i, 1);
	put_rows(bytes, sizeof(bytes), out);
}

static void put_entries(struct drv *d, unsigned q, FILE *out)
{
	struct nvme_completion entry;

	while (drv_get_cqe(d, q, &entry))
		fprintf(out,
			"  completion dw0 %x sq %u head %u cid %u"
			" status %x\n",
			entry.dw0, entry.sq_id, entry.sq_head, cqe_cid(&entry),
			cqe_status(&entry));
	drv_ack(d, q);
}

static void submit(struct drv *d, unsigned q, struct nvme_command cmd,
		   FILE *out)
{
	drv_put(d, q, cmd);
	drv_ring(d, q);
	world_run(&d->w);
	nvme_complete_all();
	put_entries(d, d->q[q].cqid, out);
}

static void identify(struct drv *d, unsigned cns, unsigned nsid, FILE *out)
{
	const struct nvme_command cmd = {.opcode = NVME_ADM_IDENTIFY,
					 .nsid = nsid,
					 .prp1 = DRV_DATA,
					 .cdw10 = cns};
	uint8_t bytes[4096];

	submit(d, 0, cmd, out);
	mem_get(&d->w, DRV_DATA, bytes, sizeof(bytes));
	put_rows(bytes, sizeof(bytes), out);
}

/* Where the driver's queues are is its own business: not in the trace. */
static void set_queue(struct drv *d, unsigned q, unsigned size)
{
	d->q[q] = (struct drv_queue){.size = size,
				     .cq_size = size,
				     .cqid = (uint16_t)q,
				     .phase = true,
				     .sq = DRV_SQ(q),
				     .cq = DRV_CQ(q)};
}

static void run_line(struct drv *d, const char *line, FILE *out)
{
	unsigned a, b, c, e, width, reg;
	unsigned long long v;
	char name[32];

	if (line[1] == ' ' && sscanf(line, "w %31s %llx", name, &v) == 2) {
		reg = reg_by_name(name, &width);
		if (width == 8)
			drv_set64(d, reg, v);
		else
			drv_set(d, reg, (uint32_t)v);
	} else if (sscanf(line, "queue %u %u", &a, &b) == 2) {
		set_queue(d, a, b);
	} else if (sscanf(line, "identify %u %u", &a, &b) == 2) {
		identify(d, a, b, out);
	} else if (sscanf(line, "admin %x %x %x %llx", &a, &b, &c, &v) == 4) {
		submit(d, 0,
		       (struct nvme_command){.opcode = (uint8_t)a,
					     .prp1 = v,
					     .prp2 = v + 0x1000,
					     .cdw10 = b,
					     .cdw11 = c},
		       out);
	} else if (sscanf(line, "%31s %u %u %u", name, &a, &b, &e) == 4) {
		struct nvme_command cmd =
		    drv_rw(d, strcmp(name, "write") == 0, a, b, 0);

		if (strcmp(name, "flush") == 0)
			cmd.opcode = NVME_CMD_FLUSH;
		submit(d, e, cmd, out);
	} else if (strcmp(line, "config") == 0) {
		put_config(d, out);
	} else if (strcmp(line, "answer") == 0) {
		nvme_complete_all();
	} else {
		fail_msg("golden trace: what is '%s'?", line);
	}
}

static void golden_line(void *ctx, const char *line, FILE *out)
{
	struct drv *d = ctx;
	unsigned reg, width;
	char name[32];

	if (line[1] == ' ' && sscanf(line, "r %31s", name) == 1) {
		reg = reg_by_name(name, &width);
		fprintf(out, "r %s = %llx\n", name,
			width == 8 ? (unsigned long long)drv_get64(d, reg)
				   : drv_get(d, reg));
		return;
	}
	fprintf(out, "%s\n", line);
	d->w.trace = out;
	run_line(d, line, out);
	d->w.trace = NULL;
}

static const char *golden_dir;

static void test_golden(void **state)
{
	assert_true(
	    golden_run(golden_dir, "nvme-init.txt", golden_line, *state));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_golden, setup, nvme_teardown),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s GOLDEN-DIR\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
