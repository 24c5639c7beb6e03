/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of what the variables' file holds after the process or the host went
 * down at any point of what firmware writes, when others wrote it since, and
 * when the host cannot write.
 *
 * The script is a variable that is appended and then a reclaim as edk2 does
 * it: copy to the spare blocks, note that in the working block, erase and
 * rewrite the first block, note that. `model` is what flash holds after the
 * first n commands.
 */
#include "flash_files.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "dev/firmware/flash_internal.h"

#define OPS_MAX	    1024u
#define HEADER_USED 0x5eu /* bytes of the headers that say what it is */
#define WAIT_S	    20
#define FOREVER_MS  1000000u

struct op {
	bool erase;
	uint32_t offset;
	uint8_t value;
};

struct script {
	struct op op[OPS_MAX];
	unsigned count;
	unsigned fatal; /* the command that erases the headers */
};

struct board {
	struct files files;
	struct script script;
	struct cells *cells;
	struct err err;
};

/* ---- system calls with faults ---- */

static struct {
	int write_errno; /* but of the mark */
	int sync_errno, rename_errno;
	int folder_errno; /* of all that changes the folder */
	int mark_errno;	  /* of writing the mark */
	unsigned renames;
	struct cells *meanwhile; /* are written when the file is flushed */
	/* To the file f, F when it is flushed; to the mark m, M. */
	char order[32];
	size_t calls;
} fault;

static int failing(int code)
{
	errno = code;
	return -1;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);

	return len >= tail && !strcmp(text + len - tail, end);
}

/* Is it the mark? */
static bool note_call(int fd, const char file_and_mark[2])
{
	char link[64], path[128] = "";
	bool mark;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	(void)!readlink(link, path, sizeof(path) - 1);
	mark = ends_with(path, "/vars.fd.open");
	if ((mark || ends_with(path, "/vars.fd")) &&
	    fault.calls < sizeof(fault.order) - 1)
		fault.order[fault.calls++] = file_and_mark[mark];
	return mark;
}

static void expect_order(const char *want)
{
	fault.order[fault.calls] = '\0';
	assert_string_equal(fault.order, want);
	fault.calls = 0;
}

ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t off)
{
	int code = note_call(fd, "fm") ? fault.mark_errno : fault.write_errno;

	return code ? failing(code) : __real_pwrite64(fd, buf, n, off);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	struct cells *meanwhile = fault.meanwhile;

	if (!note_call(fd, "FM") && meanwhile) {
		fault.meanwhile = NULL;
		assert_int_equal(cells_program(meanwhile, 0x400, 0, 1), 0);
	}
	return fault.sync_errno ? failing(fault.sync_errno)
				: __real_fdatasync(fd);
}

int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	int code = fault.folder_errno ? fault.folder_errno : fault.rename_errno;

	__atomic_add_fetch(&fault.renames, 1, __ATOMIC_SEQ_CST);
	return code ? failing(code) : __real_renameat(a, from, b, to);
}

int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags)
{
	return fault.folder_errno ? failing(fault.folder_errno)
				  : __real_unlinkat(dir, name, flags);
}

int __real_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *name, int flags, mode_t mode)
{
	if (fault.folder_errno && (flags & O_CREAT) &&
	    faccessat(dir, name, F_OK, 0))
		return failing(fault.folder_errno);
	return __real_openat64(dir, name, flags, mode);
}

/* ---- script ---- */

static void add(struct script *s, bool erase, uint32_t offset, uint8_t value)
{
	assert_true(s->count < OPS_MAX);
	s->op[s->count++] = (struct op){erase, offset, value};
}

static void add_bytes(struct script *s, uint32_t offset, const uint8_t *bytes,
		      size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		add(s, false, offset + (uint32_t)i, bytes[i]);
}

