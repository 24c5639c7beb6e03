/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vfio-user server that says whatever a test wants, and a client of it.
 *
 * The server is a thread that answers properly but for one command, the victim,
 * whose reply the test's `spoil` changes or replaces. What it was asked is
 * written down in words.
 */
#ifndef TESTS_VFIO_FAKE_SERVER_H
#define TESTS_VFIO_FAKE_SERVER_H

#include <pthread.h>

#include "vfio/user.h"
#include "vfio/user_sock.h"

#define RAM_BYTES  MIB(2)
#define WAIT_MS	   60000u
#define PATIENT_MS 60000u /* a busy machine is slow, not wrong */
#define REPLY_ROOM 8192u
#define NO_VICTIM  99u

struct fake;
typedef void spoil_fn(struct fake *f, struct vfio_user_out *out);

struct fake {
	char folder[64], path[96];
	int listen_fd, sock;
	pthread_t thread;
	struct vfio_user_message in;
	uint8_t reply[REPLY_ROOM];
	size_t size;
	const char *version; /* JSON */
	int region_fd;	     /* sent with region infos, -1 */
	uint32_t region_flags;
	unsigned reset_ms; /* the client's patience with a reset */
	unsigned victim;   /* a command, or NO_VICTIM */
	spoil_fn *spoil;
	bool silent, closing; /* of the victim */
	/* What happened; read when the thread has ended. */
	char trace[4096];
	bool bytes; /* trace the bytes of each message (of versions 20) */
	unsigned lost;
	struct vfio_user_header answer; /* to what the server asked */
	struct gmem *gmem;
	struct evloop *loop;
	struct vfio_user *user;
};

void trace(struct fake *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

void fake_init(struct fake *f);
/* Starts the server; connects, maps memory, asks for the device. */
int fake_connect(struct fake *f, struct err *err);
/* Closes the client and ends the server: its trace is complete. */
void fake_fini(struct fake *f);

#endif
