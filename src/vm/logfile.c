/* SPDX-License-Identifier: BSD-2-Clause */
/* Rotated log files; the contract is logfile.h. */
#include "vm/logfile.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "base/clock.h"

static int file_begin(struct logfile *log)
{
	struct stat st;

	log->fd = openat(log->dirfd, log->name,
			 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			 log->mode);
	if (log->fd < 0)
		return -errno;
	if (fstat(log->fd, &st) < 0)
		return -errno;
	log->size = (uint64_t)st.st_size;
	return 0;
}

/* Writes NAME compressed to `target`. */
static int file_compress(struct logfile *log, const char *target)
{
	CLEANUP_CLOSE int in =
	    openat(log->dirfd, log->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int out;
	gzFile gz;
	char buf[16384];
	ssize_t n;
	int rc = 0;

	if (in < 0)
		return -errno;
	unlinkat(log->dirfd, target, 0);
	out = openat(log->dirfd, target,
		     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, log->mode);
	if (out < 0)
		return -errno;
	gz = gzdopen(out, "wb");
	if (!gz) {
		close(out);
		return -ENOMEM;
	}
	while (rc == 0 && (n = read(in, buf, sizeof(buf))) != 0)
		if (n < 0 || gzwrite(gz, buf, (unsigned)n) != (int)n)
			rc = -EIO;
	if (gzclose(gz) != Z_OK)
		rc = -EIO;
	if (rc < 0)
		unlinkat(log->dirfd, target, 0);
	return rc;
}

/*
 * Makes room. When the old text cannot be kept (disk full) it is given up:
 * the limit holds in any case.
 */
static void file_rotate(struct logfile *log)
{
	char target[sizeof(log->name) + 8];

	snprintf(target, sizeof(target), "%s.0%s", log->name,
		 log->gzip ? ".gz" : "");
	if (log->gzip) {
		(void)!file_compress(log, target);
		unlinkat(log->dirfd, log->name, 0);
	} else if (renameat(log->dirfd, log->name, log->dirfd, target) < 0) {
		unlinkat(log->dirfd, log->name, 0);
	}
	close(log->fd);
	(void)!file_begin(log);
}

int logfile_open(struct logfile *log, int dirfd, const char *name, mode_t mode,
		 bool gzip, struct err *err)
{
	int rc;

	*log = (struct logfile){
	    .dirfd = dirfd, .fd = -1, .mode = mode, .gzip = gzip};
	snprintf(log->name, sizeof(log->name), "%s", name);
	rc = file_begin(log);
	if (rc < 0) {
		logfile_close(log);
		return err_sys(err, rc, "%s", name);
	}
	if (log->size >= LOGFILE_LIMIT)
		file_rotate(log);
	return 0;
}

void logfile_close(struct logfile *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

void logfile_write(struct logfile *log, const void *data, size_t len)
{
	const char *p = data;

	if (log->fd >= 0 && log->size >= LOGFILE_LIMIT)
		file_rotate(log);
	while (len > 0 && log->fd >= 0) {
		ssize_t n = write(log->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		log->size += (uint64_t)n;
		p += n;
		len -= (size_t)n;
	}
}

void timestamp_format(int64_t wall_s, char buf[TIMESTAMP_MAX])
{
	time_t t = (time_t)wall_s;
	struct tm tm;
	size_t len;

	if (!localtime_r(&t, &tm)) {
		strcpy(buf, "-");
		return;
	}
	/* strftime() writes "+0100"; a colon makes it ISO 8601 extended. */
	len = strftime(buf, TIMESTAMP_MAX - 1, "%Y-%m-%dT%H:%M:%S%z", &tm);
	if (len < 3) {
		strcpy(buf, "-");
		return;
	}
	memmove(buf + len - 1, buf + len - 2, 3);
	buf[len - 2] = ':';
}

void logfile_event(struct logfile *log, const char *fmt, ...)
{
	char line[8192];
	va_list ap;
	size_t len;

	timestamp_format(clock_host()->wall_s(clock_host()), line);
	len = strlen(line);
	len += (size_t)snprintf(line + len, sizeof(line) - len, ": ");
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	/* One event is one line, whatever a program's last words contain. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	logfile_write(log, line, len);
}
