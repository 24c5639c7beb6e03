/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the VNC server with an RFB client of the tests' own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <rfb/rfb.h>
#include <string.h>

#include "base/log.h"
#include "rfb_client.h"

#define SYM_SHIFT_L 0xffe1u
#define RAW	    0
#define NEW_SIZE    (-223)
#define EXT_SIZE    (-308)
#define EXT_KEY	    (-258)

static int setup(void **state)
{
	*state = stage_create(320, 200);
	return 0;
}

static int teardown(void **state)
{
	stage_destroy(*state);
	return 0;
}

static void open_with(struct stage *stage, const char *password,
		      const char *layout)
{
	struct display_params params = stage_params(stage);

	params.password = password;
	params.layout = layout;
	stage_open(stage, &params);
}

/* ---- handshake ---- */

static void a_client_gets_in(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, NULL, NULL);
	assert_string_equal(display_where(stage->display), stage->socket);
	rfb = rfb_open(stage, NULL);
	assert_int_equal(rfb->width, 320);
	assert_int_equal(rfb->height, 200);
	assert_string_equal(rfb->name, "test guest");
	rfb_close(rfb);
}

static void an_empty_password_is_none(void **state)
{
	struct stage *stage = *state;

	open_with(stage, "", NULL);
	rfb_close(rfb_open(stage, NULL));
}

static void the_password_lets_in(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, "secret", NULL);
	rfb = rfb_open(stage, "secret");
	rfb_key(rfb, 'a', true);
	stage_expect(stage, "+1e ");
	rfb_close(rfb);
	stage_expect(stage, "-1e ");
}

static void a_wrong_password_does_not(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;
	char types[8];

	open_with(stage, "secret", NULL);
	rfb = rfb_connect(stage);
	rfb_version(rfb);
	rfb_security_types(rfb, types, sizeof(types));
	assert_int_equal(rfb_authenticate(rfb, "Secret"), 1);
	rfb_key(rfb, 'a', true);
	rfb_expect_end(rfb);
	rfb_close(rfb);
	stage_expect(stage, "");
	/* Others are not held up by the guess. */
	rfb_close(rfb_open(stage, "secret"));
}

static void nobody_gets_in_by_asking_for_none(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;
	char types[8];

	open_with(stage, "secret", NULL);
	rfb = rfb_connect(stage);
	rfb_version(rfb);
	rfb_security_types(rfb, types, sizeof(types));
	assert_string_equal(types, "2");
	rfb_send(rfb, "\1", 1);
	rfb_send(rfb, "\1", 1);
	rfb_key(rfb, 'a', true);
	rfb_expect_end(rfb);
	rfb_close(rfb);
	stage_expect(stage, "");
}

/* An open display earlier in the process must not open this one. */
static void passwords_hold_after_a_display_without(void **state)
{
	struct stage *stage = *state;

	open_with(stage, NULL, NULL);
	rfb_close(rfb_open(stage, NULL));
	display_destroy(stage->display);
	stage->display = NULL;
	nobody_gets_in_by_asking_for_none(state);
}

/* A way in that the library knows and we do not. */
static void let_in(rfbClientPtr client)
{
	client->state = RFB_INITIALISATION;
}

static void the_library_is_not_relied_on_alone(void **state)
{
	static rfbSecurityHandler back_door = {.type = 7, .handler = let_in};
	__typeof__(rfbRegisterSecurityHandler) *add;
	__typeof__(rfbUnregisterSecurityHandler) *take_away;
	void *lib = dlopen("libvncserver.so.1", RTLD_NOW), *symbol;
	struct stage *stage = *state;
	struct rfb *rfb;
	char types[8];

	assert_non_null(lib);
	symbol = dlsym(lib, "rfbRegisterSecurityHandler");
	memcpy(&add, &symbol, sizeof(symbol));
	symbol = dlsym(lib, "rfbUnregisterSecurityHandler");
	memcpy(&take_away, &symbol, sizeof(symbol));
	open_with(stage, "secret", NULL);
	add(&back_door);
	rfb = rfb_connect(stage);
	rfb_version(rfb);
	rfb_security_types(rfb, types, sizeof(types));
	assert_string_equal(types, "72");
	rfb_send(rfb, "\7\1", 2);
	assert_int_equal(rfb_expect_end(rfb), 0);
	rfb_close(rfb);
	take_away(&back_door);
	dlclose(lib);
}

