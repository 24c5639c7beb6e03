/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of reservations over host reboots (vm/persist.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/persist.h"

static struct hostpci_identity identity(const char *text)
{
	struct hostpci_identity id;

	assert_int_equal(hostpci_identity_parse(text, &id), 0);
	return id;
}

#define GPU  "10de:1bb3 10de:11d8 - 0000:00/1c.0/00.0 0000:03:00.0"
#define NIC  "8086:10d3 0000:0000 - 0000:80/1f.6 0000:80:1f.6"
#define DEEP "10de:1bb3 10de:11d8 - 10000:e0/01.0/00.0/04.1/00.2 10000:e4:00.2"

#define RULE(path, v, d, sv, sd)                                \
	"ACTION==\"add\", SUBSYSTEM==\"pci\", DEVPATH==\"" path \
	"\", ATTR{vendor}==\"" v "\", ATTR{device}==\"" d       \
	"\", ATTR{subsystem_vendor}==\"" sv                     \
	"\", ATTR{subsystem_device}==\"" sd "\", "
#define RULES(text, rule)                                                    \
	"# byway " text "\n" rule "ATTR{driver_override}=\"vfio-pci\", "     \
	"RUN{builtin}+=\"kmod load vfio-pci\"\n" rule "TEST==\"/sbin/vm\", " \
	"RUN+=\"/sbin/vm passthru reserve %k\"\n"
#define HEADER                                                          \
	"# Written by 'vm passthru reserve --persist', changed by 'vm " \
	"passthru release'.\n"

static void test_rules(void **state)
{
	CLEANUP_FREE char *text = NULL;
	struct persist persist = {.count = 0}, back;
	struct hostpci_identity gpu = identity(GPU), nic = identity(NIC),
				deep = identity(DEEP);
	struct err err = {0};

	(void)state;
	assert_int_equal(persist_add(&persist, &gpu, &err), 0);
	assert_int_equal(persist_add(&persist, &nic, &err), 0);
	assert_int_equal(persist_add(&persist, &deep, &err), 0);
	/* Once more is no more. */
	assert_int_equal(persist_add(&persist, &gpu, &err), 0);
	text = persist_rules(&persist, "/sbin/vm");
	assert_string_equal(
	    text,
	    HEADER RULES(GPU, RULE("*/pci0000:00/0000:00:1c.0/0000:??:00.0",
				   "0x10de", "0x1bb3", "0x10de", "0x11d8"))
		RULES(NIC, RULE("*/pci0000:80/0000:80:1f.6", "0x8086", "0x10d3",
				"0x0000", "0x0000"))
		    RULES(DEEP,
			  RULE("*/pci10000:e0/10000:e0:01.0/10000:??:00.0/"
			       "10000:??:04.1/10000:??:00.2",
			       "0x10de", "0x1bb3", "0x10de", "0x11d8")));
	assert_int_equal(persist_parse(text, "R", &err, &back), 0);
	assert_int_equal(back.count, 3);
	assert_true(persist_has(&back, &deep));
	assert_true(persist_remove(&back, &nic));
	assert_false(persist_remove(&back, &nic));
	assert_int_equal(back.count, 2);
	assert_true(persist_has(&back, &gpu) && persist_has(&back, &deep));
}

static void test_foreign(void **state)
{
	struct persist persist;
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    persist_parse(HEADER "KERNEL==\"sda\"\n", "R", &err, &persist),
	    -EINVAL);
	assert_string_equal(err.msg, "R:2: is not what vm has written there; "
				     "move it to a file of its own");
	assert_int_equal(
	    persist_parse("# byway nonsense\n", "R", &err, &persist), -EINVAL);
	assert_string_equal(err.msg, "R:1: not a device that vm has written "
				     "there; remove the line and the rules "
				     "below it");
	assert_int_equal(persist_parse("", "R", &err, &persist), 0);
	assert_int_equal(persist.count, 0);
}

static void test_limit(void **state)
{
	struct persist persist = {.count = 0};
	struct hostpci_identity gpu = identity(GPU);
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < PERSIST_MAX; i++) {
		gpu.device = (uint16_t)i;
		assert_int_equal(persist_add(&persist, &gpu, &err), 0);
	}
	gpu.device = 0xffff;
	assert_int_equal(persist_add(&persist, &gpu, &err), -E2BIG);
	assert_int_equal(persist.count, PERSIST_MAX);
}

static int entry_remove(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static bool is_there(const struct place *place, const char *name, mode_t mode)
{
	char path[PATH_MAX + 64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", place->host_root, name);
	if (stat(path, &st) < 0)
		return false;
	assert_int_equal(st.st_mode & 07777, mode);
	return true;
}

static void folder_make(const struct place *place, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", place->host_root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* Written below the root that was given, and nowhere else. */
static void test_files(void **state)
{
	struct place place = {.host_root = "/tmp/byway-persist-XXXXXX"};
	struct persist persist = {.count = 0};
	struct hostpci_identity gpu = identity(GPU);
	struct err err = {0};

	(void)state;
	assert_non_null(mkdtemp(place.host_root));
	assert_int_equal(persist_load(&place, &err, &persist), 0);
	assert_int_equal(persist_add(&persist, &gpu, &err), 0);
	assert_int_equal(persist_save(&place, &persist, &err), 0);
	assert_true(is_there(&place, PERSIST_RULES, 0644));
	assert_string_equal(persist_hint(&place), "");
	/* With tools that make an initial RAM file system. */
	folder_make(&place, "etc/initramfs-tools");
	assert_string_equal(persist_hint(&place), "update-initramfs -u");
	assert_int_equal(persist_save(&place, &persist, &err), 0);
	assert_true(
	    is_there(&place, "etc/initramfs-tools/hooks/byway-passthru", 0755));
	assert_false(
	    is_there(&place, "etc/dracut.conf.d/byway-passthru.conf", 0644));
	assert_int_equal(persist_load(&place, &err, &persist), 0);
	assert_true(persist_has(&persist, &gpu));
	/* The last one gone, nothing is left. */
	assert_true(persist_remove(&persist, &gpu));
	assert_int_equal(persist_save(&place, &persist, &err), 0);
	assert_false(is_there(&place, PERSIST_RULES, 0644));
	assert_false(
	    is_there(&place, "etc/initramfs-tools/hooks/byway-passthru", 0755));
	nftw(place.host_root, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_foreign),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
