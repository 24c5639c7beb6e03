/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host side of a guest's network cards: tap interfaces.
 *
 * A tap made here is persistent (byway may come and go), carries the alias
 * "vmnet/GUEST/N/SWITCH", and is removed by tap_delete(), which touches
 * nothing that does not carry the guest's alias or that someone has open.
 * Linux: Documentation/networking/tuntap.rst; the rest is netlink.h.
 * Locking: none; functions have no state.
 */
#ifndef VM_NET_H
#define VM_NET_H

#include <net/if.h>
#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"
#include "vm/words.h"

bool link_exists(const char *name);
bool link_is_tap(const char *name);
MUST_CHECK int link_mtu(const char *name, unsigned *ret_mtu);

/* `name` NULL: the first free tapN. */
MUST_CHECK int tap_create(const char *name, const char *alias, struct err *err,
			  char ret_name[IFNAMSIZ]);
/* This user may open it from now on, too. */
MUST_CHECK int tap_give(const char *name, uid_t owner, struct err *err);
/* 0 also when there is no such interface. -EBUSY: someone has it open. */
MUST_CHECK int tap_delete(const char *name, const char *guest, struct err *err);

/* Adds the names of all interfaces that carry the guest's alias. */
void taps_find(const char *guest, struct words *taps);

MUST_CHECK int tap_set_mtu(const char *tap, unsigned mtu, struct err *err);
/* Isolated ports of a bridge do not reach each other. */
MUST_CHECK int tap_join(const char *tap, const char *bridge, bool isolated,
			struct err *err);
MUST_CHECK int tap_up(const char *tap, struct err *err);

#endif
