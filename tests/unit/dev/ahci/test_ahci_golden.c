/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Golden traces of the AHCI controller: a driver that finds it, resets it and
 * reads a sector, and the IDENTIFY data of a disk and of a CD drive.
 */
#include "ahci_fixture.h"

#include <string.h>

#include "dev/ahci/ahci_internal.h"
#include "golden.h"

static int setup(void **state)
{
	*state = ahci_build_cold("hd:/disk0,ser=SERIAL01,nmrr=7200,cd:/disc,"
				 "ser=SERIAL02");
	return 0;
}

/* "GHC", or "0.PxCMD" of port 0. */
static unsigned reg_by_name(const char *name)
{
	unsigned off, base = 0, end = AHCI_PORT_BASE;
	const char *at;

	if (name[1] == '.') {
		base = AHCI_PORT_BASE +
		       (unsigned)(name[0] - '0') * AHCI_PORT_STRIDE;
		end = base + AHCI_PORT_STRIDE;
		name += 2;
	}
	for (off = base; off < end; off += 4) {
		at = ahci_reg_name(off);
		if (at && !strcmp(at, name))
			return off;
	}
	fail_msg("no register %s", name);
	return 0;
}

static void print_bytes(struct fixture *f, uint64_t at, unsigned len, FILE *out)
{
	uint8_t byte;
	unsigned i;

	fprintf(out, " ");
	for (i = 0; i < len; i++) {
		mem_get(&f->w, at + i, &byte, 1);
		fprintf(out, " %02x", byte);
	}
	fprintf(out, "\n");
}

static void print_identify(struct fixture *f, unsigned port, FILE *out)
{
	const struct command c = {.command = port == 0
						 ? ATA_IDENTIFY_DEVICE
						 : ATA_IDENTIFY_PACKET_DEVICE,
				  .len = ATA_BLOCK_BYTES};
	unsigned i;
	uint16_t v;

	ahci_ok(f, port, &c);
	for (i = 0; i < ATA_ID_WORDS; i++) {
		v = mem_get16(&f->w, SLOT_DATA(0) + 2 * i);
		if (v)
			fprintf(out, "  word %u %04x\n", i, v);
	}
}

static void command_line(struct fixture *f, unsigned port, unsigned opcode,
			 unsigned lba, FILE *out)
{
	const struct command c = {.command = (uint8_t)opcode,
				  .lba = lba,
				  .count = 1,
				  .slot = 2,
				  .len = 512};

	command_issue(&f->d, port, &c);
	fprintf(out, "  issued: PxCI %x PxSACT %x PxTFD %x\n",
		port_read(&f->d, port, AHCI_PXCI),
		port_read(&f->d, port, AHCI_PXSACT),
		port_read(&f->d, port, AHCI_PXTFD));
	disk_complete_all();
	fprintf(out, "  done: PxCI %x PxSACT %x PxTFD %x PxIS %x PRDBC %u\n",
		port_read(&f->d, port, AHCI_PXCI),
		port_read(&f->d, port, AHCI_PXSACT),
		port_read(&f->d, port, AHCI_PXTFD),
		port_read(&f->d, port, AHCI_PXIS),
		command_prdbc(&f->d, port, 2));
}

static void golden_line(void *ctx, const char *line, FILE *out)
{
	struct fixture *f = ctx;
	unsigned a, b, c, reg;
	char name[32];

	f->w.trace = NULL;
	if (line[1] == ' ' && sscanf(line, "r %31s", name) == 1) {
		reg = reg_by_name(name);
		fprintf(out, "r %s = %x\n", name, hba_read(&f->d, reg));
		return;
	}
	if (sscanf(line, "cfg %x %u", &a, &b) == 2) {
		fprintf(out, "cfg %x %u = %x\n", a, b,
			world_cfg_read(&f->w, AHCI_ADDR, a, b));
		return;
	}
	fprintf(out, "%s\n", line);
	f->w.trace = out;
	if (sscanf(line, "w %31s %x", name, &a) == 2)
		hba_write(&f->d, reg_by_name(name), a);
	else if (!strcmp(line, "msi"))
		hba_msi_enable(&f->d);
	else if (sscanf(line, "command %u %x %u", &a, &b, &c) == 3)
		command_line(f, a, b, c, out);
	else if (sscanf(line, "identify %u", &a) == 1)
		print_identify(f, a, out);
	else if (sscanf(line, "received %u %x %u", &a, &b, &c) == 3)
		print_bytes(f, RECEIVED(a) + b, c, out);
	else
		fail_msg("golden trace: what is '%s'?", line);
	f->w.trace = NULL;
}

static const char *golden_dir;

static void test_golden_init(void **state)
{
	assert_true(
	    golden_run(golden_dir, "ahci-init.txt", golden_line, *state));
}

static void test_golden_identify(void **state)
{
	struct fixture *f = *state;

	port_up(&f->d, 0);
	port_up(&f->d, 1);
	assert_true(
	    golden_run(golden_dir, "ahci-identify.txt", golden_line, f));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_golden_init, setup,
					    ahci_teardown),
	    cmocka_unit_test_setup_teardown(test_golden_identify, setup,
					    ahci_teardown),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s GOLDEN-DIR\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
