/* SPDX-License-Identifier: BSD-2-Clause */
/* IOMMU groups: what VFIO will accept, and the sentence when it will not. */
#include <string.h>

#include "fixture.h"

#define GPU_AT	 "0000:00:1c.3/0000:04:00.0"
#define SOUND_AT "0000:00:1c.3/0000:04:00.1"

static void rebind(struct fixture *f, const char *bdf, const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/driver", bdf);
	fixture_remove(f, path);
	if (driver)
		fixture_link(f, path, driver);
}

static void usable_says(struct fixture *f, const char *addr, int code,
			const char *text)
{
	struct hostpci *host = fixture_open(f);
	struct err err = {0};

	assert_int_equal(hostpci_usable(host, fixture_find(host, addr), &err),
			 code);
	assert_text(err, text);
	hostpci_close(host);
}

static void test_ready(void **state UNUSED)
{
	static const char *const yes[] = {"vfio-pci", "mlx5_vfio_pci",
					  "nvgrace-gpu-vfio-pci"};
	static const char *const no[] = {"",	     "nvme",	  "vfio",
					 "pci-stub", "xvfio-pci", "vfio-pci-x"};
	struct hostpci_dev dev = {0};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		strcpy(dev.driver, yes[i]);
		assert_true(hostpci_ready(&dev));
	}
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		strcpy(dev.driver, no[i]);
		assert_false(hostpci_ready(&dev));
	}
}

static void test_driver(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	usable_says(f, "3/0/0", -EBUSY,
		    "0000:03:00.0 (3/0/0): bound to xhci_hcd, not vfio-pci; "
		    "run 'vm passthru reserve 3/0/0'");
	rebind(f, "0000:03:00.0", NULL);
	usable_says(f, "3/0/0", -EBUSY,
		    "0000:03:00.0 (3/0/0): not bound to vfio-pci; run "
		    "'vm passthru reserve 3/0/0'");
	fixture_link(f, SYS_DEVICES "/0000:03:00.0/driver", "vfio-pci");
	usable_says(f, "3/0/0", 0, "");
}

static void test_not_for_guests(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	struct err err = {0};
	uint8_t dead[64];

	fixture_plain(f);
	memset(dead, 0xff, sizeof(dead));
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", dead,
		      sizeof(dead));
	usable_says(f, "0/28/0", -EINVAL,
		    "0000:00:1c.0 (0/28/0): a bridge; a guest can only have "
		    "the devices behind it");
	usable_says(f, "0/0/0", -EINVAL,
		    "0000:00:00.0 (0/0/0): a bridge; a guest can only have "
		    "the devices behind it");
	usable_says(f, "3/0/0", -EIO,
		    "0000:03:00.0 (3/0/0): does not answer, its configuration "
		    "space reads as ff; switch the host off and on again, then "
		    "check the card's seat and power in its slot (below "
		    "0000:00:1c.2)");
	/* Gone since the snapshot. */
	host = fixture_open(f);
	fixture_remove(f, SYS_DEVICES "/0000:02:00.0");
	assert_int_equal(
	    hostpci_usable(host, fixture_find(host, "2/0/0"), &err), -ENODEV);
	assert_text(err, "0000:02:00.0 (2/0/0): no such device; 'vm passthru' "
			 "lists what there is");
	hostpci_close(host);
}

/* Found well by the snapshot, and dead when it is about to be opened. */
static void test_dies_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	struct err err = {0};
	uint8_t dead[64];

	fixture_plain(f);
	fixture_file(f, "sys/bus/pci/slots/7/address", "0000:02:00\n");
	fixture_file(f, "sys/bus/pci/slots/8-1/address", "0000:03:00\n");
	host = fixture_open(f);
	memset(dead, 0xff, sizeof(dead));
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", dead,
		      sizeof(dead));
	assert_int_equal(
	    hostpci_usable(host, fixture_find(host, "3/0/0"), &err), -EIO);
	assert_text(err,
		    "0000:03:00.0 (3/0/0): does not answer, its configuration "
		    "space reads as ff; switch the host off and on again, then "
		    "check the card's seat and power in slot 8-1 (below "
		    "0000:00:1c.2)");
	hostpci_close(host);
}

