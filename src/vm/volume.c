/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks as files and volumes; the contract is volume.h. */
#include "vm/volume.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/tool.h"

/* Volumes come in units of this, for ZFS's block size and LVM's extents. */
#define VOLUME_UNIT  MIB(4)
#define LVM_NAME_MAX 127

static bool is_zvol(enum disk_dev dev)
{
	return dev == DISK_ZVOL || dev == DISK_SPARSE_ZVOL;
}

bool volumes_want_zfs(const struct conf *conf)
{
	enum disk_dev dev;

	for (unsigned n = 0; conf_member(conf, "disk%u_type", n); n++)
		if (disk_dev(conf, n, NULL, &dev) == 0 && is_zvol(dev))
			return true;
	return false;
}

/* "zfs create" with each word of the key after a -o. */
static void zfs_begin(const struct volume_site *site, const char *key,
		      struct words *argv)
{
	CLEANUP_WORDS struct words opts = {0};

	words_split(argv, "zfs create");
	words_split(&opts, conf_get(site->conf, "%s", key));
	for (size_t i = 0; i < opts.count; i++) {
		words_add(argv, "-o");
		words_add(argv, "%s", opts.word[i]);
	}
	argv->failed |= opts.failed;
}

static int run(const struct words *argv, struct err *err)
{
	CLEANUP_FREE char *out = NULL;

	return tool_run(argv, err, &out);
}

int volume_make_dir(const struct volume_site *site, struct err *err)
{
	CLEANUP_WORDS struct words argv = {0};
	struct stat st;

	if (!site->dataset[0])
		return mkdir(site->guest->dir, 0755) < 0 ? -errno : 0;
	if (lstat(site->guest->dir, &st) == 0)
		return -EEXIST;
	zfs_begin(site, "zfs_dataset_opts", &argv);
	words_add(&argv, "%s/%s", site->dataset, site->guest->name);
	return run(&argv, err);
}

