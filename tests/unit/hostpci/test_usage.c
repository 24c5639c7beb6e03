/* SPDX-License-Identifier: BSD-2-Clause */
/* What the host uses a function for, found and named. */
#include <string.h>

#include "fixture.h"

#define NVME_AT "pci0000:00/0000:00:1c.0/0000:01:00.0/nvme/nvme0"
#define DISK_AT NVME_AT "/nvme0n1"
#define NIC_AT	"pci0000:00/0000:00:1c.1/0000:02:00.0"
#define USB_AT	"pci0000:00/0000:00:1c.2/0000:03:00.0/usb2/2-1"

static void uses(struct fixture *f, const char *addr, const char *text)
{
	struct hostpci *host = fixture_open(f);
	char buf[512] = "untouched";
	struct err err = {0};
	int rc = hostpci_in_use(host, fixture_find(host, addr), &err, buf,
				sizeof(buf));

	if (rc < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf, text);
	assert_int_equal(rc, text[0] ? 1 : 0);
	hostpci_close(host);
}

static void mounts(struct fixture *f, const char *lines)
{
	fixture_file(f, "proc/self/mountinfo",
		     "22 1 0:21 / /proc rw,nosuid - proc proc rw\n"
		     "23 1 0:22 / /sys rw shared:2 - sysfs sysfs rw\n%s",
		     lines);
}

static void nvme_disk(struct fixture *f)
{
	fixture_plain(f);
	fixture_block(f, "nvme0n1", NVME_AT, "259:0");
	fixture_block(f, "nvme0n1p1", DISK_AT, "259:1");
	fixture_block(f, "nvme0n1p2", DISK_AT, "259:2");
	fixture_file(f, "sys/class/block/nvme0n1p1/partition", "1\n");
	fixture_file(f, "sys/class/block/nvme0n1p2/partition", "2\n");
}

/* `holder` is built on `on`, as the kernel shows it at both ends. */
static void holder(struct fixture *f, const char *on, const char *name,
		   const char *number, const char *dm)
{
	char path[PATH_MAX];

	if (!fixture_exists(f, "sys/class/block") || number)
		fixture_block(f, name, "", number);
	snprintf(path, sizeof(path), "sys/class/block/%s/holders/%s", on, name);
	fixture_link(f, path, "../elsewhere");
	snprintf(path, sizeof(path), "sys/class/block/%s/slaves/%s", name, on);
	fixture_link(f, path, "../elsewhere");
	if (!dm)
		return;
	snprintf(path, sizeof(path), "sys/class/block/%s/dm/name", name);
	fixture_file(f, path, "%s\n", dm);
}

static void test_idle(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	mounts(f, "30 1 259:9 / /other rw - ext4 /dev/nvme1n1 rw\n");
	uses(f, "1/0/0", "");
	uses(f, "2/0/0", "");
	uses(f, "3/0/0", "");
}

static void test_mount(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	mounts(f, "29 1 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw\n"
		  "28 1 259:2 / / rw - ext4 /dev/root rw\n"
		  "31 1 259:2 /home /home rw - ext4 /dev/root rw\n");
	uses(f, "1/0/0", "nvme0n1p2 is mounted on /");
	uses(f, "3/0/0", "");
	/* The bridge above holds it too. */
	uses(f, "0/28/0", "nvme0n1p2 is mounted on /");
}

static void test_mount_escaped(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	mounts(f, "29 1 259:0 / /mnt/a\\040b\\134c rw master:1 - xfs "
		  "/dev/nvme0n1 rw\n");
	uses(f, "1/0/0", "nvme0n1 is mounted on /mnt/a b\\c");
}

static void test_swap(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	fixture_file(f, "proc/swaps",
		     "Filename\tType\tSize\tUsed\tPriority\n"
		     "/swapfile\tfile\t100\t0\t-2\n"
		     "/dev/nvme0n1p2  partition\t100\t0\t-3\n");
	uses(f, "1/0/0", "nvme0n1p2 is swap");
}

static void test_lvm_root(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	holder(f, "nvme0n1p2", "dm-0", "254:0", "vg0-root");
	holder(f, "nvme0n1p2", "dm-1", "254:1", "vg0-swap");
	fixture_link(f, "dev/mapper/vg0-swap", "../dm-1");
	uses(f, "1/0/0", "dm-0 (vg0-root) is built on nvme0n1p2");
	fixture_file(f, "proc/swaps",
		     "Filename\tType\tSize\tUsed\tPriority\n"
		     "/dev/mapper/vg0-swap partition 100 0 -3\n");
	uses(f, "1/0/0",
	     "dm-1 (vg0-swap) is built on nvme0n1p2 and used as swap");
	mounts(f, "28 1 254:0 / / rw - ext4 /dev/mapper/vg0-root rw\n");
	uses(f, "1/0/0",
	     "dm-0 (vg0-root) is built on nvme0n1p2 and mounted on /");
}

