/* SPDX-License-Identifier: BSD-2-Clause */
/* The vm program: its table of subcommands. */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "vm/cmd.h"
#include "vm/keys.h"

static int cmd_version(const struct command *cmd, const struct place *place,
		       int argc, char **argv);
static int cmd_usage(const struct command *cmd, const struct place *place,
		     int argc, char **argv);
static int cmd_help(const struct command *cmd, const struct place *place,
		    int argc, char **argv);

static const struct command commands[] = {
    {"version", "", "print the version", NULL, cmd_version, false},
    {"usage", "", "print this list, and exit with 1", NULL, cmd_usage, false},
    {"help", "[command]", "explain a command", NULL, cmd_help, false},
    {"init", "", "make the directory of guests with its templates", NULL,
     cmd_init, false},
    {"list", "[-rv] [-t tag]", "list guests",
     "-r  running ones only\n"
     "-v  also CPU use, memory use and age\n"
     "-t  only those with this tag",
     cmd_list, false},
    {"info", "[-p] [name ...]", "show all about guests",
     "-p  also the plan of its addresses (asks byway)", cmd_info, false},
    {"create", "[-t template] [-s size] [-c cpus] [-m memory] name",
     "make a guest from a template",
     "-t  template below .templates (default: default)\n"
     "-s  size of disk0, for example 20G\n"
     "-c  number of virtual CPUs\n"
     "-m  memory, for example 1G",
     cmd_create, false},
    {"configure", "name", "edit a guest's file with $EDITOR", NULL,
     cmd_configure, false},
    {"start", "[-fi] name ...", "start guests",
     "Returns when the guests run, or says why one does not.\n"
     "-f  stay with the console until the guest is down\n"
     "-i  connect to the console",
     cmd_start, false},
    {"install", "[-fi] name image", "start a guest from an ISO image",
     "The image is a path or a name in .iso; one that does not end in\n"
     ".iso becomes a disk. It stays in until the guest is stopped.\n"
     "-f, -i  as with start",
     cmd_install, false},
    {"stop", "[-w [seconds]] name ...", "press guests' power buttons",
     "-w  wait until they are down (default 90 seconds)", cmd_stop, false},
    {"restart", "name", "stop a guest and let it start again", NULL,
     cmd_restart, false},
    {"reset", "[-f] name", "reset a guest at once", "-f  do not ask", cmd_reset,
     false},
    {"poweroff", "[-f] name", "switch a guest off at once", "-f  do not ask",
     cmd_poweroff, false},
    {"console", "[-w] name [com1|com2|com3|com4]",
     "connect to a guest's console",
     "What was printed last is shown first. ~. at the beginning of a\n"
     "line leaves, ~~ sends one ~.\n"
     "-w  wait for the guest to be started",
     cmd_console, false},
    {"screen", "[-n] name", "show a guest's screen to a browser",
     "Serves it until Ctrl-C at the address that is printed.\n"
     "-n  only print the command that does so",
     cmd_screen, false},
    {"destroy", "[-f] name", "remove a guest with its disks", "-f  do not ask",
     cmd_destroy, false},
    {"passthru", "[-v | --json | --svg] | command [argument ...]",
     "host PCI devices: list, name, take from the host, give back",
     "A device is BUS/SLOT/FUNCTION in decimal as listed, 0000:03:00.0 as in\n"
     "lspci, a slot (3/0, all its functions) or a name.\n"
     "-v      also group, driver, reset methods, guest, name, link and BARs\n"
     "--json  all that is known, for programs\n"
     "--svg   a picture of the buses and who has what\n"
     "Commands: reserve, release, name, pool, history, clear, accept, resize,\n"
     "attach, detach, sriov, doctor (which layer keeps a device from\n"
     "working: vm-doctor(8)).\n"
     "'vm passthru command -h' tells more.",
     cmd_passthru, false},
    {"switch", "command [argument ...]", "virtual switches",
     "Commands: list, info, create, add, remove, destroy, vlan, address,\n"
     "private, nat. 'vm switch command -h' tells more.",
     cmd_switch, false},
    {"_run", "[-R fd] name", "supervise a guest", NULL, cmd_run, true},
    {"add", "", "add a disk or network card", NULL, NULL, false},
    {"clone", "", "copy a guest", NULL, NULL, false},
    {"datastore", "", "further directories of guests", NULL, NULL, false},
    {"discard", "", "drop a saved state", NULL, NULL, false},
    {"edit", "name", "as configure", NULL, cmd_configure, true},
    {"get", "", "print settings", NULL, NULL, false},
    {"image", "", "guest images", NULL, NULL, false},
    {"img", "", "disk image files", NULL, NULL, false},
    {"iso", "", "ISO files", NULL, NULL, false},
    {"migrate", "", "move a guest to another host", NULL, NULL, false},
    {"rename", "", "rename a guest", NULL, NULL, false},
    {"rollback", "", "go back to a snapshot", NULL, NULL, false},
    {"set", "", "change settings", NULL, NULL, false},
    {"snapshot", "", "take a snapshot", NULL, NULL, false},
    {"startall", "", "start the guests of vm_list", NULL, NULL, false},
    {"stopall", "", "stop all guests", NULL, NULL, false},
    {"suspend", "", "save a guest's state", NULL, NULL, false},
    {"suspendall", "", "save all guests' state", NULL, NULL, false},
    {"tags", "", "tags of guests", NULL, NULL, false},
};

