/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of byway's command line from a guest file (vm/plan.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vm/plan.h"

/* The parts of the command line a text leads to. */
struct result {
	char *devices, *options, *console;
};

static struct conf *parse(const char *text)
{
	struct conf *conf = NULL;
	struct err err = {0};

	assert_int_equal(conf_parse(text, strlen(text), "F", NULL, &err, &conf),
			 0);
	return conf;
}

static int plan(const char *text, struct err *err, struct result *ret)
{
	struct guest guest = {.name = "demo", .dir = "/vm/demo", .dirfd = -1};
	struct conf *conf = parse(text);
	struct words nics = {0};
	struct plan_input input = {
	    .guest = &guest,
	    .conf = conf,
	    .nics = &nics,
	    .com = {"/dev/pts/1", NULL, "/dev/pts/3"},
	};
	struct plan made;
	int rc;

	for (unsigned n = 0; conf_get(conf, "network%u_type", n); n++)
		words_add(&nics, "tap%u", n);
	rc = plan_make(&input, err, &made);
	words_free(&nics);
	conf_free(conf);
	if (rc < 0)
		return rc;
	*ret = (struct result){words_join(&made.devices, ' '),
			       words_join(&made.options, ' '),
			       words_join(&made.console, ' ')};
	plan_free(&made);
	return 0;
}

static void result_free(struct result *r)
{
	free(r->devices);
	free(r->options);
	free(r->console);
}

static void expect_devices(const char *text, const char *devices)
{
	struct err err = {0};
	struct result r;

	assert_int_equal(plan(text, &err, &r), 0);
	assert_string_equal(r.devices, devices);
	result_free(&r);
}

static void expect_options(const char *text, const char *options)
{
	struct err err = {0};
	struct result r;

	assert_int_equal(plan(text, &err, &r), 0);
	assert_string_equal(r.options, options);
	assert_string_equal(r.console, "-l com1,/dev/pts/1 -l com3,/dev/pts/3");
	result_free(&r);
}

#define BRIDGES "-s 0,hostbridge -s 31,lpc"

static void test_order(void **state)
{
	(void)state;
	expect_devices("", BRIDGES);
	expect_devices("sound=yes\nsound_rec=/dev/dsp1\nxhci_mouse=yes\n"
		       "passthru0=3/0/0\nvirt_random=yes\n"
		       "virt_console0=yes\nvirt_console1=log\n"
		       "network0_type=virtio-net\nnetwork0_mac=M\n"
		       "disk0_type=virtio-blk\ndisk0_name=disk0.img\n",
		       BRIDGES " -s 0:4:0,virtio-blk,/vm/demo/disk0.img"
			       " -s 0:5:0,virtio-net,tap0,mac=M"
			       " -s 0:6:0,virtio-rnd"
			       " -s 0:7:0,passthru,3/0/0"
			       " -s 0:8:0,xhci,tablet"
			       " -s 0:9:0,hda,play=/dev/dsp0,rec=/dev/dsp1"
			       " -s 0:10:0,virtio-console,0=/vm/demo/vtcon.0,"
			       "log=/vm/demo/vtcon.log");
}

/* An empty value ends a family. */
static void test_family_end(void **state)
{
	(void)state;
	expect_devices("disk0_type=\ndisk1_type=virtio-blk\n"
		       "disk1_name=a.img\nnetwork0_type=\n"
		       "network1_type=virtio-net\nvirt_random=yes\n",
		       BRIDGES " -s 0:4:0,virtio-rnd");
	expect_devices("disk0_type=virtio-blk\ndisk0_name=a\ndisk1_type=\n",
		       BRIDGES " -s 0:4:0,virtio-blk,/vm/demo/a");
}

static void test_bridges(void **state)
{
	(void)state;
	expect_devices("hostbridge=amd\nfwcfg=qemu\n",
		       "-s 0,amd_hostbridge -s 31,lpc,fwcfg=qemu");
	expect_devices("hostbridge=none\n", "-s 31,lpc");
	expect_devices("hostbridge=\nstart_slot=9\nvirt_random=1\n",
		       BRIDGES " -s 0:9:0,virtio-rnd");
}

