/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a guest's disks; the contract is disks.h. */
#include "vm/disks.h"

#include <string.h>

#include "base/cfg.h"
#include "vm/tool.h"

#define LUN_MAX 16383u

static const char *const dev_words[] = {
    [DISK_FILE] = "file",
    [DISK_ZVOL] = "zvol",
    [DISK_SPARSE_ZVOL] = "sparse-zvol",
    [DISK_CUSTOM] = "custom",
    [DISK_ISCSI] = "iscsi",
    [DISK_9P] = "9p",
};

/* "FILE:LINE: diskN_KEY="value": sentence". */
static int disk_refuse(const struct conf *conf, unsigned n, const char *key,
		       const char *sentence, struct err *err)
{
	char name[32];

	snprintf(name, sizeof(name), "disk%u_%s", n, key);
	return err_set(err, -EINVAL, "%s:%u: %s=\"%s\": %s", conf->path,
		       conf_line(conf, name), name, conf_get(conf, "%s", name),
		       sentence);
}

int disk_dev(const struct conf *conf, unsigned n, struct err *err,
	     enum disk_dev *ret_dev)
{
	const char *word = conf_get(conf, "disk%u_dev", n);

	if (!word || !word[0])
		word = "file";
	for (size_t i = 0; i < ARRAY_LEN(dev_words); i++) {
		if (strcmp(dev_words[i], word) != 0)
			continue;
		*ret_dev = (enum disk_dev)i;
		return 0;
	}
	return disk_refuse(
	    conf, n, "dev",
	    "expected file, zvol, sparse-zvol, custom, iscsi or 9p", err);
}

bool disk_has_option(const char *opts, const char *option)
{
	size_t len = strlen(option);

	while (opts && *opts) {
		size_t word = strcspn(opts, ",");

		if (word == len && strncmp(opts, option, len) == 0)
			return true;
		opts += word;
		opts += *opts == ',';
	}
	return false;
}

/* "IQN/LUN" taken apart; without a LUN it is 0. */
static int target_parse(const struct conf *conf, unsigned n, const char *name,
			struct err *err, char iqn[256], uint64_t *ret_lun)
{
	const char *slash = strchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : strlen(name);

	*ret_lun = 0;
	if (len == 0 || len > 255 ||
	    (slash &&
	     (parse_u64(slash + 1, ret_lun) < 0 || *ret_lun > LUN_MAX)))
		return disk_refuse(conf, n, "name",
				   "expected an iSCSI target, IQN or IQN/LUN",
				   err);
	memcpy(iqn, name, len);
	iqn[len] = '\0';
	return 0;
}

/*
 * A line of `iscsiadm -m session`: "tcp: [1] 10.0.0.1:3260,1 iqn.NAME (...)".
 * Its portal when the target is `iqn`.
 */
static bool session_match(char *line, const char *iqn, char portal[128])
{
	char transport[32], number[32], target[256], where[128];
	char *comma;

	if (sscanf(line, "%31s %31s %127s %255s", transport, number, where,
		   target) != 4 ||
	    strcmp(target, iqn) != 0)
		return false;
	comma = strrchr(where, ',');
	if (comma)
		*comma = '\0';
	strcpy(portal, where);
	return true;
}

static int session_find(const struct conf *conf, unsigned n, const char *iqn,
			struct err *err, char portal[128])
{
	CLEANUP_WORDS struct words argv = {0};
	CLEANUP_FREE char *out = NULL;
	char *line, *rest, sentence[400];
	unsigned found = 0;
	int rc;

	if (!tool_exists("iscsiadm"))
		return disk_refuse(conf, n, "dev",
				   "needs iscsiadm, which is not installed: "
				   "apt install open-iscsi",
				   err);
	words_split(&argv, "iscsiadm -m session");
	rc = tool_run(&argv, err, &out);
	/* No session at all is a failure to iscsiadm (status 21). */
	if (rc < 0 && !strstr(err->msg, "No active sessions"))
		return err_prefix(err, "disk%u_dev=\"iscsi\"", n);
	for (rest = out; rest && (line = strsep(&rest, "\n"));)
		found += session_match(line, iqn, portal);
	if (found == 1)
		return 0;
	if (found)
		snprintf(sentence, sizeof(sentence),
			 "%u iSCSI sessions have this target; log out of all "
			 "but one",
			 found);
	else
		snprintf(sentence, sizeof(sentence),
			 "no iSCSI session has this target; log in with "
			 "iscsiadm -m node -T %s -l",
			 iqn);
	return disk_refuse(conf, n, "name", sentence, err);
}

