/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lspci says of a root port and of the passed-through function behind it:
 * the link is the host's, the function an endpoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../dev/golden.h"
#include "base/log.h"
#include "fake_world.h"
#include "machine/ports.h"

#define SLOT 6u

/* Config space in the form that lspci -F reads. */
static void dump(struct world *w, unsigned bus, unsigned slot, FILE *out)
{
	unsigned off;
	uint64_t v;

	fprintf(out, "%02x:%02x.0 device\n", bus, slot);
	for (off = 0; off < 256; off++) {
		v = 0;
		(void)aspace_read(w->mmio,
				  WORLD_ECAM + ((uint64_t)bus << 20) +
				      ((uint64_t)slot << 15) + off,
				  1, &v);
		if (off % 16 == 0)
			fprintf(out, "%02x:", off);
		fprintf(out, " %02x%s", (unsigned)v,
			off % 16 == 15 ? "\n" : "");
	}
	fputc('\n', out);
}

static void run_lspci(const char *file, FILE *out)
{
	char command[256], line[256];
	FILE *lspci;

	snprintf(command, sizeof(command), "lspci -F %s -n -vvv 2>/dev/null",
		 file);
	lspci = popen(command, "re");
	assert_non_null(lspci);
	while (fgets(line, sizeof(line), lspci))
		if (line[0] != '\n' && !strstr(line, "Kernel "))
			fprintf(out, " %s", line);
	assert_int_equal(pclose(lspci), 0);
}

static struct fake_device *device_of(const char *name)
{
	struct fake_device *dev =
	    strstr(name, "nvme") ? fake_nvme() : fake_gpu();

	/* Can do 16 GT/s on 16 lanes, runs at 8 GT/s on 8. */
	fake_put32(dev->cfg + dev->exp + PCI_EXP_LNKCAP, 0x104);
	fake_put16(dev->cfg + dev->exp + PCI_EXP_LNKSTA, 0x83);
	return dev;
}

/* "nvme pcie": which device behind which port. */
static void golden_lspci(void *ctx UNUSED, const char *line, FILE *out)
{
	char file[] = "/tmp/byway-lspci-XXXXXX";
	struct err err = {0};
	struct pci_addr at = {0, SLOT, 0};
	struct cfg *node;
	struct world w;
	FILE *in;

	world_init(&w);
	fake_kernel_add(&w.kernel, device_of(line));
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	world_start(&w);
	assert_int_equal(cfg_make(w.cfg, "pci.0.6.0", &err, &node), 0);
	assert_int_equal(cfg_set(node, "port", strchr(line, ' ') + 1, &err), 0);
	assert_int_equal(ports_above(&w.env, at, node, &err, &w.env.upstream),
			 0);
	assert_int_equal(world_passthru(&w, SLOT, "3/0/0", &err), 0);
	world_assign(&w);
	ports_settle(w.host);
	in = fdopen(mkstemp(file), "we");
	assert_non_null(in);
	dump(&w, 0, SLOT, in);
	dump(&w, pci_bridge_secondary(w.env.upstream), 0, in);
	fclose(in);
	world_fini(&w);
	fprintf(out, "%s\n", line);
	run_lspci(file, out);
	unlink(file);
}

static void test_lspci(void **state)
{
	assert_true(golden_run(*state, "port-lspci.txt", golden_lspci, NULL));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_prestate(test_lspci, argv[1]),
	};

	if (argc != 2)
		return 2;
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
