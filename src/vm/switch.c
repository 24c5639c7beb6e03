/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm switch: commands about virtual switches.
 *
 * Theory of operation
 *
 * Every change is made on a copy of the switch's description; then the host
 * follows, then the file is written, and a failure of either takes back what
 * was done. Signals that would end vm wait in the meantime.
 */
#include "vm/switch.h"

#include <signal.h>
#include <string.h>

#include "vm/cmd.h"
#include "vm/switch_show.h"

static void signals_hold(sigset_t *before)
{
	static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		sigaddset(&set, held[i]);
	sigprocmask(SIG_BLOCK, &set, before);
}

static int host_and_file(struct switch_store *store, struct switch_txn *txn,
			 const struct vswitch *old, const struct vswitch *want,
			 struct err *err)
{
	int rc = vswitch_check(want, err);

	if (rc == 0)
		rc = switch_sync(txn, old, want, 0, err);
	if (rc == 0)
		rc = switch_store_save(store, want, err);
	if (rc < 0)
		switch_txn_undo(txn);
	else
		switch_txn_commit(txn);
	return err_cure_root(rc, err);
}

/* From `old` (NULL: a new switch) to `want`; all of it or nothing. */
static int switch_change(const struct place *place, struct switch_store *store,
			 const struct vswitch *old, const struct vswitch *want)
{
	const struct warner warner = {warn_say, NULL};
	CLEANUP_SWITCH_ENV struct switch_env env = {0};
	struct switch_txn txn;
	struct err err = {0};
	sigset_t before;
	int rc = switch_env_open(place, &warner, &err, &env);

	if (rc < 0)
		return say_error("%s", err.msg);
	switch_txn_init(&txn, &env);
	signals_hold(&before);
	rc = host_and_file(store, &txn, old, want, &err);
	if (rc == 0 && want->nat && !(old && old->nat))
		switch_nat_warn_blocked(&env, want);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc < 0 ? say_error("%s", err.msg) : 0;
}

/* --- create --- */

struct create_options {
	const char *type, *bridge, *vlan, *mtu, *name;
	struct words ports, addrs;
	bool is_private;
};

static void options_free(struct create_options *options)
{
	words_free(&options->ports);
	words_free(&options->addrs);
}

#define CLEANUP_OPTIONS __attribute__((cleanup(options_free)))

static int options_read(const struct command *cmd, int argc, char **argv,
			struct create_options *options)
{
	int option;

	optind = 0; /* getopt(3) starts afresh */
	while ((option = option_next(cmd, argc, argv, "+:t:i:n:m:a:b:p")) !=
	       -1) {
		switch (option) {
		case 't':
			options->type = optarg;
			break;
		case 'i':
			words_add(&options->ports, "%s", optarg);
			break;
		case 'n':
			options->vlan = optarg;
			break;
		case 'm':
			options->mtu = optarg;
			break;
		case 'a':
			words_add(&options->addrs, "%s", optarg);
			break;
		case 'b':
			options->bridge = optarg;
			break;
		case 'p':
			options->is_private = true;
			break;
		default:
			return -EINVAL;
		}
	}
	if (optind + 1 != argc) {
		say_usage(cmd, "%s: expected one name", cmd->name);
		return -EINVAL;
	}
	options->name = argv[optind];
	return 0;
}

static int options_apply(const struct create_options *options, struct err *err,
			 struct vswitch *sw)
{
	int rc = vswitch_init(sw, options->name, err);

	if (rc == 0 && options->type)
		rc = vswitch_set_type(sw, options->type, err);
	if (rc == 0 && options->bridge && sw->type != SWITCH_MANUAL)
		return err_set(err, -EINVAL,
			       "-b names the bridge of a manual switch; give "
			       "-t manual, too");
	if (rc == 0 && options->bridge)
		rc = vswitch_set_bridge(sw, options->bridge, err);
	for (size_t i = 0; rc == 0 && i < options->ports.count; i++)
		rc = vswitch_add_port(sw, options->ports.word[i], err);
	if (rc == 0 && options->vlan)
		rc = vswitch_set_vlan(sw, options->vlan, err);
	if (rc == 0 && options->mtu)
		rc = vswitch_set_mtu(sw, options->mtu, err);
	for (size_t i = 0; rc == 0 && i < options->addrs.count; i++)
		rc = vswitch_set_addr(sw, options->addrs.word[i], err);
	sw->is_private = options->is_private;
	return rc;
}

