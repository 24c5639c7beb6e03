/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP ports of this host; the contract is ports.h. */
#include "vm/ports.h"

#include <ctype.h>
#include <dirent.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define STATE_LISTEN 0x0a

int port_try(const char *host, unsigned port)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	CLEANUP_CLOSE int fd = -1;
	struct addrinfo *info;
	char number[16];
	int one = 1, rc = 0;

	snprintf(number, sizeof(number), "%u", port);
	if (getaddrinfo(host, number, &hints, &info) != 0)
		return -EINVAL;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Connections of an earlier run that are still closing do no harm. */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, 1) < 0)
		rc = -errno;
	freeaddrinfo(info);
	return rc;
}

/* The inode of a socket that listens on `port` in a table of proc(5). */
static bool listener_find(const char *table, unsigned port,
			  unsigned long *ret_inode)
{
	CLEANUP_FCLOSE FILE *file = fopen(table, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned local, status;
		unsigned long inode;

		if (sscanf(line,
			   "%*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x "
			   "%*s %*s %*s %*u %*u %lu",
			   &local, &status, &inode) != 3)
			continue;
		if (local != port || status != STATE_LISTEN)
			continue;
		*ret_inode = inode;
		return true;
	}
	return false;
}

static bool port_inode(unsigned port, unsigned long *ret_inode)
{
	return listener_find("/proc/net/tcp", port, ret_inode) ||
	       listener_find("/proc/net/tcp6", port, ret_inode);
}

bool port_listening(unsigned port)
{
	unsigned long inode;

	return port_inode(port, &inode);
}

static bool process_has(const char *pid, const char *socket_name)
{
	char path[300], target[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target,
					 sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		found = strcmp(target, socket_name) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void process_name(const char *pid, char *buf, size_t size)
{
	char path[64], name[32] = "";
	CLEANUP_FCLOSE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(name, sizeof(name), file))
		strcpy(name, "a process");
	name[strcspn(name, "\n")] = '\0';
	for (char *p = name; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	snprintf(buf, size, "%s (pid %.20s)", name, pid);
}

bool port_owner(unsigned port, char buf[PORT_OWNER_MAX])
{
	unsigned long inode;
	char socket_name[64];
	struct dirent *entry;
	DIR *dir;

	if (!port_inode(port, &inode))
		return false;
	snprintf(socket_name, sizeof(socket_name), "socket:[%lu]", inode);
	strcpy(buf, "another process");
	dir = opendir("/proc");
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !process_has(entry->d_name, socket_name))
			continue;
		process_name(entry->d_name, buf, PORT_OWNER_MAX);
		break;
	}
	if (dir)
		closedir(dir);
	return true;
}
