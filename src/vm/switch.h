/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual switches: what they are, where that is kept, how the host follows.
 *
 * A switch of type standard is a Linux bridge that we make, "vm-NAME"; one of
 * type manual is a bridge that is there and is only joined. Both are kept in
 * <place>/.config/system.conf in vm-bhyve's keys: switch_list, type_NAME,
 * ports_NAME, vlan_NAME, mtu_NAME, addr_NAME, addr6_NAME, private_NAME,
 * bridge_NAME, nat_NAME.
 *
 * Order of a change: switch_store_open() (from here on nobody else changes
 * switches), vswitch_load() or the vswitch_ functions on an empty struct,
 * vswitch_check(), switch_sync() makes the host follow, switch_store_save()
 * makes it last; then switch_txn_commit(), or switch_txn_undo() when one of
 * them failed.
 * What is ours on the host carries an alias: a bridge "vm-switch/NAME", a VLAN
 * interface "vm-vlan-PORT-ID", a guest's tap "vmnet/GUEST/N/SWITCH". Nothing
 * else is removed, and an interface that is made a port is at most brought up.
 * Locking: none, one thread; processes are kept apart by the store's lock.
 */
#ifndef VM_SWITCH_H
#define VM_SWITCH_H

#include "vm/netlink.h"
#include "vm/place.h"

#define SWITCH_NAME_MAX	 48u /* keys of the file hold it */
#define SWITCH_PORTS_MAX 32u
#define SWITCH_VLAN_MAX	 4094u
#define SWITCH_MTU_MIN	 100u /* three or four digits, as in vm-bhyve */
#define SWITCH_MTU_MAX	 9000u

enum switch_type {
	SWITCH_STANDARD,
	SWITCH_MANUAL,
};

/* Plain data: assignment copies it. */
struct vswitch {
	char name[SWITCH_NAME_MAX + 1];
	enum switch_type type;
	char bridge[IFNAMSIZ];
	char port[SWITCH_PORTS_MAX][IFNAMSIZ];
	unsigned ports;
	unsigned vlan;			 /* 0: untagged */
	unsigned mtu;			 /* 0: as its ports */
	struct netlink_addr addr, addr6; /* family 0: none */
	bool is_private;
	bool nat;
};

/* switch_conf.c: the description and the file */

/* As a guest's name, but shorter. */
MUST_CHECK int vswitch_init(struct vswitch *sw, const char *name,
			    struct err *err);
MUST_CHECK int vswitch_set_type(struct vswitch *sw, const char *text,
				struct err *err);
MUST_CHECK int vswitch_set_bridge(struct vswitch *sw, const char *text,
				  struct err *err);
MUST_CHECK int vswitch_set_vlan(struct vswitch *sw, const char *text,
				struct err *err);
MUST_CHECK int vswitch_set_mtu(struct vswitch *sw, const char *text,
			       struct err *err);
/* IPv4 or IPv6; the other one stays. */
MUST_CHECK int vswitch_set_addr(struct vswitch *sw, const char *text,
				struct err *err);
MUST_CHECK int vswitch_add_port(struct vswitch *sw, const char *name,
				struct err *err);
/* -ENOENT when it is none. */
MUST_CHECK int vswitch_remove_port(struct vswitch *sw, const char *name,
				   struct err *err);
bool vswitch_has_port(const struct vswitch *sw, const char *name);
/* Do the settings go together? */
MUST_CHECK int vswitch_check(const struct vswitch *sw, struct err *err);

struct switch_store {
	int lock;   /* -1: for reading only */
	char *text; /* of the file, as it was at the beginning */
	struct conf *conf;
	char path[PATH_MAX + 32];
};

/* A file that is not there is an empty one. */
MUST_CHECK int switch_store_read(const struct place *place, struct err *err,
				 struct switch_store *ret_store);
MUST_CHECK int switch_store_open(const struct place *place, struct err *err,
				 struct switch_store *ret_store);
void switch_store_close(struct switch_store *store);
void switch_store_names(const struct switch_store *store, struct words *names);
bool switch_store_has(const struct switch_store *store, const char *name);
/*
 * -ENOENT, naming one that is near, when there is none of this name.
 * vswitch_read() also takes settings that do not go together, for a command
 * that is to mend them.
 */
MUST_CHECK int vswitch_read(const struct switch_store *store, const char *name,
			    struct err *err, struct vswitch *ret_sw);
MUST_CHECK int vswitch_load(const struct switch_store *store, const char *name,
			    struct err *err, struct vswitch *ret_sw);
MUST_CHECK int switch_store_save(struct switch_store *store,
				 const struct vswitch *sw, struct err *err);
MUST_CHECK int switch_store_remove(struct switch_store *store, const char *name,
				   struct err *err);
/* Writes the file as it was when it was opened. */
MUST_CHECK int switch_store_restore(struct switch_store *store,
				    struct err *err);

/* switch_os.c: what of the host is not rtnetlink; tests play another */

struct switch_os;
struct switch_os_ops {
	/*
	 * Runs argv[0], found in PATH and the sbin folders, with `input` as
	 * standard input; *ret_output (may be NULL) is what it wrote, freed by
	 * the caller. -ENOENT: not installed. When it fails the sentence is
	 * "argv[0]: its first line of output".
	 */
	int (*run)(const struct switch_os *os, char *const argv[],
		   const char *input, struct err *err, char **ret_output);
	/* A file of /proc or /sys or a small one; *ret_len without the NUL
	 * that is added. Zero bytes of the file are kept. */
	int (*read)(const struct switch_os *os, const char *path, char *buf,
		    size_t size, size_t *ret_len);
	int (*write)(const struct switch_os *os, const char *path,
		     const char *text);
	void (*remove)(const struct switch_os *os, const char *path);
	/* Makes a folder with its parents. */
	int (*mkdir)(const struct switch_os *os, const char *path);
	/* Ends a process and waits until it is gone. */
	int (*end)(const struct switch_os *os, int pid);
};

