/* SPDX-License-Identifier: BSD-2-Clause */
/* The model's options, the ROM, and real system calls where they are safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_world.h"
#include "vfio/rom_image.h"
#include "vfio/vfio_internal.h"

static void begin(struct world *w)
{
	world_init(w);
	fake_kernel_add(&w->kernel, fake_nvme());
	fake_device_place(w->kernel.dev[0], 3, 0, 0, 12);
	world_start(w);
}

static void refused(const char *opts, int code, const char *sentence)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	assert_int_equal(world_passthru(&w, 6, opts, &err), code);
	assert_string_equal(err.msg, sentence);
	world_fini(&w);
}

static void test_addresses(void **state UNUSED)
{
	static const char *const spellings[] = {
	    "3/0/0",	    "pci3:0:0", "pci0:3:0:0",
	    "0000:03:00.0", "03:00.0",	"bus=3,slot=0,func=0"};
	struct err err = {0};
	struct world w;
	size_t i;

	for (i = 0; i < ARRAY_LEN(spellings); i++) {
		begin(&w);
		assert_int_equal(world_passthru(&w, 6, spellings[i], &err), 0);
		/* As bhyve stores it. */
		assert_string_equal(cfg_raw(w.cfg, "pci.0.6.0.bus"), "3");
		assert_string_equal(cfg_raw(w.cfg, "pci.0.6.0.func"), "0");
		world_fini(&w);
	}
}

static void test_bad_options(void **state UNUSED)
{
	refused(
	    "ppt0", -EINVAL,
	    "passthru: \"ppt0\" is a FreeBSD driver's name; give the device's"
	    " address (3/0/0 or 0000:03:00.0, see 'vm passthru')");
	refused(
	    "pptdev=ppt0", -EINVAL,
	    "passthru: pptdev names a FreeBSD driver's device; set bus, slot"
	    " and func");
	refused(
	    "", -EINVAL,
	    "passthru: which device? Give its address, such as 3/0/0 (missing"
	    " bus)");
	refused(
	    "bus=3,slot=0", -EINVAL,
	    "passthru: which device? Give its address, such as 3/0/0 (missing"
	    " func)");
	refused("3/0/0,reset=hard", -EINVAL,
		"passthru: reset=hard: expected auto, flr, bus, pm or"
		" d3cold");
	refused("3/0/0,intpin=e", -EINVAL,
		"passthru: intpin=e: expected a, b, c or d");
	refused("3/0/0,intpin=ab", -EINVAL,
		"passthru: intpin=ab: expected a, b, c or d");
	refused("3/0/0,mirror=maybe", -EINVAL,
		"passthru: mirror=maybe: expected on or off");
	refused("3/0/0,bar1size=3G", -EINVAL,
		"passthru: bar1size=3G: expected a power of two of at least"
		" 1M, such as 256M or 16G");
	refused("3/0/0,bar5size=16G", -EINVAL,
		"0000:03:00.0 (3/0/0): has no BAR 5");
	refused("vfio-user=/x,bar0size=1M", -EINVAL,
		"passthru: bar0size: a served device's BARs have the sizes its"
		" server gives them");
	refused("3/0/0,unsafe=all", -EINVAL,
		"passthru: unsafe=all: expected interrupts, acs or"
		" interrupts+acs");
}

/* ---- sizes of BARs ---- */

static void try_size(const char *opts, int code, const char *sentence)
{
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_gpu());
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	world_start(&w);
	/* 256 MiB to 4 GiB; it has 2. */
	fake_sysfs_write(w.root,
			 "sys/bus/pci/devices/0000:03:00.0/resource1_resize",
			 "0000000000001f00\n");
	assert_int_equal(world_passthru(&w, 6, opts, &err), code);
	assert_string_equal(err.msg, sentence);
	world_fini(&w);
}