/* A virtual function has no ids in its own registers, but a class. */
static void test_virtual_function(void **state)
{
	struct fixture *f = *state;
	uint8_t cfg[64] = {0xff, 0xff, 0xff, 0xff};

	fixture_plain(f);
	cfg[10] = 0x00;
	cfg[11] = 0x02;
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", cfg, sizeof(cfg));
	fixture_driver(f, "vfio-pci");
	fixture_remove(f, SYS_DEVICES "/0000:03:00.0/driver");
	fixture_link(f, SYS_DEVICES "/0000:03:00.0/driver", "vfio-pci");
	usable_says(f, "3/0/0", 0, "");
}

/* Above 4G decoding is off: the BAR has a size and no address. */
#define STRUCK_32(bar)                                                     \
	"0000:03:00.0 (3/0/0): the host's firmware gave BAR " bar          \
	" (32-bit, below 4 GiB) no address; take out other cards or give " \
	"them less, enable 'Above 4G decoding' in the firmware, or try "   \
	"pci=realloc on the host kernel's command line"

static void test_unassigned(void **state)
{
	struct fixture *f = *state;
	uint8_t cfg[64] = {0};

	fixture_plain(f);
	fixture_file(
	    f, SYS_DEVICES "/0000:03:00.0/resource", "%s",
	    "0x00000000fe000000 0x00000000fe003fff 0x0000000000040200\n"
	    "0x0000000000000000 0x00000003ffffffff 0x000000000014220c\n");
	usable_says(f, "3/0/0", -ENODEV,
		    "0000:03:00.0 (3/0/0): the host's firmware gave BAR 1 "
		    "(16384 MiB) no address; enable 'Above 4G decoding' (or "
		    "'Memory mapped I/O above 4 GB') and disable CSM in the "
		    "firmware, or try pci=realloc on the host kernel's command "
		    "line");
	fixture_file(
	    f, SYS_DEVICES "/0000:03:00.0/resource", "%s",
	    "0x0000000000100000 0x00000000010fffff 0x0000000020040200\n");
	usable_says(f, "3/0/0", -ENODEV,
		    "0000:03:00.0 (3/0/0): the host's firmware gave BAR 0 "
		    "(16384 KiB, below 4 GiB) no address; take out other cards "
		    "or give them less, enable 'Above 4G decoding' in the "
		    "firmware, or try pci=realloc on the host kernel's command "
		    "line");
	/* The kernel struck it from the list: the register is left. */
	cfg[0x18] = 0x0c;
	cfg[0x1c] = 0x0c; /* upper half of the address of BAR 2 */
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", cfg, sizeof(cfg));
	fixture_file(f, SYS_DEVICES "/0000:03:00.0/resource", "%s", "");
	usable_says(f, "3/0/0", -ENODEV,
		    "0000:03:00.0 (3/0/0): the host's firmware gave BAR 2 "
		    "(64-bit) no address; enable 'Above 4G decoding' (or "
		    "'Memory mapped I/O above 4 GB') and disable CSM in the "
		    "firmware, or try pci=realloc on the host kernel's command "
		    "line");
	/* So of a 32-bit one: its type where it is not 0, or an old address. */
	memset(cfg, 0, sizeof(cfg));
	cfg[0x14] = 0x08;
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", cfg, sizeof(cfg));
	usable_says(f, "3/0/0", -ENODEV, STRUCK_32("1"));
	cfg[0x14] = 0;
	cfg[0x27] = 0xfe;
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", cfg, sizeof(cfg));
	usable_says(f, "3/0/0", -ENODEV, STRUCK_32("5"));
	memset(cfg, 0, sizeof(cfg));
	cfg[0x10] = 0x01; /* ports: not missed */
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", cfg, sizeof(cfg));
	/* I/O ports and ROM may be without one: the driver is looked at. */
	fixture_file(
	    f, SYS_DEVICES "/0000:03:00.0/resource", "%s",
	    "0x0000000000000000 0x000000000000001f 0x0000000000040101\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000000000000000 0x000000000003ffff 0x0000000000046200\n");
	usable_says(f, "3/0/0", -EBUSY,
		    "0000:03:00.0 (3/0/0): bound to xhci_hcd, not vfio-pci; "
		    "run 'vm passthru reserve 3/0/0'");
}

