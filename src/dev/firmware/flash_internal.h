/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the boot flash: image (the code file), cells (the variables'
 * memory and file), keep (copies beside that file), and the check of what
 * variables look like.
 */
#ifndef DEV_FIRMWARE_FLASH_INTERNAL_H
#define DEV_FIRMWARE_FLASH_INTERNAL_H

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "dev/firmware/flash.h"

/* ---- flash_fv.c ---- */

/*
 * Do `size` bytes start with a firmware volume whose headers, and those of the
 * variable store in it, are whole? Then *ret_len (NULL allowed) is its length.
 */
MUST_CHECK bool fv_holds_variables(const uint8_t *bytes, size_t size,
				   size_t *ret_len);

/* ---- flash_image.c ---- */

struct image {
	uint8_t *bytes; /* mapped, page-aligned */
	size_t size;
	size_t own_vars;  /* so many bytes of it are variables; mostly 0 */
	size_t want_vars; /* size of the file that goes with it; 0: any */
	bool uefi;
	char *template; /* unused variables that go with it, or NULL */
};

MUST_CHECK int image_load(const char *path, struct err *err,
			  struct image *ret_image);
void image_unload(struct image *image); /* a zeroed one is allowed */

/* Anonymous pages, so that they can be mapped into the guest. */
MUST_CHECK int pages_alloc(size_t size, uint8_t **ret_bytes);
void pages_free(uint8_t *bytes, size_t size); /* NULL allowed */

/* 0, -ENODATA when the file ends early, or another negative errno. */
MUST_CHECK int file_read(int fd, uint8_t *bytes, size_t size);
MUST_CHECK int file_write(int fd, const uint8_t *bytes, size_t size,
			  size_t offset);

/* ---- flash_keep.c ---- */

/*
 * The files beside the variables. Locking: `lock` serialises keep_save(); take
 * it around that call. The mark is one caller's at a time.
 */
struct keep {
	int dir;      /* of all of them; -1: keeping is off */
	char *backup; /* names in it */
	char *scratch;
	char *torn;
	char *mark;
	int mark_fd; /* -1: not written yet */
	char boot_id[40];
	pthread_mutex_t lock;
};

/* What the mark says of the variables file. */
enum keep_mark {
	KEEP_FLUSHED,	/* all of it is on the medium; also: no mark */
	KEEP_WRITTEN,	/* by a guest in this boot: the page cache is right */
	KEEP_TORN,	/* by a guest in another boot, or on another host */
	KEEP_RESTORING, /* from the backup */
};

void keep_init(struct keep *keep); /* off; a zeroed one */
/*
 * `path` is absolute and without links. `boot_id` NULL: the host's. -errno when
 * the folder cannot be opened: then it stays off, and all calls fail.
 */
MUST_CHECK int keep_open(const char *path, const char *boot_id,
			 struct keep *keep);
void keep_close(struct keep *keep);

/* Reads the backup: 0 when there is one of this size that holds variables. */
MUST_CHECK int keep_load(const struct keep *keep, uint8_t *bytes, size_t size);
/* Replaces the backup at one stroke; it is on the medium afterwards. */
MUST_CHECK int keep_save(const struct keep *keep, const uint8_t *bytes,
			 size_t size);
/* The same for bytes that the backup is about to replace. */
MUST_CHECK int keep_put_aside(const struct keep *keep, const uint8_t *bytes,
			      size_t size);

enum keep_mark keep_marked(const struct keep *keep);
/* Any but KEEP_TORN; it is on the medium afterwards. */
MUST_CHECK int keep_mark(struct keep *keep, enum keep_mark mark);
void keep_unmark(struct keep *keep); /* as KEEP_FLUSHED; if it can be removed */

/* ---- flash_cells.c ---- */

struct cells;

struct cells_params {
	const char *path;
	size_t size;	       /* 0: what the file has */
	size_t room;	       /* at most */
	const char *needed_by; /* for messages: the code file */
	const char *template;  /* where to copy a new one from, or NULL */
	/* For tests; 0 or NULL: the usual. */
	const char *boot_id;
	unsigned quiet_ms, limit_ms;
};

/* Cells kept in a file. The contract is in flash.h. */
MUST_CHECK int cells_open(const struct cells_params *params, struct err *err,
			  struct cells **ret_cells);
/* Cells that start as a copy of `bytes` and forget. */
MUST_CHECK int cells_create(const uint8_t *bytes, size_t size,
			    struct cells **ret_cells);
void cells_close(struct cells *cells); /* NULL allowed; flushes */

size_t cells_size(const struct cells *cells);
uint8_t *cells_bytes(const struct cells *cells); /* page-aligned; to read */

/* Clears bits: up to 8 bytes inside. Negative errno: nothing was changed. */
MUST_CHECK int cells_program(struct cells *cells, size_t offset, uint64_t value,
			     unsigned len);
/* Sets all bits of the block around `offset`. */
MUST_CHECK int cells_erase(struct cells *cells, size_t offset);
/* Everything so far is on the medium, and in the backup if it is whole. */
MUST_CHECK int cells_sync(struct cells *cells);

#endif