/* The model looks, and says who can change it. */
static void test_bar_sizes(void **state UNUSED)
{
	try_size("3/0/0,bar1size=2G,bar3size=32M", 0, "");
	try_size("3/0/0,bar1size=4G", -EBUSY,
		 "0000:03:00.0 (3/0/0): its BARs have other sizes than asked"
		 " for; 'vm passthru resize 0000:03:00.0 bar1size=4096M'"
		 " changes that, as root and while nobody has it open");
	try_size("3/0/0,bar1size=8G", -EINVAL,
		 "0000:03:00.0 (3/0/0): BAR 1 cannot have 8G; it has 2G and"
		 " can have 256M, 512M, 1G, 2G, 4G");
	try_size("3/0/0,bar0size=32M", -ENOTSUP,
		 "0000:03:00.0 (3/0/0): BAR 0 is not resizable and stays at"
		 " 16M (or the host's kernel is older than 5.19)");
}

/* ---- the interrupt pin ---- */

static const char *try_pin(struct world *w, struct fake_device *dev, bool intx,
			   const char *opts)
{
	struct err err = {0};

	world_init(w);
	fake_device_place(dev, 3, 0, 0, 12);
	if (!intx) {
		dev->cfg[PCI_INTERRUPT_PIN] = 0;
		dev->vconfig[PCI_INTERRUPT_PIN] = 0;
		dev->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 0;
	}
	fake_kernel_add(&w->kernel, dev);
	world_start(w);
	assert_int_equal(world_passthru(w, 6, opts, &err), 0);
	world_assign(w);
	world_enable(w, 6);
	return fake_trace(&w->kernel);
}

/* A pin, a line in the guest, and nothing on the host that could drive it. */
static void test_pin_given(void **state UNUSED)
{
	const char *trace;
	struct world w;

	trace = try_pin(&w, fake_nvme(), false, "3/0/0,intpin=b");
	assert_int_equal(world_read(&w, 6, PCI_INTERRUPT_PIN, 1), 2);
	assert_null(strstr(trace, "INTx"));
	assert_null(strstr(trace, "attach"));
	assert_false(fake_fire(w.kernel.dev[0], 0));
	/* MSI-X works beside it. */
	world_bar_write(&w, 6, 0, 0x2000, 4, 0xfee00000);
	world_bar_write(&w, 6, 0, 0x2008, 4, 0x41);
	world_bar_write(&w, 6, 0, 0x200c, 4, 0);
	world_write(&w, 6, 0x42, 2, 0x8000);
	assert_true(fake_fire(w.kernel.dev[0], 0));
	assert_int_equal(world_delivered(&w, WORLD_FIRST_MSI), 1);
	world_fini(&w);
	(void)try_pin(&w, fake_nvme(), false, "3/0/0");
	assert_int_equal(world_read(&w, 6, PCI_INTERRUPT_PIN, 1), 0);
	world_fini(&w);
	/* NVIDIA's display functions get one by themselves. */
	(void)try_pin(&w, fake_gpu(), false, "3/0/0");
	assert_int_equal(world_read(&w, 6, PCI_INTERRUPT_PIN, 1), 1);
	world_fini(&w);
}

/* The host delivers INTx: it arrives on the line of the pin asked for. */
static void test_pin_changed(void **state UNUSED)
{
	unsigned gsi = pci_swizzle_gsi(6, 4);
	struct world w;

	(void)try_pin(&w, fake_nvme(), true, "3/0/0,intpin=d");
	assert_int_equal(world_read(&w, 6, PCI_INTERRUPT_PIN, 1), 4);
	assert_true(fake_fire(w.kernel.dev[0], 0));
	assert_int_equal(world_delivered(&w, gsi), 1);
	world_fini(&w);
}

/* ---- risks of the host ---- */

static void test_unsafe(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	fake_sysfs_write(w.root, "proc/cmdline",
			 "quiet pcie_acs_override=downstream\n");
	assert_int_equal(world_passthru(&w, 6, "3/0/0,unsafe=interrupts", &err),
			 -EPERM);
	assert_non_null(strstr(err.msg, "unsafe=acs"));
	/* Nothing was opened. */
	assert_string_equal(fake_trace(&w.kernel), "");
	assert_int_equal(
	    world_passthru(&w, 7, "3/0/0,unsafe=acs+interrupts", &err), 0);
	world_fini(&w);
}

