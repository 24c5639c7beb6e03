/* SPDX-License-Identifier: BSD-2-Clause */
/* Choosing a network back end, and a NIC's address. See net.h. */
#include "backend/net.h"

#include <net/if.h>
#include <string.h>

#include "backend/net_internal.h"
#include "base/hash.h"

#define TUN_PATH "/dev/net/tun"

const char *const net_options[] = {"backend", "hostfwd", "mac", NULL};

/* ---- a link without peer ---- */

static void null_close(struct net *net)
{
	free(net);
}

static void null_switch(struct net *net UNUSED, bool on UNUSED)
{
}

static void null_resume(struct net *net UNUSED)
{
}

static void null_send(struct net *net UNUSED, const struct iovec *iov UNUSED,
		      unsigned iovcnt UNUSED)
{
}

static const struct net_ops null_ops = {
    .close = null_close,
    .enable = null_switch,
    .resume = null_resume,
    .send = null_send,
};

static int null_open(const struct net *like, struct net **ret_net)
{
	struct net *net = malloc(sizeof(*net));

	if (!net)
		return -ENOMEM;
	*net = *like;
	net->ops = &null_ops;
	*ret_net = net;
	return 0;
}

/* ---- choice ---- */

static bool is_tap_name(const char *name)
{
	size_t digits =
	    strspn(name + MIN(strlen(name), (size_t)3), "0123456789");

	/* tapN need not exist yet; another name must. */
	return (strncmp(name, "tap", 3) == 0 && digits > 0 &&
		name[3 + digits] == '\0') ||
	       (strlen(name) < IFNAMSIZ && if_nametoindex(name) != 0);
}

static int unknown(const char *backend, struct err *err)
{
	static const char *const elsewhere[] = {"netgraph", "vale", "netmap"};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(elsewhere); i++)
		if (strncmp(backend, elsewhere[i], strlen(elsewhere[i])) == 0)
			return err_set(
			    err, -EINVAL,
			    "network back end %s exists on FreeBSD only; use a"
			    " tap interface (tapN) or slirp",
			    backend);
	return err_set(
	    err, -ENODEV,
	    "network back end %s: no interface of that name; create it with"
	    " 'ip tuntap add dev %s mode tap', or use tapN or slirp",
	    backend, backend);
}

int net_open(struct cfg *node, struct evloop *loop,
	     const struct net_receiver *to, void *ctx, struct err *err,
	     struct net **ret_net)
{
	const struct net like = {.loop = loop, .to = to, .ctx = ctx};
	char backend[64];
	int r;

	r = cfg_get(node, "backend", backend, sizeof(backend), err);
	if (r < 0)
		return r;
	if (r > 0 && strcmp(backend, "slirp") == 0)
		return net_slirp_open(node, &like, err, ret_net);
	if (cfg_raw(node, "hostfwd"))
		return err_set(err, -EINVAL,
			       "hostfwd works with the back end slirp only");
	if (r == 0) {
		r = null_open(&like, ret_net);
		return r ? err_sys(err, r, "network") : 0;
	}
	if (!is_tap_name(backend))
		return unknown(backend, err);
	return net_tap_open(backend, TUN_PATH, &like, err, ret_net);
}

void net_close(struct net *net)
{
	if (net)
		net->ops->close(net);
}

void net_enable(struct net *net, bool on)
{
	net->ops->enable(net, on);
}

void net_resume(struct net *net)
{
	net->ops->resume(net);
}

void net_send(struct net *net, const struct iovec *iov, unsigned iovcnt)
{
	if (iovcnt <= NET_IOV_MAX)
		net->ops->send(net, iov, iovcnt);
}

bool net_has_vnet_hdr(const struct net *net)
{
	return net->ops->set_vnet_hdr != NULL;
}

int net_set_vnet_hdr(struct net *net, bool on, unsigned tun_f)
{
	if (!net->ops->set_vnet_hdr)
		return on ? -ENOTSUP : 0;
	return net->ops->set_vnet_hdr(net, on, tun_f);
}

bool net_can_lend(const struct net *net)
{
	return net->ops->lend != NULL;
}

int net_lend(struct net *net)
{
	return net->ops->lend ? net->ops->lend(net) : -ENOTSUP;
}

/* ---- address ---- */

static bool parse_mac(const char *text, uint8_t mac[6])
{
	unsigned v[6], i;
	int used = 0;

	if (strlen(text) != 17 ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2],
		   &v[3], &v[4], &v[5], &used) != 6 ||
	    used != 17)
		return false;
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

static void derive_mac(const char *key, uint8_t mac[6])
{
	static const uint8_t prefix[3] = {0x58, 0x9c, 0xfc};
	uint64_t hash = hash64_text(HASH64_START, key);

	hash ^= hash >> 32;
	memcpy(mac, prefix, sizeof(prefix));
	mac[3] = (uint8_t)(hash >> 16);
	mac[4] = (uint8_t)(hash >> 8);
	mac[5] = (uint8_t)hash;
}

int net_mac(struct cfg *node, const char *key, struct err *err,
	    uint8_t ret_mac[6])
{
	static const uint8_t none[6];
	uint8_t mac[6];
	char text[32];
	int r;

	r = cfg_get(node, "mac", text, sizeof(text), err);
	if (r < 0)
		return r;
	if (r == 0) {
		derive_mac(key, ret_mac);
		return 0;
	}
	if (!parse_mac(text, mac))
		return err_set(
		    err, -EINVAL,
		    "mac=%s is not an address such as 58:9c:fc:00:11:22", text);
	if (mac[0] & 1 || memcmp(mac, none, sizeof(mac)) == 0)
		return err_set(
		    err, -EINVAL,
		    "mac=%s is a %s address and cannot be a NIC's own", text,
		    mac[0] & 1 ? "multicast" : "null");
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}
