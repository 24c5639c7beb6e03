// SPDX-License-Identifier: BSD-2-Clause
// Runs a program and passes on what it prints, each line with the milliseconds
// since exec in front, the end as a line of its own; exits with the program's
// status (128 + signal when a signal ended it).
//
//	stamp PROGRAM ARGUMENT...

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	int out[2];

	if (argc < 2)
		errx(2, "usage: stamp PROGRAM ARGUMENT...");
	if (pipe2(out, O_CLOEXEC) != 0)
		err(1, "pipe");

	double start = now_ms();
	pid_t pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	close(out[1]);

	char buf[4096];
	ssize_t n;
	bool at_start = true;
	while ((n = read(out[0], buf, sizeof(buf))) > 0) {
		double ms = now_ms() - start;

		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] == '\r')
				continue;
			if (at_start)
				printf("%.2f ", ms);
			putchar(buf[i]);
			at_start = buf[i] == '\n';
		}
		fflush(stdout);
	}

	int status;
	struct rusage usage;
	wait4(pid, &status, 0, &usage);
	int code = WIFEXITED(status) ? WEXITSTATUS(status)
				     : 128 + WTERMSIG(status);
	if (!at_start)
		putchar('\n');
	printf("%.2f exit %d maxrss_kib %ld\n", now_ms() - start, code,
	    usage.ru_maxrss);
	return code;
}
