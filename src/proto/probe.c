/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of byway-probe; the contract is probe.h. */
#include "proto/probe.h"

#include <ctype.h>
#include <string.h>

#define MS_MAX 3600000u

static const char *const steps[PROBE_STEPS] = {
    "open", "regions", "reset", "verify", "interrupts", "close",
};

static const char *const outcomes[] = {"ok", "failed", "none"};

const char *probe_step_name(enum probe_step step)
{
	return steps[step];
}

const char *probe_outcome_name(enum probe_outcome outcome)
{
	return outcomes[outcome];
}

int probe_format(const struct probe_line *line, char *buf, size_t size)
{
	int len = snprintf(buf, size, "probe %u %s %s %u %s", line->round,
			   steps[line->step], outcomes[line->outcome], line->ms,
			   line->text);

	if (len < 0 || (size_t)len + 2 > size ||
	    (size_t)len + 1 > PROBE_LINE_MAX)
		return -E2BIG;
	for (int i = 0; i < len; i++)
		if (iscntrl((unsigned char)buf[i]))
			buf[i] = ' ';
	buf[len++] = '\n';
	buf[len] = '\0';
	return len;
}

/* Index of the next word among `words`, or -1; *at moves behind it. */
static int word_take(const char **at, const char *const *words, size_t count)
{
	size_t len = strcspn(*at, " ");

	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) != len || strncmp(*at, words[i], len) != 0)
			continue;
		*at += len;
		if (**at != ' ')
			return -1;
		(*at)++;
		return (int)i;
	}
	return -1;
}

static bool number_take(const char **at, unsigned max, unsigned *ret_value)
{
	unsigned value = 0, digits = 0;

	for (; isdigit((unsigned char)**at); (*at)++, digits++) {
		if (digits == 9)
			return false;
		value = value * 10 + (unsigned)(**at - '0');
	}
	if (digits == 0 || value > max || **at != ' ')
		return false;
	(*at)++;
	*ret_value = value;
	return true;
}

int probe_parse(const char *text, struct probe_line *ret_line)
{
	struct probe_line line = {0};
	int step, outcome;

	if (strlen(text) >= PROBE_LINE_MAX || strncmp(text, "probe ", 6) != 0)
		return -EINVAL;
	text += 6;
	if (!number_take(&text, PROBE_ROUNDS_MAX, &line.round) ||
	    line.round == 0)
		return -EINVAL;
	step = word_take(&text, steps, ARRAY_LEN(steps));
	outcome =
	    step < 0 ? -1 : word_take(&text, outcomes, ARRAY_LEN(outcomes));
	if (outcome < 0 || !number_take(&text, MS_MAX, &line.ms))
		return -EINVAL;
	for (const char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			return -EINVAL;
	line.step = (enum probe_step)step;
	line.outcome = (enum probe_outcome)outcome;
	memcpy(line.text, text, strlen(text) + 1);
	*ret_line = line;
	return 0;
}