static void the_handshake_has_a_deadline(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);
	struct rfb *slow, *quick;

	params.handshake_ns = 2 * NS_PER_S;
	stage_open(stage, &params);
	quick = rfb_open(stage, NULL);
	slow = rfb_connect(stage);
	rfb_expect_end(slow);
	rfb_close(slow);
	/* Who is in stays in. */
	rfb_key(quick, 'a', true);
	stage_expect(stage, "+1e ");
	rfb_close(quick);
}

static void note_ready(void *ctx)
{
	++*(unsigned *)ctx;
}

static void the_first_client_is_announced(void **state)
{
	struct stage *stage = *state;
	unsigned ready = 0, steps;
	struct rfb *rfb;

	open_with(stage, "secret", NULL);
	display_on_client(stage->display, note_ready, &ready);
	rfb = rfb_connect(stage);
	rfb_version(rfb);
	stage_step(stage);
	stage_step(stage);
	assert_int_equal(ready, 0);
	rfb_close(rfb);
	rfb = rfb_open(stage, "secret");
	for (steps = 0; !ready && steps < 200; steps++)
		stage_step(stage);
	assert_int_equal(ready, 1);
	/* Somebody is there already. */
	display_on_client(stage->display, note_ready, &ready);
	for (steps = 0; ready < 2 && steps < 200; steps++)
		stage_step(stage);
	assert_int_equal(ready, 2);
	rfb_close(rfb);
}

/* ---- pictures ---- */

static void the_client_sees_the_screen(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, NULL, NULL);
	stage_show(stage, 320, 200, 7);
	rfb = rfb_open(stage, NULL);
	rfb_follow(rfb);
	rfb_close(rfb);
}

static void the_client_sees_what_changes(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, NULL, NULL);
	rfb = rfb_open(stage, NULL);
	rfb_request(rfb, false);
	rfb_update(rfb);
	rfb_request(rfb, true);
	stage_set_pixel(stage, 319, 199, 0x123456);
	rfb_update(rfb);
	assert_int_equal(rfb->rects, 1);
	assert_int_equal(rfb->pixels[199 * 320 + 319], 0x123456);
	stage_set_pixel(stage, 0, 0, 0xfedcba);
	stage_set_pixel(stage, 300, 0, 0xabcdef);
	rfb_follow(rfb);
	rfb_close(rfb);
}

static void a_swapped_screen_is_turned_round(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;
	unsigned i;

	stage->image.swapped = true;
	stage_set_pixel(stage, 5, 3, 0x11223344);
	open_with(stage, NULL, NULL);
	rfb = rfb_open(stage, NULL);
	for (i = 0; i < 10 && rfb->pixels[3 * 320 + 5] != 0x44332211; i++) {
		rfb_request(rfb, true);
		rfb_update(rfb);
	}
	assert_int_equal(rfb->pixels[3 * 320 + 5], 0x44332211);
	rfb_close(rfb);
}

/* A client of a screen of this size that follows others. */
static struct rfb *open_follower(struct stage *stage, int32_t how,
				 unsigned width, unsigned height)
{
	const int32_t encodings[] = {RAW, how};
	struct rfb *rfb;

	open_with(stage, NULL, NULL);
	stage_show(stage, width, height, 5);
	rfb = rfb_open(stage, NULL);
	rfb_encodings(rfb, encodings, ARRAY_LEN(encodings));
	rfb_follow(rfb);
	return rfb;
}

