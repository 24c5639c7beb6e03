/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets in the file system at which byway listens: for its user alone, and
 * taking over what a killed process left behind.
 *
 * Threads: any.
 */
#ifndef BACKEND_UNIXSOCK_H
#define BACKEND_UNIXSOCK_H

#include "base/err.h"

/*
 * Bound, not listening yet, mode 0600 from the first moment, non-blocking and
 * close-on-exec. `path` has 1 to 107 bytes. Refused where another process
 * listens or something else than a socket is.
 */
MUST_CHECK int unixsock_bind(const char *path, struct err *err, int *ret_fd);

#endif
