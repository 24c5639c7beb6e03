/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of finding and making disks (vm/disks.h, image.h, volume.h, tool.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "place_fixture.h"
#include "vm/tool.h"
#include "vm/volume.h"

static int locate(struct fixture *f, const char *text, struct disk *disk)
{
	fixture_conf(f, text);
	return disk_locate(&f->place, &f->guest, f->conf, 0, &f->err, disk);
}

static void expect_path(struct fixture *f, const char *text, const char *path)
{
	char expected[1024];
	struct disk disk;

	if (locate(f, text, &disk) < 0)
		fail_msg("%s: %s", text, f->err.msg);
	assert_string_equal(disk.path, fixture_text(f, path, expected));
	assert_string_equal(disk.attach, disk.path);
}

static void refuse(struct fixture *f, const char *text, const char *sentence)
{
	struct disk disk;
	int rc = locate(f, text, &disk);

	if (rc == 0)
		rc = disk_find_format(&f->guest, f->conf, &f->err, &disk);
	assert_true(rc < 0);
	expect_err(f, sentence);
}

static void test_kinds(void **state)
{
	struct fixture *f = *state;
	struct disk disk;

	expect_path(f, "disk0_name=a.img\n", "TMP/vms/demo/a.img");
	expect_path(f, "disk0_dev=file\ndisk0_name=a.img\n",
		    "TMP/vms/demo/a.img");
	expect_path(f, "disk0_dev=custom\ndisk0_name=/dev/sdz\n", "/dev/sdz");
	expect_path(f, "disk0_dev=9p\ndisk0_name=share=/srv\n", "share=/srv");
	expect_path(f, "disk0_dev=zvol\ndisk0_name=disk0\n",
		    "TMP/vms/demo/disk0");
	refuse(f, "disk0_type=nvme\n",
	       "F: disk0_name is missing: every diskN_type needs a diskN_name");
	refuse(f, "disk0_name=a\ndisk0_dev=floppy\n",
	       "F:2: disk0_dev=\"floppy\": expected file, zvol, sparse-zvol, "
	       "custom, iscsi or 9p");
	assert_int_equal(locate(f, "disk0_name=a\ndisk0_opts=x,ro\n", &disk),
			 0);
	assert_true(disk.readonly);
	assert_int_equal(locate(f, "disk0_name=a\ndisk0_type=ahci-cd\n", &disk),
			 0);
	assert_true(disk.readonly);
	assert_int_equal(locate(f, "disk0_name=a\ndisk0_opts=rom\n", &disk), 0);
	assert_false(disk.readonly);
}

/* The data set is that of the place, and only if it is mounted there. */
static void test_zvol(void **state)
{
	struct fixture *f = *state;
	char script[PATH_MAX + 32];
	static const char text[] = "disk0_dev=sparse-zvol\ndisk0_name=d\n";

	snprintf(script, sizeof(script), "printf 'tank/vm\\t%s\\n'",
		 f->place.dir);
	fixture_program(f, "zfs", script);
	expect_path(f, text, "TMP/dev/zvol/tank/vm/demo/d");
	fixture_file(f, "vms/demo/d", "", 0, 0);
	expect_path(f, text, "TMP/vms/demo/d");
	fixture_program(f, "zfs", "printf 'tank\\t/\\n'");
	assert_int_equal(unlinkat(f->guest.dirfd, "d", 0), 0);
	expect_path(f, text, "TMP/vms/demo/d");
	fixture_program(f, "zfs", "echo 'not a ZFS filesystem' >&2; exit 1");
	expect_path(f, text, "TMP/vms/demo/d");
}

static void test_iscsi(void **state)
{
	struct fixture *f = *state;
	static const char text[] =
	    "disk0_dev=iscsi\ndisk0_name=iqn.2004-10.com.x:t1\n";

	if (!tool_exists("iscsiadm"))
		refuse(f, text,
		       "F:1: disk0_dev=\"iscsi\": needs iscsiadm, which is not "
		       "installed: apt install open-iscsi");
	fixture_program(
	    f, "iscsiadm",
	    "[ \"$*\" = '-m session' ] || exit 1\n"
	    "echo 'tcp: [1] 10.0.0.1:3260,1 iqn.2004-10.com.x:t1 "
	    "(non-flash)'\n"
	    "echo 'tcp: [2] [fe80::1]:3260,1 iqn.2004-10.com.x:t2'\n"
	    "echo 'tcp: [3] 10.0.0.1:3260,1 iqn.2004-10.com.x:t3'\n"
	    "echo 'tcp: [4] 10.0.0.2:3260,1 iqn.2004-10.com.x:t3'");
	expect_path(f, text,
		    "TMP/dev/disk/by-path/"
		    "ip-10.0.0.1:3260-iscsi-iqn.2004-10.com.x:t1-lun-0");
	expect_path(f, "disk0_dev=iscsi\ndisk0_name=iqn.2004-10.com.x:t2/7\n",
		    "TMP/dev/disk/by-path/"
		    "ip-[fe80::1]:3260-iscsi-iqn.2004-10.com.x:t2-lun-7");
	refuse(f, "disk0_dev=iscsi\ndisk0_name=iqn.2004-10.com.x:t3\n",
	       "F:2: disk0_name=\"iqn.2004-10.com.x:t3\": 2 iSCSI sessions "
	       "have this target; log out of all but one");
	refuse(f, "disk0_dev=iscsi\ndisk0_name=iqn.2004-10.com.x:t\n",
	       "F:2: disk0_name=\"iqn.2004-10.com.x:t\": no iSCSI session has "
	       "this target; log in with iscsiadm -m node -T "
	       "iqn.2004-10.com.x:t -l");
	refuse(f, "disk0_dev=iscsi\ndisk0_name=t1/x\n",
	       "F:2: disk0_name=\"t1/x\": expected an iSCSI target, IQN or "
	       "IQN/LUN");
	fixture_program(f, "iscsiadm",
			"echo 'iscsiadm: No active sessions.' >&2; exit 21");
	refuse(f, text,
	       "F:2: disk0_name=\"iqn.2004-10.com.x:t1\": no iSCSI session has "
	       "this target; log in with iscsiadm -m node -T "
	       "iqn.2004-10.com.x:t1 -l");
	fixture_program(f, "iscsiadm",
			"echo 'iscsiadm: no database' >&2; exit 6");
	refuse(f, text, "disk0_dev=\"iscsi\": iscsiadm: iscsiadm: no database");
}

static void test_marks(void **state)
{
	static const struct {
		size_t at, len;
		const char *mark;
		enum image_format format;
	} marks[] = {
	    {0, 8, "QFI\xfb\0\0\0\3", IMAGE_QCOW2},
	    {0, 8, "QFI\xfb\0\0\0\2", IMAGE_QCOW2},
	    {0, 8, "QFI\xfb\0\0\0\1", IMAGE_QCOW},
	    {0, 4, "KDMV", IMAGE_VMDK},
	    {0, 21, "# Disk DescriptorFile", IMAGE_VMDK},
	    {64, 4, "\x7f\x10\xda\xbe", IMAGE_VDI},
	    {0, 8, "vhdxfile", IMAGE_VHDX},
	    {0, 8, "conectix", IMAGE_VPC},
	    {0, 4, "QFI ", IMAGE_RAW},
	    {1, 4, "QFI\xfb", IMAGE_RAW},
	};
	uint8_t head[IMAGE_HEAD];
	enum image_format format;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		memset(head, 0, sizeof(head));
		memcpy(head + marks[i].at, marks[i].mark, marks[i].len);
		assert_int_equal(image_probe(head, sizeof(head)),
				 marks[i].format);
		/* Cut short there is no mark. */
		assert_int_equal(image_probe(head, marks[i].at + 3), IMAGE_RAW);
	}
	assert_int_equal(image_by_name("/x/y.QCOW2"), IMAGE_QCOW2);
	assert_int_equal(image_by_name("y.vhd"), IMAGE_VPC);
	assert_int_equal(image_by_name(".vdi"), IMAGE_RAW);
	assert_int_equal(image_by_name("disk0"), IMAGE_RAW);
	for (int i = IMAGE_RAW; i <= IMAGE_VPC; i++) {
		assert_int_equal(image_parse(image_name(i), &format), 0);
		assert_int_equal(format, i);
	}
	assert_int_equal(image_parse("QCOW2", &format), -EINVAL);
}

