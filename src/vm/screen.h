/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's screen: graphics="yes" and its keys, and the port its VNC server
 * listens on.
 *
 * Order: screen_parse() reads the keys; screen_reserve(), under the guest's
 * run lock, finds the port when none is configured, sees that nobody has it,
 * and writes the address into the lock, where other starts find it.
 * Locking: screen_reserve() excludes other starts; otherwise none.
 */
#ifndef VM_SCREEN_H
#define VM_SCREEN_H

#include "vm/runlock.h"

#define SCREEN_PORT_FIRST 5900u
#define SCREEN_PORT_LAST  6099u
#define SCREEN_HOST	  "127.0.0.1"
#define SCREEN_HOST_MAX	  108 /* a unix socket's path has as much room */
/* A browser's port is as far from this as the screen's is from the first. */
#define SCREEN_WEB_FIRST 6080u

#define SCREEN_WIDTH_MIN  640u
#define SCREEN_WIDTH_MAX  3840u
#define SCREEN_HEIGHT_MIN 480u
#define SCREEN_HEIGHT_MAX 2160u
/* What VNC's authentication looks at. */
#define SCREEN_PASSWORD_MAX 8u

enum screen_wait {
	SCREEN_WAIT_AUTO, /* for the first run of `vm install` only */
	SCREEN_WAIT_NO,
	SCREEN_WAIT_YES,
};

struct screen {
	bool on;
	bool host_given;
	bool is_unix;
	char host[SCREEN_HOST_MAX]; /* numeric address, or a socket's path */
	unsigned port;		    /* 0: to be found */
	unsigned width, height;	    /* 0: byway's own */
	enum screen_wait wait;
};

/* -EINVAL naming file and line. */
MUST_CHECK int screen_parse(const struct conf *conf, struct err *err,
			    struct screen *ret_screen);

/* "127.0.0.1:5902", "[::1]:5902", "/run/x.sock". */
void screen_address(const struct screen *screen, char buf[SCREEN_ADDRESS_MAX]);
/* Can only this host reach it? */
bool screen_is_local(const struct screen *screen);
/* Does its server listen now? */
bool screen_is_there(const struct screen *screen);
/* Where a browser finds the screen while `vm screen` runs. */
unsigned screen_web_port(unsigned port);

/* `screen->port` was found when it was 0. -EBUSY names who has it. */
MUST_CHECK int screen_reserve(const struct place *place,
			      const struct guest *guest,
			      const struct conf *conf, struct runlock *lock,
			      struct screen *screen, struct err *err);

#endif
