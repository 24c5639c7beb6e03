/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking things up in what was read; the contract is netlink.h. */
#include <arpa/inet.h>
#include <string.h>

#include "vm/netlink.h"

void netlink_state_free(struct netlink_state *state)
{
	free(state->link);
	free(state->addr);
	free(state->gateway);
	*state = (struct netlink_state){0};
}

const struct netlink_link *netlink_find(const struct netlink_state *state,
					const char *name)
{
	for (size_t i = 0; i < state->links; i++)
		if (strcmp(state->link[i].name, name) == 0)
			return &state->link[i];
	return NULL;
}

const struct netlink_link *netlink_at(const struct netlink_state *state,
				      unsigned index)
{
	for (size_t i = 0; index != 0 && i < state->links; i++)
		if (state->link[i].index == index)
			return &state->link[i];
	return NULL;
}

bool netlink_is_bridge(const struct netlink_link *link)
{
	return link && strcmp(link->kind, "bridge") == 0;
}

bool netlink_is_port(const struct netlink_state *state,
		     const struct netlink_link *link, const char *bridge)
{
	const struct netlink_link *master = netlink_at(state, link->master);

	return master && strcmp(master->name, bridge) == 0;
}

bool netlink_is_gateway(const struct netlink_state *state, unsigned index)
{
	for (size_t i = 0; i < state->gateways; i++)
		if (state->gateway[i] == index)
			return true;
	return false;
}

bool netlink_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' ||
		    strchr("/:%\"\\'", name[i]))
			return false;
	return true;
}

void netlink_addr_format(const struct netlink_addr *addr,
			 char buf[NETLINK_ADDR_TEXT])
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(addr->family, addr->bytes, text, sizeof(text)))
		strcpy(text, "?");
	snprintf(buf, NETLINK_ADDR_TEXT, "%s/%u", text, addr->prefix);
}

bool netlink_addr_same(const struct netlink_addr *a,
		       const struct netlink_addr *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

bool netlink_addr_overlap(const struct netlink_addr *a,
			  const struct netlink_addr *b)
{
	unsigned bits = MIN(a->prefix, b->prefix);

	if (a->family != b->family)
		return false;
	for (unsigned i = 0; i < bits; i++)
		if (((a->bytes[i / 8] ^ b->bytes[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}
