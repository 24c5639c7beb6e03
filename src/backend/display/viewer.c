/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of the VNC server.
 *
 * Theory of operation. libvncserver blocks: on a message a client does not
 * finish, on a client that does not read, on a WebSocket handshake. So each
 * client has a thread, and each thread a screen of the library's with that one
 * client, used as by a single-threaded program: the library's own threads and
 * its list of clients are not used, and what it does for one client touches no
 * other. The image it encodes is the thread's own copy (frame.h).
 *
 * The thread waits for the connection, for the display's end, and, while the
 * client waits for changes, for the time of the next comparison.
 *
 * Trust: nothing the library decides about passwords is relied on alone. A
 * client that got past the handshake without check_password() having said yes
 * is cut off, and its events are dropped (admitted()).
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "backend/display/display_internal.h"
#include "base/clock.h"
#include "base/log.h"

#define INTERVAL_MIN_NS	 (NS_PER_S / DISPLAY_RATE)
#define INTERVAL_MAX_NS	 (250 * NS_PER_MS)
#define CLIENT_WAIT_MS	 10000 /* for the rest of a message, or to read */
#define REFUSED_WAIT_MS	 1000  /* a place is taken so long by a wrong guess */
#define EXT_KEY_ENCODING (-258)
#define QEMU_MESSAGE	 255u
#define QEMU_KEY	 0u
#define QEMU_KEY_BYTES	 10 /* after type and kind */
#define WHEEL_UP	 BIT(3)
#define WHEEL_DOWN	 BIT(4)

static uint64_t now_ns(void)
{
	return clock_host()->mono_ns(clock_host());
}

static struct viewer *of_client(rfbClientPtr client)
{
	return client->screen->screenData;
}

static bool admitted(const struct viewer *viewer)
{
	return !viewer->display->password[0] || viewer->authenticated;
}

/* ---- what the library calls ---- */

static rfbBool check_password(rfbClientPtr client, const char *response,
			      int len)
{
	struct viewer *viewer = of_client(client);

	viewer->authenticated =
	    viewer->display->lib.check_password(client, response, len);
	viewer->refused = !viewer->authenticated;
	if (viewer->refused)
		log_guest("vnc %s: wrong password from %s",
			  viewer->display->where,
			  client->host[0] ? client->host : "a local client");
	return viewer->authenticated;
}

/* The guest is about to answer: look soon. */
static void look_soon(struct viewer *viewer)
{
	viewer->interval_ns = INTERVAL_MIN_NS;
	viewer->scan_ns =
	    MIN(viewer->scan_ns, now_ns() + (uint64_t)INTERVAL_MIN_NS);
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
	struct viewer *viewer = of_client(client);

	if (!admitted(viewer))
		return;
	if (!keys_symbol(&viewer->keys, (uint32_t)keysym, down))
		log_debug("vnc %s: no key types symbol 0x%x",
			  viewer->display->where, (unsigned)keysym);
	look_soon(viewer);
}

static void get_image(struct viewer *viewer, struct display_image *ret_image)
{
	const struct display_source *source = &viewer->display->source;

	source->image(source->ctx, ret_image);
}

/* Position 0..size-1 as 0..INPUT_ABS_MAX. */
static uint16_t scale(int at, unsigned size)
{
	unsigned max = size > 1 ? size - 1 : 1;
	unsigned pos = at < 0 ? 0 : MIN((unsigned)at, max);

	return (uint16_t)((pos * INPUT_ABS_MAX + max / 2) / max);
}

static uint8_t hub_buttons(int mask)
{
	return (mask & BIT(0) ? INPUT_BUTTON_LEFT : 0) |
	       (mask & BIT(1) ? INPUT_BUTTON_MIDDLE : 0) |
	       (mask & BIT(2) ? INPUT_BUTTON_RIGHT : 0) |
	       (mask & BIT(7) ? INPUT_BUTTON_SIDE : 0);
}

/*
 * On the guest's screen: a client that has not followed its size sees a part
 * of it, pixel for pixel.
 */
static struct input_pointer pointer_at(struct viewer *viewer, int x, int y)
{
	struct display_image image;

	get_image(viewer, &image);
	return (struct input_pointer){.x = scale(x, image.width),
				      .y = scale(y, image.height)};
}

