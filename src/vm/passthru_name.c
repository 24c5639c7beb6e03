/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru name, pool, history, clear and accept. */
#include <string.h>

#include "base/cfg.h"
#include "vm/devlog.h"
#include "vm/passthru.h"

static int cells_print(struct table *table, int status)
{
	struct err err = {0};

	if (words_check(&table->cells, &err) < 0)
		status = say_error("%s", err.msg);
	else
		table_print(table, stdout);
	words_free(&table->cells);
	return status;
}

/* ---- names ---- */

static int names_list(const struct place *place)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct table table = {.columns = 5};

	if (pciview_open(place, &view) != 0)
		return 1;
	words_split(&table.cells, "NAME ADDRESS FUNCTIONS SLOT STATE");
	for (size_t i = 0; i < view.names.count; i++) {
		const struct pciname *entry = &view.names.entry[i];
		const struct hostpci_found *found = &entry->found;
		char why[384] = "";
		bool here = found->sight == HOSTPCI_SAME ||
			    found->sight == HOSTPCI_UNSURE;

		if (found->sight != HOSTPCI_SAME)
			pcinames_tell(&entry->identity, found, why,
				      sizeof(why));
		words_add(&table.cells, "%s", entry->name);
		words_add(&table.cells, "%s", here ? found->dev->bdf : "-");
		words_add(&table.cells, "%s", entry->all ? "all" : "one");
		words_add(&table.cells, "%s", entry->identity.place);
		words_add(&table.cells, "%s",
			  why[0] ? why : hostpci_device_name(found->dev));
	}
	return cells_print(&table, 0);
}

static int name_give(const struct place *place, const char *name,
		     const char *text)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct hostpci_identity identity;
	char value[HOSTPCI_IDENTITY_MAX + 8] = "";
	struct pcidevs devs;
	struct err err = {0};
	size_t all;

	if (pciview_open_device(place, text, &turn, &view, &devs) != 0)
		return 1;
	if (hostpci_identify(view.host, devs.dev[0], &err, &identity) < 0)
		return say_error("%s", err.msg);
	if (hostpci_is_bridge(devs.dev[0]))
		return say_error(
		    "%s (%s): a bridge; a guest can only have the devices "
		    "behind it",
		    devs.dev[0]->bdf, devs.dev[0]->selector);
	if (!identity.serial_known)
		return say_error("%s (%s): its serial number cannot be read; "
				 "run as root, while the device answers",
				 devs.dev[0]->bdf, devs.dev[0]->selector);
	strcpy(value, devs.all ? "all " : "");
	all = strlen(value);
	hostpci_identity_format(&identity, value + all);
	if (pcinames_set(place, name, value, &err) < 0)
		return say_error("%s", err.msg);
	printf("%s: %s%s (%s), slot %s\n", name,
	       devs.all ? "all functions at " : "", devs.dev[0]->bdf,
	       devs.dev[0]->selector, identity.place);
	return 0;
}

/* Takes a name or a pool away; what a pool still lists keeps its name. */
static int name_drop(const struct place *place, const char *name, bool pool)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	const struct conf *conf;
	struct err err = {0};
	int rc;

	if (pciview_open_turn(place, &turn, &view) != 0)
		return 1;
	conf = pool ? view.names.pools : view.names.names;
	if (!pciname_valid(name) || !conf_get(conf, "%s", name))
		return say_error("'%.40s': there is no such %s", name,
				 pool ? "pool" : "name");
	for (size_t i = 0;
	     !pool && view.names.pools && i < view.names.pools->count; i++) {
		const struct conf_entry *entry = &view.names.pools->entry[i];
		CLEANUP_WORDS struct words members = {0};

		words_split(&members, entry->value);
		if (words_contain(&members, name))
			return say_error("%s: pool '%s' lists it; change the "
					 "pool first",
					 name, entry->key);
	}
	rc = pool ? pcinames_set_pool(place, name, NULL, &err)
		  : pcinames_set(place, name, NULL, &err);
	return rc < 0 ? say_error("%s", err.msg) : 0;
}

static int name_refuse(const struct command *cmd, const char *name)
{
	return say_usage(cmd,
			 "%s: '%.40s': expected a name that begins with a "
			 "small letter, of letters, digits, '.', '_' and '-', "
			 "at most %u",
			 cmd->name, name, PCINAME_MAX);
}

