/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host's network in memory: what switches use of rtnetlink, files, nft and
 * dnsmasq. Each operation can be made to fail.
 */
#ifndef TESTS_VM_FAKE_NET_H
#define TESTS_VM_FAKE_NET_H

#include "vm/switch.h"

#define FAKE_LINKS 24u
#define FAKE_ADDRS 16u
#define FAKE_FILES 24u

struct fake_file {
	char path[128];
	char data[1024];
	size_t len;
};

struct fake_net {
	struct netlink net;
	struct switch_os os;
	struct switch_env env; /* over the two above */

	struct netlink_link link[FAKE_LINKS];
	size_t links;
	struct netlink_addr addr[FAKE_ADDRS];
	size_t addrs;
	unsigned gateway; /* index of the default route's interface */
	struct fake_file file[FAKE_FILES];
	size_t files;
	char tables[512];   /* nft tables, one a line */
	char script[2048];  /* the last nft -f */
	const char *chains; /* what nft list chains prints */
	unsigned next_index;
	int next_pid;

	bool no_nft, no_dnsmasq, dnsmasq_fails, no_vlan;
	unsigned ops;	  /* changes asked for */
	unsigned fail_at; /* the change that fails, counted from 1; 0: none */
	char log[8192];	  /* one line a change that was made */
	char warned[4096];
};

void fake_net_init(struct fake_net *f);
void fake_net_free(struct fake_net *f);
/* A piece of hardware that is up. */
struct netlink_link *fake_link(struct fake_net *f, const char *name,
			       const char *kind);
void fake_addr(struct fake_net *f, const char *link, const char *a, int prefix);
void fake_file(struct fake_net *f, const char *path, const char *text);
/* Everything that is, as text; caller frees. */
char *fake_dump(const struct fake_net *f);

#endif
