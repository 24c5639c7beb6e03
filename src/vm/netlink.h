/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's network interfaces, addresses and default routes.
 *
 * A table of operations: netlink_open() makes the one that talks to the
 * kernel over rtnetlink(7), unit tests play another. Interfaces are named, so
 * that what was just made can be used at once. A change is one request: the
 * kernel does all of it or, where it is not said otherwise, nothing.
 * Errors: the sentence begins with the interface's name and ends with what
 * the kernel says.
 * Locking: none, one thread.
 */
#ifndef VM_NETLINK_H
#define VM_NETLINK_H

#include <net/if.h>

#include "base/base.h"
#include "base/err.h"

#define NETLINK_ALIAS_SIZE 256u

struct netlink_link {
	unsigned index;
	unsigned master; /* index of the bridge it is a port of, 0: none */
	unsigned lower;	 /* VLAN interface: index of what carries it */
	unsigned vlan;	 /* VLAN interface: its number */
	unsigned mtu;
	bool up;
	bool ethernet; /* loopback and tunnels are not */
	bool isolated; /* as a bridge's port */
	char name[IFNAMSIZ];
	char kind[16]; /* "bridge", "vlan", "tun"; "" for hardware */
	char alias[NETLINK_ALIAS_SIZE];
	uint64_t rx_bytes, tx_bytes;
};

struct netlink_addr {
	unsigned index; /* of its interface; not used when it is given */
	int family;	/* AF_INET, AF_INET6 */
	unsigned prefix;
	uint8_t bytes[16];
};

/* All there was at one moment. Zero-initialised is empty. */
struct netlink_state {
	struct netlink_link *link;
	size_t links;
	struct netlink_addr *addr; /* without those of link scope */
	size_t addrs;
	unsigned *gateway; /* interfaces with a default route */
	size_t gateways;
};

struct netlink_new {
	const char *name;
	const char *kind;   /* "bridge" or "vlan" */
	const char *alias;  /* who it was made for */
	const uint8_t *mac; /* NULL: the kernel's choice */
	const char *lower;  /* of a VLAN interface */
	unsigned vlan;
};

#define NETLINK_MASTER	 BIT(0)
#define NETLINK_UP	 BIT(1)
#define NETLINK_MTU	 BIT(2)
#define NETLINK_ISOLATED BIT(3)

struct netlink_change {
	unsigned set; /* NETLINK_ bits: the members that count */
	bool up;
	bool isolated;
	unsigned mtu;
	char master[IFNAMSIZ]; /* "": leave the bridge */
};

struct netlink;

struct netlink_ops {
	int (*read)(struct netlink *net, struct err *err,
		    struct netlink_state *ret_state);
	/* With its alias, or not at all. */
	int (*add)(struct netlink *net, const struct netlink_new *spec,
		   struct err *err);
	int (*remove)(struct netlink *net, const char *name, struct err *err);
	int (*change)(struct netlink *net, const char *name,
		      const struct netlink_change *change, struct err *err);
	int (*addr_add)(struct netlink *net, const char *name,
			const struct netlink_addr *addr, struct err *err);
	int (*addr_remove)(struct netlink *net, const char *name,
			   const struct netlink_addr *addr, struct err *err);
	int (*alias)(struct netlink *net, const char *name, const char *alias,
		     struct err *err);
	void (*close)(struct netlink *net);
};

struct netlink {
	const struct netlink_ops *ops;
};

/* The kernel's, of the network namespace we are in. */
MUST_CHECK int netlink_open(struct err *err, struct netlink **ret_net);
/* The same over a socket that answers as the kernel does; consumes fd. */
MUST_CHECK int netlink_open_fd(int fd, struct netlink **ret_net);
void netlink_close(struct netlink *net); /* NULL allowed */

/* Frees what was in *state and reads afresh; *state is empty on failure. */
MUST_CHECK int netlink_read(struct netlink *net, struct err *err,
			    struct netlink_state *state);
void netlink_state_free(struct netlink_state *state);

/* NULL when there is none. */
const struct netlink_link *netlink_find(const struct netlink_state *state,
					const char *name);
const struct netlink_link *netlink_at(const struct netlink_state *state,
				      unsigned index);
bool netlink_is_bridge(const struct netlink_link *link); /* NULL allowed */
/* Is `link` a port of the interface called `bridge`? */
bool netlink_is_port(const struct netlink_state *state,
		     const struct netlink_link *link, const char *bridge);
bool netlink_is_gateway(const struct netlink_state *state, unsigned index);

/* 1 to 15 bytes the kernel takes as an interface's name. */
bool netlink_name_valid(const char *name);

/* "10.0.0.1/24" */
#define NETLINK_ADDR_TEXT 56u
void netlink_addr_format(const struct netlink_addr *addr,
			 char buf[NETLINK_ADDR_TEXT]);
bool netlink_addr_same(const struct netlink_addr *a,
		       const struct netlink_addr *b);
/* Is one's network inside the other's? */
bool netlink_addr_overlap(const struct netlink_addr *a,
			  const struct netlink_addr *b);

static inline void netlink_cleanup_(struct netlink **net)
{
	netlink_close(*net);
}

#define CLEANUP_NETLINK	      __attribute__((cleanup(netlink_cleanup_)))
#define CLEANUP_NETLINK_STATE __attribute__((cleanup(netlink_state_free)))

#endif
