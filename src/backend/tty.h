/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Character back end of a serial port.
 *
 * Where: "stdio"; a tty or pty path ("/dev/..."); "tcp=ip:port" (listens, one
 * client at a time); "unix=/path" or a path of an existing directory entry that
 * is a socket or does not exist and does not start with /dev/ (listens, one
 * client at a time); NULL: a bit bucket.
 * A terminal is put into raw mode and restored by tty_close(), and by
 * tty_restore_all() from a fatal path.
 *
 * Threads: receive callbacks run on the event loop's thread; tty_write() from
 * any thread. Output that the peer does not take is kept up to TTY_BACKLOG
 * bytes, then the oldest is dropped: a guest never blocks on its console.
 */
#ifndef BACKEND_TTY_H
#define BACKEND_TTY_H

#include "base/base.h"
#include "base/err.h"
#include "base/evloop.h"

#define TTY_BACKLOG 65536u

struct tty;

/*
 * Offers received bytes; returns how many the port took. When fewer, the back
 * end stops reading until tty_resume().
 */
typedef size_t tty_receive_fn(void *ctx, const uint8_t *data, size_t len);

MUST_CHECK int tty_open(const char *where, struct evloop *loop,
    tty_receive_fn *receive, void *ctx, struct err *err, struct tty **ret_tty);
void tty_close(struct tty *tty); /* NULL allowed; flushes for at most 1 s */
void tty_write(struct tty *tty, const uint8_t *data, size_t len);
void tty_resume(struct tty *tty); /* any thread */
void tty_restore_all(void);	  /* async-signal-safe */

#endif
