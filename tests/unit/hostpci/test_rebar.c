/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of resizing BARs (hostpci/rebar.c), with the kernel played. */
#include "fixture.h"

#include <string.h>

#define BDF	"0000:03:00.0"
#define CARD	SYS_DEVICES "/" BDF "/"
#define LABEL	BDF " (3/0/0): "
#define OLD	"run/byway/pci/" BDF ".bars"
#define UNBIND	CARD "driver/unbind=" BDF "\n"
#define BIND	SYS_DRIVERS "/vfio-pci/bind=" BDF "\n"
#define RESIZED CARD "resource1_resize="
/* 64M, 128M, 256M, 16G */
#define SIZES "00000000000041c0\n"

/* BAR 0 16 MiB, BAR 1 256 MiB and resizable, BAR 3 32 MiB. */
static void prepare(struct fixture *f, bool reserved)
{
	struct hostpci *host;
	struct err err = {0};

	fixture_plain(f);
	fixture_file(f, CARD "resource",
		     "0x00000000de000000 0x00000000deffffff 0x40200\n"
		     "0x0000004000000000 0x000000400fffffff 0x14220c\n"
		     "0x0000000000000000 0x0000000000000000 0x0\n"
		     "0x00000000c0000000 0x00000000c1ffffff 0x14220c\n");
	fixture_file(f, CARD "resource1_resize", SIZES);
	if (!reserved)
		return;
	host = fixture_open(f);
	assert_int_equal(
	    hostpci_reserve(host, fixture_find(host, BDF), 0, &err), 0);
	hostpci_close(host);
	f->log[0] = '\0';
}

static void resize_says(struct fixture *f, const char *opts, int code,
			const char *sentence)
{
	struct hostpci *host = fixture_open(f);
	struct hostpci_bars bars;
	struct err err = {0};
	int rc = hostpci_bars_options(opts, &err, &bars);

	f->log[0] = '\0';
	if (rc == 0)
		rc = hostpci_bars_resize(host, fixture_find(host, BDF), &bars,
					 &err);
	assert_text(err, sentence);
	assert_int_equal(rc, code);
	assert_int_equal(host->lock_fd, -1);
	hostpci_close(host);
}

static void release_says(struct fixture *f, int code, const char *sentence)
{
	struct hostpci *host = fixture_open(f);
	struct err err = {0};

	f->log[0] = '\0';
	assert_int_equal(hostpci_release(host, fixture_find(host, BDF), &err),
			 code);
	assert_text(err, sentence);
	hostpci_close(host);
}

static void card_is(struct fixture *f, uint64_t bar1, const char *driver)
{
	struct hostpci *host = fixture_open(f);
	const struct hostpci_dev *dev = fixture_find(host, BDF);

	assert_int_equal(dev->bar[1].size, bar1);
	assert_int_equal(dev->bar[3].size, MIB(32));
	assert_string_equal(dev->driver, driver);
	hostpci_close(host);
}

static void test_options(void **state UNUSED)
{
	static const struct {
		const char *opts, *sentence;
	} bad[] = {
	    {"bar1size=3G", "passthru: bar1size=3G: expected a power of two "
			    "of at least 1M, such as 256M or 16G"},
	    {"rom=x,bar0size", "passthru: bar0size=: expected a power of two "
			       "of at least 1M, such as 256M or 16G"},
	    {"bar0size=512K", "passthru: bar0size=512K: expected a power of "
			      "two of at least 1M, such as 256M or 16G"},
	    {"bar6size=1G", "passthru: bar6size: expected bar0size to "
			    "bar5size"},
	};
	struct hostpci_bars bars;
	struct err err = {0};

	assert_int_equal(hostpci_bars_options("", &err, &bars), 0);
	assert_int_equal(bars.size[1], 0);
	assert_int_equal(hostpci_bars_options("bar1size=16G,rom=bar2size=1G,"
					      "barNNsize=1,intpin=a,"
					      "bar5size=1M",
					      &err, &bars),
			 0);
	assert_int_equal(bars.size[1], MIB(16384));
	assert_int_equal(bars.size[2], 0);
	assert_int_equal(bars.size[5], MIB(1));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(hostpci_bars_options(bad[i].opts, &err, &bars),
				 -EINVAL);
		assert_text(err, bad[i].sentence);
	}
}