/* Sentences that others make: here only that there is one. */
static void test_refused_by_others(void **state UNUSED)
{
	static const char *const opts[] = {"3/0", "5/0/0", "3/0/0,rmo=x",
					   "3/0/0,bootindex=x",
					   "bus=300,slot=0,func=0"};
	struct err err;
	struct world w;
	size_t i;

	for (i = 0; i < ARRAY_LEN(opts); i++) {
		err = (struct err){0};
		begin(&w);
		assert_true(world_passthru(&w, 6, opts[i], &err) < 0);
		assert_true(err.msg[0] != '\0');
		world_fini(&w);
	}
}

static void test_occupied(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	begin(&w);
	fake_kernel_add(&w.kernel, fake_xhci());
	fake_device_place(w.kernel.dev[1], 4, 0, 0, 13);
	fake_sysfs_remove(w.root);
	fake_sysfs_create(&w.kernel, w.root);
	assert_int_equal(world_passthru(&w, 6, "3/0/0", &err), 0);
	assert_int_equal(world_passthru(&w, 6, "4/0/0", &err), -EEXIST);
	assert_string_equal(err.msg, "pci slot 0:6:0 already occupied!");
	assert_int_equal(vfio_device_count(w.ctx), 1);
	world_fini(&w);
}

/* ---- ROM ---- */

static void rom_write(const struct world *w, char path[128],
		      const uint8_t *image, size_t size)
{
	FILE *f;

	snprintf(path, 128, "%s/card.rom", w->root);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(image, 1, size, f), size);
	fclose(f);
}

static void sum_fix(uint8_t *image, size_t size)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < size; i++)
		sum = (uint8_t)(sum + image[i]);
	image[size - 1] = (uint8_t)(image[size - 1] - sum);
}

static void rom_make(uint8_t image[1024])
{
	memset(image, 0, 1024);
	memcpy(image, "\x55\xaa", 2);
	image[0x18] = 0x40;
	memcpy(image + 0x40, "PCIR", 4);
	fake_put16(image + 0x44, 0x1b36);
	fake_put16(image + 0x46, 0x0010);
	image[0x50] = 2; /* 1024 bytes */
	image[0x55] = 0x80;
	image[2] = 2;
	image[0x100] = 0x99;
	sum_fix(image, 1024);
}

static int rom_try(struct world *w, const uint8_t *image, size_t size,
		   struct err *err)
{
	char path[128], opts[160];

	rom_write(w, path, image, size);
	snprintf(opts, sizeof(opts), "3/0/0,rom=%s", path);
	return world_passthru(w, 6, opts, err);
}

static void test_rom_file(void **state UNUSED)
{
	uint8_t image[1024];
	struct err err = {0};
	struct world w;

	begin(&w);
	rom_make(image);
	assert_int_equal(rom_try(&w, image, sizeof(image), &err), 0);
	world_assign(&w);
	world_enable(&w, 6);
	world_write(&w, 6, PCI_ROM_ADDRESS, 4, UINT32_MAX - 1);
	assert_int_equal(world_read(&w, 6, PCI_ROM_ADDRESS, 4), 0xfffff000);
	world_write(&w, 6, PCI_ROM_ADDRESS, 4, 0xd8000001);
	assert_true(world_bar_direct(&w, 6, PCI_BAR_ROM, 0));
	assert_int_equal(world_bar_read(&w, 6, PCI_BAR_ROM, 0x100, 1), 0x99);
	/* Behind the file: ones. Without a slot: the same, trapped. */
	assert_int_equal(world_bar_read(&w, 6, PCI_BAR_ROM, 0x800, 1), 0xff);
	world_write(&w, 6, PCI_ROM_ADDRESS, 4, 0xd8000000);
	w.no_slots = true;
	world_write(&w, 6, PCI_ROM_ADDRESS, 4, 0xd8000001);
	assert_false(world_bar_direct(&w, 6, PCI_BAR_ROM, 0));
	assert_int_equal(world_bar_read(&w, 6, PCI_BAR_ROM, 0x100, 1), 0x99);
	world_fini(&w);
}

