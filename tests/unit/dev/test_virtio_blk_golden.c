/* SPDX-License-Identifier: BSD-2-Clause */
/* The golden trace of a driver that sets a virtio disk up and uses it. */
#include "blk_fixture.h"

#include <linux/virtio_blk.h>
#include <string.h>

#include "golden.h"
#include "virtio/virtio.h"

static int setup(void **state)
{
	*state = blk_build("path=/disk,ser=SERIAL01");
	return 0;
}

static unsigned reg_by_name(const char *name, unsigned *ret_size)
{
	unsigned off, end;

	for (off = 0; off < 56; off++) {
		const char *at = virtio_reg_name(off);

		if (!at || strcmp(at, name) != 0)
			continue;
		for (end = off; virtio_reg_name(end) == at; end++)
			;
		*ret_size = end - off;
		return off;
	}
	fail_msg("no register %s", name);
	return 0;
}

static void golden_request(struct fixture *f, const char *kind, unsigned sector,
			   unsigned len, FILE *out)
{
	uint32_t type = strcmp(kind, "read") == 0    ? VIRTIO_BLK_T_IN
			: strcmp(kind, "write") == 0 ? VIRTIO_BLK_T_OUT
			: strcmp(kind, "flush") == 0 ? VIRTIO_BLK_T_FLUSH
						     : VIRTIO_BLK_T_GET_ID;
	uint32_t id, used;

	blk_send(f, type, sector, len);
	blk_complete_all();
	while (driver_used(&f->d, 0, &id, &used))
		fprintf(out, "  used %u %u status %u\n", id, used,
			blk_status(f, STATUS));
}

static void golden_line(void *ctx, const char *line, FILE *out)
{
	struct fixture *f = ctx;
	unsigned a, b, size, reg;
	char name[32];

	f->w.trace = NULL;
	if (line[1] == ' ' && sscanf(line, "r %31s", name) == 1) {
		reg = reg_by_name(name, &size);
		fprintf(out, "r %s = %x\n", name,
			driver_read(&f->d, reg, size));
		return;
	}
	if (sscanf(line, "config %x %u", &a, &b) == 2) {
		fprintf(out, "config %x %u = %x\n", a, b,
			driver_config(&f->d, a, b));
		return;
	}
	if (strncmp(line, "isr", 3) == 0) {
		fprintf(out, "isr = %x\n", driver_isr(&f->d));
		return;
	}
	fprintf(out, "%s\n", line);
	f->w.trace = out;
	if (sscanf(line, "w %31s %x", name, &a) == 2) {
		reg = reg_by_name(name, &size);
		driver_write(&f->d, reg, size, a);
	} else if (sscanf(line, "ring %x", &a) == 1) {
		f->d.q[0] = (struct driver_queue){.size = 16,
						  .desc = a,
						  .avail = a + 0x1000,
						  .used = a + 0x2000};
	} else if (sscanf(line, "request %31s %u %u", name, &a, &b) == 3) {
		golden_request(f, name, a, b, out);
	} else {
		fail_msg("golden trace: what is '%s'?", line);
	}
	f->w.trace = NULL;
}

static const char *golden_dir;

static void test_golden_init(void **state)
{
	struct fixture *f = *state;

	assert_true(
	    golden_run(golden_dir, "virtio-blk-init.txt", golden_line, f));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_golden_init, setup,
					    blk_teardown),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s GOLDEN-DIR\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
