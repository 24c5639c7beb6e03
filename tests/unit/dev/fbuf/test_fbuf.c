/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the graphics card: options, registers, modes, video memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "dev/fbuf/fbuf_regs.h"
#include "golden.h"
#include "screen.h"

static const char *golden_dir;

static int setup(void **state)
{
	struct screen *screen = calloc(1, sizeof(*screen));

	if (!screen)
		return -1;
	screen_init(screen);
	*state = screen;
	return 0;
}

static int teardown(void **state)
{
	screen_fini(*state);
	free(*state);
	return 0;
}

static void make(struct screen *screen, const char *options)
{
	struct err err = {0};

	if (screen_create(screen, options, &err))
		fail_msg("%s", err.msg);
	screen_place_bars(screen);
}

static void set(struct screen *screen, enum dispi_index index, uint16_t value)
{
	screen_write(screen, SCREEN_REGS + 0x500 + 2 * index, 2, value);
}

static uint16_t get(struct screen *screen, enum dispi_index index)
{
	return (uint16_t)screen_read(screen, SCREEN_REGS + 0x500 + 2 * index,
				     2);
}

static void set_mode(struct screen *screen, uint16_t width, uint16_t height)
{
	set(screen, DISPI_ENABLE, 0);
	set(screen, DISPI_BPP, 32);
	set(screen, DISPI_XRES, width);
	set(screen, DISPI_YRES, height);
	set(screen, DISPI_ENABLE, 0x41);
}

static const uint8_t *vram(struct screen *screen)
{
	assert_true(screen->map[0].used);
	return screen->map[0].host;
}

/* ---- options ---- */

static void options_reach_the_display(void **state)
{
	struct screen *screen = *state;
	struct display *display;

	fake_set(&screen->fake, "name", "guest7");
	fake_set(&screen->fake, "keyboard.layout", "jp");
	make(screen, "tcp=0.0.0.0:5902,w=1920,h=1080,password=secret");
	display = screen_display();
	assert_string_equal(display->where, "tcp=0.0.0.0:5902");
	assert_string_equal(display->password, "secret");
	assert_string_equal(display->layout, "jp");
	assert_string_equal(display->name, "guest7");
	assert_false(display->params.websocket);
	assert_ptr_equal(display->params.loop, screen->fake.env.loop);
	assert_string_equal(fbuf_where(screen_fbuf(screen)),
			    "tcp=0.0.0.0:5902");
	assert_int_equal(screen_image().width, 1920);
	assert_int_equal(screen_image().height, 1080);
}

static void defaults_are_bhyves(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	assert_string_equal(screen_display()->where, "tcp=127.0.0.1:5900");
	assert_string_equal(screen_display()->password, "");
	assert_string_equal(screen_display()->layout, "(null)");
	assert_int_equal(screen_image().width, 1024);
	assert_int_equal(screen_image().height, 768);
	assert_null(screen_image().pixels);
}

static void other_ways_to_listen(void **state)
{
	struct screen *screen = *state;

	make(screen, "rfb=[::1]:5901,vga=io,websocket");
	assert_string_equal(screen_display()->where, "tcp=[::1]:5901");
	assert_true(screen_display()->params.websocket);
}

static void a_unix_socket(void **state)
{
	make(*state, "unix=/run/guest.vnc,vga=off");
	assert_string_equal(screen_display()->where, "unix=/run/guest.vnc");
}

static void refuse(const char *options, const char *sentence)
{
	struct screen screen;
	struct err err = {0};

	screen_init(&screen);
	assert_true(screen_create(&screen, options, &err) < 0);
	assert_string_equal(err.msg, sentence);
	assert_null(screen_display());
	assert_null(pci_host_find(screen.fake.env.pci, screen_addr));
	screen_fini(&screen);
}

