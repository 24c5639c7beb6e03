/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a disk: options, refusals in words, lock, sizes. See block.h.
 *
 * Theory of operation. Options are read first, so that a typing error is said
 * before the disk is touched. Then: what is it (stat), open, lock, sizes; each
 * step ends in one sentence that names the file and the way out.
 *
 * Sectors: a regular file can be read and written at any byte, so 512 unless
 * sectorsize= says more. A block device has its own, and O_DIRECT has a unit
 * below which nothing can be written without reading first: these are what the
 * guest must be told, never less.
 *
 * The lock is an open-file-description lock: it dies with the process, also
 * with kill -9, and no close() elsewhere in the program can drop it.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "backend/block_internal.h"
#include "base/holder.h"

#define SECTOR_DEFAULT 512u
#define SECTOR_MAX     65536u
#define PHYSICAL_FILE  4096u /* what file systems write at once */

const char *const block_options[] = {"path", "nocache",	 "direct",     "sync",
				     "ro",   "nodelete", "sectorsize", NULL};

struct options {
	bool nocache, sync, ro, nodelete;
	uint32_t logical, physical; /* 0: not given */
};

/* "512", "4096" or "512/4096". */
static int parse_sectors(struct cfg *node, const char *path, struct err *err,
			 struct options *opt)
{
	char text[32], *slash;
	uint64_t logical, physical;
	int r;

	r = cfg_get(node, "sectorsize", text, sizeof(text), err);
	if (r <= 0)
		return r;
	slash = strchr(text, '/');
	if (slash)
		*slash = '\0';
	if (parse_u64(text, &logical) ||
	    (slash && parse_u64(slash + 1, &physical)))
		logical = 0;
	if (!slash)
		physical = logical;
	if (!is_pow2(logical) || logical < SECTOR_DEFAULT ||
	    logical > SECTOR_MAX || !is_pow2(physical) || physical < logical ||
	    physical > SECTOR_MAX)
		return err_set(
		    err, -EINVAL,
		    "%s: sectorsize=%s is not LOGICAL[/PHYSICAL] in powers of"
		    " two from 512 to 65536, such as 512/4096",
		    path, cfg_raw(node, "sectorsize"));
	opt->logical = (uint32_t)logical;
	opt->physical = (uint32_t)physical;
	return 0;
}

static int parse_options(struct cfg *node, const char *path, struct err *err,
			 struct options *opt)
{
	bool direct = false;
	int r;

	*opt = (struct options){0};
	r = cfg_bool(node, "nocache", false, err, &opt->nocache);
	if (!r)
		r = cfg_bool(node, "direct", false, err, &direct);
	if (!r)
		r = cfg_bool(node, "sync", false, err, &opt->sync);
	if (!r)
		r = cfg_bool(node, "ro", false, err, &opt->ro);
	if (!r)
		r = cfg_bool(node, "nodelete", false, err, &opt->nodelete);
	opt->sync |= direct;
	return r ? r : parse_sectors(node, path, err, opt);
}

/* ---- open ---- */

static int explain_open(const char *path, const struct options *opt, int code,
			struct err *err)
{
	switch (code) {
	case -ENOENT:
		if (opt->ro)
			return err_set(err, code,
				       "%s: no such disk file; correct the"
				       " path",
				       path);
		return err_set(err, code,
			       "%s: no such disk file; create one"
			       " with 'truncate -s 20G %s' or correct the path",
			       path, path);
	case -EACCES:
	case -EPERM:
	case -EROFS:
		if (!opt->ro && access(path, R_OK) == 0)
			return err_sys(err, code,
				       "%s: cannot be opened for"
				       " writing, use ro or make it writable",
				       path);
		return err_sys(err, code,
			       "%s: cannot be opened, make it"
			       " readable for this user",
			       path);
	case -EBUSY:
		return err_set(
		    err, code,
		    "%s: the host uses this device"
		    " (mounted, swap or part of a volume); release it there"
		    " first",
		    path);
	case -EINVAL:
		if (opt->nocache)
			return err_set(
			    err, code,
			    "%s: its file system cannot"
			    " do nocache (O_DIRECT); drop that option",
			    path);
		break;
	case -EISDIR:
		return err_set(err, code, "%s: a directory, not a disk file",
			       path);
	default:
		break;
	}
	return err_sys(err, code, "%s: cannot be opened", path);
}

