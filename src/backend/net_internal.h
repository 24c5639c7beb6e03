/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kinds of network back end implement; not for device models. */
#ifndef BACKEND_NET_INTERNAL_H
#define BACKEND_NET_INTERNAL_H

#include "backend/net.h"

struct net_ops {
	void (*close)(struct net *net); /* frees it */
	void (*enable)(struct net *net, bool on);
	void (*resume)(struct net *net);
	void (*send)(struct net *net, const struct iovec *iov, unsigned iovcnt);
	/* NULL: cannot. */
	int (*set_vnet_hdr)(struct net *net, bool on, unsigned tun_f);
	int (*lend)(struct net *net); /* NULL: cannot */
};

/* First member of each kind; set by net_open() before its own part. */
struct net {
	const struct net_ops *ops;
	struct evloop *loop;
	const struct net_receiver *to;
	void *ctx;
	bool turn; /* a frame was taken, turn_end() is due; loop's thread */
};

/* Hands the NIC a frame; false: no room. net_turn_end() is to follow. */
static inline bool net_deliver(struct net *net, const struct iovec *iov,
			       unsigned iovcnt)
{
	if (!net->to->frame(net->ctx, iov, iovcnt))
		return false;
	net->turn = true;
	return true;
}

static inline void net_turn_end(struct net *net)
{
	if (!net->turn)
		return;
	net->turn = false;
	net->to->turn_end(net->ctx);
}

/* `like` holds loop, to and ctx. */
MUST_CHECK int net_tap_open(const char *name, const char *tun_path,
			    const struct net *like, struct err *err,
			    struct net **ret_net);
/* Takes a tap's (or, in tests, a packet socket's) descriptor over. */
MUST_CHECK int net_tap_wrap(const char *name, int fd, const struct net *like,
			    struct net **ret_net);
MUST_CHECK int net_slirp_open(struct cfg *node, const struct net *like,
			      struct err *err, struct net **ret_net);

/* One hostfwd= rule. Addresses 0: any host address, the guest's first. */
struct net_fwd {
	bool udp;
	uint32_t host_addr, guest_addr; /* network byte order */
	uint16_t host_port, guest_port;
};
/* Parses one rule of `len` bytes. */
MUST_CHECK int net_fwd_parse(const char *text, size_t len, struct err *err,
			     struct net_fwd *ret_fwd);

#endif
