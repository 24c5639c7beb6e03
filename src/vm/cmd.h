/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The subcommands of vm.
 *
 * A command is called with argv[0] = its own full name; "-h" has been dealt
 * with. It prints to stdout, complains through say_error() and returns the
 * exit status of vm.
 * Locking: none, one thread.
 */
#ifndef VM_CMD_H
#define VM_CMD_H

#include "vm/place.h"

struct command;
typedef int command_fn(const struct command *cmd, const struct place *place,
		       int argc, char **argv);

struct command {
	const char *name;
	const char *args;    /* for the usage line */
	const char *summary; /* one line */
	const char *help;    /* NULL or more lines for `vm help NAME` */
	command_fn *fn;	     /* NULL: not in this version */
	bool hidden;
};

command_fn cmd_init, cmd_create, cmd_configure, cmd_destroy;
command_fn cmd_list, cmd_info;
command_fn cmd_start, cmd_install;
command_fn cmd_run, cmd_stop, cmd_restart, cmd_reset, cmd_poweroff;
command_fn cmd_console, cmd_screen;
command_fn cmd_passthru, cmd_doctor;
command_fn cmd_switch;

/* The subcommand of a table named by `word`: exactly, else by the only name
 * that begins with it in any case; names of commands that are not there do not
 * count. Complains when there is none or several. */
const struct command *command_find(const struct command *table, size_t count,
				   const char *word);
void command_usage(const struct command *cmd, FILE *out);

/* "vm: ERROR: ..." and "vm: WARNING: ..." on stderr; return 1. */
int say_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
int say_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A wrong option or argument: the sentence, then the usage line; returns 1. */
int say_usage(const struct command *cmd, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* struct warner function that says a warning. */
void warn_say(void *ctx, const char *text);

/*
 * Connects to the first console of a guest that was just started. With `stay`
 * until the guest is down, and a signal presses its power button; else until
 * the person leaves.
 */
int console_follow(const struct place *place, const char *name, bool stay);

/* "nvme0", "none3": a device's driver and a number among its devices, as
 * `vm passthru` lists it. */
struct hostpci;
#define PASSTHRU_INSTANCE_MAX 80
void passthru_instance(const struct hostpci *host, size_t index, char *buf,
		       size_t size);

/* Shows a screen at "ADDRESS:PORT" to a browser: the command, the address. */
#define VIEWER_URL_MAX 80
void viewer_command(const struct place *place, const char *vnc,
		    struct words *argv);
void viewer_url(const char *vnc, char buf[VIEWER_URL_MAX]);

/* "text (y/n)? ": did the person type y or yes? */
bool confirm(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* getopt(3) with our message for a wrong option; -1 at the end, '?' said. */
int option_next(const struct command *cmd, int argc, char **argv,
		const char *options);

/* Columns as wide as their widest cell, two blanks between. */
struct table {
	size_t columns;
	struct words cells;
};
void table_print(const struct table *table, FILE *out);

#endif
