/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays byway for the browser test: byway's own VNC server on WHERE ("tcp=..."
 * or "unix=..."), showing coloured blocks, until SIGTERM. What the viewer types
 * and points at is printed: "key CODE", "pointer X Y BUTTONS".
 *
 *	screen WHERE [PASSWORD]
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/display/display.h"

#define WIDTH  800u
#define HEIGHT 600u
#define BLOCK  40u /* pixels a side */

static uint32_t pixels[WIDTH * HEIGHT];

/* The colour of a block; tests/novnc/browser.py has the same. */
static uint32_t colour(unsigned x, unsigned y)
{
	return (x * 0x3b5a11u + y * 0x17c3e7u + 0x204080u) & 0xf0f0f0u;
}

static void draw(void)
{
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 0; x < WIDTH; x++)
			pixels[y * WIDTH + x] = colour(x / BLOCK, y / BLOCK);
}

static void get_image(void *ctx UNUSED, struct display_image *ret_image)
{
	*ret_image = (struct display_image){
	    .width = WIDTH,
	    .height = HEIGHT,
	    .stride = sizeof(*pixels) * WIDTH,
	    .pixels = (const uint8_t *)pixels,
	};
}

static void on_key(void *ctx UNUSED, uint8_t key, bool down)
{
	if (down)
		printf("key %02x\n", key);
}

static void on_pointer(void *ctx UNUSED, const struct input_pointer *event)
{
	printf("pointer %u %u %u\n", event->x, event->y, event->buttons);
}

static struct evloop *loop;

static void on_term(int signo UNUSED)
{
	_exit(0);
}

int main(int argc, char **argv)
{
	static const struct input_sink sink = {.key = on_key,
					       .pointer = on_pointer};
	struct input_hub *hub;
	struct display *display;
	struct err err = {0};
	struct display_params params = {
	    .name = "browser test",
	    .where = argc > 1 ? argv[1] : "",
	    .password = argc > 2 ? argv[2] : NULL,
	    .source = {.image = get_image},
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, on_term);
	draw();
	if (evloop_create(&loop) || input_hub_create(&hub) ||
	    input_add(hub, &sink))
		return 1;
	params.loop = loop;
	params.hub = hub;
	if (display_create(&params, &err, &display)) {
		fprintf(stderr, "%s\n", err.msg);
		return 4;
	}
	return evloop_run(loop) ? 1 : 0;
}
