/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of a guest's serial ports that stay the same: /dev/nmdm-GUEST.kA and
 * .kB, as FreeBSD's null-modem device has them.
 *
 * They are links to pseudo-terminals. A is the end byway opens, B the one for
 * cu(1) and the like. A link is only made over nothing or over another link,
 * and only removed while it leads to the terminal it was made for.
 * A terminal that a supervisor serves is flock(2)ed by it, so a link to one is
 * not taken from a guest of the same name in another directory.
 * Locking: none; functions have no state.
 */
#ifndef VM_NMDM_H
#define VM_NMDM_H

#include "base/base.h"
#include "base/err.h"

#define NMDM_PATH_MAX 512

/* `number` counts the ports of `comports` from 1; `side` is 'A' or 'B'. */
MUST_CHECK int nmdm_path(const char *dev, const char *guest, unsigned number,
			 char side, struct err *err, char buf[NMDM_PATH_MAX]);

/* Keeps others from taking links to this terminal until `fd` is closed. */
MUST_CHECK int nmdm_hold(int fd);

/* -EBUSY when the name leads to a terminal that is held. */
MUST_CHECK int nmdm_link(const char *path, const char *terminal,
			 struct err *err);
void nmdm_unlink(const char *path, const char *terminal);
/* Links of a guest that a killed supervisor left. */
void nmdm_remove_left(const char *dev, const char *guest);

#endif
