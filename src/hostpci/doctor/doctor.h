/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doctor: which layer keeps a device from working in a guest, with proof.
 *
 * Part of libhostpci. It looks at a host (a root directory as in hostpci.h:
 * "/", a tree of files in tests, an unpacked report), at some of its devices
 * or at what a guest uses, and never writes to any of it.
 *
 *   files ──> facts ──> checks ──> findings ──> verdict ──> ladder, JSON
 *
 * Facts (facts.h) are files, links and listings, read once and remembered by
 * path, with what is parsed from them. What may not be read is not guessed: the
 * checks that need it are listed as not made. Checks (checks_*.c) are functions
 * of facts, each one entry of THE table, doctor_table.c. A finding names the
 * object, the evidence (where it was read, what was there) and the cure.
 *
 * The verdict: checks belong to steps, from the device's presence up to the
 * guest (enum doctor_step). A blocking finding ends the ladder at its step; it
 * names the layer at fault, and later steps are "not reached", because what
 * they would see may only be its consequence.
 *
 * Adding a check: a function in checks_*.c, an entry in the table, a page
 * docs/doctor/ID.md, a mutation in tests/fixtures/hosts/; then
 *tools/doctor-docs.
 *
 * Order: doctor_examine(), any of the printers, doctor_close().
 * Threads: one handle belongs to one thread.
 * Time: files of a device that hangs may never come back: see
 *	doctor_guarded().
 * Limits: DOCTOR_DEVICES_MAX devices asked for, DOCTOR_FINDINGS_MAX findings.
 * Errors: negative errno and a sentence in `struct err`.
 */
#ifndef HOSTPCI_DOCTOR_DOCTOR_H
#define HOSTPCI_DOCTOR_DOCTOR_H

#include "hostpci/hostpci.h"

#define DOCTOR_DEVICES_MAX  64u
#define DOCTOR_FINDINGS_MAX 256u
#define DOCTOR_WATCH_BYTES  128u
#define DOCTOR_SCHEMA	    1 /* of the JSON, docs/doctor/schema.md */

/* In the order of attribution: each rests on the ones before. */
enum doctor_step {
	STEP_PRESENT,
	STEP_LINK,
	STEP_CONFIG,
	STEP_BARS,
	STEP_IOMMU,
	STEP_REMAPPING,
	STEP_GROUP,
	STEP_BINDING,
	STEP_VFIO,
	STEP_DMA,
	STEP_REGIONS,
	STEP_INTERRUPTS,
	STEP_GUEST,
	STEP_COUNT,
};

enum doctor_layer {
	LAYER_SETTING,	/* firmware setting */
	LAYER_FIRMWARE, /* firmware fault */
	LAYER_LINK,	/* slot, link, power */
	LAYER_DEVICE,	/* the device itself */
	LAYER_KERNEL,	/* host kernel: configuration, command line, version */
	LAYER_HOST,	/* host preparation: binding, limits, use */
	LAYER_GROUP,	/* group topology */
	LAYER_VMM,	/* hypervisor configuration */
	LAYER_GUEST,
};

enum doctor_severity {
	SEVERITY_BLOCKS,
	SEVERITY_DEGRADES,
	SEVERITY_SECURITY,
	SEVERITY_NOTE,
};

enum doctor_scope {
	SCOPE_HOST,
	SCOPE_DEVICE,
	SCOPE_GUEST,
};

/* What the doctor needs to know of a guest; the manager reads its file. */
struct doctor_guest {
	const char *name;
	uint64_t memory_bytes; /* 0 not known */
	bool firmware;	       /* boots UEFI or BIOS, which places BARs */
	bool managed;	       /* its devices are bound when it starts */
	unsigned phys_bits;    /* of its processor, 0: the host's */
	const char *log;       /* what it said on its serial port, or NULL */
	const char *log_path;  /* for the evidence: "web/com1.log" */
};

/*
 * A device that has a name, and what it was when it got it; or that a guest had
 * by its address, named by the key of the guest's file.
 */
#define DOCTOR_NAMED_MAX 256u
struct doctor_named {
	char name[32];
	struct hostpci_identity identity;
	bool wanted; /* somebody asked for it, or a guest has it */
	bool by_address;
	struct hostpci_addr addr; /* what the guest's file says now */
};

/* A device that the manager keeps from guests. */
struct doctor_shut_out {
	struct hostpci_addr addr;
	char why[400];
};

