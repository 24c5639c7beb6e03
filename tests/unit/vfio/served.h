/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test device of testkit/, served by a thread of the test, and a machine
 * that has it in slot 6.
 */
#ifndef TESTS_VFIO_SERVED_H
#define TESTS_VFIO_SERVED_H

#include <pthread.h>

#include "fake_world.h"
#include "testdev.h"

#define SERVED_SLOT 6u

struct served {
	char folder[64], path[96]; /* of the socket */
	struct testdev *device;
	int listen_fd, stop_fd;
	pthread_t thread;
	int result; /* of testdev_serve() */
};

/* Plays testkit/devices/NAME.dev; `dir` is that folder. */
void served_start(struct served *s, const char *dir, const char *name);
void served_stop(struct served *s);

/* A machine with the device; deadlines in ms, 0: the usual. Its error. */
int served_machine(struct world *w, const struct served *s, unsigned reply_ms,
		   unsigned reset_ms, struct err *err);

#endif
