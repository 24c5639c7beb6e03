/* SPDX-License-Identifier: BSD-2-Clause */
/* The snapshot: what is read of each function, and names. */
#include <string.h>

#include "fixture.h"

#define NVME SYS_DEVICES "/0000:01:00.0/"

static void test_order(void **state)
{
	static const char *const bdfs[] = {
	    "0000:00:00.0", "0000:00:1c.0", "0000:00:1c.1",
	    "0000:00:1c.2", "0000:01:00.0", "0000:02:00.0",
	    "0000:03:00.0", "0000:0a:00.0", "10000:01:00.0",
	};
	struct fixture *f = *state;
	struct hostpci *host;

	fixture_dev(f,
		    &(struct fixture_dev){.at = "10000:01:00.0", .group = -1});
	fixture_dev(f,
		    &(struct fixture_dev){.at = "0000:0a:00.0", .group = -1});
	fixture_plain(f);
	fixture_file(f, SYS_DEVICES "/nonsense/vendor", "0x1234\n");
	host = fixture_open(f);
	assert_int_equal(hostpci_count(host), ARRAY_LEN(bdfs));
	for (size_t i = 0; i < ARRAY_LEN(bdfs); i++) {
		assert_string_equal(hostpci_at(host, i)->bdf, bdfs[i]);
		assert_ptr_equal(fixture_find(host, bdfs[i]),
				 hostpci_at(host, i));
	}
	assert_null(hostpci_at(host, ARRAY_LEN(bdfs)));
	hostpci_close(host);
}

static void nvme_attributes(struct fixture *f)
{
	fixture_file(f, NVME "subsystem_vendor", "0x1af4\n");
	fixture_file(f, NVME "subsystem_device", "0x1100\n");
	fixture_file(f, NVME "revision", "0x02\n");
	fixture_file(f, NVME "boot_vga", "1\n");
	fixture_file(f, NVME "numa_node", "1\n");
	fixture_file(f, NVME "reset_method", "flr bus\n");
	fixture_file(f, NVME "current_link_speed", "8.0 GT/s PCIe\n");
	fixture_file(f, NVME "max_link_speed", "16.0 GT/s PCIe\n");
	fixture_file(f, NVME "current_link_width", "2\n");
	fixture_file(f, NVME "max_link_width", "4\n");
	fixture_file(
	    f, NVME "resource", "%s",
	    "0x00000000fe000000 0x00000000fe003fff 0x0000000000140204\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000000000100000 0x00000000100fffff 0x000000002014220c\n"
	    "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
	    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	    "0x0000004000000000 0x00000041ffffffff 0x000000000014220c\n"
	    "0x00000000fe040000 0x00000000fe07ffff 0x0000000000046200\n"
	    "0x0000000000000001 0x0000000000000002 0x0000000000000003\n");
}

static void test_attributes(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev;
	struct hostpci *host;

	fixture_plain(f);
	nvme_attributes(f);
	host = fixture_open(f);
	dev = fixture_find(host, "1/0/0");
	assert_string_equal(dev->selector, "1/0/0");
	assert_int_equal(dev->vendor, 0x1b36);
	assert_int_equal(dev->device, 0x0010);
	assert_int_equal(dev->subvendor, 0x1af4);
	assert_int_equal(dev->subdevice, 0x1100);
	assert_int_equal(dev->class, 0x010802);
	assert_int_equal(dev->revision, 2);
	assert_int_equal(dev->header_type, 0);
	assert_false(dev->multifunction);
	assert_true(dev->boot_vga);
	assert_int_equal(dev->iommu_group, 10);
	assert_int_equal(dev->numa_node, 1);
	assert_string_equal(dev->driver, "nvme");
	assert_string_equal(dev->driver_override, "");
	assert_string_equal(dev->reset_methods, "flr bus");
	assert_string_equal(dev->speed, "8.0 GT/s PCIe");
	assert_string_equal(dev->max_speed, "16.0 GT/s PCIe");
	assert_int_equal(dev->width, 2);
	assert_int_equal(dev->max_width, 4);
	assert_string_equal(dev->parent, "0000:00:1c.0");
	hostpci_close(host);
}

static void test_bars(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_bar *bar;
	struct hostpci *host;

	fixture_plain(f);
	nvme_attributes(f);
	host = fixture_open(f);
	bar = fixture_find(host, "1/0/0")->bar;
	assert_int_equal(bar[0].start, 0xfe000000);
	assert_int_equal(bar[0].size, 0x4000);
	assert_int_equal(bar[0].flags, 0x140204);
	assert_int_equal(bar[1].size, 0);
	/* Not assigned: no start, but a size. */
	assert_int_equal(bar[2].start, 0);
	assert_int_equal(bar[2].size, 0x10000000);
	assert_int_equal(bar[3].size, 0x20);
	assert_int_equal(bar[4].size, 0);
	assert_int_equal(bar[5].start, 0x4000000000);
	assert_int_equal(bar[5].size, 0x200000000);
	assert_int_equal(bar[6].size, 0x40000);
	hostpci_close(host);
}

