/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NAME/run_as: the folder of a guest whose byway is an ordinary user (runas.h),
 * and the only place of the guest in which that user can make files.
 *
 * It holds what such a byway and its swtpm keep over runs: the firmware's
 * variables with the copies beside them, and the TPM's state. Where byway is
 * root these are in the guest's own folder and its folder tpm.
 *
 * The user may be hostile and at it at any time. So nothing in the folder is
 * written to, and nothing is reached through a name in it that is a link or has
 * a file system of the user's (FUSE) mounted on it, and nothing is waited for.
 * What is taken from it is copied up to a limit, and only
 * from a regular file that belongs to the folder's owner. Everything is named
 * relative to a descriptor of the folder, whose name the user cannot change.
 *
 * Locking: under the guest's run lock.
 */
#ifndef VM_USERDIR_H
#define VM_USERDIR_H

#include <sys/stat.h>

#include "vm/place.h"

#define USERDIR_NAME "run_as"

/*
 * Moves what is kept to where a byway of user `uid` has it: root's is the
 * guest's folder, any other's is NAME/run_as, which is made. What a crash of
 * the host breaks off is done again by the next call. *ret_moved tells whether
 * there was something to do. -EINVAL when the user left something else in the
 * place of a file.
 */
MUST_CHECK int userdir_settle(const struct guest *guest, uid_t uid,
			      struct err *err, bool *ret_moved);

/* The folder's descriptor; -ENOENT. */
MUST_CHECK int userdir_open(const struct guest *guest);

/* Of a name in it; of a link itself. -ENOENT, -EXDEV when it is mounted on. */
MUST_CHECK int userdir_stat(const struct guest *guest, const char *name,
			    struct stat *ret_st);

/* Removes the folder with whatever the user has made in it. */
MUST_CHECK int userdir_remove(const struct guest *guest, struct err *err);

/*
 * The bytes of the open file `from` as the file `name` of `dir`, `owner`'s:
 * written under another name and renamed, so that a crash leaves all or
 * nothing; they are on the medium then, the name only after fsync() of `dir`.
 * Who has the folder may rename meanwhile: what is written is the new file all
 * the same. -EFBIG beyond `max` bytes.
 */
MUST_CHECK int file_place(int from, int dir, const char *name, uint64_t max,
			  uid_t owner);

#endif