static void rom_refused(const uint8_t *image, size_t size, const char *tail)
{
	struct err err = {0};
	char sentence[256];
	struct world w;

	begin(&w);
	assert_true(rom_try(&w, image, size, &err) < 0);
	snprintf(sentence, sizeof(sentence), "%s/card.rom: %s", w.root, tail);
	assert_string_equal(err.msg, sentence);
	world_fini(&w);
}

static void test_rom_bad(void **state UNUSED)
{
	uint8_t image[1024];
	struct err err = {0};
	struct world w;

	rom_make(image);
	image[1] = 0;
	rom_refused(image, sizeof(image),
		    "not a PCI ROM: it has no 55 aa signature");
	rom_make(image);
	rom_refused(image, 100, "not a PCI ROM: it has no 55 aa signature");
	image[0x19] = 0xff;
	rom_refused(image, sizeof(image),
		    "not a PCI ROM: no PCI data structure at 0xff40");
	rom_make(image);
	image[0x50] = 200;
	rom_refused(image, sizeof(image),
		    "the ROM says that it is 102400"
		    " bytes long, the file has 1024: it is cut off");
	image[0x50] = 0;
	rom_refused(image, sizeof(image),
		    "not a PCI ROM: its first image says that it is 0 bytes"
		    " long");
	rom_refused(image, 0, "a ROM has 512 bytes to 16 MiB, this file 0");
	begin(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0,rom=/nonexistent", &err),
			 -ENOENT);
	assert_string_equal(
	    err.msg, "/nonexistent: ROM file: No such file or directory");
	world_fini(&w);
}

static void test_rom_none(void **state UNUSED)
{
	struct err err = {0};
	struct world w;

	world_init(&w);
	fake_kernel_add(&w.kernel, fake_e1000e());
	fake_device_place(w.kernel.dev[0], 3, 0, 0, 12);
	world_start(&w);
	assert_int_equal(world_passthru(&w, 6, "3/0/0,rom=none", &err), 0);
	world_assign(&w);
	world_write(&w, 6, PCI_ROM_ADDRESS, 4, UINT32_MAX);
	assert_int_equal(world_read(&w, 6, PCI_ROM_ADDRESS, 4), 0);
	world_fini(&w);
}

/* ---- what is in a ROM ---- */

/* An image of 512 bytes of this kind for 10de:1bb3. */
static void image_make(uint8_t image[512], enum rom_kind kind, bool last)
{
	memset(image, 0, 512);
	memcpy(image, "\x55\xaa\x01", 3);
	image[0x18] = 0x20;
	memcpy(image + 0x20, "PCIR", 4);
	fake_put16(image + 0x24, 0x10de);
	fake_put16(image + 0x26, 0x1bb3);
	image[0x30] = 1;
	image[0x34] = (uint8_t)kind;
	image[0x35] = last ? 0x80 : 0;
	sum_fix(image, 512);
}

static struct rom_info inspect(const uint8_t *rom, size_t size)
{
	struct rom_info info;

	rom_inspect(rom, size, 0x10de, 0x1bb3, &info);
	return info;
}

