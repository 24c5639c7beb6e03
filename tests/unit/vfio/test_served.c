/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices behind vfio-user, all the way: the test device's server against the
 * passthru model, with the descriptions of testkit/devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <string.h>

#include "../dev/golden.h"
#include "base/clock.h"
#include "base/log.h"
#include "served.h"

#define SLOT	   SERVED_SLOT
#define SCRATCH	   TESTDEV_SCRATCH
#define LOOP_STEPS 200u

struct dirs {
	const char *devices, *golden;
};

struct fixture {
	struct served served;
	struct world w;
};

static void begin(struct fixture *f, void **state, const char *name)
{
	const struct dirs *dirs = *state;
	struct err err = {0};

	served_start(&f->served, dirs->devices, name);
	if (served_machine(&f->w, &f->served, 0, 0, &err))
		fail_msg("%s", err.msg);
	world_enable(&f->w, SLOT);
}

static void end(struct fixture *f)
{
	world_fini(&f->w);
	served_stop(&f->served);
}

static uint32_t reg(struct fixture *f, unsigned off)
{
	return (uint32_t)world_bar_read(&f->w, SLOT, 0, off, 4);
}

static void set(struct fixture *f, unsigned off, uint32_t value)
{
	world_bar_write(&f->w, SLOT, 0, off, 4, value);
}

/* Turns of the loop until the guest has ended; a deadline, not a pause. */
static void run_to_end(struct fixture *f)
{
	unsigned i;

	for (i = 0; i < LOOP_STEPS && !f->w.ended; i++)
		assert_int_equal(evloop_step(f->w.loop, 50), 0);
	assert_true(f->w.ended);
}

static unsigned wait_delivered(struct fixture *f, unsigned gsi)
{
	struct pollfd p = {.fd = f->w.gsi[gsi].fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 60000), 1);
	return world_delivered(&f->w, gsi);
}

/* ---- a device in order ---- */

static void test_registers(void **state)
{
	struct fixture f;

	begin(&f, state, "plain");
	assert_int_equal(world_read(&f.w, SLOT, PCI_VENDOR_ID, 4), 0x00fe1b36);
	assert_int_equal(reg(&f, TESTDEV_MAGIC), TESTDEV_MAGIC_VALUE);
	set(&f, SCRATCH, 0x12345678);
	assert_int_equal(reg(&f, SCRATCH), 0x12345678);
	/* The registers are trapped, the rest of their BAR is memory. */
	assert_false(world_bar_direct(&f.w, SLOT, 0, 0));
	assert_true(world_bar_direct(&f.w, SLOT, 0, 0x1000));
	world_bar_write(&f.w, SLOT, 0, 0x8000, 4, 0xabcd);
	assert_int_equal(f.served.device->bar[0][0x8000], 0xcd);
	world_bar_write(&f.w, SLOT, 2, 0xffff8, 8, 0x1122334455667788);
	assert_int_equal(f.served.device->bar[2][0xfffff], 0x11);
	/* I/O ports, and a BAR that cannot be mapped. */
	world_bar_write(&f.w, SLOT, 1, 4, 2, 0xbeef);
	assert_int_equal(world_bar_read(&f.w, SLOT, 1, 4, 2), 0xbeef);
	assert_false(world_bar_direct(&f.w, SLOT, 4, 0x1800));
	world_bar_write(&f.w, SLOT, 4, 0x1800, 4, 0x55);
	assert_int_equal(world_bar_read(&f.w, SLOT, 4, 0x1800, 4), 0x55);
	end(&f);
}

static void copy(struct fixture *f, uint64_t src, uint64_t dst, unsigned len,
		 unsigned go)
{
	world_bar_write(&f->w, SLOT, 0, TESTDEV_DMA_SRC, 8, src);
	world_bar_write(&f->w, SLOT, 0, TESTDEV_DMA_DST, 8, dst);
	set(f, TESTDEV_DMA_LEN, len);
	set(f, TESTDEV_DMA_GO, go);
}

