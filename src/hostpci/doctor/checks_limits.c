/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks: what this process may do: VFIO's nodes, its control groups. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "hostpci/doctor/checks.h"

/* --- VFIO's nodes ------------------------------------------------------- */

/* "EACCES mode 0600 uid 0 gid 0", "" when it may be opened for both. */
static char *access_ask(const struct facts *f, const char *path)
{
	struct stat st;
	char *text = NULL;

	if (faccessat(f->host->root_fd, path, R_OK | W_OK, AT_EACCESS) == 0)
		return strdup("");
	if ((errno != EACCES && errno != EPERM) ||
	    asprintf(&text, "%s", errno == EPERM ? "EPERM" : "EACCES") < 0)
		return NULL;
	if (fstatat(f->host->root_fd, path, &st, 0) == 0) {
		char *more = NULL;

		if (asprintf(&more, "%s mode %04o uid %u gid %u", text,
			     st.st_mode & 07777u, (unsigned)st.st_uid,
			     (unsigned)st.st_gid) >= 0) {
			free(text);
			text = more;
		}
	}
	return text;
}

/* Of /dev/vfio/NAME, kept as a fact; NULL when it may be opened. */
static const char *access_refused(struct exam *x, const char *name)
{
	char path[64], node[64];
	struct fact *fact;
	const char *text;

	snprintf(node, sizeof(node), "dev/vfio/%s", name);
	snprintf(path, sizeof(path), "byway/access/%s", name);
	fact = (struct fact *)facts_get(x->f, FACT_FILE, path);
	if (fact->rc == -ENOENT && x->f->live &&
	    fact_exists(x->f, "%s", node)) {
		fact->data = access_ask(x->f, node);
		fact->len = fact->data ? strlen(fact->data) : 0;
		fact->rc = fact->data ? 0 : -ENOENT;
	}
	text = fact_text(x->f, "%s", path);
	return text && text[0] ? text : NULL;
}

/* -1 not known */
static long long user_id(struct exam *x)
{
	const char *text = fact_text(x->f, "proc/self/status");
	const char *at = text ? strstr(text, "Uid:") : NULL;
	long long uid;

	/* The second number is the effective one. */
	return at && sscanf(at, "Uid: %*d %lld", &uid) == 1 ? uid : -1;
}

void check_vfio_access(struct exam *x)
{
	long long uid = user_id(x);
	char names[2][16] = {"vfio", ""}, where[64];
	struct finding *finding;

	if (!hostpci_ready(x->d->dev) ||
	    x->d->dev->iommu_group == HOSTPCI_NO_GROUP)
		return;
	snprintf(names[1], sizeof(names[1]), "%d", x->d->dev->iommu_group);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *why = access_refused(x, names[i]);
		bool barred = why && strncmp(why, "EPERM", 5) == 0;

		if (!why)
			continue;
		finding = found(x, "%s: /dev/vfio/%s may not be opened%s",
				DEV_NAME(x->d), names[i],
				barred	   ? ": a control group forbids it"
				: uid == 0 ? " by root"
					   : " by this user");
		snprintf(where, sizeof(where), "/dev/vfio/%s", names[i]);
		proof(finding, where, "%s", why);
		if (barred) {
			proof_file(x, finding, "proc/self/cgroup");
			cure(x, finding,
			     "Let the container have the node (--device "
			     "/dev/vfio/vfio --device /dev/vfio/%s) or the "
			     "service (DeviceAllow=/dev/vfio/%s rw).",
			     names[1], names[1]);
		} else if (uid != 0) {
			/* Guests are root's, unless somebody arranges that. */
			finding->severity = SEVERITY_NOTE;
			cure(x, finding,
			     "Guests that root starts have it. For those of a "
			     "user: SUBSYSTEM==\"vfio\", OWNER=\"NAME\" in a "
			     "file of /etc/udev/rules.d, then 'udevadm control "
			     "--reload' and 'udevadm trigger -s vfio'.");
		}
		return;
	}
}

/* --- memory ------------------------------------------------------------- */

struct limit {
	unsigned long long bytes;
	char path[PATH_MAX];
};

static void limit_take(struct exam *x, struct limit *limit, const char *path)
{
	const char *text = fact_text(x->f, "%s", path);
	unsigned long long bytes;

	/* "max" is no number. */
	if (!text || sscanf(text, "%llu", &bytes) != 1 || bytes >= limit->bytes)
		return;
	limit->bytes = bytes;
	snprintf(limit->path, sizeof(limit->path), "%s", path);
}

/* The smallest of `group` and of those it is in, up to the root. */
static void limit_walk(struct exam *x, struct limit *limit, const char *mount,
		       const char *group, const char *file)
{
	char path[PATH_MAX], at[PATH_MAX];
	char *slash;

	snprintf(at, sizeof(at), "%s", strcmp(group, "/") == 0 ? "" : group);
	for (;;) {
		if (snprintf(path, sizeof(path), "%s%s/%s", mount, at, file) <
		    PATH_MAX)
			limit_take(x, limit, path);
		slash = strrchr(at, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* Lines "0::/user.slice" (version 2) and "4:memory:/docker" (version 1). */
static void limits_find(struct exam *x, struct limit *limit)
{
	const char *at = fact_text(x->f, "proc/self/cgroup");
	char controllers[128], group[1024];

	for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (sscanf(at, "0::%1023[^\n]", group) == 1)
			limit_walk(x, limit, "sys/fs/cgroup", group,
				   "memory.max");
		else if (sscanf(at, "%*u:%127[^:\n]:%1023[^\n]", controllers,
				group) == 2 &&
			 strcmp(controllers, "memory") == 0)
			limit_walk(x, limit, "sys/fs/cgroup/memory", group,
				   "memory.limit_in_bytes");
	}
}

void check_cgroup_memory(struct exam *x)
{
	struct limit limit = {.bytes = ~0ull};
	struct finding *finding;

	if (!x->g->memory_bytes)
		return;
	limits_find(x, &limit);
	if (limit.bytes >= x->g->memory_bytes)
		return;
	finding = found(x,
			"%s: has %s of memory, the control group this runs in "
			"allows %s; the guest would be killed at its start",
			x->g->name, SIZE_NAME(x->g->memory_bytes),
			SIZE_NAME(limit.bytes));
	proof_file(x, finding, "%s", limit.path);
	proof_file(x, finding, "proc/self/cgroup");
}
