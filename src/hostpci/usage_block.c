/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of a function's disks the host uses, and for what.
 *
 * Theory of operation. From each block device below the function the search
 * climbs to what is built on it: `holders` links (dm, md, bcache) and loop
 * devices whose backing file is the device's node. At every step the device is
 * looked up in the mount table, the swaps and the member lists of mounted
 * btrfs file systems. Mounts match by device number, and by the node named as
 * their source where the number is of no use (btrfs and bcachefs mounts have
 * an anonymous one). The most important find wins, and of mounts the one
 * nearest to the root directory, so that "/" is named before "/boot/efi".
 *
 * NVMe namespaces that several controllers can reach appear twice: a hidden
 * path below the controller (nvme0c1n1) and the usable disk below a virtual
 * device (nvme0n1); the search goes on from the latter.
 *
 * What no table tells (ZFS, another mount namespace) the kernel does: opening
 * the device exclusively fails while it is held.
 */
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define DEPTH_MAX 16
#define BLOCK	  "sys/class/block"

struct mount {
	const char *number; /* "259:2" */
	const char *point;
	char node[NAME_MAX + 1]; /* block device named as source, or "" */
};

struct blocks {
	struct hostpci *host;
	struct usage *usage;
	struct list all; /* BLOCK */
	char *mount_text;
	struct mount *mounts;
	size_t mount_count;
	char *swap_text;
};

static void blocks_free(struct blocks *blocks)
{
	list_free(&blocks->all);
	free(blocks->mount_text);
	free(blocks->mounts);
	free(blocks->swap_text);
}

