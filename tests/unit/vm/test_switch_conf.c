/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of switches as text: what is taken, what is refused, what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "vm/switch.h"

struct fixture {
	struct place place;
	char path[PATH_MAX + 32]; /* of system.conf */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char dir[] = "/tmp/byway-switch-XXXXXX";

	if (!f || !mkdtemp(dir))
		return -1;
	strcpy(f->place.dir, dir);
	snprintf(f->path, sizeof(f->path), "%s/.config/system.conf", dir);
	*state = f;
	return 0;
}

static int entry_remove(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->place.dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void file_write(struct fixture *f, const char *text)
{
	char dir[PATH_MAX + 16];

	snprintf(dir, sizeof(dir), "%s/.config", f->place.dir);
	(void)!mkdir(dir, 0755);
	assert_int_equal(
	    conf_write_text(AT_FDCWD, f->path, f->path, text, NULL), 0);
}

static void file_expect(struct fixture *f, const char *text)
{
	char *is = NULL;

	assert_int_equal(conf_read_text(AT_FDCWD, f->path, f->path, NULL, &is),
			 0);
	assert_string_equal(is, text);
	free(is);
}

typedef int set_fn(struct vswitch *sw, const char *text, struct err *err);

static void expect_refused(set_fn *set, const char *text, const char *sentence)
{
	struct vswitch sw, before;
	struct err err = {0};

	assert_int_equal(vswitch_init(&sw, "lan0", NULL), 0);
	before = sw;
	assert_true(set(&sw, text, &err) < 0);
	assert_string_equal(err.msg, sentence);
	assert_memory_equal(&sw, &before, sizeof(sw));
}

static void test_names(void **state)
{
	static const char *const good[] = {"ab", "A0", "lan-1.x_y",
					   "0123456789012345678901234567890123"
					   "45678901234567"};
	static const char *const bad[] = {
	    "",
	    "a",
	    "-ab",
	    "ab-",
	    "a b",
	    "a/b",
	    "a;b",
	    "a\"b",
	    "a=b",
	    "a#b",
	    "..",
	    "a\nb",
	    "0123456789012345678901234567890123456789"
	    "012345678"};
	struct vswitch sw;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(vswitch_init(&sw, good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(vswitch_init(&sw, bad[i], NULL), -EINVAL);
}

static void test_numbers(void **state)
{
	struct vswitch sw;

	(void)state;
	assert_int_equal(vswitch_init(&sw, "lan0", NULL), 0);
	assert_int_equal(vswitch_set_vlan(&sw, "4094", NULL), 0);
	assert_int_equal(sw.vlan, 4094);
	assert_int_equal(vswitch_set_vlan(&sw, "0", NULL), 0);
	assert_int_equal(sw.vlan, 0);
	assert_int_equal(vswitch_set_mtu(&sw, "9000", NULL), 0);
	assert_int_equal(vswitch_set_mtu(&sw, "100", NULL), 0);
	expect_refused(vswitch_set_vlan, "4095",
		       "'4095' is not a VLAN: expected 1 to 4094, or 0 for "
		       "none");
	expect_refused(vswitch_set_vlan, "-1",
		       "'-1' is not a VLAN: expected 1 to 4094, or 0 for none");
	expect_refused(vswitch_set_vlan, "",
		       "'' is not a VLAN: expected 1 to 4094, or 0 for none");
	expect_refused(vswitch_set_mtu, "99",
		       "'99' is not an MTU: expected 100 to 9000 bytes");
	expect_refused(vswitch_set_mtu, "9001",
		       "'9001' is not an MTU: expected 100 to 9000 bytes");
}

static void test_types(void **state)
{
	(void)state;
	expect_refused(vswitch_set_type, "vale",
		       "switch type vale belongs to FreeBSD's kernel and does "
		       "not exist on Linux; use standard");
	expect_refused(vswitch_set_type, "netgraph",
		       "switch type netgraph belongs to FreeBSD's kernel and "
		       "does not exist on Linux; use standard");
	expect_refused(vswitch_set_type, "vxlan",
		       "switch type vxlan is not in this version; make the "
		       "vxlan interface and a bridge with ip(8), then a switch "
		       "with -t manual -b BRIDGE");
	expect_refused(vswitch_set_type, "standart",
		       "'standart' is not a switch type, which are standard "
		       "and manual; did you mean standard?");
	expect_refused(vswitch_set_type, "x",
		       "'x' is not a switch type, which are standard and "
		       "manual");
}

static void test_addresses(void **state)
{
	static const char *const good[] = {"10.0.0.1/24",   "192.168.0.254/24",
					   "172.16.0.1/12", "10.0.0.0/31",
					   "10.0.0.1/32",   "fd00::1/64"};
	static const char *const bad[] = {
	    "10.0.0.1",	   "10.0.0.1/",
	    "10.0.0.1/33", "10.0.0.1/0",
	    "10.0.0/24",   "10.0.0.1/24x",
	    "fd00::1/129", "fd00::g/64",
	    "/24",	   "10.0.0.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1/24",
	    "none",	   "10.0.0.1/24/24"};
	static const char *const nohost[] = {"10.0.0.0/24", "10.0.0.255/24",
					     "127.0.0.1/8", "224.0.0.1/24",
					     "0.0.0.1/24",  "ff02::1/64"};
	struct vswitch sw;

	(void)state;
	assert_int_equal(vswitch_init(&sw, "lan0", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(vswitch_set_addr(&sw, good[i], NULL), 0);
	assert_int_equal(sw.addr.prefix, 32);
	assert_int_equal(sw.addr6.prefix, 64);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(vswitch_set_addr(&sw, bad[i], NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(nohost); i++)
		assert_int_equal(vswitch_set_addr(&sw, nohost[i], NULL),
				 -EINVAL);
	expect_refused(vswitch_set_addr, "10.0.0.1",
		       "'10.0.0.1' is not an address with its prefix, such as "
		       "10.0.0.1/24");
	expect_refused(vswitch_set_addr, "10.0.0.0/24",
		       "10.0.0.0/24: no address for a switch; expected "
		       "one inside the network, such as 10.0.0.1/24");
}

static void test_ports(void **state)
{
	struct vswitch sw;
	char name[IFNAMSIZ];

	(void)state;
	assert_int_equal(vswitch_init(&sw, "lan0", NULL), 0);
	for (unsigned i = 0; i < SWITCH_PORTS_MAX; i++) {
		snprintf(name, sizeof(name), "e%u", i);
		assert_int_equal(vswitch_add_port(&sw, name, NULL), 0);
	}
	assert_int_equal(vswitch_add_port(&sw, "more", NULL), -E2BIG);
	assert_int_equal(vswitch_remove_port(&sw, "e0", NULL), 0);
	assert_int_equal(vswitch_remove_port(&sw, "e0", NULL), -ENOENT);
	assert_int_equal(vswitch_add_port(&sw, "e31", NULL), -EEXIST);
	assert_string_equal(sw.port[0], "e1");
	assert_string_equal(sw.port[sw.ports - 1], "e31");
	expect_refused(vswitch_add_port, "averylonginterface",
		       "'averylonginterface' is not a network interface name");
	expect_refused(vswitch_add_port, "a/b",
		       "'a/b' is not a network interface name");
	expect_refused(vswitch_add_port, "..",
		       "'..' is not a network interface name");
}

static void save(struct fixture *f, const struct vswitch *sw)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;

	assert_int_equal(switch_store_open(&f->place, NULL, &store), 0);
	assert_int_equal(switch_store_save(&store, sw, NULL), 0);
}

static void load(struct fixture *f, const char *name, struct vswitch *ret_sw)
{
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;

	assert_int_equal(switch_store_read(&f->place, NULL, &store), 0);
	assert_int_equal(vswitch_load(&store, name, NULL, ret_sw), 0);
}

static void expect_same(const struct vswitch *a, const struct vswitch *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->type, b->type);
	assert_string_equal(a->bridge, b->bridge);
	assert_int_equal(a->ports, b->ports);
	for (unsigned i = 0; i < a->ports; i++)
		assert_string_equal(a->port[i], b->port[i]);
	assert_int_equal(a->vlan, b->vlan);
	assert_int_equal(a->mtu, b->mtu);
	assert_memory_equal(&a->addr, &b->addr, sizeof(a->addr));
	assert_memory_equal(&a->addr6, &b->addr6, sizeof(a->addr6));
	assert_int_equal(a->is_private, b->is_private);
	assert_int_equal(a->nat, b->nat);
}

static void test_kept(void **state)
{
	struct fixture *f = *state;
	struct vswitch lan, man, back;
	struct switch_store store;

	assert_int_equal(vswitch_init(&lan, "lan-0", NULL), 0);
	assert_int_equal(vswitch_add_port(&lan, "eno1", NULL), 0);
	assert_int_equal(vswitch_add_port(&lan, "eno2", NULL), 0);
	assert_int_equal(vswitch_set_addr(&lan, "10.0.0.1/24", NULL), 0);
	assert_int_equal(vswitch_set_addr(&lan, "fd00::1/64", NULL), 0);
	lan.vlan = 7;
	lan.mtu = 1400;
	lan.is_private = true;
	assert_int_equal(vswitch_init(&man, "MAN", NULL), 0);
	assert_int_equal(vswitch_set_type(&man, "manual", NULL), 0);
	assert_int_equal(vswitch_set_bridge(&man, "br0", NULL), 0);

	/* What else is in the file stays. */
	file_write(f, "# mine\nconsole=\"nmdm\"\ndatastore_list=\"a b\"");
	save(f, &lan);
	save(f, &man);
	file_expect(f, "# mine\nconsole=\"nmdm\"\ndatastore_list=\"a b\"\n"
		       "switch_list=\"lan-0 MAN\"\n"
		       "type_lan-0=\"standard\"\n"
		       "ports_lan-0=\"eno1 eno2\"\n"
		       "vlan_lan-0=\"7\"\n"
		       "mtu_lan-0=\"1400\"\n"
		       "addr_lan-0=\"10.0.0.1/24\"\n"
		       "addr6_lan-0=\"fd00::1/64\"\n"
		       "private_lan-0=\"yes\"\n"
		       "type_MAN=\"manual\"\n"
		       "bridge_MAN=\"br0\"\n");
	load(f, "lan-0", &back);
	expect_same(&back, &lan);
	load(f, "MAN", &back);
	expect_same(&back, &man);

	/* A setting that is gone leaves no key; a switch no trace. */
	lan.vlan = 0;
	lan.is_private = false;
	lan.nat = true;
	lan.ports = 0;
	save(f, &lan);
	assert_int_equal(switch_store_open(&f->place, NULL, &store), 0);
	assert_int_equal(switch_store_remove(&store, "MAN", NULL), 0);
	file_expect(f, "# mine\nconsole=\"nmdm\"\ndatastore_list=\"a b\"\n"
		       "switch_list=\"lan-0\"\n"
		       "type_lan-0=\"standard\"\n"
		       "mtu_lan-0=\"1400\"\n"
		       "addr_lan-0=\"10.0.0.1/24\"\n"
		       "addr6_lan-0=\"fd00::1/64\"\n"
		       "nat_lan-0=\"yes\"\n");
	assert_int_equal(switch_store_restore(&store, NULL), 0);
	switch_store_close(&store);
	load(f, "MAN", &back);
	expect_same(&back, &man);
}

/* Files as vm-bhyve writes them, and with mistakes. */
static void test_loaded(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text, *sentence;
	} cases[] = {
	    {"switch_list=\"\"\n",
	     "there is no switch 'lan0'; 'vm switch list' shows all"},
	    {"switch_list=\"lan1\"\ntype_lan0=standard\n",
	     "there is no switch 'lan0'; did you mean 'lan1'?"},
	    {"switch_list=lan0\ntype_lan0=vale\n",
	     "F: type_lan0: switch type vale belongs to FreeBSD's kernel and "
	     "does not exist on Linux; use standard"},
	    {"switch_list=lan0\nvlan_lan0=5000\n",
	     "F: vlan_lan0: '5000' is not a VLAN: expected 1 to 4094, or 0 "
	     "for none"},
	    {"switch_list=lan0\ntype_lan0=manual\n",
	     "F: switch 'lan0' is manual and has no bridge; name it with -b"},
	    {"switch_list=lan0\nnat_lan0=yes\n",
	     "F: switch 'lan0': NAT needs an IPv4 address on the switch; "
	     "first 'vm switch address lan0 172.16.0.1/24' or the like"},
	};
	struct vswitch sw;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_SWITCH_STORE struct switch_store store =
		    SWITCH_STORE_NONE;
		struct err err = {0};
		char *at;

		file_write(f, cases[i].text);
		assert_int_equal(switch_store_read(&f->place, NULL, &store), 0);
		assert_true(vswitch_load(&store, "lan0", &err, &sw) < 0);
		at = strstr(err.msg, f->path);
		if (at) {
			memmove(at + 1, at + strlen(f->path),
				strlen(at + strlen(f->path)) + 1);
			*at = 'F';
		}
		assert_string_equal(err.msg, cases[i].sentence);
	}
	/* A port twice is one port. */
	file_write(f, "switch_list=lan0\nports_lan0=\"em0 em0\"\n");
	load(f, "lan0", &sw);
	assert_int_equal(sw.ports, 1);
	/* The type was added to vm-bhyve's file later; "no" is no. */
	file_write(f, "switch_list=\"lan0\"\nports_lan0=\"em0\"\n"
		      "private_lan0=\"no\"\nnat_lan0=\"off\"\n");
	load(f, "lan0", &sw);
	assert_int_equal(sw.type, SWITCH_STANDARD);
	assert_int_equal(sw.ports, 1);
	assert_false(sw.is_private);
	assert_false(sw.nat);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	struct switch_store store;
	struct words names = {0};
	struct place nowhere = f->place;
	struct err err = {0};

	assert_int_equal(switch_store_read(&f->place, NULL, &store), 0);
	switch_store_names(&store, &names);
	assert_int_equal(names.count, 0);
	switch_store_close(&store);
	strcat(nowhere.dir, "/no");
	assert_int_equal(switch_store_open(&nowhere, &err, &store), -ENOENT);
	assert_non_null(strstr(err.msg, "'vm init' makes it"));
}

/* Who may write the file may change the network. */
static void test_owner(void **state)
{
	struct fixture *f = *state;
	struct switch_store store;
	struct err err = {0};
	char dir[PATH_MAX + 16];

	file_write(f, "");
	assert_int_equal(chmod(f->path, 0664), 0);
	assert_int_equal(switch_store_open(&f->place, &err, &store), -EPERM);
	assert_non_null(strstr(err.msg, "system.conf: writable by others, who "
					"could change this host's network"));
	assert_int_equal(chmod(f->path, 0644), 0);
	snprintf(dir, sizeof(dir), "%s/.config", f->place.dir);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(switch_store_open(&f->place, &err, &store), -EPERM);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(switch_store_open(&f->place, &err, &store), 0);
	switch_store_close(&store);
}

/* Two that add at the same time both get in. */
static void test_lock(void **state)
{
	struct fixture *f = *state;
	CLEANUP_SWITCH_STORE struct switch_store store = SWITCH_STORE_NONE;
	struct vswitch sw;
	int status;
	pid_t pid;

	assert_int_equal(switch_store_open(&f->place, NULL, &store), 0);
	pid = fork();
	if (pid == 0) {
		struct switch_store other;

		/* The copy of the lock would hold it, too. */
		close(store.lock);
		/* Waits for the parent's end of its change. */
		if (vswitch_init(&sw, "two", NULL) < 0 ||
		    switch_store_open(&f->place, NULL, &other) < 0 ||
		    !switch_store_has(&other, "one") ||
		    switch_store_save(&other, &sw, NULL) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(vswitch_init(&sw, "one", NULL), 0);
	usleep(50000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(switch_store_save(&store, &sw, NULL), 0);
	switch_store_close(&store);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	file_expect(f, "switch_list=\"one two\"\ntype_one=\"standard\"\n"
		       "type_two=\"standard\"\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_ports),
	    TEST(test_kept),
	    TEST(test_loaded),
	    TEST(test_absent),
	    TEST(test_lock),
	    TEST(test_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
