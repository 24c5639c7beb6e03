/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who listens on a TCP port: /proc/net/tcp and tcp6 name the socket's inode,
 * /proc/PID/fd says who has it open. Other users' processes only show to root.
 */
#include <dirent.h>
#include <string.h>

#include "backend/display/display_internal.h"

#define TCP_LISTENING 0x0au

static bool find_inode(const char *table, unsigned port,
		       unsigned long *ret_inode)
{
	CLEANUP_FREE char *line = NULL;
	CLEANUP_FCLOSE FILE *file = fopen(table, "re");
	unsigned local_port, status;
	unsigned long inode;
	size_t room = 0;

	while (file && getline(&line, &room, file) >= 0) {
		/* sl local:port remote:port st queues timer retr uid to inode
		 */
		if (sscanf(line,
			   " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x"
			   " %*s %*s %*s %*u %*u %lu",
			   &local_port, &status, &inode) != 3)
			continue;
		if (local_port != port || status != TCP_LISTENING)
			continue;
		*ret_inode = inode;
		return true;
	}
	return false;
}

static bool has_open(const char *pid, const char *link)
{
	char path[320], target[64];
	struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target,
				 sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		found = !strcmp(target, link);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void describe(const char *pid, char *buf, size_t size)
{
	char path[64], name[32] = "";
	CLEANUP_FCLOSE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	snprintf(buf, size, " by %s (process %.16s)",
		 name[0] ? name : "a program", pid);
}

void display_port_owner(unsigned port, char *buf, size_t size)
{
	struct dirent *entry;
	unsigned long inode;
	bool found = false;
	char link[64];
	DIR *proc;

	buf[0] = '\0';
	if (!find_inode("/proc/net/tcp", port, &inode) &&
	    !find_inode("/proc/net/tcp6", port, &inode))
		return;
	snprintf(link, sizeof(link), "socket:[%lu]", inode);
	proc = opendir("/proc");
	while (proc && !found && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		found = has_open(entry->d_name, link);
		if (found)
			describe(entry->d_name, buf, size);
	}
	if (proc)
		closedir(proc);
}
