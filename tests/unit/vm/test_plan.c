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
	char *options, *devices, *iso, *console, *secrets;
	bool waits;
};

/* What was found for its passthruN, NULL: as written. */
static const struct plan_functions *found_functions;

/* What a text is planned with besides its own keys. */
struct with {
	const char *code, *vars; /* firmware */
	const char *tpm, *iso;
	bool later_run;
};

static struct conf *parse(const char *text)
{
	struct conf *conf = NULL;
	struct err err = {0};

	assert_int_equal(conf_parse(text, strlen(text), "F", NULL, &err, &conf),
			 0);
	return conf;
}

/* As disks_attach() does it for images in the guest's directory. */
static void disks_fill(const struct conf *conf, struct words *disks)
{
	for (unsigned n = 0; conf_member(conf, "disk%u_type", n); n++) {
		const char *name = conf_get(conf, "disk%u_name", n);
		const char *dev = conf_get(conf, "disk%u_dev", n);
		bool whole = name[0] == '/' || (dev && !strcmp(dev, "9p"));

		words_add(disks, "%s%s", whole ? "" : "/vm/demo/", name);
	}
}

static int plan_with(const char *text, const struct with *with, struct err *err,
		     struct result *ret)
{
	struct guest guest = {.name = "demo", .dir = "/vm/demo", .dirfd = -1};
	struct conf *conf = parse(text);
	struct words nics = {0}, disks = {0};
	struct firmware fw = {0};
	struct screen screen;
	struct plan_input input = {
	    .guest = &guest,
	    .conf = conf,
	    .disks = &disks,
	    .nics = &nics,
	    .functions = found_functions,
	    .com = {"/dev/pts/1", "/dev/pts/2", "/dev/pts/3"},
	    .firmware = &fw,
	    .screen = &screen,
	    .tpm = with->tpm,
	    .iso = with->iso,
	    .later_run = with->later_run,
	};
	struct plan made;
	int rc;

	strcpy(fw.code, with->code ? with->code : "");
	strcpy(fw.vars, with->vars ? with->vars : "");
	assert_int_equal(screen_parse(conf, err, &screen), 0);
	if (screen.port == 0)
		screen.port = SCREEN_PORT_FIRST;
	disks_fill(conf, &disks);
	for (unsigned n = 0; conf_get(conf, "network%u_type", n); n++)
		words_add(&nics, "tap%u", n);
	rc = plan_make(&input, err, &made);
	words_free(&nics);
	words_free(&disks);
	conf_free(conf);
	if (rc < 0)
		return rc;
	*ret = (struct result){
	    words_join(&made.options, ' '), words_join(&made.devices, ' '),
	    words_join(&made.iso, ' '),	    words_join(&made.console, ' '),
	    words_join(&made.secrets, ' '), made.waits};
	plan_free(&made);
	return 0;
}

static int plan(const char *text, struct err *err, struct result *ret)
{
	return plan_with(text, &(struct with){0}, err, ret);
}

static void result_free(struct result *r)
{
	free(r->options);
	free(r->devices);
	free(r->iso);
	free(r->console);
	free(r->secrets);
}

static void expect_devices(const char *text, const char *devices)
{
	struct err err = {0};
	struct result r;

	assert_int_equal(plan(text, &err, &r), 0);
	assert_string_equal(r.devices, devices);
	assert_string_equal(r.iso, "");
	result_free(&r);
}

static void expect_options_with(const char *text, const struct with *with,
				const char *options)
{
	struct err err = {0};
	struct result r;

	assert_int_equal(plan_with(text, with, &err, &r), 0);
	assert_string_equal(r.options, options);
	result_free(&r);
}

static void expect_options(const char *text, const char *options)
{
	expect_options_with(text, &(struct with){0}, options);
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
		       BRIDGES " -s 4:0,virtio-blk,/vm/demo/disk0.img"
			       " -s 5:0,virtio-net,tap0,mac=M"
			       " -s 6:0,virtio-rnd"
			       " -s 7:0,passthru,3/0/0"
			       " -s 8:0,xhci,tablet"
			       " -s 10:0,virtio-console,0=/vm/demo/vtcon.0,"
			       "log=/vm/demo/vtcon.log");
}