static void test_sizes(void **state)
{
	struct fixture *f = *state;
	const struct hostpci_dev *dev;
	struct hostpci *host;

	prepare(f, false);
	host = fixture_open(f);
	dev = fixture_find(host, BDF);
	assert_int_equal(hostpci_bar_sizes(host, dev, 1), 0x41c0);
	assert_int_equal(hostpci_bar_sizes(host, dev, 0), 0);
	fixture_file(f, CARD "resource1_resize", "many\n");
	assert_int_equal(hostpci_bar_sizes(host, dev, 1), 0);
	/* A size of 2^64 bytes is none. */
	fixture_file(f, CARD "resource1_resize", "ffffffffffffffff\n");
	assert_int_equal(hostpci_bar_sizes(host, dev, 1),
			 (UINT64_C(1) << 44) - 1);
	hostpci_close(host);
}

static void test_resize_and_release(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	resize_says(f, "intpin=a,bar1size=16G", 1, "");
	assert_string_equal(f->log, UNBIND RESIZED "14\n" BIND);
	card_is(f, MIB(16384), "vfio-pci");
	/* It has that size: nothing is done. */
	resize_says(f, "bar1size=16G", 0, "");
	assert_string_equal(f->log, "");
	/* Another one; what it had at first is not forgotten. */
	resize_says(f, "bar1size=64M,bar3size=32M", 1, "");
	assert_string_equal(f->log, UNBIND RESIZED "6\n" BIND);
	release_says(f, 0, "");
	assert_non_null(strstr(f->log, UNBIND RESIZED
			       "8\n" SYS_DRIVERS "/xhci_hcd/bind=" BDF "\n"));
	card_is(f, MIB(256), "xhci_hcd");
	assert_false(fixture_exists(f, OLD));
	assert_false(fixture_exists(f, "run/byway/pci/" BDF));
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	prepare(f, false);
	resize_says(f, "bar1size=16G", -EBUSY,
		    LABEL "its BARs can be resized only while it is reserved; "
			  "'vm passthru reserve 3/0/0' does that");
	resize_says(f, "bar1size=512M", -EINVAL,
		    LABEL "BAR 1 cannot have 512M; it has 256M and can have "
			  "64M, 128M, 256M, 16G");
	/* One that is possible is not given when another is not. */
	resize_says(f, "bar1size=16G,bar3size=64M", -ENOTSUP,
		    LABEL "BAR 3 is not resizable and stays at 32M (or the "
			  "host's kernel is older than 5.19)");
	resize_says(f, "bar2size=64M", -EINVAL, LABEL "has no BAR 2");
	assert_string_equal(f->log, "");
	assert_false(fixture_exists(f, OLD));
	card_is(f, MIB(256), "xhci_hcd");
}

static void test_in_use(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	fixture_link(f, "proc/77/fd/9", "/dev/vfio/12");
	fixture_file(f, "proc/77/comm", "byway\n");
	resize_says(f, "bar1size=16G", -EBUSY,
		    LABEL "in use by byway (process 77), which holds its "
			  "IOMMU group 12; stop it first");
	assert_string_equal(f->log, "");
	resize_says(f, "bar1size=256M", 0, "");
	card_is(f, MIB(256), "vfio-pci");
}

static void test_no_room(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	f->room = MIB(1024);
	resize_says(f, "bar1size=16G", -ENOSPC,
		    LABEL "there is no room for a BAR 1 of 16G below bridge "
			  "0000:00:1c.2; enable 'Above 4G decoding' in the "
			  "firmware, or ask for less; its BARs are as they "
			  "were");
	assert_string_equal(f->log, UNBIND RESIZED "14\n" BIND);
	card_is(f, MIB(256), "vfio-pci");
	release_says(f, 0, "");
	assert_null(strstr(f->log, "_resize"));
	card_is(f, MIB(256), "xhci_hcd");
	assert_false(fixture_exists(f, OLD));
}