int passthru_name(const struct command *cmd, const struct place *place,
		  int argc, char **argv)
{
	const char *drop = NULL;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:d:")) != -1) {
		if (option != 'd')
			return 1;
		drop = optarg;
	}
	if (drop && optind == argc)
		return name_drop(place, drop, false);
	if (!drop && optind == argc)
		return names_list(place);
	if (drop || argc - optind != 2)
		return say_usage(cmd, "%s: expected a name and a device",
				 cmd->name);
	if (!pciname_valid(argv[optind]))
		return name_refuse(cmd, argv[optind]);
	return name_give(place, argv[optind], argv[optind + 1]);
}

/* ---- pools ---- */

static int pools_list(const struct place *place)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct table table = {.columns = 4};

	if (pciview_open(place, &view) != 0)
		return 1;
	words_split(&table.cells, "POOL DEVICE ADDRESS GUEST");
	for (size_t i = 0; view.names.pools && i < view.names.pools->count;
	     i++) {
		const struct conf_entry *entry = &view.names.pools->entry[i];
		CLEANUP_WORDS struct words members = {0};

		words_split(&members, entry->value);
		for (size_t m = 0; m < members.count; m++) {
			const struct claim *claim = NULL;
			struct pcidevs devs = {0};

			if (pcinames_resolve(&view.names, members.word[m],
					     false, NULL, &devs) == 0)
				claim =
				    claims_find(&view.claims, devs.dev[0]->bdf);
			words_add(&table.cells, "%s", entry->key);
			words_add(&table.cells, "%s", members.word[m]);
			words_add(&table.cells, "%s",
				  devs.count ? devs.dev[0]->bdf : "not there");
			words_add(&table.cells, "%s",
				  claim && claim->running ? claim->guest : "-");
		}
	}
	return cells_print(&table, 0);
}

static int pool_make(const struct place *place, const char *pool, int count,
		     char **members)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	CLEANUP_WORDS struct words list = {0};
	CLEANUP_FREE char *text = NULL;
	struct err err = {0};

	if (pciview_open_turn(place, &turn, &view) != 0)
		return 1;
	for (int i = 0; i < count; i++) {
		struct pcidevs devs;

		/* An address may mean another device tomorrow. */
		if (!pciname_like(members[i]))
			return say_error("'%.40s': a pool is made of names; "
					 "give it one: vm passthru name NAME "
					 "%.40s",
					 members[i], members[i]);
		if (pcinames_resolve(&view.names, members[i], true, &err,
				     &devs) < 0)
			return say_error("%s", err.msg);
		if (words_contain(&list, members[i]))
			return say_error("%s is given twice", members[i]);
		words_add(&list, "%s", members[i]);
	}
	text = words_join(&list, ' ');
	if (!text)
		return say_error("out of memory");
	if (pcinames_set_pool(place, pool, text, &err) < 0)
		return say_error("%s", err.msg);
	printf("pool %s: %s\n", pool, text);
	return 0;
}

int passthru_pool(const struct command *cmd, const struct place *place,
		  int argc, char **argv)
{
	const char *drop = NULL;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:d:")) != -1) {
		if (option != 'd')
			return 1;
		drop = optarg;
	}
	if (drop && optind == argc)
		return name_drop(place, drop, true);
	if (!drop && optind == argc)
		return pools_list(place);
	if (drop || argc - optind < 2)
		return say_usage(cmd,
				 "%s: expected a pool and names of "
				 "devices",
				 cmd->name);
	if (!pciname_valid(argv[optind]))
		return name_refuse(cmd, argv[optind]);
	return pool_make(place, argv[optind], argc - optind - 1,
			 argv + optind + 1);
}

/* ---- histories and quarantine ---- */

static int key_of(const struct pciview *view, const struct hostpci_dev *dev,
		  char key[DEVLOG_KEY_MAX])
{
	struct hostpci_identity identity;
	struct err err = {0};

	if (hostpci_identify(view->host, dev, &err, &identity) < 0)
		return say_error("%s", err.msg);
	devlog_key(&identity, key);
	return 0;
}

/* Lines of `text` but for the first ones. */
static void lines_add(struct table *table, char *text, size_t skip)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		struct devlog_line entry;

		if (devlog_parse(line, &entry) < 0)
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		words_add(&table->cells, "%s", entry.when);
		words_add(&table->cells, "%s", entry.bdf);
		words_add(&table->cells, "%s", entry.guest);
		words_add(&table->cells, "%s", entry.method);
		words_add(&table->cells, "%u", entry.ms);
		words_add(&table->cells, "%s", entry.ok ? "ok" : "failed");
		words_add(&table->cells, "%s",
			  entry.text[0] ? entry.text : "-");
	}
}

