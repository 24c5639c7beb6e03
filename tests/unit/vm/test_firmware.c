/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of a guest's loader and firmware (vm/firmware.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "place_fixture.h"
#include "vm/firmware.h"

#define SIZE_CODE_4M 3653632
#define SIZE_VARS_4M 540672
#define SIZE_CODE_2M 1966080
#define SIZE_VARS_2M 131072

static void ovmf_4m(const struct fixture *f)
{
	fixture_file(f, "share/OVMF/OVMF_CODE_4M.fd", "", 0, SIZE_CODE_4M);
	fixture_file(f, "share/OVMF/OVMF_VARS_4M.fd", "4M", 2, SIZE_VARS_4M);
}

static void ovmf_2m(const struct fixture *f)
{
	fixture_file(f, "share/OVMF/OVMF_CODE.fd", "", 0, SIZE_CODE_2M);
	fixture_file(f, "share/OVMF/OVMF_VARS.fd", "2M", 2, SIZE_VARS_2M);
}

static int find(struct fixture *f, const char *text, struct firmware *fw)
{
	fixture_conf(f, text);
	return firmware_find(&f->place, &f->guest, f->conf, &f->err, fw);
}

static void expect(struct fixture *f, const char *text, const char *code,
		   const char *vars_from)
{
	struct firmware fw;
	char expected[1024];

	if (find(f, text, &fw) < 0)
		fail_msg("%s: %s", text, f->err.msg);
	assert_string_equal(fw.code, fixture_text(f, code, expected));
	assert_string_equal(fw.vars_from, fixture_text(f, vars_from, expected));
	assert_string_equal(
	    fw.vars, vars_from[0] ? fixture_text(f, "TMP/vms/demo/uefi-vars.fd",
						 expected)
				  : "");
}

static void refuse(struct fixture *f, const char *text, const char *sentence)
{
	struct firmware fw;

	assert_true(find(f, text, &fw) < 0);
	expect_err(f, sentence);
}

static void test_loaders(void **state)
{
	struct fixture *f = *state;

	expect(f, "loader=linux\nuefi_vars=yes\n", "", "");
	refuse(f, "cpu=1\n",
	       "F: loader is missing: expected uefi, uefi-custom, bios or "
	       "linux");
	refuse(f, "cpu=1\nloader=uefy\n",
	       "F:2: loader=\"uefy\": expected uefi, uefi-custom, bios or "
	       "linux");
	refuse(f, "loader=uefi-csm\n",
	       "F:1: loader=\"uefi-csm\": there is no UEFI firmware with a "
	       "BIOS in it on this host; loader=\"bios\" starts BIOS guests "
	       "with SeaBIOS");
	refuse(f, "loader=bhyveload\n",
	       "F:1: loader=\"bhyveload\": FreeBSD's loader does not run on "
	       "this host; loader=\"uefi\" boots the same disk through its "
	       "EFI partition");
	refuse(f, "loader=grub\n",
	       "F:1: loader=\"grub\": grub-bhyve does not run on this host; "
	       "use loader=\"uefi\", or loader=\"linux\" with linux_kernel, "
	       "linux_initrd and linux_cmdline");
	fixture_conf(f, "loader=uefi-devel\n");
	assert_true(loader_is_uefi(f->conf));
	fixture_conf(f, "loader=bios\n");
	assert_false(loader_is_uefi(f->conf));
	fixture_conf(f, "loader=nonsense\n");
	assert_false(loader_is_uefi(f->conf));
}

static void test_search(void **state)
{
	struct fixture *f = *state;

	refuse(f, "loader=uefi\n",
	       "loader=\"uefi\": there is no TMP/share/OVMF/OVMF_CODE_4M.fd; "
	       "apt install ovmf");
	refuse(f, "loader=bios\n",
	       "loader=\"bios\": there is no TMP/share/seabios/bios-256k.bin; "
	       "apt install seabios");
	refuse(f, "loader=uefi-custom\n",
	       "loader=\"uefi-custom\": there is no "
	       "TMP/vms/.config/BHYVE_UEFI.fd; put the firmware there");
	fixture_file(f, "vms/.config/BHYVE_UEFI.fd", "", 0, SIZE_CODE_2M);
	expect(f, "loader=uefi\n", "TMP/vms/.config/BHYVE_UEFI.fd", "");
	expect(f, "loader=uefi-custom\n", "TMP/vms/.config/BHYVE_UEFI.fd", "");
	refuse(f, "loader=uefi-custom\nuefi_vars=yes\n",
	       "F:2: uefi_vars: TMP/vms/.config/BHYVE_UEFI.fd has no file of "
	       "variables: TMP/vms/.config/BHYVE_UEFI_VARS.fd is missing");
	ovmf_2m(f);
	expect(f, "loader=uefi\nuefi_vars=no\n", "TMP/share/OVMF/OVMF_CODE.fd",
	       "");
	ovmf_4m(f);
	expect(f, "loader=uefi\nuefi_vars=yes\n",
	       "TMP/share/OVMF/OVMF_CODE_4M.fd",
	       "TMP/share/OVMF/OVMF_VARS_4M.fd");
	expect(f, "loader=uefi-devel\n", "TMP/share/OVMF/OVMF_CODE_4M.fd", "");
	fixture_file(f, "share/seabios/bios-256k.bin", "", 0, 262144);
	expect(f, "loader=bios\nuefi_vars=yes\n",
	       "TMP/share/seabios/bios-256k.bin", "");
}

