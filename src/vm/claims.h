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
#include "vm/pcinames.h"
#include "vm/plan.h"
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

/*
 * All guests but `except` (NULL: all). Unreadable guests are left out, and so
 * are pools and names that lead nowhere in the files of stopped ones.
 */
MUST_CHECK int claims_load(const struct place *place,
			   const struct pcinames *names, const char *except,
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

/* Nobody who runs has the function or one of its IOMMU group: -EBUSY naming
 * them otherwise. */
MUST_CHECK int claims_check(const struct claims *claims,
			    const struct hostpci *host,
			    const struct hostpci_dev *dev, struct err *err);

struct claims_request {
	const struct place *place;
	const struct guest *guest;
	const struct conf *conf;
	struct runlock *lock;
	struct warner warner; /* what a person should know */
	struct warner note;   /* what was done */
};

/*
 * Finds every passthruN of the guest - by address, slot, name, or the first
 * free one of a pool - and checks it: it is what the guest had before, given
 * once, not used by a running guest, not in quarantine, ready. With
 * passthru_managed="yes" what is not ready is taken from the host, and with
 * passthru_siblings="yes" the rest of its IOMMU group with it; lock->managed
 * names them from before they are touched. A device with
 * passthruN_required="no" that is refused is warned of and left out.
 *
 * Writes all into `lock`, and what the guest had into NAME/passthru.known.
 * Nothing to do for a guest without passthrough. The error names the device
 * and the cure; what was taken until then stays in lock->managed for
 * claims_return().
 */
MUST_CHECK int claims_take(const struct claims_request *request,
			   struct err *err,
			   struct plan_functions *ret_functions);

/*
 * What every passthruN means now, without looking whether the guest can have
 * it; of a pool the first that is there. What is not there is `dropped`.
 */
void claims_resolve(const struct pcinames *names, const struct conf *conf,
		    struct plan_functions *ret_functions);

/*
 * Gives lock->managed back to the drivers of the host, but for `keep` (may be
 * NULL) and what a running guest has; tells of each.
 */
void claims_return(const struct claims_request *request,
		   const struct words *keep);

/* The devices a guest had, by passthruN as written: what it must find again.
 * In the guest's directory. */
#define CLAIMS_KNOWN "passthru.known"

#define CLEANUP_CLAIMS __attribute__((cleanup(claims_free)))

static inline void hostpci_cleanup_(struct hostpci **host)
{
	hostpci_close(*host);
}
#define CLEANUP_HOSTPCI __attribute__((cleanup(hostpci_cleanup_)))

#endif
