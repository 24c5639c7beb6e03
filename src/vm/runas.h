/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byway that runs as an ordinary user (run_as of the guest's file).
 *
 * What needs root is done here, in the supervisor, and handed to byway as
 * descriptors, from CHILD_EXTRA_FD on: the socket it takes commands at, then
 * the IOMMU groups of its devices. The groups stay open between two runs, so
 * nobody else can open the devices then. runas_settle() takes the groups out of
 * the container of a byway that has ended: otherwise a killed one's memory
 * would stay pinned.
 *
 * The guest's directory stays root's: what stands in its file is run by root.
 * What byway keeps is in a directory of its own (userdir.h). For the same
 * reason such a byway does not inherit run.lock, of which vm believes every
 * word.
 *
 * Order: runas_parse(), runas_open_groups(), then for each run runas_listen(),
 * runas_drop() in the child, runas_settle() after its end; runas_close().
 * Threads: one.
 */
#ifndef VM_RUNAS_H
#define VM_RUNAS_H

#include <sys/types.h>

#include "vm/child.h"
#include "vm/plan.h"

#define RUNAS_NAME_MAX 64u

struct runas {
	bool on; /* else byway is root as we are, and the rest means nothing */
	char name[RUNAS_NAME_MAX];
	uid_t uid;
	gid_t gid;
	char home[PATH_MAX];
	char kvm[PATH_MAX + 8]; /* /dev/kvm */
	/* In the order of byway's descriptors; fd[0] is the socket. */
	int fd[CHILD_EXTRA_MAX];
	int group[CHILD_EXTRA_MAX]; /* of fd[1] and later */
	unsigned count;		    /* of fd */
};

#define RUNAS_NONE          \
	{                   \
		.on = false \
	}

/* Is byway to be another user than root? By the files alone. */
bool runas_wanted(const struct place *place, const struct conf *conf);
/* run_as, else vm_run_as of vm-bhyve.conf. */
MUST_CHECK int runas_parse(const struct place *place, const struct conf *conf,
			   struct err *err, struct runas *ret_runas);
/* The groups of what is passed through. */
MUST_CHECK int runas_open_groups(struct runas *runas, const struct place *place,
				 const struct plan_functions *functions,
				 struct err *err);
/* byway's command line: which descriptor is what. */
void runas_argv(const struct runas *runas, struct words *argv);
/*
 * What is named, without links at its end, belongs to the user from now on: a
 * file that we have made.
 */
MUST_CHECK int runas_give(const struct runas *runas, const char *path,
			  struct err *err);

MUST_CHECK int runas_listen(struct runas *runas, const struct guest *guest,
			    struct err *err);
/* In a child: becomes the user, for good. */
MUST_CHECK int runas_become(const struct runas *runas, struct err *err);
/* The same in byway's. */
MUST_CHECK int runas_drop(const struct runas *runas, struct err *err);
void runas_settle(const struct runas *runas);
void runas_close(struct runas *runas);

#endif
