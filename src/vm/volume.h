/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making and removing a guest's disks.
 *
 * A zvol or sparse-zvol is a ZFS volume <set>/GUEST/NAME where the place is a
 * ZFS data set, and the guest's directory then is the set <set>/GUEST. Where
 * there is no ZFS it is a thin LVM volume with a link to it in the guest's
 * directory when vm-bhyve.conf has vm_lvm_thin="GROUP/POOL", else a sparse
 * file there, named as the volume would be.
 * Programs: zfs(8); lvcreate(8), lvremove(8).
 * Locking: none; functions have no state.
 */
#ifndef VM_VOLUME_H
#define VM_VOLUME_H

#include "vm/disks.h"

struct volume_site {
	const struct place *place;
	const struct guest *guest;
	const struct conf *conf;
	char dataset[PLACE_DATASET_MAX]; /* of the place; "": no ZFS */
};

/* Does the file ask for a ZFS volume? */
bool volumes_want_zfs(const struct conf *conf);

/* The guest's directory: a data set of its own with ZFS. */
MUST_CHECK int volume_make_dir(const struct volume_site *site, struct err *err);

/*
 * Disk `n` of `bytes`. `note` gets a sentence about what it became when that
 * is not what was asked for, else "".
 */
#define VOLUME_NOTE_MAX 512
MUST_CHECK int volume_create(const struct volume_site *site, unsigned n,
			     uint64_t bytes, struct err *err,
			     char note[VOLUME_NOTE_MAX]);

/* Removes the guest's thin volumes: those its links lead to. */
MUST_CHECK int volumes_remove(const struct volume_site *site, struct err *err);
/*
 * Removes the guest's data set with all volumes. *ret_done tells whether it
 * had one; nothing of its directory may be open.
 */
MUST_CHECK int volume_remove_dir(const struct volume_site *site,
				 struct err *err, bool *ret_done);

#endif