static void on_pointer(int mask, int x, int y, rfbClientPtr client)
{
	struct viewer *viewer = of_client(client);
	int pressed = mask & ~viewer->buttons;
	struct input_pointer event = pointer_at(viewer, x, y);

	if (!admitted(viewer))
		return;
	event.dx = viewer->pointed ? x - viewer->x : 0;
	event.dy = viewer->pointed ? y - viewer->y : 0;
	event.wheel =
	    (pressed & WHEEL_UP ? 1 : 0) - (pressed & WHEEL_DOWN ? 1 : 0);
	event.buttons = hub_buttons(mask);
	viewer->pointed = true;
	viewer->x = x;
	viewer->y = y;
	viewer->buttons = mask;
	input_pointer(viewer->display->hub, &event);
	look_soon(viewer);
}

/* ---- extended key event ---- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static rfbBool ext_key_asked(rfbClientPtr client, void **data UNUSED,
			     int encoding)
{
	/*
	 * Not answered here: the library holds a lock of all clients, and a
	 * client that does not read would keep it.
	 */
	if (encoding != EXT_KEY_ENCODING)
		return FALSE;
	of_client(client)->key_ack_due = true;
	return TRUE;
}

/* A scan code; clients without one for a key send its symbol only. */
static void ext_key(struct viewer *viewer, const uint8_t *body)
{
	bool down = body[0] || body[1];
	uint32_t keysym = be32(body + 2), code = be32(body + 6);

	if (!admitted(viewer))
		return;
	if (code > 0 && code <= 0xff)
		keys_code(&viewer->keys, (uint8_t)code, down);
	else
		(void)keys_symbol(&viewer->keys, keysym, down);
	look_soon(viewer);
}

static rfbBool ext_message(rfbClientPtr client, void *data UNUSED,
			   const rfbClientToServerMsg *message)
{
	struct viewer *viewer = of_client(client);
	const struct vnc_lib *lib = &viewer->display->lib;
	uint8_t kind, body[QEMU_KEY_BYTES];

	if (message->type != QEMU_MESSAGE)
		return FALSE;
	if (lib->read_exact(client, (char *)&kind, 1) <= 0 ||
	    kind != QEMU_KEY ||
	    lib->read_exact(client, (char *)body, sizeof(body)) <= 0)
		lib->close_client(client);
	else
		ext_key(viewer, body);
	return TRUE;
}

void viewer_extension(struct display *display)
{
	display->encodings[0] = EXT_KEY_ENCODING;
	display->extension = (rfbProtocolExtension){
	    .pseudoEncodings = display->encodings,
	    .enablePseudoEncoding = ext_key_asked,
	    .handleMessage = ext_message,
	};
	display->lib.add_extension(&display->extension);
}

/* "I know it": an update with one rectangle of that encoding. */
static void acknowledge_keys(struct viewer *viewer)
{
	static const char update[16] = {
	    0, 0, 0,	      1, /* FramebufferUpdate, one rectangle */
	    0, 0, 0,	      0,	  0,	      0,
	    0, 0, (char)0xff, (char)0xff, (char)0xfe, (char)0xfe, /* -258 */
	};
	const struct vnc_lib *lib = &viewer->display->lib;

	if (!viewer->key_ack_due)
		return;
	viewer->key_ack_due = false;
	if (lib->write_exact(viewer->client, update, sizeof(update)) < 0)
		lib->close_client(viewer->client);
}

/* ---- the picture ---- */

/* The library's idea of a pixel has red first, and 32 bits of colour. */
static void set_format(rfbScreenInfoPtr screen)
{
	screen->serverFormat.depth = 24;
	screen->serverFormat.redShift = 16;
	screen->serverFormat.greenShift = 8;
	screen->serverFormat.blueShift = 0;
}

static void show_frame(struct viewer *viewer)
{
	viewer->display->lib.new_framebuffer(
	    viewer->screen, (char *)viewer->frame.pixels,
	    (int)viewer->frame.width, (int)viewer->frame.height, 8, 3,
	    (int)DISPLAY_PIXEL_BYTES);
	set_format(viewer->screen);
}

/*
 * Scaled pictures that the client asked for: the library keeps them, and cannot
 * make them from a screen of another size.
 */
static void drop_scaled(rfbScreenInfoPtr screen)
{
	rfbScreenInfoPtr scaled;

	while ((scaled = screen->scaledScreenNext)) {
		screen->scaledScreenNext = scaled->scaledScreenNext;
		free(scaled->frameBuffer);
		free(scaled);
	}
}

