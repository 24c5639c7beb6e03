/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a guest file to byway's command line.
 *
 * Pure: reads a struct conf and names that were found before (network
 * devices, terminals), touches nothing on the host. Slots are given out as
 * vm-bhyve gives them, so that a guest moved from there finds its devices at
 * the same addresses: from start_slot disks, NICs, random, passthru, tablet,
 * sound, consoles; disks and NICs share a slot as functions 0..7; when a bus
 * is full the next one begins (and -Y is added).
 * Locking: none, one thread.
 */
#ifndef VM_PLAN_H
#define VM_PLAN_H

#include "vm/place.h"

#define PLAN_NICS_MAX	  64u
#define PLAN_PASSTHRU_MAX 64u
#define PLAN_COMS	  4u

struct plan_input {
	const struct guest *guest;
	const struct conf *conf;
	/* Per NIC what byway connects it to: "tap3", "slirp,hostfwd=..." */
	const struct words *nics;
	/* Terminal of com1..com4, NULL when the guest does not have it. */
	const char *com[PLAN_COMS];
};

struct plan {
	struct words devices; /* "-s" "0:0:0,hostbridge" ... */
	struct words options; /* "-c" "2" "-m" "1G" ... */
	struct words console; /* "-l" "com1,/dev/pts/3" ... */
};

MUST_CHECK int plan_make(const struct plan_input *input, struct err *err,
			 struct plan *ret_plan);
void plan_free(struct plan *plan);

/*
 * Is the file complete enough to run: loader, cpu, memory, numbers, disks and
 * kernel present on this host. The sentence names file, line and key.
 */
MUST_CHECK int plan_check(const struct guest *guest, const struct conf *conf,
			  struct err *err);

/* The guest needs its memory wired: asked for, or something is passed through.
 */
bool plan_is_wired(const struct conf *conf);

/* Is com N (0 for com1) in `comports`? */
bool plan_has_com(const struct conf *conf, unsigned com);
/* The first port of `comports`, that of `vm console`: 0 for com1. */
unsigned plan_first_com(const struct conf *conf);

/* "3/0/0=6:1" taken apart. */
struct plan_passthru {
	char address[64]; /* as written: "3/0/0" */
	bool pinned;
	unsigned slot, func; /* when pinned */
};
MUST_CHECK int plan_passthru_parse(const struct conf *conf, unsigned n,
				   struct err *err,
				   struct plan_passthru *ret_passthru);
unsigned plan_passthru_count(const struct conf *conf);

#endif
