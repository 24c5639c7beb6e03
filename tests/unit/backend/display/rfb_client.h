/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small RFB client for tests, byte by byte as RFC 6143 has it, and the stage
 * it plays on: an event loop, a screen to look at, a hub that is listened to,
 * and a display on a unix socket in a directory of its own.
 *
 * Everything fails the test when it takes longer than RFB_WAIT_S seconds.
 */
#ifndef TESTS_BACKEND_RFB_CLIENT_H
#define TESTS_BACKEND_RFB_CLIENT_H

#include <pthread.h>

#include "backend/display/display.h"

#define RFB_WAIT_S	20
#define RFB_HEARD_BYTES 4096u

/* ---- the stage ---- */

struct stage {
	struct evloop *loop;
	struct input_hub *hub;
	struct input_sink sink;
	struct display *display;
	char dir[64], socket[96], where[128];
	pthread_mutex_t lock; /* of what follows */
	struct display_image image;
	char heard[RFB_HEARD_BYTES]; /* "+1e -1e (1,2 0,0 b1 w0) " */
};

/* A black screen of this size; no display yet. */
struct stage *stage_create(unsigned width, unsigned height);
void stage_destroy(struct stage *stage);

/* Parameters for a display on the stage's socket; change them, then open. */
struct display_params stage_params(struct stage *stage);
void stage_open(struct stage *stage, const struct display_params *params);

/* Replaces the screen by a pattern of this size that depends on `seed`. */
void stage_show(struct stage *stage, unsigned width, unsigned height,
		uint32_t seed);
void stage_set_pixel(struct stage *stage, unsigned x, unsigned y,
		     uint32_t value);
uint32_t stage_pixel(struct stage *stage, unsigned x, unsigned y);

/* Waits until exactly this was heard since the last call. */
void stage_expect(struct stage *stage, const char *heard);

/* Lets the event loop run for a moment. */
void stage_step(struct stage *stage);

/* ---- the client ---- */

struct rfb {
	struct stage *stage;
	int fd;
	unsigned width, height;
	uint32_t *pixels; /* what it has seen */
	char name[64];
	unsigned rects; /* of the last update */
	bool key_ack;	/* was in an update */
	bool resized;	/* by the last update */
};

/* Connected, nothing said. */
struct rfb *rfb_connect(struct stage *stage);
/* Through the handshake; NULL password: none is expected to be asked for. */
struct rfb *rfb_open(struct stage *stage, const char *password);
void rfb_close(struct rfb *rfb);

void rfb_send(struct rfb *rfb, const void *data, size_t len);
void rfb_receive(struct rfb *rfb, void *data, size_t len);
/* The other side closes; the bytes it says before. */
size_t rfb_expect_end(struct rfb *rfb);

/* The handshake in steps; each fails the test when it is not as expected. */
void rfb_version(struct rfb *rfb);
/* Kinds of security offered, as a string of digits, such as "1". */
void rfb_security_types(struct rfb *rfb, char *buf, size_t size);
/* Answers the challenge; the result word (0: welcome). */
uint32_t rfb_authenticate(struct rfb *rfb, const char *password);
void rfb_init(struct rfb *rfb);

void rfb_encodings(struct rfb *rfb, const int32_t *list, unsigned count);
void rfb_request(struct rfb *rfb, bool incremental);
/* Receives one update. */
void rfb_update(struct rfb *rfb);
/* Asks and receives until the screen is seen as it is. */
void rfb_follow(struct rfb *rfb);
void rfb_key(struct rfb *rfb, uint32_t keysym, bool down);
void rfb_ext_key(struct rfb *rfb, uint32_t keysym, uint32_t code, bool down);
void rfb_pointer(struct rfb *rfb, uint8_t mask, uint16_t x, uint16_t y);

#endif