static int switch_create(const struct command *cmd, const struct place *place,
			 int argc, char **argv)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	CLEANUP_OPTIONS struct create_options options = {0};
	struct err err = {0};
	struct vswitch sw;

	if (options_read(cmd, argc, argv, &options) < 0)
		return 1;
	if (words_check(&options.ports, &err) < 0 ||
	    words_check(&options.addrs, &err) < 0 ||
	    options_apply(&options, &err, &sw) < 0 ||
	    vswitch_check(&sw, &err) < 0 ||
	    switch_store_open(place, &err, &store) < 0)
		return say_error("%s", err.msg);
	if (switch_store_has(&store, sw.name))
		return say_error("switch '%s' exists", sw.name);
	return switch_change(place, &store, NULL, &sw);
}

/* --- changes of a switch that is there --- */

typedef int edit_fn(struct vswitch *sw, const char *text, struct err *err);

/* Arguments NAME TEXT: the switch with one setting changed. */
static int switch_edit(const struct command *cmd, const struct place *place,
		       int argc, char **argv, edit_fn *edit)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	struct vswitch old, want;
	struct err err = {0};

	optind = 0;
	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind + 2 != argc)
		return say_usage(cmd, "%s: expected two arguments", cmd->name);
	if (switch_store_open(place, &err, &store) < 0 ||
	    vswitch_read(&store, argv[optind], &err, &old) < 0)
		return say_error("%s", err.msg);
	want = old;
	if (edit(&want, argv[optind + 1], &err) < 0)
		return say_error("%s", err.msg);
	return switch_change(place, &store, &old, &want);
}

static int switch_add(const struct command *cmd, const struct place *place,
		      int argc, char **argv)
{
	return switch_edit(cmd, place, argc, argv, vswitch_add_port);
}

static int switch_remove(const struct command *cmd, const struct place *place,
			 int argc, char **argv)
{
	return switch_edit(cmd, place, argc, argv, vswitch_remove_port);
}

static int switch_vlan(const struct command *cmd, const struct place *place,
		       int argc, char **argv)
{
	return switch_edit(cmd, place, argc, argv, vswitch_set_vlan);
}

static int address_edit(struct vswitch *sw, const char *text, struct err *err)
{
	if (strcmp(text, "none") != 0 && strcmp(text, "delete") != 0)
		return vswitch_set_addr(sw, text, err);
	if (sw->nat)
		return err_set(err, -EBUSY,
			       "switch '%s': NAT needs the address; first 'vm "
			       "switch nat %s off'",
			       sw->name, sw->name);
	sw->addr = sw->addr6 = (struct netlink_addr){0};
	return 0;
}

static int switch_address(const struct command *cmd, const struct place *place,
			  int argc, char **argv)
{
	return switch_edit(cmd, place, argc, argv, address_edit);
}

static int on_off(const char *text, struct err *err, bool *ret_value)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return err_set(err, -EINVAL, "'%.40s': expected on or off",
			       text);
	*ret_value = on;
	return 0;
}

static int private_edit(struct vswitch *sw, const char *text, struct err *err)
{
	return on_off(text, err, &sw->is_private);
}

static int switch_private(const struct command *cmd, const struct place *place,
			  int argc, char **argv)
{
	return switch_edit(cmd, place, argc, argv, private_edit);
}

static int nat_edit(struct vswitch *sw, const char *text, struct err *err)
{
	return on_off(text, err, &sw->nat);
}

static int switch_nat(const struct command *cmd, const struct place *place,
		      int argc, char **argv)
{
	return switch_edit(cmd, place, argc, argv, nat_edit);
}

/* --- destroy --- */

static int users_refuse(struct switch_env *env, const struct vswitch *sw,
			struct err *err)
{
	CLEANUP_WORDS struct words users = {0};
	char list[400] = "";
	size_t len = 0;
	int rc = switch_users(env, sw, err, &users);

	if (rc < 0 || users.count == 0)
		return rc;
	for (size_t i = 0; i < users.count && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
					i ? ", " : "", users.word[i]);
	return err_set(err, -EBUSY,
		       "switch '%s' is in use by %s; stop the guests first, or "
		       "take their network with -f",
		       sw->name, list);
}

/* From the file first: what the host cannot do puts it back. */
static int file_and_host(struct switch_env *env, struct switch_store *store,
			 const struct vswitch *sw, struct err *err)
{
	struct err also = {0};
	int rc = switch_store_remove(store, sw->name, err);

	if (rc < 0)
		return err_cure_root(rc, err);
	rc = switch_down(env, sw, err);
	if (rc < 0 && switch_store_restore(store, &also) < 0)
		say_error("%s", also.msg);
	return err_cure_root(rc, err);
}

