/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of a function's network interfaces the host uses: those with a route,
 * and those that are part of something (bridge, bond, VLAN) with or without.
 *
 * Any route counts, not only the default one: taking away an interface with an
 * address cuts whoever is logged in from that network. Link-local and
 * multicast routes, which IPv6 gives to every interface that is up, do not.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define DEPTH_MAX 16
#define NET	  "sys/class/net"

/* linux/route.h and linux/ipv6_route.h keep these in the ABI. */
#define ROUTE_UP     0x0001u
#define ROUTE_REJECT 0x0200u

struct nets {
	const struct hostpci *host;
	struct usage *usage;
	char *routes4, *routes6;
};

static void nets_free(struct nets *nets)
{
	free(nets->routes4);
	free(nets->routes6);
}

static void net_offer(struct nets *nets, bool is_default, const char *name,
		      const char *base, const char *what)
{
	enum usage_rank rank = is_default ? USAGE_DEFAULT_ROUTE : USAGE_ROUTE;

	if (strcmp(name, base) == 0)
		usage_offer(nets->usage, rank, 0, "%s carries %s", name, what);
	else
		usage_offer(nets->usage, rank, 0,
			    "%s is built on %s and carries %s", name, base,
			    what);
}

/*
 * Interface, destination, gateway, flags, two counters, metric, mask; the
 * addresses are the network's bytes printed as a number of this machine.
 */
static void net_check_routes4(struct nets *nets, const char *name,
			      const char *base)
{
	char what[96], interface[64];
	unsigned to, via, flags, mask;

	for (const char *line = nets->routes4; line && *line;) {
		if (sscanf(line, "%63s %x %x %x %*u %*u %*u %x", interface, &to,
			   &via, &flags, &mask) == 5 &&
		    strcmp(interface, name) == 0 && flags & ROUTE_UP &&
		    !(flags & ROUTE_REJECT)) {
			const uint8_t *byte = (const uint8_t *)&to;

			snprintf(what, sizeof(what),
				 "the route to %u.%u.%u.%u/%d", byte[0],
				 byte[1], byte[2], byte[3],
				 __builtin_popcount(mask));
			net_offer(nets, mask == 0, name, base,
				  mask == 0 ? "the default route" : what);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
}

static bool route6_everywhere(const char *to)
{
	/* fe80::/10 and ff00::/8 */
	return strncmp(to, "ff", 2) == 0 ||
	       (strncmp(to, "fe", 2) == 0 && strchr("89ab", to[2]));
}

/*
 * Destination, its length, source, its length, gateway, metric, two counters,
 * flags, interface; all hexadecimal.
 */
static void net_check_routes6(struct nets *nets, const char *name,
			      const char *base)
{
	char what[96], to[40], interface[64];
	unsigned length, flags;

	for (const char *line = nets->routes6; line && *line;) {
		if (sscanf(line, "%39s %x %*s %*x %*s %*x %*x %*x %x %63s", to,
			   &length, &flags, interface) == 4 &&
		    strcmp(interface, name) == 0 && flags & ROUTE_UP &&
		    !(flags & ROUTE_REJECT) && !route6_everywhere(to)) {
			snprintf(what, sizeof(what),
				 "an IPv6 route (%.4s:%.4s:%.4s:%.4s::/%u)", to,
				 to + 4, to + 8, to + 12, length);
			net_offer(nets, length == 0, name, base,
				  length == 0 ? "the default route (IPv6)"
					      : what);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
}

/* `name` and all that is built on it (links "upper_br0"). */
static int net_climb(struct nets *nets, const char *name, const char *base,
		     unsigned depth)
{
	CLEANUP_LIST struct list list = {0};
	int rc;

	if (depth >= DEPTH_MAX)
		return -ELOOP;
	net_check_routes4(nets, name, base);
	net_check_routes6(nets, name, base);
	rc = sysfs_list(nets->host, &list, NET "/%s", name);
	for (int i = 0; i < list.count && rc == 0; i++) {
		const char *upper = list.entry[i]->d_name;

		if (strncmp(upper, "upper_", 6) != 0)
			continue;
		upper += 6;
		usage_offer(nets->usage, USAGE_BUILT_ON, depth,
			    "%s is built on %s", upper, base);
		rc = net_climb(nets, upper, base, depth + 1);
	}
	return rc;
}

/* IPv4 or IPv6 may be switched off: then the table is missing. */
static int routes_load(const struct hostpci *host, const char *path,
		       struct err *err, char **ret_text)
{
	int rc = sysfs_file(host, path, ret_text);

	if (rc < 0 && rc != -ENOENT)
		return err_sys(
		    err, rc, "cannot tell whether its network is in use: %s/%s",
		    host->root, path);
	return 0;
}

int usage_net(const struct hostpci *host, const struct hostpci_dev *dev,
	      struct err *err, struct usage *usage)
{
	__attribute__((cleanup(nets_free))) struct nets nets = {
	    .host = host,
	    .usage = usage,
	};
	CLEANUP_LIST struct list all = {0};
	char path[PATH_MAX];
	int rc = sysfs_list(host, &all, NET);

	if (rc < 0)
		return err_sys(err, rc, "%s/" NET, host->root);
	rc = routes_load(host, "proc/net/route", err, &nets.routes4);
	if (rc == 0)
		rc = routes_load(host, "proc/net/ipv6_route", err,
				 &nets.routes6);
	for (int i = 0; i < all.count && rc == 0; i++) {
		const char *name = all.entry[i]->d_name;

		if (sysfs_link(host, path, sizeof(path), NET "/%s", name) < 0 ||
		    !path_has(path, dev->bdf))
			continue;
		rc = net_climb(&nets, name, name, 0);
		if (rc < 0)
			return err_sys(err, rc, "what is built on %s", name);
	}
	return rc;
}