/* NVSwitch calls itself a bridge and is none. */
static void test_bridge_by_class_only(void **state)
{
	struct fixture *f = *state;

	fixture_dev(f, &(struct fixture_dev){.at = "0000:06:00.0",
					     .driver = "vfio-pci",
					     .class = 0x068000,
					     .vendor = 0x10de,
					     .group = 3});
	usable_says(f, "6/0/0", 0, "");
}

/* VFIO's groups without an IOMMU protect nothing. */
static void test_no_iommu_mode(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_file(f, SYS_DEVICES "/0000:03:00.0/iommu_group/name",
		     "vfio-noiommu\n");
	usable_says(f, "3/0/0", -ENODEV,
		    "0000:03:00.0 (3/0/0): VFIO has it without an IOMMU, where "
		    "a guest's DMA would go to the host's memory; enable "
		    "VT-d/AMD-Vi in the firmware and turn "
		    "enable_unsafe_noiommu_mode of the module vfio off");
}

static void test_no_iommu(void **state)
{
	struct fixture *f = *state;

	fixture_dev(f, &(struct fixture_dev){.at = "0000:04:00.0",
					     .driver = "nvme",
					     .vendor = 0x1b36,
					     .group = -1});
	usable_says(
	    f, "4/0/0", -ENODEV,
	    "0000:04:00.0 (4/0/0): the IOMMU is off; enable VT-d/AMD-Vi "
	    "in the firmware and boot with intel_iommu=on");
	fixture_plain(f);
	usable_says(f, "4/0/0", -ENODEV,
		    "0000:04:00.0 (4/0/0): the IOMMU does not cover it, so no "
		    "guest can have it; another slot or a firmware update may "
		    "help");
}

static void test_sibling(void **state)
{
	struct fixture *f = *state;

	fixture_dev(f, &(struct fixture_dev){"0000:00:1c.3", "pcieport",
					     0x060400, 0x1b36, 0x000c, 12, 1});
	fixture_dev(f, &(struct fixture_dev){GPU_AT, "vfio-pci", 0x030000,
					     0x10de, 0x1b80, 12, 0x80});
	fixture_dev(f,
		    &(struct fixture_dev){SOUND_AT, "snd_hda_intel", 0x040300,
					  0x10de, 0x10f0, 12, 0x80});
	usable_says(f, "4/0/0", -EBUSY,
		    "0000:04:00.0 (4/0/0): in IOMMU group 12 with "
		    "0000:04:00.1, which snd_hda_intel holds; reserve that "
		    "function too");
	/* Unbound, on vfio-pci or pci-stub it is in nobody's way. */
	rebind(f, "0000:04:00.1", NULL);
	usable_says(f, "4/0/0", 0, "");
	/* Nor is a bridge, whatever drives it. */
	rebind(f, "0000:00:1c.3", "shpchp");
	usable_says(f, "4/0/0", 0, "");
	fixture_link(f, SYS_DEVICES "/0000:04:00.1/driver", "pci-stub");
	usable_says(f, "4/0/0", 0, "");
	rebind(f, "0000:04:00.1", "vfio-pci");
	usable_says(f, "4/0/0", 0, "");
}

static void test_sibling_not_reservable(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	rebind(f, "0000:01:00.0", "vfio-pci");
	fixture_dev(f, &(struct fixture_dev){.at = "0000:00:1f.0",
					     .driver = "lpc_ich",
					     .class = 0x060100,
					     .vendor = 0x8086,
					     .group = 10});
	usable_says(f, "1/0/0", -EBUSY,
		    "0000:01:00.0 (1/0/0): in IOMMU group 10 with "
		    "0000:00:1f.0, which lpc_ich holds; another slot may help");
	rebind(f, "0000:00:1f.0", NULL);
	usable_says(f, "1/0/0", 0, "");
	/* A member that is no PCI function. */
	fixture_link(f, "sys/kernel/iommu_groups/10/devices/AMDI0010:00/driver",
		     "i2c_designware");
	usable_says(f, "1/0/0", -EBUSY,
		    "0000:01:00.0 (1/0/0): in IOMMU group 10 with "
		    "AMDI0010:00, which i2c_designware holds; another slot may "
		    "help");
}

