/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: assignments, option lists, expansion and numbers of cfg.h. */
#include <string.h>

#include "base/cfg.h"

/*
 * The input is a list of lines; the first character of a line says what to do
 * with the rest of it:
 *   l  option list below "pci.0.3.0"
 *   g  read the path: expanded, as truth value, as number
 *   n  number, size and nearest word
 *   anything else: the line, whole, is an assignment
 * Afterwards the dump of the tree must read back into the same tree.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* A failure is one line a person can read; success leaves no sentence. */
static void check_result(int ret, const struct err *err)
{
	require(ret >= 0 ? err->code == 0 : err->code == ret);
	require(ret >= 0 || err->msg[0]);
	for (const char *c = err->msg; *c; c++)
		require((unsigned char)*c >= ' ' || *c == '\t');
}

static void fuzz_read(struct cfg *root, const char *path)
{
	char small[16], large[CFG_VALUE_MAX];
	struct err err = {0};
	uint64_t number = 7;
	bool flag = true;
	int ret, again;

	ret = cfg_get(root, path, large, sizeof(large), &err);
	check_result(ret, &err);
	require(ret <= 0 || strlen(large) < sizeof(large));
	require(ret > 0 || !large[0]);
	again = cfg_get(root, path, small, sizeof(small), NULL);
	if (ret > 0 && strlen(large) < sizeof(small))
		require(again == 1 && !strcmp(small, large));
	else
		require(again == ret || again == -E2BIG);

	err = (struct err){0};
	ret = cfg_bool(root, path, true, &err, &flag);
	check_result(ret, &err);
	require(!ret || flag);

	err = (struct err){0};
	ret = cfg_u64(root, path, 7, 3, 1000, &err, &number);
	check_result(ret, &err);
	require(number >= 3 && number <= 1000);
	require(!ret || number == 7);
}

static void fuzz_number(const char *text)
{
	static const char *const words[] = {"device", "path", "ro", "nocache",
					    NULL};
	uint64_t number = 0, bytes = 0;
	const char *near;
	int ret;

	ret = parse_u64(text, &number);
	if (!ret) {
		/* What is a number is a size too, and the same one. */
		ret = parse_size(text, &bytes);
		require(!ret && bytes == number);
	} else {
		ret = parse_size(text, &bytes);
		require(ret || bytes % 1024 == 0);
	}
	near = nearest_word(text, words);
	require(!near || strlen(near) <= strlen(text) * 4 / 3 + 1);
}

static void fuzz_line(struct cfg *root, const char *line)
{
	static const char *const known[] = {"device", "path", "ro", NULL};
	struct err err = {0};
	struct cfg *slot;
	int ret;

	if (line[0] == 'g') {
		fuzz_read(root, line + 1);
	} else if (line[0] == 'n') {
		fuzz_number(line + 1);
	} else if (line[0] == 'l') {
		ret = cfg_make(root, "pci.0.3.0", &err, &slot);
		require(!ret);
		ret = cfg_set_list(slot, line + 1, &err);
		check_result(ret, &err);
		err = (struct err){0};
		ret = cfg_check_known(slot, known, &err);
		check_result(ret, &err);
	} else {
		ret = cfg_set_assignment(root, line, &err);
		check_result(ret, &err);
	}
}

static char *dump_text(struct cfg *root)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	require(out);
	cfg_dump(root, out);
	fclose(out);
	return text;
}

/* Every dumped line is an assignment, but "name=" is for -o too little. */
static void check_round_trip(struct cfg *root)
{
	CLEANUP_FREE char *before = dump_text(root);
	CLEANUP_FREE char *lines = strdup(before);
	CLEANUP_FREE char *after = NULL;
	struct cfg *copy = cfg_create();
	char *line, *rest = lines;
	int ret;

	require(copy && lines);
	while ((line = strsep(&rest, "\n")) && *line) {
		char *value = strchr(line, '=');

		require(value);
		if (value[1]) {
			ret = cfg_set_assignment(copy, line, NULL);
		} else {
			*value = '\0';
			ret = cfg_set(copy, line, "", NULL);
		}
		require(!ret);
	}
	after = dump_text(copy);
	cfg_destroy(copy);
	require(!strcmp(before, after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = strndup((const char *)data, size);
	struct cfg *root = cfg_create();
	char *line, *rest = text;

	require(root && text);
	while ((line = strsep(&rest, "\n")))
		fuzz_line(root, line);
	check_round_trip(root);
	cfg_destroy(root);
	return 0;
}
