/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of host PCI devices, and pools of them.
 *
 * .config/passthru/names in the directory of guests has a line
 * NAME="[all ]IDENTITY" each (hostpci_identity_format(); "all": every function
 * of the slot), .config/passthru/pools a line POOL="NAME NAME ...". A name
 * means the device it was given to, found by slot, kind and serial number: its
 * bus number may change, and another device in its place is refused. NAME-vfN
 * is the VF N of the function called NAME and is not written down.
 *
 * What a guest file or a person may write for a device: an address, a slot
 * ("3/0", "0000:03:00": all functions), a name. Pools are claims.h's.
 *
 * Limits: names and pools begin with a small letter; letters, digits, '.', '_',
 * '-'; PCINAME_MAX. Locking: none, one thread; writers hold claims_turn().
 */
#ifndef VM_PCINAMES_H
#define VM_PCINAMES_H

#include "hostpci/hostpci.h"
#include "vm/place.h"

#define PCINAME_MAX	  31u
#define PCINAME_SIZE	  (PCINAME_MAX + 1)
#define PCINAMES_MAX	  256u
#define PCISLOT_FUNCTIONS 8u
#define POOL_PREFIX	  "pool:"

struct pciname {
	const char *name; /* of the file's text */
	struct hostpci_identity identity;
	bool all; /* every function of its slot */
	struct hostpci_found found;
};

struct pcinames {
	const struct hostpci *host; /* borrowed */
	struct conf *names, *pools;
	struct pciname *entry;
	size_t count;
};

/* The functions a text means. */
struct pcidevs {
	const struct hostpci_dev *dev[PCISLOT_FUNCTIONS];
	size_t count;
	bool all;   /* a slot: they keep their numbers */
	bool named; /* not by address */
};

/*
 * Reads both files, looks for every device. A missing file is empty; a line
 * that is not understood is an error naming it.
 */
MUST_CHECK int pcinames_load(const struct place *place,
			     const struct hostpci *host, struct err *err,
			     struct pcinames *ret_names);
void pcinames_free(struct pcinames *names);

bool pciname_valid(const char *name);
/* Is `text` none of the forms of an address or slot? */
bool pciname_like(const char *text);

/*
 * The functions `text` means: -ENODEV when they are not there or, for a name,
 * when something else is in their place; says where they are now and how to
 * agree to it. With `sure` a serial number that may not be read is no proof.
 */
MUST_CHECK int pcinames_resolve(const struct pcinames *names, const char *text,
				bool sure, struct err *err,
				struct pcidevs *ret_devs);

/* What a name was given to, whether that is there or not; NULL: no such name.
 */
const struct pciname *pcinames_entry(const struct pcinames *names,
				     const char *name);

/* Its name, "" when it has none. Of several the first in the file. */
void pcinames_of(const struct pcinames *names, const struct hostpci_dev *dev,
		 char buf[PCINAME_SIZE + 8]);

/* Members of a pool; -ENOENT when there is no such pool. */
MUST_CHECK int pcinames_pool(const struct pcinames *names, const char *pool,
			     struct err *err, struct words *ret_members);

/* Writes a line; NULL removes it (-ENOENT when there is none). */
MUST_CHECK int pcinames_set(const struct place *place, const char *name,
			    const char *text, struct err *err);
MUST_CHECK int pcinames_set_pool(const struct place *place, const char *pool,
				 const char *members, struct err *err);

/*
 * Why `identity` is not found as it was, as the end of a sentence that begins
 * with what is looked for: "is at 0000:04:00.0 (4/0/0) now, ...".
 */
void pcinames_tell(const struct hostpci_identity *identity,
		   const struct hostpci_found *found, char *buf, size_t size);

/* "4/0/0"; in another domain than 0 "0001:04:00.0". */
const char *pcidev_typed(const struct hostpci_dev *dev);

/*
 * A file of .config/passthru, whose folders are made: reading (-ENOENT when
 * there is none) and one key's change (NULL: removed).
 */
#define STATE_DIR ".config/passthru"
MUST_CHECK int pcistate_load(const struct place *place, const char *name,
			     struct err *err, struct conf **ret_conf);
MUST_CHECK int pcistate_set(const struct place *place, const char *name,
			    const char *key, const char *value,
			    struct err *err);
MUST_CHECK int pcistate_folder(const struct place *place, const char *name,
			       struct err *err);

#define CLEANUP_PCINAMES __attribute__((cleanup(pcinames_free)))

#endif
