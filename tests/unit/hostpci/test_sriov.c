/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of making virtual functions (hostpci/sriov.c). */
#include "fixture.h"

#include <string.h>

#define PF "sys/bus/pci/devices/0000:01:00.0/"

static void prepare(struct fixture *f)
{
	fixture_plain(f);
	fixture_file(f, PF "sriov_totalvfs", "4\n");
	fixture_file(f, PF "sriov_numvfs", "0\n");
	fixture_file(f, PF "sriov_drivers_autoprobe", "1\n");
}

static int set(struct fixture *f, unsigned count, struct err *err)
{
	struct hostpci *host = fixture_open(f);
	int rc = hostpci_sriov_set(host, fixture_find(host, "0000:01:00.0"),
				   count, err);

	assert_int_equal(host->lock_fd, -1);
	hostpci_close(host);
	return rc;
}

static void expect_count(struct fixture *f, unsigned count)
{
	struct hostpci *host = fixture_open(f);
	const struct hostpci_dev *pf = fixture_find(host, "0000:01:00.0");
	struct hostpci_sriov sriov;
	unsigned number;

	hostpci_sriov(host, pf, &sriov);
	assert_int_equal(sriov.total, 4);
	assert_int_equal(sriov.count, count);
	for (unsigned n = 0; n < 4; n++) {
		const struct hostpci_dev *vf = hostpci_virtfn(host, pf, n);

		assert_true(!vf == (n >= count));
		if (!vf)
			continue;
		assert_ptr_equal(hostpci_physfn(host, vf, &number), pf);
		assert_int_equal(number, n);
		assert_string_equal(vf->driver, "");
	}
	hostpci_close(host);
}

static void test_make_and_remove(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	prepare(f);
	assert_int_equal(set(f, 2, &err), 0);
	/* No driver of the host may probe them while they are made. */
	assert_string_equal(f->log, PF "sriov_drivers_autoprobe=0\n" PF
				       "sriov_numvfs=2\n" PF
				       "sriov_drivers_autoprobe=1\n");
	expect_count(f, 2);
	f->log[0] = '\0';
	assert_int_equal(set(f, 2, &err), 0);
	assert_string_equal(f->log, "");
	/* Another number: all go first. */
	assert_int_equal(set(f, 4, &err), 0);
	assert_string_equal(
	    f->log, PF "sriov_drivers_autoprobe=0\n" PF "sriov_numvfs=0\n" PF
		       "sriov_numvfs=4\n" PF "sriov_drivers_autoprobe=1\n");
	expect_count(f, 4);
	assert_int_equal(set(f, 0, &err), 0);
	expect_count(f, 0);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	prepare(f);
	assert_int_equal(set(f, 5, &err), -EINVAL);
	assert_text(err, "0000:01:00.0 (1/0/0): can have 4 virtual functions "
			 "at most");
	fixture_file(f, PF "sriov_totalvfs", "0\n");
	assert_int_equal(set(f, 1, &err), -ENOTSUP);
	assert_text(err,
		    "0000:01:00.0 (1/0/0): cannot have virtual functions, "
		    "it has no SR-IOV or the firmware has switched it off");
	fixture_file(f, PF "sriov_totalvfs", "4\n");
	fixture_remove(f, PF "driver");
	assert_int_equal(set(f, 1, &err), -ENODEV);
	assert_text(err, "0000:01:00.0 (1/0/0): is without a driver, which is "
			 "what makes virtual functions; give it back to the "
			 "host");
	assert_string_equal(f->log, "");
}

/* What somebody uses is not taken away under him. */
static void test_used(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	prepare(f);
	assert_int_equal(set(f, 2, &err), 0);
	fixture_remove(f, SYS_DEVICES "/0000:01:00.2/driver_override");
	fixture_link(f, SYS_DEVICES "/0000:01:00.2/driver",
		     "../../bus/pci/drivers/vfio-pci");
	fixture_link(f, "proc/77/fd/9", "/dev/vfio/61");
	f->log[0] = '\0';
	assert_int_equal(set(f, 0, &err), -EBUSY);
	assert_text(err,
		    "0000:01:00.0 (1/0/0): its virtual function "
		    "0000:01:00.2 (1/0/2) is in use by a process (process 77)");
	assert_string_equal(f->log, "");
	fixture_remove(f, "proc/77");
	/* The host's: a disk of it is mounted. */
	fixture_link(f, SYS_DEVICES "/0000:01:00.1/driver",
		     "../../bus/pci/drivers/nvme");
	fixture_block(f, "nvme7n1",
		      "pci0000:00/0000:00:1c.0/0000:01:00.1/nvme/nvme7",
		      "259:7");
	fixture_file(f, "proc/self/mountinfo",
		     "40 1 259:7 / /srv rw - ext4 /dev/nvme7n1 rw\n");
	assert_int_equal(set(f, 0, &err), -EBUSY);
	assert_text(err, "0000:01:00.0 (1/0/0): the host is using its virtual "
			 "function 0000:01:00.1 (1/0/1): nvme7n1 is mounted on "
			 "/srv");
}

static void test_fails(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	prepare(f);
	f->make_fewer = true;
	assert_int_equal(set(f, 3, &err), -EIO);
	assert_text(err, "0000:01:00.0 (1/0/0): nvme does not make 3 virtual "
			 "functions ('dmesg' says more); it has 2 now: "
			 "Input/output error");
	f->make_fewer = false;
	f->deny = "/sriov_drivers_autoprobe";
	assert_int_equal(set(f, 0, &err), -EACCES);
	expect_count(f, 2);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_make_and_remove),
	    TEST(test_refused),
	    TEST(test_used),
	    TEST(test_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