static void expect_format(struct fixture *f, const char *text,
			  enum image_format format, const char *attach)
{
	char expected[1024];
	struct disk disk;

	if (locate(f, text, &disk) < 0 ||
	    disk_find_format(&f->guest, f->conf, &f->err, &disk) < 0)
		fail_msg("%s: %s", text, f->err.msg);
	assert_int_equal(disk.format, format);
	assert_string_equal(disk.attach, fixture_text(f, attach, expected));
}

/* A guest can write a mark into its raw disk: then it is asked, not believed.
 */
static void test_format(void **state)
{
	static const char qcow2[] = "QFI\xfb\0\0\0\3";
	struct fixture *f = *state;

	fixture_file(f, "vms/demo/a.qcow2", qcow2, 8, 65536);
	fixture_file(f, "vms/demo/a.img", qcow2, 8, 65536);
	fixture_file(f, "vms/demo/b.qcow2", "", 0, 65536);
	fixture_file(f, "vms/demo/b.img", "", 0, 65536);
	expect_format(f, "disk0_name=a.qcow2\n", IMAGE_QCOW2,
		      "TMP/vms/demo/disk0.export");
	expect_format(f, "disk0_name=b.img\n", IMAGE_RAW, "TMP/vms/demo/b.img");
	expect_format(f, "disk0_name=a.img\ndisk0_format=raw\n", IMAGE_RAW,
		      "TMP/vms/demo/a.img");
	expect_format(f, "disk0_name=a.img\ndisk0_format=qcow2\n", IMAGE_QCOW2,
		      "TMP/vms/demo/disk0.export");
	expect_format(f, "disk0_name=b.qcow2\ndisk0_format=raw\n", IMAGE_RAW,
		      "TMP/vms/demo/b.qcow2");
	expect_format(f, "disk0_name=missing.qcow2\n", IMAGE_RAW,
		      "TMP/vms/demo/missing.qcow2");
	refuse(f, "disk0_name=a.img\n",
	       "F: disk0_name: TMP/vms/demo/a.img: begins like a qcow2 image "
	       "but is not named so; set disk0_format=\"qcow2\" if it is one, "
	       "\"raw\" if its guest wrote that");
	refuse(f, "disk0_name=b.qcow2\n",
	       "F: disk0_name: TMP/vms/demo/b.qcow2: is named like a qcow2 "
	       "image but does not begin like one; set disk0_format to what "
	       "it is");
	refuse(f, "disk0_name=a.img\ndisk0_format=qcow3\n",
	       "F:2: disk0_format=\"qcow3\": expected raw, qcow2, qcow, vmdk, "
	       "vdi, vhdx or vpc");
}