static void follow_resize(struct stage *stage, int32_t how)
{
	struct rfb *rfb = open_follower(stage, how, 320, 200);

	stage_show(stage, 1366, 768, 11);
	rfb_follow(rfb);
	assert_int_equal(rfb->width, 1366);
	stage_show(stage, 64, 64, 12);
	rfb_follow(rfb);
	rfb_close(rfb);
}

static void the_client_follows_a_new_size(void **state)
{
	follow_resize(*state, NEW_SIZE);
}

static void the_client_follows_an_extended_size(void **state)
{
	follow_resize(*state, EXT_SIZE);
}

/* SetScale, of clients that ask the server to make the picture smaller. */
static void ask_for_scale(struct rfb *rfb, uint8_t divisor)
{
	const uint8_t ask[4] = {8, divisor};

	rfb_send(rfb, ask, sizeof(ask));
}

static void be_scaled(struct rfb *rfb, uint8_t divisor)
{
	unsigned width = rfb->width / divisor, i;

	ask_for_scale(rfb, divisor);
	for (i = 0; i < 10 && rfb->width != width; i++) {
		rfb_request(rfb, true);
		rfb_update(rfb);
	}
	assert_int_equal(rfb->width, width);
}

/* It sees the new one as it is, and asks again when it likes. */
static void a_scaled_client_follows_a_new_size(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb = open_follower(stage, NEW_SIZE, 320, 256);

	be_scaled(rfb, 2);
	/* Lower than the picture that was made smaller. */
	stage_show(stage, 320, 64, 6);
	rfb_follow(rfb);
	be_scaled(rfb, 4);
	stage_show(stage, 640, 480, 7);
	rfb_follow(rfb);
	rfb_close(rfb);
}

static void nobody_is_scaled_to_nothing(void **state)
{
	static const uint8_t as_it_is[6] = {4, 0, 0, 64, 0, 64};
	struct stage *stage = *state;
	struct rfb *rfb = open_follower(stage, NEW_SIZE, 64, 64);
	uint8_t size[6];

	ask_for_scale(rfb, 255);
	rfb_receive(rfb, size, sizeof(size));
	size[1] = 0; /* says nothing */
	assert_memory_equal(size, as_it_is, sizeof(size));
	stage_set_pixel(stage, 5, 5, 0x123456);
	rfb_follow(rfb);
	rfb_close(rfb);
}

/* Upper left corner; the rest is black. */
static void a_client_without_resize_sees_a_part(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;
	unsigned i;

	open_with(stage, NULL, NULL);
	stage_show(stage, 320, 200, 5);
	rfb = rfb_open(stage, NULL);
	rfb_follow(rfb);
	stage_show(stage, 640, 100, 9);
	for (i = 0; i < 30 && (rfb->pixels[150 * 320] != 0 ||
			       rfb->pixels[99 * 320 + 319] !=
				   stage_pixel(stage, 319, 99));
	     i++) {
		rfb_request(rfb, true);
		rfb_update(rfb);
	}
	assert_int_equal(rfb->pixels[150 * 320], 0);
	assert_int_equal(rfb->pixels[99 * 320 + 319],
			 stage_pixel(stage, 319, 99));
	assert_int_equal(rfb->width, 320);
	/* It points at what it sees. */
	rfb_pointer(rfb, 0, 319, 99);
	rfb_pointer(rfb, 0, 0, 150);
	stage_expect(stage, "(16358,32767 0,0 b0 w0) (0,32767 -319,51 b0 w0) ");
	rfb_close(rfb);
}

