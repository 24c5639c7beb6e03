/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of a viewer's copy of the screen: content, and what it says changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backend/display/frame.h"

#define SCREEN_W 200u
#define SCREEN_H 50u
#define STRIDE	 (SCREEN_W * 4 + 64)

struct bench {
	struct display_image image;
	uint8_t pixels[STRIDE * SCREEN_H];
	struct frame frame;
	char dirty[512]; /* "0,16 64x16; " */
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->image = (struct display_image){
	    .width = SCREEN_W,
	    .height = SCREEN_H,
	    .stride = STRIDE,
	    .pixels = bench->pixels,
	};
	assert_int_equal(frame_init(&bench->frame, SCREEN_W, SCREEN_H), 0);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	frame_fini(&bench->frame);
	frame_fini(&bench->frame); /* harmless */
	free(bench);
	return 0;
}

static void note(void *ctx, unsigned x, unsigned y, unsigned w, unsigned h)
{
	struct bench *bench = ctx;
	size_t len = strlen(bench->dirty);

	assert_true(x + w <= bench->frame.width);
	assert_true(y + h <= bench->frame.height);
	snprintf(bench->dirty + len, sizeof(bench->dirty) - len,
		 "%u,%u %ux%u; ", x, y, w, h);
}

static void set_pixel(struct bench *bench, unsigned x, unsigned y,
		      uint32_t value)
{
	memcpy(bench->pixels + (size_t)y * STRIDE + x * 4, &value, 4);
}

static uint32_t seen(const struct bench *bench, unsigned x, unsigned y)
{
	uint32_t value;

	memcpy(&value,
	       bench->frame.pixels + ((size_t)y * bench->frame.width + x) * 4,
	       4);
	return value;
}

static void expect(struct bench *bench, const char *dirty)
{
	bench->dirty[0] = '\0';
	assert_int_equal(
	    frame_update(&bench->frame, &bench->image, note, bench),
	    *dirty != '\0');
	assert_string_equal(bench->dirty, dirty);
}

static void nothing_changed(void **state)
{
	struct bench *bench = *state;

	expect(bench, "");
	set_pixel(bench, 10, 10, 1);
	expect(bench, "0,0 64x16; ");
	expect(bench, "");
}

static void tiles_are_found(void **state)
{
	struct bench *bench = *state;

	/* First and last pixel, and both sides of a tile's edge. */
	set_pixel(bench, 0, 0, 0x111111);
	set_pixel(bench, 199, 49, 0x222222);
	set_pixel(bench, 63, 20, 0x333333);
	set_pixel(bench, 64, 31, 0x444444);
	expect(bench, "0,0 64x16; 0,16 128x16; 192,48 8x2; ");
	assert_int_equal(seen(bench, 0, 0), 0x111111);
	assert_int_equal(seen(bench, 199, 49), 0x222222);
	assert_int_equal(seen(bench, 63, 20), 0x333333);
	assert_int_equal(seen(bench, 64, 31), 0x444444);
	/* Apart in one band: two rectangles. */
	set_pixel(bench, 5, 2, 1);
	set_pixel(bench, 150, 3, 1);
	expect(bench, "0,0 64x16; 128,0 64x16; ");
}

static void what_follows_a_line_is_not_shown(void **state)
{
	struct bench *bench = *state;

	memset(bench->pixels + SCREEN_W * 4, 0xff, STRIDE - SCREEN_W * 4);
	expect(bench, "");
}

static void bytes_are_turned_round(void **state)
{
	struct bench *bench = *state;

	bench->image.swapped = true;
	set_pixel(bench, 199, 49, 0x11223344);
	expect(bench, "192,48 8x2; ");
	assert_int_equal(seen(bench, 199, 49), 0x44332211);
	expect(bench, "");
}

static void a_dark_screen_is_black(void **state)
{
	struct bench *bench = *state;

	set_pixel(bench, 7, 7, 0xffffff);
	expect(bench, "0,0 64x16; ");
	bench->image.pixels = NULL;
	expect(bench, "0,0 200x50; ");
	assert_int_equal(seen(bench, 7, 7), 0);
	expect(bench, "");
	bench->image.pixels = bench->pixels;
	expect(bench, "0,0 64x16; ");
}

/* The guest's screen became smaller; the client's cannot. */
static void the_rest_is_black(void **state)
{
	struct bench *bench = *state;

	memset(bench->pixels, 0x55, sizeof(bench->pixels));
	expect(bench, "0,0 200x16; 0,16 200x16; 0,32 200x16; 0,48 200x2; ");
	bench->image.width = 190;
	bench->image.height = 40;
	expect(bench, "190,0 10x40; 0,40 200x10; ");
	assert_int_equal(seen(bench, 189, 39), 0x55555555);
	assert_int_equal(seen(bench, 190, 39), 0);
	assert_int_equal(seen(bench, 0, 40), 0);
	expect(bench, "");
}

static void a_larger_screen_is_cut(void **state)
{
	struct bench *bench = *state;

	frame_fini(&bench->frame);
	assert_int_equal(frame_init(&bench->frame, 70, 20), 0);
	set_pixel(bench, 69, 19, 1);
	set_pixel(bench, 70, 19, 1);
	set_pixel(bench, 69, 20, 1);
	expect(bench, "64,16 6x4; ");
}

int main(void)
{
#define ON_BENCH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    ON_BENCH(nothing_changed),
	    ON_BENCH(tiles_are_found),
	    ON_BENCH(what_follows_a_line_is_not_shown),
	    ON_BENCH(bytes_are_turned_round),
	    ON_BENCH(a_dark_screen_is_black),
	    ON_BENCH(the_rest_is_black),
	    ON_BENCH(a_larger_screen_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
