/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the block back end's tests share: a sparse file in a directory of its
 * own, opened through config nodes, and faults. The linker sends the system
 * calls of the program through block_disk.c (see meson.build), which fails
 * those that `fault` names.
 */
#ifndef TESTS_BACKEND_BLOCK_DISK_H
#define TESTS_BACKEND_BLOCK_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <semaphore.h>

#include "backend/block.h"

#define DISK_BYTES MIB(4)
#define SECTOR	   512u

struct disk_fault {
	int open_errno;		  /* open(2) fails with this, once */
	int transfer_errno;	  /* one transfer fails with this */
	bool halve;		  /* transfers do half of what is asked */
	int sync_errno;		  /* fdatasync fails with this, once */
	sem_t *sync_gate;	  /* and waits for this first */
	unsigned syncs;		  /* calls of fdatasync */
	int fallocate_errno;	  /* fallocate fails with this */
	int fallocate_modes;	  /* all modes asked for */
	int ring_errno;		  /* io_uring cannot be had */
	unsigned submit_failures; /* of io_uring_submit to come */
	unsigned submits;	  /* calls of it */
	unsigned signals;	  /* eventfds read */
	int thread_error;	  /* pthread_create fails with this */
	unsigned threads;	  /* started; the kernel's own do not count */
	sem_t *gate;		  /* writes wait for it */
	int open_flags;		  /* of the last open */
};

/* All off at the start of each test. */
extern struct disk_fault fault;

struct fixture {
	char dir[64];
	char path[96];
	struct cfg *root;
	struct block *block;
	struct evloop *loop; /* of tests that use io_uring */
	struct err err;
};

int disk_setup(void **state);
int disk_teardown(void **state);
/*
 * The same, io_uring on a loop that the test steps. False, and says so, where
 * the kernel or the file system has none that suits.
 */
bool disk_open_ring(struct fixture *f, const char *options);
/* A new node with this path and these options. */
int disk_try_open(struct fixture *f, const char *options,
		  struct block **ret_block);
/* The same, into f->block; the test fails when it does. */
void disk_open(struct fixture *f, const char *options);
/* Bytes that depend on seed. */
void disk_fill(uint8_t *buf, size_t len, unsigned seed);
/* What this process has. */
unsigned disk_threads(void);
unsigned disk_files(void);
/* Opening fails with this code and exactly this sentence. */
void disk_refused(struct fixture *f, const char *options, int code,
		  const char *format, ...) PRINTF_LIKE(4, 5);

#endif
