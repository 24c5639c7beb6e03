/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of a guest's serial ports that stay the same: /dev/nmdm-GUEST.kA and
 * .kB, as FreeBSD's null-modem device has them.
 *
 * They are links to pseudo-terminals. A is the end byway opens, B the one for
 * cu(1) and the like; vm makes both, and byway makes B where there is no A. A
 * link is only made over nothing or over another link, and only removed while
 * it leads to the terminal it was made for.
 * A terminal that somebody serves is flock(2)ed by him, so a link to one is not
 * taken from a guest of the same name that runs already.
 * Locking: none; functions have no state.
 */
#ifndef BASE_NMDM_H
#define BASE_NMDM_H

#include "base/base.h"
#include "base/err.h"

#define NMDM_PATH_MAX 512

/* `number` counts the ports of `comports` from 1; `side` is 'A' or 'B'. */
MUST_CHECK int nmdm_path(const char *dev, const char *guest, unsigned number,
			 char side, struct err *err, char buf[NMDM_PATH_MAX]);

/* False: not a path of this kind. Else the path of the other end. */
bool nmdm_other(const char *path, char buf[NMDM_PATH_MAX]);

/* Keeps others from taking links to this terminal until `fd` is closed. */
MUST_CHECK int nmdm_hold(int fd);

/* -EBUSY when the name leads to a terminal that is held. */
MUST_CHECK int nmdm_link(const char *path, const char *terminal,
			 struct err *err);
void nmdm_unlink(const char *path, const char *terminal);
/* Links of a guest that a killed supervisor left. */
void nmdm_remove_left(const char *dev, const char *guest);

#endif
