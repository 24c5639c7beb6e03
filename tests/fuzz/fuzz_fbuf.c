/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the graphics card the way a guest reaches it: accesses of any size to
 * both BARs and to config space, with memory slots that work or fail.
 *
 * Checked besides memory: whatever the registers say, a viewer may read the
 * whole picture it is given.
 */
#include "base/log.h"
#include "feed.h"
#include "screen.h"

#define VRAM_BYTES MIB(16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* First and last pixel of the first, a middle and the last line. */
static void look(void)
{
	struct display_image image = screen_image();
	unsigned lines[3] = {0, image.height / 2, image.height - 1}, i;
	const volatile uint8_t *line;

	must(image.width >= 1 && image.width <= DISPLAY_SIDE_MAX);
	must(image.height >= 1 && image.height <= DISPLAY_SIDE_MAX);
	must(!image.pixels || image.stride >= (size_t)image.width * 4);
	for (i = 0; image.pixels && i < 3; i++) {
		line = image.pixels + lines[i] * image.stride;
		(void)line[0];
		(void)line[(size_t)image.width * 4 - 1];
	}
}

/* Half of the accesses go to the DISPI registers. */
static uint64_t pick_reg(struct feed *feed)
{
	uint8_t n = feed_u8(feed);

	return SCREEN_REGS +
	       (n & 0x80 ? feed_u16(feed) & 0xfffu : 0x500u + n % 0x18u);
}

static uint64_t feed_u64(struct feed *feed)
{
	uint64_t low = feed_u32(feed);

	return low | (uint64_t)feed_u32(feed) << 32;
}

static void run(struct screen *screen, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);
		unsigned bytes = 1u << (op >> 6);

		switch (op % 8) {
		case 0:
		case 1:
		case 2:
			screen_write(screen, pick_reg(feed), bytes,
				     feed_u64(feed));
			break;
		case 3:
			(void)screen_read(screen, pick_reg(feed), bytes);
			break;
		case 4:
			screen_write(screen,
				     SCREEN_VRAM + feed_u32(feed) % VRAM_BYTES,
				     bytes, feed_u64(feed));
			break;
		case 5:
			(void)screen_read(
			    screen, SCREEN_VRAM + feed_u32(feed) % VRAM_BYTES,
			    bytes);
			break;
		case 6:
			fake_cfg_write(&screen->fake, screen_addr,
				       feed_u8(feed) & 0xfcu, 4,
				       feed_u32(feed));
			break;
		default:
			screen->refuse_to_map = op & 0x40;
			screen_place_bars(screen);
		}
		look();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct screen screen;

	log_init("fuzz_fbuf", LOG_ERROR);
	screen_init(&screen);
	must(!screen_create(&screen, "w=1024,h=768", NULL));
	screen_place_bars(&screen);
	run(&screen, &feed);
	screen_fini(&screen);
	return 0;
}