/* crypt on a volume on an array on a partition; partitions of the array. */
static void test_stack(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	holder(f, "nvme0n1p1", "md127", "9:127", NULL);
	fixture_block(f, "md127p1", "virtual/block/md127", "259:20");
	holder(f, "md127p1", "dm-3", "254:3", "vg1-data");
	holder(f, "dm-3", "dm-7", "254:7", "secret");
	uses(f, "1/0/0", "md127 is built on nvme0n1p1");
	mounts(f, "28 1 254:7 / /srv rw - ext4 /dev/dm-7 rw\n");
	uses(f, "1/0/0",
	     "dm-7 (secret) is built on nvme0n1p1 and mounted on /srv");
}

static void test_bcache(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	holder(f, "nvme0n1", "bcache0", "253:0", NULL);
	mounts(f, "28 1 253:0 / /data rw - ext4 /dev/bcache0 rw\n");
	uses(f, "1/0/0", "bcache0 is built on nvme0n1 and mounted on /data");
}

static void test_endless_stack(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	struct err err = {0};
	char buf[512];

	nvme_disk(f);
	holder(f, "nvme0n1", "dm-0", "254:0", NULL);
	holder(f, "dm-0", "dm-1", "254:1", NULL);
	holder(f, "dm-1", "dm-0", NULL, NULL);
	host = fixture_open(f);
	assert_int_equal(hostpci_in_use(host, fixture_find(host, "1/0/0"), &err,
					buf, sizeof(buf)),
			 -ELOOP);
	assert_text(err, "0000:01:00.0: what is built on its disks: Too many "
			 "levels of symbolic links");
	hostpci_close(host);
}

static void test_loop(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	fixture_block(f, "loop0", "", "7:0");
	fixture_file(f, "sys/class/block/loop0/loop/backing_file",
		     "/home/disk.img\n");
	fixture_block(f, "loop1", "", "7:1");
	fixture_file(f, "sys/class/block/loop1/loop/backing_file",
		     "/dev/nvme0n1p1\n");
	uses(f, "1/0/0", "loop1 is built on nvme0n1p1");
	mounts(f, "28 1 7:1 / /snap rw - ext4 /dev/loop1 rw\n");
	uses(f, "1/0/0", "loop1 is built on nvme0n1p1 and mounted on /snap");
}

/* Mounts of btrfs have a number of their own and name one of the members. */
static void test_btrfs(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	fixture_block(f, "sda", "pci0000:00/0000:00:1f.2/ata1/block", "8:0");
	mounts(f, "28 1 0:40 /@ /data rw - btrfs /dev/nvme0n1p1 rw,subvol=@\n");
	uses(f, "1/0/0", "nvme0n1p1 is mounted on /data");
	fixture_link(f, "sys/fs/btrfs/1-2-3/devices/sda", "x");
	fixture_link(f, "sys/fs/btrfs/1-2-3/devices/nvme0n1p2", "x");
	fixture_file(f, "sys/fs/btrfs/features/raid56", "0\n");
	mounts(f, "");
	uses(f, "1/0/0", "nvme0n1p2 is part of a btrfs file system in use");
	mounts(f, "28 1 0:40 /@ /data rw - btrfs /dev/sda rw,subvol=/@\n");
	uses(f, "1/0/0",
	     "nvme0n1p2 is part of the btrfs file system mounted on /data");
}

static void test_bcachefs(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	mounts(f, "28 1 0:40 / /b rw - bcachefs /dev/sda:/dev/nvme0n1p2 rw\n");
	uses(f, "1/0/0", "nvme0n1p2 is mounted on /b");
}

