/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: guest file, key table, command line, run.lock (src/vm). */
#include <string.h>

#include "vm/keys.h"
#include "vm/plan.h"
#include "vm/runlock.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What reaches a terminal is one printable line. */
static void check_text(void *ctx, const char *text)
{
	(void)ctx;
	for (; *text; text++)
		require(((unsigned char)*text >= ' ' || *text == '\t') &&
			*text != 0x7f);
}

static void check_result(int ret, const struct err *err)
{
	require(ret == 0 || (ret == err->code && err->msg[0]));
	check_text(NULL, err->msg);
}

/* As a guest with all that a plan can be given besides its file. */
static int plan_fuzzed(const struct conf *conf, struct err *err,
		       struct plan *ret_plan)
{
	struct guest guest = {.name = "demo", .dir = "/vm/demo", .dirfd = -1};
	struct words nics = {0}, disks = {0};
	struct firmware fw = {.code = "/f.fd", .vars = "/v.fd"};
	struct screen screen;
	struct plan_input input = {.guest = &guest,
				   .conf = conf,
				   .disks = &disks,
				   .nics = &nics,
				   .com = {"/dev/pts/1"},
				   .firmware = &fw,
				   .screen = &screen,
				   .iso = conf->count % 2 ? "/i.iso" : NULL,
				   .later_run = conf->count % 4 > 1};
	int ret;

	for (unsigned n = 0; n < PLAN_NICS_MAX; n++)
		if (conf_get(conf, "network%u_type", n))
			words_add(&nics, "tap%u", n);
	for (unsigned n = 0; n < DISKS_MAX; n++) {
		if (!conf_member(conf, "disk%u_type", n))
			break;
		words_add(&disks, "/disk%%%u", n);
	}
	ret = screen_parse(conf, err, &screen);
	if (ret == 0)
		ret = plan_make(&input, err, ret_plan);
	words_free(&nics);
	words_free(&disks);
	return ret;
}

static void fuzz_plan(const struct conf *conf)
{
	struct plan plan;
	struct err err = {0};
	int ret = plan_fuzzed(conf, &err, &plan);

	check_result(ret, &err);
	if (ret < 0)
		return;
	for (size_t i = 0; i + 1 < plan.devices.count; i += 2)
		require(strcmp(plan.devices.word[i], "-s") == 0);
	for (size_t i = 0; i < plan.secrets.count; i++)
		check_text(NULL, plan.secrets.word[i]);
	plan_free(&plan);
}

static void fuzz_disks(const struct conf *conf)
{
	struct guest guest = {.name = "demo", .dir = "/vm/demo", .dirfd = -1};
	struct place place = {.dir = "/vm", .dev = "/dev"};
	struct err err = {0};
	struct disk disk;
	enum disk_dev dev;

	/* No program is run for a fuzzed file. */
	if (disk_dev(conf, 0, &err, &dev) < 0 || dev == DISK_ISCSI ||
	    dev == DISK_ZVOL || dev == DISK_SPARSE_ZVOL)
		return;
	check_result(disk_locate(&place, &guest, conf, 0, &err, &disk), &err);
}

/* A saved value is read back; all others stay. */
static void fuzz_write(const char *text, const struct conf *conf)
{
	CLEANUP_FREE char *changed = conf_text_set(text, "uuid", "U-1");
	CLEANUP_FREE char *removed = conf_text_remove(changed, "uuid");
	struct conf *again = NULL;

	require(changed && removed);
	if (conf_parse(changed, strlen(changed), "F", NULL, NULL, &again) < 0) {
		/* Only when a limit was reached by the added line. */
		require(strlen(changed) > CONF_FILE_MAX ||
			conf->count == CONF_ENTRIES_MAX);
		return;
	}
	require(strcmp(conf_get(again, "uuid"), "U-1") == 0);
	for (size_t i = 0; i < conf->count; i++) {
		const char *key = conf->entry[i].key;

		require(strcmp(key, "uuid") == 0 ||
			strcmp(conf_get(again, "%s", key),
			       conf->entry[i].value) == 0);
	}
	conf_free(again);
	require(conf_parse(removed, strlen(removed), "F", NULL, NULL, &again) ==
		0);
	require(conf_line(again, "uuid") == 0);
	conf_free(again);
}

static void fuzz_info(const char *text)
{
	struct run_info info, back;
	char buf[8192];

	run_info_parse(text, &info);
	require(run_info_format(&info, buf, sizeof(buf)) > 0);
	run_info_parse(buf, &back);
	require(strcmp(info.host, back.host) == 0);
	require(strcmp(info.devices, back.devices) == 0);
	require(strcmp(info.managed, back.managed) == 0);
	require(strcmp(info.taps, back.taps) == 0);
	require(strcmp(info.vnc, back.vnc) == 0);
	require(info.byway.pid == back.byway.pid);
	require(info.byway.start == back.byway.start);
	require(info.since == back.since);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct warner warner = {check_text, NULL};
	CLEANUP_FREE char *text = strndup((const char *)data, size);
	struct conf *conf = NULL;
	struct err err = {0};
	int ret;

	require(text != NULL);
	ret = conf_parse((const char *)data, size, "F", &warner, &err, &conf);
	check_result(ret, &err);
	if (ret == 0) {
		keys_check(conf, &warner);
		fuzz_plan(conf);
		fuzz_disks(conf);
		if (strlen(text) == size)
			fuzz_write(text, conf);
		conf_free(conf);
	}
	fuzz_info(text);
	(void)image_name(image_probe(data, size));
	return 0;
}
