/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NAT of a switch: nftables for the packets, dnsmasq for addresses and names.
 *
 * Theory of operation
 *
 * Each NAT switch has a table of its own, "ip byway_NAME", replaced in one
 * transaction, so no other rules are read, changed or depended on. The nft
 * program takes the script on standard input. Guests may open connections to
 * anywhere; what arrives for them belongs to a connection of theirs or to a
 * port forwarding the administrator set up (dnat).
 * dnsmasq is an instance of its own too, bound to the bridge; that it runs is
 * seen by its pid file together with its command line, which has to be the one
 * we would start. The pid file alone is not trusted: it belongs to the user
 * dnsmasq runs as.
 */
#include <arpa/inet.h>
#include <string.h>

#include "vm/switch.h"

#define FORWARD_PATH "/proc/sys/net/ipv4/ip_forward"
#define ARGS_MAX     4096

static void network_format(const struct netlink_addr *addr, char *buf,
			   size_t size)
{
	char text[INET_ADDRSTRLEN];
	uint32_t host;

	memcpy(&host, addr->bytes, sizeof(host));
	host &= htonl(~(0xffffffffu >> addr->prefix));
	inet_ntop(AF_INET, &host, text, sizeof(text));
	snprintf(buf, size, "%s/%u", text, addr->prefix);
}

void switch_nat_range(const struct netlink_addr *addr, uint32_t *ret_first,
		      uint32_t *ret_last)
{
	uint32_t mask = 0xffffffffu >> addr->prefix, own, first, last;

	memcpy(&own, addr->bytes, sizeof(own));
	own = ntohl(own);
	first = (own & ~mask) + 1;
	last = (own | mask) - 1;
	if (own - first > last - own)
		last = own - 1;
	else
		first = own + 1;
	*ret_first = first;
	*ret_last = last;
}

/* --- nftables --- */

static int nft_run(struct switch_env *env, const char *script, struct err *err,
		   char **ret_output)
{
	char nft[] = "nft", file[] = "-f", input[] = "-";
	char *const argv[] = {nft, file, input, NULL};
	int rc = env->os->ops->run(env->os, argv, script, err, ret_output);

	if (rc == -ENOENT)
		return err_set(err, rc,
			       "NAT needs the program nft, which is not "
			       "installed (package nftables)");
	return rc;
}

static char *nft_script(const struct vswitch *sw)
{
	const char *name = sw->name, *br = sw->bridge;
	char network[NETLINK_ADDR_TEXT];
	char *script = NULL;
	int n;

	network_format(&sw->addr, network, sizeof(network));
	n = asprintf(
	    &script,
	    "add table ip byway_%s\n"
	    "delete table ip byway_%s\n"
	    "table ip byway_%s {\n"
	    "\tchain postrouting {\n"
	    "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
	    "\t\tip saddr %s oifname != \"%s\" masquerade\n"
	    "\t}\n"
	    "\tchain forward {\n"
	    "\t\ttype filter hook forward priority filter; policy accept;\n"
	    "\t\tiifname \"%s\" ip saddr %s accept\n"
	    "\t\tiifname \"%s\" drop\n"
	    "\t\toifname \"%s\" ct state established,related accept\n"
	    "\t\toifname \"%s\" ct status dnat accept\n"
	    "\t\toifname \"%s\" drop\n"
	    "\t}\n"
	    "}\n",
	    name, name, name, network, br, br, network, br, br, br, br);
	return n < 0 ? NULL : script;
}

static int nft_apply(struct switch_env *env, const struct vswitch *sw,
		     struct err *err)
{
	CLEANUP_FREE char *script = nft_script(sw);

	if (!script)
		return err_set(err, -ENOMEM, "out of memory");
	return nft_run(env, script, err, NULL);
}

static int nft_remove(struct switch_env *env, const struct vswitch *sw,
		      struct err *err)
{
	char script[2 * SWITCH_NAME_MAX + 80];
	int rc;

	/* Added first, so that it is there to be deleted. */
	snprintf(script, sizeof(script),
		 "add table ip byway_%s\ndelete table ip byway_%s\n", sw->name,
		 sw->name);
	rc = nft_run(env, script, err, NULL);
	return rc == -ENOENT ? 0 : rc; /* then there is no table either */
}

static int forwarding_enable(struct switch_env *env, struct err *err)
{
	char value[8];
	size_t len;
	int rc = env->os->ops->read(env->os, FORWARD_PATH, value, sizeof(value),
				    &len);

	if (rc == 0 && value[0] == '1')
		return 0;
	if (rc == 0)
		rc = env->os->ops->write(env->os, FORWARD_PATH, "1");
	if (rc < 0)
		return err_sys(err, rc, "%s", FORWARD_PATH);
	env->forwarding_enabled = true;
	return 0;
}