static void bad_options_are_refused(void **state UNUSED)
{
	refuse("w=639", "w=639: the screen's width must be 640 to 3840"
			" pixels");
	refuse("w=3841", "w=3841: the screen's width must be 640 to 3840"
			 " pixels");
	refuse("w=wide", "w=wide: the screen's width must be 640 to 3840"
			 " pixels");
	refuse("h=479", "h=479: the screen's height must be 480 to 2160"
			" pixels");
	refuse("h=2161", "h=2161: the screen's height must be 480 to 2160"
			 " pixels");
	refuse("vga=on", "vga=on: this card has no legacy VGA; leave it out,"
			 " or use vga=io or vga=off");
	refuse("vga=maybe", "vga=maybe: expected io or off");
	refuse("rfb=5900,unix=/x", "rfb= and unix= both say where to listen;"
				   " give one of them");
	refuse("rfb=5900,tcp=5901", "rfb= and tcp= both say where to listen;"
				    " give one of them");
	/* The back end's own words. */
	refuse("unix=/bad", "screen: in use");
}

static void sizes_at_the_limits(void **state UNUSED)
{
	static const struct {
		const char *options;
		uint64_t mib;
	} sizes[] = {
	    {"w=640,h=480", 16},   {"w=1024,h=768", 16},  {"w=1600,h=1200", 16},
	    {"w=1920,h=1080", 16}, {"w=1920,h=1200", 32}, {"w=2560,h=1440", 32},
	    {"w=3840,h=2160", 64}, {"w=3840,h=480", 16},
	};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		struct screen screen;

		screen_init(&screen);
		make(&screen, sizes[i].options);
		assert_int_equal(screen.map[0].size, MIB(sizes[i].mib));
		assert_int_equal(get(&screen, DISPI_MEMORY_64K),
				 sizes[i].mib * 16);
		screen_fini(&screen);
	}
}

static void one_screen_is_enough(void **state)
{
	struct screen *screen = *state;
	struct pci_addr second = {0, 9, 0};
	struct err err = {0};

	make(screen, "");
	fake_set(&screen->fake, "pci.0.9.0.device", "fbuf");
	assert_int_equal(
	    fbuf_model.create(&screen->fake.env, second,
			      cfg_find(screen->fake.env.root, "pci.0.9.0"),
			      &err),
	    -EEXIST);
	assert_string_equal(err.msg,
			    "there is a screen already; a guest can have one");
}

static void note_ready(void *ctx)
{
	++*(unsigned *)ctx;
}

static void the_guest_waits_when_told(void **state)
{
	struct screen *screen = *state;
	unsigned ready = 0;

	make(screen, "wait");
	assert_true(fbuf_wait(screen_fbuf(screen), note_ready, &ready));
	assert_ptr_equal(screen_display()->ready, note_ready);
	screen_display()->ready(screen_display()->ready_ctx);
	assert_int_equal(ready, 1);
}

static void the_guest_starts_at_once_otherwise(void **state)
{
	struct screen *screen = *state;
	unsigned ready = 0;

	make(screen, "wait=false");
	assert_false(fbuf_wait(screen_fbuf(screen), note_ready, &ready));
	assert_null(screen_display()->ready);
	assert_null(fbuf_from_dev(NULL));
}

/* ---- modes ---- */

static void a_mode_is_shown(void **state)
{
	struct screen *screen = *state;
	struct display_image image;

	make(screen, "");
	set_mode(screen, 800, 600);
	image = screen_image();
	assert_int_equal(image.width, 800);
	assert_int_equal(image.height, 600);
	assert_int_equal(image.stride, 3200);
	assert_ptr_equal(image.pixels, vram(screen));
	assert_false(image.swapped);
	/* A page further down, and wider lines. */
	set(screen, DISPI_VIRT_WIDTH, 1024);
	set(screen, DISPI_X_OFFSET, 8);
	set(screen, DISPI_Y_OFFSET, 600);
	image = screen_image();
	assert_int_equal(image.stride, 4096);
	assert_ptr_equal(image.pixels, vram(screen) + 600 * 4096 + 32);
	set(screen, DISPI_ENABLE, 0);
	image = screen_image();
	assert_null(image.pixels);
	assert_int_equal(image.width, 1024);
	assert_int_equal(image.height, 768);
}

