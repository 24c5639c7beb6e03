/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reservations that hold over reboots of the host: files for udev and for the
 * initial RAM file system, below the host's root.
 *
 *   etc/udev/rules.d/10-byway-passthru.rules     per device a comment with its
 *       identity, a rule that sets driver_override before the device's own
 *       driver is loaded, and one that has `vm passthru reserve` take it from a
 *       driver that was quicker (built into the kernel)
 *   etc/initramfs-tools/hooks/byway-passthru     where initramfs-tools is:
 * takes the rules and vfio-pci along etc/dracut.conf.d/byway-passthru.conf
 * where dracut is: the same
 *
 * A rule goes by the slot (bridges by device.function, any bus numbers) and the
 * kind of device; udev cannot look at a serial number. The rules file is the
 * record of what is reserved: it is read, changed and written whole, and a file
 * in which somebody else has written is left alone.
 * Locking: the caller holds claims_turn().
 */
#ifndef VM_PERSIST_H
#define VM_PERSIST_H

#include "hostpci/hostpci.h"
#include "vm/place.h"

#define PERSIST_MAX   64u
#define PERSIST_RULES "etc/udev/rules.d/10-byway-passthru.rules"

struct persist {
	struct hostpci_identity device[PERSIST_MAX];
	size_t count;
};

/* A missing file is no devices. -EINVAL for text that is not ours. */
MUST_CHECK int persist_load(const struct place *place, struct err *err,
			    struct persist *ret_persist);
MUST_CHECK int persist_parse(const char *text, const char *path,
			     struct err *err, struct persist *ret_persist);

/* Is this slot and kind among them? */
bool persist_has(const struct persist *persist,
		 const struct hostpci_identity *identity);
/* -E2BIG when there are PERSIST_MAX; what is there already stays one. */
MUST_CHECK int persist_add(struct persist *persist,
			   const struct hostpci_identity *identity,
			   struct err *err);
bool persist_remove(struct persist *persist,
		    const struct hostpci_identity *identity);

/* The rules as the file is to be; `vm` is the program. Caller frees. */
char *persist_rules(const struct persist *persist, const char *vm);

/* Shows every file that persist_save() would write, with its path. */
void persist_show(const struct place *place, const struct persist *persist,
		  FILE *out);
/* Writes the files, or removes them when there are no devices. */
MUST_CHECK int persist_save(const struct place *place,
			    const struct persist *persist, struct err *err);
/* What makes the initial RAM file system anew, "" when nothing is needed. */
const char *persist_hint(const struct place *place);

#endif
