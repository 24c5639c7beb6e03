/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Switches as text: settings, and the file they are in; see switch.h.
 *
 * Theory of operation
 *
 * A setting has one function that takes its text, for the command line and for
 * the file alike, so both refuse the same with the same words. Saving changes
 * lines of the text that was read, so that comments and what others keep in
 * system.conf stay. The folder's lock is held from reading to writing.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cfg.h"
#include "base/hash.h"
#include "vm/switch.h"

#define LOCK_POLL_MS	 20u
#define LOCK_DEADLINE_MS 30000u

/* "vm-NAME"; where that is too long, "vm-" + its beginning + a number. */
static void bridge_name(const char *name, char bridge[IFNAMSIZ])
{
	if (strlen(name) + 3 < IFNAMSIZ)
		snprintf(bridge, IFNAMSIZ, "vm-%.12s", name);
	else
		snprintf(bridge, IFNAMSIZ, "vm-%.6s-%05x", name,
			 hash32_text(HASH32_START, name) & 0xfffff);
}

int vswitch_init(struct vswitch *sw, const char *name, struct err *err)
{
	if (!guest_name_valid(name) || strlen(name) > SWITCH_NAME_MAX)
		return err_set(
		    err, -EINVAL,
		    "'%.60s' is not a switch name: expected 2 to %u letters, "
		    "digits, '.', '_' or '-', with a letter or digit first and "
		    "last",
		    name, SWITCH_NAME_MAX);
	*sw = (struct vswitch){.type = SWITCH_STANDARD};
	strcpy(sw->name, name);
	bridge_name(name, sw->bridge);
	return 0;
}

int vswitch_set_type(struct vswitch *sw, const char *text, struct err *err)
{
	static const char *const types[] = {"standard", "manual",   "vxlan",
					    "vale",	"netgraph", NULL};
	const char *near;

	if (strcmp(text, "standard") == 0) {
		sw->type = SWITCH_STANDARD;
		return 0;
	}
	if (strcmp(text, "manual") == 0) {
		sw->type = SWITCH_MANUAL;
		sw->bridge[0] = '\0';
		return 0;
	}
	if (strcmp(text, "vale") == 0 || strcmp(text, "netgraph") == 0)
		return err_set(err, -ENOTSUP,
			       "switch type %s belongs to FreeBSD's kernel and "
			       "does not exist on Linux; use standard",
			       text);
	if (strcmp(text, "vxlan") == 0)
		return err_set(err, -ENOTSUP,
			       "switch type vxlan is not in this version; make "
			       "the vxlan interface and a bridge with ip(8), "
			       "then a switch with -t manual -b BRIDGE");
	near = nearest_word(text, types);
	return err_set(err, -EINVAL,
		       "'%.40s' is not a switch type, which are standard and "
		       "manual%s%s%s",
		       text, near ? "; did you mean " : "", near ? near : "",
		       near ? "?" : "");
}

static int link_name_set(char dst[IFNAMSIZ], const char *text, struct err *err)
{
	if (!netlink_name_valid(text))
		return err_set(err, -EINVAL,
			       "'%.40s' is not a network interface name", text);
	strcpy(dst, text);
	return 0;
}

int vswitch_set_bridge(struct vswitch *sw, const char *text, struct err *err)
{
	return link_name_set(sw->bridge, text, err);
}

int vswitch_set_vlan(struct vswitch *sw, const char *text, struct err *err)
{
	uint64_t number;

	if (parse_u64(text, &number) < 0 || number > SWITCH_VLAN_MAX)
		return err_set(err, -EINVAL,
			       "'%.40s' is not a VLAN: expected 1 to %u, or 0 "
			       "for none",
			       text, SWITCH_VLAN_MAX);
	sw->vlan = (unsigned)number;
	return 0;
}