static void check_copy(struct fixture *f, unsigned go)
{
	uint8_t out[9000], in[9000] = {0};
	unsigned i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + go);
	assert_int_equal(gmem_write(f->w.gmem, gpa(0x1234), out, sizeof(out)),
			 0);
	copy(f, 0x1234, GIB(4) + 0x777, sizeof(out), go);
	assert_int_equal(reg(f, TESTDEV_DMA_STATUS), TESTDEV_DMA_DONE);
	assert_int_equal(
	    gmem_read(f->w.gmem, gpa(GIB(4) + 0x777), in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(in));
}

static void test_dma(void **state)
{
	struct fixture f;

	begin(&f, state, "plain");
	check_copy(&f, TESTDEV_GO_COPY);
	check_copy(&f, TESTDEV_GO_MESSAGE);
	/* Where there is no memory: refused, nothing worse. */
	copy(&f, MIB(4) - 100, 0, 200, TESTDEV_GO_MESSAGE);
	assert_int_equal(reg(&f, TESTDEV_DMA_STATUS), TESTDEV_DMA_ERROR);
	copy(&f, UINT64_MAX - 50, 0, 200, TESTDEV_GO_MESSAGE);
	assert_int_equal(reg(&f, TESTDEV_DMA_STATUS), TESTDEV_DMA_ERROR);
	copy(&f, 0, GIB(2), 200, TESTDEV_GO_MESSAGE);
	assert_int_equal(reg(&f, TESTDEV_DMA_STATUS), TESTDEV_DMA_ERROR);
	assert_int_equal(reg(&f, TESTDEV_MAGIC), TESTDEV_MAGIC_VALUE);
	end(&f);
}

/* A quiet device has no DMA, whatever its server tries. */
static void test_dma_quiesced(void **state)
{
	struct fixture f;
	uint8_t byte = 0;

	begin(&f, state, "plain");
	assert_int_equal(gmem_write(f.w.gmem, gpa(0), "x", 1), 0);
	vfio_quiesce_all(f.w.ctx);
	copy(&f, 0, 0x1000, 1, TESTDEV_GO_MESSAGE);
	assert_int_equal(reg(&f, TESTDEV_DMA_STATUS), TESTDEV_DMA_ERROR);
	assert_int_equal(gmem_read(f.w.gmem, gpa(0x1000), &byte, 1), 0);
	assert_int_equal(byte, 0);
	end(&f);
}

static void test_intx(void **state)
{
	struct fixture f;
	unsigned gsi;

	begin(&f, state, "plain");
	gsi = (unsigned)pci_intx_gsi(
	    pci_host_find(f.w.host, (struct pci_addr){0, SERVED_SLOT, 0}));
	set(&f, TESTDEV_IRQ_RAISE, 0);
	assert_int_equal(wait_delivered(&f, gsi), 1);
	/* Masked until the guest acknowledges; still up, it fires again. */
	set(&f, TESTDEV_IRQ_RAISE, 0);
	assert_int_equal(world_delivered(&f.w, gsi), 0);
	assert_int_equal(write(f.w.gsi[gsi].resample_fd, &(uint64_t){1}, 8), 8);
	assert_int_equal(evloop_step(f.w.loop, 1000), 0);
	assert_int_equal(wait_delivered(&f, gsi), 1);
	/* Down: acknowledging makes nothing fire. */
	set(&f, TESTDEV_IRQ_ACK, 1);
	assert_int_equal(write(f.w.gsi[gsi].resample_fd, &(uint64_t){1}, 8), 8);
	assert_int_equal(evloop_step(f.w.loop, 1000), 0);
	assert_int_equal(reg(&f, TESTDEV_MAGIC), TESTDEV_MAGIC_VALUE);
	assert_int_equal(world_delivered(&f.w, gsi), 0);
	end(&f);
}