/* The guest changed its mode and the client can follow. */
static int resize(struct viewer *viewer, const struct display_image *image)
{
	rfbClientPtr client = viewer->client;
	struct frame old = viewer->frame;

	if (frame_init(&viewer->frame, image->width, image->height)) {
		viewer->frame = old;
		return -ENOMEM;
	}
	show_frame(viewer);
	client->scaledScreen = viewer->screen;
	drop_scaled(viewer->screen);
	viewer->screen->setTranslateFunction(client);
	client->newFBSizePending = TRUE;
	frame_fini(&old);
	return 0;
}

static void mark(void *ctx, unsigned x, unsigned y, unsigned width,
		 unsigned height)
{
	struct viewer *viewer = ctx;

	viewer->display->lib.mark_modified(viewer->screen, (int)x, (int)y,
					   (int)(x + width), (int)(y + height));
}

/* Compares; negative when memory is short. */
static int scan(struct viewer *viewer)
{
	struct display_image image;
	int r;

	get_image(viewer, &image);
	if ((image.width != viewer->frame.width ||
	     image.height != viewer->frame.height) &&
	    (viewer->client->useNewFBSize ||
	     viewer->client->useExtDesktopSize)) {
		r = resize(viewer, &image);
		if (r)
			return r;
		viewer->interval_ns = INTERVAL_MIN_NS;
	}
	r = frame_update(&viewer->frame, &image, mark, viewer);
	if (r > 0)
		viewer->interval_ns = INTERVAL_MIN_NS;
	else
		viewer->interval_ns =
		    MIN(viewer->interval_ns * 2, (uint64_t)INTERVAL_MAX_NS);
	viewer->scan_ns = now_ns() + viewer->interval_ns;
	return MIN(r, 0);
}

static bool wants_changes(const struct viewer *viewer)
{
	return viewer->client->state == RFB_NORMAL &&
	       !viewer->display->lib.region_empty(
		   viewer->client->requestedRegion);
}

/* ---- the thread ---- */

static int wait_ms(const struct viewer *viewer)
{
	uint64_t now;

	if (!wants_changes(viewer))
		return -1;
	now = now_ns();
	if (viewer->scan_ns <= now)
		return 0;
	return (int)((viewer->scan_ns - now) / NS_PER_MS) + 1;
}

static bool is_open(const struct viewer *viewer)
{
	return viewer->client->sock >= 0;
}

/* Anything to say to the event loop? */
static void tell(struct viewer *viewer, bool *what)
{
	__atomic_store_n(what, true, __ATOMIC_RELEASE);
	(void)!eventfd_write(viewer->display->event_fd, 1);
}

static void supervise(struct viewer *viewer)
{
	rfbClientPtr client = viewer->client;
	bool in =
	    client->state == RFB_INITIALISATION || client->state == RFB_NORMAL;

	if (in && !admitted(viewer)) {
		log_guest("vnc %s: a client got in without the password and"
			  " was cut off",
			  viewer->display->where);
		viewer->display->lib.close_client(client);
	} else if (client->state == RFB_NORMAL && !viewer->ready) {
		tell(viewer, &viewer->ready);
	}
}

static void serve(struct viewer *viewer)
{
	const struct vnc_lib *lib = &viewer->display->lib;
	struct pollfd fds[2] = {
	    {.fd = viewer->fd, .events = POLLIN},
	    {.fd = viewer->display->stop_fd, .events = POLLIN},
	};

	while (is_open(viewer)) {
		fds[0].revents = fds[1].revents = 0;
		if (poll(fds, ARRAY_LEN(fds), wait_ms(viewer)) < 0 &&
		    errno != EINTR)
			break;
		if (fds[1].revents)
			break;
		if (fds[0].revents)
			lib->check_fds(viewer->screen, 0);
		if (is_open(viewer))
			supervise(viewer);
		if (is_open(viewer))
			acknowledge_keys(viewer);
		if (!is_open(viewer))
			break;
		if (wants_changes(viewer) && viewer->scan_ns <= now_ns() &&
		    scan(viewer))
			break;
		lib->update_client(viewer->client);
	}
}