static void make_script(struct script *s)
{
	uint8_t fresh[VARS_BYTES];

	vars_make(fresh);
	add_bytes(s, VARS_HEADER, (const uint8_t *)"old variable", 12);
	add_bytes(s, VARS_HEADER + 12, (const uint8_t *)"new variable", 12);
	add(s, false, VARS_HEADER, 0); /* the old one is deleted */
	memcpy(fresh + VARS_HEADER, "new variable", 12);
	add(s, true, SPARE, 0);
	add_bytes(s, SPARE, fresh, VARS_HEADER + 12);
	add(s, false, WORKING + 0x20, 0xfd); /* spare complete */
	s->fatal = s->count;
	add(s, true, 0, 0);
	add_bytes(s, 0, fresh, VARS_HEADER + 12);
	add(s, false, WORKING + 0x20, 0xf9); /* destination complete */
}

/* Flash after the first n commands. */
static void model(const struct script *s, unsigned n, uint8_t out[VARS_BYTES])
{
	unsigned i;

	vars_make(out);
	for (i = 0; i < n; i++)
		if (s->op[i].erase)
			memset(out + s->op[i].offset, 0xff, 4096);
		else
			out[s->op[i].offset] &= s->op[i].value;
}

static bool has_headers(const uint8_t bytes[VARS_BYTES])
{
	uint8_t fresh[VARS_BYTES];

	vars_make(fresh);
	return !memcmp(bytes, fresh, HEADER_USED);
}

static void run(struct board *b, unsigned from, unsigned to)
{
	const struct op *op;
	int r;

	for (; from < to; from++) {
		op = &b->script.op[from];
		r = op->erase
			? cells_erase(b->cells, op->offset)
			: cells_program(b->cells, op->offset, op->value, 1);
		assert_int_equal(r, 0);
	}
}

/* ---- fixture ---- */

static int try_open(struct board *b, const char *boot, unsigned quiet_ms,
		    unsigned limit_ms)
{
	const struct cells_params params = {.path = b->files.vars,
					    .size = VARS_BYTES,
					    .room = VARS_BYTES,
					    .needed_by = "CODE.fd",
					    .boot_id = boot,
					    .quiet_ms = quiet_ms,
					    .limit_ms = limit_ms};

	return cells_open(&params, &b->err, &b->cells);
}

/* The worker does not come by itself. */
static void start(struct board *b, const char *boot)
{
	if (try_open(b, boot, FOREVER_MS, FOREVER_MS))
		fail_msg("%s", b->err.msg);
}

static void stop(struct board *b)
{
	cells_close(b->cells);
	b->cells = NULL;
}

static int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	memset(&fault, 0, sizeof(fault));
	files_create(&b->files);
	make_script(&b->script);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	memset(&fault, 0, sizeof(fault));
	stop(b);
	files_remove(&b->files);
	free(b);
	return 0;
}

/* A guest that dies with kill -9 after n commands, flushed after `synced`. */
static void killed_run(struct board *b, const char *boot, unsigned synced,
		       unsigned n)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		start(b, boot);
		run(b, 0, synced);
		if (synced && cells_sync(b->cells))
			_exit(1);
		run(b, synced, n);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void fresh_files(struct board *b)
{
	uint8_t bytes[VARS_BYTES];

	vars_make(bytes);
	file_put(b->files.vars, bytes, VARS_BYTES);
	unlink(b->files.backup);
	unlink(b->files.mark);
	unlink(b->files.torn);
}