/* "5G" rather than 5368709120 where it comes out even. */
static void size_format(uint64_t bytes, char buf[24])
{
	static const char units[] = "KMGT";
	int unit = -1;

	while (bytes % 1024 == 0 && bytes > 0 && units[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, 24, "%" PRIu64 "%.1s", bytes,
		 unit < 0 ? "" : units + unit);
}

static int file_make(const struct volume_site *site, const char *name,
		     uint64_t bytes, struct err *err)
{
	CLEANUP_CLOSE int fd =
	    openat(site->guest->dirfd, name,
		   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return err_sys(err, -errno, "%s/%s", site->guest->dir, name);
	return 0;
}

static int zvol_make(const struct volume_site *site, const char *name,
		     uint64_t bytes, bool sparse, struct err *err)
{
	CLEANUP_WORDS struct words argv = {0};

	zfs_begin(site, "zfs_zvol_opts", &argv);
	if (sparse)
		words_add(&argv, "-s");
	words_add(&argv, "-V");
	words_add(&argv, "%" PRIu64, align_up(bytes, VOLUME_UNIT));
	words_add(&argv, "%s/%s/%s", site->dataset, site->guest->name, name);
	return run(&argv, err);
}

/* "GROUP/POOL" of vm_lvm_thin: 0, -ENOENT when it is not set. */
static int thin_pool(const struct place *place, struct err *err,
		     char group[LVM_NAME_MAX + 1], char pool[LVM_NAME_MAX + 1])
{
	const char *text = conf_get_or(place->conf, "vm_lvm_thin", NULL);
	int end = -1;

	if (!text)
		return -ENOENT;
	if (sscanf(text, "%127[^/]/%127[^/]%n", group, pool, &end) == 2 &&
	    end > 0 && !text[end])
		return 0;
	return err_set(err, -EINVAL,
		       "%s:%u: vm_lvm_thin=\"%s\": expected GROUP/POOL, a thin "
		       "pool of LVM",
		       place->conf->path, conf_line(place->conf, "vm_lvm_thin"),
		       text);
}

static int thin_name(const struct guest *guest, const char *name,
		     struct err *err, char buf[LVM_NAME_MAX + 1])
{
	if (snprintf(buf, LVM_NAME_MAX + 1, "byway-%s-%s", guest->name, name) >
	    LVM_NAME_MAX)
		return err_set(err, -ENAMETOOLONG,
			       "%s: too long a name for an LVM volume", name);
	return 0;
}

/* -ENOENT when no pool is configured. */
static int thin_make(const struct volume_site *site, const char *name,
		     uint64_t bytes, struct err *err, char target[PATH_MAX])
{
	char group[LVM_NAME_MAX + 1], pool[LVM_NAME_MAX + 1];
	char volume[LVM_NAME_MAX + 1];
	CLEANUP_WORDS struct words argv = {0};
	int rc = thin_pool(site->place, err, group, pool);

	if (rc == 0)
		rc = thin_name(site->guest, name, err, volume);
	if (rc < 0)
		return rc;
	words_split(&argv, "lvcreate -y -V");
	words_add(&argv, "%" PRIu64 "b", align_up(bytes, VOLUME_UNIT));
	words_add(&argv, "-n");
	words_add(&argv, "%s", volume);
	words_add(&argv, "-T");
	words_add(&argv, "%s/%s", group, pool);
	rc = run(&argv, err);
	if (rc < 0)
		return rc == -ENOENT ? -EIO : rc;
	if (snprintf(target, PATH_MAX, "%s/%s/%s", site->place->dev, group,
		     volume) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: path too long", volume);
	if (symlinkat(target, site->guest->dirfd, name) < 0)
		return err_sys(err, -errno, "%s/%s", site->guest->dir, name);
	return 0;
}

static int volume_make(const struct volume_site *site, unsigned n,
		       uint64_t bytes, bool sparse, struct err *err,
		       char note[VOLUME_NOTE_MAX])
{
	const char *name = conf_get(site->conf, "disk%u_name", n);
	char target[PATH_MAX], size[24];
	int rc;

	size_format(bytes, size);
	if (site->dataset[0])
		return zvol_make(site, name, bytes, sparse, err);
	rc = thin_make(site, name, bytes, err, target);
	if (rc == 0)
		snprintf(note, VOLUME_NOTE_MAX,
			 "disk%u: no ZFS here, made as the thin volume "
			 "%.300s of %s",
			 n, target, size);
	if (rc != -ENOENT)
		return rc;
	rc = file_make(site, name, bytes, err);
	if (rc == 0)
		snprintf(note, VOLUME_NOTE_MAX,
			 "disk%u: no ZFS here, made as the sparse file "
			 "%.300s/%.100s of %s",
			 n, site->guest->dir, name, size);
	return rc;
}

int volume_create(const struct volume_site *site, unsigned n, uint64_t bytes,
		  struct err *err, char note[VOLUME_NOTE_MAX])
{
	const char *name = conf_get(site->conf, "disk%u_name", n);
	enum disk_dev dev;
	int rc = disk_dev(site->conf, n, err, &dev);

	note[0] = '\0';
	if (rc < 0 || dev == DISK_CUSTOM || dev == DISK_ISCSI || dev == DISK_9P)
		return rc;
	if (!name || !name[0] || strchr(name, '/'))
		return err_set(
		    err, -EINVAL,
		    "%s: disk%u_name: expected the name of a file in the "
		    "guest's directory",
		    site->conf->path, n);
	if (image_by_name(name) != IMAGE_RAW)
		return err_set(err, -EINVAL,
			       "%s: disk%u_name=\"%s\": new disks are raw; "
			       "make that image with qemu-img and name it "
			       "after create",
			       site->conf->path, n, name);
	if (!is_zvol(dev))
		return file_make(site, name, bytes, err);
	return volume_make(site, n, bytes, dev == DISK_SPARSE_ZVOL, err, note);
}

/* Does the guest's link `name` lead to the volume we would have made? */
static bool link_is_ours(const struct volume_site *site, const char *name,
			 const char *group, const char *volume)
{
	char target[PATH_MAX], expected[PATH_MAX + 2 * LVM_NAME_MAX + 8];
	ssize_t len =
	    readlinkat(site->guest->dirfd, name, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	snprintf(expected, sizeof(expected), "%s/%s/%s", site->place->dev,
		 group, volume);
	return strcmp(target, expected) == 0;
}

int volumes_remove(const struct volume_site *site, struct err *err)
{
	char group[LVM_NAME_MAX + 1], pool[LVM_NAME_MAX + 1];
	char volume[LVM_NAME_MAX + 1];
	int rc = thin_pool(site->place, err, group, pool);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	for (unsigned n = 0; conf_member(site->conf, "disk%u_type", n); n++) {
		const char *name = conf_get(site->conf, "disk%u_name", n);
		CLEANUP_WORDS struct words argv = {0};

		if (!name || thin_name(site->guest, name, NULL, volume) < 0 ||
		    !link_is_ours(site, name, group, volume))
			continue;
		words_split(&argv, "lvremove -f -y");
		words_add(&argv, "%s/%s", group, volume);
		rc = run(&argv, err);
		if (rc < 0)
			return rc;
		unlinkat(site->guest->dirfd, name, 0);
	}
	return 0;
}

int volume_remove_dir(const struct volume_site *site, struct err *err,
		      bool *ret_done)
{
	CLEANUP_WORDS struct words ask = {0};
	CLEANUP_WORDS struct words argv = {0};

	*ret_done = false;
	if (!site->dataset[0])
		return 0;
	words_split(&ask, "zfs list -H -o name");
	words_add(&ask, "%s/%s", site->dataset, site->guest->name);
	if (run(&ask, NULL) < 0)
		return 0;
	*ret_done = true;
	words_split(&argv, "zfs destroy -r");
	words_add(&argv, "%s/%s", site->dataset, site->guest->name);
	return run(&argv, err);
}
