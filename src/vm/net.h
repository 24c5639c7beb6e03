/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host side of a guest's network cards: tap interfaces and bridges.
 *
 * A tap made here is persistent (byway may come and go), carries the alias
 * "vmnet/GUEST/N/SWITCH", and is removed by tap_delete(), which touches
 * nothing that does not carry the guest's alias or that someone has open.
 * Linux: Documentation/networking/tuntap.rst, netdevice(7).
 * Locking: none; functions have no state.
 */
#ifndef VM_NET_H
#define VM_NET_H

#include <net/if.h>

#include "base/base.h"
#include "base/err.h"
#include "vm/words.h"

bool link_exists(const char *name);

/* `name` NULL: the first free tapN. */
MUST_CHECK int tap_create(const char *name, const char *alias, struct err *err,
			  char ret_name[IFNAMSIZ]);
/* 0 also when there is no such interface. -EBUSY: someone has it open. */
MUST_CHECK int tap_delete(const char *name, const char *guest, struct err *err);

/* Adds the names of all interfaces that carry the guest's alias. */
void taps_find(const char *guest, struct words *taps);

/* The bridge of a switch: "vm-SWITCH", else "SWITCH". -ENODEV when neither is.
 */
MUST_CHECK int bridge_find(const char *name, char ret_bridge[IFNAMSIZ]);
MUST_CHECK int bridge_add(const char *bridge, const char *port,
			  struct err *err);

MUST_CHECK int link_up(const char *name, struct err *err);
MUST_CHECK int link_mtu(const char *name, unsigned *ret_mtu);
MUST_CHECK int link_set_mtu(const char *name, unsigned mtu, struct err *err);

#endif