/* `fd` is any descriptor of the disk, whose lock somebody else has. */
static int explain_lock(const char *path, int fd, bool read_only,
			struct err *err)
{
	char owner[HOLDER_TEXT_BYTES] = "";
	struct stat st;

	if (!fstat(fd, &st))
		holder_find(&st, owner);
	if (read_only)
		return err_set(err, -EBUSY,
			       "%s: written to%s; stop that first,"
			       " or use ro there too",
			       path, owner);
	return err_set(
	    err, -EBUSY,
	    "%s: in use%s; two guests writing to one"
	    " disk would destroy it: stop the other, or use ro in both",
	    path, owner);
}

/*
 * O_EXCL keeps out whoever comes second, before he gets to the lock: another
 * guest's disk, or the host's? Having it open tells nothing (multipathd has the
 * parts of a volume), having it locked does. Opened for reading only, which no
 * udev rule takes notice of.
 */
static int explain_busy(const char *path, const struct options *opt,
			struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
	    lock.l_type != F_UNLCK)
		return explain_lock(path, fd, opt->ro, err);
	return explain_open(path, opt, -EBUSY, err);
}

static int open_disk(struct block_file *file, const struct options *opt,
		     struct err *err)
{
	int flags = (opt->ro ? O_RDONLY : O_RDWR) | O_CLOEXEC |
		    (opt->nocache ? O_DIRECT : 0) |
		    (opt->nocache && opt->sync ? O_SYNC : 0);
	struct stat st;

	if (stat(file->path, &st))
		return explain_open(file->path, opt, -errno, err);
	if (S_ISDIR(st.st_mode))
		return explain_open(file->path, opt, -EISDIR, err);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL,
			       "%s: neither a regular file nor a block device",
			       file->path);
	file->device = S_ISBLK(st.st_mode);
	/* On a block device O_EXCL means: fail when the host uses it. */
	if (file->device && !opt->ro)
		flags |= O_EXCL;
	file->fd = open(file->path, flags);
	if (file->fd < 0 && errno == EBUSY)
		return explain_busy(file->path, opt, err);
	if (file->fd < 0)
		return explain_open(file->path, opt, -errno, err);
	file->o_direct = opt->nocache;
	file->sync = opt->sync;
	file->info.read_only = opt->ro;
	return 0;
}

/* ---- lock ---- */

