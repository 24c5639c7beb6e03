/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking rtnetlink's messages apart; the contract is netlink_parse.h. */
#include "vm/netlink_parse.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>

#include "vm/netlink.h"

/* A host with more than this has another problem. */
#define ENTRIES_MAX 16384u

/* Room for one more at *array; NULL with errno. */
static void *entry_add(void *array, size_t *count, size_t size)
{
	void **base = array;
	char *grown;

	if (*count >= ENTRIES_MAX) {
		errno = E2BIG;
		return NULL;
	}
	grown = reallocarray(*base, *count + 1, size);
	if (!grown)
		return NULL;
	*base = grown;
	grown += (*count)++ * size;
	return memset(grown, 0, size);
}

/* A string attribute into a buffer; what is too long is cut. */
static void get_text(const struct nlattr *attr, char *buf, size_t size)
{
	size_t len =
	    strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));

	len = MIN(len, size - 1);
	memcpy(buf, mnl_attr_get_payload(attr), len);
	buf[len] = '\0';
}

static uint32_t get_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

static void parse_vlan(const struct nlattr *data, struct netlink_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data)
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID &&
		    mnl_attr_get_payload_len(attr) >= 2)
			link->vlan = mnl_attr_get_u16(attr);
}

static void parse_port(const struct nlattr *data, struct netlink_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data)
		if (mnl_attr_get_type(attr) == IFLA_BRPORT_ISOLATED &&
		    mnl_attr_get_payload_len(attr) >= 1)
			link->isolated = mnl_attr_get_u8(attr) != 0;
}

static void parse_link_info(const struct nlattr *info,
			    struct netlink_link *link)
{
	const struct nlattr *data = NULL, *port = NULL, *attr;
	char master[16] = "";

	mnl_attr_for_each_nested (attr, info) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_INFO_KIND:
			get_text(attr, link->kind, sizeof(link->kind));
			break;
		case IFLA_INFO_DATA:
			data = attr;
			break;
		case IFLA_INFO_SLAVE_KIND:
			get_text(attr, master, sizeof(master));
			break;
		case IFLA_INFO_SLAVE_DATA:
			port = attr;
			break;
		}
	}
	if (data && strcmp(link->kind, "vlan") == 0)
		parse_vlan(data, link);
	if (port && strcmp(master, "bridge") == 0)
		parse_port(port, link);
}

static void parse_stats(const struct nlattr *attr, struct netlink_link *link)
{
	struct rtnl_link_stats64 stats = {0};

	memcpy(&stats, mnl_attr_get_payload(attr),
	       MIN((size_t)mnl_attr_get_payload_len(attr), sizeof(stats)));
	link->rx_bytes = stats.rx_bytes;
	link->tx_bytes = stats.tx_bytes;
}

static void parse_link_attr(const struct nlattr *attr,
			    struct netlink_link *link)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		get_text(attr, link->name, sizeof(link->name));
		break;
	case IFLA_IFALIAS:
		get_text(attr, link->alias, sizeof(link->alias));
		break;
	case IFLA_MASTER:
		link->master = get_u32(attr);
		break;
	case IFLA_LINK:
		link->lower = get_u32(attr);
		break;
	case IFLA_MTU:
		link->mtu = get_u32(attr);
		break;
	case IFLA_LINKINFO:
		parse_link_info(attr, link);
		break;
	case IFLA_STATS64:
		parse_stats(attr, link);
		break;
	}
}

int netlink_parse_link(const struct nlmsghdr *head, void *ctx)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(head);
	struct netlink_state *state = ctx;
	const struct nlattr *attr;
	struct netlink_link *link;

	if (head->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(head) < sizeof(*ifi))
		return MNL_CB_OK;
	link = entry_add(&state->link, &state->links, sizeof(*link));
	if (!link)
		return MNL_CB_ERROR;
	link->index = (unsigned)ifi->ifi_index;
	link->up = ifi->ifi_flags & IFF_UP;
	link->ethernet = ifi->ifi_type == ARPHRD_ETHER;
	mnl_attr_for_each (attr, head, sizeof(*ifi))
		parse_link_attr(attr, link);
	return MNL_CB_OK;
}

int netlink_parse_addr(const struct nlmsghdr *head, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(head);
	struct netlink_state *state = ctx;
	const struct nlattr *attr, *local = NULL;
	struct netlink_addr *addr;
	size_t len;

	if (head->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(head) < sizeof(*ifa) ||
	    ifa->ifa_scope >= RT_SCOPE_LINK ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	len = ifa->ifa_family == AF_INET ? 4 : 16;
	/* Of a point-to-point link ADDRESS is the other side's. */
	mnl_attr_for_each (attr, head, sizeof(*ifa))
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && !local))
			local = attr;
	if (!local || mnl_attr_get_payload_len(local) != len)
		return MNL_CB_OK;
	addr = entry_add(&state->addr, &state->addrs, sizeof(*addr));
	if (!addr)
		return MNL_CB_ERROR;
	addr->index = ifa->ifa_index;
	addr->family = ifa->ifa_family;
	addr->prefix = ifa->ifa_prefixlen;
	memcpy(addr->bytes, mnl_attr_get_payload(local), len);
	return MNL_CB_OK;
}

static int gateway_add(struct netlink_state *state, unsigned index)
{
	unsigned *gateway;

	if (index == 0)
		return MNL_CB_OK;
	gateway =
	    entry_add(&state->gateway, &state->gateways, sizeof(*gateway));
	if (!gateway)
		return MNL_CB_ERROR;
	*gateway = index;
	return MNL_CB_OK;
}

/* A route over several links lists them all. */
static int parse_hops(const struct nlattr *attr, struct netlink_state *state)
{
	const uint8_t *p = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);
	int rc = MNL_CB_OK;

	while (rc == MNL_CB_OK && left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;
		size_t step;

		memcpy(&hop, p, sizeof(hop));
		step = MNL_ALIGN((size_t)hop.rtnh_len);
		if (hop.rtnh_len < sizeof(hop) || step > left)
			break;
		rc = gateway_add(state, (unsigned)hop.rtnh_ifindex);
		p += step;
		left -= step;
	}
	return rc;
}

int netlink_parse_route(const struct nlmsghdr *head, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(head);
	const struct nlattr *attr;
	int rc = MNL_CB_OK;

	if (head->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(head) < sizeof(*rtm) ||
	    rtm->rtm_dst_len != 0 || rtm->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, head, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_OIF)
			rc = gateway_add(ctx, get_u32(attr));
		else if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
			rc = parse_hops(attr, ctx);
		if (rc != MNL_CB_OK)
			return rc;
	}
	return MNL_CB_OK;
}
