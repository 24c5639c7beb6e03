/* SPDX-License-Identifier: BSD-2-Clause */
/* Reserving and releasing, with the kernel's part played by the fixture. */
#include <string.h>

#include "fixture.h"

#define OVERRIDE(bdf) SYS_DEVICES "/" bdf "/driver_override"
#define UNBIND(bdf)   SYS_DEVICES "/" bdf "/driver/unbind"
#define JOURNAL(bdf)  "run/byway/pci/" bdf
#define NVME	      "0000:01:00.0"

static void driver_is(struct fixture *f, const char *bdf, const char *driver,
		      const char *override)
{
	struct hostpci *host = fixture_open(f);
	const struct hostpci_dev *dev = fixture_find(host, bdf);

	assert_string_equal(dev->driver, driver);
	assert_string_equal(dev->driver_override, override);
	hostpci_close(host);
}

static void file_is(struct fixture *f, const char *path, const char *text)
{
	struct hostpci *host = fixture_open(f);
	char buf[512];

	assert_int_equal(sysfs_text(host, buf, sizeof(buf), "%s", path), 0);
	assert_string_equal(buf, text);
	hostpci_close(host);
}

static void reserve_says(struct fixture *f, const char *addr, unsigned flags,
			 int code, const char *text)
{
	struct hostpci *host = fixture_open(f);
	struct err err = {0};

	f->log[0] = '\0';
	assert_int_equal(
	    hostpci_reserve(host, fixture_find(host, addr), flags, &err), code);
	assert_text(err, text);
	assert_int_equal(host->lock_fd, -1);
	hostpci_close(host);
}

static void release_says(struct fixture *f, const char *addr, int code,
			 const char *text)
{
	struct hostpci *host = fixture_open(f);
	struct err err = {0};

	f->log[0] = '\0';
	assert_int_equal(hostpci_release(host, fixture_find(host, addr), &err),
			 code);
	assert_text(err, text);
	assert_int_equal(host->lock_fd, -1);
	hostpci_close(host);
}

static void test_reserve_release(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev;
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	host = fixture_open(f);
	dev = fixture_find(host, "1/0/0");
	assert_int_equal(hostpci_usable(host, dev, &err), -EBUSY);
	assert_int_equal(hostpci_reserve(host, dev, 0, &err), 0);
	assert_string_equal(f->log,
			    OVERRIDE(NVME) "=vfio-pci\n" UNBIND(
				NVME) "=" NVME "\n"
				      "sys/bus/pci/drivers_probe=" NVME "\n");
	/* The snapshot follows. */
	assert_string_equal(dev->driver, "vfio-pci");
	assert_string_equal(dev->driver_override, "vfio-pci");
	assert_int_equal(hostpci_usable(host, dev, &err), 0);
	driver_is(f, NVME, "vfio-pci", "vfio-pci");
	file_is(f, JOURNAL(NVME), "driver=nvme\noverride=");
	hostpci_close(host);

	/* Another process gives it back. */
	release_says(f, "1/0/0", 0, "");
	assert_string_equal(
	    f->log, OVERRIDE(NVME) "=\n" UNBIND(NVME) "=" NVME "\n" SYS_DRIVERS
						      "/nvme/bind=" NVME "\n");
	driver_is(f, NVME, "nvme", "");
	assert_false(fixture_exists(f, JOURNAL(NVME)));
}

static void test_already(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	release_says(f, "1/0/0", 0, "");
	assert_string_equal(f->log, "");
	reserve_says(f, "1/0/0", 0, 0, "");
	reserve_says(f, "1/0/0", 0, 0, "");
	assert_string_equal(f->log, "");
	driver_is(f, NVME, "vfio-pci", "vfio-pci");
	file_is(f, JOURNAL(NVME), "driver=nvme\noverride=");
}

