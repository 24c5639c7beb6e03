/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of how the host follows a switch, on a host in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_net.h"

static int setup(void **state)
{
	struct fake_net *f = malloc(sizeof(*f));

	if (!f)
		return -1;
	fake_net_init(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_net_free(*state);
	free(*state);
	return 0;
}

static struct vswitch make(const char *name)
{
	struct vswitch sw;

	assert_int_equal(vswitch_init(&sw, name, NULL), 0);
	return sw;
}

static void set_addr(struct vswitch *sw, const char *text)
{
	assert_int_equal(vswitch_set_addr(sw, text, NULL), 0);
}

static void set_port(struct vswitch *sw, const char *name)
{
	assert_int_equal(vswitch_add_port(sw, name, NULL), 0);
}

/* As the commands do it: sync, then commit or undo. */
static int apply(struct fake_net *f, const struct vswitch *old,
		 const struct vswitch *want, unsigned flags, struct err *err)
{
	struct switch_txn txn;
	int rc;

	switch_txn_init(&txn, &f->env);
	f->log[0] = '\0';
	rc = vswitch_check(want, err);
	if (rc == 0)
		rc = switch_sync(&txn, old, want, flags, err);
	if (rc < 0)
		switch_txn_undo(&txn);
	else
		switch_txn_commit(&txn);
	return rc;
}

static void expect_refused(struct fake_net *f, const struct vswitch *old,
			   const struct vswitch *want, const char *sentence)
{
	struct err err = {0};
	char *before = fake_dump(f), *after;

	assert_true(apply(f, old, want, 0, &err) < 0);
	assert_string_equal(err.msg, sentence);
	after = fake_dump(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void test_create(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = make("lan0");

	fake_link(f, "eno1", "")->up = false;
	fake_file(f, "/proc/sys/net/ipv6/conf/vm-lan0/disable_ipv6", "0\n");
	sw.mtu = 1400;
	set_addr(&sw, "10.0.0.1/24");
	set_port(&sw, "eno1");
	assert_int_equal(apply(f, NULL, &sw, 0, NULL), 0);
	assert_string_equal(
	    f->log, "add bridge vm-lan0 'vm-switch/lan0'\n"
		    "vm-lan0 mtu 1400\n"
		    "write /proc/sys/net/ipv6/conf/vm-lan0/disable_ipv6 1\n"
		    "vm-lan0 address 10.0.0.1/24\n"
		    "vm-lan0 up\n"
		    "eno1 master vm-lan0\n"
		    "eno1 up\n");
	assert_string_equal(f->warned, "");
	/* Nothing is left to do. */
	assert_int_equal(apply(f, &sw, &sw, SWITCH_TOLERANT, NULL), 0);
	assert_string_equal(f->log, "");
	assert_int_equal(apply(f, NULL, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "");
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *bridge;
	} names[] = {
	    {"lan0", "vm-lan0"},
	    {"abcdefghijkl", "vm-abcdefghijkl"},
	    {"abcdefghijklm", "vm-abcdef-356e8"},
	    {"abcdefghijkln", "vm-abcdef-35ba1"},
	};
	char link[IFNAMSIZ];
	struct vswitch sw;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		sw = make(names[i].name);
		assert_string_equal(sw.bridge, names[i].bridge);
	}
	switch_port_link(&sw, "eno1", link);
	assert_string_equal(link, "eno1");
	sw.vlan = 100;
	switch_port_link(&sw, "eno1", link);
	assert_string_equal(link, "eno1.100");
	sw.vlan = 4094;
	switch_port_link(&sw, "enp0s31f6x", link);
	assert_string_equal(link, "enp0s31f6x.4094");
	switch_port_link(&sw, "enx001122334455", link);
	assert_string_equal(link, "vm-e40114.4094");
}

static void test_vlan(void **state)
{
	struct fake_net *f = *state;
	struct vswitch old = make("lan0"), sw;

	/* The host's own interface: only its VLAN goes to the switch. */
	fake_link(f, "eno1", "");
	fake_addr(f, "eno1", "192.168.1.5", 24);
	f->gateway = 2;
	old.vlan = 5;
	set_port(&old, "eno1");
	assert_int_equal(apply(f, NULL, &old, 0, NULL), 0);
	assert_string_equal(f->log, "add bridge vm-lan0 'vm-switch/lan0'\n"
				    "vm-lan0 up\n"
				    "add vlan eno1.5 'vm-vlan-eno1-5' on eno1\n"
				    "eno1.5 master vm-lan0\n"
				    "eno1.5 up\n");
	sw = old;
	sw.vlan = 6;
	assert_int_equal(apply(f, &old, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "eno1.5 master -\n"
				    "add vlan eno1.6 'vm-vlan-eno1-6' on eno1\n"
				    "eno1.6 master vm-lan0\n"
				    "eno1.6 up\n"
				    "remove eno1.5\n");
	old = sw;
	sw.vlan = 0;
	expect_refused(
	    f, &old, &sw,
	    "eno1: has the host's default route and the address "
	    "192.168.1.5/24, which stops working on a port; let the host's "
	    "network configuration make a bridge of eno1 with the address on "
	    "it, then 'vm switch create -t manual -b BRIDGE NAME'");
	sw.vlan = 6;
	assert_int_equal(vswitch_remove_port(&sw, "eno1", NULL), 0);
	assert_int_equal(apply(f, &old, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "eno1.6 master -\nremove eno1.6\n");
}

static void test_vlan_refused(void **state)
{
	struct fake_net *f = *state;
	struct vswitch one = make("one"), two = make("two");
	struct netlink_link *link;

	fake_link(f, "eno1", "");
	one.vlan = two.vlan = 5;
	set_port(&one, "eno1");
	set_port(&two, "eno1");
	assert_int_equal(apply(f, NULL, &one, 0, NULL), 0);
	expect_refused(f, NULL, &two,
		       "VLAN 5 of eno1 is already a port of bridge vm-one");
	two.vlan = 7;
	link = fake_link(f, "eno1.7", "vlan");
	link->lower = 2;
	link->vlan = 7;
	expect_refused(f, NULL, &two,
		       "eno1.7: an interface of this name exists that vm did "
		       "not make; VLAN 7 of eno1 cannot be given to switch "
		       "'two'");
	f->no_vlan = true;
	two.vlan = 8;
	expect_refused(f, NULL, &two, "eno1.8: no VLAN");
}

static void test_port_refused(void **state)
{
	struct fake_net *f = *state;
	struct netlink_link *link;
	static const struct {
		const char *port, *sentence;
	} cases[] = {
	    {"eno9", "eno9: this host has no such network interface"},
	    {"lo", "lo: not an Ethernet interface, which a port has to be"},
	    {"wlan0",
	     "wlan0: a wireless interface cannot be a port: the access point "
	     "takes frames from this host's own address only; use a switch "
	     "with NAT"},
	    {"br0", "br0: a bridge cannot be a port of another; 'vm switch "
		    "create -t manual -b br0 NAME' uses it as it is"},
	    {"vm-wan", "vm-wan: the bridge of switch 'wan', which cannot be a "
		       "port of another"},
	    {"tap0", "tap0: the network card of guest 'web'; its file names "
		     "the switch it joins"},
	    {"eno1", "eno1: already a port of bridge br0; 'vm switch create "
		     "-t manual -b br0 NAME' makes a switch of that"},
	    {"eno2", "eno2: already a port of switch 'wan'"},
	    {"eno3", "eno3: already a part of bond0"},
	    {"eno4", "eno4: has the address 10.1.1.1/24, which stops working "
		     "on a port; let the host's network configuration make a "
		     "bridge of eno4 with the address on it, then 'vm switch "
		     "create -t manual -b BRIDGE NAME'"},
	    {"eno5", "eno5: has the host's default route, which stops working "
		     "on a port; let the host's network configuration make a "
		     "bridge of eno5 with the address on it, then 'vm switch "
		     "create -t manual -b BRIDGE NAME'"},
	    {"eno6", "eno6: has the address 10.1.2.1/24, which stops working "
		     "on a port; let the host's network configuration make a "
		     "bridge of eno6 with the address on it, then 'vm switch "
		     "create -t manual -b BRIDGE NAME'; or 'nmcli device "
		     "disconnect eno6' takes it away, if the host does not "
		     "need it"},
	};
	char path[64];

	fake_link(f, "lo", "")->ethernet = false;
	fake_link(f, "wlan0", "");
	fake_file(f, "/sys/class/net/wlan0/phy80211/name", "phy0\n");
	link = fake_link(f, "br0", "bridge");
	fake_link(f, "eno1", "")->master = link->index;
	link = fake_link(f, "vm-wan", "bridge");
	strcpy(link->alias, "vm-switch/wan");
	fake_link(f, "eno2", "")->master = link->index;
	link = fake_link(f, "bond0", "bond");
	fake_link(f, "eno3", "")->master = link->index;
	strcpy(fake_link(f, "tap0", "tun")->alias, "vmnet/web/0/lan0");
	fake_link(f, "eno4", "");
	fake_addr(f, "eno4", "10.1.1.1", 24);
	f->gateway = fake_link(f, "eno5", "")->index;
	link = fake_link(f, "eno6", "");
	fake_addr(f, "eno6", "10.1.2.1", 24);
	snprintf(path, sizeof(path), "/run/NetworkManager/devices/%u",
		 link->index);
	fake_file(f, path, "[device]\nmanaged=true\n");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vswitch sw = make("lan0");

		set_port(&sw, cases[i].port);
		expect_refused(f, NULL, &sw, cases[i].sentence);
	}
}

/* Services that look after interfaces; what they keep in /run. */
static void test_port_managed(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = make("lan0");

	fake_link(f, "eno1", ""); /* number 2 */
	fake_link(f, "eno2", "");
	fake_link(f, "eno3", "");
	fake_file(f, "/run/NetworkManager/devices/2",
		  "[device]\nmanaged=true\nconnection-uuid=x\n");
	fake_file(f, "/run/NetworkManager/devices/3",
		  "[device]\nmanaged=false\n");
	fake_file(f, "/run/systemd/netif/links/3",
		  "ADMIN_STATE=configured\nOPER_STATE=routable\n");
	fake_file(f, "/run/systemd/netif/links/4", "ADMIN_STATE=unmanaged\n");
	set_port(&sw, "eno1");
	set_port(&sw, "eno2");
	set_port(&sw, "eno3");
	assert_int_equal(apply(f, NULL, &sw, 0, NULL), 0);
	assert_string_equal(
	    f->warned,
	    "eno1: NetworkManager manages it and may give it an address, "
	    "which does not work on a port; 'nmcli device set eno1 managed "
	    "no' and unmanaged-devices in its configuration keep it away\n"
	    "eno2: systemd-networkd configures it and may give it an address, "
	    "which does not work on a port; a .network file with "
	    "Unmanaged=yes for it keeps networkd away\n");
	f->warned[0] = '\0';
	assert_int_equal(apply(f, &sw, &sw, SWITCH_TOLERANT, NULL), 0);
	assert_string_equal(f->warned, "");
}

static void test_names_taken(void **state)
{
	struct fake_net *f = *state;
	struct vswitch one = make("one"), two = make("two"), man = make("man");

	fake_link(f, "vm-one", "bridge");
	fake_link(f, "vm-two", "");
	expect_refused(f, NULL, &one,
		       "vm-one: there is a bridge of this name that vm did "
		       "not make; remove it, or use it with 'vm switch create "
		       "-t manual -b vm-one one'");
	expect_refused(f, NULL, &two,
		       "vm-two: a network interface of this name exists, the "
		       "bridge of switch 'two' cannot be made");
	man.type = SWITCH_MANUAL;
	strcpy(man.bridge, "vm-two");
	expect_refused(f, NULL, &man, "vm-two: not a bridge");
	strcpy(man.bridge, "br7");
	expect_refused(f, NULL, &man,
		       "br7: this host has no such bridge, which the manual "
		       "switch 'man' is to join");
	strcpy(man.bridge, "vm-one");
	assert_int_equal(apply(f, NULL, &man, 0, NULL), 0);
	assert_string_equal(f->log, "");
	man.mtu = 1400;
	expect_refused(f, NULL, &man,
		       "switch 'man' is manual: bridge vm-one is set up by the "
		       "host, and vm does not give it an MTU");
}

static void test_private(void **state)
{
	struct fake_net *f = *state;
	struct vswitch old = make("lan0"), sw = old;
	struct netlink_link *tap;
	struct words users = {0};

	assert_int_equal(apply(f, NULL, &old, 0, NULL), 0);
	tap = fake_link(f, "tap0", "tun");
	tap->master = 2;
	strcpy(tap->alias, "vmnet/web/0/lan0");
	/* Somebody else's port is neither isolated nor forgotten. */
	fake_link(f, "veth0", "veth")->master = 2;
	sw.is_private = true;
	assert_int_equal(apply(f, &old, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "tap0 isolated 1\n");
	assert_int_equal(apply(f, &sw, &old, 0, NULL), 0);
	assert_string_equal(f->log, "tap0 isolated 0\n");
	assert_int_equal(switch_users(&f->env, &sw, NULL, &users), 0);
	assert_int_equal(users.count, 2);
	assert_string_equal(users.word[0], "tap0 of guest 'web'");
	assert_string_equal(users.word[1], "veth0");
	words_free(&users);
}

static void test_addresses(void **state)
{
	struct fake_net *f = *state;
	struct vswitch old = make("lan0"), sw;

	fake_link(f, "eno1", "");
	fake_addr(f, "eno1", "192.168.1.5", 24);
	set_addr(&old, "10.0.0.1/24");
	set_addr(&old, "fd00::1/64");
	assert_int_equal(apply(f, NULL, &old, 0, NULL), 0);
	sw = old;
	set_addr(&sw, "10.0.0.1/16");
	assert_int_equal(apply(f, &old, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "vm-lan0 without address 10.0.0.1/24\n"
				    "vm-lan0 address 10.0.0.1/16\n");
	old = sw;
	set_addr(&sw, "192.168.1.5/24");
	expect_refused(f, &old, &sw,
		       "192.168.1.5/24: already the address of eno1, switch "
		       "'lan0' needs another");
	sw.addr = sw.addr6 = (struct netlink_addr){0};
	assert_int_equal(apply(f, &old, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "vm-lan0 without address 10.0.0.1/16\n"
				    "vm-lan0 without address fd00::1/64\n");
}

static void test_tolerant(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = make("lan0");

	fake_link(f, "eno2", "");
	set_port(&sw, "eno1");
	set_port(&sw, "eno2");
	assert_int_equal(apply(f, &sw, &sw, SWITCH_TOLERANT, NULL), 0);
	assert_string_equal(f->log, "add bridge vm-lan0 'vm-switch/lan0'\n"
				    "vm-lan0 up\n"
				    "eno2 master vm-lan0\n");
}

static void test_tolerant_says(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = make("lan0"), nat = make("nat0");
	struct err err = {0};

	set_port(&sw, "eno1");
	assert_int_equal(apply(f, &sw, &sw, SWITCH_TOLERANT, &err), 0);
	set_addr(&nat, "10.0.0.1/24");
	nat.nat = true;
	f->no_nft = true;
	assert_int_equal(apply(f, &nat, &nat, SWITCH_TOLERANT, &err), 0);
	assert_string_equal(
	    f->warned,
	    "switch 'lan0' is without eno1: eno1: this host has no such "
	    "network interface\n"
	    "NAT of switch 'nat0' is not complete: NAT needs the program nft, "
	    "which is not installed (package nftables)\n");
}

static struct vswitch nat_make(const char *addr)
{
	struct vswitch sw = make("nat0");

	set_addr(&sw, addr);
	sw.nat = true;
	return sw;
}

static void test_nat(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = nat_make("10.0.0.1/24"), off = sw, moved = sw;

	off.nat = false;
	assert_int_equal(apply(f, NULL, &sw, 0, NULL), 0);
	assert_string_equal(f->log, "add bridge vm-nat0 'vm-switch/nat0'\n"
				    "vm-nat0 address 10.0.0.1/24\n"
				    "vm-nat0 up\n"
				    "nft\n"
				    "write /proc/sys/net/ipv4/ip_forward 1\n"
				    "dnsmasq\n");
	assert_string_equal(
	    f->script,
	    "add table ip byway_nat0\n"
	    "delete table ip byway_nat0\n"
	    "table ip byway_nat0 {\n"
	    "\tchain postrouting {\n"
	    "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
	    "\t\tip saddr 10.0.0.0/24 oifname != \"vm-nat0\" masquerade\n"
	    "\t}\n"
	    "\tchain forward {\n"
	    "\t\ttype filter hook forward priority filter; policy accept;\n"
	    "\t\tiifname \"vm-nat0\" ip saddr 10.0.0.0/24 accept\n"
	    "\t\tiifname \"vm-nat0\" drop\n"
	    "\t\toifname \"vm-nat0\" ct state established,related accept\n"
	    "\t\toifname \"vm-nat0\" ct status dnat accept\n"
	    "\t\toifname \"vm-nat0\" drop\n"
	    "\t}\n"
	    "}\n");
	assert_string_equal(
	    f->warned,
	    "net.ipv4.ip_forward was 0 and is 1 now, as NAT needs it: this "
	    "host passes packets between all its networks, until its next "
	    "boot or 'sysctl net.ipv4.ip_forward=0'\n");
	/* Again: rules anew, as somebody may have flushed them; no more. */
	f->warned[0] = '\0';
	assert_int_equal(apply(f, &sw, &sw, SWITCH_TOLERANT, NULL), 0);
	assert_string_equal(f->log, "nft\n");
	assert_string_equal(f->warned, "");
	set_addr(&moved, "10.9.0.254/24");
	assert_int_equal(apply(f, &sw, &moved, 0, NULL), 0);
	assert_string_equal(f->log, "vm-nat0 without address 10.0.0.1/24\n"
				    "vm-nat0 address 10.9.0.254/24\n"
				    "nft\nend pid 100\ndnsmasq\n");
	assert_int_equal(apply(f, &moved, &off, 0, NULL), 0);
	assert_string_equal(f->log, "vm-nat0 without address 10.9.0.254/24\n"
				    "vm-nat0 address 10.0.0.1/24\n"
				    "end pid 101\nnft\n");
	assert_string_equal(f->tables, "");
}

static void test_nat_pid(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = nat_make("10.0.0.1/24");

	/* The number is another program's by now: it is left alone. */
	fake_file(f, "/run/nat0.pid", "77\n");
	fake_file(f, "/proc/77/cmdline", "sshd");
	assert_int_equal(apply(f, NULL, &sw, 0, NULL), 0);
	assert_null(strstr(f->log, "end pid"));
	assert_non_null(strstr(f->log, "dnsmasq\n"));
}

static void test_nat_refused(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = make("nat0"), full = nat_make("10.0.0.1/24");

	sw.nat = true;
	expect_refused(f, NULL, &sw,
		       "switch 'nat0': NAT needs an IPv4 address on the "
		       "switch; first 'vm switch address nat0 172.16.0.1/24' "
		       "or the like");
	set_addr(&sw, "10.0.0.1/31");
	expect_refused(f, NULL, &sw,
		       "switch 'nat0': a network of /31 has no room for guests "
		       "behind NAT; expected /30 or larger");
	fake_link(f, "eno1", "");
	fake_addr(f, "eno1", "10.0.0.77", 16);
	expect_refused(f, NULL, &full,
		       "switch 'nat0': its network 10.0.0.1/24 overlaps with "
		       "10.0.0.77/16 of eno1; NAT needs one of its own, see "
		       "'vm switch address'");
	f->addrs = 0;
	f->no_nft = true;
	expect_refused(f, NULL, &full,
		       "NAT needs the program nft, which is not installed "
		       "(package nftables)");
	f->no_nft = false;
	f->dnsmasq_fails = true;
	expect_refused(f, NULL, &full, "dnsmasq: address already in use");
	set_port(&full, "eno1");
	expect_refused(f, NULL, &full,
		       "switch 'nat0': NAT and the port eno1 exclude each "
		       "other: its DHCP server would answer on that network, "
		       "too; 'vm switch remove nat0 eno1' or 'vm switch nat "
		       "nat0 off'");
	assert_string_equal(f->warned, "");
}

static void test_nat_missing_dhcp(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = nat_make("10.0.0.1/24");

	fake_file(f, "/proc/sys/net/ipv4/ip_forward", "1\n");
	f->no_dnsmasq = true;
	assert_int_equal(apply(f, NULL, &sw, 0, NULL), 0);
	assert_string_equal(
	    f->warned,
	    "dnsmasq is not installed (package dnsmasq-base): guests on "
	    "switch 'nat0' get no address by themselves; give them one of "
	    "10.0.0.0/24\n");
}

static void test_nat_blocked(void **state)
{
	struct fake_net *f = *state;
	struct vswitch sw = nat_make("10.0.0.1/24");

	f->chains = "table ip byway_nat0 {\n\tchain forward {\n\t\ttype filter "
		    "hook forward priority filter; policy accept;\n\t}\n}\n"
		    "table ip filter {\n\tchain FORWARD {\n\t\ttype filter "
		    "hook forward priority filter; policy drop;\n\t}\n"
		    "\tchain INPUT {\n\t\ttype filter hook input priority "
		    "filter; policy drop;\n\t}\n}\n";
	switch_nat_warn_blocked(&f->env, &sw);
	assert_string_equal(
	    f->warned,
	    "the rules of nftables table 'ip filter' drop forwarded packets "
	    "they do not know; unless they allow interface vm-nat0, guests "
	    "of switch 'nat0' reach this host only\n"
	    "the rules of nftables table 'ip filter' drop packets to this "
	    "host they do not know; unless they allow UDP ports 53 and 67 on "
	    "interface vm-nat0, guests of switch 'nat0' get no address and no "
	    "names\n");
}

static void test_nat_range(void **state)
{
	static const struct {
		const char *addr;
		uint32_t first, last;
	} cases[] = {
	    {"10.0.0.1/24", 0x0a000002, 0x0a0000fe},
	    {"10.0.0.254/24", 0x0a000001, 0x0a0000fd},
	    {"10.0.0.9/24", 0x0a00000a, 0x0a0000fe},
	    {"10.0.0.1/30", 0x0a000002, 0x0a000002},
	    {"10.0.0.2/30", 0x0a000001, 0x0a000001},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vswitch sw = nat_make(cases[i].addr);
		uint32_t first, last;

		switch_nat_range(&sw.addr, &first, &last);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(last, cases[i].last);
	}
}

/* A host with a bit of everything, and a change that touches all of it. */
static void scenario(struct fake_net *f, struct vswitch *old,
		     struct vswitch *want)
{
	struct netlink_link *tap;

	fake_link(f, "eno1", "")->up = false;
	fake_link(f, "eno2", "");
	fake_link(f, "eno3", "");
	fake_file(f, "/proc/sys/net/ipv6/conf/vm-lan0/disable_ipv6", "0\n");
	*old = make("lan0");
	set_addr(old, "10.0.0.1/24");
	set_addr(old, "fd00::1/64");
	old->vlan = 5;
	set_port(old, "eno2");
	set_port(old, "eno3");
	assert_int_equal(apply(f, NULL, old, 0, NULL), 0);
	tap = fake_link(f, "tap0", "tun");
	tap->master = netlink_find(&f->env.state, "vm-lan0")->index;
	strcpy(tap->alias, "vmnet/web/0/lan0");
	*want = *old;
	want->vlan = 6;
	want->mtu = 1400;
	want->is_private = true;
	set_addr(want, "10.1.0.1/24");
	want->addr6.family = 0;
	assert_int_equal(vswitch_remove_port(want, "eno3", NULL), 0);
	set_port(want, "eno1");
}

/* Whatever fails, the host is as it was; and in the end all is done. */
static void test_faults_change(void **state)
{
	unsigned fault;

	(void)state;
	for (fault = 1; fault < 100; fault++) {
		struct vswitch old, want;
		struct fake_net f;
		char *before, *after;
		int rc;

		fake_net_init(&f);
		scenario(&f, &old, &want);
		before = fake_dump(&f);
		f.ops = 0;
		f.fail_at = fault;
		rc = apply(&f, &old, &want, 0, NULL);
		after = fake_dump(&f);
		if (rc < 0)
			assert_string_equal(before, after);
		else
			assert_string_not_equal(before, after);
		free(before);
		free(after);
		fake_net_free(&f);
		/* What commit removes may stay, with a warning. */
		if (f.ops < fault)
			break;
	}
	assert_in_range(fault, 15, 40);
}

static void nat_scenario(struct fake_net *f, bool was_nat, struct vswitch *old,
			 struct vswitch *want)
{
	*old = nat_make("10.0.0.1/24");
	old->nat = was_nat;
	assert_int_equal(apply(f, NULL, old, 0, NULL), 0);
	*want = nat_make("10.1.0.1/24");
	want->is_private = true;
}

static void test_faults_nat(void **state)
{
	(void)state;
	for (unsigned fault = 1; fault < 30; fault++) {
		struct vswitch old, want;
		struct fake_net f;
		char *before, *after;

		fake_net_init(&f);
		nat_scenario(&f, fault & 1, &old, &want);
		before = fake_dump(&f);
		f.ops = 0;
		f.fail_at = fault / 2 + 1;
		if (apply(&f, &old, &want, 0, NULL) < 0) {
			after = fake_dump(&f);
			assert_string_equal(before, after);
			free(after);
		}
		free(before);
		fake_net_free(&f);
	}
}

static void test_faults_create(void **state)
{
	unsigned fault, failures = 0;

	(void)state;
	for (fault = 1; fault < 30; fault++) {
		struct vswitch sw = nat_make("10.0.0.1/24");
		struct fake_net f;
		char *before, *after;

		fake_net_init(&f);
		before = fake_dump(&f);
		f.fail_at = fault;
		if (apply(&f, NULL, &sw, 0, NULL) < 0) {
			after = fake_dump(&f);
			assert_string_equal(before, after);
			failures++;
			free(after);
		}
		free(before);
		fake_net_free(&f);
	}
	assert_in_range(failures, 6, 12);
}

static void test_down(void **state)
{
	struct fake_net *f = *state;
	struct vswitch old, sw;

	scenario(f, &old, &sw);
	f->log[0] = '\0';
	assert_int_equal(switch_down(&f->env, &old, NULL), 0);
	assert_string_equal(f->log,
			    "remove eno2.5\nremove eno3.5\nremove vm-lan0\n");
	/* And when nothing is there. */
	assert_int_equal(switch_down(&f->env, &old, NULL), 0);
	/* A bridge of this name that is not ours stays. */
	fake_link(f, "vm-lan0", "bridge");
	f->log[0] = '\0';
	assert_int_equal(switch_down(&f->env, &old, NULL), 0);
	assert_string_equal(f->log, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_create),
	    TEST(test_names),
	    TEST(test_vlan),
	    TEST(test_vlan_refused),
	    TEST(test_port_refused),
	    TEST(test_port_managed),
	    TEST(test_names_taken),
	    TEST(test_private),
	    TEST(test_addresses),
	    TEST(test_tolerant),
	    TEST(test_tolerant_says),
	    TEST(test_nat),
	    TEST(test_nat_pid),
	    TEST(test_nat_refused),
	    TEST(test_nat_missing_dhcp),
	    TEST(test_nat_blocked),
	    TEST(test_nat_range),
	    TEST(test_faults_change),
	    TEST(test_faults_nat),
	    TEST(test_faults_create),
	    TEST(test_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