/* Undoes the kernel's \040 for a blank and \134 for a backslash, in place. */
static void text_unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (strncmp(text, "\\040", 4) == 0 ||
		    strncmp(text, "\\134", 4) == 0) {
			*to++ = text[1] == '0' ? ' ' : '\\';
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* Name in sysfs of the device a path below /dev leads to; "" when none. */
static void node_name(const struct hostpci *host, const char *path,
		      char name[NAME_MAX + 1])
{
	CLEANUP_FREE char *real = NULL;
	char full[PATH_MAX];
	size_t root = strlen(host->root);

	name[0] = '\0';
	if (strncmp(path, "/dev/", 5) != 0)
		return;
	if (snprintf(full, sizeof(full), "%s%s", host->root, path) >=
	    (int)sizeof(full))
		return;
	real = realpath(full, NULL);
	if (real && strncmp(real, host->root, root) == 0 &&
	    strncmp(real + root, "/dev/", 5) == 0)
		path = real + root;
	snprintf(name, NAME_MAX + 1, "%s", path + 5);
	for (; *name; name++)
		if (*name == '/')
			*name = '!';
}

/*
 * Fields: id, parent, number, root, mount point, options, optional ones, "-",
 * type, source, options.
 */
static bool mount_parse(const struct hostpci *host, char *line,
			struct mount *ret_mount)
{
	char *save = NULL, *field[5], *rest, *source, *point;
	struct mount mount = {0};

	rest = strstr(line, " - ");
	if (!rest)
		return false;
	*rest = '\0';
	rest += 3;
	for (size_t i = 0; i < ARRAY_LEN(field); i++, line = NULL) {
		field[i] = strtok_r(line, " ", &save);
		if (!field[i])
			return false;
	}
	mount.number = field[2];
	point = field[4];
	text_unescape(point);
	mount.point = point;
	if (!strtok_r(rest, " ", &save))
		return false;
	source = strtok_r(NULL, " ", &save);
	if (source) {
		text_unescape(source);
		node_name(host, source, mount.node);
	}
	*ret_mount = mount;
	return true;
}

static int mounts_load(struct blocks *blocks)
{
	char *line, *save = NULL;
	size_t lines = 1;
	int rc;

	rc = sysfs_file(blocks->host, "proc/self/mountinfo",
			&blocks->mount_text);
	if (rc < 0)
		return rc;
	for (const char *c = blocks->mount_text; *c; c++)
		lines += *c == '\n';
	blocks->mounts = calloc(lines, sizeof(*blocks->mounts));
	if (!blocks->mounts)
		return -ENOMEM;
	for (line = strtok_r(blocks->mount_text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (mount_parse(blocks->host, line,
				&blocks->mounts[blocks->mount_count]))
			blocks->mount_count++;
	return 0;
}

/* "dm-0 (vg0-root)" */
static void block_title(const struct hostpci *host, const char *name, char *buf,
			size_t size)
{
	char dm[128];

	if (sysfs_text(host, dm, sizeof(dm), BLOCK "/%s/dm/name", name) == 0 &&
	    dm[0])
		snprintf(buf, size, "%s (%s)", name, dm);
	else
		snprintf(buf, size, "%s", name);
}

/* "sda1 is <what>", or "dm-0 (vg0-root) is built on sda1 and <what>". */
static void block_offer(struct blocks *blocks, enum usage_rank rank,
			size_t weight, const char *name, const char *base,
			const char *what)
{
	char title[NAME_MAX + 160];

	block_title(blocks->host, name, title, sizeof(title));
	if (strcmp(name, base) == 0)
		usage_offer(blocks->usage, rank, weight, "%s is %s", title,
			    what);
	else
		usage_offer(blocks->usage, rank, weight,
			    "%s is built on %s and %s", title, base, what);
}

/* Does the source name `name`? bcachefs gives "/dev/sda:/dev/sdb". */
static bool mount_names(const struct mount *mount, const char *name)
{
	const char *at = mount->node;
	size_t len = strlen(name);

	while (at && *at) {
		if (strncmp(at, "!dev!", 5) == 0)
			at += 5;
		if (strncmp(at, name, len) == 0 &&
		    (at[len] == '\0' || at[len] == ':'))
			return true;
		at = strchr(at, ':');
		if (at)
			at++;
	}
	return false;
}

static void block_check_mounts(struct blocks *blocks, const char *name,
			       const char *base)
{
	char number[32] = "", what[PATH_MAX + 32];

	if (sysfs_text(blocks->host, number, sizeof(number), BLOCK "/%s/dev",
		       name) < 0)
		number[0] = '\0';
	for (size_t i = 0; i < blocks->mount_count; i++) {
		const struct mount *mount = &blocks->mounts[i];

		if (strcmp(mount->number, number) != 0 &&
		    !mount_names(mount, name))
			continue;
		snprintf(what, sizeof(what), "mounted on %s", mount->point);
		block_offer(blocks, USAGE_MOUNT, strlen(mount->point), name,
			    base, what);
	}
}

/* Members of a btrfs file system, of which mounts name only one. */
static void block_check_btrfs(struct blocks *blocks, const char *name,
			      const char *base)
{
	CLEANUP_LIST struct list systems = {0};
	char what[PATH_MAX + 64];

	if (sysfs_list(blocks->host, &systems, "sys/fs/btrfs") < 0)
		return;
	for (int i = 0; i < systems.count; i++) {
		const char *id = systems.entry[i]->d_name;

		if (!sysfs_exists(blocks->host, "sys/fs/btrfs/%s/devices/%s",
				  id, name))
			continue;
		block_offer(blocks, USAGE_MOUNT, SIZE_MAX - 1, name, base,
			    "part of a btrfs file system in use");
		for (size_t j = 0; j < blocks->mount_count; j++) {
			const struct mount *mount = &blocks->mounts[j];

			if (!mount->node[0] ||
			    !sysfs_exists(blocks->host,
					  "sys/fs/btrfs/%s/devices/%s", id,
					  mount->node))
				continue;
			snprintf(what, sizeof(what),
				 "part of the btrfs file system mounted on %s",
				 mount->point);
			block_offer(blocks, USAGE_MOUNT, strlen(mount->point),
				    name, base, what);
		}
	}
}

/* A heading, then a path and more on each line. */
static void block_check_swaps(struct blocks *blocks, const char *name,
			      const char *base)
{
	const char *line = strchr(blocks->swap_text, '\n');
	char path[PATH_MAX], node[NAME_MAX + 1];

	for (; line && line[1]; line = strchr(line + 1, '\n')) {
		size_t len = strcspn(line + 1, " \t\n");

		if (len >= sizeof(path))
			continue;
		memcpy(path, line + 1, len);
		path[len] = '\0';
		text_unescape(path);
		node_name(blocks->host, path, node);
		if (strcmp(node, name) == 0)
			block_offer(blocks, USAGE_SWAP, 0, name, base,
				    strcmp(name, base) == 0 ? "swap"
							    : "used as swap");
	}
}

/* A partition's own claim says more than the disk's, which follows from it. */
static void block_check_claim(struct blocks *blocks, const char *name)
{
	bool part = sysfs_exists(blocks->host, BLOCK "/%s/partition", name);

	if (blocks->host->kernel->claim(blocks->host, name) == -EBUSY)
		usage_offer(
		    blocks->usage, USAGE_EXCLUSIVE, part ? 0 : 1,
		    "%s is held by the host (a pool, an array, or a mount in "
		    "another namespace)",
		    name);
}

static int block_climb(struct blocks *blocks, const char *component,
		       const char *base, unsigned depth);

/* `what` is built on `name`, which lies on the function's `base`. */
static int block_above(struct blocks *blocks, const char *above,
		       const char *base, unsigned depth)
{
	char title[NAME_MAX + 160];

	block_title(blocks->host, above, title, sizeof(title));
	usage_offer(blocks->usage, USAGE_BUILT_ON, depth, "%s is built on %s",
		    title, base);
	return block_climb(blocks, above, base, depth + 1);
}

static int block_check_loops(struct blocks *blocks, const char *name,
			     const char *base, unsigned depth)
{
	char path[PATH_MAX], node[NAME_MAX + 1];
	int rc = 0;

	for (int i = 0; i < blocks->all.count && rc == 0; i++) {
		const char *loop = blocks->all.entry[i]->d_name;

		if (strncmp(loop, "loop", 4) != 0 ||
		    sysfs_text(blocks->host, path, sizeof(path),
			       BLOCK "/%s/loop/backing_file", loop) < 0)
			continue;
		node_name(blocks->host, path, node);
		if (strcmp(node, name) == 0)
			rc = block_above(blocks, loop, base, depth);
	}
	return rc;
}

static int block_check(struct blocks *blocks, const char *name,
		       const char *base, unsigned depth)
{
	CLEANUP_LIST struct list holders = {0};
	int rc;

	block_check_mounts(blocks, name, base);
	block_check_btrfs(blocks, name, base);
	block_check_swaps(blocks, name, base);
	if (depth == 0)
		block_check_claim(blocks, name);
	rc = sysfs_list(blocks->host, &holders, BLOCK "/%s/holders", name);
	for (int i = 0; i < holders.count && rc == 0; i++)
		rc = block_above(blocks, holders.entry[i]->d_name, base, depth);
	if (rc == 0)
		rc = block_check_loops(blocks, name, base, depth);
	return rc;
}

/* nvme0c1n1 is a hidden path to nvme0n1. */
static bool path_head(const char *name, char head[64])
{
	unsigned system, path, space;
	int end = 0;

	if (sscanf(name, "nvme%uc%un%u%n", &system, &path, &space, &end) != 3 ||
	    name[end])
		return false;
	snprintf(head, 64, "nvme%un%u", system, space);
	return true;
}

/*
 * Checks the block devices with `component` in their path: those of a function
 * (base NULL), or a disk and its partitions.
 */
static int block_climb(struct blocks *blocks, const char *component,
		       const char *base, unsigned depth)
{
	char path[PATH_MAX], head[64];
	int rc = 0;

	if (depth >= DEPTH_MAX)
		return -ELOOP;
	for (int i = 0; i < blocks->all.count && rc == 0; i++) {
		const char *name = blocks->all.entry[i]->d_name;

		if (sysfs_link(blocks->host, path, sizeof(path), BLOCK "/%s",
			       name) < 0 ||
		    !path_has(path, component))
			continue;
		if (!base && path_head(name, head) &&
		    strcmp(component, head) != 0)
			rc = block_climb(blocks, head, NULL, depth);
		else
			rc = block_check(blocks, name, base ? base : name,
					 depth);
	}
	return rc;
}

/* A host without disks need not have these tables. */
static bool blocks_any(const struct blocks *blocks, const char *bdf)
{
	char path[PATH_MAX];

	for (int i = 0; i < blocks->all.count; i++)
		if (sysfs_link(blocks->host, path, sizeof(path), BLOCK "/%s",
			       blocks->all.entry[i]->d_name) == 0 &&
		    path_has(path, bdf))
			return true;
	return false;
}

int usage_block(struct hostpci *host, const struct hostpci_dev *dev,
		struct err *err, struct usage *usage)
{
	__attribute__((cleanup(blocks_free))) struct blocks blocks = {
	    .host = host,
	    .usage = usage,
	};
	int rc = sysfs_list(host, &blocks.all, BLOCK);

	if (rc < 0)
		return err_sys(err, rc, "%s/" BLOCK, host->root);
	if (!blocks_any(&blocks, dev->bdf))
		return 0;
	rc = mounts_load(&blocks);
	if (rc < 0)
		return err_sys(err, rc,
			       "cannot tell whether its disks are in use: "
			       "%s/proc/self/mountinfo",
			       host->root);
	rc = sysfs_file(host, "proc/swaps", &blocks.swap_text);
	if (rc == -ENOENT) { /* a kernel without swap */
		blocks.swap_text = strdup("");
		rc = blocks.swap_text ? 0 : -ENOMEM;
	}
	if (rc < 0)
		return err_sys(err, rc,
			       "cannot tell whether its disks are in use: "
			       "%s/proc/swaps",
			       host->root);
	rc = block_climb(&blocks, dev->bdf, NULL, 0);
	if (rc < 0)
		return err_sys(err, rc, "what is built on its disks");
	return 0;
}