int vswitch_set_mtu(struct vswitch *sw, const char *text, struct err *err)
{
	uint64_t number;

	if (parse_u64(text, &number) < 0 || number < SWITCH_MTU_MIN ||
	    number > SWITCH_MTU_MAX)
		return err_set(err, -EINVAL,
			       "'%.40s' is not an MTU: expected %u to %u bytes",
			       text, SWITCH_MTU_MIN, SWITCH_MTU_MAX);
	sw->mtu = (unsigned)number;
	return 0;
}

static int addr_parse(const char *text, struct netlink_addr *ret_addr)
{
	struct netlink_addr addr = {.family = AF_INET};
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	uint64_t prefix;

	if (!slash || (size_t)(slash - text) >= sizeof(host) ||
	    parse_u64(slash + 1, &prefix) < 0)
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
	if (strchr(host, ':'))
		addr.family = AF_INET6;
	if (inet_pton(addr.family, host, addr.bytes) != 1 || prefix == 0 ||
	    prefix > (addr.family == AF_INET ? 32 : 128))
		return -EINVAL;
	addr.prefix = (unsigned)prefix;
	*ret_addr = addr;
	return 0;
}

static bool addr_is_host6(const uint8_t *bytes)
{
	static const uint8_t none[15];
	bool multicast = bytes[0] == 0xff;
	/* Of its link alone: each interface has one, made by the kernel. */
	bool link_local = bytes[0] == 0xfe && bytes[1] >> 6 == 2;

	return !multicast && !link_local && memcmp(bytes, none, 15) != 0;
}

/* Can a host have this address in its network? */
static bool addr_is_host(const struct netlink_addr *addr)
{
	uint32_t host, mask;

	if (addr->family == AF_INET6)
		return addr_is_host6(addr->bytes);
	memcpy(&host, addr->bytes, sizeof(host));
	host = ntohl(host);
	mask = 0xffffffffu >> (addr->prefix % 32);
	if (addr->bytes[0] == 0 || addr->bytes[0] == 127 ||
	    addr->bytes[0] >= 224)
		return false;
	return addr->prefix >= 31 ||
	       ((host & mask) != 0 && (host & mask) != mask);
}

int vswitch_set_addr(struct vswitch *sw, const char *text, struct err *err)
{
	struct netlink_addr addr;

	if (addr_parse(text, &addr) < 0)
		return err_set(err, -EINVAL,
			       "'%.60s' is not an address with its prefix, "
			       "such as 10.0.0.1/24",
			       text);
	if (!addr_is_host(&addr))
		return err_set(err, -EINVAL,
			       "%s: no address for a switch; expected "
			       "one inside the network, such as 10.0.0.1/24",
			       text);
	if (addr.family == AF_INET)
		sw->addr = addr;
	else
		sw->addr6 = addr;
	return 0;
}

bool vswitch_has_port(const struct vswitch *sw, const char *name)
{
	for (unsigned i = 0; i < sw->ports; i++)
		if (strcmp(sw->port[i], name) == 0)
			return true;
	return false;
}

int vswitch_add_port(struct vswitch *sw, const char *name, struct err *err)
{
	char checked[IFNAMSIZ];
	int rc = link_name_set(checked, name, err);

	if (rc < 0)
		return rc;
	if (vswitch_has_port(sw, name))
		return err_set(err, -EEXIST,
			       "%s: already a port of switch '%s'", name,
			       sw->name);
	if (sw->ports == SWITCH_PORTS_MAX)
		return err_set(err, -E2BIG, "switch '%s': more than %u ports",
			       sw->name, SWITCH_PORTS_MAX);
	memcpy(sw->port[sw->ports++], checked, IFNAMSIZ);
	return 0;
}

int vswitch_remove_port(struct vswitch *sw, const char *name, struct err *err)
{
	for (unsigned i = 0; i < sw->ports; i++) {
		if (strcmp(sw->port[i], name) != 0)
			continue;
		sw->ports--;
		memmove(sw->port[i], sw->port[i + 1],
			(sw->ports - i) * sizeof(sw->port[0]));
		return 0;
	}
	return err_set(err, -ENOENT, "%.40s: not a port of switch '%s'", name,
		       sw->name);
}