/* What the library forgets with a client: it would add up. */
static void drop_leftovers(rfbClientPtr client)
{
	rfbExtensionData *extension;

	free(client->wsctx);
	client->wsctx = NULL;
	while ((extension = client->extensions)) {
		client->extensions = extension->next;
		free(extension);
	}
}

/* A WebSocket that nobody asked for may come from any web page. */
static bool welcome(const struct viewer *viewer)
{
	if (!viewer->client->wsctx || viewer->display->websocket)
		return true;
	log_guest("vnc %s: WebSocket client refused: set a password, or"
		  " websocket=on to serve any web page",
		  viewer->display->where);
	return false;
}

static void let_go_of_input(struct viewer *viewer)
{
	struct input_pointer event = pointer_at(viewer, viewer->x, viewer->y);

	keys_release_all(&viewer->keys);
	if (hub_buttons(viewer->buttons))
		input_pointer(viewer->display->hub, &event);
}

static void converse(struct viewer *viewer)
{
	const struct vnc_lib *lib = &viewer->display->lib;

	show_frame(viewer);
	viewer->client = lib->new_client(viewer->screen, viewer->fd);
	if (!viewer->client)
		return;
	if (welcome(viewer))
		serve(viewer);
	if (is_open(viewer))
		lib->close_client(viewer->client);
	drop_leftovers(viewer->client);
	lib->client_gone(viewer->client);
	viewer->client = NULL;
	drop_scaled(viewer->screen);
	let_go_of_input(viewer);
}

void *viewer_main(void *ctx)
{
	struct viewer *viewer = ctx;
	struct pollfd stop = {.fd = viewer->display->stop_fd, .events = POLLIN};
	struct display_image image;

	keys_init(&viewer->keys, viewer->display->keymap, viewer->display->hub);
	viewer->interval_ns = INTERVAL_MIN_NS;
	viewer->scan_ns = 0;
	get_image(viewer, &image);
	if (frame_init(&viewer->frame, image.width, image.height)) {
		log_error("vnc %s: no memory to show the screen",
			  viewer->display->where);
		close(viewer->fd);
	} else {
		converse(viewer);
	}
	frame_fini(&viewer->frame);
	if (viewer->refused)
		(void)poll(&stop, 1, REFUSED_WAIT_MS);
	tell(viewer, &viewer->done);
	return NULL;
}

/* ---- set-up, on the event loop's thread ---- */

int viewer_init(struct viewer *viewer, struct display *display)
{
	rfbScreenInfoPtr screen;

	viewer->display = display;
	viewer->hold_fd = viewer->fd = -1;
	screen = display->lib.get_screen(NULL, NULL, 4, 4, 8, 3,
					 (int)DISPLAY_PIXEL_BYTES);
	if (!screen)
		return -ENOMEM;
	viewer->screen = screen;
	display->lib_cursor = screen->cursor;
	screen->cursor = NULL; /* the guest draws its own */
	screen->screenData = viewer;
	screen->desktopName = display->name;
	screen->port = screen->ipv6port = 0;
	screen->alwaysShared = TRUE;
	screen->deferUpdateTime = 0;
	screen->maxClientWait = CLIENT_WAIT_MS;
	screen->kbdAddEvent = on_key;
	screen->ptrAddEvent = on_pointer;
	screen->passwordCheck = check_password;
	if (display->password[0])
		screen->authPasswdData = display->passwords;
	set_format(screen);
	return 0;
}

void viewer_fini(struct viewer *viewer)
{
	if (!viewer->screen)
		return;
	viewer->screen->cursor = viewer->display->lib_cursor;
	viewer->display->lib.screen_cleanup(viewer->screen);
	viewer->screen = NULL;
}

int viewer_rehearse(struct viewer *viewer)
{
	static const char version[] = "RFB 003.008\n";
	const struct vnc_lib *lib = &viewer->display->lib;
	CLEANUP_CLOSE int peer = -1;
	rfbClientPtr client;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	peer = pair[1];
	/* There before the library looks: it would wait for a WebSocket. */
	if (write(peer, version, sizeof(version) - 1) < 0) {
		close(pair[0]);
		return -errno;
	}
	client = lib->new_client(viewer->screen, pair[0]);
	if (!client)
		return -ENOMEM;
	lib->check_fds(viewer->screen, 0);
	if (client->sock >= 0)
		lib->close_client(client);
	lib->client_gone(client);
	return 0;
}