/* The usable disk is not below the controller when several could reach it. */
static void test_nvme_multipath(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_block(f, "nvme0c3n1", NVME_AT, "259:5");
	fixture_block(f, "nvme0n1", "virtual/nvme-subsystem/nvme-subsys0",
		      "259:0");
	fixture_block(f, "nvme0n1p1",
		      "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:1");
	fixture_block(f, "nvme1n1", "virtual/nvme-subsystem/nvme-subsys1",
		      "259:7");
	mounts(f, "28 1 259:7 / / rw - ext4 /dev/nvme1n1 rw\n");
	uses(f, "1/0/0", "");
	mounts(f, "28 1 259:1 / /srv rw - ext4 /dev/nvme0n1p1 rw\n");
	uses(f, "1/0/0", "nvme0n1p1 is mounted on /srv");
}

/* A file in another mount namespace or a ZFS pool: only the kernel knows. */
static void test_claimed(void **state)
{
	struct fixture *f = *state;

	nvme_disk(f);
	f->claimed = "nvme0n1p2";
	uses(f, "1/0/0",
	     "nvme0n1p2 is held by the host (a pool, an array, or a mount in "
	     "another namespace)");
}

static void test_tables_missing(void **state)
{
	struct fixture *f = *state;
	struct hostpci *host;
	struct err err = {0};
	char buf[512], text[512];

	nvme_disk(f);
	fixture_remove(f, "proc/swaps");
	uses(f, "1/0/0", "");
	/* Not knowing is not the same as not in use. */
	fixture_remove(f, "proc/self/mountinfo");
	host = fixture_open(f);
	assert_int_equal(hostpci_in_use(host, fixture_find(host, "1/0/0"), &err,
					buf, sizeof(buf)),
			 -ENOENT);
	snprintf(text, sizeof(text),
		 "0000:01:00.0: cannot tell whether its disks are in use: "
		 "%s/proc/self/mountinfo: No such file or directory",
		 f->root);
	assert_text(err, text);
	hostpci_close(host);
	uses(f, "2/0/0", "");
}

static void nic(struct fixture *f)
{
	fixture_plain(f);
	fixture_class(f, "net", "eth1", NIC_AT "/net/eth1");
	fixture_class(f, "net", "br0", "virtual/net/br0");
	fixture_class(f, "net", "lo", "virtual/net/lo");
	/* What every kernel with IPv6 shows for an interface that is up. */
	fixture_file(
	    f, "proc/net/ipv6_route", "%s",
	    "fe800000000000000000000000000000 40 "
	    "00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 00000100 00000001 00000000 "
	    "00000001     eth1\n"
	    "00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 ffffffff 00000001 00000000 "
	    "00200200       lo\n"
	    "fe80000000000000505400fffe123456 80 "
	    "00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 00000000 00000002 00000000 "
	    "80200001     eth1\n"
	    "ff000000000000000000000000000000 08 "
	    "00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 00000100 00000002 00000000 "
	    "00000001     eth1\n");
}

static void routes(struct fixture *f, const char *lines)
{
	fixture_file(f, "proc/net/route",
		     "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric"
		     "\tMask\t\tMTU\tWindow\tIRTT\n%s",
		     lines);
}

static void test_routes(void **state)
{
	struct fixture *f = *state;

	nic(f);
	uses(f, "2/0/0", "");
	routes(f, "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"
		  "\neth1\t0000000A\t00000000\t0200\t0\t0\t0\t000000FF\t0\t0"
		  "\t0\n");
	uses(f, "2/0/0", "");
	routes(f, "eth1\t0007A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
		  "\n");
	uses(f, "2/0/0", "eth1 carries the route to 192.168.7.0/24");
	routes(f, "eth1\t0007A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
		  "\neth1\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0"
		  "\t0\n");
	uses(f, "2/0/0", "eth1 carries the default route");
	uses(f, "1/0/0", "");
}

static void test_routes6(void **state)
{
	struct fixture *f = *state;

	nic(f);
	/* One that forbids. */
	fixture_file(f, "proc/net/ipv6_route", "%s",
		     "20010db8000000020000000000000000 40 "
		     "00000000000000000000000000000000 00 "
		     "00000000000000000000000000000000 00000100 00000001 "
		     "00000000 00000201     eth1\n");
	uses(f, "2/0/0", "");
	fixture_file(f, "proc/net/ipv6_route", "%s",
		     "20010db8000000010000000000000000 40 "
		     "00000000000000000000000000000000 00 "
		     "00000000000000000000000000000000 00000100 00000001 "
		     "00000000 00000001     eth1\n");
	uses(f, "2/0/0",
	     "eth1 carries an IPv6 route (2001:0db8:0000:0001::/64)");
	fixture_file(f, "proc/net/ipv6_route", "%s",
		     "00000000000000000000000000000000 00 "
		     "00000000000000000000000000000000 00 "
		     "fe800000000000000000000000000001 00000400 00000001 "
		     "00000000 00000003     eth1\n");
	uses(f, "2/0/0", "eth1 carries the default route (IPv6)");
}