static void two_clients_share_the_screen(void **state)
{
	struct stage *stage = *state;
	struct rfb *first, *second;

	open_with(stage, NULL, NULL);
	stage_show(stage, 320, 200, 3);
	first = rfb_open(stage, NULL);
	rfb_follow(first);
	second = rfb_open(stage, NULL);
	rfb_follow(second);
	stage_set_pixel(stage, 100, 100, 0x999999);
	rfb_follow(first);
	rfb_follow(second);
	rfb_key(first, 'a', true);
	stage_expect(stage, "+1e ");
	rfb_key(second, 's', true);
	stage_expect(stage, "+1f ");
	/* Each takes only its own keys along. */
	rfb_close(first);
	stage_expect(stage, "-1e ");
	rfb_close(second);
	stage_expect(stage, "-1f ");
}

static void clients_are_limited(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb[DISPLAY_CLIENTS], *more;
	unsigned i;

	open_with(stage, NULL, NULL);
	for (i = 0; i < DISPLAY_CLIENTS; i++)
		rfb[i] = rfb_open(stage, NULL);
	more = rfb_connect(stage);
	rfb_expect_end(more);
	rfb_close(more);
	rfb_close(rfb[3]);
	/* Its place is free once the thread has ended. */
	for (i = 0; i < 20; i++)
		stage_step(stage);
	rfb[3] = rfb_open(stage, NULL);
	for (i = 0; i < DISPLAY_CLIENTS; i++)
		rfb_close(rfb[i]);
}

/* ---- input ---- */

static void scan_codes_pass(void **state)
{
	const int32_t encodings[] = {RAW, EXT_KEY};
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, NULL, NULL);
	rfb = rfb_open(stage, NULL);
	rfb_encodings(rfb, encodings, ARRAY_LEN(encodings));
	rfb_update(rfb);
	assert_true(rfb->key_ack);
	rfb_ext_key(rfb, 'a', 0x1e, true);
	rfb_ext_key(rfb, 'a', 0x1e, false);
	rfb_ext_key(rfb, 0xff55, 0xc9, true);
	rfb_ext_key(rfb, 0xff55, 0xc9, false);
	rfb_ext_key(rfb, 'b', 0, true); /* no code: by its symbol */
	rfb_ext_key(rfb, 'b', 0, false);
	stage_expect(stage, "+1e -1e +c9 -c9 +30 -30 ");
	rfb_close(rfb);
}

static void type(struct rfb *rfb, uint32_t keysym)
{
	rfb_key(rfb, keysym, true);
	rfb_key(rfb, keysym, false);
}

/* What a Japanese keyboard sends for @ [ ] : \ and, with Shift, _ ` */
static void symbols_find_their_keys(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, NULL, "jp");
	rfb = rfb_open(stage, NULL);
	type(rfb, '@');
	type(rfb, '[');
	type(rfb, ']');
	type(rfb, ':');
	type(rfb, '\\');
	stage_expect(stage, "+1a -1a +1b -1b +2b -2b +28 -28 +73 -73 ");
	rfb_key(rfb, SYM_SHIFT_L, true);
	type(rfb, '_');
	type(rfb, '`');
	rfb_key(rfb, SYM_SHIFT_L, false);
	stage_expect(stage, "+2a +73 -73 +1a -1a -2a ");
	rfb_close(rfb);
}

static void the_pointer_moves(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;

	open_with(stage, NULL, NULL);
	rfb = rfb_open(stage, NULL);
	rfb_pointer(rfb, 0, 0, 0);
	rfb_pointer(rfb, 1, 319, 199);
	rfb_pointer(rfb, 7, 160, 100);
	stage_expect(stage, "(0,0 0,0 b0 w0) (32767,32767 319,199 b1 w0) "
			    "(16435,16466 -159,-99 b7 w0) ");
	/* Outside, wheel up twice, wheel down, a side button. */
	rfb_pointer(rfb, 0, 5000, 100);
	rfb_pointer(rfb, 8, 10, 10);
	rfb_pointer(rfb, 0, 10, 10);
	rfb_pointer(rfb, 8, 10, 10);
	rfb_pointer(rfb, 16, 10, 10);
	rfb_pointer(rfb, 128, 10, 10);
	stage_expect(stage, "(32767,16466 4840,0 b0 w0) "
			    "(1027,1647 -4990,-90 b0 w1) "
			    "(1027,1647 0,0 b0 w0) (1027,1647 0,0 b0 w1) "
			    "(1027,1647 0,0 b0 w-1) (1027,1647 0,0 b8 w0) ");
	rfb_close(rfb);
	stage_expect(stage, "(1027,1647 0,0 b0 w0) ");
}