struct doctor_request {
	const char *root;
	/* Devices somebody wants a guest to have. None: the whole host, and of
	 * its devices those that look meant for guests. */
	const struct hostpci_addr *addrs;
	size_t addr_count;
	const struct doctor_guest *guest; /* NULL: none in particular */
	/* All names there are; neither need be about `addrs`. */
	const struct doctor_named *named;
	size_t named_count;
	bool named_wanted; /* one of those is, or was in a report */
	const struct doctor_shut_out *shut_out;
	size_t shut_out_count;
	bool replay; /* the root is an unpacked report */
	bool quick;  /* nothing that takes a second */
	/* Of DOCTOR_WATCH_BYTES: what is being read, for who waits. Or NULL. */
	char *watch;
};

/* How it ended; also the exit status. */
enum doctor_state {
	DOCTOR_HEALTHY = 0,
	DOCTOR_DEGRADED = 1, /* works, but: degrades or security */
	DOCTOR_BLOCKED = 2,
};

struct doctor;

/*
 * Reads the header of every function below `root`, telling in `watch` which:
 * for callers that open the host themselves before they examine it.
 */
void doctor_touch(const char *root, char *watch);

MUST_CHECK int doctor_examine(const struct doctor_request *request,
			      struct err *err, struct doctor **ret_doctor);
void doctor_close(struct doctor *doctor); /* NULL allowed */

enum doctor_state doctor_state(const struct doctor *doctor);
/* The verdict in one line, without newline. */
const char *doctor_verdict(const struct doctor *doctor);
/* The ladder for people, the verdict last. */
void doctor_print(const struct doctor *doctor, bool colour, FILE *out);
/* For who waited in vain (doctor_guarded()): what hangs is the verdict. */
void doctor_print_stuck(const char *stuck, bool json, FILE *out);
/* One JSON object, docs/doctor/schema.md. -EIO when `out` fails. */
MUST_CHECK int doctor_print_json(const struct doctor *doctor, FILE *out);

/*
 * What was read, as one JSON object: path to text, base64 or link target.
 * Serial numbers, MAC addresses, host name and UUIDs are left out or blanked
 * unless `secrets`.
 */
MUST_CHECK int doctor_report_write(struct doctor *doctor, bool secrets,
				   FILE *out);
/*
 * A report to examine: unpacked into a private folder, with the devices and
 * the guest it was about. The report is hostile: bounded in size, count and
 * depth, and no path or link of it leads out of the folder. The request lives
 * as long as the report; closing removes the folder.
 */
struct doctor_report;
MUST_CHECK int doctor_report_open(const char *path, struct err *err,
				  struct doctor_report **ret_report);
const struct doctor_request *
doctor_report_request(const struct doctor_report *report);
void doctor_report_close(struct doctor_report *report); /* NULL allowed */

/* --- guard.c: time is bounded ----------------------------------------- */

/*
 * Calls fn(ctx, watch, answer) in a process of its own, because reading a file
 * of a device that hangs may never return. It has our standard streams, and no
 * other file of ours, so that nothing is held by what hangs. It may leave a
 * text of DOCTOR_ANSWER_BYTES in `answer`.
 * Returns its result (0 to 125), and its answer; or -ETIMEDOUT, and what it was
 * reading, when `watch` has not changed for `still_ms` or all took longer than
 * `total_ms`: it is left behind. On `progress` (NULL: none) it is told after a
 * second what takes time. While the process computes, or waits for a processor
 * of a busy machine, it is not still: only `total_ms` counts then.
 */
#define DOCTOR_ANSWER_BYTES 1024u
struct doctor_deadline {
	unsigned still_ms, total_ms;
	FILE *progress;
};
typedef int doctor_guarded_fn(void *ctx, char *watch, char *answer);
MUST_CHECK int doctor_guarded(doctor_guarded_fn *fn, void *ctx,
			      const struct doctor_deadline *deadline,
			      char ret_text[DOCTOR_ANSWER_BYTES]);

/* --- the table, for documentation ------------------------------------- */

struct doctor_check_info {
	const char *id;
	enum doctor_step step;
	enum doctor_layer layer;
	enum doctor_severity severity;
	enum doctor_scope scope;
	const char *title, *cure;
};
/* false after the last. */
bool doctor_check_at(size_t i, struct doctor_check_info *ret_info);

const char *doctor_step_name(enum doctor_step step);
const char *doctor_layer_name(enum doctor_layer layer);
const char *doctor_severity_name(enum doctor_severity severity);
const char *doctor_scope_name(enum doctor_scope scope);

static inline void doctor_cleanup_(struct doctor **doctor)
{
	doctor_close(*doctor);
}
#define CLEANUP_DOCTOR __attribute__((cleanup(doctor_cleanup_)))

#endif
