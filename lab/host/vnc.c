// SPDX-License-Identifier: BSD-2-Clause
// Looks at a screen that a VNC server shows, and types on its keyboard: a
// small client of RFB 3.8 (RFC 6143), without a library, for cases.
//
//	vnc WHERE size             WIDTHxHEIGHT, the encodings it confirmed
//	vnc WHERE shot FILE        the screen as a PPM file
//	vnc WHERE text FONT [TOP]  the characters on it: the lines of a Linux
//	                           console in FONT (PSF 1, 8 pixels wide), whose
//	                           first begins TOP pixels down
//	vnc WHERE type TEXT        by symbol, and without Shift, as an on-screen
//	                           keyboard does; \n is Return
//	vnc WHERE keys CODE...     by set 1 scan code in hex (bit 7: after e0),
//	                           the QEMU extended key event; 1d+38+53 at once
//	vnc WHERE move X Y         the pointer; "click" also presses button 1
//
// WHERE is HOST:PORT (a number and a number) or the path of a unix socket.
// The password is in the environment, VNC_PASSWORD.

#include <arpa/inet.h>
#include <err.h>
#include <linux/if_alg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIMIT_SECONDS 60
#define KEY_US	      40000

enum {
	ENC_RAW = 0,
	ENC_SIZE = -223,
	ENC_KEY_EVENT = -258
};

struct screen {
	int sock;
	unsigned width, height;
	uint32_t *pixels; /* 0x00rrggbb */
	bool has_key_event;
};

/* --- the protocol --- */

static void get(struct screen *screen, void *buf, size_t len)
{
	ssize_t n;

	for (; len > 0; buf = (char *)buf + n, len -= (size_t)n) {
		n = read(screen->sock, buf, len);
		if (n < 0)
			err(1, "read");
		if (n == 0)
			errx(1, "the server has closed the connection");
	}
}

static unsigned get_u16(struct screen *screen)
{
	uint16_t value;

	get(screen, &value, sizeof(value));
	return ntohs(value);
}

static uint32_t get_u32(struct screen *screen)
{
	uint32_t value;

	get(screen, &value, sizeof(value));
	return ntohl(value);
}

static void skip(struct screen *screen, size_t len)
{
	char byte;

	while (len-- > 0)
		get(screen, &byte, 1);
}

static void put(struct screen *screen, const void *buf, size_t len)
{
	if (send(screen->sock, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		err(1, "write");
}

static void set_size(struct screen *screen, unsigned width, unsigned height)
{
	screen->width = width;
	screen->height = height;
	screen->pixels = reallocarray(screen->pixels, (size_t)width * height,
				      sizeof(*screen->pixels));
	if (!screen->pixels)
		err(1, "%ux%u", width, height);
}

static void connect_to(struct screen *screen, char *where)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET};
	char *colon = strrchr(where, ':');
	int r;

	if (*where == '/' && strlen(where) < sizeof(un.sun_path)) {
		strcpy(un.sun_path, where);
		screen->sock = socket(AF_UNIX, SOCK_STREAM, 0);
		r = connect(screen->sock, (struct sockaddr *)&un, sizeof(un));
	} else {
		if (!colon)
			errx(2, "%s: not HOST:PORT", where);
		*colon = '\0';
		in.sin_port = htons((uint16_t)atoi(colon + 1));
		if (inet_pton(AF_INET, where, &in.sin_addr) != 1)
			errx(2, "%s: not an address", where);
		*colon = ':';
		screen->sock = socket(AF_INET, SOCK_STREAM, 0);
		r = connect(screen->sock, (struct sockaddr *)&in, sizeof(in));
	}
	if (r != 0)
		err(1, "%s", where);
}

/*
 * VNC authentication: the challenge comes back encrypted with DES, the key
 * being the password, each byte's bits the other way round. The kernel has
 * DES.
 */
