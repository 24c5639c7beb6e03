/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A null-modem pair as FreeBSD's nmdm(4) makes it when one end is opened: here
 * a pseudo-terminal, whose far side gets the name of the pair's other end.
 * Threads: the caller's.
 */
#ifndef BACKEND_TTY_NMDM_H
#define BACKEND_TTY_NMDM_H

#include "base/base.h"
#include "base/err.h"

struct tty_nmdm;

/* Is it the name of such an end, and is there nothing of that name? */
bool tty_nmdm_wanted(const char *path);
/*
 * `ret_fd`, the near side, is the caller's; it does not block. It never hangs
 * up: the far side is held open, also while nobody else has it.
 * -EBUSY when the other end is served already.
 */
MUST_CHECK int tty_nmdm_open(const char *path, struct err *err,
			     struct tty_nmdm **ret_nmdm, int *ret_fd);
/* Takes the name away; NULL allowed. */
void tty_nmdm_close(struct tty_nmdm *nmdm);

#endif
