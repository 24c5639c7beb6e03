/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block back end: a raw file or block device of the host, asynchronous.
 *
 * A device model opens one, submits requests that carry a host iovec (built by
 * gmem_iov()) and gets done() calls. Requests run on worker threads, and after
 * block_use_loop() in the kernel, in no particular order; a FLUSH covers every
 * write whose done() ran before it was submitted. done() is called on a worker
 * thread or the event loop's: the model takes its own lock.
 *
 * Promise: a WRITE reported done is in the host's page cache at least; after a
 * FLUSH (or with `sync`/`direct`) it is on the medium. Nothing acknowledged is
 * lost when the process is killed. Once a flush has failed, every later one
 * fails too: the kernel may have dropped the data it could not write.
 *
 * Worker threads are started by the first request that needs one, at most
 * BLOCK_WORKERS.
 *
 * Limits: BLOCK_IOV_MAX pieces a request, lengths and offsets multiples of
 * the logical sector size inside the disk (else -EINVAL / -ERANGE in done()).
 * Threads: submit from any thread; open, drain and close by the owner, on the
 * thread that runs the event loop, or when none does.
 */
#ifndef BACKEND_BLOCK_H
#define BACKEND_BLOCK_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/cfg.h"
#include "base/err.h"
#include "base/evloop.h"

#define BLOCK_IOV_MAX 256u
#define BLOCK_WORKERS 2u

struct block;

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD, /* what it reads as afterwards is undefined */
	BLOCK_WRITE_ZEROES,
};

struct block_req {
	enum block_op op;
	uint64_t offset; /* bytes */
	uint64_t len;	 /* bytes; READ/WRITE: sum of the iovec */
	const struct iovec *iov;
	unsigned iovcnt;
	bool may_unmap; /* WRITE_ZEROES: the range may become a hole */
	/* result: 0 or negative errno. The request may be reused inside. */
	void (*done)(struct block_req *req, int result);
	void *ctx;
	struct block_req *next; /* the back end's queue link */
	bool written;		/* the back end's: only a flush is missing */
};

struct block_info {
	uint64_t size; /* bytes, multiple of logical_sector */
	uint32_t logical_sector;
	uint32_t physical_sector;
	bool read_only;
	bool can_discard;
	bool write_cache; /* false with sync/direct: flush is a no-op */
};

/*
 * Reads `path` and the options nocache (O_DIRECT), direct and sync (both: a
 * write is on the medium before it is done), ro, nodelete,
 * sectorsize=logical[/physical] from `node`. The error names the file and the
 * cure. A block device that the host uses (mounted, part of a RAID) is refused
 * for writing. The file is locked (OFD lock: shared when read-only, exclusive
 * otherwise); a second writer is refused by naming the file and, where known,
 * the process that has it.
 */
MUST_CHECK int block_open(struct cfg *node, struct err *err,
			  struct block **ret_block);
/*
 * A disk of `bytes` zeroed bytes in memory that is gone when it is closed. Of
 * the options above ro, nodelete and sectorsize mean something here.
 */
MUST_CHECK int block_open_memory(struct cfg *node, uint64_t bytes,
				 struct err *err, struct block **ret_block);
/*
 * Lets io_uring do what it does better than threads, where the kernel has it:
 * reads and writes with nocache, and reads through the page cache where the
 * file system can tell that it would have to wait. The loop's thread is patient
 * with the guest where that helps (block_pace.h). Before the first request; the
 * loop must outlive the disk.
 */
void block_use_loop(struct block *block, struct evloop *loop);
struct block_info block_info(const struct block *block);
/*
 * Never blocks and never calls done() itself, so the caller may hold the lock
 * that done() takes. Negative errno when no worker thread could be started:
 * then done() will not be called.
 */
MUST_CHECK int block_submit(struct block *block, struct block_req *req);
/* Waits until every submitted request is done. */
void block_drain(struct block *block);
void block_close(struct block *block); /* drains; NULL allowed */

/* The option names block_open() understands, NULL-terminated (for
 * cfg_check_known). */
extern const char *const block_options[];

/*
 * The options of a model with one disk, whose first word is the file:
 * "/path,ro" or "path=/x,ro". `model` is for messages.
 */
MUST_CHECK int block_parse(struct cfg *node, const char *model,
			   const char *opts, struct err *err);

/*
 * Serial number of a disk: `ser=` of up to `max` characters (16 or more), or
 * one that stays the same for the same path, or `place` where there is none.
 * ret_serial has max + 1 bytes and is untouched on failure.
 */
MUST_CHECK int block_serial(struct cfg *node, const char *place, size_t max,
			    struct err *err, char *ret_serial);

#endif
