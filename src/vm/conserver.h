/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's serial console, kept by the supervisor.
 *
 * The supervisor owns a pty whose slave byway opens as comN. The master is
 * always drained, so the guest never waits for a reader, into comN.log and a
 * ring of the last CONSOLE_RING bytes. `vm console` connects to NAME/comN.sock
 * (mode 0600): it is sent the ring, then what comes; what it sends goes to the
 * guest. Bytes only, no protocol. console_publish() adds the names that
 * FreeBSD's null-modem device would have: byway's end, and a second terminal
 * that is one more client for as long as the console is there.
 * A client that is more than a ring behind loses the oldest bytes.
 * Limits: CONSOLE_CLIENTS at once.
 * Threads: everything on the loop's thread.
 */
#ifndef VM_CONSERVER_H
#define VM_CONSERVER_H

#include "base/err.h"
#include "base/evloop.h"

#define CONSOLE_RING	65536u
#define CONSOLE_CLIENTS 8u
#define CONSOLE_INPUT	4096u

struct console;

/* `dirfd` (borrowed) is the guest's directory, `port` "com1"... */
MUST_CHECK int console_create(struct evloop *loop, int dirfd, const char *port,
			      struct err *err, struct console **ret_console);
/* Removes the socket. NULL allowed. */
void console_destroy(struct console *console);

/*
 * Links <dev>/nmdm-GUEST.NUMBERA and B. When it fails the console is as it was
 * before, without them.
 */
MUST_CHECK int console_publish(struct console *console, const char *dev,
			       const char *guest, unsigned number,
			       struct err *err);

/* Path of the terminal byway is to open: the A link once there is one. */
const char *console_tty(const struct console *console);
/* Path of the B link, NULL without. */
const char *console_outside(const struct console *console);

/* Takes in what byway wrote before it ended. */
void console_drain(struct console *console);

/*
 * Address of NAME/comN.sock below a directory descriptor, however long the
 * directory's path is; for bind() and connect().
 */
struct sockaddr_un;
void console_address(int dirfd, const char *port, struct sockaddr_un *ret_addr);

#endif