/* Disks and NICs share slots as functions 0 to 7. */
static void test_functions(void **state)
{
	char text[2048] = "", expected[4096] = BRIDGES;

	(void)state;
	for (int n = 0; n < 9; n++) {
		sprintf(text + strlen(text),
			"disk%d_type=virtio-blk\ndisk%d_name=d%d\n", n, n, n);
		sprintf(expected + strlen(expected),
			" -s 0:%d:%d,virtio-blk,/vm/demo/d%d", 4 + n / 8, n % 8,
			n);
	}
	for (int n = 0; n < 2; n++) {
		sprintf(text + strlen(text), "network%d_type=e1000\n", n);
		sprintf(expected + strlen(expected), " -s 0:6:%d,e1000,tap%d",
			n, n);
	}
	expect_devices(text, expected);
	/* Exactly eight leave no slot empty. */
	expect_devices("network0_type=a\nnetwork1_type=a\nnetwork2_type=a\n"
		       "network3_type=a\nnetwork4_type=a\nnetwork5_type=a\n"
		       "network6_type=a\nnetwork7_type=a\nvirt_random=yes\n",
		       BRIDGES
		       " -s 0:4:0,a,tap0 -s 0:4:1,a,tap1 -s 0:4:2,a,tap2"
		       " -s 0:4:3,a,tap3 -s 0:4:4,a,tap4 -s 0:4:5,a,tap5"
		       " -s 0:4:6,a,tap6 -s 0:4:7,a,tap7 -s 0:5:0,virtio-rnd");
}

static void test_disks(void **state)
{
	(void)state;
	expect_devices("disk0_type=virtio-blk\ndisk0_name=/dev/sd%a\n"
		       "disk0_dev=custom\ndisk0_opts=ro,nocache\n"
		       "disk1_type=virtio-9p\ndisk1_dev=9p\n"
		       "disk1_name=share=/srv\n"
		       "disk3_type=after-the-gap\ndisk3_name=x\n",
		       BRIDGES " -s 0:4:0,virtio-blk,/dev/sd%%a,ro,nocache"
			       " -s 0:4:1,virtio-9p,share=/srv");
}

static void test_ahci_sharing(void **state)
{
	(void)state;
	expect_devices("ahci_device_limit=2\n"
		       "disk0_type=ahci-hd\ndisk0_name=a\ndisk0_opts=ro\n"
		       "disk1_type=virtio-blk\ndisk1_name=b\n"
		       "disk2_type=ahci-cd\ndisk2_name=c\n"
		       "disk3_type=ahci-hd\ndisk3_name=d\n",
		       BRIDGES " -s 0:4:0,virtio-blk,/vm/demo/b"
			       " -s 0:4:1,ahci,hd:/vm/demo/a,ro,cd:/vm/demo/c"
			       " -s 0:4:2,ahci,hd:/vm/demo/d");
	expect_devices("disk0_type=ahci-hd\ndisk0_name=a\n",
		       BRIDGES " -s 0:4:0,ahci-hd,/vm/demo/a");
}

static void test_passthru(void **state)
{
	(void)state;
	/* The text before the first slash, the bus, decides. */
	expect_devices("passthru0=1/0/0\npassthru1=1/0/1\npassthru2=2/0/0\n"
		       "virt_random=no\nxhci_mouse=yes\n",
		       BRIDGES
		       " -s 0:4:0,passthru,1/0/0 -s 0:4:1,passthru,1/0/1"
		       " -s 0:5:0,passthru,2/0/0 -s 0:6:0,xhci,tablet");
	expect_devices("passthru0=0/2/0\npassthru1=0/31/3\n", BRIDGES
		       " -s 0:4:0,passthru,0/2/0 -s 0:4:1,passthru,0/31/3");
	/* Other spellings: same function of the host, same slot. */
	expect_devices(
	    "passthru0=0000:03:00.0\npassthru1=0000:03:00.1\n"
	    "passthru2=0000:03:01.0\npassthru3=pci4:0:0\n"
	    "passthru4=pci4:0:1\n",
	    BRIDGES " -s 0:4:0,passthru,0000:03:00.0"
		    " -s 0:4:1,passthru,0000:03:00.1"
		    " -s 0:5:0,passthru,0000:03:01.0"
		    " -s 0:6:0,passthru,pci4:0:0 -s 0:6:1,passthru,pci4:0:1");
	/* Pinned ones take no automatic slot, but the list still takes one. */
	expect_devices("passthru0=4/0/0=6:1\npassthru0_options=rom=x\n"
		       "passthru1=3/0/0\npassthru2=5/0/0=6:0\nxhci_mouse=y\n",
		       BRIDGES
		       " -s 0:6:1,passthru,4/0/0,rom=x -s 0:4:0,passthru,3/0/0"
		       " -s 0:6:0,passthru,5/0/0 -s 0:5:0,xhci,tablet");
	expect_devices("passthru0=4/0/0=9:0\nxhci_mouse=y\n",
		       BRIDGES " -s 0:9:0,passthru,4/0/0 -s 0:5:0,xhci,tablet");
}