static int lock_disk(const struct block_file *file, struct err *err)
{
	struct flock lock = {
	    .l_type = file->info.read_only ? F_RDLCK : F_WRLCK,
	    .l_whence = SEEK_SET,
	};

	if (fcntl(file->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return err_sys(err, -errno, "%s: cannot be locked", file->path);
	return explain_lock(file->path, file->fd, file->info.read_only, err);
}

/* ---- geometry ---- */

static int read_size(struct block_file *file, const struct stat *st,
		     struct err *err)
{
	int r = 0;

	file->info.size = (uint64_t)st->st_size;
	if (file->device)
		r = ioctl(file->fd, BLKGETSIZE64, &file->info.size);
	if (r)
		return err_sys(err, -errno, "%s: cannot read its size",
			       file->path);
	if (file->info.size == 0 && file->device)
		return err_set(err, -EINVAL,
			       "%s: has no size: no medium is in it, or it is"
			       " not set up",
			       file->path);
	if (file->info.size == 0 && file->info.read_only)
		return err_set(err, -EINVAL,
			       "%s: empty: there is nothing to read; name a"
			       " file that holds something",
			       file->path);
	if (file->info.size == 0)
		return err_set(
		    err, -EINVAL,
		    "%s: empty; give it a size, as with 'truncate -s 20G %s'",
		    file->path, file->path);
	return 0;
}

/* What O_DIRECT asks of transfers; sector_fallback where nobody says. */
static void read_direct_limits(struct block_file *file,
			       uint32_t sector_fallback)
{
	struct statx stx;

	file->mem_align = sector_fallback;
	file->offset_align = sector_fallback;
#ifdef STATX_DIOALIGN
	if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align) {
		file->mem_align = stx.stx_dio_mem_align;
		file->offset_align = stx.stx_dio_offset_align;
	}
#else
	(void)stx;
#endif
	/* bounce buffers are aligned to a page */
	if (!is_pow2(file->mem_align) || !is_pow2(file->offset_align) ||
	    file->mem_align > PHYSICAL_FILE)
		file->mem_align = file->offset_align = PHYSICAL_FILE;
}

static void read_sectors(struct block_file *file, const struct stat *st)
{
	uint32_t unit = (uint32_t)MIN(st->st_blksize, (blksize_t)PHYSICAL_FILE);
	unsigned physical = 0;
	int logical = 0;

	if (!file->device) {
		read_direct_limits(file, is_pow2(unit) ? unit : PHYSICAL_FILE);
		file->info.logical_sector =
		    file->o_direct ? MAX(SECTOR_DEFAULT, file->offset_align)
				   : SECTOR_DEFAULT;
		file->info.physical_sector = PHYSICAL_FILE;
		return;
	}
	if (ioctl(file->fd, BLKSSZGET, &logical) || logical <= 0 ||
	    !is_pow2((uint64_t)logical))
		logical = SECTOR_DEFAULT;
	if (ioctl(file->fd, BLKPBSZGET, &physical) || !is_pow2(physical))
		physical = 0;
	file->info.logical_sector = (uint32_t)logical;
	file->info.physical_sector = physical;
	read_direct_limits(file, (uint32_t)logical);
}

static int apply_sectors(struct block_file *file, const struct options *opt,
			 struct err *err)
{
	struct block_info *info = &file->info;
	uint32_t least = info->logical_sector;

	if (opt->logical) {
		if ((file->device || file->o_direct) && opt->logical < least)
			return err_set(
			    err, -EINVAL,
			    "%s: its sectors are %u bytes%s, sectorsize=%u is"
			    " too small",
			    file->path, least,
			    file->device ? "" : " with nocache", opt->logical);
		info->logical_sector = opt->logical;
		info->physical_sector = opt->physical;
	}
	info->physical_sector =
	    MAX(info->physical_sector, info->logical_sector);
	if (info->size % info->logical_sector == 0)
		return 0;
	/* Nobody extends a device, or an image that is only read. */
	if ((file->device || info->read_only) &&
	    (opt->logical || file->o_direct))
		return err_set(err, -EINVAL,
			       "%s: %llu bytes are not a multiple of the sector"
			       " size %u; drop nocache or sectorsize",
			       file->path, (unsigned long long)info->size,
			       info->logical_sector);
	return err_set(
	    err, -EINVAL,
	    "%s: %llu bytes are not a multiple of the sector size %u; extend"
	    " it with 'truncate -s %%%u %s'",
	    file->path, (unsigned long long)info->size, info->logical_sector,
	    info->logical_sector, file->path);
}

/* Does the device under `st_rdev` (or its whole disk) know discards? */
static bool device_discards(dev_t rdev)
{
	static const char *const queue[] = {"queue", "../queue"};
	unsigned long long bytes = 0;
	char path[96];
	unsigned i;
	FILE *f;

	for (i = 0; i < ARRAY_LEN(queue); i++) {
		snprintf(path, sizeof(path),
			 "/sys/dev/block/%u:%u/%s/discard_max_bytes",
			 major(rdev), minor(rdev), queue[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &bytes) != 1)
			bytes = 0;
		fclose(f);
		break;
	}
	return bytes > 0;
}

static bool can_discard(const struct block_file *file, const struct stat *st,
			const struct options *opt)
{
	if (opt->ro || opt->nodelete)
		return false;
	if (file->device)
		return device_discards(st->st_rdev);
	/* A hole behind the end changes nothing and tells what works. */
	return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)align_up(file->info.size, PHYSICAL_FILE),
			 PHYSICAL_FILE) == 0;
}

