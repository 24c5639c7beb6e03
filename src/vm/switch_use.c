/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches for guests that start and hosts that booted; see switch.h. */
#include <string.h>

#include "base/cfg.h"
#include "vm/switch.h"

static int sync_tolerant(const struct place *place, const struct warner *warner,
			 const struct vswitch *sw, struct err *err)
{
	CLEANUP_SWITCH_ENV struct switch_env env = {0};
	struct switch_txn txn;
	int rc = switch_env_open(place, warner, err, &env);

	if (rc < 0)
		return rc;
	switch_txn_init(&txn, &env);
	rc = switch_sync(&txn, sw, sw, SWITCH_TOLERANT, err);
	if (rc < 0)
		switch_txn_undo(&txn);
	else
		switch_txn_commit(&txn);
	return rc;
}

/* A bridge of the host that no switch describes. */
static int bridge_of_host(const char *name, struct err *err,
			  struct vswitch *ret_sw)
{
	CLEANUP_NETLINK_STATE struct netlink_state state = {0};
	CLEANUP_NETLINK struct netlink *net = NULL;
	char prefixed[GUEST_NAME_MAX + 8];
	const char *candidates[] = {prefixed, name};
	int rc = netlink_open(err, &net);

	if (rc == 0)
		rc = netlink_read(net, err, &state);
	if (rc < 0)
		return rc;
	snprintf(prefixed, sizeof(prefixed), "vm-%.200s", name);
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		struct vswitch sw = {.type = SWITCH_MANUAL};

		if (!netlink_is_bridge(netlink_find(&state, candidates[i])))
			continue;
		strcpy(sw.bridge, netlink_find(&state, candidates[i])->name);
		*ret_sw = sw;
		return 0;
	}
	return -ENODEV;
}

static int unknown_say(const char *name, const struct words *names,
		       struct err *err)
{
	const char *near = NULL;

	if (names->count > 0)
		near = nearest_word(name, (const char *const *)names->word);
	if (near)
		return err_set(err, -ENODEV,
			       "there is no virtual switch '%.60s' and no "
			       "bridge of this name; did you mean '%s'?",
			       name, near);
	return err_set(err, -ENODEV,
		       "there is no virtual switch '%.60s' and no bridge of "
		       "this name; 'vm switch create %.60s' makes one",
		       name, name);
}

int switch_use(const struct place *place, const char *name,
	       const struct warner *warner, struct err *err,
	       struct switch_store *ret_store, struct vswitch *ret_sw)
{
	CLEANUP_WORDS struct words names = {0};
	struct vswitch sw;
	int rc = switch_store_read(place, err, ret_store);

	if (rc < 0)
		return rc;
	switch_store_names(ret_store, &names);
	switch_store_close(ret_store);
	rc = words_check(&names, err);
	if (rc == 0 && !words_contain(&names, name)) {
		rc = bridge_of_host(name, err, ret_sw);
		return rc == -ENODEV ? unknown_say(name, &names, err) : rc;
	}
	/* Guests that start together bring their switch up one by one. */
	if (rc == 0)
		rc = switch_store_open(place, err, ret_store);
	if (rc == 0)
		rc = vswitch_load(ret_store, name, err, &sw);
	if (rc == 0)
		rc = sync_tolerant(place, warner, &sw, err);
	if (rc == 0)
		*ret_sw = sw;
	return rc;
}

unsigned switch_up_all(const struct place *place, const struct warner *warner,
		       void (*failed)(const char *sentence))
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	CLEANUP_WORDS struct words names = {0};
	struct err err = {0};
	unsigned failures = 0;

	if (switch_store_open(place, &err, &store) < 0) {
		failed(err.msg);
		return 1;
	}
	switch_store_names(&store, &names);
	if (words_check(&names, &err) < 0) {
		failed(err.msg);
		return 1;
	}
	for (size_t i = 0; i < names.count; i++) {
		struct vswitch sw;
		int rc = vswitch_load(&store, names.word[i], &err, &sw);

		if (rc == 0)
			rc = sync_tolerant(place, warner, &sw, &err);
		if (rc < 0) {
			err_prefix(&err, "switch '%s'", names.word[i]);
			(void)err_cure_root(rc, &err);
			failed(err.msg);
			failures++;
		}
	}
	return failures;
}