/* What the next guest finds, and what is in the file. */
static void expect(struct board *b, const char *boot, const uint8_t *want,
		   unsigned n)
{
	uint8_t got[VARS_BYTES];

	start(b, boot);
	if (memcmp(cells_bytes(b->cells), want, VARS_BYTES))
		fail_msg("after %u commands the guest finds something else", n);
	file_get(b->files.vars, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
	file_get(b->files.backup, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
	assert_true(file_exists(b->files.mark));
	stop(b);
	assert_false(file_exists(b->files.mark));
}

/* ---- the process goes down ---- */

static void killed_after_each_command(void **state)
{
	uint8_t want[VARS_BYTES], now[VARS_BYTES];
	struct board *b = *state;
	unsigned n;

	for (n = 0; n <= b->script.count; n++) {
		fresh_files(b);
		killed_run(b, "A", 0, n);
		model(&b->script, n, want);
		file_get(b->files.vars, now, VARS_BYTES);
		assert_memory_equal(now, want, VARS_BYTES);
		/* Without headers: as it was when they went, for a retry. */
		if (!has_headers(want))
			model(&b->script, b->script.fatal, want);
		expect(b, "A", want, n);
	}
}

static void stopped_after_each_command(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;
	unsigned n;

	for (n = 0; n <= b->script.count; n++) {
		fresh_files(b);
		start(b, "A");
		run(b, 0, n);
		stop(b);
		assert_false(file_exists(b->files.mark));
		model(&b->script, n, want);
		if (!has_headers(want))
			model(&b->script, b->script.fatal, want);
		/* Also when the host has been started anew since. */
		expect(b, "B", want, n);
	}
}

/* ---- the host goes down ---- */

/* Of each of the three blocks that change, the old or the new contents. */
static void tear_file(struct board *b, unsigned synced, unsigned n,
		      unsigned which)
{
	static const uint32_t block[] = {0, WORKING, SPARE};
	uint8_t old[VARS_BYTES], torn[VARS_BYTES];
	unsigned i;

	model(&b->script, synced, old);
	model(&b->script, n, torn);
	for (i = 0; i < ARRAY_LEN(block); i++)
		if (which & BIT(i))
			memcpy(torn + block[i], old + block[i], 4096);
	file_put(b->files.vars, torn, VARS_BYTES);
}

/* The last state that was flushed, or saved before the headers went. */
static void model_kept(const struct script *s, unsigned synced, unsigned n,
		       uint8_t out[VARS_BYTES])
{
	model(s, synced, out);
	if (!has_headers(out) || (synced <= s->fatal && n > s->fatal))
		model(s, s->fatal, out);
}

static void torn_by_a_host_crash(void **state)
{
	struct board *b = *state;
	const struct script *s = &b->script;
	const unsigned at[] = {1,
			       30,
			       s->fatal - 1,
			       s->fatal,
			       s->fatal + 1,
			       s->fatal + 20,
			       s->count - 20,
			       s->count - 1,
			       s->count};
	uint8_t want[VARS_BYTES];
	unsigned i, k, which;

	for (i = 0; i < ARRAY_LEN(at); i++)
		for (k = i; k < ARRAY_LEN(at); k++)
			for (which = 0; which < 8; which++) {
				fresh_files(b);
				killed_run(b, "A", at[i], at[k]);
				tear_file(b, at[i], at[k], which);
				model_kept(s, at[i], at[k], want);
				expect(b, "B", want, at[k]);
			}
}

static void same_boot_trusts_the_file(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 5, 20);
	model(&b->script, 20, want);
	expect(b, "A", want, 20);
}

static void a_restore_that_was_cut_is_done_again(void **state)
{
	uint8_t want[VARS_BYTES], half[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 20, 20);
	model(&b->script, 20, want);
	memcpy(half, want, VARS_BYTES);
	memset(half + 4096, 0, 4096);
	file_put(b->files.vars, half, VARS_BYTES);
	file_put(b->files.mark, "restoring\n", 10);
	expect(b, "A", want, 20);
}

static void a_torn_mark_counts_as_a_crash(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 10, 20);
	file_put(b->files.mark, "", 0);
	model(&b->script, 10, want);
	expect(b, "A", want, 10);
}

static void a_crash_without_a_copy(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 0, 20);
	unlink(b->files.backup);
	model(&b->script, 20, want);
	expect(b, "B", want, 20);
}

