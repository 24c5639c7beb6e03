/* SPDX-License-Identifier: BSD-2-Clause */
/* The RFB client and its stage; described in rfb_client.h. */
#include "rfb_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"

#define STEP_MS	       20
#define TYPE_UPDATE    0
#define CODE_NEW_SIZE  (-223)
#define CODE_EXT_SIZE  (-308)
#define CODE_EXT_KEY   (-258)
#define CHALLENGE_LEN  16
#define VERSION	       "RFB 003.008\n"
#define VERSION_LEN    12
#define SCREEN_LEN     16 /* of an ExtendedDesktopSize rectangle */
#define FOLLOW_UPDATES 100

/* ---- the stage ---- */

static void get_image(void *ctx, struct display_image *ret_image)
{
	struct stage *stage = ctx;

	pthread_mutex_lock(&stage->lock);
	*ret_image = stage->image;
	pthread_mutex_unlock(&stage->lock);
}

static void hear(struct stage *stage, const char *text)
{
	pthread_mutex_lock(&stage->lock);
	strncat(stage->heard, text,
		sizeof(stage->heard) - strlen(stage->heard) - 1);
	pthread_mutex_unlock(&stage->lock);
}

static void on_key(void *ctx, uint8_t key, bool down)
{
	char text[16];

	snprintf(text, sizeof(text), "%c%02x ", down ? '+' : '-', key);
	hear(ctx, text);
}

static void on_pointer(void *ctx, const struct input_pointer *e)
{
	char text[64];

	snprintf(text, sizeof(text), "(%u,%u %d,%d b%u w%d) ", e->x, e->y,
		 e->dx, e->dy, e->buttons, e->wheel);
	hear(ctx, text);
}

/*
 * Screens stay allocated until the end, as display.h asks of a source: the
 * largest that tests use, once.
 */
#define ROOM (2048u * 1200u * 4u)

struct stage *stage_create(unsigned width, unsigned height)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	pthread_mutex_init(&stage->lock, NULL);
	assert_int_equal(evloop_create(&stage->loop), 0);
	assert_int_equal(input_hub_create(&stage->hub), 0);
	stage->sink = (struct input_sink){
	    .key = on_key, .pointer = on_pointer, .ctx = stage};
	assert_int_equal(input_add(stage->hub, &stage->sink), 0);
	strcpy(stage->dir, "/tmp/byway-display-XXXXXX");
	assert_non_null(mkdtemp(stage->dir));
	snprintf(stage->socket, sizeof(stage->socket), "%s/vnc", stage->dir);
	stage->image = (struct display_image){
	    .width = width,
	    .height = height,
	    .stride = (size_t)width * 4,
	    .pixels = calloc(1, ROOM),
	};
	assert_non_null(stage->image.pixels);
	return stage;
}

void stage_destroy(struct stage *stage)
{
	display_destroy(stage->display);
	evloop_destroy(stage->loop);
	input_hub_destroy(stage->hub);
	/* The socket is gone with the display. */
	assert_int_equal(rmdir(stage->dir), 0);
	pthread_mutex_destroy(&stage->lock);
	free((void *)(uintptr_t)stage->image.pixels);
	free(stage);
}

struct display_params stage_params(struct stage *stage)
{
	snprintf(stage->where, sizeof(stage->where), "unix=%s", stage->socket);
	return (struct display_params){
	    .name = "test guest",
	    .where = stage->where,
	    .source = {.image = get_image, .ctx = stage},
	    .hub = stage->hub,
	    .loop = stage->loop,
	};
}

void stage_open(struct stage *stage, const struct display_params *params)
{
	struct err err = {0};

	if (display_create(params, &err, &stage->display))
		fail_msg("%s", err.msg);
}

static uint32_t *pixel_at(struct stage *stage, unsigned x, unsigned y)
{
	uint8_t *pixels = (uint8_t *)(uintptr_t)stage->image.pixels;

	return (uint32_t *)(void *)(pixels + y * stage->image.stride) + x;
}

