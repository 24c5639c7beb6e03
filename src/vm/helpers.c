/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helper programs of a guest; the contract is helpers.h.
 *
 * Theory of operation
 *
 * A helper is down, starting or up; helpers_start() has all of them started
 * that are down and calls `ready` when none is left that is not up.
 *
 * swtpm need not be waited for: its socket is made here and listens already, so
 * byway's connection waits until swtpm takes it, or breaks when swtpm ends. The
 * storage daemon handles its options in order, the last of which is a monitor
 * on its standard output, so the monitor's greeting comes after the export is
 * mounted.
 *
 * Both get SIGTERM when the supervisor dies (PR_SET_PDEATHSIG): the storage
 * daemon then writes out what it holds. A mount whose daemon was killed is
 * taken away by whoever finds it.
 */
#include "vm/helpers.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "vm/conserver.h"
#include "vm/tool.h"
#include "vm/userdir.h"

/* A storage daemon may have much to write out. */
#define DISK_WAIT_MS 60000u
#define TPM_WAIT_MS  2000u
#define KILL_WAIT_MS 5000u

enum helper_state {
	HELPER_DOWN,
	HELPER_STARTING,
	HELPER_UP,
};

struct helper {
	struct helpers *helpers;
	char name[48]; /* "swtpm", "disk0: qemu-storage-daemon" */
	char file[24]; /* in the guest's directory: socket or mount */
	bool is_disk;
	struct words argv;
	char path[PATH_MAX]; /* argv[0], resolved */
	enum helper_state state;
	struct child child;
	struct lines lines;
	char last[LINES_MAX];
	pid_t parent;
};

void helpers_init(struct helpers *helpers, struct evloop *loop,
		  const struct guest *guest, const struct runas *user,
		  const struct helpers_ops *ops, void *ctx)
{
	*helpers = (struct helpers){
	    .loop = loop, .guest = guest, .user = user, .ops = ops, .ctx = ctx};
}

void helpers_tpm_argv(const char *state, struct words *argv)
{
	words_split(argv, "swtpm socket --tpm2 --tpmstate");
	/* Below the guest's directory, where it runs. */
	words_add(argv, "dir=%s,mode=0600", state);
	words_add(argv, "--ctrl");
	words_add(argv, "type=unixio,fd=%d", CHILD_PASS_FD);
}

void helpers_disk_argv(const struct disk *disk, const char *opts, bool shared,
		       struct words *argv)
{
	bool device = strncmp(disk->path, "/dev/", 5) == 0;
	const char *direct =
	    disk_has_option(opts, "nocache") ? ",cache.direct=on" : "";
	const char *discard =
	    disk_has_option(opts, "nodelete") ? "ignore" : "unmap";
	const char *ro = disk->readonly ? ",read-only=on" : "";

	words_add(argv, "qemu-storage-daemon");
	words_add(argv, "--blockdev");
	words_add(argv, "driver=%s,node-name=file,filename=%s,discard=%s%s%s",
		  device ? "host_device" : "file", disk->path, discard, direct,
		  ro);
	words_add(argv, "--blockdev");
	words_add(argv, "driver=%s,node-name=disk,file=file,discard=%s%s%s",
		  image_name(disk->format), discard, direct, ro);
	words_add(argv, "--export");
	words_add(
	    argv,
	    "type=fuse,id=disk,node-name=disk,mountpoint=%s,writable=%s%s",
	    disk->attach, disk->readonly ? "off" : "on",
	    shared ? ",allow-other=on" : "");
	/* Last: its greeting tells that all before is done. */
	words_split(argv, "--chardev stdio,id=monitor --monitor monitor");
}

static bool helpers_are_up(const struct helpers *helpers)
{
	for (size_t i = 0; i < helpers->count; i++)
		if (helpers->item[i]->state != HELPER_UP)
			return false;
	return true;
}

/* Is that all that was waited for? */
static void helpers_check(struct helpers *helpers)
{
	if (!helpers->starting || !helpers_are_up(helpers))
		return;
	helpers->starting = false;
	helpers->ops->ready(helpers->ctx);
}