/* An empty value ends a family. */
static void test_family_end(void **state)
{
	(void)state;
	expect_devices("disk0_type=\ndisk1_type=virtio-blk\n"
		       "disk1_name=a.img\nnetwork0_type=\n"
		       "network1_type=virtio-net\nvirt_random=yes\n",
		       BRIDGES " -s 4:0,virtio-rnd");
	expect_devices("disk0_type=virtio-blk\ndisk0_name=a\ndisk1_type=\n",
		       BRIDGES " -s 4:0,virtio-blk,/vm/demo/a");
}

static void test_bridges(void **state)
{
	(void)state;
	expect_devices("hostbridge=amd\nfwcfg=qemu\n",
		       "-s 0,amd_hostbridge -s 31,lpc,fwcfg=qemu");
	expect_devices("hostbridge=none\n", "-s 31,lpc");
	expect_devices("hostbridge=\nstart_slot=9\nvirt_random=1\n",
		       BRIDGES " -s 9:0,virtio-rnd");
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
			" -s %d:%d,virtio-blk,/vm/demo/d%d", 4 + n / 8, n % 8,
			n);
	}
	for (int n = 0; n < 2; n++) {
		sprintf(text + strlen(text), "network%d_type=e1000\n", n);
		sprintf(expected + strlen(expected), " -s 6:%d,e1000,tap%d", n,
			n);
	}
	expect_devices(text, expected);
	/* Exactly eight leave no slot empty. */
	expect_devices("network0_type=a\nnetwork1_type=a\nnetwork2_type=a\n"
		       "network3_type=a\nnetwork4_type=a\nnetwork5_type=a\n"
		       "network6_type=a\nnetwork7_type=a\nvirt_random=yes\n",
		       BRIDGES
		       " -s 4:0,a,tap0 -s 4:1,a,tap1 -s 4:2,a,tap2"
		       " -s 4:3,a,tap3 -s 4:4,a,tap4 -s 4:5,a,tap5"
		       " -s 4:6,a,tap6 -s 4:7,a,tap7 -s 5:0,virtio-rnd");
}

static void test_disks(void **state)
{
	(void)state;
	expect_devices("disk0_type=virtio-blk\ndisk0_name=/dev/sd%a\n"
		       "disk0_dev=custom\ndisk0_opts=ro,nocache\n"
		       "disk1_type=virtio-9p\ndisk1_dev=9p\n"
		       "disk1_name=share=/srv\n"
		       "disk3_type=after-the-gap\ndisk3_name=x\n",
		       BRIDGES " -s 4:0,virtio-blk,/dev/sd%%a,ro,nocache"
			       " -s 4:1,virtio-9p,share=/srv");
}

static void test_ahci_sharing(void **state)
{
	(void)state;
	expect_devices("ahci_device_limit=2\n"
		       "disk0_type=ahci-hd\ndisk0_name=a\ndisk0_opts=ro\n"
		       "disk1_type=virtio-blk\ndisk1_name=b\n"
		       "disk2_type=ahci-cd\ndisk2_name=c\n"
		       "disk3_type=ahci-hd\ndisk3_name=d\n",
		       BRIDGES " -s 4:0,virtio-blk,/vm/demo/b"
			       " -s 4:1,ahci,hd:/vm/demo/a,ro,cd:/vm/demo/c"
			       " -s 4:2,ahci,hd:/vm/demo/d");
	expect_devices("disk0_type=ahci-hd\ndisk0_name=a\n",
		       BRIDGES " -s 4:0,ahci-hd,/vm/demo/a");
}

