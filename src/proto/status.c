/* SPDX-License-Identifier: BSD-2-Clause */
/* Status and control lines between byway and vm; the contract is status.h. */
#include "proto/status.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

static const char *const reset_methods[] = {
    "flr", "bus", "pm", "device_specific", "acpi", "af_flr", "none",
};

static const char *const control_names[] = {
    [CONTROL_POWER_BUTTON] = "power-button",
    [CONTROL_RESET] = "reset",
    [CONTROL_POWEROFF] = "poweroff",
    [CONTROL_STATS] = "stats",
    [CONTROL_SLOTS] = "slots",
    [CONTROL_ATTACH] = "attach",
    [CONTROL_DETACH] = "detach",
};

/* Text never carries control characters: a line stays a line, and what a
 * person reads on a terminal stays text. */
static void clean_text(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = ' ';
}

int status_format(const struct status *status, char *buf, size_t size)
{
	char line[2 * STATUS_LINE_MAX];
	const char *gap = status->text[0] ? " " : "";
	int len = -EINVAL;

	switch (status->kind) {
	case STATUS_RUNNING:
		len = snprintf(line, sizeof(line), "running");
		break;
	case STATUS_DEVICE:
		len = snprintf(
		    line, sizeof(line), "device %s %s reset %s %u %s%s%s",
		    status->selector, status->bdf, status->method, status->ms,
		    status->ok ? "ok" : "failed", gap, status->text);
		break;
	case STATUS_ATTACHED:
	case STATUS_DETACHED:
		len = snprintf(line, sizeof(line), "%s %s %s",
			       status->kind == STATUS_ATTACHED ? "attached"
							       : "detached",
			       status->selector, status->bdf);
		break;
	case STATUS_LOG:
		len = snprintf(line, sizeof(line), "log %s", status->text);
		break;
	case STATUS_ERROR:
		len = snprintf(line, sizeof(line), "error %s", status->text);
		break;
	case STATUS_EXIT:
		len = snprintf(line, sizeof(line), "exit %d%s%s",
			       status->exit_status, gap, status->text);
		break;
	}
	if (len < 0)
		return -EINVAL;
	/* The newline counts, and so does the terminating NUL in `buf`. */
	if (len + 1 > STATUS_LINE_MAX || (size_t)len + 2 > size)
		return -E2BIG;
	clean_text(line);
	memcpy(buf, line, (size_t)len);
	memcpy(buf + len, "\n", 2);
	return len + 1;
}

/* Cuts the next space-separated word off *rest into `word`. */
static int take_word(const char **rest, char *word, size_t size)
{
	size_t len = strcspn(*rest, " ");

	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(word, *rest, len);
	word[len] = '\0';
	*rest += len;
	if (**rest == ' ')
		(*rest)++;
	return 0;
}

static int take_number(const char **rest, unsigned long max,
		       unsigned long *ret_value)
{
	char word[16], *end;
	unsigned long value;

	if (take_word(rest, word, sizeof(word)) < 0 ||
	    !isdigit((unsigned char)word[0]))
		return -EINVAL;
	errno = 0;
	value = strtoul(word, &end, 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* "bus/slot/function", decimal. */
static bool selector_valid(const char *text)
{
	unsigned bus, slot, func;
	int used = -1;

	if (strspn(text, "0123456789/") != strlen(text) || strlen(text) > 8)
		return false;
	if (sscanf(text, "%u/%u/%u%n", &bus, &slot, &func, &used) != 3 ||
	    used < 0 || text[used])
		return false;
	return bus <= 255 && slot <= 31 && func <= 7;
}

/* "dddd:bb:ss.f", hexadecimal; domains may be longer than four digits. */
static bool bdf_valid(const char *text)
{
	size_t domain = strspn(text, "0123456789abcdef");
	const char *p = text + domain;

	return domain >= 4 && domain <= 8 && p[0] == ':' &&
	       isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]) &&
	       p[3] == ':' && (p[4] == '0' || p[4] == '1') &&
	       isxdigit((unsigned char)p[5]) && p[6] == '.' && p[7] >= '0' &&
	       p[7] <= '7' && p[8] == '\0';
}

static bool uuid_valid(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return i == 36;
}

