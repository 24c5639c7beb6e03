/* SPDX-License-Identifier: BSD-2-Clause */
/* Histories and quarantine of devices; the contract is devlog.h. */
#include "vm/devlog.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "vm/logfile.h"
#include "vm/pcinames.h"
#include "vm/proc.h"

#define HISTORY_DIR    "history"
#define QUARANTINE_DIR "quarantine"
#define LINE_MAX_BYTES 640u
#define FILE_PATH      (PATH_MAX + 256)

static void state_path(const struct place *place, const char *dir,
		       const char *key, char path[FILE_PATH])
{
	snprintf(path, FILE_PATH, "%s/" STATE_DIR "/%s/%s", place->dir, dir,
		 key);
}

void devlog_key(const struct hostpci_identity *identity,
		char buf[DEVLOG_KEY_MAX])
{
	const char *place = identity->place, *tail = place;
	int len = snprintf(buf, DEVLOG_KEY_MAX, "%04x-%04x-", identity->vendor,
			   identity->device);

	if (identity->serial) {
		/* Which function of the card: after the last bridge. */
		tail = strrchr(place, '/');
		if (tail && strncmp(tail, "/vf", 3) != 0)
			tail = strrchr(place, '.');
		snprintf(buf + len, DEVLOG_KEY_MAX - (size_t)len,
			 "sn-%016llx-%s", (unsigned long long)identity->serial,
			 tail ? tail + 1 : "");
	} else {
		snprintf(buf + len, DEVLOG_KEY_MAX - (size_t)len, "%s", place);
	}
	for (char *c = buf; *c; c++)
		if (*c == '/')
			*c = '-';
}

static void when_now(char when[TIMESTAMP_MAX])
{
	timestamp_format(clock_host()->wall_s(clock_host()), when);
}

/* What byway says is put between tabs on one line. */
static void text_plain(const char *text, char *buf, size_t size)
{
	snprintf(buf, size, "%s", text);
	for (; *buf; buf++)
		if (iscntrl((unsigned char)*buf))
			*buf = ' ';
}

/* The newer half of a file that has grown to its limit. */
static int history_halve(const char *path, struct err *err)
{
	CLEANUP_FREE char *text = malloc(DEVLOG_LIMIT + LINE_MAX_BYTES);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const char *half;
	struct stat st;
	ssize_t n;

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s", path);
	if (st.st_size < (off_t)DEVLOG_LIMIT)
		return 0;
	n = pread(fd, text, DEVLOG_LIMIT / 2,
		  st.st_size - (off_t)DEVLOG_LIMIT / 2);
	if (n < 0)
		return err_sys(err, -errno, "%s", path);
	text[n] = '\0';
	half = strchr(text, '\n');
	return conf_write_text(AT_FDCWD, path, path, half ? half + 1 : "", err);
}

int devlog_append(const struct place *place, const char *key, const char *guest,
		  const struct status *status, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	char path[FILE_PATH], line[LINE_MAX_BYTES], when[TIMESTAMP_MAX];
	char text[256];
	int len, rc = pcistate_folder(place, HISTORY_DIR, err);

	if (rc < 0)
		return rc;
	state_path(place, HISTORY_DIR, key, path);
	rc = history_halve(path, err);
	if (rc < 0)
		return rc;
	when_now(when);
	text_plain(status->text, text, sizeof(text));
	len = snprintf(line, sizeof(line), "%s\t%s\t%s\t%s\t%u\t%s\t%s\n", when,
		       guest, status->bdf, status->method, status->ms,
		       status->ok ? "ok" : "failed", text);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		  0644);
	errno = 0;
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		return err_sys(err, errno ? -errno : -EIO, "%s", path);
	return 0;
}

/* The next field, which must fit and be plain text. */
static int field_take(const char **text, char end, char *buf, size_t size)
{
	size_t len = strcspn(*text, "\t\n");

	if ((*text)[len] != end || len >= size)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)(*text)[i]))
			return -EINVAL;
	memcpy(buf, *text, len);
	buf[len] = '\0';
	*text += len + (end != '\0');
	return 0;
}

