/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child of the supervisor: byway, a prestart script, a helper program.
 *
 * The child gets /dev/null as input, a pipe to us as output and error output,
 * CHILD_STATUS_FD as the write end of a status pipe (proto/status.h) and
 * CHILD_PASS_FD as one more descriptor, for byway the guest's lock, and from
 * CHILD_EXTRA_FD on what `extra` lists; nothing else of ours. Signal
 * dispositions are the defaults.
 * Order: child_start(), callbacks, `exited` as the last one; then the child is
 * free for another start. child_destroy() leaves a running process alone.
 * Threads: everything on the loop's thread.
 */
#ifndef VM_CHILD_H
#define VM_CHILD_H

#include "base/err.h"
#include "base/evloop.h"
#include "vm/lines.h"
#include "vm/proc.h"

#define CHILD_STATUS_FD 3
#define CHILD_PASS_FD	4
#define CHILD_EXTRA_FD	5
#define CHILD_EXTRA_MAX 65u

struct child_ops {
	/* A line of the status pipe; `cut` when it was too long. */
	void (*status)(void *ctx, const char *line, bool cut);
	/* Output, as it comes. */
	void (*output)(void *ctx, const void *data, size_t len);
	/* `status` is the exit status, or 128 + signal. */
	void (*exited)(void *ctx, int status, bool signaled);
	/* Runs in the child before exec; non-zero keeps it from starting. */
	int (*prepare)(void *ctx);
	/* The same, last of all: gives up rights; its sentence is told. */
	int (*drop)(void *ctx, struct err *err);
};

struct child_spec {
	char *const *argv; /* argv[0] is the program's path */
	int cwd_fd;	   /* directory to run in */
	int pass_fd;	   /* becomes CHILD_PASS_FD; -1: none */
	const int *extra;  /* become CHILD_EXTRA_FD and the ones after it */
	unsigned extras;   /* at most CHILD_EXTRA_MAX */
	int nice;
	bool unlimited_memlock;
	bool own_group; /* signals reach what it starts, too */
};

struct child {
	struct evloop *loop;
	const struct child_ops *ops;
	void *ctx;
	struct proc_id id; /* pid 0: no child */
	bool own_group;
	int pidfd, status_fd, output_fd;
	struct ev_fd *pid_event, *status_event, *output_event;
	struct lines status_lines;
};

void child_init(struct child *child, struct evloop *loop);
MUST_CHECK int child_start(struct child *child, const struct child_spec *spec,
			   const struct child_ops *ops, void *ctx,
			   struct err *err);
void child_destroy(struct child *child);
/* To its group if it has its own. Nothing happens when there is no child. */
void child_signal(const struct child *child, int sig);

#endif
