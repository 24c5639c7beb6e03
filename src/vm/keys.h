/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one table of guest file keys: what is a key, which are numbered, which
 * this version acts on.
 */
#ifndef VM_KEYS_H
#define VM_KEYS_H

#include "vm/conf.h"

/*
 * Warns about keys that nobody knows (with the nearest known one), numbered
 * keys that are not reached because a lower number is missing, and keys that
 * are set but have no effect in this version.
 */
void keys_check(const struct conf *conf, const struct warner *warner);

/* Is `key` in the table? */
bool key_known(const char *key);

/* The same for vm-bhyve.conf; NULL, no file, is fine. */
void place_keys_check(const struct conf *conf, const struct warner *warner);

#endif
