/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: status and control lines (proto/status.h), those of byway-probe
 * (proto/probe.h). */
#include <string.h>

#include "proto/probe.h"
#include "proto/status.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What was understood can be written, and is then understood the same. */
static void fuzz_line(const char *line)
{
	char text[STATUS_LINE_MAX + 64];
	struct status first, second;
	enum control_command command;
	const char *args;
	size_t word;
	int len;

	if (control_parse(line, &command, &args) == 0) {
		word = strlen(control_name(command));
		require(strncmp(control_name(command), line, word) == 0);
		require(args == line + word + (*args != '\0'));
	}
	if (status_parse(line, &first) < 0)
		return;
	for (const char *c = first.text; *c; c++)
		require((unsigned char)*c >= ' ' && *c != 0x7f);
	/* Leading zeros go, so it never gets longer; a missing text may add
	 * the blank after the word. */
	len = status_format(&first, text, sizeof(text));
	require(len == -E2BIG || (len > 0 && text[len - 1] == '\n'));
	if (len < 0)
		return;
	require(len <= STATUS_LINE_MAX && strlen(text) == (size_t)len);
	text[len - 1] = '\0';
	require(status_parse(text, &second) == 0);
	require(second.kind == first.kind && second.ms == first.ms);
	require(second.ok == first.ok);
	require(second.exit_status == first.exit_status);
	require(strcmp(second.text, first.text) == 0);
	require(strcmp(second.bdf, first.bdf) == 0);
	require(strcmp(second.selector, first.selector) == 0);
	require(strcmp(second.method, first.method) == 0);
}

static void fuzz_probe(const char *line)
{
	char text[PROBE_LINE_MAX + 64];
	struct probe_line first, second;
	int len;

	if (probe_parse(line, &first) < 0)
		return;
	require(first.round > 0 && first.round <= PROBE_ROUNDS_MAX);
	require(first.step < PROBE_STEPS && first.outcome <= PROBE_NONE);
	len = probe_format(&first, text, sizeof(text));
	require(len == -E2BIG || (len > 0 && text[len - 1] == '\n'));
	if (len < 0)
		return;
	text[len - 1] = '\0';
	require(probe_parse(text, &second) == 0);
	require(second.round == first.round && second.ms == first.ms);
	require(second.step == first.step && second.outcome == first.outcome);
	require(strcmp(second.text, first.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = strndup((const char *)data, size);
	char *line, *rest = text;

	require(text != NULL);
	while ((line = strsep(&rest, "\n"))) {
		fuzz_line(line);
		fuzz_probe(line);
	}
	return 0;
}
