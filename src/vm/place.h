/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are: the directory of guests, the host-wide settings, the
 * byway program, one guest.
 *
 * The directory is $VM_DIR, else vm_dir= of vm-bhyve.conf (/etc/, or the file
 * $VM_CONF names), else PLACE_DIR_DEFAULT. "zfs:POOL/SET" is the directory the
 * data set is mounted at. A directory below it is a guest when it holds
 * NAME/NAME.conf.
 * Locking: none, one thread.
 */
#ifndef VM_PLACE_H
#define VM_PLACE_H

#include <limits.h>

#include "vm/conf.h"

#define PLACE_DIR_DEFAULT  "/var/lib/byway/vm"
#define PLACE_CONF_DEFAULT "/etc/vm-bhyve.conf"
#define PLACE_DATASET_MAX  256
#define GUEST_NAME_MAX	   231
#define GUEST_PATH_MAX	   (PATH_MAX + 2 * GUEST_NAME_MAX + 16)

struct place {
	char dir[PATH_MAX];
	char host_root[PATH_MAX]; /* "/", tests: $VM_HOST_ROOT */
	char dev[PATH_MAX];	  /* "/dev", tests: $VM_DEV_DIR */
	char share[PATH_MAX];	  /* "/usr/share", tests: $VM_SHARE_DIR */
	char dataset[PLACE_DATASET_MAX]; /* of vm_dir="zfs:...", else "" */
	struct conf *conf; /* vm-bhyve.conf; NULL when there is none */
};

MUST_CHECK int place_open(struct place *place, struct err *err);
void place_close(struct place *place);

/* $BYWAY, else "byway" next to our own program, else in PATH. */
MUST_CHECK int place_byway(char *buf, size_t size, struct err *err);

/*
 * The ZFS data set that is mounted at the place's directory, "" when it is not
 * one or there is no zfs program. Asks zfs(8) unless vm_dir named it.
 */
void place_dataset(const struct place *place, char buf[PLACE_DATASET_MAX]);

/* The names of all guests, sorted. A missing directory has none. */
MUST_CHECK int place_guests(const struct place *place, struct err *err,
			    struct words *ret_names);

struct guest {
	char name[GUEST_NAME_MAX + 1];
	char dir[PATH_MAX];		    /* <place>/NAME */
	char conf_name[GUEST_NAME_MAX + 8]; /* "NAME.conf" */
	char conf_path[GUEST_PATH_MAX];
	int dirfd;
};

/* Letters, digits, '.', '_', '-'; 2 to 231; ends in letter or digit. */
bool guest_name_valid(const char *name);
MUST_CHECK int guest_name_check(const char *name, struct err *err);

/* -ENOENT when there is no such guest. */
MUST_CHECK int guest_open(const struct place *place, const char *name,
			  struct err *err, struct guest *ret_guest);
void guest_close(struct guest *guest);

/*
 * -EPERM when the place, the guest's directory or its file belongs to somebody
 * else than us or root, or others may write it: what stands there is run.
 */
MUST_CHECK int guest_check_owner(const struct place *place,
				 const struct guest *guest, struct err *err);

/* The guest's file, without warnings when `warner` is NULL. */
MUST_CHECK int guest_conf(const struct guest *guest,
			  const struct warner *warner, struct err *err,
			  struct conf **ret_conf);
/* Saves key="value" into the guest's file. */
MUST_CHECK int guest_conf_save(const struct guest *guest, const char *key,
			       const char *value, struct err *err);

/*
 * `name` as it is when absolute, else below the guest's directory. -E2BIG when
 * the result does not fit.
 */
MUST_CHECK int guest_path(const struct guest *guest, const char *name,
			  struct err *err, char buf[PATH_MAX]);

static inline void guest_cleanup_(struct guest *guest)
{
	guest_close(guest);
}

#define GUEST_NONE          \
	{                   \
		.dirfd = -1 \
	}
#define CLEANUP_GUEST __attribute__((cleanup(guest_cleanup_)))

#endif
