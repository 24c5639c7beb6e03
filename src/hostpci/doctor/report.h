/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of reports that tests and the fuzzer reach on their own.
 *
 * A report is one JSON object:
 *   {"byway_report": 1, "program": ..., "subject": {...},
 *    "files": {PATH: TEXT or {"base64": ...}}, "links": {PATH: TARGET},
 *    "folders": {PATH: [NAME...]}, "nodes": [PATH...], "denied": [PATH...]}
 * Paths are below the root. docs/doctor/schema.md has the details.
 */
#ifndef HOSTPCI_DOCTOR_REPORT_H
#define HOSTPCI_DOCTOR_REPORT_H

#include "base/err.h"

#define REPORT_BYTES_MAX MIB(64)
#define REPORT_ITEMS_MAX 100000u
#define REPORT_DEPTH_MAX 32u

/* Only names, no "..", not absolute, no empty component, bounded. */
bool report_path_valid(const char *path);
/*
 * As the target of the link at `path`: ".." in front only, no more of them than
 * `path` is deep, then names. Such a link stays inside whatever other links of
 * that kind it leads through.
 */
bool report_link_valid(const char *path, const char *target);

/* Makes the tree in `folder_fd`, which is empty. `text` is the report. */
MUST_CHECK int report_unpack(int folder_fd, const char *text, size_t len,
			     struct err *err);

/*
 * Blanks what names a machine or person: MAC addresses, UUIDs, serial numbers
 * after "serial", `host` (may be NULL) as a word. In place.
 */
void report_scrub(char *text, const char *host);

/* Is the line of the kernel's log about what the doctor looks at? */
bool report_line_wanted(const char *line);

/* Standard base64; *ret is the caller's, with a NUL after it. */
MUST_CHECK int base64_decode(const char *text, char **ret, size_t *ret_len);
char *base64_encode(const void *data, size_t len); /* NULL: no memory */

#endif