static void test_msi(void **state)
{
	struct fixture f;

	begin(&f, state, "plain");
	world_write(&f.w, SLOT, 0x48 + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	world_write(&f.w, SLOT, 0x48 + PCI_MSI_DATA_64, 2, 0x40);
	world_write(&f.w, SLOT, 0x48 + PCI_MSI_FLAGS, 2,
		    PCI_MSI_FLAGS_ENABLE | 2 << 4);
	set(&f, TESTDEV_IRQ_RAISE, 2);
	assert_int_equal(wait_delivered(&f, WORLD_FIRST_MSI + 2), 1);
	assert_int_equal(world_delivered(&f.w, WORLD_FIRST_MSI), 0);
	assert_int_equal(reg(&f, TESTDEV_IRQ_COUNT), 1);
	end(&f);
}

/* Vector 5 alone: eventfds with holes before it. */
static void test_msix(void **state)
{
	struct fixture f;
	unsigned entry = 5 * PCI_MSIX_ENTRY_SIZE;

	begin(&f, state, "plain");
	world_bar_write(&f.w, SLOT, 4, entry, 4, 0xfee00000);
	world_bar_write(&f.w, SLOT, 4, entry + 8, 4, 0x45);
	world_bar_write(&f.w, SLOT, 4, entry + 12, 4, 0);
	world_write(&f.w, SLOT, 0xa0 + PCI_MSIX_FLAGS, 2,
		    PCI_MSIX_FLAGS_ENABLE);
	set(&f, TESTDEV_IRQ_RAISE, 5);
	assert_int_equal(wait_delivered(&f, WORLD_FIRST_MSI), 1);
	assert_int_equal(f.w.gsi[WORLD_FIRST_MSI].msg.data, 0x45);
	end(&f);
}

static void test_rom(void **state)
{
	struct fixture f;

	begin(&f, state, "plain");
	world_write(&f.w, SLOT, PCI_ROM_ADDRESS, 4,
		    world_read(&f.w, SLOT, PCI_ROM_ADDRESS, 4) |
			PCI_ROM_ADDRESS_ENABLE);
	assert_int_equal(world_bar_read(&f.w, SLOT, PCI_BAR_ROM, 0, 2), 0xaa55);
	assert_int_equal(world_bar_read(&f.w, SLOT, PCI_BAR_ROM, 0x44, 4),
			 0x00fe1b36);
	end(&f);
}

/* ---- resets ---- */

static void reset_is(struct fixture *f, int result, const char *method,
		     const char *text)
{
	assert_int_equal(vfio_reset_all(f->w.ctx), result);
	assert_int_equal(f->w.statuses, 1);
	assert_string_equal(f->w.status[0].selector, "vfio-user");
	assert_string_equal(f->w.status[0].bdf, f->served.path);
	assert_string_equal(f->w.status[0].method, method);
	assert_int_equal(f->w.status[0].ok, result == 0);
	if (!strstr(f->w.status[0].text, text))
		fail_msg("'%s' is not in '%s'", text, f->w.status[0].text);
}

static void test_reset(void **state)
{
	struct fixture f;

	begin(&f, state, "plain");
	set(&f, SCRATCH, 1);
	reset_is(&f, 0, "device_specific", "verified");
	/* One before the guest ran, one after. */
	assert_int_equal(f.served.device->resets, 2);
	assert_int_equal(f.served.device->reg[SCRATCH / 4], 0);
	end(&f);
}

/* The device outlives its guests: a new one finds it as it was left. */
static void test_next_guest(void **state)
{
	struct fixture f;
	struct err err = {0};

	begin(&f, state, "plain");
	world_fini(&f.w); /* without a reset, as after kill -9 */
	assert_int_equal(served_machine(&f.w, &f.served, 0, 0, &err), 0);
	world_enable(&f.w, SLOT);
	assert_int_equal(reg(&f, TESTDEV_RESETS), 2);
	end(&f);
}

static void test_no_flr(void **state)
{
	struct fixture f;

	begin(&f, state, "no-flr");
	reset_is(&f, 0, "pm", "verified");
	end(&f);
}

static void test_reset_fails(void **state)
{
	struct fixture f;

	begin(&f, state, "reset-fails");
	reset_is(&f, -EIO, "device_specific",
		 "the reset failed: Input/output error; its server still"
		 " answers: see its log, or restart it");
	end(&f);
}

static void test_reset_hangs(void **state)
{
	const struct dirs *dirs = *state;
	struct fixture f;
	struct err err = {0};

	served_start(&f.served, dirs->devices, "reset-hangs");
	assert_int_equal(served_machine(&f.w, &f.served, 0, 3000, &err), 0);
	reset_is(&f, -EIO, "device_specific",
		 "did not answer within 3000 ms: restart the server");
	end(&f);
}

static void test_ones_after_reset(void **state)
{
	const struct dirs *dirs = *state;
	struct fixture f;
	struct err err = {0};

	begin(&f, state, "ones-after-reset");
	reset_is(&f, -EIO, "device_specific", "its config space reads as ones");
	world_fini(&f.w);
	assert_int_equal(served_machine(&f.w, &f.served, 0, 0, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "the device does not answer"));
	assert_non_null(dirs);
	end(&f);
}

/* A function reset that the guest asks for. */
static void test_flr(void **state)
{
	struct fixture f;

	begin(&f, state, "plain");
	set(&f, SCRATCH, 1);
	world_write(&f.w, SLOT, 0x60 + PCI_EXP_DEVCTL, 2,
		    PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(f.served.device->resets, 2);
	end(&f);
}

/* ---- devices that misbehave while the guest runs ---- */

static void check_ended(struct fixture *f, const char *why)
{
	run_to_end(f);
	assert_int_equal(f->w.end, VM_END_ERROR);
	if (!strstr(f->w.why, why))
		fail_msg("'%s' is not in '%s'", why, f->w.why);
}

static void test_dies(void **state)
{
	struct fixture f;

	begin(&f, state, "dies-mid-dma");
	copy(&f, 0, 0x1000, 100, TESTDEV_GO_COPY);
	assert_int_equal(reg(&f, TESTDEV_DMA_STATUS), TESTDEV_DMA_DONE);
	assert_true(world_bar_direct(&f.w, SLOT, 0, 0x1000));
	copy(&f, 0, 0x1000, 100, TESTDEV_GO_COPY);
	/* The guest reads ones, the loop hears of it. */
	assert_int_equal(reg(&f, TESTDEV_MAGIC), UINT32_MAX);
	assert_int_equal(world_read(&f.w, SLOT, PCI_STATUS, 2) & 0xff, 0xff);
	check_ended(&f, "its vfio-user server closed the connection; the"
			" guest was stopped");
	assert_false(world_bar_direct(&f.w, SLOT, 0, 0x1000));
	assert_int_equal(world_bar_read(&f.w, SLOT, 0, 0x1000, 4), UINT32_MAX);
	reset_is(&f, -EIO, "device_specific",
		 "its server closed the connection: restart the server");
	end(&f);
	assert_int_equal(f.served.result, 1);
}

/* Every vCPU goes on after one deadline; the device is gone. */
static void test_hangs(void **state)
{
	const struct dirs *dirs = *state;
	const struct clock *clock = clock_host();
	struct fixture f;
	struct err err = {0};
	uint64_t begun;
	unsigned i;

	served_start(&f.served, dirs->devices, "hangs");
	assert_int_equal(served_machine(&f.w, &f.served, 3000, 0, &err), 0);
	world_enable(&f.w, SLOT);
	begun = clock->mono_ns(clock);
	set(&f, SCRATCH, 0x48414e47);
	for (i = 0; i < 100; i++)
		assert_int_equal(reg(&f, TESTDEV_MAGIC), UINT32_MAX);
	/* 101 accesses, one deadline; generous for a busy machine. */
	assert_true(clock->mono_ns(clock) - begun < 10 * 3000 * NS_PER_MS);
	check_ended(&f, "did not answer within 3000 ms");
	end(&f);
}

static void test_aer(void **state)
{
	struct fixture f;

	begin(&f, state, "aer");
	set(&f, SCRATCH, 0x41455200);
	check_ended(&f, "reported an uncorrectable error");
	end(&f);
}

/* ---- refused ---- */

static void refused(const char *opts, const char *sentence)
{
	struct err err = {0};
	struct world w;

	world_init_shared(&w);
	world_start(&w);
	assert_true(world_passthru(&w, SLOT, opts, &err) < 0);
	assert_string_equal(err.msg, sentence);
	world_fini(&w);
}

static void test_refused(void **state UNUSED)
{
	refused("vfio-user=sock",
		"passthru: vfio-user=sock: expected the absolute path of a"
		" socket, without blanks, at most 107 bytes");
	refused("vfio-user=/a b",
		"passthru: vfio-user=/a b: expected the absolute path of a"
		" socket, without blanks, at most 107 bytes");
	refused("3/0/0,vfio-user=/a",
		"passthru: vfio-user=/a: a device of the host, a served"
		" and a mediated one exclude each other");
	refused("vfio-user=/nonexistent/sock",
		"/nonexistent/sock: no vfio-user server listens there; start"
		" it first");
}

static void test_twice(void **state)
{
	struct fixture f;
	struct err err = {0};
	char opts[128];

	begin(&f, state, "plain");
	snprintf(opts, sizeof(opts), "vfio-user=%s", f.served.path);
	assert_int_equal(world_passthru(&f.w, 7, opts, &err), -EEXIST);
	end(&f);
}

/* ---- descriptions that are wrong ---- */

static const struct {
	const char *text, *error;
} wrong[] = {
    {"", "t: no id"},
    {"id 1b36", "t:1: expected VENDOR:DEVICE"},
    {"id 1b36:1 2:3 4", "t:1: something is left over at the end"},
    {"\nfoo", "t:2: unknown statement"},
    {"bar 6 io 32", "t:1: a number is malformed or too large"},
    {"bar 0 rom 32", "t:1: a word is not one of those expected"},
    {"bar 0 mem32 3K", "t:1: a size has to be a power of two"},
    {"bar 0 mem32", "t:1: something is missing at the end"},
    {"bar 5 mem64 4K", "t:1: a 64-bit BAR takes two"},
    {"id 1:2\nbar 0 mem64 4K\nbar 1 io 32",
     "t: a BAR is the upper half of a 64-bit one"},
    {"registers 0 10", "t:1: the registers begin at a multiple of 1000"},
    {"id 1:2\nregisters 0 0", "t: the registers are outside their BAR"},
    {"id 1:2\nbar 0 mem32 4K\nmsix a0 8 0 ff0 0 0",
     "t: the MSI-X table is outside its BAR"},
    {"id 1:2\ninit 0 0 1", "t: a value is outside its BAR"},
    {"pm 3c", "t:1: no capability can be there"},
    {"msi 48 3", "t:1: vectors of MSI are a power of two"},
    {"fault after 1 die", "t:1: a word is not one of those expected"},
    {"fault ms die", "t:1: a number is malformed or too large"},
};

static void test_descriptions(void **state UNUSED)
{
	struct desc desc;
	struct err err;
	FILE *in;
	size_t i;

	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		err = (struct err){0};
		in = tmpfile();
		assert_non_null(in);
		fputs(wrong[i].text, in);
		rewind(in);
		assert_int_equal(desc_read(in, "t", &err, &desc), -EINVAL);
		assert_string_equal(err.msg, wrong[i].error);
		fclose(in);
	}
}

/* ---- what a guest's lspci says ---- */

/* Config space in the form that lspci -F reads. */
static void dump(struct fixture *f, FILE *out)
{
	unsigned off;

	fprintf(out, "00:06.0 device\n");
	for (off = 0; off < 256; off++) {
		if (off % 16 == 0)
			fprintf(out, "%02x:", off);
		fprintf(out, " %02x%s", world_read(&f->w, SLOT, off, 1),
			off % 16 == 15 ? "\n" : "");
	}
}

static void run_lspci(const char *file, FILE *out)
{
	char command[256], line[256];
	FILE *lspci;

	snprintf(command, sizeof(command),
		 "lspci -F %s -n -vvv -xxx 2>/dev/null", file);
	lspci = popen(command, "re");
	assert_non_null(lspci);
	/* Drivers of this machine's kernel are not the device's. */
	while (fgets(line, sizeof(line), lspci))
		if (line[0] != '\n' && !strstr(line, "Kernel "))
			fprintf(out, " %s", line);
	/* Not there, or not content: no skip. */
	assert_int_equal(pclose(lspci), 0);
}

static void golden_lspci(void *ctx, const char *line, FILE *out)
{
	char file[] = "/tmp/byway-lspci-XXXXXX";
	struct fixture f;
	FILE *in;

	fprintf(out, "%s\n", line);
	begin(&f, &ctx, line);
	in = fdopen(mkstemp(file), "we");
	assert_non_null(in);
	dump(&f, in);
	fclose(in);
	end(&f);
	run_lspci(file, out);
	unlink(file);
}

static void test_lspci(void **state)
{
	const struct dirs *dirs = *state;

	assert_true(golden_run(dirs->golden, "passthru-lspci.txt", golden_lspci,
			       *state));
}

/* 16 GiB of frame buffer, at both ends; sparse. */
static void test_p10(void **state)
{
	struct fixture f;

	begin(&f, state, "tesla-p10");
	assert_true(world_bar_direct(&f.w, SLOT, 1, 0));
	world_bar_write(&f.w, SLOT, 1, 0, 8, 0x0123456789abcdef);
	world_bar_write(&f.w, SLOT, 1, GIB(16) - 8, 8, 0xfedcba9876543210);
	assert_int_equal(f.served.device->bar[1][0], 0xef);
	assert_int_equal(f.served.device->bar[1][GIB(16) - 1], 0xfe);
	assert_int_equal(reg(&f, 0), 0x132000a1);
	assert_int_equal(reg(&f, 0x1000), TESTDEV_MAGIC_VALUE);
	end(&f);
}

int main(int argc, char **argv)
{
	struct dirs dirs = {argv[1], argv[2]};
#define SERVED_TEST(fn) cmocka_unit_test_prestate(fn, &dirs)
	const struct CMUnitTest tests[] = {
	    SERVED_TEST(test_registers),
	    SERVED_TEST(test_dma),
	    SERVED_TEST(test_dma_quiesced),
	    SERVED_TEST(test_intx),
	    SERVED_TEST(test_msi),
	    SERVED_TEST(test_msix),
	    SERVED_TEST(test_rom),
	    SERVED_TEST(test_reset),
	    SERVED_TEST(test_next_guest),
	    SERVED_TEST(test_no_flr),
	    SERVED_TEST(test_reset_fails),
	    SERVED_TEST(test_reset_hangs),
	    SERVED_TEST(test_ones_after_reset),
	    SERVED_TEST(test_flr),
	    SERVED_TEST(test_dies),
	    SERVED_TEST(test_hangs),
	    SERVED_TEST(test_aer),
	    SERVED_TEST(test_refused),
	    SERVED_TEST(test_twice),
	    SERVED_TEST(test_descriptions),
	    SERVED_TEST(test_p10),
	    SERVED_TEST(test_lspci),
	};

	if (argc != 3)
		return 2;
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