/* The link udev makes for a LUN of a session. */
static int iscsi_locate(const struct place *place, const struct conf *conf,
			const char *name, struct err *err, struct disk *disk)
{
	char iqn[256], portal[128];
	uint64_t lun;
	int rc = target_parse(conf, disk->n, name, err, iqn, &lun);

	if (rc == 0)
		rc = session_find(conf, disk->n, iqn, err, portal);
	if (rc < 0)
		return rc;
	if (snprintf(disk->path, sizeof(disk->path),
		     "%s/disk/by-path/ip-%s-iscsi-%s-lun-%llu", place->dev,
		     portal, iqn,
		     (unsigned long long)lun) >= (int)sizeof(disk->path))
		return err_set(err, -ENAMETOOLONG, "disk%u_name: too long",
			       disk->n);
	return 0;
}

static int zvol_locate(const struct place *place, const struct guest *guest,
		       const char *name, struct err *err, struct disk *disk)
{
	char dataset[PLACE_DATASET_MAX];
	int rc = guest_path(guest, name, err, disk->path);

	if (rc < 0 || access(disk->path, F_OK) == 0)
		return rc;
	place_dataset(place, dataset);
	if (dataset[0] &&
	    snprintf(disk->path, sizeof(disk->path), "%s/zvol/%s/%s/%s",
		     place->dev, dataset, guest->name,
		     name) >= (int)sizeof(disk->path))
		return err_set(err, -ENAMETOOLONG, "disk%u_name: too long",
			       disk->n);
	return 0;
}

int disk_locate(const struct place *place, const struct guest *guest,
		const struct conf *conf, unsigned n, struct err *err,
		struct disk *ret_disk)
{
	const char *type = conf_get(conf, "disk%u_type", n);
	const char *name = conf_member(conf, "disk%u_name", n);
	const char *opts = conf_get(conf, "disk%u_opts", n);
	struct disk disk = {
	    .n = n,
	    .readonly = disk_has_option(opts, "ro") ||
			(type && strcmp(type, "ahci-cd") == 0),
	};
	int rc;

	if (!name)
		return err_set(err, -EINVAL,
			       "%s: disk%u_name is missing: every diskN_type "
			       "needs a diskN_name",
			       conf->path, n);
	rc = disk_dev(conf, n, err, &disk.dev);
	if (rc < 0)
		return rc;
	if (disk.dev == DISK_ISCSI)
		rc = iscsi_locate(place, conf, name, err, &disk);
	else if (disk.dev == DISK_ZVOL || disk.dev == DISK_SPARSE_ZVOL)
		rc = zvol_locate(place, guest, name, err, &disk);
	else if (disk.dev != DISK_9P)
		rc = guest_path(guest, name, err, disk.path);
	else if (snprintf(disk.path, sizeof(disk.path), "%s", name) >=
		 (int)sizeof(disk.path))
		rc = err_set(err, -ENAMETOOLONG, "disk%u_name: too long", n);
	if (rc < 0)
		return rc;
	strcpy(disk.attach, disk.path);
	*ret_disk = disk;
	return 0;
}

int disk_find_format(const struct guest *guest, const struct conf *conf,
		     struct err *err, struct disk *disk)
{
	const char *word = conf_member(conf, "disk%u_format", disk->n);
	int rc = 0;

	disk->format = IMAGE_RAW;
	if (disk->dev == DISK_9P)
		return 0;
	if (word && image_parse(word, &disk->format) < 0)
		return disk_refuse(conf, disk->n, "format",
				   "expected " IMAGE_WORDS, err);
	if (!word) {
		rc = image_detect(disk->path, disk->n, err, &disk->format);
		if (rc < 0)
			return err_prefix(err, "%s: disk%u_name", conf->path,
					  disk->n);
	}
	if (disk->format == IMAGE_RAW)
		return 0;
	if (snprintf(disk->attach, sizeof(disk->attach), "%s/disk%u.export",
		     guest->dir, disk->n) >= (int)sizeof(disk->attach))
		return err_set(err, -ENAMETOOLONG, "%s: path too long",
			       guest->dir);
	return 0;
}

int disks_attach(const struct place *place, const struct guest *guest,
		 const struct conf *conf, struct err *err,
		 struct words *ret_paths)
{
	struct words paths = {0};
	int rc = 0;

	for (unsigned n = 0; rc == 0 && conf_member(conf, "disk%u_type", n);
	     n++) {
		struct disk disk;

		rc = disk_locate(place, guest, conf, n, err, &disk);
		if (rc == 0)
			rc = disk_find_format(guest, conf, err, &disk);
		if (rc == 0)
			words_add(&paths, "%s", disk.attach);
	}
	if (rc == 0)
		rc = words_check(&paths, err);
	if (rc < 0) {
		words_free(&paths);
		return rc;
	}
	*ret_paths = paths;
	return 0;
}
