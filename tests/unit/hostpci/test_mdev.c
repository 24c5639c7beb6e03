/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of finding mediated devices (hostpci/mdev.c). */
#include "fixture.h"

#include <string.h>

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MDEV "sys/bus/mdev/devices/" UUID "/"

static void find_says(struct fixture *f, int code, const char *sentence)
{
	struct hostpci *host = fixture_open(f);
	struct err err = {0};
	int group = -1;

	assert_int_equal(hostpci_mdev_find(host, UUID, &err, &group), code);
	assert_text(err, sentence);
	assert_int_equal(group, code ? -1 : 21);
	hostpci_close(host);
}

static void test_find(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	find_says(f, -ENODEV,
		  UUID ": no such mediated device, and no driver of this host"
		       " offers any (/sys/class/mdev_bus is missing)");
	fixture_file(f, "sys/class/mdev_bus/mtty/uevent", "%s", "");
	find_says(f, -ENODEV,
		  UUID ": no such mediated device; create it by writing this"
		       " UUID to a file"
		       " /sys/class/mdev_bus/*/mdev_supported_types/*/create");
	fixture_file(f, MDEV "uevent", "%s", "");
	find_says(f, -ENODEV,
		  UUID ": a mediated device of the kind \"\", and not a PCI"
		       " device (vfio-pci)");
	fixture_file(f, MDEV "mdev_type/device_api", "vfio-ap\n");
	find_says(f, -ENODEV,
		  UUID ": a mediated device of the kind \"vfio-ap\", and not a"
		       " PCI device (vfio-pci)");
	fixture_file(f, MDEV "mdev_type/device_api", "vfio-pci\n");
	find_says(f, -ENODEV,
		  UUID ": has no IOMMU group; bind it to its driver"
		       " (/sys/bus/mdev/drivers) or create it anew");
	fixture_link(f, MDEV "iommu_group", "../../../kernel/iommu_groups/x");
	find_says(f, -EIO, UUID ": IOMMU group \"x\" in sysfs");
}

static void test_found(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_file(f, MDEV "mdev_type/device_api", "vfio-pci\n");
	fixture_link(f, MDEV "iommu_group", "../../../kernel/iommu_groups/21");
	find_says(f, 0, "");
}

static void test_parse(void **state)
{
	static const char *const bad[] = {
	    "",
	    "1",
	    UUID "0",
	    " " UUID,
	    "83b8f4f2-509f-382f-3c1e-e6bfe0fa100g",
	    "83b8f4f25509f-382f-3c1e-e6bfe0fa1001",
	    "/sys/bus/mdev/devices/",
	    "/sys/bus/mdev/devices/../" UUID,
	    "sys/bus/mdev/devices/" UUID};
	char uuid[HOSTPCI_UUID_MAX] = "as it was";
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(hostpci_mdev_parse(bad[i], uuid), -EINVAL);
		assert_string_equal(uuid, "as it was");
	}
	assert_int_equal(hostpci_mdev_parse(UUID, uuid), 0);
	assert_string_equal(uuid, UUID);
	assert_int_equal(
	    hostpci_mdev_parse("/sys/bus/mdev/devices/"
			       "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
			       uuid),
	    0);
	assert_string_equal(uuid, UUID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_find, fixture_setup,
					    fixture_teardown),
	    cmocka_unit_test_setup_teardown(test_found, fixture_setup,
					    fixture_teardown),
	    cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