/* Several of the same card: only the one that was meant. */
static void test_identical_cards(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_dev(f,
		    &(struct fixture_dev){"0000:00:1c.0/0000:05:00.0", "nvme",
					  0x010802, 0x1b36, 0x0010, 14, 0});
	reserve_says(f, "5/0/0", 0, 0, "");
	driver_is(f, "0000:05:00.0", "vfio-pci", "vfio-pci");
	driver_is(f, NVME, "nvme", "");
	reserve_says(f, "1/0/0", 0, 0, "");
	release_says(f, "5/0/0", 0, "");
	driver_is(f, "0000:05:00.0", "nvme", "");
	driver_is(f, NVME, "vfio-pci", "vfio-pci");
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t dead[64];

	fixture_plain(f);
	fixture_dev(f, &(struct fixture_dev){"0000:07:00.0", "nvme", 0x010802,
					     0x1b36, 0x0010, -1, 0});
	memset(dead, 0xff, sizeof(dead));
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", dead,
		      sizeof(dead));
	reserve_says(f, "0/28/0", HOSTPCI_FORCE, -EINVAL,
		     "0000:00:1c.0 (0/28/0): a bridge; a guest can only have "
		     "the devices behind it");
	assert_string_equal(f->log, "");
	reserve_says(f, "3/0/0", HOSTPCI_FORCE, -EIO,
		     "0000:03:00.0 (3/0/0): does not answer, its "
		     "configuration space reads as ff; switch the host off "
		     "and on again, then check the card's seat and power "
		     "in its slot (below 0000:00:1c.2)");
	assert_string_equal(f->log, "");
	reserve_says(f, "7/0/0", HOSTPCI_FORCE, -ENODEV,
		     "0000:07:00.0 (7/0/0): the IOMMU does not cover it, so "
		     "no guest can have it; another slot or a firmware update "
		     "may help");
	assert_string_equal(f->log, "");
	assert_false(fixture_exists(f, JOURNAL("0000:07:00.0")));
}

static void test_in_use(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_block(f, "nvme0n1",
		      "pci0000:00/0000:00:1c.0/0000:01:00.0/nvme/nvme0",
		      "259:0");
	fixture_file(f, "proc/self/mountinfo",
		     "28 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n");
	reserve_says(f, "1/0/0", 0, -EBUSY,
		     "0000:01:00.0 (1/0/0): the host is using it: nvme0n1 is "
		     "mounted on /; end that use first, or force it");
	assert_string_equal(f->log, "");
	driver_is(f, NVME, "nvme", "");
	reserve_says(f, "1/0/0", HOSTPCI_FORCE, 0, "");
	driver_is(f, NVME, "vfio-pci", "vfio-pci");
}

static void test_module(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_remove(f, SYS_DRIVERS "/" VFIO_PCI);
	reserve_says(f, "1/0/0", 0, -ENOENT,
		     "0000:01:00.0 (1/0/0): the kernel has no vfio-pci driver "
		     "and it cannot be loaded; 'modprobe vfio-pci' says why");
	assert_string_equal(f->log, "load vfio-pci\n");
	driver_is(f, NVME, "nvme", "");
	f->available = VFIO_PCI;
	reserve_says(f, "1/0/0", 0, 0, "");
	driver_is(f, NVME, "vfio-pci", "vfio-pci");
	/* The former driver may have to be loaded again as well. */
	fixture_remove(f, SYS_DRIVERS "/nvme");
	f->available = "nvme";
	release_says(f, "1/0/0", 0, "");
	driver_is(f, NVME, "nvme", "");
}

/* vfio-pci does not want it: everything as it was. */
static void test_refused_by_vfio(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	fixture_plain(f);
	f->refuse = VFIO_PCI;
	start = f->now_ns;
	reserve_says(f, "1/0/0", 0, -EBUSY,
		     "0000:01:00.0 (1/0/0): vfio-pci did not take it ('dmesg' "
		     "says more); nvme has it back");
	assert_in_range(f->now_ns - start, NS_PER_S, 10 * NS_PER_S);
	driver_is(f, NVME, "nvme", "");
	assert_false(fixture_exists(f, JOURNAL(NVME)));
}

static void test_override_denied(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	f->deny = "/driver_override";
	reserve_says(f, "1/0/0", 0, -EACCES,
		     "0000:01:00.0 (1/0/0): setting its driver_override to "
		     "'vfio-pci': Permission denied; giving it back failed "
		     "too: 0000:01:00.0 (1/0/0): setting its driver_override "
		     "to '': Permission denied; 'vm passthru release 1/0/0' "
		     "tries again");
	driver_is(f, NVME, "nvme", "");
	f->deny = NULL;
	release_says(f, "1/0/0", 0, "");
	assert_false(fixture_exists(f, JOURNAL(NVME)));
}

static void test_unbind_denied(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_file(f, OVERRIDE(NVME), "nvme\n");
	f->deny = "/unbind";
	reserve_says(f, "1/0/0", 0, -EACCES,
		     "0000:01:00.0 (1/0/0): nvme does not let go of it: "
		     "Permission denied; nvme has it back");
	/* Also what somebody else had set. */
	driver_is(f, NVME, "nvme", "nvme");
	assert_false(fixture_exists(f, JOURNAL(NVME)));
}

