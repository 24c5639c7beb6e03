// SPDX-License-Identifier: BSD-2-Clause
// Reads of a device's first register: in memory, as drivers do, or in config
// space, through sysfs.
//
//	regs ADDRESS bar|config COUNT

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int
open_file(const char *address, const char *file)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address,
	    file);
	fd = open(path, O_RDWR | O_SYNC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: regs ADDRESS bar|config COUNT");

	bool bar = strcmp(argv[2], "bar") == 0;
	int fd = open_file(argv[1], bar ? "resource0" : "config");
	long count = atol(argv[3]);
	volatile uint32_t *reg = NULL;
	uint32_t v;

	if (bar) {
		reg = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		if (reg == MAP_FAILED)
			err(1, "BAR 0");
	}

	uint64_t start = now_us();
	for (long i = 0; i < count; i++) {
		if (bar)
			v = *reg;
		else if (pread(fd, &v, 4, 0) != 4)
			err(1, "config space");
		/* What an absent device answers. */
		if (v == UINT32_MAX)
			errx(1, "read %ld: the device does not answer", i);
	}
	printf("%" PRIu64 "\n", now_us() - start);
	return 0;
}