static void test_attach(void **state)
{
	struct fixture *f = *state;
	struct words paths = {0};

	fixture_file(f, "vms/demo/b.vhdx", "vhdxfile", 8, 65536);
	fixture_conf(f, "disk0_type=nvme\ndisk0_name=a\n"
			"disk1_type=nvme\ndisk1_name=b.vhdx\n"
			"disk3_type=nvme\ndisk3_name=after-a-gap\n");
	assert_int_equal(
	    disks_attach(&f->place, &f->guest, f->conf, &f->err, &paths), 0);
	assert_int_equal(paths.count, 2);
	assert_non_null(strstr(paths.word[0], "/vms/demo/a"));
	assert_non_null(strstr(paths.word[1], "/vms/demo/disk1.export"));
	words_free(&paths);
}

static int create(struct fixture *f, const char *text, const char *dataset,
		  char note[VOLUME_NOTE_MAX])
{
	struct volume_site site = {.place = &f->place, .guest = &f->guest};

	fixture_conf(f, text);
	site.conf = f->conf;
	strcpy(site.dataset, dataset);
	return volume_create(&site, 0, GIB(3), &f->err, note);
}

static void expect_note(const struct fixture *f, const char *note,
			const char *text)
{
	char expected[1024];

	assert_string_equal(note, fixture_text(f, text, expected));
}

