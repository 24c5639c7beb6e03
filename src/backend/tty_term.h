/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Terminals that were changed and must be put back: raw mode and O_NONBLOCK on
 * descriptors shared with other processes. Part of tty.c's inside.
 *
 * The table is the one piece of state of the process here, because the
 * terminal is one too: a fatal path must find it without any object.
 * Threads: take and release from any thread; restore also in a signal handler.
 * Limits: TTY_TERMS_MAX at a time.
 */
#ifndef BACKEND_TTY_TERM_H
#define BACKEND_TTY_TERM_H

#include "base/base.h"
#include "base/err.h"

#define TTY_TERMS_MAX 16u
#define TTY_TERM_NONE (-1)

/*
 * Remembers the settings of the terminal behind `fd` and makes it raw, eight
 * bits, without modem control. The fd is borrowed (a duplicate is kept).
 * -EBUSY when another port of this process has the same terminal, -ENOSPC.
 */
MUST_CHECK int tty_term_raw(int fd, const char *where, struct err *err,
			    int *ret_term);

/*
 * Remembers the file status flags of `fd` and adds O_NONBLOCK, which every
 * holder of the open file sees; *ret_term is untouched when it was there
 * already. -ENOSPC or fcntl's error.
 */
MUST_CHECK int tty_term_nonblock(int fd, int *ret_term);

/* Standard input and output serve one port of the process; -EBUSY. */
MUST_CHECK int tty_term_take_stdio(void);
void tty_term_give_stdio(void);

/* Puts back what was remembered; TTY_TERM_NONE allowed. */
void tty_term_release(int term);

#endif
