/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NAME/run.lock: who runs a guest.
 *
 * The truth is the flock(2) on the file, held by the supervisor and, through
 * the inherited descriptor, by byway: the kernel drops it with the last of
 * them, so it cannot be stale. What the file says is for people, for `vm
 * list` and for finding the processes:
 *
 *   HOSTNAME
 *   boot=ID
 *   since=UNIX SECONDS
 *   supervisor=PID STARTTIME
 *   byway=PID STARTTIME         (0 0 between two runs)
 *   devices=BDF BDF ...         passed-through devices in use
 *   managed=BDF BDF ...         those taken from the host for this run
 *   taps=NAME NAME ...          network devices made for this guest
 *   vnc=ADDRESS:PORT            where the screen's server listens, or a
 *                               unix socket's path
 *   reached=0|1                 byway has told that the guest runs
 *
 * Whoever can open the file could hold the lock, so it is its owner's only
 * (mode 0600). NAME/run.info (0644) has the same text for everybody else; it
 * is believed as far as the processes it names are there.
 * A host is known by its boot id: a host's name may change while guests run.
 *
 * A file that nobody holds is what a crash left; its `taps` are still there
 * and are removed by the next start, its `managed` devices are still taken from
 * the host and are given back at the end of the next run, or by `vm passthru
 * release`.
 * Locking: see above; a struct runlock belongs to one thread.
 */
#ifndef VM_RUNLOCK_H
#define VM_RUNLOCK_H

#include "vm/place.h"
#include "vm/proc.h"

#define SCREEN_ADDRESS_MAX 128

struct run_info {
	char host[HOST_NAME_SIZE];
	char boot[BOOT_ID_MAX];
	int64_t since;
	struct proc_id supervisor;
	struct proc_id byway;
	char devices[2048];	      /* blank-separated */
	char managed[2048];	      /* blank-separated */
	char taps[1024];	      /* blank-separated */
	char vnc[SCREEN_ADDRESS_MAX]; /* "127.0.0.1:5902", "": no screen */
	bool reached;
};

enum run_state {
	RUN_STOPPED,
	RUN_STARTING, /* a supervisor, the guest does not run at the moment */
	RUN_RUNNING,
	RUN_LOCKED,  /* held by another host or an unknown process */
	RUN_UNKNOWN, /* the file may not be read */
};

/* Asks without taking the lock for longer than the question lasts. */
enum run_state runlock_probe(const struct guest *guest,
			     struct run_info *ret_info);

/* What a crash left in the file, all zero where there is nothing. */
void runlock_left(const struct guest *guest, struct run_info *ret_info);

struct runlock {
	int fd;	   /* inherited by byway */
	int dirfd; /* borrowed: the guest's directory */
	struct run_info info;
};

#define RUNLOCK_NONE                  \
	{                             \
		.fd = -1, .dirfd = -1 \
	}

/*
 * Takes the lock. -EALREADY naming the pid when the guest runs. When only a
 * byway without supervisor holds it, waits up to RUNLOCK_ORPHAN_MS for it to
 * leave by itself, then kills it; also one that does not hold it because it is
 * another user's (runas.h). *ret_left is what a crash left in the file
 * (zero when nothing).
 */
#define RUNLOCK_ORPHAN_MS 10000u
MUST_CHECK int runlock_take(const struct guest *guest, struct err *err,
			    struct runlock *ret_lock,
			    struct run_info *ret_left);

/* Writes lock->info into both files. */
MUST_CHECK int runlock_write(struct runlock *lock, struct err *err);

/* Removes the files, then lets go. */
void runlock_drop(struct runlock *lock);
/* Lets go and leaves the file, for a process that only borrowed the lock. */
void runlock_close(struct runlock *lock);

/* Text form, for the tests and the file. */
int run_info_format(const struct run_info *info, char *buf, size_t size);
void run_info_parse(const char *text, struct run_info *ret_info);

#endif
