/* SPDX-License-Identifier: BSD-2-Clause */
/* Undoing changes of the host's network; the contract is switch_txn.h. */
#include "vm/switch_txn.h"

#include <string.h>

enum undo_kind {
	UNDO_ADD,
	UNDO_CHANGE,
	UNDO_ADDR_ADD,
	UNDO_ADDR_REMOVE,
	UNDO_SYSCTL,
};

struct switch_undo {
	enum undo_kind kind;
	char name[IFNAMSIZ];
	struct netlink_change change;
	struct netlink_addr addr;
	char path[128];
	char value[16];
};

void switch_txn_init(struct switch_txn *txn, struct switch_env *env)
{
	*txn = (struct switch_txn){.env = env};
}

/* Room for a step before it is made, so that no done step is forgotten. */
static int step_reserve(struct switch_txn *txn, enum undo_kind kind,
			const char *name, struct err *err,
			struct switch_undo **ret_step)
{
	struct switch_undo *grown;

	grown = reallocarray(txn->step, txn->steps + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	txn->step = grown;
	grown += txn->steps;
	*grown = (struct switch_undo){.kind = kind};
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	*ret_step = grown;
	return 0;
}

static int step_done(struct switch_txn *txn, int rc)
{
	if (rc == 0)
		txn->steps++;
	return rc;
}

int txn_add_link(struct switch_txn *txn, const struct netlink_new *spec,
		 struct err *err)
{
	struct netlink *net = txn->env->net;
	struct switch_undo *step;
	int rc = step_reserve(txn, UNDO_ADD, spec->name, err, &step);

	if (rc < 0)
		return rc;
	return step_done(txn, net->ops->add(net, spec, err));
}

int txn_change(struct switch_txn *txn, const char *name,
	       const struct netlink_change *change,
	       const struct netlink_change *back, struct err *err)
{
	struct netlink *net = txn->env->net;
	struct switch_undo *step;
	int rc = step_reserve(txn, UNDO_CHANGE, name, err, &step);

	if (rc < 0)
		return rc;
	step->change = *back;
	return step_done(txn, net->ops->change(net, name, change, err));
}

int txn_addr(struct switch_txn *txn, const char *name,
	     const struct netlink_addr *addr, bool add, struct err *err)
{
	const enum undo_kind kind = add ? UNDO_ADDR_REMOVE : UNDO_ADDR_ADD;
	struct netlink *net = txn->env->net;
	struct switch_undo *step;
	int rc = step_reserve(txn, kind, name, err, &step);

	if (rc < 0)
		return rc;
	step->addr = *addr;
	rc = add ? net->ops->addr_add(net, name, addr, err)
		 : net->ops->addr_remove(net, name, addr, err);
	return step_done(txn, rc);
}

int txn_sysctl(struct switch_txn *txn, const char *path, const char *value,
	       struct err *err)
{
	const struct switch_os *os = txn->env->os;
	struct switch_undo *step;
	size_t len;
	int rc = step_reserve(txn, UNDO_SYSCTL, "", err, &step);

	if (rc < 0)
		return rc;
	if ((size_t)snprintf(step->path, sizeof(step->path), "%s", path) >=
	    sizeof(step->path))
		return err_set(err, -ENAMETOOLONG, "%s: path too long", path);
	rc = os->ops->read(os, path, step->value, sizeof(step->value), &len);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && strncmp(step->value, value, strlen(value)) == 0)
		return 0;
	if (rc == 0)
		rc = os->ops->write(os, path, value);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	return step_done(txn, 0);
}

void txn_remove_later(struct switch_txn *txn, const char *name)
{
	words_add(&txn->later, "%s", name);
}

static int step_undo(struct switch_txn *txn, const struct switch_undo *step,
		     struct err *err)
{
	const struct switch_os *os = txn->env->os;
	struct netlink *net = txn->env->net;

	switch (step->kind) {
	case UNDO_ADD:
		return net->ops->remove(net, step->name, err);
	case UNDO_CHANGE:
		return net->ops->change(net, step->name, &step->change, err);
	case UNDO_ADDR_ADD:
		return net->ops->addr_add(net, step->name, &step->addr, err);
	case UNDO_ADDR_REMOVE:
		return net->ops->addr_remove(net, step->name, &step->addr, err);
	case UNDO_SYSCTL:
		return os->ops->write(os, step->path, step->value);
	}
	return 0;
}

void txn_undo_to(struct switch_txn *txn, size_t mark)
{
	while (txn->steps > mark) {
		const struct switch_undo *step = &txn->step[--txn->steps];
		struct err err = {0};

		if (step_undo(txn, step, &err) < 0)
			warner_say(txn->env->warner,
				   "%s: cannot be put back as it was: %s",
				   step->name[0] ? step->name : step->path,
				   err.msg);
	}
}

static void txn_free(struct switch_txn *txn)
{
	free(txn->step);
	words_free(&txn->later);
	switch_txn_init(txn, txn->env);
}

/* NAT is not a step: what it was is made again, or it is removed. */
static void nat_undo(struct switch_txn *txn)
{
	const struct vswitch *old = txn->had_old ? &txn->old : NULL;
	struct err err = {0};

	if (txn->nat_changed &&
	    switch_nat_undo(txn->env, old, &txn->want, &err) < 0)
		warner_say(txn->env->warner,
			   "NAT of switch '%s' cannot be put back as it was: "
			   "%s",
			   txn->want.name, err.msg);
}

void switch_txn_undo(struct switch_txn *txn)
{
	/* Addresses first, the DHCP server wants to find them. */
	txn_undo_to(txn, 0);
	nat_undo(txn);
	txn_free(txn);
}

void switch_txn_commit(struct switch_txn *txn)
{
	struct netlink *net = txn->env->net;

	for (size_t i = 0; i < txn->later.count; i++) {
		struct err err = {0};

		if (net->ops->remove(net, txn->later.word[i], &err) < 0)
			warner_say(txn->env->warner, "%s", err.msg);
	}
	switch_nat_commit(txn->env);
	txn_free(txn);
}