static void test_create_files(void **state)
{
	struct fixture *f = *state;
	char note[VOLUME_NOTE_MAX];
	struct stat st;

	assert_int_equal(create(f, "disk0_name=a\n", "", note), 0);
	assert_string_equal(note, "");
	assert_int_equal(fstatat(f->guest.dirfd, "a", &st, 0), 0);
	assert_int_equal(st.st_size, GIB(3));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(
	    create(f, "disk0_name=d\ndisk0_dev=sparse-zvol\n", "", note), 0);
	expect_note(f, note,
		    "disk0: no ZFS here, made as the sparse file "
		    "TMP/vms/demo/d of 3G");
	assert_int_equal(fstatat(f->guest.dirfd, "d", &st, 0), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(
	    create(f, "disk0_name=/dev/x\ndisk0_dev=custom\n", "", note), 0);
	assert_int_equal(create(f, "disk0_name=../a\n", "", note), -EINVAL);
	assert_int_equal(create(f, "disk0_name=a\n", "", note), -EEXIST);
	assert_int_equal(create(f, "disk0_name=n.qcow2\n", "", note), -EINVAL);
	expect_err(f, "F: disk0_name=\"n.qcow2\": new disks are raw; make that "
		      "image with qemu-img and name it after create");
}

/* What the fake program was called with. */
static void expect_calls(const struct fixture *f, const char *text)
{
	char path[128], got[1024] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/calls", f->root);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(got, 1, sizeof(got) - 1, file) > 0);
	fclose(file);
	unlink(path);
	assert_string_equal(got, text);
}

static void fake_logger(const struct fixture *f, const char *name)
{
	char script[256];

	snprintf(script, sizeof(script), "echo %s \"$@\" >>%s/calls", name,
		 f->root);
	fixture_program(f, name, script);
}

static void test_create_zfs(void **state)
{
	struct fixture *f = *state;
	char note[VOLUME_NOTE_MAX];

	fake_logger(f, "zfs");
	assert_int_equal(
	    create(f,
		   "disk0_name=d\ndisk0_dev=sparse-zvol\n"
		   "zfs_zvol_opts=volblocksize=16K compression=off\n",
		   "tank/vm", note),
	    0);
	assert_string_equal(note, "");
	expect_calls(f, "zfs create -o volblocksize=16K -o compression=off -s "
			"-V 3221225472 tank/vm/demo/d\n");
	assert_int_equal(
	    create(f, "disk0_name=d\ndisk0_dev=zvol\n", "tank/vm", note), 0);
	expect_calls(f, "zfs create -V 3221225472 tank/vm/demo/d\n");
	fixture_program(f, "zfs",
			"echo \"cannot create 'x': out of space\" "
			">&2; exit 1");
	assert_int_equal(
	    create(f, "disk0_name=d\ndisk0_dev=zvol\n", "tank/vm", note), -EIO);
	expect_err(f, "zfs: cannot create 'x': out of space");
}

static void test_create_thin(void **state)
{
	struct fixture *f = *state;
	static const char text[] =
	    "disk0_type=nvme\ndisk0_name=d\ndisk0_dev=sparse-zvol\n";
	struct volume_site site = {.place = &f->place, .guest = &f->guest};
	char note[VOLUME_NOTE_MAX], target[1024], expected[1024];
	static const char good[] = "vm_lvm_thin=vg0/thin\n";
	static const char bad[] = "vm_lvm_thin=vg0\n";
	ssize_t len;

	fake_logger(f, "lvcreate");
	fake_logger(f, "lvremove");
	assert_int_equal(
	    conf_parse(bad, strlen(bad), "H", NULL, NULL, &f->place.conf), 0);
	assert_int_equal(create(f, text, "", note), -EINVAL);
	expect_err(f, "H:1: vm_lvm_thin=\"vg0\": expected GROUP/POOL, a thin "
		      "pool of LVM");
	conf_free(f->place.conf);
	assert_int_equal(
	    conf_parse(good, strlen(good), "H", NULL, NULL, &f->place.conf), 0);
	assert_int_equal(create(f, text, "", note), 0);
	expect_note(f, note,
		    "disk0: no ZFS here, made as the thin volume "
		    "TMP/dev/vg0/byway-demo-d of 3G");
	expect_calls(f, "lvcreate -y -V 3221225472b -n byway-demo-d -T "
			"vg0/thin\n");
	len = readlinkat(f->guest.dirfd, "d", target, sizeof(target) - 1);
	assert_true(len > 0);
	target[len] = '\0';
	assert_string_equal(
	    target, fixture_text(f, "TMP/dev/vg0/byway-demo-d", expected));
	/* Only what our own link leads to is removed. */
	site.conf = f->conf;
	assert_int_equal(volumes_remove(&site, &f->err), 0);
	expect_calls(f, "lvremove -f -y vg0/byway-demo-d\n");
	assert_int_equal(symlinkat("/dev/vg0/other", f->guest.dirfd, "d"), 0);
	assert_int_equal(volumes_remove(&site, &f->err), 0);
	snprintf(target, sizeof(target), "%s/calls", f->root);
	assert_int_equal(access(target, F_OK), -1);
}

static void test_tool(void **state)
{
	struct fixture *f = *state;
	struct words argv = {0};
	char *out = NULL;

	fixture_program(f, "talker",
			"read x; echo \"in:$x args:$*\"; echo noise >&2");
	words_split(&argv, "talker a b");
	assert_int_equal(tool_run(&argv, &f->err, &out), 0);
	assert_string_equal(out, "in: args:a b\n");
	free(out);
	/* More than fits is cut, and does not block the program. */
	fixture_program(f, "talker", "seq 100000; seq 100000 >&2; exit 3");
	assert_int_equal(tool_run(&argv, &f->err, &out), -EIO);
	fixture_program(f, "talker", "kill -9 $$");
	assert_int_equal(tool_run(&argv, &f->err, &out), -EIO);
	expect_err(f, "talker: failed with status 137");
	words_free(&argv);
	words_split(&argv, "no-such-program-anywhere");
	assert_int_equal(tool_run(&argv, &f->err, &out), -ENOENT);
	expect_err(f, "no-such-program-anywhere: not installed");
	words_free(&argv);
}

int main(void)
{
#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_kinds),	  T(test_zvol),	      T(test_iscsi),
	    T(test_marks),	  T(test_format),     T(test_attach),
	    T(test_create_files), T(test_create_zfs), T(test_create_thin),
	    T(test_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
