/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes reports of strangers: nothing appears beside the folder. */
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "hostpci/doctor/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int node_remove(const char *path, const struct stat *st UNUSED,
		       int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char outer[] = "/tmp/fuzz-report-XXXXXX", inner[64];
	CLEANUP_CLOSE int fd = -1;
	struct err err = {0};
	struct stat st;
	int rc;

	if (!mkdtemp(outer))
		return 0;
	snprintf(inner, sizeof(inner), "%s/in", outer);
	if (mkdir(inner, 0700) == 0)
		fd = open(inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = report_unpack(fd, (const char *)data, size, &err);
	if (rc < 0 && !err.msg[0])
		abort();
	/* "in" is still the only folder here. */
	if (stat(outer, &st) < 0 || st.st_nlink != 3)
		abort();
	nftw(outer, node_remove, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
