/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has a file open, and what it is to be called. */
#include <ctype.h>
#include <string.h>

#include "hostpci/hostpci_internal.h"

/* Index of the path that process has open, or -1; *blind when not allowed. */
static int process_look(const struct hostpci *host, const char *pid,
			const char (*paths)[PATH_MAX], size_t count,
			bool *blind)
{
	CLEANUP_LIST struct list fds = {0};
	char target[PATH_MAX];
	int rc = sysfs_list(host, &fds, "proc/%s/fd", pid);

	if (rc == -EACCES || rc == -EPERM)
		*blind = true;
	if (rc < 0) /* a process that has just ended, else */
		return -1;
	for (int i = 0; i < fds.count; i++) {
		if (sysfs_link(host, target, sizeof(target), "proc/%s/fd/%s",
			       pid, fds.entry[i]->d_name) < 0)
			continue;
		for (size_t j = 0; j < count; j++)
			if (strcmp(target, paths[j]) == 0)
				return (int)j;
	}
	return -1;
}

int process_with_open(const struct hostpci *host, const char (*paths)[PATH_MAX],
		      size_t count, int *ret_pid, size_t *ret_which)
{
	CLEANUP_LIST struct list procs = {0};
	bool blind = false;
	int rc = sysfs_list(host, &procs, "proc");

	if (rc < 0)
		return rc;
	for (int i = 0; i < procs.count; i++) {
		const char *pid = procs.entry[i]->d_name;
		int which;

		if (!isdigit((unsigned char)pid[0]))
			continue;
		which = process_look(host, pid, paths, count, &blind);
		if (which < 0)
			continue;
		*ret_pid = atoi(pid);
		if (ret_which)
			*ret_which = (size_t)which;
		return 0;
	}
	if (blind)
		return -EACCES;
	*ret_pid = 0;
	return 0;
}

/* --- names ------------------------------------------------------------ */

#define ARGS_SIZE KIB(16) /* of a command line; longer ones name no guest */

/* The word after `at`, both within the command line; NULL at its end. */
static const char *word_next(const char *at, const char *end)
{
	at += strlen(at) + 1;
	return at < end ? at : NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The guest that a byway or the manager's supervisor serves, or NULL. */
static const char *guest_of(const char *args, const char *end)
{
	const char *base = base_name(args), *word = args, *last = NULL;
	bool supervisor = false;

	if (strcmp(base, "byway") != 0 && strcmp(base, "vm") != 0)
		return NULL;
	while ((word = word_next(word, end)) != NULL) {
		if (supervisor && strcmp(word, "-R") == 0)
			word = word_next(word, end);
		else if (supervisor)
			return word;
		else
			last = word;
		if (!word)
			return NULL;
		supervisor |= base[0] == 'v' && strcmp(word, "_run") == 0;
	}
	return base[0] == 'b' ? last : NULL;
}

void process_label(const struct hostpci *host, int pid,
		   char label[HOSTPCI_WHO_MAX])
{
	char args[ARGS_SIZE] = "", name[32];
	const char *guest = NULL;
	size_t len = sizeof(args) - 1;

	if (sysfs_text(host, name, sizeof(name), "proc/%d/comm", pid) < 0 ||
	    !name[0])
		snprintf(name, sizeof(name), "a process");
	if (sysfs_text(host, args, sizeof(args), "proc/%d/cmdline", pid) == 0) {
		while (len > 0 && args[len - 1] == '\0')
			len--;
		if (len < sizeof(args) - 1)
			guest = guest_of(args, args + len);
	}
	if (guest)
		/* Not by `name`: whom the program starts anew is an "exe". */
		snprintf(label, HOSTPCI_WHO_MAX,
			 "guest '%.128s' (%s, process %d)", guest,
			 base_name(args), pid);
	else
		snprintf(label, HOSTPCI_WHO_MAX, "%s (process %d)", name, pid);
}

int hostpci_group_user(const struct hostpci *host, int group,
		       char who[HOSTPCI_WHO_MAX])
{
	char path[1][PATH_MAX];
	int pid, rc;

	who[0] = '\0';
	snprintf(path[0], sizeof(path[0]), "/dev/vfio/%d", group);
	rc = process_with_open(host, path, 1, &pid, NULL);
	if (rc == 0 && pid)
		process_label(host, pid, who);
	return rc;
}