static int manual_check(const struct vswitch *sw, struct err *err)
{
	const char *what = sw->ports	      ? "ports"
			   : sw->vlan	      ? "a VLAN"
			   : sw->mtu	      ? "an MTU"
			   : sw->addr.family  ? "an address"
			   : sw->addr6.family ? "an address"
			   : sw->nat	      ? "NAT"
					      : NULL;

	if (!sw->bridge[0])
		return err_set(err, -EINVAL,
			       "switch '%s' is manual and has no bridge; name "
			       "it with -b",
			       sw->name);
	if (what)
		return err_set(err, -EINVAL,
			       "switch '%s' is manual: bridge %s is set up by "
			       "the host, and vm does not give it %s",
			       sw->name, sw->bridge, what);
	return 0;
}

static int nat_check(const struct vswitch *sw, struct err *err)
{
	if (!sw->nat)
		return 0;
	if (!sw->addr.family)
		return err_set(err, -EINVAL,
			       "switch '%s': NAT needs an IPv4 address on the "
			       "switch; first 'vm switch address %s "
			       "172.16.0.1/24' or the like",
			       sw->name, sw->name);
	if (sw->addr.prefix > 30)
		return err_set(err, -EINVAL,
			       "switch '%s': a network of /%u has no room for "
			       "guests behind NAT; expected /30 or larger",
			       sw->name, sw->addr.prefix);
	if (sw->ports)
		return err_set(err, -EINVAL,
			       "switch '%s': NAT and the port %s exclude each "
			       "other: its DHCP server would answer on that "
			       "network, too; 'vm switch remove %s %s' or "
			       "'vm switch nat %s off'",
			       sw->name, sw->port[0], sw->name, sw->port[0],
			       sw->name);
	return 0;
}

int vswitch_check(const struct vswitch *sw, struct err *err)
{
	return sw->type == SWITCH_MANUAL ? manual_check(sw, err)
					 : nat_check(sw, err);
}

/* --- the file --- */

int switch_store_read(const struct place *place, struct err *err,
		      struct switch_store *ret_store)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	int rc;

	snprintf(store.path, sizeof(store.path), "%s/.config/system.conf",
		 place->dir);
	rc = conf_read_text(AT_FDCWD, store.path, store.path, err, &store.text);
	if (rc == -ENOENT)
		store.text = strdup("");
	else if (rc < 0)
		return err_cure_root(rc, err);
	if (!store.text)
		return err_set(err, -ENOMEM, "out of memory");
	rc = conf_parse(store.text, strlen(store.text), store.path, NULL, err,
			&store.conf);
	if (rc < 0)
		return rc;
	*ret_store = store;
	store = (struct switch_store)SWITCH_STORE_NONE;
	return 0;
}

/* What stands here is done to the network of the host, by root. */
static int owner_check(const char *path, const struct stat *st, struct err *err)
{
	if ((st->st_uid == 0 || st->st_uid == geteuid()) &&
	    !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return err_set(err, -EPERM,
		       "%s: writable by others, who could change this host's "
		       "network; chown root and chmod go-w",
		       path);
}

/* The folder itself is what all changes lock. */
static int config_lock(const struct place *place, struct err *err, int *ret_fd)
{
	CLEANUP_CLOSE int fd = -1;
	char path[PATH_MAX + 32];
	struct stat st;
	int rc;

	if (access(place->dir, F_OK) < 0 && errno == ENOENT)
		return err_set(err, -ENOENT,
			       "%s: no such directory; 'vm init' makes it",
			       place->dir);
	snprintf(path, sizeof(path), "%s/.config", place->dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_cure_root(err_sys(err, -errno, "%s", path), err);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_cure_root(err_sys(err, -errno, "%s", path), err);
	rc = owner_check(path, &st, err);
	if (rc < 0)
		return rc;
	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0;
	     waited += LOCK_POLL_MS) {
		struct timespec ts = {0, LOCK_POLL_MS * 1000000L};

		if (waited >= LOCK_DEADLINE_MS)
			return err_set(
			    err, -EBUSY,
			    "%s: another vm has changed switches for %u s",
			    path, LOCK_DEADLINE_MS / 1000);
		nanosleep(&ts, NULL);
	}
	*ret_fd = take_fd(fd);
	return 0;
}

int switch_store_open(const struct place *place, struct err *err,
		      struct switch_store *ret_store)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	CLEANUP_CLOSE int lock = -1;
	struct stat st;
	int rc = config_lock(place, err, &lock);

	if (rc == 0)
		rc = switch_store_read(place, err, &store);
	if (rc == 0 && stat(store.path, &st) == 0)
		rc = owner_check(store.path, &st, err);
	if (rc < 0)
		return rc;
	store.lock = take_fd(lock);
	*ret_store = store;
	store = (struct switch_store)SWITCH_STORE_NONE;
	return 0;
}