int devlog_parse(const char *text, struct devlog_line *ret_line)
{
	struct devlog_line line;
	unsigned long long number;
	char ms[12], outcome[8], *rest;
	int rc = field_take(&text, '\t', line.when, sizeof(line.when));

	rc = rc ?: field_take(&text, '\t', line.guest, sizeof(line.guest));
	rc = rc ?: field_take(&text, '\t', line.bdf, sizeof(line.bdf));
	rc = rc ?: field_take(&text, '\t', line.method, sizeof(line.method));
	rc = rc ?: field_take(&text, '\t', ms, sizeof(ms));
	rc = rc ?: field_take(&text, '\t', outcome, sizeof(outcome));
	rc = rc ?: field_take(&text, '\0', line.text, sizeof(line.text));
	if (rc < 0)
		return rc;
	line.ok = strcmp(outcome, "ok") == 0;
	if (!line.ok && strcmp(outcome, "failed") != 0)
		return -EINVAL;
	number = strtoull(ms, &rest, 10);
	if (!isdigit((unsigned char)ms[0]) || *rest || number > UINT32_MAX)
		return -EINVAL;
	line.ms = (unsigned)number;
	*ret_line = line;
	return 0;
}

int devlog_read(const struct place *place, const char *key, struct err *err,
		char **ret_text)
{
	CLEANUP_FREE char *text = malloc(DEVLOG_LIMIT + LINE_MAX_BYTES + 1);
	CLEANUP_CLOSE int fd = -1;
	char path[FILE_PATH];
	ssize_t n = 0;

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	state_path(place, HISTORY_DIR, key, path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, DEVLOG_LIMIT + LINE_MAX_BYTES);
	if (fd < 0 ? errno != ENOENT : n < 0)
		return err_sys(err, -errno, "%s", path);
	text[n] = '\0';
	*ret_text = take_ptr(text);
	return 0;
}

/* ---- quarantine ---- */

int quarantine_set(const struct place *place, const char *key,
		   const char *guest, const struct status *status,
		   struct err *err)
{
	char path[FILE_PATH], boot[BOOT_ID_MAX], when[TIMESTAMP_MAX];
	char reason[256], text[640];
	int rc = pcistate_folder(place, QUARANTINE_DIR, err);

	if (rc < 0)
		return rc;
	boot_id(boot);
	when_now(when);
	text_plain(status->text, reason, sizeof(reason));
	/* What the form of the file would take for something else. */
	for (char *c = reason; *c; c++)
		if (*c == '"' || *c == '#')
			*c = '\'';
	snprintf(text, sizeof(text),
		 "boot=\"%s\"\nsince=\"%s\"\nguest=\"%s\"\nmethod=\"%s\"\n"
		 "reason=\"%s\"\n",
		 boot, when, guest, status->method, reason);
	state_path(place, QUARANTINE_DIR, key, path);
	return conf_write_text(AT_FDCWD, path, path, text, err);
}

int quarantine_check(const struct place *place, const char *key,
		     const struct hostpci_dev *dev, struct err *err)
{
	CLEANUP_CONF struct conf *conf = NULL;
	char path[FILE_PATH], boot[BOOT_ID_MAX];
	int rc;

	state_path(place, QUARANTINE_DIR, key, path);
	rc = conf_load(AT_FDCWD, path, path, NULL, err, &conf);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	boot_id(boot);
	if (strcmp(conf_get_or(conf, "boot", ""), boot) != 0)
		return 0; /* the host was booted since */
	return err_set(
	    err, -EHOSTDOWN,
	    "%s (%s): in quarantine since %.30s, when it did not come back "
	    "from a reset (%.20s) under guest '%.60s': %.200s; 'vm passthru "
	    "clear %s' or a reboot of the host lifts it",
	    dev->bdf, dev->selector, conf_get_or(conf, "since", "?"),
	    conf_get_or(conf, "method", "?"), conf_get_or(conf, "guest", "?"),
	    conf_get_or(conf, "reason", "no reason given"), pcidev_typed(dev));
}

int quarantine_clear(const struct place *place, const char *key,
		     struct err *err)
{
	char path[FILE_PATH];

	state_path(place, QUARANTINE_DIR, key, path);
	if (unlink(path) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return err_cure_root(err_sys(err, -errno, "%s", path), err);
}
