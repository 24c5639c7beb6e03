/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which interfaces may become a port of a switch; see switch.h.
 *
 * A port's frames go to the bridge before the host's own protocols see them,
 * so an address on it is dead from that moment on: a host would lose its
 * network by a command about guests. With a VLAN it is only tagged frames
 * that go to the bridge, and the interface stays what it is.
 */
#include <string.h>

#include "vm/switch.h"

/* Wireless interfaces have a folder of this name in sysfs. */
static bool is_wireless(struct switch_env *env, const char *name)
{
	char path[PATH_MAX + 64], text[64];
	size_t len;

	snprintf(path, sizeof(path), "%s/sys/class/net/%.15s/phy80211/name",
		 env->host_root, name);
	return env->os->ops->read(env->os, path, text, sizeof(text), &len) == 0;
}

static int kind_check(struct switch_env *env, const struct netlink_link *link,
		      struct err *err)
{
	char guest[GUEST_NAME_MAX + 1];

	if (strncmp(link->alias, "vm-switch/", 10) == 0)
		return err_set(err, -EINVAL,
			       "%s: the bridge of switch '%s', which cannot be "
			       "a port of another",
			       link->name, link->alias + 10);
	if (netlink_is_bridge(link))
		return err_set(err, -EINVAL,
			       "%s: a bridge cannot be a port of another; 'vm "
			       "switch create -t manual -b %s NAME' uses it as "
			       "it is",
			       link->name, link->name);
	if (switch_tap_guest(link, guest))
		return err_set(err, -EBUSY,
			       "%s: the network card of guest '%s'; its file "
			       "names the switch it joins",
			       link->name, guest);
	if (!link->ethernet)
		return err_set(err, -EINVAL,
			       "%s: not an Ethernet interface, which a port "
			       "has to be",
			       link->name);
	if (is_wireless(env, link->name))
		return err_set(err, -EOPNOTSUPP,
			       "%s: a wireless interface cannot be a port: the "
			       "access point takes frames from this host's own "
			       "address only; use a switch with NAT",
			       link->name);
	return 0;
}

static int master_check(struct switch_env *env, const struct netlink_link *link,
			struct err *err)
{
	const struct netlink_link *master =
	    netlink_at(&env->state, link->master);

	if (!link->master)
		return 0;
	if (!master || !netlink_is_bridge(master))
		return err_set(err, -EBUSY, "%s: already a part of %s",
			       link->name,
			       master ? master->name : "another interface");
	if (strncmp(master->alias, "vm-switch/", 10) == 0)
		return err_set(err, -EBUSY, "%s: already a port of switch '%s'",
			       link->name, master->alias + 10);
	return err_set(err, -EBUSY,
		       "%s: already a port of bridge %s; 'vm switch create -t "
		       "manual -b %s NAME' makes a switch of that",
		       link->name, master->name, master->name);
}

/* Has the text a line "KEY=VALUE"? */
static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, line, len) == 0 &&
		    (text[len] == '\n' || text[len] == '\0'))
			return true;
	return false;
}

/* What a service keeps below /run about the interface; "" when nothing. */
static void service_read(struct switch_env *env, const char *dir,
			 unsigned index, char *buf, size_t size)
{
	char path[PATH_MAX + 64];
	size_t len;

	snprintf(path, sizeof(path), "%s/run/%s/%u", env->host_root, dir,
		 index);
	if (env->os->ops->read(env->os, path, buf, size, &len) < 0)
		buf[0] = '\0';
}

/*
 * nm-device state and systemd-networkd's link files: what they hold is only
 * taken as a hint, so a change of theirs costs a warning.
 */
static bool networkmanager_has(struct switch_env *env, unsigned index)
{
	char text[2048];

	service_read(env, "NetworkManager/devices", index, text, sizeof(text));
	return has_line(text, "managed=true");
}

static bool networkd_has(struct switch_env *env, unsigned index)
{
	char text[2048];

	service_read(env, "systemd/netif/links", index, text, sizeof(text));
	return has_line(text, "ADMIN_STATE=configured") ||
	       has_line(text, "ADMIN_STATE=configuring");
}

static int addresses_check(struct switch_env *env,
			   const struct netlink_link *link, struct err *err)
{
	bool gateway = netlink_is_gateway(&env->state, link->index);
	char text[NETLINK_ADDR_TEXT] = "", cure[128] = "";

	for (size_t i = 0; i < env->state.addrs && !text[0]; i++)
		if (env->state.addr[i].index == link->index)
			netlink_addr_format(&env->state.addr[i], text);
	if (!gateway && !text[0])
		return 0;
	if (networkmanager_has(env, link->index))
		snprintf(cure, sizeof(cure),
			 "; or 'nmcli device disconnect %s' takes it away, if "
			 "the host does not need it",
			 link->name);
	return err_set(err, -EBUSY,
		       "%s: has %s%s%s%s, which stops working on a port; let "
		       "the host's network configuration make a bridge of %s "
		       "with the address on it, then 'vm switch create -t "
		       "manual -b BRIDGE NAME'%s",
		       link->name, gateway ? "the host's default route" : "",
		       gateway && text[0] ? " and " : "",
		       text[0] ? "the address " : "", text, link->name, cure);
}

int switch_port_check(struct switch_env *env, const struct vswitch *sw,
		      const char *port, struct err *err)
{
	const struct netlink_link *link = netlink_find(&env->state, port);
	int rc;

	if (!link)
		return err_set(err, -ENODEV,
			       "%s: this host has no such network interface",
			       port);
	rc = kind_check(env, link, err);
	/* Tagged frames only: the interface keeps the rest. */
	if (rc == 0 && !sw->vlan)
		rc = master_check(env, link, err);
	if (rc == 0 && !sw->vlan)
		rc = addresses_check(env, link, err);
	return rc;
}

void switch_port_warn(struct switch_env *env, const struct vswitch *sw,
		      const char *port)
{
	const struct netlink_link *link = netlink_find(&env->state, port);

	if (!link || sw->vlan)
		return;
	if (networkmanager_has(env, link->index))
		warner_say(env->warner,
			   "%s: NetworkManager manages it and may give it an "
			   "address, which does not work on a port; 'nmcli "
			   "device set %s managed no' and unmanaged-devices in "
			   "its configuration keep it away",
			   port, port);
	if (networkd_has(env, link->index))
		warner_say(env->warner,
			   "%s: systemd-networkd configures it and may give it "
			   "an address, which does not work on a port; a "
			   ".network file with Unmanaged=yes for it keeps "
			   "networkd away",
			   port);
}