static void a_narrower_virtual_screen_does_not_count(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	set_mode(screen, 800, 600);
	set(screen, DISPI_VIRT_WIDTH, 100);
	assert_int_equal(screen_image().stride, 3200);
}

static void modes_that_do_not_fit_are_dark(void **state)
{
	static const struct {
		uint16_t width, height, virtual, x, y;
		bool shown;
	} modes[] = {
	    {2048, 2048, 0, 0, 0, true},  /* all of 16 MiB */
	    {2048, 2048, 0, 0, 1, false}, /* a line too much */
	    {2048, 2048, 0, 1, 0, false}, /* a pixel too much */
	    {2048, 2049, 0, 0, 0, false},
	    {64, 64, 0, 0, 0, true},
	    {63, 64, 0, 0, 0, false},
	    {64, 63, 0, 0, 0, false},
	    {8192, 64, 0, 0, 0, true},
	    {8193, 64, 0, 0, 0, false},
	    {64, 8192, 0, 0, 0, true},
	    {64, 8193, 0, 0, 0, false},
	    {64, 64, 65535, 0, 0, true},
	    {64, 66, 65535, 0, 0, false},
	    {0xffff, 0xffff, 0xffff, 0xffff, 0xffff, false},
	    {0, 0, 0, 0, 0, false},
	    {64, 64, 0, 0, 65472, true},
	    {64, 64, 0, 0, 65473, false},
	    {64, 64, 65535, 65535, 0, true},
	    {64, 64, 65535, 0, 2, false},
	};
	struct screen *screen = *state;
	unsigned i;

	make(screen, "");
	for (i = 0; i < ARRAY_LEN(modes); i++) {
		struct display_image image;

		set_mode(screen, modes[i].width, modes[i].height);
		set(screen, DISPI_VIRT_WIDTH, modes[i].virtual);
		set(screen, DISPI_X_OFFSET, modes[i].x);
		set(screen, DISPI_Y_OFFSET, modes[i].y);
		image = screen_image();
		if ((image.pixels != NULL) != modes[i].shown)
			fail_msg("mode %u: %ux%u", i, modes[i].width,
				 modes[i].height);
	}
}

static void other_depths_are_dark(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	set_mode(screen, 640, 480);
	set(screen, DISPI_BPP, 16);
	assert_null(screen_image().pixels);
	set(screen, DISPI_BPP, 32);
	assert_non_null(screen_image().pixels);
}

static void bytes_of_pixels_can_be_swapped(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	set_mode(screen, 640, 480);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x600, 4), 8);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x604, 4),
			 0x1e1e1e1e);
	screen_write(screen, SCREEN_REGS + 0x604, 4, 0xbebebebe);
	assert_true(screen_image().swapped);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x604, 4),
			 0xbebebebe);
	screen_write(screen, SCREEN_REGS + 0x604, 4, 0x12345678);
	assert_true(screen_image().swapped);
	screen_write(screen, SCREEN_REGS + 0x604, 4, 0x1e1e1e1e);
	assert_false(screen_image().swapped);
}

/* As Linux does it: status read, then the index register. */
static void the_screen_can_be_blanked(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	set_mode(screen, 640, 480);
	assert_non_null(screen_image().pixels);
	(void)screen_read(screen, SCREEN_REGS + 0x41a, 1);
	screen_write(screen, SCREEN_REGS + 0x400, 1, 0);
	assert_null(screen_image().pixels);
	assert_int_equal(screen_image().width, 640);
	/* The second write in a row is data. */
	screen_write(screen, SCREEN_REGS + 0x400, 1, 0x20);
	assert_null(screen_image().pixels);
	screen_write(screen, SCREEN_REGS + 0x400, 1, 0x20);
	assert_non_null(screen_image().pixels);
	/* Vertical retrace comes and goes. */
	assert_int_not_equal(screen_read(screen, SCREEN_REGS + 0x41a, 1),
			     screen_read(screen, SCREEN_REGS + 0x41a, 1));
	screen_write(screen, SCREEN_REGS + 0x402, 1, 0x67);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x40c, 1), 0x67);
}

