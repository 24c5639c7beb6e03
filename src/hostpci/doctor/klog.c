/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's log: of a live host from /dev/kmsg, else the file "kmsg" as
 * dmesg(1) prints it, with or without times in front.
 *
 * Searched for texts that have been the same in many kernels; a line is
 * evidence as it stands.
 */
#include <fcntl.h>
#include <string.h>

#include "hostpci/doctor/facts.h"

#define LOG_BYTES_MAX MIB(4)
#define RECORD_MAX    8192u

static bool text_room(char **text, size_t *size, size_t needed)
{
	char *more;

	if (needed < *size)
		return true;
	if (needed >= LOG_BYTES_MAX)
		return false;
	more = realloc(*text, *size + KIB(256));
	if (!more)
		return false;
	*text = more;
	*size += KIB(256);
	return true;
}

/* A record is "prefix;message\n" and lines of properties. */
static int live_read(char **ret_text)
{
	CLEANUP_CLOSE int fd =
	    open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	char record[RECORD_MAX];
	size_t size = 0, used = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);
		const char *message;
		size_t len;

		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* the oldest were overwritten meanwhile */
		if (n <= 0)
			break;
		record[n] = '\0';
		message = strchr(record, ';');
		if (!message)
			continue;
		len = strcspn(++message, "\n");
		if (!text_room(&text, &size, used + len + 2))
			break;
		memcpy(text + used, message, len);
		used += len;
		text[used++] = '\n';
	}
	if (!text_room(&text, &size, used + 1))
		return -ENOMEM;
	text[used] = '\0';
	*ret_text = take_ptr(text);
	return 0;
}

/* "[    1.234567] " */
static char *time_skip(char *line)
{
	char *end;

	if (line[0] != '[')
		return line;
	end = strchr(line, ']');
	if (!end ||
	    strspn(line + 1, " 0123456789.") != (size_t)(end - line - 1))
		return line;
	return end[1] == ' ' ? end + 2 : end + 1;
}

static void lines_split(struct klog *log)
{
	size_t lines = 1;
	char *at = log->text;

	for (const char *c = at; *c; c++)
		lines += *c == '\n';
	log->line = calloc(lines, sizeof(*log->line));
	while (log->line && *at) {
		size_t len = strcspn(at, "\n");
		bool last = at[len] == '\0';

		at[len] = '\0';
		log->line[log->count++] = time_skip(at);
		at += last ? len : len + 1;
	}
}

void klog_load(struct facts *f)
{
	const struct fact *fact;
	int rc = -ENOENT;

	if (f->live) {
		if (f->watch)
			snprintf(f->watch, DOCTOR_WATCH_BYTES, "/dev/kmsg");
		rc = live_read(&f->log.text);
	} else {
		fact = facts_get(f, FACT_FILE, "kmsg");
		rc = fact->rc;
		f->log.text = rc == 0 ? strdup(fact->data) : NULL;
	}
	f->log.denied = rc == -EACCES || rc == -EPERM;
	if (f->log.text)
		lines_split(&f->log);
}

void klog_free(struct klog *log)
{
	free(log->line);
	free(log->text);
	*log = (struct klog){0};
}

static bool line_has(const char *line, const char *a, const char *b,
		     const char *c)
{
	return strstr(line, a) && (!b || strstr(line, b)) &&
	       (!c || strstr(line, c));
}

static void blind_note(struct facts *f)
{
	if (f->log.denied)
		f->blind = "dev/kmsg";
}

const char *klog_find(struct facts *f, const char *a, const char *b,
		      const char *c)
{
	blind_note(f);
	for (size_t i = 0; i < f->log.count; i++)
		if (line_has(f->log.line[i], a, b, c))
			return f->log.line[i];
	return NULL;
}

const char *klog_find_last(struct facts *f, const char *a, const char *b,
			   const char *c)
{
	blind_note(f);
	for (size_t i = f->log.count; i-- > 0;)
		if (line_has(f->log.line[i], a, b, c))
			return f->log.line[i];
	return NULL;
}

/* All lines are parts of one text, in its order. */
bool klog_is_newer(struct facts *f, const char *line, const char *a,
		   const char *b)
{
	const char *other = klog_find_last(f, a, b, NULL);

	return line && (!other || line > other);
}

size_t klog_count(struct facts *f, const char *a, const char *b)
{
	size_t count = 0;

	blind_note(f);
	for (size_t i = 0; i < f->log.count; i++)
		count += line_has(f->log.line[i], a, b, NULL);
	return count;
}