void switch_store_close(struct switch_store *store)
{
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
	conf_free(store->conf);
	store->conf = NULL;
	free(store->text);
	store->text = NULL;
}

void switch_store_names(const struct switch_store *store, struct words *names)
{
	words_split(names, conf_get(store->conf, "switch_list"));
}

bool switch_store_has(const struct switch_store *store, const char *name)
{
	CLEANUP_WORDS struct words names = {0};

	switch_store_names(store, &names);
	return words_contain(&names, name);
}

static int unknown_say(const struct switch_store *store, const char *name,
		       struct err *err)
{
	CLEANUP_WORDS struct words names = {0};
	const char *near = NULL;

	switch_store_names(store, &names);
	if (names.count > 0)
		near = nearest_word(name, (const char *const *)names.word);
	if (near)
		return err_set(err, -ENOENT,
			       "there is no switch '%.60s'; did you mean "
			       "'%s'?",
			       name, near);
	return err_set(err, -ENOENT,
		       "there is no switch '%.60s'; 'vm switch list' shows "
		       "all",
		       name);
}

typedef int set_fn(struct vswitch *sw, const char *text, struct err *err);

static int ports_set(struct vswitch *sw, const char *text, struct err *err)
{
	CLEANUP_WORDS struct words ports = {0};
	int rc;

	words_split(&ports, text);
	rc = words_check(&ports, err);
	for (size_t i = 0; rc == 0 && i < ports.count; i++)
		if (!vswitch_has_port(sw, ports.word[i]))
			rc = vswitch_add_port(sw, ports.word[i], err);
	return rc;
}

static int private_set(struct vswitch *sw, const char *text, struct err *err)
{
	(void)err;
	sw->is_private = !conf_text_is_no(text);
	return 0;
}

static int nat_set(struct vswitch *sw, const char *text, struct err *err)
{
	(void)err;
	sw->nat = !conf_text_is_no(text);
	return 0;
}

/* In this order; the type decides what the bridge is. */
static const struct {
	const char *key;
	set_fn *set;
} settings[] = {
    {"type", vswitch_set_type},
    {"bridge", vswitch_set_bridge},
    {"ports", ports_set},
    {"vlan", vswitch_set_vlan},
    {"mtu", vswitch_set_mtu},
    {"addr", vswitch_set_addr},
    {"addr6", vswitch_set_addr},
    {"private", private_set},
    {"nat", nat_set},
};

int vswitch_read(const struct switch_store *store, const char *name,
		 struct err *err, struct vswitch *ret_sw)
{
	struct vswitch sw;
	int rc;

	if (!switch_store_has(store, name))
		return unknown_say(store, name, err);
	rc = vswitch_init(&sw, name, err);
	if (rc < 0)
		return err_prefix(err, "%s: switch_list", store->path);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const char *value =
		    conf_member(store->conf, "%s_%s", settings[i].key, name);

		rc = value ? settings[i].set(&sw, value, err) : 0;
		if (rc < 0)
			return err_prefix(err, "%s: %s_%s", store->path,
					  settings[i].key, name);
	}
	*ret_sw = sw;
	return 0;
}

int vswitch_load(const struct switch_store *store, const char *name,
		 struct err *err, struct vswitch *ret_sw)
{
	int rc = vswitch_read(store, name, err, ret_sw);

