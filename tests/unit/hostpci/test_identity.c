/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of what a function is, whatever its address (hostpci/identity.c). */
#include "fixture.h"

#include <string.h>

/* A configuration space of `size` bytes with a serial number, 0 none. */
static void config_put(struct fixture *f, const char *at, uint64_t serial,
		       size_t size)
{
	uint8_t config[4096] = {0x36, 0x1b, 0x10, 0x00};
	char path[PATH_MAX];

	/* Behind a capability that is something else, as on real cards. */
	config[0x100] = 0x01;
	config[0x102] = 0x02;
	config[0x103] = 0x14;
	for (size_t i = 0; serial && i < 8; i++)
		config[0x144 + i] = (uint8_t)(serial >> 8 * i);
	config[0x140] = serial ? 0x03 : 0x0b;
	config[0x142] = 0x01;
	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/config", at);
	fixture_bytes(f, path, config, size);
}

static void nvme_put(struct fixture *f, const char *at, uint64_t serial)
{
	struct fixture_dev dev = {at, "nvme", 0x010802, 0x1b36, 0x0010, 10, 0};

	fixture_dev(f, &dev);
	config_put(f, at, serial, 4096);
}

static void text_of(struct fixture *f, const char *bdf,
		    char text[HOSTPCI_IDENTITY_MAX])
{
	struct hostpci *host = fixture_open(f);
	struct hostpci_identity identity;
	struct err err = {0};

	if (hostpci_identify(host, fixture_find(host, bdf), &err, &identity) <
	    0)
		fail_msg("%s", err.msg);
	hostpci_identity_format(&identity, text);
	hostpci_close(host);
}

/* What has become of `text`: the sight, where it is, and the other one. */
static void recognise(struct fixture *f, const char *text,
		      enum hostpci_sight sight, const char *at,
		      const char *other)
{
	struct hostpci *host = fixture_open(f);
	struct hostpci_identity identity;
	struct hostpci_found found;

	assert_int_equal(hostpci_identity_parse(text, &identity), 0);
	hostpci_recognise(host, &identity, &found);
	assert_int_equal(found.sight, sight);
	assert_string_equal(found.dev ? found.dev->bdf : "", at);
	assert_string_equal(found.other	     ? found.other->bdf
			    : found.alike[0] ? found.alike[0]->bdf
					     : "",
			    other);
	hostpci_close(host);
}

#define SERIAL	   0x0011223344556677
#define NVME	   "1b36:0010 0000:0000 "
#define NVME_PLAIN NVME "- 0000:00/1c.0/00.0 0000:01:00.0"
#define NVME_SN	   NVME "00-11-22-33-44-55-66-77 0000:00/1c.0/00.0 0000:01:00.0"

static void test_text(void **state)
{
	struct fixture *f = *state;
	char text[HOSTPCI_IDENTITY_MAX];

	fixture_plain(f);
	/* 64 bytes are what others than root are given. */
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME "? 0000:00/1c.0/00.0 0000:01:00.0");
	config_put(f, "0000:00:1c.0/0000:01:00.0", 0, 256);
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME_PLAIN);
	config_put(f, "0000:00:1c.0/0000:01:00.0", 0, 4096);
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME_PLAIN);
	config_put(f, "0000:00:1c.0/0000:01:00.0", SERIAL, 4096);
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME_SN);
	text_of(f, "0000:00:00.0", text);
	assert_string_equal(text,
			    "8086:29c0 0000:0000 ? 0000:00/00.0 0000:00:00.0");
}

static void test_text_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "1b36:0010",
	    NVME "- 0000:00/1c.0/00.0",
	    NVME "- 0000:00/1c.0/00.0 1/0/0",
	    NVME "- 0000:00/1c.0/00.0 0000:01:00.0 more",
	    NVME "0 0000:00/1c.0/00.0 0000:01:00.0",
	    NVME "00-11-22-33-44-55-66 0000:00/1c.0/00.0 0000:01:00.0",
	    NVME "- ../../etc 0000:01:00.0",
	    "1B36:0010 0000:0000 - 0000:00/1c.0/00.0 0000:01:00.0",
	    " " NVME_PLAIN,
	};
	struct hostpci_identity identity;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hostpci_identity_parse(bad[i], &identity),
				 -EINVAL);
	assert_int_equal(hostpci_identity_parse(NVME_SN, &identity), 0);
	assert_true(identity.serial == SERIAL);
}

/* A list that leads in a circle, or out of the space, has no serial. */
static void test_hostile_config(void **state)
{
	struct fixture *f = *state;
	uint8_t config[4096] = {0x36, 0x1b, 0x10, 0x00};
	char text[HOSTPCI_IDENTITY_MAX];
	const char *path =
	    "sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/config";

	fixture_plain(f);
	config[0x100] = 0x01;
	config[0x102] = 0x02;
	config[0x103] = 0x10; /* to itself */
	fixture_bytes(f, path, config, sizeof(config));
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME_PLAIN);
	config[0x102] = 0xc2;
	config[0x103] = 0xff; /* ffc */
	fixture_bytes(f, path, config, sizeof(config));
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME_PLAIN);
	config[0x103] = 0x01; /* 01c, into the header */
	fixture_bytes(f, path, config, sizeof(config));
	text_of(f, "0000:01:00.0", text);
	assert_string_equal(text, NVME_PLAIN);
}