/* Said once: from then on it is on. */
void switch_nat_commit(struct switch_env *env)
{
	if (env->forwarding_enabled)
		warner_say(env->warner,
			   "net.ipv4.ip_forward was 0 and is 1 now, as NAT "
			   "needs it: this host passes packets between all its "
			   "networks, until its next boot or 'sysctl "
			   "net.ipv4.ip_forward=0'");
	env->forwarding_enabled = false;
}

int switch_nat_undo(struct switch_env *env, const struct vswitch *old,
		    const struct vswitch *want, struct err *err)
{
	int rc = old && old->nat ? switch_nat_apply(env, old, err)
				 : switch_nat_remove(env, want, err);

	if (env->forwarding_enabled && (!old || !old->nat) && rc == 0) {
		rc = env->os->ops->write(env->os, FORWARD_PATH, "0");
		if (rc < 0)
			err_sys(err, rc, "%s", FORWARD_PATH);
	}
	env->forwarding_enabled = false;
	return rc;
}

/* `line` is about a chain of `table`. */
static void chain_blocks_say(struct switch_env *env, const struct vswitch *sw,
			     const char *table, const char *line)
{
	if (!strstr(line, "policy drop"))
		return;
	if (strstr(line, "hook forward"))
		warner_say(env->warner,
			   "the rules of nftables table '%s' drop forwarded "
			   "packets they do not know; unless they allow "
			   "interface %s, guests of switch '%s' reach this "
			   "host only",
			   table, sw->bridge, sw->name);
	else if (strstr(line, "hook input"))
		warner_say(env->warner,
			   "the rules of nftables table '%s' drop packets to "
			   "this host they do not know; unless they allow UDP "
			   "ports 53 and 67 on interface %s, guests of switch "
			   "'%s' get no address and no names",
			   table, sw->bridge, sw->name);
}

void switch_nat_warn_blocked(struct switch_env *env, const struct vswitch *sw)
{
	CLEANUP_FREE char *output = NULL;
	char nft[] = "nft", list[] = "list", chains[] = "chains";
	char *const argv[] = {nft, list, chains, NULL};
	char table[80] = "";
	char *line, *rest;

	if (env->os->ops->run(env->os, argv, NULL, NULL, &output) < 0)
		return;
	for (rest = output; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, "table ", 6) == 0)
			snprintf(table, sizeof(table), "%.*s",
				 (int)strcspn(line + 6, "{") - 1, line + 6);
		chain_blocks_say(env, sw, table, line);
	}
}

/* The host's other networks keep their addresses. */
static int overlap_check(struct switch_env *env, const struct vswitch *sw,
			 struct err *err)
{
	const struct netlink_state *state = &env->state;

	for (size_t i = 0; i < state->addrs; i++) {
		const struct netlink_addr *addr = &state->addr[i];
		const struct netlink_link *link =
		    netlink_at(state, addr->index);
		char text[NETLINK_ADDR_TEXT], own[NETLINK_ADDR_TEXT];

		if (!link || strcmp(link->name, sw->bridge) == 0 ||
		    !netlink_addr_overlap(addr, &sw->addr))
			continue;
		netlink_addr_format(addr, text);
		netlink_addr_format(&sw->addr, own);
		return err_set(err, -EADDRINUSE,
			       "switch '%s': its network %s overlaps with %s "
			       "of %s; NAT needs one of its own, see 'vm "
			       "switch address'",
			       sw->name, own, text, link->name);
	}
	return 0;
}

/* --- dnsmasq --- */

struct dhcp {
	char pid_path[PATH_MAX + 64];
	char lease_path[PATH_MAX + 64];
	struct words argv;
};

static void dhcp_free(struct dhcp *dhcp)
{
	words_free(&dhcp->argv);
}

#define CLEANUP_DHCP __attribute__((cleanup(dhcp_free)))

static void dhcp_paths(const struct switch_env *env, const struct vswitch *sw,
		       struct dhcp *dhcp)
{
	snprintf(dhcp->pid_path, sizeof(dhcp->pid_path), "%s/%s.pid",
		 env->run_dir, sw->name);
	snprintf(dhcp->lease_path, sizeof(dhcp->lease_path), "%s/%s.leases",
		 env->run_dir, sw->name);
}

