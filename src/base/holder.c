/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks through /proc; the contract is in holder.h. */
#include "base/holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

/* Is one of the descriptors listed in this folder the file? */
static bool folder_has(const char *path, const struct stat *want)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat st;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' &&
			fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
			st.st_ino == want->st_ino && st.st_dev == want->st_dev;
	if (dir)
		closedir(dir);
	return found;
}

static void read_name(long pid, char name[20])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	snprintf(name, 20, "?");
	file = fopen(path, "re");
	if (file && fgets(name, 20, file))
		name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
}

void holder_find(const struct stat *want, char ret_text[HOLDER_TEXT_BYTES])
{
	char path[64], name[20];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;
	long pid;

	ret_text[0] = '\0';
	while (proc && !found && (entry = readdir(proc))) {
		pid = strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || pid == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
		found = folder_has(path, want);
		if (!found)
			continue;
		read_name(pid, name);
		snprintf(ret_text, HOLDER_TEXT_BYTES, " by process %ld (%s)",
			 pid, name);
	}
	if (proc)
		closedir(proc);
}
