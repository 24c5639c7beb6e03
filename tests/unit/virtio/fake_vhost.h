/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel's vhost-net that is the test: it keeps what it was told, refuses
 * what it is told to refuse, and "works" when fake_vhost_work() is called.
 *
 * It aborts on what a real one would answer with memory corruption or what
 * breaks the order of calls: rings changed while it works on them, addresses
 * outside guest memory, two owners, a second descriptor.
 */
#ifndef TESTS_FAKE_VHOST_H
#define TESTS_FAKE_VHOST_H

#include "driver.h"
#include "virtio/vhost.h"

#define FAKE_VHOST_QUEUES 2u

struct fake_vhost {
	struct vhost_ops ops;
	struct world *w;
	uint64_t offers;
	/* What to refuse: open, or the n-th call of a request. */
	int open_code;
	unsigned long fail_request;
	unsigned fail_at; /* 1: the first */
	int fail_code;
	/* What happened. */
	unsigned opened, closed, calls;
	bool owned, memory;
	uint64_t features;
	struct {
		unsigned num, base;
		void *desc, *avail, *used;
		int kick, call, err;
		int backend; /* -1: none */
	} vq[FAKE_VHOST_QUEUES];
};

void fake_vhost_init(struct fake_vhost *f, struct world *w);
/* The kernel is done with n chains of queue q, and says so. */
void fake_vhost_work(struct fake_vhost *f, unsigned q, unsigned n);
/* Was the queue kicked since the last question? */
bool fake_vhost_kicked(struct fake_vhost *f, unsigned q);
bool fake_vhost_working(const struct fake_vhost *f); /* on any queue */

#endif