/* The kernel waits for the driver's users: nothing more may be written. */
static void test_unbind_hangs(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	f->hang = "/unbind";
	reserve_says(f, "1/0/0", 0, -ETIMEDOUT,
		     "0000:01:00.0 (1/0/0): nvme has not let go of it for 20 "
		     "s, something still uses it ('dmesg' says more); once it "
		     "has, 'vm passthru release 1/0/0' gives it back");
	assert_string_equal(
	    f->log, OVERRIDE(NVME) "=vfio-pci\n" UNBIND(NVME) "=" NVME "\n");
	file_is(f, JOURNAL(NVME), "driver=nvme\noverride=");
	/* It has let go at last. */
	f->hang = NULL;
	fixture_remove(f, SYS_DEVICES "/" NVME "/driver");
	release_says(f, "1/0/0", 0, "");
	driver_is(f, NVME, "nvme", "");
	assert_false(fixture_exists(f, JOURNAL(NVME)));
}

/* Neither takes it. The journal stays for another try. */
static void test_undo_fails(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	f->refuse = VFIO_PCI;
	f->deny = "/nvme/bind";
	reserve_says(
	    f, "1/0/0", 0, -EBUSY,
	    "0000:01:00.0 (1/0/0): vfio-pci did not take it ('dmesg' says "
	    "more); giving it back failed too: 0000:01:00.0 (1/0/0): nvme did "
	    "not take it back ('dmesg' says more), it is without a driver now: "
	    "Permission denied; 'vm passthru release 1/0/0' tries again");
	driver_is(f, NVME, "", "");
	f->deny = NULL;
	release_says(f, "1/0/0", 0, "");
	driver_is(f, NVME, "nvme", "");
}

/* Cut off between unbind and probe: the next attempt knows the driver still. */
static void test_interrupted(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_file(f, JOURNAL(NVME), "driver=nvme\noverride=\n");
	fixture_file(f, OVERRIDE(NVME), "vfio-pci\n");
	fixture_remove(f, SYS_DEVICES "/" NVME "/driver");
	reserve_says(f, "1/0/0", 0, 0, "");
	file_is(f, JOURNAL(NVME), "driver=nvme\noverride=");
	release_says(f, "1/0/0", 0, "");
	driver_is(f, NVME, "nvme", "");
}

/* A journal of an earlier binding is worth nothing once a driver is bound. */
static void test_stale_journal(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_file(f, JOURNAL(NVME), "driver=ahci\noverride=ahci\n");
	reserve_says(f, "1/0/0", 0, 0, "");
	file_is(f, JOURNAL(NVME), "driver=nvme\noverride=");
	/* Taken away from vfio-pci by hand. */
	fixture_remove(f, SYS_DEVICES "/" NVME "/driver");
	fixture_link(f, SYS_DEVICES "/" NVME "/driver", "x/nvme");
	release_says(f, "1/0/0", 0, "");
	assert_string_equal(f->log, OVERRIDE(NVME) "=\n");
	driver_is(f, NVME, "nvme", "");
	assert_false(fixture_exists(f, JOURNAL(NVME)));
}

static void test_unbound_before(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_dev(f, &(struct fixture_dev){"0000:08:00.0", NULL, 0x020000,
					     0x8086, 0x1533, 15, 0});
	reserve_says(f, "8/0/0", 0, 0, "");
	file_is(f, JOURNAL("0000:08:00.0"), "driver=\noverride=");
	release_says(f, "8/0/0", 0, "");
	driver_is(f, "0000:08:00.0", "", "");
}

/* Bound by other means than ours: the kernel chooses who gets it. */
static void test_no_journal(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	reserve_says(f, "1/0/0", 0, 0, "");
	fixture_remove(f, JOURNAL(NVME));
	release_says(f, "1/0/0", 0, "");
	assert_string_equal(f->log,
			    OVERRIDE(NVME) "=\n" UNBIND(
				NVME) "=" NVME
				      "\nsys/bus/pci/drivers_probe=" NVME "\n");
	driver_is(f, NVME, "nvme", "");
}

static void test_claimed_by_ids(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_dev(f, &(struct fixture_dev){"0000:08:00.0", VFIO_PCI, 0x020000,
					     0x8086, 0x1533, 15, 0});
	reserve_says(f, "8/0/0", 0, 0, "");
	assert_string_equal(f->log, "");
	release_says(f, "8/0/0", -EBUSY,
		     "0000:08:00.0 (8/0/0): vfio-pci took it again, by its "
		     "option ids= (see /etc/modprobe.d and the kernel command "
		     "line)");
}

