/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens a report: makes the tree of files it describes.
 *
 * The report comes from a stranger. Everything is created below one folder of
 * our own, component by component, never through a link (O_NOFOLLOW), never
 * over something that is there. Links may only go up within the tree and then
 * down (report_link_valid()), so reading through them stays inside, too.
 *
 * The folder is made and removed by a process of its own, the keeper, which
 * waits until the file descriptor we hold is closed: by doctor_report_close(),
 * or because we were killed.
 */
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hostpci/doctor/doctor.h"
#include "hostpci/doctor/report.h"

struct doctor_report {
	char root[64];
	int keeper_fd; /* open as long as the folder is to be there */
	pid_t keeper;  /* 0: none */
	struct doctor_request request;
	struct hostpci_addr addrs[DOCTOR_DEVICES_MAX];
	struct doctor_guest guest;
	char guest_name[256];
	char *log;
};

bool report_path_valid(const char *path)
{
	size_t depth = 0;

	if (strlen(path) >= 1024)
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 0 || len > 255 || ++depth > REPORT_DEPTH_MAX ||
		    (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
		if (*path == '/' && !*++path)
			return false;
	}
	return depth > 0;
}

bool report_link_valid(const char *path, const char *target)
{
	size_t depth = 0;

	for (const char *c = path; *c; c++)
		depth += *c == '/';
	while (strncmp(target, "../", 3) == 0) {
		if (depth-- == 0)
			return false;
		target += 3;
	}
	return report_path_valid(target);
}

/* The folder that holds `path`, made when missing; *ret_name: what is in it. */
static int folder_open(int root_fd, const char *path, const char **ret_name)
{
	char name[256];
	int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t len;

	while (fd >= 0 && path[len = strcspn(path, "/")]) {
		int next;

		memcpy(name, path, len); /* report_path_valid(): fits */
		name[len] = '\0';
		if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
			next = -1;
		else
			next = openat(fd, name,
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					  O_CLOEXEC);
		close(fd);
		fd = next;
		path += len + 1;
	}
	*ret_name = path;
	return fd < 0 ? -errno : fd;
}

