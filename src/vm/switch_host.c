/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making the host follow a switch's description; the contract is switch.h.
 *
 * Theory of operation
 *
 * switch_sync() compares what should be with what is and changes what differs,
 * so the same function makes a switch, changes it, brings it up after the
 * host's boot, and does nothing when all is as it should be. Every change goes
 * through switch_txn, which can take it back. Order: the bridge, its MTU and
 * addresses; ports that leave; ports that come; guests' taps; NAT.
 */
#include <string.h>

#include "base/hash.h"
#include "vm/switch_txn.h"

#define BRIDGE_ALIAS "vm-switch/"
#define VLAN_ALIAS   "vm-vlan-"
#define TAP_ALIAS    "vmnet/"

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

int switch_env_open(const struct place *place, const struct warner *warner,
		    struct err *err, struct switch_env *ret_env)
{
	const char *run_dir = getenv("VM_RUN_DIR");
	struct switch_env env = {.os = &switch_os_host,
				 .warner = warner,
				 .host_root = place->host_root};

	if (!run_dir || !run_dir[0])
		run_dir = SWITCH_RUN_DIR_DEFAULT;
	if (snprintf(env.run_dir, sizeof(env.run_dir), "%s", run_dir) >=
	    (int)sizeof(env.run_dir))
		return err_set(err, -ENAMETOOLONG, "VM_RUN_DIR: path too long");
	*ret_env = env;
	return netlink_open(err, &ret_env->net);
}

void switch_env_close(struct switch_env *env)
{
	netlink_state_free(&env->state);
	netlink_close(env->net);
	env->net = NULL;
}

static int env_read(struct switch_env *env, struct err *err)
{
	return netlink_read(env->net, err, &env->state);
}

/* The state again, if we changed anything since. */
static int state_refresh(struct switch_txn *txn, struct err *err)
{
	if (txn->steps_read == txn->steps)
		return 0;
	txn->steps_read = txn->steps;
	return env_read(txn->env, err);
}

static bool vlan_is_ours(const struct netlink_link *link)
{
	return strcmp(link->kind, "vlan") == 0 &&
	       starts_with(link->alias, VLAN_ALIAS);
}

bool switch_tap_guest(const struct netlink_link *link,
		      char guest[GUEST_NAME_MAX + 1])
{
	const char *name = link->alias + strlen(TAP_ALIAS);
	size_t len;

	if (!starts_with(link->alias, TAP_ALIAS))
		return false;
	len = strcspn(name, "/");
	if (len == 0 || len > GUEST_NAME_MAX)
		return false;
	memcpy(guest, name, len);
	guest[len] = '\0';
	return true;
}

/* "eno1.100"; a long name's place is taken by a number made of it. */
void switch_port_link(const struct vswitch *sw, const char *port,
		      char ret_name[IFNAMSIZ])
{
	if (!sw->vlan) {
		snprintf(ret_name, IFNAMSIZ, "%s", port);
		return;
	}
	if (snprintf(ret_name, IFNAMSIZ, "%s.%u", port, sw->vlan) < IFNAMSIZ)
		return;
	snprintf(ret_name, IFNAMSIZ, "vm-%06x.%u",
		 hash32_text(HASH32_START, port) & 0xffffff, sw->vlan % 10000);
}

static bool sw_has_link(const struct vswitch *sw, const char *name)
{
	char link[IFNAMSIZ];

	for (unsigned i = 0; i < sw->ports; i++) {
		switch_port_link(sw, sw->port[i], link);
		if (strcmp(link, name) == 0)
			return true;
	}
	return false;
}

/* --- the bridge --- */

/*
 * Always the same address for the same switch of the same host: guests know
 * their gateway, and Windows the network, by it. The bit of local
 * administration is set.
 */
