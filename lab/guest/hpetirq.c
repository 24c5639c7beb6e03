// SPDX-License-Identifier: BSD-2-Clause
// Waits for periodic interrupts of a timer of the HPET, and prints how many
// came in how long.
//
//	hpetirq HZ COUNT

#include <err.h>
#include <fcntl.h>
#include <linux/hpet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: hpetirq HZ COUNT");
	unsigned long hz = strtoul(argv[1], NULL, 10), sum = 0, count;
	unsigned long wanted = strtoul(argv[2], NULL, 10);
	int fd = open("/dev/hpet", O_RDONLY);

	if (fd < 0)
		err(1, "/dev/hpet");
	if (ioctl(fd, HPET_IRQFREQ, hz) != 0)
		err(1, "HPET_IRQFREQ");
	if (ioctl(fd, HPET_EPI, 0) != 0)
		err(1, "HPET_EPI");
	if (ioctl(fd, HPET_IE_ON, 0) != 0)
		err(1, "HPET_IE_ON");

	uint64_t start = now_ms();
	while (sum < wanted) {
		if (read(fd, &count, sizeof(count)) != sizeof(count))
			err(1, "read");
		sum += count;
	}
	printf("irqs=%lu ms=%llu\n", sum, (unsigned long long)(now_ms() - start));
	return 0;
}
