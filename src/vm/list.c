/* SPDX-License-Identifier: BSD-2-Clause */
/* vm list: all guests, a line each. */
#include <string.h>

#include "vm/cmd.h"
#include "vm/runlock.h"

struct list_options {
	bool running, verbose;
	const char *tag;
};

/* "Running (pid)" and so on; "-" when the lock may not be read. */
static void state_format(enum run_state state, const struct run_info *info,
			 char *buf, size_t size)
{
	switch (state) {
	case RUN_STOPPED:
		snprintf(buf, size, "Stopped");
		break;
	case RUN_STARTING:
		snprintf(buf, size, "Starting (%d)", (int)info->supervisor.pid);
		break;
	case RUN_RUNNING:
		snprintf(buf, size, "Running (%d)", (int)info->byway.pid);
		break;
	case RUN_LOCKED:
		snprintf(buf, size, "Locked (%s)",
			 info->host[0] ? info->host : "-");
		break;
	case RUN_UNKNOWN:
		snprintf(buf, size, "-");
		break;
	}
}

/* "Yes [n]" with the place in vm_list, "No". */
static void auto_format(const struct place *place, const char *name, char *buf,
			size_t size)
{
	CLEANUP_WORDS struct words list = {0};

	words_split(&list, conf_get(place->conf, "vm_list"));
	for (size_t i = 0; i < list.count; i++) {
		if (strcmp(list.word[i], name) == 0) {
			snprintf(buf, size, "Yes [%zu]", i + 1);
			return;
		}
	}
	snprintf(buf, size, "No");
}

static void usage_add(const struct run_info *info, enum run_state state,
		      struct words *cells)
{
	struct proc_usage use;
	uint64_t s;

	if (state != RUN_RUNNING || proc_usage(info->byway, &use) < 0) {
		for (int i = 0; i < 3; i++)
			words_add(cells, "-");
		return;
	}
	s = use.age_s;
	words_add(cells, "%.1f", use.cpu_percent);
	words_add(cells, "%lluM",
		  (unsigned long long)(use.resident_bytes >> 20));
	words_add(cells, "%llu-%02u:%02u:%02u", (unsigned long long)(s / 86400),
		  (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60),
		  (unsigned)(s % 60));
}

static bool tag_fits(const struct conf *conf, const char *tag)
{
	CLEANUP_WORDS struct words tags = {0};

	if (!tag)
		return true;
	words_split(&tags, conf_get(conf, "tags"));
	return words_contain(&tags, tag);
}

/* The value as a cell: never empty, never more than one word wide. */
static void value_add(const struct conf *conf, const char *key,
		      struct words *cells)
{
	words_add(cells, "%s", conf_get_or(conf, key, "-"));
}

static void guest_add(const struct place *place, const char *name,
		      const struct list_options *options, struct words *cells)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_CONF struct conf *conf = NULL;
	struct run_info info = {0};
	enum run_state state = RUN_UNKNOWN;
	char text[HOST_NAME_SIZE + 16];

	/* What may not be read, or is broken, is shown as "-". */
	if (guest_open(place, name, NULL, &guest) == 0) {
		state = runlock_probe(&guest, &info);
		(void)!guest_conf(&guest, NULL, NULL, &conf);
	}
	if (!tag_fits(conf, options->tag) ||
	    (options->running && state != RUN_RUNNING && state != RUN_STARTING))
		return;
	words_add(cells, "%s", name);
	words_add(cells, "default");
	value_add(conf, "loader", cells);
	value_add(conf, "cpu", cells);
	value_add(conf, "memory", cells);
	words_add(cells, "%s",
		  info.vnc[0] && (state == RUN_RUNNING || state == RUN_STARTING)
		      ? info.vnc
		      : "-");
	auto_format(place, name, text, sizeof(text));
	words_add(cells, "%s", text);
	if (options->verbose)
		usage_add(&info, state, cells);
	state_format(state, &info, text, sizeof(text));
	words_add(cells, "%s", text);
	value_add(conf, "tags", cells);
}

static int guests_list(const struct place *place,
		       const struct list_options *options)
{
	static const char *const first[] = {
	    "NAME", "DATASTORE", "LOADER", "CPU", "MEMORY", "VNC", "AUTO"};
	struct table table = {.columns = options->verbose ? 12 : 9};
	CLEANUP_WORDS struct words names = {0};
	struct err err = {0};
	int status = 0;

	if (place_guests(place, &err, &names) < 0)
		return say_error("%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		words_add(&table.cells, "%s", first[i]);
	if (options->verbose)
		words_split(&table.cells, "%CPU RSZ UPTIME");
	words_split(&table.cells, "STATE TAGS");
	for (size_t i = 0; i < names.count; i++)
		guest_add(place, names.word[i], options, &table.cells);
	if (words_check(&table.cells, &err) < 0)
		status = say_error("%s", err.msg);
	else
		table_print(&table, stdout);
	words_free(&table.cells);
	return status;
}

int cmd_list(const struct command *cmd, const struct place *place, int argc,
	     char **argv)
{
	struct list_options options = {0};
	int option;

	while ((option = option_next(cmd, argc, argv, "+:rvt:")) != -1) {
		switch (option) {
		case 'r':
			options.running = true;
			break;
		case 'v':
			options.verbose = true;
			break;
		case 't':
			options.tag = optarg;
			break;
		default:
			return 1;
		}
	}
	if (optind != argc)
		return say_usage(cmd, "list: '%s' is not expected",
				 argv[optind]);
	return guests_list(place, &options);
}
