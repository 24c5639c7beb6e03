/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The acts on a live system, on files: writes that succeed, fail, and hang (a
 * FIFO nobody reads). Nothing of this machine is touched.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fixture.h"

#define NVME	 "0000:01:00.0"
#define OVERRIDE SYS_DEVICES "/" NVME "/driver_override"

static struct hostpci *open_live(struct fixture *f)
{
	struct hostpci *host = NULL;
	struct err err = {0};

	if (hostpci_open(f->root, &err, &host) < 0)
		fail_msg("%s", err.msg);
	return host;
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	char text[64];

	fixture_plain(f);
	host = open_live(f);
	assert_int_equal(
	    host->kernel->write(host, OVERRIDE, "vfio-pci\n", 10000), 0);
	assert_int_equal(sysfs_text(host, text, sizeof(text), OVERRIDE), 0);
	assert_memory_equal(text, "vfio-pci", 8);
	assert_int_equal(host->kernel->write(host, "sys/none", "x", 10000),
			 -ENOENT);
	assert_int_equal(host->kernel->write(host, "sys", "x", 10000), -EISDIR);
	hostpci_close(host);
}

/* Deadline by the real clock; the wait itself is for an event. */
static void wait_unlocked(struct hostpci *host)
{
	uint64_t end = host->kernel->now_ns(host) + 30 * NS_PER_S;

	while (journal_locked(host, NVME)) {
		assert_true(host->kernel->now_ns(host) < end);
		host->kernel->pause(host);
	}
}

static void test_write_hangs(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host, *other;
	CLEANUP_CLOSE int fifo = -1;
	char path[PATH_MAX], text[64];
	struct err err = {0};

	fixture_plain(f);
	fixture_remove(f, SYS_DEVICES "/" NVME "/driver");
	fixture_file(f, OVERRIDE, "vfio-pci\n");
	snprintf(path, sizeof(path), "%s/sys/fifo", f->root);
	assert_int_equal(mkfifo(path, 0600), 0);
	host = open_live(f);
	assert_int_equal(journal_lock(host, fixture_find(host, NVME), &err), 0);
	assert_int_equal(host->kernel->write(host, "sys/fifo", "x", 50),
			 -ETIMEDOUT);
	/* The writer keeps the lock, and the attribute is left alone. */
	journal_unlock(host);
	assert_true(journal_locked(host, NVME));
	other = open_live(f);
	assert_string_equal(fixture_find(other, NVME)->driver_override, "");
	hostpci_close(other);
	/* Now the kernel lets go. */
	fifo = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fifo >= 0);
	assert_int_equal(read(fifo, text, sizeof(text)), 1);
	wait_unlocked(host);
	other = open_live(f);
	assert_string_equal(fixture_find(other, NVME)->driver_override,
			    "vfio-pci");
	hostpci_close(other);
	hostpci_close(host);
}

/* The writer must not keep a pipe open that somebody waits on. */
static void test_writer_closes(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	char path[PATH_MAX], text[4];
	int ends[2], fifo;
	struct err err = {0};

	fixture_plain(f);
	snprintf(path, sizeof(path), "%s/sys/fifo", f->root);
	assert_int_equal(mkfifo(path, 0600), 0);
	host = open_live(f);
	assert_int_equal(pipe2(ends, 0), 0);
	assert_int_equal(journal_lock(host, fixture_find(host, NVME), &err), 0);
	assert_int_equal(host->kernel->write(host, "sys/fifo", "x", 50),
			 -ETIMEDOUT);
	journal_unlock(host);
	assert_true(journal_locked(host, NVME));
	close(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	/* End of file as soon as the writer has closed its copy. */
	for (int i = 0; i < 1000; i++) {
		ssize_t n = read(ends[0], text, sizeof(text));

		if (n == 0)
			break;
		assert_int_equal(errno, EAGAIN);
		assert_true(i < 999);
		host->kernel->pause(host);
	}
	assert_true(journal_locked(host, NVME));
	fifo = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fifo, text, sizeof(text)), 1);
	wait_unlocked(host);
	close(fifo);
	close(ends[0]);
	hostpci_close(host);
}

/* Below another root than "/" nothing happens to this machine. */
static void test_fixture_is_safe(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	fixture_remove(f, SYS_DRIVERS "/" VFIO_PCI);
	host = open_live(f);
	assert_false(host->real);
	assert_int_equal(host->kernel->load(host, VFIO_PCI), -ENOTSUP);
	assert_int_equal(host->kernel->claim(host, "sda"), 0);
	assert_int_equal(
	    hostpci_reserve(host, fixture_find(host, NVME), 0, &err), -ENOENT);
	assert_text(err, "0000:01:00.0 (1/0/0): the kernel has no vfio-pci "
			 "driver and it cannot be loaded; 'modprobe vfio-pci' "
			 "says why");
	hostpci_close(host);
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_write),
	    TEST(test_write_hangs),
	    TEST(test_writer_closes),
	    TEST(test_fixture_is_safe),
	};

	return cmocka_run_group_tests_name("hostpci-kernel", tests, NULL, NULL);
}
