/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which guest has which host PCI device.
 *
 * A running guest's devices stand in its run.lock; they were put there under
 * a lock common to all guests of the place, after it had been made sure that
 * nobody else has them. Stopped guests' devices come from their files.
 * Locking: claims_take() and claims_turn() exclude other processes; otherwise
 * none.
 */
#ifndef VM_CLAIMS_H
#define VM_CLAIMS_H

#include "hostpci/hostpci.h"
#include "vm/runlock.h"

struct claim {
	char guest[GUEST_NAME_MAX + 1];
	bool running;
	pid_t pid; /* of byway or the supervisor, 0 when not running */
	struct words devices; /* BDFs */
};

struct claims {
	struct claim *claim;
	size_t count;
};

/* All guests but `except` (NULL: all). Unreadable guests are left out. */
MUST_CHECK int claims_load(const struct place *place, const char *except,
			   struct err *err, struct claims *ret_claims);
void claims_free(struct claims *claims);
/* Running guests are found before others; NULL when nobody has it. */
const struct claim *claims_find(const struct claims *claims, const char *bdf);

/*
 * One process at a time decides about devices and ports: takes the turn until
 * *ret_fd is closed, waits for it at most ten seconds. -ENOENT when there is no
 * place.
 */
MUST_CHECK int claims_turn(const struct place *place, struct err *err,
			   int *ret_fd);

/*
 * Checks every passthruN of the guest - exists, given once, not used by a
 * running guest, ready - and writes them into `lock`. Nothing to do for a
 * guest without passthrough. The error names the device and the cure.
 */
MUST_CHECK int claims_take(const struct place *place, const struct guest *guest,
			   const struct conf *conf, struct runlock *lock,
			   struct err *err);

/* Address of passthruN; -ENOENT after the last. */
MUST_CHECK int claims_address(const struct conf *conf, unsigned n,
			      struct err *err, struct hostpci_addr *ret_addr);

#define CLEANUP_CLAIMS __attribute__((cleanup(claims_free)))

static inline void hostpci_cleanup_(struct hostpci **host)
{
	hostpci_close(*host);
}
#define CLEANUP_HOSTPCI __attribute__((cleanup(hostpci_cleanup_)))

#endif