void stage_set_pixel(struct stage *stage, unsigned x, unsigned y,
		     uint32_t value)
{
	__atomic_store_n(pixel_at(stage, x, y), value, __ATOMIC_RELAXED);
}

uint32_t stage_pixel(struct stage *stage, unsigned x, unsigned y)
{
	return __atomic_load_n(pixel_at(stage, x, y), __ATOMIC_RELAXED);
}

void stage_show(struct stage *stage, unsigned width, unsigned height,
		uint32_t seed)
{
	unsigned x, y;

	assert_true((size_t)width * height * 4 <= ROOM);
	pthread_mutex_lock(&stage->lock);
	stage->image.width = width;
	stage->image.height = height;
	stage->image.stride = (size_t)width * 4;
	pthread_mutex_unlock(&stage->lock);
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			stage_set_pixel(stage, x, y,
					(x * 2654435761u ^ y * seed) &
					    0xffffff);
}

static uint64_t deadline(void)
{
	return clock_host()->mono_ns(clock_host()) + RFB_WAIT_S * NS_PER_S;
}

static bool passed(uint64_t when)
{
	return clock_host()->mono_ns(clock_host()) > when;
}

void stage_step(struct stage *stage)
{
	assert_int_equal(evloop_step(stage->loop, STEP_MS), 0);
}

void stage_expect(struct stage *stage, const char *heard)
{
	uint64_t end = deadline();
	bool same = false;

	/* A little longer than needed, so that too much is noticed as well. */
	while (!same && !passed(end)) {
		stage_step(stage);
		pthread_mutex_lock(&stage->lock);
		same = strlen(stage->heard) >= strlen(heard);
		pthread_mutex_unlock(&stage->lock);
	}
	stage_step(stage);
	pthread_mutex_lock(&stage->lock);
	assert_string_equal(stage->heard, heard);
	stage->heard[0] = '\0';
	pthread_mutex_unlock(&stage->lock);
}