static void encrypt(const char *password, uint8_t challenge[16])
{
	const struct sockaddr_alg alg = {.salg_family = AF_ALG,
					 .salg_type = "skcipher",
					 .salg_name = "ecb(des)"};
	char control[CMSG_SPACE(sizeof(uint32_t))] = {0};
	struct iovec iov = {challenge, 16};
	struct msghdr msg = {.msg_control = control,
			     .msg_controllen = sizeof(control),
			     .msg_iov = &iov,
			     .msg_iovlen = 1};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	uint8_t key[8] = {0};
	int sock, op, i;

	for (i = 0; i < 64 && password[i / 8]; i++)
		if (password[i / 8] >> i % 8 & 1)
			key[i / 8] |= (uint8_t)(0x80 >> i % 8);
	cmsg->cmsg_level = SOL_ALG;
	cmsg->cmsg_type = ALG_SET_OP;
	cmsg->cmsg_len = CMSG_LEN(sizeof(uint32_t));
	*(uint32_t *)CMSG_DATA(cmsg) = ALG_OP_ENCRYPT;
	sock = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (bind(sock, (const struct sockaddr *)&alg, sizeof(alg)) != 0 ||
	    setsockopt(sock, SOL_ALG, ALG_SET_KEY, key, sizeof(key)) != 0)
		err(1, "DES of the kernel");
	op = accept(sock, NULL, 0);
	if (sendmsg(op, &msg, 0) != 16 || read(op, challenge, 16) != 16)
		err(1, "DES of the kernel");
	close(op);
	close(sock);
}

/* Chooses what the server offers; ends the program if that lets nobody in. */
static void authenticate(struct screen *screen)
{
	const char *password = getenv("VNC_PASSWORD");
	uint8_t count, types[255], challenge[16];

	get(screen, &count, 1);
	get(screen, types, count);
	if (memchr(types, 1, count)) {
		put(screen, "\1", 1);
	} else if (!password || !memchr(types, 2, count)) {
		errx(1, "the server wants a password");
	} else {
		put(screen, "\2", 1);
		get(screen, challenge, sizeof(challenge));
		encrypt(password, challenge);
		put(screen, challenge, sizeof(challenge));
	}
	if (get_u32(screen) != 0)
		errx(1, "refused");
}

static void greet(struct screen *screen)
{
	/* 32 bits a pixel, little-endian, 8 bits a colour, red uppermost. */
	static const uint8_t format[] = {0, 0,	 0, 0,	 32, 24, 0, 1, 0, 255,
					 0, 255, 0, 255, 16, 8,	 0, 0, 0, 0};
	static const uint8_t encodings[] = {2,
					    0,
					    0,
					    3,
					    0,
					    0,
					    0,
					    ENC_RAW,
					    0xff,
					    0xff,
					    0xff,
					    ENC_SIZE & 0xff,
					    0xff,
					    0xff,
					    ENC_KEY_EVENT >> 8 & 0xff,
					    ENC_KEY_EVENT & 0xff};
	uint8_t version[12];
	unsigned width, height;

	get(screen, version, sizeof(version));
	if (memcmp(version, "RFB 003.008\n", sizeof(version)) != 0)
		errx(1, "not RFB 3.8: %.11s", version);
	put(screen, version, sizeof(version));
	authenticate(screen);
	put(screen, "\1", 1); /* shared with other clients */
	width = get_u16(screen);
	height = get_u16(screen);
	set_size(screen, width, height);
	skip(screen, 16);
	skip(screen, get_u32(screen));
	put(screen, format, sizeof(format));
	put(screen, encodings, sizeof(encodings));
}

static void get_raw(struct screen *screen, unsigned x, unsigned y,
		    unsigned width, unsigned height)
{
	if (x + width > screen->width || y + height > screen->height)
		errx(1, "%ux%u at %u,%u is beyond the screen", width, height, x,
		     y);
	for (; height > 0; height--, y++)
		get(screen, screen->pixels + (size_t)y * screen->width + x,
		    width * sizeof(*screen->pixels));
}

