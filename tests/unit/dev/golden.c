/* SPDX-License-Identifier: BSD-2-Clause */
/* Runner of golden traces; described in golden.h. */
#include "golden.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!file)
		return NULL;
	/* No file of ours holds a NUL: this reads all of it. */
	if (getdelim(&text, &room, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool ok;

	if (!file)
		return false;
	ok = fputs(text, file) >= 0;
	return fclose(file) == 0 && ok;
}

static void run_lines(const char *text, golden_fn *fn, void *ctx, FILE *out)
{
	char line[256];

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		size_t len = MIN(strcspn(text, "\n"), sizeof(line) - 1);

		memcpy(line, text, len);
		line[len] = '\0';
		if (len == 0 || line[0] == '#')
			fprintf(out, "%s\n", line);
		else if (line[0] != ' ')
			fn(ctx, line, out);
	}
}

static void report(const char *path, const char *want, const char *have)
{
	unsigned number = 1;
	size_t i, start = 0;

	for (i = 0; want[i] && want[i] == have[i]; i++)
		if (want[i] == '\n') {
			number++;
			start = i + 1;
		}
	fprintf(stderr, "%s:%u: expected '%.*s', got '%.*s'\n", path, number,
		(int)strcspn(want + start, "\n"), want + start,
		(int)strcspn(have + start, "\n"), have + start);
}

bool golden_run(const char *dir, const char *name, golden_fn *fn, void *ctx)
{
	const char *update = getenv("BYWAY_GOLDEN_UPDATE");
	CLEANUP_FREE char *want = NULL;
	CLEANUP_FREE char *have = NULL;
	char path[512];
	size_t size;
	FILE *out;
	bool same;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	want = read_file(path);
	out = open_memstream(&have, &size);
	if (!want || !out) {
		fprintf(stderr, "%s: cannot read\n", path);
		if (out)
			fclose(out);
		return false;
	}
	run_lines(want, fn, ctx, out);
	if (fclose(out))
		return false;
	same = !strcmp(want, have);
	if (!same && update && !strcmp(update, "1"))
		return write_file(path, have);
	if (!same)
		report(path, want, have);
	return same;
}
