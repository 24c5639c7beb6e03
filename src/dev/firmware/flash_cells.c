/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of the variables' flash; the contract is in flash_internal.h. */
/*
 * Theory of operation
 *
 * The bytes are in memory, where the guest reads them without an exit. Each
 * change goes to the file first, by one pwrite(): from then on the page cache
 * has it and no death of this process can take it back. So what the file holds
 * is at all times the result of the first N commands of the guest, for some N:
 * just what real flash holds when the power fails, and what edk2's own
 * transactions (fault tolerant write) are made for. It stays a plain image.
 *
 * That order is lost when the host itself goes down: the page cache is written
 * back in any order. Therefore a second copy: a worker thread waits until the
 * guest has not written for a moment, takes a snapshot (again the result of the
 * first N commands), puts it in place of the backup by rename(), and flushes
 * the file. Beside them is a mark. Before the first write after that it gets
 * the host's boot id, and is flushed; when all is flushed it says so. An id of
 * another boot at the start means: the file may be a mixture; the backup is
 * not. In any other case the file counts, whoever wrote it: a mark that is left
 * by a process that was killed does not speak against what came later.
 *
 * There is one state a real machine with this firmware does not survive either:
 * its transactions rewrite the first block, which holds the headers, and if
 * they end there the firmware takes the flash for a new one and formats it,
 * variables and transaction alike. So the backup is renewed right before the
 * first block is erased, and what starts without headers starts from the
 * backup; the firmware then finds its transaction half done and carries on.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/holder.h"
#include "base/log.h"
#include "base/thread.h"
#include "dev/firmware/flash_internal.h"

#define QUIET_MS	   500u
#define LIMIT_MS	   5000u
#define WORKER_STACK_BYTES (64u << 10)

struct cells {
	char *path; /* NULL: they forget */
	int fd;
	size_t size;
	struct keep keep;
	bool kept; /* the files beside can be written */
	uint64_t quiet_ns, limit_ns;
	uint8_t *snapshot; /* guarded by keep.lock */

	/* Locking: lock guards the rest; taken before keep.lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake; /* of the worker */
	uint8_t *bytes;
	pthread_t worker;
	bool working, closing;
	bool dirty;	  /* changes since the last snapshot */
	uint64_t changes; /* of the file, since it was opened */
	bool marked;	  /* as written: the medium may lag behind */
	uint64_t first_ns, last_ns;
	bool write_failed, keep_failed; /* has been said */
	bool sync_failed;		/* for good: what was lost is unknown */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- to the medium ---- */

/* Lock held. */
static void say_keep_failed(struct cells *cells, int code)
{
	if (!cells->keep_failed)
		log_warn("%s: no copy of the variables can be kept beside it"
			 " (%s): a crash of the host may destroy them",
			 cells->path, strerror(-code));
	cells->keep_failed = true;
}

/* Lock held. */
static void say_sync_failed(struct cells *cells, int code)
{
	if (!cells->sync_failed)
		log_error("%s: cannot be flushed: %s; a crash of the host may"
			  " destroy the variables",
			  cells->path, strerror(-code));
	cells->sync_failed = true;
}

/* Before the file is touched: what is on its way may be torn. Lock held. */
static void mark_written(struct cells *cells)
{
	int r;

	cells->changes++;
	if (!cells->kept || cells->marked)
		return;
	r = keep_mark(&cells->keep, KEEP_WRITTEN);
	if (r)
		say_keep_failed(cells, r);
	cells->marked = !r;
}

/* The first `changes` are on the medium. Lock held. */
static void mark_flushed(struct cells *cells, uint64_t changes)
{
	int r;

	if (!cells->marked || cells->changes != changes || cells->sync_failed)
		return;
	/* Who wants to write meanwhile would have to mark it, and wait too. */
	r = keep_mark(&cells->keep, KEEP_FLUSHED);
	if (r)
		say_keep_failed(cells, r);
	cells->marked = r != 0;
}

/*
 * Lock held at start and end, not while copy and file are waited for. They may
 * be half a megabyte.
 */
