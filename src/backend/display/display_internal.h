/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of the display; nobody else includes this. */
#ifndef BACKEND_DISPLAY_DISPLAY_INTERNAL_H
#define BACKEND_DISPLAY_DISPLAY_INTERNAL_H

#include <pthread.h>

#include "backend/display/display.h"
#include "backend/display/frame.h"
#include "backend/display/keys.h"
#include "backend/display/vnc_lib.h"

/*
 * One client. `used`, `thread`, `hold_fd` and `deadline` belong to the event
 * loop; `ready` and `done` are atomic, set by the thread; the rest belongs to
 * the thread from its start to `done`.
 */
struct viewer {
	struct display *display;
	rfbScreenInfoPtr screen; /* libvncserver's, of this client alone */
	bool used, ready, done;
	pthread_t thread;
	int hold_fd; /* the connection once more, to shut it down */
	struct ev_timer *deadline;
	int fd; /* the connection; the library closes it */
	rfbClientPtr client;
	bool authenticated; /* knew the password */
	bool refused;	    /* did not */
	bool key_ack_due;   /* of the extended key event */
	struct frame frame;
	struct keys keys;
	int x, y; /* pointer, as last told */
	bool pointed;
	int buttons;		       /* as in RFB */
	uint64_t scan_ns, interval_ns; /* next comparison, time between two */
};

struct display {
	struct vnc_lib lib;
	rfbProtocolExtension extension; /* the extended key event */
	int encodings[2];
	rfbCursorPtr lib_cursor;
	struct display_source source;
	struct input_hub *hub;
	struct keymap *keymap;
	struct evloop *loop;
	char *name, *where, *unix_path;
	char password[DISPLAY_PASSWORD_MAX + 1];
	char *passwords[2]; /* as the library takes them */
	bool websocket;
	uint64_t handshake_ns;
	int listen_fd;
	struct ev_fd *listen_ev;
	struct ev_timer *resume; /* when descriptors have run out */
	int event_fd;		 /* a viewer is ready or done */
	struct ev_fd *event_ev;
	int stop_fd; /* readable: viewers end */
	display_ready_fn *ready;
	void *ready_ctx;
	struct viewer viewer[DISPLAY_CLIENTS];
};

/* display_listen.c: fills where, unix_path and listen_fd. */
MUST_CHECK int display_listen(struct display *display, const char *where,
			      struct err *err);
/* Can other hosts connect? */
bool display_is_public(const struct display *display);

/* " (in use by NAME, process 12)" of a listening TCP port, else "". */
void display_port_owner(unsigned port, char *buf, size_t size);

/* viewer.c: makes the library's screen; the thread's main function. */
MUST_CHECK int viewer_init(struct viewer *viewer, struct display *display);
void viewer_fini(struct viewer *viewer);
void *viewer_main(void *viewer);
/*
 * Goes through the first step of a handshake with nobody. The library keeps
 * the kinds of authentication in a list of the process that it changes without
 * a lock at that step: afterwards it only reads it. Before any viewer runs.
 */
MUST_CHECK int viewer_rehearse(struct viewer *viewer);
void viewer_extension(struct display *display);

#endif