/* ---- bytes ---- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

void rfb_send(struct rfb *rfb, const void *data, size_t len)
{
	ssize_t n = send(rfb->fd, data, len, MSG_NOSIGNAL);

	/* Fits into the socket's buffer, or the other side is gone. */
	assert_true(n == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

/* Bytes there are, at most len; 0: the end. The event loop runs meanwhile. */
static size_t receive_some(struct rfb *rfb, void *data, size_t len)
{
	struct pollfd pfd = {.fd = rfb->fd, .events = POLLIN};
	uint64_t end = deadline();
	ssize_t n;

	while (poll(&pfd, 1, 0) == 0) {
		if (passed(end))
			fail_msg("the server says nothing");
		stage_step(rfb->stage);
	}
	n = recv(rfb->fd, data, len, 0);
	return n > 0 ? (size_t)n : 0;
}

void rfb_receive(struct rfb *rfb, void *data, size_t len)
{
	uint8_t *to = data;
	size_t n;

	while (len > 0) {
		n = receive_some(rfb, to, len);
		if (!n)
			fail_msg("the server closed the connection");
		to += n;
		len -= n;
	}
}

size_t rfb_expect_end(struct rfb *rfb)
{
	uint64_t end = deadline();
	uint8_t some[256];
	size_t n, total = 0;

	while ((n = receive_some(rfb, some, sizeof(some)))) {
		total += n;
		if (passed(end))
			fail_msg("the server does not close");
	}
	return total;
}

static void drop(struct rfb *rfb, size_t len)
{
	uint8_t byte;

	while (len-- > 0)
		rfb_receive(rfb, &byte, 1);
}

/* ---- handshake ---- */

struct rfb *rfb_connect(struct stage *stage)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rfb *rfb = calloc(1, sizeof(*rfb));

	assert_non_null(rfb);
	rfb->stage = stage;
	rfb->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(rfb->fd >= 0);
	memcpy(addr.sun_path, stage->socket, strlen(stage->socket) + 1);
	assert_int_equal(
	    connect(rfb->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return rfb;
}

void rfb_close(struct rfb *rfb)
{
	close(rfb->fd);
	free(rfb->pixels);
	free(rfb);
}

void rfb_version(struct rfb *rfb)
{
	char version[VERSION_LEN + 1] = "";

	rfb_receive(rfb, version, VERSION_LEN);
	assert_string_equal(version, VERSION);
	rfb_send(rfb, version, VERSION_LEN);
}

void rfb_security_types(struct rfb *rfb, char *buf, size_t size)
{
	uint8_t count, type;

	rfb_receive(rfb, &count, 1);
	assert_true(count > 0 && count < size);
	while (count-- > 0) {
		rfb_receive(rfb, &type, 1);
		assert_true(type < 10);
		*buf++ = (char)('0' + type);
	}
	*buf = '\0';
}

uint32_t rfb_authenticate(struct rfb *rfb, const char *password)
{
	void (*encrypt)(unsigned char *bytes, char *passwd);
	uint8_t challenge[CHALLENGE_LEN], result[4];
	void *lib = dlopen("libvncserver.so.1", RTLD_NOW);
	char key[16];
	void *symbol;

	/* DES with VNC's turn-around of the key's bits. */
	assert_non_null(lib);
	symbol = dlsym(lib, "rfbEncryptBytes");
	memcpy(&encrypt, &symbol, sizeof(symbol));
	assert_non_null(encrypt);
	rfb_send(rfb, "\2", 1);
	rfb_receive(rfb, challenge, sizeof(challenge));
	snprintf(key, sizeof(key), "%s", password);
	encrypt(challenge, key);
	rfb_send(rfb, challenge, sizeof(challenge));
	rfb_receive(rfb, result, sizeof(result));
	dlclose(lib);
	return get32(result);
}

void rfb_init(struct rfb *rfb)
{
	/* 32 bits, depth 24, little-endian, colours; each 255, at 16, 8, 0. */
	static const uint8_t format[13] = {32,	24, 0,	 1,  0, 255, 0,
					   255, 0,  255, 16, 8, 0};
	uint8_t init[24];
	uint32_t len;

	rfb_send(rfb, "\1", 1);
	rfb_receive(rfb, init, sizeof(init));
	rfb->width = get16(init);
	rfb->height = get16(init + 2);
	init[4 + 3] = init[4 + 3] != 0; /* any truth will do */
	assert_memory_equal(init + 4, format, sizeof(format));
	len = get32(init + 20);
	assert_true(len < sizeof(rfb->name));
	rfb_receive(rfb, rfb->name, len);
	rfb->pixels = calloc((size_t)rfb->width * rfb->height, 4);
	assert_non_null(rfb->pixels);
}

struct rfb *rfb_open(struct stage *stage, const char *password)
{
	struct rfb *rfb = rfb_connect(stage);
	uint8_t result[4];
	char types[8];

	rfb_version(rfb);
	rfb_security_types(rfb, types, sizeof(types));
	assert_string_equal(types, password ? "2" : "1");
	if (password) {
		assert_int_equal(rfb_authenticate(rfb, password), 0);
	} else {
		rfb_send(rfb, "\1", 1);
		rfb_receive(rfb, result, sizeof(result));
		assert_int_equal(get32(result), 0);
	}
	rfb_init(rfb);
	return rfb;
}

/* ---- messages ---- */

void rfb_encodings(struct rfb *rfb, const int32_t *list, unsigned count)
{
	uint8_t message[4 + 4 * 16] = {2};
	unsigned i;

	assert_true(count <= 16);
	put16(message + 2, count);
	for (i = 0; i < count; i++)
		put32(message + 4 + 4 * i, (uint32_t)list[i]);
	rfb_send(rfb, message, 4 + 4 * count);
}

void rfb_request(struct rfb *rfb, bool incremental)
{
	uint8_t message[10] = {3, incremental};

	put16(message + 6, rfb->width);
	put16(message + 8, rfb->height);
	rfb_send(rfb, message, sizeof(message));
}

void rfb_key(struct rfb *rfb, uint32_t keysym, bool down)
{
	uint8_t message[8] = {4, down};

	put32(message + 4, keysym);
	rfb_send(rfb, message, sizeof(message));
}

void rfb_ext_key(struct rfb *rfb, uint32_t keysym, uint32_t code, bool down)
{
	uint8_t message[12] = {255, 0, 0, down};

	put32(message + 4, keysym);
	put32(message + 8, code);
	rfb_send(rfb, message, sizeof(message));
}

void rfb_pointer(struct rfb *rfb, uint8_t mask, uint16_t x, uint16_t y)
{
	uint8_t message[6] = {5, mask};

	put16(message + 2, x);
	put16(message + 4, y);
	rfb_send(rfb, message, sizeof(message));
}

/* ---- updates ---- */

static void set_size(struct rfb *rfb, unsigned width, unsigned height)
{
	rfb->resized = rfb->width != width || rfb->height != height;
	rfb->width = width;
	rfb->height = height;
	free(rfb->pixels);
	rfb->pixels = calloc((size_t)width * height, 4);
	assert_non_null(rfb->pixels);
}

static void receive_raw(struct rfb *rfb, unsigned x, unsigned y, unsigned w,
			unsigned h)
{
	unsigned line;

	assert_true(x + w <= rfb->width && y + h <= rfb->height);
	for (line = y; line < y + h; line++)
		rfb_receive(rfb, rfb->pixels + (size_t)line * rfb->width + x,
			    (size_t)w * 4);
}

static void receive_rect(struct rfb *rfb)
{
	uint8_t head[12], screens[4];
	unsigned x, y, w, h;

	rfb_receive(rfb, head, sizeof(head));
	x = get16(head);
	y = get16(head + 2);
	w = get16(head + 4);
	h = get16(head + 6);
	switch ((int32_t)get32(head + 8)) {
	case 0:
		receive_raw(rfb, x, y, w, h);
		break;
	case CODE_NEW_SIZE:
		set_size(rfb, w, h);
		break;
	case CODE_EXT_SIZE:
		rfb_receive(rfb, screens, sizeof(screens));
		drop(rfb, (size_t)screens[0] * SCREEN_LEN);
		set_size(rfb, w, h);
		break;
	case CODE_EXT_KEY:
		rfb->key_ack = true;
		break;
	default:
		fail_msg("encoding %d was not asked for",
			 (int32_t)get32(head + 8));
	}
}

void rfb_update(struct rfb *rfb)
{
	uint8_t head[4];
	unsigned i;

	rfb_receive(rfb, head, sizeof(head));
	assert_int_equal(head[0], TYPE_UPDATE);
	rfb->rects = get16(head + 2);
	rfb->resized = false;
	for (i = 0; i < rfb->rects; i++)
		receive_rect(rfb);
}

static bool sees_the_screen(struct rfb *rfb)
{
	unsigned x, y;

	if (rfb->width != rfb->stage->image.width ||
	    rfb->height != rfb->stage->image.height)
		return false;
	for (y = 0; y < rfb->height; y++)
		for (x = 0; x < rfb->width; x++)
			if (rfb->pixels[(size_t)y * rfb->width + x] !=
			    stage_pixel(rfb->stage, x, y))
				return false;
	return true;
}

void rfb_follow(struct rfb *rfb)
{
	unsigned i;

	for (i = 0; i < FOLLOW_UPDATES; i++) {
		rfb_request(rfb, true);
		rfb_update(rfb);
		if (sees_the_screen(rfb))
			return;
	}
	fail_msg("the client does not get to see the screen");
}