static int checkpoint(struct cells *cells)
{
	bool save =
	    cells->kept && fv_holds_variables(cells->bytes, cells->size, NULL);
	uint64_t changes = cells->changes;
	int kept = 0, synced;

	cells->dirty = false;
	pthread_mutex_lock(&cells->keep.lock);
	memcpy(cells->snapshot, cells->bytes, cells->size);
	pthread_mutex_unlock(&cells->lock);
	if (save)
		kept = keep_save(&cells->keep, cells->snapshot, cells->size);
	synced = fdatasync(cells->fd) ? -errno : 0;
	pthread_mutex_unlock(&cells->keep.lock);
	pthread_mutex_lock(&cells->lock);
	if (kept)
		say_keep_failed(cells, kept);
	if (synced)
		say_sync_failed(cells, synced);
	mark_flushed(cells, changes);
	return kept ? kept : synced;
}

/* Before the headers go: they may not come back. Lock held. */
static void save_headers(struct cells *cells)
{
	int r;

	if (!cells->kept ||
	    !fv_holds_variables(cells->bytes, cells->size, NULL))
		return;
	pthread_mutex_lock(&cells->keep.lock);
	r = keep_save(&cells->keep, cells->bytes, cells->size);
	pthread_mutex_unlock(&cells->keep.lock);
	if (r)
		say_keep_failed(cells, r);
}

static void wait_until(struct cells *cells, uint64_t due_ns)
{
	const struct timespec due = {
	    .tv_sec = (time_t)(due_ns / NS_PER_S),
	    .tv_nsec = (long)(due_ns % NS_PER_S),
	};

	pthread_cond_timedwait(&cells->wake, &cells->lock, &due);
}

static void *worker_main(void *ctx)
{
	struct cells *cells = ctx;
	uint64_t due;

	pthread_setname_np(pthread_self(), "flash");
	pthread_mutex_lock(&cells->lock);
	while (!cells->closing) {
		if (!cells->dirty) {
			pthread_cond_wait(&cells->wake, &cells->lock);
			continue;
		}
		due = MIN(cells->last_ns + cells->quiet_ns,
			  cells->first_ns + cells->limit_ns);
		if (now_ns() < due)
			wait_until(cells, due);
		else
			checkpoint(cells);
	}
	pthread_mutex_unlock(&cells->lock);
	return NULL;
}

static int worker_start(struct cells *cells)
{
	int r = thread_start(WORKER_STACK_BYTES, worker_main, cells,
			     &cells->worker);

	cells->working = r == 0;
	return r;
}

/* Lock held. */
static void note_change(struct cells *cells)
{
	cells->last_ns = now_ns();
	if (cells->dirty)
		return;
	cells->dirty = true;
	cells->first_ns = cells->last_ns;
	if (!cells->working && worker_start(cells))
		checkpoint(cells); /* slowly, then */
	pthread_cond_signal(&cells->wake);
}

/* ---- commands ---- */

/* Lock held. */
static int store_in_file(struct cells *cells, size_t offset,
			 const uint8_t *bytes, size_t len)
{
	int r;

	mark_written(cells);
	r = file_write(cells->fd, bytes, len, offset);
	if (!r)
		return 0;
	if (!cells->write_failed)
		log_error("%s: cannot be written: %s; the guest is told so",
			  cells->path, strerror(-r));
	cells->write_failed = true;
	return r;
}

/* File first, then memory. Lock held. */
static int store(struct cells *cells, size_t offset, const uint8_t *bytes,
		 size_t len)
{
	int r = 0;

	if (!memcmp(cells->bytes + offset, bytes, len))
		return 0;
	if (cells->path)
		r = store_in_file(cells, offset, bytes, len);
	if (r)
		return r;
	memcpy(cells->bytes + offset, bytes, len);
	if (cells->path)
		note_change(cells);
	return 0;
}

int cells_program(struct cells *cells, size_t offset, uint64_t value,
		  unsigned len)
{
	uint8_t bytes[8];
	unsigned i;
	int r;

	pthread_mutex_lock(&cells->lock);
	for (i = 0; i < len; i++)
		bytes[i] = cells->bytes[offset + i] & (uint8_t)(value >> 8 * i);
	r = store(cells, offset, bytes, len);
	pthread_mutex_unlock(&cells->lock);
	return r;
}