static void test_passthru(void **state)
{
	(void)state;
	/* The text before the first slash, the bus, decides. */
	/* Served ones: each a slot of its own, with its options. */
	expect_devices("passthru0=vfio-user=/run/a.sock\n"
		       "passthru0_options=port=pcie\n"
		       "passthru1=vfio-user=/run/b.sock\n"
		       "passthru2=vfio-user=/run/c.sock=9:1\n",
		       BRIDGES " -s 4:0,passthru,vfio-user=/run/a.sock,"
			       "port=pcie"
			       " -s 5:0,passthru,vfio-user=/run/b.sock"
			       " -s 9:1,passthru,vfio-user=/run/c.sock");
	/* Mediated ones are like them. */
	expect_devices(
	    "passthru0=mdev=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n"
	    "passthru1=mdev=/sys/bus/mdev/devices/"
	    "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002=9:1\n",
	    BRIDGES " -s 4:0,passthru,mdev=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
		    " -s 9:1,passthru,mdev=/sys/bus/mdev/devices/"
		    "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002");
	expect_devices("passthru0=1/0/0\npassthru1=1/0/1\npassthru2=2/0/0\n"
		       "virt_random=no\nxhci_mouse=yes\n",
		       BRIDGES " -s 4:0,passthru,1/0/0 -s 4:1,passthru,1/0/1"
			       " -s 5:0,passthru,2/0/0 -s 6:0,xhci,tablet");
	expect_devices("passthru0=0/2/0\npassthru1=0/31/3\n",
		       BRIDGES " -s 4:0,passthru,0/2/0 -s 4:1,passthru,0/31/3");
	/* Other spellings: same function of the host, same slot. */
	expect_devices("passthru0=0000:03:00.0\npassthru1=0000:03:00.1\n"
		       "passthru2=0000:03:01.0\npassthru3=pci4:0:0\n"
		       "passthru4=pci4:0:1\n",
		       BRIDGES
		       " -s 4:0,passthru,0000:03:00.0"
		       " -s 4:1,passthru,0000:03:00.1"
		       " -s 5:0,passthru,0000:03:01.0"
		       " -s 6:0,passthru,pci4:0:0 -s 6:1,passthru,pci4:0:1");
	/* Pinned ones take no automatic slot, but the list still takes one. */
	expect_devices("passthru0=4/0/0=6:1\npassthru0_options=rom=x\n"
		       "passthru1=3/0/0\npassthru2=5/0/0=6:0\nxhci_mouse=y\n",
		       BRIDGES
		       " -s 6:1,passthru,4/0/0,rom=x -s 4:0,passthru,3/0/0"
		       " -s 6:0,passthru,5/0/0 -s 5:0,xhci,tablet");
	expect_devices("passthru0=4/0/0=9:0\nxhci_mouse=y\n",
		       BRIDGES " -s 9:0,passthru,4/0/0 -s 5:0,xhci,tablet");
}

static void test_slots(void **state)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
	    {"passthru_slots=17\n",
	     "F:1: passthru_slots=\"17\": expected 0 to 16"},
	    {"passthru_slots=two\n",
	     "F:1: passthru_slots=\"two\": expected 0 to 16"},
	    {"passthru_slots=1\npassthru_slots_mem64=much\n",
	     "F: passthru_slots_mem64=\"much\": not a size; write for "
	     "example 64M or 16G"},
	};
	struct err err = {0};
	struct result r;

	(void)state;
	expect_devices("passthru_slots=2\nxhci_mouse=y\npassthru0=1/0/0\n",
		       BRIDGES " -s 4:0,passthru,1/0/0 -s 5:0,pcie-port"
			       " -s 6:0,pcie-port -s 7:0,xhci,tablet");
	expect_devices("passthru_slots=1\npassthru_slots_mem32=32M\n"
		       "passthru_slots_mem64=16G\n",
		       BRIDGES " -s 4:0,pcie-port,mem32=32M,mem64=16G");
	expect_devices("passthru0=1/0/0\npassthru0_options=port=hotplug\n",
		       BRIDGES " -s 4:0,passthru,1/0/0,port=hotplug");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(plan(bad[i].text, &err, &r), -EINVAL);
		assert_string_equal(err.msg, bad[i].sentence);
	}
}

