/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOMMU's limits, and host settings that weaken it. */
#include <string.h>

#include "fixture.h"

#define XHCI SYS_DEVICES "/0000:03:00.0/"

static struct hostpci_iommu look(struct fixture *f)
{
	struct hostpci *host = fixture_open(f);
	struct hostpci_iommu iommu;

	hostpci_iommu(host, fixture_find(host, "3/0/0"), &iommu);
	hostpci_close(host);
	return iommu;
}

static void cap_write(struct fixture *f, const char *cap)
{
	fixture_file(f, "sys/class/iommu/dmar7/intel-iommu/cap", "%s\n", cap);
}

static void test_width(void **state)
{
	struct fixture *f = *state;
	struct hostpci_iommu iommu;

	fixture_plain(f);
	iommu = look(f);
	assert_string_equal(iommu.name, "");
	assert_int_equal(iommu.bits, HOSTPCI_BITS_UNKNOWN);
	cap_write(f, "d2078c106f0466"); /* MGAW 48, tables of 4 levels */
	fixture_link(f, XHCI "iommu", "../../../../../sys/class/iommu/dmar7");
	iommu = look(f);
	assert_string_equal(iommu.name, "dmar7");
	assert_int_equal(iommu.bits, 48);
}

static void test_width_of(void **state)
{
	static const struct {
		const char *cap;
		unsigned bits;
	} caps[] = {
	    {"d2008c222f0686", 48},   /* MGAW 48; 3 and 4 levels */
	    {"1c0000c40660462", 39},  /* MGAW 39; 3 levels */
	    {"8d2078c106f0266", 39},  /* MGAW 48; 3 levels */
	    {"8d2078c106391c66", 57}, /* MGAW 58; up to 5 levels */
	    {"c0000020e60062", HOSTPCI_BITS_UNKNOWN}, /* no levels told */
	    {"nonsense", HOSTPCI_BITS_UNKNOWN},
	};
	struct fixture *f = *state;
	char full[PATH_MAX];

	fixture_plain(f);
	snprintf(full, sizeof(full), "%s/sys/class/iommu/dmar7", f->root);
	cap_write(f, "0");
	fixture_link(f, XHCI "iommu", full);
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		uint64_t cap = strtoull(caps[i].cap, NULL, 16);
		unsigned levels = (unsigned)(cap >> 8 & 0x1f);
		struct hostpci_iommu iommu;

		cap_write(f, caps[i].cap);
		iommu = look(f);
		assert_string_equal(iommu.name, "dmar7");
		if (iommu.bits != caps[i].bits)
			fail_msg("cap %s (levels 0x%x): %u bits, expected %u",
				 caps[i].cap, levels, iommu.bits, caps[i].bits);
	}
}

static void test_holes(void **state)
{
	struct fixture *f = *state;
	struct hostpci_iommu iommu;
	char many[4096] = "";

	fixture_plain(f);
	fixture_file(f, "sys/kernel/iommu_groups/12/reserved_regions", "%s",
		     "0x00000000fee00000 0x00000000feefffff msi\n"
		     "0x000000fd00000000 0x000000ffffffffff reserved\n"
		     "0x2 0x1 direct\nnonsense\n");
	iommu = look(f);
	assert_int_equal(iommu.holes, 2);
	assert_int_equal(iommu.hole[0].start, 0xfee00000);
	assert_int_equal(iommu.hole[0].end, 0xfeefffff);
	assert_int_equal(iommu.hole[1].start, 0xfd00000000);
	assert_int_equal(iommu.hole[1].end, 0xffffffffff);
	for (unsigned i = 0; i < 2 * HOSTPCI_HOLES_MAX; i++)
		strcat(many, "0x1000 0x1fff direct\n");
	fixture_file(f, "sys/kernel/iommu_groups/12/reserved_regions", "%s",
		     many);
	assert_int_equal(look(f).holes, HOSTPCI_HOLES_MAX);
}

static void risks_say(struct fixture *f, unsigned accepted, int code,
		      const char *text)
{
	struct hostpci *host = fixture_open(f);
	struct err err = {0};

	assert_int_equal(hostpci_check_risks(host, fixture_find(host, "3/0/0"),
					     accepted, &err),
			 code);
	assert_text(err, text);
	hostpci_close(host);
}

static void test_risks(void **state)
{
	static const char param[] = "sys/module/vfio_iommu_type1/parameters/"
				    "allow_unsafe_interrupts";
	struct fixture *f = *state;

	fixture_plain(f);
	risks_say(f, 0, 0, "");
	fixture_file(f, param, "N\n");
	fixture_file(f, "proc/cmdline", "quiet pcie_acs_overridden iommu=pt\n");
	risks_say(f, 0, 0, "");
	fixture_file(f, "proc/cmdline",
		     "quiet pcie_acs_override=downstream,multifunction\n");
	risks_say(f, HOSTPCI_RISK_INTERRUPTS, -EPERM,
		  "0000:03:00.0 (3/0/0): the host's kernel runs with "
		  "pcie_acs_override, so its IOMMU groups may not isolate this "
		  "device from its neighbours; remove that from the kernel's "
		  "command line, or accept it with unsafe=acs "
		  "(passthru_unsafe=\"acs\" in a guest file)");
	risks_say(f, HOSTPCI_RISK_ACS, 0, "");
	fixture_file(f, param, "Y\n");
	risks_say(f, HOSTPCI_RISK_ACS, -EPERM,
		  "0000:03:00.0 (3/0/0): the host allows unsafe interrupts, so "
		  "a guest with this device may be able to forge any interrupt "
		  "of the host; set allow_unsafe_interrupts=0 of the module "
		  "vfio_iommu_type1, or accept that with unsafe=interrupts "
		  "(passthru_unsafe=\"interrupts\" in a guest file)");
	risks_say(f, HOSTPCI_RISK_ACS | HOSTPCI_RISK_INTERRUPTS, 0, "");
}

static void test_risk_words(void **state UNUSED)
{
	static const char *const bad[] = {"",	 "+",	 "interrupts+",
					  "irq", "acs ", "interrupts acs"};
	unsigned risks = 99;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hostpci_risk_parse(bad[i], &risks), -EINVAL);
	assert_int_equal(risks, 99);
	assert_int_equal(hostpci_risk_parse("acs", &risks), 0);
	assert_int_equal(risks, HOSTPCI_RISK_ACS);
	assert_int_equal(hostpci_risk_parse("interrupts,acs", &risks), 0);
	assert_int_equal(risks, HOSTPCI_RISK_ACS | HOSTPCI_RISK_INTERRUPTS);
	assert_int_equal(hostpci_risk_parse("acs+interrupts", &risks), 0);
	assert_int_equal(risks, HOSTPCI_RISK_ACS | HOSTPCI_RISK_INTERRUPTS);
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_width), TEST(test_holes),	     TEST(test_width_of),
	    TEST(test_risks), TEST(test_risk_words),
	};

	return cmocka_run_group_tests_name("hostpci-iommu", tests, NULL, NULL);
}