int cells_erase(struct cells *cells, size_t offset)
{
	uint8_t ones[FLASH_BLOCK];
	int r;

	memset(ones, 0xff, sizeof(ones));
	offset = (size_t)align_down(offset, FLASH_BLOCK);
	pthread_mutex_lock(&cells->lock);
	if (offset == 0)
		save_headers(cells);
	r = store(cells, offset, ones, sizeof(ones));
	pthread_mutex_unlock(&cells->lock);
	return r;
}

/* Errors have been said when it returns. */
static int sync_now(struct cells *cells)
{
	int r = 0;

	pthread_mutex_lock(&cells->lock);
	if (cells->dirty || cells->marked) {
		r = checkpoint(cells);
	} else { /* the worker may be at it */
		pthread_mutex_lock(&cells->keep.lock);
		pthread_mutex_unlock(&cells->keep.lock);
	}
	pthread_mutex_unlock(&cells->lock);
	return r;
}

int cells_sync(struct cells *cells)
{
	return cells->path ? sync_now(cells) : 0;
}

size_t cells_size(const struct cells *cells)
{
	return cells->size;
}

uint8_t *cells_bytes(const struct cells *cells)
{
	return cells->bytes;
}

/* ---- opening ---- */

static int explain_open(const struct cells_params *params, int code,
			struct err *err)
{
	if (code == -ENOENT && params->template)
		return err_set(err, code,
			       "%s: no such variables file; make one with"
			       " 'cp %s %s'",
			       params->path, params->template, params->path);
	if (code == -ENOENT)
		return err_set(err, code,
			       "%s: no such variables file; make one by copying"
			       " the one that came with the firmware",
			       params->path);
	if (code == -EACCES || code == -EPERM || code == -EROFS)
		return err_sys(err, code,
			       "%s: read-only, but firmware writes its"
			       " variables; make it writable, or leave it out"
			       " and what is written is lost with the guest's"
			       " end",
			       params->path);
	return err_sys(err, code, "%s: cannot be opened", params->path);
}

static int open_file(const struct cells_params *params, struct err *err,
		     struct cells *cells, struct stat *ret_st)
{
	cells->path = realpath(params->path, NULL);
	if (!cells->path)
		return explain_open(params, -errno, err);
	if (stat(cells->path, ret_st))
		return explain_open(params, -errno, err);
	if (!S_ISREG(ret_st->st_mode))
		return err_set(err, -EINVAL,
			       "%s: not a regular file; variables are a file of"
			       " their own, which other tools can read",
			       params->path);
	/* Nobody may write it: that binds root, too. */
	if (!(ret_st->st_mode & 0222))
		return explain_open(params, -EACCES, err);
	cells->fd = open(cells->path, O_RDWR | O_CLOEXEC);
	return cells->fd < 0 ? explain_open(params, -errno, err) : 0;
}

