/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the VNC server with libvncclient: each lossless encoding shows the
 * screen as it is, and its own idea of a password works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rfb/rfbclient.h>
#include <string.h>

#include "base/log.h"
#include "rfb_client.h"

#define WAIT_US	 20000
#define ATTEMPTS 500

/* The event loop must accept while the library connects: on a thread. */
struct stepper {
	struct stage *stage;
	pthread_t thread;
	bool end;
};

static void *step_main(void *ctx)
{
	struct stepper *stepper = ctx;

	while (!__atomic_load_n(&stepper->end, __ATOMIC_ACQUIRE))
		stage_step(stepper->stage);
	return NULL;
}

static void stepper_start(struct stepper *stepper, struct stage *stage)
{
	stepper->stage = stage;
	stepper->end = false;
	assert_int_equal(
	    pthread_create(&stepper->thread, NULL, step_main, stepper), 0);
}

static void stepper_end(struct stepper *stepper)
{
	__atomic_store_n(&stepper->end, true, __ATOMIC_RELEASE);
	pthread_join(stepper->thread, NULL);
}

static char *give_password(rfbClient *client)
{
	return strdup(rfbClientGetClientData(client, give_password));
}

static rfbClient *connect_to(struct stage *stage, const char *encodings,
			     const char *password)
{
	rfbClient *client = rfbGetClient(8, 3, 4);

	assert_non_null(client);
	client->canHandleNewFBSize = TRUE;
	client->appData.encodingsString = encodings;
	client->appData.compressLevel = 6;
	client->appData.enableJPEG = FALSE;
	client->appData.qualityLevel = 9;
	client->format.redShift = 16;
	client->format.greenShift = 8;
	client->format.blueShift = 0;
	client->GetPassword = give_password;
	rfbClientSetClientData(client, give_password,
			       (void *)(uintptr_t)password);
	free(client->serverHost);
	client->serverHost = strdup(stage->socket);
	client->serverPort = 0;
	return rfbInitClient(client, NULL, NULL) ? client : NULL;
}

static void end_client(rfbClient *client)
{
	free(client->frameBuffer);
	client->frameBuffer = NULL;
	rfbClientCleanup(client);
}

static bool same(struct stage *stage, const rfbClient *client)
{
	const uint32_t *pixels = (const void *)client->frameBuffer;
	unsigned x, y, width = (unsigned)client->width;

	if (width != stage->image.width ||
	    (unsigned)client->height != stage->image.height)
		return false;
	for (y = 0; y < stage->image.height; y++)
		for (x = 0; x < width; x++)
			if ((pixels[y * width + x] & 0xffffff) !=
			    stage_pixel(stage, x, y))
				return false;
	return true;
}

static void follow(struct stage *stage, rfbClient *client)
{
	unsigned i;

	for (i = 0; i < ATTEMPTS; i++) {
		int n = WaitForMessage(client, WAIT_US);

		assert_true(n >= 0);
		if (n > 0)
			assert_true(HandleRFBServerMessage(client));
		if (same(stage, client))
			return;
	}
	fail_msg("%s: the client does not get to see the screen",
		 client->appData.encodingsString);
}

/* Stripes and text-like dots: what the encoders have special cases for. */
static void draw(struct stage *stage)
{
	unsigned x, y;

	stage_show(stage, 403, 307, 99);
	for (y = 100; y < 200; y++)
		for (x = 0; x < 403; x++)
			stage_set_pixel(stage, x, y,
					y % 3 == 0 && x % 7 < 3 ? 0xffffff
								: 0x0000a0);
}

static void encodings_are_lossless(void **state UNUSED)
{
	static const char *const encodings[] = {
	    "raw", "hextile", "zlib", "zrle", "tight", "ultra", "rre",
	};
	struct stage *stage = stage_create(403, 307);
	struct display_params params = stage_params(stage);
	struct stepper stepper;
	unsigned i;

	stage_open(stage, &params);
	stepper_start(&stepper, stage);
	for (i = 0; i < ARRAY_LEN(encodings); i++) {
		rfbClient *client = connect_to(stage, encodings[i], NULL);

		assert_non_null(client);
		draw(stage);
		follow(stage, client);
		stage_set_pixel(stage, 402, 306, 0x010203);
		follow(stage, client);
		stage_show(stage, 128, 96, 5);
		follow(stage, client);
		end_client(client);
		stage_show(stage, 403, 307, i);
	}
	stepper_end(&stepper);
	stage_destroy(stage);
}

static void the_library_knows_the_password(void **state UNUSED)
{
	struct stage *stage = stage_create(64, 64);
	struct display_params params = stage_params(stage);
	struct stepper stepper;
	rfbClient *client;

	params.password = "geheim12";
	stage_open(stage, &params);
	stepper_start(&stepper, stage);
	client = connect_to(stage, "raw", "geheim12");
	assert_non_null(client);
	end_client(client);
	assert_null(connect_to(stage, "raw", "geheim13"));
	stepper_end(&stepper);
	stage_destroy(stage);
}

static void say_nothing(const char *format UNUSED, ...)
{
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodings_are_lossless),
	    cmocka_unit_test(the_library_knows_the_password),
	};

	rfbClientLog = rfbClientErr = say_nothing;
	log_init("test_encodings", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