static void bridge_mac(struct switch_env *env, const struct vswitch *sw,
		       uint8_t mac[6])
{
	char id[64] = "";
	uint64_t hash;
	size_t len;

	if (env->os->ops->read(env->os, "/etc/machine-id", id, sizeof(id),
			       &len) < 0)
		id[0] = '\0';
	hash = hash64_text(hash64_text(HASH64_START, id), sw->name);
	mac[0] = 0x02;
	for (int i = 1; i < 6; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}

static int bridge_add(struct switch_txn *txn, const struct vswitch *sw,
		      struct err *err)
{
	char alias[sizeof(BRIDGE_ALIAS) + SWITCH_NAME_MAX];
	uint8_t mac[6];
	struct netlink_new spec = {
	    .name = sw->bridge, .kind = "bridge", .alias = alias, .mac = mac};

	snprintf(alias, sizeof(alias), BRIDGE_ALIAS "%s", sw->name);
	bridge_mac(txn->env, sw, mac);
	return txn_add_link(txn, &spec, err);
}

/* Made, or found as ours. */
static int bridge_make(struct switch_txn *txn, const struct vswitch *sw,
		       struct err *err)
{
	const struct netlink_link *link =
	    netlink_find(&txn->env->state, sw->bridge);

	if (!link)
		return bridge_add(txn, sw, err);
	if (netlink_is_bridge(link) && starts_with(link->alias, BRIDGE_ALIAS) &&
	    strcmp(link->alias + strlen(BRIDGE_ALIAS), sw->name) == 0)
		return 0;
	if (netlink_is_bridge(link))
		return err_set(err, -EEXIST,
			       "%s: there is a bridge of this name that vm did "
			       "not make; remove it, or use it with 'vm switch "
			       "create -t manual -b %s %s'",
			       link->name, link->name, sw->name);
	return err_set(err, -EEXIST,
		       "%s: a network interface of this name exists, the "
		       "bridge of switch '%s' cannot be made",
		       link->name, sw->name);
}

static int bridge_require(struct switch_env *env, const struct vswitch *sw,
			  struct err *err)
{
	const struct netlink_link *link = netlink_find(&env->state, sw->bridge);

	if (netlink_is_bridge(link))
		return 0;
	if (link)
		return err_set(err, -EINVAL, "%s: not a bridge", sw->bridge);
	return err_set(err, -ENODEV,
		       "%s: this host has no such bridge, which the manual "
		       "switch '%s' is to join",
		       sw->bridge, sw->name);
}

static int link_up(struct switch_txn *txn, const char *name, struct err *err)
{
	const struct netlink_link *link = netlink_find(&txn->env->state, name);
	struct netlink_change up = {.set = NETLINK_UP, .up = true};
	struct netlink_change down = {.set = NETLINK_UP};

	if (link && link->up)
		return 0;
	return txn_change(txn, name, &up, &down, err);
}

static int mtu_sync(struct switch_txn *txn, const struct vswitch *sw,
		    struct err *err)
{
	const struct netlink_link *link =
	    netlink_find(&txn->env->state, sw->bridge);
	struct netlink_change change = {.set = NETLINK_MTU, .mtu = sw->mtu};
	struct netlink_change back = {.set = NETLINK_MTU};

	if (!sw->mtu || !link || link->mtu == sw->mtu)
		return 0;
	back.mtu = link->mtu;
	return txn_change(txn, sw->bridge, &change, &back, err);
}

/* --- its addresses --- */

/* The interface that has the address; NULL: none. */
static const struct netlink_link *addr_holder(const struct netlink_state *state,
					      const struct netlink_addr *addr)
{
	for (size_t i = 0; i < state->addrs; i++)
		if (netlink_addr_same(&state->addr[i], addr))
			return netlink_at(state, state->addr[i].index);
	return NULL;
}

static int addr_add(struct switch_txn *txn, const struct vswitch *sw,
		    const struct netlink_addr *addr, struct err *err)
{
	const struct netlink_link *holder = addr_holder(&txn->env->state, addr);
	char text[NETLINK_ADDR_TEXT];

	if (holder && strcmp(holder->name, sw->bridge) == 0)
		return 0;
	netlink_addr_format(addr, text);
	if (holder)
		return err_set(err, -EADDRINUSE,
			       "%s: already the address of %s, switch '%s' "
			       "needs another",
			       text, holder->name, sw->name);
	return txn_addr(txn, sw->bridge, addr, true, err);
}

static int addr_remove(struct switch_txn *txn, const struct vswitch *sw,
		       const struct netlink_addr *addr, struct err *err)
{
	const struct netlink_link *holder = addr_holder(&txn->env->state, addr);

	if (!holder || strcmp(holder->name, sw->bridge) != 0)
		return 0;
	return txn_addr(txn, sw->bridge, addr, false, err);
}

/*
 * Without an IPv6 address the host has no IPv6 on this bridge at all: it would
 * otherwise take one from any router, or guest, that announces itself.
 */
static int ipv6_sync(struct switch_txn *txn, const struct vswitch *sw,
		     struct err *err)
{
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra",
		 sw->bridge);
	rc = txn_sysctl(txn, path, "0", err);
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6",
		 sw->bridge);
	if (rc == 0)
		rc = txn_sysctl(txn, path, sw->addr6.family ? "0" : "1", err);
	return rc;
}

