/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the folder of a guest's user (vm/userdir.h), who is hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/mount.h>

#include "place_fixture.h"
#include "vm/firmware.h"
#include "vm/userdir.h"

#define USER_A 65534u
#define USER_B 65533u

static int setup(void **state)
{
	return fixture_setup(state);
}

/* Only root can give files away. */
static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("needs root\n");
	skip();
}

static void put(const struct fixture *f, const char *name, const char *text,
		uid_t owner)
{
	char path[256];

	snprintf(path, sizeof(path), "vms/demo/%s", name);
	fixture_file(f, path, text, strlen(text), (off_t)strlen(text));
	assert_int_equal(fchownat(f->guest.dirfd, name, owner, (gid_t)-1, 0),
			 0);
}

/* The file has this text and owner; NULL: there is none. */
static void expect_file(const struct fixture *f, const char *name,
			const char *text, uid_t owner)
{
	int fd = openat(f->guest.dirfd, name, O_RDONLY | O_NOFOLLOW);
	char have[64] = "";
	struct stat st;

	if (!text) {
		assert_int_equal(fd, -1);
		assert_int_equal(errno, ENOENT);
		return;
	}
	if (fd < 0)
		fail_msg("%s: %s", name, strerror(errno));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(read(fd, have, sizeof(have) - 1), strlen(text));
	assert_string_equal(have, text);
	assert_int_equal(st.st_uid, owner);
	close(fd);
}

static void settle(struct fixture *f, uid_t uid, bool moves)
{
	bool moved;

	if (userdir_settle(&f->guest, uid, &f->err, &moved) < 0)
		fail_msg("%s", f->err.msg);
	assert_int_equal(moved, moves);
}

static void refuse(struct fixture *f, uid_t uid, const char *sentence)
{
	bool moved;

	assert_true(userdir_settle(&f->guest, uid, &f->err, &moved) < 0);
	expect_err(f, sentence);
}

static void test_there_and_back(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	settle(f, geteuid(), false);
	need_root();
	put(f, "uefi-vars.fd", "vars", 0);
	put(f, "uefi-vars.fd.bak", "good", 0);
	put(f, "uefi-vars.fd.open", "boot", 0);
	put(f, "uefi-vars.fd.torn", "lost", 0);
	fixture_mkdir(f, "vms/demo/tpm");
	put(f, "tpm/tpm2-00.permall", "keys", 0);
	settle(f, USER_A, true);
	assert_int_equal(fstatat(f->guest.dirfd, "run_as", &st, 0), 0);
	assert_int_equal(st.st_uid, USER_A);
	assert_int_equal(st.st_mode & 07777, 0700);
	expect_file(f, "run_as/uefi-vars.fd", "vars", USER_A);
	expect_file(f, "run_as/uefi-vars.fd.bak", "good", USER_A);
	expect_file(f, "run_as/uefi-vars.fd.open", "boot", USER_A);
	expect_file(f, "run_as/uefi-vars.fd.torn", "lost", USER_A);
	expect_file(f, "run_as/tpm2-00.permall", "keys", USER_A);
	expect_file(f, "uefi-vars.fd", NULL, 0);
	expect_file(f, "uefi-vars.fd.bak", NULL, 0);
	expect_file(f, "tpm/tpm2-00.permall", NULL, 0);
	/* What the user writes stays. */
	put(f, "run_as/uefi-vars.fd", "more", USER_A);
	assert_int_equal(
	    unlinkat(f->guest.dirfd, "run_as/uefi-vars.fd.open", 0), 0);
	settle(f, USER_A, false);
	/* An old mark does not outlast the variables it was about. */
	put(f, "uefi-vars.fd.open", "long ago", 0);
	settle(f, 0, true);
	expect_file(f, "uefi-vars.fd", "more", 0);
	expect_file(f, "uefi-vars.fd.bak", "good", 0);
	expect_file(f, "uefi-vars.fd.open", NULL, 0);
	expect_file(f, "uefi-vars.fd.torn", "lost", 0);
	expect_file(f, "tpm/tpm2-00.permall", "keys", 0);
	assert_int_equal(faccessat(f->guest.dirfd, "run_as", F_OK, 0), -1);
	settle(f, 0, false);
}

static void test_other_user(void **state)
{
	struct fixture *f = *state;

	need_root();
	settle(f, USER_A, true);
	put(f, "run_as/uefi-vars.fd", "a's", USER_A);
	settle(f, USER_B, true);
	expect_file(f, "run_as/uefi-vars.fd", "a's", USER_B);
	expect_file(f, "uefi-vars.fd", NULL, 0);
	put(f, "run_as/own", "b's", USER_B);
	refuse(f, USER_A,
	       "TMP/vms/demo/run_as: user 65533, whom the guest ran as before, "
	       "has other files there; look at them and remove the folder");
	/* They do not keep root from it, and nothing was lost. */
	settle(f, 0, true);
	expect_file(f, "uefi-vars.fd", "a's", 0);
	expect_file(f, "run_as/own", "b's", USER_B);
}