static void test_bridge(void **state)
{
	struct fixture *f = *state;

	nic(f);
	fixture_link(f, "sys/class/net/eth1/master", "../../br0");
	fixture_link(f, "sys/class/net/eth1/upper_br0", "../../br0");
	uses(f, "2/0/0", "br0 is built on eth1");
	routes(f, "br0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"
		  "\n");
	uses(f, "2/0/0", "br0 is built on eth1 and carries the default route");
}

static void test_bond_vlan(void **state)
{
	struct fixture *f = *state;

	nic(f);
	fixture_class(f, "net", "bond0", "virtual/net/bond0");
	fixture_class(f, "net", "bond0.7", "virtual/net/bond0.7");
	fixture_link(f, "sys/class/net/eth1/upper_bond0", "x");
	fixture_link(f, "sys/class/net/bond0/upper_bond0.7", "x");
	fixture_link(f, "sys/class/net/bond0.7/upper_br0", "x");
	routes(f, "br0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"
		  "\n");
	uses(f, "2/0/0", "br0 is built on eth1 and carries the default route");
}

static void test_usb(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	/* A tablet has buttons, and is not the console's keyboard. */
	fixture_class(f, "input", "input4", USB_AT ".1/input/input4");
	fixture_file(f, "sys/class/input/input4/name", "QEMU USB Tablet\n");
	fixture_file(f, "sys/class/input/input4/capabilities/key",
		     "1f0000 0 0 0 0\n");
	uses(f, "3/0/0", "");
	fixture_class(f, "input", "input5", USB_AT ".2/input/input5");
	fixture_file(f, "sys/class/input/input5/name", "QEMU USB Keyboard\n");
	fixture_file(f, "sys/class/input/input5/capabilities/key",
		     "1000000000007 ff9f207ac14057ff febeffdfffefffff "
		     "fffffffffffffffe\n");
	uses(f, "3/0/0", "the keyboard of the console (QEMU USB Keyboard)");
	/* A mounted disk matters more, through hub and SCSI. */
	fixture_block(f, "sdb", USB_AT ".3/host4/target4/4:0:0:0/block",
		      "8:16");
	mounts(f, "28 1 8:16 / /backup rw - ext4 /dev/sdb rw\n");
	uses(f, "3/0/0", "sdb is mounted on /backup");
	fixture_class(f, "net", "enx1", USB_AT ".4/net/enx1");
	routes(f, "enx1\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"
		  "\n");
	mounts(f, "");
	uses(f, "3/0/0", "enx1 carries the default route");
}

static void gpus(struct fixture *f)
{
	fixture_plain(f);
	fixture_dev(f, &(struct fixture_dev){"0000:04:00.0", "ast", 0x030000,
					     0x1a03, 0x2000, 20, 0});
	fixture_dev(f, &(struct fixture_dev){"0000:05:00.0", "nouveau",
					     0x030000, 0x10de, 0x1b80, 21, 0});
	fixture_file(f, SYS_DEVICES "/0000:04:00.0/boot_vga", "1\n");
	fixture_file(f, SYS_DEVICES "/0000:05:00.0/boot_vga", "0\n");
	fixture_file(f, "sys/class/vtconsole/vtcon0/name",
		     "(S) dummy device\n");
	fixture_file(f, "sys/class/vtconsole/vtcon0/bind", "0\n");
}

static void test_screen(void **state)
{
	struct fixture *f = *state;

	gpus(f);
	uses(f, "4/0/0", "");
	/* Firmware's frame buffer is a platform device. */
	fixture_class(f, "graphics", "fb0",
		      "platform/efi-framebuffer.0/graphics/fb0");
	fixture_file(f, "sys/class/vtconsole/vtcon1/name",
		     "(M) frame buffer device\n");
	fixture_file(f, "sys/class/vtconsole/vtcon1/bind", "0\n");
	uses(f, "4/0/0", "");
	fixture_file(f, "sys/class/vtconsole/vtcon1/bind", "1\n");
	uses(f, "4/0/0", "the console's frame buffer");
	uses(f, "5/0/0", "");
	/* The driver's own belongs to the card it is on. */
	fixture_remove(f, "sys/class/graphics/fb0");
	fixture_class(f, "graphics", "fb0",
		      "pci0000:00/0000:05:00.0/graphics/fb0");
	uses(f, "4/0/0", "");
	uses(f, "5/0/0", "the console's frame buffer");
}