/* ---- bad clients ---- */

static void garbage_is_let_go_of(void **state)
{
	static const char http[] = "GET / HTTP/1.0\r\n\r\n";
	struct stage *stage = *state;
	struct rfb *rfb, *good;
	uint8_t junk[512];
	unsigned i;

	for (i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)(i * 151 + 7);
	open_with(stage, NULL, NULL);
	good = rfb_open(stage, NULL);
	rfb = rfb_connect(stage);
	rfb_send(rfb, junk, sizeof(junk));
	rfb_expect_end(rfb);
	rfb_close(rfb);
	rfb = rfb_connect(stage);
	rfb_send(rfb, http, sizeof(http) - 1);
	rfb_expect_end(rfb);
	rfb_close(rfb);
	/* Unknown message; unknown kind of QEMU's. */
	rfb = rfb_open(stage, NULL);
	rfb_send(rfb, "\xc8\0\0\0", 4);
	rfb_expect_end(rfb);
	rfb_close(rfb);
	rfb = rfb_open(stage, NULL);
	rfb_send(rfb, "\xff\7\0\0", 4);
	rfb_expect_end(rfb);
	rfb_close(rfb);
	rfb_key(good, 'a', true);
	stage_expect(stage, "+1e ");
	rfb_close(good);
}

static void an_unfinished_message_holds_up_nobody(void **state)
{
	struct stage *stage = *state;
	struct rfb *stuck, *good;

	open_with(stage, NULL, NULL);
	stage_show(stage, 320, 200, 21);
	stuck = rfb_open(stage, NULL);
	rfb_send(stuck, "\4\1", 2);
	good = rfb_open(stage, NULL);
	rfb_follow(good);
	rfb_key(good, 'a', true);
	stage_expect(stage, "+1e ");
	rfb_close(good);
	rfb_close(stuck);
}

static void who_does_not_read_holds_up_nobody(void **state)
{
	struct stage *stage = *state;
	struct rfb *deaf, *good;
	unsigned i;

	open_with(stage, NULL, NULL);
	stage_show(stage, 1600, 900, 21);
	deaf = rfb_open(stage, NULL);
	for (i = 0; i < 10; i++)
		rfb_request(deaf, false);
	good = rfb_open(stage, NULL);
	rfb_follow(good);
	rfb_close(good);
	rfb_close(deaf);
}

static void clients_notice_the_end(void **state)
{
	struct stage *stage = *state;
	struct rfb *idle, *stuck;

	open_with(stage, NULL, NULL);
	idle = rfb_open(stage, NULL);
	rfb_follow(idle);
	rfb_request(idle, true);
	stuck = rfb_open(stage, NULL);
	rfb_send(stuck, "\6", 1);
	rfb_key(idle, 'a', true);
	stage_expect(stage, "+1e ");
	display_destroy(stage->display);
	stage->display = NULL;
	rfb_expect_end(idle);
	rfb_expect_end(stuck);
	stage_expect(stage, "-1e ");
	rfb_close(idle);
	rfb_close(stuck);
}

/* ---- WebSocket ---- */

static const char ws_request[] =
    "GET /websockify HTTP/1.1\r\nHost: localhost:5900\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n"
    "Origin: http://localhost\r\n\r\n";

/* The example of RFC 6455, 1.3. */
static const char ws_accept[] =
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

static void web_answer(struct rfb *rfb, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	while (len + 1 < size && !strstr(buf, "\r\n\r\n")) {
		rfb_receive(rfb, buf + len++, 1);
		buf[len] = '\0';
	}
}