/* Every moment at which the host may go down. */
static void test_broken_off(void **state)
{
	struct fixture *f = *state;

	need_root();
	put(f, "uefi-vars.fd", "vars", 0);
	fixture_mkdir(f, "vms/demo/run_as.new");
	put(f, "run_as.new/uefi-vars.fd.copy", "va", 0);
	put(f, "run_as.new/uefi-vars.fd.bak", "old", 0);
	assert_int_equal(
	    unlinkat(f->guest.dirfd, "run_as.new/uefi-vars.fd.copy", 0), 0);
	settle(f, USER_A, true);
	expect_file(f, "run_as/uefi-vars.fd", "vars", USER_A);
	expect_file(f, "run_as/uefi-vars.fd.bak", NULL, 0);
	/* In its place, but not given away. */
	assert_int_equal(fchownat(f->guest.dirfd, "run_as", 0, (gid_t)-1, 0),
			 0);
	put(f, "uefi-vars.fd", "stale", 0);
	settle(f, USER_A, true);
	expect_file(f, "run_as/uefi-vars.fd", "vars", USER_A);
	expect_file(f, "uefi-vars.fd", NULL, 0);
	/* Copied back, but not gone. */
	put(f, "uefi-vars.fd", "vars", 0);
	settle(f, 0, true);
	expect_file(f, "uefi-vars.fd", "vars", 0);
}

static void test_hostile_files(void **state)
{
	static const char sentence[] =
	    "TMP/vms/demo/run_as/uefi-vars.fd: not a regular file of its "
	    "folder's owner, so it is not used; remove it to begin with a "
	    "fresh one";
	struct fixture *f = *state;
	const int dir = f->guest.dirfd;
	const char *name = "run_as/uefi-vars.fd";

	need_root();
	put(f, "secret", "root's", 0);
	settle(f, USER_A, true);
	assert_int_equal(symlinkat("../secret", dir, name), 0);
	refuse(f, 0, sentence);
	assert_int_equal(unlinkat(dir, name, 0), 0);
	/* Opening it would wait for a writer. */
	assert_int_equal(mkfifoat(dir, name, 0600), 0);
	assert_int_equal(fchownat(dir, name, USER_A, (gid_t)-1, 0), 0);
	refuse(f, 0, sentence);
	refuse(f, USER_B, sentence);
	assert_int_equal(unlinkat(dir, name, 0), 0);
	assert_int_equal(linkat(dir, "secret", dir, name, 0), 0);
	refuse(f, 0, sentence);
	assert_int_equal(unlinkat(dir, name, 0), 0);
	assert_int_equal(mkdirat(dir, name, 0700), 0);
	assert_int_equal(fchownat(dir, name, USER_A, (gid_t)-1, 0), 0);
	refuse(f, 0, sentence);
	assert_int_equal(unlinkat(dir, name, AT_REMOVEDIR), 0);
	fixture_file(f, "vms/demo/run_as/uefi-vars.fd", "", 0,
		     (off_t)FIRMWARE_MAX + 1);
	assert_int_equal(fchownat(dir, name, USER_A, (gid_t)-1, 0), 0);
	refuse(f, 0,
	       "TMP/vms/demo/run_as/uefi-vars.fd: too large to be what its "
	       "name says; remove it to begin with a fresh one");
	expect_file(f, "uefi-vars.fd", NULL, 0);
	expect_file(f, "secret", "root's", 0);
}