static void test_text_mode(void **state)
{
	struct fixture *f = *state;

	gpus(f);
	fixture_file(f, "sys/class/vtconsole/vtcon0/name", "(S) VGA+\n");
	fixture_file(f, "sys/class/vtconsole/vtcon0/bind", "1\n");
	uses(f, "4/0/0", "the console's screen");
	uses(f, "5/0/0", "");
}

static void test_display_open(void **state)
{
	struct fixture *f = *state;

	gpus(f);
	fixture_class(f, "drm", "card1", "pci0000:00/0000:05:00.0/drm/card1");
	fixture_class(f, "drm", "renderD128",
		      "pci0000:00/0000:05:00.0/drm/renderD128");
	fixture_class(f, "drm", "card1-DP-1",
		      "pci0000:00/0000:05:00.0/drm/card1/card1-DP-1");
	uses(f, "5/0/0", "");
	fixture_link(f, "proc/700/fd/9", "/dev/dri/renderD128");
	fixture_file(f, "proc/700/comm", "gnome-shell\n");
	uses(f, "5/0/0",
	     "gnome-shell (process 700) has /dev/dri/renderD128 open");
	uses(f, "4/0/0", "");
}

static void test_cuda(void **state)
{
	struct fixture *f = *state;

	gpus(f);
	fixture_file(f, "proc/driver/nvidia/gpus/0000:05:00.0/information",
		     "Model: \t\t Tesla P4\nIRQ:   \t\t 30\n"
		     "Device Minor: \t 3\n");
	fixture_link(f, "proc/700/fd/9", "/dev/nvidia4");
	fixture_file(f, "proc/700/comm", "python3\n");
	uses(f, "5/0/0", "");
	fixture_link(f, "proc/700/fd/10", "/dev/nvidia3");
	uses(f, "5/0/0", "python3 (process 700) has /dev/nvidia3 open");
	uses(f, "4/0/0", "");
}

static void test_serial(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_dev(f, &(struct fixture_dev){"0000:06:00.0", "serial", 0x070002,
					     0x1b36, 0x0002, 30, 0});
	fixture_class(f, "tty", "ttyS4", "pci0000:00/0000:06:00.0/tty/ttyS4");
	fixture_class(f, "tty", "ttyS0", "platform/serial8250/tty/ttyS0");
	fixture_class(f, "tty", "console", "virtual/tty/console");
	fixture_file(f, "sys/class/tty/console/active", "tty0 ttyS0\n");
	uses(f, "6/0/0", "");
	fixture_file(f, "sys/class/tty/console/active", "tty0 ttyS4\n");
	uses(f, "6/0/0", "ttyS4 is a console of the system");
	fixture_remove(f, "sys/class/tty/console/active");
	fixture_file(f, "proc/consoles",
		     "tty0                 -WU (EC p  )    4:1\n"
		     "ttyS4                -W- (E  p a)    4:68\n");
	uses(f, "6/0/0", "ttyS4 is a console of the system");
}

static void test_virtual_functions(void **state)
{
	struct fixture *f = *state;

	fixture_plain(f);
	fixture_link(f, SYS_DEVICES "/0000:02:00.0/virtfn0", "../0000:02:10.0");
	fixture_link(f, SYS_DEVICES "/0000:02:00.0/virtfn1", "../0000:02:10.2");
	uses(f, "2/0/0", "2 virtual functions are made from it");
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_idle),	      TEST(test_mount),
	    TEST(test_mount_escaped), TEST(test_swap),
	    TEST(test_lvm_root),      TEST(test_stack),
	    TEST(test_bcache),	      TEST(test_endless_stack),
	    TEST(test_loop),	      TEST(test_btrfs),
	    TEST(test_bcachefs),      TEST(test_nvme_multipath),
	    TEST(test_claimed),	      TEST(test_tables_missing),
	    TEST(test_routes),	      TEST(test_routes6),
	    TEST(test_bridge),	      TEST(test_bond_vlan),
	    TEST(test_usb),	      TEST(test_screen),
	    TEST(test_text_mode),     TEST(test_display_open),
	    TEST(test_text_mode),     TEST(test_cuda),
	    TEST(test_serial),	      TEST(test_virtual_functions),
	};

	return cmocka_run_group_tests_name("hostpci-usage", tests, NULL, NULL);
}