static void test_rom_images(void **state UNUSED)
{
	uint8_t rom[3 * 512];
	struct rom_info info;

	image_make(rom, ROM_BIOS, false);
	image_make(rom + 512, ROM_UEFI, true);
	image_make(rom + 1024, ROM_OPEN_FIRMWARE, true);
	info = inspect(rom, sizeof(rom));
	assert_int_equal(info.fault, ROM_GOOD);
	assert_int_equal(info.images, 2);
	assert_int_equal(info.length, 1024);
	assert_true(info.bios && info.uefi);
	assert_false(info.ids_differ || info.checksum_bad ||
		     info.more_promised || rom_is_shadow(&info));
	/* Some image has to be for the device. */
	fake_put16(rom + 0x26, 0x1234);
	assert_false(inspect(rom, sizeof(rom)).ids_differ);
	fake_put16(rom + 512 + 0x26, 0x1234);
	info = inspect(rom, sizeof(rom));
	assert_true(info.ids_differ);
	assert_int_equal(info.device, 0x1234);
	/* More was promised than is there. */
	image_make(rom, ROM_BIOS, false);
	info = inspect(rom, 512);
	assert_int_equal(info.images, 1);
	assert_true(info.more_promised);
	assert_false(rom_is_shadow(&info));
	rom[0x100]++;
	info = inspect(rom, 512);
	assert_true(info.checksum_bad);
	assert_true(rom_is_shadow(&info));
	/* The vendor's own data behind an image is not a fault. */
	memset(rom + 512, 0x4e, 512);
	assert_int_equal(inspect(rom, sizeof(rom)).fault, ROM_GOOD);
	/* UEFI images have no checksum. */
	image_make(rom, ROM_UEFI, true);
	rom[0x100]++;
	assert_false(inspect(rom, 512).checksum_bad);
}

/* ---- the real system calls ---- */

static void test_populate(void **state UNUSED)
{
	const size_t size = MIB(8);
	unsigned char present[MIB(8) / 4096];
	char *p;
	size_t i;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(vfio_populate(&vfio_ops_kernel, p, size), 0);
	assert_int_equal(mincore(p, size, present), 0);
	for (i = 0; i < sizeof(present); i++)
		assert_true(present[i] & 1);
	munmap(p, size);
}

/* Every slice is done once, whatever the number of threads. */
static void test_populate_slices(void **state UNUSED)
{
	static const uint64_t sizes[] = {4096,	 MIB(2),	MIB(300),
					 GIB(1), GIB(1) + 4096, GIB(40)};
	struct fake_kernel k;
	size_t i;

	fake_kernel_init(&k);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		k.populated = 0;
		assert_int_equal(vfio_populate(&k.ops, NULL, sizes[i]), 0);
		assert_int_equal(k.populated, sizes[i]);
	}
	k.populate_error = -ENOMEM;
	assert_int_equal(vfio_populate(&k.ops, NULL, GIB(1)), -ENOMEM);
	fake_kernel_fini(&k);
}

static void test_kernel_ops(void **state UNUSED)
{
	const struct vfio_ops *ops = &vfio_ops_kernel;
	int file = memfd_create("test", MFD_CLOEXEC);
	char text[8] = "", path[64];
	void *page;
	int fd;

	assert_int_equal(ops->open(ops->ctx, "/nonexistent", O_RDONLY),
			 -ENOENT);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	fd = ops->open(ops->ctx, path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(ops->pwrite(ops->ctx, fd, "byway", 5, 4096), 5);
	assert_int_equal(ops->pread(ops->ctx, fd, text, 5, 4096), 5);
	assert_string_equal(text, "byway");
	assert_int_equal(ops->ioctl(ops->ctx, fd, 0, NULL), -ENOTTY);
	/* Exactly there, instead of what was there. */
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(ops->mmap_at(ops->ctx, page, 4096, fd, 4096), 0);
	assert_memory_equal(page, "byway", 5);
	munmap(page, 4096);
	ops->close(ops->ctx, fd);
	assert_int_equal(ops->pread(ops->ctx, fd, text, 5, 0), -EBADF);
	close(file);
	assert_true(ops->memlock_limit(ops->ctx) > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_bad_options),
	    cmocka_unit_test(test_bar_sizes),
	    cmocka_unit_test(test_refused_by_others),
	    cmocka_unit_test(test_occupied),
	    cmocka_unit_test(test_rom_file),
	    cmocka_unit_test(test_rom_bad),
	    cmocka_unit_test(test_rom_none),
	    cmocka_unit_test(test_rom_images),
	    cmocka_unit_test(test_pin_given),
	    cmocka_unit_test(test_pin_changed),
	    cmocka_unit_test(test_unsafe),
	    cmocka_unit_test(test_populate),
	    cmocka_unit_test(test_populate_slices),
	    cmocka_unit_test(test_kernel_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