static bool addr_changed(const struct netlink_addr *old,
			 const struct netlink_addr *want)
{
	return old->family && (!want->family || old->prefix != want->prefix ||
			       !netlink_addr_same(old, want));
}

static int addrs_sync(struct switch_txn *txn, const struct vswitch *old,
		      const struct vswitch *want, struct err *err)
{
	int rc = 0;

	if (old && addr_changed(&old->addr, &want->addr))
		rc = addr_remove(txn, want, &old->addr, err);
	if (rc == 0 && old && addr_changed(&old->addr6, &want->addr6))
		rc = addr_remove(txn, want, &old->addr6, err);
	if (rc == 0)
		rc = ipv6_sync(txn, want, err);
	/* The prefix alone may have changed: what is there is asked again. */
	if (rc == 0)
		rc = state_refresh(txn, err);
	if (rc == 0 && want->addr.family)
		rc = addr_add(txn, want, &want->addr, err);
	if (rc == 0 && want->addr6.family)
		rc = addr_add(txn, want, &want->addr6, err);
	return rc;
}

/* --- its ports --- */

static int port_leave(struct switch_txn *txn, const struct vswitch *sw,
		      const char *name, struct err *err)
{
	const struct netlink_link *link = netlink_find(&txn->env->state, name);
	struct netlink_change leave = {.set = NETLINK_MASTER};
	struct netlink_change back = {.set = NETLINK_MASTER};
	int rc = 0;

	if (!link)
		return 0;
	strcpy(back.master, sw->bridge);
	if (netlink_is_port(&txn->env->state, link, sw->bridge))
		rc = txn_change(txn, name, &leave, &back, err);
	if (rc == 0 && vlan_is_ours(link))
		txn_remove_later(txn, name);
	return rc;
}

static int ports_leave(struct switch_txn *txn, const struct vswitch *old,
		       const struct vswitch *want, struct err *err)
{
	char name[IFNAMSIZ];
	int rc = 0;

	for (unsigned i = 0; old && rc == 0 && i < old->ports; i++) {
		switch_port_link(old, old->port[i], name);
		if (!sw_has_link(want, name))
			rc = port_leave(txn, want, name, err);
	}
	return rc;
}