static void test_guest_has_it(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	reserve_says(f, "1/0/0", 0, 0, "");
	fixture_link(f, "proc/4711/fd/12", "/dev/vfio/10");
	fixture_file(f, "proc/4711/comm", "byway\n");
	release_says(f, "1/0/0", -EBUSY,
		     "0000:01:00.0 (1/0/0): in use by byway (process 4711), "
		     "which holds its IOMMU group 10; stop it first");
	assert_string_equal(f->log, "");
	driver_is(f, NVME, "vfio-pci", "vfio-pci");
	/* The same through VFIO's device node. */
	fixture_remove(f, "proc/4711/fd/12");
	fixture_link(f, "proc/4711/fd/12", "/dev/vfio/devices/vfio3");
	fixture_file(f, SYS_DEVICES "/" NVME "/vfio-dev/vfio3/dev", "1:1\n");
	release_says(f, "1/0/0", -EBUSY,
		     "0000:01:00.0 (1/0/0): in use by byway (process 4711), "
		     "which holds its IOMMU group 10; stop it first");
	fixture_remove(f, "proc/4711");
	release_says(f, "1/0/0", 0, "");
}

static void test_gone(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev;
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	host = fixture_open(f);
	dev = fixture_find(host, "1/0/0");
	fixture_remove(f, SYS_DEVICES "/" NVME);
	assert_int_equal(hostpci_reserve(host, dev, 0, &err), -ENODEV);
	assert_text(err, "0000:01:00.0 (1/0/0): no such device; 'vm passthru' "
			 "lists what there is");
	assert_int_equal(hostpci_release(host, dev, &err), -ENODEV);
	hostpci_close(host);
}

/* Two at a time: the second is told, and changes nothing. */
static void test_lock(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev;
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	host = fixture_open(f);
	dev = fixture_find(host, "1/0/0");
	assert_int_equal(journal_lock(host, dev, &err), 0);
	assert_true(journal_locked(host, NVME));
	assert_false(journal_locked(host, "0000:02:00.0"));
	reserve_says(f, "1/0/0", 0, -EBUSY,
		     "0000:01:00.0 (1/0/0): another process is just binding "
		     "it, or its driver does not let go of it ('dmesg' says "
		     "more)");
	assert_string_equal(f->log, "");
	reserve_says(f, "2/0/0", 0, 0, "");
	journal_unlock(host);
	assert_false(journal_locked(host, NVME));
	reserve_says(f, "1/0/0", 0, 0, "");
	hostpci_close(host);
}

/* What somebody else put there must not lead out of the drivers' folder. */
static void test_journal_hostile(void **state)
{
	struct fixture *f = *state;
	struct journal journal;
	struct hostpci *host;

	fixture_plain(f);
	host = fixture_open(f);
	assert_int_equal(journal_read(host, NVME, &journal), -ENOENT);
	fixture_file(f, JOURNAL(NVME), "driver=../../x\noverride=..\n");
	assert_int_equal(journal_read(host, NVME, &journal), 0);
	assert_string_equal(journal.driver, "");
	assert_string_equal(journal.override, "");
	fixture_file(f, JOURNAL(NVME), "xdriver=a\ndriver=%0100d\n", 7);
	assert_int_equal(journal_read(host, NVME, &journal), 0);
	assert_string_equal(journal.driver, "");
	fixture_file(f, JOURNAL(NVME), "override=b\ndriver=c");
	assert_int_equal(journal_read(host, NVME, &journal), 0);
	assert_string_equal(journal.driver, "c");
	assert_string_equal(journal.override, "b");
	hostpci_close(host);
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_reserve_release),
	    TEST(test_already),
	    TEST(test_identical_cards),
	    TEST(test_refused),
	    TEST(test_in_use),
	    TEST(test_module),
	    TEST(test_refused_by_vfio),
	    TEST(test_override_denied),
	    TEST(test_unbind_denied),
	    TEST(test_unbind_hangs),
	    TEST(test_undo_fails),
	    TEST(test_interrupted),
	    TEST(test_stale_journal),
	    TEST(test_unbound_before),
	    TEST(test_no_journal),
	    TEST(test_claimed_by_ids),
	    TEST(test_guest_has_it),
	    TEST(test_gone),
	    TEST(test_lock),
	    TEST(test_journal_hostile),
	};

	return cmocka_run_group_tests_name("hostpci-bind", tests, NULL, NULL);
}