static void capabilities_can_be_asked(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	set(screen, DISPI_XRES, 640);
	set(screen, DISPI_ENABLE, DISPI_GETCAPS);
	assert_int_equal(get(screen, DISPI_XRES), 8192);
	assert_int_equal(get(screen, DISPI_YRES), 8192);
	assert_int_equal(get(screen, DISPI_BPP), 32);
	set(screen, DISPI_ENABLE, 0);
	assert_int_equal(get(screen, DISPI_XRES), 640);
}

static void accesses_of_any_size(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	/* XRES and YRES at once; one byte of XRES. */
	screen_write(screen, SCREEN_REGS + 0x502, 4, 0x02580320);
	assert_int_equal(get(screen, DISPI_XRES), 0x320);
	assert_int_equal(get(screen, DISPI_YRES), 0x258);
	screen_write(screen, SCREEN_REGS + 0x503, 1, 0x04);
	assert_int_equal(get(screen, DISPI_XRES), 0x420);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x500, 8),
			 0x000002580420b0c5);
	/* Read-only ones. */
	set(screen, DISPI_ID, 0xb0c0);
	set(screen, DISPI_MEMORY_64K, 1);
	assert_int_equal(get(screen, DISPI_ID), 0xb0c5);
	assert_int_equal(get(screen, DISPI_MEMORY_64K), 256);
	screen_write(screen, SCREEN_REGS, 8, 0);
	assert_int_equal(screen_read(screen, SCREEN_REGS, 8),
			 0x00ffffffffffff00);
	/* Holes. */
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x80, 4), 0);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0x516, 2), 0);
	assert_int_equal(screen_read(screen, SCREEN_REGS + 0xff8, 8), 0);
}

/* ---- video memory ---- */

static void memory_is_mapped_where_the_guest_puts_it(void **state)
{
	struct screen *screen = *state;

	make(screen, "");
	assert_int_equal(screen->map[0].base, SCREEN_VRAM);
	assert_int_equal(screen->map[0].size, MIB(16));
	/* Moved, while decoding is off as firmware does it. */
	fake_cfg_write(&screen->fake, screen_addr, PCI_COMMAND, 2, 0);
	assert_false(screen->map[0].used);
	fake_cfg_write(&screen->fake, screen_addr, PCI_BASE_ADDRESS_0, 4,
		       0xd0000000);
	fake_cfg_write(&screen->fake, screen_addr, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY);
	assert_true(screen->map[0].used);
	assert_int_equal(screen->map[0].base, 0xd0000000);
	/* Content stays, and is what a viewer sees. */
	memcpy(screen->map[0].host, "\x11\x22\x33\x44", 4);
	set_mode(screen, 640, 480);
	assert_memory_equal(screen_image().pixels, "\x11\x22\x33\x44", 4);
}

static void memory_traps_when_it_cannot_be_mapped(void **state)
{
	struct screen *screen = *state;
	uint64_t last = SCREEN_VRAM + MIB(16) - 8;

	screen->refuse_to_map = true;
	make(screen, "");
	assert_int_equal(screen->maps, 1);
	assert_false(screen->map[0].used);
	screen_write(screen, SCREEN_VRAM, 4, 0x44332211);
	screen_write(screen, last, 8, 0x8877665544332211);
	assert_int_equal(screen_read(screen, SCREEN_VRAM + 1, 2), 0x3322);
	assert_int_equal(screen_read(screen, last, 8), 0x8877665544332211);
	set_mode(screen, 640, 480);
	assert_memory_equal(screen_image().pixels, "\x11\x22\x33\x44", 4);
}

static void a_platform_without_slots_will_do(void **state)
{
	struct screen *screen = *state;

	screen->fake.env.memmap = NULL;
	make(screen, "");
	screen_write(screen, SCREEN_VRAM + 5, 1, 0x5a);
	assert_int_equal(screen_read(screen, SCREEN_VRAM + 4, 4), 0x5a00);
}

/* ---- EDID ---- */