static int cmd_version(const struct command *cmd, const struct place *place,
		       int argc, char **argv)
{
	(void)cmd, (void)place, (void)argc, (void)argv;
	printf("vm %s, manager of byway guests\n", BYWAY_VERSION);
	return 0;
}

static void usage_print(FILE *out)
{
	fprintf(out, "usage: vm command [argument ...]\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *cmd = &commands[i];

		if (cmd->fn && !cmd->hidden)
			fprintf(out, "    %-10s %s\n", cmd->name, cmd->summary);
	}
	fprintf(out, "A command may be shortened as long as it stays unique.\n"
		     "'vm help command' and 'vm command -h' tell more.\n");
}

static int cmd_usage(const struct command *cmd, const struct place *place,
		     int argc, char **argv)
{
	(void)cmd, (void)place, (void)argc, (void)argv;
	usage_print(stdout);
	return 1;
}

static int not_yet(const struct command *cmd)
{
	return say_error("'%s' is not in this version", cmd->name);
}

static int command_help(const struct command *cmd)
{
	if (!cmd->fn)
		return not_yet(cmd);
	command_usage(cmd, stdout);
	printf("%s\n", cmd->summary);
	if (cmd->help)
		printf("\n%s\n", cmd->help);
	return 0;
}

static int cmd_help(const struct command *cmd, const struct place *place,
		    int argc, char **argv)
{
	(void)cmd, (void)place;
	if (argc < 2) {
		usage_print(stdout);
		return 0;
	}
	cmd = command_find(commands, ARRAY_LEN(commands), argv[1]);
	return cmd ? command_help(cmd) : 1;
}

/* Do these need no directory of guests? */
static bool is_standalone(const struct command *cmd)
{
	return cmd->fn == cmd_version || cmd->fn == cmd_usage ||
	       cmd->fn == cmd_help;
}

int main(int argc, char **argv)
{
	const struct warner warner = {warn_say, NULL};
	const struct command *cmd;
	struct place place = {0};
	struct err err = {0};
	int status;

	log_init("vm", LOG_INFO);
	if (argc < 2) {
		usage_print(stderr);
		return 1;
	}
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
		usage_print(stdout);
		return 0;
	}
	cmd = command_find(commands, ARRAY_LEN(commands), argv[1]);
	if (!cmd)
		return 1;
	if (!cmd->fn)
		return not_yet(cmd);
	if (argc > 2 && (!strcmp(argv[2], "-h") || !strcmp(argv[2], "--help")))
		return command_help(cmd);
	if (!is_standalone(cmd) && place_open(&place, &err) < 0) {
		place_close(&place);
		return say_error("%s", err.msg);
	}
	if (!is_standalone(cmd) && cmd->fn != cmd_run)
		place_keys_check(place.conf, &warner);
	argv[1] = (char *)cmd->name;
	status = cmd->fn(cmd, &place, argc - 1, argv + 1);
	place_close(&place);
	if (fflush(stdout) != 0)
		return say_error("stdout: write failed");
	return status;
}