struct switch_os {
	const struct switch_os_ops *ops;
};

extern const struct switch_os switch_os_host;

/* switch_host.c: the host follows */

struct switch_env {
	struct netlink *net;
	const struct switch_os *os;
	const struct warner *warner; /* may be NULL */
	const char *host_root;
	char run_dir[PATH_MAX];	    /* pid and lease files */
	struct netlink_state state; /* read by switch_sync() and others */
	bool forwarding_enabled;    /* by this change */
};

#define SWITCH_RUN_DIR_DEFAULT "/run/byway/switch"

/* With the kernel's rtnetlink; $VM_RUN_DIR moves run_dir. */
MUST_CHECK int switch_env_open(const struct place *place,
			       const struct warner *warner, struct err *err,
			       struct switch_env *ret_env);
void switch_env_close(struct switch_env *env);

struct switch_undo;
struct switch_txn {
	struct switch_env *env;
	struct switch_undo *step;
	size_t steps;
	size_t steps_read;  /* how many of them env->state shows */
	struct words later; /* interfaces that commit removes */
	/* NAT was touched: what it was, what it was to be. */
	bool nat_changed, had_old;
	struct vswitch old, want;
};

/*
 * A switch that is brought up again, not changed: a port that is not there, or
 * NAT that fails, is a warning.
 */
#define SWITCH_TOLERANT BIT(0)

/*
 * Makes the host follow from `old` (NULL: nothing was) to `want`. Idempotent.
 * On failure the caller calls switch_txn_undo(). The env must outlive txn.
 */
MUST_CHECK int switch_sync(struct switch_txn *txn, const struct vswitch *old,
			   const struct vswitch *want, unsigned flags,
			   struct err *err);
void switch_txn_init(struct switch_txn *txn, struct switch_env *env);
void switch_txn_commit(struct switch_txn *txn);
void switch_txn_undo(struct switch_txn *txn);

/* Removes a standard switch from the host; a manual one's bridge stays. */
MUST_CHECK int switch_down(struct switch_env *env, const struct vswitch *sw,
			   struct err *err);
/*
 * Who else would lose the network with the switch: "tap0 of guest 'web'", and
 * ports that somebody else added. Reads the state.
 */
MUST_CHECK int switch_users(struct switch_env *env, const struct vswitch *sw,
			    struct err *err, struct words *ret_users);

/* The guest a tap was made for; false when it is none of ours. */
bool switch_tap_guest(const struct netlink_link *link,
		      char guest[GUEST_NAME_MAX + 1]);
/* The interface that joins the bridge for a port: itself, or its VLAN. */
void switch_port_link(const struct vswitch *sw, const char *port,
		      char ret_name[IFNAMSIZ]);

/* switch_port.c: may this interface become a port? Uses env->state. */
MUST_CHECK int switch_port_check(struct switch_env *env,
				 const struct vswitch *sw, const char *port,
				 struct err *err);

/* Tells when a service of the host may give a new port an address. */
void switch_port_warn(struct switch_env *env, const struct vswitch *sw,
		      const char *port);

/* switch_nat.c: nftables and dnsmasq. Uses env->state. */
MUST_CHECK int switch_nat_apply(struct switch_env *env,
				const struct vswitch *sw, struct err *err);
MUST_CHECK int switch_nat_remove(struct switch_env *env,
				 const struct vswitch *sw, struct err *err);
/* Back to `old` (NULL: nothing) after `want` was applied, or half of it. */
MUST_CHECK int switch_nat_undo(struct switch_env *env,
			       const struct vswitch *old,
			       const struct vswitch *want, struct err *err);
/* Tells what was changed for the whole host. */
void switch_nat_commit(struct switch_env *env);
/* Tells which other firewall rules keep guests from getting out, or a lease. */
void switch_nat_warn_blocked(struct switch_env *env, const struct vswitch *sw);
/* First and last address for guests: the larger side of the switch's own. */
void switch_nat_range(const struct netlink_addr *addr, uint32_t *ret_first,
		      uint32_t *ret_last);

/* switch_use.c: guests and the host's boot */

/*
 * The bridge for a guest's network card: of a configured switch, brought up
 * if it is not; else a bridge of the host called "vm-NAME" or "NAME".
 * -ENODEV when there is neither. The switch stays as it is until the caller
 * closes *ret_store, which he does once the card is on it.
 */
MUST_CHECK int switch_use(const struct place *place, const char *name,
			  const struct warner *warner, struct err *err,
			  struct switch_store *ret_store,
			  struct vswitch *ret_sw);
/* Brings all switches up; says what does not work. Number of failures. */
unsigned switch_up_all(const struct place *place, const struct warner *warner,
		       void (*failed)(const char *sentence));

static inline void switch_store_cleanup_(struct switch_store *store)
{
	switch_store_close(store);
}

#define SWITCH_STORE_NONE  \
	{                  \
		.lock = -1 \
	}
#define CLEANUP_SWITCH_STORE __attribute__((cleanup(switch_store_cleanup_)))
#define CLEANUP_SWITCH_ENV   __attribute__((cleanup(switch_env_close)))

#endif