/* dnsmasq(8): nothing from the host's own configuration, one interface. */
static void dhcp_argv(const struct vswitch *sw, struct dhcp *dhcp)
{
	char first_text[INET_ADDRSTRLEN], last_text[INET_ADDRSTRLEN];
	struct words *argv = &dhcp->argv;
	uint32_t first, last;

	switch_nat_range(&sw->addr, &first, &last);
	first = htonl(first);
	last = htonl(last);
	inet_ntop(AF_INET, &first, first_text, sizeof(first_text));
	inet_ntop(AF_INET, &last, last_text, sizeof(last_text));
	words_add(argv, "dnsmasq");
	words_add(argv, "--conf-file=/dev/null");
	words_add(argv, "--no-hosts");
	words_add(argv, "--bind-interfaces");
	words_add(argv, "--interface=%s", sw->bridge);
	words_add(argv, "--except-interface=lo");
	words_add(argv, "--bogus-priv");
	words_add(argv, "--domain-needed");
	words_add(argv, "--dhcp-authoritative");
	words_add(argv, "--dhcp-range=%s,%s,12h", first_text, last_text);
	if (sw->mtu)
		words_add(argv, "--dhcp-option=option:mtu,%u", sw->mtu);
	words_add(argv, "--dhcp-leasefile=%s", dhcp->lease_path);
	words_add(argv, "--pid-file=%s", dhcp->pid_path);
}

/*
 * The process the pid file names, if its command line has our pid file in it;
 * 0: none. *ret_same: it is the command line we would use.
 */
static int dhcp_find(const struct switch_env *env, const struct dhcp *dhcp,
		     bool *ret_same)
{
	char text[16], path[40], args[ARGS_MAX];
	size_t len, at = 0, word = 0;
	bool ours = false, same = true;
	int pid;

	*ret_same = false;
	if (env->os->ops->read(env->os, dhcp->pid_path, text, sizeof(text),
			       &len) < 0)
		return 0;
	pid = atoi(text);
	if (pid <= 1)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	if (env->os->ops->read(env->os, path, args, sizeof(args), &len) < 0)
		return 0;
	for (; at < len; at += strlen(args + at) + 1, word++) {
		if (strncmp(args + at, "--pid-file=", 11) == 0)
			ours = strcmp(args + at + 11, dhcp->pid_path) == 0;
		if (word >= dhcp->argv.count ||
		    strcmp(args + at, dhcp->argv.word[word]) != 0)
			same = false;
	}
	*ret_same = ours && same && word == dhcp->argv.count;
	return ours ? pid : 0;
}

static int dhcp_end(struct switch_env *env, const struct dhcp *dhcp,
		    struct err *err)
{
	bool same;
	int pid = dhcp_find(env, dhcp, &same);
	int rc = pid ? env->os->ops->end(env->os, pid) : 0;

	if (rc < 0)
		return err_sys(err, rc, "dnsmasq (pid %d) cannot be ended",
			       pid);
	env->os->ops->remove(env->os, dhcp->pid_path);
	return 0;
}

static void dhcp_missing_say(struct switch_env *env, const struct vswitch *sw)
{
	char network[NETLINK_ADDR_TEXT];

	network_format(&sw->addr, network, sizeof(network));
	warner_say(env->warner,
		   "dnsmasq is not installed (package dnsmasq-base): guests "
		   "on switch '%s' get no address by themselves; give them "
		   "one of %s",
		   sw->name, network);
}

static int dhcp_start(struct switch_env *env, const struct vswitch *sw,
		      struct err *err)
{
	CLEANUP_DHCP struct dhcp dhcp = {0};
	bool same;
	int rc;

	dhcp_paths(env, sw, &dhcp);
	dhcp_argv(sw, &dhcp);
	rc = words_check(&dhcp.argv, err);
	if (rc < 0)
		return rc;
	if (dhcp_find(env, &dhcp, &same) && same)
		return 0;
	rc = dhcp_end(env, &dhcp, err);
	if (rc < 0)
		return rc;
	rc = env->os->ops->mkdir(env->os, env->run_dir);
	if (rc < 0)
		return err_sys(err, rc, "%s", env->run_dir);
	rc = env->os->ops->run(env->os, dhcp.argv.word, NULL, err, NULL);
	if (rc == -ENOENT) {
		dhcp_missing_say(env, sw);
		return 0;
	}
	return rc;
}

static int dhcp_stop(struct switch_env *env, const struct vswitch *sw,
		     struct err *err)
{
	CLEANUP_DHCP struct dhcp dhcp = {0};
	int rc;

	dhcp_paths(env, sw, &dhcp);
	rc = dhcp_end(env, &dhcp, err);
	if (rc == 0)
		env->os->ops->remove(env->os, dhcp.lease_path);
	return rc;
}

int switch_nat_apply(struct switch_env *env, const struct vswitch *sw,
		     struct err *err)
{
	int rc = overlap_check(env, sw, err);

	/* Rules before forwarding: no packet passes between the two. */
	if (rc == 0)
		rc = nft_apply(env, sw, err);
	if (rc == 0)
		rc = forwarding_enable(env, err);
	if (rc == 0)
		rc = dhcp_start(env, sw, err);
	return rc;
}

int switch_nat_remove(struct switch_env *env, const struct vswitch *sw,
		      struct err *err)
{
	int rc = dhcp_stop(env, sw, err);

	return rc < 0 ? rc : nft_remove(env, sw, err);
}