/* One update; returns how many pixels it brought, 0 after a new size. */
static size_t get_update(struct screen *screen)
{
	size_t got = 0;
	bool resized = false;
	unsigned rects;

	skip(screen, 1);
	for (rects = get_u16(screen); rects > 0; rects--) {
		unsigned x = get_u16(screen), y = get_u16(screen);
		unsigned width = get_u16(screen), height = get_u16(screen);

		switch ((int32_t)get_u32(screen)) {
		case ENC_RAW:
			get_raw(screen, x, y, width, height);
			got += (size_t)width * height;
			break;
		case ENC_SIZE:
			set_size(screen, width, height);
			resized = true;
			break;
		case ENC_KEY_EVENT:
			screen->has_key_event = true;
			break;
		default:
			errx(1, "an encoding that was not asked for");
		}
	}
	return resized ? 0 : got;
}

static void ask_all(struct screen *screen)
{
	uint8_t ask[10] = {3, 0, 0, 0, 0, 0};

	ask[6] = (uint8_t)(screen->width >> 8);
	ask[7] = (uint8_t)screen->width;
	ask[8] = (uint8_t)(screen->height >> 8);
	ask[9] = (uint8_t)screen->height;
	put(screen, ask, sizeof(ask));
}

/* The whole screen as it is now. */
static void look(struct screen *screen)
{
	uint8_t type;

	ask_all(screen);
	for (;;) {
		get(screen, &type, 1);
		switch (type) {
		case 0:
			if (get_update(screen) >=
			    (size_t)screen->width * screen->height)
				return;
			ask_all(screen);
			break;
		case 1: /* colour map */
			skip(screen, 3);
			skip(screen, (size_t)get_u16(screen) * 6);
			break;
		case 2: /* bell */
			break;
		case 3: /* clipboard */
			skip(screen, 3);
			skip(screen, get_u32(screen));
			break;
		default:
			errx(1, "message %u is not understood", type);
		}
	}
}

/* --- what one can do with a screen --- */

static void shoot(const struct screen *screen, const char *name)
{
	FILE *file = fopen(name, "w");
	size_t i;

	if (!file)
		err(1, "%s", name);
	fprintf(file, "P6\n%u %u\n255\n", screen->width, screen->height);
	for (i = 0; i < (size_t)screen->width * screen->height; i++) {
		uint32_t pixel = screen->pixels[i];

		putc((int)(pixel >> 16 & 0xff), file);
		putc((int)(pixel >> 8 & 0xff), file);
		putc((int)(pixel & 0xff), file);
	}
	if (fclose(file) != 0)
		err(1, "%s", name);
}

struct font {
	uint8_t header[4];
	uint8_t glyphs[256][32];
};

static void load_font(struct font *font, const char *name)
{
	FILE *file = fopen(name, "r");
	size_t i;

	if (!file || fread(font->header, 4, 1, file) != 1 ||
	    font->header[0] != 0x36 || font->header[1] != 0x04 ||
	    font->header[3] > sizeof(font->glyphs[0]))
		errx(1, "%s: no PSF 1 font", name);
	for (i = 0; i < 256; i++)
		if (fread(font->glyphs[i], font->header[3], 1, file) != 1)
			errx(1, "%s: too short", name);
	fclose(file);
}

/* The character of one cell, ' ' if it is blank, '?' if it is none of ASCII. */
static char read_cell(const struct screen *screen, const struct font *font,
		      size_t x, size_t y)
{
	const uint32_t *row = screen->pixels + y * screen->width + x;
	uint32_t ground = *row;
	uint8_t bits[32] = {0}, inverse[32] = {0};
	unsigned i, j, rows = font->header[3];
	char c;

	for (i = 0; i < rows; i++, row += screen->width) {
		for (j = 0; j < 8; j++)
			if (row[j] != ground)
				bits[i] |= (uint8_t)(0x80 >> j);
		inverse[i] = (uint8_t)~bits[i];
	}
	for (c = ' '; c <= '~'; c++)
		if (memcmp(font->glyphs[(int)c], bits, rows) == 0 ||
		    memcmp(font->glyphs[(int)c], inverse, rows) == 0)
			return c;
	return '?';
}

