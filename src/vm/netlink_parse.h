/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One message of a dump becomes an entry of struct netlink_state.
 *
 * Callbacks for libmnl: `ctx` is the state; MNL_CB_OK, also for a message that
 * is none of ours, or MNL_CB_ERROR with errno.
 * Locking: none; functions have no state.
 */
#ifndef VM_NETLINK_PARSE_H
#define VM_NETLINK_PARSE_H

#include <linux/netlink.h>

int netlink_parse_link(const struct nlmsghdr *head, void *ctx);
int netlink_parse_addr(const struct nlmsghdr *head, void *ctx);
int netlink_parse_route(const struct nlmsghdr *head, void *ctx);

#endif