/* May be there already where `again`. */
static int file_make(int root_fd, const char *path, const char *data,
		     size_t len, bool again)
{
	CLEANUP_CLOSE int folder = -1;
	CLEANUP_CLOSE int fd = -1;
	const char *name;

	folder = folder_open(root_fd, path, &name);
	if (folder < 0)
		return folder;
	fd = openat(folder, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return again && errno == EEXIST ? 0 : -errno;
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int file_unpack(int root_fd, const char *path, json_t *value)
{
	CLEANUP_FREE char *data = NULL;
	json_t *packed;
	size_t len;
	int rc;

	if (json_is_string(value))
		return file_make(root_fd, path, json_string_value(value),
				 json_string_length(value), false);
	packed = json_object_get(value, "base64");
	if (!json_is_string(packed))
		return -EINVAL;
	rc = base64_decode(json_string_value(packed), &data, &len);
	return rc < 0 ? rc : file_make(root_fd, path, data, len, false);
}

static int link_unpack(int root_fd, const char *path, json_t *value)
{
	CLEANUP_CLOSE int folder = -1;
	const char *name, *target = json_string_value(value);

	if (!target || !report_link_valid(path, target))
		return -EINVAL;
	folder = folder_open(root_fd, path, &name);
	if (folder < 0)
		return folder;
	return symlinkat(target, folder, name) < 0 ? -errno : 0;
}

static int folder_unpack(int root_fd, const char *path, json_t *value)
{
	CLEANUP_CLOSE int parent = -1;
	CLEANUP_CLOSE int folder = -1;
	const char *name;
	json_t *entry;
	size_t i;

	parent = folder_open(root_fd, path, &name);
	if (parent < 0)
		return parent;
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	folder = openat(parent, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	json_array_foreach(value, i, entry)
	{
		const char *text = json_string_value(entry);

		if (!text || strchr(text, '/') || !report_path_valid(text) ||
		    i >= REPORT_ITEMS_MAX)
			return -EINVAL;
		if (mkdirat(folder, text, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

typedef int unpack_fn(int root_fd, const char *path, json_t *value);

static int object_unpack(int root_fd, json_t *object, unpack_fn *fn,
			 struct err *err)
{
	const char *path;
	json_t *value;
	int rc;

	if (json_object_size(object) > REPORT_ITEMS_MAX)
		return err_set(err, -E2BIG, "too many entries");
	json_object_foreach(object, path, value)
	{
		rc = report_path_valid(path) ? fn(root_fd, path, value)
					     : -EINVAL;
		if (rc < 0)
			return err_set(err, rc, "'%.200s' cannot be made of it",
				       path);
	}
	return 0;
}

/* Nodes become empty files; what may not be read, lines of byway/denied. */
static int lists_unpack(int root_fd, json_t *json, struct err *err)
{
	json_t *nodes = json_object_get(json, "nodes");
	json_t *denied = json_object_get(json, "denied"), *entry;
	char *text = NULL;
	size_t i, size = 0;
	FILE *out;
	int rc = 0;

	if (json_array_size(nodes) > REPORT_ITEMS_MAX ||
	    json_array_size(denied) > REPORT_ITEMS_MAX)
		return err_set(err, -E2BIG, "too many entries");
	json_array_foreach(nodes, i, entry)
	{
		const char *path = json_string_value(entry);

		rc = path && report_path_valid(path)
			 ? file_make(root_fd, path, "", 0, true)
			 : -EINVAL;
		if (rc < 0)
			return err_set(err, rc,
				       "nodes: no path that a report may have");
	}
	out = open_memstream(&text, &size);
	if (!out)
		return err_sys(err, -ENOMEM, "report");
	json_array_foreach(denied, i, entry) fprintf(
	    out, "%s\n", json_is_string(entry) ? json_string_value(entry) : "");
	if (fclose(out) == 0)
		rc = file_make(root_fd, "byway/denied", text, size, false);
	free(text);
	return rc < 0 ? err_sys(err, rc, "byway/denied") : 0;
}

static int report_load(const char *text, size_t len, struct err *err,
		       json_t **ret_json)
{
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error),
	       *version;

	if (!json)
		return err_set(err, -EINVAL, "line %d: not JSON: %s",
			       error.line, error.text);
	version = json_object_get(json, "byway_report");
	if (!json_is_integer(version)) {
		json_decref(json);
		return err_set(err, -EINVAL,
			       "not a report of 'vm passthru "
			       "doctor --report'");
	}
	if (json_integer_value(version) != DOCTOR_SCHEMA) {
		json_decref(json);
		return err_set(err, -ENOTSUP,
			       "a report of another version; this one reads "
			       "version %d",
			       DOCTOR_SCHEMA);
	}
	*ret_json = json;
	return 0;
}

static int json_unpack_tree(int folder_fd, json_t *json, struct err *err)
{
	int rc = object_unpack(folder_fd, json_object_get(json, "files"),
			       file_unpack, err);

	if (rc == 0)
		rc = object_unpack(folder_fd, json_object_get(json, "links"),
				   link_unpack, err);
	if (rc == 0)
		rc = object_unpack(folder_fd, json_object_get(json, "folders"),
				   folder_unpack, err);
	return rc < 0 ? rc : lists_unpack(folder_fd, json, err);
}

int report_unpack(int folder_fd, const char *text, size_t len, struct err *err)
{
	json_t *json;
	int rc = report_load(text, len, err, &json);

	if (rc < 0)
		return rc;
	rc = json_unpack_tree(folder_fd, json, err);
	json_decref(json);
	return rc;
}

/* --- what it was about ------------------------------------------------ */

static void subject_guest(struct doctor_report *report, json_t *guest,
			  json_t *files)
{
	const char *name = json_string_value(json_object_get(guest, "name"));
	const char *log =
	    json_string_value(json_object_get(files, "byway/guest.log"));
	json_int_t memory =
	    json_integer_value(json_object_get(guest, "memory"));
	json_int_t bits =
	    json_integer_value(json_object_get(guest, "phys_bits"));

	if (!name)
		return;
	snprintf(report->guest_name, sizeof(report->guest_name), "%s", name);
	report->log = log ? strdup(log) : NULL;
	report->guest = (struct doctor_guest){
	    .name = report->guest_name,
	    .memory_bytes =
		memory > 0 && memory < 1ll << 52 ? (uint64_t)memory : 0,
	    .firmware = json_is_true(json_object_get(guest, "firmware")),
	    .managed = json_is_true(json_object_get(guest, "managed")),
	    .phys_bits = bits > 0 && bits < 64 ? (unsigned)bits : 0,
	    .log = report->log,
	    .log_path = "serial log",
	};
	for (char *c = report->guest_name; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
	report->request.guest = &report->guest;
}

static void subject_read(struct doctor_report *report, json_t *json)
{
	json_t *subject = json_object_get(json, "subject"), *entry;
	struct doctor_request *request = &report->request;
	size_t i;

	json_array_foreach(json_object_get(subject, "devices"), i, entry)
	{
		const char *text = json_string_value(entry);

		if (text && request->addr_count < DOCTOR_DEVICES_MAX &&
		    hostpci_parse_addr(
			text, NULL, &report->addrs[request->addr_count]) == 0)
			request->addr_count++;
	}
	request->addrs = report->addrs;
	request->named_wanted = json_is_true(json_object_get(subject, "named"));
	subject_guest(report, json_object_get(subject, "guest"),
		      json_object_get(json, "files"));
}

/* --- the file --------------------------------------------------------- */

static int file_load(const char *path, struct err *err, char **ret_text,
		     size_t *ret_len)
{
	CLEANUP_CLOSE int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	CLEANUP_FREE char *text = NULL;
	size_t used = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)REPORT_BYTES_MAX)
		return err_set(err, -EINVAL,
			       "%s: not a file of at most %llu MiB", path,
			       (unsigned long long)REPORT_BYTES_MAX >> 20);
	text = malloc((size_t)st.st_size + 1);
	while (text && used < (size_t)st.st_size) {
		ssize_t n = read(fd, text + used, (size_t)st.st_size - used);

		if (n < 0)
			return err_sys(err, -errno, "%s", path);
		if (n == 0)
			break;
		used += (size_t)n;
	}
	if (!text)
		return err_sys(err, -ENOMEM, "%s", path);
	*ret_text = take_ptr(text);
	*ret_len = used;
	return 0;
}

static int node_remove(const char *path, const struct stat *st UNUSED,
		       int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

/* Of a session of its own, which no key or hangup of a terminal ends. */
NORETURN static void keeper_main(int fd)
{
	const char *tmp = getenv("TMPDIR");
	char root[sizeof(((struct doctor_report *)0)->root)] = "", c;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	/* Who reads our streams must not wait for us. */
	for (int std = 0; std <= STDERR_FILENO; std++)
		dup2(null, std);
	dup2(fd, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	fd = STDERR_FILENO + 1;
	snprintf(root, sizeof(root), "%s/byway-report-XXXXXX",
		 tmp && strlen(tmp) < 30 ? tmp : "/tmp");
	if (!mkdtemp(root))
		_exit(errno);
	if (send(fd, root, sizeof(root), MSG_NOSIGNAL) == sizeof(root))
		while (read(fd, &c, 1) < 0 && errno == EINTR)
			;
	nftw(root, node_remove, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

static int keeper_start(struct doctor_report *report)
{
	int fds[2], status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	report->keeper = fork();
	if (report->keeper == 0)
		keeper_main(fds[1]);
	close(fds[1]);
	report->keeper_fd = fds[0];
	if (report->keeper < 0) {
		report->keeper = 0;
		return -errno;
	}
	if (recv(fds[0], report->root, sizeof(report->root), MSG_WAITALL) ==
	    sizeof(report->root))
		return 0;
	report->root[0] = '\0';
	while (waitpid(report->keeper, &status, 0) < 0 && errno == EINTR)
		;
	report->keeper = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status)
							: -EIO;
}

static int tree_make(struct doctor_report *report, json_t *json,
		     struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int rc = keeper_start(report);

	if (rc < 0)
		return err_sys(err, rc, "a temporary folder");
	fd = open(report->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "%s", report->root);
	return json_unpack_tree(fd, json, err);
}

int doctor_report_open(const char *path, struct err *err,
		       struct doctor_report **ret_report)
{
	struct doctor_report *report = calloc(1, sizeof(*report));
	CLEANUP_FREE char *text = NULL;
	json_t *json = NULL;
	size_t len = 0;
	int rc;

	if (!report)
		return err_sys(err, -ENOMEM, "%s", path);
	report->keeper_fd = -1;
	rc = file_load(path, err, &text, &len);
	if (rc == 0) {
		rc = report_load(text, len, err, &json);
		if (rc == 0)
			rc = tree_make(report, json, err);
		if (rc < 0)
			err_prefix(err, "%s", path);
	}
	if (rc == 0) {
		subject_read(report, json);
		report->request.root = report->root;
		report->request.replay = true;
		*ret_report = report;
	} else {
		doctor_report_close(report);
	}
	json_decref(json);
	return rc;
}

const struct doctor_request *
doctor_report_request(const struct doctor_report *report)
{
	return &report->request;
}

void doctor_report_close(struct doctor_report *report)
{
	if (!report)
		return;
	if (report->keeper_fd >= 0)
		close(report->keeper_fd);
	/* When this returns the folder is gone. */
	while (report->keeper && waitpid(report->keeper, NULL, 0) < 0 &&
	       errno == EINTR)
		;
	free(report->log);
	free(report);
}