static void print_text(const struct screen *screen, const char *font_name,
		       size_t top)
{
	struct font font;
	char *line = malloc(screen->width / 8 + 1);
	size_t x, y, len;

	if (!line)
		err(1, NULL);
	load_font(&font, font_name);
	for (y = top; y + font.header[3] <= screen->height;
	     y += font.header[3]) {
		for (x = 0, len = 0; x + 8 <= screen->width; x += 8) {
			line[x / 8] = read_cell(screen, &font, x, y);
			if (line[x / 8] != ' ')
				len = x / 8 + 1;
		}
		printf("%.*s\n", (int)len, line);
	}
	free(line);
}

static void send_symbol(struct screen *screen, uint32_t symbol)
{
	uint8_t event[8] = {4, 1};

	symbol = htonl(symbol);
	memcpy(event + 4, &symbol, sizeof(symbol));
	put(screen, event, sizeof(event));
	usleep(KEY_US);
	event[1] = 0;
	put(screen, event, sizeof(event));
	usleep(KEY_US);
}

static void type_text(struct screen *screen, const char *text)
{
	for (; *text; text++)
		if (text[0] == '\\' && text[1] == 'n') {
			send_symbol(screen, 0xff0d);
			text++;
		} else {
			send_symbol(screen, (unsigned char)*text);
		}
}

static void send_code(struct screen *screen, uint8_t code, bool down)
{
	uint8_t event[12] = {255, 0, 0, down};

	event[11] = code;
	put(screen, event, sizeof(event));
	usleep(KEY_US);
}

static void press_keys(struct screen *screen, const char *chord)
{
	uint8_t held[8];
	size_t n = 0;
	char *end;

	for (; *chord && n < sizeof(held); chord = end + (*end == '+')) {
		held[n] = (uint8_t)strtoul(chord, &end, 16);
		if (end == chord || (*end && *end != '+'))
			errx(2, "%s: no scan codes", chord);
		send_code(screen, held[n++], true);
	}
	while (n > 0)
		send_code(screen, held[--n], false);
}

static void point(struct screen *screen, const char *x, const char *y,
		  uint8_t buttons)
{
	unsigned long at[] = {strtoul(x, NULL, 10), strtoul(y, NULL, 10)};
	uint8_t event[] = {5,
			   buttons,
			   (uint8_t)(at[0] >> 8),
			   (uint8_t)at[0],
			   (uint8_t)(at[1] >> 8),
			   (uint8_t)at[1]};

	put(screen, event, sizeof(event));
	usleep(KEY_US);
}

static int usage(void)
{
	errx(2, "usage: vnc WHERE size|shot FILE|text FONT [TOP]|type TEXT|"
		"keys CODE...|move X Y|click X Y");
}

int main(int argc, char **argv)
{
	struct screen screen = {0};
	const char *what = argc > 2 ? argv[2] : "";
	int i;

	if (argc < 3)
		return usage();
	alarm(LIMIT_SECONDS);
	connect_to(&screen, argv[1]);
	greet(&screen);
	/* Before keys too: it says whether the server knows scan codes. */
	look(&screen);
	if (strcmp(what, "size") == 0) {
		printf("%ux%u%s\n", screen.width, screen.height,
		       screen.has_key_event ? " keys" : "");
	} else if (strcmp(what, "shot") == 0 && argc == 4) {
		shoot(&screen, argv[3]);
	} else if (strcmp(what, "text") == 0 && (argc == 4 || argc == 5)) {
		print_text(&screen, argv[3],
			   argc == 5 ? strtoul(argv[4], NULL, 10) : 0);
	} else if (strcmp(what, "type") == 0 && argc == 4) {
		type_text(&screen, argv[3]);
	} else if (strcmp(what, "keys") == 0 && argc > 3) {
		if (!screen.has_key_event)
			errx(1, "the server takes no scan codes");
		for (i = 3; i < argc; i++)
			press_keys(&screen, argv[i]);
	} else if (strcmp(what, "move") == 0 && argc == 5) {
		point(&screen, argv[3], argv[4], 0);
	} else if (strcmp(what, "click") == 0 && argc == 5) {
		point(&screen, argv[3], argv[4], 0);
		point(&screen, argv[3], argv[4], 1);
		point(&screen, argv[3], argv[4], 0);
	} else {
		return usage();
	}
	free(screen.pixels);
	close(screen.sock);
	return 0;
}