static void the_monitor_prefers_what_was_asked_for(void **state UNUSED)
{
	static const unsigned sizes[][2] = {
	    {640, 480},	  {1024, 768}, {1366, 768}, {1920, 1080},
	    {3840, 2160}, {3840, 480}, {640, 2160}};
	uint8_t edid[EDID_BYTES], sum;
	unsigned i, k;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		edid_build(sizes[i][0], sizes[i][1], edid);
		for (k = 0, sum = 0; k < EDID_BYTES; k++)
			sum = (uint8_t)(sum + edid[k]);
		assert_int_equal(sum, 0);
		/* The fields that OVMF looks at. */
		assert_int_equal(edid[56] | (edid[58] & 0xf0) << 4,
				 sizes[i][0]);
		assert_int_equal(edid[59] | (edid[61] & 0xf0) << 4,
				 sizes[i][1]);
	}
}

/* ---- golden traces ---- */

static void show_image(struct screen *screen, FILE *out)
{
	struct display_image image = screen_image();

	if (!image.pixels)
		fprintf(out, "  dark %ux%u\n", image.width, image.height);
	else
		fprintf(out, "  picture %ux%u at 0x%tx, %zu bytes a line%s\n",
			image.width, image.height, image.pixels - vram(screen),
			image.stride, image.swapped ? ", swapped" : "");
}

/* "cfg OFF SIZE", "cfg OFF SIZE VALUE", "r OFF SIZE", "w OFF SIZE VALUE". */
static void run_line(void *ctx, const char *line, FILE *out)
{
	struct display_image before = screen_image(), after;
	struct screen *screen = ctx;
	unsigned off, size, value;
	int fields;

	fields = sscanf(line, "cfg %x %u %x", &off, &size, &value);
	if (fields == 3) {
		fprintf(out, "cfg %03x %u %x\n", off, size, value);
		fake_cfg_write(&screen->fake, screen_addr, off, size, value);
	} else if (fields == 2) {
		fprintf(out, "cfg %03x %u = %0*x\n", off, size, (int)size * 2,
			fake_cfg_read(&screen->fake, screen_addr, off, size));
	} else if (sscanf(line, "w %x %u %x", &off, &size, &value) == 3) {
		fprintf(out, "w %03x %u %x\n", off, size, value);
		screen_write(screen, SCREEN_REGS + off, size, value);
	} else if (sscanf(line, "r %x %u", &off, &size) == 2) {
		fprintf(out, "r %03x %u = %0*llx\n", off, size, (int)size * 2,
			(unsigned long long)screen_read(
			    screen, SCREEN_REGS + off, size));
	} else {
		fprintf(out, "%s: unknown command\n", line);
	}
	after = screen_image();
	if (memcmp(&before, &after, sizeof(before)))
		show_image(screen, out);
}

static void run_golden(struct screen *screen, const char *options,
		       const char *file)
{
	struct err err = {0};

	if (screen_create(screen, options, &err))
		fail_msg("%s", err.msg);
	assert_true(golden_run(golden_dir, file, run_line, screen));
}

/* ---- the video BIOS ---- */

#define ROM_PLACE 0xf0000000u

