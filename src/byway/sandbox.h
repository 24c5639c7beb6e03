/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What byway gives up between having everything open and running the guest.
 *
 * This version: no new privileges through exec, and every capability of a
 * root-started process (it stays uid 0, with an ordinary user's rights plus
 * root's file ownership; vm's run_as starts it as another user). Not yet:
 * seccomp, landlock.
 */
#ifndef BYWAY_SANDBOX_H
#define BYWAY_SANDBOX_H

#include "base/base.h"
#include "base/err.h"

/* Before any vCPU thread exists, so that all threads inherit it. */
MUST_CHECK int sandbox_drop(struct err *err);

#endif
