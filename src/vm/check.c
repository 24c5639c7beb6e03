/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a guest file complete enough to run? plan_check() of plan.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cfg.h"
#include "vm/plan.h"
#include "vm/tool.h"

struct checker {
	const struct place *place;
	const struct guest *guest;
	const struct conf *conf;
	struct err *err;
};

/* "FILE:LINE: key="value": sentence". */
static int value_refuse(const struct checker *c, const char *key,
			const char *sentence)
{
	return err_set(c->err, -EINVAL, "%s:%u: %s=\"%s\": %s", c->conf->path,
		       conf_line(c->conf, key), key,
		       conf_get(c->conf, "%s", key), sentence);
}

static int key_require(const struct checker *c, const char *key,
		       const char *meaning)
{
	if (conf_get_or(c->conf, key, NULL))
		return 0;
	return err_set(c->err, -EINVAL, "%s: %s is missing: %s", c->conf->path,
		       key, meaning);
}

static int number_check(const struct checker *c, const char *key, uint64_t min,
			uint64_t max)
{
	const char *value = conf_get_or(c->conf, key, NULL);
	char sentence[80];
	uint64_t number;

	if (!value)
		return 0;
	/* Decimal only: parse_u64() would take 0x as well. */
	if (strspn(value, "0123456789") == strlen(value) &&
	    parse_u64(value, &number) == 0 && number >= min && number <= max)
		return 0;
	snprintf(sentence, sizeof(sentence),
		 "expected a number from %llu to %llu", (unsigned long long)min,
		 (unsigned long long)max);
	return value_refuse(c, key, sentence);
}

static int loader_check(const struct checker *c)
{
	enum loader loader;
	int rc = loader_find(c->conf, c->err, &loader);

	if (rc < 0 || loader != LOADER_LINUX)
		return rc;
	return key_require(c, "linux_kernel",
			   "the path of a Linux kernel image (bzImage)");
}

/* A file the guest cannot start without; `path` is absolute. */
static int file_check(const struct checker *c, const char *key,
		      const char *path, bool writable)
{
	struct stat st;
	unsigned line = conf_line(c->conf, key);

	if (stat(path, &st) < 0)
		return err_sys(c->err, -errno, "%s:%u: %s: %s", c->conf->path,
			       line, key, path);
	if (S_ISDIR(st.st_mode))
		return err_set(c->err, -EISDIR, "%s:%u: %s: %s: is a directory",
			       c->conf->path, line, key, path);
	if (faccessat(AT_FDCWD, path, writable ? R_OK | W_OK : R_OK,
		      AT_EACCESS) < 0)
		return err_sys(c->err, -errno, "%s:%u: %s: %s: not %s",
			       c->conf->path, line, key, path,
			       writable ? "writable" : "readable");
	return 0;
}

