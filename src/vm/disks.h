/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disks of a guest file: where each one is on this host, and in which
 * format.
 *
 * diskN_dev says how diskN_name is meant:
 *   file (default)      a file in the guest's directory
 *   zvol, sparse-zvol   that name in the guest's directory if it is there
 *                       (what `vm create` made where there is no ZFS), else
 *                       /dev/zvol/SET/GUEST/NAME
 *   custom              a path
 *   iscsi               IQN or IQN/LUN of an open session of open-iscsi
 *   9p                  not a disk, passed on as it stands
 * Locking: none; functions have no state.
 */
#ifndef VM_DISKS_H
#define VM_DISKS_H

#include "vm/image.h"
#include "vm/place.h"

#define DISKS_MAX 128u

enum disk_dev {
	DISK_FILE,
	DISK_ZVOL,
	DISK_SPARSE_ZVOL,
	DISK_CUSTOM,
	DISK_ISCSI,
	DISK_9P,
};

struct disk {
	unsigned n;
	enum disk_dev dev;
	bool readonly;
	enum image_format format;
	char path[PATH_MAX];   /* the image or device; 9p: the share */
	char attach[PATH_MAX]; /* what byway opens: another one when the
				* format is not raw */
};

/* -EINVAL naming the line for an unknown word. */
MUST_CHECK int disk_dev(const struct conf *conf, unsigned n, struct err *err,
			enum disk_dev *ret_dev);

/*
 * Where disk `n` is. The file need not be there, an iSCSI session has to. The
 * format is left raw.
 */
MUST_CHECK int disk_locate(const struct place *place, const struct guest *guest,
			   const struct conf *conf, unsigned n, struct err *err,
			   struct disk *ret_disk);
/*
 * Fills format and attach: diskN_format, else what name and beginning of the
 * file say. Block devices are raw unless diskN_format says otherwise.
 */
MUST_CHECK int disk_find_format(const struct guest *guest,
				const struct conf *conf, struct err *err,
				struct disk *disk);

/* Both, for all disks of the file: what byway opens for each, in order. */
MUST_CHECK int disks_attach(const struct place *place,
			    const struct guest *guest, const struct conf *conf,
			    struct err *err, struct words *ret_paths);

/* Is `option` one of the comma-separated `opts` (NULL allowed)? */
bool disk_has_option(const char *opts, const char *option);

#endif