/* The VLAN interface of a port: made, or found as ours. */
static int vlan_make(struct switch_txn *txn, const struct vswitch *sw,
		     const char *port, const char *name, struct err *err)
{
	const struct netlink_state *state = &txn->env->state;
	const struct netlink_link *link = netlink_find(state, name);
	const struct netlink_link *lower = netlink_find(state, port);
	char alias[sizeof(VLAN_ALIAS) + IFNAMSIZ + 8];
	struct netlink_new spec = {.name = name,
				   .kind = "vlan",
				   .alias = alias,
				   .lower = port,
				   .vlan = sw->vlan};

	snprintf(alias, sizeof(alias), VLAN_ALIAS "%s-%u", port, sw->vlan);
	if (!link)
		return txn_add_link(txn, &spec, err);
	if (!vlan_is_ours(link) || !lower || link->lower != lower->index ||
	    link->vlan != sw->vlan)
		return err_set(err, -EEXIST,
			       "%s: an interface of this name exists that vm "
			       "did not make; VLAN %u of %s cannot be given to "
			       "switch '%s'",
			       name, sw->vlan, port, sw->name);
	if (link->master && !netlink_is_port(state, link, sw->bridge)) {
		const struct netlink_link *master =
		    netlink_at(state, link->master);

		return err_set(err, -EBUSY,
			       "VLAN %u of %s is already a port of bridge %s",
			       sw->vlan, port, master ? master->name : "?");
	}
	return 0;
}

static void port_mtu_warn(struct switch_txn *txn, const struct vswitch *sw,
			  const char *port)
{
	const struct netlink_link *link = netlink_find(&txn->env->state, port);

	if (link && sw->mtu > link->mtu)
		warner_say(txn->env->warner,
			   "%s: its MTU is %u: larger frames of switch '%s' "
			   "are lost there; 'ip link set %s mtu %u'",
			   port, link->mtu, sw->name, port, sw->mtu);
}

static int port_join(struct switch_txn *txn, const struct vswitch *sw,
		     const char *port, struct err *err)
{
	const struct netlink_link *link;
	struct netlink_change join = {.set = NETLINK_MASTER};
	struct netlink_change leave = {.set = NETLINK_MASTER};
	char name[IFNAMSIZ];
	int rc = 0;

	switch_port_link(sw, port, name);
	link = netlink_find(&txn->env->state, name);
	if (!link || !netlink_is_port(&txn->env->state, link, sw->bridge)) {
		strcpy(join.master, sw->bridge);
		rc = switch_port_check(txn->env, sw, port, err);
		if (rc == 0 && sw->vlan)
			rc = vlan_make(txn, sw, port, name, err);
		if (rc == 0)
			rc = txn_change(txn, name, &join, &leave, err);
	}
	if (rc == 0)
		rc = link_up(txn, port, err);
	if (rc == 0 && sw->vlan)
		rc = link_up(txn, name, err);
	return rc;
}

static int ports_join(struct switch_txn *txn, const struct vswitch *old,
		      const struct vswitch *want, unsigned flags,
		      struct err *err)
{
	for (unsigned i = 0; i < want->ports; i++) {
		const char *port = want->port[i];
		size_t mark = txn->steps;
		int rc = port_join(txn, want, port, err);

		if (rc == 0) {
			if (!old || !vswitch_has_port(old, port)) {
				port_mtu_warn(txn, want, port);
				switch_port_warn(txn->env, want, port);
			}
			continue;
		}
		if (!(flags & SWITCH_TOLERANT) || rc == -EPERM || rc == -ENOMEM)
			return rc;
		txn_undo_to(txn, mark);
		warner_say(txn->env->warner, "switch '%s' is without %s: %s",
			   want->name, port, err ? err->msg : "");
	}
	return 0;
}

/* --- guests' taps --- */

static int taps_isolate(struct switch_txn *txn, const struct vswitch *sw,
			struct err *err)
{
	const struct netlink_state *state = &txn->env->state;
	struct netlink_change change = {.set = NETLINK_ISOLATED,
					.isolated = sw->is_private};
	struct netlink_change back = {.set = NETLINK_ISOLATED,
				      .isolated = !sw->is_private};
	char guest[GUEST_NAME_MAX + 1];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < state->links; i++) {
		const struct netlink_link *link = &state->link[i];

		if (link->isolated != sw->is_private &&
		    netlink_is_port(state, link, sw->bridge) &&
		    switch_tap_guest(link, guest))
			rc = txn_change(txn, link->name, &change, &back, err);
	}
	return rc;
}

/* --- all of it --- */