/* A copy that is damaged, or of other firmware, is no copy. */
static void a_bad_copy_is_not_used(void **state)
{
	uint8_t bytes[VARS_BYTES], want[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 0, 20);
	model(&b->script, 20, want);
	memset(bytes, 0, sizeof(bytes));
	file_put(b->files.backup, bytes, VARS_BYTES);
	expect(b, "B", want, 20);
	file_put(b->files.mark, "C\n", 2);
	vars_make(bytes);
	file_put(b->files.backup, bytes, 4096);
	expect(b, "B", want, 20);
}

static void overwritten_while_no_guest_ran(void **state)
{
	uint8_t bytes[VARS_BYTES], want[VARS_BYTES];
	struct board *b = *state;

	start(b, "A");
	run(b, 0, 20);
	stop(b);
	model(&b->script, 20, want);
	/* Garbage at the start: what was last is brought back. */
	memset(bytes, 'x', sizeof(bytes));
	file_put(b->files.vars, bytes, VARS_BYTES);
	expect(b, "A", want, 20);
	/* Another good set: somebody meant it. */
	vars_make(bytes);
	file_put(b->files.vars, bytes, VARS_BYTES);
	expect(b, "A", bytes, 0);
}

/* ---- what others wrote since a guest was killed ---- */

static void expect_file(const char *path, const uint8_t want[VARS_BYTES])
{
	uint8_t got[VARS_BYTES];

	file_get(path, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
}

static void replaced_after_a_kill(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 20, 20);
	vars_make(want);
	want[0x300] = 0x55;
	file_put(b->files.vars, want, VARS_BYTES);
	expect(b, "B", want, 0);
	assert_false(file_exists(b->files.torn));
}

/* It writes the file only; its mark and copy are those of the killed one. */
static void stored_by_a_guest_without_a_copy(void **state)
{
	static const unsigned synced[] = {10, 20};
	uint8_t want[VARS_BYTES];
	struct board *b = *state;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(synced); i++) {
		fresh_files(b);
		killed_run(b, "A", synced[i], 20);
		fault.folder_errno = EACCES;
		start(b, "A");
		run(b, 20, 30);
		stop(b);
		fault.folder_errno = 0;
		assert_true(file_exists(b->files.mark));
		model(&b->script, 30, want);
		expect(b, "B", want, 30);
	}
}

/* Not even the mark can be changed: nobody can tell this from a torn file. */
static void what_the_copy_replaces_is_kept(void **state)
{
	uint8_t want[VARS_BYTES], newer[VARS_BYTES];
	struct board *b = *state;

	killed_run(b, "A", 10, 20);
	fault.folder_errno = fault.mark_errno = EACCES;
	start(b, "A");
	run(b, 20, 30);
	stop(b);
	fault.folder_errno = fault.mark_errno = 0;
	model(&b->script, 10, want);
	model(&b->script, 30, newer);
	expect(b, "B", want, 30);
	expect_file(b->files.torn, newer);
	/* A restore that is done again has nothing to keep. */
	file_put(b->files.mark, "restoring\n", 10);
	want[0x300] = 0x55;
	file_put(b->files.backup, want, VARS_BYTES);
	expect(b, "B", want, 30);
	expect_file(b->files.torn, newer);
}

/* Half a mark would speak against what is stored without one. */
static void stored_by_a_guest_without_a_mark(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;

	fault.mark_errno = ENOSPC;
	start(b, "A");
	assert_false(file_exists(b->files.mark));
	run(b, 0, 30);
	stop(b);
	fault.mark_errno = 0;
	model(&b->script, 30, want);
	expect(b, "B", want, 30);
}

static void a_mark_of_somebody_else_is_replaced(void **state)
{
	uint8_t want[VARS_BYTES];
	struct board *b = *state;

	vars_make(want);
	assert_int_equal(symlink("nowhere", b->files.mark), 0);
	start(b, "A");
	assert_true(file_exists(b->files.mark));
	stop(b);
	expect(b, "B", want, 0);
}

