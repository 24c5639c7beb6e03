/* SPDX-License-Identifier: BSD-2-Clause */
/* Reservations over host reboots; the contract is persist.h. */
#include "vm/persist.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MARK "# byway "
#define HEADER                                                          \
	"# Written by 'vm passthru reserve --persist', changed by 'vm " \
	"passthru release'.\n"
#define RULE_BEGIN  "ACTION==\"add\", SUBSYSTEM==\"pci\", "
#define HOOK	    "etc/initramfs-tools/hooks/byway-passthru"
#define HOOK_FOLDER "etc/initramfs-tools"
#define DRACUT	    "etc/dracut.conf.d/byway-passthru.conf"
#define DRACUT_DIR  "etc/dracut.conf.d"
#define HOST_PATH   (2 * PATH_MAX)

static void host_path(const struct place *place, const char *name,
		      char path[HOST_PATH])
{
	const char *root =
	    strcmp(place->host_root, "/") ? place->host_root : "";

	snprintf(path, HOST_PATH, "%s/%s", root, name);
}

static bool host_has(const struct place *place, const char *name)
{
	char path[HOST_PATH];

	host_path(place, name, path);
	return access(path, F_OK) == 0;
}

/* ---- reading ---- */

static bool line_is_ours(const char *line)
{
	static const char begin[] = RULE_BEGIN;

	return !line[0] || strncmp(line, begin, strlen(begin)) == 0 ||
	       strncmp(HEADER, line, strlen(line)) == 0;
}

int persist_parse(const char *text, const char *path, struct err *err,
		  struct persist *ret_persist)
{
	struct persist persist = {.count = 0};
	unsigned number = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct hostpci_identity identity;
		char line[1024];

		number++;
		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, 1023u),
			 text);
		text += len + (text[len] == '\n');
		if (strncmp(line, MARK, strlen(MARK)) == 0) {
			if (hostpci_identity_parse(line + strlen(MARK),
						   &identity) < 0)
				return err_set(err, -EINVAL,
					       "%s:%u: not a device that vm "
					       "has written there; remove the "
					       "line and the rules below it",
					       path, number);
			if (persist_add(&persist, &identity, err) < 0)
				return -E2BIG;
		} else if (!line_is_ours(line)) {
			return err_set(err, -EINVAL,
				       "%s:%u: is not what vm has written "
				       "there; move it to a file of its own",
				       path, number);
		}
	}
	*ret_persist = persist;
	return 0;
}

int persist_load(const struct place *place, struct err *err,
		 struct persist *ret_persist)
{
	CLEANUP_FREE char *text = NULL;
	char path[HOST_PATH];
	int rc;

	host_path(place, PERSIST_RULES, path);
	rc = conf_read_text(AT_FDCWD, path, path, err, &text);
	if (rc == -ENOENT) {
		ret_persist->count = 0;
		return 0;
	}
	return rc < 0 ? rc : persist_parse(text, path, err, ret_persist);
}

/* ---- the list ---- */

static size_t find(const struct persist *persist,
		   const struct hostpci_identity *identity)
{
	size_t i = 0;

	while (i < persist->count &&
	       (strcmp(persist->device[i].place, identity->place) != 0 ||
		persist->device[i].vendor != identity->vendor ||
		persist->device[i].device != identity->device))
		i++;
	return i;
}

bool persist_has(const struct persist *persist,
		 const struct hostpci_identity *identity)
{
	return find(persist, identity) < persist->count;
}

int persist_add(struct persist *persist,
		const struct hostpci_identity *identity, struct err *err)
{
	size_t i = find(persist, identity);

	if (i == PERSIST_MAX)
		return err_set(err, -E2BIG,
			       "more than %u devices reserved at each boot",
			       PERSIST_MAX);
	if (i == persist->count)
		persist->count++;
	persist->device[i] = *identity;
	return 0;
}

bool persist_remove(struct persist *persist,
		    const struct hostpci_identity *identity)
{
	size_t i = find(persist, identity);

	if (i == persist->count)
		return false;
	persist->count--;
	memmove(&persist->device[i], &persist->device[i + 1],
		(persist->count - i) * sizeof(persist->device[0]));
	return true;
}

/* ---- writing ---- */

/*
 * "0000:00/1c.0/00.1" as udev's pattern of the device's path, "*"
 * "/pci0000:00/" "0000:00:1c.0/0000:??:00.1": behind the root bus any bus
 * number will do.
 */
static void path_pattern(const char *place, char *buf, size_t size)
{
	int root = (int)strcspn(place, "/"), domain = (int)strcspn(place, ":");
	const char *part = place + root;
	size_t len = (size_t)snprintf(buf, size, "*/pci%.*s", root, place);
	bool first = true;

	while (*part && len < size) {
		int n = (int)strcspn(++part, "/");

		/* The root bus has its number in front, and keeps it. */
		len += (size_t)snprintf(buf + len, size - len, "/%.*s%s:%.*s",
					first ? root : domain, place,
					first ? "" : ":??", n, part);
		part += n;
		first = false;
	}
}