/* Does the line begin with the program's name? */
static bool line_is_named(const struct helper *helper, const char *line)
{
	const char *program = helper->argv.word[0];
	size_t len = strlen(program);

	return strncmp(line, program, len) == 0 &&
	       strncmp(line + len, ": ", 2) == 0;
}

/*
 * Its last message; at the start that is a line with its name, and those that
 * explain it.
 */
static void words_keep(struct helper *helper, const char *line)
{
	size_t len = strlen(helper->last);

	if (len == 0 || helper->state != HELPER_STARTING ||
	    line_is_named(helper, line))
		snprintf(helper->last, sizeof(helper->last), "%s", line);
	else
		snprintf(helper->last + len, sizeof(helper->last) - len, "; %s",
			 line);
	for (char *p = helper->last; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

/* The export is mounted: byway's user may open it. */
static void helper_is_up(struct helper *helper)
{
	struct helpers *helpers = helper->helpers;
	char path[PATH_MAX + 32];
	struct err err = {0};

	snprintf(path, sizeof(path), "%s/%s", helpers->guest->dir,
		 helper->file);
	if (runas_give(helpers->user, path, &err) < 0) {
		helpers->starting = false;
		helpers->ops->failed(helpers->ctx, err.msg);
		return;
	}
	helper->state = HELPER_UP;
	helpers_check(helpers);
}

static void helper_line(void *ctx, const char *line)
{
	struct helper *helper = ctx;
	struct helpers *helpers = helper->helpers;

	if (strstr(line, "\"QMP\"") && helper->state == HELPER_STARTING) {
		helper_is_up(helper);
		return;
	}
	helpers->ops->output(helpers->ctx, line, strlen(line));
	helpers->ops->output(helpers->ctx, "\n", 1);
	if (line[strspn(line, " \t\r")])
		words_keep(helper, line);
}

static void helper_output(void *ctx, const void *data, size_t len)
{
	struct helper *helper = ctx;

	lines_feed(&helper->lines, data, len, helper_line, helper);
}

/* Its last message without its name and the option that is meant. */
static const char *words_strip(const struct helper *helper)
{
	const char *last = helper->last;

	if (line_is_named(helper, last))
		last += strlen(helper->argv.word[0]) + 2;
	if (strncmp(last, "--", 2) == 0 && strstr(last, ": "))
		last = strstr(last, ": ") + 2;
	return last;
}

/* A file system of its own there, dead or alive, is the daemon's export. */
static void export_unmount(const char *path)
{
	struct statfs st;

	/* A daemon that was killed leaves a mount that answers ENOTCONN. */
	if (statfs(path, &st) < 0 && errno != ENOTCONN)
		return;
	(void)!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/* What it made in the guest's directory. */
static void helper_clear(const struct helper *helper)
{
	const struct guest *guest = helper->helpers->guest;
	char path[PATH_MAX + 32];

	if (helper->is_disk) {
		snprintf(path, sizeof(path), "%s/%s", guest->dir, helper->file);
		export_unmount(path);
	}
	unlinkat(guest->dirfd, helper->file, 0);
}

static void helper_exited(void *ctx, int status, bool signaled)
{
	struct helper *helper = ctx;
	struct helpers *helpers = helper->helpers;
	enum helper_state was = helper->state;
	char text[LINES_MAX + 128];

	lines_end(&helper->lines, helper_line, helper);
	helper->state = HELPER_DOWN;
	helper_clear(helper);
	if (helper->last[0])
		snprintf(text, sizeof(text), "%s: %s", helper->name,
			 words_strip(helper));
	else
		snprintf(text, sizeof(text), "%s: %s %d", helper->name,
			 signaled ? "was killed by signal"
				  : "ended with status",
			 signaled ? status - 128 : status);
	if (was == HELPER_UP) {
		helpers->ops->lost(helpers->ctx, text);
		return;
	}
	if (helpers->starting) {
		helpers->starting = false;
		helpers->ops->failed(helpers->ctx, text);
	}
}

/* In the child: nobody is left to end it when the supervisor is gone. */
static int helper_prepare(void *ctx)
{
	struct helper *helper = ctx;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -1;
	return getppid() == helper->parent ? 0 : -1;
}

/* Becoming another user takes the wish of helper_prepare() back. */
static int helper_drop(void *ctx, struct err *err)
{
	struct helper *helper = ctx;
	const struct runas *user = helper->helpers->user;
	int rc;

	if (helper->is_disk || !user->on)
		return 0;
	rc = runas_become(user, err);
	if (rc == 0 && helper_prepare(helper) != 0)
		rc = err_set(err, -ESRCH, "swtpm: the supervisor is gone");
	return rc;
}

static const struct child_ops helper_ops = {
    .output = helper_output,
    .exited = helper_exited,
    .prepare = helper_prepare,
    .drop = helper_drop,
};

/* A file to mount over. */
static int export_prepare(const struct helper *helper, struct err *err)
{
	const struct guest *guest = helper->helpers->guest;
	CLEANUP_CLOSE int fd =
	    openat(guest->dirfd, helper->file,
		   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, -errno, "%s/%s", guest->dir, helper->file)
		      : 0;
}

/* A folder for the state, and the socket as swtpm is given it. */
static int tpm_prepare(const struct helper *helper, struct err *err,
		       int *ret_fd)
{
	const struct guest *guest = helper->helpers->guest;
	const struct runas *user = helper->helpers->user;
	CLEANUP_CLOSE int fd = -1;
	struct sockaddr_un addr;
	mode_t old;
	int rc;

	if (!user->on && mkdirat(guest->dirfd, HELPERS_TPM_STATE, 0700) < 0 &&
	    errno != EEXIST)
		return err_sys(err, -errno, "%s/" HELPERS_TPM_STATE,
			       guest->dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, -errno, "swtpm: socket");
	console_address(guest->dirfd, "tpm", &addr);
	old = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	rc = rc < 0 || listen(fd, 1) < 0 ? -errno : 0;
	umask(old);
	if (rc == 0 && user->on &&
	    fchownat(guest->dirfd, HELPERS_TPM_SOCKET, user->uid, (gid_t)-1,
		     AT_SYMLINK_NOFOLLOW) < 0)
		rc = -errno;
	if (rc < 0)
		return err_sys(err, rc, "%s/" HELPERS_TPM_SOCKET, guest->dir);
	*ret_fd = take_fd(fd);
	return 0;
}

static void helper_begin(struct helper *helper)
{
	struct helpers *helpers = helper->helpers;
	struct child_spec spec = {
	    .argv = helper->argv.word,
	    .cwd_fd = helpers->guest->dirfd,
	    .pass_fd = -1,
	};
	char *name = helper->argv.word[0];
	struct err err = {0};
	int rc;

	helper_clear(helper);
	rc = helper->is_disk ? export_prepare(helper, &err)
			     : tpm_prepare(helper, &err, &spec.pass_fd);
	helper->lines = (struct lines){0};
	helper->last[0] = '\0';
	helper->parent = getpid();
	/* child_start() takes the program's path for argv[0]. */
	helper->argv.word[0] = helper->path;
	if (rc == 0)
		rc = child_start(&helper->child, &spec, &helper_ops, helper,
				 &err);
	helper->argv.word[0] = name;
	/* Ours is closed: with swtpm gone byway's connection shall break. */
	if (spec.pass_fd >= 0)
		close(spec.pass_fd);
	if (rc == 0) {
		helper->state = helper->is_disk ? HELPER_STARTING : HELPER_UP;
		return;
	}
	helpers->starting = false;
	helpers->ops->failed(helpers->ctx, err.msg);
}

void helpers_start(struct helpers *helpers)
{
	helpers->starting = true;
	for (size_t i = 0; i < helpers->count && helpers->starting; i++)
		if (helpers->item[i]->state == HELPER_DOWN)
			helper_begin(helpers->item[i]);
	helpers_check(helpers);
}

static int helper_add(struct helpers *helpers, const char *program,
		      struct err *err, struct helper **ret_helper)
{
	struct helper *helper = calloc(1, sizeof(*helper));

	if (!helper)
		return err_set(err, -ENOMEM, "out of memory");
	helper->helpers = helpers;
	child_init(&helper->child, helpers->loop);
	helpers->item[helpers->count++] = helper;
	*ret_helper = helper;
	if (tool_find(program, helper->path, sizeof(helper->path)) < 0)
		return err_set(err, -ENOENT, "%s: not installed", program);
	return 0;
}

static int disk_add(struct helpers *helpers, const struct disk *disk,
		    const char *opts, struct err *err)
{
	struct helper *helper;
	int rc = helper_add(helpers, "qemu-storage-daemon", err, &helper);

	if (rc < 0)
		return rc;
	helper->is_disk = true;
	snprintf(helper->name, sizeof(helper->name),
		 "disk%u: qemu-storage-daemon", disk->n);
	snprintf(helper->file, sizeof(helper->file), "disk%u.export", disk->n);
	helpers_disk_argv(disk, opts, helpers->user->on, &helper->argv);
	return words_check(&helper->argv, err);
}

int helpers_plan(struct helpers *helpers, const struct place *place,
		 const struct conf *conf, struct err *err)
{
	struct helper *helper;
	int rc = 0;

	for (unsigned n = 0; rc == 0 && conf_member(conf, "disk%u_type", n);
	     n++) {
		struct disk disk;

		rc = disk_locate(place, helpers->guest, conf, n, err, &disk);
		if (rc == 0)
			rc = disk_find_format(helpers->guest, conf, err, &disk);
		if (rc == 0 && disk.format != IMAGE_RAW)
			rc = disk_add(helpers, &disk,
				      conf_get(conf, "disk%u_opts", n), err);
	}
	if (rc < 0 || !conf_bool(conf, "tpm", false))
		return rc;
	rc = helper_add(helpers, "swtpm", err, &helper);
	if (rc < 0)
		return rc;
	strcpy(helper->name, "swtpm");
	strcpy(helper->file, HELPERS_TPM_SOCKET);
	helpers_tpm_argv(helpers->user->on ? USERDIR_NAME : HELPERS_TPM_STATE,
			 &helper->argv);
	return words_check(&helper->argv, err);
}

/* At the end there is no loop any more: waits for the process itself. */
static void helper_destroy(struct helper *helper)
{
	struct pollfd pfd = {.fd = helper->child.pidfd, .events = POLLIN};
	unsigned wait = helper->is_disk ? DISK_WAIT_MS : TPM_WAIT_MS;

	if (pfd.fd >= 0 && poll(&pfd, 1, (int)wait) == 0) {
		child_signal(&helper->child, SIGKILL);
		(void)poll(&pfd, 1, (int)KILL_WAIT_MS);
	}
	if (helper->child.id.pid > 0)
		(void)!waitpid(helper->child.id.pid, NULL, WNOHANG);
	child_destroy(&helper->child);
	helper_clear(helper);
	words_free(&helper->argv);
	free(helper);
}

void helpers_destroy(struct helpers *helpers)
{
	for (size_t i = 0; i < helpers->count; i++)
		child_signal(&helpers->item[i]->child, SIGTERM);
	for (size_t i = 0; i < helpers->count; i++)
		helper_destroy(helpers->item[i]);
	helpers->count = 0;
	helpers->starting = false;
}

void helpers_remove_left(const struct guest *guest)
{
	unlinkat(guest->dirfd, HELPERS_TPM_SOCKET, 0);
	for (unsigned n = 0; n < DISKS_MAX; n++) {
		char path[PATH_MAX + 32];
		const char *name;

		snprintf(path, sizeof(path), "%s/disk%u.export", guest->dir, n);
		name = strrchr(path, '/') + 1;
		if (faccessat(guest->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) <
			0 &&
		    errno == ENOENT)
			continue;
		export_unmount(path);
		unlinkat(guest->dirfd, name, 0);
	}
}