static void test_overflow(void **state)
{
	struct err err = {0};
	struct result r;

	(void)state;
	assert_int_equal(plan("start_slot=29\nvirt_random=y\nxhci_mouse=y\n"
			      "sound=y\nvirt_console0=y\n",
			      &err, &r),
			 0);
	assert_string_equal(r.devices, BRIDGES
			    " -s 0:29:0,virtio-rnd -s 0:30:0,xhci,tablet"
			    " -s 1:0:0,hda,play=/dev/dsp0"
			    " -s 1:1:0,virtio-console,y=/vm/demo/vtcon.y");
	assert_non_null(strstr(r.options, " -Y"));
	result_free(&r);
}

static void test_options(void **state)
{
	(void)state;
	expect_options("cpu=2\nmemory=1G\n", "-c 2 -m 1G -AHPw -u");
	expect_options(
	    "cpu=8\ncpu_sockets=2\ncpu_cores=2\ncpu_threads=2\n"
	    "memory=8G\nutctime=no\nuuid=U\nwired_memory=yes\n"
	    "bhyve_options=-p 0:1  -x\nlinux_kernel=vmlinuz\n"
	    "linux_initrd=/boot/initrd\n"
	    "linux_cmdline=console=ttyS0 a=%(b) root=/dev/vda\n",
	    "-c 8,sockets=2,cores=2,threads=2 -m 8G -AHPw"
	    " -o boot.kernel=/vm/demo/vmlinuz -o boot.initrd=/boot/initrd"
	    " -o boot.cmdline=console=ttyS0 a=%%(b) root=/dev/vda"
	    " -p 0:1 -x -S -U U");
	expect_options("cpu=1\nmemory=1G\npassthru0=1/0/0\n",
		       "-c 1 -m 1G -AHPw -S -u");
}

static void test_passthru_syntax(void **state)
{
	static const char *const bad[] = {
	    "1/0/0=",	  "1/0/0=6", "1/0/0=6:8",   "1/0/0=32:0",
	    "1/0/0=6:1x", "=6:1",    "1/0/0,rom=x", "1/0/0 x"};
	struct result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {0};
		char text[64];

		snprintf(text, sizeof(text), "a=1\npassthru0=%s\n", bad[i]);
		if (plan(text, &err, &r) != -EINVAL)
			fail_msg("accepted %s", bad[i]);
		assert_memory_equal(err.msg, "F:2: passthru0=", 15);
	}
}

static void test_comports(void **state)
{
	struct conf *conf = parse("comports=com2 com1\n");

	(void)state;
	assert_true(plan_has_com(conf, 0));
	assert_true(plan_has_com(conf, 1));
	assert_false(plan_has_com(conf, 2));
	assert_int_equal(plan_first_com(conf), 1);
	conf_free(conf);
	conf = parse("");
	assert_true(plan_has_com(conf, 0));
	assert_false(plan_has_com(conf, 1));
	assert_int_equal(plan_first_com(conf), 0);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_family_end),
	    cmocka_unit_test(test_bridges),
	    cmocka_unit_test(test_functions),
	    cmocka_unit_test(test_disks),
	    cmocka_unit_test(test_ahci_sharing),
	    cmocka_unit_test(test_passthru),
	    cmocka_unit_test(test_overflow),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_passthru_syntax),
	    cmocka_unit_test(test_comports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