/* A device of the host, a served one and its socket, a mediated one. */
static bool device_valid(const struct status *status)
{
	if (strcmp(status->selector, "vfio-user") == 0)
		return status->bdf[0] == '/';
	if (strcmp(status->selector, "mdev") == 0)
		return uuid_valid(status->bdf);
	return selector_valid(status->selector) && bdf_valid(status->bdf);
}

static bool method_valid(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(reset_methods); i++)
		if (strcmp(text, reset_methods[i]) == 0)
			return true;
	return false;
}

static int parse_names(const char **rest, struct status *status)
{
	if (take_word(rest, status->selector, sizeof(status->selector)) < 0 ||
	    take_word(rest, status->bdf, sizeof(status->bdf)) < 0 ||
	    !device_valid(status))
		return -EINVAL;
	return 0;
}

static int parse_device(const char *rest, struct status *status)
{
	char word[16];
	unsigned long ms;

	if (parse_names(&rest, status) < 0 ||
	    take_word(&rest, word, sizeof(word)) < 0 ||
	    strcmp(word, "reset") != 0 ||
	    take_word(&rest, status->method, sizeof(status->method)) < 0 ||
	    !method_valid(status->method) ||
	    take_number(&rest, UINT_MAX, &ms) < 0 ||
	    take_word(&rest, word, sizeof(word)) < 0)
		return -EINVAL;
	status->ms = (unsigned)ms;
	status->ok = strcmp(word, "ok") == 0;
	if (!status->ok && strcmp(word, "failed") != 0)
		return -EINVAL;
	strcpy(status->text, rest);
	return 0;
}

static int parse_exit(const char *rest, struct status *status)
{
	unsigned long value;

	if (take_number(&rest, 255, &value) < 0)
		return -EINVAL;
	status->exit_status = (int)value;
	strcpy(status->text, rest);
	return 0;
}

int status_parse(const char *line, struct status *ret_status)
{
	struct status status = {0};
	const char *rest = line;
	char word[16];
	int rc = 0;

	/* Every text field below is at least as long as a whole line. */
	if (strlen(line) + 1 > STATUS_LINE_MAX ||
	    take_word(&rest, word, sizeof(word)) < 0)
		return -EINVAL;
	if (strcmp(word, "running") == 0) {
		status.kind = STATUS_RUNNING;
		rc = strcmp(line, "running") == 0 ? 0 : -EINVAL;
	} else if (strcmp(word, "device") == 0) {
		status.kind = STATUS_DEVICE;
		rc = parse_device(rest, &status);
	} else if (strcmp(word, "attached") == 0 ||
		   strcmp(word, "detached") == 0) {
		status.kind =
		    word[0] == 'a' ? STATUS_ATTACHED : STATUS_DETACHED;
		rc = parse_names(&rest, &status);
		if (rc == 0 && (*rest || rest[-1] == ' '))
			rc = -EINVAL;
	} else if (strcmp(word, "log") == 0) {
		status.kind = STATUS_LOG;
		strcpy(status.text, rest);
	} else if (strcmp(word, "error") == 0) {
		status.kind = STATUS_ERROR;
		strcpy(status.text, rest);
	} else if (strcmp(word, "exit") == 0) {
		status.kind = STATUS_EXIT;
		rc = parse_exit(rest, &status);
	} else {
		rc = -EINVAL;
	}
	if (rc < 0)
		return rc;
	clean_text(status.text);
	*ret_status = status;
	return 0;
}

const char *control_name(enum control_command command)
{
	return control_names[command];
}

static bool takes_args(enum control_command command)
{
	return command == CONTROL_ATTACH || command == CONTROL_DETACH;
}

int control_parse(const char *line, enum control_command *ret_command,
		  const char **ret_args)
{
	const char *space = strchrnul(line, ' ');
	size_t i, len = (size_t)(space - line);

	for (i = 0; i < ARRAY_LEN(control_names); i++)
		if (strlen(control_names[i]) == len &&
		    !strncmp(line, control_names[i], len))
			break;
	if (i == ARRAY_LEN(control_names) ||
	    takes_args((enum control_command)i) != (*space && space[1]))
		return -EINVAL;
	if (*space && !space[1])
		return -EINVAL;
	*ret_command = (enum control_command)i;
	*ret_args = *space ? space + 1 : space;
	return 0;
}
