/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a host: each file, link and listing below the root is read
 * once, when it is first asked for, and remembered with its path. A check sees
 * nothing else, so a report of what was read replays it.
 *
 * A lookup that finds nothing returns NULL (or the number for "none"). When the
 * reason is that it may not be read, `blind` names the path: the check cannot
 * be made without root. In trees that are no live host the file byway/denied
 * lists such paths, and byway/in_use/BDF holds what hostpci_in_use() had said.
 *
 * Limits: FACT_BYTES_MAX a file, FACTS_MAX facts.
 */
#ifndef HOSTPCI_DOCTOR_FACTS_H
#define HOSTPCI_DOCTOR_FACTS_H

#include "hostpci/doctor/acpi.h"
#include "hostpci/doctor/caps.h"
#include "hostpci/doctor/doctor.h"
#include "hostpci/hostpci_internal.h"

#define FACT_BYTES_MAX MIB(1)
#define FACTS_MAX      65536u
#define CONFIG_MAX     4096u

enum fact_kind {
	FACT_FILE,
	FACT_LINK, /* data is the target */
	FACT_LIST, /* data is names, each with a newline */
	FACT_NODE, /* whether there is anything of that name: no data */
};

struct fact {
	char *path; /* below the root: "proc/cmdline" */
	enum fact_kind kind;
	int rc;	    /* 0, or why there is no data */
	char *data; /* with a NUL after it */
	size_t len;
};

/* One function. */
struct dev_facts {
	const struct hostpci_dev *dev;
	const struct dev_facts *parent; /* bridge above, NULL on a root bus */
	const uint8_t *config;		/* NULL: not to be read */
	size_t config_len; /* 64 for an ordinary user, else 256 or 4096 */
	struct caps caps;
};

struct cpu_facts {
	bool intel, amd;
	bool vmx, svm, hypervisor;
	unsigned phys_bits; /* 0 unknown */
};

struct klog {
	char *text;
	char **line;
	size_t count;
	bool denied;
};

struct facts {
	struct hostpci *host;
	bool live, replay;
	void *tree; /* of struct fact, tsearch(3) */
	size_t count;
	char *watch;	   /* where to write what is being read, or NULL */
	char *denied;	   /* lines of byway/denied, NULL */
	const char *blind; /* path that needs root, NULL */
	struct dev_facts *dev;
	size_t dev_count;
	struct cpu_facts cpu;
	struct acpi_dmar dmar;
	struct acpi_ivrs ivrs;
	struct klog log;
	bool iommu_in_use; /* the kernel has units in sys/class/iommu */
	bool groups;	   /* there are IOMMU groups */
	bool waited;	   /* facts_second_pass() */
};

MUST_CHECK int facts_open(const struct doctor_request *request, struct err *err,
			  struct facts **ret_facts);
void facts_close(struct facts *facts); /* NULL allowed */

/* --- by path ---------------------------------------------------------- */

/* Never NULL. */
const struct fact *facts_get(struct facts *f, enum fact_kind kind,
			     const char *path);
/* Text without white space at its end; NULL when missing or unreadable. */
const char *fact_text(struct facts *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
long long fact_number(struct facts *f, long long none, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Last component of a link's target. */
const char *fact_link(struct facts *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Is there a file, link or folder of that name? */
bool fact_exists(struct facts *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Names in a folder: call with *cursor NULL first; NULL at the end. */
const char *fact_name_next(struct facts *f, const char *folder,
			   const char **cursor, char name[NAME_MAX + 1]);

/*
 * For what is counted: returns a second after it was first called, so that
 * what was read before can be compared.
 */
void facts_second_pass(struct facts *f);
/* Reads the file `path` once more, into `fact`, which has no data. */
void facts_read_again(struct facts *f, const char *path, struct fact *fact);

/* --- of a function ---------------------------------------------------- */

const char *dev_attr(struct facts *f, const struct dev_facts *d,
		     const char *attribute);
long long dev_attr_number(struct facts *f, const struct dev_facts *d,
			  const char *attribute, long long none);
/* What the host does with it, NULL when nothing or not to be found out. */
const char *dev_use(struct facts *f, const struct dev_facts *d);
const struct dev_facts *facts_dev(const struct facts *f,
				  struct hostpci_addr addr);
const struct dev_facts *facts_dev_named(const struct facts *f, const char *bdf);
/* Is it dead: does its configuration space read as all ones? */
bool dev_is_dead(const struct dev_facts *d);
/* Are its capabilities known? Else sets f->blind. */
bool dev_caps_known(struct facts *f, const struct dev_facts *d);

/* --- of the kernel ---------------------------------------------------- */

/* The value of "key=value" on the command line or "" for "key"; NULL: none. */
const char *cmdline_get(struct facts *f, const char *key, char buf[64]);
/* First line with all of the (up to three) texts, from line `from`; NULL. */
const char *klog_find(struct facts *f, const char *a, const char *b,
		      const char *c);
/* Last such line. */
const char *klog_find_last(struct facts *f, const char *a, const char *b,
			   const char *c);
/*
 * Is `line` (one of the log's, NULL: no) newer than the last one with both
 * texts? What was mended since is no finding any more.
 */
bool klog_is_newer(struct facts *f, const char *line, const char *a,
		   const char *b);
/* How many lines have both texts (b may be NULL). */
size_t klog_count(struct facts *f, const char *a, const char *b);
/* 'y', 'm', 'n' or 0 when the configuration is not there. */
char kernel_option(struct facts *f, const char *option);
/* Loaded or built in. */
bool kernel_has_module(struct facts *f, const char *module);
const char *kernel_release(struct facts *f);

/* facts_host.c: what is parsed; facts_open() calls it. */
MUST_CHECK int facts_parse(struct facts *f);

/* klog.c */
void klog_load(struct facts *f);
void klog_free(struct klog *log);

#endif
