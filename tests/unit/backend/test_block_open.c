/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening disks: each refusal's sentence, and locks. */
#include "block_disk.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_missing(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	disk_refused(f, "", -ENOENT,
		     "%s: no such disk file; create one with"
		     " 'truncate -s 20G %s' or correct the path",
		     f->path, f->path);
	disk_refused(f, "ro", -ENOENT,
		     "%s: no such disk file; correct the path", f->path);
}

static void test_no_path(void **state)
{
	struct fixture *f = *state;
	struct block *block;

	assert_int_equal(block_open(f->root, &f->err, &block), -EINVAL);
	assert_string_equal(f->err.msg, "no disk file given; name one, such as"
					" /vm/guest/disk0.img");
}

static void test_directory(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	disk_refused(f, "", -EISDIR, "%s: a directory, not a disk file",
		     f->path);
	rmdir(f->path);
}

static void test_fifo(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	disk_refused(f, "", -EINVAL,
		     "%s: neither a regular file nor a block device", f->path);
}

static void test_not_writable(void **state)
{
	struct fixture *f = *state;

	fault.open_errno = EROFS;
	disk_refused(f, "", -EROFS,
		     "%s: cannot be opened for writing, use ro or"
		     " make it writable: Read-only file system",
		     f->path);
	fault.open_errno = EACCES;
	disk_refused(f, "ro", -EACCES,
		     "%s: cannot be opened, make it readable for"
		     " this user: Permission denied",
		     f->path);
}

static void test_host_uses_it(void **state)
{
	struct fixture *f = *state;

	fault.open_errno = EBUSY;
	disk_refused(f, "", -EBUSY,
		     "%s: the host uses this device (mounted, swap"
		     " or part of a volume); release it there first",
		     f->path);
}

static void test_no_direct(void **state)
{
	struct fixture *f = *state;

	fault.open_errno = EINVAL;
	disk_refused(f, "nocache", -EINVAL,
		     "%s: its file system cannot do nocache"
		     " (O_DIRECT); drop that option",
		     f->path);
}

static void test_empty_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, 0), 0);
	disk_refused(f, "", -EINVAL,
		     "%s: empty; give it a size, as with 'truncate"
		     " -s 20G %s'",
		     f->path, f->path);
	disk_refused(f, "ro", -EINVAL,
		     "%s: empty: there is nothing to read; name a file that"
		     " holds something",
		     f->path);
}

static void test_odd_size(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, 1000), 0);
	disk_refused(f, "", -EINVAL,
		     "%s: 1000 bytes are not a multiple of the"
		     " sector size 512; extend it with 'truncate -s %%512 %s'",
		     f->path, f->path);
	assert_int_equal(truncate(f->path, 1024), 0);
	disk_refused(
	    f, "sectorsize=4096", -EINVAL,
	    "%s: 1024 bytes are not a"
	    " multiple of the sector size 4096; extend it with 'truncate -s"
	    " %%4096 %s'",
	    f->path, f->path);
	/* An image that is only read is left as it is. */
	disk_refused(f, "ro,sectorsize=4096", -EINVAL,
		     "%s: 1024 bytes are not a multiple of the sector size"
		     " 4096; drop nocache or sectorsize",
		     f->path);
}

static void test_bad_sector_size(void **state)
{
	static const char *const bad[] = {"0", "1000", "512/1000", "4096/512",
					  "x", "512/", "131072"};
	struct fixture *f = *state;
	char option[64];
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(option, sizeof(option), "sectorsize=%s", bad[i]);
		disk_refused(
		    f, option, -EINVAL,
		    "%s: sectorsize=%s is not"
		    " LOGICAL[/PHYSICAL] in powers of two from 512 to 65536,"
		    " such as 512/4096",
		    f->path, bad[i]);
	}
}

static void test_bad_bool(void **state)
{
	struct fixture *f = *state;
	struct block *block;

	assert_int_equal(disk_try_open(f, "ro=maybe", &block), -EINVAL);
	assert_non_null(strstr(f->err.msg, "maybe"));
}

static void test_two_readers_one_writer(void **state)
{
	struct fixture *f = *state;
	struct block *second = NULL;

	disk_open(f, "ro");
	assert_int_equal(disk_try_open(f, "ro", &second), 0);
	block_close(second);
	disk_refused(f, "", -EBUSY,
		     "%s: in use; two guests writing to one disk"
		     " would destroy it: stop the other, or use ro in both",
		     f->path);
	block_close(f->block);
	f->block = NULL;
	disk_open(f, "");
	disk_refused(f, "ro", -EBUSY,
		     "%s: written to; stop that first, or use ro"
		     " there too",
		     f->path);
}

/* Another process that has the disk as byway has it. */
static pid_t owner_start(struct fixture *f)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2];
	pid_t child;
	char byte;
	int fd;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		/* Not left behind by a test that fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(f->path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0 &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void owner_end(pid_t owner)
{
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
}

static void refused_for(struct fixture *f, pid_t owner)
{
	disk_refused(
	    f, "", -EBUSY,
	    "%s: in use by process %d (test_block_open); two"
	    " guests writing to one disk would destroy it: stop the other, or"
	    " use ro in both",
	    f->path, (int)owner);
}

static void test_owner_is_named(void **state)
{
	struct fixture *f = *state;
	pid_t owner = owner_start(f);

	refused_for(f, owner);
	owner_end(owner);
	/* The lock died with its owner. */
	disk_open(f, "");
}

/* A block device is refused by the kernel, before there is a lock to ask. */
static void test_owner_of_device(void **state)
{
	struct fixture *f = *state;
	pid_t owner = owner_start(f);

	fault.open_errno = EBUSY;
	refused_for(f, owner);
	owner_end(owner);
	fault.open_errno = EBUSY;
	disk_refused(f, "", -EBUSY,
		     "%s: the host uses this device (mounted, swap"
		     " or part of a volume); release it there first",
		     f->path);
}

#define T(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_missing),	    T(test_no_path),
	    T(test_directory),	    T(test_fifo),
	    T(test_not_writable),   T(test_host_uses_it),
	    T(test_no_direct),	    T(test_empty_file),
	    T(test_odd_size),	    T(test_bad_sector_size),
	    T(test_bad_bool),	    T(test_two_readers_one_writer),
	    T(test_owner_is_named), T(test_owner_of_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