/* Another card in front shifts the bus numbers: it is still the same. */
static void test_bus_shifted(void **state)
{
	struct fixture *f = *state;

	nvme_put(f, "0000:00:1c.0/0000:07:00.0", 0);
	recognise(f, NVME_PLAIN, HOSTPCI_SAME, "0000:07:00.0", "");
	config_put(f, "0000:00:1c.0/0000:07:00.0", SERIAL, 4096);
	recognise(f, NVME_SN, HOSTPCI_SAME, "0000:07:00.0", "");
	/* A serial where there was none: another card. */
	recognise(f, NVME_PLAIN, HOSTPCI_REPLACED, "0000:07:00.0", "");
}

static void test_moved(void **state)
{
	struct fixture *f = *state;

	nvme_put(f, "0000:00:1c.3/0000:04:00.0", SERIAL);
	recognise(f, NVME_SN, HOSTPCI_MOVED, "", "0000:04:00.0");
	/* Without a serial it may be that one; it bears one, so it is not. */
	recognise(f, NVME_PLAIN, HOSTPCI_GONE, "", "");
	nvme_put(f, "0000:00:1c.4/0000:05:00.0", 0);
	recognise(f, NVME_PLAIN, HOSTPCI_GONE, "", "0000:05:00.0");
	/* Two of a serial prove nothing. */
	nvme_put(f, "0000:00:1c.5/0000:06:00.0", SERIAL);
	recognise(f, NVME_SN, HOSTPCI_GONE, "", "");
}

static void test_replaced(void **state)
{
	struct fixture *f = *state;
	struct fixture_dev nic = {
	    "0000:00:1c.0/0000:01:00.0", NULL, 0x020000, 0x8086, 0x10d3, 9, 0};

	nvme_put(f, "0000:00:1c.0/0000:01:00.0", SERIAL + 1);
	recognise(f, NVME_SN, HOSTPCI_REPLACED, "0000:01:00.0", "");
	nvme_put(f, "0000:00:1c.1/0000:02:00.0", SERIAL);
	recognise(f, NVME_SN, HOSTPCI_REPLACED, "0000:01:00.0", "0000:02:00.0");
	/* The other card is where this one was: they have changed places. */
	fixture_remove(f, "sys/devices/pci0000:00/0000:00:1c.0");
	fixture_remove(f, "sys/bus/pci/devices/0000:01:00.0");
	fixture_dev(f, &nic);
	recognise(f, NVME_SN, HOSTPCI_REPLACED, "0000:01:00.0", "0000:02:00.0");
	/* Read by an ordinary user: cannot be told. */
	config_put(f, "0000:00:1c.1/0000:02:00.0", SERIAL, 64);
	recognise(f,
		  NVME "00-11-22-33-44-55-66-77 0000:00/1c.1/00.0 "
		       "0000:02:00.0",
		  HOSTPCI_UNSURE, "0000:02:00.0", "");
}

/* The functions of a card bear one serial, and are told apart. */
static void test_functions(void **state)
{
	struct fixture *f = *state;

	nvme_put(f, "0000:00:1c.3/0000:04:00.0", SERIAL);
	nvme_put(f, "0000:00:1c.3/0000:04:00.1", SERIAL);
	recognise(f, NVME_SN, HOSTPCI_MOVED, "", "0000:04:00.0");
	recognise(f,
		  NVME "00-11-22-33-44-55-66-77 0000:00/1c.0/00.1 "
		       "0000:01:00.1",
		  HOSTPCI_MOVED, "", "0000:04:00.1");
}

static void test_vf(void **state)
{
	struct fixture *f = *state;
	char text[HOSTPCI_IDENTITY_MAX];

	nvme_put(f, "0000:00:1c.0/0000:01:00.0", SERIAL);
	nvme_put(f, "0000:00:1c.0/0000:01:00.2", 0);
	fixture_link(f, SYS_DEVICES "/0000:01:00.2/physfn", "../0000:01:00.0");
	fixture_link(f, SYS_DEVICES "/0000:01:00.0/virtfn0", "../0000:01:00.1");
	fixture_link(f, SYS_DEVICES "/0000:01:00.0/virtfn1", "../0000:01:00.2");
	text_of(f, "0000:01:00.2", text);
	assert_string_equal(text, NVME "00-11-22-33-44-55-66-77 "
				       "0000:00/1c.0/00.0/vf1 0000:01:00.2");
	recognise(f, text, HOSTPCI_SAME, "0000:01:00.2", "");
}

static void test_slot(void **state)
{
	static const char *const good[] = {"3/0", "0000:03:00", "03:00"};
	static const char *const bad[] = {"",	  "3",	    "3/0/0", "3/32",
					  "3/0/", "gpu0",   "256/0", "03:00.0",
					  "3/-1", "0x3/0x0"};
	struct hostpci_addr addr;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(hostpci_parse_slot(good[i], &err, &addr), 0);
		assert_true(addr.domain == 0 && addr.bus == 3 &&
			    addr.slot == 0 && addr.func == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hostpci_parse_slot(bad[i], &err, &addr),
				 -EINVAL);
	assert_text(err, "'0x3/0x0': not a PCI slot; expected 3/0 (bus/slot in "
			 "decimal) or 0000:03:00");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_text),	       TEST(test_text_refused),
	    TEST(test_hostile_config), TEST(test_bus_shifted),
	    TEST(test_moved),	       TEST(test_replaced),
	    TEST(test_functions),      TEST(test_vf),
	    TEST(test_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