/* A file of `len` bytes that claims to be a ROM of `units` times 512. */
static void rom_file(char path[], size_t len, uint8_t units)
{
	CLEANUP_FREE uint8_t *bytes = calloc(1, len);
	int fd = mkstemp(path);

	assert_true(fd >= 0 && bytes);
	bytes[0] = 0x55;
	bytes[1] = 0xaa;
	bytes[2] = units;
	bytes[len - 1] = 0x77;
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void a_video_bios_is_shown(void **state)
{
	struct screen *screen = *state;
	char path[] = "/tmp/fbuf-rom-XXXXXX", options[64];

	rom_file(path, 2560, 5);
	snprintf(options, sizeof(options), "rom=%s", path);
	make(screen, options);
	unlink(path);

	/* Sized as any BAR: the next power of two, with its enable bit. */
	fake_cfg_write(&screen->fake, screen_addr, PCI_ROM_ADDRESS, 4,
		       UINT32_MAX);
	assert_int_equal(
	    fake_cfg_read(&screen->fake, screen_addr, PCI_ROM_ADDRESS, 4),
	    0xfffff001);
	fake_cfg_write(&screen->fake, screen_addr, PCI_ROM_ADDRESS, 4,
		       ROM_PLACE | PCI_ROM_ADDRESS_ENABLE);
	assert_int_equal(screen_read(screen, ROM_PLACE, 4), 0x0005aa55);
	assert_int_equal(screen_read(screen, ROM_PLACE + 2559, 1), 0x77);
	assert_int_equal(screen_read(screen, ROM_PLACE + 4088, 8), 0);
	screen_write(screen, ROM_PLACE, 4, 0);
	assert_int_equal(screen_read(screen, ROM_PLACE, 2), 0xaa55);
	assert_int_equal(vram(screen)[0], 0);
}

static void rom_refused(const char *path, const char *why)
{
	struct screen screen;
	struct err err = {0};
	char options[64];

	screen_init(&screen);
	snprintf(options, sizeof(options), "rom=%s", path);
	assert_int_not_equal(screen_create(&screen, options, &err), 0);
	assert_non_null(strstr(err.msg, path));
	assert_non_null(strstr(err.msg, why));
	screen_fini(&screen);
}

static void what_is_no_video_bios_is_refused(void **state UNUSED)
{
	char cut[] = "/tmp/fbuf-rom-XXXXXX", large[] = "/tmp/fbuf-rom-XXXXXX";
	char empty[] = "/tmp/fbuf-rom-XXXXXX";
	int fd = mkstemp(empty);

	close(fd);
	rom_file(cut, 2559, 5);
	rom_file(large, 256 * 1024 + 1, 5);
	rom_refused(cut, "not a whole expansion ROM");
	rom_refused(large, "longer than 256 KiB");
	rom_refused(empty, "not a whole expansion ROM");
	rom_refused("/nowhere/rom", "No such file");
	unlink(cut);
	unlink(large);
	unlink(empty);
}

static void config_space_is_golden(void **state)
{
	run_golden(*state, "w=1920,h=1080", "fbuf-config.txt");
}

static void firmware_finds_its_card(void **state)
{
	run_golden(*state, "w=1920,h=1080", "fbuf-ovmf.txt");
}

static void linux_finds_its_card(void **state)
{
	run_golden(*state, "w=1920,h=1080", "fbuf-linux.txt");
}

int main(int argc, char **argv)
{
#define WITH_CARD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_CARD(options_reach_the_display),
	    WITH_CARD(defaults_are_bhyves),
	    WITH_CARD(other_ways_to_listen),
	    WITH_CARD(a_unix_socket),
	    cmocka_unit_test(bad_options_are_refused),
	    cmocka_unit_test(sizes_at_the_limits),
	    WITH_CARD(one_screen_is_enough),
	    WITH_CARD(the_guest_waits_when_told),
	    WITH_CARD(the_guest_starts_at_once_otherwise),
	    WITH_CARD(a_mode_is_shown),
	    WITH_CARD(a_narrower_virtual_screen_does_not_count),
	    WITH_CARD(modes_that_do_not_fit_are_dark),
	    WITH_CARD(other_depths_are_dark),
	    WITH_CARD(bytes_of_pixels_can_be_swapped),
	    WITH_CARD(the_screen_can_be_blanked),
	    WITH_CARD(capabilities_can_be_asked),
	    WITH_CARD(accesses_of_any_size),
	    WITH_CARD(memory_is_mapped_where_the_guest_puts_it),
	    WITH_CARD(memory_traps_when_it_cannot_be_mapped),
	    WITH_CARD(a_platform_without_slots_will_do),
	    cmocka_unit_test(the_monitor_prefers_what_was_asked_for),
	    WITH_CARD(a_video_bios_is_shown),
	    cmocka_unit_test(what_is_no_video_bios_is_refused),
	    WITH_CARD(config_space_is_golden),
	    WITH_CARD(firmware_finds_its_card),
	    WITH_CARD(linux_finds_its_card),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: test_fbuf GOLDEN-DIRECTORY\n");
		return 2;
	}
	golden_dir = argv[1];
	log_init("test_fbuf", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