static int lock_file(const struct cells_params *params, struct cells *cells,
		     const struct stat *st, struct err *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char holder[HOLDER_TEXT_BYTES];

	if (fcntl(cells->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return err_sys(err, -errno, "%s: cannot be locked",
			       params->path);
	holder_find(st, holder);
	return err_set(err, -EBUSY,
		       "%s: in use%s; give each guest a copy of its own, or"
		       " stop the other one",
		       params->path, holder);
}

/* What to do about an unusable file, as the end of a sentence. */
static void tell_cure(const struct cells_params *params, struct cells *cells,
		      char *text, size_t room)
{
	bool good = cells->keep.dir >= 0 && cells->bytes &&
		    !keep_load(&cells->keep, cells->bytes, cells->size);

	if (good)
		snprintf(text, room,
			 "'cp %s.bak %s' brings the last state back",
			 cells->path, cells->path);
	else if (params->template)
		snprintf(text, room, "'cp %s %s' makes a new one",
			 params->template, cells->path);
	else
		snprintf(text, room,
			 "copy the one that came with the firmware over it");
}

static int check_size(const struct cells_params *params, struct cells *cells,
		      const struct stat *st, struct err *err)
{
	char cure[2 * PATH_MAX];

	if (cells->size && st->st_size == (off_t)cells->size)
		return 0;
	if (!cells->size)
		return err_set(
		    err, -EINVAL,
		    "%s: %lld bytes; variables are a multiple of 4 KiB, at most"
		    " %zu KiB beside %s",
		    params->path, (long long)st->st_size, params->room >> 10,
		    params->needed_by);
	tell_cure(params, cells, cure, sizeof(cure));
	return err_set(err, -EINVAL,
		       "%s: %lld bytes, but the variables of %s have %zu: cut"
		       " off, or of another firmware; %s",
		       params->path, (long long)st->st_size, params->needed_by,
		       params->size, cure);
}

static size_t choose_size(const struct cells_params *params,
			  const struct stat *st)
{
	if (params->size)
		return params->size;
	return st->st_size <= 0 || st->st_size % FLASH_BLOCK ||
		       (uint64_t)st->st_size > params->room
		   ? 0
		   : (size_t)st->st_size;
}

/* ---- the copies beside ---- */

/* What the backup replaces may be missed: it can be newer, or somebody's. */
static void put_aside(struct cells *cells)
{
	int r = keep_put_aside(&cells->keep, cells->bytes, cells->size);

	if (r)
		log_warn("%s: what it held is lost: %s.torn cannot be written:"
			 " %s",
			 cells->path, cells->path, strerror(-r));
	else
		log_warn("%s: what it held is kept as %s.torn", cells->path,
			 cells->path);
}

/* The backup takes the file's place, marked so that it can be done again. */
static int restore(struct cells *cells, enum keep_mark mark, struct err *err)
{
	int r;

	if (mark != KEEP_RESTORING)
		put_aside(cells);
	r = keep_mark(&cells->keep, KEEP_RESTORING);
	if (!r)
		r = file_write(cells->fd, cells->snapshot, cells->size, 0);
	if (!r && fdatasync(cells->fd))
		r = -errno;
	if (r)
		return err_sys(err, r, "%s: cannot be restored from %s.bak",
			       cells->path, cells->path);
	memcpy(cells->bytes, cells->snapshot, cells->size);
	return 0;
}

/* Which of the two is right? Bytes and snapshot hold what was read. */
static int choose_copy(const struct cells_params *params, struct cells *cells,
		       struct err *err)
{
	enum keep_mark mark = keep_marked(&cells->keep);
	bool whole = fv_holds_variables(cells->bytes, cells->size, NULL);
	bool torn = mark == KEEP_TORN || mark == KEEP_RESTORING;
	bool backup = !keep_load(&cells->keep, cells->snapshot, cells->size);
	bool same =
	    backup && !memcmp(cells->bytes, cells->snapshot, cells->size);
	char cure[2 * PATH_MAX];

	if (backup && !same && (torn || !whole)) {
		log_warn("%s: %s; the last good copy, %s.bak, is put in its"
			 " place",
			 cells->path,
			 whole ? "the host went down before all was flushed"
			       : "the variables have lost their headers",
			 cells->path);
		return restore(cells, mark, err);
	}
	if (whole)
		return 0;
	tell_cure(params, cells, cure, sizeof(cure));
	return err_set(err, -EINVAL,
		       "%s: not UEFI variables, or damaged beyond use; %s",
		       params->path, cure);
}

/* An old one, or half a new one, would speak against what the guest stores. */
static void drop_mark(struct cells *cells)
{
	int r;

	if (cells->sync_failed || keep_marked(&cells->keep) == KEEP_FLUSHED)
		return;
	r = keep_mark(&cells->keep, KEEP_FLUSHED);
	keep_unmark(&cells->keep);
	if (r && keep_marked(&cells->keep) != KEEP_FLUSHED)
		log_warn("%s.open: left by an earlier guest, and cannot be"
			 " changed: %s; remove it, or %s.bak takes the place of"
			 " what this guest stores when the host starts anew",
			 cells->path, strerror(-r), cells->path);
}

/* Backup, file and mark agree afterwards, on the medium too. */
static int start_keeping(struct cells *cells)
{
	int r = keep_load(&cells->keep, cells->snapshot, cells->size);

	if (r || memcmp(cells->bytes, cells->snapshot, cells->size))
		r = keep_save(&cells->keep, cells->bytes, cells->size);
	if (fdatasync(cells->fd))
		say_sync_failed(cells, -errno);
	cells->marked = cells->sync_failed;
	if (!r && !cells->marked)
		keep_unmark(&cells->keep); /* whose it may be */
	if (!r)
		r = keep_mark(&cells->keep,
			      cells->marked ? KEEP_WRITTEN : KEEP_FLUSHED);
	if (r)
		drop_mark(cells);
	return r;
}

static int open_cells(const struct cells_params *params, struct err *err,
		      struct cells *cells)
{
	int r, keeping;
	struct stat st;

	r = open_file(params, err, cells, &st);
	if (!r)
		r = lock_file(params, cells, &st, err);
	if (r)
		return r;
	cells->size = choose_size(params, &st);
	keeping = keep_open(cells->path, params->boot_id, &cells->keep);
	if (cells->size)
		r = pages_alloc(cells->size, &cells->bytes);
	if (!r && cells->size)
		r = pages_alloc(cells->size, &cells->snapshot);
	if (r)
		return err_sys(err, r, "%s", params->path);
	r = check_size(params, cells, &st, err);
	if (r)
		return r;
	r = file_read(cells->fd, cells->bytes, cells->size);
	if (r)
		return err_sys(err, r, "%s: cannot be read", params->path);
	r = choose_copy(params, cells, err);
	if (r)
		return r;
	if (!keeping)
		keeping = start_keeping(cells);
	if (keeping)
		say_keep_failed(cells, keeping);
	cells->kept = !keeping;
	return 0;
}

static struct cells *new_cells(void)
{
	struct cells *cells = calloc(1, sizeof(*cells));
	pthread_condattr_t attr;

	if (!cells)
		return NULL;
	cells->fd = -1;
	keep_init(&cells->keep);
	pthread_mutex_init(&cells->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&cells->wake, &attr);
	pthread_condattr_destroy(&attr);
	return cells;
}

int cells_open(const struct cells_params *params, struct err *err,
	       struct cells **ret_cells)
{
	struct cells *cells = new_cells();
	int r;

	if (!cells)
		return err_set(err, -ENOMEM, "%s: out of memory", params->path);
	cells->quiet_ns =
	    (params->quiet_ms ? params->quiet_ms : QUIET_MS) * NS_PER_MS;
	cells->limit_ns =
	    (params->limit_ms ? params->limit_ms : LIMIT_MS) * NS_PER_MS;
	r = open_cells(params, err, cells);
	if (r)
		cells_close(cells);
	else
		*ret_cells = cells;
	return r;
}

int cells_create(const uint8_t *bytes, size_t size, struct cells **ret_cells)
{
	struct cells *cells = new_cells();
	int r;

	if (!cells)
		return -ENOMEM;
	cells->size = size;
	r = pages_alloc(size, &cells->bytes);
	if (r) {
		cells_close(cells);
		return r;
	}
	memcpy(cells->bytes, bytes, size);
	*ret_cells = cells;
	return 0;
}

static void stop_worker(struct cells *cells)
{
	pthread_mutex_lock(&cells->lock);
	cells->closing = true;
	pthread_cond_signal(&cells->wake);
	pthread_mutex_unlock(&cells->lock);
	if (cells->working)
		pthread_join(cells->worker, NULL);
}

void cells_close(struct cells *cells)
{
	if (!cells)
		return;
	stop_worker(cells);
	if (cells->kept) {
		sync_now(cells);
		if (!cells->sync_failed)
			keep_unmark(&cells->keep);
	}
	keep_close(&cells->keep);
	if (cells->fd >= 0)
		close(cells->fd);
	pages_free(cells->bytes, cells->size);
	pages_free(cells->snapshot, cells->size);
	pthread_cond_destroy(&cells->wake);
	pthread_mutex_destroy(&cells->lock);
	free(cells->path);
	free(cells);
}