/* The folder's own name is in a folder of root's, but may be an accident. */
static void test_folder_is_none(void **state)
{
	struct fixture *f = *state;

	need_root();
	fixture_mkdir(f, "elsewhere");
	assert_int_equal(symlinkat("../../elsewhere", f->guest.dirfd, "run_as"),
			 0);
	refuse(f, USER_A, "TMP/vms/demo/run_as: Not a directory");
	assert_true(userdir_open(&f->guest) < 0);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	const int dir = f->guest.dirfd;
	char path[512] = "run_as";

	need_root();
	put(f, "secret", "root's", 0);
	settle(f, USER_A, true);
	put(f, "run_as/uefi-vars.fd", "vars", USER_A);
	assert_int_equal(symlinkat("..", dir, "run_as/up"), 0);
	assert_int_equal(symlinkat("../secret", dir, "run_as/link"), 0);
	assert_int_equal(linkat(dir, "secret", dir, "run_as/hard", 0), 0);
	assert_int_equal(mkfifoat(dir, "run_as/pipe", 0), 0);
	for (unsigned depth = 0; depth < 20; depth++) {
		strcat(path, "/down");
		assert_int_equal(mkdirat(dir, path, 0), 0);
		assert_int_equal(fchownat(dir, path, USER_A, (gid_t)-1, 0), 0);
	}
	if (userdir_remove(&f->guest, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	assert_int_equal(faccessat(dir, "run_as", F_OK, 0), -1);
	expect_file(f, "secret", "root's", 0);
	/* There need be none. */
	assert_int_equal(userdir_remove(&f->guest, &f->err), 0);
}

/* New variables in the user's folder, which has traps under their names. */
static void test_vars_made(void **state)
{
	struct fixture *f = *state;
	const int dir = f->guest.dirfd;
	struct firmware fw;
	struct stat st;
	bool made;

	need_root();
	fixture_file(f, "share/OVMF/OVMF_CODE_4M.fd", "", 0, 3653632);
	fixture_file(f, "share/OVMF/OVMF_VARS_4M.fd", "4M", 2, 540672);
	fixture_conf(f, "loader=uefi\nuefi_vars=yes\nrun_as=nobody\n");
	put(f, "secret", "root's", 0);
	settle(f, USER_A, true);
	assert_int_equal(symlinkat("../secret", dir, "run_as/uefi-vars.fd.new"),
			 0);
	if (firmware_find(&f->place, &f->guest, f->conf, &f->err, &fw) < 0)
		fail_msg("%s", f->err.msg);
	assert_true(fw.users);
	if (firmware_make_vars(&f->guest, &fw, &f->err, &made) < 0)
		fail_msg("%s", f->err.msg);
	assert_true(made);
	expect_file(f, "secret", "root's", 0);
	assert_int_equal(
	    fstatat(dir, "run_as/uefi-vars.fd", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_uid, USER_A);
	assert_int_equal(st.st_size, 540672);
	assert_int_equal(firmware_make_vars(&f->guest, &fw, &f->err, &made), 0);
	assert_false(made);
	/* A link to something of the right size is none the less a link. */
	assert_int_equal(unlinkat(dir, "run_as/uefi-vars.fd", 0), 0);
	assert_int_equal(symlinkat("../../../share/OVMF/OVMF_VARS_4M.fd", dir,
				   "run_as/uefi-vars.fd"),
			 0);
	assert_true(firmware_find(&f->place, &f->guest, f->conf, &f->err, &fw) <
		    0);
	expect_err(f, "TMP/vms/demo/run_as/uefi-vars.fd: not a regular file");
}

/* A user may mount what he answers for on his files; here it is a tmpfs. */
static void test_mounted(void **state)
{
	struct fixture *f = *state;
	struct firmware fw;
	char path[PATH_MAX + 32];
	bool moved;

	need_root();
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("may not mount\n");
		skip();
	}
	/* What is open is still without those mounts. */
	close(f->guest.dirfd);
	f->guest.dirfd = open(f->guest.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture_file(f, "share/OVMF/OVMF_CODE_4M.fd", "", 0, 3653632);
	fixture_file(f, "share/OVMF/OVMF_VARS_4M.fd", "4M", 2, 540672);
	fixture_conf(f, "loader=uefi\nuefi_vars=yes\nrun_as=nobody\n");
	settle(f, USER_A, true);
	put(f, "run_as/uefi-vars.fd", "vars", USER_A);
	snprintf(path, sizeof(path), "%s/run_as/uefi-vars.fd", f->guest.dir);
	assert_int_equal(mount("/proc/version", path, NULL, MS_BIND, NULL), 0);
	refuse(f, 0,
	       "TMP/vms/demo/run_as/uefi-vars.fd: not a regular file of its "
	       "folder's owner, so it is not used; remove it to begin with a "
	       "fresh one");
	assert_true(firmware_find(&f->place, &f->guest, f->conf, &f->err, &fw) <
		    0);
	expect_err(f, "TMP/vms/demo/run_as/uefi-vars.fd: not a regular file");
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	snprintf(path, sizeof(path), "%s/run_as", f->guest.dir);
	assert_int_equal(mount("none", path, "tmpfs", 0, NULL), 0);
	assert_int_equal(userdir_settle(&f->guest, 0, &f->err, &moved), -EXDEV);
	assert_int_equal(userdir_remove(&f->guest, &f->err), -EXDEV);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	expect_file(f, "run_as/uefi-vars.fd", "vars", USER_A);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_there_and_back), T(test_other_user),	    T(test_broken_off),
	    T(test_hostile_files),  T(test_folder_is_none), T(test_remove),
	    T(test_vars_made),	    T(test_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