static size_t lines_count(const char *text)
{
	size_t count = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		count++;
	}
	return count;
}

static int history_print(const struct pciview *view, const char *label,
			 const char *key, uint64_t last)
{
	struct table table = {.columns = 7};
	CLEANUP_FREE char *text = NULL;
	struct err err = {0};
	size_t count;

	if (devlog_read(view->place, key, &err, &text) < 0)
		return say_error("%s", err.msg);
	count = lines_count(text);
	if (count == 0) {
		printf("%s: no reset is on record\n", label);
		return 0;
	}
	words_split(&table.cells,
		    "WHEN ADDRESS GUEST METHOD MS OUTCOME DETAIL");
	lines_add(&table, text, count > last ? count - last : 0);
	return cells_print(&table, 0);
}

/* Of what `text` means; by a name also of a device that is not there. */
static int history_show(const struct pciview *view, const char *text,
			uint64_t last)
{
	const struct pciname *entry = pcinames_entry(&view->names, text);
	char key[DEVLOG_KEY_MAX], label[64];
	struct pcidevs devs;
	struct err err = {0};
	int status = 0;

	if (pcinames_resolve(&view->names, text, false, &err, &devs) < 0) {
		if (!entry)
			return say_error("%s", err.msg);
		say_warning("%s", err.msg);
		devlog_key(&entry->identity, key);
		return history_print(view, text, key, last);
	}
	for (size_t n = 0; n < devs.count; n++) {
		const struct hostpci_dev *dev = devs.dev[n];

		snprintf(label, sizeof(label), "%s (%s)", dev->bdf,
			 dev->selector);
		if (key_of(view, dev, key) != 0)
			return 1;
		status |= history_print(view, label, key, last);
	}
	return status;
}

int passthru_history(const struct command *cmd, const struct place *place,
		     int argc, char **argv)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	uint64_t last = UINT64_MAX;
	int option, status = 0;

	while ((option = option_next(cmd, argc, argv, "+:n:")) != -1) {
		if (option != 'n')
			return 1;
		if (parse_u64(optarg, &last) < 0)
			return say_usage(cmd, "%s: -n %.40s: expected a number",
					 cmd->name, optarg);
	}
	if (optind == argc)
		return say_usage(cmd, "%s: expected an address or a name",
				 cmd->name);
	if (pciview_open(place, &view) != 0)
		return 1;
	for (int i = optind; i < argc; i++)
		status |= history_show(&view, argv[i], last);
	return status;
}

static int clear_one(const struct pciview *view, const struct hostpci_dev *dev)
{
	char key[DEVLOG_KEY_MAX];
	struct err err = {0};
	int rc;

	if (key_of(view, dev, key) != 0)
		return 1;
	rc = quarantine_clear(view->place, key, &err);
	if (rc < 0)
		return say_error("%s", err.msg);
	printf("%s (%s): %s quarantine\n", dev->selector, dev->bdf,
	       rc > 0 ? "out of" : "was not in");
	return 0;
}

int passthru_clear(const struct command *cmd, const struct place *place,
		   int argc, char **argv)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct err err = {0};
	int status = 0;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind == argc)
		return say_usage(cmd, "%s: expected an address or a name",
				 cmd->name);
	if (pciview_open(place, &view) != 0)
		return 1;
	for (int i = optind; i < argc; i++) {
		struct pcidevs devs;

		if (pcinames_resolve(&view.names, argv[i], false, &err, &devs) <
		    0) {
			status = say_error("%s", err.msg);
			continue;
		}
		for (size_t n = 0; n < devs.count; n++)
			status |= clear_one(&view, devs.dev[n]);
	}
	return status;
}

/* ---- what a guest had ---- */

int passthru_accept(const struct command *cmd, const struct place *place,
		    int argc, char **argv)
{
	int status = 0;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind == argc)
		return say_usage(cmd, "%s: the name of a guest is missing",
				 cmd->name);
	for (int i = optind; i < argc; i++) {
		CLEANUP_GUEST struct guest guest = GUEST_NONE;
		struct err err = {0};

		if (guest_open(place, argv[i], &err, &guest) < 0) {
			status = say_error("%s", err.msg);
			continue;
		}
		if (unlinkat(guest.dirfd, CLAIMS_KNOWN, 0) < 0 &&
		    errno != ENOENT) {
			err_sys(&err, -errno, "%s/" CLAIMS_KNOWN, guest.dir);
			status = say_error("%s", err.msg);
			continue;
		}
		printf("%s: the next start takes what is at its addresses "
		       "then\n",
		       argv[i]);
	}
	return status;
}