static void rule_put(FILE *out, const struct hostpci_identity *id,
		     const char *vm)
{
	char text[HOSTPCI_IDENTITY_MAX], pattern[512], match[1024];

	hostpci_identity_format(id, text);
	path_pattern(id->place, pattern, sizeof(pattern));
	snprintf(match, sizeof(match),
		 RULE_BEGIN
		 "DEVPATH==\"%s\", "
		 "ATTR{vendor}==\"0x%04x\", ATTR{device}==\"0x%04x\", "
		 "ATTR{subsystem_vendor}==\"0x%04x\", "
		 "ATTR{subsystem_device}==\"0x%04x\"",
		 pattern, id->vendor, id->device, id->subvendor, id->subdevice);
	fprintf(out,
		MARK "%s\n%s, ATTR{driver_override}=\"vfio-pci\", "
		     "RUN{builtin}+=\"kmod load vfio-pci\"\n"
		     "%s, TEST==\"%s\", RUN+=\"%s passthru reserve %%k\"\n",
		text, match, match, vm, vm);
}

char *persist_rules(const struct persist *persist, const char *vm)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(HEADER, out);
	for (size_t i = 0; i < persist->count; i++)
		rule_put(out, &persist->device[i], vm);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static const char hook_text[] =
    "#!/bin/sh\n" HEADER "[ \"$1\" != prereqs ] || exit 0\n"
    ". /usr/share/initramfs-tools/hook-functions\n"
    "manual_add_modules vfio-pci\n"
    "copy_file rules /" PERSIST_RULES "\n";

static const char dracut_text[] =
    HEADER "add_drivers+=\" vfio-pci \"\n"
	   "install_items+=\" /" PERSIST_RULES " \"\n";

/* A file of the host: when it is wanted, and what it says. */
struct host_file {
	const char *name, *folder; /* only where this folder is; NULL always */
	const char *text;
	mode_t mode;
};

static void files_fill(const char *rules, struct host_file files[3])
{
	files[0] = (struct host_file){PERSIST_RULES, NULL, rules, 0644};
	files[1] = (struct host_file){HOOK, HOOK_FOLDER, hook_text, 0755};
	files[2] = (struct host_file){DRACUT, DRACUT_DIR, dracut_text, 0644};
}

/* Our own path, as far as udev takes it unquoted. */
static void program_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	path[n > 0 ? n : 0] = '\0';
	for (const char *c = path; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("/._+-", *c))
			n = 0;
	if (n <= 0)
		strcpy(path, "/usr/sbin/vm");
}

void persist_show(const struct place *place, const struct persist *persist,
		  FILE *out)
{
	CLEANUP_FREE char *rules = NULL;
	char program[PATH_MAX], path[HOST_PATH];
	struct host_file files[3];

	program_path(program);
	rules = persist_rules(persist, program);
	files_fill(rules ? rules : "", files);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (files[i].folder && !host_has(place, files[i].folder))
			continue;
		host_path(place, files[i].name, path);
		fprintf(out, "--- %s\n%s", path, files[i].text);
	}
}

static int folders_make(char *path, struct err *err)
{
	for (char *c = path + 1; (c = strchr(c, '/')); *c++ = '/') {
		*c = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_cure_root(err_sys(err, -errno, "%s", path),
					     err);
	}
	return 0;
}

static int file_save(const struct place *place, const struct host_file *file,
		     bool wanted, struct err *err)
{
	char path[HOST_PATH];
	int rc;

	host_path(place, file->name, path);
	if (!wanted) {
		if (unlink(path) < 0 && errno != ENOENT)
			return err_cure_root(err_sys(err, -errno, "%s", path),
					     err);
		return 0;
	}
	rc = folders_make(path, err);
	if (rc == 0)
		rc = conf_write_text(AT_FDCWD, path, path, file->text, err);
	if (rc == 0 && chmod(path, file->mode) < 0)
		rc = err_sys(err, -errno, "%s", path);
	return rc;
}

int persist_save(const struct place *place, const struct persist *persist,
		 struct err *err)
{
	CLEANUP_FREE char *rules = NULL;
	char program[PATH_MAX];
	struct host_file files[3];
	int rc = 0;

	program_path(program);
	rules = persist_rules(persist, program);
	if (!rules)
		return err_set(err, -ENOMEM, "out of memory");
	files_fill(rules, files);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(files); i++)
		if (!files[i].folder || host_has(place, files[i].folder))
			rc = file_save(place, &files[i], persist->count > 0,
				       err);
	return rc;
}

const char *persist_hint(const struct place *place)
{
	if (host_has(place, HOOK_FOLDER))
		return "update-initramfs -u";
	if (host_has(place, DRACUT_DIR))
		return "dracut -f";
	return "";
}
