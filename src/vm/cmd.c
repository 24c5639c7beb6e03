/* SPDX-License-Identifier: BSD-2-Clause */
/* What all subcommands share; the contract is cmd.h. */
#include "vm/cmd.h"

#include <string.h>
#include <strings.h>

#include "base/cfg.h"

#define COMMANDS_MAX 64u

static void say(const char *kind, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void say(const char *kind, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "vm: %s: ", kind);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int say_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("ERROR", fmt, ap);
	va_end(ap);
	return 1;
}

int say_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("WARNING", fmt, ap);
	va_end(ap);
	return 1;
}

void warn_say(void *ctx, const char *text)
{
	(void)ctx;
	say_warning("%s", text);
}

void command_usage(const struct command *cmd, FILE *out)
{
	fprintf(out, "usage: vm %s%s%s\n", cmd->name, cmd->args[0] ? " " : "",
		cmd->args);
}

int say_usage(const struct command *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("ERROR", fmt, ap);
	va_end(ap);
	command_usage(cmd, stderr);
	return 1;
}

int option_next(const struct command *cmd, int argc, char **argv,
		const char *options)
{
	int option;

	opterr = 0;
	option = getopt(argc, argv, options);
	if (option == '?')
		say_usage(cmd, "%s: unknown option -%c", cmd->name, optopt);
	else if (option == ':')
		say_usage(cmd, "%s: option -%c needs a value", cmd->name,
			  optopt);
	return option == ':' ? '?' : option;
}

/* Says that nothing is called `word`, with the nearest name if one is near. */
static void say_unknown(const struct command *table, size_t count,
			const char *word)
{
	const char *names[COMMANDS_MAX + 1] = {NULL};
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < count && n < COMMANDS_MAX; i++)
		if (!table[i].hidden)
			names[n++] = table[i].name;
	near = nearest_word(word, names);
	if (near)
		say_error("unknown command '%s'; did you mean '%s'?", word,
			  near);
	else
		say_error("unknown command '%s'; 'vm help' lists all", word);
}

const struct command *command_find(const struct command *table, size_t count,
				   const char *word)
{
	const struct command *found = NULL;
	size_t len = strlen(word);

	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, word) == 0)
			return &table[i];
	for (size_t i = 0; i < count; i++) {
		if (table[i].hidden || !table[i].fn ||
		    strncasecmp(table[i].name, word, len) != 0)
			continue;
		if (found) {
			say_error("'%s' is ambiguous: %s or %s?", word,
				  found->name, table[i].name);
			return NULL;
		}
		found = &table[i];
	}
	if (!found)
		say_unknown(table, count, word);
	return found;
}

bool confirm(const char *fmt, ...)
{
	char answer[16];
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (y/n)? ");
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\n")] = '\0';
	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

void table_print(const struct table *table, FILE *out)
{
	size_t rows = table->cells.count / table->columns;

	for (size_t row = 0; row < rows; row++) {
		for (size_t col = 0; col < table->columns; col++) {
			size_t width = 0;
			char **cell = table->cells.word;

			for (size_t r = 0; r < rows; r++)
				width =
				    MAX(width,
					strlen(cell[r * table->columns + col]));
			cell += row * table->columns + col;
			if (col + 1 == table->columns)
				fprintf(out, "%s\n", *cell);
			else
				fprintf(out, "%-*s  ", (int)width, *cell);
		}
	}
}
