/* SPDX-License-Identifier: BSD-2-Clause */
/* Tap interfaces; the contract is net.h. */
#include "vm/net.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vm/netlink.h"

#define TUN_PATH "/dev/net/tun"

static int name_set(char dst[IFNAMSIZ], const char *name)
{
	if (!netlink_name_valid(name))
		return -EINVAL;
	memset(dst, 0, IFNAMSIZ);
	strcpy(dst, name);
	return 0;
}

bool link_exists(const char *name)
{
	return netlink_name_valid(name) && if_nametoindex(name) != 0;
}

bool link_is_tap(const char *name)
{
	CLEANUP_NETLINK_STATE struct netlink_state state = {0};
	CLEANUP_NETLINK struct netlink *net = NULL;
	const struct netlink_link *link;

	if (netlink_open(NULL, &net) < 0 || netlink_read(net, NULL, &state) < 0)
		return false;
	link = netlink_find(&state, name);
	return link && strcmp(link->kind, "tun") == 0;
}

int link_mtu(const char *name, unsigned *ret_mtu)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	int rc = name_set(ifr.ifr_name, name);

	if (rc == 0 && (fd < 0 || ioctl(fd, SIOCGIFMTU, &ifr) < 0))
		rc = -errno;
	if (rc == 0)
		*ret_mtu = (unsigned)ifr.ifr_mtu;
	return rc;
}

/* Was it made for `guest`? */
static bool alias_matches(const struct netlink_link *link, const char *guest)
{
	char expected[NETLINK_ALIAS_SIZE];
	int len = snprintf(expected, sizeof(expected), "vmnet/%s/", guest);

	return len < (int)sizeof(expected) &&
	       strncmp(link->alias, expected, (size_t)len) == 0;
}

static int alias_set(const char *name, const char *alias, struct err *err)
{
	CLEANUP_NETLINK struct netlink *net = NULL;
	int rc = netlink_open(err, &net);

	return rc < 0 ? rc : net->ops->alias(net, name, alias, err);
}

int tap_create(const char *name, const char *alias, struct err *err,
	       char ret_name[IFNAMSIZ])
{
	CLEANUP_CLOSE int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int rc;

	if (fd < 0)
		return err_sys(err, -errno, TUN_PATH);
	if (name && name_set(ifr.ifr_name, name) < 0)
		return err_set(err, -EINVAL,
			       "'%.40s' is not a network interface name", name);
	if (name && link_exists(name))
		return err_set(err, -EEXIST,
			       "%s: a network interface of this name exists",
			       name);
	if (!name)
		strcpy(ifr.ifr_name, "tap%d"); /* the kernel finds the number */
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, -errno, "%s: cannot make a tap interface",
			       name ? name : "tap");
	/* First the alias, then persistence: a tap that outlives us can be
	 * told from others. */
	rc = alias_set(ifr.ifr_name, alias, err);
	if (rc < 0)
		return rc;
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return err_sys(err, -errno, "%s: cannot be made to stay",
			       ifr.ifr_name);
	memcpy(ret_name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

int tap_give(const char *name, uid_t owner, struct err *err)
{
	CLEANUP_CLOSE int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (fd < 0 || name_set(ifr.ifr_name, name) < 0 ||
	    ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0)
		return err_sys(err, -errno, "%s: cannot be given to user %u",
			       name, (unsigned)owner);
	return 0;
}

static int state_read(struct netlink_state *state, struct err *err)
{
	CLEANUP_NETLINK struct netlink *net = NULL;
	int rc = netlink_open(err, &net);

	return rc < 0 ? rc : netlink_read(net, err, state);
}

int tap_delete(const char *name, const char *guest, struct err *err)
{
	CLEANUP_NETLINK_STATE struct netlink_state state = {0};
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	CLEANUP_CLOSE int fd = -1;
	const struct netlink_link *link;
	int rc;

	if (name_set(ifr.ifr_name, name) < 0)
		return 0;
	rc = state_read(&state, err);
	if (rc < 0)
		return rc;
	link = netlink_find(&state, name);
	if (!link || !alias_matches(link, guest))
		return 0;
	fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, TUN_PATH);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETPERSIST, 0) < 0)
		return err_sys(err, -errno, "%s: cannot be removed", name);
	return 0;
}

void taps_find(const char *guest, struct words *taps)
{
	CLEANUP_NETLINK_STATE struct netlink_state state = {0};

	if (state_read(&state, NULL) < 0)
		return;
	for (size_t i = 0; i < state.links; i++)
		if (alias_matches(&state.link[i], guest))
			words_add(taps, "%s", state.link[i].name);
}

static int tap_change(const char *tap, const struct netlink_change *change,
		      struct err *err)
{
	CLEANUP_NETLINK struct netlink *net = NULL;
	int rc = netlink_open(err, &net);

	return rc < 0 ? rc : net->ops->change(net, tap, change, err);
}

int tap_set_mtu(const char *tap, unsigned mtu, struct err *err)
{
	struct netlink_change change = {.set = NETLINK_MTU, .mtu = mtu};

	return tap_change(tap, &change, err);
}

int tap_join(const char *tap, const char *bridge, bool isolated,
	     struct err *err)
{
	struct netlink_change join = {.set = NETLINK_MASTER};
	struct netlink_change isolate = {.set = NETLINK_ISOLATED,
					 .isolated = true};
	int rc;

	snprintf(join.master, sizeof(join.master), "%s", bridge);
	rc = tap_change(tap, &join, err);
	/* The tap is down yet: nothing passes before this. */
	if (rc == 0 && isolated)
		rc = tap_change(tap, &isolate, err);
	return rc;
}

int tap_up(const char *tap, struct err *err)
{
	struct netlink_change up = {.set = NETLINK_UP, .up = true};

	return tap_change(tap, &up, err);
}
