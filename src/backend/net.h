/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network back end: where a NIC's Ethernet frames go.
 *
 * Chosen by the `backend` value of a NIC's config node: "tapN" (an existing or
 * new tap interface; an existing one may have any name), or "slirp" (user-mode
 * network 10.0.2.0/24 through libslirp, with hostfwd=PROTO:[HA]:HP-[GA]:GP
 * separated by semicolons), or none (a link without peer: frames vanish).
 * Frames carry a struct virtio_net_hdr_v1 (12 bytes) in front when
 * net_set_vnet_hdr() was accepted, else nothing.
 *
 * Frames come in turns: what is there when the event loop looks, up to a limit.
 * A NIC puts each into the guest's memory at once and interrupts the guest when
 * the turn ends, so that a burst costs one interrupt, and a frame that comes
 * alone waits for nothing but a look whether it does.
 *
 * Threads: the functions of a net_receiver run on the event loop's thread,
 * never inside another function of this header, so they may take the lock under
 * which the owner calls those. open and close on that thread or while it does
 * not run, net_send() from one thread at a time, the rest from any thread.
 * Limits: frames up to NET_FRAME_MAX bytes in up to NET_IOV_MAX pieces; others
 * are dropped.
 */
#ifndef BACKEND_NET_H
#define BACKEND_NET_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/cfg.h"
#include "base/err.h"
#include "base/evloop.h"

#define NET_FRAME_MAX (65536u + 64u)
#define NET_IOV_MAX   256u
#define NET_HDR_BYTES 12u /* sizeof(struct virtio_net_hdr_v1) */

struct net;

/* Where frames go that come in; both functions are needed. */
struct net_receiver {
	/*
	 * One received frame. False: the guest has no buffer now; the back end
	 * keeps the frame (taps: the others unread) and stops until
	 * net_resume().
	 */
	bool (*frame)(void *ctx, const struct iovec *iov, unsigned iovcnt);
	/*
	 * The turn is over: the guest is to hear of its frames. Follows every
	 * frame() that returned true, before the event loop does anything else,
	 * also when the turn ends early: no room, net_enable(false), an error.
	 */
	void (*turn_end)(void *ctx);
};

/* `to` must outlive the back end. */
MUST_CHECK int net_open(struct cfg *node, struct evloop *loop,
			const struct net_receiver *to, void *ctx,
			struct err *err, struct net **ret_net);
void net_close(struct net *net); /* NULL allowed */

/* Starts or stops delivery (guest driver ready or reset); off at first. */
void net_enable(struct net *net, bool on);
/* The guest has buffers again; any thread. */
void net_resume(struct net *net);
/* A frame that cannot be sent is dropped, as on a wire. */
void net_send(struct net *net, const struct iovec *iov, unsigned iovcnt);
/*
 * Puts headers in front of frames (off at first) and says which offloads, as
 * TUN_F_* bits, the guest accepts; -ENOTSUP when the back end cannot.
 */
MUST_CHECK int net_set_vnet_hdr(struct net *net, bool on, unsigned tun_f);
bool net_has_vnet_hdr(const struct net *net);

/* Can a driver in the kernel (vhost-net) take this back end's place? */
bool net_can_lend(const struct net *net);
/*
 * Stops delivery, drops what has come in and was not delivered, and returns the
 * descriptor for that driver, which reads and writes frames with headers; or
 * -ENOTSUP. The descriptor stays ours; net_enable() goes on here, once the
 * driver has let go.
 */
MUST_CHECK int net_lend(struct net *net);

/* MAC of a NIC: `mac=` of the node or 58:9c:fc + a hash of `key`. */
MUST_CHECK int net_mac(struct cfg *node, const char *key, struct err *err,
		       uint8_t ret_mac[6]);

extern const char *const net_options[];

#endif
