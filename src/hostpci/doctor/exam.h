/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a check is given and how it says what it found.
 *
 *	static void bar_unassigned(struct exam *x)
 *	{
 *		...
 *		if (nothing is wrong)
 *			return;
 *		finding = found(x, "%s: BAR %u has no address", ...);
 *		proof_attr(x, finding, "resource");
 *	}
 *
 * A check of SCOPE_HOST is called once, of SCOPE_DEVICE for each device that is
 * looked at (x->d), of SCOPE_GUEST once when there is a guest (x->g). It is a
 * function of the facts: it reads through x->f only and keeps nothing. It says
 * nothing where the facts it needs are not there; when the reason is a path
 * that needs root, the check is listed as not made.
 */
#ifndef HOSTPCI_DOCTOR_EXAM_H
#define HOSTPCI_DOCTOR_EXAM_H

#include "hostpci/doctor/doctor.h"
#include "hostpci/doctor/facts.h"

#define PROOFS_MAX 8u
#define CURE_MAX   640u

struct exam;
typedef void check_fn(struct exam *x);

struct check {
	const char *id;
	enum doctor_step step;
	enum doctor_layer layer;
	enum doctor_severity severity;
	enum doctor_scope scope;
	const char *title; /* for lists: "BAR without an address" */
	/* In one or two sentences; see vendor.h for {words}. */
	const char *cure;
	check_fn *fn;
};

/* doctor_table.c */
extern const struct check doctor_checks[];
extern const size_t doctor_check_count;

struct proof {
	char where[160]; /* "sys/.../resource line 2", "kernel log" */
	char value[256];
};

struct finding {
	const struct check *check;
	enum doctor_layer layer;
	enum doctor_severity severity;
	const struct dev_facts *d; /* NULL: the host or the guest */
	char text[320];
	struct proof proof[PROOFS_MAX];
	size_t proofs;
	char cure[CURE_MAX];
};

struct exam {
	struct doctor *doctor;
	const struct check *check;
	struct facts *f;
	const struct dev_facts *d;
	const struct doctor_guest *g;
	bool wanted; /* somebody asked for x->d, or a guest has it */
};

/* Layer and severity are the table's; a check may change them. Never NULL. */
struct finding *found(struct exam *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
void proof(struct finding *finding, const char *where, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A file of the device, with its text as it is. */
void proof_attr(struct exam *x, struct finding *finding, const char *attribute);
/* The same of any function, by a path below the root. */
void proof_file(struct exam *x, struct finding *finding, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void proof_log(struct finding *finding, const char *line); /* NULL: none */
/* `size` (1, 2, 4) bytes of configuration space at `offset`. */
void proof_config(struct finding *finding, const struct dev_facts *d,
		  unsigned offset, unsigned size);
/* Replaces the table's cure; {words} work as there. */
void cure(struct exam *x, struct finding *finding, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* One line, without control characters: it comes from files and firmware. */
void text_clean(char *text);

/* The devices that are looked at, besides x->d; NULL after the last. */
const struct dev_facts *exam_dev_at(const struct exam *x, size_t i);

/* "0000:03:00.0 (3/0/0)" */
const char *dev_name(const struct dev_facts *d, char buf[LABEL_MAX]);
#define DEV_NAME(d) dev_name((d), (char[LABEL_MAX]){0})
/* "256 MiB", "16 KiB", "12 bytes" */
const char *size_name(uint64_t bytes, char buf[24]);
#define SIZE_NAME(n) size_name((n), (char[24]){0})

/* --- run.c ------------------------------------------------------------ */

enum step_state {
	STEP_OK,
	STEP_NOTED, /* ok, with notes */
	STEP_DEGRADED,
	STEP_BLOCKED,
	STEP_NOT_REACHED,
	STEP_UNKNOWN, /* nothing found, but checks could not be made */
	STEP_NOTHING, /* no check applied */
};

struct unmade {
	const struct check *check;
	char path[128]; /* that needs root */
};

#define UNMADE_MAX 128u

struct doctor {
	struct facts *f;
	struct doctor_request request;
	const struct dev_facts *dev[DOCTOR_DEVICES_MAX];
	size_t dev_count;
	bool wanted; /* all of them */
	struct hostpci_addr missing[DOCTOR_DEVICES_MAX];
	size_t missing_count;
	struct finding finding[DOCTOR_FINDINGS_MAX];
	size_t findings;
	struct finding spill; /* what is found beyond the limit */
	struct unmade unmade[UNMADE_MAX];
	size_t unmade_count;
	enum step_state step[STEP_COUNT];
	enum doctor_state state;
	const struct finding *first; /* that decides the verdict, or NULL */
	char verdict[512];
};

/* Reads what the steps that were not reached would have; finds nothing. */
void doctor_read_rest(struct doctor *doctor);

#endif
