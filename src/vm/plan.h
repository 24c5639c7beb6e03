/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a guest file to byway's command line.
 *
 * Pure: reads a struct conf and what was found before (disks, network devices,
 * terminals, firmware, the screen's port), touches nothing on the host. Slots
 * are given out as vm-bhyve gives them, so that a guest moved from there finds
 * its devices at the same addresses: from start_slot disks, NICs, random,
 * passthru, screen, tablet, sound, consoles, and an installation image at
 * install_slot. Disks of a UEFI guest have a slot each, those of others share
 * one as functions 0..7; NICs always share one. When a bus is full the next
 * one begins (and -Y is added).
 * Locking: none, one thread.
 */
#ifndef VM_PLAN_H
#define VM_PLAN_H

#include "vm/disks.h"
#include "vm/firmware.h"
#include "vm/screen.h"

#define PLAN_NICS_MAX	  64u
#define PLAN_PASSTHRU_MAX 64u
#define PLAN_COMS	  4u
#define PLAN_CPUS_MAX	  65535u

/*
 * One function of the host as the guest is to have it; claims_take() makes
 * the list. Functions that a guest does without keep their places.
 */
/* A socket's path and "vfio-user=" fit. */
#define PLAN_ADDRESS_MAX 128
#define PLAN_SERVED	 "vfio-user="
#define PLAN_MDEV	 "mdev="
/* Neither is one of the host's functions. */
bool plan_is_foreign(const char *address);

struct plan_function {
	unsigned n;			/* of passthruN */
	char address[PLAN_ADDRESS_MAX]; /* as byway is to be told */
	char bdf[24];  /* "0000:03:00.0"; "": none of the host */
	char key[160]; /* of its history: devlog.h */
	bool first;    /* of its passthruN: the one with its options */
	bool all;      /* of a slot: its own slot in the guest, its number */
	bool alone;    /* its own slot in the guest */
	unsigned func;
	bool optional; /* passthruN_required="no" */
	bool dropped;  /* the guest does without it */
};

struct plan_functions {
	struct plan_function fn[PLAN_PASSTHRU_MAX];
	unsigned count;
};

struct plan_input {
	const struct guest *guest;
	const struct conf *conf;
	/* Per disk what byway opens: disks_attach(). */
	const struct words *disks;
	/* Per NIC what byway connects it to: "tap3", "slirp,hostfwd=..." */
	const struct words *nics;
	/* NULL: the addresses as the file has them. */
	const struct plan_functions *functions;
	/* Terminal of com1..com4, NULL when the guest does not have it. */
	const char *com[PLAN_COMS];
	const struct firmware *firmware; /* NULL: none */
	const struct screen *screen;	 /* NULL: as graphics="no" */
	const char *tpm;		 /* swtpm's socket, NULL: no TPM */
	const char *iso;		 /* image of `vm install`, or NULL */
	bool later_run;			 /* not the first since the start */
};

struct plan {
	struct words options; /* "-c" "2" "-m" "1G" ... */
	struct words devices; /* "-s" "0,hostbridge" ... */
	struct words iso;     /* "-s" "3:0,ahci-cd,FILE" or nothing */
	struct words console; /* "-l" "com1,/dev/nmdm-NAME.1A" ... */
	struct words secrets; /* lines for -k: what ps(1) must not show */
	bool waits; /* the guest runs once somebody looks at its screen */
};

MUST_CHECK int plan_make(const struct plan_input *input, struct err *err,
			 struct plan *ret_plan);
void plan_free(struct plan *plan);

/*
 * Is the file complete enough to run: loader, cpu, memory, numbers, disks,
 * kernel or firmware present on this host. The sentence names file, line and
 * key.
 */
MUST_CHECK int plan_check(const struct place *place, const struct guest *guest,
			  const struct conf *conf, struct err *err);

/* The guest needs its memory wired: asked for, or something is passed through.
 */
bool plan_is_wired(const struct conf *conf);
/* It is wired, or will be when something comes into a slot. */
bool plan_may_pin(const struct conf *conf);

/* The ports of `comports` in their order: 0 for com1; returns how many. */
unsigned plan_coms(const struct conf *conf, unsigned ret_coms[PLAN_COMS]);

/* "3/0/0=6:1" or "3/0=6" taken apart. */
#define PLAN_SLOTS_MAX 16u /* of passthru_slots */

struct plan_passthru {
	/*
	 * As written: "3/0/0", a slot, a name, a pool, "vfio-user=/PATH",
	 * "mdev=UUID".
	 */
	char address[PLAN_ADDRESS_MAX];
	bool foreign; /* served or mediated: no function of the host */
	bool pinned;
	unsigned slot, func; /* when pinned */
};
MUST_CHECK int plan_passthru_parse(const struct conf *conf, unsigned n,
				   struct err *err,
				   struct plan_passthru *ret_passthru);
unsigned plan_passthru_count(const struct conf *conf);
/* passthru_unsafe: the HOSTPCI_RISK_* that the user accepts; -EINVAL. */
MUST_CHECK int plan_passthru_unsafe(const struct conf *conf, struct err *err,
				    unsigned *ret_risks);

#endif
