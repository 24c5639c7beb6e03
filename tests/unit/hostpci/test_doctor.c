/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doctor's parsers, what reports keep to themselves and refuse, and the
 * process that is waited for. What it finds is tested by tests/fixtures.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "hostpci/doctor/acpi.h"
#include "hostpci/doctor/caps.h"
#include "hostpci/doctor/doctor.h"
#include "hostpci/doctor/facts.h"
#include "hostpci/doctor/report.h"

/* --- ACPI -------------------------------------------------------------- */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void table_finish(uint8_t *table, const char *signature, unsigned size)
{
	uint8_t sum = 0;

	memcpy(table, signature, 4);
	put16(table + 4, size);
	table[9] = 0;
	for (unsigned i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

/* One unit for all devices, one RMRR of 0000:00:14.1. */
static unsigned dmar_make(uint8_t table[128])
{
	memset(table, 0, 128);
	table[36] = 38;
	table[37] = 3;
	put16(table + 48 + 2, 16);
	table[48 + 4] = 1;
	put16(table + 64, 1);
	put16(table + 64 + 2, 32);
	put16(table + 64 + 8, 0x1000);
	put16(table + 64 + 16, 0x1fff);
	table[64 + 24] = 1;
	table[64 + 25] = 8;
	table[64 + 30] = 0x14;
	table[64 + 31] = 1;
	table_finish(table, "DMAR", 96);
	return 96;
}

static void test_dmar(void **state UNUSED)
{
	struct acpi_dmar dmar;
	uint8_t table[128];
	unsigned size = dmar_make(table);

	acpi_dmar_parse(table, size, &dmar);
	assert_null(dmar.broken);
	assert_int_equal(dmar.width, 39);
	assert_true(dmar.remaps_interrupts);
	assert_true(dmar.x2apic_opt_out);
	assert_int_equal(dmar.units, 1);
	assert_true(dmar.covers_rest);
	assert_int_equal(dmar.rmrr_count, 1);
	assert_int_equal(dmar.rmrr[0].start, 0x1000);
	assert_true(dmar.rmrr[0].has_device);
	assert_int_equal(dmar.rmrr[0].slot, 0x14);
	assert_int_equal(dmar.rmrr[0].func, 1);
}

static void test_dmar_broken(void **state UNUSED)
{
	struct acpi_dmar dmar;
	uint8_t table[128];
	unsigned size = dmar_make(table);

	acpi_dmar_parse(table, size - 1, &dmar);
	assert_string_equal(dmar.broken, "its length is wrong");
	acpi_dmar_parse(table, 4, &dmar);
	assert_string_equal(dmar.broken, "no such table in it");
	table[40]++;
	acpi_dmar_parse(table, size, &dmar);
	assert_string_equal(dmar.broken, "its checksum is wrong");
	dmar_make(table);
	put16(table + 64 + 2, 33);
	table_finish(table, "DMAR", size);
	acpi_dmar_parse(table, size, &dmar);
	assert_string_equal(dmar.broken, "an entry in it does not fit");
	put16(table + 64 + 2, 0); /* no endless loop */
	table_finish(table, "DMAR", size);
	acpi_dmar_parse(table, size, &dmar);
	assert_string_equal(dmar.broken, "an entry in it does not fit");
	table_finish(table, "DMAR", 48);
	acpi_dmar_parse(table, 48, &dmar);
	assert_string_equal(dmar.broken, "it lists no unit");
}

static void test_ivrs(void **state UNUSED)
{
	struct acpi_ivrs ivrs;
	uint8_t table[128] = {0};

	put16(table + 36, 0x3000); /* PASize 48 */
	table[38] = 0x20;	   /* VASize 64 */
	table[48] = 0x10;
	put16(table + 50, 24);
	put16(table + 52, 2);
	table[72] = 0x11; /* the same unit again */
	put16(table + 74, 40);
	put16(table + 76, 2);
	table_finish(table, "IVRS", 112);
	acpi_ivrs_parse(table, 112, &ivrs);
	assert_null(ivrs.broken);
	assert_int_equal(ivrs.units, 1);
	assert_int_equal(ivrs.physical_bits, 48);
	assert_int_equal(ivrs.virtual_bits, 64);
}

/* --- capabilities -------------------------------------------------------- */

static void test_caps(void **state UNUSED)
{
	uint8_t config[4096] = {0x34, 0x12};
	struct caps caps;

	config[6] = 0x10;
	config[0x34] = 0x40;
	config[0x40] = 0x01;
	config[0x41] = 0x50;
	config[0x50] = 0x10;
	put16(config + 0x100, 1);
	put16(config + 0x102, 0x1401);
	put16(config + 0x140, 0x0d);
	put16(config + 0x142, 0x0001);
	caps_find(config, sizeof(config), &caps);
	assert_true(caps.known && caps.extended_known && !caps.broken);
	assert_int_equal(caps.pm, 0x40);
	assert_int_equal(caps.pcie, 0x50);
	assert_int_equal(caps.aer, 0x100);
	assert_int_equal(caps.acs, 0x140);
	assert_int_equal(caps.msi, 0);

	caps_find(config, 64, &caps); /* what an ordinary user sees */
	assert_false(caps.known);
	config[0x51] = 0x40; /* a loop */
	caps_find(config, sizeof(config), &caps);
	assert_true(caps.broken);
	config[0x51] = 0x04; /* into the header */
	caps_find(config, sizeof(config), &caps);
	assert_true(caps.broken);
	config[0x51] = 0;
	put16(config + 0x142, 0x0a01); /* to a0h, below the first */
	caps_find(config, sizeof(config), &caps);
	assert_true(caps.broken);
}

/* --- facts ---------------------------------------------------------------- */

/* Set: what comes after so many bytes of any file is refused. */
static size_t read_limit;

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (read_limit && at >= (off_t)read_limit) {
		errno = EPERM;
		return -1;
	}
	return __real_read(fd, buf, read_limit ? MIN(size, read_limit) : size);
}

/* Somebody (lockdown, a security module) lets only the header be read. */
static void test_header_only(void **state)
{
	struct fixture *f = *state;
	struct doctor_request request = {.root = f->root};
	uint8_t config[256] = {0x36, 0x1b, 0x10, 0x00};
	const struct dev_facts *d;
	struct facts *facts;
	struct err err;

	fixture_plain(f);
	config[0x34] = 0x40;
	config[0x06] = 0x10;
	fixture_bytes(f, SYS_DEVICES "/0000:01:00.0/config", config,
		      sizeof(config));
	read_limit = 64;
	assert_int_equal(facts_open(&request, &err, &facts), 0);
	read_limit = 0;
	d = facts_dev_named(facts, "0000:01:00.0");
	assert_non_null(d);
	assert_non_null(d->config);
	assert_int_equal(d->config_len, 64);
	assert_false(d->caps.known);
	assert_false(dev_is_dead(d));
	/* What it would take is listed as needing root. */
	assert_false(dev_caps_known(facts, d));
	assert_non_null(facts->blind);
	facts_close(facts);
}

static int dead_examine(const char *root, struct doctor **ret_doctor)
{
	const struct hostpci_addr addr = {0, 1, 0, 0};
	const struct doctor_request request = {
	    .root = root, .addrs = &addr, .addr_count = 1};
	struct err err;

	return doctor_examine(&request, &err, ret_doctor);
}

/* All ones everywhere: no walk through them, one finding, no waiting. */
static void test_all_ones(void **state)
{
	CLEANUP_DOCTOR struct doctor *doctor = NULL;
	struct fixture *f = *state;
	uint8_t config[4096];

	memset(config, 0xff, sizeof(config));
	fixture_plain(f);
	fixture_bytes(f, SYS_DEVICES "/0000:01:00.0/config", config,
		      sizeof(config));
	assert_int_equal(dead_examine(f->root, &doctor), 0);
	assert_int_equal(doctor_state(doctor), DOCTOR_BLOCKED);
	assert_non_null(strstr(doctor_verdict(doctor), "[CONFIG-DEAD]"));
}

/* --- reports -------------------------------------------------------------- */

static void test_report_paths(void **state UNUSED)
{
	static const char *const bad[] = {
	    "",
	    "/",
	    "/etc/passwd",
	    "..",
	    "../x",
	    "a/../b",
	    "a/..",
	    "a//b",
	    "a/",
	    "./a",
	    "a/.",
	    "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (report_path_valid(bad[i]))
			fail_msg("accepted '%s'", bad[i]);
	assert_true(report_path_valid("sys/bus/pci/devices/0000:01:00.0"));
	assert_true(report_path_valid("a/...b/.c"));
}

static void test_report_links(void **state UNUSED)
{
	assert_true(report_link_valid("a/b/c", "../../x"));
	assert_true(report_link_valid("a/b/c", "d/e"));
	assert_false(report_link_valid("a/b/c", "../../../x"));
	assert_false(report_link_valid("a/b/c", "../x/../../../y"));
	assert_false(report_link_valid("a/b/c", "x/.."));
	assert_false(report_link_valid("a/b/c", "/etc/passwd"));
	assert_false(report_link_valid("a/b/c", ".."));
	assert_false(report_link_valid("c", "../x"));
}

static int unpack(struct fixture *f, const char *text, struct err *err)
{
	CLEANUP_CLOSE int fd =
	    open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return report_unpack(fd, text, strlen(text), err);
}

static void test_report_unpack(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_int_equal(
	    unpack(f,
		   "{\"byway_report\":1,\"files\":{\"a/b\":\"text\",\"a/c\":"
		   "{\"base64\":\"AAH/\"}},\"links\":{\"l/x\":\"../a\"},"
		   "\"folders\":{\"d\":[\"e\"]},\"nodes\":[\"n\",\"a/b\"],"
		   "\"denied\":[\"kmsg\"]}",
		   &err),
	    0);
	assert_true(fixture_exists(f, "a/b"));
	assert_true(fixture_exists(f, "l/x/c"));
	assert_true(fixture_exists(f, "d/e"));
	assert_true(fixture_exists(f, "n"));
	assert_true(fixture_exists(f, "byway/denied"));
}

static void test_report_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "[]",
	    "{}",
	    "{\"byway_report\":2}",
	    "{\"byway_report\":1,\"files\":{\"../x\":\"\"}}",
	    "{\"byway_report\":1,\"files\":{\"x\":7}}",
	    "{\"byway_report\":1,\"files\":{\"x\":{\"base64\":\"A\"}}}",
	    "{\"byway_report\":1,\"files\":{\"x\":\"\",\"x\":\"\"}}",
	    "{\"byway_report\":1,\"files\":{\"y\":\"\",\"y/z\":\"\"}}",
	    "{\"byway_report\":1,\"links\":{\"l\":\"/etc\"}}",
	    "{\"byway_report\":1,\"links\":{\"m\":\"q\",\"m/z\":\"r\"}}",
	    "{\"byway_report\":1,\"links\":{\"k\":\"q\"},"
	    "\"nodes\":[\"k/passwd\"]}",
	    "{\"byway_report\":1,\"folders\":{\"d\":[\"../e\"]}}",
	    "{\"byway_report\":1,\"nodes\":[\"/n\"]}",
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (unpack(*state, bad[i], &err) == 0)
			fail_msg("accepted %s", bad[i]);
		assert_true(err.msg[0]);
	}
}

