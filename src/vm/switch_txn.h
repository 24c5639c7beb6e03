/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of the host's network that can be taken back.
 *
 * Each function does one thing and remembers how to undo it; what cannot be
 * undone without loss, removing an interface, waits for the commit. The
 * struct and its end are in switch.h.
 * Locking: none, one thread.
 */
#ifndef VM_SWITCH_TXN_H
#define VM_SWITCH_TXN_H

#include "vm/switch.h"

MUST_CHECK int txn_add_link(struct switch_txn *txn,
			    const struct netlink_new *spec, struct err *err);
/* `back` is the change that undoes this one. */
MUST_CHECK int txn_change(struct switch_txn *txn, const char *name,
			  const struct netlink_change *change,
			  const struct netlink_change *back, struct err *err);
MUST_CHECK int txn_addr(struct switch_txn *txn, const char *name,
			const struct netlink_addr *addr, bool add,
			struct err *err);
/* Writes a file of /proc/sys that is there; a kernel may lack it. */
MUST_CHECK int txn_sysctl(struct switch_txn *txn, const char *path,
			  const char *value, struct err *err);
/* Removes the interface when the change is committed. */
void txn_remove_later(struct switch_txn *txn, const char *name);

/* Undoes the steps after the first `mark` ones. */
void txn_undo_to(struct switch_txn *txn, size_t mark);

#endif