static void a_websocket_is_served_with_a_password(void **state)
{
	struct stage *stage = *state;
	struct rfb *rfb;
	char answer[512];
	uint8_t frame[14];

	open_with(stage, "secret", NULL);
	rfb = rfb_connect(stage);
	rfb_send(rfb, ws_request, sizeof(ws_request) - 1);
	web_answer(rfb, answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 101"));
	assert_non_null(strstr(answer, ws_accept));
	rfb_receive(rfb, frame, sizeof(frame));
	assert_int_equal(frame[0], 0x82);
	assert_int_equal(frame[1], 12);
	assert_memory_equal(frame + 2, "RFB 003.008\n", 12);
	rfb_close(rfb);
}

/* The browser is told that there is a WebSocket, but nobody listens to it. */
static void a_websocket_without_password_is_refused(void **state)
{
	/* The version, in a frame whose mask is 0. */
	static const char version[] = "\x82\x8c\0\0\0\0RFB 003.008\n";
	struct stage *stage = *state;
	struct rfb *rfb;
	char answer[512];
	uint8_t frame[14];

	open_with(stage, NULL, NULL);
	rfb = rfb_connect(stage);
	rfb_send(rfb, ws_request, sizeof(ws_request) - 1);
	web_answer(rfb, answer, sizeof(answer));
	rfb_receive(rfb, frame, sizeof(frame));
	rfb_send(rfb, version, sizeof(version) - 1);
	assert_int_equal(rfb_expect_end(rfb), 0);
	rfb_close(rfb);
}

static void a_websocket_without_password_can_be_asked_for(void **state)
{
	struct stage *stage = *state;
	struct display_params params = stage_params(stage);
	struct rfb *rfb;
	char answer[512];
	uint8_t frame[14];

	params.websocket = true;
	stage_open(stage, &params);
	rfb = rfb_connect(stage);
	rfb_send(rfb, ws_request, sizeof(ws_request) - 1);
	web_answer(rfb, answer, sizeof(answer));
	rfb_receive(rfb, frame, sizeof(frame));
	assert_memory_equal(frame + 2, "RFB 003.008\n", 12);
	rfb_close(rfb);
}

int main(void)
{
#define STAGED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    STAGED(a_client_gets_in),
	    STAGED(an_empty_password_is_none),
	    STAGED(the_password_lets_in),
	    STAGED(a_wrong_password_does_not),
	    STAGED(nobody_gets_in_by_asking_for_none),
	    STAGED(passwords_hold_after_a_display_without),
	    STAGED(the_library_is_not_relied_on_alone),
	    STAGED(the_handshake_has_a_deadline),
	    STAGED(the_first_client_is_announced),
	    STAGED(the_client_sees_the_screen),
	    STAGED(the_client_sees_what_changes),
	    STAGED(a_swapped_screen_is_turned_round),
	    STAGED(the_client_follows_a_new_size),
	    STAGED(the_client_follows_an_extended_size),
	    STAGED(a_client_without_resize_sees_a_part),
	    STAGED(a_scaled_client_follows_a_new_size),
	    STAGED(nobody_is_scaled_to_nothing),
	    STAGED(two_clients_share_the_screen),
	    STAGED(clients_are_limited),
	    STAGED(scan_codes_pass),
	    STAGED(symbols_find_their_keys),
	    STAGED(the_pointer_moves),
	    STAGED(garbage_is_let_go_of),
	    STAGED(an_unfinished_message_holds_up_nobody),
	    STAGED(who_does_not_read_holds_up_nobody),
	    STAGED(clients_notice_the_end),
	    STAGED(a_websocket_is_served_with_a_password),
	    STAGED(a_websocket_without_password_is_refused),
	    STAGED(a_websocket_without_password_can_be_asked_for),
	};

	log_init("test_display", LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
