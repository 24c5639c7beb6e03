/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP ports of this host: can one be listened on, and who does already.
 *
 * Linux: /proc/net/tcp and tcp6 of proc(5), links in /proc/PID/fd.
 * Locking: none; functions have no state.
 */
#ifndef VM_PORTS_H
#define VM_PORTS_H

#include "base/base.h"

/*
 * Could a program listen on `port` (1 to 65535) of the numeric address `host`?
 * 0, -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL for what is no address, or another
 * errno of bind(2).
 */
MUST_CHECK int port_try(const char *host, unsigned port);

/* Does anybody listen on it, at any address? */
bool port_listening(unsigned port);

/*
 * "NAME (pid N)" of a process that listens on `port` at any address, or
 * "another process" when there is none to be seen; false when nobody listens.
 */
#define PORT_OWNER_MAX 64
bool port_owner(unsigned port, char buf[PORT_OWNER_MAX]);

#endif