/* The second of two fails: the first gets its size back. */
static void test_all_or_none(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	fixture_file(f, CARD "resource3_resize", "%x\n", 1 << 5 | 1 << 15);
	f->room = MIB(16384);
	resize_says(f, "bar3size=32G,bar1size=16G", -ENOSPC,
		    LABEL "there is no room for a BAR 3 of 32G below bridge "
			  "0000:00:1c.2; enable 'Above 4G decoding' in the "
			  "firmware, or ask for less; its BARs are as they "
			  "were");
	assert_string_equal(f->log, UNBIND RESIZED
			    "14\n" CARD "resource3_resize=15\n" RESIZED
			    "8\n" BIND);
	card_is(f, MIB(256), "vfio-pci");
}

/* The kernel says yes, and a BAR has no address afterwards. */
static void test_address_lost(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	f->lose_address = true;
	resize_says(f, "bar1size=16G", -ENOSPC,
		    LABEL "there is no room for a BAR 0 of 16M below bridge "
			  "0000:00:1c.2; enable 'Above 4G decoding' in the "
			  "firmware, or ask for less; its BARs are not as "
			  "they were: reboot the host before it is used");
	assert_string_equal(f->log, UNBIND RESIZED "14\n" RESIZED "8\n" BIND);
}

/* Nothing is written to a function in which the kernel hangs. */
static void test_hangs(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	f->hang = "/resource1_resize";
	resize_says(f, "bar1size=16G", -ETIMEDOUT,
		    LABEL "the kernel has not resized BAR 1 to 16G for 20 s "
			  "('dmesg' says more)");
	assert_string_equal(f->log, UNBIND RESIZED "14\n");
}

static void test_denied(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	f->deny = "/resource1_resize";
	resize_says(f, "bar1size=16G", -EACCES,
		    LABEL "resizing BAR 1 to 16G: Permission denied; its BARs "
			  "are as they were");
	card_is(f, MIB(256), "vfio-pci");
}

/* The size cannot be put back: the driver gets its device all the same. */
static void test_release_keeps_size(void **state)
{
	struct fixture *f = *state;

	prepare(f, true);
	resize_says(f, "bar1size=64M", 1, "");
	f->room = MIB(128);
	release_says(f, -ENOSPC,
		     "putting back the sizes that its BARs had: " LABEL
		     "there is no room for a BAR 1 of 256M below bridge "
		     "0000:00:1c.2; enable 'Above 4G decoding' in the "
		     "firmware, or ask for less; its BARs are as they were; "
		     "xhci_hcd has it back");
	card_is(f, MIB(64), "xhci_hcd");
	assert_true(fixture_exists(f, OLD));
	/* Reserved and released once more, there is room. */
	f->room = 0;
	{
		struct hostpci *host = fixture_open(f);
		struct err err = {0};

		assert_int_equal(
		    hostpci_reserve(host, fixture_find(host, BDF), 0, &err), 0);
		hostpci_close(host);
	}
	release_says(f, 0, "");
	card_is(f, MIB(256), "xhci_hcd");
	assert_false(fixture_exists(f, OLD));
}

/* A journal that byway has not written is not followed. */
static void test_bad_journal(void **state)
{
	static const char *const texts[] = {"bar9=268435456\n",
					    "bar1=3000000\n", "bar1=1\n",
					    "bar1=-1\n", "rm -rf\n"};
	struct fixture *f = *state;
	struct hostpci_bars bars;
	struct hostpci *host;
	char sentence[256];

	prepare(f, true);
	host = fixture_open(f);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		fixture_file(f, OLD, "%s", texts[i]);
		assert_int_equal(journal_bars_read(host, BDF, &bars), -EINVAL);
	}
	hostpci_close(host);
	snprintf(sentence, sizeof(sentence),
		 BDF ": reading the sizes its BARs had in %s/run/byway/pci: "
		     "Invalid argument; xhci_hcd has it back",
		 f->root);
	release_says(f, -EINVAL, sentence);
	card_is(f, MIB(256), "xhci_hcd");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_options),
	    TEST(test_sizes),
	    TEST(test_resize_and_release),
	    TEST(test_refused),
	    TEST(test_in_use),
	    TEST(test_no_room),
	    TEST(test_all_or_none),
	    TEST(test_address_lost),
	    TEST(test_hangs),
	    TEST(test_denied),
	    TEST(test_release_keeps_size),
	    TEST(test_bad_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
