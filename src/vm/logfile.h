/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log files in a guest's directory that cannot fill a disk.
 *
 * A file that has reached LOGFILE_LIMIT is renamed to NAME.0 (or compressed
 * into NAME.0.gz), replacing the one before, and a new one begun: at most two
 * files and twice the limit plus one write. A failing write (full disk) drops
 * the text: a guest does not stop for its log.
 * Locking: none, one thread and one writing process a file.
 */
#ifndef VM_LOGFILE_H
#define VM_LOGFILE_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

#define LOGFILE_LIMIT MIB(1)

struct logfile {
	int dirfd; /* borrowed */
	int fd;
	char name[32];
	mode_t mode;
	bool gzip;
	uint64_t size;
};

#define LOGFILE_NONE     \
	{                \
		.fd = -1 \
	}

/* Opens for appending; rotates at once when the limit has been reached. */
MUST_CHECK int logfile_open(struct logfile *log, int dirfd, const char *name,
			    mode_t mode, bool gzip, struct err *err);
void logfile_close(struct logfile *log);
void logfile_write(struct logfile *log, const void *data, size_t len);

/* One line "TIMESTAMP: text" with the time as `date -Iseconds` prints it. */
void logfile_event(struct logfile *log, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "2026-01-31T12:00:00+01:00" of a Unix time, local time zone. */
#define TIMESTAMP_MAX 32
void timestamp_format(int64_t wall_s, char buf[TIMESTAMP_MAX]);

#endif