/* As claims_take() finds them: a slot, a pool's, one left out, plain ones. */
static void test_found(void **state)
{
	static const struct plan_functions found = {
	    .count = 6,
	    .fn = {
		{.n = 0, .address = "0000:03:00.0", .first = true, .all = true},
		{.n = 0, .address = "0000:03:00.1", .all = true, .func = 1},
		{.n = 1,
		 .address = "0000:05:00.0",
		 .first = true,
		 .alone = true},
		{.n = 2, .address = "gone", .first = true, .dropped = true},
		{.n = 3, .address = "1/0/0", .first = true},
		{.n = 4, .address = "1/0/1", .first = true}}};
	struct err err = {0};
	struct result r;

	(void)state;
	found_functions = &found;
	assert_int_equal(
	    plan("passthru0=3/0\npassthru0_options=rom=x\n"
		 "passthru1=pool:p\npassthru2=gone\npassthru3=1/0/0\n"
		 "passthru4=1/0/1\nxhci_mouse=y\n",
		 &err, &r),
	    0);
	assert_string_equal(
	    r.devices,
	    BRIDGES " -s 4:0,passthru,0000:03:00.0,rom=x"
		    " -s 4:1,passthru,0000:03:00.1"
		    " -s 5:0,passthru,0000:05:00.0 -s 7:0,passthru,1/0/0"
		    " -s 7:1,passthru,1/0/1 -s 8:0,xhci,tablet");
	result_free(&r);
	/* Pinned, the functions keep their numbers. */
	assert_int_equal(
	    plan("passthru0=3/0=9\npassthru1=pool:p=10:0\npassthru2=gone\n"
		 "passthru3=1/0/0\npassthru4=1/0/1\n",
		 &err, &r),
	    0);
	assert_string_equal(
	    r.devices,
	    BRIDGES " -s 9:0,passthru,0000:03:00.0 -s 9:1,passthru,0000:03:00.1"
		    " -s 10:0,passthru,0000:05:00.0 -s 5:0,passthru,1/0/0"
		    " -s 5:1,passthru,1/0/1");
	result_free(&r);
	found_functions = NULL;
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
			    " -s 29:0,virtio-rnd -s 30:0,xhci,tablet"
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
		       "-c 1 -m 1G -AHPw -u -S");
	expect_options("cpu=1\nmemory=1G\nhyperv=yes\n",
		       "-c 1 -m 1G -AHPw -u -o x86.hyperv=true");
	expect_options("cpu=1\nmemory=1G\nhyperv=no\nhide_hypervisor=yes\n",
		       "-c 1 -m 1G -AHPw -u -o x86.hide_hypervisor=true");
}