/* A function that tells next to nothing. */
static void test_unknown(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev;
	struct hostpci *host;
	uint8_t dead[64];

	fixture_plain(f);
	memset(dead, 0xff, sizeof(dead));
	fixture_bytes(f, NVME "config", dead, sizeof(dead));
	fixture_file(f, NVME "current_link_speed", "Unknown\n");
	fixture_file(f, NVME "current_link_width", "63\n");
	fixture_file(f, NVME "driver_override", "foo\n");
	fixture_file(f, NVME "resource", "nonsense\n");
	fixture_bytes(f, SYS_DEVICES "/0000:02:00.0/config", "\x86\x80", 2);
	memset(dead + 4, 0, sizeof(dead) - 4);
	fixture_bytes(f, SYS_DEVICES "/0000:03:00.0/config", dead,
		      sizeof(dead));
	host = fixture_open(f);
	dev = fixture_find(host, "1/0/0");
	assert_int_equal(dev->header_type, 0xff);
	assert_string_equal(dev->speed, "");
	assert_int_equal(dev->width, 0);
	assert_int_equal(dev->numa_node, -1);
	assert_string_equal(dev->driver_override, "foo");
	assert_string_equal(dev->reset_methods, "");
	assert_int_equal(dev->bar[0].size, 0);
	assert_int_equal(fixture_find(host, "2/0/0")->header_type, 0xff);
	/* A virtual function has ones for its ids, and is not dead. */
	assert_int_equal(fixture_find(host, "3/0/0")->header_type, 0);
	dev = fixture_find(host, "0/28/0");
	assert_int_equal(dev->header_type, 1);
	assert_string_equal(dev->parent, "");
	hostpci_close(host);
}

static void test_multifunction(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;

	fixture_dev(f, &(struct fixture_dev){.at = "0000:00:1f.3",
					     .vendor = 0x8086,
					     .header = 0x80,
					     .group = 7});
	host = fixture_open(f);
	assert_true(fixture_find(host, "0/31/3")->multifunction);
	assert_int_equal(fixture_find(host, "0/31/3")->header_type, 0);
	hostpci_close(host);
}

static void test_no_iommu(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;

	fixture_dev(f,
		    &(struct fixture_dev){.at = "0000:04:00.0", .group = -1});
	fixture_dev(f, &(struct fixture_dev){.at = "0000:05:00.0", .group = 0});
	fixture_file(f, "sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
	host = fixture_open(f);
	assert_int_equal(fixture_find(host, "4/0/0")->iommu_group,
			 HOSTPCI_NO_GROUP);
	assert_int_equal(fixture_find(host, "5/0/0")->iommu_group,
			 HOSTPCI_NO_GROUP);
	hostpci_close(host);
}

static void test_no_pci(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host = NULL;
	struct err err = {0};
	char text[256];

	assert_int_equal(hostpci_open(f->root, &err, &host), -ENOENT);
	assert_null(host);
	snprintf(text, sizeof(text),
		 "%s/sys/bus/pci/devices: no such folder; this host has no PCI "
		 "bus, or sysfs is not mounted",
		 f->root);
	assert_text(err, text);
	assert_int_equal(hostpci_open("/nonexistent/host", &err, &host),
			 -ENOENT);
	assert_text(err, "/nonexistent/host: No such file or directory");
}

static void test_lookup(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev = NULL;
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	host = fixture_open(f);
	assert_int_equal(
	    hostpci_lookup(host, (struct hostpci_addr){.bus = 3}, &err, &dev),
	    0);
	assert_ptr_equal(dev, fixture_find(host, "3/0/0"));
	dev = NULL;
	assert_int_equal(
	    hostpci_lookup(host, (struct hostpci_addr){.bus = 129}, &err, &dev),
	    -ENODEV);
	assert_null(dev);
	assert_text(err, "0000:81:00.0 (129/0/0): no such device; "
			 "'vm passthru' lists what there is");
	assert_int_equal(
	    hostpci_lookup(host,
			   (struct hostpci_addr){.domain = 0x10000, .bus = 1},
			   &err, &dev),
	    -ENODEV);
	assert_text(err, "10000:01:00.0: no such device; "
			 "'vm passthru' lists what there is");
	hostpci_close(host);
}

/* Where Debian's database is installed it must be found, else nothing is. */
static void test_names(void **state UNUSED)
{
	bool installed = access("/usr/share/misc/pci.ids", R_OK) == 0;
	const struct hostpci_dev nic = {.vendor = 0x8086, .device = 0x10d3};
	const struct hostpci_dev odd = {.vendor = 0x8086, .device = 0xfffe};
	const struct hostpci_dev none = {.vendor = 0x7ffe, .device = 1};

	print_message("pci.ids: %s\n", installed ? "installed" : "missing");
	assert_string_equal(hostpci_device_name(&nic),
			    installed ? "82574L Gigabit Network Connection"
				      : "-");
	assert_string_equal(hostpci_vendor_name(&nic),
			    installed ? "Intel Corporation" : "-");
	assert_string_equal(hostpci_device_name(&odd), "-");
	assert_string_equal(hostpci_device_name(&none), "-");
	assert_string_equal(hostpci_vendor_name(&none), "-");
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_order),	TEST(test_attributes),	  TEST(test_bars),
	    TEST(test_unknown), TEST(test_multifunction), TEST(test_no_iommu),
	    TEST(test_no_pci),	TEST(test_lookup),	  TEST(test_names),
	};

	return cmocka_run_group_tests_name("hostpci-scan", tests, NULL, NULL);
}
