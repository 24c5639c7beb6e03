// SPDX-License-Identifier: BSD-2-Clause
// Writes records to a file for ever, and tells the number of each one on
// standard output once it is safely on the disk; or checks such a file: every
// record that was told of has to be there, whatever was killed since.
//
//	record FILE		go on after the last whole record of FILE
//	record FILE check N	are records 1 to N there? prints how many are

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES 4096
#define WORDS (RECORD_BYTES / sizeof(uint64_t))

/* Each word depends on the record's number and its own place. */
static void
fill(uint64_t *words, uint64_t number)
{
	for (size_t i = 0; i < WORDS; i++)
		words[i] = (number * WORDS + i) * 0x9e3779b97f4a7c15;
}

/* The number of whole, correct records at the file's start. */
static uint64_t
count(int fd)
{
	uint64_t want[WORDS], have[WORDS], n = 0;

	for (;;) {
		fill(want, n + 1);
		ssize_t got = pread(fd, have, sizeof(have),
		    (off_t)(n * RECORD_BYTES));
		if (got < 0)
			err(1, "read");
		if (got < RECORD_BYTES || memcmp(want, have, RECORD_BYTES) != 0)
			return n;
		n++;
	}
}

int
main(int argc, char **argv)
{
	if (argc != 2 && (argc != 4 || strcmp(argv[2], "check") != 0))
		errx(2, "usage: record FILE [check N]");

	int fd = open(argv[1], argc == 2 ? O_RDWR | O_CREAT : O_RDONLY, 0644);
	if (fd < 0)
		err(1, "%s", argv[1]);
	uint64_t n = count(fd);
	if (argc == 4) {
		uint64_t told = strtoull(argv[3], NULL, 10);

		printf("%llu records, %llu told of\n", (unsigned long long)n,
		    (unsigned long long)told);
		return n < told;
	}
	for (;;) {
		uint64_t words[WORDS];

		fill(words, ++n);
		if (pwrite(fd, words, RECORD_BYTES,
		    (off_t)((n - 1) * RECORD_BYTES)) != RECORD_BYTES)
			err(1, "write");
		if (fsync(fd) != 0)
			err(1, "fsync");
		printf("LAB: written %llu\n", (unsigned long long)n);
		fflush(stdout);
	}
}