/* ---- when things are flushed ---- */

static void marked_before_the_first_write(void **state)
{
	struct board *b = *state;

	fault.calls = 0;
	start(b, "A");
	expect_order("FmM");
	run(b, 0, 2);
	expect_order("mMff");
	assert_int_equal(cells_sync(b->cells), 0);
	expect_order("FmM");
	run(b, 2, 3);
	expect_order("mMf");
	/* A write that failed may have been done in part. */
	assert_int_equal(cells_sync(b->cells), 0);
	fault.calls = 0;
	fault.write_errno = ENOSPC;
	assert_int_equal(cells_program(b->cells, 0x300, 0, 1), -ENOSPC);
	expect_order("mMf");
	fault.write_errno = 0;
	assert_int_equal(cells_sync(b->cells), 0);
	expect_order("FmM");
}

static void written_while_it_is_flushed(void **state)
{
	struct board *b = *state;

	start(b, "A");
	run(b, 0, 1);
	fault.calls = 0;
	fault.meanwhile = b->cells;
	assert_int_equal(cells_sync(b->cells), 0);
	expect_order("Ff");
	assert_int_equal(cells_sync(b->cells), 0);
	expect_order("FmM");
}

static void a_mark_that_fails_is_tried_again(void **state)
{
	struct board *b = *state;

	start(b, "A");
	fault.calls = 0;
	fault.mark_errno = EIO;
	run(b, 0, 1);
	expect_order("mf");
	fault.mark_errno = 0;
	run(b, 1, 3);
	expect_order("mMff");
}

static bool backup_has(struct board *b, uint32_t offset, uint8_t value)
{
	uint8_t bytes[VARS_BYTES];

	file_get(b->files.backup, bytes, VARS_BYTES);
	return bytes[offset] == value;
}

static void wait_for_backup(struct board *b, uint32_t offset, uint8_t value)
{
	time_t end = time(NULL) + WAIT_S;

	while (!backup_has(b, offset, value)) {
		assert_true(time(NULL) < end);
		(void)poll(NULL, 0, 1);
	}
}

static void the_copy_follows_when_it_is_quiet(void **state)
{
	struct board *b = *state;

	assert_int_equal(try_open(b, "A", 1, FOREVER_MS), 0);
	assert_int_equal(cells_program(b->cells, 0x300, 0x11, 1), 0);
	wait_for_backup(b, 0x300, 0x11);
	assert_int_equal(cells_program(b->cells, 0x301, 0x22, 1), 0);
	wait_for_backup(b, 0x301, 0x22);
}

static void the_copy_follows_when_it_never_is_quiet(void **state)
{
	struct board *b = *state;
	time_t end = time(NULL) + WAIT_S;
	uint32_t at = 0x300;

	assert_int_equal(try_open(b, "A", FOREVER_MS, 1), 0);
	do {
		assert_true(time(NULL) < end && at < WORKING);
		assert_int_equal(cells_program(b->cells, at++, 0x11, 1), 0);
		(void)poll(NULL, 0, 1);
	} while (!backup_has(b, 0x300, 0x11));
}

static void nothing_written_nothing_saved(void **state)
{
	struct board *b = *state;
	unsigned renames;

	start(b, "A");
	renames = fault.renames;
	assert_int_equal(renames, 1);
	/* Bits that are as they should be. */
	assert_int_equal(cells_program(b->cells, 0x300, 0xff, 1), 0);
	assert_int_equal(cells_erase(b->cells, SPARE), 0);
	assert_int_equal(cells_sync(b->cells), 0);
	stop(b);
	assert_int_equal(fault.renames, renames);
	start(b, "A");
	assert_int_equal(fault.renames, renames);
}

/* ---- the host cannot write ---- */