/*
 * Reads that would have to wait can be told to come back (RWF_NOWAIT): then
 * io_uring waits without a thread. File systems that cannot (tmpfs) make it
 * start threads of its own, and ours do as well.
 */
static bool can_wait_elsewhere(const struct block_file *file)
{
	uint8_t byte;
	struct iovec iov = {&byte, 1};

	return file->o_direct ||
	       preadv2(file->fd, &iov, 1, 0, RWF_NOWAIT) >= 0 ||
	       errno == EAGAIN;
}

static int read_geometry(struct block_file *file, const struct options *opt,
			 struct err *err)
{
	struct stat st;
	int r;

	if (fstat(file->fd, &st))
		return err_sys(err, -errno, "%s: cannot be examined",
			       file->path);
	r = read_size(file, &st, err);
	if (r)
		return r;
	read_sectors(file, &st);
	r = apply_sectors(file, opt, err);
	if (r)
		return r;
	file->info.can_discard = can_discard(file, &st, opt);
	file->info.write_cache = !opt->sync && !opt->ro;
	file->ring_reads = can_wait_elsewhere(file);
	return 0;
}

static int open_checked(struct cfg *node, struct err *err,
			struct block_file *file)
{
	char path[CFG_VALUE_MAX];
	struct options opt;
	int r;

	r = cfg_get(node, "path", path, sizeof(path), err);
	if (r < 0)
		return r;
	if (r == 0 || !path[0])
		return err_set(err, -EINVAL,
			       "no disk file given; name one, such as"
			       " /vm/guest/disk0.img");
	file->path = strdup(path);
	if (!file->path)
		return err_set(err, -ENOMEM, "%s: out of memory", path);
	r = parse_options(node, path, err, &opt);
	if (!r)
		r = open_disk(file, &opt, err);
	if (!r)
		r = lock_disk(file, err);
	if (!r)
		r = read_geometry(file, &opt, err);
	return r;
}

int block_file_open(struct cfg *node, struct err *err,
		    struct block_file *ret_file)
{
	struct block_file file = {.fd = -1};
	int r = open_checked(node, err, &file);

	if (r)
		block_file_close(&file);
	else
		*ret_file = file;
	return r;
}

/* ---- memory ---- */

static int open_memory(struct cfg *node, uint64_t bytes, struct err *err,
		       struct block_file *file)
{
	struct options opt;
	int r;

	file->path = strdup("memory disk");
	if (!file->path)
		return err_set(err, -ENOMEM, "memory disk: out of memory");
	r = parse_options(node, file->path, err, &opt);
	if (r)
		return r;
	/* There is nothing to keep it on: no cache either. */
	opt.nocache = false;
	opt.sync = true;
	file->info.read_only = opt.ro;
	file->fd = memfd_create("byway-disk", MFD_CLOEXEC);
	if (file->fd < 0 || bytes > INT64_MAX ||
	    ftruncate(file->fd, (off_t)bytes))
		return err_sys(err, file->fd < 0 ? -errno : -EFBIG,
			       "%s: cannot have %llu bytes", file->path,
			       (unsigned long long)bytes);
	return read_geometry(file, &opt, err);
}

int block_file_open_memory(struct cfg *node, uint64_t bytes, struct err *err,
			   struct block_file *ret_file)
{
	struct block_file file = {.fd = -1};
	int r = open_memory(node, bytes, err, &file);

	if (r)
		block_file_close(&file);
	else
		*ret_file = file;
	return r;
}

void block_file_close(struct block_file *file)
{
	if (!file->path)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	*file = (struct block_file){.fd = -1};
}
