/* SPDX-License-Identifier: BSD-2-Clause */
/* Every way of writing an address, and what is not one. */
#include <string.h>

#include "fixture.h"

static void accepts(const char *text, const char *bdf)
{
	struct hostpci_addr addr;
	char buf[HOSTPCI_BDF_MAX];
	struct err err = {0};

	if (hostpci_parse_addr(text, &err, &addr) < 0)
		fail_msg("%s: %s", text, err.msg);
	hostpci_format_bdf(addr, buf);
	assert_string_equal(buf, bdf);
}

static void refuses(const char *text, const char *why)
{
	struct hostpci_addr addr = {1, 2, 3, 4};
	struct err err = {0};

	assert_int_equal(hostpci_parse_addr(text, &err, &addr), -EINVAL);
	if (!strstr(err.msg, why) || !strstr(err.msg, text))
		fail_msg("'%s': %s", text, err.msg);
	assert_int_equal(addr.domain, 1);
	assert_int_equal(addr.func, 4);
}

static void test_accepted(void **state UNUSED)
{
	accepts("3/0/0", "0000:03:00.0");
	accepts("129/31/7", "0000:81:1f.7");
	accepts("pci3:0:0", "0000:03:00.0");
	accepts("pci0:3:10:1", "0000:03:0a.1");
	accepts("pci65536:255:31:7", "10000:ff:1f.7");
	accepts("0000:03:00.0", "0000:03:00.0");
	accepts("03:00.0", "0000:03:00.0");
	accepts("a:1F.7", "0000:0a:1f.7");
	accepts("10000:e1:00.0", "10000:e1:00.0");
	accepts("ffffffff:ff:1f.7", "ffffffff:ff:1f.7");
}

static void test_refused(void **state UNUSED)
{
	static const char *const malformed[] = {
	    "",
	    "3",
	    "3/0",
	    "3/0/0/0",
	    "3/0/0 ",
	    " 3/0/0",
	    "+3/0/0",
	    "-1/0/0",
	    "a/0/0",
	    "3/0/",
	    "//",
	    "pci",
	    "pci3:0",
	    "pci3:0:0:0:0",
	    "pcia:0:0",
	    "pci3/0/0",
	    "0000:03:00",
	    "0000:03:00:0",
	    "03.00.0",
	    ":03:00.0",
	    "0000:03:00.0x",
	    "0x3:00.0",
	    "000000000:03:00.0",
	    "ppt0",
	    "4294967296/0/0",
	    "pci4294967296:3:0:0",
	};

	for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
		refuses(malformed[i], "not a PCI address; expected 3/0/0");
	refuses("256/0/0", "a bus is 0 to 255");
	refuses("3/32/0", "a slot 0 to 31");
	refuses("3/0/8", "a function 0 to 7");
	refuses("03:20.0", "a slot 0 to 31");
	refuses("100:00.0", "a bus is 0 to 255");
}

/* Names of folders: only exactly what the kernel writes. */
static void test_bdf(void **state UNUSED)
{
	struct hostpci_addr addr;

	assert_int_equal(addr_from_bdf("0000:81:1f.7", &addr), 0);
	assert_int_equal(addr.bus, 0x81);
	assert_int_equal(addr_from_bdf("10000:e1:00.0", &addr), 0);
	assert_int_equal(addr.domain, 0x10000);
	assert_int_equal(addr_from_bdf("81:1f.7", &addr), -EINVAL);
	assert_int_equal(addr_from_bdf("0:81:1f.7", &addr), -EINVAL);
	assert_int_equal(addr_from_bdf("0000:8A:1f.7", &addr), -EINVAL);
	assert_int_equal(addr_from_bdf("pci0000:00", &addr), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_bdf),
	};

	return cmocka_run_group_tests_name("hostpci-addr", tests, NULL, NULL);
}