static void test_code_size(void **state)
{
	static const off_t bad[] = {0, 4096, 65536 + 1, 16777216 + 4096};
	struct fixture *f = *state;
	char sentence[512];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fixture_file(f, "share/OVMF/OVMF_CODE_4M.fd", "", 0, bad[i]);
		snprintf(
		    sentence, sizeof(sentence),
		    "TMP/share/OVMF/OVMF_CODE_4M.fd: not a firmware image: "
		    "%lld bytes, expected a multiple of 4096 from 64K to "
		    "16M; reinstall it",
		    (long long)bad[i]);
		refuse(f, "loader=uefi\n", sentence);
	}
}

/* A guest keeps the build it began with. */
static void test_vars_choose_build(void **state)
{
	struct fixture *f = *state;

	ovmf_4m(f);
	ovmf_2m(f);
	fixture_file(f, "vms/demo/uefi-vars.fd", "x", 1, SIZE_VARS_2M);
	expect(f, "loader=uefi\nuefi_vars=yes\n", "TMP/share/OVMF/OVMF_CODE.fd",
	       "TMP/share/OVMF/OVMF_VARS.fd");
	/* Nobody asked for them: they have no say. */
	expect(f, "loader=uefi\n", "TMP/share/OVMF/OVMF_CODE_4M.fd", "");
}

static void test_vars_damaged(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "loader=uefi\nuefi_vars=yes\n";
	char path[PATH_MAX + 32];

	ovmf_4m(f);
	fixture_file(f, "vms/demo/uefi-vars.fd", "x", 1, 1000);
	refuse(f, text,
	       "TMP/vms/demo/uefi-vars.fd: 1000 bytes, but the variables of "
	       "TMP/share/OVMF/OVMF_CODE_4M.fd have 540672; put a copy back, "
	       "or remove it to begin with fresh ones");
	fixture_file(f, "vms/demo/uefi-vars.fd.bak", "x", 1, SIZE_VARS_4M);
	refuse(f, text,
	       "TMP/vms/demo/uefi-vars.fd: 1000 bytes, but the variables of "
	       "TMP/share/OVMF/OVMF_CODE_4M.fd have 540672; the last good copy "
	       "is TMP/vms/demo/uefi-vars.fd.bak: cp it back");
	fixture_file(f, "vms/demo/uefi-vars.fd", "x", 1, SIZE_VARS_4M);
	snprintf(path, sizeof(path), "%s/uefi-vars.fd", f->guest.dir);
	assert_int_equal(chmod(path, 0444), 0);
	refuse(f, text,
	       "TMP/vms/demo/uefi-vars.fd: read-only, but the firmware keeps "
	       "its settings there; chmod u+w it");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	refuse(f, text, "TMP/vms/demo/uefi-vars.fd: not a regular file");
}

static void test_vars_made_once(void **state)
{
	struct fixture *f = *state;
	struct firmware fw;
	struct stat st;
	bool made;
	char head[2];
	int fd;

	ovmf_4m(f);
	assert_int_equal(find(f, "loader=uefi\nuefi_vars=yes\n", &fw), 0);
	assert_int_equal(firmware_make_vars(&f->guest, &fw, &f->err, &made), 0);
	assert_true(made);
	assert_int_equal(stat(fw.vars, &st), 0);
	assert_int_equal(st.st_size, SIZE_VARS_4M);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = open(fw.vars, O_RDWR);
	assert_int_equal(read(fd, head, 2), 2);
	assert_memory_equal(head, "4M", 2);
	/* What the guest has written stays. */
	assert_int_equal(pwrite(fd, "mine", 4, 0), 4);
	close(fd);
	assert_int_equal(firmware_make_vars(&f->guest, &fw, &f->err, &made), 0);
	assert_false(made);
	fd = open(fw.vars, O_RDONLY);
	assert_int_equal(read(fd, head, 2), 2);
	assert_memory_equal(head, "mi", 2);
	close(fd);
	/* A copy that was broken off before is no copy. */
	assert_int_equal(unlink(fw.vars), 0);
	fixture_file(f, "vms/demo/uefi-vars.fd.new", "half", 4, 4);
	assert_int_equal(firmware_make_vars(&f->guest, &fw, &f->err, &made), 0);
	assert_true(made);
	assert_int_equal(stat(fw.vars, &st), 0);
	assert_int_equal(st.st_size, SIZE_VARS_4M);
	assert_int_equal(faccessat(f->guest.dirfd, "uefi-vars.fd.new", F_OK, 0),
			 -1);
	/* None wanted, none made. */
	assert_int_equal(find(f, "loader=linux\n", &fw), 0);
	assert_int_equal(firmware_make_vars(&f->guest, &fw, &f->err, &made), 0);
	assert_false(made);
}

int main(void)
{
#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_loaders),	  T(test_search),
	    T(test_code_size),	  T(test_vars_choose_build),
	    T(test_vars_damaged), T(test_vars_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