static void test_passthru_syntax(void **state)
{
	static const char *const bad[] = {
	    "1/0/0=",	  "1/0/0=x", "1/0/0=6:8",   "1/0/0=32:0",
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

static void expect_console(const char *text, const char *console)
{
	struct err err = {0};
	struct result r;

	assert_int_equal(plan(text, &err, &r), 0);
	assert_string_equal(r.console, console);
	result_free(&r);
}

static void test_comports(void **state)
{
	struct conf *conf = parse("comports=com2 com1 com2\n");
	unsigned coms[PLAN_COMS];

	(void)state;
	assert_int_equal(plan_coms(conf, coms), 2);
	assert_int_equal(coms[0], 1);
	assert_int_equal(coms[1], 0);
	conf_free(conf);
	conf = parse("");
	assert_int_equal(plan_coms(conf, coms), 1);
	assert_int_equal(coms[0], 0);
	conf_free(conf);
	expect_console("", "-l com1,/dev/pts/1");
	expect_console("comports=com3 com1\n",
		       "-l com3,/dev/pts/3 -l com1,/dev/pts/1");
	/* One that has no terminal is not given to byway. */
	expect_console("comports=com4 com2\n", "-l com2,/dev/pts/2");
}

/* The set-up that vm-bhyve's users have published. */
#define WINDOWS                                                            \
	"loader=\"uefi\"\ngraphics=\"yes\"\nxhci_mouse=\"yes\"\ncpu=4\n"   \
	"cpu_sockets=1\ncpu_cores=4\ncpu_threads=1\nmemory=16G\n"          \
	"ahci_device_limit=\"8\"\nnetwork0_type=\"virtio-net\"\n"          \
	"network0_switch=\"lan0\"\ndisk0_type=\"ahci-hd\"\n"               \
	"disk0_name=\"disk0\"\ndisk0_dev=\"sparse-zvol\"\n"                \
	"graphics_port=5902\ngraphics_res=\"1920x1080\"\nutctime=\"no\"\n" \
	"bhyve_options=\"-K jp\"\n"                                        \
	"uuid=\"11111111-2222-3333-4444-555555555555\"\n"                  \
	"network0_mac=\"58:9c:fc:07:57:ac\"\n"                             \
	"passthru0=\"3/0/0\"\npassthru1=\"4/0/0\"\n"

#define WINDOWS_OPTIONS                                 \
	"-c 4,sockets=1,cores=4,threads=1 -m 16G -Hwl " \
	"bootrom,FIRMWARE.fd%s -K jp "                  \
	"-U 11111111-2222-3333-4444-555555555555 -S"

#define WINDOWS_DEVICES                                         \
	BRIDGES " -s 4:0,ahci,hd:/vm/demo/disk0"                \
		" -s 5:0,virtio-net,tap0,mac=58:9c:fc:07:57:ac" \
		" -s 6:0,passthru,3/0/0 -s 7:0,passthru,4/0/0"  \
		" -s 8:0,fbuf,tcp=%s:5902,w=1920,h=1080"        \
		" -s 9:0,xhci,tablet"

static void expect_windows(const char *more, const struct with *with,
			   const char *host, const char *vars)
{
	char text[2048], expected[1024];
	struct err err = {0};
	struct result r;

	snprintf(text, sizeof(text), WINDOWS "%s", more);
	assert_int_equal(plan_with(text, with, &err, &r), 0);
	snprintf(expected, sizeof(expected), WINDOWS_OPTIONS, vars);
	assert_string_equal(r.options, expected);
	snprintf(expected, sizeof(expected), WINDOWS_DEVICES, host);
	assert_string_equal(r.devices, expected);
	assert_string_equal(r.console, "-l com1,/dev/pts/1");
	assert_false(r.waits);
	result_free(&r);
}

static void test_windows(void **state)
{
	const struct with plain = {.code = "FIRMWARE.fd"};
	const struct with vars = {.code = "FIRMWARE.fd", .vars = "V,ars"};

	(void)state;
	expect_windows("", &plain, "127.0.0.1", "");
	/* The published line, letter by letter. */
	expect_windows("graphics_listen=\"0.0.0.0\"\n", &plain, "0.0.0.0", "");
	expect_windows("graphics_listen=\"::1\"\n", &vars, "[::1]", ",V,ars");
}

static void test_firmware(void **state)
{
	const struct with uefi = {.code = "/f%w", .vars = "/vm/demo/v"};
	const struct with bios = {.code = "/bios.bin", .tpm = "/vm/demo/tpm"};

	(void)state;
	expect_options_with("cpu=1\nmemory=1G\nloader=uefi\n", &uefi,
			    "-c 1 -m 1G -Hwl bootrom,/f%%w,/vm/demo/v -u");
	expect_options_with("cpu=1\nmemory=1G\nloader=bios\nuuid=U\n"
			    "wired_memory=yes\npassthru0=1/0/0\n"
			    "bhyve_options=-x\n",
			    &bios,
			    "-c 1 -m 1G -Hwl bootrom,/bios.bin"
			    " -l tpm,swtpm,/vm/demo/tpm -x -S -U U -u");
}

/* With UEFI disks have slots of their own; NICs never do. */
static void test_uefi_slots(void **state)
{
	(void)state;
	expect_devices("loader=uefi\ndisk0_type=nvme\ndisk0_name=a\n"
		       "disk1_type=virtio-blk\ndisk1_name=b\n"
		       "network0_type=e1000\nnetwork1_type=virtio-net\n"
		       "passthru0=1/0/0\npassthru1=1/0/1\ngraphics=yes\n"
		       "xhci_mouse=yes\n",
		       BRIDGES
		       " -s 4:0,nvme,/vm/demo/a -s 5:0,virtio-blk,/vm/demo/b"
		       " -s 6:0,e1000,tap0 -s 6:1,virtio-net,tap1"
		       " -s 7:0,passthru,1/0/0 -s 7:1,passthru,1/0/1"
		       " -s 8:0,fbuf,tcp=127.0.0.1:5900 -s 9:0,xhci,tablet");
	expect_devices("loader=uefi-custom\nahci_device_limit=2\n"
		       "disk0_type=ahci-hd\ndisk0_name=a\n"
		       "disk1_type=ahci-cd\ndisk1_name=b\n"
		       "disk2_type=ahci-hd\ndisk2_name=c\n"
		       "disk2_opts=ser=X\nvirt_random=1\n",
		       BRIDGES " -s 4:0,ahci,hd:/vm/demo/a,cd:/vm/demo/b"
			       " -s 5:0,ahci,hd:/vm/demo/c,ser=X"
			       " -s 6:0,virtio-rnd");
	expect_devices("loader=bios\ndisk0_type=ahci-hd\ndisk0_name=a\n"
		       "disk1_type=ahci-hd\ndisk1_name=b\nvirt_random=1\n",
		       BRIDGES " -s 4:0,ahci-hd,/vm/demo/a"
			       " -s 4:1,ahci-hd,/vm/demo/b -s 5:0,virtio-rnd");
}

/* The bus is written once it is not the first. */
static void test_uefi_overflow(void **state)
{
	char text[4096] = "loader=uefi\n";
	struct err err = {0};
	struct result r;

	(void)state;
	for (int n = 0; n < 28; n++)
		sprintf(text + strlen(text),
			"disk%d_type=nvme\ndisk%d_name=d\n", n, n);
	assert_int_equal(plan(text, &err, &r), 0);
	assert_non_null(strstr(r.devices, " -s 30:0,nvme,/vm/demo/d "
					  "-s 1:0:0,nvme,/vm/demo/d"));
	assert_non_null(strstr(r.options, " -Y"));
	result_free(&r);
}

static void test_screen(void **state)
{
	struct err err = {0};
	struct result r;

	(void)state;
	assert_int_equal(plan("graphics=yes\ngraphics_port=5901\n"
			      "graphics_vga=off\ngraphics_wait=yes\n"
			      "vnc_password=a,b%c\n",
			      &err, &r),
			 0);
	assert_string_equal(r.devices, BRIDGES
			    " -s 4:0,fbuf,tcp=127.0.0.1:5901,vga=off,wait");
	/* Not where ps(1) shows it. */
	assert_string_equal(r.secrets, "pci.0.4.0.password=a,b%%c");
	assert_true(r.waits);
	result_free(&r);
	assert_int_equal(plan("graphics=no\nvnc_password=x\n"
			      "graphics_wait=yes\n",
			      &err, &r),
			 0);
	assert_string_equal(r.devices, BRIDGES);
	assert_string_equal(r.secrets, "");
	assert_false(r.waits);
	result_free(&r);
}

static void expect_iso(const char *text, const struct with *with,
		       const char *iso, const char *devices, bool waits)
{
	struct err err = {0};
	struct result r;

	assert_int_equal(plan_with(text, with, &err, &r), 0);
	assert_string_equal(r.iso, iso);
	assert_string_equal(r.devices, devices);
	assert_int_equal(r.waits, waits);
	result_free(&r);
}

static void test_iso(void **state)
{
	static const char disk[] = "loader=uefi\ndisk0_type=nvme\n"
				   "disk0_name=a\ngraphics=yes\n";
	static const char chosen[] = "loader=uefi\ndisk0_type=nvme\n"
				     "disk0_name=a\ninstall_slot=7\n"
				     "disk0_opts=bootindex=1\n";
	struct with with = {.code = "F", .iso = "/i%.ISO"};

	(void)state;
	/* First the image, and somebody to look; then what was installed. */
	expect_iso(disk, &with, "-s 3:0,ahci-cd,/i%%.ISO,bootindex=1",
		   BRIDGES " -s 4:0,nvme,/vm/demo/a"
			   " -s 5:0,fbuf,tcp=127.0.0.1:5900,wait",
		   true);
	with.later_run = true;
	expect_iso(disk, &with, "-s 3:0,ahci-cd,/i%%.ISO,bootindex=2",
		   BRIDGES " -s 4:0,nvme,/vm/demo/a,bootindex=1"
			   " -s 5:0,fbuf,tcp=127.0.0.1:5900",
		   false);
	/* Who gives an order of his own keeps it, after the first run. */
	expect_iso(chosen, &with, "-s 7:0,ahci-cd,/i%%.ISO",
		   BRIDGES " -s 4:0,nvme,/vm/demo/a,bootindex=1", false);
	with.later_run = false;
	expect_iso(chosen, &with, "-s 7:0,ahci-cd,/i%%.ISO,bootindex=0",
		   BRIDGES " -s 4:0,nvme,/vm/demo/a,bootindex=1", false);
	/* Not called .iso: a disk. Without firmware nothing boots from it. */
	with = (struct with){.iso = "/stick.img"};
	expect_iso("", &with, "-s 3:0,ahci-hd,/stick.img,ro", BRIDGES, false);
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
	    cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_found),
	    cmocka_unit_test(test_overflow),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_passthru_syntax),
	    cmocka_unit_test(test_comports),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_firmware),
	    cmocka_unit_test(test_uefi_slots),
	    cmocka_unit_test(test_uefi_overflow),
	    cmocka_unit_test(test_screen),
	    cmocka_unit_test(test_iso),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