static void test_scrub(void **state UNUSED)
{
	char text[] = "e1000e 0000:02:00.0 eth0: 52:54:00:12:34:56\n"
		      "usb 1-1: SerialNumber: 1234ABC x\n"
		      "root=UUID=01234567-89ab-cdef-0123-456789abcdef ro\n"
		      "myhost kernel, myhosts 10de:1bb3";

	report_scrub(text, "myhost");
	assert_string_equal(
	    text, "e1000e 0000:02:00.0 eth0: XX:XX:XX:XX:XX:XX\n"
		  "usb 1-1: SerialNumber: XXXXXXX x\n"
		  "root=UUID=XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX ro\n"
		  "XXXXXX kernel, myhosts 10de:1bb3");
	assert_true(report_line_wanted("pci 0000:00:1f.3: BAR 0"));
	assert_true(report_line_wanted("DMAR: IOMMU enabled"));
	assert_false(report_line_wanted("EXT4-fs (sda1): mounted"));
}

static void test_base64(void **state UNUSED)
{
	static const char *const bad[] = {"A",	  "AAA",  "A===",    "=AAA",
					  "AA=A", "A A=", "AAA=AAAA"};
	static const uint8_t bytes[] = {0, 1, 0xff, 0x80, 7};
	size_t len;
	char *back;

	for (size_t i = 0; i <= sizeof(bytes); i++) {
		CLEANUP_FREE char *text = base64_encode(bytes, i);

		assert_int_equal(base64_decode(text, &back, &len), 0);
		assert_int_equal(len, i);
		assert_memory_equal(back, bytes, i);
		free(back);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (base64_decode(bad[i], &back, &len) == 0)
			fail_msg("accepted %s", bad[i]);
}

/* --- the process that is waited for --------------------------------------- */

static int guarded_answer(void *ctx, char *watch UNUSED, char *answer)
{
	snprintf(answer, DOCTOR_ANSWER_BYTES, "heard %s", (char *)ctx);
	return 2;
}

static int guarded_hang(void *ctx UNUSED, char *watch, char *answer UNUSED)
{
	strcpy(watch, "/sys/stuck");
	while (pause() < 0)
		;
	return 0;
}

static int guarded_crash(void *ctx UNUSED, char *watch UNUSED,
			 char *answer UNUSED)
{
	return kill(getpid(), SIGKILL);
}

/* What hangs holds none of our files: locks go when we end. */
static int guarded_files(void *ctx, char *watch UNUSED, char *answer UNUSED)
{
	return fcntl(*(int *)ctx, F_GETFD) < 0 ? 0 : 1;
}

static void test_guard(void **state UNUSED)
{
	const struct doctor_deadline quick = {100, 200, NULL};
	const struct doctor_deadline slow = {20000, 20000, NULL};
	char text[DOCTOR_ANSWER_BYTES];
	int fd = open("/dev/null", O_RDONLY);

	assert_int_equal(
	    doctor_guarded(guarded_answer, (char *)"us", &slow, text), 2);
	assert_string_equal(text, "heard us");
	assert_int_equal(doctor_guarded(guarded_hang, NULL, &quick, text),
			 -ETIMEDOUT);
	assert_string_equal(text, "/sys/stuck");
	assert_int_equal(doctor_guarded(guarded_crash, NULL, &slow, text),
			 -EIO);
	assert_int_equal(doctor_guarded(guarded_files, &fd, &slow, text), 0);
	close(fd);
}

static uint64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Computes for so many ms of processor time, and says nothing. */
static int guarded_work(void *ctx, char *watch UNUSED, char *answer UNUSED)
{
	uint64_t end = cpu_ms() + *(unsigned *)ctx;

	while (cpu_ms() < end)
		for (volatile unsigned i = 0; i < 200000; i++)
			;
	return 3;
}

/* The same on one processor, which somebody else has most of the time. */
static int guarded_starved(void *ctx, char *watch, char *answer)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		return 1;
	if (fork() == 0) {
		/* Ends with its parent, which is killed or ready. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(20);
		for (;;)
			;
	}
	if (nice(19) < 0)
		return 1;
	return guarded_work(ctx, watch, answer);
}

/* Slow is not hung: what works, or waits for the processor, has its time. */
static void test_guard_busy(void **state UNUSED)
{
	const struct doctor_deadline patient = {400, 20000, NULL};
	const struct doctor_deadline bounded = {400, 800, NULL};
	unsigned work_ms = 1500, starved_ms = 30, forever_ms = 60000;
	char text[DOCTOR_ANSWER_BYTES];

	assert_int_equal(doctor_guarded(guarded_work, &work_ms, &patient, text),
			 3);
	assert_int_equal(
	    doctor_guarded(guarded_starved, &starved_ms, &patient, text), 3);
	assert_int_equal(
	    doctor_guarded(guarded_work, &forever_ms, &bounded, text),
	    -ETIMEDOUT);
	/* And what does neither is hung long before the whole time is over. */
	assert_int_equal(doctor_guarded(guarded_hang, NULL, &patient, text),
			 -ETIMEDOUT);
	assert_string_equal(text, "/sys/stuck");
}

/* --- the table --------------------------------------------------------------
 */

static void test_table(void **state UNUSED)
{
	struct doctor_check_info info, other;
	enum doctor_step step = STEP_PRESENT;
	size_t i;

	for (i = 0; doctor_check_at(i, &info); i++) {
		/* In order of steps, ids once, ready for file names. */
		assert_true(info.step >= step);
		step = info.step;
		assert_int_equal(strspn(info.id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						 "0123456789-"),
				 strlen(info.id));
		for (size_t j = 0; j < i; j++) {
			assert_true(doctor_check_at(j, &other));
			assert_string_not_equal(info.id, other.id);
		}
		assert_true(info.title[0] && info.cure[0]);
		assert_null(strchr(info.cure, '\t'));
	}
	assert_true(i >= 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dmar),
	    cmocka_unit_test(test_dmar_broken),
	    cmocka_unit_test(test_ivrs),
	    cmocka_unit_test(test_caps),
	    cmocka_unit_test_setup_teardown(test_header_only, fixture_setup,
					    fixture_teardown),
	    cmocka_unit_test_setup_teardown(test_all_ones, fixture_setup,
					    fixture_teardown),
	    cmocka_unit_test(test_report_paths),
	    cmocka_unit_test(test_report_links),
	    cmocka_unit_test_setup_teardown(test_report_unpack, fixture_setup,
					    fixture_teardown),
	    cmocka_unit_test_setup_teardown(test_report_refused, fixture_setup,
					    fixture_teardown),
	    cmocka_unit_test(test_scrub),
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_guard),
	    cmocka_unit_test(test_guard_busy),
	    cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("hostpci-doctor", tests, NULL, NULL);
}