static int boot_files_check(const struct checker *c)
{
	static const char *const keys[] = {"linux_kernel", "linux_initrd"};
	enum loader loader = LOADER_LINUX;

	if (loader_find(c->conf, NULL, &loader) < 0 || loader != LOADER_LINUX)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *value = conf_get_or(c->conf, keys[i], NULL);
		char path[PATH_MAX];
		int rc;

		if (!value)
			continue;
		rc = guest_path(c->guest, value, c->err, path);
		if (rc == 0)
			rc = file_check(c, keys[i], path, false);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int prestart_check(const struct checker *c)
{
	const char *value = conf_get_or(c->conf, "prestart", NULL);
	char path[PATH_MAX];
	int rc;

	if (!value)
		return 0;
	rc = guest_path(c->guest, value, c->err, path);
	if (rc == 0)
		rc = file_check(c, "prestart", path, false);
	if (rc < 0 || access(path, X_OK) == 0)
		return rc;
	return err_set(c->err, -EACCES,
		       "%s:%u: prestart: %s: not executable; chmod +x it",
		       c->conf->path, conf_line(c->conf, "prestart"), path);
}

/* A zvol's stand-in that was never made is easily made. */
static int disk_missing(const struct checker *c, const struct disk *disk,
			const char *key)
{
	char volume[PATH_MAX];
	ssize_t len;

	if (disk->dev != DISK_ZVOL && disk->dev != DISK_SPARSE_ZVOL)
		return 0;
	if (access(disk->path, F_OK) == 0 ||
	    strncmp(disk->path, c->guest->dir, strlen(c->guest->dir)) != 0)
		return 0;
	len = readlink(disk->path, volume, sizeof(volume) - 1);
	if (len > 0) {
		volume[len] = '\0';
		return err_set(c->err, -ENOENT,
			       "%s:%u: %s: %s: its volume %s is not there; "
			       "vgchange -ay makes it come if it is LVM's",
			       c->conf->path, conf_line(c->conf, key), key,
			       disk->path, volume);
	}
	return err_set(c->err, -ENOENT,
		       "%s:%u: %s: %s: is not there; an empty disk of 20G is "
		       "made by: truncate -s 20G %s",
		       c->conf->path, conf_line(c->conf, key), key, disk->path,
		       disk->path);
}

static int disk_check(const struct checker *c, unsigned n)
{
	struct disk disk;
	char key[32];
	int rc;

	snprintf(key, sizeof(key), "disk%u_name", n);
	rc = disk_locate(c->place, c->guest, c->conf, n, c->err, &disk);
	if (rc < 0 || disk.dev == DISK_9P)
		return rc;
	if (strchr(disk.path, ','))
		return err_set(
		    c->err, -EINVAL,
		    "%s:%u: %s: %s: a path with a comma cannot be given to "
		    "byway",
		    c->conf->path, conf_line(c->conf, key), key, disk.path);
	rc = disk_missing(c, &disk, key);
	if (rc == 0)
		rc = file_check(c, key, disk.path, !disk.readonly);
	if (rc == 0)
		rc = disk_find_format(c->guest, c->conf, c->err, &disk);
	if (rc < 0 || disk.format == IMAGE_RAW)
		return rc;
	if (strchr(disk.attach, ','))
		return err_set(c->err, -EINVAL,
			       "%s: a path with a comma cannot be given to "
			       "byway",
			       disk.attach);
	if (tool_exists("qemu-storage-daemon"))
		return 0;
	return err_set(c->err, -ENOENT,
		       "%s:%u: %s: %s: is a %s image, which needs "
		       "qemu-storage-daemon; apt install qemu-system-common",
		       c->conf->path, conf_line(c->conf, key), key, disk.path,
		       image_name(disk.format));
}

/* Screen and TPM: what the keys say, and what they need on this host. */
static int extras_check(const struct checker *c)
{
	struct screen screen;
	int rc = screen_parse(c->conf, c->err, &screen);

	if (rc < 0 || !conf_bool(c->conf, "tpm", false) || tool_exists("swtpm"))
		return rc;
	return value_refuse(c, "tpm",
			    "needs swtpm, which is not installed: apt install "
			    "swtpm");
}

static int comports_check(const struct checker *c)
{
	CLEANUP_WORDS struct words ports = {0};

	words_split(&ports, conf_get_or(c->conf, "comports", "com1"));
	for (size_t i = 0; i < ports.count; i++) {
		const char *port = ports.word[i];

		if (strncmp(port, "com", 3) || port[3] < '1' || port[3] > '4' ||
		    port[4])
			return value_refuse(
			    c, "comports",
			    "expected a list of com1, com2, com3, com4");
	}
	return words_check(&ports, c->err);
}

static int memory_check(const struct checker *c)
{
	uint64_t bytes;
	int rc = key_require(c, "memory", "for example memory=\"1G\"");

	if (rc < 0)
		return rc;
	if (parse_memory(conf_get(c->conf, "memory"), &bytes) < 0 || bytes == 0)
		return value_refuse(c, "memory",
				    "expected a size such as 512M or 8G");
	return 0;
}

/* -20..19, which is not an unsigned number. */
static int priority_check(const struct checker *c)
{
	const char *value = conf_get_or(c->conf, "priority", NULL);
	char *end;
	long number;

	if (!value)
		return 0;
	number = strtol(value, &end, 10);
	if (*end || number < -20 || number > 19)
		return value_refuse(c, "priority",
				    "expected a number from -20 to 19");
	return 0;
}

/* As byway has it: what is left out is 1, but all of them are left to it. */
static int topology_check(const struct checker *c)
{
	static const char *const parts[] = {"cpu_sockets", "cpu_cores",
					    "cpu_threads"};
	uint64_t cpus = 0, product = 1, number;
	bool any = false;

	(void)!parse_u64(conf_get(c->conf, "cpu"), &cpus);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *value = conf_get_or(c->conf, parts[i], NULL);

		if (!value || parse_u64(value, &number) < 0)
			continue;
		product *= number;
		any = true;
	}
	if (!any || product == cpus)
		return 0;
	return value_refuse(c, "cpu",
			    "expected cpu_sockets times cpu_cores times "
			    "cpu_threads");
}