	if (rc < 0)
		return rc;
	rc = vswitch_check(ret_sw, err);
	return rc < 0 ? err_prefix(err, "%s", store->path) : 0;
}

/* A text that is changed step by step; NULL once memory ran out. */
static void text_set(char **text, const char *key, const char *name,
		     const char *value)
{
	char full[CONF_KEY_MAX + 1];
	char *changed = NULL;

	snprintf(full, sizeof(full), "%s%s%s", key, name[0] ? "_" : "", name);
	if (*text)
		changed = value[0] ? conf_text_set(*text, full, value)
				   : conf_text_remove(*text, full);
	free(*text);
	*text = changed;
}

static void addr_text(const struct netlink_addr *addr,
		      char buf[NETLINK_ADDR_TEXT])
{
	buf[0] = '\0';
	if (addr->family)
		netlink_addr_format(addr, buf);
}

static void number_text(unsigned number, char buf[16])
{
	buf[0] = '\0';
	if (number)
		snprintf(buf, 16, "%u", number);
}

static void text_describe(char **text, const struct vswitch *sw)
{
	char ports[SWITCH_PORTS_MAX * IFNAMSIZ] = "", *p = ports;
	char addr[NETLINK_ADDR_TEXT], number[16];
	bool manual = sw->type == SWITCH_MANUAL;

	for (unsigned i = 0; i < sw->ports; i++)
		p += sprintf(p, "%s%s", i ? " " : "", sw->port[i]);
	text_set(text, "type", sw->name, manual ? "manual" : "standard");
	text_set(text, "bridge", sw->name, manual ? sw->bridge : "");
	text_set(text, "ports", sw->name, ports);
	number_text(sw->vlan, number);
	text_set(text, "vlan", sw->name, number);
	number_text(sw->mtu, number);
	text_set(text, "mtu", sw->name, number);
	addr_text(&sw->addr, addr);
	text_set(text, "addr", sw->name, addr);
	addr_text(&sw->addr6, addr);
	text_set(text, "addr6", sw->name, addr);
	text_set(text, "private", sw->name, sw->is_private ? "yes" : "");
	text_set(text, "nat", sw->name, sw->nat ? "yes" : "");
}

/* The list with or without `name`. */
static void text_list(char **text, const struct switch_store *store,
		      const char *name, bool with)
{
	CLEANUP_WORDS struct words names = {0}, wanted = {0};
	CLEANUP_FREE char *list = NULL;

	switch_store_names(store, &names);
	for (size_t i = 0; i < names.count; i++)
		if (with || strcmp(names.word[i], name) != 0)
			words_add(&wanted, "%s", names.word[i]);
	if (with && !words_contain(&names, name))
		words_add(&wanted, "%s", name);
	if (!names.failed && !wanted.failed)
		list = words_join(&wanted, ' ');
	if (list) {
		text_set(text, "switch_list", "", list);
		return;
	}
	free(*text);
	*text = NULL;
}

static int text_write(struct switch_store *store, const char *text,
		      struct err *err)
{
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(text) > CONF_FILE_MAX)
		return err_set(err, -E2BIG, "%s: larger than %u bytes",
			       store->path, CONF_FILE_MAX);
	return conf_write_text(AT_FDCWD, store->path, store->path, text, err);
}

int switch_store_save(struct switch_store *store, const struct vswitch *sw,
		      struct err *err)
{
	CLEANUP_FREE char *text = strdup(store->text);

	text_list(&text, store, sw->name, true);
	text_describe(&text, sw);
	return text_write(store, text, err);
}

int switch_store_remove(struct switch_store *store, const char *name,
			struct err *err)
{
	CLEANUP_FREE char *text = strdup(store->text);

	text_list(&text, store, name, false);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		text_set(&text, settings[i].key, name, "");
	return text_write(store, text, err);
}

int switch_store_restore(struct switch_store *store, struct err *err)
{
	return text_write(store, store->text, err);
}
