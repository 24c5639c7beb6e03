// SPDX-License-Identifier: BSD-2-Clause
// Memory of a device, by a file: a BAR (/sys/bus/pci/devices/*/resourceN) or
// physical addresses (/dev/mem).
//
//	bar FILE OFFSET			prints the 8 bytes at OFFSET
//	bar FILE OFFSET VALUE		writes them
//	bar FILE OFFSET VALUE 4		writes 4 bytes

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

int
main(int argc, char **argv)
{
	if (argc < 3 || argc > 5)
		errx(2, "usage: bar FILE OFFSET [VALUE [4]]");

	uint64_t off = strtoull(argv[2], NULL, 0);
	int fd = open(argv[1], O_RDWR | O_SYNC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    (off_t)(off & ~(uint64_t)(PAGE - 1)));
	if (page == MAP_FAILED)
		err(1, "%s: 0x%" PRIx64, argv[1], off);
	volatile uint64_t *word = (volatile uint64_t *)(page + off % PAGE);
	if (argc == 5)
		*(volatile uint32_t *)word = (uint32_t)strtoul(argv[3], NULL, 0);
	else if (argc == 4)
		*word = strtoull(argv[3], NULL, 0);
	else
		printf("0x%" PRIx64 "\n", *word);
	return 0;
}