static int destroy_loaded(const struct place *place, struct switch_store *store,
			  const struct vswitch *sw, bool force)
{
	const struct warner warner = {warn_say, NULL};
	CLEANUP_SWITCH_ENV struct switch_env env = {0};
	struct err err = {0};
	sigset_t before;
	int rc = switch_env_open(place, &warner, &err, &env);

	if (rc == 0 && !force)
		rc = users_refuse(&env, sw, &err);
	if (rc < 0)
		return say_error("%s", err.msg);
	signals_hold(&before);
	rc = file_and_host(&env, store, sw, &err);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc < 0 ? say_error("%s", err.msg) : 0;
}

static int switch_destroy(const struct command *cmd, const struct place *place,
			  int argc, char **argv)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	struct vswitch sw;
	struct err err = {0};
	bool force = false;
	const char *name;
	int option;

	optind = 0;
	while ((option = option_next(cmd, argc, argv, "+:f")) != -1) {
		if (option != 'f')
			return 1;
		force = true;
	}
	if (optind + 1 != argc)
		return say_usage(cmd, "switch destroy: expected one name");
	name = argv[optind];
	if (switch_store_open(place, &err, &store) < 0)
		return say_error("%s", err.msg);
	if (vswitch_load(&store, name, &err, &sw) == 0)
		return destroy_loaded(place, &store, &sw, force);
	/* What cannot be understood was never brought up by us. */
	if (!switch_store_has(&store, name))
		return say_error("%s", err.msg);
	if (!force)
		return say_error("%s; 'vm switch destroy -f %s' removes the "
				 "settings",
				 err.msg, name);
	if (err_cure_root(switch_store_remove(&store, name, &err), &err) < 0)
		return say_error("%s", err.msg);
	return 0;
}

/* --- the table --- */

static const struct command actions[] = {
    {"list", "", "list switches", NULL, switch_list, false},
    {"info", "[name ...]", "show all about switches", NULL, switch_info, false},
    {"create",
     "[-t type] [-i interface] [-n vlan] [-m mtu]\n"
     "                        [-a address/prefix] [-b bridge] [-p] name",
     "make a switch",
     "-t  standard: a bridge of its own (default); manual: one of the host\n"
     "-i  a port: interface of the host that joins\n"
     "-n  VLAN on the ports, 1 to 4094\n"
     "-m  MTU in bytes\n"
     "-a  address of the host on the switch, such as 10.0.0.1/24\n"
     "-b  bridge of a manual switch\n"
     "-p  private: guests reach the ports and the host, not each other",
     switch_create, false},
    {"add", "name interface", "make an interface a port", NULL, switch_add,
     false},
    {"remove", "name interface", "take a port out", NULL, switch_remove, false},
    {"destroy", "[-f] name", "remove a switch",
     "-f  also while guests use it, or when its settings are wrong",
     switch_destroy, false},
    {"vlan", "name number", "VLAN on the ports; 0 is none", NULL, switch_vlan,
     false},
    {"address", "name address/prefix | name none",
     "address of the host on the switch", NULL, switch_address, false},
    {"private", "name on | name off", "keep guests from each other", NULL,
     switch_private, false},
    {"nat", "name on | name off",
     "let guests out by the host's own address, and give them addresses", NULL,
     switch_nat, false},
};

static int action_help(const struct command *cmd)
{
	command_usage(cmd, stdout);
	printf("%s\n", cmd->summary);
	if (cmd->help)
		printf("\n%s\n", cmd->help);
	return 0;
}

int cmd_switch(const struct command *cmd, const struct place *place, int argc,
	       char **argv)
{
	const struct command *found;
	struct command action;
	char name[32];

	if (argc < 2)
		say_error("switch: expected a command, such as list");
	found = argc < 2 ? NULL
			 : command_find(actions, ARRAY_LEN(actions), argv[1]);
	if (!found) {
		command_usage(cmd, stderr);
		fprintf(stderr, "%s\n", cmd->help);
		return 1;
	}
	/* Its usage line names both words. */
	action = *found;
	snprintf(name, sizeof(name), "switch %s", found->name);
	action.name = name;
	if (argc > 2 && (!strcmp(argv[2], "-h") || !strcmp(argv[2], "--help")))
		return action_help(&action);
	return found->fn(&action, place, argc - 1, argv + 1);
}
