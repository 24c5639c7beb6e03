/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes named for certain: a pid together with its start time.
 *
 * Locking: none; functions have no state.
 */
#ifndef VM_PROC_H
#define VM_PROC_H

#include <sys/types.h>

#include "base/base.h"

/* pid 0: none. `start` is field 22 of /proc/PID/stat, clock ticks. */
struct proc_id {
	pid_t pid;
	uint64_t start;
};

/* The process `pid` as it is now; pid 0 when it is gone or a zombie. */
struct proc_id proc_identify(pid_t pid);
bool proc_alive(struct proc_id id);
/* There is a process of this number which /proc (hidepid=) does not show. */
bool proc_hidden(struct proc_id id);

/* Sends `sig` to exactly this process; -ESRCH when it is gone. */
MUST_CHECK int proc_signal(struct proc_id id, int sig);
/* Waits until the process is gone: 0, or -ETIMEDOUT. */
MUST_CHECK int proc_wait_gone(struct proc_id id, unsigned timeout_ms);

struct proc_usage {
	double cpu_percent; /* of its life, as ps(1) */
	uint64_t resident_bytes;
	uint64_t age_s;
};
MUST_CHECK int proc_usage(struct proc_id id, struct proc_usage *ret_usage);

/* This boot's identity: "" when the host does not tell. */
#define BOOT_ID_MAX 40
void boot_id(char buf[BOOT_ID_MAX]);

#define HOST_NAME_SIZE 65
void host_name(char buf[HOST_NAME_SIZE]);

#endif