static int nat_sync(struct switch_txn *txn, const struct vswitch *old,
		    const struct vswitch *want, unsigned flags, struct err *err)
{
	int rc;

	if (!want->nat && (!old || !old->nat))
		return 0;
	txn->nat_changed = true;
	txn->want = *want;
	txn->had_old = old != NULL;
	if (old)
		txn->old = *old;
	if (!want->nat)
		return switch_nat_remove(txn->env, want, err);
	rc = switch_nat_apply(txn->env, want, err);
	if (rc < 0 && (flags & SWITCH_TOLERANT) && rc != -EPERM) {
		warner_say(txn->env->warner,
			   "NAT of switch '%s' is not complete: %s", want->name,
			   err ? err->msg : "");
		rc = 0;
	}
	return rc;
}

static int standard_sync(struct switch_txn *txn, const struct vswitch *old,
			 const struct vswitch *want, unsigned flags,
			 struct err *err)
{
	int rc = bridge_make(txn, want, err);

	if (rc == 0)
		rc = state_refresh(txn, err);
	if (rc == 0)
		rc = mtu_sync(txn, want, err);
	if (rc == 0)
		rc = addrs_sync(txn, old, want, err);
	if (rc == 0)
		rc = link_up(txn, want->bridge, err);
	if (rc == 0)
		rc = ports_leave(txn, old, want, err);
	/* What left may come again with a VLAN, or without. */
	if (rc == 0)
		rc = state_refresh(txn, err);
	if (rc == 0)
		rc = ports_join(txn, old, want, flags, err);
	return rc;
}

int switch_sync(struct switch_txn *txn, const struct vswitch *old,
		const struct vswitch *want, unsigned flags, struct err *err)
{
	int rc = env_read(txn->env, err);

	if (rc == 0 && want->type == SWITCH_STANDARD)
		rc = standard_sync(txn, old, want, flags, err);
	else if (rc == 0)
		rc = bridge_require(txn->env, want, err);
	if (rc == 0)
		rc = taps_isolate(txn, want, err);
	if (rc == 0)
		rc = nat_sync(txn, old, want, flags, err);
	return rc;
}

int switch_users(struct switch_env *env, const struct vswitch *sw,
		 struct err *err, struct words *ret_users)
{
	struct words users = {0};
	int rc = env_read(env, err);

	for (size_t i = 0; rc == 0 && i < env->state.links; i++) {
		const struct netlink_link *link = &env->state.link[i];
		char guest[GUEST_NAME_MAX + 1];

		if (!netlink_is_port(&env->state, link, sw->bridge))
			continue;
		if (switch_tap_guest(link, guest))
			words_add(&users, "%s of guest '%s'", link->name,
				  guest);
		/* On a manual switch's bridge others are at home. */
		else if (sw->type == SWITCH_STANDARD &&
			 !sw_has_link(sw, link->name))
			words_add(&users, "%s", link->name);
	}
	if (rc == 0)
		rc = words_check(&users, err);
	if (rc < 0)
		words_free(&users);
	else
		*ret_users = users;
	return rc;
}

int switch_down(struct switch_env *env, const struct vswitch *sw,
		struct err *err)
{
	const struct netlink_link *link;
	char name[IFNAMSIZ];
	int rc = env_read(env, err);

	if (rc < 0 || sw->type == SWITCH_MANUAL)
		return rc;
	if (sw->nat)
		rc = switch_nat_remove(env, sw, err);
	for (unsigned i = 0; rc == 0 && sw->vlan && i < sw->ports; i++) {
		switch_port_link(sw, sw->port[i], name);
		link = netlink_find(&env->state, name);
		if (link && vlan_is_ours(link))
			rc = env->net->ops->remove(env->net, name, err);
	}
	link = netlink_find(&env->state, sw->bridge);
	/* Ports without VLAN leave by its end. */
	if (rc == 0 && netlink_is_bridge(link) &&
	    starts_with(link->alias, BRIDGE_ALIAS))
		rc = env->net->ops->remove(env->net, sw->bridge, err);
	return rc;
}
