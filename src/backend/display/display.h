/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A screen that people can look at and type into: a source of pixels (a
 * graphics device) shown by a VNC server (RFB 3.3 to 3.8), whose clients' keys
 * and pointers go to an input hub.
 *
 * Protocol: VNC authentication or none; raw, hextile, zlib, ZRLE, tight and
 * more; desktop size changes (-223, -308) for clients that know them, others
 * keep the size they began with; QEMU's extended key event (-258); WebSocket
 * on the same port. Clients share the screen; what they ask of its size is
 * refused.
 *
 * WebSocket is served when there is a password, or when asked for: a page of
 * any site may open one to this host, so without a password it would type into
 * the guest.
 *
 * Cost: without a client one listening socket in the event loop. Each client
 * has a thread and a copy of the screen, and compares the two at most
 * DISPLAY_RATE times a second, only while it waits for changes, ever more
 * rarely while there are none. libvncserver and libxkbcommon are loaded by
 * display_create() (docs/adr/0005-vnc-library.md).
 *
 * Call order: display_create(), display_destroy(). Threads: both on the event
 * loop's thread or before it runs; the source's image() is called by clients'
 * threads; the hub is spoken to by clients' threads.
 * Limits: DISPLAY_CLIENTS clients, further ones are let go of; one display in
 * a process at a time (libvncserver's state is the process's). A client that
 * has not authenticated within DISPLAY_HANDSHAKE_NS is let go of.
 */
#ifndef BACKEND_DISPLAY_DISPLAY_H
#define BACKEND_DISPLAY_DISPLAY_H

#include "backend/input.h"
#include "base/base.h"
#include "base/err.h"
#include "base/evloop.h"

#define DISPLAY_CLIENTS	     8u
#define DISPLAY_RATE	     30u
#define DISPLAY_HANDSHAKE_NS (10 * NS_PER_S)
#define DISPLAY_PIXEL_BYTES  4u	   /* blue, green, red, unused */
#define DISPLAY_SIDE_MAX     8192u /* pixels */
#define DISPLAY_PASSWORD_MAX 8u	   /* bytes that count, by the protocol */

/* What a source shows now. */
struct display_image {
	unsigned width, height; /* 1 to DISPLAY_SIDE_MAX */
	size_t stride;		/* bytes from a line to the next */
	/*
	 * First pixel; may change at any time, stays readable for the source's
	 * life. NULL: black.
	 */
	const uint8_t *pixels;
	bool swapped; /* bytes of a pixel the other way round */
};

struct display_source {
	void (*image)(void *ctx, struct display_image *ret_image);
	void *ctx;
};

struct display_params {
	const char *name;      /* window title: the guest's name */
	const char *where;     /* "tcp=..." or "unix=PATH", see below */
	const char *password;  /* NULL or empty: none */
	const char *layout;    /* keyboard layout, NULL: KEYMAP_DEFAULT */
	bool websocket;	       /* also without a password */
	uint64_t handshake_ns; /* 0: DISPLAY_HANDSHAKE_NS */
	struct display_source source;
	struct input_hub *hub; /* NULL: events vanish */
	struct evloop *loop;
};

struct display;

/*
 * `where`: tcp=PORT (on 127.0.0.1), tcp=IP:PORT, tcp=[IPv6]:PORT or unix=PATH
 * (mode 0600). Logs one warning when other hosts can reach a screen without a
 * password. Refusals in one sentence; a port in use names its owner where
 * /proc tells. Strings are copied.
 */
MUST_CHECK int display_create(const struct display_params *params,
			      struct err *err, struct display **ret_display);
/* Lets clients go; they notice at once. NULL allowed. */
void display_destroy(struct display *display);

/* Where it listens, as given: "127.0.0.1:5900", "[::1]:5900", "/run/x". */
const char *display_where(const struct display *display);

/*
 * Calls fn(ctx) once, on the event loop, when a client has got through the
 * handshake (and its password); soon when there is one already.
 */
typedef void display_ready_fn(void *ctx);
void display_on_client(struct display *display, display_ready_fn *fn,
		       void *ctx);

#endif