static int numbers_check(const struct checker *c)
{
	static const struct {
		const char *key;
		unsigned min, max;
	} numbers[] = {
	    {"cpu", 1, PLAN_CPUS_MAX},	     {"cpu_sockets", 1, PLAN_CPUS_MAX},
	    {"cpu_cores", 1, PLAN_CPUS_MAX}, {"cpu_threads", 1, PLAN_CPUS_MAX},
	    {"start_slot", 1, 30},	     {"install_slot", 1, 30},
	    {"ahci_device_limit", 1, 32},
	};
	int rc = key_require(c, "cpu", "the number of virtual CPUs");

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(numbers); i++)
		rc = number_check(c, numbers[i].key, numbers[i].min,
				  numbers[i].max);
	return rc < 0 ? rc : topology_check(c);
}

int plan_check(const struct place *place, const struct guest *guest,
	       const struct conf *conf, struct err *err)
{
	const struct checker c = {place, guest, conf, err};
	struct plan_passthru pt;
	struct firmware fw;
	unsigned risks;
	int rc = loader_check(&c);

	if (rc == 0)
		rc = numbers_check(&c);
	if (rc == 0)
		rc = memory_check(&c);
	if (rc == 0)
		rc = comports_check(&c);
	if (rc == 0)
		rc = priority_check(&c);
	if (rc == 0)
		rc = boot_files_check(&c);
	if (rc == 0)
		rc = firmware_find(place, guest, conf, err, &fw);
	if (rc == 0)
		rc = extras_check(&c);
	if (rc == 0)
		rc = prestart_check(&c);
	for (unsigned n = 0; rc == 0 && conf_member(conf, "disk%u_type", n);
	     n++)
		rc = disk_check(&c, n);
	for (unsigned n = 0; rc == 0 && n < plan_passthru_count(conf); n++)
		rc = plan_passthru_parse(conf, n, err, &pt);
	if (rc == 0)
		rc = plan_passthru_unsafe(conf, err, &risks);
	if (rc == 0 && conf_member(conf, "disk%u_type", DISKS_MAX))
		rc = err_set(err, -E2BIG, "%s: more than %u disks", conf->path,
			     DISKS_MAX);
	if (rc == 0 && (plan_passthru_count(conf) > PLAN_PASSTHRU_MAX ||
			conf_member(conf, "network%u_type", PLAN_NICS_MAX)))
		rc = err_set(
		    err, -E2BIG,
		    "%s: more than %u network cards or %u passed-through "
		    "devices",
		    conf->path, PLAN_NICS_MAX, PLAN_PASSTHRU_MAX);
	return rc;
}
