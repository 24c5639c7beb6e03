/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Character back end of a serial port.
 *
 * Where: "stdio"; a tty or pty path ("/dev/..."); "tcp=ip:port" (listens, one
 * client at a time); "unix=/path" or a path of an existing directory entry that
 * is a socket or does not exist and does not start with /dev/ (listens, one
 * client at a time); NULL: a bit bucket. A path whose last part is nmdm...A or
 * nmdm...B and that does not exist is an end of a null-modem pair (tty_nmdm.h):
 * the other end, with the other letter, is there until tty_close().
 * A terminal is put into raw mode and restored by tty_close(), and by
 * tty_restore_all() from a fatal path. A terminal (and stdio) serves one port.
 * A unix socket is created with mode 0600 and removed by tty_close(); a stale
 * one, left by a killed process, is replaced. A second client of a listening
 * port is told that the port is busy and let go; unless the first has left and
 * the guest does not read: then what is left of the first's bytes is dropped.
 * When a terminal hangs up or standard output fails, the port lives on without
 * it: nothing is received and output vanishes (logged once).
 *
 * Threads: receive callbacks run on the event loop's thread; tty_write() from
 * any thread. Output that the peer does not take (or that nobody is connected
 * to see) is kept up to TTY_BACKLOG bytes, then the oldest is dropped: a guest
 * never blocks on its console.
 * The program must ignore SIGPIPE.
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
 * end stops reading until tty_resume(). Called without a lock of the tty held.
 */
typedef size_t tty_receive_fn(void *ctx, const uint8_t *data, size_t len);

/*
 * Errors are sentences without the port's name in front: the caller knows it
 * and adds it with err_prefix().
 */
MUST_CHECK int tty_open(const char *where, struct evloop *loop,
			tty_receive_fn *receive, void *ctx, struct err *err,
			struct tty **ret_tty);
void tty_close(struct tty *tty); /* NULL allowed; flushes for at most 1 s */
void tty_write(struct tty *tty, const uint8_t *data, size_t len);
void tty_resume(struct tty *tty); /* any thread */
void tty_restore_all(void);	  /* async-signal-safe */

#endif