static void a_failed_write_changes_nothing(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES], got[VARS_BYTES];

	start(b, "A");
	vars_make(want);
	fault.write_errno = ENOSPC;
	assert_int_equal(cells_program(b->cells, 0x300, 0, 1), -ENOSPC);
	assert_int_equal(cells_erase(b->cells, 0), -ENOSPC);
	assert_memory_equal(cells_bytes(b->cells), want, VARS_BYTES);
	fault.write_errno = 0;
	file_get(b->files.vars, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
	assert_int_equal(cells_program(b->cells, 0x300, 0, 1), 0);
	stop(b);
	want[0x300] = 0;
	expect(b, "A", want, 1);
}

static void no_copy_can_be_made(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES], got[VARS_BYTES];

	fault.rename_errno = EROFS;
	start(b, "A");
	run(b, 0, 20);
	stop(b);
	assert_false(file_exists(b->files.backup));
	assert_false(file_exists(b->files.mark));
	model(&b->script, 20, want);
	file_get(b->files.vars, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
}

static void copies_fail_later(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES];

	start(b, "A");
	fault.rename_errno = ENOSPC;
	run(b, 0, 20);
	assert_int_equal(cells_sync(b->cells), -ENOSPC);
	stop(b);
	/* The file itself was flushed: the old copy must not win. */
	fault.rename_errno = 0;
	assert_false(file_exists(b->files.mark));
	model(&b->script, 20, want);
	expect(b, "B", want, 20);
}

static void the_medium_fails(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES];

	start(b, "A");
	run(b, 0, 20);
	fault.sync_errno = EIO;
	assert_int_equal(cells_sync(b->cells), -EIO);
	fault.sync_errno = 0;
	run(b, 20, 21);
	stop(b);
	/* Nobody knows what is on it: after a crash the copy counts. */
	assert_true(file_exists(b->files.mark));
	memset(want, 0, sizeof(want));
	file_put(b->files.vars, want, VARS_BYTES);
	model(&b->script, 21, want);
	expect(b, "B", want, 21);
}

static void a_folder_in_the_way_of_the_copy(void **state)
{
	struct board *b = *state;
	uint8_t want[VARS_BYTES], got[VARS_BYTES];
	char path[128];

	snprintf(path, sizeof(path), "%s.new", b->files.vars);
	assert_int_equal(mkdir(path, 0700), 0);
	start(b, "A");
	run(b, 0, 20);
	stop(b);
	model(&b->script, 20, want);
	file_get(b->files.vars, got, VARS_BYTES);
	assert_memory_equal(got, want, VARS_BYTES);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(killed_after_each_command),
	    TEST(stopped_after_each_command),
	    TEST(torn_by_a_host_crash),
	    TEST(same_boot_trusts_the_file),
	    TEST(a_restore_that_was_cut_is_done_again),
	    TEST(a_torn_mark_counts_as_a_crash),
	    TEST(a_crash_without_a_copy),
	    TEST(a_bad_copy_is_not_used),
	    TEST(overwritten_while_no_guest_ran),
	    TEST(replaced_after_a_kill),
	    TEST(stored_by_a_guest_without_a_copy),
	    TEST(what_the_copy_replaces_is_kept),
	    TEST(stored_by_a_guest_without_a_mark),
	    TEST(a_mark_of_somebody_else_is_replaced),
	    TEST(marked_before_the_first_write),
	    TEST(written_while_it_is_flushed),
	    TEST(a_mark_that_fails_is_tried_again),
	    TEST(the_copy_follows_when_it_is_quiet),
	    TEST(the_copy_follows_when_it_never_is_quiet),
	    TEST(nothing_written_nothing_saved),
	    TEST(a_failed_write_changes_nothing),
	    TEST(no_copy_can_be_made),
	    TEST(copies_fail_later),
	    TEST(the_medium_fails),
	    TEST(a_folder_in_the_way_of_the_copy),
	};

	/* Hundreds of restores, each with a line of its own. */
	log_init("byway", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
