/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that run beside byway for a guest: swtpm, which is its TPM, and a
 * qemu-storage-daemon for each disk that is not raw.
 *
 * A storage daemon shows the image as a raw file, NAME/diskN.export (a FUSE
 * export). swtpm keeps its state in NAME/tpm; byway switches it on anew in each
 * run. Both live as long as the supervisor.
 *
 * With run_as byway's user owns the exports and swtpm's socket, and swtpm is
 * that user as well, with its state in NAME/run_as (userdir.h): it reads what
 * the guest sends. The storage daemon, which must be able to mount, stays root.
 *
 * Order: helpers_plan(); before each run helpers_start(), answered by `ready`
 * or `failed`, which brings back one that was lost; helpers_destroy() ends them
 * all and waits. They end by themselves when the supervisor is killed.
 * Threads: everything on the loop's thread.
 */
#ifndef VM_HELPERS_H
#define VM_HELPERS_H

#include "vm/child.h"
#include "vm/disks.h"
#include "vm/runas.h"

#define HELPERS_TPM_SOCKET "tpm.sock"
#define HELPERS_TPM_STATE  "tpm"
#define HELPERS_TPM_FILE   "tpm2-00.permall" /* swtpm's name for it */

struct helper;

struct helpers_ops {
	/* All of them are up. May be called by helpers_start() itself. */
	void (*ready)(void *ctx);
	/* One could not be started; the sentence names it. */
	void (*failed)(void *ctx, const char *text);
	/* One has ended while it was needed. */
	void (*lost)(void *ctx, const char *text);
	/* What one prints, for a log. */
	void (*output)(void *ctx, const void *data, size_t len);
};

struct helpers {
	struct evloop *loop;
	const struct guest *guest;
	const struct runas *user;
	const struct helpers_ops *ops;
	void *ctx;
	struct helper *item[DISKS_MAX + 1];
	size_t count;
	bool starting;
};

/*
 * How long a supervisor may be busy with their end: a storage daemon may have
 * much to write out.
 */
#define HELPERS_END_MS 75000u

/* Zeroed is empty; helpers_destroy() accepts that. */
void helpers_init(struct helpers *helpers, struct evloop *loop,
		  const struct guest *guest, const struct runas *user,
		  const struct helpers_ops *ops, void *ctx);
/* What the guest needs. Starts nothing. */
MUST_CHECK int helpers_plan(struct helpers *helpers, const struct place *place,
			    const struct conf *conf, struct err *err);
void helpers_start(struct helpers *helpers);
void helpers_destroy(struct helpers *helpers);

/* Words of the two programs, for the tests. */
void helpers_tpm_argv(const char *state, struct words *argv);
void helpers_disk_argv(const struct disk *disk, const char *opts, bool shared,
		       struct words *argv);

/* Removes mounts and sockets that killed helpers left in the directory. */
void helpers_remove_left(const struct guest *guest);

#endif