static void test_viable(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	rebind(f, "0000:02:00.0", NULL);
	host = fixture_open(f);
	assert_int_equal(
	    hostpci_group_viable(host, fixture_find(host, "1/0/0"), &err),
	    -EBUSY);
	assert_text(err, "0000:01:00.0 (1/0/0): bound to nvme, not vfio-pci; "
			 "run 'vm passthru reserve 1/0/0'");
	assert_int_equal(
	    hostpci_group_viable(host, fixture_find(host, "2/0/0"), &err), 0);
	hostpci_close(host);
}

static void has_group(const struct hostpci *host, int group, const char *user)
{
	char who[HOSTPCI_WHO_MAX];

	assert_int_equal(hostpci_group_user(host, group, who), 0);
	assert_string_equal(who, user);
}

/* A process `pid` that has the group's node open. */
static void process(struct fixture *f, int pid, int group, const char *comm,
		    const char *args, size_t len)
{
	char path[64], node[32];

	snprintf(node, sizeof(node), "/dev/vfio/%d", group);
	snprintf(path, sizeof(path), "proc/%d/fd/7", pid);
	fixture_link(f, path, node);
	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	fixture_file(f, path, "%s\n", comm);
	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	fixture_bytes(f, path, args, len);
}

#define PROCESS(f, pid, group, comm, args) \
	process(f, pid, group, comm, args, sizeof(args))

static void test_user(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	char many[2048];

	fixture_plain(f);
	/* As long as that of a guest with many devices. */
	memset(many, 'd', sizeof(many));
	memcpy(many, "byway\0-s", 9);
	memcpy(many + sizeof(many) - 5, "\0web", 5);
	process(f, 107, 27, "exe", many, sizeof(many));
	fixture_link(f, "proc/812/fd/0", "/dev/null");
	fixture_link(f, "proc/812/fd/7", "/dev/vfio/12");
	fixture_link(f, "proc/99/fd/3", "/dev/vfio/1");
	fixture_file(f, "proc/99/comm", "qemu-system-x86\n");
	fixture_file(f, "proc/31337/comm", "kernel thread\n");
	PROCESS(f, 100, 20, "exe", "/usr/sbin/byway\0-m\0001G\0alpha");
	PROCESS(f, 101, 21, "byway", "byway");
	PROCESS(f, 102, 22, "vm", "vm\0_run\0-R\0007\0web\0cd.iso");
	PROCESS(f, 103, 23, "vm", "/usr/sbin/vm\0_run\0web");
	PROCESS(f, 104, 24, "vm", "vm\0passthru\0doctor\0gpu");
	PROCESS(f, 105, 25, "vm", "vm\0_run\0-R");
	PROCESS(f, 106, 26, "cat", "cat\0byway\0alpha");
	host = fixture_open(f);
	has_group(host, 12, "a process (process 812)");
	has_group(host, 1, "qemu-system-x86 (process 99)");
	has_group(host, 2, "");
	has_group(host, 20, "guest 'alpha' (byway, process 100)");
	has_group(host, 21, "byway (process 101)");
	has_group(host, 22, "guest 'web' (vm, process 102)");
	has_group(host, 23, "guest 'web' (vm, process 103)");
	has_group(host, 24, "vm (process 104)");
	has_group(host, 25, "vm (process 105)");
	has_group(host, 26, "cat (process 106)");
	has_group(host, 27, "guest 'web' (byway, process 107)");
	hostpci_close(host);
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_ready),
	    TEST(test_driver),
	    TEST(test_not_for_guests),
	    TEST(test_dies_meanwhile),
	    TEST(test_virtual_function),
	    TEST(test_unassigned),
	    TEST(test_no_iommu_mode),
	    TEST(test_bridge_by_class_only),
	    TEST(test_no_iommu),
	    TEST(test_sibling),
	    TEST(test_sibling_not_reservable),
	    TEST(test_viable),
	    TEST(test_user),
	};

	return cmocka_run_group_tests_name("hostpci-group", tests, NULL, NULL);
}
