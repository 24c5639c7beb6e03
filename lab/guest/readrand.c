// SPDX-License-Identifier: BSD-2-Clause
// Times random O_DIRECT reads (or writes) of a block device, several in flight,
// and prints one line.
//
//	readrand DEVICE BYTES IN-FLIGHT READS [read|write]

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_IN_FLIGHT 64

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The same sequence in every run, so that runs can be compared. */
static uint64_t
next_random(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

int
main(int argc, char **argv)
{
	const char *what = argc == 6 ? argv[5] : "read";
	bool writes = strcmp(what, "write") == 0;

	if ((argc != 5 && argc != 6) || (!writes && strcmp(what, "read") != 0))
		errx(2, "usage: readrand DEVICE BYTES IN-FLIGHT READS "
		    "[read|write]");
	uint64_t bytes = strtoull(argv[2], NULL, 10);
	uint64_t depth = strtoull(argv[3], NULL, 10);
	uint64_t reads = strtoull(argv[4], NULL, 10);
	int fd = open(argv[1], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		err(1, "%s", argv[1]);
	off_t size = lseek(fd, 0, SEEK_END);
	if (bytes == 0 || (uint64_t)size < bytes || depth == 0 ||
	    depth > MAX_IN_FLIGHT)
		errx(2, "numbers out of range");

	aio_context_t ctx = 0;
	if (syscall(SYS_io_setup, depth, &ctx) != 0)
		err(1, "io_setup");
	struct iocb cbs[MAX_IN_FLIGHT] = {0};
	uint64_t slots = (uint64_t)size / bytes, sent = 0, done = 0;
	uint64_t start = now_ns();
	for (uint64_t i = 0; i < depth; i++) {
		void *buf = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
		if (buf == NULL)
			errx(1, "no memory");
		memset(buf, (int)i + 1, bytes);
		cbs[i].aio_lio_opcode =
		    writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
		cbs[i].aio_fildes = (uint32_t)fd;
		cbs[i].aio_buf = (uintptr_t)buf;
		cbs[i].aio_nbytes = bytes;
		cbs[i].aio_data = i;
	}
	uint64_t idle[MAX_IN_FLIGHT], n_idle = depth;
	for (uint64_t i = 0; i < depth; i++)
		idle[i] = i;
	while (done < reads) {
		while (n_idle > 0 && sent < reads) {
			struct iocb *cb = &cbs[idle[--n_idle]];

			cb->aio_offset = (int64_t)(next_random() % slots * bytes);
			if (syscall(SYS_io_submit, ctx, 1L, &cb) != 1)
				err(1, "io_submit");
			sent++;
		}
		struct io_event events[MAX_IN_FLIGHT];
		long n = syscall(SYS_io_getevents, ctx, 1L, (long)depth, events,
		    NULL);
		if (n < 1)
			err(1, "io_getevents");
		for (long i = 0; i < n; i++) {
			if (events[i].res != (int64_t)bytes)
				errx(1, "short %s: %lld", what,
				    (long long)events[i].res);
			idle[n_idle++] = events[i].data;
			done++;
		}
	}
	uint64_t us = (now_ns() - start) / 1000;
	printf("LAB: %s bytes=%llu inflight=%llu reads=%llu us=%llu "
	    "per_s=%llu kib_s=%llu disk=%s\n", what, (unsigned long long)bytes,
	    (unsigned long long)depth, (unsigned long long)reads,
	    (unsigned long long)us, (unsigned long long)(reads * 1000000 / us),
	    (unsigned long long)(reads * bytes / 1024 * 1000000 / us),
	    argv[1] + (strncmp(argv[1], "/dev/", 5) == 0 ? 5 : 0));
	return 0;
}
